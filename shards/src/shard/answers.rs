//! What carriers answer to submits: taken, refused, too fast, full; and what becomes of the part then.
//! Part of the shard's machine.

use std::time::Duration;

use postrider_core::clock::Now;
use postrider_core::lifecycle::{PartEvent, PartStatus};
use postrider_core::limits;
use postrider_core::route::CarrierIx;
use postrider_smpp::status::{CommandStatus, Pause, Verdict, verdict};

use super::message::{Event, Part};
use super::outbound::part_of;
use super::table::PartRef;
use super::{BindIx, Shard, Timer};
use crate::stats::{Counter, Histogram};

/// An answer to one of our submits.
pub(super) struct Response {
    pub(super) token: u64,
    pub(super) status: u32,
    pub(super) id: Box<[u8]>,
    pub(super) waited: Duration,
    /// Its outcome was already taken for unknown.
    pub(super) late: bool,
}

impl Shard {
    /// A carrier answered a submit_sm.
    pub(super) fn answered(
        &mut self,
        now: Now,
        bind: BindIx,
        carrier: CarrierIx,
        response: Response,
    ) {
        let part = part_of(response.token);
        self.stats.observe(Histogram::SubmitResponse, response.waited);
        let answer = verdict(CommandStatus(response.status));
        self.count_answer(bind, answer);
        let Some(held) = self.part_mut(part) else { return };
        if !response.late {
            held.in_flight = false;
        } else if answer != Verdict::Done && !tells_the_outcome(held) {
            return;
        }
        match answer {
            Verdict::Done => self.part_taken(now, bind, carrier, part, response.id),
            Verdict::RetryLater { pause: Pause::BindThrottled } => {
                self.stats.inc(Counter::PartsThrottled);
                self.pause_bind(now, bind, limits::THROTTLED_PAUSE);
                self.not_taken(now, part, response.status);
                self.enqueue_first(part.sequence);
            }
            Verdict::RetryLater { pause: Pause::CarrierFull } => {
                self.stats.inc(Counter::PartsThrottled);
                self.pause_carrier(now, carrier);
                self.not_taken(now, part, response.status);
                self.enqueue_first(part.sequence);
            }
            Verdict::RetryLater { pause: Pause::Message { retries } } => {
                self.retry_later(now, carrier, part, response.status, retries);
            }
            Verdict::Rebind => {
                self.retry_later(now, carrier, part, response.status, u8::MAX);
            }
            Verdict::TryOther { .. } => self.refused(now, carrier, part, response.status),
            Verdict::Reject => self.rejected(now, carrier, part, response.status),
        }
    }

    fn count_answer(&self, bind: BindIx, answer: Verdict) {
        let stats = self.stats.bind(bind);
        stats.responses.inc();
        match answer {
            Verdict::Done
            | Verdict::Rebind
            | Verdict::RetryLater { pause: Pause::Message { .. } } => {}
            Verdict::RetryLater { pause: Pause::BindThrottled | Pause::CarrierFull } => {
                stats.throttled.inc();
            }
            Verdict::TryOther { .. } | Verdict::Reject => stats.refused.inc(),
        }
    }

