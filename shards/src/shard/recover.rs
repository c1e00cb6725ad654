//! From the log back to the shard: replay rebuilds the table, then everything that was under way
//! starts again. Runs before the shard takes its first input.

use postrider_core::clock::{Now, UnixMs};
use postrider_core::lifecycle::{PartEvent, PartStatus};
use postrider_core::limits;
use postrider_storage::runs::receipts::ReceiptTable;
use postrider_storage::{
    Disk, Log, LogConfig, Observer, OpenError, Progress, Record, Recovery, Replayed, SegmentId,
    crash,
};

use super::customers::Customers;
use super::deliveries::Deliveries;
use super::deliveries::receipt::owed_since;
use super::fold;
use super::inbound::{Inbox, Owners};
use super::mesh::Mesh;
use super::message::ALL_PARTS;
use super::orphans::Orphans;
use super::outbound::Outbound;
use super::receipt_pdu::orphan_notice;
use super::submit::References;
use super::table::{PartRef, Table};
use super::{Drain, Shard, ShardParts, Shared};
use crate::stats::{Counter, Gauge, Stats};
use crate::wheel::Wheel;
use postrider_http::webhook::queue::WebhookQueue;

// A message's records fit the log's, with room to spare for its parts' events.
const _: () = assert!(limits::MAX_RECORD == postrider_storage::RECORD_BYTES_MAX);
const _: () = assert!(limits::MEMORY_PER_HOT_RECEIPT == ReceiptTable::BYTES_PER_ENTRY as u64);

/// What replay builds.
struct Replay<'a> {
    shared: &'a Shared,
    stats: &'a Stats,
    table: Table,
    orphans: Orphans,
    inbox: Inbox,
    references: References,
    next_sequence: u64,
    latest: UnixMs,
}

impl Shard {
    /// Opens the shard's log on `disk` and rebuilds the shard from it.
    ///
    /// # Errors
    /// When the log cannot be read or is corrupt; the error names the file and what to do.
    pub fn open<D: Disk>(
        parts: ShardParts,
        disk: &mut D,
        config: LogConfig,
        now: Now,
    ) -> Result<(Shard, Recovery), OpenError> {
        let mut replay = Replay {
            shared: &parts.shared,
            stats: &parts.stats,
            table: Table::new(),
            orphans: Orphans::new(),
            inbox: Inbox::new(),
            references: References::new(),
            next_sequence: 1,
            latest: now.wall,
        };
        let segment_bytes = config.segment_bytes;
        let (log, recovery) =
            Log::open_from(disk, config, now.mono, now.wall.0, None, &mut replay)?;
        let Replay { table, orphans, inbox, references, next_sequence, .. } = replay;
        let shards = parts.shared.placement.shards();
        let webhooks = &parts.shared.config.webhooks;
        let in_flight = limits::WEBHOOKS_IN_FLIGHT;
        let mut shard = Shard {
            id: parts.id,
            journal: super::journal::Journal::new(log),
            table,
            outbound: Outbound::new(&parts, now.mono),
            customers: Customers::new(parts.shared.config.customers.len(), parts.seed),
            mesh: Mesh::new(parts.id, shards, limits::MESH_LANE),
            orphans,
            // One for each open message at most, and those are bounded.
            webhooks: WebhookQueue::new(webhooks.connections_per_endpoint, in_flight)
                .limited_to(usize::MAX),
            deliveries: Deliveries::default(),
            inbox,
            owners: Owners::new(&parts.shared.config),
            wheel: Wheel::new(now.mono, limits::TICK),
            references,
            ops: std::collections::VecDeque::new(),
            next_sequence,
            segment_bytes,
            drain: Drain::No,
            seed: parts.seed,
            shared: parts.shared,
            stats: parts.stats,
        };
        shard.resume_all(now);
        crash::point("recovered");
        Ok((shard, recovery))
    }

    /// Takes up what was under way: parts without an answer are queued again, deadlines armed,
    /// webhooks and parked receipts scheduled.
    fn resume_all(&mut self, now: Now) {
        let mut owed = Vec::new();
        for sequence in self.table.sequences() {
            let Some(message) = self.table.publish(sequence) else { continue };
            owed.extend(message.owed.iter().filter_map(|receipt| {
                owed_since(message, *receipt).map(|since| (since, sequence, *receipt))
            }));
            if message.is_closed() {
                self.close_if_done(sequence);
            } else if message.outcome.is_some() {
                self.rearm_webhook(now, sequence);
            } else {
                self.arm_message(now, sequence);
                self.resume_parts(now, sequence);
            }
        }
        self.resume_deliveries(owed);
        self.resume_inbound(now);
        for orphan in self.orphans.numbers() {
            self.schedule_look(now, orphan);
        }
    }

