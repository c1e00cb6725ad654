//! From what a carrier calls a part to the part: those submitted within the hour in a table in memory,
//! those of messages that are on disk alone in runs. Pure but for the searches that it asks for; one
//! per shard.
//!
//! Both know fingerprints, so what they name is a candidate: the message's own record decides. A part
//! that has ended is not filed; its entry in the table stays until the hour is over, so that a late or
//! repeated receipt finds its message too. A message's parts are filed when it leaves memory, and anew
//! whenever its state moves to another place; they are unfiled when it comes to its end.

use std::time::Duration;

use postrider_core::carrier_id::folded;
use postrider_core::number::Msisdn;
use postrider_storage::runs::receipts::{ReceiptTable, fingerprint};
use postrider_storage::runs::{Row, RunLookup, RunSet};
use postrider_storage::{Search, Step};

use super::Cold;

/// The receipt index of a shard. See the module's page.
#[derive(Debug)]
pub struct ReceiptIndex {
    table: ReceiptTable,
    key: [u64; 2],
}

/// What a carrier calls a part, as the index knows it: a fingerprint of carrier and folded id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartName(u64);

/// The name of what a carrier, by its durable number, calls a part, under a data directory's key. An
/// empty id names nothing.
#[must_use]
pub fn part_name(key: [u64; 2], carrier: u32, id: &[u8]) -> Option<PartName> {
    (!id.is_empty()).then(|| PartName(fingerprint(carrier, &folded(id), key)))
}

/// Before the digits of a recipient, where it takes the place of an id: no id begins so.
const RECIPIENT: u8 = 0;
/// The part that stands for a message as a whole.
const WHOLE: u8 = u8::MAX;

/// A part by its message's sequence and its number, from 0.
pub type PartKey = (u64, u8);

fn packed((sequence, part): PartKey) -> u64 {
    sequence << 8 | u64::from(part)
}

fn unpacked(packed: u64) -> PartKey {
    let [part, ..] = packed.to_le_bytes();
    (packed >> 8, part)
}

impl ReceiptIndex {
    /// An empty one, whose table has room for `planned` parts within `hour`. `key` belongs to the data
    /// directory: names on disk were made with it.
    #[must_use]
    pub fn new(planned: usize, hour: Duration, key: [u64; 2], now: Duration) -> Self {
        ReceiptIndex { table: ReceiptTable::new(planned, hour, now), key }
    }

    /// The name of what a carrier, by its durable number, calls a part. An empty id names nothing.
    #[must_use]
    pub fn name(&self, carrier: u32, id: &[u8]) -> Option<PartName> {
        part_name(self.key, carrier, id)
    }

    /// The name under which a message is found by its recipient, once a carrier has something of it.
    #[must_use]
    pub fn recipient(&self, carrier: u32, to: Msisdn) -> PartName {
        let digits = to.digits();
        let mut name = arrayvec::ArrayVec::<u8, 32>::new();
        name.push(RECIPIENT);
        name.extend(digits.bytes());
        PartName(fingerprint(carrier, &name, self.key))
    }

    /// A carrier gave a part an id, or a message that has one is in memory again. False when the table
    /// is full: then the part is to be filed at once.
    pub fn note(&mut self, now: Duration, name: PartName, part: PartKey) -> bool {
        self.table.insert(now, name.0, packed(part))
    }

    /// Parts of the hour that a name may mean.
    pub fn parts(&self, name: PartName) -> impl Iterator<Item = PartKey> + use<'_> {
        self.table.find(name.0).map(unpacked)
    }

    /// The message of a part leaves memory, or its state has moved.
    pub fn file(&self, runs: &mut RunSet, name: PartName, part: u8, message: Cold) {
        let k2 = packed((message.sequence, part));
        runs.put(Row { k1: name.0, k2, v: message.at.pack() });
    }

    /// The message of a part has come to its end.
    pub fn unfile(&self, runs: &mut RunSet, name: PartName, part: PartKey) {
        runs.delete((name.0, packed(part)));
    }

    /// A message that leaves memory is to be found by its recipient.
    pub fn file_recipient(&self, runs: &mut RunSet, name: PartName, message: Cold) {
        self.file(runs, name, WHOLE, message);
    }

    /// It is found by its recipient no more.
    pub fn unfile_recipient(&self, runs: &mut RunSet, name: PartName, sequence: u64) {
        self.unfile(runs, name, (sequence, WHOLE));
    }

    /// Looks for parts on disk that a name may mean.
    #[must_use]
    pub fn lookup(&self, runs: &RunSet, name: PartName) -> PartLookup {
        PartLookup(runs.lookup(name.0))
    }

    /// Lets entries go whose hour is over; call it now and then when nothing is submitted.
    pub fn handle_time(&mut self, now: Duration, slots: usize) {
        self.table.handle_time(now, slots);
    }

    /// Bytes of memory, taken once for all.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.table.bytes()
    }
}

/// Parts on disk with one name: their numbers, and their messages.
#[derive(Debug)]
pub struct PartLookup(RunLookup);

impl Search for PartLookup {
    type Found = Vec<(u8, Cold)>;

    fn next(&mut self, answer: Option<&[u8]>) -> Step<Self::Found> {
        match self.0.next(answer) {
            Step::Read(ask) => Step::Read(ask),
            Step::Done(rows) => {
                Step::Done(rows.map(|rows| rows.into_iter().filter_map(found).collect()))
            }
        }
    }
}

fn found(row: Row) -> Option<(u8, Cold)> {
    let (sequence, part) = unpacked(row.k2);
    Some((part, Cold::of(Row { k2: sequence, ..row })?))
}

#[cfg(test)]
#[path = "receipts_tests.rs"]
mod tests;
