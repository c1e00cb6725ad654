//! The files beside a table of ported numbers: the parts while it is built, and the lock of whoever
//! changes it. Blocking.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use postrider_core::ported::Spill;

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
