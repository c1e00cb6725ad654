//! From the configuration as written to the checked one: every problem is noted, none hides another.
//! Pure, lives nowhere.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::checked::{
    BindType, CarrierConfig, Config, CustomerConfig, Driver, LimitsConfig, LogFormat,
    OnUnknownOutcome, ServerConfig, StoreConfig, WebhookConfig,
};
use super::error::{ConfigErrors, closest};
use super::profile::{CarrierProfile, Concatenation};
use super::raw::{
    RawCarrier, RawConfig, RawCustomer, RawLimits, RawRoute, RawServer, RawShards, RawStore,
    RawWebhooks,
};
use super::secret;
use super::smpp::SmppConfig;
use crate::limits;
use crate::redact::Private;
use crate::region;
use crate::route::{CarrierIx, RouteConfig, RoutePrefix, RouteTarget};

/// How to get a webhook secret.
pub(super) const WEBHOOK_SECRET_MEND: &str =
    "give `whsec_` and the output of `openssl rand -base64 32`";
/// Longest password that is sent: SMPP has 8, carriers in the wild ask for more.
const MAX_PASSWORD: usize = 64;
const MIB: u64 = 1024 * 1024;

pub(super) fn check(raw: RawConfig) -> Result<Config, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let e = &mut errors;
    let server = server(e, raw.server);
    let store = store(e, &raw.store);
    let limits = limits_of(e, &raw.limits);
    let webhooks = webhooks(e, &raw.webhooks);
    let customers = customers(e, raw.customers);
    let carriers = carriers(e, raw.carriers);
    let routes = routes(e, &raw.routes, &carriers);
    let smpp = SmppConfig::default();
    errors.or_value(Config { server, store, limits, webhooks, smpp, customers, carriers, routes })
}

fn server(e: &mut ConfigErrors, raw: RawServer) -> ServerConfig {
    if raw.data_dir.is_empty() {
        e.add("server.data_dir", "it is empty", "name a directory that this user may write to");
    }
    let shards = match raw.shards {
        RawShards::Auto => 0,
        RawShards::Count(count) => {
            number(e, "server.shards", count, 1..=i64::from(limits::MAX_SHARDS))
        }
    };
    let drivers = [("auto", Driver::Auto), ("uring", Driver::Uring), ("poll", Driver::Poll)];
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let listen = address(e, "server.listen", &raw.listen);
    let admin_listen = address(e, "server.admin_listen", &raw.admin_listen);
    if listen == admin_listen && listen.port() != 0 {
        let what = "it is the same address as server.listen";
        e.add("server.admin_listen", what, "give it a port of its own");
    }
    ServerConfig {
        data_dir: PathBuf::from(raw.data_dir),
        shards,
        driver: choice(e, "server.driver", &raw.driver, &drivers),
        listen,
        admin_listen,
        pin: raw.pin,
        spin: raw.spin,
        log_format: choice(e, "server.log_format", &raw.log_format, &formats),
    }
}

fn store(e: &mut ConfigErrors, raw: &RawStore) -> StoreConfig {
    let range = |[least, _, most]: [u32; 3]| i64::from(least)..=i64::from(most);
    let mib: u64 = number(e, "store.segment_mib", raw.segment_mib, range(limits::SEGMENT_MIB));
    StoreConfig {
        segment_bytes: mib.saturating_mul(MIB),
        max_segments: number(e, "store.max_segments", raw.max_segments, range(limits::SEGMENTS)),
        direct: raw.direct,
    }
}

fn limits_of(e: &mut ConfigErrors, raw: &RawLimits) -> LimitsConfig {
    let open = 1..=i64::from(limits::OPEN_MESSAGES_MAX);
    let history = 0..=i64::from(limits::HISTORY_MESSAGES_MAX);
    LimitsConfig {
        open_messages: number(e, "limits.open_messages", raw.open_messages, open),
        history_messages: number(e, "limits.history_messages", raw.history_messages, history),
    }
}

