//! Files beside the segments: the same on a real directory and in memory, and what a crash may do
//! to them; searches driven over both. Tests only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::os::unix::fs::PermissionsExt as _;

use common::{Choices, content};
use postrider_storage::io::FileDisk;
use postrider_storage::search::run;
use postrider_storage::{
    Ask, Disk, Fault, FileRef, IndexKind, LogIoError, LogIoErrorKind, LookUpError, MemDisk, Search,
    SearchError, SegmentId, SideFile, Step,
};

const RUN: SideFile = SideFile::Run(IndexKind::Due, 7);
const SLOTS: SideFile = SideFile::Slots(7);

fn write<D: Disk>(disk: &mut D, file: SideFile, bytes: &[u8]) -> Result<(), LogIoError> {
    let mut chunks = bytes.chunks(3_000).peekable();
    disk.write_side(file, &mut |_, out| {
        assert!(out.is_empty());
        out.extend_from_slice(chunks.next().unwrap_or_default());
        Ok(chunks.peek().is_some())
    })
}

fn read<D: Disk>(disk: &mut D, file: SideFile) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 64 * 1024];
    match disk.read_side(file, 0, &mut bytes) {
        Ok(len) => {
            bytes.truncate(len);
            Some(bytes)
        }
        Err(error) => {
            assert!(error.is_missing(), "{error}");
            None
        }
    }
}

fn listed<D: Disk>(disk: &mut D) -> Vec<(SideFile, u64)> {
    let mut files = disk.list_side().unwrap();
    files.sort_unstable();
    files
}

/// What every disk does.
fn contract<D: Disk>(disk: &mut D) {
    assert_eq!(listed(disk), []);
    assert_eq!(read(disk, RUN), None);
    disk.remove_side(RUN).unwrap();
    assert!(disk.update_side(RUN, &[(0, b"x")]).unwrap_err().is_missing());

    let bytes = content(1, 10_000);
    write(disk, RUN, &bytes).unwrap();
    write(disk, SLOTS, &[]).unwrap();
    assert_eq!(listed(disk), [(SLOTS, 0), (RUN, 10_000)]);
    assert_eq!(read(disk, RUN), Some(bytes.clone()));
    let mut tail = [0; 100];
    assert_eq!(disk.read_side(RUN, 9_960, &mut tail).unwrap(), 40);
    assert_eq!(tail[..40], bytes[9_960..]);
    assert_eq!(disk.read_side(RUN, 1 << 40, &mut tail).unwrap(), 0);

    let mut expected = bytes;
    expected[10..14].copy_from_slice(b"here");
    expected[9_996..].copy_from_slice(b"last");
    disk.update_side(RUN, &[(9_996, b"last"), (10, b"here")]).unwrap();
    assert_eq!(read(disk, RUN).as_ref(), Some(&expected));
    let error = disk.update_side(RUN, &[(0, b"no"), (9_997, b"over")]).unwrap_err();
    assert!(!error.is_missing() && error.kind == LogIoErrorKind::Io, "{error}");
    assert_eq!(read(disk, RUN), Some(expected), "nothing of it was done");

    let other = content(2, 200);
    write(disk, RUN, &other).unwrap();
    // What is written may be made of what is read meanwhile, from the file replaced too.
    let mut at = 0;
    disk.write_side(RUN, &mut |disk, out| {
        out.resize(50, 0);
        let read = disk.read_side(RUN, at, out)?;
        at += 50;
        Ok(read == 50 && at < 200)
    })
    .unwrap();
    assert_eq!(read(disk, RUN), Some(other.clone()));
    let stopped = LogIoError { kind: LogIoErrorKind::Io, what: "enough".into(), code: None };
    let mut calls = 0;
    let error = disk.write_side(RUN, &mut |_, out| {
        out.extend_from_slice(b"new");
        calls += 1;
        if calls == 2 { Err(stopped.clone()) } else { Ok(true) }
    });
    assert_eq!(error, Err(stopped));
    assert_eq!(read(disk, RUN), Some(other), "the writer stopped: the file is as it was");
    disk.sync().unwrap();
    disk.remove_side(RUN).unwrap();
    assert_eq!(listed(disk), [(SLOTS, 0)]);
    assert_eq!(disk.list().unwrap(), [], "no segments");
    disk.remove_side(SLOTS).unwrap();
}

