//! Every bound that the versions set apart: each row is written at its edges and beyond, in both versions.
//! Test code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use common::{body_of, encoded};
use postrider_smpp::bounds::BOUNDS;
use postrider_smpp::command::CommandId as C;
use postrider_smpp::pdu::{
    Body, DestAddress, EncodeError, PduError, UnsuccessSme, VERSION_3_4, VERSION_5_0, decode,
    decode_for, encode_submit_multi, encode_submit_multi_response, next_frame,
};
use postrider_smpp::status::CommandStatus as S;
use postrider_smpp::tlv::{Tlv, Tlvs, tag};

/// Field, command, what 3.4 and 5.0 allow: the reading of both specifications.
const EXPECTED: &[(&str, C, RangeInclusive<u8>, RangeInclusive<u8>)] = &[
    ("sm_length", C::SUBMIT_SM, 0..=254, 0..=255),
    ("sm_length", C::SUBMIT_MULTI, 0..=254, 0..=255),
    ("sm_length", C::REPLACE_SM, 0..=254, 0..=255),
    ("sm_length", C::DELIVER_SM, 0..=254, 0..=255),
    ("number_of_dests", C::SUBMIT_MULTI, 1..=254, 1..=255),
    ("no_unsuccess", C::SUBMIT_MULTI_RESP, 0..=254, 0..=255),
    ("sm_default_msg_id", C::SUBMIT_SM, 0..=254, 0..=255),
    ("sm_default_msg_id", C::SUBMIT_MULTI, 0..=254, 0..=255),
    ("sm_default_msg_id", C::REPLACE_SM, 0..=254, 0..=255),
    ("sm_default_msg_id", C::DELIVER_SM, 0..=0, 0..=255),
    ("replace_if_present_flag", C::SUBMIT_SM, 0..=1, 0..=1),
    ("replace_if_present_flag", C::BROADCAST_SM, 0..=1, 0..=1),
    ("replace_if_present_flag", C::SUBMIT_MULTI, 0..=0, 0..=1),
    ("replace_if_present_flag", C::DELIVER_SM, 0..=0, 0..=1),
    ("priority_flag", C::SUBMIT_SM, 0..=3, 0..=3),
    ("priority_flag", C::SUBMIT_MULTI, 0..=3, 0..=3),
    ("priority_flag", C::DELIVER_SM, 0..=3, 0..=3),
    ("priority_flag", C::BROADCAST_SM, 0..=4, 0..=4),
    ("registered_delivery", C::SUBMIT_SM, 0..=2, 0..=3),
    ("registered_delivery", C::SUBMIT_MULTI, 0..=2, 0..=3),
    ("registered_delivery", C::DATA_SM, 0..=2, 0..=3),
    ("registered_delivery", C::REPLACE_SM, 0..=2, 0..=3),
    ("schedule_delivery_time", C::DELIVER_SM, 0..=0, 0..=16),
    ("validity_period", C::DELIVER_SM, 0..=0, 0..=16),
];

const TIME: &[u8] = b"000002000000000R";
static LONG: [u8; 255] = [b'x'; 255];
/// broadcast_area_identifier, broadcast_content_type, broadcast_rep_num, broadcast_frequency_interval.
const BROADCAST: &[u8] =
    b"\x06\x06\0\x01\0\x06\x01\0\x03\0\0\x10\x06\x04\0\x02\0\x01\x06\x05\0\x03\x09\0\x1F";

/// Sends `command` with one field set to `value`, or of that length.
fn send(command: C, version: u8, field: &str, value: u8) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    let count = usize::from(value);
    if field == "number_of_dests" {
        let to = std::iter::repeat_n(DestAddress::DistributionList { name: b"all" }, count);
        let message = Default::default();
        return encode_submit_multi(&mut out, version, 1, &message, to).map(|()| out);
    }
    if field == "no_unsuccess" {
        let status = S::ESME_RINVDSTADR;
        let sme = UnsuccessSme { ton: 1, npi: 1, address: b"4477", status };
        let failed = std::iter::repeat_n(sme, count);
        return encode_submit_multi_response(&mut out, version, S::ESME_ROK, 1, b"id", failed)
            .map(|()| out);
    }
    let tlvs = if command == C::BROADCAST_SM { BROADCAST } else { &[] };
    let mut body = body_of(command, Tlvs::new(tlvs)).unwrap();
    let set = |message: &mut postrider_smpp::pdu::ShortMessage<'static>| match field {
        "sm_length" => message.short_message = &LONG[..count],
        "sm_default_msg_id" => message.sm_default_msg_id = value,
        "replace_if_present_flag" => message.replace_if_present = value,
        "priority_flag" => message.priority_flag = value,
        "registered_delivery" => message.registered_delivery = value,
        "schedule_delivery_time" => message.schedule_delivery_time = &TIME[..count],
        "validity_period" => message.validity_period = &TIME[..count],
        other => panic!("{other} has no place in {command:?}"),
    };
    match (&mut body, field) {
        (Body::Message(message), _) => set(message),
        (Body::SubmitMulti(multi), _) => set(&mut multi.message),
        (Body::Replace(replace), "sm_length") => replace.short_message = &LONG[..count],
        (Body::Replace(replace), "sm_default_msg_id") => replace.sm_default_msg_id = value,
        (Body::Replace(replace), "registered_delivery") => replace.registered_delivery = value,
        (Body::Broadcast(broadcast), "priority_flag") => broadcast.priority_flag = value,
        (Body::Broadcast(broadcast), "replace_if_present_flag") => {
            broadcast.replace_if_present = value;
        }
        other => panic!("{other:?}"),
    }
    encoded(command, version, &body)
}

