//! What is open in a log and belongs to another shard: found by reading the log. In memory are places of
//! records, not messages. Pure; one per log while the number of shards changes.

use std::collections::BTreeMap;

use postrider_core::place::{Partition, Placement, ShardId, owner_among};
use postrider_storage::{Disk, Frames, Observer, Position, Record, Replayed};

use super::owner_of_parked;
use crate::shard::erasing::Erasures;
use crate::shard::fold;
use crate::shard::opt_outs::OptOuts;

/// See the module.
pub(super) struct Leaving<'p> {
    pub(super) log: u16,
    /// Shards that there are to be.
    shards: u16,
    pub(super) placement: &'p Placement,
    pub(super) messages: BTreeMap<u64, Open>,
    pub(super) inbound: BTreeMap<u64, Held>,
    pub(super) orphans: BTreeMap<u64, Held>,
    pub(super) next_inbound: u64,
    pub(super) next_orphan: u64,
    pub(super) highest_epoch: u32,
    /// What is to be forgotten, and not yet is.
    pub(super) erasures: Erasures,
    /// Who does not want whose messages.
    pub(super) opt_outs: OptOuts,
    /// A change was begun behind the last one that counts.
    pub(super) broken_off: bool,
}

/// An open message.
pub(super) struct Open {
    pub(super) partition: Partition,
    pub(super) to: ShardId,
    /// Where its records lie, packed, from the one that leads to its state on.
    pub(super) records: Vec<u64>,
}

/// Something kept that is one record.
pub(super) struct Held {
    /// Its record, encoded.
    bytes: Vec<u8>,
    pub(super) to: ShardId,
}

impl Held {
    fn new(record: &Record<'_>, to: ShardId) -> Self {
        let mut bytes = Vec::with_capacity(record.encoded_len());
        record.encode(&mut bytes);
        Held { bytes, to }
    }

    pub(super) fn record(&self) -> Option<Record<'_>> {
        let frame = Frames::new(&self.bytes).next()?.ok()?;
        Record::decode(frame.kind, frame.version, frame.body).ok()?
    }
}

impl<'p> Leaving<'p> {
    pub(super) fn new(log: u16, shards: u16, placement: &'p Placement) -> Self {
        Leaving {
            log,
            shards,
            placement,
            messages: BTreeMap::new(),
            inbound: BTreeMap::new(),
            orphans: BTreeMap::new(),
            next_inbound: 1,
            next_orphan: 1,
            highest_epoch: 0,
            erasures: Erasures::new(placement.key()),
            opt_outs: OptOuts::default(),
            broken_off: false,
        }
    }

    /// The log is read to its end.
    pub(super) fn ended(mut self) -> Self {
        if self.broken_off {
            self.keep_own(self.placement.shards());
        }
        self
    }

    /// What belongs to other shards among so many is open here no more.
    fn keep_own(&mut self, shards: u16) {
        let (log, placement) = (self.log, self.placement);
        self.messages.retain(|_, open| owner_among(shards, open.partition).0 == log);
        self.inbound.retain(|_, held| match held.record() {
            Some(Record::Inbound(record)) => {
                let partition = placement.partition_of_address(record.source);
                owner_among(shards, partition).0 == log
            }
            _ => false,
        });
        self.orphans.retain(|_, held| match held.record() {
            Some(Record::Orphan { source, .. }) => {
                owner_of_parked(placement, log, shards, source).0 == log
            }
            _ => false,
        });
    }

    /// A message begins here, or goes on from here.
    fn begin(&mut self, sequence: u64, partition: u16, at: Position) {
        let Some(partition) = Partition::new(partition) else { return };
        let to = owner_among(self.shards, partition);
        self.messages.remove(&sequence);
        if to.0 != self.log {
            self.messages.insert(sequence, Open { partition, to, records: vec![at.pack()] });
        }
    }

    fn apply(&mut self, at: Position, record: &Record<'_>) {
        match record {
            Record::Accepted { sequence, partition, .. } => self.begin(*sequence, *partition, at),
            Record::Carried { sequence, state, .. } => {
                if let Some(partition) = fold::partition_in(state) {
                    self.begin(*sequence, partition, at);
                }
            }
            Record::Closed { sequence, .. } => {
                self.messages.remove(sequence);
            }
            Record::Inbound(inbound) => {
                self.next_inbound = self.next_inbound.max(inbound.inbound + 1);
                let partition = self.placement.partition_of_address(inbound.source);
                let to = owner_among(self.shards, partition);
                if to.0 != self.log {
                    self.inbound.insert(inbound.inbound, Held::new(record, to));
                }
            }
            Record::InboundClosed { inbound, .. } => {
                self.next_inbound = self.next_inbound.max(inbound + 1);
                self.inbound.remove(inbound);
            }
            Record::Orphan { orphan, source, .. } => {
                self.next_orphan = self.next_orphan.max(orphan + 1);
                let to = owner_of_parked(self.placement, self.log, self.shards, source);
                if to.0 != self.log {
                    self.orphans.insert(*orphan, Held::new(record, to));
                }
            }
            Record::OrphanClosed { orphan, .. } => {
                self.next_orphan = self.next_orphan.max(orphan + 1);
                self.orphans.remove(orphan);
            }
            Record::Moving { epoch, .. } => {
                self.highest_epoch = self.highest_epoch.max(*epoch);
                self.broken_off = true;
            }
            Record::Epoch { epoch, shards, .. } => {
                self.highest_epoch = self.highest_epoch.max(*epoch);
                if self.placement.counts(*epoch, *shards) {
                    self.keep_own(*shards);
                    self.broken_off = false;
                }
            }
            Record::Part { .. }
            | Record::Webhook { .. }
            | Record::Replaced { .. }
            | Record::CustomerReceipt { .. }
            | Record::Redacted { .. } => {
                let open = fold::sequence_of(record).and_then(|own| self.messages.get_mut(&own));
                if let Some(open) = open {
                    open.records.push(at.pack());
                }
            }
            Record::Mark { .. }
            | Record::Erased { .. }
            | Record::OptOut { .. }
            // Contents have a log of their own.
            | Record::Content(_)
            | Record::ContentOwner { .. } => {}
        }
    }
}

impl<D: Disk> Observer<D> for Leaving<'_> {
    fn record(&mut self, replayed: Replayed<'_>) {
        let Replayed { at, lsn, record, .. } = replayed;
        self.erasures.replay((lsn, at.segment), record);
        self.opt_outs.note(at, record);
        self.apply(at, record);
    }
}
