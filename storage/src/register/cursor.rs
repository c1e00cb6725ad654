//! A customer's rows in one register, newest first, with their slots. Pure; a few per page of a
//! list.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::search::{Ask, SearchError};

use super::head::{Summary, count, place};
use super::listed::{Changes, Entry};
use super::page::{self, DirectoryRow, Kind, PAGE, SlotRow, TimeRow};
use super::read::{SlotRead, Taken, index_ask, index_damaged};
use super::row::{Key, Slot, Statuses};
use super::slots::{Content, Survey, slot_of, slots_at, status_at, status_place};

/// Rows on a page of times.
const PER_PAGE: u32 = 255;
const _: () = assert!(PER_PAGE as usize == page::per_page::<TimeRow>());
/// Pages of times that are read at once: 64 KiB.
const TIMES_AT_ONCE: u32 = 16;
/// Pages of slots that are read at once: 256 KiB.
const SLOTS_AT_ONCE: u32 = 64;
/// Pages of slots that nobody wants, and that are read all the same because one more read costs
/// more.
const GAP: u32 = 16;

/// A customer's rows in one register.
#[derive(Debug)]
pub(super) struct Cursor {
    summary: Arc<Summary>,
    survey: Arc<Survey>,
    customer: u32,
    before: Key,
    oldest_ms: u64,
    /// No row to come is later.
    top: Key,
    stage: Stage,
    /// Rows that are not loaded yet: `first..end` of the section.
    first: u32,
    end: u32,
    batch: VecDeque<Pending>,
    /// Rows of the batch without a slot, by the page of slots that it is on.
    unresolved: BTreeMap<u32, Vec<usize>>,
    /// The statuses of these have been looked at.
    sifted: bool,
    reading: Option<(SlotRead, Vec<u32>)>,
}

/// What the next answer is for.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// The page of the directory.
    Directory,
    /// The page of times in which the rows that are too late begin: one of `low..=high`.
    Find { low: u32, high: u32, page: u32 },
    /// Rows from this one on.
    Rows { start: u32 },
    /// Slots of the rows loaded.
    Slots,
}

#[derive(Debug)]
struct Pending {
    key: Key,
    rank: u32,
    slot: Option<Slot>,
}

/// What a cursor has.
pub(super) enum Next {
    /// The next row; its slot only when it fits.
    Row(Key, Option<Slot>),
    /// A read to do first.
    Read(Ask),
    /// No more rows.
    End,
}

impl Cursor {
    pub(super) fn new(entry: &Entry, customer: u32, before: Key, oldest_ms: u64) -> Self {
        Self {
            summary: Arc::clone(&entry.summary),
            survey: Arc::clone(&entry.survey),
            customer,
            before,
            oldest_ms,
            top: entry.summary.top().min(before),
            stage: Stage::Directory,
            first: 0,
            end: 0,
            batch: VecDeque::new(),
            unresolved: BTreeMap::new(),
            sifted: false,
            reading: None,
        }
    }

    /// No row to come is later.
    pub(super) fn top(&self) -> Key {
        self.batch.front().map_or(self.top, |row| row.key)
    }

    /// The next row, or what must be read for it: up to `wanted` rows at once. `flushes`: when the
    /// survey was up to date.
    pub(super) fn next(
        &mut self,
        changes: &Changes,
        flushes: u64,
        statuses: Statuses,
        wanted: usize,
    ) -> Next {
        if let Stage::Directory = self.stage {
            return match self.summary.directory_page(self.customer) {
                Some(page) => self.index_read(self.summary.directory_at() + page, 1),
                None => Next::End,
            };
        }
        if let Stage::Find { page, .. } = self.stage {
            return self.index_read(self.summary.times_at() + page, 1);
        }
        if let Stage::Slots = self.stage {
            self.resolve_known(changes, flushes, statuses);
            if let Some(ask) = self.slots_read(changes, statuses) {
                return Next::Read(ask);
            }
            if let Some(row) = self.batch.pop_front() {
                self.top = previous(row.key);
                return Next::Row(row.key, row.slot);
            }
        }
        if self.end <= self.first {
            return Next::End;
        }
        let last = (self.end - 1) / PER_PAGE;
        let start = self.end.saturating_sub(count(wanted)).max(self.first);
        let start = start.max(last.saturating_sub(TIMES_AT_ONCE - 1) * PER_PAGE);
        self.stage = Stage::Rows { start };
        let page = start / PER_PAGE;
        self.index_read(self.summary.times_at() + page, last - page + 1)
    }

