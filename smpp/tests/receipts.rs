//! Delivery receipts in every form met in the wild. Test code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{generated, list, load, text, unhex};
use postrider_smpp::json::receipt_to_json;
use postrider_smpp::pdu::{Body, ShortMessage, decode, next_frame};
use postrider_smpp::receipt::{
    OwnReceipt, ReceiptState, excerpt, ids_match, parse_receipt, parse_receipt_decoded,
    parse_receipt_text, read_date, receipt_date,
};
use postrider_smpp::tlv::{Tlv, Tlvs, tag};
use proptest::prelude::*;
use serde_json::{Value, json};

fn date(raw: Option<&[u8]>) -> Value {
    raw.and_then(read_date)
        .map_or(Value::Null, |date| json!({ "format": date.format, "value": date.value.as_str() }))
}

fn shown(octets: Option<&[u8]>) -> Value {
    octets.map_or(Value::Null, |octets| String::from_utf8_lossy(octets).into())
}

#[test]
fn every_receipt_text_is_read_as_expected() {
    let file = load("dlr_text.json");
    let vectors = list(&file, "vectors");
    assert_eq!(vectors.len(), 31);
    for vector in vectors {
        let id = text(vector, "id");
        let octets = unhex(text(vector, "hex"));
        let receipt = parse_receipt_text(&octets).unwrap_or_else(|| panic!("{id} is a receipt"));
        let read = json!({
            "id": shown(Some(receipt.id)),
            "sub": shown(receipt.sub),
            "dlvrd": shown(receipt.dlvrd),
            "submit_date_raw": shown(receipt.submit_date),
            "submit_date": date(receipt.submit_date),
            "done_date_raw": shown(receipt.done_date),
            "done_date": date(receipt.done_date),
            "stat_raw": shown(Some(receipt.stat)),
            "state": receipt.state.map(ReceiptState::name),
            "err_raw": shown(receipt.err),
            "text": shown(receipt.text),
        });
        assert_eq!(read, vector["expected"], "{id}");
        let as_message =
            ShortMessage { esm_class: 4, short_message: &octets, ..Default::default() };
        assert_eq!(parse_receipt(&as_message), Some(receipt), "{id} as a deliver_sm");
    }
}

#[test]
fn json_of_a_receipt_has_what_was_sent() {
    let file = load("dlr_text.json");
    for vector in list(&file, "vectors") {
        let read = receipt_to_json(text(vector, "text"));
        let expected = &vector["expected"];
        for (key, wanted) in [
            ("id", "id"),
            ("stat", "stat_raw"),
            ("state", "state"),
            ("err", "err_raw"),
            ("submit_date", "submit_date_raw"),
            ("done_date", "done_date_raw"),
            ("sub", "sub"),
            ("dlvrd", "dlvrd"),
            ("text", "text"),
        ] {
            assert_eq!(read[key], expected[wanted], "{} {key}", text(vector, "id"));
        }
    }
}

#[test]
fn texts_of_people_are_no_receipts() {
    let file = load("dlr_text.json");
    let texts = list(&file, "not_receipts");
    assert_eq!(texts.len(), 2);
    for vector in texts {
        let message =
            ShortMessage { short_message: text(vector, "text").as_bytes(), ..Default::default() };
        assert_eq!(parse_receipt(&message), None);
        assert!(receipt_to_json(text(vector, "text"))["error"].is_string());
    }
    assert!(receipt_to_json("")["error"].is_string());
    assert!(receipt_to_json("id:1")["error"].is_string(), "no stat");
}

