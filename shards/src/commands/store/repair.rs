//! `postrider store repair`: sets damage in a newest segment aside, on the operator's word, so that a
//! gateway starts again. On the main thread.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use postrider_storage::io::{DataDir, DirView};
use postrider_storage::{Repair, Replayed, SegmentId, inspect, repair};

use super::finish;
use super::read::{log_config, segments, shard_name};
use crate::rt::Clock;

/// Set damage aside that keeps a gateway from starting
///
/// For a gateway that refuses to start because acknowledged records in a newest
/// segment are damaged. The damaged bytes are copied to the shard's folder
/// quarantine, and a new segment is begun behind them; nothing is removed. The
/// messages that stood there are lost: restore a backup instead, if there is
/// one. Doing it twice is harmless.
///
/// Exit status: 0 done, or nothing to do; 1 it cannot be done.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct RepairArgs {
    /// The data directory.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &RepairArgs) -> i32 {
    finish(if args.dry_run { look(args) } else { mend(args) })
}

/// What is damaged.
fn look(args: &RepairArgs) -> Result<String> {
    let view = DirView::open(&args.dir)?;
    let mut text = String::new();
    for shard in view.logs() {
        let mut disk = view.disk(shard);
        let config = log_config(shard, &segments(&mut disk)?);
        let found = inspect(&mut disk, &config, &mut |_: Replayed<'_>| {});
        let found = found.with_context(|| shard_name(shard))?;
        let newest = found.newest.map(SegmentId::file_name);
        let begins = found.quarantined.iter().any(|(file, ..)| newest.as_ref() == Some(file));
        say(&mut text, shard, &found.quarantined, "would be set aside");
        if begins {
            text.push_str("  a new segment would be begun behind it\n");
        }
    }
    Ok(text)
}

fn mend(args: &RepairArgs) -> Result<String> {
    let shards = DirView::open(&args.dir)?.shards();
    let dir = DataDir::open(&args.dir, shards)?;
    let now = Clock::start().wall_raw().0;
    let mut text = String::new();
    for shard in dir.logs() {
        let mut disk = dir.disk(shard, true);
        let config = log_config(shard, &segments(&mut disk)?);
        let done = repair(&mut disk, &config, now).with_context(|| shard_name(shard))?;
        let Repair { recovery, began } = done;
        say(&mut text, shard, &recovery.quarantined, "set aside");
        if let Some(began) = began {
            text.push_str(&format!("  {began} begun behind it\n"));
        }
    }
    Ok(text)
}

fn say(text: &mut String, shard: u16, damage: &[(String, u64, String)], done: &str) {
    let name = shard_name(shard);
    match damage.len() {
        0 => text.push_str(&format!("{name}: no damage\n")),
        1 => text.push_str(&format!("{name}: one place is damaged, {done}\n")),
        places => text.push_str(&format!("{name}: {places} places are damaged, {done}\n")),
    }
    for (file, at, why) in damage {
        text.push_str(&format!("  {file}, byte {at}: {why}\n"));
    }
}
