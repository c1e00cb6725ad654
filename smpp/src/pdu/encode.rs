//! Writers of PDUs: straight into the send buffer, no allocation but the buffer's own growth. Pure, lives
//! nowhere.

use super::{
    Bind, Body, DestAddress, ShortMessage, SubmitMulti, SubmitMultiResp, UnsuccessSme, VERSION_3_4,
    VERSION_5_0,
};
use crate::command::CommandId;
use crate::status::CommandStatus;
use crate::tlv::{TlvFault, Tlvs, tag, tag_name};
use crate::wire::{put_text, write_pdu};

/// Why a PDU cannot be written; the buffer is as it was before.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EncodeError {
    /// A field is longer than the session's version allows.
    #[error("{field} exceeds {max} octets")]
    FieldTooLong {
        /// The field.
        field: &'static str,
        /// Its bound in octets, the NUL included where there is one.
        max: usize,
    },
    /// The value of a field is out of the bounds of the session's version.
    #[error("{field} {value} is out of bounds")]
    OutOfBounds {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u8,
    },
    /// A list has more or fewer entries than the session's version allows.
    #[error("{field} has too many or too few entries")]
    WrongCount {
        /// The list.
        field: &'static str,
    },
    /// A message of 3.4 has a short_message and a message_payload.
    #[error("short_message together with message_payload")]
    BothTexts,
    /// The session's version does not have the command.
    #[error("command {:#010x} needs SMPP 5.0", .0.0)]
    NotInVersion(CommandId),
    /// The parameters break a rule.
    #[error("{0}")]
    Tlv(TlvFault),
    /// A typed value does not fit its parameter.
    #[error("the value does not fit {tlv}")]
    WrongTlvValue {
        /// The parameter.
        tlv: &'static str,
    },
    /// A C-octet string holds a NUL.
    #[error("{field} contains a NUL")]
    NulInField {
        /// The field.
        field: &'static str,
    },
    /// A time is neither empty nor 16 characters of the specification's form.
    #[error("{field} is not an SMPP time")]
    BadTime {
        /// The field.
        field: &'static str,
    },
    /// A count or length does not fit the field that it counts.
    #[error("{field} is not as long as its count says")]
    CountMismatch {
        /// The field.
        field: &'static str,
    },
    /// The parameter area is not a run of whole parameters.
    #[error("the TLV area is not well formed")]
    BadTlvs,
    /// data_sm has no short_message: its text goes into message_payload.
    #[error("data_sm cannot carry a short_message")]
    ShortMessageInData,
    /// The function does not write this command.
    #[error("command {:#010x} does not fit here", .0.0)]
    WrongCommand(CommandId),
    /// The values are not those of the command's layout.
    #[error("the values do not fit the layout of command {:#010x}", .0.0)]
    WrongFields(CommandId),
    /// The PDU would exceed 4 GiB.
    #[error("the PDU is too long")]
    PduTooLong,
}

/// What stands before the body of a PDU.
#[derive(Copy, Clone, Debug)]
pub struct EncodeHead {
    /// The command.
    pub command: CommandId,
    /// Its status; 0 in requests.
    pub status: CommandStatus,
    /// The sequence number.
    pub sequence: u32,
    /// The session's interface version, 0x34 or 0x50: 5.0 has wider bounds.
    pub version: u8,
}

/// Appends a PDU of any command: the inverse of [`decode_for`](super::decode_for). A response may be written
/// without its fields, as [`Body::Empty`]. A peer below 3.4 is sent no
/// parameters.
///
/// # Errors
/// A body of another command, or anything that the session's version does not allow: a field, list or parameter
/// out of bounds, a command or parameter of 5.0; `out` is then as it was.
pub fn encode(out: &mut Vec<u8>, head: EncodeHead, body: &Body<'_>) -> Result<(), EncodeError> {
    let EncodeHead { command, status, sequence, version } = head;
    if !is_of(command, body) {
        return Err(EncodeError::WrongCommand(command));
    }
    if command.needs_5_0() && version < VERSION_5_0 {
        return Err(EncodeError::NotInVersion(command));
    }
    write_pdu(out, command, status, sequence, |out| {
        match body {
            Body::Message(message) => return put_message(out, head, message),
            Body::Bind(bind) => bind.write(out),
            Body::BindResp { system_id, .. } => put_text(out, "system_id", system_id, 16),
            Body::Outbind(outbind) => outbind.write(out),
            Body::MessageResp { message_id, .. } => put_text(out, "message_id", message_id, 65),
            Body::SubmitMulti(SubmitMulti { destinations, message }) => {
                SubmitMulti::write(message, destinations.iter(), out, version)
            }
            Body::SubmitMultiResp(SubmitMultiResp { message_id, unsuccessful, .. }) => {
                SubmitMultiResp::write(message_id, unsuccessful.iter(), out, version)
            }
            Body::Query(query) => query.write(out),
            Body::QueryResp(response) => response.write(out),
            Body::Cancel(cancel) => cancel.write(out),
            Body::Replace(replace) => replace.write(out, version),
            Body::Alert(alert) => alert.write(out),
            Body::Broadcast(broadcast) => broadcast.write(out),
            Body::CancelBroadcast(cancel) => cancel.write(out),
            Body::Empty { .. } => Ok(()),
        }?;
        let tlvs = body.tlvs();
        // An answer with an error may be without what it must have; nothing of 3.4 must have any.
        let none_needed = !command.needs_5_0() || matches!(body, Body::Empty { .. });
        if tlvs.as_bytes().is_empty() && none_needed {
            Ok(())
        } else if let Body::SubmitMulti(multi) = body {
            put_message_tlvs(out, head, &multi.message)
        } else {
            put_tlvs(out, head, tlvs, |tlvs| tlvs.check(command, version))
        }
    })
}

