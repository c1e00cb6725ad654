//! Reading a file of a run from end to end, for tools. Blocking through a [`Disk`].

use crate::disk::{Disk, IndexKind, LogIoError, SideFile};
use crate::log::Lsn;

use super::Row;
use super::page::{PAGE, read_page};
use super::slice::Slice;

/// Pages read at once: 1 MiB.
const PAGES_AT_ONCE: u32 = 256;

/// What a file of a run says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunFile {
    /// Its rows, deletions included.
    pub rows: u64,
    /// The oldest and the newest generation of its run.
    pub generations: (u64, u64),
    /// Whether the index begins with its run.
    pub oldest: bool,
    /// [`super::RunSet::covered`] with this run as the newest.
    pub covers: Lsn,
    /// Which slice of the run, from 0, and whether it is the last.
    pub slice: (u32, bool),
}

/// The outcome of [`check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunCheck {
    /// Every checksum is right.
    Intact(RunFile),
    /// It is not what was written, or another release wrote it.
    Damaged {
        /// Where the page begins that is damaged, in bytes; `None`: what stands behind the pages.
        offset: Option<u64>,
    },
}

/// Verifies every byte of a file of a run of `len` bytes. Changes nothing.
///
/// # Errors
/// [`LogIoError`] when reading fails.
pub fn check<D: Disk>(
    disk: &mut D,
    kind: IndexKind,
    number: u64,
    len: u64,
) -> Result<RunCheck, LogIoError> {
    let Some((slice, place, last)) = Slice::open(disk, kind, number, len)? else {
        return Ok(RunCheck::Damaged { offset: None });
    };
    let (mut rows, mut page, mut key) = (0, 0, None);
    let mut bytes = Vec::new();
    while slice.has_page(page) {
        let ask = slice.ask(page, PAGES_AT_ONCE);
        bytes.resize(usize::try_from(ask.len).unwrap_or(0), 0);
        let read = disk.read_side(SideFile::Run(kind, number), ask.offset, &mut bytes)?;
        bytes.truncate(read);
        bytes.resize(read.next_multiple_of(PAGE).max(PAGE), 0);
        for bytes in bytes.chunks(PAGE) {
            let damaged = RunCheck::Damaged { offset: Some(u64::from(page) * PAGE as u64) };
            let Some(found) = read_page(slice.page_id(page), bytes) else {
                return Ok(damaged);
            };
            let keys = || found.clone().map(|row| Some(row.key()));
            let ascending = std::iter::once(key).chain(keys()).is_sorted_by(|a, b| a < b);
            let separated = found.clone().next().is_none_or(|row| slice.begins_by(page, row.key()));
            if !ascending || !separated {
                return Ok(damaged);
            }
            key = found.clone().last().as_ref().map(Row::key).or(key);
            rows += found.count() as u64;
            page += 1;
        }
    }
    if rows != slice.rows() {
        return Ok(RunCheck::Damaged { offset: None });
    }
    Ok(RunCheck::Intact(RunFile {
        rows,
        generations: (place.from, place.to),
        oldest: place.oldest,
        covers: place.covers,
        slice: (place.slice, last),
    }))
}
