//! The log machine's contract: urgency, batching, starvation, full disk, poison, recycling. Tests
//! only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::time::Duration;

use common::{WALL_MS, batches, carried, config, content, encoded, fill_up_to, open, put, settle};
use postrider_storage::{
    Appended, Chore, Log, LogConfig, LogIoError, LogIoErrorKind, Lsn, MemDisk, OpenError, Position,
    ReadBack, Record, Replayed, SegmentId, Urgency, read_record,
};

const ZERO: Duration = Duration::ZERO;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn fresh() -> (Log, MemDisk) {
    let mut disk = MemDisk::new();
    let (mut log, recovery, seen) = open(&mut disk).unwrap();
    assert_eq!((recovery.next_lsn, recovery.next_sequence, seen.len()), (Lsn(1), 1, 0));
    assert!(!recovery.clean);
    settle(&mut log, &mut disk, ZERO);
    assert!(log.idle());
    (log, disk)
}

fn error(kind: LogIoErrorKind) -> LogIoError {
    LogIoError { kind, what: "cannot write: test".to_owned(), code: None }
}

#[test]
fn a_waited_record_is_written_at_once_and_a_lazy_one_after_its_time() {
    let (mut log, mut disk) = fresh();
    assert_eq!((log.poll_timeout(), log.durable()), (None, Lsn(0)));
    let lsn = log.append(&carried(1, b"x"), Urgency::Lazy, ms(10)).lsn;
    assert_eq!(lsn, Lsn(2), "the segment's mark comes first");
    assert_eq!(log.poll_timeout(), Some(ms(12)));
    assert!(log.poll_write(ms(11)).is_none());
    assert!(log.append(&carried(2, b"y"), Urgency::Lazy, ms(11)).lsn > lsn);
    assert_eq!(log.poll_timeout(), Some(ms(12)), "the oldest record counts");
    let write = log.poll_write(ms(12)).unwrap();
    assert_eq!((write.segment, write.offset, write.blocks.len()), (SegmentId(1), 0, 4096));

    // While it is in flight nothing else goes out, and no timer is needed.
    let waited = log.append(&carried(3, b"z"), Urgency::Waited, ms(12)).lsn;
    assert!(log.poll_write(ms(99)).is_none() && log.poll_timeout().is_none());
    assert_eq!(log.durable(), Lsn(0));
    disk.begin_write(&write);
    let done = disk.complete_write();
    log.handle_written(ms(13), write, done);
    assert_eq!(log.durable(), Lsn(3));
    let write = log.poll_write(ms(13)).unwrap();
    assert_eq!(write.offset, 4096, "a block that was acknowledged is never written again");
    log.handle_written(ms(14), write, Ok(()));
    assert_eq!(log.durable(), waited);
    assert!(log.idle());
}

#[test]
fn a_record_is_read_back_alone_from_where_it_was_appended() {
    let (mut log, mut disk) = fresh();
    let mut appended = Vec::new();
    for sequence in 1..=90 {
        // Several records a batch, many batches a segment, three segments.
        let state = content(sequence, 7_000);
        let record = carried(sequence, &state);
        let Appended { lsn, at, .. } = log.append(&record, Urgency::Lazy, ms(sequence));
        assert_eq!(Position::unpack(at.pack()), Some(at));
        appended.push((lsn, at, encoded(&record)));
        if sequence % 7 == 0 || sequence == 90 {
            settle(&mut log, &mut disk, ms(sequence + 2));
        }
    }
    assert!(log.idle() && log.head_segment() == SegmentId(3));
    assert!(appended.windows(2).all(|pair| pair[0].1 < pair[1].1), "in the order of the log");
    for (_, at, expected) in &appended {
        let bytes = &disk.bytes(at.segment).unwrap()[at.offset as usize..];
        let Ok(ReadBack::Whole { record, len }) = read_record(bytes) else { panic!("{at:?}") };
        assert_eq!((encoded(&record), len), (expected.clone(), expected.len()));
    }
    let (mut replayed, mut times) = (Vec::new(), Vec::new());
    Log::open(&mut disk, config(), ZERO, WALL_MS, &mut |Replayed { at, lsn, wall_ms, record }| {
        times.push(wall_ms);
        if !matches!(record, Record::Mark { .. }) {
            replayed.push((lsn, at, encoded(record)));
        }
    })
    .unwrap();
    assert_eq!(replayed, appended);
    assert!(times.is_sorted(), "a batch's time");
    assert_eq!((times.first(), times.last()), (Some(&(WALL_MS + 9)), Some(&(WALL_MS + 92))));
}

