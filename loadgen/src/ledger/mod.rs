//! The account of a run: what the sender, the carriers and the sink wrote down, joined into one
//! report. Runs once, after the run, on the caller's thread.
//!
//! The join key is the destination, which the sender uses once. Files are read line by line; what
//! is kept is about 150 octets a message.
//!
//! | file | lines |
//! |---|---|
//! | load | `run`, `txt` (a text), `req` (a message sent), `acc`, `err`, `una` (what became of it) |
//! | smsc | `part` (a submit and its status), `text` (a message as the handset would show it) |
//! | sink | `hook` (a status event, its signature good or not) |

mod account;
mod lines;
mod report;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use account::Account;

pub use report::Report;

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
    let mut account = Account::new()?;
    lines::each(load, |line| account.sender(line))?;
    for path in smsc {
        lines::each(path, |line| account.carrier(line))?;
    }
    lines::each(sink, |line| account.sink(line))?;
    account.report(statuses)
}
