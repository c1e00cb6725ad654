//! What is due comes when it is due, whatever the clock, the disk and restarts do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use postrider_storage::{IndexKind, Position, SegmentId};
use proptest::prelude::*;

use super::super::disk_tests::Shelf;
use super::*;

const START: u64 = 1_790_000_000_000;

fn at(seconds: u64) -> Now {
    Now { mono: Duration::from_secs(seconds), wall: wall(seconds) }
}

fn wall(seconds: u64) -> UnixMs {
    UnixMs(START + seconds * 1_000)
}

fn cold(sequence: u64) -> Cold {
    let offset = u32::try_from(sequence).unwrap() * 64;
    Cold { sequence, at: Position { segment: SegmentId(1), offset } }
}

/// Everything that is due now.
fn due(due: &mut Due, shelf: &mut Shelf, now: Now) -> Vec<(UnixMs, u64)> {
    let mut all = Vec::new();
    while let Some(turn) = due.poll(now) {
        match turn {
            DueTurn::Read => {
                let found = shelf.find(due.search(&shelf.runs));
                due.handle_rows(Some(found));
            }
            DueTurn::Message(time, message) => all.push((time, message.sequence)),
        }
    }
    all
}

#[test]
fn each_message_comes_at_its_time_from_memory_or_disk() {
    let (mut shelf, mut machine) = (Shelf::new(IndexKind::Due, 64), Due::default());
    (1..=3_000).for_each(|n| machine.file(&mut shelf.runs, wall(n), cold(n)));
    shelf.work();
    let mut seen = 0;
    let mut now = 0;
    while now < 3_000 {
        let all = due(&mut machine, &mut shelf, at(now));
        for (time, sequence) in all {
            seen += 1;
            assert_eq!((time, sequence), (wall(sequence), seen), "in order, each once");
            assert!(sequence <= now, "{sequence} at {now}");
        }
        assert!(seen >= now.saturating_sub(1), "{seen} at {now}");
        assert!(machine.rows() <= 60 + 5, "{}", machine.rows());
        let next = machine.poll_timeout(at(now)).unwrap();
        now = next.as_secs().max(now + 1);
    }
}

#[test]
fn times_of_a_clock_that_was_far_ahead_are_due_when_it_steps_back() {
    const YEAR: u64 = 365 * 24 * 3_600;
    let (mut shelf, mut machine) = (Shelf::new(IndexKind::Due, 64), Due::default());
    let ahead = Now { wall: wall(10 + YEAR), ..at(10) };
    assert!(due(&mut machine, &mut shelf, ahead).is_empty());
    let strays = 2 * limits::BACKLOG_PAGE as u64 + 7;
    (1..=strays).for_each(|n| machine.file(&mut shelf.runs, wall(YEAR + 60 + n), cold(n)));
    shelf.work();
    machine.file(&mut shelf.runs, wall(11), cold(10_000));
    machine.file(&mut shelf.runs, wall(3_600), cold(10_001));
    let found = due(&mut machine, &mut shelf, at(20));
    let mut sequences: Vec<u64> = found.iter().map(|(_, sequence)| *sequence).collect();
    sequences.sort_unstable();
    let all: Vec<u64> = (1..=strays).chain([10_000]).collect();
    assert_eq!(sequences, all, "all at once, each once, and nothing of the present clock's");
    assert!(due(&mut machine, &mut shelf, at(21)).is_empty());
    // A restart finds them too, and one that could not be looked at comes again.
    let mut machine = Due::default();
    let first = loop {
        match machine.poll(at(30)).unwrap() {
            DueTurn::Read => {
                let found = shelf.find(machine.search(&shelf.runs));
                machine.handle_rows(Some(found));
            }
            DueTurn::Message(time, message) => break (time, message),
        }
    };
    machine.give_back(first.0, first.1);
    let again = due(&mut machine, &mut shelf, at(31));
    assert!(again.contains(&(first.0, first.1.sequence)));
    assert_eq!(again.len() as u64, strays + 1);
}

#[test]
fn what_was_missed_while_the_process_was_down_comes_at_once_and_in_order() {
    let mut shelf = Shelf::new(IndexKind::Due, 64);
    let mut machine = Due::default();
    (1..=500).for_each(|n| machine.file(&mut shelf.runs, wall(n * 11 % 501), cold(n)));
    let before = due(&mut machine, &mut shelf, at(100));
    assert_eq!(before.len(), 100);
    before[..60].iter().for_each(|(time, n)| machine.unfile(&mut shelf.runs, *time, *n));
    shelf.restart();
    let after = due(&mut Due::default(), &mut shelf, at(90_000));
    assert!(after.is_sorted());
    // What was given out and not settled comes again.
    assert_eq!(after.len(), 440);
    assert_eq!(after[..40], before[60..]);
}

