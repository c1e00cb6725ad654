//! The hot hour of what carriers call parts: a table in memory from a fingerprint of the carrier's id
//! to the part. Pure; one per shard, its memory allocated once.
//!
//! Entries are hints: the message's record decides. What is older than the table's time, or does not
//! fit, is found in the runs of [`crate::IndexKind::Receipts`] alone, where the owner has put it by
//! then.

use std::collections::VecDeque;
use std::hash::Hasher as _;
use std::time::Duration;

use siphasher::sip::SipHasher13;

/// The first key of a part's row: a keyed hash (SipHash-1-3) of the carrier's number, as four bytes
/// with the lowest first, and of its id for the part, folded as the carrier's profile says.
#[must_use]
pub fn fingerprint(carrier: u32, id: &[u8], key: [u64; 2]) -> u64 {
    let [k0, k1] = key;
    let mut hasher = SipHasher13::new_with_keys(k0, k1);
    hasher.write(&carrier.to_le_bytes());
    hasher.write(id);
    hasher.finish()
}

/// Generations that make up the table's time, or the plan, whichever is over first.
const GENERATIONS: u32 = 8;
/// Bits of an entry's fingerprint that say its generation instead. 0 is no entry; the others are
/// more than there can be generations of one hour, and are used again when no entry has them.
const TAG: u64 = TAGS as u64 - 1;
const TAGS: usize = 32;
/// Slots looked at for expired entries with each insertion: a pass over all of them takes fewer
/// insertions than a generation has.
const SWEPT_PER_INSERTION: usize = 32;

/// An entry: 59 bits of the fingerprint with the generation, and the part.
type Slot = [u64; 2];
const EMPTY: Slot = [0; 2];

fn tag(slot: Slot) -> usize {
    let [tagged, _] = slot;
    usize::try_from(tagged & TAG).unwrap_or(0)
}

/// A generation of entries that count.
#[derive(Debug, Clone, Copy)]
struct Generation {
    tag: usize,
    began: Duration,
}

/// Fingerprints of carriers' ids for parts submitted in the last hour. Open addressing with linear
/// probing: 1.5 slots of 16 bytes, so 24 bytes, for each planned entry. Entries expire by
/// generations of an eighth of the hour, or when the plan is exceeded, oldest first; slots of
/// expired ones are found a few at a time.
#[derive(Debug)]
pub struct ReceiptTable {
    slots: Box<[Slot]>,
    /// Most entries of a generation: an eighth of the plan.
    generation_max: usize,
    interval: Duration,
    /// Newest first; never empty.
    generations: VecDeque<Generation>,
    /// Entries by tag, expired ones that were not swept yet included.
    entries: [usize; TAGS],
    len: usize,
    /// The next slot to be looked at.
    hand: usize,
    pushed_out: u64,
}

impl ReceiptTable {
    /// Bytes of memory for each planned entry.
    pub const BYTES_PER_ENTRY: usize = 24;

    /// A table for `planned` entries within `time`, the table's hour. The memory is reserved at once,
    /// and used as entries come.
    #[must_use]
    pub fn new(planned: usize, time: Duration, now: Duration) -> Self {
        let planned = planned.max(64);
        let slots = planned * Self::BYTES_PER_ENTRY / size_of::<Slot>();
        Self {
            slots: vec![EMPTY; slots].into(),
            generation_max: planned / GENERATIONS as usize,
            interval: time / GENERATIONS,
            generations: VecDeque::from([Generation { tag: 1, began: now }]),
            entries: [0; TAGS],
            len: 0,
            hand: 0,
            pushed_out: 0,
        }
    }

    /// Remembers that `part` has an id with this fingerprint. Twice is once, and as good as new.
    ///
    /// Returns `false` when the table has no slot left; what is lost then is only speed.
    pub fn insert(&mut self, now: Duration, fingerprint: u64, part: u64) -> bool {
        self.turn(now);
        self.sweep(SWEPT_PER_INSERTION);
        let Some(&Generation { tag: current, .. }) = self.generations.front() else {
            return false;
        };
        let slot = [fingerprint & !TAG | current as u64, part];
        let mut at = self.home(fingerprint);
        loop {
            let here = self.slot(at);
            if here == EMPTY {
                break;
            }
            if same(here, fingerprint, part) {
                self.count(tag(here), false);
                break;
            }
            at = self.after(at);
        }
        // One slot stays empty, so that every probe ends.
        if self.len + 1 >= self.slots.len() {
            return false;
        }
        self.set(at, slot);
        self.count(current, true);
        true
    }