#[test]
fn ids_match_by_octets_case_and_zeros_but_never_by_guessing_a_base() {
    let file = load("dlr_text.json");
    let pairs = list(&file, "id_matching");
    let mut by_profile = Vec::new();
    for pair in pairs {
        let (response, receipt) = (text(pair, "submit_sm_resp_id"), text(pair, "receipt_id"));
        let rule = text(pair, "rule");
        // These pairs differ in base: hexadecimal in the answer, decimal in the receipt. Only a carrier's
        // profile can tell, and profiles are not here; so they must not match.
        let needs_profile =
            rule.contains("decimal") && rule.contains("hex") && !rule.contains("NOT")
                || rule.contains("without letters");
        let matched = ids_match(response.as_bytes(), receipt.as_bytes());
        if needs_profile || rule.contains("16 hex digits") {
            assert!(!matched, "{rule}");
            by_profile.push(rule);
        } else {
            assert_eq!(matched, pair["must_match"].as_bool().unwrap(), "{rule}");
        }
    }
    assert_eq!((pairs.len(), by_profile.len()), (15, 9), "{by_profile:?}");
    assert!(!ids_match(b"", b""), "no id matches nothing");
    assert!(!ids_match(b"0g1", b"g1"), "zeros go only from hexadecimal ids");
    assert!(ids_match(b"00aB", b"Ab"), "both foldings together");
}

#[test]
fn receipts_of_other_implementations_are_read() {
    let mut receipts = 0;
    for vector in generated() {
        let id = text(&vector, "id");
        let octets = unhex(text(&vector, "hex"));
        let (frame, _) = next_frame(&octets, 70_000).unwrap().unwrap();
        let Ok(Body::Message(message)) = decode(&frame) else { continue };
        // One intermediate notification carries a text that is no receipt's.
        let expected = id.contains("dlr") || id.contains("-state-");
        let read = parse_receipt(&message);
        if expected {
            let receipt = read.unwrap_or_else(|| panic!("{id} is a receipt"));
            assert!(!receipt.id.is_empty() && receipt.state.is_some(), "{id}: {receipt:?}");
            receipts += 1;
        } else if !message.is_receipt() {
            assert_eq!(read, None, "{id}");
        }
    }
    assert_eq!(receipts, 18);
}

fn area(tlvs: &[(u16, &[u8])]) -> Vec<u8> {
    let mut area = Vec::new();
    for (tag, value) in tlvs {
        assert!(Tlv { tag: *tag, value }.write(&mut area));
    }
    area
}

#[test]
fn tlvs_win_over_the_text_and_the_texts_other_id_is_kept() {
    let tlvs = area(&[
        (tag::RECEIPTED_MESSAGE_ID, b"7F2A\0"),
        (tag::MESSAGE_STATE, &[5]),
        (tag::NETWORK_ERROR_CODE, &[3, 0, 0x0B, 1]),
    ]);
    let message = ShortMessage {
        esm_class: 0x44,
        short_message: b"\x02\x01\x02id:32554 stat:DELIVRD err:000",
        tlvs: Tlvs::new(&tlvs),
        ..Default::default()
    };
    let receipt = parse_receipt(&message).unwrap();
    assert_eq!((receipt.id, receipt.text_id), (&b"7F2A"[..], Some(&b"32554"[..])));
    assert_eq!((receipt.state, receipt.stat), (Some(ReceiptState::Undeliverable), &b"DELIVRD"[..]));
    assert_eq!(receipt.network_error_code, Some(&[3, 0, 0x0B, 1][..]));
}

#[test]
fn id_and_state_may_come_from_different_places() {
    let only_state = area(&[(tag::MESSAGE_STATE, &[2])]);
    let message = ShortMessage {
        esm_class: 4,
        short_message: b"id:9 err:0",
        tlvs: Tlvs::new(&only_state),
        ..Default::default()
    };
    let receipt = parse_receipt(&message).unwrap();
    assert_eq!((receipt.id, receipt.state), (&b"9"[..], Some(ReceiptState::Delivered)));
    let only_id = area(&[(tag::RECEIPTED_MESSAGE_ID, b"abc")]);
    let message = ShortMessage {
        short_message: b"stat:EXPIRED",
        tlvs: Tlvs::new(&only_id),
        ..Default::default()
    };
    let receipt = parse_receipt(&message).unwrap();
    assert_eq!((receipt.id, receipt.state), (&b"abc"[..], Some(ReceiptState::Expired)));
    assert_eq!(receipt.text_id, None);
    let empty_id = area(&[(tag::RECEIPTED_MESSAGE_ID, b"\0"), (tag::MESSAGE_STATE, &[2])]);
    let message = ShortMessage { esm_class: 4, tlvs: Tlvs::new(&empty_id), ..Default::default() };
    assert_eq!(parse_receipt(&message), None, "no id anywhere");
}

