//! PDUs that three other implementations wrote: read, shown and written again, octet for octet. Test code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{generated, number, text, unhex};
use postrider_smpp::command::CommandId;
use postrider_smpp::json::pdu_to_json;
use postrider_smpp::layout::{FieldValue, decode_fields, encode_fields};
use postrider_smpp::pdu::{
    Body, DestAddress, DestAddresses, EncodeHead, Frame, Header, UnsuccessSme, UnsuccessSmes,
    decode, decode_for, encode, next_frame,
};
use postrider_smpp::status::CommandStatus;
use postrider_smpp::tlv::{Tlv, Tlvs};
use serde_json::{Map, Value};

fn frame(octets: &[u8]) -> Frame<'_> {
    let (frame, used) = next_frame(octets, 70_000).unwrap().unwrap();
    assert_eq!(used, octets.len());
    frame
}

/// The value as the strict reading of the vector has it.
fn canonical(field: &Value) -> Value {
    match field["type"].as_str().unwrap() {
        "octet-string" => field["hex"].clone(),
        _ => field["value"].clone(),
    }
}

#[test]
fn json_view_shows_the_canonical_fields_and_tlvs() {
    for vector in generated() {
        let id = text(&vector, "id");
        let shown = pdu_to_json(&unhex(text(&vector, "hex")));
        let header = &vector["canonical"]["header"];
        assert_eq!(shown["command"], header["command"], "{id}");
        assert_eq!(shown["command_id"], header["command_id"], "{id}");
        let status = number(text(header, "command_status"));
        assert_eq!(shown["command_status"], status, "{id}");
        assert_eq!(shown["sequence_number"], header["sequence_number"], "{id}");
        let fields: Map<String, Value> = common::list(&vector["canonical"], "fields")
            .iter()
            .map(|field| (text(field, "name").to_owned(), canonical(field)))
            .collect();
        assert_eq!(shown["fields"], Value::from(fields), "{id}");
        let tlvs = common::list(&vector["canonical"], "tlvs");
        assert_eq!(common::list(&shown, "tlvs").len(), tlvs.len(), "{id}");
        for (shown, tlv) in common::list(&shown, "tlvs").iter().zip(tlvs) {
            assert_eq!((&shown["tag"], &shown["name"]), (&tlv["tag"], &tlv["name"]), "{id}");
            let value = tlv.get("value").filter(|value| !value.is_null()).unwrap_or(&tlv["hex"]);
            assert_eq!(&shown["value"], value, "{id}");
        }
    }
}

#[test]
fn every_pdu_is_encoded_from_its_canonical_fields_octet_for_octet() {
    let mut refused = 0;
    for vector in generated() {
        let id = text(&vector, "id");
        let hex = unhex(text(&vector, "hex"));
        let legal_in_3_4 = common::list(&vector, "spec_warnings").is_empty();
        assert_eq!(encode_canonical(&vector["canonical"], 0x50).unwrap(), hex, "{id}");
        assert_eq!(encode_canonical(&vector["canonical"], 0x34).is_ok(), legal_in_3_4, "{id}");
        refused += usize::from(!legal_in_3_4);
    }
    assert_eq!(refused, 1, "sm_length 255");
}

/// Writes a PDU from the canonical reading alone.
fn encode_canonical(canonical: &Value, version: u8) -> Result<Vec<u8>, String> {
    let header = &canonical["header"];
    let head = EncodeHead {
        command: CommandId(number(text(header, "command_id"))),
        status: CommandStatus(number(text(header, "command_status"))),
        sequence: header["sequence_number"].as_u64().unwrap() as u32,
        version,
    };
    let fields = common::list(canonical, "fields");
    let raw: Vec<Vec<u8>> = fields.iter().map(raw_value).collect();
    let values: Vec<FieldValue<'_>> = fields
        .iter()
        .zip(&raw)
        .map(|(field, raw)| {
            let count = || field["value"].as_array().unwrap().len() as u8;
            match (text(field, "type"), text(field, "name")) {
                ("integer1", _) => FieldValue::Int(field["value"].as_u64().unwrap() as u32),
                ("octet-string", _) => FieldValue::Octets(raw),
                (_, "dest_address") => {
                    FieldValue::Destinations(DestAddresses::new(count(), raw).unwrap())
                }
                (_, "unsuccess_sme") => {
                    FieldValue::Unsuccessful(UnsuccessSmes::new(count(), raw).unwrap())
                }
                _ => FieldValue::Text(raw),
            }
        })
        .collect();
    let mut area = Vec::new();
    for tlv in common::list(canonical, "tlvs") {
        let value = unhex(text(tlv, "hex"));
        assert!(Tlv { tag: number(text(tlv, "tag")) as u16, value: &value }.write(&mut area));
    }
    let mut out = Vec::new();
    encode_fields(&mut out, head, &values, Tlvs::new(&area)).map_err(|error| error.to_string())?;
    Ok(out)
}

