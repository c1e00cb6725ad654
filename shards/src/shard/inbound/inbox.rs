//! The messages from handsets that this shard is home of: what has come, what waits for its
//! siblings, what a carrier sends again, what its customer has not yet taken. Pure: time is an
//! argument. One per shard, rebuilt from the log.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::Hasher;
use std::time::Duration;

use postrider_core::clock::UnixMs;
use postrider_core::limits;
use postrider_core::reassembly::{Arrived, MessageKey, Reassembler};
use postrider_storage::{Position, SegmentId};

use super::notice::{Fragment, Origin};

/// The number of a fragment, or of a message by its first fragment.
pub(crate) type Number = u64;

/// One fragment that its customer has not yet taken.
pub(crate) struct Held {
    pub(crate) fragment: Fragment,
    pub(crate) from: Origin,
    /// Where its record lies.
    pub(crate) at: Position,
}

/// Fragments that go to their customer together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    /// The fragments, in order.
    pub(crate) members: Vec<Number>,
    /// Whether it lacks siblings, which have not come in time.
    pub(crate) partial: bool,
}

/// What becomes of a fragment that is on disk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It goes to its customer, alone or with its siblings.
    Ready(Ready),
    /// It waits for its siblings.
    Waits,
    /// It waits already.
    Repeated,
}

/// What is under way to the customer.
pub(crate) struct Going {
    pub(crate) members: Vec<Number>,
    pub(crate) partial: bool,
    /// The PDUs that the customer has not yet taken.
    left: BTreeSet<u8>,
    /// One was given up.
    given_up: bool,
}

/// See the module's page.
pub(crate) struct Inbox {
    held: BTreeMap<Number, Held>,
    octets: usize,
    by_customer: HashMap<u32, usize, std::hash::BuildHasherDefault<ahash::AHasher>>,
    siblings: Reassembler<Number>,
    going: BTreeMap<Number, Going>,
    known: Known,
    next: Number,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Inbox {
            held: BTreeMap::new(),
            octets: 0,
            by_customer: HashMap::default(),
            siblings: Reassembler::default(),
            going: BTreeMap::new(),
            known: Known::default(),
            next: 1,
        }
    }

    /// Fragments that wait for siblings or for their customer.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether another fragment of `octets` for this customer is within the bounds.
    pub(crate) fn has_room(&self, customer: u32, octets: usize) -> bool {
        let waiting = self.by_customer.get(&customer).copied().unwrap_or(0);
        waiting < limits::INBOUND_PER_CUSTOMER && self.octets + octets <= limits::INBOUND_BYTES
    }

    /// Whether the carrier sent the same before, so lately that it is no other message.
    pub(crate) fn knows(&self, fragment: &Fragment, from: Origin) -> bool {
        self.known.has(fingerprint(fragment, from), from.at, span(fragment))
    }

    /// The number of the next fragment.
    pub(crate) fn next_number(&self) -> Number {
        self.next
    }

    /// Keeps a fragment under the number that it has in the log. It goes nowhere before
    /// [`Inbox::arrived`].
    pub(crate) fn insert(&mut self, number: Number, held: Held) {
        self.seen(number);
        self.remove(number);
        self.known.note(fingerprint(&held.fragment, held.from), held.from.at);
        self.octets += held.fragment.octets();
        *self.by_customer.entry(held.from.customer).or_default() += 1;
        self.held.insert(number, held);
    }

    /// A number that the log names is not given again.
    pub(crate) fn seen(&mut self, number: Number) {
        self.next = self.next.max(number + 1);
    }

    pub(crate) fn get(&self, number: Number) -> Option<&Held> {
        self.held.get(&number)
    }

    /// Forgets a fragment: its customer has it, or it is given up.
    pub(crate) fn remove(&mut self, number: Number) {
        let Some(held) = self.held.remove(&number) else { return };
        self.octets -= held.fragment.octets();
        if let Some(count) = self.by_customer.get_mut(&held.from.customer) {
            *count -= 1;
        }
    }

    /// Forgets the fragments of other handsets than those.
    pub(crate) fn retain(&mut self, own: impl Fn(&[u8]) -> bool) {
        let others = self.held.iter().filter(|(_, held)| !own(&held.fragment.source.digits));
        for number in others.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.remove(number);
        }
    }

    /// The numbers held, oldest first.
    pub(crate) fn numbers(&self) -> Vec<Number> {
        self.held.keys().copied().collect()
    }

    /// The numbers held, with the places of their records.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Number, Position)> + '_ {
        self.held.iter().map(|(number, held)| (*number, held.at))
    }

    /// What tells copies that a carrier sends again: when each came first, and its fingerprint.
    pub(crate) fn known(&self) -> impl Iterator<Item = (UnixMs, u64)> + '_ {
        self.known.order.iter().copied()
    }

    /// Something came once, before this process began.
    pub(crate) fn came(&mut self, at: UnixMs, fingerprint: u64) {
        self.known.note(fingerprint, at);
    }

    /// A fragment is on disk: it goes to its customer, alone when it is not to be joined, or waits
    /// for its siblings. `at` is when it came, in monotonic time.
    pub(crate) fn arrived(&mut self, at: Duration, number: Number, join: bool) -> Arrival {
        let Some(held) = self.held.get(&number) else { return Arrival::Waits };
        let fragment = &held.fragment;
        let Some(place) = fragment.concat.filter(|_| join) else {
            return Arrival::Ready(Ready { members: vec![number], partial: false });
        };
        let (source, dest) = (&fragment.source.digits, &fragment.dest.digits);
        let key = MessageKey::new(held.from.carrier, source, dest, place);
        let octets = fragment.body.expose();
        match self.siblings.handle_part(at, key, place.index, octets, number) {
            Arrived::Whole(members) => Arrival::Ready(Ready { members, partial: false }),
            Arrived::Waits => Arrival::Waits,
            Arrived::Repeated(_) => Arrival::Repeated,
        }
    }

    /// The next fragments that wait for their siblings no more.
    pub(crate) fn poll_partial(&mut self, now: Duration) -> Option<Ready> {
        let partial = self.siblings.poll_expired(now)?;
        let members = partial.parts.into_iter().map(|(_, number)| number).collect();
        Some(Ready { members, partial: true })
    }

    /// When [`Inbox::poll_partial`] has something next.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        self.siblings.poll_timeout()
    }

    /// The fragments are on their way to the customer in so many PDUs; gives the message's number.
    pub(crate) fn go(&mut self, ready: Ready, pdus: u8) -> Option<Number> {
        let number = *ready.members.first()?;
        let Ready { members, partial } = ready;
        let going = Going { members, partial, left: (0..pdus).collect(), given_up: false };
        self.going.insert(number, going);
        Some(number)
    }

    /// What is on its way under this number.
    pub(crate) fn going(&self, number: Number) -> Option<&Going> {
        self.going.get(&number)
    }

    /// A PDU is the customer's, or was given up. The last one ends the message: its fragments, and
    /// whether the customer got all.
    pub(crate) fn ended(
        &mut self,
        number: Number,
        pdu: u8,
        delivered: bool,
    ) -> Option<(Vec<Number>, bool)> {
        let going = self.going.get_mut(&number)?;
        going.left.remove(&pdu);
        going.given_up |= !delivered;
        if !going.left.is_empty() {
            return None;
        }
        let going = self.going.remove(&number)?;
        for member in &going.members {
            self.remove(*member);
        }
        Some((going.members, !going.given_up))
    }

    /// Up to `limit` fragments whose record lies in `oldest` or before, oldest first.
    pub(crate) fn homed(&self, oldest: SegmentId, limit: usize) -> Vec<Number> {
        let old = self.held.iter().filter(|(_, held)| held.at.segment <= oldest);
        old.map(|(number, _)| *number).take(limit).collect()
    }

    /// The fragment's record was written again.
    pub(crate) fn rehome(&mut self, number: Number, at: Position) {
        if let Some(held) = self.held.get_mut(&number) {
            held.at = at;
        }
    }
}

