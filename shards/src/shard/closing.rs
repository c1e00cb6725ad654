//! Events of parts, and the ends they lead to: final statuses, validity, the end of a message's time
//! in memory, the graceful stop. Part of the shard's machine.

use std::time::Duration;

use postrider_core::clock::{Now, UnixMs};
use postrider_core::lifecycle::{PartEvent, PartStatus};
use postrider_core::limits;
use postrider_core::route::CarrierIx;
use postrider_storage::register::Slot;
use postrider_storage::{Lsn, Position, Record, Urgency};

use super::bind::Link;
use super::message::{Event, Message, NO_CARRIER};
use super::part::numbers_in;
use super::reclaim::part_record;
use super::table::PartRef;
use super::{After, Op, Shard, Timer};
use crate::stats::Counter;

/// Why a message expired; the status of its last refusal is told beside.
const OVER: &[u8] = b"validity period over";

/// How far a graceful stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drain {
    No,
    /// Nothing new; waiting for windows, calls and the log.
    Waiting,
    /// Unbound and marked clean; waiting for the mark's batch.
    Marked,
    /// All is on disk; waiting for the last checkpoint.
    Checkpoint,
    Done,
}

impl Shard {
    /// An event of `part`, now, with nothing to say beyond its kind.
    pub(super) fn event(&self, now: Now, part: PartRef, kind: PartEvent) -> Event {
        Event {
            at: now.wall,
            kind,
            part: part.part,
            carrier: NO_CARRIER,
            status: 0,
            attempt: 0,
            detail: Box::default(),
        }
    }

    /// Puts an event into the log and onto its message. `waited`: somebody waits for the record.
    /// Gives the record's number.
    ///
    /// # Panics
    /// When the lifecycle does not allow it.
    pub(super) fn part_event(
        &mut self,
        now: Now,
        sequence: u64,
        event: Event,
        waited: bool,
    ) -> Lsn {
        let record = part_record(sequence, &event);
        let urgency = if waited { Urgency::Waited } else { Urgency::Lazy };
        let appended = self.journal.add(now.mono, &record, urgency);
        if event.kind.names_part() {
            self.note_name(now, event.carrier, &event.detail, sequence, event.part);
        }
        self.stir(sequence);
        let Some(message) = self.table.note(sequence, appended.at, appended.len) else {
            panic!("an event for a message that this shard does not hold");
        };
        let owed = message.owed.len();
        let ended = message.apply(event);
        if let Some(receipt) = message.owed.get(owed).copied() {
            self.journal.then(After::Owed { sequence, receipt });
        }
        if let Some(status) = ended {
            self.finish(sequence, status);
        }
        self.close_if_done(now, sequence);
        appended.lsn
    }

    /// Puts a record of a message into the log, and notes where it can be read again.
    pub(super) fn append_of(
        &mut self,
        now: Now,
        sequence: u64,
        record: &Record<'_>,
        urgency: Urgency,
    ) -> Lsn {
        let appended = self.journal.add(now.mono, record, urgency);
        self.table.note(sequence, appended.at, appended.len);
        self.stir(sequence);
        appended.lsn
    }

    /// The message has its final status.
    fn finish(&mut self, sequence: u64, status: PartStatus) {
        self.stats.inc(match status {
            PartStatus::Delivered => Counter::MessagesDelivered,
            PartStatus::Undelivered => Counter::MessagesUndelivered,
            PartStatus::Expired => Counter::MessagesExpired,
            PartStatus::Rejected => Counter::MessagesRejected,
            PartStatus::Failed => Counter::MessagesFailed,
            PartStatus::Canceled => Counter::MessagesCanceled,
            PartStatus::Unknown
            | PartStatus::Queued
            | PartStatus::Held
            | PartStatus::Submitted
            | PartStatus::OutcomeUnknown => Counter::MessagesUnknown,
        });
        self.unqueue(sequence);
        self.set_deadline(sequence, None);
        if let Some(message) = self.table.get_mut(sequence) {
            message.ending = true;
        }
        self.journal.then(After::Finished { sequence });
    }

    /// Replaces the timer for the end of a message's validity or grace.
    pub(super) fn set_deadline(&mut self, sequence: u64, next: Option<(Duration, Timer)>) {
        let timer = next.map(|(at, timer)| self.wheel.insert(at, timer));
        let Some(message) = self.table.get_mut(sequence) else { return };
        if let Some(old) = std::mem::replace(&mut message.deadline, timer) {
            self.wheel.cancel(old);
        }
    }