#[test]
fn every_disk_keeps_the_same_contract() {
    contract(&mut MemDisk::new());
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path();
    let mut disk = FileDisk::new(dir, true);
    contract(&mut disk);
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0, "nothing is left behind");

    write(&mut disk, RUN, b"run").unwrap();
    let path = dir.join("run-due-0000000000000007.idx");
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    // What was being made when the process stopped goes; what is not ours stays.
    std::fs::write(dir.join("run-due-0000000000000008.idx.tmp"), b"half").unwrap();
    std::fs::write(dir.join("run-due-8.idx"), b"not ours").unwrap();
    disk.sync().unwrap();
    assert_eq!(listed(&mut disk), [(RUN, 3)]);
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), 2);
    // A device on which every write fails as on a full disk: the file stays as it was.
    std::os::unix::fs::symlink("/dev/full", dir.join("run-due-0000000000000007.idx.tmp")).unwrap();
    let error = write(&mut disk, RUN, &content(1, 9_000)).unwrap_err();
    assert_eq!(error.kind, LogIoErrorKind::Full, "{error}");
    assert_eq!(read(&mut disk, RUN).unwrap(), b"run");
}

/// A chore of three changes.
fn work(disk: &mut MemDisk) -> Result<(), LogIoError> {
    write(disk, RUN, &[2; 2_000])?;
    disk.update_side(SLOTS, &[(100, &[4; 1_000]), (3_000, &[4; 500])])?;
    disk.remove_side(SideFile::Checkpoint(1))
}

fn before_work() -> MemDisk {
    let mut disk = MemDisk::new();
    write(&mut disk, RUN, &[1; 1_000]).unwrap();
    write(&mut disk, SLOTS, &[3; 4_096]).unwrap();
    write(&mut disk, SideFile::Checkpoint(1), b"checkpoint").unwrap();
    disk
}

/// How far the work is done: 0 to 3, and whether the slots are torn.
fn progress(disk: &mut MemDisk) -> (u32, bool) {
    let run = read(disk, RUN).unwrap();
    let slots = read(disk, SLOTS).unwrap();
    let checkpoint = read(disk, SideFile::Checkpoint(1));
    assert!(run == [1; 1_000] || run == [2; 2_000], "whole or not at all");
    assert_eq!(slots.len(), 4_096);
    let inside = |at: usize| (100..1_100).contains(&at) || (3_000..3_500).contains(&at);
    for (at, byte) in slots.iter().enumerate() {
        assert!(*byte == 3 || inside(at) && [4, 0xa5].contains(byte), "byte {at}");
    }
    let new = slots.iter().enumerate().filter(|(at, byte)| inside(*at) && **byte == 4).count();
    let old = slots.iter().all(|byte| *byte == 3);
    let torn = !old && new < 1_500;
    let done = [run.len() == 2_000, new == 1_500, checkpoint.is_none()];
    let first = done.iter().take_while(|done| **done).count() as u32;
    let later = done.iter().skip(first as usize).any(|done| *done);
    assert!(!later && (!torn || first == 1), "a change is durable before the next begins");
    (first, torn)
}

