//! A shard in small around the store: carriers with a pace, one of them down for long, receipts that
//! come late or never, crashes. Every message ends once, and memory holds a bounded number of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use postrider_core::limits;
use postrider_storage::search::run;
use postrider_storage::{MemDisk, Position, SegmentId};

use super::super::{FairQueue, Waiting};
use super::*;
use postrider_core::lane::Lane;

const START: u64 = 1_790_000_000_000;
const SEATS: Seats = Seats { all: 800, wanted: 100, routes: 4, idle: limits::PARK_AFTER };
/// Seconds that a message may take.
const VALIDITY: u64 = 4_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Queued,
    Submitted,
    /// By a receipt, or by the end of its time.
    Delivered,
    Expired,
}

#[derive(Clone, Debug)]
struct Message {
    group: Group,
    accepted: u64,
    state: State,
    /// Filed as it is, and not in memory.
    parked: bool,
}

/// A shard in small. `log` is what is on disk of its messages.
struct World {
    store: ColdStore,
    disk: MemDisk,
    seconds: u64,
    log: BTreeMap<u64, Message>,
    /// Messages in memory.
    memory: BTreeSet<u64>,
    queues: BTreeMap<u32, FairQueue>,
    most_hot: usize,
    most_waiting: u64,
    ends: usize,
    woken: usize,
}

fn config() -> ColdConfig {
    ColdConfig {
        seats: SEATS,
        receipts: 4_000,
        hour: Duration::from_secs(3_600),
        key: [1, 2],
        runs: RunConfig {
            memory_rows: 1_000,
            merge_after: Duration::from_secs(3_600),
            runs: 4,
            slice_rows: 10_000,
        },
    }
}

fn wall(seconds: u64) -> UnixMs {
    UnixMs(START + seconds * 1_000)
}

fn cold(sequence: u64) -> Cold {
    let offset = u32::try_from(sequence % 1_000_000).unwrap() * 64;
    Cold { sequence, at: Position { segment: SegmentId(1), offset } }
}

fn id(sequence: u64) -> String {
    format!("{sequence:x}")
}

impl World {
    fn new() -> Self {
        let mut disk = MemDisk::new();
        let (store, damaged) =
            ColdStore::open(&mut disk, &config(), ColdState::default(), Duration::ZERO).unwrap();
        assert_eq!(damaged, []);
        World {
            store,
            disk,
            seconds: 0,
            log: BTreeMap::new(),
            memory: BTreeSet::new(),
            queues: BTreeMap::new(),
            most_hot: 0,
            most_waiting: 0,
            ends: 0,
            woken: 0,
        }
    }

    fn now(&self) -> Now {
        Now { mono: Duration::from_secs(self.seconds), wall: wall(self.seconds) }
    }

    fn filing(&self, sequence: u64) -> Filing {
        let message = &self.log[&sequence];
        let end = wall(message.accepted + VALIDITY);
        let name = || self.store.receipts().name(message.group.carrier, id(sequence).as_bytes());
        match message.state {
            State::Queued => {
                Filing { sending: Some((message.group, end)), due: Some(end), ..Filing::default() }
            }
            State::Submitted => Filing {
                sending: None,
                due: Some(end),
                names: name().map(|name| (name, 0)).into_iter().collect(),
                recipients: Vec::new(),
            },
            State::Delivered | State::Expired => Filing::default(),
        }
    }

    fn accept(&mut self, group: Group) {
        let sequence = self.log.len() as u64 + 1;
        let accepted = self.seconds;
        self.log.insert(sequence, Message { group, accepted, state: State::Queued, parked: false });
        self.memory.insert(sequence);
        self.begin(sequence);
    }

    /// A message in memory wants to be sent.
    fn begin(&mut self, sequence: u64) {
        let group = self.log[&sequence].group;
        if self.store.admit(sequence, group) {
            self.enqueue(group, sequence);
        } else {
            self.park(sequence);
        }
    }

    fn park(&mut self, sequence: u64) {
        let filing = self.filing(sequence);
        self.store.park(&filing, cold(sequence));
        self.log.get_mut(&sequence).unwrap().parked = true;
        assert!(self.memory.remove(&sequence));
    }

    /// Something becomes of a message in memory.
    fn change(&mut self, sequence: u64, state: State) {
        let before = self.filing(sequence);
        self.store.settle(&before, sequence);
        self.log.get_mut(&sequence).unwrap().state = state;
        if matches!(state, State::Delivered | State::Expired) {
            self.ends += 1;
            self.store.leave(sequence);
            self.memory.remove(&sequence);
        }
    }

