//! A page of a run: up to 170 rows of 24 bytes in order, under one checksum. Pure, lives nowhere.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Key, Row};

/// Bytes of a page.
pub(super) const PAGE: usize = 4_096;
/// Rows of a full page.
pub(super) const PAGE_ROWS: usize = (PAGE - HEADER) / size_of::<RowLayout>();
/// Bytes of a page before its rows.
const HEADER: usize = size_of::<PageHeader>();

const _: () = assert!(HEADER + PAGE_ROWS * size_of::<RowLayout>() == PAGE && PAGE_ROWS == 170);

/// Which page it is: under the checksum, so that a page in a wrong place never verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageId {
    /// Number of the index's kind on the disk.
    pub(super) kind: u8,
    /// Number of the file.
    pub(super) file: u64,
    /// Number of the page in it, from 0.
    pub(super) page: u32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PageHeader {
    crc: U32,
    page: U32,
    file: U32,
    rows: U16,
    kind: u8,
    reserved: u8,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RowLayout {
    k1: U64,
    k2: U64,
    v: U64,
}

/// The low half of a file's number, which is what a page has room for.
fn low(file: u64) -> U32 {
    let [a, b, c, d, ..] = file.to_le_bytes();
    U32::from_bytes([a, b, c, d])
}

/// Adds the page that holds `rows`, which are in order and at most [`PAGE_ROWS`].
pub(super) fn write_page(id: PageId, rows: &[Row], out: &mut Vec<u8>) {
    assert!(rows.len() <= PAGE_ROWS, "{} rows in a page", rows.len());
    let count = u16::try_from(rows.len()).unwrap_or(u16::MAX);
    let header = PageHeader {
        crc: U32::ZERO,
        page: id.page.into(),
        file: low(id.file),
        rows: count.into(),
        kind: id.kind,
        reserved: 0,
    };
    let start = out.len();
    out.extend_from_slice(header.as_bytes());
    for row in rows {
        let row = RowLayout { k1: row.k1.into(), k2: row.k2.into(), v: row.v.into() };
        out.extend_from_slice(row.as_bytes());
    }
    out.resize(start + PAGE, 0);
    let (_, page) = out.split_at_mut(start);
    let (crc, covered) = page.split_at_mut(size_of::<U32>());
    crc.copy_from_slice(&crc32c::crc32c(covered).to_le_bytes());
}

/// The rows of a page; `None` when these are not the bytes that were written as this page.
pub(super) fn read_page(id: PageId, bytes: &[u8]) -> Option<impl Iterator<Item = Row> + Clone> {
    let (header, body) = PageHeader::ref_from_prefix(bytes).ok()?;
    let covered = bytes.get(size_of::<U32>()..PAGE)?;
    let count = usize::from(header.rows.get());
    let intact = bytes.len() == PAGE
        && header.crc.get() == crc32c::crc32c(covered)
        && header.page.get() == id.page
        && header.file == low(id.file)
        && header.kind == id.kind
        && count <= PAGE_ROWS;
    if !intact {
        return None;
    }
    let (rows, _) = <[RowLayout]>::ref_from_prefix_with_elems(body, count).ok()?;
    Some(rows.iter().map(|row| Row { k1: row.k1.get(), k2: row.k2.get(), v: row.v.get() }))
}

/// A key as it lies on the disk.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct KeyLayout {
    k1: U64,
    k2: U64,
}

impl From<Key> for KeyLayout {
    fn from((k1, k2): Key) -> Self {
        Self { k1: k1.into(), k2: k2.into() }
    }
}

impl From<&KeyLayout> for Key {
    fn from(key: &KeyLayout) -> Self {
        (key.k1.get(), key.k2.get())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    const ID: PageId = PageId { kind: 1, file: 0x1_0000_0007, page: 3 };

    fn rows(count: u64) -> Vec<Row> {
        (0..count).map(|n| Row { k1: n * 3, k2: u64::MAX - n, v: n }).collect()
    }

    #[test]
    fn a_page_reads_as_it_was_written() {
        for count in [0, 1, 169, 170] {
            let mut bytes = vec![];
            write_page(ID, &rows(count), &mut bytes);
            assert_eq!(bytes.len(), PAGE);
            let read: Vec<Row> = read_page(ID, &bytes).unwrap().collect();
            assert_eq!(read, rows(count));
        }
    }

    #[test]
    fn no_bit_of_a_page_can_change() {
        let mut bytes = vec![];
        write_page(ID, &rows(40), &mut bytes);
        for bit in 0..PAGE * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(read_page(ID, &damaged).is_none(), "bit {bit}");
        }
        for len in [0, 1, 16, 4_095] {
            assert!(read_page(ID, &bytes[..len]).is_none(), "{len} bytes");
        }
        bytes.push(0);
        assert!(read_page(ID, &bytes).is_none(), "too long");
    }

    #[test]
    fn a_page_in_a_wrong_place_is_none() {
        let mut bytes = vec![];
        write_page(ID, &rows(40), &mut bytes);
        let others = [PageId { kind: 2, ..ID }, PageId { file: 8, ..ID }, PageId { page: 4, ..ID }];
        for other in others {
            assert!(read_page(other, &bytes).is_none(), "{other:?}");
        }
    }
}
