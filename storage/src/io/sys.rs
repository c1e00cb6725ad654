//! Small file helpers: errors with the file's name in them, durable creation and renaming. Any
//! thread; blocking.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
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

/// Makes `path` appear with what `fill` writes to the path that it gets, complete or not at all, and
/// durable on return. `fail` puts a system error into the caller's words. The directory must exist.
pub(super) fn appear<T, E>(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<T, E>,
    fail: impl Fn(&'static str, io::Error) -> E,
    [made_point, renamed_point]: [&'static str; 2],
) -> Result<T, E> {
    let tmp = tmp_path(path);
    let made = fill(&tmp).and_then(|made| {
        crash::point(made_point);
        std::fs::rename(&tmp, path).map_err(|error| fail("make", error)).map(|()| made)
    });
    let made = made.inspect_err(|_| {
        // Give the room back; that this may fail too changes nothing about the first error.
        std::fs::remove_file(&tmp).ok();
    })?;
    crash::point(renamed_point);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    sync_dir(folder.unwrap_or(Path::new("."))).map_err(|error| fail("keep", error))?;
    Ok(made)
}

/// Puts a file of this content at `path`, complete or not at all, and durable on return.
/// The directory of `path` must exist.
pub(super) fn write_whole(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let fill = |tmp: &Path| {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(mode);
        let mut file = options.open(tmp)?;
        file.write_all(content)?;
        file.sync_all()
    };
    let points = ["file-made", "file-renamed"];
    appear(path, fill, |_, error| error, points)
}

/// Puts a whole file in the place of `path`, or leaves what is there as it is: what `write` gives goes
/// to a file beside it, which is synced and renamed. What a killed process left there is overwritten.
///
/// # Errors
/// What `write` says, or a [`LogIoError`].
pub fn replace<T, E: From<LogIoError>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<T, E>,
) -> Result<T, E> {
    let fail = |what, error| E::from(log_error(what, path, &error));
    let fill = |tmp: &Path| {
        let file = File::create(tmp).map_err(|error| fail("make", error))?;
        let mut output = BufWriter::with_capacity(REPLACE_BUFFER, file);
        let made = write(&mut output)?;
        let synced = output.flush().and_then(|()| output.get_ref().sync_all());
        synced.map_err(|error| fail("write", error)).map(|()| made)
    };
    let points = ["file-made", "file-renamed"];
    appear(path, fill, fail, points)
}

/// Octets that [`replace`] gathers before the system is asked to write them.
const REPLACE_BUFFER: usize = 1 << 20;

/// The name under which a file is prepared before it is renamed into place.
pub(super) fn tmp_path(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TMP);
    name.into()
}

/// Ending of files that are being prepared.
pub(super) const TMP: &str = ".tmp";
