//! Messages from handsets: from any bind to the home of the handset, onto disk before the carrier is
//! answered, joined with their siblings, then to the customer whose number they went to. Part of the
//! shard's machine.

mod compose;
mod inbox;
mod notice;

use std::borrow::Cow;
use std::collections::HashMap;

use postrider_core::clock::{Now, UnixMs};
use postrider_core::config::{AlphabetConfig, Config, CustomerSmpp};
use postrider_core::limits;
use postrider_core::number::Msisdn;
use postrider_core::route::CarrierIx;
use postrider_core::sender::SenderId;
use postrider_http::auth::CustomerIx;
use postrider_smpp::status::CommandStatus;
use postrider_storage::{InboundRecord, Position, Record, SegmentId};

use self::compose::Composed;
pub(crate) use self::inbox::Inbox;
use self::inbox::{Arrival, Held, Number, Ready};
pub(crate) use self::notice::Fragment;
pub use self::notice::InboundNotice;
use self::notice::Origin;
use super::deliveries::pdu::CustomerDelivery;
use super::deliveries::queue::Item;
use super::mesh::{Call, CallId, Reply, Request};
use super::{After, Delivery, Shard, Shared};
use crate::stats::Counter;
use postrider_core::place::ShardId;

/// What came of an inbound message at its home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboundOutcome {
    /// It is on disk, or came before.
    Kept,
    /// No room for it now.
    Refused,
}

/// How an inbound message ended; the number is the log's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum InboundEnd {
    Delivered = 1,
    GivenUp = 2,
    /// It came twice.
    Repeated = 3,
}

/// Whose the numbers and short codes are.
pub(crate) struct Owners {
    long: HashMap<Msisdn, CustomerIx, std::hash::BuildHasherDefault<ahash::AHasher>>,
    short: HashMap<Box<[u8]>, CustomerIx, std::hash::BuildHasherDefault<ahash::AHasher>>,
}

impl Owners {
    pub(crate) fn new(config: &Config) -> Self {
        let mut owners = Owners { long: HashMap::default(), short: HashMap::default() };
        for (customer, at) in config.customers.iter().zip(0u16..) {
            for number in &customer.numbers {
                let customer = CustomerIx(at);
                match number {
                    SenderId::LongCode(number) => owners.long.insert(*number, customer),
                    SenderId::ShortCode(_) | SenderId::Alphanumeric(_) => {
                        owners.short.insert(number.address().as_bytes().into(), customer)
                    }
                };
            }
        }
        owners
    }

    /// The customer of an address: a number with or without `+` or `00`, or a short code.
    fn of(&self, address: &[u8]) -> Option<CustomerIx> {
        let long = Msisdn::from_carrier(address).and_then(|number| self.long.get(&number));
        long.or_else(|| self.short.get(address.strip_prefix(b"+").unwrap_or(address))).copied()
    }
}

impl Shard {
    /// A message from a handset came on one of this shard's binds.
    pub(super) fn inbound_arrived(
        &mut self,
        now: Now,
        delivery: Delivery,
        carrier: CarrierIx,
        fragment: Fragment,
    ) {
        let Some(customer) = self.owners.of(&fragment.dest.digits) else {
            self.stats.inc(Counter::InboundUnowned);
            self.respond(delivery, CommandStatus::ESME_RX_R_APPN.0);
            return;
        };
        let home = self.shared.placement.home(&fragment.source.digits);
        let notice = InboundNotice { carrier, customer, at: now.wall, fragment };
        if home == self.id {
            match self.keep(now, &notice) {
                InboundOutcome::Kept => self.journal.then(After::Respond { delivery, status: 0 }),
                InboundOutcome::Refused => self.refuse_inbound(delivery),
            }
        } else if self.mesh.has_room(home) {
            let call = self.mesh.open(&[home], Call::Inbound { delivery });
            self.request(home, call, Request::Inbound { notice: Box::new(notice) });
        } else {
            self.refuse_inbound(delivery);
        }
    }

    /// The carrier is asked to send it again.
    fn refuse_inbound(&mut self, delivery: Delivery) {
        self.stats.inc(Counter::InboundRefused);
        let status = self.receipt_retry_status(delivery);
        self.respond(delivery, status);
    }

