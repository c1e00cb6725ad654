//! How fast a carrier is given parts, as its lender said last: written by the carrier's home shard, read
//! by the control thread. One per carrier and process; plain atomics, no lock.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use postrider_core::rate::{Changes, Lender};

/// See the module's page.
#[derive(Default)]
pub struct Pace {
    /// 0: no limit.
    limit: AtomicU32,
    used: AtomicU32,
    lowered: [AtomicU64; 4],
    raised: [AtomicU64; 4],
}

impl Pace {
    /// Parts a second that all shards together may hand over now; 0 for no limit.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Parts that all shards together handed over in the second before the lender was last told.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    /// How often the limit was changed, and for what.
    #[must_use]
    pub fn changes(&self) -> Changes {
        let read = |counts: &[AtomicU64; 4]| counts.each_ref().map(|n| n.load(Ordering::Relaxed));
        Changes { lowered: read(&self.lowered), raised: read(&self.raised) }
    }

    /// The lender has been told something, and that so many parts were handed over.
    pub(super) fn note(&self, lender: &Lender, used: u32) {
        self.limit.store(lender.limit().unwrap_or(0), Ordering::Relaxed);
        self.used.store(used, Ordering::Relaxed);
        let Changes { lowered, raised } = lender.changes();
        for (own, counts) in [(&self.lowered, lowered), (&self.raised, raised)] {
            own.iter().zip(counts).for_each(|(own, count)| own.store(count, Ordering::Relaxed));
        }
    }
}
