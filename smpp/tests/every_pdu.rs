//! PDUs of every command with any fields and parameters that the specifications allow: read by type, by
//! layout and as JSON, each gives the same octets again. Test code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::collections::BTreeSet;

use postrider_smpp::command::CommandId as C;
use postrider_smpp::json::{json_to_pdu, pdu_to_json};
use postrider_smpp::layout::{Field, FieldKind, FieldValue, decode_fields, encode_fields, layout};
use postrider_smpp::pdu::{
    DestAddress, DestAddresses, EncodeHead, Header, UnsuccessSme, UnsuccessSmes, decode_for,
    encode, next_frame,
};
use postrider_smpp::status::CommandStatus;
use postrider_smpp::tlv::{Structure, TLV_TABLE, TlvKind, TlvSpec, Tlvs, tag};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

const VERSION: u8 = 0x50;

/// The value of a field, owned.
#[derive(Clone, Debug)]
enum Made {
    Int(u32),
    Text(Vec<u8>),
    Octets(Vec<u8>),
    Destinations(u8, Vec<u8>),
    Unsuccessful(u8, Vec<u8>),
}

impl Made {
    fn borrow(&self) -> FieldValue<'_> {
        match self {
            Self::Int(int) => FieldValue::Int(*int),
            Self::Text(text) => FieldValue::Text(text),
            Self::Octets(octets) => FieldValue::Octets(octets),
            Self::Destinations(count, octets) => {
                FieldValue::Destinations(DestAddresses::new(*count, octets).unwrap())
            }
            Self::Unsuccessful(count, octets) => {
                FieldValue::Unsuccessful(UnsuccessSmes::new(*count, octets).unwrap())
            }
        }
    }

    fn count(&self) -> u32 {
        match self {
            Self::Int(_) | Self::Text(_) => 0,
            Self::Octets(octets) => octets.len() as u32,
            Self::Destinations(count, _) | Self::Unsuccessful(count, _) => (*count).into(),
        }
    }
}

fn c_string(max: usize) -> impl Strategy<Value = Vec<u8>> {
    // A share of the strings is as long as may be.
    prop_oneof![4 => vec(1_u8.., 0..max), 1 => vec(1_u8.., max - 1)]
}

fn time() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        (0..100, 1..13, 1..29, 0..24, 0..60, 0..10, 0..49, select(vec!['+', '-'])).prop_map(
            |(year, month, day, hour, minute, tenth, quarters, sign)| {
                format!(
                    "{year:02}{month:02}{day:02}{hour:02}{minute:02}59{tenth}{quarters:02}{sign}"
                )
                .into_bytes()
            }
        ),
        vec(0..100, 6).prop_map(|parts| {
            let digits: String = parts.iter().map(|part| format!("{part:02}")).collect();
            format!("{digits}000R").into_bytes()
        }),
    ]
}

fn destination() -> impl Strategy<Value = Vec<u8>> {
    let write = |address: DestAddress<'_>| {
        let mut out = Vec::new();
        address.write(&mut out).unwrap();
        out
    };
    prop_oneof![
        (any::<u8>(), any::<u8>(), c_string(21)).prop_map(move |(ton, npi, address)| write(
            DestAddress::Sme { ton, npi, address: &address }
        )),
        c_string(21).prop_map(move |name| write(DestAddress::DistributionList { name: &name })),
    ]
}

fn unsuccessful() -> impl Strategy<Value = Vec<u8>> {
    (any::<u8>(), any::<u8>(), c_string(21), any::<u32>()).prop_map(
        |(ton, npi, address, status)| {
            let mut out = Vec::new();
            let status = CommandStatus(status);
            UnsuccessSme { ton, npi, address: &address, status }.write(&mut out).unwrap();
            out
        },
    )
}

