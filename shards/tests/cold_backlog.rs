//! A large backlog of messages on disk, with real files: what it takes of memory, and how fast it is
//! filed and woken. Measured and printed; `POSTRIDER_BACKLOG` says how many messages.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "this test measures")]

use std::time::{Duration, Instant};

use postrider_core::clock::{Now, UnixMs};
use postrider_core::lane::Lane;
use postrider_core::limits;
use postrider_shards::shard::cold::{
    Cold, ColdConfig, ColdState, ColdStore, ColdTurn, Filing, Group, Seats,
};
use postrider_storage::io::FileDisk;
use postrider_storage::runs::RunConfig;
use postrider_storage::search::run;
use postrider_storage::{Lsn, Position, SegmentId};

const START: u64 = 1_790_000_000_000;

/// Resident octets of this process.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}

struct Shelf {
    store: ColdStore,
    disk: FileDisk,
    started: Instant,
}

impl Shelf {
    fn now(&self) -> Now {
        Now { mono: self.started.elapsed(), wall: UnixMs(START) }
    }

    fn chores(&mut self) {
        while let Some(chore) = self.store.poll_chore(self.now().mono, Lsn(1), Lsn(1)) {
            let done = chore.run(&mut self.disk);
            assert!(done.error().is_none(), "{done:?}");
            self.store.handle_chore(self.now().mono, done);
        }
    }
}

/// Messages of 4 routes, 3 lanes and 50 customers, with deadlines within two days.
fn message(sequence: u64) -> (Group, Filing, Cold) {
    let small = |n: u64| u32::try_from(n).unwrap();
    let lane = *Lane::ALL.get(usize::try_from(sequence % 3).unwrap()).unwrap();
    let group =
        Group { carrier: small(1 + sequence % 4), lane, customer: small(1 + sequence / 7 % 50) };
    let end = UnixMs(START + 60_000 + sequence.wrapping_mul(0x9E37_79B9) % 172_800 * 1_000);
    let filing = Filing { sending: Some((group, end)), due: Some(end), ..Filing::default() };
    let segment = SegmentId(1 + sequence / 200_000);
    let at = Position { segment, offset: small(sequence % 200_000 * 300) };
    (group, filing, Cold { sequence, at })
}

fn config() -> ColdConfig {
    ColdConfig {
        seats: Seats { all: 20_000, wanted: 2_000, routes: 4, idle: Duration::from_secs(30) },
        receipts: 100_000,
        hour: limits::RECEIPTS_HOT,
        key: [1, 2],
        runs: RunConfig {
            memory_rows: limits::RUN_ROWS_IN_MEMORY,
            merge_after: limits::RUN_MERGE_EVERY,
            runs: limits::RUNS_PER_INDEX,
            slice_rows: limits::RUN_SLICE_ROWS,
        },
    }
}

/// Octets that the plan allows for the seats of [`config`] without their messages, and so many rows on
/// disk.
fn planned(rows: u64) -> u64 {
    let wide = |count: usize| u64::try_from(count).unwrap();
    let fresh = 2 * limits::COLD_INDEXES * wide(limits::RUN_ROWS_IN_MEMORY);
    let read = wide(limits::BACKLOG_ROWS + 2 * limits::DUE_ROWS);
    fresh * limits::MEMORY_PER_FRESH_ROW
        + read * limits::MEMORY_PER_READ_ROW
        + limits::MEMORY_OF_RUN_CHORES
        + rows * limits::MEMORY_PER_RUN_ROW
        + 600 * limits::MEMORY_PER_GROUP
        + wide(config().seats.all) * limits::MEMORY_PER_HOT_MESSAGE / 8
}

#[test]
fn a_large_backlog_takes_little_memory_and_comes_back() {
    let count: u64 =
        std::env::var("POSTRIDER_BACKLOG").map_or(200_000, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut disk = FileDisk::new(folder.path(), false);
    let known = ColdState::default();
    let (store, _) = ColdStore::open(&mut disk, &config(), known, Duration::ZERO).unwrap();
    let mut shelf = Shelf { store, disk, started: Instant::now() };
    let empty = resident();
    let mut most = empty;
    for sequence in 1..=count {
        let (_, filing, cold) = message(sequence);
        shelf.store.park(&filing, cold);
        if !shelf.store.has_room() || sequence % 65_536 == 0 {
            shelf.chores();
            most = most.max(resident());
        }
    }
    let filed = shelf.started.elapsed();
    let mut woken = Vec::new();
    let mut all = 0;
    loop {
        match shelf.store.poll(shelf.now(), &|_| 1) {
            Some(ColdTurn::Look(search)) => {
                let rows = search.rows();
                let found = run(search, &mut shelf.disk).unwrap();
                shelf.store.handle_rows(rows, Some(found));
                continue;
            }
            Some(ColdTurn::Owed(customer, _)) => panic!("nobody asked for {customer}"),
            Some(ColdTurn::Wake(cold)) => {
                let (_, filing, expected) = message(cold.sequence);
                assert_eq!(cold, expected);
                shelf.store.arrived(shelf.now().mono, &filing, cold.sequence);
                woken.push(cold.sequence);
                continue;
            }
            None => {}
        }
        // No seat is free: what has one is sent.
        all += u64::try_from(woken.len()).unwrap();
        if woken.is_empty() {
            break;
        }
        for sequence in woken.drain(..) {
            let (_, filing, _) = message(sequence);
            shelf.store.settle(&filing, sequence);
            shelf.store.leave(sequence);
        }
        shelf.chores();
        most = most.max(resident());
    }
    let drained = shelf.started.elapsed() - filed;
    let taken = most - empty;
    println!(
        "{count} messages: filed in {filed:.1?}, woken and settled in {drained:.1?}, {:.1} MiB of \
         memory at most",
        taken as f64 / 1_048_576.0
    );
    assert_eq!(all, count, "each came once");
    let bound = planned(2 * count);
    println!("{:.1} MiB are planned", bound as f64 / 1_048_576.0);
    assert!(taken <= bound, "{taken} octets for {count} messages, {bound} planned");
}
