//! The registers on the disk as a shard knows them, and what has changed in them since they were
//! written. Pure; one per shard, searches under way hold on to it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::head::Summary;
use super::row::{Key, Slot};
use super::slots::Survey;

/// A register on the disk.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) summary: Arc<Summary>,
    pub(super) survey: Arc<Survey>,
    /// No page of its slots can be torn.
    pub(super) settled: bool,
    /// Something in it is damaged: it is not written to any more, and rebuilt at the next start.
    pub(super) condemned: bool,
}

/// Where a register lies in time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// No message in it is later in a customer's list.
    pub(super) top: Key,
    /// None is earlier.
    pub(super) bottom: Key,
    /// Its place among the entries.
    at: usize,
}

/// All registers on the disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed {
    /// Those that own their range of sequences, ascending by it; then the others.
    entries: Vec<Entry>,
    owning: usize,
    /// Ascending by their tops.
    spans: Vec<Span>,
}

impl Listed {
    pub(super) fn of(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_key(|entry| (entry.summary.stray, entry.summary.first));
        let owning = entries.partition_point(|entry| !entry.summary.stray);
        let mut spans: Vec<Span> = entries
            .iter()
            .enumerate()
            .map(|(at, Entry { summary, .. })| Span {
                top: summary.top(),
                bottom: (summary.oldest_ms, summary.first),
                at,
            })
            .collect();
        spans.sort_by_key(|span| span.top);
        Self { entries, owning, spans }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.summary.number == number)
    }

    pub(super) fn entry_mut(&mut self, number: u64) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.summary.number == number)
    }

    /// The register that owns a sequence.
    pub(super) fn owner(&self, sequence: u64) -> Option<&Entry> {
        let owning = self.entries.get(..self.owning)?;
        let at = owning.partition_point(|entry| entry.summary.first <= sequence);
        owning.get(at.checked_sub(1)?).filter(|entry| entry.summary.spans(sequence))
    }

    /// Those that own no range.
    pub(super) fn strays(&self) -> &[Entry] {
        self.entries.get(self.owning..).unwrap_or_default()
    }

    /// Registers in which a message of this sequence may be.
    pub(super) fn spanning(&self, sequence: u64) -> impl Iterator<Item = &Entry> {
        let strays = self.strays().iter().filter(move |entry| entry.summary.spans(sequence));
        self.owner(sequence).into_iter().chain(strays)
    }

    /// The highest sequence that is owned.
    pub(super) fn last(&self) -> Option<u64> {
        let last = self.owning.checked_sub(1).and_then(|at| self.entries.get(at));
        last.map(|entry| entry.summary.last)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// One of them by its place in time, latest last.
    pub(super) fn by_time(&self, at: usize) -> Option<(&Span, &Entry)> {
        let span = self.spans.get(at)?;
        Some((span, self.entries.get(span.at)?))
    }
}

/// What has changed since the registers were written. Searches under way look into it.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Packed slots by sequence.
    pub(super) slots: BTreeMap<u64, u64>,
    /// How often slots have been written to registers on the disk. What was read before the last
    /// time may be older than what has left `slots` by then.
    pub(super) flushes: u64,
    /// Anchors in segments before this one are gone.
    pub(super) oldest: u64,
}

impl Changes {
    /// The message's slot, unless it or its anchor is gone.
    pub(super) fn there(&self, packed: u64) -> Option<Slot> {
        Slot::unpack(packed).filter(|slot| slot.at.segment.0 >= self.oldest)
    }

    /// Whether one of these sequences has changed.
    pub(super) fn touch(&self, first: u64, last: u64) -> bool {
        self.slots.range(first..=last).next().is_some()
    }
}

/// The changes as the registers and their searches share them, on one thread.
pub(super) type Shared = Rc<RefCell<Changes>>;
