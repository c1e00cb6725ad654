//! The configuration as written: every key optional, unknown ones refused, numbers as wide as TOML
//! has them so that the check can name every one that is out of range. Pure, lives nowhere.

mod carrier;
mod lookups;
mod numbers;
mod route;
mod smpp;

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use crate::limits;
use crate::redact::Private;

pub(super) use self::carrier::{
    RawAlphabet, RawCarrier, RawCarrierTls, RawOutbind, RawReceiptsBy, RawTlv, RawTonNpi,
};
pub(super) use self::lookups::{RawLookupFields, RawLookupWords, RawLookups};
pub(super) use self::numbers::{RawNumbers, RawOverride};
pub(super) use self::route::{RawRanked, RawRoute, RawRouting};
pub(super) use self::smpp::{RawCustomer, RawCustomerSmpp, RawSmpp, RawSmppTls};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    pub(super) server: RawServer,
    pub(super) store: RawStore,
    pub(super) limits: RawLimits,
    pub(super) webhooks: RawWebhooks,
    pub(super) smpp: Option<RawSmpp>,
    pub(super) customers: Vec<RawCustomer>,
    pub(super) carriers: Vec<RawCarrier>,
    pub(super) routing: RawRouting,
    pub(super) routes: Vec<RawRoute>,
    pub(super) numbers: RawNumbers,
    pub(super) ported: Vec<RawPorted>,
    pub(super) senders: Vec<RawSender>,
    pub(super) lookups: Option<RawLookups>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawServer {
    pub(super) data_dir: String,
    pub(super) shards: RawShards,
    pub(super) driver: String,
    pub(super) listen: String,
    pub(super) admin_listen: String,
    pub(super) pin: bool,
    pub(super) spin: bool,
    pub(super) log_format: String,
}

impl Default for RawServer {
    fn default() -> Self {
        RawServer {
            data_dir: String::from("/var/lib/postrider"),
            shards: RawShards::Auto,
            driver: String::from("auto"),
            listen: String::from("127.0.0.1:8080"),
            admin_listen: String::from("127.0.0.1:9090"),
            pin: true,
            spin: true,
            log_format: String::from("text"),
        }
    }
}

/// A number of shards, or "auto".
#[derive(Copy, Clone, Debug)]
pub(super) enum RawShards {
    Auto,
    Count(i64),
}

impl<'de> Deserialize<'de> for RawShards {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShardsVisitor)
    }
}

struct ShardsVisitor;

impl Visitor<'_> for ShardsVisitor {
    type Value = RawShards;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of shards or \"auto\"")
    }

    fn visit_i64<E: Error>(self, count: i64) -> Result<RawShards, E> {
        Ok(RawShards::Count(count))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<RawShards, E> {
        if word == "auto" {
            Ok(RawShards::Auto)
        } else {
            Err(E::invalid_value(serde::de::Unexpected::Str(word), &self))
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawStore {
    pub(super) segment_mib: i64,
    pub(super) max_segments: i64,
    pub(super) retention_hours: i64,
    pub(super) direct: bool,
}

impl Default for RawStore {
    fn default() -> Self {
        let [_, segment_mib, _] = limits::SEGMENT_MIB;
        let [_, max_segments, _] = limits::SEGMENTS;
        RawStore {
            segment_mib: segment_mib.into(),
            max_segments: max_segments.into(),
            retention_hours: i64::try_from(limits::RETENTION_DEFAULT.as_secs() / 3_600)
                .unwrap_or(i64::MAX),
            direct: true,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    pub(super) open_messages: Option<i64>,
    pub(super) hot_messages: i64,
}

impl Default for RawLimits {
    fn default() -> Self {
        let [_, hot_messages, _] = limits::HOT_MESSAGES;
        RawLimits { open_messages: None, hot_messages: hot_messages.into() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawWebhooks {
    pub(super) allow_private: bool,
    pub(super) timeout_seconds: i64,
    pub(super) connections_per_endpoint: i64,
}

impl Default for RawWebhooks {
    fn default() -> Self {
        let timeout = limits::WEBHOOK_TIMEOUT_DEFAULT.as_secs();
        RawWebhooks {
            allow_private: false,
            timeout_seconds: i64::try_from(timeout).unwrap_or(i64::MAX),
            connections_per_endpoint: limits::WEBHOOK_CONNECTIONS_PER_ENDPOINT.into(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPorted {
    pub(super) file: String,
    pub(super) calling_code: Option<String>,
    pub(super) fresh_hours: i64,
    pub(super) lock: bool,
}

impl Default for RawPorted {
    fn default() -> Self {
        RawPorted {
            file: String::new(),
            calling_code: None,
            fresh_hours: i64::try_from(limits::PORTED_FRESH_DEFAULT.as_secs() / 3_600)
                .unwrap_or(i64::MAX),
            lock: false,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSender {
    pub(super) sender: String,
    pub(super) parts_per_second: i64,
}

fn private<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Private<String>>, D::Error> {
    // serde's own message would repeat the value.
    let secret =
        String::deserialize(deserializer).map_err(|_| D::Error::custom("expected a string"));
    secret.map(|secret| Some(Private::new(secret)))
}
