//! Messages that wait on disk to be sent, by group and in order of their deadline. A row of the runs
//! for each says where its record lies; some rows of each group that has turns are in memory. Pure but
//! for the searches that it asks for; one per shard.
//!
//! A message's row stays until the message has moved on for good, so that a restart finds it again:
//! [`Backlog::file`] when it begins to wait, [`Backlog::unfile`] when what became of it is on record.
//! In between it is given out once, or, seldom, again: two groups may share a number, rows that found
//! no room in memory are looked for anew. Whoever gets one looks at where the message stands.
//!
//! Contract: [`Backlog::ask`] for a message of a group, then drain [`Backlog::poll`]; answer each
//! [`Turn::Read`] by running [`Backlog::search`] and handing its outcome to [`Backlog::handle_rows`].

use std::collections::{BTreeMap, VecDeque};

use postrider_core::clock::UnixMs;
use postrider_core::limits;
use postrider_storage::Position;
use postrider_storage::runs::{Key, Row, RunRange, RunRows, RunSet};

use super::Group;
use super::window::Window;

/// A message on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cold {
    /// Its number.
    pub sequence: u64,
    /// Where the record lies that leads to all of its state.
    pub at: Position,
}

impl Cold {
    pub(super) fn of(row: Row) -> Option<Cold> {
        Some(Cold { sequence: row.k2, at: Position::unpack(row.v)? })
    }
}

/// What a shard is to do for the backlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Look for rows of the groups with this number.
    Read(u32),
    /// A message for one who asked.
    Message(Group, Cold),
    /// Nothing is left for one who asked.
    Nothing(Group),
}

/// What is in memory of the backlog. See the module's page.
#[derive(Debug)]
pub struct Backlog {
    /// Rows that one search looks for.
    page: usize,
    /// Rows in memory beyond which those that nobody asks for are let go.
    most: usize,
    pages: BTreeMap<u32, Page>,
    /// Numbers of groups that may have something to give or to read.
    stirred: VecDeque<u32>,
    /// Rows of all pages.
    rows: usize,
}

/// The groups with one number.
#[derive(Debug, Default)]
struct Page {
    window: Window,
    /// Who asked and has got nothing yet.
    asked: VecDeque<Group>,
}

/// A row's keys: groups by number, and deadlines in seconds.
fn key(group: Group, deadline: UnixMs, sequence: u64) -> Key {
    let seconds = (deadline.0 / 1_000).min(u64::from(u32::MAX));
    (u64::from(group.number()) << 32 | seconds, sequence)
}

/// The first keys of groups with a number.
fn first_keys(number: u32) -> (u64, u64) {
    let first = u64::from(number) << 32;
    (first, first | u64::from(u32::MAX))
}

impl Default for Backlog {
    fn default() -> Self {
        Backlog::new(limits::BACKLOG_PAGE, limits::BACKLOG_ROWS)
    }
}

impl Backlog {
    /// An empty one, whose searches look for `page` rows, and which lets rows go when it has more than
    /// `most`.
    #[must_use]
    pub fn new(page: usize, most: usize) -> Self {
        Backlog { page, most, pages: BTreeMap::new(), stirred: VecDeque::new(), rows: 0 }
    }

    /// A message begins to wait, or waits on with its state at another place.
    pub fn file(&mut self, runs: &mut RunSet, group: Group, deadline: UnixMs, message: Cold) {
        let (k1, k2) = key(group, deadline, message.sequence);
        let row = Row { k1, k2, v: message.at.pack() };
        runs.put(row);
        let most = 2 * self.page;
        self.with(group.number(), |window| {
            window.put(row);
            window.keep(most);
        });
    }

    /// A message waits no more.
    pub fn unfile(&mut self, runs: &mut RunSet, group: Group, deadline: UnixMs, sequence: u64) {
        let key = key(group, deadline, sequence);
        runs.delete(key);
        self.with(group.number(), |window| window.delete(key));
    }

    /// The group has a turn: its next message is wanted.
    pub fn ask(&mut self, group: Group) {
        let number = group.number();
        self.pages.entry(number).or_default().asked.push_back(group);
        self.stirred.push_back(number);
    }

    /// The next thing to do, or to have.
    pub fn poll(&mut self) -> Option<Turn> {
        while let Some(number) = self.stirred.front().copied() {
            if let Some(turn) = self.turn(number) {
                return Some(turn);
            }
            self.stirred.pop_front();
        }
        None
    }

    fn turn(&mut self, number: u32) -> Option<Turn> {
        let page = self.pages.get_mut(&number)?;
        let group = page.asked.front().copied()?;
        let (_, last) = first_keys(number);
        let end = (last, u64::MAX);
        while let Some(row) = page.window.take_first() {
            self.rows -= 1;
            if let Some(message) = Cold::of(row) {
                page.asked.pop_front();
                return Some(Turn::Message(group, message));
            }
        }
        if page.window.is_reading() {
            return None;
        }
        if !page.window.reaches(end) {
            page.window.read(end);
            return Some(Turn::Read(number));
        }
        page.asked.pop_front();
        if page.asked.is_empty() {
            self.pages.remove(&number);
        }
        Some(Turn::Nothing(group))
    }

    /// The search for a [`Turn::Read`].
    #[must_use]
    pub fn search(&self, runs: &RunSet, number: u32) -> RunRange {
        let (first, last) = first_keys(number);
        let reached = self.pages.get(&number).and_then(|page| page.window.reached());
        runs.range(first, last, reached, self.page)
    }

    /// What the search found; `None` when it failed: it is asked for again.
    pub fn handle_rows(&mut self, number: u32, found: Option<RunRows>) {
        self.with(number, |window| {
            window.handle_rows(found);
        });
        self.stirred.push_back(number);
        // While there are too many rows, those that nobody asks for are left to a later search.
        while self.rows > self.most
            && let Some(spare) = self.spare(number)
        {
            self.with(spare, |window| window.keep(0));
        }
    }

    /// A page with rows that nobody waits for.
    fn spare(&self, not: u32) -> Option<u32> {
        let idle = |(number, page): &(&u32, &Page)| {
            **number != not && page.asked.is_empty() && page.window.len() > 0
        };
        self.pages.iter().find(idle).map(|(number, _)| *number)
    }

    /// Rows in memory.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    fn with(&mut self, number: u32, change: impl FnOnce(&mut Window)) {
        let Some(page) = self.pages.get_mut(&number) else { return };
        self.rows -= page.window.len();
        change(&mut page.window);
        self.rows += page.window.len();
    }
}

#[cfg(test)]
#[path = "backlog_tests.rs"]
mod tests;
