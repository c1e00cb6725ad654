//! What a checkpoint tells of messages that were on disk alone: what the indexes have in their files, and
//! how many messages wait to be sent. Pure, lives nowhere.

use postrider_core::lane::Lane;
use postrider_storage::Lsn;
use postrider_storage::checkpoint::Checkpoint;
use postrider_storage::runs::RunState;

use super::past::numbers;
use super::{BACKLOG, INDEXES};
use crate::shard::cold::{ColdState, ColdStore, Group};

/// See the module's page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::shard) struct Filed {
    /// The state of each index.
    pub(in crate::shard) state: ColdState,
    /// How many messages of each group wait.
    pub(in crate::shard) backlog: Vec<(Group, u64)>,
}

impl Filed {
    /// What a checkpoint tells; `None` when it tells nothing of the kind.
    pub(in crate::shard) fn of(checkpoint: &Checkpoint) -> Option<Self> {
        let indexes = numbers(checkpoint, INDEXES)?;
        let (pairs, []) = indexes.as_chunks::<2>() else { return None };
        let state = |[generation, covered]: &[u64; 2]| RunState {
            generation: *generation,
            covered: Lsn(*covered),
        };
        let states: Vec<RunState> = pairs.iter().map(state).collect();
        let backlog = numbers(checkpoint, BACKLOG)?;
        let (groups, []) = backlog.as_chunks::<4>() else { return None };
        let group = |[carrier, lane, customer, count]: &[u64; 4]| {
            let lane = Lane::at(usize::try_from(*lane).ok()?)?;
            let carrier = u32::try_from(*carrier).ok()?;
            let customer = u32::try_from(*customer).ok()?;
            Some((Group { carrier, lane, customer }, *count))
        };
        let backlog = groups.iter().map(group).collect::<Option<_>>()?;
        Some(Filed { state: states.try_into().ok()?, backlog })
    }
}

/// The section of the indexes.
pub(super) fn indexes(cold: &ColdStore) -> Vec<u8> {
    let states = cold.state();
    bytes(states.iter().flat_map(|state| [state.generation, state.covered.0]))
}

/// The section of the backlog.
pub(super) fn backlog(cold: &ColdStore) -> Vec<u8> {
    bytes(cold.backlog().flat_map(|(Group { carrier, lane, customer }, count)| {
        [carrier.into(), u64::from(lane as u8), customer.into(), count]
    }))
}

fn bytes(numbers: impl Iterator<Item = u64>) -> Vec<u8> {
    numbers.flat_map(u64::to_le_bytes).collect()
}
