//! The ledgers' lines as they are read. Pure but for reading one file; lives nowhere.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::Context as _;
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
    Part {
        t: u64,
        #[serde(borrow)]
        to: Cow<'a, str>,
        n: u64,
        of: u64,
        st: u64,
    },
    Text {
        t: u64,
        to: Cow<'a, str>,
        text: Cow<'a, str>,
    },
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
