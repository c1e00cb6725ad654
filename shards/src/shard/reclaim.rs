//! Keeping the log in its bounds: the oldest segment is given back when it is older than messages are
//! kept, or when segments run short. What is closed in it can no longer be read from then on; what is
//! open is carried forward first, in one record each, as long as that gains room. Part of the shard's
//! machine.

use std::collections::VecDeque;

use postrider_core::clock::{Now, UnixMs};
use postrider_core::lifecycle::PartStatus;
use postrider_core::limits;
use postrider_core::place::Partition;
use postrider_storage::register::{Anchored, AnchoredCursor, Slot, Statuses};
use postrider_storage::{CARRIED_RECYCLED, Position, Record, SegmentId, crash};

use super::cold::Cold;
use super::deliveries::receipt_record;
use super::envelope_record::accepted_record;
use super::fetch::{ENDED, HOT, Wanted};
use super::message::{Event, Message, Webhook, WebhookAttempt};
use super::{After, Shard};

/// When each segment before the head was written last, oldest first.
#[derive(Debug, Default)]
pub(super) struct Ages {
    ended: VecDeque<(SegmentId, UnixMs)>,
    head: Option<SegmentId>,
}

impl Ages {
    /// Something was written into `head`, at this time.
    pub(super) fn note(&mut self, head: SegmentId, at: UnixMs) {
        if self.head == Some(head) {
            return;
        }
        // What was written last into the one before is no younger than this.
        self.ended.extend(self.head.replace(head).map(|before| (before, at)));
    }

    /// What is known, oldest first; the head's time is not over.
    pub(super) fn known(&self) -> impl Iterator<Item = (SegmentId, UnixMs)> + '_ {
        self.ended.iter().copied()
    }

    /// As it was told: what is noted next is from the segment `from` on.
    pub(super) fn before(from: SegmentId, known: &[(SegmentId, UnixMs)]) -> Self {
        let known = known.iter().copied().filter(|(segment, _)| *segment < from);
        let mut ended: VecDeque<(SegmentId, UnixMs)> = known.collect();
        // When that one was left is noted with the first record behind it.
        let head = ended.pop_back().map(|(segment, _)| segment);
        Ages { ended, head }
    }

    /// When the oldest segment was written last, once it is left.
    fn oldest(&mut self, oldest: SegmentId) -> Option<UnixMs> {
        while self.ended.front().is_some_and(|(segment, _)| *segment < oldest) {
            self.ended.pop_front();
        }
        self.ended.front().filter(|(segment, _)| *segment == oldest).map(|(_, at)| *at)
    }
}

/// The look for open messages on disk alone in the segment that is being emptied.
#[derive(Debug)]
pub(super) struct Sweep {
    segment: Option<SegmentId>,
    /// Where it goes on.
    next: Option<AnchoredCursor>,
    /// Messages that are still to be read.
    found: Vec<u64>,
    /// Something is being looked for, or read.
    under_way: bool,
    /// Messages that could not be read.
    missed: usize,
    /// It is the second look, for those.
    again: bool,
}

impl Default for Sweep {
    fn default() -> Self {
        let next = Some(AnchoredCursor::default());
        Sweep { segment: None, next, found: Vec::new(), under_way: false, missed: 0, again: false }
    }
}

impl Shard {
    /// Empties the oldest segment when its time is over or few are left, a share each turn.
    pub(super) fn pump_reclaim(&mut self, now: Now) {
        let (oldest, head) = (self.journal.log.oldest_segment(), self.journal.log.head_segment());
        self.ages.note(head, now.wall);
        if oldest >= head || !(self.is_outdated(now, oldest) || self.runs_short()) {
            // What is parked from now on may lie there again.
            self.sweep.segment = None;
            return;
        }
        match self.table.oldest_home().filter(|home| *home <= oldest) {
            Some(home) => {
                for sequence in self.table.take_homed(home, limits::RECLAIM_PER_TURN) {
                    self.carry(now, sequence, home);
                }
            }
            None if !self.sweep(now, oldest) => {}
            None if !self.carry_inbound(now, oldest) => {}
            None if !self.carry_opt_outs(now, oldest) => {}
            None => {
                self.carry_orphans(now);
                self.sweep.segment = None;
                self.release_before(SegmentId(oldest.0 + 1));
            }
        }
    }

