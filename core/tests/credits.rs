//! Credits between shards: what owners hold and what windows have, over rings that delay everything.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use postrider_core::clock::UnixMs;
use postrider_core::credit::{Ask, BindEpoch, Credit, Granter, Holder, Want};
use postrider_core::lane::Lane;
use postrider_core::limits;
use proptest::prelude::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn want(count: u32, deadline: u64) -> Want {
    Want { count, deadline: UnixMs(deadline), after: None }
}

fn ask(lane: Lane, want: Want) -> Ask {
    let mut ask = Ask::default();
    ask.wants[lane.index()] = want;
    ask
}

/// Grants `room` places of one bind and gives the owners in the order of their credits.
fn granted(granter: &mut Granter, room: usize) -> Vec<u16> {
    let mut order = Vec::new();
    for _ in 0..room {
        let before = granter.granted(0);
        if !granter.grant(|_, _| usize::from(before < room)) {
            break;
        }
        while let Some(reply) = granter.poll_reply() {
            order.extend(reply.credits.iter().map(|_| reply.owner));
        }
    }
    order
}

#[test]
fn lanes_go_before_deadlines_and_deadlines_before_shards() {
    let mut granter = Granter::default();
    granter.handle_bind(0, Some(1));
    granter.handle_ask(1, 1, ask(Lane::Bulk, want(1, 10)));
    granter.handle_ask(2, 1, ask(Lane::Transactional, want(1, 500)));
    granter.handle_ask(3, 1, ask(Lane::Transactional, want(1, 400)));
    granter.handle_ask(4, 1, ask(Lane::Otp, want(1, 900)));
    assert!(granter.leads(Some((Lane::Otp, UnixMs(901)))));
    assert!(!granter.leads(Some((Lane::Otp, UnixMs(899)))), "the shard's own is due before");
    assert_eq!(granted(&mut granter, 4), [4, 3, 2, 1]);
}

#[test]
fn no_lane_is_left_without_a_turn() {
    let mut granter = Granter::default();
    granter.handle_bind(0, Some(1));
    for (owner, lane) in (1u16..).zip(Lane::ALL) {
        granter.handle_ask(owner, 1, ask(lane, want(1_000, 10)));
    }
    let mut got = BTreeMap::<u16, usize>::new();
    for turn in 0..160 {
        assert!(granter.grant(|_, _| 1));
        while let Some(reply) = granter.poll_reply() {
            assert_eq!(reply.credits.len(), 1, "turn {turn}");
            *got.entry(reply.owner).or_default() += 1;
            let lane = Lane::ALL[usize::from(reply.owner) - 1];
            granter.handle_ask(reply.owner, 2, ask(lane, want(1_000, 10)));
        }
    }
    assert_eq!(got, BTreeMap::from([(1, 140), (2, 10), (3, 10)]));
}

#[test]
fn owners_that_want_much_get_it_in_rounds() {
    let mut granter = Granter::default();
    granter.handle_bind(0, Some(1));
    granter.handle_ask(1, 1, ask(Lane::Bulk, want(100, 1)));
    granter.handle_ask(2, 1, ask(Lane::Bulk, want(100, 2)));
    while granter.granted(0) < 20 && granter.grant(|_, _| 1) {}
    let replies: Vec<_> = core::iter::from_fn(|| granter.poll_reply()).collect();
    let counts: Vec<_> = replies.iter().map(|own| (own.owner, own.credits.len())).collect();
    assert_eq!(counts, [(1, 10), (2, 10)]);
}

