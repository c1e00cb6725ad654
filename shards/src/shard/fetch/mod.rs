//! Looking up on the disk: the searches under way, the reads that they wait for, and who waits for
//! their answers. Nothing here waits: a search goes on when its bytes have come. Part of the shard's
//! machine.

mod departures;
mod find;
mod list;
mod message;
mod wanted;

use std::collections::{HashMap, VecDeque};

use postrider_core::clock::Now;
use postrider_core::id::MessageId;
use postrider_core::limits;
use postrider_core::place::ShardId;
use postrider_http::auth::CustomerIx;
use postrider_http::problem::Problem;
use postrider_http::response::MessageView;
use postrider_storage::register::{AnchoredSearch, PageSearch, RegisterRow, Slot};
use postrider_storage::{Ask, FileRef, LogIoError, Search, SearchError, SegmentId, Step};

use self::departures::Departures;
use self::find::Find;
pub use self::list::ListKey;
pub(crate) use self::list::{ListTo, merge};
pub(crate) use self::message::Fetch;
pub(crate) use self::wanted::{ReceiptAt, Wanted};
use self::wanted::{SoughtPart, Waiting};
use super::cold::store::RowSearch;
use super::erasing::Touch;
use super::mesh::{CallId, Reply, Sought};
use super::message::Message;
use super::query::{found, view};
use super::{Op, Shard, Shared};
use crate::stats::Counter;

/// Number of a slot's status while its message is in memory: what is there counts.
pub(crate) const HOT: u8 = 15;

/// Number of a slot's status while its message is on disk alone, has ended, and is owed something still:
/// its records say how it ended.
pub(crate) const ENDED: u8 = 14;

type FixedHasher = std::hash::BuildHasherDefault<ahash::AHasher>;

/// The look-ups of one shard.
pub(crate) struct Lookups {
    next: u64,
    under_way: HashMap<u64, UnderWay, FixedHasher>,
    /// Reads that wait for others to end.
    queued: VecDeque<(u64, u16, Ask)>,
    in_flight: usize,
    /// The segment that is about to be another file: nobody reads it.
    closed: Option<(u16, SegmentId)>,
    lists: list::Lists,
    waiting: Waiting,
    departures: Departures,
}

/// A look-up that waits for a read.
struct UnderWay {
    lookup: Lookup,
    /// The log in whose directory it looks.
    log: u16,
    ask: Ask,
}

/// A search, and what its answer is for.
enum Lookup {
    Message(Box<Find>, Then),
    Page(Box<PageSearch>, u64),
    /// The messages that somebody wants are not known yet.
    Wanted(Box<dyn Search<Found = Vec<u64>>>, Wanted),
    /// What a receipt is about is not known yet.
    Part(Box<SoughtPart>),
    Rows(Box<RowSearch>),
    /// What is to be forgotten of a customer (0: of others).
    Touch(Box<Touch>, u32),
    Anchored(Box<AnchoredSearch>),
}

/// What a message is looked up for.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// Its customer wants to see it, or to have it redacted.
    Seek(ShowTo, Sought),
    /// It may belong into this list.
    Row(u64),
    /// This message is wanted in memory.
    Wake(u64),
}

/// Who asked for a message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ShowTo {
    /// The HTTP request of this ticket; so many shards had nothing.
    Ticket(u64, u8),
    Shard(ShardId, CallId),
}

impl Lookups {
    pub(crate) fn new() -> Self {
        Lookups {
            next: 1,
            under_way: HashMap::default(),
            queued: VecDeque::new(),
            in_flight: 0,
            closed: None,
            lists: list::Lists::default(),
            waiting: Waiting::default(),
            departures: Departures::default(),
        }
    }

    /// Whether somebody waits who needs this message in memory.
    pub(crate) fn holds(&self, sequence: u64) -> bool {
        self.waiting.holds(sequence)
    }

