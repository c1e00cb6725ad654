//! Which messages are hot. Every hot message has a seat, and there are so many seats and no more; what
//! finds none waits on the disk, in the backlog, until one is free. The set knows messages by sequence
//! and counts those on disk; it reads and writes nothing. Pure; one per shard.
//!
//! - A message that wants to be sent takes a seat of its route's. A route has at most a quarter of all
//!   seats. A quarter of the seats is split between all routes for good; of the rest a route has no
//!   more than it leaves free. So routes that stand still, however many, never stop another.
//! - Each lane of a route may count on an eighth of what the route may have.
//! - When new messages and a backlog of the same route and lane both want seats, each gets every other
//!   one. The backlog's go to its customers by weight, a message of many parts for as many turns.
//! - A sender with a rate of its own is a route at each carrier, with so many seats in each lane as its rate
//!   needs; all of these together have a quarter. What is new waits behind their backlog.
//! - A message that waits for something else (a receipt, a time, an endpoint) has a seat as long as
//!   nobody needs it, and for [`Seats::idle`] at most.
//! - A message that is woken because something happened to it has a seat of those kept for that.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::time::Duration;

use postrider_core::lane::Lane;
use postrider_core::limits;

use super::turns::Turns;
use super::{Group, SENDERS, Weights, is_sender, order_of, sender_seats};

/// How many seats a shard has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seats {
    /// All of them: hot messages at most.
    pub all: usize,
    /// Those that are kept for messages that something happened to; fewer than `all`.
    pub wanted: usize,
    /// Routes that there may be: carriers of the configuration.
    pub routes: usize,
    /// How long a message that nobody is busy with has a seat at most.
    pub idle: Duration,
}

/// The hot messages of a shard. See the module's page.
#[derive(Debug)]
pub struct ActiveSet {
    seats: Seats,
    hot: HashMap<u64, Seat, std::hash::BuildHasherDefault<ahash::AHasher>>,
    /// Those that nobody is busy with, by the time since when.
    idle: BTreeSet<(Duration, u64)>,
    /// Messages that lost their seat and are still to be parked.
    leaving: VecDeque<u64>,
    routes: BTreeMap<u32, Route>,
    /// Those of which a backlog may have a turn.
    open: BTreeSet<u32>,
    /// Seats of all such senders.
    paced: usize,
    /// Seats of all routes, those kept for messages that are being read among them.
    sending: usize,
    /// Of these, those that routes have beyond what they have for good.
    beyond: usize,
    wanted: usize,
    held: usize,
    /// The route that had its turn last.
    last: u32,
    /// Something happened since nobody's turn had come.
    stirred: bool,
}

/// Why a message is hot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seat {
    /// It waits for a bind, or for the answer to what a bind was given.
    Sending(Group),
    /// Something happened to it.
    Wanted,
    /// It waits for something else, since then.
    Idle(Duration),
    /// It waits for something that ends soon, and cannot leave before.
    Held,
}

#[derive(Debug, Default)]
struct Route {
    lanes: [Share; 3],
    turn: u8,
}

/// A lane of a route.
#[derive(Debug, Default)]
struct Share {
    /// Seats taken, those kept for messages that are being read among them.
    taken: usize,
    /// Messages on disk that want to be sent, of each customer that has any.
    backlog: BTreeMap<u32, u64>,
    /// Whose turn it is among these.
    turns: Turns,
    /// Seats that new messages may take although there is a backlog: it had as many.
    due_to_new: usize,
}

impl Route {
    fn share(&mut self, lane: Lane) -> &mut Share {
        let [otp, transactional, bulk] = &mut self.lanes;
        match lane {
            Lane::Otp => otp,
            Lane::Transactional => transactional,
            Lane::Bulk => bulk,
        }
    }

