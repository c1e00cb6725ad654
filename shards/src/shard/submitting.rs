//! From the carriers' queues to their binds: which part goes next, on which bind, and the PDU that
//! the session gets. Part of the shard's machine.

use std::time::Duration;

use postrider_core::clock::Now;
use postrider_core::config::Concatenation;
use postrider_core::lifecycle::PartStatus;
use postrider_core::route::CarrierIx;
use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::session::SubmitRefused;
use postrider_storage::crash;

use super::bind::Link;
use super::cold::Waiting;
use super::message::{ALL_PARTS, Message};
use super::outbound::{Outbound, token};
use super::table::PartRef;
use super::{BindIx, Drain, Op, Shard};
use crate::stats::{Counter, Histogram};

impl Shard {
    /// Lets every carrier that may have something to do submit what it can.
    pub(super) fn pump_carriers(&mut self, now: Now) {
        let durable = self.journal.log.durable();
        while let Some(ix) = self.outbound.dirty.pop() {
            let Some(carrier) = self.outbound.carriers.get_mut(usize::from(ix.0)) else { continue };
            carrier.dirty = false;
            for bind in carrier.binds.clone() {
                if let Some(bind) = self.outbound.binds.get_mut(bind) {
                    bind.settle(durable);
                }
            }
            self.let_senders_back(now, ix);
            self.pump_far(now, ix);
            self.report_rate(now, ix);
            loop {
                self.submit_all(now, ix);
                // Tokens that came at once are used at once.
                if !self.report_rate(now, ix) {
                    break;
                }
            }
            self.outbound.post(ix, now.mono);
            self.offer_room(now, ix);
            self.arm_senders(ix);
        }
        self.tell_late_answers();
    }

    fn submit_all(&mut self, now: Now, ix: CarrierIx) {
        if self.outbound.serves(ix) {
            self.serve(now, ix);
        } else {
            while self.submit_next(now, ix) {}
        }
    }

    /// Hands the next part of the carrier's queue to a bind; false when it has to wait.
    pub(super) fn submit_next(&mut self, now: Now, ix: CarrierIx) -> bool {
        let Some(carrier) = self.outbound.carriers.get(usize::from(ix.0)) else { return false };
        if self.drain != Drain::No {
            return false;
        }
        if let Some(part) = carrier.ready.front().copied() {
            return self.submit_ready(now, ix, part);
        }
        self.let_senders_back(now, ix);
        let Some(carrier) = self.outbound.carriers.get(usize::from(ix.0)) else { return false };
        let mut waits = None;
        for lane in carrier.queue.order() {
            // What has to wait lets only the more urgent pass.
            if waits.is_some_and(|waiting| lane > waiting) {
                continue;
            }
            let Some(carrier) = self.outbound.carriers.get(usize::from(ix.0)) else { break };
            let Some(front) = carrier.queue.front(lane) else { continue };
            if self.submit_front(now, ix, front) {
                return true;
            }
            waits = Some(lane);
        }
        false
    }

    /// Does what is to be done with the first message of a lane; false when it has to wait.
    fn submit_front(&mut self, now: Now, ix: CarrierIx, front: Waiting) -> bool {
        let sequence = front.sequence;
        let next = self.table.get(sequence).and_then(|message| {
            let open = message.outcome.is_none() && message.queued_on == Some(ix);
            message.next_sendable().filter(|_| open).map(|part| (part, message.bind))
        });
        let Some((first, sticky)) = next else {
            self.pass_over(ix, front);
            return true;
        };
        let Some(message) = self.table.get(sequence) else { return false };
        if message.envelope.valid_until <= now.wall {
            self.expire_unsent(now, sequence);
            return true;
        }
        let number = self.shared.carrier_number(ix);
        if self.went_elsewhere(message, number) {
            self.unqueue(sequence);
            self.dispatch(now, sequence);
            return true;
        }
        if self.steps_aside(ix, front) {
            return true;
        }
        let Some(message) = self.table.get(sequence) else { return false };
        let whole = self.takes_whole(ix) && message.is_whole();
        let part = PartRef { sequence, part: if whole { ALL_PARTS } else { first } };
        let parts = self.parts_of(part);
        if self.waits_for_sender(now, ix, front, part) {
            return true;
        }
        if self.outbound.is_far(ix) {
            let gone = self.cross_front(now, ix, part);
            if gone {
                self.had_turn(ix, front, parts);
            }
            return gone || self.overflows(now, ix, sequence);
        }
        let bind = self.pick_bind(now, ix, sticky, part);
        let bind = bind.filter(|_| self.leaves_free(now, ix, front.group.lane, parts));
        let Some(bind) = bind else { return self.overflows(now, ix, sequence) };
        let gone = if self.needs_record(ix, part) {
            let left = self.outbound.left_free(now.mono, ix, front.group.lane).most();
            let room = self.outbound.has_room_to_record(ix, now.mono, left);
            let room = room && self.takes_slot(now, ix, part);
            if room {
                self.record_attempt(now, ix, part);
            }
            room
        } else {
            self.takes_slot(now, ix, part) && self.submit_part(now, ix, bind, part)
        };
        if gone {
            self.had_turn(ix, front, parts);
        }
        gone
    }

