//! Making a table of any size in bounded memory: rows are gathered in parts outside of memory, spread
//! by their scrambled numbers, sorted part by part, and written as lines from the first stretch to
//! the last. Pure; lives on the thread that builds. What keeps the parts is the caller's.
//!
//! In memory are [`PARTS`] small buffers, one part, and one stretch: about 20 MiB, and 40 octets for
//! each number of a part, which has one in 1,024 of all.

use std::io::{self, Write};

use super::changes::Change;
use super::file::{Header, Tail};
use super::lines::Shape;
use super::ranges::{Range, RangeSet};
use super::space::{Space, digits_of};
use super::stretch::{Entry, Stretch, TooFull};
use crate::limits::PORTED_NUMBERS_MAX;
use crate::number::{MAX_DIGITS, Msisdn};
use crate::operators::OperatorId;

/// Parts into which numbers are spread.
pub const PARTS: usize = 1_024;
/// Octets of a row: number or scrambled number, then value.
const ROW: usize = 10;
/// Rows of a part before they are spread.
const GATHERED: usize = 1 << 20;
/// Octets gathered for a part before they are handed out.
const BUFFER: usize = 16 * 1_024;

/// Keeps parts outside of memory. Parts are numbered from 0 and empty at first.
pub trait Spill {
    /// Adds octets to the end of a part.
    ///
    /// # Errors
    /// When they cannot be kept.
    fn append(&mut self, part: usize, octets: &[u8]) -> io::Result<()>;
    /// All octets of a part.
    ///
    /// # Errors
    /// When they cannot be had.
    fn read(&mut self, part: usize) -> io::Result<Vec<u8>>;
    /// Empties a part.
    ///
    /// # Errors
    /// When it cannot be emptied.
    fn clear(&mut self, part: usize) -> io::Result<()>;
}

/// Why a table could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The parts or the table could not be written or read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A number that is not among those that the table is for.
    #[error("number {0} does not begin with any of the leading digits that the table is for")]
    Outside(Msisdn),
    /// Too many numbers for one table.
    #[error("there are more than {PORTED_NUMBERS_MAX} numbers; make a table for each country")]
    TooMany,
    /// The leading digits that a table is for are missing, too long or too many.
    #[error("give 1 to 64 groups of leading digits, each of 1 to 14 digits, the first not 0")]
    Covers,
    /// The numbers did not spread evenly.
    #[error("{0}")]
    TooFull(#[from] TooFull),
}

/// What a table says beside its numbers.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// When its source was true, seconds since 1970.
    pub as_of_s: u64,
    /// The number of the last delta in its source; 0 for none.
    pub sequence: u64,
    /// What values stand for: value 1 is the first.
    pub operators: Vec<Option<OperatorId>>,
    /// Changes that are not true yet.
    pub pending: Vec<Change>,
    /// Where the data comes from.
    pub source: String,
}

/// Leading digits of the numbers that a table is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covers(Vec<u64>);

impl Covers {
    /// Groups of leading digits.
    ///
    /// # Errors
    /// [`BuildError::Covers`].
    pub fn new(mut groups: Vec<u64>) -> Result<Covers, BuildError> {
        groups.sort_unstable();
        groups.dedup();
        let one_to_14 = |digits: &u64| (1..MAX_DIGITS).contains(&digits_of(*digits));
        let fit = (1..=64).contains(&groups.len()) && groups.iter().all(one_to_14);
        if fit { Ok(Covers(groups)) } else { Err(BuildError::Covers) }
    }

    /// Whether a number is one of these.
    #[must_use]
    pub fn contain(&self, number: u64) -> bool {
        self.0.iter().any(|head| leads(*head, number))
    }

    /// The leading digits that all have; 0 for none.
    #[must_use]
    pub fn head(&self) -> u64 {
        let all = |head: u64| self.0.iter().all(|own| leads(head, *own));
        let first = self.0.first().copied().unwrap_or(0);
        std::iter::successors(Some(first), |head| Some(head / 10))
            .find(|head| *head == 0 || all(*head))
            .unwrap_or(0)
    }

    /// The groups, ascending.
    #[must_use]
    pub fn groups(&self) -> &[u64] {
        &self.0
    }
}

