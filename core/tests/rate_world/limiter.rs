//! The ways in which carriers hold their customers to a rate, each as it is seen at the end of a wire.

use std::collections::VecDeque;
use std::time::Duration;

use super::SECOND;

/// What a carrier makes of a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Taken,
    /// ESME_RTHROTTLED.
    Throttled,
    /// ESME_RMSGQFUL.
    Full,
}

/// How a carrier counts.
#[derive(Debug)]
pub(crate) enum Limiter {
    None,
    /// So many parts in any second, wherever it begins.
    Sliding(Sliding),
    /// The same, and what is too much finds the queue full.
    SlidingFull(Sliding),
    /// A bucket of tokens: so many flow in a second, and so many can be saved up.
    Bucket {
        per_second: u64,
        burst: u64,
        nano_tokens: u64,
        at: Duration,
    },
    /// So many in each second of the carrier's clock, which is this much ahead of ours.
    Window {
        per_second: usize,
        ahead: Duration,
        second: u64,
        taken: usize,
    },
    /// Takes all, and is done with one after the other: answers wait for that.
    Slow {
        gap: Duration,
        free: Duration,
    },
    /// Its queue is full.
    Full,
}

/// See [`Limiter::Sliding`].
#[derive(Debug)]
pub(crate) struct Sliding {
    per_second: usize,
    taken: VecDeque<Duration>,
}

impl Limiter {
    pub(crate) fn sliding(per_second: usize) -> Self {
        Limiter::Sliding(Sliding { per_second, taken: VecDeque::new() })
    }

    pub(crate) fn sliding_full(per_second: usize) -> Self {
        Limiter::SlidingFull(Sliding { per_second, taken: VecDeque::new() })
    }

    pub(crate) fn bucket(per_second: u64, burst: u64) -> Self {
        let nano_tokens = burst * 1_000_000_000;
        Limiter::Bucket { per_second, burst, nano_tokens, at: Duration::ZERO }
    }

    pub(crate) fn window(per_second: usize, ahead: Duration) -> Self {
        Limiter::Window { per_second, ahead, second: 0, taken: 0 }
    }

    pub(crate) fn slow(per_second: u32) -> Self {
        Limiter::Slow { gap: SECOND / per_second, free: Duration::ZERO }
    }

    /// What becomes of a part that comes now, and when that is settled.
    pub(crate) fn judge(&mut self, now: Duration) -> (Duration, Verdict) {
        let verdict = |taken| if taken { Verdict::Taken } else { Verdict::Throttled };
        let verdict = match self {
            Limiter::None => Verdict::Taken,
            Limiter::Full => Verdict::Full,
            Limiter::Sliding(own) => verdict(own.take(now)),
            Limiter::SlidingFull(own) => match own.take(now) {
                true => Verdict::Taken,
                false => Verdict::Full,
            },
            Limiter::Bucket { per_second, burst, nano_tokens, at } => {
                let flow = (now - *at).as_nanos() as u64 * *per_second;
                *nano_tokens = (*nano_tokens + flow).min(*burst * 1_000_000_000);
                *at = now;
                let taken = *nano_tokens >= 1_000_000_000;
                *nano_tokens -= u64::from(taken) * 1_000_000_000;
                verdict(taken)
            }
            Limiter::Window { per_second, ahead, second, taken } => {
                let present = (now + *ahead).as_secs();
                if present != *second {
                    (*second, *taken) = (present, 0);
                }
                *taken += 1;
                verdict(*taken <= *per_second)
            }
            Limiter::Slow { gap, free } => {
                *free = now.max(*free) + *gap;
                return (*free, Verdict::Taken);
            }
        };
        (now, verdict)
    }
}

impl Sliding {
    fn take(&mut self, now: Duration) -> bool {
        while self.taken.pop_front_if(|at| now - *at >= SECOND).is_some() {}
        let free = self.taken.len() < self.per_second;
        if free {
            self.taken.push_back(now);
        }
        free
    }
}
