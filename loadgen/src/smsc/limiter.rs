//! A carrier's rate: pure, one per carrier.

use std::collections::VecDeque;
use std::time::Duration;

/// Takes no more parts in any second, wherever it begins, than its rate. What it refuses does not
/// count.
#[derive(Debug)]
pub(super) struct Limiter {
    /// Parts a second; 0 for no limit.
    per_second: usize,
    /// When those of the last second were taken.
    taken: VecDeque<Duration>,
}

impl Limiter {
    /// `per_second` parts; 0 for no limit.
    pub(super) fn new(per_second: u32) -> Self {
        let per_second = usize::try_from(per_second).unwrap_or(usize::MAX);
        Self { per_second, taken: VecDeque::new() }
    }

    /// Whether a part may be taken at `now`; if so, it is counted.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let second = Duration::from_secs(1);
        while self.taken.pop_front_if(|at| now.saturating_sub(*at) >= second).is_some() {}
        let free = self.taken.len() < self.per_second;
        if free {
            self.taken.push_back(now);
        }
        free
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

    #[test]
    fn no_second_has_more_than_the_rate_wherever_it_begins() {
        let mut limiter = Limiter::new(100);
        let taken: Vec<u64> = (0..10_000_u64)
            .filter(|ms| ms % 7 != 0 && limiter.take(Duration::from_millis(*ms)))
            .collect();
        assert!(taken.windows(101).all(|parts| parts[100] - parts[0] >= 1_000));
        assert!((980..=1_000).contains(&taken.len()), "{}", taken.len());
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