    /// A message leaves memory.
    pub(crate) fn note_departure(&mut self, sequence: u64) {
        self.departures.note(sequence);
    }

    /// Whether so many receipts wait for messages from the disk that no more are taken.
    pub(crate) fn is_crowded(&self) -> bool {
        self.waiting.len() >= limits::WAKES_AT_ONCE
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Reads under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// From now on nobody begins to read this segment.
    pub(crate) fn close(&mut self, segment: Option<(u16, SegmentId)>) {
        self.closed = segment;
    }

    /// Whether a read of this segment is under way.
    pub(crate) fn reads(&self, (log, segment): (u16, SegmentId)) -> bool {
        let of = |own: u16, ask: &Ask| own == log && ask.file == FileRef::Segment(segment);
        let asked = self.under_way.values().filter(|look| of(look.log, &look.ask)).count();
        asked > self.queued.iter().filter(|(_, own, ask)| of(*own, ask)).count()
    }

    /// The next read that there is room for.
    fn poll_read(&mut self) -> Option<(u64, u16, Ask)> {
        if self.in_flight >= limits::READS_IN_FLIGHT {
            return None;
        }
        let closed = self.closed.map(|(log, segment)| (log, FileRef::Segment(segment)));
        let open = |(_, log, ask): &(u64, u16, Ask)| Some((*log, ask.file)) != closed;
        let at = self.queued.iter().position(open)?;
        let next = self.queued.remove(at)?;
        self.in_flight += 1;
        Some(next)
    }
}

impl Shard {
    /// The bytes that an `Op::Read` asked for, or why there are none.
    pub fn handle_read(&mut self, now: Now, token: u64, result: Result<Vec<u8>, LogIoError>) {
        self.lookups.in_flight -= 1;
        let Some(UnderWay { lookup, log, ask }) = self.lookups.under_way.remove(&token) else {
            panic!("an answer to a read that is not under way");
        };
        match result {
            Ok(bytes) => self.search_on(now, token, (log, lookup), Some(&bytes)),
            Err(error) if error.is_missing() => self.give_up(now, log, lookup, SearchError::Gone),
            Err(_) => self.give_up(now, log, lookup, SearchError::Damaged(ask.file)),
        }
        self.pump(now);
    }

    /// Looks for rows that lead to messages on disk.
    pub(super) fn look_for_rows(&mut self, now: Now, search: RowSearch) {
        self.look_up(now, Lookup::Rows(Box::new(search)));
    }

    /// Looks for messages that lie in a segment.
    pub(super) fn look_for_anchored(&mut self, now: Now, search: AnchoredSearch) {
        self.look_up(now, Lookup::Anchored(Box::new(search)));
    }

    /// Begins a look-up in the shard's own log.
    fn look_up(&mut self, now: Now, lookup: Lookup) {
        self.look_up_in(now, self.id.0, lookup);
    }

    /// Begins a look-up in a log that this shard keeps.
    fn look_up_in(&mut self, now: Now, log: u16, lookup: Lookup) {
        let id = self.lookups.next;
        self.lookups.next += 1;
        self.search_on(now, id, (log, lookup), None);
    }

