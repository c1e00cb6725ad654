//! A shard's messages as its log tells them from the first record to the last, for the offline
//! tools. Pure; one per shard while a tool reads it.
//!
//! What is in memory is what is open at that point of the log, and not all messages: each is given
//! out when nothing more is owed for it. Something may happen to one after that all the same (a late
//! receipt). Those few are found by reading the log twice, and are kept to the end the second time.
//!
//! What was open when the number of shards changed, and is another shard's since, its new log tells.

use std::collections::{BTreeMap, BTreeSet};

use postrider_core::clock::UnixMs;
use postrider_core::content::Origin;
use postrider_core::lifecycle::PartStatus;
use postrider_core::place::{Epoch, Partition, owner_among};
use postrider_http::response::MessageView;
use postrider_storage::{Position, Record, RecordError, SegmentId};

use super::contents::Found;
pub(crate) use super::erasing::Scopes;
use super::fold;
use super::message::{Message, Webhook};
use super::query::{CarrierNames, view_named};

/// See the module.
#[derive(Default)]
pub(crate) struct Offline {
    messages: BTreeMap<u64, Box<Message>>,
    /// Messages to which something happens after they were closed.
    reopened: BTreeSet<u64>,
    /// The first message that the log tells from its beginning, and older ones that it tells from
    /// the record that carried them on: what is said of others cannot be shown.
    first: Option<u64>,
    carried: BTreeSet<u64>,
    /// This is the second reading: what is reopened is known.
    again: bool,
    /// Who was erased: known after the first reading.
    erased: Scopes,
    unfit: u64,
    cores: Cores,
}

/// What a change of the number of shards takes from a log.
#[derive(Default)]
struct Cores {
    log: u16,
    /// Those there were; the last one is the present one.
    epochs: Vec<Epoch>,
    /// A change was begun that has not come to its end.
    begun: bool,
    /// The partitions of messages in memory, in a log that may have lost some.
    partitions: BTreeMap<u64, Partition>,
    /// Messages in memory that are closed: they stay.
    closed: BTreeSet<u64>,
}

impl Cores {
    fn matters(&self) -> bool {
        self.begun || self.epochs.len() > 1
    }

    /// Takes the next record; gives the number of shards when it has changed.
    fn take(&mut self, record: &Record<'_>) -> Option<u16> {
        if let Record::Moving { .. } = record {
            self.begun = true;
        } else if let Record::Epoch { epoch: number, shards, .. } = *record {
            let counts = self.epochs.contains(&Epoch { number, shards });
            self.begun &= !counts;
            return counts.then_some(shards);
        } else if self.matters() {
            self.note(record);
        }
        None
    }

    fn note(&mut self, record: &Record<'_>) {
        let mut place = |sequence, partition: Option<u16>| {
            let partition = partition.and_then(Partition::new);
            self.partitions.extend(partition.map(|own| (sequence, own)));
        };
        if let Record::Accepted { sequence, partition, .. } = *record {
            place(sequence, Some(partition));
        } else if let Record::Carried { sequence, state, .. } = *record {
            place(sequence, fold::partition_in(state));
        } else if let Record::Closed { sequence, .. } = *record {
            self.closed.insert(sequence);
        }
    }

    /// Whether a message is still this log's among so many shards.
    fn own(&self, sequence: u64, shards: u16) -> bool {
        let partition = self.partitions.get(&sequence);
        self.closed.contains(&sequence)
            || partition.is_none_or(|own| owner_among(shards, *own).0 == self.log)
    }

    fn forget(&mut self, sequence: u64) {
        self.partitions.remove(&sequence);
        self.closed.remove(&sequence);
    }
}

/// A message at the end of the log.
pub(crate) struct Told(Box<Message>);

impl Offline {
    /// For a first reading of a log, of a data directory with this key that has had these numbers of
    /// shards.
    pub(crate) fn of(log: u16, key: [u8; 16], epochs: Vec<Epoch>) -> Self {
        let cores = Cores { log, epochs, ..Cores::default() };
        Self { erased: Scopes::new(key), cores, ..Self::default() }
    }

    /// For a second reading, after a first one of the same log.
    pub(crate) fn again(self) -> Self {
        let Self { mut reopened, first, carried, erased, cores, .. } = self;
        let Cores { log, epochs, .. } = cores;
        let first = first.unwrap_or(u64::MAX);
        reopened.retain(|sequence| *sequence >= first || carried.contains(sequence));
        let cores = Cores { log, epochs, ..Cores::default() };
        Self { reopened, again: true, erased, cores, ..Self::default() }
    }

    /// Who was erased, after a first reading.
    pub(crate) fn erased(&self) -> &Scopes {
        &self.erased
    }

    /// These were erased, too.
    pub(crate) fn erase(&mut self, erased: &Scopes) {
        self.erased.add_all(erased);
    }

