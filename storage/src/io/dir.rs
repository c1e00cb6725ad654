//! The data directory: layout, lock, meta file, id key, names. Lives on the thread that starts the
//! process; blocking.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::FlockOperation;
use rustix::rand::GetRandomFlags;

use crate::names::{NameError, NameTable};

use super::disk::FileDisk;
use super::sys::{is_full, sync_dir, write_whole};

/// Format of the directory that this release writes, and the newest that it reads.
pub const DIR_FORMAT: u16 = 3;

/// The first format that says which numbers of shards there were.
const WITH_EPOCHS: u16 = 3;

/// How long a lock is tried for: the closing rings of a killed process keep it for a moment.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_PAUSE: Duration = Duration::from_millis(50);

const FIRST_LINE: &str = "postrider data directory";

/// Why a data directory cannot be opened. The text names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum OpenDirError {
    /// Another process uses it.
    #[error(
        "{path} is in use by another process{}. Stop that one, or use another data directory",
        .holder.map(|id| format!(" (process {id})")).unwrap_or_default()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process, when it has left its number.
        holder: Option<u32>,
    },
    /// Another process uses it, and it is only to be looked at.
    #[error(
        "{path} is in use by another process{}, and changes while it is read. Nothing has been \
         changed. Stop that one, or make a copy (a snapshot of the file system) and look at that",
        .holder.map(|id| format!(" (process {id})")).unwrap_or_default()
    )]
    Busy {
        /// The directory.
        path: PathBuf,
        /// The process, when it has left its number.
        holder: Option<u32>,
    },
    /// It is only to be looked at, and there is none.
    #[error("{path} is no data directory: it has no file `meta`")]
    None {
        /// The directory.
        path: PathBuf,
    },
    /// It was written by a newer release.
    #[error(
        "{path} has format {found}; this release reads up to format {supported}. Nothing has been \
         changed. Start the release that wrote it, or a later one"
    )]
    Format {
        /// The directory.
        path: PathBuf,
        /// The format found.
        found: u64,
        /// The newest format that this release reads.
        supported: u16,
    },
    /// A file in it is not what it should be.
    #[error("{path} is damaged: {why}. Nothing has been changed. Restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system refused something.
    #[error("cannot {what} {path}: {error}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// A data directory, locked for this process until dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    meta: Meta,
    id_key: [u8; 16],
    /// Holds the lock.
    _lock: File,
}

/// A change of the number of shards that was brought to its end; the first one is how the directory
/// was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirEpoch {
    /// Its number; some are left out, of changes that were broken off.
    pub number: u32,
    /// Shards from then on.
    pub shards: u16,
}

/// What the file `meta` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) format: u16,
    /// Never empty; ascending by number.
    pub(super) epochs: Vec<DirEpoch>,
    pub(super) placement_key: [u8; 16],
    pub(super) created_ms: u64,
}

impl DataDir {
    /// Opens the data directory at `path`, or makes it for `shards` shards. Waits up to 5 s for the
    /// lock of a process that is going away.
    ///
    /// # Errors
    /// [`OpenDirError`]; an existing directory is then unchanged.
    pub fn open(path: impl Into<PathBuf>, shards: u16) -> Result<Self, OpenDirError> {
        let path = path.into();
        make_dir(&path)?;
        let lock = lock(&path, LOCK_PATIENCE)?;
        let meta = match read_if_there(&path.join("meta"))? {
            Some(bytes) => Meta::read(&path, &bytes)?,
            None => Meta::make(&path, shards)?,
        };
        let id_key = id_key(&path)?;
        let dir = Self { path, meta, id_key, _lock: lock };
        dir.make_logs(dir.shards())?;
        Ok(dir)
    }

    /// Makes the directories of the logs of so many shards, where they are missing.
    ///
    /// # Errors
    /// [`OpenDirError::Io`].
    pub fn make_logs(&self, shards: u16) -> Result<(), OpenDirError> {
        for shard in 0..shards {
            make_dir(&self.shard_dir(shard))?;
            make_dir(&contents_dir(&self.shard_dir(shard)))?;
        }
        synced(&self.path)
    }

    /// Notes that the directory has another number of shards from now on: durable, and as a whole or
    /// not at all. The logs have been made ready for that.
    ///
    /// # Errors
    /// [`OpenDirError::Io`]; the number of shards may then have changed or not.
    pub fn change(&mut self, to: DirEpoch) -> Result<(), OpenDirError> {
        let mut meta = self.meta.clone();
        meta.format = DIR_FORMAT;
        meta.epochs.push(to);
        meta.write(&self.path)?;
        self.meta = meta;
        Ok(())
    }

