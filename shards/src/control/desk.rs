//! What operators ask of shards: a desk per shard, where the control thread puts requests and the
//! shard's own thread takes them. The lock is held for a push or a pop, by these two alone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::Doorbell;
use crate::rt::CarrierLink;
use crate::shard::{ControlAnswer, ControlRequest, Shared};

/// Requests that wait at one desk; more are refused.
const WAITING_MAX: usize = 64;

/// One request, and where its answer goes.
pub struct Order {
    /// What is asked.
    pub request: ControlRequest,
    /// Whoever waits.
    pub answer: oneshot::Sender<ControlAnswer>,
}

/// A configuration for a shard, and where it is told that the shard goes by it.
pub struct ConfigOrder {
    /// What every shard reads.
    pub shared: Arc<Shared>,
    /// Binds of each carrier on this shard, by `CarrierIx`.
    pub binds: Vec<u16>,
    /// TLS towards carriers, by `CarrierIx`.
    pub carrier_tls: Vec<Option<CarrierLink>>,
    /// Whoever waits.
    pub taken: oneshot::Sender<()>,
}

/// The desk of one shard.
pub struct Desk {
    waiting: Mutex<VecDeque<Order>>,
    /// The newest; one that nobody took before it came is of no use any more.
    config: Mutex<Option<ConfigOrder>>,
    bell: Doorbell,
}

impl Desk {
    /// An empty one; `bell` wakes the shard.
    #[must_use]
    pub fn new(bell: Doorbell) -> Self {
        Self { waiting: Mutex::new(VecDeque::new()), config: Mutex::new(None), bell }
    }

    /// Puts a configuration there. There is always room.
    pub(super) fn hand_over(&self, order: ConfigOrder) {
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Some(order);
        (self.bell)();
    }

    /// The configuration that the shard is to go by from now on.
    pub fn take_config(&self) -> Option<ConfigOrder> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Puts a request there; `None` when too many wait.
    pub(super) fn ask(&self, request: ControlRequest) -> Option<oneshot::Receiver<ControlAnswer>> {
        let (answer, answered) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= WAITING_MAX {
            return None;
        }
        waiting.push_back(Order { request, answer });
        drop(waiting);
        (self.bell)();
        Some(answered)
    }

    /// Whether something waits.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).is_some()
            || !self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The next request.
    pub fn take(&self) -> Option<Order> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}
