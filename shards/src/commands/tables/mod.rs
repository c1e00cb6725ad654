//! `postrider tables`: makes snapshots of the tables of numbers, and shows what a gateway goes by. On
//! the main thread.

mod show;

use std::io;
use std::path::PathBuf;

use anyhow::Result;
use postrider_core::numbering::{TableKind, Tables};

use super::lines::{complain, print};
use crate::control::tables::build;
use crate::exit;

/// Work with the tables of numbers: countries, numbering plans, operators
///
/// Exit status: 0 done; 1 refused, with file and line; 2 usage; 4 the configuration is
/// invalid.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct TablesCommand {
    #[command(subcommand)]
    action: TablesAction,
}

#[derive(Debug, clap::Subcommand)]
enum TablesAction {
    Build(BuildArgs),
    Show(show::ShowArgs),
}

/// Make one file of a folder of CSV files
///
/// The files that the folder does not have are those of the program. What is there is
/// left alone when it was made of the same files, and when one of them is wrong.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct BuildArgs {
    /// The folder with the CSV files
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The snapshot to make, or the folder for a tables.snapshot [default: the same folder]
    #[arg(long, value_name = "PATH")]
    to: Option<PathBuf>,
}

/// Does it.
#[must_use]
pub fn run(command: &TablesCommand) -> i32 {
    let done = match &command.action {
        TablesAction::Build(args) => build_one(args),
        TablesAction::Show(args) => match show::show(args) {
            Ok(done) => done,
            Err(status) => return status,
        },
    };
    match done {
        Ok(text) => print(&mut io::stdout().lock(), text.trim_end())
            .map_or_else(|status| status, |()| exit::OK),
        Err(error) => {
            complain(&format!("{error:#}"));
            exit::FAILED
        }
    }
}

fn build_one(args: &BuildArgs) -> Result<String> {
    let built = build(&args.from, args.to.as_ref().unwrap_or(&args.from))?;
    let (name, rows) = (built.snapshot.display(), rows(&built.tables));
    Ok(match built.written {
        Some(octets) => format!("{name}: {rows} rows in {octets} octets"),
        None => format!("{name} is up to date: {rows} rows"),
    })
}

/// Rows of all tables.
fn rows(tables: &Tables) -> u64 {
    TableKind::ALL.iter().map(|kind| tables.info(*kind).rows).sum()
}
