//! The hot messages that wait for one carrier, and whose turn it is: lanes before customers, customers
//! in turn, each customer's messages in the order in which they came. Pure; one per carrier and shard.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use postrider_core::lane::Lane;

use super::{Group, order_of};

/// The queue of one carrier, of messages by sequence. See the module's page.
#[derive(Debug, Default)]
pub struct FairQueue {
    lanes: [Customers; 3],
    /// The message whose turn it is, until it is popped: its parts go together.
    current: Option<u64>,
    turn: u8,
}

/// One lane's queues.
#[derive(Debug, Default)]
struct Customers {
    queues: BTreeMap<u32, VecDeque<u64>>,
    /// The customer that had its turn last.
    last: u32,
    len: usize,
}

impl FairQueue {
    /// Puts a message behind those of its group.
    pub fn push_back(&mut self, group: Group, sequence: u64) {
        self.lane(group.lane).queue(group.customer).push_back(sequence);
    }

    /// Puts a message before those of its group: some of it has been sent already.
    pub fn push_front(&mut self, group: Group, sequence: u64) {
        self.lane(group.lane).queue(group.customer).push_front(sequence);
    }

    /// The message whose turn it is; the same one until [`FairQueue::pop_front`].
    pub fn front(&mut self) -> Option<u64> {
        if self.current.is_none() {
            self.current = self.choose();
        }
        self.current
    }

    /// Takes the message whose turn it is.
    pub fn pop_front(&mut self) -> Option<u64> {
        let front = self.front();
        self.current = None;
        front
    }

    /// Messages that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        let waiting: usize = self.lanes.iter().map(|lane| lane.len).sum();
        waiting + usize::from(self.current.is_some())
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn choose(&mut self) -> Option<u64> {
        let chosen = order_of(self.turn).into_iter().find_map(|lane| self.lane(lane).next());
        self.turn = self.turn.wrapping_add(u8::from(chosen.is_some()));
        chosen
    }

    fn lane(&mut self, lane: Lane) -> &mut Customers {
        let [otp, transactional, bulk] = &mut self.lanes;
        match lane {
            Lane::Otp => otp,
            Lane::Transactional => transactional,
            Lane::Bulk => bulk,
        }
    }
}

impl Customers {
    /// The queue of a customer that one more message joins.
    fn queue(&mut self, customer: u32) -> &mut VecDeque<u64> {
        self.len += 1;
        self.queues.entry(customer).or_default()
    }

    fn next(&mut self) -> Option<u64> {
        let customer = after(&self.queues, self.last)?;
        let queue = self.queues.get_mut(&customer)?;
        let sequence = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&customer);
        }
        self.last = customer;
        self.len -= usize::from(sequence.is_some());
        sequence
    }
}

/// The next key in turn after `last`, which is itself the last in turn.
pub(super) fn after<V>(map: &BTreeMap<u32, V>, last: u32) -> Option<u32> {
    let later = map.range((Bound::Excluded(last), Bound::Unbounded)).next();
    later.or_else(|| map.first_key_value()).map(|(key, _)| *key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn group(lane: Lane, customer: u32) -> Group {
        Group { carrier: 1, lane, customer }
    }

    fn order(queue: &mut FairQueue) -> Vec<u64> {
        std::iter::from_fn(|| queue.pop_front()).collect()
    }

    #[test]
    fn a_customer_with_ten_does_not_wait_for_one_with_thousands() {
        let mut queue = FairQueue::default();
        (0..5_000).for_each(|n| queue.push_back(group(Lane::Transactional, 1), n));
        (9_000..9_010).for_each(|n| queue.push_back(group(Lane::Transactional, 2), n));
        assert_eq!(queue.len(), 5_010);
        let order = order(&mut queue);
        let last = order.iter().position(|n| *n == 9_009).unwrap();
        assert!(last <= 20, "{last}");
        let own: Vec<u64> = order.into_iter().filter(|n| *n < 5_000).collect();
        assert!(own.is_sorted() && own.len() == 5_000 && queue.is_empty());
    }

    #[test]
    fn the_urgent_go_first_and_the_others_are_never_without_a_turn() {
        let mut queue = FairQueue::default();
        (0..160).for_each(|n| queue.push_back(group(Lane::Bulk, 1), 3_000 + n));
        (0..160).for_each(|n| queue.push_back(group(Lane::Transactional, 1), 2_000 + n));
        (0..160).for_each(|n| queue.push_back(group(Lane::Otp, 1), 1_000 + n));
        let order = order(&mut queue);
        let of = |part: &[u64], lane: u64| part.iter().filter(|n| **n / 1_000 == lane).count();
        let early = order.get(..160).unwrap();
        assert_eq!([of(early, 1), of(early, 2), of(early, 3)], [140, 10, 10]);
        let end = order.iter().rposition(|n| *n < 2_000).unwrap();
        assert!(end < 190, "{end}");
        assert_eq!(order.len(), 480);
    }

    #[test]
    fn the_front_stays_until_it_is_taken() {
        let mut queue = FairQueue::default();
        queue.push_back(group(Lane::Bulk, 1), 1);
        assert_eq!(queue.front(), Some(1));
        queue.push_back(group(Lane::Otp, 1), 2);
        queue.push_front(group(Lane::Otp, 1), 3);
        assert_eq!((queue.front(), queue.len()), (Some(1), 3));
        assert_eq!(order(&mut queue), [1, 3, 2]);
        assert_eq!(queue.front(), None);
    }
}
