//! The text form of delivery receipts: a scanner for its keys, and its dates. Pure, lives nowhere.

use core::fmt::Write as _;

use arrayvec::ArrayString;

use crate::values::days_in;

/// A key of the text.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Key {
    Id,
    Sub,
    Dlvrd,
    SubmitDate,
    DoneDate,
    Stat,
    Err,
    Text,
}

/// Every key with the word it is written as.
const KEYS: [(Key, &str); 8] = [
    (Key::Id, "id:"),
    (Key::Sub, "sub:"),
    (Key::Dlvrd, "dlvrd:"),
    (Key::SubmitDate, "submit date:"),
    (Key::DoneDate, "done date:"),
    (Key::Stat, "stat:"),
    (Key::Err, "err:"),
    (Key::Text, "text:"),
];

/// The key that `octets` begin with, and what follows its colon.
fn key_at(octets: &[u8]) -> Option<(Key, &[u8])> {
    KEYS.iter().find_map(|(key, word)| {
        let (head, rest) = octets.split_at_checked(word.len())?;
        head.eq_ignore_ascii_case(word.as_bytes()).then_some((*key, rest))
    })
}

/// The first place in `octets` where `wanted` stands at the start of a word: what is before it, and what
/// follows its colon.
fn find(octets: &[u8], wanted: Key) -> Option<(&[u8], &[u8])> {
    let (_, word) = KEYS.iter().find(|(key, _)| *key == wanted)?;
    let mut word_start = true;
    for (at, octet) in octets.iter().enumerate() {
        if word_start {
            let (before, here) = octets.split_at_checked(at)?;
            let (head, rest) = here.split_at_checked(word.len())?;
            if head.eq_ignore_ascii_case(word.as_bytes()) {
                return Some((before, rest));
            }
        }
        word_start = octet.is_ascii_whitespace();
    }
    None
}

/// The value behind a colon: up to white space, after at most one blank; empty when it is itself a key.
fn value(rest: &[u8]) -> &[u8] {
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    if key_at(rest).is_some() {
        return &[];
    }
    rest.split(u8::is_ascii_whitespace).next().unwrap_or_default()
}

/// A receipt's text, split at the first ` text:`.
#[derive(Copy, Clone)]
pub(crate) struct TextScan<'a> {
    head: &'a [u8],
    tail: Option<&'a [u8]>,
}

impl<'a> TextScan<'a> {
    /// NULs at the end are ignored.
    pub(crate) fn new(text: &'a [u8]) -> Self {
        let nuls = text.iter().rev().take_while(|octet| **octet == 0).count();
        let text = text.get(..text.len().saturating_sub(nuls)).unwrap_or_default();
        match find(text, Key::Text) {
            Some((head, tail)) => Self { head, tail: Some(tail) },
            None => Self { head: text, tail: None },
        }
    }

    /// The value of a key. Only id and stat are looked for behind `text:`, when they are missing before it.
    pub(crate) fn get(&self, key: Key) -> Option<&'a [u8]> {
        let found = find(self.head, key).or_else(|| self.behind_text(key));
        found.map(|(_, rest)| value(rest))
    }

    fn behind_text(&self, key: Key) -> Option<(&'a [u8], &'a [u8])> {
        match key {
            Key::Id | Key::Stat => find(self.tail?, key),
            Key::Sub | Key::Dlvrd | Key::SubmitDate | Key::DoneDate | Key::Err | Key::Text => None,
        }
    }

    /// What follows `text:`, after at most one blank, and up to an id or stat that had to be taken from
    /// there.
    pub(crate) fn text(&self) -> Option<&'a [u8]> {
        let tail = self.tail?;
        let cut = [Key::Id, Key::Stat]
            .into_iter()
            .filter(|key| find(self.head, *key).is_none())
            .filter_map(|key| find(tail, key))
            .map(|(before, _)| before)
            .min_by_key(|before| before.len());
        let text = cut.map_or(tail, <[u8]>::trim_ascii_end);
        Some(text.strip_prefix(b" ").unwrap_or(text))
    }

    /// True when the text begins with a key, white space aside.
    pub(crate) fn begins_with_key(text: &[u8]) -> bool {
        key_at(text.trim_ascii_start()).is_some()
    }
}

/// A date of a receipt: its form, and its reading without regard to any zone.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct ReceiptDate {
    /// The form it was sent in, as `YYMMDDhhmm`.
    pub format: &'static str,
    /// The reading, as `2008-09-01T11:30:00`.
    pub value: ArrayString<19>,
}

/// Reads a receipt's date of 10, 12, 14 or 16 characters; `None` when it is not one, as when all are zero.
///
/// Twelve digits are YYMMDDhhmmss unless only YYYYMMDDhhmm makes sense. Two-digit years up to 37 are 20YY,
/// the others 19YY (3.4 section 7.1.1).
pub fn read_date(text: &[u8]) -> Option<ReceiptDate> {
    match text.len() {
        10 => digits("YYMMDDhhmm", text),
        12 => digits("YYMMDDhhmmss", text).or_else(|| digits("YYYYMMDDhhmm", text)),
        14 => digits("YYYYMMDDhhmmss", text),
        16 => {
            let (head, zone) = text.split_at_checked(12)?;
            let (quarters, sign) = zone.split_at_checked(3)?;
            if !quarters.iter().all(u8::is_ascii_digit) || !matches!(sign, b"+" | b"-") {
                return None;
            }
            let date = digits("YYMMDDhhmmss", head)?;
            Some(ReceiptDate { format: "YYMMDDhhmmsstnnp", ..date })
        }
        _ => None,
    }
}

/// Reads digits by a format of the letters Y M D h m s.
fn digits(format: &'static str, text: &[u8]) -> Option<ReceiptDate> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let part = |letter: u8| {
        format
            .bytes()
            .zip(text)
            .filter(|(each, _)| *each == letter)
            .fold(0_u32, |number, (_, digit)| number * 10 + u32::from(digit - b'0'))
    };
    let year = match part(b'Y') {
        short @ 0..=37 if !format.starts_with("YYYY") => 2000 + short,
        short @ 38..=99 if !format.starts_with("YYYY") => 1900 + short,
        full => full,
    };
    let (month, day) = (part(b'M'), part(b'D'));
    let (hour, minute, second) = (part(b'h'), part(b'm'), part(b's'));
    let in_range = (1..=12).contains(&month)
        && (1..=days_in(year.into(), month.into())).contains(&day.into())
        && year >= 1900
        && hour < 24
        && minute < 60
        && second < 60;
    if !in_range {
        return None;
    }
    let mut value = ArrayString::new();
    write!(value, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}").ok()?;
    Some(ReceiptDate { format, value })
}