    /// Whether another carrier has a part of a message after all: a handset joins only what comes one way.
    fn went_elsewhere(&self, message: &Message, number: u32) -> bool {
        let other = message.committed_to().filter(|own| *own != number);
        other.is_some_and(|own| self.shared.carrier_of(own).is_some())
    }

    /// Whether the carrier is given a text whole and cuts it itself.
    pub(super) fn takes_whole(&self, ix: CarrierIx) -> bool {
        let profile = self.shared.profile(Some(ix));
        profile.is_some_and(|profile| profile.concatenation == Concatenation::Payload)
    }

    /// Hands a part to a bind whose attempt is on disk; false when it has to wait.
    fn submit_ready(&mut self, now: Now, ix: CarrierIx, part: PartRef) -> bool {
        let number = self.shared.carrier_number(ix);
        let wanted = self.table.get(part.sequence).and_then(|message| {
            let held = message.part(part.part)?;
            let open = message.outcome.is_none() && held.status == PartStatus::Queued;
            (open && !self.went_elsewhere(message, number) && !message.ladder.bars(number))
                .then_some(message.bind)
        });
        if wanted.is_some() && self.lost_slot(now, ix, part) {
            // The disk was slow, or the carrier had no room.
            self.withdraw_first(now, ix);
            return true;
        }
        if wanted.is_some() && self.outbound.is_far(ix) {
            if !self.cross(now, ix, part) {
                return false;
            }
        } else if let Some(sticky) = wanted {
            let Some(bind) = self.pick_bind(now, ix, sticky, part) else { return false };
            if !self.takes_slot(now, ix, part) || !self.submit_part(now, ix, bind, part) {
                return false;
            }
        } else {
            self.frees_destination(ix, part);
        }
        if let Some(carrier) = self.outbound.carrier_mut(ix) {
            carrier.ready.pop_front();
            carrier.senders.end_claim(token(part));
        }
        for held in self.parts_mut(part) {
            held.recording = false;
        }
        if wanted.is_none() && self.is_open(part.sequence) {
            // The carrier refused another part of it meanwhile, or another one has a part after all.
            for part in self.spread(part) {
                self.not_taken(now, part, 0);
            }
            self.move_on(now, part.sequence);
        }
        self.close_if_done(now, part.sequence);
        true
    }

    /// The bind for the next part: the message's own while it is trusted, else the emptiest. When
    /// only the rate or a window that still grows stands in the way, a timer or the rate's lender brings
    /// us back.
    fn pick_bind(
        &mut self,
        now: Now,
        ix: CarrierIx,
        sticky: Option<BindIx>,
        part: PartRef,
    ) -> Option<BindIx> {
        let (parts, urgent) = (self.parts_of(part), self.is_password(part));
        let binds = &self.outbound.binds;
        let own = sticky
            .filter(|bind| binds.get(*bind).is_some_and(|b| b.is_trusted() && b.carrier == ix));
        let carrier = self.outbound.carriers.get_mut(usize::from(ix.0))?;
        let candidates = match &own {
            Some(own) => std::slice::from_ref(own),
            None => carrier.binds.as_slice(),
        };
        let mut grows: Option<Duration> = None;
        let mut best: Option<(usize, BindIx)> = None;
        for (index, bind) in candidates.iter().filter_map(|ix| Some((*ix, binds.get(*ix)?))) {
            let room = bind.room(now.mono);
            if room > best.map_or(0, |(room, _)| room) {
                best = Some((room, index));
            } else if room == 0 {
                grows = grows.into_iter().chain(bind.more_room_at(now.mono)).min();
            }
        }
        let Some((_, bind)) = best else {
            if let Some(at) = grows {
                self.resume_at(ix, at);
            }
            return None;
        };
        let lease = &mut carrier.lease;
        let at =
            if urgent { lease.next_urgent(now.mono, parts) } else { lease.next(now.mono, parts) };
        let at = at?;
        if at > now.mono {
            self.resume_at(ix, at);
            return None;
        }
        Some(bind)
    }

