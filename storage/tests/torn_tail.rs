//! T5, torn and short tails: every complete synced record is kept, none is invented, and what is
//! cut is what is reported. Tests only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{Placed, batches, four_batches, open, put, settle};
use postrider_storage::{MemDisk, OpenError, SegmentId, repair};

/// Opens `disk`; checks that exactly the records before `lsn` are there, unchanged, that the bytes
/// reported as cut are zero and no others changed, and that the log goes on.
fn expect_kept(disk: &MemDisk, whole: &MemDisk, head: SegmentId, lsn: u64, go_on: bool) -> u64 {
    let mut after = disk.clone();
    let (mut log, recovery, seen) = open(&mut after).unwrap();
    let (.., mut all) = open(&mut whole.clone()).unwrap();
    all.retain(|(_, at, _)| *at < lsn);
    assert_eq!(seen, all);
    assert_eq!(recovery.next_lsn.0, lsn);
    assert!(recovery.quarantined.is_empty());
    let kept = batches(whole, head).into_iter().filter(|batch| batch.lsns.end <= lsn);
    let end = kept.map(|batch| batch.offset + batch.padded).max().unwrap_or(0);
    let cut = recovery.cut_bytes as usize;
    let mut expected = disk.bytes(head).unwrap().to_vec();
    if cut > 0 {
        expected[end..end + cut].fill(0);
    }
    assert!(after.bytes(head).unwrap() == expected, "other bytes changed than were reported");
    if go_on {
        settle(&mut log, &mut after, std::time::Duration::ZERO);
        put(&mut log, &mut after, 900, 6_000);
        put(&mut log, &mut after, 901, 100);
        let (_, again, more) = open(&mut after).unwrap();
        assert_eq!(again.cut_bytes, 0);
        assert!(again.quarantined.is_empty() && more.len() >= seen.len() + 2);
        assert_eq!(more[..seen.len()], seen[..]);
    }
    recovery.cut_bytes
}

