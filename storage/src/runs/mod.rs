//! Indexes of open messages as sorted runs: rows come into an ordered table in memory, go to disk as
//! immutable runs, and runs are merged. Pure; one [`RunSet`] per shard and [`IndexKind`].
//!
//! What is in a set can be made again from the log. The newest row of a key counts, a deletion hides
//! older ones. Contract: `put` and `delete`, drain [`RunSet::poll_chore`], hand outcomes to
//! [`RunSet::handle_chore`]; [`RunSet::lookup`] and [`RunSet::range`] are searches that hold what
//! they need while the set goes on.
//!
//! A run is one or more files, *slices*, in the order of their rows. It holds the rows of a stretch
//! of *generations*, one for each time that memory was written; the runs of a set follow on each
//! other without a gap. A merge writes slice after slice, and its inputs are removed after the last
//! one. So whatever a crash leaves, the widest complete run over a stretch is the one that counts,
//! and every other file over it is left over.

mod check;
mod chore;
mod filter;
mod merge;
mod open;
mod page;
mod plan;
pub mod receipts;
mod search;
mod slice;

use std::sync::Arc;
use std::time::Duration;

pub use check::{RunCheck, RunFile, check};
pub use chore::{MergeRule, RunChore, RunDone};
pub use search::{RunLookup, RunRange, RunRows};

use crate::disk::{IndexKind, SideFile};
use crate::log::Lsn;

use chore::{Chore, Done, Memory};
use filter::Rate;
use merge::Merge;
use plan::Merging;
use slice::{Place, Slice};

/// What rows are sorted by.
pub type Key = (u64, u64);

/// Rows of one first key that [`RunSet::lookup`] finds at most.
pub const LOOKUP_ROWS_MAX: usize = 256;
/// Rows beyond the limit of a search that are copied of memory at most, when many are deletions.
const COPIED_MORE: usize = 1_024;

/// A row of an index: 24 bytes on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    /// First key.
    pub k1: u64,
    /// Second key.
    pub k2: u64,
    /// The value; 0 stands for a deletion, which only the set itself makes.
    pub v: u64,
}

impl Row {
    /// Both keys.
    #[must_use]
    pub fn key(&self) -> Key {
        (self.k1, self.k2)
    }

    fn is_deletion(&self) -> bool {
        self.v == 0
    }
}

/// Settings of one set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunConfig {
    /// Rows in memory at which they are written as a run. As many again may come while they are
    /// being written; then [`RunSet::has_room`] says no.
    pub memory_rows: usize,
    /// How often everything is merged.
    pub merge_after: Duration,
    /// Runs beyond which the newest are merged, at least 2.
    pub runs: usize,
    /// Rows that one chore of a merge reads, and so the most of a file.
    pub slice_rows: u64,
}

/// What of a set is on the disk, for the checkpoint. Given back to [`RunSet::open`] it tells how far
/// the files reach although their newest is older.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunState {
    /// The newest generation on the disk.
    pub generation: u64,
    /// [`RunSet::covered`].
    pub covered: Lsn,
}

/// How large a set is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RunStats {
    /// Rows in memory, deletions included.
    pub memory_rows: usize,
    /// Rows on the disk, deletions and replaced ones included.
    pub rows: u64,
    /// Runs on the disk.
    pub runs: usize,
    /// Files on the disk, those to be removed included.
    pub files: usize,
    /// Bytes of memory for what is known of the files: filters, and a key for each page.
    pub table_bytes: usize,
    /// False positives to expect of a look-up: the sum of the rates of all filters. 0 without filters.
    pub filter_rates: f64,
}

/// A run: the rows of generations `from..=to`.
#[derive(Debug)]
struct Run {
    from: u64,
    to: u64,
    /// Nothing older is in the set.
    oldest: bool,
    covers: Lsn,
    slices: Vec<Slice>,
}

impl Run {
    fn rows(&self) -> u64 {
        self.slices.iter().map(Slice::rows).sum()
    }

    fn may_hold(&self, k1: u64) -> bool {
        self.slices.iter().any(|slice| slice.may_hold(k1))
    }

    fn files(&self) -> impl Iterator<Item = SideFile> {
        self.slices.iter().map(Slice::file)
    }
}

/// Rows on their way to the disk.
#[derive(Debug)]
struct Frozen {
    rows: Arc<Memory>,
    covers: Lsn,
}