/// Appends the body of a submit_sm, deliver_sm or data_sm.
#[inline]
fn put_message(
    out: &mut Vec<u8>,
    head: EncodeHead,
    message: &ShortMessage<'_>,
) -> Result<(), EncodeError> {
    if head.command == CommandId::DATA_SM {
        message.write_data(out, head.version)?;
    } else {
        message.write(out, head.command, head.version)?;
    }
    put_message_tlvs(out, head, message)
}

/// Appends the parameters of a message.
fn put_message_tlvs(
    out: &mut Vec<u8>,
    head: EncodeHead,
    message: &ShortMessage<'_>,
) -> Result<(), EncodeError> {
    if message.tlvs.as_bytes().is_empty() {
        return Ok(());
    }
    put_tlvs(out, head, message.tlvs, |tlvs| {
        tlvs.check_message(head.command, head.version, message.has_udh())
    })
}

/// Appends parameters, when a sender may: `check` says so.
fn put_tlvs(
    out: &mut Vec<u8>,
    head: EncodeHead,
    tlvs: Tlvs<'_>,
    check: impl FnOnce(Tlvs<'_>) -> Result<(), TlvFault>,
) -> Result<(), EncodeError> {
    if !tlvs.is_exact() {
        return Err(EncodeError::BadTlvs);
    }
    if head.version < VERSION_3_4 {
        let part_of_text = [tag::MESSAGE_PAYLOAD, tag::SAR_TOTAL_SEGMENTS];
        let lost = part_of_text.into_iter().find(|tag| tlvs.get(*tag).is_some());
        let name = lost.and_then(tag_name);
        return name.map_or(Ok(()), |name| Err(EncodeError::Tlv(TlvFault::Version(name))));
    }
    check(tlvs).map_err(EncodeError::Tlv)?;
    out.extend_from_slice(tlvs.as_bytes());
    Ok(())
}

/// Whether `body` is one that `command` can have.
fn is_of(command: CommandId, body: &Body<'_>) -> bool {
    use CommandId as C;
    match body {
        Body::Bind(_) => is_bind(command),
        Body::BindResp { .. } => command.is_response() && is_bind(command.request()),
        Body::Outbind(_) => command == C::OUTBIND,
        Body::Message(_) => is_message(command),
        Body::MessageResp { .. } => matches!(
            command,
            C::SUBMIT_SM_RESP
                | C::DELIVER_SM_RESP
                | C::DATA_SM_RESP
                | C::BROADCAST_SM_RESP
                | C::QUERY_BROADCAST_SM_RESP
        ),
        Body::SubmitMulti(_) => command == C::SUBMIT_MULTI,
        Body::SubmitMultiResp(_) => command == C::SUBMIT_MULTI_RESP,
        Body::Query(_) => matches!(command, C::QUERY_SM | C::QUERY_BROADCAST_SM),
        Body::QueryResp(_) => command == C::QUERY_SM_RESP,
        Body::Cancel(_) => command == C::CANCEL_SM,
        Body::Replace(_) => command == C::REPLACE_SM,
        Body::Alert(_) => command == C::ALERT_NOTIFICATION,
        Body::Broadcast(_) => command == C::BROADCAST_SM,
        Body::CancelBroadcast(_) => command == C::CANCEL_BROADCAST_SM,
        Body::Empty { tlvs } => {
            let without = matches!(command, C::UNBIND | C::ENQUIRE_LINK);
            command.is_response() || (without && tlvs.as_bytes().is_empty())
        }
    }
}

const fn is_message(command: CommandId) -> bool {
    matches!(command, CommandId::SUBMIT_SM | CommandId::DELIVER_SM | CommandId::DATA_SM)
}

const fn is_bind(command: CommandId) -> bool {
    matches!(
        command,
        CommandId::BIND_RECEIVER | CommandId::BIND_TRANSMITTER | CommandId::BIND_TRANSCEIVER
    )
}

/// Appends a submit_multi to `destinations`, at least one; the destination in `message` is not used.
///
/// # Errors
/// A field out of the version's bounds, no destination or too many, a malformed parameter area.
pub fn encode_submit_multi<'d>(
    out: &mut Vec<u8>,
    version: u8,
    sequence: u32,
    message: &ShortMessage<'_>,
    destinations: impl IntoIterator<Item = DestAddress<'d>>,
) -> Result<(), EncodeError> {
    let (command, status) = (CommandId::SUBMIT_MULTI, CommandStatus::ESME_ROK);
    write_pdu(out, command, status, sequence, |out| {
        SubmitMulti::write(message, destinations, out, version)?;
        put_message_tlvs(out, EncodeHead { command, status, sequence, version }, message)
    })
}

