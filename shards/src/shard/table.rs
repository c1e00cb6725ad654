//! The messages that a shard holds in memory and the ways to find them: by sequence, by customer and
//! time, by recipient. One per shard; everything in it can be rebuilt from the log. A message leaves
//! once the record that closes it is on disk, or when it is parked: then it is counted still.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use postrider_core::clock::UnixMs;
use postrider_core::id::MessageId;
use postrider_core::limits;
use postrider_core::number::Msisdn;
use postrider_storage::{Position, SegmentId};

use super::message::Message;

/// A part of a message of this shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartRef {
    pub(crate) sequence: u64,
    /// From 0.
    pub(crate) part: u8,
}

type FixedHasher = std::hash::BuildHasherDefault<ahash::AHasher>;

/// Entries of messages that have gone are left in a segment's list until there are so many more than
/// there are messages.
const STALE_MAX: usize = 64;

/// The messages in memory.
pub(crate) struct Table {
    messages: BTreeMap<u64, Box<Message>>,
    by_customer: BTreeSet<(u32, UnixMs, u64)>,
    /// Messages of which a receipt may speak without an id that is known, by recipient.
    by_handset: HashMap<Msisdn, Vec<u64>, FixedHasher>,
    /// Messages of one submit_multi each.
    by_group: BTreeSet<(MessageId, u64)>,
    by_home: BTreeMap<SegmentId, Home>,
    /// Closed messages that stay because a carrier may have a part of them under an id that was
    /// lost, oldest first.
    lost: VecDeque<u64>,
    open: usize,
    /// Octets of the records of the messages here.
    bytes: u64,
    /// Open messages that are on disk alone, and the octets of their records.
    cold: usize,
    cold_bytes: u64,
}

/// Messages whose oldest record lies in one segment.
#[derive(Default)]
struct Home {
    /// Some may have gone since.
    sequences: Vec<u64>,
    live: usize,
}

impl Table {
    pub(crate) fn new() -> Self {
        Table {
            messages: BTreeMap::new(),
            by_customer: BTreeSet::new(),
            by_handset: HashMap::default(),
            by_group: BTreeSet::new(),
            by_home: BTreeMap::new(),
            lost: VecDeque::new(),
            open: 0,
            bytes: 0,
            cold: 0,
            cold_bytes: 0,
        }
    }

