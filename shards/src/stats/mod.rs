//! What a shard counts: closed enums over plain atomics. One `Stats` per shard, written by that
//! shard alone and read by the control thread, so a write is a load and a store, never a locked
//! instruction; two writers would lose counts.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use postrider_core::health::Health;
use postrider_core::place::{PARTITIONS, Partition};

mod binds;
mod table;

pub use self::table::{Counter, Gauge, Histogram, Series};

/// One number with one writer.
#[derive(Debug, Default)]
pub struct Value(AtomicU64);

impl Value {
    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the number.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds to the number; it wraps after 2^64.
    pub fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }
}

/// The name of a bind on its shard, for the label of its series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindLabel {
    /// The carrier's name in the configuration.
    pub carrier: String,
    /// The bind's number among those of its carrier, over all shards, from 0.
    pub bind: u32,
    /// "transceiver", "transmitter" or "receiver": a pair is two sessions of one number.
    pub kind: &'static str,
}

/// Where a bind stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum BindState {
    /// Not connected; a reconnect is due.
    Closed,
    /// Connecting, or bind request unanswered.
    Binding,
    /// In use.
    Bound,
    /// Unbinding: no more submits.
    Unbinding,
}

impl BindState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Closed, Self::Binding, Self::Bound, Self::Unbinding];

    /// The label of the state's series.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Binding => "binding",
            Self::Bound => "bound",
            Self::Unbinding => "unbinding",
        }
    }
}

/// What one bind counts. One per bind, on the bind's shard.
#[derive(Debug, Default)]
pub struct BindStats {
    /// A [`BindState`], through `set_state`.
    state: Value,
    /// A [`Health`], through `set_health`.
    health: Value,
    /// Unanswered submit_sm.
    pub window_used: Value,
    /// The most unanswered submit_sm that may be.
    pub window_limit: Value,
    /// submit_sm handed over.
    pub submitted: Value,
    /// submit_sm_resp received.
    pub responses: Value,
    /// Responses that asked to slow down.
    pub throttled: Value,
    /// Responses that refused the part.
    pub refused: Value,
    /// Times that the bind was opened again after it was lost.
    pub reconnects: Value,
}

impl BindStats {
    /// Sets the state.
    pub fn set_state(&self, state: BindState) {
        self.state.set(state as u64);
    }

    /// Sets what the bind is worth.
    pub fn set_health(&self, health: Health) {
        self.health.set(health as u64);
    }

    /// What was set last.
    #[must_use]
    pub fn health(&self) -> Health {
        let now = self.health.get();
        Health::ALL.into_iter().find(|health| *health as u64 == now).unwrap_or(Health::Dead)
    }

    /// The state last set.
    #[must_use]
    pub fn state(&self) -> BindState {
        let now = self.state.get();
        BindState::ALL.into_iter().find(|state| *state as u64 == now).unwrap_or(BindState::Closed)
    }
}

/// Buckets with an upper bound; one more holds what is above.
const BOUNDS: usize = 53;

/// A log-linear histogram: two buckets to each doubling, from the histogram's base on.
#[derive(Debug)]
struct Buckets {
    counts: [Value; BOUNDS + 1],
    sum: Value,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { counts: core::array::from_fn(|_| Value::default()), sum: Value::default() }
    }
}

/// The bucket of `value`: the first whose bound, in halves of the base 2, 3, 4, 6, 8, 12, .., is
/// not below it.
fn bucket_of(value: u64, base: u64) -> usize {
    let halves = value.div_ceil(base / 2);
    if halves <= 2 {
        return 0;
    }
    let below = halves - 1;
    let doubling = below.ilog2();
    let upper_half = (below >> (doubling - 1)) & 1;
    let at = u64::from(doubling) * 2 - 1 + upper_half;
    usize::try_from(at).unwrap_or(BOUNDS).min(BOUNDS)
}

/// The upper bound of a bucket, inclusive, in the histogram's unit.
fn bound_of(bucket: u32, base: u64) -> u64 {
    let doubled = base << (bucket / 2);
    if bucket.is_multiple_of(2) { doubled } else { doubled + doubled / 2 }
}

