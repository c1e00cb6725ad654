//! The submit_sm of a part as the carrier's profile wants it: alphabet, concatenation, addresses,
//! validity, parameters. Pure; one set of buffers per shard.

use std::borrow::Cow;

use postrider_core::clock::{Now, UnixMs};
use postrider_core::config::{CarrierConfig, CarrierProfile, Concatenation, TonNpi, ValidityForm};
use postrider_core::content::{Content, Octets};
use postrider_core::limits;
use postrider_core::sender::SenderId;
use postrider_core::text::dcs::DataCoding;
use postrider_core::text::{
    Decoded, DefaultAlphabet, Udh, Wire, WirePart, alphabet, decode_short_message, packed,
};
use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::tlv::{Tlv, Tlvs, tag};
use postrider_smpp::values::{AbsoluteTime, RelativeTime, SmppTime};

use super::message::{ALL_PARTS, Envelope, Message};
use super::table::PartRef;

/// esm_class bit 6: the short_message begins with a user data header [3.4 section 5.2.12].
const UDHI: u8 = 0x40;
/// registered_delivery: a receipt for success and for failure [3.4 section 5.2.17].
const RECEIPT: u8 = 0x01;
/// registered_delivery: intermediate notifications too.
const INTERMEDIATE: u8 = 0x10;
/// Octets of a short_message in both versions [3.4 section 5.2.21]; more go into message_payload.
const SHORT_MESSAGE_MAX: usize = 254;

/// The carrier's alphabets, or its way to cut texts, have no place for the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not fit the carrier's alphabets and parts")]
pub(crate) struct Unwritable;

/// The number of parts that a content takes on a carrier; `None` when it cannot be sent there.
pub(super) fn parts_on(profile: &CarrierProfile, content: &Content) -> Option<u8> {
    match content {
        // One unit of any alphabet an octet of UTF-8 at most: one part everywhere.
        Content::Text(text) if text.expose().len() <= limits::ONE_PART_EVERYWHERE => Some(1),
        Content::Text(text) => Some(cut(profile, text.expose())?.part_count()),
        Content::Octets(octets) => octets_on(profile, octets).ok().map(|_| 1),
        Content::Discarded => None,
    }
}

/// A text as the carrier cuts it; one that goes whole is cut as the carrier will do it.
pub(super) fn cut(profile: &CarrierProfile, text: &str) -> Option<Wire> {
    let own = profile.concatenation;
    let form = if own == Concatenation::Payload { Concatenation::Sar } else { own };
    Wire::new(text, &profile.alphabet, form)
}

/// What user_message_reference says of a part: the same for every copy of it, and rarely the same
/// for two parts that a handset gets in one day.
pub(super) fn user_message_reference(part: PartRef) -> u16 {
    let mixed = super::outbound::token(part).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48;
    u16::try_from(mixed).unwrap_or_default()
}

/// Buffers that building a PDU reuses. One per shard.
#[derive(Default)]
pub(crate) struct PduBuffers {
    short_message: Vec<u8>,
    tlvs: Vec<u8>,
}

