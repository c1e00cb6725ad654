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
pub(super) const HEADER: usize = size_of::<BatchHeader>();

/// First bytes of every batch.
pub(super) const MAGIC: [u8; 4] = *b"PRLG";

/// The file was recycled: bytes after the last batch may be an older segment's.
pub(super) const FLAG_RECYCLED: u32 = 1;

const _: () = assert!(HEADER == 64);
const _: () = assert!(BATCH_BYTES_MAX.is_multiple_of(BLOCK));

/// The batch header. `magic`, `format`, `segment`, `payload_len` and `crc` keep their places in
/// every later format, so that an older release can tell a newer batch from a damaged one.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct BatchHeader {
    pub(super) magic: [u8; 4],
    pub(super) format: U16,
    pub(super) shard: U16,
    pub(super) segment: U64,
    pub(super) sequence: U64,
    pub(super) first_lsn: U64,
    pub(super) wall_ms: U64,
    pub(super) records: U32,
    pub(super) payload_len: U32,
    pub(super) block: U32,
    pub(super) previous_crc: U32,
    pub(super) flags: U32,
    pub(super) crc: U32,
}

impl BatchHeader {
    /// CRC32C over the header without its last field, then the payload.
    pub(super) fn checksum(&self, payload: &[u8]) -> u32 {
        let (covered, _) = self.as_bytes().split_at(HEADER - size_of::<U32>());
        crc32c::crc32c_append(crc32c::crc32c(covered), payload)
    }

    /// Bytes on the disk, padding included.
    pub(super) fn padded_len(&self) -> u64 {
        padded(HEADER as u64 + u64::from(self.payload_len.get()))
    }

    /// The segment it says it belongs to.
    pub(super) fn segment_id(&self) -> SegmentId {
        SegmentId(self.segment.get())
    }
}

/// `bytes` rounded up to whole blocks.
pub(super) fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK as u64)
}

/// Where a batch begins, and how much its segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: SegmentId,
    pub(super) offset: u64,
    pub(super) capacity: u64,
}

impl Place {
    /// The position `bytes` behind the batch's beginning.
    pub(super) fn at(self, bytes: usize) -> Position {
        let offset = self.offset.saturating_add(bytes as u64);
        // The configuration bounds segments far below.
        Position { segment: self.segment, offset: u32::try_from(offset).unwrap_or(u32::MAX) }
    }
}

/// What the header says that the batch itself does not know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) shard: u16,
    pub(super) sequence: u64,
    pub(super) previous_crc: u32,
    pub(super) wall_ms: u64,
    pub(super) recycled: bool,
}

/// A batch being built. Its place is fixed from its first record on, and it never outgrows it.
#[derive(Debug)]
pub(super) struct Batch {
    place: Place,
    limit: usize,
    blocks: Blocks,
    used: usize,
    first_lsn: Lsn,
    records: u32,
    /// Whether somebody waits for one of its records.
    pub(super) waited: bool,
    /// When its first record came.
    pub(super) since: Duration,
}

impl Batch {
    /// An empty batch at `place`, at most `max` bytes long.
    pub(super) fn new(
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

    pub(super) fn segment(&self) -> SegmentId {
        self.place.segment
    }

    /// Bytes so far, header included.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Where the batch after this one begins, as it stands.
    pub(super) fn end(&self) -> Place {
        Place { offset: self.place.offset + padded(self.used as u64), ..self.place }
    }

    /// Whether a record of `len` bytes still fits.
    pub(super) fn fits(&self, len: usize) -> bool {
        self.used + len <= self.limit
    }

    /// Adds a record, which is `len` bytes long and must fit; returns where it begins.
    pub(super) fn push(&mut self, record: &Record<'_>, len: usize) -> Position {
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
    pub(super) fn last_lsn(&self) -> Lsn {
        Lsn(self.first_lsn.0 + u64::from(self.records) - 1)
    }

    /// Writes the header; returns the write and the batch's checksum.
    pub(super) fn finish(mut self, stamp: Stamp) -> (Write, u32) {
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
