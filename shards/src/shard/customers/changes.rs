//! query_sm, cancel_sm and replace_sm at the owner of the messages: finding them, and changing those
//! of which no carrier has anything. Part of the shard's machine.

use postrider_core::clock::Now;
use postrider_core::content::Content;
use postrider_core::id::MessageId;
use postrider_core::lifecycle::{PartEvent, PartStatus};
use postrider_core::limits;
use postrider_core::number::Msisdn;
use postrider_core::submission::Submission;
use postrider_http::auth::CustomerIx;
use postrider_smpp::receipt::ReceiptState;
use postrider_smpp::status::CommandStatus;
use postrider_smpp::tlv::Tlvs;

use super::account;
use super::content::{Given, Measured, content};
use super::operations::{Act, MessageState, Operation, OperationOutcome, Replacement, Target};
use crate::shard::deliveries::receipt::ending;
use crate::shard::envelope_record::{Apart, replaced_record};
use crate::shard::message::{Event, Message, Replaced};
use crate::shard::table::PartRef;
use crate::shard::{After, Shard};

/// Messages that an operation may be about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Members {
    /// All of a submit_multi.
    All(MessageId),
    /// Those of a submit_multi of which no carrier has anything.
    Unsent(MessageId),
    /// Those to a recipient of which no carrier has anything.
    UnsentTo(Msisdn),
}

impl Shard {
    /// What an operation asks, done to this shard's messages; what it changed is not yet on disk.
    pub(super) fn do_operation(
        &mut self,
        now: Now,
        customer: CustomerIx,
        operation: &Operation,
    ) -> OperationOutcome {
        let (found, is_group) = self.targets(customer, operation);
        let mut outcome = OperationOutcome { is_group, ..OperationOutcome::default() };
        for sequence in found {
            let one = match &operation.act {
                Act::Query => self.state_of(sequence),
                Act::Cancel => self.cancel(now, sequence, b"canceled by the customer"),
                Act::Replace(with) if !is_group => {
                    self.replace(now, customer, sequence, (with, operation.stored))
                }
                // One text is another for each: nobody can say which is meant.
                Act::Replace(_) => OperationOutcome::default(),
            };
            outcome = outcome.and(one);
        }
        outcome
    }

    /// The messages of this shard that an operation is about, and whether they are of one
    /// submit_multi.
    fn targets(&self, customer: CustomerIx, operation: &Operation) -> (Vec<u64>, bool) {
        let number = self.shared.customer_number(customer);
        let source = operation.source.as_ref();
        let fits = |message: &Message| {
            let envelope = &message.envelope;
            let own = envelope.customer == number && message.durable;
            own && source.is_none_or(|source| *source == envelope.sender)
        };
        let group = |id| self.table.group(id).filter(|m| fits(m)).map(sequence_of).collect();
        match &operation.target {
            Target::Group(id) => (group(*id), true),
            Target::Message(id) => {
                let found = self.number_of(*id).and_then(|sequence| self.table.get(sequence));
                let found = found.filter(|message| message.envelope.id == *id && fits(message));
                match found {
                    Some(head) if head.envelope.group == Some(*id) => (group(*id), true),
                    found => (found.map(sequence_of).into_iter().collect(), false),
                }
            }
            Target::Recipient { to, service_type } => {
                let of_service = |message: &&Message| {
                    service_type.is_empty() || *service_type == message.envelope.service_type
                };
                let open = self.table.open_to(number, *to).filter(|message| fits(message));
                let found = open.filter(of_service).map(sequence_of).take(limits::CANCEL_MAX);
                (found.collect(), false)
            }
        }
    }

    /// The messages beside its own that an operation is about: a query tells of closed ones too, a
    /// cancel reaches what was not sent.
    pub(in crate::shard) fn members_asked_for(&self, operation: &Operation) -> Option<Members> {
        let group = match operation.target {
            Target::Group(id) => id,
            Target::Message(id) => {
                let head = self.shared.cipher.open(id);
                let head = head.and_then(|fields| self.table.get(fields.sequence));
                head.and_then(|head| head.envelope.group).filter(|group| *group == id)?
            }
            Target::Recipient { to, .. } => return Some(Members::UnsentTo(to)),
        };
        match operation.act {
            Act::Query => Some(Members::All(group)),
            Act::Cancel => Some(Members::Unsent(group)),
            Act::Replace(_) => None,
        }
    }

    fn state_of(&self, sequence: u64) -> OperationOutcome {
        let state = self.table.get(sequence).map(|message| {
            let status = message.status();
            let (state, error) = if status.is_final() {
                ending(message)
            } else if status == PartStatus::Held {
                (ReceiptState::Scheduled, 0)
            } else {
                (ReceiptState::Enroute, 0)
            };
            MessageState { state, finished: message.finished, error }
        });
        OperationOutcome { state, ..OperationOutcome::default() }
    }

    /// Cancels a message of which no carrier has anything.
    fn cancel(&mut self, now: Now, sequence: u64, why: &[u8]) -> OperationOutcome {
        if !self.table.get(sequence).is_some_and(Message::is_unsent) {
            return OperationOutcome::default();
        }
        let part = PartRef { sequence, part: 0 };
        let event = Event { detail: why.into(), ..self.event(now, part, PartEvent::Canceled) };
        self.part_event(now, sequence, event, true);
        OperationOutcome { changed: 1, ..OperationOutcome::default() }
    }

