//! Checks of the files beside the segments. On the main thread; reads only.

use postrider_storage::checkpoint::Checkpoint;
use postrider_storage::io::FileDisk;
use postrider_storage::register::{self, RegisterCheck};
use postrider_storage::runs::{self, RunCheck};
use postrider_storage::{Disk as _, LogIoError, SideFile};

/// Where a side file is damaged, in bytes, as far as that can be said; and how.
pub(super) type SideFault = (Option<u64>, String);

/// Checks one side file of `len` bytes from its first byte to its last.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_side_file(
    file: SideFile,
    len: u64,
    disk: &mut FileDisk,
) -> Result<(), SideFault> {
    let failed = |error: LogIoError| (None, error.to_string());
    let damaged = match file {
        SideFile::Run(kind, number) => {
            match runs::check(disk, kind, number, len).map_err(failed)? {
                RunCheck::Intact(_) => return Ok(()),
                RunCheck::Damaged { offset } => offset,
            }
        }
        SideFile::Register(_) | SideFile::Slots(_) => {
            match register::check(disk, file, len).map_err(failed)? {
                RegisterCheck::Intact(_) => return Ok(()),
                RegisterCheck::Damaged { offset } => offset,
            }
        }
        SideFile::Checkpoint(_) => {
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
            let read = disk.read_side(file, 0, &mut bytes).map_err(failed)?;
            bytes.truncate(read);
            return match Checkpoint::read(&bytes) {
                Ok(_) => Ok(()),
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
