//! Text to the octets of parts and back: the choice of alphabet, GSM 03.38 and its national tables,
//! UTF-16, data_coding, concatenation. Pure, lives nowhere.

pub mod alphabet;
pub mod dcs;
mod gsm;
mod national;
mod national_tables;
pub mod packed;
mod read;
mod split;
mod udh;
mod wire;

use std::collections::BTreeSet;

pub use self::gsm::{basic_table, extension_table};
pub use self::national::{NationalLanguage, decode_national, encode_national};
pub use self::read::{Decoded, decode_from_carrier, decode_short_message};
pub use self::split::{Parts, room};
pub use self::udh::{Concat, Ports, ReferenceWidth, Udh, split_header, split_udh};
pub use self::wire::{Wire, WirePart};
use crate::limits::MAX_PARTS;

/// The alphabet of a message.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// GSM 03.38 basic and extension table, one septet an octet.
    Gsm7,
    /// UTF-16, big endian.
    Ucs2,
}

/// What data_coding 0 stands for at a peer: the centre's own default [3.4 section 5.2.19].
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum DefaultAlphabet {
    /// GSM 03.38, one septet an octet.
    #[default]
    Gsm,
    /// ASCII.
    Ascii,
    /// ISO 8859-1.
    Latin1,
}

impl Encoding {
    /// The word of the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Gsm7 => "gsm7",
            Encoding::Ucs2 => "ucs2",
        }
    }

    /// data_coding of a submit_sm: 0 the centre's default alphabet, 8 UCS-2 [3.4 section 5.2.19].
    #[must_use]
    pub const fn data_coding(self) -> u8 {
        match self {
            Encoding::Gsm7 => 0,
            Encoding::Ucs2 => 8,
        }
    }

    /// The number in the log.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        match self {
            Encoding::Gsm7 => 0,
            Encoding::Ucs2 => 1,
        }
    }

    /// The alphabet of a number in the log.
    #[must_use]
    pub const fn from_u8(number: u8) -> Option<Encoding> {
        match number {
            0 => Some(Encoding::Gsm7),
            1 => Some(Encoding::Ucs2),
            _ => None,
        }
    }

    /// Octets of one unit.
    const fn unit_octets(self) -> usize {
        match self {
            Encoding::Gsm7 => 1,
            Encoding::Ucs2 => 2,
        }
    }
}

impl From<Encoding> for u8 {
    fn from(encoding: Encoding) -> u8 {
        encoding.as_u8()
    }
}

/// A text in the octets of a short_message, before it is cut into parts.
///
/// `Debug` does not show the text.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedText {
    encoding: Encoding,
    octets: Vec<u8>,
}

impl std::fmt::Debug for EncodedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EncodedText({}, {} units)", self.encoding.name(), self.units())
    }
}

/// Encodes a text: GSM 03.38 when every character is in its tables, else UTF-16. Nothing is
/// replaced and nothing is cut.
#[must_use]
pub fn encode(text: &str) -> EncodedText {
    match gsm::encode(text) {
        Some(octets) => EncodedText { encoding: Encoding::Gsm7, octets },
        None => EncodedText { encoding: Encoding::Ucs2, octets: utf16(text) },
    }
}

fn utf16(text: &str) -> Vec<u8> {
    // Every octet of UTF-8 becomes at most one unit.
    let mut octets = Vec::with_capacity(text.len() * 2);
    for unit in text.encode_utf16() {
        octets.extend_from_slice(&unit.to_be_bytes());
    }
    octets
}

impl EncodedText {
    /// The alphabet that was chosen.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Its length in septets (an extension character counts 2) or UTF-16 units.
    #[must_use]
    pub fn units(&self) -> usize {
        self.octets.len() / self.encoding.unit_octets()
    }

    /// All octets.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.octets
    }

    /// How many parts it takes; an empty text takes one.
    #[must_use]
    pub fn part_count(&self, width: ReferenceWidth) -> usize {
        self.parts(width).count()
    }

    /// The octets of each part, without user data header. A text of at most 160 septets or 70 units
    /// is one part; the parts of a longer one are as full as they can be, but an escape or
    /// surrogate pair is never split.
    #[must_use]
    pub fn parts(&self, width: ReferenceWidth) -> Parts<'_> {
        Parts::new(self.encoding, &self.octets, 0, width)
    }

    /// The length of each part, in septets or UTF-16 units.
    #[must_use]
    pub fn part_units(&self, width: ReferenceWidth) -> Vec<usize> {
        self.parts(width).map(|part| part.len() / self.encoding.unit_octets()).collect()
    }

    /// The parts that a customer is promised, counted with the 8-bit reference: a carrier that wants the
    /// 16-bit one may need a part more. `None` for more than [`MAX_PARTS`].
    #[must_use]
    pub fn promised_parts(&self) -> Option<u8> {
        let parts = self.parts(ReferenceWidth::Eight).take(MAX_PARTS + 1).count();
        u8::try_from(parts).ok().filter(|_| parts <= MAX_PARTS)
    }

    /// Whether its parts can be counted: at most [`MAX_PARTS`] with an 8-bit reference.
    #[must_use]
    pub fn sendable(&self) -> bool {
        self.promised_parts().is_some()
    }
}

/// The distinct characters, in order of first appearance, that are not both in GSM 03.38 and in the
/// carrier's default alphabet: they force [`Encoding::Ucs2`].
#[must_use]
pub fn forced_by(text: &str, default: DefaultAlphabet) -> Vec<char> {
    let mut seen = BTreeSet::new();
    let outside = |c: &char| !gsm::contains(*c) || !alphabet::has(*c, default);
    text.chars().filter(|c| outside(c) && seen.insert(*c)).collect()
}

/// The text of a short_message's octets, header removed. What cannot be read is shown, not dropped:
/// an unknown extension code as its basic-table character, a lone or doubled escape as a space, an
/// octet above 127 and broken UTF-16 as U+FFFD.
#[must_use]
pub fn decode(encoding: Encoding, octets: &[u8]) -> String {
    match encoding {
        Encoding::Gsm7 => gsm::decode(octets),
        Encoding::Ucs2 => decode_utf16(octets),
    }
}

fn decode_utf16(octets: &[u8]) -> String {
    let (pairs, odd) = octets.as_chunks::<2>();
    let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
    let mut text: String =
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    if !odd.is_empty() {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    text
}
