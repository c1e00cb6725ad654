//! The timer wheel with a million timers pending, beside a `BTreeMap` that does the same: a shard
//! keeps a deadline for every open message. One per shard.

use core::time::Duration;
use std::collections::BTreeMap;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use postrider_shards::wheel::{TimerId, Wheel};

/// Timers pending.
pub const PENDING: u64 = 1_000_000;
const TICK: Duration = Duration::from_millis(1);
/// Deadlines lie within so many seconds.
const SPAN_S: u64 = 1_000;

/// What the wheel and its peer have in common.
pub trait Timers {
    /// Names one timer.
    type Id;
    /// No timer.
    fn empty() -> Self;
    /// Sets one.
    fn insert(&mut self, at: Duration, item: u64) -> Self::Id;
    /// Takes one back.
    fn cancel(&mut self, id: Self::Id) -> bool;
    /// One that is due.
    fn expire(&mut self, now: Duration) -> Option<u64>;
}

impl Timers for Wheel<u64> {
    type Id = TimerId;

    fn empty() -> Self {
        Wheel::new(Duration::ZERO, TICK)
    }

    fn insert(&mut self, at: Duration, item: u64) -> TimerId {
        Wheel::insert(self, at, item)
    }

    fn cancel(&mut self, id: TimerId) -> bool {
        Wheel::cancel(self, id)
    }

    fn expire(&mut self, now: Duration) -> Option<u64> {
        Wheel::expire(self, now)
    }
}

/// The obvious way: ordered by deadline, then by item.
pub type Tree = BTreeMap<(Duration, u64), u64>;

impl Timers for Tree {
    type Id = (Duration, u64);

    fn empty() -> Self {
        Tree::new()
    }

    fn insert(&mut self, at: Duration, item: u64) -> Self::Id {
        BTreeMap::insert(self, (at, item), item);
        (at, item)
    }

    fn cancel(&mut self, id: Self::Id) -> bool {
        self.remove(&id).is_some()
    }

    fn expire(&mut self, now: Duration) -> Option<u64> {
        let first = self.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

/// Set one timer and take it back, as for a message that is delivered in time.
#[divan::bench(types = [Wheel<u64>, Tree])]
fn insert_and_cancel<T: Timers>(bencher: Bencher<'_, '_>) {
    let mut timers = filled::<T>(PENDING);
    let mut item = PENDING;
    bencher.bench_local(|| {
        item += 1;
        insert_one_and_cancel_it(&mut timers, item)
    });
}

/// A million timers fire, tick by tick.
#[divan::bench(types = [Wheel<u64>, Tree], sample_count = 5, sample_size = 1)]
fn expire_all<T: Timers>(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(PENDING))
        .with_inputs(|| filled::<T>(PENDING))
        .bench_local_refs(|timers| assert_eq!(fire_all(timers), PENDING));
}

/// So many timers with mixed deadlines.
pub fn filled<T: Timers>(count: u64) -> T {
    let mut timers = T::empty();
    for item in 0..count {
        timers.insert(deadline(item), item);
    }
    timers
}

/// One more timer, which is cancelled at once.
pub fn insert_one_and_cancel_it<T: Timers>(timers: &mut T, item: u64) -> bool {
    let id = timers.insert(black_box(deadline(item)), item);
    timers.cancel(black_box(id))
}

/// Fires every timer, a tick at a time; returns how many there were.
pub fn fire_all<T: Timers>(timers: &mut T) -> u64 {
    let mut fired = 0;
    for tick in 0..=SPAN_S * 1_000 {
        let now = Duration::from_millis(tick);
        while let Some(item) = timers.expire(now) {
            black_box(item);
            fired += 1;
        }
    }
    fired
}

/// Spread over the span, the same in every run.
fn deadline(item: u64) -> Duration {
    let mixed = item.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    Duration::from_millis(1 + mixed % (SPAN_S * 1_000 - 1))
}
