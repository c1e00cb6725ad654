//! The registers that are on the disk when a shard starts. Pure but for the disk it is given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::disk::{Disk, LogIoError, SegmentId, SideFile};

use super::head::Summary;
use super::listed::Entry;
use super::page::PAGE;
use super::registers::{RegisterConfig, Registers};
use super::slots;
use super::snapshot::Snapshot;

/// What was found on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegistersFound {
    /// Registers that the snapshot names and that are not there, or not whole. They are rebuilt
    /// when the replay begins no later than at the earliest segment named here, or at the log's
    /// oldest.
    pub missing: Vec<MissingRegister>,
    /// Files that were no register's, or not whole. They have been removed.
    pub removed: Vec<SideFile>,
}

/// A register that must be rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingRegister {
    /// Its number.
    pub number: u64,
    /// The first sequence in it.
    pub first: u64,
    /// The last sequence in it.
    pub last: u64,
    /// The first segment that its messages were accepted into.
    pub home: SegmentId,
}

impl Registers {
    /// Whether these bytes are a snapshot that this release reads.
    #[must_use]
    pub fn is_snapshot(bytes: &[u8]) -> bool {
        Snapshot::decode(bytes).is_some()
    }

    /// Opens what is on the disk. `snapshot` is what [`Registers::snapshot`] gave to the
    /// checkpoint that the replay starts from; without one everything must be replayed. Reads the
    /// heads alone: 8 KiB for each register.
    ///
    /// # Errors
    /// What the disk says. Files that are not whole are no error: they are removed.
    pub fn open<D: Disk>(
        disk: &mut D,
        config: RegisterConfig,
        snapshot: Option<&[u8]>,
    ) -> Result<(Self, RegistersFound), LogIoError> {
        let snapshot = snapshot.and_then(Snapshot::decode).unwrap_or_default();
        let files: BTreeMap<SideFile, u64> = disk.list_side()?.into_iter().collect();
        let condemned = snapshot.registers.iter().filter(|known| known.condemned);
        let condemned: BTreeSet<u64> = condemned.map(|known| known.number).collect();
        let (mut entries, mut found) = (Vec::new(), RegistersFound::default());
        for file in files.keys() {
            let (SideFile::Register(number) | SideFile::Slots(number)) = *file else { continue };
            let is_index = matches!(file, SideFile::Register(_));
            let whole = !condemned.contains(&number)
                && match (is_index, entries.last()) {
                    (true, _) => open(disk, number, &files, &mut entries)?,
                    // Slots sort behind all the indexes.
                    (false, _) => entries.iter().any(|entry| entry.summary.number == number),
                };
            if !whole {
                disk.remove_side(*file)?;
                found.removed.push(*file);
            }
        }
        let missing = |number| entries.iter().all(|entry: &Entry| entry.summary.number != number);
        found.missing = snapshot
            .registers
            .iter()
            .filter(|known| missing(known.number))
            .map(|known| MissingRegister {
                number: known.number,
                first: known.first,
                last: known.last,
                home: known.home,
            })
            .collect();
        Ok((Self::found(config, entries, snapshot), found))
    }
}

/// Opens a register, if both its files are whole.
fn open<D: Disk>(
    disk: &mut D,
    number: u64,
    files: &BTreeMap<SideFile, u64>,
    entries: &mut Vec<Entry>,
) -> Result<bool, LogIoError> {
    let Some(summary) = head(disk, number)? else { return Ok(false) };
    let length = |file| files.get(&file).copied().unwrap_or(0);
    if length(summary.index_file()) != summary.index_bytes() {
        return Ok(false);
    }
    let slots_length = length(summary.slots_file());
    let Some(survey) = slots::open(disk, &summary, slots_length)? else { return Ok(false) };
    entries.push(Entry {
        summary: Arc::new(summary),
        survey: Arc::new(survey),
        settled: false,
        condemned: false,
    });
    Ok(true)
}

pub(super) fn head<D: Disk>(disk: &mut D, number: u64) -> Result<Option<Summary>, LogIoError> {
    let file = SideFile::Register(number);
    // Nearly always all of it.
    let mut bytes = vec![0; 2 * PAGE];
    let read = disk.read_side(file, 0, &mut bytes)?;
    bytes.truncate(read);
    let Some(length) = Summary::length(&bytes) else { return Ok(None) };
    let length = usize::try_from(length).unwrap_or_default();
    if length > bytes.len() {
        bytes.resize(length, 0);
        let read = disk.read_side(file, 0, &mut bytes)?;
        bytes.truncate(read);
    }
    Ok(Summary::decode(&bytes, number))
}
