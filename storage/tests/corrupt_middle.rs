//! T6, damage in sealed segments: always detected, only what is touched is lost, all that follows
//! is replayed, nothing is removed. Tests only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::time::Duration;

use common::{Placed, Seen, batches, config, open, put, settle};
use postrider_storage::{
    Disk, MemDisk, Observer, OpenError, Replayed, SeenBatch, SegmentId, inspect,
};

const SEALED: SegmentId = SegmentId(1);

/// Two sealed segments and a head; the batches of the first.
fn three_segments() -> (MemDisk, Vec<Placed>, Seen) {
    let mut disk = MemDisk::new();
    let (mut log, ..) = open(&mut disk).unwrap();
    settle(&mut log, &mut disk, Duration::ZERO);
    common::fill_up_to(&mut log, &mut disk, SegmentId(3), 1);
    put(&mut log, &mut disk, 1_000, 300);
    let (_, recovery, all) = open(&mut disk).unwrap();
    assert!(recovery.quarantined.is_empty() && recovery.notes.is_empty());
    let placed = batches(&disk, SEALED);
    assert!(placed.len() > 10);
    (disk, placed, all)
}

fn without(all: &Seen, lost: &[&Placed]) -> Seen {
    let is_lost = |lsn: &u64| lost.iter().any(|batch| batch.lsns.contains(lsn));
    all.iter().filter(|(_, lsn, _)| !is_lost(lsn)).cloned().collect()
}

/// Flips one bit and checks detection, loss and naming.
fn flip(disk: &mut MemDisk, placed: &[Placed], all: &Seen, at: usize, bit: u8) {
    disk.bytes_mut(SEALED)[at] ^= 1 << bit;
    let (_, recovery, seen) = open(disk).unwrap();
    let hit = placed.iter().find(|b| (b.offset..b.offset + b.padded).contains(&at)).unwrap();
    assert_eq!(recovery.cut_bytes, 0);
    if at < hit.offset + hit.used {
        assert_eq!(seen, without(all, &[hit]), "byte {at} bit {bit}");
        let [(file, offset, why)] = &recovery.quarantined[..] else {
            panic!("byte {at} bit {bit}: {:?}", recovery.quarantined);
        };
        assert_eq!((file, *offset), (&SEALED.file_name(), hit.offset as u64));
        assert!(!why.is_empty());
        assert!(disk.quarantined().contains_key(&(SEALED, hit.offset as u64)));
    } else {
        assert_eq!(&seen, all, "padding carries no record");
        assert!(recovery.quarantined.is_empty());
        assert_eq!(recovery.notes.len(), 1, "{:?}", recovery.notes);
    }
    disk.bytes_mut(SEALED)[at] ^= 1 << bit;
}

#[test]
fn flipped_bits_sample() {
    let (mut disk, placed, all) = three_segments();
    // Every bit of three headers: the first, a middle and the last batch of the segment.
    for batch in [&placed[0], &placed[5], &placed[placed.len() - 1]] {
        for at in batch.offset..batch.offset + 64 {
            for bit in 0..8 {
                flip(&mut disk, &placed, &all, at, bit);
            }
        }
    }
    let end = placed.last().map(|batch| batch.offset + batch.padded).unwrap();
    for (turn, at) in (0..end).step_by(149).enumerate() {
        flip(&mut disk, &placed, &all, at, (turn % 8) as u8);
    }
}

#[test]
fn whole_blocks_garbled_or_lost() {
    let (whole, placed, all) = three_segments();
    for block in 0..placed.last().map(|b| (b.offset + b.padded) / 4096).unwrap() {
        for fill in [0, 0xff] {
            let mut disk = whole.clone();
            let at = block * 4096;
            disk.bytes_mut(SEALED)[at..at + 4096].fill(fill);
            let hit =
                placed.iter().find(|b| (b.offset..b.offset + b.padded).contains(&at)).unwrap();
            let (_, recovery, seen) = open(&mut disk).unwrap();
            assert_eq!(seen, without(&all, &[hit]));
            assert_eq!(recovery.quarantined.len(), 1);
        }
    }
}

#[test]
fn swapped_and_misdirected_batches_are_seen() {
    let (whole, placed, all) = three_segments();
    let (a, b) = (&placed[3], &placed[6]);
    assert_eq!(a.padded, b.padded);
    let mut disk = whole.clone();
    let bytes = disk.bytes_mut(SEALED);
    for at in 0..a.padded {
        bytes.swap(a.offset + at, b.offset + at);
    }
    let (_, recovery, seen) = open(&mut disk).unwrap();
    assert_eq!(seen, without(&all, &[a, b]));
    assert_eq!(recovery.quarantined.len(), 2);

    let mut disk = whole;
    let bytes = disk.bytes_mut(SEALED);
    bytes.copy_within(b.offset..b.offset + b.padded, a.offset);
    let (_, recovery, seen) = open(&mut disk).unwrap();
    assert_eq!(seen, without(&all, &[a]));
    assert_eq!(recovery.quarantined.len(), 1);
}

#[test]
fn missing_and_emptied_segments_are_named() {
    let (whole, _, all) = three_segments();
    let rest: Seen = all.iter().filter(|(id, ..)| *id != SegmentId(2)).cloned().collect();
    for how in 0..3 {
        let mut disk = whole.clone();
        match how {
            0 => Disk::remove(&mut disk, SegmentId(2)).unwrap(),
            1 => disk.bytes_mut(SegmentId(2)).fill(0),
            _ => disk.bytes_mut(SegmentId(2)).clear(),
        }
        let (_, recovery, seen) = open(&mut disk).unwrap();
        assert_eq!(seen, rest);
        assert_eq!(recovery.quarantined.len(), 1, "{:?}", recovery.quarantined);
        assert_eq!(recovery.quarantined[0].0, SegmentId(2).file_name());
    }
}

