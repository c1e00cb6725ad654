//! One PDU as JSON. Pure, lives nowhere.

use serde_json::{Map, Value, json};

use super::symbols::symbol;
use super::typed::{plain_value, typed_value};
use super::{json_to_pdu, latin1, to_hex};
use crate::layout::{FieldRef, FieldValue, decode_fields};
use crate::pdu::{DestAddress, FrameError, HEADER_LEN, UnsuccessSme, next_frame, tlvs_alone};
use crate::status::CommandStatus;
use crate::tlv::{Tlv, tag_name};

/// One PDU as an object, or an object with `error`, also when `octets` hold less or more than one PDU.
///
/// The members: `command` and `command_id`, `command_status` and its name `status` (null without one),
/// `sequence_number`; `fields` by the specification's names: numbers, octet strings in hexadecimal, C-octet
/// strings as text (octets above 0x7F read as Latin-1); `symbols`: what the numbers of `fields` mean, by the same
/// names, where they have a meaning; `tlvs`: `tag`, `name` (null for an unknown tag), `value` (number, text or
/// hexadecimal), `hex` and, where there is more to say, `typed`; `hex`: the PDU itself; `exact`: whether the rest
/// says all that `hex` does, which octets without a place in the specification prevent.
pub fn pdu_to_json(octets: &[u8]) -> Value {
    match read_pdu(octets) {
        Ok(mut object) => {
            let again = json_to_pdu(&Value::from(object.clone()));
            object.insert("hex".to_owned(), to_hex(octets).into());
            object.insert("exact".to_owned(), (again.as_deref() == Ok(octets)).into());
            object.into()
        }
        Err(error) => json!({ "error": error }),
    }
}

/// Everything but `hex` and `exact`.
fn read_pdu(octets: &[u8]) -> Result<Map<String, Value>, String> {
    let found = next_frame(octets, u32::MAX).map_err(|error| error.to_string())?;
    let (frame, used) = found.ok_or_else(|| incomplete(octets))?;
    if used != octets.len() {
        return Err(format!("{} octets follow the PDU of {used} octets", octets.len() - used));
    }
    let header = frame.header;
    let name = header.command.name();
    let command_id = format!("0x{:08X}", header.command.0);
    let name = name.ok_or_else(|| format!("unknown command_id {command_id}"))?;
    let (mut fields, mut symbols) = (Map::new(), Map::new());
    let tlvs = match tlvs_alone(&frame) {
        Some(tlvs) => tlvs,
        None => decode_fields(header.command, frame.body, &mut |field| {
            show_field(field, &mut fields, &mut symbols);
        })
        .map_err(|error| format!("{name}: {error}"))?,
    };
    let members = [
        ("command", name.into()),
        ("command_id", command_id.into()),
        ("command_status", header.status.0.into()),
        ("status", header.status.name().into()),
        ("sequence_number", header.sequence.into()),
        ("fields", fields.into()),
        ("symbols", symbols.into()),
        ("tlvs", tlvs.map(tlv_to_json).collect()),
    ];
    Ok(members.map(|(name, value): (&str, Value)| (name.to_owned(), value)).into_iter().collect())
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

fn show_field(
    field: FieldRef<'_>,
    fields: &mut Map<String, Value>,
    symbols: &mut Map<String, Value>,
) {
    let name = field.field.name;
    let mut means = None;
    let value = match field.value {
        FieldValue::Int(int) => {
            means = symbol(name, int);
            int.into()
        }
        FieldValue::Text(text) => latin1(text).into(),
        FieldValue::Octets(octets) => to_hex(octets).into(),
        FieldValue::Destinations(list) => {
            means = Some(list.iter().map(destination_symbols).collect());
            list.iter().map(destination_to_json).collect()
        }
        FieldValue::Unsuccessful(list) => {
            means = Some(list.iter().map(unsuccessful_symbols).collect());
            list.iter().map(unsuccessful_to_json).collect()
        }
    };
    fields.insert(name.to_owned(), value);
    if let Some(means) = means {
        symbols.insert(name.to_owned(), means);
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

/// What the numbers of `values` mean, where they mean something.
fn symbols_of<const N: usize>(values: [(&str, u32); N]) -> Value {
    let known = values
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), symbol(name, value)?)));
    known.collect::<Map<String, Value>>().into()
}

fn destination_symbols(address: DestAddress<'_>) -> Value {
    match address {
        DestAddress::Sme { ton, npi, .. } => symbols_of([
            ("dest_flag", 1),
            ("dest_addr_ton", ton.into()),
            ("dest_addr_npi", npi.into()),
        ]),
        DestAddress::DistributionList { .. } => symbols_of([("dest_flag", 2)]),
    }
}

fn unsuccessful_symbols(sme: UnsuccessSme<'_>) -> Value {
    symbols_of([
        ("dest_addr_ton", sme.ton.into()),
        ("dest_addr_npi", sme.npi.into()),
        ("error_status_code", sme.status.0),
    ])
}

fn tlv_to_json(tlv: Tlv<'_>) -> Value {
    let mut object = json!({
        "tag": format!("0x{:04X}", tlv.tag),
        "name": tag_name(tlv.tag),
        "value": plain_value(tlv),
        "hex": to_hex(tlv.value),
    });
    if let (Some(typed), Some(object)) = (typed_value(tlv), object.as_object_mut()) {
        object.insert("typed".to_owned(), typed);
    }
    object
}
