//! What a customer has used of a rate, over all shards together. Pure but for one atomic, so no shard
//! waits for another; lives as long as the process, one for each rate of a customer.
//!
//! A customer cannot be made to flow evenly, so a meter allows a second's worth at once after a second
//! of silence, and says when the next one may come. A [`Lease`](super::Lease) holds back what waits
//! anyway.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

/// Nanoseconds of the burst that a silent customer has saved up: one second's worth.
const BURST: u64 = 1_000_000_000;

/// See the module's page.
#[derive(Debug, Default)]
pub struct Meter {
    /// When all that came so far will have been paid for; monotonic nanoseconds.
    paid: AtomicU64,
}

impl Meter {
    /// Charges `count` at `now`, the process's monotonic time, when at least one is free of a rate of
    /// so many a second; 0: of any. What is more than that is paid for afterwards.
    ///
    /// # Errors
    /// How long until one is free.
    pub fn charge(&self, now: Duration, per_second: u32, count: u32) -> Result<(), Duration> {
        let Some(interval) = BURST.checked_div(per_second.into()) else { return Ok(()) };
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let limit = now.saturating_add(BURST.max(interval));
        let price = interval.saturating_mul(u64::from(count));
        let first = |paid: u64| paid.max(now).saturating_add(interval);
        let pay = |paid: u64| (first(paid) <= limit).then(|| paid.max(now).saturating_add(price));
        let charged = self.paid.fetch_update(Ordering::AcqRel, Ordering::Acquire, pay);
        charged.map(|_| ()).map_err(|paid| Duration::from_nanos(first(paid) - limit))
    }

    /// Gives back `count` of what was charged at this rate: it was not used after all.
    pub fn give_back(&self, per_second: u32, count: u32) {
        let Some(interval) = BURST.checked_div(per_second.into()) else { return };
        let price = interval.saturating_mul(u64::from(count));
        let less = |paid: u64| Some(paid.saturating_sub(price));
        self.paid.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_rate_is_kept_after_one_seconds_burst() {
        let meter = Meter::default();
        let passed = |from: u64, span: u64| {
            (from..from + span).filter(|at| meter.charge(ms(*at), 10, 1).is_ok()).count()
        };
        assert_eq!(passed(5_000, 50), 10, "a second's worth at once");
        assert_eq!(passed(5_100, 10_000), 100);
    }

    #[test]
    fn a_message_of_many_parts_passes_whole_and_is_paid_for_afterwards() {
        let meter = Meter::default();
        assert_eq!(meter.charge(ms(60_000), 10, 30), Ok(()));
        assert_eq!(meter.charge(ms(62_090), 10, 1), Err(ms(10)));
        assert_eq!(meter.charge(ms(62_100), 10, 1), Ok(()));
    }

    #[test]
    fn what_is_refused_is_told_when_to_come_again() {
        let meter = Meter::default();
        assert_eq!(meter.charge(ms(9_000), 1, 1), Ok(()));
        assert_eq!(meter.charge(ms(9_300), 1, 1), Err(ms(700)));
        assert_eq!(meter.charge(ms(9_300), 1, 1), Err(ms(700)), "being refused costs nothing");
        assert_eq!(meter.charge(ms(10_000), 1, 1), Ok(()));
        assert!((0..10_000).all(|_| meter.charge(ms(10_000), 0, 255).is_ok()), "no limit");
    }

    #[test]
    fn what_is_given_back_can_be_charged_again() {
        let meter = Meter::default();
        assert_eq!(meter.charge(ms(60_000), 10, 30), Ok(()));
        meter.give_back(10, 25);
        let passed = (0..100).filter(|_| meter.charge(ms(60_000), 10, 1).is_ok()).count();
        assert_eq!(passed, 5, "five of ten are used");
        meter.give_back(0, 5);
        assert!(meter.charge(ms(60_000), 10, 1).is_err());
    }

    #[test]
    fn shards_charge_one_meter_together() {
        let meter = Meter::default();
        let charge = || (0..10_000).filter(|_| meter.charge(ms(1_000), 500, 1).is_ok()).count();
        let passed: usize = std::thread::scope(|scope| {
            let shards: Vec<_> = (0..4).map(|_| scope.spawn(charge)).collect();
            shards.into_iter().map(|shard| shard.join().unwrap_or(0)).sum()
        });
        assert_eq!(passed, 500);
    }
}
