//! The log on real files, through both drivers of compio, and the data directory. Tests only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use common::{WALL_MS, config, content, encoded};
use compio::driver::{DriverType, ProactorBuilder};
use compio::runtime::{Runtime, RuntimeBuilder};
use postrider_storage::io::{
    DIR_FORMAT, DataDir, DirEpoch, DirView, FileDisk, FileReader, LogFile, OpenDirError, probe,
};
use postrider_storage::{
    Ask, Blocks, Disk, FileRef, Log, LogIoErrorKind, NameKind, NameTable, SegmentId, Urgency, Write,
};

/// A runtime on this driver; `None` where the kernel or a sandbox refuses io_uring.
fn runtime(driver: DriverType) -> Option<Runtime> {
    let mut proactor = ProactorBuilder::new();
    proactor.driver_type(driver).capacity(64).thread_pool_limit(2);
    let mut builder = RuntimeBuilder::new();
    builder.with_proactor(proactor);
    match builder.build() {
        Ok(runtime) => {
            assert_eq!(runtime.driver_type(), driver, "the driver asked for");
            Some(runtime)
        }
        Err(error) if driver == DriverType::IoUring && std::env::var_os("CI").is_none() => {
            eprintln!("skipped: no io_uring here: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

type Seen = Vec<(u64, Vec<u8>)>;

fn open(disk: &mut FileDisk) -> (Log, postrider_storage::Recovery, Seen) {
    let mut seen = Vec::new();
    let (log, recovery) = Log::open(disk, config(), Duration::ZERO, WALL_MS, &mut |replayed| {
        seen.push((replayed.lsn.0, encoded(replayed.record)));
    })
    .unwrap();
    (log, recovery, seen)
}

/// Appends `count` records from `sequence` on, everything through `LogFile`.
async fn write(
    dir: &Path,
    log: &mut Log,
    disk: &mut FileDisk,
    sequence: u64,
    count: u64,
    direct: bool,
) {
    let mut file: Option<LogFile> = None;
    for sequence in sequence..sequence + count {
        let state = content(sequence, 7_000);
        log.append(&common::carried(sequence, &state), Urgency::Waited, Duration::ZERO);
        while !log.idle() {
            if let Some(chore) = log.poll_chore() {
                let done = chore.run(disk, config().segment_bytes);
                log.handle_chore(chore, done);
            }
            let Some(write) = log.poll_write(Duration::ZERO) else { continue };
            if file.is_none() {
                file = Some(LogFile::open(dir, write.segment, direct).await.unwrap());
            }
            let (write, done) = file.as_ref().unwrap().write(write).await;
            log.handle_written(Duration::ZERO, write, done);
            assert_eq!(log.poisoned(), None);
        }
    }
    assert_eq!(file.unwrap().direct(), direct && probe(dir).unwrap().direct);
}

#[test]
fn written_through_both_drivers_and_opened_again() {
    for (driver, direct) in [
        (DriverType::Poll, true),
        (DriverType::Poll, false),
        (DriverType::IoUring, true),
        (DriverType::IoUring, false),
    ] {
        let Some(runtime) = runtime(driver) else { continue };
        let tmp = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let dir = tmp.path();
        let mut disk = FileDisk::new(dir, direct);
        let mut expected = Seen::new();
        for round in 0..3 {
            let (mut log, recovery, seen) = open(&mut disk);
            assert_eq!((recovery.cut_bytes, recovery.quarantined.len()), (0, 0), "{driver:?}");
            let kept: Seen = seen.into_iter().filter(|(_, bytes)| bytes[0] == 6).collect();
            assert_eq!(kept, expected, "{driver:?} direct {direct} round {round}");
            let first = 1 + round * 100;
            runtime.block_on(write(dir, &mut log, &mut disk, first, 25, direct));
            for sequence in first..first + 25 {
                let state = content(sequence, 7_000);
                expected.push((0, encoded(&common::carried(sequence, &state))));
            }
            // The numbers come from the log; the content and its order are the test's.
            let (_, _, seen) = open(&mut disk);
            let kept: Seen = seen.into_iter().filter(|(_, bytes)| bytes[0] == 6).collect();
            assert_eq!(kept.len(), expected.len());
            for (slot, (lsn, bytes)) in expected.iter_mut().zip(kept) {
                assert_eq!(slot.1, bytes);
                slot.0 = lsn;
            }
        }
        assert!(disk.list().unwrap().len() > 2, "several segments were used");
    }
}

#[test]
fn a_write_that_cannot_be_whole_is_an_error() {
    let tmp = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for driver in [DriverType::Poll, DriverType::IoUring] {
        let Some(runtime) = runtime(driver) else { continue };
        runtime.block_on(async {
            let missing = LogFile::open(tmp.path(), SegmentId(9), true).await.unwrap_err();
            assert_eq!((missing.kind, missing.code), (LogIoErrorKind::Io, Some(2)));
            assert!(missing.what.contains("seg-0000000000000009.log"), "{missing}");
            // A device on which every write fails as on a full disk.
            let full = tmp.path().join(SegmentId(1).file_name());
            if !full.exists() {
                std::os::unix::fs::symlink("/dev/full", &full).unwrap();
            }
            let file = LogFile::open(tmp.path(), SegmentId(1), false).await.unwrap();
            let write = Write { segment: SegmentId(1), offset: 0, blocks: Blocks::zeroed(2) };
            let (write, result) = file.write(write).await;
            assert_eq!(write.blocks.len(), 8192, "the buffer comes back");
            assert_eq!(result.unwrap_err().kind, LogIoErrorKind::Full);
        });
    }
}

#[test]
fn damage_on_real_files_is_set_aside_and_temporary_files_go() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path();
    let mut disk = FileDisk::new(dir, false);
    let runtime = runtime(DriverType::Poll).unwrap();
    let (mut log, ..) = open(&mut disk);
    runtime.block_on(write(dir, &mut log, &mut disk, 1, 40, false));
    std::fs::write(dir.join("seg-00000000000000ff.log.tmp"), b"half").unwrap();
    std::fs::write(dir.join("notes.txt"), b"not ours").unwrap();
    disk.write_sync(SegmentId(1), 8_192 + 100, b"damage").unwrap();
    let before = std::fs::read(dir.join(SegmentId(1).file_name())).unwrap();
    for _ in 0..2 {
        let (_, recovery, seen) = open(&mut disk);
        assert_eq!(recovery.quarantined.len(), 1);
        assert_eq!(seen.iter().filter(|(_, bytes)| bytes[0] == 6).count(), 39);
    }
    assert!(!dir.join("seg-00000000000000ff.log.tmp").exists());
    assert!(dir.join("notes.txt").exists());
    assert_eq!(std::fs::read(dir.join(SegmentId(1).file_name())).unwrap(), before);
    let aside: Vec<_> = std::fs::read_dir(dir.join("quarantine")).unwrap().collect();
    assert_eq!(aside.len(), 1);
    let aside = std::fs::read(aside[0].as_ref().unwrap().path()).unwrap();
    assert_eq!(aside, before[8_192..16_384]);
}

#[test]
fn a_segment_appears_whole_and_recycling_keeps_its_bytes() {
    let tmp = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for direct in [false, true] {
        let mut disk = FileDisk::new(tmp.path(), direct);
        disk.create_zeroed(SegmentId(1), 3 * 1024 * 1024 + 4096).unwrap();
        let path = tmp.path().join(SegmentId(1).file_name());
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.len() == 3 * 1024 * 1024 + 4096 && bytes.iter().all(|byte| *byte == 0));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        disk.write_sync(SegmentId(1), 4096, b"stale").unwrap();
        disk.recycle(SegmentId(1), SegmentId(7)).unwrap();
        let mut read = [0; 5];
        assert_eq!(disk.read(SegmentId(7), 4096, &mut read).unwrap(), 5);
        assert_eq!(&read, b"stale");
        assert_eq!(disk.read(SegmentId(7), 1 << 40, &mut read).unwrap(), 0);
        assert_eq!(disk.list().unwrap().len(), 1);
        disk.remove(SegmentId(7)).unwrap();
        let error = disk.remove(SegmentId(7)).unwrap_err();
        assert_eq!((error.kind, error.code), (LogIoErrorKind::Io, Some(2)));
    }
}

#[test]
fn a_data_directory_keeps_what_it_was_made_with() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("data");
    let dir = DataDir::open(&path, 2).unwrap();
    let (placement, id, created) = (dir.placement_key(), dir.id_key(), dir.created_ms());
    assert!(placement != [0; 16] && id != [0; 16] && placement != id && created > WALL_MS / 2);
    let key = std::fs::metadata(path.join("id.key")).unwrap();
    assert_eq!((key.len(), key.permissions().mode() & 0o777), (16, 0o600));
    assert!(dir.shard_dir(0).is_dir() && dir.shard_dir(1).is_dir());
    assert!(!dir.shard_dir(2).exists());

    let mut names = dir.read_names().unwrap();
    assert_eq!(names.assign(NameKind::Carrier, "acme"), 1);
    dir.write_names(&names).unwrap();
    drop(dir);
    let dir = DataDir::open(&path, 2).unwrap();
    assert_eq!((dir.placement_key(), dir.id_key(), dir.created_ms()), (placement, id, created));
    assert_eq!(dir.read_names().unwrap(), names);
    std::fs::write(path.join("names"), b"").unwrap();
    assert!(matches!(dir.read_names(), Err(OpenDirError::Damaged { .. })));
}

/// Every file below `path` with its content, without the lock.
fn snapshot(path: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else if !path.ends_with("lock") {
            files.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

#[test]
fn a_data_directory_that_does_not_fit_is_refused_unchanged() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("data");
    drop(DataDir::open(&path, 2).unwrap());
    let before = snapshot(&path);
    assert_eq!(DataDir::open(&path, 3).unwrap().shards(), 2, "until it is changed");
    assert_eq!(snapshot(&path), before);

    let meta = std::fs::read_to_string(path.join("meta")).unwrap();
    for (text, newer) in [
        (meta.replace("format = 3", "format = 4"), true),
        (meta.replace("format = 3", "format = 1"), false),
        (meta.replace("format = 3", "format = 0"), false),
        (meta.replace("epochs = 1:2", "epochs = 1:3"), false),
        (meta.replace("epochs = 1:2", "epochs = "), false),
        (meta.replace("shards = 2", "shards = 3"), false),
        (meta.replace("placement_key = ", "placement_key = +"), false),
        (String::new(), false),
    ] {
        std::fs::write(path.join("meta"), &text).unwrap();
        let before = snapshot(&path);
        let error = DataDir::open(&path, 2).unwrap_err();
        if newer {
            assert!(matches!(error, OpenDirError::Format { found: 4, .. }), "{error}");
        } else {
            assert!(matches!(error, OpenDirError::Damaged { .. }), "{error}");
        }
        assert_eq!(snapshot(&path), before);
    }

    // With a log in it, neither meta nor key is ever made anew.
    let log = path.join("shard-001").join(SegmentId(1).file_name());
    std::fs::write(log, b"x").unwrap();
    for missing in ["meta", "id.key"] {
        std::fs::write(path.join("meta"), &meta).unwrap();
        std::fs::remove_file(path.join(missing)).unwrap();
        let before = snapshot(&path);
        let error = DataDir::open(&path, 2).unwrap_err();
        assert!(matches!(error, OpenDirError::Damaged { .. }), "{error}");
        assert_eq!(snapshot(&path), before);
    }
}

/// A meta file as the first format wrote it.
const FIRST_META: &str = "postrider data directory\nformat = 1\nshards = 2\n\
    placement_key = 00112233445566778899aabbccddeeff\ncreated_ms = 1790000000000\n\
    check = 433471f2\n";

#[test]
fn a_directory_of_the_first_format_is_read_and_says_so_until_it_is_written_to() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("data");
    drop(DataDir::open(&path, 2).unwrap());
    std::fs::write(path.join("meta"), FIRST_META).unwrap();
    let before = snapshot(&path);
    let mut dir = DataDir::open(&path, 2).unwrap();
    assert_eq!(dir.created_ms(), WALL_MS);
    assert_eq!(dir.placement_key()[..3], [0, 0x11, 0x22]);
    assert_eq!(snapshot(&path), before, "nothing changes by opening it");
    dir.upgrade().unwrap();
    let meta = std::fs::read_to_string(path.join("meta")).unwrap();
    assert!(meta.contains("\nformat = 3\n") && meta.contains("\nepochs = 1:2\n"), "{meta}");
    let upgraded = snapshot(&path);
    dir.upgrade().unwrap();
    drop(dir);
    let again = DataDir::open(&path, 2).unwrap();
    assert_eq!((again.created_ms(), again.placement_key()[15]), (WALL_MS, 0xff));
    assert_eq!(snapshot(&path), upgraded);
}

#[test]
fn a_directory_says_which_numbers_of_shards_it_has_had() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("data");
    let mut dir = DataDir::open(&path, 2).unwrap();
    assert_eq!((dir.shards(), dir.logs()), (2, vec![0, 1]));
    dir.make_logs(4).unwrap();
    dir.change(DirEpoch { number: 3, shards: 4 }).unwrap();
    dir.change(DirEpoch { number: 4, shards: 1 }).unwrap();
    drop(dir);
    let dir = DataDir::open(&path, 9).unwrap();
    let epochs = [(1, 2), (3, 4), (4, 1)].map(|(number, shards)| DirEpoch { number, shards });
    assert_eq!((dir.shards(), dir.epochs()), (1, &epochs[..]));
    assert_eq!(dir.logs(), [0, 1, 2, 3]);
    dir.remove_log(2).unwrap();
    drop(dir);
    let view = DirView::open(&path).unwrap();
    assert_eq!((view.shards(), view.epochs(), view.logs()), (1, &epochs[..], vec![0, 1, 3]));
}

