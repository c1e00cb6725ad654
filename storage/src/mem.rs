//! A disk in memory that can crash and fail, for tests and simulation. Pure, lives nowhere.

mod aside;
mod side;

use std::collections::BTreeMap;
use std::fmt;

use crate::disk::{
    Disk, LogIoError, LogIoErrorKind, NO_ENTRY, NextChunk, SegmentFile, SegmentId, SideFile,
};
use crate::log::{Chore, Write};

use aside::Aside;
use side::SideFiles;

/// Bytes that reach the medium together or not at all.
const SECTOR: usize = 512;

/// A planned failure: the `nth` operation from now (from 1) fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which operation: each call of [`Disk`], [`MemDisk::complete_write`] and
    /// [`MemDisk::complete_chore`] counts as one.
    pub nth: u64,
    /// Whether every later operation fails too.
    pub forever: bool,
    /// The kind of the error.
    pub kind: LogIoErrorKind,
}

/// A disk in memory. Writes begun with [`MemDisk::begin_write`], chores begun with
/// [`MemDisk::begin_chore`] and work on side files begun with [`MemDisk::begin_side`] are undecided
/// until completed; [`MemDisk::crash`] decides, sector by sector, what is left of those that were
/// not. The blocking calls of [`Disk`] take effect at once and survive.
#[derive(Debug, Clone, Default)]
pub struct MemDisk {
    segments: BTreeMap<SegmentId, Vec<u8>>,
    quarantine: BTreeMap<(SegmentId, u64), Vec<u8>>,
    writes: Vec<PendingWrite>,
    chores: Vec<(Chore, u64)>,
    aside: Aside,
    side: SideFiles,
    operations: u64,
    fault: Option<Fault>,
}

#[derive(Debug, Clone)]
struct PendingWrite {
    segment: SegmentId,
    offset: usize,
    bytes: Vec<u8>,
    /// Its outcome was an error: it stays undecided for ever.
    failed: bool,
}

