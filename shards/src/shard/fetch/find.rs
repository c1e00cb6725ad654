//! From a message's number to the message: where it stands, then its records; and from what carriers
//! call parts to the numbers of their messages. Pure, lives nowhere.

use std::collections::VecDeque;

use postrider_storage::register::{Slot, SlotLookup};
use postrider_storage::{Search, SearchError, SegmentId, Step};

use super::message::Fetch;
use crate::shard::cold::receipts::PartLookup;
use crate::shard::message::Message;

/// Finds a message.
#[derive(Debug)]
pub(crate) struct Find {
    sequence: u64,
    stage: Stage,
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
        Find { sequence, stage: Stage::Slot(slot), segment: None, again: false }
    }

    /// Of a message of which that is known.
    pub(crate) fn at(sequence: u64, slot: Slot) -> Self {
        let stage = Stage::Records(Fetch::new(sequence, slot.at));
        Find { sequence, stage, segment: Some(slot.at.segment), again: false }
    }

    /// The same, of one that was looked for before.
    pub(crate) fn once_more(self) -> Self {
        Find { again: true, ..self }
    }

    /// Its number.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether it was looked for once, in a segment before this one.
    pub(crate) fn lay_before(&self, oldest: SegmentId) -> bool {
        !self.again && self.segment.is_some_and(|segment| segment < oldest)
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

/// Finds the messages whose parts have one of several names.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Of the names that are still to be looked for.
    pub(super) lookups: VecDeque<PartLookup>,
    /// Messages found, in no order.
    pub(super) found: Vec<u64>,
}

impl Search for Parts {
    type Found = Vec<u64>;

    fn next(&mut self, mut answer: Option<&[u8]>) -> Step<Vec<u64>> {
        while let Some(lookup) = self.lookups.front_mut() {
            match lookup.next(answer.take()) {
                Step::Read(ask) => return Step::Read(ask),
                Step::Done(Err(error)) => return Step::Done(Err(error)),
                Step::Done(Ok(parts)) => {
                    self.found.extend(parts.into_iter().map(|(_, message)| message.sequence));
                    self.lookups.pop_front();
                }
            }
        }
        let mut found = std::mem::take(&mut self.found);
        found.sort_unstable();
        found.dedup();
        Step::Done(Ok(found))
    }
}
