//! Where a replay begins: at the newest checkpoint, or with the oldest record when there is none that
//! can be used. Part of a shard's start.

use postrider_core::clock::Now;
use postrider_core::limits;
use postrider_storage::checkpoint::Checkpoint;
use postrider_storage::register::{REGISTER_ROWS_MAX, RegisterConfig, Registers};
use postrider_storage::search::InOrder;
use postrider_storage::{
    Ask, Disk, Log, LogConfig, LogIoError, Lsn, OpenError, Position, ReadBack, Record, Recovery,
    SegmentId, crash, read_record,
};

use super::replay::{Replay, Unread};
use super::resume::known;
use crate::shard::ShardParts;
use crate::shard::checkpoint::{DOUBTS, Filed, Listed, Past, REGISTERS, numbers};
use crate::shard::cold::ColdStore;
use crate::shard::doubts::Doubts;
use crate::shard::erasing::known::{ERASURES, decode};
use crate::shard::fetch::Fetch;
use crate::shard::parking::cold_config;
use crate::shard::reclaim::Ages;
use crate::shard::submit::References;

pub(in crate::shard) const CONFIG: RegisterConfig =
    RegisterConfig { rows: limits::REGISTER_ROWS, dirty: limits::REGISTER_CHANGES };
const _: () = assert!(limits::REGISTER_ROWS <= REGISTER_ROWS_MAX);

/// A log that was read, and what its records came to.
pub(super) struct Begun<'a> {
    pub(super) replay: Replay<'a>,
    pub(super) log: Log,
    pub(super) recovery: Recovery,
    pub(super) cold: ColdStore,
}

/// Reads the log from where the checkpoint says; `None` when it turns out to be of no use.
pub(super) fn from_checkpoint<'a, D: Disk>(
    parts: &'a ShardParts,
    disk: &mut D,
    config: &LogConfig,
    now: Now,
    checkpoint: &Checkpoint,
) -> Result<Option<Begun<'a>>, OpenError> {
    let snapshot = checkpoint.section(REGISTERS).filter(|bytes| Registers::is_snapshot(bytes));
    let told = (Past::of(checkpoint), Filed::of(checkpoint), snapshot);
    let (Some(past), Some(filed), Some(snapshot)) = told else { return Ok(None) };
    let cold = open_cold(parts, disk, filed, now)?;
    let key = parts.shared.placement.key();
    let forgotten = checkpoint.section(ERASURES).and_then(|bytes| decode(key, bytes));
    let doubts = numbers(checkpoint, DOUBTS).and_then(|words| Doubts::of(&words));
    let (Some(forgotten), Some(doubts)) = (forgotten, doubts) else { return Ok(None) };
    if checkpoint.shard != parts.id.0 || cold.covered() < checkpoint.lsn {
        return Ok(None);
    }
    let (registers, found) = Registers::open(disk, CONFIG, Some(snapshot))?;
    let oldest = oldest(disk)?;
    // What is in a register that has to be made anew comes from the segment of its messages.
    let homes = found.missing.iter().map(|missing| missing.home);
    let from = homes.chain([past.from]).min().unwrap_or(oldest).max(oldest);
    let begin = (oldest, parts.contents.unowned());
    let mut replay = Replay::new(parts.id.0, (&parts.shared, &parts.stats), registers, begin);
    (replay.erasures, replay.opt_outs, replay.strangers) = forgotten;
    replay.doubts = doubts;
    replay.most = hot_messages(parts);
    replay.restore(disk, past, from)?;
    crash::point("checkpoint-read");
    let opened =
        Log::open_from(disk, config.clone(), now.mono, now.wall.0, Some(from), &mut replay);
    let (log, recovery) = match opened {
        Err(OpenError::Start(_)) => return Ok(None),
        opened => opened?,
    };
    let last = Lsn(recovery.next_lsn.0 - 1);
    let whole = checkpoint.fits(parts.id.0, last) && replay.unread.is_empty();
    Ok(whole.then_some(Begun { replay, log, recovery, cold }))
}

/// Reads the whole log. What is in other files is made anew.
pub(super) fn from_scratch<'a, D: Disk>(
    parts: &'a ShardParts,
    disk: &mut D,
    config: &LogConfig,
    now: Now,
) -> Result<Begun<'a>, OpenError> {
    for (file, _) in disk.list_side()? {
        disk.remove_side(file)?;
        crash::point("side-discarded");
    }
    let oldest = oldest(disk)?;
    let registers = Registers::new(CONFIG);
    let begin = (oldest, parts.contents.unowned());
    let mut replay = Replay::new(parts.id.0, (&parts.shared, &parts.stats), registers, begin);
    (replay.most, replay.whole) = (hot_messages(parts), true);
    let (log, recovery) =
        Log::open_from(disk, config.clone(), now.mono, now.wall.0, None, &mut replay)?;
    let cold = open_cold(parts, disk, Filed::default(), now)?;
    Ok(Begun { replay, log, recovery, cold })
}