/// How long the same octets are taken for the same message.
fn span(fragment: &Fragment) -> Duration {
    match fragment.concat {
        Some(_) => limits::REASSEMBLY_TIMEOUT,
        None => limits::INBOUND_RESEND,
    }
}

/// What tells a fragment from any other.
fn fingerprint(fragment: &Fragment, from: Origin) -> u64 {
    let mut hasher = siphasher::sip::SipHasher13::new();
    let fields: [&[u8]; 4] =
        [&fragment.source.digits, &fragment.dest.digits, &fragment.udh, fragment.body.expose()];
    hasher.write_u32(from.carrier);
    for field in fields {
        hasher.write_usize(field.len());
        hasher.write(field);
    }
    let place = fragment.concat.map_or((0, 0, 0), |c| (c.reference, c.total, c.index));
    hasher.write_u16(place.0);
    hasher.write(&[place.1, place.2, fragment.data_coding, fragment.protocol_id]);
    hasher.finish()
}

/// The fragments that came of late, by fingerprint: when each came first.
#[derive(Default)]
struct Known {
    first: HashMap<u64, UnixMs, std::hash::BuildHasherDefault<ahash::AHasher>>,
    order: VecDeque<(UnixMs, u64)>,
}

impl Known {
    fn has(&self, fingerprint: u64, at: UnixMs, span: Duration) -> bool {
        self.first.get(&fingerprint).is_some_and(|first| at.since(*first) < span)
    }

    fn note(&mut self, fingerprint: u64, at: UnixMs) {
        while let Some((first, oldest)) = self.order.front().copied() {
            let old = at.since(first) >= limits::REASSEMBLY_TIMEOUT;
            if !old && self.order.len() < limits::INBOUND_REMEMBERED {
                break;
            }
            self.order.pop_front();
            if self.first.get(&oldest) == Some(&first) {
                self.first.remove(&oldest);
            }
        }
        self.first.insert(fingerprint, at);
        self.order.push_back((at, fingerprint));
    }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
