//! `postrider ported build`, `apply` and `merge`. On the main thread.

use std::path::PathBuf;

use anyhow::Result;
use postrider_core::ported::covers;

use super::FeedArgs;
use crate::control::ported::{self, Applied, BuildOrder, Built};

/// Make a table from a full file
///
/// Memory: about 25 MiB for 100 million numbers, and the disk of a file of them. Disk
/// meanwhile: 30 octets a row beside the table.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct BuildArgs {
    /// The table to make
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
    /// Leading digits of the numbers that it answers for, like 44; several with commas between
    #[arg(long, value_name = "DIGITS")]
    covers: String,
    /// The full file; - for standard input
    #[arg(long, value_name = "FILE")]
    full: PathBuf,
    #[command(flatten)]
    feed: FeedArgs,
}

/// Bring a delta into a table
///
/// Deltas are applied in the order of their numbers: one that the table has already
/// changes nothing, and one before which others are missing is refused. Changes stand
/// beside the table until they are more than 1 % of it, then they are merged into it.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ApplyArgs {
    /// The table to change
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
    /// The delta; - for standard input
    #[arg(long, value_name = "FILE")]
    delta: PathBuf,
    #[command(flatten)]
    feed: FeedArgs,
}

/// Make a new table of a table and the changes beside it
#[derive(Debug, clap::Args)]
pub(super) struct MergeArgs {
    /// The table
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
}

pub(super) fn build(args: &BuildArgs) -> Result<String> {
    let order = BuildOrder {
        table: args.table.clone(),
        covers: covers(&args.covers)?,
        full: args.full.clone(),
        feed: args.feed.options(),
    };
    ported::build(&order).map(|built| text(&built))
}

pub(super) fn merge(args: &MergeArgs) -> Result<String> {
    ported::merge(&args.table).map(|built| text(&built))
}

fn text(built: &Built) -> String {
    let numbers = built.header.numbers;
    let hundredths = built.octets.saturating_mul(100) / numbers.max(1);
    format!(
        "{numbers} numbers in {} octets, {}.{:02} a number",
        built.octets,
        hundredths / 100,
        hundredths % 100
    )
}

pub(super) fn apply(args: &ApplyArgs) -> Result<String> {
    let applied = ported::apply(&args.table, &args.delta, &args.feed.options())?;
    Ok(match applied {
        Applied::Before { sequence } => format!("delta {sequence} is in the table already"),
        Applied::Beside { sequence, changes } => {
            format!("delta {sequence} applied: {changes} changes beside the table")
        }
        Applied::Merged { sequence, numbers } => {
            format!("delta {sequence} applied and merged: {numbers} numbers in the table")
        }
    })
}
