//! Checks of how a carrier speaks SMPP: the tables below `[[carriers]]`. Pure, lives nowhere.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::smpp::{SYSTEM_ID, password};
use super::tlvs;
use super::tools::{
    address, c_octets, choice, milliseconds, number, optional_file, seconds_or_none, too_many,
};
use crate::carrier_id::IdForms;
use crate::config::error::ConfigErrors;
use crate::config::profile::{
    Addressing, AlphabetConfig, CarrierProfile, CarrierTls, OutbindConfig, ReceiptDetection,
    StatusReaction, TonNpi,
};
use crate::config::raw::{
    RawAlphabet, RawCarrier, RawCarrierTls, RawOutbind, RawReceiptsBy, RawTonNpi,
};
use crate::config::status;
use crate::limits;

/// Most characters of service_type [3.4 section 5.2.11].
const SERVICE_TYPE: usize = 5;

/// The profile of the carrier at `own`; `tls` when its address says so.
pub(super) fn profile(
    e: &mut ConfigErrors,
    own: &str,
    raw: RawCarrier,
    tls: bool,
) -> CarrierProfile {
    let at = |key: &str| format!("{own}.{key}");
    c_octets(e, &at("service_type"), &raw.service_type, SERVICE_TYPE);
    let grace = limits::UNKNOWN_GRACE_MAX;
    let resends = 0..=i64::from(limits::MAX_RESUBMITS);
    let each = 0..=i64::from(limits::MAX_PER_DESTINATION);
    let tls = tls || raw.tls.is_some();
    CarrierProfile {
        unknown_grace: seconds_or_none(
            e,
            &at("unknown_grace_seconds"),
            raw.unknown_grace_seconds,
            grace,
        ),
        resends: number(e, &at("resends"), raw.resends, resends),
        bind_stagger: milliseconds(
            e,
            &at("bind_stagger_ms"),
            raw.bind_stagger_ms,
            limits::BIND_STAGGER_MAX,
        ),
        per_destination: number(e, &at("per_destination"), raw.per_destination, each),
        concatenation: choice(e, &at("concatenation"), &raw.concatenation),
        validity: choice(e, &at("validity"), &raw.validity),
        outbind: raw.outbind.map(|outbind| self::outbind(e, &at("outbind"), outbind, tls)),
        tls: tls.then(|| self::tls(e, &at("tls"), raw.tls.unwrap_or_default())),
        addressing: addressing(e, &at("ton_npi"), &raw.ton_npi),
        alphabet: alphabet(e, &at("alphabet"), &raw.alphabet),
        ids: IdForms {
            response: choice(e, &at("ids.response"), &raw.ids.response),
            receipt: choice(e, &at("ids.receipt"), &raw.ids.receipt),
        },
        learn: choice(e, &at("ids.learn"), &raw.ids.learn),
        receipt_detection: detection(e, &at("receipts_by"), &raw.receipts_by, raw.receipts),
        tlvs: tlvs::tlvs(e, &at("tlvs"), raw.tlvs, raw.user_message_reference),
        reactions: reactions(e, &at("reactions"), &raw.reactions),
        service_type: raw.service_type,
        user_message_reference: raw.user_message_reference,
    }
}

fn tls(e: &mut ConfigErrors, at: &str, raw: RawCarrierTls) -> CarrierTls {
    let at = |key: &str| format!("{at}.{key}");
    let half = match (&raw.client_cert_file, &raw.client_key_file) {
        (Some(_), None) => Some(("client_key_file", "client_cert_file")),
        (None, Some(_)) => Some(("client_cert_file", "client_key_file")),
        (Some(_), Some(_)) | (None, None) => None,
    };
    if let Some((missing, given)) = half {
        let what = format!("it is missing, and {given} is given");
        e.add(at(missing), what, "give both or none of them");
    }
    if raw.server_name.as_deref().is_some_and(|name| !plain_name(name)) {
        let mend = "give the host name or the IP address that the certificate carries";
        e.add(at("server_name"), "it is no name of a server", mend);
    }
    CarrierTls {
        server_name: raw.server_name,
        ca_file: optional_file(e, &at("ca_file"), raw.ca_file),
        client_cert_file: optional_file(e, &at("client_cert_file"), raw.client_cert_file),
        client_key_file: optional_file(e, &at("client_key_file"), raw.client_key_file),
    }
}

fn plain_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let host = !name.is_empty() && name.len() <= 253 && name.chars().all(plain);
    host || name.parse::<std::net::IpAddr>().is_ok()
}

