//! A shard's log in memory: real records, batches and checksums, and a disk that has always just
//! finished. One per measurement.

use core::time::Duration;

use postrider_storage::{Disk as _, Log, LogConfig, MemDisk, Record, Replayed, Urgency, Write};

use crate::sample::accepted_record;

const WALL_MS: u64 = 1_790_000_000_000;
const SEGMENT_BYTES: u64 = 8 << 20;

/// The settings of a usual log, with small segments.
#[must_use]
pub fn config() -> LogConfig {
    LogConfig {
        shard: 0,
        segment_bytes: SEGMENT_BYTES,
        max_segments: 64,
        spare_segments: 2,
        preferred_batch: 64 << 10,
        max_batch: 1 << 20,
        lazy: Duration::from_millis(2),
    }
}

/// A log without a disk behind it: writes and chores succeed at once.
pub struct Journal {
    log: Log,
    next: u64,
    now: Duration,
}

impl Default for Journal {
    fn default() -> Self {
        Self::new()
    }
}

impl Journal {
    /// An empty log.
    ///
    /// # Panics
    /// When the settings are refused.
    #[must_use]
    pub fn new() -> Self {
        let mut disk = MemDisk::new();
        let opened = Log::open(&mut disk, config(), Duration::ZERO, WALL_MS, &mut |_| {});
        let (log, _) = opened.expect("an empty log opens");
        let mut journal = Journal { log, next: 1, now: Duration::ZERO };
        journal.chores();
        journal
    }

    /// Appends `records` accepted records, makes one batch of them with its checksum, and takes it
    /// as written.
    pub fn batch(&mut self, records: u64) {
        for _ in 0..records {
            self.log.append(&accepted_record(self.next), Urgency::Waited, self.now);
            self.next += 1;
        }
        while let Some(write) = self.log.poll_write(self.now) {
            self.written(write);
        }
        self.log.release_before(self.log.head_segment());
        self.chores();
    }

    fn written(&mut self, write: Write) {
        self.now += Duration::from_micros(250);
        self.log.handle_written(self.now, write, Ok(()));
    }

    fn chores(&mut self) {
        while let Some(chore) = self.log.poll_chore() {
            self.log.handle_chore(chore, Ok(()));
        }
    }
}

/// A disk that holds one log of `records` accepted records, 64 a batch.
///
/// # Panics
/// When the log does not take them.
#[must_use]
pub fn disk_of(records: u64) -> MemDisk {
    let mut disk = MemDisk::new();
    let opened = Log::open(&mut disk, config(), Duration::ZERO, WALL_MS, &mut |_| {});
    let (mut log, _) = opened.expect("an empty log opens");
    for sequence in 1..=records {
        log.append(&accepted_record(sequence), Urgency::Waited, Duration::ZERO);
        if sequence % 64 == 0 || sequence == records {
            settle(&mut log, &mut disk);
        }
    }
    assert!(!disk.list().expect("a list").is_empty(), "the log is on the disk");
    disk
}

fn settle(log: &mut Log, disk: &mut MemDisk) {
    loop {
        while let Some(chore) = log.poll_chore() {
            let done = chore.run(disk, SEGMENT_BYTES);
            log.handle_chore(chore, done);
        }
        let Some(write) = log.poll_write(Duration::ZERO) else { return };
        disk.begin_write(&write);
        let done = disk.complete_write();
        log.handle_written(Duration::ZERO, write, done);
    }
}

/// Opens the log on `disk` and replays it; returns how many records it held, the log's own marks
/// left out.
///
/// # Panics
/// When the log does not open.
pub fn replay(disk: &mut MemDisk) -> u64 {
    let mut records = 0;
    let mut count = |replayed: Replayed<'_>| {
        records += u64::from(matches!(replayed.record, Record::Accepted { .. }));
    };
    Log::open(disk, config(), Duration::ZERO, WALL_MS, &mut count).expect("the log opens");
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_replayed() {
        assert_eq!(replay(&mut disk_of(1_000)), 1_000);
    }

    #[test]
    fn batches_go_on_for_ever() {
        let mut journal = Journal::new();
        for _ in 0..3_000 {
            journal.batch(64);
        }
        assert!(journal.log.poisoned().is_none() && !journal.log.starved());
        assert_eq!(journal.log.durable().0 + 1, journal.log.next_lsn().0, "all of it is durable");
    }
}
