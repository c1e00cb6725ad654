//! What customers' binds are owed of messages that are on disk alone. A message's items leave the queue
//! with it, and come back with it when the binds have room. Part of the shard's machine.

use postrider_core::clock::{Now, UnixMs};
use postrider_http::auth::CustomerIx;

use super::queue::Item;
use super::receipt::owed_since;
use crate::shard::Shard;
use crate::shard::cold::{Cold, Group};
use crate::shard::fetch::Wanted;
use crate::shard::message::Message;

/// The group in which a message waits for its customer's binds, and since when, if it owes a receipt.
pub(in crate::shard) fn owed_group(message: &Message) -> Option<(Group, UnixMs)> {
    let since = message.owed.iter().filter_map(|receipt| owed_since(message, *receipt)).min()?;
    Some((Group::owed(message.envelope.customer), since))
}

impl Shard {
    /// A message leaves memory: what it owes leaves the queue. False while a bind has some of it, or
    /// did not take it and is to be asked again.
    pub(in crate::shard) fn shelve(&mut self, sequence: u64) -> bool {
        let Some(message) = self.table.get(sequence) else { return true };
        let customer = self.shared.customer_of(message.envelope.customer);
        let Some(customer) = customer.filter(|_| !message.owed.is_empty()) else { return true };
        let item = |receipt: &u16| Item::Receipt { sequence, receipt: *receipt };
        let items: Vec<Item> = message.owed.iter().map(item).collect();
        let held = self.deliveries.customer(customer);
        let gone = held.queue.withdraw(&items);
        if gone {
            held.shelf.put();
        }
        gone
    }

    /// A message is in memory again: what it owes is offered.
    pub(in crate::shard) fn unshelve(&mut self, sequence: u64) {
        let owed = self.table.get(sequence).map(|message| message.owed.clone());
        for receipt in owed.into_iter().flatten() {
            self.owe_receipt(sequence, receipt);
        }
    }

    /// Asks for messages on disk when a customer's binds have room and little in memory is owed. False
    /// when no more can be asked for now.
    pub(super) fn refill(&mut self, customer: CustomerIx) -> bool {
        let here = self.receivers(customer) > 0;
        let Some(held) = self.deliveries.customers.get_mut(&customer) else { return true };
        if !here && held.peers.values().all(|peer| peer.receivers == 0) {
            return true;
        }
        let number = self.shared.customer_number(customer);
        for _ in 0..held.shelf.wanted(held.queue.ready()) {
            if !self.cold.ask_owed(number) {
                return false;
            }
            held.shelf.asked();
        }
        true
    }

    /// What came of asking: a message to be read, or none.
    pub(in crate::shard) fn owed_found(&mut self, now: Now, customer: u32, found: Option<Cold>) {
        let Some(customer) = self.shared.customer_of(customer) else { return };
        match found {
            Some(message) => self.want(now, vec![message.sequence], Wanted::Owed(customer)),
            None => self.deliveries.customer(customer).shelf.none(),
        }
    }

    /// A message that was asked for is in memory, if it could be read.
    pub(in crate::shard) fn owed_came(&mut self, customer: CustomerIx) {
        self.deliveries.customer(customer).shelf.came();
        self.deliveries.touch(customer);
    }
}
