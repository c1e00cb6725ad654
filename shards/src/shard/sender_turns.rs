//! Messages whose sender has a rate of its own: they step aside in their carrier's queue until a slot of
//! their sender's is free, and take it as they leave. Part of the shard's machine.

use postrider_core::clock::Now;
use postrider_core::limits;
use postrider_core::rate::Wish;
use postrider_core::route::CarrierIx;
use postrider_core::sender::SenderId;

use super::Shard;
use super::cold::Waiting;
use super::outbound::token;
use super::senders::{SenderName, SenderRate, seats_for};
use super::table::PartRef;
use crate::stats::Counter;

impl Shard {
    /// A message's sender and its rate, when it has one.
    fn paced(&self, sequence: u64) -> Option<(SenderName, &SenderRate)> {
        let sender = &self.table.get(sequence)?.envelope.sender;
        Some((sender.as_text(), self.shared.senders.of(sender)?))
    }

    /// The same, to be kept while others change.
    fn sender_rate(&self, sequence: u64) -> Option<(SenderName, SenderRate)> {
        self.paced(sequence).map(|(sender, rate)| (sender, rate.clone()))
    }

    /// What this shard wishes for a carrier.
    fn wish(&self, ix: CarrierIx, rate: &SenderRate, parts: u32) -> Wish {
        let shards = u32::from(self.shared.placement.shards());
        let taker = u32::from(ix.0).wrapping_mul(shards).wrapping_add(u32::from(self.id.0));
        Wish { per_second: rate.per_second, parts: parts.max(1), taker }
    }

