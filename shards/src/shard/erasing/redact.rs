//! Redacting messages: those of who is to be forgotten, and one that its customer asks for. What was
//! not sent is taken back; what a carrier has goes on without what was personal in it. Part of the
//! shard's machine.

use postrider_core::clock::{Now, UnixMs};
use postrider_core::id::MessageId;
use postrider_core::lifecycle::PartEvent;
use postrider_core::limits;
use postrider_http::auth::CustomerIx;
use postrider_http::problem::{Code, Problem};
use postrider_storage::{CARRIED_RECYCLED, Record, Urgency, mask_number};

use crate::shard::closing::unsent_parts;
use crate::shard::fetch::{ShowTo, Wanted};
use crate::shard::mesh::{Reply, Sought};
use crate::shard::message::{Event, Message};
use crate::shard::reclaim::encode_state;
use crate::shard::table::PartRef;
use crate::shard::{After, ApiResponse, Shard, Timer};
use crate::stats::Counter;

/// What is told of parts that are taken back.
const WHY: &[u8] = b"erased";

impl Shard {
    /// A message that was read from the disk, without what is to be forgotten.
    pub(in crate::shard) fn forget_in(&self, log: u16, message: &mut Message) {
        let envelope = &message.envelope;
        if self.erasures.scopes().mean(envelope) || self.is_told_of(log, envelope.sequence) {
            message.redact(None);
        }
    }

    /// Redacts a message in memory; `at`: when its customer asked for that.
    pub(super) fn redact_in_memory(&mut self, sequence: u64, at: Option<UnixMs>) {
        self.stats.inc(Counter::MessagesRedacted);
        self.table.redact(sequence, at);
    }

    /// A redacted message cannot be sent: what was not is taken back. What is still open of it is
    /// written anew, so that it needs no record in which it was whole.
    pub(super) fn settle_redacted(&mut self, now: Now, sequence: u64) {
        let redacted = |message: &&Message| message.envelope.redacted;
        let Some(message) = self.table.get(sequence).filter(redacted) else { return };
        if !message.durable {
            // It is about to be.
            return self.erasures.unsent(sequence);
        }
        if message.outcome.is_none() {
            for part in unsent_parts(message.parts.iter().map(|p| (p.status, p.in_flight))) {
                let event = self.event(now, PartRef { sequence, part }, PartEvent::Canceled);
                let event = Event { detail: WHY.into(), ..event };
                if self.table.get(sequence).is_some_and(|message| message.outcome.is_none()) {
                    self.part_event(now, sequence, event, true);
                }
            }
        }
        // Nothing of it will be sent any more.
        self.discard_content(now, sequence);
        self.carry_redacted(now, sequence);
    }

    fn carry_redacted(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get_mut(sequence).filter(|message| message.listed == 0)
        else {
            return;
        };
        let customers = self.erasures.scopes.scopes.contains_key(&(0, message.envelope.customer));
        // The address of a webhook is kept while it is needed, unless it tells who the customer is,
        // or may tell a number.
        let url = message.envelope.webhook_url.clone();
        let tells = |url: &str| mask_number(&mut url.as_bytes().to_vec(), 0);
        message.envelope.webhook_url = url.clone().filter(|url| !customers && !tells(url));
        let (mut state, anchor) = (Vec::new(), message.anchor());
        encode_state(message, self.shared.partition_of(&message.envelope), &mut state);
        message.envelope.webhook_url = url;
        let at = self.write_carried(now, anchor, (sequence, CARRIED_RECYCLED), &state);
        self.journal.then(After::Carried { sequence, at });
    }

    /// A redacted message that waited on disk is in memory.
    pub(in crate::shard) fn forgotten_woken(&mut self, now: Now, sequence: u64) {
        if let Some(pass) = &mut self.erasures.pass {
            pass.waking = pass.waking.saturating_sub(1);
        }
        self.settle_redacted(now, sequence);
    }

    // ---- One message, for its customer ----

    /// A customer wants a message redacted.
    pub(in crate::shard) fn redact_request(
        &mut self,
        now: Now,
        ticket: u64,
        customer: CustomerIx,
        id: MessageId,
    ) {
        self.seek(now, ticket, Sought { customer, id, redact: true }, 0);
    }

    /// At the owner: brings the message into memory.
    pub(in crate::shard) fn redact_one(
        &mut self,
        now: Now,
        to: ShowTo,
        customer: CustomerIx,
        id: MessageId,
    ) {
        let Some(sequence) = self.number_of(id) else {
            return self.find_none(now, to, Sought { customer, id, redact: true });
        };
        self.want(now, vec![sequence], Wanted::Redact { to, customer, id, sequence });
    }

    /// The message is in memory, if there is one.
    pub(in crate::shard) fn redact_woken(
        &mut self,
        now: Now,
        to: ShowTo,
        (customer, id, sequence): (CustomerIx, MessageId, u64),
    ) {
        let number = self.shared.customer_number(customer);
        let own = |message: &&Message| {
            let envelope = &message.envelope;
            envelope.id == id && envelope.customer == number && message.durable
        };
        let Some(message) = self.table.get(sequence).filter(own) else {
            let sought = Sought { customer, id, redact: true };
            return self.find_on(now, to, sought, self.id.0);
        };
        if message.envelope.redacted {
            return self.redacted(to, Ok(()));
        }
        if message.outcome.is_none() {
            let why = "The message is not final yet. Cancel it, or wait until it is.";
            return self.redacted(to, Err(Problem::new(Code::NotFinal, why)));
        }
        if !self.erasures.has_room_for_message() {
            return self.redacted(to, Err(Problem::overloaded(60)));
        }
        let record = Record::Redacted { sequence, at_ms: now.wall.0 };
        let lsn = self.append_of(now, sequence, &record, Urgency::Waited);
        self.journal.then(After::Redacted { to });
        self.redact_in_memory(sequence, Some(now.wall));
        let segment = self.journal.log.head_segment();
        self.erasures.tell(sequence, (lsn, segment), now.wall);
        self.wheel.insert(now.mono + limits::REDACTIONS_GATHERED, Timer::Erasure);
        self.close_if_done(now, sequence);
    }

    /// Says what became of a redaction.
    pub(in crate::shard) fn redacted(&mut self, to: ShowTo, result: Result<(), Problem>) {
        match to {
            ShowTo::Ticket(ticket, _) => self.answer(ticket, redaction(result)),
            ShowTo::Shard(shard, call) => self.reply(shard, call, Reply::Redacted(result)),
        }
    }
}

/// The answer to a redaction.
pub(crate) fn redaction(result: Result<(), Problem>) -> ApiResponse {
    result.map_or_else(ApiResponse::Problem, |()| ApiResponse::Redacted)
}

/// Whether the shard has no such message.
pub(crate) fn is_unknown(result: &Result<(), Problem>) -> bool {
    result.as_ref().is_err_and(|problem| problem.code == Code::NotFound)
}
