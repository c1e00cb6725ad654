//! What the records of the log make of the shard, one after the other. Part of its start.

use std::collections::BTreeMap;

use postrider_core::clock::UnixMs;
use postrider_core::lifecycle::PartEvent;
use postrider_storage::register::{RegisterRow, Registers, Slot};
use postrider_storage::{Observer, Position, Progress, Record, Replayed, SegmentId};

use crate::shard::Shared;
use crate::shard::fetch::register_row;
use crate::shard::fold;
use crate::shard::inbound::Inbox;
use crate::shard::message::Message;
use crate::shard::orphans::Orphans;
use crate::shard::receipt_pdu::orphan_notice;
use crate::shard::reclaim::Ages;
use crate::shard::submit::References;
use crate::shard::table::{PartRef, Table};
use crate::stats::{Gauge, Stats};

/// What replay builds.
pub(super) struct Replay<'a> {
    shared: &'a Shared,
    stats: &'a Stats,
    pub(super) table: Table,
    pub(super) orphans: Orphans,
    pub(super) inbox: Inbox,
    pub(super) references: References,
    pub(super) registers: Registers,
    pub(super) ages: Ages,
    /// Messages whose acceptance went with its segment, for the registers.
    pub(super) older: BTreeMap<u64, RegisterRow>,
    /// The first message whose acceptance is there.
    first: Option<u64>,
    /// Records that came after the one that closed their message.
    pub(super) late: BTreeMap<u64, Vec<Position>>,
    /// The oldest segment there is.
    oldest: Option<SegmentId>,
}

impl<'a> Replay<'a> {
    /// One that has seen nothing yet.
    pub(super) fn new(shared: &'a Shared, stats: &'a Stats, registers: Registers) -> Self {
        Replay {
            shared,
            stats,
            table: Table::new(),
            orphans: Orphans::new(),
            inbox: Inbox::new(),
            references: References::new(),
            registers,
            ages: Ages::default(),
            older: BTreeMap::new(),
            first: None,
            late: BTreeMap::new(),
            oldest: None,
        }
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
            | Record::Replaced { .. }
            | Record::Redacted { .. } => self.go_on(at, record),
            Record::Closed { sequence, status, records, .. } => {
                self.close(*sequence, Slot { status: *status, at }, records);
            }
            Record::Orphan { .. } => self.orphan(record),
            Record::OrphanClosed { orphan, .. } => {
                self.orphans.remove(*orphan);
            }
            Record::Mark { .. } => {}
            Record::Inbound(record) => self.inbox.replay(at.segment, record),
            Record::InboundClosed { inbound, .. } => self.inbox.replay_end(*inbound),
            Record::Erased { .. }
            | Record::Epoch { .. }
            | Record::OptOut { .. }
            | Record::Moving { .. } => {}
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
