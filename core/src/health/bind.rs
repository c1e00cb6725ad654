//! The health of one bind: what its answers, its silence and its losses say of it, and how many parts
//! it may be given. Pure; one per bind, on the bind's shard.
//!
//! A bind that owes answers and gives none for a few seconds is probed. If it does not even answer
//! that, it is half-open; if it answers everything but submits, it is stalled; if most of its answers
//! blame the carrier, it is erroring. Then it gets no parts but, from time to time, one to try: the
//! first that is answered well gives the bind its window back, slowly. Parts that it has are not
//! touched: they wait for their answer, for its time-out, or for the loss of the bind.
//!
//! Contract: tell it what happens ([`BindHealth::bound`], [`BindHealth::submitted`] ..), call
//! [`BindHealth::handle_timeout`] at [`BindHealth::poll_timeout`] and do what it says.

use core::time::Duration;

use super::{AnswerTimes, Ramp};
use crate::limits;

/// What a bind is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    /// Not bound.
    Dead,
    /// It may be given parts.
    Good,
    /// It may be given one part, to see what becomes of it.
    Trial,
    /// It says nothing at all.
    HalfOpen,
    /// It answers, but no submits.
    Stalled,
    /// Most of its answers blame the carrier.
    Erroring,
}

impl Health {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Dead, Self::Good, Self::Trial, Self::HalfOpen, Self::Stalled, Self::Erroring];

    /// Its word in metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Good => "good",
            Self::Trial => "trial",
            Self::HalfOpen => "half_open",
            Self::Stalled => "stalled",
            Self::Erroring => "erroring",
        }
    }
}

/// What is to be done when time has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask the bind for a sign of life.
    Probe,
    /// Its health is another one now.
    Changed,
}

/// See the module's page.
#[derive(Debug)]
pub struct BindHealth {
    health: Health,
    /// Since when it owes an answer and has given none.
    owes: Option<Duration>,
    /// When it was probed for that.
    probed: Option<Duration>,
    /// The last sign of life.
    heard: Duration,
    /// When the last part left.
    sent: Duration,
    /// One part is on its way to see what becomes of it.
    trying: bool,
    /// When the next trial may begin; and the pause before the one after it.
    trial_at: Duration,
    pause: Duration,
    /// What it was worth when it was lost is not forgotten.
    distrusted: bool,
    ramp: Ramp,
    times: AnswerTimes,
    faults: Faults,
}

/// Answers of the present span, and those that blame the carrier.
#[derive(Debug, Default)]
struct Faults {
    since: Duration,
    answers: u32,
    faults: u32,
}

impl Faults {
    /// Counts an answer; true when there are too many that blame the carrier.
    fn note(&mut self, now: Duration, fault: bool) -> bool {
        if now.saturating_sub(self.since) >= limits::FAULT_SPAN {
            *self = Faults { since: now, ..Faults::default() };
        }
        self.answers += 1;
        self.faults += u32::from(fault);
        self.answers >= limits::FAULTS_AMONG && self.faults * 2 > self.answers
    }
}

impl Default for BindHealth {
    fn default() -> Self {
        let [pause, _] = limits::TRIAL_PAUSE;
        BindHealth {
            health: Health::Dead,
            owes: None,
            probed: None,
            heard: Duration::ZERO,
            sent: Duration::ZERO,
            trying: false,
            trial_at: Duration::ZERO,
            pause,
            distrusted: false,
            ramp: Ramp::default(),
            times: AnswerTimes::default(),
            faults: Faults::default(),
        }
    }
}

impl BindHealth {
    /// What it is worth.
    #[must_use]
    pub const fn health(&self) -> Health {
        self.health
    }

    /// It is bound: for the first time since the start, or `again`.
    pub fn bound(&mut self, now: Duration, again: bool) {
        self.settle();
        self.heard = now;
        self.health = if self.distrusted { Health::Trial } else { Health::Good };
        self.ramp = if again { Ramp::from(now) } else { Ramp::default() };
    }

    /// It is bound no more.
    pub fn lost(&mut self) {
        self.distrusted = match self.health {
            Health::Dead => self.distrusted,
            Health::Good => false,
            Health::Trial | Health::HalfOpen | Health::Stalled | Health::Erroring => true,
        };
        self.settle();
        self.health = Health::Dead;
    }

    /// The last time that anything came from it. One that was silent is tried again some time after a
    /// sign of life, whether or not it has parts to answer.
    pub fn heard(&mut self, at: Duration) {
        if at > self.heard && self.health == Health::HalfOpen {
            self.health = Health::Stalled;
        }
        self.heard = self.heard.max(at);
    }

