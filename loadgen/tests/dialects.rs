//! The simulated carrier in other dialects: ids, forms of receipts, alphabets, concatenation,
//! versions. Over a real socket, against a small ESME: one carrier per test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;

use std::net::SocketAddr;

use common::{Esme, Kept, Seen, config, lines, message, smsc_options, start_smsc};
use postrider_core::config::{AlphabetConfig, Concatenation};
use postrider_core::text::{DefaultAlphabet, NationalLanguage, Wire};
use postrider_loadgen::smsc::{
    CarrierStats, Dialect, IdSpelling, ReceiptForm, ReceiptPdu, SmppVersion, SmscOptions,
};
use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::session::{BindKind, SessionConfig};
use postrider_smpp::tlv::{Tlv, Tlvs};

const RECEIPTED_MESSAGE_ID: u16 = 0x001E;
const USER_MESSAGE_REFERENCE: u16 = 0x0204;
const MESSAGE_PAYLOAD: u16 = 0x0424;
const MESSAGE_STATE: u16 = 0x0427;

/// What a carrier of this dialect makes of one submit with user_message_reference 0x1234: the id in
/// its answer, the receipt as it was seen and as it came, the counts.
fn exchange(dialect: Dialect, version: u8) -> (String, Seen, Kept, CarrierStats) {
    let smsc = start_smsc(SmscOptions { dialect, receipt_delay_ms: 1, ..smsc_options() });
    let mut esme = connect(smsc.addresses[0], version);
    assert_eq!(esme.wait(|seen| matches!(seen, Seen::Bound | Seen::Refused(_))), Seen::Bound);
    let mut area = Vec::new();
    assert!(Tlv { tag: USER_MESSAGE_REFERENCE, value: &[0x12, 0x34] }.write(&mut area));
    let tlvs = Tlvs::new(&area);
    esme.submit(1, &ShortMessage { tlvs, ..message("447700900123", b"hello") });
    let (_, status, id) = esme.answer();
    assert_eq!(status, 0);
    let seen = esme.wait(|seen| matches!(seen, Seen::Receipt { .. } | Seen::Unmarked { .. }));
    // The answer to the receipt is on its way; the next turn carries it.
    esme.turn();
    let kept = esme.kept.remove(0);
    (id, seen, kept, smsc.finish().remove(0))
}

fn connect(address: SocketAddr, version: u8) -> Esme {
    let config = SessionConfig { interface_version: version, ..config(BindKind::Transceiver) };
    Esme::connect(address, config)
}

fn id_of(seen: &Seen) -> &str {
    let Seen::Receipt { id, .. } = seen else { panic!("{seen:?}") };
    id
}

#[test]
fn ids_are_spelled_as_the_carrier_does() {
    let dialect =
        |response_id, receipt_id| Dialect { response_id, receipt_id, ..Dialect::default() };
    let exchange = |response, receipt| {
        let (id, seen, ..) = exchange(dialect(response, receipt), 0x34);
        (id, id_of(&seen).to_owned())
    };
    let (response, receipt) = exchange(IdSpelling::Hex, IdSpelling::DecimalPadded);
    assert_eq!(u64::from_str_radix(&response, 16).unwrap(), receipt.parse::<u64>().unwrap());
    assert_eq!(receipt.len(), 10);
    let (response, receipt) = exchange(IdSpelling::Decimal, IdSpelling::HexPadded);
    assert_eq!(response.parse::<u64>(), u64::from_str_radix(&receipt, 16));
    assert_eq!(receipt.len(), 16);
    let (response, receipt) = exchange(IdSpelling::Uuid, IdSpelling::Uuid);
    assert_eq!((response.len(), &response), (36, &receipt));
    let (response, receipt) = exchange(IdSpelling::Decimal, IdSpelling::Foreign);
    assert!(receipt.len() == 11 && receipt.trim_start_matches("90") != response);
}

#[test]
fn receipts_say_it_in_their_text_in_their_tlvs_or_in_both() {
    let form = |receipt_form| {
        let (id, seen, kept, _) = exchange(Dialect { receipt_form, ..Dialect::default() }, 0x34);
        assert_eq!(id_of(&seen), id);
        let tags: Vec<u16> = kept.tlvs.iter().map(|(tag, _)| *tag).collect();
        let text = String::from_utf8(kept.short_message).unwrap();
        (tags, text.starts_with(&format!("id:{id} sub:001 dlvrd:001 submit date:")), text)
    };
    let (tags, has_text, text) = form(ReceiptForm::Both);
    assert!(has_text && text.ends_with(" stat:DELIVRD err:000 text:hello"), "{text}");
    assert!(tags.contains(&RECEIPTED_MESSAGE_ID) && tags.contains(&MESSAGE_STATE));
    assert!(tags.contains(&USER_MESSAGE_REFERENCE));
    let (tags, has_text, _) = form(ReceiptForm::Text);
    assert!(has_text && tags.is_empty(), "{tags:?}");
    let (tags, _, text) = form(ReceiptForm::Tlv);
    assert!(tags.contains(&RECEIPTED_MESSAGE_ID) && text.is_empty(), "{text}");
}

