//! The backlog over runs in memory: order, conservation and bounds, by name and under random use.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use postrider_storage::{IndexKind, SegmentId};
use proptest::prelude::*;

use super::super::disk_tests::Shelf;
use super::*;
use postrider_core::lane::Lane;

fn group(customer: u32) -> Group {
    Group { carrier: 1, lane: Lane::Bulk, customer }
}

fn place(segment: u64, sequence: u64) -> Position {
    Position { segment: SegmentId(segment), offset: u32::try_from(sequence).unwrap() * 64 }
}

fn cold(sequence: u64) -> Cold {
    Cold { sequence, at: place(1, sequence) }
}

fn secs(seconds: u64) -> UnixMs {
    UnixMs(1_790_000_000_000 + seconds * 1_000)
}

/// Everything that the backlog gives for one question.
fn ask(backlog: &mut Backlog, shelf: &mut Shelf, group: Group) -> Option<Cold> {
    backlog.ask(group);
    loop {
        match backlog.poll().expect("an answer") {
            Turn::Read(number) => {
                let found = shelf.find(backlog.search(&shelf.runs, number));
                backlog.handle_rows(number, Some(found));
            }
            Turn::Message(_, message) => return Some(message),
            Turn::Nothing(_) => return None,
        }
    }
}

#[test]
fn a_backlog_drains_in_order_of_deadline_from_memory_and_disk() {
    let (mut shelf, mut backlog) = (Shelf::new(IndexKind::Backlog, 64), Backlog::default());
    for sequence in 1..=2_000 {
        let deadline = secs(sequence * 7_919 % 1_009);
        backlog.file(&mut shelf.runs, group(1), deadline, cold(sequence));
        backlog.file(&mut shelf.runs, group(2), deadline, cold(10_000 + sequence));
        if sequence % 300 == 0 {
            shelf.work();
        }
    }
    let order = std::iter::from_fn(|| ask(&mut backlog, &mut shelf, group(1)));
    let deadlines: Vec<u64> = order.map(|cold| cold.sequence * 7_919 % 1_009).collect();
    assert!(deadlines.len() == 2_000 && deadlines.is_sorted());
    assert_eq!(ask(&mut backlog, &mut shelf, group(3)), None);
    assert!(ask(&mut backlog, &mut shelf, group(2)).is_some_and(|own| own.sequence > 10_000));
}

#[test]
fn after_a_restart_everything_that_is_not_settled_waits_again() {
    let (mut shelf, mut backlog) = (Shelf::new(IndexKind::Backlog, 64), Backlog::default());
    (1..=10).for_each(|n| backlog.file(&mut shelf.runs, group(1), secs(n), cold(n)));
    for n in 1..=6 {
        assert_eq!(ask(&mut backlog, &mut shelf, group(1)), Some(cold(n)));
    }
    // Three of them went for good; the fourth waits on, with its state elsewhere.
    (1..=3).for_each(|n| backlog.unfile(&mut shelf.runs, group(1), secs(n), n));
    let carried = Cold { sequence: 4, at: place(9, 4) };
    backlog.file(&mut shelf.runs, group(1), secs(4), carried);
    shelf.restart();
    let mut backlog = Backlog::default();
    let left: Vec<Cold> = std::iter::from_fn(|| ask(&mut backlog, &mut shelf, group(1))).collect();
    let expected: Vec<Cold> = std::iter::once(carried).chain((5..=10).map(cold)).collect();
    assert_eq!(left, expected);
}

#[test]
fn rows_in_memory_stay_in_their_bound() {
    let mut shelf = Shelf::new(IndexKind::Backlog, 100_000);
    let mut backlog = Backlog::new(16, 100);
    for customer in 1..=200 {
        for n in 0..40 {
            let sequence = u64::from(customer) * 100 + n;
            backlog.file(&mut shelf.runs, group(customer), secs(n), cold(sequence));
        }
        assert!(ask(&mut backlog, &mut shelf, group(customer)).is_some());
        assert!(backlog.rows() <= 100 + 16, "{}", backlog.rows());
    }
}

#[derive(Clone, Debug)]
enum Act {
    File {
        customer: u32,
        seconds: u64,
    },
    /// The message at this place of all that were filed goes for good, or its state moves.
    Unfile(usize),
    Move(usize),
    Ask(u32),
    /// A search ends, well or badly.
    End {
        ok: bool,
    },
    Work,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (1..4_u32, 0..30_u64).prop_map(|(customer, seconds)| Act::File { customer, seconds }),
        2 => any::<usize>().prop_map(Act::Unfile),
        2 => any::<usize>().prop_map(Act::Move),
        6 => (1..4_u32).prop_map(Act::Ask),
        4 => prop::bool::weighted(0.9).prop_map(|ok| Act::End { ok }),
        1 => Just(Act::Work),
    ]
}

