//! The server of Postrider: threads, sockets and rings around the pure machines. `shard` decides;
//! `rt` carries octets and time; `node` joins the two on one core; `server` starts one of each per
//! core, and `control` watches them from its own thread.

pub mod commands;
pub mod control;
mod cores;
pub mod edge;
pub mod exit;
pub mod logging;
pub mod mesh_rings;
pub mod node;
mod ports;
pub mod ring;
mod ring_sync;
pub mod rt;
pub mod server;
pub mod shard;
pub mod stats;
pub mod wheel;
