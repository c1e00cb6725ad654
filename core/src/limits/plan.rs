//! Bounds by which gateways are planned, and shards compared. Pure data, lives nowhere.

use core::time::Duration;

/// How busy a shard's core is planned to be at most, in percent: what is left carries bursts.
pub const CORE_BUSY_PERCENT: u32 = 70;
/// Shards' cores are out of balance when the idlest has so many percent less to do than the busiest.
pub const IMBALANCE_PERCENT: u32 = 20;
/// Shards are compared over this time.
pub const IMBALANCE_OVER: Duration = Duration::from_secs(10);
/// Below so many percent of a core the busiest shard is at rest: differences say nothing.
pub const IMBALANCE_BUSY_MIN: u32 = 20;
