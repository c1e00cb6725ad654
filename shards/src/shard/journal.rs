//! The shard's log as the rest of the shard sees it: append a record, and say what must wait until
//! it is on disk. One per shard.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use postrider_storage::{Appended, Log, Lsn, Record, SegmentId, Urgency};

use super::After;

/// The log and what waits for it.
pub(crate) struct Journal {
    pub(crate) log: Log,
    waiting: VecDeque<(Lsn, After)>,
    last: Lsn,
    /// Octets appended since the start.
    octets: u64,
    /// Where records lie that no register leads to.
    pub(crate) strangers: Strangers,
}

impl Journal {
    pub(crate) fn new(log: Log, strangers: Strangers) -> Self {
        let last = log.durable();
        Journal { log, waiting: VecDeque::new(), last, octets: 0, strangers }
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
        self.strangers.note(appended.at.segment, record);
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

/// The segments that hold messages from handsets and parked receipts, or messages that belong to other
/// shards since there is another number of them: nothing but the log itself leads to these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Strangers {
    held: BTreeSet<SegmentId>,
    /// Of those before it nobody can tell.
    known_from: SegmentId,
}

impl Strangers {
    /// Of a log that is known from this segment on.
    pub(crate) fn new(known_from: SegmentId, held: impl Iterator<Item = SegmentId>) -> Self {
        Strangers { held: held.collect(), known_from }
    }

    /// Looks at a record in a segment.
    pub(crate) fn note(&mut self, segment: SegmentId, record: &Record<'_>) {
        if let Record::Inbound(_) | Record::Orphan { .. } = record {
            self.held.insert(segment);
        }
    }

    /// Up to this segment there are records of messages that belong to other shards by now.
    pub(crate) fn doubt(&mut self, segment: SegmentId) {
        self.known_from = self.known_from.max(SegmentId(segment.0 + 1));
    }

    /// Segments before this one are no more.
    pub(crate) fn release_before(&mut self, segment: SegmentId) {
        self.held = self.held.split_off(&segment);
    }

    /// The first segment that is known, and those that hold some.
    pub(crate) fn known(&self) -> (SegmentId, impl Iterator<Item = SegmentId> + '_) {
        (self.known_from, self.held.iter().copied())
    }

    /// The segments from one to another that hold some, or may.
    pub(crate) fn in_doubt(
        &self,
        first: SegmentId,
        last: SegmentId,
    ) -> impl Iterator<Item = SegmentId> + '_ {
        let unknown = (first.0..self.known_from.0.min(last.0 + 1)).map(SegmentId);
        unknown.chain(self.held.iter().copied().filter(move |id| *id <= last))
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
