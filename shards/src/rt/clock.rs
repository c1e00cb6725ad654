//! The process's clock: made once, copied to every shard; and a shard's view of it, with the wall
//! time guarded against steps (one per shard).

use std::{
    cell::RefCell,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use postrider_core::clock::{GuardedWall, Now, UnixMs};
use rustix::time::{ClockId, clock_gettime};

/// Monotonic time since the process started, and the raw wall clock. Copy it, never make a second:
/// two shards' instants compare only because they count from one start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts the process's clock at zero.
    #[must_use]
    pub fn start() -> Self {
        Self { start: instant() }
    }

    /// Monotonic time since [`Clock::start`].
    #[must_use]
    pub fn mono(&self) -> Duration {
        instant().saturating_duration_since(self.start)
    }

    /// The wall clock as the system gives it, steps included.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the driver that reads the clock")]
    pub fn wall_raw(&self) -> UnixMs {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Both times, the wall raw. Shards use [`ShardClock::now`].
    #[must_use]
    pub fn now(&self) -> Now {
        Now { mono: self.mono(), wall: self.wall_raw() }
    }

    /// The instant at which [`Clock::mono`] is `mono`.
    pub(super) fn instant_at(&self, mono: Duration) -> Instant {
        self.start.checked_add(mono).unwrap_or_else(far_future)
    }
}

/// One shard's clock: the process's, with the wall time guarded against steps.
#[derive(Debug)]
pub struct ShardClock {
    clock: Clock,
    wall: RefCell<GuardedWall>,
}

impl ShardClock {
    /// A shard's view of the process's clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let now = clock.now();
        Self { clock, wall: RefCell::new(GuardedWall::new(now.mono, now.wall)) }
    }

    /// Monotonic time and guarded wall time.
    #[must_use]
    pub fn now(&self) -> Now {
        let raw = self.clock.now();
        Now { mono: raw.mono, wall: self.wall.borrow_mut().observe(raw.mono, raw.wall) }
    }

    /// Whether the wall clock made a step that is not followed yet.
    #[must_use]
    pub fn stepped(&self) -> bool {
        self.wall.borrow().stepped()
    }

    /// Follows the step: an operator says that the wall clock is right.
    pub fn confirm(&self) {
        self.wall.borrow_mut().confirm();
    }

    /// The process's clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }
}

/// Processor time of the calling thread, user and system.
#[must_use]
pub fn thread_cpu() -> Duration {
    cpu_time(ClockId::ThreadCPUTime)
}

/// Processor time of all threads of the process, user and system.
#[must_use]
pub fn process_cpu() -> Duration {
    cpu_time(ClockId::ProcessCPUTime)
}

fn cpu_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The monotonic clock, for this layer's own deadlines.
#[allow(clippy::disallowed_methods, reason = "this is the driver that reads the clock")]
pub(super) fn instant() -> Instant {
    Instant::now()
}

/// An instant that no process lives to see: about 30 years from now.
fn far_future() -> Instant {
    instant() + Duration::from_secs(30 * 365 * 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_views_count_from_one_start() {
        let clock = Clock::start();
        let shard = ShardClock::new(clock);
        let (before, now, after) = (clock.mono(), shard.now(), clock.mono());
        assert!(before <= now.mono && now.mono <= after);
        // Later than 2025: the wall clock really was read.
        assert!(now.wall.0 > 1_735_689_600_000);
        assert!(!shard.stepped());
    }

    #[test]
    fn a_threads_time_is_its_own_and_part_of_the_processes() {
        let (process, thread) = (process_cpu(), thread_cpu());
        let mut sum = 0_u64;
        while thread_cpu() < thread + Duration::from_millis(20) {
            sum = (0..10_000).fold(sum, u64::wrapping_add);
        }
        assert!(process_cpu() - process >= Duration::from_millis(20), "{sum}");
        std::thread::scope(|scope| {
            let own = scope.spawn(thread_cpu).join().unwrap_or_default();
            assert!(own < Duration::from_millis(20), "{own:?} of a thread that did nothing");
        });
    }

    #[test]
    fn an_instant_too_far_to_represent_is_far_away_and_no_panic() {
        let clock = Clock::start();
        assert!(clock.instant_at(Duration::MAX) > instant() + Duration::from_secs(86_400));
    }
}
