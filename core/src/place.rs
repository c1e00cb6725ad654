//! Where a number lives: number -> partition by one keyed hash, partition -> shard by one table.
//! Pure; one `Placement` per process, read-only.

use std::fmt;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;
use siphasher::sip128::Hasher128 as _;

use crate::id::IdFields;
use crate::limits::MAX_SHARDS;
use crate::number::Msisdn;
use crate::sequence::{self, Origin};

/// Slices of the destination space; fixed for the life of a data directory.
pub const PARTITIONS: u16 = 4096;

/// Bits of a hash that choose the partition: the highest.
const PARTITION_BITS: u32 = PARTITIONS.ilog2();
const _: () = assert!(PARTITIONS == 1 << PARTITION_BITS);

/// One slice of the destination space, below [`PARTITIONS`].
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(u16);

impl Partition {
    /// The partition of this number, when there is one.
    #[must_use]
    pub const fn new(number: u16) -> Option<Partition> {
        if number < PARTITIONS { Some(Partition(number)) } else { None }
    }

    /// Its number, from 0.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    fn of_hash(hash: u64) -> Partition {
        Partition(u16::try_from(hash >> (u64::BITS - PARTITION_BITS)).unwrap_or(0))
    }
}

/// One core with everything it owns, from 0.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {}", self.0)
    }
}

/// A number of shards that a data directory has had.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Its number, ascending.
    pub number: u32,
    /// Shards from then on.
    pub shards: u16,
}

/// The one answer to "who owns this number".
///
/// The hash is SipHash-1-3 of the number's eight little-endian octets under the data directory's
/// key: customers choose the numbers, so an unkeyed hash would let one of them fill one core.
pub struct Placement {
    key: [u8; 16],
    /// Never empty; the last one is the present one.
    epochs: Vec<Epoch>,
    /// By partition.
    table: Box<[ShardId]>,
}

impl Placement {
    /// An even table in which every shard owns one contiguous run of partitions.
    ///
    /// # Panics
    /// When `shards` is 0 or above [`MAX_SHARDS`]; the plan has refused both.
    #[must_use]
    pub fn new(key: [u8; 16], shards: u16) -> Placement {
        Self::with_epochs(key, vec![Epoch { number: 1, shards }])
    }

    /// The table of a data directory that has had these numbers of shards.
    ///
    /// # Panics
    /// When there is none, or the last one is 0 or above [`MAX_SHARDS`].
    #[must_use]
    pub fn with_epochs(key: [u8; 16], epochs: Vec<Epoch>) -> Placement {
        let shards = epochs.last().map_or(0, |epoch| epoch.shards);
        assert!((1..=MAX_SHARDS).contains(&shards), "{shards} shards");
        let table = (0..PARTITIONS).map(|partition| owner_among(shards, Partition(partition)));
        Placement { key, epochs, table: table.collect() }
    }

    /// The partition of a number, fixed by the data directory's key.
    #[must_use]
    pub fn partition(&self, number: Msisdn) -> Partition {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(&number.as_u64().to_le_bytes());
        Partition::of_hash(hasher.finish())
    }

    /// The key of what carriers call parts, where that is not to be kept itself: it follows from the
    /// data directory's.
    #[must_use]
    pub fn names_key(&self) -> [u64; 2] {
        [0, 1].map(|half: u8| {
            let mut hasher = SipHasher13::new_with_key(&self.key);
            hasher.write(b"names of parts");
            hasher.write_u8(half);
            hasher.finish()
        })
    }

    /// Stands for a number where the number itself is not to be kept: the low half of
    /// [`Placement::erasure_hash`].
    #[must_use]
    pub fn hash_of(&self, number: Msisdn) -> u64 {
        low_half(self.erasure_hash(number))
    }

    /// Stands for a number that is erased: SipHash-1-3 with 128 bits of its eight little-endian octets
    /// under the data directory's key. It does not give away the partition.
    #[must_use]
    pub fn erasure_hash(&self, number: Msisdn) -> u128 {
        let mut hasher = siphasher::sip128::SipHasher13::new_with_key(&self.key);
        hasher.write(&number.as_u64().to_le_bytes());
        hasher.finish128().as_u128()
    }

    /// The data directory's key, for what hashes numbers elsewhere.
    #[must_use]
    pub fn key(&self) -> [u8; 16] {
        self.key
    }

    /// The home of an address of a handset: the owner of its number; by its octets when it is none.
    #[must_use]
    pub fn home(&self, address: &[u8]) -> ShardId {
        self.shard_of(self.partition_of_address(address))
    }

    /// The partition of an address of a handset.
    #[must_use]
    pub fn partition_of_address(&self, address: &[u8]) -> Partition {
        if let Some(number) = Msisdn::from_carrier(address) {
            return self.partition(number);
        }
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(address);
        Partition::of_hash(hasher.finish())
    }

    /// The shard that owns a partition.
    #[must_use]
    pub fn shard_of(&self, partition: Partition) -> ShardId {
        // The table has an entry for every partition there is.
        self.table.get(usize::from(partition.0)).copied().unwrap_or(ShardId(0))
    }

    /// The shard that owns a number.
    #[must_use]
    pub fn owner(&self, number: Msisdn) -> ShardId {
        self.shard_of(self.partition(number))
    }

