//! From the log back to the shard: replay rebuilds the table, then everything that was under way
//! starts again. Runs before the shard takes its first input.

use std::collections::BTreeMap;

use postrider_core::clock::{Now, UnixMs};
use postrider_core::lifecycle::{PartEvent, PartStatus};
use postrider_core::limits;
use postrider_http::webhook::queue::WebhookQueue;
use postrider_storage::register::{
    REGISTER_ROWS_MAX, RegisterConfig, RegisterRow, Registers, Slot,
};
use postrider_storage::runs::receipts::ReceiptTable;
use postrider_storage::{
    Disk, Log, LogConfig, LogIoError, LookUpError, Observer, OpenError, Position, Progress, Record,
    Recovery, Replayed, SegmentId, SideFile, crash, search,
};

use super::customers::Customers;
use super::deliveries::Deliveries;
use super::deliveries::receipt::owed_since;
use super::fetch::{Fetch, Lookups, register_row};
use super::fold;
use super::inbound::{Inbox, Owners};
use super::mesh::Mesh;
use super::message::{ALL_PARTS, Message};
use super::orphans::Orphans;
use super::outbound::Outbound;
use super::receipt_pdu::orphan_notice;
use super::reclaim::Ages;
use super::submit::References;
use super::table::{PartRef, Table};
use super::{Drain, Shard, ShardParts, Shared};
use crate::stats::{Counter, Gauge, Stats};
use crate::wheel::Wheel;

// A message's records fit the log's, with room to spare for its parts' events.
const _: () = assert!(limits::MAX_RECORD == postrider_storage::RECORD_BYTES_MAX);
const _: () = assert!(limits::MEMORY_PER_HOT_RECEIPT == ReceiptTable::BYTES_PER_ENTRY as u64);

const REGISTERS: RegisterConfig =
    RegisterConfig { rows: limits::REGISTER_ROWS, dirty: limits::REGISTER_CHANGES };
const _: () = assert!(limits::REGISTER_ROWS <= REGISTER_ROWS_MAX);

