//! What the log asks of a disk, all of it blocking: recovery at start, and chores on a helper
//! thread. Pure, lives nowhere; the hot path does not come through here.

use std::fmt;

/// Number of a segment (a file of the log), from 1, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SegmentId(pub u64);

impl SegmentId {
    /// The name of its file inside the shard's directory.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("seg-{:016x}.log", self.0)
    }

    /// The segment that a file name stands for; `None` for any other file.
    #[must_use]
    pub fn from_file_name(name: &str) -> Option<Self> {
        let digits = name.strip_prefix("seg-")?.strip_suffix(".log")?;
        let id = Self(u64::from_str_radix(digits, 16).ok()?);
        // One spelling only: no sign, no upper case, no missing zeros.
        (id.file_name() == name).then_some(id)
    }

    /// The next segment.
    #[must_use]
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file_name())
    }
}

/// What an index of open messages is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IndexKind {
    /// What carriers call parts, and to whom carriers have parts.
    Receipts,
    /// When something is to be done with a message.
    Due,
    /// Messages that wait to be sent.
    Backlog,
}

impl IndexKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Receipts, Self::Due, Self::Backlog];

    /// Its name in file names and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Receipts => "receipts",
            Self::Due => "due",
            Self::Backlog => "backlog",
        }
    }
}

/// A file beside the segments that can be rebuilt from them. Numbers are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SideFile {
    /// Who sent what when: the unchanging part of a register.
    Register(u64),
    /// Where each message of a register stands.
    Slots(u64),
    /// A sorted run of an index.
    Run(IndexKind, u64),
    /// What bounds the next replay.
    Checkpoint(u64),
}

impl SideFile {
    /// The name of the file inside the shard's directory.
    #[must_use]
    pub fn file_name(self) -> String {
        match self {
            Self::Register(number) => format!("reg-{number:016x}.idx"),
            Self::Slots(number) => format!("reg-{number:016x}.slots"),
            Self::Run(kind, number) => format!("run-{}-{number:016x}.idx", kind.name()),
            Self::Checkpoint(number) => format!("checkpoint-{number:016x}"),
        }
    }

    /// The side file that a file name stands for; `None` for any other file.
    #[must_use]
    pub fn from_file_name(name: &str) -> Option<Self> {
        let (stem, digits) = name.rsplit_once('-')?;
        let (digits, end) = digits.split_once('.').unwrap_or((digits, ""));
        let number = u64::from_str_radix(digits, 16).ok()?;
        let file = match (stem, end) {
            ("reg", "idx") => Self::Register(number),
            ("reg", "slots") => Self::Slots(number),
            ("checkpoint", "") => Self::Checkpoint(number),
            (stem, "idx") => {
                let kind = stem.strip_prefix("run-")?;
                let kind = IndexKind::ALL.into_iter().find(|known| known.name() == kind)?;
                Self::Run(kind, number)
            }
            _ => return None,
        };
        // One spelling only.
        (file.file_name() == name).then_some(file)
    }
}

impl fmt::Display for SideFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file_name())
    }
}

/// A file of a shard's directory that is read piece by piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileRef {
    /// A segment of the log.
    Segment(SegmentId),
    /// A file beside the segments.
    Side(SideFile),
}

impl fmt::Display for FileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(segment) => segment.fmt(f),
            Self::Side(file) => file.fmt(f),
        }
    }
}

/// A segment's file as found on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentFile {
    /// The segment.
    pub id: SegmentId,
    /// Length of the file in bytes.
    pub len: u64,
}

/// Whether an I/O error can pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogIoErrorKind {
    /// No space left (or a quota used up): may pass when space is freed.
    Full,
    /// Anything else. The data involved must be taken for lost; never retried.
    Io,
}

/// The system's number for "no such file": the same on every Linux.
pub(crate) const NO_ENTRY: i32 = 2;

