//! The shard that owns a part: credits for the carriers whose binds are elsewhere, parts that cross, and
//! what comes back. Part of the shard's machine.

use std::time::Duration;

use postrider_core::clock::Now;
use postrider_core::config::CarrierConfig;
use postrider_core::credit::{Credit, Holder, Want};
use postrider_core::lane::Lane;
use postrider_core::place::ShardId;
use postrider_core::route::{CarrierIx, Load};
use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::{ShortMessage, VERSION_5_0, encode_message_for};
use postrider_smpp::status::Verdict;

use super::board::Posted;
use super::{Crossed, Crossing, Far, FarBind, LateAnswer, Via, record};
use crate::shard::answers::Response;
use crate::shard::mesh::{Call, Request};
use crate::shard::outbound::{Carrier, Outbound, token};
use crate::shard::table::PartRef;
use crate::shard::{Drain, Shard, Timer};
use crate::stats::Counter;

/// What a part crosses with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crosses {
    pub(crate) carrier: CarrierIx,
    part: PartRef,
    credit: Credit,
    /// Nothing of it was ever given to a carrier before.
    first: bool,
}

impl Far {
    /// Fits it to a configuration of its carrier. What is held elsewhere is given back in time.
    pub(in crate::shard) fn fit(&mut self, config: &CarrierConfig, own: ShardId, shards: u16) {
        let first = config.served_by(own, shards);
        let others = config.serving(shards).filter(|core| *core != own && Some(*core) != first);
        self.serving.clear();
        self.serving.extend(first.into_iter().chain(others));
        for core in &self.serving {
            if self.holders.iter().all(|(own, _)| own != core) {
                self.holders.push((*core, Holder::default()));
            }
        }
    }

    /// Whether answers to parts that crossed are to be told once they are on disk.
    pub(in crate::shard) fn has_unsettled(&self) -> bool {
        self.holders.iter().any(|(_, holder)| holder.has_unsettled())
    }

    fn held(&self) -> usize {
        self.holders.iter().map(|(_, holder)| holder.held()).sum()
    }
}

impl Outbound {
    /// Whether parts for the carrier go to other shards' binds: none of its binds here is worth its
    /// window, or wants a part to try.
    pub(in crate::shard) fn is_far(&self, ix: CarrierIx) -> bool {
        let served = |own: &Carrier| !own.far.serving.is_empty();
        let served = self.carriers.get(usize::from(ix.0)).is_some_and(served);
        served && !self.binds_of(ix).any(|bind| bind.is_trusted() || bind.wants_trial())
    }

    /// What other shards say of their binds of a carrier.
    fn posted(&self, ix: CarrierIx) -> impl Iterator<Item = (ShardId, Posted)> + '_ {
        let own = self.carriers.get(usize::from(ix.0));
        let serving = own.map(|own| own.far.serving.as_slice()).unwrap_or_default();
        serving.iter().map(move |core| (*core, self.board.read(ix, *core)))
    }

    /// Whether a bind of another shard is worth its window.
    pub(in crate::shard) fn is_trusted_afar(&self, ix: CarrierIx) -> bool {
        self.posted(ix).any(|(_, posted)| posted.trusted)
    }

    /// Whether a bind of another shard wants one part, to see what becomes of it.
    pub(in crate::shard) fn wants_trial_afar(&self, ix: CarrierIx) -> bool {
        self.posted(ix).any(|(_, posted)| posted.tries)
    }

    /// Parts that the binds of other shards would take of this one.
    pub(in crate::shard) fn room_afar(&self, ix: CarrierIx) -> usize {
        let Some(own) = self.carriers.get(usize::from(ix.0)) else { return 0 };
        let asked: usize = own.far.holders.iter().map(|(_, holder)| holder.asked()).sum();
        let free: usize =
            self.posted(ix).map(|(_, own)| usize::try_from(own.room).unwrap_or(0)).sum();
        free.saturating_add(asked).saturating_add(own.far.held())
    }

    /// How much of the carrier's rate is used, as far as the shards with binds know.
    pub(in crate::shard) fn load_afar(&self, ix: CarrierIx) -> Load {
        self.posted(ix).map(|(_, own)| own.load).max_by_key(|load| load.used).unwrap_or_default()
    }

    /// The shard to ask for credits: the first that can be trusted and has room, else the first that can
    /// be trusted or wants a part to try, else the first.
    fn core_for(&self, ix: CarrierIx) -> Option<ShardId> {
        let last = |own: &Posted| (!(own.trusted && own.room > 0), !own.trusted, !own.tries);
        self.posted(ix).min_by_key(|(_, own)| last(own)).map(|(core, _)| core)
    }

    /// Where a message's parts go on, while that shard's binds are trusted.
    fn lives(&self, ix: CarrierIx, far: FarBind) -> bool {
        self.posted(ix).any(|(core, posted)| core == far.core && posted.trusted)
    }

    /// What this shard holds at one that has binds of the carrier.
    fn holder(&mut self, ix: CarrierIx, core: ShardId) -> Option<&mut Holder> {
        let holders = &mut self.carrier_mut(ix)?.far.holders;
        holders.iter_mut().find(|(own, _)| *own == core).map(|(_, holder)| holder)
    }

    /// Whether one more attempt may go on record: no more than there are credits for.
    pub(in crate::shard) fn has_credit_to_record(&self, ix: CarrierIx) -> bool {
        let own = self.carriers.get(usize::from(ix.0));
        own.is_some_and(|own| own.recording + own.ready.len() < own.far.held())
    }
}

