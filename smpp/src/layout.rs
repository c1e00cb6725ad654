//! The mandatory fields of every PDU as data (3.4 section 4, 5.0 section 4.2 to 4.6), and the generic reader
//! and writer that follow the data. The JSON view and the vector tests use it; the hot PDUs have typed
//! paths in `pdu`. Pure, lives nowhere.

use crate::bounds;
use crate::command::CommandId;
use crate::pdu::{
    DestAddress, DestAddresses, EncodeError, EncodeHead, PASSWORD_MAX, UnsuccessSme, UnsuccessSmes,
    read_list, tlv_area, whole_or_none,
};
use crate::status::CommandStatus;
use crate::tlv::Tlvs;
use crate::wire::{Reader, put_text, put_time, write_pdu};

/// How one mandatory field is laid out.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum FieldKind {
    /// Unsigned integer of one octet.
    Int1,
    /// Unsigned integer of four octets, big endian.
    Int4,
    /// C-octet string.
    CString {
        /// Greatest length with the NUL.
        max: usize,
    },
    /// C-octet string of 1 or 17 octets with the NUL, a time.
    Time,
    /// Octet string, as long as the field before it says.
    Octets,
    /// The destinations of `submit_multi`, as many as the field before says.
    DestAddresses,
    /// The failed destinations of `submit_multi_resp`, as many as the field before says.
    UnsuccessSmes,
}

/// One mandatory field.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// The specification's name.
    pub name: &'static str,
    /// How it is laid out.
    pub kind: FieldKind,
}

const fn i1(name: &'static str) -> Field {
    Field { name, kind: FieldKind::Int1 }
}

const fn c(name: &'static str, max: usize) -> Field {
    Field { name, kind: FieldKind::CString { max } }
}

const fn time(name: &'static str) -> Field {
    Field { name, kind: FieldKind::Time }
}

const SERVICE_TYPE: Field = c("service_type", 6);
const SOURCE_TON: Field = i1("source_addr_ton");
const SOURCE_NPI: Field = i1("source_addr_npi");
const SOURCE: Field = c("source_addr", 21);
const DEST_TON: Field = i1("dest_addr_ton");
const DEST_NPI: Field = i1("dest_addr_npi");
const DESTINATION: Field = c("destination_addr", 21);
const MESSAGE_ID: Field = c("message_id", 65);
const SCHEDULE: Field = time("schedule_delivery_time");
const VALIDITY: Field = time("validity_period");
const SYSTEM_ID: Field = c("system_id", 16);
const PASSWORD: Field = c("password", 9);
const SM_LENGTH: Field = i1("sm_length");
const SHORT_MESSAGE: Field = Field { name: "short_message", kind: FieldKind::Octets };

static BIND: &[Field] = &[
    SYSTEM_ID,
    PASSWORD,
    c("system_type", 13),
    i1("interface_version"),
    i1("addr_ton"),
    i1("addr_npi"),
    c("address_range", 41),
];
static BIND_RESP: &[Field] = &[SYSTEM_ID];
static OUTBIND: &[Field] = &[SYSTEM_ID, PASSWORD];
static NONE: &[Field] = &[];
static MESSAGE: &[Field] = &[
    SERVICE_TYPE,
    SOURCE_TON,
    SOURCE_NPI,
    SOURCE,
    DEST_TON,
    DEST_NPI,
    DESTINATION,
    i1("esm_class"),
    i1("protocol_id"),
    i1("priority_flag"),
    SCHEDULE,
    VALIDITY,
    i1("registered_delivery"),
    i1("replace_if_present_flag"),
    i1("data_coding"),
    i1("sm_default_msg_id"),
    SM_LENGTH,
    SHORT_MESSAGE,
];
static MESSAGE_RESP: &[Field] = &[MESSAGE_ID];
static DATA_SM: &[Field] = &[
    SERVICE_TYPE,
    SOURCE_TON,
    SOURCE_NPI,
    c("source_addr", 65),
    DEST_TON,
    DEST_NPI,
    c("destination_addr", 65),
    i1("esm_class"),
    i1("registered_delivery"),
    i1("data_coding"),
];
static SUBMIT_MULTI: &[Field] = &[
    SERVICE_TYPE,
    SOURCE_TON,
    SOURCE_NPI,
    SOURCE,
    i1("number_of_dests"),
    Field { name: "dest_address", kind: FieldKind::DestAddresses },
    i1("esm_class"),
    i1("protocol_id"),
    i1("priority_flag"),
    SCHEDULE,
    VALIDITY,
    i1("registered_delivery"),
    i1("replace_if_present_flag"),
    i1("data_coding"),
    i1("sm_default_msg_id"),
    SM_LENGTH,
    SHORT_MESSAGE,
];
static SUBMIT_MULTI_RESP: &[Field] = &[
    MESSAGE_ID,
    i1("no_unsuccess"),
    Field { name: "unsuccess_sme", kind: FieldKind::UnsuccessSmes },
];
static QUERY_SM: &[Field] = &[MESSAGE_ID, SOURCE_TON, SOURCE_NPI, SOURCE];
static QUERY_SM_RESP: &[Field] =
    &[MESSAGE_ID, c("final_date", 17), i1("message_state"), i1("error_code")];
