//! How much of a carrier's rate and windows other lanes leave free, so that a one-time password finds
//! room the moment it comes, however long the others' backlog is. Pure; one per carrier and shard.
//!
//! What is left free is what passwords took at once lately. Of the rate: how far they were ahead of its
//! even flow at most, since what they take comes back by that flow. Of the windows: how many were
//! unanswered at once at most. A carrier that has had none for a while is left to the others whole.

use std::time::Duration;

use postrider_core::limits::HEADROOM_PERIOD;

/// Millionths of a part: the flow of a microsecond at one part a second.
const PART: u64 = 1_000_000;

/// One in so many of a second's parts is left free at most.
const RATE_SHARE: u32 = 2;

/// One in so many places of the windows is left free at most.
const WINDOW_SHARE: u32 = 4;

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct Headroom {
    /// How far passwords are ahead of the even flow, in [`PART`]s, and when that was.
    ahead: u64,
    at: Duration,
    /// Their unanswered submits.
    unanswered: u32,
    most_ahead: Peak,
    most_unanswered: Peak,
}

impl Headroom {
    /// A password of so many parts leaves for a carrier that takes `rate` parts a second here; 0 for
    /// any number.
    pub(crate) fn sent(&mut self, now: Duration, parts: u32, rate: u32) {
        self.ahead = self.ahead(now, rate) + u64::from(parts).saturating_mul(PART);
        self.at = now;
        self.unanswered += 1;
        self.most_ahead.note(now, narrow(self.ahead.div_ceil(PART)));
        self.most_unanswered.note(now, self.unanswered);
    }

    /// One that was sent is answered, or not waited for any more.
    pub(crate) fn answered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    /// Parts that others leave free now of a rate of so many a second; without a limit there is
    /// nothing to leave.
    pub(crate) fn parts(&self, now: Duration, rate: u32) -> u32 {
        let Some(most) = self.most_ahead.of(now).filter(|_| rate > 0) else { return 0 };
        let taken = narrow(self.ahead(now, rate).div_ceil(PART));
        (most + 1).saturating_sub(taken).max(1).min(rate / RATE_SHARE)
    }

    /// Places that others leave free now of windows with so many together.
    pub(crate) fn places(&self, now: Duration, windows: u32) -> u32 {
        let Some(most) = self.most_unanswered.of(now) else { return 0 };
        (most + 1).saturating_sub(self.unanswered).max(1).min(windows / WINDOW_SHARE)
    }

    fn ahead(&self, now: Duration, rate: u32) -> u64 {
        let micros = u64::try_from(now.saturating_sub(self.at).as_micros()).unwrap_or(u64::MAX);
        self.ahead.saturating_sub(micros.saturating_mul(u64::from(rate)))
    }
}

/// The greatest of what was noted in this period and the one before.
#[derive(Debug, Default)]
struct Peak {
    period: u128,
    own: Option<u32>,
    before: Option<u32>,
}

impl Peak {
    fn note(&mut self, now: Duration, value: u32) {
        let period = period(now);
        if period > self.period {
            self.before = self.own.take().filter(|_| period == self.period + 1);
            self.period = period;
        }
        self.own = self.own.max(Some(value));
    }

    fn of(&self, now: Duration) -> Option<u32> {
        match period(now).saturating_sub(self.period) {
            0 => self.own.max(self.before),
            1 => self.own,
            _ => None,
        }
    }
}

fn period(now: Duration) -> u128 {
    now.as_millis() / HEADROOM_PERIOD.as_millis()
}

fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_carrier_without_passwords_is_the_others_whole() {
        let mut room = Headroom::default();
        assert_eq!((room.parts(ms(0), 100), room.places(ms(0), 100)), (0, 0));
        room.sent(ms(10), 1, 100);
        room.answered();
        assert_eq!((room.parts(ms(11), 100), room.places(ms(11), 100)), (1, 2));
        let later = 2 * HEADROOM_PERIOD;
        assert!(room.parts(later - ms(1), 100) > 0);
        assert_eq!((room.parts(later, 100), room.places(later, 100)), (0, 0));
    }

    #[test]
    fn what_came_at_once_is_left_free_for_the_next_time() {
        let mut room = Headroom::default();
        (0..8).for_each(|_| room.sent(ms(0), 1, 100));
        (0..8).for_each(|_| room.answered());
        assert_eq!(room.parts(ms(0), 100), 1, "they are under way: the flow brings it back");
        assert_eq!(room.parts(ms(40), 100), 5);
        assert_eq!((room.parts(ms(90), 100), room.places(ms(90), 100)), (9, 9));
        // Ten a second in an even flow ask for little.
        let mut room = Headroom::default();
        (0..100).for_each(|n| {
            room.sent(ms(n * 100), 1, 100);
            room.answered();
        });
        assert_eq!((room.parts(ms(9_990), 100), room.places(ms(9_990), 100)), (2, 2));
    }

    #[test]
    fn the_others_keep_half_of_the_rate_and_most_of_the_windows() {
        let mut room = Headroom::default();
        (0..500).for_each(|_| room.sent(ms(0), 1, 10));
        (0..500).for_each(|_| room.answered());
        let later = ms(55_000);
        assert_eq!((room.parts(later, 10), room.places(later, 10)), (5, 2));
        assert_eq!((room.parts(later, 1), room.places(later, 3)), (0, 0), "nothing to divide");
        assert_eq!(room.parts(later, 0), 0, "no limit");
    }
}
