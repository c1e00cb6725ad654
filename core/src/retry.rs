//! The retry ladder of a message: which carrier may be asked for it again, and when. Pure; one per
//! message, on the core that owns it.
//!
//! A carrier that refuses for a while is asked again after 1, 5 and 30 s
//! ([`limits::TEMPORARY_RETRIES`]); then it is the next one's turn. When every carrier that is left has
//! refused so, the round is over: the message rests, ever longer ([`limits::RETRY_RESTS`]), and a new
//! round asks them all again, until its validity ends. A carrier that refused for good is never asked
//! again for this message; when none is left the message has failed. Being told to slow down, or that a
//! queue is full, is no refusal, and comes here not at all.
//!
//! A status that is worth fewer tries than there are ([`Ladder::refused_with`]) is a catch-all: after
//! them it counts as a refusal for good.
//!
//! All that a ladder knows is on record: the number that a refusal is recorded with
//! ([`Ladder::refused_with`]), and that of a rest ([`Ladder::round`]). The tries at one carrier within a
//! round are not: after a restart they begin anew, so that a start costs a message one attempt at most.

use core::time::Duration;

use crate::clock::UnixMs;
use crate::limits;

/// The number of a refusal for good.
pub const FOR_GOOD: u8 = 0;

/// What carriers have said to one message so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    /// Rounds that are over.
    rounds: u8,
    /// The last refusal of each carrier, by its durable number: the round, or [`FOR_GOOD`].
    refusals: Vec<(u32, u8)>,
    /// The end of the present rest.
    rest: Option<UnixMs>,
}

/// A carrier that could take the message if it had not refused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Its durable number.
    pub carrier: u32,
    /// Whether messages may be given to it now.
    pub usable: bool,
}

/// What comes next for a message that waits for a carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A carrier that has not refused it in this round has it.
    Ask,
    /// The round is over; those that refused it for a while are asked in the next one.
    Rest,
    /// No carrier will ever take it.
    Fail,
}

/// When a carrier that refused a part for a while has it again: after `tries` such refusals there, with
/// a status that is worth so many retries. `None`: not in this round.
#[must_use]
pub fn same_carrier_again(tries: u8, worth: u8) -> Option<Duration> {
    let delay = limits::TEMPORARY_RETRIES.get(usize::from(tries)).copied();
    delay.filter(|_| tries < worth)
}

impl Ladder {
    /// The present round, from 1.
    #[must_use]
    pub fn round(&self) -> u8 {
        self.rounds.saturating_add(1)
    }

    /// The number with which a refusal is recorded, by a status that is worth so many retries: the round,
    /// or [`FOR_GOOD`].
    #[must_use]
    pub fn refused_with(&self, worth: u8) -> u8 {
        let for_a_while = usize::from(worth) >= limits::TEMPORARY_RETRIES.len();
        if for_a_while { self.round() } else { FOR_GOOD }
    }

    /// A carrier refused the message; the number is as recorded.
    pub fn note_refusal(&mut self, carrier: u32, number: u8) {
        match self.refusals.iter_mut().find(|(own, _)| *own == carrier) {
            Some((_, FOR_GOOD)) => {}
            Some((_, last)) => *last = number,
            None => self.refusals.push((carrier, number)),
        }
    }

    /// This round was over at that time: the message rests.
    pub fn note_rest(&mut self, round: u8, at: UnixMs) {
        let rests = &limits::RETRY_RESTS;
        let index = usize::from(round.saturating_sub(1)).min(rests.len() - 1);
        self.rounds = round;
        self.rest = rests.get(index).map(|rest| at.after(*rest));
    }

    /// The rest is over.
    pub fn note_rested(&mut self) {
        self.rest = None;
    }

    /// When the present rest ends.
    #[must_use]
    pub fn rests_until(&self) -> Option<UnixMs> {
        self.rest
    }

    /// Whether a carrier is not to be asked in this round.
    #[must_use]
    pub fn bars(&self, carrier: u32) -> bool {
        let number = self.refusal_of(carrier);
        number.is_some_and(|number| number == FOR_GOOD || number >= self.round())
    }

    /// Whether a carrier refused in this round, and is asked in the next one.
    #[must_use]
    pub fn may_come_back(&self, carrier: u32) -> bool {
        self.refusal_of(carrier).is_some_and(|number| number != FOR_GOOD && number >= self.round())
    }

    /// What comes next, by the carriers that the message may have. One that cannot be reached is not
    /// waited for while another one can, which refused for a while: that one's next round comes first.
    #[must_use]
    pub fn next(&self, rungs: impl IntoIterator<Item = Rung>) -> Next {
        let (mut open, mut usable, mut back, mut back_usable) = (false, false, false, false);
        for rung in rungs {
            if !self.bars(rung.carrier) {
                open = true;
                usable |= rung.usable;
            } else if self.may_come_back(rung.carrier) {
                back = true;
                back_usable |= rung.usable;
            }
        }
        if usable || (open && !back_usable) {
            Next::Ask
        } else if back {
            Next::Rest
        } else {
            Next::Fail
        }
    }

    /// Whether no carrier has refused it.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.refusals.is_empty()
    }

    fn refusal_of(&self, carrier: u32) -> Option<u8> {
        let known = self.refusals.iter().find(|(own, _)| *own == carrier);
        known.map(|(_, number)| *number)
    }
}
