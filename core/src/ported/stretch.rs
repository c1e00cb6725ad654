//! Making the lines of one stretch of a table, and reading them back. Pure; a stretch in the making
//! lives on the thread that builds the table.

use super::lines::{LINE, Line, OVERFLOWED, Shape, read};

/// How often numbers are moved to make room for one before the stretch counts as full.
const MOVES: u32 = 500;

/// A scrambled number and its value, which is never 0.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The scrambled number.
    pub spread: u64,
    /// Its value.
    pub value: u32,
}

/// A stretch has no room for all its numbers: the table needs more lines.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stretch of the table is too full")]
pub struct TooFull;

/// The stretch in the making; used again for the next one.
#[derive(Debug)]
pub struct Stretch {
    shape: Shape,
    first_line: u64,
    lines: Vec<Line>,
    /// Slots that are taken, by line.
    taken: Vec<u32>,
    /// Chooses what is moved next: any rule will do that does not go in circles.
    turn: u64,
}

impl Stretch {
    /// For tables of this shape.
    #[must_use]
    pub fn new(shape: Shape) -> Stretch {
        let lines = 1usize << shape.stretch_bits;
        Stretch {
            shape,
            first_line: 0,
            lines: vec![[0; LINE]; lines],
            taken: vec![0; lines],
            turn: 0,
        }
    }

    /// The octets of stretch `number` with these entries, all of which belong into it and differ.
    ///
    /// # Errors
    /// [`TooFull`].
    pub fn fill(&mut self, number: u64, entries: &[Entry]) -> Result<&[u8], TooFull> {
        self.first_line = number << self.shape.stretch_bits;
        self.lines.fill([0; LINE]);
        self.taken.fill(0);
        self.turn = number;
        for entry in entries {
            self.put(*entry)?;
        }
        Ok(self.lines.as_flattened())
    }

    fn put(&mut self, entry: Entry) -> Result<(), TooFull> {
        let place = self.shape.place(entry.spread);
        if self.push(place.line, self.shape.pack(place.tag, false, entry.value)) {
            return Ok(());
        }
        self.mark(place.line);
        let mut line = place.partner;
        let mut slot = self.shape.pack(place.tag, true, entry.value);
        for _ in 0..MOVES {
            if self.push(line, slot) {
                return Ok(());
            }
            // Another number of that line goes to its own other line instead.
            let moved = self.replace(line, slot);
            let Some((tag, in_partner, value)) = self.shape.unpack(moved) else { return Ok(()) };
            let other = self.shape.partner(line, tag);
            if !in_partner {
                self.mark(line);
            }
            slot = self.shape.pack(tag, !in_partner, value);
            line = other;
        }
        Err(TooFull)
    }

    fn at(&self, line: u64) -> usize {
        usize::try_from(line - self.first_line).unwrap_or(usize::MAX)
    }

    fn mark(&mut self, line: u64) {
        let at = self.at(line);
        if let Some([.., last]) = self.lines.get_mut(at) {
            *last = OVERFLOWED;
        }
    }

    /// Puts a slot into a line that has room.
    fn push(&mut self, line: u64, slot: u64) -> bool {
        let at = self.at(line);
        let Some(taken) = self.taken.get_mut(at).filter(|taken| **taken < self.shape.slots())
        else {
            return false;
        };
        let slot_at = *taken;
        *taken += 1;
        self.write(at, slot_at, slot);
        true
    }

    /// Puts a slot in the place of another one of a full line, which is returned.
    fn replace(&mut self, line: u64, slot: u64) -> u64 {
        self.turn = self.turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let slots = u64::from(self.shape.slots());
        let slot_at = u32::try_from((self.turn >> 33) % slots).unwrap_or(0);
        let at = self.at(line);
        let before = self.slot(at, slot_at).map_or(0, |slot| read(slot));
        self.write(at, slot_at, slot);
        before
    }

    fn write(&mut self, line: usize, slot_at: u32, slot: u64) {
        if let Some(place) = self.slot(line, slot_at) {
            place.iter_mut().zip(slot.to_le_bytes()).for_each(|(place, octet)| *place = octet);
        }
    }

    fn slot(&mut self, line: usize, slot_at: u32) -> Option<&mut [u8]> {
        let width = usize::from(self.shape.slot_bytes);
        let slots = self.lines.get_mut(line)?.chunks_exact_mut(width);
        slots.into_iter().nth(usize::try_from(slot_at).ok()?)
    }
}

