//! The file of a table of ported numbers, octet for octet: a page that says how the rest is to be
//! read, the lines, and behind them whatever is short. PORTED.md in this crate describes it. Pure.

use super::changes::Change;
use super::lines::{LINE, Shape};
use super::octets::{In, Out};
use super::ranges::Range;
use super::space::Space;
use crate::operators::OperatorId;

/// Octets before the lines.
pub const HEADER: usize = 4_096;
/// The format that is written, and the only one that is read.
pub const FORMAT: u32 = 1;

const MAGIC: &[u8; 8] = b"PRPORTED";
/// In the place of an operator whose code nobody gave.
const UNNAMED: u32 = u32::MAX;

/// Why a file of ported numbers cannot be used; `Display` is fit for an operator of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// It begins like something else.
    #[error("it is no file of ported numbers; make one with `postrider ported build`")]
    NotATable,
    /// A newer program wrote it.
    #[error("it has format {0}; this program reads format {FORMAT}: build it anew")]
    Format(u32),
    /// A checksum is not that of the octets.
    #[error("{0} is damaged; build it anew from the full file")]
    Damaged(String),
    /// It says what cannot be.
    #[error("its header says what cannot be ({0}); build it anew from the full file")]
    Unsound(&'static str),
}

/// The first page of a table.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which numbers it is for.
    pub space: Space,
    /// How the lines are packed.
    pub shape: Shape,
    /// How many numbers are in the lines.
    pub numbers: u64,
    /// When its source was true, seconds since 1970.
    pub as_of_s: u64,
    /// The number of the last delta that its source contains; 0 when its source does not count.
    pub sequence: u64,
}

/// What stands behind the lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// A CRC32C for each stretch of lines.
    pub checks: Vec<u32>,
    /// What values stand for: value 1 is the first. `None`: ported, nobody says where to.
    pub operators: Vec<Option<OperatorId>>,
    /// Leading digits of the numbers that the table answers for.
    pub covers: Vec<u64>,
    /// Ascending, without overlaps.
    pub ranges: Vec<Range>,
    /// Changes of the source that lay in its future.
    pub pending: Vec<Change>,
    /// Where the data comes from, as its operator says.
    pub source: String,
}

/// The changes since a table was made, as they stand in the file beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    /// The table that they belong to: see [`Parts::id`].
    pub base: u64,
    /// When the last delta was true, seconds since 1970.
    pub as_of_s: u64,
    /// The number of the last delta.
    pub sequence: u64,
    /// What values stand for: those of the table, then new ones.
    pub operators: Vec<Option<OperatorId>>,
    /// In the order in which they came.
    pub changes: Vec<Change>,
    /// In the order in which they came.
    pub ranges: Vec<Range>,
}

/// A table's file, taken apart.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Its first page.
    pub header: Header,
    /// What stands behind its lines.
    pub tail: Tail,
    /// Two checksums that tell this file from every other one.
    pub id: u64,
    /// Octets behind which the lines end; they begin at [`HEADER`].
    pub lines_end: usize,
}

impl Header {
    /// The page.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Out::default();
        out.bytes(MAGIC);
        out.u32(FORMAT);
        out.u64(self.space.head());
        out.u32(self.space.rest().into());
        let shape = &self.shape;
        for bits in [shape.key_bits, shape.tag_bits, shape.value_bits, shape.stretch_bits] {
            out.u32(bits);
        }
        out.u32(shape.slot_bytes.into());
        for value in [shape.lines, self.numbers, self.as_of_s, self.sequence] {
            out.u64(value);
        }
        out.0.resize(HEADER - 4, 0);
        out.sealed()
    }

    fn decode(page: &[u8]) -> Result<(Header, u32), TableError> {
        if !page.starts_with(MAGIC) {
            return Err(TableError::NotATable);
        }
        let damaged = || TableError::Damaged(String::from("its first page"));
        let (mut page, check) = In::sealed(page).ok_or_else(damaged)?;
        let _magic: Option<[u8; 8]> = page.array();
        match page.u32() {
            Some(FORMAT) => {}
            other => return Err(TableError::Format(other.unwrap_or(0))),
        }
        let header = Header::fields(&mut page).ok_or(TableError::Unsound("numbers"))?;
        if !header.shape.is_sound() || header.shape.key_bits != header.space.bits() {
            return Err(TableError::Unsound("lines"));
        }
        Ok((header, check))
    }

    fn fields(page: &mut In<'_>) -> Option<Header> {
        let head = page.u64()?;
        let rest = u8::try_from(page.u32()?).ok()?;
        let [key_bits, tag_bits] = [page.u32()?, page.u32()?];
        let [value_bits, stretch_bits] = [page.u32()?, page.u32()?];
        let slot_bytes = u8::try_from(page.u32()?).ok()?;
        let lines = page.u64()?;
        let shape = Shape { key_bits, tag_bits, value_bits, slot_bytes, stretch_bits, lines };
        let [numbers, as_of_s, sequence] = [page.u64()?, page.u64()?, page.u64()?];
        Some(Header { space: Space::new(head, rest)?, shape, numbers, as_of_s, sequence })
    }
}

impl Tail {
    /// What is written behind the lines.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Out::default();
        out.list(self.checks.len());
        self.checks.iter().for_each(|check| out.u32(*check));
        operators(&mut out, &self.operators);
        out.list(self.covers.len());
        self.covers.iter().for_each(|digits| out.u64(*digits));
        ranges(&mut out, &self.ranges);
        changes(&mut out, &self.pending);
        out.text(&self.source);
        out.sealed()
    }

    fn decode(bytes: &[u8]) -> Option<(Tail, u32)> {
        let (mut input, check) = In::sealed(bytes)?;
        let tail = Tail {
            checks: input.list(In::u32)?,
            operators: read_operators(&mut input)?,
            covers: input.list(In::u64)?,
            ranges: read_ranges(&mut input)?,
            pending: read_changes(&mut input)?,
            source: input.text()?,
        };
        Some((tail, check))
    }
}