static CANCEL_SM: &[Field] =
    &[SERVICE_TYPE, MESSAGE_ID, SOURCE_TON, SOURCE_NPI, SOURCE, DEST_TON, DEST_NPI, DESTINATION];
static REPLACE_SM: &[Field] = &[
    MESSAGE_ID,
    SOURCE_TON,
    SOURCE_NPI,
    SOURCE,
    SCHEDULE,
    VALIDITY,
    i1("registered_delivery"),
    i1("sm_default_msg_id"),
    SM_LENGTH,
    SHORT_MESSAGE,
];
static ALERT_NOTIFICATION: &[Field] = &[
    SOURCE_TON,
    SOURCE_NPI,
    c("source_addr", 65),
    i1("esme_addr_ton"),
    i1("esme_addr_npi"),
    c("esme_addr", 65),
];
static BROADCAST_SM: &[Field] = &[
    SERVICE_TYPE,
    SOURCE_TON,
    SOURCE_NPI,
    SOURCE,
    MESSAGE_ID,
    i1("priority_flag"),
    SCHEDULE,
    VALIDITY,
    i1("replace_if_present_flag"),
    i1("data_coding"),
    i1("sm_default_msg_id"),
];
static CANCEL_BROADCAST_SM: &[Field] = &[SERVICE_TYPE, MESSAGE_ID, SOURCE_TON, SOURCE_NPI, SOURCE];

/// The mandatory fields of `command` in wire order; `None` for an unknown command.
pub fn layout(command: CommandId) -> Option<&'static [Field]> {
    use CommandId as C;
    Some(match command {
        C::BIND_RECEIVER | C::BIND_TRANSMITTER | C::BIND_TRANSCEIVER => BIND,
        C::BIND_RECEIVER_RESP | C::BIND_TRANSMITTER_RESP | C::BIND_TRANSCEIVER_RESP => BIND_RESP,
        C::OUTBIND => OUTBIND,
        C::UNBIND
        | C::UNBIND_RESP
        | C::ENQUIRE_LINK
        | C::ENQUIRE_LINK_RESP
        | C::GENERIC_NACK
        | C::CANCEL_SM_RESP
        | C::REPLACE_SM_RESP
        | C::CANCEL_BROADCAST_SM_RESP => NONE,
        C::SUBMIT_SM | C::DELIVER_SM => MESSAGE,
        C::SUBMIT_SM_RESP
        | C::DELIVER_SM_RESP
        | C::DATA_SM_RESP
        | C::BROADCAST_SM_RESP
        | C::QUERY_BROADCAST_SM_RESP => MESSAGE_RESP,
        C::DATA_SM => DATA_SM,
        C::SUBMIT_MULTI => SUBMIT_MULTI,
        C::SUBMIT_MULTI_RESP => SUBMIT_MULTI_RESP,
        C::QUERY_SM | C::QUERY_BROADCAST_SM => QUERY_SM,
        C::QUERY_SM_RESP => QUERY_SM_RESP,
        C::CANCEL_SM => CANCEL_SM,
        C::REPLACE_SM => REPLACE_SM,
        C::ALERT_NOTIFICATION => ALERT_NOTIFICATION,
        C::BROADCAST_SM => BROADCAST_SM,
        C::CANCEL_BROADCAST_SM => CANCEL_BROADCAST_SM,
        _ => return None,
    })
}

