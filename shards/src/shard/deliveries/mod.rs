//! Receipts and inbound messages on their way to customers' binds: to a receiver of this shard, else
//! to a shard that has one, else they wait. Each leaves only once what it says is on disk, and is
//! offered until the customer has taken it, has refused it for good, or its time is over. Part of
//! the shard's machine; one `Deliveries` per shard.

mod owed;
pub(crate) mod pdu;
pub(crate) mod queue;
pub(crate) mod receipt;
pub(crate) mod shelf;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use postrider_core::clock::{Now, UnixMs};
use postrider_core::limits;
use postrider_core::place::ShardId;
use postrider_http::auth::CustomerIx;
use postrider_smpp::session::SubmitRefused;
use postrider_storage::{Record, Urgency};

pub(super) use self::owed::owed_group;
use self::pdu::CustomerDelivery;
use self::queue::{DeliveryAnswer, Item, Place, Queue, Settled};
use self::receipt::{DeliveryEnd, ReceiptEnd, owed_since, receipt_pdu};
use self::shelf::Shelf;
use super::mesh::{Call, CallId, Reply, Request};
use super::{ConnIx, Drain, Shard};
use crate::stats::{Counter, Gauge};

/// Everything that this shard brings to customers' binds.
#[derive(Default)]
pub(crate) struct Deliveries {
    customers: BTreeMap<CustomerIx, Customer>,
    /// Customers for whom something may have become possible.
    touched: BTreeSet<CustomerIx>,
    /// When a customer is to be looked at again.
    timers: BTreeSet<(Duration, CustomerIx)>,
    /// PDUs on binds of this shard that wait for their answer.
    out: HashMap<u64, Out, std::hash::BuildHasherDefault<ahash::AHasher>>,
    next_token: u64,
}

#[derive(Default)]
struct Customer {
    queue: Queue,
    /// What of it waits on disk.
    shelf: Shelf,
    /// What other shards gave for this shard's binds.
    guests: VecDeque<Guest>,
    peers: BTreeMap<ShardId, Peer>,
    armed: Option<Duration>,
}

/// Another shard, as far as one customer is concerned.
#[derive(Default)]
struct Peer {
    /// Its binds that receive.
    receivers: u16,
    /// Items under way to it.
    out: usize,
    /// How many of ours it was told of.
    told: u16,
}

struct Guest {
    from: ShardId,
    call: CallId,
    delivery: Box<CustomerDelivery>,
}

/// Whose the answer of a bind is.
enum Out {
    Own { customer: CustomerIx, place: Place },
    Guest(Guest),
}

impl Deliveries {
    /// PDUs without an answer, and guests that wait for a bind.
    pub(crate) fn in_flight(&self) -> usize {
        self.out.len()
            + self.customers.values().map(|customer| customer.guests.len()).sum::<usize>()
    }

    /// What customers are owed.
    fn waiting(&self) -> usize {
        self.customers.values().map(|customer| customer.queue.len()).sum()
    }

    /// When a customer is to be looked at again.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        self.timers.first().map(|(at, _)| *at)
    }

    fn customer(&mut self, customer: CustomerIx) -> &mut Customer {
        self.customers.entry(customer).or_default()
    }

    /// The customer is owed an item since then.
    pub(crate) fn push(&mut self, customer: CustomerIx, item: Item, since: UnixMs) {
        self.customer(customer).queue.push(item, since);
        self.touched.insert(customer);
    }

    fn touch(&mut self, customer: CustomerIx) {
        self.touched.insert(customer);
    }

    fn out(&mut self, out: Out) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        self.out.insert(token, out);
        token
    }

    /// Touches the customers whose time has come.
    fn handle_timeout(&mut self, now: Duration) {
        while let Some((at, customer)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, customer));
            if let Some(held) = self.customers.get_mut(&customer) {
                held.armed = None;
                held.queue.handle_timeout(now);
            }
            self.touched.insert(customer);
        }
    }

    /// Sets the customer's timer to what its queue asks for.
    fn arm(&mut self, now: Now, customer: CustomerIx) {
        let Some(held) = self.customers.get_mut(&customer) else { return };
        let next = held.queue.poll_timeout(now);
        if next == held.armed {
            return;
        }
        if let Some(old) = std::mem::replace(&mut held.armed, next) {
            self.timers.remove(&(old, customer));
        }
        if let Some(next) = next {
            self.timers.insert((next, customer));
        }
    }
}

