//! The bell between cores: any thread rings it, its owner sleeps on it. One per shard, shared by
//! all; [`Doorbell::wait`] is the owner's alone.
//!
//! No wake-up is lost: the owner says that it sleeps and then looks for work once more, a ringer
//! puts the work first and then looks whether the owner sleeps; a full fence stands between the
//! two steps on both sides, so at least one of them sees the other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering, fence},
    },
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;

use super::{clock::instant, local::yield_now};

/// How long the owner may look for more work before it sleeps.
///
/// Waking a sleeping core costs tens of microseconds, so a short spin after the last message pays;
/// it is bounded in time and in share, and off where shards share cores with the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainPolicy {
    /// Whether to spin at all.
    pub spin: bool,
    /// Longest spin after the last message.
    pub spin_max: Duration,
    /// Largest share of a core for spinning, averaged over a second, in parts per million.
    pub share_max_ppm: u32,
}

impl Default for DrainPolicy {
    fn default() -> Self {
        Self { spin: true, spin_max: Duration::from_micros(20), share_max_ppm: 50_000 }
    }
}

impl DrainPolicy {
    /// Never spins.
    #[must_use]
    pub const fn sleeping() -> Self {
        Self { spin: false, spin_max: Duration::ZERO, share_max_ppm: 0 }
    }
}

/// A bell; see the module's page for the protocol.
#[derive(Debug)]
pub struct Doorbell {
    asleep: AtomicBool,
    waker: AtomicWaker,
    policy: DrainPolicy,
    born: Instant,
    /// Nanoseconds spun in all; written by the owner.
    spun: AtomicU64,
    /// Nanoseconds that may still be spun, and when that was last topped up (since `born`).
    budget: AtomicU64,
    topped_up: AtomicU64,
}

impl Doorbell {
    /// A bell whose owner is awake.
    #[must_use]
    pub fn new(policy: DrainPolicy) -> Arc<Self> {
        Arc::new(Self {
            asleep: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            policy,
            born: instant(),
            spun: AtomicU64::new(0),
            budget: AtomicU64::new(0),
            topped_up: AtomicU64::new(0),
        })
    }

    /// Tells the owner that there is work. Call it after the work can be seen. Costs a fence and a
    /// load while the owner is awake, and wakes at most once per sleep.
    pub fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::SeqCst) {
            self.waker.wake();
        }
    }

    /// Returns once `has_work` says so, or after a ring. Spins first if the policy allows, then
    /// sleeps. Only for the owner; one wait at a time.
    pub async fn wait(&self, mut has_work: impl FnMut() -> bool) {
        if has_work() || self.spin(&mut has_work).await {
            return;
        }
        let mut armed = false;
        std::future::poll_fn(|cx| {
            self.waker.register(cx.waker());
            if armed && !self.asleep.load(Ordering::Acquire) {
                return Poll::Ready(());
            }
            armed = true;
            self.asleep.store(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            if has_work() {
                self.asleep.store(false, Ordering::SeqCst);
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }

    /// Time spent spinning since the start, for the metrics. Readable from any thread.
    #[must_use]
    pub fn spun(&self) -> Duration {
        Duration::from_nanos(self.spun.load(Ordering::Relaxed))
    }

    /// Yields to the shard's other tasks until there is work or the allowance is used up. Returns
    /// whether there is work.
    async fn spin(&self, has_work: &mut impl FnMut() -> bool) -> bool {
        if !self.policy.spin {
            return false;
        }
        let start = instant();
        let allowed = self.top_up(start).min(self.policy.spin_max);
        if allowed.is_zero() {
            return false;
        }
        loop {
            yield_now().await;
            let found = has_work();
            let spent = instant().saturating_duration_since(start);
            if found || spent >= allowed {
                self.charge(spent);
                return found;
            }
        }
    }

    /// Adds the share of the time since the last top-up, at most one second's share in store.
    fn top_up(&self, now: Instant) -> Duration {
        let now = nanos(now.saturating_duration_since(self.born));
        let elapsed = now.saturating_sub(self.topped_up.load(Ordering::Relaxed));
        let share = u64::from(self.policy.share_max_ppm);
        // A second's share in nanoseconds is the parts per million times 1,000.
        let earned = elapsed.min(1_000_000_000).saturating_mul(share) / 1_000_000;
        let budget = self.budget.load(Ordering::Relaxed).saturating_add(earned).min(share * 1_000);
        self.topped_up.store(now, Ordering::Relaxed);
        self.budget.store(budget, Ordering::Relaxed);
        Duration::from_nanos(budget)
    }

    fn charge(&self, spent: Duration) {
        let spent = nanos(spent);
        let budget = self.budget.load(Ordering::Relaxed).saturating_sub(spent);
        self.budget.store(budget, Ordering::Relaxed);
        self.spun.store(self.spun.load(Ordering::Relaxed).saturating_add(spent), Ordering::Relaxed);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_bell_rung_while_the_owner_is_awake_costs_no_wake_and_work_is_found_at_once() {
        let bell = Doorbell::new(DrainPolicy::sleeping());
        bell.ring();
        assert_eq!(bell.wait(|| true).now_or_never(), Some(()));
        assert_eq!(bell.wait(|| false).now_or_never(), None);
    }

    #[test]
    fn a_ring_ends_the_wait_even_if_the_work_is_gone() {
        let bell = Doorbell::new(DrainPolicy::sleeping());
        let mut wait = Box::pin(bell.wait(|| false));
        assert_eq!((&mut wait).now_or_never(), None);
        bell.ring();
        assert_eq!(wait.now_or_never(), Some(()));
    }

    #[test]
    fn the_spin_is_paid_from_a_share_that_time_earns() {
        let policy = DrainPolicy::default();
        let bell = Doorbell::new(policy);
        // Half a second at 5 % earns 25 ms; two more seconds fill the store to 50 ms, no further.
        let half = bell.born + Duration::from_millis(500);
        assert_eq!(bell.top_up(half), Duration::from_millis(25));
        assert_eq!(bell.top_up(half + Duration::from_secs(2)), Duration::from_millis(50));
        bell.charge(Duration::from_millis(45));
        assert_eq!(bell.top_up(half + Duration::from_secs(2)), Duration::from_millis(5));
        assert_eq!(bell.spun(), Duration::from_millis(45));
    }
}
