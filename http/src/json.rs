//! A writer of JSON that cannot fail and allocates only in its output. Pure, lives nowhere.

use postrider_core::clock::UnixMs;
use postrider_core::id::MessageId;

use crate::time::push_rfc3339;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// One JSON object being written. [`Self::end`] closes it.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    /// Opens an object at the end of `out`.
    pub(crate) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Writes the key of the next member and gives the output, for its value. Keys are our own
    /// names and need no escapes.
    pub(crate) fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        push_string(self.key(name), value);
    }

    pub(crate) fn text_or_null(&mut self, name: &str, value: Option<&str>) {
        or_null(self.key(name), value, push_string);
    }

    pub(crate) fn integer(&mut self, name: &str, value: u64) {
        push_u64(self.key(name), value);
    }

    pub(crate) fn integer_or_null(&mut self, name: &str, value: Option<u64>) {
        or_null(self.key(name), value, push_u64);
    }

    pub(crate) fn signed_or_null(&mut self, name: &str, value: Option<i64>) {
        or_null(self.key(name), value, push_i64);
    }

    pub(crate) fn boolean(&mut self, name: &str, value: bool) {
        self.key(name).extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub(crate) fn boolean_or_null(&mut self, name: &str, value: Option<bool>) {
        or_null(self.key(name), value, |out, value| {
            out.extend_from_slice(if value { b"true" } else { b"false" });
        });
    }

    pub(crate) fn time(&mut self, name: &str, value: UnixMs) {
        push_time(self.key(name), value);
    }

    pub(crate) fn time_or_null(&mut self, name: &str, value: Option<UnixMs>) {
        or_null(self.key(name), value, push_time);
    }

    pub(crate) fn id(&mut self, name: &str, value: MessageId) {
        let out = self.key(name);
        out.push(b'"');
        push_uuid(out, value);
        out.push(b'"');
    }

    /// Writes an array, each item by `write`.
    pub(crate) fn array<T>(&mut self, name: &str, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
        let out = self.key(name);
        out.push(b'[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write(out, item);
        }
        out.push(b']');
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

fn or_null<T>(out: &mut Vec<u8>, value: Option<T>, write: impl Fn(&mut Vec<u8>, T)) {
    match value {
        Some(value) => write(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

/// Writes a string with its quotes (RFC 8259 section 7): the two marks and the C0 controls are
/// escaped, everything else goes out as UTF-8. Runs that need no escape are copied whole.
pub fn push_string(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    let mut rest = value.as_bytes();
    while let Some(at) = rest.iter().position(|&octet| needs_escape(octet)) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((&octet, after)) = tail.split_first() else { break };
        push_escape(out, octet);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn needs_escape(octet: u8) -> bool {
    octet < 0x20 || octet == b'"' || octet == b'\\'
}

fn push_escape(out: &mut Vec<u8>, octet: u8) {
    match octet {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', octet]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => {
            out.extend_from_slice(b"\\u00");
            push_hex_octet(out, octet);
        }
    }
}

/// Writes a number in decimal digits.
pub fn push_u64(out: &mut Vec<u8>, mut value: u64) {
    let start = out.len();
    loop {
        out.push(decimal_digit(value));
        value /= 10;
        if value == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

fn push_i64(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    push_u64(out, value.unsigned_abs());
}

/// The last decimal digit of `value`, in ASCII.
#[allow(clippy::cast_possible_truncation, reason = "a remainder by ten fits an octet")]
pub(crate) fn decimal_digit(value: u64) -> u8 {
    b'0' + (value % 10) as u8
}

fn push_time(out: &mut Vec<u8>, value: UnixMs) {
    out.push(b'"');
    push_rfc3339(out, value);
    out.push(b'"');
}

/// Writes an id in its UUID form, 36 characters, lower case.
pub(crate) fn push_uuid(out: &mut Vec<u8>, id: MessageId) {
    for (at, octet) in id.as_u128().to_be_bytes().into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        push_hex_octet(out, octet);
    }
}

#[allow(clippy::indexing_slicing, reason = "a nibble is below 16")]
fn push_hex_octet(out: &mut Vec<u8>, octet: u8) {
    out.push(HEX[usize::from(octet >> 4)]);
    out.push(HEX[usize::from(octet & 15)]);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strings_read_back_as_written(text in any::<String>()) {
            let mut out = Vec::new();
            push_string(&mut out, &text);
            let read: String = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(read, text);
        }

        #[test]
        fn integers_are_written_like_the_standard_library(a in any::<u64>(), b in any::<i64>()) {
            let mut out = Vec::new();
            push_u64(&mut out, a);
            out.push(b' ');
            push_i64(&mut out, b);
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{a} {b}"));
        }

        #[test]
        fn ids_are_written_like_their_display(value in any::<u128>()) {
            let id = MessageId::from_u128(value);
            let mut out = Vec::new();
            push_uuid(&mut out, id);
            prop_assert_eq!(String::from_utf8(out).unwrap(), id.to_string());
        }
    }

    #[test]
    fn every_control_is_escaped() {
        let text: String = (0u8..0x20).map(char::from).chain("\"\\/é\u{2028}".chars()).collect();
        let mut out = Vec::new();
        push_string(&mut out, &text);
        assert!(out.iter().all(|&octet| octet >= 0x20));
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }
}
