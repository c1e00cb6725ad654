//! The work of a set of runs on its files, for a helper thread: writing a slice from memory or from
//! older runs, and removing files. Blocking through a [`Disk`], otherwise pure.
//!
//! A chore that merges reads at most a slice's worth of rows ([`super::RunConfig::slice_rows`]) and
//! takes 128 KiB of memory for each run it reads, 256 KiB for what it writes, and up to 12 bytes for
//! each row that it writes, for index and filter.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::disk::{Disk, IndexKind, LogIoError, LogIoErrorKind, SegmentId, SideFile};
use crate::position::Position;
use crate::search::Ask;

use super::filter::Rate;
use super::merge::{Merge, Next};
use super::slice::{Place, Slice, SliceWriter};
use super::{Key, Row};

/// Bytes handed to the disk at once.
const CHUNK: usize = 256 * 1024;
/// Pages read of a run at once: 128 KiB.
const PAGES_AT_ONCE: u32 = 32;

/// Rows that a full merge leaves out beside deletions: what is past. Zeros leave out nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergeRule {
    /// First keys below this one.
    pub k1_from: u64,
    /// Second keys below this one.
    pub k2_from: u64,
    /// Values whose low [`Position::BITS`] bits are a position in a segment before this one.
    pub segment_from: SegmentId,
}

impl MergeRule {
    /// Keeps everything.
    pub const KEEP: Self = Self { k1_from: 0, k2_from: 0, segment_from: SegmentId(0) };

    /// Whether a row stays.
    fn keeps(&self, row: Row) -> bool {
        let at = Position::unpack(row.v & ((1 << Position::BITS) - 1));
        row.k1 >= self.k1_from
            && row.k2 >= self.k2_from
            && at.is_none_or(|at| at.segment >= self.segment_from)
    }
}

/// Rows in memory: values by key, 0 for a deletion.
pub(super) type Memory = BTreeMap<Key, u64>;

/// Blocking work on the files of a set of runs, for a helper thread.
#[derive(Debug)]
pub struct RunChore(pub(super) Chore);

#[derive(Debug)]
pub(super) enum Chore {
    /// Write the rows as one run.
    Flush { kind: IndexKind, file: u64, place: Place, rows: Arc<Memory> },
    /// Write the next slice of a merge.
    Merge(MergeChore),
    /// Remove files.
    Remove(Vec<SideFile>),
}

#[derive(Debug)]
pub(super) struct MergeChore {
    pub(super) kind: IndexKind,
    pub(super) file: u64,
    pub(super) place: Place,
    pub(super) merge: Merge,
    /// What may be left out, deletions included; `None`: nothing, since older runs stay.
    pub(super) full: Option<MergeRule>,
    /// Rows to read.
    pub(super) rows: u64,
}

/// What a chore has done, for [`super::RunSet::handle_chore`].
#[derive(Debug)]
pub struct RunDone(pub(super) Done);

#[derive(Debug)]
pub(super) enum Done {
    Flushed(Slice),
    /// A slice of a merge; the next one begins behind `reached`, `None`: it was the last.
    Merged {
        slice: Slice,
        reached: Option<Key>,
    },
    Removed,
    /// A file is not what was written.
    Damaged(SideFile),
}

impl RunChore {
    /// The files that it removes.
    #[must_use]
    pub fn removes(&self) -> &[SideFile] {
        match &self.0 {
            Chore::Remove(files) => files,
            Chore::Flush { .. } | Chore::Merge(_) => &[],
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// What the disk says; hand it to [`super::RunSet::handle_chore`].
    pub fn run<D: Disk>(self, disk: &mut D) -> Result<RunDone, LogIoError> {
        let done = match self.0 {
            Chore::Flush { kind, file, place, rows } => {
                let mut rows = rows.iter().map(|(&(k1, k2), &v)| Row { k1, k2, v });
                let writer = SliceWriter::new(kind, file, rate(place));
                let target = SideFile::Run(kind, file);
                let mut next = |_: &mut D| Ok(Given::of(rows.next()));
                Done::Flushed(write(disk, target, writer, place, &mut next)?)
            }
            Chore::Merge(chore) => chore.run(disk)?,
            Chore::Remove(files) => {
                for file in files {
                    disk.remove_side(file)?;
                }
                Done::Removed
            }
        };
        Ok(RunDone(done))
    }
}

/// What a slice is made of.
enum Given {
    Row(Row),
    /// The slice ends here; whether its run does.
    End {
        last: bool,
    },
}

impl Given {
    fn of(row: Option<Row>) -> Self {
        row.map_or(Self::End { last: true }, Self::Row)
    }
}

fn rate(place: Place) -> Rate {
    if place.oldest { Rate::Oldest } else { Rate::Newer }
}

/// Writes a file of the rows that `next` gives.
fn write<D: Disk>(
    disk: &mut D,
    file: SideFile,
    writer: SliceWriter,
    place: Place,
    next: &mut dyn FnMut(&mut D) -> Result<Given, LogIoError>,
) -> Result<Slice, LogIoError> {
    let mut writer = Some(writer);
    let mut slice = None;
    disk.write_side(file, &mut |disk, out| {
        while let Some(writing) = writer.as_mut().filter(|_| out.len() < CHUNK) {
            match next(disk)? {
                Given::Row(row) => writing.push(row, out),
                Given::End { last } => {
                    slice = writer.take().map(|writer| writer.finish(place, last, out));
                }
            }
        }
        Ok(writer.is_some())
    })?;
    slice.ok_or_else(|| stopped(file, "was not written to its end"))
}

fn stopped(file: SideFile, why: &str) -> LogIoError {
    LogIoError { kind: LogIoErrorKind::Io, what: format!("{file} {why}"), code: None }
}

impl MergeChore {
    fn run<D: Disk>(mut self, disk: &mut D) -> Result<Done, LogIoError> {
        let writer = SliceWriter::new(self.kind, self.file, rate(self.place));
        let target = SideFile::Run(self.kind, self.file);
        let (mut taken, mut reached, mut damaged) = (0, None, None);
        let (place, mut buffer) = (self.place, Vec::new());
        let written = write(disk, target, writer, place, &mut |disk| {
            loop {
                if taken >= self.rows {
                    return Ok(Given::End { last: false });
                }
                match self.merge.next(PAGES_AT_ONCE) {
                    Next::Row(row) => {
                        taken += 1;
                        reached = Some(row.key());
                        if self.keeps(row) {
                            return Ok(Given::Row(row));
                        }
                    }
                    Next::Read(ask) => {
                        read(disk, ask, &mut buffer)?;
                        if let Err(file) = self.merge.answer(&buffer) {
                            damaged = Some(file);
                            return Err(stopped(file, "is damaged"));
                        }
                    }
                    Next::End => {
                        reached = None;
                        return Ok(Given::End { last: true });
                    }
                }
            }
        });
        match (damaged, written) {
            (Some(file), _) => Ok(Done::Damaged(file)),
            (None, Ok(slice)) => Ok(Done::Merged { slice, reached }),
            (None, Err(error)) => Err(error),
        }
    }

    fn keeps(&self, row: Row) -> bool {
        self.full.is_none_or(|rule| !row.is_deletion() && rule.keeps(row))
    }
}

fn read<D: Disk>(disk: &mut D, ask: Ask, buffer: &mut Vec<u8>) -> Result<(), LogIoError> {
    let crate::disk::FileRef::Side(file) = ask.file else {
        return Ok(());
    };
    buffer.resize(usize::try_from(ask.len).unwrap_or(0), 0);
    let read = disk.read_side(file, ask.offset, buffer)?;
    buffer.truncate(read);
    Ok(())
}