fn field(field: &'static Field) -> BoxedStrategy<Made> {
    let max = match field.name {
        "priority_flag" => 3,
        "replace_if_present_flag" => 1,
        _ => u8::MAX,
    };
    let password = field.name == "password";
    match field.kind {
        FieldKind::Int1 => (0..=max).prop_map(|int| Made::Int(int.into())).boxed(),
        FieldKind::Int4 => any::<u32>().prop_map(Made::Int).boxed(),
        // Carriers issue longer passwords than the specification has.
        FieldKind::CString { .. } if password => c_string(65).prop_map(Made::Text).boxed(),
        FieldKind::CString { max } => c_string(max).prop_map(Made::Text).boxed(),
        FieldKind::Time => time().prop_map(Made::Text).boxed(),
        FieldKind::Octets => vec(any::<u8>(), 0..=255).prop_map(Made::Octets).boxed(),
        FieldKind::DestAddresses => vec(destination(), 1..20)
            .prop_map(|all| Made::Destinations(all.len() as u8, all.concat()))
            .boxed(),
        FieldKind::UnsuccessSmes => vec(unsuccessful(), 0..20)
            .prop_map(|all| Made::Unsuccessful(all.len() as u8, all.concat()))
            .boxed(),
    }
}

/// Any good value of a parameter.
fn value(spec: &'static TlvSpec) -> BoxedStrategy<Vec<u8>> {
    let lengths = spec.lengths(VERSION);
    let (min, max) = (usize::from(*lengths.start()), usize::from(*lengths.end()).min(300));
    let any_octets = vec(any::<u8>(), min..=max);
    match spec.kind {
        TlvKind::CString => vec(1_u8.., min - 1..max)
            .prop_map(|mut text| {
                text.push(0);
                text
            })
            .boxed(),
        TlvKind::Time => Just(b"260102150405600+\0".to_vec()).boxed(),
        TlvKind::Digits => vec(b'0'..=b'9', min..=max).boxed(),
        TlvKind::Structured(Structure::MessageWaiting) => {
            any::<u8>().prop_map(|bits| vec![bits & 0x83]).boxed()
        }
        TlvKind::Structured(Structure::CallbackPresentation) => {
            any::<u8>().prop_map(|bits| vec![bits & 0x0F]).boxed()
        }
        TlvKind::Structured(Structure::MsValidity) => {
            prop_oneof![vec(any::<u8>(), 1), vec(any::<u8>(), 4)].boxed()
        }
        TlvKind::Int
        | TlvKind::Named(_)
        | TlvKind::Status
        | TlvKind::Congestion
        | TlvKind::Octets
        | TlvKind::Structured(_) => any_octets.boxed(),
    }
}

/// The parameters that `command` may have: the mandatory ones, any others, segmentation as a whole, vendors'.
fn parameters(command: C) -> BoxedStrategy<Vec<(u16, Vec<u8>)>> {
    let whole = [tag::SAR_MSG_REF_NUM, tag::SAR_TOTAL_SEGMENTS, tag::SAR_SEGMENT_SEQNUM];
    let pairs = [tag::SOURCE_NETWORK_ID, tag::DEST_NETWORK_ID];
    let usable = |spec: &&&TlvSpec| {
        spec.belongs(command, VERSION) && !whole.contains(&spec.tag) && !pairs.contains(&spec.tag)
    };
    let one = |spec: &'static TlvSpec| value(spec).prop_map(move |value| (spec.tag, value)).boxed();
    let (must, may): (Vec<_>, Vec<_>) = TLV_TABLE
        .iter()
        .collect::<Vec<_>>()
        .iter()
        .filter(usable)
        .partition(|s| s.is_mandatory(command));
    let must: Vec<_> = must.into_iter().map(one).collect();
    let vendor = (0x1400_u16..0x4000, vec(any::<u8>(), 0..40)).boxed();
    let segments = (any::<u16>(), 1..=255_u8).prop_map(move |(reference, total)| {
        let values = [reference.to_be_bytes().to_vec(), vec![total], vec![total]];
        whole.into_iter().zip(values).collect::<Vec<_>>()
    });
    let has_sar = TLV_TABLE
        .iter()
        .any(|spec| spec.tag == tag::SAR_MSG_REF_NUM && spec.belongs(command, VERSION));
    let segments = proptest::option::of(segments).prop_map(move |some| some.filter(|_| has_sar));
    let count = may.len();
    let may = proptest::sample::subsequence(may, 0..=count.min(6));
    let may = may.prop_flat_map(move |specs| specs.into_iter().map(one).collect::<Vec<_>>());
    (must, may, segments, vec(vendor, 0..3))
        .prop_map(|(must, may, segments, vendor)| {
            [must, may, segments.unwrap_or_default(), vendor].concat()
        })
        .boxed()
}

