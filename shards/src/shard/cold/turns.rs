//! Whose turn it is among customers that wait for the same thing: each gets its share by weight. Pure;
//! one per lane of a queue, and of a route's backlog.
//!
//! Every customer has an account of what it has had, divided by its weight; the lowest has the next
//! turn. One that comes anew, or again, begins where the others are, so that nobody saves turns up and
//! nobody gets more by coming and going.

use std::collections::{BTreeMap, BTreeSet};

/// What one unit costs a customer with weight 1.
const UNIT: u64 = 1 << 20;

/// Accounts of customers that do not wait are looked through when there are so many more than others.
const SWEEP_ABOVE: usize = 64;

/// The shares of customers. See the module's page.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Customers that wait, the next one first.
    order: BTreeSet<(u64, u32)>,
    /// Of those, and of others that have had more than their share lately.
    accounts: BTreeMap<u32, u64>,
    /// The account of the customer that had its turn last, before that.
    reached: u64,
}

impl Turns {
    /// A customer begins to wait, or waits already.
    pub(super) fn join(&mut self, customer: u32) {
        let account = self.accounts.entry(customer).or_default();
        if !self.order.contains(&(*account, customer)) {
            *account = self.reached.max(*account);
            self.order.insert((*account, customer));
        }
    }

    /// A customer waits no more.
    pub(super) fn leave(&mut self, customer: u32) {
        let Some(account) = self.accounts.get(&customer) else { return };
        self.order.remove(&(*account, customer));
        if self.order.is_empty() {
            *self = Turns::default();
        } else if self.accounts.len() > 2 * self.order.len() + SWEEP_ABOVE {
            let (order, reached) = (&self.order, self.reached);
            self.accounts
                .retain(|own, account| *account > reached || order.contains(&(*account, *own)));
        }
    }

    /// The customer whose turn it is.
    pub(super) fn next(&self) -> Option<u32> {
        self.order.first().map(|(_, customer)| *customer)
    }

    /// A customer has had so many units.
    pub(super) fn charge(&mut self, customer: u32, weight: u16, units: u64) {
        let Some(account) = self.accounts.get_mut(&customer) else { return };
        let before = *account;
        let cost = UNIT.saturating_mul(units) / u64::from(weight.max(1));
        *account = before.saturating_add(cost);
        if self.order.remove(&(before, customer)) {
            self.reached = self.reached.max(before);
            self.order.insert((*account, customer));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Who had how many of the next `count` turns, one unit each.
    fn had(turns: &mut Turns, count: usize, weights: &[u16]) -> Vec<usize> {
        let mut had = vec![0; weights.len()];
        for _ in 0..count {
            let customer = turns.next().unwrap();
            let at = usize::try_from(customer).unwrap();
            *had.get_mut(at).unwrap() += 1;
            turns.charge(customer, *weights.get(at).unwrap(), 1);
        }
        had
    }

    #[test]
    fn turns_go_by_weight() {
        let mut turns = Turns::default();
        (0..3).for_each(|customer| turns.join(customer));
        assert_eq!(had(&mut turns, 700, &[1, 2, 4]), [100, 200, 400]);
        assert_eq!(had(&mut turns, 7, &[1, 2, 4]), [1, 2, 4], "over short times too");
    }

    #[test]
    fn what_costs_more_counts_for_more() {
        let mut turns = Turns::default();
        [0, 1].into_iter().for_each(|customer| turns.join(customer));
        let mut units = [0, 0];
        for _ in 0..600 {
            let customer = turns.next().unwrap();
            let size = if customer == 0 { 5 } else { 1 };
            *units.get_mut(usize::try_from(customer).unwrap()).unwrap() += size;
            turns.charge(customer, 1, size);
        }
        assert_eq!(units, [500, 500]);
    }

    #[test]
    fn a_rest_saves_nothing_up_and_coming_and_going_gains_nothing() {
        let mut turns = Turns::default();
        [0, 1].into_iter().for_each(|customer| turns.join(customer));
        turns.leave(1);
        assert_eq!(had(&mut turns, 1_000, &[1, 1]), [1_000, 0]);
        turns.join(1);
        assert_eq!(had(&mut turns, 10, &[1, 1]), [5, 5], "no thousand turns in a row");
        // One that waits only until it has had a turn, against nine times the weight.
        let mut count = 0;
        for _ in 0..1_000 {
            turns.join(1);
            let customer = turns.next().unwrap();
            turns.charge(customer, if customer == 0 { 9 } else { 1 }, 1);
            count += u32::from(customer == 1);
            turns.leave(1);
        }
        assert!((95..=105).contains(&count), "{count}");
    }

    #[test]
    fn accounts_of_those_that_left_do_not_add_up() {
        let mut turns = Turns::default();
        turns.join(0);
        for customer in 1..10_000 {
            turns.join(customer);
            for _ in 0..2 {
                let next = turns.next().unwrap();
                turns.charge(next, 1, 1);
            }
            turns.leave(customer);
        }
        assert!(turns.accounts.len() <= 2 + SWEEP_ABOVE, "{}", turns.accounts.len());
        turns.leave(0);
        assert_eq!((turns.next(), turns.accounts.len()), (None, 0));
    }
}
