//! Every bound of the product, with its unit and reason; relations are checked at compile time, and
//! `postrider plan` prints them: a new one goes into its section, into the table and
//! into tests/vectors/limits.txt. Pure, lives nowhere.

mod edge;
mod health;
mod lookup;
mod plan;
mod ported;
mod rate;
mod route;
mod store;
mod table;

use core::time::Duration;

pub use self::edge::*;
pub use self::health::*;
pub use self::lookup::*;
pub use self::plan::*;
pub use self::ported::*;
pub use self::rate::*;
pub use self::route::*;
pub use self::store::*;
pub use self::table::{Limit, all};

// ---- Webhooks ----

/// Connections of a shard to one endpoint, unless configured lower.
pub const WEBHOOK_CONNECTIONS_PER_ENDPOINT: u16 = 64;
/// Webhook attempts of a shard at the same time.
pub const WEBHOOKS_IN_FLIGHT: u32 = 1_024;
/// Time for one attempt, unless configured otherwise.
pub const WEBHOOK_TIMEOUT_DEFAULT: Duration = Duration::from_secs(15);
/// Longest time for one attempt that can be configured.
pub const WEBHOOK_TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// Octets read of an endpoint's answer.
pub const WEBHOOK_RESPONSE_BYTES: usize = 4 * 1024;

// ---- The shape of the gateway ----

/// Shards of a process.
pub const MAX_SHARDS: u16 = 256;
/// Customers of a configuration.
pub const MAX_CUSTOMERS: usize = 65_535;
/// Greatest weight of a customer: a customer with 1 beside it gets a part a second of 1,000.
pub const MAX_WEIGHT: u16 = 1_000;
/// API keys of a customer: two live while one is replaced, and some to spare.
pub const MAX_API_KEYS: usize = 16;
/// Characters of the name of a carrier or customer: it is a label of metrics.
pub const MAX_NAME: usize = 64;
/// Entries of each lane (requests, replies) between two shards.
pub const MESH_LANE: usize = 4_096;
/// Messages of one peer that a shard takes before it looks at others.
pub const MESH_PER_TURN: usize = 256;
/// Timers that fire in one turn.
pub const TIMERS_PER_TURN: usize = 1_024;

/// Resolution of a shard's timers.
pub const TICK: Duration = Duration::from_millis(1);
/// How often a shard publishes its gauges and its heartbeat.
pub const PUBLISH_EVERY: Duration = Duration::from_millis(200);
/// Longest a graceful stop waits for what is in flight.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(10);

// ---- Carriers ----