fn outbind(e: &mut ConfigErrors, at: &str, raw: RawOutbind, tls: bool) -> OutbindConfig {
    if tls {
        let what = "carriers that connect to us do so without TLS";
        e.add(at, what, "remove [carriers.tls], and let the carrier come through a tunnel");
    }
    let at = |key: &str| format!("{at}.{key}");
    if raw.system_id.is_empty() {
        e.add(at("system_id"), "it is missing", "give the system_id of the carrier's outbind");
    }
    c_octets(e, &at("system_id"), &raw.system_id, SYSTEM_ID);
    OutbindConfig {
        listen: address(e, &at("listen"), &raw.listen),
        system_id: raw.system_id,
        password: password(e, &at("password"), raw.password, raw.password_file.as_deref()),
        password_file: raw.password_file.map(PathBuf::from),
    }
}

fn addressing(e: &mut ConfigErrors, at: &str, raw: &RawTonNpi) -> Addressing {
    let mut pair = |key: &str, text: &str| ton_npi(e, &format!("{at}.{key}"), text);
    Addressing {
        alphanumeric: pair("alphanumeric", &raw.alphanumeric),
        long_code: pair("long_code", &raw.long_code),
        short_code: pair("short_code", &raw.short_code),
        destination: pair("destination", &raw.destination),
    }
}

/// Reads `TON/NPI`.
fn ton_npi(e: &mut ConfigErrors, at: &str, text: &str) -> TonNpi {
    let parsed = text.split_once('/').and_then(|(ton, npi)| {
        let pair = TonNpi { ton: ton.parse().ok()?, npi: npi.parse().ok()? };
        (pair.ton <= 6 && pair.npi <= 18).then_some(pair)
    });
    parsed.unwrap_or_else(|| {
        let mend = "give type of number (0 to 6) and plan (0 to 18), like \"5/0\"";
        e.add(at, format!("\"{text}\" is no TON/NPI"), mend);
        TonNpi { ton: 0, npi: 0 }
    })
}

fn alphabet(e: &mut ConfigErrors, at: &str, raw: &RawAlphabet) -> AlphabetConfig {
    let at = |key: &str| format!("{at}.{key}");
    let coding = 0..=255;
    let default = choice(e, &at("default"), &raw.default);
    let default_coding =
        number(e, &at("default_data_coding"), raw.default_data_coding, coding.clone());
    let ucs2_coding = number(e, &at("ucs2_data_coding"), raw.ucs2_data_coding, coding);
    if raw.default_data_coding == raw.ucs2_data_coding {
        let what = "it is the same as default_data_coding";
        e.add(at("ucs2_data_coding"), what, "give 8, unless the carrier says otherwise");
    }
    let gsm = default == AlphabetConfig::default().default;
    if raw.packed && !gsm {
        let what = "only septets of default = \"gsm\" can be packed";
        e.add(at("packed"), what, "remove one of the two");
    }
    if !raw.national.is_empty() && !gsm {
        let what = "national tables extend default = \"gsm\" only";
        e.add(at("national"), what, "remove one of the two");
    }
    let mut national = Vec::with_capacity(raw.national.len());
    for (index, word) in raw.national.iter().enumerate() {
        let at = at(&format!("national[{index}]"));
        let language = choice(e, &at, word);
        if national.contains(&language) {
            e.add(at, format!("\"{word}\" is named twice"), "name it once");
        } else {
            national.push(language);
        }
    }
    AlphabetConfig {
        default,
        default_data_coding: default_coding,
        ucs2_data_coding: ucs2_coding,
        packed: raw.packed,
        national,
    }
}

fn detection(
    e: &mut ConfigErrors,
    at: &str,
    raw: &RawReceiptsBy,
    receipts: bool,
) -> ReceiptDetection {
    if receipts && !(raw.esm_class || raw.tlv || raw.text) {
        let what = "nothing tells receipts from messages, and receipts = true asks for them";
        e.add(at, what, "leave at least one of esm_class, tlv and text true");
    }
    ReceiptDetection { esm_class: raw.esm_class, tlv: raw.tlv, text: raw.text }
}

fn reactions(
    e: &mut ConfigErrors,
    at: &str,
    raw: &BTreeMap<String, String>,
) -> BTreeMap<u32, StatusReaction> {
    too_many(e, at, raw.len(), limits::MAX_REACTIONS);
    let mut reactions = BTreeMap::new();
    for (key, word) in raw {
        let at = format!("{at}.{key}");
        let reaction = choice(e, &at, word);
        match status::parse(key) {
            None => {
                let mend = "give it like \"0x45\", \"69\" or ESME_RSUBMITFAIL";
                e.add(at, "it is no command_status", mend);
            }
            Some(0) => {
                e.add(at, "ESME_ROK means that the part was taken", "remove it");
            }
            Some(status) => {
                if reactions.insert(status, reaction).is_some() {
                    let what = format!("{} is given twice", status::name(status));
                    e.add(at, what, "keep one spelling of it");
                }
            }
        }
    }
    reactions
}
