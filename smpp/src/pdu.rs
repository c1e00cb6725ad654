//! Framing, and the typed forms of the PDUs on the hot path, read without a copy or an allocation. Pure,
//! lives nowhere.

use crate::command::CommandId;
use crate::layout::{FieldError, decode_fields, field_status, is_strict};
use crate::status::CommandStatus;
use crate::tlv::{Tlvs, tag, tag_spec};
use crate::wire::Reader;

pub use crate::encode::{
    EncodeError, encode_bind, encode_bind_response, encode_empty, encode_message,
    encode_message_for, encode_response,
};

/// Octets of a PDU header.
pub const HEADER_LEN: usize = 16;
/// Largest PDU taken unless configured otherwise, in octets: a 64 KiB payload fits.
pub const MAX_PDU_DEFAULT: u32 = 70_000;
/// `interface_version` of SMPP 3.4.
pub const VERSION_3_4: u8 = 0x34;
/// `interface_version` of SMPP 5.0.
pub const VERSION_5_0: u8 = 0x50;
/// Longest password taken or sent, in octets with its NUL. The specification says 9; carriers issue longer.
pub const PASSWORD_MAX: usize = 65;

/// The header of a PDU (3.4 section 3.2).
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// `command_length`: octets of the whole PDU, this field included.
    pub length: u32,
    /// `command_id`.
    pub command: CommandId,
    /// `command_status`; to be ignored in requests.
    pub status: CommandStatus,
    /// `sequence_number`; any value is accepted and echoed.
    pub sequence: u32,
}

impl Header {
    /// Reads a header.
    pub const fn read(octets: &[u8; HEADER_LEN]) -> Self {
        let [l0, l1, l2, l3, c0, c1, c2, c3, s0, s1, s2, s3, n0, n1, n2, n3] = *octets;
        Self {
            length: u32::from_be_bytes([l0, l1, l2, l3]),
            command: CommandId(u32::from_be_bytes([c0, c1, c2, c3])),
            status: CommandStatus(u32::from_be_bytes([s0, s1, s2, s3])),
            sequence: u32::from_be_bytes([n0, n1, n2, n3]),
        }
    }
}

/// One whole PDU in the receive buffer.
#[derive(Copy, Clone)]
pub struct Frame<'a> {
    /// Its header.
    pub header: Header,
    /// What follows the header.
    pub body: &'a [u8],
}

impl core::fmt::Debug for Frame<'_> {
    /// The body's length alone: it holds personal data.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { header, body } = self;
        f.debug_struct("Frame").field("header", header).field("body_len", &body.len()).finish()
    }
}

/// What a peer seems to speak instead of SMPP.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum PeerProtocol {
    /// A TLS record where plain SMPP was expected.
    Tls,
    /// An HTTP request or answer.
    Http,
}

/// Why the octets cannot be cut into PDUs; the connection is lost.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// `command_length` is below 16.
    #[error("command_length {} is below 16{}", .0, looks(self))]
    TooShort(u32),
    /// `command_length` exceeds the greatest PDU allowed.
    #[error("command_length {} exceeds the limit{}", .0, looks(self))]
    TooLong(u32),
}

fn looks(error: &FrameError) -> &'static str {
    match error.looks_like() {
        Some(PeerProtocol::Tls) => ": the peer speaks TLS",
        Some(PeerProtocol::Http) => ": the peer speaks HTTP",
        None => "",
    }
}

impl FrameError {
    /// What the peer speaks, as far as the first four octets tell.
    pub fn looks_like(&self) -> Option<PeerProtocol> {
        let (Self::TooShort(length) | Self::TooLong(length)) = *self;
        match &length.to_be_bytes() {
            [0x14..=0x17, 0x03, ..] => Some(PeerProtocol::Tls),
            b"HTTP" | b"GET " | b"POST" | b"PUT " | b"HEAD" | b"OPTI" | b"CONN" | b"PRI " => {
                Some(PeerProtocol::Http)
            }
            _ => None,
        }
    }
}

