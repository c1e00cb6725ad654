//! Registers against a model: random messages, moves, chores, checkpoints, releases and crashes
//! with torn pages; whatever is lost, a replay brings the same answers. Tests only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

#[path = "registers/world.rs"]
mod world;

use postrider_storage::register::{PageQuery, RegisterCheck, Statuses, check};
use postrider_storage::{Disk, Fault, LogIoErrorKind, MemDisk, Search, SideFile, Step};
use proptest::prelude::*;
use world::{CUSTOMERS, World, all_of};

#[derive(Debug, Clone)]
enum Op {
    Accept { rows: usize, seed: u64 },
    Roll,
    Close { seed: u64, messages: usize },
    Carry { seed: u64 },
    BeginChore,
    EndChore,
    Flush,
    Checkpoint,
    Release,
    Crash { seed: u64 },
    Lose { seed: u64 },
    LoseAll,
}

fn op() -> impl Strategy<Value = Op> {
    let seed = any::<u64>;
    prop_oneof![
        6 => (1usize..400, seed()).prop_map(|(rows, seed)| Op::Accept { rows, seed }),
        3 => Just(Op::Roll),
        6 => (seed(), prop_oneof![1usize..6, 1usize..400])
            .prop_map(|(seed, messages)| Op::Close { seed, messages }),
        3 => seed().prop_map(|seed| Op::Carry { seed }),
        6 => Just(Op::BeginChore),
        6 => Just(Op::EndChore),
        1 => Just(Op::Flush),
        2 => Just(Op::Checkpoint),
        1 => Just(Op::Release),
        2 => seed().prop_map(|seed| Op::Crash { seed }),
        1 => seed().prop_map(|seed| Op::Lose { seed }),
        1 => Just(Op::LoseAll),
    ]
}

fn step(world: &mut World, op: &Op) {
    match op {
        Op::Accept { rows, seed } => world.accept(*rows, *seed),
        Op::Roll => world.roll(),
        Op::Close { seed, messages } => world.close(*seed, *messages),
        Op::Carry { seed } => world.carry(*seed),
        Op::BeginChore => world.begin_chore(),
        Op::EndChore => world.end_chore(),
        Op::Flush => world.registers.flush(),
        Op::Checkpoint => world.checkpoint(),
        Op::Release => world.release(),
        Op::Crash { seed } => {
            world.crash(*seed);
            world.check();
        }
        Op::Lose { seed } => {
            world.crash(*seed);
            let files = world.disk.list_side().unwrap();
            if let Some((file, _)) = files.get(*seed as usize % files.len().max(1)) {
                world.disk.remove_side(*file).unwrap();
            }
            world.start();
            world.check();
        }
        Op::LoseAll => {
            world.crash(0);
            for (file, _) in world.disk.list_side().unwrap() {
                world.disk.remove_side(file).unwrap();
            }
            world.lose_checkpoint();
            world.start();
            world.check();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 2_000, ..Default::default() })]

    #[test]
    fn whatever_happens_the_answers_are_those_of_the_log(
        ops in proptest::collection::vec(op(), 1..40),
    ) {
        let mut world = World::new();
        for op in &ops {
            step(&mut world, op);
        }
        world.check();
        world.crash(7);
        world.check();
    }
}