/// An I/O error on the log's files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct LogIoError {
    /// Whether it can pass.
    pub kind: LogIoErrorKind,
    /// What was tried, on which file, and what the system said.
    pub what: String,
    /// The system's error number, when there is one.
    pub code: Option<i32>,
}

impl LogIoError {
    /// Whether there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.code == Some(NO_ENTRY)
    }
}

/// Adds the next bytes of a file that is being written; returns whether more follow.
pub type NextChunk<'a, D> = dyn FnMut(&mut D, &mut Vec<u8>) -> Result<bool, LogIoError> + 'a;

/// A shard's log directory, blocking. Every method that changes something returns only after the
/// change (data, length and directory entry) would survive a power cut.
pub trait Disk {
    /// All segment files, in any order. Changes nothing.
    ///
    /// # Errors
    /// [`LogIoError`] when the directory cannot be read.
    fn list(&mut self) -> Result<Vec<SegmentFile>, LogIoError>;

    /// Makes durable what an earlier process may have left in the page cache, of segments and of
    /// side files, so that recovery never builds on bytes that a power cut could still take back.
    /// Removes files that were being made when it stopped, and finishes what [`Disk::exchange`] and
    /// [`Disk::wipe_old`] had begun.
    ///
    /// # Errors
    /// [`LogIoError`] when a sync fails.
    fn sync(&mut self) -> Result<(), LogIoError>;