/// The first whole PDU of `buf` and how many octets it takes; `None` when more octets are needed.
///
/// # Errors
/// A length below 16 or above `max_pdu`, as soon as four octets are there.
pub fn next_frame(buf: &[u8], max_pdu: u32) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some(word) = buf.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*word);
    let Ok(octets) = usize::try_from(length) else { return Err(FrameError::TooLong(length)) };
    if octets < HEADER_LEN {
        return Err(FrameError::TooShort(length));
    }
    if length > max_pdu {
        return Err(FrameError::TooLong(length));
    }
    let pdu = buf.get(..octets).and_then(<[u8]>::split_first_chunk::<HEADER_LEN>);
    Ok(pdu.map(|(header, body)| (Frame { header: Header::read(header), body }, octets)))
}

/// The fields of `submit_sm`, `deliver_sm` and `data_sm` (3.4 sections 4.4, 4.6, 4.7). `data_sm` has no
/// `protocol_id`, `priority_flag`, times, `replace_if_present`, `sm_default_msg_id` and `short_message`:
/// its text is the TLV message_payload.
#[derive(Copy, Clone, Default, PartialEq, Eq)]
pub struct ShortMessage<'a> {
    /// `service_type`, at most 5 octets.
    pub service_type: &'a [u8],
    /// `source_addr_ton`.
    pub source_ton: u8,
    /// `source_addr_npi`.
    pub source_npi: u8,
    /// `source_addr`, at most 20 octets (64 in data_sm).
    pub source: &'a [u8],
    /// `dest_addr_ton`.
    pub dest_ton: u8,
    /// `dest_addr_npi`.
    pub dest_npi: u8,
    /// `destination_addr`, at most 20 octets (64 in data_sm).
    pub dest: &'a [u8],
    /// `esm_class`.
    pub esm_class: u8,
    /// `protocol_id`.
    pub protocol_id: u8,
    /// `priority_flag`.
    pub priority_flag: u8,
    /// `schedule_delivery_time`, empty or 16 characters.
    pub schedule_delivery_time: &'a [u8],
    /// `validity_period`, empty or 16 characters.
    pub validity_period: &'a [u8],
    /// `registered_delivery`.
    pub registered_delivery: u8,
    /// `replace_if_present_flag`.
    pub replace_if_present: u8,
    /// `data_coding`.
    pub data_coding: u8,
    /// `sm_default_msg_id`.
    pub sm_default_msg_id: u8,
    /// `short_message`, at most 254 octets (255 in 5.0), UDH included.
    pub short_message: &'a [u8],
    /// The optional parameters.
    pub tlvs: Tlvs<'a>,
}

impl<'a> ShortMessage<'a> {
    /// The user data: a message_payload that is not empty, else `short_message` (5.0 section 4.8.4.36:
    /// the payload supersedes).
    pub fn text(&self) -> &'a [u8] {
        match self.tlvs.get(tag::MESSAGE_PAYLOAD) {
            Some(payload) if !payload.is_empty() => payload,
            Some(_) | None => self.short_message,
        }
    }

    /// True for delivery receipts and intermediate notifications (`esm_class` bits 5 to 2).
    pub const fn is_receipt(&self) -> bool {
        matches!(self.esm_class & 0x3C, 0x04 | 0x20)
    }

    /// True when the text begins with a user data header (`esm_class` bit 6).
    pub const fn has_udh(&self) -> bool {
        self.esm_class & 0x40 != 0
    }
}

impl core::fmt::Debug for ShortMessage<'_> {
    /// Without addresses and text: they are personal data.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ShortMessage")
            .field("esm_class", &self.esm_class)
            .field("data_coding", &self.data_coding)
            .field("registered_delivery", &self.registered_delivery)
            .field("text_len", &self.text().len())
            .field("tlvs", &self.tlvs)
            .finish_non_exhaustive()
    }
}

/// The fields of the three binds (3.4 section 4.1).
#[derive(Copy, Clone, Default, PartialEq, Eq)]
pub struct Bind<'a> {
    /// `system_id`, at most 15 octets.
    pub system_id: &'a [u8],
    /// `password`, at most 8 octets by the letter, [`PASSWORD_MAX`] - 1 in fact.
    pub password: &'a [u8],
    /// `system_type`, at most 12 octets.
    pub system_type: &'a [u8],
    /// `interface_version`.
    pub interface_version: u8,
    /// `addr_ton`.
    pub addr_ton: u8,
    /// `addr_npi`.
    pub addr_npi: u8,
    /// `address_range`, at most 40 octets.
    pub address_range: &'a [u8],
}

