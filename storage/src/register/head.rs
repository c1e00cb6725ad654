//! The head of a register's file: what a shard keeps of it in memory, and where the sections are.
//! Pure.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::disk::{SegmentId, SideFile};

use super::open::OpenRegister;
use super::page::{self, DirectoryRow, KeyRow, PAGE, SlotRow, TimeRow};
use super::row::Key;

const MAGIC: [u8; 4] = *b"PRRG";
const FORMAT: u16 = 1;
/// It owns no range of sequences, only its rows.
const FLAG_STRAY: u16 = 1;
/// Bytes of the filter of customers.
const FILTER_BYTES: usize = 1024;
const FIXED: usize = size_of::<Fixed>();
/// Bytes in front of what the checksum covers.
const CHECKED_FROM: usize = 8;
/// Longest head that is read, in bytes.
const HEAD_MAX: u32 = 64 * 1024;

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Fixed {
    magic: [u8; 4],
    /// Of everything behind it.
    crc: U32,
    format: U16,
    flags: U16,
    length: U32,
    stamp: U32,
    rows: U32,
    number: U64,
    first: U64,
    last: U64,
    oldest_ms: U64,
    newest_ms: U64,
    home: U64,
    customers: U32,
    grouped: U32,
}

const _: () = assert!(FIXED == 80);

/// What is in memory of a register on the disk: 1.2 KiB, 4 bytes for each 255 messages, and 4 bytes
/// for each 340 customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) number: u64,
    /// Ties the register's two files together.
    pub(super) stamp: u32,
    pub(super) stray: bool,
    pub(super) rows: u32,
    /// First and last sequence.
    pub(super) first: u64,
    pub(super) last: u64,
    /// Earliest and latest time of acceptance.
    pub(super) oldest_ms: u64,
    pub(super) newest_ms: u64,
    /// The earliest segment that its messages were accepted into.
    pub(super) home: SegmentId,
    pub(super) customers: u32,
    pub(super) grouped: u32,
    filter: Filter,
    /// First sequence of each page of slots, counted from `first`.
    slot_firsts: Box<[u32]>,
    /// First customer of each page of the directory.
    directory_firsts: Box<[u32]>,
}

impl Summary {
    pub(super) fn of(register: &OpenRegister, number: u64, stray: bool) -> Self {
        let (mut oldest_ms, mut newest_ms) = (u64::MAX, 0);
        let (mut stamp, mut grouped) = (crc32c::crc32c(&number.to_le_bytes()), 0);
        for row in register.rows() {
            oldest_ms = oldest_ms.min(row.accepted_ms);
            newest_ms = newest_ms.max(row.accepted_ms);
            stamp = crc32c::crc32c_append(stamp, &row.sequence.to_le_bytes());
            grouped += u32::from(row.group != 0);
        }
        let mut filter = Filter::new();
        let customers: Vec<u32> = register.customers().map(|(customer, _)| customer).collect();
        for customer in &customers {
            filter.insert(*customer);
        }
        let first = register.first();
        let pages = register.rows().chunks(page::per_page::<SlotRow>());
        let slot_firsts = pages.filter_map(|rows| delta(rows.first()?.sequence, first)).collect();
        let pages = customers.chunks(page::per_page::<DirectoryRow>());
        let directory_firsts = pages.filter_map(|rows| rows.first().copied()).collect();
        Self {
            number,
            stamp,
            stray,
            rows: count(register.rows().len()),
            first,
            last: register.last(),
            oldest_ms,
            newest_ms,
            home: register.home(),
            customers: count(customers.len()),
            grouped,
            filter,
            slot_firsts,
            directory_firsts,
        }
    }

    /// The head as it is on the disk, padded to whole pages.
    pub(super) fn encode(&self) -> Vec<u8> {
        let length =
            FIXED + FILTER_BYTES + 4 * (self.slot_firsts.len() + self.directory_firsts.len());
        let mut fixed = Fixed {
            magic: MAGIC,
            crc: U32::new(0),
            format: U16::new(FORMAT),
            flags: U16::new(if self.stray { FLAG_STRAY } else { 0 }),
            length: U32::new(count(length)),
            stamp: U32::new(self.stamp),
            rows: U32::new(self.rows),
            number: U64::new(self.number),
            first: U64::new(self.first),
            last: U64::new(self.last),
            oldest_ms: U64::new(self.oldest_ms),
            newest_ms: U64::new(self.newest_ms),
            home: U64::new(self.home.0),
            customers: U32::new(self.customers),
            grouped: U32::new(self.grouped),
        };
        let mut rest = Vec::with_capacity(length);
        rest.extend(self.filter.0.iter().flat_map(|word| word.to_le_bytes()));
        rest.extend(self.slot_firsts.iter().flat_map(|first| first.to_le_bytes()));
        rest.extend(self.directory_firsts.iter().flat_map(|first| first.to_le_bytes()));
        let (_, covered) = fixed.as_bytes().split_at(CHECKED_FROM);
        fixed.crc = U32::new(crc32c::crc32c_append(crc32c::crc32c(covered), &rest));
        let mut out = fixed.as_bytes().to_vec();
        out.append(&mut rest);
        out.resize(length.next_multiple_of(PAGE), 0);
        out
    }

