//! Messages that wait on disk because their customers' binds are owed receipts of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use postrider_core::limits;
use postrider_core::number::Msisdn;
use postrider_storage::search::run;
use postrider_storage::{MemDisk, Position, SegmentId};

use super::*;

const START: u64 = 1_790_000_000_000;
const SEATS: Seats = Seats { all: 40, wanted: 10, routes: 1, idle: limits::PARK_AFTER };

struct World {
    store: ColdStore,
    disk: MemDisk,
}

fn config() -> ColdConfig {
    ColdConfig {
        seats: SEATS,
        receipts: 100,
        hour: Duration::from_secs(3_600),
        key: [1, 2],
        runs: RunConfig {
            memory_rows: 100,
            merge_after: Duration::from_secs(3_600),
            runs: 4,
            slice_rows: 1_000,
        },
    }
}

fn now() -> Now {
    Now { mono: Duration::from_secs(9), wall: UnixMs(START) }
}

fn cold(sequence: u64) -> Cold {
    let offset = u32::try_from(sequence * 64).unwrap();
    Cold { sequence, at: Position { segment: SegmentId(1), offset } }
}

/// Later messages are owed earlier, some at the same time.
fn owed(customer: u32, sequence: u64) -> Filing {
    let since = UnixMs(START + (1_000 - sequence) / 2 * 1_000);
    Filing { sending: Some((Group::owed(customer), since)), ..Filing::default() }
}

impl World {
    fn new() -> Self {
        let mut disk = MemDisk::new();
        let known = ColdState::default();
        let (store, _) = ColdStore::open(&mut disk, &config(), known, Duration::ZERO).unwrap();
        World { store, disk }
    }

    fn chores(&mut self) {
        while let Some(chore) = self.store.poll_chore(now().mono, Lsn(1), Lsn(1)) {
            let done = chore.run(&mut self.disk);
            assert!(done.error().is_none());
            self.store.handle_chore(now().mono, done);
        }
    }

    /// What comes of all that was asked for: messages, and how often there was none.
    fn drain(&mut self, customer: u32) -> (Vec<u64>, usize) {
        let (mut came, mut none) = (Vec::new(), 0);
        while let Some(turn) = self.store.poll(now(), &|_| 1) {
            match turn {
                ColdTurn::Look(search) => {
                    let rows = search.rows();
                    let found = run(search, &mut self.disk).unwrap();
                    self.store.handle_rows(rows, Some(found));
                }
                ColdTurn::Owed(of, found) => {
                    assert_eq!(of, customer);
                    came.extend(found.map(|cold| cold.sequence));
                    none += usize::from(found.is_none());
                }
                ColdTurn::Wake(cold) => panic!("{cold:?} was not asked for"),
            }
        }
        (came, none)
    }

    fn take(&mut self, customer: u32, sequence: u64) {
        let filing = owed(customer, sequence);
        self.store.arrived(now().mono, &filing, sequence);
        self.store.settle(&filing, sequence);
        self.store.leave(sequence);
    }
}

#[test]
fn what_is_owed_comes_when_it_is_asked_for_in_the_order_in_which_it_was_owed() {
    let mut world = World::new();
    for sequence in 1..=500 {
        let customer = 1 + u32::from(sequence % 5 == 0);
        world.store.park(&owed(customer, sequence), cold(sequence));
        world.chores();
    }
    assert_eq!(world.store.backlog().count(), 0, "no carrier has a backlog");
    assert_eq!(world.drain(1), (vec![], 0), "nobody asked");
    let mut all = Vec::new();
    loop {
        for _ in 0..7 {
            assert!(world.store.ask_owed(2));
        }
        let (came, none) = world.drain(2);
        assert_eq!(came.len() + none, 7);
        for sequence in &came {
            world.take(2, *sequence);
        }
        all.extend(came);
        if none > 0 {
            break;
        }
    }
    let mut expected: Vec<u64> = (1..=500).filter(|sequence| sequence % 5 == 0).collect();
    expected.sort_by_key(|sequence| ((1_000 - sequence) / 2, *sequence));
    assert_eq!(all, expected);
    assert_eq!(world.store.hot(), 0);
    assert!(world.store.ask_owed(1));
    assert_eq!(world.drain(1).0, [499], "the other customer's are all there");
}

#[test]
fn asking_takes_no_more_seats_than_there_are() {
    let mut world = World::new();
    for sequence in 1..=30 {
        world.store.park(&owed(1, sequence), cold(sequence));
    }
    let granted = (0..30).filter(|_| world.store.ask_owed(1)).count();
    assert_eq!(granted, SEATS.wanted);
    let (came, none) = world.drain(1);
    assert_eq!((came.len(), none, world.store.hot()), (SEATS.wanted, 0, SEATS.wanted));
    assert!(!world.store.ask_owed(1), "each of them keeps its seat");
    world.store.idle(came[0], now().mono);
    assert!(world.store.ask_owed(1));
    // Nobody is left for it: the seat is free again.
    for sequence in 1..=30 {
        world.store.settle(&owed(1, sequence), sequence);
    }
    assert_eq!(world.drain(1), (vec![], 1));
    assert_eq!(world.store.hot(), SEATS.wanted);
}

#[test]
fn a_message_in_memory_is_passed_over_and_comes_once_it_has_left() {
    let mut world = World::new();
    for sequence in 1..=2 {
        world.store.park(&owed(1, sequence), cold(sequence));
    }
    assert!(world.store.want(1), "a customer asked for it");
    assert!(world.store.ask_owed(1) && world.store.ask_owed(1));
    assert_eq!(world.drain(1), (vec![2], 1));
    world.store.park(&owed(1, 1), cold(1));
    assert!(world.store.ask_owed(1));
    assert_eq!(world.drain(1), (vec![1], 0));
}

#[test]
fn a_message_is_found_by_recipient_and_carrier_until_it_is_settled() {
    let mut world = World::new();
    let to = |number| Msisdn::from_u64(number).unwrap();
    let name =
        |world: &World, carrier, number| world.store.receipts().recipient(carrier, to(number));
    let filing = |world: &World, number| Filing {
        recipients: vec![name(world, 1, number), name(world, 2, number)],
        ..Filing::default()
    };
    for sequence in 1..=400 {
        let filing = filing(&world, 447_700_900_000 + sequence % 200);
        world.store.park(&filing, cold(sequence));
        world.chores();
    }
    let found = |world: &mut World, carrier, number| {
        let lookup = world.store.lookup(name(world, carrier, number));
        let found = run(lookup, &mut world.disk).unwrap();
        found.into_iter().map(|(_, cold)| cold).collect::<Vec<_>>()
    };
    assert_eq!(found(&mut world, 1, 447_700_900_007), [cold(7), cold(207)]);
    assert_eq!(found(&mut world, 2, 447_700_900_007), [cold(7), cold(207)]);
    assert_eq!(found(&mut world, 3, 447_700_900_007), []);
    assert_eq!(found(&mut world, 1, 447_700_900_207), []);
    let settled = filing(&world, 447_700_900_007);
    world.store.settle(&settled, 7);
    assert_eq!(found(&mut world, 1, 447_700_900_007), [cold(207)]);
}