/// Whether a number begins with the digits of `head`.
pub(super) fn leads(head: u64, number: u64) -> bool {
    let behind = digits_of(number).checked_sub(digits_of(head));
    let behind = behind.and_then(|behind| u32::try_from(behind).ok());
    behind.is_some_and(|behind| number / 10u64.saturating_pow(behind) == head)
}

/// Gathers the numbers of a table.
#[derive(Debug)]
pub struct Builder<S> {
    covers: Covers,
    spill: S,
    buffer: Vec<u8>,
    /// Parts that are gathered and not yet spread; they stand behind the spread ones.
    gathered: usize,
    rows: u64,
    /// Digits of the longest number.
    longest: usize,
    ranges: RangeSet,
}

/// All numbers of a table, in order, ready to be written.
#[derive(Debug)]
pub struct Settled<S> {
    covers: Covers,
    spill: S,
    space: Space,
    numbers: u64,
    ranges: Vec<Range>,
}

impl<S: Spill> Builder<S> {
    /// For a table of the numbers that begin so.
    pub fn new(covers: Covers, spill: S) -> Builder<S> {
        Builder {
            covers,
            spill,
            buffer: Vec::with_capacity(BUFFER),
            gathered: 0,
            rows: 0,
            longest: 0,
            ranges: RangeSet::default(),
        }
    }

    /// Adds a number. The last value that a number is given counts; 0 takes it out.
    ///
    /// # Errors
    /// When it is not for this table, there are too many, or there is no room for it.
    pub fn add(&mut self, number: u64, value: u16) -> Result<(), BuildError> {
        let known = Msisdn::from_u64(number).unwrap_or(Msisdn::ERASED);
        if !self.covers.contain(number) {
            return Err(BuildError::Outside(known));
        }
        if self.rows >= PORTED_NUMBERS_MAX {
            return Err(BuildError::TooMany);
        }
        self.longest = self.longest.max(digits_of(number));
        self.buffer.extend_from_slice(&number.to_le_bytes());
        self.buffer.extend_from_slice(&value.to_le_bytes());
        self.rows += 1;
        let at_end = self.rows.is_multiple_of(GATHERED as u64);
        if self.buffer.len() + ROW > BUFFER || at_end {
            self.spill.append(PARTS + self.gathered, &self.buffer)?;
            self.buffer.clear();
            self.gathered += usize::from(at_end);
        }
        Ok(())
    }

    /// Adds a range; what earlier ranges said about its numbers is gone. 0 takes its numbers out of
    /// all ranges.
    ///
    /// # Errors
    /// When it is not for this table.
    pub fn add_range(&mut self, range: Range) -> Result<(), BuildError> {
        if !self.covers.contain(range.first) || !self.covers.contain(range.last) {
            let number = Msisdn::from_u64(range.first).unwrap_or(Msisdn::ERASED);
            return Err(BuildError::Outside(number));
        }
        self.ranges.set(range);
        Ok(())
    }

    /// Sorts what was gathered.
    ///
    /// # Errors
    /// When the parts cannot be kept.
    pub fn settle(mut self) -> Result<Settled<S>, BuildError> {
        self.spill.append(PARTS + self.gathered, &self.buffer)?;
        let head = self.covers.head();
        let rest = self.longest.saturating_sub(digits_of(head)).max(1);
        let space = u8::try_from(rest).ok().and_then(|rest| Space::new(head, rest));
        let space = space.ok_or(BuildError::Covers)?;
        self.spread(space)?;
        let mut numbers = 0;
        for part in 0..PARTS {
            let rows = sorted(&self.spill.read(part)?);
            self.spill.clear(part)?;
            numbers += u64::try_from(rows.len()).unwrap_or(u64::MAX);
            let mut octets = Vec::with_capacity(rows.len() * ROW);
            rows.iter().for_each(|(spread, value)| push(&mut octets, *spread, *value));
            self.spill.append(part, &octets)?;
        }
        let ranges = self.ranges.to_vec();
        Ok(Settled { covers: self.covers, spill: self.spill, space, numbers, ranges })
    }