impl PduBuffers {
    /// The submit_sm of one part, or of all, handed to `send`.
    ///
    /// # Errors
    /// When the profile has no form for the content.
    pub(crate) fn part<R>(
        &mut self,
        carrier: &CarrierConfig,
        message: &Message,
        part: u8,
        now: Now,
        send: impl FnOnce(&ShortMessage<'_>) -> R,
    ) -> Result<R, Unwritable> {
        let (profile, envelope) = (&carrier.profile, &message.envelope);
        let (esm_class, data_coding) = self.body(profile, envelope, part)?;
        self.parameters(profile, envelope, part);
        let validity = validity(profile.validity, envelope, now).map(SmppTime::print);
        let source = envelope.sender.address();
        let dest = envelope.to.digits();
        let from = source_type(profile, &envelope.sender);
        let to = profile.addressing.destination;
        let asked = RECEIPT | envelope.registered_delivery & INTERMEDIATE;
        Ok(send(&ShortMessage {
            service_type: profile.service_type.as_bytes(),
            source_ton: from.ton,
            source_npi: from.npi,
            source: source.as_bytes(),
            dest_ton: to.ton,
            dest_npi: to.npi,
            dest: dest.as_bytes(),
            esm_class,
            protocol_id: envelope.protocol_id,
            priority_flag: envelope.priority,
            validity_period: validity.as_ref().map_or(&[], |time| time.as_slice()),
            registered_delivery: if carrier.receipts { asked } else { 0 },
            data_coding,
            short_message: &self.short_message,
            tlvs: Tlvs::new(&self.tlvs),
            ..ShortMessage::default()
        }))
    }

    /// Fills in the user data; gives esm_class and data_coding.
    fn body(
        &mut self,
        profile: &CarrierProfile,
        envelope: &Envelope,
        part: u8,
    ) -> Result<(u8, u8), Unwritable> {
        let wire;
        let piece = match &envelope.content {
            Content::Text(text) => {
                wire = wire_of(profile, envelope, text.expose(), part).ok_or(Unwritable)?;
                let index = if part == ALL_PARTS { 0 } else { part };
                wire.part(index, envelope.reference).ok_or(Unwritable)?
            }
            Content::Octets(octets) => octets_on(profile, octets)?,
            Content::Discarded => return Err(Unwritable),
        };
        self.short_message.clear();
        self.tlvs.clear();
        self.short_message.extend_from_slice(&piece.udh);
        self.short_message.extend_from_slice(&piece.octets);
        if piece.payload || self.short_message.len() > SHORT_MESSAGE_MAX {
            put(&mut self.tlvs, tag::MESSAGE_PAYLOAD, &self.short_message);
            self.short_message.clear();
        }
        if let Some(sar) = piece.sar {
            put(&mut self.tlvs, tag::SAR_MSG_REF_NUM, &sar.reference.to_be_bytes());
            put(&mut self.tlvs, tag::SAR_TOTAL_SEGMENTS, &[sar.total]);
            put(&mut self.tlvs, tag::SAR_SEGMENT_SEQNUM, &[sar.index]);
        }
        Ok((if piece.udh.is_empty() { 0 } else { UDHI }, piece.data_coding))
    }

    /// Adds the parameters that the profile asks for.
    fn parameters(&mut self, profile: &CarrierProfile, envelope: &Envelope, part: u8) {
        if profile.user_message_reference {
            let reference = user_message_reference(PartRef { sequence: envelope.sequence, part });
            put(&mut self.tlvs, tag::USER_MESSAGE_REFERENCE, &reference.to_be_bytes());
        }
        if profile.tlvs.is_empty() {
            return;
        }
        let text = text_of(&envelope.content);
        for tlv in &profile.tlvs {
            if tlv.applies(&envelope.sender, text.as_deref()) {
                put(&mut self.tlvs, tlv.tag, &tlv.value);
            }
        }
    }
}

fn put(tlvs: &mut Vec<u8>, tag: u16, value: &[u8]) {
    // A value is too long only beyond 65,535 octets, which neither a configuration nor a text has.
    let written = Tlv { tag, value }.write(tlvs);
    debug_assert!(written, "a parameter of {} octets", value.len());
}

/// The wire form of a text in which the part has its place.
fn wire_of(profile: &CarrierProfile, envelope: &Envelope, text: &str, part: u8) -> Option<Wire> {
    let wire = match (profile.concatenation, part) {
        (Concatenation::Payload, ALL_PARTS) => {
            return Wire::new(text, &profile.alphabet, Concatenation::Payload);
        }
        // Some parts went another way before: the others have to join them one by one.
        (Concatenation::Payload, _) if envelope.part_count > 1 => {
            Wire::new(text, &profile.alphabet, Concatenation::Udh8)
        }
        (concatenation, _) => Wire::new(text, &profile.alphabet, concatenation),
    };
    wire.filter(|wire| wire.part_count() == envelope.part_count)
}

/// A part in a customer's own octets, in the carrier's alphabets and its form of concatenation.
fn octets_on<'a>(profile: &CarrierProfile, octets: &'a Octets) -> Result<WirePart<'a>, Unwritable> {
    let config = &profile.alphabet;
    let data: &[u8] = octets.data.expose();
    let header = Udh::read(&octets.udh);
    let coding = DataCoding::parse(octets.data_coding);
    let (data_coding, data) = if coding == DataCoding::Default {
        let fill = packed::fill_bits(octets.udh.len());
        let own = match config.default {
            DefaultAlphabet::Gsm if config.packed => Cow::Owned(packed::pack(data, fill)),
            DefaultAlphabet::Gsm => Cow::Borrowed(data),
            other @ (DefaultAlphabet::Ascii | DefaultAlphabet::Latin1) => {
                Cow::Owned(alphabet::from_gsm(data, other).ok_or(Unwritable)?)
            }
        };
        (config.default_data_coding, own)
    } else if coding == DataCoding::Ucs2 {
        (config.ucs2_data_coding, Cow::Borrowed(data))
    } else {
        (octets.data_coding, Cow::Borrowed(data))
    };
    let alone = Udh { concat: header.concat, ..Udh::default() };
    let sar = header
        .concat
        .filter(|_| profile.concatenation == Concatenation::Sar && is_all(&octets.udh, &alone));
    let udh = if sar.is_some() { Vec::new() } else { octets.udh.to_vec() };
    Ok(WirePart { data_coding, udh, octets: data, sar, payload: false })
}

/// Whether a header says nothing but this.
fn is_all(udh: &[u8], header: &Udh) -> bool {
    let mut written = Vec::new();
    header.write(&mut written);
    written == udh
}

/// The text of a content, as far as its octets are text.
fn text_of(content: &Content) -> Option<Cow<'_, str>> {
    match content {
        Content::Text(text) => Some(Cow::Borrowed(&**text.expose())),
        Content::Octets(octets) => {
            let data = octets.data.expose();
            let own = DefaultAlphabet::Gsm;
            match decode_short_message(octets.data_coding, own, &octets.udh, data) {
                Decoded::Text(text) => Some(Cow::Owned(text)),
                Decoded::Binary(_) => None,
            }
        }
        Content::Discarded => None,
    }
}

fn source_type(profile: &CarrierProfile, sender: &SenderId) -> TonNpi {
    match sender {
        SenderId::Alphanumeric(_) => profile.addressing.alphanumeric,
        SenderId::LongCode(_) => profile.addressing.long_code,
        SenderId::ShortCode(_) => profile.addressing.short_code,
    }
}

/// The validity to tell the carrier: only one that the customer asked for, and never none at all.
fn validity(form: ValidityForm, envelope: &Envelope, now: Now) -> Option<SmppTime> {
    let begun = envelope.due.unwrap_or(envelope.accepted);
    if envelope.valid_until.since(begun) == limits::VALIDITY_DEFAULT {
        return None;
    }
    let soonest = now.wall.after(std::time::Duration::from_secs(1));
    let (now, until) = (signed(now.wall)?, signed(envelope.valid_until.max(soonest))?);
    match form {
        ValidityForm::Relative => RelativeTime::until(now, until).map(SmppTime::Relative),
        ValidityForm::Absolute => AbsoluteTime::new(until, 0).map(SmppTime::Absolute),
        ValidityForm::None => None,
    }
}

fn signed(time: UnixMs) -> Option<i64> {
    i64::try_from(time.0).ok()
}
