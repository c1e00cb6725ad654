//! The session's own workings: state, input, output, timers. Binding is in `binding`, what the peer asks in
//! `requests`, what it answers in `answers`. One per session.

use core::time::Duration;
use std::collections::VecDeque;

use super::binding::{BindRequest, OwnRequests};
use super::timers::{Timer, Timers};
use super::window::{Sequences, Window};
use super::{
    BindKind, CloseReason, Event, FIRST_PDU_MAX, Role, SessionConfig, State, UnknownReason,
};
use crate::command::CommandId;
use crate::pdu::{Frame, FrameError, encode_empty, next_frame};
use crate::status::CommandStatus;

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
    /// The lesser of both interface versions once bound, ours before: it bounds what we write.
    pub(super) version: u8,
    pub(super) now: Duration,
    /// When the last whole PDU came.
    pub(super) heard: Duration,
    pub(super) timers: Timers,
    pub(super) window: Window,
    sequences: Sequences,
    /// The peer's messages that wait for our answer, oldest first.
    pub(super) inbound: VecDeque<(CommandId, u32)>,
    pub(super) responses: Vec<u8>,
    pub(super) requests: Vec<u8>,
    /// Parameters on their way into a PDU.
    pub(super) scratch: Vec<u8>,
    pub(super) queue: VecDeque<Event<'static>>,
    pub(super) own: OwnRequests,
    /// The peer's bind that waits for its answer.
    pub(super) bind_request: Option<BindRequest>,
    enquire_misses: u8,
    pub(super) timeouts_in_row: u8,
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
            heard: Duration::ZERO,
            timers: Timers::default(),
            window: Window::default(),
            sequences: Sequences::starting_at(1),
            inbound: VecDeque::new(),
            responses: Vec::new(),
            requests: Vec::new(),
            scratch: Vec::new(),
            queue: VecDeque::new(),
            own: OwnRequests::default(),
            bind_request: None,
            enquire_misses: 0,
            timeouts_in_row: 0,
        }
    }

    pub(super) fn config(&self) -> &SessionConfig {
        &self.config
    }

    pub(super) fn set_windows(&mut self, window: u16, inbound_window: u16) {
        self.config.window = window;
        self.config.inbound_window = inbound_window;
    }

    pub(super) fn configure(&mut self, config: SessionConfig) {
        debug_assert!(
            (config.role, config.bind) == (self.config.role, self.config.bind),
            "another role or kind is another session"
        );
        if self.state == State::Closed {
            self.version = config.interface_version;
        }
        self.config = config;
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn in_flight(&self) -> usize {
        self.window.len()
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
        self.own = OwnRequests::default();
        self.bind_request = None;
        self.enquire_misses = 0;
        self.timeouts_in_row = 0;
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
    pub(super) fn arm_unless_zero(&mut self, timer: Timer, after: Duration) {
        if !after.is_zero() {
            self.arm(timer, after);
        }
    }

    /// A message or an answer went either way.
    pub(super) fn note_activity(&mut self) {
        self.arm_unless_zero(Timer::Inactivity, self.config.inactivity_timeout);
    }

    pub(super) fn next_sequence(&mut self) -> u32 {
        self.sequences.take(&self.window)
    }

    pub(super) fn send_empty_request(&mut self, command: CommandId) -> u32 {
        let sequence = self.next_sequence();
        let done = encode_empty(&mut self.requests, command, CommandStatus::ESME_ROK, sequence);
        debug_assert!(done.is_ok(), "a header alone can always be written");
        sequence
    }

    /// Asks a bound peer for a sign of life, unless that is on its way.
    pub(super) fn probe(&mut self, now: Duration) {
        self.now = now;
        let asked = self.timers.is_set(Timer::EnquireAnswer);
        if matches!(self.state, State::Bound(_)) && !asked {
            self.timers.clear(Timer::EnquireLink);
            self.send_enquire_link();
        }
    }

    fn send_enquire_link(&mut self) {
        self.own.enquire = Some(self.send_empty_request(CommandId::ENQUIRE_LINK));
        self.arm(Timer::EnquireAnswer, self.config.enquire_link_timeout);
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
        let stranger = match self.state {
            State::Open | State::Outbound => true,
            State::Binding => self.config.role == Role::Smsc,
            State::Closed | State::Bound(_) | State::Unbinding | State::Unbound => false,
        };
        if stranger { self.config.max_pdu.min(FIRST_PDU_MAX) } else { self.config.max_pdu }
    }

    /// Any whole PDU is a sign of life.
    fn note_pdu(&mut self) {
        self.heard = self.now;
        self.timers.clear(Timer::PduRead);
        self.enquire_misses = 0;
        if matches!(self.state, State::Bound(_) | State::Unbinding | State::Unbound) {
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
        if frame.header.command.is_response() {
            self.on_response(frame)
        } else {
            self.on_request(frame)
        }
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
            Timer::SessionInit => self.session_init_expired(),
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
            Timer::Drain if self.state == State::Unbound => self.close(CloseReason::PeerUnbound),
            Timer::Drain => self.send_unbind(),
            Timer::Unbind => self.close(CloseReason::UnbindTimeout),
        }
    }
}
