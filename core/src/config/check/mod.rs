//! From the configuration as written to the checked one: every problem is noted, none hides another.
//! One file a section. Pure, lives nowhere.

mod carriers;
mod customers;
mod lookups;
mod numbers;
mod ported;
mod profile;
mod routes;
mod senders;
mod server;
mod smpp;
mod tlvs;
mod tools;

use std::sync::Arc;

pub(super) use self::customers::WEBHOOK_SECRET_MEND;
pub(super) use self::lookups::{SECRET_MEND as LOOKUP_SECRET_MEND, is_field_value};
pub(super) use self::numbers::countries;
use super::checked::Config;
use super::error::ConfigErrors;
use super::raw::RawConfig;
use crate::numbering::Tables;
pub(super) use tools::password;

pub(super) fn check(raw: RawConfig) -> Result<Config, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let e = &mut errors;
    let server = server::server(e, raw.server);
    let store = server::store(e, &raw.store);
    let limits = server::limits_of(e, &raw.limits, &store);
    let webhooks = server::webhooks(e, &raw.webhooks);
    let smpp = smpp::server(e, raw.smpp);
    let known = numbers::known_countries(&raw.numbers);
    let customers = customers::customers(e, raw.customers, (&smpp, known));
    let carriers = carriers::carriers(e, raw.carriers);
    let routing = routes::routing(e, raw.routing);
    let lookups = lookups::lookups(e, raw.lookups);
    let routes = routes::routes(e, &raw.routes, (&carriers, lookups.is_some(), known));
    let numbers = numbers::numbers(e, &raw.numbers);
    let ported = ported::ported(e, raw.ported);
    let senders = senders::senders(e, raw.senders);
    let config = Config {
        server,
        store,
        limits,
        webhooks,
        smpp,
        customers,
        carriers,
        routing,
        routes,
        numbers,
        tables: Arc::clone(Tables::builtin()),
        ported,
        lookups,
        senders,
    };
    listeners(e, &config);
    errors.or_value(config)
}

/// Every port is listened on for one purpose.
fn listeners(e: &mut ConfigErrors, config: &Config) {
    let fixed = [
        Some((String::from("server.listen"), config.server.listen)),
        Some((String::from("server.admin_listen"), config.server.admin_listen)),
        config.smpp.listen.map(|listen| (String::from("smpp.listen"), listen)),
        config.smpp.tls.as_ref().map(|tls| (String::from("smpp.tls.listen"), tls.listen)),
    ];
    let outbind = config.carriers.iter().enumerate().filter_map(|(index, carrier)| {
        let outbind = carrier.profile.outbind.as_ref()?;
        Some((format!("carriers[{index}].outbind.listen"), outbind.listen))
    });
    let all: Vec<_> = fixed.into_iter().flatten().chain(outbind).collect();
    for (index, (at, listen)) in all.iter().enumerate() {
        let earlier = all.iter().take(index).find(|(_, own)| own == listen);
        let Some((other, _)) = earlier.filter(|_| listen.port() != 0) else { continue };
        let what = format!("it is the same address as {other}");
        e.add(at.as_str(), what, "give it a port of its own");
    }
}
