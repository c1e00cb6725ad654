//! Checks of the section `[[customers]]`. Pure, lives nowhere.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::smpp;
use super::tools::{choice, names, number, too_many};
use crate::config::checked::CustomerConfig;
use crate::config::error::ConfigErrors;
use crate::config::raw::RawCustomer;
use crate::config::secret;
use crate::config::smpp::SmppConfig;
use crate::limits;
use crate::number::NumberForm;
use crate::numbering::Tables;
use crate::redact::Private;
use crate::sender::SenderId;

/// How to get a webhook secret.
pub(in crate::config) const WEBHOOK_SECRET_MEND: &str =
    "give `whsec_` and the output of `openssl rand -base64 32`";
/// How to get the hash of an API key.
const HASH_MEND: &str =
    "give `sha256:` and the 64 hex digits that `printf %s KEY | sha256sum` shows";

/// What each customer has for itself, with the customer that has it.
#[derive(Default)]
struct Taken {
    keys: BTreeMap<[u8; 32], usize>,
    system_ids: BTreeMap<String, usize>,
    numbers: BTreeMap<String, usize>,
}

pub(super) fn customers(
    e: &mut ConfigErrors,
    raw: Vec<RawCustomer>,
    (server, tables): (&SmppConfig, Option<&Tables>),
) -> Vec<CustomerConfig> {
    too_many(e, "customers", raw.len(), limits::MAX_CUSTOMERS);
    names(e, "customers", raw.iter().map(|customer| customer.name.as_str()));
    let open = server.listen.is_some() || server.tls.is_some();
    if let Some(index) = raw.iter().position(|customer| customer.smpp.is_some()).filter(|_| !open) {
        let what = "there is no SMPP server that it could bind to";
        let mend = "give smpp.listen, like 0.0.0.0:2775, or [smpp.tls]";
        e.add(format!("customers[{index}].smpp"), what, mend);
    }
    let mut taken = Taken::default();
    let checked = raw.into_iter().enumerate();
    checked
        .map(|(index, customer)| one_customer(e, index, customer, (&mut taken, tables)))
        .collect()
}

fn one_customer(
    e: &mut ConfigErrors,
    index: usize,
    raw: RawCustomer,
    (taken, tables): (&mut Taken, Option<&Tables>),
) -> CustomerConfig {
    let at = |key: &str| format!("customers[{index}].{key}");
    let api_key_hashes = api_keys(e, index, &raw, &mut taken.keys);
    let webhook_secret = webhook_secret(e, &at, &raw);
    let numbers = numbers(e, index, &raw, &mut taken.numbers);
    if let Some(account) = raw.smpp.as_ref().filter(|account| !account.system_id.is_empty())
        && let Some(other) = taken.system_ids.insert(account.system_id.clone(), index)
    {
        let what = format!("customers[{other}] has the same system_id");
        e.add(at("smpp.system_id"), what, "give every customer one of its own");
    }
    let chars = 1..=i64::from(limits::MAX_TEXT_CHARS);
    let rates = 0..=i64::from(limits::MAX_RATE);
    CustomerConfig {
        retired: false,
        api_key_hashes,
        webhook_secret,
        number_form: number_form(e, &at("default_country"), &raw, tables),
        webhook_secret_file: raw.webhook_secret_file.map(PathBuf::from),
        max_text_chars: number(e, &at("max_text_chars"), raw.max_text_chars, chars),
        weight: number(e, &at("weight"), raw.weight, 1..=i64::from(limits::MAX_WEIGHT)),
        parts_per_second: number(e, &at("parts_per_second"), raw.parts_per_second, rates.clone()),
        lookups_per_second: number(e, &at("lookups_per_second"), raw.lookups_per_second, rates),
        content_retention: choice(e, &at("content_retention"), &raw.content_retention),
        name: raw.name,
        numbers,
        smpp: raw.smpp.map(|account| smpp::account(e, &at("smpp"), account)),
    }
}

fn number_form(
    e: &mut ConfigErrors,
    at: &str,
    raw: &RawCustomer,
    tables: Option<&Tables>,
) -> NumberForm {
    let mend = "give an ISO 3166 code in capitals, like \"GB\"";
    let country = raw.default_country.as_deref();
    let known = country.and_then(|own| super::numbers::country(e, at, own, (tables, mend)));
    if !raw.lenient_numbers && country.is_some() {
        let what = "it changes nothing without lenient_numbers";
        e.add(at, what, "set lenient_numbers = true, or remove it");
    }
    if raw.lenient_numbers { NumberForm::Lenient { country: known } } else { NumberForm::Strict }
}

fn api_keys(
    e: &mut ConfigErrors,
    index: usize,
    raw: &RawCustomer,
    taken: &mut BTreeMap<[u8; 32], usize>,
) -> Vec<[u8; 32]> {
    let at = format!("customers[{index}].api_keys");
    if raw.api_keys.is_empty() && raw.smpp.is_none() {
        let what = "there is none, and no [customers.smpp], so nobody can use this account";
        e.add(at.as_str(), what, HASH_MEND);
    }
    too_many(e, &at, raw.api_keys.len(), limits::MAX_API_KEYS);
    let mut hashes = Vec::with_capacity(raw.api_keys.len());
    for (key, text) in raw.api_keys.iter().enumerate() {
        let at = format!("{at}[{key}]");
        let Some(hash) = secret::api_key_hash(text) else {
            e.add(at, "it is not the SHA-256 hash of a key", HASH_MEND);
            continue;
        };
        if let Some(other) = taken.insert(hash, index) {
            let what = format!("customers[{other}] has the same key");
            e.add(at, what, "give every customer a key of its own");
        }
        hashes.push(hash);
    }
    hashes
}

fn numbers(
    e: &mut ConfigErrors,
    index: usize,
    raw: &RawCustomer,
    taken: &mut BTreeMap<String, usize>,
) -> Vec<SenderId> {
    let at = format!("customers[{index}].numbers");
    too_many(e, &at, raw.numbers.len(), limits::MAX_CUSTOMER_NUMBERS);
    if !raw.numbers.is_empty() && raw.smpp.is_none() {
        let what = "inbound messages cannot reach this customer";
        e.add(at.as_str(), what, "give it [customers.smpp], or remove its numbers");
    }
    let mut numbers = Vec::with_capacity(raw.numbers.len());
    for (place, text) in raw.numbers.iter().enumerate() {
        let at = format!("{at}[{place}]");
        let Some(number) = smpp::sender(e, &at, text) else { continue };
        if matches!(number, SenderId::Alphanumeric(_)) {
            let mend = "give a short code or a number in international form";
            e.add(at, format!("\"{text}\" is a name: nobody can send to it"), mend);
            continue;
        }
        if let Some(other) = taken.insert(number.as_text().to_string(), index) {
            let what = format!("customers[{other}] has this number");
            e.add(at, what, "a number belongs to one customer; name it once");
        }
        numbers.push(number);
    }
    numbers
}

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
        (None, None) if raw.api_keys.is_empty() && raw.smpp.is_some() => none,
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
