//! All registers of a shard: the one that is open, those that wait to be written, those on the
//! disk, and what has changed since. Pure; one per shard.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::disk::{SegmentId, SideFile};
use crate::position::Position;

use super::anchored::{Anchored, AnchoredCursor, AnchoredSearch, Wanted};
use super::chore::Work;
use super::list::{InMemory, PageQuery, PageSearch};
use super::listed::{Entry, Listed, Shared};
use super::lookup::{HashSearch, SlotLookup};
use super::open::{OpenRegister, Row};
use super::page::Kind;
use super::row::{RegisterRow, Slot, Statuses};
use super::slots::REGISTER_ROWS_MAX;
use super::snapshot::{Known, Snapshot};
use super::standing::StandingSearch;
use super::work::{Doomed, Sealed, Target};

/// Registers that may wait to be written before the owner is pressed.
const SEALED_MAX: usize = 4;

/// Bounds of the registers of one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterConfig {
    /// Messages of one register at most, up to [`REGISTER_ROWS_MAX`].
    pub rows: u32,
    /// Changed slots in memory at most; from half of it on they are written.
    pub dirty: usize,
}

/// What a shard knows of where its messages stand. See the module [`super`].
#[derive(Debug)]
pub struct Registers {
    pub(super) config: RegisterConfig,
    next_number: u64,
    open: Option<OpenRegister>,
    /// Oldest first.
    pub(super) sealed: VecDeque<Sealed>,
    /// Rows that came back in a replay and belong to no register, until they make one.
    strays: Vec<Row>,
    strays_at: Option<Position>,
    pub(super) listed: Arc<Listed>,
    pub(super) changes: Shared,
    /// What is to be flushed next.
    pub(super) plan: VecDeque<Target>,
    pub(super) doomed: Vec<Doomed>,
    /// Some listed register may have nothing left.
    pub(super) sweep: bool,
    pub(super) under_way: Option<Work>,
    /// A chore failed: none until [`Registers::retry`].
    pub(super) held: bool,
    /// Open messages by the segment of their anchor.
    live: BTreeMap<u64, u32>,
    pub(super) damaged: BTreeSet<SideFile>,
}

impl Registers {
    /// The registers of a shard that has none.
    ///
    /// # Panics
    /// When more rows are configured than a register can have, or none.
    #[must_use]
    pub fn new(config: RegisterConfig) -> Self {
        assert!((1..=REGISTER_ROWS_MAX).contains(&config.rows), "{} rows", config.rows);
        Self {
            config,
            next_number: 1,
            open: None,
            sealed: VecDeque::new(),
            strays: Vec::new(),
            strays_at: None,
            listed: Arc::default(),
            changes: Shared::default(),
            plan: VecDeque::new(),
            doomed: Vec::new(),
            sweep: false,
            under_way: None,
            held: false,
            live: BTreeMap::new(),
            damaged: BTreeSet::new(),
        }
    }

    /// Those found on the disk, with what a snapshot said.
    pub(super) fn found(config: RegisterConfig, entries: Vec<Entry>, snapshot: Snapshot) -> Self {
        let mut registers = Self::new(config);
        let highest = entries.iter().map(|entry| entry.summary.number).max().unwrap_or(0);
        registers.next_number = snapshot.next_number.max(highest + 1);
        registers.listed = Arc::new(Listed::of(entries));
        registers.live = snapshot.live;
        registers.sweep = true;
        let listed = Arc::clone(&registers.listed);
        let mut changes = registers.changes.borrow_mut();
        changes.oldest = snapshot.oldest;
        changes.slots = snapshot.slots;
        // What is in no register comes back in the replay.
        changes.slots.retain(|sequence, _| listed.spanning(*sequence).next().is_some());
        drop(changes);
        registers
    }

    /// A message is accepted: its `accepted` record is durable. In the order of the log. What a
    /// replay brings again of a message that is known only moves its slot. When the row comes from
    /// another segment than the one before, the register is sealed by itself.
    pub fn accept(&mut self, row: &RegisterRow) {
        if let Some(open) = &mut self.open
            && open.takes(row, self.config.rows)
        {
            open.accept(row);
            return;
        }
        if self.owned(row.sequence) {
            self.set_slot(row.sequence, row.slot);
        } else if self.last().is_none_or(|last| row.sequence > last) {
            self.seal();
            self.open = Some(OpenRegister::new(row));
        } else {
            self.stray(row);
        }
    }

    /// A message's `carried` record is durable: its slot moves there. When a replay brings the
    /// record and the message is in no register, because its `accepted` record is no more, it
    /// comes into one.
    pub fn carried(&mut self, row: &RegisterRow) {
        let sequence = row.sequence;
        let in_memory = self.unwritten().any(|register| register.slot(sequence).is_some());
        if in_memory || self.listed.owner(sequence).is_some() {
            self.set_slot(sequence, row.slot);
        } else {
            self.stray(row);
        }
    }

