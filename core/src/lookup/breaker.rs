//! Stops asking a provider that fails, and tries it again after a while. Pure; one per shard.

use core::time::Duration;
use std::collections::VecDeque;

use crate::limits;

#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Asked. When it failed lately.
    Closed(VecDeque<Duration>),
    /// Not asked until then.
    Open(Duration),
    /// One query tells.
    Trial,
}

impl Default for State {
    fn default() -> Self {
        State::Closed(VecDeque::new())
    }
}

impl Breaker {
    /// Whether queries are refused.
    pub(super) fn is_open(&self, now: Duration) -> bool {
        matches!(self.state, State::Open(until) if now < until) || self.is_trial()
    }

    fn is_trial(&self) -> bool {
        matches!(self.state, State::Trial)
    }

    /// Whether a query may go now; the first one after a pause is the trial.
    pub(super) fn may_ask(&mut self, now: Duration) -> bool {
        match self.state {
            State::Closed(_) => true,
            State::Open(until) if now >= until => {
                self.state = State::Trial;
                true
            }
            State::Open(_) | State::Trial => false,
        }
    }

    /// The provider answered.
    pub(super) fn succeeded(&mut self) {
        self.state = State::default();
    }

    /// It did not, or said nothing that can be read.
    pub(super) fn failed(&mut self, now: Duration) {
        let pause = State::Open(now + limits::LOOKUP_PAUSE);
        match &mut self.state {
            State::Closed(failures) => {
                failures.push_back(now);
                let from = now.saturating_sub(limits::LOOKUP_FAILURES_OVER);
                while failures.front().is_some_and(|at| *at < from) {
                    failures.pop_front();
                }
                if failures.len() >= limits::LOOKUP_FAILURES {
                    self.state = pause;
                }
            }
            State::Trial => self.state = pause,
            // A query from before the pause.
            State::Open(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_opens_after_failures_close_together_and_one_trial_decides() {
        let mut breaker = Breaker::default();
        for second in [0, 11, 22, 33, 44, 55] {
            breaker.failed(at(second));
            assert!(!breaker.is_open(at(second)));
        }
        for _ in 1..limits::LOOKUP_FAILURES {
            breaker.failed(at(56));
        }
        assert!(breaker.is_open(at(56)));
        assert!(!breaker.may_ask(at(85)));
        assert!(breaker.may_ask(at(86)), "the trial");
        assert!(!breaker.may_ask(at(86)), "one is enough");
        breaker.failed(at(88));
        assert!(!breaker.may_ask(at(117)));
        assert!(breaker.may_ask(at(118)));
        breaker.succeeded();
        assert!(!breaker.is_open(at(118)));
        assert!(breaker.may_ask(at(118)) && breaker.may_ask(at(118)));
    }
}