    fn index_read(&self, page: u32, pages: u32) -> Next {
        Next::Read(index_ask(&self.summary, page, pages))
    }

    /// Takes what was read.
    pub(super) fn take(
        &mut self,
        changes: &Changes,
        statuses: Statuses,
        answer: &[u8],
    ) -> Result<Option<Ask>, SearchError> {
        let damaged = || index_damaged(&self.summary);
        match self.stage {
            Stage::Directory => {
                let rows = self.directory(answer).ok_or_else(damaged)?;
                self.begin(rows);
            }
            Stage::Find { low, high, page } => {
                let keys = self.keys(answer, page, page).ok_or_else(damaged)?;
                self.narrow(low, high, page, &keys);
            }
            Stage::Rows { start } => {
                let last = (self.end - 1) / PER_PAGE;
                let keys = self.keys(answer, start / PER_PAGE, last).ok_or_else(damaged)?;
                self.load(start, &keys);
            }
            Stage::Slots => return self.take_slots(changes, statuses, answer),
        }
        Ok(None)
    }

    /// The customer's range of rows; an empty one when it has none here.
    fn directory(&self, answer: &[u8]) -> Option<(u32, u32)> {
        let number = self.summary.directory_page(self.customer)?;
        let rows: &[DirectoryRow] =
            page::read(answer, Kind::Directory, self.summary.stamp, number)?;
        let at = rows.binary_search_by_key(&self.customer, |row| row.customer.get());
        let row = at.ok().and_then(|at| rows.get(at));
        Some(row.map_or((0, 0), |row| (row.first.get(), row.first.get() + row.count.get())))
    }

    fn begin(&mut self, (first, end): (u32, u32)) {
        (self.first, self.end) = (first, end);
        self.stage = Stage::Slots;
        if end > first && self.summary.top() >= self.before {
            let (low, high) = (first / PER_PAGE, (end - 1) / PER_PAGE);
            self.stage = Stage::Find { low, high, page: self.guess(low, high) };
        }
    }

    /// Where the rows that are too late begin, if they came evenly.
    fn guess(&self, low: u32, high: u32) -> u32 {
        let summary = &self.summary;
        let time = summary.newest_ms.saturating_sub(summary.oldest_ms).max(1);
        let passed = self.before.0.saturating_sub(summary.oldest_ms).min(time);
        let pages = u128::from(high - low) * u128::from(passed) / u128::from(time);
        low + u32::try_from(pages).unwrap_or_default()
    }

    /// Keys and ranks on the pages `from..=to` of times, ascending.
    fn keys(&self, answer: &[u8], from: u32, to: u32) -> Option<Vec<(Key, u32)>> {
        let mut keys = Vec::new();
        for (page, number) in answer.chunks(PAGE).zip(from..=to) {
            let rows: &[TimeRow] = page::read(page, Kind::Times, self.summary.stamp, number)?;
            let key = |row: &TimeRow| (row.accepted.get(), self.summary.sequence(row.sequence));
            keys.extend(rows.iter().map(|row| (key(row), row.rank.get())));
        }
        (answer.len() == PAGE * usize::try_from(to - from + 1).ok()?).then_some(keys)
    }

    /// Looks at one page for the first row that is too late.
    fn narrow(&mut self, low: u32, high: u32, page: u32, keys: &[(Key, u32)]) {
        let start = self.first.max(page * PER_PAGE);
        let end = self.end.min(page.saturating_add(1) * PER_PAGE);
        let own = keys.iter().skip(place(start - page * PER_PAGE)).take(place(end - start));
        let fitting = count(own.take_while(|(key, _)| *key < self.before).count());
        let (low, high) = match fitting {
            0 if page > low => (low, page - 1),
            all if start + all == end && page < high => (page + 1, high),
            some => {
                self.end = start + some;
                self.stage = Stage::Slots;
                return;
            }
        };
        self.stage = Stage::Find { low, high, page: low + (high - low) / 2 };
    }

    /// Takes rows from `start` to the end of those that are not loaded, and leaves their slots open.
    fn load(&mut self, start: u32, keys: &[(Key, u32)]) {
        let rows = place(self.end - start);
        let own = keys.iter().skip(place(start % PER_PAGE)).take(rows);
        let own: Vec<(Key, u32)> = own.copied().collect();
        self.batch = own
            .into_iter()
            .rev()
            .take_while(|(key, _)| key.0 >= self.oldest_ms)
            .map(|(key, rank)| Pending { key, rank, slot: None })
            .collect();
        self.end = if self.batch.len() == rows { start } else { self.first };
        self.stage = Stage::Slots;
        self.sifted = false;
        self.unresolved.clear();
        for (at, row) in self.batch.iter().enumerate() {
            self.unresolved.entry(row.rank / PER_PAGE).or_default().push(at);
        }
    }

