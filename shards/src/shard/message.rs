//! One message as its owner holds it: what the customer sent, its parts, every event, and the rules
//! by which events change it. One table of these per shard; the same `apply` serves live traffic
//! and the replay of the log, so that both always agree.

use arrayvec::ArrayString;
use postrider_core::clock::UnixMs;
use postrider_core::content::{Content, Duplicate, Origin};
use postrider_core::id::MessageId;
use postrider_core::lane::Lane;
use postrider_core::lifecycle::{self, PartEvent, PartStatus};
use postrider_core::number::Msisdn;
use postrider_core::retry::Ladder;
use postrider_core::route::{CarrierIx, Market, RouteIx};
use postrider_core::sender::SenderId;
use postrider_core::text::Encoding;
use postrider_storage::{Position, SegmentId, mask_number};

use super::cold::{Filing, Group};
use super::crossing::FarBind;
use super::deliveries::receipt::{ReceiptEnd, is_news, wants_final};
use super::envelope_record::Apart;
pub(crate) use super::part::Part;
use super::part::note;
use super::retrying::{note_on, supersede};
use crate::wheel::TimerId;

/// The durable number that stands for "no carrier" in records and events.
pub(crate) const NO_CARRIER: u32 = 0;

/// The part of an event, or of a PDU, that stands for every part of its message: a carrier that cuts
/// texts itself takes them in one submit_sm. A message has at most 255 parts, counted from 0.
pub(crate) const ALL_PARTS: u8 = u8::MAX;

/// Records of most messages: accepted, submitted, final, and the webhook's.
const RECORDS_USUAL: usize = 4;

/// One thing that happened to one part.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) at: UnixMs,
    pub(crate) kind: PartEvent,
    /// From 0.
    pub(crate) part: u8,
    /// Durable number of the carrier, [`NO_CARRIER`] for none.
    pub(crate) carrier: u32,
    /// The carrier's command_status, 0 for none.
    pub(crate) status: u32,
    pub(crate) attempt: u8,
    /// The carrier's message id for `Submitted`, its words for the others.
    pub(crate) detail: Box<[u8]>,
}

/// How far the customer's webhook for the final status has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Webhook {
    /// The customer asked for none.
    None,
    /// The message is not final, or the attempt is due.
    Pending { attempt: u16, due: UnixMs },
    /// The receiver answered 2xx.
    Acknowledged,
    /// The schedule is over or the receiver answered 410.
    GivenUp,
}

/// One attempt to deliver the webhook.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WebhookAttempt {
    pub(crate) at: UnixMs,
    pub(crate) outcome: WebhookOutcome,
    /// HTTP status, 0 when there was no answer.
    pub(crate) status: u16,
}

/// What came of one webhook attempt; the number is the log's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum WebhookOutcome {
    Acknowledged = 1,
    Retry = 2,
    GivenUp = 3,
}

impl WebhookOutcome {
    pub(crate) fn from_u8(value: u8) -> Option<Self> {
        match value {
            1 => Some(WebhookOutcome::Acknowledged),
            2 => Some(WebhookOutcome::Retry),
            3 => Some(WebhookOutcome::GivenUp),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            WebhookOutcome::Acknowledged => "webhook_acknowledged",
            WebhookOutcome::Retry => "webhook_failed",
            WebhookOutcome::GivenUp => "webhook_given_up",
        }
    }
}

/// What the customer submitted, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) id: MessageId,
    pub(crate) sequence: u64,
    /// Durable number of the customer.
    pub(crate) customer: u32,
    pub(crate) to: Msisdn,
    pub(crate) sender: SenderId,
    pub(crate) content: Content,
    /// Where that lies, when it is not kept.
    pub(crate) apart: Option<Apart>,
    pub(crate) webhook_url: Option<Box<str>>,
    pub(crate) client_reference: Option<Box<str>>,
    pub(crate) encoding: Encoding,
    /// Concatenation reference of its parts; the low octet when the carrier takes 8 bits.
    pub(crate) reference: u16,
    pub(crate) part_count: u8,
    pub(crate) accepted: UnixMs,
    pub(crate) valid_until: UnixMs,
    /// Not to be sent before.
    pub(crate) due: Option<UnixMs>,
    pub(crate) origin: Origin,
    pub(crate) duplicate: Duplicate,
    /// The receipts that the customer wants [3.4 section 5.2.17].
    pub(crate) registered_delivery: u8,
    pub(crate) protocol_id: u8,
    pub(crate) lane: Lane,
    /// priority_flag for the carrier.
    pub(crate) priority: u8,
    /// data_coding of the text as the customer gave it.
    pub(crate) data_coding: u8,
    /// Type of number and numbering plan of the sender, as given.
    pub(crate) source_ton_npi: [u8; 2],
    /// Type of number and numbering plan of the recipient, as given.
    pub(crate) dest_ton_npi: [u8; 2],
    pub(crate) service_type: Box<[u8]>,
    /// The id that stands for all messages of one submit_multi.
    pub(crate) group: Option<MessageId>,
    /// Who sent what to whom is gone.
    pub(crate) redacted: bool,
}

