//! Tests of what customers get of inbound messages. Pure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use postrider_core::redact::Private;
use postrider_core::text::{self, DefaultAlphabet, ReferenceWidth, split_udh};
use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::{ShortMessage, encode_message};
use postrider_smpp::tlv::Tlvs;
use proptest::prelude::*;

use super::*;

fn account(long_inbound: LongInbound, default_alphabet: DefaultAlphabet) -> CustomerSmpp {
    CustomerSmpp {
        system_id: "acme".into(),
        password: Private::new(String::new()),
        password_file: None,
        max_binds: 1,
        window: 10,
        deliver_window: 10,
        messages_per_second: 0,
        addresses: Vec::new(),
        default_alphabet,
        long_inbound,
        default_sender: None,
    }
}

fn parts() -> CustomerSmpp {
    account(LongInbound::Parts, DefaultAlphabet::Gsm)
}

fn payload() -> CustomerSmpp {
    account(LongInbound::Payload, DefaultAlphabet::Gsm)
}

/// A fragment as it is read from a PDU with these fields.
fn came(esm_class: u8, data_coding: u8, short_message: &[u8], tlvs: &[u8]) -> Fragment {
    Fragment::read(&ShortMessage {
        source_ton: 1,
        source_npi: 1,
        source: b"447700900001",
        dest_ton: 3,
        dest: b"72345",
        esm_class,
        data_coding,
        short_message,
        tlvs: Tlvs::new(tlvs),
        ..ShortMessage::default()
    })
}

/// The parts in which a handset's text comes, with an 8-bit reference.
fn sent(text: &str, reference: u8) -> Vec<Fragment> {
    let wire = Wire::new(text, &AlphabetConfig::default(), Concatenation::Udh8).unwrap();
    wire.parts(reference.into())
        .map(|part| {
            let short_message = [&*part.udh, &part.octets].concat();
            let esm_class = if part.udh.is_empty() { 0 } else { UDHI };
            came(esm_class, part.data_coding, &short_message, &[])
        })
        .collect()
}

/// All PDUs that the customer gets for these fragments, whole.
fn pdus(
    fragments: &[Fragment],
    carrier: &AlphabetConfig,
    own: &CustomerSmpp,
) -> Vec<CustomerDelivery> {
    let all: Vec<&Fragment> = fragments.iter().collect();
    let composed = Composed::new(&all, carrier, own).unwrap();
    (0..composed.pdus()).map(|pdu| composed.pdu(pdu, all[0], 5).unwrap()).collect()
}

/// What a customer with this default alphabet reads.
fn read_by_customer(pdus: &[CustomerDelivery], default: DefaultAlphabet) -> String {
    let mut octets = Vec::new();
    for (pdu, place) in pdus.iter().zip(1u8..) {
        let message = pdu.message();
        let mut text = message.text();
        if message.has_udh() {
            let (concat, rest) = split_udh(text);
            let concat = concat.unwrap();
            assert_eq!((concat.width, concat.index), (ReferenceWidth::Eight, place));
            assert_eq!(usize::from(concat.total), pdus.len());
            text = rest;
        }
        octets.extend_from_slice(text);
    }
    match text::decode_short_message(pdus[0].data_coding, default, &[], &octets) {
        Decoded::Text(text) => text,
        Decoded::Binary(_) => panic!("binary"),
    }
}

#[test]
fn a_short_text_goes_as_one_short_message() {
    let fragments = [came(0, 0, b"Hello", &[])];
    let [pdu] = &pdus(&fragments, &AlphabetConfig::default(), &parts())[..] else { panic!() };
    let message = pdu.message();
    assert_eq!(
        (message.source, message.source_ton, message.source_npi),
        (&b"447700900001"[..], 1, 1)
    );
    assert_eq!((message.dest, message.dest_ton, message.dest_npi), (&b"72345"[..], 3, 0));
    assert_eq!((message.esm_class, message.data_coding), (0, 0));
    assert_eq!((message.short_message, message.tlvs.as_bytes()), (&b"Hello"[..], &b""[..]));
}

