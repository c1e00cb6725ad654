//! Telephone numbers in international form, as one integer. Pure, lives nowhere.

mod lenient;

use std::fmt::{self, Write};

use arrayvec::ArrayString;

pub use self::lenient::{NumberForm, NumberReader};

/// Fewest digits of a number, calling code included: the shortest valid mobile numbers have 7.
pub const MIN_DIGITS: usize = 7;
/// Most digits of a number [ITU-T E.164].
pub const MAX_DIGITS: usize = 15;

const SMALLEST: u64 = 1_000_000;
const LARGEST: u64 = 999_999_999_999_999;

/// A number in international form, 7 to 15 digits, the first not 0 [ITU-T E.164].
///
/// `Debug` and `Display` show the first two and the last two digits only.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Msisdn(u64);

/// The rule of the international form that a text breaks; `Display` is fit for a customer.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// There is nothing.
    #[error("the number is empty; give it in international form, like +447700900123")]
    Empty,
    /// There is a character that is no ASCII digit, or a `+` that is not the first character.
    #[error(
        "only the digits 0 to 9 are allowed, after one optional leading +, \
         without spaces or punctuation"
    )]
    NotADigit,
    /// It begins with 0, so the calling code is missing.
    #[error("the number begins with 0; begin with the country's calling code, like +44")]
    LeadingZero,
    /// Fewer than [`MIN_DIGITS`].
    #[error("the number has {0} digits; the shortest has 7, calling code included")]
    TooShort(usize),
    /// More than [`MAX_DIGITS`].
    #[error("the number has {0} digits; the longest has 15, calling code included")]
    TooLong(usize),
}

impl Msisdn {
    /// Stands in the place of a number that was erased: it has no digits, and equals no number that
    /// can be read.
    pub const ERASED: Msisdn = Msisdn(0);

    /// Reads what a customer gives as destination: an optional `+`, then 7 to 15 ASCII digits, the
    /// first of them 1 to 9. Nothing is repaired.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn parse_strict(text: &str) -> Result<Msisdn, NumberError> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        Msisdn::from_digits(digits.as_bytes())
    }

    /// Reads the address field of a carrier's PDU: digits after an optional `+` or `00`.
    #[must_use]
    pub fn from_carrier(address: &[u8]) -> Option<Msisdn> {
        let digits = address.strip_prefix(b"+").or_else(|| address.strip_prefix(b"00"));
        Msisdn::from_digits(digits.unwrap_or(address)).ok()
    }

    /// The number with these digits, when it has 7 to 15 of them.
    #[must_use]
    pub fn from_u64(number: u64) -> Option<Msisdn> {
        (SMALLEST..=LARGEST).contains(&number).then_some(Msisdn(number))
    }

    /// The digits as one integer, below 10^15.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// The digits without `+`, as a carrier wants them.
    #[must_use]
    pub fn digits(self) -> ArrayString<15> {
        let mut out = ArrayString::new();
        self.write_digits(&mut out);
        out
    }

    /// The digits after `+`, as the API prints them.
    #[must_use]
    pub fn e164(self) -> ArrayString<16> {
        let mut out = ArrayString::new();
        out.push('+');
        self.write_digits(&mut out);
        out
    }

    /// How many digits it has.
    #[must_use]
    pub fn len(self) -> u32 {
        self.0.checked_ilog10().map_or(0, |log| log + 1)
    }

    /// Whether it has no digits: only [`Msisdn::ERASED`] has none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Msisdn::ERASED
    }

    fn from_digits(digits: &[u8]) -> Result<Msisdn, NumberError> {
        let mut number = 0u64;
        for octet in digits {
            let digit = octet.wrapping_sub(b'0');
            if digit > 9 {
                return Err(NumberError::NotADigit);
            }
            // Only numbers that are too long wrap, and they are refused below.
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        }
        match (digits.first(), digits.len()) {
            (None, _) => Err(NumberError::Empty),
            (Some(b'0'), _) => Err(NumberError::LeadingZero),
            (_, count) if count < MIN_DIGITS => Err(NumberError::TooShort(count)),
            (_, count) if count > MAX_DIGITS => Err(NumberError::TooLong(count)),
            _ => Ok(Msisdn(number)),
        }
    }

    fn write_digits<const N: usize>(self, out: &mut ArrayString<N>) {
        let mut buffer = [b'0'; MAX_DIGITS];
        let mut rest = self.0;
        let mut start = MAX_DIGITS;
        for (at, place) in buffer.iter_mut().enumerate().rev() {
            if rest == 0 {
                break;
            }
            *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            start = at;
        }
        let digits = buffer.get(start..).unwrap_or_default();
        out.push_str(std::str::from_utf8(digits).unwrap_or_default());
    }
}

impl fmt::Display for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        if digits.is_empty() {
            return f.write_char('…');
        }
        let (head, rest) = digits.split_at(2);
        let (_, tail) = rest.split_at(rest.len() - 2);
        f.write_str(head)?;
        f.write_char('…')?;
        f.write_str(tail)
    }
}

impl fmt::Debug for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_rule_that_is_broken_is_named() {
        let cases = [
            ("", NumberError::Empty),
            ("+", NumberError::Empty),
            ("++447700900123", NumberError::NotADigit),
            ("44 7700900123", NumberError::NotADigit),
            ("+44-7700-900123", NumberError::NotADigit),
            ("+44770090012٣", NumberError::NotADigit),
            ("447700900123+", NumberError::NotADigit),
            ("0447700900123", NumberError::LeadingZero),
            ("00447700900123", NumberError::LeadingZero),
            ("+0447700900123", NumberError::LeadingZero),
            ("123456", NumberError::TooShort(6)),
            ("+1234567890123456", NumberError::TooLong(16)),
            ("99999999999999999999999999999999999999999", NumberError::TooLong(41)),
        ];
        for (text, error) in cases {
            assert_eq!(Msisdn::parse_strict(text), Err(error), "{text}");
            assert!(error.to_string().len() > 20);
        }
    }

    #[test]
    fn both_spellings_give_one_number() {
        let number = Msisdn::parse_strict("+447700900123").unwrap();
        assert_eq!(Msisdn::parse_strict("447700900123"), Ok(number));
        assert_eq!(number.as_u64(), 447_700_900_123);
        assert_eq!(number.digits().as_str(), "447700900123");
        assert_eq!(number.e164().as_str(), "+447700900123");
        assert_eq!(number.len(), 12);
        assert!(!number.is_empty());
    }

    #[test]
    fn the_bounds_hold() {
        for text in ["1000000", "999999999999999"] {
            assert_eq!(Msisdn::parse_strict(text).unwrap().digits().as_str(), text);
        }
        assert_eq!(Msisdn::from_u64(999_999), None);
        assert_eq!(Msisdn::from_u64(1_000_000_000_000_000), None);
        assert_eq!(Msisdn::from_u64(1_000_000).unwrap().as_u64(), 1_000_000);
    }

    #[test]
    fn carriers_write_the_prefix_as_they_like() {
        let number = Msisdn::from_u64(447_700_900_123);
        for address in ["447700900123", "+447700900123", "00447700900123"] {
            assert_eq!(Msisdn::from_carrier(address.as_bytes()), number);
        }
        for address in ["", "+", "00", "0447700900123", "+00447700900123", "Acme", "12345"] {
            assert_eq!(Msisdn::from_carrier(address.as_bytes()), None, "{address}");
        }
    }

    #[test]
    fn print_is_redacted() {
        let number = Msisdn::from_u64(447_700_900_123).unwrap();
        assert_eq!(format!("{number} {number:?}"), "44…23 44…23");
    }
}
