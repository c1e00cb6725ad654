//! What the sessions of customers report: binds, submissions, other requests, answers to what we
//! delivered. Part of the shard's machine.

use postrider_core::clock::Now;
use postrider_core::submission::Submission;
use postrider_http::auth::CustomerIx;
use postrider_http::problem::{Code, Problem};
use postrider_smpp::command::CommandId;
use postrider_smpp::session::{BindKind, CloseReason, Event, Request};
use postrider_smpp::status::CommandStatus;

use super::accounts::{PasswordHash, hash_password};
use super::multi::Recipient;
use super::operations::{Operation, Parsed};
use super::submission::{Account, recipients, submission};
use super::{ConnIx, CustomerRequest, account};
use crate::shard::{Accepted, ReplyTo, Shard, Shared};
use crate::stats::Counter;

impl Shard {
    /// Drains what a session has to report.
    pub(super) fn customer_events(&mut self, now: Now, conn: ConnIx) {
        loop {
            let Shard { customers, shared, .. } = self;
            let Some(held) = customers.get_mut(conn) else { return };
            let Some(event) = held.session.poll_event() else { break };
            let happened = Happened::read(shared, held.account, now, event);
            self.customer_happened(now, conn, happened);
        }
        self.settle_customer(now, conn);
    }

    fn customer_happened(&mut self, now: Now, conn: ConnIx, what: Happened) {
        match what {
            Happened::BindRequested { sequence, system_id, password } => {
                self.bind_requested(now, conn, sequence, system_id, password);
            }
            Happened::Bound { kind } => self.customer_bound(now, conn, kind),
            Happened::Submit { command, sequence, submission } => {
                let request = self.customer_request(conn, command, sequence);
                self.submit_of_customer(now, request, submission);
            }
            Happened::Multi { command, sequence, recipients } => {
                let request = self.customer_request(conn, command, sequence);
                self.multi_of_customer(now, request, recipients);
            }
            Happened::Operate { command, sequence, operation } => {
                let request = self.customer_request(conn, command, sequence);
                self.operation_of_customer(now, request, operation);
            }
            Happened::Answered { token, status } => {
                self.customer_answered(now, conn, token, status);
            }
            Happened::Close { reason } => self.close_customer(now, conn, Some(reason)),
            Happened::Oddity => self.stats.inc(Counter::CustomerPduOddities),
            Happened::Nothing => {}
        }
    }

    fn customer_request(
        &self,
        conn: ConnIx,
        command: CommandId,
        sequence: u32,
    ) -> Option<(CustomerIx, CustomerRequest)> {
        let held = self.customers.get(conn)?;
        let request = CustomerRequest { conn, epoch: held.epoch, command, sequence };
        Some((held.account?, request))
    }

    fn submit_of_customer(
        &mut self,
        now: Now,
        request: Option<(CustomerIx, CustomerRequest)>,
        submission: Result<Box<Submission>, CommandStatus>,
    ) {
        let Some((customer, request)) = request else { return };
        if !self.shared.accounts.admit(customer, now.mono, 1) {
            self.answer_customer(request, CommandStatus::ESME_RTHROTTLED, b"");
            return;
        }
        match submission {
            Ok(submission) => {
                self.submit_request(now, ReplyTo::Customer(request), customer, submission);
            }
            Err(status) => self.answer_customer(request, status, b""),
        }
    }
}

impl Shard {
    fn multi_of_customer(
        &mut self,
        now: Now,
        request: Option<(CustomerIx, CustomerRequest)>,
        recipients: Result<Vec<Recipient>, CommandStatus>,
    ) {
        let Some((customer, request)) = request else { return };
        let count = recipients.as_ref().map_or(1, Vec::len);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if !self.shared.accounts.admit(customer, now.mono, count) {
            self.answer_customer(request, CommandStatus::ESME_RTHROTTLED, b"");
            return;
        }
        match recipients {
            Ok(recipients) => self.submit_multi(now, customer, request, recipients),
            Err(status) => self.answer_customer(request, status, b""),
        }
    }

    fn operation_of_customer(
        &mut self,
        now: Now,
        request: Option<(CustomerIx, CustomerRequest)>,
        (operation, unknown): (Parsed, CommandStatus),
    ) {
        let Some((customer, request)) = request else { return };
        match operation {
            Ok(Some(operation)) => self.operate(now, customer, request, operation),
            Ok(None) => self.answer_customer(request, unknown, b""),
            Err(status) => self.answer_customer(request, status, b""),
        }
    }

