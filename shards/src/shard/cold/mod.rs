//! Hot and cold: a message is hot while it is in the shard's memory, and cold while only the disk has
//! it. The machines here decide which messages are hot, and keep what wakes a cold one. Pure; one of
//! each per shard.

pub mod active;
pub mod backlog;
pub mod due;
pub mod queue;
pub mod receipts;
pub mod store;
mod turns;
mod window;

#[cfg(test)]
mod disk_tests;

use postrider_core::lane::Lane;
use postrider_core::sender::SenderId;

pub use self::active::{ActiveSet, Seats};
pub use self::backlog::{Backlog, Cold, Turn};
pub use self::due::{Due, DueTurn};
pub use self::queue::{FairQueue, Waiting};
pub use self::receipts::ReceiptIndex;
pub use self::store::{ColdConfig, ColdState, ColdStore, ColdTurn, Filing};

/// Of this many turns the last is one of a later lane.
pub(super) const LANE_TURNS: u8 = 8;

/// The order in which lanes are looked at in a turn: the most urgent first, save in one of
/// [`LANE_TURNS`], which the two others share.
const fn order_of(turn: u8) -> [Lane; 3] {
    match turn % (2 * LANE_TURNS) {
        7 => [Lane::Transactional, Lane::Bulk, Lane::Otp],
        15 => [Lane::Bulk, Lane::Transactional, Lane::Otp],
        _ => Lane::ALL,
    }
}

/// The share of each customer, by its durable number: among those that wait for the same thing, one
/// with twice the weight gets twice as many parts.
pub type Weights<'a> = &'a dyn Fn(u32) -> u16;

/// Numbers from here on stand for a sender with a rate of its own at a carrier; no carrier has one.
const SENDERS: u32 = 1 << 31;

/// Where such a number has its seats, as a power of two, and the greatest.
const SEATS_AT: u32 = 27;
const SEATS_MAX: u32 = 14;

/// Stands for the customer itself where a carrier's number is asked for; no carrier has it.
const TO_CUSTOMER: u32 = u32::MAX;

/// What waits together: the messages of one customer in one lane towards one carrier; or those of
/// which the customer's own binds are owed a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    /// Durable number of the carrier.
    pub carrier: u32,
    /// How urgent they are.
    pub lane: Lane,
    /// Durable number of the customer.
    pub customer: u32,
}

impl Group {
    /// The messages of which a customer's binds are owed receipts.
    #[must_use]
    pub const fn owed(customer: u32) -> Group {
        Group { carrier: TO_CUSTOMER, lane: Lane::Otp, customer }
    }

    /// What messages of a sender with a rate of its own wait with, by its [`sender_number`].
    #[must_use]
    pub const fn of_sender(sender: u32, lane: Lane, customer: u32) -> Group {
        Group { carrier: sender, lane, customer }
    }

    /// Whether it waits for its customer's binds.
    #[must_use]
    pub const fn is_owed(self) -> bool {
        self.carrier == TO_CUSTOMER
    }

    /// The group's number on disk. It follows from what the group is, so that nothing has to remember
    /// it; two groups may share one, since the message itself says which it belongs to.
    #[must_use]
    pub fn number(self) -> u32 {
        let lane = u64::from(self.lane as u8) + 1;
        let mut z = u64::from(self.carrier) << 32 | u64::from(self.customer);
        z ^= lane.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u32::try_from(z >> 32).unwrap_or_default()
    }
}

/// The number that stands for a sender and a carrier in place of the carrier's, with seats in each lane.
/// It follows from these, as it has to be the same after a restart; two pairs may share one.
#[must_use]
pub fn sender_number(sender: &SenderId, carrier: u32, seats: usize) -> u32 {
    let mix = |hash: u32, octet: u8| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193);
    let hash = sender.as_text().bytes().chain(carrier.to_le_bytes()).fold(0x811C_9DC5, mix);
    let class = seats.clamp(1, 1 << SEATS_MAX).next_power_of_two().trailing_zeros();
    SENDERS | class << SEATS_AT | (hash ^ hash >> 16) & ((1 << SEATS_AT) - 1)
}

/// Whether a group's number of a carrier stands for a sender.
const fn is_sender(carrier: u32) -> bool {
    carrier >= SENDERS && carrier != TO_CUSTOMER
}

/// Seats in each lane of what such a number stands for.
const fn sender_seats(carrier: u32) -> usize {
    1 << (carrier >> SEATS_AT & 0xF)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn numbers_of_senders_stay_what_they_are_and_are_no_carriers() {
        let number = |text: &str, carrier, seats| {
            sender_number(&SenderId::parse(text).unwrap(), carrier, seats)
        };
        // They are on disk: a change of these is a change of the format.
        let some = [number("Acme", 1, 2), number("Acme", 2, 2), number("12345", 1, 200)];
        assert_eq!(some, [2_380_472_653, 2_377_584_682, 3_266_336_729]);
        assert_eq!(some.map(sender_seats), [2, 2, 256]);
        let all = (1_000..9_000).map(|code| number(&code.to_string(), 1, usize::MAX));
        assert!(all.clone().all(|own| is_sender(own) && sender_seats(own) == 1 << SEATS_MAX));
        assert_eq!(all.collect::<std::collections::BTreeSet<u32>>().len(), 8_000);
        assert!(!is_sender(TO_CUSTOMER) && !is_sender(70_000));
    }

    #[test]
    fn numbers_of_groups_stay_what_they_are() {
        let number = |carrier, lane, customer| Group { carrier, lane, customer }.number();
        // They are on disk: a change of these is a change of the format.
        assert_eq!(number(1, Lane::Otp, 1), 431_629_336);
        assert_eq!(number(1, Lane::Bulk, 1), 3_997_878_782);
        assert_eq!(number(7, Lane::Transactional, 65_535), 1_397_637_803);
    }

    #[test]
    fn ten_thousand_groups_hardly_share_numbers() {
        let mut numbers = std::collections::BTreeSet::new();
        for carrier in 1..=10 {
            for customer in 1..=334 {
                for lane in Lane::ALL {
                    numbers.insert(Group { carrier, lane, customer }.number());
                }
            }
        }
        assert!(numbers.len() >= 10_020 - 2, "{}", numbers.len());
    }
}
