//! A sealed segment without what is to be forgotten: every record keeps its length, its place and
//! its number. Pure, lives nowhere.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes as _, IntoBytes as _};

use crate::block::BLOCK;
use crate::disk::{Disk, LogIoError, LogIoErrorKind, SegmentFile};
use crate::log::OpenError;
use crate::log::batch::{BATCH_BYTES_MAX, BatchHeader, FLAG_REWRITTEN, HEADER};
use crate::log::scan::{Found, Scanner, Window};
use crate::record::{Frames, Record, RecordError, redact_all};

use super::Erasing;

/// What [`prepare`] found and made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prepared {
    /// Records that are redacted in the new content; 0: there is none, and nothing to exchange.
    pub records: u64,
    /// Bytes of damage and of older segments that were not taken over, or were overwritten.
    pub bytes_dropped: u64,
}

/// Reads a sealed segment for messages that are meant: `erasing` remembers them, so that their other
/// records are known in whatever segment they lie. Gives the octets read.
///
/// # Errors
/// As [`prepare`].
pub fn survey<D: Disk>(
    disk: &mut D,
    shard: u16,
    file: SegmentFile,
    erasing: &mut Erasing,
) -> Result<u64, OpenError> {
    let mut walk = Walk::new(shard, file);
    while let Some(batch) = walk.next(disk)? {
        batch.records(file, &mut |record| erasing.note(record))?;
    }
    Ok(walk.end)
}

/// Makes the content of a sealed segment without what is to be forgotten ready, beside the segment.
/// When no record of it is meant, only what it holds of older segments is overwritten, in place.
/// What is damaged becomes zeros: nobody can tell whose it is.
///
/// `erasing` remembers the messages that it sees here. The segment must be sealed
/// ([`Log::is_sealed`](crate::Log::is_sealed)) and must not be released before the exchange is done.
///
/// # Errors
/// [`OpenError::Io`]; [`OpenError::Format`] and [`OpenError::Record`] for what only a newer release
/// can read. The segment is unchanged.
pub fn prepare<D: Disk>(
    disk: &mut D,
    shard: u16,
    file: SegmentFile,
    erasing: &mut Erasing,
) -> Result<Prepared, OpenError> {
    survey(disk, shard, file, erasing)?;
    let mut prepared = Prepared::default();
    let mut walk = Walk::new(shard, file);
    while let Some(mut batch) = walk.next(disk)? {
        prepared.records += batch.redact(file, erasing)?;
    }
    let content = walk.last_content(disk)?;
    prepared.bytes_dropped = walk.skipped + content - walk.end;
    if prepared.records > 0 {
        write_new(disk, shard, file, erasing)?;
    } else if content > walk.end {
        disk.wipe(file.id, walk.end)?;
    }
    Ok(prepared)
}

/// As [`prepare`], and puts the new content in the segment's place; the old one is overwritten.
/// Nobody else may read the segment meanwhile.
///
/// # Errors
/// As [`prepare`].
pub fn rewrite<D: Disk>(
    disk: &mut D,
    shard: u16,
    file: SegmentFile,
    erasing: &mut Erasing,
) -> Result<Prepared, OpenError> {
    let prepared = prepare(disk, shard, file, erasing)?;
    if prepared.records > 0 {
        disk.exchange(file.id)?;
        disk.wipe_old(file.id)?;
    }
    Ok(prepared)
}

/// One batch of the segment, taken out.
struct Taken {
    offset: u64,
    header: BatchHeader,
    /// Header, payload and padding.
    bytes: Vec<u8>,
}

impl Taken {
    fn payload(&mut self) -> &mut [u8] {
        let len = usize::try_from(self.header.payload_len.get()).unwrap_or(usize::MAX);
        self.bytes.get_mut(HEADER..HEADER.saturating_add(len)).unwrap_or_default()
    }

