//! Tokens of a rate: each is good for one part and ready again a second after. Pure; one purse per
//! lease and one per lender.

use core::time::Duration;
use std::collections::VecDeque;

/// A token that was spent is ready when more than this has passed.
const SECOND: Duration = Duration::from_secs(1);

/// Tokens that become ready at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    ready: Duration,
    count: u32,
}

/// Tokens, and when each is ready. Moments are kept in whole milliseconds, rounded up, so that a
/// purse has at most about a thousand of them whatever the rate is.
#[derive(Debug, Default)]
pub struct Purse {
    /// Tokens that have been ready when the purse was last spent from.
    fresh: u32,
    /// The others, in order; no two have the same moment.
    runs: VecDeque<Run>,
    len: u32,
}

/// Tokens on their way between two purses.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    fresh: u32,
    runs: Vec<Run>,
}

impl Tokens {
    /// How many.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.runs.iter().fold(self.fresh, |sum, run| sum.saturating_add(run.count))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fresh == 0 && self.runs.is_empty()
    }
}

impl Purse {
    /// All tokens, ready or not.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Tokens that are ready at `now`.
    #[must_use]
    pub fn ready(&self, now: Duration) -> u32 {
        let ready = self.runs.iter().take_while(|run| run.ready <= now);
        ready.fold(self.fresh, |sum, run| sum.saturating_add(run.count))
    }

    /// Tokens that are not: parts of the last second.
    #[must_use]
    pub fn spent(&self, now: Duration) -> u32 {
        self.len - self.ready(now)
    }

    /// When `count` tokens are ready at once; `None` when there are fewer.
    #[must_use]
    pub fn ready_at(&self, now: Duration, count: u32) -> Option<Duration> {
        let mut sum = self.fresh;
        let mut at = now;
        let mut runs = self.runs.iter();
        while sum < count {
            let run = runs.next()?;
            sum = sum.saturating_add(run.count);
            at = at.max(run.ready);
        }
        Some(at)
    }

    /// Spends `count` tokens at `now`; those that are not ready do not count.
    pub fn spend(&mut self, now: Duration, count: u32) {
        self.settle(now);
        let count = count.min(self.fresh);
        self.fresh -= count;
        self.insert(Run { ready: again(now), count });
    }

    /// Makes `count` more that are ready at once.
    pub fn mint(&mut self, count: u32) {
        self.fresh = self.fresh.saturating_add(count);
        self.len = self.len.saturating_add(count);
    }

    /// Makes `count` more that count as spent at `now`.
    pub fn mint_spent(&mut self, now: Duration, count: u32) {
        self.insert(Run { ready: again(now), count });
        self.len = self.len.saturating_add(count);
    }

    /// Drops the tokens that are ready.
    pub fn drop_ready(&mut self, now: Duration) {
        self.settle(now);
        self.len -= self.fresh;
        self.fresh = 0;
    }

    /// Takes up to `count` tokens out, those that are ready first and soonest before others.
    #[must_use]
    pub fn take(&mut self, count: u32) -> Tokens {
        let mut left = count.min(self.len);
        self.len -= left;
        let fresh = left.min(self.fresh);
        self.fresh -= fresh;
        left -= fresh;
        let mut runs = Vec::new();
        while let Some(run) = self.runs.front_mut().filter(|_| left > 0) {
            let taken = left.min(run.count);
            runs.push(Run { count: taken, ..*run });
            run.count -= taken;
            left -= taken;
            if run.count == 0 {
                self.runs.pop_front();
            }
        }
        Tokens { fresh, runs }
    }

    /// Puts tokens in.
    pub fn put(&mut self, tokens: Tokens) {
        self.len = self.len.saturating_add(tokens.len());
        self.fresh = self.fresh.saturating_add(tokens.fresh);
        tokens.runs.into_iter().for_each(|run| self.insert(run));
    }

    /// Counts what has become ready.
    fn settle(&mut self, now: Duration) {
        while let Some(run) = self.runs.pop_front_if(|run| run.ready <= now) {
            self.fresh = self.fresh.saturating_add(run.count);
        }
    }

    /// Files a run at its place, which is near the end.
    fn insert(&mut self, run: Run) {
        if run.count == 0 {
            return;
        }
        let later = self.runs.iter().rev().take_while(|own| own.ready > run.ready).count();
        let at = self.runs.len() - later;
        let before = at.checked_sub(1).and_then(|before| self.runs.get_mut(before));
        match before.filter(|own| own.ready == run.ready) {
            Some(own) => own.count = own.count.saturating_add(run.count),
            None => self.runs.insert(at, run),
        }
    }
}

/// When a token spent at `now` is ready again: the first millisecond more than a second later.
fn again(now: Duration) -> Duration {
    let past = now.saturating_add(SECOND);
    let part = past.subsec_nanos() % 1_000_000;
    past.saturating_add(Duration::from_nanos(u64::from(1_000_000 - part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_token_is_ready_when_more_than_a_second_has_passed() {
        let mut purse = Purse::default();
        purse.mint(2);
        assert_eq!(purse.ready_at(ms(5), 2), Some(ms(5)));
        purse.spend(ms(5), 1);
        purse.spend(ms(7), 1);
        assert_eq!((purse.len(), purse.ready(ms(1_005)), purse.spent(ms(1_005))), (2, 0, 2));
        assert_eq!(purse.ready(ms(1_006)), 1);
        assert_eq!(purse.ready_at(ms(900), 1), Some(ms(1_006)));
        assert_eq!(purse.ready_at(ms(900), 2), Some(ms(1_008)));
        assert_eq!(purse.ready_at(ms(900), 3), None);
    }

    #[test]
    fn a_token_given_away_is_not_ready_before_its_second_is_over() {
        let (mut from, mut to) = (Purse::default(), Purse::default());
        from.mint(5);
        from.spend(ms(100), 3);
        to.mint_spent(ms(50), 1);
        let tokens = from.take(4);
        assert_eq!((tokens.len(), from.len()), (4, 1));
        to.put(tokens);
        assert_eq!((to.len(), to.ready(ms(100)), to.ready(ms(1_051))), (5, 2, 3));
        assert_eq!(to.ready(ms(1_101)), 5);
        assert_eq!(from.ready(ms(1_100)), 0);
        to.spend(ms(120), 5);
        assert_eq!(to.ready(ms(1_100)), 1, "only the two that were ready were spent");
    }

    #[test]
    fn any_rate_takes_a_thousand_moments_at_most() {
        let mut purse = Purse::default();
        purse.mint(100_000);
        for n in 0..100_000u64 {
            purse.spend(Duration::from_micros(n * 10), 1);
        }
        assert!(purse.runs.len() <= 1_001, "{}", purse.runs.len());
        purse.drop_ready(ms(1_500));
        assert!((49_000..=51_000).contains(&purse.len()), "{}", purse.len());
    }
}
