//! The accounts of the SMPP server: who may bind, and what all shards together must keep to. One per
//! configuration; what changes in it are atomics, so no shard waits for another, and it is handed
//! on from one configuration to the next.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use postrider_core::config::{Config, CustomerSmpp};
use postrider_http::auth::CustomerIx;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Nanoseconds of the burst that a silent customer has saved up: one second's worth.
const BURST: u64 = 1_000_000_000;

/// A password as it is compared.
pub(crate) type PasswordHash = [u8; 32];

/// Passwords are compared by hash, so that neither their lengths nor where they differ shows.
pub(crate) fn hash_password(password: &[u8]) -> PasswordHash {
    Sha256::digest(password).into()
}

/// Every account by its system_id.
pub struct Accounts {
    by_system_id: HashMap<Box<[u8]>, CustomerIx, ahash::RandomState>,
    /// By `CustomerIx`; `None` for customers without one.
    accounts: Vec<Option<Account>>,
    /// By `CustomerIx`, for every customer: who has no account now may have had one.
    used: Vec<Arc<Used>>,
    /// What a bind to no account is compared with.
    nobody: PasswordHash,
}

struct Account {
    password: PasswordHash,
    /// Nanoseconds between two submissions at the greatest rate; 0 for no limit.
    interval: u64,
}

/// What a customer's binds on all shards use together.
#[derive(Default)]
struct Used {
    binds: AtomicU32,
    /// When all submissions so far will have been paid for; monotonic nanoseconds.
    paid: AtomicU64,
}

impl Accounts {
    /// The accounts of a configuration whose secrets are loaded. What the customers use is as it was
    /// under the configuration `before`.
    #[must_use]
    pub fn new(config: &Config, before: Option<&Accounts>) -> Self {
        // Only what customers are called is hashed here, and that is the operator's choice.
        let mut by_system_id = HashMap::with_hasher(ahash::RandomState::with_seeds(1, 2, 3, 4));
        let mut accounts = Vec::with_capacity(config.customers.len());
        for (customer, ix) in config.customers.iter().zip(0u16..) {
            if let Some(smpp) = &customer.smpp {
                by_system_id.insert(smpp.system_id.as_bytes().into(), CustomerIx(ix));
            }
            accounts.push(customer.smpp.as_ref().map(Account::new));
        }
        let mut used = before.map_or_else(Vec::new, |before| before.used.clone());
        used.resize_with(accounts.len().max(used.len()), Arc::default);
        Accounts { by_system_id, accounts, used, nobody: [0; 32] }
    }

    fn used(&self, customer: CustomerIx) -> Option<&Used> {
        self.used.get(usize::from(customer.0)).map(|used| &**used)
    }

    fn get(&self, customer: CustomerIx) -> Option<&Account> {
        self.accounts.get(usize::from(customer.0))?.as_ref()
    }

    /// The customer with these credentials. The work is the same whether there is such an account.
    pub(crate) fn authenticate(
        &self,
        system_id: &[u8],
        given: &PasswordHash,
    ) -> Option<CustomerIx> {
        let found = self.by_system_id.get(system_id).copied();
        let account = found.and_then(|customer| self.get(customer));
        let right = account.map_or(&self.nobody, |account| &account.password);
        let same = bool::from(right.ct_eq(given));
        found.filter(|_| same)
    }

