//! Carriers' rates over the shards: what this shard's leases tell their lenders, and the lenders whose
//! home this shard is. Part of the shard's machine.

use std::time::Duration;

use postrider_core::clock::Now;
use postrider_core::limits;
use postrider_core::place::ShardId;
use postrider_core::rate::{Grant, Lender, Report};
use postrider_core::route::CarrierIx;

use super::mesh::{Call, Request};
use super::{Drain, Shard, Shared, Timer};

/// The lenders of the carriers whose home this shard is, by `CarrierIx`.
pub(super) struct Lenders(Vec<Option<Lender>>);

/// The shard that lends out a carrier's rate.
fn home_of(ix: CarrierIx, shards: u16) -> ShardId {
    ShardId(ix.0.checked_rem(shards).unwrap_or(0))
}

impl Lenders {
    pub(super) fn new(shared: &Shared, own: ShardId, now: Duration) -> Self {
        let mut lenders = Lenders(Vec::new());
        lenders.follow(shared, own, now);
        lenders
    }

    /// Goes on under a configuration, whose carriers begin with those of the one before.
    pub(super) fn follow(&mut self, shared: &Shared, own: ShardId, now: Duration) {
        let shards = shared.placement.shards();
        for (index, config) in (0u16..).zip(&shared.config.carriers) {
            match self.0.get_mut(usize::from(index)) {
                Some(Some(lender)) => lender.set_rate(now, config.rate()),
                Some(None) => {}
                None => {
                    let is_home = home_of(CarrierIx(index), shards) == own;
                    self.0.push(is_home.then(|| Lender::new(config.rate(), shards, now)));
                }
            }
        }
    }

    fn get_mut(&mut self, ix: CarrierIx) -> Option<&mut Lender> {
        self.0.get_mut(usize::from(ix.0))?.as_mut()
    }
}

impl Shard {
    /// Tells the lender of a carrier's rate what is new; true when it gave tokens at once.
    pub(super) fn report_rate(&mut self, now: Now, ix: CarrierIx) -> bool {
        if self.drain != Drain::No {
            return false;
        }
        let home = home_of(ix, self.shared.placement.shards());
        let reachable = home == self.id || self.mesh.has_room(home);
        let has_window = self.outbound.window_room(ix, now.mono) > 0;
        let afar = self.outbound.waiting_afar(ix);
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return false };
        let waiting = carrier.queue.len() + carrier.ready.len() + afar;
        let waiting = if has_window { u32::try_from(waiting).unwrap_or(u32::MAX) } else { 0 };
        let report = reachable.then(|| carrier.lease.poll_report(now.mono, waiting)).flatten();
        let mut given = false;
        match report {
            Some(report) if home == self.id => {
                let grant = self.lend(now, ix, self.id, report);
                given = !grant.tokens.is_empty();
                self.take_grant(now, ix, grant);
            }
            Some(report) => {
                let call = self.mesh.open(&[home], Call::Rate { carrier: ix });
                let report = Box::new(report);
                self.request(home, call, Request::Rate { carrier: ix, report });
            }
            None => {}
        }
        self.arm_report(now, ix, waiting, reachable);
        given
    }

    /// At the lender: what a shard may have.
    pub(super) fn lend(&mut self, now: Now, ix: CarrierIx, to: ShardId, report: Report) -> Grant {
        match self.lenders.get_mut(ix) {
            Some(lender) => {
                let grant = lender.handle_report(now.mono, usize::from(to.0), report);
                if let Some(learned) = self.shared.learned.of(ix) {
                    learned.pace().note(lender, grant.load.used);
                }
                grant
            }
            // Its configuration is newer than ours: it asks again.
            None => Grant::nothing(now.mono),
        }
    }

    /// What the lender gave.
    pub(super) fn take_grant(&mut self, now: Now, ix: CarrierIx, grant: Grant) {
        if let Some(carrier) = self.outbound.carrier_mut(ix) {
            carrier.lease.handle_grant(now.mono, grant);
        }
        self.outbound.touch(ix);
    }

    /// The rates of a configuration that has taken the place of another.
    pub(super) fn follow_rates(&mut self, now: Now) {
        self.lenders.follow(&self.shared, self.id, now.mono);
        for (config, carrier) in self.shared.config.carriers.iter().zip(&mut self.outbound.carriers)
        {
            carrier.lease.set_rate(config.rate());
        }
    }

    /// Reports that are due are made.
    pub(super) fn report_due(&mut self, ix: CarrierIx) {
        if let Some(carrier) = self.outbound.carrier_mut(ix) {
            carrier.report_at = None;
        }
        self.outbound.touch(ix);
    }

    /// One timer for the next report.
    fn arm_report(&mut self, now: Now, ix: CarrierIx, waiting: u32, reachable: bool) {
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return };
        let Some(mut at) = carrier.lease.report_at(now.mono, waiting) else { return };
        if !reachable {
            at = at.max(now.mono + limits::RATE_REPORT_EVERY);
        }
        if carrier.report_at.is_none_or(|standing| at < standing) {
            carrier.report_at = Some(at);
            self.wheel.insert(at, Timer::Rate(ix));
        }
    }
}
