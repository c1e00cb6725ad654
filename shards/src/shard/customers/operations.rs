//! query_sm, cancel_sm and replace_sm as the shard sees them that holds the customer's connection:
//! to the owner of the message, to every shard when it stands for many, and back as an answer. Part
//! of the shard's machine.

use postrider_core::clock::{Now, UnixMs};
use postrider_core::config::CustomerSmpp;
use postrider_core::id::MessageId;
use postrider_core::number::Msisdn;
use postrider_core::place::ShardId;
use postrider_core::redact::Private;
use postrider_core::sender::SenderId;
use postrider_http::auth::CustomerIx;
use postrider_smpp::pdu::{Body, CancelSm, QuerySm, QuerySmResp, ReplaceSm, VERSION_5_0};
use postrider_smpp::receipt::ReceiptState;
use postrider_smpp::status::CommandStatus;
use postrider_smpp::tlv::Tlvs;
use postrider_smpp::values::{AbsoluteTime, SmppTime};

use super::CustomerRequest;
use super::submission::{destination, moment, schedule, source};
use crate::shard::mesh::{Call, CallId, Reply, Request};
use crate::shard::{After, Shard};

/// What a customer asks of messages that it submitted.
#[derive(Clone, Debug)]
pub struct Operation {
    pub(super) target: Target,
    /// The sender that they must have.
    pub(super) source: Option<SenderId>,
    pub(super) act: Act,
    /// Number of the content that takes another's place, once it is on disk.
    pub(in crate::shard) stored: Option<u64>,
}

/// Which messages.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// The one with this id, or all that it stands for.
    Message(MessageId),
    /// Those of one submit_multi.
    Group(MessageId),
    /// Those to a recipient, of a service_type unless that is empty.
    Recipient { to: Msisdn, service_type: Box<[u8]> },
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    Query,
    Cancel,
    Replace(Replacement),
}

/// What replace_sm changes.
#[derive(Clone, Debug)]
pub(super) struct Replacement {
    /// The new text in the customer's octets; empty: it stays.
    pub(super) octets: Private<Box<[u8]>>,
    /// When it is due, if that changes; the inner `None` is at once.
    pub(super) due: Option<Option<UnixMs>>,
    /// When it expires, if that changes.
    pub(super) expiry: Option<UnixMs>,
    pub(super) registered_delivery: u8,
}

/// What came of an operation at one shard, or at all of them together.
#[derive(Clone, Copy, Debug, Default)]
pub struct OperationOutcome {
    /// What was asked for by query_sm.
    pub(super) state: Option<MessageState>,
    /// Messages canceled or replaced.
    pub(super) changed: u16,
    /// The id stands for many messages, which other shards have too.
    pub(super) is_group: bool,
    /// Why it is refused, when that has a status of its own.
    pub(super) refused: Option<CommandStatus>,
}

/// The state of a message, or of many.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageState {
    pub(super) state: ReceiptState,
    /// When it became final.
    pub(super) finished: Option<UnixMs>,
    /// The network's error, as far as it fits one octet.
    pub(super) error: u8,
}

impl OperationOutcome {
    /// Both together.
    pub(super) fn and(self, other: OperationOutcome) -> OperationOutcome {
        OperationOutcome {
            state: match (self.state, other.state) {
                (Some(one), Some(two)) => Some(one.and(two)),
                (one, two) => one.or(two),
            },
            changed: self.changed.saturating_add(other.changed),
            is_group: self.is_group || other.is_group,
            refused: self.refused.or(other.refused),
        }
    }
}

impl MessageState {
    /// Many messages are final when all are, and delivered when all are.
    fn and(self, other: MessageState) -> MessageState {
        let rank = |state: &MessageState| match state.state {
            ReceiptState::Enroute | ReceiptState::Accepted => 0,
            ReceiptState::Scheduled => 1,
            ReceiptState::Undeliverable => 2,
            ReceiptState::Expired => 3,
            ReceiptState::Rejected => 4,
            ReceiptState::Deleted | ReceiptState::Skipped => 5,
            ReceiptState::Unknown => 6,
            ReceiptState::Delivered => 7,
        };
        let finished = self.finished.zip(other.finished).map(|(one, two)| one.max(two));
        let first = if rank(&self) <= rank(&other) { self } else { other };
        MessageState { finished, ..first }
    }
}

/// Where the outcome of an operation goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OperatedTo {
    /// To the request that asked for it.
    Customer(CustomerIx, CustomerRequest),
    /// To what all shards are asked for here.
    Gathering(CallId),
    Shard(ShardId, CallId),
}

/// An operation that waits for every shard.
#[derive(Debug)]
pub(crate) struct Gathering {
    request: CustomerRequest,
    operation: Box<Operation>,
    outcome: OperationOutcome,
    missing: u16,
}

impl Operation {
    fn new(target: Target, source: Option<SenderId>, act: Act) -> Self {
        Operation { target, source, act, stored: None }
    }

