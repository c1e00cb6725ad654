//! What a checkpoint tells of a shard beside its indexes: which messages were in memory, what else was
//! held, and the counters. It names records by their places and holds nothing of what they say. Pure,
//! lives nowhere.

use std::collections::BTreeMap;

use postrider_core::clock::UnixMs;
use postrider_storage::checkpoint::Checkpoint;
use postrider_storage::{Lsn, Position, SegmentId};

/// The layout of the sections below. A checkpoint with another is not used.
const VERSION: u64 = 1;

const COUNTERS: &str = "counters";
const MESSAGES: &str = "messages";
const INBOUND: &str = "inbound";
const KNOWN: &str = "inbound known";
const ORPHANS: &str = "orphans";
const AGES: &str = "ages";
const REFERENCES: &str = "references";

/// A message that was in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::shard) struct Listed {
    /// Its records in segments that are not replayed, oldest first.
    pub(in crate::shard) records: Vec<Position>,
    /// How many of these its record of kind closed names; 0: there is none, or it is replayed.
    pub(in crate::shard) closed: usize,
}

/// See the module's page. The default is that of a shard without a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::shard) struct Past {
    /// The last record that it takes into account.
    pub(in crate::shard) until: Lsn,
    /// The first segment that is replayed.
    pub(in crate::shard) from: SegmentId,
    /// Messages in memory, by sequence.
    pub(in crate::shard) messages: BTreeMap<u64, Listed>,
    /// Messages from handsets that are held, by number, with the places of their records.
    pub(in crate::shard) inbound: BTreeMap<u64, Position>,
    /// Parked receipts, the same.
    pub(in crate::shard) orphans: BTreeMap<u64, Position>,
    /// When fragments that came of late came first, and their fingerprints.
    pub(in crate::shard) known: Vec<(UnixMs, u64)>,
    /// When segments were written last, ascending.
    pub(in crate::shard) ages: Vec<(SegmentId, UnixMs)>,
    /// Counters of concatenation references that are not 0, by place.
    pub(in crate::shard) references: Vec<(u16, u16)>,
    pub(in crate::shard) next_sequence: u64,
    pub(in crate::shard) next_inbound: u64,
    pub(in crate::shard) next_orphan: u64,
    /// Open messages that were on disk alone, and the octets of their records.
    pub(in crate::shard) cold: (u64, u64),
}

impl Past {
    /// Adds it to a checkpoint, which holds the rest of it already.
    pub(in crate::shard) fn add_to(&self, checkpoint: &mut Checkpoint) {
        // What is added to the state is added to a section.
        let Past { until: _, from: _, next_sequence: _, .. } = self;
        let mut add = |name, numbers: Vec<u64>| checkpoint.add(name, bytes(numbers));
        let (cold, octets) = self.cold;
        add(COUNTERS, vec![VERSION, self.next_inbound, self.next_orphan, cold, octets]);
        let mut messages = Vec::new();
        for (sequence, listed) in &self.messages {
            let counts = [listed.closed, listed.records.len()];
            messages.push(*sequence);
            messages.extend(counts.map(|count| u64::try_from(count).unwrap_or(u64::MAX)));
            messages.extend(listed.records.iter().map(|at| at.pack()));
        }
        add(MESSAGES, messages);
        let places = |held: &BTreeMap<u64, Position>| {
            held.iter().flat_map(|(number, at)| [*number, at.pack()]).collect()
        };
        add(INBOUND, places(&self.inbound));
        add(ORPHANS, places(&self.orphans));
        add(KNOWN, self.known.iter().flat_map(|(at, print)| [at.0, *print]).collect());
        add(AGES, self.ages.iter().flat_map(|(segment, at)| [segment.0, at.0]).collect());
        let packed = |(at, count): &(u16, u16)| u64::from(*at) << 16 | u64::from(*count);
        add(REFERENCES, self.references.iter().map(packed).collect());
    }

