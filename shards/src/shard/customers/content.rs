//! What a customer's short_message says: text that the gateway encodes and cuts for each carrier, or
//! one part in the customer's own octets. Pure, lives nowhere.

use postrider_core::config::{CustomerConfig, CustomerSmpp};
use postrider_core::content::{Content, Octets};
use postrider_core::redact::Private;
use postrider_core::text::dcs::{Alphabet, DataCoding};
use postrider_core::text::{
    self, Concat, Decoded, DefaultAlphabet, Encoding, Ports, ReferenceWidth, Udh,
    decode_short_message, split_header,
};
use postrider_smpp::status::CommandStatus;
use postrider_smpp::tlv::{Tlvs, tag};

/// Octets of a part with its user data header [3GPP TS 23.040 section 9.2.3.16].
const PART_OCTETS: usize = 140;
/// Bits 2 to 5 of esm_class: the message is no ordinary one [3.4 section 5.2.12].
const TYPE_BITS: u8 = 0x3C;
/// The types that an ESME may submit: ordinary, acknowledged by the handset's program, acknowledged by
/// its user. Some libraries call every message the second. None is told to the carrier.
const SUBMITTED_TYPES: [u8; 3] = [0x00, 0x08, 0x10];
/// Bit 6 of esm_class: a user data header comes first.
const UDHI: u8 = 0x40;

/// What a request gives of its content.
pub(in crate::shard) struct Given<'a> {
    /// `esm_class`.
    pub(in crate::shard) esm_class: u8,
    /// `data_coding`.
    pub(in crate::shard) data_coding: u8,
    /// short_message or message_payload.
    pub(in crate::shard) octets: &'a [u8],
    /// The optional parameters.
    pub(in crate::shard) tlvs: Tlvs<'a>,
}

/// The content with what it takes to send it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::shard) struct Measured {
    /// What the message says.
    pub(in crate::shard) content: Content,
    /// The alphabet that it needs, or has.
    pub(in crate::shard) encoding: Encoding,
    /// How many parts it takes.
    pub(in crate::shard) parts: u8,
}

/// Reads the content of a request.
///
/// Text in one alphabet that can be read whole, without a user data header, becomes text of any
/// length; everything else (parts of a long message, binary, flash, waiting messages, alphabets that
/// are not read here) stays as it is and must fit one part.
///
/// # Errors
/// The status to refuse with: ESME_RINVESMCLASS for a type that no ESME submits or a header that is
/// not there, ESME_RINVMSGLEN for a message that is empty or too long.
pub(in crate::shard) fn content(
    (config, smpp): (&CustomerConfig, &CustomerSmpp),
    given: &Given<'_>,
) -> Result<Measured, CommandStatus> {
    if !SUBMITTED_TYPES.contains(&(given.esm_class & TYPE_BITS)) {
        return Err(CommandStatus::ESME_RINVESMCLASS);
    }
    let (udh, data) = header(given)?;
    if data.is_empty() {
        return Err(CommandStatus::ESME_RINVMSGLEN);
    }
    let coding = DataCoding::parse(given.data_coding);
    if udh.is_empty() && is_plain_text(coding) {
        if coding == DataCoding::Ucs2 && !data.len().is_multiple_of(2) {
            return Err(CommandStatus::ESME_RINVMSGLEN);
        }
        if let Some(text) = read_whole(given.data_coding, smpp.default_alphabet, data) {
            return measure_text(&text, config.max_text_chars);
        }
    }
    part(coding, smpp.default_alphabet, udh, data)
}

/// The user data header, the customer's own or of its TLVs, and what follows it.
fn header<'a>(given: &Given<'a>) -> Result<(Box<[u8]>, &'a [u8]), CommandStatus> {
    if given.esm_class & UDHI != 0 {
        let (udh, data) = split_header(given.octets);
        // A header without elements says nothing; one that overruns the message is none.
        return match udh {
            [] => Err(CommandStatus::ESME_RINVESMCLASS),
            [0] => Ok((Box::default(), data)),
            _ => Ok((udh.into(), data)),
        };
    }
    let mut udh = Vec::new();
    Udh { concat: sar(given.tlvs), ports: ports(given.tlvs), ..Udh::default() }.write(&mut udh);
    Ok((udh.into(), given.octets))
}