    /// Whether everything in the oldest segment is older than messages are kept.
    fn is_outdated(&mut self, now: Now, oldest: SegmentId) -> bool {
        let Some(retention) = self.shared.config.store.retention else { return false };
        self.ages.oldest(oldest).is_some_and(|at| at.after(retention) <= now.wall)
    }

    /// Whether segments run short, and carrying what is open would give some back: a log full of
    /// open messages is not moved round and round.
    fn runs_short(&self) -> bool {
        let room = self.journal.log.room();
        if room.used_segments + limits::RECLAIM_SEGMENTS <= room.max_segments {
            return false;
        }
        let others = u64::try_from(self.inbox.len() + self.orphans.len()).unwrap_or(u64::MAX);
        let live = self.table.bytes().saturating_add(others * limits::STORE_PER_HELD_RECEIPT);
        let written = u64::from(room.used_segments.saturating_sub(1)) * self.segment_bytes;
        // A segment of it may be padding and the end of another; a quarter is worth the work.
        live + self.segment_bytes + written / 4 <= written
    }

    /// Gives segments back. The log does so once all that was carried is on disk.
    fn release_before(&mut self, segment: SegmentId) {
        self.journal.log.release_before(segment);
        // A register is kept until all that left its segment is found elsewhere.
        self.journal.then(After::Released { before: segment });
        self.journal.strangers.release_before(segment);
        crash::point("released");
    }

    /// Whether the oldest segment is being emptied: nothing is parked that lies there.
    pub(super) fn is_emptying(&self) -> bool {
        self.sweep.segment.is_some()
    }

    /// Brings the open messages into memory that are on disk alone and lie in the oldest segment, a few
    /// at a time; they are carried forward from there. True when there are no more.
    fn sweep(&mut self, now: Now, oldest: SegmentId) -> bool {
        if self.sweep.under_way {
            return false;
        }
        if self.sweep.segment != Some(oldest) {
            self.sweep = Sweep { segment: Some(oldest), ..Sweep::default() };
        }
        let rest = self.sweep.found.len().saturating_sub(limits::RECLAIM_PER_TURN);
        let mut next = self.sweep.found.split_off(rest);
        next.retain(|sequence| !self.table.has(*sequence));
        if !next.is_empty() {
            self.sweep.under_way = true;
            self.want(now, next, Wanted::Sweep);
            return false;
        }
        if self.sweep.found.is_empty() {
            match self.sweep.next {
                Some(next) => {
                    self.sweep.under_way = true;
                    let parked = parked_statuses();
                    let rows = limits::RECLAIM_PER_TURN;
                    let search = self.registers.anchored_in(oldest, parked, next, rows);
                    self.look_for_anchored(now, search);
                }
                None if self.sweep.missed > 0 && !self.sweep.again => {
                    // Damage is in the same place the next time; what failed otherwise may not.
                    let segment = Some(oldest);
                    self.sweep = Sweep { segment, again: true, ..Sweep::default() };
                }
                None => return true,
            }
        }
        false
    }

    /// Messages on disk alone that lie in the segment which is being emptied; `None`: they could not be
    /// looked for, and are looked for again.
    pub(super) fn anchored_found(&mut self, found: Option<Anchored>) {
        self.sweep.under_way = false;
        if let Some(found) = found {
            self.sweep.next = found.next;
            self.sweep.found.extend(found.rows.into_iter().map(|(sequence, _)| sequence));
        }
    }

    /// Those that were wanted are in memory, as far as they could be read.
    pub(super) fn swept(&mut self, wanted: &[u64]) {
        self.sweep.under_way = false;
        self.sweep.missed += wanted.iter().filter(|sequence| !self.table.has(**sequence)).count();
    }

