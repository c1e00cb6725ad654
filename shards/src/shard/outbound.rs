//! The way out: the queue of each carrier, its binds on this shard, and what their sessions report.
//! One per shard.

use std::collections::VecDeque;
use std::time::Duration;

use postrider_core::clock::Now;
use postrider_core::config::{BindType, CarrierConfig};
use postrider_core::lifecycle::PartStatus;
use postrider_core::limits;
use postrider_core::route::CarrierIx;
use postrider_smpp::backoff::Backoff;
use postrider_smpp::session::{BindKind, Role, SessionConfig, State, SubmitRefused};

use super::bind::{Bind, Link, RateWindow};
use super::message::Message;
use super::submit::PduBuffers;
use super::table::PartRef;
use super::{BindIx, Drain, Op, Shard, ShardParts, Timer};
use crate::stats::{BindState, Counter, Histogram};

/// One carrier on this shard.
pub(crate) struct Carrier {
    pub(crate) binds: Vec<BindIx>,
    /// Sequences of messages with parts to send, next first.
    queue: VecDeque<u64>,
    /// Parts whose attempt is on disk: they go before the queue.
    pub(crate) ready: VecDeque<PartRef>,
    /// Parts whose attempt is on its way to the disk.
    pub(crate) recording: usize,
    paused_until: Duration,
    /// How long the next pause for a full queue at the carrier is.
    pub(crate) pause: Duration,
    /// When its last bind went down; `None` while one is bound.
    down_since: Option<Duration>,
    /// The earliest `Timer::Resume` that stands in the wheel.
    resume_at: Option<Duration>,
    dirty: bool,
}

/// All carriers and binds of the shard.
pub(crate) struct Outbound {
    pub(crate) carriers: Vec<Carrier>,
    pub(crate) binds: Vec<Bind>,
    dirty: Vec<CarrierIx>,
    buffers: PduBuffers,
}

impl Outbound {
    /// The carriers of the configuration with this shard's binds, all of them down.
    pub(crate) fn new(parts: &ShardParts, now: Duration) -> Self {
        let mut outbound = Outbound {
            carriers: Vec::new(),
            binds: Vec::new(),
            dirty: Vec::new(),
            buffers: PduBuffers::default(),
        };
        let configs = parts.shared.config.carriers.iter();
        for ((config, count), index) in configs.zip(&parts.binds).zip(0u16..) {
            outbound.add(CarrierIx(index), config, *count, parts, now);
        }
        outbound
    }

    fn add(
        &mut self,
        ix: CarrierIx,
        config: &CarrierConfig,
        count: u16,
        parts: &ShardParts,
        now: Duration,
    ) {
        let mut carrier = Carrier {
            binds: Vec::new(),
            queue: VecDeque::new(),
            ready: VecDeque::new(),
            recording: 0,
            paused_until: Duration::ZERO,
            pause: limits::QUEUE_FULL_PAUSE_FIRST,
            down_since: Some(Duration::ZERO),
            resume_at: None,
            dirty: false,
        };
        // A rate below the number of binds is refused by the configuration.
        let rate = config.parts_per_second / u32::from(config.binds.max(1));
        for _ in 0..count {
            let bind = self.binds.len();
            let own = u64::try_from(bind).unwrap_or(0).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let backoff = Backoff::with_first(parts.seed ^ own, parts.reconnect_first);
            let rate = RateWindow::new(rate, now);
            self.binds.push(Bind::new(ix, session_config(config), rate, backoff));
            carrier.binds.push(bind);
        }
        self.carriers.push(carrier);
    }

    pub(crate) fn carrier_mut(&mut self, ix: CarrierIx) -> Option<&mut Carrier> {
        self.carriers.get_mut(usize::from(ix.0))
    }

    fn is_up(&self, ix: CarrierIx) -> bool {
        self.carriers.get(usize::from(ix.0)).is_some_and(|carrier| {
            carrier.binds.iter().any(|bind| self.binds.get(*bind).is_some_and(Bind::can_submit))
        })
    }

    /// Messages in the queues.
    pub(crate) fn queued(&self) -> usize {
        self.carriers.iter().map(|carrier| carrier.queue.len() + carrier.ready.len()).sum()
    }

