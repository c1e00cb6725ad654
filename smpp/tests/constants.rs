//! The tables in the code against the table compared from fifteen code bases and both specifications. Test
//! code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{list, load, number, text};
use postrider_smpp::command::CommandId;
use postrider_smpp::layout::{FieldKind, layout};
use postrider_smpp::status::{CommandStatus, Pause, StatusClass, Verdict, verdict};
use postrider_smpp::tlv::{Structure, TLV_TABLE, TlvKind, tag_by_name, tag_name, tag_spec};
use serde_json::Value;

#[test]
fn every_command_has_its_id_and_name() {
    let table = load("constants.json");
    let rows = list(&table, "command_ids");
    assert_eq!((rows.len(), CommandId::ALL.len()), (33, 33));
    for row in rows {
        let command = CommandId(number(text(row, "value")));
        assert_eq!(command.name(), Some(text(row, "name")));
        assert!(CommandId::ALL.contains(&command));
        assert_eq!(command.is_response(), command.0 >= 0x8000_0000);
    }
    assert_eq!(CommandId::SUBMIT_SM.response(), CommandId::SUBMIT_SM_RESP);
    assert_eq!(CommandId::DATA_SM_RESP.request(), CommandId::DATA_SM);
    assert_eq!(CommandId(0x0001_0200).name(), None);
    assert!(!CommandId::OUTBIND.is_answered() && !CommandId::ALERT_NOTIFICATION.is_answered());
}

#[test]
fn every_status_has_its_value_name_and_class() {
    let table = load("constants.json");
    let rows = list(&table, "statuses");
    assert_eq!((rows.len(), CommandStatus::ALL.len()), (67, 67));
    for row in rows {
        let status = CommandStatus(number(text(row, "value")));
        assert_eq!(status.name(), Some(text(row, "name")));
        let class = match text(row, "class") {
            "OK" => StatusClass::Ok,
            "THR" => StatusClass::Throttled,
            "QFL" => StatusClass::QueueFull,
            "TMP" => StatusClass::Temporary,
            "ALT" => StatusClass::OtherCarrier,
            "PERM" => StatusClass::Permanent,
            "CFG" => StatusClass::Config,
            "BUG" => StatusClass::Bug,
            "SES" => StatusClass::Session,
            "BND" => StatusClass::Bind,
            "OPS" => StatusClass::Operation,
            other => panic!("class {other}"),
        };
        assert_eq!(status.class(), class, "{row}");
    }
}

#[test]
fn verdict_follows_the_class_and_unknown_values_try_another_carrier() {
    let retry = |pause| Verdict::RetryLater { pause };
    for (status, wanted) in [
        (0x00, Verdict::Done),
        (0x58, retry(Pause::BindThrottled)),
        (0x14, retry(Pause::CarrierFull)),
        (0x08, retry(Pause::Message { retries: 3 })),
        (0x64, retry(Pause::Message { retries: 3 })),
        (0xFF, retry(Pause::Message { retries: 2 })),
        (0x45, retry(Pause::Message { retries: 1 })),
        (0x04, Verdict::Rebind),
        (0x0A, Verdict::TryOther { alarm: false }),
        (0x05, Verdict::TryOther { alarm: false }),
        (0x0C, Verdict::TryOther { alarm: false }),
        (0x43, Verdict::TryOther { alarm: true }),
        (0x01, Verdict::TryOther { alarm: true }),
        (0xFE, Verdict::Reject),
        (0x22, Verdict::TryOther { alarm: false }),
        (0x55F, Verdict::TryOther { alarm: false }),
        (0x400, Verdict::TryOther { alarm: false }),
    ] {
        assert_eq!(verdict(CommandStatus(status)), wanted, "{status:#x}");
    }
    assert_eq!(CommandStatus(0x22).name(), None);
}

#[test]
fn every_tlv_has_its_tag_name_kind_length_and_version() {
    let table = load("constants.json");
    let rows = list(&table, "tlvs");
    assert_eq!((rows.len(), TLV_TABLE.len()), (64, 64));
    assert!(TLV_TABLE.windows(2).all(|pair| pair[0].tag < pair[1].tag), "bisection needs order");
    for row in rows {
        let tag = number(text(row, "tag")) as u16;
        let spec = tag_spec(tag).unwrap();
        assert_eq!(tag_name(tag), Some(text(row, "name")));
        assert_eq!(tag_by_name(spec.name), Some(tag));
        use TlvKind as K;
        let wire_type = match spec.kind {
            K::Int
            | K::Named(_)
            | K::Status
            | K::Congestion
            | K::Structured(Structure::MessageWaiting | Structure::CallbackPresentation) => "int",
            K::CString | K::Time => "C-Octet",
            K::Octets | K::Digits | K::Structured(_) => "Octet",
        };
        assert_eq!(wire_type, text(row, "type"), "{row}");
        let length = text(row, "length");
        let (min, max) = length.split_once('-').unwrap_or((length, length));
        let lengths = spec.lengths(0x50);
        assert_eq!(
            (lengths.start().to_string(), lengths.end().to_string()),
            (min.into(), max.into())
        );
        assert_eq!(format!("{:x}", spec.since), text(row, "since").replace('.', ""));
    }
    assert_eq!(tag_name(0x1400), None);
}

#[test]
fn every_layout_has_the_specifications_fields() {
    let table = load("constants.json");
    let layouts = table["layouts"].as_object().unwrap();
    assert_eq!(layouts.len(), 33);
    for command in CommandId::ALL {
        let rows = layouts[command.name().unwrap()].as_array().unwrap();
        let fields = layout(*command).unwrap();
        assert_eq!(fields.len(), rows.len(), "{command:?}");
        for (field, row) in fields.iter().zip(rows) {
            assert_eq!(field.name, text(row, "name"));
            let size = &row["size_or_max_with_nul"];
            let (kind, wanted) = match field.kind {
                FieldKind::Int1 => ("integer", Value::from(1)),
                FieldKind::Int4 => ("integer", Value::from(4)),
                FieldKind::CString { max } => ("c-octet-string", Value::from(max)),
                FieldKind::Time => ("c-octet-string", Value::from(17)),
                FieldKind::Octets => ("octet-string", Value::from("sm_length")),
                FieldKind::DestAddresses => ("dest_address list", Value::Null),
                FieldKind::UnsuccessSmes => ("unsuccess_sme list", Value::Null),
            };
            assert_eq!((text(row, "kind"), size), (kind, &wanted), "{command:?} {}", field.name);
        }
    }
    assert!(layout(CommandId(0x104)).is_none());
}