    /// A cold message comes to memory.
    fn wake(&mut self, sequence: u64) {
        let filing = self.filing(sequence);
        let message = self.log.get_mut(&sequence).unwrap();
        assert!(std::mem::replace(&mut message.parked, false), "{sequence} was not on disk");
        assert!(self.memory.insert(sequence));
        self.woken += 1;
        let now = self.now().mono;
        self.store.arrived(now, &filing, sequence);
    }

    /// Does all that the store asks for.
    fn settle(&mut self) {
        while let Some(turn) = self.store.poll(self.now(), &|_| 1) {
            match turn {
                ColdTurn::Look(search) => {
                    let rows = search.rows();
                    let found = run(search, &mut self.disk).unwrap();
                    self.store.handle_rows(rows, Some(found));
                }
                ColdTurn::Owed(customer, _) => panic!("nobody asked for {customer}"),
                ColdTurn::Wake(message) => {
                    let sequence = message.sequence;
                    self.wake(sequence);
                    let Message { group, accepted, state, .. } = self.log[&sequence];
                    if self.seconds >= accepted + VALIDITY {
                        self.change(sequence, State::Expired);
                    } else {
                        assert_eq!(state, State::Queued, "it was its turn");
                        self.enqueue(group, sequence);
                    }
                }
            }
        }
        while let Some(sequence) = self.store.poll_leaving(self.now().mono) {
            self.park(sequence);
        }
        self.most_hot = self.most_hot.max(self.memory.len());
        let waiting = self.store.backlog().map(|(_, count)| count).sum();
        self.most_waiting = self.most_waiting.max(waiting);
        assert_eq!(self.memory.len(), self.store.hot());
    }

    fn chores(&mut self) {
        let now = self.now().mono;
        while let Some(chore) = self.store.poll_chore(now, Lsn(1), Lsn(1)) {
            let done = chore.run(&mut self.disk);
            assert!(done.error().is_none());
            self.store.handle_chore(now, done);
        }
    }

    /// A carrier takes what is next.
    fn submit(&mut self, carrier: u32) {
        let Some(sequence) = self.next_of(carrier) else { return };
        let own = self.queues.entry(carrier).or_default();
        let front = own.front(self.log[&sequence].group.lane).unwrap();
        own.sent(front, 1, 1);
        assert!(own.remove(front));
        if !self.memory.contains(&sequence) || self.log[&sequence].state != State::Queued {
            return;
        }
        self.change(sequence, State::Submitted);
        let now = self.now().mono;
        let name = self.store.receipts().name(carrier, id(sequence).as_bytes()).unwrap();
        assert!(self.store.named(now, name, sequence, 0));
        self.store.idle(sequence, now);
    }

    fn enqueue(&mut self, group: Group, sequence: u64) {
        let deadline = wall(self.log[&sequence].accepted + VALIDITY);
        let waiting = Waiting { fresh: true, deadline, sequence, group };
        self.queues.entry(group.carrier).or_default().put(waiting);
    }

    /// The message that the carrier gets next.
    fn next_of(&self, carrier: u32) -> Option<u64> {
        let own = self.queues.get(&carrier)?;
        own.order().into_iter().find_map(|lane| own.front(lane)).map(|front| front.sequence)
    }

    /// A receipt finds its part by the carrier's id alone.
    fn receipt(&mut self, sequence: u64) {
        let group = self.log[&sequence].group;
        let name = self.store.receipts().name(group.carrier, id(sequence).as_bytes()).unwrap();
        let fresh = self.store.receipts().parts(name).any(|part| part.0 == sequence);
        let found = fresh || {
            let found = run(self.store.lookup(name), &mut self.disk).unwrap();
            found.iter().any(|(_, message)| message.sequence == sequence)
        };
        if !self.memory.contains(&sequence) {
            if self.log[&sequence].state == State::Expired {
                return;
            }
            assert!(found, "{sequence} is open, and its receipt does not find it");
            assert!(self.store.want(sequence));
            self.wake(sequence);
        }
        if self.log[&sequence].state == State::Submitted {
            self.change(sequence, State::Delivered);
        } else {
            self.store.leave(sequence);
            self.memory.remove(&sequence);
        }
    }

    /// Time goes on: messages are not looked at by timers of their own while they are hot.
    fn pass(&mut self) {
        self.seconds += 1;
        let late = |sequence: &u64| {
            let message = &self.log[sequence];
            message.accepted + VALIDITY <= self.seconds
        };
        let late: Vec<u64> = self.memory.iter().copied().filter(late).collect();
        for sequence in late {
            self.change(sequence, State::Expired);
        }
    }

    /// The process dies and starts again: what was filed is on disk, the rest is in the log.
    fn crash(&mut self) {
        self.store.flush();
        self.chores();
        let counts: Vec<(Group, u64)> = self.store.backlog().collect();
        let now = self.now().mono;
        let known = self.store.state();
        let (mut store, damaged) = ColdStore::open(&mut self.disk, &config(), known, now).unwrap();
        assert_eq!(damaged, []);
        counts.into_iter().for_each(|(group, count)| store.count(group, count));
        self.store = store;
        self.queues.clear();
        for sequence in self.memory.clone() {
            if self.log[&sequence].state == State::Queued {
                self.begin(sequence);
            } else {
                self.park(sequence);
            }
        }
    }

