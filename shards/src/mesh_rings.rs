//! The rings between the shards, as one shard holds them: two lanes to and from every peer, and
//! the peers' doorbells. Made once per process, handed out one set per shard.

use std::sync::Arc;

use postrider_core::limits;
use postrider_core::place::ShardId;

use crate::ring::{Consumer, Producer, ring};
use crate::rt::{Doorbell, DrainPolicy};
use crate::shard::MeshMessage;

/// One direction between two shards: requests and replies do not wait for each other.
struct Lanes<T> {
    requests: T,
    replies: T,
}

/// One shard's ends of all its rings.
pub struct Rings {
    out: Vec<Option<Lanes<Producer<MeshMessage>>>>,
    into: Vec<Option<Lanes<Consumer<MeshMessage>>>>,
    bells: Vec<Arc<Doorbell>>,
    own: usize,
    /// Peers that have something new to read since the last ring of their bells.
    rung: Vec<bool>,
}

impl Rings {
    /// The rings of a process with `shards` shards.
    #[must_use]
    pub fn all(shards: u16, policy: DrainPolicy) -> Vec<Rings> {
        let count = usize::from(shards);
        let bells: Vec<Arc<Doorbell>> = (0..count).map(|_| Doorbell::new(policy)).collect();
        let mut all: Vec<Rings> = (0..count)
            .map(|own| Rings {
                out: (0..count).map(|_| None).collect(),
                into: (0..count).map(|_| None).collect(),
                bells: bells.clone(),
                own,
                rung: vec![false; count],
            })
            .collect();
        for from in 0..count {
            for to in (0..count).filter(|to| *to != from) {
                let (request_in, request_out) = ring(limits::MESH_LANE);
                let (reply_in, reply_out) = ring(limits::MESH_LANE);
                let producers = Lanes { requests: request_in, replies: reply_in };
                let consumers = Lanes { requests: request_out, replies: reply_out };
                place(&mut all, from, |rings| &mut rings.out, to, producers);
                place(&mut all, to, |rings| &mut rings.into, from, consumers);
            }
        }
        all
    }

    /// This shard's bell.
    #[must_use]
    pub fn bell(&self) -> Arc<Doorbell> {
        self.bells.get(self.own).map_or_else(|| Doorbell::new(DrainPolicy::sleeping()), Arc::clone)
    }

    /// Puts a message on the ring to `to`; its bell rings at the next `ring_bells`.
    ///
    /// # Panics
    /// When the ring is full: the shard's machine counts the room before it sends.
    pub fn send(&mut self, to: ShardId, message: MeshMessage) {
        let at = usize::from(to.0);
        let Some(Some(lanes)) = self.out.get_mut(at) else { panic!("no ring to {to}") };
        let lane = match message {
            MeshMessage::Request { .. } => &mut lanes.requests,
            MeshMessage::Reply { .. } => &mut lanes.replies,
        };
        assert!(lane.push(message).is_ok(), "the ring to {to} is full");
        if let Some(rung) = self.rung.get_mut(at) {
            *rung = true;
        }
    }

    /// Rings the bell of every shard that was sent something since the last time.
    pub fn ring_bells(&mut self) {
        for (rung, bell) in self.rung.iter_mut().zip(&self.bells) {
            if std::mem::take(rung) {
                bell.ring();
            }
        }
    }

    /// The next message for this shard, replies first.
    pub fn receive(&mut self) -> Option<(ShardId, MeshMessage)> {
        for (at, lanes) in self.into.iter_mut().enumerate() {
            let Some(lanes) = lanes else { continue };
            if let Some(message) = lanes.replies.pop().or_else(|| lanes.requests.pop()) {
                return u16::try_from(at).ok().map(|shard| (ShardId(shard), message));
            }
        }
        None
    }

    /// Whether `receive` would find something.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let waiting = |lanes: &Lanes<Consumer<MeshMessage>>| {
            !lanes.replies.is_empty() || !lanes.requests.is_empty()
        };
        self.into.iter().flatten().any(waiting)
    }
}

fn place<T>(
    all: &mut [Rings],
    at: usize,
    side: impl Fn(&mut Rings) -> &mut Vec<Option<T>>,
    peer: usize,
    value: T,
) {
    if let Some(slot) = all.get_mut(at).and_then(|rings| side(rings).get_mut(peer)) {
        *slot = Some(value);
    }
}
