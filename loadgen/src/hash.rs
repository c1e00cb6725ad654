//! A fixed hash for choices that must come out the same in every run: pure, lives nowhere.

/// FNV-1a over `octets`, spread by a final mix so that its low digits are usable as a share.
pub(crate) fn stable(salt: u64, octets: &[u8]) -> u64 {
    let mut hash = 0xCBF2_9CE4_8422_2325 ^ mix(salt);
    for octet in octets {
        hash = (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01B3);
    }
    mix(hash)
}

/// True for about `ppm` of a million different keys, and always the same ones.
pub(crate) fn chosen(salt: u64, octets: &[u8], ppm: u32) -> bool {
    ppm > 0 && stable(salt, octets) % 1_000_000 < u64::from(ppm)
}

/// The finaliser of SplitMix64: every input bit reaches every output bit.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "tests"
    )]

    use super::{chosen, stable};

    #[test]
    fn the_share_chosen_is_near_what_was_asked_and_repeatable() {
        let count =
            (0_u32..100_000).filter(|n| chosen(7, n.to_string().as_bytes(), 50_000)).count();
        assert!((4_500..5_500).contains(&count), "{count} of 100000 at 5 %");
        assert_eq!(stable(7, b"447700900123"), stable(7, b"447700900123"));
        assert_ne!(stable(7, b"447700900123"), stable(8, b"447700900123"));
        assert!(!chosen(7, b"1", 0));
        assert!(chosen(7, b"1", 1_000_000));
    }
}