    /// Seats that a lane may take when the whole route may have `most`.
    fn room(&self, lane: Lane, most: usize) -> usize {
        let floor = most / limits::ACTIVE_LANE_SHARE;
        let others = |index: usize, share: &Share| {
            if index == lane.index() { share.taken } else { share.taken.max(floor) }
        };
        let held = self.lanes.iter().enumerate().map(|(index, share)| others(index, share));
        most.saturating_sub(held.sum())
    }

    fn has_backlog(&self) -> bool {
        self.lanes.iter().any(|share| !share.backlog.is_empty())
    }

    fn taken(&self) -> usize {
        self.lanes.iter().map(|share| share.taken).sum()
    }

    fn is_spent(&self) -> bool {
        self.lanes.iter().all(|share| share.taken == 0 && share.backlog.is_empty())
    }
}

impl Share {
    fn more(&mut self, customer: u32, count: u64) {
        *self.backlog.entry(customer).or_default() += count;
        self.turns.join(customer);
    }

    fn one_less(&mut self, customer: u32) {
        if let Some(count) = self.backlog.get_mut(&customer) {
            *count -= 1;
            if *count == 0 {
                self.forget(customer);
            }
        }
    }

    fn forget(&mut self, customer: u32) {
        self.backlog.remove(&customer);
        self.turns.leave(customer);
        if self.backlog.is_empty() {
            self.due_to_new = 0;
        }
    }
}

impl ActiveSet {
    /// An empty set.
    ///
    /// # Panics
    /// When every seat is kept: nothing could ever be sent.
    #[must_use]
    pub fn new(seats: Seats) -> Self {
        assert!(seats.wanted < seats.all, "every seat is kept: {seats:?}");
        ActiveSet {
            seats,
            hot: HashMap::default(),
            idle: BTreeSet::new(),
            leaving: VecDeque::new(),
            routes: BTreeMap::new(),
            open: BTreeSet::new(),
            paced: 0,
            sending: 0,
            beyond: 0,
            wanted: 0,
            held: 0,
            last: 0,
            stirred: false,
        }
    }

    /// There may be so many routes from now on; what each has stays.
    pub fn set_routes(&mut self, routes: usize) {
        self.seats.routes = routes.max(1);
        let beyond = |(carrier, route): (&u32, &Route)| {
            route.taken().saturating_sub(self.floor_of(*carrier))
        };
        self.beyond = self.routes.iter().map(beyond).sum();
        self.stirred = true;
    }

    /// A message wants to be sent, one that is new or one that was hot for another reason. False when
    /// it has to wait on disk: then it goes to the backlog, and [`ActiveSet::filed`] says so.
    pub fn admit(&mut self, sequence: u64, group: Group) -> bool {
        self.leave(sequence);
        let room = self.room(group.carrier, group.lane);
        let route = self.routes.entry(group.carrier).or_default();
        let share = route.share(group.lane);
        let allowed = room > 0 && (share.backlog.is_empty() || share.due_to_new > 0);
        if allowed {
            share.due_to_new = share.due_to_new.saturating_sub(1);
            self.hot.insert(sequence, Seat::Sending(group));
            self.take(group);
        }
        self.tidy(group.carrier);
        allowed
    }

    /// Nothing can be done for a message until something happens to it: it keeps its seat as long as
    /// nobody needs that.
    pub fn idle(&mut self, sequence: u64, now: Duration) {
        self.leave(sequence);
        self.hot.insert(sequence, Seat::Idle(now));
        self.idle.insert((now, sequence));
        self.make_room();
    }

    /// A message waits for something that ends soon, and cannot leave memory before.
    pub fn hold(&mut self, sequence: u64) {
        self.leave(sequence);
        self.held += 1;
        self.hot.insert(sequence, Seat::Held);
        self.make_room();
    }

    /// A message is to be sent and cannot wait on disk: it has a seat of its route's in any case.
    pub fn seat(&mut self, sequence: u64, group: Group) {
        self.leave(sequence);
        self.hot.insert(sequence, Seat::Sending(group));
        self.take(group);
    }

    /// A message that found no seat goes to disk.
    pub fn turn_away(&mut self, sequence: u64) {
        self.part_with(sequence);
    }

