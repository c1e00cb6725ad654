//! One bind as the shard sees it: the session, when it may submit, when to connect again. One per
//! bind, on the shard that holds it.

use std::collections::VecDeque;
use std::time::Duration;

use postrider_core::health::{BindHealth, Health};
use postrider_core::route::CarrierIx;
use postrider_smpp::backoff::{Backoff, BackoffCause};
use postrider_smpp::session::{BindKind, CloseReason, Session, SessionConfig, State};
use postrider_storage::Lsn;

/// The state of the TCP connection below the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Waiting for its back-off.
    Down,
    /// Waiting for its turn to connect.
    Waiting,
    /// The driver was asked to connect.
    Connecting,
    /// Open; the session says how far it is.
    Up,
    /// The driver was asked to close.
    Closing,
}

/// One bind.
pub(crate) struct Bind {
    pub(crate) carrier: CarrierIx,
    /// Which of the carrier's binds on this shard it is.
    pub(crate) place: u16,
    /// The configuration has it.
    pub(crate) wanted: bool,
    /// It connects to another one, or as somebody else, once the connection that it has is closed.
    pub(crate) changed: bool,
    pub(crate) session: Session,
    pub(crate) link: Link,
    /// Counts connections: what came on an older one is not answered on a newer.
    pub(crate) epoch: u64,
    pub(crate) backoff: Backoff,
    pub(crate) bound_since: Option<Duration>,
    pub(crate) health: BindHealth,
    /// When its health is to be looked at: a timer stands in the wheel.
    pub(crate) watched: Option<Duration>,
    pub(crate) window: u16,
    /// Answers whose records are not yet on disk: at most one window of them.
    undurable: VecDeque<Lsn>,
    /// Those of parts of other shards, which have their records.
    pub(crate) unsettled: usize,
    /// Places that are promised to other shards.
    pub(crate) promised: usize,
    /// The deadline for which a timer stands in the wheel.
    pub(crate) armed: Option<Duration>,
    /// A flush stands among the ops.
    pub(crate) flushing: bool,
    /// Why the peer refused the last bind.
    pub(crate) refused: Option<BackoffCause>,
    /// Why the session wants the connection closed.
    pub(crate) close_reason: Option<CloseReason>,
}

impl Bind {
    pub(crate) fn new(
        (carrier, place): (CarrierIx, u16),
        config: SessionConfig,
        backoff: Backoff,
    ) -> Self {
        let window = config.window;
        Bind {
            carrier,
            place,
            wanted: true,
            changed: false,
            session: Session::new(config),
            link: Link::Down,
            epoch: 0,
            backoff,
            bound_since: None,
            health: BindHealth::default(),
            watched: None,
            window,
            undurable: VecDeque::new(),
            unsettled: 0,
            promised: 0,
            armed: None,
            flushing: false,
            refused: None,
            close_reason: None,
        }
    }

    /// What it is for.
    pub(crate) fn kind(&self) -> BindKind {
        self.session.config().bind
    }

    /// Takes other settings: bounds and timers count from now on, who we are from the next
    /// connection on.
    pub(crate) fn configure(&mut self, config: SessionConfig) {
        self.window = config.window;
        self.session.configure(config);
    }

    /// Bound, and not only to receive.
    pub(crate) fn can_submit(&self) -> bool {
        match self.session.state() {
            State::Bound(BindKind::Transmitter | BindKind::Transceiver) => true,
            State::Bound(BindKind::Receiver)
            | State::Closed
            | State::Open
            | State::Outbound
            | State::Binding
            | State::Unbinding
            | State::Unbound => false,
        }
    }

    /// Submits that may leave now, as far as window, health and log allow.
    pub(crate) fn room(&self, now: Duration) -> usize {
        let waiting = self.undurable.len() + self.unsettled;
        if !self.can_submit() || waiting >= usize::from(self.window) {
            return 0;
        }
        let healthy = self.health.room(now, self.window, self.session.in_flight());
        self.session.window_free().min(healthy).saturating_sub(self.promised)
    }

    /// When there may be more room than now although nothing happens: while the window grows.
    pub(crate) fn more_room_at(&self, now: Duration) -> Option<Duration> {
        let free = self.can_submit() && self.session.window_free() > 0;
        self.health.next_room(now, self.window).filter(|_| free)
    }

    /// Whether it can submit and is worth its window.
    pub(crate) fn is_trusted(&self) -> bool {
        self.can_submit() && self.health.health() == Health::Good
    }

    /// Whether it can submit and is given parts, if only one to try.
    pub(crate) fn takes_parts(&self) -> bool {
        self.can_submit() && matches!(self.health.health(), Health::Good | Health::Trial)
    }

    /// Whether it wants one part, to see what becomes of it.
    pub(crate) fn wants_trial(&self) -> bool {
        self.health.health() == Health::Trial && self.room(Duration::ZERO) > 0
    }

    /// An answer came; its record is `lsn`.
    pub(crate) fn answered(&mut self, lsn: Lsn) {
        self.undurable.push_back(lsn);
    }

    /// Records up to `durable` are on disk.
    pub(crate) fn settle(&mut self, durable: Lsn) {
        while self.undurable.front().is_some_and(|lsn| *lsn <= durable) {
            self.undurable.pop_front();
        }
    }
}
