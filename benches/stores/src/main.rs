//! `stores COMMAND ...`: one measurement of the store, or of what it is measured beside, and one line of
//! figures. One process each, on its main thread; `scripts/store-speed.sh` runs them in turn and says what the
//! figures are.
#![allow(
    clippy::expect_used,
    reason = "a benchmark that cannot set up its subject has nothing to measure"
)]

mod commit;
#[cfg(feature = "peers")]
mod fjall;
mod log;
mod messages;
mod meter;
mod scan;
#[cfg(feature = "peers")]
mod sqlite;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

/// As in the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: stores commit BATCHES DIR
       stores append EVENTS DIR
       stores messages log|fjall|sqlite GROUP MESSAGES DIR
       stores scan DIR";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("stores: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(words: &[&str]) -> Result<String> {
    match *words {
        ["commit", batches, dir] => commit::run(number(batches)?, &empty(dir)?),
        ["append", events, dir] => commit::append(number(events)?, &empty(dir)?),
        ["messages", engine, group, messages, dir] => {
            messages::run(engine, number(group)?, number(messages)?, &empty(dir)?)
        }
        ["scan", dir] => scan::run(&PathBuf::from(dir)),
        _ => bail!(USAGE),
    }
}

fn number(word: &str) -> Result<u64> {
    word.parse().with_context(|| format!("{word} is no number"))
}

/// The directory, made anew.
fn empty(dir: &str) -> Result<PathBuf> {
    let dir = PathBuf::from(dir);
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}
