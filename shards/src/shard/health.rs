//! What follows from the health of this shard's binds: probes, a carrier whose queue goes to others,
//! and whose turn it is to connect. Part of the shard's machine; what a bind is worth is decided in
//! `core::health`.

use std::time::Duration;

use postrider_core::clock::Now;
use postrider_core::health::{Step, Turn};
use postrider_core::limits;
use postrider_core::route::CarrierIx;
use postrider_smpp::status::{Pause, Verdict};

use super::answers::Response;
use super::bind::{Bind, Link};
use super::outbound::{Carrier, Outbound};
use super::{BindIx, Drain, Op, Shard, Timer};

impl Outbound {
    /// Whether one of the carrier's binds is worth its window.
    pub(super) fn is_trusted(&self, ix: CarrierIx) -> bool {
        self.is_trusted_here(ix) || (!self.is_retired(ix) && self.is_trusted_afar(ix))
    }

    /// Whether one of those on this shard is.
    fn is_trusted_here(&self, ix: CarrierIx) -> bool {
        !self.is_retired(ix) && self.binds_of(ix).any(Bind::is_trusted)
    }

    /// Whether a message may be given to the carrier: it is trusted, or a bind of it wants one part to
    /// try and no other message waits to be that. `queued_on` is the carrier in whose queue it is.
    pub(super) fn usable(&self, ix: CarrierIx, queued_on: Option<CarrierIx>) -> bool {
        let idle = |own: &Carrier| {
            let queued = own.queue.len() + own.aside();
            queued == usize::from(queued_on == Some(ix))
                && own.ready.is_empty()
                && own.recording == 0
        };
        let idle = self.carriers.get(usize::from(ix.0)).is_some_and(idle);
        let tries = || self.binds_of(ix).any(Bind::wants_trial) || self.wants_trial_afar(ix);
        self.is_trusted(ix) || (idle && !self.is_retired(ix) && tries())
    }
}

// ---- Binds ----

impl Shard {
    /// A carrier answered one of the bind's parts.
    pub(super) fn weigh_answer(
        &mut self,
        now: Now,
        bind: BindIx,
        answer: Verdict,
        response: &Response,
    ) {
        let Some(held) = self.outbound.binds.get_mut(bind) else { return };
        if held.health.answered(now.mono, response.waited, blames_the_carrier(answer)) {
            let carrier = held.carrier;
            self.note_health(now, carrier);
        }
    }

    /// A part of the bind was not answered in time.
    pub(super) fn weigh_silence(&mut self, now: Now, bind: BindIx) {
        let Some(held) = self.outbound.binds.get_mut(bind) else { return };
        if held.health.timed_out(now.mono, held.session.in_flight()) {
            let carrier = held.carrier;
            self.note_health(now, carrier);
        }
    }

    /// Puts one timer into the wheel for the next look at a bind's health.
    pub(super) fn watch(&mut self, bind: BindIx) {
        let Some(held) = self.outbound.binds.get_mut(bind) else { return };
        let Some(due) = held.health.poll_timeout() else { return };
        if held.watched.is_none_or(|watched| due < watched) {
            held.watched = Some(due);
            self.wheel.insert(due, Timer::Health(bind));
        }
    }

    /// A bind's health wanted this moment.
    pub(super) fn health_timeout(&mut self, now: Now, bind: BindIx) {
        let Some(held) = self.outbound.binds.get_mut(bind) else { return };
        if held.watched.is_none_or(|watched| watched > now.mono) {
            return;
        }
        held.watched = None;
        let carrier = held.carrier;
        match held.health.handle_timeout(now.mono) {
            Some(Step::Probe) => {
                held.session.probe(now.mono);
                self.bind_events(now, bind);
            }
            Some(Step::Changed) => self.note_health(now, carrier),
            None => {}
        }
        self.watch(bind);
    }
}

/// Whether an answer speaks against the carrier, or our profile of it, and not the message.
fn blames_the_carrier(answer: Verdict) -> bool {
    match answer {
        Verdict::RetryLater { pause: Pause::Message { .. } }
        | Verdict::TryOther { alarm: true } => true,
        Verdict::Done
        | Verdict::RetryLater { pause: Pause::BindThrottled | Pause::CarrierFull }
        | Verdict::TryOther { alarm: false }
        | Verdict::Rebind
        | Verdict::Reject => false,
    }
}

// ---- Carriers ----

impl Shard {
    /// The health of one of the carrier's binds is another one. When none is trusted any more, the
    /// queue goes to others: at once, or after a while when the binds are only gone.
    pub(super) fn note_health(&mut self, now: Now, ix: CarrierIx) {
        let trusted = self.outbound.is_trusted_here(ix);
        let connected = self.outbound.binds_of(ix).any(Bind::can_submit);
        self.outbound.touch(ix);
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return };
        if trusted {
            carrier.down_since = None;
        } else if carrier.down_since.is_none() {
            carrier.down_since = Some(now.mono);
            let grace = if connected { Duration::ZERO } else { limits::CARRIER_DOWN_GRACE };
            self.wheel.insert(now.mono + grace, Timer::Down(ix));
        }
    }

    /// Moves the queue of a carrier that is still not trusted to carriers that are. Messages of which
    /// it has parts stay. While only other shards' binds are trusted it is looked at again.
    pub(super) fn leave_carrier(&mut self, now: Now, ix: CarrierIx) {
        if self.outbound.is_trusted_here(ix) {
            return;
        }
        if !self.outbound.is_trusted(ix) {
            self.share_out_queue(now, ix);
        }
        self.release_asks(ix);
        self.wheel.insert(now.mono + limits::CARRIER_DOWN_GRACE, Timer::Down(ix));
    }
}

// ---- Connections ----

impl Shard {
    /// A bind may connect when its turn comes: so many a second, of its carrier and of all.
    pub(super) fn queue_for_turn(&mut self, now: Now, bind: BindIx) {
        let Some(held) = self.outbound.binds.get_mut(bind) else { return };
        if held.link == Link::Down && held.wanted {
            held.link = Link::Waiting;
            self.outbound.waiting.push_back(bind);
            self.give_turns(now);
        }
    }

    /// Connects the binds whose turn it is.
    pub(super) fn give_turns(&mut self, now: Now) {
        let mut next: Option<Duration> = None;
        for _ in 0..self.outbound.waiting.len() {
            let Some(bind) = self.outbound.waiting.pop_front() else { break };
            let Some(held) = self.outbound.binds.get_mut(bind) else { continue };
            if self.drain != Drain::No || !held.wanted {
                held.link = Link::Down;
                continue;
            }
            match self.shared.turns.take(held.carrier, now.mono) {
                Turn::Now => {
                    held.link = Link::Connecting;
                    self.ops.push_back(Op::Connect(bind));
                }
                Turn::Carrier(at) => {
                    self.outbound.waiting.push_back(bind);
                    next = Some(next.map_or(at, |other| other.min(at)));
                }
                Turn::All(at) => {
                    self.outbound.waiting.push_front(bind);
                    next = Some(next.map_or(at, |other| other.min(at)));
                    break;
                }
            }
        }
        let standing = self.outbound.turn_at.filter(|at| *at > now.mono);
        self.outbound.turn_at = standing;
        if let Some(at) = next.filter(|at| standing.is_none_or(|standing| *at < standing)) {
            self.outbound.turn_at = Some(at);
            self.wheel.insert(at, Timer::Turn);
        }
    }
}
