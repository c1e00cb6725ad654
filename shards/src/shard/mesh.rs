//! What shards say to each other, and the places that keep both lanes of every ring from ever being
//! full: a request leaves only when its reply has one. One `Mesh` per shard.

use std::borrow::Cow;
use std::collections::HashMap;

use postrider_core::carrier_id::IdForms;
use postrider_core::clock::UnixMs;
use postrider_core::credit::{Ask, Credit};
use postrider_core::id::MessageId;
use postrider_core::limits;
use postrider_core::lookup::Finding;
use postrider_core::number::Msisdn;
use postrider_core::place::ShardId;
use postrider_core::rate::{Grant, Report};
use postrider_core::route::{CarrierIx, Explanation};
use postrider_core::submission::Submission;
use postrider_core::text::Encoding;
use postrider_http::auth::CustomerIx;
use postrider_http::problem::Problem;
use postrider_http::request::ListQuery;
use postrider_http::response::MessageView;
use postrider_smpp::receipt::ReceiptState;

use super::crossing::{Crossed, Crosses, Crossing, LateAnswer};
use super::customers::{CustomerRequest, Gathering, Operation, OperationOutcome};
use super::deliveries::pdu::CustomerDelivery;
use super::deliveries::queue::{DeliveryAnswer, Place};
use super::fetch::ListKey;
use super::inbound::{InboundNotice, InboundOutcome};

/// Names one request of one shard; replies carry it back.
pub type CallId = u64;

/// One message on a ring. Requests and replies have a lane each.
#[derive(Debug)]
pub enum MeshMessage {
    /// Asks the receiver to do something.
    Request {
        /// The sender's configuration, under which it was checked.
        generation: u32,
        /// Echoed in the reply.
        call: CallId,
        /// What is asked.
        request: Request,
    },
    /// Answers a request.
    Reply {
        /// The request's.
        call: CallId,
        /// What came of it.
        reply: Reply,
    },
}

/// What one shard asks of another.
#[derive(Debug)]
pub enum Request {
    /// Accept a message whose number the receiver owns.
    Submit {
        /// Who submits.
        customer: CustomerIx,
        /// What, already validated at the edge.
        submission: Box<Submission>,
    },
    /// Say what would become of a message whose number the receiver owns.
    Explain {
        /// Who asks.
        customer: CustomerIx,
        /// What, already validated at the edge.
        submission: Box<Submission>,
    },
    /// Look up numbers that the receiver owns.
    LookUp {
        /// Which ones.
        numbers: Vec<Msisdn>,
    },
    /// Show a message of the receiver's partitions.
    Get {
        /// Who asks.
        customer: CustomerIx,
        /// Which one.
        id: MessageId,
    },
    /// Redact a message of the receiver's partitions.
    Redact {
        /// Who asks.
        customer: CustomerIx,
        /// Which one.
        id: MessageId,
    },
    /// Show a page of the customer's messages.
    List {
        /// Who asks.
        customer: CustomerIx,
        /// Which ones.
        query: Box<ListQuery>,
    },
    /// Hand this to a bind of the customer.
    Deliver {
        /// Whose it is.
        customer: CustomerIx,
        /// What.
        delivery: Box<CustomerDelivery>,
    },
    /// The sender now holds so many binds of a customer that receive.
    Receivers {
        /// Whose.
        customer: CustomerIx,
        /// How many.
        count: u16,
    },
    /// Keep a message from a handset whose home is the receiver.
    Inbound {
        /// The message.
        notice: Box<InboundNotice>,
    },
    /// Query, cancel or replace messages of the receiver's.
    Operate {
        /// Who asks.
        customer: CustomerIx,
        /// What.
        operation: Box<Operation>,
    },
    /// Apply a receipt to a message of the receiver's.
    Receipt {
        /// The receipt.
        notice: Box<ReceiptNotice>,
        /// Keep it durably when no message fits.
        park: bool,
    },
    /// Say what the sender may have of a carrier's rate, which the receiver lends out.
    Rate {
        /// The carrier.
        carrier: CarrierIx,
        /// What the sender holds, wants and gives back.
        report: Box<Report>,
    },
    /// Give credits for binds of a carrier that the receiver holds and the sender does not.
    Credits {
        /// The carrier.
        carrier: CarrierIx,
        /// What the sender wants and gives back.
        ask: Box<Ask>,
    },
    /// Hand a part to a bind of the receiver.
    Cross {
        /// The carrier.
        carrier: CarrierIx,
        /// The part, with the credit for it.
        crossing: Box<Crossing>,
    },
    /// A carrier answered a part of the receiver's that was taken for unknown.
    LateAnswer {
        /// The answer.
        late: Box<LateAnswer>,
    },
}

