//! What the peer asks of a session, and our answers. One per session.

use core::time::Duration;

use super::legality::{Sender, is_legal};
use super::machine::Machine;
use super::timers::Timer;
use super::{BindKind, Event, Oddity, Role, State};
use crate::command::CommandId;
use crate::pdu::{
    Body, Frame, PduError, VERSION_3_4, decode, encode_bind_response, encode_response,
};
use crate::status::CommandStatus;

impl Machine {
    pub(super) fn on_request<'a>(&mut self, frame: &Frame<'a>) -> Option<Event<'a>> {
        use CommandId as C;
        let (command, sequence) = (frame.header.command, frame.header.sequence);
        if command.name().is_none() {
            self.answer_empty(C::GENERIC_NACK, CommandStatus::ESME_RINVCMDID, sequence);
            return Some(Event::Counted(Oddity::UnknownCommand));
        }
        if command == C::ENQUIRE_LINK {
            self.answer_empty(C::ENQUIRE_LINK_RESP, CommandStatus::ESME_ROK, sequence);
            return None;
        }
        if let Some(status) = self.illegal(command) {
            self.refuse(command, status, sequence);
            return Some(Event::Counted(Oddity::WrongState));
        }
        match command {
            C::UNBIND => self.on_unbind(sequence),
            C::BIND_TRANSMITTER | C::BIND_RECEIVER | C::BIND_TRANSCEIVER => self.on_bind(frame),
            C::SUBMIT_SM | C::DELIVER_SM | C::DATA_SM => self.on_message(frame),
            _ => self.on_unsupported(frame),
        }
    }

    /// The status for a request that may not come from this side in this state.
    fn illegal(&self, command: CommandId) -> Option<CommandStatus> {
        let sender = match self.config.role {
            Role::Esme => Sender::Smsc,
            Role::Smsc => Sender::Esme,
        };
        let bound = match self.state {
            State::Bound(kind) => Some(kind),
            State::Unbinding if !self.peer_unbound => self.kind,
            State::Closed | State::Open | State::Binding | State::Unbinding => None,
        };
        let is_bind = BindKind::from_command(command).is_some();
        if is_bind && self.config.role == Role::Smsc && self.state != State::Open {
            return Some(CommandStatus::ESME_RALYBND);
        }
        let legal = is_legal(command, sender, bound)
            || (command == CommandId::UNBIND && self.state == State::Unbinding);
        (!legal).then_some(CommandStatus::ESME_RINVBNDSTS)
    }

    /// Answers a request with an error; requests that have no answer get none.
    fn refuse(&mut self, command: CommandId, status: CommandStatus, sequence: u32) {
        if command.is_answered() {
            self.answer_message(command, status, sequence, &[]);
        }
    }

    /// Answers a message. 3.4 wants no body on errors, but a NUL in every deliver_sm_resp.
    fn answer_message(
        &mut self,
        command: CommandId,
        status: CommandStatus,
        sequence: u32,
        message_id: &[u8],
    ) {
        let id = match command {
            CommandId::DELIVER_SM => Some(&[][..]),
            _ => (status == CommandStatus::ESME_ROK).then_some(message_id),
        };
        let response = command.response();
        if encode_response(&mut self.responses, response, status, sequence, id).is_err() {
            self.answer_empty(response, CommandStatus::ESME_RSYSERR, sequence);
        }
    }

    pub(super) fn respond(
        &mut self,
        command: CommandId,
        sequence: u32,
        status: CommandStatus,
        message_id: &[u8],
    ) {
        let waiting = self.inbound.iter().position(|each| *each == (command, sequence));
        let Some(at) = waiting else { return };
        self.inbound.remove(at);
        if self.state == State::Closed {
            return;
        }
        self.answer_message(command, status, sequence, message_id);
        self.after_respond();
    }

    /// There is no clock here, so an unbind that waited for this answer is left to its timer, due at once.
    fn after_respond(&mut self) {
        if self.peer_unbound {
            self.check_drained();
        } else if self.is_drained() {
            self.arm(Timer::Drain, Duration::ZERO);
        }
    }

    fn on_message<'a>(&mut self, frame: &Frame<'a>) -> Option<Event<'a>> {
        let (command, sequence) = (frame.header.command, frame.header.sequence);
        if self.inbound.len() >= usize::from(self.config.inbound_window) {
            let status = CommandStatus(self.config.inbound_full_status);
            self.refuse(command, status, sequence);
            return Some(Event::Counted(Oddity::InboundWindowFull));
        }
        match decode(frame) {
            Ok(Body::Message(message)) => {
                self.inbound.push_back((command, sequence));
                self.note_activity();
                Some(Event::Message { sequence, command, message })
            }
            Ok(_) => Some(self.malformed(frame, CommandStatus::ESME_RINVCMDLEN)),
            Err(error) => Some(self.undecodable(frame, error)),
        }
    }

    fn undecodable(&mut self, frame: &Frame<'_>, error: PduError) -> Event<'static> {
        match error {
            PduError::Nack { status } => self.malformed(frame, status),
            PduError::UnknownCommand(_) => self.unsupported(frame),
        }
    }

    fn malformed(&mut self, frame: &Frame<'_>, status: CommandStatus) -> Event<'static> {
        self.refuse(frame.header.command, status, frame.header.sequence);
        Event::Counted(Oddity::MalformedPdu)
    }

    fn unsupported(&mut self, frame: &Frame<'_>) -> Event<'static> {
        if frame.header.command.is_answered() {
            let status = CommandStatus::ESME_RINVCMDID;
            self.answer_empty(CommandId::GENERIC_NACK, status, frame.header.sequence);
        }
        Event::Counted(Oddity::UnsupportedCommand)
    }

    /// A request that is legal but not served: a fault in it is named, else it is not known here.
    fn on_unsupported<'a>(&mut self, frame: &Frame<'a>) -> Option<Event<'a>> {
        Some(match decode(frame) {
            Ok(_) => self.unsupported(frame),
            Err(error) => self.undecodable(frame, error),
        })
    }

    fn on_bind<'a>(&mut self, frame: &Frame<'a>) -> Option<Event<'a>> {
        let kind = BindKind::from_command(frame.header.command)?;
        match decode(frame) {
            Ok(Body::Bind(bind)) => {
                let sequence = frame.header.sequence;
                self.state = State::Binding;
                self.bind_request =
                    Some(BindRequest { sequence, kind, version: bind.interface_version });
                Some(Event::BindRequested { sequence, kind, bind })
            }
            Ok(_) => Some(self.malformed(frame, CommandStatus::ESME_RINVCMDLEN)),
            Err(error) => Some(self.undecodable(frame, error)),
        }
    }

    pub(super) fn answer_bind(&mut self, sequence: u32, status: CommandStatus) {
        let answered = self.bind_request.take_if(|request| request.sequence == sequence);
        let Some(BindRequest { kind, version, .. }) = answered else { return };
        if self.state != State::Binding {
            return;
        }
        let response = kind.command().response();
        if status != CommandStatus::ESME_ROK {
            self.state = State::Open;
            return self.answer_empty(response, status, sequence);
        }
        let ours = (version >= VERSION_3_4).then_some(self.config.interface_version);
        let name = self.config.system_id.as_bytes();
        if encode_bind_response(&mut self.responses, response, sequence, name, ours).is_err() {
            self.state = State::Open;
            return self.answer_empty(response, CommandStatus::ESME_RSYSERR, sequence);
        }
        self.version = self.config.interface_version.min(version);
        self.become_bound(kind, Some(version));
    }

    fn on_unbind(&mut self, sequence: u32) -> Option<Event<'static>> {
        self.answer_empty(CommandId::UNBIND_RESP, CommandStatus::ESME_ROK, sequence);
        if self.peer_unbound {
            return None;
        }
        self.state = State::Unbinding;
        self.peer_unbound = true;
        self.timers.clear(Timer::Unbind);
        self.arm(Timer::Drain, self.config.unbind_timeout);
        self.check_drained();
        Some(Event::PeerUnbound)
    }
}

/// A peer's bind that waits for our answer.
#[derive(Copy, Clone, Debug)]
pub(super) struct BindRequest {
    sequence: u32,
    kind: BindKind,
    version: u8,
}
