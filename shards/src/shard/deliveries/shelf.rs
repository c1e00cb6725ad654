//! What waits on disk of what a customer is owed, as far as its queue in memory has to know: whether
//! there is anything, and how much was asked for. Pure; one per customer and shard.

use postrider_core::limits;

/// See the module's page.
pub(crate) struct Shelf {
    /// Something may be there. A restart does not know better.
    some: bool,
    /// Messages that were asked for and have not come.
    asked: usize,
}

impl Default for Shelf {
    fn default() -> Self {
        Shelf { some: true, asked: 0 }
    }
}

impl Shelf {
    /// A message of the customer's went to disk.
    pub(crate) fn put(&mut self) {
        self.some = true;
    }

    /// How many messages to ask for when so many items in memory may leave.
    pub(crate) fn wanted(&self, ready: usize) -> usize {
        let have = ready + self.asked;
        if self.some && have <= limits::OWED_AHEAD / 2 { limits::OWED_AHEAD - have } else { 0 }
    }

    /// A message was asked for.
    pub(crate) fn asked(&mut self) {
        self.asked += 1;
    }

    /// One that was asked for has been read, or could not be.
    pub(crate) fn came(&mut self) {
        self.asked = self.asked.saturating_sub(1);
    }

    /// Nothing is there for one that was asked for.
    pub(crate) fn none(&mut self) {
        self.came();
        self.some = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AHEAD: usize = limits::OWED_AHEAD;

    #[test]
    fn a_queue_that_runs_low_is_filled_until_nothing_is_left() {
        let mut shelf = Shelf::default();
        assert_eq!(shelf.wanted(AHEAD), 0);
        assert_eq!(shelf.wanted(AHEAD / 2 + 1), 0);
        assert_eq!(shelf.wanted(AHEAD / 2), AHEAD / 2);
        for _ in 0..AHEAD / 2 {
            shelf.asked();
        }
        assert_eq!(shelf.wanted(AHEAD / 2), 0, "they are on their way");
        for _ in 0..AHEAD / 2 {
            shelf.came();
        }
        assert_eq!(shelf.wanted(0), AHEAD);
        shelf.asked();
        shelf.none();
        assert_eq!(shelf.wanted(0), 0);
        shelf.put();
        assert_eq!(shelf.wanted(0), AHEAD);
    }
}