    /// A part was given to it.
    pub fn submitted(&mut self, now: Duration) {
        self.sent = now;
        match self.health {
            Health::Trial => (self.trying, self.owes, self.probed) = (true, Some(now), None),
            Health::Good => {
                self.trying = self.probed.is_some();
                self.owes = self.owes.or(Some(now));
            }
            Health::Dead | Health::HalfOpen | Health::Stalled | Health::Erroring => {}
        }
    }

    /// It answered a part that left `waited` ago. `fault`: the answer blames the carrier, not the
    /// message. True when its health is another one now.
    pub fn answered(&mut self, now: Duration, waited: Duration, fault: bool) -> bool {
        self.times.note(waited);
        let erroring = self.faults.note(now, fault);
        let before = self.health;
        let well = !fault && waited <= limits::STALLED_AFTER;
        match self.health {
            Health::Good if erroring => self.distrust(now, Health::Erroring),
            Health::Good => self.note_answer(now, waited),
            Health::Trial if well => self.trust(now),
            Health::Trial if fault => self.distrust(now, Health::Erroring),
            Health::HalfOpen | Health::Stalled => {
                self.settle();
                self.health = Health::Trial;
            }
            Health::Trial | Health::Dead | Health::Erroring => {}
        }
        self.health != before
    }

    /// A part that it had was not answered in time; `left` are still unanswered. True when its health
    /// is another one now.
    pub fn timed_out(&mut self, now: Duration, left: usize) -> bool {
        let watched = matches!(self.health, Health::Good | Health::Trial);
        let silent = left == 0 && watched && self.owes.is_some();
        if silent {
            self.distrust(now, Health::Stalled);
        }
        silent
    }

    /// When [`BindHealth::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        match self.health {
            Health::Good | Health::Trial => {
                let owes = self.owes?;
                let stalled = owes + limits::STALLED_AFTER;
                Some(match self.probed {
                    None => owes + self.silence(),
                    Some(probed) if self.heard < probed => probed + limits::PROBE_ANSWER,
                    Some(_) => stalled,
                })
            }
            Health::Stalled | Health::Erroring => Some(self.trial_at),
            Health::Dead | Health::HalfOpen => None,
        }
    }

    /// Time has passed: what is to be done, once.
    pub fn handle_timeout(&mut self, now: Duration) -> Option<Step> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return None;
        }
        match self.health {
            Health::Good | Health::Trial => match self.probed {
                None => {
                    self.probed = Some(now);
                    return Some(Step::Probe);
                }
                Some(probed) if self.heard < probed => self.distrust(now, Health::HalfOpen),
                Some(_) => self.distrust(now, Health::Stalled),
            },
            Health::Stalled | Health::Erroring => {
                self.settle();
                self.health = Health::Trial;
            }
            Health::Dead | Health::HalfOpen => return None,
        }
        Some(Step::Changed)
    }

    /// How many more parts it may be given, of a window of `whole` with `used` of it unanswered.
    #[must_use]
    pub fn room(&self, now: Duration, whole: u16, used: usize) -> usize {
        let free = usize::from(whole).saturating_sub(used);
        match (self.health, self.probed) {
            (Health::Good, None) => usize::from(self.ramp.window(now, whole)).saturating_sub(used),
            // It is alive: another part shows whether only one answer was lost.
            (Health::Good, Some(probed)) if self.heard < probed => 0,
            (Health::Good | Health::Trial, _) => free.min(usize::from(!self.trying)),
            (Health::Dead | Health::HalfOpen | Health::Stalled | Health::Erroring, _) => 0,
        }
    }

    /// When there may be more room than at `now` without anything happening: while its window grows.
    #[must_use]
    pub fn next_room(&self, now: Duration, whole: u16) -> Option<Duration> {
        self.ramp.next(now, whole).filter(|_| self.health == Health::Good)
    }

    /// How long it may owe answers before it is probed.
    fn silence(&self) -> Duration {
        let [least, most] = limits::ANSWER_SILENCE;
        self.times.percentile(99).map_or(least, |p99| (p99 * 4).clamp(least, most))
    }

    /// It owes an answer as long as a part left after the one that was answered.
    fn note_answer(&mut self, now: Duration, waited: Duration) {
        self.settle();
        let newer = self.sent > now.saturating_sub(waited);
        self.owes = newer.then_some(now);
    }

    fn settle(&mut self) {
        (self.owes, self.probed, self.trying) = (None, None, false);
    }

    fn trust(&mut self, now: Duration) {
        self.settle();
        self.health = Health::Good;
        self.ramp = Ramp::from(now);
        self.faults = Faults::default();
        [self.pause, _] = limits::TRIAL_PAUSE;
        self.distrusted = false;
    }

    fn distrust(&mut self, now: Duration, health: Health) {
        let [_, longest] = limits::TRIAL_PAUSE;
        self.settle();
        self.health = health;
        self.trial_at = now + self.pause;
        self.pause = (self.pause * 2).min(longest);
    }
}

#[cfg(test)]
#[path = "bind_tests.rs"]
mod tests;