#[test]
fn every_bound_is_held_to_at_its_edges_in_both_versions() {
    let mut tried = BTreeSet::new();
    for (field, command, v3_4, v5_0) in EXPECTED {
        for (version, range) in [(VERSION_3_4, v3_4), (VERSION_5_0, v5_0)] {
            if command.needs_5_0() && version == VERSION_3_4 {
                continue;
            }
            let what = format!("{field} of {command:?} in {version:#x}");
            for value in [*range.start(), *range.end()] {
                let sent = send(*command, version, field, value);
                let pdu = sent.unwrap_or_else(|error| panic!("{what}, {value}: {error}"));
                let (frame, _) = next_frame(&pdu, 70_000).unwrap().unwrap();
                assert!(decode_for(version, &frame).is_ok(), "{what}, {value}: read back");
            }
            let beyond = [range.start().checked_sub(1), range.end().checked_add(1)];
            // Bits beside registered_delivery's mask are free, and no time is longer than 16.
            let masked = match *field {
                "registered_delivery" => 3,
                "schedule_delivery_time" | "validity_period" => 16,
                _ => u8::MAX,
            };
            for value in beyond.into_iter().flatten().filter(|value| *value <= masked) {
                let refused = send(*command, version, field, value);
                assert!(refused.is_err(), "{what}: {value} is out of bounds");
            }
        }
        tried.insert((*field, command.0));
    }
    let rows: BTreeSet<(&str, u32)> = BOUNDS
        .iter()
        .flat_map(|bound| bound.rows.iter().map(move |row| (bound.field, row)))
        .flat_map(|(field, row)| row.commands.iter().map(move |command| (field, command.0)))
        .collect();
    assert_eq!(tried, rows, "a row without a test, or a test without a row");
    for (field, command, v3_4, v5_0) in EXPECTED {
        let bound = BOUNDS.iter().find(|bound| bound.field == *field).unwrap();
        assert_eq!(bound.range(*command, VERSION_3_4), *v3_4, "{field} of {command:?}");
        assert_eq!(bound.range(*command, VERSION_5_0), *v5_0, "{field} of {command:?}");
    }
}

/// The octets of a submit_sm with two of its fields set.
fn submitted(priority: u8, replace: u8) -> Vec<u8> {
    let mut pdu =
        encoded(C::SUBMIT_SM, 0x34, &body_of(C::SUBMIT_SM, Tlvs::default()).unwrap()).unwrap();
    // Header, service_type, source (3 octets), destination (3), esm_class, protocol_id.
    pdu[16 + 1 + 3 + 3 + 2] = priority;
    pdu[16 + 1 + 3 + 3 + 2 + 1 + 1 + 1 + 1] = replace;
    pdu
}

#[test]
fn what_could_not_be_passed_on_is_refused_when_it_is_submitted() {
    let read = |mut pdu: Vec<u8>, command: C| {
        pdu[4..8].copy_from_slice(&command.0.to_be_bytes());
        let (frame, _) = next_frame(&pdu, 1000).unwrap().unwrap();
        decode(&frame).map(|_| ())
    };
    let refused = |status| Err(PduError::Nack { status });
    assert_eq!(read(submitted(3, 1), C::SUBMIT_SM), Ok(()));
    assert_eq!(read(submitted(4, 0), C::SUBMIT_SM), refused(S::ESME_RINVPRTFLG));
    assert_eq!(read(submitted(0, 2), C::SUBMIT_SM), refused(S::ESME_RINVREPFLAG));
    assert_eq!(read(submitted(9, 9), C::DELIVER_SM), Ok(()), "a carrier may send anything");
}

#[test]
fn both_texts_are_refused_in_3_4_and_the_payload_supersedes_in_5_0() {
    let mut area = Vec::new();
    assert!(Tlv { tag: tag::MESSAGE_PAYLOAD, value: b"payload" }.write(&mut area));
    for command in [C::SUBMIT_SM, C::SUBMIT_MULTI] {
        let mut body = body_of(command, Tlvs::new(&area)).unwrap();
        match &mut body {
            Body::Message(message) => message.short_message = b"short",
            Body::SubmitMulti(multi) => multi.message.short_message = b"short",
            other => panic!("{other:?}"),
        }
        assert_eq!(encoded(command, 0x34, &body), Err(EncodeError::BothTexts));
        let pdu = encoded(command, 0x50, &body).unwrap();
        let (frame, _) = next_frame(&pdu, 1000).unwrap().unwrap();
        let status = S::ESME_ROPTPARNOTALLWD;
        assert_eq!(decode(&frame).unwrap_err(), PduError::Nack { status });
        let text = match decode_for(0x50, &frame).unwrap() {
            Body::Message(message) => message.text(),
            Body::SubmitMulti(multi) => multi.message.text(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text, b"payload");
    }
}

#[test]
fn cell_broadcast_is_for_5_0_alone() {
    for command in C::ALL.iter().copied() {
        let tlvs = if command == C::BROADCAST_SM { BROADCAST } else { &[] };
        let Some(body) = body_of(command, Tlvs::new(tlvs)) else { continue };
        let name = command.name().unwrap();
        let old = encoded(command, 0x34, &body);
        assert_eq!(old == Err(EncodeError::NotInVersion(command)), name.contains("broadcast"));
        if command != C::QUERY_BROADCAST_SM_RESP {
            assert!(encoded(command, 0x50, &body).is_ok(), "{name}");
        }
    }
}
