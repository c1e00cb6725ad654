//! The data directory before its shards start: whether this release can read every log, and another
//! number of shards than it had. Runs on the main thread, once.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use postrider_core::clock::Now;
use postrider_core::config::StoreConfig;
use postrider_core::limits;
use postrider_core::place::{Epoch, Placement, ShardId};
use postrider_storage::io::{DataDir, DirEpoch, FileDisk, FileReader, contents_dir, log_dir};
use postrider_storage::{Disk as _, check_format, crash};

use crate::node::ArchiveFiles;
use crate::rt::Clock;
use crate::server::log_config;
use crate::shard::moving::{LogDisks, move_open};
use crate::shard::{ContentsConfig, Shard};

/// Looks whether every log can be read, before anything is written to one.
pub(crate) fn check_logs(dir: &DataDir, store: &StoreConfig) -> Result<()> {
    for log in dir.logs() {
        let shard = ShardId(log);
        let messages = check_format(&mut dir.disk(log, store.direct), &log_config(shard, store));
        messages.with_context(|| format!("{shard}"))?;
        let config = ContentsConfig::usual(log, false).log();
        let contents = check_format(&mut contents_disk(dir, log, store.direct), &config);
        contents.with_context(|| format!("{shard}, contents"))?;
    }
    Ok(())
}

/// Gives the directory this number of shards, if it has another one: what is open moves to the logs of
/// its new owners.
pub(crate) fn change(dir: &mut DataDir, shards: u16, store: &StoreConfig) -> Result<()> {
    let before = dir.shards();
    if before != shards {
        move_to(dir, shards, store)?;
    }
    tidy(dir, shards)
}

fn move_to(dir: &mut DataDir, shards: u16, store: &StoreConfig) -> Result<()> {
    let (before, clock) = (dir.shards(), Clock::start());
    tracing::info!("the number of shards changes from {before} to {shards}: moving what is open");
    let logs = before.max(shards);
    dir.make_logs(logs)?;
    let disks = (0..logs).map(|log| LogDisks {
        messages: dir.disk(log, store.direct),
        contents: contents_disk(dir, log, store.direct),
    });
    let config = |log| (log_config(ShardId(log), store), ContentsConfig::usual(log, false));
    let now = Now { mono: Duration::ZERO, wall: clock.wall_raw() };
    let mut disks: Vec<_> = disks.collect();
    let moved = move_open(&mut disks, config, &placement(dir), shards, now)?;
    crash::point("cores-moved");
    dir.change(DirEpoch { number: moved.epoch, shards })?;
    crash::point("cores-changed");
    tracing::info!(
        "{shards} shards now: {} open messages, {} messages from handsets and {} parked receipts moved \
         in {:.1} s",
        moved.messages,
        moved.inbound,
        moved.receipts,
        clock.mono().as_secs_f64()
    );
    Ok(())
}

fn contents_disk(dir: &DataDir, log: u16, direct: bool) -> FileDisk {
    FileDisk::new(contents_dir(&dir.shard_dir(log)), direct)
}

/// Overwrites and removes what nobody reads any more: in logs that no shard writes to, contents; such
/// logs themselves, when nothing is left in them; what a change that was broken off has begun.
fn tidy(dir: &DataDir, shards: u16) -> Result<()> {
    for log in dir.logs_found()?.into_iter().filter(|log| *log >= shards) {
        wipe(&mut contents_disk(dir, log, false))?;
        let mut disk = dir.disk(log, false);
        if !dir.logs().contains(&log) {
            wipe(&mut disk)?;
        }
        if disk.list()?.is_empty() {
            dir.remove_log(log)?;
        }
    }
    Ok(())
}

fn wipe(disk: &mut FileDisk) -> Result<()> {
    for file in disk.list()? {
        disk.set_aside(file.id)?;
        disk.wipe_old(file.id)?;
    }
    disk.wipe_quarantine()?;
    Ok(())
}

/// Gives a shard the logs that it keeps beside its own, `dir`.
pub(crate) fn add_archives(
    shard: &mut Shard,
    dir: &Path,
    store: &StoreConfig,
) -> Result<Vec<ArchiveFiles>> {
    let mut archives = Vec::new();
    let data = dir.parent().unwrap_or(dir);
    for log in shard.logs_to_keep() {
        let dir = log_dir(data, log);
        if !dir.is_dir() {
            continue;
        }
        let mut disk = FileDisk::new(&dir, store.direct);
        shard
            .add_archive(&mut disk, &log_config(ShardId(log), store))
            .with_context(|| format!("the log of former {}", ShardId(log)))?;
        let reader = FileReader::new(&dir, limits::READ_FILES);
        archives.push(ArchiveFiles { log, reader, disk });
    }
    Ok(archives)
}

/// Who owns which numbers.
pub(crate) fn placement(dir: &DataDir) -> Placement {
    Placement::with_epochs(dir.placement_key(), epochs(dir.epochs()))
}

/// A directory's epochs as placement knows them.
pub(crate) fn epochs(known: &[DirEpoch]) -> Vec<Epoch> {
    let epoch = |DirEpoch { number, shards }: &DirEpoch| Epoch { number: *number, shards: *shards };
    known.iter().map(epoch).collect()
}
