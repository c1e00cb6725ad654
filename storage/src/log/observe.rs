//! What reading a log shows to whoever looks on: its batches, its records, and what is odd. Pure,
//! lives nowhere.

use std::fmt;

use crate::disk::{Disk, LogIoError, SegmentId};

use super::Replayed;
use super::batch::{BatchHeader, FLAG_RECYCLED, FLAG_REWRITTEN, HEADER};

/// Something odd that cost no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The file and the offset in it, in bytes, when it is about one place.
    pub place: Option<(String, u64)>,
    /// What is odd.
    pub what: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some((file, offset)) => write!(f, "{file}, byte {offset}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// A complete batch as it lies on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenBatch {
    /// Its segment.
    pub segment: SegmentId,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// The format that it was written in.
    pub format: u16,
    /// How many records it has.
    pub records: u32,
    /// Bytes of its header and its records.
    pub used: u64,
    /// Zeros behind them, up to the next block.
    pub padding: u64,
    /// When it was written, Unix milliseconds.
    pub wall_ms: u64,
    /// Whether its segment's file was recycled.
    pub recycled: bool,
    /// Whether records of its segment were redacted after they were written.
    pub rewritten: bool,
}

impl SeenBatch {
    pub(super) fn new(offset: u64, header: &BatchHeader) -> Self {
        let used = HEADER as u64 + u64::from(header.payload_len.get());
        Self {
            segment: header.segment_id(),
            offset,
            format: header.format.get(),
            records: header.records.get(),
            used,
            padding: header.padded_len() - used,
            wall_ms: header.wall_ms.get(),
            recycled: header.flags.get() & FLAG_RECYCLED != 0,
            rewritten: header.flags.get() & FLAG_REWRITTEN != 0,
        }
    }
}

/// How far reading a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Segments read so far.
    pub segments: usize,
    /// Segments to be read.
    pub of: usize,
    /// Records read so far.
    pub records: u64,
    /// Bytes of batches read so far, padding included.
    pub bytes: u64,
}

/// Whoever is told what a log on a disk of kind `D` holds, in its order.
pub trait Observer<D: Disk> {
    /// A complete batch; its records come next.
    fn batch(&mut self, _batch: SeenBatch) {}

    /// A record.
    fn record(&mut self, record: Replayed<'_>);

    /// Reading begins, or a segment is done.
    fn progress(&mut self, _progress: Progress) {}

    /// A batch is over: the observer may write to its own files before the next one comes.
    ///
    /// # Errors
    /// What the disk says; reading ends with it.
    fn between(&mut self, _disk: &mut D) -> Result<(), LogIoError> {
        Ok(())
    }
}

impl<D: Disk, F: FnMut(Replayed<'_>)> Observer<D> for F {
    fn record(&mut self, record: Replayed<'_>) {
        self(record);
    }
}
