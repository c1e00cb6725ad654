//! The shard that holds binds of a carrier, for the shards that hold none: whose turn it is, parts that
//! came, and the answers to them. Part of the shard's machine.

use std::time::Duration;

use postrider_core::clock::{Now, UnixMs};
use postrider_core::credit::{Ask, Credit};
use postrider_core::lane::Lane;
use postrider_core::limits;
use postrider_core::place::ShardId;
use postrider_core::route::CarrierIx;
use postrider_core::sequence::NO_MESSAGE;
use postrider_smpp::pdu::{Body, VERSION_5_0, decode_for, next_frame};
use postrider_smpp::session::SubmitRefused;
use postrider_smpp::status::Verdict;
use postrider_storage::crash;

use super::board::Posted;
use super::{Arrived, Crossed, Crossing, LateAnswer, Serving, WrittenPart};
use crate::shard::answers::Response;
use crate::shard::bind::Bind;
use crate::shard::mesh::{Call, Reply, Request};
use crate::shard::outbound::{Outbound, part_of, token};
use crate::shard::table::PartRef;
use crate::shard::{BindIx, CallId, Drain, Shard};
use crate::stats::Counter;

/// Credits are out for parts that leave within this time at most, as far as the rate goes: a more urgent
/// part waits no longer behind them.
const AHEAD: Duration = Duration::from_millis(10);

/// What came of an arrived part.
enum Handed {
    /// It is gone: to the carrier, or back.
    Gone,
    /// It waits for its share of the rate.
    Waits,
}

impl Serving {
    /// A bind is not wanted any more.
    pub(in crate::shard) fn drop_bind(&mut self, bind: BindIx) {
        self.granter.handle_bind(bind, None);
    }

    /// Whether a shard waits for something, or has a place in a window.
    pub(in crate::shard) fn is_busy(&self) -> bool {
        !self.arrived.is_empty() || self.granter.is_busy()
    }
}

impl Outbound {
    /// Tells the granter how the carrier's binds stand.
    fn note_binds(&mut self, ix: CarrierIx) {
        let Outbound { binds, carriers, .. } = self;
        let Some(carrier) = carriers.get_mut(usize::from(ix.0)) else { return };
        let granter = &mut carrier.serving.granter;
        for index in carrier.binds.iter().copied() {
            let Some(bind) = binds.get_mut(index) else { continue };
            granter.handle_bind(index, bind.takes_parts().then_some(bind.epoch));
            bind.promised = granter.granted(index);
            bind.unsettled = granter.unsettled(index);
        }
    }

    /// Gives one credit to the shard whose turn it is, when there is room for it.
    fn grant(&mut self, ix: CarrierIx, now: Duration) -> bool {
        let allowed = Lane::ALL.map(|lane| self.leaves_one_free(now, ix, lane));
        let Outbound { binds, carriers, .. } = self;
        let Some(carrier) = carriers.get_mut(usize::from(ix.0)) else { return false };
        let ahead = match carrier.lease.share() {
            None => usize::MAX,
            Some(share) => {
                let parts = u128::from(share) * AHEAD.as_millis() / 1_000;
                usize::try_from(parts).unwrap_or(usize::MAX).saturating_add(1)
            }
        };
        let room = usize::try_from(carrier.lease.room(now)).unwrap_or(usize::MAX);
        let granter = &mut carrier.serving.granter;
        if granter.granted_in_all() >= ahead.min(room) {
            return false;
        }
        let granted = granter.grant(|bind, lane| {
            let allowed = allowed.get(lane.index()) == Some(&true);
            binds.get(bind).filter(|_| allowed).map_or(0, |own| own.room(now))
        });
        if granted {
            self.note_binds(ix);
        }
        granted
    }