    /// How many parts a submit stands for: each takes its share of the rate.
    pub(super) fn parts_of(&self, part: PartRef) -> u32 {
        let all = self.table.get(part.sequence).filter(|_| part.part == ALL_PARTS);
        all.map_or(1, |message| u32::try_from(message.parts.len()).unwrap_or(u32::MAX))
    }

    fn submit_part(&mut self, now: Now, ix: CarrierIx, bind: BindIx, part: PartRef) -> bool {
        let Some(config) = self.shared.config.carriers.get(usize::from(ix.0)) else { return false };
        let parts = self.parts_of(part);
        let Some(message) = self.table.get(part.sequence) else { return false };
        let Outbound { binds, buffers, .. } = &mut self.outbound;
        let Some(held) = binds.get_mut(bind) else { return false };
        let token = token(part);
        crash::point("unsubmitted");
        let submit = |pdu: &ShortMessage<'_>| held.session.submit(now.mono, token, pdu);
        let words = match buffers.part(config, message, part.part, now, submit) {
            Ok(Ok(_)) => None,
            Ok(Err(SubmitRefused::NotBound | SubmitRefused::WindowFull)) => return false,
            Ok(Err(refused @ (SubmitRefused::Encode(_) | SubmitRefused::NotInVersion))) => {
                Some(refused.to_string())
            }
            Err(unwritable) => Some(unwritable.to_string()),
        };
        if let Some(words) = words {
            self.unwritable(now, ix, part, &words);
            return true;
        }
        if let Some(carrier) = self.outbound.carrier_mut(ix) {
            carrier.lease.sent(now.mono, parts);
            carrier.senders.end_claim(token);
        }
        self.stats.bind(bind).submitted.inc();
        self.stats.inc(Counter::PartsSubmitted);
        self.note_written(now, ix, part);
        if let Some(message) = self.table.get_mut(part.sequence) {
            message.bind = Some(bind);
        }
        self.note_unanswered(now, ix, part, parts);
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            held.health.submitted(now.mono);
        }
        self.flush(bind);
        self.arm(now, bind);
        self.watch(bind);
        true
    }

    pub(super) fn note_written(&mut self, now: Now, ix: CarrierIx, part: PartRef) {
        let number = self.shared.carrier_number(ix);
        let Some(message) = self.table.get_mut(part.sequence) else { return };
        if message.submitted.is_none() && matches!(part.part, 0 | ALL_PARTS) {
            let waited = now.wall.since(message.envelope.accepted);
            self.stats.observe(Histogram::AcceptToSubmit, waited);
        }
        for sent in message.parts_mut(part.part) {
            sent.in_flight = true;
            if sent.carrier != number {
                sent.tries = 0;
            }
            sent.carrier = number;
            sent.sent.get_or_insert(now.wall);
        }
    }

    /// Asks the driver to write what the bind has, once per turn.
    pub(super) fn flush(&mut self, bind: BindIx) {
        let Some(held) = self.outbound.binds.get_mut(bind) else { return };
        if held.session.has_output() && !held.flushing && held.link == Link::Up {
            held.flushing = true;
            self.ops.push_back(Op::Flush(bind));
        }
    }

    /// Appends what the bind has to write; called for `Op::Flush` and `Op::Close`.
    pub fn take_bind_output(&mut self, bind: BindIx, out: &mut Vec<u8>) {
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            held.flushing = false;
            held.session.take_output(out);
        }
    }
}
