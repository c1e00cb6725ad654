//! The unanswered requests of one session: who waits for which sequence number, since when, and which
//! numbers stay reserved because their answer may still come (3.4 section 2.7). One per session.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use crate::command::CommandId;

/// Greatest sequence number (3.4 section 3.2).
pub(super) const SEQUENCE_MAX: u32 = 0x7FFF_FFFF;
/// Timed-out requests whose late answer is still recognised; beyond it the lowest number is forgotten.
const LATE_MAX: usize = 4096;
/// Answered slots that may lie between unanswered ones before they are swept out.
const DEAD_MAX: usize = 64;

/// A request that waits for its answer.
#[derive(Copy, Clone, Debug)]
pub(super) struct Slot {
    pub(super) sequence: u32,
    /// The request.
    pub(super) command: CommandId,
    pub(super) token: u64,
    pub(super) sent: Duration,
    live: bool,
}

/// Slots in the order of sending, which is that of their numbers and of their deadlines: the oldest is in
/// front, so one constant time-out needs no heap, and a number is found by bisection.
#[derive(Debug, Default)]
pub(super) struct Window {
    slots: VecDeque<Slot>,
    live: usize,
    late: BTreeMap<u32, Slot>,
}

/// How far `to` lies behind `from` on the circle 1..=`SEQUENCE_MAX`.
fn distance(from: u32, to: u32) -> u32 {
    if to >= from { to - from } else { SEQUENCE_MAX - (from - to) }
}

impl Window {
    /// Requests that wait for their answer.
    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// True when the number waits for an answer, or is reserved for a late one.
    pub(super) fn contains(&self, sequence: u32) -> bool {
        self.find(sequence).is_some()
            || (!self.late.is_empty() && self.late.contains_key(&sequence))
    }

    /// When the oldest unanswered request was sent.
    pub(super) fn oldest_sent(&self) -> Option<Duration> {
        self.slots.front().map(|slot| slot.sent)
    }

    /// Adds a request; its number comes after all those in the window.
    pub(super) fn push(&mut self, sequence: u32, command: CommandId, token: u64, sent: Duration) {
        debug_assert!((1..=SEQUENCE_MAX).contains(&sequence), "sequence out of range");
        debug_assert!(!self.contains(sequence), "sequence in use");
        self.slots.push_back(Slot { sequence, command, token, sent, live: true });
        self.live += 1;
    }

    /// Takes out the request with this number. Most answers come in the order of their requests.
    pub(super) fn take(&mut self, sequence: u32) -> Option<Slot> {
        let in_order = self.slots.pop_front_if(|slot| slot.sequence == sequence);
        let taken = match in_order {
            Some(slot) => slot,
            None => {
                let at = self.find(sequence)?;
                let slot = self.slots.get_mut(at)?;
                slot.live = false;
                *slot
            }
        };
        self.live -= 1;
        self.sweep();
        Some(taken)
    }

    /// Takes out the timed-out request with this number, and frees the number.
    pub(super) fn take_late(&mut self, sequence: u32) -> Option<Slot> {
        self.late.remove(&sequence)
    }

    /// Takes out the oldest request if it was sent at or before `limit`; its number stays reserved.
    pub(super) fn expire(&mut self, limit: Duration) -> Option<Slot> {
        self.slots.front().filter(|slot| slot.sent <= limit)?;
        let slot = self.slots.pop_front()?;
        self.live -= 1;
        self.sweep();
        if self.late.len() >= LATE_MAX {
            self.late.pop_first();
        }
        self.late.insert(slot.sequence, slot);
        Some(slot)
    }