impl Envelope {
    /// Forgets who sent what to whom; gives the recipient's digits, 0 when they are gone already. A
    /// message without its text cannot be sent twice.
    pub(crate) fn redact(&mut self) -> u64 {
        self.redacted = true;
        self.sender = no_sender();
        self.content = match self.apart {
            Some(_) => Content::Discarded,
            None => Content::of_text(""),
        };
        self.client_reference = None;
        self.service_type = Box::default();
        self.duplicate = Duplicate::Avoid;
        std::mem::replace(&mut self.to, Msisdn::ERASED).as_u64()
    }

    /// The id under which an SMPP customer knows it: that of its group, else its own.
    pub(crate) fn customers_id(&self) -> MessageId {
        self.group.unwrap_or(self.id)
    }

    /// What it waits with for a carrier, which has this durable number.
    pub(crate) fn group_at(&self, carrier: u32) -> Group {
        Group { carrier, lane: self.lane, customer: self.customer }
    }

    /// When it should have been sent: the order of its customer's messages in its lane.
    pub(crate) fn deadline(&self) -> UnixMs {
        self.lane.deadline(self.due.unwrap_or(self.accepted), self.valid_until)
    }
}

/// The sender of a message that is redacted.
pub(crate) fn no_sender() -> SenderId {
    SenderId::ShortCode(ArrayString::new())
}

/// What is known of a recipient for the choice of a carrier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) route: RouteIx,
    pub(crate) market: Market,
    /// Of the configuration that this is good for.
    pub(crate) generation: u32,
}

/// What a message becomes by replace_sm.
pub(crate) struct Replaced {
    pub(crate) content: Content,
    pub(crate) apart: Option<Apart>,
    pub(crate) encoding: Encoding,
    pub(crate) parts: u8,
    pub(crate) due: Option<UnixMs>,
    pub(crate) valid_until: UnixMs,
    pub(crate) registered_delivery: u8,
}

/// A message and all that happened to it.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) envelope: Envelope,
    pub(crate) parts: Vec<Part>,
    pub(crate) events: Vec<Event>,
    /// The final status, once there is one: it never changes again.
    pub(crate) outcome: Option<PartStatus>,
    pub(crate) finished: Option<UnixMs>,
    pub(crate) submitted: Option<UnixMs>,
    pub(crate) webhook: Webhook,
    pub(crate) webhook_attempts: Vec<WebhookAttempt>,
    /// The receipts that its customer's binds are owed, in order: 0 is the final one, `n` that of
    /// the `n`th interim event.
    pub(crate) owed: Vec<u16>,
    /// How those that are owed no more ended.
    pub(crate) receipts: Vec<ReceiptEnd>,
    /// Where its records lie, oldest first; the first one stands for all that came before it.
    pub(crate) records: Vec<Position>,
    /// That one is of kind carried: rows may lead there.
    pub(crate) carried: bool,
    /// The table counts it under its home: the segment of the first of them.
    pub(crate) homed: bool,
    /// Octets of those.
    pub(crate) bytes: u32,
    /// How many of them its last record of kind closed names; 0: it has none.
    pub(crate) listed: usize,
    /// Where that one lies while it is on its way to the disk.
    pub(crate) closing: Option<Position>,
    /// Closed, and kept in memory for a part that was lost.
    pub(crate) stays: bool,
    /// Records about its content that are on their way to the disk.
    pub(crate) contents_under_way: u8,
    /// What is filed of it in the indexes of cold messages.
    pub(crate) filed: Option<Box<Filing>>,
    /// The accepted record is on disk: only then does the message exist for anybody.
    pub(crate) durable: bool,
    /// When its customer had it redacted.
    pub(crate) redacted: Option<UnixMs>,
    /// Its final status is on its way to the disk: then its customer is told.
    pub(crate) ending: bool,
    /// It was open when the process started: copies of its parts may have been written of which
    /// nothing is on record.
    pub(crate) recovered: bool,
    /// The carrier whose queue holds it.
    pub(crate) queued_on: Option<CarrierIx>,
    /// Who serves its recipient, as looked up when it began to wait.
    pub(crate) way: Option<Way>,
    /// The bind its parts take while it lives.
    pub(crate) bind: Option<usize>,
    /// The same, where that is on another shard.
    pub(crate) far: Option<FarBind>,
    /// What carriers that did not take it said.
    pub(crate) ladder: Ladder,
    /// The timer for the end of its validity, then of its grace.
    pub(crate) deadline: Option<TimerId>,
}

