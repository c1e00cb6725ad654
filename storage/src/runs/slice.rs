//! A file of a run, a *slice*: pages of rows in order, then an index of the pages, a filter over
//! first keys, and a footer that says what the file is. Pure but for [`Slice::open`], which reads
//! through a [`Disk`]; index and filter stay in memory as long as the file is used.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::disk::{Disk, IndexKind, LogIoError, SideFile};
use crate::log::Lsn;
use crate::search::Ask;

use super::filter::{FILTER_VERSION, Filter, Rate};
use super::page::{KeyLayout, PAGE, PAGE_ROWS, PageId, write_page};
use super::{Key, Row};

/// Version of the files that this release writes and reads. Others are rebuilt.
const FORMAT: u16 = 1;
const MAGIC: [u8; 4] = *b"PRUN";
/// Bytes of the footer.
const FOOTER: usize = size_of::<FooterLayout>();
/// No file of a run comes near this many bytes of index and filter: 1 GiB.
const TABLES_MAX: u64 = 1 << 30;
/// No more rows follow in this run: the last slice.
const FLAG_LAST: u8 = 1;
/// Nothing older is in the index: the run begins it.
const FLAG_OLDEST: u8 = 2;

const _: () = assert!(FOOTER == 128);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct FooterLayout {
    magic: [u8; 4],
    format: U16,
    kind: u8,
    flags: u8,
    file: U64,
    from: U64,
    to: U64,
    covers: U64,
    rows: U64,
    pages: U32,
    words: U32,
    slice: U32,
    hashes: u8,
    reserved: u8,
    filter_version: U16,
    last_key: KeyLayout,
    index_crc: U32,
    filter_crc: U32,
    unused: [u8; 36],
    crc: U32,
}

/// The number of a kind on the disk.
fn number(kind: IndexKind) -> u8 {
    match kind {
        IndexKind::Receipts => 1,
        IndexKind::Due => 3,
        IndexKind::Backlog => 4,
    }
}

/// Whether rows are looked up by their first key alone. The others are only read in order, where
/// no filter helps.
pub(super) fn has_filter(kind: IndexKind) -> bool {
    kind == IndexKind::Receipts
}

/// The run that a file belongs to, and where in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Oldest generation of rows in the run.
    pub(super) from: u64,
    /// Newest generation.
    pub(super) to: u64,
    /// Whether the index begins with this run.
    pub(super) oldest: bool,
    /// The rows of all records up to this one are in this run or in older ones.
    pub(super) covers: Lsn,
    /// Which slice of the run, from 0, in the order of their rows.
    pub(super) slice: u32,
}

/// A file of a run, as it is known in memory.
#[derive(Debug)]
pub(super) struct Slice {
    kind: IndexKind,
    file: u64,
    rows: u64,
    /// For each page a key that is above all rows before it and not above its first.
    separators: Box<[Key]>,
    last: Key,
    filter: Option<Filter>,
}

impl Slice {
    /// The file.
    pub(super) fn file(&self) -> SideFile {
        SideFile::Run(self.kind, self.file)
    }

    /// Its rows.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of memory that it takes.
    pub(super) fn memory(&self) -> usize {
        let filter = self.filter.as_ref().map_or(0, |filter| size_of_val(filter.words()));
        size_of::<Self>() + size_of_val(&*self.separators) + filter
    }

    /// Whether rows with this first key may be in the file.
    pub(super) fn may_hold(&self, k1: u64) -> bool {
        self.first_page((k1, 0)).is_some_and(|page| self.begins_by(page, (k1, u64::MAX)))
            && self.filter.as_ref().is_none_or(|filter| filter.may_hold(k1))
    }

    /// The first page that may hold a row at or behind `key`; `None`: all rows are before it.
    pub(super) fn first_page(&self, key: Key) -> Option<u32> {
        if self.separators.is_empty() || key > self.last {
            return None;
        }
        let behind = self.separators.partition_point(|separator| *separator <= key);
        u32::try_from(behind.saturating_sub(1)).ok()
    }

    /// Whether there is such a page and it may hold a row at or before `key`.
    pub(super) fn begins_by(&self, page: u32, key: Key) -> bool {
        let page = usize::try_from(page).unwrap_or(usize::MAX);
        self.separators.get(page).is_some_and(|separator| *separator <= key)
    }

