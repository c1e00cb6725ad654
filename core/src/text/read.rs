//! What a received short_message says: text or octets, by data_coding, user data header and the
//! sender's alphabets. Pure, lives nowhere.

use super::dcs::{Alphabet, DataCoding};
use super::{DefaultAlphabet, Udh, alphabet, decode_national, decode_utf16, packed};
use crate::config::AlphabetConfig;

/// What a short_message says.
#[derive(Clone, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// Text; what could not be read in it is shown, not dropped.
    Text(String),
    /// Octets that are no text, or text in an alphabet that is not read here.
    Binary(&'a [u8]),
}

impl std::fmt::Debug for Decoded<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Decoded::Text(text) => write!(f, "Text({} octets)", text.len()),
            Decoded::Binary(octets) => write!(f, "Binary({} octets)", octets.len()),
        }
    }
}

/// Reads what follows the user data header. `udh` is the header with its length octet, or empty; it
/// may name national tables. `default` is what the sender means by its default alphabet.
#[must_use]
pub fn decode_short_message<'a>(
    data_coding: u8,
    default: DefaultAlphabet,
    udh: &[u8],
    octets: &'a [u8],
) -> Decoded<'a> {
    let coding = DataCoding::parse(data_coding).alphabet();
    decode(coding, default, &Udh::read(udh), octets)
}

/// The same for a carrier, whose profile also says which data_coding its text has and whether its
/// septets are packed.
#[must_use]
pub fn decode_from_carrier<'a>(
    data_coding: u8,
    config: &AlphabetConfig,
    udh: &[u8],
    octets: &'a [u8],
) -> Decoded<'a> {
    let coding = match data_coding {
        own if own == config.default_data_coding => Alphabet::Default,
        own if own == config.ucs2_data_coding => Alphabet::Ucs2,
        other => DataCoding::parse(other).alphabet(),
    };
    let header = Udh::read(udh);
    if config.packed && coding == Alphabet::Default && config.default == DefaultAlphabet::Gsm {
        let septets = packed::unpack(octets, packed::fill_bits(udh.len()));
        return Decoded::Text(decode_national(&septets, header.locking, header.single));
    }
    decode(coding, config.default, &header, octets)
}

fn decode<'a>(
    coding: Alphabet,
    default: DefaultAlphabet,
    header: &Udh,
    octets: &'a [u8],
) -> Decoded<'a> {
    Decoded::Text(match coding {
        // A peer that names national tables sends septets, whatever its default is.
        Alphabet::Default if header.locking.is_some() || header.single.is_some() => {
            decode_national(octets, header.locking, header.single)
        }
        Alphabet::Default => alphabet::decode(octets, default),
        Alphabet::Ascii | Alphabet::Latin1 => alphabet::latin1(octets),
        Alphabet::Cyrillic => alphabet::cyrillic(octets),
        Alphabet::Hebrew => alphabet::hebrew(octets),
        Alphabet::Ucs2 => decode_utf16(octets),
        Alphabet::Foreign | Alphabet::Binary => return Decoded::Binary(octets),
    })
}
