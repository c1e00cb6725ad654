//! `postrider store`: looks into a data directory that no gateway uses, and mends its log on the
//! operator's word. On the main thread.

mod export;
mod inspect;
mod read;
mod repair;
mod side;
mod verify;

use anyhow::Result;

use super::lines::{complain, print};
use crate::exit;

pub(super) use read::Source;

/// Work with a data directory while no gateway runs on it
///
/// inspect, verify and export never write into it. They refuse one that a
/// gateway uses, since it changes while it is read: stop the gateway, or give
/// them a copy (a snapshot of the file system). Meanwhile no gateway can start
/// on the directory.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct StoreCommand {
    #[command(subcommand)]
    action: StoreAction,
}

#[derive(Debug, clap::Subcommand)]
enum StoreAction {
    Inspect(inspect::InspectArgs),
    Verify(verify::VerifyArgs),
    Export(export::ExportArgs),
    Repair(repair::RepairArgs),
}

/// Does it.
#[must_use]
pub fn run(command: &StoreCommand) -> i32 {
    match &command.action {
        StoreAction::Inspect(args) => inspect::run(args),
        StoreAction::Verify(args) => verify::run(args),
        StoreAction::Export(args) => export::run(args),
        StoreAction::Repair(args) => repair::run(args),
    }
}

/// Prints what was made, or says why not; gives the exit status.
fn finish(made: Result<String>) -> i32 {
    match made {
        Ok(text) => print(&mut std::io::stdout().lock(), text.trim_end())
            .map_or_else(|status| status, |()| exit::OK),
        Err(error) => {
            complain(&format!("{error:#}"));
            exit::FAILED
        }
    }
}
