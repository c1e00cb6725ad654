//! A shard's log directory through std's files: recovery at start and chores on a helper thread.
//! Blocking; moves to whichever thread does the work.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::block::Blocks;
use crate::crash;
use crate::disk::{Disk, LogIoError, NextChunk, SegmentFile, SegmentId, SideFile};

use super::exchange;
use super::sys::{TMP, appear, log_error, sync_dir, tmp_path};

/// Directory inside the shard's for copies of damaged bytes.
const QUARANTINE: &str = "quarantine";

/// Bytes written or copied at once: 1 MiB.
const CHUNK_BLOCKS: usize = 256;

/// The log directory of one shard.
#[derive(Debug, Clone)]
pub struct FileDisk {
    dir: PathBuf,
    direct: bool,
}

impl FileDisk {
    /// The log in the existing directory `dir`. `direct`: fill new segments past the page cache,
    /// where the file system can.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, direct: bool) -> Self {
        Self { dir: dir.into(), direct }
    }

    fn path(&self, segment: SegmentId) -> PathBuf {
        self.dir.join(segment.file_name())
    }

    fn side_path(&self, file: SideFile) -> PathBuf {
        self.dir.join(file.file_name())
    }

    fn sync_dir(&self) -> Result<(), LogIoError> {
        sync_dir(&self.dir).map_err(|error| log_error("sync the directory", &self.dir, &error))
    }

    /// Names of the files in the directory.
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn create(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let file = self.open_new(path)?;
        let zeros = Blocks::zeroed(CHUNK_BLOCKS);
        let mut at = 0;
        while at < bytes {
            let len = usize::try_from(bytes - at).unwrap_or(usize::MAX).min(zeros.len());
            file.write_all_at(zeros.as_bytes().get(..len).unwrap_or_default(), at)?;
            at += len as u64;
        }
        file.sync_all()
    }

    fn open_new(&self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        if self.direct {
            let flags = i32::try_from(OFlags::DIRECT.bits()).unwrap_or(0);
            match options.clone().custom_flags(flags).open(path) {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                other => return other,
            }
        }
        options.open(path)
    }

    /// Makes `path` appear with what `fill` writes, complete or not at all.
    fn appear(
        path: &Path,
        fill: impl FnOnce(&Path) -> Result<(), LogIoError>,
        [made_point, renamed_point, there_point]: [&'static str; 3],
    ) -> Result<(), LogIoError> {
        let fail = |what, error| log_error(what, path, &error);
        appear(path, fill, fail, [made_point, renamed_point])?;
        crash::point(there_point);
        Ok(())
    }

    /// Writes a new file of what `next` adds, chunk by chunk, and syncs it.
    fn fill(&mut self, path: &Path, next: &mut NextChunk<'_, Self>) -> Result<(), LogIoError> {
        let make = |error: io::Error| log_error("make", path, &error);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(path).map_err(make)?;
        let mut chunk = Vec::new();
        loop {
            chunk.clear();
            let more = next(self, &mut chunk)?;
            file.write_all(&chunk).map_err(make)?;
            if !more {
                return file.sync_all().map_err(make);
            }
        }
    }

    fn copy_aside(&self, segment: SegmentId, offset: u64, len: u64) -> io::Result<()> {
        let dir = self.dir.join(QUARANTINE);
        std::fs::create_dir_all(&dir)?;
        sync_dir(&self.dir)?;
        let target = dir.join(format!("{}.{offset:012}.bad", segment.file_name()));
        let tmp = tmp_path(&target);
        let from = File::open(self.path(segment))?;
        let to =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&tmp)?;
        let mut chunk = vec![0; Blocks::zeroed(CHUNK_BLOCKS).len()];
        let mut done = 0;
        while done < len {
            let want = usize::try_from(len - done).unwrap_or(usize::MAX).min(chunk.len());
            let part = chunk.get_mut(..want).unwrap_or_default();
            let read = from.read_at(part, offset + done)?;
            if read == 0 {
                break;
            }
            to.write_all_at(part.get(..read).unwrap_or_default(), done)?;
            done += read as u64;
        }
        to.sync_all()?;
        std::fs::rename(&tmp, &target)?;
        sync_dir(&dir)
    }
}

impl Disk for FileDisk {
    fn list(&mut self) -> Result<Vec<SegmentFile>, LogIoError> {
        let list = |error: io::Error| log_error("list", &self.dir, &error);
        let mut files = Vec::new();
        for name in self.names().map_err(list)? {
            let path = self.dir.join(&name);
            if let Some(id) = SegmentId::from_file_name(&name) {
                let len = std::fs::metadata(&path).map_err(list)?.len();
                files.push(SegmentFile { id, len });
            }
        }
        Ok(files)
    }

    fn sync(&mut self) -> Result<(), LogIoError> {
        exchange::finish(
            &self.dir,
            &self.names().map_err(|error| log_error("list", &self.dir, &error))?,
        )?;
        for name in self.names().map_err(|error| log_error("list", &self.dir, &error))? {
            let path = self.dir.join(&name);
            if name.ends_with(TMP) {
                // A file that was being made when the process stopped: never used.
                std::fs::remove_file(&path).map_err(|error| log_error("remove", &path, &error))?;
            } else if SegmentId::from_file_name(&name).is_some()
                || SideFile::from_file_name(&name).is_some()
            {
                let synced = File::open(&path).and_then(|file| file.sync_all());
                synced.map_err(|error| log_error("sync", &path, &error))?;
            }
        }
        self.sync_dir()
    }