    /// Parts that the carrier's binds could take now, as far as windows, log and rate allow.
    fn capacity(&self, carrier: &Carrier, now: Duration) -> usize {
        let binds = carrier.binds.iter().filter_map(|bind| self.binds.get(*bind));
        binds.map(|bind| bind.room().min(bind.rate.free(now))).sum()
    }

    /// Parts without an answer.
    pub(crate) fn in_flight(&self) -> usize {
        self.binds.iter().map(|bind| bind.session.in_flight()).sum()
    }

    /// The carrier may have something to do.
    pub(crate) fn touch(&mut self, ix: CarrierIx) {
        if let Some(carrier) = self.carriers.get_mut(usize::from(ix.0))
            && !carrier.dirty
        {
            carrier.dirty = true;
            self.dirty.push(ix);
        }
    }
}

fn session_config(config: &CarrierConfig) -> SessionConfig {
    SessionConfig {
        role: Role::Esme,
        bind: match config.bind {
            BindType::Transceiver | BindType::Pair => BindKind::Transceiver,
            BindType::Transmitter => BindKind::Transmitter,
            BindType::Receiver => BindKind::Receiver,
        },
        system_id: config.system_id.clone(),
        password: config.password.expose().clone(),
        system_type: config.system_type.clone(),
        interface_version: config.version,
        window: config.window,
        inbound_full_status: config.receipt_retry_status,
        inbound_window: limits::INBOUND_WINDOW,
        max_pdu: limits::MAX_PDU,
        response_timeout: config.response_timeout,
        enquire_link_interval: config.enquire_link,
        ..SessionConfig::default()
    }
}

impl Shard {
    /// Chooses the carrier of a queued message and puts it into that carrier's queue; a message
    /// that every carrier refused ends here.
    pub(super) fn dispatch(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get(sequence) else { return };
        if message.outcome.is_some() || message.queued_on.is_some() {
            return;
        }
        match self.choose(message) {
            Some(carrier) => self.enqueue(carrier, sequence, VecDeque::push_back),
            None => self.no_carrier_left(now, sequence),
        }
    }

    /// The carrier for a message: the one that took parts of it already, since a handset can only
    /// join what came one way; else the one of the last attempt while it is up; else the best that
    /// is up; else the best.
    fn choose(&self, message: &Message) -> Option<CarrierIx> {
        if let Some(number) = message.committed_to() {
            return self.shared.carrier_of(number);
        }
        let last = message.parts.iter().map(|part| part.carrier);
        let last = last.filter(|number| !message.refused_by.contains(number));
        let mut last = last.filter_map(|number| self.shared.carrier_of(number));
        if let Some(last) = last.find(|carrier| self.outbound.is_up(*carrier)) {
            return Some(last);
        }
        let envelope = &message.envelope;
        let mut best = None;
        for carrier in super::submit::carriers(
            &self.shared,
            envelope.to,
            &envelope.content,
            envelope.part_count,
        ) {
            if message.refused_by.contains(&self.shared.carrier_number(carrier)) {
                continue;
            }
            if self.outbound.is_up(carrier) {
                return Some(carrier);
            }
            best = best.or(Some(carrier));
        }
        best
    }

    /// Puts a message into a carrier's queue, by `put` at its head or its tail.
    fn enqueue(&mut self, carrier: CarrierIx, sequence: u64, put: fn(&mut VecDeque<u64>, u64)) {
        let Some(message) = self.table.get_mut(sequence) else { return };
        message.queued_on = Some(carrier);
        if let Some(own) = self.outbound.carrier_mut(carrier) {
            put(&mut own.queue, sequence);
        }
        self.outbound.touch(carrier);
    }

    /// Puts a message with a part to send again at the head of its carrier's queue.
    pub(super) fn enqueue_first(&mut self, sequence: u64) {
        let Some(message) = self.table.get(sequence) else { return };
        if message.outcome.is_some() || message.queued_on.is_some() {
            return;
        }
        let Some(carrier) = self.choose(message) else { return };
        self.enqueue(carrier, sequence, VecDeque::push_front);
    }