    /// Posts what the other shards, if there are any, go by when they choose a carrier.
    pub(in crate::shard) fn post(&self, ix: CarrierIx, now: Duration) {
        if self.is_alone() {
            return;
        }
        let Some(carrier) = self.carriers.get(usize::from(ix.0)) else { return };
        let windows = self.window_room(ix, now);
        let room = windows.min(usize::try_from(carrier.lease.room(now)).unwrap_or(usize::MAX));
        let waiting = carrier.queue.len() + carrier.ready.len() + carrier.serving.granter.wanted();
        let room = room.saturating_sub(waiting);
        self.board.post(
            ix,
            self.own(),
            Posted {
                trusted: self.binds_of(ix).any(Bind::is_trusted),
                tries: self.binds_of(ix).any(Bind::wants_trial),
                room: u32::try_from(room).unwrap_or(u32::MAX),
                load: carrier.lease.load(now),
            },
        );
    }

    /// Parts of other shards that wait for the carrier here.
    pub(in crate::shard) fn waiting_afar(&self, ix: CarrierIx) -> usize {
        let carrier = self.carriers.get(usize::from(ix.0));
        let serving = carrier.map(|carrier| &carrier.serving);
        serving.map_or(0, |own| own.granter.wanted() + own.arrived.len())
    }
}

// ---- Asks and turns ----

impl Shard {
    /// A shard without binds of the carrier asks for credits.
    pub(in crate::shard) fn serve_ask(
        &mut self,
        from: ShardId,
        call: CallId,
        ix: CarrierIx,
        ask: Ask,
    ) {
        let draining = self.drain != Drain::No;
        let Some(carrier) = self.outbound.carrier_mut(ix) else {
            return self.reply(from, call, Reply::Credits(Vec::new()));
        };
        let granter = &mut carrier.serving.granter;
        granter.handle_ask(from.0, call, ask);
        if draining || carrier.binds.is_empty() {
            granter.release();
        }
        self.outbound.note_binds(ix);
        self.tell_credits(ix);
        self.outbound.touch(ix);
    }

    /// Nothing is granted for a while: whoever waits for credits is to look for another way.
    pub(in crate::shard) fn release_asks(&mut self, ix: CarrierIx) {
        if let Some(carrier) = self.outbound.carrier_mut(ix) {
            carrier.serving.granter.release();
        }
        self.tell_credits(ix);
    }

    fn tell_credits(&mut self, ix: CarrierIx) {
        while let Some(carrier) = self.outbound.carrier_mut(ix)
            && let Some(reply) = carrier.serving.granter.poll_reply()
        {
            self.reply(ShardId(reply.owner), reply.ask, Reply::Credits(reply.credits));
        }
    }

    /// Lets the parts of all shards go in their turn: those that came, then credits and this shard's own.
    pub(in crate::shard) fn serve(&mut self, now: Now, ix: CarrierIx) {
        self.outbound.note_binds(ix);
        let carrier = self.outbound.carriers.get(usize::from(ix.0));
        if self.drain != Drain::No || carrier.is_none_or(|own| own.binds.is_empty()) {
            self.release_asks(ix);
        }
        while self.hand_over_arrived(now, ix) {}
        while self.serve_next(now, ix) {}
        self.tell_credits(ix);
    }

    /// One part of this shard, or a credit for one of another; false when all have to wait.
    fn serve_next(&mut self, now: Now, ix: CarrierIx) -> bool {
        let own = self.front_of(ix);
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return false };
        if carrier.serving.granter.leads(own) && self.outbound.grant(ix, now.mono) {
            return true;
        }
        if own.is_some() && self.submit_next(now, ix) {
            if let Some(carrier) = self.outbound.carrier_mut(ix) {
                carrier.serving.granter.handle_own_turn();
            }
            return true;
        }
        self.outbound.grant(ix, now.mono)
    }

    /// The lane and the deadline of this shard's own next message.
    fn front_of(&self, ix: CarrierIx) -> Option<(Lane, UnixMs)> {
        let carrier = self.outbound.carriers.get(usize::from(ix.0))?;
        if let Some(part) = carrier.ready.front() {
            let envelope = &self.table.get(part.sequence)?.envelope;
            return Some((envelope.lane, envelope.deadline()));
        }
        let fronts = Lane::ALL.into_iter().zip(self.fronts(ix));
        fronts.filter_map(|(lane, front)| Some((lane, front?.deadline))).next()
    }
}