    /// Answers what needs no read: changed slots, and pages that cannot have one that fits.
    fn resolve_known(&mut self, changes: &Changes, flushes: u64, statuses: Statuses) {
        if self.unresolved.is_empty() || self.reading.is_some() {
            return;
        }
        let touched = changes.touch(self.summary.first, self.summary.last);
        let sure = changes.flushes == flushes;
        let Self { unresolved, batch, survey, .. } = self;
        unresolved.retain(|page, rows| {
            if touched {
                rows.retain(|at| {
                    let Some(row) = batch.get_mut(*at) else { return false };
                    let Some(packed) = changes.slots.get(&row.key.1) else { return true };
                    row.slot = fit(changes, statuses, *packed);
                    false
                });
            }
            !rows.is_empty() && (!sure || survey.of(*page).meets(statuses))
        });
    }

    /// The next read of slots; before them that of their statuses, when not all are wanted.
    fn slots_read(&mut self, changes: &Changes, statuses: Statuses) -> Option<Ask> {
        let mut wanted: Vec<u32> = Vec::new();
        let sift = !self.sifted && statuses != Statuses::ALL;
        self.sifted = true;
        if sift {
            let pages = self.unresolved.keys().map(|page| status_place(page * PER_PAGE).0);
            wanted.extend(pages);
            wanted.dedup();
        } else {
            let at = slots_at(&self.summary);
            for page in self.unresolved.keys().map(|page| at + page) {
                let first = wanted.first().copied().unwrap_or(page);
                let last = wanted.last().copied().unwrap_or(page);
                if page - first >= SLOTS_AT_ONCE || page - last > GAP {
                    break;
                }
                wanted.push(page);
            }
        }
        wanted.first()?;
        let mut read = SlotRead::new(Arc::clone(&self.summary), &wanted);
        let ask = read.ask(changes);
        self.reading = Some((read, wanted));
        Some(ask)
    }

    fn take_slots(
        &mut self,
        changes: &Changes,
        statuses: Statuses,
        answer: &[u8],
    ) -> Result<Option<Ask>, SearchError> {
        let Some((mut read, wanted)) = self.reading.take() else { return Ok(None) };
        let at = slots_at(&self.summary);
        let taken = read.take(changes, answer, &wanted, &mut |page, content| match content {
            Content::Statuses(all) => self.sift(changes, statuses, page, all),
            Content::Slots(rows) => self.resolve(changes, statuses, page - at, rows),
            Content::Survey => {}
        })?;
        match taken {
            Taken::Again(ask) => {
                self.reading = Some((read, wanted));
                Ok(Some(ask))
            }
            Taken::Done => Ok(None),
        }
    }

    /// Passes over the rows whose status on this page of statuses is not wanted.
    fn sift(&mut self, changes: &Changes, statuses: Statuses, page: u32, all: &[u8]) {
        let Self { unresolved, batch, .. } = self;
        unresolved.retain(|_, rows| {
            rows.retain(|at| {
                let Some(row) = batch.get_mut(*at) else { return false };
                let (on, place) = status_place(row.rank);
                if on != page {
                    return true;
                }
                if let Some(packed) = changes.slots.get(&row.key.1) {
                    row.slot = fit(changes, statuses, *packed);
                    return false;
                }
                status_at(all, place).is_some_and(|status| statuses.has(status))
            });
            !rows.is_empty()
        });
    }

    /// Gives the rows on this page of slots theirs.
    fn resolve(&mut self, changes: &Changes, statuses: Statuses, page: u32, rows: &[SlotRow]) {
        for at in self.unresolved.remove(&page).unwrap_or_default() {
            if let Some(row) = self.batch.get_mut(at) {
                let changed = changes.slots.get(&row.key.1).copied();
                let packed = changed.or_else(|| slot_of(rows, row.key.1));
                row.slot = fit(changes, statuses, packed.unwrap_or_default());
            }
        }
    }
}

/// The slot, when it is there and has one of the statuses.
pub(super) fn fit(changes: &Changes, statuses: Statuses, packed: u64) -> Option<Slot> {
    changes.there(packed).filter(|slot| statuses.has(slot.status))
}

/// The place just before this one.
fn previous((ms, sequence): Key) -> Key {
    match sequence.checked_sub(1) {
        Some(sequence) => (ms, sequence),
        None => (ms.saturating_sub(1), u64::MAX),
    }
}
