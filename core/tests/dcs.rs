//! data_coding: all 256 values against a table that is written out here, and what octets under them
//! say.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use postrider_core::config::AlphabetConfig;
use postrider_core::text::dcs::{Alphabet, Class, DataCoding, WaitingGroup, WaitingKind};
use postrider_core::text::{
    Decoded, DefaultAlphabet, NationalLanguage, Udh, decode_from_carrier, decode_short_message,
    packed,
};

/// By hand from the specifications: a row for each high half, a column for each low half.
/// Alphabet: Default, Ascii, Latin1, Cyrillic, Hebrew, Ucs2, Foreign, Binary. Class: its number.
/// Waiting: voice, fax, email, other, in capitals when switched on.
const EXPECTED: [(&str, &str, &str); 16] = [
    ("DABLBFCHUFFDDFFD", "----------------", "----------------"),
    ("DDDDBBBBUUUUDDDD", "0123012301230123", "----------------"),
    ("BBBBBBBBBBBBBBBB", "----------------", "----------------"),
    ("BBBBBBBBBBBBBBBB", "0123012301230123", "----------------"),
    ("DDDDBBBBUUUUDDDD", "----------------", "----------------"),
    ("DDDDBBBBUUUUDDDD", "0123012301230123", "----------------"),
    ("BBBBBBBBBBBBBBBB", "----------------", "----------------"),
    ("BBBBBBBBBBBBBBBB", "0123012301230123", "----------------"),
    ("DDDDDDDDDDDDDDDD", "----------------", "----------------"),
    ("DDDDDDDDDDDDDDDD", "----------------", "----------------"),
    ("DDDDDDDDDDDDDDDD", "----------------", "----------------"),
    ("DDDDDDDDDDDDDDDD", "----------------", "----------------"),
    ("DDDDDDDDDDDDDDDD", "----------------", "vfeovfeoVFEOVFEO"),
    ("DDDDDDDDDDDDDDDD", "----------------", "vfeovfeoVFEOVFEO"),
    ("UUUUUUUUUUUUUUUU", "----------------", "vfeovfeoVFEOVFEO"),
    ("DDDDBBBBDDDDBBBB", "0123012301230123", "----------------"),
];

fn alphabet_letter(coding: DataCoding) -> char {
    match coding.alphabet() {
        Alphabet::Default => 'D',
        Alphabet::Ascii => 'A',
        Alphabet::Latin1 => 'L',
        Alphabet::Cyrillic => 'C',
        Alphabet::Hebrew => 'H',
        Alphabet::Ucs2 => 'U',
        Alphabet::Foreign => 'F',
        Alphabet::Binary => 'B',
    }
}

fn class_letter(coding: DataCoding) -> char {
    match coding.class() {
        None => '-',
        Some(Class::Flash) => '0',
        Some(Class::Handset) => '1',
        Some(Class::Sim) => '2',
        Some(Class::Terminal) => '3',
    }
}

fn waiting_letter(coding: DataCoding) -> char {
    let Some(waiting) = coding.waiting() else { return '-' };
    let letter = match waiting.kind {
        WaitingKind::Voicemail => 'v',
        WaitingKind::Fax => 'f',
        WaitingKind::Email => 'e',
        WaitingKind::Other => 'o',
    };
    if waiting.active { letter.to_ascii_uppercase() } else { letter }
}

#[test]
fn every_value_says_what_the_specifications_say() {
    for (high, (alphabets, classes, waiting)) in (0_u8..).zip(EXPECTED) {
        let row: Vec<DataCoding> = (0..16).map(|low| DataCoding::parse(high << 4 | low)).collect();
        let letters = |letter: fn(DataCoding) -> char| -> String {
            row.iter().map(|coding| letter(*coding)).collect()
        };
        assert_eq!(letters(alphabet_letter), alphabets, "{high:x}x");
        assert_eq!(letters(class_letter), classes, "{high:x}x");
        assert_eq!(letters(waiting_letter), waiting, "{high:x}x");
        for coding in row {
            assert_eq!(coding.is_compressed(), [2, 3, 6, 7].contains(&high));
            assert_eq!(coding.is_deleted_once_read(), (4..=7).contains(&high));
            let group = [WaitingGroup::Discard, WaitingGroup::Store, WaitingGroup::StoreUcs2];
            let expected = usize::from(high).checked_sub(0xC).and_then(|at| group.get(at));
            assert_eq!(coding.waiting().map(|waiting| waiting.group), expected.copied());
        }
    }
}

#[test]
fn every_value_is_written_as_it_was_read() {
    let mut seen = Vec::new();
    for value in 0..=u8::MAX {
        let coding = DataCoding::from(value);
        assert_eq!(u8::from(coding), value, "{value:#04x}");
        assert!(!seen.contains(&coding), "{value:#04x} is like another");
        seen.push(coding);
    }
}

#[test]
fn values_have_names() {
    for (value, name) in [
        (0x00, "default"),
        (0x01, "ascii"),
        (0x02, "binary"),
        (0x03, "latin1"),
        (0x04, "binary"),
        (0x05, "jis"),
        (0x06, "iso-8859-5"),
        (0x07, "iso-8859-8"),
        (0x08, "ucs2"),
        (0x09, "pictogram"),
        (0x0A, "iso-2022-jp"),
        (0x0C, "reserved"),
        (0x0D, "extended kanji jis"),
        (0x0E, "ks c 5601"),
        (0x10, "default, class 0"),
        (0x18, "ucs2, class 0"),
        (0x33, "binary, compressed, class 3"),
        (0x59, "ucs2, class 1, deleted once read"),
        (0x9A, "reserved"),
        (0xC0, "default, voicemail no longer waiting, discarded"),
        (0xD9, "default, fax waiting"),
        (0xEB, "ucs2, other waiting"),
        (0xF0, "default, class 0"),
        (0xF6, "binary, class 2"),
    ] {
        assert_eq!(DataCoding::parse(value).to_string(), name, "{value:#04x}");
    }
}

