//! One SMPP session as a pure machine, either role: framing, binding, window, timers, legality. It owns no
//! socket and no clock. One per bind, on the bind's shard.
//!
//! The driver's contract, after each `handle_*`, and after each run of `respond`, `answer_bind` and `unbind`,
//! which may end a session too: call [`Session::poll_event`] until it gives `None`, write what
//! [`Session::take_output`] gives, then arm one timer for [`Session::poll_timeout`]. Time is monotonic, a
//! `Duration` since any start, and never goes back.

mod answers;
mod binding;
mod config;
mod event;
mod legality;
mod machine;
mod requests;
mod timers;
mod window;

use core::time::Duration;

pub use crate::backoff::{Backoff, BackoffCause};
pub use config::{BindKind, FIRST_PDU_MAX, Role, SessionConfig};
pub use event::{CloseReason, Event, Oddity, Request, SubmitRefused, UnknownReason};

use crate::command::CommandId;
use crate::pdu::{Body, EncodeError, Outbind, ShortMessage};
use crate::status::CommandStatus;
use machine::Machine;

/// The state of a session (3.4 section 2.2).
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// No connection, or one that is to be closed.
    Closed,
    /// Connected; the peer has not asked to bind, nor to be bound to.
    Open,
    /// An outbind was sent (SMSC) or received (ESME), and no bind yet.
    Outbound,
    /// A bind waits for its answer.
    Binding,
    /// Bound.
    Bound(BindKind),
    /// We unbind; open requests may still be answered.
    Unbinding,
    /// The peer has unbound; open requests may still be answered, then the connection ends.
    Unbound,
}

/// A session. It may be connected again after it was closed.
#[derive(Debug)]
pub struct Session {
    machine: Machine,
    input: Input,
}

/// Octets received; those in front are used up.
#[derive(Default)]
struct Input {
    octets: Vec<u8>,
    used: usize,
}

impl core::fmt::Debug for Input {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} octets", self.octets.len().saturating_sub(self.used))
    }
}

impl Input {
    fn push(&mut self, octets: &[u8]) {
        if self.used >= self.octets.len() {
            self.octets.clear();
        } else {
            self.octets.drain(..self.used);
        }
        self.used = 0;
        self.octets.extend_from_slice(octets);
    }

    fn clear(&mut self) {
        self.octets.clear();
        self.used = 0;
    }
}

impl Session {
    /// A session that is not connected.
    pub fn new(config: SessionConfig) -> Self {
        Self { machine: Machine::new(config), input: Input::default() }
    }

    /// The connection is there: an ESME sends its bind, an SMSC waits for one.
    pub fn handle_connected(&mut self, now: Duration) {
        self.input.clear();
        self.machine.connected(now);
    }

    /// The peer has connected to us: an ESME waits for an outbind (3.4 section 4.1.7), an SMSC for a bind.
    pub fn handle_accepted(&mut self, now: Duration) {
        self.input.clear();
        self.machine.accepted(now);
    }

    /// Octets have arrived, cut anywhere. At most one PDU's worth is kept between calls.
    pub fn handle_bytes(&mut self, now: Duration, octets: &[u8]) {
        if self.machine.hears(now) {
            self.input.push(octets);
        }
    }

    /// The connection is gone: every message that waits for an answer comes out as
    /// [`Event::OutcomeUnknown`], and output that was not taken is dropped.
    pub fn handle_closed(&mut self, now: Duration) {
        self.input.clear();
        self.machine.closed(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.machine.timeout(now);
    }

    /// When `handle_timeout` is due; `None` while nothing is.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.machine.next_timeout()
    }