impl Overlay {
    const MAGIC: &'static [u8; 8] = b"PRPORTOV";

    /// The whole file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Out::default();
        out.bytes(Self::MAGIC);
        out.u32(FORMAT);
        [self.base, self.as_of_s, self.sequence].into_iter().for_each(|value| out.u64(value));
        operators(&mut out, &self.operators);
        changes(&mut out, &self.changes);
        ranges(&mut out, &self.ranges);
        out.sealed()
    }

    /// The changes beside a table: these, or none where these belong to another one.
    #[must_use]
    pub fn beside(parts: &Parts, found: Option<Overlay>) -> Overlay {
        found.filter(|own| own.base == parts.id).unwrap_or_else(|| Overlay {
            base: parts.id,
            as_of_s: parts.header.as_of_s,
            sequence: parts.header.sequence,
            operators: parts.tail.operators.clone(),
            ..Overlay::default()
        })
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Overlay, TableError> {
        if !bytes.starts_with(Self::MAGIC) {
            return Err(TableError::NotATable);
        }
        let damaged = || TableError::Damaged(String::from("the file of changes"));
        let (mut input, _) = In::sealed(bytes).ok_or_else(damaged)?;
        let _magic: Option<[u8; 8]> = input.array();
        match input.u32() {
            Some(FORMAT) => Overlay::fields(&mut input).ok_or(TableError::Unsound("changes")),
            other => Err(TableError::Format(other.unwrap_or(0))),
        }
    }

    fn fields(input: &mut In<'_>) -> Option<Overlay> {
        Some(Overlay {
            base: input.u64()?,
            as_of_s: input.u64()?,
            sequence: input.u64()?,
            operators: read_operators(input)?,
            changes: read_changes(input)?,
            ranges: read_ranges(input)?,
        })
    }
}

impl Parts {
    /// Takes a table's file apart: the first page and what stands behind the lines are checked, the
    /// lines themselves are not looked at.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(file: &[u8]) -> Result<Parts, TableError> {
        let page = file.get(..HEADER).ok_or(TableError::NotATable)?;
        let (header, header_check) = Header::decode(page)?;
        let lines_end = usize::try_from(header.shape.bytes()).ok();
        let lines_end = lines_end.and_then(|bytes| bytes.checked_add(HEADER));
        let lines_end = lines_end.ok_or(TableError::Unsound("lines"))?;
        let damaged = || TableError::Damaged(String::from("its end"));
        let tail = file.get(lines_end..).ok_or_else(damaged)?;
        let (tail, tail_check) = Tail::decode(tail).ok_or_else(damaged)?;
        if u64::try_from(tail.checks.len()).ok() != Some(header.shape.stretches()) {
            return Err(TableError::Unsound("checksums"));
        }
        let id = u64::from(header_check) << 32 | u64::from(tail_check);
        Ok(Parts { header, tail, id, lines_end })
    }

    /// The lines in the file that these are the parts of.
    #[must_use]
    pub fn lines<'f>(&self, file: &'f [u8]) -> &'f [u8] {
        file.get(HEADER..self.lines_end).unwrap_or_default()
    }

    /// Every stretch of the lines, by number.
    pub fn stretches<'f>(&self, file: &'f [u8]) -> impl Iterator<Item = (u64, &'f [u8])> {
        (0..).zip(self.lines(file).chunks(LINE << self.header.shape.stretch_bits))
    }

    /// Reads all lines, which also brings them into memory.
    ///
    /// # Errors
    /// The first stretch whose checksum is wrong.
    pub fn verify(&self, file: &[u8]) -> Result<(), TableError> {
        let wrong = self.stretches(file).zip(&self.tail.checks);
        let mut wrong = wrong.filter(|((_, bytes), check)| crc32c::crc32c(bytes) != **check);
        match wrong.next() {
            None => Ok(()),
            Some(((number, bytes), _)) => {
                let length = u64::try_from(bytes.len()).unwrap_or(0);
                let at = number * length + 4_096;
                Err(TableError::Damaged(format!("it, between octets {at} and {}", at + length)))
            }
        }
    }
}

fn operators(out: &mut Out, operators: &[Option<OperatorId>]) {
    out.list(operators.len());
    operators.iter().for_each(|own| out.u32(own.map_or(UNNAMED, OperatorId::pack)));
}

fn read_operators(input: &mut In<'_>) -> Option<Vec<Option<OperatorId>>> {
    input.list(|input| match input.u32()? {
        UNNAMED => Some(None),
        packed => OperatorId::unpack(packed).map(Some),
    })
}

fn changes(out: &mut Out, changes: &[Change]) {
    out.list(changes.len());
    for change in changes {
        out.u64(change.number);
        out.u64(change.from_s);
        out.u16(change.value);
    }
}

fn read_changes(input: &mut In<'_>) -> Option<Vec<Change>> {
    input.list(|input| {
        let [number, from_s] = [input.u64()?, input.u64()?];
        Some(Change { number, from_s, value: input.u16()? })
    })
}

fn ranges(out: &mut Out, ranges: &[Range]) {
    out.list(ranges.len());
    for range in ranges {
        out.u64(range.first);
        out.u64(range.last);
        out.u16(range.value);
    }
}

fn read_ranges(input: &mut In<'_>) -> Option<Vec<Range>> {
    input.list(|input| {
        let [first, last] = [input.u64()?, input.u64()?];
        Some(Range { first, last, value: input.u16()? })
    })
}
