//! The file of slots: pages in order of sequence that are written again in place, and what makes
//! that safe. Pure.
//!
//! Before pages are overwritten, their images go to a place of their own in the file and are
//! synced. A page that a crash tore, or that is read while it is written, is taken from there.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{Immutable, IntoBytes};

use crate::disk::{Disk, LogIoError, SideFile};
use crate::position::Position;

use super::head::{Summary, count, place};
use super::open::OpenRegister;
use super::page::{self, Kind, PAGE, SlotRow};
use super::row::{Statuses, anchor_segment};

/// Page of the file that says what the pages of slots hold as a whole.
pub(super) const SURVEY_AT: u32 = 0;
/// Page of the file that names the images.
pub(super) const REDO_AT: u32 = 1;
/// Pages of slots that are changed in place; when more change, the file is written anew.
const CHANGED_MAX: u32 = 15;
/// Images that there is room for: of pages of slots, as many pages of statuses, and the survey.
const REDO_IMAGES: u32 = 32;
const _: () = assert!(2 * CHANGED_MAX < REDO_IMAGES);
/// Pages of the redo area, its head included.
pub(super) const REDO_PAGES: u32 = 1 + REDO_IMAGES;
/// First page of statuses in the file.
const STATUSES_AT: u32 = REDO_AT + REDO_PAGES;
/// Rows on a page of statuses, and the pages of slots of these rows.
const PER_STATUSES: usize = 2 * page::per_page::<u8>();
pub(super) const SLOTS_PER_STATUSES: u32 = 32;
const _: () = assert!(PER_STATUSES == SLOTS_PER_STATUSES as usize * page::per_page::<SlotRow>());

/// Most rows of a register.
pub const REGISTER_ROWS_MAX: u32 = 1 << 20;

/// What the pages of slots hold as a whole. It may say more than there is, never less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Survey {
    /// The newest segment that an anchor is in.
    pub(super) newest: u32,
    /// Statuses on each page of statuses.
    statuses: Box<[Statuses]>,
}

impl Survey {
    fn new(summary: &Summary) -> Self {
        Self { newest: 0, statuses: vec![Statuses::NONE; place(status_pages(summary))].into() }
    }

    /// Takes rows into account, and writes their statuses from this place on.
    fn note(&mut self, rows: &[SlotRow], statuses: &mut [u8], first: usize) {
        for (at, row) in (first..).zip(rows) {
            let slot = row.slot.get();
            let segment = u32::try_from(anchor_segment(slot)).unwrap_or(u32::MAX);
            self.newest = self.newest.max(segment);
            let status = u8::try_from(slot >> Position::BITS).unwrap_or_default() & 15;
            if let Some(pair) = statuses.get_mut(at / 2) {
                *pair = if at % 2 == 0 { *pair & 0xf0 | status } else { *pair & 15 | status << 4 };
            }
        }
    }

    /// Takes a page of statuses into account.
    fn note_statuses(&mut self, page: u32, statuses: &[u8], rows: usize) {
        let bits = (0..rows).filter_map(|at| status_at(statuses, at));
        let bits = bits.fold(0, |bits, status| bits | 1 << status);
        if let Some(place) = self.statuses.get_mut(place(page)) {
            *place = Statuses::from_bits(bits);
        }
    }

    /// Statuses among which those on a page of slots are.
    pub(super) fn of(&self, slot_page: u32) -> Statuses {
        let page = place(slot_page / SLOTS_PER_STATUSES);
        self.statuses.get(page).copied().unwrap_or(Statuses::ALL)
    }

