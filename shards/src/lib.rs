//! The server of Postrider (assembling).
pub mod shard;
pub mod stats;
pub mod wheel;
