//! What the peer asks of a session, and our answers. One per session.

use core::time::Duration;

use super::legality::{Ruling, judge};
use super::machine::Machine;
use super::timers::Timer;
use super::{BindKind, Event, Oddity, Role, State};
use crate::command::CommandId;
use crate::pdu::{Body, Frame, PduError, VERSION_5_0, decode, encode_response};
use crate::status::CommandStatus;

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
            C::SUBMIT_SM | C::DELIVER_SM | C::DATA_SM => self.on_message(frame),
            _ => self.on_unsupported(frame),
        }
    }

    /// The status for a request that may not come now.
    fn wrong_state(&self, command: CommandId) -> CommandStatus {
        let binds = self.config.role == Role::Smsc && BindKind::from_command(command).is_some();
        match self.state {
            State::Binding | State::Bound(_) | State::Unbinding if binds => {
                CommandStatus::ESME_RALYBND
            }
            _ => CommandStatus::ESME_RINVBNDSTS,
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
        if self.state == State::Unbound {
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
        Some(match decode(frame) {
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