    /// Queues what was not sent, and does what is to be done with what nobody can tell whether it
    /// was.
    fn resume_parts(&mut self, now: Now, sequence: u64) {
        for part in self.spread(PartRef { sequence, part: ALL_PARTS }) {
            let Some(held) = self.part(part) else { continue };
            if held.status == PartStatus::Queued && held.attempted {
                let carrier = held.carrier;
                self.stats.inc(Counter::PartsOutcomeUnknown);
                self.note_unknown(now, carrier, part);
            } else if held.status == PartStatus::OutcomeUnknown {
                self.settle_unknown(now, part);
            }
        }
        if self.table.get(sequence).is_some_and(|message| message.next_sendable().is_some()) {
            self.dispatch(now, sequence);
        }
    }

    /// Messages that are not closed; for the start's report.
    #[must_use]
    pub fn open_messages(&self) -> usize {
        self.table.open()
    }
}

impl Observer for Replay<'_> {
    fn record(&mut self, replayed: Replayed<'_>) {
        self.apply(replayed.at.segment, replayed.record);
    }

    fn progress(&mut self, progress: Progress) {
        let count = |segments: usize| u64::try_from(segments).unwrap_or(u64::MAX);
        self.stats.set(Gauge::ReplaySegments, count(progress.of));
        self.stats.set(Gauge::ReplaySegmentsRead, count(progress.segments));
        self.stats.set(Gauge::ReplayRecords, progress.records);
        self.stats.set(Gauge::ReplayBytes, progress.bytes);
    }
}

impl Replay<'_> {
    fn apply(&mut self, segment: SegmentId, record: &Record<'_>) {
        match record {
            Record::Accepted { .. } | Record::Carried { .. } => self.message(segment, record),
            Record::Part { sequence, .. }
            | Record::Webhook { sequence, .. }
            | Record::CustomerReceipt { sequence, .. }
            | Record::Replaced { sequence, .. } => self.change(*sequence, record),
            Record::Orphan { .. } => self.orphan(record),
            Record::OrphanClosed { orphan, .. } => {
                self.orphans.remove(*orphan);
            }
            Record::Mark { next_sequence, .. } => {
                self.next_sequence = self.next_sequence.max(*next_sequence);
            }
            Record::Inbound(record) => self.inbox.replay(segment, record),
            Record::InboundClosed { inbound, .. } => self.inbox.replay_end(*inbound),
            // Not written yet.
            Record::Closed { .. } | Record::Erased { .. } | Record::Epoch { .. } => {}
        }
    }

    /// A message, new or carried here from an older segment with its state.
    fn message(&mut self, segment: SegmentId, record: &Record<'_>) {
        let message = match fold::message_of(record, segment) {
            Ok(Some(message)) => message,
            Ok(None) => return,
            Err(error) => panic!("a verified batch holds a broken carried record: {error}"),
        };
        let envelope = &message.envelope;
        let sequence = envelope.sequence;
        self.next_sequence = self.next_sequence.max(sequence + 1);
        self.latest = self.latest.max(envelope.accepted);
        self.references.seen(&envelope.sender, envelope.to, envelope.reference);
        self.table.discard(sequence);
        for (part, carrier, id) in message.carrier_ids() {
            self.table.index(carrier, id, PartRef { sequence, part });
        }
        self.table.insert(message);
    }

    fn change(&mut self, sequence: u64, record: &Record<'_>) {
        // The message may have been forgotten with its segment.
        let Some(message) = self.table.get_mut(sequence) else { return };
        fold::apply(message, record);
        if let Record::Part { part, event, carrier, detail, .. } = record
            && let Some(PartEvent::Submitted | PartEvent::AcceptedLate) = PartEvent::from_u8(*event)
        {
            self.table.index(*carrier, detail, PartRef { sequence, part: *part });
        }
    }

    fn orphan(&mut self, record: &Record<'_>) {
        let Record::Orphan { orphan, carrier, .. } = record else { return };
        let Some(carrier) = self.shared.carrier_of(*carrier) else { return };
        let Some(notice) = orphan_notice(record, carrier) else { return };
        let forms = self.shared.learned.forms(carrier);
        self.orphans.insert(Some(*orphan), Box::new(notice), forms);
    }
}
