//! All that a shard has for messages that are on disk alone: who is hot, what wakes a cold message, and
//! the runs in which that is written. Pure but for the searches and chores that it hands out; one per
//! shard.
//!
//! A message that is to be sent asks for a seat ([`ColdStore::admit`]). One that finds none, or for
//! which nothing can be done ([`ColdStore::idle`], [`ColdStore::poll_leaving`]), is parked: once its
//! state is on disk, [`ColdStore::park`] files what can wake it. From then on its memory is free.
//! What is to be woken comes from [`ColdStore::poll`], or is named by a receipt or a customer
//! ([`ColdStore::want`]). The owner reads the message and says [`ColdStore::arrived`]; or
//! [`ColdStore::leave`], when there is none. Once what became of it is on record, and before it is
//! parked otherwise than before, [`ColdStore::settle`] takes its rows away.

use std::time::Duration;

use postrider_core::clock::{Now, UnixMs};
use postrider_storage::runs::{
    MergeRule, RunChore, RunConfig, RunDone, RunRange, RunRows, RunSet, RunState,
};
use postrider_storage::{Disk, IndexKind, LogIoError, Lsn, Search, SegmentId, SideFile, Step};

use super::receipts::{PartLookup, PartName};
use super::{ActiveSet, Backlog, Cold, Due, DueTurn, Group, ReceiptIndex, Seats, Turn, Weights};

/// What a store is made with.
#[derive(Clone, Debug)]
pub struct ColdConfig {
    /// Seats of hot messages.
    pub seats: Seats,
    /// Parts submitted in an hour, as planned.
    pub receipts: usize,
    /// How long a part's name stays in memory.
    pub hour: Duration,
    /// The data directory's key for names on disk.
    pub key: [u64; 2],
    /// Settings of each of the three indexes.
    pub runs: RunConfig,
}

/// What can wake a message: it follows from the message's state alone, so that it is known again when
/// the message has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filing {
    /// It waits to be sent, with this deadline; or, in a group that is owed receipts, since then.
    pub sending: Option<(Group, UnixMs)>,
    /// Something is to be done for it then.
    pub due: Option<UnixMs>,
    /// What carriers call its parts that are open.
    pub names: Vec<(PartName, u8)>,
    /// The recipient's name at each carrier that has a part of it which is open.
    pub recipients: Vec<PartName>,
}

/// What an owner is to do.
#[derive(Debug)]
pub enum ColdTurn {
    /// Run this search; its outcome goes to [`ColdStore::handle_rows`].
    Look(RowSearch),
    /// Read this message: it has a seat.
    Wake(Cold),
    /// What came of [`ColdStore::ask_owed`]: read this message of the customer's, which has a seat;
    /// or none of its messages waits on disk.
    Owed(u32, Option<Cold>),
}

/// A search for rows.
#[derive(Debug)]
pub struct RowSearch {
    rows: Rows,
    range: RunRange,
}

/// What a search is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Groups of the backlog, by number.
    Backlog(u32),
    /// What is due.
    Due,
}

impl RowSearch {
    /// What it is for.
    #[must_use]
    pub fn rows(&self) -> Rows {
        self.rows
    }
}

impl Search for RowSearch {
    type Found = RunRows;

    fn next(&mut self, answer: Option<&[u8]>) -> Step<RunRows> {
        self.range.next(answer)
    }
}

/// Slow work on the files of the store, for a helper thread.
#[derive(Debug)]
pub struct ColdChore(IndexKind, RunChore);

/// What came of it.
#[derive(Debug)]
pub struct ColdDone {
    kind: IndexKind,
    removed: Vec<SideFile>,
    result: Result<RunDone, LogIoError>,
}

impl ColdChore {
    /// Does it; blocking.
    pub fn run<D: Disk>(self, disk: &mut D) -> ColdDone {
        let removed = self.1.removes().to_vec();
        ColdDone { kind: self.0, removed, result: self.1.run(disk) }
    }
}

impl ColdDone {
    /// The error that it met.
    #[must_use]
    pub fn error(&self) -> Option<&LogIoError> {
        self.result.as_ref().err()
    }

    /// Files that are gone.
    #[must_use]
    pub fn replaced(&self) -> &[SideFile] {
        &self.removed
    }
}

/// See the module's page.
#[derive(Debug)]
pub struct ColdStore {
    set: ActiveSet,
    backlog: Backlog,
    due: Due,
    receipts: ReceiptIndex,
    to_send: RunSet,
    times: RunSet,
    names: RunSet,
    /// A chore is under way.
    working: bool,
}

/// What a checkpoint keeps of each index: backlog, due, receipts.
pub type ColdState = [RunState; 3];

