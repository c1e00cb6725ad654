//! How fast one sender's parts may leave, over all shards, binds and carriers together. Pure but for
//! two atomics, so no shard waits for another; lives as long as the process, one for each sender with
//! a rate.
//!
//! Rates of senders are small, down to one part a second, and there may be many senders: too little to
//! lend out, so the shards have one [`Pacer`] together. It deals out *slots*, moments at an even
//! distance. A part leaves at its slot or up to [`SENDER_SLACK`] after it; slots are so far from each
//! other that no second, wherever it begins, holds more parts than the rate, late ones too. What a text
//! of several parts at once would crowd stays empty before and after it.
//!
//! Who asks and has to wait is one of those that take turns. Out of its turn one gets a slot that the
//! others left unused for a while. So a slow sender's slots go to where its messages are, and nobody
//! is left out.
//!
//! [`SENDER_SLACK`]: crate::limits::SENDER_SLACK

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use crate::limits;

/// Nanoseconds of the window over which a rate counts.
const SECOND: u64 = 1_000_000_000;

/// A turn lasts at least this, in nanoseconds: timers have whole milliseconds.
const TURN: u64 = 100_000_000;

/// A slot is anybody's once it was unused for this share of a turn.
const UNUSED: u64 = 4;

/// Those that may take turns.
const TAKERS: u32 = u64::BITS;

/// See the module's page.
#[derive(Debug, Default)]
pub struct Pacer {
    /// The next slot, in monotonic nanoseconds; 0 before [`Pacer::begin`].
    next: AtomicU64,
    /// Who waits: one bit for each.
    waiting: AtomicU64,
}

/// What one wants to send.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Parts a second of its sender, at least one.
    pub per_second: u32,
    /// Parts that leave at once, at least one.
    pub parts: u32,
    /// Who asks; beyond the number of those that may take turns, two share one.
    pub taker: u32,
}

impl Wish {
    /// Nanoseconds between two slots.
    fn step(&self) -> u64 {
        (SECOND + nanos(limits::SENDER_SLACK)) / u64::from(self.per_second.max(1)) + 1
    }

    /// Slots that stay empty before a text of several parts, and after it.
    fn crowd(&self) -> u64 {
        u64::from(self.parts.saturating_sub(1))
    }

    fn bit(&self) -> u64 {
        1 << (self.taker % TAKERS)
    }
}

impl Pacer {
    /// Nobody knows what was sent before `now`: that second is over first. Once it has begun this does
    /// nothing.
    pub fn begin(&self, now: Duration) {
        let first = nanos(now).saturating_add(SECOND);
        // When it fails, another shard was first.
        self.next.compare_exchange(0, first, Ordering::AcqRel, Ordering::Acquire).ok();
    }

    /// Takes what is wished at `now`: the parts are to leave now, and by the time that is given at the
    /// latest.
    ///
    /// # Errors
    /// When to ask again: it waits.
    pub fn take(&self, now: Duration, wish: &Wish) -> Result<Duration, Duration> {
        let mut next = self.next.load(Ordering::Acquire);
        loop {
            let slot = self.look(now, wish, next)?;
            let after = slot.saturating_add(wish.step().saturating_mul(wish.crowd() + 1));
            match self.next.compare_exchange(next, after, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(Duration::from_nanos(slot) + limits::SENDER_SLACK),
                Err(other) => next = other,
            }
        }
    }

    /// Whether [`Pacer::take`] would give it.
    ///
    /// # Errors
    /// As there.
    pub fn ask(&self, now: Duration, wish: &Wish) -> Result<(), Duration> {
        self.look(now, wish, self.next.load(Ordering::Acquire)).map(|_| ())
    }

    /// Who asked waits for nothing more.
    pub fn leave(&self, taker: u32) {
        self.waiting.fetch_and(!(1 << (taker % TAKERS)), Ordering::AcqRel);
    }

    /// The slot at which the parts count as sent when `next` is the next free one.
    fn look(&self, now: Duration, wish: &Wish, next: u64) -> Result<u64, Duration> {
        let (now, step) = (nanos(now), wish.step());
        let crowd = step.saturating_mul(wish.crowd());
        // What was not used is gone, but for what a late timer holds up.
        let oldest = now.saturating_sub(nanos(limits::SENDER_SLACK) / 2);
        let slot = next.max(oldest.saturating_sub(crowd)).saturating_add(crowd);
        let waiting = self.waiting.load(Ordering::Acquire);
        let at = Self::turn(slot.max(now), step, waiting, wish.bit());
        let unused = slot.saturating_add(step.max(TURN) / UNUSED);
        if at.min(unused) <= now {
            return Ok(slot);
        }
        self.waiting.fetch_or(wish.bit(), Ordering::AcqRel);
        Err(Duration::from_nanos(at.min(unused)))
    }

    /// When it is one's turn, from `at` on: those that wait take turns.
    fn turn(at: u64, step: u64, waiting: u64, own: u64) -> u64 {
        if waiting & !own == 0 {
            return at;
        }
        let waiting = waiting | own;
        let (length, count) = (step.max(TURN), u64::from(waiting.count_ones()));
        let place = u64::from((waiting & (own - 1)).count_ones());
        let turn = at / length;
        match (place + count - turn % count) % count {
            0 => at,
            turns => (turn + turns).saturating_mul(length),
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