    /// Something happened to a message, hot or cold. False when too many such are hot already: it is
    /// to be tried again.
    pub fn want(&mut self, sequence: u64) -> bool {
        match self.hot.get(&sequence) {
            Some(Seat::Sending(_) | Seat::Wanted | Seat::Held) => return true,
            Some(Seat::Idle(_)) | None => {}
        }
        if self.wanted >= self.seats.wanted {
            return false;
        }
        self.leave(sequence);
        self.wanted += 1;
        self.hot.insert(sequence, Seat::Wanted);
        self.make_room();
        true
    }

    /// Whether one more message that something happened to would have a seat.
    #[must_use]
    pub fn has_room_for_wanted(&self) -> bool {
        self.wanted < self.seats.wanted
    }

    /// Keeps a seat for a message that is looked for because its turn has come otherwise than by its
    /// route. False when too many are kept or taken: it is to be tried again.
    pub fn keep(&mut self) -> bool {
        let free = self.wanted < self.seats.wanted;
        self.wanted += usize::from(free);
        self.make_room();
        free
    }

    /// A seat that was kept is free again: the message that was found [`ActiveSet::want`]s it, or there
    /// was none.
    pub fn give_up(&mut self) {
        self.wanted -= 1;
    }

    /// A message is not hot any more: it ended.
    pub fn leave(&mut self, sequence: u64) {
        match self.hot.remove(&sequence) {
            Some(Seat::Sending(group)) => self.give_back(group),
            Some(Seat::Wanted) => self.wanted -= 1,
            Some(Seat::Held) => self.held -= 1,
            Some(Seat::Idle(since)) => {
                self.idle.remove(&(since, sequence));
            }
            None => {}
        }
    }

    /// The next message that has to go to disk: its seat is gone.
    pub fn poll_leaving(&mut self, now: Duration) -> Option<u64> {
        if let Some((since, sequence)) = self.idle.first().copied()
            && since + self.seats.idle <= now
        {
            self.part_with(sequence);
        }
        self.leaving.pop_front()
    }