    /// The next event, in the order in which things happened.
    pub fn poll_event(&mut self) -> Option<Event<'_>> {
        let Self { machine, input } = self;
        machine.poll(&input.octets, &mut input.used)
    }

    /// Appends what is to be written, responses before requests, and forgets it.
    pub fn take_output(&mut self, out: &mut Vec<u8>) {
        self.machine.take_output(out);
    }

    /// True when there is something to be written.
    pub fn has_output(&self) -> bool {
        self.output_len() > 0
    }

    /// Octets to be written.
    pub fn output_len(&self) -> usize {
        self.machine.output_len()
    }

    /// Submits a message, as submit_sm (ESME) or deliver_sm (SMSC), and returns its sequence number. `token`
    /// comes back in exactly one [`Event::Response`] or [`Event::OutcomeUnknown`], but for a late response
    /// after the latter. Parameters that the peer's version does not know are left out.
    ///
    /// # Errors
    /// Not bound for sending, window full, a message that the peer's version has no form for, or one out of
    /// bounds; then nothing is written and the token is free.
    pub fn submit(
        &mut self,
        now: Duration,
        token: u64,
        message: &ShortMessage<'_>,
    ) -> Result<u32, SubmitRefused> {
        self.submit_as(self.machine.own_message(), now, token, message)
    }

    /// As [`Session::submit`], but as `command`: data_sm, or the role's own.
    ///
    /// # Errors
    /// As [`Session::submit`]; any other command is [`SubmitRefused::NotBound`].
    pub fn submit_as(
        &mut self,
        command: CommandId,
        now: Duration,
        token: u64,
        message: &ShortMessage<'_>,
    ) -> Result<u32, SubmitRefused> {
        self.machine.submit(now, command, token, message)
    }

    /// Messages that may be submitted now; 0 when not bound for sending.
    pub fn window_free(&self) -> usize {
        self.machine.window_free()
    }

    /// Our messages that wait for an answer.
    pub fn in_flight(&self) -> usize {
        self.machine.in_flight()
    }

    /// Answers a message or another request of the peer (`command` is the request's) and frees its place in the
    /// inbound window. `message_id` is written where the answer has one: not on errors, nor to a deliver_sm.
    /// Nothing happens when no such request waits, as after the connection was lost: a caller that answers
    /// later than that must not answer a request of an older connection.
    pub fn respond(&mut self, command: CommandId, sequence: u32, status: u32, message_id: &[u8]) {
        self.machine.respond(command, sequence, CommandStatus(status), message_id);
    }

    /// As [`Session::respond`], with a body of the response's own layout. Parameters that the peer's version
    /// does not know are left out. A body that cannot be written is answered with ESME_RSYSERR.
    pub fn respond_with(
        &mut self,
        command: CommandId,
        sequence: u32,
        status: u32,
        body: &Body<'_>,
    ) {
        self.machine.respond_with(command, sequence, CommandStatus(status), body);
    }

    /// Sets both windows from now on, as when the account of a bind is known. What is open stays open.
    pub fn set_windows(&mut self, window: u16, inbound_window: u16) {
        self.machine.set_windows(window, inbound_window);
    }

    /// Takes other settings for the same role and kind of bind: bounds and timers count from the next
    /// use on, what a bind says from the next connection on. What is open stays open.
    pub fn configure(&mut self, config: SessionConfig) {
        self.machine.configure(config);
    }

    /// Asks the peer to bind (SMSC; 3.4 section 4.1.7), on a connection that we made and before anything else.
    ///
    /// # Errors
    /// Credentials out of bounds, or another role or state; then nothing is written.
    pub fn outbind(&mut self, outbind: Outbind<'_>) -> Result<(), EncodeError> {
        self.machine.outbind(outbind)
    }

    /// Answers [`Event::OutbindRequested`] (ESME): binds on this connection, or closes it.
    pub fn answer_outbind(&mut self, now: Duration, accept: bool) {
        self.machine.answer_outbind(now, accept);
    }

    /// Answers [`Event::BindRequested`] (SMSC): with status 0 the session is bound, else it stays open for
    /// another try.
    pub fn answer_bind(&mut self, sequence: u32, status: u32) {
        self.machine.answer_bind(sequence, CommandStatus(status));
    }

    /// Sends an enquire_link now, unless one waits for its answer: the driver wants a sign of life. Two that
    /// stay unanswered close the session as ever.
    pub fn probe(&mut self, now: Duration) {
        self.machine.probe(now);
    }

    /// When the last whole PDU of the peer came; zero before the first.
    pub fn last_heard(&self) -> Duration {
        self.machine.heard
    }

    /// Begins to unbind: nothing may be submitted any more; when what is open is answered, or its time is
    /// up, the unbind is sent.
    pub fn unbind(&mut self, now: Duration) {
        self.machine.unbind(now);
    }

    /// The interface version that both sides have, once bound; ours before. Below 0x34 the peer takes no
    /// TLVs: a message in message_payload and data_sm cannot be sent to it.
    pub fn version(&self) -> u8 {
        self.machine.version
    }

    /// The state.
    pub fn state(&self) -> State {
        self.machine.state()
    }

    /// What the session was told.
    pub fn config(&self) -> &SessionConfig {
        self.machine.config()
    }
}
