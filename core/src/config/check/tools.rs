//! What the checks of every section share: numbers in range, known words, addresses, names, texts
//! that fit their field. Pure, lives nowhere.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::config::error::{ConfigErrors, closest};
use crate::config::words::Word;
use crate::limits;
use crate::redact::Private;

/// Longest password: SMPP has 8 characters, carriers and customers in the wild have more.
const MAX_PASSWORD: usize = 64;

/// A number in range, as its own type; the least one when it is not.
pub(super) fn number<T: TryFrom<i64> + Default>(
    e: &mut ConfigErrors,
    at: &str,
    value: i64,
    range: RangeInclusive<i64>,
) -> T {
    let (least, most) = (*range.start(), *range.end());
    if !range.contains(&value) {
        let mend = format!("give a number from {least} to {most}");
        e.add(at, format!("{value} is out of range"), mend);
    }
    T::try_from(value.clamp(least, most)).unwrap_or_default()
}

/// Whole seconds, at least one.
pub(super) fn seconds(e: &mut ConfigErrors, at: &str, value: i64, most: Duration) -> Duration {
    Duration::from_secs(number(e, at, value, 1..=whole(most.as_secs())))
}

/// Whole seconds; 0 for none.
pub(super) fn seconds_or_none(
    e: &mut ConfigErrors,
    at: &str,
    value: i64,
    most: Duration,
) -> Duration {
    Duration::from_secs(number(e, at, value, 0..=whole(most.as_secs())))
}

/// Milliseconds; 0 for none.
pub(super) fn milliseconds(e: &mut ConfigErrors, at: &str, value: i64, most: Duration) -> Duration {
    Duration::from_millis(number(e, at, value, 0..=whole(most.as_millis())))
}

fn whole<T: TryInto<i64>>(count: T) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// One of the known words; the first one when it is none.
pub(super) fn choice<T: Word>(e: &mut ConfigErrors, at: &str, word: &str) -> T {
    if let Some(value) = T::find(word) {
        return value;
    }
    let known = T::all().map(|(own, _)| own);
    let mend = match closest(word, known.clone()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => {
            let words: Vec<String> = known.map(|own| format!("\"{own}\"")).collect();
            format!("use {}", words.join(", "))
        }
    };
    e.add(at, format!("\"{word}\" is not known"), mend);
    T::FIRST.1
}

pub(super) fn address(e: &mut ConfigErrors, at: &str, text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| {
        let mend = "give an IP address and a port, like 127.0.0.1:8080 or [::]:8080";
        e.add(at, format!("\"{text}\" is no address to listen on"), mend);
        SocketAddr::from(([127, 0, 0, 1], 0))
    })
}

/// The address of a carrier: `text` as written, `plain` without its scheme.
pub(super) fn host_and_port(e: &mut ConfigErrors, at: &str, text: &str, plain: &str) {
    let host_ok = |host: &str| {
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match bracketed {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
                !host.is_empty() && host.len() <= 253 && host.chars().all(plain)
            }
        }
    };
    let port_ok = |port: &str| port.parse::<u16>().is_ok_and(|port| port != 0);
    if !plain.rsplit_once(':').is_some_and(|(host, port)| host_ok(host) && port_ok(port)) {
        let mend = "give host:port, like smpp.example.com:2775 or [2001:db8::1]:2775";
        e.add(at, format!("\"{text}\" is not the address of a carrier"), mend);
    }
}

/// The path of a file that must be named.
pub(super) fn file(e: &mut ConfigErrors, at: &str, path: String) -> PathBuf {
    if path.is_empty() {
        e.add(at, "it is missing", "give the path of a PEM file");
    }
    PathBuf::from(path)
}

/// The path of a file that may be named.
pub(super) fn optional_file(
    e: &mut ConfigErrors,
    at: &str,
    path: Option<String>,
) -> Option<PathBuf> {
    path.map(|path| file(e, at, path))
}

/// A password that stands here or in a file, not in both.
pub(super) fn secret(
    e: &mut ConfigErrors,
    at: &str,
    own: Option<Private<String>>,
    file: Option<&str>,
) -> Private<String> {
    let own = own.unwrap_or_else(|| Private::new(String::new()));
    if file.is_some() && !own.expose().is_empty() {
        e.add(at, "password and password_file are both given", "keep one of them");
    }
    password(e, at, own.expose());
    own
}

/// A password fits its field; it is never repeated.
pub(in crate::config) fn password(e: &mut ConfigErrors, at: &str, text: &str) {
    c_octets(e, at, text, MAX_PASSWORD);
}

/// A text fits a C-octet string of SMPP: printable ASCII, at most so long. It is not repeated.
pub(super) fn c_octets(e: &mut ConfigErrors, at: &str, text: &str, most: usize) {
    if text.len() > most {
        e.add(at, format!("it has {} octets", text.len()), format!("give at most {most}"));
    }
    if !text.bytes().all(|octet| matches!(octet, 0x20..=0x7E)) {
        e.add(at, "it has a character that is not printable ASCII", "SMPP carries ASCII here");
    }
}

pub(super) fn too_many(e: &mut ConfigErrors, at: &str, count: usize, most: usize) {
    if count > most {
        e.add(at, format!("there are {count}"), format!("at most {most} are allowed"));
    }
}

/// Names are there, fit for labels, and differ.
pub(super) fn names<'a>(e: &mut ConfigErrors, section: &str, names: impl Iterator<Item = &'a str>) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, name) in names.enumerate() {
        let at = format!("{section}[{index}].name");
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.is_empty() {
            e.add(at, "it is missing", "give a short name; it appears in logs and metrics");
        } else if name.len() > limits::MAX_NAME || !name.chars().all(plain) {
            let mend = "use up to 64 of A to Z, a to z, 0 to 9, dot, dash and underscore";
            e.add(at, format!("\"{name}\" is not fit for a name"), mend);
        } else if let Some(first) = seen.insert(name, index) {
            let what = format!("{section}[{first}] has the name \"{name}\" too");
            e.add(at, what, "give each a name of its own");
        }
    }
}
