//! 72 hours of parts, scaled down: how many reads a receipt takes after 71 hours, with 3 percent of
//! all parts still open. Tests only.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use common::Choices;
use postrider_storage::runs::receipts::fingerprint;
use postrider_storage::runs::{Row, RunConfig, RunSet, RunState, RunStats};
use postrider_storage::{Disk as _, FileRef, IndexKind, Lsn, MemDisk, Search as _, Step};

const HOUR: u64 = 3_600;
const HOURS: u64 = 72;
/// Parts a second that are still open when they leave memory: a fifth of all. Of twenty-five
/// thousand a second on two shards these are 2,500 a shard; here 4, with memory to match.
const PARKED_PER_SECOND: u64 = 4;
/// Of a hundred parked parts so many are still open at the end: 3 percent of all parts.
const STAY_OPEN: usize = 15;

fn part(n: u64) -> Row {
    Row { k1: fingerprint(1, &n.to_le_bytes(), [1, 2]), k2: n << 8, v: n + 1 }
}

struct Index {
    set: RunSet,
    disk: MemDisk,
    lsn: Lsn,
    most: RunStats,
}

impl Index {
    fn settle(&mut self, second: u64) {
        let now = Duration::from_secs(second);
        while let Some(chore) = self.set.poll_chore(now, self.lsn, self.lsn) {
            self.set.handle_chore(now, chore.run(&mut self.disk));
            let stats = self.set.stats();
            self.most.filter_rates = self.most.filter_rates.max(stats.filter_rates);
            self.most.runs = self.most.runs.max(stats.runs);
        }
    }

    /// Rows found for a first key, and how many pages were read.
    fn lookup(&mut self, k1: u64) -> (Vec<Row>, usize) {
        let mut search = self.set.lookup(k1);
        let mut pages = 0;
        let mut step = search.next(None);
        loop {
            let ask = match step {
                Step::Done(found) => return (found.unwrap(), pages),
                Step::Read(ask) => ask,
            };
            assert_eq!(ask.len, 4_096, "a look-up reads single pages");
            let FileRef::Side(file) = ask.file else { panic!("{ask:?}") };
            let mut page = [0; 4_096];
            self.disk.read_side(file, ask.offset, &mut page).unwrap();
            pages += 1;
            step = search.next(Some(&page));
        }
    }
}

/// Pages read by each of many look-ups.
#[derive(Default)]
struct Reads(BTreeMap<usize, usize>);

impl Reads {
    fn add(&mut self, pages: usize) {
        *self.0.entry(pages).or_default() += 1;
    }

    fn percentile(&self, percent: usize) -> usize {
        let all: usize = self.0.values().sum();
        let mut seen = 0;
        let at = self.0.iter().find(|(_, count)| {
            seen += **count;
            seen * 100 >= all * percent
        });
        *at.unwrap().0
    }

    fn mean(&self) -> f64 {
        let all: usize = self.0.values().sum();
        let pages: usize = self.0.iter().map(|(pages, count)| pages * count).sum();
        pages as f64 / all as f64
    }
}

/// Closes what is due, parks what is new; returns the parts open for good, oldest first.
fn live_through(index: &mut Index, seconds: std::ops::Range<u64>, state: &mut State) {
    for second in seconds {
        for _ in 0..PARKED_PER_SECOND {
            let n = state.next;
            state.next += 1;
            index.set.put(part(n));
            index.lsn.0 += 1;
            if state.choices.next(100) < STAY_OPEN {
                state.open.push_back((second, n));
            } else {
                // Most within the hour, some within six.
                let spread = if state.choices.next(10) == 0 { 6 * HOUR } else { HOUR };
                let closes = second + 30 + state.choices.next(spread as usize) as u64;
                state.closing.entry(closes).or_default().push(n);
            }
        }
        for n in state.closing.remove(&second).unwrap_or_default() {
            index.set.delete((part(n).k1, part(n).k2));
            index.lsn.0 += 1;
        }
        if second % 10 == 0 {
            index.settle(second);
        }
    }
}

struct State {
    next: u64,
    open: VecDeque<(u64, u64)>,
    closing: BTreeMap<u64, Vec<u64>>,
    choices: Choices,
}

#[test]
fn a_receipt_after_71_hours_takes_one_page_of_the_index() {
    let config = RunConfig {
        memory_rows: 256,
        merge_after: Duration::from_secs(HOUR),
        runs: 8,
        slice_rows: 40_000,
    };
    let mut disk = MemDisk::new();
    let (set, _) =
        RunSet::open(&mut disk, IndexKind::Receipts, config, RunState::default(), Duration::ZERO)
            .unwrap();
    let mut index = Index { set, disk, lsn: Lsn(0), most: RunStats::default() };
    let mut state =
        State { next: 0, open: VecDeque::new(), closing: BTreeMap::new(), choices: Choices(5) };
    live_through(&mut index, 0..(HOURS - 1) * HOUR, &mut state);
    let (mut late, mut recent, mut unknown) =
        (Reads::default(), Reads::default(), Reads::default());
    // The last hour, looked at from time to time: right after a merge, and long after one.
    for slice in 0..12 {
        let from = (HOURS - 1) * HOUR + slice * HOUR / 12;
        live_through(&mut index, from..from + HOUR / 12, &mut state);
        let until = from + HOUR / 12;
        for _ in 0..500 {
            let at = state.choices.next(state.open.len() / 100);
            let (second, n) = state.open[at];
            assert!(until - second > 70 * HOUR);
            let (found, pages) = index.lookup(part(n).k1);
            assert_eq!(found, [part(n)]);
            late.add(pages);
            let (_, n) = state.open[state.choices.next(state.open.len())];
            recent.add(index.lookup(part(n).k1).1);
            let nobody = 1 << 40 | state.choices.next(1 << 30) as u64;
            let (found, pages) = index.lookup(part(nobody).k1);
            assert_eq!(found, []);
            unknown.add(pages);
        }
    }
    let stats = index.set.stats();
    println!(
        "{} parked parts in {HOURS} h, {} still open; {} rows in {} runs ({} at most), filters and \
         keys {:.2} bytes a row, rates together {:.4} at most",
        state.next,
        state.open.len(),
        stats.rows,
        stats.runs,
        index.most.runs,
        stats.table_bytes as f64 / stats.rows as f64,
        index.most.filter_rates,
    );
    for (what, reads) in [("71 h old", &late), ("any age", &recent), ("unknown", &unknown)] {
        println!(
            "{what}: pages read p99 {}, p100 {}, mean {:.4}",
            reads.percentile(99),
            reads.percentile(100),
            reads.mean()
        );
    }
    // The second read is the message's own record.
    assert!(late.percentile(99) <= 1, "{:?}", late.0);
    assert!(unknown.mean() <= 1.0, "{:?}", unknown.0);
    assert!(index.most.filter_rates <= 1.0);
    // Closed parts are dropped by merges: the index is hardly larger than what is open.
    index.settle(HOURS * HOUR + 2 * HOUR);
    assert_eq!(index.set.stats().runs, 1);
    let waiting: usize = state.closing.values().map(Vec::len).sum();
    let rows = index.set.stats().rows as usize + index.set.stats().memory_rows;
    assert!(rows <= (state.open.len() + waiting) * 11 / 10, "{rows} rows");
}