#[test]
fn a_locked_directory_is_waited_for_and_then_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("data");
    let first = DataDir::open(&path, 1).unwrap();
    let error = DataDir::open(&path, 1).unwrap_err();
    let id = std::process::id();
    assert!(matches!(error, OpenDirError::Locked { holder: Some(holder), .. } if holder == id));
    let waiting = std::thread::spawn(move || DataDir::open(&path, 1).map(|dir| dir.shards()));
    std::thread::sleep(Duration::from_millis(200));
    drop(first);
    assert_eq!(waiting.join().unwrap().unwrap(), 1);
}

#[test]
fn who_only_looks_changes_nothing_and_is_alone_with_others_who_look() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("data");
    assert!(matches!(DirView::open(&path).unwrap_err(), OpenDirError::None { .. }));
    assert!(!path.exists());
    let dir = DataDir::open(&path, 2).unwrap();
    let error = DirView::open(&path).unwrap_err();
    let own = std::process::id();
    assert!(matches!(error, OpenDirError::Busy { holder: Some(id), .. } if id == own), "{error}");
    let (key, placement_key, created) = (dir.id_key(), dir.placement_key(), dir.created_ms());
    drop(dir);
    let lock = std::fs::read(path.join("lock")).unwrap();
    let before = snapshot(&path);
    let views = [DirView::open(&path).unwrap(), DirView::open(&path).unwrap()];
    for view in &views {
        assert_eq!((view.shards(), view.format(), view.created_ms()), (2, DIR_FORMAT, created));
        assert_eq!((view.id_key().unwrap(), view.placement_key()), (Some(key), placement_key));
        assert_eq!(view.read_names().unwrap(), NameTable::new());
        assert_eq!(view.files(1).unwrap(), []);
    }
    // Nobody starts on it meanwhile.
    assert!(matches!(DataDir::open(&path, 2).unwrap_err(), OpenDirError::Locked { .. }));
    drop(views);
    assert_eq!(snapshot(&path), before);
    assert_eq!(std::fs::read(path.join("lock")).unwrap(), lock);
    // A copy without its lock file.
    std::fs::remove_file(path.join("lock")).unwrap();
    drop(DirView::open(&path).unwrap());
    assert!(!path.join("lock").exists());
    drop(DataDir::open(&path, 2).unwrap());
}