    /// The `carried` record of a message of another log is durable, which is not in the order of this
    /// one: as [`Registers::carried`], but no range of sequences says whether it is known.
    pub fn moved(&mut self, row: &RegisterRow) {
        let (sequence, slot) = (row.sequence, row.slot);
        if !self.unwritten().any(|register| register.slot(sequence).is_some()) {
            self.stray(row);
        }
        // It may be in a register on the disk too, with what was said before.
        self.set_slot(sequence, slot);
    }

    /// Moves a message's slot: the record at its anchor is durable. Of a message that is in no
    /// register nothing is noted.
    pub fn set_slot(&mut self, sequence: u64, slot: Slot) {
        self.change(sequence, slot.pack());
    }

    /// The message is gone: nothing finds it any more.
    pub fn forget(&mut self, sequence: u64) {
        self.change(sequence, 0);
    }

    fn change(&mut self, sequence: u64, packed: u64) {
        if self.open.as_mut().is_some_and(|open| open.set_slot(sequence, packed)) {
            return;
        }
        let known = !self.strays.is_empty()
            || self.sealed.iter().any(|sealed| sealed.register.slot(sequence).is_some())
            || self.listed.spanning(sequence).next().is_some();
        if known {
            self.changes.borrow_mut().slots.insert(sequence, packed);
        }
    }

    /// A message's anchor is now in another segment: `None` before it was accepted, and after it
    /// is closed. Counts [`Registers::live`].
    pub fn anchor_moved(&mut self, from: Option<Position>, to: Option<Position>) {
        if let Some(from) = from {
            let segment = from.segment.0;
            match self.live.get_mut(&segment) {
                Some(count) if *count > 1 => *count -= 1,
                Some(_) => {
                    self.live.remove(&segment);
                }
                // The segment was given up.
                None => {}
            }
        }
        if let Some(to) = to {
            *self.live.entry(to.segment.0).or_default() += 1;
        }
    }

    /// Open messages whose anchor lies in a segment.
    #[must_use]
    pub fn live(&self, segment: SegmentId) -> u32 {
        self.live.get(&segment.0).copied().unwrap_or(0)
    }

    /// The replay is over: what it brought back out of order becomes registers.
    pub fn replayed(&mut self) {
        self.seal_strays();
    }

    /// Where a message stands; `None` when it is unknown or gone.
    #[must_use]
    pub fn slot(&self, sequence: u64) -> SlotLookup {
        let changes = self.changes.borrow();
        let changed = changes.slots.get(&sequence).copied();
        let open = || self.open.as_ref()?.slot(sequence);
        let sealed = || self.sealed.iter().find_map(|sealed| sealed.register.slot(sequence));
        match changed.or_else(open).or_else(sealed) {
            Some(packed) => SlotLookup::known(sequence, changes.there(packed), &self.changes),
            None => SlotLookup::new(sequence, &self.listed, &self.changes),
        }
    }

    /// A page of a customer's list. It shows every message as it stood when this was called, or
    /// later.
    #[must_use]
    pub fn page(&self, query: PageQuery) -> PageSearch {
        PageSearch::new(query, self.in_memory(&query), &self.listed, &self.changes)
    }

    fn in_memory(&self, query: &PageQuery) -> InMemory {
        let changes = self.changes.borrow();
        let mut found = InMemory::default();
        for register in self.unwritten() {
            let rows = register.latest(query.customer, query.before(), query.oldest_ms);
            let (mut looked, mut fitting) = (0, 0);
            for row in rows {
                let changed = changes.slots.get(&row.sequence).copied();
                let slot = changes.there(changed.unwrap_or(row.slot));
                let slot = slot.filter(|slot| query.statuses.has(slot.status));
                found.rows.push_back((row.key(), slot));
                looked += 1;
                fitting += usize::from(slot.is_some());
                if looked >= query.scan_max || fitting >= query.limit {
                    found.horizon = found.horizon.max(Some(row.key()));
                    break;
                }
            }
        }
        let rows = found.rows.make_contiguous();
        rows.sort_unstable_by_key(|(key, _)| std::cmp::Reverse(*key));
        let whole = rows.partition_point(|(key, _)| Some(*key) >= found.horizon);
        found.rows.truncate(whole);
        found
    }

    /// The messages to a recipient, by the keyed hash of its number: their sequences, ascending. A
    /// hash may be another recipient's too, and messages may be gone.
    #[must_use]
    pub fn by_recipient(&self, hash: u64) -> HashSearch {
        self.by_hash(Kind::Recipients, hash, Statuses::ALL)
    }