    /// Lets every carrier that may have something to do submit what it can.
    pub(super) fn pump_carriers(&mut self, now: Now) {
        let durable = self.journal.log.durable();
        while let Some(ix) = self.outbound.dirty.pop() {
            let Some(carrier) = self.outbound.carriers.get_mut(usize::from(ix.0)) else { continue };
            carrier.dirty = false;
            for bind in carrier.binds.clone() {
                if let Some(bind) = self.outbound.binds.get_mut(bind) {
                    bind.settle(durable);
                }
            }
            while self.submit_next(now, ix) {}
        }
    }

    /// Hands the next part of the carrier's queue to a bind; false when it has to wait.
    fn submit_next(&mut self, now: Now, ix: CarrierIx) -> bool {
        let Some(carrier) = self.outbound.carriers.get_mut(usize::from(ix.0)) else { return false };
        if self.drain != Drain::No {
            return false;
        }
        if now.mono < carrier.paused_until {
            let until = carrier.paused_until;
            self.resume_at(ix, until);
            return false;
        }
        if let Some(part) = carrier.ready.front().copied() {
            return self.submit_ready(now, ix, part);
        }
        let Some(sequence) = carrier.queue.front().copied() else { return false };
        let next = self.table.get(sequence).and_then(|message| {
            let open = message.outcome.is_none() && message.queued_on == Some(ix);
            message.next_sendable().filter(|_| open).map(|part| (part, message.bind))
        });
        let Some((part, sticky)) = next else {
            carrier.queue.pop_front();
            if let Some(message) = self.table.get_mut(sequence)
                && message.queued_on == Some(ix)
            {
                message.queued_on = None;
            }
            return true;
        };
        let Some(bind) = self.pick_bind(now, ix, sticky) else { return false };
        let Some(message) = self.table.get(sequence) else { return false };
        if message.envelope.valid_until <= now.wall {
            self.expire_unsent(now, sequence);
            return true;
        }
        if !self.needs_record(ix, message, part) {
            return self.submit_part(now, ix, bind, PartRef { sequence, part });
        }
        let Some(carrier) = self.outbound.carriers.get(usize::from(ix.0)) else { return false };
        let room = carrier.recording < self.outbound.capacity(carrier, now.mono);
        if room {
            self.record_attempt(now, ix, PartRef { sequence, part });
        }
        room
    }

    /// Hands a part to a bind whose attempt is on disk; false when it has to wait.
    fn submit_ready(&mut self, now: Now, ix: CarrierIx, part: PartRef) -> bool {
        let wanted = self.table.get(part.sequence).and_then(|message| {
            let held = message.parts.get(usize::from(part.part))?;
            let open = message.outcome.is_none() && held.status == PartStatus::Queued;
            open.then_some(message.bind)
        });
        if let Some(sticky) = wanted {
            let Some(bind) = self.pick_bind(now, ix, sticky) else { return false };
            if !self.submit_part(now, ix, bind, part) {
                return false;
            }
        }
        if let Some(carrier) = self.outbound.carrier_mut(ix) {
            carrier.ready.pop_front();
        }
        if let Some(held) = self.part_mut(part) {
            held.recording = false;
        }
        true
    }

    /// The bind for the next part: the message's own while it is bound, else the emptiest. When
    /// only the rate stands in the way, a timer brings us back.
    fn pick_bind(&mut self, now: Now, ix: CarrierIx, sticky: Option<BindIx>) -> Option<BindIx> {
        let binds = &self.outbound.binds;
        let own = sticky
            .filter(|bind| binds.get(*bind).is_some_and(|b| b.can_submit() && b.carrier == ix));
        let carrier = self.outbound.carriers.get(usize::from(ix.0))?;
        let candidates = match &own {
            Some(own) => std::slice::from_ref(own),
            None => carrier.binds.as_slice(),
        };
        let mut wake: Option<Duration> = None;
        let mut best: Option<(usize, BindIx)> = None;
        for (index, bind) in candidates.iter().filter_map(|ix| Some((*ix, binds.get(*ix)?))) {
            let room = bind.room();
            let at = bind.rate.next(now.mono).max(bind.paused_until);
            if room > 0 && at > now.mono {
                wake = Some(wake.map_or(at, |other| other.min(at)));
            } else if room > best.map_or(0, |(room, _)| room) {
                best = Some((room, index));
            }
        }
        if let (None, Some(at)) = (best, wake) {
            self.resume_at(ix, at);
        }
        best.map(|(_, bind)| bind)
    }

