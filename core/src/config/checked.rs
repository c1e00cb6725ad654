//! The configuration as the program uses it: typed, in range, names resolved. Pure; one per process,
//! read-only once serving.

use core::time::Duration;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::check;
use super::error::ConfigErrors;
use super::lookups::LookupsConfig;
use super::profile::CarrierProfile;
use super::raw::RawConfig;
use super::smpp::{CustomerSmpp, SmppConfig};
use crate::content::Retention;
use crate::limits;
use crate::number::NumberForm;
use crate::numbering::Tables;
use crate::operators::{Override, Resolver};
use crate::rate::Rate;
use crate::redact::Private;
use crate::route::{RouteConfig, RoutingConfig};
use crate::sender::SenderId;

/// Everything that an operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`.
    pub server: ServerConfig,
    /// `[store]`.
    pub store: StoreConfig,
    /// `[limits]`.
    pub limits: LimitsConfig,
    /// `[webhooks]`.
    pub webhooks: WebhookConfig,
    /// `[smpp]`.
    pub smpp: SmppConfig,
    /// `[[customers]]`, in the order of the file.
    pub customers: Vec<CustomerConfig>,
    /// `[[carriers]]`, in the order of the file: `CarrierIx` counts them.
    pub carriers: Vec<CarrierConfig>,
    /// `[routing]`.
    pub routing: RoutingConfig,
    /// `[[routes]]`.
    pub routes: Vec<RouteConfig>,
    /// `[numbers]`.
    pub numbers: NumbersConfig,
    /// What is known of numbers: the tables that are part of the program until
    /// [`Config::adopt_tables`].
    pub tables: Arc<Tables>,
    /// `[[ported]]`.
    pub ported: Vec<PortedConfig>,
    /// `[lookups]`.
    pub lookups: Option<LookupsConfig>,
    /// `[[senders]]`, in the order of the file; each sender once.
    pub senders: Vec<SenderConfig>,
}

/// What one sender may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderConfig {
    /// Whom the handset shows as sender, as it leaves.
    pub sender: SenderId,
    /// Parts a second over all carriers, binds and shards; at least one.
    pub parts_per_second: u32,
}

/// What is known of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumbersConfig {
    /// A folder of CSV files, or a snapshot of them; `None`: the tables that are part of the program.
    pub tables: Option<PathBuf>,
    /// Who serves numbers whatever tables say; the longest prefix wins.
    pub overrides: Vec<Override>,
}

/// A table of ported numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortedConfig {
    /// The file that `postrider ported build` made.
    pub file: PathBuf,
    /// The calling code that all its numbers have; a table for others is refused.
    pub calling_code: Option<u64>,
    /// How long it counts as fresh after its last source was true.
    pub fresh: Duration,
    /// Whether it is locked in memory.
    pub lock: bool,
    /// Octets of its file when the configuration was read; `None`: there was none, or nobody looked.
    pub octets: Option<u64>,
}

/// How a shard waits for the operating system.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Driver {
    /// io_uring where the kernel allows it, else poll.
    Auto,
    /// io_uring, or no start.
    Uring,
    /// Readiness (epoll).
    Poll,
}

/// The form of log lines.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where the store, its keys and its lock live.
    pub data_dir: PathBuf,
    /// Shards, 1 to 256; 0 for one a core.
    pub shards: u16,
    /// How a shard waits.
    pub driver: Driver,
    /// Where customers connect.
    pub listen: SocketAddr,
    /// Where operators and their monitoring connect.
    pub admin_listen: SocketAddr,
    /// Whether a shard is bound to its core.
    pub pin: bool,
    /// Whether a shard may spin shortly before it sleeps.
    pub spin: bool,
    /// The form of log lines.
    pub log_format: LogFormat,
}

/// The log of each shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Octets of a segment.
    pub segment_bytes: u64,
    /// Segments of a shard, at least 6.
    pub max_segments: u32,
    /// How long a message can be read after it was accepted, as far as there is room; `None`: as
    /// long as there is room.
    pub retention: Option<Duration>,
    /// Whether writes go around the page cache.
    pub direct: bool,
}

/// Bounds that depend on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Messages of a shard that are not final.
    pub open_messages: u32,
    /// Messages of a shard that are in memory at once, at least 64.
    pub hot_messages: u32,
    /// How long a message for which nothing can be done is among them:
    /// [`PARK_AFTER`](crate::limits::PARK_AFTER), which only tests change.
    pub park_after: Duration,
}