/// Few files stay open; what was renamed is not read under its old name once it is forgotten.
#[test]
fn pieces_of_files_are_read_and_forgotten_on_both_drivers() {
    for driver in [DriverType::IoUring, DriverType::Poll] {
        let Some(runtime) = runtime(driver) else { continue };
        let dir = tempfile::tempdir().unwrap();
        let segment = |id: u64| SegmentId(id);
        for id in 1..=4 {
            let octets: Vec<u8> = (0..10_000u32).map(|at| (at / 256) as u8 ^ id as u8).collect();
            std::fs::write(dir.path().join(segment(id).file_name()), octets).unwrap();
        }
        let reader = FileReader::new(dir.path(), 2);
        runtime.block_on(async {
            for id in [1, 2, 3, 4, 1, 1, 4] {
                let read = reader.read(Ask::segment(segment(id), 512, 300)).await.unwrap();
                let expected: Vec<u8> =
                    (512..812u32).map(|at| (at / 256) as u8 ^ id as u8).collect();
                assert_eq!(read, expected);
            }
            let end = reader.read(Ask::segment(segment(1), 9_990, 300)).await.unwrap();
            assert_eq!(end.len(), 10, "the file ends there");
            assert!(reader.read(Ask::segment(segment(1), 20_000, 8)).await.unwrap().is_empty());
            let missing = reader.read(Ask::segment(segment(9), 0, 8)).await.unwrap_err();
            assert!(missing.is_missing(), "{missing}");
            let names = [4, 7].map(|id| dir.path().join(segment(id).file_name()));
            std::fs::rename(&names[0], &names[1]).unwrap();
            reader.forget(FileRef::Segment(segment(4)));
            let gone = reader.read(Ask::segment(segment(4), 0, 8)).await.unwrap_err();
            assert!(gone.is_missing(), "{gone}");
        });
    }
}