    /// Empties the window, oldest first, and forgets every reserved number.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Slot> {
        self.live = 0;
        self.late.clear();
        core::mem::take(&mut self.slots).into_iter().filter(|slot| slot.live)
    }

    /// Where the unanswered request with this number is. Numbers follow each other but for those that were
    /// skipped and swept out: most are as far from the front as their number is.
    fn find(&self, sequence: u32) -> Option<usize> {
        let first = self.slots.front()?.sequence;
        if !(1..=SEQUENCE_MAX).contains(&sequence) {
            return None;
        }
        let wanted = distance(first, sequence);
        if distance(first, self.slots.back()?.sequence) < wanted {
            return None;
        }
        let guess = usize::try_from(wanted).ok()?;
        let found = match self.slots.get(guess) {
            Some(slot) if slot.sequence == sequence => guess,
            _ => {
                let key = |slot: &Slot| distance(first, slot.sequence);
                self.slots.binary_search_by_key(&wanted, key).ok()?
            }
        };
        self.slots.get(found).filter(|slot| slot.live).map(|_| found)
    }

    /// Keeps the front live, and the dead no more than the live and a few: constant time on average.
    fn sweep(&mut self) {
        while self.slots.front().is_some_and(|slot| !slot.live) {
            self.slots.pop_front();
        }
        if self.slots.len() > 2 * self.live + DEAD_MAX {
            self.slots.retain(|slot| slot.live);
        }
    }
}

/// Gives out sequence numbers: from 1 upwards, from the greatest back to 1.
#[derive(Debug)]
pub(super) struct Sequences {
    next: u32,
}

impl Sequences {
    /// Starts at `next`, 1 for a new connection.
    pub(super) fn starting_at(next: u32) -> Self {
        Self { next }
    }

    /// The next number that is not in the window.
    pub(super) fn take(&mut self, window: &Window) -> u32 {
        loop {
            let sequence = self.next;
            self.next = if sequence >= SEQUENCE_MAX { 1 } else { sequence + 1 };
            if !window.contains(sequence) {
                return sequence;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const SUBMIT: CommandId = CommandId::SUBMIT_SM;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn sequence_wraps_to_one_and_skips_numbers_in_flight_and_reserved() {
        let mut window = Window::default();
        let mut sequences = Sequences::starting_at(1);
        let first = sequences.take(&window);
        window.push(first, SUBMIT, 10, at(0));
        let second = sequences.take(&window);
        window.push(second, SUBMIT, 20, at(5));
        assert_eq!(window.expire(at(0)).unwrap().token, 10, "1 is reserved from here");
        sequences = Sequences::starting_at(SEQUENCE_MAX - 1);
        let numbers: Vec<u32> = (0..3)
            .map(|_| {
                let sequence = sequences.take(&window);
                window.push(sequence, SUBMIT, 0, at(6));
                sequence
            })
            .collect();
        assert_eq!(numbers, [SEQUENCE_MAX - 1, SEQUENCE_MAX, 3], "1 is reserved, 2 in flight");
        assert_eq!(window.take(2).unwrap().token, 20);
        assert_eq!(window.take(3).unwrap().sequence, 3);
        assert_eq!(window.take_late(1).unwrap().token, 10);
        assert!(!window.contains(1));
    }

    #[test]
    fn one_stuck_request_does_not_make_the_window_grow() {
        let mut window = Window::default();
        window.push(1, SUBMIT, 0, at(0));
        for sequence in 2..100_000 {
            window.push(sequence, SUBMIT, 0, at(1));
            assert!(window.take(sequence).is_some());
            assert!(window.slots.len() <= 2 * window.len() + DEAD_MAX);
        }
        assert_eq!(window.len(), 1);
        assert_eq!(window.oldest_sent(), Some(at(0)));
    }

    #[test]
    fn reserved_numbers_are_bounded() {
        let mut window = Window::default();
        for sequence in 1..10_000 {
            window.push(sequence, SUBMIT, 0, at(0));
            assert!(window.expire(at(0)).is_some());
        }
        assert_eq!(window.late.len(), LATE_MAX);
        assert!(window.take_late(9_999).is_some(), "the newest is kept");
        assert!(window.take_late(1).is_none(), "the oldest is forgotten");
    }

    #[test]
    fn numbers_out_of_range_match_nothing() {
        let mut window = Window::default();
        window.push(SEQUENCE_MAX, SUBMIT, 0, at(0));
        window.push(1, SUBMIT, 1, at(0));
        for sequence in [0, SEQUENCE_MAX + 1, u32::MAX, 2] {
            assert!(window.take(sequence).is_none(), "{sequence:#x}");
        }
        assert_eq!(window.take(1).unwrap().token, 1);
    }
}
