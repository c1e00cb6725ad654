//! Logs that no shard writes to any more, since there are fewer shards than there were: each is kept by
//! one shard, which shows what is closed in it until that is too old. Part of the shard's machine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use postrider_core::clock::UnixMs;
use postrider_storage::register::Registers;
use postrider_storage::{
    Disk, LogConfig, LogIoError, Observer, OpenError, Progress, Replayed, SegmentFile, SegmentId,
    inspect,
};

use super::Shard;
use super::recover::{CONFIG, Replay};

/// One of them.
pub(crate) struct Archive {
    pub(crate) log: u16,
    pub(crate) registers: Registers,
    /// Its segments with the times when they were written last, oldest first.
    segments: VecDeque<(SegmentFile, UnixMs)>,
    /// The segment that is being removed.
    removing: bool,
}

/// Those that a shard keeps.
#[derive(Default)]
pub(crate) struct Archives {
    pub(crate) kept: Vec<Archive>,
    /// The wall clock of the last turn.
    pub(crate) now: UnixMs,
}

impl Archive {
    /// The oldest segment that there still is.
    pub(crate) fn oldest(&self) -> Option<SegmentId> {
        self.files().map(|file| file.id).next()
    }

    /// Its segments, oldest first.
    pub(crate) fn files(&self) -> impl Iterator<Item = SegmentFile> {
        self.segments.iter().map(|(file, _)| *file)
    }
}

impl Archives {
    /// A segment of a log, if it is still there.
    pub(crate) fn file(&self, log: u16, segment: SegmentId) -> Option<SegmentFile> {
        let archive = self.kept.iter().find(|archive| archive.log == log)?;
        archive.files().find(|file| file.id == segment)
    }
}

impl Shard {
    /// Takes up a log that no shard writes to any more, before the shard starts: reads it and makes its
    /// registers.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn add_archive<D: Disk>(
        &mut self,
        disk: &mut D,
        config: &LogConfig,
    ) -> Result<(), OpenError> {
        let log = config.shard;
        disk.sync()?;
        for (file, _) in disk.list_side()? {
            disk.remove_side(file)?;
        }
        let mut files = disk.list()?;
        files.sort_unstable_by_key(|file| file.id);
        let oldest = files.first().map_or(SegmentId(1), |file| file.id);
        let known = (&*self.shared, &*self.stats);
        let replay = Replay::new(log, known, Registers::new(CONFIG), (oldest, BTreeSet::new()));
        let mut reading = Reading { replay, written: BTreeMap::new() };
        let recovery = inspect(disk, config, &mut reading)?;
        let Reading { mut replay, written } = reading;
        replay.end();
        let mut registers = replay.registers;
        registers.replayed();
        let damaged =
            |id: SegmentId| recovery.quarantined.iter().any(|(file, ..)| *file == id.file_name());
        let newest = written.keys().next_back().copied();
        let (mut segments, mut at) = (VecDeque::new(), UnixMs(0));
        for file in files {
            if newest.is_none_or(|newest| file.id > newest) && !damaged(file.id) {
                // It was made ready to be written, and may hold what was in an older one.
                disk.set_aside(file.id)?;
                disk.wipe_old(file.id)?;
                continue;
            }
            at = written.get(&file.id).copied().unwrap_or(at);
            segments.push_back((file, at));
        }
        if let Some((oldest, _)) = segments.front() {
            registers.release_before(oldest.id);
        }
        write_all(&mut registers, disk)?;
        self.archives.kept.push(Archive { log, registers, segments, removing: false });
        Ok(())
    }

    /// The logs that this shard is to keep beside its own, as far as they are there.
    #[must_use]
    pub fn logs_to_keep(&self) -> Vec<u16> {
        let placement = &self.shared.placement;
        let shards = placement.shards();
        let most = placement.epochs().iter().map(|epoch| epoch.shards).max().unwrap_or(shards);
        (shards..most).filter(|log| placement.keeper(*log) == self.id).collect()
    }

    /// The logs that this shard keeps beside its own.
    pub fn archives(&self) -> impl Iterator<Item = u16> {
        self.archives.kept.iter().map(|archive| archive.log)
    }

    pub(super) fn archive(&self, log: u16) -> Option<&Archive> {
        self.archives.kept.iter().find(|archive| archive.log == log)
    }

    /// Where the messages of a log stand that this shard keeps.
    pub(super) fn registers_of(&mut self, log: u16) -> &mut Registers {
        let archive = self.archives.kept.iter_mut().find(|archive| archive.log == log);
        archive.map_or(&mut self.registers, |archive| &mut archive.registers)
    }

    /// The log that comes after this one among those that this shard keeps, its own first.
    pub(super) fn next_log(&self, log: u16) -> Option<u16> {
        if log == self.id.0 {
            return self.archives().next();
        }
        self.archives().skip_while(|own| *own != log).nth(1)
    }

    /// The next segment of a kept log that is older than messages are kept.
    pub(super) fn poll_outdated(&mut self) -> Option<(u16, SegmentId)> {
        let (retention, now) = (self.shared.config.store.retention?, self.archives.now);
        let old = |archive: &&mut Archive| {
            let oldest = archive.segments.front();
            !archive.removing && oldest.is_some_and(|(_, at)| at.after(retention) <= now)
        };
        let archive = self.archives.kept.iter_mut().find(old)?;
        archive.removing = true;
        let segment = archive.oldest()?;
        archive.registers.release_before(SegmentId(segment.0 + 1));
        Some((archive.log, segment))
    }

    /// It is removed, or could not be; then it is tried again at the next start.
    pub(super) fn outdated_removed(&mut self, log: u16, removed: bool) {
        let archive = self.archives.kept.iter_mut().find(|archive| archive.log == log);
        if let Some(archive) = archive.filter(|_| removed) {
            archive.segments.pop_front();
            archive.removing = false;
        }
    }
}

/// Writes registers until nothing of them is left to be written.
fn write_all<D: Disk>(registers: &mut Registers, disk: &mut D) -> Result<(), LogIoError> {
    registers.flush();
    while registers.work(disk)? {}
    Ok(())
}

/// Reads a kept log as the start of a shard reads its own.
struct Reading<'a> {
    replay: Replay<'a>,
    written: BTreeMap<SegmentId, UnixMs>,
}

impl<D: Disk> Observer<D> for Reading<'_> {
    fn record(&mut self, replayed: Replayed<'_>) {
        self.written.insert(replayed.at.segment, UnixMs(replayed.wall_ms));
        Observer::<D>::record(&mut self.replay, replayed);
    }

    fn between(&mut self, disk: &mut D) -> Result<(), LogIoError> {
        self.replay.between(disk)
    }

    fn progress(&mut self, progress: Progress) {
        Observer::<D>::progress(&mut self.replay, progress);
    }
}
