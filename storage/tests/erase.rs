//! Erasure on random logs: nothing personal of whom is meant is left in any file, everybody else's
//! records are the same byte for byte, and every record keeps its place and its number; also when any
//! step fails. Tests only.
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

use std::time::Duration;

use common::{Choices, batches, encoded, settle};
use postrider_storage::erase::{self, Erasing, recipient_hash};
use postrider_storage::{
    Chore, Disk as _, Fault, FileRef, LogIoErrorKind, Lsn, MemDisk, OpenError, REDACTED, Record,
    SegmentId, inspect,
};
use proptest::prelude::*;
use world::{KEY, Plan, World, config, customer, erase_all, numbers, open, recipient};

const ZERO: Duration = Duration::ZERO;

/// Every byte of every file.
fn files(disk: &mut MemDisk) -> Vec<(String, Vec<u8>)> {
    let ids = disk.list().unwrap();
    let mut files = Vec::new();
    for file in ids {
        files.push((FileRef::Segment(file.id).to_string(), disk.bytes(file.id).unwrap().to_vec()));
        files.extend(disk.old_bytes(file.id).map(|bytes| ("old".to_owned(), bytes.to_vec())));
    }
    files.extend(disk.quarantined().iter().map(|(id, bytes)| (format!("{id:?}"), bytes.clone())));
    files
}

/// The log that an erasure went over, against what was written.
fn check(world: &World, disk: &mut MemDisk, plan: &Plan) {
    world.check_gone(plan, &files(disk));
    world.check_records(plan, |segment| disk.bytes(segment).map(<[u8]>::to_vec));
    let (_, recovery, seen) = open(disk).unwrap();
    assert_eq!((recovery.quarantined.len(), &recovery.notes), (0, &Vec::new()));
    assert!(seen.windows(2).all(|pair| pair[0].1 + 1 == pair[1].1), "no number is missing");
    world.check_replay(&seen);
}

/// Erases of a random log; returns how many strings had to go.
fn whole(seed: u64, recipients: &[usize], customers: &[u32], messages: &[usize]) -> usize {
    let mut disk = MemDisk::new();
    let (mut log, ..) = open(&mut disk).unwrap();
    let mut world = World::new(seed);
    world.fill(&mut log, &mut disk, 700);
    let plan = world.plan(recipients, customers, messages);
    assert!(world.finds(&plan, &files(&mut disk)).len() >= plan.needles.len());
    let done = erase_all(&mut log, &mut disk, &mut plan.erasing.clone()).unwrap();
    assert!(done.records > 0 || plan.needles.is_empty());
    check(&world, &mut disk, &plan);
    let again = erase_all(&mut log, &mut disk, &mut plan.erasing.clone()).unwrap();
    assert_eq!(again.bytes_dropped, 0);
    assert!(again.records <= world.without_number(&plan), "nothing is left to do: {again:?}");
    // The log goes on, and recycles what was rewritten.
    world.forget(&plan);
    world.fill(&mut log, &mut disk, 200);
    world.check_gone(&plan, &files(&mut disk));
    let (_, recovery, _) = open(&mut disk).unwrap();
    assert_eq!((recovery.quarantined.len(), recovery.notes.len()), (0, 0));
    plan.needles.len()
}

#[test]
fn an_erased_recipient_is_in_no_file_any_more() {
    assert!(whole(1, &[3], &[], &[]) > 100);
    assert!(whole(2, &[0, 5], &[], &[]) > 200);
}

#[test]
fn an_erased_customer_is_in_no_file_any_more() {
    assert!(whole(3, &[], &[2], &[]) > 200);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_erasure_leaves_nothing_of_whom_is_meant_and_all_of_the_others(
        seed: u64,
        recipients in prop::collection::vec(0..world::RECIPIENTS, 0..3),
        customers in prop::collection::vec(1u32..4, 0..2),
        message in 0usize..50,
    ) {
        whole(seed, &recipients, &customers, &[message, message + 1]);
    }
}