#[test]
fn enough_lazy_records_do_not_wait() {
    let (mut log, _) = fresh();
    let state = content(1, 1_000);
    while log.pending_bytes() < config().preferred_batch {
        assert!(log.poll_write(ZERO).is_none());
        log.append(&carried(1, &state), Urgency::Lazy, ZERO);
    }
    assert!(log.poll_write(ZERO).is_some());
}

#[test]
fn what_is_over_the_largest_batch_is_the_next_one() {
    let (mut log, mut disk) = fresh();
    let state = content(1, 60_000);
    let last = (1..=20).map(|n| log.append(&carried(n, &state), Urgency::Lazy, ZERO).lsn).last();
    let mut sizes = Vec::new();
    loop {
        while let Some(chore) = log.poll_chore() {
            let done = chore.run(&mut disk, config().segment_bytes);
            log.handle_chore(chore, done);
        }
        // All but the last are full; that one is due as well, by its size or in time.
        let Some(write) = log.poll_write(ms(2)) else { break };
        assert!(write.offset + write.blocks.len() as u64 <= config().segment_bytes);
        sizes.push(write.blocks.len());
        disk.begin_write(&write);
        let done = disk.complete_write();
        log.handle_written(ZERO, write, done);
    }
    // Three segments of four records each: the log may not grow further.
    assert!(log.starved() && log.times_starved() > 0);
    assert_eq!(sizes.len(), 3);
    assert!(log.durable() < last.unwrap());
}

#[test]
fn marks_carry_the_sequence_over_recycling() {
    let (mut log, mut disk) = fresh();
    // Only the very first segment has a message; all later records tell nothing about sequences.
    put(&mut log, &mut disk, 4_711, 10);
    let detail = content(1, 9_000);
    let part = Record::Part {
        sequence: 4_711,
        part: 0,
        event: 1,
        carrier: 1,
        status: 0,
        at_ms: 5,
        detail: &detail,
        attempt: 1,
    };
    while log.head_segment() < SegmentId(9) {
        log.append(&part, Urgency::Waited, ZERO);
        settle(&mut log, &mut disk, ZERO);
        log.release_before(log.head_segment());
        settle(&mut log, &mut disk, ZERO);
    }
    assert!(disk.bytes(SegmentId(1)).is_none());
    let (log, recovery, seen) = open(&mut disk).unwrap();
    assert_eq!((recovery.next_sequence, log.next_sequence()), (4_712, 4_712));
    assert!(recovery.quarantined.is_empty() && recovery.notes.is_empty());
    assert!(seen.iter().all(|(segment, ..)| *segment > SegmentId(1)));
}

#[test]
fn stale_bytes_of_a_recycled_segment_never_count() {
    let (mut log, mut disk) = fresh();
    fill_up_to(&mut log, &mut disk, SegmentId(3), 1);
    log.release_before(SegmentId(3));
    fill_up_to(&mut log, &mut disk, SegmentId(4), 1_000);
    assert_eq!(log.head_segment(), SegmentId(4));
    let bytes = disk.bytes(SegmentId(4)).unwrap();
    let own = batches(&disk, SegmentId(4));
    let end = own.last().map(|batch| batch.offset + batch.padded).unwrap();
    let stale = bytes[end..].chunks(4096).filter(|block| block.starts_with(b"PRLG")).count();
    assert!(stale > 5, "the file must be full of older batches for this test to mean anything");
    let (_, recovery, seen) = open(&mut disk.clone()).unwrap();
    assert_eq!((recovery.cut_bytes, recovery.quarantined.len(), recovery.notes.len()), (0, 0, 0));
    let in_head = seen.iter().filter(|(segment, ..)| *segment == SegmentId(4)).count();
    let written: u64 = own.iter().map(|batch| batch.lsns.end - batch.lsns.start).sum();
    assert_eq!(in_head as u64, written);
    // Not even when nothing of the new segment's has reached the disk.
    let stale = disk.bytes(SegmentId(4)).unwrap()[end..].to_vec();
    disk.bytes_mut(SegmentId(4))[..end].copy_from_slice(&stale[..end]);
    let (log, recovery, seen) = open(&mut disk).unwrap();
    assert_eq!(recovery.quarantined.len(), 0);
    assert!(seen.iter().all(|(segment, ..)| *segment == SegmentId(3) || *segment == SegmentId(2)));
    assert_eq!(log.head_segment(), SegmentId(3));
}

