//! Where a record lies in the log, in one number, and lists of such numbers. Pure, lives nowhere.

use crate::disk::SegmentId;

/// Bits of a packed position that hold the offset: segments are at most 256 MiB.
const OFFSET_BITS: u32 = 28;
/// Bits of a packed position that hold the segment's number.
const SEGMENT_BITS: u32 = 32;

/// Where a record's frame begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The segment; its number is below 2^32.
    pub segment: SegmentId,
    /// Bytes from the start of the segment; below 2^28.
    pub offset: u32,
}

impl Position {
    /// Bits of the packed form; those above are zero.
    pub const BITS: u32 = SEGMENT_BITS + OFFSET_BITS;

    /// The position in one number, never 0: segments are numbered from 1.
    ///
    /// # Panics
    /// When segment or offset is out of its range: the configuration bounds both.
    #[must_use]
    pub fn pack(self) -> u64 {
        let Self { segment, offset } = self;
        assert!(
            segment.0 >> SEGMENT_BITS == 0 && segment.0 > 0,
            "segment {} is no place",
            segment.0
        );
        assert!(offset >> OFFSET_BITS == 0, "offset {offset} is over 256 MiB");
        segment.0 << OFFSET_BITS | u64::from(offset)
    }

    /// The position of a packed number; `None` for 0 and for what no position packs to.
    #[must_use]
    pub fn unpack(packed: u64) -> Option<Self> {
        let segment = packed >> OFFSET_BITS;
        let offset = u32::try_from(packed & ((1 << OFFSET_BITS) - 1)).ok()?;
        let valid = segment > 0 && segment >> SEGMENT_BITS == 0;
        valid.then_some(Self { segment: SegmentId(segment), offset })
    }

    /// Adds the position to a list, as in [`Record::Closed`](crate::Record::Closed).
    ///
    /// # Panics
    /// As [`Position::pack`].
    pub fn push_to(self, list: &mut Vec<u8>) {
        list.extend_from_slice(&self.pack().to_le_bytes());
    }

    /// The positions of a list; stops at the first number that is none.
    pub fn list(bytes: &[u8]) -> impl Iterator<Item = Self> {
        let (packed, _) = bytes.as_chunks::<{ size_of::<u64>() }>();
        packed.iter().map_while(|packed| Self::unpack(u64::from_le_bytes(*packed)))
    }

    /// Whether all the bytes are positions.
    pub(crate) fn is_list(bytes: &[u8]) -> bool {
        Self::list(bytes).count() * size_of::<u64>() == bytes.len()
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn packing_keeps_every_position_and_its_order() {
        let places = [(1, 0), (1, 4_160), (1, (1 << 28) - 1), (2, 64), (u64::from(u32::MAX), 7)];
        let packed = places.map(|(segment, offset)| {
            let position = Position { segment: SegmentId(segment), offset };
            assert_eq!(Position::unpack(position.pack()), Some(position));
            position.pack()
        });
        assert!(packed.is_sorted() && packed.iter().all(|packed| packed >> Position::BITS == 0));
        let mut list = Vec::new();
        for (segment, offset) in places {
            Position { segment: SegmentId(segment), offset }.push_to(&mut list);
        }
        assert!(Position::is_list(&list) && Position::is_list(&[]));
        assert!(Position::list(&list).map(Position::pack).eq(packed));
        assert!(!Position::is_list(&list[1..]) && !Position::is_list(&[0; 8]));
        for wrong in [0, 5, 1 << Position::BITS, u64::MAX] {
            assert_eq!(Position::unpack(wrong), None, "{wrong}");
        }
    }
}
