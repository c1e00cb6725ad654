//! Slow work on the shard's files, for a helper thread: one piece at a time, whoever it is for. Part
//! of the shard's machine.

use std::time::Duration;

use postrider_core::clock::Now;
use postrider_storage::checkpoint::CheckpointChore;
use postrider_storage::register::{RegisterChore, RegisterDone};
use postrider_storage::{Chore, Disk, FileRef, LogIoError, SegmentId};

use super::cold::store::{ColdChore, ColdDone};
use super::erasing::{EraseChore, EraseDone};
use super::{Shard, Timer};

/// A piece of slow work.
#[derive(Debug)]
pub enum ShardChore {
    /// Makes, renames, overwrites or removes a segment of the log.
    Log(Chore),
    /// Writes, changes or removes a register.
    Register(RegisterChore),
    /// Writes a checkpoint.
    Checkpoint(CheckpointChore),
    /// Writes, merges or removes runs of rows that lead to messages on disk.
    Cold(ColdChore),
    /// A piece of an erasure, in this log.
    Erase(EraseChore, u16),
    /// Overwrites and removes a segment that is too old, of a log that this shard keeps.
    Outdated {
        /// The log, in whose directory it is done.
        log: u16,
        /// The segment.
        segment: SegmentId,
    },
}

/// What came of one, for [`Shard::handle_chore`].
#[derive(Debug)]
pub enum ChoreDone {
    /// Of the log's.
    Log(Chore, Result<(), LogIoError>),
    /// Of a register's.
    Register(Result<RegisterDone, LogIoError>),
    /// Of a checkpoint's.
    Checkpoint(Result<(), LogIoError>),
    /// Of runs.
    Cold(ColdDone),
    /// Of an erasure's.
    Erase(EraseDone),
    /// Of the removal of a segment of a log that this shard keeps.
    Outdated(u16, SegmentId, Result<(), LogIoError>),
}

impl ShardChore {
    /// The log in whose directory it is to be done; `None`: the shard's own.
    #[must_use]
    pub fn archive(&self) -> Option<u16> {
        match self {
            ShardChore::Outdated { log, .. } => Some(*log),
            ShardChore::Erase(_, log) => Some(*log),
            ShardChore::Log(_)
            | ShardChore::Register(_)
            | ShardChore::Checkpoint(_)
            | ShardChore::Cold(_) => None,
        }
    }

    /// Does it; blocking. `segment_bytes` is that of the log's configuration.
    pub fn run<D: Disk>(self, disk: &mut D, segment_bytes: u64) -> ChoreDone {
        match self {
            ShardChore::Log(chore) => ChoreDone::Log(chore, chore.run(disk, segment_bytes)),
            ShardChore::Register(chore) => ChoreDone::Register(chore.run(disk)),
            ShardChore::Checkpoint(chore) => ChoreDone::Checkpoint(chore.run(disk)),
            ShardChore::Cold(chore) => ChoreDone::Cold(chore.run(disk)),
            ShardChore::Erase(chore, shard) => ChoreDone::Erase(chore.run(disk, shard)),
            ShardChore::Outdated { log, segment } => {
                let removed = disk.set_aside(segment).and_then(|()| disk.wipe_old(segment));
                ChoreDone::Outdated(log, segment, removed)
            }
        }
    }
}

impl ChoreDone {
    /// The error that it met.
    #[must_use]
    pub fn error(&self) -> Option<&LogIoError> {
        match self {
            ChoreDone::Log(_, result)
            | ChoreDone::Checkpoint(result)
            | ChoreDone::Outdated(_, _, result) => result.as_ref().err(),
            ChoreDone::Register(result) => result.as_ref().err(),
            ChoreDone::Cold(done) => done.error(),
            ChoreDone::Erase(done) => done.error(),
        }
    }

    /// The files whose names may stand for others now: those that are open for reading are closed
    /// before this is handed in.
    #[must_use]
    pub fn replaced(&self) -> Vec<FileRef> {
        match self {
            ChoreDone::Log(Chore::Provision { recycle, .. }, _) => {
                recycle.iter().copied().map(FileRef::Segment).collect()
            }
            ChoreDone::Log(Chore::Remove { segment, .. }, _) => vec![FileRef::Segment(*segment)],
            ChoreDone::Register(Ok(done)) => {
                done.replaced().iter().copied().map(FileRef::Side).collect()
            }
            ChoreDone::Cold(done) => done.replaced().iter().copied().map(FileRef::Side).collect(),
            ChoreDone::Erase(done) => done.replaced(),
            ChoreDone::Outdated(_, segment, _) => vec![FileRef::Segment(*segment)],
            // Nobody reads a spare, or a checkpoint.
            ChoreDone::Log(Chore::Wipe { .. }, _)
            | ChoreDone::Register(Err(_))
            | ChoreDone::Checkpoint(_) => Vec::new(),
        }
    }
}

impl Shard {
    /// The next piece of slow work, for a helper thread; one at a time. Segments that records wait for
    /// come first; an erasure and all others take turns, so that it ends however busy they are.
    pub fn poll_chore(&mut self) -> Option<ShardChore> {
        if self.is_exchanging() {
            return self.poll_erase_chore();
        }
        if let Some(chore) = self.journal.log.poll_chore() {
            return Some(ShardChore::Log(chore));
        }
        let erasures_turn = std::mem::take(&mut self.erasures.passed_over);
        if erasures_turn && let Some(chore) = self.poll_erase_chore() {
            return Some(chore);
        }
        let other = self.poll_other_chore();
        self.erasures.passed_over = other.is_some();
        other.or_else(|| self.poll_erase_chore())
    }

    /// Of files beside the segments.
    fn poll_other_chore(&mut self) -> Option<ShardChore> {
        if let Some(chore) = self.registers.poll_chore() {
            return Some(ShardChore::Register(chore));
        }
        if let Some(chore) = self.pace.poll_chore() {
            return Some(ShardChore::Checkpoint(chore));
        }
        let (applied, durable) = (self.journal.last(), self.journal.log.durable());
        if let Some(chore) = self.cold.poll_chore(self.turned, applied, durable) {
            return Some(ShardChore::Cold(chore));
        }
        self.settle_checkpoint();
        if let Some(chore) = self.pace.poll_chore() {
            return Some(ShardChore::Checkpoint(chore));
        }
        let (log, segment) = self.poll_outdated()?;
        Some(ShardChore::Outdated { log, segment })
    }

    /// A piece of slow work is done, or failed.
    pub fn handle_chore(&mut self, now: Now, done: ChoreDone) {
        if done.error().is_some() {
            self.wheel.insert(now.mono + Duration::from_secs(1), Timer::Chores);
        }
        match done {
            ChoreDone::Log(chore, result) => self.journal.log.handle_chore(chore, result),
            ChoreDone::Register(result) => self.registers.handle_chore(result),
            ChoreDone::Checkpoint(result) => self.checkpoint_done(now, &result),
            ChoreDone::Cold(done) => self.cold.handle_chore(now.mono, done),
            ChoreDone::Erase(done) => self.erase_chore_done(now, done),
            ChoreDone::Outdated(log, _, result) => self.outdated_removed(log, result.is_ok()),
        }
        self.pump(now);
    }
}