/// Appends a submit_multi_resp with the destinations that were refused, at most 254, in 5.0 255.
///
/// # Errors
/// A message_id or address out of bounds, too many destinations.
pub fn encode_submit_multi_response<'d>(
    out: &mut Vec<u8>,
    version: u8,
    status: CommandStatus,
    sequence: u32,
    message_id: &[u8],
    unsuccessful: impl IntoIterator<Item = UnsuccessSme<'d>>,
) -> Result<(), EncodeError> {
    write_pdu(out, CommandId::SUBMIT_MULTI_RESP, status, sequence, |out| {
        SubmitMultiResp::write(message_id, unsuccessful, out, version)
    })
}

/// Appends a submit_sm, deliver_sm or data_sm within the bounds of SMPP 3.4.
///
/// # Errors
/// A field out of bounds, a malformed parameter area, or another command.
pub fn encode_message(
    out: &mut Vec<u8>,
    command: CommandId,
    sequence: u32,
    message: &ShortMessage<'_>,
) -> Result<(), EncodeError> {
    encode_message_for(out, VERSION_3_4, command, sequence, message)
}

/// As [`encode_message`], within the bounds of interface `version`.
///
/// # Errors
/// As [`encode_message`].
pub fn encode_message_for(
    out: &mut Vec<u8>,
    version: u8,
    command: CommandId,
    sequence: u32,
    message: &ShortMessage<'_>,
) -> Result<(), EncodeError> {
    if !is_message(command) {
        return Err(EncodeError::WrongCommand(command));
    }
    let status = CommandStatus::ESME_ROK;
    let head = EncodeHead { command, status, sequence, version };
    write_pdu(out, command, status, sequence, |out| put_message(out, head, message))
}

/// Appends one of the three binds.
///
/// # Errors
/// A field out of bounds, or another command.
pub fn encode_bind(
    out: &mut Vec<u8>,
    command: CommandId,
    sequence: u32,
    bind: &Bind<'_>,
) -> Result<(), EncodeError> {
    let (status, version) = (CommandStatus::ESME_ROK, bind.interface_version);
    encode(out, EncodeHead { command, status, sequence, version }, &Body::Bind(*bind))
}

/// Appends the answer to a bind: with `system_id` and, unless `version` is `None`, sc_interface_version.
///
/// # Errors
/// A `system_id` of more than 15 octets or with a NUL.
pub fn encode_bind_response(
    out: &mut Vec<u8>,
    command: CommandId,
    sequence: u32,
    system_id: &[u8],
    version: Option<u8>,
) -> Result<(), EncodeError> {
    write_pdu(out, command, CommandStatus::ESME_ROK, sequence, |out| {
        put_text(out, "system_id", system_id, 16)?;
        if let Some(version) = version {
            out.extend_from_slice(&tag::SC_INTERFACE_VERSION.to_be_bytes());
            out.extend_from_slice(&[0, 1, version]);
        }
        Ok(())
    })
}

/// Appends a response whose body is a message_id, or absent for `None`, as 3.4 wants it on errors.
///
/// # Errors
/// A message_id of more than 64 octets or with a NUL, or a request's command.
pub fn encode_response(
    out: &mut Vec<u8>,
    command: CommandId,
    status: CommandStatus,
    sequence: u32,
    message_id: Option<&[u8]>,
) -> Result<(), EncodeError> {
    if !command.is_response() {
        return Err(EncodeError::WrongCommand(command));
    }
    write_pdu(out, command, status, sequence, |out| match message_id {
        Some(id) => put_text(out, "message_id", id, 65),
        None => Ok(()),
    })
}

/// Appends a PDU of exactly 16 octets.
///
/// # Errors
/// None today; the type is that of the other writers.
pub fn encode_empty(
    out: &mut Vec<u8>,
    command: CommandId,
    status: CommandStatus,
    sequence: u32,
) -> Result<(), EncodeError> {
    write_pdu(out, command, status, sequence, |_| Ok(()))
}