    /// Whether there is such a page.
    pub(super) fn has_page(&self, page: u32) -> bool {
        usize::try_from(page).is_ok_and(|page| page < self.separators.len())
    }

    /// Reads `count` pages from `page` on, fewer at the end.
    pub(super) fn ask(&self, page: u32, count: u32) -> Ask {
        let left = u32::try_from(self.separators.len()).unwrap_or(u32::MAX).saturating_sub(page);
        let len = count.min(left).saturating_mul(PAGE_BYTES);
        Ask::side(self.file(), u64::from(page) * u64::from(PAGE_BYTES), len)
    }

    /// What the checksum of a page covers beside its bytes.
    pub(super) fn page_id(&self, page: u32) -> PageId {
        PageId { kind: number(self.kind), file: self.file, page }
    }

    /// Reads what a file says about itself: the slice, its place, and whether it is the last of its
    /// run. `None`: damaged, or written by another release.
    ///
    /// # Errors
    /// [`LogIoError`] when reading fails.
    pub(super) fn open<D: Disk>(
        disk: &mut D,
        kind: IndexKind,
        file: u64,
        len: u64,
    ) -> Result<Option<(Self, Place, bool)>, LogIoError> {
        let Some(end) = len.checked_sub(FOOTER as u64) else {
            return Ok(None);
        };
        let mut footer = [0; FOOTER];
        disk.read_side(SideFile::Run(kind, file), end, &mut footer)?;
        let Some((footer, from, bytes)) = tables(&footer, kind, file, end) else {
            return Ok(None);
        };
        let mut tables = vec![0; bytes];
        disk.read_side(SideFile::Run(kind, file), from, &mut tables)?;
        Ok(Self::from_tables(kind, footer, &tables))
    }

    fn from_tables(
        kind: IndexKind,
        footer: &FooterLayout,
        tables: &[u8],
    ) -> Option<(Self, Place, bool)> {
        let pages = usize::try_from(footer.pages.get()).ok()?;
        let (index, filter) = tables.split_at_checked(pages * size_of::<KeyLayout>())?;
        let intact = crc32c::crc32c(index) == footer.index_crc.get()
            && crc32c::crc32c(filter) == footer.filter_crc.get();
        if !intact {
            return None;
        }
        let separators = <[KeyLayout]>::ref_from_bytes(index).ok()?;
        let words = <[U64]>::ref_from_bytes(filter).ok()?;
        let filter = if has_filter(kind) {
            let words = words.iter().map(|word| word.get()).collect();
            Some(Filter::from_parts(words, u32::from(footer.hashes))?)
        } else {
            None
        };
        let slice = Self {
            kind,
            file: footer.file.get(),
            rows: footer.rows.get(),
            separators: separators.iter().map(Key::from).collect(),
            last: Key::from(&footer.last_key),
            filter,
        };
        let place = Place {
            from: footer.from.get(),
            to: footer.to.get(),
            oldest: footer.flags & FLAG_OLDEST != 0,
            covers: Lsn(footer.covers.get()),
            slice: footer.slice.get(),
        };
        Some((slice, place, footer.flags & FLAG_LAST != 0))
    }
}

/// [`PAGE`] as it counts in files.
#[expect(clippy::cast_possible_truncation, reason = "4,096")]
const PAGE_BYTES: u32 = PAGE as u32;

/// Checks a footer that begins at `end` of its file; returns it with the place and bytes of index
/// and filter.
fn tables(
    footer: &[u8; FOOTER],
    kind: IndexKind,
    file: u64,
    end: u64,
) -> Option<(&FooterLayout, u64, usize)> {
    let (covered, _) = footer.split_at(FOOTER - size_of::<U32>());
    let crc = crc32c::crc32c(covered);
    let footer = FooterLayout::ref_from_bytes(footer).ok()?;
    let pages = u64::from(footer.pages.get());
    let bytes = pages * size_of::<KeyLayout>() as u64 + u64::from(footer.words.get()) * 8;
    let from = pages * PAGE as u64;
    let intact = footer.magic == MAGIC
        && footer.format.get() == FORMAT
        && footer.crc.get() == crc
        && footer.kind == number(kind)
        && footer.file.get() == file
        && footer.filter_version.get() == FILTER_VERSION
        && footer.from.get() <= footer.to.get()
        && footer.rows.get() <= pages * PAGE_ROWS as u64
        && bytes <= TABLES_MAX
        && from + bytes == end;
    intact.then_some((footer, from, usize::try_from(bytes).ok()?))
}

