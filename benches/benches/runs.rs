//! What carriers call parts: the table of the hot hour, and the runs behind it, whose reads are
//! counted too.

use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use postrider_storage::runs::receipts::{ReceiptTable, fingerprint};
use postrider_storage::runs::{Row, RunConfig, RunLookup, RunSet, RunState};
use postrider_storage::{Disk as _, FileRef, IndexKind, Lsn, MemDisk, Search as _, Step};

const HOUR: Duration = Duration::from_secs(3_600);
/// Parts of the table: 24 MB, far more than a core's caches hold.
const HOT: usize = 1_000_000;
/// Rows of the runs, in a large one and eight small ones.
const COLD: u64 = 1_000_000;

fn id(n: u64) -> u64 {
    fingerprint(3, &n.to_le_bytes(), [1, 2])
}

/// The nth of a row of numbers that jumps about.
fn jump(n: u64, below: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % below
}

/// The fingerprint of an id of 16 octets.
#[divan::bench(sample_size = 256)]
fn fingerprint_16() -> u64 {
    fingerprint(black_box(7), black_box(b"0123456789abcdef"), black_box([1, 2]))
}

fn hot(entries: usize) -> (ReceiptTable, u64) {
    let mut table = ReceiptTable::new(HOT, HOUR, Duration::ZERO);
    let entries = u64::try_from(entries).unwrap();
    for n in 0..entries {
        table.insert(Duration::ZERO, id(n), n);
    }
    (table, entries)
}

/// A receipt of the hot hour, in a table that is filled to this part of its plan.
#[divan::bench(args = [10, 50, 100], sample_size = 256)]
fn table_find_at_percent(bencher: Bencher<'_, '_>, percent: usize) {
    let (table, entries) = hot(HOT / 100 * percent);
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        let part = jump(n, entries);
        assert_eq!(table.find(id(part)).next(), Some(part));
    });
}

/// A part is submitted and its receipt comes, while the hour goes by.
#[divan::bench(sample_size = 256)]
fn table_insert_and_remove(bencher: Bencher<'_, '_>) {
    let (mut table, mut n) = hot(HOT / 2);
    let mut now = Duration::ZERO;
    bencher.bench_local(|| {
        now += Duration::from_micros(80);
        table.insert(now, id(n), n);
        table.remove(id(n - 1_000), n - 1_000);
        n += 1;
    });
}

struct Cold {
    set: RunSet,
    disk: MemDisk,
    page: Vec<u8>,
    reads: u64,
    lookups: u64,
}

impl Cold {
    fn new() -> Self {
        let config =
            RunConfig { memory_rows: 2_000_000, merge_after: HOUR, runs: 8, slice_rows: 2_000_000 };
        let (mut disk, state) = (MemDisk::new(), RunState::default());
        let opened =
            RunSet::open(&mut disk, IndexKind::Receipts, config, state, Duration::ZERO).unwrap();
        let mut cold = Self { set: opened.0, disk, page: vec![0; 4_096], reads: 0, lookups: 0 };
        for run in 0..8 {
            let (from, to) = if run == 0 { (0, COLD) } else { (COLD, COLD + 20_000) };
            for n in from..to {
                let n = n + run * 20_000;
                cold.set.put(Row { k1: id(n), k2: n, v: 1 });
            }
            cold.set.flush();
            while let Some(chore) = cold.set.poll_chore(Duration::ZERO, Lsn(1), Lsn(1)) {
                let done = chore.run(&mut cold.disk);
                cold.set.handle_chore(Duration::ZERO, done);
            }
        }
        cold
    }

    fn look_up(&mut self, n: u64) -> Vec<Row> {
        let mut search: RunLookup = self.set.lookup(id(n));
        self.lookups += 1;
        let mut step = search.next(None);
        loop {
            let ask = match step {
                Step::Done(found) => return found.unwrap(),
                Step::Read(ask) => ask,
            };
            let FileRef::Side(file) = ask.file else { panic!("{ask:?}") };
            self.disk.read_side(file, ask.offset, &mut self.page).unwrap();
            self.reads += 1;
            step = search.next(Some(&self.page));
        }
    }

    fn report(&self, what: &str) {
        let stats = self.set.stats();
        let tenths = self.reads * 10_000 / self.lookups.max(1);
        println!(
            "{what}: {} runs, {}.{:04} reads a look-up",
            stats.runs,
            tenths / 10_000,
            tenths % 10_000
        );
    }
}

/// A receipt of a part that went to disk: one million rows in eight runs, the page copied from memory.
#[divan::bench(sample_size = 64)]
fn runs_look_up(bencher: Bencher<'_, '_>) {
    let mut cold = Cold::new();
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        assert_eq!(cold.look_up(jump(n, COLD)).len(), 1);
    });
    cold.report("known");
}

/// One that nobody knows.
#[divan::bench(sample_size = 64)]
fn runs_look_up_unknown(bencher: Bencher<'_, '_>) {
    let mut cold = Cold::new();
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        assert_eq!(cold.look_up(10 * COLD + n).len(), 0);
    });
    cold.report("unknown");
}

/// All eight runs into one, 1.1 million rows, without a disk. The throughput is that of rows.
#[divan::bench(sample_count = 5)]
fn runs_merge(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(Cold::new).input_counter(|_| ItemsCount::new(COLD)).bench_local_values(
        |mut cold| {
            while let Some(chore) = cold.set.poll_chore(HOUR, Lsn(1), Lsn(1)) {
                let done = chore.run(&mut cold.disk);
                cold.set.handle_chore(HOUR, done);
            }
            assert_eq!(cold.set.stats().runs, 1);
        },
    );
}
