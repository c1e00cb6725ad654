//! Every bound of the product, with its unit and reason; relations are checked at compile time, and
//! `postrider plan` prints them: a new one goes into its section, into `ALL` and into
//! tests/vectors/limits.txt. Pure, lives nowhere.

mod edge;
mod lookup;
mod plan;
mod ported;
mod rate;
mod route;
mod store;

use core::time::Duration;

pub use self::edge::*;
pub use self::lookup::*;
pub use self::plan::*;
pub use self::ported::*;
pub use self::rate::*;
pub use self::route::*;
pub use self::store::*;

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
pub const UNKNOWN_GRACE_DEFAULT: Duration = Duration::from_secs(10);
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
const _: () = assert!(ORPHAN_RETRIES[0].as_secs() < ORPHAN_RETRIES[1].as_secs());
const _: () = assert!(ORPHAN_RETRIES[1].as_secs() < ORPHAN_RETRIES[2].as_secs());
const _: () = assert!(ORPHAN_RETRIES[2].as_secs() < ORPHAN_GIVE_UP.as_secs());
const _: () = assert!(ORPHAN_GIVE_UP.as_secs() < RECEIPT_GRACE.as_secs());
const _: () = assert!(ID_PAIRS < ID_PAIRS_KEPT / 2 && ID_CONFIDENCE <= 100);
// A message of the most and the longest parts can be put together.
const _: () = assert!(MAX_PARTS * 256 <= REASSEMBLY_BYTES);
const _: () = assert!(CARRIER_DOWN_GRACE.as_secs() < FAILOVER.as_secs());
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

/// One bound as `postrider plan` prints it: name, value, unit.
pub type Limit = (&'static str, u64, &'static str);

/// Whole milliseconds of a bound.
const fn millis(span: Duration) -> u64 {
    span.as_secs() * 1_000 + span.subsec_millis() as u64
}

macro_rules! table {
    ($($name:ident $value:expr, $unit:literal;)*) => {
        &[$((stringify!($name), $value as u64, $unit)),*]
    };
}