    /// Whether any page may have one of these statuses.
    pub(super) fn meets(&self, statuses: Statuses) -> bool {
        self.statuses.iter().any(|own| own.meets(statuses))
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
        (count(statuses.len()) == status_pages(summary)).then(|| Self {
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

/// Pages of statuses of a register.
fn status_pages(summary: &Summary) -> u32 {
    summary.slot_pages().div_ceil(SLOTS_PER_STATUSES)
}

/// First page of slots in the file.
pub(super) fn slots_at(summary: &Summary) -> u32 {
    STATUSES_AT + status_pages(summary)
}

/// The page of the file on which the status of a row is, and its place there.
pub(super) fn status_place(rank: u32) -> (u32, usize) {
    let per_page = count(PER_STATUSES);
    (STATUSES_AT + rank / per_page, place(rank % per_page))
}

/// A status on a page of statuses. That of a message that is gone is 0.
pub(super) fn status_at(statuses: &[u8], at: usize) -> Option<u8> {
    let pair = statuses.get(at / 2)?;
    Some(if at.is_multiple_of(2) { pair & 15 } else { pair >> 4 })
}

/// Bytes of the file of slots of a register.
pub(super) fn bytes(summary: &Summary) -> u64 {
    page::offset(slots_at(summary) + summary.slot_pages())
}

/// The file of slots of a register, and its survey.
pub(super) fn build(register: &OpenRegister, summary: &Summary) -> (Vec<u8>, Survey) {
    let rows: Vec<SlotRow> = register
        .rows()
        .iter()
        .map(|row| SlotRow { sequence: U64::new(row.sequence), slot: U64::new(row.slot) })
        .collect();
    file(summary, &rows)
}

/// A whole file of these rows.
fn file(summary: &Summary, rows: &[SlotRow]) -> (Vec<u8>, Survey) {
    let mut survey = Survey::new(summary);
    let mut pages = Vec::new();
    for (number, rows) in (0..).zip(rows.chunks(PER_STATUSES)) {
        let mut statuses = vec![0; rows.len().div_ceil(2)];
        survey.note(rows, &mut statuses, 0);
        survey.note_statuses(number, &statuses, rows.len());
        page::write(&mut pages, Kind::Statuses, summary.stamp, number, &statuses);
    }
    for (number, rows) in (0..).zip(rows.chunks(page::per_page::<SlotRow>())) {
        page::write(&mut pages, Kind::Slots, summary.stamp, number, rows);
    }
    let mut out = Vec::new();
    survey.encode(summary.stamp, &mut out);
    out.resize(place(STATUSES_AT) * PAGE, 0);
    out.append(&mut pages);
    (out, survey)
}

/// What is on a page of the file of slots.
pub(super) enum Content<'a> {
    Survey,
    /// Two to an octet.
    Statuses(&'a [u8]),
    Slots(&'a [SlotRow]),
}

/// What is on this page of the file; `None` when it is not whole.
pub(super) fn content<'a>(
    summary: &Summary,
    file_page: u32,
    page: &'a [u8],
) -> Option<Content<'a>> {
    let stamp = summary.stamp;
    if let Some(number) = file_page.checked_sub(slots_at(summary)) {
        return page::read(page, Kind::Slots, stamp, number).map(Content::Slots);
    }
    match file_page.checked_sub(STATUSES_AT) {
        Some(number) => page::read(page, Kind::Statuses, stamp, number).map(Content::Statuses),
        None => Survey::decode(page, summary).map(|_| Content::Survey),
    }
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
    match all_rows(disk, summary) {
        Ok(rows) => Ok(Some(file(summary, &rows).1)),
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
    if count(by_page.len()) <= CHANGED_MAX.min(summary.slot_pages() - 1) {
        if !settled {
            settle(disk, summary)?;
        }
        return in_place(disk, summary, survey, &by_page);
    }
    let mut rows = all_rows(disk, summary)?;
    apply(&mut rows, slots);
    let (bytes, survey) = file(summary, &rows);
    write_whole(disk, summary.slots_file(), &bytes)?;
    Ok(survey)
}

/// Changed pages of the file.
#[derive(Default)]
struct Changed {
    named: Vec<U32>,
    images: Vec<u8>,
}

impl Changed {
    fn add<R: IntoBytes + Immutable>(
        &mut self,
        (file_page, kind): (u32, Kind),
        (stamp, number): (u32, u32),
        rows: &[R],
    ) {
        self.named.push(U32::new(file_page));
        page::write(&mut self.images, kind, stamp, number, rows);
    }
}

fn in_place<D: Disk>(
    disk: &mut D,
    summary: &Summary,
    survey: &Survey,
    by_page: &BTreeMap<u32, Vec<(u64, u64)>>,
) -> Result<Survey, SlotsError> {
    let damaged = || SlotsError::Damaged(summary.slots_file());
    let mut survey = survey.clone();
    let mut changed = Changed::default();
    let mut statuses: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    for (number, slots) in by_page {
        let at = slots_at(summary) + number;
        let bytes = read(disk, summary, at, 1)?;
        let Some(Content::Slots(rows)) = content(summary, at, &bytes) else {
            return Err(damaged());
        };
        let mut rows = rows.to_vec();
        apply(&mut rows, slots);
        let page = number / SLOTS_PER_STATUSES;
        let all = match statuses.entry(page) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let bytes = read(disk, summary, STATUSES_AT + page, 1)?;
                match content(summary, STATUSES_AT + page, &bytes) {
                    Some(Content::Statuses(all)) => new.insert(all.to_vec()),
                    _ => return Err(damaged()),
                }
            }
        };
        let first = place(number % SLOTS_PER_STATUSES) * page::per_page::<SlotRow>();
        survey.note(&rows, all, first);
        changed.add((at, Kind::Slots), (summary.stamp, *number), &rows);
    }
    for (page, statuses) in &statuses {
        let rows = place(summary.rows) - place(*page) * PER_STATUSES;
        survey.note_statuses(*page, statuses, rows.min(PER_STATUSES));
        changed.add((STATUSES_AT + page, Kind::Statuses), (summary.stamp, *page), statuses);
    }
    changed.named.push(U32::new(SURVEY_AT));
    survey.encode(summary.stamp, &mut changed.images);
    write_pages(disk, summary, &changed)?;
    Ok(survey)
}

/// Writes images of the pages, then the pages.
fn write_pages<D: Disk>(
    disk: &mut D,
    summary: &Summary,
    Changed { named, images }: &Changed,
) -> Result<(), LogIoError> {
    let mut redo = Vec::new();
    page::write(&mut redo, Kind::Redo, summary.stamp, 0, named);
    redo.extend_from_slice(images);
    disk.update_side(summary.slots_file(), &[(page::offset(REDO_AT), &redo)])?;
    let images = images.chunks_exact(PAGE);
    let pieces: Vec<(u64, &[u8])> =
        named.iter().zip(images).map(|(at, image)| (page::offset(at.get()), image)).collect();
    disk.update_side(summary.slots_file(), &pieces)
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
        if content(summary, at.get(), &there).is_some() {
            pages.push((page::offset(at.get()), there));
        } else if content(summary, at.get(), image).is_some() {
            pages.push((page::offset(at.get()), image.to_vec()));
        }
    }
    let pieces: Vec<(u64, &[u8])> = pages.iter().map(|(at, page)| (*at, page.as_slice())).collect();
    Ok(disk.update_side(summary.slots_file(), &pieces)?)
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

/// All rows of a file.
fn all_rows<D: Disk>(disk: &mut D, summary: &Summary) -> Result<Vec<SlotRow>, SlotsError> {
    let bytes = read(disk, summary, 0, slots_at(summary) + summary.slot_pages())?;
    let redo = bytes.get(PAGE..).unwrap_or_default();
    let mut all = Vec::with_capacity(place(summary.rows));
    for (at, page) in (0..).zip(bytes.chunks_exact(PAGE)).skip(place(slots_at(summary))) {
        let image = || content(summary, at, image(summary, redo, at)?);
        if let Some(Content::Slots(rows)) = content(summary, at, page).or_else(image) {
            all.extend_from_slice(rows);
        }
    }
    let whole = all.len() == place(summary.rows);
    if whole { Ok(all) } else { Err(SlotsError::Damaged(summary.slots_file())) }
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
