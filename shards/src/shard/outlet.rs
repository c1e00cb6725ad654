//! The queue of a carrier as messages go through it: in, out, aside while their recipient has as many
//! unanswered parts as it may, and what is left free for one-time passwords. Part of the shard's machine.

use std::time::Duration;

use postrider_core::clock::Now;
use postrider_core::lane::Lane;
use postrider_core::number::Msisdn;
use postrider_core::route::CarrierIx;

use super::Shard;
use super::choosing::Asker;
use super::cold::Waiting;
use super::message::Message;
use super::outbound::{Outbound, count};
use super::table::PartRef;

/// How long a lane waits for what others may need to become free before it is looked at again.
const FREE_AGAIN: Duration = Duration::from_millis(5);

/// What a lane leaves free at a carrier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftFree {
    /// Parts of the present second.
    parts: u32,
    /// Places in the windows.
    places: u32,
}

impl LeftFree {
    /// The more of both.
    pub(super) fn most(self) -> usize {
        count(self.parts.max(self.places))
    }
}

impl Outbound {
    /// What messages of a lane leave free at a carrier for one-time passwords. One that has its turn
    /// before a password that waits leaves nothing: no lane is left without a turn.
    pub(super) fn left_free(&self, now: Duration, ix: CarrierIx, lane: Lane) -> LeftFree {
        let Some(carrier) = self.carriers.get(usize::from(ix.0)) else {
            return LeftFree::default();
        };
        if lane == Lane::Otp || carrier.queue.waits(Lane::Otp) {
            return LeftFree::default();
        }
        let windows = self.binds_of(ix).filter(|bind| bind.can_submit());
        let windows = windows.map(|bind| u32::from(bind.window)).sum();
        let rate = carrier.lease.share().unwrap_or(0);
        let headroom = &carrier.headroom;
        LeftFree { parts: headroom.parts(now, rate), places: headroom.places(now, windows) }
    }

    /// Whether one more part of a lane could leave about now: rate, windows and log allow it behind what
    /// goes before it already, and what is left free; the carrier is not paused.
    pub(super) fn has_room(&self, ix: CarrierIx, now: Duration, asker: Asker) -> bool {
        let Some(carrier) = self.carriers.get(usize::from(ix.0)) else { return false };
        let before = carrier.queue.len_up_to(asker.lane) + carrier.ready.len();
        let before = before.saturating_sub(usize::from(asker.queued_on == Some(ix)));
        if self.is_far(ix) {
            return self.room_afar(ix) > before;
        }
        let left = self.left_free(now, ix, asker.lane);
        let parts = count(carrier.lease.room(now)).saturating_sub(count(left.parts));
        let places = self.window_room(ix, now).saturating_sub(count(left.places));
        parts.min(places) > before
    }

    /// Whether a part of another shard in this lane would leave free what is left for passwords.
    pub(super) fn leaves_one_free(&self, now: Duration, ix: CarrierIx, lane: Lane) -> bool {
        let left = self.left_free(now, ix, lane);
        left == LeftFree::default() || self.leaves_free(now, ix, 1, left)
    }

    /// Whether so many parts would leave that free.
    fn leaves_free(&self, now: Duration, ix: CarrierIx, parts: u32, left: LeftFree) -> bool {
        let Some(carrier) = self.carriers.get(usize::from(ix.0)) else { return false };
        let in_rate = carrier.lease.room(now) >= parts.saturating_add(left.parts);
        in_rate && self.window_room(ix, now) > count(left.places)
    }
}

impl Shard {
    /// Puts a message into its place in a carrier's queue; one that is not fresh before the others of
    /// its group.
    pub(super) fn enqueue(&mut self, carrier: CarrierIx, sequence: u64, fresh: bool) {
        let number = self.shared.carrier_number(carrier);
        let Some(message) = self.table.get_mut(sequence) else { return };
        message.queued_on = Some(carrier);
        let waiting = Waiting { fresh, ..waiting(message, number) };
        if let Some(own) = self.outbound.carrier_mut(carrier) {
            own.queue.put(waiting);
        }
        self.outbound.touch(carrier);
    }

    /// Takes a message out of the queue in which it waits, if it does.
    pub(super) fn unqueue(&mut self, sequence: u64) {
        let Some(message) = self.table.get_mut(sequence) else { return };
        let Some(carrier) = message.queued_on.take() else { return };
        let waiting = waiting(message, self.shared.carrier_number(carrier));
        let to = message.envelope.to;
        let Some(own) = self.outbound.carrier_mut(carrier) else { return };
        if own.queue.remove(waiting) {
            self.next_for(carrier, to);
            self.leaves_queue(carrier, sequence);
        } else if !own.destinations.remove(to, waiting) {
            self.unqueue_aside(carrier, sequence, waiting);
        }
    }

