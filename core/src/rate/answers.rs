//! Answers of the last second, and how many of them said that we are too fast. Pure; one per lease.

use core::time::Duration;

/// Slots of a second.
const SLOTS: usize = 10;

/// Length of a slot.
const SLOT: Duration = Duration::from_millis(100);

/// Counts of the last second, in tenths.
#[derive(Debug, Default)]
pub(super) struct Answers {
    slots: [Slot; SLOTS],
    /// The slot that time has reached.
    current: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    answered: u32,
    throttled: u32,
}

impl Answers {
    /// One more answer.
    pub(super) fn count(&mut self, now: Duration, throttled: bool) {
        self.settle(now);
        if let Some(slot) = self.slots.first_mut() {
            slot.answered = slot.answered.saturating_add(1);
            slot.throttled = slot.throttled.saturating_add(u32::from(throttled));
        }
    }

    /// Answers of the last second, and those that refused for our pace.
    pub(super) fn sums(&mut self, now: Duration) -> (u32, u32) {
        self.settle(now);
        self.slots.iter().fold((0, 0), |(answered, throttled), slot| {
            (answered.saturating_add(slot.answered), throttled.saturating_add(slot.throttled))
        })
    }

    /// Forgets what is older than a second: the newest slot stands first.
    fn settle(&mut self, now: Duration) {
        let reached = u64::try_from(now.as_nanos() / SLOT.as_nanos()).unwrap_or(u64::MAX);
        let passed = usize::try_from(reached.saturating_sub(self.current)).unwrap_or(SLOTS);
        let passed = passed.min(SLOTS);
        self.current = self.current.max(reached);
        self.slots.rotate_right(passed);
        self.slots.iter_mut().take(passed).for_each(|slot| *slot = Slot::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_a_second_does_not_count() {
        let mut answers = Answers::default();
        answers.count(Duration::from_millis(50), true);
        answers.count(Duration::from_millis(450), false);
        assert_eq!(answers.sums(Duration::from_millis(990)), (2, 1));
        assert_eq!(answers.sums(Duration::from_millis(1_010)), (1, 0));
        assert_eq!(answers.sums(Duration::from_millis(1_410)), (0, 0));
        answers.count(Duration::from_secs(1_000), true);
        assert_eq!(answers.sums(Duration::from_secs(1_000)), (1, 1));
    }
}
