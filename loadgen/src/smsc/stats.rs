//! What a carrier counts: plain data, one per carrier.

use serde::Serialize;

/// A carrier's counts over its life.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CarrierStats {
    /// Its name.
    pub name: String,
    /// Binds accepted.
    pub binds: u64,
    /// Binds refused for their system_id or password.
    pub binds_refused: u64,
    /// Submits that reached the carrier's own judgement.
    pub submits: u64,
    /// Parts taken (status 0).
    pub taken: u64,
    /// Submits beyond the carrier's rate.
    pub throttled: u64,
    /// Submits beyond a bind's window.
    pub window_exceeded: u64,
    /// Submits refused by `reject_ppm`.
    pub rejected: u64,
    /// Submits answered with an error of the carrier's own.
    pub failed: u64,
    /// Submits that were neither taken nor answered.
    pub ignored: u64,
    /// Submits refused because too many receipts were pending.
    pub queue_full: u64,
    /// Whole messages.
    pub texts: u64,
    /// The most submits unanswered at once on one bind.
    pub window_max: u64,
    /// Connections dropped by `disconnect_every`.
    pub dropped: u64,
    /// Receipts sent, each time they were.
    pub receipts_sent: u64,
    /// Receipts answered with status 0.
    pub receipts_acknowledged: u64,
    /// Receipts answered with an error.
    pub receipts_refused: u64,
    /// Receipts not answered in time.
    pub receipts_timed_out: u64,
    /// Receipts that were neither sent nor acknowledged when the carrier ended.
    pub receipts_pending: u64,
    /// Parts of messages from handsets sent, each time they were.
    pub inbound_sent: u64,
    /// Messages from handsets all parts of which were answered with status 0.
    pub inbound_acknowledged: u64,
    /// Parts of messages from handsets answered with an error.
    pub inbound_refused: u64,
    /// Parts of messages from handsets that were not acknowledged when the carrier ended.
    pub inbound_pending: u64,
    /// Oddities of the peers, and messages that could not be understood.
    pub oddities: u64,
}