#[test]
fn any_step_may_fail_and_the_next_start_goes_on() {
    let mut disk = MemDisk::new();
    let (mut log, ..) = open(&mut disk).unwrap();
    let mut world = World::new(7);
    world.fill(&mut log, &mut disk, 400);
    let plan = world.plan(&[1], &[3], &[]);
    let mut quiet = disk.clone();
    quiet.plan_fault(None);
    let (mut log, ..) = open(&mut quiet).unwrap();
    erase_all(&mut log, &mut quiet, &mut plan.erasing.clone()).unwrap();
    let operations = quiet.operations();
    assert!(operations > 40, "{operations}");
    let mut failed = 0;
    for nth in 1..=operations {
        for (forever, kind) in [(false, LogIoErrorKind::Io), (true, LogIoErrorKind::Full)] {
            let mut disk = disk.clone();
            disk.plan_fault(Some(Fault { nth, forever, kind }));
            if let Ok((mut log, ..)) = open(&mut disk) {
                let done = erase_all(&mut log, &mut disk, &mut plan.erasing.clone());
                failed += u64::from(done.is_err());
            }
            let mut choices = Choices(nth * 2 + u64::from(forever));
            disk.crash(&mut |below| choices.next(below));
            let (mut log, recovery, seen) = open(&mut disk).unwrap();
            assert_eq!((recovery.quarantined.len(), &recovery.notes), (0, &Vec::new()), "{nth}");
            world.check_replay(&seen);
            erase_all(&mut log, &mut disk, &mut plan.erasing.clone()).unwrap();
            check(&world, &mut disk, &plan);
        }
    }
    assert!(failed > operations, "{failed} of {operations}");
}

/// A rewritten segment between two others, in files that end where their batches end.
fn rewritten() -> (MemDisk, SegmentId) {
    let mut disk = MemDisk::new();
    let (mut log, ..) = open(&mut disk).unwrap();
    let mut world = World::new(11);
    for _ in 0..3 {
        world.fill(&mut log, &mut disk, 40);
        log.roll(ZERO);
        settle(&mut log, &mut disk, ZERO);
    }
    let middle = SegmentId(2);
    let mut erasing = Erasing::new(KEY);
    for number in 1..4 {
        erasing.add(&customer(number));
    }
    let file = disk.list().unwrap().into_iter().find(|file| file.id == middle).unwrap();
    let done = erase::rewrite(&mut disk, config().shard, file, &mut erasing).unwrap();
    assert!(done.records > 3);
    for id in 1..=4 {
        let used = batches(&disk, SegmentId(id)).last().map(|batch| batch.offset + batch.padded);
        disk.bytes_mut(SegmentId(id)).truncate(used.unwrap());
    }
    (disk, middle)
}

#[test]
fn records_of_the_first_format_are_redacted_without_a_check() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/format-1-kinds-11.log");
    for name in [path, &path.replace("-kinds-11", ""), &path.replace("1-kinds-11", "2")] {
        let mut disk = MemDisk::new();
        let golden = std::fs::read(name).unwrap();
        *disk.bytes_mut(SegmentId(1)) = golden.clone();
        let (mut log, _, before) = open(&mut disk).unwrap();
        let mut erasing = Erasing::new(KEY);
        erasing.add(&recipient(recipient_hash(KEY, 46_701_740_605), 0, u64::MAX));
        let done = erase_all(&mut log, &mut disk, &mut erasing).unwrap();
        // The message, its other text and the orphan; a carrier's id stays.
        let expected = before.iter().filter(|(.., bytes)| [1, 4, 8].contains(&bytes[0])).count();
        assert_eq!(done.records as usize, expected, "{name}");
        let now = disk.bytes(SegmentId(1)).unwrap();
        let mut at = 64;
        for frame in
            postrider_storage::Frames::new(&golden[64..batches(&disk, SegmentId(1))[0].used])
        {
            let (frame, len) = (frame.unwrap(), 8 + frame.unwrap().body.len());
            let redacted = [1, 4, 8].contains(&frame.kind);
            assert_eq!(now[at + 1], frame.version | if redacted { REDACTED } else { 0 });
            assert_eq!(now[at + 2..at + 4] == [0, 0], golden[at + 2..at + 4] == [0, 0]);
            assert_eq!(now[at..at + len] == golden[at..at + len], !redacted);
            at += len;
        }
        for text in [&b"Postrider"[..], b"llo", b"Another text", b"order-17", b"46701740605"] {
            assert!(!now.windows(text.len()).any(|window| window == text), "{text:?} in {name}");
        }
        let (_, recovery, seen) = open(&mut disk).unwrap();
        assert_eq!((recovery.notes.len(), recovery.quarantined.len()), (0, 0));
        let Some(Record::Accepted { to: 0, parts: 1, asked, .. }) = world::decoded(&seen[1].2)
        else {
            panic!("{name}")
        };
        assert_eq!(asked.options & REDACTED, REDACTED);
    }
}

