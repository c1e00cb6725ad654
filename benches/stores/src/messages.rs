//! The same messages through one engine: acceptance, submission and final status of each. One process for one
//! engine and one size of group.

use std::path::Path;

use anyhow::{Result, bail, ensure};

use crate::log::Log;
use crate::meter::{Meter, percentile};

/// An engine that makes groups of changes durable.
pub trait Engine {
    /// A group has begun; [`Engine::commit`] ends it.
    fn begin(&mut self) -> Result<()>;
    /// A message was accepted.
    fn accepted(&mut self, sequence: u64) -> Result<()>;
    /// A message was submitted: the carrier has given it an id.
    fn submitted(&mut self, sequence: u64) -> Result<()>;
    /// A message was delivered.
    fn delivered(&mut self, sequence: u64) -> Result<()>;
    /// All of the group is on the disk when this returns.
    fn commit(&mut self) -> Result<()>;
    /// How many messages can be found again, once everything is written.
    fn stored(&mut self) -> Result<u64>;
}

/// Stores `messages` messages in `dir`, `group` of them at once: each commit accepts a group, submits the group
/// before it and ends the one before that, as steady traffic does. Prints messages a second, processor time of
/// each in microseconds, bytes on the disk of each, and commits in microseconds: median and 99 of 100.
pub fn run(engine: &str, group: u64, messages: u64, dir: &Path) -> Result<String> {
    ensure!(group > 0 && messages.is_multiple_of(group), "MESSAGES is a multiple of GROUP");
    let mut engine: Box<dyn Engine> = match engine {
        "log" => Box::new(Log::open(dir, messages * 480 + (messages / group + 2) * 4_096)?),
        #[cfg(feature = "peers")]
        "fjall" => Box::new(crate::fjall::Fjall::open(dir)?),
        #[cfg(feature = "peers")]
        "sqlite" => Box::new(crate::sqlite::Sqlite::open(dir)?),
        _ => bail!("no engine {engine} in this build"),
    };
    let groups = messages / group;
    let mut times = Vec::new();
    let meter = Meter::start()?;
    for turn in 0..groups + 2 {
        let members = |back: u64| {
            let some = (back..groups + back).contains(&turn);
            let first = turn.saturating_sub(back) * group;
            if some { first + 1..first + group + 1 } else { 0..0 }
        };
        let began = meter.stop()?.wall;
        engine.begin()?;
        members(0).try_for_each(|sequence| engine.accepted(sequence))?;
        members(1).try_for_each(|sequence| engine.submitted(sequence))?;
        members(2).try_for_each(|sequence| engine.delivered(sequence))?;
        engine.commit()?;
        times.push(meter.stop()?.wall - began);
    }
    let used = meter.stop()?;
    let stored = engine.stored()?;
    ensure!(stored == messages, "{stored} of {messages} messages are stored");
    Ok(format!(
        "{:.0} {:.2} {:.0} {:.0} {:.0}",
        used.rate(messages),
        used.cpu_us(messages),
        used.written as f64 / messages as f64,
        percentile(&mut times, 50),
        percentile(&mut times, 99),
    ))
}
