//! The ledgers' lines as they are read. Pure but for reading one file; lives nowhere.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;

/// A line of the sender's ledger.
#[derive(Debug, Deserialize)]
#[serde(tag = "k", rename_all = "lowercase")]
pub(super) enum SenderLine<'a> {
    Run {
        webhook: bool,
    },
    Txt {
        x: u64,
        #[serde(borrow)]
        text: Cow<'a, str>,
    },
    Req {
        i: u64,
        to: Cow<'a, str>,
        t: u64,
        x: u64,
    },
    Acc {
        i: u64,
        id: Cow<'a, str>,
        t: u64,
        lat: u64,
        parts: u64,
    },
    Err {
        i: u64,
    },
    Una {
        i: u64,
    },
}

/// A line of a carrier's ledger.
#[derive(Debug, Deserialize)]
#[serde(tag = "k", rename_all = "lowercase")]
pub(super) enum CarrierLine<'a> {
    Carrier {
        c: u64,
        #[serde(borrow)]
        name: Cow<'a, str>,
    },
    Part {
        t: u64,
        c: u64,
        #[serde(borrow)]
        to: Cow<'a, str>,
        #[serde(borrow)]
        id: Cow<'a, str>,
        n: u64,
        of: u64,
        st: u64,
    },
    Text {
        t: u64,
        to: Cow<'a, str>,
        text: Cow<'a, str>,
    },
    /// A message from a handset: no part of the account.
    Inbound {},
}

/// A line of the sink's ledger.
#[derive(Debug, Deserialize)]
#[serde(tag = "k", rename_all = "lowercase")]
pub(super) enum SinkLine<'a> {
    Hook {
        t: u64,
        #[serde(borrow)]
        id: Cow<'a, str>,
        st: Cow<'a, str>,
        ok: bool,
    },
}

/// Who wrote a ledger, in the order in which they are read: what was sent says whose the rest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Writer {
    Sender,
    Carriers,
    Sink,
}

/// Who wrote the ledger, by its first line; `None` for an empty file.
///
/// # Errors
/// When the file cannot be read, or its first line is none of ours.
pub(super) fn writer(path: &Path) -> anyhow::Result<Option<Writer>> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow)]
        k: Cow<'a, str>,
    }
    let name = || path.display().to_string();
    let mut line = String::new();
    BufReader::new(File::open(path).with_context(name)?).read_line(&mut line).with_context(name)?;
    if line.is_empty() {
        return Ok(None);
    }
    let kind = serde_json::from_str::<Kind<'_>>(&line);
    Ok(Some(match kind.as_ref().map(|kind| kind.k.as_ref()) {
        Ok("run" | "txt" | "req" | "acc" | "err" | "una") => Writer::Sender,
        Ok("carrier" | "part" | "text" | "inbound") => Writer::Carriers,
        Ok("hook") => Writer::Sink,
        Ok(_) | Err(_) => bail!("{}: no ledger of load, smsc or sink", name()),
    }))
}

/// What [`each`] says about a line.
pub(super) enum Read<'a> {
    /// A whole line.
    Line(&'a str),
    /// The last line, whose line feed is missing: it may be torn.
    Last(&'a str),
}

/// Calls `take` for every line of the file.
///
/// # Errors
/// When the file cannot be read, or `take` refuses a line: it is named.
pub(super) fn each(
    path: &Path,
    mut take: impl FnMut(Read<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let name = || path.display().to_string();
    let file = File::open(path).with_context(name)?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut line = String::new();
    for number in 1_u64.. {
        line.clear();
        if reader.read_line(&mut line).with_context(|| format!("{}:{number}", name()))? == 0 {
            break;
        }
        let read = line.strip_suffix('\n').map_or(Read::Last(&line), Read::Line);
        take(read).with_context(|| format!("{}:{number}", name()))?;
    }
    Ok(())
}
