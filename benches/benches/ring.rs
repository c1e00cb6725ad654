//! The ring between two shards beside the channel of the standard library, which it replaces. The
//! benchmarks across threads start one thread of their own.

use std::sync::mpsc::sync_channel;

use divan::Bencher;
use divan::counter::ItemsCount;
use postrider_shards::ring::ring;

/// As large as a lane of the mesh.
const SLOTS: usize = 4_096;
/// Values pushed before as many are popped, on one thread.
pub const TURN: u64 = 64;
/// Values that cross between threads in one run.
pub const CROSSING: u64 = 1_000_000;

/// About the size of a message between shards.
pub type Value = [u64; 8];

/// What the ring itself costs: 64 pushes and 64 pops on one core.
#[divan::bench(sample_size = 64)]
fn ours_one_thread(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(TURN)).bench_local(one_thread());
}

/// The same through `std::sync::mpsc`.
#[divan::bench(sample_size = 64)]
fn std_mpsc_one_thread(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(TURN)).bench_local(std_one_thread());
}

/// A million values from one thread to another, both awake. Says something only while two cores
/// are free.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn ours_two_threads(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(CROSSING)).bench(|| two_threads(CROSSING));
}

/// The same through `std::sync::mpsc`.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn std_mpsc_two_threads(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(CROSSING)).bench(|| std_two_threads(CROSSING));
}

/// One turn on one thread through our ring; gives a sum that depends on every value.
pub fn one_thread() -> impl FnMut() -> u64 {
    let (mut producer, mut consumer) = ring::<Value>(SLOTS);
    move || {
        for n in 0..TURN {
            producer.push([n; 8]).expect("room");
        }
        let mut sum = 0;
        while let Some(value) = consumer.pop() {
            sum += value[7];
        }
        sum
    }
}

/// One turn on one thread through the standard library's channel.
pub fn std_one_thread() -> impl FnMut() -> u64 {
    let (producer, consumer) = sync_channel::<Value>(SLOTS);
    move || {
        for n in 0..TURN {
            producer.try_send([n; 8]).expect("room");
        }
        let mut sum = 0;
        while let Ok(value) = consumer.try_recv() {
            sum += value[7];
        }
        sum
    }
}

/// `count` values through our ring to another thread; gives their sum.
pub fn two_threads(count: u64) -> u64 {
    let (mut producer, mut consumer) = ring::<Value>(SLOTS);
    cross(count, move |value| producer.push(value).is_ok(), move || consumer.pop())
}

/// `count` values through the standard library's channel to another thread; gives their sum.
pub fn std_two_threads(count: u64) -> u64 {
    let (producer, consumer) = sync_channel::<Value>(SLOTS);
    cross(count, move |value| producer.try_send(value).is_ok(), move || consumer.try_recv().ok())
}

fn cross(
    count: u64,
    mut push: impl FnMut(Value) -> bool + Send,
    mut pop: impl FnMut() -> Option<Value> + Send,
) -> u64 {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut patience = Patience::default();
            for n in 0..count {
                while !push([n; 8]) {
                    patience.wait();
                }
            }
        });
        let mut patience = Patience::default();
        let (mut sum, mut left) = (0_u64, count);
        while left > 0 {
            match pop() {
                Some(value) => {
                    sum = sum.wrapping_add(value[7]);
                    left -= 1;
                }
                None => patience.wait(),
            }
        }
        sum
    })
}

/// Spins a little, then lets others run: the machine may have one free core only.
#[derive(Default)]
struct Patience {
    spins: u32,
}

impl Patience {
    fn wait(&mut self) {
        self.spins = self.spins.wrapping_add(1);
        if self.spins.is_multiple_of(256) {
            std::thread::yield_now();
        } else {
            core::hint::spin_loop();
        }
    }
}