    /// A message takes the place of the newest one of its sender, recipient and service_type that
    /// no carrier has anything of.
    pub(in crate::shard) fn cancel_replaced(
        &mut self,
        now: Now,
        customer: CustomerIx,
        by: &Submission,
    ) {
        let number = self.shared.customer_number(customer);
        let same = |message: &&Message| {
            let envelope = &message.envelope;
            let own = message.durable && message.is_unsent();
            own && envelope.sender == by.from && envelope.service_type == by.service_type
        };
        let replaced = self.table.open_to(number, by.to).filter(same).last().map(sequence_of);
        if let Some(sequence) = replaced {
            self.cancel(now, sequence, b"replaced");
        }
    }

    fn replace(
        &mut self,
        now: Now,
        customer: CustomerIx,
        sequence: u64,
        (with, stored): (&Replacement, Option<u64>),
    ) -> OperationOutcome {
        let refused =
            |status| OperationOutcome { refused: Some(status), ..OperationOutcome::default() };
        let mut replaced = match self.replaced(now, customer, sequence, with) {
            Ok(replaced) => replaced,
            Err(status) => return refused(status),
        };
        let Some(message) = self.table.get_mut(sequence) else {
            return OperationOutcome::default();
        };
        let before = message.envelope.apart;
        if before.is_some() && stored.is_none() && !with.octets.expose().is_empty() {
            // There is no room for what takes the place of a content that is not kept.
            return refused(CommandStatus::ESME_RMSGQFUL);
        }
        if let Some(content) = stored {
            replaced.apart = Some(Apart::new(content, &replaced.content));
        }
        self.unqueue(sequence);
        let Some(message) = self.table.get_mut(sequence) else {
            return OperationOutcome::default();
        };
        message.replace(replaced);
        let record = replaced_record(&message.envelope, now.wall);
        let appended = self.journal.append(now.mono, &record);
        self.table.note(sequence, appended.at, appended.len);
        if let (Some(before), Some(_)) = (before, stored) {
            let before = before.content();
            self.journal.then(After::ContentReplaced { sequence, before });
        }
        // Nothing is sent, and nothing expires, before the record is on disk.
        self.set_deadline(sequence, None);
        OperationOutcome { changed: 1, ..OperationOutcome::default() }
    }

    /// What a message is to say instead whose content is not kept; `None` when the operation asks for
    /// no such thing.
    pub(in crate::shard) fn replacement_apart(
        &self,
        now: Now,
        customer: CustomerIx,
        operation: &Operation,
    ) -> Option<Content> {
        let Act::Replace(with) = &operation.act else { return None };
        let (found, is_group) = self.targets(customer, operation);
        let [sequence] = *found.as_slice() else { return None };
        let apart = self.table.get(sequence).is_some_and(Message::is_apart);
        if is_group || !apart || with.octets.expose().is_empty() {
            return None;
        }
        self.replaced(now, customer, sequence, with).ok().map(|replaced| replaced.content)
    }

    /// What a message becomes.
    fn replaced(
        &self,
        now: Now,
        customer: CustomerIx,
        sequence: u64,
        with: &Replacement,
    ) -> Result<Replaced, CommandStatus> {
        let failed = CommandStatus::ESME_RREPLACEFAIL;
        let message =
            self.table.get(sequence).filter(|message| message.is_unsent()).ok_or(failed)?;
        let envelope = &message.envelope;
        let measured = if with.octets.expose().is_empty() {
            let parts = envelope.part_count;
            Measured { content: envelope.content.clone(), encoding: envelope.encoding, parts }
        } else {
            let account = account(&self.shared, customer).ok_or(failed)?;
            let given = Given {
                esm_class: 0,
                data_coding: envelope.data_coding,
                octets: with.octets.expose(),
                tlvs: Tlvs::default(),
            };
            content(account, &given)?
        };
        if !is_alike(&envelope.content, &measured.content) {
            return Err(failed);
        }
        let due = with.due.unwrap_or(envelope.due).filter(|due| *due > now.wall);
        let begin = due.unwrap_or(now.wall);
        let valid_until = match with.expiry {
            Some(expiry) if expiry <= begin => return Err(CommandStatus::ESME_RINVEXPIRY),
            Some(expiry) => expiry.min(begin.after(limits::VALIDITY_MAX)),
            // Who moves the schedule moves the end of validity with it.
            None if with.due.is_some() => {
                let from = envelope.due.unwrap_or(envelope.accepted);
                begin.after(envelope.valid_until.since(from))
            }
            None => envelope.valid_until,
        };
        let Measured { content, encoding, parts } = measured;
        let promised = self.promised(now, envelope.to, &content, (encoding, parts));
        let (encoding, parts) = promised.ok_or(failed)?;
        let registered_delivery = with.registered_delivery;
        let apart = envelope.apart;
        Ok(Replaced { content, apart, encoding, parts, due, valid_until, registered_delivery })
    }

    /// A replacement is on disk: the message begins anew.
    pub(super) fn begin_replaced(
        &mut self,
        now: Now,
        operation: &Operation,
        outcome: OperationOutcome,
    ) {
        if let (Act::Replace(_), Target::Message(id)) = (&operation.act, &operation.target)
            && outcome.changed > 0
            && let Some(sequence) = self.number_of(*id)
        {
            self.begin(now, sequence);
        }
    }
}

/// Whether a message may say this instead: a part with a header of its own belongs to others, and
/// octets keep their data_coding.
fn is_alike(before: &Content, after: &Content) -> bool {
    match (before, after) {
        (Content::Text(_), Content::Text(_)) => true,
        (Content::Octets(before), Content::Octets(after)) => {
            before == after || before.udh.is_empty() && before.data_coding == after.data_coding
        }
        (Content::Text(_), _) | (Content::Octets(_), _) | (Content::Discarded, _) => false,
    }
}

fn sequence_of(message: &Message) -> u64 {
    message.envelope.sequence
}
