//! The file of slots: pages in order of sequence that are written again in place, and what makes
//! that safe. Pure.
//!
//! Before pages are overwritten, their images go to a place of their own in the file and are
//! synced. A page that a crash tore, or that is read while it is written, is taken from there.

use std::collections::BTreeMap;

use zerocopy::little_endian::{U16, U32, U64};

use crate::disk::{Disk, LogIoError, SideFile};

use super::head::{Summary, count};
use super::open::OpenRegister;
use super::page::{self, Kind, PAGE, SlotRow};
use super::row::{Statuses, anchor_segment};

/// Page of the file that says what the pages of slots hold as a whole.
const SURVEY_AT: u32 = 0;
/// Page of the file that names the images.
pub(super) const REDO_AT: u32 = 1;
/// Images that there is room for; more pages than that, and the file is written anew.
const REDO_IMAGES: u32 = 16;
/// Pages of the redo area, its head included.
pub(super) const REDO_PAGES: u32 = 1 + REDO_IMAGES;
/// First page of slots in the file.
pub(super) const SLOTS_AT: u32 = REDO_AT + REDO_PAGES;
/// Most pages of slots: what a survey has room for.
const SLOT_PAGES_MAX: u32 = 2_038;

/// Most rows of a register.
pub const REGISTER_ROWS_MAX: u32 = SLOT_PAGES_MAX * 255;

/// What the pages of slots hold as a whole. It may say more than there is, never less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Survey {
    /// The newest segment that an anchor is in.
    pub(super) newest: u32,
    /// Statuses in each page.
    pub(super) statuses: Box<[Statuses]>,
}

impl Survey {
    fn empty(pages: u32) -> Self {
        let pages = usize::try_from(pages).unwrap_or_default();
        Self { newest: 0, statuses: vec![Statuses::NONE; pages].into() }
    }

    fn note(&mut self, page: u32, rows: &[SlotRow]) {
        let mut statuses = 0;
        for row in rows {
            let slot = row.slot.get();
            let segment = u32::try_from(anchor_segment(slot)).unwrap_or(u32::MAX);
            self.newest = self.newest.max(segment);
            if segment > 0 {
                let status = slot >> crate::position::Position::BITS;
                statuses |= 1 << (status & 15);
            }
        }
        let place = usize::try_from(page).ok().and_then(|page| self.statuses.get_mut(page));
        if let Some(place) = place {
            *place = Statuses::from_bits(statuses);
        }
    }

    /// Statuses of a page of slots.
    pub(super) fn of(&self, page: u32) -> Statuses {
        let page = usize::try_from(page).unwrap_or(usize::MAX);
        self.statuses.get(page).copied().unwrap_or(Statuses::ALL)
    }

    fn encode(&self, stamp: u32, out: &mut Vec<u8>) {
        let newest = [self.newest & 0xffff, self.newest >> 16];
        let newest = newest.map(|half| U16::new(u16::try_from(half).unwrap_or(u16::MAX)));
        let statuses = self.statuses.iter().map(|statuses| U16::new(statuses.bits()));
        let rows: Vec<U16> = newest.into_iter().chain(statuses).collect();
        page::write(out, Kind::Survey, stamp, 0, &rows);
    }

    fn decode(bytes: &[u8], summary: &Summary) -> Option<Self> {
        let rows: &[U16] = page::read(bytes, Kind::Survey, summary.stamp, 0)?;
        let (newest, statuses) = rows.split_first_chunk::<2>()?;
        let [low, high] = newest.map(|half| u32::from(half.get()));
        (count(statuses.len()) == summary.slot_pages()).then(|| Self {
            newest: high << 16 | low,
            statuses: statuses.iter().map(|bits| Statuses::from_bits(bits.get())).collect(),
        })
    }
}

/// Why slots could not be read or written.
#[derive(Debug)]
pub(super) enum SlotsError {
    Io(LogIoError),
    /// Neither the page nor an image of it is whole.
    Damaged(SideFile),
}

impl From<LogIoError> for SlotsError {
    fn from(error: LogIoError) -> Self {
        Self::Io(error)
    }
}

/// Bytes of the file of slots of a register.
pub(super) fn bytes(summary: &Summary) -> u64 {
    page::offset(SLOTS_AT + summary.slot_pages())
}

/// The file of slots of a register, and its survey.
pub(super) fn build(register: &OpenRegister, summary: &Summary) -> (Vec<u8>, Survey) {
    let rows: Vec<SlotRow> = register
        .rows()
        .iter()
        .map(|row| SlotRow { sequence: U64::new(row.sequence), slot: U64::new(row.slot) })
        .collect();
    let pages: Vec<Vec<SlotRow>> =
        rows.chunks(page::per_page::<SlotRow>()).map(<[SlotRow]>::to_vec).collect();
    file(summary, &pages)
}