#[test]
fn a_clock_that_is_set_forward_or_back_neither_loses_nor_hurries_anything() {
    let (mut shelf, mut machine) = (Shelf::new(IndexKind::Due, 64), Due::default());
    (1..=100).for_each(|n| machine.file(&mut shelf.runs, wall(n * 60), cold(n)));
    assert_eq!(due(&mut machine, &mut shelf, at(59)), []);
    let jumped = due(&mut machine, &mut shelf, at(3_600));
    assert_eq!(jumped.len(), 60);
    // Back: what is filed for a time that has been looked at already comes at that time.
    machine.file(&mut shelf.runs, wall(200), cold(1_000));
    assert_eq!(due(&mut machine, &mut shelf, at(199)), []);
    assert_eq!(due(&mut machine, &mut shelf, at(200)), [(wall(200), 1_000)]);
    assert_eq!(due(&mut machine, &mut shelf, at(6_000)).len(), 40);
}

#[test]
fn millions_that_are_due_at_once_come_in_bounded_shares() {
    let (mut shelf, mut machine) = (Shelf::new(IndexKind::Due, 1_000), Due::new(64));
    for n in 1..=5_000 {
        machine.file(&mut shelf.runs, wall(10), cold(n));
        assert!(machine.rows() <= 128);
    }
    shelf.work();
    let (mut seen, mut most) = (0, 0);
    while let Some(turn) = machine.poll(at(10)) {
        match turn {
            DueTurn::Read => {
                let found = shelf.find(machine.search(&shelf.runs));
                machine.handle_rows(Some(found));
            }
            DueTurn::Message(..) => seen += 1,
        }
        most = most.max(machine.rows());
    }
    assert_eq!(seen, 5_000);
    assert!(most <= 64 + limits::BACKLOG_PAGE, "{most}");
}

#[test]
fn a_message_that_could_not_be_looked_at_comes_again() {
    let (mut shelf, mut machine) = (Shelf::new(IndexKind::Due, 64), Due::default());
    machine.file(&mut shelf.runs, wall(1), cold(1));
    assert_eq!(due(&mut machine, &mut shelf, at(2)), [(wall(1), 1)]);
    machine.give_back(wall(1), cold(1));
    assert_eq!(due(&mut machine, &mut shelf, at(2)), [(wall(1), 1)]);
    assert_eq!(due(&mut machine, &mut shelf, at(3)), []);
}

#[derive(Clone, Debug)]
enum Act {
    File(u64),
    Unfile(usize),
    Pass(u64),
    Read { ok: bool },
    Work,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..300_u64).prop_map(Act::File),
        2 => any::<usize>().prop_map(Act::Unfile),
        4 => (1..40_u64).prop_map(Act::Pass),
        6 => prop::bool::weighted(0.9).prop_map(|ok| Act::Read { ok }),
        1 => Just(Act::Work),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn everything_filed_comes_no_earlier_than_due_and_unless_unfiled_once(
        most in 2..40_usize,
        acts in prop::collection::vec(act(), 1..200),
    ) {
        let (mut shelf, mut machine) = (Shelf::new(IndexKind::Due, 8), Due::new(most));
        let mut filed: BTreeMap<u64, u64> = BTreeMap::new();
        let mut given: BTreeMap<u64, u64> = BTreeMap::new();
        let (mut next, mut now) = (0, 0);
        let mut reading: Option<RunRange> = None;
        let finish = acts.len();
        for step in 0..finish + 4_000 {
            match acts.get(step) {
                Some(Act::File(seconds)) => {
                    next += 1;
                    machine.file(&mut shelf.runs, wall(*seconds), cold(next));
                    filed.insert(next, *seconds);
                }
                Some(Act::Unfile(at)) => {
                    let n = filed.keys().nth(at % filed.len().max(1)).copied();
                    if let Some((n, seconds)) = n.and_then(|n| Some((n, filed.remove(&n)?))) {
                        machine.unfile(&mut shelf.runs, wall(seconds), n);
                    }
                }
                Some(Act::Pass(seconds)) => now += seconds,
                Some(Act::Work) => shelf.work(),
                Some(Act::Read { ok }) => {
                    if let Some(search) = reading.take() {
                        machine.handle_rows(ok.then(|| shelf.find(search)));
                    }
                }
                None => {
                    now = 400;
                    if let Some(search) = reading.take() {
                        machine.handle_rows(Some(shelf.find(search)));
                    }
                }
            }
            while let Some(turn) = machine.poll(at(now)) {
                match turn {
                    DueTurn::Read => reading = Some(machine.search(&shelf.runs)),
                    DueTurn::Message(time, message) => {
                        let seconds = filed.get(&message.sequence).copied();
                        prop_assert_eq!(seconds.map(wall), Some(time), "it was unfiled");
                        prop_assert!(time <= wall(now));
                        given.insert(message.sequence, now);
                    }
                }
            }
            if step > finish && reading.is_none() && machine.rows() == 0 {
                break;
            }
        }
        for n in filed.keys() {
            prop_assert!(given.contains_key(n), "{} never came", n);
        }
    }
}
