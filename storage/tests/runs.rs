//! Sets of runs against a map: flushes, merges, searches and crashes at any point, over a disk in
//! memory. Tests only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;
#[path = "common/runs.rs"]
mod house;

use std::time::Duration;

use common::Choices;
use house::House;
use postrider_storage::io::FileDisk;
use postrider_storage::runs::{Row, RunConfig, RunSet, RunState};
use postrider_storage::search::run;
use postrider_storage::{Disk as _, Fault, IndexKind, LogIoErrorKind, Lsn};
use proptest::prelude::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn config() -> RunConfig {
    RunConfig { memory_rows: 8, merge_after: HOUR, runs: 3, slice_rows: 20 }
}

/// What the property test does to a house.
#[derive(Debug, Clone)]
enum Act {
    Put(u64, u64),
    Delete(u64, u64),
    Durable,
    Flush,
    Chore,
    /// The nth operation of the next chore meets a full disk.
    Full(u64),
    Hour,
    Checkpoint,
    Crash(bool, u64),
    Look(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        30 => (0..24_u64, 0..6_u64).prop_map(|(k1, k2)| Act::Put(k1, k2)),
        12 => (0..24_u64, 0..6_u64).prop_map(|(k1, k2)| Act::Delete(k1, k2)),
        8 => Just(Act::Durable),
        2 => Just(Act::Flush),
        14 => Just(Act::Chore),
        1 => (1..6_u64).prop_map(Act::Full),
        1 => Just(Act::Hour),
        2 => Just(Act::Checkpoint),
        2 => (any::<bool>(), any::<u64>()).prop_map(|(chore, seed)| Act::Crash(chore, seed)),
        2 => (1..40_usize).prop_map(Act::Look),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_set_is_a_map_whatever_happens(
        acts in prop::collection::vec(act(), 1..250),
        filtered in any::<bool>(),
    ) {
        let kind = if filtered { IndexKind::Receipts } else { IndexKind::Due };
        let mut house = House::new(kind, config());
        for act in acts {
            match act {
                Act::Put(k1, k2) => {
                    let v = house.log.len() as u64 + 1;
                    house.put(k1, k2, v);
                }
                Act::Delete(k1, k2) => house.delete((k1, k2)),
                Act::Durable => house.durable = house.log.len(),
                Act::Flush => house.set.flush(),
                Act::Chore => {
                    house.chore(true);
                }
                Act::Full(nth) => {
                    let fault = Fault { nth, forever: false, kind: LogIoErrorKind::Full };
                    house.disk.plan_fault(Some(fault));
                    house.chore(true);
                    house.disk.plan_fault(None);
                    house.set.retry_chores();
                }
                Act::Hour => house.now += HOUR,
                Act::Checkpoint => house.keep_checkpoint(),
                Act::Crash(during_chore, seed) => {
                    if during_chore {
                        house.chore(false);
                    }
                    let mut choices = Choices(seed);
                    house.crash(&mut |n| choices.next(n));
                    house.agrees(7);
                }
                Act::Look(limit) => house.agrees(limit),
            }
        }
        house.agrees(5);
        house.settle();
        house.agrees(300);
        house.now += HOUR;
        house.settle();
        house.agrees(300);
        prop_assert!(house.set.stats().runs <= 1);
        prop_assert_eq!(house.set.stats().files, house.disk.list_side().unwrap().len());
    }
}

#[test]
fn a_set_is_the_same_on_real_files() {
    let tmp = tempfile::tempdir().unwrap();
    let mut disk = FileDisk::new(tmp.path(), false);
    let (kind, now) = (IndexKind::Receipts, Duration::ZERO);
    let config = RunConfig { memory_rows: 500, merge_after: HOUR, runs: 3, slice_rows: 2_000 };
    let open =
        |disk: &mut FileDisk, known| RunSet::open(disk, kind, config.clone(), known, now).unwrap();
    let (mut set, _) = open(&mut disk, RunState::default());
    for n in 1..=5_000 {
        set.put(Row { k1: n * n, k2: n, v: n });
        while let Some(chore) = set.poll_chore(HOUR, Lsn(n), Lsn(n)) {
            let done = chore.run(&mut disk);
            set.handle_chore(HOUR, done);
        }
    }
    let files = std::fs::read_dir(tmp.path()).unwrap().count();
    assert_eq!(files, set.stats().files);
    let known = set.state();
    let (set, damaged) = open(&mut disk, known);
    assert_eq!((damaged, set.covered(), set.stats().files), (vec![], known.covered, files));
    for n in 1..=5_000 {
        assert_eq!(run(set.lookup(n * n), &mut disk).unwrap(), [Row { k1: n * n, k2: n, v: n }]);
    }
}

#[test]
fn what_is_set_aside_for_a_checkpoint_is_covered_once_it_is_written() {
    let mut disk = postrider_storage::MemDisk::new();
    let (kind, now) = (IndexKind::Due, Duration::ZERO);
    let open = |disk: &mut _, known| RunSet::open(disk, kind, config(), known, now).unwrap().0;
    let mut set = open(&mut disk, RunState::default());
    set.set_aside(Lsn(3));
    assert!(set.is_settled() && set.poll_chore(now, Lsn(3), Lsn(2)).is_none());
    assert_eq!(set.covered(), Lsn(0), "its records are not on the disk");
    assert!(set.poll_chore(now, Lsn(3), Lsn(3)).is_none());
    assert_eq!(set.covered(), Lsn(3));
    set.put(Row { k1: 1, k2: 1, v: 5 });
    set.set_aside(Lsn(5));
    set.put(Row { k1: 2, k2: 2, v: 6 });
    assert!(!set.is_settled() && set.covered() == Lsn(3));
    let chore = set.poll_chore(now, Lsn(6), Lsn(6)).unwrap();
    set.handle_chore(now, chore.run(&mut disk));
    assert!(set.is_settled() && set.covered() == Lsn(5), "the row that came later is in memory");
    let mut set = open(&mut disk, set.state());
    assert_eq!(set.covered(), Lsn(5));
    set.put(Row { k1: 3, k2: 3, v: 7 });
    set.set_aside(Lsn(5));
    assert_eq!(set.covered(), Lsn(4), "a row came without a record, and is not on the disk");
    let chore = set.poll_chore(now, Lsn(5), Lsn(5)).unwrap();
    set.handle_chore(now, chore.run(&mut disk));
    let set = open(&mut disk, set.state());
    assert_eq!(set.covered(), Lsn(5));
    assert_eq!(run(set.lookup(3), &mut disk).unwrap(), [Row { k1: 3, k2: 3, v: 7 }]);
    assert_eq!(run(set.lookup(1), &mut disk).unwrap(), [Row { k1: 1, k2: 1, v: 5 }]);
    assert_eq!(run(set.lookup(2), &mut disk).unwrap(), []);
    // Without its file the set does not reach so far, whatever the checkpoint says.
    let (state, file) = (set.state(), disk.list_side().unwrap()[0].0);
    disk.remove_side(file).unwrap();
    assert_eq!(open(&mut disk, state).covered(), Lsn(0));
}
