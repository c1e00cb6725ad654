//! The receipt index over a disk in memory: what is found, in how many reads, for how long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use postrider_storage::{IndexKind, Position, SegmentId};

use super::super::disk_tests::Shelf;
use super::*;

const HOUR: Duration = Duration::from_secs(3_600);
const KEY: [u64; 2] = [3, 4];

fn index(planned: usize) -> ReceiptIndex {
    ReceiptIndex::new(planned, HOUR, KEY, Duration::ZERO)
}

fn cold(sequence: u64) -> Cold {
    let offset = u32::try_from(sequence % 1_000_000).unwrap() * 64;
    Cold { sequence, at: Position { segment: SegmentId(1 + sequence / 1_000_000), offset } }
}

#[test]
fn spellings_meet_carriers_do_not_and_no_id_names_nothing() {
    let mut index = index(100);
    let name = index.name(1, b"00AB").unwrap();
    assert_eq!(index.name(1, b"ab"), Some(name));
    assert_ne!(index.name(2, b"ab"), Some(name));
    assert_eq!(index.name(1, b""), None);
    assert!(index.note(HOUR, name, (7, 2)) && index.note(HOUR, name, (8, 254)));
    let parts: Vec<PartKey> = index.parts(name).collect();
    assert_eq!(parts, [(7, 2), (8, 254)]);
}

#[test]
fn parts_of_messages_on_disk_are_found_until_their_end_and_at_their_newest_place() {
    let (index, mut shelf) = (index(100), Shelf::new(IndexKind::Receipts, 8));
    let name = index.name(1, b"a1").unwrap();
    index.file(&mut shelf.runs, name, 0, cold(5));
    index.file(&mut shelf.runs, name, 3, cold(6));
    shelf.work();
    let moved = Cold { at: cold(99).at, ..cold(6) };
    index.file(&mut shelf.runs, name, 3, moved);
    for _ in 0..2 {
        let found = shelf.find(index.lookup(&shelf.runs, name));
        assert_eq!(found, [(0, cold(5)), (3, moved)]);
        shelf.restart();
    }
    index.unfile(&mut shelf.runs, name, (5, 0));
    assert_eq!(shelf.find(index.lookup(&shelf.runs, name)), [(3, moved)]);
    let other = index.name(1, b"a2").unwrap();
    assert_eq!(shelf.find(index.lookup(&shelf.runs, other)), []);
}

#[test]
fn after_71_hours_a_part_is_found_in_one_read() {
    const PER_HOUR: u64 = 10_000;
    let (mut index, mut shelf) = (index(12_000), Shelf::new(IndexKind::Receipts, 2_000));
    let id = |sequence: u64| format!("{sequence:016X}");
    let open = |sequence: u64| sequence % 100 < 3;
    for hour in 0..72 {
        for n in 0..PER_HOUR {
            let sequence = hour * PER_HOUR + n;
            let now =
                HOUR * u32::try_from(hour).unwrap() + HOUR / 10_000 * u32::try_from(n).unwrap();
            let name = index.name(1, id(sequence).as_bytes()).unwrap();
            assert!(index.note(now, name, (sequence, 0)));
            // One in ten has no receipt within half a minute; for three in a hundred none comes.
            if sequence.is_multiple_of(10) || open(sequence) {
                index.file(&mut shelf.runs, name, 0, cold(sequence));
            }
            // The others' come an hour later.
            if let Some(late) = sequence.checked_sub(PER_HOUR).filter(|own| !open(*own)) {
                let name = index.name(1, id(late).as_bytes()).unwrap();
                index.unfile(&mut shelf.runs, name, (late, 0));
            }
        }
        shelf.work();
    }
    let first: Vec<u64> = (0..PER_HOUR).filter(|sequence| open(*sequence)).collect();
    let mut reads: Vec<usize> = Vec::new();
    for sequence in &first {
        let name = index.name(1, id(*sequence).as_bytes()).unwrap();
        assert_eq!(index.parts(name).count(), 0, "its hour is over");
        let (found, pages) = shelf.counted(index.lookup(&shelf.runs, name));
        assert_eq!(found, [(0, cold(*sequence))]);
        reads.push(pages);
    }
    reads.sort_unstable();
    let p99 = reads[reads.len() * 99 / 100];
    let stats = shelf.runs.stats();
    println!(
        "{} parts after 71 h: reads p99 {p99}, most {:?}; {stats:?}",
        reads.len(),
        reads.last()
    );
    assert!(p99 <= 1, "{p99} reads");
    assert!(stats.filter_rates <= 1.0);
    let expected = 72 * PER_HOUR * 3 / 100;
    assert!(stats.rows < expected + PER_HOUR / 2, "closed parts are dropped: {stats:?}");
}

#[test]
fn the_tables_memory_is_taken_at_once_and_bounded() {
    let mut index = index(10_000);
    let bytes = index.bytes();
    assert!(bytes <= 24 * 10_000 + 1_024, "{bytes}");
    for sequence in 0..100_000_u64 {
        let name = index.name(1, &sequence.to_le_bytes()).unwrap();
        index.note(Duration::from_millis(sequence), name, (sequence, 0));
    }
    assert_eq!(index.bytes(), bytes);
    let newest = index.name(1, &99_999_u64.to_le_bytes()).unwrap();
    assert_eq!(index.parts(newest).next(), Some((99_999, 0)));
}
