//! The shard's log as the rest of the shard sees it: append a record, and say what must wait until
//! it is on disk. One per shard.

use std::collections::VecDeque;
use std::time::Duration;

use postrider_storage::{Appended, Log, Lsn, Record, Urgency};

use super::After;

/// The log and what waits for it.
pub(crate) struct Journal {
    pub(crate) log: Log,
    waiting: VecDeque<(Lsn, After)>,
    last: Lsn,
    /// Octets appended since the start.
    octets: u64,
}

impl Journal {
    pub(crate) fn new(log: Log) -> Self {
        let last = log.durable();
        Journal { log, waiting: VecDeque::new(), last, octets: 0 }
    }

    /// Appends a record that nobody waits for: it rides with the next batch.
    pub(crate) fn append_lazy(&mut self, now: Duration, record: &Record<'_>) -> Appended {
        self.add(now, record, Urgency::Lazy)
    }

    /// Appends a record that somebody waits for.
    pub(crate) fn append(&mut self, now: Duration, record: &Record<'_>) -> Appended {
        self.add(now, record, Urgency::Waited)
    }

    /// Appends a record.
    pub(crate) fn add(&mut self, now: Duration, record: &Record<'_>, urgency: Urgency) -> Appended {
        let appended = self.log.append(record, urgency, now);
        self.last = appended.lsn;
        self.octets += u64::try_from(appended.len).unwrap_or(0);
        appended
    }

    /// `after` happens once everything appended so far is on disk.
    pub(crate) fn then(&mut self, after: After) {
        self.waiting.push_back((self.last, after));
    }

    /// The last record appended.
    pub(crate) fn last(&self) -> Lsn {
        self.last
    }

    /// Octets of records appended since the start.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether everything appended is on disk.
    pub(crate) fn is_settled(&self) -> bool {
        self.log.durable() >= self.last
    }

    /// The next thing whose records are on disk.
    pub(crate) fn poll_ready(&mut self) -> Option<After> {
        let (lsn, _) = self.waiting.front()?;
        if !released(*lsn, self.log.durable()) {
            return None;
        }
        self.waiting.pop_front().map(|(_, after)| after)
    }

    /// Things that wait for the disk.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

/// The one comparison that the whole promise rests on.
#[cfg(not(feature = "acknowledge-before-sync"))]
fn released(lsn: Lsn, durable: Lsn) -> bool {
    lsn <= durable
}

/// The deliberately broken build: the simulation must catch it.
#[cfg(feature = "acknowledge-before-sync")]
fn released(_lsn: Lsn, _durable: Lsn) -> bool {
    true
}
