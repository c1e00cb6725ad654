//! Open messages that a replay left to the disk, since memory had no room for them: each is read once and
//! filed, so that something wakes it. Part of the start.
//!
//! Of these one record tells all. What more is on record of was in memory when the process ended, where
//! there is room for it again.

use std::collections::BTreeMap;

use postrider_core::clock::Now;
use postrider_core::lifecycle::PartStatus;
use postrider_core::limits;
use postrider_storage::register::AnchoredCursor;
use postrider_storage::search::{self, InOrder};
use postrider_storage::{Disk, LogIoError, Position, SegmentId};

use super::resume::known;
use crate::shard::Shard;
use crate::shard::cold::{Cold, Filing};
use crate::shard::fetch::Fetch;
use crate::shard::message::{Message, Part};
use crate::shard::reclaim::parked_statuses;

/// Whether something is to be done for it now: an answer was lost, or it is about to be closed.
fn is_unsettled(message: &Message) -> bool {
    let unknown = |part: &Part| part.attempted || part.status == PartStatus::OutcomeUnknown;
    message.is_closed() || (message.outcome.is_none() && message.parts.iter().any(unknown))
}

impl Shard {
    /// Files the open messages that are on disk alone.
    pub(super) fn resume_cold<D: Disk>(
        &mut self,
        disk: &mut D,
        now: Now,
    ) -> Result<(), LogIoError> {
        let head = self.journal.log.head_segment();
        let mut reader = InOrder::default();
        let mut segment = self.journal.log.oldest_segment();
        while segment <= head {
            let mut from = Some(AnchoredCursor::default());
            while let Some(next) = from {
                let (statuses, rows) = (parked_statuses(), limits::RECORDS_OF_MESSAGE);
                let search = self.registers.anchored_in(segment, statuses, next, rows);
                let found = known(search::run(search, disk))?.unwrap_or_default();
                from = found.next;
                for (sequence, slot) in found.rows {
                    self.file_found(disk, now, &mut reader, (sequence, slot.at))?;
                }
            }
            segment = SegmentId(segment.0 + 1);
        }
        Ok(())
    }

    /// Files these, which a record each tells all of.
    pub(super) fn resume_left<D: Disk>(
        &mut self,
        disk: &mut D,
        now: Now,
        messages: BTreeMap<u64, Position>,
    ) -> Result<(), LogIoError> {
        let mut reader = InOrder::default();
        for message in messages {
            self.file_found(disk, now, &mut reader, message)?;
        }
        Ok(())
    }

    /// Reads a message, unless it is in memory, and files it.
    fn file_found<D: Disk>(
        &mut self,
        disk: &mut D,
        now: Now,
        reader: &mut InOrder,
        (sequence, at): (u64, Position),
    ) -> Result<(), LogIoError> {
        if self.table.has(sequence) {
            return Ok(());
        }
        let Some(message) = known(reader.run(Fetch::new(sequence, at), disk))? else {
            return Ok(());
        };
        let filing = self.filing(&message);
        self.table.count_cold((1, message.bytes.into()));
        if is_unsettled(&message) || filing == Filing::default() {
            self.resume_read(now, message);
            return Ok(());
        }
        self.cold.park(&filing, Cold { sequence, at });
        while self.registers.pressed() || self.cold.pressed() {
            if !self.write_some(disk, now)? {
                break;
            }
        }
        Ok(())
    }

    /// Writes what does not fit in memory; false when there is nothing to be done.
    fn write_some<D: Disk>(&mut self, disk: &mut D, now: Now) -> Result<bool, LogIoError> {
        if self.registers.work(disk)? {
            return Ok(true);
        }
        // What the start itself has appended is no reason of these rows.
        let durable = self.journal.log.durable();
        let Some(chore) = self.cold.poll_chore(now.mono, durable, durable) else {
            return Ok(false);
        };
        let done = chore.run(disk);
        self.cold.handle_chore(now.mono, done);
        Ok(true)
    }
}