    /// Closes a message once nothing is owed any more, and again after every record that still came:
    /// writes down where its records lie, by which it is read from then on.
    pub(super) fn close_if_done(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get_mut(sequence) else { return };
        if !message.is_closed() || message.listed == message.records.len() {
            return;
        }
        self.places.clear();
        for at in &message.records {
            at.push_to(&mut self.places);
        }
        let record = Record::Closed {
            sequence,
            at_ms: now.wall.0,
            status: message.status() as u8,
            records: &self.places,
        };
        let at = self.journal.append_lazy(now.mono, &record).at;
        let first = std::mem::replace(&mut message.listed, message.records.len()) == 0;
        message.closing = Some(at);
        self.journal.then(After::Closed { sequence, at });
        if first {
            self.table.close(sequence);
        }
    }

    /// The record that closes a message is on disk: the message is read from there.
    pub(super) fn closed(&mut self, sequence: u64, at: Position) {
        let Some(message) = self.table.get_mut(sequence) else { return };
        if message.closing != Some(at) {
            // More came meanwhile, and another such record with it.
            return;
        }
        message.closing = None;
        if let Some(filed) = message.filed.take() {
            self.cold.settle(&filed, sequence);
        }
        let slot = Slot { status: message.status() as u8, at };
        self.registers.set_slot(sequence, slot);
        self.let_go(sequence);
    }

    /// A message that is closed on disk leaves memory, unless somebody here waits for it. An open one may
    /// be parked from now on.
    pub(super) fn let_go(&mut self, sequence: u64) {
        let closed = |message: &Message| message.listed > 0 && message.closing.is_none();
        if self.lookups.holds(sequence) {
            return;
        }
        if self.table.get(sequence).is_some_and(closed) {
            self.lookups.note_departure(sequence);
            self.table.leave(sequence);
        }
        self.stir(sequence);
    }

    /// The validity of a message is over: what was not sent is not sent any more, and what was
    /// sent has the grace time to be receipted.
    pub(super) fn validity_over(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get(sequence) else { return };
        if message.outcome.is_some() {
            return;
        }
        let valid_until = message.envelope.valid_until;
        if valid_until > now.wall {
            self.wait_until(now, sequence, valid_until, Timer::Validity(sequence));
            return;
        }
        let grace = valid_until.after(limits::RECEIPT_GRACE);
        self.wait_until(now, sequence, grace, Timer::Grace(sequence));
        self.expire_unsent(now, sequence);
    }

    /// Ends the parts that no bind has taken: the validity is over.
    pub(super) fn expire_unsent(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get(sequence) else { return };
        for part in unsent_parts(message.parts.iter().map(|p| (p.status, p.in_flight))) {
            let part = PartRef { sequence, part };
            let event = self.event(now, part, PartEvent::Expired);
            let last = self.table.get(sequence).and_then(Message::last_refusal);
            let status = last.map_or(0, |last| last.status);
            let event = Event { status, detail: OVER.into(), ..event };
            if self.is_open(sequence) {
                self.part_event(now, sequence, event, true);
            }
        }
    }

    /// No receipt by validity plus grace: the parts that were sent stay unknown.
    pub(super) fn grace_over(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get(sequence) else { return };
        let grace = message.envelope.valid_until.after(limits::RECEIPT_GRACE);
        if grace > now.wall {
            self.wait_until(now, sequence, grace, Timer::Grace(sequence));
            return;
        }
        let open: Vec<u8> = message
            .parts
            .iter()
            .zip(0u8..)
            .filter(|(part, _)| !part.status.is_final())
            .map(|(_, index)| index)
            .collect();
        for part in open {
            if self.is_open(sequence) {
                let event = self.event(now, PartRef { sequence, part }, PartEvent::TimedOut);
                self.part_event(now, sequence, event, true);
            }
        }
    }

    /// A message is on disk: holds it until it is due, or puts its parts into a carrier's queue.
    pub(super) fn begin(&mut self, now: Now, sequence: u64) {
        self.arm_message(now, sequence);
        if self.table.get(sequence).is_some_and(|message| message.held_until().is_none()) {
            self.dispatch(now, sequence);
        }
        self.stir(sequence);
    }

    /// Puts the message's next deadline into the wheel: it becomes due, or its validity ends.
    pub(super) fn arm_message(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get(sequence) else { return };
        let (at, timer) = match message.held_until() {
            Some(due) => (due, Timer::Due(sequence)),
            None => (message.envelope.valid_until, Timer::Validity(sequence)),
        };
        self.wait_until(now, sequence, at, timer);
    }

    /// Arms a message's timer for a time of the wall clock. It may fire earlier: whoever it wakes
    /// looks at the clock, which runs otherwise than the timers when it is set.
    fn wait_until(&mut self, now: Now, sequence: u64, at: UnixMs, timer: Timer) {
        let rest = at.since(now.wall).min(limits::WALL_RECHECK);
        self.set_deadline(sequence, Some((now.mono + rest, timer)));
    }