impl core::fmt::Debug for Bind<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Bind")
            .field("system_id", &self.system_id.escape_ascii().to_string())
            .field("password", &"[redacted]")
            .field("interface_version", &self.interface_version)
            .finish_non_exhaustive()
    }
}

/// The body of a PDU, by what the session does with it.
#[derive(Copy, Clone, Debug)]
pub enum Body<'a> {
    /// Any of the three binds.
    Bind(Bind<'a>),
    /// The answer to a bind.
    BindResp {
        /// `system_id`; empty when the body is absent.
        system_id: &'a [u8],
        /// The optional parameters.
        tlvs: Tlvs<'a>,
    },
    /// submit_sm, deliver_sm or data_sm.
    Message(ShortMessage<'a>),
    /// The answer to one of those.
    MessageResp {
        /// `message_id`; empty when the body is absent.
        message_id: &'a [u8],
        /// The optional parameters.
        tlvs: Tlvs<'a>,
    },
    /// A PDU without a body; stray octets are ignored.
    Empty,
    /// Any other known PDU, checked against its layout.
    Other(&'a [u8]),
}

/// Why a PDU, whose boundary is known, cannot be taken.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PduError {
    /// The command is known: send its response with this status.
    #[error("refused with {}", status.name().unwrap_or("an unknown status"))]
    Nack {
        /// The status to send.
        status: CommandStatus,
    },
    /// The command is unknown: send generic_nack ESME_RINVCMDID for a request, nothing for a response.
    #[error("unknown command {:#010x}", .0.0)]
    UnknownCommand(CommandId),
}

impl From<CommandStatus> for PduError {
    fn from(status: CommandStatus) -> Self {
        Self::Nack { status }
    }
}

impl From<FieldError> for PduError {
    fn from(error: FieldError) -> Self {
        Self::Nack { status: error.status }
    }
}

/// Reads the body of a frame.
///
/// What an ESME asks is held to the specification's bounds. What a carrier delivers or answers is not:
/// long addresses, texts shorter than `sm_length`, absent bodies and stray octets are accepted.
///
/// # Errors
/// [`PduError`], which says what to send back. A response never fails but for an unknown command.
pub fn decode<'a>(frame: &Frame<'a>) -> Result<Body<'a>, PduError> {
    use CommandId as C;
    let command = frame.header.command;
    match command {
        C::SUBMIT_SM | C::DELIVER_SM => decode_message(command, frame.body).map(Body::Message),
        C::SUBMIT_SM_RESP | C::DELIVER_SM_RESP | C::DATA_SM_RESP => {
            let (message_id, tlvs) = decode_response(frame);
            Ok(Body::MessageResp { message_id, tlvs })
        }
        C::DATA_SM => decode_data(frame.body).map(Body::Message),
        C::BIND_RECEIVER | C::BIND_TRANSMITTER | C::BIND_TRANSCEIVER => {
            decode_bind(frame.body).map(Body::Bind)
        }
        C::BIND_RECEIVER_RESP | C::BIND_TRANSMITTER_RESP | C::BIND_TRANSCEIVER_RESP => {
            let (system_id, tlvs) = decode_response(frame);
            Ok(Body::BindResp { system_id, tlvs })
        }
        C::UNBIND
        | C::UNBIND_RESP
        | C::ENQUIRE_LINK
        | C::ENQUIRE_LINK_RESP
        | C::GENERIC_NACK
        | C::CANCEL_SM_RESP
        | C::REPLACE_SM_RESP
        | C::CANCEL_BROADCAST_SM_RESP => Ok(Body::Empty),
        _ if command.name().is_none() => Err(PduError::UnknownCommand(command)),
        _ if command.is_response() => Ok(Body::Other(frame.body)),
        _ => {
            decode_fields(command, frame.body, &mut |_| {})?;
            Ok(Body::Other(frame.body))
        }
    }
}