    fn submit_part(&mut self, now: Now, ix: CarrierIx, bind: BindIx, part: PartRef) -> bool {
        let Some(config) = self.shared.config.carriers.get(usize::from(ix.0)) else { return false };
        let Some(message) = self.table.get(part.sequence) else { return false };
        let validity = explicit_validity(message, now);
        let Outbound { binds, buffers, .. } = &mut self.outbound;
        let Some(held) = binds.get_mut(bind) else { return false };
        let token = token(part);
        let sent = buffers.part(config, message, part.part, validity, |pdu| {
            held.session.submit(now.mono, token, pdu)
        });
        match sent {
            Ok(_) => {}
            Err(SubmitRefused::NotBound | SubmitRefused::WindowFull) => return false,
            Err(refused @ (SubmitRefused::Encode(_) | SubmitRefused::NotInVersion)) => {
                self.part_failed(now, part, &format!("cannot be encoded: {refused}"));
                return true;
            }
        }
        held.rate.sent(now.mono);
        self.stats.bind(bind).submitted.inc();
        self.stats.inc(Counter::PartsSubmitted);
        let number = self.shared.carrier_number(ix);
        let first = message.submitted.is_none() && part.part == 0;
        let waited = now.wall.since(message.envelope.accepted);
        if first {
            self.stats.observe(Histogram::AcceptToSubmit, waited);
        }
        if let Some(message) = self.table.get_mut(part.sequence) {
            message.bind = Some(bind);
            if let Some(sent) = message.parts.get_mut(usize::from(part.part)) {
                sent.in_flight = true;
                sent.carrier = number;
                sent.sent.get_or_insert(now.wall);
            }
        }
        self.flush(bind);
        self.arm(now, bind);
        true
    }

    /// Asks the driver to write what the bind has, once per turn.
    pub(super) fn flush(&mut self, bind: BindIx) {
        let Some(held) = self.outbound.binds.get_mut(bind) else { return };
        if held.session.has_output() && !held.flushing && held.link == Link::Up {
            held.flushing = true;
            self.ops.push_back(Op::Flush(bind));
        }
    }

