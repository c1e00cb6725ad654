//! Whose webhook is sent next: a bounded queue over many endpoints. One per shard, on its core.
//!
//! The earliest due webhook goes first; an endpoint takes at most so many at once, and one that
//! fails is tried with a single probe at a time until it answers again, so that it holds up nobody
//! else and is not overrun when it comes back. Each operation takes O(log n).

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// Endpoints without a webhook that are remembered, for their state; the longest unused goes
/// first.
pub const IDLE_ENDPOINTS_MAX: usize = 4_096;

/// Webhooks held at once, unless [`WebhookQueue::limited_to`] says otherwise.
pub const QUEUED_MAX: usize = 1 << 20;

/// Pause after the first failed probe of an endpoint; doubles with each further one.
const PROBE_PAUSE_FIRST: Duration = Duration::from_millis(250);
/// Longest pause between two probes of an endpoint.
pub const PROBE_PAUSE_MAX: Duration = Duration::from_secs(16);

/// A webhook address, interned. Never reused while the queue lives; valid as long as something is
/// queued for it, and for a while after ([`IDLE_ENDPOINTS_MAX`]): intern, then push.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointKey(pub u32);

/// Why a webhook was not queued.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The queue holds as many as it may.
    #[error("the webhook queue is full")]
    Full,
    /// The key is queued or in flight already.
    #[error("the key is queued already")]
    Duplicate,
    /// The endpoint has been forgotten: intern it again.
    #[error("the endpoint is not known")]
    UnknownEndpoint,
}

/// Where a webhook is.
#[derive(Copy, Clone, Debug)]
struct Slot {
    endpoint: EndpointKey,
    due: Duration,
    in_flight: bool,
}

#[derive(Debug, Default)]
struct Endpoint {
    url: Box<str>,
    waiting: BTreeSet<(Duration, u64)>,
    in_flight: u16,
    /// Failed since the last success: one probe at a time.
    slowed: bool,
    /// Probes that failed in a row.
    failed_probes: u32,
    /// No attempt before this time.
    not_before: Duration,
    /// Its place in [`WebhookQueue::ready`].
    ready_at: Option<Duration>,
    /// Its place in [`WebhookQueue::idle`].
    idle_since: Option<u64>,
}

impl Endpoint {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.in_flight == 0
    }

    /// When its next webhook may go, if it has one and may take it.
    fn next_at(&self, connections_max: u16) -> Option<Duration> {
        let limit = if self.slowed { 1 } else { connections_max };
        let first = self.waiting.first().filter(|_| self.in_flight < limit)?;
        Some(first.0.max(self.not_before))
    }
}

/// The delivery machine: holds keys of messages, not their text. One per shard.
#[derive(Debug)]
pub struct WebhookQueue {
    connections_per_endpoint: u16,
    max_in_flight: u32,
    queued_max: usize,
    slots: BTreeMap<u64, Slot>,
    in_flight: u32,
    endpoints: BTreeMap<EndpointKey, Endpoint>,
    by_url: BTreeMap<Box<str>, EndpointKey>,
    next_endpoint: u32,
    /// Endpoints that may take a webhook, by when.
    ready: BTreeSet<(Duration, EndpointKey)>,
    /// Endpoints without a webhook, by how long.
    idle: BTreeSet<(u64, EndpointKey)>,
    idle_count: u64,
}

impl WebhookQueue {
    /// A queue that has at most `max_in_flight` attempts under way, and at most
    /// `connections_per_endpoint` of them to one endpoint. Zeroes count as one.
    pub fn new(connections_per_endpoint: u16, max_in_flight: u32) -> Self {
        Self {
            connections_per_endpoint: connections_per_endpoint.max(1),
            max_in_flight: max_in_flight.max(1),
            queued_max: QUEUED_MAX,
            slots: BTreeMap::new(),
            in_flight: 0,
            endpoints: BTreeMap::new(),
            by_url: BTreeMap::new(),
            next_endpoint: 0,
            ready: BTreeSet::new(),
            idle: BTreeSet::new(),
            idle_count: 0,
        }
    }

    /// Sets how many webhooks are held at once, waiting and in flight together.
    #[must_use]
    pub fn limited_to(mut self, queued_max: usize) -> Self {
        self.queued_max = queued_max;
        self
    }

    /// The key of a webhook address.
    pub fn intern(&mut self, url: &str) -> EndpointKey {
        if let Some(&key) = self.by_url.get(url) {
            return key;
        }
        let key = self.free_key();
        let endpoint = Endpoint { url: url.into(), ..Endpoint::default() };
        self.by_url.insert(url.into(), key);
        self.endpoints.insert(key, endpoint);
        self.settle(key);
        key
    }

    /// The address of an endpoint that is still known.
    pub fn url(&self, endpoint: EndpointKey) -> Option<&str> {
        self.endpoints.get(&endpoint).map(|endpoint| &*endpoint.url)
    }

    /// Queues the webhook of message `key`, to be sent at `due` (monotonic) or later.
    ///
    /// # Errors
    /// See [`PushError`]; nothing is changed then.
    pub fn push(
        &mut self,
        key: u64,
        endpoint: EndpointKey,
        due: Duration,
    ) -> Result<(), PushError> {
        if self.slots.contains_key(&key) {
            return Err(PushError::Duplicate);
        }
        if self.slots.len() >= self.queued_max {
            return Err(PushError::Full);
        }
        let state = self.endpoints.get_mut(&endpoint).ok_or(PushError::UnknownEndpoint)?;
        state.waiting.insert((due, key));
        self.slots.insert(key, Slot { endpoint, due, in_flight: false });
        self.settle(endpoint);
        Ok(())
    }