    /// A message that was held may be sent, unless its validity ended first.
    pub(super) fn due(&mut self, now: Now, sequence: u64) {
        let Some(due) = self.table.get(sequence).and_then(Message::held_until) else { return };
        if due > now.wall {
            self.arm_message(now, sequence);
            return;
        }
        let Some(message) = self.table.get(sequence) else { return };
        if message.envelope.valid_until <= now.wall {
            return self.validity_over(now, sequence);
        }
        for part in numbers_in(&message.parts, PartStatus::Held) {
            let event = self.event(now, PartRef { sequence, part }, PartEvent::Released);
            self.part_event(now, sequence, event, false);
        }
        self.begin(now, sequence);
    }

    pub(super) fn is_open(&self, sequence: u64) -> bool {
        self.table.get(sequence).is_some_and(|message| message.outcome.is_none())
    }

    /// Begins a graceful stop: nothing new is accepted or submitted; what is in flight is awaited.
    /// `Op::Drained` says when everything is on disk and unbound.
    pub fn handle_drain(&mut self, now: Now) {
        if self.drain == Drain::No {
            self.drain = Drain::Waiting;
            for index in 0..self.outbound.carriers.len() {
                if let Ok(ix) = u16::try_from(index) {
                    self.withdraw_attempts(now, CarrierIx(ix));
                }
            }
            self.unbind_customers(now);
            self.stop_lookups(now);
            self.wheel.insert(now.mono + limits::DRAIN_LIMIT, Timer::DrainLimit);
        }
        self.pump(now);
    }

    /// Whether this shard has begun to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain != Drain::No
    }

    /// The drain has lasted long enough: what is still unanswered stays unanswered.
    pub(super) fn drain_limit(&mut self, now: Now) {
        match self.drain {
            Drain::Waiting => {
                self.close_customers(now);
                self.unbind_all(now, true);
            }
            // The next start reads more of the log, no more than that.
            Drain::Checkpoint => self.drained(),
            Drain::No | Drain::Marked | Drain::Done => {}
        }
    }

    /// Takes the stop a step further when it can go on.
    pub(super) fn pump_drain(&mut self, now: Now) {
        match self.drain {
            Drain::No | Drain::Done => {}
            Drain::Waiting => {
                let answered = self.outbound.in_flight() == 0 && self.deliveries.in_flight() == 0;
                let answered = answered && self.lookups.is_idle();
                let written = self.journal.waiting() == 0 && self.contents.waiting() == 0;
                if answered && written {
                    self.unbind_all(now, false);
                }
                let down = self.outbound.binds.iter().all(|bind| bind.link == Link::Down)
                    && self.customers.is_empty();
                if down && self.mesh.in_flight() == 0 && written {
                    self.mark_clean(now);
                    self.drain = Drain::Marked;
                }
            }
            Drain::Marked => {
                if self.journal.is_settled() && self.contents.is_settled() {
                    self.drain = Drain::Checkpoint;
                    self.wheel.insert(now.mono + limits::DRAIN_LIMIT, Timer::DrainLimit);
                    self.checkpoint_soon();
                    self.pump_checkpoint(now);
                }
            }
            Drain::Checkpoint => {
                if self.is_checkpointed(now) {
                    self.drained();
                }
            }
        }
    }

    fn drained(&mut self) {
        self.drain = Drain::Done;
        self.ops.push_back(Op::Drained);
    }

    fn unbind_all(&mut self, now: Now, at_once: bool) {
        for bind in 0..self.outbound.binds.len() {
            let Some(held) = self.outbound.binds.get_mut(bind) else { continue };
            match held.link {
                Link::Up if at_once => {
                    held.link = Link::Closing;
                    self.ops.push_back(Op::Close(bind));
                }
                Link::Up => {
                    held.session.unbind(now.mono);
                    self.bind_events(now, bind);
                }
                Link::Waiting => held.link = Link::Down,
                Link::Down | Link::Connecting | Link::Closing => {}
            }
        }
    }

    /// Writes where the sequence stands, as the last record of an orderly stop.
    fn mark_clean(&mut self, now: Now) {
        let next_sequence = self.next_sequence;
        let record = Record::Mark { at_ms: now.wall.0, next_sequence, clean: true };
        self.journal.append(now.mono, &record);
    }
}

/// The parts that no bind has taken.
pub(super) fn unsent_parts(parts: impl Iterator<Item = (PartStatus, bool)>) -> Vec<u8> {
    parts
        .zip(0u8..)
        .filter(|((status, in_flight), _)| {
            matches!(status, PartStatus::Queued | PartStatus::Held) && !in_flight
        })
        .map(|(_, index)| index)
        .collect()
}
