//! Secrets as the configuration spells them. Errors never repeat the secret. Pure, lives nowhere.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// Octets of a webhook secret [Standard Webhooks, "Signature scheme"].
const SECRET_OCTETS: std::ops::RangeInclusive<usize> = 24..=64;

/// Standard base64, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads `whsec_<base64>`.
pub(super) fn webhook_secret(text: &str) -> Result<Vec<u8>, &'static str> {
    let encoded = text.strip_prefix("whsec_").ok_or("it does not begin with `whsec_`")?;
    let secret = BASE64.decode(encoded).map_err(|_| "what follows `whsec_` is not base64")?;
    if SECRET_OCTETS.contains(&secret.len()) {
        Ok(secret)
    } else {
        Err("it must be 24 to 64 octets, encoded in base64")
    }
}

/// Reads `sha256:<64 hex digits>`.
pub(super) fn api_key_hash(text: &str) -> Option<[u8; 32]> {
    let hex = text.strip_prefix("sha256:")?;
    if hex.len() != 64 {
        return None;
    }
    let mut hash = [0u8; 32];
    let (pairs, _) = hex.as_bytes().as_chunks::<2>();
    for (place, [high, low]) in hash.iter_mut().zip(pairs) {
        let nibble = |octet: &u8| char::from(*octet).to_digit(16);
        let value = nibble(high)? << 4 | nibble(low)?;
        *place = u8::try_from(value).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhook_secrets_are_measured() {
        // 24 octets.
        let plain = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert_eq!(webhook_secret(plain).map(|secret| secret.len()), Ok(24));
        assert!(webhook_secret("whsec_AAAA").is_err());
        assert!(webhook_secret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_err());
        assert!(webhook_secret("whsec_!!!!").is_err());
        let long = format!("whsec_{}", "A".repeat(88));
        assert!(webhook_secret(&long).is_err());
        // 25 octets, with and without padding.
        let padded = format!("whsec_{}AA==", "A".repeat(32));
        let bare = format!("whsec_{}AA", "A".repeat(32));
        assert_eq!(webhook_secret(&padded), Ok(vec![0; 25]));
        assert_eq!(webhook_secret(&bare), Ok(vec![0; 25]));
    }

    #[test]
    fn key_hashes_are_exact() {
        let text = format!("sha256:{}", "0f".repeat(32));
        assert_eq!(api_key_hash(&text), Some([15; 32]));
        assert_eq!(api_key_hash(&text.to_uppercase().replace("SHA", "sha")), Some([15; 32]));
        for bad in [&text[..70], &text[7..], &text.replace("0f", "0g"), "sha256:"] {
            assert_eq!(api_key_hash(bad), None, "{bad}");
        }
    }
}
