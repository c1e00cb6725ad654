//! Looking something up on the disk without touching it: a search says what it wants to read, and
//! is given the bytes. The shard reads through its own ring, tools and recovery through a driver of their own.
//! Pure, lives nowhere.

use crate::disk::{FileRef, SegmentId, SideFile};

/// One read that a search asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ask {
    /// The file.
    pub file: FileRef,
    /// Where to begin, in bytes.
    pub offset: u64,
    /// How many bytes; fewer come only at the end of the file.
    pub len: u32,
}

/// What a search does next.
#[derive(Debug)]
pub enum Step<T> {
    /// It wants these bytes.
    Read(Ask),
    /// It is over.
    Done(Result<T, SearchError>),
}

/// Why a search found no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// The file is there, but what was read is not what was written.
    #[error("{0} is damaged")]
    Damaged(FileRef),
    /// What was looked for lay in a file that is no longer kept.
    #[error("it is no longer kept")]
    Gone,
}

/// A look-up on the disk, as a machine.
pub trait Search {
    /// What it finds.
    type Found;

    /// Begins with `None`; every later call brings the bytes of the read asked for before.
    fn next(&mut self, answer: Option<&[u8]>) -> Step<Self::Found>;
}

impl Ask {
    /// A read from a segment of the log.
    #[must_use]
    pub fn segment(segment: SegmentId, offset: u64, len: u32) -> Self {
        Self { file: FileRef::Segment(segment), offset, len }
    }

    /// A read from a side file.
    #[must_use]
    pub fn side(file: SideFile, offset: u64, len: u32) -> Self {
        Self { file: FileRef::Side(file), offset, len }
    }
}
