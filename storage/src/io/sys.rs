//! Small file helpers: errors with the file's name in them, durable creation and renaming. Any
//! thread; blocking.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::io::Errno;

use crate::crash;
use crate::disk::{LogIoError, LogIoErrorKind};

/// Sorts a system error and puts it into words: "cannot WHAT PATH: REASON".
pub(super) fn log_error(what: &str, path: &Path, error: &io::Error) -> LogIoError {
    let code = error.raw_os_error();
    LogIoError {
        kind: if is_full(error) { LogIoErrorKind::Full } else { LogIoErrorKind::Io },
        what: format!("cannot {what} {}: {error}", path.display()),
        code,
    }
}

/// Whether there was no room, or a quota was used up.
pub(super) fn is_full(error: &io::Error) -> bool {
    let full = [Errno::NOSPC, Errno::DQUOT].map(|full| Some(full.raw_os_error()));
    full.contains(&error.raw_os_error())
}

/// Makes the entries of a directory durable.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Puts a file of this content at `path`, complete or not at all, and durable on return.
/// The directory of `path` must exist.
pub(super) fn write_whole(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let tmp = tmp_path(path);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    let mut file = options.open(&tmp)?;
    file.write_all(content)?;
    file.sync_all()?;
    crash::point("file-made");
    std::fs::rename(&tmp, path)?;
    crash::point("file-renamed");
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// The name under which a file is prepared before it is renamed into place.
pub(super) fn tmp_path(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TMP);
    name.into()
}

/// Ending of files that are being prepared.
pub(super) const TMP: &str = ".tmp";
