//! Pages of the register's files: 4 KiB, each with a checksum over its rows, its place and its
//! register, so that a torn, swapped or stale page is never taken for a good one. Pure.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::block::BLOCK;

/// Bytes of a page.
pub(super) const PAGE: usize = BLOCK;
const HEADER: usize = size_of::<PageHeader>();
/// Bytes of a page that rows may fill.
pub(super) const ROOM: usize = PAGE - HEADER;
/// Version of the pages.
const FORMAT: u8 = 1;

/// What a page holds. The number is the disk's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Where each customer's rows are: [`DirectoryRow`].
    Directory = 1,
    /// Messages of each customer by time: [`TimeRow`].
    Times = 2,
    /// Messages by recipient: [`KeyRow`].
    Recipients = 3,
    /// Messages by group: [`KeyRow`].
    Groups = 4,
    /// Where each message stands: [`SlotRow`].
    Slots = 5,
    /// What the pages of slots hold as a whole.
    Survey = 6,
    /// Which pages the images behind it are of.
    Redo = 7,
    /// The status of each message, in half an octet.
    Statuses = 8,
}

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PageHeader {
    crc: U32,
    rows: U16,
    kind: u8,
    format: u8,
    stamp: U32,
    number: U32,
}

/// A customer's rows in the section of times.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct DirectoryRow {
    pub(super) customer: U32,
    /// Its first row.
    pub(super) first: U32,
    /// How many they are.
    pub(super) count: U32,
}

/// A customer's message.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct TimeRow {
    /// When it was accepted, in ms.
    pub(super) accepted: U64,
    /// Its sequence, counted from the register's first.
    pub(super) sequence: U32,
    /// Its place among the slots.
    pub(super) rank: U32,
}

/// A message by a hash.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct KeyRow {
    pub(super) key: U64,
    /// Its sequence, counted from the register's first.
    pub(super) sequence: U32,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct SlotRow {
    pub(super) sequence: U64,
    /// A packed slot; 0: gone.
    pub(super) slot: U64,
}

/// Rows of a kind that a page holds.
pub(super) const fn per_page<R>() -> usize {
    ROOM / size_of::<R>()
}

const _: () = assert!(HEADER == 16);
const _: () = assert!(per_page::<DirectoryRow>() == 340 && per_page::<KeyRow>() == 340);
const _: () = assert!(per_page::<SlotRow>() == 255 && per_page::<TimeRow>() == 255);

/// Adds a page of these rows to `out`: as many as fit, and zeros behind them.
pub(super) fn write<R: IntoBytes + Immutable>(
    out: &mut Vec<u8>,
    kind: Kind,
    stamp: u32,
    number: u32,
    rows: &[R],
) {
    let rows = rows.get(..per_page::<R>().min(rows.len())).unwrap_or_default();
    let header = PageHeader {
        crc: U32::new(0),
        rows: U16::new(u16::try_from(rows.len()).unwrap_or(u16::MAX)),
        kind: kind as u8,
        format: FORMAT,
        stamp: U32::new(stamp),
        number: U32::new(number),
    };
    let start = out.len();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(rows.as_bytes());
    out.resize(start + PAGE, 0);
    if let Some((crc, covered)) = out.get_mut(start..).and_then(|page| page.split_at_mut_checked(4))
    {
        crc.copy_from_slice(&crc32c::crc32c(covered).to_le_bytes());
    }
}

/// The rows of a page; `None` when it is not the page that was asked for, whole.
pub(super) fn read<R: FromBytes + Immutable + KnownLayout + Unaligned>(
    page: &[u8],
    kind: Kind,
    stamp: u32,
    number: u32,
) -> Option<&[R]> {
    let page = page.get(..PAGE)?;
    let (header, body) = PageHeader::ref_from_prefix(page).ok()?;
    let right = header.kind == kind as u8
        && header.format == FORMAT
        && header.stamp.get() == stamp
        && header.number.get() == number
        && header.crc.get() == crc32c::crc32c(page.get(4..)?);
    let bytes = usize::from(header.rows.get()) * size_of::<R>();
    right.then_some(())?;
    <[R]>::ref_from_bytes(body.get(..bytes)?).ok()
}

/// Where a page begins.
pub(super) fn offset(page: u32) -> u64 {
    u64::from(page) * PAGE as u64
}

/// Pages that so many rows take.
pub(super) fn pages<R>(rows: usize) -> u32 {
    u32::try_from(rows.div_ceil(per_page::<R>())).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    fn rows() -> Vec<SlotRow> {
        (1u64..=255).map(|n| SlotRow { sequence: U64::new(n), slot: U64::new(n * 7) }).collect()
    }

    #[test]
    fn a_page_comes_back_only_whole_and_in_its_place() {
        let mut page = Vec::new();
        write(&mut page, Kind::Slots, 9, 3, &rows());
        assert_eq!(page.len(), PAGE);
        let back: &[SlotRow] = read(&page, Kind::Slots, 9, 3).unwrap();
        assert_eq!(back.len(), 255);
        assert_eq!(back[254].slot.get(), 255 * 7);
        assert!(read::<SlotRow>(&page, Kind::Slots, 9, 4).is_none());
        assert!(read::<SlotRow>(&page, Kind::Slots, 8, 3).is_none());
        assert!(read::<SlotRow>(&page, Kind::Times, 9, 3).is_none());
        assert!(read::<SlotRow>(&page[..PAGE - 1], Kind::Slots, 9, 3).is_none());
        for sector in page.chunks(512).map(<[u8]>::len).scan(0, |at, len| {
            *at += len;
            Some(*at - len)
        }) {
            let mut torn = page.clone();
            torn[sector..sector + 512].fill(0xa5);
            assert!(read::<SlotRow>(&torn, Kind::Slots, 9, 3).is_none(), "{sector}");
        }
        for bit in 0..PAGE * 8 {
            let mut flipped = page.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(read::<SlotRow>(&flipped, Kind::Slots, 9, 3).is_none(), "{bit}");
        }
    }
}
