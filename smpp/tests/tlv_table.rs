//! Every row of the parameter table: where it belongs, how long it is, whether it repeats, where it is
//! mandatory, against the table compared from fifteen code bases; then each row is written, read, made too
//! short, too long and doubled in every PDU and both versions. Test code.
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

use common::{body_of, encoded, list, load, number, text, unhex};
use postrider_smpp::command::CommandId as C;
use postrider_smpp::pdu::{EncodeError, decode_for, next_frame};
use postrider_smpp::status::CommandStatus as S;
use postrider_smpp::tlv::{
    COMPANIONS, Structure, TLV_TABLE, Tlv, TlvFault, TlvKind, TlvSpec, TlvValue, Tlvs, put, tag,
    tag_by_name, tag_spec,
};
use serde_json::Value;

const VERSIONS: [u8; 2] = [0x34, 0x50];

/// The commands that one word of the compared table stands for, and whether it is mandatory there.
fn commands(word: &str) -> (Vec<C>, bool) {
    let bind = vec![C::BIND_RECEIVER_RESP, C::BIND_TRANSMITTER_RESP, C::BIND_TRANSCEIVER_RESP];
    let submit = [C::SUBMIT_SM, C::SUBMIT_MULTI, C::DATA_SM];
    let deliver = [C::DELIVER_SM, C::DATA_SM];
    let commands = match word.trim_end_matches('!') {
        "sub" => submit.to_vec(),
        "subr" => submit.map(C::response).to_vec(),
        "del" => deliver.to_vec(),
        "delr" => deliver.map(C::response).to_vec(),
        "bc" => vec![C::BROADCAST_SM],
        "bcr" => vec![C::BROADCAST_SM_RESP],
        "qbc" => vec![C::QUERY_BROADCAST_SM],
        "qbcr" => vec![C::QUERY_BROADCAST_SM_RESP],
        "cbc" => vec![C::CANCEL_BROADCAST_SM],
        "repl" => vec![C::REPLACE_SM],
        "alert" => vec![C::ALERT_NOTIFICATION],
        "bind_resp" | "bind_*_resp" => bind,
        "any-resp" => C::ALL.iter().copied().filter(|command| command.is_response()).collect(),
        name => vec![C::from_name(name).unwrap_or_else(|| panic!("{name}"))],
    };
    (commands, word.ends_with('!'))
}

fn ids(row: &Value, column: &str) -> (BTreeSet<u32>, BTreeSet<u32>) {
    let (mut all, mut mandatory) = (BTreeSet::new(), BTreeSet::new());
    for word in list(row, column) {
        let (commands, must) = commands(word.as_str().unwrap());
        all.extend(commands.iter().map(|command| command.0));
        mandatory.extend(commands.iter().filter(|_| must).map(|command| command.0));
    }
    (all, mandatory)
}

#[test]
fn every_parameter_belongs_to_the_pdus_of_the_compared_table() {
    let table = load("constants.json");
    let rows = list(&table, "tlvs");
    assert_eq!(rows.len(), TLV_TABLE.len());
    assert!(TLV_TABLE.len() <= 64, "a set of rows has a bit for each");
    for row in rows {
        let spec = tag_spec(number(text(row, "tag")) as u16).unwrap();
        let owned = |holds: &dyn Fn(C) -> bool| {
            C::ALL.iter().filter(|c| holds(**c)).map(|c| c.0).collect::<BTreeSet<u32>>()
        };
        assert_eq!(owned(&|c| spec.belongs(c, 0x34)), ids(row, "pdus_3_4").0, "{}", spec.name);
        let (all, mandatory) = ids(row, "pdus_5_0");
        assert_eq!(owned(&|c| spec.belongs(c, 0x50)), all, "{}", spec.name);
        assert_eq!(owned(&|c| spec.is_mandatory(c)), mandatory, "{}", spec.name);
    }
    let repeated: Vec<&str> =
        TLV_TABLE.iter().filter(|spec| spec.repeats).map(|spec| spec.name).collect();
    assert_eq!(
        repeated,
        [
            "callback_num_pres_ind",
            "callback_num_atag",
            "callback_num",
            "broadcast_area_identifier",
            "broadcast_error_status",
            "broadcast_area_success",
        ]
    );
}