    /// Messages that are not closed, in memory or not.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Messages in memory.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Octets of the records of the messages in memory, and of the open ones that are not.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes + self.cold_bytes
    }

    pub(crate) fn has(&self, sequence: u64) -> bool {
        self.messages.contains_key(&sequence)
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

    /// The messages in memory, oldest first.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.values().map(|message| &**message)
    }

    /// The segments in which the first records of messages lie, oldest first, with how many.
    pub(crate) fn homes(&self) -> impl Iterator<Item = (SegmentId, u64)> + '_ {
        let count = |live: usize| u64::try_from(live).unwrap_or(u64::MAX);
        self.by_home.iter().map(move |(segment, home)| (*segment, count(home.live)))
    }

    /// Adds a message that nobody can see yet.
    pub(crate) fn insert(&mut self, mut message: Box<Message>) {
        let sequence = message.envelope.sequence;
        self.open += usize::from(message.listed == 0);
        self.bytes += u64::from(message.bytes);
        message.homed = true;
        self.settle(message.home(), sequence);
        let before = self.messages.insert(sequence, message);
        assert!(before.is_none(), "sequence {sequence} was given twice");
    }

    /// Makes a message visible: its accepted record is on disk.
    pub(crate) fn publish(&mut self, sequence: u64) -> Option<&mut Message> {
        let message = self.messages.get_mut(&sequence)?;
        message.durable = true;
        let envelope = &message.envelope;
        self.by_customer.insert((envelope.customer, envelope.accepted, sequence));
        self.by_handset.entry(envelope.to).or_default().push(sequence);
        self.by_group.extend(envelope.group.map(|group| (group, sequence)));
        Some(message)
    }

    /// Brings a message back that was read from the disk.
    pub(crate) fn wake(&mut self, message: Box<Message>) {
        let sequence = message.envelope.sequence;
        if message.listed == 0 {
            self.count_cold_less(Some(message.bytes));
        }
        self.insert(message);
        self.publish(sequence);
    }

    /// Notes a record of a message, if it is here, and gives the message.
    pub(crate) fn note(&mut self, sequence: u64, at: Position, len: usize) -> Option<&mut Message> {
        let message = self.messages.get_mut(&sequence)?;
        let before = message.bytes;
        message.note(at, len);
        self.bytes += u64::from(message.bytes - before);
        Some(message)
    }

    /// Forgets what is personal in a message; `at`: when its customer asked for that.
    pub(crate) fn redact(&mut self, sequence: u64, at: Option<UnixMs>) {
        let Some(to) = self.get(sequence).map(|message| message.envelope.to) else { return };
        self.leave_handset(to, sequence);
        if let Some(message) = self.messages.get_mut(&sequence) {
            message.redact(at);
        }
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

    /// A message was carried forward: its one record lies at a new place.
    pub(crate) fn rehome(&mut self, sequence: u64, at: Position, len: usize) {
        let Some(message) = self.messages.get_mut(&sequence) else { return };
        let before = (message.home(), std::mem::replace(&mut message.homed, true));
        self.bytes = self.bytes.saturating_sub(message.bytes.into());
        message.records = vec![at];
        message.carried = true;
        message.bytes = u32::try_from(len).unwrap_or(u32::MAX);
        self.bytes += u64::from(message.bytes);
        self.settle(at.segment, sequence);
        self.unsettle(before);
    }

    fn settle(&mut self, home: SegmentId, sequence: u64) {
        let home = self.by_home.entry(home).or_default();
        home.sequences.push(sequence);
        home.live += 1;
    }

    /// A message leaves its home. One that was taken from there is not counted there any more.
    fn unsettle(&mut self, (home, counted): (SegmentId, bool)) {
        let Some(held) = self.by_home.get_mut(&home).filter(|_| counted) else { return };
        held.live = held.live.saturating_sub(1);
        if held.live == 0 {
            self.by_home.remove(&home);
        } else if held.sequences.len() > 2 * held.live + STALE_MAX {
            let messages = &self.messages;
            let stays = |sequence: &u64| {
                messages.get(sequence).is_some_and(|m| m.home() == home && m.homed)
            };
            held.sequences.retain(stays);
        }
    }

    /// The message is closed: it is open no more.
    pub(crate) fn close(&mut self, sequence: u64) {
        debug_assert!(self.open > 0, "closed more than opened");
        self.open = self.open.saturating_sub(1);
        let lost = self.get(sequence).is_none_or(Message::has_lost_part);
        if let Some(to) = self.get(sequence).map(|message| message.envelope.to).filter(|_| !lost) {
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

    /// A closed message leaves memory. Of a part whose answer was lost a receipt may still come with
    /// an id that nobody knows: such a message stays, until too many others do.
    pub(crate) fn leave(&mut self, sequence: u64) {
        let Some(message) = self.messages.get_mut(&sequence) else { return };
        if !message.has_lost_part() {
            self.remove(sequence);
            return;
        }
        if !std::mem::replace(&mut message.stays, true) {
            self.lost.push_back(sequence);
        }
        while self.lost.len() > limits::LOST_PARTS_KEPT {
            if let Some(oldest) = self.lost.pop_front() {
                self.remove(oldest);
            }
        }
    }

    /// An open message leaves memory: it is counted still.
    pub(crate) fn park(&mut self, sequence: u64) {
        if let Some(message) = self.remove(sequence) {
            self.cold += 1;
            self.cold_bytes += u64::from(message.bytes);
        }
    }

    /// So many open messages are on disk alone, and their records take so many octets (at the start).
    pub(crate) fn count_cold(&mut self, (count, bytes): (u64, u64)) {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.open += count;
        self.cold += count;
        self.cold_bytes += bytes;
    }

    /// One of them is so no more, or is closed. How much its records took is taken for the mean when it
    /// is not known.
    pub(crate) fn count_cold_less(&mut self, bytes: Option<u32>) {
        let (cold, octets) = self.cold();
        let bytes = bytes.map_or(octets / cold.max(1), u64::from);
        self.open = self.open.saturating_sub(1);
        self.cold = self.cold.saturating_sub(1);
        self.cold_bytes = octets.saturating_sub(bytes);
    }

    /// Open messages that are on disk alone, and the octets of their records.
    pub(crate) fn cold(&self) -> (u64, u64) {
        (u64::try_from(self.cold).unwrap_or(u64::MAX), self.cold_bytes)
    }

    /// Forgets a message whose state is replaced (replay).
    pub(crate) fn discard(&mut self, sequence: u64) {
        let Some(message) = self.remove(sequence) else { return };
        self.open = self.open.saturating_sub(usize::from(message.listed == 0));
    }

    fn remove(&mut self, sequence: u64) -> Option<Box<Message>> {
        let message = self.messages.remove(&sequence)?;
        let envelope = &message.envelope;
        self.by_customer.remove(&(envelope.customer, envelope.accepted, sequence));
        self.leave_handset(envelope.to, sequence);
        if let Some(group) = envelope.group {
            self.by_group.remove(&(group, sequence));
        }
        self.bytes = self.bytes.saturating_sub(message.bytes.into());
        self.unsettle((message.home(), message.homed));
        Some(message)
    }

    /// The oldest segment in which a record lies of a message in memory.
    pub(crate) fn oldest_home(&self) -> Option<SegmentId> {
        self.by_home.keys().next().copied()
    }

    /// Takes up to `limit` sequences that were filed under `segment`; none when none are left.
    pub(crate) fn take_homed(&mut self, segment: SegmentId, limit: usize) -> Vec<u64> {
        let Some(home) = self.by_home.get_mut(&segment) else { return Vec::new() };
        let at = home.sequences.len().saturating_sub(limit);
        let taken = home.sequences.split_off(at);
        let emptied = home.sequences.is_empty();
        for sequence in &taken {
            let counted = self
                .messages
                .get_mut(sequence)
                .filter(|message| message.home() == segment && message.homed);
            if let Some(message) = counted {
                message.homed = false;
                home.live = home.live.saturating_sub(1);
            }
        }
        if emptied {
            self.by_home.remove(&segment);
        }
        taken
    }

    /// A customer's messages from `newest` backwards by time and sequence, none older than `oldest`,
    /// and only those before `before`.
    pub(crate) fn by_customer(
        &self,
        customer: u32,
        newest: Option<UnixMs>,
        oldest: Option<UnixMs>,
        before: Option<(UnixMs, u64)>,
    ) -> impl Iterator<Item = &Message> {
        let low = (customer, oldest.unwrap_or_default(), 0);
        let top = (customer, newest.unwrap_or(UnixMs(u64::MAX)), u64::MAX);
        let high = before.map_or(top, |(at, sequence)| top.min((customer, at, sequence)));
        // A range that ends before it begins would panic.
        let range = (low < high).then(|| self.by_customer.range(low..high));
        let found = range.into_iter().flatten().rev();
        found.filter_map(|(_, _, sequence)| self.get(*sequence))
    }
}
