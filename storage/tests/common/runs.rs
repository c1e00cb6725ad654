//! A set of runs with its disk and the log that it is made from, for tests. Tests only.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::time::Duration;

use postrider_storage::runs::{Key, LOOKUP_ROWS_MAX, Row, RunConfig, RunSet, RunState};
use postrider_storage::search::run;
use postrider_storage::{IndexKind, Lsn, MemDisk};

/// What happened to a key, in the order of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    Put(Row),
    Delete(Key),
}

/// A set, the disk that it is on, and the log that it comes from.
pub(crate) struct House {
    pub(crate) kind: IndexKind,
    pub(crate) config: RunConfig,
    pub(crate) disk: MemDisk,
    pub(crate) set: RunSet,
    pub(crate) now: Duration,
    /// Event of LSN n at n - 1.
    pub(crate) log: Vec<Event>,
    pub(crate) durable: usize,
    pub(crate) checkpoint: RunState,
}

impl House {
    pub(crate) fn new(kind: IndexKind, config: RunConfig) -> Self {
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

    pub(crate) fn put(&mut self, k1: u64, k2: u64, v: u64) {
        self.happens(Event::Put(Row { k1, k2, v }));
    }

    pub(crate) fn delete(&mut self, key: Key) {
        self.happens(Event::Delete(key));
    }

    pub(crate) fn happens(&mut self, event: Event) {
        self.log.push(event);
        self.apply(event);
    }

    pub(crate) fn apply(&mut self, event: Event) {
        match event {
            Event::Put(row) => self.set.put(row),
            Event::Delete(key) => self.set.delete(key),
        }
    }

    pub(crate) fn model(&self) -> BTreeMap<Key, u64> {
        let mut model = BTreeMap::new();
        for event in &self.log {
            match event {
                Event::Put(row) => model.insert(row.key(), row.v),
                Event::Delete(key) => model.remove(key),
            };
        }
        model
    }

    pub(crate) fn lsn(at: usize) -> Lsn {
        Lsn(at as u64)
    }

    /// Does the next chore, if there is one. It may be left undecided, for a crash.
    pub(crate) fn chore(&mut self, complete: bool) -> bool {
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

    pub(crate) fn settle(&mut self) {
        self.durable = self.log.len();
        let mut chores = 0;
        while self.chore(true) {
            chores += 1;
            assert!(chores < 10_000, "the set comes to rest");
        }
    }

    pub(crate) fn keep_checkpoint(&mut self) {
        self.checkpoint = self.set.state();
        assert!(self.checkpoint.covered <= Self::lsn(self.durable));
    }

    /// Power is cut; what was not durable is gone; the set is opened and gets what it lacks.
    pub(crate) fn crash(&mut self, choose: &mut dyn FnMut(usize) -> usize) {
        self.disk.crash(choose);
        self.log.truncate(self.durable);
        self.reopen();
    }

    pub(crate) fn reopen(&mut self) {
        let (kind, config) = (self.kind, self.config.clone());
        let opened = RunSet::open(&mut self.disk, kind, config, self.checkpoint, self.now);
        let (set, damaged) = opened.unwrap();
        assert_eq!(damaged, [], "a crash damages nothing");
        self.set = set;
        let covered = self.set.covered();
        assert!(covered <= Self::lsn(self.log.len()), "a run never knows more than the log");
        assert!(covered >= self.checkpoint.covered, "what the checkpoint knew is there");
        for event in self.log.clone().split_off(usize::try_from(covered.0).unwrap()) {
            self.apply(event);
        }
    }

    pub(crate) fn lookup(&mut self, k1: u64) -> Vec<Row> {
        run(self.set.lookup(k1), &mut self.disk).unwrap()
    }

    /// All rows of a range, page by page.
    pub(crate) fn range(&mut self, from: u64, to: u64, limit: usize) -> Vec<Row> {
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
    pub(crate) fn agrees(&mut self, limit: usize) {
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
            let mut expected = rows(k1, k1);
            expected.truncate(LOOKUP_ROWS_MAX);
            assert_eq!(self.lookup(k1), expected, "first key {k1}");
            assert_eq!(self.range(k1, k1 + 3, limit), rows(k1, k1 + 3));
        }
    }
}
