//! Parts of which nobody knows whether the carrier took them: written to a bind that was lost, or
//! never answered. What becomes of one is its carrier's choice. Where a handset must not get a part
//! twice, the attempt is on disk before the first octet leaves. Part of the shard's machine.

use std::time::Duration;

use postrider_core::clock::Now;
use postrider_core::config::OnUnknownOutcome;
use postrider_core::content::Duplicate;
use postrider_core::lifecycle::{PartEvent, PartStatus};
use postrider_core::route::CarrierIx;

use super::message::{Event, Message, Part};
use super::outbound::token;
use super::table::PartRef;
use super::{After, Drain, Shard, Shared, Timer};
use crate::stats::Counter;

/// Why a part failed whose carrier wants no second try.
const NO_ANSWER: &[u8] = b"the carrier's answer was lost, and it may not be sent again";

impl Shared {
    /// What becomes of a message's parts when their outcome at the carrier is unknown. Without the
    /// carrier, which was taken out of the configuration, there is nobody to send them to.
    fn on_unknown(&self, carrier: Option<CarrierIx>, message: &Message) -> OnUnknownOutcome {
        let config = carrier.and_then(|ix| self.config.carriers.get(usize::from(ix.0)));
        match config.map(|config| config.on_unknown_outcome) {
            None => OnUnknownOutcome::HoldForReceipt,
            Some(OnUnknownOutcome::Resubmit) if message.envelope.duplicate == Duplicate::Avoid => {
                OnUnknownOutcome::HoldForReceipt
            }
            Some(policy) => policy,
        }
    }
}

// ---- After the attempt ----

impl Shard {
    /// The answer will never come, or has not come in time.
    pub(super) fn outcome_unknown(&mut self, now: Now, carrier: CarrierIx, part: PartRef) {
        self.stats.inc(Counter::PartsOutcomeUnknown);
        let number = self.shared.carrier_number(carrier);
        for held in self.parts_mut(part) {
            held.in_flight = false;
        }
        self.note_answered(carrier, part);
        for part in self.spread(part) {
            if self.part_status(part) == Some(PartStatus::Queued) {
                self.note_unknown(now, number, part);
            }
        }
        if let Some(to) = self.table.get(part.sequence).map(|message| message.envelope.to) {
            self.seek_orphans_of(now, carrier, to);
        }
        self.move_on(now, part.sequence);
        self.close_if_done(now, part.sequence);
        self.stir(part.sequence);
    }

    /// Writes down that nobody knows, and does what is to be done about it.
    pub(super) fn note_unknown(&mut self, now: Now, number: u32, part: PartRef) {
        let event = Event { carrier: number, ..self.event(now, part, PartEvent::OutcomeUnknown) };
        self.part_event(now, part.sequence, event, false);
        self.settle_unknown(now, part);
    }

    /// Does with a part of unknown outcome what its carrier's policy says.
    pub(super) fn settle_unknown(&mut self, now: Now, part: PartRef) {
        let Some(message) = self.table.get(part.sequence) else { return };
        let Some(held) = message.part(part.part).filter(|_| message.outcome.is_none()) else {
            return;
        };
        let number = held.carrier;
        let carrier = self.shared.carrier_of(number);
        match self.shared.on_unknown(carrier, message) {
            OnUnknownOutcome::HoldForReceipt => {}
            OnUnknownOutcome::Fail => {
                let event = self.event(now, part, PartEvent::Failed);
                let event = Event { carrier: number, detail: NO_ANSWER.into(), ..event };
                self.part_event(now, part.sequence, event, true);
            }
            OnUnknownOutcome::Resubmit => {
                let lost = message.last_event(part.part, PartEvent::OutcomeUnknown);
                let waited = lost.map_or(Duration::ZERO, |event| now.wall.since(event.at));
                let grace = self.shared.profile(carrier).map(|profile| profile.unknown_grace);
                self.resend_after(now, part, grace.unwrap_or_default().saturating_sub(waited));
            }
        }
    }

    fn resend_after(&mut self, now: Now, part: PartRef, delay: Duration) {
        if delay.is_zero() {
            return self.resend(now, part);
        }
        for held in self.parts_mut(part) {
            held.timer = now.mono + delay;
        }
        self.wheel.insert(now.mono + delay, Timer::Resend(part.sequence, part.part));
    }

    /// No sign of the part in its time of grace.
    pub(super) fn grace_without_sign(&mut self, now: Now, part: PartRef) {
        self.stir(part.sequence);
        for part in self.spread(part) {
            if self.part(part).is_some_and(|held| held.timer <= now.mono) {
                self.resend(now, part);
            }
        }
    }