/// A good value of `length` octets; `None` when the parameter has none of that length.
fn sample(spec: &TlvSpec, length: u16) -> Option<Vec<u8>> {
    let length = usize::from(length);
    Some(match spec.kind {
        TlvKind::CString => {
            let mut text = vec![b'a'; length.checked_sub(1)?];
            text.push(0);
            text
        }
        TlvKind::Time => b"260102150405600+\0".get(..length)?.to_vec(),
        TlvKind::Digits => vec![b'7'; length],
        TlvKind::Structured(Structure::MsValidity) if length == 2 || length == 3 => return None,
        // The three of segmentation are 1 of 1 then, and every structure can begin so.
        _ => vec![1; length],
    })
}

/// Writes parameters one after the other.
fn area(tlvs: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut area = Vec::new();
    for (tag, value) in tlvs {
        assert!(Tlv { tag: *tag, value }.write(&mut area));
    }
    area
}

/// What a PDU must have beside the parameter under test to be sent at all.
fn company(command: C, spec: &TlvSpec) -> Vec<(u16, Vec<u8>)> {
    let sar = [tag::SAR_MSG_REF_NUM, tag::SAR_TOTAL_SEGMENTS, tag::SAR_SEGMENT_SEQNUM];
    let belongs = |other: &&TlvSpec| {
        other.tag != spec.tag
            && (other.is_mandatory(command)
                || COMPANIONS.contains(&(spec.tag, other.tag))
                || (sar.contains(&spec.tag) && sar.contains(&other.tag)))
    };
    let others = TLV_TABLE.iter().filter(belongs);
    others.map(|other| (other.tag, sample(other, *other.lengths(0x50).start()).unwrap())).collect()
}

/// Writes a PDU with `values` of one parameter and the company it needs.
fn write(
    command: C,
    version: u8,
    spec: &TlvSpec,
    values: &[Vec<u8>],
) -> Result<Vec<u8>, EncodeError> {
    let mut tlvs: Vec<_> = values.iter().map(|value| (spec.tag, value.clone())).collect();
    tlvs.extend(company(command, spec));
    let area = area(&tlvs);
    encoded(command, version, &body_of(command, Tlvs::new(&area)).unwrap())
}

/// Sends one row in one command and version; returns how many lengths were tried.
fn exercise(command: C, version: u8, spec: &TlvSpec) -> usize {
    let what = format!("{} in {command:?}, {version:#x}", spec.name);
    let lengths = spec.lengths(version);
    let (min, max) = (*lengths.start(), *lengths.end());
    if version < spec.since {
        let refused = write(command, version, spec, &[sample(spec, min).unwrap()]);
        assert_eq!(refused, Err(EncodeError::Tlv(TlvFault::Version(spec.name))), "{what}");
        return 1;
    }
    for length in [min, max] {
        let value = sample(spec, length).unwrap();
        let pdu = write(command, version, spec, std::slice::from_ref(&value))
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let (frame, _) = next_frame(&pdu, 100_000).unwrap().unwrap();
        let tlvs = decode_for(version, &frame).unwrap().tlvs();
        assert_eq!(tlvs.get(spec.tag), Some(&value[..]), "{what}");
        let misplaced =
            { tlvs }.faults(command, version).any(|fault| fault == TlvFault::Misplaced(spec.name));
        assert_eq!(misplaced, !spec.belongs(command, version), "{what}");
        let typed = Tlv { tag: spec.tag, value: &value }.typed().expect(&what);
        let mut again = Vec::new();
        spec.write(&typed, &mut again).unwrap();
        // A time without its NUL is written with one.
        let nul: &[u8] = if spec.kind == TlvKind::Time && length == 16 { &[0] } else { &[] };
        assert_eq!(again[4..], [&value[..], nul].concat(), "{what}");
    }
    let wrong = [min.checked_sub(1), max.checked_add(1)].into_iter().flatten();
    for length in wrong {
        let refused = write(command, version, spec, &[vec![1; length.into()]]);
        let fault = TlvFault::Length(spec.name);
        assert_eq!(refused, Err(EncodeError::Tlv(fault)), "{what}, {length} octets");
        assert_eq!(fault.status(), S::ESME_RINVPARLEN);
    }
    let twice = write(command, version, spec, &vec![sample(spec, min).unwrap(); 2]);
    match twice {
        Ok(_) => assert!(spec.repeats, "{what}"),
        Err(error) => {
            assert!(!spec.repeats, "{what}: {error}");
            assert_eq!(error, EncodeError::Tlv(TlvFault::Repeated(spec.name)), "{what}");
        }
    }
    2
}

