//! Messages on disk that are wanted in memory: a receipt may be about one, a customer asks for it by an
//! operation or replaces it, its turn or its time has come. Each is read once however many wait for it;
//! when the last one that somebody waits for has come, he goes on where he was. Part of the shard's
//! machine.

use std::collections::{HashMap, HashSet};

use postrider_core::clock::Now;
use postrider_core::id::MessageId;
use postrider_core::lifecycle::PartStatus;
use postrider_core::limits;
use postrider_core::place::ShardId;
use postrider_core::submission::Submission;
use postrider_http::auth::CustomerIx;
use postrider_storage::Search;
use postrider_storage::register::Statuses;

use super::departures::Since;
use super::find::{Find, Parts};
use super::{Lookup, ShowTo, Then, group_hash};
use crate::shard::cold::Cold;
use crate::shard::customers::{Members, OperatedTo, Operation};
use crate::shard::mesh::{CallId, ReceiptNotice};
use crate::shard::message::Message;
use crate::shard::{Delivery, ReplyTo, Shard};

/// Statuses of messages on disk of which no carrier has anything, as slots have them.
const UNSENT: [u8; 2] = [PartStatus::Queued as u8, PartStatus::Held as u8];

/// Who waits for messages, and for what.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// One of them may be the receipt's.
    Receipt(Box<ReceiptNotice>, ReceiptAt),
    /// One of them may be meant by the receipt, whose id names none.
    Inferred(Box<ReceiptNotice>, ReceiptAt),
    /// The message that an operation names.
    Head(CustomerIx, Box<Operation>, OperatedTo),
    /// All messages that it is about.
    Members(CustomerIx, Box<Operation>, OperatedTo),
    /// A message of which its customer's binds are owed something.
    Owed(CustomerIx),
    /// The messages that this one may take the place of.
    Replaced(CustomerIx, Box<Submission>, ReplyTo),
    /// The message is to be forgotten.
    Forget(u64),
    /// Its customer wants it redacted.
    Redact { to: ShowTo, customer: CustomerIx, id: MessageId, sequence: u64 },
    /// Its turn has come, or its time.
    Turn,
    /// The segment in which they lie is being emptied.
    Sweep,
}

/// Where a receipt has got to on its way to its message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReceiptAt {
    /// It came on a bind of the handset's owner.
    Owner(Delivery),
    /// It came on a bind here; the owner has no message for it.
    Bind(Delivery),
    /// Another shard asks, and wants it kept if need be.
    Peer { from: ShardId, call: CallId, park: bool },
    /// It is parked here.
    Orphan(u64),
}

/// A receipt whose part is looked for.
pub(super) struct SoughtPart {
    pub(super) search: Parts,
    notice: Box<ReceiptNotice>,
    at: ReceiptAt,
    /// Messages that it may be about by what carriers named lately.
    lately: Vec<u64>,
    since: Since,
}

#[derive(Default)]
pub(super) struct Waiting {
    next: u64,
    waiters: HashMap<u64, Waiter, super::FixedHasher>,
    /// By message, who needs it in memory.
    wants: HashMap<u64, Vec<u64>, super::FixedHasher>,
    /// Messages that are being read for that.
    reading: HashSet<u64, super::FixedHasher>,
}

struct Waiter {
    wanted: Wanted,
    /// The messages that it is about.
    sequences: Vec<u64>,
    /// Those of them that are still being read.
    missing: Vec<u64>,
}

impl Waiting {
    pub(super) fn holds(&self, sequence: u64) -> bool {
        self.wants.contains_key(&sequence)
    }

    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }
}

impl Shard {
    /// Keeps these messages in memory, and brings back those that have left it; `wanted` goes on when
    /// all have come that there are.
    pub(in crate::shard) fn want(&mut self, now: Now, sequences: Vec<u64>, wanted: Wanted) {
        self.want_by_rows(now, sequences, &[], wanted);
    }

