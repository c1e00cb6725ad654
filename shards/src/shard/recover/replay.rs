//! What the records of the log make of the shard, one after the other. Part of its start.
//!
//! A checkpoint tells what was in memory when it was taken ([`Past`]). Of the records that it takes into
//! account, only those count that make up what it names; everything else in them is on disk. All
//! records go to the registers, which take again what they know.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use postrider_core::clock::UnixMs;
use postrider_core::lifecycle::PartEvent;
use postrider_core::limits;
use postrider_core::place::{Epoch, Partition, owner_among};
use postrider_core::sequence::{self, Origin};
use postrider_storage::register::{Registers, Slot};
use postrider_storage::{
    CARRIED_MOVED, Disk, LogIoError, Observer, Position, Progress, Record, Replayed, SegmentId,
};

use crate::shard::Shared;
use crate::shard::checkpoint::Past;
use crate::shard::cold::receipts::{PartName, part_name};
use crate::shard::contents::{Claims, until};
use crate::shard::doubts::Doubts;
use crate::shard::envelope_record::Apart;
use crate::shard::erasing::Erasures;
use crate::shard::fetch::register_row;
use crate::shard::fold;
use crate::shard::inbound::Inbox;
use crate::shard::journal::Strangers;
use crate::shard::message::{Envelope, Message};
use crate::shard::moving::owner_of_parked;
use crate::shard::opt_outs::OptOuts;
use crate::shard::orphans::Orphans;
use crate::shard::parking::slot_status;
use crate::shard::receipt_pdu::orphan_notice;
use crate::shard::reclaim::Ages;
use crate::shard::submit::References;
use crate::shard::table::{PartRef, Table};
use crate::stats::{Gauge, Stats};

/// What replay builds.
pub(in crate::shard) struct Replay<'a> {
    log: u16,
    shared: &'a Shared,
    stats: &'a Stats,
    pub(super) past: Past,
    /// What the past names and could not be read: the log has carried it forward since, or closed
    /// it, or it is lost.
    pub(super) unread: BTreeSet<Unread>,
    pub(super) table: Table,
    pub(super) orphans: Orphans,
    pub(super) inbox: Inbox,
    pub(super) references: References,
    pub(in crate::shard) registers: Registers,
    pub(super) ages: Ages,
    pub(super) erasures: Erasures,
    pub(super) opt_outs: OptOuts,
    pub(super) strangers: Strangers,
    /// Contents of which nobody knows whose they are, and those of them that records name.
    unowned: BTreeSet<u64>,
    pub(super) claims: Claims,
    /// A change of the number of shards was begun behind the last one that counts.
    broken_off: bool,
    /// Open messages that may turn out to be another shard's.
    doubtful: Option<BTreeMap<u64, Partition>>,
    /// What carriers called parts last.
    pub(super) names: VecDeque<(PartName, PartRef)>,
    /// Messages of which rows may be left over, by what the checkpoint said, and those that come to them.
    pub(super) doubts: Doubts,
    doubted: BTreeSet<u64>,
    /// Records that came after the one that closed their message.
    pub(super) late: BTreeMap<u64, Vec<Position>>,
    /// Messages that another shard has by now.
    pub(super) gone: BTreeSet<u64>,
    /// Messages that memory may hold: of those that come behind the checkpoint, open ones beyond are left
    /// to the disk.
    pub(super) most: usize,
    /// There is no checkpoint: nothing but the log is known.
    pub(super) whole: bool,
    pub(super) left: LeftOut,
    /// The oldest segment there is.
    oldest: SegmentId,
    /// The one that is being read.
    segment: SegmentId,
}

/// Something that was in memory when a checkpoint was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unread {
    Message(u64),
    Inbound(u64),
    Orphan(u64),
}

/// Open messages that memory had no room for: they are not counted, and nothing is filed of them.
#[derive(Debug)]
pub(super) enum LeftOut {
    /// These, with the records that tell all of them.
    These(BTreeMap<u64, Position>),
    /// All that are on disk alone.
    AllOnDisk,
}

impl LeftOut {
    pub(super) fn has(&self, sequence: u64) -> bool {
        match self {
            LeftOut::These(left) => left.contains_key(&sequence),
            LeftOut::AllOnDisk => true,
        }
    }

    /// It came into memory, or ended.
    pub(super) fn remove(&mut self, sequence: u64) {
        if let LeftOut::These(left) = self {
            left.remove(&sequence);
        }
    }
}

