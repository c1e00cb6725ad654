//! How long answers take, as a histogram in which old ones count less and less. Pure; one per bind.

use core::time::Duration;

/// Two buckets to each doubling, from a millisecond to 32 s; one more holds what is above.
const BUCKETS: usize = 31;
/// Answers that are remembered; then all counts are halved.
const KEPT: u32 = 1_000;

/// The times that answers took.
#[derive(Clone, Debug, Default)]
pub struct AnswerTimes {
    counts: [u32; BUCKETS + 1],
    total: u32,
}

/// The upper bound of a bucket: 1, 1.5, 2, 3, 4, 6 .. ms.
fn bound(bucket: usize) -> Duration {
    let doubled = Duration::from_millis(1) * (1 << (bucket / 2).min(15));
    if bucket.is_multiple_of(2) { doubled } else { doubled + doubled / 2 }
}

impl AnswerTimes {
    /// An answer took this long.
    pub fn note(&mut self, waited: Duration) {
        if self.total >= KEPT {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().sum();
        }
        let at = (0..BUCKETS).find(|bucket| waited <= bound(*bucket)).unwrap_or(BUCKETS);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
            self.total += 1;
        }
    }

    /// The time within which so many of a hundred answers came, at most half too long; `None` before
    /// the first. What took more than 32 s counts as twice that.
    #[must_use]
    pub fn percentile(&self, percent: u32) -> Option<Duration> {
        let wanted = (self.total * percent).div_ceil(100).max(1);
        let mut count = 0;
        let reaches = |own: &u32| {
            count += own;
            count >= wanted
        };
        self.counts.iter().position(reaches).map(|bucket| bound(bucket.min(BUCKETS)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_percentile_is_at_most_half_too_long_and_never_too_short() {
        for waited in [1, 2, 5, 40, 700, 999, 1_200, 7_000, 30_000] {
            let mut times = AnswerTimes::default();
            times.note(ms(waited));
            let told = times.percentile(99).unwrap();
            assert!(ms(waited) <= told && told <= ms(waited) * 3 / 2, "{waited}: {told:?}");
        }
        assert_eq!(AnswerTimes::default().percentile(99), None);
    }

    #[test]
    fn one_in_a_hundred_does_not_make_the_99th() {
        let mut times = AnswerTimes::default();
        (0..99).for_each(|_| times.note(ms(10)));
        times.note(ms(5_000));
        assert!(times.percentile(99).unwrap() < ms(20));
        times.note(ms(5_000));
        assert!(times.percentile(99).unwrap() >= ms(5_000));
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut times = AnswerTimes::default();
        (0..1_000).for_each(|_| times.note(ms(20_000)));
        (0..10_000).for_each(|_| times.note(ms(3)));
        assert!(times.percentile(99).unwrap() <= ms(4));
        assert!(times.total <= KEPT + 1);
    }
}
