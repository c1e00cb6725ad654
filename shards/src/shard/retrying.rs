//! Messages that carriers refused: who is asked next, when, and what is left to be said when nobody is.
//! Follows `core::retry`. Part of the shard's machine.

use postrider_core::clock::{Now, UnixMs};
use postrider_core::lifecycle::{PartEvent, PartStatus};
use postrider_core::retry::{FOR_GOOD, Ladder, Next, Rung, same_carrier_again};
use postrider_core::route::CarrierIx;

use super::message::{ALL_PARTS, Event, Message, NO_CARRIER};
use super::part::numbers_in;
use super::table::PartRef;
use super::{Shard, Timer};
use crate::stats::Counter;

/// Why a message failed that no carrier refused.
const UNFIT: &[u8] = b"no carrier of its route can have it in as many parts as were promised";

/// Why a carrier does not take a part: its status, or words of our own.
#[derive(Clone, Copy)]
pub(super) struct Refusal<'a> {
    status: u32,
    words: &'a [u8],
    /// Retries at the carrier that the status is worth.
    worth: u8,
}

impl Refusal<'_> {
    /// A status that ends it at this carrier.
    pub(super) fn by(status: u32) -> Self {
        Refusal { status, words: &[], worth: 0 }
    }

    fn event(self, carrier: u32, event: Event) -> Event {
        Event { carrier, status: self.status, detail: self.words.into(), ..event }
    }
}

// ---- At one carrier ----

impl Shard {
    /// A temporary refusal: the same carrier again, as often as the status is worth and validity allows,
    /// then another.
    pub(super) fn retry_later(
        &mut self,
        now: Now,
        carrier: CarrierIx,
        part: PartRef,
        status: u32,
        worth: u8,
    ) {
        let Some(message) = self.table.get(part.sequence) else { return };
        let Some(tries) = message.part(part.part).map(|held| held.tries) else { return };
        let closed = message.ladder.bars(self.shared.carrier_number(carrier));
        let in_time = |delay| now.wall.after(delay) < message.envelope.valid_until;
        let again = same_carrier_again(tries, worth).filter(|delay| !closed && in_time(*delay));
        let Some(delay) = again else {
            return self.refused(now, carrier, part, Refusal { status, words: &[], worth });
        };
        let due = now.mono + delay;
        for held in self.parts_mut(part) {
            held.tries = tries + 1;
            held.waiting = true;
            held.timer = due;
        }
        self.stats.inc(Counter::PartsRefused);
        self.learn_of_refusal(now, part, carrier);
        self.not_taken(now, part, status);
        self.wheel.insert(due, Timer::Retry(part.sequence, part.part));
    }

    /// The delay after a temporary refusal is over.
    pub(super) fn retry_part(&mut self, now: Now, part: PartRef) {
        let due = self.part(part).is_some_and(|held| held.waiting && held.timer <= now.mono);
        if due {
            for held in self.parts_mut(part) {
                held.waiting = false;
            }
            self.enqueue_first(now, part.sequence);
        }
    }

    /// This carrier will not have it, for a while or for good. Its word on the first part goes for all
    /// that it has not answered.
    pub(super) fn refused(
        &mut self,
        now: Now,
        carrier: CarrierIx,
        part: PartRef,
        why: Refusal<'_>,
    ) {
        self.stats.inc(Counter::PartsRefused);
        self.settle_refusal(now, part, why.status);
        if self.part_status(part) != Some(PartStatus::Queued) {
            return;
        }
        self.learn_of_refusal(now, part, carrier);
        let Some(message) = self.table.get(part.sequence) else { return };
        let number = self.shared.carrier_number(carrier);
        let attempt = message.ladder.refused_with(why.worth);
        let harder = attempt == FOR_GOOD && message.ladder.may_come_back(number);
        if message.ladder.bars(number) && !harder {
            self.not_taken(now, part, why.status);
        } else {
            let event = why.event(number, self.event(now, part, PartEvent::Refused));
            self.part_event(now, part.sequence, Event { attempt, ..event }, false);
        }
        if let Some(message) = self.table.get_mut(part.sequence) {
            for held in &mut message.parts {
                held.tries = 0;
                held.waiting = false;
            }
        }
        self.unqueue(part.sequence);
        self.move_on(now, part.sequence);
    }

    /// Wrong everywhere: no carrier will have it.
    pub(super) fn rejected(
        &mut self,
        now: Now,
        carrier: CarrierIx,
        part: PartRef,
        why: Refusal<'_>,
    ) {
        self.settle_refusal(now, part, why.status);
        if self.part_status(part).is_none_or(PartStatus::is_final) {
            return;
        }
        let number = self.shared.carrier_number(carrier);
        let event = why.event(number, self.event(now, part, PartEvent::Rejected));
        self.part_event(now, part.sequence, event, true);
    }

    /// The part has no form in which this carrier could take it.
    pub(super) fn unwritable(&mut self, now: Now, carrier: CarrierIx, part: PartRef, words: &str) {
        self.not_taken(now, part, 0);
        for held in self.parts_mut(part) {
            held.recording = false;
        }
        self.frees_destination(carrier, part);
        let why = Refusal { status: 0, words: words.as_bytes(), worth: 0 };
        self.refused(now, carrier, part, why);
    }

