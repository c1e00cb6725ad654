//! A page of a customer's messages, newest first: those in memory, and those that the registers name,
//! read from the log. Part of the shard's machine.

use std::collections::{HashMap, VecDeque};

use postrider_core::clock::{Now, UnixMs};
use postrider_core::id::{IdFields, MessageId};
use postrider_core::lifecycle::PartStatus;
use postrider_core::limits;
use postrider_core::place::ShardId;
use postrider_http::auth::CustomerIx;
use postrider_http::request::{Cursor, ListQuery};
use postrider_http::response::MessageView;
use postrider_storage::register::{PageQuery, RegisterPage, Slot, Statuses};

use super::find::Find;
use super::{ENDED, Lookup, Then};
use crate::shard::Shard;
use crate::shard::mesh::{CallId, Page, Reply};
use crate::shard::message::Message;
use crate::shard::query::view;

/// The order of lists, over all shards: when a message was accepted, its number in its shard, its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListKey {
    pub(crate) created: UnixMs,
    pub(crate) sequence: u64,
    pub(crate) id: MessageId,
}

impl ListKey {
    /// What a customer is given to ask for the messages after this one.
    pub(crate) fn cursor(self) -> Cursor {
        Cursor { created: self.created, id: self.id }
    }
}

/// The lists that a shard works on.
#[derive(Default)]
pub(super) struct Lists {
    next: u64,
    under_way: HashMap<u64, List, super::FixedHasher>,
    /// Those that wait for others to be done.
    queued: VecDeque<Listing>,
    /// Shares of several logs that become one.
    joins: HashMap<u64, Join, super::FixedHasher>,
}

/// A share that several logs make.
struct Join {
    to: ListTo,
    limit: usize,
    pages: Vec<Page>,
    missing: usize,
}

/// What is to be listed, for whom.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) to: ListTo,
    /// The log that is looked into.
    pub(crate) log: u16,
    pub(crate) customer: CustomerIx,
    pub(crate) query: Box<ListQuery>,
}

/// Who asked for a shard's share of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ListTo {
    /// A call of this shard.
    Call(CallId),
    Shard(ShardId, CallId),
    /// It is joined with the shares of other logs here.
    Join(u64),
}

/// A list under way.
struct List {
    listing: Listing,
    /// What memory held of it when it began.
    hot: Page,
    /// What was read of it.
    items: Vec<(ListKey, MessageView)>,
    /// Rows that are still being read.
    missing: usize,
    /// Rows of the registers that were looked at.
    looked: usize,
    /// The registers were searched down to here; older messages may be in them.
    looked_to: Option<(u64, u64)>,
    /// A register could not be read.
    damaged: bool,
}

impl Shard {
    /// This shard's share of a list, from all the logs that it keeps.
    pub(in crate::shard) fn list(
        &mut self,
        now: Now,
        to: ListTo,
        customer: CustomerIx,
        query: Box<ListQuery>,
    ) {
        let own = self.id.0;
        if self.archives.kept.is_empty() {
            return self.list_log(now, Listing { to, log: own, customer, query });
        }
        let lists = &mut self.lookups.lists;
        let join = lists.next;
        lists.next += 1;
        let limit = usize::from(query.limit) + 1;
        let missing = self.archives.kept.len() + 1;
        lists.joins.insert(join, Join { to, limit, pages: Vec::new(), missing });
        let mut log = Some(own);
        while let Some(next) = log {
            log = self.next_log(next);
            let query = query.clone();
            self.list_log(now, Listing { to: ListTo::Join(join), log: next, customer, query });
        }
    }

    /// The share of one log.
    fn list_log(&mut self, now: Now, listing: Listing) {
        if self.lookups.lists.under_way.len() >= limits::LISTS_AT_ONCE {
            self.lookups.lists.queued.push_back(listing);
            return;
        }
        let hot = if listing.log == self.id.0 {
            self.page_in_memory(listing.customer, &listing.query)
        } else {
            Page::default()
        };
        let lists = &mut self.lookups.lists;
        let id = lists.next;
        lists.next += 1;
        let list = List {
            listing,
            hot,
            items: Vec::new(),
            missing: 0,
            looked: 0,
            looked_to: None,
            damaged: false,
        };
        lists.under_way.insert(id, list);
        self.search_registers(now, id);
    }

