//! Binding and unbinding, from either side: bind, outbind, unbind and their answers (3.4 section 2.2, 4.1,
//! 4.2). One per session.

use core::time::Duration;

use super::machine::Machine;
use super::timers::Timer;
use super::{BindKind, CloseReason, Event, Oddity, Role, State};
use crate::command::CommandId;
use crate::pdu::{
    Bind, Body, EncodeError, EncodeHead, Frame, Outbind, VERSION_3_4, decode, encode, encode_bind,
    encode_bind_response,
};
use crate::status::CommandStatus;
use crate::tlv::tag;

/// A peer's bind that waits for our answer.
#[derive(Copy, Clone, Debug)]
pub(super) struct BindRequest {
    sequence: u32,
    kind: BindKind,
    version: u8,
    /// The peer's time to bind was over while we looked at it: a refusal is the last.
    overdue: bool,
}

/// Our own requests of these kinds that wait for their answers, by number.
#[derive(Debug, Default)]
pub(super) struct OwnRequests {
    pub(super) bind: Option<u32>,
    pub(super) unbind: Option<u32>,
    pub(super) enquire: Option<u32>,
}

impl Machine {
    /// We connected to the peer, or it to us: the ESME binds.
    pub(super) fn connected(&mut self, now: Duration) {
        self.closed(now);
        self.state = State::Open;
        match self.config.role {
            Role::Esme => self.send_bind(),
            Role::Smsc => self.arm(Timer::SessionInit, self.config.session_init_timeout),
        }
    }

    /// The peer connected to us: the ESME waits for its outbind.
    pub(super) fn accepted(&mut self, now: Duration) {
        self.closed(now);
        self.state = State::Open;
        self.arm(Timer::SessionInit, self.config.session_init_timeout);
    }

    /// Asks the peer to bind (SMSC).
    pub(super) fn outbind(&mut self, outbind: Outbind<'_>) -> Result<(), EncodeError> {
        let command = CommandId::OUTBIND;
        if self.config.role != Role::Smsc || self.state != State::Open {
            return Err(EncodeError::WrongCommand(command));
        }
        let (status, version) = (CommandStatus::ESME_ROK, self.version);
        let head = EncodeHead { command, status, sequence: self.next_sequence(), version };
        encode(&mut self.requests, head, &Body::Outbind(outbind))?;
        self.state = State::Outbound;
        Ok(())
    }