impl ColdStore {
    /// Opens what is in `disk`; changes nothing. Gives the damaged files too. The owner then puts again
    /// what the indexes lack, from the records behind [`ColdStore::covered`], and says how many wait
    /// ([`ColdStore::count`]).
    ///
    /// # Errors
    /// When reading fails.
    pub fn open<D: Disk>(
        disk: &mut D,
        config: &ColdConfig,
        known: ColdState,
        now: Duration,
    ) -> Result<(Self, Vec<SideFile>), LogIoError> {
        let [of_backlog, of_due, of_receipts] = known;
        let mut damaged = Vec::new();
        let mut open = |kind, known| {
            let (set, bad) = RunSet::open(disk, kind, config.runs.clone(), known, now)?;
            damaged.extend(bad);
            Ok::<RunSet, LogIoError>(set)
        };
        let store = ColdStore {
            set: ActiveSet::new(config.seats),
            backlog: Backlog::default(),
            due: Due::default(),
            receipts: ReceiptIndex::new(config.receipts, config.hour, config.key, now),
            to_send: open(IndexKind::Backlog, of_backlog)?,
            times: open(IndexKind::Due, of_due)?,
            names: open(IndexKind::Receipts, of_receipts)?,
            working: false,
        };
        Ok((store, damaged))
    }

    /// Forgets everything that is filed, and has its files removed: it is put again from the records.
    pub fn discard(&mut self) {
        self.to_send.discard();
        self.times.discard();
        self.names.discard();
    }

    /// So many messages more of a group wait on disk: a checkpoint says so, or a scan.
    pub fn count(&mut self, group: Group, count: u64) {
        self.set.file(group, count);
    }

