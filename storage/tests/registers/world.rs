//! A shard's worth of registers, the log that they come from, and what they must answer. Tests only.

use std::collections::BTreeMap;

use postrider_storage::register::{
    AnchoredCursor, PageQuery, RegisterChore, RegisterConfig, RegisterDone, RegisterRow, Registers,
    Slot, Statuses,
};
use postrider_storage::search::{LookUpError, Search, Step, run};
use postrider_storage::{Disk, MemDisk, Position, SegmentId};

pub(crate) const CUSTOMERS: u32 = 4;

#[derive(Debug, Clone, Copy)]
enum Event {
    Accepted(RegisterRow),
    Carried(RegisterRow),
    Moved(u64, Slot),
}

/// A message as the log tells it.
#[derive(Debug, Clone, Copy)]
struct Told {
    row: RegisterRow,
    /// Where its state begins.
    since: Position,
}

pub(crate) struct World {
    pub(crate) disk: MemDisk,
    pub(crate) registers: Registers,
    pub(crate) missing: usize,
    log: Vec<(Position, Event)>,
    told: BTreeMap<u64, Told>,
    next: Position,
    oldest: u64,
    sequence: u64,
    clock: u64,
    checkpoint: Option<(Vec<u8>, Position)>,
    chore: Option<(u64, RegisterDone)>,
}

pub(crate) fn all_of(customer: u32) -> PageQuery {
    PageQuery {
        customer,
        newest_ms: u64::MAX,
        oldest_ms: 0,
        after: None,
        statuses: Statuses::ALL,
        limit: 100,
        scan_max: 10_000,
    }
}