impl MemDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes of a segment as they are on the medium.
    #[must_use]
    pub fn bytes(&self, segment: SegmentId) -> Option<&[u8]> {
        self.segments.get(&segment).map(Vec::as_slice)
    }

    /// The bytes of a segment, to be damaged. Makes the segment when there is none.
    pub fn bytes_mut(&mut self, segment: SegmentId) -> &mut Vec<u8> {
        self.segments.entry(segment).or_default()
    }

    /// The damaged bytes that were set aside, by segment and offset.
    #[must_use]
    pub fn quarantined(&self) -> &BTreeMap<(SegmentId, u64), Vec<u8>> {
        &self.quarantine
    }

    /// The bytes of a file that was set aside for a segment, and not wiped yet.
    #[must_use]
    pub fn old_bytes(&self, segment: SegmentId) -> Option<&[u8]> {
        self.aside.old(segment)
    }

    /// Operations so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Plans a failure, counted from now, instead of one planned before; `None`: none.
    pub fn plan_fault(&mut self, fault: Option<Fault>) {
        self.operations = 0;
        self.fault = fault;
    }

    /// Begins a write; until it is completed a crash may keep any of its sectors.
    pub fn begin_write(&mut self, write: &Write) {
        self.writes.push(PendingWrite {
            segment: write.segment,
            offset: usize::try_from(write.offset).unwrap_or(usize::MAX),
            bytes: write.blocks.as_bytes().to_vec(),
            failed: false,
        });
    }

    /// Completes the oldest write begun: it survives from now on. On an error it stays undecided.
    ///
    /// # Errors
    /// The planned fault; or there is no such segment, or no room for the write in it.
    ///
    /// # Panics
    /// When no write was begun.
    pub fn complete_write(&mut self) -> Result<(), LogIoError> {
        let failing = self.operation("write a batch");
        let Some(at) = self.writes.iter().position(|write| !write.failed) else {
            panic!("no write was begun");
        };
        if let (Err(error), Some(write)) = (failing, self.writes.get_mut(at)) {
            write.failed = true;
            return Err(error);
        }
        let write = self.writes.remove(at);
        self.put(write.segment, write.offset, &write.bytes)
    }

    /// Begins a chore; until it is completed a crash may undo or keep it as a whole.
    pub fn begin_chore(&mut self, chore: Chore, segment_bytes: u64) {
        self.chores.push((chore, segment_bytes));
    }

    /// Completes the oldest chore begun.
    ///
    /// # Errors
    /// The planned fault; or what the chore meets. It may then survive a crash or not.
    ///
    /// # Panics
    /// When no chore was begun.
    pub fn complete_chore(&mut self) -> Result<(), LogIoError> {
        assert!(!self.chores.is_empty(), "no chore was begun");
        let (chore, segment_bytes) = self.chores.remove(0);
        chore.run(self, segment_bytes)
    }

    /// The bytes of a side file as they are on the medium.
    #[must_use]
    pub fn side_bytes(&self, file: SideFile) -> Option<&[u8]> {
        self.side.get(file).map(Vec::as_slice)
    }

    /// The bytes of a side file, to be damaged.
    pub fn side_bytes_mut(&mut self, file: SideFile) -> Option<&mut Vec<u8>> {
        self.side.get_mut(file)
    }

    /// Does work on side files. Its changes are seen at once, but a crash may take them back until
    /// the work is completed by the number returned: it keeps a first part of them, may tear the
    /// next one, and undoes the rest. Works under way at the same time touch different files.
    ///
    /// # Panics
    /// When `work` itself begins work.
    pub fn begin_side<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> (u64, R) {
        let number = self.side.begin();
        let result = work(self);
        self.side.end();
        (number, result)
    }

    /// Completes the work with this number: what it changed survives from now on.
    pub fn complete_side(&mut self, number: u64) {
        self.side.complete(number);
    }

    /// Power is cut and comes back. For every sector of every undecided write, `choose(3)` says: 0
    /// the new bytes, 1 the old bytes, 2 garbage; for every undecided chore, `choose(2)` says: 0
    /// done, 1 not done; for undecided work on side files, first how many of its changes were done,
    /// then the same for the next one. Planned faults are forgotten.
    pub fn crash(&mut self, choose: &mut dyn FnMut(usize) -> usize) {
        self.fault = None;
        for write in std::mem::take(&mut self.writes) {
            for (at, sector) in write.bytes.chunks(SECTOR).enumerate() {
                let offset = write.offset + at * SECTOR;
                let done = match choose(3) {
                    0 => self.put(write.segment, offset, sector),
                    1 => Ok(()),
                    _ => self.put(write.segment, offset, &vec![0xa5; sector.len()]),
                };
                assert!(done.is_ok(), "an undecided write lies in an existing segment");
            }
        }
        for (chore, segment_bytes) in std::mem::take(&mut self.chores) {
            if choose(2) == 0 {
                let done = chore.run(self, segment_bytes);
                assert!(done.is_ok(), "an undecided chore can be done");
            }
        }
        self.aside.crash(&mut self.segments, choose);
        self.side.crash(choose);
    }

    fn operation(&mut self, what: &str) -> Result<(), LogIoError> {
        self.operations += 1;
        let Some(fault) = self.fault else { return Ok(()) };
        let hit = self.operations == fault.nth || (fault.forever && self.operations > fault.nth);
        if hit { Err(error(fault.kind, format!("cannot {what}: planned fault"))) } else { Ok(()) }
    }

    fn put(&mut self, segment: SegmentId, offset: usize, bytes: &[u8]) -> Result<(), LogIoError> {
        let file = self.segments.get_mut(&segment);
        match file.and_then(|file| file.get_mut(offset..offset + bytes.len())) {
            Some(to) => {
                to.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(misplaced("write", &segment)),
        }
    }
}

impl Disk for MemDisk {
    fn list(&mut self) -> Result<Vec<SegmentFile>, LogIoError> {
        self.operation("list the segments")?;
        let file =
            |(id, bytes): (&SegmentId, &Vec<u8>)| SegmentFile { id: *id, len: bytes.len() as u64 };
        Ok(self.segments.iter().map(file).collect())
    }

    fn sync(&mut self) -> Result<(), LogIoError> {
        self.operation("sync the segments")?;
        self.aside.finish();
        Ok(())
    }

