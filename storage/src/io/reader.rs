//! Pieces of a shard's files, read through the page cache and compio. Lives on its shard's thread.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};

use compio::BufResult;
use compio::buf::{IntoInner, IoBuf};
use compio::fs::File;
use compio::io::AsyncReadAt;

use crate::disk::{FileRef, LogIoError};
use crate::search::Ask;

use super::sys::log_error;

/// Reads what a search asks for. The files read last stay open, as many as it was made for.
#[derive(Debug)]
pub struct FileReader {
    dir: PathBuf,
    most: usize,
    /// The one used last is at the end.
    open: RefCell<Vec<(FileRef, File)>>,
}

impl FileReader {
    /// Reads files of the shard's directory `dir` and keeps up to `most` (at least 1) of them open.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, most: usize) -> Self {
        Self { dir: dir.into(), most: most.max(1), open: RefCell::new(Vec::new()) }
    }

    /// The bytes asked for, fewer only at the end of the file.
    ///
    /// # Errors
    /// [`LogIoError`] when there is no such file or it cannot be read.
    pub async fn read(&self, ask: Ask) -> Result<Vec<u8>, LogIoError> {
        let path = self.dir.join(ask.file.to_string());
        let file = match self.known(ask.file) {
            Some(file) => file,
            None => self.opened(ask.file, &path).await?,
        };
        let read = read_piece(&file, ask).await;
        read.map_err(|error| log_error("read", &path, &error))
    }

    /// Closes a file that is renamed or removed: its name may stand for another one soon.
    pub fn forget(&self, file: FileRef) {
        self.open.borrow_mut().retain(|(open, _)| *open != file);
    }

    fn known(&self, file: FileRef) -> Option<File> {
        let mut open = self.open.borrow_mut();
        let at = open.iter().rposition(|(known, _)| *known == file)?;
        let used = open.remove(at);
        let handle = used.1.clone();
        open.push(used);
        Some(handle)
    }

    async fn opened(&self, file: FileRef, path: &Path) -> Result<File, LogIoError> {
        let opened = File::open(path).await.map_err(|error| log_error("open", path, &error))?;
        let mut open = self.open.borrow_mut();
        // Another read may have opened it meanwhile.
        open.retain(|(known, _)| *known != file);
        if open.len() >= self.most {
            open.remove(0);
        }
        open.push((file, opened.clone()));
        Ok(opened)
    }
}

async fn read_piece(file: &File, ask: Ask) -> io::Result<Vec<u8>> {
    let len = usize::try_from(ask.len).map_err(io::Error::other)?;
    let mut buffer = Vec::with_capacity(len);
    while buffer.len() < len {
        let have = buffer.len();
        let BufResult(read, slice) =
            file.read_at(buffer.slice(have..len), ask.offset + have as u64).await;
        buffer = slice.into_inner();
        if read? == 0 {
            break;
        }
    }
    Ok(buffer)
}