    fn read(
        &mut self,
        segment: SegmentId,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, LogIoError> {
        read_file(&self.path(segment), offset, buf)
    }

    fn write_sync(
        &mut self,
        segment: SegmentId,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), LogIoError> {
        let path = self.path(segment);
        let write = || -> io::Result<()> {
            let file = OpenOptions::new().write(true).open(&path)?;
            file.write_all_at(bytes, offset)?;
            file.sync_all()
        };
        write().map_err(|error| log_error("write", &path, &error))
    }

    fn create_zeroed(&mut self, segment: SegmentId, bytes: u64) -> Result<(), LogIoError> {
        let points = ["segment-made", "segment-renamed", "segment-there"];
        let create = |tmp: &Path| {
            self.create(tmp, bytes).map_err(|error| log_error("make", &self.path(segment), &error))
        };
        Self::appear(&self.path(segment), create, points)
    }

    fn recycle(&mut self, old: SegmentId, new: SegmentId) -> Result<(), LogIoError> {
        let path = self.path(old);
        crash::point("recycle-begun");
        std::fs::rename(&path, self.path(new))
            .map_err(|error| log_error("recycle", &path, &error))?;
        crash::point("recycle-renamed");
        self.sync_dir()?;
        crash::point("recycled");
        Ok(())
    }

    fn remove(&mut self, segment: SegmentId) -> Result<(), LogIoError> {
        let path = self.path(segment);
        std::fs::remove_file(&path).map_err(|error| log_error("remove", &path, &error))?;
        self.sync_dir()
    }

    fn quarantine(&mut self, segment: SegmentId, offset: u64, len: u64) -> Result<(), LogIoError> {
        let aside = self.copy_aside(segment, offset, len);
        aside.map_err(|error| log_error("set aside the damage in", &self.path(segment), &error))
    }

    fn wipe(&mut self, segment: SegmentId, offset: u64) -> Result<(), LogIoError> {
        let path = self.path(segment);
        exchange::wipe(&path, offset).map_err(|error| log_error("wipe", &path, &error))
    }

    fn prepare(
        &mut self,
        segment: SegmentId,
        next: &mut NextChunk<'_, Self>,
    ) -> Result<(), LogIoError> {
        let tmp = tmp_path(&self.path(segment));
        let written = self.fill(&tmp, next);
        written.inspect_err(|_| {
            // Give the room back; that this may fail too changes nothing about the first error.
            std::fs::remove_file(&tmp).ok();
        })
    }

    fn exchange(&mut self, segment: SegmentId) -> Result<(), LogIoError> {
        exchange::exchange(&self.dir, &self.path(segment))
    }

    fn set_aside(&mut self, segment: SegmentId) -> Result<(), LogIoError> {
        exchange::set_aside(&self.dir, &self.path(segment))
    }

    fn wipe_old(&mut self, segment: SegmentId) -> Result<(), LogIoError> {
        exchange::wipe_old(&self.dir, &self.path(segment))
    }

    fn wipe_quarantine(&mut self) -> Result<(), LogIoError> {
        exchange::wipe_all(&self.dir.join(QUARANTINE))
    }

    fn list_side(&mut self) -> Result<Vec<(SideFile, u64)>, LogIoError> {
        let list = |error: io::Error| log_error("list", &self.dir, &error);
        let mut files = Vec::new();
        for name in self.names().map_err(list)? {
            if let Some(file) = SideFile::from_file_name(&name) {
                files.push((file, std::fs::metadata(self.dir.join(&name)).map_err(list)?.len()));
            }
        }
        Ok(files)
    }

    fn read_side(
        &mut self,
        file: SideFile,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, LogIoError> {
        read_file(&self.side_path(file), offset, buf)
    }

    fn write_side(
        &mut self,
        file: SideFile,
        next: &mut NextChunk<'_, Self>,
    ) -> Result<(), LogIoError> {
        let path = self.side_path(file);
        let points = ["side-made", "side-renamed", "side-there"];
        Self::appear(&path, |tmp| self.fill(tmp, next), points)
    }

    fn update_side(&mut self, file: SideFile, pieces: &[(u64, &[u8])]) -> Result<(), LogIoError> {
        let path = self.side_path(file);
        let update = || -> io::Result<()> {
            let file = OpenOptions::new().write(true).open(&path)?;
            let len = file.metadata()?.len();
            if pieces.iter().any(|(offset, bytes)| offset + bytes.len() as u64 > len) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "no such place"));
            }
            for (offset, bytes) in pieces {
                file.write_all_at(bytes, *offset)?;
                crash::point("side-updating");
            }
            file.sync_data()?;
            crash::point("side-updated");
            Ok(())
        };
        update().map_err(|error| log_error("update", &path, &error))
    }

    fn remove_side(&mut self, file: SideFile) -> Result<(), LogIoError> {
        let path = self.side_path(file);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(log_error("remove", &path, &error))
            }
            Ok(()) | Err(_) => self.sync_dir(),
        }
    }
}

/// Fills `buf` from `offset` of a file; fewer bytes only at its end.
fn read_file(path: &Path, offset: u64, buf: &mut [u8]) -> Result<usize, LogIoError> {
    let fill = |buf: &mut [u8]| -> io::Result<usize> {
        let file = File::open(path)?;
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    };
    fill(buf).map_err(|error| log_error("read", path, &error))
}