    /// Nothing of the front of a lane is to be sent: the next one is.
    pub(super) fn pass_over(&mut self, ix: CarrierIx, front: Waiting) {
        if let Some(carrier) = self.outbound.carrier_mut(ix) {
            carrier.queue.remove(front);
        }
        if let Some(message) = self.table.get_mut(front.sequence) {
            let to = message.envelope.to;
            message.queued_on = message.queued_on.filter(|queued| *queued != ix);
            self.next_for(ix, to);
            self.leaves_queue(ix, front.sequence);
        }
        self.stir(front.sequence);
    }

    /// The front of a lane steps aside when its recipient has as many unanswered parts as the carrier
    /// allows. Whether it did.
    pub(super) fn steps_aside(&mut self, ix: CarrierIx, front: Waiting) -> bool {
        let most = self.most_per_destination(ix);
        let Some(message) = self.table.get(front.sequence) else { return false };
        let (to, fresh) = (message.envelope.to, front.fresh && !message.any_submitted());
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return false };
        let full = carrier.destinations.is_full(to, most);
        if full {
            carrier.queue.remove(front);
            carrier.destinations.step_aside(to, Waiting { fresh, ..front });
            self.leaves_queue(ix, front.sequence);
        }
        full
    }

    /// Whether a message of a lane may send so many parts now, for all that is left free for others;
    /// else the queue is looked at again soon.
    pub(super) fn leaves_free(&mut self, now: Now, ix: CarrierIx, lane: Lane, parts: u32) -> bool {
        let left = self.outbound.left_free(now.mono, ix, lane);
        let leaves =
            left == LeftFree::default() || self.outbound.leaves_free(now.mono, ix, parts, left);
        if !leaves {
            self.resume_at(ix, now.mono + FREE_AGAIN);
        }
        leaves
    }

    /// So many parts of the front of a lane are on their way: a turn of its customer's.
    pub(super) fn had_turn(&mut self, ix: CarrierIx, front: Waiting, parts: u32) {
        let weight = self.shared.weight_of(front.group.customer);
        if let Some(carrier) = self.outbound.carrier_mut(ix) {
            carrier.queue.sent(front, weight, parts);
        }
        self.sender_had_turn(ix, front, parts);
    }

    /// A part goes to a bind, or its attempt goes on record first: its recipient has one more.
    pub(super) fn takes_destination(&mut self, ix: CarrierIx, part: PartRef) {
        if self.most_per_destination(ix) == 0 {
            return;
        }
        let to = self.table.get(part.sequence).map(|message| message.envelope.to);
        if let (Some(to), Some(carrier)) = (to, self.outbound.carrier_mut(ix)) {
            carrier.destinations.taken(to, part);
        }
    }

    /// A part will not go, or is not waited for any more: one for its recipient may.
    pub(super) fn frees_destination(&mut self, ix: CarrierIx, part: PartRef) {
        let most = self.most_per_destination(ix);
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return };
        if let Some(back) = carrier.destinations.released(part, most) {
            carrier.queue.put(back);
            self.outbound.touch(ix);
        }
    }

    /// A message for this recipient left the queue unsent: another one may come back.
    pub(super) fn next_for(&mut self, ix: CarrierIx, to: Msisdn) {
        let most = self.most_per_destination(ix);
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return };
        if let Some(back) = carrier.destinations.next_for(to, most) {
            carrier.queue.put(back);
            self.outbound.touch(ix);
        }
    }

    /// A part was written to a bind.
    pub(super) fn note_unanswered(&mut self, now: Now, ix: CarrierIx, part: PartRef, parts: u32) {
        self.takes_destination(ix, part);
        if self.is_password(part)
            && let Some(carrier) = self.outbound.carrier_mut(ix)
        {
            let rate = carrier.lease.share().unwrap_or(0);
            carrier.headroom.sent(now.mono, parts, rate);
        }
    }

    /// A part that was written to a bind is answered, or not waited for any more.
    pub(super) fn note_answered(&mut self, ix: CarrierIx, part: PartRef) {
        if self.is_password(part)
            && let Some(carrier) = self.outbound.carrier_mut(ix)
        {
            carrier.headroom.answered();
        }
        self.frees_destination(ix, part);
    }

    /// Whether a part is of a one-time password.
    pub(super) fn is_password(&self, part: PartRef) -> bool {
        let message = self.table.get(part.sequence);
        message.is_some_and(|message| message.envelope.lane == Lane::Otp)
    }

    fn most_per_destination(&self, ix: CarrierIx) -> u16 {
        self.shared.profile(Some(ix)).map_or(0, |profile| profile.per_destination)
    }
}

/// A message's place in the queue of the carrier with this durable number.
fn waiting(message: &Message, carrier: u32) -> Waiting {
    let envelope = &message.envelope;
    Waiting {
        fresh: true,
        deadline: envelope.deadline(),
        sequence: envelope.sequence,
        group: envelope.group_at(carrier),
    }
}