#[test]
fn the_carriers_default_alphabet_becomes_the_customers() {
    let latin = AlphabetConfig { default: DefaultAlphabet::Latin1, ..Default::default() };
    let fragments = [came(0, 0, b"caf\xe9 @", &[])];
    for (own, octets) in [
        (DefaultAlphabet::Gsm, &b"caf\x05 \x00"[..]),
        (DefaultAlphabet::Latin1, b"caf\xe9 @"),
        (DefaultAlphabet::Ascii, b"\0c\0a\0f\0\xe9\0 \0@"),
    ] {
        let pdus = pdus(&fragments, &latin, &account(LongInbound::Parts, own));
        assert_eq!(pdus[0].short_message, octets, "{own:?}");
        assert_eq!(pdus[0].data_coding, if own == DefaultAlphabet::Ascii { 8 } else { 0 });
        assert_eq!(read_by_customer(&pdus, own), "café @");
    }
}

#[test]
fn a_long_text_goes_in_parts_or_whole_as_the_customer_wants() {
    let text = "0123456789".repeat(40);
    let fragments = sent(&text, 77);
    assert_eq!(fragments.len(), 3);
    let carrier = AlphabetConfig::default();
    let in_parts = pdus(&fragments, &carrier, &parts());
    assert_eq!(in_parts.len(), 3);
    assert_eq!(in_parts[1].short_message[..6], [5, 0, 3, 77, 3, 2]);
    assert_eq!(in_parts[1].esm_class, UDHI);
    assert_eq!(read_by_customer(&in_parts, DefaultAlphabet::Gsm), text);
    let whole = pdus(&fragments, &carrier, &payload());
    assert_eq!(whole.len(), 1);
    assert_eq!((whole[0].esm_class, whole[0].short_message.len()), (0, 0));
    assert_eq!(whole[0].message().tlvs.payload(), Some(text.as_bytes()));
}

#[test]
fn parts_tied_by_sar_parameters_are_joined_too() {
    let fragment = |number: u8, text: &[u8]| {
        let sar = [0x02, 0x0C, 0, 2, 1, 44, 0x02, 0x0E, 0, 1, 2, 0x02, 0x0F, 0, 1, number];
        came(0, 0, text, &sar)
    };
    let fragments = [fragment(1, b"Hel"), fragment(2, b"lo")];
    assert_eq!(fragments[1].concat, Concat::new(300, 2, 2, ReferenceWidth::Sixteen));
    let pdus = pdus(&fragments, &AlphabetConfig::default(), &parts());
    assert_eq!(pdus.len(), 1);
    assert_eq!(pdus[0].short_message, b"Hello");
}

#[test]
fn a_character_cut_between_two_parts_is_whole_again() {
    let fragments = [
        came(UDHI, 8, b"\x05\x00\x03\x07\x02\x01\x00H\xd8", &[]),
        came(UDHI, 8, b"\x05\x00\x03\x07\x02\x02\x3d\xde\x00", &[]),
    ];
    let pdus = pdus(&fragments, &AlphabetConfig::default(), &parts());
    assert_eq!(read_by_customer(&pdus, DefaultAlphabet::Gsm), "H\u{1f600}");
}

#[test]
fn octets_and_messages_for_a_port_go_as_they_came() {
    let carrier = AlphabetConfig::default();
    let udh = [11, 5, 4, 0x0B, 0x84, 0x23, 0xF0, 0, 3, 7, 2, 1];
    for (data_coding, body) in [(0xF5, &b"\x01\x06\x04\x03"[..]), (4, b"\xff\x00"), (0, b"text")] {
        let fragment = came(UDHI, data_coding, &[&udh, body].concat(), &[]);
        assert!(!is_text(&fragment, &carrier), "{data_coding}");
        let pdu = as_it_came(&fragment);
        assert_eq!((pdu.esm_class, pdu.data_coding), (UDHI, data_coding));
        assert_eq!(pdu.short_message, [&udh, body].concat());
        assert_eq!(pdu.tlvs, b"");
    }
    let sar = [0x02, 0x0C, 0, 2, 1, 44, 0x02, 0x0E, 0, 1, 2, 0x02, 0x0F, 0, 1, 2];
    let pdu = as_it_came(&came(0, 4, b"\xff\x00", &sar));
    assert_eq!((pdu.short_message, pdu.tlvs), (b"\xff\x00".to_vec(), sar.to_vec()));
}

