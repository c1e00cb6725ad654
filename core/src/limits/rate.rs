//! Bounds of how fast carriers are given parts. Pure, lives nowhere.

use core::time::Duration;

/// How long a carrier is left alone when it says that we are far too fast.
pub const THROTTLED_PAUSE: Duration = Duration::from_secs(1);
/// How often a shard tells what it wants of a carrier's rate.
pub const RATE_REPORT_EVERY: Duration = Duration::from_millis(100);
/// Parts a second with which the search for a carrier's rate begins.
pub const DISCOVER_FIRST: u32 = 20;
/// congestion_state, in percent, above which a carrier is slowed.
pub const CONGESTED_ABOVE: u8 = 90;
/// First pause of a carrier whose queue is full.
pub const QUEUE_FULL_PAUSE_FIRST: Duration = Duration::from_secs(2);
/// Longest such pause.
pub const QUEUE_FULL_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Parts or messages a second that can be configured.
pub const MAX_RATE: u32 = 1_000_000;

/// Senders with a rate of their own.
pub const MAX_SENDERS: usize = 100_000;
/// Octets of each, and of what a shard has of it while messages wait for it.
pub const MEMORY_PER_SENDER: u64 = 512;
/// How late after its slot a part of such a sender may leave; its rate is lower by that share of a second.
pub const SENDER_SLACK: Duration = Duration::from_millis(40);
/// How often is looked whether the message that goes first is still there.
pub const SENDER_LOOK_EVERY: Duration = Duration::from_secs(1);
/// Messages of such a sender that are in memory in each lane: of so many seconds of its rate.
pub const SENDER_SEATS_SECONDS: u32 = 2;
/// Those that are at most, whatever its rate.
pub const SENDER_SEATS_MAX: u32 = 1_000;
/// All such messages have one in so many of a shard's seats.
pub const SENDERS_SHARE: usize = 4;

/// Parts a second below which a carrier with fewer binds than shards is served by one of them.
pub const RATE_FOR_CORES: u32 = 50;
/// Window below which it is.
pub const WINDOW_FOR_CORES: u16 = 4;
/// How long a credit for a place in a window on another shard may be unused.
pub const CREDIT_LIFE: Duration = Duration::from_millis(10);
/// How long the shard with the bind waits at most to be told that an answer is on its owner's disk.
pub const CREDIT_SETTLE: Duration = Duration::from_millis(1);
/// How long a part that came to a bind of another shard waits there for its share of the rate at most.
pub const CROSSING_WAITS: Duration = Duration::from_secs(1);
/// Places of each lane between two shards that are kept for credits, what crosses by them, and its answers.
pub const MESH_CROSSINGS: usize = 1_024;
