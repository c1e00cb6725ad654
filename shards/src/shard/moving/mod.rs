//! Another number of shards: what is open moves to the logs of its new owners, before any traffic. Runs
//! on the thread that starts the process, once; pure over disks.
//!
//! Every log gets a record of kind moving, then what comes to it (messages as one carried record each,
//! with the contents that are not kept; held messages from handsets; parked receipts; opt-outs; erasures
//! that are not done), then a record of kind epoch. Only when all of that is durable does the directory's
//! meta file name the epoch: that is the one point at which the change happens. Before it, a start with
//! the old number of shards takes what came for another shard's, and another try has another epoch. From
//! it on, what a log held for others is open there no more. Closed messages stay where they are.

mod leaving;
mod target;

use postrider_core::clock::Now;
use postrider_core::place::{Epoch, Placement, ShardId, owner_among};
use postrider_core::sequence;
use postrider_storage::{
    CARRIED_MOVED, Disk, InboundRecord, LogConfig, LogIoError, LookUpError, Lsn, OpenError,
    Position, Record, SegmentId, search,
};

use self::leaving::{Leaving, Open};
use self::target::Target;
use super::Shard;
use super::contents::ContentsConfig;
use super::erasing::Erasures;
use super::fetch::Fetch;
use super::opt_outs::OptOuts;
use super::reclaim::encode_state;

/// Where a log lies.
pub struct LogDisks<D> {
    /// The log of messages.
    pub messages: D,
    /// The log of contents that are not kept.
    pub contents: D,
}

/// What a change of the number of shards moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// The epoch that the logs are ready for.
    pub epoch: u32,
    /// Open messages.
    pub messages: u64,
    /// Messages from handsets.
    pub inbound: u64,
    /// Parked receipts.
    pub receipts: u64,
}

/// Why the number of shards cannot be changed now. The directory still has the old one.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// A log cannot be opened.
    #[error("shard {log}: {error}")]
    Open {
        /// Whose log.
        log: u16,
        /// Why.
        error: OpenError,
    },
    /// A log cannot be written to.
    #[error("shard {log}: {error}. The number of shards has not been changed")]
    Io {
        /// Whose log.
        log: u16,
        /// Why.
        error: LogIoError,
    },
    /// A log has no room for what comes to it.
    #[error(
        "the log of shard {log} has no room for the open messages that come to it. The number of \
         shards has not been changed. Raise store.max_segments"
    )]
    NoRoom {
        /// Whose log.
        log: u16,
    },
    /// A log of contents has no room for what comes to it.
    #[error(
        "shard {log} has no room for the texts that come to it of open messages whose texts are not \
         kept. The number of shards has not been changed. Let the queue drain first"
    )]
    NoRoomForContents {
        /// Whose log.
        log: u16,
    },
    /// An open message cannot be read.
    #[error(
        "shard {log}: message {sequence} cannot be read. The number of shards has not been changed. \
         Run `postrider store verify`"
    )]
    Damaged {
        /// Whose log.
        log: u16,
        /// The message's number there.
        sequence: u64,
    },
}

/// The log in which a parked receipt is open among so many shards: that of its handset's owner; of one
/// that names no handset, wherever it is, unless no shard writes there.
pub(super) fn owner_of_parked(
    placement: &Placement,
    log: u16,
    shards: u16,
    source: &[u8],
) -> ShardId {
    match postrider_core::number::Msisdn::from_carrier(source) {
        Some(handset) => owner_among(shards, placement.partition(handset)),
        None => ShardId(log % shards),
    }
}

/// Makes the logs ready for `shards` shards: `disks` are those of the logs, as many as there were shards
/// or are to be, whichever is more. `placement` is the present one. Gives the epoch that is to be noted
/// in the directory, which makes the change.
///
/// # Errors
/// [`MoveError`]; the directory can be started with any number of shards as before.
pub fn move_open<D: Disk>(
    disks: &mut [LogDisks<D>],
    config: impl Fn(u16) -> (LogConfig, ContentsConfig),
    placement: &Placement,
    shards: u16,
    now: Now,
) -> Result<Moved, MoveError> {
    let mut targets = Vec::new();
    let mut sources = Vec::new();
    for (log, disks) in (0u16..).zip(disks) {
        let mut leaving = Leaving::new(log, shards, placement);
        targets.push(Target::open(log, disks, config(log), now, &mut leaving)?);
        sources.push(leaving.ended());
    }
    let known = placement.epoch().number;
    let highest = sources.iter().map(|source| source.highest_epoch).max().unwrap_or(0).max(known);
    let mut change =
        Change { targets, now, moved: Moved { epoch: highest + 1, ..Moved::default() } };
    change.make(sources, shards)?;
    Ok(change.moved)
}

impl Shard {
    /// The last change was broken off: what it brought is another shard's again.
    pub(super) fn repeat_epoch(&mut self, now: Now) {
        let Epoch { number: epoch, shards } = self.shared.placement.epoch();
        self.journal.append(now.mono, &Record::Epoch { at_ms: now.wall.0, epoch, shards });
    }
}

/// A change under way.
struct Change<'d, D: Disk> {
    targets: Vec<Target<'d, D>>,
    now: Now,
    moved: Moved,
}