    /// When [`ActiveSet::poll_leaving`] has something to give at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let oldest = self.idle.first().map(|idle| idle.0 + self.seats.idle);
        if self.leaving.is_empty() { oldest } else { Some(Duration::ZERO) }
    }

    /// One message more of a group waits on disk.
    pub fn filed(&mut self, group: Group) {
        self.file(group, 1);
    }

    /// `count` messages more of a group wait on disk: a checkpoint says so.
    pub fn file(&mut self, group: Group, count: u64) {
        if count > 0 {
            self.stirred = true;
            self.open.insert(group.carrier);
            let route = self.routes.entry(group.carrier).or_default();
            route.share(group.lane).more(group.customer, count);
        }
    }

    /// A message of a group that waited on disk does so no more, for another reason than a turn.
    pub fn unfiled(&mut self, group: Group) {
        if let Some(route) = self.routes.get_mut(&group.carrier) {
            route.share(group.lane).one_less(group.customer);
        }
        self.tidy(group.carrier);
    }

    /// Nothing of a group waits on disk, whatever was counted.
    pub fn emptied(&mut self, group: Group) {
        if let Some(route) = self.routes.get_mut(&group.carrier) {
            route.share(group.lane).forget(group.customer);
        }
        self.tidy(group.carrier);
    }

    /// The group whose turn it is to have a message woken: a seat is kept for it until
    /// [`ActiveSet::woken`] or [`ActiveSet::missed`].
    pub fn poll_wake(&mut self, weights: Weights<'_>) -> Option<Group> {
        let Some(group) = self.next_group().filter(|_| self.stirred) else {
            self.stirred = false;
            return None;
        };
        let kept = if is_sender(group.carrier) { 0 } else { self.quarter() };
        let kept = kept / limits::ACTIVE_NEW_SHARE;
        let route = self.routes.get_mut(&group.carrier)?;
        route.turn = route.turn.wrapping_add(1);
        let share = route.share(group.lane);
        share.turns.charge(group.customer, weights(group.customer), 1);
        share.due_to_new = (share.due_to_new + 1).min(kept);
        share.one_less(group.customer);
        self.last = group.carrier;
        self.take(group);
        Some(group)
    }

    fn next_group(&mut self) -> Option<Group> {
        // While senders have all seats that they may have, none of them is looked at.
        let end = if self.senders_room() > 0 { u32::MAX } else { SENDERS };
        let mut spent = Vec::new();
        let last = self.last.min(end - 1);
        let later = self.open.range((Bound::Excluded(last), Bound::Excluded(end)));
        let found = later.chain(self.open.range(..=last)).copied().find_map(|carrier| {
            let group = self.group_in_turn(carrier);
            // A carrier's room depends on that of all.
            let waits = self.routes.get(&carrier).is_some_and(Route::has_backlog);
            if group.is_none() && (is_sender(carrier) || !waits) {
                spent.push(carrier);
            }
            group
        });
        for carrier in spent {
            self.open.remove(&carrier);
        }
        found
    }

    /// The lane and the customer of a route whose backlog has its turn, if any has room beyond what new
    /// messages are due.
    fn group_in_turn(&self, carrier: u32) -> Option<Group> {
        let route = self.routes.get(&carrier)?;
        let most = self.most(Some(route));
        let lane = order_of(route.turn).into_iter().find(|lane| {
            route.lanes.get(lane.index()).is_some_and(|share| {
                let kept = share.due_to_new.min(most / limits::ACTIVE_NEW_SHARE);
                !share.backlog.is_empty() && self.room(carrier, *lane) > kept
            })
        })?;
        let customer = route.lanes.get(lane.index())?.turns.next()?;
        Some(Group { carrier, lane, customer })
    }

    /// The message of a turn was read: it takes the seat that was kept for its group. One that is hot
    /// already, or belongs to another group by now, is [`ActiveSet::missed`], and may be admitted.
    pub fn woken(&mut self, sequence: u64, group: Group) {
        if self.hot.contains_key(&sequence) {
            return self.missed(group);
        }
        self.hot.insert(sequence, Seat::Sending(group));
    }

    /// A message that was woken has so many parts: it was worth as many turns.
    pub fn weighs(&mut self, group: Group, parts: u8, weights: Weights<'_>) {
        if let Some(route) = self.routes.get_mut(&group.carrier) {
            let units = u64::from(parts).saturating_sub(1);
            let turns = &mut route.share(group.lane).turns;
            turns.charge(group.customer, weights(group.customer), units);
        }
    }

    /// Nothing came of a turn.
    pub fn missed(&mut self, group: Group) {
        self.give_back(group);
    }

    /// Whether a message is hot.
    #[must_use]
    pub fn is_hot(&self, sequence: u64) -> bool {
        self.hot.contains_key(&sequence)
    }

    /// Whether it is hot because it is to be sent.
    #[must_use]
    pub fn is_sending(&self, sequence: u64) -> bool {
        self.group_of(sequence).is_some()
    }

    /// The group with which a message has a seat because it is to be sent.
    #[must_use]
    pub fn group_of(&self, sequence: u64) -> Option<Group> {
        match self.hot.get(&sequence) {
            Some(Seat::Sending(group)) => Some(*group),
            Some(Seat::Wanted | Seat::Idle(_) | Seat::Held) | None => None,
        }
    }

    /// Whether it is hot because something happened to it.
    #[must_use]
    pub fn is_wanted(&self, sequence: u64) -> bool {
        self.hot.get(&sequence) == Some(&Seat::Wanted)
    }

    /// Messages that are hot; with the seats kept for those that are being read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sending + self.wanted + self.held + self.idle.len()
    }

    /// Whether no message is hot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every group with messages on disk that want to be sent, and how many: for a checkpoint.
    pub fn backlog(&self) -> impl Iterator<Item = (Group, u64)> + '_ {
        self.routes.iter().flat_map(|(carrier, route)| {
            Lane::ALL.into_iter().zip(&route.lanes).flat_map(move |(lane, share)| {
                let group = move |customer| Group { carrier: *carrier, lane, customer };
                share.backlog.iter().map(move |(customer, count)| (group(*customer), *count))
            })
        })
    }

    fn quarter(&self) -> usize {
        (self.seats.all / limits::ACTIVE_ROUTE_SHARE).max(1)
    }

    /// Seats that messages which want to be sent may have.
    fn to_send(&self) -> usize {
        self.seats.all - self.seats.wanted
    }

    /// Seats that each route has for good.
    fn floor(&self) -> usize {
        let routes = limits::ACTIVE_ROUTE_SHARE.saturating_mul(self.seats.routes.max(1));
        (self.to_send() / routes).max(1)
    }

    /// Those that one has.
    fn floor_of(&self, carrier: u32) -> usize {
        if is_sender(carrier) { 0 } else { self.floor() }
    }

    /// Seats that senders with a rate may take now, all together.
    fn senders_room(&self) -> usize {
        let own = (self.to_send() / limits::SENDERS_SHARE).saturating_sub(self.paced);
        let floors = self.floor().saturating_mul(self.seats.routes);
        let rest = self.to_send().saturating_sub(floors).saturating_sub(self.beyond);
        own.min(rest).min(self.to_send().saturating_sub(self.sending))
    }

    /// Seats that a lane of a route may take now.
    fn room(&self, carrier: u32, lane: Lane) -> usize {
        let route = self.routes.get(&carrier);
        if !is_sender(carrier) {
            let most = self.most(route);
            return route
                .map_or_else(|| Route::default().room(lane, most), |own| own.room(lane, most));
        }
        let taken = route.and_then(|own| own.lanes.get(lane.index())).map_or(0, |own| own.taken);
        sender_seats(carrier).saturating_sub(taken).min(self.senders_room())
    }

    /// Seats that one route may have now.
    fn most(&self, route: Option<&Route>) -> usize {
        let (floor, free) = (self.floor(), self.to_send().saturating_sub(self.sending));
        let rest = self.to_send().saturating_sub(floor.saturating_mul(self.seats.routes));
        let beyond = self.quarter().saturating_sub(floor).min(rest.saturating_sub(self.beyond));
        (floor + beyond).min(route.map_or(0, Route::taken) + free)
    }

    fn take(&mut self, group: Group) {
        let floor = self.floor_of(group.carrier);
        self.paced += usize::from(is_sender(group.carrier));
        let route = self.routes.entry(group.carrier).or_default();
        self.beyond += usize::from(route.taken() >= floor);
        route.share(group.lane).taken += 1;
        self.sending += 1;
        self.make_room();
    }

    fn give_back(&mut self, group: Group) {
        let floor = self.floor_of(group.carrier);
        self.paced -= usize::from(is_sender(group.carrier));
        self.open.insert(group.carrier);
        if let Some(route) = self.routes.get_mut(&group.carrier) {
            self.beyond -= usize::from(route.taken() > floor);
            route.share(group.lane).taken -= 1;
        }
        self.sending -= 1;
        self.stirred = true;
        self.tidy(group.carrier);
    }

    /// While there are more than all, the message that has been idle longest goes.
    fn make_room(&mut self) {
        while self.len() > self.seats.all
            && let Some((_, sequence)) = self.idle.first().copied()
        {
            self.part_with(sequence);
        }
    }

    fn part_with(&mut self, sequence: u64) {
        self.leave(sequence);
        self.leaving.push_back(sequence);
    }

    fn tidy(&mut self, carrier: u32) {
        if self.routes.get(&carrier).is_some_and(Route::is_spent) {
            self.routes.remove(&carrier);
            self.open.remove(&carrier);
        }
    }
}

#[cfg(test)]
#[path = "active_tests.rs"]
mod tests;