#[test]
fn a_crash_keeps_a_first_part_of_work_that_was_not_completed() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..400 {
        let mut disk = before_work();
        let (_, done) = disk.begin_side(work);
        done.unwrap();
        assert_eq!(progress(&mut disk), (3, false), "seen at once");
        let mut choices = Choices(seed);
        disk.crash(&mut |below| choices.next(below));
        seen.insert(progress(&mut disk));
    }
    let all = [(0, false), (1, false), (1, true), (2, false), (3, false)];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn completed_work_survives_beside_other_work_under_way() {
    for choice in [0, 1] {
        let mut disk = before_work();
        let (first, done) = disk.begin_side(|disk| write(disk, RUN, b"first"));
        done.unwrap();
        let (second, done) = disk.begin_side(|disk| disk.remove_side(SideFile::Checkpoint(1)));
        done.unwrap();
        assert_ne!(first, second);
        disk.complete_side(first);
        // Of the other work no change was done for sure; the next one was (0) or was not (1).
        let mut choices = [0, choice].into_iter();
        disk.crash(&mut |_| choices.next().unwrap());
        assert_eq!(read(&mut disk, RUN).unwrap(), b"first");
        assert_eq!(read(&mut disk, SideFile::Checkpoint(1)).is_some(), choice == 1);
    }
}

#[test]
fn a_change_that_failed_may_have_been_made_all_the_same() {
    let mut outcomes = std::collections::BTreeSet::new();
    for nth in 1..=3 {
        for seed in 0..40 {
            let mut disk = before_work();
            disk.plan_fault(Some(Fault { nth, forever: false, kind: LogIoErrorKind::Io }));
            work(&mut disk).unwrap_err();
            assert_eq!(progress(&mut disk), (nth as u32 - 1, false));
            let mut choices = Choices(seed);
            disk.crash(&mut |below| choices.next(below));
            outcomes.insert((nth, progress(&mut disk)));
            work(&mut disk).unwrap();
            assert_eq!(progress(&mut disk), (3, false), "doing it again is harmless");
        }
    }
    let expected =
        [(1, (0, false)), (1, (1, false)), (2, (1, true)), (3, (2, false)), (3, (3, false))];
    assert!(expected.iter().all(|outcome| outcomes.contains(outcome)), "{outcomes:?}");
}

/// Follows a chain: the first byte of a file says how many bytes to read next.
struct Chain {
    file: FileRef,
    asked: usize,
}

impl Search for Chain {
    type Found = Vec<u8>;

    fn next(&mut self, answer: Option<&[u8]>) -> Step<Vec<u8>> {
        self.asked += 1;
        match answer {
            None => Step::Read(Ask { file: self.file, offset: 0, len: 1 }),
            Some([]) => Step::Done(Err(SearchError::Damaged(self.file))),
            Some([len]) if self.asked == 2 => {
                Step::Read(Ask { file: self.file, offset: 1, len: u32::from(*len) })
            }
            Some(bytes) => Step::Done(Ok(bytes.to_vec())),
        }
    }
}

#[test]
fn a_search_is_driven_to_its_end() {
    let mut disk = MemDisk::new();
    let find = |disk: &mut MemDisk, file| run(Chain { file, asked: 0 }, disk);
    let side = FileRef::Side(RUN);
    assert_eq!(find(&mut disk, side), Err(LookUpError::Search(SearchError::Gone)));
    write(&mut disk, RUN, &[]).unwrap();
    assert_eq!(find(&mut disk, side), Err(SearchError::Damaged(side).into()));
    write(&mut disk, RUN, b"\x03abcdef").unwrap();
    assert_eq!(find(&mut disk, side), Ok(b"abc".to_vec()));
    write(&mut disk, RUN, b"\xffabc").unwrap();
    assert_eq!(find(&mut disk, side), Ok(b"abc".to_vec()), "short at the end of the file");
    let segment = FileRef::Segment(SegmentId(1));
    assert_eq!(find(&mut disk, segment), Err(LookUpError::Search(SearchError::Gone)));
    *disk.bytes_mut(SegmentId(1)) = b"\x02xyz".to_vec();
    assert_eq!(find(&mut disk, segment), Ok(b"xy".to_vec()));
    disk.plan_fault(Some(Fault { nth: 2, forever: false, kind: LogIoErrorKind::Io }));
    assert!(matches!(find(&mut disk, segment), Err(LookUpError::Io(_))));
}