    fn records(
        mut self,
        file: SegmentFile,
        see: &mut dyn FnMut(&Record<'_>),
    ) -> Result<(), OpenError> {
        let mut read = || {
            for frame in Frames::new(self.payload()) {
                let frame = frame?;
                if let Some(record) = Record::decode(frame.kind, frame.version, frame.body)? {
                    see(&record);
                }
            }
            Ok(())
        };
        let done = read();
        done.map_err(|error| self.unreadable(file, error))
    }

    fn redact(&mut self, file: SegmentFile, erasing: &Erasing) -> Result<u64, OpenError> {
        let changed = redact_all(self.payload(), &mut |record| erasing.number_of(record));
        changed.map_err(|error| self.unreadable(file, error))
    }

    fn unreadable(&self, file: SegmentFile, error: RecordError) -> OpenError {
        let lsn = crate::Lsn(self.header.first_lsn.get());
        OpenError::Record { file: file.id.file_name(), offset: self.offset, lsn, error }
    }

    /// Says in the header what has become of the batch.
    fn stamp(&mut self, previous_crc: u32) {
        let mut header = self.header;
        header.flags = FLAG_REWRITTEN.into();
        header.previous_crc = previous_crc.into();
        header.crc = U32::new(header.checksum(self.payload()));
        self.header = header;
        if let Ok((room, _)) = BatchHeader::mut_from_prefix(&mut self.bytes) {
            *room = header;
        }
    }
}

/// The batches of a segment, in order; what is none is passed over.
struct Walk {
    shard: u16,
    file: SegmentFile,
    window: Window,
    next_batch: u64,
    /// Where the last batch ends.
    end: u64,
    /// Bytes passed over between batches.
    skipped: u64,
}

impl Walk {
    fn new(shard: u16, file: SegmentFile) -> Self {
        let window = Window::default();
        Self { shard, file, window, next_batch: 0, end: 0, skipped: 0 }
    }

    fn next<D: Disk>(&mut self, disk: &mut D) -> Result<Option<Taken>, OpenError> {
        let mut scanner = Scanner::new(disk, &mut self.window, self.file, self.shard);
        let Some(offset) = scanner.find(self.end, self.next_batch)? else { return Ok(None) };
        let header = match scanner.check(offset)? {
            Found::Batch(header) => header,
            Found::Newer(found) => {
                return Err(crate::log::newer_format(self.file, offset, found));
            }
            Found::Odd(_) | Found::Nothing(_) => return Ok(None),
        };
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend_from_slice(scanner.payload(offset, &header)?);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        self.skipped += offset - self.end;
        self.end = offset + bytes.len() as u64;
        self.next_batch = header.sequence.get() + 1;
        Ok(Some(Taken { offset, header, bytes }))
    }

    /// The end of what is not zero behind the last batch.
    fn last_content<D: Disk>(&mut self, disk: &mut D) -> Result<u64, LogIoError> {
        Scanner::new(disk, &mut self.window, self.file, self.shard).last_content(self.end)
    }
}

/// Writes the new content beside the segment.
fn write_new<D: Disk>(
    disk: &mut D,
    shard: u16,
    file: SegmentFile,
    erasing: &Erasing,
) -> Result<(), OpenError> {
    let mut walk = Walk::new(shard, file);
    let mut chain: Option<(u32, u32)> = None;
    let mut taken: Option<Taken> = None;
    let (mut written, mut more) = (0, true);
    let mut stopped = None;
    let mut next = |disk: &mut D, out: &mut Vec<u8>| {
        if taken.is_none() && more {
            taken = next_redacted(&mut walk, disk, file, erasing, &mut chain)
                .map_err(|error| stop(&mut stopped, error))?;
            more = taken.is_some();
        }
        let due = taken.as_ref().map_or(file.len, |batch| batch.offset);
        if written < due {
            let zeros = usize::try_from(due - written).unwrap_or(usize::MAX);
            out.resize(zeros.min(BATCH_BYTES_MAX), 0);
        } else if let Some(batch) = taken.take() {
            out.extend_from_slice(&batch.bytes);
        }
        written += out.len() as u64;
        Ok(written < file.len)
    };
    let made = disk.prepare(file.id, &mut next);
    made.map_err(|error| stopped.unwrap_or(OpenError::Io(error)))
}

/// The next batch, redacted and in the chain of the new content. `chain`: the checksum of the batch
/// before, as it was and as it is.
fn next_redacted<D: Disk>(
    walk: &mut Walk,
    disk: &mut D,
    file: SegmentFile,
    erasing: &Erasing,
    chain: &mut Option<(u32, u32)>,
) -> Result<Option<Taken>, OpenError> {
    let Some(mut batch) = walk.next(disk)? else { return Ok(None) };
    batch.redact(file, erasing)?;
    let (was, previous) = (batch.header.crc.get(), batch.header.previous_crc.get());
    // Where the chain was broken, it stays so.
    let follows = chain.filter(|(was, _)| *was == previous);
    batch.stamp(follows.map_or(previous, |(_, is)| is));
    *chain = Some((was, batch.header.crc.get()));
    Ok(Some(batch))
}

/// Keeps an error that is none of the disk's until the writing has stopped.
fn stop(stopped: &mut Option<OpenError>, error: OpenError) -> LogIoError {
    *stopped = Some(error);
    LogIoError { kind: LogIoErrorKind::Io, what: "nothing more to write".to_owned(), code: None }
}
