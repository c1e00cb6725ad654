//! Bounds of look-ups of numbers. Pure, lives nowhere.

use core::time::Duration;

/// Numbers of one request.
pub const LOOKUP_NUMBERS: usize = 1_000;
/// Characters of a number that cannot be read, as far as the answer repeats it.
pub const LOOKUP_TEXT: usize = 64;
/// Look-ups of a shard that wait for a provider, together.
pub const LOOKUPS_WAITING: usize = 8_192;
/// Requests of a shard that wait for other shards to ask a provider: a part of the lanes, so that a
/// provider that is slow keeps no message out.
pub const LOOKUP_CALLS: usize = 512;
const _: () = assert!(LOOKUP_CALLS * 8 <= super::MESH_LANE);
/// How long a look-up waits for its turn at the provider.
pub const LOOKUP_TURN: Duration = Duration::from_secs(10);
/// Queries under way at a provider, over all shards: default and most.
pub const LOOKUP_CONCURRENCY: [u16; 2] = [32, 1_024];
/// How long a query may take: default and most.
pub const LOOKUP_TIMEOUT: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(30)];
/// How long an answer counts: default and most.
pub const LOOKUP_KEEP: [Duration; 2] = [Duration::from_hours(24), Duration::from_hours(720)];
/// How long a handset that was off counts as off.
pub const LOOKUP_KEEP_ABSENT: Duration = Duration::from_mins(15);
/// How long the provider is not asked again for what it could not find out.
pub const LOOKUP_KEEP_UNKNOWN: Duration = Duration::from_secs(60);
/// Answers that are kept, over all shards: default and most.
pub const LOOKUP_CACHE: [u32; 2] = [100_000, 10_000_000];
/// Octets of memory of an answer that is kept.
pub const MEMORY_PER_LOOKUP: u64 = 256;
/// Octets of a provider's answer that are read.
pub const LOOKUP_ANSWER_BYTES: usize = 16 * 1024;
/// Octets of an operator's name that are kept.
pub const LOOKUP_NAME: usize = 64;
/// Failures after which a provider is left alone, when they lie within [`LOOKUP_FAILURES_OVER`].
pub const LOOKUP_FAILURES: usize = 5;
/// The time in which failures are counted.
pub const LOOKUP_FAILURES_OVER: Duration = Duration::from_secs(10);
/// How long a provider is left alone before one query tries it.
pub const LOOKUP_PAUSE: Duration = Duration::from_secs(30);
/// Words for one state of a subscriber.
pub const LOOKUP_WORDS: usize = 64;
/// Overrides of a configuration.
pub const OVERRIDES_MAX: usize = 10_000;
