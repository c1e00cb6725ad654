//! Messages that left memory while rows were being looked for: what is found of them is out of date,
//! maybe. Pure, one per shard.
//!
//! A search for rows finds them as they were when it began. Whatever moves a message happens while it is
//! in memory; so a row still holds for one that was not there since.

use std::collections::HashMap;

use postrider_core::limits;

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Departures {
    /// How many have left.
    count: u64,
    /// Searches under way.
    searches: usize,
    /// By message, how many had left before it did last.
    left: HashMap<u64, u64, super::FixedHasher>,
    /// Who left before so many had is not told apart any more.
    forgotten: u64,
}

/// When a search for rows began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since(u64);

impl Departures {
    /// A search begins.
    pub(super) fn begin(&mut self) -> Since {
        self.searches += 1;
        Since(self.count)
    }

    /// A message leaves memory.
    pub(super) fn note(&mut self, sequence: u64) {
        if self.searches == 0 {
            return;
        }
        if self.left.len() >= limits::DEPARTURES_NOTED {
            self.left.clear();
            self.forgotten = self.count;
        }
        self.left.insert(sequence, self.count);
        self.count += 1;
    }

    /// Whether a message may have left memory since a search began.
    pub(super) fn may_have(&self, sequence: u64, Since(since): Since) -> bool {
        since < self.forgotten || self.left.get(&sequence).is_some_and(|at| *at >= since)
    }

    /// A search is over.
    pub(super) fn end(&mut self) {
        self.searches = self.searches.saturating_sub(1);
        if self.searches == 0 {
            self.left.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_left_during_a_search_is_not_where_its_row_says() {
        let mut departures = Departures::default();
        departures.note(1);
        let first = departures.begin();
        departures.note(2);
        let second = departures.begin();
        departures.note(3);
        assert!(!departures.may_have(1, first), "it left before");
        assert!(departures.may_have(2, first) && departures.may_have(3, first));
        assert!(!departures.may_have(2, second) && departures.may_have(3, second));
        departures.end();
        assert!(departures.may_have(3, second), "another search is under way");
        departures.note(2);
        assert!(departures.may_have(2, second), "it came back and left again");
        departures.end();
        assert!(departures.left.is_empty(), "nobody asks");
        let third = departures.begin();
        assert!(!departures.may_have(3, third));
    }

    #[test]
    fn too_many_departures_put_the_searches_under_way_in_doubt_and_no_later_one() {
        let mut departures = Departures::default();
        let first = departures.begin();
        for sequence in 0..=(limits::DEPARTURES_NOTED as u64) {
            departures.note(sequence);
        }
        assert!(departures.left.len() <= limits::DEPARTURES_NOTED);
        assert!(departures.may_have(u64::MAX, first), "nobody knows");
        let second = departures.begin();
        assert!(!departures.may_have(u64::MAX, second));
        departures.note(7);
        assert!(departures.may_have(7, second));
    }
}