/// Every crash of one flush, torn in many ways, leaves every slot whole.
#[test]
fn a_torn_flush_loses_no_slot() {
    let mut world = World::new();
    world.accept(1_200, 1);
    world.registers.flush();
    world.all_chores();
    world.checkpoint();
    for round in 0..200u64 {
        world.close(round, 3);
        world.registers.flush();
        world.begin_chore();
        world.crash(round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        world.check();
    }
}

/// What is read while it is flushed is neither torn nor older than the search.
#[test]
fn paging_gives_every_message_once_while_others_come_and_end() {
    let mut world = World::new();
    for seed in 0..6 {
        world.accept(300, seed);
        world.roll();
    }
    world.all_chores();
    for customer in 0..CUSTOMERS {
        for statuses in [Statuses::ALL, Statuses::of(&[4])] {
            let mut seed = 1u64;
            let wanted = world.alive(customer, statuses);
            assert!(statuses != Statuses::ALL || wanted.len() > 300);
            let seen = world.page_through(customer, statuses, 7, 50, |world| {
                seed += 1;
                world.accept(3, seed);
                world.close(seed, 9);
                if seed.is_multiple_of(5) {
                    world.registers.flush();
                }
                world.begin_chore();
                if seed.is_multiple_of(2) {
                    world.end_chore();
                }
            });
            let mut unique = seen.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(unique.len(), seen.len(), "each once");
            // What was accepted or moved meanwhile may come too. What fitted all the time must come.
            let still = world.alive(customer, statuses);
            let must: Vec<u64> = wanted.into_iter().filter(|s| still.contains(s)).collect();
            let may: Vec<u64> = seen.into_iter().filter(|s| must.contains(s)).collect();
            assert_eq!(may, must);
        }
    }
}

/// Each damaged file is named by the search that meets it, and made anew at the next start.
#[test]
fn a_damaged_file_is_named_and_rebuilt() {
    for index in [true, false] {
        let mut world = World::new();
        world.accept(600, 3);
        world.roll();
        world.accept(10, 4);
        world.registers.flush();
        world.all_chores();
        world.checkpoint();
        let file = if index { SideFile::Register(1) } else { SideFile::Slots(1) };
        let bytes = world.disk.side_bytes_mut(file).unwrap();
        let from = if index { 4_096 } else { 18 * 4_096 };
        for byte in bytes[from..].iter_mut().step_by(97) {
            *byte ^= 0x10;
        }
        let query = PageQuery { limit: 1_000, ..all_of(1) };
        let search = world.registers.page(query);
        let error = world.search(search).unwrap_err();
        assert!(error.to_string().contains(&file.file_name()), "{error}");
        world.registers.condemn(file);
        assert!(world.registers.damaged().contains(&file));
        world.checkpoint();
        world.crash(3);
        world.check();
        assert_eq!(world.missing, 1, "it was rebuilt");
    }
}

/// What no message of a register can be is not looked for in it; what has changed since is.
#[test]
fn a_register_without_a_wanted_status_is_not_read() {
    let mut world = World::new();
    world.accept(600, 1);
    world.roll();
    world.registers.flush();
    world.all_chores();
    let failed = PageQuery { statuses: Statuses::of(&[8]), ..all_of(1) };
    let mut search = world.registers.page(failed);
    assert!(matches!(search.next(None), Step::Done(Ok(page)) if page.rows.is_empty()));
    let queued = PageQuery { statuses: Statuses::of(&[0]), ..all_of(1) };
    assert!(matches!(world.registers.page(queued).next(None), Step::Read(_)));
    let standing = |world: &World, status| {
        let mut search = world.registers.standing_to(1, Statuses::of(&[status]), 10);
        matches!(search.next(None), Step::Read(_))
    };
    assert!(standing(&world, 0) && !standing(&world, 8));
    world.close(1, 1);
    assert!(matches!(world.registers.page(failed).next(None), Step::Read(_)));
    assert!(standing(&world, 8));
    world.check();
}

/// A register whose messages are all gone goes, once no checkpoint names it.
#[test]
fn an_empty_register_is_removed_after_the_checkpoint() {
    let mut world = World::new();
    world.accept(100, 1);
    world.roll();
    world.accept(100, 2);
    world.roll();
    world.registers.flush();
    world.all_chores();
    world.checkpoint();
    assert_eq!(world.disk.list_side().unwrap().len(), 4);
    world.release();
    let held = world.registers.page(all_of(1));
    world.all_chores();
    assert_eq!(world.disk.list_side().unwrap().len(), 4, "the checkpoint still names it");
    world.checkpoint();
    world.all_chores();
    assert_eq!(world.disk.list_side().unwrap().len(), 4, "a search still reads it");
    drop(held);
    world.all_chores();
    assert_eq!(world.disk.list_side().unwrap().len(), 2);
    world.check();
}

/// Whichever operation of the chores fails, once or from then on: nothing is lost.
#[test]
fn any_operation_may_fail() {
    for forever in [false, true] {
        for nth in 1.. {
            let mut world = World::new();
            world.accept(700, 1);
            world.registers.flush();
            world.all_chores();
            world.checkpoint();
            world.accept(300, 2);
            world.close(3, 4);
            world.registers.flush();
            let kind = LogIoErrorKind::Full;
            world.disk.plan_fault(Some(Fault { nth, forever, kind }));
            let failed = world.chores_until_failure();
            world.disk.plan_fault(None);
            if nth.is_multiple_of(2) {
                // There is room again.
                world.registers.retry();
                world.registers.flush();
                world.all_chores();
                assert!(world.registers.dirty() == 0, "everything is written");
                world.check();
            }
            world.crash(nth);
            world.check();
            if !failed {
                assert!(nth > 5, "the chores do {nth} operations");
                break;
            }
        }
    }
}

/// Checked from end to end, as tools do, every file is whole, and no byte of its pages can change.
#[test]
fn a_register_is_checked_from_end_to_end() {
    let mut world = World::new();
    world.accept(600, 3);
    world.roll();
    world.accept(10, 4);
    world.registers.flush();
    world.all_chores();
    let intact = |disk: &mut MemDisk| {
        let files = disk.list_side().unwrap();
        let checked = files.into_iter().map(|(file, len)| check(disk, file, len).unwrap());
        checked.filter(|found| matches!(found, RegisterCheck::Intact(_))).count()
    };
    let files = world.disk.list_side().unwrap();
    assert_eq!(intact(&mut world.disk), files.len());
    for (file, len) in files {
        let whole = check(&mut world.disk, file, len).unwrap();
        assert!(matches!(whole, RegisterCheck::Intact(of) if of.rows == 600 || of.rows == 10));
        let shorter = check(&mut world.disk, file, len - 1).unwrap();
        assert_eq!(shorter, RegisterCheck::Damaged { offset: None });
        for at in (0..usize::try_from(len).unwrap()).step_by(331) {
            let images = 4_096..34 * 4_096;
            if matches!(file, SideFile::Slots(_)) && images.contains(&at) {
                continue;
            }
            world.disk.side_bytes_mut(file).unwrap()[at] ^= 0x10;
            let found = check(&mut world.disk, file, len).unwrap();
            let RegisterCheck::Damaged { offset } = found else {
                panic!("{file:?}: byte {at}: {found:?}");
            };
            let page = u64::try_from(at).unwrap() / 4_096 * 4_096;
            assert!(offset.is_none_or(|offset| offset == page), "byte {at}: {found:?}");
            world.disk.side_bytes_mut(file).unwrap()[at] ^= 0x10;
        }
    }
}
