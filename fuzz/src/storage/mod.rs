//! Targets of the storage crate.

pub mod record;
