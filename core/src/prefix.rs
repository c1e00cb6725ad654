//! Longest-prefix look-up over whole numbers: prefixes become disjoint ranges, a look-up is one
//! short binary search. Pure, lives nowhere.

use core::fmt;

use crate::number::{MAX_DIGITS, Msisdn};

/// Powers of ten up to 10^15.
const POWERS: [u64; MAX_DIGITS + 1] = {
    let mut powers = [1; MAX_DIGITS + 1];
    let mut at = 1;
    while at <= MAX_DIGITS {
        #[allow(clippy::indexing_slicing, reason = "at compile time, within the bound above")]
        {
            powers[at] = powers[at - 1] * 10;
        }
        at += 1;
    }
    powers
};

/// Room beside the digits for how many of them there are.
const LENGTH_BITS: u32 = 4;
const _: () = assert!(MAX_DIGITS < 1 << LENGTH_BITS);

/// The leading digits of numbers.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Prefix {
    digits: u64,
    length: u8,
}

impl Prefix {
    /// Reads 0 to 15 digits, the first not 0.
    pub(crate) fn parse(text: &str) -> Option<Prefix> {
        let length = u8::try_from(text.len()).ok().filter(|len| usize::from(*len) <= MAX_DIGITS)?;
        if text.starts_with('0') || !text.bytes().all(|octet| octet.is_ascii_digit()) {
            return None;
        }
        let digits = if text.is_empty() { 0 } else { text.parse().ok()? };
        Some(Prefix { digits, length })
    }

    /// The fewest prefixes of the numbers from `first` to `last`, which have as many digits; none when
    /// they do not, or are no numbers in that order.
    pub(crate) fn of_range(first: u64, last: u64) -> Vec<Prefix> {
        let digits = |number: u64| number.checked_ilog10().map_or(0, |log| log + 1);
        let mut prefixes = Vec::new();
        let Some(length) =
            u8::try_from(digits(first)).ok().filter(|_| digits(first) == digits(last))
        else {
            return prefixes;
        };
        let mut at = first;
        while at <= last && usize::from(length) <= MAX_DIGITS {
            let (mut size, mut cut) = (1, 0);
            while cut + 1 < length && at.is_multiple_of(size * 10) && at + (size * 10 - 1) <= last {
                (size, cut) = (size * 10, cut + 1);
            }
            prefixes.push(Prefix { digits: at / size, length: length - cut });
            at += size;
        }
        prefixes
    }

    /// How many digits it has.
    pub(crate) fn length(self) -> u8 {
        self.length
    }

    /// The key of its first number.
    pub(crate) fn first_key(self) -> u64 {
        self.keys().0
    }

    /// Its first key, and the first key behind it.
    fn keys(self) -> (u64, u64) {
        let scale = power(MAX_DIGITS - usize::from(self.length));
        let first = (self.digits * scale) << LENGTH_BITS | u64::from(self.length);
        let behind = ((self.digits + 1) * scale) << LENGTH_BITS;
        (first, behind)
    }
}

/// Its digits.
impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.length == 0 { Ok(()) } else { write!(f, "{}", self.digits) }
    }
}

/// A number as a place on the line: its digits aligned left, then how many there are. The count
/// keeps a number out of the prefixes that are longer than itself and go on with zeros.
pub(crate) fn key(number: Msisdn) -> u64 {
    let length = number.len();
    let missing = MAX_DIGITS.saturating_sub(usize::try_from(length).unwrap_or(MAX_DIGITS));
    (number.as_u64() * power(missing)) << LENGTH_BITS | u64::from(length)
}

fn power(exponent: usize) -> u64 {
    POWERS.get(exponent).copied().unwrap_or(1)
}

/// Most bits of a key that choose where a search begins: 64 KiB of an index.
const INDEX_BITS: u32 = 14;
/// Bits of a key.
pub(crate) const KEY_BITS: u32 = 54;
const _: () = assert!(POWERS[MAX_DIGITS] << LENGTH_BITS < 1 << KEY_BITS);

/// Disjoint ranges of keys, and what each stands for. The first bits of a key say between which two
/// ranges the binary search has to look.
#[derive(Debug)]
pub(crate) struct Ranges<T> {
    /// Bits of a key behind those that choose.
    shift: u32,
    /// By the first bits: how many ranges begin before them.
    index: Vec<u32>,
    /// First keys, ascending.
    starts: Vec<u64>,
    answers: Vec<T>,
}

