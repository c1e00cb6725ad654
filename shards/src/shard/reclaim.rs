//! Keeping the log in its bound: when segments run short, the oldest is given back. Closed messages
//! in it are forgotten, open ones are carried forward in one record each. Part of the shard's
//! machine.

use postrider_core::clock::Now;
use postrider_core::limits;
use postrider_storage::{CARRIED_RECYCLED, Record, SegmentId, crash};

use super::Shard;
use super::deliveries::receipt_record;
use super::envelope_record::accepted_record;
use super::message::{Event, Message, Webhook, WebhookAttempt};

impl Shard {
    /// Empties the oldest segment when few are left, a share each turn.
    pub(super) fn pump_reclaim(&mut self, now: Now) {
        let room = self.journal.log.room();
        if room.used_segments + limits::RECLAIM_SEGMENTS <= room.max_segments {
            return;
        }
        let oldest = self.journal.log.oldest_segment();
        if oldest >= self.journal.log.head_segment() {
            return;
        }
        match self.table.oldest_home().filter(|home| *home <= oldest) {
            Some(home) => {
                for sequence in self.table.take_homed(home, limits::RECLAIM_PER_TURN) {
                    self.carry_or_forget(now, sequence, home);
                }
            }
            None if !self.carry_inbound(now, oldest) => {}
            None => {
                self.carry_orphans(now);
                // The log gives the segment back once all this is on disk.
                self.journal.log.release_before(SegmentId(oldest.0 + 1));
                crash::point("released");
            }
        }
    }

    fn carry_or_forget(&mut self, now: Now, sequence: u64, home: SegmentId) {
        let Some(message) = self.table.get(sequence) else { return };
        if message.home != home {
            return;
        }
        if message.is_closed() {
            self.table.forget(sequence);
            return;
        }
        let mut state = Vec::new();
        encode_state(message, &self.shared, &mut state);
        let reason = CARRIED_RECYCLED;
        let carried = Record::Carried { sequence, from: 0, reason, state: &state };
        self.journal.append_lazy(now.mono, &carried);
        let head = self.journal.log.head_segment();
        self.table.rehome(sequence, head);
        crash::point("carried");
    }
}

/// A message's whole state: the records that would rebuild it, one after the other.
fn encode_state(message: &Message, shared: &super::Shared, out: &mut Vec<u8>) {
    let envelope = &message.envelope;
    let partition = shared.placement.partition(envelope.to);
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
