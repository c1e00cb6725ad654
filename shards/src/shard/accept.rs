//! The way in: a customer's request at the shard that read it, and its acceptance at the owner of
//! the number. An id leaves only once the record is on disk.

use postrider_core::clock::Now;
use postrider_core::content::{Origin, Retention};
use postrider_core::id::IdFields;
use postrider_core::limits;
use postrider_core::sequence;
use postrider_core::submission::Submission;
use postrider_core::text::Encoding;
use postrider_http::auth::CustomerIx;
use postrider_http::problem::{Code, Problem};
use postrider_http::request::ApiRequest;

use super::customers::status_of;
use super::envelope_record::{Apart, accepted_record};
use super::erasing::{is_unknown, redaction};
use super::fetch::register_row;
use super::looking_up::is_not_valid;
use super::mesh::{Accepted, Call, CallId, Reply, Request};
use super::message::{Envelope, Message};
use super::{After, ApiResponse, Drain, Op, ReplyTo, Shard};
use crate::stats::Counter;
use postrider_core::place::ShardId;

impl Shard {
    /// A validated request of an authenticated customer; the answer comes as `Op::Answer`.
    pub fn handle_api(&mut self, now: Now, ticket: u64, customer: CustomerIx, request: ApiRequest) {
        match request {
            ApiRequest::Submit(submission) => {
                self.submit_request(now, ReplyTo::Ticket(ticket), customer, Box::new(submission));
            }
            ApiRequest::DryRun(submission) => {
                self.explain_request(now, ticket, customer, Box::new(submission));
            }
            ApiRequest::LookUp(query) => self.look_up_request(now, ticket, customer, query),
            ApiRequest::Get(id) => self.get_request(now, ticket, customer, id),
            ApiRequest::Redact(id) => self.redact_request(now, ticket, customer, id),
            ApiRequest::List(query) => self.list_request(now, ticket, customer, Box::new(query)),
        }
        self.pump(now);
    }

    /// Takes a message to its owner.
    pub(super) fn submit_request(
        &mut self,
        now: Now,
        to: ReplyTo,
        customer: CustomerIx,
        submission: Box<Submission>,
    ) {
        let parts = submission.parts.into();
        if let Err(wait) = self.shared.accounts.admit_parts(customer, now.mono, parts) {
            self.stats.inc(Counter::RefusedRateLimited);
            return self.submitted(now, to, submission, Err(Problem::rate_limited(wait)));
        }
        let owner = self.shared.placement.owner(submission.to);
        if owner == self.id {
            self.accept(now, customer, submission, to);
        } else if self.mesh.has_room(owner) {
            let call = self.mesh.open(&[owner], Call::Submit { to });
            self.request(owner, call, Request::Submit { customer, submission });
        } else {
            self.stats.inc(Counter::MeshRefused);
            let problem = Problem::overloaded(1).because("the owner is busy");
            self.submitted(now, to, submission, Err(problem));
        }
    }

    pub(super) fn answer(&mut self, ticket: u64, response: ApiResponse) {
        self.ops.push_back(Op::Answer { ticket, response });
    }

    /// At the owner: takes the message into the log, or says why not.
    pub(super) fn accept_here(
        &mut self,
        now: Now,
        customer: CustomerIx,
        submission: Box<Submission>,
        to: ReplyTo,
    ) {
        let own = self.shared.config.customers.get(usize::from(customer.0));
        let own = own.map_or(Retention::Keep, |customer| customer.content_retention);
        let discard = submission.retention.or(own) == Retention::Discard;
        let promise = match self.may_accept(now, customer, &submission, discard) {
            Ok(promise) => promise,
            Err((why, problem)) => {
                self.stats.inc(why);
                self.submitted(now, to, submission, Err(problem));
                return;
            }
        };
        if discard {
            self.store_content(now, customer, submission, to, promise);
        } else {
            self.accept_now(now, customer, submission, to, (promise, None));
        }
    }

    /// The same, once the content is on disk when that is not to be kept: its number.
    pub(super) fn accept_now(
        &mut self,
        now: Now,
        customer: CustomerIx,
        submission: Box<Submission>,
        to: ReplyTo,
        (promise, content): ((Encoding, u8), Option<u64>),
    ) {
        let mut envelope = self.envelope(now, customer, &submission, promise);
        envelope.apart = content.map(|content| Apart::new(content, &submission.content));
        let partition = self.shared.placement.partition(envelope.to);
        let sender = envelope.sender.as_text();
        let record = accepted_record(&envelope, &sender, partition);
        let appended = self.journal.append(now.mono, &record);
        if submission.replaces {
            self.cancel_replaced(now, customer, &submission);
        }
        self.journal.then(After::Accepted { sequence: envelope.sequence, to, spent: submission });
        self.table.insert(Box::new(Message::new(envelope, appended.at, appended.len)));
    }