impl Message {
    /// A message whose record of `len` octets at `at` says that it was accepted.
    pub(crate) fn new(envelope: Envelope, at: Position, len: usize) -> Self {
        let mut records = Vec::with_capacity(RECORDS_USUAL);
        records.push(at);
        let parts = fresh_parts(&envelope);
        let webhook = match envelope.webhook_url {
            Some(_) => Webhook::Pending { attempt: 0, due: UnixMs(0) },
            None => Webhook::None,
        };
        Message {
            envelope,
            parts,
            events: Vec::new(),
            outcome: None,
            finished: None,
            submitted: None,
            webhook,
            webhook_attempts: Vec::new(),
            owed: Vec::new(),
            receipts: Vec::new(),
            records,
            carried: false,
            homed: false,
            bytes: u32::try_from(len).unwrap_or(u32::MAX),
            listed: 0,
            closing: None,
            stays: false,
            contents_under_way: 0,
            filed: None,
            durable: false,
            redacted: None,
            ending: false,
            recovered: false,
            queued_on: None,
            way: None,
            bind: None,
            far: None,
            ladder: Ladder::default(),
            deadline: None,
        }
    }

    /// Applies one event; gives the final status when this event made the message final.
    ///
    /// # Panics
    /// On an event that the lifecycle's table does not allow: a broken invariant stops the process.
    pub(crate) fn apply(&mut self, event: Event) -> Option<PartStatus> {
        let count = self.parts.len();
        let Some(first) = self.part(event.part) else {
            panic!("event for part {} of a message of {count} parts", event.part);
        };
        let resend = event.kind == PartEvent::Requeued && event.attempt > first.resubmits;
        let withdraws = event.kind == PartEvent::Requeued && !resend && first.attempted;
        let id = self.envelope.id;
        for part in self.parts_mut(event.part) {
            match lifecycle::next(part.status, event.kind) {
                Ok(status) => part.status = status,
                Err(illegal) => panic!("message {id}: {illegal}"),
            }
            note(part, &event);
        }
        if event.kind == PartEvent::Submitted && self.submitted.is_none() {
            self.submitted = Some(event.at);
        }
        note_on(&mut self.ladder, &event);
        let (at, kind) = (event.at, event.kind);
        if withdraws {
            self.forget_attempt(event.part);
        } else {
            supersede(&mut self.events, &event);
            self.events.push(event);
        }
        let ended = self.settle(at);
        self.owe(kind, ended);
        ended
    }

    /// A part by its number; the first one for [`ALL_PARTS`].
    pub(crate) fn part(&self, part: u8) -> Option<&Part> {
        self.parts.get(if part == ALL_PARTS { 0 } else { part.into() })
    }

    /// A part by its number, or all.
    pub(crate) fn parts_of(&self, part: u8) -> &[Part] {
        self.parts.get(self.range_of(part)).unwrap_or_default()
    }

    /// A part by its number, or all.
    pub(crate) fn parts_mut(&mut self, part: u8) -> &mut [Part] {
        let range = self.range_of(part);
        self.parts.get_mut(range).unwrap_or_default()
    }

    fn range_of(&self, part: u8) -> std::ops::Range<usize> {
        let at = usize::from(part);
        if part == ALL_PARTS { 0..self.parts.len() } else { at..at + 1 }
    }

    /// Whether one event can speak for all parts.
    pub(crate) fn parts_are_alike(&self) -> bool {
        self.parts.iter().zip(self.parts.iter().skip(1)).all(|(one, next)| one.is_like(next))
    }

    /// Whether a carrier that takes a text whole may be given all parts at once.
    pub(crate) fn is_whole(&self) -> bool {
        self.parts.len() > 1
            && self.next_sendable().is_some()
            && self.parts.iter().all(Part::sendable)
    }

