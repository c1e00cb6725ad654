//! How parts reach a carrier that has no bind on their own shard: by credits. Pure; a [`Granter`] lives
//! once per carrier on each shard that holds binds of it, a [`Holder`] once per carrier and such shard
//! on every shard that has none.
//!
//! A credit is one place in the window of one bind. The owner of a part asks for it, and only then
//! hands the part over; so what crosses always finds its place, and nobody waits for room. A credit
//! names the connection it was given for, by its epoch: when that is gone the part was not sent, for
//! certain, and goes back to its queue. It also names the lane that it was given for, and no part of
//! a later lane may use it.
//!
//! Credits go by lane and then by deadline over all owners, the holder of the bind among them. One
//! that is not used within [`CREDIT_LIFE`](crate::limits::CREDIT_LIFE) goes back.
//!
//! An answer is written down by the owner, so the shard with the bind does not see when it is on disk.
//! The owner tells that too: until then the answer counts as not durable at the bind, which stops when
//! a window of them waits.

mod granter;
mod holder;

use crate::clock::UnixMs;
use crate::lane::Lane;

pub use self::granter::{Granter, Reply};
pub use self::holder::Holder;

/// A connection of a bind, as long as it takes parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BindEpoch {
    /// The bind, by its place on the shard that holds it.
    pub bind: usize,
    /// Counts the times that another one took its place, or that it ceased to take parts.
    pub epoch: u64,
}

/// One place in the window of a bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// Whose place it is.
    pub at: BindEpoch,
    /// What it was given for.
    pub lane: Lane,
}

/// What an owner wants to hand over of one lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// Credits.
    pub count: u32,
    /// When the first of these parts should have been sent.
    pub deadline: UnixMs,
    /// Where earlier parts of that message went: its next one has to go there while that lives.
    pub after: Option<BindEpoch>,
}

/// What an owner tells the shard with the binds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// What it wants from now on, by lane, beyond the credits that it has.
    pub wants: [Want; 3],
    /// Credits that it did not use.
    pub back: Vec<Credit>,
    /// Answers that are on its disk now, by bind.
    pub settled: Vec<(usize, u32)>,
}

impl Ask {
    /// Credits that it asks for.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.wants.iter().map(|want| want.count).fold(0, u32::saturating_add)
    }
}
