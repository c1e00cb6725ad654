//! Sender ids: short code, long code or alphanumeric, told apart by their form. Pure, lives nowhere.

use std::fmt;

use arrayvec::ArrayString;

use crate::number::{MAX_DIGITS, Msisdn, NumberError};

/// Most characters of an alphanumeric sender on GSM networks.
pub const MAX_ALPHANUMERIC: usize = 11;
/// Fewest and most digits of a short code.
pub const SHORT_CODE_DIGITS: std::ops::RangeInclusive<usize> = 3..=8;

/// Whom the handset shows as sender.
///
/// `Debug` does not show the number of a long code.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum SenderId {
    /// 3 to 8 digits that mean something inside a carrier only.
    ShortCode(ArrayString<8>),
    /// A number in international form.
    LongCode(Msisdn),
    /// 1 to 11 characters with at least one letter.
    Alphanumeric(ArrayString<11>),
}

/// Why a text is no sender id; `Display` is fit for a customer.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SenderError {
    /// There is nothing.
    #[error("the sender is empty; give a short code, a number or up to 11 characters")]
    Empty,
    /// A number that breaks a rule of the international form.
    #[error("the sender is no number in international form: {0}")]
    Number(#[from] NumberError),
    /// Digits only, but neither a short code nor a number.
    #[error("a sender of {0} digits is neither a short code (3 to 8) nor a number (9 to 15)")]
    DigitCount(usize),
    /// More than [`MAX_ALPHANUMERIC`] characters.
    #[error("the sender has {0} characters; an alphanumeric sender has at most 11")]
    TooLong(usize),
    /// A character that is not safe in an SMPP address.
    #[error(
        "the sender has a character that is not allowed; use letters A to Z, digits, space and \
         ! \" # % & ' ( ) * + , - . / : ; < = > ? _"
    )]
    Character,
    /// No letter, and not digits only.
    #[error("an alphanumeric sender needs at least one letter")]
    NoLetter,
    /// A space at either end, which handsets and carriers drop.
    #[error("the sender begins or ends with a space")]
    OuterSpace,
}

impl SenderId {
    /// Reads a sender: 3 to 8 digits are a short code; `+` and digits, or 9 to 15 digits, a long
    /// code; anything else must be 1 to 11 characters of the part of the GSM basic table that is
    /// also ASCII, never `@` (0x00 would end an SMPP address) or `$`, with at least one letter.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn parse(text: &str) -> Result<SenderId, SenderError> {
        let all_digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
        if text.is_empty() {
            Err(SenderError::Empty)
        } else if text.strip_prefix('+').is_some_and(all_digits) {
            Ok(SenderId::LongCode(Msisdn::parse_strict(text)?))
        } else if all_digits(text) {
            parse_digits(text)
        } else {
            parse_alphanumeric(text)
        }
    }

    /// The sender as the API prints it; [`SenderId::parse`] reads it back.
    #[must_use]
    pub fn as_text(&self) -> ArrayString<16> {
        match self {
            SenderId::ShortCode(code) => widen(code),
            SenderId::LongCode(number) => number.e164(),
            SenderId::Alphanumeric(name) => widen(name),
        }
    }

    /// The sender as source_addr of a PDU: a long code without `+`.
    #[must_use]
    pub fn address(&self) -> ArrayString<16> {
        match self {
            SenderId::ShortCode(code) => widen(code),
            SenderId::LongCode(number) => widen(&number.digits()),
            SenderId::Alphanumeric(name) => widen(name),
        }
    }

    /// source_addr_ton: 1 international, 3 network specific, 5 alphanumeric [3.4 section 5.2.5].
    #[must_use]
    pub fn ton(&self) -> u8 {
        match self {
            SenderId::ShortCode(_) => 3,
            SenderId::LongCode(_) => 1,
            SenderId::Alphanumeric(_) => 5,
        }
    }

    /// source_addr_npi: 1 E.164 for a long code, else 0 unknown [3.4 section 5.2.6].
    #[must_use]
    pub fn npi(&self) -> u8 {
        match self {
            SenderId::LongCode(_) => 1,
            SenderId::ShortCode(_) | SenderId::Alphanumeric(_) => 0,
        }
    }
}

fn parse_digits(text: &str) -> Result<SenderId, SenderError> {
    let count = text.len();
    if SHORT_CODE_DIGITS.contains(&count) {
        let code = ArrayString::from(text).map_err(|_| SenderError::DigitCount(count))?;
        Ok(SenderId::ShortCode(code))
    } else if count > *SHORT_CODE_DIGITS.end() && count <= MAX_DIGITS {
        Ok(SenderId::LongCode(Msisdn::parse_strict(text)?))
    } else {
        Err(SenderError::DigitCount(count))
    }
}