    /// Takes the next record; gives the message for which nothing is owed any more.
    ///
    /// # Errors
    /// When the state of a carried message cannot be read.
    pub(crate) fn take(
        &mut self,
        segment: SegmentId,
        record: &Record<'_>,
    ) -> Result<Option<Told>, RecordError> {
        self.erased.note(record);
        if let Some(shards) = self.cores.take(record) {
            self.keep_own(shards);
        }
        let Some(sequence) = fold::sequence_of(record) else { return Ok(None) };
        // Where in the segment does not matter here.
        let at = Position { segment, offset: 0 };
        if let Some(message) = fold::message_of(record, at)? {
            self.begin(sequence, message, matches!(record, Record::Carried { .. }));
        } else if let Some(message) = self.messages.get_mut(&sequence) {
            if fold::follows(message, record) {
                fold::apply(message, record);
            } else {
                self.unfit += 1;
            }
        } else if !self.again && !matches!(record, Record::Closed { .. }) {
            self.reopened.insert(sequence);
        }
        let closed = matches!(record, Record::Closed { .. });
        // One that is not yet closed on record may go to another log, which tells it then.
        let done = |own: &Message| !self.cores.matters() && own.is_closed();
        let ended = self.messages.get(&sequence).is_some_and(|own| closed || done(own));
        if !ended || self.reopened.contains(&sequence) {
            return Ok(None);
        }
        self.cores.forget(sequence);
        let ended = self.messages.remove(&sequence);
        Ok(ended.map(|message| self.told(message)))
    }

    fn begin(&mut self, sequence: u64, message: Message, carried: bool) {
        let known = self.messages.insert(sequence, Box::new(message)).is_some();
        if !carried {
            self.first.get_or_insert(sequence);
        } else if !known && !self.again {
            self.carried.insert(sequence);
            // What was said of it before is in what carried it.
            self.reopened.remove(&sequence);
        }
    }

    /// Open messages of other shards among so many are told by their logs.
    fn keep_own(&mut self, shards: u16) {
        let others = self.messages.keys().filter(|own| !self.cores.own(**own, shards));
        for sequence in others.copied().collect::<Vec<_>>() {
            self.messages.remove(&sequence);
            self.cores.forget(sequence);
        }
    }

    /// At the end of the log: what is open, and what was kept, in the order of acceptance.
    pub(crate) fn rest(&mut self) -> impl Iterator<Item = Told> {
        if self.cores.begun
            && let Some(present) = self.cores.epochs.last()
        {
            self.keep_own(present.shards);
        }
        let rest = std::mem::take(&mut self.messages).into_values();
        rest.map(|message| self.told(message))
    }

    /// A message as it is told: without what was erased, wherever it still lies.
    fn told(&self, mut message: Box<Message>) -> Told {
        if self.erased.mean(&message.envelope) {
            message.redact(None);
        }
        Told(message)
    }

    /// Records that do not follow from what the log tells before: damage has taken some.
    pub(crate) fn unfit(&self) -> u64 {
        self.unfit
    }
}

impl Told {
    /// What its customer sees of it, with carriers' names from `names`.
    pub(crate) fn view(&self, names: &CarrierNames<'_>) -> MessageView {
        view_named(names, &self.0)
    }

    /// Gives it back what it says, when that is not kept and still there.
    pub(crate) fn restore(&mut self, contents: &Found) {
        contents.restore(&mut self.0);
    }

    /// Its public id.
    pub(crate) fn id(&self) -> postrider_core::id::MessageId {
        self.0.envelope.id
    }

    /// Its destination, digits.
    pub(crate) fn to(&self) -> u64 {
        self.0.envelope.to.as_u64()
    }

    /// Its status.
    pub(crate) fn status(&self) -> PartStatus {
        self.0.status()
    }

    /// Durable number of its customer.
    pub(crate) fn customer(&self) -> u32 {
        self.0.envelope.customer
    }

    /// How it came in.
    pub(crate) fn origin(&self) -> &'static str {
        match self.0.envelope.origin {
            Origin::Http => "http",
            Origin::Smpp => "smpp",
        }
    }

    /// When it was accepted.
    pub(crate) fn accepted(&self) -> UnixMs {
        self.0.envelope.accepted
    }

    /// When it was to be sent, if not at once.
    pub(crate) fn due(&self) -> Option<UnixMs> {
        self.0.envelope.due
    }

    /// When its validity ends.
    pub(crate) fn valid_until(&self) -> UnixMs {
        self.0.envelope.valid_until
    }

    /// Final, and nothing more is owed to the customer.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// How far its webhook has come.
    pub(crate) fn webhook(&self) -> &'static str {
        match self.0.webhook {
            Webhook::None => "none",
            Webhook::Pending { .. } => "pending",
            Webhook::Acknowledged => "acknowledged",
            Webhook::GivenUp => "given_up",
        }
    }

    /// Every copy of its parts that a carrier took: the carrier's durable number, and its id for it.
    pub(crate) fn copies(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.0.carrier_ids().map(|(_, carrier, id)| (carrier, id))
    }
}

#[cfg(test)]
#[path = "offline_tests.rs"]
mod tests;