#[test]
fn a_receipt_in_ucs2_is_read_when_there_is_room_to_decode_it() {
    let wide: Vec<u8> =
        "id:77 stat:UNDELIV text:привет".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let message =
        ShortMessage { esm_class: 4, data_coding: 8, short_message: &wide, ..Default::default() };
    assert_eq!(parse_receipt(&message), None);
    let mut scratch = Vec::new();
    let receipt = parse_receipt_decoded(&message, &mut scratch).unwrap();
    assert_eq!((receipt.id, receipt.state), (&b"77"[..], Some(ReceiptState::Undeliverable)));
    assert_eq!(receipt.text, Some("привет".as_bytes()));
}

#[test]
fn a_receipt_in_message_payload_is_read() {
    let tlvs = area(&[(tag::MESSAGE_PAYLOAD, b"id:5 stat:REJECTD err:21b")]);
    let message = ShortMessage { esm_class: 4, tlvs: Tlvs::new(&tlvs), ..Default::default() };
    let receipt = parse_receipt(&message).unwrap();
    assert_eq!((receipt.err, receipt.state), (Some(&b"21b"[..]), Some(ReceiptState::Rejected)));
}

#[test]
fn states_have_their_names_numbers_words_and_finality() {
    let finals: Vec<&str> = (0..=9)
        .map(|number| ReceiptState::from_message_state(number).unwrap())
        .filter(|state| state.is_final())
        .map(ReceiptState::name)
        .collect();
    assert_eq!(finals, ["DELIVERED", "EXPIRED", "DELETED", "UNDELIVERABLE", "REJECTED", "SKIPPED"]);
    assert_eq!(ReceiptState::from_message_state(10), None);
    for (stat, state) in [
        ("DELIVRD", "DELIVERED"),
        ("delivered", "DELIVERED"),
        ("FAILED", "UNDELIVERABLE"),
        ("BUFFRED", "ENROUTE"),
        ("BUFFERD", "ENROUTE"),
        ("ACKED", "ENROUTE"),
        ("ACCEPTD", "ACCEPTED"),
        ("DND_REJECTED", "REJECTED"),
        ("SCHEDLD", "SCHEDULED"),
    ] {
        assert_eq!(ReceiptState::from_stat(stat.as_bytes()).unwrap().name(), state);
    }
    assert_eq!(ReceiptState::from_stat(b"DELIVRDX"), None);
}

#[test]
fn dates_of_every_length_are_read_and_impossible_ones_are_not() {
    for (raw, format, value) in [
        ("0809011130", "YYMMDDhhmm", "2008-09-01T11:30:00"),
        ("9912312359", "YYMMDDhhmm", "1999-12-31T23:59:00"),
        ("200229235959", "YYMMDDhhmmss", "2020-02-29T23:59:59"),
        ("201506201641", "YYYYMMDDhhmm", "2015-06-20T16:41:00"),
        ("20110314181534", "YYYYMMDDhhmmss", "2011-03-14T18:15:34"),
        ("180711070003912+", "YYMMDDhhmmsstnnp", "2018-07-11T07:00:03"),
    ] {
        let date = read_date(raw.as_bytes()).unwrap();
        assert_eq!((date.format, date.value.as_str()), (format, value));
    }
    for raw in ["", "0000000000", "2302291200", "2613011200", "2601012460", "260101", "26010112x0"]
    {
        assert_eq!(read_date(raw.as_bytes()), None, "{raw}");
    }
}

