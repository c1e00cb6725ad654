//! Parts that leave over another shard's binds, since their carrier has none on the shard that owns
//! them: what crosses, what comes back, and what the shards with the binds let the others know. Part of
//! the shard's machine; whose turn it is, and that there is a place, is decided in `core::credit`.

mod board;
mod owner;
mod serving;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use postrider_core::credit::{BindEpoch, Credit, Granter, Holder};
use postrider_core::lane::Lane;
use postrider_core::place::ShardId;
use postrider_storage::Lsn;

pub use self::board::Board;
pub(in crate::shard) use self::owner::Crosses;
use super::answers::Response;
use super::{BindIx, CallId};

/// A part on its way to a bind of another shard.
#[derive(Debug)]
pub struct Crossing {
    /// The place that it is to have.
    pub(super) credit: Credit,
    /// How urgent it is.
    pub(super) lane: Lane,
    /// Its submit_sm, but for the sequence number.
    pub(super) pdu: Vec<u8>,
    /// Parts that it stands for: each takes its share of the rate.
    pub(super) parts: u32,
    /// When it may leave at the latest: its sender's slot is over then.
    pub(super) until: Option<Duration>,
    /// How its owner names it.
    pub(super) token: u64,
}

/// What became of one.
#[derive(Debug)]
pub enum Crossed {
    /// The carrier answered.
    Answered(Box<Response>),
    /// It was written, and nobody knows.
    Unknown,
    /// It was not written, for certain. `stale`: its credit was for a connection that is gone.
    NotSent {
        /// Whether the credit was stale.
        stale: bool,
    },
    /// It has no form in the version that the carrier speaks.
    Unwritable(String),
}

/// Where a message's parts go while that lives, on another shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FarBind {
    pub(super) core: ShardId,
    pub(super) at: BindEpoch,
}

/// What a shard has of a carrier's binds on other shards.
#[derive(Default)]
pub(crate) struct Far {
    /// The other shards that hold some, the one first that is to be asked.
    serving: Vec<ShardId>,
    /// What this shard holds at each shard that holds binds, or held some.
    holders: Vec<(ShardId, Holder)>,
    /// The earliest `Timer::Credit` that stands in the wheel.
    due: Option<Duration>,
}

/// What a shard with binds of a carrier has for the shards without.
#[derive(Default)]
pub(crate) struct Serving {
    granter: Granter,
    /// Parts that came and wait for their share of the rate.
    arrived: VecDeque<Arrived>,
}

/// A part that came.
struct Arrived {
    from: ShardId,
    call: CallId,
    crossing: Box<Crossing>,
    since: Duration,
}

/// Parts of other shards that were written to binds of this one, by the sequence of their token there.
#[derive(Default)]
pub(crate) struct Written {
    next: u64,
    parts: HashMap<u64, WrittenPart, std::hash::BuildHasherDefault<ahash::AHasher>>,
    /// Late answers for which there was no place on the way to their owner.
    late: VecDeque<(ShardId, Box<LateAnswer>)>,
}

/// One of them.
struct WrittenPart {
    from: ShardId,
    bind: BindIx,
    lane: Lane,
    /// How its owner names it.
    token: u64,
    /// What its owner waits for; `None` once that was told that nobody knows.
    call: Option<CallId>,
}

/// An answer that came after its part's outcome was told to be unknown.
#[derive(Debug)]
pub struct LateAnswer {
    pub(super) carrier: postrider_core::route::CarrierIx,
    pub(super) response: Response,
}

/// The bind that a part went out by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Via {
    /// One of this shard.
    Own(BindIx),
    /// One of another shard.
    Far,
}

/// A number of the log as credits know it.
fn record(lsn: Lsn) -> u64 {
    lsn.0
}