/// The status that names `field` when it is too long or out of range (5.0 section 2.8).
pub(crate) fn field_status(field: &str) -> CommandStatus {
    use CommandStatus as S;
    match field {
        "service_type" => S::ESME_RINVSERTYP,
        "source_addr" => S::ESME_RINVSRCADR,
        "destination_addr" => S::ESME_RINVDSTADR,
        "message_id" => S::ESME_RINVMSGID,
        "schedule_delivery_time" => S::ESME_RINVSCHED,
        "validity_period" => S::ESME_RINVEXPIRY,
        "system_id" => S::ESME_RINVSYSID,
        "password" => S::ESME_RINVPASWD,
        "system_type" => S::ESME_RINVSYSTYP,
        "dl_name" => S::ESME_RINVDLNAME,
        "number_of_dests" => S::ESME_RINVNUMDESTS,
        "short_message" | "sm_length" => S::ESME_RINVMSGLEN,
        _ => S::ESME_RINVCMDLEN,
    }
}

/// Whether bounds are enforced on receive: on what an ESME asks of us, not on answers nor on what a
/// carrier delivers.
pub(crate) fn is_strict(command: CommandId) -> bool {
    !command.is_response()
        && command != CommandId::DELIVER_SM
        && command != CommandId::ALERT_NOTIFICATION
}

/// Longest C-octet string taken for `field` when reading: the specification's bound, but for passwords,
/// which carriers make longer.
fn read_max(field: &Field, max: usize) -> usize {
    if field.name == PASSWORD.name { PASSWORD_MAX } else { max }
}

/// The value of one field.
#[derive(Copy, Clone, Debug)]
pub enum FieldValue<'a> {
    /// An integer of either width.
    Int(u32),
    /// A C-octet string or a time, without its NUL.
    Text(&'a [u8]),
    /// An octet string.
    Octets(&'a [u8]),
    /// The destinations of `submit_multi`.
    Destinations(DestAddresses<'a>),
    /// The failed destinations of `submit_multi_resp`.
    Unsuccessful(UnsuccessSmes<'a>),
}

/// One field as it was read.
#[derive(Copy, Clone, Debug)]
pub struct FieldRef<'a> {
    /// Which field.
    pub field: &'static Field,
    /// Its value.
    pub value: FieldValue<'a>,
}

/// Why a body could not be read.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field}: {}", status.name().unwrap_or("unknown"))]
pub struct FieldError {
    /// The field at fault; `tlvs` for the area behind the fields, `command_id` for an unknown command.
    pub field: &'static str,
    /// The status that the peer is to be sent.
    pub status: CommandStatus,
}

/// Reads the mandatory fields of `body` in wire order, calls `visit` for each, and returns the area behind
/// them.
///
/// A response may have no body, or end early: then the fields that are missing are not visited.
///
/// # Errors
/// The first field that cannot be read, with the status to answer.
pub fn decode_fields<'a>(
    command: CommandId,
    body: &'a [u8],
    visit: &mut impl FnMut(FieldRef<'a>),
) -> Result<Tlvs<'a>, FieldError> {
    let unknown = FieldError { field: "command_id", status: CommandStatus::ESME_RINVCMDID };
    let fields = layout(command).ok_or(unknown)?;
    let mut reader = Reader::new(body, is_strict(command));
    let mut count = 0;
    for field in fields {
        let is_list = matches!(field.kind, FieldKind::DestAddresses | FieldKind::UnsuccessSmes);
        if command.is_response() && reader.rest().is_empty() && !(is_list && count == 0) {
            break;
        }
        let value = read_field(&mut reader, command, field, count)
            .map_err(|status| FieldError { field: field.name, status })?;
        if let FieldValue::Int(int) = value {
            count = int;
        }
        visit(FieldRef { field, value });
    }
    if fields.is_empty() {
        return Ok(whole_or_none(body));
    }
    if command.is_response() {
        return Ok(Tlvs::new(reader.rest()));
    }
    tlv_area(command, reader.rest()).map_err(|status| FieldError { field: "tlvs", status })
}

fn read_field<'a>(
    reader: &mut Reader<'a>,
    command: CommandId,
    field: &'static Field,
    count: u32,
) -> Result<FieldValue<'a>, CommandStatus> {
    let bad = field_status(field.name);
    Ok(match field.kind {
        FieldKind::Int1 => FieldValue::Int(u32::from(reader.int1()?)),
        FieldKind::Int4 => FieldValue::Int(reader.int4()?),
        FieldKind::CString { .. } if command.is_response() => {
            FieldValue::Text(reader.text_or_rest())
        }
        FieldKind::CString { max } => FieldValue::Text(reader.text(read_max(field, max), bad)?),
        FieldKind::Time => FieldValue::Text(reader.time(bad)?),
        FieldKind::Octets => {
            FieldValue::Octets(reader.octets(usize::try_from(count).map_err(|_| bad)?)?)
        }
        FieldKind::DestAddresses => FieldValue::Destinations(DestAddresses {
            list: read_list(reader, count, DestAddress::read)?,
        }),
        FieldKind::UnsuccessSmes => FieldValue::Unsuccessful(UnsuccessSmes {
            list: read_list(reader, count, UnsuccessSme::read)?,
        }),
    })
}