/// Delivery of events to customers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Whether private and local addresses may be called.
    pub allow_private: bool,
    /// Time for one attempt.
    pub timeout: Duration,
    /// Connections of a shard to one endpoint.
    pub connections_per_endpoint: u16,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerConfig {
    /// Its name in the configuration, in logs and metrics.
    pub name: String,
    /// Whether it was in an earlier configuration of this process and is in none now: nobody may do
    /// anything in its name, and what it was promised is kept.
    pub retired: bool,
    /// SHA-256 of each of its API keys.
    pub api_key_hashes: Vec<[u8; 32]>,
    /// Signs its webhooks; 24 to 64 octets, empty until [`Config::load_secrets`] when it is in a
    /// file.
    pub webhook_secret: Private<Vec<u8>>,
    /// Where the secret is, when it is not in the configuration.
    pub webhook_secret_file: Option<PathBuf>,
    /// Characters of a text.
    pub max_text_chars: u32,
    /// Its share where customers' messages wait for the same carrier: twice the weight, twice the
    /// parts; 1 to `MAX_WEIGHT`.
    pub weight: u16,
    /// Parts a second that it may submit, over HTTP and SMPP and all shards; 0 for no limit.
    pub parts_per_second: u32,
    /// Numbers a second that it may have a provider asked about, over all shards; 0 for no limit.
    pub lookups_per_second: u32,
    /// Whether what its messages say is kept.
    pub content_retention: Retention,
    /// How the destinations of its messages over HTTP are read.
    pub number_form: NumberForm,
    /// The numbers and short codes whose inbound messages are its own; each has one customer.
    pub numbers: Vec<SenderId>,
    /// Its account on the SMPP server.
    pub smpp: Option<CustomerSmpp>,
}

/// What a bind is for [3.4 section 2.2].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum BindType {
    /// Both ways.
    Transceiver,
    /// Only towards the carrier.
    Transmitter,
    /// Only from the carrier.
    Receiver,
    /// A transmitter and a receiver for each of the carrier's binds.
    Pair,
}

/// What becomes of a part whose bind was lost before the carrier answered.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum OnUnknownOutcome {
    /// It is submitted again: nothing is lost, a handset may get it twice.
    Resubmit,
    /// It waits for a receipt that tells: a handset never gets it twice.
    HoldForReceipt,
    /// It fails, and is never sent again.
    Fail,
}

/// What is known of how many parts a second a carrier takes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum RateKind {
    /// What was agreed with it.
    Agreed,
    /// Nothing: it is found out.
    Discover,
}

/// An SMSC or aggregator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarrierConfig {
    /// Its name in the configuration, the API, logs and metrics.
    pub name: String,
    /// Whether it was in an earlier configuration of this process and is in none now: it gets
    /// nothing more, and is listened to until it owes nothing.
    pub retired: bool,
    /// `host:port`.
    pub address: String,
    /// Who we are to it; at most 15 characters.
    pub system_id: String,
    /// Our password; empty until [`Config::load_secrets`] when it is in a file.
    pub password: Private<String>,
    /// Where the password is, when it is not in the configuration.
    pub password_file: Option<PathBuf>,
    /// At most 12 characters.
    pub system_type: String,
    /// What its binds are for.
    pub bind: BindType,
    /// interface_version: 0x34 or 0x50.
    pub version: u8,
    /// Binds over all shards.
    pub binds: u16,
    /// Shards that hold its binds; `None`: as many as get one.
    pub cores: Option<u16>,
    /// Turns that were dealt to the carriers before it: at that shard its own begin.
    pub dealt: u32,
    /// Unanswered submit_sm of a bind.
    pub window: u16,
    /// Parts a second over all binds and shards; 0 for no limit.
    pub parts_per_second: u32,
    /// Whether that is what the carrier takes.
    pub rate: RateKind,
    /// How it speaks SMPP beyond that.
    pub profile: CarrierProfile,
    /// Whether receipts are asked for.
    pub receipts: bool,
    /// What becomes of a part whose answer was lost.
    pub on_unknown_outcome: OnUnknownOutcome,
    /// command_status that asks it to send a receipt again later.
    pub receipt_retry_status: u32,
    /// Silence after which a bind is probed.
    pub enquire_link: Duration,
    /// How long a bind waits for an answer.
    pub response_timeout: Duration,
}

impl CarrierConfig {
    /// How fast it may be given parts.
    #[must_use]
    pub fn rate(&self) -> Rate {
        match (self.rate, self.parts_per_second) {
            (RateKind::Agreed, 0) => Rate::Unlimited,
            (RateKind::Agreed, most) => Rate::Agreed(most),
            (RateKind::Discover, 0) => Rate::Discover(limits::MAX_RATE),
            (RateKind::Discover, most) => Rate::Discover(most),
        }
    }
}

impl Config {
    /// What tells who serves a number, without tables of ported numbers.
    #[must_use]
    pub fn resolver(&self) -> Resolver {
        Resolver::new(Arc::clone(&self.tables)).with_overrides(&self.numbers.overrides)
    }

    /// Goes by the tables that `numbers.tables` names, once they were read.
    ///
    /// # Errors
    /// Every country that is named elsewhere and that the tables do not have.
    pub fn adopt_tables(&mut self, tables: Arc<Tables>) -> Result<(), ConfigErrors> {
        let mut errors = ConfigErrors::default();
        check::countries(&mut errors, self, &tables);
        self.tables = tables;
        errors.or_value(())
    }

    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// What TOML or the schema refuses first, with line and column; else every problem of meaning,
    /// with its key path and remedy.
    pub fn parse(text: &str) -> Result<Config, ConfigErrors> {
        let raw: RawConfig =
            toml::from_str(text).map_err(|error| ConfigErrors::from_toml(text, &error))?;
        check::check(raw)
    }
}