/// A whole PDU.
fn pdu(command: C) -> BoxedStrategy<Vec<u8>> {
    let fields = layout(command).unwrap();
    let values: Vec<BoxedStrategy<Made>> = fields.iter().map(field).collect();
    let has_tlvs = common::body_of(command, Tlvs::default()).is_some();
    let tlvs = if has_tlvs { parameters(command) } else { Just(Vec::new()).boxed() };
    (values, tlvs, any::<u32>(), any::<u32>())
        .prop_map(move |(mut values, tlvs, status, sequence)| {
            let mut area = Vec::new();
            for (tag, value) in &tlvs {
                assert!(postrider_smpp::tlv::Tlv { tag: *tag, value }.write(&mut area));
            }
            for at in 1..values.len() {
                if matches!(
                    values[at],
                    Made::Octets(_) | Made::Destinations(..) | Made::Unsuccessful(..)
                ) {
                    values[at - 1] = Made::Int(values[at].count());
                }
            }
            for (field, value) in fields.iter().zip(&mut values) {
                // Ports and segmentation stand in the parameters, if anywhere.
                if let (Made::Int(int), "esm_class") = (value, field.name) {
                    *int &= 0xBF;
                }
            }
            let status = CommandStatus(if command.is_response() { status } else { 0 });
            // An error may be answered with parameters alone; an id that reads as such is none of ours.
            let status = if tlvs.is_empty() { status } else { CommandStatus::ESME_ROK };
            let head = EncodeHead { command, status, sequence, version: VERSION };
            let values: Vec<FieldValue<'_>> = values.iter().map(Made::borrow).collect();
            let mut out = Vec::new();
            encode_fields(&mut out, head, &values, Tlvs::new(&area)).unwrap();
            out
        })
        .boxed()
}

fn check(octets: &[u8]) -> Result<(), TestCaseError> {
    let (frame, used) = next_frame(octets, 100_000).unwrap().unwrap();
    prop_assert_eq!(used, octets.len());
    let Header { command, status, sequence, .. } = frame.header;
    let head = EncodeHead { command, status, sequence, version: VERSION };

    let body = decode_for(VERSION, &frame).unwrap();
    let mut typed = Vec::new();
    encode(&mut typed, head, &body).unwrap();
    prop_assert_eq!(&typed, octets, "by type");

    let mut values = Vec::new();
    let tlvs = decode_fields(command, frame.body, &mut |field| values.push(field.value)).unwrap();
    let mut laid_out = Vec::new();
    encode_fields(&mut laid_out, head, &values, tlvs).unwrap();
    prop_assert_eq!(&laid_out, octets, "by layout");

    let shown = pdu_to_json(octets);
    prop_assert_eq!(&shown["exact"], true, "{}", shown);
    prop_assert_eq!(json_to_pdu(&shown), Ok(octets.to_vec()));
    let text = shown.to_string();
    let mut bare: serde_json::Value = serde_json::from_str(&text).unwrap();
    bare.as_object_mut().unwrap().remove("hex");
    prop_assert_eq!(json_to_pdu(&bare), Ok(octets.to_vec()));
    Ok(())
}

#[test]
fn pdus_of_every_command_are_the_same_octets_however_they_are_read() {
    let mut commands = BTreeSet::new();
    for command in C::ALL.iter().copied() {
        let config = Config { cases: 150, failure_persistence: None, ..Config::default() };
        TestRunner::new(config)
            .run(&pdu(command), |octets| check(&octets))
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        commands.insert(command.0);
    }
    assert_eq!(commands.len(), 33);
}

#[test]
fn a_response_may_end_behind_any_of_its_fields() {
    let pdu = common::unhex("000000178000000300000000000000013766003200");
    for cut in 16..pdu.len() {
        let mut octets = pdu[..cut].to_vec();
        octets[3] = cut as u8;
        let (frame, _) = next_frame(&octets, 100).unwrap().unwrap();
        assert!(decode_for(VERSION, &frame).is_ok(), "{cut}");
        let shown = pdu_to_json(&octets);
        let fields = shown["fields"].as_object().unwrap().len();
        let whole = matches!(cut, 16 | 19 | 21);
        assert_eq!(shown["exact"], whole, "{cut}: {shown}");
        assert!(fields <= 2);
    }
}