/// What comes back. Boxes that came with the request go back to the core that allocated them.
#[derive(Debug)]
pub enum Reply {
    /// To `Submit`, once durable.
    Submitted {
        /// The request's box.
        spent: Box<Submission>,
        /// The id, or why not.
        result: Result<Accepted, Problem>,
    },
    /// To `Explain`.
    Explained {
        /// The request's box.
        spent: Box<Submission>,
        /// What would become of it, or why it would be refused.
        result: Result<Box<Explanation>, Problem>,
    },
    /// To `LookUp`.
    LookedUp {
        /// The request's list.
        spent: Vec<Msisdn>,
        /// What is known of each, in their order.
        found: Vec<Finding>,
    },
    /// To `Get`.
    Found(Option<Box<MessageView>>),
    /// To `Redact`, once durable.
    Redacted(Result<(), Problem>),
    /// To `List`.
    Page(Box<Page>),
    /// To `Deliver`.
    Delivered {
        /// The request's box.
        spent: Box<CustomerDelivery>,
        /// What came of it.
        answer: DeliveryAnswer,
    },
    /// To `Receivers`.
    Noted,
    /// To `Inbound`, once durable.
    Inbound {
        /// The request's box.
        spent: Box<InboundNotice>,
        /// What came of it.
        outcome: InboundOutcome,
    },
    /// To `Operate`, once durable.
    Operated {
        /// The request's box.
        spent: Box<Operation>,
        /// What came of it.
        outcome: OperationOutcome,
    },
    /// To `Receipt`, once durable.
    Receipt {
        /// The request's box.
        spent: Box<ReceiptNotice>,
        /// What came of it.
        outcome: ReceiptOutcome,
    },
    /// To `Rate`.
    Rate(Box<Grant>),
    /// To `Credits`, once there are some, or there will be none for a while.
    Credits(Vec<Credit>),
    /// To `Cross`, once it is known what became of the part.
    Crossed(Box<Crossed>),
}

/// A message that cannot be lost any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub id: MessageId,
    /// Its parts.
    pub parts: u8,
    /// Its alphabet.
    pub encoding: Encoding,
}

/// One shard's share of a list, newest first.
#[derive(Debug, Default)]
pub struct Page {
    /// The messages with their keys.
    pub items: Vec<(ListKey, MessageView)>,
    /// The shard looked only this far: older messages may exist.
    pub looked_to: Option<ListKey>,
    /// Some of it could not be read from the disk: there may be more.
    pub damaged: bool,
}

/// What became of a receipt at one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptOutcome {
    /// It belonged to a message here and is on disk.
    Applied,
    /// No message here fits.
    NoMatch,
    /// Kept durably until its message turns up.
    Parked,
    /// No room to keep it.
    Refused,
}

impl ReceiptNotice {
    /// Whether it names its message by nothing that a carrier gave out.
    pub(crate) fn has_no_id(&self) -> bool {
        self.id.is_empty() && self.other_id.is_none()
    }