    /// A refusal that came late ends what was unknown.
    fn settle_refusal(&mut self, now: Now, part: PartRef, status: u32) {
        if self.part_status(part) == Some(PartStatus::OutcomeUnknown) {
            self.not_taken(now, part, status);
        }
    }
}

// ---- From carrier to carrier, and from round to round ----

impl Shard {
    /// Finds a carrier for what is left of a message, once no carrier's answer is awaited: whether others
    /// may be asked depends on these.
    pub(super) fn move_on(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get_mut(sequence) else { return };
        if message.awaits_answers() || message.queued_on.is_some() || !message.wants_sending() {
            return;
        }
        if message.committed_to().is_none() {
            message.bind = None;
            message.far = None;
        }
        self.dispatch(now, sequence);
    }

    /// What the ladder of a message says, by the carriers that it may have.
    pub(super) fn next_on_ladder(&self, now: Now, message: &Message) -> Next {
        let rung = |ix| Rung {
            carrier: self.shared.carrier_number(ix),
            usable: self.outbound.usable(ix, message.queued_on),
        };
        if let Some(number) = message.committed_to() {
            return message.ladder.next(self.shared.carrier_of(number).map(rung));
        }
        let route = self.way_of(now, message).and_then(|way| self.shared.routes.get(way.route));
        let candidates = route.into_iter().flat_map(|route| route.candidates());
        let fitting = candidates.map(|own| own.carrier).filter(|ix| self.fits(message, *ix));
        message.ladder.next(fitting.map(rung))
    }

    /// No carrier may have the message now: it rests while one that refused it for a while is left, and
    /// has failed when there is none.
    pub(super) fn no_carrier_left(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get(sequence) else { return };
        if message.awaits_answers() {
            return;
        }
        let Some(index) = message.next_sendable() else { return };
        if self.next_on_ladder(now, message) == Next::Rest {
            return self.rest(now, sequence);
        }
        let part = PartRef { sequence, part: index };
        let (kind, carrier, status, detail) = match message.last_refusal() {
            Some(last) => (PartEvent::Rejected, last.carrier, last.status, last.detail.clone()),
            None => (PartEvent::Failed, NO_CARRIER, 0, UNFIT.into()),
        };
        let event = Event { carrier, status, detail, ..self.event(now, part, kind) };
        self.part_event(now, sequence, event, true);
    }

    /// A round is over: the message is held until the next one, or until its validity ends.
    fn rest(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get(sequence) else { return };
        let (round, queued) =
            (message.ladder.round(), numbers_in(&message.parts, PartStatus::Queued));
        self.stats.inc(Counter::RetryRounds);
        for part in queued {
            let event = self.event(now, PartRef { sequence, part }, PartEvent::Held);
            self.part_event(now, sequence, Event { attempt: round, ..event }, false);
        }
        self.arm_message(now, sequence);
    }
}

// ---- On record ----

/// What an event says of the ladder.
pub(super) fn note_on(ladder: &mut Ladder, event: &Event) {
    if event.kind == PartEvent::Refused {
        ladder.note_refusal(event.carrier, event.attempt);
    } else if event.kind == PartEvent::Held {
        ladder.note_rest(event.attempt, event.at);
    } else if event.kind == PartEvent::Released {
        ladder.note_rested();
    }
}

/// Takes away what is told anew: of all its rounds a message keeps the last word of each carrier and the
/// last rest, so that its events stay few however long it is tried.
pub(super) fn supersede(events: &mut Vec<Event>, by: &Event) {
    let own = |event: &Event, kind| event.kind == kind && event.part == by.part;
    if by.kind == PartEvent::Refused {
        let same = |event: &Event| {
            own(event, by.kind) && event.carrier == by.carrier && event.attempt != FOR_GOOD
        };
        events.iter().position(same).map(|at| events.remove(at));
    } else if by.kind == PartEvent::Held
        && let Some(held) = events.iter().position(|event| own(event, PartEvent::Held))
    {
        let released = |event: &Event| own(event, PartEvent::Released);
        let behind = events.iter().skip(held).position(released);
        behind.map(|behind| events.remove(held + behind));
        events.remove(held);
    }
}

impl Message {
    /// When what is held of it is due, or has no more time.
    pub(crate) fn held_until(&self) -> Option<UnixMs> {
        let held = self.parts.iter().any(|part| part.status == PartStatus::Held);
        let due = self.ladder.rests_until().or(self.envelope.due);
        due.filter(|_| held && self.outcome.is_none()).map(|due| due.min(self.envelope.valid_until))
    }

    /// The last word of a carrier that did not take it.
    pub(super) fn last_refusal(&self) -> Option<&Event> {
        self.events.iter().rfind(|event| event.kind == PartEvent::Refused)
    }

    /// Whether a carrier is yet to answer for a part, or is about to get one.
    pub(super) fn awaits_answers(&self) -> bool {
        self.parts_of(ALL_PARTS).iter().any(|part| part.in_flight || part.recording)
    }
}
