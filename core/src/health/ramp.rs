//! Slow start: a bind that came back gets its window by and by. Pure; one per bind.

use core::time::Duration;

use crate::limits;

/// From an eighth of the window to all of it in [`limits::SLOW_START`]. Whole unless it was begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ramp {
    began: Option<Duration>,
}

impl Ramp {
    /// Begins at `now`, monotonic.
    #[must_use]
    pub const fn from(now: Duration) -> Self {
        Ramp { began: Some(now) }
    }

    /// How much of a window of `whole` parts may be used at `now`: at least one part of one that has
    /// any.
    #[must_use]
    pub fn window(self, now: Duration, whole: u16) -> u16 {
        let Some(passed) = self.passed(now) else { return whole };
        let first = u32::from(whole) / limits::SLOW_START_SHARE;
        let rest = u128::from(u32::from(whole) - first);
        let grown = rest * passed.as_nanos() / limits::SLOW_START.as_nanos();
        let now = u128::from(first) + grown;
        u16::try_from(now).unwrap_or(whole).clamp(whole.min(1), whole)
    }

    /// When the window may be larger than at `now`; `None` once it is whole.
    #[must_use]
    pub fn next(self, now: Duration, whole: u16) -> Option<Duration> {
        self.passed(now)?;
        let step = limits::SLOW_START / u32::from(whole.max(1));
        Some(now + step.max(limits::TICK))
    }

    fn passed(self, now: Duration) -> Option<Duration> {
        let passed = now.saturating_sub(self.began?);
        (passed < limits::SLOW_START).then_some(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_grows_from_an_eighth_to_all_in_five_seconds() {
        let began = Duration::from_secs(100);
        let ramp = Ramp::from(began);
        let at = |ms: u64, whole| ramp.window(began + Duration::from_millis(ms), whole);
        assert_eq!([at(0, 80), at(2_500, 80), at(4_999, 80), at(5_000, 80)], [10, 45, 79, 80]);
        assert_eq!([at(0, 1), at(0, 4), at(0, 0), at(9_000, 1_000)], [1, 1, 0, 1_000]);
        assert_eq!(Ramp::default().window(began, 80), 80, "whole unless it was begun");
    }

    #[test]
    fn who_comes_back_when_told_finds_it_grown_and_never_waits_at_the_end() {
        let ramp = Ramp::from(Duration::ZERO);
        for whole in [1, 2, 8, 100, 1_000] {
            let (mut now, mut window, mut turns) = (Duration::ZERO, 0, 0);
            while let Some(next) = ramp.next(now, whole) {
                assert!(next > now && ramp.window(next, whole) >= window);
                (now, window, turns) = (next, ramp.window(next, whole), turns + 1);
            }
            assert_eq!(ramp.window(now, whole), whole);
            assert!(turns <= 5_000, "{turns} turns for {whole}");
        }
    }
}
