//! PDUs: framing, and the typed form of every body, read without a copy or an allocation and written straight
//! into a send buffer. Pure, lives nowhere.

mod bind;
mod broadcast;
mod encode;
mod frame;
mod message;
mod operation;
mod repeated;

use crate::command::CommandId;
use crate::layout::FieldError;
use crate::status::CommandStatus;
use crate::tlv::{Tlvs, tag_spec};
use crate::wire::Reader;

pub use bind::{Bind, Outbind, PASSWORD_MAX};
pub use broadcast::{BroadcastSm, CancelBroadcastSm};
pub use encode::{
    EncodeError, EncodeHead, encode, encode_bind, encode_bind_response, encode_empty,
    encode_message, encode_message_for, encode_response, encode_submit_multi,
    encode_submit_multi_response,
};
pub use frame::{Frame, FrameError, HEADER_LEN, Header, MAX_PDU_DEFAULT, PeerProtocol, next_frame};
pub use message::{ShortMessage, SubmitMulti, SubmitMultiResp};
pub use operation::{AlertNotification, CancelSm, QuerySm, QuerySmResp, ReplaceSm};
pub(crate) use repeated::read_list;
pub use repeated::{DestAddress, DestAddresses, UnsuccessSme, UnsuccessSmes};

/// `interface_version` of SMPP 3.4.
pub const VERSION_3_4: u8 = 0x34;
/// `interface_version` of SMPP 5.0.
pub const VERSION_5_0: u8 = 0x50;

