//! `postrider plan`: prints what a configuration means on a machine, before anything is started.
//! On the main thread.

use std::io::{self, Write};
use std::path::PathBuf;

use postrider_core::config::Plan;

use super::config_file::{LoadError, cores, load, refuse};
use super::lines::print;
use crate::exit;

/// Print the plan: partitions, binds, windows, rates, crossings, memory and disk per shard.
///
/// Exit status: 0 good, 1 the file cannot be read, 4 the configuration is invalid.
#[derive(Debug, clap::Args)]
pub struct PlanArgs {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Plan for a machine of this many cores instead of this one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub cores: Option<u16>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints the plan.
#[must_use]
pub fn run(args: &PlanArgs) -> i32 {
    run_on(args, &mut io::stdout().lock())
}

pub(super) fn run_on(args: &PlanArgs, output: &mut dyn Write) -> i32 {
    let plan = load(&args.config).and_then(|config| {
        let plan = Plan::new(&config, cores(args.cores));
        plan.map_err(|errors| LoadError::Invalid { path: args.config.clone(), errors })
    });
    let text = match plan {
        Ok(plan) if args.json => plan.to_json().to_string(),
        Ok(plan) => plan.to_string().trim_end().to_owned(),
        Err(error) => return refuse(&error),
    };
    print(output, &text).map_or_else(|status| status, |()| exit::OK)
}