fn webhooks(e: &mut ConfigErrors, raw: &RawWebhooks) -> WebhookConfig {
    let most = i64::try_from(limits::WEBHOOK_TIMEOUT_MAX.as_secs()).unwrap_or(i64::MAX);
    let connections = 1..=i64::from(limits::WEBHOOK_CONNECTIONS_PER_ENDPOINT);
    let at = "webhooks.connections_per_endpoint";
    WebhookConfig {
        allow_private: raw.allow_private,
        timeout: seconds(e, "webhooks.timeout_seconds", raw.timeout_seconds, most),
        connections_per_endpoint: number(e, at, raw.connections_per_endpoint, connections),
    }
}

fn customers(e: &mut ConfigErrors, raw: Vec<RawCustomer>) -> Vec<CustomerConfig> {
    too_many(e, "customers", raw.len(), limits::MAX_CUSTOMERS);
    names(e, "customers", raw.iter().map(|customer| customer.name.as_str()));
    let mut keys = BTreeMap::new();
    let checked = raw.into_iter().enumerate();
    checked.map(|(index, customer)| one_customer(e, index, customer, &mut keys)).collect()
}

fn one_customer(
    e: &mut ConfigErrors,
    index: usize,
    raw: RawCustomer,
    keys: &mut BTreeMap<[u8; 32], usize>,
) -> CustomerConfig {
    let at = |key: &str| format!("customers[{index}].{key}");
    if raw.api_keys.is_empty() {
        e.add(at("api_keys"), "there is none, so nobody can use this account", HASH_MEND);
    }
    too_many(e, &at("api_keys"), raw.api_keys.len(), limits::MAX_API_KEYS);
    let mut hashes = Vec::with_capacity(raw.api_keys.len());
    for (key, text) in raw.api_keys.iter().enumerate() {
        let at = at(&format!("api_keys[{key}]"));
        let Some(hash) = secret::api_key_hash(text) else {
            e.add(at, "it is not the SHA-256 hash of a key", HASH_MEND);
            continue;
        };
        if let Some(other) = keys.insert(hash, index) {
            let what = format!("customers[{other}] has the same key");
            e.add(at, what, "give every customer a key of its own");
        }
        hashes.push(hash);
    }
    let webhook_secret = webhook_secret(e, &at, &raw);
    let chars = 1..=i64::from(limits::MAX_TEXT_CHARS);
    CustomerConfig {
        api_key_hashes: hashes,
        webhook_secret,
        webhook_secret_file: raw.webhook_secret_file.map(PathBuf::from),
        max_text_chars: number(e, &at("max_text_chars"), raw.max_text_chars, chars),
        name: raw.name,
        numbers: Vec::new(),
        smpp: None,
    }
}

const HASH_MEND: &str =
    "give `sha256:` and the 64 hex digits that `printf %s KEY | sha256sum` shows";

fn webhook_secret(
    e: &mut ConfigErrors,
    at: &dyn Fn(&str) -> String,
    raw: &RawCustomer,
) -> Private<Vec<u8>> {
    let none = Private::new(Vec::new());
    match (&raw.webhook_secret, &raw.webhook_secret_file) {
        (Some(_), Some(_)) => {
            let what = "webhook_secret and webhook_secret_file are both given";
            e.add(at("webhook_secret"), what, "keep one of them");
            none
        }
        (None, Some(_)) => none,
        (None, None) => {
            let what = "there is none, so this customer's webhooks cannot be signed";
            e.add(at("webhook_secret"), what, WEBHOOK_SECRET_MEND);
            none
        }
        (Some(text), None) => match secret::webhook_secret(text.expose()) {
            Ok(secret) => Private::new(secret),
            Err(why) => {
                e.add(at("webhook_secret"), why, WEBHOOK_SECRET_MEND);
                none
            }
        },
    }
}