    /// The messages of a group, by the keyed hash of its id, as [`Registers::by_recipient`].
    #[must_use]
    pub fn by_group(&self, hash: u64) -> HashSearch {
        self.by_hash(Kind::Groups, hash, Statuses::ALL)
    }

    /// Of the messages to a recipient those whose slot has one of these statuses, `limit` at most.
    #[must_use]
    pub fn standing_to(&self, hash: u64, statuses: Statuses, limit: usize) -> StandingSearch {
        self.standing(Kind::Recipients, hash, statuses, limit)
    }

    /// The same of the messages of a group.
    #[must_use]
    pub fn standing_in(&self, hash: u64, statuses: Statuses, limit: usize) -> StandingSearch {
        self.standing(Kind::Groups, hash, statuses, limit)
    }

    fn by_hash(&self, kind: Kind, hash: u64, statuses: Statuses) -> HashSearch {
        let found = self.rows_with(kind, hash).map(|row| row.sequence).collect();
        HashSearch::new((kind, hash), statuses, found, (&self.listed, &self.changes))
    }

    fn standing(&self, kind: Kind, hash: u64, statuses: Statuses, limit: usize) -> StandingSearch {
        let changes = self.changes.borrow();
        let fits = |row: &&Row| {
            let packed = changes.slots.get(&row.sequence).copied().unwrap_or(row.slot);
            changes.there(packed).is_some_and(|slot| statuses.has(slot.status))
        };
        let found = self.rows_with(kind, hash).filter(fits).map(|row| row.sequence).collect();
        drop(changes);
        let shared = (&self.listed, &self.changes);
        let search = HashSearch::new((kind, hash), statuses, Vec::new(), shared);
        StandingSearch::new(search, found, (statuses, limit), shared)
    }

    /// Rows in memory with a hash.
    fn rows_with(&self, kind: Kind, hash: u64) -> impl Iterator<Item = &Row> {
        let own = move |row: &&Row| {
            if kind == Kind::Groups {
                row.group == hash && hash != 0
            } else {
                row.recipient == hash
            }
        };
        self.unwritten().flat_map(OpenRegister::rows).filter(own)
    }

    /// The segment that a message was accepted into; `None` when no register owns its number.
    #[must_use]
    pub fn home_of(&self, sequence: u64) -> Option<SegmentId> {
        let own = |register: &&OpenRegister| register.slot(sequence).is_some();
        let unwritten = self.unwritten().find(own).map(OpenRegister::home);
        unwritten.or_else(|| self.listed.owner(sequence).map(|entry| entry.summary.home))
    }

    /// The messages with one of these statuses whose anchor lies in a segment, about `limit` of
    /// them from `from` on (at first the default).
    #[must_use]
    pub fn anchored_in(
        &self,
        segment: SegmentId,
        statuses: Statuses,
        from: AnchoredCursor,
        limit: usize,
    ) -> AnchoredSearch {
        let wanted = Wanted { segment, statuses, limit };
        let mut found = Anchored::default();
        if from == AnchoredCursor::default() {
            let changes = self.changes.borrow();
            for row in self.unwritten().flat_map(OpenRegister::rows) {
                let packed = changes.slots.get(&row.sequence).copied().unwrap_or(row.slot);
                found.rows.extend(wanted.fit(packed).map(|slot| (row.sequence, slot)));
            }
        }
        AnchoredSearch::new(wanted, from, found.rows, &self.listed, &self.changes)
    }

    /// Segments before this one are given up: anchors in them lead nowhere.
    pub fn release_before(&mut self, segment: SegmentId) {
        let mut changes = self.changes.borrow_mut();
        if segment.0 <= changes.oldest {
            return;
        }
        changes.oldest = segment.0;
        self.live = self.live.split_off(&segment.0);
        self.sweep = true;
    }

    /// The first record that the registers in memory come from: a replay must begin there or
    /// before. `None`: everything is on the disk, or in the snapshot.
    #[must_use]
    pub fn low_water(&self) -> Option<Position> {
        let unwritten = self.unwritten().map(OpenRegister::first_at);
        unwritten.chain(self.strays_at).min()
    }

    /// Whether there is more in memory than there should be: accept nothing new until chores have
    /// been done, and in a replay do chores before going on.
    #[must_use]
    pub fn pressed(&self) -> bool {
        self.sealed.len() > SEALED_MAX || self.dirty() > self.config.dirty
    }

    /// Changed slots in memory.
    #[must_use]
    pub fn dirty(&self) -> usize {
        self.changes.borrow().slots.len()
    }

