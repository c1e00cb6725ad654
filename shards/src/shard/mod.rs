//! The shard: everything one core decides, as a pure machine. `handle_*` takes what happened,
//! `poll_op` gives what to do, `poll_timeout` says when to come back. It owns a slice of the
//! numbers, the binds that serve them and its own log; it knows no socket, file, clock or thread.
//! One per core.

mod accept;
mod answers;
mod archives;
mod bind;
mod checkpoint;
mod choosing;
mod chores;
mod closing;
pub mod cold;
pub(crate) mod contents;
pub(crate) mod crossing;
mod customers;
mod deliveries;
mod destinations;
mod doubts;
mod envelope_record;
mod erasing;
mod explaining;
mod fetch;
mod fold;
mod headroom;
mod health;
mod inbound;
mod inferring;
mod journal;
mod learned;
mod looking_up;
mod matching;
mod mesh;
mod message;
pub mod moving;
pub(crate) mod offline;
mod op;
mod opt_outs;
mod orphans;
mod outbind;
mod outbound;
mod outlet;
mod pace;
mod parking;
mod part;
mod pdu;
mod peers;
mod query;
mod rates;
mod receipt_pdu;
mod receipts;
mod reclaim;
mod recover;
mod reload;
mod retrying;
mod sender_turns;
mod senders;
mod sessions;
mod shared;
mod submit;
mod submitting;
mod table;
mod timers;
mod unknown;
mod webhooks;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use postrider_core::clock::Now;
use postrider_core::place::ShardId;
use postrider_core::route::{CarrierIx, Figures};
use postrider_core::submission::Submission;
use postrider_http::webhook::queue::WebhookQueue;
use postrider_smpp::command::CommandId;
use postrider_storage::register::Registers;
use postrider_storage::{LogIoError, Position, SegmentId, Write, crash};

pub use self::chores::{ChoreDone, ShardChore};
use self::closing::Drain;
use self::cold::ColdStore;
pub use self::contents::{Contents, ContentsConfig};
pub use self::crossing::Board;
pub use self::customers::{Accounts, ConnIx, Operation, OperationOutcome};
use self::customers::{CustomerRequest, Customers, OperatedTo};
pub use self::erasing::{
    ControlAnswer, ControlRequest, EraseChore, EraseDone, ErasureState, Subject,
};
pub use self::explaining::explain_alone;
pub use self::fetch::ListKey;
use self::fetch::ShowTo;
pub use self::inbound::InboundNotice;
pub use self::learned::{CarrierIds, Learned};
pub use self::looking_up::LookupGet;
pub use self::mesh::{
    Accepted, CallId, MeshMessage, Page, ReceiptNotice, ReceiptOutcome, Reply, Request,
};
pub use self::op::{ApiResponse, Op, WebhookPost};
pub use self::outbound::kinds;
pub use self::pace::Pace;
pub use self::senders::SenderRates;
pub use self::shared::{Numbers, Shared};
use self::table::PartRef;
pub(crate) use self::timers::Timer;
use crate::stats::{Counter, Gauge, Histogram, Stats};
use crate::wheel::Wheel;

/// One bind's place among the shard's binds.
pub type BindIx = usize;

/// A PDU of a carrier that waits for its response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    bind: BindIx,
    /// The session it came on: a later session does not know its sequence number.
    epoch: u64,
    command: CommandId,
    sequence: u32,
}

/// What waits until the log is on disk.
#[derive(Debug)]
pub(crate) enum After {
    /// The message exists: answer, and queue its parts.
    Accepted { sequence: u64, to: ReplyTo, spent: Box<Submission> },
    /// Answer the carrier.
    Respond { delivery: Delivery, status: u32 },
    /// Reply to another shard.
    Reply { to: ShardId, call: CallId, reply: Box<Reply> },
    /// A message from a handset is on disk: it may go to its customer.
    Inbound { number: u64 },
    /// What an operation of a customer changed is on disk.
    Operated { to: OperatedTo, spent: Box<Operation>, outcome: OperationOutcome },
    /// The final status is on disk: tell the customer.
    Finished { sequence: u64 },
    /// The resend is on record: queue the part again.
    Resend { sequence: u64 },
    /// What a receipt says is on disk: the customer's binds may have it.
    Owed { sequence: u64, receipt: u16 },
    /// A message says something else: what it said before is nobody's.
    ContentReplaced { sequence: u64, before: u64 },
    /// The record that closes a message lies there.
    Closed { sequence: u64, at: Position },
    /// The record lies there in which a message was carried forward.
    Carried { sequence: u64, at: Position },
    /// All that was open before this segment has been carried forward.
    Released { before: SegmentId },
    /// What an operator asked for is on disk.
    Controlled { ticket: u64, answer: ControlAnswer },
    /// That a message is redacted is on disk: tell its customer.
    Redacted { to: ShowTo },
    /// The record lies there that leads to all of a message which leaves memory.
    Parked { sequence: u64, at: Position },
    /// The attempt is on record: the part may be written to a bind.
    Attempted { carrier: CarrierIx, part: PartRef },
}

