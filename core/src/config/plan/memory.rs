//! What a shard takes of memory when it is as full as its bounds let it be, and how many messages its
//! disk carries. Pure, lives nowhere.

use super::super::checked::{BindType, CarrierConfig, Config, StoreConfig};
use super::super::smpp::CustomerSmpp;
use super::{product, wide};
use crate::limits;

/// Octets of memory of one shard when it is as full as it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Messages in memory.
    pub hot_messages: u64,
    /// The table of what carriers call the parts of the last hour.
    pub receipts: u64,
    /// Rows that lead to messages on disk: new ones, those that were read, and those being merged.
    pub rows: u64,
    /// Filters and keys of such rows on disk, and what is counted of a backlog.
    pub filters: u64,
    /// Registers of all messages: summaries, new rows, changes.
    pub registers: u64,
    /// Contents of messages that are not kept.
    pub contents: u64,
    /// Unanswered submit_sm.
    pub windows: u64,
    /// Buffers and windows of customers' binds, when all of them are on this shard, and parts of inbound
    /// messages that wait for others.
    pub customers: u64,
    /// Rings from the other shards.
    pub rings: u64,
    /// Answers of a provider of look-ups, and who waits for them.
    pub lookups: u64,
    /// Senders with a rate, and where they stand.
    pub senders: u64,
    /// Buffers of binds, HTTP connections, the log, and parked receipts.
    pub buffers: u64,
}

/// What a shard has of things that take memory.
pub(super) struct Counts {
    /// Shards.
    pub(super) shards: u16,
    /// Unanswered submit_sm of its binds.
    pub(super) in_flight: u64,
    /// Connections of its binds.
    pub(super) connections: u64,
}

impl MemoryPlan {
    pub(super) fn new(config: &Config, counts: &Counts) -> Self {
        let peers = u64::from(counts.shards.saturating_sub(1));
        let hot = u64::from(config.limits.hot_messages.min(config.limits.open_messages));
        MemoryPlan {
            hot_messages: product(hot, limits::MEMORY_PER_HOT_MESSAGE),
            receipts: receipts(config, counts.shards),
            rows: rows(),
            filters: filters(config),
            registers: registers(config),
            contents: wide(limits::CONTENTS_MAX),
            windows: product(counts.in_flight, limits::MEMORY_PER_WINDOW_SLOT),
            customers: customers(config),
            // Two lanes from each other shard.
            rings: product(peers * 2 * wide(limits::MESH_LANE), limits::MEMORY_PER_MESH_ENTRY),
            lookups: config.lookups.as_ref().map_or(0, |own| own.memory_of(counts.shards)),
            senders: product(wide(config.senders.len()), limits::MEMORY_PER_SENDER),
            buffers: buffers(counts.connections, wide(config.carriers.len())),
        }
    }