fn decode_message(command: CommandId, body: &[u8]) -> Result<ShortMessage<'_>, PduError> {
    use CommandStatus as S;
    let mut r = Reader::new(body, is_strict(command));
    let mut message = ShortMessage {
        service_type: r.text(6, S::ESME_RINVSERTYP)?,
        source_ton: r.int1()?,
        source_npi: r.int1()?,
        source: r.text(21, S::ESME_RINVSRCADR)?,
        dest_ton: r.int1()?,
        dest_npi: r.int1()?,
        dest: r.text(21, S::ESME_RINVDSTADR)?,
        esm_class: r.int1()?,
        protocol_id: r.int1()?,
        priority_flag: r.int1()?,
        schedule_delivery_time: r.time(S::ESME_RINVSCHED)?,
        validity_period: r.time(S::ESME_RINVEXPIRY)?,
        registered_delivery: r.int1()?,
        replace_if_present: r.int1()?,
        data_coding: r.int1()?,
        sm_default_msg_id: r.int1()?,
        short_message: {
            let length = r.int1()?;
            r.octets(usize::from(length))?
        },
        tlvs: Tlvs::default(),
    };
    message.tlvs = tlv_area(command, r.rest())?;
    let twice = !message.short_message.is_empty()
        && message.tlvs.get(tag::MESSAGE_PAYLOAD).is_some_and(|payload| !payload.is_empty());
    if command == CommandId::SUBMIT_SM && twice {
        return Err(S::ESME_ROPTPARNOTALLWD.into());
    }
    Ok(message)
}

fn decode_data(body: &[u8]) -> Result<ShortMessage<'_>, PduError> {
    use CommandStatus as S;
    let mut r = Reader::new(body, true);
    Ok(ShortMessage {
        service_type: r.text(6, S::ESME_RINVSERTYP)?,
        source_ton: r.int1()?,
        source_npi: r.int1()?,
        source: r.text(65, S::ESME_RINVSRCADR)?,
        dest_ton: r.int1()?,
        dest_npi: r.int1()?,
        dest: r.text(65, S::ESME_RINVDSTADR)?,
        esm_class: r.int1()?,
        registered_delivery: r.int1()?,
        data_coding: r.int1()?,
        tlvs: tlv_area(CommandId::DATA_SM, r.rest())?,
        ..ShortMessage::default()
    })
}

fn decode_bind(body: &[u8]) -> Result<Bind<'_>, PduError> {
    use CommandStatus as S;
    let mut r = Reader::new(body, true);
    Ok(Bind {
        system_id: r.text(16, S::ESME_RINVSYSID)?,
        password: r.text(PASSWORD_MAX, S::ESME_RINVPASWD)?,
        system_type: r.text(13, S::ESME_RINVSYSTYP)?,
        interface_version: r.int1()?,
        addr_ton: r.int1()?,
        addr_npi: r.int1()?,
        address_range: r.text(41, field_status("address_range"))?,
    })
}

/// The C-octet string and the parameters of a response.
fn decode_response<'a>(frame: &Frame<'a>) -> (&'a [u8], Tlvs<'a>) {
    if let Some(tlvs) = tlvs_alone(frame) {
        return (&[], tlvs);
    }
    let mut reader = Reader::new(frame.body, false);
    let text = reader.text_or_rest();
    (text, Tlvs::new(reader.rest()))
}

/// The parameters of a response that has nothing else, as some peers send them on an error.
pub(crate) fn tlvs_alone<'a>(frame: &Frame<'a>) -> Option<Tlvs<'a>> {
    let Header { command, status, .. } = frame.header;
    if !command.is_response() || status == CommandStatus::ESME_ROK {
        return None;
    }
    let tlvs = Tlvs::new(frame.body);
    let known = { tlvs }.next().is_some_and(|tlv| tag_spec(tlv.tag).is_some());
    (known && tlvs.is_exact()).then_some(tlvs)
}

/// The parameters of a request. In front of those of deliver_sm one to three NULs are skipped, when only so
/// they can be read: carriers put a NUL behind the text without counting it.
pub(crate) fn tlv_area(command: CommandId, area: &[u8]) -> Result<Tlvs<'_>, CommandStatus> {
    let tlvs = Tlvs::new(area);
    if tlvs.is_well_formed() {
        return Ok(tlvs);
    }
    if command == CommandId::DELIVER_SM {
        let mut rest = area;
        for _ in 0..3 {
            let Some((0, behind)) = rest.split_first() else { break };
            rest = behind;
            let tlvs = Tlvs::new(rest);
            let known = { tlvs }.next().is_some_and(|tlv| tag_spec(tlv.tag).is_some());
            if known && tlvs.is_exact() {
                return Ok(tlvs);
            }
        }
    }
    Err(CommandStatus::ESME_RINVOPTPARSTREAM)
}
