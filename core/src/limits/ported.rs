//! Bounds of the tables of ported numbers. Pure, lives nowhere.

use core::time::Duration;

/// Numbers of one table of ported numbers; each takes at most 8 octets.
pub const PORTED_NUMBERS_MAX: u64 = 2_000_000_000;
/// Tables of ported numbers of a configuration.
pub const PORTED_TABLES_MAX: usize = 256;
/// Changes beside a table, in one per how many numbers of it; beyond it they are merged into it.
pub const PORTED_CHANGES_SHARE: u64 = 100;
/// Changes that stand beside the smallest table before they are merged into it.
pub const PORTED_CHANGES_MIN: u64 = 10_000;
/// How long a table counts as fresh after its source was true, unless configured otherwise: a weekly
/// file that comes a day late.
pub const PORTED_FRESH_DEFAULT: Duration = Duration::from_secs(8 * 24 * 3_600);
/// Longest such time that can be configured.
pub const PORTED_FRESH_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);
/// How often the log says that a table is not fresh.
pub const PORTED_STALE_TOLD: Duration = Duration::from_secs(24 * 3_600);
/// Octets of one file of the tables of numbers, CSV or snapshot.
pub const TABLES_FILE_MAX: u64 = 64 << 20;