#[test]
fn every_flipped_bit_of_a_rewritten_segment_is_detected() {
    let (mut disk, segment) = rewritten();
    let mut observer = |_: postrider_storage::Replayed<'_>| {};
    let intact = inspect(&mut disk, &config(), &mut observer).unwrap();
    assert_eq!((intact.quarantined.len(), intact.notes.len()), (0, 0));
    let headers: Vec<usize> = batches(&disk, segment).iter().map(|batch| batch.offset).collect();
    assert!(headers.len() > 5);
    let in_header = |byte: usize| headers.iter().any(|from| (*from..from + 64).contains(&byte));
    let bits = disk.bytes(segment).unwrap().len() * 8;
    let mut flipped = 0;
    for bit in (0..bits).filter(|bit| in_header(bit / 8) || bit % 13 == 0) {
        disk.bytes_mut(segment)[bit / 8] ^= 1 << (bit % 8);
        let found = inspect(&mut disk, &config(), &mut observer);
        let noticed = match found {
            Ok(found) => found.quarantined.len() + found.notes.len() > 0,
            Err(error) => matches!(error, OpenError::Format { .. }),
        };
        assert!(noticed, "bit {bit}");
        disk.bytes_mut(segment)[bit / 8] ^= 1 << (bit % 8);
        flipped += 1;
    }
    assert!(flipped > 3_000, "{flipped}");
}

#[test]
fn only_the_seam_behind_a_rewritten_segment_may_be_broken() {
    let (mut disk, _) = rewritten();
    let mut observer = |_: postrider_storage::Replayed<'_>| {};
    // The third segment's first batch holds the checksum of what its predecessor was.
    let crc = |disk: &MemDisk, segment, at: usize| {
        u32::from_le_bytes(disk.bytes(segment).unwrap()[at..at + 4].try_into().unwrap())
    };
    let last = batches(&disk, SegmentId(2)).last().unwrap().offset;
    assert_ne!(crc(&disk, SegmentId(3), 52), crc(&disk, SegmentId(2), last + 60));
    let notes = inspect(&mut disk, &config(), &mut observer).unwrap().notes;
    assert_eq!(notes, []);
    // Without the flag it is odd.
    let used = batches(&disk, SegmentId(2)).last().unwrap().used;
    let bytes = disk.bytes_mut(SegmentId(2));
    bytes[last + 56] &= !2;
    let sum = crc32c::crc32c_append(
        crc32c::crc32c(&bytes[last..last + 60]),
        &bytes[last + 64..last + used],
    );
    bytes[last + 60..last + 64].copy_from_slice(&sum.to_le_bytes());
    let notes = inspect(&mut disk, &config(), &mut observer).unwrap().notes;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!(notes[0].place, Some((SegmentId(3).file_name(), 0)));
}

#[test]
fn damage_in_a_segment_that_is_rewritten_becomes_zeros_and_stays_named() {
    let mut disk = MemDisk::new();
    let (mut log, ..) = open(&mut disk).unwrap();
    let mut world = World::new(13);
    world.fill(&mut log, &mut disk, 60);
    let segment = log.head_segment();
    log.roll(ZERO);
    settle(&mut log, &mut disk, ZERO);
    let placed = batches(&disk, segment);
    let damaged = &placed[placed.len() / 2];
    disk.bytes_mut(segment)[damaged.offset + 70] ^= 1;
    let (mut log, before, seen) = open(&mut disk).unwrap();
    assert_eq!((before.quarantined.len(), disk.quarantined().len()), (1, 1));
    let mut erasing = Erasing::new(KEY);
    for number in 1..4 {
        erasing.add(&customer(number));
    }
    let done = erase_all(&mut log, &mut disk, &mut erasing).unwrap();
    assert_eq!(done.bytes_dropped as usize, damaged.padded);
    assert!(disk.quarantined().is_empty());
    let gap = damaged.offset..damaged.offset + damaged.padded;
    assert!(disk.bytes(segment).unwrap()[gap].iter().all(|byte| *byte == 0));
    let (_, after, again) = open(&mut disk).unwrap();
    let place = |recovery: &postrider_storage::Recovery| {
        recovery.quarantined.iter().map(|(file, at, _)| (file.clone(), *at)).collect::<Vec<_>>()
    };
    assert_eq!(place(&after), place(&before));
    assert!(again.len() > seen.len(), "nothing but the mark of the new segment is added");
    assert!(seen.iter().zip(&again).all(|(old, new)| (old.0, old.1) == (new.0, new.1)));
}

