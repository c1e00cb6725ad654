//! submit_multi: one message to many. The first one that is accepted gives its id to all; then the
//! others follow together. Part of the shard's machine.

use std::collections::VecDeque;

use postrider_core::clock::Now;
use postrider_core::id::MessageId;
use postrider_core::submission::{Group, Submission};
use postrider_http::auth::CustomerIx;
use postrider_smpp::pdu::{Body, SubmitMultiResp, UnsuccessSme, UnsuccessSmes};
use postrider_smpp::status::CommandStatus;

use super::CustomerRequest;
use crate::shard::{ReplyTo, Shard};

/// One recipient as the customer wrote it.
#[derive(Debug)]
pub(super) struct Recipient {
    pub(super) ton: u8,
    pub(super) npi: u8,
    pub(super) address: Box<[u8]>,
    /// The message to it, until it is submitted; or why there is none.
    pub(super) submission: Result<Box<Submission>, CommandStatus>,
}

/// A submit_multi that waits for its answer.
pub(in crate::shard) struct Multi {
    request: CustomerRequest,
    customer: CustomerIx,
    recipients: Vec<Recipient>,
    /// Places of those that are not submitted yet.
    waiting: VecDeque<u8>,
    /// Submissions without an answer.
    open: u16,
    /// The id of all.
    id: Option<MessageId>,
    /// Places of those that were refused, and why.
    refused: Vec<(u8, CommandStatus)>,
}

impl Shard {
    /// Begins with the first recipient.
    pub(super) fn submit_multi(
        &mut self,
        now: Now,
        customer: CustomerIx,
        request: CustomerRequest,
        recipients: Vec<Recipient>,
    ) {
        let waiting = (0u8..).take(recipients.len()).collect();
        let multi = Multi {
            request,
            customer,
            recipients,
            waiting,
            open: 0,
            id: None,
            refused: Vec::new(),
        };
        let key = self.customers.next_multi;
        self.customers.next_multi += 1;
        self.customers.multis.insert(key, multi);
        self.submit_head(now, key);
    }

    /// Submits the next recipient as the one whose id stands for all; without one left nobody was
    /// accepted.
    fn submit_head(&mut self, now: Now, key: u64) {
        loop {
            let Some(multi) = self.customers.multis.get_mut(&key) else { return };
            let Some(place) = multi.waiting.pop_front() else { break };
            if self.submit_place(now, key, place, Group::Head) {
                return;
            }
        }
        self.finish_multi(key);
    }

    /// Submits one recipient; false when there is no message to it.
    fn submit_place(&mut self, now: Now, key: u64, place: u8, group: Group) -> bool {
        let Some(multi) = self.customers.multis.get_mut(&key) else { return false };
        let Some(recipient) = multi.recipients.get_mut(usize::from(place)) else { return false };
        let spent = Err(CommandStatus::ESME_RSUBMITFAIL);
        match std::mem::replace(&mut recipient.submission, spent) {
            Ok(mut submission) => {
                submission.group = group;
                multi.open += 1;
                let customer = multi.customer;
                self.submit_request(now, ReplyTo::Multi { key, place }, customer, submission);
                true
            }
            Err(status) => {
                multi.refused.push((place, status));
                false
            }
        }
    }

    /// What came of one recipient's message.
    pub(in crate::shard) fn multi_submitted(
        &mut self,
        now: Now,
        key: u64,
        place: u8,
        result: Result<MessageId, CommandStatus>,
    ) {
        let Some(multi) = self.customers.multis.get_mut(&key) else { return };
        multi.open -= 1;
        match (result, multi.id) {
            (Ok(id), None) => {
                multi.id = Some(id);
                self.submit_members(now, key, id);
            }
            (Ok(_), Some(_)) => {}
            (Err(status), None) => {
                multi.refused.push((place, status));
                self.submit_head(now, key);
                return;
            }
            (Err(status), Some(_)) => multi.refused.push((place, status)),
        }
        let done = |multi: &Multi| multi.open == 0 && multi.waiting.is_empty();
        if self.customers.multis.get(&key).is_some_and(done) {
            self.finish_multi(key);
        }
    }

    /// Submits the others; no more of them once nobody waits for the answer.
    fn submit_members(&mut self, now: Now, key: u64, id: MessageId) {
        while let Some(multi) = self.customers.multis.get_mut(&key) {
            let request = multi.request;
            let Some(place) = multi.waiting.pop_front() else { return };
            if self.customers.is_live(request) {
                self.submit_place(now, key, place, Group::Member(id));
            }
        }
    }

    fn finish_multi(&mut self, key: u64) {
        let Some(mut multi) = self.customers.multis.remove(&key) else { return };
        let Some(id) = multi.id else {
            // The first refusal says why: most often it is the same for all.
            let status = multi.refused.first().map(|(_, status)| *status);
            let status = status.unwrap_or(CommandStatus::ESME_RSUBMITFAIL);
            return self.answer_customer(multi.request, status, b"");
        };
        multi.refused.sort_unstable_by_key(|(place, _)| *place);
        let mut octets = Vec::new();
        let mut count = 0u8;
        for (place, status) in &multi.refused {
            let Some(recipient) = multi.recipients.get(usize::from(*place)) else { continue };
            let Recipient { ton, npi, address, .. } = recipient;
            let sme = UnsuccessSme { ton: *ton, npi: *npi, address, status: *status };
            if sme.write(&mut octets).is_ok() {
                count = count.saturating_add(1);
            }
        }
        let id = id.to_string();
        let body = SubmitMultiResp {
            message_id: id.as_bytes(),
            unsuccessful: UnsuccessSmes::new(count, &octets).unwrap_or_default(),
            ..SubmitMultiResp::default()
        };
        self.answer_customer_with(multi.request, &Body::SubmitMultiResp(body));
    }
}
