//! Looking for the messages whose anchor lies in a segment, before that segment is given up. Pure;
//! one per look.

use std::rc::Rc;
use std::sync::Arc;

use crate::disk::SegmentId;
use crate::search::{Search, SearchError, Step};

use super::listed::{Entry, Listed, Shared};
use super::read::{SlotRead, Taken};
use super::row::{Slot, Statuses};
use super::slots::{Content, slots_at};

/// Pages of slots that are read at once: 256 KiB.
const PAGES_AT_ONCE: u32 = 64;

/// Where a look goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AnchoredCursor {
    /// The register, by its place when those of the first look are counted by number.
    number: u64,
    page: u32,
}

/// Messages with their slots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Anchored {
    /// Sequence and slot, in no order; one may appear twice when registers had to be rebuilt.
    pub rows: Vec<(u64, Slot)>,
    /// Where to go on; `None`: these were the last.
    pub next: Option<AnchoredCursor>,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) segment: SegmentId,
    pub(super) statuses: Statuses,
    /// It ends after the read in which so many are found.
    pub(super) limit: usize,
}

impl Wanted {
    pub(super) fn fit(&self, packed: u64) -> Option<Slot> {
        self.statuses.fit(packed).filter(|slot| slot.at.segment == self.segment)
    }
}

/// Finds the messages whose anchor lies in a segment: reads the slots of every register that may
/// have one, 256 KiB at a time.
#[derive(Debug)]
pub struct AnchoredSearch {
    wanted: Wanted,
    /// Registers still to be looked into, by number, the next one last.
    entries: Vec<Entry>,
    changes: Shared,
    /// Flushes at the start: later on the surveys may be out of date.
    flushes: u64,
    page: u32,
    found: Vec<(u64, Slot)>,
    reading: Option<(SlotRead, Vec<u32>)>,
}

impl AnchoredSearch {
    /// `found` are those in memory; they come with the first look alone.
    pub(super) fn new(
        wanted: Wanted,
        from: AnchoredCursor,
        found: Vec<(u64, Slot)>,
        listed: &Listed,
        changes: &Shared,
    ) -> Self {
        let known = changes.borrow();
        let may = |entry: &&Entry| {
            let summary = &entry.summary;
            summary.home <= wanted.segment
                && summary.number >= from.number
                && (u64::from(entry.survey.newest) >= wanted.segment.0
                    || known.touch(summary.first, summary.last))
        };
        let mut entries: Vec<Entry> = listed.entries().iter().filter(may).cloned().collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.summary.number));
        let page = match entries.last() {
            Some(entry) if entry.summary.number == from.number => from.page,
            _ => 0,
        };
        let (flushes, changes) = (known.flushes, Rc::clone(changes));
        Self { wanted, entries, changes, flushes, page, found, reading: None }
    }

    /// The pages of this stretch that may have one.
    fn pages(&self, entry: &Entry, until: u32) -> Vec<u32> {
        let changes = self.changes.borrow();
        let sure = changes.flushes == self.flushes
            && !changes.touch(entry.summary.first, entry.summary.last);
        let may = |page: &u32| !sure || entry.survey.of(*page).meets(self.wanted.statuses);
        let at = slots_at(&entry.summary);
        (self.page..until).filter(may).map(|page| at + page).collect()
    }

    fn take(&mut self, answer: &[u8]) -> Result<Option<crate::Ask>, SearchError> {
        let Some((read, pages)) = &mut self.reading else { return Ok(None) };
        let changes = self.changes.borrow();
        let mut each = |_, content: Content<'_>| {
            let Content::Slots(rows) = content else { return };
            for row in rows {
                let sequence = row.sequence.get();
                let packed = changes.slots.get(&sequence).copied().unwrap_or(row.slot.get());
                self.found.extend(self.wanted.fit(packed).map(|slot| (sequence, slot)));
            }
        };
        match read.take(&changes, answer, pages, &mut each)? {
            Taken::Again(ask) => Ok(Some(ask)),
            Taken::Done => {
                self.reading = None;
                Ok(None)
            }
        }
    }

    fn done(&mut self) -> Anchored {
        let next = self
            .entries
            .last()
            .map(|entry| AnchoredCursor { number: entry.summary.number, page: self.page });
        Anchored { rows: std::mem::take(&mut self.found), next }
    }
}

impl Search for AnchoredSearch {
    type Found = Anchored;

    fn next(&mut self, answer: Option<&[u8]>) -> Step<Self::Found> {
        match self.take(answer.unwrap_or_default()) {
            Ok(Some(ask)) => return Step::Read(ask),
            Ok(None) => {}
            Err(error) => return Step::Done(Err(error)),
        }
        while self.found.len() < self.wanted.limit {
            let Some(entry) = self.entries.last() else { break };
            let summary = Arc::clone(&entry.summary);
            let until = summary.slot_pages().min(self.page + PAGES_AT_ONCE);
            let pages = self.pages(entry, until);
            if until == summary.slot_pages() {
                self.entries.pop();
                self.page = 0;
            } else {
                self.page = until;
            }
            if !pages.is_empty() {
                let mut read = SlotRead::new(summary, &pages);
                let ask = read.ask(&self.changes.borrow());
                self.reading = Some((read, pages));
                return Step::Read(ask);
            }
        }
        Step::Done(Ok(self.done()))
    }
}