/// The SAR parameters as a concatenation element: all three, and more than one part (3.4 section
/// 5.3.2.22 to 24).
fn sar(tlvs: Tlvs<'_>) -> Option<Concat> {
    let octet = |tag| u8::try_from(tlvs.get_int(tag)?).ok();
    let reference = u16::try_from(tlvs.get_int(tag::SAR_MSG_REF_NUM)?).ok()?;
    let total = octet(tag::SAR_TOTAL_SEGMENTS)?;
    let index = octet(tag::SAR_SEGMENT_SEQNUM)?;
    let small = u8::try_from(reference).is_ok();
    let width = if small { ReferenceWidth::Eight } else { ReferenceWidth::Sixteen };
    Concat::new(reference, total, index, width).filter(|concat| concat.total > 1)
}

/// The ports of an application, when the destination's is given.
fn ports(tlvs: Tlvs<'_>) -> Option<Ports> {
    let port = |tag| tlvs.get_int(tag).and_then(|port| u16::try_from(port).ok());
    let destination = port(tag::DEST_PORT)?;
    Some(Ports { destination, source: port(tag::SOURCE_PORT).unwrap_or(0) })
}

/// Text that says nothing of classes, waiting messages or compression.
fn is_plain_text(coding: DataCoding) -> bool {
    matches!(
        coding,
        DataCoding::Default
            | DataCoding::Ascii
            | DataCoding::Latin1
            | DataCoding::Cyrillic
            | DataCoding::Hebrew
            | DataCoding::Ucs2
    )
}

/// The text, when every octet of it can be read.
fn read_whole(data_coding: u8, alphabet: DefaultAlphabet, octets: &[u8]) -> Option<String> {
    match decode_short_message(data_coding, alphabet, &[], octets) {
        Decoded::Text(text) if !text.contains(char::REPLACEMENT_CHARACTER) => Some(text),
        Decoded::Text(_) | Decoded::Binary(_) => None,
    }
}

fn measure_text(text: &str, max_chars: u32) -> Result<Measured, CommandStatus> {
    let max_chars = usize::try_from(max_chars).unwrap_or(usize::MAX);
    let encoded = text::encode(text);
    match encoded.promised_parts() {
        Some(parts) if text.chars().count() <= max_chars => {
            Ok(Measured { content: Content::of_text(text), encoding: encoded.encoding(), parts })
        }
        _ => Err(CommandStatus::ESME_RINVMSGLEN),
    }
}

/// One part in the customer's octets. Octets of its own default alphabet are put into GSM 03.38, or
/// named by the data_coding that means that alphabet everywhere.
fn part(
    coding: DataCoding,
    alphabet: DefaultAlphabet,
    udh: Box<[u8]>,
    data: &[u8],
) -> Result<Measured, CommandStatus> {
    let (coding, data): (DataCoding, Box<[u8]>) = match (coding, alphabet) {
        (DataCoding::Default, DefaultAlphabet::Ascii | DefaultAlphabet::Latin1) => {
            let encoded = text::encode(&text::alphabet::decode(data, alphabet));
            match (encoded.encoding(), alphabet) {
                (Encoding::Gsm7, _) => (coding, Box::from(encoded.bytes())),
                (Encoding::Ucs2, DefaultAlphabet::Ascii) => (DataCoding::Ascii, data.into()),
                (Encoding::Ucs2, _) => (DataCoding::Latin1, data.into()),
            }
        }
        _ => (coding, data.into()),
    };
    let room = PART_OCTETS.saturating_sub(udh.len());
    let (room, encoding) = match coding.alphabet() {
        Alphabet::Default | Alphabet::Ascii | Alphabet::Latin1 => (room * 8 / 7, Encoding::Gsm7),
        Alphabet::Ucs2 => (room, Encoding::Ucs2),
        Alphabet::Cyrillic | Alphabet::Hebrew | Alphabet::Foreign | Alphabet::Binary => {
            (room, Encoding::Gsm7)
        }
    };
    if data.len() > room {
        return Err(CommandStatus::ESME_RINVMSGLEN);
    }
    let data = Private::new(data);
    let content = Content::Octets(Octets { data_coding: coding.as_u8(), udh, data });
    Ok(Measured { content, encoding, parts: 1 })
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
