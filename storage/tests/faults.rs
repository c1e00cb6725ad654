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
use postrider_storage::{
    Disk as _, Fault, Log, LogIoError, LogIoErrorKind, MemDisk, OpenError, SegmentId, SideFile,
    Urgency,
};

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

const SLOTS: SideFile = SideFile::Slots(1);
const PAGE: usize = 1_024;

/// A page or a checkpoint that says how far it covers the log, so often that a torn one shows.
fn covering(lsn: u64, bytes: usize) -> Vec<u8> {
    [lsn.to_le_bytes(), (!lsn).to_le_bytes()].concat().repeat(bytes / 16)
}

/// How far a page or a checkpoint covers the log; `None`: it is torn.
fn covered(bytes: &[u8]) -> Option<u64> {
    let lsn = u64::from_le_bytes(*bytes.first_chunk()?);
    (bytes == covering(lsn, bytes.len())).then_some(lsn)
}

/// What a script with side files achieved.
struct Kept {
    durable: u64,
    /// What the last checkpoint covers that was completed.
    checkpoint: u64,
    failed: bool,
}

/// A log with side files that follow it, as an owner keeps them: a page updated in place, then a
/// checkpoint that says how far they cover the log, then the one before the last removed.
fn side_script(disk: &mut MemDisk) -> Kept {
    let mut kept = Kept { durable: 0, checkpoint: 0, failed: true };
    let (mut log, ..) = match open(disk) {
        Ok(opened) => opened,
        Err(OpenError::Io(_)) => return kept,
        Err(other) => panic!("{other}"),
    };
    if write_side(disk, SLOTS, &covering(0, 4 * PAGE)).is_err() {
        return kept;
    }
    for turn in 1..=8 {
        let state = content(turn, 3_000);
        log.append(&common::carried(turn, &state), Urgency::Waited, Duration::ZERO);
        drive(&mut log, disk);
        kept.durable = log.durable().0;
        if log.poisoned().is_some() {
            return kept;
        }
        let covers = kept.durable;
        let (work, done) = disk.begin_side(|disk| {
            let at = (turn % 4) * PAGE as u64;
            disk.update_side(SLOTS, &[(at, &covering(covers, PAGE))])?;
            write_side(disk, SideFile::Checkpoint(turn), &covering(covers, 48))?;
            disk.remove_side(SideFile::Checkpoint(turn.saturating_sub(2)))
        });
        if done.is_err() {
            return kept;
        }
        disk.complete_side(work);
        kept.checkpoint = covers;
    }
    kept.failed = false;
    kept
}

fn write_side(disk: &mut MemDisk, file: SideFile, bytes: &[u8]) -> Result<(), LogIoError> {
    disk.write_side(file, &mut |_, out| {
        out.extend_from_slice(bytes);
        Ok(false)
    })
}

/// After a crash no side file covers more than the log holds, every checkpoint is whole and the
/// last one completed is there, and no page is torn but the one under way.
fn check_side(disk: &mut MemDisk, kept: &Kept, seed: u64) {
    let mut choices = Choices(seed);
    disk.crash(&mut |below| choices.next(below));
    let (_, recovery, seen) = open(disk).unwrap();
    assert!(recovery.quarantined.is_empty());
    let last = seen.last().map_or(0, |(_, lsn, _)| *lsn);
    assert!(last >= kept.durable);
    let (mut newest, mut torn) = (0, 0);
    for (file, len) in disk.list_side().unwrap() {
        let mut bytes = vec![0; len as usize];
        assert_eq!(disk.read_side(file, 0, &mut bytes).unwrap() as u64, len);
        if file == SLOTS {
            let pages: Vec<_> = bytes.chunks(PAGE).map(covered).collect();
            assert!(pages.iter().flatten().all(|covers| *covers <= last));
            torn += pages.iter().filter(|page| page.is_none()).count();
        } else {
            let covers = covered(&bytes).expect("a checkpoint is whole");
            assert!(covers <= last, "{file} covers {covers} of {last}");
            newest = newest.max(covers);
        }
    }
    assert!(torn <= usize::from(kept.failed), "only the update under way may be torn");
    assert!(newest >= kept.checkpoint, "{newest} of {}", kept.checkpoint);
}

#[test]
fn the_nth_operation_fails_with_side_files() {
    let mut quiet = MemDisk::new();
    let kept = side_script(&mut quiet);
    assert_eq!((kept.durable, kept.checkpoint, kept.failed), (9, 9, false));
    let operations = quiet.operations();
    assert!(operations > 8 * 4);
    let mut failures = 0;
    for nth in 1..=operations {
        for forever in [false, true] {
            for kind in [LogIoErrorKind::Io, LogIoErrorKind::Full] {
                for seed in 0..8 {
                    let mut disk = MemDisk::new();
                    disk.plan_fault(Some(Fault { nth, forever, kind }));
                    let kept = side_script(&mut disk);
                    failures += u64::from(kept.failed);
                    check_side(&mut disk, &kept, nth * 8 + seed);
                }
            }
        }
    }
    // A full disk may pass without harm where a segment is to be made ahead.
    assert!(failures > operations * 28, "{failures} of {}", operations * 32);
}

#[test]
fn recovery_itself_may_fail_at_any_operation_and_is_repeatable() {
    let common::FourBatches { disk: mut torn, head, last: placed, .. } = common::four_batches(true);
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
