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
