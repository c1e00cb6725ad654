//! One table of ported numbers, ready for look-ups: the mapped file and the changes beside it. Pure;
//! read-only, shared by every shard.

use core::fmt;

use bytes::Bytes;

use super::changes::{Change, Changes};
use super::file::{Overlay, Parts, TableError};
use super::lines::Lines;
use super::ranges::{self, Range, RangeSet};
use crate::number::Msisdn;
use crate::numbering::Tables;
use crate::operators::OperatorId;
use crate::region::Region;

/// What a table says of one of its numbers.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is with whom its range was given to.
    NotPorted,
    /// It went to this operator; `None`: nobody says to which one.
    Ported(Option<OperatorId>),
}

/// A table: a file, the changes since it was made, and what is short of both in memory.
pub struct Table {
    file: Bytes,
    parts: Parts,
    changes: Changes,
    ranges: Vec<Range>,
    operators: Vec<Option<OperatorId>>,
    as_of_s: u64,
    sequence: u64,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("parts", &self.parts.header).finish_non_exhaustive()
    }
}

impl Table {
    /// Puts a table together. Changes that belong to another file are left out: the file is newer.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn open(file: Bytes, overlay: Option<Overlay>) -> Result<Table, TableError> {
        let parts = Parts::of(&file)?;
        let overlay = Overlay::beside(&parts, overlay);
        let mut changes = parts.tail.pending.clone();
        changes.extend_from_slice(&overlay.changes);
        let changes = Changes::new(parts.header.space.head(), &changes);
        let mut ranges = parts.tail.ranges.clone();
        if !overlay.ranges.is_empty() {
            ranges = ranges.into_iter().chain(overlay.ranges).collect::<RangeSet>().to_vec();
        }
        Ok(Table {
            changes: changes.map_err(|_| TableError::Unsound("changes"))?,
            ranges,
            operators: overlay.operators,
            as_of_s: overlay.as_of_s,
            sequence: overlay.sequence,
            file,
            parts,
        })
    }

    /// Reads all lines, which also brings them into memory.
    ///
    /// # Errors
    /// The first stretch that is damaged.
    pub fn verify(&self) -> Result<(), TableError> {
        self.parts.verify(&self.file)
    }

    /// What the file says of itself.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Every stretch of its lines, by number.
    pub fn stretches(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.parts.stretches(&self.file)
    }

    /// What values stand for.
    #[must_use]
    pub fn operators(&self) -> &[Option<OperatorId>] {
        &self.operators
    }

    /// How many changes of numbers stand beside it.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.changes.len()
    }

    /// How many ranges it has.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.ranges.len()
    }

    /// Octets that it takes: its file, which all shards map, and what came since.
    #[must_use]
    pub fn octets(&self) -> u64 {
        let beside = self.changes.len() * size_of::<Change>() + size_of_val(self.ranges.as_slice());
        u64::try_from(self.file.len() + beside).unwrap_or(u64::MAX)
    }

    /// The country of its numbers; `None` when they are of several, or of none.
    #[must_use]
    pub fn country(&self, tables: &Tables) -> Option<Region> {
        let mut groups = self.parts.tail.covers.iter();
        let first = tables.region_of_prefix(*groups.next()?)?;
        groups.all(|group| tables.region_of_prefix(*group) == Some(first)).then_some(first)
    }

    /// When its last source was true, seconds since 1970.
    #[must_use]
    pub fn as_of_s(&self) -> u64 {
        self.as_of_s
    }

    /// The number of the last delta in it.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What it says of a number at a time, seconds since 1970.
    #[must_use]
    pub fn find(&self, number: Msisdn, now_s: u64) -> Found {
        let number = number.as_u64();
        let lines = || {
            let spread = self.parts.header.space.spread(number)?;
            Lines::new(self.parts.header.shape, self.lines()).find(spread)
        };
        self.changed(number, now_s).unwrap_or_else(|| self.settled(number, lines()))
    }

    /// What it says of many numbers; their lines come from memory together.
    #[must_use]
    pub fn find_batch<const N: usize>(&self, numbers: &[Msisdn; N], now_s: u64) -> [Found; N] {
        let space = self.parts.header.space;
        let spreads = numbers.map(|number| space.spread(number.as_u64()));
        let values = Lines::new(self.parts.header.shape, self.lines()).find_batch(&spreads);
        let mut found = [Found::NotPorted; N];
        for ((number, value), found) in numbers.iter().zip(values).zip(&mut found) {
            let number = number.as_u64();
            *found = self.changed(number, now_s).unwrap_or_else(|| self.settled(number, value));
        }
        found
    }

    fn lines(&self) -> &[u8] {
        self.parts.lines(&self.file)
    }

    /// What the changes say.
    fn changed(&self, number: u64, now_s: u64) -> Option<Found> {
        if self.changes.is_empty() {
            return None;
        }
        let value = self.changes.find(number, now_s)?;
        Some(self.settled(number, (value != 0).then_some(value.into())))
    }

    /// What the value of a number comes to. A number with none may be in a range.
    fn settled(&self, number: u64, value: Option<u32>) -> Found {
        let in_range = || ranges::find(&self.ranges, number).map(u32::from);
        let Some(value) = value.or_else(in_range) else { return Found::NotPorted };
        let at = usize::try_from(value).unwrap_or(0).wrapping_sub(1);
        Found::Ported(self.operators.get(at).copied().flatten())
    }
}
