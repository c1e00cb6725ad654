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

use std::time::Duration;

use common::{FourBatches, Placed, Seen, batches, four_batches, on_all_cores, open, put, settle};
use postrider_storage::{MemDisk, OpenError, SegmentId, repair};

/// An undamaged log, what it replays, and a copy to be damaged again and again.
struct Tail {
    whole: FourBatches,
    all: Seen,
    disk: MemDisk,
}

impl Tail {
    fn new(recycled: bool) -> Self {
        let whole = four_batches(recycled);
        let (.., all) = open(&mut whole.disk.clone()).unwrap();
        let disk = whole.disk.clone();
        Self { whole, all, disk }
    }

    /// The head segment as it was, to be damaged.
    fn head(&mut self) -> &mut Vec<u8> {
        let head = self.disk.bytes_mut(self.whole.head);
        head.clear();
        head.extend_from_slice(self.whole.disk.bytes(self.whole.head).unwrap());
        head
    }

    /// Opens the damaged log; checks that exactly the records before `lsn` are there, unchanged,
    /// that the bytes reported as cut are zero and no others changed, and that the log goes on.
    fn expect_kept(&mut self, lsn: u64, go_on: bool) -> u64 {
        let head = self.whole.head;
        let mut expected = self.disk.bytes(head).unwrap().to_vec();
        let (mut log, recovery, seen) = open(&mut self.disk).unwrap();
        let kept = self.all.iter().take_while(|(_, at, _)| *at < lsn).count();
        assert_eq!(seen, self.all[..kept]);
        assert_eq!(recovery.next_lsn.0, lsn);
        assert!(recovery.quarantined.is_empty());
        let kept = batches(&self.whole.disk, head).into_iter().filter(|b| b.lsns.end <= lsn);
        let end = kept.map(|batch| batch.offset + batch.padded).max().unwrap_or(0);
        let cut = recovery.cut_bytes as usize;
        if cut > 0 {
            expected[end..end + cut].fill(0);
        }
        assert!(self.disk.bytes(head).unwrap() == expected, "other bytes changed than reported");
        if go_on {
            settle(&mut log, &mut self.disk, Duration::ZERO);
            put(&mut log, &mut self.disk, 900, 6_000);
            put(&mut log, &mut self.disk, 901, 100);
            let (_, again, more) = open(&mut self.disk).unwrap();
            assert_eq!(again.cut_bytes, 0);
            assert!(again.quarantined.is_empty() && more.len() >= seen.len() + 2);
            assert_eq!(more[..seen.len()], seen[..]);
            self.disk = self.whole.disk.clone();
        }
        recovery.cut_bytes
    }
}

#[test]
fn truncated_at_every_byte() {
    for recycled in [false, true] {
        let last = four_batches(recycled).last.split_off(1);
        let end = last[2].offset + last[2].padded;
        let cuts: Vec<usize> = (last[0].offset..=end).collect();
        on_all_cores(&cuts, |cuts| {
            let mut tail = Tail::new(recycled);
            for cut in cuts.iter().copied() {
                tail.head().truncate(cut);
                let kept = last.iter().rfind(|batch| batch.offset + batch.used <= cut);
                let lsn = kept.map_or(last[0].lsns.start, |batch| batch.lsns.end);
                let from = kept.map_or(last[0].offset, |batch| batch.offset + batch.padded);
                let reported = tail.expect_kept(lsn, cut % 101 == 0);
                let left = cut.saturating_sub(from);
                // Without the segment's number they could as well be older bytes.
                let told = if recycled && left <= 8 { 0 } else { left };
                assert_eq!(reported as usize, told, "cut at {cut}");
            }
        });
    }
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Zeroed,
    Garbled,
    Duplicated,
    /// What lay there before the file was recycled; in a new file, bytes from elsewhere.
    Stale,
}

impl Damage {
    const ALL: [Self; 4] = [Self::Zeroed, Self::Garbled, Self::Duplicated, Self::Stale];
}