    /// Every spelling of its ids under which its carrier, with ids of these forms, may have named a
    /// part.
    pub(crate) fn spellings(&self, forms: IdForms) -> impl Iterator<Item = Cow<'_, [u8]>> {
        let ids = [Some(&self.id), self.other_id.as_ref()].into_iter().flatten();
        ids.flat_map(move |id| forms.alternatives(id))
    }
}

/// A receipt, as far as matching needs it, in octets of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptNotice {
    /// The carrier it came from.
    pub carrier: CarrierIx,
    /// Its source address as the carrier wrote it.
    pub source: Vec<u8>,
    /// Its destination address.
    pub destination: Vec<u8>,
    /// The handset: the source address in international form.
    pub handset: Option<Msisdn>,
    /// The carrier's message id.
    pub id: Vec<u8>,
    /// A second id, where text and TLV differ.
    pub other_id: Option<Vec<u8>>,
    /// Its user_message_reference.
    pub reference: Option<u16>,
    /// The state it reports.
    pub state: Option<ReceiptState>,
    /// The state's word and the carrier's error, as sent.
    pub words: Vec<u8>,
    /// When it arrived.
    pub at: UnixMs,
}

/// The places of one shard in the lanes to its peers, and the calls that are open.
pub(crate) struct Mesh {
    own: ShardId,
    /// Requests without a reply, by peer.
    open: Vec<usize>,
    lane: usize,
    /// Places of what crosses by credits, by peer: open asks, what they want, credits that are held, and
    /// parts that are under way.
    crossings: Vec<usize>,
    next: CallId,
    calls: HashMap<CallId, Call, std::hash::BuildHasherDefault<ahash::AHasher>>,
}

/// What to do when the reply comes.
#[derive(Debug)]
pub(crate) enum Call {
    /// Say what came of a submission.
    Submit { to: super::ReplyTo },
    /// Answer the HTTP request with what would become of a message.
    Explain { ticket: u64 },
    /// Put what is found into these places of a job.
    LookUp { job: u64, places: Vec<u16> },
    /// The owner does what a customer asks.
    Operate { customer: CustomerIx, request: CustomerRequest },
    /// Every other shard does its share of that.
    Gather(Box<Gathering>),
    /// Answer the HTTP request, or ask the next shard: so many had nothing before.
    Seek { ticket: u64, sought: Sought, asked: u8 },
    /// Merge pages; answer when none is missing.
    List { ticket: u64, limit: u16, pages: Vec<Page>, missing: u16 },
    /// A customer's bind on that shard gets the item at this place of its queue.
    Deliver { customer: CustomerIx, place: Place },
    /// The home of the handset keeps an inbound message.
    Inbound { delivery: super::Delivery },
    /// That shard is told how many receivers this one has.
    Tell,
    /// The owner of the handset looks for the message.
    AskOwner { delivery: super::Delivery },
    /// Every other shard looks for it.
    AskAll { origin: Seeker, missing: u16, applied: bool, notice: Option<Box<ReceiptNotice>> },
    /// The owner keeps it.
    Park { delivery: super::Delivery },
    /// The lender gives tokens of the carrier's rate.
    Rate { carrier: CarrierIx },
    /// The shard with binds of the carrier gives some of the credits wanted.
    Credits { carrier: CarrierIx, wanted: usize },
    /// A part has crossed.
    Cross(Crosses),
}

impl Call {
    /// Whether it goes by places for crossings.
    fn crosses(&self) -> bool {
        matches!(self, Call::Credits { .. } | Call::Cross(_))
    }
}

/// What a customer wants of one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sought {
    pub(crate) customer: CustomerIx,
    pub(crate) id: MessageId,
    /// It is to be redacted, not shown.
    pub(crate) redact: bool,
}

impl Sought {
    pub(crate) fn request(self) -> Request {
        let Sought { customer, id, redact } = self;
        if redact { Request::Redact { customer, id } } else { Request::Get { customer, id } }
    }
}

