//! The national language tables: every published row both ways, the room beside their elements, and
//! when a text takes them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use postrider_core::config::{AlphabetConfig, Concatenation, Word};
use postrider_core::text::{
    DefaultAlphabet, Encoding, NationalLanguage, Udh, Wire, decode_national, encode_national, room,
};
use serde_json::Value;

const TABLES: &str = include_str!("../data/gsm0338_national.csv");
const SEGMENTATION: &str = include_str!("vectors/segmentation.json");

struct Row {
    language: NationalLanguage,
    locking: bool,
    code: u8,
    /// None for the escape and for codes without a character.
    character: Option<char>,
}

impl Row {
    /// The language as locking and as single shift.
    fn shifts(&self) -> (Option<NationalLanguage>, Option<NationalLanguage>) {
        if self.locking { (Some(self.language), None) } else { (None, Some(self.language)) }
    }

    fn octets(&self) -> Vec<u8> {
        if self.locking { vec![self.code] } else { vec![0x1B, self.code] }
    }
}

fn rows() -> Vec<Row> {
    let fields = TABLES.lines().skip(1).map(|line| line.splitn(6, ',').collect::<Vec<_>>());
    let rows = fields.map(|fields| {
        let number = |at: usize| u32::from_str_radix(fields[at], 16).unwrap();
        let language = NationalLanguage::from_u8(u8::try_from(number(1)).unwrap()).unwrap();
        assert_eq!(language.word(), fields[0].to_lowercase());
        Row {
            language,
            locking: fields[2] == "locking",
            code: u8::try_from(number(3)).unwrap(),
            character: (!fields[4].is_empty()).then(|| char::from_u32(number(4)).unwrap()),
        }
    });
    rows.collect()
}

#[test]
fn every_row_of_the_tables_is_read() {
    let rows = rows();
    assert_eq!(rows.len(), 2_400);
    for row in &rows {
        let (locking, single) = row.shifts();
        let shown = row.character.unwrap_or(' ');
        let (language, octets) = (row.language, row.octets());
        assert_eq!(decode_national(&octets, locking, single), shown.to_string(), "{language:?}");
    }
}

#[test]
fn every_row_of_the_tables_is_written() {
    // Where a table has a character twice, the lower code is taken.
    let mut lowest = BTreeMap::new();
    for row in rows() {
        let Some(c) = row.character else { continue };
        let key = (row.language.as_u8(), row.locking, c);
        let code = lowest.entry(key).or_insert(row.code);
        *code = row.code.min(*code);
    }
    let (mut written, mut main) = (0, 0);
    for ((language, locking, c), code) in lowest {
        let language = NationalLanguage::from_u8(language);
        let (locking, single) = if locking { (language, None) } else { (None, language) };
        let octets = encode_national(&c.to_string(), locking, single).unwrap();
        if locking.is_none()
            && encode_national(&c.to_string(), None, None).is_some_and(|o| o.len() == 1)
        {
            // In the basic table as well, which costs less.
            assert_eq!(octets.len(), 1, "{language:?} {c:?}");
            main += 1;
        } else if locking.is_some() {
            assert_eq!(octets, [code], "{language:?} {c:?}");
        } else {
            assert_eq!(octets, [0x1B, code], "{language:?} {c:?}");
        }
        written += 1;
    }
    // 2,400 rows without 12 escapes, 94 void ones and 20 characters that stand twice.
    assert_eq!(written, 2_400 - 12 - 94 - 20);
    assert!(main > 0);
}

#[test]
fn a_table_replaces_the_one_that_it_shifts() {
    let rows = rows();
    for language in NationalLanguage::ALL {
        for locking in [true, false] {
            let own: BTreeSet<char> = rows
                .iter()
                .filter(|row| row.language == language && row.locking == locking)
                .filter_map(|row| row.character)
                .collect();
            assert_eq!(own.is_empty(), locking && !language.has_locking());
            if own.is_empty() {
                continue;
            }
            let (lock, single) =
                if locking { (Some(language), None) } else { (None, Some(language)) };
            for c in (0..=0xFFFF).filter_map(char::from_u32) {
                let text = c.to_string();
                let known = encode_national(&text, lock, single).is_some();
                // The other table is the default one.
                let other = encode_national(&text, None, None)
                    .is_some_and(|octets| (octets[0] == 0x1B) == locking);
                assert_eq!(known, own.contains(&c) || other, "{language:?} {locking} {c:?}");
            }
        }
    }
}

#[test]
fn what_cannot_be_read_behind_a_shift_is_shown() {
    let turkish = Some(NationalLanguage::Turkish);
    for (octets, shown) in [
        (&b"ab\x1B"[..], "ab "),
        (b"\x1B\x1Bx", " x"),
        (b"a\x80\xFFb", "a\u{FFFD}\u{FFFD}b"),
        (b"\x1B\x80", "\u{FFFD}"),
    ] {
        assert_eq!(decode_national(octets, turkish, turkish), shown, "{octets:x?}");
    }
    // An unknown code behind the escape reads in the locking table, or else in the basic one.
    assert_eq!(decode_national(b"\x1B\x0B", turkish, turkish), "Ğ");
    assert_eq!(decode_national(b"\x1B\x0B", None, turkish), "Ø");
    // A language without a locking table shifts nothing.
    assert_eq!(decode_national(b"\x0B", Some(NationalLanguage::Spanish), None), "Ø");
    assert_eq!(NationalLanguage::from_u8(0), None);
    assert_eq!(NationalLanguage::from_u8(14), None);
}

