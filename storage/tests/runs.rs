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

use std::collections::BTreeMap;
use std::time::Duration;

use common::Choices;
use postrider_storage::runs::{Key, Row, RunConfig, RunSet, RunState};
use postrider_storage::search::run;
use postrider_storage::{Disk, Fault, IndexKind, LogIoErrorKind, Lsn, MemDisk};
use proptest::prelude::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn config() -> RunConfig {
    RunConfig { memory_rows: 8, merge_after: HOUR, runs: 3, slice_rows: 20 }
}

/// What happened to a key, in the order of the log.
#[derive(Debug, Clone, Copy)]
enum Event {
    Put(Row),
    Delete(Key),
}

/// A set, the disk that it is on, and the log that it comes from.
struct House {
    kind: IndexKind,
    config: RunConfig,
    disk: MemDisk,
    set: RunSet,
    now: Duration,
    /// Event of LSN n at n - 1.
    log: Vec<Event>,
    durable: usize,
    checkpoint: RunState,
}

impl House {
    fn new(kind: IndexKind, config: RunConfig) -> Self {
        let mut disk = MemDisk::new();
        let state = RunState::default();
        let (set, damaged) =
            RunSet::open(&mut disk, kind, config.clone(), state, Duration::ZERO).unwrap();
        assert_eq!(damaged, []);
        Self {
            kind,
            config,
            disk,
            set,
            now: Duration::ZERO,
            log: Vec::new(),
            durable: 0,
            checkpoint: state,
        }
    }

    fn put(&mut self, k1: u64, k2: u64, v: u64) {
        self.happens(Event::Put(Row { k1, k2, v }));
    }

    fn delete(&mut self, key: Key) {
        self.happens(Event::Delete(key));
    }

    fn happens(&mut self, event: Event) {
        self.log.push(event);
        self.apply(event);
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Put(row) => self.set.put(row),
            Event::Delete(key) => self.set.delete(key),
        }
    }

    fn model(&self) -> BTreeMap<Key, u64> {
        let mut model = BTreeMap::new();
        for event in &self.log {
            match event {
                Event::Put(row) => model.insert(row.key(), row.v),
                Event::Delete(key) => model.remove(key),
            };
        }
        model
    }

    fn lsn(at: usize) -> Lsn {
        Lsn(at as u64)
    }

    /// Does the next chore, if there is one. It may be left undecided, for a crash.
    fn chore(&mut self, complete: bool) -> bool {
        let (applied, durable) = (Self::lsn(self.log.len()), Self::lsn(self.durable));
        let Some(chore) = self.set.poll_chore(self.now, applied, durable) else {
            return false;
        };
        let (work, done) = self.disk.begin_side(|disk| chore.run(disk));
        if complete {
            self.disk.complete_side(work);
            self.set.handle_chore(self.now, done);
        }
        true
    }

    fn settle(&mut self) {
        self.durable = self.log.len();
        let mut chores = 0;
        while self.chore(true) {
            chores += 1;
            assert!(chores < 10_000, "the set comes to rest");
        }
    }

    fn keep_checkpoint(&mut self) {
        self.checkpoint = self.set.state();
        assert!(self.checkpoint.covered <= Self::lsn(self.durable));
    }

    /// Power is cut; what was not durable is gone; the set is opened and gets what it lacks.
    fn crash(&mut self, choose: &mut dyn FnMut(usize) -> usize) {
        self.disk.crash(choose);
        self.log.truncate(self.durable);
        self.reopen();
    }

    fn reopen(&mut self) {
        let (kind, config) = (self.kind, self.config.clone());
        let opened = RunSet::open(&mut self.disk, kind, config, self.checkpoint, self.now);
        let (set, damaged) = opened.unwrap();
        assert_eq!(damaged, [], "a crash damages nothing");
        self.set = set;
        let covered = self.set.covered();
        assert!(covered <= Self::lsn(self.log.len()), "a run never knows more than the log");
        assert!(covered >= self.checkpoint.covered, "what the checkpoint knew is there");
        for event in self.log.clone().split_off(covered.0 as usize) {
            self.apply(event);
        }
    }

    fn lookup(&mut self, k1: u64) -> Vec<Row> {
        run(self.set.lookup(k1), &mut self.disk).unwrap()
    }

    /// All rows of a range, page by page.
    fn range(&mut self, from: u64, to: u64, limit: usize) -> Vec<Row> {
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let found = run(self.set.range(from, to, after, limit), &mut self.disk).unwrap();
            assert!(found.rows.len() <= limit);
            rows.extend(found.rows);
            if found.next.is_none() {
                return rows;
            }
            assert!(found.next > after, "a range goes on");
            after = found.next;
        }
    }

    #[track_caller]
    fn agrees(&mut self, limit: usize) {
        let model = self.model();
        let rows = |from: u64, to: u64| -> Vec<Row> {
            let rows = model.range((from, 0)..=(to, u64::MAX));
            rows.map(|(&(k1, k2), &v)| Row { k1, k2, v }).collect()
        };
        assert_eq!(self.range(0, u64::MAX, limit), rows(0, u64::MAX));
        let mut firsts: Vec<u64> = model.keys().map(|(k1, _)| *k1).collect();
        firsts.dedup();
        firsts.push(3);
        for k1 in firsts.into_iter().take(50) {
            assert_eq!(self.lookup(k1), rows(k1, k1), "first key {k1}");
            assert_eq!(self.range(k1, k1 + 3, limit), rows(k1, k1 + 3));
        }
    }
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
