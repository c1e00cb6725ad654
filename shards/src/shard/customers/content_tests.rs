//! What short_messages become: text, or one part in octets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use postrider_core::config::Config;
use postrider_core::text::DefaultAlphabet;
use postrider_smpp::tlv::Tlv;

use super::*;

fn account(alphabet: DefaultAlphabet) -> (CustomerConfig, CustomerSmpp) {
    let text = r#"
        [smpp]
        listen = "127.0.0.1:0"
        [[customers]]
        name = "shop"
        max_text_chars = 400
        [customers.smpp]
        system_id = "shop"
        password = "secret"
        [[carriers]]
        name = "alpha"
        address = "127.0.0.1:1"
        system_id = "x"
        password = "y"
        [[routes]]
        prefix = ""
        carriers = ["alpha"]
    "#;
    let config = Config::parse(text).unwrap().customers.remove(0);
    let smpp = CustomerSmpp { default_alphabet: alphabet, ..config.smpp.clone().unwrap() };
    (config, smpp)
}

fn read_as(
    alphabet: DefaultAlphabet,
    esm_class: u8,
    data_coding: u8,
    octets: &[u8],
    tlvs: &[u8],
) -> Result<Measured, CommandStatus> {
    let (config, smpp) = account(alphabet);
    let given = Given { esm_class, data_coding, octets, tlvs: Tlvs::new(tlvs) };
    content((&config, &smpp), &given)
}

fn read(esm_class: u8, data_coding: u8, octets: &[u8]) -> Result<Measured, CommandStatus> {
    read_as(DefaultAlphabet::Gsm, esm_class, data_coding, octets, &[])
}

fn text(measured: Measured) -> (String, Encoding, u8) {
    let Content::Text(text) = measured.content else { panic!("octets: {measured:?}") };
    (text.expose().to_string(), measured.encoding, measured.parts)
}

fn octets(measured: Measured) -> (u8, Vec<u8>, Vec<u8>) {
    assert_eq!(measured.parts, 1);
    let Content::Octets(octets) = measured.content else { panic!("text: {measured:?}") };
    (octets.data_coding, octets.udh.to_vec(), octets.data.expose().to_vec())
}

fn sar(reference: u16, total: u8, index: u8) -> Vec<u8> {
    let mut tlvs = Vec::new();
    Tlv { tag: tag::SAR_MSG_REF_NUM, value: &reference.to_be_bytes() }.write(&mut tlvs);
    Tlv { tag: tag::SAR_TOTAL_SEGMENTS, value: &[total] }.write(&mut tlvs);
    Tlv { tag: tag::SAR_SEGMENT_SEQNUM, value: &[index] }.write(&mut tlvs);
    tlvs
}

#[test]
fn text_in_every_alphabet_that_is_read() {
    for (alphabet, data_coding, octets, expected) in [
        (DefaultAlphabet::Gsm, 0, &b"\x00\x1b\x65 a"[..], "@\u{20ac} a"),
        (DefaultAlphabet::Latin1, 0, b"\xe9\xa3", "\u{e9}\u{a3}"),
        (DefaultAlphabet::Ascii, 0, b"a@b", "a@b"),
        (DefaultAlphabet::Gsm, 1, b"a@b", "a@b"),
        (DefaultAlphabet::Gsm, 3, b"\xfc", "\u{fc}"),
        (DefaultAlphabet::Gsm, 6, b"\xb6", "\u{416}"),
        (DefaultAlphabet::Gsm, 7, b"\xe0", "\u{5d0}"),
        (DefaultAlphabet::Gsm, 8, b"\x04\x16\xd8\x3d\xde\x00", "\u{416}\u{1f600}"),
    ] {
        let read = read_as(alphabet, 0, data_coding, octets, &[]).unwrap();
        assert_eq!(text(read).0, expected, "data_coding {data_coding}");
    }
}

#[test]
fn long_text_is_counted_in_parts_and_bounded() {
    let (_, encoding, parts) = text(read(0, 0, &[b'a'; 161]).unwrap());
    assert_eq!((encoding, parts), (Encoding::Gsm7, 2));
    let (_, encoding, parts) = text(read(0, 8, &[0x04, 0x16].repeat(71)).unwrap());
    assert_eq!((encoding, parts), (Encoding::Ucs2, 2));
    assert!(read(0, 0, &[b'a'; 400]).is_ok());
    assert_eq!(read(0, 0, &[b'a'; 401]), Err(CommandStatus::ESME_RINVMSGLEN), "max_text_chars");
    assert_eq!(read(0, 0, b""), Err(CommandStatus::ESME_RINVMSGLEN));
    assert_eq!(read(0, 8, b"\x04\x16\x04"), Err(CommandStatus::ESME_RINVMSGLEN), "half a unit");
}

