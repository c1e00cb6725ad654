//! Checkpoints: from time to time a shard writes down where it stands, so that a start reads the log
//! from there and not from its beginning. Part of the shard's machine.
//!
//! All sections are of one moment. A checkpoint is written only once everything that it tells is on
//! disk, and it is no more than a help: a start that cannot use it replays the whole log.
//!
//! **What is added to the state that a replay builds is added here too**: to [`Past`] when it is small
//! and follows from records, else as a section of its own.

mod filed;
mod pace;
mod past;

use postrider_core::clock::Now;
use postrider_core::limits;
use postrider_storage::checkpoint::Checkpoint;
use postrider_storage::{LogIoError, Position, SegmentId};

pub(super) use self::filed::Filed;
pub(super) use self::pace::Pace;
pub(super) use self::past::{Listed, Past, numbers};
use super::Shard;
use super::erasing::known::{self, ERASURES};
use super::message::Message;
use crate::stats::Counter;

/// The registers' section.
pub(super) const REGISTERS: &str = "registers";
/// What the indexes of messages on disk have in their files.
const INDEXES: &str = "indexes";
/// Messages of which rows may be left over.
pub(super) const DOUBTS: &str = "doubts";
/// How many messages on disk wait to be sent.
const BACKLOG: &str = "backlog";

impl Shard {
    /// Asks for a checkpoint before its time: what an older one tells is no longer to be kept.
    pub fn checkpoint_soon(&mut self) {
        self.pace.soon();
    }

    /// Takes a checkpoint when one is due, and lets it be written when it may.
    pub(super) fn pump_checkpoint(&mut self, now: Now) {
        let octets = self.journal.octets();
        if self.pace.is_due(now.mono, octets) && self.cold.set_aside(self.journal.last()) {
            let taken = self.take_checkpoint(now);
            self.pace.taken(now.mono, octets, taken);
        }
        self.settle_checkpoint();
    }

    /// Lets the checkpoint be written once all that it tells is on disk.
    pub(super) fn settle_checkpoint(&mut self) {
        if !self.contents.has_begun() {
            return;
        }
        let written = self.journal.log.durable().min(self.cold.covered());
        if let Some(taken) = self.pace.handle_written(written) {
            taken.add(INDEXES, filed::indexes(&self.cold));
        }
    }

    /// A checkpoint was written, or could not be.
    pub(super) fn checkpoint_done(&mut self, now: Now, result: &Result<(), LogIoError>) {
        self.pace.handle_chore(now.mono, result.is_ok());
        if result.is_ok() {
            self.registers.checkpointed();
            self.stats.inc(Counter::Checkpoints);
        } else {
            self.stats.inc(Counter::CheckpointsFailed);
        }
    }

    /// Whether a graceful stop may end: its checkpoint is written, or cannot be.
    pub(super) fn is_checkpointed(&self, now: Now) -> bool {
        self.pace.is_idle() || self.pace.is_held(now.mono)
    }

    fn take_checkpoint(&mut self, now: Now) -> Checkpoint {
        let from = self.low_water();
        let past = self.past(from);
        let low_water = Position { segment: from, offset: 0 };
        let until = past.until;
        let mut taken =
            Checkpoint::new(self.id.0, until, low_water, self.next_sequence, now.wall.0);
        past.add_to(&mut taken);
        let mut registers = Vec::new();
        self.registers.snapshot(&mut registers);
        taken.add(REGISTERS, registers);
        taken.add(BACKLOG, filed::backlog(&self.cold));
        taken.add(DOUBTS, past::bytes(self.doubts.words()));
        let strangers = &self.journal.strangers;
        taken.add(ERASURES, known::encode(&self.erasures, &self.opt_outs, strangers));
        taken
    }

    /// The segment from which a replay brings back all that is in no file: that of the oldest record
    /// that is not durable, or whose register is not written. It may begin earlier instead of reading
    /// many older messages one by one.
    fn low_water(&self) -> SegmentId {
        let registers = self.registers.low_water().map(|at| at.segment);
        let latest = self.journal.log.undurable_segment();
        let latest = registers.map_or(latest, |home| home.min(latest));
        let octets = |from: SegmentId| (latest.0 - from.0).saturating_mul(self.segment_bytes);
        let homes: Vec<(SegmentId, u64)> =
            self.table.homes().filter(|(home, _)| *home < latest).collect();
        // Messages that are read one by one when the replay begins at a home, or at the latest.
        let mut before = 0;
        let mut best = (u64::MAX, latest);
        for (home, live) in homes.into_iter().chain([(latest, 0)]) {
            let cost = octets(home).saturating_add(before * limits::CHECKPOINT_READ_COST);
            best = best.min((cost, home));
            before += live;
        }
        best.1
    }

    fn past(&self, from: SegmentId) -> Past {
        let messages = self.table.messages().filter(|message| !message.is_on_disk());
        let listed = messages.map(|message| (message.envelope.sequence, listed(message, from)));
        Past {
            until: self.journal.last(),
            from,
            messages: listed.collect(),
            inbound: self.inbox.places().collect(),
            orphans: self.orphans.places().collect(),
            known: self.inbox.known().collect(),
            ages: self.ages.known().collect(),
            references: self.references.counters().collect(),
            next_sequence: self.next_sequence,
            next_inbound: self.inbox.next_number(),
            next_orphan: self.orphans.next_number(),
            cold: self.table.cold(),
        }
    }
}

/// What a checkpoint tells of a message in memory, when the replay begins at `from`.
fn listed(message: &Message, from: SegmentId) -> Listed {
    let old = message.records.iter().filter(|at| at.segment < from);
    let records: Vec<Position> = old.copied().collect();
    // When the replay brings one of the records that it names, it brings the record that names them.
    let closed = if message.listed <= records.len() { message.listed } else { 0 };
    Listed { records, closed }
}
