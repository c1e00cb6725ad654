//! From a message's number to the message: where it stands, then its records. Pure, lives nowhere.

use postrider_storage::register::{Slot, SlotLookup};
use postrider_storage::{Search, SearchError, Step};

use super::message::Fetch;
use crate::shard::message::Message;

/// Finds a message.
#[derive(Debug)]
pub(crate) struct Find {
    sequence: u64,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Slot(SlotLookup),
    Records(Fetch),
}

impl Find {
    /// Of the message with this number; `slot` looks for where it stands.
    pub(crate) fn new(sequence: u64, slot: SlotLookup) -> Self {
        Find { sequence, stage: Stage::Slot(slot) }
    }

    /// Of a message of which that is known.
    pub(crate) fn at(sequence: u64, slot: Slot) -> Self {
        Find { sequence, stage: Stage::Records(Fetch::new(sequence, slot.at)) }
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
        let mut fetch = Fetch::new(self.sequence, slot.at);
        let first = fetch.next(None);
        self.stage = Stage::Records(fetch);
        first
    }
}