    /// Takes a look-up on until it wants to read or is over.
    fn search_on(
        &mut self,
        now: Now,
        id: u64,
        (log, mut lookup): (u16, Lookup),
        answer: Option<&[u8]>,
    ) {
        let ask = match &mut lookup {
            Lookup::Message(find, then) => match find.next(answer) {
                Step::Read(ask) => ask,
                Step::Done(Ok(message)) if !find.is_meant(&message) => {
                    return self.give_up(now, log, lookup, SearchError::Gone);
                }
                Step::Done(Ok(mut message)) => {
                    self.contents.restore(&mut message);
                    return self.message_found(now, log, *then, Some(message));
                }
                Step::Done(Err(error)) => return self.give_up(now, log, lookup, error),
            },
            Lookup::Page(search, list) => match search.next(answer) {
                Step::Read(ask) => ask,
                Step::Done(Ok(page)) => return self.page_found(now, *list, Some(page)),
                Step::Done(Err(error)) => return self.give_up(now, log, lookup, error),
            },
            Lookup::Wanted(search, _) => match search.next(answer) {
                Step::Read(ask) => ask,
                Step::Done(Ok(found)) => return self.wanted_found(now, lookup, found),
                Step::Done(Err(error)) => return self.give_up(now, log, lookup, error),
            },
            Lookup::Part(receipt) => match receipt.search.next(answer) {
                Step::Read(ask) => ask,
                Step::Done(Ok(rows)) => return self.part_found(now, lookup, rows),
                Step::Done(Err(error)) => return self.give_up(now, log, lookup, error),
            },
            Lookup::Rows(search) => match search.next(answer) {
                Step::Read(ask) => ask,
                Step::Done(Ok(rows)) => return self.rows_found(search.rows(), Some(rows)),
                Step::Done(Err(error)) => return self.give_up(now, log, lookup, error),
            },
            Lookup::Touch(search, customer) => match search.next(answer) {
                Step::Read(ask) => ask,
                Step::Done(Ok(found)) => return self.touched(now, *customer, Some(found)),
                Step::Done(Err(error)) => return self.give_up(now, log, lookup, error),
            },
            Lookup::Anchored(search) => match search.next(answer) {
                Step::Read(ask) => ask,
                Step::Done(Ok(found)) => return self.anchored_found(Some(found)),
                Step::Done(Err(error)) => return self.give_up(now, log, lookup, error),
            },
        };
        self.lookups.under_way.insert(id, UnderWay { lookup, log, ask });
        self.lookups.queued.push_back((id, log, ask));
    }

    /// A look-up has no answer: what it was for is gone, or cannot be read.
    fn give_up(&mut self, now: Now, log: u16, lookup: Lookup, error: SearchError) {
        match error {
            // Its place was used again before it was read.
            SearchError::Damaged(FileRef::Segment(segment)) if self.is_given_back(log, segment) => {
            }
            SearchError::Damaged(file) => {
                self.stats.inc(Counter::ReadsDamaged);
                if let FileRef::Side(file) = file {
                    self.registers_of(log).condemn(file);
                }
            }
            SearchError::Gone => {}
        }
        match lookup {
            Lookup::Message(find, then)
                if log == self.id.0 && find.may_be_elsewhere(self.journal.log.oldest_segment()) =>
            {
                // It was carried forward meanwhile, or is gone.
                let again = find.again(self.registers.slot(find.sequence()));
                self.look_up(now, Lookup::Message(Box::new(again), then));
            }
            Lookup::Message(_, then) => self.message_found(now, log, then, None),
            Lookup::Page(_, list) => self.page_found(now, list, None),
            Lookup::Wanted(..) => self.wanted_found(now, lookup, Vec::new()),
            Lookup::Part(_) => self.part_found(now, lookup, Vec::new()),
            Lookup::Rows(search) => self.rows_found(search.rows(), None),
            Lookup::Touch(_, customer) => self.touched(now, customer, None),
            Lookup::Anchored(_) => self.anchored_found(None),
        }
    }

    /// Whether a segment is no longer kept.
    fn is_given_back(&self, log: u16, segment: SegmentId) -> bool {
        match self.archive(log) {
            Some(archive) => archive.oldest().is_none_or(|oldest| segment < oldest),
            None => segment < self.journal.log.oldest_segment(),
        }
    }