/// A histogram as read at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramView {
    /// (upper bound, how many were at or below it), in rising order; nanoseconds or octets.
    pub cumulative: Vec<(u64, u64)>,
    /// How many there were.
    pub count: u64,
    /// Their sum, in the same unit.
    pub sum: u64,
}

/// Everything that one shard counts. One per shard, shared with the control thread.
#[derive(Debug)]
pub struct Stats {
    counters: [Value; Counter::COUNT],
    gauges: [Value; Gauge::COUNT],
    histograms: [Buckets; Histogram::COUNT],
    binds: binds::Binds,
    /// Messages accepted, by partition.
    partitions: Box<[Value]>,
    /// Takes what is counted for a bind that does not exist; never exported.
    nobody: BindStats,
    beats: Value,
    beat_ms: Value,
}

impl Default for Stats {
    fn default() -> Self {
        Self::new()
    }
}

impl Stats {
    /// Nothing counted, and no binds.
    #[must_use]
    pub fn new() -> Self {
        Self {
            counters: core::array::from_fn(|_| Value::default()),
            gauges: core::array::from_fn(|_| Value::default()),
            histograms: core::array::from_fn(|_| Buckets::default()),
            binds: binds::Binds::default(),
            partitions: (0..PARTITIONS).map(|_| Value::default()).collect(),
            nobody: BindStats::default(),
            beats: Value::default(),
            beat_ms: Value::default(),
        }
    }

    /// Adds a bind behind the others and gives its index; by the shard alone.
    pub fn add_bind(&self, label: BindLabel) -> usize {
        self.binds.add(label)
    }

    /// Adds to a counter.
    pub fn add(&self, counter: Counter, more: u64) {
        self.counter(counter).add(more);
    }

    /// Adds one to a counter.
    pub fn inc(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Sets a gauge.
    pub fn set(&self, gauge: Gauge, value: u64) {
        self.gauge(gauge).set(value);
    }

    /// Counts a duration in a histogram of durations.
    pub fn observe(&self, histogram: Histogram, waited: Duration) {
        let ns = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        self.observe_value(histogram, ns);
    }

    /// Counts a value in a histogram: octets, or nanoseconds where durations are kept.
    pub fn observe_value(&self, histogram: Histogram, value: u64) {
        let buckets = self.buckets(histogram);
        if let Some(count) = buckets.counts.get(bucket_of(value, histogram.base())) {
            count.inc();
        }
        buckets.sum.add(value);
    }

    /// A counter's value.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.counter(counter).get()
    }

    /// A gauge's value.
    #[must_use]
    pub fn gauge_value(&self, gauge: Gauge) -> u64 {
        self.gauge(gauge).get()
    }

    /// A histogram's buckets, as they are now.
    #[must_use]
    pub fn histogram(&self, histogram: Histogram) -> HistogramView {
        let buckets = self.buckets(histogram);
        let bounded = usize::try_from(histogram.bounds()).unwrap_or(BOUNDS);
        let counts = (0_u32..).zip(buckets.counts.iter().take(bounded));
        let mut count = 0;
        let cumulative = counts
            .map(|(at, bucket)| {
                count += bucket.get();
                (bound_of(at, histogram.base()), count)
            })
            .collect();
        count += buckets.counts.iter().skip(bounded).map(Value::get).sum::<u64>();
        HistogramView { cumulative, count, sum: buckets.sum.get() }
    }

    /// What is counted for the bind of an index; an index that is no bind's counts nowhere.
    #[must_use]
    pub fn bind(&self, ix: usize) -> &BindStats {
        self.binds.get(ix).map_or(&self.nobody, |(_, stats)| stats)
    }

    /// Counts a message accepted in a partition.
    pub fn accepted_in(&self, partition: Partition) {
        if let Some(count) = self.partitions.get(usize::from(partition.get())) {
            count.inc();
        }
    }

    /// Messages accepted, by partition.
    pub fn accepted_by_partition(&self) -> impl Iterator<Item = u64> {
        self.partitions.iter().map(Value::get)
    }

    /// Every bind with its name.
    pub fn binds(&self) -> impl Iterator<Item = (&BindLabel, &BindStats)> {
        self.binds.iter().map(|(label, stats)| (label, stats))
    }

