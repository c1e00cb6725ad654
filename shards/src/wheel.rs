//! The timer wheel: every named timer of a shard, from milliseconds to years. One per shard; pure:
//! time is an argument.
//!
//! Eight levels of 64 slots. A slot of level 0 is one tick wide, of level `n` 64^n ticks; a timer
//! stands on the level of the highest group of six bits in which its tick and the current one
//! differ, so the lowest occupied level always holds the next deadline. When time reaches a slot of
//! an upper level its timers are dealt to lower ones. Timers live in a slab and are linked through
//! it, so that insert and cancel are a few writes, and neither allocates once the slab has grown.

use core::time::Duration;

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 8;
/// Ticks beyond this one count as this one: 8,900 years of milliseconds.
const LAST_TICK: u64 = (1 << (BITS * 8)) - 1;
const _: () = assert!(LEVELS == 8, "LAST_TICK covers eight levels");

/// The list of timers whose tick has come; it stands behind those of the slots.
const DUE: u16 = 512;
const _: () = assert!(LEVELS * SLOTS == 512, "the due list stands behind the slots");
const NONE: u32 = u32::MAX;

/// Names one timer for [`Wheel::cancel`]. An id of a timer that has fired or was cancelled names
/// nothing, even when its place is in use again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId {
    index: u32,
    generation: u32,
}

#[derive(Clone, Copy)]
struct Entry<T> {
    tick: u64,
    generation: u32,
    /// Neighbours in a circular list; `next` links free entries too.
    next: u32,
    prev: u32,
    /// The list this entry is in, `None` when free.
    home: Option<u16>,
    item: T,
}

/// A wheel of timers that carry a `T`. See the module's page.
pub struct Wheel<T> {
    start: Duration,
    tick_ns: u128,
    /// The tick that time has reached.
    current: u64,
    entries: Vec<Entry<T>>,
    free: u32,
    len: usize,
    /// First entry of each list: `LEVELS * SLOTS` slots, then the due list.
    heads: Box<[u32]>,
    /// One bit for each slot that holds a timer, by level.
    occupied: [u64; LEVELS],
}

impl<T: Copy + Eq> Wheel<T> {
    /// An empty wheel. Deadlines are rounded up to whole `tick`s after `now`.
    ///
    /// # Panics
    /// When `tick` is zero.
    #[must_use]
    pub fn new(now: Duration, tick: Duration) -> Self {
        assert!(!tick.is_zero(), "a tick has a length");
        Self {
            start: now,
            tick_ns: tick.as_nanos(),
            current: 0,
            entries: Vec::new(),
            free: NONE,
            len: 0,
            heads: vec![NONE; LEVELS * SLOTS + 1].into_boxed_slice(),
            occupied: [0; LEVELS],
        }
    }

    /// Sets a timer. It comes out of `expire` at the first tick that is not before `at`; at once
    /// when `at` has passed. Costs no allocation while there are places of former timers.
    ///
    /// # Panics
    /// With 2^32 - 1 timers pending.
    pub fn insert(&mut self, at: Duration, item: T) -> TimerId {
        let since_start = at.saturating_sub(self.start).as_nanos();
        let tick = u64::try_from(since_start.div_ceil(self.tick_ns)).unwrap_or(u64::MAX);
        let index = self.place_for(item);
        let entry = self.entry_mut(index);
        entry.tick = tick.min(LAST_TICK);
        let generation = entry.generation;
        self.len += 1;
        self.file(index);
        TimerId { index, generation }
    }

    /// Takes a timer back; false when it has fired or was cancelled before.
    pub fn cancel(&mut self, id: TimerId) -> bool {
        let entry = usize::try_from(id.index).ok().and_then(|at| self.entries.get(at));
        let pending = entry.is_some_and(|e| e.generation == id.generation && e.home.is_some());
        if pending {
            self.release(id.index);
        }
        pending
    }

    /// One timer that is due at `now`, earlier ticks first; call until `None`. `now` never runs
    /// backwards: an earlier one counts as the latest seen.
    pub fn expire(&mut self, now: Duration) -> Option<T> {
        if self.head(DUE) == NONE {
            self.advance(now);
        }
        let index = self.head(DUE);
        if index == NONE {
            return None;
        }
        let item = self.entry(index).item;
        self.release(index);
        Some(item)
    }

