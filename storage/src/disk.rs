//! What the log asks of a disk, all of it blocking: recovery at start, and chores on a helper
//! thread. Pure, lives nowhere; the hot path does not come through here.

use std::fmt;

/// Number of a segment (a file of the log), from 1, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// A shard's log directory, blocking. Every method that changes something returns only after the
/// change (data, length and directory entry) would survive a power cut.
pub trait Disk {
    /// All segment files, in any order. Changes nothing.
    ///
    /// # Errors
    /// [`LogIoError`] when the directory cannot be read.
    fn list(&mut self) -> Result<Vec<SegmentFile>, LogIoError>;

    /// Makes durable what an earlier process may have left in the page cache, so that recovery
    /// never builds on bytes that a power cut could still take back. Removes files that were being
    /// made when it stopped.
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
}
