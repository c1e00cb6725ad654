//! Reading one segment's batches, trusting nothing that is not verified. Pure, lives nowhere.

use zerocopy::FromBytes;

use crate::block::BLOCK;
use crate::disk::{Disk, LogIoError, SegmentFile, SegmentId};

use super::batch::{BATCH_BYTES_MAX, BatchHeader, FORMAT, HEADER, MAGIC};

/// What lies at one offset of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found {
    /// A complete batch of this segment at its right place.
    Batch(BatchHeader),
    /// An intact batch of a format that this release does not read.
    Newer(u16),
    /// An intact batch of this segment that is not as it should be.
    Odd(&'static str),
    /// No intact batch of this segment.
    Nothing(&'static str),
}

/// What was read last, kept from one scanner to the next so that nothing is read twice.
#[derive(Debug, Default)]
pub(crate) struct Window {
    segment: Option<SegmentId>,
    at: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// Forgets what was read: the file has changed.
    pub(crate) fn forget(&mut self) {
        self.segment = None;
        self.bytes.clear();
    }
}

/// Reads a segment through a window, so that its size does not matter.
pub(crate) struct Scanner<'d, D: Disk> {
    disk: &'d mut D,
    window: &'d mut Window,
    file: SegmentFile,
    shard: u16,
}

/// Whether all of at most a block's bytes are zero.
fn is_zero(bytes: &[u8]) -> bool {
    static ZEROS: [u8; BLOCK] = [0; BLOCK];
    ZEROS.starts_with(bytes)
}

/// Bytes read at once.
const WINDOW: usize = BATCH_BYTES_MAX + BLOCK;

impl<'d, D: Disk> Scanner<'d, D> {
    pub(crate) fn new(
        disk: &'d mut D,
        window: &'d mut Window,
        file: SegmentFile,
        shard: u16,
    ) -> Self {
        if window.segment != Some(file.id) {
            window.forget();
        }
        Self { disk, window, file, shard }
    }

    /// What lies at `offset`.
    pub(crate) fn check(&mut self, offset: u64) -> Result<Found, LogIoError> {
        let Some(header) = self.header(offset)? else {
            return Ok(Found::Nothing("no batch begins there"));
        };
        if header.segment_id() != self.file.id {
            return Ok(Found::Nothing("what lies there belongs to another segment"));
        }
        if !self.is_intact(offset, &header)? {
            return Ok(Found::Nothing("the checksum does not agree"));
        }
        Ok(if header.format.get() > FORMAT {
            Found::Newer(header.format.get())
        } else if header.format.get() == 0 {
            Found::Odd("the batch has no format")
        } else if header.shard.get() != self.shard {
            Found::Odd("the batch belongs to another shard")
        } else if u64::from(header.block.get()) * BLOCK as u64 != offset {
            Found::Odd("the batch was written for another place")
        } else {
            Found::Batch(header)
        })
    }

    /// The first complete batch at or after `from` that is not older than batch `sequence`.
    pub(crate) fn find(&mut self, from: u64, sequence: u64) -> Result<Option<u64>, LogIoError> {
        let mut at = from;
        while at < self.file.len {
            let found = self.check(at)?;
            if matches!(found, Found::Batch(header) if header.sequence.get() >= sequence)
                || matches!(found, Found::Newer(_))
            {
                return Ok(Some(at));
            }
            at += BLOCK as u64;
        }
        Ok(None)
    }

    /// The header at `offset`, unverified; `None` without the magic bytes. What is missing at the
    /// end of the file reads as zeros.
    pub(crate) fn header(&mut self, offset: u64) -> Result<Option<BatchHeader>, LogIoError> {
        let mut bytes = [0; HEADER];
        for (to, from) in bytes.iter_mut().zip(self.bytes(offset, HEADER)?) {
            *to = *from;
        }
        let header = BatchHeader::read_from_bytes(&bytes).ok();
        Ok(header.filter(|header| header.magic == MAGIC))
    }

    /// Whether the batch with this header is complete and its checksum agrees.
    pub(crate) fn is_intact(
        &mut self,
        offset: u64,
        header: &BatchHeader,
    ) -> Result<bool, LogIoError> {
        if header.padded_len() > BATCH_BYTES_MAX as u64 {
            return Ok(false);
        }
        let payload = self.payload(offset, header)?;
        let complete = payload.len() as u64 == u64::from(header.payload_len.get());
        Ok(complete && header.checksum(payload) == header.crc.get())
    }

    /// The payload of the batch at `offset`; cut short at the end of the file.
    pub(crate) fn payload(
        &mut self,
        offset: u64,
        header: &BatchHeader,
    ) -> Result<&[u8], LogIoError> {
        let len = usize::try_from(header.payload_len.get()).unwrap_or(usize::MAX);
        self.bytes(offset + HEADER as u64, len)
    }

    /// Whether the padding of the batch at `offset` is zero, as it was written.
    pub(crate) fn padding_is_zero(
        &mut self,
        offset: u64,
        header: &BatchHeader,
    ) -> Result<bool, LogIoError> {
        let used = HEADER as u64 + u64::from(header.payload_len.get());
        let padding = usize::try_from(header.padded_len() - used).unwrap_or(0);
        Ok(is_zero(self.bytes(offset + used, padding)?))
    }

    /// The end of the last block from `offset` on that is not all zeros, at most the end of the
    /// file; `offset` when there is none.
    pub(crate) fn last_content(&mut self, offset: u64) -> Result<u64, LogIoError> {
        let (mut last, mut at) = (offset, offset);
        while at < self.file.len {
            let block = self.bytes(at, BLOCK)?;
            if !is_zero(block) {
                last = at + block.len() as u64;
            }
            at += BLOCK as u64;
        }
        Ok(last)
    }

    /// `len` bytes from `offset`, fewer at the end of the file.
    fn bytes(&mut self, offset: u64, len: usize) -> Result<&[u8], LogIoError> {
        let left = self.file.len.saturating_sub(offset);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(len);
        let window = &self.window;
        let have = window.at..=window.at + window.bytes.len() as u64;
        let known = window.segment.is_some()
            && have.contains(&offset)
            && have.contains(&(offset + len as u64));
        if !known {
            self.load(offset, left)?;
        }
        let start = usize::try_from(offset - self.window.at).unwrap_or(usize::MAX);
        let end = (start + len).min(self.window.bytes.len());
        Ok(self.window.bytes.get(start..end).unwrap_or_default())
    }

    fn load(&mut self, offset: u64, left: u64) -> Result<(), LogIoError> {
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(WINDOW);
        self.window.segment = None;
        self.window.bytes.resize(want, 0);
        let read = self.disk.read(self.file.id, offset, &mut self.window.bytes)?;
        self.window.bytes.truncate(read);
        self.window.at = offset;
        self.window.segment = Some(self.file.id);
        Ok(())
    }
}
