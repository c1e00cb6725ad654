//! The meter's two clocks: it owns no state but a starting instant; one per process part, on its
//! runtime's thread.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time since the part started, and wall time in Unix microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic time is zero now.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Monotonic time since [`Clock::start`].
    pub(crate) fn mono(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Wall time in microseconds since the Unix epoch (0 before it).
pub(crate) fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    micros(since)
}

/// A span in whole microseconds, saturating at `u64::MAX` (584,542 years).
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
