//! A world's clock: the monotonic one runs, the wall clock does what the plan says. Part of the world.

use std::cell::RefCell;
use std::time::Duration;

use postrider_core::clock::{GuardedWall, Now, UnixMs};

/// What the wall clock shows at the beginning, Unix milliseconds.
const START: u64 = 1_790_000_000_000;

/// How the wall clock differs from the true time.
#[derive(Clone, Copy, Debug)]
pub enum Skew {
    /// By so many milliseconds.
    Ms(i64),
    /// It stands still.
    Frozen,
}

/// See the module's header.
pub struct Clock {
    /// From when on it differs how, in order.
    skews: Vec<(Duration, Skew)>,
    /// What a process makes of it.
    guard: RefCell<GuardedWall>,
}

impl Clock {
    pub fn new(skews: Vec<(Duration, Skew)>) -> Self {
        Self { skews, guard: RefCell::new(GuardedWall::new(Duration::ZERO, UnixMs(START))) }
    }

    /// Whether it is always right.
    pub fn is_right(&self) -> bool {
        self.skews.is_empty()
    }

    /// What the system says.
    fn raw(&self, mono: Duration) -> UnixMs {
        let true_ms = START + u64::try_from(mono.as_millis()).unwrap();
        match self.skews.iter().rev().find(|(from, _)| *from <= mono) {
            None => UnixMs(true_ms),
            Some((_, Skew::Ms(ms))) => UnixMs(true_ms.checked_add_signed(*ms).unwrap()),
            Some((from, Skew::Frozen)) => UnixMs(START + u64::try_from(from.as_millis()).unwrap()),
        }
    }

    /// What a process is told.
    pub fn now(&self, mono: Duration) -> Now {
        Now { mono, wall: self.guard.borrow_mut().observe(mono, self.raw(mono)) }
    }

    /// A new process believes what it finds.
    pub fn restart(&self, mono: Duration) {
        self.guard.replace(GuardedWall::new(mono, self.raw(mono)));
    }
}
