//! The provider of look-ups as written. Pure, lives nowhere.

use serde::Deserialize;

use super::private;
use crate::limits;
use crate::redact::Private;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawLookups {
    pub(in crate::config) url: String,
    pub(in crate::config) header: String,
    #[serde(deserialize_with = "private")]
    pub(in crate::config) secret: Option<Private<String>>,
    pub(in crate::config) secret_file: Option<String>,
    pub(in crate::config) timeout_ms: i64,
    pub(in crate::config) concurrency: i64,
    pub(in crate::config) cache_entries: i64,
    pub(in crate::config) cache_seconds: i64,
    pub(in crate::config) price_micros: i64,
    pub(in crate::config) fields: RawLookupFields,
    pub(in crate::config) words: RawLookupWords,
}

impl Default for RawLookups {
    fn default() -> Self {
        let whole = |count: u128| i64::try_from(count).unwrap_or(i64::MAX);
        RawLookups {
            url: String::new(),
            header: String::from("Authorization"),
            secret: None,
            secret_file: None,
            timeout_ms: whole(limits::LOOKUP_TIMEOUT[0].as_millis()),
            concurrency: limits::LOOKUP_CONCURRENCY[0].into(),
            cache_entries: limits::LOOKUP_CACHE[0].into(),
            cache_seconds: whole(limits::LOOKUP_KEEP[0].as_secs().into()),
            price_micros: 0,
            fields: RawLookupFields::default(),
            words: RawLookupWords::default(),
        }
    }
}

/// Empty: the answer does not say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawLookupFields {
    pub(in crate::config) status: String,
    pub(in crate::config) mcc: String,
    pub(in crate::config) mnc: String,
    pub(in crate::config) mccmnc: String,
    pub(in crate::config) carrier: String,
    pub(in crate::config) ported: String,
}

impl Default for RawLookupFields {
    fn default() -> Self {
        RawLookupFields {
            status: String::from("/status"),
            mcc: String::from("/mcc"),
            mnc: String::from("/mnc"),
            mccmnc: String::new(),
            carrier: String::from("/carrier"),
            ported: String::from("/ported"),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawLookupWords {
    pub(in crate::config) active: Vec<String>,
    pub(in crate::config) absent: Vec<String>,
    pub(in crate::config) inactive: Vec<String>,
    pub(in crate::config) invalid: Vec<String>,
}

impl Default for RawLookupWords {
    fn default() -> Self {
        let word = |word: &str| vec![String::from(word)];
        RawLookupWords {
            active: word("active"),
            absent: word("absent"),
            inactive: word("inactive"),
            invalid: word("invalid"),
        }
    }
}
