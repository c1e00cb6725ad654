//! What the active set promises, each by name, and under random use.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

const SEATS: Seats = Seats { all: 400, wanted: 40, routes: 20, idle: limits::PARK_AFTER };

fn group(carrier: u32, lane: Lane, customer: u32) -> Group {
    Group { carrier, lane, customer }
}

fn plain(carrier: u32) -> Group {
    group(carrier, Lane::Transactional, 1)
}

/// Admits messages until one is refused; gives how many were admitted.
fn fill(set: &mut ActiveSet, group: Group, first: u64) -> u64 {
    (0..).take_while(|n| set.admit(first + n, group)).count().try_into().unwrap()
}

#[test]
fn a_route_takes_a_quarter_and_leaves_what_other_lanes_count_on() {
    let mut set = ActiveSet::new(SEATS);
    assert_eq!(fill(&mut set, plain(1), 0), 100 - 2 * 12);
    assert_eq!(fill(&mut set, group(1, Lane::Otp, 1), 1_000), 12);
    assert_eq!(fill(&mut set, group(1, Lane::Bulk, 1), 2_000), 12);
    assert!(!set.admit(3_000, group(1, Lane::Otp, 2)));
    assert_eq!(set.len(), 100);
}

#[test]
fn routes_that_stand_still_leave_seats_for_every_other_one() {
    let mut set = ActiveSet::new(SEATS);
    for route in 1..=20 {
        let own = fill(&mut set, plain(route), u64::from(route) * 1_000);
        assert!(own > 0, "route {route} got none of {}", set.len());
    }
    assert!(set.len() <= 360);
}

#[test]
fn new_messages_and_the_backlog_share_what_becomes_free() {
    let mut set =
        ActiveSet::new(Seats { all: 4_000, wanted: 400, routes: 20, idle: limits::PARK_AFTER });
    let full = fill(&mut set, plain(1), 0);
    set.file(plain(1), 1_000_000);
    let mut hot: VecDeque<u64> = (0..full).collect();
    let (mut fresh, mut old, mut next) = (0, 0, 10_000);
    // A carrier takes 30, then 30 new ones come at once.
    for _ in 0..1_000 {
        for _ in 0..30 {
            set.leave(hot.pop_front().unwrap());
            while let Some(group) = set.poll_wake(&|_| 1) {
                set.woken(next, group);
                (old, next) = (old + 1, hot_one(&mut hot, next));
            }
        }
        for _ in 0..30 {
            if set.admit(next, plain(1)) {
                (fresh, next) = (fresh + 1, hot_one(&mut hot, next));
            } else {
                set.filed(plain(1));
            }
        }
    }
    assert!((14_000..=16_000).contains(&fresh), "{fresh} new, {old} old");
    assert!((14_000..=16_000).contains(&old), "{fresh} new, {old} old");
}

fn hot_one(hot: &mut VecDeque<u64>, sequence: u64) -> u64 {
    hot.push_back(sequence);
    sequence + 1
}

#[test]
fn a_backlog_gets_everything_while_nothing_new_comes() {
    let mut set = ActiveSet::new(SEATS);
    set.file(plain(1), 500);
    let (mut woken, mut next) = (0, 0);
    for _ in 0..500 {
        while let Some(group) = set.poll_wake(&|_| 1) {
            set.woken(next, group);
            (woken, next) = (woken + 1, next + 1);
        }
        set.leave(next.saturating_sub(1));
        if set.is_empty() {
            break;
        }
        (0..next).for_each(|sequence| set.leave(sequence));
    }
    assert_eq!((woken, set.backlog().count()), (500, 0));
}

#[test]
fn one_customers_million_does_not_keep_anothers_hundred_waiting() {
    let mut set = ActiveSet::new(SEATS);
    let few = group(1, Lane::Transactional, 2);
    set.file(plain(1), 1_000_000);
    set.file(few, 100);
    let mut turns = Vec::new();
    while turns.iter().filter(|own| **own == few).count() < 100 {
        let group = set.poll_wake(&|_| 1).expect("a seat is free");
        set.missed(group);
        turns.push(group);
    }
    assert!(turns.len() <= 200, "{}", turns.len());
}

#[test]
fn a_backlogs_turns_go_by_weight_and_parts() {
    let mut set = ActiveSet::new(SEATS);
    let weight = |customer: u32| if customer == 2 { 3 } else { 1 };
    (1..=3).for_each(|customer| set.file(group(1, Lane::Bulk, customer), 1_000_000));
    let mut had = [0, 0, 0];
    for sequence in 0..7_000 {
        let group = set.poll_wake(&weight).expect("a seat is free");
        // Each of the third one's has five parts.
        let parts = if group.customer == 3 { 5 } else { 1 };
        set.weighs(group, parts, &weight);
        set.woken(sequence, group);
        set.leave(sequence);
        had[group.customer as usize - 1] += 1;
    }
    let [one, three, fifth] = had.map(|count| count as f64 / 7_000.0 * 4.2);
    let close = |share: f64, to: f64| (share - to).abs() < 0.01;
    assert!(close(one, 1.0) && close(three, 3.0) && close(fifth, 0.2), "{had:?}");
}

