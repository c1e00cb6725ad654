//! A text as parts for one carrier: whatever its alphabets and its form of concatenation, its parts
//! say the text again, none is too long, and none begins inside a character.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use postrider_core::config::{AlphabetConfig, Concatenation};
use postrider_core::text::{
    self, Concat, Decoded, DefaultAlphabet, Encoding, NationalLanguage, ReferenceWidth, Udh, Wire,
    WirePart, decode_from_carrier, decode_short_message, packed as septets,
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

/// Carriers of every kind.
fn configs() -> impl Strategy<Value = AlphabetConfig> {
    let languages = prop::sample::subsequence(NationalLanguage::ALL.to_vec(), 0..4);
    let codings = prop_oneof![Just((0, 8)), Just((0xF1, 0x08)), Just((1, 0x18))];
    (prop::sample::select(vec![ascii(), latin1(), packed(), national(&[])]), languages, codings)
        .prop_map(|(config, national, (default_data_coding, ucs2_data_coding))| AlphabetConfig {
            national,
            default_data_coding,
            ucs2_data_coding,
            ..config
        })
}

fn texts() -> impl Strategy<Value = String> {
    let characters = |of: &str| prop::sample::select(of.chars().collect::<Vec<_>>());
    let length = 0..500_usize;
    prop_oneof![
        prop::collection::vec(characters("ab @\n\r"), length.clone()),
        prop::collection::vec(characters("aé{€}^Δ£\r"), length.clone()),
        prop::collection::vec(characters("aşğİıç[€\r"), length.clone()),
        prop::collection::vec(characters("aकखगक़ा।{"), length.clone()),
        prop::collection::vec(characters("a😀ж"), length.clone()),
        prop::collection::vec(any::<char>(), length),
    ]
    .prop_map(String::from_iter)
}

/// The septets or octets that a part takes on the air, of 160 or 140, behind its header.
fn check_size(part: &WirePart<'_>, wire: &Wire, config: &AlphabetConfig) {
    let packed = config.packed && config.default == DefaultAlphabet::Gsm;
    let header = part.udh.len();
    match wire.encoding() {
        Encoding::Gsm7 if packed => assert!(header + part.octets.len() <= 140),
        Encoding::Gsm7 => assert!((header * 8).div_ceil(7) + part.octets.len() <= 160),
        Encoding::Ucs2 => {
            assert!(header + part.octets.len() <= 140);
            assert_eq!(part.octets.len() % 2, 0);
        }
    }
    assert!(header + part.octets.len() <= 254, "fits a short_message");
}

proptest! {
    #[test]
    fn the_parts_say_the_text_again(
        text in texts(),
        config in configs(),
        form in prop::sample::select(FORMS.to_vec()),
        reference: u16,
    ) {
        let wire = Wire::new(&text, &config, form).unwrap();
        let parts: Vec<_> = wire.parts(reference).collect();
        prop_assert_eq!(parts.len(), usize::from(wire.part_count()));
        let mut said = String::new();
        for (index, part) in (0..).zip(&parts) {
            prop_assert!(wire.part(index, reference).is_some_and(|own| own == *part));
            let of_this = read(part, &config);
            let broken = of_this.contains(char::REPLACEMENT_CHARACTER);
            prop_assert!(!broken || text.contains(char::REPLACEMENT_CHARACTER));
            said.push_str(&of_this);
            if part.payload {
                prop_assert_eq!((form, parts.len()), (Concatenation::Payload, 1));
                continue;
            }
            check_size(part, &wire, &config);
            let place = Udh::read(&part.udh).concat.or(part.sar);
            prop_assert_eq!(place.is_some(), parts.len() > 1);
            prop_assert!(part.udh.is_empty() || part.sar.is_none(), "never both");
            if let Some(place) = place {
                let own = if form == Concatenation::Udh8 { reference & 0xFF } else { reference };
                prop_assert_eq!((place.index, place.total), (index + 1, wire.part_count()));
                prop_assert_eq!(place.reference, own);
            }
        }
        prop_assert_eq!(wire.part(wire.part_count(), reference), None);
        if said != text {
            // Packed, a carriage return at the end of a part may read as padding.
            prop_assert!(config.packed);
            let without = |text: &str| text.replace('\r', "");
            prop_assert_eq!(without(&said), without(&text));
            prop_assert!(text.len() - said.len() <= parts.len(), "one a part at most");
        }
    }

    #[test]
    fn a_usual_carrier_gets_as_many_parts_as_the_customer_was_told(text in texts()) {
        let encoded = text::encode(&text);
        let config = AlphabetConfig::default();
        for (form, width) in [
            (Concatenation::Udh8, ReferenceWidth::Eight),
            (Concatenation::Sar, ReferenceWidth::Eight),
            (Concatenation::Udh16, ReferenceWidth::Sixteen),
        ] {
            let wire = Wire::new(&text, &config, form).unwrap();
            prop_assert_eq!(wire.encoding(), encoded.encoding());
            prop_assert!(wire.parts(0).map(|part| part.octets.into_owned()).eq(encoded.parts(width).map(<[u8]>::to_vec)));
            for part in wire.parts(0) {
                let read = decode_short_message(part.data_coding, config.default, &part.udh, &part.octets);
                prop_assert_eq!(read, decode_from_carrier(part.data_coding, &config, &part.udh, &part.octets));
            }
        }
        // In another default alphabet a text in both has the same parts.
        let latin1 = Wire::new(&text, &latin1(), Concatenation::Udh8).unwrap();
        if latin1.encoding() == encoded.encoding() {
            prop_assert_eq!(usize::from(latin1.part_count()), encoded.part_count(ReferenceWidth::Eight));
        }
    }

    #[test]
    fn national_tables_are_never_taken_where_others_need_fewer_parts(text in texts()) {
        let all = national(&NationalLanguage::ALL);
        let (with, without) = [&all, &AlphabetConfig::default()]
            .map(|config| Wire::new(&text, config, Concatenation::Udh8).unwrap())
            .into();
        prop_assert!(with.part_count() <= without.part_count());
        for language in NationalLanguage::ALL {
            let one = Wire::new(&text, &national(&[language]), Concatenation::Udh8).unwrap();
            prop_assert!(with.part_count() <= one.part_count());
        }
    }
}

#[test]
fn a_packed_part_that_is_full_does_not_end_with_what_reads_as_padding() {
    let text = format!("{}\r{}", "a".repeat(152), "b".repeat(20));
    let found = parts(&text, &packed(), Concatenation::Udh8);
    let unpack = |part: &WirePart<'_>| septets::unpack(&part.octets, 1);
    assert_eq!(unpack(&found[0]), "a".repeat(152).as_bytes());
    assert_eq!(unpack(&found[1]), format!("\r{}", "b".repeat(20)).as_bytes());
}