#[test]
fn a_header_of_the_customers_own_makes_a_part() {
    let udh = [5, 0, 3, 7, 2, 1];
    let part = [&udh[..], &[b'a'; 153]].concat();
    assert_eq!(octets(read(0x40, 0, &part).unwrap()), (0, udh.to_vec(), vec![b'a'; 153]));
    let too_long = [&udh[..], &[b'a'; 154]].concat();
    assert_eq!(read(0x40, 0, &too_long), Err(CommandStatus::ESME_RINVMSGLEN));
    let wide = [&udh[..], &[0x04; 134]].concat();
    assert_eq!(octets(read(0x40, 8, &wide).unwrap()).2.len(), 134);
    let too_wide = [&udh[..], &[0x04; 136]].concat();
    assert_eq!(read(0x40, 8, &too_wide), Err(CommandStatus::ESME_RINVMSGLEN));
    assert_eq!(read(0x40, 0, &[200, 1, 2]), Err(CommandStatus::ESME_RINVESMCLASS), "no header");
    assert_eq!(read(0x40, 0, &udh), Err(CommandStatus::ESME_RINVMSGLEN), "nothing behind it");
    // An empty header is no header.
    assert_eq!(text(read(0x40, 0, b"\0hi").unwrap()).0, "hi");
}

#[test]
fn sar_parameters_become_a_header() {
    let tlvs = sar(7, 2, 1);
    let read_sar = |tlvs: &[u8]| read_as(DefaultAlphabet::Gsm, 0, 0, b"hi", tlvs).unwrap();
    assert_eq!(octets(read_sar(&tlvs)), (0, vec![5, 0, 3, 7, 2, 1], b"hi".to_vec()));
    assert_eq!(octets(read_sar(&sar(260, 3, 3))).1, [6, 8, 4, 1, 4, 3, 3]);
    // One part, none, or a part behind the last: no part of anything.
    for tlvs in [sar(7, 1, 1), sar(7, 2, 0), sar(7, 2, 3), tlvs[..6].to_vec()] {
        assert_eq!(text(read_sar(&tlvs)).0, "hi");
    }
    // A header of the customer's own is the one that counts.
    let both = read_as(DefaultAlphabet::Gsm, 0x40, 0, b"\x05\x00\x03\x09\x02\x02hi", &tlvs);
    assert_eq!(octets(both.unwrap()).1, [5, 0, 3, 9, 2, 2]);
}

#[test]
fn ports_become_a_header() {
    let mut tlvs = Vec::new();
    Tlv { tag: tag::DEST_PORT, value: &[0x0B, 0x84] }.write(&mut tlvs);
    Tlv { tag: tag::SOURCE_PORT, value: &[0x23, 0xF0] }.write(&mut tlvs);
    let read = read_as(DefaultAlphabet::Gsm, 0, 4, b"\x01\x06", &tlvs).unwrap();
    assert_eq!(octets(read), (4, vec![6, 5, 4, 0x0B, 0x84, 0x23, 0xF0], vec![1, 6]));
}

#[test]
fn what_is_no_plain_text_stays_as_it_is() {
    // Binary, flash, into the SIM, waiting messages, an alphabet that is not read, reserved.
    for data_coding in [2, 4, 5, 0x0D, 0x10, 0x18, 0xF0, 0xF4, 0xF5, 0xC8, 0xD0, 0xE0, 0x8F] {
        assert_eq!(octets(read(0, data_coding, b"\x01\x02").unwrap()).0, data_coding);
    }
    assert!(read(0, 4, &[1; 140]).is_ok());
    assert_eq!(read(0, 4, &[1; 141]), Err(CommandStatus::ESME_RINVMSGLEN));
    assert!(read(0, 0xF0, &[b'a'; 160]).is_ok());
    assert_eq!(read(0, 0xF0, &[b'a'; 161]), Err(CommandStatus::ESME_RINVMSGLEN));
    assert_eq!(octets(read(0, 0, b"a\xff").unwrap()), (0, vec![], b"a\xff".to_vec()), "no GSM");
    assert!(octets(read(0, 8, b"\xd8\x00").unwrap()).0 == 8, "half a pair");
}

#[test]
fn parts_in_the_customers_own_alphabet_are_put_into_one_that_means_the_same_everywhere() {
    let part = |alphabet, data: &[u8]| {
        let whole = [&[5, 0, 3, 7, 2, 1], data].concat();
        octets(read_as(alphabet, 0x40, 0, &whole, &[]).unwrap())
    };
    assert_eq!(part(DefaultAlphabet::Latin1, b"@\xe9").2, b"\x00\x05", "GSM has both");
    let (coding, _, data) = part(DefaultAlphabet::Latin1, b"\xe2");
    assert_eq!((coding, data.as_slice()), (3, &b"\xe2"[..]), "GSM has no a with circumflex");
    assert_eq!(part(DefaultAlphabet::Ascii, b"$").2, b"\x02");
    let (coding, _, data) = part(DefaultAlphabet::Ascii, b"`");
    assert_eq!((coding, data.as_slice()), (1, &b"`"[..]));
}

#[test]
fn types_that_no_customer_submits_are_refused() {
    for esm_class in [0x04, 0x0C, 0x14, 0x18, 0x20, 0x24] {
        assert_eq!(read(esm_class, 0, b"hi"), Err(CommandStatus::ESME_RINVESMCLASS));
    }
    for esm_class in [0x00, 0x01, 0x02, 0x03, 0x08, 0x10, 0x13, 0x80, 0x83] {
        assert!(read(esm_class, 0, b"hi").is_ok(), "{esm_class:#x}");
    }
}
