//! Makes tables of ported numbers from full files, and changes them by deltas. What is in place stays
//! until something whole takes its place. Blocking, on the main thread.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use postrider_core::limits::{PORTED_CHANGES_MIN, PORTED_CHANGES_SHARE};
use postrider_core::ported::{
    About, BuildError, Builder, Change, Covers, FeedMeta, Header, Overlay, Range, Row, Settled,
    Subject, Table, compact, entries,
};
use postrider_storage::io::replace;

use super::feed::FeedOptions;
use super::files::{FileSpill, Held, changes_of};
use super::load::{open_table, read_changes};

/// More lines, in per mille, each time the numbers did not spread evenly enough.
const SPARE: [u64; 4] = [0, 50, 200, 1_000];

/// What a table is to be made of.
#[derive(Debug)]
pub struct BuildOrder {
    /// Where it goes.
    pub table: PathBuf,
    /// The numbers that it is for.
    pub covers: Covers,
    /// The full file; `-` for standard input.
    pub full: PathBuf,
    /// How that is read.
    pub feed: FeedOptions,
}

/// What was made.
#[derive(Copy, Clone, Debug)]
pub struct Built {
    /// The first page of the table.
    pub header: Header,
    /// Octets of its file.
    pub octets: u64,
}

/// What came of a delta.
#[derive(Debug, PartialEq, Eq)]
pub enum Applied {
    /// The table has it already.
    Before {
        /// Its number.
        sequence: u64,
    },
    /// Its changes stand beside the table.
    Beside {
        /// Its number.
        sequence: u64,
        /// Changes beside the table now.
        changes: usize,
    },
    /// All changes were merged into a new table.
    Merged {
        /// Its number.
        sequence: u64,
        /// Numbers of the table now.
        numbers: u64,
    },
}

/// Makes a table from a full file.
///
/// # Errors
/// What is wrong with the file or the disk; then nothing has changed.
pub fn build(order: &BuildOrder) -> Result<Built> {
    let _held = Held::take(&order.table)?;
    let spill = FileSpill::new(&order.table)?;
    let mut builder = Builder::new(order.covers.clone(), spill);
    let mut pending = Vec::new();
    let feed = order.feed.read(
        &order.full,
        &[],
        |_| Ok(()),
        |row, as_of_s| {
            let from_s = row.from_s.filter(|from_s| *from_s > as_of_s);
            match (row.subject, from_s) {
                (Subject::Number(number), None) => builder.add(number, row.value)?,
                (Subject::Number(number), Some(from_s)) => {
                    inside(&order.covers, number)?;
                    pending.push(Change { number, value: row.value, from_s });
                }
                (Subject::Range(first, last), None) => {
                    builder.add_range(Range { first, last, value: row.value })?;
                }
                (Subject::Range(..), Some(_)) => return Err(range_ahead()),
            }
            Ok(())
        },
    )?;
    let as_of_s = feed.as_of.0 / 1_000;
    let about = About {
        as_of_s,
        sequence: feed.meta.sequence.unwrap_or(0),
        operators: feed.operators,
        pending: compact(&pending, as_of_s),
        source: feed.meta.source.unwrap_or_default(),
    };
    finish(&order.table, builder, &about)
}

fn inside(covers: &Covers, number: u64) -> Result<()> {
    if !covers.contain(number) {
        bail!("the number is none of those that the table is for");
    }
    Ok(())
}

fn range_ahead() -> anyhow::Error {
    anyhow::anyhow!("valid_from of a range lies ahead: deliver it when it is due")
}

/// Sorts what was gathered and puts the table in its place.
fn finish(table: &Path, builder: Builder<FileSpill>, about: &About) -> Result<Built> {
    let mut settled = builder.settle()?;
    let header = write(table, &mut settled, about)?;
    // They belong to the table that was there before, and count for nothing any more.
    std::fs::remove_file(changes_of(table)).ok();
    let octets = std::fs::metadata(table).map(|file| file.len());
    Ok(Built { header, octets: octets.with_context(|| table.display().to_string())? })
}

fn write(table: &Path, settled: &mut Settled<FileSpill>, about: &About) -> Result<Header> {
    for spare in SPARE {
        let made: Result<Header> =
            replace(table, |output| Ok(settled.write(about, spare, output)?));
        match made {
            Err(error) if matches!(error.downcast_ref(), Some(BuildError::TooFull(_))) => {}
            made => return made,
        }
    }
    bail!("the numbers do not spread evenly enough for any table of them");
}