#[test]
fn every_row_is_held_to_in_every_pdu_and_both_versions() {
    let mut rows = BTreeSet::new();
    let mut homes = 0;
    for spec in TLV_TABLE {
        for command in C::ALL.iter().copied() {
            for version in VERSIONS {
                let sendable = !(command.needs_5_0() && version < 0x50);
                if sendable && body_of(command, Tlvs::default()).is_some() {
                    assert!(exercise(command, version, spec) > 0);
                    homes += usize::from(spec.belongs(command, version));
                    rows.insert((spec.tag, version));
                } else {
                    assert!(!spec.belongs(command, version), "{} {command:?}", spec.name);
                }
            }
        }
    }
    assert_eq!(rows.len(), TLV_TABLE.len() * VERSIONS.len(), "a row without a test");
    assert!(homes > 300, "{homes} places where a parameter belongs");
}

#[test]
fn mandatory_parameters_are_asked_for_both_ways() {
    let mut asked = 0;
    for command in C::ALL.iter().copied() {
        let must: Vec<&TlvSpec> =
            TLV_TABLE.iter().filter(|spec| spec.is_mandatory(command)).collect();
        for missing in &must {
            let rest = must.iter().filter(|spec| spec.tag != missing.tag);
            let rest: Vec<_> = rest
                .map(|spec| (spec.tag, sample(spec, *spec.lengths(0x50).start()).unwrap()))
                .collect();
            let area = area(&rest);
            let tlvs = Tlvs::new(&area);
            let fault = TlvFault::Missing(missing.name);
            let refused = encoded(command, 0x50, &body_of(command, tlvs).unwrap());
            assert_eq!(refused, Err(EncodeError::Tlv(fault)));
            assert_eq!(tlvs.faults(command, 0x50).collect::<Vec<_>>(), [fault]);
            assert_eq!(fault.status(), S::ESME_RMISSINGOPTPARAM);
            asked += 1;
        }
    }
    assert_eq!(asked, 7, "four of broadcast_sm, three of query_broadcast_sm_resp");
}

#[test]
fn parameters_that_need_another_are_not_sent_alone() {
    let mut tried = 0;
    for (tag, companion) in COMPANIONS {
        let (spec, other) = (tag_spec(tag).unwrap(), tag_spec(companion).unwrap());
        let value = |spec: &TlvSpec| (spec.tag, sample(spec, *spec.lengths(0x50).start()).unwrap());
        let fault = TlvFault::Alone(spec.name, other.name);
        for (tlvs, wanted) in [(vec![value(spec)], Some(fault)), (vec![value(other)], None)] {
            let area = area(&tlvs);
            let tlvs = Tlvs::new(&area);
            assert_eq!(tlvs.faults(C::SUBMIT_SM, 0x50).next(), wanted);
            let sent = encoded(C::SUBMIT_SM, 0x50, &body_of(C::SUBMIT_SM, tlvs).unwrap());
            assert_eq!(sent.err(), wanted.map(EncodeError::Tlv));
        }
        assert_eq!(fault.status(), S::ESME_RMISSINGOPTPARAM);
        tried += 1;
    }
    assert_eq!(tried, 2);
}