#[test]
fn a_header_leaves_the_published_room() {
    let file: Value = serde_json::from_str(SEGMENTATION).unwrap();
    let rows = file["room_per_udh"].as_array().unwrap();
    assert_eq!(rows.len(), 15);
    for row in rows {
        let length = usize::try_from(row["udhl"].as_u64().unwrap()).unwrap();
        let header = if length == 0 { 0 } else { length + 1 };
        assert_eq!(room(Encoding::Gsm7, header) as u64, row["septets"], "{row}");
        assert_eq!(room(Encoding::Ucs2, header) as u64, row["ucs2_units"], "{row}");
    }
}

fn config(national: &[NationalLanguage]) -> AlphabetConfig {
    AlphabetConfig { national: national.to_vec(), ..AlphabetConfig::default() }
}

/// The octets of the parts of a text that takes national tables, and what every header names.
fn national(text: &str, form: Concatenation, tables: &[NationalLanguage]) -> (Vec<usize>, Udh) {
    let config = config(tables);
    let wire = Wire::new(text, &config, form).unwrap();
    let mut shared = None;
    let mut sizes = Vec::new();
    for part in wire.parts(1) {
        assert_eq!(part.data_coding, 0);
        let header = Udh { concat: None, ..Udh::read(&part.udh) };
        assert_eq!(*shared.get_or_insert(header), header, "every part repeats the elements");
        sizes.push(part.octets.len());
    }
    (sizes, shared.unwrap())
}

#[test]
fn parts_are_as_long_as_their_elements_let_them() {
    let turkish = [NationalLanguage::Turkish];
    let locked = Udh { locking: Some(NationalLanguage::Turkish), ..Udh::default() };
    let shifted = Udh { single: Some(NationalLanguage::Turkish), ..Udh::default() };
    for (text, form, sizes, tables) in [
        // A pair costs two septets behind a single shift, one septet in the locking table.
        ("ş".repeat(77), Concatenation::Udh8, vec![154], shifted),
        ("ş".repeat(155), Concatenation::Udh8, vec![155], locked),
        ("ş".repeat(156), Concatenation::Udh8, vec![149, 7], locked),
        ("ş".repeat(156), Concatenation::Udh16, vec![148, 8], locked),
        ("ç".repeat(151) + "Ş", Concatenation::Udh8, vec![152], locked),
    ] {
        assert_eq!(national(&text, form, &turkish), (sizes, tables), "{form:?}");
    }
    // In Portuguese `ê` is one septet in the locking table, and `Φ` is behind the single shift alone.
    let portuguese = NationalLanguage::Portuguese;
    let both = Udh { locking: Some(portuguese), single: Some(portuguese), ..Udh::default() };
    for (form, room) in [(Concatenation::Udh8, 146), (Concatenation::Udh16, 145)] {
        let text = "ê".repeat(2 * room - 2) + "Φ";
        assert_eq!(national(&text, form, &[portuguese]), (vec![room, room], both), "{form:?}");
    }
}

#[test]
fn a_text_takes_the_tables_with_the_fewest_parts() {
    let all = NationalLanguage::ALL;
    let languages = |text: &str, tables: &[NationalLanguage], form| {
        let wire = Wire::new(text, &config(tables), form).unwrap();
        (wire.encoding(), wire.languages())
    };
    let udh = Concatenation::Udh8;
    // GSM 03.38 alone suffices: nothing is shifted, whatever it would save.
    assert_eq!(languages(&"€".repeat(150), &all, udh), (Encoding::Gsm7, (None, None)));
    let spanish = Some(NationalLanguage::Spanish);
    assert_eq!(languages("á", &all, udh), (Encoding::Gsm7, (None, spanish)));
    let hindi = Some(NationalLanguage::Hindi);
    assert_eq!(languages(&"क".repeat(71), &all, udh), (Encoding::Gsm7, (hindi, None)));
    // Two languages in one text have no table together.
    assert_eq!(languages("áक", &all, udh), (Encoding::Ucs2, (None, None)));
    // Not listed, or without a user data header: UTF-16.
    assert_eq!(languages("á", &[NationalLanguage::Hindi], udh).0, Encoding::Ucs2);
    assert_eq!(languages("á", &all, Concatenation::Sar).0, Encoding::Ucs2);
    assert_eq!(languages("á", &all, Concatenation::Payload).0, Encoding::Ucs2);
    let latin1 = AlphabetConfig { default: DefaultAlphabet::Latin1, ..config(&all) };
    assert_eq!(Wire::new("á", &latin1, udh).unwrap().encoding(), Encoding::Ucs2);
}
