//! Messages of which rows on disk may be left over from before a crash. What leads to such a message
//! leads to it as it was once, maybe: its slot says where it stands. Pure, one per shard.
//!
//! Rows that were filed or taken away behind the last checkpoint are lost with the process. So whatever
//! was in memory then, or has moved since, is in doubt after a start, as far as a row can lead to it:
//! until the segments are given back to which rows of that time lead. Checkpoints keep it.

use std::collections::{BTreeMap, BTreeSet};

use postrider_core::limits;
use postrider_storage::{Position, SegmentId};

/// See the module's page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Doubts {
    /// All that lies in segments up to this one: there were too many.
    all_to: Option<SegmentId>,
    /// By the last segment to which rows may lead that were left over: sequences, ascending.
    some_to: BTreeMap<SegmentId, Vec<u64>>,
}

impl Doubts {
    /// Rows of these messages that lead to segments up to `end` may be left over.
    pub(super) fn add(&mut self, end: SegmentId, mut sequences: BTreeSet<u64>) {
        if sequences.is_empty() {
            return;
        }
        let batch = self.some_to.entry(end).or_default();
        sequences.extend(batch.iter());
        *batch = sequences.into_iter().collect();
        if self.some_to.values().map(Vec::len).sum::<usize>() > limits::DOUBTED_MESSAGES {
            self.all_to = self.some_to.keys().next_back().copied().max(self.all_to);
            self.some_to.clear();
        }
    }

    /// Whether a row that leads a message to `at` may be left over.
    pub(super) fn has(&self, sequence: u64, at: Position) -> bool {
        let batches = self.some_to.range(at.segment..);
        self.all_to.is_some_and(|end| at.segment <= end)
            || batches.into_iter().any(|(_, batch)| batch.binary_search(&sequence).is_ok())
    }

    /// Segments before this one are given back: nothing leads there.
    pub(super) fn release_before(&mut self, segment: SegmentId) {
        self.all_to = self.all_to.filter(|end| *end >= segment);
        self.some_to = self.some_to.split_off(&segment);
    }

    /// As numbers, for a checkpoint.
    pub(super) fn words(&self) -> Vec<u64> {
        let mut words = vec![self.all_to.map_or(0, |end| end.0)];
        for (end, batch) in &self.some_to {
            words.extend([end.0, u64::try_from(batch.len()).unwrap_or(u64::MAX)]);
            words.extend(batch);
        }
        words
    }

    /// What [`Doubts::words`] said; `None` when it is nothing of the kind.
    pub(super) fn of(words: &[u64]) -> Option<Self> {
        let (all_to, mut rest) = words.split_first()?;
        let all_to = (*all_to > 0).then_some(SegmentId(*all_to));
        let mut doubts = Doubts { all_to, ..Doubts::default() };
        while let [end, count, batches @ ..] = rest {
            let (batch, more) = batches.split_at_checked(usize::try_from(*count).ok()?)?;
            if !batch.is_sorted() {
                return None;
            }
            doubts.some_to.insert(SegmentId(*end), batch.to_vec());
            rest = more;
        }
        rest.is_empty().then_some(doubts)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn at(segment: u64) -> Position {
        Position { segment: SegmentId(segment), offset: 64 }
    }

    fn doubted(batches: &[(u64, &[u64])]) -> Doubts {
        let mut doubts = Doubts::default();
        for (end, sequences) in batches {
            doubts.add(SegmentId(*end), sequences.iter().copied().collect());
        }
        doubts
    }

    #[test]
    fn rows_of_doubted_messages_are_in_doubt_as_far_as_a_crash_left_some() {
        let doubts = doubted(&[(3, &[7, 9]), (5, &[8])]);
        assert!(doubts.has(7, at(3)) && doubts.has(9, at(1)) && doubts.has(8, at(5)));
        assert!(!doubts.has(7, at(4)), "it was written since");
        assert!(!doubts.has(1, at(1)), "nothing happened to it");
    }

    #[test]
    fn a_second_crash_in_the_same_segment_adds_to_the_first() {
        let doubts = doubted(&[(3, &[7]), (3, &[6, 7]), (3, &[])]);
        assert!(doubts.has(6, at(3)) && doubts.has(7, at(3)) && !doubts.has(5, at(3)));
    }

    #[test]
    fn doubts_go_with_the_segments_to_which_the_rows_lead() {
        let mut doubts = doubted(&[(3, &[7]), (5, &[8])]);
        doubts.release_before(SegmentId(3));
        assert!(doubts.has(7, at(3)));
        doubts.release_before(SegmentId(4));
        assert_eq!(doubts, doubted(&[(5, &[8])]));
        doubts.release_before(SegmentId(6));
        assert_eq!(doubts, Doubts::default());
    }

    #[test]
    fn too_many_put_all_in_doubt_that_was_there() {
        let count = u64::try_from(limits::DOUBTED_MESSAGES).unwrap();
        let mut doubts = doubted(&[(2, &[1])]);
        doubts.add(SegmentId(5), (2..=count).collect());
        assert!(!doubts.has(count + 1, at(5)), "as many as there may be");
        doubts.add(SegmentId(4), BTreeSet::from([0]));
        assert!(doubts.has(count + 1, at(5)) && doubts.has(3, at(1)));
        assert!(!doubts.has(3, at(6)), "it was written since");
        assert!(doubts.some_to.is_empty(), "none is told apart");
        doubts.release_before(SegmentId(6));
        assert_eq!(doubts, Doubts::default());
    }

    #[test]
    fn a_checkpoint_keeps_them() {
        let mut all = doubted(&[(9, &[4])]);
        all.all_to = Some(SegmentId(2));
        for doubts in [Doubts::default(), doubted(&[(3, &[7, 9]), (5, &[8])]), all] {
            assert_eq!(Doubts::of(&doubts.words()), Some(doubts));
        }
        for words in [&[][..], &[0, 3], &[0, 3, 2, 7], &[0, 3, 2, 7, 6], &[0, 3, u64::MAX, 7]] {
            assert_eq!(Doubts::of(words), None, "{words:?}");
        }
    }
}
