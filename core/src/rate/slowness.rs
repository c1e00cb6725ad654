//! Whether a carrier answers more slowly than it did: the 95th percentile of its answers has doubled.
//! Pure; one per lease.

use core::time::Duration;

/// The least time over which answers are compared, and the least number of them.
const STRETCH: (Duration, u32) = (Duration::from_secs(1), 20);

/// Answers that are slower by less than this are not slow.
const LEAST: Duration = Duration::from_millis(50);

/// What has lasted for so long is usual.
const LASTED: Duration = Duration::from_secs(60);

/// Bounds of the buckets grow by a quarter: 1 ms, 1.25 ms .. beyond a minute.
const BUCKETS: usize = 52;

/// The times of the answers of one stretch.
#[derive(Debug)]
pub(super) struct Slowness {
    counts: [u32; BUCKETS],
    answers: u32,
    /// When the present stretch began.
    since: Duration,
    /// The 95th percentile that is usual, and when it was last seen.
    usual: Option<(Duration, Duration)>,
}

impl Default for Slowness {
    fn default() -> Self {
        Slowness { counts: [0; BUCKETS], answers: 0, since: Duration::ZERO, usual: None }
    }
}

impl Slowness {
    /// An answer came after `waited`; true when it ends a stretch whose answers were slow.
    pub(super) fn answered(&mut self, now: Duration, waited: Duration) -> bool {
        if let Some(count) = self.counts.get_mut(bucket(waited)) {
            *count = count.saturating_add(1);
        }
        self.answers = self.answers.saturating_add(1);
        let long = now.saturating_sub(self.since) >= STRETCH.0;
        if !long || self.answers < STRETCH.1 {
            return false;
        }
        let p95 = self.p95();
        *self = Slowness { since: now, usual: self.usual, ..Slowness::default() };
        self.judge(now, p95)
    }

    /// Compares with what is usual: the least that was seen lately.
    fn judge(&mut self, now: Duration, p95: Duration) -> bool {
        let (usual, seen) = *self.usual.get_or_insert((p95, now));
        // What has lasted is usual.
        if p95 <= usual || now.saturating_sub(seen) > LASTED {
            self.usual = Some((p95, now));
            return false;
        }
        if p95 < usual.saturating_mul(2) {
            self.usual = Some((usual, now));
            return false;
        }
        p95 >= usual.saturating_add(LEAST)
    }

    fn p95(&self) -> Duration {
        let wanted = self.answers - self.answers / 20;
        let mut sum = 0_u32;
        let place = self.counts.iter().position(|count| {
            sum = sum.saturating_add(*count);
            sum >= wanted
        });
        bound(place.unwrap_or(BUCKETS))
    }
}

/// The longest wait of a bucket.
fn bound(bucket: usize) -> Duration {
    let grow = |span: Duration, _| span + span / 4;
    (0..bucket).fold(Duration::from_millis(1), grow)
}

fn bucket(waited: Duration) -> usize {
    let mut bound = Duration::from_millis(1);
    let mut bucket = 0;
    while bound < waited && bucket < BUCKETS - 1 {
        bound += bound / 4;
        bucket += 1;
    }
    bucket
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds, of a hundred answers each, that were called slow.
    fn slow(slowness: &mut Slowness, from: u64, seconds: u64, waited: u64) -> usize {
        let times = (from * 100..(from + seconds) * 100).map(|n| Duration::from_millis(n * 10));
        times.filter(|now| slowness.answered(*now, Duration::from_millis(waited))).count()
    }

    #[test]
    fn only_a_doubled_time_is_slow() {
        let mut slowness = Slowness::default();
        assert_eq!(slow(&mut slowness, 1, 10, 60), 0);
        assert_eq!(slow(&mut slowness, 11, 10, 100), 0);
        assert!(slow(&mut slowness, 21, 10, 200) >= 8);
        assert!(slow(&mut slowness, 31, 10, 60) <= 1, "the stretch that has some of both");
    }

    #[test]
    fn what_has_lasted_is_usual() {
        let mut slowness = Slowness::default();
        assert_eq!(slow(&mut slowness, 1, 10, 60), 0);
        assert!(slow(&mut slowness, 11, 80, 400) > 50);
        assert_eq!(slow(&mut slowness, 91, 10, 400), 0);
    }

    #[test]
    fn a_few_milliseconds_are_not_slow() {
        let mut slowness = Slowness::default();
        assert_eq!(slow(&mut slowness, 1, 10, 2) + slow(&mut slowness, 11, 10, 30), 0);
    }

    #[test]
    fn every_wait_has_its_bucket() {
        for ms in [0, 1, 2, 50, 1_000, 60_000, 1_000_000] {
            let waited = Duration::from_millis(ms);
            let own = bucket(waited);
            assert!(own == BUCKETS - 1 || bound(own) >= waited, "{ms}");
            assert!(own == 0 || bound(own - 1) < waited, "{ms}");
        }
    }
}