fn carriers(e: &mut ConfigErrors, raw: Vec<RawCarrier>) -> Vec<CarrierConfig> {
    too_many(e, "carriers", raw.len(), limits::MAX_CARRIERS);
    names(e, "carriers", raw.iter().map(|carrier| carrier.name.as_str()));
    raw.into_iter().enumerate().map(|(index, carrier)| one_carrier(e, index, carrier)).collect()
}

fn one_carrier(e: &mut ConfigErrors, index: usize, raw: RawCarrier) -> CarrierConfig {
    let at = |key: &str| format!("carriers[{index}].{key}");
    host_and_port(e, &at("address"), &raw.address);
    if raw.system_id.is_empty() {
        e.add(at("system_id"), "it is missing", "give the system_id that the carrier assigned");
    }
    c_octets(e, &at("system_id"), &raw.system_id, 15);
    c_octets(e, &at("system_type"), &raw.system_type, 12);
    let password = raw.password.unwrap_or_else(|| Private::new(String::new()));
    password_checked(e, &at("password"), &password, raw.password_file.as_deref());
    let binds = limits::MAX_BINDS_PER_CARRIER_PER_SHARD;
    let binds = 1..=i64::from(binds) * i64::from(limits::MAX_SHARDS);
    let binds: u16 = number(e, &at("binds"), raw.binds, binds);
    let pps: u32 = number(e, &at("parts_per_second"), raw.parts_per_second, 0..=1_000_000);
    if pps != 0 && pps < u32::from(binds) {
        let what = format!("{pps} parts a second cannot be split over {binds} binds");
        let mend = "every bind needs at least 1: lower binds, or raise the rate (0 for no limit)";
        e.add(at("parts_per_second"), what, mend);
    }
    let window = 1..=i64::from(limits::MAX_WINDOW);
    CarrierConfig {
        bind: choice(e, &at("bind"), &raw.bind, &BINDS),
        version: choice(e, &at("version"), &raw.version, &[("3.4", 0x34), ("5.0", 0x50)]),
        binds,
        window: number(e, &at("window"), raw.window, window),
        parts_per_second: pps,
        profile: CarrierProfile {
            concatenation: reference(e, &at("reference"), raw.reference),
            ..CarrierProfile::default()
        },
        receipts: raw.receipts,
        on_unknown_outcome: on_unknown(e, &at("on_unknown_outcome"), &raw.on_unknown_outcome),
        receipt_retry_status: retry_status(
            e,
            &at("receipt_retry_status"),
            raw.receipt_retry_status,
        ),
        enquire_link: seconds(e, &at("enquire_link_seconds"), raw.enquire_link_seconds, 3_600),
        response_timeout: seconds(
            e,
            &at("response_timeout_seconds"),
            raw.response_timeout_seconds,
            3_600,
        ),
        name: raw.name,
        address: raw.address,
        system_id: raw.system_id,
        password,
        password_file: raw.password_file.map(PathBuf::from),
        system_type: raw.system_type,
    }
}

const BINDS: [(&str, BindType); 3] = [
    ("transceiver", BindType::Transceiver),
    ("transmitter", BindType::Transmitter),
    ("receiver", BindType::Receiver),
];

fn password_checked(e: &mut ConfigErrors, at: &str, own: &Private<String>, file: Option<&str>) {
    if file.is_some() && !own.expose().is_empty() {
        e.add(at, "password and password_file are both given", "keep one of them");
    }
    password(e, at, own.expose());
}

/// A password fits its field; it is never repeated.
pub(super) fn password(e: &mut ConfigErrors, at: &str, text: &str) {
    c_octets(e, at, text, MAX_PASSWORD);
}

fn reference(e: &mut ConfigErrors, at: &str, bits: i64) -> Concatenation {
    match bits {
        8 => Concatenation::Udh8,
        16 => Concatenation::Udh16,
        _ => {
            e.add(at, format!("{bits} is neither 8 nor 16"), "8 bits work with every carrier");
            Concatenation::Udh8
        }
    }
}