    /// Appends what the bind has to write; called for `Op::Flush` and `Op::Close`.
    pub fn take_bind_output(&mut self, bind: BindIx, out: &mut Vec<u8>) {
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            held.flushing = false;
            held.session.take_output(out);
        }
    }

    /// Where the driver connects a bind: the carrier's `host:port`.
    #[must_use]
    pub fn bind_address(&self, bind: BindIx) -> Option<&str> {
        Some(self.bind_config(bind)?.address.as_str())
    }

    /// A bind's carrier.
    #[must_use]
    pub fn bind_carrier_ix(&self, bind: BindIx) -> Option<CarrierIx> {
        self.outbound.binds.get(bind).map(|held| held.carrier)
    }

    /// The name of a bind's carrier.
    #[must_use]
    pub fn bind_carrier(&self, bind: BindIx) -> Option<&str> {
        Some(self.bind_config(bind)?.name.as_str())
    }

    fn bind_config(&self, bind: BindIx) -> Option<&CarrierConfig> {
        let carrier = self.outbound.binds.get(bind)?.carrier;
        self.shared.config.carriers.get(usize::from(carrier.0))
    }

    /// Puts one timer into the wheel for the session's next deadline.
    pub(super) fn arm(&mut self, now: Now, bind: BindIx) {
        let Some(held) = self.outbound.binds.get_mut(bind) else { return };
        let Some(deadline) = held.session.poll_timeout() else { return };
        if held.armed.is_none_or(|armed| deadline < armed || armed <= now.mono) {
            held.armed = Some(deadline);
            self.wheel.insert(deadline, Timer::Session(bind));
        }
    }

    /// A pause is over.
    pub(super) fn resume(&mut self, carrier: CarrierIx) {
        if let Some(own) = self.outbound.carrier_mut(carrier) {
            own.resume_at = None;
        }
        self.outbound.touch(carrier);
    }

    /// Looks at the carrier's queue again at `at`; one timer at a time, the earliest.
    fn resume_at(&mut self, ix: CarrierIx, at: Duration) {
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return };
        if carrier.resume_at.is_none_or(|standing| at < standing) {
            carrier.resume_at = Some(at);
            self.wheel.insert(at, Timer::Resume(ix));
        }
    }

    /// Records reached the disk: binds that waited for them may go on.
    pub(super) fn touch_waiting(&mut self) {
        for index in 0..self.outbound.carriers.len() {
            let Some(carrier) = self.outbound.carriers.get(index) else { continue };
            let idle = carrier.queue.is_empty() && carrier.ready.is_empty();
            if let (false, Ok(ix)) = (idle, u16::try_from(index)) {
                self.outbound.touch(CarrierIx(ix));
            }
        }
    }

    /// The carrier's binds are all gone: after a while its queue goes to others.
    pub(super) fn note_down(&mut self, now: Now, ix: CarrierIx) {
        let up = self.outbound.is_up(ix);
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return };
        if up {
            carrier.down_since = None;
        } else if carrier.down_since.is_none() {
            carrier.down_since = Some(now.mono);
            self.wheel.insert(now.mono + limits::CARRIER_DOWN_GRACE, Timer::Down(ix));
        }
    }

    /// Moves the queue of a carrier that is still down to carriers that are up.
    pub(super) fn leave_dead_carrier(&mut self, now: Now, ix: CarrierIx) {
        if self.outbound.is_up(ix) {
            return;
        }
        self.withdraw_attempts(now, ix);
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return };
        let queue = std::mem::take(&mut carrier.queue);
        for sequence in queue {
            let Some(message) = self.table.get_mut(sequence) else { continue };
            message.queued_on = None;
            if message.outcome.is_some() {
                continue;
            }
            if message.any_submitted() {
                self.enqueue(ix, sequence, VecDeque::push_back);
            } else {
                self.dispatch(now, sequence);
            }
        }
        self.wheel.insert(now.mono + limits::CARRIER_DOWN_GRACE, Timer::Down(ix));
    }

    /// Pauses one bind.
    pub(super) fn pause_bind(&mut self, now: Now, bind: BindIx, pause: Duration) {
        let Some(held) = self.outbound.binds.get_mut(bind) else { return };
        held.paused_until = held.paused_until.max(now.mono + pause);
        let (carrier, until) = (held.carrier, held.paused_until);
        self.resume_at(carrier, until);
    }

    /// Pauses a whole carrier on this shard, longer each time until something is accepted.
    pub(super) fn pause_carrier(&mut self, now: Now, ix: CarrierIx) {
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return };
        let pause = carrier.pause;
        carrier.pause = (pause * 2).min(limits::QUEUE_FULL_PAUSE_MAX);
        carrier.paused_until = carrier.paused_until.max(now.mono + pause);
        let until = carrier.paused_until;
        self.resume_at(ix, until);
    }
}

impl Shard {
    /// Publishes what operators watch of each bind.
    pub(super) fn publish_binds(&self) {
        for (index, bind) in self.outbound.binds.iter().enumerate() {
            let stats = self.stats.bind(index);
            stats.set_state(match bind.session.state() {
                State::Closed => BindState::Closed,
                State::Open | State::Outbound | State::Binding => BindState::Binding,
                State::Bound(_) => BindState::Bound,
                State::Unbinding | State::Unbound => BindState::Unbinding,
            });
            stats.window_used.set(u64::try_from(bind.session.in_flight()).unwrap_or(u64::MAX));
            stats.window_limit.set(u64::from(bind.window));
        }
    }
}

/// The validity to tell the carrier: only one that the customer asked for.
fn explicit_validity(message: &Message, now: Now) -> Option<Duration> {
    let envelope = &message.envelope;
    let whole = envelope.valid_until.since(envelope.accepted);
    let left = envelope.valid_until.since(now.wall);
    (whole != limits::VALIDITY_DEFAULT).then(|| left.max(Duration::from_secs(1)))
}

/// A part as the session's token: the sequence has 56 bits.
pub(super) fn token(part: PartRef) -> u64 {
    part.sequence << 8 | u64::from(part.part)
}

/// The part of a session's token.
pub(super) fn part_of(token: u64) -> PartRef {
    PartRef { sequence: token >> 8, part: u8::try_from(token & 0xFF).unwrap_or(0) }
}
