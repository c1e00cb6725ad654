//! A data directory that is only looked at: nothing in it is written, not even its lock file. For
//! offline tools; blocking.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::names::NameTable;

use super::dir::contents_dir;
use super::dir::{
    DirEpoch, Meta, OpenDirError, holder, log_dir, read_id_key, read_if_there, read_names,
};
use super::disk::FileDisk;

/// A data directory, kept from changing until dropped: no gateway can start on it meanwhile.
#[derive(Debug)]
pub struct DirView {
    path: PathBuf,
    meta: Meta,
    /// Holds the lock, where there is a lock file.
    _lock: Option<File>,
}

impl DirView {
    /// Opens the data directory at `path` to be read.
    ///
    /// # Errors
    /// [`OpenDirError`]: it is none, it is in use, or it was written by a newer release.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenDirError> {
        let path = path.into();
        let lock = lock_shared(&path)?;
        let Some(bytes) = read_if_there(&path.join("meta"))? else {
            return Err(OpenDirError::None { path });
        };
        let meta = Meta::read(&path, &bytes)?;
        Ok(Self { path, meta, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its format.
    #[must_use]
    pub fn format(&self) -> u16 {
        self.meta.format
    }

    /// Shards that it has.
    #[must_use]
    pub fn shards(&self) -> u16 {
        self.meta.shards()
    }

    /// The numbers of shards that it has had; the last one is the present one.
    #[must_use]
    pub fn epochs(&self) -> &[DirEpoch] {
        &self.meta.epochs
    }

    /// The logs that there are, those included that no shard writes to any more.
    #[must_use]
    pub fn logs(&self) -> Vec<u16> {
        self.meta.logs(&self.path)
    }

    /// Key of the hash that places numbers.
    #[must_use]
    pub fn placement_key(&self) -> [u8; 16] {
        self.meta.placement_key
    }

    /// When it was made, Unix milliseconds.
    #[must_use]
    pub fn created_ms(&self) -> u64 {
        self.meta.created_ms
    }

    /// Key under which ids are encrypted; `None` when its file is missing.
    ///
    /// # Errors
    /// [`OpenDirError`] when the file cannot be read or is damaged.
    pub fn id_key(&self) -> Result<Option<[u8; 16]>, OpenDirError> {
        read_id_key(&self.path)
    }

    /// Reads the name table; empty when there is none.
    ///
    /// # Errors
    /// [`OpenDirError`] when the file cannot be read or is damaged.
    pub fn read_names(&self) -> Result<NameTable, OpenDirError> {
        read_names(&self.path)
    }

    /// The blocking face of a shard's log. Only methods that change nothing may be called on it.
    #[must_use]
    pub fn disk(&self, shard: u16) -> FileDisk {
        FileDisk::new(log_dir(&self.path, shard), false)
    }

    /// The same of its log of contents, where there is one.
    #[must_use]
    pub fn contents_disk(&self, shard: u16) -> Option<FileDisk> {
        let dir = contents_dir(&log_dir(&self.path, shard));
        dir.is_dir().then(|| FileDisk::new(dir, false))
    }

    /// The files of a shard's directory with their lengths in bytes, by name; those of a folder in
    /// it as `folder/file`.
    ///
    /// # Errors
    /// [`OpenDirError::Io`] when it cannot be read.
    pub fn files(&self, shard: u16) -> Result<Vec<(String, u64)>, OpenDirError> {
        let dir = log_dir(&self.path, shard);
        let mut found = Vec::new();
        let listed = list(&dir, "", &mut found);
        listed.map_err(|error| OpenDirError::Io { what: "list", path: dir, error })?;
        found.sort();
        Ok(found)
    }
}

fn list(dir: &Path, prefix: &str, found: &mut Vec<(String, u64)>) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let facts = entry.metadata()?;
        if facts.is_dir() && prefix.is_empty() {
            list(&entry.path(), &format!("{name}/"), found)?;
        } else {
            found.push((name, facts.len()));
        }
    }
    Ok(())
}

/// Shares the lock with others who only look. A directory without a lock file was copied without
/// it: nobody uses that.
fn lock_shared(dir: &Path) -> Result<Option<File>, OpenDirError> {
    let path = dir.join("lock");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenDirError::Io { what: "open", path, error }),
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Err(OpenDirError::Busy { path: dir.to_owned(), holder: holder(&path) })
        }
        Err(error) => Err(OpenDirError::Io { what: "lock", path, error: error.into() }),
    }
}
