//! What a checkpoint keeps of the registers: which there are, what is not written into them yet,
//! and the count of open messages by segment. Pure.

use std::collections::BTreeMap;

use crate::disk::SegmentId;

const VERSION: u16 = 1;
const FLAG_CONDEMNED: u8 = 1;

/// The registers at the time of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Snapshot {
    pub(super) next_number: u64,
    pub(super) oldest: u64,
    pub(super) registers: Vec<Known>,
    pub(super) live: BTreeMap<u64, u32>,
    pub(super) slots: BTreeMap<u64, u64>,
}

/// A register that must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) number: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) home: SegmentId,
    pub(super) condemned: bool,
}

impl Snapshot {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&VERSION.to_le_bytes());
        put(out, &[self.next_number, self.oldest, self.registers.len() as u64]);
        for known in &self.registers {
            put(out, &[known.number, known.first, known.last, known.home.0]);
            out.push(if known.condemned { FLAG_CONDEMNED } else { 0 });
        }
        put(out, &[self.live.len() as u64]);
        for (segment, count) in &self.live {
            put(out, &[*segment]);
            out.extend_from_slice(&count.to_le_bytes());
        }
        put(out, &[self.slots.len() as u64]);
        for (sequence, slot) in &self.slots {
            put(out, &[*sequence, *slot]);
        }
    }

    /// `None` when it is of another version, or not whole.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        if u16::from_le_bytes(take(&mut rest)?) != VERSION {
            return None;
        }
        let (next_number, oldest) = (number(&mut rest)?, number(&mut rest)?);
        let mut snapshot = Self { next_number, oldest, ..Self::default() };
        for _ in 0..number(&mut rest)? {
            let [register, first, last, home] = numbers(&mut rest)?;
            let [flags] = take(&mut rest)?;
            snapshot.registers.push(Known {
                number: register,
                first,
                last,
                home: SegmentId(home),
                condemned: flags & FLAG_CONDEMNED != 0,
            });
        }
        for _ in 0..number(&mut rest)? {
            let segment = number(&mut rest)?;
            snapshot.live.insert(segment, u32::from_le_bytes(take(&mut rest)?));
        }
        for _ in 0..number(&mut rest)? {
            let [sequence, slot] = numbers(&mut rest)?;
            snapshot.slots.insert(sequence, slot);
        }
        rest.is_empty().then_some(snapshot)
    }
}

fn put(out: &mut Vec<u8>, numbers: &[u64]) {
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_le_bytes)
}

fn numbers<const N: usize>(rest: &mut &[u8]) -> Option<[u64; N]> {
    let mut all = [0; N];
    for one in &mut all {
        *one = number(rest)?;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn a_snapshot_comes_back_whole_or_not_at_all() {
        let known = Known { number: 3, first: 7, last: 9, home: SegmentId(2), condemned: true };
        let snapshot = Snapshot {
            next_number: 4,
            oldest: 2,
            registers: vec![known, Known { number: 1, condemned: false, ..known }],
            live: BTreeMap::from([(2, 5), (3, 1)]),
            slots: BTreeMap::from([(7, 0), (8, 99)]),
        };
        let mut bytes = Vec::new();
        snapshot.encode(&mut bytes);
        assert_eq!(Snapshot::decode(&bytes), Some(snapshot));
        for end in 0..bytes.len() {
            assert_eq!(Snapshot::decode(&bytes[..end]), None, "{end}");
        }
        bytes.push(0);
        assert_eq!(Snapshot::decode(&bytes), None);
    }
}