    /// Every reason for which an owner refuses a message, before anything is written; else the
    /// alphabet and the number of parts that its customer is promised.
    pub(super) fn may_accept(
        &self,
        now: Now,
        customer: CustomerIx,
        submission: &Submission,
        discard: bool,
    ) -> Result<(Encoding, u8), (Counter, Problem)> {
        if self.drain != Drain::No {
            return Err((Counter::RefusedShuttingDown, Problem::shutting_down(1)));
        }
        let open_limit = usize::try_from(self.shared.config.limits.open_messages);
        let open = self.table.open() + self.contents.waiting();
        if open >= open_limit.unwrap_or(usize::MAX) {
            let problem = Problem::overloaded(1).because("too many open messages");
            return Err((Counter::RefusedOverloaded, problem));
        }
        if self.registers.pressed() {
            let problem = Problem::overloaded(1).because("registers wait for the disk");
            return Err((Counter::RefusedOverloaded, problem));
        }
        let no_room = || discard && self.contents.is_full(&submission.content);
        if self.storage_is_short() || no_room() {
            return Err((Counter::RefusedStorageFull, Problem::storage_full(5)));
        }
        let own = self.shared.config.customers.get(usize::from(customer.0));
        if own.is_none_or(|own| own.retired) {
            // Another shard let it in under an older configuration.
            let problem = Problem::new(Code::Unauthorized, "This customer was removed.");
            return Err((Counter::RefusedUnauthorized, problem));
        }
        if self.has_opted_out(customer, submission.to) {
            return Err((Counter::RefusedOptedOut, Problem::opted_out()));
        }
        let no_route = || (Counter::RefusedNoRoute, Problem::no_route());
        let (route, known) = self.route_now(now, submission.to).ok_or_else(no_route)?;
        if is_not_valid(route, &known) {
            return Err((Counter::RefusedNumber, Problem::number_not_valid()));
        }
        let counted = (submission.encoding, submission.parts);
        self.promised_on(route, &submission.content, counted).ok_or_else(no_route)
    }

    /// Whether what is left belongs to the state changes of messages already accepted.
    pub(super) fn storage_is_short(&self) -> bool {
        let room = self.journal.log.room();
        let open = self.table.open() + self.inbox.len();
        let open = u64::try_from(open).unwrap_or(u64::MAX);
        let reserve = limits::RESERVE_SEGMENTS
            .saturating_mul(self.segment_bytes)
            .saturating_add(open.saturating_mul(limits::RESERVE_PER_OPEN_MESSAGE));
        self.journal.log.full() || room.bytes_free < reserve
    }

    /// What came of a submission, told to whoever submitted it.
    pub(super) fn submitted(
        &mut self,
        now: Now,
        to: ReplyTo,
        spent: Box<Submission>,
        result: Result<Accepted, Problem>,
    ) {
        match to {
            ReplyTo::Ticket(ticket) => self.answer(
                ticket,
                match result {
                    Ok(accepted) => ApiResponse::Accepted(accepted),
                    Err(problem) => ApiResponse::Problem(problem),
                },
            ),
            ReplyTo::Customer(request) => self.answer_submit(request, result),
            ReplyTo::Multi { key, place } => {
                let result = result.map(|accepted| accepted.id);
                let result = result.map_err(|problem| status_of(problem.code));
                self.multi_submitted(now, key, place, result);
            }
            ReplyTo::Shard(shard, call) => {
                self.reply(shard, call, Reply::Submitted { spent, result });
            }
        }
    }

