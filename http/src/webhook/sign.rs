//! Signatures of webhooks, Standard Webhooks version 1: HMAC-SHA256 over `id.timestamp.body`.
//! Pure, lives nowhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::json::push_u64;

/// Name of the field that carries the id of the event, the same for every attempt.
pub const ID_FIELD: &str = "webhook-id";
/// Name of the field that carries the time of the attempt, Unix seconds.
pub const TIMESTAMP_FIELD: &str = "webhook-timestamp";
/// Name of the field that carries the signatures, separated by spaces.
pub const SIGNATURE_FIELD: &str = "webhook-signature";

/// What a secret begins with.
const SECRET_PREFIX: &str = "whsec_";
/// Fewest octets of a secret.
pub const SECRET_BYTES_MIN: usize = 24;
/// Most octets of a secret.
pub const SECRET_BYTES_MAX: usize = 64;

/// Why a secret is not one.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The prefix is missing.
    #[error("a webhook secret begins with whsec_")]
    Prefix,
    /// What follows the prefix is not base64.
    #[error("after whsec_ a webhook secret is base64")]
    Base64,
    /// Too short to be safe, or longer than the standard allows.
    #[error("a webhook secret has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} octets")]
    Length,
}

/// Reads a secret of the form `whsec_<base64>`.
///
/// # Errors
/// See [`SecretError`].
pub fn parse_secret(text: &str) -> Result<Vec<u8>, SecretError> {
    let encoded = text.strip_prefix(SECRET_PREFIX).ok_or(SecretError::Prefix)?;
    let secret = STANDARD.decode(encoded).map_err(|_| SecretError::Base64)?;
    if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&secret.len()) {
        return Err(SecretError::Length);
    }
    Ok(secret)
}

/// One signature: `v1,<base64>`. `id` must hold no full stop.
pub fn signature(secret: &[u8], id: &str, timestamp_s: u64, body: &[u8]) -> String {
    debug_assert!(!id.contains('.'), "the signed text would be ambiguous");
    let tag = mac(secret, id, timestamp_s, body).finalize().into_bytes();
    let mut text = String::with_capacity(3 + 44);
    text.push_str("v1,");
    STANDARD.encode_string(tag, &mut text);
    text
}

/// The three fields that make a POST a signed webhook, with their values.
pub fn signed_fields(
    secret: &[u8],
    id: &str,
    timestamp_s: u64,
    body: &[u8],
) -> [(&'static str, String); 3] {
    [
        (ID_FIELD, id.to_owned()),
        (TIMESTAMP_FIELD, timestamp_s.to_string()),
        (SIGNATURE_FIELD, signature(secret, id, timestamp_s, body)),
    ]
}

/// Whether one of the signatures in `field` (the value of [`SIGNATURE_FIELD`]) is ours. Compared
/// in constant time. The receiver must also refuse timestamps that are far from its own clock.
pub fn verify(secret: &[u8], id: &str, timestamp_s: u64, body: &[u8], field: &str) -> bool {
    let mac = mac(secret, id, timestamp_s, body);
    field
        .split(' ')
        .filter_map(|item| item.strip_prefix("v1,"))
        .filter_map(|encoded| STANDARD.decode(encoded).ok())
        .any(|tag| mac.clone().verify_slice(&tag).is_ok())
}

fn mac(secret: &[u8], id: &str, timestamp_s: u64, body: &[u8]) -> Hmac<Sha256> {
    let mut timestamp = Vec::with_capacity(20);
    push_u64(&mut timestamp, timestamp_s);
    let mut mac = keyed(secret);
    for piece in [id.as_bytes(), b".", &timestamp, b".", body] {
        mac.update(piece);
    }
    mac
}

/// The keyed HMAC. The key is brought to the hash's block length here (RFC 2104 section 2), which
/// leaves nothing that could fail.
fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    match block.get_mut(..secret.len()) {
        Some(head) => head.copy_from_slice(secret),
        None => block.split_at_mut(32).0.copy_from_slice(&Sha256::digest(secret)),
    }
    <Hmac<Sha256> as Mac>::new(&block.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP: u64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    /// Computed with a shell and openssl, no code of ours:
    /// `printf 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}' | openssl dgst
    /// -sha256 -mac HMAC -macopt hexkey:$(printf MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | base64 -d |
    /// od -An -tx1 -v | tr -d ' \n') -binary | base64`. It is also the vector of the Standard Webhooks libraries.
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn known_vector() {
        let secret = parse_secret(SECRET).unwrap();
        assert_eq!(signature(&secret, ID, TIMESTAMP, BODY), SIGNATURE);
        let fields = signed_fields(&secret, ID, TIMESTAMP, BODY);
        assert_eq!(fields[0], (ID_FIELD, ID.to_owned()));
        assert_eq!(fields[1], (TIMESTAMP_FIELD, "1614265330".to_owned()));
        assert_eq!(fields[2], (SIGNATURE_FIELD, SIGNATURE.to_owned()));
    }

    #[test]
    fn any_of_several_signatures_verifies_and_nothing_else() {
        let secret = parse_secret(SECRET).unwrap();
        let check = |field: &str| verify(&secret, ID, TIMESTAMP, BODY, field);
        assert!(check(SIGNATURE));
        assert!(check(&format!("v1a,AAAA v1,AAAA {SIGNATURE}")));
        for field in ["", "v1,", "v1,!", "v1,AAAA", "v2,x", &SIGNATURE[3..], &SIGNATURE[..40]] {
            assert!(!check(field), "{field}");
        }
        assert!(!verify(&secret, ID, TIMESTAMP + 1, BODY, SIGNATURE));
        assert!(!verify(&secret, "msg_other", TIMESTAMP, BODY, SIGNATURE));
        assert!(!verify(&secret, ID, TIMESTAMP, b"{}", SIGNATURE));
        assert!(!verify(b"another secret of 24 oct", ID, TIMESTAMP, BODY, SIGNATURE));
    }

    #[test]
    fn secrets_are_24_to_64_octets_of_base64() {
        let encoded = |length: usize| format!("whsec_{}", STANDARD.encode(vec![7; length]));
        assert_eq!(parse_secret(&encoded(24)).unwrap().len(), 24);
        assert_eq!(parse_secret(&encoded(64)).unwrap().len(), 64);
        assert_eq!(parse_secret(&encoded(23)), Err(SecretError::Length));
        assert_eq!(parse_secret(&encoded(65)), Err(SecretError::Length));
        assert_eq!(parse_secret("whsec_"), Err(SecretError::Length));
        assert_eq!(parse_secret("whsec_*"), Err(SecretError::Base64));
        assert_eq!(parse_secret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Err(SecretError::Prefix));
    }

    proptest! {
        /// Keys of every length are treated as the library's own variable-length entry does.
        #[test]
        fn keying_agrees_with_the_library(
            key in proptest::collection::vec(any::<u8>(), 0..150),
            text in proptest::collection::vec(any::<u8>(), 0..50),
        ) {
            let mut ours = keyed(&key);
            ours.update(&text);
            let mut theirs = <Hmac<Sha256> as Mac>::new_from_slice(&key).unwrap();
            theirs.update(&text);
            prop_assert_eq!(ours.finalize().into_bytes(), theirs.finalize().into_bytes());
        }
    }
}
