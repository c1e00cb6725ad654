//! Checks of the section `[lookups]`. Pure, lives nowhere.

use core::time::Duration;
use std::path::PathBuf;

use super::tools::{number, seconds, too_many};
use crate::config::error::ConfigErrors;
use crate::config::lookups::{LookupFields, LookupsConfig, NUMBER};
use crate::config::raw::{RawLookupFields, RawLookupWords, RawLookups};
use crate::limits;
use crate::lookup::Subscriber;
use crate::redact::Private;

pub(in crate::config) const SECRET_MEND: &str =
    "give the whole value of the field, like \"Bearer ...\", in printable ASCII";

pub(super) fn lookups(e: &mut ConfigErrors, raw: Option<RawLookups>) -> Option<LookupsConfig> {
    let raw = raw?;
    url(e, &raw.url);
    let token = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
    if raw.header.is_empty() || !raw.header.bytes().all(token) {
        let what = format!("\"{}\" is no name of a field", raw.header);
        e.add("lookups.header", what, "give a name like Authorization or X-Api-Key");
    }
    let secret = raw.secret.unwrap_or_else(|| Private::new(String::new()));
    if raw.secret_file.is_some() && !secret.expose().is_empty() {
        e.add("lookups.secret", "secret and secret_file are both given", "keep one of them");
    }
    if !is_field_value(secret.expose()) {
        e.add("lookups.secret", "it cannot be sent in a field", SECRET_MEND);
    }
    let most = i64::try_from(limits::LOOKUP_TIMEOUT[1].as_millis()).unwrap_or(i64::MAX);
    let timeout: u64 = number(e, "lookups.timeout_ms", raw.timeout_ms, 10..=most);
    let concurrency = 1..=i64::from(limits::LOOKUP_CONCURRENCY[1]);
    let cache = 0..=i64::from(limits::LOOKUP_CACHE[1]);
    let price = 0..=i64::try_from(limits::MAX_COST_MICROS).unwrap_or(i64::MAX);
    Some(LookupsConfig {
        url: raw.url,
        header: raw.header,
        secret,
        secret_file: raw.secret_file.map(PathBuf::from),
        timeout: Duration::from_millis(timeout),
        concurrency: number(e, "lookups.concurrency", raw.concurrency, concurrency),
        cache: number(e, "lookups.cache_entries", raw.cache_entries, cache),
        keep: seconds(e, "lookups.cache_seconds", raw.cache_seconds, limits::LOOKUP_KEEP[1]),
        price_micros: number(e, "lookups.price_micros", raw.price_micros, price),
        fields: fields(e, raw.fields),
        words: words(e, raw.words),
    })
}

/// Whether a text may stand in a field of a request.
pub(in crate::config) fn is_field_value(text: &str) -> bool {
    text.bytes().all(|octet| matches!(octet, 0x20..=0x7E))
}

fn url(e: &mut ConfigErrors, url: &str) {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let (host, path) = rest.and_then(|rest| rest.split_once('/')).unwrap_or_default();
    let plain =
        url.len() <= limits::MAX_WEBHOOK_URL && url.bytes().all(|octet| octet.is_ascii_graphic());
    let once = path.matches(NUMBER).count() == 1 && !path.contains('#');
    if host.is_empty() || host.contains(['@', '{', '?', '#']) || !plain || !once {
        let mend = "give a URL with {number} once behind the host, like \
                    https://lookups.example.com/v1/{number}";
        e.add("lookups.url", "it is no URL to ask", mend);
    }
}

fn fields(e: &mut ConfigErrors, raw: RawLookupFields) -> LookupFields {
    let mut pointer = |key: &str, pointer: String| {
        if pointer.is_empty() {
            return None;
        }
        if !pointer.starts_with('/') {
            let what = format!("\"{pointer}\" is no JSON pointer");
            e.add(format!("lookups.fields.{key}"), what, "begin with a slash, like \"/data/mcc\"");
        }
        Some(pointer)
    };
    LookupFields {
        status: pointer("status", raw.status),
        mcc: pointer("mcc", raw.mcc),
        mnc: pointer("mnc", raw.mnc),
        mccmnc: pointer("mccmnc", raw.mccmnc),
        carrier: pointer("carrier", raw.carrier),
        ported: pointer("ported", raw.ported),
    }
}

fn words(e: &mut ConfigErrors, raw: RawLookupWords) -> Vec<(String, Subscriber)> {
    let mut all: Vec<(String, Subscriber)> = Vec::new();
    for (key, own, meaning) in [
        ("active", raw.active, Subscriber::Active),
        ("absent", raw.absent, Subscriber::Absent),
        ("inactive", raw.inactive, Subscriber::Inactive),
        ("invalid", raw.invalid, Subscriber::Invalid),
    ] {
        let at = format!("lookups.words.{key}");
        too_many(e, &at, own.len(), limits::LOOKUP_WORDS);
        for word in own {
            if all.iter().any(|(known, _)| *known == word) {
                let what = format!("\"{word}\" has a meaning already");
                e.add(at.as_str(), what, "give each word one meaning");
            }
            all.push((word, meaning));
        }
    }
    all
}
