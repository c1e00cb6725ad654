//! A read-only file in memory, one copy for all threads. Opened by the control thread, read by
//! whoever has a share of it.

use std::fs::File;
use std::path::Path;

use memmap2::{Advice, Mmap};

use super::sys::log_error;
use crate::disk::LogIoError;

/// The octets of a file that nobody changes in place: those who replace it rename a whole new one over
/// it, and this one stays until the last share is gone.
#[derive(Debug)]
pub struct Mapped(Mmap);

impl Mapped {
    /// Maps a file. With `lock` all of it is read now and stays in memory.
    ///
    /// # Errors
    /// [`LogIoError`] when it cannot be opened, mapped or locked.
    pub fn open(path: &Path, lock: bool) -> Result<Mapped, LogIoError> {
        let file = File::open(path).map_err(|error| log_error("open", path, &error))?;
        // SAFETY: the file is mapped privately and never written through this mapping; files of
        // ported numbers are replaced by renaming, never changed or cut in place.
        let map = unsafe { Mmap::map(&file) }.map_err(|error| log_error("map", path, &error))?;
        // Where the file system has no huge pages for files, small ones do.
        map.advise(Advice::HugePage).ok();
        if lock {
            map.lock().map_err(|error| log_error("lock in memory", path, &error))?;
        }
        Ok(Mapped(map))
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_stays_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table");
        std::fs::write(&path, [1; 10_000]).unwrap();
        let mapped = Mapped::open(&path, false).unwrap();
        let next = dir.path().join("next");
        std::fs::write(&next, [2; 5]).unwrap();
        std::fs::rename(&next, &path).unwrap();
        assert_eq!(mapped.as_ref(), [1; 10_000]);
        assert_eq!(Mapped::open(&path, false).unwrap().as_ref(), [2; 5]);
        let error = Mapped::open(&dir.path().join("none"), false).unwrap_err();
        assert!(error.what.contains("none"), "{error:?}");
    }
}
