//! Checks of `[smpp]`, the server that customers bind to, and of their accounts on it. Pure, lives
//! nowhere.

use std::path::PathBuf;

use ipnet::IpNet;

use super::tools::{address, c_octets, choice, file, number, optional_file, secret, too_many};
use crate::config::error::ConfigErrors;
use crate::config::raw::{RawCustomerSmpp, RawSmpp, RawSmppTls};
use crate::config::smpp::{CustomerSmpp, SmppConfig, SmppTls};
use crate::limits;
use crate::redact::Private;
use crate::sender::SenderId;

/// Most characters of a system_id [3.4 section 5.2.1].
pub(super) const SYSTEM_ID: usize = 15;

pub(super) fn server(e: &mut ConfigErrors, raw: Option<RawSmpp>) -> SmppConfig {
    let Some(raw) = raw else { return SmppConfig::default() };
    if raw.listen.is_none() && raw.tls.is_none() {
        let what = "nothing is listened on";
        e.add("smpp", what, "give listen, or [smpp.tls], or remove the section");
    }
    c_octets(e, "smpp.system_id", &raw.system_id, SYSTEM_ID);
    SmppConfig {
        listen: raw.listen.map(|listen| address(e, "smpp.listen", &listen)),
        tls: raw.tls.map(|tls| server_tls(e, tls)),
        system_id: raw.system_id,
    }
}

fn server_tls(e: &mut ConfigErrors, raw: RawSmppTls) -> SmppTls {
    SmppTls {
        listen: address(e, "smpp.tls.listen", &raw.listen),
        cert_file: file(e, "smpp.tls.cert_file", raw.cert_file),
        key_file: file(e, "smpp.tls.key_file", raw.key_file),
        client_ca_file: optional_file(e, "smpp.tls.client_ca_file", raw.client_ca_file),
    }
}

/// One customer's account.
pub(super) fn account(e: &mut ConfigErrors, at: &str, raw: RawCustomerSmpp) -> CustomerSmpp {
    let at = |key: &str| format!("{at}.{key}");
    if raw.system_id.is_empty() {
        e.add(at("system_id"), "it is missing", "give the name that this customer binds with");
    }
    c_octets(e, &at("system_id"), &raw.system_id, SYSTEM_ID);
    let windows = 1..=i64::from(limits::MAX_WINDOW);
    let rate = 0..=i64::from(limits::MAX_RATE);
    let binds = 1..=i64::from(limits::CUSTOMER_BINDS_MAX);
    CustomerSmpp {
        password: password(e, &at("password"), raw.password, raw.password_file.as_deref()),
        max_binds: number(e, &at("max_binds"), raw.max_binds, binds),
        window: number(e, &at("window"), raw.window, windows.clone()),
        deliver_window: number(e, &at("deliver_window"), raw.deliver_window, windows),
        messages_per_second: number(e, &at("messages_per_second"), raw.messages_per_second, rate),
        addresses: networks(e, &at("addresses"), &raw.addresses),
        default_alphabet: choice(e, &at("default_alphabet"), &raw.default_alphabet),
        long_inbound: choice(e, &at("long_inbound"), &raw.long_inbound),
        default_sender: raw.default_sender.and_then(|text| sender(e, &at("default_sender"), &text)),
        password_file: raw.password_file.map(PathBuf::from),
        system_id: raw.system_id,
    }
}

/// A password that whoever connects to us must give: there is one.
pub(super) fn password(
    e: &mut ConfigErrors,
    at: &str,
    own: Option<Private<String>>,
    file: Option<&str>,
) -> Private<String> {
    if own.is_none() && file.is_none() {
        e.add(at, "it is missing", "give password or password_file");
    }
    if own.as_ref().is_some_and(|own| own.expose().is_empty()) {
        e.add(at, "it is empty", "anybody could bind: give up to 8 characters");
    }
    secret(e, at, own, file)
}

/// A sender as the API writes it.
pub(super) fn sender(e: &mut ConfigErrors, at: &str, text: &str) -> Option<SenderId> {
    let parsed = SenderId::parse(text);
    if let Err(why) = &parsed {
        let mend = "give a short code, a number in international form or up to 11 characters";
        e.add(at, why.to_string(), mend);
    }
    parsed.ok()
}

fn networks(e: &mut ConfigErrors, at: &str, texts: &[String]) -> Vec<IpNet> {
    too_many(e, at, texts.len(), limits::MAX_CUSTOMER_NETWORKS);
    let mut networks = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let one = || text.parse().ok().map(|host: std::net::IpAddr| IpNet::from(host));
        match text.parse().ok().or_else(one) {
            Some(network) if network == network.trunc() => networks.push(network),
            Some(network) => {
                let what = format!("\"{text}\" has bits beyond its prefix");
                e.add(format!("{at}[{index}]"), what, format!("give \"{}\"", network.trunc()));
            }
            None => {
                let what = format!("\"{text}\" is no network");
                let mend = "give an address or a network, like 192.0.2.0/24 or 2001:db8::/32";
                e.add(format!("{at}[{index}]"), what, mend);
            }
        }
    }
    networks
}