#[test]
fn a_segment_is_recycled_only_when_what_replaces_it_is_durable() {
    let (mut log, mut disk) = fresh();
    fill_up_to(&mut log, &mut disk, SegmentId(3), 1);
    assert_eq!((log.oldest_segment(), log.live_segments()), (SegmentId(1), 3));
    assert!(log.poll_chore().is_none(), "all three segments are needed");
    let state = content(1, 100);
    log.append(&carried(1, &state), Urgency::Lazy, ZERO);
    log.release_before(SegmentId(2));
    assert_eq!((log.oldest_segment(), log.live_segments()), (SegmentId(2), 2));
    assert!(log.poll_chore().is_none(), "the carried record is not durable yet");
    let write = log.poll_write(ms(2)).unwrap();
    assert!(log.poll_chore().is_none());
    disk.begin_write(&write);
    let done = disk.complete_write();
    log.handle_written(ms(2), write, done);
    let chore = log.poll_chore().unwrap();
    let expected = Chore::Provision { segment: SegmentId(4), recycle: Some(SegmentId(1)) };
    assert_eq!(chore, expected);
    assert!(log.poll_chore().is_none(), "one at a time");
    log.release_before(SegmentId(99));
    assert_eq!(log.oldest_segment(), log.head_segment(), "the head is never released");
}

#[test]
fn a_full_disk_is_not_the_end() {
    let (mut log, mut disk) = fresh();
    let all = log.room();
    assert_eq!((all.used_segments, all.max_segments), (0, 3));
    assert_eq!(all.bytes_free, 3 * config().segment_bytes);
    put(&mut log, &mut disk, 1, 100);
    let chore = Chore::Provision { segment: SegmentId(3), recycle: None };
    let mut next = 2;
    while log.head_segment() < SegmentId(2) {
        let state = content(next, 9_000);
        log.append(&carried(next, &state), Urgency::Waited, ZERO);
        while let Some(write) = log.poll_write(ZERO) {
            disk.begin_write(&write);
            let done = disk.complete_write();
            log.handle_written(ZERO, write, done);
        }
        next += 1;
    }
    assert_eq!(log.poll_chore(), Some(chore));
    log.handle_chore(chore, Err(error(LogIoErrorKind::Full)));
    assert!(log.full() && log.poisoned().is_none() && log.poll_chore().is_none());
    let room = log.room();
    assert!(room.bytes_free < config().segment_bytes, "only what is on the disk counts");
    assert_eq!(room.used_segments, 2);
    log.retry_chores();
    assert_eq!(log.poll_chore(), Some(chore));
    log.handle_chore(chore, chore.run(&mut disk, config().segment_bytes));
    assert!(!log.full());
    assert_eq!(log.room().bytes_free, room.bytes_free + config().segment_bytes);
    put(&mut log, &mut disk, next, 9_000);
    assert!(log.idle());
}

#[test]
fn a_release_that_waits_for_records_without_a_segment_gets_one() {
    let (mut log, mut disk) = fresh();
    let state = content(1, 20_000);
    let mut next = 1;
    while !log.starved() {
        log.append(&carried(next, &state), Urgency::Waited, ZERO);
        settle(&mut log, &mut disk, ZERO);
        next += 1;
    }
    assert_eq!(
        (log.live_segments(), log.head_segment(), log.room().bytes_free),
        (3, SegmentId(4), 0)
    );
    // What was carried forward lies in the segment that is not there: nothing can be recycled yet.
    log.release_before(SegmentId(3));
    assert!(log.poll_write(ZERO).is_none());
    settle(&mut log, &mut disk, ZERO);
    assert!(log.idle() && !log.starved());
    assert_eq!(log.durable().0 + 1, log.next_lsn().0);
    // And the log is back at its bound, with a spare.
    let files = (1..9).filter(|id| disk.bytes(SegmentId(*id)).is_some()).count();
    assert_eq!(files, 3);
    assert_eq!(open(&mut disk).unwrap().1.next_sequence, next);
}

#[test]
fn recycling_goes_on_while_the_disk_is_full() {
    let mut disk = MemDisk::new();
    let roomy = LogConfig { max_segments: 9, spare_segments: 2, ..config() };
    let (mut log, _) = Log::open(&mut disk, roomy, ZERO, WALL_MS, &mut |_| {}).unwrap();
    settle(&mut log, &mut disk, ZERO);
    let state = content(1, 20_000);
    while log.head_segment() < SegmentId(2) {
        log.append(&carried(1, &state), Urgency::Waited, ZERO);
        let write = log.poll_write(ZERO).unwrap();
        disk.begin_write(&write);
        let done = disk.complete_write();
        log.handle_written(ZERO, write, done);
    }
    let chore = log.poll_chore().unwrap();
    log.handle_chore(chore, Err(error(LogIoErrorKind::Full)));
    assert!(log.poll_chore().is_none() && log.full());
    log.release_before(SegmentId(2));
    let chore = log.poll_chore().unwrap();
    let expected = Chore::Provision { segment: SegmentId(3), recycle: Some(SegmentId(1)) };
    assert_eq!(chore, expected);
    // Should even that find no room, it is not tried again and again.
    log.handle_chore(chore, Err(error(LogIoErrorKind::Full)));
    assert!(log.poll_chore().is_none());
    log.retry_chores();
    assert_eq!(log.poll_chore(), Some(chore));
    log.handle_chore(chore, chore.run(&mut disk, config().segment_bytes));
    assert!(!log.full() && log.poisoned().is_none());
}

