//! The account of a run: what the sender, the carriers and the sink wrote down, and the gateway's
//! store, joined into one report. Runs once, after the run, on the caller's thread.
//!
//! The join key is the destination, which the sender uses once. Files are read line by line; what
//! is kept is about 200 octets a message, and 24 a part where a store is asked.
//!
//! | file | lines |
//! |---|---|
//! | load | `run`, `txt` (a text), `req` (a message sent), `acc`, `err`, `una` (what became of it) |
//! | smsc | `carrier` (its number and name), `part` (a submit, its status, the id in the answer), `text` (a message as the handset would show it), `inbound` (passed over) |
//! | sink | `hook` (a status event, its signature good or not) |

mod account;
mod lines;
mod report;
mod stored;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::ensure;

use account::Account;
use lines::Writer;

pub use report::{Report, StoreReport};
pub use stored::Stored;

/// Joins the ledgers of one run. `statuses` may hold final statuses by message id from elsewhere
/// (`GET /messages/{id}`): they stand in for webhooks where the run asked for none, and say which
/// messages were refused or expired before a carrier.
///
/// A last line that a killed process left unfinished is passed over and counted.
///
/// # Errors
/// When a file cannot be read, or a line of it is none of ours; the line is named.
pub fn join(
    load: &Path,
    smsc: &[PathBuf],
    sink: &Path,
    statuses: Option<&HashMap<String, String>>,
) -> anyhow::Result<Report> {
    let mut account = Account::new(None)?;
    read(&mut account, Writer::Sender, load)?;
    for path in smsc {
        read(&mut account, Writer::Carriers, path)?;
    }
    read(&mut account, Writer::Sink, sink)?;
    account.report(statuses)
}

/// Ledgers of any number of senders, carriers and sinks, joined; the store may still be heard.
#[derive(Debug)]
pub struct Audit {
    account: Account,
}

impl Audit {
    /// Reads the ledgers, in whatever order they are given. `carriers`: the names of the carriers in
    /// the store that will be heard; `None` when there is none.
    ///
    /// # Errors
    /// As [`join`]; or none of them is a sender's.
    pub fn read(ledgers: &[PathBuf], carriers: Option<Vec<String>>) -> anyhow::Result<Self> {
        let mut account = Account::new(carriers)?;
        let mut found = Vec::new();
        for path in ledgers {
            found.extend(lines::writer(path)?.map(|writer| (writer, path)));
        }
        ensure!(
            found.iter().any(|(writer, _)| *writer == Writer::Sender),
            "no ledger of `postrider load` is among them: only that says what was accepted"
        );
        found.sort_by_key(|(writer, _)| *writer);
        for (writer, path) in found {
            read(&mut account, writer, path)?;
        }
        Ok(Self { account })
    }

    /// Takes one message of the store; each comes once.
    pub fn stored(&mut self, message: &Stored<'_>) {
        self.account.stored(message);
    }

    /// Draws the balance.
    ///
    /// # Errors
    /// When a percentile cannot be computed.
    pub fn report(self) -> anyhow::Result<Report> {
        self.account.report(None)
    }
}

fn read(account: &mut Account, writer: Writer, path: &Path) -> anyhow::Result<()> {
    match writer {
        Writer::Sender => {
            account.begin_sender();
            lines::each(path, |line| account.sender(line))
        }
        Writer::Carriers => {
            account.begin_carriers();
            lines::each(path, |line| account.carrier(line))
        }
        Writer::Sink => lines::each(path, |line| account.sink(line)),
    }
}
