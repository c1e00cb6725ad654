//! API keys: from the `Authorization` field to a customer. One per process and read-only; every
//! shard reads the same snapshot.

use core::fmt;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::problem::{Code, Problem};

/// Longest API key that is looked at, in octets. Longer ones are refused unhashed.
pub const KEY_LENGTH_MAX: usize = 256;

/// Index of a customer in the configuration.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerIx(pub u16);

/// The SHA-256 of an API key: the form in which keys are stored and compared. Keys are long and
/// random, so that no slow hash is needed.
pub fn hash_api_key(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Every key of every customer, by its hash.
pub struct Keyring {
    /// Sorted by hash; ties in the order given.
    entries: Vec<([u8; 32], CustomerIx)>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.entries.len())
    }
}

impl Keyring {
    /// A keyring of (customer, SHA-256 of one of its keys). A hash should be given once: of two
    /// customers with the same key, which the configuration refuses, the first is found.
    pub fn new(keys: impl Iterator<Item = (CustomerIx, [u8; 32])>) -> Self {
        let mut entries: Vec<_> = keys.map(|(customer, hash)| (hash, customer)).collect();
        entries.sort_by_key(|entry| entry.0);
        entries.dedup_by_key(|entry| entry.0);
        Self { entries }
    }

    /// Finds the customer of an `Authorization` field value, `Bearer <key>` (RFC 6750 section
    /// 2.1; the scheme in any case).
    ///
    /// Candidates are found by the first eight octets of the key's hash, which tell an attacker
    /// nothing about a key, and compared whole in constant time.
    ///
    /// # Errors
    /// [`Code::Unauthorized`] when the field is absent, has another form, or the key is unknown.
    pub fn authenticate(&self, authorization_header: Option<&[u8]>) -> Result<CustomerIx, Problem> {
        let field = authorization_header.ok_or_else(|| {
            refused("Send your API key in the field \"Authorization: Bearer <key>\".")
        })?;
        let key = bearer_key(field).ok_or_else(|| {
            refused("The field Authorization must have the form \"Bearer <key>\".")
        })?;
        self.find(&hash_api_key(key)).ok_or_else(|| refused("This API key is not known."))
    }

    fn find(&self, hash: &[u8; 32]) -> Option<CustomerIx> {
        let start = self.entries.partition_point(|(entry, _)| prefix(entry) < prefix(hash));
        let mut found = Choice::from(0);
        let mut customer = 0;
        let candidates = self.entries.get(start..).unwrap_or_default().iter();
        for (entry, ix) in candidates.take_while(|(entry, _)| prefix(entry) == prefix(hash)) {
            let equal = entry.ct_eq(hash);
            customer.conditional_assign(&ix.0, equal);
            found |= equal;
        }
        bool::from(found).then_some(CustomerIx(customer))
    }
}

fn prefix(hash: &[u8; 32]) -> Option<&[u8; 8]> {
    hash.first_chunk()
}

fn refused(detail: &str) -> Problem {
    Problem::new(Code::Unauthorized, detail)
}

/// The token of `Bearer SP+ token68`, when it has the form of one and a sane length.
fn bearer_key(field: &[u8]) -> Option<&str> {
    let (scheme, rest) = field.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"bearer") || rest.first() != Some(&b' ') {
        return None;
    }
    let key = core::str::from_utf8(rest).ok()?.trim_matches(' ');
    let valid = (1..=KEY_LENGTH_MAX).contains(&key.len()) && key.bytes().all(is_token68);
    valid.then_some(key)
}

/// RFC 9110 section 11.2.
fn is_token68(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn ring() -> Keyring {
        Keyring::new(
            [(0, "pr_live_alpha"), (1, "pr_live_beta"), (1, "pr_live_beta2"), (2, "x")]
                .into_iter()
                .map(|(ix, key)| (CustomerIx(ix), hash_api_key(key))),
        )
    }

    fn ask(field: &[u8]) -> Result<u16, Code> {
        ring().authenticate(Some(field)).map(|ix| ix.0).map_err(|problem| problem.code)
    }

    #[test]
    fn every_key_finds_its_customer() {
        assert_eq!(ask(b"Bearer pr_live_alpha"), Ok(0));
        assert_eq!(ask(b"bearer pr_live_beta"), Ok(1));
        assert_eq!(ask(b"BEARER   pr_live_beta2"), Ok(1));
        assert_eq!(ask(b"Bearer x"), Ok(2));
    }

    #[test]
    fn everything_else_is_unauthorized() {
        for field in [
            &b""[..],
            b"Bearer",
            b"Bearer ",
            b"Bearer  ",
            b"Bearerpr_live_alpha",
            b"Bearer\tpr_live_alpha",
            b"Bearer pr_live_alphA",
            b"Bearer pr_live_alph",
            b"Bearer pr_live_alpha pr_live_beta",
            b"Bearer pr_live_alpha,x",
            b"Basic cHJfbGl2ZV9hbHBoYQ==",
            b"pr_live_alpha",
            b"Bearer \xff\xfe",
            b"Bearer pr_live_alpha\0",
            &[b"Bearer ", [b'a'; KEY_LENGTH_MAX + 1].as_slice()].concat(),
        ] {
            assert_eq!(ask(field), Err(Code::Unauthorized), "{field:?}");
        }
        assert_eq!(ring().authenticate(None).unwrap_err().status(), 401);
    }

    #[test]
    fn keys_with_the_same_prefix_are_told_apart() {
        let mut near = hash_api_key("pr_live_alpha");
        near[31] ^= 1;
        let keys = [(CustomerIx(7), near), (CustomerIx(8), hash_api_key("pr_live_alpha"))];
        let ring = Keyring::new(keys.into_iter());
        assert_eq!(ring.authenticate(Some(b"Bearer pr_live_alpha")).unwrap(), CustomerIx(8));
        let only_near = Keyring::new([(CustomerIx(7), near)].into_iter());
        assert!(only_near.authenticate(Some(b"Bearer pr_live_alpha")).is_err());
    }

    #[test]
    fn the_hash_is_sha_256() {
        // FIPS 180-2 appendix B.1: the digest of "abc".
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hex: String = hash_api_key("abc").iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(hex, expected);
    }

    #[test]
    fn the_keyring_prints_no_hash() {
        assert_eq!(format!("{:?}", ring()), "Keyring(4 keys)");
    }

    proptest! {
        #[test]
        fn no_field_value_panics_or_gets_in(field in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(ask(&field), Err(Code::Unauthorized));
        }
    }
}