fn on_unknown(e: &mut ConfigErrors, at: &str, word: &str) -> OnUnknownOutcome {
    if matches!(word, "hold_for_receipt" | "fail") {
        e.add(at, format!("\"{word}\" is not available yet"), "use \"resubmit\"");
        return OnUnknownOutcome::Resubmit;
    }
    choice(e, at, word, &[("resubmit", OnUnknownOutcome::Resubmit)])
}

fn retry_status(e: &mut ConfigErrors, at: &str, status: i64) -> u32 {
    if status == 0 {
        let what = "0 would acknowledge receipts that were not taken";
        e.add(at, what, "use 0x14 (ESME_RMSGQFUL) unless the carrier asks for another");
        return 0x14;
    }
    number(e, at, status, 1..=i64::from(u32::MAX))
}

fn routes(e: &mut ConfigErrors, raw: &[RawRoute], carriers: &[CarrierConfig]) -> Vec<RouteConfig> {
    too_many(e, "routes", raw.len(), limits::MAX_ROUTES);
    let mut targets: BTreeMap<(bool, &str), usize> = BTreeMap::new();
    let mut checked = Vec::with_capacity(raw.len());
    for (index, route) in raw.iter().enumerate() {
        let at = format!("routes[{index}]");
        let own = match (&route.prefix, &route.country) {
            (Some(prefix), _) => (true, prefix.as_str()),
            (None, country) => (false, country.as_deref().unwrap_or_default()),
        };
        if let Some(first) = targets.insert(own, index) {
            let what = format!("routes[{first}] is for the same numbers");
            e.add(at.as_str(), what, "merge their carriers into one route");
        }
        let target = target(e, &at, route);
        let carriers = ranked(e, &at, &route.carriers, carriers);
        checked.extend(target.map(|target| RouteConfig { target, carriers }));
    }
    checked
}

fn target(e: &mut ConfigErrors, at: &str, raw: &RawRoute) -> Option<RouteTarget> {
    match (&raw.prefix, &raw.country) {
        (Some(prefix), None) => {
            let parsed = RoutePrefix::parse(prefix);
            if parsed.is_none() {
                let what = format!("\"{prefix}\" is no prefix of international numbers");
                let mend = "give up to 15 digits that begin with a calling code, without + or 0; \
                            \"\" is the default route";
                e.add(format!("{at}.prefix"), what, mend);
            }
            parsed.map(RouteTarget::Prefix)
        }
        (None, Some(country)) => {
            let known = region::known(country).filter(|region| region.len() == 2);
            if known.is_none() {
                let what = format!("\"{country}\" is no country with numbers of its own");
                let mend = "give an ISO 3166 code in capitals, like \"GB\", or use prefix";
                e.add(format!("{at}.country"), what, mend);
            }
            known.map(RouteTarget::Country)
        }
        (Some(_), Some(_)) => {
            e.add(at, "prefix and country are both given", "make two routes of it");
            None
        }
        (None, None) => {
            e.add(at, "neither prefix nor country is given", "prefix = \"\" is the default route");
            None
        }
    }
}