fn config() -> RegisterConfig {
    RegisterConfig { rows: 1_300, dirty: 300 }
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) >> 20
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            disk: MemDisk::new(),
            registers: Registers::new(config()),
            missing: 0,
            log: Vec::new(),
            told: BTreeMap::new(),
            next: Position { segment: SegmentId(1), offset: 64 },
            oldest: 1,
            sequence: 1,
            clock: 1_000_000,
            checkpoint: None,
            chore: None,
        }
    }

    fn note(&mut self, event: impl FnOnce(Position) -> Event) {
        let at = self.next;
        self.next.offset += 200;
        let event = event(at);
        self.log.push((at, event));
        apply(&mut self.registers, &event);
        match event {
            Event::Accepted(row) | Event::Carried(row) => {
                self.told.insert(row.sequence, Told { row, since: at });
            }
            Event::Moved(sequence, slot) => {
                if let Some(told) = self.told.get_mut(&sequence) {
                    told.row.slot = slot;
                }
            }
        }
    }

    pub(crate) fn accept(&mut self, rows: usize, mut seed: u64) {
        for _ in 0..rows {
            let choice = random(&mut seed);
            // Gaps, and now and then a clock that is set back.
            self.sequence += 1 + choice % 2;
            self.clock += choice % 3;
            if choice.is_multiple_of(97) {
                self.clock -= 40;
            }
            let row = RegisterRow {
                sequence: self.sequence,
                customer: (choice >> 8) as u32 % CUSTOMERS,
                accepted_ms: self.clock,
                recipient: hash((choice >> 12) % 50),
                group: if choice.is_multiple_of(5) { hash(100 + (choice >> 12) % 9) } else { 0 },
                slot: Slot { status: 0, at: self.next },
            };
            self.note(|at| Event::Accepted(RegisterRow { slot: Slot { status: 0, at }, ..row }));
        }
    }

    pub(crate) fn roll(&mut self) {
        self.next = Position { segment: SegmentId(self.next.segment.0 + 1), offset: 64 };
    }

    fn any(&self, seed: &mut u64) -> Option<u64> {
        let at = random(seed) as usize % self.told.len().max(1);
        self.told.keys().nth(at).copied()
    }

    pub(crate) fn close(&mut self, mut seed: u64, messages: usize) {
        for _ in 0..messages {
            if let Some(sequence) = self.any(&mut seed) {
                // A final status stays; only its anchor moves.
                let status = match self.told[&sequence].row.slot.status {
                    0 => 4 + (random(&mut seed) % 3) as u8,
                    last => last,
                };
                self.note(|at| Event::Moved(sequence, Slot { status, at }));
            }
        }
    }

    pub(crate) fn carry(&mut self, mut seed: u64) {
        if let Some(sequence) = self.any(&mut seed) {
            let row = self.told[&sequence].row;
            if row.slot.at.segment.0 >= self.oldest
                && self.told[&sequence].since.segment.0 >= self.oldest
            {
                self.note(|at| {
                    Event::Carried(RegisterRow { slot: Slot { at, ..row.slot }, ..row })
                });
            }
        }
    }

    pub(crate) fn begin_chore(&mut self) {
        if self.chore.is_none()
            && let Some(chore) = self.registers.poll_chore()
        {
            let (number, done) = self.disk.begin_side(|disk| chore.run(disk));
            self.chore = Some((number, done.unwrap()));
        }
    }

    pub(crate) fn end_chore(&mut self) {
        if let Some((number, done)) = self.chore.take() {
            self.disk.complete_side(number);
            self.registers.handle_chore(Ok(done));
        }
    }

    pub(crate) fn all_chores(&mut self) {
        self.end_chore();
        while let Some(chore) = self.registers.poll_chore() {
            let done = RegisterChore::run(chore, &mut self.disk).unwrap();
            self.registers.handle_chore(Ok(done));
        }
    }

    /// Does chores until there is none, or one fails.
    pub(crate) fn chores_until_failure(&mut self) -> bool {
        while let Some(chore) = self.registers.poll_chore() {
            let done = chore.run(&mut self.disk);
            let failed = done.is_err();
            self.registers.handle_chore(done);
            if failed {
                assert!(self.registers.poll_chore().is_none(), "nothing until it is asked for");
                return true;
            }
        }
        false
    }

    pub(crate) fn checkpoint(&mut self) {
        let mut bytes = Vec::new();
        self.registers.snapshot(&mut bytes);
        let from = self.registers.low_water().map_or(self.next, |low| low.min(self.next));
        self.checkpoint = Some((bytes, from));
        self.registers.checkpointed();
    }

    pub(crate) fn lose_checkpoint(&mut self) {
        self.checkpoint = None;
    }

    /// The oldest segment is given up; what was in it is gone.
    pub(crate) fn release(&mut self) {
        if self.oldest < self.next.segment.0 {
            self.oldest += 1;
            self.registers.release_before(SegmentId(self.oldest));
            let oldest = self.oldest;
            self.log.retain(|(at, _)| at.segment.0 >= oldest);
        }
    }

    pub(crate) fn crash(&mut self, mut seed: u64) {
        self.chore = None;
        self.disk.crash(&mut |choices| random(&mut seed) as usize % choices);
        self.start();
    }

    /// Opens what is on the disk, and replays the log from where it must be.
    pub(crate) fn start(&mut self) {
        let snapshot = self.checkpoint.as_ref().map(|(bytes, _)| bytes.as_slice());
        let (registers, found) = Registers::open(&mut self.disk, config(), snapshot).unwrap();
        self.registers = registers;
        self.missing = found.missing.len();
        let from = self.checkpoint.as_ref().map_or(SegmentId(0), |(_, from)| from.segment);
        let from = found.missing.iter().map(|missing| missing.home).fold(from, SegmentId::min);
        self.registers.release_before(SegmentId(self.oldest));
        for (at, event) in self.log.clone() {
            let (_, low) = self.checkpoint.as_ref().map_or((&[][..], at), |(b, low)| (b, *low));
            if at >= low || (found.missing.iter().any(|_| true) && at.segment >= from) {
                apply(&mut self.registers, &event);
            }
            while self.registers.pressed() {
                let Some(chore) = self.registers.poll_chore() else { break };
                let done = chore.run(&mut self.disk).unwrap();
                self.registers.handle_chore(Ok(done));
            }
        }
        self.registers.replayed();
    }

    pub(crate) fn search<S: Search>(&mut self, search: S) -> Result<S::Found, LookUpError> {
        run(search, &mut self.disk)
    }

    /// Whether everything about a message can still be read.
    fn whole(&self, sequence: u64) -> bool {
        self.told[&sequence].since.segment.0 >= self.oldest
    }

    /// A customer's messages, newest first.
    pub(crate) fn alive(&self, customer: u32, statuses: Statuses) -> Vec<u64> {
        let own = self.told.values().filter(|told| told.row.customer == customer);
        let own = own.filter(|told| statuses.has(told.row.slot.status));
        let mut keys: Vec<(u64, u64)> = own
            .filter(|told| self.whole(told.row.sequence))
            .map(|told| (told.row.accepted_ms, told.row.sequence))
            .collect();
        keys.sort_unstable();
        keys.into_iter().rev().map(|(_, sequence)| sequence).collect()
    }

    /// All of a customer's list, page by page, `between` the steps of the searches.
    pub(crate) fn page_through(
        &mut self,
        customer: u32,
        statuses: Statuses,
        limit: usize,
        scan_max: usize,
        mut between: impl FnMut(&mut Self),
    ) -> Vec<u64> {
        let mut query = PageQuery { statuses, limit, scan_max, ..all_of(customer) };
        let mut seen = Vec::new();
        for _ in 0..10_000 {
            let mut search = self.registers.page(query);
            let mut step = search.next(None);
            let page = loop {
                match step {
                    Step::Done(page) => break page.unwrap(),
                    Step::Read(ask) => {
                        let mut bytes = vec![0; ask.len as usize];
                        let postrider_storage::FileRef::Side(file) = ask.file else { panic!() };
                        let read = self.disk.read_side(file, ask.offset, &mut bytes).unwrap();
                        between(self);
                        step = search.next(Some(&bytes[..read]));
                    }
                }
            };
            assert!(page.rows.len() <= limit);
            seen.extend(page.rows.iter().map(|row| row.sequence));
            let keys = page.rows.iter().map(|row| (row.accepted_ms, row.sequence));
            assert!(keys.collect::<Vec<_>>().windows(2).all(|pair| pair[0] > pair[1]));
            match page.looked_to {
                Some(after) => {
                    assert!(query.after.is_none_or(|before| after < before), "it goes on");
                    query.after = Some(after);
                }
                None => return seen,
            }
        }
        panic!("the pages do not end");
    }

    /// Everything that the registers can be asked, against the log.
    pub(crate) fn check(&mut self) {
        for customer in 0..CUSTOMERS {
            for (statuses, limit, scan) in [
                (Statuses::ALL, 50, 10_000),
                (Statuses::of(&[0]), 20, 10_000),
                (Statuses::of(&[5, 6]), 1_000, 60),
            ] {
                let mut seen = self.page_through(customer, statuses, limit, scan, |_| {});
                seen.retain(|sequence| self.whole(*sequence));
                assert_eq!(seen, self.alive(customer, statuses));
            }
        }
        let mut anchored: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (sequence, told) in self.told.clone() {
            let search = self.registers.slot(sequence);
            let found = self.search(search).unwrap();
            if self.whole(sequence) {
                assert_eq!(found, Some(told.row.slot), "{sequence}");
                anchored.entry(told.row.slot.at.segment.0).or_default().push(sequence);
            }
        }
        let unknown = self.registers.slot(self.sequence + 1);
        assert_eq!(self.search(unknown).unwrap(), None);
        for (segment, sequences) in anchored {
            assert_eq!(self.anchored_in(SegmentId(segment)), sequences);
        }
        for n in (0..3).chain(100..109) {
            let (recipient, hash) = (n < 50, hash(n));
            let search = if recipient {
                self.registers.by_recipient(hash)
            } else {
                self.registers.by_group(hash)
            };
            let found = self.search(search).unwrap();
            let of = |row: &RegisterRow| if recipient { row.recipient } else { row.group };
            let own = self.told.values().filter(|told| of(&told.row) == hash);
            let own = own.map(|told| told.row).filter(|row| self.whole(row.sequence));
            let own: Vec<RegisterRow> = own.collect();
            let found: Vec<u64> = found.into_iter().filter(|s| self.whole(*s)).collect();
            assert_eq!(found, own.iter().map(|row| row.sequence).collect::<Vec<_>>());
            for statuses in [Statuses::of(&[0]), Statuses::of(&[1, 8])] {
                let fits = |row: &&RegisterRow| statuses.has(row.slot.status);
                let own: Vec<u64> = own.iter().filter(fits).map(|row| row.sequence).collect();
                assert_eq!(self.standing(recipient, hash, statuses, 10_000), own);
                assert!(self.standing(recipient, hash, statuses, 2).len() <= 2);
            }
        }
    }

    fn standing(
        &mut self,
        recipient: bool,
        hash: u64,
        statuses: Statuses,
        limit: usize,
    ) -> Vec<u64> {
        let search = if recipient {
            self.registers.standing_to(hash, statuses, limit)
        } else {
            self.registers.standing_in(hash, statuses, limit)
        };
        let mut found = self.search(search).unwrap();
        found.retain(|sequence| self.whole(*sequence));
        found
    }

    fn anchored_in(&mut self, segment: SegmentId) -> Vec<u64> {
        let (mut from, mut all) = (AnchoredCursor::default(), Vec::new());
        loop {
            let search = self.registers.anchored_in(segment, Statuses::ALL, from, 10);
            let found = self.search(search).unwrap();
            all.extend(found.rows.iter().map(|(sequence, _)| *sequence));
            match found.next {
                Some(next) => from = next,
                None => break,
            }
        }
        all.retain(|sequence| self.whole(*sequence));
        all.sort_unstable();
        all.dedup();
        all
    }
}

fn hash(n: u64) -> u64 {
    let mut state = n;
    random(&mut state) << 20 | n
}

fn apply(registers: &mut Registers, event: &Event) {
    match event {
        Event::Accepted(row) => registers.accept(row),
        Event::Carried(row) => registers.carried(row),
        Event::Moved(sequence, slot) => registers.set_slot(*sequence, *slot),
    }
}