/// Applies a delta; `-` for standard input.
///
/// # Errors
/// When deltas are missing before it, or with what is wrong with it or the disk; then nothing has
/// changed.
pub fn apply(path: &Path, delta: &Path, options: &FeedOptions) -> Result<Applied> {
    let held = Held::take(path)?;
    let table = open_table(path, false)?;
    let mut overlay = Overlay::beside(table.parts(), read_changes(path)?);
    let mut before = None;
    let known = overlay.operators.clone();
    let at = table.sequence();
    let covers = Covers::new(table.parts().tail.covers.clone())?;
    let follows = |meta: &FeedMeta| {
        let sequence = meta.sequence.unwrap_or(0);
        before = (sequence != 0 && sequence <= at).then_some(sequence);
        if before.is_some() { Ok(()) } else { in_order(path, meta, at) }
    };
    let feed = options
        .read(delta, &known, follows, |row, as_of_s| change(&mut overlay, &covers, row, as_of_s))?;
    if let Some(sequence) = before {
        return Ok(Applied::Before { sequence });
    }
    let sequence = feed.meta.sequence.unwrap_or(0);
    overlay.sequence = sequence;
    overlay.as_of_s = overlay.as_of_s.max(feed.as_of.0 / 1_000);
    overlay.operators = feed.operators;
    overlay.changes = compact(&overlay.changes, overlay.as_of_s);
    replace(&changes_of(path), |output| -> Result<()> {
        output.write_all(&overlay.encode()).context("cannot write the changes")
    })?;
    let changes = overlay.changes.len() + overlay.ranges.len();
    let most = (table.parts().header.numbers / PORTED_CHANGES_SHARE).max(PORTED_CHANGES_MIN);
    if u64::try_from(changes).unwrap_or(u64::MAX) <= most {
        return Ok(Applied::Beside { sequence, changes });
    }
    let built = merge_into(path, &table, &overlay)?;
    drop(held);
    Ok(Applied::Merged { sequence, numbers: built.header.numbers })
}

/// Whether a delta follows what the table has.
fn in_order(path: &Path, meta: &FeedMeta, at: u64) -> Result<()> {
    let path = path.display();
    let Some(sequence) = meta.sequence.filter(|sequence| *sequence != 0) else {
        bail!("the delta does not say its number: give --sequence");
    };
    let after = meta.after.unwrap_or(sequence - 1);
    if at == 0 {
        bail!(
            "the full file behind {path} did not say which delta it contains last: build it with \
             --sequence"
        );
    }
    if after > at {
        bail!(
            "delta {sequence} follows {after}, and {path} has all up to {at}: apply what is missing \
             first, or build from the next full file"
        );
    }
    Ok(())
}

fn change(overlay: &mut Overlay, covers: &Covers, row: Row, as_of_s: u64) -> Result<()> {
    let (first, last) = match row.subject {
        Subject::Number(number) => (number, number),
        Subject::Range(first, last) => (first, last),
    };
    inside(covers, first)?;
    inside(covers, last)?;
    let value = row.value;
    match row.subject {
        Subject::Number(number) => {
            let from_s = row.from_s.unwrap_or(as_of_s);
            overlay.changes.push(Change { number, value, from_s });
        }
        Subject::Range(..) if row.from_s.is_some_and(|from_s| from_s > as_of_s) => {
            return Err(range_ahead());
        }
        Subject::Range(..) => overlay.ranges.push(Range { first, last, value }),
    }
    Ok(())
}

/// Makes a new table of a table and the changes beside it.
///
/// # Errors
/// What is wrong with the files or the disk; then nothing has changed.
pub fn merge(path: &Path) -> Result<Built> {
    let _held = Held::take(path)?;
    let table = open_table(path, false)?;
    let overlay = Overlay::beside(table.parts(), read_changes(path)?);
    merge_into(path, &table, &overlay)
}

fn merge_into(path: &Path, table: &Table, overlay: &Overlay) -> Result<Built> {
    table.verify().with_context(|| path.display().to_string())?;
    let parts = table.parts();
    let covers = Covers::new(parts.tail.covers.clone())?;
    let mut builder = Builder::new(covers, FileSpill::new(path)?);
    for (number, octets) in table.stretches() {
        for entry in entries(parts.header.shape, number, octets) {
            let number = parts.header.space.number(entry.spread);
            let value = u16::try_from(entry.value).ok();
            if let (Some(number), Some(value)) = (number, value) {
                builder.add(number, value)?;
            }
        }
    }
    for range in parts.tail.ranges.iter().chain(&overlay.ranges) {
        builder.add_range(*range)?;
    }
    let changes: Vec<Change> = parts.tail.pending.iter().chain(&overlay.changes).copied().collect();
    let as_of_s = overlay.as_of_s;
    let (due, pending): (Vec<Change>, Vec<Change>) =
        compact(&changes, as_of_s).into_iter().partition(|change| change.from_s <= as_of_s);
    for change in due {
        builder.add(change.number, change.value)?;
    }
    let about = About {
        as_of_s,
        sequence: overlay.sequence,
        operators: overlay.operators.clone(),
        pending,
        source: parts.tail.source.clone(),
    };
    finish(path, builder, &about)
}