    /// When to call `expire` next: never more than a tick after the next timer's deadline, perhaps
    /// before it (then `expire` deals timers to lower levels and the next answer is nearer).
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        if self.head(DUE) != NONE {
            return Some(self.time_of(self.current));
        }
        self.next_slot().map(|(_, tick)| self.time_of(tick))
    }

    /// Pending timers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no timer is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Moves time on, up to the first tick at which something is due.
    fn advance(&mut self, now: Duration) {
        let reached = now.saturating_sub(self.start).as_nanos() / self.tick_ns;
        let reached = u64::try_from(reached).unwrap_or(u64::MAX).min(LAST_TICK);
        while self.head(DUE) == NONE {
            match self.next_slot() {
                Some((home, tick)) if tick <= reached => {
                    self.current = tick;
                    self.deal(home);
                }
                _ => {
                    self.current = self.current.max(reached);
                    return;
                }
            }
        }
    }

    /// The slot that time reaches next, with its first tick.
    fn next_slot(&self) -> Option<(u16, u64)> {
        let (level, bits) = (0_u32..).zip(self.occupied).find(|(_, bits)| *bits != 0)?;
        let slot = bits.trailing_zeros();
        let above = (self.current >> (level * BITS)) >> BITS;
        let tick = ((above << BITS) | u64::from(slot)) << (level * BITS);
        Some((u16::try_from(level << BITS | slot).ok()?, tick))
    }

    /// Empties a slot whose first tick is the current one: its timers move to lower levels, or
    /// become due.
    fn deal(&mut self, home: u16) {
        loop {
            let index = self.head(home);
            if index == NONE {
                return;
            }
            self.unlink(index);
            self.file(index);
        }
    }

    /// Puts an entry, which is in no list, into the list where its tick belongs.
    fn file(&mut self, index: u32) {
        let tick = self.entry(index).tick;
        let home = if tick <= self.current {
            DUE
        } else {
            let level = (tick ^ self.current).ilog2() / BITS;
            let slot = (tick >> (level * BITS)) & (SLOTS as u64 - 1);
            self.mark(level, slot);
            u16::try_from(u64::from(level << BITS) | slot).unwrap_or(DUE)
        };
        self.link(index, home);
    }

    #[allow(clippy::indexing_slicing, reason = "ticks have 48 bits, so the level is below 8")]
    fn mark(&mut self, level: u32, slot: u64) {
        self.occupied[level as usize] |= 1 << slot;
    }

    /// Clears the bit of a slot that has become empty; the due list has none.
    fn unmark(&mut self, home: u16) {
        if let Some(bits) = self.occupied.get_mut(usize::from(home >> BITS)) {
            *bits &= !(1 << (home % 64));
        }
    }

    /// Appends to a circular list.
    fn link(&mut self, index: u32, home: u16) {
        let head = self.head(home);
        let (prev, next) =
            if head == NONE { (index, index) } else { (self.entry(head).prev, head) };
        let entry = self.entry_mut(index);
        (entry.prev, entry.next, entry.home) = (prev, next, Some(home));
        if head == NONE {
            self.set_head(home, index);
        } else {
            self.entry_mut(prev).next = index;
            self.entry_mut(head).prev = index;
        }
    }

    fn unlink(&mut self, index: u32) {
        let Entry { prev, next, home, .. } = *self.entry(index);
        let Some(home) = home else { return };
        self.entry_mut(index).home = None;
        if next == index {
            self.set_head(home, NONE);
            self.unmark(home);
            return;
        }
        self.entry_mut(prev).next = next;
        self.entry_mut(next).prev = prev;
        if self.head(home) == index {
            self.set_head(home, next);
        }
    }

    /// Frees an entry and outdates its id.
    fn release(&mut self, index: u32) {
        self.unlink(index);
        let free = self.free;
        let entry = self.entry_mut(index);
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = free;
        self.free = index;
        self.len -= 1;
    }

    fn place_for(&mut self, item: T) -> u32 {
        if self.free != NONE {
            let index = self.free;
            let entry = self.entry_mut(index);
            let next = entry.next;
            entry.item = item;
            self.free = next;
            return index;
        }
        let index = u32::try_from(self.entries.len()).unwrap_or(NONE);
        assert!(index != NONE, "timers are bounded by what a shard may hold");
        let (next, prev) = (NONE, NONE);
        self.entries.push(Entry { tick: 0, generation: 0, next, prev, home: None, item });
        index
    }

    fn time_of(&self, tick: u64) -> Duration {
        let ns = u128::from(tick) * self.tick_ns;
        let whole = u64::try_from(ns / 1_000_000_000).unwrap_or(u64::MAX);
        let rest = u32::try_from(ns % 1_000_000_000).unwrap_or(0);
        self.start.saturating_add(Duration::new(whole, rest))
    }

    #[allow(clippy::indexing_slicing, reason = "indices come from the slab's own links")]
    fn entry(&self, index: u32) -> &Entry<T> {
        &self.entries[index as usize]
    }

    #[allow(clippy::indexing_slicing, reason = "indices come from the slab's own links")]
    fn entry_mut(&mut self, index: u32) -> &mut Entry<T> {
        &mut self.entries[index as usize]
    }

    #[allow(clippy::indexing_slicing, reason = "homes are slots or DUE, the last head")]
    fn head(&self, home: u16) -> u32 {
        self.heads[usize::from(home)]
    }

    #[allow(clippy::indexing_slicing, reason = "homes are slots or DUE, the last head")]
    fn set_head(&mut self, home: u16, index: u32) {
        self.heads[usize::from(home)] = index;
    }
}

#[cfg(test)]
#[path = "wheel_tests.rs"]
mod tests;