/// What the checkpoint says of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Nothing: it came later.
    Nothing,
    /// It counts if it is about something that was in memory.
    If,
    /// All that it says was read already.
    All,
}

impl<'a> Replay<'a> {
    /// One that has seen nothing yet, of a log that begins at `oldest`.
    pub(in crate::shard) fn new(
        log: u16,
        (shared, stats): (&'a Shared, &'a Stats),
        registers: Registers,
        (oldest, unowned): (SegmentId, BTreeSet<u64>),
    ) -> Self {
        Replay {
            log,
            shared,
            stats,
            past: Past::default(),
            unread: BTreeSet::new(),
            table: Table::new(),
            orphans: Orphans::new(),
            inbox: Inbox::new(),
            references: References::new(),
            registers,
            ages: Ages::default(),
            erasures: Erasures::new(shared.placement.key()),
            opt_outs: OptOuts::default(),
            strangers: Strangers::new(oldest, std::iter::empty()),
            unowned,
            claims: Claims::new(),
            broken_off: false,
            doubtful: (shared.placement.epochs().len() > 1).then(BTreeMap::new),
            names: VecDeque::new(),
            doubts: Doubts::default(),
            doubted: BTreeSet::new(),
            late: BTreeMap::new(),
            most: usize::MAX,
            whole: false,
            left: LeftOut::These(BTreeMap::new()),
            gone: BTreeSet::new(),
            oldest,
            segment: oldest,
        }
    }

    fn told(&self, replayed: &Replayed<'_>) -> Told {
        if replayed.lsn > self.past.until {
            Told::Nothing
        } else if replayed.at.segment < self.past.from {
            Told::All
        } else {
            Told::If
        }
    }

    fn apply(&mut self, replayed: &Replayed<'_>) {
        let Replayed { at, record, wall_ms, .. } = *replayed;
        let told = self.told(replayed);
        self.segment = at.segment;
        self.ages.note(at.segment, UnixMs(wall_ms));
        self.strangers.note(at.segment, record);
        if told == Told::Nothing {
            self.erasures.replay((replayed.lsn, at.segment), record);
            self.opt_outs.note(at, record);
        }
        match record {
            Record::Accepted { .. } | Record::Carried { .. } => self.begin(at, record, told),
            Record::Part { .. }
            | Record::Webhook { .. }
            | Record::CustomerReceipt { .. }
            | Record::Replaced { .. }
            | Record::Redacted { .. } => self.go_on(at, record, told),
            Record::Closed { sequence, status, records, .. } => {
                self.close(*sequence, Slot { status: *status, at }, records, told);
            }
            Record::Orphan { orphan, .. } => {
                if told == Told::Nothing
                    || (told == Told::If && self.past.orphans.contains_key(orphan))
                {
                    self.orphan(at, record);
                }
            }
            Record::OrphanClosed { orphan, .. } => {
                self.unread.remove(&Unread::Orphan(*orphan));
                self.orphans.remove(*orphan);
            }
            Record::Mark { .. } => {}
            Record::Inbound(record) => {
                let number = record.inbound;
                if told == Told::Nothing
                    || (told == Told::If && self.past.inbound.contains_key(&number))
                {
                    self.unread.remove(&Unread::Inbound(number));
                    self.inbox.replay(at, record);
                }
            }
            Record::InboundClosed { inbound, .. } => {
                self.unread.remove(&Unread::Inbound(*inbound));
                self.inbox.replay_end(*inbound);
            }
            Record::Moving { .. } => {
                self.broken_off = true;
                self.doubtful.get_or_insert_default();
            }
            Record::Epoch { epoch, shards, .. } => {
                if self.shared.placement.counts(*epoch, *shards) {
                    self.change(Epoch { number: *epoch, shards: *shards }, told);
                }
            }
            Record::Erased { .. }
            | Record::OptOut { .. }
            // Contents have a log of their own.
            | Record::Content(_)
            | Record::ContentOwner { .. } => {}
        }
    }