    /// A peer's bind got a message from a handset whose home is here.
    pub(super) fn inbound_for_peer(
        &mut self,
        now: Now,
        from: ShardId,
        call: CallId,
        notice: Box<InboundNotice>,
    ) {
        let outcome = self.keep(now, &notice);
        let reply = Reply::Inbound { spent: notice, outcome };
        match outcome {
            InboundOutcome::Kept => {
                self.journal.then(After::Reply { to: from, call, reply: Box::new(reply) });
            }
            InboundOutcome::Refused => self.reply(from, call, reply),
        }
    }

    /// What the home said of an inbound message.
    pub(super) fn take_inbound_outcome(&mut self, delivery: Delivery, outcome: InboundOutcome) {
        match outcome {
            InboundOutcome::Kept => self.respond(delivery, 0),
            InboundOutcome::Refused => self.refuse_inbound(delivery),
        }
    }

    /// At the home: takes the message into the log, unless it is there.
    fn keep(&mut self, now: Now, notice: &InboundNotice) -> InboundOutcome {
        let from = Origin {
            carrier: self.shared.carrier_number(notice.carrier),
            customer: self.shared.customer_number(notice.customer),
            at: notice.at,
        };
        let fragment = &notice.fragment;
        if self.inbox.knows(fragment, from) {
            self.stats.inc(Counter::InboundRepeated);
            return InboundOutcome::Kept;
        }
        if !self.inbox.has_room(from.customer, fragment.octets()) || self.storage_is_short() {
            return InboundOutcome::Refused;
        }
        self.stats.inc(Counter::InboundAccepted);
        let number = self.inbox.next_number();
        let record = Record::Inbound(fragment.record(number, from));
        let at = self.journal.append(now.mono, &record).at;
        self.inbox.insert(number, Held { fragment: fragment.clone(), from, at });
        self.journal.then(After::Inbound { number });
        InboundOutcome::Kept
    }

    /// A fragment is on disk: with its siblings it goes to its customer.
    pub(super) fn inbound_kept(&mut self, now: Now, number: Number) {
        let Some(held) = self.inbox.get(number) else { return };
        let join = compose::is_text(&held.fragment, &alphabet(&self.shared, held.from.carrier));
        // After a restart that may have been a while ago.
        let at = now.mono.saturating_sub(now.wall.since(held.from.at));
        match self.inbox.arrived(at, number, join) {
            Arrival::Ready(ready) => self.inbound_ready(ready),
            Arrival::Waits => {}
            Arrival::Repeated => self.close_inbound(now, &[number], InboundEnd::Repeated),
        }
    }

    /// Lets go of fragments that have waited for their siblings long enough.
    pub(super) fn pump_inbound(&mut self, now: Now) {
        while let Some(ready) = self.inbox.poll_partial(now.mono) {
            self.stats.inc(Counter::InboundPartial);
            self.inbound_ready(ready);
        }
    }

    fn inbound_ready(&mut self, ready: Ready) {
        let Some(held) = ready.members.first().and_then(|first| self.inbox.get(*first)) else {
            return;
        };
        let (customer, since) = (held.from.customer, held.from.at);
        let composed = self.composed(&ready.members, ready.partial);
        let members = u8::try_from(ready.members.len()).unwrap_or(u8::MAX);
        let pdus = composed.map_or(members, |composed| composed.pdus());
        let Some(inbound) = self.inbox.go(ready, pdus) else { return };
        if let Some(customer) = self.shared.customer_of(customer) {
            for pdu in 0..pdus {
                self.deliveries.push(customer, Item::Inbound { inbound, pdu }, since);
            }
        }
    }

    /// The members as one text of the customer's; `None` when each goes by itself.
    fn composed(&self, members: &[Number], partial: bool) -> Option<Composed> {
        if partial {
            return None;
        }
        let held: Vec<&Held> = members.iter().filter_map(|n| self.inbox.get(*n)).collect();
        let from = held.first()?.from;
        let fragments: Vec<&Fragment> = held.iter().map(|held| &held.fragment).collect();
        let carrier = alphabet(&self.shared, from.carrier);
        if !fragments.iter().all(|fragment| compose::is_text(fragment, &carrier)) {
            return None;
        }
        Composed::new(&fragments, &carrier, account(&self.shared, from.customer)?)
    }