    /// Looks on in the registers.
    fn search_registers(&mut self, now: Now, id: u64) {
        let Some(list) = self.lookups.lists.under_way.get(&id) else { return };
        let (query, log) = (&list.listing.query, list.listing.log);
        let before = match list.looked_to {
            Some(place) => Some(place),
            // The cursor's own place once more: another shard's message may share it.
            None => query.cursor.map(|cursor| {
                let sequence = self.key_of(log, cursor).sequence;
                (cursor.created.0, sequence.saturating_add(1))
            }),
        };
        let asked = PageQuery {
            customer: self.shared.customer_number(list.listing.customer),
            newest_ms: query.to.map_or(u64::MAX, |to| to.0.saturating_sub(1)),
            oldest_ms: query.from.map_or(0, |from| from.0),
            after: before,
            statuses: match query.status {
                Some(status) if status.is_final() => Statuses::of(&[status as u8, ENDED]),
                Some(status) => Statuses::of(&[status as u8]),
                None => listed(),
            },
            limit: usize::from(query.limit) + 1,
            scan_max: limits::LIST_SCAN_MAX,
        };
        let search = Box::new(self.registers_of(log).page(asked));
        self.look_up_in(now, log, Lookup::Page(search, id));
    }

    /// The registers named some messages: they are read, all at once.
    pub(super) fn page_found(&mut self, now: Now, id: u64, page: Option<RegisterPage>) {
        let Some(list) = self.lookups.lists.under_way.get_mut(&id) else { return };
        list.damaged |= page.is_none();
        let page = page.unwrap_or_default();
        list.looked += page.rows.len().max(1);
        list.looked_to = page.looked_to;
        // One more, so that none is the last before all are under way.
        list.missing = page.rows.len() + 1;
        for row in page.rows {
            self.read_row(now, id, row.sequence, row.slot);
        }
        self.row_done(now, id);
    }

    fn read_row(&mut self, now: Now, id: u64, sequence: u64, slot: Slot) {
        let log = self.lookups.lists.under_way.get(&id).map_or(self.id.0, |list| list.listing.log);
        let own = log == self.id.0;
        let Some(message) = self.table.get(sequence).filter(|_| own) else {
            let find = Box::new(Find::at(sequence, slot));
            return self.look_up_in(now, log, Lookup::Message(find, Then::Row(id)));
        };
        // It came back to memory.
        if let Some(list) = self.lookups.lists.under_way.get_mut(&id)
            && message.durable
            && fits(&list.listing.query, message)
        {
            list.items.push((key(message), view(&self.shared, message)));
        }
        self.row_done(now, id);
    }

    /// A row was read, or could not be.
    pub(super) fn row_found(&mut self, now: Now, id: u64, message: Option<Box<Message>>) {
        if let Some(list) = self.lookups.lists.under_way.get_mut(&id)
            && let Some(message) = message
        {
            let own = self.shared.customer_number(list.listing.customer);
            if message.envelope.customer == own && fits(&list.listing.query, &message) {
                list.items.push((key(&message), view(&self.shared, &message)));
            }
        }
        self.row_done(now, id);
    }

    fn row_done(&mut self, now: Now, id: u64) {
        let Some(list) = self.lookups.lists.under_way.get_mut(&id) else { return };
        list.missing -= 1;
        if list.missing > 0 {
            return;
        }
        let enough = list.items.len() > usize::from(list.listing.query.limit)
            || list.looked >= limits::LIST_SCAN_MAX;
        if enough || list.looked_to.is_none() {
            self.finish_share(now, id);
        } else {
            self.search_registers(now, id);
        }
    }

    fn finish_share(&mut self, now: Now, id: u64) {
        let Some(list) = self.lookups.lists.under_way.remove(&id) else { return };
        let List { listing, hot, mut items, looked_to, damaged, .. } = list;
        let after = listing.query.cursor.map(|cursor| self.key_of(listing.log, cursor));
        items.retain(|(key, _)| after.is_none_or(|after| *key < after));
        let looked_to =
            looked_to.map(|(created, sequence)| self.place(listing.log, created, sequence));
        let read = Page { items, looked_to, damaged };
        let page = merge(vec![hot, read], usize::from(listing.query.limit) + 1);
        self.share_ready(listing.to, page);
        if let Some(next) = self.lookups.lists.queued.pop_front() {
            self.list_log(now, next);
        }
    }