#[test]
fn urgent_backlogs_go_first_and_every_lane_has_turns() {
    let mut set = ActiveSet::new(SEATS);
    Lane::ALL.into_iter().for_each(|lane| set.file(group(1, lane, 1), 10_000));
    let turns: Vec<Lane> = std::iter::from_fn(|| {
        set.poll_wake(&|_| 1).inspect(|group| set.missed(*group)).map(|group| group.lane)
    })
    .take(1_600)
    .collect();
    let of = |lane| turns.iter().filter(|own| **own == lane).count();
    assert_eq!(Lane::ALL.map(of), [1_400, 100, 100]);
}

#[test]
fn what_waits_for_something_else_gives_up_its_seat_in_time_or_when_it_is_needed() {
    let second = Duration::from_secs;
    let mut set = ActiveSet::new(SEATS);
    (0..400).for_each(|sequence| set.idle(sequence, second(sequence)));
    assert_eq!((set.len(), set.poll_leaving(second(29))), (400, None));
    assert_eq!(set.poll_timeout(), Some(second(30)));
    assert_eq!((set.poll_leaving(second(30)), set.poll_leaving(second(30))), (Some(0), None));
    assert!(set.admit(1_000, plain(1)) && set.poll_leaving(second(30)).is_none());
    assert!(set.admit(1_001, plain(1)));
    assert_eq!((set.poll_leaving(second(30)), set.len()), (Some(1), 400));
}

#[test]
fn so_many_messages_are_wanted_at_once_and_no_more() {
    let mut set = ActiveSet::new(SEATS);
    assert!((0..40).all(|sequence| set.want(sequence)));
    assert!(set.want(7) && !set.want(40));
    set.idle(7, Duration::ZERO);
    assert!(set.want(40) && !set.want(7));
    set.leave(40);
    assert!(set.want(7));
}

/// What a carrier, its customers and the disk may do, in any order.
#[derive(Clone, Debug)]
enum Act {
    Accept {
        carrier: u32,
        lane: usize,
        customer: u32,
    },
    /// The hot message at this place of all ends, or falls idle.
    End(usize),
    Idle(usize),
    /// Something happens to a message that is on disk or idle.
    Want(u64),
    /// The next wakings come to something, or to nothing.
    Wake(usize),
    Stale,
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (1..=6_u32, 0..3_usize, 1..=3_u32)
            .prop_map(|(carrier, lane, customer)| Act::Accept { carrier, lane, customer }),
        3 => any::<usize>().prop_map(Act::End),
        2 => any::<usize>().prop_map(Act::Idle),
        1 => (0..200_u64).prop_map(Act::Want),
        3 => (1..5_usize).prop_map(Act::Wake),
        1 => Just(Act::Stale),
        1 => (1..20_u64).prop_map(Act::Wait),
    ]
}

/// What the set is told, kept a second time and plainly.
#[derive(Default)]
struct World {
    now: Duration,
    next: u64,
    /// Sending, by sequence.
    sending: BTreeMap<u64, Group>,
    idle: BTreeSet<u64>,
    wanted: BTreeSet<u64>,
    /// On disk and to be sent, by group.
    disk: BTreeMap<Group, BTreeSet<u64>>,
    ended: usize,
    parked: usize,
}

impl World {
    fn act(&mut self, set: &mut ActiveSet, act: &Act) {
        match act {
            Act::Accept { carrier, lane, customer } => {
                let group = group(*carrier, Lane::ALL[*lane], *customer);
                self.next += 1;
                if set.admit(self.next, group) {
                    self.sending.insert(self.next, group);
                } else {
                    set.filed(group);
                    self.disk.entry(group).or_default().insert(self.next);
                }
            }
            Act::End(at) => {
                if let Some(sequence) = self.pick(*at) {
                    set.leave(sequence);
                    self.forget(sequence);
                    self.ended += 1;
                }
            }
            Act::Idle(at) => {
                if let Some(sequence) = self.pick(*at) {
                    set.idle(sequence, self.now);
                    self.forget(sequence);
                    self.idle.insert(sequence);
                }
            }
            Act::Want(sequence) => {
                if self.idle.contains(sequence) && set.want(*sequence) {
                    self.forget(*sequence);
                    self.wanted.insert(*sequence);
                }
            }
            Act::Wake(times) => (0..*times).for_each(|_| self.wake(set)),
            Act::Stale => {
                if let Some(group) = set.poll_wake(&|_| 1) {
                    let rows = self.disk.get_mut(&group).expect("it has a backlog");
                    rows.pop_last().expect("as many as counted");
                    set.missed(group);
                    self.ended += 1;
                }
            }
            Act::Wait(seconds) => self.now += Duration::from_secs(*seconds),
        }
        while let Some(sequence) = set.poll_leaving(self.now) {
            assert!(self.idle.remove(&sequence), "{sequence} was not idle");
            self.parked += 1;
        }
    }