/// A whole file of these pages of slots.
fn file(summary: &Summary, pages: &[Vec<SlotRow>]) -> (Vec<u8>, Survey) {
    let mut survey = Survey::empty(summary.slot_pages());
    for (number, rows) in (0..).zip(pages) {
        survey.note(number, rows);
    }
    let mut out = Vec::new();
    survey.encode(summary.stamp, &mut out);
    out.resize(out.len() + usize::try_from(page::offset(REDO_PAGES)).unwrap_or_default(), 0);
    for (number, rows) in (0..).zip(pages) {
        page::write(&mut out, Kind::Slots, summary.stamp, number, rows);
    }
    (out, survey)
}

/// The rows of a page of slots.
pub(super) fn rows<'a>(summary: &Summary, number: u32, page: &'a [u8]) -> Option<&'a [SlotRow]> {
    page::read(page, Kind::Slots, summary.stamp, number)
}

/// The slot of a message in a page of slots.
pub(super) fn slot_of(rows: &[SlotRow], sequence: u64) -> Option<u64> {
    let at = rows.binary_search_by_key(&sequence, |row| row.sequence.get()).ok()?;
    rows.get(at).map(|row| row.slot.get())
}

/// The image of a page of the file in the redo area, when there is one.
pub(super) fn image<'a>(summary: &Summary, redo: &'a [u8], file_page: u32) -> Option<&'a [u8]> {
    let named: &[U32] = page::read(redo, Kind::Redo, summary.stamp, 0)?;
    let at = named.iter().position(|page| page.get() == file_page)?;
    redo.chunks_exact(PAGE).nth(1 + at)
}

/// What is known of the file of slots of a register when a shard starts; `None` when it is not the
/// one of this register, or not whole.
pub(super) fn open<D: Disk>(
    disk: &mut D,
    summary: &Summary,
    length: u64,
) -> Result<Option<Survey>, LogIoError> {
    if length != bytes(summary) {
        return Ok(None);
    }
    let page = read(disk, summary, SURVEY_AT, 1)?;
    if let Some(survey) = Survey::decode(&page, summary) {
        return Ok(Some(survey));
    }
    let redo = read(disk, summary, REDO_AT, REDO_PAGES)?;
    let image = image(summary, &redo, SURVEY_AT);
    if let Some(survey) = image.and_then(|image| Survey::decode(image, summary)) {
        return Ok(Some(survey));
    }
    match all_pages(disk, summary) {
        Ok(pages) => Ok(Some(file(summary, &pages).1)),
        Err(SlotsError::Damaged(_)) => Ok(None),
        Err(SlotsError::Io(error)) => Err(error),
    }
}

/// Writes these slots (sequence, packed slot), ascending, and brings the survey up to date.
/// `settled`: no page can be torn, because a flush since the start has seen to it.
pub(super) fn flush<D: Disk>(
    disk: &mut D,
    summary: &Summary,
    survey: &Survey,
    settled: bool,
    slots: &[(u64, u64)],
) -> Result<Survey, SlotsError> {
    let mut by_page: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
    for (sequence, slot) in slots {
        if let Some(page) = summary.slot_page(*sequence) {
            by_page.entry(page).or_default().push((*sequence, *slot));
        }
    }
    // One image is the survey's.
    if count(by_page.len()) < REDO_IMAGES.min(summary.slot_pages()) {
        if !settled {
            settle(disk, summary)?;
        }
        return in_place(disk, summary, survey, &by_page);
    }
    let mut pages = all_pages(disk, summary)?;
    for (number, slots) in &by_page {
        let page = usize::try_from(*number).ok().and_then(|number| pages.get_mut(number));
        if let Some(page) = page {
            apply(page, slots);
        }
    }
    let (bytes, survey) = file(summary, &pages);
    write_whole(disk, summary.slots_file(), &bytes)?;
    Ok(survey)
}