#[test]
fn the_parts_of_a_message_go_one_way_while_it_is_there() {
    let mut granter = Granter::default();
    granter.handle_bind(0, Some(1));
    granter.handle_bind(1, Some(1));
    let mut holder = Holder::default();
    let first = {
        let wants = [want(0, 0), want(1, 5), want(0, 0)];
        granter.handle_ask(1, 1, holder.poll_ask(ms(0), wants, 10).unwrap());
        assert!(granter.grant(|bind, _| 1 + bind));
        let reply = granter.poll_reply().unwrap();
        assert_eq!(holder.handle_grant(ms(0), &reply.credits), 1);
        holder.take(ms(0), Lane::Transactional, None).unwrap()
    };
    assert_eq!(first.at.bind, 1, "the emptiest");
    let next = Want { after: Some(first.at), ..want(1, 5) };
    let wants = [want(0, 0), next, want(0, 0)];
    granter.handle_ask(1, 2, holder.poll_ask(ms(1), wants, 10).unwrap());
    assert!(!granter.grant(|bind, _| 1 - bind), "its own bind is full");
    granter.handle_bind(1, Some(2));
    assert!(granter.grant(|bind, _| 1 - bind), "its connection is gone");
    let reply = granter.poll_reply().unwrap();
    holder.handle_grant(ms(1), &reply.credits);
    let credit = holder.take(ms(1), Lane::Transactional, next.after).unwrap();
    assert_eq!(credit.at.bind, 0);
}

#[test]
fn a_credit_is_for_its_lane_or_a_more_urgent_part() {
    let mut holder = Holder::default();
    let bulk = [want(0, 0), want(0, 0), want(1, 1)];
    holder.poll_ask(ms(0), bulk, 9).unwrap();
    let at = BindEpoch { bind: 0, epoch: 1 };
    holder.handle_grant(ms(0), &[Credit { at, lane: Lane::Transactional }]);
    assert_eq!(holder.take(ms(1), Lane::Bulk, None), None);
    assert!(holder.take(ms(1), Lane::Otp, None).is_some());
}

#[test]
fn unused_credits_go_back_after_their_time() {
    let mut holder = Holder::default();
    let none = [Want::default(); 3];
    holder.poll_ask(ms(0), [want(2, 1), want(0, 0), want(0, 0)], 9).unwrap();
    let at = BindEpoch { bind: 0, epoch: 1 };
    holder.handle_grant(ms(0), &[Credit { at, lane: Lane::Otp }; 2]);
    assert!(holder.take(ms(9), Lane::Otp, None).is_some());
    assert_eq!(holder.poll_timeout(), Some(limits::CREDIT_LIFE));
    assert_eq!(holder.poll_ask(ms(9), none, 9), None);
    assert_eq!(holder.take(ms(10), Lane::Otp, None), None, "its time is over");
    let back = holder.poll_ask(ms(10), none, 9).unwrap();
    assert_eq!((back.back.len(), back.count()), (1, 0));
    assert_eq!(holder.poll_timeout(), None);
}

/// A more urgent part asks again while an ask waits; of the two the first is answered with nothing.
#[test]
fn an_ask_takes_the_place_of_the_one_before() {
    let (mut granter, mut holder) = (Granter::default(), Holder::default());
    let bulk = [want(0, 0), want(0, 0), want(3, 9)];
    granter.handle_ask(1, 1, holder.poll_ask(ms(0), bulk, 9).unwrap());
    assert_eq!(holder.poll_ask(ms(0), bulk, 9), None);
    let otp = [want(1, 5), want(0, 0), want(3, 9)];
    granter.handle_ask(1, 2, holder.poll_ask(ms(0), otp, 9).unwrap());
    let reply = granter.poll_reply().unwrap();
    assert_eq!((reply.ask, reply.credits.len()), (1, 0));
    assert_eq!(granter.wanted(), 4);
    granter.release();
    assert_eq!(granter.poll_reply().unwrap().ask, 2);
    assert_eq!(granter.poll_reply(), None);
}

// ---- Both sides over rings that delay ----

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PartNo {
    owner: u16,
    number: u32,
}

enum ToGranter {
    Ask(u64, Ask),
    Part(PartNo, Credit),
}

enum ToOwner {
    Grant(Vec<Credit>),
    Taken(PartNo, usize),
    NotSent(PartNo, Credit),
    Unknown(PartNo),
}