/// What replay builds.
struct Replay<'a> {
    shared: &'a Shared,
    stats: &'a Stats,
    table: Table,
    orphans: Orphans,
    inbox: Inbox,
    references: References,
    registers: Registers,
    ages: Ages,
    /// Messages whose acceptance went with its segment, for the registers.
    older: BTreeMap<u64, RegisterRow>,
    /// The first message whose acceptance is there.
    first: Option<u64>,
    /// Records that came after the one that closed their message.
    late: BTreeMap<u64, Vec<Position>>,
    /// The oldest segment there is.
    oldest: Option<SegmentId>,
    next_sequence: u64,
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
            registers: Registers::new(REGISTERS),
            ages: Ages::default(),
            older: BTreeMap::new(),
            first: None,
            late: BTreeMap::new(),
            oldest: None,
            next_sequence: 1,
        };
        remove_registers(disk)?;
        let segment_bytes = config.segment_bytes;
        let (log, recovery) =
            Log::open_from(disk, config, now.mono, now.wall.0, None, &mut replay)?;
        let Replay { table, orphans, inbox, references, next_sequence, .. } = replay;
        let (registers, ages) = (replay.registers, replay.ages);
        let (older, late) = (replay.older, replay.late);
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
            places: Vec::new(),
            registers,
            ages,
            lookups: Lookups::new(),
            next_sequence,
            segment_bytes,
            drain: Drain::No,
            seed: parts.seed,
            shared: parts.shared,
            stats: parts.stats,
        };
        for row in older.into_values() {
            shard.registers.accept(&row);
        }
        shard.registers.replayed();
        shard.registers.release_before(shard.journal.log.oldest_segment());
        shard.resume_all(now);
        for (sequence, places) in late {
            shard.resume_late(disk, now, sequence, places)?;
        }
        crash::point("recovered");
        Ok((shard, recovery))
    }

    /// Records came after the one that closed their message: it is closed anew with them.
    fn resume_late<D: Disk>(
        &mut self,
        disk: &mut D,
        now: Now,
        sequence: u64,
        places: Vec<Position>,
    ) -> Result<(), LogIoError> {
        let slot = known(search::run(self.registers.slot(sequence), disk))?;
        let Some(slot) = slot.flatten() else { return Ok(()) };
        let fetch = Fetch::new(sequence, slot.at).with_later(places);
        if let Some(message) = known(search::run(fetch, disk))? {
            self.table.wake(message);
            self.close_if_done(now, sequence);
        }
        Ok(())
    }

    /// Takes up what was under way: parts without an answer are queued again, deadlines armed,
    /// webhooks and parked receipts scheduled.
    fn resume_all(&mut self, now: Now) {
        let mut owed = Vec::new();
        for sequence in self.table.sequences() {
            let Some(message) = self.table.publish(sequence) else { continue };
            message.recovered = true;
            owed.extend(message.owed.iter().filter_map(|receipt| {
                owed_since(message, *receipt).map(|since| (since, sequence, *receipt))
            }));
            if message.is_closed() {
                self.close_if_done(now, sequence);
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
        self.apply(&replayed);
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
    fn apply(&mut self, replayed: &Replayed<'_>) {
        let Replayed { at, record, wall_ms, .. } = *replayed;
        self.oldest.get_or_insert(at.segment);
        self.ages.note(at.segment, UnixMs(wall_ms));
        match record {
            Record::Accepted { .. } | Record::Carried { .. } => self.begin(at, record),
            Record::Part { .. }
            | Record::Webhook { .. }
            | Record::CustomerReceipt { .. }
            | Record::Replaced { .. } => self.go_on(at, record),
            Record::Closed { sequence, status, records, .. } => {
                self.close(*sequence, Slot { status: *status, at }, records);
            }
            Record::Orphan { .. } => self.orphan(record),
            Record::OrphanClosed { orphan, .. } => {
                self.orphans.remove(*orphan);
            }
            Record::Mark { next_sequence, .. } => {
                self.next_sequence = self.next_sequence.max(*next_sequence);
            }
            Record::Inbound(record) => self.inbox.replay(at.segment, record),
            Record::InboundClosed { inbound, .. } => self.inbox.replay_end(*inbound),
            Record::Erased { .. } | Record::Epoch { .. } => {}
        }
    }

    /// A message as it was accepted, or with its whole state as it was carried here.
    fn begin(&mut self, at: Position, record: &Record<'_>) {
        let message = match fold::message_of(record, at) {
            Ok(Some(message)) => message,
            Ok(None) => return,
            Err(error) => panic!("a verified batch holds a broken carried record: {error}"),
        };
        self.register(&message, record);
        let envelope = &message.envelope;
        let sequence = envelope.sequence;
        self.next_sequence = self.next_sequence.max(sequence + 1);
        self.references.seen(&envelope.sender, envelope.to, envelope.reference);
        self.table.discard(sequence);
        self.late.remove(&sequence);
        self.table.insert(Box::new(message));
    }

    /// Puts a message into the registers. One whose acceptance went with its segment waits for the end:
    /// a register is filled in the order of acceptance.
    fn register(&mut self, message: &Message, record: &Record<'_>) {
        let row = register_row(self.shared, message);
        if let Record::Accepted { sequence, .. } = record {
            self.first.get_or_insert(*sequence);
        }
        if self.first.is_some_and(|first| first <= row.sequence) {
            self.registers.accept(&row);
        } else {
            self.older.insert(row.sequence, row);
        }
    }

    /// Something happened to a message.
    fn go_on(&mut self, at: Position, record: &Record<'_>) {
        let Some(sequence) = fold::sequence_of(record) else { return };
        let Some(message) = self.table.note(sequence, at, record.encoded_len()) else {
            // After it was closed; or its beginning went with its segment.
            self.late.entry(sequence).or_default().push(at);
            return;
        };
        fold::apply(message, record);
        if let Record::Part { part, event, carrier, detail, .. } = record
            && PartEvent::from_u8(*event).is_some_and(PartEvent::names_part)
        {
            self.table.index(*carrier, detail, PartRef { sequence, part: *part });
        }
    }

    /// A message is closed: it is read from where its records lie, as long as those are kept.
    fn close(&mut self, sequence: u64, slot: Slot, records: &[u8]) {
        self.late.remove(&sequence);
        let first = Position::list(records).next();
        let kept = first.is_some_and(|first| Some(first.segment) >= self.oldest);
        match self.older.get_mut(&sequence) {
            Some(row) => row.slot = slot,
            None if kept => self.registers.set_slot(sequence, slot),
            None => self.registers.forget(sequence),
        }
        if let Some(message) = self.table.get_mut(sequence) {
            let before = std::mem::replace(&mut message.listed, message.records.len());
            if before == 0 {
                self.table.close(sequence);
            }
            self.table.leave(sequence);
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

/// The whole log is replayed, and makes the registers anew.
fn remove_registers<D: Disk>(disk: &mut D) -> Result<(), LogIoError> {
    for (file, _) in disk.list_side()? {
        if matches!(file, SideFile::Register(_) | SideFile::Slots(_)) {
            disk.remove_side(file)?;
        }
    }
    Ok(())
}

/// What a search found; nothing when it met what is gone or damaged.
fn known<T>(found: Result<T, LookUpError>) -> Result<Option<T>, LogIoError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(LookUpError::Search(_)) => Ok(None),
        Err(LookUpError::Io(error)) => Err(error),
    }
}