    /// As `want`; rows say where some of the messages lie, and are to be trusted.
    fn want_by_rows(&mut self, now: Now, sequences: Vec<u64>, rows: &[Cold], wanted: Wanted) {
        let waiting = &mut self.lookups.waiting;
        let id = waiting.next;
        waiting.next += 1;
        for sequence in &sequences {
            waiting.wants.entry(*sequence).or_default().push(id);
        }
        let left = |sequence: &u64| !self.table.has(*sequence);
        let mut left: Vec<u64> = sequences.iter().copied().filter(left).collect();
        let missing = left.clone();
        waiting.waiters.insert(id, Waiter { wanted, sequences, missing });
        if left.is_empty() {
            return self.go_on(now, id);
        }
        left.retain(|sequence| waiting.reading.insert(*sequence));
        for sequence in left {
            let find = match rows.iter().find(|row| row.sequence == sequence) {
                Some(row) => Find::by_row(*row),
                None => Find::new(sequence, self.registers.slot(sequence)),
            };
            self.look_up(now, Lookup::Message(Box::new(find), Then::Wake(sequence)));
        }
    }

    /// A message that is wanted has been read, or is gone.
    pub(super) fn woken(&mut self, now: Now, sequence: u64, message: Option<Box<Message>>) {
        match message {
            Some(message) if message.listed == 0 => self.bring_back(now, message),
            message => {
                // A row that was left over led here.
                self.cold.was_not_counted(sequence);
                self.cold.leave(sequence);
                if let Some(message) = message {
                    self.table.wake(message);
                    self.content_woken(now, sequence);
                }
            }
        }
        let waiting = &mut self.lookups.waiting;
        waiting.reading.remove(&sequence);
        let mut ready = Vec::new();
        for id in waiting.wants.get(&sequence).into_iter().flatten() {
            let Some(waiter) = waiting.waiters.get_mut(id) else { continue };
            let before = waiter.missing.len();
            waiter.missing.retain(|other| *other != sequence);
            if waiter.missing.is_empty() && before > 0 {
                ready.push(*id);
            }
        }
        for id in ready {
            self.go_on(now, id);
        }
    }

    /// Everything that somebody waited for is in memory, until he is done.
    fn go_on(&mut self, now: Now, id: u64) {
        let Some(waiter) = self.lookups.waiting.waiters.remove(&id) else { return };
        match waiter.wanted {
            Wanted::Receipt(notice, at) => self.receipt_at(now, notice, at, &waiter.sequences),
            Wanted::Inferred(notice, at) => self.infer_here(now, notice, at),
            Wanted::Turn => {}
            Wanted::Sweep => self.swept(&waiter.sequences),
            Wanted::Head(customer, operation, to) => {
                self.find_members(now, customer, operation, to);
            }
            Wanted::Members(customer, operation, to) => {
                self.perform_here(now, customer, operation, to);
            }
            Wanted::Owed(customer) => self.owed_came(customer),
            Wanted::Replaced(customer, submission, to) => {
                self.accept_here(now, customer, submission, to);
            }
            Wanted::Forget(sequence) => self.forgotten_woken(now, sequence),
            Wanted::Redact { to, customer, id, sequence } => {
                self.redact_woken(now, to, (customer, id, sequence));
            }
        }
        for sequence in waiter.sequences {
            if let Some(wants) = self.lookups.waiting.wants.get_mut(&sequence) {
                wants.retain(|other| *other != id);
                if wants.is_empty() {
                    self.lookups.waiting.wants.remove(&sequence);
                    self.let_go(sequence);
                }
            }
        }
    }

    /// Looks on disk for the messages that a receipt may mean, beside those that carriers named lately.
    pub(in crate::shard) fn look_for_parts(
        &mut self,
        now: Now,
        notice: Box<ReceiptNotice>,
        at: ReceiptAt,
        lately: Vec<u64>,
    ) {
        let names = self.names_in(&notice);
        let lookups = names.into_iter().map(|name| self.cold.lookup(name)).collect();
        let search = Parts { lookups, found: Vec::new() };
        let since = self.lookups.departures.begin();
        let receipt = SoughtPart { search, notice, at, lately, since };
        self.look_up(now, Lookup::Part(Box::new(receipt)));
    }

