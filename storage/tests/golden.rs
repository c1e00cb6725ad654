//! A log written by the first release of this format: it must stay readable, and as long as the
//! format is the same, today's bytes must be those bytes. Tests only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::path::PathBuf;
use std::time::Duration;

use common::{batches, encoded, open};
use postrider_storage::{FORMAT, MemDisk, Record, SegmentId, Urgency};

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-1.log")
}

/// One record of every kind, with every field different.
fn records() -> Vec<Record<'static>> {
    vec![
        Record::Accepted {
            sequence: 0x0102_0304_0506_0708,
            partition: 4_095,
            customer: 7,
            to: 46_701_740_605,
            sender: b"Postrider",
            body: "H\u{e9}llo \u{1f4ee}".as_bytes(),
            webhook_url: b"https://example.com/events",
            client_reference: b"order-17",
            encoding: 2,
            parts: 1,
            reference: 258,
            accepted_ms: 1_790_000_000_123,
            valid_until_ms: 1_790_172_800_123,
            id: 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
        },
        Record::Part {
            sequence: 0x0102_0304_0506_0708,
            part: 3,
            event: 4,
            carrier: 5,
            status: 0x58,
            at_ms: 1_790_000_000_456,
            detail: b"4f1a9c",
            attempt: 2,
        },
        Record::Webhook {
            sequence: 0x0102_0304_0506_0708,
            attempt: 6,
            at_ms: 1_790_000_001_000,
            next_ms: 1_790_000_301_000,
            outcome: 8,
            status: 503,
        },
        Record::Orphan {
            orphan: 9,
            carrier: 10,
            at_ms: 1_790_000_002_000,
            source: b"46701740605",
            dest: b"72345",
            carrier_message_id: b"77AA01",
            state: 11,
            error: b"000",
        },
        Record::OrphanClosed { orphan: 9, at_ms: 1_790_000_003_000, outcome: 12 },
        Record::Carried { sequence: 13, state: b"opaque \x00\xff" },
        Record::Mark {
            at_ms: 1_790_000_004_000,
            next_sequence: 0x0102_0304_0506_0709,
            clean: true,
        },
    ]
}

/// The first segment's bytes up to the end of its last batch: one batch of three records, one of
/// the rest.
fn written_today() -> Vec<u8> {
    let mut disk = MemDisk::new();
    let (mut log, ..) = open(&mut disk).unwrap();
    for (nth, record) in records().iter().enumerate() {
        log.append(record, Urgency::Waited, Duration::from_millis(nth as u64));
        if nth == 2 || nth == 6 {
            common::settle(&mut log, &mut disk, Duration::from_millis(nth as u64));
        }
    }
    let end = batches(&disk, SegmentId(1)).last().map(|batch| batch.offset + batch.padded);
    disk.bytes(SegmentId(1)).unwrap()[..end.unwrap()].to_vec()
}

#[test]
fn the_first_format_stays_readable() {
    if std::env::var_os("POSTRIDER_WRITE_GOLDEN").is_some() {
        std::fs::write(path(), written_today()).unwrap();
    }
    let mut disk = MemDisk::new();
    *disk.bytes_mut(SegmentId(1)) = std::fs::read(path()).unwrap();
    let (log, recovery, seen) = open(&mut disk).unwrap();
    assert_eq!((recovery.records, recovery.batches, recovery.clean), (8, 2, true));
    assert_eq!((recovery.quarantined.len(), recovery.notes.len(), recovery.cut_bytes), (0, 0, 0));
    assert_eq!(recovery.next_sequence, 0x0102_0304_0506_0709);
    assert_eq!(log.durable().0, 8);
    let expected: Vec<_> = records().iter().map(encoded).collect();
    let seen: Vec<_> = seen.into_iter().skip(1).map(|(_, _, bytes)| bytes).collect();
    assert_eq!(seen, expected);
}

#[test]
fn this_release_writes_exactly_the_golden_bytes() {
    assert_eq!(FORMAT, 1, "a new format needs a golden file of its own beside this one");
    let (today, golden) = (written_today(), std::fs::read(path()).unwrap());
    let differs = today.iter().zip(&golden).position(|(today, golden)| today != golden);
    assert_eq!((differs, today.len()), (None, golden.len()), "the first byte that differs");
}