    /// Bytes of the head that begins so; `None` when it is no head.
    pub(super) fn length(start: &[u8]) -> Option<u32> {
        let (fixed, _) = Fixed::ref_from_prefix(start).ok()?;
        let length = fixed.length.get();
        let known = fixed.magic == MAGIC && fixed.format.get() == FORMAT;
        (known && length <= HEAD_MAX && length >= count(FIXED + FILTER_BYTES)).then_some(length)
    }

    /// The head of register `number` in these bytes; `None` when it is not whole.
    pub(super) fn decode(bytes: &[u8], number: u64) -> Option<Self> {
        let length = usize::try_from(Self::length(bytes)?).ok()?;
        let bytes = bytes.get(..length)?;
        let (fixed, rest) = Fixed::ref_from_prefix(bytes).ok()?;
        let right = fixed.number.get() == number
            && fixed.crc.get() == crc32c::crc32c(bytes.get(CHECKED_FROM..)?);
        right.then_some(())?;
        let rows = usize::try_from(fixed.rows.get()).ok()?;
        let customers = usize::try_from(fixed.customers.get()).ok()?;
        let (filter, firsts) = rest.split_at_checked(FILTER_BYTES)?;
        let slot_pages = usize::try_from(page::pages::<SlotRow>(rows)).ok()?;
        let (slots, directory) = firsts.split_at_checked(4 * slot_pages)?;
        let numbers =
            |bytes| Some(<[U32]>::ref_from_bytes(bytes).ok()?.iter().map(|n| n.get()).collect());
        let (slot_firsts, directory_firsts): (Box<[u32]>, Box<[u32]>) =
            (numbers(slots)?, numbers(directory)?);
        let directory_pages = usize::try_from(page::pages::<DirectoryRow>(customers)).ok()?;
        (directory_firsts.len() == directory_pages && rows > 0).then_some(())?;
        Some(Self {
            number,
            stamp: fixed.stamp.get(),
            stray: fixed.flags.get() & FLAG_STRAY != 0,
            rows: fixed.rows.get(),
            first: fixed.first.get(),
            last: fixed.last.get(),
            oldest_ms: fixed.oldest_ms.get(),
            newest_ms: fixed.newest_ms.get(),
            home: SegmentId(fixed.home.get()),
            customers: fixed.customers.get(),
            grouped: fixed.grouped.get(),
            filter: Filter::decode(filter)?,
            slot_firsts,
            directory_firsts,
        })
    }

    /// Whether a message of this sequence may be in it.
    pub(super) fn spans(&self, sequence: u64) -> bool {
        (self.first..=self.last).contains(&sequence)
    }

    /// Whether the customer may have messages in it: wrong for few that have none.
    pub(super) fn may_have(&self, customer: u32) -> bool {
        self.filter.has(customer)
    }

    /// No message in it is later in a customer's list.
    pub(super) fn top(&self) -> Key {
        (self.newest_ms, self.last)
    }

    /// The page of slots in which a sequence is, if it is here.
    pub(super) fn slot_page(&self, sequence: u64) -> Option<u32> {
        let spread = delta(sequence, self.first)?;
        before(&self.slot_firsts, |first| *first <= spread)
    }

    /// The page of the directory in which a customer is, if it is here.
    pub(super) fn directory_page(&self, customer: u32) -> Option<u32> {
        before(&self.directory_firsts, |first| *first <= customer)
    }

    /// The sequence of a row.
    pub(super) fn sequence(&self, spread: U32) -> u64 {
        self.first.saturating_add(u64::from(spread.get()))
    }

    pub(super) fn index_file(&self) -> SideFile {
        SideFile::Register(self.number)
    }

    pub(super) fn slots_file(&self) -> SideFile {
        SideFile::Slots(self.number)
    }

    pub(super) fn slot_pages(&self) -> u32 {
        count(self.slot_firsts.len())
    }

    /// First page of the directory in the file.
    pub(super) fn directory_at(&self) -> u32 {
        let firsts = self.slot_firsts.len() + self.directory_firsts.len();
        count((FIXED + FILTER_BYTES + 4 * firsts).div_ceil(PAGE))
    }