    fn wake(&mut self, set: &mut ActiveSet) {
        let Some(group) = set.poll_wake(&|_| 1) else { return };
        let sequence = self.disk.get_mut(&group).and_then(BTreeSet::pop_first);
        let sequence = sequence.expect("a group has its turn only while it has a backlog");
        set.woken(sequence, group);
        assert!(self.sending.insert(sequence, group).is_none(), "{sequence} was woken twice");
    }

    fn pick(&self, at: usize) -> Option<u64> {
        let hot = || self.sending.keys().chain(&self.idle).chain(&self.wanted);
        hot().nth(at % hot().count().max(1)).copied()
    }

    fn forget(&mut self, sequence: u64) {
        self.sending.remove(&sequence);
        self.idle.remove(&sequence);
        self.wanted.remove(&sequence);
    }

    fn check(&self, set: &ActiveSet, seats: Seats) {
        assert!(set.len() <= seats.all, "{} of {seats:?}", set.len());
        assert_eq!(set.len(), self.sending.len() + self.idle.len() + self.wanted.len());
        assert!(self.wanted.len() <= seats.wanted);
        for carrier in 1..=6 {
            let own = self.sending.values().filter(|group| group.carrier == carrier).count();
            assert!(own <= seats.all / 4, "carrier {carrier}: {own} of {seats:?}");
        }
        let waiting = self.disk.values().map(BTreeSet::len).sum::<usize>();
        let counted: BTreeMap<Group, u64> = set.backlog().collect();
        assert_eq!(counted.values().sum::<u64>(), waiting as u64);
        let hot = set.len();
        assert_eq!(self.next, (hot + waiting + self.ended + self.parked) as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_bound_is_passed_and_no_message_is_lost_or_woken_twice(
        all in 16..200_usize,
        acts in prop::collection::vec(act(), 1..600),
    ) {
        let seats = Seats { all, wanted: all / 8, routes: 6, idle: limits::PARK_AFTER };
        let (mut set, mut world) = (ActiveSet::new(seats), World::default());
        for act in &acts {
            world.act(&mut set, act);
            world.check(&set, seats);
        }
        // Whatever waits on disk is woken once seats become free.
        for _ in 0..acts.len() * 2 {
            world.act(&mut set, &Act::Wake(1_000));
            world.act(&mut set, &Act::End(0));
            world.check(&set, seats);
        }
        prop_assert_eq!(world.disk.values().map(BTreeSet::len).sum::<usize>(), 0);
    }
}

/// With two seats in each lane.
const SENDER: u32 = SENDERS | 1 << 27 | 6;

fn of_sender(sender: u32, lane: Lane) -> Group {
    Group::of_sender(sender, lane, 1)
}

#[test]
fn a_sender_has_its_own_seats_in_each_lane_and_keeps_the_order_of_its_backlog() {
    let mut set = ActiveSet::new(SEATS);
    assert_eq!(fill(&mut set, of_sender(SENDER, Lane::Bulk), 0), 2);
    set.filed(of_sender(SENDER, Lane::Bulk));
    assert_eq!(
        fill(&mut set, of_sender(SENDER, Lane::Otp), 100),
        2,
        "bulk takes no place of theirs"
    );
    assert_eq!(fill(&mut set, plain(1), 1_000), 100 - 2 * 12, "nor of a carrier's");
    for woken in 50..60 {
        set.leave(woken - if woken == 50 { 50 } else { 1 });
        set.filed(of_sender(SENDER, Lane::Bulk));
        assert!(!set.admit(9_999, of_sender(SENDER, Lane::Bulk)), "what is new waits behind");
        assert_eq!(set.poll_wake(&|_| 1), Some(of_sender(SENDER, Lane::Bulk)));
        set.woken(woken, of_sender(SENDER, Lane::Bulk));
        assert_eq!(set.poll_wake(&|_| 1), None);
    }
}

#[test]
fn a_hundred_thousand_senders_leave_every_carrier_its_seats_and_cost_no_scan() {
    let senders = || (0..100_000).map(|n| SENDERS | 1 << 27 | n);
    let mut set = ActiveSet::new(SEATS);
    for (sender, n) in senders().zip(0u64..) {
        let group = of_sender(sender, Lane::Bulk);
        if !set.admit(n, group) {
            set.filed(group);
        }
    }
    assert_eq!(set.len(), 90, "a quarter of what may be sent");
    for route in 1..=20 {
        assert!(fill(&mut set, plain(route), 1_000_000 + u64::from(route) * 1_000) > 0);
    }
    // One after the other has a turn as seats become free; looking for it is no walk over all of them.
    let begun = set.open.len();
    let mut had = BTreeSet::new();
    let mut hot: VecDeque<u64> = (0..90).collect();
    for n in 200_000..203_000 {
        set.leave(hot.pop_front().unwrap());
        let group = set.poll_wake(&|_| 1).expect("a sender's turn");
        assert!(set.poll_wake(&|_| 1).is_none());
        set.woken(hot_one(&mut hot, n) - 1, group);
        had.insert(group.carrier);
    }
    assert!(had.len() >= 2_900, "{}", had.len());
    assert!(set.open.len() <= begun + 20 && set.paced == 90, "{}", set.open.len());
}
