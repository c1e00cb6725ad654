//! Keeping the log in its bounds: the oldest segment is given back when it is older than messages are
//! kept, or when segments run short. What is closed in it can no longer be read from then on; what is
//! open is carried forward first, in one record each, as long as that gains room. Part of the shard's
//! machine.

use std::collections::VecDeque;

use postrider_core::clock::{Now, UnixMs};
use postrider_core::limits;
use postrider_core::place::Partition;
use postrider_storage::register::Slot;
use postrider_storage::{CARRIED_RECYCLED, Position, Record, SegmentId, crash};

use super::deliveries::receipt_record;
use super::envelope_record::accepted_record;
use super::fetch::HOT;
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

impl Shard {
    /// Empties the oldest segment when its time is over or few are left, a share each turn.
    pub(super) fn pump_reclaim(&mut self, now: Now) {
        let (oldest, head) = (self.journal.log.oldest_segment(), self.journal.log.head_segment());
        self.ages.note(head, now.wall);
        if oldest >= head || !(self.is_outdated(now, oldest) || self.runs_short()) {
            return;
        }
        match self.table.oldest_home().filter(|home| *home <= oldest) {
            Some(home) => {
                for sequence in self.table.take_homed(home, limits::RECLAIM_PER_TURN) {
                    self.carry(now, sequence, home);
                }
            }
            None if !self.carry_inbound(now, oldest) => {}
            None if !self.carry_opt_outs(now, oldest) => {}
            None => {
                self.carry_orphans(now);
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

    fn carry(&mut self, now: Now, sequence: u64, home: SegmentId) {
        let Some(message) = self.table.get(sequence) else { return };
        if message.home() != home || message.listed > 0 {
            return;
        }
        let mut state = Vec::new();
        encode_state(message, self.shared.partition_of(&message.envelope), &mut state);
        let from = message.anchor().pack();
        let reason = CARRIED_RECYCLED;
        let record = Record::Carried { sequence, from, reason, state: &state };
        let appended = self.journal.append_lazy(now.mono, &record);
        let at = appended.at;
        self.table.rehome(sequence, at, appended.len);
        self.journal.then(After::Carried { sequence, at });
        crash::point("carried");
    }

    /// A message that was carried is on disk.
    pub(super) fn carried(&mut self, sequence: u64, at: Position) {
        // Closed since: the record that closes it comes later, and leads on.
        self.registers.set_slot(sequence, Slot { status: HOT, at });
    }
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