fn text(data_coding: u8, default: DefaultAlphabet, udh: &[u8], octets: &[u8]) -> String {
    match decode_short_message(data_coding, default, udh, octets) {
        Decoded::Text(text) => text,
        Decoded::Binary(octets) => panic!("{octets:x?} under {data_coding:#04x} is text"),
    }
}

#[test]
fn octets_are_read_by_their_data_coding_and_the_senders_default() {
    use DefaultAlphabet::{Ascii, Gsm, Latin1};
    for (data_coding, default, octets, expected) in [
        (0x00, Gsm, &b"\x00\x1B\x65\x40"[..], "@€¡"),
        (0x00, Ascii, b"@[\xFC", "@[ü"),
        (0x00, Latin1, b"@[\xA3\xFC", "@[£ü"),
        (0xF0, Gsm, b"\x00", "@"),
        (0xF0, Latin1, b"\x40", "@"),
        (0x10, Gsm, b"\x01", "£"),
        (0xC8, Gsm, b"\x02", "$"),
        (0x0B, Gsm, b"\x02", "$"),
        (0x01, Gsm, b"$@_", "$@_"),
        (0x03, Gsm, b"\xA3", "£"),
        (0x06, Gsm, b"\xBF\xE0\xD8\xD2\xD5\xE2 \xF0\xFD\xA1\xFF", "Привет №§Ёџ"),
        (0x07, Gsm, b"\xF9\xEC\xE5\xED \xAA\xA1", "שלום ×\u{FFFD}"),
        (0x08, Latin1, b"\x04\x36\xD8\x3D\xDE\x00", "ж😀"),
        (0x18, Gsm, b"\x04\x36", "ж"),
        (0xE0, Gsm, b"\x04\x36", "ж"),
        (0x08, Gsm, b"\x04\x36\x00", "ж\u{FFFD}"),
    ] {
        assert_eq!(text(data_coding, default, &[], octets), expected, "{data_coding:#04x}");
    }
    for data_coding in [0x02, 0x04, 0x05, 0x09, 0x0E, 0x14, 0x20, 0xF5] {
        let decoded = decode_short_message(data_coding, Gsm, &[], b"\x01\x02");
        assert_eq!(decoded, Decoded::Binary(&[1, 2]), "{data_coding:#04x}");
    }
}

#[test]
fn national_tables_named_by_the_header_are_used() {
    let turkish = Some(NationalLanguage::Turkish);
    let mut header = Vec::new();
    Udh { locking: turkish, ..Udh::default() }.write(&mut header);
    assert_eq!(header, [3, 0x25, 1, 1]);
    assert_eq!(text(0, DefaultAlphabet::Gsm, &header, b"\x07\x1C"), "ıŞ");
    // Whatever its default is: such a header goes with septets.
    assert_eq!(text(0, DefaultAlphabet::Latin1, &header, b"\x07"), "ı");
    // Not for other alphabets.
    assert_eq!(text(8, DefaultAlphabet::Gsm, &header, b"\x00a"), "a");
    let header = [3, 0x24, 1, 1];
    assert_eq!(text(0, DefaultAlphabet::Gsm, &header, b"\x07\x1B\x53"), "ìŞ");
    // A language that is not known shifts nothing.
    assert_eq!(text(0, DefaultAlphabet::Gsm, &[3, 0x24, 1, 99], b"\x1B\x65"), "€");
}

#[test]
fn a_carriers_own_values_are_read_as_its_profile_says() {
    let config = AlphabetConfig {
        default: DefaultAlphabet::Latin1,
        default_data_coding: 0xF1,
        ucs2_data_coding: 0x04,
        ..AlphabetConfig::default()
    };
    let read = |data_coding, octets| decode_from_carrier(data_coding, &config, &[], octets);
    assert_eq!(read(0xF1, b"\xA3"), Decoded::Text("£".into()));
    assert_eq!(read(0x04, b"\x04\x36"), Decoded::Text("ж".into()));
    assert_eq!(read(0x00, b"\xA3"), Decoded::Text("£".into()));
    assert_eq!(read(0x02, b"\xA3"), Decoded::Binary(b"\xA3"));
}

#[test]
fn packed_septets_of_a_carrier_are_read_behind_their_fill_bits() {
    let config = AlphabetConfig { packed: true, ..AlphabetConfig::default() };
    let header = [5, 0, 3, 7, 2, 1];
    for udh in [&[][..], &header] {
        let octets = packed::pack(b"hello \x00 \x1B\x65", packed::fill_bits(udh.len()));
        let decoded = decode_from_carrier(0, &config, udh, &octets);
        assert_eq!(decoded, Decoded::Text("hello @ €".into()));
    }
    // Text in other alphabets is not packed.
    let decoded = decode_from_carrier(8, &config, &[], b"\x00a");
    assert_eq!(decoded, Decoded::Text("a".into()));
    assert_eq!(format!("{decoded:?}"), "Text(1 octets)", "no text in logs");
}