    fn read(
        &mut self,
        segment: SegmentId,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, LogIoError> {
        self.operation("read")?;
        let file = self.segments.get(&segment).ok_or_else(|| absent("read", &segment))?;
        Ok(copy_from(file, offset, buf))
    }

    fn write_sync(
        &mut self,
        segment: SegmentId,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), LogIoError> {
        self.operation("write")?;
        self.put(segment, usize::try_from(offset).unwrap_or(usize::MAX), bytes)
    }

    fn create_zeroed(&mut self, segment: SegmentId, bytes: u64) -> Result<(), LogIoError> {
        self.operation("create a segment")?;
        self.segments.insert(segment, vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)]);
        Ok(())
    }

    fn recycle(&mut self, old: SegmentId, new: SegmentId) -> Result<(), LogIoError> {
        self.operation("recycle a segment")?;
        let file = self.segments.remove(&old).ok_or_else(|| absent("recycle", &old))?;
        self.segments.insert(new, file);
        Ok(())
    }

    fn remove(&mut self, segment: SegmentId) -> Result<(), LogIoError> {
        self.operation("remove a segment")?;
        self.segments.remove(&segment).map(|_| ()).ok_or_else(|| absent("remove", &segment))
    }

    fn quarantine(&mut self, segment: SegmentId, offset: u64, len: u64) -> Result<(), LogIoError> {
        self.operation("set damaged bytes aside")?;
        let file = self.segments.get(&segment).ok_or_else(|| absent("set aside", &segment))?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = from.saturating_add(usize::try_from(len).unwrap_or(usize::MAX)).min(file.len());
        let bytes = file.get(from..end).unwrap_or_default().to_vec();
        self.quarantine.insert((segment, offset), bytes);
        Ok(())
    }

    fn wipe(&mut self, segment: SegmentId, offset: u64) -> Result<(), LogIoError> {
        let outcome = self.operation("wipe a segment");
        let file = self.segments.get_mut(&segment).ok_or_else(|| absent("wipe", &segment))?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        wipe(file.get_mut(from..).unwrap_or_default(), outcome)
    }

    fn prepare(
        &mut self,
        segment: SegmentId,
        next: &mut NextChunk<'_, Self>,
    ) -> Result<(), LogIoError> {
        self.operation("prepare a segment")?;
        let content = content_of(self, next)?;
        self.aside.prepare(segment, content);
        Ok(())
    }

    fn exchange(&mut self, segment: SegmentId) -> Result<(), LogIoError> {
        let outcome = self.operation("exchange a segment");
        self.aside.exchange(&mut self.segments, segment, outcome)
    }

    fn set_aside(&mut self, segment: SegmentId) -> Result<(), LogIoError> {
        self.operation("set a segment aside")?;
        self.aside.set_aside(&mut self.segments, segment)
    }

    fn wipe_old(&mut self, segment: SegmentId) -> Result<(), LogIoError> {
        let outcome = self.operation("wipe an old file");
        self.aside.wipe_old(segment, outcome)
    }

    fn wipe_quarantine(&mut self) -> Result<(), LogIoError> {
        self.operation("wipe the copies of damaged bytes")?;
        self.quarantine.clear();
        Ok(())
    }

    fn list_side(&mut self) -> Result<Vec<(SideFile, u64)>, LogIoError> {
        self.operation("list the side files")?;
        Ok(self.side.list())
    }

    fn read_side(
        &mut self,
        file: SideFile,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, LogIoError> {
        self.operation("read a side file")?;
        let bytes = self.side.get(file).ok_or_else(|| absent("read", &file))?;
        Ok(copy_from(bytes, offset, buf))
    }

    fn write_side(
        &mut self,
        file: SideFile,
        next: &mut NextChunk<'_, Self>,
    ) -> Result<(), LogIoError> {
        let outcome = self.operation("write a side file");
        let content = content_of(self, next)?;
        self.side.replace(file, Some(content), outcome)
    }

    fn update_side(&mut self, file: SideFile, pieces: &[(u64, &[u8])]) -> Result<(), LogIoError> {
        let outcome = self.operation("update a side file");
        self.side.update(file, pieces, outcome)
    }

    fn remove_side(&mut self, file: SideFile) -> Result<(), LogIoError> {
        let outcome = self.operation("remove a side file");
        self.side.replace(file, None, outcome)
    }
}

/// All that `next` adds.
fn content_of(
    disk: &mut MemDisk,
    next: &mut NextChunk<'_, MemDisk>,
) -> Result<Vec<u8>, LogIoError> {
    let (mut content, mut chunk) = (Vec::new(), Vec::new());
    loop {
        chunk.clear();
        let more = next(disk, &mut chunk)?;
        content.extend_from_slice(&chunk);
        if !more {
            return Ok(content);
        }
    }
}

/// Overwrites bytes with zeros; of a wiping that fails the first half is done.
fn wipe(bytes: &mut [u8], outcome: Result<(), LogIoError>) -> Result<(), LogIoError> {
    let done = if outcome.is_ok() { bytes.len() } else { bytes.len() / 2 };
    bytes.get_mut(..done).unwrap_or_default().fill(0);
    outcome
}

/// Fills `buf` with what there is from `offset` on; returns how many bytes that were.
fn copy_from(bytes: &[u8], offset: u64, buf: &mut [u8]) -> usize {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let from = bytes.get(offset..).unwrap_or_default();
    let read = from.len().min(buf.len());
    if let (Some(to), Some(from)) = (buf.get_mut(..read), from.get(..read)) {
        to.copy_from_slice(from);
    }
    read
}

fn error(kind: LogIoErrorKind, what: String) -> LogIoError {
    LogIoError { kind, what, code: None }
}

/// There is no such file.
fn absent(what: &str, file: &dyn fmt::Display) -> LogIoError {
    let what = format!("cannot {what} {file}: no such file");
    LogIoError { kind: LogIoErrorKind::Io, what, code: Some(NO_ENTRY) }
}

/// There is no such place in the file.
fn misplaced(what: &str, file: &dyn fmt::Display) -> LogIoError {
    error(LogIoErrorKind::Io, format!("cannot {what} {file}: no such place"))
}
