//! The files beside the segments: whether they are whole, and what is in them. On the main thread;
//! reads only.

use postrider_storage::checkpoint::Checkpoint;
use postrider_storage::io::FileDisk;
use postrider_storage::register::{self, RegisterCheck, RegisterFile};
use postrider_storage::runs::{self, RunCheck, RunFile};
use postrider_storage::{Disk as _, LogIoError, SideFile};
use serde_json::{Value, json};

use super::inspect::time;

/// What is in a side file that is whole.
pub(super) enum SideFacts {
    Run(RunFile),
    Register(RegisterFile),
    Checkpoint(Box<Checkpoint>),
}

impl SideFacts {
    /// In a few words.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Run(RunFile { rows, covers, .. }) => {
                format!("{rows} rows, up to record {}", covers.0)
            }
            Self::Register(RegisterFile { rows, sequences: (first, last), .. }) => {
                format!("{rows} messages, {first} to {last}")
            }
            Self::Checkpoint(checkpoint) => format!(
                "record {}, from segment {}",
                checkpoint.lsn.0, checkpoint.low_water.segment.0,
            ),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Run(run) => json!({
                "rows": run.rows,
                "covers_lsn": run.covers.0,
                "generations": run.generations,
                "slice": run.slice.0,
            }),
            Self::Register(register) => json!({
                "messages": register.rows,
                "sequences": register.sequences,
                "accepted": [time(register.accepted_ms.0), time(register.accepted_ms.1)],
            }),
            Self::Checkpoint(checkpoint) => {
                let sections = checkpoint.sections();
                let sections = sections.map(|(name, bytes)| (name.to_owned(), bytes.len().into()));
                json!({
                    "taken": time(checkpoint.at_ms),
                    "lsn": checkpoint.lsn.0,
                    "replay_from": checkpoint.low_water.segment.file_name(),
                    "next_sequence": checkpoint.next_sequence,
                    "section_bytes": Value::Object(sections.collect()),
                })
            }
        }
    }
}

/// Where a side file is damaged, in bytes, as far as that can be said; and how.
pub(super) type SideFault = (Option<u64>, String);

/// Checks one side file of `len` bytes from its first byte to its last, and gives what is in it.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_side_file(
    file: SideFile,
    len: u64,
    disk: &mut FileDisk,
) -> Result<SideFacts, SideFault> {
    let failed = |error: LogIoError| (None, error.to_string());
    let damaged = match file {
        SideFile::Run(kind, number) => {
            match runs::check(disk, kind, number, len).map_err(failed)? {
                RunCheck::Intact(run) => return Ok(SideFacts::Run(run)),
                RunCheck::Damaged { offset } => offset,
            }
        }
        SideFile::Register(_) | SideFile::Slots(_) => {
            match register::check(disk, file, len).map_err(failed)? {
                RegisterCheck::Intact(register) => return Ok(SideFacts::Register(register)),
                RegisterCheck::Damaged { offset } => offset,
            }
        }
        SideFile::Checkpoint(_) => {
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
            let read = disk.read_side(file, 0, &mut bytes).map_err(failed)?;
            bytes.truncate(read);
            return match Checkpoint::read(&bytes) {
                Ok(checkpoint) => Ok(SideFacts::Checkpoint(Box::new(checkpoint))),
                Err(error) => Err((None, error.to_string())),
            };
        }
    };
    let what = match damaged {
        Some(_) => "the checksum does not agree",
        None => "it is damaged, or another release wrote it",
    };
    Err((damaged, what.to_owned()))
}
