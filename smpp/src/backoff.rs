//! How long to wait before the next connection to a carrier. Deterministic: the jitter comes from a seed.
//! One per bind.

use core::time::Duration;

use crate::status::CommandStatus;

/// The longest wait after failed connections and binds.
const MAX: Duration = Duration::from_secs(60);
/// Bound time after which failures are forgotten.
const GOOD_AFTER: Duration = Duration::from_secs(60);
/// The peer still holds an older session: least and greatest wait.
const ALREADY_BOUND: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(120));
/// Wrong credentials: more tries lock accounts and ban addresses.
const CREDENTIALS: Duration = Duration::from_secs(300);

/// Why the last attempt failed.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum BackoffCause {
    /// The connection could not be made, or was lost.
    Transport,
    /// The bind was refused, or not answered.
    BindFailed,
    /// ESME_RALYBND.
    AlreadyBound,
    /// ESME_RINVPASWD, ESME_RINVSYSID or ESME_RINVSYSTYP.
    Credentials,
}

impl BackoffCause {
    /// The cause that a refused bind's status names.
    pub const fn from_bind_status(status: u32) -> Self {
        match CommandStatus(status) {
            CommandStatus::ESME_RALYBND => Self::AlreadyBound,
            CommandStatus::ESME_RINVPASWD
            | CommandStatus::ESME_RINVSYSID
            | CommandStatus::ESME_RINVSYSTYP => Self::Credentials,
            _ => Self::BindFailed,
        }
    }
}

/// The waits of one bind: 1, 2, 4 .. 60 s, less up to a fifth, after failed connections and binds, 30 to
/// 120 s while the peer holds an older session, 300 s with wrong credentials. Jitter only shortens, so that
/// a minute after a carrier is back every bind has been tried.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    failures: u32,
    random: u64,
}

impl Backoff {
    /// A back-off whose first wait is 1 s.
    pub fn new(seed: u64) -> Self {
        Self::with_first(seed, Duration::from_secs(1))
    }

    /// A back-off with another first wait, for tests and demonstrations. The waits for
    /// [`BackoffCause::AlreadyBound`] and [`BackoffCause::Credentials`] stay as they are.
    pub fn with_first(seed: u64, first: Duration) -> Self {
        Self { first, failures: 0, random: seed }
    }

    /// How long to wait after a failure.
    pub fn next(&mut self, cause: BackoffCause) -> Duration {
        match cause {
            BackoffCause::Transport | BackoffCause::BindFailed => {
                let wait = self.first.saturating_mul(1 << self.failures.min(16)).min(MAX);
                self.failures = self.failures.saturating_add(1);
                wait - self.up_to(wait / 5)
            }
            BackoffCause::AlreadyBound => {
                let (least, most) = ALREADY_BOUND;
                least + self.up_to(most - least)
            }
            BackoffCause::Credentials => CREDENTIALS,
        }
    }

    /// To be told when a session ends that was bound for this long: after 60 s the waits start anew.
    pub fn reset_after(&mut self, bound_for: Duration) {
        if bound_for >= GOOD_AFTER {
            self.failures = 0;
        }
    }

    /// An evenly spread duration from zero to `most`, in whole microseconds.
    fn up_to(&mut self, most: Duration) -> Duration {
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(self.random() % (micros + 1))
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(backoff: &mut Backoff, cause: BackoffCause) -> f64 {
        backoff.next(cause).as_secs_f64()
    }

    #[test]
    fn waits_double_to_sixty_seconds_and_jitter_shortens_them_by_up_to_a_fifth() {
        for seed in 0..200 {
            let mut backoff = Backoff::new(seed);
            for wanted in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0] {
                let wait = seconds(&mut backoff, BackoffCause::Transport);
                assert!((0.8 * wanted..=wanted).contains(&wait), "{wait} for {wanted}");
            }
        }
    }

    #[test]
    fn jitter_spreads_and_a_seed_repeats() {
        let waits = |seed| Backoff::new(seed).next(BackoffCause::BindFailed);
        assert_eq!(waits(7), waits(7));
        let spread: std::collections::BTreeSet<_> = (0..50).map(waits).collect();
        assert!(spread.len() > 40);
    }

    #[test]
    fn refused_binds_wait_as_long_as_their_status_asks() {
        let mut backoff = Backoff::new(1);
        for _ in 0..200 {
            let wait = seconds(&mut backoff, BackoffCause::from_bind_status(5));
            assert!((30.0..=120.0).contains(&wait));
        }
        for status in [0x0E, 0x0F, 0x53] {
            let cause = BackoffCause::from_bind_status(status);
            assert_eq!(backoff.next(cause), Duration::from_secs(300));
        }
        assert_eq!(BackoffCause::from_bind_status(0x0D), BackoffCause::BindFailed);
    }

    #[test]
    fn only_a_minute_of_bound_time_forgets_failures() {
        let mut backoff = Backoff::with_first(1, Duration::from_millis(10));
        for _ in 0..5 {
            backoff.next(BackoffCause::Transport);
        }
        backoff.reset_after(Duration::from_secs(59));
        assert!(backoff.next(BackoffCause::Transport) > Duration::from_millis(200));
        backoff.reset_after(Duration::from_secs(60));
        assert!(backoff.next(BackoffCause::Transport) < Duration::from_millis(20));
    }
}