    /// Every group with messages that wait on disk to be sent, and how many.
    pub fn backlog(&self) -> impl Iterator<Item = (Group, u64)> + '_ {
        self.set.backlog()
    }

    /// There may be so many routes from now on.
    pub fn set_routes(&mut self, routes: usize) {
        self.set.set_routes(routes);
    }

    /// A message wants to be sent; false when it is to be parked.
    pub fn admit(&mut self, sequence: u64, group: Group) -> bool {
        self.set.admit(sequence, group)
    }

    /// Nothing can be done for a hot message until something happens to it.
    pub fn idle(&mut self, sequence: u64, now: Duration) {
        self.set.idle(sequence, now);
    }

    /// A message cannot leave memory until something ends that it waits for.
    pub fn hold(&mut self, sequence: u64) {
        self.set.hold(sequence);
    }

    /// A message is to be sent, and cannot wait on disk for a seat.
    pub fn seat(&mut self, sequence: u64, group: Group) {
        self.set.seat(sequence, group);
    }

    /// A message that was not admitted is to be parked.
    pub fn turn_away(&mut self, sequence: u64) {
        self.set.turn_away(sequence);
    }

    /// Whether a message has a seat.
    #[must_use]
    pub fn is_hot(&self, sequence: u64) -> bool {
        self.set.is_hot(sequence)
    }

    /// Whether it has one because it is to be sent.
    #[must_use]
    pub fn is_sending(&self, sequence: u64) -> bool {
        self.set.is_sending(sequence)
    }

    /// Whether it has one because it is to be sent, with this group.
    #[must_use]
    pub fn is_sending_in(&self, sequence: u64, group: Group) -> bool {
        self.set.group_of(sequence) == Some(group)
    }

    /// Whether it has one because something happened to it.
    #[must_use]
    pub fn is_wanted(&self, sequence: u64) -> bool {
        self.set.is_wanted(sequence)
    }

    /// A row led to a message that is in memory, or to none: it was not counted.
    pub fn was_not_counted(&mut self, sequence: u64) {
        if let Some(group) = self.set.group_of(sequence) {
            self.set.filed(group);
        }
    }

    /// Something happened to a message, hot or cold; false when there are too many such: try again.
    pub fn want(&mut self, sequence: u64) -> bool {
        self.set.want(sequence)
    }

    /// A message has ended, or could not be read: it is not hot any more.
    pub fn leave(&mut self, sequence: u64) {
        self.set.leave(sequence);
    }

    /// The next message to be parked: its seat is gone.
    pub fn poll_leaving(&mut self, now: Duration) -> Option<u64> {
        self.set.poll_leaving(now)
    }

    /// A message leaves memory: what is filed wakes it. Its state lies at `message.at`.
    pub fn park(&mut self, filing: &Filing, message: Cold) {
        self.set.leave(message.sequence);
        self.file(filing, message);
        if let Some((group, _)) = filing.sending.filter(|(group, _)| !group.is_owed()) {
            self.set.filed(group);
        }
    }

    /// Files a message that stays in memory, or whose state has moved to `message.at`: a restart finds
    /// it there.
    pub fn file(&mut self, filing: &Filing, message: Cold) {
        if let Some((group, deadline)) = filing.sending {
            self.backlog.file(&mut self.to_send, group, deadline, message);
        }
        if let Some(due) = filing.due {
            self.due.file(&mut self.times, due, message);
        }
        for (name, part) in &filing.names {
            self.receipts.file(&mut self.names, *name, *part, message);
        }
        for name in &filing.recipients {
            self.receipts.file_recipient(&mut self.names, *name, message);
        }
    }

    /// What was filed for a message is settled.
    pub fn settle(&mut self, filing: &Filing, sequence: u64) {
        if let Some((group, deadline)) = filing.sending {
            self.backlog.unfile(&mut self.to_send, group, deadline, sequence);
        }
        if let Some(due) = filing.due {
            self.due.unfile(&mut self.times, due, sequence);
        }
        for (name, part) in &filing.names {
            self.receipts.unfile(&mut self.names, *name, (sequence, *part));
        }
        for name in &filing.recipients {
            self.receipts.unfile_recipient(&mut self.names, *name, sequence);
        }
    }

    /// A message that was to be woken has been read. `filing`: as it was parked with.
    pub fn arrived(&mut self, now: Duration, filing: &Filing, sequence: u64) {
        // One that came by its turn was taken off the count then. A row that was left over leads to a
        // message of another group, or of none.
        let counted = filing.sending.map(|(group, _)| group).filter(|group| !group.is_owed());
        let turn = self.set.group_of(sequence);
        if turn != counted {
            turn.into_iter().for_each(|group| self.set.filed(group));
            counted.into_iter().for_each(|group| self.set.unfiled(group));
        }
        for (name, part) in &filing.names {
            // A table without room costs a read, no more: the rows are still there.
            self.receipts.note(now, *name, (sequence, *part));
        }
    }

    /// A message that came by its turn has so many parts.
    pub fn weighs(&mut self, sequence: u64, parts: u8, weights: Weights<'_>) {
        if let Some(group) = self.set.group_of(sequence) {
            self.set.weighs(group, parts, weights);
        }
    }

    /// A customer's binds have room for a receipt of a message on disk, the one that has waited
    /// longest: [`ColdTurn::Owed`] answers. False when no seat is free for it: ask again.
    pub fn ask_owed(&mut self, customer: u32) -> bool {
        let free = self.set.keep();
        if free {
            self.backlog.ask(Group::owed(customer));
        }
        free
    }

    /// The next search to run, or message to read.
    pub fn poll(&mut self, now: Now, weights: Weights<'_>) -> Option<ColdTurn> {
        while let Some(group) = self.set.poll_wake(weights) {
            self.backlog.ask(group);
        }
        while let Some(turn) = self.backlog.poll() {
            match turn {
                Turn::Read(number) => {
                    let range = self.backlog.search(&self.to_send, number);
                    return Some(look(Rows::Backlog(number), range));
                }
                Turn::Message(group, message) if group.is_owed() => {
                    if self.set.is_hot(message.sequence) {
                        // What is hot is offered already: the next one is meant.
                        self.backlog.ask(group);
                    } else {
                        return Some(self.owed(group, Some(message)));
                    }
                }
                Turn::Nothing(group) if group.is_owed() => return Some(self.owed(group, None)),
                Turn::Message(group, message) if self.set.is_hot(message.sequence) => {
                    // Another of the group was meant: this one is counted no more.
                    self.set.missed(group);
                    self.set.filed(group);
                    self.ask_again(weights);
                }
                Turn::Message(group, message) => {
                    self.set.woken(message.sequence, group);
                    return Some(ColdTurn::Wake(message));
                }
                Turn::Nothing(group) => {
                    self.set.missed(group);
                    self.set.emptied(group);
                }
            }
        }
        self.poll_due(now)
    }

    /// What came of asking for a message that is owed: the seat that was kept is its own.
    fn owed(&mut self, group: Group, found: Option<Cold>) -> ColdTurn {
        self.set.give_up();
        if let Some(message) = found {
            self.set.want(message.sequence);
        }
        ColdTurn::Owed(group.customer, found)
    }

    fn ask_again(&mut self, weights: Weights<'_>) {
        if let Some(group) = self.set.poll_wake(weights) {
            self.backlog.ask(group);
        }
    }

    fn poll_due(&mut self, now: Now) -> Option<ColdTurn> {
        loop {
            match self.due.poll(now)? {
                DueTurn::Read => {
                    let range = self.due.search(&self.times);
                    return Some(look(Rows::Due, range));
                }
                // What is hot has its timers.
                DueTurn::Message(_, message) if self.set.is_hot(message.sequence) => {}
                DueTurn::Message(due, message) => {
                    if self.set.want(message.sequence) {
                        return Some(ColdTurn::Wake(message));
                    }
                    self.due.give_back(due, message);
                    return None;
                }
            }
        }
    }

    /// What a search found; `None` when it failed.
    pub fn handle_rows(&mut self, rows: Rows, found: Option<RunRows>) {
        match rows {
            Rows::Backlog(number) => self.backlog.handle_rows(number, found),
            Rows::Due => self.due.handle_rows(found),
        }
    }

    /// The names by which receipts find parts.
    #[must_use]
    pub fn receipts(&self) -> &ReceiptIndex {
        &self.receipts
    }

    /// A carrier gave a part of a hot message an id.
    pub fn named(&mut self, now: Duration, name: PartName, sequence: u64, part: u8) -> bool {
        self.receipts.note(now, name, (sequence, part))
    }

    /// Looks for parts on disk that a name may mean.
    #[must_use]
    pub fn lookup(&self, name: PartName) -> PartLookup {
        self.receipts.lookup(&self.names, name)
    }

    /// The next slow work, for a helper thread; one at a time. `applied` and `durable` as for
    /// [`RunSet::poll_chore`].
    pub fn poll_chore(&mut self, now: Duration, applied: Lsn, durable: Lsn) -> Option<ColdChore> {
        if self.working {
            return None;
        }
        let sets = [
            (IndexKind::Backlog, &mut self.to_send),
            (IndexKind::Due, &mut self.times),
            (IndexKind::Receipts, &mut self.names),
        ];
        let mut sets = sets.into_iter();
        let chore = sets.find_map(|(kind, set)| {
            let chore = set.poll_chore(now, applied, durable)?;
            Some(ColdChore(kind, chore))
        })?;
        self.working = true;
        Some(chore)
    }

    /// A piece of slow work is done, or failed.
    pub fn handle_chore(&mut self, now: Duration, done: ColdDone) {
        self.working = false;
        match done.kind {
            IndexKind::Backlog => self.to_send.handle_chore(now, done.result),
            IndexKind::Due => self.times.handle_chore(now, done.result),
            IndexKind::Receipts => self.names.handle_chore(now, done.result),
        }
    }

    /// Whether more may be parked: the disk keeps up.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.sets().iter().all(|set| set.has_room())
    }

    /// Whether as many rows are in memory as may be before they are written.
    #[must_use]
    pub fn pressed(&self) -> bool {
        self.sets().iter().any(|set| set.pressed())
    }

    /// Everything filed for records up to this one is on disk.
    #[must_use]
    pub fn covered(&self) -> Lsn {
        self.sets().iter().map(|set| set.covered()).min().unwrap_or(Lsn(0))
    }

    /// What a checkpoint keeps.
    #[must_use]
    pub fn state(&self) -> ColdState {
        self.sets().map(RunSet::state)
    }

    /// Sets all that is filed aside to be written, as it is at this moment: for a checkpoint, which has
    /// it once [`ColdStore::covered`] has reached `applied`. False while earlier rows are on their way:
    /// nothing was done.
    pub fn set_aside(&mut self, applied: Lsn) -> bool {
        let settled = self.sets().iter().all(|set| set.is_settled());
        if settled {
            for set in [&mut self.to_send, &mut self.times, &mut self.names] {
                set.set_aside(applied);
            }
        }
        settled
    }

    /// Segments before this one are given up: rows that lead there are left behind by and by.
    pub fn release_before(&mut self, segment: SegmentId) {
        for set in [&mut self.to_send, &mut self.times, &mut self.names] {
            set.set_rule(MergeRule { segment_from: segment, ..MergeRule::KEEP });
        }
    }

    /// Asks for all that is in memory to be written.
    pub fn flush(&mut self) {
        self.to_send.flush();
        self.times.flush();
        self.names.flush();
    }

    /// Tries again what failed for want of space.
    pub fn retry_chores(&mut self) {
        self.to_send.retry_chores();
        self.times.retry_chores();
        self.names.retry_chores();
    }

    /// When `poll`, `poll_leaving` or `poll_chore` has something at the latest. `may_park`: whether the
    /// owner takes what `poll_leaving` gives.
    #[must_use]
    pub fn poll_timeout(&self, now: Now, may_park: bool) -> Option<Duration> {
        let merges = self.sets().map(RunSet::poll_timeout);
        let leaving = self.set.poll_timeout().filter(|_| may_park);
        let due = self.due.poll_timeout(now).filter(|_| self.set.has_room_for_wanted());
        let own = [leaving, due];
        merges.into_iter().chain(own).flatten().min()
    }

    /// Hot messages.
    #[must_use]
    pub fn hot(&self) -> usize {
        self.set.len()
    }

    fn sets(&self) -> [&RunSet; 3] {
        [&self.to_send, &self.times, &self.names]
    }
}

fn look(rows: Rows, range: RunRange) -> ColdTurn {
    ColdTurn::Look(RowSearch { rows, range })
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "owed_tests.rs"]
mod owed_tests;
