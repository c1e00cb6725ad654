//! Looking up one message's slot, and the messages of a recipient or a group. Pure; one per look-up.

use std::rc::Rc;
use std::sync::Arc;

use crate::search::{Ask, Search, SearchError, Step};

use super::head::Summary;
use super::listed::{Entry, Listed, Shared};
use super::page::{self, KeyRow, Kind};
use super::read::{SlotRead, Taken, index_ask, index_damaged};
use super::row::{Slot, Statuses};
use super::slots::{Content, slot_of, slots_at};

/// Finds a message's slot: at most one read, while no register had to be rebuilt.
#[derive(Debug)]
pub struct SlotLookup {
    sequence: u64,
    /// The answer, when it is known without a read.
    known: Option<Option<Slot>>,
    /// Registers that it may be in.
    candidates: Vec<Arc<Summary>>,
    changes: Shared,
    reading: Option<(SlotRead, u32)>,
}

impl SlotLookup {
    pub(super) fn known(sequence: u64, slot: Option<Slot>, changes: &Shared) -> Self {
        let changes = Rc::clone(changes);
        Self { sequence, known: Some(slot), candidates: Vec::new(), changes, reading: None }
    }

    pub(super) fn new(sequence: u64, listed: &Listed, changes: &Shared) -> Self {
        let candidates = listed.spanning(sequence).map(|entry| Arc::clone(&entry.summary));
        // The last one is taken first: the owner of the sequence.
        let mut candidates: Vec<_> = candidates.collect();
        candidates.reverse();
        let changes = Rc::clone(changes);
        Self { sequence, known: None, candidates, changes, reading: None }
    }

    fn take(&mut self, answer: &[u8]) -> Result<Option<Ask>, SearchError> {
        let Some((read, page)) = &mut self.reading else { return Ok(None) };
        let mut found = None;
        let changes = self.changes.borrow();
        let taken = read.take(&changes, answer, &[*page], &mut |_, content| {
            if let Content::Slots(rows) = content {
                found = slot_of(rows, self.sequence);
            }
        })?;
        if let Taken::Again(ask) = taken {
            return Ok(Some(ask));
        }
        self.reading = None;
        if let Some(packed) = found {
            let packed = changes.slots.get(&self.sequence).copied().unwrap_or(packed);
            self.known = Some(changes.there(packed));
        }
        Ok(None)
    }
}

impl Search for SlotLookup {
    type Found = Option<Slot>;

    fn next(&mut self, answer: Option<&[u8]>) -> Step<Self::Found> {
        match self.take(answer.unwrap_or_default()) {
            Ok(Some(ask)) => return Step::Read(ask),
            Ok(None) => {}
            Err(error) => return Step::Done(Err(error)),
        }
        while self.known.is_none() {
            let Some(summary) = self.candidates.pop() else { break };
            let Some(page) = summary.slot_page(self.sequence) else { continue };
            let page = slots_at(&summary) + page;
            let mut read = SlotRead::new(summary, &[page]);
            let ask = read.ask(&self.changes.borrow());
            self.reading = Some((read, page));
            return Step::Read(ask);
        }
        Step::Done(Ok(self.known.flatten()))
    }
}

/// Finds the messages with a hash over all registers: about one read for each that may have one with a
/// status that is wanted.
#[derive(Debug)]
pub struct HashSearch {
    kind: Kind,
    hash: u64,
    statuses: Statuses,
    changes: Shared,
    /// When what is known of the registers' statuses was up to date.
    flushes: u64,
    found: Vec<u64>,
    listed: Arc<Listed>,
    /// The entry that comes next.
    next: usize,
    reading: Option<HashRead>,
}

/// A look into the sorted pages of one register: the first page whose last row is not before the
/// hash is in `low..high`, or is `high`.
#[derive(Debug)]
struct HashRead {
    summary: Arc<Summary>,
    pages: u32,
    low: u32,
    high: u32,
    /// The page that was asked for.
    page: u32,
    guesses: u32,
}

