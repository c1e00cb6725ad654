//! From a message's number to the message: where it stands, then its records; and from what carriers
//! call parts to the numbers of their messages. Pure, lives nowhere.

use std::collections::VecDeque;

use postrider_storage::register::{Slot, SlotLookup};
use postrider_storage::{Search, SearchError, SegmentId, Step};

use super::message::Fetch;
use crate::shard::cold::Cold;
use crate::shard::cold::receipts::PartLookup;
use crate::shard::message::Message;

/// Finds a message.
#[derive(Debug)]
pub(crate) struct Find {
    sequence: u64,
    stage: Stage,
    /// A row led to it: its slot was not asked.
    by_row: bool,
    /// The segment to which its slot led.
    segment: Option<SegmentId>,
    /// It was looked for before.
    again: bool,
}

#[derive(Debug)]
enum Stage {
    Slot(SlotLookup),
    Records(Fetch),
}

impl Find {
    /// Of the message with this number; `slot` looks for where it stands.
    pub(crate) fn new(sequence: u64, slot: SlotLookup) -> Self {
        Find { sequence, stage: Stage::Slot(slot), by_row: false, segment: None, again: false }
    }

    /// Of a message of which that is known.
    pub(crate) fn at(sequence: u64, slot: Slot) -> Self {
        let stage = Stage::Records(Fetch::new(sequence, slot.at));
        let segment = Some(slot.at.segment);
        Find { sequence, stage, by_row: false, segment, again: false }
    }

    /// Of a message to which a row leads by which receipts find it.
    pub(crate) fn by_row(Cold { sequence, at }: Cold) -> Self {
        let stage = Stage::Records(Fetch::new(sequence, at));
        Find { sequence, stage, by_row: true, segment: None, again: false }
    }

    /// Whether this can be what was meant: rows by which receipts find messages lead to records of kind
    /// carried, of open ones.
    pub(crate) fn is_meant(&self, message: &Message) -> bool {
        !self.by_row || (message.carried && message.listed == 0)
    }

    /// Looks for the same by its slot.
    pub(crate) fn again(&self, slot: SlotLookup) -> Self {
        Find { again: !self.by_row, ..Find::new(self.sequence, slot) }
    }

    /// Its number.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether its slot may tell more: it was not asked, or led to a segment before this one at the
    /// first look.
    pub(crate) fn may_be_elsewhere(&self, oldest: SegmentId) -> bool {
        let lay_before = self.segment.is_some_and(|segment| segment < oldest);
        self.by_row || (!self.again && lay_before)
    }
}

impl Search for Find {
    type Found = Box<Message>;

    fn next(&mut self, answer: Option<&[u8]>) -> Step<Box<Message>> {
        let slot = match &mut self.stage {
            Stage::Records(fetch) => return fetch.next(answer),
            Stage::Slot(slot) => match slot.next(answer) {
                Step::Read(ask) => return Step::Read(ask),
                Step::Done(Err(error)) => return Step::Done(Err(error)),
                Step::Done(Ok(None)) => return Step::Done(Err(SearchError::Gone)),
                Step::Done(Ok(Some(slot))) => slot,
            },
        };
        self.segment = Some(slot.at.segment);
        let mut fetch = Fetch::new(self.sequence, slot.at);
        let first = fetch.next(None);
        self.stage = Stage::Records(fetch);
        first
    }
}

/// Finds the messages whose parts have one of several names, and where rows say that they lie.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Of the names that are still to be looked for.
    pub(super) lookups: VecDeque<PartLookup>,
    /// Rows found, in no order.
    pub(super) found: Vec<Cold>,
}

impl Search for Parts {
    type Found = Vec<Cold>;

    fn next(&mut self, mut answer: Option<&[u8]>) -> Step<Vec<Cold>> {
        while let Some(lookup) = self.lookups.front_mut() {
            match lookup.next(answer.take()) {
                Step::Read(ask) => return Step::Read(ask),
                Step::Done(Err(error)) => return Step::Done(Err(error)),
                Step::Done(Ok(parts)) => {
                    self.found.extend(parts.into_iter().map(|(_, message)| message));
                    self.lookups.pop_front();
                }
            }
        }
        Step::Done(Ok(std::mem::take(&mut self.found)))
    }
}