impl Customer {
    /// The other shard to hand the next item to: the one with the fewest under way.
    fn peer(&self) -> Option<ShardId> {
        let able = |peer: &Peer| peer.receivers > 0 && peer.out < limits::DELIVERIES_PER_PEER;
        let open = self.peers.iter().filter(|(_, peer)| able(peer));
        open.min_by_key(|(_, peer)| peer.out).map(|(shard, _)| *shard)
    }
}

impl Shard {
    /// What a message owes is on disk: its customer is to get it.
    pub(super) fn owe_receipt(&mut self, sequence: u64, receipt: u16) {
        let Some(message) = self.table.get(sequence) else { return };
        let Some(customer) = self.shared.customer_of(message.envelope.customer) else { return };
        if let Some(since) = owed_since(message, receipt) {
            self.deliveries.push(customer, Item::Receipt { sequence, receipt }, since);
        }
    }

    /// A receiver bound, is gone, or its window got room.
    pub(super) fn receiver_ready(&mut self, _now: Now, customer: CustomerIx) {
        self.deliveries.touch(customer);
    }

    /// A bind's customer answered; `None`: no answer will come.
    pub(super) fn delivery_answered(&mut self, now: Now, token: u64, status: Option<u32>) {
        let answer = status.map_or(DeliveryAnswer::Lost, DeliveryAnswer::Status);
        match self.deliveries.out.remove(&token) {
            Some(Out::Own { customer, place }) => self.settle(now, customer, place, answer),
            Some(Out::Guest(guest)) => self.answer_guest(guest, answer),
            None => {}
        }
    }

    /// Hands over what can be handed over.
    pub(super) fn pump_deliveries(&mut self, now: Now) {
        self.deliveries.handle_timeout(now.mono);
        // More is to be done for these, once others have got on.
        let mut later = Vec::new();
        while let Some(customer) = self.deliveries.touched.pop_first() {
            self.expire_deliveries(now, customer);
            self.hand_over(now, customer);
            self.deliveries.arm(now, customer);
            let (filled, told) = (self.refill(customer), self.tell_receivers(customer));
            if !filled || !told {
                later.push(customer);
            }
        }
        self.deliveries.touched.extend(later);
    }

    fn hand_over(&mut self, now: Now, customer: CustomerIx) {
        if self.drain != Drain::No || self.receivers(customer) == 0 {
            self.send_guests_back(customer);
        }
        while self.drain == Drain::No {
            if let Some(conn) = self.local_receiver(customer) {
                let guest = self.deliveries.customer(customer).guests.pop_front();
                let went = match guest {
                    Some(guest) => self.hand_guest(now, conn, customer, guest),
                    None => self.hand_own(now, conn, customer),
                };
                if !went {
                    break;
                }
            } else if !self.hand_to_peer(now, customer) {
                break;
            }
        }
    }

    /// The next item of the customer's own queue that still has something to say.
    fn next_own(
        &mut self,
        now: Now,
        customer: CustomerIx,
    ) -> Option<(Place, Box<CustomerDelivery>)> {
        loop {
            let queue = &mut self.deliveries.customers.get_mut(&customer)?.queue;
            let (place, item) = queue.first(now.mono)?;
            queue.take(place);
            match self.delivery_of(item) {
                Some(delivery) => return Some((place, delivery)),
                None => self.settle(now, customer, place, DeliveryAnswer::Unsendable),
            }
        }
    }

