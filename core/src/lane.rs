//! How urgent a message is. Pure, lives nowhere: the edge reads it from the request, the log keeps it,
//! and the queue of each carrier goes by it.

use core::time::Duration;

use crate::clock::UnixMs;
use crate::limits::OTP_LIFE;

/// The urgency of a message: those of a lane before are sent first, but no lane is left without a
/// turn. Within a lane customers share by weight, and each customer's messages go in order of their
/// [`Lane::deadline`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// One-time passwords and what else is worth nothing some minutes later.
    Otp = 0,
    /// What one customer has to say to one recipient.
    #[default]
    Transactional = 1,
    /// What many recipients are told at once.
    Bulk = 2,
}

impl Lane {
    /// Every lane, most urgent first.
    pub const ALL: [Lane; 3] = [Lane::Otp, Lane::Transactional, Lane::Bulk];

    /// The lane of a message over SMPP. `priority`: priority_flag 0 to 3 [3.4 section 5.2.14]; 2 and 3
    /// ask for haste. Nearly every client leaves it at 0, which therefore says nothing: `to_many` does,
    /// that it is one of several messages that were submitted at once.
    #[must_use]
    pub const fn of_priority(priority: u8, to_many: bool) -> Lane {
        match (priority, to_many) {
            (0, true) => Lane::Bulk,
            (0 | 1, _) => Lane::Transactional,
            (2.., _) => Lane::Otp,
        }
    }

    /// Its place in [`Lane::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The lane with this place in [`Lane::ALL`].
    #[must_use]
    pub fn at(index: usize) -> Option<Lane> {
        Lane::ALL.get(index).copied()
    }

    /// How long a message of this lane is valid whose request does not say; `None`: as any other.
    /// A password that comes later than that is refused by whoever asked for it, and costs as much as
    /// one that comes in time.
    #[must_use]
    pub const fn usual_validity(self) -> Option<Duration> {
        match self {
            Lane::Otp => Some(OTP_LIFE),
            Lane::Transactional | Lane::Bulk => None,
        }
    }

    /// When a message should have been sent: at the end of its validity, and of a one-time password's
    /// useful life at the latest. `from`: when it may be sent. The order of a customer's messages in
    /// its lane; nothing expires by it.
    #[must_use]
    pub fn deadline(self, from: UnixMs, valid_until: UnixMs) -> UnixMs {
        match self.usual_validity() {
            Some(life) => valid_until.min(from.after(life)),
            None => valid_until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn haste_and_numbers_of_recipients_make_the_lane() {
        let lanes = [0, 1, 2, 3].map(|priority| Lane::of_priority(priority, false));
        assert_eq!(lanes, [Lane::Transactional, Lane::Transactional, Lane::Otp, Lane::Otp]);
        let lanes = [0, 1, 2, 3].map(|priority| Lane::of_priority(priority, true));
        assert_eq!(lanes, [Lane::Bulk, Lane::Transactional, Lane::Otp, Lane::Otp]);
    }

    #[test]
    fn a_password_is_late_before_its_validity_ends() {
        let (from, day) = (UnixMs(1_000), UnixMs(86_400_000));
        assert_eq!(Lane::Otp.deadline(from, day), from.after(OTP_LIFE));
        assert_eq!(Lane::Otp.deadline(from, UnixMs(5_000)), UnixMs(5_000));
        for lane in [Lane::Transactional, Lane::Bulk] {
            assert_eq!(lane.deadline(from, day), day, "{lane:?}");
        }
    }

    #[test]
    fn places_lead_to_lanes() {
        for lane in Lane::ALL {
            assert_eq!(Lane::at(lane.index()), Some(lane));
        }
        assert_eq!(Lane::at(3), None);
    }
}
