//! A replay that begins in the middle: what lies before is kept unread, and all else is as when
//! everything is read. Tests only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::time::Duration;

use common::{Seen, WALL_MS, batches, config, encoded, put, settle};
use postrider_storage::{
    Disk, Log, LogConfig, MemDisk, Observer, OpenError, Progress, Recovery, Replayed, SegmentId,
};

#[derive(Default)]
struct Observed {
    seen: Seen,
    progress: Vec<Progress>,
}

impl<D: Disk> Observer<D> for Observed {
    fn record(&mut self, Replayed { at, lsn, record, .. }: Replayed<'_>) {
        self.seen.push((at.segment, lsn.0, encoded(record)));
    }

    fn progress(&mut self, progress: Progress) {
        assert_eq!(progress.records, self.seen.len() as u64);
        self.progress.push(progress);
    }
}

fn roomy() -> LogConfig {
    LogConfig { max_segments: 8, ..config() }
}

fn open(
    disk: &mut MemDisk,
    from: Option<SegmentId>,
) -> Result<(Log, Recovery, Observed), OpenError> {
    let mut observed = Observed::default();
    let (log, recovery) =
        Log::open_from(disk, roomy(), Duration::ZERO, WALL_MS, from, &mut observed)?;
    Ok((log, recovery, observed))
}

/// A log over five segments.
fn five_segments() -> MemDisk {
    let mut disk = MemDisk::new();
    let (mut log, ..) = open(&mut disk, None).unwrap();
    settle(&mut log, &mut disk, Duration::ZERO);
    let next = common::fill_up_to(&mut log, &mut disk, SegmentId(5), 1);
    put(&mut log, &mut disk, next, 300);
    disk
}

#[test]
fn from_every_segment_the_same_log_goes_on() {
    let whole = five_segments();
    let (log, all, full) = open(&mut whole.clone(), None).unwrap();
    for from in 1..=5 {
        let mut disk = whole.clone();
        let (mut begun, recovery, observed) = open(&mut disk, Some(SegmentId(from))).unwrap();
        let expected: Seen =
            full.seen.iter().filter(|(segment, ..)| segment.0 >= from).cloned().collect();
        assert_eq!(observed.seen, expected);
        assert_eq!(
            (recovery.next_lsn, recovery.next_sequence, recovery.segments),
            (all.next_lsn, all.next_sequence, 5)
        );
        assert!(recovery.notes.is_empty() && recovery.quarantined.is_empty());
        assert_eq!(recovery.records, expected.len() as u64);
        assert_eq!((begun.durable(), begun.room()), (log.durable(), log.room()));
        assert_eq!((begun.oldest_segment(), begun.live_segments()), (SegmentId(1), 5));

        // It goes on as one log, and the segments that were not read are recycled in their turn.
        settle(&mut begun, &mut disk, Duration::ZERO);
        put(&mut begun, &mut disk, 900, 9_000);
        let (_, after, more) = open(&mut disk, None).unwrap();
        assert!(after.notes.is_empty() && after.quarantined.is_empty());
        assert_eq!(more.seen[..full.seen.len()], full.seen[..]);
        begun.release_before(SegmentId(3));
        common::fill_up_to(&mut begun, &mut disk, SegmentId(8), 901);
        assert!(disk.bytes(SegmentId(1)).is_none() && disk.bytes(SegmentId(2)).is_none());
        let (_, after, _) = open(&mut disk, None).unwrap();
        assert!(after.notes.is_empty() && after.quarantined.is_empty());
    }
}

#[test]
fn progress_is_told_at_the_beginning_and_after_every_segment() {
    let mut disk = five_segments();
    let (_, recovery, Observed { progress, .. }) = open(&mut disk, Some(SegmentId(2))).unwrap();
    assert_eq!(progress.iter().map(|told| told.segments).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert!(progress.iter().all(|told| told.of == 4) && progress.is_sorted_by_key(|t| t.bytes));
    let last = progress[4];
    let bytes = (2..=5).flat_map(|id| batches(&disk, SegmentId(id))).map(|b| b.padded as u64);
    assert_eq!((last.records, last.bytes), (recovery.records, bytes.sum()));
    assert_eq!(last.bytes, recovery.bytes);
}

#[test]
fn what_lies_before_is_not_read() {
    let mut disk = five_segments();
    disk.bytes_mut(SegmentId(2))[100] ^= 1;
    *disk.bytes_mut(SegmentId(1)) = Vec::new();
    let (_, recovery, _) = open(&mut disk, Some(SegmentId(3))).unwrap();
    assert!(recovery.quarantined.is_empty() && disk.quarantined().is_empty());
    disk.remove(SegmentId(1)).unwrap();
    let (_, recovery, _) = open(&mut disk, Some(SegmentId(3))).unwrap();
    assert!(recovery.quarantined.is_empty());
    let (_, recovery, _) = open(&mut disk, None).unwrap();
    assert_eq!(recovery.quarantined.len(), 1);
}

#[test]
fn damage_and_torn_tails_from_there_on_are_treated_as_ever() {
    let whole = five_segments();
    for (segment, batch) in [(3, 0), (3, 4), (4, 2)] {
        let mut disk = whole.clone();
        let hit = batches(&disk, SegmentId(segment))[batch].clone();
        disk.bytes_mut(SegmentId(segment))[hit.offset + 70] ^= 1;
        let tail = batches(&disk, SegmentId(5)).pop().unwrap();
        disk.bytes_mut(SegmentId(5))[tail.offset + 70] ^= 1;
        let (_, recovery, observed) = open(&mut disk, Some(SegmentId(3))).unwrap();
        assert_eq!(recovery.quarantined.len(), 1, "{:?}", recovery.quarantined);
        assert_eq!(recovery.cut_bytes, tail.padded as u64);
        assert_eq!(recovery.next_lsn.0, tail.lsns.start);
        assert!(observed.seen.iter().all(|(_, lsn, _)| !hit.lsns.contains(lsn)));
    }
}

#[test]
fn a_start_that_is_not_there_is_refused_unchanged() {
    let whole = five_segments();
    for from in [0, 6, 7, 99] {
        let mut disk = whole.clone();
        // A torn tail that reading would cut.
        let tail = batches(&disk, SegmentId(5)).pop().unwrap();
        disk.bytes_mut(SegmentId(5))[tail.offset + 70] ^= 1;
        let before = disk.bytes(SegmentId(5)).unwrap().to_vec();
        let refused = open(&mut disk, Some(SegmentId(from))).map(|(_, recovery, _)| recovery);
        assert_eq!(refused, Err(OpenError::Start(SegmentId(from))));
        assert_eq!(disk.bytes(SegmentId(5)).unwrap(), before);
    }
    let empty = open(&mut MemDisk::new(), Some(SegmentId(1))).map(|(_, recovery, _)| recovery);
    assert_eq!(empty, Err(OpenError::Start(SegmentId(1))));
}
