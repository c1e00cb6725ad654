//! Another configuration while the shard is at work: binds that are new, changed or gone, customers that
//! may not be here any more, queues that others get. Part of the shard's machine.

use std::sync::Arc;
use std::time::Duration;

use postrider_core::clock::Now;
use postrider_core::config::{CarrierConfig, CustomerConfig};
use postrider_core::limits;
use postrider_core::place::ShardId;
use postrider_core::route::CarrierIx;

use super::bind::Link;
use super::inbound::Owners;
use super::outbound::Fitted;
use super::{BindIx, CallId, Drain, Op, Request, Shard, Shared, Timer};
use crate::stats::Gauge;

/// A request that was checked under a configuration which this shard does not have yet.
pub(crate) struct Early {
    pub(crate) generation: u32,
    pub(crate) from: ShardId,
    pub(crate) call: CallId,
    pub(crate) request: Request,
}

impl Shard {
    /// Goes on under another configuration of the same process. `binds`: those of each carrier on
    /// this shard, by `CarrierIx`.
    pub fn handle_config(&mut self, now: Now, shared: Arc<Shared>, binds: &[u16]) {
        let before = std::mem::replace(&mut self.shared, shared);
        let (carriers, customers) = (&self.shared.config.carriers, &self.shared.config.customers);
        self.owners = Owners::new(&self.shared.config);
        self.customers.make_places(customers.len());
        self.cold.set_routes(carriers.len());
        let half_life = self.shared.config.routing.half_life;
        if half_life != before.config.routing.half_life {
            self.figures.set_half_life(now.mono, half_life);
        }
        self.outbound.board = Arc::clone(&self.shared.board);
        self.fit_carriers(now, &before, binds);
        self.fit_customers(now, &before);
        if before.config.senders != self.shared.config.senders {
            self.fit_senders(now);
        }
        self.fit_queues(now, &before);
        self.fit_lookups(now, &before);
        self.serve_early(now);
        self.publish_generation();
        self.pump(now);
    }

