//! Checkpoints: what bounds the next replay. Pure; a shard writes one now and then and keeps two.
//!
//! A checkpoint says how far its shard had come ([`Checkpoint::lsn`]), from where a replay brings
//! back what is in no file ([`Checkpoint::low_water`]), and keeps one section of bytes for each
//! part of the shard. All parts are of the same moment. It is derived from the log: without one, or
//! with a damaged one, everything is replayed.
//!
//! The replay begins at the low water, or at the log's oldest segment when that is later: what was
//! recorded before has been carried forward since, or is gone.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::crash;
use crate::disk::{Disk, LogIoError, SideFile};
use crate::log::Lsn;
use crate::position::Position;

const MAGIC: [u8; 4] = *b"PRCK";
const FORMAT: u16 = 1;
/// Checkpoints that are kept: the newest, and one to fall back to.
const KEPT: usize = 2;
/// Letters of a section's name.
const NAME: usize = 16;
/// Bytes in front of what the header's checksum covers.
const CHECKED_FROM: usize = 8;
/// Bytes that are read and written at once.
const PIECE: usize = 1 << 20;

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    magic: [u8; 4],
    /// Of the rest of the header and the table.
    crc: U32,
    format: U16,
    shard: U16,
    sections: U32,
    lsn: U64,
    low_water: U64,
    next_sequence: U64,
    at_ms: U64,
}

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Entry {
    name: [u8; NAME],
    length: U64,
    crc: U32,
    reserved: U32,
}

const _: () = assert!(size_of::<Header>() == 48 && size_of::<Entry>() == 32);

/// What a shard was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The shard.
    pub shard: u16,
    /// The last record that it takes into account; durable before it is written.
    pub lsn: Lsn,
    /// Where a replay begins.
    pub low_water: Position,
    /// The next free message number.
    pub next_sequence: u64,
    /// When it was taken, Unix milliseconds.
    pub at_ms: u64,
    sections: Vec<(String, Vec<u8>)>,
}

/// Why bytes are no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It was written by a newer release. Everything is replayed.
    #[error("the checkpoint has format {0}, which this release does not know")]
    Format(u16),
    /// It is not what was written.
    #[error("the checkpoint is damaged")]
    Damaged,
}

/// The checkpoints found on the disk.
#[derive(Debug, Default)]
pub struct Checkpoints {
    /// The newest that is whole.
    pub newest: Option<Checkpoint>,
    /// Those that are not.
    pub damaged: Vec<SideFile>,
    /// The number of the next one.
    pub next: u64,
}

/// A checkpoint to be written by a helper thread.
#[derive(Debug, Clone)]
pub struct CheckpointChore {
    /// Its number: one more than the last.
    pub number: u64,
    /// What [`Checkpoint::write`] gave.
    pub bytes: Vec<u8>,
}

impl Checkpoint {
    /// A checkpoint without sections.
    #[must_use]
    pub fn new(shard: u16, lsn: Lsn, low_water: Position, next_sequence: u64, at_ms: u64) -> Self {
        Self { shard, lsn, low_water, next_sequence, at_ms, sections: Vec::new() }
    }

