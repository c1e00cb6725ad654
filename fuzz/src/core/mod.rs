//! Targets of the core crate.

pub mod gsm7;
pub mod reassembly;
