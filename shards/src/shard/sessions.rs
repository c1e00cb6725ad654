//! What the sessions of the binds report: bound and lost, answers to submits, receipts and other
//! messages from carriers, unknown outcomes. Part of the shard's machine.

use std::time::Duration;

use postrider_core::clock::Now;
use postrider_core::lifecycle::{PartEvent, PartStatus};
use postrider_core::limits;
use postrider_core::number::Msisdn;
use postrider_core::route::CarrierIx;
use postrider_smpp::backoff::BackoffCause;
use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::receipt::parse_receipt_decoded;
use postrider_smpp::session::{CloseReason, Event as SessionEvent};
use postrider_smpp::status::{CommandStatus, Pause, Verdict, verdict};

use super::bind::Link;
use super::mesh::ReceiptNotice;
use super::message::Event;
use super::outbound::part_of;
use super::table::PartRef;
use super::{BindIx, Delivery, Op, Shard, Timer};
use crate::stats::{Counter, Histogram};

impl Shard {
    /// Asks the driver to connect every bind. Once, after the start.
    pub fn start(&mut self, now: Now) {
        for bind in 0..self.outbound.binds.len() {
            self.reconnect(now, bind);
        }
        for carrier in 0..self.outbound.carriers.len() {
            if let Ok(ix) = u16::try_from(carrier) {
                self.wheel
                    .insert(now.mono + limits::CARRIER_DOWN_GRACE, Timer::Down(CarrierIx(ix)));
            }
        }
        self.pump(now);
    }

    /// The back-off of a bind is over.
    pub(super) fn reconnect(&mut self, _now: Now, bind: BindIx) {
        let draining = self.drain != super::Drain::No;
        let Some(held) = self.outbound.binds.get_mut(bind) else { return };
        if held.link == Link::Down && !draining {
            held.link = Link::Connecting;
            self.ops.push_back(Op::Connect(bind));
        }
    }

