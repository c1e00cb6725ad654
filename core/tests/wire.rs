//! A text as parts for one carrier: whatever its alphabets and its form of concatenation, its parts
//! say the text again, none is too long, and none begins inside a character.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use postrider_core::config::{AlphabetConfig, Concatenation};
use postrider_core::text::{
    self, Concat, Decoded, DefaultAlphabet, Encoding, NationalLanguage, ReferenceWidth, Udh, Wire,
    WirePart, decode_from_carrier, decode_short_message,
};
use proptest::prelude::*;

const FORMS: [Concatenation; 4] =
    [Concatenation::Udh8, Concatenation::Udh16, Concatenation::Sar, Concatenation::Payload];

fn ascii() -> AlphabetConfig {
    AlphabetConfig { default: DefaultAlphabet::Ascii, ..AlphabetConfig::default() }
}

fn latin1() -> AlphabetConfig {
    AlphabetConfig { default: DefaultAlphabet::Latin1, ..AlphabetConfig::default() }
}

fn packed() -> AlphabetConfig {
    AlphabetConfig { packed: true, ..AlphabetConfig::default() }
}

fn national(languages: &[NationalLanguage]) -> AlphabetConfig {
    AlphabetConfig { national: languages.to_vec(), ..AlphabetConfig::default() }
}

fn parts(text: &str, config: &AlphabetConfig, form: Concatenation) -> Vec<WirePart<'static>> {
    let wire = Wire::new(text, config, form).expect("few enough parts");
    let parts: Vec<_> = wire
        .parts(0x1234)
        .map(|part| WirePart { octets: part.octets.into_owned().into(), ..part })
        .collect();
    assert_eq!(parts.len(), usize::from(wire.part_count()));
    parts
}

/// The text of one part as the carrier at the other end reads it.
fn read(part: &WirePart<'_>, config: &AlphabetConfig) -> String {
    match decode_from_carrier(part.data_coding, config, &part.udh, &part.octets) {
        Decoded::Text(text) => text,
        Decoded::Binary(octets) => panic!("{octets:?} is text"),
    }
}

#[test]
fn a_short_text_is_one_part_without_header_in_every_form() {
    for form in FORMS {
        for (text, data_coding, octets) in
            [("a@{", 0, &b"a\x00\x1B\x28"[..]), ("ж", 8, b"\x04\x36"), ("", 0, b"")]
        {
            let found = parts(text, &AlphabetConfig::default(), form);
            let expected = WirePart {
                data_coding,
                udh: Vec::new(),
                octets: octets.into(),
                sar: None,
                payload: false,
            };
            assert_eq!(found, [expected], "{form:?}");
        }
    }
}

#[test]
fn the_parts_of_a_long_text_are_tied_together_as_the_carrier_wants() {
    let text = "x".repeat(200);
    let config = AlphabetConfig::default();
    let place =
        |index| Concat { reference: 0x1234, total: 2, index, width: ReferenceWidth::Sixteen };

    let eight = parts(&text, &config, Concatenation::Udh8);
    assert_eq!(eight[1].udh, [5, 0, 3, 0x34, 2, 2]);
    assert_eq!((eight[0].octets.len(), eight[1].octets.len()), (153, 47));

    let sixteen = parts(&text, &config, Concatenation::Udh16);
    assert_eq!(sixteen[0].udh, [6, 8, 4, 0x12, 0x34, 2, 1]);
    assert_eq!((sixteen[0].octets.len(), sixteen[1].octets.len()), (152, 48));

    let sar = parts(&text, &config, Concatenation::Sar);
    assert_eq!(sar.iter().map(|part| part.sar).collect::<Vec<_>>(), [1, 2].map(place).map(Some));
    assert!(sar.iter().all(|part| part.udh.is_empty() && !part.payload));
    assert_eq!((sar[0].octets.len(), sar[1].octets.len()), (153, 47));

    let payload = parts(&text, &config, Concatenation::Payload);
    assert_eq!(payload.len(), 1);
    assert!(payload[0].payload && payload[0].udh.is_empty() && payload[0].sar.is_none());
    assert_eq!(payload[0].octets, text.as_bytes());
}

#[test]
fn what_takes_too_many_parts_or_octets_is_refused() {
    let config = AlphabetConfig::default();
    let count = |text: &str, form| Wire::new(text, &config, form).map(|wire| wire.part_count());
    let (most, more) = ("a".repeat(255 * 153), "a".repeat(255 * 153 + 1));
    assert_eq!(count(&most, Concatenation::Udh8), Some(255));
    assert_eq!(count(&most, Concatenation::Udh16), None);
    assert_eq!(count(&more, Concatenation::Udh8), None);
    assert_eq!(count(&more, Concatenation::Sar), None);
    assert_eq!(count(&more, Concatenation::Payload), Some(1));
    assert_eq!(count(&"a".repeat(0xFFFF), Concatenation::Payload), Some(1));
    assert_eq!(count(&"a".repeat(0x1_0000), Concatenation::Payload), None);
}

#[test]
fn a_gsm_text_is_cut_by_septets_and_then_put_into_the_carriers_alphabet() {
    // 152 letters and a pair that does not fit.
    let text = format!("{}{{{}", "a".repeat(152), "b".repeat(20));
    let found = parts(&text, &ascii(), Concatenation::Udh8);
    assert_eq!(found[0].octets, "a".repeat(152).as_bytes());
    assert_eq!(found[1].octets, format!("{{{}", "b".repeat(20)).as_bytes());
    assert!(found.iter().all(|part| part.data_coding == 0));

    assert_eq!(parts("£é@", &latin1(), Concatenation::Udh8)[0].octets, &b"\xA3\xE9@"[..]);
    for (text, config) in [("£", ascii()), ("€", latin1()), ("Δ", latin1()), ("ê", latin1())] {
        let found = parts(text, &config, Concatenation::Udh8);
        assert_eq!(found[0].data_coding, 8, "{text} is in GSM 03.38 and the default, or UTF-16");
    }
    let named = AlphabetConfig { default_data_coding: 3, ucs2_data_coding: 0x18, ..latin1() };
    assert_eq!(parts("é", &named, Concatenation::Udh8)[0].data_coding, 3);
    assert_eq!(parts("ж", &named, Concatenation::Udh8)[0].data_coding, 0x18);
}

#[test]
fn parts_full_of_zeros_keep_their_length() {
    let found = parts(&"@".repeat(306), &AlphabetConfig::default(), Concatenation::Udh8);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|part| part.octets == vec![0; 153]));
}