    /// query_sm; `None` when its id is none of ours.
    pub(super) fn query(smpp: &CustomerSmpp, query: &QuerySm<'_>) -> Parsed {
        let source = given_source(smpp, query.source_ton, query.source)?;
        Ok(message_id(query.message_id)
            .map(|id| Box::new(Operation::new(Target::Message(id), source, Act::Query))))
    }

    /// cancel_sm, of one message or of all between two addresses.
    pub(super) fn cancel(smpp: &CustomerSmpp, cancel: &CancelSm<'_>) -> Parsed {
        if !cancel.message_id.is_empty() {
            let source = given_source(smpp, cancel.source_ton, cancel.source)?;
            return Ok(message_id(cancel.message_id)
                .map(|id| Box::new(Operation::new(Target::Message(id), source, Act::Cancel))));
        }
        let source = Some(source(smpp, cancel.source_ton, cancel.source)?);
        let to = destination(cancel.dest_ton, cancel.dest)?;
        let target = Target::Recipient { to, service_type: cancel.service_type.into() };
        Ok(Some(Box::new(Operation::new(target, source, Act::Cancel))))
    }

    /// replace_sm.
    pub(super) fn replace(smpp: &CustomerSmpp, now: UnixMs, replace: &ReplaceSm<'_>) -> Parsed {
        if replace.sm_default_msg_id != 0 {
            return Err(CommandStatus::ESME_RINVDFTMSGID);
        }
        let source = given_source(smpp, replace.source_ton, replace.source)?;
        let due = match replace.schedule_delivery_time {
            b"" => None,
            text => Some(schedule(now, text)?),
        };
        let expiry = moment(now, replace.validity_period, CommandStatus::ESME_RINVEXPIRY)?;
        let replacement = Replacement {
            octets: Private::new(replace.text().into()),
            due,
            expiry,
            registered_delivery: replace.registered_delivery,
        };
        Ok(message_id(replace.message_id).map(|id| {
            let act = Act::Replace(replacement);
            Box::new(Operation::new(Target::Message(id), source, act))
        }))
    }

    /// The one message that it names.
    pub(in crate::shard) fn message(&self) -> Option<MessageId> {
        if let Target::Message(id) = self.target { Some(id) } else { None }
    }

    /// What the other shards are asked when the id stands for many messages: to do the same to
    /// theirs. One text for many is not replaced: it would be another for each.
    fn share(&self) -> Option<Operation> {
        let Target::Message(id) = self.target else { return None };
        let act = match self.act {
            Act::Query => Act::Query,
            Act::Cancel => Act::Cancel,
            Act::Replace(_) => return None,
        };
        Some(Operation::new(Target::Group(id), None, act))
    }

    /// The status when no message was found, or none that could be changed.
    fn failure(act: &Act) -> CommandStatus {
        match act {
            Act::Query => CommandStatus::ESME_RQUERYFAIL,
            Act::Cancel => CommandStatus::ESME_RCANCELFAIL,
            Act::Replace(_) => CommandStatus::ESME_RREPLACEFAIL,
        }
    }
}

/// An operation, nothing when its id is none of ours, or the status to refuse it with.
pub(super) type Parsed = Result<Option<Box<Operation>>, CommandStatus>;

/// The source address that a message must have; who leaves it out does not ask for any.
fn given_source(
    smpp: &CustomerSmpp,
    ton: u8,
    address: &[u8],
) -> Result<Option<SenderId>, CommandStatus> {
    if address.is_empty() { Ok(None) } else { source(smpp, ton, address).map(Some) }
}

/// The id as we gave it; also without its dashes, in either case.
fn message_id(text: &[u8]) -> Option<MessageId> {
    let text = std::str::from_utf8(text).ok()?;
    let plain = || {
        let digits = text.len() == 32 && text.bytes().all(|octet| octet.is_ascii_hexdigit());
        u128::from_str_radix(text, 16).ok().filter(|_| digits).map(MessageId::from_u128)
    };
    text.parse().ok().or_else(plain)
}

impl Shard {
    /// Takes an operation to the owner of what it is about.
    pub(super) fn operate(
        &mut self,
        now: Now,
        customer: CustomerIx,
        request: CustomerRequest,
        operation: Box<Operation>,
    ) {
        let shared = &self.shared;
        let owner = match &operation.target {
            Target::Message(id) | Target::Group(id) => {
                shared.cipher.open(*id).map(|fields| shared.placement.shard_of(fields.partition))
            }
            Target::Recipient { to, .. } => Some(shared.placement.owner(*to)),
        };
        match owner {
            None => self.answer_operation(request, &operation, OperationOutcome::default()),
            Some(owner) if owner == self.id => {
                let to = OperatedTo::Customer(customer, request);
                self.perform(now, customer, operation, to);
            }
            Some(owner) if self.mesh.has_room(owner) => {
                let call = self.mesh.open(&[owner], Call::Operate { customer, request });
                self.request(owner, call, Request::Operate { customer, operation });
            }
            Some(_) => self.answer_customer(request, CommandStatus::ESME_RTHROTTLED, b""),
        }
    }