/// Binds of a carrier on one shard.
pub const MAX_BINDS_PER_CARRIER_PER_SHARD: u16 = 64;
/// Unanswered submit_sm of a bind.
pub const MAX_WINDOW: u16 = 1_000;
/// Unanswered parts of a carrier to one recipient that a configuration may ask for.
pub const MAX_PER_DESTINATION: u16 = 255;
/// What one-time passwords took at once in this time, or in that before, is left free for them.
pub const HEADROOM_PERIOD: Duration = Duration::from_secs(60);
/// Unanswered deliver_sm of a bind; more are answered with `receipt_retry_status`.
pub const INBOUND_WINDOW: u16 = 1_024;
/// Octets of a PDU from a carrier: message_payload has up to 64 KiB.
pub const MAX_PDU: u32 = 70_000;
/// Delays before a part that a carrier refused for a while is offered to it again; then another
/// carrier is tried.
pub const TEMPORARY_RETRIES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];
/// How long a message rests after each round in which all its carriers refused it for a while; the last
/// holds for all later ones. Trouble of minutes costs a message minutes; one that is refused for 72 h is
/// offered 148 times, and a carrier that recovers has all that waited for it within half an hour.
pub const RETRY_RESTS: [Duration; 6] = [
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
    Duration::from_secs(600),
    Duration::from_secs(900),
    Duration::from_secs(1_800),
];
/// Times that a part is submitted again after an unknown outcome.
pub const MAX_RESUBMITS: u8 = 10;
/// First delay of a bind's back-off; it doubles up to a minute.
pub const RECONNECT_FIRST: Duration = Duration::from_secs(1);
/// Longest a TCP connection to a carrier may take.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Time between the first connects of a carrier's binds, unless configured otherwise.
pub const BIND_STAGGER_DEFAULT: Duration = Duration::from_millis(100);
/// Longest such time that can be configured.
pub const BIND_STAGGER_MAX: Duration = Duration::from_secs(60);
/// How long a part of unknown outcome waits for a sign of it, unless configured otherwise.
pub const UNKNOWN_GRACE_DEFAULT: Duration = Duration::from_secs(5);
/// Longest such time that can be configured.
pub const UNKNOWN_GRACE_MAX: Duration = Duration::from_secs(3_600);
/// Silence after which a bind is probed, unless configured otherwise.
pub const ENQUIRE_LINK_DEFAULT: Duration = Duration::from_secs(30);
/// How long a bind waits for an answer, unless configured otherwise.
pub const RESPONSE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// Longest silence before a probe, and longest wait for an answer, that can be configured.
pub const CARRIER_TIMER_MAX: Duration = Duration::from_secs(3_600);
/// TLVs of a carrier: one for each sender and template.
pub const MAX_CARRIER_TLVS: usize = 1_024;
/// Octets of the value of such a TLV.
pub const MAX_CARRIER_TLV_BYTES: usize = 1_024;
/// Statuses of a carrier with a meaning of their own.
pub const MAX_REACTIONS: usize = 256;
/// A carrier whose binds have all been down for this long loses its queue to others.
pub const CARRIER_DOWN_GRACE: Duration = Duration::from_secs(5);
/// How long a carrier that was removed is listened to: no receipt is waited for longer.
pub const RETIRED_LISTENS: Duration =
    Duration::from_secs(VALIDITY_MAX.as_secs() + RECEIPT_GRACE.as_secs());
/// How often it is looked at whether it owes nothing more before that.
pub const RETIRED_LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long shards may take to go by a new configuration before whoever asked is told.
pub const RELOAD_PATIENCE: Duration = Duration::from_secs(10);
/// A dead carrier's traffic is elsewhere by then.
pub const FAILOVER: Duration = Duration::from_secs(10);

// ---- Customers over SMPP ----