/// On whose behalf every shard is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seeker {
    /// A PDU that waits for its response.
    Bind(super::Delivery),
    /// A parked receipt.
    Orphan(u64),
}

impl Mesh {
    pub(crate) fn new(own: ShardId, shards: u16, lane: usize) -> Self {
        let none = vec![0; usize::from(shards)];
        let lane = lane.saturating_sub(limits::MESH_CROSSINGS);
        let (crossings, calls) = (none.clone(), HashMap::default());
        Mesh { own, open: none, lane, crossings, next: 1, calls }
    }

    /// The other shards.
    pub(crate) fn peers(&self) -> impl Iterator<Item = ShardId> + use<> {
        let own = self.own;
        let count = u16::try_from(self.open.len()).unwrap_or(u16::MAX);
        (0..count).map(ShardId).filter(move |shard| *shard != own)
    }

    /// Whether a request to `to` would find room for itself and its reply.
    pub(crate) fn has_room(&self, to: ShardId) -> bool {
        self.open.get(usize::from(to.0)).is_some_and(|open| *open < self.lane)
    }

    /// Whether every peer has room.
    pub(crate) fn has_room_everywhere(&self) -> bool {
        self.peers().all(|peer| self.has_room(peer))
    }

    /// Takes the place for one request and files what its reply means. Requests to several peers
    /// may share one call.
    ///
    /// # Panics
    /// Without room: callers ask first.
    pub(crate) fn open(&mut self, to: &[ShardId], call: Call) -> CallId {
        for peer in to {
            let lane = self.lane;
            let Some(open) = self.open.get_mut(usize::from(peer.0)) else {
                panic!("no such shard: {peer}");
            };
            assert!(*open < lane, "request to {peer} without room for its reply");
            *open += 1;
        }
        self.file(call)
    }

    fn file(&mut self, call: Call) -> CallId {
        let id = self.next;
        self.next += 1;
        self.calls.insert(id, call);
        id
    }

    /// Places for crossings to a peer that are free.
    pub(crate) fn crossings_free(&self, to: ShardId) -> usize {
        let taken = self.crossings.get(usize::from(to.0)).copied();
        taken.map_or(0, |taken| limits::MESH_CROSSINGS.saturating_sub(taken))
    }

    /// Takes places for crossings; callers ask first how many are free.
    pub(crate) fn take_places(&mut self, to: ShardId, places: usize) {
        if let Some(taken) = self.crossings.get_mut(usize::from(to.0)) {
            *taken += places;
            assert!(*taken <= limits::MESH_CROSSINGS, "more crosses to {to} than has a place");
        }
    }

    /// Gives places for crossings back.
    pub(crate) fn give_places(&mut self, to: ShardId, places: usize) {
        if let Some(taken) = self.crossings.get_mut(usize::from(to.0)) {
            assert!(*taken >= places, "less crosses to {to} than is given back");
            *taken -= places;
        }
    }

    /// Files what the reply means to a request that has its place already.
    pub(crate) fn open_crossing(&mut self, call: Call) -> CallId {
        self.file(call)
    }

    /// A reply came: gives back the place and what to do. `None` cannot happen between shards of
    /// one process.
    pub(crate) fn close(&mut self, from: ShardId, id: CallId) -> Option<Call> {
        let call = self.calls.remove(&id);
        if !call.as_ref().is_some_and(Call::crosses)
            && let Some(open) = self.open.get_mut(usize::from(from.0))
        {
            assert!(*open > 0, "reply from {from} to no request");
            *open -= 1;
        }
        call
    }

    /// Takes a call out of which a share is done here.
    pub(crate) fn recall(&mut self, id: CallId) -> Option<Call> {
        self.calls.remove(&id)
    }

    /// Files a call that misses further replies again.
    pub(crate) fn keep(&mut self, id: CallId, call: Call) {
        self.calls.insert(id, call);
    }

    /// Requests without a reply.
    pub(crate) fn in_flight(&self) -> usize {
        self.calls.len()
    }
}
