//! What a register knows of a message, and where the message stands. Pure, lives nowhere.

use crate::disk::SegmentId;
use crate::position::Position;

/// Where a message stands: its status, and the record that leads to everything else about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The number of its status, below 16; the owner gives it its meaning.
    pub status: u8,
    /// Its anchor.
    pub at: Position,
}

impl Slot {
    /// The slot in one number, never 0.
    ///
    /// # Panics
    /// When the status is 16 or more.
    #[must_use]
    pub fn pack(self) -> u64 {
        assert!(self.status < 16, "status {} has no number", self.status);
        u64::from(self.status) << Position::BITS | self.at.pack()
    }

    /// The slot of a packed number; `None` for 0, which is that of a message that is gone.
    #[must_use]
    pub fn unpack(packed: u64) -> Option<Self> {
        let status = u8::try_from(packed >> Position::BITS).ok()?;
        let at = Position::unpack(packed & ((1 << Position::BITS) - 1))?;
        Some(Self { status, at })
    }
}

/// The segment of a packed slot's anchor; 0 for one that is gone.
pub(super) fn anchor_segment(packed: u64) -> u64 {
    Slot::unpack(packed).map_or(0, |slot| slot.at.segment.0)
}

/// A set of statuses, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statuses(u16);

impl Statuses {
    /// Every status.
    pub const ALL: Self = Self(u16::MAX);
    /// None.
    pub(super) const NONE: Self = Self(0);

    /// The set of these.
    #[must_use]
    pub fn of(statuses: &[u8]) -> Self {
        Self(statuses.iter().fold(0, |set, status| set | 1 << (status & 15)))
    }

    /// Whether it has this one.
    #[must_use]
    pub fn has(self, status: u8) -> bool {
        self.0 >> (status & 15) & 1 == 1
    }

    /// Whether a packed slot is one of a message that is there and has one of these statuses.
    pub(super) fn fit(self, packed: u64) -> Option<Slot> {
        Slot::unpack(packed).filter(|slot| self.has(slot.status))
    }

    pub(super) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn bits(self) -> u16 {
        self.0
    }

    pub(super) fn from_bits(bits: u16) -> Self {
        Self(bits)
    }
}

/// A message as a register takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterRow {
    /// Its sequence; those of a log ascend in the order of acceptance.
    pub sequence: u64,
    /// The number of its customer.
    pub customer: u32,
    /// When it was accepted, Unix milliseconds.
    pub accepted_ms: u64,
    /// Keyed hash of its recipient.
    pub recipient: u64,
    /// Keyed hash of its group's id; 0: none.
    pub group: u64,
    /// Where it stands.
    pub slot: Slot,
}

impl RegisterRow {
    pub(super) fn home(&self) -> SegmentId {
        self.slot.at.segment
    }
}

/// A place in a customer's list: when a message was accepted, and its sequence.
pub type Key = (u64, u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_keep_status_and_position() {
        for status in 0..16 {
            for (segment, offset) in [(1, 0), (7, 4_160), (u64::from(u32::MAX), (1 << 28) - 1)] {
                let slot = Slot { status, at: Position { segment: SegmentId(segment), offset } };
                assert_eq!(Slot::unpack(slot.pack()), Some(slot));
                assert_eq!(anchor_segment(slot.pack()), segment);
            }
        }
        assert_eq!(Slot::unpack(0), None);
        assert_eq!(Slot::unpack(3 << Position::BITS), None);
    }

    #[test]
    fn a_set_of_statuses_takes_what_it_names() {
        let set = Statuses::of(&[0, 7, 15]);
        let taken: Vec<u8> = (0..16).filter(|status| set.has(*status)).collect();
        assert_eq!(taken, [0, 7, 15]);
        assert!((0..16).all(|status| Statuses::ALL.has(status) && !Statuses::NONE.has(status)));
    }
}