    /// The number by which a log knows the message of an id.
    #[must_use]
    pub fn number_in(&self, log: u16, fields: IdFields) -> u64 {
        sequence::moved(fields.sequence, self.accepted_in(fields), log)
    }

    /// The log in which the message of an id was accepted.
    #[must_use]
    pub fn accepted_in(&self, fields: IdFields) -> u16 {
        match sequence::origin(fields.sequence) {
            Origin::Log(log) => log,
            // Numbers of the first releases, which had one log for each shard that there ever was.
            Origin::Here => {
                let first = self.epochs.first().map_or(1, |epoch| epoch.shards);
                owner_among(first, fields.partition).0
            }
        }
    }

    /// A partition whose messages a log had from the beginning, if there is one.
    #[must_use]
    pub fn first_partition_of(&self, log: u16) -> Partition {
        let first = self.epochs.first().map_or(1, |epoch| epoch.shards);
        let own = |partition: &Partition| owner_among(first, *partition).0 == log;
        (0..PARTITIONS).map(Partition).find(own).unwrap_or(Partition(0))
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> u16 {
        self.epochs.last().map_or(1, |epoch| epoch.shards)
    }

    /// The numbers of shards that there have been; the last one is the present one.
    #[must_use]
    pub fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    /// The present epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epochs.last().copied().unwrap_or(Epoch { number: 1, shards: 1 })
    }

    /// Whether a change of the number of shards was brought to its end.
    #[must_use]
    pub fn counts(&self, number: u32, shards: u16) -> bool {
        self.epochs.contains(&Epoch { number, shards })
    }

    /// The shard that keeps a log: its own, or one that no shard writes to any more.
    #[must_use]
    pub fn keeper(&self, log: u16) -> ShardId {
        ShardId(log % self.shards())
    }

    /// The shards that may know of messages of a partition: its owner, then those that keep the logs
    /// of its former owners.
    #[must_use]
    pub fn knowing(&self, partition: Partition) -> Vec<ShardId> {
        let mut shards = Vec::new();
        for epoch in self.epochs.iter().rev() {
            let shard = self.keeper(owner_among(epoch.shards, partition).0);
            if !shards.contains(&shard) {
                shards.push(shard);
            }
        }
        shards
    }

    /// How many partitions a shard owns.
    #[must_use]
    pub fn partitions_of(&self, shard: ShardId) -> usize {
        self.table.iter().filter(|owner| **owner == shard).count()
    }
}

/// The owner of a partition among so many shards.
#[must_use]
pub fn owner_among(shards: u16, partition: Partition) -> ShardId {
    let shard = u32::from(partition.0) * u32::from(shards) / u32::from(PARTITIONS);
    ShardId(u16::try_from(shard).unwrap_or(0))
}

/// The half of an erased number's hash by which indexes know it.
#[must_use]
pub fn low_half(hash: u128) -> u64 {
    u64::try_from(hash & u128::from(u64::MAX)).unwrap_or(0)
}

impl fmt::Debug for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Placement {{ epochs: {:?} }}", self.epochs)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    fn number(n: u64) -> Msisdn {
        Msisdn::from_u64(447_700_000_000 + n).unwrap()
    }

    #[test]
    fn the_table_is_even_and_contiguous() {
        for shards in [1, 2, 3, 7, 16, 255, MAX_SHARDS] {
            let placement = Placement::new([0; 16], shards);
            let owners: Vec<ShardId> =
                (0..PARTITIONS).map(|p| placement.shard_of(Partition::new(p).unwrap())).collect();
            assert!(owners.is_sorted());
            let counts: Vec<usize> =
                (0..shards).map(|shard| placement.partitions_of(ShardId(shard))).collect();
            assert_eq!(counts.iter().sum::<usize>(), usize::from(PARTITIONS));
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(most - least <= 1, "{shards} shards: {least} to {most}");
            assert_eq!(placement.shards(), shards);
        }
        assert_eq!(Partition::new(PARTITIONS), None);
        assert_eq!(ShardId(3).to_string(), "shard 3");
    }

    #[test]
    fn numbers_spread_over_partitions() {
        let placement = Placement::new([9; 16], 2);
        let mut counts = vec![0u32; usize::from(PARTITIONS)];
        for n in 0..409_600 {
            counts[usize::from(placement.partition(number(n)).get())] += 1;
        }
        // 100 each on average, standard deviation 10.
        assert!(counts.iter().all(|count| (40..=170).contains(count)));
    }

    #[test]
    fn the_home_of_a_number_is_its_owner_and_every_other_address_has_one_too() {
        let placement = Placement::new([9; 16], 4);
        for n in 0..100 {
            let owner = placement.owner(number(n));
            for form in ["", "+", "00"] {
                let address = format!("{form}{}", number(n).digits());
                assert_eq!(placement.home(address.as_bytes()), owner, "{form}");
            }
        }
        let homes: std::collections::BTreeSet<ShardId> =
            (0..100).map(|n| placement.home(format!("Shop {n}").as_bytes())).collect();
        assert_eq!(homes.len(), 4);
        assert_eq!(placement.home(b"Acme"), placement.home(b"Acme"));
    }

    #[test]
    fn another_key_places_otherwise() {
        let (one, two) = (Placement::new([1; 16], 2), Placement::new([2; 16], 2));
        let same = (0..4096).filter(|n| one.partition(number(*n)) == two.partition(number(*n)));
        assert!(same.count() < 20);
    }
}