    /// Says in the directory that it has the newest format, if it was made by an older release,
    /// which can then no longer open it. To be called once it is written to.
    ///
    /// # Errors
    /// [`OpenDirError::Io`]; the directory can then still be opened.
    pub fn upgrade(&mut self) -> Result<(), OpenDirError> {
        if self.meta.format < DIR_FORMAT {
            self.meta.format = DIR_FORMAT;
            self.meta.write(&self.path)?;
        }
        Ok(())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
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

    /// The logs that have a directory, those included that a change of the number of shards has begun
    /// that was never brought to its end.
    ///
    /// # Errors
    /// [`OpenDirError::Io`].
    pub fn logs_found(&self) -> Result<Vec<u16>, OpenDirError> {
        let path = &self.path;
        let list = |error| OpenDirError::Io { what: "list", path: path.clone(), error };
        let mut logs = Vec::new();
        for entry in std::fs::read_dir(path).map_err(list)? {
            let name = entry.map_err(list)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("shard-")?.parse().ok());
            // One spelling only.
            logs.extend(number.filter(|log| self.shard_dir(*log).ends_with(&name)));
        }
        logs.sort_unstable();
        Ok(logs)
    }

    /// Removes the directory of a log in which nothing is left.
    ///
    /// # Errors
    /// [`OpenDirError::Io`].
    pub fn remove_log(&self, log: u16) -> Result<(), OpenDirError> {
        let path = self.shard_dir(log);
        let removed = std::fs::remove_dir_all(&path);
        removed.map_err(|error| OpenDirError::Io { what: "remove", path, error })?;
        synced(&self.path)
    }

    /// Key of the hash that places numbers: random, fixed when the directory was made.
    #[must_use]
    pub fn placement_key(&self) -> [u8; 16] {
        self.meta.placement_key
    }

    /// When it was made, Unix milliseconds.
    #[must_use]
    pub fn created_ms(&self) -> u64 {
        self.meta.created_ms
    }

    /// Key under which ids are encrypted: random, in `id.key`.
    #[must_use]
    pub fn id_key(&self) -> [u8; 16] {
        self.id_key
    }

    /// The directory of a shard's log.
    #[must_use]
    pub fn shard_dir(&self, shard: u16) -> PathBuf {
        log_dir(&self.path, shard)
    }

    /// The blocking face of a shard's log.
    #[must_use]
    pub fn disk(&self, shard: u16, direct: bool) -> FileDisk {
        FileDisk::new(self.shard_dir(shard), direct)
    }

    /// Reads the name table; empty when there is none yet.
    ///
    /// # Errors
    /// [`OpenDirError::Io`] and [`OpenDirError::Damaged`].
    pub fn read_names(&self) -> Result<NameTable, OpenDirError> {
        read_names(&self.path)
    }

    /// Replaces the name table, durably and as a whole.
    ///
    /// # Errors
    /// [`OpenDirError::Io`]; the old table is then still there.
    pub fn write_names(&self, names: &NameTable) -> Result<(), OpenDirError> {
        let path = self.path.join("names");
        write_whole(&path, 0o600, names.to_text().as_bytes()).map_err(|error| OpenDirError::Io {
            what: "write",
            path,
            error,
        })
    }
}

impl Meta {
    fn make(dir: &Path, shards: u16) -> Result<Self, OpenDirError> {
        let path = dir.join("meta");
        if let Some(name) = first_log(dir)? {
            let why = format!("it is missing, but {name} is there");
            return Err(OpenDirError::Damaged { path, why });
        }
        let placement_key = random_key(dir)?;
        let epochs = vec![DirEpoch { number: 1, shards }];
        let meta = Self { format: DIR_FORMAT, epochs, placement_key, created_ms: wall_ms() };
        meta.write(dir)?;
        Ok(meta)
    }

    fn write(&self, dir: &Path) -> Result<(), OpenDirError> {
        let path = dir.join("meta");
        write_whole(&path, 0o600, self.to_text().as_bytes()).map_err(|error| OpenDirError::Io {
            what: "write",
            path,
            error,
        })
    }