// ---- Credits ----

impl Shard {
    /// Hands over what there are credits for, and asks for more.
    pub(in crate::shard) fn pump_far(&mut self, now: Now, ix: CarrierIx) {
        let durable = record(self.journal.log.durable());
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return };
        for (_, holder) in &mut carrier.far.holders {
            holder.handle_durable(now.mono, durable);
        }
        let far = self.outbound.is_far(ix);
        if far {
            while self.submit_next(now, ix) {}
        }
        self.ask_for_credits(now, ix, far);
    }

    fn ask_for_credits(&mut self, now: Now, ix: CarrierIx, far: bool) {
        let core = self.outbound.core_for(ix).filter(|_| far && self.drain == Drain::No);
        let wants = core.map(|core| self.wants(ix, core)).unwrap_or_default();
        let begun = core.and_then(|core| self.begun_elsewhere(ix, core));
        let Some(carrier) = self.outbound.carriers.get_mut(usize::from(ix.0)) else { return };
        let mut due: Option<Duration> = None;
        let mut asks = Vec::new();
        for (at, holder) in &mut carrier.far.holders {
            let wants = match begun {
                _ if core == Some(*at) => wants,
                Some((own, wants)) if own == *at => wants,
                _ => Default::default(),
            };
            if core.is_none() {
                holder.give_back();
            }
            // The ask itself takes a place.
            if let Some(most) = self.mesh.crossings_free(*at).checked_sub(1)
                && let Some(ask) = holder.poll_ask(now.mono, wants, most)
            {
                asks.push((*at, ask));
            }
            due = due.into_iter().chain(holder.poll_timeout()).min();
        }
        for (core, ask) in asks {
            self.stats.add(Counter::CreditsUnused, wide(ask.back.len()));
            self.mesh.give_places(core, ask.back.len());
            let wanted = usize::try_from(ask.count()).unwrap_or(usize::MAX);
            self.mesh.take_places(core, 1 + wanted);
            let call = self.mesh.open_crossing(Call::Credits { carrier: ix, wanted });
            self.request(core, call, Request::Credits { carrier: ix, ask: Box::new(ask) });
        }
        self.arm_credits(ix, due);
    }

    fn arm_credits(&mut self, ix: CarrierIx, due: Option<Duration>) {
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return };
        if let Some(due) = due
            && carrier.far.due.is_none_or(|standing| due < standing)
        {
            carrier.far.due = Some(due);
            self.wheel.insert(due, Timer::Credit(ix));
        }
    }

    /// Unused credits, or answers that were to be told, are due.
    pub(in crate::shard) fn credits_due(&mut self, ix: CarrierIx) {
        if let Some(carrier) = self.outbound.carrier_mut(ix) {
            carrier.far.due = None;
        }
        self.outbound.touch(ix);
    }

    /// What waits here for the carrier's binds on that shard.
    fn wants(&self, ix: CarrierIx, core: ShardId) -> [Want; 3] {
        let mut wants = [Want::default(); 3];
        for (lane, waiting) in Lane::ALL.into_iter().zip(self.fronts(ix)) {
            let Some(waiting) = waiting else { continue };
            let after = self.far_bind(waiting.sequence, core).map(|far| far.at);
            if let Some(want) = wants.get_mut(lane.index()) {
                *want = Want { count: waiting.count, deadline: waiting.deadline, after };
            }
        }
        let ready = self.outbound.carriers.get(usize::from(ix.0)).into_iter();
        for part in ready.flat_map(|carrier| carrier.ready.iter()) {
            let Some(message) = self.table.get(part.sequence) else { continue };
            let lane = message.envelope.lane;
            let Some(want) = wants.get_mut(lane.index()) else { continue };
            let deadline = message.envelope.deadline();
            if want.count == 0 || deadline < want.deadline {
                want.deadline = deadline;
                want.after = message.far.filter(|far| far.core == core).map(|far| far.at);
            }
            want.count = want.count.saturating_add(1);
        }
        wants
    }

    /// The first message that goes on at a shard other than `core`, and what it wants there.
    fn begun_elsewhere(&self, ix: CarrierIx, core: ShardId) -> Option<(ShardId, [Want; 3])> {
        let fronts = Lane::ALL.into_iter().zip(self.fronts(ix));
        fronts.flat_map(|(lane, front)| Some((lane, front?))).find_map(|(lane, front)| {
            let far = self.table.get(front.sequence)?.far?;
            if far.core == core || !self.outbound.lives(ix, far) {
                return None;
            }
            let mut wants = [Want::default(); 3];
            *wants.get_mut(lane.index())? =
                Want { count: 1, deadline: front.deadline, after: Some(far.at) };
            Some((far.core, wants))
        })
    }

    /// Whether an ask for the carrier's binds is open.
    fn asks_for(&self, ix: CarrierIx) -> bool {
        let carrier = self.outbound.carriers.get(usize::from(ix.0));
        carrier.is_some_and(|own| own.far.holders.iter().any(|(_, holder)| holder.asks()))
    }

    fn far_bind(&self, sequence: u64, core: ShardId) -> Option<FarBind> {
        self.table.get(sequence)?.far.filter(|far| far.core == core)
    }

    /// Credits came, or an ask was in vain.
    pub(in crate::shard) fn take_credits(
        &mut self,
        now: Now,
        from: ShardId,
        (ix, wanted): (CarrierIx, usize),
        credits: &[Credit],
    ) {
        self.mesh.give_places(from, 1 + wanted);
        self.mesh.take_places(from, credits.len());
        if let Some(holder) = self.outbound.holder(ix, from) {
            holder.handle_grant(now.mono, credits);
        }
        if credits.is_empty() && !self.outbound.is_trusted(ix) && !self.asks_for(ix) {
            self.share_out_queue(now, ix);
        }
        self.outbound.touch(ix);
    }
}