    /// Does here what an operation asks, with the messages that are in memory; what it changed is on disk
    /// before that is said.
    pub(in crate::shard) fn perform_here(
        &mut self,
        now: Now,
        customer: CustomerIx,
        operation: Box<Operation>,
        to: OperatedTo,
    ) {
        if let Some(operation) = self.store_replacement(now, customer, operation, to) {
            self.perform_stored(now, customer, operation, to);
        }
    }

    /// The same, once the content is on disk that it may bring.
    pub(in crate::shard) fn perform_stored(
        &mut self,
        now: Now,
        customer: CustomerIx,
        operation: Box<Operation>,
        to: OperatedTo,
    ) {
        let outcome = self.do_operation(now, customer, &operation);
        if outcome.changed == 0 {
            if let Some(content) = operation.stored {
                self.free_content(now, content);
            }
            self.operated(now, to, operation, outcome);
        } else {
            self.journal.then(After::Operated { to, spent: operation, outcome });
        }
    }

    /// An operation is done here, durably.
    pub(in crate::shard) fn operated(
        &mut self,
        now: Now,
        to: OperatedTo,
        spent: Box<Operation>,
        outcome: OperationOutcome,
    ) {
        self.begin_replaced(now, &spent, outcome);
        match to {
            OperatedTo::Customer(customer, request) => {
                self.owner_has_operated(now, self.id, (customer, request), spent, outcome);
            }
            OperatedTo::Gathering(call) => {
                if let Some(Call::Gather(gathering)) = self.mesh.recall(call) {
                    self.gather(call, gathering, outcome);
                }
            }
            OperatedTo::Shard(shard, call) => {
                self.reply(shard, call, Reply::Operated { spent, outcome });
            }
        }
    }

    /// The owner has done its share. What stands for many messages is asked of the others too.
    pub(in crate::shard) fn owner_has_operated(
        &mut self,
        now: Now,
        owner: ShardId,
        (customer, request): (CustomerIx, CustomerRequest),
        operation: Box<Operation>,
        outcome: OperationOutcome,
    ) {
        let others: Vec<ShardId> = self.mesh.peers().filter(|peer| *peer != owner).collect();
        let own_share = owner != self.id;
        let elsewhere = !others.is_empty() || own_share;
        let Some(share) = operation.share().filter(|_| outcome.is_group && elsewhere) else {
            return self.answer_operation(request, &operation, outcome);
        };
        if !others.iter().all(|peer| self.mesh.has_room(*peer)) {
            return self.answer_customer(request, CommandStatus::ESME_RTHROTTLED, b"");
        }
        let missing = u16::try_from(others.len()).unwrap_or(u16::MAX) + u16::from(own_share);
        let gathering = Box::new(Gathering { request, operation, outcome, missing });
        let call = self.mesh.open(&others, Call::Gather(gathering));
        for peer in others {
            let operation = Box::new(share.clone());
            self.request(peer, call, Request::Operate { customer, operation });
        }
        if own_share {
            self.perform(now, customer, Box::new(share), OperatedTo::Gathering(call));
        }
    }

    /// One shard has done its share of what all were asked for.
    pub(in crate::shard) fn gather(
        &mut self,
        call: CallId,
        mut gathering: Box<Gathering>,
        outcome: OperationOutcome,
    ) {
        gathering.outcome = gathering.outcome.and(outcome);
        gathering.missing -= 1;
        if gathering.missing > 0 {
            self.mesh.keep(call, Call::Gather(gathering));
        } else {
            let Gathering { request, operation, outcome, .. } = *gathering;
            self.answer_operation(request, &operation, outcome);
        }
    }

    fn answer_operation(
        &mut self,
        request: CustomerRequest,
        asked: &Operation,
        out: OperationOutcome,
    ) {
        let failure = out.refused.unwrap_or_else(|| Operation::failure(&asked.act));
        match (&asked.act, out.state) {
            (Act::Query, Some(state)) => self.answer_query(request, asked, state),
            (Act::Cancel | Act::Replace(_), _) if out.changed > 0 => {
                self.answer_customer(request, CommandStatus::ESME_ROK, b"");
            }
            _ => self.answer_customer(request, failure, b""),
        }
    }

    fn answer_query(&mut self, request: CustomerRequest, asked: &Operation, state: MessageState) {
        let Target::Message(id) = asked.target else { return };
        let id = id.to_string();
        let version = self.version_of(request);
        // SCHEDULED is a state of 5.0.
        let hidden = state.state == ReceiptState::Scheduled && version < VERSION_5_0;
        let shown = if hidden { ReceiptState::Enroute } else { state.state };
        let date = state.finished.and_then(|at| AbsoluteTime::new(i64::try_from(at.0).ok()?, 0));
        let date = date.map(|at| SmppTime::Absolute(at).print());
        let body = QuerySmResp {
            message_id: id.as_bytes(),
            final_date: date.as_ref().map_or(&[][..], |date| date),
            message_state: shown.message_state(),
            error_code: state.error,
            tlvs: Tlvs::default(),
        };
        self.answer_customer_with(request, &Body::QueryResp(body));
    }
}