    fn envelope(
        &mut self,
        now: Now,
        customer: CustomerIx,
        submission: &Submission,
        (encoding, part_count): (Encoding, u8),
    ) -> Envelope {
        let sequence = self.next_sequence;
        self.next_sequence = sequence::next_free(sequence + 1, self.id.0);
        let partition = self.shared.placement.partition(submission.to);
        let id = self.shared.cipher.seal(IdFields { time: now.wall, partition, sequence });
        Envelope {
            id,
            sequence,
            customer: self.shared.customer_number(customer),
            to: submission.to,
            sender: submission.from.clone(),
            content: submission.content.clone(),
            apart: None,
            webhook_url: submission.webhook_url.as_deref().map(Into::into),
            client_reference: submission.client_reference.as_deref().map(Into::into),
            encoding,
            reference: self.references.next(&submission.from, submission.to),
            part_count,
            accepted: now.wall,
            valid_until: submission
                .due
                .unwrap_or(now.wall)
                .after(submission.validity.unwrap_or(limits::VALIDITY_DEFAULT)),
            due: submission.due,
            origin: submission.origin,
            duplicate: submission.duplicate,
            registered_delivery: submission.registered_delivery,
            protocol_id: submission.protocol_id,
            lane: submission.lane,
            priority: submission.priority,
            data_coding: submission.data_coding,
            source_ton_npi: submission.source_ton_npi,
            dest_ton_npi: submission.dest_ton_npi,
            service_type: submission.service_type.clone(),
            group: submission.group.id(id),
            redacted: false,
        }
    }

    /// The accepted record is on disk.
    pub(super) fn accepted(
        &mut self,
        now: Now,
        sequence: u64,
        to: ReplyTo,
        spent: Box<Submission>,
    ) {
        let Some(message) = self.table.publish(sequence) else {
            panic!("an accepted message vanished before its answer");
        };
        self.registers.accept(&register_row(&self.shared, message));
        let envelope = &message.envelope;
        let accepted =
            Accepted { id: envelope.id, parts: envelope.part_count, encoding: envelope.encoding };
        self.stats.inc(match envelope.origin {
            Origin::Http => Counter::AcceptedOverHttp,
            Origin::Smpp => Counter::AcceptedOverSmpp,
        });
        self.stats.inc(Counter::Accepted);
        self.stats.accepted_in(self.shared.placement.partition(envelope.to));
        self.stats.add(Counter::AcceptedParts, u64::from(accepted.parts));
        self.own_content(now, sequence);
        self.submitted(now, to, spent, Ok(accepted));
        self.begin(now, sequence);
    }

    /// A reply from another shard.
    pub(super) fn take_reply(&mut self, now: Now, from: ShardId, id: CallId, reply: Reply) {
        let Some(call) = self.mesh.close(from, id) else {
            panic!("{from} replied to a call that is not open");
        };
        match (call, reply) {
            (Call::Submit { to }, Reply::Submitted { spent, result }) => {
                self.submitted(now, to, spent, result);
            }
            (Call::Explain { ticket }, Reply::Explained { spent: _, result }) => {
                self.answer_explained(ticket, result);
            }
            (Call::LookUp { job, places }, Reply::LookedUp { spent: _, found }) => {
                self.take_lookups(now, job, &places, found);
            }
            (Call::Operate { customer, request }, Reply::Operated { spent, outcome }) => {
                self.owner_has_operated(now, from, (customer, request), spent, outcome);
            }
            (Call::Gather(gathering), Reply::Operated { spent: _, outcome }) => {
                self.gather(id, gathering, outcome);
            }
            (Call::Seek { ticket, .. }, Reply::Found(Some(view))) => {
                self.answer(ticket, ApiResponse::Message(view));
            }
            (Call::Seek { ticket, sought, asked }, Reply::Found(None)) => {
                self.seek(now, ticket, sought, asked.saturating_add(1));
            }
            (Call::Seek { ticket, sought, asked }, Reply::Redacted(result)) => {
                if is_unknown(&result) {
                    self.seek(now, ticket, sought, asked.saturating_add(1));
                } else {
                    self.answer(ticket, redaction(result));
                }
            }
            (call @ Call::List { .. }, Reply::Page(page)) => self.take_page(id, call, *page),
            (Call::Deliver { customer, place }, Reply::Delivered { spent: _, answer }) => {
                self.peer_delivered(now, from, (customer, place), answer);
            }
            (Call::Tell, Reply::Noted) => {}
            (Call::Rate { carrier }, Reply::Rate(grant)) => self.take_grant(now, carrier, *grant),
            (Call::Credits { carrier, wanted }, Reply::Credits(credits)) => {
                self.take_credits(now, from, (carrier, wanted), &credits);
            }
            (Call::Cross(crosses), Reply::Crossed(crossed)) => {
                self.crossed(now, from, crosses, *crossed);
            }
            (Call::Inbound { delivery }, Reply::Inbound { spent: _, outcome }) => {
                self.take_inbound_outcome(delivery, outcome);
            }
            (call, Reply::Receipt { spent, outcome }) => {
                self.take_receipt_outcome(now, id, call, spent, outcome);
            }
            (call, reply) => panic!("{from} answered {call:?} with {reply:?}"),
        }
    }
}
