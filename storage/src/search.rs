//! Looking something up on the disk without touching it: a search says what it wants to read, and
//! is given the bytes. The shard reads through its own ring, tools, tests and recovery with
//! [`run`]. Pure, lives nowhere.

use crate::disk::{Disk, FileRef, LogIoError, SegmentId, SideFile};

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

/// Why [`run`] brought no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookUpError {
    /// The search ended without one.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// A file could not be read.
    #[error(transparent)]
    Io(#[from] LogIoError),
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

    /// Reads it, blocking: the bytes asked for, fewer only at the end of the file.
    ///
    /// # Errors
    /// [`LogIoError`] when there is no such file or it cannot be read.
    pub fn read_from<D: Disk>(self, disk: &mut D) -> Result<Vec<u8>, LogIoError> {
        let mut bytes = vec![0; usize::try_from(self.len).unwrap_or(usize::MAX)];
        let read = match self.file {
            FileRef::Segment(segment) => disk.read(segment, self.offset, &mut bytes),
            FileRef::Side(file) => disk.read_side(file, self.offset, &mut bytes),
        }?;
        bytes.truncate(read);
        Ok(bytes)
    }
}

/// Drives a search to its end with blocking reads. What lay in a file that is not there is
/// [`SearchError::Gone`].
///
/// # Errors
/// [`LookUpError`].
pub fn run<S: Search, D: Disk>(search: S, disk: &mut D) -> Result<S::Found, LookUpError> {
    drive(search, |ask| ask.read_from(disk))
}

fn drive<S: Search>(
    mut search: S,
    mut read: impl FnMut(Ask) -> Result<Vec<u8>, LogIoError>,
) -> Result<S::Found, LookUpError> {
    let mut step = search.next(None);
    loop {
        let ask = match step {
            Step::Done(found) => return Ok(found?),
            Step::Read(ask) => ask,
        };
        let bytes = match read(ask) {
            Err(error) if error.is_missing() => return Err(SearchError::Gone.into()),
            read => read?,
        };
        step = search.next(Some(&bytes));
    }
}

/// Drives many searches one after the other, which want what lies in files in order: what comes behind a
/// read is read with it when the read before was near. Nothing may write to the files meanwhile.
#[derive(Debug, Default)]
pub struct InOrder {
    /// What was read last, and whether the file ends there.
    last: Option<(FileRef, u64)>,
    bytes: Vec<u8>,
    ended: bool,
}

/// Octets that are read at once.
const AHEAD: u32 = 256 * 1_024;

impl InOrder {
    /// As [`run`].
    ///
    /// # Errors
    /// [`LookUpError`].
    pub fn run<S: Search, D: Disk>(
        &mut self,
        search: S,
        disk: &mut D,
    ) -> Result<S::Found, LookUpError> {
        drive(search, |ask| self.read(ask, disk))
    }

    fn read<D: Disk>(&mut self, ask: Ask, disk: &mut D) -> Result<Vec<u8>, LogIoError> {
        if let Some(bytes) = self.held(ask) {
            return Ok(bytes.to_vec());
        }
        let len = if self.is_near(ask) { ask.len.max(AHEAD) } else { ask.len };
        self.bytes = Ask { len, ..ask }.read_from(disk)?;
        self.ended = self.bytes.len() < usize::try_from(len).unwrap_or(usize::MAX);
        self.last = Some((ask.file, ask.offset));
        Ok(self.held(ask).unwrap_or_default().to_vec())
    }

    /// The bytes of a read, as far as they are here.
    fn held(&self, ask: Ask) -> Option<&[u8]> {
        let (_, from) = self.last.filter(|(file, _)| *file == ask.file)?;
        let rest = self.bytes.get(usize::try_from(ask.offset.checked_sub(from)?).ok()?..)?;
        let len = usize::try_from(ask.len).ok()?;
        rest.get(..len).or(self.ended.then_some(rest))
    }

    /// Whether a read begins not far behind the last one.
    fn is_near(&self, ask: Ask) -> bool {
        self.last.is_some_and(|(file, from)| {
            let end = from + u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
            file == ask.file && from <= ask.offset && ask.offset <= end + u64::from(AHEAD)
        })
    }
}
