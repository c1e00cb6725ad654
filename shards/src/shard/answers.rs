//! What carriers answer to submits: taken, refused, too fast, full; and what becomes of the part then.
//! Part of the shard's machine.

use std::time::Duration;

use postrider_core::clock::Now;
use postrider_core::config::StatusReaction;
use postrider_core::lifecycle::{PartEvent, PartStatus};
use postrider_core::rate::TroubleKind;
use postrider_core::route::CarrierIx;
use postrider_core::sequence::is_no_message;
use postrider_smpp::status::{CommandStatus, Pause, StatusClass, Verdict, verdict};
use postrider_storage::crash;

use super::crossing::Via;
use super::message::{ALL_PARTS, Event, Part};
use super::outbound::part_of;
use super::retrying::Refusal;
use super::table::PartRef;
use super::{BindIx, Shard};
use crate::stats::{Counter, Histogram};

/// An answer to one of our submits.
#[derive(Clone, Debug)]
pub struct Response {
    pub(super) token: u64,
    pub(super) status: u32,
    pub(super) id: Box<[u8]>,
    pub(super) waited: Duration,
    /// Its outcome was already taken for unknown.
    pub(super) late: bool,
    /// congestion_state, in percent [5.0 section 4.8.4.18].
    pub(super) congestion: Option<u8>,
}

impl Shard {
    /// A carrier answered a submit_sm.
    pub(super) fn answered(
        &mut self,
        now: Now,
        bind: BindIx,
        carrier: CarrierIx,
        response: &Response,
    ) {
        crash::point("response-arrived");
        self.stats.observe(Histogram::SubmitResponse, response.waited);
        let answer = self.reaction(carrier, response.status);
        self.count_answer(bind, answer);
        self.weigh_answer(now, bind, answer, response);
        self.heed(now, (bind, carrier), answer, response);
        if is_no_message(part_of(response.token).sequence) {
            return self.crossing_answered(carrier, answer, response);
        }
        self.apply_answer(now, (Via::Own(bind), carrier), answer, response);
    }

    /// What an answer means for its part.
    pub(super) fn apply_answer(
        &mut self,
        now: Now,
        (via, carrier): (Via, CarrierIx),
        answer: Verdict,
        response: &Response,
    ) {
        let part = part_of(response.token);
        if !response.late {
            for held in self.parts_mut(part) {
                held.in_flight = false;
            }
            self.note_answered(carrier, part);
        }
        for part in self.spread(part) {
            let tells = answer == Verdict::Done || self.part(part).is_some_and(tells_the_outcome);
            if !response.late || tells {
                self.part_answered(now, (via, carrier), part, answer, response);
            }
        }
        self.move_on(now, part.sequence);
        self.close_if_done(now, part.sequence);
        self.stir(part.sequence);
    }

    /// What a status means at this carrier: as its profile says, else as everywhere.
    pub(super) fn reaction(&self, carrier: CarrierIx, status: u32) -> Verdict {
        let profile = self.shared.profile(Some(carrier));
        let own = profile.and_then(|profile| profile.reactions.get(&status).copied());
        let class = match own {
            None => return verdict(CommandStatus(status)),
            Some(StatusReaction::Throttled) => StatusClass::Throttled,
            Some(StatusReaction::QueueFull) => StatusClass::QueueFull,
            Some(StatusReaction::Temporary) => StatusClass::Temporary,
            Some(StatusReaction::OtherCarrier) => StatusClass::OtherCarrier,
            Some(StatusReaction::Reject) => StatusClass::Permanent,
        };
        class.verdict()
    }

    /// What the answer says of the carrier's pace.
    fn heed(
        &mut self,
        now: Now,
        (bind, carrier): (BindIx, CarrierIx),
        answer: Verdict,
        response: &Response,
    ) {
        match answer {
            Verdict::Rebind => self.rebind(now, bind),
            Verdict::TryOther { alarm: true } => self.stats.inc(Counter::ProfileFaults),
            Verdict::Done
            | Verdict::RetryLater { .. }
            | Verdict::TryOther { alarm: false }
            | Verdict::Reject => {}
        }
        let (at, waited) = (now.mono, response.waited);
        let Some(own) = self.outbound.carrier_mut(carrier) else { return };
        if let Some(percent) = response.congestion {
            own.lease.congested(at, waited, percent);
        }
        match answer {
            Verdict::RetryLater { pause: Pause::BindThrottled } => {
                own.lease.refused(at, waited, TroubleKind::Throttled);
            }
            Verdict::RetryLater { pause: Pause::CarrierFull } => {
                own.lease.refused(at, waited, TroubleKind::QueueFull);
            }
            Verdict::Done
            | Verdict::RetryLater { pause: Pause::Message { .. } }
            | Verdict::Rebind
            | Verdict::TryOther { .. }
            | Verdict::Reject => own.lease.answered(at, waited, answer == Verdict::Done),
        }
    }

