//! Checks of the section `[[carriers]]`: who the carrier is, its binds and timers. Pure, lives nowhere.

use std::path::PathBuf;

use super::profile;
use super::smpp::SYSTEM_ID;
use super::tools::{c_octets, choice, host_and_port, names, number, seconds, secret, too_many};
use crate::config::checked::{BindType, CarrierConfig, OnUnknownOutcome};
use crate::config::error::{ConfigErrors, closest};
use crate::config::plan::deal;
use crate::config::raw::RawCarrier;
use crate::limits;

pub(super) fn carriers(e: &mut ConfigErrors, raw: Vec<RawCarrier>) -> Vec<CarrierConfig> {
    too_many(e, "carriers", raw.len(), limits::MAX_CARRIERS);
    names(e, "carriers", raw.iter().map(|carrier| carrier.name.as_str()));
    let each = raw.into_iter().enumerate();
    let mut carriers: Vec<_> =
        each.map(|(index, carrier)| one_carrier(e, index, carrier)).collect();
    for (index, carrier) in carriers.iter().enumerate() {
        check_cores(e, &format!("carriers[{index}].cores"), carrier);
    }
    deal(&mut carriers, 0);
    carriers
}

/// Each of the cores that a carrier asks for must get a bind, and enough to do.
fn check_cores(e: &mut ConfigErrors, at: &str, carrier: &CarrierConfig) {
    let Some(cores) = carrier.cores else { return };
    if cores > carrier.binds {
        let what = format!("{cores} cores cannot share {} binds", carrier.binds);
        e.add(at, what, format!("set cores to {} or less, or binds to {cores}", carrier.binds));
    } else if cores > 1 && carrier.takes_little() {
        let what = format!(
            "a carrier under {} parts a second, or with a window under {}, is served by one core",
            limits::RATE_FOR_CORES,
            limits::WINDOW_FOR_CORES
        );
        e.add(at, what, "set cores to 1, or remove it");
    }
}

fn one_carrier(e: &mut ConfigErrors, index: usize, mut raw: RawCarrier) -> CarrierConfig {
    let own = format!("carriers[{index}]");
    let at = |key: &str| format!("{own}.{key}");
    let (address, tls) = address(e, &at("address"), &raw);
    if raw.system_id.is_empty() {
        e.add(at("system_id"), "it is missing", "give the system_id that the carrier assigned");
    }
    c_octets(e, &at("system_id"), &raw.system_id, SYSTEM_ID);
    c_octets(e, &at("system_type"), &raw.system_type, 12);
    let password = secret(e, &at("password"), raw.password.take(), raw.password_file.as_deref());
    let binds = limits::MAX_BINDS_PER_CARRIER_PER_SHARD;
    let binds = 1..=i64::from(binds) * i64::from(limits::MAX_SHARDS);
    let binds: u16 = number(e, &at("binds"), raw.binds, binds);
    let cores =
        raw.cores.map(|own| number(e, &at("cores"), own, 1..=i64::from(limits::MAX_SHARDS)));
    let window = 1..=i64::from(limits::MAX_WINDOW);
    let bind = choice(e, &at("bind"), &raw.bind);
    let timer = limits::CARRIER_TIMER_MAX;
    let rates = 0..=i64::from(limits::MAX_RATE);
    CarrierConfig {
        retired: false,
        bind,
        version: version(e, &at("version"), &raw.version),
        binds,
        cores,
        dealt: 0,
        window: number(e, &at("window"), raw.window, window),
        parts_per_second: number(e, &at("parts_per_second"), raw.parts_per_second, rates),
        rate: choice(e, &at("rate"), &raw.rate),
        receipts: raw.receipts,
        on_unknown_outcome: on_unknown(e, &at("on_unknown_outcome"), &raw, bind),
        receipt_retry_status: retry_status(
            e,
            &at("receipt_retry_status"),
            raw.receipt_retry_status,
        ),
        enquire_link: seconds(e, &at("enquire_link_seconds"), raw.enquire_link_seconds, timer),
        response_timeout: seconds(
            e,
            &at("response_timeout_seconds"),
            raw.response_timeout_seconds,
            timer,
        ),
        name: std::mem::take(&mut raw.name),
        address,
        system_id: std::mem::take(&mut raw.system_id),
        password,
        password_file: raw.password_file.take().map(PathBuf::from),
        system_type: std::mem::take(&mut raw.system_type),
        profile: profile::profile(e, &own, raw, tls),
    }
}

/// `host:port` of `host:port`, `smpp://host:port`, `smpps://host:port` or `ssmpp://host:port`, and
/// whether it says TLS. Empty for a carrier that connects to us.
fn address(e: &mut ConfigErrors, at: &str, raw: &RawCarrier) -> (String, bool) {
    let Some(text) = &raw.address else {
        if raw.outbind.is_none() {
            e.add(at, "it is missing", "give host:port, or [carriers.outbind]");
        }
        return (String::new(), false);
    };
    if raw.outbind.is_some() {
        let what = "this carrier connects to us, as [carriers.outbind] says";
        e.add(at, what, "remove one of the two");
    }
    let (tls, rest) = match text.split_once("://") {
        Some(("smpp", rest)) => (false, rest),
        Some(("smpps" | "ssmpp", rest)) => (true, rest),
        _ => (false, text.as_str()),
    };
    host_and_port(e, at, text, rest);
    (rest.to_owned(), tls)
}

/// interface_version on the wire.
fn version(e: &mut ConfigErrors, at: &str, text: &str) -> u8 {
    match text {
        "3.4" => 0x34,
        "5.0" => 0x50,
        _ => {
            let mend = match closest(text, ["3.4", "5.0"].into_iter()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => String::from("use \"3.4\", \"5.0\""),
            };
            e.add(at, format!("\"{text}\" is not known"), mend);
            0x34
        }
    }
}

fn on_unknown(
    e: &mut ConfigErrors,
    at: &str,
    raw: &RawCarrier,
    bind: BindType,
) -> OnUnknownOutcome {
    let policy = choice(e, at, &raw.on_unknown_outcome);
    if policy == OnUnknownOutcome::HoldForReceipt {
        if !raw.receipts {
            let what = "it waits for receipts, and receipts = false asks for none";
            e.add(at, what, "use \"resubmit\" or \"fail\", or receipts = true");
        } else if bind == BindType::Transmitter {
            let what = "it waits for receipts, and a transmitter gets none";
            e.add(at, what, "use \"resubmit\" or \"fail\", or bind = \"transceiver\" or \"pair\"");
        }
    }
    policy
}

fn retry_status(e: &mut ConfigErrors, at: &str, status: i64) -> u32 {
    if status == 0 {
        let what = "0 would acknowledge receipts that were not taken";
        e.add(at, what, "use 0x14 (ESME_RMSGQFUL) unless the carrier asks for another");
        return limits::RECEIPT_RETRY_STATUS_DEFAULT;
    }
    number(e, at, status, 1..=i64::from(u32::MAX))
}
