//! Octets in the alphabet that a peer means by its default, and in the other single-octet alphabets
//! of data_coding. Pure, lives nowhere.

use super::{DefaultAlphabet, gsm};

/// The text of octets in a default alphabet. What cannot be read is shown, see
/// [`decode`](super::decode); an octet above 127 that is called ASCII is read as ISO 8859-1, which
/// is what such a peer means.
#[must_use]
pub fn decode(octets: &[u8], alphabet: DefaultAlphabet) -> String {
    match alphabet {
        DefaultAlphabet::Gsm => gsm::decode(octets),
        DefaultAlphabet::Ascii | DefaultAlphabet::Latin1 => latin1(octets),
    }
}

/// The same text in a default alphabet: octets of GSM 03.38, one septet an octet, in; None when a
/// character is not in the other alphabet.
#[must_use]
pub fn from_gsm(octets: &[u8], alphabet: DefaultAlphabet) -> Option<Vec<u8>> {
    match alphabet {
        DefaultAlphabet::Gsm => Some(octets.to_vec()),
        DefaultAlphabet::Ascii | DefaultAlphabet::Latin1 => {
            gsm::decode(octets).chars().map(|c| code_of(c, alphabet)).collect()
        }
    }
}

/// Whether a default alphabet has a character of GSM 03.38.
pub(super) fn has(c: char, alphabet: DefaultAlphabet) -> bool {
    alphabet == DefaultAlphabet::Gsm || code_of(c, alphabet).is_some()
}

/// The octet of a character in ASCII or ISO 8859-1.
fn code_of(c: char, alphabet: DefaultAlphabet) -> Option<u8> {
    u8::try_from(c).ok().filter(|code| code.is_ascii() || alphabet == DefaultAlphabet::Latin1)
}

pub(super) fn latin1(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}

/// ISO 8859-5.
pub(super) fn cyrillic(octets: &[u8]) -> String {
    octets.iter().copied().map(cyrillic_character).collect()
}

fn cyrillic_character(code: u8) -> char {
    match code {
        0xF0 => '№',
        0xFD => '§',
        0xA1..=0xAC | 0xAE..=0xFF => {
            char::from_u32(0x0360 + u32::from(code)).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        code => char::from(code),
    }
}

/// ISO 8859-8.
pub(super) fn hebrew(octets: &[u8]) -> String {
    octets.iter().copied().map(hebrew_character).collect()
}

fn hebrew_character(code: u8) -> char {
    match code {
        0xAA => '×',
        0xBA => '÷',
        0xDF => '‗',
        0xE0..=0xFA => {
            char::from_u32(0x04F0 + u32::from(code)).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        0xFD => '\u{200E}',
        0xFE => '\u{200F}',
        0xA1 | 0xBF..=0xDE | 0xFB | 0xFC | 0xFF => char::REPLACEMENT_CHARACTER,
        code => char::from(code),
    }
}
