//! Bounds of routes and of what is known of carriers. Pure, lives nowhere.

use core::time::Duration;

/// Carriers of a configuration.
pub const MAX_CARRIERS: usize = 1_024;
const _: () = assert!(MAX_CARRIERS <= u16::MAX as usize);
/// Routes of a configuration.
pub const MAX_ROUTES: usize = 4_096;
/// Carriers of a route.
pub const MAX_CARRIERS_PER_ROUTE: usize = 16;
/// Groups of a route's carriers: one for each carrier, and room for numbers with gaps.
pub const MAX_PRIORITY: u8 = 100;
/// Most shares of a carrier in what it ties for.
pub const MAX_CARRIER_WEIGHT: u16 = 1_000;
/// Highest price of a part: a million units of the currency. Times a million it fits 64 bits.
pub const MAX_COST_MICROS: u64 = 1_000_000_000_000;
/// How much dearer a carrier may be that takes what another one has no room for: eleven times.
pub const MAX_TOLERANCE: u32 = 1_000;
/// How far below the best a score may be that ties with it.
pub const MAX_NEAR_TIE: u32 = 20;
/// Messages that go where something may have become better.
pub const MAX_EXPLORE: u8 = 20;
/// Parts that what is known of a carrier rests on: each new one counts for one in so many, so that
/// 500 deliveries make good for an outage, and chance moves a score by half a percent.
pub const FIGURE_PARTS: u32 = 512;
/// Longest time to delivery that counts: behind it a handset was off, which says nothing of the
/// carrier.
pub const FIGURE_TIME_MAX: Duration = Duration::from_mins(10);
/// Longest time after which what is known of a carrier counts for half.
pub const FIGURE_HALF_LIFE_MAX: Duration = Duration::from_hours(24);
/// Pairs of a carrier and an operator that a shard knows something of, 40 bytes each.
pub const FIGURES: usize = 65_536;
