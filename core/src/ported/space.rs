//! Numbers of one table as small integers: what follows the table's common leading digits, the
//! shorter ones first, then scrambled so that neighbours lie apart. Both ways are exact. Pure,
//! lives nowhere.

use crate::number::MAX_DIGITS;

/// `POWERS[n]` is 10^n; `SHORTER[n]` is how many strings have fewer than n digits.
const TABLES: ([u64; MAX_DIGITS + 1], [u64; MAX_DIGITS + 2]) = {
    let mut powers = [1; MAX_DIGITS + 1];
    let mut shorter = [0; MAX_DIGITS + 2];
    let mut at = 0;
    #[allow(clippy::indexing_slicing, reason = "at compile time, within the bounds above")]
    while at <= MAX_DIGITS {
        if at > 0 {
            powers[at] = powers[at - 1] * 10;
        }
        shorter[at + 1] = shorter[at] + powers[at];
        at += 1;
    }
    (powers, shorter)
};

/// Multipliers of the scrambling: odd, else it would not be one to one.
const MULTIPLIERS: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93];
const INVERSES: [u64; 2] = [inverse(MULTIPLIERS[0]), inverse(MULTIPLIERS[1])];
/// Fewest bits of a scrambled number: with fewer there is nothing to scramble.
const BITS_MIN: u32 = 16;

/// The inverse of an odd number modulo 2^64: each step doubles the bits that are right.
const fn inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    let mut step = 0;
    while step < 6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)));
        step += 1;
    }
    inverse
}

fn power(exponent: usize) -> u64 {
    TABLES.0.get(exponent).copied().unwrap_or(u64::MAX)
}

fn shorter(digits: usize) -> u64 {
    TABLES.1.get(digits).copied().unwrap_or(u64::MAX)
}

/// How many digits a number has; none for 0.
pub(super) fn digits_of(number: u64) -> usize {
    number.checked_ilog10().map_or(0, |log| usize::try_from(log).unwrap_or(MAX_DIGITS) + 1)
}

/// The numbers that begin with `head` and go on with at most `rest` digits.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Space {
    head: u64,
    rest: u8,
}

impl Space {
    /// The numbers that begin with the digits of `head` (0: no digits) and have up to `rest` digits
    /// behind them; `None` when they would have more than [`MAX_DIGITS`].
    #[must_use]
    pub fn new(head: u64, rest: u8) -> Option<Space> {
        let fits = digits_of(head) + usize::from(rest) <= MAX_DIGITS;
        fits.then_some(Space { head, rest })
    }

    /// The leading digits that all have; 0 for none.
    #[must_use]
    pub fn head(self) -> u64 {
        self.head
    }

    /// Most digits behind them.
    #[must_use]
    pub fn rest(self) -> u8 {
        self.rest
    }

    /// Bits of a scrambled number: 16 to 50.
    #[must_use]
    pub fn bits(self) -> u32 {
        let size = shorter(usize::from(self.rest) + 1);
        (u64::BITS - (size - 1).leading_zeros()).max(BITS_MIN)
    }

    /// The scrambled form of a number; `None` when it is not one of these.
    #[must_use]
    pub fn spread(self, number: u64) -> Option<u64> {
        let rest = digits_of(number).checked_sub(digits_of(self.head))?;
        if rest > usize::from(self.rest) {
            return None;
        }
        let first = self.head * power(rest);
        let behind = number.checked_sub(first).filter(|behind| *behind < power(rest))?;
        Some(self.scramble(shorter(rest) + behind))
    }

    /// The number of a scrambled form; `None` when no number has it.
    #[must_use]
    pub fn number(self, spread: u64) -> Option<u64> {
        let key = self.unscramble(spread);
        let rest = (0..=usize::from(self.rest)).find(|rest| key < shorter(*rest + 1))?;
        let number = self.head * power(rest) + (key - shorter(rest));
        // Without a head the strings with leading zeros are nobody's.
        (digits_of(number) == digits_of(self.head) + rest).then_some(number)
    }

    fn mask(self) -> u64 {
        u64::MAX >> (u64::BITS - self.bits())
    }

    /// One to one within `bits`: a shift by half the bits or more undoes itself, an odd factor has
    /// an inverse.
    fn scramble(self, key: u64) -> u64 {
        let (mask, half) = (self.mask(), self.bits().div_ceil(2));
        MULTIPLIERS.into_iter().fold(key ^ (key >> half), |key, factor| {
            let key = key.wrapping_mul(factor) & mask;
            key ^ (key >> half)
        })
    }

    fn unscramble(self, spread: u64) -> u64 {
        let (mask, half) = (self.mask(), self.bits().div_ceil(2));
        let back = |key: u64, factor: u64| (key ^ (key >> half)).wrapping_mul(factor) & mask;
        let key = INVERSES.into_iter().rev().fold(spread & mask, back);
        key ^ (key >> half)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn national_numbers_of_ten_digits_need_34_bits() {
        assert_eq!(Space::new(1, 10).unwrap().bits(), 34);
        assert_eq!(Space::new(0, 15).unwrap().bits(), 50);
        assert_eq!(Space::new(4_477, 3).unwrap().bits(), BITS_MIN);
        assert_eq!(Space::new(44, 14), None);
    }

    #[test]
    fn only_numbers_of_the_space_have_a_form() {
        let space = Space::new(44, 10).unwrap();
        for number in [43_999, 45, 4, 1, 44_123_456_789_012, 337_700_900_123, 0] {
            assert_eq!(space.spread(number), None, "{number}");
        }
        for number in [44, 440, 449, 447_700_900_123, 440_000_000_000, 449_999_999_999] {
            let spread = space.spread(number).unwrap();
            assert!(spread >> space.bits() == 0);
            assert_eq!(space.number(spread), Some(number));
        }
    }

    proptest! {
        #[test]
        fn there_and_back(number in 1_000_000u64..1_000_000_000_000_000, digits in 0usize..=7) {
            let behind = digits_of(number) - digits;
            let rest = u8::try_from(behind).unwrap();
            let space = Space::new(number / power(behind), rest).unwrap();
            prop_assert_eq!(space.number(space.spread(number).unwrap()), Some(number));
        }

        #[test]
        fn no_two_have_one_form(a in 0u64..11_111, b in 0u64..11_111) {
            let space = Space::new(0, 4).unwrap();
            prop_assert_eq!(space.scramble(a) == space.scramble(b), a == b);
        }
    }
}
