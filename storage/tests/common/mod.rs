//! What the log's tests share: a small log on a memory disk, driven to rest. Tests only.
#![allow(dead_code, reason = "each test file uses its part")]

use std::time::Duration;

use postrider_storage::{
    CARRIED_RECYCLED, Log, LogConfig, MemDisk, OpenError, Record, Recovery, Replayed, SegmentId,
    Urgency,
};

pub(crate) const WALL_MS: u64 = 1_790_000_000_000;

/// The smallest log that the settings allow.
pub(crate) fn config() -> LogConfig {
    LogConfig {
        shard: 3,
        segment_bytes: 256 * 1024,
        max_segments: 3,
        spare_segments: 1,
        preferred_batch: 64 * 1024,
        max_batch: 256 * 1024,
        lazy: Duration::from_millis(2),
    }
}

/// Records as they were replayed: segment, number, content.
pub(crate) type Seen = Vec<(SegmentId, u64, Vec<u8>)>;

pub(crate) fn encoded(record: &Record<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    bytes
}

/// A record of this content.
pub(crate) fn carried(sequence: u64, state: &[u8]) -> Record<'_> {
    Record::Carried { sequence, from: 0, reason: CARRIED_RECYCLED, state }
}

/// Opens the log and collects what it replays.
pub(crate) fn open(disk: &mut MemDisk) -> Result<(Log, Recovery, Seen), OpenError> {
    let mut seen = Vec::new();
    let mut replay = |Replayed { at, lsn, record, .. }: Replayed<'_>| {
        seen.push((at.segment, lsn.0, encoded(record)));
    };
    let (log, recovery) = Log::open(disk, config(), Duration::ZERO, WALL_MS, &mut replay)?;
    Ok((log, recovery, seen))
}

/// Does all chores and writes that are due.
pub(crate) fn settle(log: &mut Log, disk: &mut MemDisk, now: Duration) {
    loop {
        let mut idle = true;
        while let Some(chore) = log.poll_chore() {
            let done = chore.run(disk, config().segment_bytes);
            log.handle_chore(chore, done);
            idle = false;
        }
        while let Some(write) = log.poll_write(now) {
            disk.begin_write(&write);
            let done = disk.complete_write();
            log.handle_written(now, write, done);
            idle = false;
        }
        if idle {
            return;
        }
    }
}

/// Appends one record of `size` content bytes that begin with `sequence`, and writes it as a batch.
pub(crate) fn put(log: &mut Log, disk: &mut MemDisk, sequence: u64, size: usize) -> u64 {
    let state = content(sequence, size);
    let record = carried(sequence, &state);
    let appended = log.append(&record, Urgency::Waited, Duration::ZERO);
    settle(log, disk, Duration::ZERO);
    appended.lsn.0
}

/// Bytes without zeros that differ from record to record and from sector to sector.
pub(crate) fn content(sequence: u64, size: usize) -> Vec<u8> {
    let mut state = sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8 | 1
        })
        .collect()
}

/// Appends batches of 9,000 bytes until `segment` is the head; returns the next sequence.
pub(crate) fn fill_up_to(
    log: &mut Log,
    disk: &mut MemDisk,
    segment: SegmentId,
    mut sequence: u64,
) -> u64 {
    while log.head_segment() < segment {
        put(log, disk, sequence, 9_000);
        sequence += 1;
    }
    sequence
}

/// One batch as it lies on the disk.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) segment: SegmentId,
    pub(crate) offset: usize,
    /// Header and payload.
    pub(crate) used: usize,
    /// With padding.
    pub(crate) padded: usize,
    pub(crate) lsns: std::ops::Range<u64>,
}

/// The batches of a segment, read straight from the bytes.
pub(crate) fn batches(disk: &MemDisk, segment: SegmentId) -> Vec<Placed> {
    let bytes = disk.bytes(segment).unwrap();
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let small = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut found = Vec::new();
    let mut offset = 0;
    while offset < bytes.len()
        && bytes[offset..].starts_with(b"PRLG")
        && number(offset + 8) == segment.0
    {
        let used = 64 + small(offset + 44) as usize;
        let padded = used.next_multiple_of(4096);
        let first = number(offset + 24);
        let lsns = first..first + u64::from(small(offset + 40));
        found.push(Placed { segment, offset, used, padded, lsns });
        offset += padded;
    }
    found
}

/// A log whose head segment ends in four batches of 1, 2, 1 and 2 blocks, and what lay in that
/// segment's file before: with `recycled` another segment's batches, else zeros.
pub(crate) struct FourBatches {
    pub(crate) disk: MemDisk,
    pub(crate) head: SegmentId,
    pub(crate) last: Vec<Placed>,
    pub(crate) before: Vec<u8>,
}

pub(crate) fn four_batches(recycled: bool) -> FourBatches {
    let mut disk = MemDisk::new();
    let (mut log, ..) = open(&mut disk).unwrap();
    settle(&mut log, &mut disk, Duration::ZERO);
    let mut sequence = 1;
    let mut before = vec![0; config().segment_bytes as usize];
    if recycled {
        sequence = fill_up_to(&mut log, &mut disk, SegmentId(3), sequence);
        before = disk.bytes(SegmentId(1)).unwrap().to_vec();
        log.release_before(SegmentId(3));
        sequence = fill_up_to(&mut log, &mut disk, SegmentId(4), sequence);
    }
    for size in [700, 5_000, 1_200, 4_500] {
        put(&mut log, &mut disk, sequence, size);
        sequence += 1;
    }
    let head = log.head_segment();
    let mut placed = batches(&disk, head);
    let last = placed.split_off(placed.len() - 4);
    FourBatches { disk, head, last, before }
}

/// Runs `check` over `cases`, on as many threads as there are cores.
pub(crate) fn on_all_cores<C: Sync>(cases: &[C], check: impl Fn(&[C]) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for share in cases.chunks(cases.len().div_ceil(threads)) {
            scope.spawn(|| check(share));
        }
    });
}

/// A small reproducible source of choices.
pub(crate) struct Choices(pub(crate) u64);

impl Choices {
    pub(crate) fn next(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % below
    }
}