/// Open connections of customers to the SMPP server of a shard; more are refused.
pub const SMPP_CUSTOMER_CONNECTIONS_PER_SHARD: usize = 4_096;
/// Of these from one address; a network of 64 bits counts as one in IPv6.
pub const CUSTOMER_CONNECTIONS_PER_ADDRESS: usize = 1_024;
/// How long a customer may take to bind.
pub const CUSTOMER_BIND_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence after which a customer's bind is probed.
pub const CUSTOMER_ENQUIRE_LINK: Duration = Duration::from_secs(30);
/// How long a customer may take to answer a deliver_sm.
pub const CUSTOMER_RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
/// A customer's bind without a message either way is closed after this.
pub const CUSTOMER_INACTIVITY: Duration = Duration::from_secs(24 * 3_600);
/// How long what is open on a customer's bind may still be answered before it is unbound.
pub const CUSTOMER_UNBIND_AFTER: Duration = Duration::from_secs(4);
/// Octets that wait to be read by a customer; more close its connection.
pub const CUSTOMER_OUTPUT_MAX: usize = 4 * 1024 * 1024;
/// How long a customer may take to read what was sent before its connection is closed.
pub const CUSTOMER_CLOSE_LIMIT: Duration = Duration::from_secs(3);
/// How long the first failed bind of an address is left unanswered; the time doubles each time.
pub const LOGIN_DELAY_FIRST: Duration = Duration::from_secs(1);
/// Longest such time.
pub const LOGIN_DELAY_MAX: Duration = Duration::from_secs(30);
/// Addresses whose failed binds a shard remembers; the one that failed longest ago is forgotten.
pub const LOGIN_FAILURES_KEPT: usize = 4_096;
/// An address that has not failed for this long is forgotten.
pub const LOGIN_FAILURES_FORGOTTEN: Duration = Duration::from_secs(600);
/// How far ahead a message may be scheduled.
pub const SCHEDULE_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// A schedule that is past by no more than this means at once: clocks differ.
pub const SCHEDULE_SLACK: Duration = Duration::from_secs(60);
/// Messages that one cancel_sm cancels.
pub const CANCEL_MAX: usize = 1_000;
/// Binds of a customer over all shards, unless configured otherwise.
pub const CUSTOMER_BINDS_DEFAULT: u16 = 4;
/// Most such binds that can be configured.
pub const CUSTOMER_BINDS_MAX: u16 = 1_024;
/// Submissions of a customer's bind that wait for their answer, unless configured otherwise.
pub const CUSTOMER_WINDOW_DEFAULT: u16 = 100;
/// Unanswered deliver_sm of a customer's bind, unless configured otherwise: the number that the
/// specification suggests [3.4 section 2.9].
pub const DELIVER_WINDOW_DEFAULT: u16 = 10;
/// Numbers and short codes of a customer.
pub const MAX_CUSTOMER_NUMBERS: usize = 10_000;
/// Networks that a customer may connect from.
pub const MAX_CUSTOMER_NETWORKS: usize = 256;

// ---- Receipts ----

/// When a receipt that matched nothing is tried again, counted from its arrival.
pub const ORPHAN_RETRIES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(60)];
/// A receipt that still matches nothing is given up.
pub const ORPHAN_GIVE_UP: Duration = Duration::from_secs(300);
/// command_status that asks a carrier to send a receipt again later, unless configured otherwise:
/// ESME_RMSGQFUL, which all of them take for that [3.4 section 5.1.3].
pub const RECEIPT_RETRY_STATUS_DEFAULT: u32 = 0x14;
/// Parked receipts of a carrier on one shard; more are answered with `receipt_retry_status`.
pub const ORPHANS_PER_CARRIER: usize = 10_000;
/// Messages on disk that a carrier has for a recipient beyond which a receipt without a known id is not
/// held to mean one of them.
pub const RECEIPT_CANDIDATES: usize = 32;
/// Pairs of ids that must agree before a form of a carrier's ids is proposed.
pub const ID_PAIRS: u32 = 20;
/// Percent of all pairs that must agree with it.
pub const ID_CONFIDENCE: u8 = 90;
/// Pairs of ids that are remembered; then all counts are halved.
pub const ID_PAIRS_KEPT: u32 = 1_000;

// ---- Inbound messages ----

/// The parts of an inbound message are waited for this long after its first; then what came of it is
/// handed on, marked.
pub const REASSEMBLY_TIMEOUT: Duration = Duration::from_secs(600);
/// Inbound messages of a shard that wait for parts; then the oldest is handed on as it is.
pub const REASSEMBLY_MESSAGES: usize = 10_000;
/// Octets of a shard's parts that wait for others; then the oldest message is handed on as it is.
pub const REASSEMBLY_BYTES: usize = 16 * 1024 * 1024;

// ---- Towards customers over SMPP ----

