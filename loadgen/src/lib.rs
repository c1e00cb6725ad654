//! The meter of the Postrider SMS gateway: it owns the HTTP load, the simulated carriers, the
//! webhook sink and the ledger that accounts for every message. It never runs on a shard: each part
//! is a process of its own with one single-threaded runtime, on an I/O stack other than the
//! gateway's, so that one stack's faults cannot cancel out.
//!
//! | part | command | what it is |
//! |---|---|---|
//! | [`load`] | `postrider load` | an open-loop sender of messages over HTTP |
//! | [`smsc`] | `postrider smsc` | one simulated carrier per listening address, with faults |
//! | [`sink`] | `postrider sink` | a receiver of webhooks that checks their signatures |
//! | [`ledger`] | | joins what the three wrote down into one [`ledger::Report`] |
//! | [`corpus`] | | the texts that are sent |
#![allow(clippy::disallowed_methods, reason = "the meter reads the clock")]
#![forbid(unsafe_code)]

pub mod corpus;
pub mod ledger;
pub mod load;
pub mod secret;
pub mod sink;
pub mod smsc;
pub mod stats;
pub mod stop;

mod clock;
mod hash;
mod http1;
mod ndjson;
mod notify;
mod ready;
mod rt;
