//! The readable view of PDUs and receipts, as JSON. For tools, not for the hot path. Pure, lives nowhere.

use serde_json::{Map, Value, json};

use crate::layout::{FieldValue, decode_fields};
use crate::pdu::{DestAddress, FrameError, HEADER_LEN, UnsuccessSme, next_frame, tlvs_alone};
use crate::receipt::{Receipt, ReceiptState, parse_receipt_text};
use crate::receipt_text::TextScan;
use crate::status::CommandStatus;
use crate::tlv::{Tlv, TlvKind, read_int, tag_spec};

/// One PDU as an object with `command`, `command_id`, `command_status`, `sequence_number`, `fields` (by the
/// specification's names: octet strings in hexadecimal, C-octet strings as text, octets above 0x7F read as
/// Latin-1) and `tlvs`; or an object with `error`, also when `octets` hold less or more than one PDU.
pub fn pdu_to_json(octets: &[u8]) -> Value {
    match read_pdu(octets) {
        Ok(value) => value,
        Err(error) => json!({ "error": error }),
    }
}

fn read_pdu(octets: &[u8]) -> Result<Value, String> {
    let found = next_frame(octets, u32::MAX).map_err(|error| error.to_string())?;
    let (frame, used) = found.ok_or_else(|| incomplete(octets))?;
    if used != octets.len() {
        return Err(format!("{} octets follow the PDU of {used} octets", octets.len() - used));
    }
    let header = frame.header;
    let name = header.command.name();
    let command_id = format!("0x{:08X}", header.command.0);
    let name = name.ok_or_else(|| format!("unknown command_id {command_id}"))?;
    let mut fields = Map::new();
    let tlvs = match tlvs_alone(&frame) {
        Some(tlvs) => tlvs,
        None => decode_fields(header.command, frame.body, &mut |field| {
            fields.insert(field.field.name.to_owned(), field_to_json(field.value));
        })
        .map_err(|error| format!("{name}: {error}"))?,
    };
    Ok(json!({
        "command": name,
        "command_id": command_id,
        "command_status": header.status.0,
        "sequence_number": header.sequence,
        "fields": fields,
        "tlvs": tlvs.map(tlv_to_json).collect::<Vec<_>>(),
    }))
}

fn incomplete(octets: &[u8]) -> String {
    let Some(word) = octets.first_chunk() else {
        return format!("{} octets are less than a header of {HEADER_LEN}", octets.len());
    };
    let length = u32::from_be_bytes(*word);
    let error = FrameError::TooLong(length);
    match error.looks_like() {
        Some(_) => error.to_string(),
        None => format!("incomplete: command_length {length}, but {} octets", octets.len()),
    }
}

fn field_to_json(value: FieldValue<'_>) -> Value {
    match value {
        FieldValue::Int(int) => int.into(),
        FieldValue::Text(text) => latin1(text).into(),
        FieldValue::Octets(octets) => hex(octets).into(),
        FieldValue::Destinations(list) => list.iter().map(destination_to_json).collect(),
        FieldValue::Unsuccessful(list) => list.iter().map(unsuccessful_to_json).collect(),
    }
}

fn destination_to_json(address: DestAddress<'_>) -> Value {
    match address {
        DestAddress::Sme { ton, npi, address } => json!({
            "dest_flag": 1,
            "dest_addr_ton": ton,
            "dest_addr_npi": npi,
            "destination_addr": latin1(address),
        }),
        DestAddress::DistributionList { name } => {
            json!({ "dest_flag": 2, "dl_name": latin1(name) })
        }
    }
}

fn unsuccessful_to_json(sme: UnsuccessSme<'_>) -> Value {
    let CommandStatus(status) = sme.status;
    json!({
        "dest_addr_ton": sme.ton,
        "dest_addr_npi": sme.npi,
        "destination_addr": latin1(sme.address),
        "error_status_code": format!("0x{status:08X}"),
    })
}

fn tlv_to_json(tlv: Tlv<'_>) -> Value {
    let spec = tag_spec(tlv.tag);
    let value = match spec.map(|spec| spec.kind) {
        Some(TlvKind::Int) => {
            read_int(tlv.value).map_or_else(|| hex(tlv.value).into(), Value::from)
        }
        Some(TlvKind::CString) => latin1(tlv.value.strip_suffix(b"\0").unwrap_or(tlv.value)).into(),
        Some(TlvKind::Octets) | None => Value::from(hex(tlv.value)),
    };
    json!({
        "tag": format!("0x{:04X}", tlv.tag),
        "name": spec.map(|spec| spec.name),
        "value": value,
    })
}

fn latin1(octets: &[u8]) -> String {
    octets.iter().map(|octet| char::from(*octet)).collect()
}

fn hex(octets: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('?');
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 0x0F)]).collect()
}

/// A receipt's text as an object with `id`, `stat`, `state`, `err`, `submit_date`, `done_date`, `sub`,
/// `dlvrd` and `text`, each as sent or null (`state` is the message state's name, null for an unknown
/// word); or an object with `error` when the text is none: it does not begin with a key, or lacks an id or a
/// stat.
pub fn receipt_to_json(text: &str) -> Value {
    let receipt = parse_receipt_text(text.as_bytes());
    match receipt.filter(|_| TextScan::begins_with_key(text.as_bytes())) {
        Some(receipt) => receipt_object(&receipt),
        None => json!({ "error": "not a delivery receipt: id: or stat: is missing" }),
    }
}

fn utf8(octets: &[u8]) -> Value {
    String::from_utf8_lossy(octets).into()
}

fn receipt_object(receipt: &Receipt<'_>) -> Value {
    json!({
        "id": utf8(receipt.id),
        "stat": utf8(receipt.stat),
        "state": receipt.state.map(ReceiptState::name),
        "err": receipt.err.map(utf8),
        "submit_date": receipt.submit_date.map(utf8),
        "done_date": receipt.done_date.map(utf8),
        "sub": receipt.sub.map(utf8),
        "dlvrd": receipt.dlvrd.map(utf8),
        "text": receipt.text.map(utf8),
    })
}
