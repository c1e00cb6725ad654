//! The way out: the queue of each carrier, its binds on this shard, and what their sessions report.
//! One per shard.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use postrider_core::clock::Now;
use postrider_core::config::{BindType, CarrierConfig};
use postrider_core::lane::Lane;
use postrider_core::limits;
use postrider_core::place::ShardId;
use postrider_core::rate::{Lease, Rate};
use postrider_core::route::{CarrierIx, Load};
use postrider_smpp::backoff::Backoff;
use postrider_smpp::session::{BindKind, Role, SessionConfig, State};

use super::bind::{Bind, Link};
use super::cold::FairQueue;
use super::crossing::{Board, Far, Serving};
use super::destinations::Destinations;
use super::headroom::Headroom;
use super::pdu::PduBuffers;
use super::senders::Senders;
use super::table::PartRef;
use super::{BindIx, Shard, ShardParts, Timer};
use crate::stats::{BindLabel, BindState, Stats};

/// One carrier on this shard.
pub(crate) struct Carrier {
    pub(crate) binds: Vec<BindIx>,
    /// Messages with parts to send, by sequence.
    pub(super) queue: FairQueue,
    /// Recipients with unanswered parts, where the carrier bounds these.
    pub(super) destinations: Destinations,
    /// Senders with a rate of their own.
    pub(super) senders: Senders,
    /// What is left free for one-time passwords.
    pub(super) headroom: Headroom,
    /// Parts whose attempt is on disk: they go before the queue.
    pub(crate) ready: VecDeque<PartRef>,
    /// Parts whose attempt is on its way to the disk.
    pub(crate) recording: usize,
    /// This shard's part of its rate.
    pub(super) lease: Lease,
    /// What it has of the carrier's binds on other shards.
    pub(super) far: Far,
    /// What it has for shards that have no bind in use, when it holds some.
    pub(super) serving: Serving,
    /// Some shards have none at all.
    serves: bool,
    /// The earliest `Timer::Rate` that stands in the wheel.
    pub(super) report_at: Option<Duration>,
    /// Since when none of its binds is trusted; `None` while one is.
    pub(super) down_since: Option<Duration>,
    /// The earliest `Timer::Resume` that stands in the wheel.
    resume_at: Option<Duration>,
    pub(super) dirty: bool,
    /// The configuration has it no more.
    retired: Option<Retired>,
}

impl Carrier {
    /// Messages that stepped aside in its queue.
    pub(super) fn aside(&self) -> usize {
        self.destinations.aside() + self.senders.aside()
    }
}

/// A carrier that was removed: it gets no further messages.
#[derive(Clone, Copy)]
struct Retired {
    since: Duration,
    /// Its binds stay: it may still owe receipts.
    listens: bool,
}

/// What became of a bind under another configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fitted {
    /// It is new, or is wanted again.
    Added,
    /// It has to connect anew.
    Changed,
    /// It is not wanted any more.
    Removed,
}

/// What new binds are made with.
struct Maker {
    id: ShardId,
    shards: u16,
    stats: Arc<Stats>,
    seed: u64,
    reconnect_first: Duration,
}

/// All carriers and binds of the shard.
pub(crate) struct Outbound {
    pub(crate) carriers: Vec<Carrier>,
    pub(crate) binds: Vec<Bind>,
    pub(super) dirty: Vec<CarrierIx>,
    /// Carriers without room for a lane whose next message there could go to another one that has.
    pub(super) stuck: Vec<(CarrierIx, Lane)>,
    /// Binds that wait for their turn to connect.
    pub(super) waiting: VecDeque<BindIx>,
    /// When the next turn may be; a timer stands in the wheel.
    pub(super) turn_at: Option<Duration>,
    pub(super) buffers: PduBuffers,
    pub(super) board: Arc<Board>,
    maker: Maker,
}

