//! Putting a segment's new content in the place of the old one, and overwriting what is to be gone.
//! Blocking; any thread.
//!
//! A complete new content is called `.new` for as long as the change of names takes; a file that is
//! to be overwritten and removed is called `.old`. What a stop has left of either is finished at
//! the next start.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::block::Blocks;
use crate::crash;
use crate::disk::{LogIoError, SegmentId};

use super::sys::{log_error, sync_dir, tmp_path};

/// Ending of a complete content that is about to take its place.
const NEW: &str = ".new";
/// Ending of files that are to be overwritten and removed.
const OLD: &str = ".old";

/// Bytes overwritten at once: 1 MiB.
const CHUNK_BLOCKS: usize = 256;

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn rename(from: &Path, to: &Path) -> Result<(), LogIoError> {
    std::fs::rename(from, to).map_err(|error| log_error("rename", from, &error))
}

fn synced(dir: &Path) -> Result<(), LogIoError> {
    sync_dir(dir).map_err(|error| log_error("sync the directory", dir, &error))
}

/// Puts the file that was prepared for `path` in its place; what was there becomes the old one.
pub(super) fn exchange(dir: &Path, path: &Path) -> Result<(), LogIoError> {
    wipe_old(dir, path)?;
    let new = with_ending(path, NEW);
    rename(&tmp_path(path), &new)?;
    // From here on the next start would go on.
    synced(dir)?;
    crash::point("exchange-begun");
    rename(path, &with_ending(path, OLD))?;
    crash::point("exchange-aside");
    rename(&new, path)?;
    crash::point("exchange-renamed");
    synced(dir)?;
    crash::point("exchanged");
    Ok(())
}

/// Makes the file at `path` an old one.
pub(super) fn set_aside(dir: &Path, path: &Path) -> Result<(), LogIoError> {
    wipe_old(dir, path)?;
    rename(path, &with_ending(path, OLD))?;
    synced(dir)
}

/// Overwrites and removes the old file of `path`, if there is one.
pub(super) fn wipe_old(dir: &Path, path: &Path) -> Result<(), LogIoError> {
    let old = with_ending(path, OLD);
    match wipe(&old, 0) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        wiped => wiped.map_err(|error| log_error("wipe", &old, &error))?,
    }
    crash::point("old-wiped");
    std::fs::remove_file(&old).map_err(|error| log_error("remove", &old, &error))?;
    crash::point("old-removed");
    synced(dir)
}

/// Overwrites the file from `offset` on with zeros, durably; its length stays.
pub(super) fn wipe(path: &Path, offset: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    let (len, zeros) = (file.metadata()?.len(), Blocks::zeroed(CHUNK_BLOCKS));
    let mut at = offset;
    while at < len {
        let chunk = usize::try_from(len - at).unwrap_or(usize::MAX).min(zeros.len());
        file.write_all_at(zeros.as_bytes().get(..chunk).unwrap_or_default(), at)?;
        crash::point("wiping");
        at += chunk as u64;
    }
    file.sync_all()
}

/// Overwrites and removes all files in `dir`, if there is one.
pub(super) fn wipe_all(dir: &Path) -> Result<(), LogIoError> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| log_error("list", dir, &error))?,
    };
    for entry in entries {
        let path = entry.map_err(|error| log_error("list", dir, &error))?.path();
        wipe(&path, 0).map_err(|error| log_error("wipe", &path, &error))?;
        std::fs::remove_file(&path).map_err(|error| log_error("remove", &path, &error))?;
    }
    synced(dir)
}

/// Finishes what a stop has left, by the names of the files in `dir`: a new content takes its
/// place, and old files are overwritten and removed.
pub(super) fn finish(dir: &Path, names: &[String]) -> Result<(), LogIoError> {
    let with = |ending: &'static str| {
        names.iter().filter_map(move |name| {
            SegmentId::from_file_name(name.strip_suffix(ending)?).map(SegmentId::file_name)
        })
    };
    for name in with(NEW) {
        let path = dir.join(&name);
        if names.contains(&name) {
            set_aside(dir, &path)?;
        }
        rename(&with_ending(&path, NEW), &path)?;
        synced(dir)?;
        wipe_old(dir, &path)?;
    }
    for name in with(OLD) {
        wipe_old(dir, &dir.join(name))?;
    }
    Ok(())
}
