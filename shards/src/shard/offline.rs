//! A shard's messages as its log tells them from the first record to the last, for the offline
//! tools. Pure; one per shard while a tool reads it.
//!
//! What is in memory is what is open at that point of the log, and not all messages: each is given
//! out when nothing more is owed for it. Something may happen to one after that all the same (a late
//! receipt). Those few are found by reading the log twice, and are kept to the end the second time.

use std::collections::{BTreeMap, BTreeSet};

use postrider_core::clock::UnixMs;
use postrider_core::content::Origin;
use postrider_core::lifecycle::PartStatus;
use postrider_http::response::MessageView;
use postrider_storage::{Position, Record, RecordError, SegmentId};

use super::contents::Found;
use super::erasing::Scopes;
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
}

/// A message at the end of the log.
pub(crate) struct Told(Box<Message>);

impl Offline {
    /// For a first reading, of a data directory with this key.
    pub(crate) fn with_key(key: [u8; 16]) -> Self {
        Self { erased: Scopes::new(key), ..Self::default() }
    }

    /// For a second reading, after a first one of the same log.
    pub(crate) fn again(self) -> Self {
        let Self { mut reopened, first, carried, erased, .. } = self;
        let first = first.unwrap_or(u64::MAX);
        reopened.retain(|sequence| *sequence >= first || carried.contains(sequence));
        Self { reopened, again: true, erased, ..Self::default() }
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
        let ended = self.messages.get(&sequence).is_some_and(|own| closed || own.is_closed());
        if !ended || self.reopened.contains(&sequence) {
            return Ok(None);
        }
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

    /// At the end of the log: what is open, and what was kept, in the order of acceptance.
    pub(crate) fn rest(&mut self) -> impl Iterator<Item = Told> {
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