#[test]
fn a_place_told_beside_a_header_goes_into_it() {
    let sar = [0x02, 0x0C, 0, 2, 1, 44, 0x02, 0x0E, 0, 1, 2, 0x02, 0x0F, 0, 1, 2];
    let ports = [6, 5, 4, 0x0B, 0x84, 0x23, 0xF0];
    let pdu = as_it_came(&came(UDHI, 4, &[&ports[..], b"\xff\x00"].concat(), &sar));
    let header = [12, 8, 4, 1, 44, 2, 2, 5, 4, 0x0B, 0x84, 0x23, 0xF0];
    assert_eq!(pdu.short_message, [&header[..], b"\xff\x00"].concat());
    assert_eq!((pdu.esm_class, pdu.tlvs.as_slice()), (UDHI, &[][..]));
    let mut out = Vec::new();
    encode_message(&mut out, CommandId::DELIVER_SM, 1, &pdu.message()).unwrap();
}

#[test]
fn a_part_without_its_siblings_says_which_it_is() {
    let carrier = AlphabetConfig::default();
    let fragments = sent(&"0123456789".repeat(40), 77);
    for own in [parts(), payload()] {
        let pdu = alone(&fragments[1], &carrier, &own);
        let message = pdu.message();
        assert_eq!((message.esm_class, message.short_message.len()), (0, 153));
        let number = |tag| message.tlvs.get_int(tag);
        assert_eq!(number(tag::SAR_MSG_REF_NUM), Some(77));
        assert_eq!(number(tag::SAR_TOTAL_SEGMENTS), Some(3));
        assert_eq!(number(tag::SAR_SEGMENT_SEQNUM), Some(2));
    }
}

#[test]
fn the_kind_of_a_message_and_its_reply_path_are_kept_and_the_mode_is_not() {
    let pdus = pdus(&[came(0x93, 0, b"x", &[])], &AlphabetConfig::default(), &parts());
    assert_eq!(pdus[0].esm_class, 0x90);
}

#[test]
fn a_payload_too_long_for_parts_goes_whole() {
    let text = "x".repeat(60_000);
    let payload = [&[0x04, 0x24][..], &60_000_u16.to_be_bytes(), text.as_bytes()].concat();
    let pdus = pdus(&[came(0, 0, b"", &payload)], &AlphabetConfig::default(), &parts());
    assert_eq!(pdus.len(), 1);
    assert_eq!(pdus[0].message().tlvs.payload(), Some(text.as_bytes()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any text, however it was cut, reads the same at any customer.
    #[test]
    fn what_the_handset_wrote_is_what_the_customer_reads(
        text in "[a-z€é{}😀 ]{0,400}",
        reference in any::<u8>(),
        whole in any::<bool>(),
        own in prop::sample::select(vec![
            DefaultAlphabet::Gsm, DefaultAlphabet::Ascii, DefaultAlphabet::Latin1,
        ]),
    ) {
        let long = if whole { LongInbound::Payload } else { LongInbound::Parts };
        let pdus = pdus(&sent(&text, reference), &AlphabetConfig::default(), &account(long, own));
        prop_assert_eq!(read_by_customer(&pdus, own), text);
        for pdu in &pdus {
            prop_assert!(pdu.short_message.len() <= 160);
        }
    }

    /// What is kept in the log is what came.
    #[test]
    fn a_fragment_survives_the_log(
        esm_class in any::<u8>(),
        data_coding in any::<u8>(),
        short_message in prop::collection::vec(any::<u8>(), 0..255),
        tlvs in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let fragment = came(esm_class, data_coding, &short_message, &tlvs);
        let from = super::super::notice::Origin {
            carrier: 3,
            customer: 4,
            at: postrider_core::clock::UnixMs(5),
        };
        let record = fragment.record(9, from);
        prop_assert_eq!((record.inbound, record.carrier, record.customer, record.at_ms), (9, 3, 4, 5));
        prop_assert_eq!(Fragment::of_record(&record), fragment);
    }
}
