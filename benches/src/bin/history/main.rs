//! `history`: the real program on a data directory with ten million messages, prepared as the gateway
//! writes it. Measures its start, its memory, and what it takes to answer for pages of customers' lists
//! and for single messages, over HTTP. With `--waiting` the messages wait to be sent instead, and every
//! way of starting again is measured. On the main thread; takes up to 7 GB of disk for a while.
#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and exists to print what it found"
)]

mod ask;
mod prepare;
mod program;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use self::ask::{Client, Page};
use self::prepare::{CUSTOMERS, Messages, Prepared, prepare};
use self::program::{Program, config_of, forget_files};

/// As in the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: history DIR [MESSAGES] [--waiting]: measures in the new directory DIR, and \
                     removes it. The program is taken from beside this one: build it first";
const MESSAGES: u64 = 10_000_000;
/// The longest that a page may take.
const PAGE_AIM: Duration = Duration::from_millis(20);
/// The longest that a start with ten million open messages may take.
const START_AIM: Duration = Duration::from_secs(10);
const TIMES: usize = 21;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let before = arguments.len();
    arguments.retain(|argument| argument != "--waiting");
    let messages = if arguments.len() < before { Messages::Waiting } else { Messages::Closed };
    let result = match arguments.as_slice() {
        [word, ..] if word.starts_with('-') => Err(anyhow::anyhow!(USAGE)),
        [dir] => measure(Path::new(dir), MESSAGES, messages),
        [dir, count] => match count.parse() {
            Ok(count) => measure(Path::new(dir), count, messages),
            Err(_) => Err(anyhow::anyhow!(USAGE)),
        },
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("history: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn measure(dir: &Path, count: u64, messages: Messages) -> Result<()> {
    std::fs::create_dir(dir).context("DIR must not be there yet")?;
    let result = measure_in(&dir.canonicalize()?, count, messages);
    std::fs::remove_dir_all(dir)?;
    result
}

fn measure_in(dir: &Path, count: u64, messages: Messages) -> Result<()> {
    let data = dir.join("data");
    let begun = Instant::now();
    let prepared = prepare(&data, count, messages)?;
    println!(
        "{count} messages {messages}, {} MB of log, written in {:.1} s",
        prepared.bytes / 1_000_000,
        begun.elapsed().as_secs_f64()
    );
    let config = dir.join("postrider.toml");
    std::fs::write(&config, config_of(&data, count))?;
    match messages {
        Messages::Closed => measure_answers(&config, &data, &prepared),
        Messages::Waiting => measure_starts(&config, &data, &prepared),
    }
}

/// Pages and single messages.
fn measure_answers(config: &Path, data: &Path, prepared: &Prepared) -> Result<()> {
    let program = Program::start(config, "first start")?;
    program.settle();
    println!("memory {} MiB once it rests", program.resident()? >> 20);
    let mut slowest = Duration::ZERO;
    println!("customer  status       page     rows   cold ms   warm ms (median, most of {TIMES})");
    for customer in &CUSTOMERS {
        let mut client = Client::connect(program.address(), customer.key)?;
        for status in ["any", "delivered", "undelivered", "failed", "queued"] {
            for (place, to) in [("newest", None), ("middle", Some(prepared.middle_ms))] {
                let page = Page { status, to };
                forget_files(data)?;
                let (rows, cold) = client.page(&page)?;
                let (median, most) = repeated(|| Ok(client.page(&page)?.1))?;
                println!(
                    "{:8}  {status:11}  {place:6} {rows:6}  {:8.2}  {:8.2} {:8.2}",
                    customer.share,
                    ms(cold),
                    ms(median),
                    ms(most)
                );
                slowest = slowest.max(median);
            }
        }
    }
    println!(
        "slowest median from memory: {:.2} ms (aim: {} ms)",
        ms(slowest),
        PAGE_AIM.as_millis()
    );
    one_by_one(&program, data, prepared)?;
    program.stop(Signal::TERM)?;
    ensure!(slowest < PAGE_AIM * 3, "far over the aim");
    Ok(())
}

/// Single messages by id, here and there.
fn one_by_one(program: &Program, data: &Path, prepared: &Prepared) -> Result<()> {
    forget_files(data)?;
    let mut times = Vec::new();
    for (customer, id) in &prepared.some {
        let mut client = Client::connect(program.address(), customer.key)?;
        client.message(id)?;
        times.push(client.message(id)?);
    }
    times.sort();
    let (median, most) = (times.get(times.len() / 2), times.last());
    let (Some(median), Some(most)) = (median, most) else { anyhow::bail!("no ids") };
    println!(
        "a message by id, {} of them: {:.2} ms, {:.2} at most",
        times.len(),
        ms(*median),
        ms(*most)
    );
    Ok(())
}

/// Starts: the first one, after a kill, after a graceful stop, and without what can be made anew.
fn measure_starts(config: &Path, data: &Path, prepared: &Prepared) -> Result<()> {
    let mut slowest = Duration::ZERO;
    let program = Program::start(config, "without indexes and checkpoints")?;
    program.settle();
    check_some(&program, prepared)?;
    program.stop(Signal::KILL)?;
    for (what, signal) in [("after a kill", Signal::TERM), ("after an orderly stop", Signal::KILL)]
    {
        forget_files(data)?;
        let program = Program::start(config, what)?;
        slowest = slowest.max(program.start_took());
        check_some(&program, prepared)?;
        program.stop(signal)?;
    }
    let side = side_files(data)?;
    for file in &side {
        std::fs::remove_file(file)?;
    }
    let program = Program::start(config, "indexes and checkpoints removed")?;
    check_some(&program, prepared)?;
    program.stop(Signal::TERM)?;
    println!("{} files were removed; aim of a start: {} s", side.len(), START_AIM.as_secs());
    ensure!(slowest < START_AIM * 3, "far over the aim");
    Ok(())
}

/// Some messages wait still, and their customers can see them.
fn check_some(program: &Program, prepared: &Prepared) -> Result<()> {
    for (customer, id) in prepared.some.iter().take(TIMES) {
        Client::connect(program.address(), customer.key)?.message(id)?;
    }
    Ok(())
}

fn side_files(data: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for shard in std::fs::read_dir(data)? {
        let shard = shard?.path();
        if !shard.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(shard)? {
            let file = file?;
            let name = file.file_name();
            if name.to_str().and_then(postrider_storage::SideFile::from_file_name).is_some() {
                found.push(file.path());
            }
        }
    }
    Ok(found)
}

/// The median and the most of several times.
fn repeated(mut once: impl FnMut() -> Result<Duration>) -> Result<(Duration, Duration)> {
    let mut times = (0..TIMES).map(|_| once()).collect::<Result<Vec<_>>>()?;
    times.sort();
    let (median, most) = (times.get(TIMES / 2), times.last());
    median.copied().zip(most.copied()).context("no times")
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
