//! The session's own workings: state, output, answers, timers. What the peer asks is in `requests`. One per
//! session.

use core::time::Duration;
use std::collections::VecDeque;

use super::requests::BindRequest;
use super::timers::{Timer, Timers};
use super::window::{Sequences, Window};
use super::{
    BindKind, CloseReason, Event, FIRST_PDU_MAX, Oddity, Role, SessionConfig, State, SubmitRefused,
    UnknownReason,
};
use crate::command::CommandId;
use crate::pdu::{
    Bind, Body, Frame, FrameError, ShortMessage, decode, encode_bind, encode_empty,
    encode_message_for, next_frame,
};
use crate::status::CommandStatus;
use crate::tlv::tag;

/// Time-outs in a row that close the session.
const TIMEOUTS_MAX: u8 = 3;
/// enquire_link in a row without a sign of life that close the session.
const MISSES_MAX: u8 = 2;

/// Everything a session knows but the octets it has yet to read.
pub(super) struct Machine {
    pub(super) config: SessionConfig,
    pub(super) state: State,
    /// What the session is bound as, or is to be; kept while unbinding.
    pub(super) kind: Option<BindKind>,
    /// Interface version that bounds what we write.
    pub(super) version: u8,
    pub(super) now: Duration,
    pub(super) timers: Timers,
    pub(super) window: Window,
    sequences: Sequences,
    /// The peer's messages that wait for our answer, oldest first.
    pub(super) inbound: VecDeque<(CommandId, u32)>,
    pub(super) responses: Vec<u8>,
    requests: Vec<u8>,
    pub(super) queue: VecDeque<Event<'static>>,
    /// Sequence number of our bind that waits for its answer.
    bind_sequence: Option<u32>,
    /// The peer's bind that waits for its answer.
    pub(super) bind_request: Option<BindRequest>,
    unbind_sequence: Option<u32>,
    enquire_sequence: Option<u32>,
    enquire_misses: u8,
    timeouts_in_row: u8,
    pub(super) peer_unbound: bool,
}

impl core::fmt::Debug for Machine {
    /// Without the octets to be written, which hold passwords, numbers and texts.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Machine")
            .field("config", &self.config)
            .field("state", &self.state)
            .field("timers", &self.timers)
            .field("in_flight", &self.window.len())
            .field("inbound", &self.inbound.len())
            .field("output_len", &self.output_len())
            .finish_non_exhaustive()
    }
}

impl Machine {
    pub(super) fn new(config: SessionConfig) -> Self {
        Self {
            version: config.interface_version,
            config,
            state: State::Closed,
            kind: None,
            now: Duration::ZERO,
            timers: Timers::default(),
            window: Window::default(),
            sequences: Sequences::starting_at(1),
            inbound: VecDeque::new(),
            responses: Vec::new(),
            requests: Vec::new(),
            queue: VecDeque::new(),
            bind_sequence: None,
            bind_request: None,
            unbind_sequence: None,
            enquire_sequence: None,
            enquire_misses: 0,
            timeouts_in_row: 0,
            peer_unbound: false,
        }
    }