/// Where the answer to a submission goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReplyTo {
    Ticket(u64),
    Customer(CustomerRequest),
    /// To a submit_multi: its key, and the recipient's place in it.
    Multi {
        key: u64,
        place: u8,
    },
    Shard(ShardId, CallId),
}

/// One core's share of the gateway.
pub struct Shard {
    id: ShardId,
    shared: Arc<Shared>,
    stats: Arc<Stats>,
    journal: journal::Journal,
    contents: Contents,
    table: table::Table,
    outbound: outbound::Outbound,
    /// Parts of other shards at this one's binds.
    written: crossing::Written,
    /// What traffic shows of carriers. Not durable: a start knows nothing, and tries them all.
    figures: Figures,
    lenders: rates::Lenders,
    customers: Customers,
    mesh: mesh::Mesh,
    orphans: orphans::Orphans,
    webhooks: WebhookQueue,
    deliveries: deliveries::Deliveries,
    registers: Registers,
    pace: checkpoint::Pace,
    ages: reclaim::Ages,
    archives: archives::Archives,
    lookups: fetch::Lookups,
    look_ups: looking_up::LookUps,
    cold: ColdStore,
    doubts: doubts::Doubts,
    erasures: erasing::Erasures,
    opt_outs: opt_outs::OptOuts,
    inbox: inbound::Inbox,
    owners: inbound::Owners,
    wheel: Wheel<Timer>,
    references: submit::References,
    ops: VecDeque<Op>,
    /// Room for the places that a record of kind closed names.
    places: Vec<u8>,
    next_sequence: u64,
    segment_bytes: u64,
    drain: Drain,
    seed: u64,
    /// When something happened last.
    turned: Duration,
    /// When the store of cold messages has something to do.
    cold_due: Option<Duration>,
    /// Requests that were checked under a configuration which is on its way to this shard.
    early: Vec<reload::Early>,
    /// Messages to which something happened: their seats are to be looked at.
    stirred: Vec<u64>,
    /// The first number of a message that this process accepts.
    first_sequence: u64,
    sweep: reclaim::Sweep,
}

/// What a shard is made from.
pub struct ShardParts {
    /// Which one it is.
    pub id: ShardId,
    /// The process's read-only part.
    pub shared: Arc<Shared>,
    /// Counters, read by the control thread.
    pub stats: Arc<Stats>,
    /// The contents that are not kept, as they are on their disk.
    pub contents: Contents,
    /// Binds of each carrier on this shard.
    pub binds: Vec<u16>,
    /// Seed of every random choice: jitter, nothing else.
    pub seed: u64,
    /// First delay of a bind's back-off.
    pub reconnect_first: Duration,
}

impl Shard {
    /// Which shard this is.
    #[must_use]
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// The log's batch is on disk, or failed.
    pub fn handle_written(&mut self, now: Now, write: Write, result: Result<(), LogIoError>) {
        if result.is_ok() {
            self.stats.inc(Counter::Commits);
            let octets = u64::try_from(write.blocks.as_bytes().len()).unwrap_or(u64::MAX);
            self.stats.add(Counter::CommitBytes, octets);
            self.stats.observe_value(Histogram::CommitBytes, octets);
        }
        self.journal.log.handle_written(now.mono, write, result);
        self.touch_waiting();
        self.pump(now);
    }

    /// Lets everything that became possible happen: what waited for the disk, submits, webhooks,
    /// housekeeping.
    fn pump(&mut self, now: Now) {
        self.turned = now.mono;
        self.pump_messages(now);
        // What was brought back, or left its seat to others, may go on at once.
        if self.pump_cold(now) {
            self.pump_messages(now);
            self.pump_cold(now);
        }
        self.pump_inbound(now);
        self.pump_deliveries(now);
        self.pump_reclaim(now);
        self.pump_erasures(now);
        self.archives.now = now.wall;
        self.pump_customers(now);
        self.pump_reads();
        self.pump_lookups(now);
        self.pump_checkpoint(now);
        self.pump_drain(now);
    }