    /// Reads into `buf` from `offset`; returns the bytes read, fewer than asked only at the end of
    /// the file.
    ///
    /// # Errors
    /// [`LogIoError`] when reading fails or there is no such segment.
    fn read(
        &mut self,
        segment: SegmentId,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, LogIoError>;

    /// Writes `bytes` at `offset` of an existing segment.
    ///
    /// # Errors
    /// [`LogIoError`] when any part of it fails.
    fn write_sync(
        &mut self,
        segment: SegmentId,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), LogIoError>;

    /// Makes a segment of `bytes` written zeros appear at once, complete or not at all; replaces
    /// one of that name.
    ///
    /// # Errors
    /// [`LogIoError`]; [`LogIoErrorKind::Full`] leaves nothing behind.
    fn create_zeroed(&mut self, segment: SegmentId, bytes: u64) -> Result<(), LogIoError>;

    /// Renames `old` to `new`; the content stays.
    ///
    /// # Errors
    /// [`LogIoError`] when any part of it fails.
    fn recycle(&mut self, old: SegmentId, new: SegmentId) -> Result<(), LogIoError>;

    /// Removes a segment.
    ///
    /// # Errors
    /// [`LogIoError`] when any part of it fails.
    fn remove(&mut self, segment: SegmentId) -> Result<(), LogIoError>;

    /// Keeps a copy of `len` damaged bytes from `offset` aside for a later look; the segment stays
    /// as it is. Doing it twice is harmless. The copy ends early at the end of the file.
    ///
    /// # Errors
    /// [`LogIoError`] when any part of it fails.
    fn quarantine(&mut self, segment: SegmentId, offset: u64, len: u64) -> Result<(), LogIoError>;

    /// Overwrites a segment with zeros from `offset` on, in place. A crash before it returns may
    /// leave any part of that undone.
    ///
    /// # Errors
    /// [`LogIoError`] when any part of it fails.
    fn wipe(&mut self, segment: SegmentId, offset: u64) -> Result<(), LogIoError>;

    /// Makes another content of an existing segment ready beside it, for [`Disk::exchange`]; the
    /// segment stays as it is. `next` as in [`Disk::write_side`].
    ///
    /// # Errors
    /// [`LogIoError`]; [`LogIoErrorKind::Full`], and any error of `next`, leave nothing behind.
    fn prepare(
        &mut self,
        segment: SegmentId,
        next: &mut NextChunk<'_, Self>,
    ) -> Result<(), LogIoError>;

    /// Puts what [`Disk::prepare`] made ready in the segment's place, as a whole or not at all, and
    /// sets the old file aside. Takes two renames: nobody may open the segment meanwhile, and what
    /// was opened before reads the old content.
    ///
    /// # Errors
    /// [`LogIoError`] when any part of it fails.
    fn exchange(&mut self, segment: SegmentId) -> Result<(), LogIoError>;

    /// Sets the file of a segment that is needed no more aside, to be wiped.
    ///
    /// # Errors
    /// [`LogIoError`] when any part of it fails.
    fn set_aside(&mut self, segment: SegmentId) -> Result<(), LogIoError>;

    /// Overwrites the file that was set aside for this segment with zeros, and removes it; harmless
    /// when there is none.
    ///
    /// # Errors
    /// [`LogIoError`] when any part of it fails.
    fn wipe_old(&mut self, segment: SegmentId) -> Result<(), LogIoError>;

    /// Overwrites all copies of damaged bytes with zeros, and removes them: nobody can tell whose
    /// they are.
    ///
    /// # Errors
    /// [`LogIoError`] when any part of it fails.
    fn wipe_quarantine(&mut self) -> Result<(), LogIoError>;

    /// All side files with their length in bytes, in any order. Changes nothing.
    ///
    /// # Errors
    /// [`LogIoError`] when the directory cannot be read.
    fn list_side(&mut self) -> Result<Vec<(SideFile, u64)>, LogIoError>;

    /// As [`Disk::read`], from a side file.
    ///
    /// # Errors
    /// [`LogIoError`] when reading fails or there is no such file ([`LogIoError::is_missing`]).
    fn read_side(
        &mut self,
        file: SideFile,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, LogIoError>;

    /// Makes a side file appear at once, complete or not at all; replaces one of that name. `next`
    /// adds the next bytes to an empty buffer (usual: up to 1 MiB), and returns whether more
    /// follow; it may read other files meanwhile, so that what is made of them streams through.
    ///
    /// # Errors
    /// [`LogIoError`]; [`LogIoErrorKind::Full`], and any error of `next`, leave the file as it was.
    fn write_side(
        &mut self,
        file: SideFile,
        next: &mut NextChunk<'_, Self>,
    ) -> Result<(), LogIoError>;

    /// Overwrites bytes of a side file in place: pairs of an offset and what comes there, inside of
    /// the file. Done together in one sync. A crash before it returns may leave any sector of 512
    /// bytes old, new or torn.
    ///
    /// # Errors
    /// [`LogIoError`] when any part of it fails, or there is no such file or place.
    fn update_side(&mut self, file: SideFile, pieces: &[(u64, &[u8])]) -> Result<(), LogIoError>;

    /// Removes a side file; harmless when there is none.
    ///
    /// # Errors
    /// [`LogIoError`] when any part of it fails.
    fn remove_side(&mut self, file: SideFile) -> Result<(), LogIoError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_have_one_spelling() {
        let id = SegmentId(0xab);
        assert_eq!(id.file_name(), "seg-00000000000000ab.log");
        assert_eq!(SegmentId::from_file_name(&id.file_name()), Some(id));
        for other in [
            "seg-ab.log",
            "seg-00000000000000AB.log",
            "seg-+0000000000000ab.log",
            "seg-00000000000000ab.log.tmp",
            "names",
            "",
        ] {
            assert_eq!(SegmentId::from_file_name(other), None, "{other}");
        }
    }

    #[test]
    fn side_files_have_one_spelling() {
        let runs = IndexKind::ALL.map(|kind| SideFile::Run(kind, 0xab));
        let others = [SideFile::Register(1), SideFile::Slots(1), SideFile::Checkpoint(u64::MAX)];
        for file in runs.into_iter().chain(others) {
            assert_eq!(SideFile::from_file_name(&file.file_name()), Some(file));
        }
        for other in [
            "reg-1.idx",
            "reg-0000000000000001.log",
            "run-other-0000000000000001.idx",
            "run-due-000000000000000A.idx",
            "checkpoint-0000000000000001.tmp",
            "seg-0000000000000001.log",
            "names",
        ] {
            assert_eq!(SideFile::from_file_name(other), None, "{other}");
        }
    }
}
