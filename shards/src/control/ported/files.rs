//! The files beside a table of ported numbers: the parts while it is built, the lock of whoever
//! changes it, and putting a whole new file in the place of an old one. Blocking.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use postrider_core::ported::Spill;

/// Octets that are gathered before the system is asked to write them.
const BUFFER: usize = 1 << 20;

/// Where a new file is written to.
pub type Output = BufWriter<File>;

/// A path with something behind its name.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The file of changes of a table.
#[must_use]
pub fn changes_of(table: &Path) -> PathBuf {
    beside(table, ".changes")
}

/// Keeps others from changing a table at the same time. Readers need no such thing.
#[derive(Debug)]
pub struct Held {
    /// The lock goes with it.
    _file: File,
}

impl Held {
    /// Takes the table's lock; the system gives it back when this process ends, however it ends.
    ///
    /// # Errors
    /// When another process has it, or the file cannot be made.
    pub fn take(table: &Path) -> Result<Held> {
        let path = beside(table, ".lock");
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("cannot make {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Held { _file: file }),
            Err(TryLockError::WouldBlock) => {
                bail!("{} is being built or changed by another process", table.display())
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }
}

/// Puts a whole file in the place of `path`, or leaves what is there as it is: it is written beside
/// it, synced, and renamed. What a killed process left behind is overwritten.
///
/// # Errors
/// What `write` says, or the system.
pub fn replace<T>(path: &Path, write: impl FnOnce(&mut Output) -> Result<T>) -> Result<T> {
    let tmp = beside(path, ".tmp");
    let cannot = |what: &str| format!("cannot {what} {}", tmp.display());
    let file = File::create(&tmp).with_context(|| cannot("make"))?;
    let mut output = BufWriter::with_capacity(BUFFER, file);
    let made = write(&mut output)
        .and_then(|made| {
            output.flush().with_context(|| cannot("write"))?;
            output.get_ref().sync_all().with_context(|| cannot("sync"))?;
            Ok(made)
        })
        .inspect_err(|_| {
            std::fs::remove_file(&tmp).ok();
        })?;
    std::fs::rename(&tmp, path).with_context(|| cannot("rename"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("cannot sync {}", folder.display()))?;
    Ok(made)
}

/// Parts of a table that is being built, each a file in a folder that is removed at the end.
#[derive(Debug)]
pub struct FileSpill(PathBuf);

impl FileSpill {
    /// For a table at this place. What a killed process left behind is removed.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(table: &Path) -> Result<FileSpill> {
        let folder = beside(table, ".parts");
        let cannot = || format!("cannot make {}", folder.display());
        if let Err(error) = std::fs::remove_dir_all(&folder)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error).with_context(cannot);
        }
        std::fs::create_dir(&folder).with_context(cannot)?;
        Ok(FileSpill(folder))
    }

    fn path(&self, part: usize) -> PathBuf {
        self.0.join(format!("{part:06}"))
    }
}

impl Drop for FileSpill {
    fn drop(&mut self) {
        // What stays is removed by the next build.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

impl Spill for FileSpill {
    fn append(&mut self, part: usize, octets: &[u8]) -> io::Result<()> {
        if octets.is_empty() {
            return Ok(());
        }
        let file = OpenOptions::new().create(true).append(true).open(self.path(part));
        file.and_then(|mut file| file.write_all(octets))
    }

    fn read(&mut self, part: usize) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        match File::open(self.path(part)) {
            Ok(mut file) => file.read_to_end(&mut octets).map(|_| octets),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(octets),
            Err(error) => Err(error),
        }
    }

    fn clear(&mut self, part: usize) -> io::Result<()> {
        match std::fs::remove_file(self.path(part)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
