//! The messages of one shard and the ways to find them: by sequence, by customer and time, by what
//! the carrier called a part. One per shard; everything in it can be rebuilt from the log.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

pub(super) use postrider_core::carrier_id::folded as normal;
use postrider_core::clock::UnixMs;
use postrider_core::id::MessageId;
use postrider_core::number::Msisdn;
use postrider_http::request::Cursor;
use postrider_storage::SegmentId;

use super::message::Message;

/// A part of a message of this shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartRef {
    pub(crate) sequence: u64,
    /// From 0.
    pub(crate) part: u8,
}

type CarrierKey = (u32, Box<[u8]>);
type FixedHasher = std::hash::BuildHasherDefault<ahash::AHasher>;

/// All messages of the shard, open and in history.
pub(crate) struct Table {
    messages: BTreeMap<u64, Box<Message>>,
    by_customer: BTreeMap<(u32, UnixMs, MessageId), u64>,
    by_carrier_id: HashMap<CarrierKey, Vec<PartRef>, FixedHasher>,
    /// Messages of which a receipt may speak without an id that is known, by recipient.
    by_handset: HashMap<Msisdn, Vec<u64>, FixedHasher>,
    /// Messages of one submit_multi each.
    by_group: BTreeSet<(MessageId, u64)>,
    by_home: BTreeMap<SegmentId, Vec<u64>>,
    /// Closed messages in the order of their closing.
    history: BTreeMap<u64, u64>,
    closings: u64,
    open: usize,
}

impl Table {
    pub(crate) fn new() -> Self {
        Table {
            messages: BTreeMap::new(),
            by_customer: BTreeMap::new(),
            by_carrier_id: HashMap::default(),
            by_handset: HashMap::default(),
            by_group: BTreeSet::new(),
            by_home: BTreeMap::new(),
            history: BTreeMap::new(),
            closings: 0,
            open: 0,
        }
    }

    /// Messages that are not closed.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Closed messages kept for reading.
    pub(crate) fn history(&self) -> usize {
        self.history.len()
    }

    pub(crate) fn get(&self, sequence: u64) -> Option<&Message> {
        self.messages.get(&sequence).map(|message| &**message)
    }

    pub(crate) fn get_mut(&mut self, sequence: u64) -> Option<&mut Message> {
        self.messages.get_mut(&sequence).map(|message| &mut **message)
    }

    /// The sequences present, oldest first.
    pub(crate) fn sequences(&self) -> Vec<u64> {
        self.messages.keys().copied().collect()
    }

    /// Adds a message that nobody can see yet.
    pub(crate) fn insert(&mut self, message: Message) {
        let sequence = message.envelope.sequence;
        self.by_home.entry(message.home).or_default().push(sequence);
        let before = self.messages.insert(sequence, Box::new(message));
        assert!(before.is_none(), "sequence {sequence} was given twice");
        self.open += 1;
    }

    /// Makes a message visible: its accepted record is on disk.
    pub(crate) fn publish(&mut self, sequence: u64) -> Option<&mut Message> {
        let message = self.messages.get_mut(&sequence)?;
        message.durable = true;
        let envelope = &message.envelope;
        self.by_customer.insert((envelope.customer, envelope.accepted, envelope.id), sequence);
        self.by_handset.entry(envelope.to).or_default().push(sequence);
        self.by_group.extend(envelope.group.map(|group| (group, sequence)));
        Some(message)
    }

    /// The open messages of a customer to a recipient, oldest first.
    pub(crate) fn open_to(&self, customer: u32, to: Msisdn) -> impl Iterator<Item = &Message> {
        let messages = self.by_handset.get(&to).into_iter().flatten();
        let messages = messages.filter_map(|sequence| self.get(*sequence));
        messages.filter(move |m| m.envelope.customer == customer && m.outcome.is_none())
    }

    /// The messages of one submit_multi that are here, oldest first.
    pub(crate) fn group(&self, id: MessageId) -> impl Iterator<Item = &Message> {
        self.by_group
            .range((id, 0)..=(id, u64::MAX))
            .filter_map(|(_, sequence)| self.get(*sequence))
    }

    /// Moves a message's home forward after its records were carried there.
    pub(crate) fn rehome(&mut self, sequence: u64, home: SegmentId) {
        if let Some(message) = self.messages.get_mut(&sequence) {
            message.home = home;
            self.by_home.entry(home).or_default().push(sequence);
        }
    }

    /// The message is closed: it moves to history.
    pub(crate) fn close(&mut self, sequence: u64) {
        self.open = self.open.checked_sub(1).unwrap_or_else(|| panic!("closed more than opened"));
        self.closings += 1;
        self.history.insert(self.closings, sequence);
        let Some(message) = self.messages.get_mut(&sequence) else { return };
        message.closing = Some(self.closings);
        // Of a part whose answer was lost a receipt may still come, with an id that nobody knows.
        if !message.parts.iter().any(|part| part.lost) {
            let to = message.envelope.to;
            self.leave_handset(to, sequence);
        }
    }

    fn leave_handset(&mut self, to: Msisdn, sequence: u64) {
        if let Some(sequences) = self.by_handset.get_mut(&to) {
            sequences.retain(|other| *other != sequence);
            if sequences.is_empty() {
                self.by_handset.remove(&to);
            }
        }
    }

