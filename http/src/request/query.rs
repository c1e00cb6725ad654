//! `GET /api/v1/messages`: the filters of a list. Pure, lives nowhere.

use std::borrow::Cow;

use postrider_core::clock::UnixMs;
use postrider_core::lifecycle::PartStatus;
use postrider_core::limits::{LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX};
use postrider_core::number::Msisdn;
use postrider_core::sender::SenderId;

use super::{Cursor, ListQuery, RequestHead};
use crate::problem::{Code, Problem, sentence};
use crate::time::parse_rfc3339;

/// Longest unknown key that a problem repeats, in characters.
const KEY_CHARS_MAX: usize = 64;

/// A key of the query.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Key {
    From,
    To,
    Status,
    Limit,
    Cursor,
    FromNumber,
    ToNumber,
}

impl Key {
    const ALL: [Self; 7] = [
        Self::From,
        Self::To,
        Self::Status,
        Self::Limit,
        Self::Cursor,
        Self::FromNumber,
        Self::ToNumber,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::To => "to",
            Self::Status => "status",
            Self::Limit => "limit",
            Self::Cursor => "cursor",
            Self::FromNumber => "from_number",
            Self::ToNumber => "to_number",
        }
    }
}

/// Refuses a query where none is defined.
pub(super) fn refuse_query(head: &RequestHead<'_>) -> Result<(), Problem> {
    let Some(query) = head.query.filter(|query| !query.is_empty()) else { return Ok(()) };
    let (key, _) = split_pair(query.split('&').next().unwrap_or_default());
    Err(Problem::new(Code::InvalidQuery, "This request takes no query.").at(shortened(key)))
}

/// The value of the only key that a request's query may have.
pub(super) fn single_key<'a>(
    query: Option<&'a str>,
    name: &'static str,
) -> Result<Option<&'a str>, Problem> {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(None) };
    let (key, value) = split_pair(query);
    if key == name && value.is_some() && !query.contains('&') {
        return Ok(value);
    }
    let detail = format!("The query may only be {name}, once, with a value.");
    Err(Problem::new(Code::InvalidQuery, detail).at(shortened(key)))
}

pub(super) fn parse_list(query: Option<&str>) -> Result<ListQuery, Problem> {
    let mut list = ListQuery {
        from: None,
        to: None,
        status: None,
        limit: LIST_LIMIT_DEFAULT,
        cursor: None,
        from_number: None,
        to_number: None,
    };
    let mut seen = Vec::with_capacity(Key::ALL.len());
    for pair in query.filter(|query| !query.is_empty()).into_iter().flat_map(|q| q.split('&')) {
        let (name, value) = split_pair(pair);
        let key = Key::ALL.into_iter().find(|key| key.name() == name);
        let key = key.ok_or_else(|| unknown_key(name))?;
        if seen.contains(&key) {
            return Err(wrong(key, "This key is given twice."));
        }
        seen.push(key);
        let value = value.ok_or_else(|| wrong(key, "This key has no value."))?;
        let value = if key == Key::FromNumber { form_spaces(value) } else { value.into() };
        let value = percent_decode(&value)
            .ok_or_else(|| wrong(key, "The value is not percent-encoded UTF-8."))?;
        set(&mut list, key, &value)?;
    }
    if let (Some(from), Some(to)) = (list.from, list.to)
        && from > to
    {
        return Err(wrong(Key::To, "The end of the range lies before its beginning."));
    }
    Ok(list)
}

fn set(list: &mut ListQuery, key: Key, value: &str) -> Result<(), Problem> {
    match key {
        Key::From => list.from = Some(parse_time(key, value)?),
        Key::To => list.to = Some(parse_time(key, value)?),
        Key::Status => list.status = Some(parse_status(value)?),
        Key::Limit => list.limit = parse_limit(value)?,
        Key::Cursor => list.cursor = Some(parse_cursor(value)?),
        Key::FromNumber => list.from_number = Some(parse_sender(value)?),
        Key::ToNumber => list.to_number = Some(parse_number(value)?),
    }
    Ok(())
}

fn split_pair(pair: &str) -> (&str, Option<&str>) {
    match pair.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (pair, None),
    }
}

fn wrong(key: Key, detail: impl Into<String>) -> Problem {
    Problem::new(Code::InvalidQuery, detail).at(key.name())
}

fn unknown_key(name: &str) -> Problem {
    let known = Key::ALL.map(Key::name).join(", ");
    let detail = format!("This key is not known. Known are: {known}.");
    Problem::new(Code::InvalidQuery, detail).at(shortened(name))
}

fn shortened(name: &str) -> String {
    name.chars().take(KEY_CHARS_MAX).collect()
}

fn parse_time(key: Key, value: &str) -> Result<UnixMs, Problem> {
    parse_rfc3339(value).ok_or_else(|| {
        wrong(key, "This must be an RFC 3339 time since 1970, such as 2026-01-31T08:00:00Z.")
    })
}

fn parse_status(value: &str) -> Result<PartStatus, Problem> {
    PartStatus::from_name(value).ok_or_else(|| {
        let names = PartStatus::ALL.map(PartStatus::name).join(", ");
        wrong(Key::Status, format!("This must be one of: {names}."))
    })
}

fn parse_limit(value: &str) -> Result<u16, Problem> {
    let digits = value.bytes().all(|octet| octet.is_ascii_digit());
    let limit = value.parse().ok().filter(|limit| digits && (1..=LIST_LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| {
        wrong(Key::Limit, format!("This must be a whole number from 1 to {LIST_LIMIT_MAX}."))
    })
}

fn parse_cursor(value: &str) -> Result<Cursor, Problem> {
    Cursor::decode(value).ok_or_else(|| {
        let detail = "Give the next_cursor of the page before, unchanged.";
        Problem::new(Code::InvalidCursor, detail).at(Key::Cursor.name())
    })
}

fn parse_sender(value: &str) -> Result<SenderId, Problem> {
    SenderId::parse(value).map_err(|error| wrong(Key::FromNumber, sentence(&error)))
}

fn parse_number(value: &str) -> Result<Msisdn, Problem> {
    Msisdn::parse_strict(value).map_err(|error| wrong(Key::ToNumber, sentence(&error)))
}

/// Many clients encode queries as forms, with `+` for a space, and a sender is the one value that
/// may hold spaces. A leading `+` is kept: no sender begins with a space, and a number does so.
fn form_spaces(value: &str) -> Cow<'_, str> {
    match value.char_indices().nth(1) {
        Some((at, _)) if value.contains('+') => {
            let (first, rest) = value.split_at(at);
            Cow::Owned(format!("{first}{}", rest.replace('+', " ")))
        }
        _ => Cow::Borrowed(value),
    }
}

/// RFC 3986 section 2.1. A `+` stays a `+`, as the RFC has it: times and numbers hold them.
pub(super) fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&octet, tail)) = rest.split_first() {
        if octet != b'%' {
            octets.push(octet);
            rest = tail;
            continue;
        }
        let (digits, after) = tail.split_first_chunk::<2>()?;
        octets.push(hex_digit(digits[0])? << 4 | hex_digit(digits[1])?);
        rest = after;
    }
    String::from_utf8(octets).ok().map(Cow::Owned)
}

fn hex_digit(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}