    /// The driver connected a bind.
    pub fn handle_bind_connected(&mut self, now: Now, bind: BindIx) {
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            held.link = Link::Up;
            held.epoch += 1;
            held.session.handle_connected(now.mono);
        }
        self.bind_events(now, bind);
        self.pump(now);
    }

    /// Octets arrived on a bind.
    pub fn handle_bind_bytes(&mut self, now: Now, bind: BindIx, octets: &[u8]) {
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            held.session.handle_bytes(now.mono, octets);
        }
        self.bind_events(now, bind);
        self.pump(now);
    }

    /// Why the session wanted the connection closed; `None` when it did not. For the driver's log,
    /// once a connection.
    pub fn take_close_reason(&mut self, bind: BindIx) -> Option<CloseReason> {
        self.outbound.binds.get_mut(bind)?.close_reason.take()
    }

    /// The connection of a bind is gone, or could not be made.
    pub fn handle_bind_closed(&mut self, now: Now, bind: BindIx) {
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            let bound_for = held.bound_since.take().map(|since| now.mono.saturating_sub(since));
            if let Some(bound_for) = bound_for {
                held.backoff.reset_after(bound_for);
                self.stats.inc(Counter::BindsLost);
            }
            held.session.handle_closed(now.mono);
            held.link = Link::Down;
            held.flushing = false;
            let cause = held.refused.take().unwrap_or(BackoffCause::Transport);
            let delay = held.backoff.next(cause);
            self.wheel.insert(now.mono + delay, Timer::Reconnect(bind));
            let carrier = held.carrier;
            self.bind_events(now, bind);
            self.note_down(now, carrier);
        }
        self.pump(now);
    }

    /// The session of a bind asked for this moment.
    pub(super) fn session_timeout(&mut self, now: Now, bind: BindIx) {
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            held.armed = None;
            held.session.handle_timeout(now.mono);
        }
        self.bind_events(now, bind);
    }

    /// Drains what a session has to report.
    pub(super) fn bind_events(&mut self, now: Now, bind: BindIx) {
        loop {
            let Some(held) = self.outbound.binds.get_mut(bind) else { return };
            let carrier = held.carrier;
            let Some(event) = held.session.poll_event() else { break };
            let happened = Happened::read(carrier, now, event);
            self.bind_happened(now, bind, carrier, happened);
        }
        self.flush(bind);
        self.arm(now, bind);
        if let Some(held) = self.outbound.binds.get(bind) {
            let carrier = held.carrier;
            self.outbound.touch(carrier);
        }
    }

    fn bind_happened(&mut self, now: Now, bind: BindIx, carrier: CarrierIx, what: Happened) {
        match what {
            Happened::Bound => self.bound(now, bind, carrier),
            Happened::BindRefused { status } => self.bind_refused(bind, status),
            Happened::Response(response) => self.answered(now, bind, carrier, response),
            Happened::Receipt { sequence, command, notice } => {
                let delivery = self.delivery(bind, command, sequence);
                self.receipt_arrived(now, delivery, notice);
            }
            Happened::NotAReceipt { sequence, command } => {
                // No customer can have a number for inbound messages yet: nobody to bring it to.
                self.stats.inc(Counter::MobileOriginatedRefused);
                let delivery = self.delivery(bind, command, sequence);
                self.respond(delivery, CommandStatus::ESME_RX_R_APPN.0);
            }
            Happened::OutcomeUnknown { token } => {
                self.outcome_unknown(now, carrier, part_of(token))
            }
            Happened::Close { reason } => {
                if let Some(held) = self.outbound.binds.get_mut(bind) {
                    held.close_reason = Some(reason);
                    held.link = Link::Closing;
                    self.ops.push_back(Op::Close(bind));
                }
            }
            Happened::Oddity => self.stats.inc(Counter::PduOddities),
            Happened::Nothing => {}
        }
    }

    fn delivery(&self, bind: BindIx, command: CommandId, sequence: u32) -> Delivery {
        let epoch = self.outbound.binds.get(bind).map_or(0, |held| held.epoch);
        Delivery { bind, epoch, command, sequence }
    }

    /// Answers a PDU of a carrier, if the session it came on still lives.
    pub(super) fn respond(&mut self, delivery: Delivery, status: u32) {
        let Some(held) = self.outbound.binds.get_mut(delivery.bind) else { return };
        if held.epoch == delivery.epoch && held.link == Link::Up {
            held.session.respond(delivery.command, delivery.sequence, status, b"");
            self.flush(delivery.bind);
        }
    }

    fn bound(&mut self, now: Now, bind: BindIx, carrier: CarrierIx) {
        self.stats.inc(Counter::BindsOpened);
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            held.bound_since = Some(now.mono);
            if held.epoch > 1 {
                self.stats.bind(bind).reconnects.inc();
            }
        }
        self.note_down(now, carrier);
        self.outbound.touch(carrier);
    }

    fn bind_refused(&mut self, bind: BindIx, status: u32) {
        self.stats.inc(Counter::BindsRefused);
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            held.refused = Some(BackoffCause::from_bind_status(status));
        }
    }

    /// A carrier answered a submit_sm.
    fn answered(&mut self, now: Now, bind: BindIx, carrier: CarrierIx, response: Response) {
        let part = part_of(response.token);
        self.stats.observe(Histogram::SubmitResponse, response.waited);
        let answer = verdict(CommandStatus(response.status));
        self.count_answer(bind, answer);
        if response.late && answer != Verdict::Done {
            // Its outcome was settled as unknown; a refusal of the first copy says nothing of the
            // second.
            return;
        }
        let Some(message) = self.table.get_mut(part.sequence) else { return };
        if let Some(held) = message.parts.get_mut(usize::from(part.part))
            && !response.late
        {
            held.in_flight = false;
        }
        match answer {
            Verdict::Done => self.part_taken(now, bind, carrier, part, response.id),
            Verdict::RetryLater { pause: Pause::BindThrottled } => {
                self.stats.inc(Counter::PartsThrottled);
                self.pause_bind(now, bind, limits::THROTTLED_PAUSE);
                self.enqueue_first(part.sequence);
            }
            Verdict::RetryLater { pause: Pause::CarrierFull } => {
                self.stats.inc(Counter::PartsThrottled);
                self.pause_carrier(now, carrier);
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
        let status = self.part_status(part);
        if !matches!(status, Some(PartStatus::Queued | PartStatus::OutcomeUnknown)) {
            // Its receipt came first, or a resend was taken before this late answer.
            self.table.index(number, &id, part);
            return;
        }
        let event = Event {
            carrier: number,
            detail: id.clone(),
            ..self.event(now, part, PartEvent::Submitted)
        };
        let lsn = self.part_event(now, part.sequence, event, false);
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            held.answered(lsn);
        }
        if let Some(own) = self.outbound.carrier_mut(carrier) {
            own.pause = limits::QUEUE_FULL_PAUSE_FIRST;
        }
        self.match_orphans(now, carrier, &id);
    }

    /// A temporary refusal: the same carrier again after 1, 5 and 30 s, as often as the status is worth,
    /// then another.
    fn retry_later(
        &mut self,
        now: Now,
        carrier: CarrierIx,
        part: PartRef,
        status: u32,
        retries: u8,
    ) {
        let delay = self.table.get_mut(part.sequence).and_then(|message| {
            let held = message.parts.get_mut(usize::from(part.part))?;
            if held.tries >= retries {
                return None;
            }
            let delay = limits::TEMPORARY_RETRIES.get(usize::from(held.tries)).copied()?;
            held.tries += 1;
            held.waiting = true;
            Some(delay)
        });
        match delay {
            Some(delay) => {
                self.stats.inc(Counter::PartsRefused);
                self.wheel.insert(now.mono + delay, Timer::Retry(part.sequence, part.part));
            }
            None => self.refused(now, carrier, part, status),
        }
    }

    /// The delay after a temporary refusal is over.
    pub(super) fn retry_part(&mut self, _now: Now, sequence: u64, part: u8) {
        let Some(message) = self.table.get_mut(sequence) else { return };
        if let Some(held) = message.parts.get_mut(usize::from(part)) {
            held.waiting = false;
        }
        self.enqueue_first(sequence);
    }

    /// This carrier will not have it. Others may, unless some parts already went this way.
    fn refused(&mut self, now: Now, carrier: CarrierIx, part: PartRef, status: u32) {
        self.stats.inc(Counter::PartsRefused);
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

    fn rejected(&mut self, now: Now, carrier: CarrierIx, part: PartRef, status: u32) {
        let Some(held) = self.part_status(part) else { return };
        if held.is_final() {
            return;
        }
        let number = self.shared.carrier_number(carrier);
        let event = Event { carrier: number, status, ..self.event(now, part, PartEvent::Rejected) };
        self.part_event(now, part.sequence, event, true);
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

    /// The answer will never come, or has not come in time.
    fn outcome_unknown(&mut self, now: Now, carrier: CarrierIx, part: PartRef) {
        self.stats.inc(Counter::PartsOutcomeUnknown);
        let Some(message) = self.table.get_mut(part.sequence) else { return };
        let Some(held) = message.parts.get_mut(usize::from(part.part)) else { return };
        held.in_flight = false;
        if held.status != PartStatus::Queued {
            return;
        }
        let number = self.shared.carrier_number(carrier);
        let event = Event { carrier: number, ..self.event(now, part, PartEvent::OutcomeUnknown) };
        self.part_event(now, part.sequence, event, false);
        self.resend(now, number, part);
    }

    /// Queues a part of unknown outcome again, once that is on record.
    pub(super) fn resend(&mut self, now: Now, number: u32, part: PartRef) {
        let Some(message) = self.table.get(part.sequence) else { return };
        let Some(held) = message.parts.get(usize::from(part.part)) else { return };
        let attempt = held.resubmits.saturating_add(1);
        if message.outcome.is_some() || attempt > limits::MAX_RESUBMITS {
            return;
        }
        self.stats.inc(Counter::PartsResubmitted);
        let event =
            Event { carrier: number, attempt, ..self.event(now, part, PartEvent::Requeued) };
        self.part_event(now, part.sequence, event, true);
        self.journal.then(super::After::Resend { sequence: part.sequence });
    }

    fn part_status(&self, part: PartRef) -> Option<PartStatus> {
        let message = self.table.get(part.sequence)?;
        message.parts.get(usize::from(part.part)).map(|held| held.status)
    }
}

/// An answer to one of our submits.
struct Response {
    token: u64,
    status: u32,
    id: Box<[u8]>,
    waited: Duration,
    /// Its outcome was already taken for unknown.
    late: bool,
}

/// A session's event in octets of our own, so that the session is free again.
enum Happened {
    Bound,
    BindRefused { status: u32 },
    Response(Response),
    Receipt { sequence: u32, command: CommandId, notice: Box<ReceiptNotice> },
    NotAReceipt { sequence: u32, command: CommandId },
    OutcomeUnknown { token: u64 },
    Close { reason: CloseReason },
    Oddity,
    Nothing,
}

impl Happened {
    fn read(carrier: CarrierIx, now: Now, event: SessionEvent<'_>) -> Self {
        match event {
            SessionEvent::Bound { .. } => Happened::Bound,
            SessionEvent::BindRefused { status } => Happened::BindRefused { status },
            SessionEvent::Response { token, status, message_id, waited, late, .. } => {
                let id = message_id.into();
                Happened::Response(Response { token, status, id, waited, late })
            }
            SessionEvent::Message { sequence, command, message } => {
                match read_receipt(carrier, now, &message) {
                    Some(notice) => Happened::Receipt { sequence, command, notice },
                    None => Happened::NotAReceipt { sequence, command },
                }
            }
            SessionEvent::OutcomeUnknown { token, .. } => Happened::OutcomeUnknown { token },
            SessionEvent::Close { reason } => Happened::Close { reason },
            SessionEvent::Counted(_) => Happened::Oddity,
            SessionEvent::BindRequested { .. }
            | SessionEvent::OutbindRequested { .. }
            | SessionEvent::Request { .. }
            | SessionEvent::Alert { .. }
            | SessionEvent::PeerUnbound => Happened::Nothing,
        }
    }
}

/// A receipt in octets of our own; `None` when the PDU is none.
fn read_receipt(
    carrier: CarrierIx,
    now: Now,
    message: &ShortMessage<'_>,
) -> Option<Box<ReceiptNotice>> {
    let mut decoded = Vec::new();
    let receipt = parse_receipt_decoded(message, &mut decoded);
    // Some carriers mark a receipt by its parameters alone; a marked one without an id is one too.
    if receipt.is_none() && !message.is_receipt() {
        return None;
    }
    let mut words = Vec::new();
    if let Some(receipt) = &receipt {
        words.extend_from_slice(receipt.stat);
        if let Some(err) = receipt.err {
            words.extend_from_slice(b" err:");
            words.extend_from_slice(err);
        }
    }
    Some(Box::new(ReceiptNotice {
        carrier,
        source: message.source.to_vec(),
        destination: message.dest.to_vec(),
        handset: Msisdn::from_carrier(message.source),
        id: receipt.as_ref().map(|receipt| receipt.id.to_vec()).unwrap_or_default(),
        other_id: receipt.as_ref().and_then(|receipt| receipt.text_id).map(<[u8]>::to_vec),
        state: receipt.and_then(|receipt| receipt.state),
        words,
        at: now.wall,
    }))
}
