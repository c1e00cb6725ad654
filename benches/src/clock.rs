//! The clocks of a measurement. They live in the benchmark process; the subjects are given a time
//! of their own as an argument.

use core::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Real time since an arbitrary start.
#[must_use]
pub fn wall() -> Duration {
    read(ClockId::Monotonic)
}

/// Processor time that this thread has used.
#[must_use]
pub fn cpu() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Nanoseconds of each of `count` operations that took `whole`.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "nanoseconds and counts far below 2^53")]
pub fn ns_each(whole: Duration, count: u64) -> f64 {
    whole.as_nanos() as f64 / count.max(1) as f64
}