#[test]
fn a_rolled_log_has_its_records_in_sealed_segments() {
    let mut disk = MemDisk::new();
    let (mut log, ..) = open(&mut disk).unwrap();
    assert_eq!((log.roll(ZERO), log.head_segment()), (Lsn(0), SegmentId(1)), "nothing to end");
    log.append(&Record::Epoch { at_ms: 1, epoch: 1, shards: 1 }, common_lazy(), ZERO);
    assert_eq!((log.roll(ZERO), log.head_segment()), (Lsn(3), SegmentId(2)));
    assert_eq!(
        (log.roll(ZERO), log.head_segment()),
        (Lsn(4), SegmentId(3)),
        "marks alone roll too"
    );
    assert!(!log.is_sealed(SegmentId(1)));
    settle(&mut log, &mut disk, ZERO);
    assert_eq!(log.durable(), Lsn(4));
    assert!(log.is_sealed(SegmentId(2)) && !log.is_sealed(SegmentId(3)));
    let (log, recovery, seen) = open(&mut disk).unwrap();
    assert_eq!((log.head_segment(), recovery.next_lsn), (SegmentId(3), Lsn(5)));
    assert_eq!((recovery.notes.len(), recovery.quarantined.len(), seen.len()), (0, 0, 4));
    assert!(log.is_sealed(SegmentId(2)));
}

fn common_lazy() -> postrider_storage::Urgency {
    postrider_storage::Urgency::Lazy
}

#[test]
fn a_log_that_wipes_uses_no_file_again_before_it_is_zero() {
    let mut disk = MemDisk::new();
    let (mut log, ..) = open(&mut disk).unwrap();
    log.wipe_up_to(SegmentId(u64::MAX));
    let mut world = World::new(5);
    let mut wiped = 0;
    for _ in 0..90 {
        world.append(&mut log, 20);
        loop {
            if let Some(chore) = log.poll_chore() {
                if let Chore::Provision { recycle: Some(_), .. } = chore {
                    assert!(disk.bytes(SegmentId(1)).is_none() || wiped == 0);
                }
                disk.begin_chore(chore, config().segment_bytes);
                let done = disk.complete_chore();
                log.handle_chore(chore, done);
                if let Chore::Wipe { segment } = chore {
                    assert!(disk.bytes(segment).unwrap().iter().all(|byte| *byte == 0));
                    wiped += 1;
                }
            } else if let Some(write) = log.poll_write(Duration::from_secs(1)) {
                let at = write.offset as usize;
                let file = &disk.bytes(write.segment).unwrap()[at..];
                assert!(file.iter().all(|byte| *byte == 0), "nothing of before lies ahead");
                disk.begin_write(&write);
                let done = disk.complete_write();
                log.handle_written(ZERO, write, done);
            } else {
                break;
            }
        }
        if log.head_segment().0 > 2 {
            log.release_before(SegmentId(log.head_segment().0 - 1));
        }
    }
    assert!(wiped > 3 && log.idle(), "{wiped}");
}