const ALL: &[Limit] = table! {
    MAX_TEXT_CHARS MAX_TEXT_CHARS, "characters";
    MAX_PARTS MAX_PARTS, "parts";
    ONE_PART_EVERYWHERE ONE_PART_EVERYWHERE, "bytes";
    MAX_BODY_BYTES MAX_BODY_BYTES, "bytes";
    MAX_HEAD_BYTES MAX_HEAD_BYTES, "bytes";
    MAX_HEADERS MAX_HEADERS, "headers";
    MAX_CLIENT_REFERENCE MAX_CLIENT_REFERENCE, "characters";
    MAX_WEBHOOK_URL MAX_WEBHOOK_URL, "characters";
    VALIDITY_MIN VALIDITY_MIN.as_secs(), "s";
    VALIDITY_DEFAULT VALIDITY_DEFAULT.as_secs(), "s";
    VALIDITY_MAX VALIDITY_MAX.as_secs(), "s";
    OTP_LIFE OTP_LIFE.as_secs(), "s";
    RECEIPT_GRACE RECEIPT_GRACE.as_secs(), "s";
    LIST_LIMIT_DEFAULT LIST_LIMIT_DEFAULT, "messages";
    LIST_LIMIT_MAX LIST_LIMIT_MAX, "messages";
    LIST_SCAN_MAX LIST_SCAN_MAX, "messages";
    MAX_REQUEST_ID MAX_REQUEST_ID, "bytes";
    TLS_HANDSHAKES_PER_SHARD TLS_HANDSHAKES_PER_SHARD, "handshakes";
    TLS_HANDSHAKE_LIMIT TLS_HANDSHAKE_LIMIT.as_secs(), "s";
    HTTP_CONNECTIONS_PER_SHARD HTTP_CONNECTIONS_PER_SHARD, "connections";
    HTTP_REQUESTS_PER_SHARD HTTP_REQUESTS_PER_SHARD, "requests";
    HTTP_HEAD_TIMEOUT HTTP_HEAD_TIMEOUT.as_secs(), "s";
    HTTP_BODY_TIMEOUT HTTP_BODY_TIMEOUT.as_secs(), "s";
    HTTP_IDLE_TIMEOUT HTTP_IDLE_TIMEOUT.as_secs(), "s";
    WEBHOOK_CONNECTIONS_PER_ENDPOINT WEBHOOK_CONNECTIONS_PER_ENDPOINT, "connections";
    WEBHOOKS_IN_FLIGHT WEBHOOKS_IN_FLIGHT, "attempts";
    WEBHOOK_TIMEOUT_DEFAULT WEBHOOK_TIMEOUT_DEFAULT.as_secs(), "s";
    WEBHOOK_TIMEOUT_MAX WEBHOOK_TIMEOUT_MAX.as_secs(), "s";
    WEBHOOK_RESPONSE_BYTES WEBHOOK_RESPONSE_BYTES, "bytes";
    PARTITIONS crate::place::PARTITIONS, "partitions";
    MAX_SHARDS MAX_SHARDS, "shards";
    MAX_CARRIERS MAX_CARRIERS, "carriers";
    MAX_CUSTOMERS MAX_CUSTOMERS, "customers";
    MAX_WEIGHT MAX_WEIGHT, "times the least";
    MAX_API_KEYS MAX_API_KEYS, "keys";
    MAX_ROUTES MAX_ROUTES, "routes";
    MAX_CARRIERS_PER_ROUTE MAX_CARRIERS_PER_ROUTE, "carriers";
    MAX_PRIORITY MAX_PRIORITY, "groups";
    MAX_CARRIER_WEIGHT MAX_CARRIER_WEIGHT, "shares";
    MAX_COST_MICROS MAX_COST_MICROS, "micro-units";
    MAX_TOLERANCE MAX_TOLERANCE, "percent";
    MAX_NEAR_TIE MAX_NEAR_TIE, "percent";
    MAX_EXPLORE MAX_EXPLORE, "percent";
    FIGURE_PARTS FIGURE_PARTS, "parts";
    FIGURE_TIME_MAX FIGURE_TIME_MAX.as_secs(), "s";
    FIGURE_HALF_LIFE_MAX FIGURE_HALF_LIFE_MAX.as_secs(), "s";
    FIGURES FIGURES, "pairs";
    MAX_NAME MAX_NAME, "characters";
    MESH_LANE MESH_LANE, "entries";
    MESH_PER_TURN MESH_PER_TURN, "entries";
    TIMERS_PER_TURN TIMERS_PER_TURN, "timers";
    TICK millis(TICK), "ms";
    PUBLISH_EVERY millis(PUBLISH_EVERY), "ms";
    DRAIN_LIMIT DRAIN_LIMIT.as_secs(), "s";
    MAX_BINDS_PER_CARRIER_PER_SHARD MAX_BINDS_PER_CARRIER_PER_SHARD, "binds";
    MAX_WINDOW MAX_WINDOW, "parts";
    MAX_PER_DESTINATION MAX_PER_DESTINATION, "parts";
    HEADROOM_PERIOD HEADROOM_PERIOD.as_secs(), "s";
    INBOUND_WINDOW INBOUND_WINDOW, "requests";
    MAX_PDU MAX_PDU, "bytes";
    TEMPORARY_RETRY_1 TEMPORARY_RETRIES[0].as_secs(), "s";
    TEMPORARY_RETRY_2 TEMPORARY_RETRIES[1].as_secs(), "s";
    TEMPORARY_RETRY_3 TEMPORARY_RETRIES[2].as_secs(), "s";
    MAX_RESUBMITS MAX_RESUBMITS, "resubmits";
    THROTTLED_PAUSE millis(THROTTLED_PAUSE), "ms";
    RATE_REPORT_EVERY millis(RATE_REPORT_EVERY), "ms";
    DISCOVER_FIRST DISCOVER_FIRST, "parts a second";
    RECONNECT_FIRST millis(RECONNECT_FIRST), "ms";
    CONNECT_LIMIT CONNECT_LIMIT.as_secs(), "s";
    CONGESTED_ABOVE CONGESTED_ABOVE, "percent";
    QUEUE_FULL_PAUSE_FIRST millis(QUEUE_FULL_PAUSE_FIRST), "ms";
    QUEUE_FULL_PAUSE_MAX millis(QUEUE_FULL_PAUSE_MAX), "ms";
    BIND_STAGGER_DEFAULT millis(BIND_STAGGER_DEFAULT), "ms";
    BIND_STAGGER_MAX millis(BIND_STAGGER_MAX), "ms";
    UNKNOWN_GRACE_DEFAULT UNKNOWN_GRACE_DEFAULT.as_secs(), "s";
    UNKNOWN_GRACE_MAX UNKNOWN_GRACE_MAX.as_secs(), "s";
    ENQUIRE_LINK_DEFAULT ENQUIRE_LINK_DEFAULT.as_secs(), "s";
    RESPONSE_TIMEOUT_DEFAULT RESPONSE_TIMEOUT_DEFAULT.as_secs(), "s";
    CARRIER_TIMER_MAX CARRIER_TIMER_MAX.as_secs(), "s";
    MAX_RATE MAX_RATE, "a second";
    MAX_CARRIER_TLVS MAX_CARRIER_TLVS, "TLVs";
    MAX_CARRIER_TLV_BYTES MAX_CARRIER_TLV_BYTES, "bytes";
    MAX_REACTIONS MAX_REACTIONS, "statuses";
    CARRIER_DOWN_GRACE CARRIER_DOWN_GRACE.as_secs(), "s";
    RETIRED_LISTENS RETIRED_LISTENS.as_secs(), "s";
    RETIRED_LOOK_EVERY RETIRED_LOOK_EVERY.as_secs(), "s";
    RELOAD_PATIENCE RELOAD_PATIENCE.as_secs(), "s";
    FAILOVER FAILOVER.as_secs(), "s";
    SMPP_CUSTOMER_CONNECTIONS_PER_SHARD SMPP_CUSTOMER_CONNECTIONS_PER_SHARD, "connections";
    CUSTOMER_CONNECTIONS_PER_ADDRESS CUSTOMER_CONNECTIONS_PER_ADDRESS, "connections";
    CUSTOMER_BIND_TIMEOUT CUSTOMER_BIND_TIMEOUT.as_secs(), "s";
    CUSTOMER_ENQUIRE_LINK CUSTOMER_ENQUIRE_LINK.as_secs(), "s";
    CUSTOMER_RESPONSE_TIMEOUT CUSTOMER_RESPONSE_TIMEOUT.as_secs(), "s";
    CUSTOMER_INACTIVITY CUSTOMER_INACTIVITY.as_secs(), "s";
    CUSTOMER_UNBIND_AFTER CUSTOMER_UNBIND_AFTER.as_secs(), "s";
    CUSTOMER_OUTPUT_MAX CUSTOMER_OUTPUT_MAX, "bytes";
    CUSTOMER_CLOSE_LIMIT CUSTOMER_CLOSE_LIMIT.as_secs(), "s";
    LOGIN_DELAY_FIRST LOGIN_DELAY_FIRST.as_secs(), "s";
    LOGIN_DELAY_MAX LOGIN_DELAY_MAX.as_secs(), "s";
    LOGIN_FAILURES_KEPT LOGIN_FAILURES_KEPT, "addresses";
    LOGIN_FAILURES_FORGOTTEN LOGIN_FAILURES_FORGOTTEN.as_secs(), "s";
    SCHEDULE_MAX SCHEDULE_MAX.as_secs(), "s";
    SCHEDULE_SLACK SCHEDULE_SLACK.as_secs(), "s";
    CANCEL_MAX CANCEL_MAX, "messages";
    CUSTOMER_BINDS_DEFAULT CUSTOMER_BINDS_DEFAULT, "binds";
    CUSTOMER_BINDS_MAX CUSTOMER_BINDS_MAX, "binds";
    CUSTOMER_WINDOW_DEFAULT CUSTOMER_WINDOW_DEFAULT, "messages";
    DELIVER_WINDOW_DEFAULT DELIVER_WINDOW_DEFAULT, "messages";
    MAX_CUSTOMER_NUMBERS MAX_CUSTOMER_NUMBERS, "numbers";
    MAX_CUSTOMER_NETWORKS MAX_CUSTOMER_NETWORKS, "networks";
    ORPHAN_RETRY_1 ORPHAN_RETRIES[0].as_secs(), "s";
    ORPHAN_RETRY_2 ORPHAN_RETRIES[1].as_secs(), "s";
    ORPHAN_RETRY_3 ORPHAN_RETRIES[2].as_secs(), "s";
    ORPHAN_GIVE_UP ORPHAN_GIVE_UP.as_secs(), "s";
    RECEIPT_RETRY_STATUS_DEFAULT RECEIPT_RETRY_STATUS_DEFAULT, "command_status";
    ORPHANS_PER_CARRIER ORPHANS_PER_CARRIER, "receipts";
    RECEIPT_CANDIDATES RECEIPT_CANDIDATES, "messages";
    ID_PAIRS ID_PAIRS, "pairs";
    ID_CONFIDENCE ID_CONFIDENCE, "percent";
    ID_PAIRS_KEPT ID_PAIRS_KEPT, "pairs";
    REASSEMBLY_TIMEOUT REASSEMBLY_TIMEOUT.as_secs(), "s";
    REASSEMBLY_MESSAGES REASSEMBLY_MESSAGES, "messages";
    REASSEMBLY_BYTES REASSEMBLY_BYTES, "bytes";
    DELIVERY_LIFETIME DELIVERY_LIFETIME.as_secs(), "s";
    DELIVERY_BACK_OFF_FIRST DELIVERY_BACK_OFF[0].as_secs(), "s";
    DELIVERY_BACK_OFF_MAX DELIVERY_BACK_OFF[1].as_secs(), "s";
    DELIVERY_MISSED millis(DELIVERY_MISSED), "ms";
    DELIVERY_REFUSALS DELIVERY_REFUSALS, "tries";
    DELIVERIES_AGAIN DELIVERIES_AGAIN, "messages";
    OWED_AHEAD OWED_AHEAD, "messages";
    DELIVERIES_PER_PEER DELIVERIES_PER_PEER, "messages";
    INBOUND_PER_CUSTOMER INBOUND_PER_CUSTOMER, "messages";
    INBOUND_BYTES INBOUND_BYTES, "bytes";
    INBOUND_RESEND INBOUND_RESEND.as_secs(), "s";
    INBOUND_REMEMBERED INBOUND_REMEMBERED, "messages";
    OPEN_MESSAGES_MAX OPEN_MESSAGES_MAX, "messages";
    HOT_MESSAGES_MIN HOT_MESSAGES[0], "messages";
    HOT_MESSAGES_DEFAULT HOT_MESSAGES[1], "messages";
    HOT_MESSAGES_MAX HOT_MESSAGES[2], "messages";
    RETENTION_DEFAULT RETENTION_DEFAULT.as_secs(), "seconds";
    RETENTION_MAX RETENTION_MAX.as_secs(), "seconds";
    READS_IN_FLIGHT READS_IN_FLIGHT, "reads";
    ERASURES_MAX ERASURES_MAX, "erasures";
    REDACTIONS_MAX REDACTIONS_MAX, "messages";
    REDACTIONS_GATHERED REDACTIONS_GATHERED.as_secs(), "s";
    REDACTED_PER_TURN REDACTED_PER_TURN, "messages";
    ERASURE_PAGE ERASURE_PAGE, "messages";
    ERASURE_REST millis(ERASURE_REST), "ms";
    ERASURE_MAX ERASURE_MAX.as_secs(), "s";
    OPT_OUTS_MAX OPT_OUTS_MAX, "recipients";
    REGISTER_ROWS REGISTER_ROWS, "messages";
    REGISTER_CHANGES REGISTER_CHANGES, "messages";
    CHECKPOINT_BYTES CHECKPOINT_BYTES, "bytes";
    CHECKPOINT_EVERY CHECKPOINT_EVERY.as_secs(), "s";
    CHECKPOINT_RETRY CHECKPOINT_RETRY.as_secs(), "s";
    CHECKPOINT_READ_COST CHECKPOINT_READ_COST, "bytes";
    LISTS_AT_ONCE LISTS_AT_ONCE, "lists";
    WAKES_AT_ONCE WAKES_AT_ONCE, "waits";
    DOUBTED_MESSAGES DOUBTED_MESSAGES, "messages";
    DEPARTURES_NOTED DEPARTURES_NOTED, "messages";
    READ_FILES READ_FILES, "files";
    RECORD_READ RECORD_READ, "bytes";
    CARRIER_IDS_OF_CLOSED CARRIER_IDS_OF_CLOSED, "ids";
    LOST_PARTS_KEPT LOST_PARTS_KEPT, "messages";
    WALL_RECHECK WALL_RECHECK.as_secs(), "s";
    LAZY_COMMIT millis(LAZY_COMMIT), "ms";
    PREFERRED_BATCH PREFERRED_BATCH, "bytes";
    MAX_BATCH MAX_BATCH, "bytes";
    MAX_RECORD MAX_RECORD, "bytes";
    SEGMENT_MIB_MIN SEGMENT_MIB[0], "MiB";
    SEGMENT_MIB_DEFAULT SEGMENT_MIB[1], "MiB";
    SEGMENT_MIB_MAX SEGMENT_MIB[2], "MiB";
    SEGMENTS_MIN SEGMENTS[0], "segments";
    SEGMENTS_DEFAULT SEGMENTS[1], "segments";
    SEGMENTS_MAX SEGMENTS[2], "segments";
    SPARE_SEGMENTS SPARE_SEGMENTS, "segments";
    RESERVE_SEGMENTS RESERVE_SEGMENTS, "segments";
    RECLAIM_SEGMENTS RECLAIM_SEGMENTS, "segments";
    CONTENT_SEGMENT_MIB CONTENT_SEGMENT_MIB, "MiB";
    CONTENT_SEGMENTS CONTENT_SEGMENTS, "segments";
    CONTENT_RESERVE_SEGMENTS CONTENT_RESERVE_SEGMENTS, "segments";
    CONTENTS_MAX CONTENTS_MAX, "bytes";
    MEMORY_PER_CONTENT MEMORY_PER_CONTENT, "bytes";
    CONTENT_WIPE_AFTER CONTENT_WIPE_AFTER.as_secs(), "s";
    CONTENTS_PER_TURN CONTENTS_PER_TURN, "contents";
    CONTENT_UNCLAIMED CONTENT_UNCLAIMED.as_secs(), "s";
    RECLAIM_PER_TURN RECLAIM_PER_TURN, "messages";
    CARRIED_STATE_MAX CARRIED_STATE_MAX, "bytes";
    RECORDS_PER_MESSAGE RECORDS_PER_MESSAGE, "bytes";
    RECORDS_OF_MESSAGE RECORDS_OF_MESSAGE, "records";
    COLD_PER_TURN COLD_PER_TURN, "messages";
    RESERVE_PER_OPEN_MESSAGE RESERVE_PER_OPEN_MESSAGE, "bytes";
    STORE_PER_HELD_RECEIPT STORE_PER_HELD_RECEIPT, "bytes";
    STORE_PER_OPEN_MESSAGE STORE_PER_OPEN_MESSAGE, "bytes";
    MEMORY_PER_HOT_MESSAGE MEMORY_PER_HOT_MESSAGE, "bytes";
    MEMORY_PER_CARRIER_ID MEMORY_PER_CARRIER_ID, "bytes";
    MEMORY_PER_REGISTER MEMORY_PER_REGISTER, "bytes";
    MEMORY_PER_REGISTER_ROW MEMORY_PER_REGISTER_ROW, "bytes";
    LOG_PER_MESSAGE_MIN LOG_PER_MESSAGE_MIN, "bytes";
    MEMORY_PER_WINDOW_SLOT MEMORY_PER_WINDOW_SLOT, "bytes";
    MEMORY_PER_BIND MEMORY_PER_BIND, "bytes";
    MEMORY_PER_MESH_ENTRY MEMORY_PER_MESH_ENTRY, "bytes";
    MEMORY_PER_CONNECTION MEMORY_PER_CONNECTION, "bytes";
    MEMORY_PER_ORPHAN MEMORY_PER_ORPHAN, "bytes";
    PARK_AFTER PARK_AFTER.as_secs(), "s";
    ACTIVE_ROUTE_SHARE ACTIVE_ROUTE_SHARE, "of a shard's";
    ACTIVE_LANE_SHARE ACTIVE_LANE_SHARE, "of a route's";
    ACTIVE_NEW_SHARE ACTIVE_NEW_SHARE, "of a route's";
    ACTIVE_WANTED_SHARE ACTIVE_WANTED_SHARE, "of a shard's";
    RECEIPTS_HOT RECEIPTS_HOT.as_secs(), "s";
    RECEIPTS_PLANNED_MIN RECEIPTS_PLANNED[0], "parts";
    RECEIPTS_PLANNED_MAX RECEIPTS_PLANNED[1], "parts";
    RATE_UNSAID RATE_UNSAID, "parts a second";
    MEMORY_PER_HOT_RECEIPT MEMORY_PER_HOT_RECEIPT, "bytes";
    RUN_ROWS_IN_MEMORY RUN_ROWS_IN_MEMORY, "rows";
    MEMORY_PER_FRESH_ROW MEMORY_PER_FRESH_ROW, "bytes";
    COLD_INDEXES COLD_INDEXES, "indexes";
    ROWS_PER_COLD_MESSAGE ROWS_PER_COLD_MESSAGE, "rows";
    MEMORY_PER_READ_ROW MEMORY_PER_READ_ROW, "bytes";
    MEMORY_PER_GROUP MEMORY_PER_GROUP, "bytes";
    MEMORY_OF_RUN_CHORES MEMORY_OF_RUN_CHORES, "bytes";
    RUNS_PER_INDEX RUNS_PER_INDEX, "runs";
    RUN_MERGE_EVERY RUN_MERGE_EVERY.as_secs(), "s";
    RUN_SLICE_ROWS RUN_SLICE_ROWS, "rows";
    MEMORY_PER_RUN_ROW MEMORY_PER_RUN_ROW, "bytes";
    BACKLOG_PAGE BACKLOG_PAGE, "rows";
    BACKLOG_ROWS BACKLOG_ROWS, "rows";
    DUE_SCAN DUE_SCAN.as_secs(), "s";
    DUE_FURTHEST DUE_FURTHEST.as_secs(), "s";
    DUE_ROWS DUE_ROWS, "rows";
    CORE_BUSY_PERCENT CORE_BUSY_PERCENT, "percent";
    IMBALANCE_PERCENT IMBALANCE_PERCENT, "percent";
    IMBALANCE_OVER IMBALANCE_OVER.as_secs(), "s";
    IMBALANCE_BUSY_MIN IMBALANCE_BUSY_MIN, "percent";
    PORTED_NUMBERS_MAX PORTED_NUMBERS_MAX, "numbers";
    PORTED_TABLES_MAX PORTED_TABLES_MAX, "tables";
    PORTED_CHANGES_SHARE PORTED_CHANGES_SHARE, "numbers a change";
    PORTED_CHANGES_MIN PORTED_CHANGES_MIN, "changes";
    PORTED_FRESH_DEFAULT PORTED_FRESH_DEFAULT.as_secs(), "s";
    PORTED_FRESH_MAX PORTED_FRESH_MAX.as_secs(), "s";
    LOOKUP_NUMBERS LOOKUP_NUMBERS, "numbers";
    LOOKUP_TEXT LOOKUP_TEXT, "characters";
    LOOKUPS_WAITING LOOKUPS_WAITING, "look-ups";
    LOOKUP_CALLS LOOKUP_CALLS, "requests";
    LOOKUP_TURN LOOKUP_TURN.as_secs(), "s";
    LOOKUP_CONCURRENCY_DEFAULT LOOKUP_CONCURRENCY[0], "queries";
    LOOKUP_CONCURRENCY_MAX LOOKUP_CONCURRENCY[1], "queries";
    LOOKUP_TIMEOUT_DEFAULT LOOKUP_TIMEOUT[0].as_secs(), "s";
    LOOKUP_TIMEOUT_MAX LOOKUP_TIMEOUT[1].as_secs(), "s";
    LOOKUP_KEEP_DEFAULT LOOKUP_KEEP[0].as_secs(), "s";
    LOOKUP_KEEP_MAX LOOKUP_KEEP[1].as_secs(), "s";
    LOOKUP_KEEP_ABSENT LOOKUP_KEEP_ABSENT.as_secs(), "s";
    LOOKUP_KEEP_UNKNOWN LOOKUP_KEEP_UNKNOWN.as_secs(), "s";
    LOOKUP_CACHE_DEFAULT LOOKUP_CACHE[0], "answers";
    LOOKUP_CACHE_MAX LOOKUP_CACHE[1], "answers";
    MEMORY_PER_LOOKUP MEMORY_PER_LOOKUP, "bytes";
    LOOKUP_ANSWER_BYTES LOOKUP_ANSWER_BYTES, "bytes";
    LOOKUP_NAME LOOKUP_NAME, "bytes";
    LOOKUP_FAILURES LOOKUP_FAILURES, "failures";
    LOOKUP_FAILURES_OVER LOOKUP_FAILURES_OVER.as_secs(), "s";
    LOOKUP_PAUSE LOOKUP_PAUSE.as_secs(), "s";
    LOOKUP_WORDS LOOKUP_WORDS, "words";
    OVERRIDES_MAX OVERRIDES_MAX, "overrides";
};

/// Every bound, in the order above.
#[must_use]
pub fn all() -> &'static [Limit] {
    ALL
}