    fn part_taken(
        &mut self,
        now: Now,
        bind: BindIx,
        carrier: CarrierIx,
        part: PartRef,
        id: Box<[u8]>,
    ) {
        self.stats.inc(Counter::PartsAccepted);
        let number = self.shared.carrier_number(carrier);
        let kind = match self.part_status(part) {
            Some(PartStatus::Queued | PartStatus::OutcomeUnknown) => PartEvent::Submitted,
            // Its receipt came first, or another copy was taken before.
            Some(_) if self.is_news(number, part, &id) => PartEvent::AcceptedLate,
            Some(_) | None => return,
        };
        let event = Event { carrier: number, detail: id.clone(), ..self.event(now, part, kind) };
        let lsn = self.part_event(now, part.sequence, event, false);
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            held.answered(lsn);
        }
        if let Some(own) = self.outbound.carrier_mut(carrier) {
            own.pause = limits::QUEUE_FULL_PAUSE_FIRST;
        }
        self.match_orphans(now, carrier, &id);
    }

    /// Whether a carrier's id says something that the part does not know yet.
    fn is_news(&self, number: u32, part: PartRef, id: &[u8]) -> bool {
        let known = |own: (u8, u32, &[u8])| own == (part.part, number, id);
        let message = self.table.get(part.sequence);
        !id.is_empty() && message.is_some_and(|message| !message.carrier_ids().any(known))
    }

    /// A temporary refusal: the same carrier again after 1, 5 and 30 s, as often as the status is
    /// worth, then another.
    fn retry_later(
        &mut self,
        now: Now,
        carrier: CarrierIx,
        part: PartRef,
        status: u32,
        retries: u8,
    ) {
        let Some(held) = self.part_mut(part) else { return };
        let delay = limits::TEMPORARY_RETRIES.get(usize::from(held.tries)).copied();
        let Some(delay) = delay.filter(|_| held.tries < retries) else {
            return self.refused(now, carrier, part, status);
        };
        held.tries += 1;
        held.waiting = true;
        held.timer = now.mono + delay;
        self.stats.inc(Counter::PartsRefused);
        self.not_taken(now, part, status);
        self.wheel.insert(now.mono + delay, Timer::Retry(part.sequence, part.part));
    }

    /// The delay after a temporary refusal is over.
    pub(super) fn retry_part(&mut self, now: Now, part: PartRef) {
        if let Some(held) = self.part_mut(part)
            && held.timer <= now.mono
        {
            held.waiting = false;
            self.enqueue_first(part.sequence);
        }
    }

    /// This carrier will not have it. Others may, unless some parts already went this way.
    fn refused(&mut self, now: Now, carrier: CarrierIx, part: PartRef, status: u32) {
        self.stats.inc(Counter::PartsRefused);
        self.settle_refusal(now, part, status);
        if self.part_status(part) != Some(PartStatus::Queued) {
            return;
        }
        let split = self.table.get(part.sequence).is_some_and(|message| message.any_submitted());
        if split {
            self.rejected(now, carrier, part, status);
            return;
        }
        let number = self.shared.carrier_number(carrier);
        let event = Event { carrier: number, status, ..self.event(now, part, PartEvent::Refused) };
        self.part_event(now, part.sequence, event, false);
        if let Some(message) = self.table.get_mut(part.sequence) {
            message.bind = None;
            for held in &mut message.parts {
                held.tries = 0;
            }
            message.queued_on = None;
        }
        self.dispatch(now, part.sequence);
    }

    /// No carrier will have it.
    fn rejected(&mut self, now: Now, carrier: CarrierIx, part: PartRef, status: u32) {
        self.settle_refusal(now, part, status);
        let Some(held) = self.part_status(part) else { return };
        if held.is_final() {
            return;
        }
        let number = self.shared.carrier_number(carrier);
        let event = Event { carrier: number, status, ..self.event(now, part, PartEvent::Rejected) };
        self.part_event(now, part.sequence, event, true);
    }

    /// A refusal that came late ends what was unknown.
    fn settle_refusal(&mut self, now: Now, part: PartRef, status: u32) {
        if self.part_status(part) == Some(PartStatus::OutcomeUnknown) {
            self.not_taken(now, part, status);
        }
    }

    /// Every carrier refused the message.
    pub(super) fn no_carrier_left(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get(sequence) else { return };
        let Some(index) = message.next_sendable() else { return };
        let part = PartRef { sequence, part: index };
        let last = message.events.last();
        let (carrier, status) = last.map_or((0, 0), |event| (event.carrier, event.status));
        let kind = if carrier == 0 { PartEvent::Failed } else { PartEvent::Rejected };
        let event = Event { carrier, status, ..self.event(now, part, kind) };
        self.part_event(now, sequence, event, true);
    }

    /// The part cannot be handed to any bind.
    pub(super) fn part_failed(&mut self, now: Now, part: PartRef, words: &str) {
        let event =
            Event { detail: words.as_bytes().into(), ..self.event(now, part, PartEvent::Failed) };
        self.part_event(now, part.sequence, event, true);
    }

    pub(super) fn part_mut(&mut self, part: PartRef) -> Option<&mut Part> {
        self.table.get_mut(part.sequence)?.parts.get_mut(usize::from(part.part))
    }

    pub(super) fn part_status(&self, part: PartRef) -> Option<PartStatus> {
        let message = self.table.get(part.sequence)?;
        message.parts.get(usize::from(part.part)).map(|held| held.status)
    }
}

/// Whether a late refusal tells what became of a part: only when no other copy of it was written,
/// since a refusal of the first copy says nothing of a second.
fn tells_the_outcome(part: &Part) -> bool {
    part.status == PartStatus::OutcomeUnknown && part.resubmits == 0
}
