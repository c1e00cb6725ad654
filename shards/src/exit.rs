//! Exit statuses of the process: closed, documented, one per reason to stop.

/// Everything went well.
pub const OK: i32 = 0;
/// The command failed.
pub const FAILED: i32 = 1;
/// The command line is wrong.
pub const USAGE: i32 = 2;
/// The configuration is invalid.
pub const CONFIG_INVALID: i32 = 4;
/// The log of a shard had an I/O error: restart is the repair.
pub const LOG_FAILED: i32 = 74;