#[test]
fn a_message_is_redacted_by_its_number_alone_and_keeps_what_is_billed() {
    let mut erasing = Erasing::new(KEY);
    erasing.add(&recipient(recipient_hash(KEY, numbers()[2]), 1, u64::MAX));
    erasing.add_message(900, None);
    let mut disk = MemDisk::new();
    let (mut log, ..) = open(&mut disk).unwrap();
    let number = numbers()[2];
    let text = format!("refused for +{number}");
    let asked = postrider_storage::Asked {
        service_type: b"CMT",
        udh: b"\x05\x00\x03",
        ..Default::default()
    };
    let accepted = |sequence, customer| Record::Accepted {
        sequence,
        partition: 9,
        customer,
        to: number,
        sender: b"Acme",
        body: b"hello you",
        webhook_url: b"https://example.com",
        client_reference: b"order 5",
        encoding: 1,
        parts: 2,
        reference: 7,
        accepted_ms: 5,
        valid_until_ms: 6,
        id: 77,
        asked,
    };
    let part = Record::Part {
        sequence: 900,
        part: 1,
        event: 4,
        carrier: 5,
        status: 6,
        at_ms: 7,
        detail: text.as_bytes(),
        attempt: 1,
    };
    let records = [accepted(900, 3), part, accepted(901, 1), accepted(902, 2)];
    for record in &records {
        log.append(record, common_lazy(), ZERO);
    }
    erase_all(&mut log, &mut disk, &mut erasing).unwrap();
    let (_, _, seen) = open(&mut disk).unwrap();
    let Some(Record::Accepted { to, sender, body, webhook_url, client_reference, asked, .. }) =
        world::decoded(&seen[1].2)
    else {
        panic!("{seen:?}");
    };
    assert_eq!((to, sender, body), (0, &b"****"[..], &b"*********"[..]));
    assert_eq!((webhook_url, client_reference), (&[b'*'; 19][..], &b"*******"[..]));
    assert_eq!(
        (asked.service_type, asked.udh, asked.options),
        (&b"***"[..], &b"***"[..], REDACTED)
    );
    let Some(Record::Part { detail, .. }) = world::decoded(&seen[2].2) else { panic!("{seen:?}") };
    assert_eq!(detail, b"refused for +************");
    let Some(Record::Accepted { to: 0, customer: 1, id: 77, parts: 2, valid_until_ms: 6, .. }) =
        world::decoded(&seen[3].2)
    else {
        panic!("{seen:?}");
    };
    assert_eq!(seen[4].2, encoded(&records[3]), "another customer's message to that recipient");
}

#[test]
fn what_was_written_of_a_redacted_message_keeps_what_is_still_needed() {
    let mut erasing = Erasing::new(KEY);
    let number = numbers()[2];
    erasing.add(&recipient(recipient_hash(KEY, number), 1, u64::MAX));
    let mut disk = MemDisk::new();
    let (mut log, ..) = open(&mut disk).unwrap();
    let record = |to, sender, options| Record::Accepted {
        sequence: 900,
        partition: 9,
        customer: 1,
        to,
        sender,
        body: b"",
        webhook_url: b"https://example.com",
        client_reference: b"",
        encoding: 1,
        parts: 2,
        reference: 7,
        accepted_ms: 5,
        valid_until_ms: 6,
        id: 77,
        asked: postrider_storage::Asked { options, ..Default::default() },
    };
    let mut state = Vec::new();
    record(0, b"", REDACTED).encode(&mut state);
    let detail = format!("refused for +{number}");
    let part = Record::Part {
        sequence: 900,
        part: 1,
        event: 4,
        carrier: 5,
        status: 6,
        at_ms: 7,
        detail: detail.as_bytes(),
        attempt: 1,
    };
    part.encode(&mut state);
    log.append(&record(number, b"Acme", 0), common_lazy(), ZERO);
    let carried = Record::Carried { sequence: 900, from: 0, reason: 1, state: &state };
    log.append(&carried, common_lazy(), ZERO);
    erase_all(&mut log, &mut disk, &mut erasing).unwrap();
    let (_, _, seen) = open(&mut disk).unwrap();
    let Some(Record::Accepted { to: 0, webhook_url: gone, .. }) = world::decoded(&seen[1].2) else {
        panic!("{seen:?}");
    };
    assert_eq!(gone, [b'*'; 19]);
    let Some(Record::Carried { state, .. }) = world::decoded(&seen[2].2) else {
        panic!("{seen:?}");
    };
    let written = postrider_storage::Frames::new(state).map(Result::unwrap);
    let written: Vec<Record<'_>> = written
        .map(|frame| Record::decode(frame.kind, frame.version, frame.body).unwrap().unwrap())
        .collect();
    let Record::Accepted { webhook_url, .. } = written[0] else { panic!("{written:?}") };
    assert_eq!(webhook_url, b"https://example.com");
    let Record::Part { detail, .. } = written[1] else { panic!("{written:?}") };
    assert_eq!(detail, b"refused for +************");
}
