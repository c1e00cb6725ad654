//! A carrier as written, with the tables below it. Pure, lives nowhere.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::private;
use crate::limits;
use crate::redact::Private;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawCarrier {
    pub(in crate::config) name: String,
    pub(in crate::config) address: Option<String>,
    pub(in crate::config) system_id: String,
    #[serde(deserialize_with = "private")]
    pub(in crate::config) password: Option<Private<String>>,
    pub(in crate::config) password_file: Option<String>,
    pub(in crate::config) system_type: String,
    pub(in crate::config) bind: String,
    pub(in crate::config) version: String,
    pub(in crate::config) binds: i64,
    pub(in crate::config) cores: Option<i64>,
    pub(in crate::config) bind_stagger_ms: i64,
    pub(in crate::config) window: i64,
    pub(in crate::config) parts_per_second: i64,
    pub(in crate::config) rate: String,
    pub(in crate::config) per_destination: i64,
    pub(in crate::config) receipts: bool,
    pub(in crate::config) on_unknown_outcome: String,
    pub(in crate::config) unknown_grace_seconds: i64,
    pub(in crate::config) resends: i64,
    pub(in crate::config) receipt_retry_status: i64,
    pub(in crate::config) enquire_link_seconds: i64,
    pub(in crate::config) response_timeout_seconds: i64,
    pub(in crate::config) concatenation: String,
    pub(in crate::config) service_type: String,
    pub(in crate::config) validity: String,
    pub(in crate::config) user_message_reference: bool,
    pub(in crate::config) tls: Option<RawCarrierTls>,
    pub(in crate::config) outbind: Option<RawOutbind>,
    pub(in crate::config) ton_npi: RawTonNpi,
    pub(in crate::config) alphabet: RawAlphabet,
    pub(in crate::config) ids: RawIds,
    pub(in crate::config) receipts_by: RawReceiptsBy,
    pub(in crate::config) tlvs: Vec<RawTlv>,
    pub(in crate::config) reactions: BTreeMap<String, String>,
}

impl Default for RawCarrier {
    fn default() -> Self {
        RawCarrier {
            name: String::new(),
            address: None,
            system_id: String::new(),
            password: None,
            password_file: None,
            system_type: String::new(),
            bind: String::from("transceiver"),
            version: String::from("3.4"),
            binds: 2,
            cores: None,
            bind_stagger_ms: whole(limits::BIND_STAGGER_DEFAULT.as_millis()),
            window: 100,
            parts_per_second: 0,
            rate: String::from("agreed"),
            per_destination: 0,
            receipts: true,
            on_unknown_outcome: String::from("resubmit"),
            unknown_grace_seconds: whole(limits::UNKNOWN_GRACE_DEFAULT.as_secs()),
            resends: limits::MAX_RESUBMITS.into(),
            receipt_retry_status: limits::RECEIPT_RETRY_STATUS_DEFAULT.into(),
            enquire_link_seconds: whole(limits::ENQUIRE_LINK_DEFAULT.as_secs()),
            response_timeout_seconds: whole(limits::RESPONSE_TIMEOUT_DEFAULT.as_secs()),
            concatenation: String::from("udh8"),
            service_type: String::new(),
            validity: String::from("relative"),
            user_message_reference: false,
            tls: None,
            outbind: None,
            ton_npi: RawTonNpi::default(),
            alphabet: RawAlphabet::default(),
            ids: RawIds::default(),
            receipts_by: RawReceiptsBy::default(),
            tlvs: Vec::new(),
            reactions: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawCarrierTls {
    pub(in crate::config) server_name: Option<String>,
    pub(in crate::config) ca_file: Option<String>,
    pub(in crate::config) client_cert_file: Option<String>,
    pub(in crate::config) client_key_file: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawOutbind {
    pub(in crate::config) listen: String,
    pub(in crate::config) system_id: String,
    #[serde(deserialize_with = "private")]
    pub(in crate::config) password: Option<Private<String>>,
    pub(in crate::config) password_file: Option<String>,
}

/// Each `"TON/NPI"`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawTonNpi {
    pub(in crate::config) alphanumeric: String,
    pub(in crate::config) long_code: String,
    pub(in crate::config) short_code: String,
    pub(in crate::config) destination: String,
}

impl Default for RawTonNpi {
    fn default() -> Self {
        RawTonNpi {
            alphanumeric: String::from("5/0"),
            long_code: String::from("1/1"),
            short_code: String::from("3/0"),
            destination: String::from("1/1"),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawAlphabet {
    pub(in crate::config) default: String,
    pub(in crate::config) default_data_coding: i64,
    pub(in crate::config) ucs2_data_coding: i64,
    pub(in crate::config) packed: bool,
    pub(in crate::config) national: Vec<String>,
}

impl Default for RawAlphabet {
    fn default() -> Self {
        RawAlphabet {
            default: String::from("gsm"),
            default_data_coding: 0,
            ucs2_data_coding: 8,
            packed: false,
            national: Vec::new(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawIds {
    pub(in crate::config) response: String,
    pub(in crate::config) receipt: String,
    pub(in crate::config) learn: String,
}

impl Default for RawIds {
    fn default() -> Self {
        RawIds {
            response: String::from("as_is"),
            receipt: String::from("as_is"),
            learn: String::from("propose"),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawReceiptsBy {
    pub(in crate::config) esm_class: bool,
    pub(in crate::config) tlv: bool,
    pub(in crate::config) text: bool,
}

impl Default for RawReceiptsBy {
    fn default() -> Self {
        RawReceiptsBy { esm_class: true, tlv: true, text: true }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawTlv {
    pub(in crate::config) tag: Option<i64>,
    pub(in crate::config) text: Option<String>,
    pub(in crate::config) hex: Option<String>,
    pub(in crate::config) int: Option<i64>,
    pub(in crate::config) width: Option<i64>,
    pub(in crate::config) senders: Vec<String>,
    pub(in crate::config) template: Option<String>,
}

/// A small span of the limits in its unit, as TOML has numbers.
fn whole<T: TryInto<i64>>(count: T) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
