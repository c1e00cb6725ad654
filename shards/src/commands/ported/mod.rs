//! `postrider ported`: makes, changes and shows tables of ported numbers, and makes up numbers for
//! tests. On the main thread.

mod change;
mod generate;
mod show;

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use postrider_core::clock::UnixMs;
use postrider_http::time::{parse_rfc3339, push_rfc3339};

use super::lines::{complain, print};
use crate::control::ported::FeedOptions;
use crate::exit;

/// Work with tables of ported numbers
///
/// build makes a table from a full file, apply brings a delta into it, merge makes
/// a new table of a table and its changes. Each leaves what is there until the
/// new file is whole. A running gateway takes what changed with its next reload.
///
/// Exit status: 0 done; 1 refused, with the reason; 2 usage.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct PortedCommand {
    #[command(subcommand)]
    action: PortedAction,
}

#[derive(Debug, clap::Subcommand)]
enum PortedAction {
    Build(change::BuildArgs),
    Apply(change::ApplyArgs),
    Merge(change::MergeArgs),
    Show(show::ShowArgs),
    Generate(generate::GenerateArgs),
}

/// How a feed is to be read.
#[derive(Debug, clap::Args)]
struct FeedArgs {
    /// Numbers without + are national ones of this calling code
    #[arg(long, value_name = "DIGITS", value_parser = clap::value_parser!(u64).range(1..1_000))]
    calling_code: Option<u64>,
    /// Which networks the feed's recipients are: lines of recipient,mcc,mnc [default: they are MCC-MNC]
    #[arg(long, value_name = "FILE")]
    recipients: Option<PathBuf>,
    /// When the feed was true, like 2026-11-22T04:00:00Z [default: its line `# as_of: ..`]
    #[arg(long, value_name = "TIME", value_parser = time)]
    as_of: Option<UnixMs>,
    /// Its number; of a full file, that of the last delta in it [default: its line `# sequence: ..`]
    #[arg(long, value_name = "N")]
    sequence: Option<u64>,
}

impl FeedArgs {
    fn options(&self) -> FeedOptions {
        FeedOptions {
            calling_code: self.calling_code,
            recipients: self.recipients.clone(),
            as_of: self.as_of,
            sequence: self.sequence,
        }
    }
}

fn time(text: &str) -> Result<UnixMs> {
    parse_rfc3339(text).ok_or_else(|| anyhow!("give a time like 2026-11-22T04:00:00Z"))
}

/// A time in seconds since 1970, for people.
fn time_of(seconds: u64) -> String {
    let mut text = Vec::new();
    push_rfc3339(&mut text, UnixMs(seconds.saturating_mul(1_000)));
    String::from_utf8(text).unwrap_or_default()
}

/// Does it.
#[must_use]
pub fn run(command: &PortedCommand) -> i32 {
    let done = match &command.action {
        PortedAction::Build(args) => change::build(args),
        PortedAction::Apply(args) => change::apply(args),
        PortedAction::Merge(args) => change::merge(args),
        PortedAction::Show(args) => show::show(args),
        PortedAction::Generate(args) => return generate::run(args),
    };
    match done {
        Ok(text) => print(&mut std::io::stdout().lock(), text.trim_end())
            .map_or_else(|status| status, |()| exit::OK),
        Err(error) => {
            complain(&format!("{error:#}"));
            exit::FAILED
        }
    }
}
