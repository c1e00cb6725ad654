//! The bounded single-producer single-consumer ring that joins two shards: one lane of one ordered
//! pair. The producing half lives on the sending core, the consuming half on the receiving one;
//! they share two counters and the slots, and take no lock. The only unsafe code in this crate.
//!
//! Neither half waits. `push` hands the value back when the ring is full, `pop` gives `None` when
//! it is empty; waking a sleeper is the doorbell's part.

use core::mem::MaybeUninit;

use super::ring_sync::{Arc, AtomicUsize, Ordering, UnsafeCell};

/// The most slots a ring may have.
pub const CAPACITY_MAX: usize = 1 << 24;

/// Makes a ring of at least `capacity` slots (rounded up to a power of two).
///
/// # Panics
/// When `capacity` is 0 or above [`CAPACITY_MAX`]: sizes come from the plan, never from a peer.
pub fn ring<T: Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    assert!((1..=CAPACITY_MAX).contains(&capacity), "a ring has 1 to {CAPACITY_MAX} slots");
    let capacity = capacity.next_power_of_two();
    let shared = Arc::new(Shared {
        head: Padded(AtomicUsize::new(0)),
        tail: Padded(AtomicUsize::new(0)),
        slots: (0..capacity).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect(),
    });
    let producer = Producer { shared: Arc::clone(&shared), tail: 0, head_seen: 0 };
    (producer, Consumer { shared, head: 0, tail_seen: 0 })
}

/// Two cache lines: adjacent lines are fetched in pairs.
#[repr(align(128))]
struct Padded<T>(T);

/// `head` and `tail` count pops and pushes and wrap round; a slot's index is the count modulo the
/// capacity. `head <= tail <= head + capacity`, as distances. Slots in `head..tail` hold values and
/// belong to the consumer, the others are empty and belong to the producer.
struct Shared<T> {
    head: Padded<AtomicUsize>,
    tail: Padded<AtomicUsize>,
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
}

// SAFETY: a slot is touched by one half at a time: the producer before it stores `tail` with
// Release, the consumer after it has loaded that `tail` with Acquire, and back the same way through
// `head`. Values only move from one thread to the other, which `T: Send` allows.
unsafe impl<T: Send> Sync for Shared<T> {}

// SAFETY: as above; the last half to go drops the values left, on its own thread.
unsafe impl<T: Send> Send for Shared<T> {}

impl<T> Shared<T> {
    #[allow(clippy::indexing_slicing, reason = "the mask keeps the index below the length")]
    fn slot(&self, count: usize) -> &UnsafeCell<MaybeUninit<T>> {
        &self.slots[count & (self.slots.len() - 1)]
    }

    /// Moves the value out of a slot.
    ///
    /// # Safety
    /// The slot of `count` holds a value, belongs to the caller, and is not read again before it
    /// has been written again.
    unsafe fn take(&self, count: usize) -> T {
        self.slot(count).with_mut(|place| {
            // SAFETY: the caller owns the slot, so nothing else refers to it.
            let place = unsafe { &*place };
            // SAFETY: the caller says that it holds a value, and gives it up.
            unsafe { place.assume_init_read() }
        })
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let tail = self.tail.0.load(Ordering::Relaxed);
        let mut head = self.head.0.load(Ordering::Relaxed);
        while head != tail {
            // SAFETY: both halves are gone, and `head..tail` holds values; each is taken once.
            drop(unsafe { self.take(head) });
            head = head.wrapping_add(1);
        }
    }
}

/// The sending half. One per ring, on the sending core.
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
    /// Our own counter: nobody else writes it.
    tail: usize,
    /// The consumer's counter as last read: reading it costs a cache miss, so it is read only
    /// when this copy says "full".
    head_seen: usize,
}

impl<T: Send> Producer<T> {
    /// Puts `value` at the end.
    ///
    /// # Errors
    /// Gives `value` back when the ring is full.
    pub fn push(&mut self, value: T) -> Result<(), T> {
        if self.tail.wrapping_sub(self.head_seen) == self.capacity() {
            self.head_seen = self.shared.head.0.load(Ordering::Acquire);
            if self.tail.wrapping_sub(self.head_seen) == self.capacity() {
                return Err(value);
            }
        }
        self.shared.slot(self.tail).with_mut(|place| {
            // SAFETY: the slot is not in `head..tail`, so it is empty and the producer's alone.
            let place = unsafe { &mut *place };
            place.write(value);
        });
        self.tail = self.tail.wrapping_add(1);
        self.shared.tail.0.store(self.tail, Ordering::Release);
        Ok(())
    }

    /// How many pushes are sure to succeed now.
    #[must_use]
    pub fn free(&self) -> usize {
        let head = self.shared.head.0.load(Ordering::Acquire);
        self.capacity() - self.tail.wrapping_sub(head)
    }

    /// The number of slots.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.slots.len()
    }
}

/// The receiving half. One per ring, on the receiving core.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    /// Our own counter: nobody else writes it.
    head: usize,
    /// The producer's counter as last read; read again only when this copy says "empty".
    tail_seen: usize,
}

impl<T: Send> Consumer<T> {
    /// Takes the oldest value.
    pub fn pop(&mut self) -> Option<T> {
        if self.head == self.tail_seen {
            self.tail_seen = self.shared.tail.0.load(Ordering::Acquire);
            if self.head == self.tail_seen {
                return None;
            }
        }
        // SAFETY: `head` is in `head..tail`, so the slot holds a value and is the consumer's;
        // `head` moves on before anything can look at the slot again.
        let value = unsafe { self.shared.take(self.head) };
        self.head = self.head.wrapping_add(1);
        self.shared.head.0.store(self.head, Ordering::Release);
        Some(value)
    }

    /// How many values can be popped now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.tail.0.load(Ordering::Acquire).wrapping_sub(self.head)
    }

    /// Whether a pop would give nothing now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