    fn part_answered(
        &mut self,
        now: Now,
        (via, carrier): (Via, CarrierIx),
        part: PartRef,
        answer: Verdict,
        response: &Response,
    ) {
        let status = response.status;
        match answer {
            Verdict::Done => self.part_taken(now, via, carrier, part, &response.id),
            Verdict::RetryLater { pause: Pause::BindThrottled | Pause::CarrierFull }
            | Verdict::Rebind => {
                self.stats.inc(Counter::PartsThrottled);
                self.not_taken(now, part, status);
                self.enqueue_first(now, part.sequence);
            }
            Verdict::RetryLater { pause: Pause::Message { retries } } => {
                self.retry_later(now, carrier, part, status, retries);
            }
            Verdict::TryOther { .. } => self.refused(now, carrier, part, Refusal::by(status)),
            Verdict::Reject => self.rejected(now, carrier, part, Refusal::by(status)),
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

    fn part_taken(&mut self, now: Now, via: Via, carrier: CarrierIx, part: PartRef, id: &[u8]) {
        self.stats.inc(Counter::PartsAccepted);
        let number = self.shared.carrier_number(carrier);
        let kind = match self.part_status(part) {
            Some(PartStatus::Queued | PartStatus::OutcomeUnknown) => PartEvent::Submitted,
            // Its receipt came first, or another copy was taken before.
            Some(_) if self.is_news(number, part, id) => PartEvent::AcceptedLate,
            Some(_) | None => return,
        };
        let event = Event { carrier: number, detail: id.into(), ..self.event(now, part, kind) };
        let lsn = self.part_event(now, part.sequence, event, false);
        crash::point("response-recorded");
        if kind == PartEvent::Submitted {
            self.learn_of_acceptance(now, part, carrier);
        }
        if let Via::Own(bind) = via
            && let Some(held) = self.outbound.binds.get_mut(bind)
        {
            held.answered(lsn);
        }
        self.match_orphans(now, carrier, id);
    }

    /// Whether a carrier's id says something that the part does not know yet.
    fn is_news(&self, number: u32, part: PartRef, id: &[u8]) -> bool {
        let known = |own: (u8, u32, &[u8])| own == (part.part, number, id);
        let message = self.table.get(part.sequence);
        !id.is_empty() && message.is_some_and(|message| !message.carrier_ids().any(known))
    }

    pub(super) fn part(&self, part: PartRef) -> Option<&Part> {
        self.table.get(part.sequence)?.part(part.part)
    }

    /// The part, or all; none when the message is gone.
    pub(super) fn parts_mut(&mut self, part: PartRef) -> &mut [Part] {
        let message = self.table.get_mut(part.sequence);
        message.map(|message| message.parts_mut(part.part)).unwrap_or_default()
    }

    pub(super) fn part_status(&self, part: PartRef) -> Option<PartStatus> {
        self.part(part).map(|held| held.status)
    }

    /// All parts as one while one event can speak for all, else each by itself.
    pub(super) fn spread(&self, part: PartRef) -> Vec<PartRef> {
        let Some(message) = self.table.get(part.sequence) else { return Vec::new() };
        let several = message.parts.len() > 1;
        if part.part != ALL_PARTS || (several && message.parts_are_alike()) {
            return vec![part];
        }
        let each = (0..).zip(&message.parts);
        each.map(|(index, _)| PartRef { part: index, ..part }).collect()
    }
}

/// Whether a late refusal tells what became of a part: only when no other copy of it was written,
/// since a refusal of the first copy says nothing of a second.
fn tells_the_outcome(part: &Part) -> bool {
    part.status == PartStatus::OutcomeUnknown && part.resubmits == 0
}
