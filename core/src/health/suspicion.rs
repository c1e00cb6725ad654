//! Whether a carrier's receipts are credible. One that says of every message that it was delivered, in
//! the moment in which it took it, has asked no handset. One per carrier, plain atomics: shards count,
//! the control thread reads.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use crate::limits;

/// Receipts in a row that came too fast to be true.
#[derive(Debug, Default)]
pub struct Suspicion {
    in_a_row: AtomicU32,
}

impl Suspicion {
    /// A receipt gave a part its final status, so far from the carrier's answer to the submit. True when
    /// a handset may have been asked.
    pub fn note(&self, delivered: bool, apart: Duration) -> bool {
        let credible = !delivered || apart > limits::SUSPECT_WITHIN;
        if !credible && !self.is_suspect() {
            self.in_a_row.fetch_add(1, Ordering::Relaxed);
        } else if credible && self.in_a_row.load(Ordering::Relaxed) > 0 {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
        credible
    }

    /// Whether the carrier's last receipts were all of that kind.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.in_a_row.load(Ordering::Relaxed) >= limits::SUSPECT_RECEIPTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(suspicion: &Suspicion, count: u32, delivered: bool, apart_ms: u64) {
        for _ in 0..count {
            let credible = suspicion.note(delivered, Duration::from_millis(apart_ms));
            assert_eq!(credible, !delivered || apart_ms > 1);
        }
    }

    #[test]
    fn receipts_that_all_come_at_once_are_suspect_and_one_that_does_not_clears_them() {
        let suspicion = Suspicion::default();
        note(&suspicion, limits::SUSPECT_RECEIPTS - 1, true, 1);
        assert!(!suspicion.is_suspect());
        note(&suspicion, 1_000, true, 0);
        assert!(suspicion.is_suspect());
        note(&suspicion, 1, true, 900);
        assert!(!suspicion.is_suspect(), "a handset was asked");
        note(&suspicion, limits::SUSPECT_RECEIPTS, true, 1);
        note(&suspicion, 1, false, 0);
        assert!(!suspicion.is_suspect(), "what fails at once is credible");
    }
}