    fn pump_messages(&mut self, now: Now) {
        while let Some(after) = self.journal.poll_ready() {
            self.happen(now, after);
        }
        self.pump_contents(now);
        self.pump_carriers(now);
        self.pump_webhooks(now);
    }

    fn happen(&mut self, now: Now, after: After) {
        match after {
            After::Accepted { sequence, to, spent } => self.accepted(now, sequence, to, spent),
            After::Respond { delivery, status } => {
                crash::point("receipt-durable");
                self.respond(delivery, status);
            }
            After::Reply { to, call, reply } => self.reply(to, call, *reply),
            After::Inbound { number } => self.inbound_kept(now, number),
            After::Operated { to, spent, outcome } => self.operated(now, to, spent, outcome),
            After::Finished { sequence } => {
                self.announce(now, sequence);
                self.discard_content(now, sequence);
            }
            After::ContentReplaced { sequence, before } => {
                self.free_content(now, before);
                self.own_content(now, sequence);
            }
            After::Resend { sequence } => self.enqueue_first(now, sequence),
            After::Owed { sequence, receipt } => self.owe_receipt(sequence, receipt),
            After::Closed { sequence, at } => self.closed(sequence, at),
            After::Carried { sequence, at } => self.carried(sequence, at),
            After::Released { before } => {
                self.registers.release_before(before);
                self.cold.release_before(before);
                self.doubts.release_before(before);
            }
            After::Controlled { ticket, answer } => {
                self.ops.push_back(Op::Controlled { ticket, answer });
            }
            After::Redacted { to } => self.redacted(to, Ok(())),
            After::Parked { sequence, at } => self.parked(now, sequence, at),
            After::Attempted { carrier, part } => self.attempt_recorded(now, carrier, part),
        }
    }

    /// The next thing for the driver to do.
    pub fn poll_op(&mut self) -> Option<Op> {
        self.ops.pop_front()
    }

    /// The next batch for the disk; one is in flight at a time.
    pub fn poll_write(&mut self, now: Now) -> Option<Write> {
        let write = self.journal.log.poll_write(now.mono);
        if write.is_none() && self.journal.log.starved() {
            self.stats.inc(Counter::LogStarved);
        }
        write
    }

    /// The error that stopped one of the logs for good.
    #[must_use]
    pub fn poisoned(&self) -> Option<&LogIoError> {
        self.journal.log.poisoned().or_else(|| self.contents_poisoned())
    }

    /// When `handle_timeout` is due at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let webhooks = if self.drain == Drain::No { self.webhooks.poll_timeout() } else { None };
        let customers = [self.deliveries.poll_timeout(), self.inbox.poll_timeout()];
        let look_ups = self.look_ups.poll_timeout();
        let checkpoint = self.pace.poll_timeout(self.journal.octets());
        let cold = self.cold_due.filter(|_| self.drain == Drain::No);
        let logs = [self.journal.log.poll_timeout(), self.contents_timeout()];
        [self.wheel.next_deadline(), webhooks, checkpoint, cold, look_ups]
            .into_iter()
            .chain(logs)
            .chain(customers)
            .flatten()
            .min()
    }

    /// Publishes the gauges; called by the driver a few times a second.
    pub fn publish(&self) {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.stats.set(Gauge::OpenMessages, count(self.table.open()));
        self.stats.set(Gauge::MessagesInMemory, count(self.table.len()));
        self.stats.set(Gauge::ReadsInFlight, count(self.lookups.in_flight()));
        self.stats.set(Gauge::Registers, count(self.registers.written()));
        self.stats.set(Gauge::QueuedParts, count(self.outbound.queued()));
        self.stats.set(Gauge::InFlightParts, count(self.outbound.in_flight()));
        self.stats.set(Gauge::WebhookBacklog, count(self.webhooks.len()));
        self.stats.set(Gauge::OrphansParked, count(self.orphans.len()));
        self.stats.set(Gauge::LogSegments, count(self.journal.log.live_segments()));
        self.stats.set(Gauge::LogBytesFree, self.journal.log.room().bytes_free);
        self.publish_contents();
        self.publish_lookups();
        self.publish_deliveries();
        self.publish_binds();
        self.publish_customers();
    }
}
