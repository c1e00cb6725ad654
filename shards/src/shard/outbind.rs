//! Outbind: a carrier connects to us and asks us to bind on its connection [3.4 section 4.1.7].
//! Part of the shard's machine: the carrier's binds on this shard wait for such connections.

use std::net::SocketAddr;

use postrider_core::clock::Now;
use postrider_core::config::OutbindConfig;
use postrider_core::route::CarrierIx;
use subtle::ConstantTimeEq;

use super::bind::Link;
use super::{BindIx, Drain, Shard};
use crate::stats::Counter;

impl Shard {
    /// Where carriers with binds on this shard are to be listened for.
    pub fn outbind_listeners(&self) -> impl Iterator<Item = (CarrierIx, SocketAddr)> {
        let carriers = (0..).map(CarrierIx).zip(&self.outbound.carriers);
        carriers.filter(|(_, carrier)| !carrier.binds.is_empty()).filter_map(|(ix, _)| {
            let listen = self.outbind_of(ix)?.listen;
            Some((ix, listen))
        })
    }

    /// A carrier connected: the bind that the connection is for. `None`, and nothing happens, when
    /// every bind of the carrier has its connection or the shard stops.
    pub fn take_outbind_slot(&mut self, carrier: CarrierIx) -> Option<BindIx> {
        if self.drain != Drain::No {
            return None;
        }
        let own = self.outbound.carriers.get(usize::from(carrier.0))?;
        let free = |bind: &&BindIx| {
            self.outbound.binds.get(**bind).is_some_and(|held| held.link == Link::Down)
        };
        let bind = own.binds.iter().find(free).copied()?;
        self.outbound.binds.get_mut(bind)?.link = Link::Connecting;
        Some(bind)
    }

    /// The connection of `take_outbind_slot` is ready: its outbind is awaited.
    pub fn handle_bind_accepted(&mut self, now: Now, bind: BindIx) {
        if self.is_current(bind)
            && let Some(held) = self.outbound.binds.get_mut(bind)
        {
            held.link = Link::Up;
            held.epoch += 1;
            held.session.handle_accepted(now.mono);
        }
        self.bind_events(now, bind);
        self.pump(now);
    }

    /// Whether this bind is connected to, and never connects.
    pub(super) fn waits_for_outbind(&self, bind: BindIx) -> bool {
        let carrier = self.outbound.binds.get(bind).map(|held| held.carrier);
        carrier.is_some_and(|carrier| self.outbind_of(carrier).is_some())
    }

    /// The carrier asks us to bind: it must know what we agreed on.
    pub(super) fn outbind_requested(&mut self, now: Now, bind: BindIx, asked: &Asked) {
        let carrier = self.outbound.binds.get(bind).map(|held| held.carrier);
        let agreed = carrier.and_then(|carrier| self.outbind_of(carrier));
        let accept = agreed.is_some_and(|agreed| asked.fits(agreed));
        if !accept {
            self.stats.inc(Counter::OutbindsRefused);
        }
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            held.session.answer_outbind(now.mono, accept);
        }
    }

    fn outbind_of(&self, carrier: CarrierIx) -> Option<&OutbindConfig> {
        let config = self.shared.config.carriers.get(usize::from(carrier.0))?;
        config.profile.outbind.as_ref()
    }
}

/// The credentials of an outbind, in octets of our own.
pub(super) struct Asked {
    pub(super) system_id: Vec<u8>,
    pub(super) password: Vec<u8>,
}

impl Asked {
    fn fits(&self, agreed: &OutbindConfig) -> bool {
        let id = self.system_id.ct_eq(agreed.system_id.as_bytes());
        let password = self.password.ct_eq(agreed.password.expose().as_bytes());
        (id & password).into()
    }
}
