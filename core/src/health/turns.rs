//! How many connections to carriers are begun at once, over all shards: when hundreds of binds drop,
//! they come back one after the other. One per process, plain atomics, no lock.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use crate::limits::{self, CONNECTS_PER_CARRIER, CONNECTS_PER_SECOND};
use crate::route::CarrierIx;

/// No lane is used again within this time.
const SECOND: u64 = 1_000_000_000;

/// As many uses in any second as there are lanes: each is used once in more than a second. A lane is
/// the time of its last use in nanoseconds, plus one; 0 before the first.
#[derive(Debug)]
struct Lanes<const N: usize>([AtomicU64; N]);

impl<const N: usize> Lanes<N> {
    fn new() -> Self {
        Lanes(core::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Uses a lane: gives it with what it held before, or the time at which one will be free.
    fn take(&self, now: u64) -> Result<(&AtomicU64, u64), u64> {
        let mut earliest = u64::MAX;
        for lane in &self.0 {
            let used = lane.load(Ordering::Acquire);
            let free = if used == 0 { 0 } else { used.saturating_add(SECOND) };
            if free <= now {
                let own = lane.compare_exchange(used, now + 1, Ordering::AcqRel, Ordering::Acquire);
                if own.is_ok() {
                    return Ok((lane, used));
                }
                earliest = earliest.min(now.saturating_add(SECOND));
            } else {
                earliest = earliest.min(free);
            }
        }
        Err(earliest)
    }
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The connection may be begun; it is counted.
    Now,
    /// Its carrier has had enough of them; not before then.
    Carrier(Duration),
    /// All carriers together have; not before then.
    All(Duration),
}

/// See the module's page.
#[derive(Debug)]
pub struct ConnectTurns {
    /// By `CarrierIx`: for every carrier that there could be.
    carriers: Vec<Lanes<CONNECTS_PER_CARRIER>>,
    all: Lanes<CONNECTS_PER_SECOND>,
}

impl Default for ConnectTurns {
    fn default() -> Self {
        let carriers = core::iter::repeat_with(Lanes::new).take(limits::MAX_CARRIERS).collect();
        ConnectTurns { carriers, all: Lanes::new() }
    }
}

impl ConnectTurns {
    /// Asks for a turn at `now`, the process's monotonic time.
    #[must_use]
    pub fn take(&self, carrier: CarrierIx, now: Duration) -> Turn {
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX - 1);
        let at = |nanos| Duration::from_nanos(nanos);
        let own = self.carriers.get(usize::from(carrier.0)).map(|lanes| lanes.take(nanos));
        let own = match own {
            Some(Err(free)) => return Turn::Carrier(at(free)),
            Some(Ok(own)) => Some(own),
            None => None,
        };
        match self.all.take(nanos) {
            Ok(_) => Turn::Now,
            Err(free) => {
                // The carrier's turn was not used.
                if let Some((lane, before)) = own {
                    lane.store(before, Ordering::Release);
                }
                Turn::All(at(free))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// The most of these times, in order, that lie within a second.
    fn most_in_a_second(times: &[Duration]) -> usize {
        let within = |from: usize| {
            times[from..].iter().take_while(|at| **at <= times[from] + ms(1_000)).count()
        };
        (0..times.len()).map(within).max().unwrap_or(0)
    }

    #[test]
    fn no_second_has_more_turns_than_a_carrier_and_all_together_may_have() {
        let turns = ConnectTurns::default();
        // 40 carriers with 25 binds each, asking as often as they can.
        let mut left = [25; 40];
        let (mut all, mut of_first) = (Vec::new(), Vec::new());
        for step in 0..40_000 {
            let now = ms(step);
            for (carrier, left) in (0u16..).zip(&mut left) {
                while *left > 0 && turns.take(CarrierIx(carrier), now) == Turn::Now {
                    *left -= 1;
                    all.push(now);
                    if carrier == 0 {
                        of_first.push(now);
                    }
                }
            }
        }
        assert_eq!(left, [0; 40], "all had their turn");
        assert!(most_in_a_second(&all) <= CONNECTS_PER_SECOND);
        assert!(most_in_a_second(&of_first) <= CONNECTS_PER_CARRIER);
        assert!(all[all.len() - 1] <= ms(21_000), "1,000 binds at 50 a second");
    }

    #[test]
    fn who_has_no_turn_is_told_when_to_come_again() {
        let turns = ConnectTurns::default();
        let mut now = ms(5);
        for round in 0..50u64 {
            match turns.take(CarrierIx(3), now) {
                Turn::Now => {}
                Turn::Carrier(at) => {
                    assert!(at > now);
                    now = at;
                    assert_eq!(turns.take(CarrierIx(3), now), Turn::Now, "round {round}");
                }
                Turn::All(at) => panic!("all are busy until {at:?}"),
            }
        }
    }

    #[test]
    fn a_turn_that_was_not_to_be_had_costs_the_carrier_nothing() {
        let turns = ConnectTurns::default();
        for carrier in 0..10 {
            for _ in 0..CONNECTS_PER_CARRIER {
                assert_eq!(turns.take(CarrierIx(carrier), ms(1)), Turn::Now);
            }
        }
        for _ in 0..3 * CONNECTS_PER_CARRIER {
            assert!(matches!(turns.take(CarrierIx(77), ms(2)), Turn::All(_)));
        }
        for _ in 0..CONNECTS_PER_CARRIER {
            assert_eq!(turns.take(CarrierIx(77), ms(1_002)), Turn::Now);
        }
    }

    #[test]
    fn threads_share_the_turns() {
        let turns = ConnectTurns::default();
        let count = core::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for shard in 0..4u16 {
                let (turns, count) = (&turns, &count);
                scope.spawn(move || {
                    for carrier in 0..200 {
                        if turns.take(CarrierIx(carrier * 4 + shard), ms(7)) == Turn::Now {
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(count.into_inner(), CONNECTS_PER_SECOND);
    }
}
