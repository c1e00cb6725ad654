//! The messages of a recipient or a group that stand at one of some statuses. Pure; one per look-up.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::search::{Search, Step};

use super::listed::{Listed, Shared};
use super::lookup::{HashSearch, SlotLookup};
use super::row::Statuses;

/// Finds them: a read or so in each register that may have such a message, and one for each message
/// with the hash that is found there.
#[derive(Debug)]
pub struct StandingSearch {
    /// Until the messages with the hash are known.
    hash: Option<HashSearch>,
    /// Their slots are still to be looked at.
    left: VecDeque<u64>,
    slot: Option<(u64, SlotLookup)>,
    statuses: Statuses,
    limit: usize,
    found: Vec<u64>,
    listed: Arc<Listed>,
    changes: Shared,
}

impl StandingSearch {
    /// `found` are those in memory that fit.
    pub(super) fn new(
        hash: HashSearch,
        found: Vec<u64>,
        (statuses, limit): (Statuses, usize),
        (listed, changes): (&Arc<Listed>, &Shared),
    ) -> Self {
        Self {
            hash: Some(hash),
            left: VecDeque::new(),
            slot: None,
            statuses,
            limit,
            found,
            listed: Arc::clone(listed),
            changes: Shared::clone(changes),
        }
    }

    /// The next message's slot.
    fn next_slot(&mut self) -> Option<(u64, SlotLookup)> {
        let sequence = self.left.pop_front().filter(|_| self.found.len() < self.limit)?;
        let changes = self.changes.borrow();
        let slot = match changes.slots.get(&sequence) {
            Some(packed) => SlotLookup::known(sequence, changes.there(*packed), &self.changes),
            None => SlotLookup::new(sequence, &self.listed, &self.changes),
        };
        Some((sequence, slot))
    }
}

impl Search for StandingSearch {
    type Found = Vec<u64>;

    fn next(&mut self, mut answer: Option<&[u8]>) -> Step<Self::Found> {
        if let Some(hash) = &mut self.hash {
            match hash.next(answer.take()) {
                Step::Done(Ok(found)) => self.left = found.into(),
                step @ (Step::Read(_) | Step::Done(Err(_))) => return step,
            }
            self.hash = None;
        }
        loop {
            if let Some((sequence, lookup)) = &mut self.slot {
                match lookup.next(answer.take()) {
                    Step::Read(ask) => return Step::Read(ask),
                    Step::Done(Err(error)) => return Step::Done(Err(error)),
                    Step::Done(Ok(slot)) => {
                        let fits = slot.is_some_and(|slot| self.statuses.has(slot.status));
                        self.found.extend(fits.then_some(*sequence));
                    }
                }
            }
            self.slot = self.next_slot();
            if self.slot.is_none() {
                let mut found = std::mem::take(&mut self.found);
                found.sort_unstable();
                found.dedup();
                found.truncate(self.limit);
                return Step::Done(Ok(found));
            }
        }
    }
}