impl<D: Disk> Change<'_, D> {
    fn make(&mut self, sources: Vec<Leaving<'_>>, shards: u16) -> Result<(), MoveError> {
        let (at_ms, epoch) = (self.now.wall.0, self.moved.epoch);
        for (target, source) in self.targets.iter_mut().zip(&sources) {
            (target.inbound, target.orphan) = (source.next_inbound, source.next_orphan);
            if source.broken_off {
                let Epoch { number: epoch, shards } = source.placement.epoch();
                target.append(self.now, &Record::Epoch { at_ms, epoch, shards })?;
            }
            target.append(self.now, &Record::Moving { at_ms, epoch })?;
        }
        self.tell_opt_outs(&sources, shards)?;
        let erasures = erasures(&sources);
        self.tell_redactions(&sources, shards)?;
        for source in sources {
            self.empty(source)?;
        }
        for record in erasures {
            // Behind what came, which they are about too.
            for target in self.targets.iter_mut().take(shards.into()) {
                target.append(self.now, &record)?;
            }
        }
        for target in &mut self.targets {
            target.append(self.now, &Record::Epoch { at_ms, epoch, shards })?;
            target.settle(self.now)?;
            target.remove_side_files()?;
        }
        Ok(())
    }

    /// Brings to every log the opt-outs that others have: nothing tells whose recipients they are of.
    fn tell_opt_outs(&mut self, sources: &[Leaving<'_>], shards: u16) -> Result<(), MoveError> {
        let mut all = OptOuts::default();
        for source in present(sources) {
            for (at, record) in source.opt_outs.records() {
                all.note(at, &record);
            }
        }
        for (target, source) in self.targets.iter_mut().zip(sources).take(shards.into()) {
            for (_, record) in all.records() {
                if let Record::OptOut { customer, hash, .. } = record
                    && !source.opt_outs.has(customer, hash)
                {
                    target.append(self.now, &record)?;
                }
            }
        }
        Ok(())
    }

    /// Brings to every log the redactions that are not done in others: it may become the keeper of
    /// such a log.
    fn tell_redactions(&mut self, sources: &[Leaving<'_>], shards: u16) -> Result<(), MoveError> {
        for source in present(sources) {
            for told in source.erasures.told() {
                for target in self.targets.iter_mut().take(shards.into()) {
                    if target.number == source.log {
                        continue;
                    }
                    let sequence = sequence::moved(told, source.log, target.number);
                    let record = Record::Redacted { sequence, at_ms: self.now.wall.0 };
                    target.append(self.now, &record)?;
                }
            }
        }
        Ok(())
    }

    /// Brings to other logs what leaves one.
    fn empty(&mut self, source: Leaving<'_>) -> Result<(), MoveError> {
        let log = source.log;
        for (sequence, open) in source.messages {
            self.carry(log, sequence, open)?;
            self.moved.messages += 1;
        }
        for (_, held) in source.inbound {
            let Some(target) = self.targets.get_mut(usize::from(held.to.0)) else { continue };
            target.inbound += 1;
            let inbound = target.inbound - 1;
            if let Some(Record::Inbound(record)) = held.record() {
                let record = Record::Inbound(InboundRecord { inbound, ..record });
                target.append(self.now, &record)?;
                self.moved.inbound += 1;
            }
        }
        for (_, parked) in source.orphans {
            let Some(target) = self.targets.get_mut(usize::from(parked.to.0)) else { continue };
            target.orphan += 1;
            if let Some(mut record) = parked.record() {
                if let Record::Orphan { orphan, .. } = &mut record {
                    *orphan = target.orphan - 1;
                }
                target.append(self.now, &record)?;
                self.moved.receipts += 1;
            }
        }
        Ok(())
    }

    /// Writes a message's whole state into the log of its new owner, under the number by which that
    /// knows it.
    fn carry(&mut self, log: u16, sequence: u64, open: Open) -> Result<(), MoveError> {
        let Some(source) = self.targets.get_mut(usize::from(log)) else { return Ok(()) };
        let places = open.records.into_iter().filter_map(Position::unpack).collect();
        let found = search::run(Fetch::of(sequence, places, 0), &mut source.disks.messages);
        let mut message = found.map_err(|error| match error {
            LookUpError::Search(_) => MoveError::Damaged { log, sequence },
            LookUpError::Io(error) => MoveError::Io { log, error },
        })?;
        source.contents.restore(&mut message);
        let number = sequence::moved(sequence, log, open.to.0);
        message.envelope.sequence = number;
        let Some(target) = self.targets.get_mut(usize::from(open.to.0)) else { return Ok(()) };
        target.take_content(self.now, &mut message)?;
        let mut state = Vec::new();
        encode_state(&message, open.partition, &mut state);
        let reason = CARRIED_MOVED;
        target
            .append(self.now, &Record::Carried { sequence: number, from: 0, reason, state: &state })
    }
}

/// The logs that shards write to before the change.
fn present<'s, 'p>(sources: &'s [Leaving<'p>]) -> impl Iterator<Item = &'s Leaving<'p>> {
    sources.iter().filter(|source| source.log < source.placement.shards())
}

/// The erasures that are not done on every shard.
fn erasures(sources: &[Leaving<'_>]) -> Vec<Record<'static>> {
    let mut all = Erasures::new([0; 16]);
    for record in present(sources).flat_map(|source| source.erasures.records()) {
        all.replay((Lsn(0), SegmentId(0)), &record);
    }
    all.records().collect()
}