/// The octets behind one canonical field that is not an integer.
fn raw_value(field: &Value) -> Vec<u8> {
    let address = |item: &Value| text(item, "destination_addr").as_bytes().to_vec();
    let byte = |item: &Value, key: &str| item[key].as_u64().unwrap() as u8;
    let (ton, npi) = ("dest_addr_ton", "dest_addr_npi");
    let mut raw = Vec::new();
    match (text(field, "type"), text(field, "name")) {
        ("integer1", _) => {}
        ("octet-string", _) => raw = unhex(text(field, "hex")),
        (_, "dest_address") => {
            for item in common::list(field, "value") {
                let done = if byte(item, "dest_flag") == 1 {
                    let address = address(item);
                    DestAddress::Sme {
                        ton: byte(item, ton),
                        npi: byte(item, npi),
                        address: &address,
                    }
                    .write(&mut raw)
                } else {
                    DestAddress::DistributionList { name: text(item, "dl_name").as_bytes() }
                        .write(&mut raw)
                };
                done.unwrap();
            }
        }
        (_, "unsuccess_sme") => {
            for item in common::list(field, "value") {
                let address = address(item);
                let status = CommandStatus(number(text(item, "error_status_code")));
                UnsuccessSme {
                    ton: byte(item, ton),
                    npi: byte(item, npi),
                    address: &address,
                    status,
                }
                .write(&mut raw)
                .unwrap();
            }
        }
        _ => raw = text(field, "value").as_bytes().to_vec(),
    }
    raw
}

#[test]
fn every_pdu_read_through_its_layout_is_written_again_octet_for_octet() {
    for vector in generated() {
        let octets = unhex(text(&vector, "hex"));
        let frame = frame(&octets);
        let mut values = Vec::new();
        let command = frame.header.command;
        let tlvs = decode_fields(command, frame.body, &mut |field| values.push(field.value));
        let mut out = vec![0xEE];
        let head = EncodeHead {
            command,
            status: frame.header.status,
            sequence: frame.header.sequence,
            version: 0x50,
        };
        encode_fields(&mut out, head, &values, tlvs.unwrap()).unwrap();
        assert_eq!(out[1..], octets, "{}", text(&vector, "id"));
    }
}

#[test]
fn every_pdu_read_by_its_type_is_written_again_octet_for_octet() {
    let mut commands = Vec::new();
    for vector in generated() {
        let octets = unhex(text(&vector, "hex"));
        let frame = frame(&octets);
        let Header { command, status, sequence, .. } = frame.header;
        let mut body = decode_for(0x50, &frame).unwrap();
        if frame.body.is_empty() {
            body = Body::Empty { tlvs: Tlvs::default() };
        }
        let mut out = vec![0xEE];
        encode(&mut out, EncodeHead { command, status, sequence, version: 0x50 }, &body).unwrap();
        assert_eq!(out[1..], octets, "{}", text(&vector, "id"));
        commands.push(command.0);
    }
    commands.sort_unstable();
    commands.dedup();
    let mut without = CommandId::ALL.to_vec();
    without.retain(|command| !commands.contains(&command.0));
    let broadcast = [CommandId::QUERY_BROADCAST_SM_RESP, CommandId::CANCEL_BROADCAST_SM_RESP];
    assert_eq!(without, broadcast, "for these alone no other program's octets are at hand");
}

#[test]
fn a_short_message_of_255_octets_is_for_5_0_alone() {
    let vectors = generated();
    let vector = vectors.iter().find(|v| text(v, "id") == "node/submit_sm-255").unwrap();
    let octets = unhex(text(vector, "hex"));
    let Ok(Body::Message(message)) = decode(&frame(&octets)) else { panic!("it must be read") };
    let mut out = vec![1, 2, 3];
    let refused = postrider_smpp::pdu::encode_message(&mut out, CommandId::SUBMIT_SM, 1, &message);
    assert!(refused.is_err());
    assert_eq!(out, [1, 2, 3], "a failed write leaves nothing behind");
}
