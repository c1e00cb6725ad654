//! Text: the tables against the published ones, every segmentation vector, and what must hold for
//! any text.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use std::collections::BTreeMap;

use postrider_core::text::{
    self, DefaultAlphabet, Encoding, ReferenceWidth, basic_table, decode, encode, extension_table,
    forced_by,
};
use proptest::prelude::*;
use serde_json::Value;

const TABLE: &str = include_str!("../data/gsm0338.csv");
const VECTORS: &str = include_str!("vectors/segmentation.json");

/// code -> character of one of the published tables.
fn published(table: &str) -> BTreeMap<u8, char> {
    let mut codes = BTreeMap::new();
    for line in TABLE.lines().skip(1) {
        let fields: Vec<&str> = line.splitn(4, ',').collect();
        if fields[0] == table && !fields[2].is_empty() {
            let code = u8::from_str_radix(fields[1], 16).unwrap();
            let point = u32::from_str_radix(fields[2], 16).unwrap();
            codes.insert(code, char::from_u32(point).unwrap());
        }
    }
    codes
}

#[test]
fn the_tables_are_the_published_ones() {
    let basic = published("basic");
    let extension = published("extension");
    assert_eq!((basic.len(), extension.len()), (127, 10));
    assert_eq!(basic_table().collect::<BTreeMap<u8, char>>(), basic);
    assert_eq!(extension_table().collect::<BTreeMap<u8, char>>(), extension);
}

#[test]
fn every_character_of_the_tables_goes_both_ways() {
    for (code, c) in published("basic") {
        assert_eq!(encode(&c.to_string()).bytes(), [code], "{c:?}");
        assert_eq!(decode(Encoding::Gsm7, &[code]), c.to_string());
    }
    for (code, c) in published("extension") {
        assert_eq!(encode(&c.to_string()).bytes(), [0x1B, code], "{c:?}");
        assert_eq!(decode(Encoding::Gsm7, &[0x1B, code]), c.to_string());
    }
}

#[test]
fn only_the_characters_of_the_tables_are_gsm() {
    let known: Vec<char> =
        published("basic").into_values().chain(published("extension").into_values()).collect();
    for c in (0..=0x3_0000).filter_map(char::from_u32) {
        let gsm = encode(c.encode_utf8(&mut [0; 4])).encoding() == Encoding::Gsm7;
        assert_eq!(gsm, known.contains(&c), "U+{:04X}", u32::from(c));
    }
}

#[test]
fn what_cannot_be_read_is_shown() {
    for (octets, shown) in [
        (&b"ab\x1B"[..], "ab "),
        (b"\x1B\x1Bx", " x"),
        (b"\x1Ba", "a"),
        (b"\x1B\x00", "@"),
        (b"a\x80\xFFb", "a\u{FFFD}\u{FFFD}b"),
        (b"\x1B\x80", "\u{FFFD}"),
    ] {
        assert_eq!(decode(Encoding::Gsm7, octets), shown, "{octets:x?}");
    }
    for (octets, shown) in [
        (&b"\x00a\xD8\x3D\x00b"[..], "a\u{FFFD}b"),
        (b"\xDE\x00\x00b", "\u{FFFD}b"),
        (b"\x00a\x00", "a\u{FFFD}"),
        (b"\xD8\x3D\xDE\x00", "😀"),
        (b"", ""),
    ] {
        assert_eq!(decode(Encoding::Ucs2, octets), shown, "{octets:x?}");
    }
}

#[test]
fn names_and_numbers_of_encodings() {
    for (encoding, name, coding, number) in
        [(Encoding::Gsm7, "gsm7", 0, 0), (Encoding::Ucs2, "ucs2", 8, 1)]
    {
        assert_eq!((encoding.name(), encoding.data_coding()), (name, coding));
        assert_eq!(u8::from(encoding), number);
        assert_eq!(Encoding::from_u8(number), Some(encoding));
    }
    assert_eq!(Encoding::from_u8(2), None);
    assert_eq!(format!("{:?}", encode("my secret")), "EncodedText(gsm7, 9 units)");
}

#[test]
fn what_forces_ucs2_is_named_once_in_order() {
    use DefaultAlphabet::{Ascii, Gsm, Latin1};
    assert_eq!(forced_by("plain {text} €", Gsm), [char::MIN; 0]);
    assert_eq!(forced_by("it’s “fine”, it’s `ok`", Gsm), ['’', '“', '”', '`']);
    assert_eq!(forced_by("£ é ê € é", Latin1), ['ê', '€']);
    assert_eq!(forced_by("£ é ê € é", Ascii), ['£', 'é', 'ê', '€']);
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A vector's text: as it stands, or `'a' * n`.
fn text_of(vector: &Value) -> String {
    match vector["text"].as_str() {
        Some(text) => text.to_owned(),
        None => {
            let rule = vector["text_rule"].as_str().unwrap();
            let (letter, count) = rule.split_once(" * ").unwrap();
            letter.trim_matches('\'').repeat(count.parse().unwrap())
        }
    }
}

fn numbers(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
}

#[test]
fn segmentation_vectors() {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len() as u64, file["count"].as_u64().unwrap());
    for vector in vectors {
        let id = vector["id"].as_str().unwrap();
        let encoded = encode(&text_of(vector));
        assert_eq!(encoded.encoding().name(), vector["encoding"], "{id}");
        assert_eq!(u64::from(encoded.encoding().data_coding()), vector["data_coding"], "{id}");
        assert_eq!(encoded.units() as u64, vector["total_units"], "{id}");
        assert_eq!(encoded.sendable(), vector["sendable"].as_bool().unwrap(), "{id}");
        for (width, count, units) in [
            (ReferenceWidth::Eight, "parts_ref8", "part_units_ref8"),
            (ReferenceWidth::Sixteen, "parts_ref16", "part_units_ref16"),
        ] {
            assert_eq!(encoded.part_count(width) as u64, vector[count], "{id}");
            if vector[units].is_array() {
                assert_eq!(encoded.part_units(width), numbers(&vector[units]), "{id}");
            }
        }
        let Some(segments) = vector["segments_ref8"].as_array() else { continue };
        let parts: Vec<&[u8]> = encoded.parts(ReferenceWidth::Eight).collect();
        for (part, segment) in parts.iter().zip(segments) {
            assert_eq!(hex(part), segment["payload_hex"], "{id}");
            assert_eq!(decode(encoded.encoding(), part), segment["text"], "{id}");
        }
    }
}