    fn share_ready(&mut self, to: ListTo, page: Page) {
        match to {
            ListTo::Join(id) => {
                let joins = &mut self.lookups.lists.joins;
                let Some(join) = joins.get_mut(&id) else { return };
                join.pages.push(page);
                join.missing -= 1;
                if join.missing == 0
                    && let Some(join) = joins.remove(&id)
                {
                    self.share_ready(join.to, merge(join.pages, join.limit));
                }
            }
            ListTo::Call(call) => {
                if let Some(held) = self.mesh.recall(call) {
                    self.take_page(call, held, page);
                }
            }
            ListTo::Shard(shard, call) => self.reply(shard, call, Reply::Page(Box::new(page))),
        }
    }

    /// What memory holds of a list.
    fn page_in_memory(&self, customer: CustomerIx, query: &ListQuery) -> Page {
        let number = self.shared.customer_number(customer);
        let newest = query.to.map(|to| UnixMs(to.0.saturating_sub(1)));
        let after = query.cursor.map(|cursor| self.key_of(self.id.0, cursor));
        let before = after.map(|after| (after.created, after.sequence.saturating_add(1)));
        let mut page = Page::default();
        let found = self.table.by_customer(number, newest, query.from, before);
        for (looked, message) in found.enumerate() {
            let at = key(message);
            if after.is_none_or(|after| at < after) && fits(query, message) {
                page.items.push((at, view(&self.shared, message)));
            }
            // One more than asked tells whether there is a next page.
            if page.items.len() > usize::from(query.limit) || looked >= limits::LIST_SCAN_MAX {
                page.looked_to = Some(at);
                break;
            }
        }
        page
    }

    /// Where a cursor stands in the order of lists, by the numbers of a log.
    fn key_of(&self, log: u16, cursor: Cursor) -> ListKey {
        let fields = self.shared.cipher.open(cursor.id);
        let sequence = fields.map_or(0, |fields| self.shared.placement.number_in(log, fields));
        ListKey { created: cursor.created, sequence, id: cursor.id }
    }

    /// A place in a list that may be nobody's, in a form that a cursor can have.
    fn place(&self, log: u16, created: u64, sequence: u64) -> ListKey {
        let time = UnixMs(created);
        let partition = self.shared.placement.first_partition_of(log);
        let id = self.shared.cipher.seal(IdFields { time, partition, sequence });
        ListKey { created: time, sequence, id }
    }
}

/// Statuses of all messages but those in memory, which are there already.
fn listed() -> Statuses {
    let mut statuses = PartStatus::ALL.map(|status| status as u8).to_vec();
    statuses.push(ENDED);
    Statuses::of(&statuses)
}

fn key(message: &Message) -> ListKey {
    let envelope = &message.envelope;
    ListKey { created: envelope.accepted, sequence: envelope.sequence, id: envelope.id }
}

fn fits(query: &ListQuery, message: &Message) -> bool {
    let envelope = &message.envelope;
    query.status.is_none_or(|status| status == message.status())
        && query.to_number.is_none_or(|number| number == envelope.to)
        && query.from_number.as_ref().is_none_or(|sender| *sender == envelope.sender)
}

/// Merges shares of a list, newest first, and keeps the first `limit`. Nothing older than a place up
/// to which every share has been looked for is shown: a later page brings it. What memory and disk
/// both held is shown once.
pub(crate) fn merge(pages: Vec<Page>, limit: usize) -> Page {
    let damaged = pages.iter().any(|page| page.damaged);
    let horizon = pages.iter().filter_map(|page| page.looked_to).max();
    let mut items: Vec<(ListKey, MessageView)> = pages.into_iter().flat_map(|p| p.items).collect();
    items.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    items.dedup_by_key(|(at, _)| *at);
    if let Some(horizon) = horizon {
        items.retain(|(at, _)| *at >= horizon);
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let looked_to = if more { items.last().map(|(at, _)| *at) } else { horizon };
    Page { items, looked_to, damaged }
}
