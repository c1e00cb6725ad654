//! Ranges of numbers that went to another operator as a whole, such as blocks of 1,000. Pure; part
//! of a table.

use std::collections::BTreeMap;

/// Numbers from `first` to `last` and what they stand for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first one.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// Place in the list of operators, from 1; 0: they are with whom the range was given to.
    pub value: u16,
}

/// Ranges that do not overlap, while they are being changed.
#[derive(Debug, Default)]
pub struct RangeSet(BTreeMap<u64, (u64, u16)>);

impl RangeSet {
    /// Sets what a range stands for; what other ranges said about its numbers is gone.
    pub fn set(&mut self, range: Range) {
        let Range { first, last, value } = range;
        let overlapping = self.0.range(..=last).rev().take_while(|(_, (end, _))| *end >= first);
        let overlapping: Vec<(u64, (u64, u16))> =
            overlapping.map(|(first, rest)| (*first, *rest)).collect();
        for (start, (end, own)) in overlapping {
            self.0.remove(&start);
            if start < first {
                self.0.insert(start, (first - 1, own));
            }
            if end > last {
                self.0.insert(last + 1, (end, own));
            }
        }
        if value != 0 {
            self.0.insert(first, (last, value));
        }
    }

    /// The ranges, ascending.
    #[must_use]
    pub fn to_vec(&self) -> Vec<Range> {
        let range = |(first, (last, value)): (&u64, &(u64, u16))| Range {
            first: *first,
            last: *last,
            value: *value,
        };
        self.0.iter().map(range).collect()
    }
}

impl FromIterator<Range> for RangeSet {
    fn from_iter<I: IntoIterator<Item = Range>>(ranges: I) -> RangeSet {
        let mut set = RangeSet::default();
        ranges.into_iter().for_each(|range| set.set(range));
        set
    }
}

/// What the range of a number stands for, in ascending ranges that do not overlap.
pub(super) fn find(ranges: &[Range], number: u64) -> Option<u16> {
    let behind = ranges.partition_point(|range| range.first <= number);
    let range = ranges.get(behind.checked_sub(1)?)?;
    (number <= range.last).then_some(range.value)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against one value for each number.
        #[test]
        fn the_last_word_on_a_number_counts(
            changes in prop::collection::vec((0u64..200, 0u64..60, 0u16..4), 0..30),
        ) {
            let mut model = [0u16; 300];
            let mut set = RangeSet::default();
            for (first, length, value) in changes {
                let last = first + length;
                set.set(Range { first, last, value });
                for number in first..=last {
                    model[usize::try_from(number).unwrap_or(0)] = value;
                }
            }
            let ranges = set.to_vec();
            for (number, value) in (0u64..).zip(model) {
                prop_assert_eq!(find(&ranges, number).unwrap_or(0), value);
            }
        }
    }
}
