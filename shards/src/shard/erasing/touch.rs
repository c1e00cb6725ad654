//! In which segments something of those lies who are to be forgotten: found through the registers,
//! which know messages by the keyed hash of their recipient and by customer. Pure, lives nowhere.

use std::collections::VecDeque;

use postrider_storage::register::{HashSearch, PageSearch, RegisterPage, Slot, SlotLookup};
use postrider_storage::{Search, Step};

/// A search for messages that are meant, or for where they stand.
#[derive(Debug)]
pub(crate) enum Touch {
    /// Those to a recipient.
    Recipient(HashSearch),
    /// Some of a customer's.
    Customer(PageSearch),
    /// Where these stand.
    Slots {
        /// Those still to be looked up.
        next: VecDeque<(u64, SlotLookup)>,
        /// Those that were.
        found: Vec<(u64, Option<Slot>)>,
    },
}

/// What it found.
#[derive(Debug)]
pub(crate) enum Touched {
    /// Their sequences.
    Sequences(Vec<u64>),
    /// A customer's messages with their slots, and where it goes on.
    Page(RegisterPage),
    /// Each with its slot, when it has one.
    Slots(Vec<(u64, Option<Slot>)>),
}

impl Search for Touch {
    type Found = Touched;

    fn next(&mut self, mut answer: Option<&[u8]>) -> Step<Touched> {
        match self {
            Touch::Recipient(search) => match search.next(answer) {
                Step::Read(ask) => Step::Read(ask),
                Step::Done(found) => Step::Done(found.map(Touched::Sequences)),
            },
            Touch::Customer(search) => match search.next(answer) {
                Step::Read(ask) => Step::Read(ask),
                Step::Done(found) => Step::Done(found.map(Touched::Page)),
            },
            Touch::Slots { next, found } => {
                while let Some((sequence, search)) = next.front_mut() {
                    match search.next(answer.take()) {
                        Step::Read(ask) => return Step::Read(ask),
                        Step::Done(Err(error)) => return Step::Done(Err(error)),
                        Step::Done(Ok(slot)) => found.push((*sequence, slot)),
                    }
                    next.pop_front();
                }
                Step::Done(Ok(Touched::Slots(std::mem::take(found))))
            }
        }
    }
}
