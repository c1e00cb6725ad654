//! The hot path to the disk: one write per batch, through compio. Lives on its shard's thread.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};

use compio::BufResult;
use compio::buf::IoBuf;
use compio::fs::{File, OpenOptions};
use compio::io::AsyncWriteAt;
use rustix::fs::OFlags;

use crate::block::Blocks;
use crate::crash;
use crate::disk::{LogIoError, LogIoErrorKind, SegmentId};
use crate::log::Write;

use super::sys::{is_full, log_error};

impl IoBuf for Blocks {
    fn as_init(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// Writes batches into the segments of one shard. A write that returns `Ok` is on the disk: files
/// are opened with `O_DSYNC`, and with `O_DIRECT` where the file system can.
#[derive(Debug)]
pub struct LogFile {
    dir: PathBuf,
    direct: bool,
    current: RefCell<Option<(SegmentId, File)>>,
}

impl LogFile {
    /// Opens `segment` in the shard's directory `dir`. With `direct` it asks for `O_DIRECT` and
    /// falls back to buffered writes when the file system refuses; [`LogFile::direct`] says which.
    ///
    /// # Errors
    /// [`LogIoError`] when the segment cannot be opened.
    pub async fn open(
        dir: impl Into<PathBuf>,
        segment: SegmentId,
        direct: bool,
    ) -> Result<Self, LogIoError> {
        let dir = dir.into();
        let path = dir.join(segment.file_name());
        let (file, direct) = open_segment(&path, direct).await?;
        Ok(Self { dir, direct, current: RefCell::new(Some((segment, file))) })
    }

    /// Whether writes go past the page cache.
    #[must_use]
    pub fn direct(&self) -> bool {
        self.direct
    }

    /// Writes one batch and returns it with the outcome, for [`crate::Log::handle_written`]. A
    /// short write is an error. The segment's file stays open for the next batch.
    pub async fn write(&self, write: Write) -> (Write, Result<(), LogIoError>) {
        let file = match self.file(write.segment).await {
            Ok(file) => file,
            Err(error) => return (write, Err(error)),
        };
        let Write { segment, offset, blocks } = write;
        let len = blocks.len();
        crash::point("batch-unwritten");
        let BufResult(result, blocks) = (&file).write_at(blocks, offset).await;
        crash::point("batch-written");
        let result = whole(&self.dir, segment, result, len);
        (Write { segment, offset, blocks }, result)
    }

    /// The file of `segment`, which becomes the current one.
    async fn file(&self, segment: SegmentId) -> Result<File, LogIoError> {
        if let Some((current, file)) = self.current.borrow().as_ref()
            && *current == segment
        {
            return Ok(file.clone());
        }
        let path = self.dir.join(segment.file_name());
        crash::point("roll-begun");
        let (file, _) = open_segment(&path, self.direct).await?;
        let before = self.current.replace(Some((segment, file.clone())));
        if let Some((_, before)) = before {
            // All its writes were durable: a failure to close loses nothing.
            before.close().await.ok();
            crash::point("rolled");
        }
        Ok(file)
    }
}

/// A write of `len` bytes is good when all were taken: a part of a batch is none.
fn whole(
    dir: &Path,
    segment: SegmentId,
    written: io::Result<usize>,
    len: usize,
) -> Result<(), LogIoError> {
    let path = || dir.join(segment.file_name());
    match written {
        Ok(written) if written == len => Ok(()),
        Ok(written) => Err(LogIoError {
            kind: LogIoErrorKind::Io,
            what: format!(
                "cannot write {}: only {written} of {len} bytes were taken",
                path().display()
            ),
            code: None,
        }),
        Err(error) => Err(log_error("write", &path(), &error)),
    }
}

/// Opens a segment for durable writes; says whether it is direct.
async fn open_segment(path: &Path, direct: bool) -> Result<(File, bool), LogIoError> {
    if direct {
        match open_with(path, OFlags::DSYNC | OFlags::DIRECT).await {
            Ok(file) => return Ok((file, true)),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            Err(error) => return Err(log_error("open", path, &error)),
        }
    }
    let file = open_with(path, OFlags::DSYNC).await;
    Ok((file.map_err(|error| log_error("open", path, &error))?, false))
}

async fn open_with(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).await
}

/// What the file system under a directory can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Whether it takes `O_DIRECT` with 4 KiB blocks.
    pub direct: bool,
    /// Bytes free for this process.
    pub bytes_free: u64,
}

/// Tries what the file system under `dir` can do, with a file that is removed again. Blocking; for
/// the banner at start.
///
/// # Errors
/// [`LogIoError`] when not even a buffered file can be written there, but for want of room.
pub fn probe(dir: &Path) -> Result<Probe, LogIoError> {
    let path = dir.join("probe.tmp");
    let direct = try_direct(&path);
    std::fs::remove_file(&path).ok();
    let direct = direct.map_err(|error| log_error("write", &path, &error))?;
    let space = rustix::fs::statvfs(dir);
    let space = space.map_err(|error| log_error("ask for the space in", dir, &error.into()))?;
    Ok(Probe { direct, bytes_free: space.f_bavail.saturating_mul(space.f_frsize) })
}

fn try_direct(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    match options.open(path)?.write_all_at(&[0], 0) {
        Err(error) if !is_full(&error) => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let flags = i32::try_from((OFlags::DIRECT | OFlags::DSYNC).bits()).map_err(io::Error::other)?;
    let written = options
        .custom_flags(flags)
        .open(path)
        .and_then(|file| file.write_all_at(Blocks::zeroed(1).as_bytes(), 0));
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(false),
        // It has opened the file so: there is only no room.
        Err(error) if is_full(&error) => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_write_is_an_error() {
        let whole = |written| whole(Path::new("shard"), SegmentId(1), written, 8_192);
        assert_eq!(whole(Ok(8_192)), Ok(()));
        for written in [0, 4_096, 8_191] {
            let error = whole(Ok(written)).err();
            assert_eq!(
                error.map(|error| (error.kind, error.code)),
                Some((LogIoErrorKind::Io, None))
            );
        }
        let full = whole(Err(io::Error::from_raw_os_error(28))).err();
        assert_eq!(
            full.map(|error| (error.kind, error.code)),
            Some((LogIoErrorKind::Full, Some(28)))
        );
    }
}