// ---- Parts ----

impl Shard {
    /// Hands the part of a message to a bind of another shard, or writes its attempt down first; false
    /// when it has to wait.
    pub(in crate::shard) fn cross_front(&mut self, now: Now, ix: CarrierIx, part: PartRef) -> bool {
        if !self.needs_record(ix, part) {
            return self.cross(now, ix, part);
        }
        let room = self.outbound.has_credit_to_record(ix) && self.takes_slot(now, ix, part);
        if room {
            self.record_attempt(now, ix, part);
        }
        room
    }

    /// Hands a part over, when there is a credit for it.
    pub(in crate::shard) fn cross(&mut self, now: Now, ix: CarrierIx, part: PartRef) -> bool {
        let Some((core, credit)) = self.credit_for(now, ix, part) else { return false };
        if !self.takes_slot(now, ix, part) {
            self.credit_unused(ix, core, credit);
            return false;
        }
        let parts = self.parts_of(part);
        let Some(config) = self.shared.config.carriers.get(usize::from(ix.0)) else { return false };
        let Some(message) = self.table.get(part.sequence) else { return false };
        let first = message.part(part.part).is_some_and(|held| held.sent.is_none());
        let lane = message.envelope.lane;
        let mut pdu = Vec::new();
        let written = self
            .outbound
            .buffers
            .part(config, message, part.part, now, |own| write_pdu(&mut pdu, own));
        let words = match written {
            Ok(Ok(())) => None,
            Ok(Err(words)) => Some(words),
            Err(unwritable) => Some(unwritable.to_string()),
        };
        if let Some(words) = words {
            self.credit_unused(ix, core, credit);
            self.unwritable(now, ix, part, &words);
            return true;
        }
        let crosses = Crosses { carrier: ix, part, credit, first };
        let call = self.mesh.open_crossing(Call::Cross(crosses));
        let own = self.outbound.carrier_mut(ix);
        let until = own.and_then(|carrier| carrier.senders.end_claim(token(part)));
        let crossing = Box::new(Crossing { credit, lane, pdu, parts, until, token: token(part) });
        self.stats.inc(Counter::PartsCrossed);
        self.request(core, call, Request::Cross { carrier: ix, crossing });
        self.note_written(now, ix, part);
        self.note_unanswered(now, ix, part, parts);
        if let Some(message) = self.table.get_mut(part.sequence) {
            message.far = Some(FarBind { core, at: credit.at });
        }
        true
    }