impl<T: Copy + PartialEq> Ranges<T> {
    /// Of what stands for the keys from each of these ascending ones on.
    pub(crate) fn new(ranges: impl IntoIterator<Item = (u64, T)>) -> Self {
        let (mut starts, mut answers) = (Vec::new(), Vec::new());
        for (start, answer) in ranges {
            if answers.last() != Some(&answer) {
                starts.push(start);
                answers.push(answer);
            }
        }
        let bits = starts.len().checked_ilog2().map_or(0, |log| log + 1).min(INDEX_BITS);
        let shift = KEY_BITS - bits;
        let before = |first: u64| starts.partition_point(|start| *start < first << shift);
        let index = (0..=1 << bits).map(|first| u32::try_from(before(first)).unwrap_or(u32::MAX));
        Ranges { shift, index: index.collect(), starts, answers }
    }

    /// Octets of memory that it takes.
    pub(crate) fn octets(&self) -> usize {
        size_of_val(self.index.as_slice())
            + size_of_val(self.starts.as_slice())
            + size_of_val(self.answers.as_slice())
    }

    /// Each range's first key, and what it stands for.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, T)> + '_ {
        self.starts.iter().copied().zip(self.answers.iter().copied())
    }

    /// What stands for this key; `None` before the first range.
    pub(crate) fn find(&self, key: u64) -> Option<T> {
        let bucket = usize::try_from(key >> self.shift).ok()?;
        let at = |bucket: usize| usize::try_from(*self.index.get(bucket)?).ok();
        let from = at(bucket)?;
        let near = self.starts.get(from..at(bucket + 1)?)?;
        let behind = from + near.partition_point(|start| *start <= key);
        self.answers.get(behind.checked_sub(1)?).copied()
    }

    /// Where the answer may change.
    pub(crate) fn starts(&self) -> &[u64] {
        &self.starts
    }
}

/// Prefixes and what they stand for, the longest one winning.
#[derive(Debug)]
pub(crate) struct PrefixTable<T>(Ranges<Option<(Prefix, T)>>);

impl<T: Copy + PartialEq> PrefixTable<T> {
    /// Builds the table; of equal prefixes the last one counts.
    pub(crate) fn new(mut entries: Vec<(Prefix, T)>) -> Self {
        // Ranges of prefixes nest or are disjoint: a stack of the open ones is enough.
        entries.sort_by_key(|(prefix, _)| (prefix.keys().0, prefix.length));
        let mut ranges = Vec::with_capacity(2 * entries.len());
        let mut open: Vec<(Prefix, T)> = Vec::new();
        for (prefix, answer) in entries {
            let first = prefix.keys().0;
            close(&mut ranges, &mut open, first);
            begin(&mut ranges, first, Some((prefix, answer)));
            open.push((prefix, answer));
        }
        close(&mut ranges, &mut open, u64::MAX);
        PrefixTable(Ranges::new(ranges))
    }

    /// The longest prefix at this key, and what it stands for.
    pub(crate) fn find(&self, key: u64) -> Option<(Prefix, T)> {
        self.0.find(key).flatten()
    }

    /// Where the answer may change.
    pub(crate) fn starts(&self) -> &[u64] {
        self.0.starts()
    }
}

/// First keys of ranges, and the longest prefix in each.
type PrefixRanges<T> = Vec<(u64, Option<(Prefix, T)>)>;

/// Ends every open range that ends at or before `up_to`.
fn close<T: Copy>(ranges: &mut PrefixRanges<T>, open: &mut Vec<(Prefix, T)>, up_to: u64) {
    while let Some((prefix, _)) = open.last() {
        let behind = prefix.keys().1;
        if behind > up_to {
            break;
        }
        open.pop();
        begin(ranges, behind, open.last().copied());
    }
}

fn begin<T>(ranges: &mut PrefixRanges<T>, start: u64, answer: Option<(Prefix, T)>) {
    if ranges.last().is_some_and(|(own, _)| *own == start) {
        ranges.pop();
    }
    ranges.push((start, answer));
}
