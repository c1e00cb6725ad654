//! A page of a customer's list, newest first: rows and slots of as few registers as it takes, never
//! a message. Pure; one per page.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use crate::search::{Ask, Search, Step};

use super::cursor::{Cursor, Next};
use super::listed::{Entry, Listed, Shared};
use super::row::{Key, Slot, Statuses};

/// Reads for one page at most; then it ends early.
const READS_MAX: u32 = 512;
/// Pages of 4 KiB that are read for one page of the list at most; then it ends early.
const PAGES_MAX: u32 = 2_048;

/// What a page of a customer's list shall hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageQuery {
    /// The number of the customer.
    pub customer: u32,
    /// The latest time of acceptance.
    pub newest_ms: u64,
    /// The earliest time of acceptance.
    pub oldest_ms: u64,
    /// Only what comes after this place of the list, which need not be a message's.
    pub after: Option<Key>,
    /// Only messages whose slot has one of these statuses.
    pub statuses: Statuses,
    /// Messages at most.
    pub limit: usize,
    /// Messages looked at, at most.
    pub scan_max: usize,
}

impl PageQuery {
    /// The place before which the page begins.
    pub(super) fn before(&self) -> Key {
        let top = self.newest_ms.checked_add(1).map_or((u64::MAX, u64::MAX), |next| (next, 0));
        self.after.map_or(top, |after| after.min(top))
    }
}

/// A message in a customer's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedMessage {
    /// When it was accepted, Unix milliseconds.
    pub accepted_ms: u64,
    /// Its sequence.
    pub sequence: u64,
    /// Where it stands.
    pub slot: Slot,
}

/// A page of a customer's list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegisterPage {
    /// Newest first.
    pub rows: Vec<ListedMessage>,
    /// Everything before this place, and it, has been looked at: the next page comes after it.
    /// `None`: there is nothing more.
    pub looked_to: Option<Key>,
}

/// Rows found in memory when the search began.
#[derive(Debug, Default)]
pub(super) struct InMemory {
    /// Newest first; the slot only where it fits.
    pub(super) rows: VecDeque<(Key, Option<Slot>)>,
    /// Nothing older was looked at.
    pub(super) horizon: Option<Key>,
}

/// Finds a page of a customer's list.
#[derive(Debug)]
pub struct PageSearch {
    query: PageQuery,
    before: Key,
    memory: InMemory,
    listed: Arc<Listed>,
    changes: Shared,
    /// Flushes at the start: later on the surveys may be out of date.
    flushes: u64,
    /// Registers not looked into yet, by their place in time.
    next: usize,
    /// Registers with rows that are still to come.
    cursors: Vec<Cursor>,
    /// The cursor that waits for an answer.
    reading: Option<usize>,
    page: RegisterPage,
    looked: usize,
    last: Option<Key>,
    reads: u32,
    pages: u32,
}

impl PageSearch {
    pub(super) fn new(
        query: PageQuery,
        memory: InMemory,
        listed: &Arc<Listed>,
        changes: &Shared,
    ) -> Self {
        let before = query.before();
        let flushes = changes.borrow().flushes;
        Self {
            query,
            before,
            memory,
            listed: Arc::clone(listed),
            changes: Rc::clone(changes),
            flushes,
            next: listed.len(),
            cursors: Vec::new(),
            reading: None,
            page: RegisterPage::default(),
            looked: 0,
            last: None,
            reads: 0,
            pages: 0,
        }
    }

    /// Goes on without a read as far as it can.
    fn advance(&mut self) -> Option<Ask> {
        loop {
            if self.page.rows.len() >= self.query.limit || self.looked >= self.query.scan_max {
                self.page.looked_to = self.last;
                return None;
            }
            match self.latest() {
                Latest::Open => self.open(),
                Latest::Cursor(at) => {
                    if let Some(ask) = self.step(at) {
                        return Some(ask);
                    }
                    if self.page.looked_to.is_some() {
                        return None;
                    }
                }
                Latest::Memory => {
                    if let Some((key, slot)) = self.memory.rows.pop_front() {
                        self.look_at(key, slot);
                    }
                }
                Latest::Horizon(key) => {
                    self.page.looked_to = Some(key);
                    return None;
                }
                Latest::None => return None,
            }
        }
    }