    pub(super) fn on_outbind<'a>(&mut self, frame: &Frame<'a>) -> Option<Event<'a>> {
        let Ok(Body::Outbind(outbind)) = decode(frame) else {
            return Some(Event::Counted(Oddity::MalformedPdu));
        };
        self.state = State::Outbound;
        self.timers.clear(Timer::SessionInit);
        Some(Event::OutbindRequested { sequence: frame.header.sequence, outbind })
    }

    pub(super) fn answer_outbind(&mut self, now: Duration, accept: bool) {
        if self.config.role != Role::Esme || self.state != State::Outbound {
            return;
        }
        self.now = now;
        if accept {
            self.send_bind();
        } else {
            self.close(CloseReason::OutbindRefused);
        }
    }

    fn send_bind(&mut self) {
        let sequence = self.next_sequence();
        let config = &self.config;
        let bind = Bind {
            system_id: config.system_id.as_bytes(),
            password: config.password.as_bytes(),
            system_type: config.system_type.as_bytes(),
            interface_version: config.interface_version,
            addr_ton: config.addr_ton,
            addr_npi: config.addr_npi,
            address_range: config.address_range.as_bytes(),
        };
        match encode_bind(&mut self.requests, config.bind.command(), sequence, &bind) {
            Ok(()) => {
                self.state = State::Binding;
                self.own.bind = Some(sequence);
                self.arm(Timer::Bind, self.config.bind_timeout);
            }
            Err(error) => self.close(CloseReason::BindUnsendable(error)),
        }
    }

    /// The answer to our bind; any response with its number is one.
    pub(super) fn on_bind_answer<'a>(&mut self, frame: &Frame<'a>) -> Option<Event<'a>> {
        let (command, status) = (frame.header.command, frame.header.status);
        let is_bind_response = BindKind::from_command(command.request()).is_some();
        if !is_bind_response && command != CommandId::GENERIC_NACK {
            self.queue.push_back(Event::Counted(Oddity::MismatchedResponse));
        }
        if status != CommandStatus::ESME_ROK || !is_bind_response {
            let status = status.or_invalid_command();
            self.close(CloseReason::BindRefused(status));
            return Some(Event::BindRefused { status: status.0 });
        }
        let peer_version = match decode(frame) {
            Ok(Body::BindResp { tlvs, .. }) => tlvs.get_int(tag::SC_INTERFACE_VERSION),
            Ok(_) | Err(_) => None,
        };
        let peer_version = peer_version.and_then(|version| u8::try_from(version).ok());
        // Most carriers of 3.4 do not name theirs.
        self.version = self.config.interface_version.min(peer_version.unwrap_or(VERSION_3_4));
        self.become_bound(self.config.bind, peer_version);
        None
    }

    /// The session is bound from now on.
    fn become_bound(&mut self, kind: BindKind, peer_version: Option<u8>) {
        self.state = State::Bound(kind);
        self.kind = Some(kind);
        self.own.bind = None;
        self.timers.clear(Timer::Bind);
        self.timers.clear(Timer::SessionInit);
        self.arm_unless_zero(Timer::EnquireLink, self.config.enquire_link_interval);
        self.note_activity();
        self.queue.push_back(Event::Bound { kind, peer_version });
    }

    pub(super) fn on_bind<'a>(&mut self, frame: &Frame<'a>) -> Option<Event<'a>> {
        let kind = BindKind::from_command(frame.header.command)?;
        match decode(frame) {
            Ok(Body::Bind(bind)) => {
                let sequence = frame.header.sequence;
                let version = bind.interface_version;
                self.state = State::Binding;
                self.bind_request = Some(BindRequest { sequence, kind, version, overdue: false });
                Some(Event::BindRequested { sequence, kind, bind })
            }
            Ok(_) => Some(self.malformed(frame, CommandStatus::ESME_RINVCMDLEN)),
            Err(error) => Some(self.undecodable(frame, error)),
        }
    }

    /// The peer's time to bind is over; a bind that we hold is still answered.
    pub(super) fn session_init_expired(&mut self) {
        match &mut self.bind_request {
            Some(request) => request.overdue = true,
            None => self.close(CloseReason::SessionInitTimeout),
        }
    }

    pub(super) fn answer_bind(&mut self, sequence: u32, status: CommandStatus) {
        let answered = self.bind_request.take_if(|request| request.sequence == sequence);
        let Some(BindRequest { kind, version, overdue, .. }) = answered else { return };
        if self.state != State::Binding {
            return;
        }
        let response = kind.command().response();
        let announced = self.config.announce_version && version >= VERSION_3_4;
        let ours = announced.then_some(self.config.interface_version);
        let name = self.config.system_id.as_bytes();
        let status = if status == CommandStatus::ESME_ROK
            && encode_bind_response(&mut self.responses, response, sequence, name, ours).is_err()
        {
            CommandStatus::ESME_RSYSERR
        } else {
            status
        };
        if status == CommandStatus::ESME_ROK {
            self.version = self.config.interface_version.min(version);
            return self.become_bound(kind, Some(version));
        }
        self.answer_empty(response, status, sequence);
        self.state = State::Open;
        if overdue {
            self.close(CloseReason::SessionInitTimeout);
        }
    }

    pub(super) fn unbind(&mut self, now: Duration) {
        self.now = now;
        match self.state {
            State::Bound(_) => {
                self.state = State::Unbinding;
                self.arm(Timer::Drain, self.config.drain_timeout);
                self.check_drained();
            }
            State::Open | State::Outbound | State::Binding => self.close(CloseReason::Unbound),
            State::Closed | State::Unbinding | State::Unbound => {}
        }
    }

    pub(super) fn send_unbind(&mut self) {
        self.own.unbind = Some(self.send_empty_request(CommandId::UNBIND));
        self.timers.clear(Timer::Drain);
        self.arm(Timer::Unbind, self.config.unbind_timeout);
    }

    /// True while an end of the session waits for nothing any more.
    pub(super) fn is_drained(&self) -> bool {
        let ending = match self.state {
            State::Unbinding => self.own.unbind.is_none(),
            State::Unbound => true,
            State::Closed | State::Open | State::Outbound | State::Binding | State::Bound(_) => {
                false
            }
        };
        ending && self.window.len() == 0 && self.inbound.is_empty()
    }

    /// Goes on with the end of the session when nothing is open any more.
    pub(super) fn check_drained(&mut self) {
        if !self.is_drained() {
            return;
        }
        if self.state == State::Unbound {
            self.close(CloseReason::PeerUnbound);
        } else {
            self.send_unbind();
        }
    }

    pub(super) fn on_unbind(&mut self, sequence: u32) -> Option<Event<'static>> {
        self.answer_empty(CommandId::UNBIND_RESP, CommandStatus::ESME_ROK, sequence);
        if self.state == State::Unbound {
            return None;
        }
        self.state = State::Unbound;
        self.timers.clear(Timer::Unbind);
        self.arm(Timer::Drain, self.config.unbind_timeout);
        self.check_drained();
        Some(Event::PeerUnbound)
    }
}