    /// The deliver_sm of one PDU of an inbound message.
    pub(super) fn inbound_delivery(&self, inbound: Number, pdu: u8) -> Option<CustomerDelivery> {
        let going = self.inbox.going(inbound)?;
        if let Some(composed) = self.composed(&going.members, going.partial) {
            let first = self.inbox.get(inbound)?;
            return composed.pdu(pdu, &first.fragment, inbound);
        }
        let held = self.inbox.get(*going.members.get(usize::from(pdu))?)?;
        let carrier = alphabet(&self.shared, held.from.carrier);
        let account = account(&self.shared, held.from.customer)?;
        Some(if compose::is_text(&held.fragment, &carrier) {
            compose::alone(&held.fragment, &carrier, account)
        } else {
            compose::as_it_came(&held.fragment)
        })
    }

    /// A PDU of an inbound message is the customer's, or was given up.
    pub(super) fn inbound_ended(&mut self, now: Now, inbound: Number, pdu: u8, delivered: bool) {
        let Some((members, all)) = self.inbox.ended(inbound, pdu, delivered) else { return };
        let end = if all { InboundEnd::Delivered } else { InboundEnd::GivenUp };
        self.stats.inc(if all { Counter::InboundDelivered } else { Counter::InboundGivenUp });
        self.close_inbound(now, &members, end);
    }

    fn close_inbound(&mut self, now: Now, members: &[Number], end: InboundEnd) {
        for inbound in members {
            self.inbox.remove(*inbound);
            let (inbound, at_ms) = (*inbound, now.wall.0);
            let record = Record::InboundClosed { inbound, at_ms, outcome: end as u8 };
            self.journal.append_lazy(now.mono, &record);
        }
    }

    /// Gives up messages of handsets and customers that are to be forgotten.
    pub(super) fn forget_inbound(&mut self, now: Now) {
        let scopes = self.erasures.scopes();
        let meant = |number: &Number| {
            self.inbox.get(*number).is_some_and(|held| {
                let handset = Msisdn::from_carrier(&held.fragment.source.digits);
                scopes.include(handset, held.from.customer, held.from.at)
            })
        };
        let meant: Vec<Number> = self.inbox.numbers().into_iter().filter(meant).collect();
        self.close_inbound(now, &meant, InboundEnd::GivenUp);
    }

    /// After a restart: what was not yet handed over, oldest first.
    pub(super) fn resume_inbound(&mut self, now: Now) {
        for number in self.inbox.numbers() {
            self.inbound_kept(now, number);
        }
    }

    /// The oldest segment is given back: writes what is held in it again, a share each turn; true
    /// when nothing is left.
    pub(super) fn carry_inbound(&mut self, now: Now, oldest: SegmentId) -> bool {
        let numbers = self.inbox.homed(oldest, limits::RECLAIM_PER_TURN);
        for number in &numbers {
            let Some(held) = self.inbox.get(*number) else { continue };
            let record = Record::Inbound(held.fragment.record(*number, held.from));
            let at = self.journal.append_lazy(now.mono, &record).at;
            self.inbox.rehome(*number, at);
        }
        numbers.is_empty()
    }
}

impl Inbox {
    /// A fragment in the log.
    pub(super) fn replay(&mut self, at: Position, record: &InboundRecord<'_>) {
        let from =
            Origin { carrier: record.carrier, customer: record.customer, at: UnixMs(record.at_ms) };
        let held = Held { fragment: Fragment::of_record(record), from, at };
        self.insert(record.inbound, held);
    }

    /// The end of one.
    pub(super) fn replay_end(&mut self, number: Number) {
        self.seen(number);
        self.remove(number);
    }
}

/// The alphabets of a carrier; the usual ones when it is not configured any more.
fn alphabet(shared: &Shared, carrier: u32) -> Cow<'_, AlphabetConfig> {
    let config = shared
        .carrier_of(carrier)
        .and_then(|carrier| shared.config.carriers.get(usize::from(carrier.0)));
    config.map_or_else(Cow::default, |carrier| Cow::Borrowed(&carrier.profile.alphabet))
}

/// The SMPP account of a customer, when it still has one.
fn account(shared: &Shared, customer: u32) -> Option<&CustomerSmpp> {
    let customer = shared.customer_of(customer)?;
    shared.config.customers.get(usize::from(customer.0))?.smpp.as_ref()
}