    fn credit_for(&mut self, now: Now, ix: CarrierIx, part: PartRef) -> Option<(ShardId, Credit)> {
        let message = self.table.get(part.sequence)?;
        let (lane, far) = (message.envelope.lane, message.far);
        let far = far.filter(|far| self.outbound.lives(ix, *far));
        let carrier = self.outbound.carrier_mut(ix)?;
        carrier.far.holders.iter_mut().find_map(|(at, holder)| {
            let after = match far {
                Some(far) if far.core != *at => return None,
                far => far.map(|far| far.at),
            };
            Some((*at, holder.take(now.mono, lane, after)?))
        })
    }

    fn credit_unused(&mut self, ix: CarrierIx, core: ShardId, credit: Credit) {
        if let Some(holder) = self.outbound.holder(ix, core) {
            holder.handle_unused(credit);
        }
    }

    /// What became of a part that crossed.
    pub(in crate::shard) fn crossed(
        &mut self,
        now: Now,
        from: ShardId,
        crosses: Crosses,
        crossed: Crossed,
    ) {
        let Crosses { carrier, part, credit, first } = crosses;
        self.mesh.give_places(from, 1);
        match crossed {
            Crossed::Answered(response) => {
                let answer = self.reaction(carrier, response.status);
                self.apply_answer(now, (Via::Far, carrier), answer, &response);
                if answer == Verdict::Done {
                    let last = record(self.journal.last());
                    self.settles_later(carrier, from, credit, last);
                }
            }
            Crossed::Unknown => self.outcome_unknown(now, carrier, part),
            Crossed::NotSent { stale } => {
                if stale {
                    self.stats.inc(Counter::CreditsStale);
                    self.credit_stale(carrier, from, credit);
                }
                self.not_sent(now, carrier, part, first);
            }
            Crossed::Unwritable(words) => {
                self.note_answered(carrier, part);
                for held in self.parts_mut(part) {
                    held.in_flight = false;
                }
                self.unwritable(now, carrier, part, &words);
                self.close_if_done(now, part.sequence);
                self.stir(part.sequence);
            }
        }
        self.outbound.touch(carrier);
    }

    /// The shard with the bind counts an answer until all records so far are on disk.
    fn settles_later(&mut self, ix: CarrierIx, core: ShardId, credit: Credit, last: u64) {
        if let Some(holder) = self.outbound.holder(ix, core) {
            holder.handle_taken(credit.at.bind, last);
        }
    }

    fn credit_stale(&mut self, ix: CarrierIx, core: ShardId, credit: Credit) {
        if let Some(holder) = self.outbound.holder(ix, core) {
            holder.handle_gone(credit.at);
        }
    }

    /// A part that crossed was not written to a bind: it is where it was before.
    fn not_sent(&mut self, now: Now, ix: CarrierIx, part: PartRef, first: bool) {
        self.note_answered(ix, part);
        for held in self.parts_mut(part) {
            held.in_flight = false;
            if first {
                held.sent = None;
            }
        }
        for part in self.spread(part) {
            self.not_taken(now, part, 0);
        }
        self.enqueue_first(now, part.sequence);
        self.close_if_done(now, part.sequence);
        self.stir(part.sequence);
    }

    /// An answer to a part of which nobody knew.
    pub(in crate::shard) fn answered_late(&mut self, now: Now, late: &LateAnswer) {
        let LateAnswer { carrier, response } = late;
        let answer = self.reaction(*carrier, response.status);
        self.apply_answer(now, (Via::Far, *carrier), answer, response);
    }
}

/// The submit_sm as the shard with the bind reads it: in the widest version, without a number.
fn write_pdu(out: &mut Vec<u8>, message: &ShortMessage<'_>) -> Result<(), String> {
    let (version, command) = (VERSION_5_0, CommandId::SUBMIT_SM);
    encode_message_for(out, version, command, 0, message).map_err(|error| error.to_string())
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The front of a lane, and how many messages wait there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Front {
    pub(super) sequence: u64,
    pub(super) deadline: postrider_core::clock::UnixMs,
    pub(super) count: u32,
}

impl Response {
    /// The same as its owner names the part.
    pub(super) fn of_owner(&self, token: u64) -> Response {
        Response { token, ..self.clone() }
    }
}

impl Shard {
    /// The front of each lane of the carrier's queue.
    pub(super) fn fronts(&self, ix: CarrierIx) -> [Option<Front>; 3] {
        let Some(carrier) = self.outbound.carriers.get(usize::from(ix.0)) else { return [None; 3] };
        let mut before = 0;
        Lane::ALL.map(|lane| {
            let upto = carrier.queue.len_up_to(lane);
            let waiting = upto - std::mem::replace(&mut before, upto);
            let front = carrier.queue.front(lane)?;
            let count = u32::try_from(waiting).unwrap_or(u32::MAX);
            Some(Front { sequence: front.sequence, deadline: front.deadline, count })
        })
    }
}