impl Outbound {
    /// The carriers of the configuration with this shard's binds, all of them down.
    pub(crate) fn new(parts: &ShardParts, now: Duration) -> Self {
        let mut outbound = Outbound {
            carriers: Vec::new(),
            binds: Vec::new(),
            dirty: Vec::new(),
            stuck: Vec::new(),
            waiting: VecDeque::new(),
            turn_at: None,
            buffers: PduBuffers::default(),
            board: Arc::clone(&parts.shared.board),
            maker: Maker {
                id: parts.id,
                shards: parts.shared.placement.shards(),
                stats: Arc::clone(&parts.stats),
                seed: parts.seed,
                reconnect_first: parts.reconnect_first,
            },
        };
        let configs = parts.shared.config.carriers.iter();
        for ((config, count), index) in configs.zip(&parts.binds).zip(0u16..) {
            outbound.add(config.rate(), now);
            outbound.fit(CarrierIx(index), config, *count, true);
        }
        outbound
    }

    /// One carrier more, without binds.
    pub(super) fn add(&mut self, rate: Rate, now: Duration) {
        self.carriers.push(Carrier {
            binds: Vec::new(),
            queue: FairQueue::default(),
            destinations: Destinations::default(),
            senders: Senders::default(),
            headroom: Headroom::default(),
            ready: VecDeque::new(),
            recording: 0,
            lease: Lease::new(rate),
            far: Far::default(),
            serving: Serving::default(),
            serves: false,
            report_at: None,
            down_since: Some(now),
            resume_at: None,
            dirty: false,
            retired: None,
        });
    }

    /// Fits a carrier's binds to its configuration: `count` of them on this shard. `alike`: a
    /// connection of before is as good as a new one. A bind that is not wanted keeps its index, and
    /// has it again when it is.
    pub(super) fn fit(
        &mut self,
        ix: CarrierIx,
        config: &CarrierConfig,
        count: u16,
        alike: bool,
    ) -> Vec<(BindIx, Fitted)> {
        let kinds = kinds(config.bind);
        let places = (0..count).flat_map(|place| kinds.iter().map(move |kind| (place, *kind)));
        let mut missing: Vec<(u16, BindKind)> = places.collect();
        let (mut fitted, mut wanted) = (Vec::new(), Vec::new());
        for (index, bind) in self.binds.iter_mut().enumerate().filter(|(_, b)| b.carrier == ix) {
            let own = missing.iter().position(|own| *own == (bind.place, bind.kind()));
            if let Some(own) = own {
                missing.swap_remove(own);
                wanted.push(index);
                bind.configure(session_config(config, bind.kind()));
            }
            match (bind.wanted, own.is_some()) {
                (false, true) => fitted.push((index, Fitted::Added)),
                (true, false) => fitted.push((index, Fitted::Removed)),
                (true, true) if !alike => fitted.push((index, Fitted::Changed)),
                (true, true) | (false, false) => {}
            }
            // A connection of before has to end first.
            let connected = !matches!(bind.link, Link::Down | Link::Waiting);
            bind.changed |= own.is_some() && !(bind.wanted && alike) && connected;
            bind.wanted = own.is_some();
        }
        missing.sort_unstable_by_key(|(place, _)| *place);
        for (place, kind) in missing {
            let index = self.add_bind(ix, config, (place, kind));
            wanted.push(index);
            fitted.push((index, Fitted::Added));
        }
        let Maker { id, shards, .. } = self.maker;
        if let Some(carrier) = self.carriers.get_mut(usize::from(ix.0)) {
            carrier.binds = wanted;
            let removed = fitted.iter().filter(|(_, fitted)| *fitted == Fitted::Removed);
            removed.for_each(|(bind, _)| carrier.serving.drop_bind(*bind));
            carrier.far.fit(config, id, shards);
            carrier.serves = count > 0 && config.cores(shards) < shards;
        }
        fitted
    }

