//! Puts the parts of long inbound messages together again: any order, repeats, several messages at
//! once, a time-out. Pure; one per shard.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::hash::Hasher;

use crate::limits::{REASSEMBLY_BYTES, REASSEMBLY_MESSAGES, REASSEMBLY_TIMEOUT};
use crate::text::{Concat, ReferenceWidth};

/// What the parts of one message share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageKey {
    carrier: u32,
    source: Box<[u8]>,
    dest: Box<[u8]>,
    reference: u16,
    width: ReferenceWidth,
    total: u8,
}

impl MessageKey {
    /// The message that a part belongs to: a carrier's number, the addresses as they came, and the
    /// place, which [`Concat::new`] and [`split_udh`](crate::text::split_udh) only give when it
    /// makes sense. A void one is to be ignored: the message is whole.
    #[must_use]
    pub fn new(carrier: u32, source: &[u8], dest: &[u8], place: Concat) -> MessageKey {
        let Concat { reference, total, width, index: _ } = place;
        MessageKey { carrier, source: source.into(), dest: dest.into(), reference, width, total }
    }

    /// The carrier's number.
    #[must_use]
    pub fn carrier(&self) -> u32 {
        self.carrier
    }

    /// How many parts there are.
    #[must_use]
    pub fn total(&self) -> u8 {
        self.total
    }
}

/// What became of a part.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrived<T> {
    /// It waits for its siblings.
    Waits,
    /// It is here already; given back.
    Repeated(T),
    /// It was the last: what was held for each part, in order.
    Whole(Vec<T>),
}

/// A message that is given up before all its parts came.
#[derive(Debug, PartialEq, Eq)]
pub struct Partial<T> {
    /// Whose parts they are; its total says how many there should be.
    pub key: MessageKey,
    /// The parts that came, with their numbers from 1, in order.
    pub parts: Vec<(u8, T)>,
}

/// The parts that wait, each with something held for it. Bounded by time ([`REASSEMBLY_TIMEOUT`]
/// from a message's first part), by messages ([`REASSEMBLY_MESSAGES`]) and by octets
/// ([`REASSEMBLY_BYTES`]): beyond a bound the oldest message is given up as it is. Nothing is ever
/// dropped: all that was taken comes out, whole or partial.
#[derive(Debug)]
pub struct Reassembler<T> {
    waiting: BTreeMap<MessageKey, Waiting<T>>,
    /// The waiting messages by age: when they are given up, and a count that keeps them apart.
    by_age: BTreeMap<(Duration, u64), MessageKey>,
    begun: u64,
    octets: usize,
    given_up: VecDeque<Partial<T>>,
}

#[derive(Debug)]
struct Waiting<T> {
    age: (Duration, u64),
    octets: usize,
    parts: BTreeMap<u8, Held<T>>,
}

#[derive(Debug)]
struct Held<T> {
    fingerprint: u64,
    held: T,
}

impl<T> Default for Reassembler<T> {
    fn default() -> Self {
        Reassembler {
            waiting: BTreeMap::new(),
            by_age: BTreeMap::new(),
            begun: 0,
            octets: 0,
            given_up: VecDeque::new(),
        }
    }
}

impl<T> Reassembler<T> {
    /// A part came: its place in its message, its octets (to tell a repeat from another part with a
    /// number used again, and for the bound), and what is to be held for it. `at` is when it came,
    /// in monotonic time; after a restart that may be long ago.
    ///
    /// Drain [`poll_expired`](Self::poll_expired) afterwards.
    pub fn handle_part(
        &mut self,
        at: Duration,
        key: MessageKey,
        number: u8,
        octets: &[u8],
        held: T,
    ) -> Arrived<T> {
        let fingerprint = fingerprint(octets);
        let known = self.waiting.get(&key).and_then(|waiting| waiting.parts.get(&number));
        match known {
            Some(known) if known.fingerprint == fingerprint => return Arrived::Repeated(held),
            // The sender has begun another message with a reference that it used before.
            Some(_) => self.give_up(&key),
            None => {}
        }
        if key.total <= 1 {
            return Arrived::Whole(vec![held]);
        }
        self.make_room(&key, octets.len());
        let begun = &mut self.begun;
        let by_age = &mut self.by_age;
        let waiting = self.waiting.entry(key.clone()).or_insert_with(|| {
            *begun += 1;
            let age = (at.saturating_add(REASSEMBLY_TIMEOUT), *begun);
            by_age.insert(age, key.clone());
            Waiting { age, octets: 0, parts: BTreeMap::new() }
        });
        waiting.parts.insert(number, Held { fingerprint, held });
        waiting.octets += octets.len();
        self.octets += octets.len();
        if waiting.parts.len() < usize::from(key.total) {
            return Arrived::Waits;
        }
        let whole = self.take(&key).unwrap_or_default();
        Arrived::Whole(whole.into_iter().map(|(_, held)| held).collect())
    }

    /// The next message that is given up: its time is over, or it had to make room.
    pub fn poll_expired(&mut self, now: Duration) -> Option<Partial<T>> {
        if let Some(partial) = self.given_up.pop_front() {
            return Some(partial);
        }
        let due = self.by_age.first_key_value().filter(|((due, _), _)| *due <= now);
        let key = due?.1.clone();
        self.give_up(&key);
        self.given_up.pop_front()
    }

    /// When [`poll_expired`](Self::poll_expired) has something next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        if !self.given_up.is_empty() {
            return Some(Duration::ZERO);
        }
        self.by_age.first_key_value().map(|((due, _), _)| *due)
    }

    /// How many messages wait for parts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Gives up the oldest messages until another part fits; that may be the part's own message.
    fn make_room(&mut self, key: &MessageKey, octets: usize) {
        let fresh = usize::from(!self.waiting.contains_key(key));
        while self.waiting.len() + fresh > REASSEMBLY_MESSAGES
            || self.octets + octets > REASSEMBLY_BYTES
        {
            let Some((_, oldest)) = self.by_age.first_key_value() else { return };
            let oldest = oldest.clone();
            self.give_up(&oldest);
        }
    }

    fn give_up(&mut self, key: &MessageKey) {
        if let Some(parts) = self.take(key) {
            self.given_up.push_back(Partial { key: key.clone(), parts });
        }
    }

    fn take(&mut self, key: &MessageKey) -> Option<Vec<(u8, T)>> {
        let waiting = self.waiting.remove(key)?;
        self.by_age.remove(&waiting.age);
        self.octets -= waiting.octets;
        Some(waiting.parts.into_iter().map(|(number, part)| (number, part.held)).collect())
    }
}

fn fingerprint(octets: &[u8]) -> u64 {
    let mut hasher = siphasher::sip::SipHasher13::new();
    hasher.write(octets);
    hasher.finish()
}