/// The body of a PDU by its layout; commands that share a layout share a variant.
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
    /// outbind.
    Outbind(Outbind<'a>),
    /// submit_sm, deliver_sm or data_sm.
    Message(ShortMessage<'a>),
    /// The answer to one of those, to a broadcast_sm or a query_broadcast_sm.
    MessageResp {
        /// `message_id`; empty when the body is absent.
        message_id: &'a [u8],
        /// The optional parameters.
        tlvs: Tlvs<'a>,
    },
    /// submit_multi.
    SubmitMulti(SubmitMulti<'a>),
    /// submit_multi_resp.
    SubmitMultiResp(SubmitMultiResp<'a>),
    /// query_sm or query_broadcast_sm.
    Query(QuerySm<'a>),
    /// query_sm_resp.
    QueryResp(QuerySmResp<'a>),
    /// cancel_sm.
    Cancel(CancelSm<'a>),
    /// replace_sm.
    Replace(ReplaceSm<'a>),
    /// alert_notification.
    Alert(AlertNotification<'a>),
    /// broadcast_sm.
    Broadcast(BroadcastSm<'a>),
    /// cancel_broadcast_sm.
    CancelBroadcast(CancelBroadcastSm<'a>),
    /// A PDU without fields: unbind, enquire_link and their answers, generic_nack, the answers to cancel_sm,
    /// replace_sm and cancel_broadcast_sm. To [`encode`] also any response without its fields, as on errors.
    Empty {
        /// The optional parameters that a 5.0 response may have; stray octets are ignored.
        tlvs: Tlvs<'a>,
    },
}

impl<'a> Body<'a> {
    /// The optional parameters, whatever the PDU; of a bind and outbind there are none.
    pub const fn tlvs(&self) -> Tlvs<'a> {
        match self {
            Self::Bind(_) | Self::Outbind(_) => Tlvs::new(&[]),
            Self::Message(message) => message.tlvs,
            Self::SubmitMulti(multi) => multi.message.tlvs,
            Self::SubmitMultiResp(response) => response.tlvs,
            Self::Query(query) => query.tlvs,
            Self::QueryResp(response) => response.tlvs,
            Self::Cancel(cancel) => cancel.tlvs,
            Self::Replace(replace) => replace.tlvs,
            Self::Alert(alert) => alert.tlvs,
            Self::Broadcast(broadcast) => broadcast.tlvs,
            Self::CancelBroadcast(cancel) => cancel.tlvs,
            Self::BindResp { tlvs, .. } | Self::MessageResp { tlvs, .. } | Self::Empty { tlvs } => {
                *tlvs
            }
        }
    }
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

/// Reads the body of a frame of a 3.4 session.
///
/// What an ESME asks is held to the specification's bounds. What a carrier delivers or answers is not:
/// long addresses, texts shorter than `sm_length`, absent bodies and stray octets are accepted.
///
/// # Errors
/// [`PduError`], which says what to send back. A response never fails but for an unknown command.
pub fn decode<'a>(frame: &Frame<'a>) -> Result<Body<'a>, PduError> {
    decode_for(VERSION_3_4, frame)
}

/// As [`decode`], in a session of interface `version`: from 5.0 a message may hold both a `short_message` and
/// a message_payload, of which the latter counts.
///
/// # Errors
/// As [`decode`].
pub fn decode_for<'a>(version: u8, frame: &Frame<'a>) -> Result<Body<'a>, PduError> {
    use CommandId as C;
    let (command, body) = (frame.header.command, frame.body);
    if command.is_response() {
        return decode_response(frame);
    }
    Ok(match command {
        C::SUBMIT_SM | C::DELIVER_SM => {
            return Ok(Body::Message(ShortMessage::read(command, version, body)?));
        }
        C::DATA_SM => Body::Message(ShortMessage::read_data(body)?),
        C::BIND_RECEIVER | C::BIND_TRANSMITTER | C::BIND_TRANSCEIVER => {
            Body::Bind(Bind::read(body)?)
        }
        C::OUTBIND => Body::Outbind(Outbind::read(body)?),
        C::SUBMIT_MULTI => Body::SubmitMulti(SubmitMulti::read(version, body)?),
        C::QUERY_SM | C::QUERY_BROADCAST_SM => Body::Query(QuerySm::read(command, body)?),
        C::CANCEL_SM => Body::Cancel(CancelSm::read(body)?),
        C::REPLACE_SM => Body::Replace(ReplaceSm::read(body)?),
        C::ALERT_NOTIFICATION => Body::Alert(AlertNotification::read(body)?),
        C::BROADCAST_SM => Body::Broadcast(BroadcastSm::read(body)?),
        C::CANCEL_BROADCAST_SM => Body::CancelBroadcast(CancelBroadcastSm::read(body)?),
        C::UNBIND | C::ENQUIRE_LINK => Body::Empty { tlvs: Tlvs::default() },
        _ => return Err(PduError::UnknownCommand(command)),
    })
}

/// Reads a response. One with an error may have its parameters alone.
fn decode_response<'a>(frame: &Frame<'a>) -> Result<Body<'a>, PduError> {
    use CommandId as C;
    let command = frame.header.command;
    let (body, alone) = match tlvs_alone(frame) {
        Some(tlvs) => (&[][..], tlvs),
        None => (frame.body, Tlvs::default()),
    };
    let text = || {
        let mut reader = Reader::new(body, false);
        let text = reader.text_or_rest();
        (text, if body.is_empty() { alone } else { Tlvs::new(reader.rest()) })
    };
    Ok(match command {
        C::SUBMIT_SM_RESP
        | C::DELIVER_SM_RESP
        | C::DATA_SM_RESP
        | C::BROADCAST_SM_RESP
        | C::QUERY_BROADCAST_SM_RESP => {
            let (message_id, tlvs) = text();
            Body::MessageResp { message_id, tlvs }
        }
        C::BIND_RECEIVER_RESP | C::BIND_TRANSMITTER_RESP | C::BIND_TRANSCEIVER_RESP => {
            let (system_id, tlvs) = text();
            Body::BindResp { system_id, tlvs }
        }
        C::SUBMIT_MULTI_RESP if body.is_empty() => {
            Body::SubmitMultiResp(SubmitMultiResp { tlvs: alone, ..SubmitMultiResp::default() })
        }
        C::SUBMIT_MULTI_RESP => Body::SubmitMultiResp(SubmitMultiResp::read(body)),
        C::QUERY_SM_RESP if body.is_empty() => {
            Body::QueryResp(QuerySmResp { tlvs: alone, ..QuerySmResp::default() })
        }
        C::QUERY_SM_RESP => Body::QueryResp(QuerySmResp::read(body)),
        C::UNBIND_RESP
        | C::ENQUIRE_LINK_RESP
        | C::GENERIC_NACK
        | C::CANCEL_SM_RESP
        | C::REPLACE_SM_RESP
        | C::CANCEL_BROADCAST_SM_RESP => Body::Empty { tlvs: whole_or_none(frame.body) },
        _ => return Err(PduError::UnknownCommand(command)),
    })
}

/// The parameters of a PDU without fields; anything that is no run of parameters is passed over.
pub(crate) fn whole_or_none(area: &[u8]) -> Tlvs<'_> {
    let tlvs = Tlvs::new(area);
    if tlvs.is_exact() { tlvs } else { Tlvs::default() }
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
