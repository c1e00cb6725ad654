//! The decisions of the gateway, pure: numbers, sender ids, text and parts, message ids, placement,
//! routes, the life of a message, limits, configuration and plan. It knows no socket, file, clock,
//! thread or randomness and none of our other crates; it lives nowhere, every core may call it.

#![forbid(unsafe_code)]

pub mod carrier_id;
pub mod clock;
pub mod config;
pub mod content;
pub mod credit;
pub mod csv;
pub mod health;
pub mod id;
pub mod lane;
pub mod lifecycle;
pub mod limits;
pub mod lookup;
pub mod number;
pub mod numbering;
pub mod operators;
pub mod place;
pub mod ported;
mod prefix;
pub mod rate;
pub mod reassembly;
pub mod redact;
pub mod region;
pub mod retry;
pub mod route;
pub mod sender;
pub mod sequence;
pub mod submission;
pub mod text;