    fn delivery_of(&self, item: Item) -> Option<Box<CustomerDelivery>> {
        match item {
            Item::Receipt { sequence, receipt } => {
                receipt_pdu(self.table.get(sequence)?, receipt).map(Box::new)
            }
            Item::Inbound { inbound, pdu } => self.inbound_delivery(inbound, pdu).map(Box::new),
        }
    }

    /// Puts an item of this shard's on a bind of this shard's; false when nothing can go on.
    fn hand_own(&mut self, now: Now, conn: ConnIx, customer: CustomerIx) -> bool {
        let Some((place, delivery)) = self.next_own(now, customer) else { return false };
        let token = self.deliveries.out(Out::Own { customer, place });
        let Err(refused) = self.deliver_on(now, conn, token, &delivery.message()) else {
            return true;
        };
        self.deliveries.out.remove(&token);
        let answer = not_sent(refused);
        self.settle(now, customer, place, answer);
        answer == DeliveryAnswer::Unsendable
    }

    /// The same for what another shard gave.
    fn hand_guest(&mut self, now: Now, conn: ConnIx, customer: CustomerIx, guest: Guest) -> bool {
        let token = self.deliveries.next_token;
        let Err(refused) = self.deliver_on(now, conn, token, &guest.delivery.message()) else {
            self.deliveries.out(Out::Guest(guest));
            return true;
        };
        let answer = not_sent(refused);
        if answer == DeliveryAnswer::Unsendable {
            self.answer_guest(guest, answer);
            return true;
        }
        self.deliveries.customer(customer).guests.push_front(guest);
        false
    }

    /// Gives the next item to a shard that has a receiver; false when nothing can go on.
    fn hand_to_peer(&mut self, now: Now, customer: CustomerIx) -> bool {
        let peer = self.deliveries.customers.get(&customer).and_then(Customer::peer);
        let Some(peer) = peer.filter(|peer| self.mesh.has_room(*peer)) else { return false };
        let Some((place, delivery)) = self.next_own(now, customer) else { return false };
        if let Some(peer) = self.deliveries.customer(customer).peers.get_mut(&peer) {
            peer.out += 1;
        }
        let call = self.mesh.open(&[peer], Call::Deliver { customer, place });
        self.request(peer, call, Request::Deliver { customer, delivery });
        true
    }

    /// Another shard gave an item for a bind of this one.
    pub(super) fn deliver_for_peer(
        &mut self,
        from: ShardId,
        call: CallId,
        customer: CustomerIx,
        delivery: Box<CustomerDelivery>,
    ) {
        self.deliveries.customer(customer).guests.push_back(Guest { from, call, delivery });
        self.deliveries.touch(customer);
    }

    /// What came of an item that another shard was given.
    pub(super) fn peer_delivered(
        &mut self,
        now: Now,
        from: ShardId,
        (customer, place): (CustomerIx, Place),
        answer: DeliveryAnswer,
    ) {
        if let Some(peer) = self.deliveries.customer(customer).peers.get_mut(&from) {
            peer.out = peer.out.saturating_sub(1);
        }
        self.settle(now, customer, place, answer);
    }

    fn answer_guest(&mut self, guest: Guest, answer: DeliveryAnswer) {
        let reply = Reply::Delivered { spent: guest.delivery, answer };
        self.reply(guest.from, guest.call, reply);
    }

    fn send_guests_back(&mut self, customer: CustomerIx) {
        let Some(held) = self.deliveries.customers.get_mut(&customer) else { return };
        for guest in std::mem::take(&mut held.guests) {
            self.answer_guest(guest, DeliveryAnswer::NotTried);
        }
    }

    /// Another shard's receivers of a customer.
    pub(super) fn receivers_of_peer(&mut self, from: ShardId, customer: CustomerIx, count: u16) {
        self.deliveries.customer(customer).peers.entry(from).or_default().receivers = count;
        self.deliveries.touch(customer);
    }

