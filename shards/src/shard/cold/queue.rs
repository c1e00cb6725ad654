//! The hot messages that wait for one carrier, and whose turn it is: lanes before customers, customers
//! by weight, each customer's messages in order of their deadlines. Pure; one per carrier and shard.
//!
//! A message of several parts is *begun* with its first one, and the first of its lane until it is
//! taken out: its parts go one after the other. Other lanes may come in between.

use std::collections::{BTreeMap, BTreeSet};

use postrider_core::clock::UnixMs;
use postrider_core::lane::Lane;

use super::turns::Turns;
use super::{Group, order_of};

/// A message that waits for a carrier. In the order of what is to be sent first in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiting {
    /// Nothing of it was sent, and it is not to be sent again: false goes first.
    pub fresh: bool,
    /// When it should have been sent.
    pub deadline: UnixMs,
    /// Its number.
    pub sequence: u64,
    /// What it waits with.
    pub group: Group,
}

/// The queue of one carrier. See the module's page.
#[derive(Debug, Default)]
pub struct FairQueue {
    lanes: [LaneQueue; 3],
    turn: u8,
}

/// One lane's messages.
#[derive(Debug, Default)]
struct LaneQueue {
    customers: BTreeMap<u32, BTreeSet<Waiting>>,
    turns: Turns,
    /// The message of which parts were sent, until it is taken out.
    begun: Option<Waiting>,
    len: usize,
}

impl FairQueue {
    /// Puts a message into its place.
    pub fn put(&mut self, message: Waiting) {
        self.lane(message.group.lane).put(message);
    }

    /// The lanes in the order in which they are to be looked at.
    #[must_use]
    pub fn order(&self) -> [Lane; 3] {
        order_of(self.turn)
    }

    /// Whether a message of a lane waits.
    #[must_use]
    pub fn waits(&self, lane: Lane) -> bool {
        self.lanes.get(lane.index()).is_some_and(|own| own.len > 0)
    }

    /// The message of a lane whose turn it is.
    #[must_use]
    pub fn front(&self, lane: Lane) -> Option<Waiting> {
        self.lanes.get(lane.index())?.front()
    }

    /// So many parts of a message were sent, which was the front of its lane and may be out by now;
    /// its customer has this weight.
    pub fn sent(&mut self, message: Waiting, weight: u16, parts: u32) {
        self.turn = self.turn.wrapping_add(1);
        self.lane(message.group.lane).sent(message, weight, parts);
    }

    /// Takes a message out, wherever it stands. False when it does not wait.
    pub fn remove(&mut self, message: Waiting) -> bool {
        let own = self.lane(message.group.lane);
        [true, false].into_iter().any(|fresh| own.remove(&Waiting { fresh, ..message }))
    }

    /// Takes all messages out, lane by lane.
    pub fn drain(&mut self) -> impl Iterator<Item = Waiting> + use<> {
        let lanes = std::mem::take(&mut self.lanes);
        let customers = lanes.into_iter().flat_map(|lane| lane.customers.into_values());
        customers.flatten()
    }

    /// Messages that wait in a lane and the more urgent ones.
    #[must_use]
    pub fn len_up_to(&self, lane: Lane) -> usize {
        self.lanes.iter().take(lane.index() + 1).map(|lane| lane.len).sum()
    }

    /// Messages that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.len).sum()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lane(&mut self, lane: Lane) -> &mut LaneQueue {
        let [otp, transactional, bulk] = &mut self.lanes;
        match lane {
            Lane::Otp => otp,
            Lane::Transactional => transactional,
            Lane::Bulk => bulk,
        }
    }
}

impl LaneQueue {
    fn put(&mut self, message: Waiting) {
        let customer = message.group.customer;
        if self.customers.entry(customer).or_default().insert(message) {
            self.len += 1;
        }
        self.turns.join(customer);
    }

    fn front(&self) -> Option<Waiting> {
        let next = || self.customers.get(&self.turns.next()?)?.first().copied();
        self.begun.or_else(next)
    }

    fn sent(&mut self, message: Waiting, weight: u16, parts: u32) {
        let customer = message.group.customer;
        self.turns.charge(customer, weight, u64::from(parts));
        let waits = self.customers.get(&customer).is_some_and(|own| own.contains(&message));
        self.begun = Some(message).filter(|_| waits);
    }

    fn remove(&mut self, message: &Waiting) -> bool {
        let customer = message.group.customer;
        let Some(own) = self.customers.get_mut(&customer) else { return false };
        let found = own.remove(message);
        if own.is_empty() {
            self.customers.remove(&customer);
            self.turns.leave(customer);
        }
        self.len -= usize::from(found);
        if self.begun.as_ref() == Some(message) {
            self.begun = None;
        }
        found
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
