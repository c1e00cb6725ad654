//! Erasure on real files: whatever a stop leaves of an exchange, the next start finishes it, and the
//! old file's bytes are overwritten before they are given back. Tests only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;
#[path = "erase/world.rs"]
mod world;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postrider_storage::erase;
use postrider_storage::io::FileDisk;
use postrider_storage::{Disk as _, Log, SegmentFile, SegmentId};
use world::{Plan, World, config, drive, erase_all, open};

/// Every byte of every file in the directory and below it.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    files
}

/// Names in the directory that are neither segments nor a folder.
fn others(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| SegmentId::from_file_name(name).is_none()).collect()
}

struct Stage {
    dir: tempfile::TempDir,
    disk: FileDisk,
    world: World,
    plan: Plan,
    log: Log,
}

fn stage() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let mut disk = FileDisk::new(dir.path(), true);
    let (mut log, ..) = open(&mut disk).unwrap();
    let mut world = World::new(21);
    world.fill(&mut log, &mut disk, 400);
    let plan = world.plan(&[1, 4], &[], &[]);
    Stage { dir, disk, world, plan, log }
}

#[test]
fn nothing_of_an_erased_recipient_is_in_any_file() {
    let Stage { dir, mut disk, world, plan, mut log } = stage();
    assert!(world.finds(&plan, &files(dir.path())).len() > 10);
    let recipients_file = dir.path().join("quarantine/seg-0000000000000001.log.000000000000.bad");
    std::fs::create_dir(recipients_file.parent().unwrap()).unwrap();
    std::fs::write(&recipients_file, &plan.needles[0]).unwrap();
    let damaged = File::open(&recipients_file).unwrap();
    // The bytes themselves, whatever becomes of their names.
    let mut before = Vec::new();
    for file in disk.list().unwrap() {
        before.push(File::open(dir.path().join(file.id.file_name())).unwrap());
    }
    let done = erase_all(&mut log, &mut disk, &mut plan.erasing.clone()).unwrap();
    assert!(done.records > 20);
    world.check_gone(&plan, &files(dir.path()));
    let bytes_of = |segment: SegmentId| std::fs::read(dir.path().join(segment.file_name())).ok();
    world.check_records(&plan, bytes_of);
    before.push(damaged);
    for (nth, file) in before.iter().enumerate() {
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        world.check_gone(&plan, &[(format!("what was file {nth}"), bytes)]);
    }
    assert_eq!(others(dir.path()), ["quarantine"]);
    let (_, recovery, seen) = open(&mut disk).unwrap();
    assert_eq!((recovery.quarantined.len(), recovery.notes.len()), (0, 0));
    world.check_replay(&seen);
}

/// A segment with something to erase, and what it becomes.
fn one_segment(stage: &mut Stage) -> (PathBuf, Vec<u8>, Vec<u8>) {
    let Stage { dir, disk, plan, log, .. } = stage;
    let mut erasing = plan.erasing.clone();
    let mut sealed: Vec<SegmentFile> = disk.list().unwrap();
    sealed.retain(|file| log.is_sealed(file.id));
    let file = *sealed.iter().max_by_key(|file| file.id).unwrap();
    let path = dir.path().join(file.id.file_name());
    let old = std::fs::read(&path).unwrap();
    let prepared = erase::prepare(disk, config().shard, file, &mut erasing).unwrap();
    assert!(prepared.records > 0 && std::fs::read(&path).unwrap() == old);
    let new = std::fs::read(with(&path, ".tmp")).unwrap();
    assert_eq!(new.len(), old.len());
    (path, old, new)
}

fn with(path: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", path.display()))
}

/// What a broken-off exchange left behind, and how to make it.
type Step<'a> = (&'a str, &'a dyn Fn(&Path));

#[test]
fn what_a_stop_leaves_of_an_exchange_is_finished_at_the_next_start() {
    let steps: [Step<'_>; 6] = [
        ("prepared", &|_| {}),
        ("begun", &|path| std::fs::rename(with(path, ".tmp"), with(path, ".new")).unwrap()),
        ("aside", &|path| std::fs::rename(path, with(path, ".old")).unwrap()),
        ("renamed", &|path| std::fs::rename(with(path, ".new"), path).unwrap()),
        ("half wiped", &|path| {
            let old = File::options().write(true).open(with(path, ".old")).unwrap();
            old.write_all_at(&[0; 100_000], 0).unwrap();
        }),
        ("removed", &|path| std::fs::remove_file(with(path, ".old")).unwrap()),
    ];
    for last in 0..steps.len() {
        let mut stage = stage();
        let (path, old, new) = one_segment(&mut stage);
        let file = File::open(&path).unwrap();
        for (_, step) in &steps[..=last] {
            step(&path);
        }
        let Stage { dir, mut disk, world, .. } = stage;
        let (mut log, recovery, seen) = open(&mut disk).unwrap();
        let name = steps[last].0;
        assert_eq!((recovery.quarantined.len(), recovery.notes.len()), (0, 0), "{name}");
        world.check_replay(&seen);
        assert_eq!(others(dir.path()), [""; 0], "{name}");
        let now = std::fs::read(&path).unwrap();
        assert!(now == if last == 0 { old } else { new }, "{name}");
        if (1..steps.len() - 1).contains(&last) {
            let mut bytes = vec![1; file.metadata().unwrap().len() as usize];
            file.read_exact_at(&mut bytes, 0).unwrap();
            assert!(bytes.iter().all(|byte| *byte == 0), "{name}: the old bytes are zero");
        }
        drive(&mut log, &mut disk);
    }
}

#[test]
fn a_released_file_of_another_size_is_overwritten_before_it_is_removed() {
    let Stage { dir, mut disk, log, .. } = stage();
    let oldest = log.oldest_segment();
    drop(log);
    let file = File::open(dir.path().join(oldest.file_name())).unwrap();
    let larger = postrider_storage::LogConfig { segment_bytes: 512 * 1024, ..config() };
    let nothing = &mut |_: postrider_storage::Replayed<'_>| {};
    let (mut log, _) = Log::open(&mut disk, larger.clone(), Duration::ZERO, 1, nothing).unwrap();
    log.wipe_up_to(log.head_segment());
    log.roll(Duration::ZERO);
    log.release_before(SegmentId(oldest.0 + 1));
    for _ in 0..9 {
        while let Some(chore) = log.poll_chore() {
            let done = chore.run(&mut disk, larger.segment_bytes);
            log.handle_chore(chore, done);
        }
        if let Some(write) = log.poll_write(Duration::ZERO) {
            let done = disk.write_sync(write.segment, write.offset, write.blocks.as_bytes());
            log.handle_written(Duration::ZERO, write, done);
        }
    }
    assert!(log.oldest_segment() > oldest && log.poisoned().is_none());
    assert!(!dir.path().join(oldest.file_name()).exists());
    let mut bytes = vec![1; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 0));
    assert_eq!(others(dir.path()), [""; 0]);
}