    /// What a checkpoint tells; `None` when its sections are not as this release writes them.
    pub(in crate::shard) fn of(checkpoint: &Checkpoint) -> Option<Self> {
        let counters = numbers(checkpoint, COUNTERS)?;
        let [VERSION, next_inbound, next_orphan, cold, octets] = counters.as_slice() else {
            return None;
        };
        let pairs = |name| {
            let numbers = numbers(checkpoint, name)?;
            let (pairs, rest) = numbers.as_chunks::<2>();
            rest.is_empty().then(|| pairs.to_vec())
        };
        let places = |name| -> Option<BTreeMap<u64, Position>> {
            let pairs = pairs(name)?.into_iter();
            pairs.map(|[number, at]| Some((number, Position::unpack(at)?))).collect()
        };
        let counter = |packed: u64| {
            let at = u16::try_from(packed >> 16).ok()?;
            Some((at, u16::try_from(packed & 0xffff).ok()?))
        };
        let ages = pairs(AGES)?.into_iter().map(|[segment, at]| (SegmentId(segment), UnixMs(at)));
        Some(Past {
            until: checkpoint.lsn,
            from: checkpoint.low_water.segment,
            messages: messages(&numbers(checkpoint, MESSAGES)?)?,
            inbound: places(INBOUND)?,
            orphans: places(ORPHANS)?,
            known: pairs(KNOWN)?.into_iter().map(|[at, print]| (UnixMs(at), print)).collect(),
            ages: ages.collect(),
            references: numbers(checkpoint, REFERENCES)?
                .into_iter()
                .map(counter)
                .collect::<Option<_>>()?,
            next_sequence: checkpoint.next_sequence,
            next_inbound: *next_inbound,
            next_orphan: *next_orphan,
            cold: (*cold, *octets),
        })
    }
}

/// A section of numbers.
pub(super) fn bytes(numbers: Vec<u64>) -> Vec<u8> {
    numbers.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// The numbers of a section.
pub(in crate::shard) fn numbers(checkpoint: &Checkpoint, name: &str) -> Option<Vec<u64>> {
    let (numbers, rest) = checkpoint.section(name)?.as_chunks::<8>();
    rest.is_empty().then(|| numbers.iter().map(|number| u64::from_le_bytes(*number)).collect())
}

fn messages(mut rest: &[u64]) -> Option<BTreeMap<u64, Listed>> {
    let mut messages = BTreeMap::new();
    while let Some(([sequence, closed, count], behind)) = rest.split_first_chunk::<3>() {
        let (records, left) = behind.split_at_checked(usize::try_from(*count).ok()?)?;
        let records = records.iter().map(|at| Position::unpack(*at)).collect::<Option<_>>()?;
        let closed = usize::try_from(*closed).ok()?;
        messages.insert(*sequence, Listed { records, closed });
        rest = left;
    }
    rest.is_empty().then_some(messages)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn at(segment: u64, offset: u32) -> Position {
        Position { segment: SegmentId(segment), offset }
    }

    fn sample() -> Past {
        let records = vec![at(1, 4_160), at(2, 64)];
        Past {
            until: Lsn(77),
            from: SegmentId(3),
            messages: BTreeMap::from([(4, Listed::default()), (9, Listed { records, closed: 2 })]),
            inbound: BTreeMap::from([(1, at(1, 64))]),
            orphans: BTreeMap::from([(7, at(3, 64)), (8, at(2, 128))]),
            known: vec![(UnixMs(5), u64::MAX), (UnixMs(6), 0)],
            ages: vec![(SegmentId(1), UnixMs(10)), (SegmentId(2), UnixMs(20))],
            references: vec![(0, 1), (u16::MAX, u16::MAX)],
            next_sequence: 10,
            next_inbound: 2,
            next_orphan: 9,
            cold: (3, 900),
        }
    }

    fn checkpoint(past: &Past) -> Checkpoint {
        let low_water = Position { segment: past.from, offset: 0 };
        let mut made = Checkpoint::new(1, past.until, low_water, past.next_sequence, 1_000);
        past.add_to(&mut made);
        made
    }

    #[test]
    fn a_past_comes_back_as_it_was_told() {
        for past in [sample(), Past { from: SegmentId(1), ..Past::default() }] {
            let bytes = checkpoint(&past).write();
            assert_eq!(Past::of(&Checkpoint::read(&bytes).unwrap()), Some(past));
        }
    }

    #[test]
    fn other_sections_are_not_taken_for_it() {
        let whole = checkpoint(&sample());
        for (left_out, _) in whole.sections() {
            let mut other = Checkpoint::new(1, Lsn(77), whole.low_water, 10, 1_000);
            for (name, bytes) in whole.sections().filter(|(name, _)| *name != left_out) {
                other.add(name, bytes.to_vec());
            }
            assert_eq!(Past::of(&other), None, "without {left_out}");
            other.add(left_out, vec![0; 20]);
            assert_eq!(Past::of(&other), None, "with another {left_out}");
        }
    }
}
