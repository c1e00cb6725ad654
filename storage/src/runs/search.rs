//! Look-ups in a set of runs, as searches that hold what they need: the set may change under them.
//! Pure; one per question.

use std::sync::Arc;

use crate::disk::FileRef;
use crate::search::{Search, SearchError, Step};

use super::merge::{Merge, Next};
use super::page::PAGE_ROWS;
use super::{Key, Row, Run};

/// Most pages that are read of a run at once: 64 KiB.
const PAGES_AT_ONCE: u32 = 16;
/// Reads after which a range is answered in part, so that deleted rows cannot hold one up for long.
const READS_MAX: u32 = 256;

/// Rows of a range, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunRows {
    /// The rows.
    pub rows: Vec<Row>,
    /// Where the search stopped before its end: the rest lies behind this key. `None`: there is no
    /// more.
    pub next: Option<Key>,
}

/// All rows between two keys, deletions applied, up to a limit. Made by [`super::RunSet::range`].
#[derive(Debug)]
pub struct RunRange {
    merge: Merge,
    limit: usize,
    pages: u32,
    reads: u32,
    /// Rows in memory were only copied up to this key.
    cut: Option<Key>,
    last: Option<Key>,
    rows: Vec<Row>,
}

impl RunRange {
    /// From `from` to `to`, both included. The rows in memory, newest first, reach up to `cut`.
    pub(super) fn new(
        (from, to): (Key, Key),
        memory: Vec<Vec<Row>>,
        cut: Option<Key>,
        runs: Vec<Arc<Run>>,
        limit: usize,
    ) -> Self {
        let to = cut.map_or(to, |cut| cut.min(to));
        let reach = |mut rows: Vec<Row>| {
            rows.truncate(rows.partition_point(|row| row.key() <= to));
            rows
        };
        let memory = memory.into_iter().map(reach).collect();
        let pages = u32::try_from(limit / PAGE_ROWS + 1).unwrap_or(PAGES_AT_ONCE);
        Self {
            merge: Merge::new(from, to, memory, runs),
            limit: limit.max(1),
            pages: pages.min(PAGES_AT_ONCE),
            reads: 0,
            cut,
            last: None,
            rows: Vec::new(),
        }
    }

    fn done(&mut self, next: Option<Key>) -> Step<RunRows> {
        Step::Done(Ok(RunRows { rows: std::mem::take(&mut self.rows), next }))
    }
}

impl Search for RunRange {
    type Found = RunRows;

    fn next(&mut self, answer: Option<&[u8]>) -> Step<RunRows> {
        if let Some(bytes) = answer
            && let Err(file) = self.merge.answer(bytes)
        {
            return Step::Done(Err(SearchError::Damaged(FileRef::Side(file))));
        }
        loop {
            if self.rows.len() >= self.limit {
                return self.done(self.last);
            }
            match self.merge.next(self.pages) {
                Next::Read(_) if self.reads >= READS_MAX && self.last.is_some() => {
                    return self.done(self.last);
                }
                Next::Read(ask) => {
                    self.reads += 1;
                    return Step::Read(ask);
                }
                Next::Row(row) => {
                    self.last = Some(row.key());
                    self.rows.extend((!row.is_deletion()).then_some(row));
                }
                Next::End => return self.done(self.cut),
            }
        }
    }
}

/// The rows of one first key, deletions applied. Made by [`super::RunSet::lookup`].
#[derive(Debug)]
pub struct RunLookup(pub(super) RunRange);

impl Search for RunLookup {
    type Found = Vec<Row>;

    fn next(&mut self, answer: Option<&[u8]>) -> Step<Vec<Row>> {
        match self.0.next(answer) {
            Step::Read(ask) => Step::Read(ask),
            Step::Done(found) => Step::Done(found.map(|found| found.rows)),
        }
    }
}