#[test]
fn the_limit_of_parts_is_exact() {
    assert!(encode(&"a".repeat(153 * 255)).sendable());
    assert!(!encode(&"a".repeat(153 * 255 + 1)).sendable());
    assert!(encode(&"д".repeat(67 * 255)).sendable());
    assert!(!encode(&"д".repeat(67 * 255 + 1)).sendable());
}

/// Characters that matter: both tables, neighbours of the tables, surrogate pairs, anything.
fn character() -> impl Strategy<Value = char> {
    let gsm: Vec<char> = basic_table().map(|(_, c)| c).collect();
    let extended: Vec<char> = extension_table().map(|(_, c)| c).collect();
    prop_oneof![
        4 => prop::sample::select(gsm),
        2 => prop::sample::select(extended),
        1 => prop::sample::select(vec!['`', 'ç', '’', 'д', '😀', '\u{FFFF}', '\u{10FFFF}', '\0']),
        1 => any::<char>(),
    ]
}

fn gsm_text() -> impl Strategy<Value = String> {
    let all: Vec<char> = basic_table().chain(extension_table()).map(|(_, c)| c).collect();
    prop::collection::vec(prop::sample::select(all), 0..1_600)
        .prop_map(|chars| chars.into_iter().collect())
}

fn any_text() -> impl Strategy<Value = String> {
    prop::collection::vec(character(), 0..700).prop_map(|chars| chars.into_iter().collect())
}

fn check(text: &str) {
    let encoded = encode(text);
    let encoding = encoded.encoding();
    assert_eq!(decode(encoding, encoded.bytes()), text);
    assert_eq!(forced_by(text, DefaultAlphabet::Gsm).is_empty(), encoding == Encoding::Gsm7);
    let (unit, single, eight, sixteen) = match encoding {
        Encoding::Gsm7 => (1, 160, 153, 152),
        Encoding::Ucs2 => (2, 70, 67, 66),
    };
    assert_eq!(encoded.units() * unit, encoded.bytes().len());
    for (width, full) in [(ReferenceWidth::Eight, eight), (ReferenceWidth::Sixteen, sixteen)] {
        let parts: Vec<&[u8]> = encoded.parts(width).collect();
        assert_eq!(parts.concat(), encoded.bytes(), "nothing is lost or doubled");
        assert_eq!(parts.len(), encoded.part_count(width));
        assert_eq!(parts.len() == 1, encoded.units() <= single);
        let units: Vec<usize> = parts.iter().map(|part| part.len() / unit).collect();
        assert_eq!(units, encoded.part_units(width));
        let limit = if parts.len() == 1 { single } else { full };
        assert!(units.iter().all(|units| *units <= limit));
        // Full but for a pair that would be split, and each readable by itself.
        let (_, first) = units.split_last().unwrap();
        assert!(first.iter().all(|units| *units >= full - 1));
        let read: String = parts.iter().map(|part| decode(encoding, part)).collect();
        assert_eq!(read, text);
    }
}

proptest! {
    #[test]
    fn any_text_survives(text in any_text()) {
        check(&text);
    }

    #[test]
    fn any_gsm_text_survives(text in gsm_text()) {
        prop_assert_eq!(encode(&text).encoding(), Encoding::Gsm7);
        check(&text);
    }

    #[test]
    fn any_octets_decode(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let gsm = decode(Encoding::Gsm7, &octets);
        prop_assert!(gsm.chars().count() <= octets.len());
        let utf16 = decode(Encoding::Ucs2, &octets);
        prop_assert!(utf16.chars().count() <= octets.len().div_ceil(2));
    }

    #[test]
    fn any_octets_split(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let (concat, text) = text::split_udh(&octets);
        prop_assert!(octets.ends_with(text));
        if let Some(concat) = concat {
            prop_assert!(concat.index >= 1 && concat.index <= concat.total);
        }
    }

    #[test]
    fn headers_go_both_ways(
        reference in any::<u16>(),
        total in 1..=255u8,
        index in 1..=255u8,
        wide in any::<bool>(),
        body in prop::collection::vec(any::<u8>(), 0..140),
    ) {
        let width = if wide { ReferenceWidth::Sixteen } else { ReferenceWidth::Eight };
        let reference = if wide { reference } else { reference & 0xFF };
        let concat = text::Concat { reference, total, index, width };
        let mut message = Vec::new();
        concat.write(&mut message);
        message.extend_from_slice(&body);
        let expected = (index <= total).then_some(concat);
        prop_assert_eq!(text::split_udh(&message), (expected, &body[..]));
    }
}