    /// A message as it was accepted, or with its whole state as it was carried here.
    fn begin(&mut self, at: Position, record: &Record<'_>, told: Told) {
        let message = match fold::message_of(record, at) {
            Ok(Some(message)) => message,
            Ok(None) => return,
            Err(error) => panic!("a verified batch holds a broken carried record: {error}"),
        };
        let sequence = message.envelope.sequence;
        self.claim(&message.envelope);
        self.gone.remove(&sequence);
        if let Some(doubtful) = &mut self.doubtful {
            doubtful.insert(sequence, self.shared.partition_of(&message.envelope));
        }
        let in_memory = told == Told::Nothing || self.past.messages.contains_key(&sequence);
        self.register(&message, record, in_memory);
        if told == Told::Nothing {
            let envelope = &message.envelope;
            self.references.seen(&envelope.sender, envelope.to, envelope.reference);
        }
        if in_memory && told != Told::All {
            let moved = matches!(record, Record::Carried { reason: CARRIED_MOVED, .. });
            if !moved && self.was_cold(sequence) {
                self.table.count_cold_less(Some(message.bytes));
            }
            self.table.discard(sequence);
            self.late.remove(&sequence);
            self.left.remove(sequence);
            self.unread.remove(&Unread::Message(sequence));
            self.table.insert(Box::new(message));
            if told == Told::Nothing {
                self.leave_out(sequence);
            }
        }
    }

    /// Leaves a message to the disk that has just come when there are too many: the others have waited
    /// longer. Its slot leads to the record that it came with; what comes behind that is noted.
    fn leave_out(&mut self, sequence: u64) {
        if self.table.len() <= self.most {
            return;
        }
        let Some(message) = self.table.get(sequence) else { return };
        let (carried, at) = (message.carried, message.anchor());
        self.registers.set_slot(sequence, Slot { status: slot_status(message), at });
        self.table.discard(sequence);
        match &mut self.left {
            _ if self.whole => self.left = LeftOut::AllOnDisk,
            LeftOut::These(left) => {
                left.insert(sequence, at);
            }
            LeftOut::AllOnDisk => {}
        }
        if carried {
            self.doubt(sequence);
        }
    }

    /// Whether a message of which a record tells was open, and on disk alone, when the checkpoint was
    /// taken; of one that is not closed.
    fn was_cold(&self, sequence: u64) -> bool {
        sequence < self.past.next_sequence
            && !self.past.messages.contains_key(&sequence)
            && !self.table.has(sequence)
            && !self.left.has(sequence)
    }

    /// Notes whose a content is that nobody was known to have.
    fn claim(&mut self, envelope: &Envelope) {
        let content = envelope.apart.map(Apart::content);
        if let Some(content) = content.filter(|content| self.unowned.contains(content)) {
            self.claims.insert(content, (envelope.sequence, until(envelope)));
        }
    }

    fn register(&mut self, message: &Message, record: &Record<'_>, in_memory: bool) {
        let mut row = register_row(self.shared, message);
        if !in_memory {
            row.slot.status = slot_status(message);
        }
        if matches!(sequence::origin(row.sequence), Origin::Log(log) if log != self.log) {
            self.registers.moved(&row);
        } else if matches!(record, Record::Carried { .. }) {
            self.registers.carried(&row);
        } else {
            self.registers.accept(&row);
        }
    }

    /// A change of the number of shards was brought to its end.
    fn change(&mut self, epoch: Epoch, told: Told) {
        self.forget_others(epoch.shards, told);
        self.strangers.doubt(self.segment);
        if told != Told::All {
            self.keep_parked(epoch.shards);
        }
        self.broken_off = false;
        if epoch == self.shared.placement.epoch() {
            self.doubtful = None;
        }
    }

    /// The log is read to its end: what a change that was broken off brought is not this shard's.
    /// Returns whether there was one.
    pub(in crate::shard) fn end(&mut self) -> bool {
        let broken_off = self.broken_off;
        if broken_off {
            self.change(self.shared.placement.epoch(), Told::Nothing);
        }
        broken_off
    }

    /// Messages of other shards among so many are open here no more.
    fn forget_others(&mut self, shards: u16, told: Told) {
        let Some(doubtful) = &mut self.doubtful else { return };
        let own = |partition| owner_among(shards, partition).0 == self.log;
        let others = doubtful.extract_if(.., |_, partition| !own(*partition));
        for (sequence, _) in others {
            self.registers.forget(sequence);
            self.gone.insert(sequence);
            // All that is in memory came here later.
            if told != Told::All {
                self.table.discard(sequence);
                self.late.remove(&sequence);
                self.left.remove(sequence);
                self.unread.remove(&Unread::Message(sequence));
                self.claims.retain(|_, (claimed, _)| *claimed != sequence);
            }
        }
    }