#[test]
fn a_broadcast_without_its_mandatory_parameters_is_refused_by_a_server() {
    let body = b"\0\0\0\0\0\0\0\0\0\0\0";
    let mut pdu = Vec::new();
    pdu.extend_from_slice(&(16 + body.len() as u32).to_be_bytes());
    pdu.extend_from_slice(&C::BROADCAST_SM.0.to_be_bytes());
    pdu.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
    pdu.extend_from_slice(body);
    let (frame, _) = next_frame(&pdu, 1000).unwrap().unwrap();
    let refused = decode_for(0x50, &frame).unwrap_err();
    assert_eq!(refused, S::ESME_RMISSINGOPTPARAM.into());
}

#[test]
fn segmentation_is_whole_and_never_beside_a_user_data_header() {
    use postrider_smpp::pdu::{Body, ShortMessage};
    let send = |tlvs: &[(u16, &[u8])], esm_class: u8| {
        let area = area(&tlvs.iter().map(|(tag, v)| (*tag, v.to_vec())).collect::<Vec<_>>());
        let tlvs = Tlvs::new(&area);
        let message = ShortMessage { esm_class, tlvs, ..ShortMessage::default() };
        let sent = encoded(C::SUBMIT_SM, 0x34, &Body::Message(message));
        sent.map(|_| ()).map_err(|error| error.to_string())
    };
    let reference = (tag::SAR_MSG_REF_NUM, &[0, 9][..]);
    let total = (tag::SAR_TOTAL_SEGMENTS, &[3][..]);
    let third = (tag::SAR_SEGMENT_SEQNUM, &[3][..]);
    assert_eq!(send(&[third, reference, total], 0), Ok(()));
    for part in [
        &[reference][..],
        &[reference, total],
        &[total, third],
        &[reference, third],
        &[reference, total, (tag::SAR_SEGMENT_SEQNUM, &[4])],
        &[reference, total, (tag::SAR_SEGMENT_SEQNUM, &[0])],
        &[reference, (tag::SAR_TOTAL_SEGMENTS, &[0]), (tag::SAR_SEGMENT_SEQNUM, &[0])],
    ] {
        assert!(send(part, 0).unwrap_err().contains("do not fit together"), "{part:?}");
    }
    let port = (tag::DEST_PORT, &[0x0B, 0x84][..]);
    assert_eq!(send(&[port], 0), Ok(()));
    for (tlvs, name) in [
        (&[port][..], "dest_port"),
        (&[(tag::SOURCE_PORT, &[0, 1])], "source_port"),
        (&[reference, total, third], "sar_msg_ref_num"),
    ] {
        for esm_class in [0x40, 0xC3] {
            let wanted = format!("{name} together with a user data header");
            assert_eq!(send(tlvs, esm_class), Err(wanted));
        }
    }
    assert_eq!(send(&[(tag::USER_MESSAGE_REFERENCE, &[0, 1])], 0x40), Ok(()));
}

#[test]
fn a_peer_below_3_4_is_sent_no_parameters_and_never_half_a_text() {
    use postrider_smpp::pdu::{Body, ShortMessage};
    let with = |tlvs: &[(u16, Vec<u8>)]| {
        let area = area(tlvs);
        let message = ShortMessage { tlvs: Tlvs::new(&area), ..ShortMessage::default() };
        encoded(C::DELIVER_SM, 0x33, &Body::Message(message))
    };
    let bare = with(&[]).unwrap();
    let receipt = [(tag::RECEIPTED_MESSAGE_ID, b"7\0".to_vec()), (tag::MESSAGE_STATE, vec![2])];
    assert_eq!(with(&receipt), Ok(bare));
    let text = [(tag::MESSAGE_PAYLOAD, b"text".to_vec())];
    let fault = TlvFault::Version("message_payload");
    assert_eq!(with(&text), Err(EncodeError::Tlv(fault)));
}

