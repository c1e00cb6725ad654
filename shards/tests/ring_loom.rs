//! The ring under loom: every interleaving of two threads over `src/ring.rs` itself, compiled here
//! over loom's atomics and cells instead of std's. Runs with the ordinary tests; no flag is needed,
//! so no dependency is rebuilt under `cfg(loom)`, which several of them read for their own ends.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, missing_docs, reason = "tests")]

#[path = "../src/ring.rs"]
mod ring;

mod ring_sync {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering};
}

use loom::thread;
use ring::{Consumer, ring};

/// Pops until `wanted` values have come, letting the other thread run while there are none.
fn pop_all(consumer: &mut Consumer<Box<usize>>, wanted: usize) -> Vec<usize> {
    let mut got = Vec::new();
    while got.len() < wanted {
        match consumer.pop() {
            Some(value) => got.push(*value),
            None => thread::yield_now(),
        }
    }
    got
}

#[test]
fn values_arrive_once_and_in_order() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(2);
        let sender = thread::spawn(move || {
            for value in 0..3 {
                let mut value = Box::new(value);
                while let Err(back) = producer.push(value) {
                    value = back;
                    thread::yield_now();
                }
            }
        });
        assert_eq!(pop_all(&mut consumer, 3), [0, 1, 2]);
        sender.join().unwrap();
        assert!(consumer.pop().is_none());
    });
}

#[test]
fn a_full_ring_refuses_and_a_slot_is_reused_only_when_empty() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(1);
        producer.push(Box::new(1)).unwrap();
        let receiver = thread::spawn(move || (consumer.pop().map(|value| *value), consumer));
        let second = producer.push(Box::new(2)).is_ok();
        let (first, mut consumer) = receiver.join().unwrap();
        assert_eq!(first, Some(1));
        assert_eq!(consumer.pop().map(|value| *value), second.then_some(2));
    });
}

#[test]
fn what_free_promises_fits_and_what_len_counts_is_there() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(2);
        producer.push(Box::new(0)).unwrap();
        let sender = thread::spawn(move || {
            let free = producer.free();
            for value in 1..=free {
                producer.push(Box::new(value)).unwrap();
            }
            free
        });
        let there = consumer.len();
        let got = (0..there).map(|_| *consumer.pop().unwrap()).collect::<Vec<_>>();
        assert!(there >= 1);
        let sent = 1 + sender.join().unwrap();
        let rest = pop_all(&mut consumer, sent - there);
        assert_eq!([got, rest].concat(), (0..sent).collect::<Vec<_>>());
        assert!(consumer.is_empty());
    });
}

#[test]
fn values_left_are_dropped_once_whichever_half_goes_last() {
    loom::model(|| {
        let held = loom::sync::Arc::new(());
        let (mut producer, mut consumer) = ring(2);
        let copies = [held.clone(), held.clone()];
        let sender = thread::spawn(move || {
            for copy in copies {
                producer.push(copy).unwrap();
            }
        });
        drop(consumer.pop());
        drop(consumer);
        sender.join().unwrap();
        assert_eq!(loom::sync::Arc::strong_count(&held), 1);
    });
}
