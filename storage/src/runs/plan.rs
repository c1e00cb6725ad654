//! What a set of runs does next on its files, and what it makes of the outcome. Pure; part of
//! [`RunSet`].

use std::sync::Arc;
use std::time::Duration;

use crate::disk::LogIoError;
use crate::log::Lsn;

use super::chore::MergeChore;
use super::{
    Chore, Done, Frozen, Key, Merge, MergeRule, Place, Run, RunChore, RunDone, RunSet, Slice,
    UnderWay,
};

/// How many times the configured number of runs there may be while a long merge is under way; then
/// memory waits for it.
const RUNS_FACTOR: usize = 4;
/// An older run joins a merge when it is at most so many times as large as what is merged already:
/// each row is then written a few times only.
const SIZE_FACTOR: u64 = 2;

/// A merge under way.
#[derive(Debug)]
pub(super) struct Merging {
    /// Newest first, following on each other.
    inputs: Vec<Arc<Run>>,
    /// Set when the oldest run is among them: deletions and what is past are left out.
    full: Option<MergeRule>,
    pub(super) slices: Vec<Slice>,
    /// Where the next slice begins: behind this key.
    reached: Option<Key>,
}

impl RunSet {
    /// The next work on the set's files, for a helper thread; one at a time.
    ///
    /// `applied`: the last record whose rows have been put, with those of all before it and none
    /// behind. `durable`: what the log has on the disk. Rows are written only when their records are,
    /// so that a run never knows more than the log.
    pub fn poll_chore(&mut self, now: Duration, applied: Lsn, durable: Lsn) -> Option<RunChore> {
        self.note_clean(applied, durable);
        if self.under_way.is_some() || self.full || self.damaged.is_some() {
            return None;
        }
        self.freeze(applied);
        let (under_way, chore) = self
            .removal_of_leftovers()
            .or_else(|| self.flush_of_memory(durable))
            .or_else(|| self.next_slice(now))
            .or_else(|| self.removal_of_replaced())?;
        self.under_way = Some(under_way);
        Some(RunChore(chore))
    }

