//! The program's commands: each reads its arguments, does its work and gives an exit status. On
//! the main thread.

pub mod check;
pub mod config_file;
mod lines;
pub mod pdu;
pub mod plan;
pub mod receipt;
pub mod text;

/// Exit statuses, the same for every command.
pub mod exit {
    /// Done.
    pub const OK: i32 = 0;
    /// Not done; standard error says why.
    pub const FAILED: i32 = 1;
    /// The command line cannot be understood.
    pub const USAGE: i32 = 2;
    /// The configuration is invalid.
    pub const CONFIG: i32 = 4;
}
