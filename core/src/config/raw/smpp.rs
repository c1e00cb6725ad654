//! Customers and the SMPP server that they bind to, as written. Pure, lives nowhere.

use serde::Deserialize;

use super::private;
use crate::limits;
use crate::redact::Private;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawSmpp {
    pub(in crate::config) listen: Option<String>,
    pub(in crate::config) system_id: String,
    pub(in crate::config) tls: Option<RawSmppTls>,
}

impl Default for RawSmpp {
    fn default() -> Self {
        RawSmpp { listen: None, system_id: String::from("postrider"), tls: None }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawSmppTls {
    pub(in crate::config) listen: String,
    pub(in crate::config) cert_file: String,
    pub(in crate::config) key_file: String,
    pub(in crate::config) client_ca_file: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawCustomer {
    pub(in crate::config) name: String,
    pub(in crate::config) api_keys: Vec<String>,
    #[serde(deserialize_with = "private")]
    pub(in crate::config) webhook_secret: Option<Private<String>>,
    pub(in crate::config) webhook_secret_file: Option<String>,
    pub(in crate::config) max_text_chars: i64,
    pub(in crate::config) weight: i64,
    pub(in crate::config) parts_per_second: i64,
    pub(in crate::config) lookups_per_second: i64,
    pub(in crate::config) content_retention: String,
    pub(in crate::config) lenient_numbers: bool,
    pub(in crate::config) default_country: Option<String>,
    pub(in crate::config) numbers: Vec<String>,
    pub(in crate::config) smpp: Option<RawCustomerSmpp>,
}

impl Default for RawCustomer {
    fn default() -> Self {
        RawCustomer {
            name: String::new(),
            api_keys: Vec::new(),
            webhook_secret: None,
            webhook_secret_file: None,
            max_text_chars: limits::MAX_TEXT_CHARS.into(),
            weight: 1,
            parts_per_second: 0,
            lookups_per_second: 0,
            content_retention: String::from("keep"),
            lenient_numbers: false,
            default_country: None,
            numbers: Vec::new(),
            smpp: None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawCustomerSmpp {
    pub(in crate::config) system_id: String,
    #[serde(deserialize_with = "private")]
    pub(in crate::config) password: Option<Private<String>>,
    pub(in crate::config) password_file: Option<String>,
    pub(in crate::config) max_binds: i64,
    pub(in crate::config) window: i64,
    pub(in crate::config) deliver_window: i64,
    pub(in crate::config) messages_per_second: i64,
    pub(in crate::config) addresses: Vec<String>,
    pub(in crate::config) default_alphabet: String,
    pub(in crate::config) long_inbound: String,
    pub(in crate::config) default_sender: Option<String>,
}

impl Default for RawCustomerSmpp {
    fn default() -> Self {
        RawCustomerSmpp {
            system_id: String::new(),
            password: None,
            password_file: None,
            max_binds: limits::CUSTOMER_BINDS_DEFAULT.into(),
            window: limits::CUSTOMER_WINDOW_DEFAULT.into(),
            deliver_window: limits::DELIVER_WINDOW_DEFAULT.into(),
            messages_per_second: 0,
            addresses: Vec::new(),
            default_alphabet: String::from("gsm"),
            long_inbound: String::from("parts"),
            default_sender: None,
        }
    }
}
