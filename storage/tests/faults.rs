//! T7, every operation fails once and for ever: nothing is called durable that a crash can take
//! back, and recovery loses nothing that was. Tests only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::time::Duration;

use common::{Choices, config, content, encoded, open};
use postrider_storage::{Fault, Log, LogIoErrorKind, MemDisk, OpenError, SegmentId, Urgency};

/// What the run achieved before it was over.
#[derive(Default)]
struct Outcome {
    /// Every record with its number and content, in order.
    appended: Vec<(u64, Vec<u8>)>,
    durable: u64,
    /// Records before this segment were released.
    released: u64,
    poisoned: bool,
    refused: bool,
}

/// Opens, fills four segments (the fourth is a recycled one), opens again and writes on.
fn script(disk: &mut MemDisk) -> Outcome {
    let mut outcome = Outcome::default();
    for round in 0..2 {
        let (mut log, recovery) = match open(disk) {
            Ok((log, recovery, _)) => (log, recovery),
            Err(OpenError::Io(_)) => {
                outcome.refused = true;
                return outcome;
            }
            Err(other) => panic!("{other}"),
        };
        assert!(recovery.quarantined.is_empty());
        for step in 0..if round == 0 { 34 } else { 4 } {
            let sequence = 1 + round * 100 + step;
            let state = content(sequence, 20_000);
            let record = common::carried(sequence, &state);
            let before = log.durable();
            let lsn = log.append(&record, Urgency::Waited, Duration::ZERO).lsn;
            outcome.appended.push((lsn.0, encoded(&record)));
            let poisoned = log.poisoned().is_some();
            drive(&mut log, disk);
            assert!(!poisoned || log.durable() == before, "durable moved after an error");
            outcome.durable = log.durable().0;
            if log.head_segment() > SegmentId(2) {
                log.release_before(SegmentId(2));
                outcome.released = 2;
            }
        }
        outcome.poisoned = log.poisoned().is_some();
        if outcome.poisoned {
            return outcome;
        }
    }
    outcome
}

fn drive(log: &mut Log, disk: &mut MemDisk) {
    loop {
        if let Some(chore) = log.poll_chore() {
            disk.begin_chore(chore, config().segment_bytes);
            let done = disk.complete_chore();
            log.handle_chore(chore, done);
        } else if let Some(write) = log.poll_write(Duration::ZERO) {
            assert!(log.poisoned().is_none(), "a poisoned log never writes");
            disk.begin_write(&write);
            let done = disk.complete_write();
            log.handle_written(Duration::ZERO, write, done);
        } else {
            return;
        }
    }
}

/// After a crash without faults everything durable is there, and nothing that was never appended.
fn check(disk: &mut MemDisk, outcome: &Outcome, seed: u64) {
    let mut choices = Choices(seed);
    disk.crash(&mut |below| choices.next(below));
    let (_, recovery, seen) = open(disk).unwrap_or_else(|error| panic!("{error}"));
    assert!(recovery.quarantined.is_empty(), "{:?}", recovery.quarantined);
    let mark = |bytes: &[u8]| bytes[0] == 7;
    for pair in seen.windows(2) {
        assert_eq!(pair[0].1 + 1, pair[1].1, "no gap");
    }
    for (_, lsn, bytes) in &seen {
        let known = outcome.appended.iter().any(|(at, content)| at == lsn && content == bytes);
        assert!(known || mark(bytes), "record {lsn} was never appended");
    }
    let first = seen.first().map_or(u64::MAX, |(_, lsn, _)| *lsn);
    let last = seen.last().map_or(0, |(_, lsn, _)| *lsn);
    assert!(last >= outcome.durable, "durable {} but the log ends at {last}", outcome.durable);
    assert!(outcome.released > 0 || outcome.durable == 0 || first == 1);
}

#[test]
fn the_nth_operation_fails() {
    let mut quiet = MemDisk::new();
    let outcome = script(&mut quiet);
    assert!(!outcome.poisoned && !outcome.refused);
    assert!(quiet.bytes(SegmentId(1)).is_none(), "the script recycles");
    let operations = quiet.operations();
    assert!(operations > 50 && outcome.durable > 38);
    let (mut poisoned, mut refused) = (0, 0);
    for nth in 1..=operations {
        for forever in [false, true] {
            for kind in [LogIoErrorKind::Io, LogIoErrorKind::Full] {
                let mut disk = MemDisk::new();
                disk.plan_fault(Some(Fault { nth, forever, kind }));
                let outcome = script(&mut disk);
                poisoned += u32::from(outcome.poisoned);
                refused += u32::from(outcome.refused);
                check(&mut disk, &outcome, nth);
            }
        }
    }
    assert!(poisoned > 100 && refused > 20, "{poisoned} {refused}");
}

#[test]
fn recovery_itself_may_fail_at_any_operation_and_is_repeatable() {
    let (whole, head, placed) = common::four_batches(true);
    let mut torn = whole;
    torn.bytes_mut(head)[placed[3].offset + 200] ^= 1;
    torn.bytes_mut(SegmentId(3))[100] ^= 1;
    let mut quiet = torn.clone();
    quiet.plan_fault(None);
    let (_, expected, seen) = open(&mut quiet).unwrap();
    assert!(expected.cut_bytes > 0 && expected.quarantined.len() == 1);
    for nth in 1..=quiet.operations() {
        let mut disk = torn.clone();
        disk.plan_fault(Some(Fault { nth, forever: false, kind: LogIoErrorKind::Io }));
        assert!(matches!(open(&mut disk), Err(OpenError::Io(_))), "operation {nth}");
        disk.plan_fault(None);
        let (_, recovery, again) = open(&mut disk).unwrap();
        assert_eq!((recovery.next_lsn, again), (expected.next_lsn, seen.clone()));
    }
    // What is passed over stays and is named every time; the torn tail is gone.
    let (_, second, again) = open(&mut quiet).unwrap();
    assert_eq!((second.cut_bytes, second.quarantined), (0, expected.quarantined));
    assert_eq!(again, seen);
}