    fn add_bind(
        &mut self,
        ix: CarrierIx,
        config: &CarrierConfig,
        (place, kind): (u16, BindKind),
    ) -> BindIx {
        let Maker { id, shards, stats, seed, reconnect_first } = &self.maker;
        let index = self.binds.len();
        let label = BindLabel {
            carrier: config.name.clone(),
            bind: config.bind_number(*id, *shards, place),
            kind: word_of(kind),
        };
        assert_eq!(stats.add_bind(label), index, "a bind's numbers are at its index");
        let own = u64::try_from(index).unwrap_or(0).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let backoff = Backoff::with_first(seed ^ own, *reconnect_first);
        self.binds.push(Bind::new((ix, place), session_config(config, kind), backoff));
        index
    }

    /// Notes whether the configuration has a carrier no more; true while its binds are wanted.
    pub(super) fn note_retired(&mut self, ix: CarrierIx, retired: bool, now: Duration) -> bool {
        let Some(carrier) = self.carriers.get_mut(usize::from(ix.0)) else { return false };
        let first = Retired { since: now, listens: true };
        carrier.retired = retired.then(|| carrier.retired.unwrap_or(first));
        carrier.retired.is_none_or(|retired| retired.listens)
    }

    /// Since when a carrier that is still listened to has been in no configuration.
    pub(super) fn retired_since(&self, ix: CarrierIx) -> Option<Duration> {
        let retired = self.carriers.get(usize::from(ix.0))?.retired?;
        retired.listens.then_some(retired.since)
    }

    /// A removed carrier owes nothing more.
    pub(super) fn stop_listening(&mut self, ix: CarrierIx) {
        if let Some(carrier) = self.carriers.get_mut(usize::from(ix.0))
            && let Some(retired) = &mut carrier.retired
        {
            retired.listens = false;
        }
    }

    pub(crate) fn carrier_mut(&mut self, ix: CarrierIx) -> Option<&mut Carrier> {
        self.carriers.get_mut(usize::from(ix.0))
    }

    /// Which shard this is.
    pub(super) fn own(&self) -> ShardId {
        self.maker.id
    }

    /// Whether there is no other shard.
    pub(super) fn is_alone(&self) -> bool {
        self.maker.shards <= 1
    }

    /// Whether other shards come here for the carrier, now or always.
    pub(super) fn serves(&self, ix: CarrierIx) -> bool {
        self.carriers.get(usize::from(ix.0)).is_some_and(|own| own.serves || own.serving.is_busy())
    }

    /// How much of its rate the carrier used within the last second, as far as this shard knows.
    pub(super) fn load(&self, ix: CarrierIx, now: Duration) -> Load {
        if self.is_far(ix) {
            return self.load_afar(ix);
        }
        let carrier = self.carriers.get(usize::from(ix.0));
        carrier.map(|carrier| carrier.lease.load(now)).unwrap_or_default()
    }

    /// Submits that the carrier's binds could take, as far as windows and log allow.
    pub(super) fn window_room(&self, ix: CarrierIx, now: Duration) -> usize {
        self.binds_of(ix).map(|bind| bind.room(now)).sum()
    }

    /// Whether the configuration has the carrier no more.
    pub(super) fn is_retired(&self, ix: CarrierIx) -> bool {
        self.carriers.get(usize::from(ix.0)).is_some_and(|own| own.retired.is_some())
    }

    pub(super) fn binds_of(&self, ix: CarrierIx) -> impl Iterator<Item = &Bind> {
        let carrier = self.carriers.get(usize::from(ix.0));
        let binds = carrier.map(|carrier| carrier.binds.as_slice()).unwrap_or_default();
        binds.iter().filter_map(|bind| self.binds.get(*bind))
    }

    /// Messages in the queues.
    pub(crate) fn queued(&self) -> usize {
        let queued = |own: &Carrier| own.queue.len() + own.ready.len() + own.aside();
        self.carriers.iter().map(queued).sum()
    }