    /// What came from other shards' handsets among so many is kept here no more.
    fn keep_parked(&mut self, shards: u16) {
        let (log, placement) = (self.log, &self.shared.placement);
        let owner = |source: &[u8]| owner_among(shards, placement.partition_of_address(source));
        self.inbox.retain(|source| owner(source).0 == log);
        let parked = |source: &[u8]| owner_of_parked(placement, log, shards, source);
        self.orphans.retain(|source| parked(source).0 == log);
    }

    /// Something happened to a message.
    fn go_on(&mut self, at: Position, record: &Record<'_>, told: Told) {
        let Some(sequence) = fold::sequence_of(record) else { return };
        if told == Told::All {
            return;
        }
        let Some(message) = self.table.note(sequence, at, record.encoded_len()) else {
            if told == Told::Nothing {
                // After it was closed; or its beginning went with its segment.
                self.late.entry(sequence).or_default().push(at);
                self.doubt(sequence);
            }
            return;
        };
        fold::apply(message, record);
        if let Record::Part { part, event, carrier, detail, .. } = record
            && PartEvent::from_u8(*event).is_some_and(PartEvent::names_part)
        {
            let name = part_name(self.shared.placement.names_key(), *carrier, detail);
            self.names.extend(name.map(|name| (name, PartRef { sequence, part: *part })));
            if self.names.len() > limits::CARRIER_IDS_OF_CLOSED {
                self.names.pop_front();
            }
        }
    }

    /// A message is closed: it is read from where its records lie, as long as those are kept.
    fn close(&mut self, sequence: u64, slot: Slot, records: &[u8], told: Told) {
        if let Some(doubtful) = &mut self.doubtful {
            doubtful.remove(&sequence);
        }
        let first = Position::list(records).next();
        if first.is_some_and(|first| first.segment >= self.oldest) {
            self.registers.set_slot(sequence, slot);
        } else {
            self.registers.forget(sequence);
        }
        if told == Told::All {
            return;
        }
        let late = self.late.remove(&sequence).unwrap_or_default();
        // What is closed anew lists what had closed it before, too.
        let anchored = Position::list(records).count() == 1 + late.len();
        if told == Told::Nothing && anchored && self.was_cold(sequence) {
            self.table.count_cold_less(None);
        }
        self.left.remove(sequence);
        self.unread.remove(&Unread::Message(sequence));
        match self.table.get(sequence) {
            Some(message) if message.carried => self.doubt(sequence),
            None if told == Told::Nothing => self.doubt(sequence),
            Some(_) | None => {}
        }
        if let Some(message) = self.table.get_mut(sequence) {
            let before = std::mem::replace(&mut message.listed, message.records.len());
            if before == 0 {
                self.table.close(sequence);
            }
            self.table.leave(sequence);
        }
    }

    /// Rows may be left over of a message that a checkpoint knew or that moved behind it. A replay of the
    /// whole log leaves none.
    fn doubt(&mut self, sequence: u64) {
        if !self.whole && self.doubted.len() <= limits::DOUBTED_MESSAGES {
            self.doubted.insert(sequence);
        }
    }

    /// The log is read to its end, which lies in `end`: gives the messages of which rows may be left
    /// over. Rows lead to records of kind carried; those of messages in memory are not to be trusted,
    /// since what was filed of them is not known.
    pub(super) fn doubts(&mut self, end: SegmentId) -> Doubts {
        let carried = self.table.messages().filter(|message| message.carried);
        let carried: Vec<u64> = carried.map(|message| message.envelope.sequence).collect();
        carried.into_iter().for_each(|sequence| self.doubt(sequence));
        let mut doubts = std::mem::take(&mut self.doubts);
        doubts.add(end, std::mem::take(&mut self.doubted));
        doubts
    }

    pub(super) fn orphan(&mut self, at: Position, record: &Record<'_>) {
        let Record::Orphan { orphan, carrier, .. } = record else { return };
        self.unread.remove(&Unread::Orphan(*orphan));
        let Some(carrier) = self.shared.carrier_of(*carrier) else { return };
        let Some(notice) = orphan_notice(record, carrier) else { return };
        let forms = self.shared.learned.forms(carrier);
        self.orphans.insert(*orphan, at, Box::new(notice), forms);
    }
}

impl<D: Disk> Observer<D> for Replay<'_> {
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

    fn between(&mut self, disk: &mut D) -> Result<(), LogIoError> {
        while self.registers.pressed() && self.registers.work(disk)? {}
        Ok(())
    }
}
