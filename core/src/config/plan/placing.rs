//! Which shards hold the binds of a carrier, and which of them serves a shard that holds none. Pure,
//! lives nowhere.

use crate::config::checked::CarrierConfig;
use crate::limits;
use crate::place::ShardId;

impl CarrierConfig {
    /// How many of so many shards hold its binds: as many as the configuration says; else all that get
    /// one. A carrier with fewer binds than shards that takes little is served by one.
    #[must_use]
    pub fn cores(&self, shards: u16) -> u16 {
        let own = match self.cores {
            Some(cores) => cores,
            None if self.binds < shards && self.takes_little() => 1,
            None => self.binds,
        };
        own.clamp(1, shards.max(1))
    }

    /// Its rate or its window is so small that there is nothing to divide.
    pub(in crate::config) fn takes_little(&self) -> bool {
        let rate = (1..limits::RATE_FOR_CORES).contains(&self.parts_per_second);
        rate || self.window < limits::WINDOW_FOR_CORES
    }

    /// The shards that hold its binds, in the order in which they are dealt.
    pub fn serving(&self, shards: u16) -> impl Iterator<Item = ShardId> + use<> {
        let (first, shards) = (self.first(shards), shards.max(1));
        (0..self.cores(shards)).map(move |turn| at(first, turn, shards))
    }

    /// Its binds on a shard.
    #[must_use]
    pub fn binds_on(&self, shard: ShardId, shards: u16) -> u16 {
        let (cores, turn) = (self.cores(shards), self.turn_of(shard, shards));
        if turn >= cores {
            return 0;
        }
        self.binds / cores + u16::from(turn < self.binds % cores)
    }

    /// The number, from 0, of a bind among all of the carrier: the one at `place` among those of a shard.
    /// Binds are dealt in turn, so that one keeps its number when more come.
    #[must_use]
    pub fn bind_number(&self, shard: ShardId, shards: u16, place: u16) -> u32 {
        u32::from(place) * u32::from(self.cores(shards)) + u32::from(self.turn_of(shard, shards))
    }

    /// The shard whose binds take what a shard without any has for the carrier, while they are up: of
    /// those that hold binds each serves as many others. `None` for one with binds of its own.
    #[must_use]
    pub fn served_by(&self, shard: ShardId, shards: u16) -> Option<ShardId> {
        let cores = self.cores(shards);
        let turn = self.turn_of(shard, shards).checked_sub(cores)?;
        Some(at(self.first(shards), turn % cores, shards))
    }

    /// How many shards after the first one of the carrier this is.
    fn turn_of(&self, shard: ShardId, shards: u16) -> u16 {
        (shard.0 + shards.max(1) - self.first(shards)) % shards.max(1)
    }

    fn first(&self, shards: u16) -> u16 {
        u16::try_from(self.dealt % u32::from(shards.max(1))).unwrap_or(0)
    }
}

/// The shard so many turns after `first`.
fn at(first: u16, turn: u16, shards: u16) -> ShardId {
    let shard = (u32::from(first) + u32::from(turn)) % u32::from(shards.max(1));
    ShardId(u16::try_from(shard).unwrap_or(0))
}

/// Says where the dealing of each carrier's binds begins: where that of the one before ended. The first
/// `settled` carriers keep what is said of them.
pub(in crate::config) fn deal(carriers: &mut [CarrierConfig], settled: usize) {
    let mut dealt = 0u32;
    for (index, carrier) in carriers.iter_mut().enumerate() {
        if index >= settled {
            carrier.dealt = dealt;
        }
        let turns = carrier.cores.unwrap_or(if carrier.takes_little() { 1 } else { carrier.binds });
        dealt = carrier.dealt.saturating_add(turns.into());
    }
}