    fn carry(&mut self, now: Now, sequence: u64, home: SegmentId) {
        if self.table.get(sequence).is_some_and(|m| m.home() == home && m.listed == 0) {
            self.carry_forward(now, sequence);
        }
    }

    /// Writes the whole state of an open message as one record, which leads to it from now on.
    pub(super) fn carry_forward(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get(sequence) else { return };
        let Some(state) = carried_state(message, &self.shared) else {
            panic!("a message whose state is too large for a record was let grow");
        };
        let at = self.write_carried(now, message.anchor(), (sequence, CARRIED_RECYCLED), &state);
        self.journal.then(After::Carried { sequence, at });
        crash::point("carried");
    }

    /// Writes the state of a message as one record of kind carried, which stands for all that came
    /// since `anchor`: gives its place.
    pub(super) fn write_carried(
        &mut self,
        now: Now,
        anchor: Position,
        (sequence, reason): (u64, u8),
        state: &[u8],
    ) -> Position {
        let record = Record::Carried { sequence, from: anchor.pack(), reason, state };
        let appended = self.journal.append_lazy(now.mono, &record);
        self.table.rehome(sequence, appended.at, appended.len);
        appended.at
    }

    /// The record is on disk that leads to all of a message which stays in memory.
    pub(super) fn carried(&mut self, sequence: u64, at: Position) {
        // Closed since: the record that closes it comes later, and leads on.
        self.registers.set_slot(sequence, Slot { status: HOT, at });
        let filed = self.table.get(sequence).and_then(|message| message.filed.as_deref());
        if let Some(filed) = filed {
            self.cold.file(filed, Cold { sequence, at });
        }
    }
}

/// Statuses of messages on disk alone that are not closed.
pub(super) fn parked_statuses() -> Statuses {
    let open =
        [PartStatus::Queued, PartStatus::Held, PartStatus::Submitted, PartStatus::OutcomeUnknown];
    let [queued, held, submitted, unknown] = open.map(|status| status as u8);
    Statuses::of(&[queued, held, submitted, unknown, ENDED])
}

/// A message's whole state as a record of kind carried has it; `None` when it does not fit in one.
pub(super) fn carried_state(message: &Message, shared: &super::Shared) -> Option<Vec<u8>> {
    let mut state = Vec::new();
    encode_state(message, shared.partition_of(&message.envelope), &mut state);
    (state.len() <= limits::CARRIED_STATE_MAX).then_some(state)
}

/// A message's whole state: the records that would rebuild it, one after the other.
pub(super) fn encode_state(message: &Message, partition: Partition, out: &mut Vec<u8>) {
    let envelope = &message.envelope;
    accepted_record(envelope, &envelope.sender.as_text(), partition).encode(out);
    for event in &message.events {
        part_record(envelope.sequence, event).encode(out);
    }
    for (attempt, entry) in (0u16..).zip(&message.webhook_attempts) {
        webhook_record(message, attempt, entry).encode(out);
    }
    for end in &message.receipts {
        receipt_record(envelope.sequence, end).encode(out);
    }
    if let Some(at) = message.redacted {
        Record::Redacted { sequence: envelope.sequence, at_ms: at.0 }.encode(out);
    }
}

/// An event as the log holds it.
pub(super) fn part_record(sequence: u64, event: &Event) -> Record<'_> {
    Record::Part {
        sequence,
        part: event.part,
        event: event.kind as u8,
        carrier: event.carrier,
        status: event.status,
        at_ms: event.at.0,
        attempt: event.attempt,
        detail: &event.detail,
    }
}

fn webhook_record<'a>(message: &Message, attempt: u16, entry: &WebhookAttempt) -> Record<'a> {
    let next = match message.webhook {
        Webhook::Pending { due, .. } => due.0,
        Webhook::None | Webhook::Acknowledged | Webhook::GivenUp => 0,
    };
    Record::Webhook {
        sequence: message.envelope.sequence,
        attempt,
        at_ms: entry.at.0,
        next_ms: next,
        outcome: entry.outcome as u8,
        status: entry.status,
    }
}
