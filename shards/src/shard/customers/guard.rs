//! Slows who fails to log in, by address: each failure doubles the time until the next bind of that
//! address is looked at. Pure; one per shard.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use postrider_core::limits;

/// The addresses that failed lately.
pub(super) struct LoginGuard {
    failures: HashMap<IpAddr, Failures, ahash::RandomState>,
    /// The same addresses by the time of their last failure.
    by_age: BTreeSet<(Duration, IpAddr)>,
}

struct Failures {
    last: Duration,
    delay: Duration,
}

impl LoginGuard {
    pub(super) fn new(seed: u64) -> Self {
        let hasher = ahash::RandomState::with_seeds(seed, 1, 2, 3);
        LoginGuard { failures: HashMap::with_hasher(hasher), by_age: BTreeSet::new() }
    }

    /// When a bind of this address may be looked at: at once, or later.
    pub(super) fn opens(&self, now: Duration, peer: IpAddr) -> Duration {
        let failures = self.failures.get(&network(peer));
        failures.map_or(now, |failures| now.max(failures.last + failures.delay))
    }

    /// A bind of this address failed: gives the time at which to say so, which is also when the next
    /// one may be looked at.
    pub(super) fn failed(&mut self, now: Duration, peer: IpAddr) -> Duration {
        let address = network(peer);
        self.forget_old(now);
        let before = self.failures.remove(&address);
        if let Some(before) = &before {
            self.by_age.remove(&(before.last, address));
        } else if self.failures.len() >= limits::LOGIN_FAILURES_KEPT
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.failures.remove(&oldest);
        }
        let delay = before.map_or(limits::LOGIN_DELAY_FIRST, |before| before.delay * 2);
        let delay = delay.min(limits::LOGIN_DELAY_MAX);
        self.failures.insert(address, Failures { last: now, delay });
        self.by_age.insert((now, address));
        now + delay
    }

    fn forget_old(&mut self, now: Duration) {
        while let Some((last, address)) = self.by_age.first().copied()
            && last + limits::LOGIN_FAILURES_FORGOTTEN <= now
        {
            self.by_age.pop_first();
            self.failures.remove(&address);
        }
    }
}

/// What counts as one address: a host of IPv4, a network of 64 bits of IPv6.
pub(super) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(host) => IpAddr::V4(host),
        IpAddr::V6(host) => {
            let [a, b, c, d, ..] = host.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn delays_grow_to_half_a_minute_and_are_forgotten() {
        let mut guard = LoginGuard::new(0);
        let (bad, good) = (ip("192.0.2.1"), ip("192.0.2.2"));
        assert_eq!(guard.opens(s(100), bad), s(100));
        let mut now = s(100);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            let opens = guard.failed(now, bad);
            assert_eq!(opens, now + s(seconds));
            assert_eq!(guard.opens(now, bad), opens);
            assert_eq!(guard.opens(opens, bad), opens);
            assert_eq!(guard.opens(now, good), now, "others are not slowed");
            now = opens;
        }
        let later = now + limits::LOGIN_FAILURES_FORGOTTEN;
        assert_eq!(guard.failed(later, bad), later + s(1));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_a_mapped_host_is_ipv4() {
        let mut guard = LoginGuard::new(0);
        guard.failed(s(1), ip("2001:db8::1"));
        assert!(guard.opens(s(1), ip("2001:db8::ffff:2")) > s(1));
        assert_eq!(guard.opens(s(1), ip("2001:db8:0:1::1")), s(1));
        guard.failed(s(1), ip("::ffff:192.0.2.1"));
        assert!(guard.opens(s(1), ip("192.0.2.1")) > s(1));
    }

    #[test]
    fn the_table_is_bounded_and_loses_the_oldest() {
        let mut guard = LoginGuard::new(0);
        let address = |n: usize| {
            let n = u32::try_from(n).unwrap();
            IpAddr::V4(std::net::Ipv4Addr::from(0x0A00_0000 + n))
        };
        for n in 0..limits::LOGIN_FAILURES_KEPT + 10 {
            guard.failed(s(1) + Duration::from_micros(u64::try_from(n).unwrap()), address(n));
        }
        assert_eq!(guard.failures.len(), limits::LOGIN_FAILURES_KEPT);
        assert_eq!(guard.by_age.len(), limits::LOGIN_FAILURES_KEPT);
        let now = s(1) + Duration::from_millis(100);
        assert_eq!(guard.opens(now, address(0)), now);
        assert!(guard.opens(now, address(11)) > now);
    }
}