#[test]
fn a_failed_write_poisons_for_good() {
    let (mut log, mut disk) = fresh();
    let durable = put(&mut log, &mut disk, 1, 100);
    log.append(&carried(2, b"lost"), Urgency::Waited, ZERO);
    let write = log.poll_write(ZERO).unwrap();
    log.append(&carried(3, b"also"), Urgency::Waited, ZERO);
    // Even a full disk: what a failed write left behind is not known.
    log.handle_written(ZERO, write, Err(error(LogIoErrorKind::Full)));
    assert_eq!(log.poisoned().map(|error| error.kind), Some(LogIoErrorKind::Full));
    for turn in 0..3 {
        log.append(&carried(4 + turn, b"dropped"), Urgency::Waited, ZERO);
        assert!(log.poll_write(ms(99)).is_none() && log.poll_chore().is_none());
        assert!(log.poll_timeout().is_none());
        assert_eq!((log.durable(), log.pending_bytes()), (Lsn(durable), 0));
    }
}

#[test]
fn a_chore_that_fails_otherwise_poisons_too() {
    let mut disk = MemDisk::new();
    let (mut log, ..) = open(&mut disk).unwrap();
    let chore = log.poll_chore().unwrap();
    log.handle_chore(chore, Err(error(LogIoErrorKind::Io)));
    assert!(log.poisoned().is_some());
}

#[test]
fn a_clean_mark_is_seen_and_only_as_the_last_record() {
    let (mut log, mut disk) = fresh();
    let mark = Record::Mark { at_ms: WALL_MS, next_sequence: 50, clean: true };
    log.append(&mark, Urgency::Waited, ZERO);
    settle(&mut log, &mut disk, ZERO);
    let (mut log, recovery, _) = open(&mut disk).unwrap();
    assert_eq!((recovery.clean, recovery.next_sequence), (true, 50));
    put(&mut log, &mut disk, 50, 10);
    let (_, recovery, _) = open(&mut disk).unwrap();
    assert_eq!((recovery.clean, recovery.next_sequence), (false, 51));
}

#[test]
fn segments_of_another_size_are_used_up_and_replaced() {
    let (mut log, mut disk) = fresh();
    fill_up_to(&mut log, &mut disk, SegmentId(2), 1);
    let larger = LogConfig { segment_bytes: 512 * 1024, ..config() };
    let (mut log, _) = Log::open(&mut disk, larger.clone(), ZERO, WALL_MS, &mut |_| {}).unwrap();
    let mut done = Vec::new();
    for sequence in 500..600 {
        let state = content(sequence, 20_000);
        log.append(&carried(sequence, &state), Urgency::Waited, ZERO);
        log.release_before(log.head_segment());
        while !log.idle() || sequence == 599 {
            if let Some(chore) = log.poll_chore() {
                log.handle_chore(chore, chore.run(&mut disk, larger.segment_bytes));
                done.push(chore);
            } else if let Some(write) = log.poll_write(ZERO) {
                disk.begin_write(&write);
                let written = disk.complete_write();
                log.handle_written(ZERO, write, written);
            } else {
                break;
            }
        }
    }
    assert!(log.idle());
    for old in [SegmentId(1), SegmentId(2)] {
        assert!(done.contains(&Chore::Remove { segment: old, wipe: false }), "{done:?}");
    }
    let last = disk.bytes(log.head_segment()).unwrap();
    assert_eq!(last.len(), 512 * 1024);
    let recovery = Log::open(&mut disk, larger, ZERO, WALL_MS, &mut |_| {}).unwrap().1;
    assert_eq!((recovery.next_sequence, recovery.quarantined.len()), (600, 0));
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let wrong = [
        LogConfig { segment_bytes: 128 * 1024, ..config() },
        LogConfig { segment_bytes: 256 * 1024 + 1, ..config() },
        LogConfig { segment_bytes: 256 * 1024 * 1024 + 4_096, ..config() },
        LogConfig { max_batch: 4096, ..config() },
        LogConfig { max_batch: 2 * 1024 * 1024, ..config() },
        LogConfig { spare_segments: 0, ..config() },
        LogConfig { max_segments: 1, ..config() },
    ];
    for config in wrong {
        let opened = Log::open(&mut MemDisk::new(), config, ZERO, 0, &mut |_| {});
        assert!(matches!(opened, Err(OpenError::Config(_))));
    }
}