    /// Which configuration the shard goes by.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.shared.generation
    }

    pub(super) fn publish_generation(&self) {
        self.stats.set(Gauge::ConfigGeneration, self.shared.generation.into());
    }

    /// Keeps a request until this shard has the configuration that it was checked under. Each has
    /// taken a place, so there are no more of them than the lanes have places.
    pub(super) fn keep_early(&mut self, early: Early) {
        self.early.push(early);
    }

    fn serve_early(&mut self, now: Now) {
        for early in std::mem::take(&mut self.early) {
            if early.generation > self.shared.generation {
                self.early.push(early);
            } else {
                self.serve_peer(now, early.from, early.call, early.request);
            }
        }
    }

    fn fit_carriers(&mut self, now: Now, before: &Shared, binds: &[u16]) {
        let shared = Arc::clone(&self.shared);
        for ((config, count), index) in shared.config.carriers.iter().zip(binds).zip(0u16..) {
            let ix = CarrierIx(index);
            let known = before.config.carriers.get(usize::from(index));
            if known.is_none() {
                self.outbound.add(config.rate(), now.mono);
                self.wheel.insert(now.mono + limits::CARRIER_DOWN_GRACE, Timer::Down(ix));
            }
            let listens = self.outbound.note_retired(ix, config.retired, now.mono);
            if listens && config.retired && known.is_some_and(|known| !known.retired) {
                self.wheel.insert(now.mono + limits::RETIRED_LOOK_EVERY, Timer::Retired(ix));
            }
            let count = if listens { *count } else { 0 };
            let alike = known.is_none_or(|known| connects_alike(known, config));
            for (bind, fitted) in self.outbound.fit(ix, config, count, alike) {
                self.fitted(now, bind, fitted);
            }
            self.outbound.touch(ix);
        }
        self.follow_rates(now);
    }

    fn fitted(&mut self, now: Now, bind: BindIx, fitted: Fitted) {
        let Some(held) = self.outbound.binds.get_mut(bind) else { return };
        match (fitted, held.link) {
            (Fitted::Added, _) | (Fitted::Changed, Link::Down) => {
                held.backoff.reset_after(Duration::MAX);
                self.connect_in_turn(now, bind);
            }
            (Fitted::Changed | Fitted::Removed, Link::Up) => {
                held.session.unbind(now.mono);
                self.bind_events(now, bind);
            }
            // What is being connected, or closed, is closed first; what waits for its turn has it.
            (Fitted::Changed, Link::Waiting | Link::Connecting | Link::Closing)
            | (Fitted::Removed, Link::Down | Link::Waiting | Link::Connecting | Link::Closing) => {}
        }
    }

    /// Whether the connection of a bind is of use: it may have been begun under a configuration that
    /// counts no more. If not, it is given back.
    pub(super) fn is_current(&mut self, bind: BindIx) -> bool {
        let Some(held) = self.outbound.binds.get_mut(bind) else { return false };
        let current = held.wanted && !held.changed;
        if !current {
            held.link = Link::Closing;
            self.ops.push_back(Op::Close(bind));
        }
        current
    }

    /// Looks whether a removed carrier owes nothing more; then its binds end.
    pub(super) fn look_at_retired(&mut self, now: Now, ix: CarrierIx) {
        let Some(since) = self.outbound.retired_since(ix) else { return };
        let waited = now.mono.saturating_sub(since);
        if waited < limits::RETIRED_LISTENS && self.owes(ix) {
            self.wheel.insert(now.mono + limits::RETIRED_LOOK_EVERY, Timer::Retired(ix));
            return;
        }
        self.outbound.stop_listening(ix);
        let shared = Arc::clone(&self.shared);
        let Some(config) = shared.config.carriers.get(usize::from(ix.0)) else { return };
        for (bind, fitted) in self.outbound.fit(ix, config, 0, true) {
            self.fitted(now, bind, fitted);
        }
    }

    /// Whether a carrier may have something to say of a message that is open. Of those on disk alone
    /// nobody knows whose they are.
    fn owes(&self, ix: CarrierIx) -> bool {
        let number = self.shared.carrier_number(ix);
        let (cold, _) = self.table.cold();
        let of_it = |message: &super::message::Message| {
            message.parts.iter().any(|part| part.carrier == number && !part.status.is_final())
        };
        cold > 0 || self.table.messages().any(of_it)
    }

    /// Ends the binds of customers that may not have them any more; the others go on under their
    /// new bounds.
    fn fit_customers(&mut self, now: Now, before: &Shared) {
        let same = |known: &CustomerConfig, own: &CustomerConfig| known == own;
        let (old, new) = (&before.config.customers, &self.shared.config.customers);
        if old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old, new)) {
            return;
        }
        self.fit_customer_binds(now, before);
    }

    /// Gives messages that wait at a carrier to the one that they would go to now, when the routes or
    /// the tables of numbers say something else, the carrier was removed or takes more or fewer parts at once for one
    /// recipient.
    fn fit_queues(&mut self, now: Now, before: &Shared) {
        let (old, new) = (&before.config, &self.shared.config);
        let rerouted = (&old.routes, &old.routing) != (&new.routes, &new.routing)
            || old.tables.made_of() != new.tables.made_of();
        let same = |index: usize| {
            let (old, new) = (old.carriers.get(index), new.carriers.get(index));
            old.zip(new).is_some_and(|(old, new)| {
                let each = |own: &CarrierConfig| own.profile.per_destination;
                old.retired == new.retired && each(old) == each(new)
            })
        };
        let moved: Vec<usize> =
            (0..old.carriers.len()).filter(|index| rerouted || !same(*index)).collect();
        for index in moved {
            if let Ok(index) = u16::try_from(index) {
                self.share_out_queue(now, CarrierIx(index));
            }
        }
    }

    /// Takes every message out of a carrier's queue and chooses its carrier anew; one that a carrier
    /// has parts of stays with it.
    pub(super) fn share_out_queue(&mut self, now: Now, ix: CarrierIx) {
        self.withdraw_attempts(now, ix);
        let behind = self.drain_senders(ix);
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return };
        let aside = carrier.destinations.drain().into_iter().chain(behind);
        for waiting in carrier.queue.drain().chain(aside) {
            let sequence = waiting.sequence;
            let Some(message) = self.table.get_mut(sequence) else { continue };
            message.queued_on = None;
            if message.outcome.is_some() {
                continue;
            }
            if message.any_submitted() {
                self.enqueue(ix, sequence, waiting.fresh);
            } else {
                self.dispatch(now, sequence);
            }
        }
    }

    /// Connects a bind as at a start: an account's binds one after the other, where the carrier wants
    /// it.
    pub(super) fn connect_in_turn(&mut self, now: Now, bind: BindIx) {
        if self.drain != Drain::No {
            return;
        }
        match self.first_connect(bind) {
            Duration::ZERO => self.reconnect(now, bind),
            delay => {
                self.wheel.insert(now.mono + delay, Timer::Reconnect(bind));
            }
        }
    }
}

/// Whether a connection that was made under one configuration of a carrier is as good under the other.
fn connects_alike(one: &CarrierConfig, other: &CarrierConfig) -> bool {
    let who = |own: &CarrierConfig| {
        let (tls, outbind) = (own.profile.tls.clone(), own.profile.outbind.clone());
        (own.address.clone(), own.system_id.clone(), own.password.clone(), tls, outbind)
    };
    (who(one), &one.system_type, one.version) == (who(other), &other.system_type, other.version)
}