/// Writes one slice, row by row, into the bytes of its file.
#[derive(Debug)]
pub(super) struct SliceWriter {
    kind: IndexKind,
    file: u64,
    rate: Rate,
    page: Vec<Row>,
    rows: u64,
    separators: Vec<Key>,
    last: Key,
    /// The first keys, each once: 8 bytes a row until the filter is made.
    first_keys: Vec<u64>,
}

impl SliceWriter {
    pub(super) fn new(kind: IndexKind, file: u64, rate: Rate) -> Self {
        Self {
            kind,
            file,
            rate,
            page: Vec::with_capacity(PAGE_ROWS),
            rows: 0,
            separators: Vec::new(),
            last: (0, 0),
            first_keys: Vec::new(),
        }
    }

    /// Adds the next row, whose key is above that of the row before; `out` gets each full page.
    pub(super) fn push(&mut self, row: Row, out: &mut Vec<u8>) {
        assert!(self.rows == 0 || row.key() > self.last, "the rows of a run ascend");
        if self.page.is_empty() {
            let begins =
                if self.rows > 0 && row.k1 > self.last.0 { (row.k1, 0) } else { row.key() };
            self.separators.push(begins);
        }
        if has_filter(self.kind) && (self.rows == 0 || row.k1 != self.last.0) {
            self.first_keys.push(row.k1);
        }
        self.last = row.key();
        self.rows += 1;
        self.page.push(row);
        if self.page.len() == PAGE_ROWS {
            self.end_page(out);
        }
    }

    fn end_page(&mut self, out: &mut Vec<u8>) {
        let page = self.separators.len().saturating_sub(1);
        let page = u32::try_from(page).unwrap_or(u32::MAX);
        let id = PageId { kind: number(self.kind), file: self.file, page };
        write_page(id, &self.page, out);
        self.page.clear();
    }

    /// Adds what stands behind the rows; the file is complete then.
    pub(super) fn finish(mut self, place: Place, last: bool, out: &mut Vec<u8>) -> Slice {
        if !self.page.is_empty() {
            self.end_page(out);
        }
        let keys = std::mem::take(&mut self.first_keys);
        let filter = has_filter(self.kind).then(|| Filter::new(&keys, self.rate));
        let slice = Slice {
            kind: self.kind,
            file: self.file,
            rows: self.rows,
            separators: self.separators.into(),
            last: self.last,
            filter,
        };
        let index_at = out.len();
        for separator in &slice.separators {
            out.extend_from_slice(KeyLayout::from(*separator).as_bytes());
        }
        let filter_at = out.len();
        let (words, hashes) =
            slice.filter.as_ref().map_or((&[][..], 0), |filter| (filter.words(), filter.hashes()));
        for word in words {
            out.extend_from_slice(&word.to_le_bytes());
        }
        let crc = |from, to| out.get(from..to).map_or(0, crc32c::crc32c);
        let flag = |set, flag| if set { flag } else { 0 };
        let mut footer = FooterLayout {
            magic: MAGIC,
            format: FORMAT.into(),
            kind: number(self.kind),
            flags: flag(last, FLAG_LAST) | flag(place.oldest, FLAG_OLDEST),
            file: self.file.into(),
            from: place.from.into(),
            to: place.to.into(),
            covers: place.covers.0.into(),
            rows: self.rows.into(),
            pages: u32::try_from(slice.separators.len()).unwrap_or(u32::MAX).into(),
            words: u32::try_from(words.len()).unwrap_or(u32::MAX).into(),
            slice: place.slice.into(),
            hashes: u8::try_from(hashes).unwrap_or(u8::MAX),
            reserved: 0,
            filter_version: FILTER_VERSION.into(),
            last_key: self.last.into(),
            index_crc: crc(index_at, filter_at).into(),
            filter_crc: crc(filter_at, out.len()).into(),
            unused: [0; 36],
            crc: U32::ZERO,
        };
        let (covered, _) = footer.as_bytes().split_at(FOOTER - size_of::<U32>());
        footer.crc = crc32c::crc32c(covered).into();
        out.extend_from_slice(footer.as_bytes());
        slice
    }
}
