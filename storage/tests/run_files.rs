//! Files of runs: long ones, searches while runs are merged under them, what a merge leaves out,
//! damage of every sort. Tests only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;
#[path = "common/runs.rs"]
mod house;

use std::time::Duration;

use common::Choices;
use house::House;
use postrider_storage::runs::{
    MergeRule, Row, RunCheck, RunConfig, RunRange, RunSet, RunState, check,
};
use postrider_storage::search::run;
use postrider_storage::{
    Disk as _, Fault, FileRef, IndexKind, LogIoErrorKind, LookUpError, Lsn, MemDisk, Position,
    Search, SearchError, SegmentId, SideFile, Step,
};

const HOUR: Duration = Duration::from_secs(3_600);

fn config() -> RunConfig {
    RunConfig { memory_rows: 1_000, merge_after: HOUR, runs: 4, slice_rows: 3_000 }
}

fn spread(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Reads of a search, and what it found.
fn counted<S: Search>(mut search: S, disk: &mut MemDisk) -> (u64, S::Found) {
    let mut reads = 0;
    let mut step = search.next(None);
    loop {
        match step {
            Step::Done(found) => return (reads, found.unwrap()),
            Step::Read(ask) => {
                reads += 1;
                let answer = read(disk, &ask);
                step = search.next(Some(&answer));
            }
        }
    }
}

fn read(disk: &mut MemDisk, ask: &postrider_storage::Ask) -> Vec<u8> {
    let FileRef::Side(file) = ask.file else { panic!("{ask:?}") };
    let mut bytes = vec![0; ask.len as usize];
    let len = disk.read_side(file, ask.offset, &mut bytes).unwrap();
    assert_eq!(len, bytes.len(), "a search knows how long its files are");
    bytes
}

/// Many pages and slices; first keys with few, many and thousands of rows.
fn crowded(kind: IndexKind) -> House {
    let mut house = House::new(kind, config());
    let mut choices = Choices(7);
    for n in 1..=12_000_u64 {
        let k1 = match n % 4 {
            0 => 5,
            1 => 100 + n % 90,
            _ => spread(n) | 1 << 20,
        };
        house.put(k1, n, n + 1);
        if n % 5 == 0 {
            let gone = choices.next(n as usize) as u64;
            house.delete((5, gone / 4 * 4));
        }
        if n % 700 == 0 {
            house.settle();
        }
        if n % 5_000 == 0 {
            house.now += HOUR;
        }
    }
    house
}

#[test]
fn long_runs_answer_as_a_map_does() {
    for kind in [IndexKind::Receipts, IndexKind::Backlog] {
        let mut house = crowded(kind);
        house.agrees(64);
        house.agrees(3_000);
        house.settle();
        house.now += HOUR;
        house.settle();
        assert_eq!(house.set.stats().runs, 1);
        assert!(house.set.stats().files > 2, "{:?}", house.set.stats());
        house.agrees(500);
        house.keep_checkpoint();
        house.reopen();
        house.agrees(500);
    }
}

#[test]
fn a_search_is_not_disturbed_by_what_follows() {
    let mut house = crowded(IndexKind::Backlog);
    house.settle();
    let expected = house.range(0, u64::MAX, usize::MAX);
    let mut search = house.set.range(0, u64::MAX, None, usize::MAX);
    let mut step = search.next(None);
    let files = house.set.stats().files;
    let mut turns = 0;
    let found = loop {
        match step {
            Step::Done(found) => break found.unwrap(),
            Step::Read(ask) => {
                // Everything changes between two reads: new rows, deletions, merges, removals.
                turns += 1;
                house.put(turns, 1, 1);
                house.delete((5, turns * 4));
                house.set.flush();
                house.now += HOUR;
                house.settle();
                step = search.next(Some(&read(&mut house.disk, &ask)));
            }
        }
    };
    assert!(turns > 4);
    assert_eq!(found.rows, expected);
    // Its files were kept for it, and go with it.
    let kept = house.disk.list_side().unwrap().len();
    assert!(kept > files, "{kept} files");
    drop(search);
    house.settle();
    assert_eq!(house.disk.list_side().unwrap().len(), house.set.stats().files);
    assert!(house.disk.list_side().unwrap().len() <= files);
    house.agrees(400);
}

#[test]
fn a_range_ends_after_a_bounded_number_of_reads() {
    let config = RunConfig { memory_rows: 60_000, slice_rows: 1 << 20, ..config() };
    let mut house = House::new(IndexKind::Due, config);
    for n in 0..50_000 {
        house.put(n, 1, 1);
    }
    house.set.flush();
    house.settle();
    for n in 0..49_990 {
        house.delete((n, 1));
    }
    house.set.flush();
    house.settle();
    // Ten rows behind fifty thousand deleted ones, in pages of 170, in two runs.
    let (mut after, mut asked, mut searches) = (None, 0, 0);
    let rows = loop {
        let search = house.set.range(0, u64::MAX, after, 1);
        let (reads, found) = counted(search, &mut house.disk);
        assert!(reads <= 256, "{reads} reads");
        asked += reads;
        searches += 1;
        if !found.rows.is_empty() {
            break found.rows;
        }
        after = Some(found.next.unwrap());
    };
    assert_eq!(rows, [Row { k1: 49_990, k2: 1, v: 1 }]);
    println!("{asked} reads in {searches} searches");
    assert!(searches > 1);
}

#[test]
fn a_merge_leaves_out_what_is_deleted_or_past() {
    let at = |segment| Position { segment: SegmentId(segment), offset: 64 }.pack();
    let mut house = House::new(IndexKind::Due, config());
    for n in 0..300_u64 {
        // Bits above a position are the owner's.
        house.put(n, 1_000 - n, at(1 + n % 10) | (n % 16) << Position::BITS);
    }
    house.set.flush();
    house.settle();
    for n in 0..300 {
        if n % 3 == 0 {
            house.delete((n, 1_000 - n));
        }
    }
    house.set.flush();
    house.settle();
    assert_eq!(house.set.stats().rows, 400, "deletions are rows until everything is merged");
    house.set.set_rule(MergeRule { k1_from: 50, k2_from: 760, segment_from: SegmentId(4) });
    house.now += HOUR;
    house.settle();
    let left = |n: &u64| !n.is_multiple_of(3) && *n >= 50 && 1_000 - *n >= 760 && 1 + *n % 10 >= 4;
    let expected: Vec<u64> = (0..300).filter(left).collect();
    let found: Vec<u64> = house.range(0, 300, 1_000).iter().map(|row| row.k1).collect();
    assert_eq!(found, expected);
    assert_eq!(house.set.stats().rows, expected.len() as u64);
    // The same rule again: nothing to do; a new one: the only run is written once more.
    house.now += HOUR;
    assert!(!house.chore(true));
    assert!(house.set.poll_timeout().is_none());
    house.set.set_rule(MergeRule { k1_from: u64::MAX, ..MergeRule::KEEP });
    assert_eq!(house.set.poll_timeout(), Some(house.now));
    house.settle();
    assert_eq!((house.set.stats().rows, house.set.stats().runs), (0, 1));
}

#[test]
fn deleting_what_never_went_to_disk_costs_nothing() {
    let mut house = House::new(IndexKind::Receipts, config());
    for n in 0..900 {
        house.put(spread(n), n, 1);
    }
    house.set.flush();
    house.settle();
    for n in 10_000..10_900 {
        house.put(spread(n), n, 1);
        house.delete((spread(n), n));
    }
    // But for the few that a filter is wrong about.
    assert!(house.set.stats().memory_rows < 30, "{:?}", house.set.stats());
}

fn all_runs(disk: &mut MemDisk) -> Vec<SideFile> {
    let mut files: Vec<SideFile> =
        disk.list_side().unwrap().into_iter().map(|(file, _)| file).collect();
    files.sort_unstable();
    files
}

/// A set of three runs: one of two slices, and two small ones.
fn three_runs() -> House {
    let mut house = House::new(IndexKind::Receipts, config());
    for row in three_runs_rows() {
        let Row { k1, k2: n, v } = row;
        house.put(k1, n, v);
        if n == 3_999 {
            house.set.flush();
            house.settle();
            house.now += HOUR;
            house.settle();
        }
        if n >= 4_000 && n % 20 == 0 {
            house.set.flush();
            house.settle();
        }
    }
    house.set.flush();
    house.settle();
    assert_eq!(house.set.stats().runs, 3);
    house.keep_checkpoint();
    house
}

fn open(disk: &mut MemDisk, known: RunState) -> (RunSet, Vec<SideFile>) {
    RunSet::open(disk, IndexKind::Receipts, config(), known, HOUR).unwrap()
}

fn checked(disk: &mut MemDisk, file: SideFile) -> RunCheck {
    let SideFile::Run(kind, number) = file else { panic!("{file}") };
    let len = disk.side_bytes(file).unwrap().len() as u64;
    check(disk, kind, number, len).unwrap()
}

#[test]
fn a_check_tells_what_a_file_is() {
    let mut house = three_runs();
    let files = all_runs(&mut house.disk);
    let checks: Vec<_> = files
        .iter()
        .map(|file| match checked(&mut house.disk, *file) {
            RunCheck::Intact(run) => (run.rows, run.generations, run.oldest, run.slice),
            RunCheck::Damaged { offset } => panic!("{file}: {offset:?}"),
        })
        .collect();
    let expected = [
        (3_000, (1, 2), true, (0, false)),
        (1_001, (1, 2), true, (1, true)),
        (20, (3, 3), false, (0, true)),
        (19, (4, 4), false, (0, true)),
    ];
    assert_eq!(checks, expected);
    house.disk.side_bytes_mut(files[0]).unwrap()[9_000] ^= 1;
    let damage = RunCheck::Damaged { offset: Some(8_192) };
    assert_eq!(checked(&mut house.disk, files[0]), damage);
}

/// No bit of a file can change without being noticed: at opening, or when its page is read.
#[test]
fn damage_is_never_an_answer() {
    let house = three_runs();
    let model = house.model();
    let state = house.checkpoint;
    let files = all_runs(&mut house.disk.clone());
    let mut choices = Choices(11);
    for (nth, file) in files.iter().enumerate() {
        let len = house.disk.side_bytes(*file).unwrap().len();
        for case in 0..60 {
            let mut disk = house.disk.clone();
            let bytes = disk.side_bytes_mut(*file).unwrap();
            match case {
                0 => bytes.clear(),
                1 => bytes.truncate(len - 1),
                2 => bytes.truncate(len / 2),
                3 => bytes.push(0),
                4 => bytes.fill(0),
                5 => bytes.fill(0xff),
                _ => bytes[choices.next(len)] ^= 1 << choices.next(8),
            }
            assert!(matches!(checked(&mut disk, *file), RunCheck::Damaged { .. }), "{file} {case}");
            let (set, damaged) = open(&mut disk, state);
            if damaged.is_empty() {
                let found = run(set.range(0, u64::MAX, None, usize::MAX), &mut disk);
                assert_eq!(
                    found,
                    Err(LookUpError::Search(SearchError::Damaged(FileRef::Side(*file)))),
                    "case {case} of {file}"
                );
                continue;
            }
            assert_eq!(damaged, [*file]);
            // What is left is a first part of the log, and says how far it reaches.
            assert!(set.covered() < state.covered);
            assert!(nth > 0 || set.covered() == Lsn(0), "without its oldest run there is no set");
            let found = run(set.range(0, u64::MAX, None, usize::MAX), &mut disk).unwrap();
            let reaches = model.iter().filter(|(_, v)| **v <= set.covered().0).count();
            assert_eq!(found.rows.len(), reaches, "case {case} of {file}");
        }
    }
}

#[test]
fn lost_files_are_noticed() {
    let house = three_runs();
    for file in all_runs(&mut house.disk.clone()) {
        let mut disk = house.disk.clone();
        disk.remove_side(file).unwrap();
        let (set, damaged) = open(&mut disk, house.checkpoint);
        assert_eq!(damaged, []);
        assert!(set.covered() < house.checkpoint.covered, "without {file}");
    }
    let (set, _) = open(&mut MemDisk::new(), house.checkpoint);
    assert_eq!(set.covered(), Lsn(0));
}

/// Two files of the same length that changed places, and pages within a file.
#[test]
fn what_lies_in_a_wrong_place_is_damage() {
    let house = three_runs();
    let files = all_runs(&mut house.disk.clone());
    let mut disk = house.disk.clone();
    let first = disk.side_bytes(files[1]).unwrap().to_vec();
    let second = disk.side_bytes(files[2]).unwrap().to_vec();
    *disk.side_bytes_mut(files[1]).unwrap() = second;
    *disk.side_bytes_mut(files[2]).unwrap() = first;
    let (_, damaged) = open(&mut disk, house.checkpoint);
    assert_eq!(damaged, [files[1], files[2]]);

    let mut disk = house.disk.clone();
    let pages = disk.side_bytes_mut(files[0]).unwrap();
    pages.copy_within(4_096..8_192, 0);
    let (set, damaged) = open(&mut disk, house.checkpoint);
    assert_eq!(damaged, []);
    assert!(run(set.range(0, u64::MAX, None, usize::MAX), &mut disk).is_err());
}

#[test]
fn a_merge_that_meets_damage_says_so_and_the_set_begins_anew() {
    let mut house = three_runs();
    let files = all_runs(&mut house.disk);
    house.disk.side_bytes_mut(files[0]).unwrap()[5_000] ^= 1;
    house.now += HOUR;
    while house.chore(true) {}
    assert_eq!(house.set.damaged(), Some(files[0]));
    assert!(house.set.has_room(), "memory is empty");
    house.set.discard();
    assert_eq!((house.set.damaged(), house.set.covered()), (None, Lsn(0)));
    for event in house.log.clone() {
        house.apply(event);
    }
    house.agrees(100);
    house.set.flush();
    house.settle();
    house.agrees(100);
    house.keep_checkpoint();
    house.reopen();
    house.agrees(100);
    assert!(all_runs(&mut house.disk).iter().all(|file| !files.contains(file)), "old files go");
}

/// A set emptied while a chore is under way does not take what that chore has made.
#[test]
fn a_set_may_be_emptied_at_any_time() {
    for chores in 0..12 {
        let mut house = three_runs();
        for n in 5_000..5_010 {
            house.put(spread(n), n, n + 1);
        }
        house.durable = house.log.len();
        house.set.flush();
        house.now += HOUR;
        for _ in 0..chores {
            house.chore(true);
        }
        let end = Lsn(house.log.len() as u64);
        let chore = house.set.poll_chore(house.now, end, end);
        house.set.discard();
        if let Some(chore) = chore {
            let done = chore.run(&mut house.disk);
            house.set.handle_chore(house.now, done);
        }
        for event in house.log.clone() {
            house.apply(event);
        }
        house.settle();
        house.agrees(100);
        house.checkpoint = RunState::default();
        house.reopen();
        house.agrees(100);
        house.settle();
        assert_eq!(all_runs(&mut house.disk).len(), house.set.stats().files);
    }
}

#[test]
fn a_full_disk_is_tried_again_when_the_owner_says_so() {
    let mut house = three_runs();
    house.now += HOUR;
    assert!(house.set.poll_timeout().unwrap() <= house.now);
    let before = all_runs(&mut house.disk);
    let mut failures = 0;
    for nth in 1.. {
        let fault = Fault { nth, forever: true, kind: LogIoErrorKind::Full };
        house.disk.plan_fault(Some(fault));
        while house.chore(true) {}
        if !house.set.full() {
            break;
        }
        failures += 1;
        assert_eq!(house.set.poll_timeout(), None, "no timer turns while nothing can be done");
        house.disk.plan_fault(None);
        house.agrees(100);
        house.set.retry_chores();
    }
    assert!(failures > 4, "{failures}: reads, writes and removals");
    house.disk.plan_fault(None);
    house.agrees(100);
    assert_eq!(house.set.stats().runs, 1);
    assert!(all_runs(&mut house.disk).iter().all(|file| !before.contains(file)));
}

#[test]
fn memory_has_room_again_once_it_is_written() {
    let mut house = House::new(IndexKind::Due, config());
    let mut n = 0;
    while house.set.has_room() {
        house.put(n, 1, 1);
        assert!(house.set.poll_chore(house.now, Lsn(n), Lsn(0)).is_none(), "not durable");
        n += 1;
        assert!(n <= 2_000, "twice the rows of memory");
    }
    house.settle();
    assert!(house.set.has_room());
    assert_eq!(house.set.stats().memory_rows, 0);
}

/// Whatever is in the files, nothing panics and no row comes from a page that is not intact.
#[test]
fn arbitrary_bytes_are_never_a_row() {
    let house = three_runs();
    let files = all_runs(&mut house.disk.clone());
    let mut choices = Choices(3);
    for case in 0..400 {
        let mut disk = house.disk.clone();
        for file in &files {
            let bytes = disk.side_bytes_mut(*file).unwrap();
            let pages = pages(bytes);
            // Garbage in every page, with everything behind them as it was, or garbage alone.
            if case % 2 == 0 {
                for page in 0..pages {
                    for _ in 0..=choices.next(64) {
                        bytes[page * 4_096 + choices.next(4_096)] ^= 1 + choices.next(255) as u8;
                    }
                }
            } else {
                bytes.truncate(choices.next(bytes.len() + 1));
                bytes.iter_mut().for_each(|byte| *byte = choices.next(256) as u8);
            }
        }
        let (mut set, _) = open(&mut disk, house.checkpoint);
        let all: Result<_, LookUpError> = drive(set.range(0, u64::MAX, None, 100), &mut disk);
        assert!(all.is_err() || all.unwrap().is_empty());
        set.set_rule(MergeRule { k1_from: 1, ..MergeRule::KEEP });
        while let Some(chore) = set.poll_chore(HOUR * 3, Lsn(9_000), Lsn(9_000)) {
            set.handle_chore(HOUR * 3, chore.run(&mut disk));
        }
    }
}

/// The same when every checksum is right: what cannot have been written is damage, or rows of some
/// sort, but never a panic, a row out of order or a search without end.
#[test]
fn forged_files_do_no_harm() {
    let house = three_runs();
    let files = all_runs(&mut house.disk.clone());
    let mut choices = Choices(9);
    let (mut refused, mut answered) = (0, 0);
    for case in 0..400 {
        let mut disk = house.disk.clone();
        for file in &files {
            let bytes = disk.side_bytes_mut(*file).unwrap();
            let (pages, len) = (pages(bytes) * 4_096, bytes.len());
            for _ in 0..choices.next(4) {
                // In a row, in the tables, or in the fields of the footer that are not lengths.
                let at = match case % 3 {
                    0 => choices.next(pages) / 4_096 * 4_096 + 12 + choices.next(4_084),
                    1 => pages + choices.next(len - 128 - pages),
                    _ => len - 128 + [7, 16, 24, 32, 40, 56, 60, 64, 72][choices.next(9)],
                };
                bytes[at] ^= 1 << choices.next(8);
            }
            mend(bytes);
        }
        let (mut set, _) = open(&mut disk, house.checkpoint);
        match drive(set.range(0, u64::MAX, None, 10_000), &mut disk) {
            Ok(rows) => {
                answered += 1;
                assert!(rows.is_sorted_by(|a, b| a.key() < b.key()));
            }
            Err(_) => refused += 1,
        }
        for row in three_runs_rows().take(50) {
            drop(run(set.lookup(row.k1), &mut disk));
        }
        while let Some(chore) = set.poll_chore(HOUR * 3, Lsn(9_000), Lsn(9_000)) {
            set.handle_chore(HOUR * 3, chore.run(&mut disk));
        }
    }
    println!("{refused} refused, {answered} answered");
    assert!(refused > 0 && answered > 0);
}

fn three_runs_rows() -> impl Iterator<Item = Row> {
    (0..4_040).map(|n| Row { k1: spread(n), k2: n, v: n + 1 })
}

/// How many pages a file says that it has.
fn pages(bytes: &[u8]) -> usize {
    let at = bytes.len() - 128 + 48;
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// Makes every checksum of a file right.
fn mend(bytes: &mut [u8]) {
    let (footer, pages) = (bytes.len() - 128, pages(bytes));
    let put = |bytes: &mut [u8], at: usize, crc: u32| {
        bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
    };
    for page in 0..pages {
        let at = page * 4_096;
        let crc = crc32c::crc32c(&bytes[at + 4..at + 4_096]);
        put(bytes, at, crc);
    }
    let (index, filter) = (pages * 4_096, pages * 4_112);
    let crcs = (crc32c::crc32c(&bytes[index..filter]), crc32c::crc32c(&bytes[filter..footer]));
    put(bytes, footer + 80, crcs.0);
    put(bytes, footer + 84, crcs.1);
    let crc = crc32c::crc32c(&bytes[footer..footer + 124]);
    put(bytes, footer + 124, crc);
}

fn drive(search: RunRange, disk: &mut MemDisk) -> Result<Vec<Row>, LookUpError> {
    run(search, disk).map(|found| found.rows)
}