    /// Notes which receipt its customer is owed for the last event.
    fn owe(&mut self, kind: PartEvent, ended: Option<PartStatus>) {
        if kind == PartEvent::Intermediate && self.outcome.is_none() && is_news(self) {
            let interim = self.events.iter().filter(|e| e.kind == PartEvent::Intermediate).count();
            self.owed.extend(u16::try_from(interim));
        }
        if ended.is_some_and(|status| wants_final(&self.envelope, status)) {
            self.owed.push(0);
        }
    }

    /// A receipt is owed no more.
    pub(crate) fn apply_receipt_end(&mut self, end: ReceiptEnd) {
        self.owed.retain(|owed| *owed != end.receipt);
        self.receipts.push(end);
    }

    /// The attempt was not made, or counts for nothing: it is as if it had not been on record.
    fn forget_attempt(&mut self, part: u8) {
        let attempted = |event: &Event| event.part == part && event.kind == PartEvent::Attempted;
        if let Some(at) = self.events.iter().rposition(attempted) {
            self.events.remove(at);
        }
    }

    /// Freezes the status at the first fold that is final.
    fn settle(&mut self, at: UnixMs) -> Option<PartStatus> {
        if self.outcome.is_some() {
            return None;
        }
        let status = self.fold();
        if !status.is_final() {
            return None;
        }
        self.outcome = Some(status);
        self.finished = Some(at);
        Some(status)
    }

    /// A part's status as the customer sees it: what was not sent when the message became final is
    /// not sent any more.
    pub(crate) fn shown(&self, part: &Part) -> PartStatus {
        let unsent = matches!(part.status, PartStatus::Queued | PartStatus::Held);
        if self.outcome.is_some() && unsent && !part.in_flight {
            PartStatus::Canceled
        } else {
            part.status
        }
    }

    fn fold(&self) -> PartStatus {
        match self.parts.as_slice() {
            [only] => lifecycle::fold(&[only.status]),
            parts => {
                let statuses: Vec<PartStatus> = parts.iter().map(|part| part.status).collect();
                lifecycle::fold(&statuses)
            }
        }
    }

    /// The message's status: the frozen one once final, else the fold of its parts.
    pub(crate) fn status(&self) -> PartStatus {
        self.outcome.unwrap_or_else(|| self.fold())
    }

    /// Notes a webhook attempt.
    pub(crate) fn apply_webhook(&mut self, attempt: u16, entry: WebhookAttempt, next: UnixMs) {
        self.webhook_attempts.push(entry);
        self.webhook = match entry.outcome {
            WebhookOutcome::Acknowledged => Webhook::Acknowledged,
            WebhookOutcome::GivenUp => Webhook::GivenUp,
            // Its address was erased.
            WebhookOutcome::Retry if self.envelope.webhook_url.is_none() => Webhook::GivenUp,
            WebhookOutcome::Retry => {
                Webhook::Pending { attempt: attempt.saturating_add(1), due: next }
            }
        };
    }

    /// Every id that a carrier gave to a part: part, carrier, id.
    pub(crate) fn carrier_ids(&self) -> impl Iterator<Item = (u8, u32, &[u8])> {
        let names = self.events.iter().filter(|event| event.kind.names_part());
        names.map(|event| (event.part, event.carrier, &*event.detail))
    }

    /// The last event of this kind that a part has seen.
    pub(crate) fn last_event(&self, part: u8, kind: PartEvent) -> Option<&Event> {
        let about =
            |event: &Event| [event.part, ALL_PARTS].contains(&part) || event.part == ALL_PARTS;
        self.events.iter().rfind(|event| about(event) && event.kind == kind)
    }

    /// Notes where another record of it lies, and its octets.
    pub(crate) fn note(&mut self, at: Position, len: usize) {
        self.records.push(at);
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.bytes = self.bytes.saturating_add(len);
    }

    /// Where its first record lies, which stands for all that came before.
    ///
    /// # Panics
    /// Never: it has one from the beginning on.
    pub(crate) fn anchor(&self) -> Position {
        let Some(first) = self.records.first() else { panic!("a message without a record") };
        *first
    }

    /// The segment of its oldest record.
    pub(crate) fn home(&self) -> SegmentId {
        self.anchor().segment
    }