    /// What came of a submission: its id, or the status that says why not.
    pub(in crate::shard) fn answer_submit(
        &mut self,
        request: CustomerRequest,
        result: Result<Accepted, Problem>,
    ) {
        match result {
            Ok(accepted) => {
                let id = accepted.id.to_string();
                self.answer_customer(request, CommandStatus::ESME_ROK, id.as_bytes());
            }
            Err(problem) => self.answer_customer(request, status_of(problem.code), b""),
        }
    }
}

/// The status for an owner's refusal.
pub(in crate::shard) fn status_of(code: Code) -> CommandStatus {
    if matches!(code, Code::NoRoute | Code::RecipientOptedOut | Code::NumberNotValid) {
        CommandStatus::ESME_RINVDSTADR
    } else if code == Code::StorageFull {
        CommandStatus::ESME_RMSGQFUL
    } else if matches!(code, Code::Overloaded | Code::RateLimited) {
        CommandStatus::ESME_RTHROTTLED
    } else {
        CommandStatus::ESME_RSYSERR
    }
}

/// An event of a session with what is needed of it, in octets of our own.
enum Happened {
    BindRequested {
        sequence: u32,
        system_id: Box<[u8]>,
        password: PasswordHash,
    },
    Bound {
        kind: BindKind,
    },
    Submit {
        command: CommandId,
        sequence: u32,
        submission: Result<Box<Submission>, CommandStatus>,
    },
    Multi {
        command: CommandId,
        sequence: u32,
        recipients: Result<Vec<Recipient>, CommandStatus>,
    },
    /// With the status for an id that is none of ours.
    Operate {
        command: CommandId,
        sequence: u32,
        operation: (Parsed, CommandStatus),
    },
    Answered {
        token: u64,
        status: Option<u32>,
    },
    Close {
        reason: CloseReason,
    },
    Oddity,
    Nothing,
}

impl Happened {
    fn request(
        account: Option<Account<'_>>,
        now: Now,
        sequence: u32,
        command: CommandId,
        request: &Request<'_>,
    ) -> Happened {
        use CommandStatus as S;
        let account = account.ok_or(S::ESME_RINVBNDSTS);
        let operation = match request {
            Request::SubmitMulti(multi) => {
                let recipients = account.and_then(|account| recipients(account, now.wall, multi));
                return Happened::Multi { command, sequence, recipients };
            }
            Request::Query(query) => {
                (account.and_then(|(_, s)| Operation::query(s, query)), S::ESME_RQUERYFAIL)
            }
            Request::Cancel(cancel) => {
                (account.and_then(|(_, s)| Operation::cancel(s, cancel)), S::ESME_RCANCELFAIL)
            }
            Request::Replace(replace) => {
                let parsed = account.and_then(|(_, s)| Operation::replace(s, now.wall, replace));
                (parsed, S::ESME_RREPLACEFAIL)
            }
        };
        Happened::Operate { command, sequence, operation }
    }

    fn read(shared: &Shared, customer: Option<CustomerIx>, now: Now, event: Event<'_>) -> Happened {
        match event {
            Event::Bound { kind, .. } => Happened::Bound { kind },
            Event::BindRequested { sequence, bind, .. } => Happened::BindRequested {
                sequence,
                system_id: bind.system_id.into(),
                password: hash_password(bind.password),
            },
            Event::Message { sequence, command, message } => {
                let account = customer.and_then(|customer| account(shared, customer));
                let submission = account
                    .ok_or(CommandStatus::ESME_RINVBNDSTS)
                    .and_then(|account| submission(account, now.wall, &message));
                Happened::Submit { command, sequence, submission }
            }
            Event::Close { reason } => Happened::Close { reason },
            Event::Counted(_) => Happened::Oddity,
            Event::Response { token, status, .. } => {
                Happened::Answered { token, status: Some(status) }
            }
            Event::OutcomeUnknown { token, .. } => Happened::Answered { token, status: None },
            Event::Request { sequence, command, request } => {
                let account = customer.and_then(|customer| account(shared, customer));
                Self::request(account, now, sequence, command, &request)
            }
            Event::BindRefused { .. }
            | Event::OutbindRequested { .. }
            | Event::Alert { .. }
            | Event::PeerUnbound => Happened::Nothing,
        }
    }
}