    fn finish(&mut self) {
        for _ in 0..2 * VALIDITY {
            self.pass();
            (1..=4).for_each(|carrier| (0..20).for_each(|_| self.submit(carrier)));
            self.settle();
            if self.seconds.is_multiple_of(50) {
                self.chores();
            }
        }
    }
}

#[test]
fn every_message_ends_once_and_memory_holds_few() {
    let mut world = World::new();
    let mut due: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for second in 0..3_000_u64 {
        world.pass();
        // Twelve a second for four carriers, the last of which is down for most of the time.
        for n in 0..12_u64 {
            let carrier = u32::try_from(1 + n % 4).unwrap();
            let lane = Lane::ALL[usize::try_from((second + n) % 3).unwrap()];
            let customer = u32::try_from(1 + (second * 7 + n) % 5).unwrap();
            world.accept(Group { carrier, lane, customer });
        }
        for carrier in 1..=4 {
            let pace = match (carrier, second) {
                (4, 0..2_500) => 0,
                (4, _) => 20,
                // One is slower than what comes for it, until the others' time.
                (3, 0..1_000) => 2,
                _ => 4,
            };
            for _ in 0..pace {
                let before = world.next_of(carrier);
                world.submit(carrier);
                // A tenth is receipted after minutes, one in thirty never.
                if let Some(sequence) = before.filter(|sequence| !sequence.is_multiple_of(30)) {
                    let after = if sequence.is_multiple_of(10) { 700 } else { 3 };
                    due.entry(second + after).or_default().push(sequence);
                }
            }
        }
        for sequence in due.remove(&second).unwrap_or_default() {
            if world.log[&sequence].state == State::Submitted {
                world.receipt(sequence);
            }
        }
        world.settle();
        if second % 40 == 0 {
            world.chores();
        }
        if [700, 1_900].contains(&second) {
            world.crash();
            world.settle();
        }
        assert!(world.store.hot() <= SEATS.all);
    }
    let (messages, most, waiting) = (world.log.len(), world.most_hot, world.most_waiting);
    let woken = world.woken;
    println!("{messages} messages: {most} in memory, {waiting} to be sent on disk; {woken} woken");
    assert!(most <= SEATS.all);
    assert!(waiting > 6_000 && woken > 6_000, "what was for the carrier that was down came back");
    for sequence in due.into_values().flatten() {
        if world.log[&sequence].state == State::Submitted {
            world.receipt(sequence);
        }
    }
    world.finish();
    assert_eq!(world.ends, world.log.len(), "each ended, and once");
    assert_eq!(world.store.backlog().count(), 0);
    assert!(world.memory.is_empty() && world.store.hot() == 0);
    let delivered = world.log.values().filter(|own| own.state == State::Delivered).count();
    assert!(delivered * 10 > world.log.len() * 6, "{delivered}");
}

#[test]
fn a_message_that_is_hot_already_is_not_woken_by_its_turn_and_not_miscounted() {
    let mut world = World::new();
    let group = Group { carrier: 1, lane: Lane::Bulk, customer: 1 };
    while world.log.values().filter(|message| message.parked).count() < 20 {
        world.accept(group);
    }
    let parked: Vec<u64> =
        world.log.iter().filter(|(_, own)| own.parked).map(|(sequence, _)| *sequence).collect();
    // Three are asked for by their customer while they wait, and go on waiting afterwards.
    for sequence in &parked[..3] {
        assert!(world.store.want(*sequence));
        world.wake(*sequence);
    }
    assert_eq!(world.store.backlog().map(|own| own.1).sum::<u64>(), 17);
    let hot: Vec<u64> = world.memory.iter().copied().filter(|own| !parked.contains(own)).collect();
    hot.iter().take(30).for_each(|sequence| world.change(*sequence, State::Delivered));
    world.settle();
    for sequence in &parked[..3] {
        world.begin(*sequence);
    }
    world.settle();
    let left: u64 = world.store.backlog().map(|(_, count)| count).sum();
    let really = world.log.values().filter(|message| message.parked).count() as u64;
    assert_eq!(left, really);
    let memory: Vec<u64> = world.memory.iter().copied().collect();
    memory.iter().for_each(|sequence| world.change(*sequence, State::Delivered));
    world.settle();
    let memory: Vec<u64> = world.memory.iter().copied().collect();
    memory.iter().for_each(|sequence| world.change(*sequence, State::Delivered));
    world.settle();
    assert_eq!(world.ends, world.log.len());
}