/// Appends a whole PDU of any command: `values` in the order of [`layout`], counts and lengths included,
/// then `tlvs`. A response may have no values and no `tlvs`, and may end behind any value. Unlike
/// [`encode`](crate::pdu::encode) this writes parameters as they are and values that are reserved.
///
/// # Errors
/// A value of the wrong kind or out of bounds, a count that does not fit what follows, an unknown command;
/// `out` is then as it was.
pub fn encode_fields(
    out: &mut Vec<u8>,
    head: EncodeHead,
    values: &[FieldValue<'_>],
    tlvs: Tlvs<'_>,
) -> Result<(), EncodeError> {
    let fields = layout(head.command).ok_or(EncodeError::WrongCommand(head.command))?;
    let ends_early = head.command.is_response()
        && values.len() < fields.len()
        && (values.is_empty() || tlvs.as_bytes().is_empty());
    if !ends_early && values.len() != fields.len() {
        return Err(EncodeError::WrongFields(head.command));
    }
    if !tlvs.is_exact() {
        return Err(EncodeError::BadTlvs);
    }
    write_pdu(out, head.command, head.status, head.sequence, |out| {
        let mut count = 0;
        for (field, value) in fields.iter().zip(values) {
            count = write_field(out, head, field, *value, count)?;
        }
        out.extend_from_slice(tlvs.as_bytes());
        Ok(())
    })
}

/// Writes one field; returns its value when it is an integer, which the next field may need.
fn write_field(
    out: &mut Vec<u8>,
    head: EncodeHead,
    field: &'static Field,
    value: FieldValue<'_>,
    count: u32,
) -> Result<u32, EncodeError> {
    let wrong = EncodeError::WrongFields(head.command);
    let mismatch = EncodeError::CountMismatch { field: field.name };
    match (field.kind, value) {
        (FieldKind::Int1, FieldValue::Int(int)) => {
            out.push(u8::try_from(int).map_err(|_| wrong)?);
            return Ok(int);
        }
        (FieldKind::Int4, FieldValue::Int(int)) => out.extend_from_slice(&int.to_be_bytes()),
        (FieldKind::CString { max }, FieldValue::Text(text)) => {
            put_text(out, field.name, text, read_max(field, max))?;
        }
        (FieldKind::Time, FieldValue::Text(text)) => put_time(out, field.name, text)?,
        (FieldKind::Octets, FieldValue::Octets(octets)) => {
            bounds::SM_LENGTH.check_length(head.command, head.version, field.name, octets.len())?;
            if u32::try_from(octets.len()) != Ok(count) {
                return Err(mismatch);
            }
            out.extend_from_slice(octets);
        }
        (FieldKind::DestAddresses, FieldValue::Destinations(DestAddresses { list }))
        | (FieldKind::UnsuccessSmes, FieldValue::Unsuccessful(UnsuccessSmes { list })) => {
            if list.count != count {
                return Err(mismatch);
            }
            out.extend_from_slice(list.octets);
        }
        _ => return Err(wrong),
    }
    Ok(0)
}
