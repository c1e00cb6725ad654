//! Filters over the first keys of a run's rows: most runs that do not hold a key are known without
//! a read. Pure, lives nowhere; in memory as long as their run.
//!
//! The bits are fastbloom's. Their layout is no part of a promise: a file names the version that it
//! was written with ([`FILTER_VERSION`]), a test pins the bits of that version, and a file of
//! another one is rebuilt.

use fastbloom::{BloomFilter, optimal_size};

/// Version of the filters' bits. A release that computes other bits needs another number.
pub(super) const FILTER_VERSION: u16 = 1;
/// Most hashes of a key that a file may name.
const HASHES_MAX: u32 = 32;

/// How often a filter says "maybe" for a key that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rate {
    /// One in 200, 11 bits a key: the oldest run, which holds most of the rows.
    Oldest,
    /// One in 4,000, 17.3 bits a key: every newer run, since there may be many.
    Newer,
}

impl Rate {
    /// The rate as a probability.
    pub(super) fn probability(self) -> f64 {
        match self {
            Self::Oldest => 1.0 / 200.0,
            Self::Newer => 1.0 / 4_000.0,
        }
    }

    /// Bits that a key sets: about the logarithm of the rate.
    fn hashes(self) -> u32 {
        match self {
            Self::Oldest => 8,
            Self::Newer => 12,
        }
    }
}

/// Which first keys may be in a file.
#[derive(Debug, Clone)]
pub(super) struct Filter(BloomFilter);

impl Filter {
    /// The filter of these first keys.
    pub(super) fn new(keys: &[u64], rate: Rate) -> Self {
        let size = optimal_size(keys.len().max(1), rate.probability());
        let mut bits = BloomFilter::with_num_bits(size).seed(&0).hashes(rate.hashes());
        for key in keys {
            bits.insert_hash(mix(*key));
        }
        Self(bits)
    }

    /// A filter read from a file; `None` when there can be none of this shape.
    pub(super) fn from_parts(words: Vec<u64>, hashes: u32) -> Option<Self> {
        let possible = !words.is_empty() && (1..=HASHES_MAX).contains(&hashes);
        possible.then(|| Self(BloomFilter::from_vec(words).seed(&0).hashes(hashes)))
    }

    /// Whether the key may be there; `false` is certain.
    pub(super) fn may_hold(&self, k1: u64) -> bool {
        self.0.contains_hash(mix(k1))
    }

    /// Its bits.
    pub(super) fn words(&self) -> &[u64] {
        self.0.as_slice()
    }

    /// Bits that a key sets.
    pub(super) fn hashes(&self) -> u32 {
        self.0.num_hashes()
    }
}

/// Spreads a key over all bits: the keys of one file lie close together, and bits are chosen by the
/// high ones. The finalizer of MurmurHash3, which maps no two keys to one.
fn mix(key: u64) -> u64 {
    let mut hash = key;
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    /// Keys of one file: uniform, or from a narrow stretch as in a slice of a large run.
    fn keys(count: u64, shift: u32) -> Vec<u64> {
        (0..count).map(|n| mix(n ^ 0x5bd1) >> shift).collect()
    }

    #[test]
    fn every_key_is_found_and_others_as_rarely_as_promised() {
        for rate in [Rate::Oldest, Rate::Newer] {
            for shift in [0, 24] {
                let keys = keys(20_000, shift);
                let filter = Filter::new(&keys, rate);
                assert!(keys.iter().all(|key| filter.may_hold(*key)));
                let others = (1_000_000..1_400_000).map(|n| mix(n) >> shift);
                let wrong = others.filter(|key| filter.may_hold(*key)).count();
                let measured = wrong as f64 / 400_000.0;
                println!("{rate:?}, keys of {} bits: {measured:.6}", 64 - shift);
                assert!(measured <= rate.probability() * 1.25, "{rate:?}: {measured}");
            }
        }
    }

    #[test]
    fn a_filter_survives_its_file() {
        let keys = keys(1_000, 0);
        let filter = Filter::new(&keys, Rate::Newer);
        let again = Filter::from_parts(filter.words().to_vec(), filter.hashes()).unwrap();
        assert!(keys.iter().all(|key| again.may_hold(*key)));
        assert!(Filter::from_parts(vec![], 3).is_none());
        assert!(Filter::from_parts(vec![0], 0).is_none());
        assert!(Filter::from_parts(vec![0], 33).is_none());
    }

    #[test]
    fn the_bits_are_those_of_this_version() {
        let filter = Filter::new(&keys(100, 0), Rate::Oldest);
        let bytes: Vec<u8> = filter.words().iter().flat_map(|word| word.to_le_bytes()).collect();
        // When this fails: write another FILTER_VERSION, or files of older releases lose rows.
        assert_eq!(
            (FILTER_VERSION, filter.hashes(), crc32c::crc32c(&bytes)),
            (1, 8, 3_671_405_342)
        );
    }

    #[test]
    fn an_empty_filter_holds_nothing() {
        for rate in [Rate::Oldest, Rate::Newer] {
            let filter = Filter::new(&[], rate);
            assert!((0..1_000).all(|key| !filter.may_hold(key)));
            assert!(Filter::from_parts(filter.words().to_vec(), filter.hashes()).is_some());
        }
    }
}
