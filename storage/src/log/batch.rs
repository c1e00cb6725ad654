//! One batch: its header on the disk, and a batch while it is being built. Pure, lives nowhere.

use std::time::Duration;

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::block::{BLOCK, Blocks};
use crate::disk::SegmentId;
use crate::position::Position;
use crate::record::Record;

use super::{Lsn, Write};

/// Version of the on-disk format that this release writes, and the newest that it reads. Every
/// older one is read.
pub const FORMAT: u16 = 2;

/// Hard bound on a batch in bytes, header and padding included: 1 MiB. Part of the format: recovery
/// takes a longer one for damage.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of the header.
pub(crate) const HEADER: usize = size_of::<BatchHeader>();

/// First bytes of every batch.
pub(crate) const MAGIC: [u8; 4] = *b"PRLG";

/// The file was recycled: bytes after the last batch may be an older segment's.
pub(crate) const FLAG_RECYCLED: u32 = 1;

/// Records of the segment were redacted in place: the segment after it holds the checksum that its
/// last batch had before.
pub(crate) const FLAG_REWRITTEN: u32 = 2;

const _: () = assert!(HEADER == 64);
const _: () = assert!(BATCH_BYTES_MAX.is_multiple_of(BLOCK));

/// The batch header. `magic`, `format`, `segment`, `payload_len` and `crc` keep their places in
/// every later format, so that an older release can tell a newer batch from a damaged one.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct BatchHeader {
    pub(crate) magic: [u8; 4],
    pub(crate) format: U16,
    pub(crate) shard: U16,
    pub(crate) segment: U64,
    pub(crate) sequence: U64,
    pub(crate) first_lsn: U64,
    pub(crate) wall_ms: U64,
    pub(crate) records: U32,
    pub(crate) payload_len: U32,
    pub(crate) block: U32,
    pub(crate) previous_crc: U32,
    pub(crate) flags: U32,
    pub(crate) crc: U32,
}

impl BatchHeader {
    /// CRC32C over the header without its last field, then the payload.
    pub(crate) fn checksum(&self, payload: &[u8]) -> u32 {
        let (covered, _) = self.as_bytes().split_at(HEADER - size_of::<U32>());
        crc32c::crc32c_append(crc32c::crc32c(covered), payload)
    }

    /// Bytes on the disk, padding included.
    pub(crate) fn padded_len(&self) -> u64 {
        padded(HEADER as u64 + u64::from(self.payload_len.get()))
    }

    /// The segment it says it belongs to.
    pub(crate) fn segment_id(&self) -> SegmentId {
        SegmentId(self.segment.get())
    }
}

/// `bytes` rounded up to whole blocks.
pub(crate) fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK as u64)
}

/// Where a batch begins, and how much its segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: SegmentId,
    pub(crate) offset: u64,
    pub(crate) capacity: u64,
}

impl Place {
    /// The position `bytes` behind the batch's beginning.
    pub(crate) fn at(self, bytes: usize) -> Position {
        let offset = self.offset.saturating_add(bytes as u64);
        // The configuration bounds segments far below.
        Position { segment: self.segment, offset: u32::try_from(offset).unwrap_or(u32::MAX) }
    }
}

/// What the header says that the batch itself does not know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) shard: u16,
    pub(crate) sequence: u64,
    pub(crate) previous_crc: u32,
    pub(crate) wall_ms: u64,
    pub(crate) recycled: bool,
}

/// A batch being built. Its place is fixed from its first record on, and it never outgrows it.
#[derive(Debug)]
pub(crate) struct Batch {
    place: Place,
    limit: usize,
    blocks: Blocks,
    used: usize,
    first_lsn: Lsn,
    records: u32,
    /// Whether somebody waits for one of its records.
    pub(crate) waited: bool,
    /// When its first record came.
    pub(crate) since: Duration,
}

impl Batch {
    /// An empty batch at `place`, at most `max` bytes long.
    pub(crate) fn new(
        place: Place,
        max: usize,
        mut blocks: Blocks,
        lsn: Lsn,
        now: Duration,
    ) -> Self {
        blocks.resize(0);
        let room = usize::try_from(place.capacity - place.offset).unwrap_or(usize::MAX);
        Self {
            place,
            limit: max.min(room),
            blocks,
            used: HEADER,
            first_lsn: lsn,
            records: 0,
            waited: false,
            since: now,
        }
    }

    pub(crate) fn segment(&self) -> SegmentId {
        self.place.segment
    }

    /// Bytes so far, header included.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Where the batch after this one begins, as it stands.
    pub(crate) fn end(&self) -> Place {
        Place { offset: self.place.offset + padded(self.used as u64), ..self.place }
    }

    /// Whether a record of `len` bytes still fits.
    pub(crate) fn fits(&self, len: usize) -> bool {
        self.used + len <= self.limit
    }

    /// Adds a record, which is `len` bytes long and must fit; returns where it begins.
    pub(crate) fn push(&mut self, record: &Record<'_>, len: usize) -> Position {
        let start = self.used;
        assert!(self.fits(len), "a record of {len} bytes does not fit the batch");
        self.blocks.resize((start + len).div_ceil(BLOCK));
        let to = self.blocks.as_bytes_mut().get_mut(start..start + len);
        record.encode_to(to.unwrap_or_default());
        self.used += len;
        self.records += 1;
        self.place.at(start)
    }

    /// The last record's number.
    pub(crate) fn last_lsn(&self) -> Lsn {
        Lsn(self.first_lsn.0 + u64::from(self.records) - 1)
    }

    /// Writes the header; returns the write and the batch's checksum.
    pub(crate) fn finish(mut self, stamp: Stamp) -> (Write, u32) {
        assert!(self.records > 0, "an empty batch is never written");
        let block = u32::try_from(self.place.offset / BLOCK as u64);
        let payload_len = u32::try_from(self.used - HEADER);
        let (Ok(block), Ok(payload_len)) = (block, payload_len) else {
            panic!("a batch's place and size are bounded by the configuration");
        };
        let mut header = BatchHeader {
            magic: MAGIC,
            format: FORMAT.into(),
            shard: stamp.shard.into(),
            segment: self.place.segment.0.into(),
            sequence: stamp.sequence.into(),
            first_lsn: self.first_lsn.0.into(),
            wall_ms: stamp.wall_ms.into(),
            records: self.records.into(),
            payload_len: payload_len.into(),
            block: block.into(),
            previous_crc: stamp.previous_crc.into(),
            flags: if stamp.recycled { FLAG_RECYCLED } else { 0 }.into(),
            crc: U32::ZERO,
        };
        let bytes = self.blocks.as_bytes_mut();
        let (room, payload) = bytes.split_at_mut(HEADER);
        let (payload, _) = payload.split_at(self.used - HEADER);
        let crc = header.checksum(payload);
        header.crc = crc.into();
        room.copy_from_slice(header.as_bytes());
        let Place { segment, offset, .. } = self.place;
        (Write { segment, offset, blocks: self.blocks }, crc)
    }
}