// ---- Parts ----

impl Shard {
    /// A part came for a bind of this shard.
    pub(in crate::shard) fn take_crossing(
        &mut self,
        now: Now,
        (from, call): (ShardId, CallId),
        ix: CarrierIx,
        crossing: Box<Crossing>,
    ) {
        let since = now.mono;
        if let Some(carrier) = self.outbound.carrier_mut(ix) {
            carrier.serving.arrived.push_back(Arrived { from, call, crossing, since });
        }
        self.outbound.touch(ix);
    }

    /// Does what can be done with the first part that came; false when none did, or it has to wait.
    fn hand_over_arrived(&mut self, now: Now, ix: CarrierIx) -> bool {
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return false };
        let Some(arrived) = carrier.serving.arrived.pop_front() else { return false };
        let Arrived { from, call, crossing, since } = arrived;
        match self.serve_crossing(now, ix, (from, call), &crossing, since) {
            Handed::Gone => true,
            Handed::Waits => {
                if let Some(carrier) = self.outbound.carrier_mut(ix) {
                    let arrived = Arrived { from, call, crossing, since };
                    carrier.serving.arrived.push_front(arrived);
                }
                false
            }
        }
    }

    fn serve_crossing(
        &mut self,
        now: Now,
        ix: CarrierIx,
        to: (ShardId, CallId),
        crossing: &Crossing,
        since: Duration,
    ) -> Handed {
        let credit = crossing.credit;
        let draining = self.drain != Drain::No;
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return Handed::Gone };
        if draining || !carrier.serving.granter.is_good(credit) {
            return self.give_back(ix, credit, to, Crossed::NotSent { stale: true });
        }
        if crossing.until.is_some_and(|until| until < now.mono) {
            return self.give_back(ix, credit, to, Crossed::NotSent { stale: false });
        }
        let (lease, parts) = (&mut carrier.lease, crossing.parts);
        let at = match crossing.lane {
            Lane::Otp => lease.next_urgent(now.mono, parts),
            Lane::Transactional | Lane::Bulk => lease.next(now.mono, parts),
        };
        let soon = at.unwrap_or(now.mono) <= now.mono + limits::CROSSING_WAITS;
        let patient = now.mono < since + limits::CROSSING_WAITS;
        match at {
            Some(at) if at <= now.mono => {}
            at if soon && patient => {
                let again = at.unwrap_or(since + limits::CROSSING_WAITS);
                self.resume_at(ix, again);
                return Handed::Waits;
            }
            // The carrier is left alone, or its rate is used up elsewhere.
            _ => return self.give_back(ix, credit, to, Crossed::NotSent { stale: false }),
        }
        self.write_crossing(now, ix, to, crossing)
    }

    fn give_back(
        &mut self,
        ix: CarrierIx,
        credit: Credit,
        (from, call): (ShardId, CallId),
        what: Crossed,
    ) -> Handed {
        if let Some(carrier) = self.outbound.carrier_mut(ix) {
            carrier.serving.granter.handle_used(credit);
        }
        self.outbound.note_binds(ix);
        self.reply(from, call, Reply::Crossed(Box::new(what)));
        Handed::Gone
    }

    /// Writes a part of another shard to the bind that its credit names.
    fn write_crossing(
        &mut self,
        now: Now,
        ix: CarrierIx,
        (from, call): (ShardId, CallId),
        crossing: &Crossing,
    ) -> Handed {
        let Crossing { credit, lane, pdu, parts, until: _, token: owners } = crossing;
        let bind = credit.at.bind;
        let number = self.written.next;
        let own = token(PartRef { sequence: NO_MESSAGE | number, part: 0 });
        let Some(held) = self.outbound.binds.get_mut(bind) else { return Handed::Gone };
        crash::point("unsubmitted");
        let frame = next_frame(pdu, limits::MAX_PDU).ok().flatten();
        let body = frame.and_then(|(frame, _)| decode_for(VERSION_5_0, &frame).ok());
        let refused = match body {
            Some(Body::Message(message)) => held.session.submit(now.mono, own, &message).err(),
            _ => return self.give_back(ix, *credit, (from, call), unreadable()),
        };
        let back = match refused {
            None => None,
            Some(SubmitRefused::NotBound | SubmitRefused::WindowFull) => {
                Some(Crossed::NotSent { stale: true })
            }
            Some(refused @ (SubmitRefused::Encode(_) | SubmitRefused::NotInVersion)) => {
                Some(Crossed::Unwritable(refused.to_string()))
            }
        };
        if let Some(back) = back {
            return self.give_back(ix, *credit, (from, call), back);
        }
        held.health.submitted(now.mono);
        if let Some(carrier) = self.outbound.carrier_mut(ix) {
            carrier.serving.granter.handle_used(*credit);
            carrier.lease.sent(now.mono, *parts);
            if *lane == Lane::Otp {
                let rate = carrier.lease.share().unwrap_or(0);
                carrier.headroom.sent(now.mono, *parts, rate);
            }
        }
        self.outbound.note_binds(ix);
        self.written.next = number.wrapping_add(1) % NO_MESSAGE;
        let part = WrittenPart { from, bind, lane: *lane, token: *owners, call: Some(call) };
        self.written.parts.insert(number, part);
        self.stats.bind(bind).submitted.inc();
        self.stats.inc(Counter::PartsSubmitted);
        self.flush(bind);
        self.arm(now, bind);
        self.watch(bind);
        Handed::Gone
    }
}