/// How long a receipt or an inbound message is offered to its customer.
pub const DELIVERY_LIFETIME: Duration = Duration::from_secs(72 * 3_600);
/// Delay before one that a customer did not take is offered again: the first, which doubles, and
/// the longest.
pub const DELIVERY_BACK_OFF: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// The same when its receiver was gone before it could leave.
pub const DELIVERY_MISSED: Duration = Duration::from_millis(100);
/// Refusals for good after which it is given up.
pub const DELIVERY_REFUSALS: u32 = 3;
/// Receipts and inbound messages of one customer that may wait on a shard to be offered again; beyond
/// it no others are offered.
pub const DELIVERIES_AGAIN: usize = 1_000;
/// Messages on disk of which a customer's binds are owed a receipt that are read ahead, once its binds
/// take any.
pub const OWED_AHEAD: usize = 256;
/// Receipts and inbound messages of one customer that may be under way to another shard's binds.
pub const DELIVERIES_PER_PEER: usize = 4;
/// Inbound messages and fragments that a customer may have waiting on a shard; more are answered with
/// `receipt_retry_status`.
pub const INBOUND_PER_CUSTOMER: usize = 10_000;
/// Octets of all inbound messages that wait on a shard; more are answered the same way.
pub const INBOUND_BYTES: usize = 64 * 1024 * 1024;
/// An inbound message that comes again with the same octets within this time was sent again by its
/// carrier: no handset writes that fast. Later it is another message, since a copy too many is better
/// than a message lost. Fragments, which have a reference, are known for as long as they may wait for
/// their siblings.
pub const INBOUND_RESEND: Duration = Duration::from_secs(2);
/// Inbound messages and fragments that a shard knows again.
pub const INBOUND_REMEMBERED: usize = 65_536;

// ---- What must hold between them ----

