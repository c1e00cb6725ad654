//! The ring against a model, under two real threads, and at its edges. `src/ring.rs` is compiled
//! here by path, as in `ring_loom.rs`, so that both tests look at the same code.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, missing_docs, reason = "tests")]

#[path = "../src/ring.rs"]
mod ring;
#[path = "../src/ring_sync.rs"]
mod ring_sync;

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;

use proptest::prelude::*;
use ring::ring;

#[test]
fn a_million_values_cross_two_threads_in_order() {
    const VALUES: u64 = 1_000_000;
    let (mut producer, mut consumer) = ring(256);
    let sender = thread::spawn(move || {
        for value in 0..VALUES {
            let mut value = Box::new(value);
            while let Err(back) = producer.push(value) {
                value = back;
                thread::yield_now();
            }
        }
    });
    let mut wanted = 0;
    while wanted < VALUES {
        match consumer.pop() {
            Some(value) => {
                assert_eq!(*value, wanted);
                wanted += 1;
            }
            None => thread::yield_now(),
        }
    }
    sender.join().unwrap();
    assert!(consumer.is_empty());
}

#[test]
fn capacity_is_rounded_up_to_a_power_of_two() {
    for (asked, given) in [(1, 1), (2, 2), (3, 4), (4_096, 4_096), (4_097, 8_192)] {
        let (mut producer, _consumer) = ring(asked);
        assert_eq!(producer.capacity(), given);
        assert_eq!((0..=given).take_while(|_| producer.push(()).is_ok()).count(), given);
        assert_eq!(producer.free(), 0);
    }
}

#[test]
#[should_panic(expected = "a ring has 1 to")]
fn a_ring_without_slots_is_refused() {
    drop(ring::<u8>(0));
}

#[test]
fn values_left_in_the_ring_are_dropped_with_it() {
    let value = Arc::new(());
    let (mut producer, mut consumer) = ring(8);
    for _ in 0..5 {
        producer.push(Arc::clone(&value)).unwrap();
    }
    drop(consumer.pop());
    drop(producer);
    assert_eq!(Arc::strong_count(&value), 5, "what was sent outlives the sender");
    drop(consumer);
    assert_eq!(Arc::strong_count(&value), 1);
}

proptest! {
    #[test]
    fn it_behaves_like_a_bounded_queue(
        capacity in 1_usize..20,
        pushes in prop::collection::vec(prop::option::of(any::<u16>()), 0..400),
    ) {
        let (mut producer, mut consumer) = ring(capacity);
        let mut model = VecDeque::new();
        for step in pushes {
            match step {
                Some(value) if model.len() < producer.capacity() => {
                    prop_assert_eq!(producer.push(value), Ok(()));
                    model.push_back(value);
                }
                Some(value) => prop_assert_eq!(producer.push(value), Err(value)),
                None => prop_assert_eq!(consumer.pop(), model.pop_front()),
            }
            prop_assert_eq!(consumer.len(), model.len());
            prop_assert_eq!(consumer.is_empty(), model.is_empty());
            prop_assert_eq!(producer.free(), producer.capacity() - model.len());
        }
    }
}