    /// Tells the other shards how many receivers are here; false when one could not be told yet.
    fn tell_receivers(&mut self, customer: CustomerIx) -> bool {
        let count = self.receivers(customer);
        let mut all = true;
        for shard in self.mesh.peers() {
            let peer = self.deliveries.customer(customer).peers.entry(shard).or_default();
            if peer.told == count {
                continue;
            }
            if !self.mesh.has_room(shard) {
                all = false;
                continue;
            }
            peer.told = count;
            let call = self.mesh.open(&[shard], Call::Tell);
            self.request(shard, call, Request::Receivers { customer, count });
        }
        all
    }

    /// What came of an item that left its queue.
    fn settle(&mut self, now: Now, customer: CustomerIx, place: Place, answer: DeliveryAnswer) {
        self.deliveries.touch(customer);
        let queue = &mut self.deliveries.customer(customer).queue;
        let Some((item, tries, settled)) = queue.answered(now, place, answer) else { return };
        let status = match answer {
            DeliveryAnswer::Status(status) => status,
            DeliveryAnswer::Lost | DeliveryAnswer::NotTried | DeliveryAnswer::Unsendable => 0,
        };
        match settled {
            Settled::Again => self.stats.inc(Counter::DeliveriesAgain),
            Settled::Delivered => self.ended(now, item, tries, DeliveryEnd::Delivered, status),
            Settled::GivenUp => self.ended(now, item, tries, DeliveryEnd::GivenUp, status),
        }
    }

    fn expire_deliveries(&mut self, now: Now, customer: CustomerIx) {
        while let Some(held) = self.deliveries.customers.get_mut(&customer)
            && let Some((item, tries)) = held.queue.poll_expired(now.wall)
        {
            self.ended(now, item, tries, DeliveryEnd::GivenUp, 0);
        }
    }

    /// An item is owed no more.
    fn ended(&mut self, now: Now, item: Item, attempt: u16, end: DeliveryEnd, status: u32) {
        match item {
            Item::Receipt { sequence, receipt } => {
                self.stats.inc(match end {
                    DeliveryEnd::Delivered => Counter::CustomerReceiptsDelivered,
                    DeliveryEnd::GivenUp => Counter::CustomerReceiptsGivenUp,
                });
                let end = ReceiptEnd { receipt, attempt, at: now.wall, end, status };
                self.append_of(now, sequence, &receipt_record(sequence, &end), Urgency::Lazy);
                if let Some(message) = self.table.get_mut(sequence) {
                    message.apply_receipt_end(end);
                }
                self.close_if_done(now, sequence);
            }
            Item::Inbound { inbound, pdu } => {
                self.inbound_ended(now, inbound, pdu, end == DeliveryEnd::Delivered);
            }
        }
    }

    /// After a restart: what was owed, oldest first.
    pub(super) fn resume_deliveries(&mut self, mut owed: Vec<(UnixMs, u64, u16)>) {
        owed.sort_unstable();
        for (_, sequence, receipt) in owed {
            self.owe_receipt(sequence, receipt);
        }
    }

    pub(super) fn publish_deliveries(&self) {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.stats.set(Gauge::DeliveriesWaiting, count(self.deliveries.waiting()));
        self.stats.set(Gauge::InboundHeld, count(self.inbox.len()));
        self.stats.set(Gauge::DeliveriesInFlight, count(self.deliveries.out.len()));
    }
}

/// The end of a receipt as the log holds it.
pub(super) fn receipt_record(sequence: u64, end: &ReceiptEnd) -> Record<'static> {
    Record::CustomerReceipt {
        sequence,
        receipt: end.receipt,
        attempt: end.attempt,
        at_ms: end.at.0,
        next_ms: 0,
        outcome: end.end as u8,
        status: end.status,
    }
}

/// Why nothing was written to a bind.
fn not_sent(refused: SubmitRefused) -> DeliveryAnswer {
    match refused {
        SubmitRefused::NotBound | SubmitRefused::WindowFull => DeliveryAnswer::NotTried,
        SubmitRefused::Encode(_) | SubmitRefused::NotInVersion => DeliveryAnswer::Unsendable,
    }
}