fn parse_alphanumeric(text: &str) -> Result<SenderId, SenderError> {
    if !text.bytes().all(is_safe) {
        return Err(SenderError::Character);
    }
    if text.starts_with(' ') || text.ends_with(' ') {
        return Err(SenderError::OuterSpace);
    }
    let name = ArrayString::from(text).map_err(|_| SenderError::TooLong(text.len()))?;
    if !text.bytes().any(|octet| octet.is_ascii_alphabetic()) {
        return Err(SenderError::NoLetter);
    }
    Ok(SenderId::Alphanumeric(name))
}

/// ASCII characters of the GSM basic table, without `@`, `$` and the controls.
fn is_safe(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b" !\"#%&'()*+,-./:;<=>?_".contains(&octet)
}

fn widen<const N: usize>(text: &ArrayString<N>) -> ArrayString<16> {
    let mut out = ArrayString::new();
    // N is at most 15, so the text always fits.
    let fits = out.try_push_str(text);
    debug_assert!(fits.is_ok(), "a sender has at most 16 characters");
    out
}

impl fmt::Debug for SenderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SenderId::ShortCode(code) => write!(f, "ShortCode({code})"),
            SenderId::LongCode(number) => write!(f, "LongCode({number})"),
            SenderId::Alphanumeric(name) => write!(f, "Alphanumeric({name})"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// text, as the API prints it, on the wire, TON, NPI.
    const GOOD: [(&str, &str, &str, u8, u8); 12] = [
        ("123", "123", "123", 3, 0),
        ("00123456", "00123456", "00123456", 3, 0),
        ("447700900123", "+447700900123", "447700900123", 1, 1),
        ("+447700900123", "+447700900123", "447700900123", 1, 1),
        ("+1234567", "+1234567", "1234567", 1, 1),
        ("123456789", "+123456789", "123456789", 1, 1),
        ("999999999999999", "+999999999999999", "999999999999999", 1, 1),
        ("A", "A", "A", 5, 0),
        ("Acme", "Acme", "Acme", 5, 0),
        ("My Shop 24/7", "", "", 0, 0),
        ("Shop_24/7", "Shop_24/7", "Shop_24/7", 5, 0),
        ("+44x", "+44x", "+44x", 5, 0),
    ];

    #[test]
    fn forms_are_told_apart() {
        for (text, printed, address, ton, npi) in GOOD {
            if printed.is_empty() {
                assert_eq!(SenderId::parse(text), Err(SenderError::TooLong(12)));
                continue;
            }
            let sender = SenderId::parse(text).unwrap();
            assert_eq!(sender.as_text().as_str(), printed);
            assert_eq!(sender.address().as_str(), address);
            assert_eq!((sender.ton(), sender.npi()), (ton, npi), "{text}");
            assert_eq!(SenderId::parse(&sender.as_text()), Ok(sender));
        }
    }

    #[test]
    fn the_rule_that_is_broken_is_named() {
        let cases = [
            ("", SenderError::Empty),
            ("+", SenderError::Number(NumberError::Empty)),
            ("+123456", SenderError::Number(NumberError::TooShort(6))),
            ("0123456789", SenderError::Number(NumberError::LeadingZero)),
            ("12", SenderError::DigitCount(2)),
            ("1234567890123456", SenderError::DigitCount(16)),
            ("ABCDEFGHIJKL", SenderError::TooLong(12)),
            ("a@b", SenderError::Character),
            ("a$b", SenderError::Character),
            ("Ärzte", SenderError::Character),
            ("a\0b", SenderError::Character),
            ("1-2", SenderError::NoLetter),
            (" Acme", SenderError::OuterSpace),
            ("Acme ", SenderError::OuterSpace),
            (" ", SenderError::OuterSpace),
        ];
        for (text, error) in cases {
            assert_eq!(SenderId::parse(text), Err(error), "{text:?}");
            assert!(error.to_string().len() > 20);
        }
    }

    #[test]
    fn a_long_code_is_redacted() {
        let sender = SenderId::parse("+447700900123").unwrap();
        assert_eq!(format!("{sender:?}"), "LongCode(44…23)");
        assert_eq!(format!("{:?}", SenderId::parse("Acme").unwrap()), "Alphanumeric(Acme)");
    }
}