#[derive(Clone, Debug)]
enum Step {
    Submit {
        owner: u16,
        lane: usize,
        deadline: u64,
    },
    /// So much time passes, and rings move that many messages.
    Wait {
        ms: u64,
        moves: usize,
    },
    Answer {
        bind: usize,
    },
    Drop {
        bind: usize,
    },
    Connect {
        bind: usize,
    },
    Durable {
        owner: u16,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u16..4, 0usize..3, 0u64..100)
            .prop_map(|(owner, lane, deadline)| Step::Submit { owner, lane, deadline }),
        6 => (0u64..6, 0usize..4).prop_map(|(ms, moves)| Step::Wait { ms, moves }),
        4 => (0usize..2).prop_map(|bind| Step::Answer { bind }),
        1 => (0usize..2).prop_map(|bind| Step::Drop { bind }),
        2 => (0usize..2).prop_map(|bind| Step::Connect { bind }),
        3 => (1u16..4).prop_map(|owner| Step::Durable { owner }),
    ]
}

const WINDOW: usize = 3;

#[derive(Default)]
struct Owner {
    holder: Holder,
    queue: Vec<(Lane, UnixMs, PartNo)>,
    to_granter: VecDeque<ToGranter>,
    to_owner: VecDeque<ToOwner>,
    record: u64,
}

#[derive(Default)]
struct World {
    now: Duration,
    granter: Granter,
    owners: BTreeMap<u16, Owner>,
    connections: [u64; 2],
    up: [bool; 2],
    windows: [Vec<PartNo>; 2],
    asks: u64,
    numbers: u32,
    /// What crossed to which connection.
    crossed: BTreeSet<(PartNo, BindEpoch)>,
    taken: BTreeSet<PartNo>,
    unknown: BTreeSet<PartNo>,
    submitted: BTreeSet<PartNo>,
}