    /// The messages to a handset that are not closed, and those of which a receipt may still tell.
    pub(crate) fn sent_to(&self, handset: Msisdn) -> impl Iterator<Item = &Message> {
        let sequences = self.by_handset.get(&handset).into_iter().flatten();
        sequences.filter_map(|sequence| self.get(*sequence))
    }

    /// The message that has been closed longest.
    pub(crate) fn oldest_closed(&self) -> Option<u64> {
        self.history.first_key_value().map(|(_, sequence)| *sequence)
    }

    /// Forgets a closed message, wherever in history it stands.
    pub(crate) fn forget(&mut self, sequence: u64) {
        if let Some(closing) = self.get(sequence).and_then(|message| message.closing) {
            self.history.remove(&closing);
        }
        self.remove(sequence);
    }

    /// Forgets a message that never was acknowledged or whose state is replaced (replay).
    pub(crate) fn discard(&mut self, sequence: u64) {
        if self.messages.contains_key(&sequence) {
            self.open = self.open.saturating_sub(1);
            self.remove(sequence);
        }
    }

    fn remove(&mut self, sequence: u64) {
        let Some(message) = self.messages.remove(&sequence) else { return };
        let envelope = &message.envelope;
        self.by_customer.remove(&(envelope.customer, envelope.accepted, envelope.id));
        self.leave_handset(envelope.to, sequence);
        if let Some(group) = envelope.group {
            self.by_group.remove(&(group, sequence));
        }
        for (_, carrier, id) in message.carrier_ids() {
            self.unindex(carrier, id, sequence);
        }
    }

    /// Notes what the carrier calls a part. An empty id cannot be matched and is not kept.
    pub(crate) fn index(&mut self, carrier: u32, id: &[u8], part: PartRef) {
        if id.is_empty() {
            return;
        }
        let found = self.by_carrier_id.entry((carrier, normal(id))).or_default();
        if !found.contains(&part) {
            found.push(part);
        }
    }

    fn unindex(&mut self, carrier: u32, id: &[u8], sequence: u64) {
        let key = (carrier, normal(id));
        if let Some(found) = self.by_carrier_id.get_mut(&key) {
            found.retain(|part| part.sequence != sequence);
            if found.is_empty() {
                self.by_carrier_id.remove(&key);
            }
        }
    }

    /// The part that the carrier calls `id`: the exact spelling first, then without regard to case,
    /// then without leading zeros; two that fit equally well are no match. No id is no match either.
    pub(crate) fn find(&self, carrier: u32, id: &[u8]) -> Option<PartRef> {
        // Without its leading zeros an id of zeros alone is empty too.
        if id.is_empty() {
            return None;
        }
        let found = self.by_carrier_id.get(&(carrier, normal(id)))?;
        let spelled = |part: &PartRef, same: fn(&[u8], &[u8]) -> bool| {
            self.get(part.sequence).is_some_and(|message| {
                message.carrier_ids().any(|(index, _, own)| index == part.part && same(own, id))
            })
        };
        let exact: fn(&[u8], &[u8]) -> bool = |a, b| a == b;
        let folded: fn(&[u8], &[u8]) -> bool = |a, b| a.eq_ignore_ascii_case(b);
        let any: fn(&[u8], &[u8]) -> bool = |_, _| true;
        for same in [exact, folded, any] {
            let mut fitting = found.iter().filter(|part| spelled(part, same));
            match (fitting.next(), fitting.next()) {
                (Some(only), None) => return Some(*only),
                (Some(_), Some(_)) => return None,
                (None, _) => {}
            }
        }
        None
    }

    /// The oldest segment that any message still needs.
    pub(crate) fn oldest_home(&self) -> Option<SegmentId> {
        self.by_home.keys().next().copied()
    }

    /// Takes up to `limit` sequences that were filed under `segment`; false when none are left.
    pub(crate) fn take_homed(&mut self, segment: SegmentId, limit: usize) -> Vec<u64> {
        let Some(list) = self.by_home.get_mut(&segment) else { return Vec::new() };
        let at = list.len().saturating_sub(limit);
        let taken = list.split_off(at);
        if list.is_empty() {
            self.by_home.remove(&segment);
        }
        taken
    }

    /// A customer's messages from `newest` backwards in (time, id) order, after `cursor`, not older
    /// than `oldest`.
    pub(crate) fn by_customer(
        &self,
        customer: u32,
        newest: Option<UnixMs>,
        oldest: Option<UnixMs>,
        cursor: Option<&Cursor>,
    ) -> impl Iterator<Item = (&(u32, UnixMs, MessageId), &Message)> {
        let low = (customer, oldest.unwrap_or_default(), MessageId::from_u128(0));
        let top = (customer, newest.unwrap_or(UnixMs(u64::MAX)), MessageId::from_u128(u128::MAX));
        let after = cursor.map(|cursor| (customer, cursor.created, cursor.id));
        // A range that ends before it begins would panic.
        let high = after.map_or(top, |after| after.min(top)).max(low);
        let high = if after.is_some_and(|after| after <= top) {
            Bound::Excluded(high)
        } else {
            Bound::Included(high)
        };
        let wanted = low < top && after.is_none_or(|after| after > low);
        let range = wanted.then(|| self.by_customer.range((Bound::Included(low), high)));
        range
            .into_iter()
            .flatten()
            .rev()
            .filter_map(|(key, sequence)| self.get(*sequence).map(|message| (key, message)))
    }
}