/// Guesses from the hash itself before the range is halved.
const GUESSES: u32 = 3;

impl HashSearch {
    /// `found` are those in memory.
    pub(super) fn new(
        (kind, hash): (Kind, u64),
        statuses: Statuses,
        found: Vec<u64>,
        (listed, changes): (&Arc<Listed>, &Shared),
    ) -> Self {
        let flushes = changes.borrow().flushes;
        let (listed, changes) = (Arc::clone(listed), Shared::clone(changes));
        Self { kind, hash, statuses, changes, flushes, found, listed, next: 0, reading: None }
    }

    /// Whether a message of the register may have a status that is wanted.
    fn may_fit(&self, entry: &Entry) -> bool {
        let changes = self.changes.borrow();
        self.statuses == Statuses::ALL
            || changes.flushes != self.flushes
            || changes.touch(entry.summary.first, entry.summary.last)
            || entry.survey.meets(self.statuses)
    }

    fn pages_of(&self, summary: &Summary) -> (u32, u32) {
        let (at, rows) = if self.kind == Kind::Groups {
            (summary.groups_at(), summary.grouped)
        } else {
            (summary.recipients_at(), summary.rows)
        };
        (at, page::pages::<KeyRow>(usize::try_from(rows).unwrap_or_default()))
    }

    fn ask(&self, read: &HashRead) -> Ask {
        index_ask(&read.summary, self.pages_of(&read.summary).0 + read.page, 1)
    }

    /// Takes a page; returns the read with the page that comes next.
    fn take(&mut self, mut read: HashRead, answer: &[u8]) -> Result<Option<HashRead>, SearchError> {
        let rows: Option<&[KeyRow]> = page::read(answer, self.kind, read.summary.stamp, read.page);
        let rows = rows.ok_or_else(|| index_damaged(&read.summary))?;
        let first = rows.first().map_or(0, |row| row.key.get());
        let last = rows.last().map_or(0, |row| row.key.get());
        if last < self.hash {
            read.low = read.page + 1;
        } else if first < self.hash || read.page == read.low {
            let equal = rows.iter().filter(|row| row.key.get() == self.hash);
            self.found.extend(equal.map(|row| read.summary.sequence(row.sequence)));
            if last > self.hash {
                return Ok(None);
            }
            // It goes on in the next page.
            read.low = read.page + 1;
            read.high = read.low;
        } else {
            read.high = read.page;
        }
        Ok((read.low < read.pages).then(|| {
            read.page = self.guess(&read);
            read.guesses += 1;
            read
        }))
    }

    fn guess(&self, read: &HashRead) -> u32 {
        let (low, high) = (read.low, read.high.max(read.low + 1) - 1);
        if read.guesses >= GUESSES {
            return low + (high - low) / 2;
        }
        let guess = (u128::from(self.hash) * u128::from(read.pages)) >> 64;
        u32::try_from(guess).unwrap_or(u32::MAX).clamp(low, high)
    }
}

impl Search for HashSearch {
    type Found = Vec<u64>;

    fn next(&mut self, answer: Option<&[u8]>) -> Step<Self::Found> {
        if let (Some(read), Some(answer)) = (self.reading.take(), answer) {
            match self.take(read, answer) {
                Ok(read) => self.reading = read,
                Err(error) => return Step::Done(Err(error)),
            }
        }
        while self.reading.is_none() {
            let Some(entry) = self.listed.entries().get(self.next) else { break };
            self.next += 1;
            let summary = Arc::clone(&entry.summary);
            let (_, pages) = self.pages_of(&summary);
            if pages > 0 && self.may_fit(entry) {
                let mut read =
                    HashRead { summary, pages, low: 0, high: pages, page: 0, guesses: 0 };
                read.page = self.guess(&read);
                self.reading = Some(read);
            }
        }
        match &self.reading {
            Some(read) => Step::Read(self.ask(read)),
            None => {
                let mut found = std::mem::take(&mut self.found);
                found.sort_unstable();
                found.dedup();
                Step::Done(Ok(found))
            }
        }
    }
}