    /// When `poll_chore` may have work without anything else happening.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let held = self.under_way.is_some() || self.full || self.damaged.is_some();
        (!held && self.worth_merging()).then_some(self.merged.0 + self.config.merge_after)
    }

    /// A chore is done, or failed. On an error that is no [`crate::LogIoErrorKind::Full`] the owner
    /// stops the process, as for the log.
    ///
    /// # Panics
    /// When no chore is under way.
    pub fn handle_chore(&mut self, now: Duration, result: Result<RunDone, LogIoError>) {
        let Some(under_way) = self.under_way.take() else {
            panic!("no chore of the set is under way");
        };
        let done = match result {
            Ok(RunDone(done)) => done,
            Err(_) => {
                self.full = true;
                return;
            }
        };
        match (under_way, done) {
            (UnderWay::Stale(file), _) => self.leftovers.extend(file),
            (_, Done::Damaged(file)) => self.damaged = Some(file),
            (UnderWay::Flush(place), Done::Flushed(slice)) => {
                self.frozen = None;
                self.covered = self.covered.max(place.covers);
                self.runs.insert(0, Arc::new(Run::new(place, vec![slice])));
            }
            (UnderWay::Merge, Done::Merged { slice, reached }) => {
                self.merged_slice(now, slice, reached);
            }
            (UnderWay::Remove, Done::Removed) => self.leftovers.clear(),
            (_, Done::Flushed(_) | Done::Merged { .. } | Done::Removed) => {
                panic!("the outcome of another chore");
            }
        }
    }

    /// Whether there are rows that are not on the disk.
    #[must_use]
    pub fn dirty(&self) -> bool {
        self.frozen.is_some() || !self.memory.is_empty()
    }

    /// Whether [`RunSet::set_aside`] may be called: nothing is on its way to the disk.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.frozen.is_none()
    }

    /// Sets all rows in memory aside to be written, as they are at this moment: for a checkpoint,
    /// whose rows are on the disk once [`RunSet::covered`] has reached `applied`, which is as for
    /// [`RunSet::poll_chore`].
    ///
    /// # Panics
    /// When rows are still on their way to the disk.
    pub fn set_aside(&mut self, applied: Lsn) {
        assert!(self.is_settled(), "rows are on their way to the disk");
        self.wanted = true;
        self.freeze(applied);
        if self.frozen.is_none() {
            // What was gone by then is covered once its records are on the disk.
            self.clean = Some(applied);
        }
    }

    fn freeze(&mut self, applied: Lsn) {
        let due = self.wanted || self.pressed();
        if !due || self.frozen.is_some() {
            return;
        }
        self.wanted = false;
        if !self.memory.is_empty() {
            // Rows may come without a record: they are not covered because all records are.
            self.covered = self.covered.min(Lsn(applied.0.saturating_sub(1)));
            let rows = Arc::new(std::mem::take(&mut self.memory));
            self.frozen = Some(Frozen { rows, covers: applied });
        }
    }

    fn note_clean(&mut self, applied: Lsn, durable: Lsn) {
        if self.clean.is_none() && !self.dirty() {
            self.clean = Some(applied);
        }
        if let Some(clean) = self.clean.take_if(|clean| *clean <= durable) {
            self.covered = self.covered.max(clean);
        }
    }

    fn new_file(&mut self) -> u64 {
        self.next_file += 1;
        self.next_file - 1
    }

    fn removal_of_leftovers(&mut self) -> Option<(UnderWay, Chore)> {
        let files = self.leftovers.clone();
        (!files.is_empty()).then_some((UnderWay::Remove, Chore::Remove(files)))
    }

    fn flush_of_memory(&mut self, durable: Lsn) -> Option<(UnderWay, Chore)> {
        let frozen = self.frozen.as_ref().filter(|frozen| frozen.covers <= durable)?;
        if self.runs.len() >= self.config.runs.saturating_mul(RUNS_FACTOR) {
            return None;
        }
        let (rows, covers) = (Arc::clone(&frozen.rows), frozen.covers);
        let newest = self.runs.first();
        // A chore that failed gets the same generation again: it left no file.
        let generation = newest.map_or(self.next_generation, |run| run.to + 1);
        self.next_generation = generation + 1;
        let place =
            Place { from: generation, to: generation, oldest: newest.is_none(), covers, slice: 0 };
        let file = self.new_file();
        Some((UnderWay::Flush(place), Chore::Flush { kind: self.kind, file, place, rows }))
    }

    fn next_slice(&mut self, now: Duration) -> Option<(UnderWay, Chore)> {
        if self.merging.is_none() {
            let count = self.runs_to_merge(now)?;
            let inputs: Vec<Arc<Run>> = self.runs.iter().take(count).map(Arc::clone).collect();
            let full = inputs.last().is_some_and(|run| run.oldest).then_some(self.rule);
            self.merging = Some(Merging { inputs, full, slices: Vec::new(), reached: None });
        }
        let file = self.new_file();
        let merging = self.merging.as_ref()?;
        let from = merging.reached.map_or((0, 0), |(k1, k2)| (k1, k2.saturating_add(1)));
        let merge = Merge::new(from, (u64::MAX, u64::MAX), Vec::new(), merging.inputs.clone());
        let chore = MergeChore {
            kind: self.kind,
            file,
            place: merging.place()?,
            merge,
            full: merging.full,
            rows: self.config.slice_rows,
        };
        Some((UnderWay::Merge, Chore::Merge(chore)))
    }

    /// Files of merged runs that no search reads any more.
    fn removal_of_replaced(&mut self) -> Option<(UnderWay, Chore)> {
        let at = self.replaced.iter().position(|run| Arc::strong_count(run) == 1)?;
        let run = self.replaced.remove(at);
        self.leftovers.extend(run.files());
        self.removal_of_leftovers()
    }

    fn worth_merging(&self) -> bool {
        self.runs.len() > 1 || (!self.runs.is_empty() && self.rule != self.merged.1)
    }

    /// How many of the newest runs to merge: all of them from time to time, else when there are too
    /// many, the small ones.
    fn runs_to_merge(&self, now: Duration) -> Option<usize> {
        let hourly = now.saturating_sub(self.merged.0) >= self.config.merge_after;
        if hourly && self.worth_merging() {
            return Some(self.runs.len());
        }
        if self.runs.len() <= self.config.runs {
            return None;
        }
        let (mut count, mut rows) = (0, 0);
        for run in &self.runs {
            if count >= self.config.runs.div_ceil(2) && run.rows() > rows * SIZE_FACTOR {
                break;
            }
            count += 1;
            rows += run.rows();
        }
        Some(count)
    }

    fn merged_slice(&mut self, now: Duration, slice: Slice, reached: Option<Key>) {
        let Some(mut merging) = self.merging.take() else {
            return;
        };
        let place = merging.place();
        merging.slices.push(slice);
        merging.reached = reached;
        let (Some(place), None) = (place, reached) else {
            self.merging = Some(merging);
            return;
        };
        let replaced = |run: &Arc<Run>| (place.from..=place.to).contains(&run.from);
        let at = self.runs.iter().position(replaced).unwrap_or(0);
        self.replaced.extend(self.runs.extract_if(.., |run| replaced(run)));
        self.runs.insert(at, Arc::new(Run::new(place, merging.slices)));
        if let Some(rule) = merging.full {
            self.merged = (now, rule);
        }
    }
}

impl Merging {
    /// Of the slice to come.
    fn place(&self) -> Option<Place> {
        let (newest, oldest) = (self.inputs.first()?, self.inputs.last()?);
        Some(Place {
            from: oldest.from,
            to: newest.to,
            oldest: oldest.oldest,
            covers: newest.covers,
            slice: u32::try_from(self.slices.len()).ok()?,
        })
    }
}

impl Run {
    pub(super) fn new(place: Place, slices: Vec<Slice>) -> Self {
        let Place { from, to, oldest, covers, .. } = place;
        Self { from, to, oldest, covers, slices }
    }
}