/// The entries in the octets of stretch `number`, in no order.
pub fn entries(shape: Shape, number: u64, bytes: &[u8]) -> impl Iterator<Item = Entry> {
    let lines = (number << shape.stretch_bits..).zip(bytes.as_chunks::<LINE>().0);
    let slots = usize::try_from(shape.slots()).unwrap_or(0);
    lines.flat_map(move |(line, octets)| {
        let slots = octets.chunks_exact(usize::from(shape.slot_bytes)).take(slots);
        slots.filter_map(move |slot| {
            let (tag, in_partner, value) = shape.unpack(read(slot))?;
            let first = if in_partner { shape.partner(line, tag) } else { line };
            Some(Entry { spread: shape.spread(first, tag), value })
        })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::lines::Lines;
    use super::super::space::Space;
    use super::*;

    /// A whole table in memory.
    fn table(shape: Shape, entries: &BTreeMap<u64, u32>) -> Result<Vec<u8>, TooFull> {
        let mut bytes = Vec::new();
        let mut stretch = Stretch::new(shape);
        for number in 0..shape.stretches() {
            let own =
                entries.iter().map(|(spread, value)| Entry { spread: *spread, value: *value });
            let own: Vec<Entry> =
                own.filter(|entry| shape.stretch_of(entry.spread) == number).collect();
            bytes.extend_from_slice(stretch.fill(number, &own)?);
        }
        assert_eq!(u64::try_from(bytes.len()).unwrap(), shape.bytes());
        Ok(bytes)
    }

    /// Numbers of dense blocks, as they are given out.
    fn clustered(space: Space, count: u64) -> BTreeMap<u64, u32> {
        let block = |at: u64| 447_000_000_000 + (at * 7_919 % 50_000) * 10_000;
        let number = |at: u64| block(at / 800) + (at % 800) * 12;
        let value = |at: u64| u32::try_from(at % 15).unwrap() + 1;
        (0..count).map(|at| (space.spread(number(at)).unwrap(), value(at))).collect()
    }

    #[test]
    fn every_width_finds_what_it_holds_and_nothing_else() {
        let mut widths = Vec::new();
        for highest in [15, 4_000, 900_000, 200_000_000, u32::MAX] {
            for space in [Space::new(44, 10).unwrap(), Space::new(0, 15).unwrap()] {
                let entries = clustered(space, 30_000);
                let shape = Shape::choose(30_000, space.bits(), highest, 0).unwrap();
                widths.push(shape.slot_bytes);
                let bytes = table(shape, &entries).unwrap();
                let lines = Lines::new(shape, &bytes);
                for (spread, value) in &entries {
                    assert_eq!(lines.find(*spread), Some(*value), "{shape:?}");
                }
                let missing = (0..30_000).filter_map(|at| space.spread(446_000_000_000 + at));
                for spread in missing {
                    assert_eq!(lines.find(spread), None, "{shape:?}");
                }
            }
        }
        widths.sort_unstable();
        widths.dedup();
        assert!(widths.len() >= 5, "{widths:?}");
    }

    #[test]
    fn a_batch_finds_what_single_look_ups_find() {
        let space = Space::new(44, 10).unwrap();
        let entries = clustered(space, 20_000);
        let shape = Shape::choose(20_000, space.bits(), 15, 0).unwrap();
        let bytes = table(shape, &entries).unwrap();
        let lines = Lines::new(shape, &bytes);
        let keys: Vec<u64> = entries.keys().copied().collect();
        for at in 0..1_000u64 {
            let spreads: [Option<u64>; 16] = std::array::from_fn(|own| match own % 3 {
                0 => None,
                1 => Some((at * 16 + u64::try_from(own).unwrap()) * 911),
                _ => Some(keys[usize::try_from(at).unwrap() * 16 + own]),
            });
            let single = spreads.map(|spread| spread.and_then(|spread| lines.find(spread)));
            assert_eq!(lines.find_batch(&spreads), single);
        }
    }

    #[test]
    fn a_table_reads_back_as_it_was_made() {
        let space = Space::new(44, 10).unwrap();
        let made = clustered(space, 25_000);
        let shape = Shape::choose(25_000, space.bits(), 15, 0).unwrap();
        let bytes = table(shape, &made).unwrap();
        let size = usize::try_from(shape.bytes() / shape.stretches()).unwrap();
        let stretches = (0..).zip(bytes.chunks_exact(size));
        let read = stretches.flat_map(|(number, bytes)| entries(shape, number, bytes));
        let read: BTreeMap<u64, u32> = read.map(|entry| (entry.spread, entry.value)).collect();
        assert_eq!(read, made);
    }

    #[test]
    fn a_stretch_that_is_too_full_says_so() {
        let space = Space::new(44, 10).unwrap();
        let entries = clustered(space, 30_000);
        let shape = Shape::choose(20_000, space.bits(), 15, 0).unwrap();
        assert_eq!(table(shape, &entries), Err(TooFull));
        let wider = Shape::choose(20_000, space.bits(), 15, 600).unwrap();
        assert!(table(wider, &entries).is_ok());
    }

    #[test]
    fn a_number_takes_at_most_eight_octets() {
        for count in [300_000u64, 1_000_000, 100_000_000, 1_000_000_000] {
            for (bits, highest) in [(34, 4_095), (37, 4_095), (50, 4_095), (34, 15), (50, 31)] {
                let shape = Shape::choose(count, bits, highest, 0).unwrap();
                assert!(shape.bytes() <= count * 8, "{count} {bits} {highest} {shape:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn places_are_exact(
            count in 1u64..200_000_000, key_bits in 16u32..=50, raw in any::<u64>(),
            highest in 1u32..65_536,
        ) {
            let shape = Shape::choose(count, key_bits, highest, 0);
            prop_assume!(shape.is_some());
            let shape = shape.unwrap();
            let spread = raw >> (64 - key_bits);
            let place = shape.place(spread);
            prop_assert!(place.line < shape.lines && place.partner < shape.lines);
            prop_assert!(place.line != place.partner);
            prop_assert_eq!(shape.partner(place.partner, place.tag), place.line);
            prop_assert_eq!(place.line >> shape.stretch_bits, place.partner >> shape.stretch_bits);
            prop_assert_eq!(shape.spread(place.line, place.tag), spread);
        }
    }
}