    /// Adds a section.
    ///
    /// # Panics
    /// When the name is there already, or is not of 1 to 16 letters in ASCII.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) {
        assert!((1..=NAME).contains(&name.len()) && name.is_ascii(), "section {name:?}");
        assert!(self.section(name).is_none(), "section {name} is there twice");
        self.sections.push((name.to_owned(), bytes));
    }

    /// The bytes of a section.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&[u8]> {
        let mut sections = self.sections.iter();
        sections.find(|(known, _)| known == name).map(|(_, bytes)| bytes.as_slice())
    }

    /// Names and bytes of the sections.
    pub fn sections(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.sections.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// Whether it can be of a log that ends so: one that knows later records is not, since the log
    /// has lost some, and what it says of them is wrong.
    #[must_use]
    pub fn fits(&self, shard: u16, last: Lsn) -> bool {
        self.shard == shard && self.lsn <= last
    }

    /// The checkpoint as bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut header = Header {
            magic: MAGIC,
            crc: U32::new(0),
            format: U16::new(FORMAT),
            shard: U16::new(self.shard),
            sections: U32::new(u32::try_from(self.sections.len()).unwrap_or(u32::MAX)),
            lsn: U64::new(self.lsn.0),
            low_water: U64::new(self.low_water.pack()),
            next_sequence: U64::new(self.next_sequence),
            at_ms: U64::new(self.at_ms),
        };
        let table: Vec<Entry> = self.sections.iter().map(entry).collect();
        let (_, covered) = header.as_bytes().split_at(CHECKED_FROM);
        let crc = crc32c::crc32c_append(crc32c::crc32c(covered), table.as_bytes());
        header.crc = U32::new(crc);
        let mut out = header.as_bytes().to_vec();
        out.extend_from_slice(table.as_bytes());
        for (_, bytes) in &self.sections {
            out.extend_from_slice(bytes);
        }
        out
    }

    /// Reads what [`Checkpoint::write`] gave.
    ///
    /// # Errors
    /// [`CheckpointError`]: no part of one that is not whole is used.
    pub fn read(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let format =
            Header::ref_from_prefix(bytes).ok().filter(|(header, _)| header.magic == MAGIC);
        match format.map(|(header, _)| header.format.get()) {
            Some(FORMAT) => Self::parse(bytes).ok_or(CheckpointError::Damaged),
            Some(newer) if newer > FORMAT => Err(CheckpointError::Format(newer)),
            _ => Err(CheckpointError::Damaged),
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (header, rest) = Header::ref_from_prefix(bytes).ok()?;
        let sections = usize::try_from(header.sections.get()).ok()?;
        let table_end = sections.checked_mul(size_of::<Entry>())?;
        let (table, mut rest) = rest.split_at_checked(table_end)?;
        let (_, covered) = header.as_bytes().split_at(CHECKED_FROM);
        let crc = crc32c::crc32c_append(crc32c::crc32c(covered), table);
        (crc == header.crc.get()).then_some(())?;
        let mut checkpoint = Self {
            shard: header.shard.get(),
            lsn: Lsn(header.lsn.get()),
            low_water: Position::unpack(header.low_water.get())?,
            next_sequence: header.next_sequence.get(),
            at_ms: header.at_ms.get(),
            sections: Vec::with_capacity(sections),
        };
        for entry in <[Entry]>::ref_from_bytes(table).ok()? {
            let (body, left) = rest.split_at_checked(usize::try_from(entry.length.get()).ok()?)?;
            rest = left;
            (crc32c::crc32c(body) == entry.crc.get()).then_some(())?;
            let name = std::str::from_utf8(&entry.name).ok()?.trim_end_matches('\0');
            checkpoint.sections.push((name.to_owned(), body.to_vec()));
        }
        rest.is_empty().then_some(checkpoint)
    }
}

fn entry((name, bytes): &(String, Vec<u8>)) -> Entry {
    let mut padded = [0; NAME];
    for (to, from) in padded.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    Entry {
        name: padded,
        length: U64::new(bytes.len() as u64),
        crc: U32::new(crc32c::crc32c(bytes)),
        reserved: U32::new(0),
    }
}

impl Checkpoints {
    /// Finds the newest checkpoint that is whole. Changes nothing.
    ///
    /// # Errors
    /// What the disk says.
    pub fn find<D: Disk>(disk: &mut D) -> Result<Self, LogIoError> {
        let mut found = Self { next: 1, ..Self::default() };
        let mut numbers = numbers(disk)?;
        numbers.sort_unstable();
        for (number, length) in numbers.into_iter().rev() {
            found.next = found.next.max(number + 1);
            if found.newest.is_some() {
                continue;
            }
            let file = SideFile::Checkpoint(number);
            match Checkpoint::read(&read_whole(disk, file, length)?) {
                Ok(checkpoint) => found.newest = Some(checkpoint),
                Err(_) => found.damaged.push(file),
            }
        }
        Ok(found)
    }
}

