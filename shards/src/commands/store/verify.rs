//! `postrider store verify`: checks everything in a data directory that has a checksum, and what
//! must agree with something else. On the main thread.

use std::path::PathBuf;

use anyhow::Result;
use postrider_core::id::{IdCipher, MessageId};
use postrider_core::number::Msisdn;
use postrider_core::place::Placement;
use postrider_storage::io::{DirView, OpenDirError};
use postrider_storage::{
    Disk, Observer, OpenError, Record, Recovery, Replayed, SegmentId, SideFile,
};
use serde_json::{Value, json};

use super::super::lines::{complain, print};
use super::read::{Source, shard_name};
use super::side::check_side_file;
use crate::exit;
use crate::shard::offline::Offline;

/// Check everything in a data directory that can be checked
///
/// Every checksum of every batch of the log; that the batches and the segments
/// follow one another; every record; every index; the names; and that ids and
/// numbers agree with the keys that they were made with.
///
/// The bytes of a write that a killed gateway did not finish count as a fault
/// too, since nobody can tell them from a damaged last batch: the next start
/// cuts them.
///
/// Exit status: 0 all is well; 1 something is not, or cannot be read.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct VerifyArgs {
    /// The data directory.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &VerifyArgs) -> i32 {
    let report = match Report::make(args) {
        Ok(report) => report,
        Err(error) => {
            complain(&format!("{error:#}"));
            return exit::FAILED;
        }
    };
    let text = if args.json { report.to_json().to_string() } else { report.to_text() };
    let well = report.faults.is_empty();
    let printed = print(&mut std::io::stdout().lock(), &text).err().unwrap_or(exit::OK);
    if well { printed } else { exit::FAILED }
}

/// Something that is not as it was written.
#[derive(Debug)]
struct Fault {
    /// From the data directory on.
    file: String,
    offset: Option<u64>,
    what: String,
}

/// What was checked.
#[derive(Debug, Default)]
struct Report {
    shards: u16,
    segments: usize,
    batches: u64,
    records: u64,
    messages: u64,
    side_files: u64,
    set_aside: u64,
    faults: Vec<Fault>,
}

impl Report {
    /// # Errors
    /// When the directory cannot be looked at at all.
    fn make(args: &VerifyArgs) -> Result<Self> {
        let mut report = Report::default();
        let view = match DirView::open(&args.dir) {
            Ok(view) => view,
            Err(error) => return report.of_file(error).map(|()| report),
        };
        let names = match view.read_names() {
            Ok(names) => names,
            Err(error) => {
                report.of_file(error)?;
                Default::default()
            }
        };
        let key = match view.id_key() {
            Ok(None) => {
                report.fault("id.key", None, "it is missing: ids given out need it");
                None
            }
            Ok(key) => key,
            Err(error) => {
                report.of_file(error)?;
                None
            }
        };
        report.shards = view.shards();
        let source = Source { view, names };
        for shard in source.view.logs() {
            report.check_shard(&source, shard, key)?;
        }
        Ok(report)
    }

    fn fault(&mut self, file: impl Into<String>, offset: Option<u64>, what: impl Into<String>) {
        self.faults.push(Fault { file: file.into(), offset, what: what.into() });
    }

    /// A damaged file of the directory is a fault; all else ends the work.
    fn of_file(&mut self, error: OpenDirError) -> Result<()> {
        let OpenDirError::Damaged { path, why } = error else { return Err(error.into()) };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.fault(name, None, why);
        Ok(())
    }

    fn check_shard(&mut self, source: &Source, shard: u16, key: Option<[u8; 16]>) -> Result<()> {
        let folder = shard_name(shard);
        let view = &source.view;
        let files = match view.files(shard) {
            Ok(files) => files,
            Err(error) => {
                self.fault(folder, None, error.to_string());
                return Ok(());
            }
        };
        let mut checks = RecordChecks {
            cipher: key.map(|key| IdCipher::new(key, None)),
            placement: Placement::new(view.placement_key(), view.shards()),
            offline: source.offline(shard),
            messages: 0,
            found: Vec::new(),
        };
        match source.read(shard, &mut checks) {
            Ok(recovery) => self.of_recovery(&folder, recovery),
            Err(error) => self.of_log(&folder, error)?,
        }
        self.messages += checks.messages;
        for (segment, offset, what) in checks.found {
            self.fault(format!("{folder}/{segment}"), Some(u64::from(offset)), what);
        }
        let contents = format!("{folder}/contents");
        match source.contents(shard) {
            Ok(None) => {}
            Ok(Some((_, recovery))) => self.of_recovery(&contents, recovery),
            Err(error) => self.of_log(&contents, error)?,
        }
        let mut disk = view.disk(shard);
        for (name, len) in &files {
            self.set_aside += u64::from(name.starts_with("quarantine/"));
            let Some(side) = SideFile::from_file_name(name) else { continue };
            self.side_files += 1;
            if let Err((offset, what)) = check_side_file(side, *len, &mut disk) {
                self.fault(format!("{folder}/{name}"), offset, what);
            }
        }
        Ok(())
    }