struct World {
    shelf: Shelf,
    backlog: Backlog,
    /// Filed and not unfiled: deadline and position, by group and sequence.
    filed: BTreeMap<(u32, u64), (u64, Position)>,
    /// Of these, those that were given out since they were filed.
    given: BTreeSet<(u32, u64)>,
    next: u64,
    begun: Vec<(u32, RunRange)>,
    again: usize,
}

impl World {
    fn act(&mut self, act: &Act) {
        let (runs, backlog) = (&mut self.shelf.runs, &mut self.backlog);
        match *act {
            Act::File { customer, seconds } => {
                self.next += 1;
                let message = cold(self.next);
                backlog.file(runs, group(customer), secs(seconds), message);
                self.filed.insert((customer, self.next), (seconds, message.at));
            }
            Act::Unfile(at) => {
                if let Some((customer, sequence)) = self.pick(at) {
                    let (seconds, _) = self.filed.remove(&(customer, sequence)).unwrap();
                    let runs = &mut self.shelf.runs;
                    self.backlog.unfile(runs, group(customer), secs(seconds), sequence);
                    self.given.remove(&(customer, sequence));
                }
            }
            Act::Move(at) => {
                if let Some((customer, sequence)) = self.pick(at) {
                    let held = self.filed.get_mut(&(customer, sequence)).unwrap();
                    held.1.segment = SegmentId(held.1.segment.0 + 1);
                    let (seconds, at) = *held;
                    let message = Cold { sequence, at };
                    let runs = &mut self.shelf.runs;
                    self.backlog.file(runs, group(customer), secs(seconds), message);
                    self.given.remove(&(customer, sequence));
                }
            }
            Act::Ask(customer) => backlog.ask(group(customer)),
            Act::End { ok } => {
                if !self.begun.is_empty() {
                    let (number, search) = self.begun.remove(0);
                    let found = ok.then(|| self.shelf.find(search));
                    self.backlog.handle_rows(number, found);
                }
            }
            Act::Work => self.shelf.work(),
        }
        self.drain();
    }

    fn pick(&self, at: usize) -> Option<(u32, u64)> {
        self.filed.keys().nth(at % self.filed.len().max(1)).copied()
    }

    fn first(&self, customer: u32) -> Option<(u64, u64)> {
        let own = self.filed.iter().filter(|(key, _)| key.0 == customer);
        let open = own.filter(|(key, _)| !self.given.contains(key));
        open.map(|((_, sequence), (seconds, _))| (*seconds, *sequence)).min()
    }

    fn drain(&mut self) {
        while let Some(turn) = self.backlog.poll() {
            match turn {
                // It begins at once, and ends when the disk has it.
                Turn::Read(number) => {
                    self.begun.push((number, self.backlog.search(&self.shelf.runs, number)));
                }
                Turn::Message(group, message) => {
                    let key = (group.customer, message.sequence);
                    let held = self.filed.get(&key).expect("it waits");
                    assert_eq!(held.1, message.at, "the newest place");
                    let first = self.first(group.customer);
                    if self.given.insert(key) {
                        assert_eq!(first, Some((held.0, message.sequence)), "in order");
                    } else {
                        self.again += 1;
                    }
                }
                Turn::Nothing(group) => assert_eq!(self.first(group.customer), None),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn whatever_waits_is_given_out_in_order_and_nothing_else(
        page in 1..6_usize,
        acts in prop::collection::vec(act(), 1..200),
    ) {
        let mut world = World {
            shelf: Shelf::new(IndexKind::Backlog, 8),
            backlog: Backlog::new(page, 3 * page),
            filed: BTreeMap::new(),
            given: BTreeSet::new(),
            next: 0,
            begun: Vec::new(),
            again: 0,
        };
        for act in &acts {
            world.act(act);
        }
        for customer in 1..4 {
            while world.first(customer).is_some() {
                world.act(&Act::Ask(customer));
                while !world.begun.is_empty() {
                    world.act(&Act::End { ok: true });
                }
            }
        }
        prop_assert_eq!(world.given.len(), world.filed.len());
    }
}