impl CheckpointChore {
    /// Writes it, and removes those before the last one.
    ///
    /// # Errors
    /// What the disk says; the last one is then still there.
    pub fn run<D: Disk>(&self, disk: &mut D) -> Result<(), LogIoError> {
        crash::point("checkpoint-begun");
        let mut pieces = self.bytes.chunks(PIECE).peekable();
        disk.write_side(SideFile::Checkpoint(self.number), &mut |_, out| {
            out.extend_from_slice(pieces.next().unwrap_or_default());
            Ok(pieces.peek().is_some())
        })?;
        crash::point("checkpoint-written");
        let mut numbers: Vec<u64> = numbers(disk)?.into_iter().map(|(number, _)| number).collect();
        numbers.sort_unstable();
        for number in numbers.into_iter().rev().skip(KEPT) {
            disk.remove_side(SideFile::Checkpoint(number))?;
            crash::point("checkpoint-removed");
        }
        Ok(())
    }
}

fn numbers<D: Disk>(disk: &mut D) -> Result<Vec<(u64, u64)>, LogIoError> {
    let number = |(file, length)| match file {
        SideFile::Checkpoint(number) => Some((number, length)),
        SideFile::Register(_) | SideFile::Slots(_) | SideFile::Run(..) => None,
    };
    Ok(disk.list_side()?.into_iter().filter_map(number).collect())
}

fn read_whole<D: Disk>(disk: &mut D, file: SideFile, length: u64) -> Result<Vec<u8>, LogIoError> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let read = disk.read_side(file, 0, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crate::disk::SegmentId;
    use crate::mem::MemDisk;

    fn sample(lsn: u64) -> Checkpoint {
        let low_water = Position { segment: SegmentId(3), offset: 4_160 };
        let mut checkpoint = Checkpoint::new(2, Lsn(lsn), low_water, 99, 1_790_000_000_000);
        checkpoint.add("registers", vec![7; 300]);
        checkpoint.add("runs", Vec::new());
        checkpoint.add("sixteen_letters_", vec![1]);
        checkpoint
    }

    #[test]
    fn a_checkpoint_comes_back_whole_or_not_at_all() {
        let checkpoint = sample(5);
        let bytes = checkpoint.write();
        assert_eq!(Checkpoint::read(&bytes), Ok(checkpoint.clone()));
        assert_eq!(checkpoint.section("registers"), Some(&[7; 300][..]));
        assert_eq!(checkpoint.section("runs"), Some(&[][..]));
        assert_eq!(checkpoint.section("other"), None);
        for end in 0..bytes.len() {
            assert_eq!(Checkpoint::read(&bytes[..end]), Err(CheckpointError::Damaged), "{end}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Checkpoint::read(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn two_are_kept_and_a_damaged_one_is_passed_over() {
        let mut disk = MemDisk::new();
        assert_eq!(Checkpoints::find(&mut disk).unwrap().next, 1);
        for number in 1..=4 {
            CheckpointChore { number, bytes: sample(number).write() }.run(&mut disk).unwrap();
        }
        let kept = disk.list_side().unwrap();
        let files: Vec<SideFile> = kept.into_iter().map(|(file, _)| file).collect();
        assert_eq!(files, [SideFile::Checkpoint(3), SideFile::Checkpoint(4)]);
        let found = Checkpoints::find(&mut disk).unwrap();
        assert_eq!((found.newest, found.next, found.damaged), (Some(sample(4)), 5, Vec::new()));
        disk.side_bytes_mut(SideFile::Checkpoint(4)).unwrap()[60] ^= 1;
        let found = Checkpoints::find(&mut disk).unwrap();
        assert_eq!((found.newest, found.next), (Some(sample(3)), 5));
        assert_eq!(found.damaged, [SideFile::Checkpoint(4)]);
    }

    #[test]
    fn a_checkpoint_of_a_longer_log_does_not_fit() {
        let checkpoint = sample(5);
        assert!(checkpoint.fits(2, Lsn(5)) && checkpoint.fits(2, Lsn(9)));
        assert!(!checkpoint.fits(2, Lsn(4)) && !checkpoint.fits(1, Lsn(9)));
    }

    #[test]
    fn a_newer_format_is_named() {
        let mut bytes = sample(1).write();
        bytes[8] = 2;
        assert_eq!(Checkpoint::read(&bytes), Err(CheckpointError::Format(2)));
    }
}
