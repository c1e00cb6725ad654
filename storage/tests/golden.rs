//! Logs written by releases of this format: each must stay readable, and as long as the format and
//! its records are the same, today's bytes must be those of the newest. Tests only.
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
use postrider_storage::{
    Asked, CARRIED_RECYCLED, FORMAT, InboundRecord, MemDisk, Record, SegmentId, Urgency,
};

/// The first release: kinds 1 to 7, all at version 1.
const FIRST: &str = "format-1.log";
/// With version 2 of accepted, and kinds 8 to 11.
const SECOND: &str = "format-1-kinds-11.log";
/// With a check in the frame of every record, version 2 of carried, and kinds 12 to 14.
const THIRD: &str = "format-2.log";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// One record of every kind that the first release knew, with every field different.
fn first_records(asked: Asked<'static>, from: u64, reason: u8) -> Vec<Record<'static>> {
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
            asked,
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
        Record::Carried { sequence: 13, from, reason, state: b"opaque \x00\xff" },
        Record::Mark {
            at_ms: 1_790_000_004_000,
            next_sequence: 0x0102_0304_0506_0709,
            clean: true,
        },
    ]
}

/// What was asked for since version 2 of accepted, with every field different.
fn asked() -> Asked<'static> {
    Asked {
        due_ms: 1_790_086_400_000,
        group: 0xffee_ddcc_bbaa_9988_7766_5544_3322_1100,
        origin: 1,
        options: 2,
        registered_delivery: 17,
        protocol_id: 64,
        priority: 3,
        data_coding: 245,
        udh: b"\x05\x00\x03\x2a\x02\x01",
        service_type: b"CMT",
        source_ton_npi: [5, 0],
        dest_ton_npi: [1, 8],
    }
}

/// The records of the second release; the mark, as in every orderly end, comes last.
fn second_records() -> Vec<Record<'static>> {
    let mut records = first_records(asked(), 0, CARRIED_RECYCLED);
    let mark = records.pop();
    records.extend(kinds_8_to_11());
    records.extend(mark);
    records
}

/// One record of every kind of today.
fn records() -> Vec<Record<'static>> {
    let mut records = first_records(asked(), 0x0000_0002_1000_0040, 2);
    let mark = records.pop();
    records.extend(kinds_8_to_11());
    records.extend(kinds_12_to_14());
    records.extend(kinds_16_to_17());
    records.extend(mark);
    records
}

fn kinds_12_to_14() -> [Record<'static>; 3] {
    [
        Record::Closed {
            sequence: 0x0102_0304_0506_0708,
            at_ms: 1_790_000_009_000,
            status: 5,
            records: b"\x40\0\0\x10\0\0\0\0\x80\x01\0\x20\0\0\0\0",
        },
        Record::Erased {
            at_ms: 1_790_000_010_000,
            scope: 1,
            hash: 0x1021_3243_5465_7687_98a9_bacb_dced_fe0f,
            customer: 14,
            until_ms: 1_790_000_009_999,
        },
        Record::Epoch { at_ms: 1_790_000_011_000, epoch: 3, shards: 515 },
    ]
}

fn kinds_16_to_17() -> [Record<'static>; 2] {
    [
        Record::Redacted { sequence: 0x0102_0304_0506_0708, at_ms: 1_790_000_012_000 },
        Record::OptOut {
            customer: 15,
            hash: 0x0f1e_2d3c_4b5a_6978_8796_a5b4_c3d2_e1f0,
            at_ms: 1_790_000_013_000,
            on: true,
        },
    ]
}

fn kinds_8_to_11() -> [Record<'static>; 4] {
    [
        Record::Replaced {
            sequence: 0x0102_0304_0506_0708,
            at_ms: 1_790_000_005_000,
            encoding: 1,
            parts: 2,
            reference: 772,
            due_ms: 1_790_086_500_000,
            valid_until_ms: 1_790_172_900_000,
            registered_delivery: 18,
            options: 3,
            body: b"Another text",
        },
        Record::CustomerReceipt {
            sequence: 0x0102_0304_0506_0708,
            receipt: 4,
            attempt: 515,
            at_ms: 1_790_000_006_000,
            next_ms: 1_790_000_066_000,
            outcome: 6,
            status: 0x14,
        },
        Record::Inbound(InboundRecord {
            inbound: 0x0807_0605_0403_0201,
            carrier: 11,
            customer: 12,
            at_ms: 1_790_000_007_000,
            source: b"46701740606",
            dest: b"72346",
            source_ton_npi: [1, 9],
            dest_ton_npi: [3, 10],
            data_coding: 8,
            esm_class: 0x40,
            protocol_id: 57,
            reference: 0x1234,
            width: 16,
            total: 5,
            number: 4,
            udh: b"\x06\x08\x04\x12\x34\x05\x04",
            body: b"\x00H\x00i",
        }),
        Record::InboundClosed {
            inbound: 0x0807_0605_0403_0201,
            at_ms: 1_790_000_008_000,
            outcome: 7,
        },
    ]
}

/// The first segment's bytes up to the end of its last batch: one batch of three records, one of
/// the rest.
fn written_today() -> Vec<u8> {
    let mut disk = MemDisk::new();
    let (mut log, ..) = open(&mut disk).unwrap();
    let records = records();
    for (nth, record) in records.iter().enumerate() {
        log.append(record, Urgency::Waited, Duration::from_millis(nth as u64));
        if nth == 2 || nth + 1 == records.len() {
            common::settle(&mut log, &mut disk, Duration::from_millis(nth as u64));
        }
    }
    let end = batches(&disk, SegmentId(1)).last().map(|batch| batch.offset + batch.padded);
    disk.bytes(SegmentId(1)).unwrap()[..end.unwrap()].to_vec()
}

fn reads_as(name: &str, records: &[Record<'static>]) {
    let mut disk = MemDisk::new();
    *disk.bytes_mut(SegmentId(1)) = std::fs::read(path(name)).unwrap();
    let (log, recovery, seen) = open(&mut disk).unwrap();
    // The log's own mark comes before them.
    let all = records.len() as u64 + 1;
    assert_eq!((recovery.records, recovery.batches, recovery.clean), (all, 2, true), "{name}");
    assert_eq!((recovery.quarantined.len(), recovery.notes.len(), recovery.cut_bytes), (0, 0, 0));
    assert_eq!(recovery.next_sequence, 0x0102_0304_0506_0709, "{name}");
    assert_eq!(log.durable().0, all, "{name}");
    let expected: Vec<_> = records.iter().map(encoded).collect();
    let seen: Vec<_> = seen.into_iter().skip(1).map(|(_, _, bytes)| bytes).collect();
    assert_eq!(seen, expected, "{name}");
}

#[test]
fn every_release_of_the_format_stays_readable() {
    if std::env::var_os("POSTRIDER_WRITE_GOLDEN").is_some() {
        std::fs::write(path(THIRD), written_today()).unwrap();
    }
    reads_as(FIRST, &first_records(Asked::default(), 0, CARRIED_RECYCLED));
    reads_as(SECOND, &second_records());
    reads_as(THIRD, &records());
}

#[test]
fn this_release_writes_exactly_the_golden_bytes() {
    assert_eq!(FORMAT, 2, "a new format needs a golden file of its own beside these");
    let (today, golden) = (written_today(), std::fs::read(path(THIRD)).unwrap());
    let differs = today.iter().zip(&golden).position(|(today, golden)| today != golden);
    assert_eq!((differs, today.len()), (None, golden.len()), "the first byte that differs");
}
