//! A register in memory: while messages are still accepted into it, and until it is on the disk.
//! Pure; a shard has one open and a few that wait to be written.

use std::collections::BTreeMap;

use crate::disk::SegmentId;
use crate::position::Position;

use super::row::{Key, RegisterRow};

/// Messages of one stretch of the log, as they are accepted. About 56 bytes each.
#[derive(Debug, Clone)]
pub struct OpenRegister {
    /// Ascending by sequence.
    rows: Vec<Row>,
    /// Rows of each customer, by the order of its list.
    by_customer: BTreeMap<u32, Vec<u32>>,
    /// The first anchor: a replay from there brings all of it back.
    first_at: Position,
}

/// A row, packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) sequence: u64,
    pub(super) accepted_ms: u64,
    pub(super) recipient: u64,
    pub(super) group: u64,
    pub(super) slot: u64,
    pub(super) customer: u32,
}

impl Row {
    pub(super) fn of(row: &RegisterRow) -> Self {
        Self {
            sequence: row.sequence,
            accepted_ms: row.accepted_ms,
            recipient: row.recipient,
            group: row.group,
            slot: row.slot.pack(),
            customer: row.customer,
        }
    }

    pub(super) fn key(&self) -> Key {
        (self.accepted_ms, self.sequence)
    }
}

impl OpenRegister {
    /// A register that begins with this message.
    #[must_use]
    pub fn new(row: &RegisterRow) -> Self {
        let mut register =
            Self { rows: Vec::new(), by_customer: BTreeMap::new(), first_at: row.slot.at };
        register.accept(row);
        register
    }

    /// A register of these rows, ascending by sequence; `None` of none.
    pub(super) fn of(rows: Vec<Row>, first_at: Position) -> Option<Self> {
        rows.first()?;
        let mut register = Self { rows: Vec::new(), by_customer: BTreeMap::new(), first_at };
        for row in rows {
            register.push(row);
        }
        Some(register)
    }

    /// Whether the message may come next: later than the last one, accepted into the same segment,
    /// near enough to the first one, and there are fewer than `max` rows.
    #[must_use]
    pub fn takes(&self, row: &RegisterRow, max: u32) -> bool {
        let spread = row.sequence.checked_sub(self.first());
        self.rows.len() < usize::try_from(max).unwrap_or(usize::MAX)
            && row.home() == self.home()
            && row.sequence > self.last()
            && spread.is_some_and(|spread| u32::try_from(spread).is_ok())
    }

    /// Takes a message that [`OpenRegister::takes`].
    pub fn accept(&mut self, row: &RegisterRow) {
        self.push(Row::of(row));
    }

    fn push(&mut self, row: Row) {
        debug_assert!(self.rows.last().is_none_or(|last| last.sequence < row.sequence));
        let rank = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        self.rows.push(row);
        let rows = &self.rows;
        let ranks = self.by_customer.entry(row.customer).or_default();
        // Nearly always the last one: only a wall clock that was set back makes it another.
        let at = match ranks.last().and_then(|last| key(rows, *last)) {
            Some(last) if last > row.key() => {
                ranks.partition_point(|rank| key(rows, *rank) < Some(row.key()))
            }
            _ => ranks.len(),
        };
        ranks.insert(at, rank);
    }

    /// The slot of a message, packed; `None` when it is not here.
    #[must_use]
    pub fn slot(&self, sequence: u64) -> Option<u64> {
        let at = self.find(sequence)?;
        self.rows.get(at).map(|row| row.slot)
    }

    /// Changes the slot of a message; false when it is not here.
    pub fn set_slot(&mut self, sequence: u64, slot: u64) -> bool {
        let row = self.find(sequence).and_then(|at| self.rows.get_mut(at));
        row.map(|row| row.slot = slot).is_some()
    }

    fn find(&self, sequence: u64) -> Option<usize> {
        self.rows.binary_search_by_key(&sequence, |row| row.sequence).ok()
    }

    /// The first sequence.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.rows.first().map_or(u64::MAX, |row| row.sequence)
    }

    /// The last sequence.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.rows.last().map_or(0, |row| row.sequence)
    }

    /// The segment that its messages were accepted into.
    #[must_use]
    pub fn home(&self) -> SegmentId {
        self.first_at.segment
    }

    /// The first anchor.
    #[must_use]
    pub fn first_at(&self) -> Position {
        self.first_at
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// A customer's messages before a place in its list, newest first, none older than `oldest_ms`.
    pub(super) fn latest(
        &self,
        customer: u32,
        before: Key,
        oldest_ms: u64,
    ) -> impl Iterator<Item = &Row> {
        let ranks = self.by_customer.get(&customer).map(Vec::as_slice).unwrap_or_default();
        let end = ranks.partition_point(|rank| key(&self.rows, *rank) < Some(before));
        let ranks = ranks.get(..end).unwrap_or_default().iter().rev();
        let rows = ranks.filter_map(|rank| self.rows.get(usize::try_from(*rank).ok()?));
        rows.take_while(move |row| row.accepted_ms >= oldest_ms)
    }

    /// Customers with their rows and those rows' ranks by the order of their lists, ascending.
    pub(super) fn customers(
        &self,
    ) -> impl Iterator<Item = (u32, impl Iterator<Item = (u32, &Row)>)> {
        self.by_customer.iter().map(|(customer, ranks)| {
            let row = |rank: &u32| Some((*rank, self.rows.get(usize::try_from(*rank).ok()?)?));
            (*customer, ranks.iter().filter_map(row))
        })
    }
}

fn key(rows: &[Row], rank: u32) -> Option<Key> {
    rows.get(usize::try_from(rank).ok()?).map(Row::key)
}