    /// The parts with this fingerprint.
    pub fn find(&self, fingerprint: u64) -> impl Iterator<Item = u64> + use<'_> {
        let mut at = self.home(fingerprint);
        let probe = std::iter::from_fn(move || {
            let slot = self.slot(at);
            at = self.after(at);
            (slot != EMPTY).then_some(slot)
        });
        probe.filter(move |[tagged, _]| (tagged ^ fingerprint) & !TAG == 0).map(|[_, part]| part)
    }

    /// Forgets a part; returns whether it was there.
    pub fn remove(&mut self, fingerprint: u64, part: u64) -> bool {
        let mut at = self.home(fingerprint);
        loop {
            let slot = self.slot(at);
            if slot == EMPTY {
                return false;
            }
            if same(slot, fingerprint, part) {
                self.free(at);
                return true;
            }
            at = self.after(at);
        }
    }

    /// Lets time pass without insertions: expires what is due, and looks at some slots. Once a second
    /// with a thousandth of [`ReceiptTable::slots`] is plenty.
    pub fn handle_time(&mut self, now: Duration, slots: usize) {
        self.turn(now);
        self.sweep(slots);
    }

    /// Entries, those expired and not swept yet included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Slots in all.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.slots)
    }

    /// Entries that expired before their time since more came than were planned.
    #[must_use]
    pub fn pushed_out(&self) -> u64 {
        self.pushed_out
    }

    /// Ends generations whose time is up, and begins those that are due by time or because the newest
    /// is full.
    fn turn(&mut self, now: Duration) {
        for _ in 0..=GENERATIONS {
            self.expire(now);
            let Some(&Generation { tag, began }) = self.generations.front() else {
                return;
            };
            let full = self.entries.get(tag).is_some_and(|count| *count >= self.generation_max);
            if !full && now.saturating_sub(began) < self.interval {
                return;
            }
            // A generation that is full ends now, another one when its time was up.
            let began = if full { now } else { began + self.interval };
            let free = |tag: &usize| {
                self.entries.get(*tag) == Some(&0)
                    && self.generations.iter().all(|generation| generation.tag != *tag)
            };
            // While every tag has entries left that are to be swept, the newest goes on.
            let Some(tag) = (1..self.entries.len()).find(free) else {
                return;
            };
            self.generations.push_front(Generation { tag, began });
            self.push_out();
        }
        // Longer idle than the table's time: everything has expired.
        if let Some(newest) = self.generations.front_mut() {
            newest.began = newest.began.max(now.saturating_sub(self.interval));
        }
    }

    /// Ends the oldest generations when the youngest entry that can be in them is over the hour.
    fn expire(&mut self, now: Duration) {
        while let Some(last) = self.generations.len().checked_sub(1)
            && let Some(next) = last.checked_sub(1).and_then(|next| self.generations.get(next))
            && now.saturating_sub(next.began) >= self.interval * GENERATIONS
        {
            self.generations.pop_back();
        }
    }

    /// Ends the oldest generations while there are more entries than planned.
    fn push_out(&mut self) {
        let entries = |generation: &Generation| self.entries.get(generation.tag).copied();
        let mut live: usize = self.generations.iter().filter_map(entries).sum();
        while live > self.generation_max * GENERATIONS as usize
            && let Some(oldest) = self.generations.pop_back()
        {
            let early = entries(&oldest).unwrap_or(0);
            self.pushed_out += early as u64;
            live -= early;
        }
    }

    /// Frees expired entries among the next `slots`.
    fn sweep(&mut self, slots: usize) {
        let mut live = 1_u32;
        for generation in &self.generations {
            live |= 1 << generation.tag;
        }
        for _ in 0..slots.min(self.slots.len()) {
            // What moves into a freed slot may have expired too.
            while live & (1 << tag(self.slot(self.hand))) == 0 {
                self.free(self.hand);
            }
            self.hand = self.after(self.hand);
        }
    }

    /// Empties a slot; entries behind it that could not have it close up.
    fn free(&mut self, at: usize) {
        self.count(tag(self.slot(at)), false);
        let (mut hole, mut next) = (at, at);
        loop {
            next = self.after(next);
            let slot @ [tagged, _] = self.slot(next);
            if slot == EMPTY {
                break;
            }
            let home = self.home(tagged);
            if self.distance(home, next) >= self.distance(hole, next) {
                self.set(hole, slot);
                hole = next;
            }
        }
        self.set(hole, EMPTY);
    }

    fn count(&mut self, tag: usize, more: bool) {
        if let Some(count) = self.entries.get_mut(tag) {
            *count = if more { *count + 1 } else { *count - 1 };
            self.len = if more { self.len + 1 } else { self.len - 1 };
        }
    }

    /// The slot that a fingerprint asks for first: fingerprints are spread over all slots in order.
    fn home(&self, fingerprint: u64) -> usize {
        let spread = u128::from(fingerprint & !TAG) * self.slots.len() as u128;
        usize::try_from(spread >> u64::BITS).unwrap_or(0)
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() { 0 } else { at + 1 }
    }

    /// Slots from one forward to another.
    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.slots.len() - from }
    }

    fn slot(&self, at: usize) -> Slot {
        self.slots.get(at).copied().unwrap_or(EMPTY)
    }

    fn set(&mut self, at: usize, slot: Slot) {
        if let Some(place) = self.slots.get_mut(at) {
            *place = slot;
        }
    }
}

fn same([tagged, stored]: Slot, fingerprint: u64, part: u64) -> bool {
    (tagged ^ fingerprint) & !TAG == 0 && stored == part
}