    /// First page of the times.
    pub(super) fn times_at(&self) -> u32 {
        self.directory_at() + count(self.directory_firsts.len())
    }

    /// First page of the recipients.
    pub(super) fn recipients_at(&self) -> u32 {
        self.times_at() + page::pages::<TimeRow>(place(self.rows))
    }

    /// First page of the groups.
    pub(super) fn groups_at(&self) -> u32 {
        self.recipients_at() + page::pages::<KeyRow>(place(self.rows))
    }

    /// Bytes of the index file.
    pub(super) fn index_bytes(&self) -> u64 {
        page::offset(self.groups_at() + page::pages::<KeyRow>(place(self.grouped)))
    }
}

/// How far a sequence is from the first one, if that can be said.
pub(super) fn delta(sequence: u64, first: u64) -> Option<u32> {
    u32::try_from(sequence.checked_sub(first)?).ok()
}

/// The last place at which the condition holds: it holds up to some place, and not behind it.
fn before<T>(sorted: &[T], holds: impl FnMut(&T) -> bool) -> Option<u32> {
    sorted.partition_point(holds).checked_sub(1).map(count)
}

/// A number that is bounded far below 2^32.
pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A number that is an index.
pub(super) fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A Bloom filter over customers: 8,192 bits, four for each. With 500 customers one in 500 others
/// is taken for one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Filter(Box<[u64]>);

impl Filter {
    fn new() -> Self {
        Self(vec![0; FILTER_BYTES / 8].into())
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let words = <[U64]>::ref_from_bytes(bytes).ok()?;
        (bytes.len() == FILTER_BYTES).then(|| Self(words.iter().map(|word| word.get()).collect()))
    }

    fn insert(&mut self, customer: u32) {
        for (word, bit) in places(customer) {
            if let Some(word) = self.0.get_mut(word) {
                *word |= bit;
            }
        }
    }

    fn has(&self, customer: u32) -> bool {
        places(customer).all(|(word, bit)| self.0.get(word).is_some_and(|word| word & bit != 0))
    }
}

/// Four words and bits for a customer, from a finalizer of the splitmix64 generator.
fn places(customer: u32) -> impl Iterator<Item = (usize, u64)> {
    let mut hash = u64::from(customer).wrapping_add(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    (0..4).map(move |round| {
        let place = hash >> (13 * round) & 0x1fff;
        (usize::try_from(place / 64).unwrap_or_default(), 1 << (place % 64))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crate::position::Position;
    use crate::register::row::{RegisterRow, Slot};

    fn register(rows: u64, customers: u32) -> OpenRegister {
        let row = |n: u64| RegisterRow {
            sequence: 1_000 + 3 * n,
            customer: u32::try_from(n).unwrap() % customers * 7,
            accepted_ms: 50_000 + n,
            recipient: n,
            group: n % 2,
            slot: Slot { status: 0, at: Position { segment: SegmentId(4), offset: 64 } },
        };
        let mut register = OpenRegister::new(&row(0));
        (1..rows).for_each(|n| register.accept(&row(n)));
        register
    }

    #[test]
    fn a_head_comes_back_whole_or_not_at_all() {
        let summary = Summary::of(&register(900, 700), 6, true);
        let bytes = summary.encode();
        assert_eq!(bytes.len(), PAGE);
        assert_eq!(Summary::decode(&bytes, 6), Some(summary));
        assert_eq!(Summary::decode(&bytes, 7), None);
        let length = usize::try_from(Summary::length(&bytes).unwrap()).unwrap();
        for bit in 0..length * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Summary::decode(&flipped, 6), None, "bit {bit}");
        }
        for end in 0..length {
            assert_eq!(Summary::decode(&bytes[..end], 6), None, "{end} bytes");
        }
    }

    #[test]
    fn pages_are_found_by_what_they_begin_with() {
        let summary = Summary::of(&register(900, 700), 6, false);
        assert_eq!((summary.slot_pages(), summary.grouped), (4, 450));
        let pages = [999, 1_000, 1_764, 1_765, 3_697].map(|sequence| summary.slot_page(sequence));
        assert_eq!(pages, [None, Some(0), Some(0), Some(1), Some(3)]);
        let pages = [0, 339 * 7, 340 * 7, u32::MAX].map(|c| summary.directory_page(c));
        assert_eq!(pages, [Some(0), Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn few_customers_are_taken_for_one_of_five_hundred() {
        let summary = Summary::of(&register(1_000, 500), 1, false);
        assert!((0..500).all(|n| summary.may_have(n * 7)));
        let wrong = (1_000_000..1_100_000).filter(|customer| summary.may_have(*customer)).count();
        assert!(wrong < 400, "{wrong} of 100,000");
    }
}
