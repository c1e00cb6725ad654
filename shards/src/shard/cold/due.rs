//! When messages that are on disk alone have to be looked at, although nothing happens to them: they
//! become due, their validity or its grace ends, a webhook is tried again. A row of the runs for each
//! says when; those of the next minute are in memory. Pure but for the searches that it asks for; one
//! per shard.
//!
//! Times are wall times, guarded against steps: what came due while the process was down, or in a step
//! of the clock, comes in order of its time. A message has one row, of the first time at which
//! something is to be done, and the message says what. The row stays until that is on record
//! ([`Due::unfile`]), so that a restart finds it again; in between it is given out once, or, seldom, again.
//!
//! A time that nothing could have been given by the present clock was given by one that was ahead. Such
//! *strays* are looked for at the start and after every step back, and are due at once.
//!
//! Contract: drain [`Due::poll`], come back at [`Due::poll_timeout`]; answer [`DueTurn::Read`] by
//! running [`Due::search`] and handing its outcome to [`Due::handle_rows`].

use std::time::Duration;

use postrider_core::clock::{Now, UnixMs};
use postrider_core::limits;
use postrider_storage::runs::{Key, Row, RunRange, RunRows, RunSet};

use super::backlog::Cold;
use super::window::Window;

/// What a shard is to do for messages that are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueTurn {
    /// Look for rows.
    Read,
    /// Look at this message: this was its time.
    Message(UnixMs, Cold),
}

/// The next minute of what is due. See the module's page.
#[derive(Debug)]
pub struct Due {
    /// Rows in memory at which no more are looked for.
    most: usize,
    window: Window,
    /// Up to when rows are looked for.
    horizon: UnixMs,
    strays: Strays,
    /// The wall clock as it was seen last.
    seen: UnixMs,
}

/// What an earlier clock gave times that are out of reach.
#[derive(Debug)]
enum Strays {
    /// They are to be looked for, from the first or behind this key.
    Wanted(Option<Key>),
    /// They are looked for, behind this key.
    Sought(Key),
    /// These are left, and then maybe some behind the key.
    Found(Vec<Row>, Option<Key>),
}

/// Rows are looked for so many milliseconds before the horizon is reached.
const AHEAD: u64 = 5_000;

impl Default for Due {
    fn default() -> Self {
        Due::new(limits::DUE_ROWS)
    }
}

impl Due {
    /// An empty one, which looks for no more rows while it has `most` of them.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let (horizon, strays) = (UnixMs(0), Strays::Wanted(None));
        Due { most, window: Window::default(), horizon, strays, seen: horizon }
    }

    /// Something is to be done for a message then. An earlier row of it is to be unfiled.
    pub fn file(&mut self, runs: &mut RunSet, due: UnixMs, message: Cold) {
        let row = row(due, message);
        runs.put(row);
        self.window.put(row);
        self.window.keep(2 * self.most);
    }

    /// Nothing is to be done for a message at that time any more.
    pub fn unfile(&mut self, runs: &mut RunSet, due: UnixMs, sequence: u64) {
        runs.delete((due.0, sequence));
        self.window.delete((due.0, sequence));
    }

    /// A message could not be looked at yet: it is given out again.
    pub fn give_back(&mut self, due: UnixMs, message: Cold) {
        match &mut self.strays {
            Strays::Found(rows, _) if due > self.seen => rows.push(row(due, message)),
            Strays::Wanted(_) | Strays::Sought(_) | Strays::Found(..) => {
                self.window.put(row(due, message));
            }
        }
    }

    /// The next thing to do, or to have.
    pub fn poll(&mut self, now: Now) -> Option<DueTurn> {
        if now.wall < self.seen && !matches!(self.strays, Strays::Sought(_)) {
            self.strays = Strays::Wanted(None);
        }
        self.seen = now.wall;
        if let Some(turn) = self.poll_strays(now) {
            return Some(turn);
        }
        if self.wants_rows(now) {
            self.horizon = self.horizon.max(now.wall.after(limits::DUE_SCAN));
            self.window.read(end(self.horizon));
            return Some(DueTurn::Read);
        }
        while self.window.first().is_some_and(|row| row.k1 <= now.wall.0) {
            let row = self.window.take_first()?;
            if let Some(message) = Cold::of(row) {
                return Some(DueTurn::Message(UnixMs(row.k1), message));
            }
        }
        None
    }

    /// The next stray, or a look for some.
    fn poll_strays(&mut self, now: Now) -> Option<DueTurn> {
        if let Strays::Found(rows, next) = &mut self.strays {
            if let Some(row) = rows.pop() {
                return Cold::of(row).map(|message| DueTurn::Message(UnixMs(row.k1), message));
            }
            self.strays = Strays::Wanted(Some(next.take()?));
        }
        match self.strays {
            // One search at a time.
            Strays::Wanted(after) if !self.window.is_reading() => {
                let first = (now.wall.after(limits::DUE_FURTHEST).0, u64::MAX);
                self.strays = Strays::Sought(after.unwrap_or(first));
                Some(DueTurn::Read)
            }
            Strays::Wanted(_) | Strays::Sought(_) | Strays::Found(..) => None,
        }
    }

    /// The search for a [`DueTurn::Read`].
    #[must_use]
    pub fn search(&self, runs: &RunSet) -> RunRange {
        if let Strays::Sought(behind) = self.strays {
            return runs.range(0, u64::MAX, Some(behind), limits::BACKLOG_PAGE);
        }
        runs.range(0, self.horizon.0, self.window.reached(), limits::BACKLOG_PAGE)
    }

    /// What the search found; `None` when it failed: it is asked for again.
    pub fn handle_rows(&mut self, found: Option<RunRows>) {
        if let Strays::Sought(behind) = self.strays {
            self.strays = match found {
                Some(found) => Strays::Found(found.rows, found.next),
                None => Strays::Wanted(Some(behind)),
            };
            return;
        }
        self.window.handle_rows(found);
    }

    /// When [`Due::poll`] has something at the latest.
    #[must_use]
    pub fn poll_timeout(&self, now: Now) -> Option<Duration> {
        let strays = match &self.strays {
            Strays::Wanted(_) => !self.window.is_reading(),
            Strays::Sought(_) => false,
            Strays::Found(rows, next) => !rows.is_empty() || next.is_some(),
        };
        if strays || self.wants_rows(now) {
            return Some(now.mono);
        }
        let next = self.window.first().map(|row| UnixMs(row.k1));
        let scan = (!self.is_reading()).then(|| UnixMs(self.horizon.0.saturating_sub(AHEAD)));
        let wall = [next, scan].into_iter().flatten().min()?;
        Some(now.mono + wall.since(now.wall))
    }

    /// Rows in memory.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.window.len()
    }

    fn is_reading(&self) -> bool {
        self.window.is_reading() || matches!(self.strays, Strays::Sought(_))
    }

    fn wants_rows(&self, now: Now) -> bool {
        let behind = !self.window.reaches(end(self.horizon));
        let soon = self.horizon.0 <= now.wall.0.saturating_add(AHEAD);
        !self.is_reading() && self.window.len() < self.most && (behind || soon)
    }
}

fn row(due: UnixMs, message: Cold) -> Row {
    Row { k1: due.0, k2: message.sequence, v: message.at.pack() }
}

/// The last key of a time.
fn end(time: UnixMs) -> Key {
    (time.0, u64::MAX)
}

#[cfg(test)]
#[path = "due_tests.rs"]
mod tests;