/// The chore under way.
#[derive(Debug, Clone, Copy)]
enum UnderWay {
    /// Rows of memory become a run of this place.
    Flush(Place),
    Merge,
    Remove,
    /// The set was emptied meanwhile: this file, if any, is left over.
    Stale(Option<SideFile>),
}

/// A sorted index of open messages. See the module.
#[derive(Debug)]
pub struct RunSet {
    kind: IndexKind,
    config: RunConfig,
    rule: MergeRule,
    memory: Memory,
    frozen: Option<Frozen>,
    /// Memory is to be written although it is not full.
    wanted: bool,
    /// What [`RunSet::covered`] tells.
    covered: Lsn,
    /// With the rows of records up to this one nothing was left in memory: the index covers them once
    /// they are durable, which its deletions have to be too.
    clean: Option<Lsn>,
    /// Newest first.
    runs: Vec<Arc<Run>>,
    merging: Option<Merging>,
    /// When everything was merged last, and by which rule.
    merged: (Duration, MergeRule),
    /// Files that nothing needs, to be gone before anything else is written.
    leftovers: Vec<SideFile>,
    /// Runs that were merged, to be removed once no search reads them.
    replaced: Vec<Arc<Run>>,
    under_way: Option<UnderWay>,
    full: bool,
    damaged: Option<SideFile>,
    next_file: u64,
    next_generation: u64,
}

impl RunSet {
    fn new(kind: IndexKind, config: RunConfig, now: Duration) -> Self {
        assert!(config.memory_rows > 0 && config.runs >= 2 && config.slice_rows > 0);
        Self {
            kind,
            config,
            rule: MergeRule::KEEP,
            memory: Memory::new(),
            frozen: None,
            wanted: false,
            covered: Lsn(0),
            clean: None,
            runs: Vec::new(),
            merging: None,
            merged: (now, MergeRule::KEEP),
            leftovers: Vec::new(),
            replaced: Vec::new(),
            under_way: None,
            full: false,
            damaged: None,
            next_file: 1,
            next_generation: 1,
        }
    }

    /// Adds a row, in place of one with the same key.
    ///
    /// # Panics
    /// When `v` is 0, which is a deletion, or `k2` is `u64::MAX`, which stands for the end of a first
    /// key.
    pub fn put(&mut self, row: Row) {
        assert!(!row.is_deletion() && row.k2 < u64::MAX, "{row:?} is no row");
        self.memory.insert(row.key(), row.v);
    }

    /// Takes a row away; harmless when there is none. Costs a row where an older one may be on the
    /// disk, else none.
    pub fn delete(&mut self, key: Key) {
        let frozen = self.frozen.as_ref().is_some_and(|frozen| frozen.rows.contains_key(&key));
        if frozen || self.runs.iter().any(|run| run.may_hold(key.0)) {
            self.memory.insert(key, 0);
        } else {
            self.memory.remove(&key);
        }
    }