/// Octets of a parameter and what they mean.
fn meanings() -> Vec<(u16, Vec<u8>, TlvValue<'static>)> {
    use TlvValue as V;
    let rows: [(u16, &str, TlvValue<'static>); 29] = [
        (tag::DEST_TELEMATICS_ID, "4000", V::Int(0x4000)),
        (tag::QOS_TIME_TO_LIVE, "00000e10", V::Int(3600)),
        (tag::USSD_SERVICE_OP, "10", V::Int(16)),
        (tag::BROADCAST_ERROR_STATUS, "0000010d", V::Int(0x10D)),
        (tag::CONGESTION_STATE, "28", V::Int(40)),
        (tag::RECEIPTED_MESSAGE_ID, "3762656600", V::Text(b"7bef")),
        (tag::ADDITIONAL_STATUS_INFO_TEXT, "00", V::Text(b"")),
        (tag::BROADCAST_END_TIME, "3236303130323135303430353630302b", V::Text(b"260102150405600+")),
        (tag::MESSAGE_PAYLOAD, "", V::Octets(b"")),
        (tag::SOURCE_NODE_ID, "303030313233", V::Octets(b"000123")),
        (tag::MS_MSG_WAIT_FACILITIES, "82", V::MessageWaiting { active: true, what: 2 }),
        (tag::MS_MSG_WAIT_FACILITIES, "03", V::MessageWaiting { active: false, what: 3 }),
        (
            tag::CALLBACK_NUM_PRES_IND,
            "07",
            V::CallbackPresentation { presentation: 1, screening: 3 },
        ),
        (tag::CALLBACK_NUM_ATAG, "080041", V::CallbackTag { data_coding: 8, text: b"\0A" }),
        (
            tag::CALLBACK_NUM,
            "01010134343737",
            V::CallbackNum { digit_mode: 1, ton: 1, npi: 1, digits: b"4477" },
        ),
        (tag::SOURCE_SUBADDRESS, "a0414243", V::Subaddress { kind: 0xA0, address: b"ABC" }),
        (tag::DEST_SUBADDRESS, "8049", V::Subaddress { kind: 0x80, address: b"I" }),
        (tag::NETWORK_ERROR_CODE, "030122", V::NetworkError { network: 3, code: 0x122 }),
        (tag::BROADCAST_CONTENT_TYPE, "010010", V::ContentType { network: 1, service: 16 }),
        (tag::BROADCAST_FREQUENCY_INTERVAL, "09001f", V::Frequency { unit: 9, count: 31 }),
        (tag::BROADCAST_AREA_IDENTIFIER, "00413531", V::Area { format: 0, details: b"A51" }),
        (tag::BILLING_IDENTIFICATION, "81ff", V::Billing { format: 0x81, data: b"\xFF" }),
        (tag::MS_VALIDITY, "04020018", V::MsValidity { behaviour: 4, period: Some((2, 24)) }),
        (tag::MS_VALIDITY, "01", V::MsValidity { behaviour: 1, period: None }),
        (tag::ALERT_ON_MESSAGE_DELIVERY, "", V::Alert { priority: None }),
        (tag::ALERT_ON_MESSAGE_DELIVERY, "03", V::Alert { priority: Some(3) }),
        (tag::ITS_SESSION_INFO, "1203", V::ItsSession { session: 0x12, number: 1, end: true }),
        (tag::ITS_SESSION_INFO, "fffe", V::ItsSession { session: 0xFF, number: 127, end: false }),
        (tag::ITS_REPLY_TYPE, "08", V::Int(8)),
    ];
    rows.map(|(tag, hex, value)| (tag, unhex(hex), value)).to_vec()
}

/// The kind without its names.
fn kind_name(spec: &TlvSpec) -> String {
    match spec.kind {
        TlvKind::Named(_) => "Named".to_owned(),
        kind => format!("{kind:?}"),
    }
}

#[test]
fn typed_values_mean_what_the_specification_says() {
    let mut kinds = BTreeSet::new();
    for (tag, octets, value) in meanings() {
        let spec = tag_spec(tag).unwrap();
        assert_eq!(Tlv { tag, value: &octets }.typed(), Some(value), "{}", spec.name);
        let mut out = vec![0xEE];
        put(&mut out, tag, &value).unwrap();
        assert_eq!(out[1..3], tag.to_be_bytes(), "{}", spec.name);
        assert!(out[5..].starts_with(&octets), "{}", spec.name);
        kinds.insert(kind_name(spec));
    }
    let all: BTreeSet<String> = TLV_TABLE.iter().map(kind_name).collect();
    assert_eq!(kinds, all, "a kind without an example");
}

#[test]
fn malformed_values_are_not_typed_and_not_sent() {
    for (name, octets) in [
        ("ms_msg_wait_facilities", &b"\x84"[..]),
        ("callback_num_pres_ind", b"\x10"),
        ("receipted_message_id", b"abc"),
        ("receipted_message_id", b"a\0c\0"),
        ("source_node_id", b"12a456"),
        ("ms_validity", b"\x04\x02"),
        ("ms_validity", b"\x04\x02\x00"),
        ("broadcast_end_time", b"261302150405600+"),
    ] {
        let tag = tag_by_name(name).unwrap();
        assert_eq!(Tlv { tag, value: octets }.typed(), None, "{name}");
        let area = area(&[(tag, octets.to_vec())]);
        let refused =
            encoded(C::SUBMIT_SM, 0x50, &body_of(C::SUBMIT_SM, Tlvs::new(&area)).unwrap());
        assert_eq!(refused, Err(EncodeError::Tlv(TlvFault::Value(name))), "{name}");
    }
    assert_eq!(Tlv { tag: 0x1400, value: b"x" }.typed(), None, "vendors' tags stay raw");
    let mut out = vec![7];
    for (tag, value) in [
        (tag::MESSAGE_STATE, TlvValue::Int(256)),
        (tag::SOURCE_PORT, TlvValue::Text(b"80")),
        (tag::SOURCE_NODE_ID, TlvValue::Octets(b"12345")),
        (tag::ITS_SESSION_INFO, TlvValue::ItsSession { session: 1, number: 128, end: false }),
        (tag::RECEIPTED_MESSAGE_ID, TlvValue::Text(&[b'x'; 65])),
        (tag::RECEIPTED_MESSAGE_ID, TlvValue::Text(b"a\0b")),
        (0x1400, TlvValue::Octets(b"x")),
    ] {
        assert!(put(&mut out, tag, &value).is_err(), "{tag:#06x}");
        assert_eq!(out, [7], "nothing is left behind");
    }
}

#[test]
fn what_the_wild_sends_is_read_though_it_is_not_as_the_table_has_it() {
    // Two octets from three libraries, though both specifications have one; one from two others.
    let telematics = area(&[(tag::SOURCE_TELEMATICS_ID, vec![0, 7])]);
    assert_eq!(Tlvs::new(&telematics).get_int(tag::SOURCE_TELEMATICS_ID), Some(7));
    for octets in [&[10][..], &[0, 10], &[0, 0, 10]] {
        let repetitions = area(&[(tag::BROADCAST_REP_NUM, octets.to_vec())]);
        assert_eq!(Tlvs::new(&repetitions).get_int(tag::BROADCAST_REP_NUM), Some(10));
    }
    let id = area(&[(tag::RECEIPTED_MESSAGE_ID, b"abc".to_vec())]);
    assert_eq!(Tlvs::new(&id).get_cstring(tag::RECEIPTED_MESSAGE_ID), Some(&b"abc"[..]));
}
