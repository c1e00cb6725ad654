//! Reading the files of a register from end to end, for tools. Blocking through a [`Disk`]; changes
//! nothing.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::disk::{Disk, LogIoError, SideFile};

use super::found::head;
use super::head::Summary;
use super::page::{self, DirectoryRow, KeyRow, Kind, PAGE, TimeRow};
use super::slots;

/// What a register says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterFile {
    /// Its messages.
    pub rows: u32,
    /// First and last sequence.
    pub sequences: (u64, u64),
    /// Earliest and latest time of acceptance, Unix milliseconds.
    pub accepted_ms: (u64, u64),
}

/// The outcome of [`check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterCheck {
    /// Every checksum is right.
    Intact(RegisterFile),
    /// It is not what was written, or another release wrote it.
    Damaged {
        /// Where the page begins that is damaged, in bytes; `None`: its head, or its length.
        offset: Option<u64>,
    },
}

const BEFORE_PAGES: RegisterCheck = RegisterCheck::Damaged { offset: None };

/// Verifies one of the two files of a register, of `len` bytes. A page of slots that a crash tore and
/// whose image is there is whole; images that no page needs are not looked at. A file of slots is known by the head of the other file; a file of
/// another kind is damaged.
///
/// # Errors
/// [`LogIoError`] when reading fails.
pub fn check<D: Disk>(disk: &mut D, file: SideFile, len: u64) -> Result<RegisterCheck, LogIoError> {
    let (number, index) = match file {
        SideFile::Register(number) => (number, true),
        SideFile::Slots(number) => (number, false),
        SideFile::Run(..) | SideFile::Checkpoint(_) => return Ok(BEFORE_PAGES),
    };
    let summary = match head(disk, number) {
        Ok(Some(summary)) => summary,
        Ok(None) => return Ok(BEFORE_PAGES),
        Err(error) if error.is_missing() => return Ok(BEFORE_PAGES),
        Err(error) => return Err(error),
    };
    let damaged = if index {
        damage_in_index(disk, &summary, len)?
    } else {
        damage_in_slots(disk, &summary, len)?
    };
    Ok(damaged.map_or_else(
        || {
            RegisterCheck::Intact(RegisterFile {
                rows: summary.rows,
                sequences: (summary.first, summary.last),
                accepted_ms: (summary.oldest_ms, summary.newest_ms),
            })
        },
        |offset| RegisterCheck::Damaged { offset },
    ))
}

/// Where the index file is damaged: `Some(None)` before its pages.
fn damage_in_index<D: Disk>(
    disk: &mut D,
    summary: &Summary,
    len: u64,
) -> Result<Option<Option<u64>>, LogIoError> {
    if len != summary.index_bytes() || !padding_is_zero(disk, summary)? {
        return Ok(Some(None));
    }
    let end = u32::try_from(len / PAGE as u64).unwrap_or(u32::MAX);
    let sections = [
        (Kind::Directory, summary.directory_at(), summary.times_at()),
        (Kind::Times, summary.times_at(), summary.recipients_at()),
        (Kind::Recipients, summary.recipients_at(), summary.groups_at()),
        (Kind::Groups, summary.groups_at(), end),
    ];
    for (kind, from, to) in sections {
        for at in from..to {
            let page = read(disk, SideFile::Register(summary.number), at)?;
            let (stamp, number) = (summary.stamp, at - from);
            let whole = match kind {
                Kind::Directory => is_whole::<DirectoryRow>(&page, kind, stamp, number),
                Kind::Times => is_whole::<TimeRow>(&page, kind, stamp, number),
                Kind::Recipients
                | Kind::Groups
                | Kind::Slots
                | Kind::Survey
                | Kind::Redo
                | Kind::Statuses => is_whole::<KeyRow>(&page, kind, stamp, number),
            };
            if !whole {
                return Ok(Some(Some(page::offset(at))));
            }
        }
    }
    Ok(None)
}

/// The bytes between the head and the first page.
fn padding_is_zero<D: Disk>(disk: &mut D, summary: &Summary) -> Result<bool, LogIoError> {
    let mut bytes = Vec::new();
    for at in 0..summary.directory_at() {
        bytes.extend(read(disk, SideFile::Register(summary.number), at)?);
    }
    let length = Summary::length(&bytes).and_then(|length| usize::try_from(length).ok());
    let padding = length.and_then(|length| bytes.get(length..));
    Ok(padding.is_some_and(|padding| padding.iter().all(|byte| *byte == 0)))
}

/// Where the file of slots is damaged: `Some(None)` before its pages.
fn damage_in_slots<D: Disk>(
    disk: &mut D,
    summary: &Summary,
    len: u64,
) -> Result<Option<Option<u64>>, LogIoError> {
    if len != slots::bytes(summary) {
        return Ok(Some(None));
    }
    let file = SideFile::Slots(summary.number);
    let images = slots::REDO_AT..slots::REDO_AT + slots::REDO_PAGES;
    let mut redo = Vec::new();
    for at in images.clone() {
        redo.extend(read(disk, file, at)?);
    }
    let end = u32::try_from(len / PAGE as u64).unwrap_or(u32::MAX);
    for at in (0..end).filter(|at| !images.contains(at)) {
        let page = read(disk, file, at)?;
        let is_whole = |page: &[u8]| slots::content(summary, at, page).is_some();
        if !is_whole(&page) && !slots::image(summary, &redo, at).is_some_and(is_whole) {
            return Ok(Some(Some(page::offset(at))));
        }
    }
    Ok(None)
}

fn is_whole<R: FromBytes + Immutable + KnownLayout + Unaligned>(
    page: &[u8],
    kind: Kind,
    stamp: u32,
    number: u32,
) -> bool {
    page::read::<R>(page, kind, stamp, number).is_some()
}

fn read<D: Disk>(disk: &mut D, file: SideFile, page: u32) -> Result<Vec<u8>, LogIoError> {
    let mut bytes = vec![0; PAGE];
    let read = disk.read_side(file, page::offset(page), &mut bytes)?;
    bytes.truncate(read);
    bytes.resize(PAGE, 0);
    Ok(bytes)
}
