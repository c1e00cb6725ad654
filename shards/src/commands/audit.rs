//! `postrider audit`: accounts for every message of a run from what the sender, the carriers and the
//! sink wrote down, and from the gateway's data directory. On the main thread.

use std::path::{Path, PathBuf};

use anyhow::Result;
use postrider_loadgen::ledger::{Audit, Report, Stored};

use super::lines::{complain, print};
use super::store::Source;
use crate::exit;

/// Account for every message of a run from what was written down about it
///
/// Is each message that was accepted at a carrier, once, at the one that the
/// gateway says, and at its end?
///
/// lost            accepted, but neither at a carrier nor given up by its status;
///                 or unknown to the store and to every webhook
/// duplicate       a part that carriers took more than once
/// ghost           at a carrier or in the store, but never sent
/// misrouted       the store says that a carrier took it under an id which that
///                 carrier never gave to it
/// unacknowledged  its answer was lost, so it may be in or out
///
/// Give all ledgers of the store's life: what other senders sent counts as
/// ghosts. The account is kept in memory, about 200 bytes a message.
///
/// Exit status: 0 every message is where it ought to be; 1 one is lost, a ghost,
/// misrouted, or not as it was sent (duplicates do not count: how many there may
/// be depends on the faults), or a file cannot be read; 2 usage.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct AuditArgs {
    /// Ledgers of `postrider load`, `smsc` and `sink`, in any order.
    #[arg(required = true, value_name = "LEDGER")]
    ledgers: Vec<PathBuf>,
    /// The data directory of the gateway, which must not run.
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Makes the account.
#[must_use]
pub fn run(args: &AuditArgs) -> i32 {
    let report = match account(&args.ledgers, args.store.as_deref()) {
        Ok(report) => report,
        Err(error) => {
            complain(&format!("{error:#}"));
            return exit::FAILED;
        }
    };
    let sound = report.is_sound();
    let text = show(&report, args.json);
    let printed = print(&mut std::io::stdout().lock(), &text).err().unwrap_or(exit::OK);
    if sound { printed } else { exit::FAILED }
}

fn show(report: &Report, json: bool) -> String {
    let sound = report.is_sound();
    if json {
        let mut object = serde_json::to_value(report).unwrap_or_default();
        if let Some(object) = object.as_object_mut() {
            object.insert("sound".to_owned(), sound.into());
        }
        return object.to_string();
    }
    let verdict = if sound { "Every" } else { "NOT every" };
    format!("{report}\n{verdict} message is where it ought to be.")
}

fn account(ledgers: &[PathBuf], store: Option<&Path>) -> Result<Report> {
    let Some(dir) = store else { return Audit::read(ledgers, None)?.report() };
    let source = Source::open(dir)?;
    let mut audit = Audit::read(ledgers, Some(source.carriers()))?;
    let passed = source.messages(&mut |_, told| {
        let copies = told.copies().map(|(carrier, id)| {
            (source.carrier(carrier).unwrap_or_default(), String::from_utf8_lossy(id))
        });
        let copies: Vec<_> = copies.collect();
        let copies: Vec<_> = copies.iter().map(|(carrier, id)| (*carrier, id.as_ref())).collect();
        audit.stored(&Stored {
            id: &told.id().to_string(),
            to: &told.to().to_string(),
            status: told.status().name(),
            copies: &copies,
        });
        Ok(())
    })?;
    passed.complain();
    audit.report()
}