    /// Registers on the disk.
    #[must_use]
    pub fn written(&self) -> usize {
        self.listed.len()
    }

    /// Files in which damage was found since the start: name them. They are rebuilt at the next
    /// start, from the snapshot that was taken after that.
    #[must_use]
    pub fn damaged(&self) -> &BTreeSet<SideFile> {
        &self.damaged
    }

    /// A search found this file of a register damaged.
    pub fn condemn(&mut self, file: SideFile) {
        let (SideFile::Register(number) | SideFile::Slots(number)) = file else { return };
        if let Some(entry) = Arc::make_mut(&mut self.listed).entry_mut(number) {
            entry.condemned = true;
            self.damaged.insert(file);
        }
    }

    /// Seals the open register and asks for everything in memory to be written.
    pub fn flush(&mut self) {
        self.seal();
        self.seal_strays();
        self.plan = self.planned(0);
    }

    /// Adds to `out` what a checkpoint keeps. Everything that was accepted or moved by records up
    /// to now is in it, or on the disk, or comes back in a replay from [`Registers::low_water`].
    /// Call [`Registers::checkpointed`] when the checkpoint is durable.
    pub fn snapshot(&mut self, out: &mut Vec<u8>) {
        for doomed in &mut self.doomed {
            doomed.unlisted = true;
        }
        let known = |entry: &Entry| Known {
            number: entry.summary.number,
            first: entry.summary.first,
            last: entry.summary.last,
            home: entry.summary.home,
            condemned: entry.condemned,
        };
        let changes = self.changes.borrow();
        let snapshot = Snapshot {
            next_number: self.next_number,
            oldest: changes.oldest,
            registers: self.listed.entries().iter().map(known).collect(),
            live: self.live.clone(),
            slots: changes.slots.clone(),
        };
        snapshot.encode(out);
    }

    /// A checkpoint with the last snapshot is durable: files that it does not list may go.
    pub fn checkpointed(&mut self) {
        for doomed in &mut self.doomed {
            doomed.released |= doomed.unlisted;
        }
    }

    fn unwritten(&self) -> impl Iterator<Item = &OpenRegister> {
        self.open.iter().chain(self.sealed.iter().map(|sealed| &*sealed.register))
    }

    /// Whether a register owns the sequence.
    pub(super) fn owned(&self, sequence: u64) -> bool {
        let spans =
            |register: &OpenRegister| (register.first()..=register.last()).contains(&sequence);
        self.open.as_ref().is_some_and(spans)
            || self.sealed.iter().any(|sealed| !sealed.stray && spans(&sealed.register))
            || self.listed.owner(sequence).is_some()
    }

    /// The highest sequence that is owned.
    fn last(&self) -> Option<u64> {
        let sealed = self.sealed.iter().filter(|sealed| !sealed.stray);
        let sealed = sealed.map(|sealed| sealed.register.last());
        sealed.chain(self.open.as_ref().map(OpenRegister::last)).chain(self.listed.last()).max()
    }

    fn seal(&mut self) {
        if let Some(open) = self.open.take() {
            self.add_sealed(open, false);
        }
    }

    fn add_sealed(&mut self, register: OpenRegister, stray: bool) {
        let number = self.next_number;
        self.next_number += 1;
        self.sealed.push_back(Sealed { number, stray, register: Arc::new(register) });
    }

    fn stray(&mut self, row: &RegisterRow) {
        let mut changes = self.changes.borrow_mut();
        if self.listed.spanning(row.sequence).next().is_some() {
            // A register that was rebuilt before may say where it stood then.
            changes.slots.insert(row.sequence, row.slot.pack());
        } else {
            // What was changed before is older than this.
            changes.slots.remove(&row.sequence);
        }
        drop(changes);
        self.strays_at = self.strays_at.into_iter().chain([row.slot.at]).min();
        self.strays.push(Row::of(row));
        if self.strays.len() >= usize::try_from(self.config.rows).unwrap_or(usize::MAX) {
            self.seal_strays();
        }
    }

    fn seal_strays(&mut self) {
        let (mut rows, at) = (std::mem::take(&mut self.strays), self.strays_at.take());
        // The last of those with the same sequence is the newest.
        rows.reverse();
        rows.sort_by_key(|row| row.sequence);
        rows.dedup_by_key(|row| row.sequence);
        let Some(at) = at else { return };
        let near = |a: &Row, b: &Row| super::head::delta(b.sequence, a.sequence).is_some();
        while let Some(first) = rows.first().copied() {
            let rest = rows.split_off(rows.partition_point(|row| near(&first, row)));
            if let Some(register) = OpenRegister::of(std::mem::replace(&mut rows, rest), at) {
                self.add_sealed(register, true);
            }
        }
    }
}
