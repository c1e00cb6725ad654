//! What shards with binds of a carrier let the others know: whether it is to be trusted, and how much
//! room it has. Plain atomics, written by the shard that holds the binds, read by the others, no lock;
//! one per process, handed on from one configuration to the next.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use postrider_core::place::ShardId;
use postrider_core::route::{CarrierIx, Load};

/// What one shard says of its binds of a carrier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Posted {
    /// One of them is bound and takes parts.
    pub(crate) trusted: bool,
    /// One of them wants one part, to see what becomes of it.
    pub(crate) tries: bool,
    /// Parts that they could take beyond what waits for them.
    pub(crate) room: u32,
    /// What is used of the carrier's rate.
    pub(crate) load: Load,
}

#[derive(Default)]
struct Cell {
    state: AtomicU64,
    load: AtomicU64,
}

/// See the module's page.
#[derive(Default)]
pub struct Board {
    /// By carrier, then by shard.
    carriers: Vec<Arc<[Cell]>>,
}

const TRUSTED: u64 = 1;
const TRIES: u64 = 2;

impl Board {
    /// For so many carriers, which begin with those of the board `before`.
    #[must_use]
    pub fn new(carriers: usize, shards: u16, before: Option<&Board>) -> Self {
        let made = |index: usize| {
            let known = before.and_then(|before| before.carriers.get(index));
            known.map_or_else(|| (0..shards).map(|_| Cell::default()).collect(), Arc::clone)
        };
        Board { carriers: (0..carriers).map(made).collect() }
    }

    fn cell(&self, carrier: CarrierIx, shard: ShardId) -> Option<&Cell> {
        self.carriers.get(usize::from(carrier.0))?.get(usize::from(shard.0))
    }

    pub(crate) fn post(&self, carrier: CarrierIx, shard: ShardId, what: Posted) {
        let Some(cell) = self.cell(carrier, shard) else { return };
        let flag = |set: bool, flag: u64| if set { flag } else { 0 };
        let flags = flag(what.trusted, TRUSTED) | flag(what.tries, TRIES);
        cell.state.store(flags | u64::from(what.room) << 32, Ordering::Relaxed);
        let load = u64::from(what.load.used) << 32 | u64::from(what.load.limit);
        cell.load.store(load, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, carrier: CarrierIx, shard: ShardId) -> Posted {
        let Some(cell) = self.cell(carrier, shard) else { return Posted::default() };
        let (state, load) = (cell.state.load(Ordering::Relaxed), cell.load.load(Ordering::Relaxed));
        Posted {
            trusted: state & TRUSTED != 0,
            tries: state & TRIES != 0,
            room: high(state),
            load: Load { used: high(load), limit: high(load << 32) },
        }
    }
}

/// The upper half.
fn high(value: u64) -> u32 {
    u32::try_from(value >> 32).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_posted_is_read_and_lives_on() {
        let board = Board::new(1, 2, None);
        let (carrier, shard) = (CarrierIx(0), ShardId(1));
        let what = Posted {
            trusted: true,
            tries: false,
            room: u32::MAX,
            load: Load { used: 3, limit: u32::MAX },
        };
        board.post(carrier, shard, what);
        let next = Board::new(2, 2, Some(&board));
        assert_eq!(next.read(carrier, shard), what);
        assert_eq!(next.read(carrier, ShardId(0)), Posted::default());
        assert_eq!(next.read(CarrierIx(1), shard), Posted::default());
        next.post(carrier, shard, Posted::default());
        assert_eq!(board.read(carrier, shard), Posted::default(), "one board");
    }
}