    /// A log that was read: its damage, oddities and torn tail.
    fn of_recovery(&mut self, folder: &str, recovery: Recovery) {
        self.segments += recovery.segments;
        self.batches += recovery.batches;
        self.records += recovery.records;
        for (file, offset, why) in recovery.quarantined {
            self.fault(format!("{folder}/{file}"), Some(offset), why);
        }
        for note in recovery.notes {
            // Records of kinds that a newer release has added are no fault.
            if let Some((file, offset)) = note.place {
                self.fault(format!("{folder}/{file}"), Some(offset), note.what);
            }
        }
        if recovery.cut_bytes > 0 {
            let newest = recovery.newest.unwrap_or(SegmentId(1));
            let what = format!("{} bytes of an unfinished write", recovery.cut_bytes);
            self.fault(format!("{folder}/{newest}"), None, what);
        }
    }

    /// What ends the reading of a log is a fault, except that it is newer.
    fn of_log(&mut self, folder: &str, error: OpenError) -> Result<()> {
        let file = |name: &str| format!("{folder}/{name}");
        match error {
            OpenError::Record { file: name, offset, lsn, error } => {
                let what = format!("record {} cannot be read: {error}", lsn.0);
                self.fault(file(&name), Some(offset), what);
            }
            OpenError::Corrupt { file: name, offset, why, .. } => {
                self.fault(file(&name), Some(offset), why);
            }
            OpenError::Misplaced { .. } | OpenError::Io(_) => {
                self.fault(folder, None, error.to_string());
            }
            OpenError::Format { .. } | OpenError::Config(_) | OpenError::Start(_) => {
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn to_text(&self) -> String {
        let Self { shards, segments, batches, records, messages, side_files, .. } = self;
        let mut text = String::new();
        for Fault { file, offset, what } in &self.faults {
            let at = offset.map(|at| format!(", byte {at}")).unwrap_or_default();
            text.push_str(&format!("{file}{at}: {what}\n"));
        }
        text.push_str(&format!(
            "{shards} shards, {segments} segments, {batches} batches, {records} records, \
             {messages} messages, {side_files} indexes\n"
        ));
        if self.set_aside > 0 {
            text.push_str(&format!("{} places were set aside earlier\n", self.set_aside));
        }
        match self.faults.len() {
            0 => text.push_str("All is well."),
            1 => text.push_str("NOT well: one fault."),
            faults => text.push_str(&format!("NOT well: {faults} faults.")),
        }
        text
    }

    fn to_json(&self) -> Value {
        let faults = self.faults.iter().map(
            |Fault { file, offset, what }| json!({ "file": file, "offset": offset, "what": what }),
        );
        json!({
            "well": self.faults.is_empty(),
            "faults": faults.collect::<Vec<_>>(),
            "shards": self.shards,
            "segments": self.segments,
            "batches": self.batches,
            "records": self.records,
            "messages": self.messages,
            "side_files": self.side_files,
            "set_aside": self.set_aside,
        })
    }
}

/// Faults of one kind that are named one by one.
const NAMED: usize = 20;

/// What must hold of records beyond their checksums.
struct RecordChecks {
    cipher: Option<IdCipher>,
    placement: Placement,
    offline: Offline,
    messages: u64,
    found: Vec<(SegmentId, u32, String)>,
}

impl<D: Disk> Observer<D> for RecordChecks {
    fn record(&mut self, Replayed { at, record, .. }: Replayed<'_>) {
        let mut problems = Vec::new();
        let before = self.offline.unfit();
        match self.offline.take(at.segment, record) {
            Ok(_) if self.offline.unfit() > before => {
                problems.push("the record does not follow from those before it".to_owned());
            }
            Ok(_) => {}
            Err(error) => problems.push(format!("the carried message cannot be read: {error}")),
        }
        if let Record::Accepted { sequence, partition, to, id, .. } = record {
            self.messages += 1;
            let id = MessageId::from_u128(*id);
            problems.extend(self.id_problem(id, *sequence, *partition));
            let placed = Msisdn::from_u64(*to).map(|to| self.placement.partition(to).get());
            if placed != Some(*partition) {
                problems.push("the number belongs to another partition".to_owned());
            }
        }
        let room = NAMED.saturating_sub(self.found.len());
        let named = problems.into_iter().take(room);
        self.found.extend(named.map(|what| (at.segment, at.offset, what)));
    }
}

impl RecordChecks {
    fn id_problem(&self, id: MessageId, sequence: u64, partition: u16) -> Option<String> {
        let fields = self.cipher.as_ref()?.open(id);
        let agrees = fields.is_some_and(|fields| {
            fields.sequence == sequence && fields.partition.get() == partition
        });
        (!agrees).then(|| format!("message {id} does not open with id.key"))
    }
}