#[test]
fn a_written_receipt_is_read_back() {
    let mut out = Vec::new();
    let text = excerpt("Your code is 123456, do not share");
    let receipt = OwnReceipt {
        id: b"0123456789",
        state: ReceiptState::Delivered,
        submitted: 1_767_367_800,
        done: 1_767_367_860,
        err: b"",
        text: &text,
        network_error_code: None,
    };
    receipt.write_text(&mut out);
    assert_eq!(
        out,
        b"id:0123456789 sub:001 dlvrd:001 submit date:2601021530 done date:2601021531 \
          stat:DELIVRD err:000 text:Your code is 123456,"
    );
    let receipt = parse_receipt_text(&out).unwrap();
    assert_eq!(receipt.text, Some(&text[..]));
}

const STATES: [ReceiptState; 10] = [
    ReceiptState::Scheduled,
    ReceiptState::Enroute,
    ReceiptState::Delivered,
    ReceiptState::Expired,
    ReceiptState::Deleted,
    ReceiptState::Undeliverable,
    ReceiptState::Accepted,
    ReceiptState::Unknown,
    ReceiptState::Rejected,
    ReceiptState::Skipped,
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn our_own_receipts_are_read_back_from_text_and_from_tlvs(
        id in "[0-9A-Za-z._-]{1,64}",
        state in proptest::sample::select(STATES.to_vec()),
        times in (0_u64..4_102_444_800, 0_u64..4_102_444_800),
        err in "[0-9a-f]{1,4}",
        message in "\\PC{0,30}|.{0,30}|id:7 stat:DELIVRD text: id:8|[ ]{1,3}stat:X",
        network_error_code in proptest::option::of(any::<[u8; 3]>()),
    ) {
        let text = excerpt(&message);
        let (id, err) = (id.as_bytes(), err.as_bytes());
        let (submitted, done) = times;
        let own =
            OwnReceipt { id, state, submitted, done, err, text: &text, network_error_code };
        let (mut short_message, mut area) = (Vec::new(), Vec::new());
        own.write_text(&mut short_message);
        own.write_tlvs(&mut area);
        let read = parse_receipt_text(&short_message).unwrap();
        prop_assert_eq!((read.id, read.state, read.err), (id, Some(state), Some(err)));
        let dates = [receipt_date(submitted), receipt_date(done)];
        prop_assert_eq!(read.submit_date, Some(dates[0].as_bytes()));
        prop_assert_eq!(read.done_date, Some(dates[1].as_bytes()));
        prop_assert_eq!(read.text, Some(&text[..]));
        let tlvs = Tlvs::new(&area);
        prop_assert!(tlvs.is_exact());
        let alone = ShortMessage { esm_class: 4, tlvs, ..Default::default() };
        let alone = parse_receipt(&alone).unwrap();
        prop_assert_eq!((alone.id, alone.state), (id, Some(state)));
        let code = network_error_code.as_ref().map(|code| &code[..]);
        prop_assert_eq!(alone.network_error_code, code);
        let both =
            ShortMessage { esm_class: 4, short_message: &short_message, tlvs, ..Default::default() };
        let both = parse_receipt(&both).unwrap();
        prop_assert_eq!((both.id, both.text_id, both.state), (id, None, Some(state)));
        prop_assert!(short_message.len() <= 254, "{} octets", short_message.len());
    }
}

#[test]
fn an_excerpt_holds_only_what_every_alphabet_writes_alike() {
    assert_eq!(&excerpt("  Your code is 123456, do not share")[..], b"Your code is 123456,");
    assert_eq!(&excerpt("Caf\u{e9} {1} $2 @3 a_b\n\0")[..], b"Caf? ?1? ?2 ?3 a?b??");
    assert_eq!(&excerpt("")[..], b"");
}

#[test]
fn receipt_dates_follow_the_calendar() {
    // `date -u -d @N +%y%m%d%H%M`
    for (unix_s, expected) in [
        (0, "7001010000"),
        (951_782_399, "0002282359"),
        (951_782_400, "0002290000"),
        (951_868_800, "0003010000"),
        (1_735_689_599, "2412312359"),
        (1_793_966_415, "2611061200"),
        (4_107_542_400, "0003010000"),
    ] {
        assert_eq!(receipt_date(unix_s).as_str(), expected, "{unix_s}");
    }
}
