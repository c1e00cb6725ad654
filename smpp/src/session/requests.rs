//! What the peer asks of a session, and our answers. One per session.

use core::time::Duration;

use super::answers::trimmed_tlvs;
use super::legality::{Ruling, judge};
use super::machine::Machine;
use super::timers::Timer;
use super::{BindKind, Event, Oddity, Request, Role, State};
use crate::command::CommandId;
use crate::pdu::{
    Body, EncodeHead, Frame, PduError, QuerySmResp, SubmitMultiResp, VERSION_5_0, decode_for,
    encode, encode_response,
};
use crate::status::CommandStatus;
use crate::tlv::Tlvs;

impl Machine {
    pub(super) fn on_request<'a>(&mut self, frame: &Frame<'a>) -> Option<Event<'a>> {
        use CommandId as C;
        let (command, sequence) = (frame.header.command, frame.header.sequence);
        if command.name().is_none() {
            self.answer_empty(C::GENERIC_NACK, CommandStatus::ESME_RINVCMDID, sequence);
            return Some(Event::Counted(Oddity::UnknownCommand));
        }
        match self.ruling(command) {
            Ruling::Legal => {}
            Ruling::Unknown => return Some(self.unsupported(frame)),
            Ruling::Illegal => {
                self.refuse(command, self.wrong_state(command), sequence);
                return Some(Event::Counted(Oddity::WrongState));
            }
        }
        match command {
            C::ENQUIRE_LINK => {
                self.answer_empty(C::ENQUIRE_LINK_RESP, CommandStatus::ESME_ROK, sequence);
                None
            }
            C::UNBIND => self.on_unbind(sequence),
            C::OUTBIND => self.on_outbind(frame),
            C::BIND_TRANSMITTER | C::BIND_RECEIVER | C::BIND_TRANSCEIVER => self.on_bind(frame),
            C::SUBMIT_SM
            | C::DELIVER_SM
            | C::DATA_SM
            | C::SUBMIT_MULTI
            | C::QUERY_SM
            | C::CANCEL_SM
            | C::REPLACE_SM => self.on_work(frame),
            C::ALERT_NOTIFICATION => self.on_alert(frame),
            _ => self.on_unsupported(frame),
        }
    }

    /// The status for a request that may not come now.
    fn wrong_state(&self, command: CommandId) -> CommandStatus {
        let is_bind = BindKind::from_command(command).is_some();
        let at_work = match self.state {
            State::Binding | State::Bound(_) | State::Unbinding => true,
            State::Closed | State::Open | State::Outbound | State::Unbound => false,
        };
        if is_bind && at_work && self.config.role == Role::Smsc {
            CommandStatus::ESME_RALYBND
        } else {
            CommandStatus::ESME_RINVBNDSTS
        }
    }

    /// Whether the peer may ask this now. While its bind waits for our answer another may not come.
    fn ruling(&self, command: CommandId) -> Ruling {
        let peer = match self.config.role {
            Role::Esme => Role::Smsc,
            Role::Smsc => Role::Esme,
        };
        let at_work = self.state == State::Binding;
        if at_work && (BindKind::from_command(command).is_some() || command == CommandId::OUTBIND) {
            return Ruling::Illegal;
        }
        judge(command, peer, self.version, self.state, self.kind)
    }

    /// Answers a request with an error; requests that have no answer get none.
    fn refuse(&mut self, command: CommandId, status: CommandStatus, sequence: u32) {
        if command.is_answered() {
            self.answer(command, status, sequence, &plain_body(command, status, &[]));
        }
    }

    /// Answers a request.
    fn answer(
        &mut self,
        command: CommandId,
        status: CommandStatus,
        sequence: u32,
        body: &Body<'_>,
    ) {
        let (command, version) = (command.response(), self.version);
        let done = if let Body::MessageResp { message_id, tlvs } = *body
            && tlvs.as_bytes().is_empty()
        {
            // Nearly all.
            encode_response(&mut self.responses, command, status, sequence, Some(message_id))
        } else {
            let trimmed = trimmed_tlvs(version, body.tlvs(), &mut self.scratch)
                .map(|tlvs| with_tlvs(body, tlvs));
            let head = EncodeHead { command, status, sequence, version };
            encode(&mut self.responses, head, trimmed.as_ref().unwrap_or(body))
        };
        if done.is_err() {
            self.answer_empty(command, CommandStatus::ESME_RSYSERR, sequence);
        }
    }

    pub(super) fn respond(
        &mut self,
        command: CommandId,
        sequence: u32,
        status: CommandStatus,
        message_id: &[u8],
    ) {
        self.respond_with(command, sequence, status, &plain_body(command, status, message_id));
    }

    pub(super) fn respond_with(
        &mut self,
        command: CommandId,
        sequence: u32,
        status: CommandStatus,
        body: &Body<'_>,
    ) {
        if !self.take_inbound((command, sequence)) {
            return;
        }
        if self.state == State::Closed {
            return;
        }
        self.answer(command, status, sequence, body);
        self.after_respond();
    }

    /// Takes out a request that waits for our answer, most often the oldest; false when it does not wait.
    fn take_inbound(&mut self, request: (CommandId, u32)) -> bool {
        if self.inbound.front() == Some(&request) {
            self.inbound.pop_front();
            return true;
        }
        let at = self.inbound.iter().position(|each| *each == request);
        at.is_some_and(|at| self.inbound.remove(at).is_some())
    }

    /// There is no clock here, so an unbind that waited for this answer is left to its timer, due at once.
    fn after_respond(&mut self) {
        if self.state == State::Unbound {
            self.check_drained();
        } else if self.is_drained() {
            self.arm(Timer::Drain, Duration::ZERO);
        }
    }

    /// A request that waits for the driver's answer.
    fn on_work<'a>(&mut self, frame: &Frame<'a>) -> Option<Event<'a>> {
        let (command, sequence) = (frame.header.command, frame.header.sequence);
        if self.inbound.len() >= usize::from(self.config.inbound_window) {
            let status = CommandStatus(self.config.inbound_full_status);
            self.refuse(command, status, sequence);
            return Some(Event::Counted(Oddity::InboundWindowFull));
        }
        let asked = |request| Event::Request { sequence, command, request };
        let event = match decode_for(self.version, frame) {
            Ok(Body::Message(message)) => Event::Message { sequence, command, message },
            Ok(Body::SubmitMulti(multi)) => asked(Request::SubmitMulti(multi)),
            Ok(Body::Query(query)) => asked(Request::Query(query)),
            Ok(Body::Cancel(cancel)) => asked(Request::Cancel(cancel)),
            Ok(Body::Replace(replace)) => asked(Request::Replace(replace)),
            Ok(_) => return Some(self.malformed(frame, CommandStatus::ESME_RINVCMDLEN)),
            Err(error) => return Some(self.undecodable(frame, error)),
        };
        self.inbound.push_back((command, sequence));
        self.note_activity();
        Some(event)
    }

    fn on_alert<'a>(&mut self, frame: &Frame<'a>) -> Option<Event<'a>> {
        self.note_activity();
        Some(match decode_for(self.version, frame) {
            Ok(Body::Alert(alert)) => Event::Alert { alert },
            Ok(_) | Err(_) => Event::Counted(Oddity::MalformedPdu),
        })
    }

    pub(super) fn undecodable(&mut self, frame: &Frame<'_>, error: PduError) -> Event<'static> {
        match error {
            PduError::Nack { status } => self.malformed(frame, status),
            PduError::UnknownCommand(_) => self.unsupported(frame),
        }
    }

    pub(super) fn malformed(&mut self, frame: &Frame<'_>, status: CommandStatus) -> Event<'static> {
        self.refuse(frame.header.command, status, frame.header.sequence);
        Event::Counted(Oddity::MalformedPdu)
    }

    /// A command that is known, but not in this version or not here. 5.0 has statuses for broadcasts.
    fn unsupported(&mut self, frame: &Frame<'_>) -> Event<'static> {
        let (command, sequence) = (frame.header.command, frame.header.sequence);
        match broadcast_failure(command).filter(|_| self.version >= VERSION_5_0) {
            Some(status) => self.refuse(command, status, sequence),
            None if command.is_answered() => {
                let status = CommandStatus::ESME_RINVCMDID;
                self.answer_empty(CommandId::GENERIC_NACK, status, sequence);
            }
            None => {}
        }
        Event::Counted(Oddity::UnsupportedCommand)
    }

    /// A request that is legal but not served: a fault in it is named, else it is not known here.
    fn on_unsupported<'a>(&mut self, frame: &Frame<'a>) -> Option<Event<'a>> {
        Some(match decode_for(self.version, frame) {
            Ok(_) => self.unsupported(frame),
            Err(error) => self.undecodable(frame, error),
        })
    }
}