fn ranked(
    e: &mut ConfigErrors,
    at: &str,
    names: &[String],
    carriers: &[CarrierConfig],
) -> Vec<CarrierIx> {
    let at = format!("{at}.carriers");
    if names.is_empty() {
        e.add(at.as_str(), "there is none", "name at least one carrier, the best first");
    }
    too_many(e, &at, names.len(), limits::MAX_CARRIERS_PER_ROUTE);
    let mut ranked = Vec::with_capacity(names.len());
    for name in names {
        let Some(index) = carriers.iter().position(|carrier| carrier.name == *name) else {
            let near = closest(name, carriers.iter().map(|carrier| carrier.name.as_str()));
            let mend = match near {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => String::from("add it to [[carriers]] or correct the name"),
            };
            e.add(at.as_str(), format!("there is no carrier \"{name}\""), mend);
            continue;
        };
        let receiver = carriers.get(index).is_some_and(|own| own.bind == BindType::Receiver);
        if receiver {
            let what = format!("carrier \"{name}\" binds as receiver and cannot send");
            e.add(at.as_str(), what, "name a transceiver or transmitter");
        }
        let index = CarrierIx(u16::try_from(index).unwrap_or(u16::MAX));
        if ranked.contains(&index) {
            e.add(at.as_str(), format!("carrier \"{name}\" is named twice"), "name it once");
        } else {
            ranked.push(index);
        }
    }
    ranked
}

/// A number in range, as its own type; the least one when it is not.
fn number<T: TryFrom<i64> + Default>(
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

fn seconds(e: &mut ConfigErrors, at: &str, value: i64, most: i64) -> Duration {
    Duration::from_secs(number(e, at, value, 1..=most))
}

/// One of the known words; the first one when it is none.
fn choice<T: Copy + Fallback>(
    e: &mut ConfigErrors,
    at: &str,
    word: &str,
    known: &[(&str, T)],
) -> T {
    if let Some((_, value)) = known.iter().find(|(own, _)| *own == word) {
        return *value;
    }
    let words: Vec<String> = known.iter().map(|(own, _)| format!("\"{own}\"")).collect();
    let mend = match closest(word, known.iter().map(|(own, _)| *own)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("use {}", words.join(", ")),
    };
    e.add(at, format!("\"{word}\" is not known"), mend);
    T::FALLBACK
}

/// Stands in for a word that is not known while the other problems are looked for.
trait Fallback {
    const FALLBACK: Self;
}

impl Fallback for Driver {
    const FALLBACK: Self = Driver::Auto;
}

impl Fallback for LogFormat {
    const FALLBACK: Self = LogFormat::Text;
}

impl Fallback for BindType {
    const FALLBACK: Self = BindType::Transceiver;
}

impl Fallback for OnUnknownOutcome {
    const FALLBACK: Self = OnUnknownOutcome::Resubmit;
}

impl Fallback for u8 {
    const FALLBACK: Self = 0x34;
}

fn address(e: &mut ConfigErrors, at: &str, text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| {
        let mend = "give an IP address and a port, like 127.0.0.1:8080 or [::]:8080";
        e.add(at, format!("\"{text}\" is no address to listen on"), mend);
        SocketAddr::from(([127, 0, 0, 1], 0))
    })
}

fn host_and_port(e: &mut ConfigErrors, at: &str, text: &str) {
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
    if !text.rsplit_once(':').is_some_and(|(host, port)| host_ok(host) && port_ok(port)) {
        let mend = "give host:port, like smpp.example.com:2775 or [2001:db8::1]:2775";
        e.add(at, format!("\"{text}\" is not the address of a carrier"), mend);
    }
}

/// A text fits a C-octet string of SMPP: printable ASCII, at most so long. It is not repeated.
fn c_octets(e: &mut ConfigErrors, at: &str, text: &str, most: usize) {
    if text.len() > most {
        e.add(at, format!("it has {} octets", text.len()), format!("give at most {most}"));
    }
    if !text.bytes().all(|octet| matches!(octet, 0x20..=0x7E)) {
        e.add(at, "it has a character that is not printable ASCII", "SMPP carries ASCII here");
    }
}

fn too_many(e: &mut ConfigErrors, at: &str, count: usize, most: usize) {
    if count > most {
        e.add(at, format!("there are {count}"), format!("at most {most} are allowed"));
    }
}

/// Names are there, fit for labels, and differ.
fn names<'a>(e: &mut ConfigErrors, section: &str, names: impl Iterator<Item = &'a str>) {
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