#[test]
fn swapped_segments_are_refused_unchanged() {
    let (whole, ..) = three_segments();
    for (a, b) in [(1, 2), (2, 3), (1, 3)] {
        let mut disk = whole.clone();
        let (a, b) = (SegmentId(a), SegmentId(b));
        let first = std::mem::take(disk.bytes_mut(a));
        let second = std::mem::replace(disk.bytes_mut(b), first);
        *disk.bytes_mut(a) = second;
        let before = disk.clone();
        let error = open(&mut disk).map(|(_, recovery, _)| recovery).unwrap_err();
        assert!(matches!(error, OpenError::Misplaced { .. }), "{error}");
        for id in [SegmentId(1), SegmentId(2), SegmentId(3)] {
            assert_eq!(disk.bytes(id), before.bytes(id));
        }
    }
}

#[test]
fn another_shards_log_is_refused_unchanged() {
    let (whole, ..) = three_segments();
    let mut disk = whole.clone();
    let other = postrider_storage::LogConfig { shard: 4, ..config() };
    let opened = postrider_storage::Log::open(&mut disk, other, Duration::ZERO, 0, &mut |_| {});
    let error = opened.map(|(_, recovery)| recovery).unwrap_err();
    assert!(error.to_string().contains("shard 3"), "{error}");
    for id in [SegmentId(1), SegmentId(2), SegmentId(3)] {
        assert_eq!(disk.bytes(id), whole.bytes(id));
    }
}

#[test]
fn a_newer_format_is_refused_and_damage_is_not_taken_for_one() {
    let (mut disk, placed, _) = three_segments();
    let batch = &placed[2];
    let bytes = disk.bytes_mut(SEALED);
    bytes[batch.offset + 4] = 3;
    let (head, payload) = (
        &bytes[batch.offset..batch.offset + 60],
        &bytes[batch.offset + 64..batch.offset + batch.used],
    );
    let crc = crc32c::crc32c_append(crc32c::crc32c(head), payload);
    bytes[batch.offset + 60..batch.offset + 64].copy_from_slice(&crc.to_le_bytes());
    let error = open(&mut disk).map(|(_, recovery, _)| recovery).unwrap_err();
    assert!(matches!(error, OpenError::Format { found: 3, supported: 2, .. }), "{error}");
    assert!(error.to_string().contains(&SEALED.file_name()));
}

#[test]
fn inspection_reports_without_changing_anything() {
    let (whole, placed, all) = three_segments();
    let mut disk = whole;
    disk.bytes_mut(SEALED)[placed[4].offset + 100] ^= 1;
    let head = batches(&disk, SegmentId(3));
    disk.bytes_mut(SegmentId(3))[head[0].offset + 70] ^= 1;
    let before = disk.clone();
    let mut seen = 0;
    let report = inspect(&mut disk, &config(), &mut |_: Replayed<'_>| seen += 1).unwrap();
    assert_eq!(report.quarantined.len(), 2);
    assert_eq!(seen, without(&all, &[&placed[4], &head[0]]).len());
    assert!(disk.quarantined().is_empty());
    for id in [SegmentId(1), SegmentId(2), SegmentId(3)] {
        assert_eq!(disk.bytes(id), before.bytes(id));
    }
}

#[derive(Default)]
struct Watcher {
    batches: Vec<SeenBatch>,
    /// Records by the batch that was shown before them.
    records: Vec<u32>,
}

impl<D: Disk> Observer<D> for Watcher {
    fn batch(&mut self, batch: SeenBatch) {
        self.batches.push(batch);
        self.records.push(0);
    }

    fn record(&mut self, record: Replayed<'_>) {
        let batch = self.batches.last().unwrap();
        let within = batch.offset..batch.offset + batch.used;
        assert_eq!(record.at.segment, batch.segment);
        assert!(within.contains(&u64::from(record.at.offset)));
        *self.records.last_mut().unwrap() += 1;
    }
}

#[test]
fn inspection_shows_every_intact_batch_before_its_records() {
    let (mut disk, placed, _) = three_segments();
    let mut watcher = Watcher::default();
    inspect(&mut disk, &config(), &mut watcher).unwrap();
    let expected = [1, 2, 3].into_iter().flat_map(|id| batches(&disk, SegmentId(id)));
    let place =
        |segment: SegmentId, offset: u64, used: u64, padding: u64| (segment, offset, used, padding);
    let expected: Vec<_> = expected
        .map(|own| {
            let (offset, used, padded) = (own.offset as u64, own.used as u64, own.padded as u64);
            place(own.segment, offset, used, padded - used)
        })
        .collect();
    let seen = watcher.batches.iter();
    let seen: Vec<_> =
        seen.map(|own| place(own.segment, own.offset, own.used, own.padding)).collect();
    assert_eq!(seen, expected);
    let said: Vec<u32> = watcher.batches.iter().map(|batch| batch.records).collect();
    assert_eq!(watcher.records, said);
    assert!(watcher.batches.iter().all(|batch| batch.wall_ms >= common::WALL_MS));
    disk.bytes_mut(SEALED)[placed[4].offset + 100] ^= 1;
    let mut again = Watcher::default();
    inspect(&mut disk, &config(), &mut again).unwrap();
    assert_eq!(again.batches.len(), expected.len() - 1, "a damaged batch is not shown");
}