    /// What rows lead to of what a receipt may mean. They are trusted when none can be left over, and
    /// nothing became of the message since the search began.
    pub(super) fn part_found(&mut self, now: Now, lookup: Lookup, mut rows: Vec<Cold>) {
        let Lookup::Part(receipt) = lookup else { return };
        let SoughtPart { notice, at, lately: mut found, since, .. } = *receipt;
        found.extend(rows.iter().map(|row| row.sequence));
        found.sort_unstable();
        found.dedup();
        let departures = &self.lookups.departures;
        let doubted = |row: &Cold| {
            self.doubts.has(row.sequence, row.at) || departures.may_have(row.sequence, since)
        };
        rows.retain(|row| !doubted(row));
        self.lookups.departures.end();
        self.want_by_rows(now, found, &rows, Wanted::Receipt(notice, at));
    }

    /// Finds what an operation is about, then does it.
    pub(in crate::shard) fn perform(
        &mut self,
        now: Now,
        customer: CustomerIx,
        operation: Box<Operation>,
        to: OperatedTo,
    ) {
        let head = operation.message().and_then(|id| self.number_of(id));
        match head.filter(|sequence| !self.table.has(*sequence)) {
            Some(head) => self.want(now, vec![head], Wanted::Head(customer, operation, to)),
            None => self.find_members(now, customer, operation, to),
        }
    }

    /// An operation's own message is in memory, if there is one. Others that it is about are looked for
    /// on the disk.
    fn find_members(
        &mut self,
        now: Now,
        customer: CustomerIx,
        operation: Box<Operation>,
        to: OperatedTo,
    ) {
        let registers = &self.registers;
        let unsent = (Statuses::of(&UNSENT), limits::CANCEL_MAX);
        let search: Box<dyn Search<Found = Vec<u64>>> = match self.members_asked_for(&operation) {
            Some(Members::All(group)) => Box::new(registers.by_group(group_hash(group))),
            Some(Members::Unsent(group)) => {
                Box::new(registers.standing_in(group_hash(group), unsent.0, unsent.1))
            }
            Some(Members::UnsentTo(to)) => {
                let hash = self.shared.placement.hash_of(to);
                Box::new(registers.standing_to(hash, unsent.0, unsent.1))
            }
            None => return self.perform_here(now, customer, operation, to),
        };
        self.want_found(now, search, Wanted::Members(customer, operation, to));
    }

    /// Accepts a message; one that takes the place of another that was not sent yet once that is in
    /// memory, if there is one.
    pub(in crate::shard) fn accept(
        &mut self,
        now: Now,
        customer: CustomerIx,
        submission: Box<Submission>,
        to: ReplyTo,
    ) {
        if self.must_ask(now, &submission) {
            self.look_up_first(now, customer, submission, to);
        } else {
            self.accept_looked_up(now, customer, submission, to);
        }
    }

    /// The same, when nothing more has to be found out about the number.
    pub(in crate::shard) fn accept_looked_up(
        &mut self,
        now: Now,
        customer: CustomerIx,
        submission: Box<Submission>,
        to: ReplyTo,
    ) {
        if !submission.replaces {
            return self.accept_here(now, customer, submission, to);
        }
        let hash = self.shared.placement.hash_of(submission.to);
        let unsent = Statuses::of(&UNSENT);
        let search = Box::new(self.registers.standing_to(hash, unsent, limits::CANCEL_MAX));
        self.want_found(now, search, Wanted::Replaced(customer, submission, to));
    }

    /// Keeps the messages in memory that this search finds, as [`Shard::want`] does.
    pub(in crate::shard) fn want_found(
        &mut self,
        now: Now,
        search: Box<dyn Search<Found = Vec<u64>>>,
        wanted: Wanted,
    ) {
        self.look_up(now, Lookup::Wanted(search, wanted));
    }

    /// The messages that somebody wants are known.
    pub(super) fn wanted_found(&mut self, now: Now, lookup: Lookup, found: Vec<u64>) {
        if let Lookup::Wanted(_, wanted) = lookup {
            self.want(now, found, wanted);
        }
    }
}