    fn message_found(&mut self, now: Now, log: u16, then: Then, mut message: Option<Box<Message>>) {
        if let Some(message) = &mut message {
            self.forget_in(log, message);
        }
        match then {
            Then::Seek(to, sought) => {
                let number = self.shared.customer_number(sought.customer);
                let own = |message: &Message| {
                    message.envelope.id == sought.id && message.envelope.customer == number
                };
                match message.filter(|message| own(message)) {
                    None => self.find_on(now, to, sought, log),
                    Some(message) if sought.redact => self.redact_kept(now, to, log, &message),
                    Some(message) => self.show(to, view(&self.shared, &message)),
                }
            }
            Then::Row(list) => self.row_found(now, list, message),
            Then::Wake(sequence) => self.woken(now, sequence, message),
        }
    }

    /// Looks for a message of a customer, in memory and on the disk.
    pub(super) fn find(&mut self, now: Now, to: ShowTo, customer: CustomerIx, id: MessageId) {
        let sought = Sought { customer, id, redact: false };
        if self.number_of(id).is_some_and(|sequence| self.table.has(sequence)) {
            return match self.view_of(customer, id) {
                Some(view) => self.show(to, view),
                None => self.find_none(now, to, sought),
            };
        }
        self.find_in(now, to, sought, self.id.0);
    }

    /// Looks for a message on the disk, in a log that this shard keeps.
    fn find_in(&mut self, now: Now, to: ShowTo, sought: Sought, log: u16) {
        let Some(fields) = self.shared.cipher.open(sought.id) else {
            return self.find_none(now, to, sought);
        };
        let sequence = self.shared.placement.number_in(log, fields);
        let slot = self.registers_of(log).slot(sequence);
        let find = Box::new(Find::new(sequence, slot));
        self.look_up_in(now, log, Lookup::Message(find, Then::Seek(to, sought)));
    }

    /// Looks for a message that the logs up to this one do not have in the next.
    pub(super) fn find_on(&mut self, now: Now, to: ShowTo, sought: Sought, log: u16) {
        match self.next_log(log) {
            Some(next) => self.find_in(now, to, sought, next),
            None => self.find_none(now, to, sought),
        }
    }

    /// The message is in none of the logs that this shard keeps.
    pub(super) fn find_none(&mut self, now: Now, to: ShowTo, sought: Sought) {
        match to {
            ShowTo::Ticket(ticket, asked) => {
                self.seek(now, ticket, sought, asked.saturating_add(1));
            }
            ShowTo::Shard(..) if sought.redact => {
                self.redacted(to, Err(Problem::not_found()));
            }
            ShowTo::Shard(shard, call) => self.reply(shard, call, Reply::Found(None)),
        }
    }

    fn show(&mut self, to: ShowTo, view: MessageView) {
        let view = Some(Box::new(view));
        match to {
            ShowTo::Ticket(ticket, _) => self.answer(ticket, found(view)),
            ShowTo::Shard(shard, call) => self.reply(shard, call, Reply::Found(view)),
        }
    }

    /// Looks for what is to be forgotten.
    pub(super) fn find_touched(&mut self, now: Now, customer: u32, search: Touch) {
        self.look_up(now, Lookup::Touch(Box::new(search), customer));
    }

    /// Asks for the reads that there is room for.
    pub(super) fn pump_reads(&mut self) {
        while let Some((token, log, ask)) = self.lookups.poll_read() {
            self.stats.inc(Counter::Reads);
            self.ops.push_back(Op::Read { token, log, ask });
        }
    }
}

/// What stands for a group in the registers. Ids look random already.
pub(crate) fn group_hash(group: MessageId) -> u64 {
    let id = group.as_u128();
    u64::try_from((id ^ id >> 64) & u128::from(u64::MAX)).unwrap_or(0)
}

/// A message in memory as its register takes it.
pub(super) fn register_row(shared: &Shared, message: &Message) -> RegisterRow {
    let envelope = &message.envelope;
    let slot = Slot { status: HOT, at: message.anchor() };
    RegisterRow {
        sequence: envelope.sequence,
        customer: envelope.customer,
        accepted_ms: envelope.accepted.0,
        recipient: shared.placement.hash_of(envelope.to),
        group: envelope.group.map_or(0, group_hash),
        slot,
    }
}
