//! Which message is sent when: pure, one per run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Above 2,000 messages a second arrivals come in bursts on this grid, so that the sender wakes at
/// most so often; a burst's messages are all meant for its instant.
pub(crate) const GRID: Duration = Duration::from_micros(500);

/// One message to be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Job {
    /// The message's number in the run, from 0.
    pub(crate) index: u64,
    /// When it was first meant to leave, since the start of the run.
    pub(crate) intended: Duration,
    /// How often it was sent before this time.
    pub(crate) tries: u32,
}

/// The messages not yet sent, and those to be sent again.
#[derive(Debug)]
pub(crate) struct Arrivals {
    total: u64,
    /// Messages a second; `None` for a closed loop.
    rate: Option<f64>,
    /// Messages whose instant has come; those from `taken` on wait for a connection.
    released: u64,
    taken: u64,
    again: BinaryHeap<Reverse<(Duration, Job)>>,
}

impl Arrivals {
    /// `total` messages, `rate` a second or, at 0, as fast as they are taken.
    pub(crate) fn new(total: u64, rate: f64) -> Self {
        let rate = (rate > 0.0).then_some(rate);
        Self { total, rate, released: 0, taken: 0, again: BinaryHeap::new() }
    }

    /// When message `index` is meant to leave; `None` in a closed loop.
    pub(crate) fn intended(&self, index: u64) -> Option<Duration> {
        self.rate.map(|rate| on_grid(index as f64 / rate, rate))
    }

    /// When the next message's instant comes; `None` once all have come.
    pub(crate) fn next_release(&self) -> Option<Duration> {
        if self.released == self.total { None } else { self.intended(self.released) }
    }

    /// Releases what is due at `now`, and says how many messages could be sent.
    pub(crate) fn release(&mut self, now: Duration) -> usize {
        while self.next_release().is_some_and(|due| due <= now) {
            self.released += 1;
        }
        let last = if self.rate.is_none() { self.total } else { self.released };
        let due_again = self.again.peek().is_some_and(|Reverse((due, _))| *due <= now);
        let again = if due_again { self.again.len() } else { 0 };
        usize::try_from(last - self.taken).unwrap_or(usize::MAX).saturating_add(again)
    }

    /// Takes a message to send at `now`: one that is due again before a new one.
    pub(crate) fn take(&mut self, now: Duration) -> Option<Job> {
        self.release(now);
        if self.again.peek().is_some_and(|Reverse((due, _))| *due <= now) {
            return self.again.pop().map(|Reverse((_, job))| job);
        }
        let index = self.taken;
        let job = match self.rate {
            None if index < self.total => Job { index, intended: now, tries: 0 },
            Some(_) if index < self.released => {
                Job { index, intended: self.intended(index)?, tries: 0 }
            }
            None | Some(_) => return None,
        };
        self.taken += 1;
        Some(job)
    }

    /// Puts a refused message back, to be sent at `due`.
    pub(crate) fn again(&mut self, job: Job, due: Duration) {
        self.again.push(Reverse((due, Job { tries: job.tries + 1, ..job })));
    }

    /// Messages that were never sent, or are to be sent again.
    pub(crate) fn left(&self) -> u64 {
        (self.total - self.taken) + u64::try_from(self.again.len()).unwrap_or(u64::MAX)
    }
}

fn on_grid(seconds: f64, rate: f64) -> Duration {
    let exact = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    if rate * GRID.as_secs_f64() <= 1.0 {
        return exact;
    }
    let steps = exact.as_nanos().div_ceil(GRID.as_nanos());
    GRID.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
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

    use super::{Arrivals, Job};

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn arrivals_come_by_the_clock_and_keep_the_instant_they_were_meant_for() {
        let mut arrivals = Arrivals::new(5, 100.0);
        assert_eq!(arrivals.release(Duration::ZERO), 1);
        assert_eq!(arrivals.next_release(), Some(10 * MS));
        // The sender slept for 35 ms: four messages are due, each with its own instant.
        let found: Vec<Duration> =
            std::iter::from_fn(|| arrivals.take(35 * MS)).map(|job| job.intended).collect();
        assert_eq!(found, [Duration::ZERO, 10 * MS, 20 * MS, 30 * MS]);
        assert_eq!(arrivals.left(), 1);
        assert_eq!(arrivals.take(40 * MS), Some(Job { index: 4, intended: 40 * MS, tries: 0 }));
        assert_eq!((arrivals.take(900 * MS), arrivals.next_release()), (None, None));
    }

    #[test]
    fn a_high_rate_comes_in_bursts_that_keep_the_rate() {
        let mut arrivals = Arrivals::new(20_000, 10_000.0);
        let in_a_second = arrivals.release(Duration::from_micros(999_999));
        assert!((9_990..=10_000).contains(&in_a_second), "{in_a_second}");
        let first: Vec<_> =
            (0..6).map(|index| arrivals.intended(index).unwrap().as_micros()).collect();
        assert_eq!(first, [0, 500, 500, 500, 500, 500]);
    }

    #[test]
    fn a_closed_loop_gives_a_message_whenever_one_is_wanted() {
        let mut arrivals = Arrivals::new(2, 0.0);
        assert_eq!(arrivals.release(Duration::ZERO), 2);
        assert_eq!(arrivals.take(7 * MS), Some(Job { index: 0, intended: 7 * MS, tries: 0 }));
        assert_eq!(arrivals.take(9 * MS), Some(Job { index: 1, intended: 9 * MS, tries: 0 }));
        assert_eq!(arrivals.take(9 * MS), None);
        assert_eq!(arrivals.next_release(), None);
    }

    #[test]
    fn a_message_put_back_waits_for_its_instant_and_keeps_its_first_one() {
        let mut arrivals = Arrivals::new(1, 0.0);
        let job = arrivals.take(MS).unwrap();
        arrivals.again(job, 50 * MS);
        assert_eq!((arrivals.take(49 * MS), arrivals.left()), (None, 1));
        assert_eq!(arrivals.take(50 * MS), Some(Job { index: 0, intended: MS, tries: 1 }));
        assert_eq!(arrivals.left(), 0);
    }
}