    pub(super) fn read(dir: &Path, bytes: &[u8]) -> Result<Self, OpenDirError> {
        let path = dir.join("meta");
        let damaged = |why: &str| OpenDirError::Damaged { path: path.clone(), why: why.to_owned() };
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8"))?;
        if text.lines().next() != Some(FIRST_LINE) {
            return Err(damaged("it does not begin as it should"));
        }
        let number = |name: &str| value(text, name).and_then(|value| value.parse::<u64>().ok());
        // The format comes first: a newer one may say the rest in another way.
        let found = number("format").ok_or_else(|| damaged("it has no format"))?;
        if found > u64::from(DIR_FORMAT) {
            let path = dir.to_owned();
            return Err(OpenDirError::Format { path, found, supported: DIR_FORMAT });
        }
        let format = u16::try_from(found).map_err(|_| damaged("it has no format"))?;
        let made_for = number("shards").and_then(|shards| u16::try_from(shards).ok());
        let made_for = made_for.ok_or_else(|| damaged("it has no number of shards"))?;
        let key = value(text, "placement_key").and_then(parse_key);
        let placement_key = key.ok_or_else(|| damaged("it has no placement key"))?;
        let created_ms = number("created_ms").ok_or_else(|| damaged("it has no creation time"))?;
        let epochs = match value(text, "epochs") {
            Some(epochs) => parse_epochs(epochs).ok_or_else(|| damaged("its epochs are wrong"))?,
            None => vec![DirEpoch { number: 1, shards: made_for }],
        };
        let meta = Self { format, epochs, placement_key, created_ms };
        if format == 0 || meta.to_text() != text {
            return Err(damaged("the checksum does not agree"));
        }
        Ok(meta)
    }

    pub(super) fn shards(&self) -> u16 {
        self.epochs.last().map_or(0, |epoch| epoch.shards)
    }

    pub(super) fn logs(&self, dir: &Path) -> Vec<u16> {
        let most = self.epochs.iter().map(|epoch| epoch.shards).max().unwrap_or(0);
        let there = |log: &u16| *log < self.shards() || log_dir(dir, *log).is_dir();
        (0..most).filter(there).collect()
    }

    fn to_text(&self) -> String {
        let (shards, Self { format, epochs, placement_key, created_ms }) = (self.shards(), self);
        let key = u128::from_be_bytes(*placement_key);
        let mut text = format!(
            "{FIRST_LINE}\nformat = {format}\nshards = {shards}\nplacement_key = {key:032x}\n\
             created_ms = {created_ms}\n"
        );
        if *format >= WITH_EPOCHS {
            let epochs =
                epochs.iter().map(|DirEpoch { number, shards }| format!("{number}:{shards}"));
            text.push_str(&format!("epochs = {}\n", epochs.collect::<Vec<_>>().join(" ")));
        }
        format!("{text}check = {:08x}\n", crc32c::crc32c(text.as_bytes()))
    }
}

/// Reads the name table of the data directory `dir`; empty when there is none yet.
pub(super) fn read_names(dir: &Path) -> Result<NameTable, OpenDirError> {
    let path = dir.join("names");
    let damaged = |why: String| OpenDirError::Damaged { path: path.clone(), why };
    let Some(bytes) = read_if_there(&path)? else { return Ok(NameTable::new()) };
    let text = String::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8".to_owned()))?;
    if text.is_empty() {
        return Err(damaged("it is empty".to_owned()));
    }
    NameTable::parse(&text)
        .map_err(|NameError { line, why }| damaged(format!("line {line}: {why}")))
}

fn value<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))
}

fn parse_epochs(text: &str) -> Option<Vec<DirEpoch>> {
    let epoch = |text: &str| {
        let (number, shards) = text.split_once(':')?;
        Some(DirEpoch { number: number.parse().ok()?, shards: shards.parse().ok()? })
    };
    let epochs: Vec<DirEpoch> = text.split(' ').map(epoch).collect::<Option<_>>()?;
    epochs.is_sorted_by(|a, b| a.number < b.number).then_some(epochs)
}

fn parse_key(text: &str) -> Option<[u8; 16]> {
    let whole = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let key = whole.then(|| u128::from_str_radix(text, 16).ok())?;
    key.map(u128::to_be_bytes)
}

/// The directory of the log of contents in that of a shard.
#[must_use]
pub fn contents_dir(shard: &Path) -> PathBuf {
    shard.join("contents")
}

