//! Questions about short runs of octets, answered for eight or sixteen of them at a time: fields are too short
//! for a call to pay. Pure, lives nowhere.

/// Eight octets, each 1.
const ONES: u64 = u64::MAX / 0xFF;
/// Sixteen octets, each 1.
const ONES_16: u128 = u128::MAX / 0xFF;

/// Not 0 when an octet of `word` is 0; then the lowest bit that is set is the highest of the first such octet.
const fn nuls(word: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(word);
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// Where the first NUL is.
#[inline]
pub(crate) fn find_nul(octets: &[u8]) -> Option<usize> {
    // Most fields that may be empty are.
    if let [0, ..] = octets {
        return Some(0);
    }
    let (words, rest) = octets.as_chunks::<8>();
    let mut before = 0;
    for word in words {
        let nuls = nuls(*word);
        if nuls != 0 {
            return Some(before + (nuls.trailing_zeros() / 8) as usize);
        }
        before += 8;
    }
    rest.iter().position(|octet| *octet == 0).map(|at| before + at)
}

/// Whether there is a NUL.
#[inline]
pub(crate) fn has_nul(octets: &[u8]) -> bool {
    match octets.last_chunk::<8>() {
        Some(last) => {
            nuls(*last) != 0 || octets.as_chunks::<8>().0.iter().any(|word| nuls(*word) != 0)
        }
        None => octets.contains(&0),
    }
}

/// Whether all but the last, which may be anything, are decimal digits.
#[inline]
pub(crate) const fn are_digits(octets: [u8; 16]) -> bool {
    let octets = (u128::from_be_bytes(octets) & !0xFF) | b'0' as u128;
    let row = ONES_16 * 0xF0;
    // The digits are the row 0x30 up to 9: from there on 6 more is another row.
    octets & row == ONES_16 * 0x30 && octets.wrapping_add(ONES_16 * 6) & row == ONES_16 * 0x30
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each answer against the plain way, with every octet at every place of every short length.
    #[test]
    fn the_answers_are_those_of_the_plain_way() {
        for length in 0..40 {
            for at in 0..length {
                for octet in [0, 1, 0x7F, 0x80, 0x81, 0xFE, 0xFF] {
                    for behind in [0, 1, 0xFF] {
                        let mut octets = vec![0x01; length];
                        octets.iter_mut().skip(at).for_each(|each| *each = behind);
                        octets.iter_mut().skip(at).take(1).for_each(|each| *each = octet);
                        let plain = octets.iter().position(|octet| *octet == 0);
                        assert_eq!(find_nul(&octets), plain, "{octets:?}");
                        assert_eq!(has_nul(&octets), plain.is_some(), "{octets:?}");
                    }
                }
            }
        }
        assert_eq!((find_nul(&[]), has_nul(&[])), (None, false));
    }

    #[test]
    fn digits_are_digits_at_every_place() {
        for at in 0..16 {
            for octet in 0..=u8::MAX {
                for others in [b'0', b'9'] {
                    let mut octets = [others; 16];
                    octets.iter_mut().skip(at).take(1).for_each(|each| *each = octet);
                    let expected = at == 15 || octet.is_ascii_digit();
                    assert_eq!(are_digits(octets), expected, "{octets:?}");
                }
            }
        }
    }
}