    /// Says that the shard's loop turns; to be called at least once a second, idle or not. `now` is
    /// the process's monotonic time.
    pub fn beat(&self, now: Duration) {
        self.beat_ms.set(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        self.beats.inc();
    }

    /// How often the shard has beaten, and when last; `None` before the first time.
    #[must_use]
    pub fn last_beat(&self) -> Option<(u64, Duration)> {
        let beats = self.beats.get();
        (beats > 0).then(|| (beats, Duration::from_millis(self.beat_ms.get())))
    }

    #[allow(clippy::indexing_slicing, reason = "the array has a place for every variant")]
    fn counter(&self, counter: Counter) -> &Value {
        &self.counters[counter as usize]
    }

    #[allow(clippy::indexing_slicing, reason = "the array has a place for every variant")]
    fn gauge(&self, gauge: Gauge) -> &Value {
        &self.gauges[gauge as usize]
    }

    #[allow(clippy::indexing_slicing, reason = "the array has a place for every variant")]
    fn buckets(&self, histogram: Histogram) -> &Buckets {
        &self.histograms[histogram as usize]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_counted_is_read() {
        let stats = Stats::new();
        for bind in 0..2 {
            stats.add_bind(BindLabel { carrier: "alpha".into(), bind, kind: "transceiver" });
        }
        stats.inc(Counter::Accepted);
        stats.add(Counter::Accepted, 4);
        stats.set(Gauge::QueuedParts, 7);
        stats.bind(1).submitted.inc();
        stats.bind(9).submitted.inc();
        stats.bind(0).set_state(BindState::Bound);
        assert_eq!((stats.get(Counter::Accepted), stats.get(Counter::AcceptedParts)), (5, 0));
        assert_eq!(stats.gauge_value(Gauge::QueuedParts), 7);
        assert_eq!(stats.binds().map(|(_, bind)| bind.submitted.get()).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(stats.bind(0).state(), BindState::Bound);
        assert_eq!(stats.bind(1).state(), BindState::Closed);
    }

    #[test]
    fn the_first_beat_is_known_from_none() {
        let stats = Stats::new();
        assert_eq!(stats.last_beat(), None);
        stats.beat(Duration::ZERO);
        stats.beat(Duration::from_millis(1_500));
        assert_eq!(stats.last_beat(), Some((2, Duration::from_millis(1_500))));
    }

    #[test]
    fn durations_fall_into_two_buckets_to_a_doubling() {
        let stats = Stats::new();
        for ns in [1, 1_000, 1_001, 1_500, 1_501, 6_000, 64_000_000_000, 68_000_000_000, u64::MAX] {
            stats.observe(Histogram::Turn, Duration::from_nanos(ns));
        }
        let view = stats.histogram(Histogram::Turn);
        assert_eq!(
            view.cumulative[..6],
            [(1_000, 2), (1_500, 4), (2_000, 5), (3_000, 5), (4_000, 5), (6_000, 6)]
        );
        assert_eq!(view.cumulative.last(), Some(&(67_108_864_000, 7)));
        assert_eq!(view.count, 9);
    }

    #[test]
    fn octets_end_where_a_batch_ends() {
        let stats = Stats::new();
        stats.observe_value(Histogram::CommitBytes, 4_096);
        stats.observe_value(Histogram::CommitBytes, 3 << 20);
        let view = stats.histogram(Histogram::CommitBytes);
        assert_eq!(view.cumulative.first(), Some(&(512, 0)));
        assert_eq!(view.cumulative.last(), Some(&(2 << 20, 1)));
        assert_eq!((view.count, view.sum), (2, 4_096 + (3 << 20)));
    }

    proptest! {
        #[test]
        fn a_value_is_at_most_its_bound_and_above_the_one_before(value in 0_u64..1 << 40) {
            let bucket = bucket_of(value, 1_000);
            let at = u32::try_from(bucket).unwrap();
            prop_assert!(bucket == BOUNDS || value <= bound_of(at, 1_000));
            prop_assert!(bucket == 0 || value > bound_of(at - 1, 1_000));
        }
    }
}