    /// Queues a part of unknown outcome again, once that is on record. One that was sent again often
    /// enough, or whose validity is over, stays as it is.
    fn resend(&mut self, now: Now, part: PartRef) {
        let Some(message) = self.table.get(part.sequence) else { return };
        let Some(held) = message.part(part.part) else { return };
        if message.outcome.is_some() || held.status != PartStatus::OutcomeUnknown {
            return;
        }
        let number = held.carrier;
        let (attempt, most) = (held.attempt(), self.shared.profile(self.shared.carrier_of(number)));
        let enough = most.is_none_or(|profile| attempt > profile.resends);
        if enough || message.envelope.valid_until <= now.wall {
            return;
        }
        self.stats.inc(Counter::PartsResubmitted);
        let event = self.event(now, part, PartEvent::Requeued);
        self.part_event(now, part.sequence, Event { carrier: number, attempt, ..event }, true);
        self.journal.then(After::Resend { sequence: part.sequence });
    }

    /// The part is not at the carrier after all: it was not written, or the carrier said so.
    pub(super) fn not_taken(&mut self, now: Now, part: PartRef, status: u32) {
        let Some(held) = self.part(part) else { return };
        let unsettled = held.status == PartStatus::OutcomeUnknown
            || (held.status == PartStatus::Queued && held.attempted);
        if unsettled {
            let (carrier, attempt) = (held.carrier, held.resubmits);
            let event = self.event(now, part, PartEvent::Requeued);
            let event = Event { carrier, attempt, status, ..event };
            self.part_event(now, part.sequence, event, false);
        }
    }
}

// ---- Before the attempt ----

impl Shard {
    /// Whether the next attempt of a part must be on disk before it is written: every resend, and the
    /// other parts of its message, which follow it in order; and every part that may not be sent twice.
    pub(super) fn needs_record(&self, carrier: CarrierIx, part: PartRef) -> bool {
        let Some(message) = self.table.get(part.sequence) else { return false };
        let again = message.parts.iter().any(|held| held.resubmits > 0);
        again || self.shared.on_unknown(Some(carrier), message) != OnUnknownOutcome::Resubmit
    }

    /// Writes down that a part is about to go to the carrier. It goes when that is on disk.
    pub(super) fn record_attempt(&mut self, now: Now, ix: CarrierIx, part: PartRef) {
        let number = self.shared.carrier_number(ix);
        let Some(attempt) = self.part(part).map(Part::attempt) else { return };
        for held in self.parts_mut(part) {
            held.recording = true;
        }
        let event = self.event(now, part, PartEvent::Attempted);
        self.part_event(now, part.sequence, Event { carrier: number, attempt, ..event }, true);
        if let Some(carrier) = self.outbound.carrier_mut(ix) {
            carrier.recording += 1;
        }
        self.takes_destination(ix, part);
        self.journal.then(After::Attempted { carrier: ix, part });
    }

    /// The attempt is on disk: the part is the carrier's next.
    pub(super) fn attempt_recorded(&mut self, now: Now, ix: CarrierIx, part: PartRef) {
        if let Some(carrier) = self.outbound.carrier_mut(ix) {
            carrier.recording = carrier.recording.saturating_sub(1);
            carrier.ready.push_back(part);
        }
        if self.drain != Drain::No {
            self.withdraw_attempts(now, ix);
        }
        self.outbound.touch(ix);
    }

    /// The parts whose attempt is on disk and that were not written will not be.
    pub(super) fn withdraw_attempts(&mut self, now: Now, ix: CarrierIx) {
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return };
        // The last goes to the queue's head first: their order stays.
        for part in std::mem::take(&mut carrier.ready).into_iter().rev() {
            self.withdraw_attempt(now, ix, part);
        }
    }

    /// The first part whose attempt is on disk will not be written now.
    pub(super) fn withdraw_first(&mut self, now: Now, ix: CarrierIx) {
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return };
        if let Some(part) = carrier.ready.pop_front() {
            self.withdraw_attempt(now, ix, part);
        }
    }

    fn withdraw_attempt(&mut self, now: Now, ix: CarrierIx, part: PartRef) {
        if let Some(carrier) = self.outbound.carrier_mut(ix) {
            carrier.senders.end_claim(token(part));
        }
        for held in self.parts_mut(part) {
            held.recording = false;
        }
        self.frees_destination(ix, part);
        for part in self.spread(part) {
            self.not_taken(now, part, 0);
        }
        self.enqueue_first(now, part.sequence);
        self.close_if_done(now, part.sequence);
    }
}
