//! Destinations as people write them: `0044 7700 900123`, `+44 (0)7700 900123`, `07700 900123` with
//! a country. Pure, lives nowhere.

use super::{Msisdn, NumberError};
use crate::numbering::{Country, Tables};
use crate::region::Region;

/// Most characters that are looked at; no spelling of a number is longer.
const MAX_CHARS: usize = 64;
/// The first of the ten digits of each script that writes numbers in tens [Unicode, category Nd].
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
    0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650,
    0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50,
    0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// How a customer's destinations are read.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default)]
pub enum NumberForm {
    /// By [`Msisdn::parse_strict`].
    #[default]
    Strict,
    /// By [`Msisdn::parse_lenient`].
    Lenient {
        /// The country of numbers without calling code.
        country: Option<Region>,
    },
}

/// The same with the tables that it goes by.
#[derive(Copy, Clone, Debug, Default)]
pub enum NumberReader<'t> {
    /// By [`Msisdn::parse_strict`].
    #[default]
    Strict,
    /// By [`Msisdn::parse_lenient`].
    Lenient {
        /// The country of numbers without calling code.
        country: Option<Region>,
        /// What is known of numbers.
        tables: &'t Tables,
    },
}

impl NumberForm {
    /// A reader that goes by these tables.
    #[must_use]
    pub fn reader(self, tables: &Tables) -> NumberReader<'_> {
        match self {
            NumberForm::Strict => NumberReader::Strict,
            NumberForm::Lenient { country } => NumberReader::Lenient { country, tables },
        }
    }
}

impl NumberReader<'_> {
    /// Reads a destination.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn read(self, text: &str) -> Result<Msisdn, NumberError> {
        match self {
            NumberReader::Strict => Msisdn::parse_strict(text),
            NumberReader::Lenient { country, tables } => {
                Msisdn::parse_lenient(text, country, tables)
            }
        }
    }
}

impl Msisdn {
    /// Reads a number as people write it: spaces, hyphens, dots, slashes and parentheses between the
    /// digits, digits of other scripts, `00` for `+`, `011` where the +1 area dials, and `(0)` behind
    /// the calling code. With a country, a number without `+` is that country's own, unless only the
    /// digits as they stand are a valid number. Letters are never read as digits.
    ///
    /// # Errors
    /// The rule that is broken even so.
    pub fn parse_lenient(
        text: &str,
        country: Option<Region>,
        tables: &Tables,
    ) -> Result<Msisdn, NumberError> {
        let country = country.and_then(|region| tables.country(region));
        let folded = fold(text)?;
        let american = country.is_none_or(|own| own.calling_code == "1");
        let bare = without_trunk_zero(&folded, american, tables);
        let digits: String = bare.chars().filter(|c| !is_separator(*c)).collect();
        if let Some(digits) = international(&digits, american) {
            return Msisdn::from_digits(digits.as_bytes());
        }
        let Some(country) = country else { return Msisdn::from_digits(digits.as_bytes()) };
        let own = national(&digits, country);
        let as_it_stands = Msisdn::from_digits(digits.as_bytes());
        match (own, as_it_stands) {
            (Ok(own), Ok(other)) if !valid(own, tables) && valid(other, tables) => Ok(other),
            (Err(_), Ok(other)) if valid(other, tables) => Ok(other),
            (own, _) => own,
        }
    }
}

/// The text with ASCII digits and plus, without what cannot be seen.
fn fold(text: &str) -> Result<String, NumberError> {
    let text = text.trim();
    if text.chars().nth(MAX_CHARS).is_some() {
        return Err(NumberError::NotADigit);
    }
    let seen = text.chars().filter(|c| !is_invisible(*c));
    Ok(seen.map(|c| if c == '\u{ff0b}' { '+' } else { ascii_digit(c).unwrap_or(c) }).collect())
}

fn ascii_digit(c: char) -> Option<char> {
    let code = u32::from(c);
    let zero = ZEROS.get(ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?)?;
    char::from_digit(code - zero, 10)
}

/// Marks of direction, joiners, and what else takes no room.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn is_separator(c: char) -> bool {
    matches!(
        c,
        ' ' | '-'
            | '.'
            | '/'
            | '('
            | ')'
            | '\t'
            | '\u{a0}'
            | '\u{2007}'
            | '\u{2009}'
            | '\u{202f}'
            | '\u{2010}'..='\u{2013}'
    )
}

/// What follows an international prefix.
fn international(digits: &str, american: bool) -> Option<&str> {
    let american = || digits.strip_prefix("011").filter(|_| american);
    digits.strip_prefix('+').or_else(|| digits.strip_prefix("00")).or_else(american)
}

/// Without the `(0)` that says "dial it only inside the country", unless national numbers of that
/// calling code may begin with 0.
fn without_trunk_zero(text: &str, american: bool, tables: &Tables) -> String {
    let found = text.split_once("(0)").filter(|(before, _)| {
        let code = international(before, american).unwrap_or_default();
        let code = code.strip_prefix(' ').unwrap_or(code);
        let code = code.strip_suffix(' ').unwrap_or(code);
        let countries = tables.countries().iter();
        let keeps = countries.filter(|own| own.keeps_zero).any(|own| own.calling_code == code);
        (1..=3).contains(&code.len()) && code.bytes().all(|octet| octet.is_ascii_digit()) && !keeps
    });
    found.map_or_else(|| text.to_owned(), |(before, after)| [before, after].concat())
}

/// The number that these digits are inside a country.
fn national(digits: &str, country: &Country) -> Result<Msisdn, NumberError> {
    let trunk = Some(country.trunk_prefix.as_str()).filter(|_| !country.keeps_zero);
    let own = trunk.and_then(|trunk| digits.strip_prefix(trunk)).unwrap_or(digits);
    Msisdn::from_digits([country.calling_code.as_str(), own].concat().as_bytes())
}

fn valid(number: Msisdn, tables: &Tables) -> bool {
    tables.look_up(number).kind.is_some()
}