#[test]
fn receipts_come_unmarked_or_as_data_sm() {
    let unmarked =
        Dialect { receipt_esm_class: 0, receipt_form: ReceiptForm::Text, ..Dialect::default() };
    let (id, seen, kept, stats) = exchange(unmarked, 0x34);
    assert_eq!((kept.esm_class, kept.command), (0, CommandId::DELIVER_SM));
    assert!(matches!(&seen, Seen::Unmarked { text } if text.starts_with(&format!("id:{id} "))));
    assert_eq!(stats.receipts_acknowledged, 1);

    let data = Dialect { receipt_pdu: ReceiptPdu::DataSm, ..Dialect::default() };
    let (id, seen, kept, stats) = exchange(data, 0x34);
    assert_eq!((id_of(&seen), kept.command), (&*id, CommandId::DATA_SM));
    assert!(kept.short_message.is_empty());
    assert!(kept.tlvs.iter().any(|(tag, value)| *tag == MESSAGE_PAYLOAD && !value.is_empty()));
    assert_eq!(stats.receipts_acknowledged, 1);
}

#[test]
fn the_lower_version_of_both_sides_holds() {
    for (smpp_version, ours, both, tlvs) in [
        (SmppVersion::V50, 0x50, 0x50, true),
        (SmppVersion::V50, 0x34, 0x34, true),
        (SmppVersion::V34, 0x50, 0x34, true),
        // It does not say which it is.
        (SmppVersion::V33, 0x34, 0x34, false),
    ] {
        let dialect = Dialect { smpp_version, ..Dialect::default() };
        let (id, seen, kept, _) = exchange(dialect.clone(), ours);
        assert_eq!(id_of(&seen), id);
        assert_eq!(kept.tlvs.is_empty(), !tlvs, "{smpp_version:?} {ours:#x}");
        let smsc = start_smsc(SmscOptions { dialect, ..smsc_options() });
        let mut esme = connect(smsc.addresses[0], ours);
        assert_eq!(esme.wait(|seen| matches!(seen, Seen::Bound)), Seen::Bound);
        assert_eq!(esme.version(), both, "{smpp_version:?} {ours:#x}");
        smsc.finish();
    }
}

#[test]
fn receipts_overtake_answers_that_are_slower() {
    let smsc =
        start_smsc(SmscOptions { receipt_delay_ms: 1, answer_delay_ms: 150, ..smsc_options() });
    let mut esme = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
    esme.submit(1, &message("447700900123", b"hello"));
    let first = esme.wait(|_| true);
    let (_, _, id) = esme.answer();
    assert_eq!(id_of(&first), id);
    smsc.finish();
}

/// Submits a text as one carrier's parts.
fn submit(esme: &mut Esme, to: &str, wire: &Wire) {
    for part in wire.parts(7) {
        let octets = [&part.udh[..], &part.octets].concat();
        let mut area = Vec::new();
        let mut tlv = |tag, value: &[u8]| assert!(Tlv { tag, value }.write(&mut area));
        if let Some(sar) = part.sar {
            tlv(0x020C, &sar.reference.to_be_bytes());
            tlv(0x020E, &[sar.total]);
            tlv(0x020F, &[sar.index]);
        }
        if part.payload {
            tlv(MESSAGE_PAYLOAD, &octets);
        }
        let text = if part.payload { &[][..] } else { &octets };
        esme.submit(
            1,
            &ShortMessage {
                esm_class: if part.udh.is_empty() { 0 } else { 0x40 },
                data_coding: part.data_coding,
                tlvs: Tlvs::new(&area),
                ..message(to, text)
            },
        );
        assert_eq!(esme.answer().1, 0);
    }
}

#[test]
fn texts_arrive_whole_in_every_alphabet_and_form_of_concatenation() {
    let long = "Grüße, [naïve] £5 @ 9€ ".repeat(20);
    let western = "Grüße £5 @ 9 ".repeat(20);
    let turkish = "Şu çılgın ağaç ".repeat(20);
    for (config, texts) in [
        (AlphabetConfig::default(), [&long, &western, &turkish]),
        (
            AlphabetConfig { default: DefaultAlphabet::Latin1, ..AlphabetConfig::default() },
            [&long, &western, &turkish],
        ),
        (AlphabetConfig { packed: true, ..AlphabetConfig::default() }, [&long, &western, &turkish]),
        (
            AlphabetConfig {
                national: vec![NationalLanguage::Turkish],
                ..AlphabetConfig::default()
            },
            [&long, &western, &turkish],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("smsc.ndjson");
        let dialect = Dialect {
            default_alphabet: config.default,
            packed: config.packed,
            ..Dialect::default()
        };
        let options = SmscOptions { dialect, ledger: Some(ledger.clone()), ..smsc_options() };
        let smsc = start_smsc(options);
        let mut esme = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
        let mut expected = Vec::new();
        for (form, text) in
            [Concatenation::Udh8, Concatenation::Udh16, Concatenation::Sar, Concatenation::Payload]
                .into_iter()
                .flat_map(|form| texts.map(|text| (form, text)))
        {
            let to = format!("4477009{:05}", expected.len());
            submit(&mut esme, &to, &Wire::new(text, &config, form).unwrap());
            expected.push((to, text.clone()));
        }
        assert_eq!(smsc.finish()[0].texts, 12);
        let written = lines(&ledger);
        let of = |line: &serde_json::Value, key: &str| line[key].as_str().unwrap().to_owned();
        let texts = written.iter().filter(|line| line["k"] == "text");
        let found: Vec<_> = texts.map(|line| (of(line, "to"), of(line, "text"))).collect();
        assert_eq!(found, expected);
    }
}
