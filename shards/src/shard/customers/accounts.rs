//! What all shards together let customers do: who may bind to the SMPP server, how many binds there
//! may be, and how much may come in a second. One per configuration; what changes in it are atomics,
//! so no shard waits for another, and it is handed on from one configuration to the next.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use postrider_core::config::{Config, CustomerSmpp};
use postrider_core::rate::Meter;
use postrider_http::auth::CustomerIx;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

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
    /// Parts a second, 0 for no limit; by `CustomerIx`.
    parts_per_second: Vec<u32>,
    /// Numbers a second that a provider may be asked about, 0 for no limit; by `CustomerIx`.
    lookups_per_second: Vec<u32>,
    /// By `CustomerIx`, for every customer: who has no account now may have had one.
    used: Vec<Arc<Used>>,
    /// What a bind to no account is compared with.
    nobody: PasswordHash,
}

struct Account {
    password: PasswordHash,
    /// Submissions a second; 0 for no limit.
    messages_per_second: u32,
}

/// What a customer uses on all shards together.
#[derive(Default)]
struct Used {
    binds: AtomicU32,
    /// Submissions of its binds.
    messages: Meter,
    /// Parts of all that it submits.
    parts: Meter,
    /// Numbers that a provider is asked about.
    lookups: Meter,
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
        let parts_per_second = config.customers.iter().map(|own| own.parts_per_second).collect();
        let lookups_per_second =
            config.customers.iter().map(|own| own.lookups_per_second).collect();
        Accounts {
            by_system_id,
            accounts,
            parts_per_second,
            lookups_per_second,
            used,
            nobody: [0; 32],
        }
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

    /// Whether the rate of the customer's account lets `count` submissions pass at `now`, the
    /// process's monotonic time; if so they are charged.
    pub(crate) fn admit(&self, customer: CustomerIx, now: Duration, count: u32) -> bool {
        let (Some(account), Some(used)) = (self.get(customer), self.used(customer)) else {
            return false;
        };
        used.messages.charge(now, account.messages_per_second, count).is_ok()
    }

    /// Charges a message of so many parts, however it came in.
    ///
    /// # Errors
    /// How long until the customer's rate lets one more part pass.
    pub(crate) fn admit_parts(
        &self,
        customer: CustomerIx,
        now: Duration,
        parts: u32,
    ) -> Result<(), Duration> {
        let rate = rate_of(&self.parts_per_second, customer);
        self.used(customer).map_or(Ok(()), |used| used.parts.charge(now, rate, parts))
    }

    /// Charges so many numbers that a provider is to be asked about.
    ///
    /// # Errors
    /// How long until the customer's rate lets one more pass.
    pub(crate) fn admit_lookups(
        &self,
        customer: CustomerIx,
        now: Duration,
        count: u32,
    ) -> Result<(), Duration> {
        let rate = rate_of(&self.lookups_per_second, customer);
        self.used(customer).map_or(Ok(()), |used| used.lookups.charge(now, rate, count))
    }

    /// About so many of these the provider was not asked.
    pub(crate) fn give_back_lookups(&self, customer: CustomerIx, count: u32) {
        if let Some(used) = self.used(customer) {
            used.lookups.give_back(rate_of(&self.lookups_per_second, customer), count);
        }
    }
}

fn rate_of(rates: &[u32], customer: CustomerIx) -> u32 {
    rates.get(usize::from(customer.0)).copied().unwrap_or(0)
}

impl Account {
    fn new(smpp: &CustomerSmpp) -> Self {
        Account {
            password: hash_password(smpp.password.expose().as_bytes()),
            messages_per_second: smpp.messages_per_second,
        }
    }
}

/// Whether an account may be used from an address.
pub(crate) fn is_allowed(smpp: &CustomerSmpp, peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    smpp.addresses.is_empty() || smpp.addresses.iter().any(|network| network.contains(&peer))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
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
        config.customers[0].parts_per_second = 1;
        let without = Accounts::new(&config, Some(&after));
        let web = CustomerIx(0);
        assert_eq!(
            (after.admit_parts(web, at, 9), after.admit_parts(web, at, 9)),
            (Ok(()), Ok(()))
        );
        assert_eq!(without.admit_parts(web, at, 1), Ok(()));
        let later = at + Duration::from_millis(250);
        assert_eq!(without.admit_parts(web, later, 1), Err(Duration::from_millis(750)));
        assert!(!without.admit(SHOP, at + Duration::from_secs(60), 1));
        without.release_bind(SHOP);
        assert_eq!(before.binds(SHOP), 0);
    }
}
