//! The binds of a rig's carriers, as a test plays their other end. Test code, pure.

use std::time::Duration;

use postrider_core::route::CarrierIx;
use postrider_shards::shard::BindIx;

use super::pdu::{self, Pdu};
use super::{Rig, at};

/// The connection of one bind.
#[derive(Default)]
pub(super) struct Wire {
    /// The shard asked for a connection and has none yet.
    pub(super) wanted: bool,
    pub(super) open: bool,
    /// What the shard wrote and the test has not looked at.
    pub(super) sent: Vec<u8>,
    /// Connections asked for so far.
    pub(super) connects: u32,
}

impl Rig {
    /// The connection of a bind.
    pub(super) fn wire(&mut self, bind: BindIx) -> &mut Wire {
        if self.wires.len() <= bind {
            self.wires.resize_with(bind + 1, Wire::default);
        }
        &mut self.wires[bind]
    }

    /// Whether the shard wants a connection for this bind.
    pub(crate) fn wants(&self, bind: BindIx) -> bool {
        self.wires.get(bind).is_some_and(|wire| wire.wanted)
    }

    /// Whether this bind's connection is open.
    pub(crate) fn is_open(&self, bind: BindIx) -> bool {
        self.wires.get(bind).is_some_and(|wire| wire.open)
    }

    /// Connections asked for so far.
    pub(crate) fn connects(&self, bind: BindIx) -> u32 {
        self.wires.get(bind).map_or(0, |wire| wire.connects)
    }

    /// Opens the connection that the shard wants.
    pub(crate) fn connect(&mut self, bind: BindIx) {
        let wire = self.wire(bind);
        assert!(wire.wanted, "bind {bind} wants no connection");
        (wire.wanted, wire.open) = (false, true);
        self.shard.handle_bind_connected(at(self.now), bind);
        self.settle();
    }

    /// The carrier connects to us; `None` when no bind waits for it.
    pub(crate) fn accept_outbind(&mut self, carrier: CarrierIx) -> Option<BindIx> {
        let bind = self.shard.take_outbind_slot(carrier)?;
        self.wire(bind).open = true;
        self.shard.handle_bind_accepted(at(self.now), bind);
        self.settle();
        Some(bind)
    }

    /// Refuses the connection that the shard wants.
    pub(crate) fn refuse_connect(&mut self, bind: BindIx) {
        let wire = self.wire(bind);
        assert!(wire.wanted, "bind {bind} wants no connection");
        wire.wanted = false;
        self.shard.handle_bind_closed(at(self.now), bind);
        self.settle();
    }

    /// Opens the connection and accepts the bind request; waits for the back-off if need be.
    pub(crate) fn bind(&mut self, bind: BindIx) {
        for _ in 0..600 {
            if self.wants(bind) {
                break;
            }
            self.pass(Duration::from_secs(1));
        }
        self.connect(bind);
        let asked = self.received(bind);
        let [request] = asked.as_slice() else { panic!("one bind request, not {asked:?}") };
        let answer = Pdu::new(request.command | pdu::NACK, 0, request.sequence, b"carrier\0");
        self.send(bind, &[answer]);
    }

    /// The connection is lost.
    pub(crate) fn lose(&mut self, bind: BindIx) {
        let wire = self.wire(bind);
        if std::mem::take(&mut wire.open) {
            self.shard.handle_bind_closed(at(self.now), bind);
            self.settle();
        }
    }

    /// PDUs of the carrier arrive.
    pub(crate) fn send(&mut self, bind: BindIx, pdus: &[Pdu]) {
        let octets: Vec<u8> = pdus.iter().flat_map(Pdu::octets).collect();
        self.send_octets(bind, &octets);
    }

    /// Octets of the carrier arrive.
    pub(crate) fn send_octets(&mut self, bind: BindIx, octets: &[u8]) {
        assert!(self.is_open(bind), "bind {bind} has no connection");
        self.shard.handle_bind_bytes(at(self.now), bind, octets);
        self.settle();
    }

    /// What the shard has sent on this bind since the last look.
    pub(crate) fn received(&mut self, bind: BindIx) -> Vec<Pdu> {
        let octets = std::mem::take(&mut self.wire(bind).sent);
        Pdu::read_all(&octets)
    }

    /// The submit_sm that the shard has sent on this bind since the last look; anything else fails.
    pub(crate) fn submits(&mut self, bind: BindIx) -> Vec<Pdu> {
        let pdus = self.received(bind);
        assert!(pdus.iter().all(|pdu| pdu.command == pdu::SUBMIT), "{pdus:?}");
        pdus
    }
}
