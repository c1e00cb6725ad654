//! The named timers of one session (3.4 section 7.2). The response timer is not here: the window is a queue
//! in the order of its deadlines. One per session.

use core::time::Duration;

/// Every timer a session has.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Timer {
    /// The answer to our bind is due.
    Bind,
    /// The peer's first bind is due.
    SessionInit,
    /// The rest of a PDU is due.
    PduRead,
    /// The line was silent: time to ask.
    EnquireLink,
    /// The answer to our enquire_link is due.
    EnquireAnswer,
    /// No message and no answer for too long.
    Inactivity,
    /// Open requests had their time to be answered before the unbind.
    Drain,
    /// The answer to our unbind is due.
    Unbind,
}

/// In the order of their declaration, which is that of the deadlines.
const ALL: [Timer; 8] = [
    Timer::Bind,
    Timer::SessionInit,
    Timer::PduRead,
    Timer::EnquireLink,
    Timer::EnquireAnswer,
    Timer::Inactivity,
    Timer::Drain,
    Timer::Unbind,
];

/// The deadlines; monotonic time.
#[derive(Debug, Default)]
pub(super) struct Timers {
    deadlines: [Option<Duration>; ALL.len()],
}

impl Timers {
    #[inline]
    fn cell(&mut self, timer: Timer) -> Option<&mut Option<Duration>> {
        self.deadlines.get_mut(timer as usize)
    }

    /// Arms a timer, or moves it.
    #[inline]
    pub(super) fn set(&mut self, timer: Timer, deadline: Duration) {
        if let Some(cell) = self.cell(timer) {
            *cell = Some(deadline);
        }
    }

    /// Disarms a timer.
    #[inline]
    pub(super) fn clear(&mut self, timer: Timer) {
        if let Some(cell) = self.cell(timer) {
            *cell = None;
        }
    }

    /// Disarms all.
    pub(super) fn clear_all(&mut self) {
        self.deadlines = Default::default();
    }

    /// True when the timer is armed.
    #[inline]
    pub(super) fn is_set(&mut self, timer: Timer) -> bool {
        self.cell(timer).is_some_and(|cell| cell.is_some())
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Duration> {
        self.deadlines.iter().flatten().min().copied()
    }

    /// Disarms and returns the earliest timer whose deadline is not after `now`.
    pub(super) fn expire(&mut self, now: Duration) -> Option<Timer> {
        let due = self.next().filter(|deadline| *deadline <= now)?;
        let (timer, cell) =
            ALL.iter().zip(&mut self.deadlines).find(|(_, cell)| **cell == Some(due))?;
        *cell = None;
        Some(*timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_timer_has_a_deadline_of_its_own() {
        for (at, timer) in ALL.into_iter().enumerate() {
            assert_eq!(at, timer as usize);
        }
    }

    #[test]
    fn timers_expire_in_the_order_of_their_deadlines() {
        let mut timers = Timers::default();
        for (timer, at) in [(Timer::Unbind, 3), (Timer::Bind, 5), (Timer::Drain, 3)] {
            timers.set(timer, Duration::from_secs(at));
        }
        timers.set(Timer::PduRead, Duration::from_secs(1));
        timers.clear(Timer::PduRead);
        let now = Duration::from_secs(4);
        assert_eq!(timers.expire(now), Some(Timer::Drain));
        assert_eq!(timers.expire(now), Some(Timer::Unbind));
        assert_eq!(timers.expire(now), None);
        assert_eq!(timers.next(), Some(Duration::from_secs(5)));
    }
}