/// The directory of a log in the data directory `dir`.
#[must_use]
pub fn log_dir(dir: &Path, log: u16) -> PathBuf {
    dir.join(format!("shard-{log:03}"))
}

/// The first segment that any shard directory holds: without `meta` nobody knows whose it is.
fn first_log(dir: &Path) -> Result<Option<String>, OpenDirError> {
    let list = |error| OpenDirError::Io { what: "list", path: dir.to_owned(), error };
    for entry in std::fs::read_dir(dir).map_err(list)? {
        let entry = entry.map_err(list)?;
        let name = entry.file_name().into_string().unwrap_or_default();
        if !name.starts_with("shard-") {
            continue;
        }
        for file in std::fs::read_dir(entry.path()).map_err(list)? {
            let file = file.map_err(list)?.file_name().into_string().unwrap_or_default();
            if crate::SegmentId::from_file_name(&file).is_some() {
                return Ok(Some(format!("{name}/{file}")));
            }
        }
    }
    Ok(None)
}

/// Reads the id key; `None` when it is not there.
pub(super) fn read_id_key(dir: &Path) -> Result<Option<[u8; 16]>, OpenDirError> {
    let path = dir.join("id.key");
    let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
    let key = <[u8; 16]>::try_from(bytes);
    key.map(Some)
        .map_err(|_| OpenDirError::Damaged { path, why: "it must hold 16 bytes".to_owned() })
}

/// Reads the id key; makes it when it is not there.
fn id_key(dir: &Path) -> Result<[u8; 16], OpenDirError> {
    if let Some(key) = read_id_key(dir)? {
        return Ok(key);
    }
    let path = dir.join("id.key");
    if let Some(name) = first_log(dir)? {
        let why = format!("it is missing, but {name} is there: ids given out need the old key");
        return Err(OpenDirError::Damaged { path, why });
    }
    let key = random_key(dir)?;
    write_whole(&path, 0o600, &key).map_err(|error| OpenDirError::Io {
        what: "write",
        path,
        error,
    })?;
    Ok(key)
}

fn random_key(dir: &Path) -> Result<[u8; 16], OpenDirError> {
    let mut key = [0; 16];
    // Up to 256 bytes come whole, once the system's generator is seeded.
    let taken = rustix::rand::getrandom(&mut key, GetRandomFlags::empty());
    let error = match taken {
        Ok(16) => return Ok(key),
        Ok(_) => io::Error::other("too few random bytes"),
        Err(error) => error.into(),
    };
    Err(OpenDirError::Io { what: "draw a random key for", path: dir.to_owned(), error })
}

#[allow(clippy::disallowed_methods, reason = "this folder is a driver; the time is for people")]
fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn make_dir(path: &Path) -> Result<(), OpenDirError> {
    let failed = |error| OpenDirError::Io { what: "make", path: path.to_owned(), error };
    if path.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_dir(parent).map_err(failed),
        None => Ok(()),
    }
}

fn synced(path: &Path) -> Result<(), OpenDirError> {
    sync_dir(path).map_err(|error| OpenDirError::Io { what: "sync", path: path.to_owned(), error })
}

pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, OpenDirError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(OpenDirError::Io { what: "read", path: path.to_owned(), error }),
    }
}

/// Takes the directory's lock, trying for `patience`.
fn lock(dir: &Path, patience: Duration) -> Result<File, OpenDirError> {
    let path = dir.join("lock");
    let failed = |error| OpenDirError::Io { what: "lock", path: path.clone(), error };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(failed)?;
    let mut waited = Duration::ZERO;
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(rustix::io::Errno::WOULDBLOCK) if waited < patience => {
                std::thread::sleep(LOCK_PAUSE);
                waited += LOCK_PAUSE;
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let (path, holder) = (dir.to_owned(), holder(&path));
                return Err(OpenDirError::Locked { path, holder });
            }
            Err(error) => return Err(failed(error.into())),
        }
    }
    // The number is a hint for people; the lock itself is the system's. It always takes the same
    // room, and a full disk without that room must not keep the gateway from starting.
    match file.write_all(format!("{:<10}\n", std::process::id()).as_bytes()) {
        Err(error) if !is_full(&error) => Err(failed(error)),
        Ok(()) | Err(_) => Ok(file),
    }
}

/// The process that has left its number in the lock file.
pub(super) fn holder(lock: &Path) -> Option<u32> {
    std::fs::read_to_string(lock).ok()?.trim().parse().ok()
}