    /// What it is for, and its octets.
    #[must_use]
    pub fn each(&self) -> [(&'static str, u64); 12] {
        [
            ("hot messages", self.hot_messages),
            ("receipts", self.receipts),
            ("rows", self.rows),
            ("filters", self.filters),
            ("registers", self.registers),
            ("contents", self.contents),
            ("windows", self.windows),
            ("customers", self.customers),
            ("rings", self.rings),
            ("look-ups", self.lookups),
            ("senders", self.senders),
            ("buffers", self.buffers),
        ]
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.each().into_iter().map(|(_, octets)| octets).fold(0, u64::saturating_add)
    }
}

impl Config {
    /// Parts that each of so many shards is planned to submit in an hour: its share of what the
    /// carriers take. One whose rate is not configured counts [`limits::RATE_UNSAID`].
    #[must_use]
    pub fn receipts_planned(&self, shards: u16) -> u64 {
        let rate = |carrier: &CarrierConfig| match (carrier.bind, carrier.parts_per_second) {
            (BindType::Receiver, _) => 0,
            (_, 0) => u64::from(limits::RATE_UNSAID),
            (_, rate) => u64::from(rate),
        };
        let rate: u64 = self.carriers.iter().map(rate).sum();
        let parts = product(rate, limits::RECEIPTS_HOT.as_secs());
        let [least, most] = limits::RECEIPTS_PLANNED;
        parts.div_ceil(u64::from(shards.max(1))).clamp(least, most)
    }
}

impl StoreConfig {
    /// Open messages that the log of a shard carries in half of its segments; the other half is being
    /// carried forward, or reserved.
    #[must_use]
    pub fn open_messages_that_fit(&self) -> u64 {
        let half = product(u64::from(self.max_segments / 2), self.segment_bytes);
        half / limits::STORE_PER_OPEN_MESSAGE
    }
}

fn receipts(config: &Config, shards: u16) -> u64 {
    let hour = product(config.receipts_planned(shards), limits::MEMORY_PER_HOT_RECEIPT);
    let closed = product(wide(limits::CARRIER_IDS_OF_CLOSED), limits::MEMORY_PER_CARRIER_ID);
    hour.saturating_add(closed)
}

/// Of each index new rows and those being written, of backlog and times what was read, and a merge.
fn rows() -> u64 {
    let fresh = 2 * limits::COLD_INDEXES * wide(limits::RUN_ROWS_IN_MEMORY);
    let read = wide(limits::BACKLOG_ROWS + 2 * limits::DUE_ROWS);
    product(fresh, limits::MEMORY_PER_FRESH_ROW)
        .saturating_add(product(read, limits::MEMORY_PER_READ_ROW))
        .saturating_add(limits::MEMORY_OF_RUN_CHORES)
}

/// Every open message may be on disk alone. A group has a backlog while one of its messages has.
fn filters(config: &Config) -> u64 {
    let open = u64::from(config.limits.open_messages);
    let rows = product(open, limits::ROWS_PER_COLD_MESSAGE);
    let groups = product(wide(config.carriers.len()), 3 * wide(config.customers.len())).min(open);
    product(rows, limits::MEMORY_PER_RUN_ROW)
        .saturating_add(product(groups, limits::MEMORY_PER_GROUP))
}

/// The registers of everything that is kept, the rows of the two that are not yet on disk, and changes
/// of the others.
fn registers(config: &Config) -> u64 {
    let segments = u64::from(config.store.max_segments);
    let rows = 2 * config.store.segment_bytes / limits::LOG_PER_MESSAGE_MIN;
    product(segments, limits::MEMORY_PER_REGISTER)
        .saturating_add(product(rows, limits::MEMORY_PER_REGISTER_ROW))
        .saturating_add(product(wide(limits::REGISTER_CHANGES), limits::MEMORY_PER_REGISTER_ROW))
}

/// Nothing decides on which shard a customer's connection arrives: all may come to one. Inbound messages
/// in parts wait beside them.
fn customers(config: &Config) -> u64 {
    let accounts = || config.customers.iter().filter_map(|customer| customer.smpp.as_ref());
    if accounts().next().is_none() {
        return 0;
    }
    let binds: u64 = accounts().map(|account| u64::from(account.max_binds)).sum();
    let slots = |account: &CustomerSmpp| {
        u64::from(account.max_binds)
            * (u64::from(account.window) + u64::from(account.deliver_window))
    };
    let connections = binds.min(wide(limits::SMPP_CUSTOMER_CONNECTIONS_PER_SHARD));
    let of_binds = product(connections, limits::MEMORY_PER_BIND);
    let of_windows = product(accounts().map(slots).sum(), limits::MEMORY_PER_WINDOW_SLOT);
    [of_binds, of_windows, wide(limits::REASSEMBLY_BYTES)].into_iter().fold(0, u64::saturating_add)
}

fn buffers(connections: u64, carriers: u64) -> u64 {
    let of_binds = product(connections, limits::MEMORY_PER_BIND);
    let of_connections =
        product(wide(limits::HTTP_CONNECTIONS_PER_SHARD), limits::MEMORY_PER_CONNECTION);
    let parked = product(carriers * wide(limits::ORPHANS_PER_CARRIER), limits::MEMORY_PER_ORPHAN);
    // One batch is being written while the next is built.
    let of_log = 2 * wide(limits::MAX_BATCH);
    [of_binds, of_connections, parked, of_log].into_iter().fold(0, u64::saturating_add)
}