    pub(super) fn config(&self) -> &SessionConfig {
        &self.config
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn in_flight(&self) -> usize {
        self.window.len()
    }

    pub(super) fn connected(&mut self, now: Duration) {
        self.closed(now);
        self.state = State::Open;
        match self.config.role {
            Role::Esme => self.send_bind(),
            Role::Smsc => self.arm(Timer::SessionInit, self.config.session_init_timeout),
        }
    }

    /// Forgets the connection and gives back every token.
    pub(super) fn closed(&mut self, now: Duration) {
        for slot in self.window.drain() {
            self.queue.push_back(Event::OutcomeUnknown {
                token: slot.token,
                reason: UnknownReason::SessionLost,
            });
        }
        self.now = now;
        self.state = State::Closed;
        self.kind = None;
        self.version = self.config.interface_version;
        self.timers.clear_all();
        self.sequences = Sequences::starting_at(1);
        self.inbound.clear();
        self.responses.clear();
        self.requests.clear();
        self.bind_sequence = None;
        self.bind_request = None;
        self.unbind_sequence = None;
        self.enquire_sequence = None;
        self.enquire_misses = 0;
        self.timeouts_in_row = 0;
        self.peer_unbound = false;
    }

    /// Tells the driver to close, once.
    pub(super) fn close(&mut self, reason: CloseReason) {
        if self.state != State::Closed {
            self.state = State::Closed;
            self.timers.clear_all();
            self.queue.push_back(Event::Close { reason });
        }
    }

    pub(super) fn arm(&mut self, timer: Timer, after: Duration) {
        self.timers.set(timer, self.now.saturating_add(after));
    }

    /// As `arm`, but for timers that zero turns off.
    fn arm_unless_zero(&mut self, timer: Timer, after: Duration) {
        if !after.is_zero() {
            self.arm(timer, after);
        }
    }

    /// A message or an answer went either way.
    pub(super) fn note_activity(&mut self) {
        self.arm_unless_zero(Timer::Inactivity, self.config.inactivity_timeout);
    }

    fn send_bind(&mut self) {
        let sequence = self.sequences.take(&self.window);
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
                self.bind_sequence = Some(sequence);
                self.arm(Timer::Bind, self.config.bind_timeout);
            }
            Err(error) => self.close(CloseReason::BindUnsendable(error)),
        }
    }

    /// The session is bound from now on.
    pub(super) fn become_bound(&mut self, kind: BindKind, peer_version: Option<u8>) {
        self.state = State::Bound(kind);
        self.kind = Some(kind);
        self.bind_sequence = None;
        self.timers.clear(Timer::Bind);
        self.timers.clear(Timer::SessionInit);
        self.arm_unless_zero(Timer::EnquireLink, self.config.enquire_link_interval);
        self.note_activity();
        self.queue.push_back(Event::Bound { kind, peer_version });
    }

    fn send_empty_request(&mut self, command: CommandId) -> u32 {
        let sequence = self.sequences.take(&self.window);
        let done = encode_empty(&mut self.requests, command, CommandStatus::ESME_ROK, sequence);
        debug_assert!(done.is_ok(), "a header alone can always be written");
        sequence
    }

    fn send_enquire_link(&mut self) {
        self.enquire_sequence = Some(self.send_empty_request(CommandId::ENQUIRE_LINK));
        self.arm(Timer::EnquireAnswer, self.config.enquire_link_timeout);
    }

    fn send_unbind(&mut self) {
        self.unbind_sequence = Some(self.send_empty_request(CommandId::UNBIND));
        self.timers.clear(Timer::Drain);
        self.arm(Timer::Unbind, self.config.unbind_timeout);
    }

    pub(super) fn unbind(&mut self, now: Duration) {
        self.now = now;
        match self.state {
            State::Bound(_) => {
                self.state = State::Unbinding;
                self.arm(Timer::Drain, self.config.drain_timeout);
                self.check_drained();
            }
            State::Open | State::Binding => self.close(CloseReason::Unbound),
            State::Closed | State::Unbinding => {}
        }
    }

    /// True while an unbind waits for nothing any more.
    pub(super) fn is_drained(&self) -> bool {
        self.state == State::Unbinding
            && self.unbind_sequence.is_none()
            && self.window.len() == 0
            && self.inbound.is_empty()
    }

    /// While unbinding: goes on when nothing is open any more.
    pub(super) fn check_drained(&mut self) {
        if !self.is_drained() {
            return;
        }
        if self.peer_unbound {
            self.close(CloseReason::PeerUnbound);
        } else {
            self.send_unbind();
        }
    }

    pub(super) fn may_submit(&self) -> bool {
        matches!(self.state, State::Bound(kind) if kind.may_send(self.config.role))
    }

    pub(super) fn window_free(&self) -> usize {
        if self.may_submit() {
            usize::from(self.config.window).saturating_sub(self.window.len())
        } else {
            0
        }
    }

    pub(super) fn submit(
        &mut self,
        now: Duration,
        token: u64,
        message: &ShortMessage<'_>,
    ) -> Result<u32, SubmitRefused> {
        if !self.may_submit() {
            return Err(SubmitRefused::NotBound);
        }
        if self.window.len() >= usize::from(self.config.window) {
            return Err(SubmitRefused::WindowFull);
        }
        let command = match self.config.role {
            Role::Esme => CommandId::SUBMIT_SM,
            Role::Smsc => CommandId::DELIVER_SM,
        };
        let sequence = self.sequences.take(&self.window);
        encode_message_for(&mut self.requests, self.version, command, sequence, message)
            .map_err(SubmitRefused::Encode)?;
        self.now = now;
        self.window.push(sequence, token, now);
        assert!(self.window.len() <= usize::from(self.config.window), "window exceeded");
        self.note_activity();
        Ok(sequence)
    }

    pub(super) fn output_len(&self) -> usize {
        self.responses.len() + self.requests.len()
    }

    pub(super) fn take_output(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.responses);
        out.append(&mut self.requests);
    }

    /// Takes the time of arrival; false when nothing is to be read any more.
    pub(super) fn hears(&mut self, now: Duration) -> bool {
        self.now = now;
        self.state != State::Closed
    }

    /// The next event: what is queued, then what the next PDUs in `input` bring.
    pub(super) fn poll<'a>(&mut self, input: &'a [u8], used: &mut usize) -> Option<Event<'a>> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            if self.state == State::Closed {
                return None;
            }
            let unread = input.get(*used..).unwrap_or_default();
            match next_frame(unread, self.max_pdu()) {
                Ok(Some((frame, octets))) => {
                    *used += octets;
                    self.note_pdu();
                    if let Some(event) = self.handle_frame(&frame) {
                        return Some(event);
                    }
                }
                Ok(None) => {
                    if !unread.is_empty() && !self.timers.is_set(Timer::PduRead) {
                        self.arm(Timer::PduRead, self.config.pdu_read_timeout);
                    }
                    return None;
                }
                Err(error) => self.framing_lost(error),
            }
        }
    }

    fn max_pdu(&self) -> u32 {
        match (self.config.role, self.kind) {
            (Role::Smsc, None) => self.config.max_pdu.min(FIRST_PDU_MAX),
            (Role::Smsc, Some(_)) | (Role::Esme, _) => self.config.max_pdu,
        }
    }

    /// Any whole PDU is a sign of life.
    fn note_pdu(&mut self) {
        self.timers.clear(Timer::PduRead);
        self.enquire_misses = 0;
        if matches!(self.state, State::Bound(_) | State::Unbinding) {
            self.timers.clear(Timer::EnquireAnswer);
            self.arm_unless_zero(Timer::EnquireLink, self.config.enquire_link_interval);
        }
    }

    /// Says so to a peer that may understand it, and closes: the next boundary is not known.
    fn framing_lost(&mut self, error: FrameError) {
        if error.looks_like().is_none() {
            self.answer_empty(CommandId::GENERIC_NACK, CommandStatus::ESME_RINVCMDLEN, 0);
        }
        self.close(CloseReason::Framing(error));
    }

    pub(super) fn answer_empty(&mut self, command: CommandId, status: CommandStatus, seq: u32) {
        let done = encode_empty(&mut self.responses, command, status, seq);
        debug_assert!(done.is_ok(), "a header alone can always be written");
    }

    fn handle_frame<'a>(&mut self, frame: &Frame<'a>) -> Option<Event<'a>> {
        let command = frame.header.command;
        match command {
            CommandId::GENERIC_NACK => self.on_nack(frame),
            CommandId::ENQUIRE_LINK_RESP => {
                let known = self.enquire_sequence.take_if(|seq| *seq == frame.header.sequence);
                known.is_none().then_some(Event::Counted(Oddity::UnknownResponse))
            }
            CommandId::UNBIND_RESP => {
                if self.unbind_sequence != Some(frame.header.sequence) {
                    return Some(Event::Counted(Oddity::UnknownResponse));
                }
                self.close(CloseReason::Unbound);
                None
            }
            CommandId::BIND_TRANSMITTER_RESP
            | CommandId::BIND_RECEIVER_RESP
            | CommandId::BIND_TRANSCEIVER_RESP => self.on_bind_answer(frame),
            _ if command.is_response() => self.on_answer(frame),
            _ => self.on_request(frame),
        }
    }

    fn waits_for_bind_answer(&self, sequence: u32) -> bool {
        self.config.role == Role::Esme
            && self.state == State::Binding
            && self.bind_sequence == Some(sequence)
    }

    fn on_bind_answer<'a>(&mut self, frame: &Frame<'a>) -> Option<Event<'a>> {
        if !self.waits_for_bind_answer(frame.header.sequence) {
            return Some(Event::Counted(Oddity::UnknownResponse));
        }
        if frame.header.status != CommandStatus::ESME_ROK {
            return self.bind_refused(frame.header.status);
        }
        let peer_version = match decode(frame) {
            Ok(Body::BindResp { tlvs, .. }) => tlvs.get_int(tag::SC_INTERFACE_VERSION),
            Ok(_) | Err(_) => None,
        };
        let peer_version = peer_version.and_then(|version| u8::try_from(version).ok());
        self.become_bound(self.config.bind, peer_version);
        None
    }

    fn bind_refused(&mut self, status: CommandStatus) -> Option<Event<'static>> {
        self.close(CloseReason::BindRefused);
        Some(Event::BindRefused { status: status.0 })
    }

    /// generic_nack: the request with its number has failed.
    fn on_nack<'a>(&mut self, frame: &Frame<'a>) -> Option<Event<'a>> {
        let sequence = frame.header.sequence;
        if self.waits_for_bind_answer(sequence) {
            return self.bind_refused(frame.header.status);
        }
        if self.enquire_sequence.take_if(|seq| *seq == sequence).is_some() {
            return None;
        }
        if self.unbind_sequence == Some(sequence) {
            self.close(CloseReason::Unbound);
            return None;
        }
        if sequence == 0 && frame.header.status == CommandStatus::ESME_RINVCMDLEN {
            self.close(CloseReason::PeerLostFraming);
            return None;
        }
        self.on_answer(frame)
    }

    /// The answer to one of our messages, found by its number alone.
    fn on_answer<'a>(&mut self, frame: &Frame<'a>) -> Option<Event<'a>> {
        let (command, sequence) = (frame.header.command, frame.header.sequence);
        if command.name().is_none() {
            return Some(Event::Counted(Oddity::UnknownCommand));
        }
        let in_time = self.window.take(sequence);
        let late = in_time.is_none();
        let Some(slot) = in_time.or_else(|| self.window.take_late(sequence)) else {
            return Some(Event::Counted(Oddity::UnknownResponse));
        };
        self.timeouts_in_row = 0;
        self.note_activity();
        if late {
            self.queue.push_back(Event::Counted(Oddity::LateResponse));
        }
        let expected = match self.config.role {
            Role::Esme => CommandId::SUBMIT_SM_RESP,
            Role::Smsc => CommandId::DELIVER_SM_RESP,
        };
        let mismatched = command != expected && command != CommandId::GENERIC_NACK;
        if mismatched {
            self.queue.push_back(Event::Counted(Oddity::MismatchedResponse));
        }
        let accepted = frame.header.status == CommandStatus::ESME_ROK;
        let status = if accepted && command != expected {
            CommandStatus::ESME_RINVCMDID
        } else {
            frame.header.status
        };
        let message_id = match decode(frame) {
            Ok(Body::MessageResp { message_id, .. }) if !mismatched => message_id,
            Ok(_) | Err(_) => &[],
        };
        self.check_drained();
        let waited = self.now.saturating_sub(slot.sent);
        Some(Event::Response { token: slot.token, status: status.0, message_id, waited, late })
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        if self.state == State::Closed {
            return None;
        }
        let oldest = self.window.oldest_sent();
        let answer_due = oldest.map(|sent| sent.saturating_add(self.config.response_timeout));
        [self.timers.next(), answer_due].into_iter().flatten().min()
    }

    pub(super) fn timeout(&mut self, now: Duration) {
        self.now = now;
        while let Some(timer) = self.timers.expire(now) {
            self.timer_expired(timer);
        }
        if self.state == State::Closed {
            return;
        }
        let Some(limit) = now.checked_sub(self.config.response_timeout) else { return };
        while let Some(slot) = self.window.expire(limit) {
            self.queue.push_back(Event::OutcomeUnknown {
                token: slot.token,
                reason: UnknownReason::TimedOut,
            });
            self.timeouts_in_row += 1;
            if self.timeouts_in_row >= TIMEOUTS_MAX {
                return self.close(CloseReason::ResponseTimeouts);
            }
        }
        self.check_drained();
    }

    fn timer_expired(&mut self, timer: Timer) {
        match timer {
            Timer::Bind => self.close(CloseReason::BindTimeout),
            Timer::SessionInit => self.close(CloseReason::SessionInitTimeout),
            Timer::PduRead => self.close(CloseReason::PduReadTimeout),
            Timer::EnquireLink => self.send_enquire_link(),
            Timer::EnquireAnswer => {
                self.enquire_misses += 1;
                if self.enquire_misses >= MISSES_MAX {
                    self.close(CloseReason::EnquireLinkTimeout);
                } else {
                    self.send_enquire_link();
                }
            }
            Timer::Inactivity => self.close(CloseReason::Inactivity),
            Timer::Drain if self.peer_unbound => self.close(CloseReason::PeerUnbound),
            Timer::Drain => self.send_unbind(),
            Timer::Unbind => self.close(CloseReason::UnbindTimeout),
        }
    }
}