/// What there is of rows that lead to messages on disk. A damaged file is not used: what it held is
/// missing then, which shows in how far the rows reach.
fn open_cold<D: Disk>(
    parts: &ShardParts,
    disk: &mut D,
    filed: Filed,
    now: Now,
) -> Result<ColdStore, LogIoError> {
    let config = cold_config(&parts.shared, parts.shared.placement.shards());
    let (mut cold, _) = ColdStore::open(disk, &config, filed.state, now.mono)?;
    for (group, count) in filed.backlog {
        cold.count(group, count);
    }
    Ok(cold)
}

fn hot_messages(parts: &ShardParts) -> usize {
    usize::try_from(parts.shared.config.limits.hot_messages).unwrap_or(usize::MAX)
}

fn oldest<D: Disk>(disk: &mut D) -> Result<SegmentId, LogIoError> {
    let files = disk.list()?;
    Ok(files.iter().map(|file| file.id).min().unwrap_or(SegmentId(1)))
}

/// Reads the record at a place, if it is still there and whole.
fn read_at<D: Disk>(
    disk: &mut D,
    at: Position,
    take: &mut dyn FnMut(&Record<'_>),
) -> Result<(), LogIoError> {
    let mut len = limits::RECORD_READ;
    loop {
        let bytes = match Ask::segment(at.segment, at.offset.into(), len).read_from(disk) {
            Err(error) if error.is_missing() => return Ok(()),
            bytes => bytes?,
        };
        match read_record(&bytes) {
            Ok(ReadBack::Incomplete { needed }) => match u32::try_from(needed) {
                Ok(needed) if needed > len => len = needed,
                _ => return Ok(()),
            },
            Ok(ReadBack::Whole { record, .. }) => {
                take(&record);
                return Ok(());
            }
            Err(_) => return Ok(()),
        }
    }
}

impl Replay<'_> {
    /// Takes over what a checkpoint tells; the replay begins at `from`.
    fn restore<D: Disk>(
        &mut self,
        disk: &mut D,
        past: Past,
        from: SegmentId,
    ) -> Result<(), LogIoError> {
        self.references = References::of(&past.references);
        self.ages = Ages::before(from, &past.ages);
        self.inbox.seen(past.next_inbound.saturating_sub(1));
        self.orphans.seen(past.next_orphan.saturating_sub(1));
        for (at, fingerprint) in &past.known {
            self.inbox.came(*at, *fingerprint);
        }
        self.table.count_cold(past.cold);
        self.read_messages(disk, &past)?;
        let old =
            |held: (&u64, &Position)| (held.1.segment < past.from).then_some((*held.0, *held.1));
        for (number, at) in past.inbound.iter().filter_map(old) {
            self.unread.insert(Unread::Inbound(number));
            read_at(disk, at, &mut |record| {
                if let Record::Inbound(record) = record
                    && record.inbound == number
                {
                    self.unread.remove(&Unread::Inbound(number));
                    self.inbox.replay(at, record);
                }
            })?;
        }
        for (number, at) in past.orphans.iter().filter_map(old) {
            self.unread.insert(Unread::Orphan(number));
            read_at(disk, at, &mut |record| {
                if matches!(record, Record::Orphan { orphan, .. } if *orphan == number) {
                    self.orphan(at, record);
                }
            })?;
        }
        self.past = past;
        Ok(())
    }

    /// Reads the messages that were in memory, as far as their records are not replayed: in the order
    /// of the log.
    fn read_messages<D: Disk>(&mut self, disk: &mut D, past: &Past) -> Result<(), LogIoError> {
        let mut old: Vec<(u64, &Listed)> = Vec::new();
        for (sequence, listed) in &past.messages {
            if !listed.records.is_empty() {
                old.push((*sequence, listed));
            }
        }
        old.sort_by_key(|(_, listed)| listed.records.first());
        let mut reader = InOrder::default();
        for (sequence, listed) in old {
            let fetch = Fetch::of(sequence, listed.records.clone(), listed.closed);
            match known(reader.run(fetch, disk))? {
                Some(message) => self.table.insert(message),
                // A closed one goes with its segment.
                None if listed.closed > 0 => {}
                None => {
                    self.unread.insert(Unread::Message(sequence));
                }
            }
        }
        Ok(())
    }
}