    /// Whether rows may be put. The owner stops what makes new ones while the disk does not keep up;
    /// deletions, and rows of what was accepted, may come all the same.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.memory.len() < self.config.memory_rows
            || (self.frozen.is_none() && !self.full && self.damaged.is_none())
    }

    /// Whether as many rows are in memory as may be before they are written.
    #[must_use]
    pub fn pressed(&self) -> bool {
        self.memory.len() >= self.config.memory_rows
    }

    /// All rows with this first key, in order of the second, up to [`LOOKUP_ROWS_MAX`]. For the
    /// kinds that have filters, one page of one run is read nearly always.
    #[must_use]
    pub fn lookup(&self, k1: u64) -> RunLookup {
        let runs = self.runs.iter().filter(|run| run.may_hold(k1)).map(Arc::clone).collect();
        RunLookup(self.search(((k1, 0), (k1, u64::MAX)), LOOKUP_ROWS_MAX, runs))
    }

    /// Up to `limit` (at least 1) rows with first keys from `from` to `to`, both included, in order,
    /// behind the key `after`.
    #[must_use]
    pub fn range(&self, from: u64, to: u64, after: Option<Key>, limit: usize) -> RunRange {
        let first = after.map_or((from, 0), |(k1, k2)| (k1, k2.saturating_add(1)));
        let bounds = (first.max((from, 0)), (to, u64::MAX));
        self.search(bounds, limit, self.runs.clone())
    }

    fn search(&self, (from, to): (Key, Key), limit: usize, runs: Vec<Arc<Run>>) -> RunRange {
        let mut cut = None;
        let frozen = self.frozen.as_ref().map(|frozen| &*frozen.rows);
        let tables = std::iter::once(&self.memory).chain(frozen);
        let memory = tables.map(|table| copy(table, (from, to), limit, &mut cut)).collect();
        RunRange::new((from, to), memory, cut, runs, limit)
    }

    /// Asks for what is in memory to be written at the next chore.
    pub fn flush(&mut self) {
        self.wanted = true;
    }

    /// Sets what the next full merge leaves out.
    pub fn set_rule(&mut self, rule: MergeRule) {
        self.rule = rule;
    }

    /// The rows of all records up to this one are on the disk, if there are any: they need not be
    /// put again. Never beyond what the log has on the disk.
    #[must_use]
    pub fn covered(&self) -> Lsn {
        self.covered
    }

    /// What the checkpoint keeps of the set.
    #[must_use]
    pub fn state(&self) -> RunState {
        let generation = self.runs.first().map_or(0, |run| run.to);
        RunState { generation, covered: self.covered }
    }

    /// A file that turned out to be damaged: nothing is written any more until [`RunSet::discard`],
    /// after which the owner puts all rows again.
    #[must_use]
    pub fn damaged(&self) -> Option<SideFile> {
        self.damaged
    }

    /// Whether the disk had no room for the last chore.
    #[must_use]
    pub fn full(&self) -> bool {
        self.full
    }

    /// Lets `poll_chore` try again after a full disk. Call it about once a second.
    pub fn retry_chores(&mut self) {
        self.full = false;
    }

    /// How large the set is.
    #[must_use]
    pub fn stats(&self) -> RunStats {
        let filtered = slice::has_filter(self.kind);
        let rate = |run: &Arc<Run>| {
            let rate = if run.oldest { Rate::Oldest } else { Rate::Newer };
            if filtered { rate.probability() } else { 0.0 }
        };
        let frozen = self.frozen.as_ref().map_or(0, |frozen| frozen.rows.len());
        let slices = || self.runs.iter().flat_map(|run| &run.slices);
        let replaced: usize = self.replaced.iter().map(|run| run.slices.len()).sum();
        RunStats {
            memory_rows: self.memory.len() + frozen,
            rows: slices().map(Slice::rows).sum(),
            runs: self.runs.len(),
            files: slices().count() + replaced + self.leftovers.len(),
            table_bytes: slices().map(Slice::memory).sum(),
            filter_rates: self.runs.iter().map(rate).sum(),
        }
    }

    /// Empties the set and has its files removed, to be filled anew from the log.
    pub fn discard(&mut self) {
        self.memory.clear();
        self.frozen = None;
        self.covered = Lsn(0);
        self.clean = None;
        self.wanted = false;
        self.damaged = None;
        let merged = self.merging.take().into_iter().flat_map(|merging| merging.slices);
        self.leftovers.extend(merged.map(|slice| slice.file()));
        for run in self.runs.drain(..).chain(self.replaced.drain(..)) {
            self.leftovers.extend(run.files());
        }
        if let Some(under_way) = &mut self.under_way {
            let file = match under_way {
                UnderWay::Flush(_) | UnderWay::Merge => {
                    Some(SideFile::Run(self.kind, self.next_file - 1))
                }
                UnderWay::Remove => None,
                UnderWay::Stale(file) => *file,
            };
            *under_way = UnderWay::Stale(file);
        }
    }
}

/// The rows of a table in a range, in order: enough for `limit` that are no deletions, unless that
/// would be too many; then `cut` is set to the last one copied.
fn copy(table: &Memory, (from, to): (Key, Key), limit: usize, cut: &mut Option<Key>) -> Vec<Row> {
    let mut rows = Vec::new();
    if from > to {
        return rows;
    }
    let mut live = 0;
    for (&(k1, k2), &v) in table.range(from..=to) {
        if live >= limit.max(1) || rows.len() >= limit.saturating_add(COPIED_MORE) {
            let last = rows.last().map(Row::key);
            *cut = cut.map_or(last, |cut| last.map(|last| cut.min(last)));
            break;
        }
        let row = Row { k1, k2, v };
        live += usize::from(!row.is_deletion());
        rows.push(row);
    }
    rows
}