    /// Final, nothing more is owed to the customer, and no carrier's answer is awaited.
    pub(crate) fn is_closed(&self) -> bool {
        let told = !matches!(self.webhook, Webhook::Pending { .. }) && self.owed.is_empty();
        let quiet = |part: &Part| !part.in_flight && !part.recording;
        let quiet = self.parts.iter().all(quiet);
        self.outcome.is_some() && told && quiet && self.content_is_settled()
    }

    /// Whether its content is not kept, and lies in a log of its own.
    pub(crate) fn is_apart(&self) -> bool {
        self.envelope.apart.is_some()
    }

    /// Whether its content is kept with it, or is gone for good.
    fn content_is_settled(&self) -> bool {
        let gone = self.envelope.content == Content::Discarded && self.contents_under_way == 0;
        !self.is_apart() || gone
    }

    /// Whether a record on disk leads to all of it, and it need not be here.
    pub(crate) fn is_on_disk(&self) -> bool {
        let listed = self.listed > 0 && self.listed == self.records.len();
        listed && self.closing.is_none() && !self.stays
    }

    /// Whether a carrier may have a part of it under an id that nobody knows.
    pub(crate) fn has_lost_part(&self) -> bool {
        self.parts.iter().any(|part| part.lost)
    }

    /// Whether a bind is busy with it, or soon will be.
    pub(crate) fn is_under_way(&self) -> bool {
        let busy = |part: &Part| part.in_flight || part.recording || part.waiting;
        self.queued_on.is_some() || self.parts.iter().any(busy)
    }

    /// Whether it is to be sent as soon as its turn comes.
    pub(crate) fn wants_sending(&self) -> bool {
        self.outcome.is_none() && self.next_sendable().is_some()
    }

    /// Whether no carrier has anything of it, for certain.
    pub(crate) fn is_unsent(&self) -> bool {
        let untouched = |part: &Part| !part.was_submitted() && !part.attempted && !part.lost;
        self.outcome.is_none() && self.parts.iter().all(untouched)
    }

    /// Forgets what is personal in it; what a bill is made of stays, and so does the address of a
    /// webhook that is still owed. `at`: when its customer asked for that.
    pub(crate) fn redact(&mut self, at: Option<UnixMs>) {
        self.redacted = self.redacted.or(at);
        if !matches!(self.webhook, Webhook::Pending { .. }) {
            self.envelope.webhook_url = None;
        }
        let number = self.envelope.redact();
        if number == 0 {
            return;
        }
        for event in self.events.iter_mut().filter(|event| !event.kind.names_part()) {
            mask_number(&mut event.detail, number);
        }
        for error in self.parts.iter_mut().filter_map(|part| part.error.as_mut()) {
            let mut octets = error.as_bytes().to_vec();
            if mask_number(&mut octets, number) {
                *error = String::from_utf8_lossy(&octets).into();
            }
        }
    }

    /// The customer put something else in its place, of which nothing has been sent.
    pub(crate) fn replace(&mut self, by: Replaced) {
        let Replaced { content, apart, encoding, parts, due, valid_until, registered_delivery } =
            by;
        let envelope = &mut self.envelope;
        envelope.apart = apart;
        (envelope.content, envelope.encoding, envelope.part_count) = (content, encoding, parts);
        (envelope.due, envelope.valid_until) = (due, valid_until);
        envelope.registered_delivery = registered_delivery;
        self.parts = fresh_parts(envelope);
        // What happened to the old parts says nothing of the new ones.
        self.events.clear();
        self.ladder = Ladder::default();
        self.queued_on = None;
        self.bind = None;
        self.far = None;
    }

    /// Whether a carrier has parts of it, or may have: then all parts stay with that carrier.
    pub(crate) fn any_submitted(&self) -> bool {
        self.parts.iter().any(Part::was_submitted)
    }

    /// The durable number of the carrier that has parts of it.
    pub(crate) fn committed_to(&self) -> Option<u32> {
        let sent = |part: &&Part| part.was_submitted() && part.carrier != NO_CARRIER;
        self.parts.iter().find(sent).map(|part| part.carrier)
    }

    /// The first part that may be handed to a bind now.
    pub(crate) fn next_sendable(&self) -> Option<u8> {
        if self.envelope.redacted {
            return None;
        }
        let index = self.parts.iter().position(Part::sendable)?;
        u8::try_from(index).ok()
    }
}

/// The parts of a message to which nothing has happened.
fn fresh_parts(envelope: &Envelope) -> Vec<Part> {
    let first = if envelope.due.is_some() { PartStatus::Held } else { PartStatus::Queued };
    (0..envelope.part_count).map(|_| Part::new(first)).collect()
}