    /// Whether one more attempt may go on record, so that so many parts are left free: no more of them
    /// than the carrier's binds could take now, as far as windows, log and rate allow.
    pub(super) fn has_room_to_record(&self, ix: CarrierIx, now: Duration, left: usize) -> bool {
        let Some(carrier) = self.carriers.get(usize::from(ix.0)) else { return false };
        let capacity = self.window_room(ix, now).min(count(carrier.lease.room(now)));
        carrier.recording.saturating_add(left) < capacity
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

/// The sessions that stand for one of a carrier's binds.
#[must_use]
pub const fn kinds(bind: BindType) -> &'static [BindKind] {
    match bind {
        BindType::Transceiver => &[BindKind::Transceiver],
        BindType::Transmitter => &[BindKind::Transmitter],
        BindType::Receiver => &[BindKind::Receiver],
        BindType::Pair => &[BindKind::Transmitter, BindKind::Receiver],
    }
}

/// The word for what a bind may do.
const fn word_of(kind: BindKind) -> &'static str {
    match kind {
        BindKind::Transceiver => "transceiver",
        BindKind::Transmitter => "transmitter",
        BindKind::Receiver => "receiver",
    }
}

fn session_config(config: &CarrierConfig, bind: BindKind) -> SessionConfig {
    SessionConfig {
        role: Role::Esme,
        bind,
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
    /// that every carrier refused rests, or ends here.
    pub(super) fn dispatch(&mut self, now: Now, sequence: u64) {
        self.line_up(now, sequence, true);
    }

    /// Puts a message with a part to send again before the others of its group.
    pub(super) fn enqueue_first(&mut self, now: Now, sequence: u64) {
        self.line_up(now, sequence, false);
    }

    fn line_up(&mut self, now: Now, sequence: u64, fresh: bool) {
        if !self.begins_to_wait(sequence) {
            return;
        }
        match self.choose(now, sequence) {
            Some(carrier) => self.seat_and_enqueue(carrier, sequence, fresh),
            None => self.no_carrier_left(now, sequence),
        }
    }

    /// Whether a message is to wait for a carrier and does not yet. Who serves its recipient is looked
    /// up anew.
    fn begins_to_wait(&mut self, sequence: u64) -> bool {
        let Some(message) = self.table.get_mut(sequence) else { return false };
        if message.outcome.is_some() || message.queued_on.is_some() {
            return false;
        }
        message.way = None;
        let redacted = message.envelope.redacted;
        if redacted {
            self.erasures.unsent(sequence);
        }
        !redacted
    }

    /// As `enqueue`, when the message may be in memory until it is sent: it has a seat, or one is free.
    /// Else it is turned away.
    fn seat_and_enqueue(&mut self, carrier: CarrierIx, sequence: u64, fresh: bool) {
        let Some(message) = self.table.get(sequence) else { return };
        let group = self.group_of(message);
        if self.cold.is_sending(sequence) || self.cold.admit(sequence, group) {
            self.enqueue(carrier, sequence, fresh);
        } else {
            self.cold.turn_away(sequence);
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
    pub(super) fn resume_at(&mut self, ix: CarrierIx, at: Duration) {
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
            let idle = idle && !carrier.far.has_unsettled();
            if let (false, Ok(ix)) = (idle, u16::try_from(index)) {
                self.outbound.touch(CarrierIx(ix));
            }
        }
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
            stats.set_health(bind.health.health());
            stats.window_used.set(u64::try_from(bind.session.in_flight()).unwrap_or(u64::MAX));
            stats.window_limit.set(u64::from(bind.window));
        }
    }
}

/// A count of parts as a number of places.
pub(super) fn count(parts: u32) -> usize {
    usize::try_from(parts).unwrap_or(usize::MAX)
}

/// A part as the session's token: the sequence has 56 bits.
pub(super) fn token(part: PartRef) -> u64 {
    part.sequence << 8 | u64::from(part.part)
}

/// The part of a session's token.
pub(super) fn part_of(token: u64) -> PartRef {
    PartRef { sequence: token >> 8, part: u8::try_from(token & 0xFF).unwrap_or(0) }
}