#[test]
fn truncated_at_every_byte() {
    for recycled in [false, true] {
        let (whole, head, last) = four_batches(recycled);
        let last = &last[1..];
        let end = last[2].offset + last[2].padded;
        let step = if recycled { 13 } else { 1 };
        for cut in (last[0].offset..=end).step_by(step) {
            let mut disk = whole.clone();
            disk.bytes_mut(head).truncate(cut);
            let kept: Vec<_> =
                last.iter().filter(|batch| batch.offset + batch.used <= cut).collect();
            let lsn = kept.last().map_or(last[0].lsns.start, |batch| batch.lsns.end);
            let from = kept.last().map_or(last[0].offset, |batch| batch.offset + batch.padded);
            let reported = expect_kept(&disk, &whole, head, lsn, cut % 101 == 0);
            assert_eq!(reported as usize, cut.saturating_sub(from), "cut at {cut}");
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Zeroed,
    Garbled,
    Duplicated,
    Stale,
}

/// Damages one sector of the head segment; says whether a byte has changed in what a batch uses,
/// and whether any has.
fn damage(
    disk: &mut MemDisk,
    head: SegmentId,
    batch: &Placed,
    at: usize,
    how: Damage,
) -> (bool, bool) {
    let stale = common::content(77, 512);
    let bytes = disk.bytes_mut(head);
    let old = bytes.clone();
    for offset in at..at + 512 {
        bytes[offset] = match how {
            Damage::Zeroed => 0,
            Damage::Garbled => bytes[offset] ^ 0x5a,
            Damage::Duplicated => old[offset - 512],
            Damage::Stale => stale[offset - at],
        };
    }
    let used = batch.offset..batch.offset + batch.used;
    (old[used.clone()] != bytes[used], old != *bytes)
}

#[test]
fn every_sector_of_the_last_three_batches() {
    let mut refused = 0;
    for recycled in [false, true] {
        let (whole, head, placed) = four_batches(recycled);
        for (nth, batch) in placed.iter().enumerate().skip(1) {
            for at in (batch.offset..batch.offset + batch.padded).step_by(512) {
                for how in [Damage::Zeroed, Damage::Garbled, Damage::Duplicated, Damage::Stale] {
                    let mut disk = whole.clone();
                    let (hurt, changed) = damage(&mut disk, head, batch, at, how);
                    if !hurt {
                        // Padding carries no record: all are kept, and the damage is named.
                        expect_kept(&disk, &whole, head, placed[3].lsns.end, true);
                        let (_, recovery, _) = open(&mut disk).unwrap();
                        assert_eq!(recovery.notes.len(), usize::from(changed));
                    } else if nth == 3 {
                        let cut = expect_kept(&disk, &whole, head, batch.lsns.start, true);
                        // Without its first sector a torn write in a recycled file is not seen.
                        let seen = !recycled || at > batch.offset;
                        assert!(cut > 0 || !seen, "{how:?} at {at}");
                    } else {
                        expect_refused(&disk, &whole, batch, &placed[nth + 1]);
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(refused > 50);
}

/// Damage before a complete batch is refused without a change; repair loses only the one batch.
fn expect_refused(disk: &MemDisk, whole: &MemDisk, batch: &Placed, next: &Placed) {
    let mut disk = disk.clone();
    let before = disk.bytes(batch.segment).unwrap().to_vec();
    match open(&mut disk) {
        Err(OpenError::Corrupt { file, offset, valid_at, .. }) => {
            assert_eq!(file, batch.segment.file_name());
            assert_eq!((offset, valid_at), (batch.offset as u64, next.offset as u64));
        }
        other => panic!("{:?}", other.map(|(_, recovery, _)| recovery)),
    }
    assert_eq!(disk.bytes(batch.segment).unwrap(), before);
    let done = repair(&mut disk, &common::config(), common::WALL_MS).unwrap();
    assert!(done.began.is_some());
    assert_eq!(disk.bytes(batch.segment).unwrap(), before, "the damaged segment stays");
    let aside = disk.quarantined().get(&(batch.segment, batch.offset as u64)).unwrap();
    assert_eq!(aside[..], before[batch.offset..next.offset]);
    let (_, recovery, seen) = open(&mut disk).unwrap();
    let (.., all) = open(&mut whole.clone()).unwrap();
    let expected: Vec<_> =
        all.into_iter().filter(|(_, lsn, _)| !batch.lsns.contains(lsn)).collect();
    assert_eq!(seen[..seen.len() - 1], expected[..]);
    assert_eq!(recovery.quarantined.len(), 1);
    assert_eq!(recovery.quarantined[0].0, batch.segment.file_name());
    assert_eq!(recovery.quarantined[0].1, batch.offset as u64);
}

#[test]
fn a_torn_first_batch_of_a_new_segment_is_cut() {
    let mut disk = MemDisk::new();
    let (mut log, ..) = open(&mut disk).unwrap();
    settle(&mut log, &mut disk, std::time::Duration::ZERO);
    let next = common::fill_up_to(&mut log, &mut disk, SegmentId(2), 1);
    let whole = disk.clone();
    let first = batches(&disk, SegmentId(2))[0].clone();
    assert_eq!((next > 20, first.offset), (true, 0));
    for sector in (0..first.used).step_by(512) {
        let mut disk = whole.clone();
        disk.bytes_mut(SegmentId(2))[sector..sector + 512].fill(0);
        let (mut log, recovery, seen) = open(&mut disk).unwrap();
        assert!(recovery.cut_bytes > 0 && recovery.quarantined.is_empty());
        assert_eq!(seen.last().unwrap().1 + 1, first.lsns.start);
        assert_eq!(log.head_segment(), SegmentId(1));
        assert!(disk.bytes(SegmentId(2)).unwrap().iter().all(|byte| *byte == 0));
        put(&mut log, &mut disk, 500, 9_000);
        put(&mut log, &mut disk, 501, 9_000);
        let (_, recovery, seen) = open(&mut disk).unwrap();
        assert_eq!((recovery.cut_bytes, recovery.quarantined.len()), (0, 0));
        assert_eq!(recovery.next_sequence, 502);
        assert!(seen.len() > 20);
    }
}