    /// The front of a lane steps aside when its sender has no slot for its next part now, or others of it
    /// go first. Whether it did.
    pub(super) fn waits_for_sender(
        &mut self,
        now: Now,
        ix: CarrierIx,
        front: Waiting,
        part: PartRef,
    ) -> bool {
        let Some((sender, rate)) = self.sender_rate(front.sequence) else { return false };
        let wish = self.wish(ix, &rate, self.parts_of(part));
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return false };
        if carrier.senders.claim(token(part), now.mono).is_some() {
            return false;
        }
        let at = match carrier.senders.may_go(&sender, front) {
            true => rate.pacer.ask(now.mono, &wish).err(),
            // It is in line.
            false => Some(now.mono),
        };
        let Some(at) = at else { return false };
        self.steps_behind(ix, front, &sender, &rate);
        if at > now.mono
            && let Some(carrier) = self.outbound.carrier_mut(ix)
        {
            carrier.senders.wait_until(&sender, at);
        }
        true
    }

    /// A message steps aside. When as many of its sender's wait in memory as may, it goes to the disk.
    fn steps_behind(
        &mut self,
        ix: CarrierIx,
        front: Waiting,
        sender: &SenderName,
        rate: &SenderRate,
    ) {
        let Some(message) = self.table.get(front.sequence) else { return };
        let (fresh, to) = (front.fresh && !message.any_submitted(), message.envelope.to);
        // One that has a seat of its sender's was counted when it got that.
        let seated = self.cold.is_sending_in(front.sequence, self.group_of(message));
        let Some(message) = self.table.get_mut(front.sequence) else { return };
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return };
        carrier.queue.remove(front);
        let waits = carrier.senders.len_up_to(sender, front.group.lane);
        if fresh && !seated && waits >= seats_for(rate.per_second) {
            message.queued_on = None;
            self.cold.turn_away(front.sequence);
            self.leaves_sender(ix, front.sequence, sender);
        } else {
            carrier.senders.step_aside(*sender, Waiting { fresh, ..front });
        }
        self.stats.inc(Counter::PartsWaitedForSender);
        self.next_for(ix, to);
    }

    /// Has a part take a slot of its sender's, unless it has one: it leaves now, or its attempt goes on
    /// record first. False when another shard was faster.
    pub(super) fn takes_slot(&mut self, now: Now, ix: CarrierIx, part: PartRef) -> bool {
        let Some((_, rate)) = self.sender_rate(part.sequence) else { return true };
        let wish = self.wish(ix, &rate, self.parts_of(part));
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return false };
        if carrier.senders.claim(token(part), now.mono).is_some() {
            return true;
        }
        let taken = rate.pacer.take(now.mono, &wish);
        if let Ok(until) = taken {
            carrier.senders.keep_claim(token(part), now.mono, until);
        } else {
            // It steps aside when it is looked at again.
            self.outbound.touch(ix);
        }
        taken.is_ok()
    }

    /// Whether the slot of a part whose attempt is on disk is over, and there is no other now.
    pub(super) fn lost_slot(&self, now: Now, ix: CarrierIx, part: PartRef) -> bool {
        let Some((_, rate)) = self.paced(part.sequence) else { return false };
        let carrier = self.outbound.carriers.get(usize::from(ix.0));
        let claim = carrier.and_then(|own| own.senders.claim(token(part), now.mono));
        let wish = self.wish(ix, rate, self.parts_of(part));
        claim.is_none() && rate.pacer.ask(now.mono, &wish).is_err()
    }

    /// So many parts of a message left, or soon will: the next one of its sender may come back.
    pub(super) fn sender_had_turn(&mut self, ix: CarrierIx, front: Waiting, parts: u32) {
        let Some((sender, _)) = self.paced(front.sequence) else { return };
        let weight = self.shared.weight_of(front.group.customer);
        let more = self.table.get(front.sequence).is_some_and(|own| own.next_sendable().is_some());
        if let Some(carrier) = self.outbound.carrier_mut(ix) {
            carrier.senders.sent(&sender, front, weight, parts);
            if more {
                carrier.senders.goes_on(&sender, front);
            }
            carrier.senders.wait_until(&sender, self.turned);
        }
    }

    /// A message left the queue of a carrier unsent, by its number.
    pub(super) fn leaves_queue(&mut self, ix: CarrierIx, sequence: u64) {
        if let Some((sender, _)) = self.paced(sequence) {
            self.leaves_sender(ix, sequence, &sender);
        }
    }

    fn leaves_sender(&mut self, ix: CarrierIx, sequence: u64, sender: &SenderName) {
        if let Some(carrier) = self.outbound.carrier_mut(ix)
            && carrier.senders.gone(sender, sequence)
        {
            carrier.senders.wait_until(sender, self.turned);
            self.outbound.touch(ix);
        }
    }

    /// Takes a message out of those that stepped aside at a carrier.
    pub(super) fn unqueue_aside(&mut self, ix: CarrierIx, sequence: u64, message: Waiting) {
        let Some((sender, _)) = self.paced(sequence) else { return };
        if let Some(carrier) = self.outbound.carrier_mut(ix)
            && carrier.senders.remove(&sender, message)
        {
            carrier.senders.wait_until(&sender, self.turned);
            self.outbound.touch(ix);
        }
    }

    /// Lets messages back into a carrier's queue whose sender's turn has come; one of each sender and
    /// carrier at a time.
    pub(super) fn let_senders_back(&mut self, now: Now, ix: CarrierIx) {
        while let Some(carrier) = self.outbound.carrier_mut(ix)
            && let Some(sender) = carrier.senders.poll_due(now.mono)
        {
            match carrier.senders.next(&sender) {
                Some(next) => self.let_sender_back(now, ix, &sender, next),
                None => self.look_at_sender(now, ix, &sender),
            }
        }
    }

    fn let_sender_back(&mut self, now: Now, ix: CarrierIx, sender: &SenderName, next: Waiting) {
        let parts = self.table.get(next.sequence).and_then(|message| {
            let whole = self.takes_whole(ix) && message.is_whole();
            u32::try_from(if whole { message.parts.len() } else { 1 }).ok()
        });
        let rate = self.paced(next.sequence);
        let at = rate.and_then(|(_, rate)| {
            let wish = self.wish(ix, rate, parts.unwrap_or(1));
            rate.pacer.ask(now.mono, &wish).err()
        });
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return };
        match at {
            Some(at) => carrier.senders.wait_until(sender, at),
            None => {
                if let Some(back) = carrier.senders.come_back(sender) {
                    carrier.queue.put(back);
                }
                carrier.senders.wait_until(sender, now.mono + limits::SENDER_LOOK_EVERY);
            }
        }
    }

    /// Others wait behind the message that came back, or nothing waits any more.
    fn look_at_sender(&mut self, now: Now, ix: CarrierIx, sender: &SenderName) {
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return };
        let back = carrier.senders.back(sender);
        let waits =
            |sequence| self.table.get(sequence).is_some_and(|own| own.queued_on == Some(ix));
        if let Some(gone) = back.filter(|back| !waits(*back)) {
            carrier.senders.gone(sender, gone);
            carrier.senders.wait_until(sender, now.mono);
        } else if carrier.senders.forget_idle(sender) {
            self.end_turns(ix, sender);
        } else {
            carrier.senders.wait_until(sender, now.mono + limits::SENDER_LOOK_EVERY);
        }
    }

    fn end_turns(&self, ix: CarrierIx, sender: &SenderName) {
        let rate = SenderId::parse(sender).ok().and_then(|sender| self.shared.senders.of(&sender));
        if let Some(rate) = rate {
            rate.pacer.leave(self.wish(ix, rate, 1).taker);
        }
    }

    /// Takes all messages that stepped aside at a carrier out.
    pub(super) fn drain_senders(&mut self, ix: CarrierIx) -> Vec<Waiting> {
        let Some(carrier) = self.outbound.carrier_mut(ix) else { return Vec::new() };
        let (senders, all) = carrier.senders.drain();
        senders.iter().for_each(|sender| self.end_turns(ix, sender));
        all
    }

    /// Looks at a carrier again when a sender's turn may have come.
    pub(super) fn arm_senders(&mut self, ix: CarrierIx) {
        let carrier = self.outbound.carriers.get(usize::from(ix.0));
        if let Some(at) = carrier.and_then(|own| own.senders.next_due()) {
            self.resume_at(ix, at);
        }
    }

    /// Another configuration counts: senders have other rates, maybe. Who waits looks again.
    pub(super) fn fit_senders(&mut self, now: Now) {
        self.shared.senders.begin(now.mono);
        for index in 0..self.outbound.carriers.len() {
            let Ok(ix) = u16::try_from(index).map(CarrierIx) else { return };
            let aside = self.drain_senders(ix);
            let Some(carrier) = self.outbound.carrier_mut(ix) else { return };
            aside.into_iter().for_each(|message| carrier.queue.put(message));
            self.outbound.touch(ix);
        }
    }
}
