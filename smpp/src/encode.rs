//! Writers of the PDUs on the hot path: straight into the send buffer, no allocation but the buffer's own
//! growth. Pure, lives nowhere.

use crate::command::CommandId;
use crate::layout::max_sm_length;
use crate::pdu::{Bind, PASSWORD_MAX, ShortMessage, VERSION_3_4};
use crate::status::CommandStatus;
use crate::tlv::tag;
use crate::wire::{put_text, put_time, write_pdu};

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
    if !message.tlvs.is_exact() {
        return Err(EncodeError::BadTlvs);
    }
    match command {
        CommandId::SUBMIT_SM | CommandId::DELIVER_SM => {
            write_pdu(out, command, CommandStatus::ESME_ROK, sequence, |out| {
                write_message(out, version, message)
            })
        }
        CommandId::DATA_SM => write_pdu(out, command, CommandStatus::ESME_ROK, sequence, |out| {
            write_data(out, message)
        }),
        _ => Err(EncodeError::WrongCommand(command)),
    }
}

fn write_addresses(out: &mut Vec<u8>, m: &ShortMessage<'_>, max: usize) -> Result<(), EncodeError> {
    put_text(out, "service_type", m.service_type, 6)?;
    out.extend_from_slice(&[m.source_ton, m.source_npi]);
    put_text(out, "source_addr", m.source, max)?;
    out.extend_from_slice(&[m.dest_ton, m.dest_npi]);
    put_text(out, "destination_addr", m.dest, max)
}

fn write_message(out: &mut Vec<u8>, version: u8, m: &ShortMessage<'_>) -> Result<(), EncodeError> {
    let max = max_sm_length(version);
    let too_long = EncodeError::FieldTooLong { field: "short_message", max };
    let length = u8::try_from(m.short_message.len()).map_err(|_| too_long)?;
    if usize::from(length) > max {
        return Err(too_long);
    }
    write_addresses(out, m, 21)?;
    out.extend_from_slice(&[m.esm_class, m.protocol_id, m.priority_flag]);
    put_time(out, "schedule_delivery_time", m.schedule_delivery_time)?;
    put_time(out, "validity_period", m.validity_period)?;
    out.extend_from_slice(&[
        m.registered_delivery,
        m.replace_if_present,
        m.data_coding,
        m.sm_default_msg_id,
        length,
    ]);
    out.extend_from_slice(m.short_message);
    out.extend_from_slice(m.tlvs.as_bytes());
    Ok(())
}

fn write_data(out: &mut Vec<u8>, m: &ShortMessage<'_>) -> Result<(), EncodeError> {
    if !m.short_message.is_empty() {
        return Err(EncodeError::ShortMessageInData);
    }
    write_addresses(out, m, 65)?;
    out.extend_from_slice(&[m.esm_class, m.registered_delivery, m.data_coding]);
    out.extend_from_slice(m.tlvs.as_bytes());
    Ok(())
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
    if !matches!(
        command,
        CommandId::BIND_RECEIVER | CommandId::BIND_TRANSMITTER | CommandId::BIND_TRANSCEIVER
    ) {
        return Err(EncodeError::WrongCommand(command));
    }
    write_pdu(out, command, CommandStatus::ESME_ROK, sequence, |out| {
        put_text(out, "system_id", bind.system_id, 16)?;
        put_text(out, "password", bind.password, PASSWORD_MAX)?;
        put_text(out, "system_type", bind.system_type, 13)?;
        out.extend_from_slice(&[bind.interface_version, bind.addr_ton, bind.addr_npi]);
        put_text(out, "address_range", bind.address_range, 41)
    })
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
