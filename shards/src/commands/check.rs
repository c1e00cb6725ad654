//! `postrider check`: reads a configuration and says everything that is wrong with it. On the main
//! thread.

use std::io::{self, Write};
use std::path::PathBuf;

use postrider_core::config::{Config, Plan};

use super::config_file::{LoadError, cores, load, refuse};
use super::lines::print;
use crate::exit;

/// Check a configuration and say everything that is wrong with it.
///
/// Exit status: 0 good, 1 the file cannot be read, 4 the configuration is invalid.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Check for a machine of this many cores instead of this one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub cores: Option<u16>,
}

/// Prints `ok: ..`, what is spoken beyond the defaults, and notes; or one line for each problem.
#[must_use]
pub fn run(args: &CheckArgs) -> i32 {
    run_on(args, &mut io::stdout().lock())
}

fn run_on(args: &CheckArgs, output: &mut dyn Write) -> i32 {
    let (text, status) = match checked(args) {
        Ok((config, plan)) => (report(&config, &plan), exit::OK),
        Err(error @ LoadError::Unreadable { .. }) => return refuse(&error),
        // The problems are what was asked for: they go to standard output.
        Err(error @ (LoadError::Invalid { .. } | LoadError::Tls { .. })) => {
            (error.to_string(), error.status())
        }
    };
    match print(output, &text) {
        Ok(()) => status,
        Err(exit::OK) => status,
        Err(failed) => failed,
    }
}

fn checked(args: &CheckArgs) -> Result<(Config, Plan), LoadError> {
    let config = load(&args.config)?;
    let plan = Plan::new(&config, cores(args.cores))
        .map_err(|errors| LoadError::invalid(&args.config, errors))?;
    Ok((config, plan))
}

fn report(config: &Config, plan: &Plan) -> String {
    let notes: String = config.notes().iter().map(|note| format!("note: {note}\n")).collect();
    let text = format!("{}\n{}{notes}", summary(config, plan), plan.smpp_lines());
    text.trim_end().to_owned()
}

fn summary(config: &Config, plan: &Plan) -> String {
    format!(
        "ok: {}, {}, {}, {}",
        counted(usize::from(plan.shard_count()), "shard"),
        counted(config.customers.len(), "customer"),
        counted(config.carriers.len(), "carrier"),
        counted(config.routes.len(), "route"),
    )
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("{count} {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
