//! When a webhook is sent again, and what an answer means. Pure, lives nowhere.

use core::time::Duration;

/// Delay before each attempt, counted from the one before (the first from the event). After the
/// last one the webhook is given up.
pub const DELAYS: [Duration; 10] = [
    Duration::ZERO,
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3_600),
    Duration::from_secs(5 * 3_600),
    Duration::from_secs(10 * 3_600),
    Duration::from_secs(14 * 3_600),
    Duration::from_secs(20 * 3_600),
    Duration::from_secs(24 * 3_600),
];

/// Least pause after an answer that says "slow down" (429, 502, 504).
pub const THROTTLE_PAUSE: Duration = Duration::from_secs(30);

/// Longest pause that a receiver's `Retry-After` can ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Why an attempt ended without an HTTP status.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum AttemptError {
    /// The URL is no longer accepted.
    #[error("the URL is not accepted")]
    InvalidUrl,
    /// The name does not resolve.
    #[error("the name does not resolve")]
    Resolve,
    /// The name leads to an address that must not be called.
    #[error("the name leads to an address that is not public")]
    RefusedAddress,
    /// No connection.
    #[error("no connection")]
    Connect,
    /// The TLS handshake failed.
    #[error("TLS failed")]
    Tls,
    /// No complete answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke, or the answer is not HTTP.
    #[error("the connection broke")]
    Broken,
}

impl AttemptError {
    /// Stable snake_case name, for metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidUrl => "invalid_url",
            Self::Resolve => "resolve",
            Self::RefusedAddress => "refused_address",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
        }
    }
}

/// What follows from an attempt.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has the event.
    Acknowledged,
    /// Send it again, by [`next_delay`].
    Retry {
        /// The receiver wants to be left alone for at least this long.
        after: Option<Duration>,
    },
    /// The receiver wants no more events (410): give this one up.
    Disabled,
}

/// Delay before attempt number `attempt` (0 is the first), with up to 20 % more or less by
/// `jitter` (any random number). `None` when all attempts are used up.
pub fn retry_delay(attempt: u16, jitter: u64) -> Option<Duration> {
    let base = DELAYS.get(usize::from(attempt))?;
    let permille = 800 + u32::try_from(jitter % 401).unwrap_or(200);
    Some(*base * permille / 1_000)
}

/// [`retry_delay`], but at least what the receiver asked for.
pub fn next_delay(attempt: u16, jitter: u64, after: Option<Duration>) -> Option<Duration> {
    retry_delay(attempt, jitter).map(|delay| delay.max(after.unwrap_or_default()))
}

/// What an attempt's end means: 2xx acknowledges, 410 disables, everything else (redirects too,
/// since they are not followed) is tried again; 429, 502 and 504 ask for a pause.
pub fn outcome(status: Result<u16, AttemptError>) -> Outcome {
    match status {
        Ok(200..=299) => Outcome::Acknowledged,
        Ok(410) => Outcome::Disabled,
        Ok(429 | 502 | 504) => Outcome::Retry { after: Some(THROTTLE_PAUSE) },
        Ok(_) | Err(_) => Outcome::Retry { after: None },
    }
}

/// Reads a `Retry-After` field (RFC 9110 section 10.2.3), capped at [`RETRY_AFTER_MAX`]. Only
/// seconds are read, not dates: the receiver's clock is not ours.
pub fn parse_retry_after(field: &str) -> Option<Duration> {
    let digits = field.trim();
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let seconds = digits.parse().unwrap_or(u64::MAX);
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

impl Outcome {
    /// Takes the receiver's `Retry-After` into account.
    #[must_use]
    pub fn honouring(self, retry_after: Option<Duration>) -> Self {
        match self {
            Self::Retry { after } => Self::Retry { after: after.max(retry_after) },
            Self::Acknowledged | Self::Disabled => self,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    const RETRY: Outcome = Outcome::Retry { after: None };

    #[test]
    fn the_table_spans_more_than_three_days_and_ends() {
        // Jitter 200 is the middle: the table as written.
        let delays: Vec<u64> =
            (0..).map_while(|n| retry_delay(n, 200)).map(|d| d.as_secs()).collect();
        assert_eq!(delays, [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]);
        assert_eq!(retry_delay(10, 0), None);
        assert_eq!(retry_delay(u16::MAX, 0), None);
        assert_eq!(next_delay(10, 0, Some(THROTTLE_PAUSE)), None);
    }

    #[test]
    fn jitter_is_a_fifth_to_both_sides() {
        assert_eq!(retry_delay(1, 0), Some(Duration::from_secs(4)));
        assert_eq!(retry_delay(1, 400), Some(Duration::from_secs(6)));
        assert_eq!(retry_delay(1, 401), Some(Duration::from_secs(4)));
    }

    #[test]
    fn every_status_has_its_outcome() {
        for status in 0..=u16::MAX {
            let expected = match status {
                200..=299 => Outcome::Acknowledged,
                410 => Outcome::Disabled,
                429 | 502 | 504 => Outcome::Retry { after: Some(THROTTLE_PAUSE) },
                _ => RETRY,
            };
            assert_eq!(outcome(Ok(status)), expected, "{status}");
        }
        assert_eq!(outcome(Err(AttemptError::Timeout)), RETRY);
    }

    #[test]
    fn retry_after_is_honoured_and_capped() {
        assert_eq!(parse_retry_after(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(parse_retry_after("99999999999999999999999"), Some(RETRY_AFTER_MAX));
        for field in ["", "-1", "+1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(parse_retry_after(field), None, "{field}");
        }
        let minute = Some(Duration::from_secs(60));
        assert_eq!(outcome(Ok(503)).honouring(minute), Outcome::Retry { after: minute });
        assert_eq!(outcome(Ok(429)).honouring(minute), Outcome::Retry { after: minute });
        assert_eq!(outcome(Ok(429)).honouring(None), outcome(Ok(429)));
        assert_eq!(outcome(Ok(204)).honouring(minute), Outcome::Acknowledged);
        assert_eq!(next_delay(1, 0, minute), minute);
        assert_eq!(next_delay(2, 200, minute), Some(Duration::from_secs(300)));
    }

    proptest! {
        #[test]
        fn delays_stay_within_a_fifth(attempt in 0u16..10, jitter in any::<u64>()) {
            let base = DELAYS[usize::from(attempt)];
            let delay = retry_delay(attempt, jitter).unwrap();
            prop_assert!(delay >= base * 4 / 5 && delay <= base * 6 / 5);
        }
    }
}