/// Damages `len` bytes of the head segment from `at` on.
fn damage(bytes: &mut [u8], at: usize, len: usize, how: Damage, stale: &[u8]) {
    match how {
        Damage::Zeroed => bytes[at..at + len].fill(0),
        Damage::Garbled => bytes[at..at + len].iter_mut().for_each(|byte| *byte ^= 0x5a),
        Damage::Duplicated => bytes.copy_within(at - len.min(at)..at, at),
        Damage::Stale => bytes[at..at + len].copy_from_slice(&stale[at..at + len]),
    }
}

/// Damages these bytes of one of the last batches, in every way; says how often that was refused.
fn damage_batch(tail: &mut Tail, nth: usize, at: usize, len: usize) -> u32 {
    let placed = tail.whole.last.clone();
    let batch = &placed[nth];
    let recycled = tail.whole.before.iter().any(|byte| *byte != 0);
    let stale = match recycled {
        true => tail.whole.before.clone(),
        false => common::content(77, tail.whole.before.len()),
    };
    let mut refused = 0;
    for how in Damage::ALL {
        let head = tail.head();
        damage(head, at, len, how, &stale);
        let damaged = head.clone();
        let whole = tail.whole.disk.bytes(tail.whole.head).unwrap();
        let used = batch.offset..batch.offset + batch.used;
        if whole[used.clone()] == damaged[used] {
            // Padding carries no record: all are kept, and the damage is named.
            let changed = whole != damaged;
            let (_, recovery, _) = open(&mut tail.disk).unwrap();
            assert_eq!(recovery.notes.len(), usize::from(changed));
            tail.expect_kept(placed[3].lsns.end, true);
        } else if nth == 3 {
            let cut = tail.expect_kept(batch.lsns.start, true);
            // Without its first sector a torn write in a recycled file is not seen, and where
            // nothing has arrived there is nothing to see.
            let left = &damaged[batch.offset..batch.offset + batch.padded];
            let seen = at > batch.offset || !recycled && left.iter().any(|byte| *byte != 0);
            assert!(cut > 0 || !seen, "{how:?} at {at}");
        } else {
            expect_refused(&tail.disk, &tail.all, batch, &placed[nth + 1]);
            refused += 1;
        }
    }
    refused
}

#[test]
fn every_sector_of_the_last_three_batches() {
    let mut refused = 0;
    for recycled in [false, true] {
        let mut tail = Tail::new(recycled);
        for nth in 1..=3 {
            let batch = tail.whole.last[nth].clone();
            for at in (batch.offset..batch.offset + batch.padded).step_by(512) {
                refused += damage_batch(&mut tail, nth, at, 512);
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn the_last_three_batches_as_a_whole() {
    let mut refused = 0;
    for recycled in [false, true] {
        let mut tail = Tail::new(recycled);
        for nth in 1..=3 {
            let batch = tail.whole.last[nth].clone();
            // By blocks of its own and as a whole: stale blocks may begin with an older batch.
            refused += damage_batch(&mut tail, nth, batch.offset, 4_096);
            refused += damage_batch(&mut tail, nth, batch.offset, batch.padded);
        }
    }
    assert!(refused > 20, "{refused}");
}

/// Damage before a complete batch is refused without a change; repair loses only the one batch.
fn expect_refused(disk: &MemDisk, all: &Seen, batch: &Placed, next: &Placed) {
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
    let expected: Seen =
        all.iter().filter(|(_, lsn, _)| !batch.lsns.contains(lsn)).cloned().collect();
    assert_eq!(seen[..seen.len() - 1], expected[..]);
    assert_eq!(recovery.quarantined.len(), 1);
    assert_eq!(recovery.quarantined[0].0, batch.segment.file_name());
    assert_eq!(recovery.quarantined[0].1, batch.offset as u64);
}

#[test]
fn a_torn_first_batch_of_a_new_segment_is_cut() {
    let mut disk = MemDisk::new();
    let (mut log, ..) = open(&mut disk).unwrap();
    settle(&mut log, &mut disk, Duration::ZERO);
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
