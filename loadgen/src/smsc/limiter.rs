//! A carrier's rate: pure, one per carrier.

use std::time::Duration;

/// A generic cell rate algorithm: a part is taken when it is not ahead of an even flow by more than
/// a tenth of a second (or one part, where that is more).
#[derive(Debug)]
pub(super) struct Limiter {
    /// Between two parts of an even flow; zero for no limit.
    gap: Duration,
    slack: Duration,
    /// When the next part of an even flow is due.
    due: Duration,
}

/// How far ahead of an even flow a part may be.
const SLACK: Duration = Duration::from_millis(100);

impl Limiter {
    /// `per_second` parts; 0 for no limit.
    pub(super) fn new(per_second: u32) -> Self {
        let gap = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        Self { gap, slack: SLACK.saturating_sub(gap), due: Duration::ZERO }
    }

    /// Whether a part may be taken at `now`; if so, it is counted.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        if self.due > now + self.slack {
            return false;
        }
        self.due = self.due.max(now) + self.gap;
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "tests"
    )]

    use std::time::Duration;

    use super::Limiter;

    fn taken(limiter: &mut Limiter, from_ms: u64, to_ms: u64, per_ms: u32) -> u32 {
        let mut count = 0;
        for ms in from_ms..to_ms {
            for _ in 0..per_ms {
                count += u32::from(limiter.take(Duration::from_millis(ms)));
            }
        }
        count
    }

    #[test]
    fn a_flood_gets_the_rate_and_a_tenth_of_a_second_more() {
        let mut limiter = Limiter::new(1000);
        let first = taken(&mut limiter, 0, 1000, 5);
        assert!((1_000..=1_101).contains(&first), "{first}");
        let second = taken(&mut limiter, 1000, 2000, 5);
        assert!((999..=1_001).contains(&second), "{second}");
    }

    #[test]
    fn an_even_flow_at_the_rate_is_never_refused() {
        let mut limiter = Limiter::new(500);
        assert!((0..5_000).all(|n| limiter.take(Duration::from_millis(n * 2))));
    }

    #[test]
    fn one_a_second_is_one_a_second_and_zero_is_no_limit() {
        let mut slow = Limiter::new(1);
        assert!(slow.take(Duration::ZERO));
        assert!(!slow.take(Duration::from_millis(999)));
        assert!(slow.take(Duration::from_millis(1000)));
        let mut free = Limiter::new(0);
        assert!((0..10_000).all(|_| free.take(Duration::ZERO)));
    }
}