const _: () = assert!(VALIDITY_MIN.as_secs() < VALIDITY_DEFAULT.as_secs());
const _: () = assert!(VALIDITY_DEFAULT.as_secs() <= VALIDITY_MAX.as_secs());
const _: () = assert!(VALIDITY_MIN.as_secs() <= OTP_LIFE.as_secs());
const _: () = assert!(OTP_LIFE.as_secs() <= VALIDITY_DEFAULT.as_secs());
const _: () = assert!(MESH_CROSSINGS < MESH_LANE);
const _: () = assert!(LIST_LIMIT_DEFAULT <= LIST_LIMIT_MAX);
const _: () = assert!(LIST_LIMIT_MAX as usize <= LIST_SCAN_MAX);
// The longest text in the widest characters: 4 octets each, 12 as escaped surrogates in JSON.
const _: () = assert!(MAX_TEXT_CHARS as usize * 12 + MAX_WEBHOOK_URL + 4_096 <= MAX_BODY_BYTES);
// Every text that a customer may send has few enough parts: 2 units a character, 66 a part, and
// one unit lost at each cut.
const _: () = assert!((MAX_TEXT_CHARS as usize * 2).div_ceil(65) <= MAX_PARTS);
const _: () = assert!(MAX_TEXT_CHARS as usize * 4 + MAX_WEBHOOK_URL + 4_096 <= MAX_RECORD);
const _: () = assert!(MAX_RECORD <= MAX_BATCH && PREFERRED_BATCH <= MAX_BATCH);
const _: () = assert!(MAX_BATCH <= SEGMENT_MIB[0] as usize * 1024 * 1024);
const _: () = assert!(MAX_SHARDS as usize <= crate::place::PARTITIONS as usize);
const _: () = assert!(MAX_CUSTOMERS <= u16::MAX as usize);
const _: () = assert!(CUSTOMER_CONNECTIONS_PER_ADDRESS <= SMPP_CUSTOMER_CONNECTIONS_PER_SHARD);
const _: () = assert!(LOGIN_DELAY_FIRST.as_secs() <= LOGIN_DELAY_MAX.as_secs());
const _: () = assert!(LOGIN_DELAY_MAX.as_secs() < LOGIN_FAILURES_FORGOTTEN.as_secs());
const _: () = assert!(CUSTOMER_UNBIND_AFTER.as_secs() < DRAIN_LIMIT.as_secs());
const _: () = assert!(SCHEDULE_SLACK.as_secs() < SCHEDULE_MAX.as_secs());
const _: () = assert!(
    SCHEDULE_MAX.as_secs() + VALIDITY_MAX.as_secs() + RECEIPT_GRACE.as_secs()
        <= DUE_FURTHEST.as_secs()
);
// The rounds of the longest validity can be counted.
const _: () = assert!(VALIDITY_MAX.as_secs() / RETRY_RESTS[5].as_secs() + 6 < u8::MAX as u64);
const _: () = assert!(ORPHAN_RETRIES[0].as_secs() < ORPHAN_RETRIES[1].as_secs());
const _: () = assert!(ORPHAN_RETRIES[1].as_secs() < ORPHAN_RETRIES[2].as_secs());
const _: () = assert!(ORPHAN_RETRIES[2].as_secs() < ORPHAN_GIVE_UP.as_secs());
const _: () = assert!(ORPHAN_GIVE_UP.as_secs() < RECEIPT_GRACE.as_secs());
const _: () = assert!(ID_PAIRS < ID_PAIRS_KEPT / 2 && ID_CONFIDENCE <= 100);
// A message of the most and the longest parts can be put together.
const _: () = assert!(MAX_PARTS * 256 <= REASSEMBLY_BYTES);
const _: () = assert!(CARRIER_DOWN_GRACE.as_secs() < FAILOVER.as_secs());
// What a dead carrier had is elsewhere by then too, unless configured otherwise.
const _: () = assert!(UNKNOWN_GRACE_DEFAULT.as_secs() < FAILOVER.as_secs());
const _: () = assert!(SEGMENT_MIB[0] <= SEGMENT_MIB[1] && SEGMENT_MIB[1] <= SEGMENT_MIB[2]);
const _: () = assert!(SEGMENTS[0] <= SEGMENTS[1] && SEGMENTS[1] <= SEGMENTS[2]);
const _: () = assert!(RESERVE_SEGMENTS + (SPARE_SEGMENTS as u64) < SEGMENTS[0] as u64);
const _: () = assert!(RECLAIM_SEGMENTS as u64 > RESERVE_SEGMENTS);
const _: () = assert!(RECLAIM_SEGMENTS < SEGMENTS[0]);
// What is carried forward leaves room, and ever less than it empties.
const _: () = assert!(
    CONTENTS_MAX * 4 <= CONTENT_SEGMENTS as usize * CONTENT_SEGMENT_MIB as usize * 1024 * 1024
);
const _: () = assert!(CONTENT_RESERVE_SEGMENTS > SPARE_SEGMENTS);
const _: () = assert!(RESERVE_PER_OPEN_MESSAGE <= STORE_PER_OPEN_MESSAGE);
const _: () = assert!(RETENTION_DEFAULT.as_secs() <= RETENTION_MAX.as_secs());
const _: () = assert!(WEBHOOK_TIMEOUT_DEFAULT.as_secs() <= WEBHOOK_TIMEOUT_MAX.as_secs());
// What lanes count on and what new messages may have leaves a backlog room.
const _: () = assert!(HOT_MESSAGES[0] as usize > ACTIVE_WANTED_SHARE && ACTIVE_WANTED_SHARE > 1);
const _: () = assert!(HOT_MESSAGES[0] <= HOT_MESSAGES[1] && HOT_MESSAGES[1] <= HOT_MESSAGES[2]);
const _: () = assert!(ACTIVE_LANE_SHARE >= 4 && ACTIVE_NEW_SHARE > ACTIVE_LANE_SHARE);
const _: () = assert!(RUN_ROWS_IN_MEMORY as u64 <= RUN_SLICE_ROWS && RUNS_PER_INDEX >= 2);
const _: () = assert!(BACKLOG_PAGE * 2 <= BACKLOG_ROWS && BACKLOG_PAGE <= DUE_ROWS);
// Half of the largest store carries the most open messages.
const _: () = assert!(
    OPEN_MESSAGES_MAX as u64 * STORE_PER_OPEN_MESSAGE
        == SEGMENTS[2] as u64 / 2 * SEGMENT_MIB[2] as u64 * 1024 * 1024
);
