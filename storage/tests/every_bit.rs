//! T6, all of it: each of the 524,288 bits of a sealed segment of 64 KiB flipped, one by one. Every
//! flip is detected, only the batch that it touches is lost, what follows is replayed, and the
//! place is named. Tests only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::time::Duration;

use common::{Placed, WALL_MS, batches, carried, config, content, open, settle};
use postrider_storage::{Disk as _, Log, MemDisk, Record, Recovery, Replayed, SegmentId, Urgency};

const SEALED: SegmentId = SegmentId(1);
const BYTES: usize = 64 * 1024;

/// A log whose first segment is sealed and full: 64 KiB of batches of one to four blocks and of one
/// to five records, with little padding and with much. A short second segment follows.
struct Sealed {
    disk: MemDisk,
    placed: Vec<Placed>,
    /// Every record by its number, from 1: the messages' content; `None` for a mark.
    records: Vec<Option<Vec<u8>>>,
}

/// Appends a batch of records of these sizes.
fn batch(log: &mut Log, disk: &mut MemDisk, records: &mut Vec<Option<Vec<u8>>>, sizes: &[usize]) {
    for size in sizes {
        let sequence = records.len() as u64 + 1;
        let state = content(sequence, *size);
        let appended = log.append(&carried(sequence, &state), Urgency::Lazy, Duration::ZERO);
        records.resize(appended.lsn.0 as usize - 1, None);
        records.push(Some(state));
    }
    settle(log, disk, Duration::from_secs(1));
}

fn sealed() -> Sealed {
    let mut disk = MemDisk::new();
    let (mut log, ..) = open(&mut disk).unwrap();
    settle(&mut log, &mut disk, Duration::ZERO);
    let mut records = Vec::new();
    let batches_of: [&[usize]; 8] = [
        &[700],
        &[300, 12, 0, 90, 3_400],
        &[7_900],
        &[1_200, 1_300, 1_250],
        &[5_000],
        &[40, 40, 15_900],
        &[3_000, 3_000],
        &[2_000],
    ];
    for sizes in batches_of.into_iter().cycle() {
        let used: usize = batches(&disk, SEALED).iter().map(|batch| batch.padded).sum();
        let next = (sizes.iter().sum::<usize>() + 64 + 40 * (sizes.len() + 1)).div_ceil(4096);
        if used + next * 4096 > BYTES {
            batch(&mut log, &mut disk, &mut records, &[100]);
        } else {
            batch(&mut log, &mut disk, &mut records, sizes);
        }
        if used + 4096 >= BYTES {
            break;
        }
    }
    // What no batch has used goes: with its end reached, the segment is sealed by the next batch.
    disk.bytes_mut(SEALED).truncate(BYTES);
    disk.remove(SegmentId(2)).unwrap();
    let (mut log, ..) = open(&mut disk).unwrap();
    settle(&mut log, &mut disk, Duration::ZERO);
    batch(&mut log, &mut disk, &mut records, &[500, 600]);
    disk.remove(SegmentId(3)).unwrap();
    disk.bytes_mut(SegmentId(2)).truncate(4_096);
    let placed = batches(&disk, SEALED);
    assert_eq!(placed.iter().map(|batch| batch.padded).sum::<usize>(), BYTES);
    assert!(placed.len() > 8);
    Sealed { disk, placed, records }
}

impl Sealed {
    /// Opens the log; returns what it says, and which records came, all with their own content.
    fn recover(&mut self, came: &mut Vec<u64>) -> Recovery {
        came.clear();
        let records = &self.records;
        let mut replay = |Replayed { lsn, record, .. }: Replayed<'_>| {
            let expected = &records[lsn.0 as usize - 1];
            match expected {
                Some(expected) => {
                    assert!(matches!(record, Record::Carried { state, .. } if state == expected));
                }
                None => assert!(matches!(record, Record::Mark { .. })),
            }
            came.push(lsn.0);
        };
        Log::open(&mut self.disk, config(), Duration::ZERO, WALL_MS, &mut replay).unwrap().1
    }

    /// Flips every bit of these bytes of the segment, one by one.
    fn flip_all(&mut self, bytes: &[usize]) {
        let (file, mut came) = (SEALED.file_name(), Vec::new());
        for at in bytes.iter().copied() {
            let hit = self.placed.iter().find(|b| (b.offset..b.offset + b.padded).contains(&at));
            let hit = hit.unwrap().clone();
            let in_padding = at >= hit.offset + hit.used;
            for bit in 0..8 {
                self.disk.bytes_mut(SEALED)[at] ^= 1 << bit;
                let recovery = self.recover(&mut came);
                let all = 1..=self.records.len() as u64;
                let lost = |lsn: &u64| !in_padding && hit.lsns.contains(lsn);
                assert!(all.filter(|lsn| !lost(lsn)).eq(came.iter().copied()), "{at} bit {bit}");
                if in_padding {
                    assert!(recovery.quarantined.is_empty());
                    let place = recovery.notes[0].place.as_ref().unwrap();
                    assert_eq!((place.0.as_str(), place.1), (file.as_str(), hit.offset as u64));
                } else {
                    let [(named, offset, _)] = &recovery.quarantined[..] else {
                        panic!("byte {at} bit {bit}: {:?}", recovery.quarantined);
                    };
                    assert_eq!((named, *offset), (&file, hit.offset as u64));
                    let aside = &self.disk.quarantined()[&(SEALED, hit.offset as u64)];
                    assert_eq!(aside.len(), hit.padded);
                }
                assert_eq!(recovery.cut_bytes, 0);
                self.disk.bytes_mut(SEALED)[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_64_kib_is_detected_and_costs_one_batch_at_most() {
    let whole = sealed();
    let mut check = Sealed { disk: whole.disk.clone(), ..sealed() };
    let mut came = Vec::new();
    let recovery = check.recover(&mut came);
    assert_eq!(came.len(), whole.records.len());
    assert!(recovery.quarantined.is_empty() && recovery.notes.is_empty());
    let bytes: Vec<usize> = (0..whole.disk.bytes(SEALED).unwrap().len()).collect();
    common::on_all_cores(&bytes, |bytes| sealed().flip_all(bytes));
}
