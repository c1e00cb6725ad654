//! From the log back to the shard: replay rebuilds the table, then everything that was under way
//! starts again. Runs before the shard takes its first input.

mod begin;
mod cold;
mod replay;
mod resume;

use std::collections::VecDeque;

use postrider_core::clock::Now;
use postrider_core::limits;
use postrider_core::route::Figures;
use postrider_core::sequence;
use postrider_http::webhook::queue::WebhookQueue;
use postrider_storage::checkpoint::Checkpoints;
use postrider_storage::runs::receipts::ReceiptTable;
use postrider_storage::{Disk, LogConfig, OpenError, Recovery, crash};

pub(super) use self::begin::CONFIG;
use self::begin::{Begun, from_checkpoint, from_scratch};
pub(super) use self::replay::Replay;
use self::resume::Left;
use super::archives::Archives;
use super::checkpoint::Pace;
use super::crossing::Written;
use super::customers::Customers;
use super::deliveries::Deliveries;
use super::fetch::Lookups;
use super::inbound::Owners;
use super::journal::Journal;
use super::looking_up::LookUps;
use super::mesh::Mesh;
use super::outbound::Outbound;
use super::rates::Lenders;
use super::reclaim::Sweep;
use super::{Drain, Shard, ShardParts};
use crate::wheel::Wheel;

// A message's records fit the log's, with room to spare for its parts' events.
const _: () = assert!(limits::MAX_RECORD == postrider_storage::RECORD_BYTES_MAX);
const _: () = assert!(limits::MEMORY_PER_HOT_RECEIPT == ReceiptTable::BYTES_PER_ENTRY as u64);

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
        disk.sync()?;
        let found = Checkpoints::find(disk)?;
        let newest = found.newest.as_ref();
        let begun = newest.map(|newest| from_checkpoint(&parts, disk, &config, now, newest));
        let begun = match begun.transpose()?.flatten() {
            Some(begun) => begun,
            None => from_scratch(&parts, disk, &config, now)?,
        };
        let Begun { mut replay, log, recovery, cold } = begun;
        let broken_off = replay.end();
        let doubts = replay.doubts(log.head_segment());
        let Replay { table, orphans, inbox, references, past, .. } = replay;
        let Replay { registers, ages, erasures, opt_outs, strangers, .. } = replay;
        let Replay { claims, gone, late, names, .. } = replay;
        let left = Left { broken_off, claims, gone, out: replay.left, late, names };
        let next = recovery.next_sequence.max(past.next_sequence);
        let next_sequence = sequence::next_free(next, parts.id.0);
        let shards = parts.shared.placement.shards();
        let per_endpoint = parts.shared.config.webhooks.connections_per_endpoint;
        let mut shard = Shard {
            id: parts.id,
            journal: Journal::new(log, strangers),
            table,
            outbound: Outbound::new(&parts, now.mono),
            written: Written::default(),
            lenders: Lenders::new(&parts.shared, parts.id, now.mono),
            figures: Figures::new(parts.shared.config.routing.half_life),
            contents: parts.contents,
            customers: Customers::new(parts.shared.config.customers.len(), parts.seed),
            mesh: Mesh::new(parts.id, shards, limits::MESH_LANE),
            orphans,
            // One for each open message at most, and those are bounded.
            webhooks: WebhookQueue::new(per_endpoint, limits::WEBHOOKS_IN_FLIGHT)
                .limited_to(usize::MAX),
            deliveries: Deliveries::default(),
            inbox,
            owners: Owners::new(&parts.shared.config),
            wheel: Wheel::new(now.mono, limits::TICK),
            references,
            ops: VecDeque::new(),
            places: Vec::new(),
            registers,
            pace: Pace::new(found.next, now.mono),
            ages,
            erasures,
            opt_outs,
            archives: Archives::default(),
            lookups: Lookups::new(),
            look_ups: LookUps::new(now, &parts.shared),
            doubts,
            cold,
            next_sequence,
            segment_bytes: config.segment_bytes,
            drain: Drain::No,
            seed: parts.seed,
            turned: now.mono,
            cold_due: Some(now.mono),
            early: Vec::new(),
            stirred: Vec::new(),
            first_sequence: next_sequence,
            sweep: Sweep::default(),
            shared: parts.shared,
            stats: parts.stats,
        };
        shard.publish_generation();
        shard.resume_from(disk, now, left)?;
        if recovery.records > 0 {
            // What was read now need not be read again.
            shard.checkpoint_soon();
        }
        crash::point("recovered");
        Ok((shard, recovery))
    }

    /// Messages that are not closed; for the start's report.
    #[must_use]
    pub fn open_messages(&self) -> usize {
        self.table.open()
    }

    /// Messages in memory; for the start's report.
    #[must_use]
    pub fn messages_in_memory(&self) -> usize {
        self.table.len()
    }
}