    /// Takes one of the customer's binds; false when all are taken.
    pub(crate) fn take_bind(&self, customer: CustomerIx, max: u16) -> bool {
        let Some(used) = self.used(customer).filter(|_| self.get(customer).is_some()) else {
            return false;
        };
        let more = |binds: u32| (binds < u32::from(max)).then_some(binds + 1);
        used.binds.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    /// Gives back what `take_bind` took.
    pub(crate) fn release_bind(&self, customer: CustomerIx) {
        if let Some(used) = self.used(customer) {
            let before = used.binds.fetch_sub(1, Ordering::AcqRel);
            assert!(before > 0, "a bind was released that nobody took");
        }
    }

    /// The customer's binds over all shards.
    #[must_use]
    pub fn binds(&self, customer: CustomerIx) -> u32 {
        self.used(customer).map_or(0, |used| used.binds.load(Ordering::Acquire))
    }

    /// Whether the customer's rate lets `count` submissions pass at `now`, the process's monotonic
    /// time; if so they are charged. After a second of silence a second's worth may come at once;
    /// a submit_multi of more than that is paid for afterwards.
    pub(crate) fn admit(&self, customer: CustomerIx, now: Duration, count: u32) -> bool {
        let (Some(account), Some(used)) = (self.get(customer), self.used(customer)) else {
            return false;
        };
        if account.interval == 0 {
            return true;
        }
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let limit = now.saturating_add(BURST.max(account.interval));
        let price = account.interval.saturating_mul(u64::from(count));
        let pay = |paid: u64| {
            let from = paid.max(now);
            (from.saturating_add(account.interval) <= limit).then(|| from.saturating_add(price))
        };
        used.paid.fetch_update(Ordering::AcqRel, Ordering::Acquire, pay).is_ok()
    }
}

impl Account {
    fn new(smpp: &CustomerSmpp) -> Self {
        let rate = u64::from(smpp.messages_per_second);
        Account {
            password: hash_password(smpp.password.expose().as_bytes()),
            interval: BURST.checked_div(rate).unwrap_or(0),
        }
    }
}

/// Whether an account may be used from an address.
pub(crate) fn is_allowed(smpp: &CustomerSmpp, peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    smpp.addresses.is_empty() || smpp.addresses.iter().any(|network| network.contains(&peer))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn config(rate: u32) -> Config {
        let text = format!(
            r#"
            [smpp]
            listen = "127.0.0.1:0"
            [[customers]]
            name = "web"
            api_keys = ["sha256:{key}"]
            webhook_secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
            [[customers]]
            name = "shop"
            [customers.smpp]
            system_id = "shop"
            password = "secret"
            messages_per_second = {rate}
            [[carriers]]
            name = "alpha"
            address = "127.0.0.1:1"
            system_id = "x"
            password = "y"
            [[routes]]
            prefix = ""
            carriers = ["alpha"]
            "#,
            key = "0".repeat(64),
        );
        Config::parse(&text).unwrap()
    }

    fn accounts(rate: u32) -> Accounts {
        Accounts::new(&config(rate), None)
    }

    const SHOP: CustomerIx = CustomerIx(1);

    #[test]
    fn only_the_whole_credentials_are_known() {
        let accounts = accounts(0);
        let ask = |id: &[u8], password: &[u8]| accounts.authenticate(id, &hash_password(password));
        assert_eq!(ask(b"shop", b"secret"), Some(SHOP));
        for (id, password) in [
            (&b"shop"[..], &b"Secret"[..]),
            (b"shop", b"secret1"),
            (b"shop", b""),
            (b"SHOP", b"secret"),
            (b"web", b"secret"),
            (b"", b"secret"),
            (b"web", b""),
        ] {
            assert_eq!(ask(id, password), None);
        }
        assert_eq!(
            accounts.authenticate(b"unknown", &[0; 32]),
            None,
            "nobody's hash opens nothing"
        );
    }

    #[test]
    fn binds_are_counted_and_bounded() {
        let accounts = accounts(0);
        assert!(accounts.take_bind(SHOP, 2) && accounts.take_bind(SHOP, 2));
        assert!(!accounts.take_bind(SHOP, 2));
        accounts.release_bind(SHOP);
        assert_eq!(accounts.binds(SHOP), 1);
        assert!(accounts.take_bind(SHOP, 2));
        assert!(!accounts.take_bind(CustomerIx(0), 2), "no SMPP account");
    }

    #[test]
    fn a_rate_is_kept_after_one_seconds_burst() {
        let accounts = accounts(10);
        let start = Duration::from_secs(5);
        let passed = |from: Duration, over: Duration| {
            let steps = u32::try_from(over.as_millis()).unwrap();
            (0..steps)
                .filter(|ms| {
                    let now = from + Duration::from_millis(u64::from(*ms));
                    accounts.admit(SHOP, now, 1)
                })
                .count()
        };
        assert_eq!(passed(start, Duration::from_millis(50)), 10, "a second's worth at once");
        assert_eq!(passed(start + Duration::from_millis(100), Duration::from_secs(10)), 100);
        let later = start + Duration::from_secs(60);
        assert!(accounts.admit(SHOP, later, 30), "a list passes whole");
        let next = later + Duration::from_millis(2_090);
        assert!(!accounts.admit(SHOP, next, 1), "and is paid for afterwards");
        assert!(accounts.admit(SHOP, next + Duration::from_millis(20), 1));
    }

    #[test]
    fn one_a_second_and_no_limit() {
        let slow = accounts(1);
        let at = Duration::from_secs(9);
        assert!(slow.admit(SHOP, at, 1) && !slow.admit(SHOP, at, 1));
        assert!(slow.admit(SHOP, at + Duration::from_secs(1), 1));
        let free = accounts(0);
        assert!((0..10_000).all(|_| free.admit(SHOP, Duration::ZERO, 255)));
    }

    #[test]
    fn another_configuration_keeps_the_binds_and_what_is_paid() {
        let before = accounts(1);
        let at = Duration::from_secs(9);
        assert!(before.take_bind(SHOP, 1) && before.admit(SHOP, at, 1));
        let mut config = config(2);
        let after = Accounts::new(&config, Some(&before));
        assert!(!after.take_bind(SHOP, 1), "the bind is still there");
        assert!(!after.admit(SHOP, at, 1), "its second has been used");
        assert!(after.admit(SHOP, at + Duration::from_millis(500), 1), "at the new rate");
        for customer in &mut config.customers {
            customer.smpp = None;
        }
        let without = Accounts::new(&config, Some(&after));
        assert!(!without.admit(SHOP, at + Duration::from_secs(60), 1));
        without.release_bind(SHOP);
        assert_eq!(before.binds(SHOP), 0);
    }
}