    /// Where the next row comes from: what may have the latest one.
    fn latest(&self) -> Latest {
        let mut latest = match (self.memory.rows.front(), self.memory.horizon) {
            (Some((key, _)), _) => Some((*key, Latest::Memory)),
            (None, Some(key)) => Some((key, Latest::Horizon(key))),
            (None, None) => None,
        };
        let mut offer = |key: Key, from: Latest| {
            if latest.is_none_or(|(best, _)| key > best) {
                latest = Some((key, from));
            }
        };
        for (at, cursor) in self.cursors.iter().enumerate() {
            offer(cursor.top(), Latest::Cursor(at));
        }
        // A register that is not open yet may have a row as late as its top, and is opened first.
        if let Some((span, _)) = self.next.checked_sub(1).and_then(|at| self.listed.by_time(at)) {
            let top = span.top.min(self.before);
            if latest.is_none_or(|(best, _)| top >= best) {
                return Latest::Open;
            }
        }
        latest.map_or(Latest::None, |(_, from)| from)
    }

    /// Opens the next register, if it may have rows.
    fn open(&mut self) {
        self.next = self.next.saturating_sub(1);
        let Some((span, entry)) = self.listed.by_time(self.next) else { return };
        let oldest = self.query.oldest_ms;
        if span.top.0 < oldest {
            // None of those before it has later ones.
            self.next = 0;
        } else if span.bottom < self.before
            && entry.summary.may_have(self.query.customer)
            && self.may_fit(entry)
        {
            let cursor = Cursor::new(entry, self.query.customer, self.before, oldest);
            self.cursors.push(cursor);
        }
    }

    /// Whether a message of the register may have a status that is wanted.
    fn may_fit(&self, entry: &Entry) -> bool {
        let changes = self.changes.borrow();
        changes.flushes != self.flushes
            || changes.touch(entry.summary.first, entry.summary.last)
            || entry.survey.meets(self.query.statuses)
    }

    /// Takes a row of a cursor, or what it wants to read.
    fn step(&mut self, at: usize) -> Option<Ask> {
        let wanted = self.batch();
        let cursor = self.cursors.get_mut(at)?;
        let next = cursor.next(&self.changes.borrow(), self.flushes, self.query.statuses, wanted);
        match next {
            Next::Row(key, slot) => {
                self.look_at(key, slot);
                None
            }
            Next::End => {
                self.cursors.swap_remove(at);
                None
            }
            Next::Read(ask) => {
                self.reads += 1;
                self.pages += ask.len.div_ceil(4096);
                if self.reads > READS_MAX || self.pages > PAGES_MAX {
                    // Rows that are as late as the cursor's top were not looked at.
                    let (ms, sequence) = cursor.top();
                    self.page.looked_to = Some((ms, sequence.saturating_add(1)));
                    return None;
                }
                self.reading = Some(at);
                Some(ask)
            }
        }
    }

    /// Rows that it is worth to read at once.
    fn batch(&self) -> usize {
        let left = self.query.limit.saturating_sub(self.page.rows.len()).max(1);
        if self.query.statuses == Statuses::ALL {
            return left;
        }
        // Few may fit: what comes next is as much as was looked at so far.
        let scan = self.query.scan_max.saturating_sub(self.looked).max(1);
        left.max(self.looked).clamp(256, 4_096).min(scan)
    }

    fn look_at(&mut self, key: Key, slot: Option<Slot>) {
        // After a rebuild the same message may be in two registers: they come one after the other.
        if self.last == Some(key) {
            return;
        }
        self.last = Some(key);
        self.looked += 1;
        let (accepted_ms, sequence) = key;
        self.page.rows.extend(slot.map(|slot| ListedMessage { accepted_ms, sequence, slot }));
    }
}

/// Where the latest row comes from.
#[derive(Debug, Clone, Copy)]
enum Latest {
    /// A register that is not open yet.
    Open,
    Cursor(usize),
    Memory,
    /// Nothing older was looked at in memory.
    Horizon(Key),
    None,
}

impl Search for PageSearch {
    type Found = RegisterPage;

    fn next(&mut self, answer: Option<&[u8]>) -> Step<Self::Found> {
        if let (Some(at), Some(answer)) = (self.reading.take(), answer)
            && let Some(cursor) = self.cursors.get_mut(at)
        {
            match cursor.take(&self.changes.borrow(), self.query.statuses, answer) {
                Ok(None) => {}
                Ok(Some(ask)) => {
                    self.reading = Some(at);
                    return Step::Read(ask);
                }
                Err(error) => return Step::Done(Err(error)),
            }
        }
        match self.advance() {
            Some(ask) => Step::Read(ask),
            None => Step::Done(Ok(std::mem::take(&mut self.page))),
        }
    }
}
