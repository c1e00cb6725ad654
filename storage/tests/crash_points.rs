//! A process that ends itself at each named point of the files beside the segments: what it leaves is the
//! old file or the new one, whole, but for pieces written in place. Needs a build with the feature
//! `crash-points`. The process is this test, started again.
#![cfg(feature = "crash-points")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use postrider_storage::io::FileDisk;
use postrider_storage::{Disk, SegmentId, SideFile};

const FILE: SideFile = SideFile::Checkpoint(1);
const LEN: usize = 10_000;
const FOLDER: &str = "POSTRIDER_CRASH_FOLDER";

/// Where in the file a piece is overwritten.
const PIECE: std::ops::Range<usize> = 4_096..4_196;

fn write(disk: &mut FileDisk, octet: u8) {
    let mut left = LEN;
    let mut next = |_: &mut FileDisk, out: &mut Vec<u8>| {
        let chunk = left.min(3_000);
        out.resize(chunk, octet);
        left -= chunk;
        Ok(left > 0)
    };
    disk.write_side(FILE, &mut next).unwrap();
}

fn read(disk: &mut FileDisk) -> Vec<u8> {
    let mut bytes = vec![0; 2 * LEN];
    let len = disk.read_side(FILE, 0, &mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}

/// What the process does that ends itself.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut disk = FileDisk::new(folder, true);
    if disk.list().unwrap().len() == 1 {
        disk.prepare(SegmentId(1), &mut |_, out| {
            out.resize(LEN, b'n');
            Ok(false)
        })
        .unwrap();
        disk.exchange(SegmentId(1)).unwrap();
        disk.wipe_old(SegmentId(1)).unwrap();
    }
    write(&mut disk, b'n');
    disk.update_side(FILE, &[(PIECE.start as u64, &[b'p'; PIECE.end - PIECE.start])]).unwrap();
}

fn crash(folder: &Path, point: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child"]).env(FOLDER, folder).env("POSTRIDER_CRASH_AT", point);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.signal(), Some(6), "{point}: {status}");
}

#[test]
fn a_crash_in_an_exchange_leaves_one_of_both_segments_and_nothing_of_the_old_one() {
    for (point, left) in [
        ("exchange-begun", b'n'),
        ("exchange-aside", b'n'),
        ("exchange-renamed", b'n'),
        ("exchanged", b'n'),
        ("wiping", b'n'),
        ("old-wiped", b'n'),
        ("old-removed", b'n'),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = FileDisk::new(folder.path(), true);
        let path = folder.path().join(SegmentId(1).file_name());
        std::fs::write(&path, [b'o'; LEN]).unwrap();
        let old = std::fs::File::open(&path).unwrap();
        crash(folder.path(), point);
        disk.sync().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [left; LEN], "{point}");
        let mut bytes = [1; LEN];
        std::os::unix::fs::FileExt::read_exact_at(&old, &mut bytes, 0).unwrap();
        assert_eq!(bytes, [0; LEN], "{point}: the old bytes are zero");
        let files = std::fs::read_dir(folder.path()).unwrap();
        let names = files
            .map(|file| file.unwrap().file_name())
            .filter(|name| name.to_str().is_some_and(|name| name.starts_with("seg-")));
        assert_eq!(names.count(), 1, "{point}");
    }
}

#[test]
fn a_crash_leaves_the_old_file_or_the_new_one() {
    let old = vec![b'o'; LEN];
    let new = vec![b'n'; LEN];
    let mut updated = new.clone();
    updated[PIECE].fill(b'p');
    for (point, left) in [
        ("side-made", &old),
        ("side-renamed", &new),
        ("side-there", &new),
        ("side-updating", &updated),
        ("side-updated", &updated),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = FileDisk::new(folder.path(), true);
        write(&mut disk, b'o');
        crash(folder.path(), point);
        disk.sync().unwrap();
        assert_eq!(read(&mut disk), *left, "{point}");
        assert_eq!(disk.list_side().unwrap(), [(FILE, LEN as u64)], "{point}");
        let files = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 1, "{point}: what was being made is gone");
    }
}