fn unreadable() -> Crossed {
    Crossed::Unwritable(String::from("it cannot be read where its bind is"))
}

// ---- Answers ----

impl Shard {
    /// The carrier answered a part of another shard.
    pub(in crate::shard) fn crossing_answered(
        &mut self,
        carrier: CarrierIx,
        answer: Verdict,
        response: &Response,
    ) {
        let number = part_of(response.token).sequence ^ NO_MESSAGE;
        let Some(part) = self.written.parts.remove(&number) else { return };
        if part.call.is_some() {
            self.note_password_answered(carrier, part.lane);
        }
        let response = response.of_owner(part.token);
        let Some(call) = part.call else {
            self.written.late.push_back((part.from, Box::new(LateAnswer { carrier, response })));
            return self.tell_late_answers();
        };
        if answer == Verdict::Done
            && let Some(own) = self.outbound.carrier_mut(carrier)
        {
            own.serving.granter.handle_taken(part.bind);
            self.outbound.note_binds(carrier);
        }
        let crossed = Crossed::Answered(Box::new(response));
        self.reply(part.from, call, Reply::Crossed(Box::new(crossed)));
    }

    /// The answer to a part of another shard will never come, or has not come in time.
    pub(in crate::shard) fn crossing_unknown(&mut self, carrier: CarrierIx, token: u64) {
        let number = part_of(token).sequence ^ NO_MESSAGE;
        let Some(part) = self.written.parts.get_mut(&number) else { return };
        let (from, lane) = (part.from, part.lane);
        if let Some(call) = part.call.take() {
            self.note_password_answered(carrier, lane);
            self.reply(from, call, Reply::Crossed(Box::new(Crossed::Unknown)));
        }
    }

    fn note_password_answered(&mut self, ix: CarrierIx, lane: Lane) {
        if lane == Lane::Otp
            && let Some(carrier) = self.outbound.carrier_mut(ix)
        {
            carrier.headroom.answered();
        }
    }

    /// The connection is gone: no answer comes late any more.
    pub(in crate::shard) fn forget_crossings(&mut self, bind: BindIx) {
        self.written.parts.retain(|_, part| part.bind != bind || part.call.is_some());
    }

    /// Late answers go to their owners as there are places for them.
    pub(in crate::shard) fn tell_late_answers(&mut self) {
        while let Some((to, _)) = self.written.late.front()
            && self.mesh.has_room(*to)
        {
            let Some((to, late)) = self.written.late.pop_front() else { return };
            let call = self.mesh.open(&[to], Call::Tell);
            self.request(to, call, Request::LateAnswer { late });
        }
    }
}