fn in_place<D: Disk>(
    disk: &mut D,
    summary: &Summary,
    survey: &Survey,
    by_page: &BTreeMap<u32, Vec<(u64, u64)>>,
) -> Result<Survey, SlotsError> {
    let mut survey = survey.clone();
    let mut named = vec![U32::new(SURVEY_AT)];
    let mut images = Vec::new();
    for (number, slots) in by_page {
        let bytes = read(disk, summary, SLOTS_AT + number, 1)?;
        let rows = rows(summary, *number, &bytes);
        let mut rows = rows.ok_or(SlotsError::Damaged(summary.slots_file()))?.to_vec();
        apply(&mut rows, slots);
        survey.note(*number, &rows);
        named.push(U32::new(SLOTS_AT + number));
        page::write(&mut images, Kind::Slots, summary.stamp, *number, &rows);
    }
    let mut redo = Vec::new();
    page::write(&mut redo, Kind::Redo, summary.stamp, 0, &named);
    survey.encode(summary.stamp, &mut redo);
    redo.append(&mut images);
    disk.update_side(summary.slots_file(), &[(page::offset(REDO_AT), &redo)])?;
    let images = redo.chunks_exact(PAGE).skip(1);
    let pieces: Vec<(u64, &[u8])> =
        named.iter().zip(images).map(|(at, image)| (page::offset(at.get()), image)).collect();
    disk.update_side(summary.slots_file(), &pieces)?;
    Ok(survey)
}

/// Writes the pages again that the last flush before the start wrote, from their images where they
/// are torn, so that the images are not needed any more. A page that looks whole may be so in
/// memory alone.
fn settle<D: Disk>(disk: &mut D, summary: &Summary) -> Result<(), SlotsError> {
    let redo = read(disk, summary, REDO_AT, REDO_PAGES)?;
    let Some(named) = page::read::<U32>(&redo, Kind::Redo, summary.stamp, 0) else {
        return Ok(());
    };
    let mut pages = Vec::new();
    for (at, image) in named.iter().zip(redo.chunks_exact(PAGE).skip(1)) {
        let there = read(disk, summary, at.get(), 1)?;
        if whole(summary, at.get(), &there) {
            pages.push((page::offset(at.get()), there));
        } else if whole(summary, at.get(), image) {
            pages.push((page::offset(at.get()), image.to_vec()));
        }
    }
    let pieces: Vec<(u64, &[u8])> = pages.iter().map(|(at, page)| (*at, page.as_slice())).collect();
    Ok(disk.update_side(summary.slots_file(), &pieces)?)
}

/// Whether this is that page of the file.
fn whole(summary: &Summary, file_page: u32, page: &[u8]) -> bool {
    match file_page.checked_sub(SLOTS_AT) {
        Some(number) => rows(summary, number, page).is_some(),
        None => Survey::decode(page, summary).is_some(),
    }
}

fn apply(rows: &mut [SlotRow], slots: &[(u64, u64)]) {
    for (sequence, slot) in slots {
        if let Ok(at) = rows.binary_search_by_key(sequence, |row| row.sequence.get())
            && let Some(row) = rows.get_mut(at)
        {
            row.slot = U64::new(*slot);
        }
    }
}

/// All pages of slots of a file.
fn all_pages<D: Disk>(disk: &mut D, summary: &Summary) -> Result<Vec<Vec<SlotRow>>, SlotsError> {
    let damaged = || SlotsError::Damaged(summary.slots_file());
    let bytes = read(disk, summary, 0, SLOTS_AT + summary.slot_pages())?;
    let redo = bytes.get(PAGE..).unwrap_or_default();
    let slots = bytes.chunks_exact(PAGE).skip(usize::try_from(SLOTS_AT).unwrap_or_default());
    let mut pages = Vec::new();
    for (number, page) in (0..summary.slot_pages()).zip(slots) {
        let image = || rows(summary, number, image(summary, redo, SLOTS_AT + number)?);
        let rows = rows(summary, number, page).or_else(image);
        pages.push(rows.ok_or_else(damaged)?.to_vec());
    }
    if count(pages.len()) == summary.slot_pages() { Ok(pages) } else { Err(damaged()) }
}

fn read<D: Disk>(
    disk: &mut D,
    summary: &Summary,
    first: u32,
    pages: u32,
) -> Result<Vec<u8>, LogIoError> {
    let mut bytes = vec![0; usize::try_from(page::offset(pages)).unwrap_or_default()];
    let read = disk.read_side(summary.slots_file(), page::offset(first), &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Makes a file of these bytes, in pieces of 1 MiB.
pub(super) fn write_whole<D: Disk>(
    disk: &mut D,
    file: SideFile,
    bytes: &[u8],
) -> Result<(), LogIoError> {
    let mut pieces = bytes.chunks(1 << 20).peekable();
    disk.write_side(file, &mut |_, out| {
        out.extend_from_slice(pieces.next().unwrap_or_default());
        Ok(pieces.peek().is_some())
    })
}