    /// Whether an attempt is under way.
    #[must_use]
    pub fn is_in_flight(&self, key: u64) -> bool {
        self.slots.get(&key).is_some_and(|slot| slot.in_flight)
    }

    /// Takes a waiting webhook out again; false when it is not waiting.
    pub fn remove(&mut self, key: u64) -> bool {
        let Some(&slot) = self.slots.get(&key).filter(|slot| !slot.in_flight) else {
            return false;
        };
        self.slots.remove(&key);
        if let Some(state) = self.endpoints.get_mut(&slot.endpoint) {
            state.waiting.remove(&(slot.due, key));
        }
        self.settle(slot.endpoint);
        true
    }

    /// The next webhook to send now, if one is due and may go. It counts as in flight until
    /// [`Self::handle_result`].
    pub fn poll_attempt(&mut self, now: Duration) -> Option<(u64, EndpointKey)> {
        if self.in_flight >= self.max_in_flight {
            return None;
        }
        let &(_, endpoint) = self.ready.first().filter(|&&(at, _)| at <= now)?;
        let state = self.endpoints.get_mut(&endpoint)?;
        let (_, key) = state.waiting.pop_first()?;
        state.in_flight += 1;
        self.in_flight += 1;
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.in_flight = true;
        }
        self.settle(endpoint);
        Some((key, endpoint))
    }

    /// Ends an attempt. The webhook leaves the queue either way: to try it again, push it with its
    /// new time. Returns false, and does nothing, when this attempt is not in flight.
    pub fn handle_result(
        &mut self,
        now: Duration,
        key: u64,
        endpoint: EndpointKey,
        ok: bool,
    ) -> bool {
        let known = |slot: &&Slot| slot.in_flight && slot.endpoint == endpoint;
        if self.slots.get(&key).filter(known).is_none() {
            return false;
        }
        self.slots.remove(&key);
        self.in_flight -= 1;
        if let Some(state) = self.endpoints.get_mut(&endpoint) {
            state.in_flight -= 1;
            if ok { Self::note_success(state) } else { Self::note_failure(state, now) }
        }
        self.settle(endpoint);
        true
    }

    /// When [`Self::poll_attempt`] will next have something, unless a result comes first. `None`
    /// when only a push or a result can change that.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.in_flight >= self.max_in_flight {
            return None;
        }
        self.ready.first().map(|&(at, _)| at)
    }

    /// Webhooks waiting for an attempt.
    pub fn len(&self) -> usize {
        self.slots.len() - usize::try_from(self.in_flight).unwrap_or(usize::MAX)
    }

    /// Whether nothing waits; attempts may still be in flight.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Attempts under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Endpoints remembered, busy and idle.
    pub fn endpoints(&self) -> usize {
        self.endpoints.len()
    }

    fn note_success(state: &mut Endpoint) {
        state.slowed = false;
        state.failed_probes = 0;
        state.not_before = Duration::ZERO;
    }

    /// A first failure only slows the endpoint. Attempts that were under way then end here too and
    /// say nothing new; the probe is the one that ends with no other beside it.
    fn note_failure(state: &mut Endpoint, now: Duration) {
        if state.slowed && state.in_flight == 0 {
            let pause = PROBE_PAUSE_FIRST.saturating_mul(1 << state.failed_probes.min(16));
            state.failed_probes = state.failed_probes.saturating_add(1);
            state.not_before = now.saturating_add(pause.min(PROBE_PAUSE_MAX));
        }
        state.slowed = true;
    }

    /// Brings `ready` and `idle` in line with the state of one endpoint; called after every change
    /// of one.
    fn settle(&mut self, key: EndpointKey) {
        let Some(state) = self.endpoints.get_mut(&key) else { return };
        let next = state.next_at(self.connections_per_endpoint);
        if next != state.ready_at {
            if let Some(at) = state.ready_at {
                self.ready.remove(&(at, key));
            }
            if let Some(at) = next {
                self.ready.insert((at, key));
            }
            state.ready_at = next;
        }
        match (state.is_idle(), state.idle_since) {
            (true, None) => {
                self.idle_count += 1;
                state.idle_since = Some(self.idle_count);
                self.idle.insert((self.idle_count, key));
                self.forget_oldest_idle();
            }
            (false, Some(since)) => {
                state.idle_since = None;
                self.idle.remove(&(since, key));
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    fn forget_oldest_idle(&mut self) {
        if self.idle.len() <= IDLE_ENDPOINTS_MAX {
            return;
        }
        let oldest = self.idle.pop_first().and_then(|(_, key)| self.endpoints.remove(&key));
        if let Some(state) = oldest {
            self.by_url.remove(&state.url);
        }
    }

    /// A number that no known endpoint has. They are used in turn, so that one is reused only
    /// after 2^32 others.
    fn free_key(&mut self) -> EndpointKey {
        while self.endpoints.contains_key(&EndpointKey(self.next_endpoint)) {
            self.next_endpoint = self.next_endpoint.wrapping_add(1);
        }
        let key = EndpointKey(self.next_endpoint);
        self.next_endpoint = self.next_endpoint.wrapping_add(1);
        key
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
