//! The atomics and the cell that the ring stands on: std's here, loom's in `tests/ring_loom.rs`,
//! which compiles the same `ring.rs` over a module of this name that hands it loom's. Pure names,
//! lives nowhere.

pub(crate) use std::sync::Arc;
pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};

/// std's cell with the calls of loom's, so that the model can watch every access.
pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// Gives `f` the place; whoever writes through it owes the proof that nobody else is there.
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}