    /// From the order of their coming into parts by scrambled number, keeping that order in each.
    fn spread(&mut self, space: Space) -> Result<(), BuildError> {
        let below = space.bits() - PARTS.ilog2();
        let mut buffers: Vec<Vec<u8>> = vec![Vec::new(); PARTS];
        for gathered in PARTS..=PARTS + self.gathered {
            for (number, value) in rows(&self.spill.read(gathered)?) {
                let spread = space.spread(number).ok_or(BuildError::Covers)?;
                let part = usize::try_from(spread >> below).unwrap_or(0);
                let Some(buffer) = buffers.get_mut(part) else { continue };
                push(buffer, spread, value);
                if buffer.len() + ROW > BUFFER {
                    self.spill.append(part, buffer)?;
                    buffer.clear();
                }
            }
            self.spill.clear(gathered)?;
        }
        for (part, buffer) in buffers.iter().enumerate() {
            self.spill.append(part, buffer)?;
        }
        Ok(())
    }
}

impl<S: Spill> Settled<S> {
    /// How many numbers there are.
    #[must_use]
    pub fn numbers(&self) -> u64 {
        self.numbers
    }

    /// Writes the file of the table. After [`BuildError::TooFull`] write it anew, with more lines:
    /// `spare` per mille of them.
    ///
    /// # Errors
    /// When it cannot be written, or the parts cannot be read.
    pub fn write(
        &mut self,
        about: &About,
        spare: u64,
        out: &mut impl Write,
    ) -> Result<Header, BuildError> {
        let highest = u32::try_from(about.operators.len()).unwrap_or(u32::MAX).max(1);
        let shape = Shape::choose(self.numbers, self.space.bits(), highest, spare);
        let shape = shape.ok_or(BuildError::TooMany)?;
        let About { as_of_s, sequence, .. } = *about;
        let header = Header { space: self.space, shape, numbers: self.numbers, as_of_s, sequence };
        out.write_all(&header.encode())?;
        let tail = Tail {
            checks: self.write_lines(shape, out)?,
            operators: about.operators.clone(),
            covers: self.covers.groups().to_vec(),
            ranges: self.ranges.clone(),
            pending: about.pending.clone(),
            source: about.source.clone(),
        };
        out.write_all(&tail.encode())?;
        Ok(header)
    }

    /// All stretches in turn; gives the checksum of each.
    fn write_lines(&mut self, shape: Shape, out: &mut impl Write) -> Result<Vec<u32>, BuildError> {
        let mut stretch = Stretch::new(shape);
        let mut checks = Vec::new();
        let mut number = 0;
        let mut own: Vec<Entry> = Vec::new();
        let mut end = |number: u64, own: &mut Vec<Entry>| -> Result<(), BuildError> {
            let octets = stretch.fill(number, own)?;
            checks.push(crc32c::crc32c(octets));
            out.write_all(octets)?;
            own.clear();
            Ok(())
        };
        for part in 0..PARTS {
            for (spread, value) in rows(&self.spill.read(part)?) {
                while shape.stretch_of(spread) > number {
                    end(number, &mut own)?;
                    number += 1;
                }
                own.push(Entry { spread, value: value.into() });
            }
        }
        while number < shape.stretches() {
            end(number, &mut own)?;
            number += 1;
        }
        Ok(checks)
    }
}

fn push(octets: &mut Vec<u8>, key: u64, value: u16) {
    octets.extend_from_slice(&key.to_le_bytes());
    octets.extend_from_slice(&value.to_le_bytes());
}

fn rows(octets: &[u8]) -> impl Iterator<Item = (u64, u16)> {
    octets.as_chunks::<ROW>().0.iter().map(|row| {
        let [key @ .., low, high] = *row;
        (u64::from_le_bytes(key), u16::from_le_bytes([low, high]))
    })
}

/// Rows in order of their keys, the last one of each; without those that were taken out.
fn sorted(octets: &[u8]) -> Vec<(u64, u16)> {
    let mut all: Vec<(u64, u16)> = rows(octets).collect();
    all.sort_by_key(|(key, _)| *key);
    // `dedup_by` keeps the first of a run: from behind that is the last one.
    all.reverse();
    all.dedup_by_key(|(key, _)| *key);
    all.retain(|(_, value)| *value != 0);
    all.reverse();
    all
}