/// The status that refuses a broadcast operation as a whole.
const fn broadcast_failure(command: CommandId) -> Option<CommandStatus> {
    match command {
        CommandId::BROADCAST_SM => Some(CommandStatus::ESME_RBCASTFAIL),
        CommandId::QUERY_BROADCAST_SM => Some(CommandStatus::ESME_RBCASTQUERYFAIL),
        CommandId::CANCEL_BROADCAST_SM => Some(CommandStatus::ESME_RBCASTCANCELFAIL),
        _ => None,
    }
}

/// The body of an answer that needs no more than an id. 3.4 wants none on errors, but a NUL in every
/// deliver_sm_resp.
fn plain_body(command: CommandId, status: CommandStatus, message_id: &[u8]) -> Body<'_> {
    let tlvs = Tlvs::default();
    match command {
        CommandId::DELIVER_SM => Body::MessageResp { message_id: &[], tlvs },
        _ if status != CommandStatus::ESME_ROK => Body::Empty { tlvs },
        CommandId::SUBMIT_SM | CommandId::DATA_SM => Body::MessageResp { message_id, tlvs },
        CommandId::SUBMIT_MULTI => {
            Body::SubmitMultiResp(SubmitMultiResp { message_id, ..SubmitMultiResp::default() })
        }
        CommandId::QUERY_SM => {
            Body::QueryResp(QuerySmResp { message_id, ..QuerySmResp::default() })
        }
        _ => Body::Empty { tlvs },
    }
}

/// The same response with other parameters.
fn with_tlvs<'a>(body: &Body<'a>, tlvs: Tlvs<'a>) -> Body<'a> {
    match *body {
        Body::MessageResp { message_id, .. } => Body::MessageResp { message_id, tlvs },
        Body::SubmitMultiResp(response) => {
            Body::SubmitMultiResp(SubmitMultiResp { tlvs, ..response })
        }
        Body::QueryResp(response) => Body::QueryResp(QuerySmResp { tlvs, ..response }),
        Body::Empty { .. } => Body::Empty { tlvs },
        // No answers of ours: the writer refuses them.
        Body::Bind(_)
        | Body::BindResp { .. }
        | Body::Outbind(_)
        | Body::Message(_)
        | Body::SubmitMulti(_)
        | Body::Query(_)
        | Body::Cancel(_)
        | Body::Replace(_)
        | Body::Alert(_)
        | Body::Broadcast(_)
        | Body::CancelBroadcast(_) => *body,
    }
}
