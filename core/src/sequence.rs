//! Numbers of messages, unique over a whole data directory: a counter and the log in which the message
//! was accepted. Pure, lives nowhere.
//!
//! The first releases counted in each log by itself, from 1. Such a number says nothing of its log, so a
//! message that moves to another log with one is known there by another number, made of both. The three
//! kinds have ranges of their own, in the order of their ages: messages of one handset keep their order.

use crate::id::SEQUENCE_MAX;

/// Bits of a number that name the log.
const LOG_BITS: u32 = 8;
/// Where the numbers with a log in them begin.
const FIRST: u64 = 1 << 55;
/// Where those begin that moved messages of the first releases have.
const FIRST_MOVED: u64 = 1 << 54;
const _: () = assert!(FIRST < SEQUENCE_MAX && crate::limits::MAX_SHARDS as u64 <= 1 << LOG_BITS);

/// Numbers that no message has: from here on, up to those of moved messages, a shard names what it does
/// for others. No log of the first releases counted so far.
pub const NO_MESSAGE: u64 = 1 << 53;

/// Whether a number is none of a message.
#[must_use]
pub const fn is_no_message(sequence: u64) -> bool {
    NO_MESSAGE <= sequence && sequence < FIRST_MOVED
}

/// Where a message was accepted.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Into this log.
    Log(u16),
    /// Into the log that knows it by this number: it has not moved since.
    Here,
}

/// The first free number of a log, not below `next`, which counts what is taken.
#[must_use]
pub fn next_free(next: u64, log: u16) -> u64 {
    let (next, log) = (next.max(FIRST), u64::from(log));
    let counter = next.saturating_sub(log).div_ceil(1 << LOG_BITS);
    counter << LOG_BITS | log
}

/// The log that a number names.
#[must_use]
pub fn origin(sequence: u64) -> Origin {
    if sequence < FIRST_MOVED { Origin::Here } else { Origin::Log(log_in(sequence)) }
}

/// The number by which the log `to` knows a message that the log `from` knows by `sequence`.
#[must_use]
pub fn moved(sequence: u64, from: u16, to: u16) -> u64 {
    let (log, counted) = match origin(sequence) {
        Origin::Here => (from, sequence),
        Origin::Log(_) if sequence >= FIRST => return sequence,
        Origin::Log(log) => (log, (sequence - FIRST_MOVED) >> LOG_BITS),
    };
    if log == to { counted } else { FIRST_MOVED | counted << LOG_BITS | u64::from(log) }
}

fn log_in(sequence: u64) -> u16 {
    u16::try_from(sequence & ((1 << LOG_BITS) - 1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_logs_never_meet() {
        for log in [0, 1, 7, 255] {
            let mut taken = 0;
            for _ in 0..1_000 {
                let next = next_free(taken, log);
                assert!(next >= taken && next <= SEQUENCE_MAX);
                assert_eq!(origin(next), Origin::Log(log));
                assert_eq!(moved(next, log, 3), next);
                taken = next + 1;
            }
        }
        // What another log has taken only leaves a gap.
        assert_eq!(next_free(next_free(0, 9) + 1, 2), next_free(0, 2) + 256);
        assert_eq!(next_free(next_free(0, 2) + 1, 9), next_free(0, 9));
    }

    #[test]
    fn old_numbers_move_and_come_back() {
        for (own, counted) in [(0, 1), (3, 77), (255, 1 << 40)] {
            assert_eq!(origin(counted), Origin::Here);
            assert_eq!(moved(counted, own, own), counted);
            let away = moved(counted, own, 12);
            assert_eq!(origin(away), Origin::Log(own));
            assert_eq!(moved(away, 12, 4), away);
            assert_eq!(moved(away, 4, own), counted);
        }
    }

    #[test]
    fn messages_of_all_ages_keep_their_order() {
        let (first, second) = (moved(5, 1, 0), moved(6, 1, 0));
        assert!(6 < first && first < second && second < next_free(0, 0));
        // The same number of two logs.
        assert_ne!(moved(5, 1, 0), moved(5, 2, 0));
    }
}
