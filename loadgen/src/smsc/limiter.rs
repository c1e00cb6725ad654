//! A carrier's rate, and the one that takes its place after a while: pure, one per carrier.

use std::collections::VecDeque;
use std::time::Duration;

/// Takes no more parts in any second, wherever it begins, than its rate. What it refuses does not
/// count.
#[derive(Debug)]
pub(super) struct Limiter {
    /// Parts a second; 0 for no limit.
    per_second: usize,
    /// The same from so long after the first part on.
    then: Option<(Duration, usize)>,
    /// When the first part came.
    first: Option<Duration>,
    /// When those of the last second were taken.
    taken: VecDeque<Duration>,
}

impl Limiter {
    /// `per_second` parts; 0 for no limit.
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second: count(per_second), then: None, first: None, taken: VecDeque::new() }
    }

    /// `per_second` parts from `after` the first one on.
    pub(super) fn then(self, after: Duration, per_second: u32) -> Self {
        Self { then: Some((after, count(per_second))), ..self }
    }

    /// Whether a part may be taken at `now`; if so, it is counted.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        let first = *self.first.get_or_insert(now);
        if let Some((after, per_second)) = self.then
            && now >= first + after
        {
            (self.per_second, self.then) = (per_second, None);
        }
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

fn count(per_second: u32) -> usize {
    usize::try_from(per_second).unwrap_or(usize::MAX)
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
    fn a_rate_takes_the_place_of_another_so_long_after_the_first_part() {
        let mut limiter = Limiter::new(100).then(Duration::from_secs(5), 10);
        let mut taken = |second: u64| {
            let times = (0..1_000).map(|ms| Duration::from_millis(700 + 1_000 * second + ms));
            times.filter(|at| limiter.take(*at)).count()
        };
        let by_second: Vec<usize> = (0..8).map(&mut taken).collect();
        assert_eq!(by_second, [100, 100, 100, 100, 100, 10, 10, 10]);
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