impl World {
    fn new() -> Self {
        let owners = (1..4).map(|owner| (owner, Owner::default())).collect();
        World { owners, ..World::default() }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Submit { owner, lane, deadline } => {
                self.numbers += 1;
                let part = PartNo { owner, number: self.numbers };
                self.submitted.insert(part);
                let own = self.owners.get_mut(&owner).unwrap();
                own.queue.push((Lane::ALL[lane], UnixMs(deadline), part));
            }
            Step::Wait { ms: time, moves } => {
                self.now += ms(time);
                (0..moves).for_each(|_| self.carry());
            }
            Step::Answer { bind } => self.answer(bind),
            Step::Drop { bind } => {
                self.up[bind] = false;
                self.granter.handle_bind(bind, None);
                for part in std::mem::take(&mut self.windows[bind]) {
                    self.tell(part.owner, ToOwner::Unknown(part));
                }
            }
            Step::Connect { bind } if !self.up[bind] => {
                self.up[bind] = true;
                self.connections[bind] += 1;
                self.granter.handle_bind(bind, Some(self.connections[bind]));
            }
            Step::Connect { .. } => {}
            Step::Durable { owner } => {
                let own = self.owners.get_mut(&owner).unwrap();
                own.holder.handle_durable(self.now, own.record);
            }
        }
        self.pump();
    }

    fn tell(&mut self, owner: u16, what: ToOwner) {
        self.owners.get_mut(&owner).unwrap().to_owner.push_back(what);
    }

    /// One message of each ring arrives.
    fn carry(&mut self) {
        for owner in 1..4 {
            let own = self.owners.get_mut(&owner).unwrap();
            match own.to_owner.pop_front() {
                Some(ToOwner::Grant(credits)) => {
                    own.holder.handle_grant(self.now, &credits);
                }
                Some(ToOwner::Taken(part, bind)) => {
                    own.record += 1;
                    own.holder.handle_taken(bind, own.record);
                    assert!(self.taken.insert(part), "taken twice");
                }
                Some(ToOwner::NotSent(part, credit)) => {
                    own.holder.handle_gone(credit.at);
                    own.queue.push((Lane::Otp, UnixMs(0), part));
                }
                Some(ToOwner::Unknown(part)) => assert!(self.unknown.insert(part)),
                None => {}
            }
            let own = self.owners.get_mut(&owner).unwrap();
            match own.to_granter.pop_front() {
                Some(ToGranter::Ask(id, ask)) => self.granter.handle_ask(owner, id, ask),
                Some(ToGranter::Part(part, credit)) => {
                    let good = self.granter.is_good(credit);
                    self.granter.handle_used(credit);
                    if good {
                        self.windows[credit.at.bind].push(part);
                    } else {
                        self.tell(owner, ToOwner::NotSent(part, credit));
                    }
                }
                None => {}
            }
        }
    }

    fn answer(&mut self, bind: usize) {
        if let Some(part) = self.windows[bind].pop() {
            self.granter.handle_taken(bind);
            self.tell(part.owner, ToOwner::Taken(part, bind));
        }
    }

    fn room(&self, bind: usize) -> usize {
        if !self.up[bind] || self.granter.unsettled(bind) >= WINDOW {
            return 0;
        }
        WINDOW.saturating_sub(self.windows[bind].len() + self.granter.granted(bind))
    }

    fn pump(&mut self) {
        while let Some(room) = Some([self.room(0), self.room(1)])
            && self.granter.grant(|bind, _| room[bind])
        {}
        while let Some(reply) = self.granter.poll_reply() {
            self.tell(reply.owner, ToOwner::Grant(reply.credits));
        }
        for own in self.owners.values_mut() {
            own.queue.sort();
            while let Some((lane, _, part)) = own.queue.first().copied() {
                let Some(credit) = own.holder.take(self.now, lane, None) else { break };
                own.queue.remove(0);
                assert!(self.crossed.insert((part, credit.at)), "crossed twice by one connection");
                own.to_granter.push_back(ToGranter::Part(part, credit));
            }
            let mut wants = [Want::default(); 3];
            for (lane, deadline, _) in own.queue.iter().rev() {
                let want = &mut wants[lane.index()];
                *want = Want { count: want.count + 1, deadline: *deadline, after: None };
            }
            if let Some(ask) = own.holder.poll_ask(self.now, wants, 5) {
                self.asks += 1;
                own.to_granter.push_back(ToGranter::Ask(self.asks, ask));
            }
        }
        for (bind, window) in self.windows.iter().enumerate() {
            let out = window.len() + self.granter.granted(bind);
            assert!(out <= WINDOW, "{out} places of {WINDOW} are promised or taken");
        }
    }

    /// Everything arrives, and is answered.
    fn settle(&mut self) {
        for bind in 0..2 {
            self.step(&Step::Connect { bind });
        }
        for _ in 0..2_000 {
            self.step(&Step::Wait { ms: 1, moves: 2 });
            self.step(&Step::Answer { bind: 0 });
            self.step(&Step::Answer { bind: 1 });
            (1..4).for_each(|owner| self.step(&Step::Durable { owner }));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn windows_hold_and_nothing_leaks(steps in prop::collection::vec(step(), 1..200)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.settle();
        prop_assert!(world.owners.values().all(|own| own.queue.is_empty()), "parts wait for ever");
        let ended: BTreeSet<_> = world.taken.union(&world.unknown).copied().collect();
        prop_assert_eq!(ended, world.submitted.clone(), "each part has one end");
        prop_assert!(world.taken.is_disjoint(&world.unknown));
        for bind in 0..2 {
            prop_assert_eq!((world.granter.granted(bind), world.granter.unsettled(bind)), (0, 0));
        }
        prop_assert!(world.owners.values().all(|own| own.holder.held() == 0));
        prop_assert_eq!(world.granter.wanted(), 0);
    }
}
