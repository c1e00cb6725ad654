//! Time as an argument: Unix milliseconds, the pair that every machine is handed, and the guard
//! that keeps a stepping wall clock from moving deadlines. Pure; one `GuardedWall` per shard.

use core::time::Duration;

/// Wall time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
    Copy,
    Clone,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
)]
pub struct UnixMs(pub u64);

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;

impl UnixMs {
    /// The beginning of a day like `2026-11-06`; `None` for anything else, and before 1970.
    #[must_use]
    pub fn of_day(text: &str) -> Option<UnixMs> {
        let plain = text.bytes().enumerate().all(|(at, octet)| match at {
            4 | 7 => octet == b'-',
            _ => octet.is_ascii_digit(),
        });
        let [year, month, day] = [text.get(..4)?, text.get(5..7)?, text.get(8..10)?];
        let [year, month, day] = [year.parse().ok()?, month.parse().ok()?, day.parse().ok()?];
        let leap = |year: u64| {
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
        };
        let length = match month {
            2 => 28 + u64::from(leap(year)),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        if !plain || text.len() != 10 || year < 1970 || !(1..=length).contains(&day) {
            return None;
        }
        // Years count from March, so that the leap day ends one.
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let days =
            year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
        Some(UnixMs((days - DAYS_TO_1970) * 86_400_000))
    }

    /// This moment plus `span` (whole milliseconds; the rest is dropped), saturating.
    #[must_use]
    pub fn after(self, span: Duration) -> UnixMs {
        UnixMs(self.0.saturating_add(millis(span)))
    }

    /// The time from `earlier` to this moment; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: UnixMs) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// What every machine is handed: timers run on `mono`, deadlines that outlive the process on `wall`.
#[derive(Copy, Clone, Debug)]
pub struct Now {
    /// Monotonic time since an arbitrary start of this process.
    pub mono: Duration,
    /// Guarded wall time, see [`GuardedWall`].
    pub wall: UnixMs,
}

/// A wall clock that differs from the monotonic clock by more than this has been stepped.
pub const STEP: Duration = Duration::from_secs(60);

/// A step is believed once it has lasted this long.
pub const LASTED: Duration = Duration::from_secs(5 * 60);

/// Wall time that a step of the system's clock does not move at once.
///
/// Small corrections are followed, but never backwards: the time stands until the clock has caught
/// up. A step of more than [`STEP`] against the monotonic clock is not followed until it has lasted
/// [`LASTED`] or an operator confirms it; meanwhile the time runs on with the monotonic clock.
/// Only a step believed in this way may take the time back.
#[derive(Clone, Debug)]
pub struct GuardedWall {
    /// The last pair that was believed.
    anchor: Pair,
    /// The last time given out.
    given: UnixMs,
    step: Option<Step>,
}

#[derive(Copy, Clone, Debug)]
struct Pair {
    mono: Duration,
    wall: UnixMs,
}

impl Pair {
    fn expect(self, mono: Duration) -> UnixMs {
        self.wall.after(mono.saturating_sub(self.mono))
    }

    fn agrees(self, mono: Duration, raw: UnixMs) -> bool {
        let expected = self.expect(mono);
        u128::from(expected.0.abs_diff(raw.0)) <= STEP.as_millis()
    }
}

/// A step that is not believed yet.
#[derive(Copy, Clone, Debug)]
struct Step {
    since: Duration,
    last: Pair,
}

impl GuardedWall {
    /// Begins with the first reading of both clocks, which is believed.
    #[must_use]
    pub fn new(mono: Duration, raw: UnixMs) -> Self {
        GuardedWall { anchor: Pair { mono, wall: raw }, given: raw, step: None }
    }

    /// Takes a reading of both clocks and gives the wall time to use.
    pub fn observe(&mut self, mono: Duration, raw: UnixMs) -> UnixMs {
        let now = Pair { mono, wall: raw };
        if self.anchor.agrees(mono, raw) {
            self.anchor = now;
            self.step = None;
            self.given = self.given.max(raw);
            return self.given;
        }
        let since = self.step.filter(|step| step.last.agrees(mono, raw)).map(|step| step.since);
        let step = Step { since: since.unwrap_or(mono), last: now };
        if mono.saturating_sub(step.since) >= LASTED {
            self.believe(now);
        } else {
            self.step = Some(step);
            self.given = self.given.max(self.anchor.expect(mono));
        }
        self.given
    }

    /// Whether a step is being held back: rules about the time of day must wait.
    #[must_use]
    pub fn stepped(&self) -> bool {
        self.step.is_some()
    }

    /// An operator says that the system's clock is right: a step held back is followed at once.
    pub fn confirm(&mut self) {
        if let Some(step) = self.step.take() {
            self.believe(step.last);
        }
    }

    fn believe(&mut self, pair: Pair) {
        self.anchor = pair;
        self.given = pair.wall;
        self.step = None;
    }
}

/// Whole milliseconds of a span, saturating at `u64::MAX`.
fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_790_000_000_000;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn wall(seconds: u64) -> UnixMs {
        UnixMs(START + seconds * 1000)
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(UnixMs(5).since(UnixMs(7)), Duration::ZERO);
        assert_eq!(UnixMs(7).since(UnixMs(5)), Duration::from_millis(2));
        assert_eq!(UnixMs(u64::MAX - 1).after(Duration::MAX), UnixMs(u64::MAX));
        assert_eq!(UnixMs(1).after(Duration::from_micros(1999)), UnixMs(2));
    }

    #[test]
    fn small_steps_are_followed_but_never_backwards() {
        let mut guard = GuardedWall::new(s(0), wall(0));
        assert_eq!(guard.observe(s(1), wall(50)), wall(50));
        assert_eq!(guard.observe(s(2), wall(20)), wall(50));
        assert!(!guard.stepped());
        assert_eq!(guard.observe(s(12), wall(30)), wall(50));
        assert_eq!(guard.observe(s(33), wall(51)), wall(51));
    }

    #[test]
    fn a_step_is_held_back_until_it_has_lasted() {
        let mut guard = GuardedWall::new(s(0), wall(0));
        assert_eq!(guard.observe(s(10), wall(4000)), wall(10));
        assert!(guard.stepped());
        assert_eq!(guard.observe(s(309), wall(4299)), wall(309));
        assert!(guard.stepped());
        assert_eq!(guard.observe(s(310), wall(4300)), wall(4300));
        assert!(!guard.stepped());
        assert_eq!(guard.observe(s(311), wall(4301)), wall(4301));
    }

    #[test]
    fn a_clock_that_comes_back_or_steps_again_starts_the_wait_anew() {
        let mut guard = GuardedWall::new(s(0), wall(0));
        guard.observe(s(10), wall(4000));
        assert_eq!(guard.observe(s(200), wall(200)), wall(200));
        assert!(!guard.stepped());
        guard.observe(s(210), wall(4000));
        guard.observe(s(400), wall(9000));
        assert_eq!(guard.observe(s(600), wall(9200)), wall(600));
        assert_eq!(guard.observe(s(700), wall(9300)), wall(9300));
    }

    #[test]
    fn an_operator_confirms_a_step_back() {
        let mut guard = GuardedWall::new(s(0), wall(9000));
        assert_eq!(guard.observe(s(10), wall(10)), wall(9010));
        guard.confirm();
        assert!(!guard.stepped());
        assert_eq!(guard.observe(s(11), wall(11)), wall(11));
        guard.confirm();
        assert_eq!(guard.observe(s(12), wall(12)), wall(12));
    }
}
