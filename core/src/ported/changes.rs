//! What changed since a table was made, asked before the table: a small packed table in memory that
//! leads to the changes of a number, each with the time from which it is true. Pure; part of a
//! table, read-only.

use super::lines::{Lines, Shape};
use super::space::{Space, digits_of};
use super::stretch::{Entry, Stretch, TooFull};
use crate::number::MAX_DIGITS;

/// One change of one number.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The number.
    pub number: u64,
    /// Place in the list of operators, from 1; 0: it went back to whom its range was given to.
    pub value: u16,
    /// From when it is true, seconds since 1970.
    pub from_s: u64,
}

#[derive(Copy, Clone, Debug)]
struct Step {
    from_s: u64,
    value: u16,
    /// Whether no later step of the same number follows.
    last: bool,
}

/// Changes, ready for look-ups.
#[derive(Debug)]
pub struct Changes {
    space: Space,
    shape: Shape,
    lines: Vec<u8>,
    /// By number, then by time.
    steps: Vec<Step>,
}

impl Changes {
    /// Of two changes of a number at one time the later one in the list counts. All numbers begin
    /// with the digits of `head`; others are left out.
    ///
    /// # Errors
    /// [`TooFull`] when there is no room for them, which takes billions.
    pub fn new(head: u64, changes: &[Change]) -> Result<Changes, TooFull> {
        let rest = u8::try_from(MAX_DIGITS - digits_of(head)).map_err(|_| TooFull)?;
        let space = Space::new(head, rest).ok_or(TooFull)?;
        let spread = |change: &Change| Some((space.spread(change.number)?, *change));
        let mut sorted: Vec<(u64, Change)> = changes.iter().filter_map(spread).collect();
        sorted.sort_by_key(|(spread, change)| (*spread, change.from_s));
        let mut steps = Vec::with_capacity(sorted.len());
        let mut entries = Vec::new();
        for same in sorted.chunk_by(|(one, _), (next, _)| one == next) {
            let Some((spread, _)) = same.first() else { continue };
            let value = u32::try_from(steps.len() + 1).map_err(|_| TooFull)?;
            entries.push(Entry { spread: *spread, value });
            let count = same.len();
            steps.extend((1..).zip(same).map(|(at, (_, change))| Step {
                from_s: change.from_s,
                value: change.value,
                last: at == count,
            }));
        }
        let (shape, lines) = pack(space, &entries)?;
        Ok(Changes { space, shape, lines, steps })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What the changes say of a number at a time: nothing, that it went back (0), or where to.
    #[must_use]
    pub fn find(&self, number: u64, now_s: u64) -> Option<u16> {
        let at = Lines::new(self.shape, &self.lines).find(self.space.spread(number)?)?;
        let steps = self.steps.get(usize::try_from(at).ok()? - 1..)?;
        let behind = steps.iter().position(|step| step.last)?;
        let own = steps.get(..=behind)?;
        own.iter().rev().find(|step| step.from_s <= now_s).map(|step| step.value)
    }
}

/// A whole table in memory, with more lines where the first try is too full.
fn pack(space: Space, entries: &[Entry]) -> Result<(Shape, Vec<u8>), TooFull> {
    let count = u64::try_from(entries.len()).map_err(|_| TooFull)?;
    let highest = entries.last().map_or(1, |entry| entry.value);
    for spare in [0, 200, 1_000] {
        let shape = Shape::choose(count, space.bits(), highest, spare).ok_or(TooFull)?;
        let mut stretch = Stretch::new(shape);
        let mut lines = Vec::new();
        let mut rest = entries;
        let filled = (0..shape.stretches()).try_for_each(|number| {
            let behind = rest.partition_point(|entry| shape.stretch_of(entry.spread) <= number);
            let (own, others) = rest.split_at(behind);
            rest = others;
            lines.extend_from_slice(stretch.fill(number, own)?);
            Ok::<(), TooFull>(())
        });
        if filled.is_ok() {
            return Ok((shape, lines));
        }
    }
    Err(TooFull)
}

/// The same list with what no longer matters left out: a later word on a number covers the earlier
/// ones about the same time and all time after it, and of those that are true at `now_s` the last
/// one is enough. Changes of one number keep their order.
#[must_use]
pub fn compact(changes: &[Change], now_s: u64) -> Vec<Change> {
    let mut by_number: Vec<Change> = changes.to_vec();
    by_number.sort_by_key(|change| change.number);
    let mut kept: Vec<Change> = Vec::with_capacity(by_number.len());
    for change in by_number {
        let same = |own: &Change| own.number == change.number;
        while kept.last().is_some_and(|own| same(own) && own.from_s >= change.from_s) {
            kept.pop();
        }
        if change.from_s <= now_s && kept.last().is_some_and(same) {
            kept.pop();
        }
        kept.push(change);
    }
    kept
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn change(number: u64, value: u16, from_s: u64) -> Change {
        Change { number, value, from_s }
    }

    #[test]
    fn each_change_is_true_from_its_time_on() {
        let changes = Changes::new(
            44,
            &[
                change(447_700_900_123, 2, 500),
                change(447_700_900_123, 1, 100),
                change(447_700_900_123, 0, 900),
                change(447_700_900_123, 3, 500),
                change(447_700_900_124, 7, 0),
                change(337_700_900_124, 7, 0),
            ],
        )
        .unwrap();
        let at = |now| changes.find(447_700_900_123, now);
        assert_eq!([at(99), at(100), at(499)], [None, Some(1), Some(1)]);
        assert_eq!([at(500), at(899), at(900)], [Some(3), Some(3), Some(0)]);
        assert_eq!(changes.find(447_700_900_124, 0), Some(7));
        assert_eq!(changes.find(447_700_900_125, 0), None);
        assert_eq!(changes.find(337_700_900_124, 0), None);
    }

    #[test]
    fn a_later_word_covers_earlier_ones() {
        let one = |value, from_s| change(447_700_900_123, value, from_s);
        let list = [one(1, 10), one(2, 90), one(3, 20), change(447_700_900_001, 9, 5), one(4, 70)];
        let kept = compact(&list, 50);
        assert_eq!(kept, [change(447_700_900_001, 9, 5), one(3, 20), one(4, 70)]);
        assert_eq!(compact(&list, 70), [change(447_700_900_001, 9, 5), one(4, 70)]);
        let at = |list: &[Change], now| Changes::new(44, list).unwrap().find(447_700_900_123, now);
        for now in [50, 69, 70, 1_000] {
            assert_eq!(at(&kept, now), Some(if now < 70 { 3 } else { 4 }));
        }
    }

    #[test]
    fn none_is_a_table_too() {
        let changes = Changes::new(44, &[]).unwrap();
        assert!(changes.is_empty());
        assert_eq!(changes.find(447_700_900_123, 5), None);
    }

    #[test]
    fn many_numbers_are_told_apart() {
        let number = |at: u64| 447_000_000_000 + at * 997;
        let list: Vec<Change> =
            (0..100_000).map(|at| change(number(at), u16::try_from(at % 60).unwrap(), 0)).collect();
        let changes = Changes::new(44, &list).unwrap();
        for own in &list {
            assert_eq!(changes.find(own.number, 1), Some(own.value));
            assert_eq!(changes.find(own.number + 1, 1), None);
        }
    }
}
