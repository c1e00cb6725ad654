//! The SMPP server that customers bind to, and what each of them may do there. Pure, lives nowhere.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use crate::redact::Private;
use crate::sender::SenderId;
use crate::text::DefaultAlphabet;

/// `[smpp]`: where customers bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmppConfig {
    /// The plain port; none when absent.
    pub listen: Option<SocketAddr>,
    /// The TLS port; none when absent.
    pub tls: Option<SmppTls>,
    /// Our system_id in bind responses, at most 15 characters.
    pub system_id: String,
}

impl Default for SmppConfig {
    fn default() -> Self {
        SmppConfig { listen: None, tls: None, system_id: String::from("postrider") }
    }
}

/// `[smpp.tls]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmppTls {
    /// The port.
    pub listen: SocketAddr,
    /// PEM file of the certificate chain.
    pub cert_file: PathBuf,
    /// PEM file of its key.
    pub key_file: PathBuf,
    /// PEM file of the authorities that customers' certificates must come from; none are asked for
    /// when absent.
    pub client_ca_file: Option<PathBuf>,
}

/// How an inbound message that is longer than one part reaches a customer.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum LongInbound {
    /// In parts with a user data header.
    Parts,
    /// Whole, in message_payload.
    Payload,
}

/// `[customers.smpp]`: an account on the SMPP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerSmpp {
    /// Its system_id, at most 15 characters, unique.
    pub system_id: String,
    /// Its password, at most 64 octets; empty until `Config::load_secrets` when it is in a file.
    pub password: Private<String>,
    /// Where the password is, when it is not in the configuration.
    pub password_file: Option<PathBuf>,
    /// Binds at once, over all shards.
    pub max_binds: u16,
    /// Its submissions of one bind that may wait for our answer; more get ESME_RTHROTTLED.
    pub window: u16,
    /// Our deliver_sm of one bind that may wait for its answer.
    pub deliver_window: u16,
    /// Submissions a second over all its binds; 0 for no limit.
    pub messages_per_second: u32,
    /// Where it may connect from; empty: anywhere.
    pub addresses: Vec<IpNet>,
    /// What data_coding 0 means to it, both ways.
    pub default_alphabet: DefaultAlphabet,
    /// How long inbound messages reach it.
    pub long_inbound: LongInbound,
    /// The sender of its messages without one; without both they are refused.
    pub default_sender: Option<SenderId>,
}
