//! Answers of look-ups: as customers get them, and as a provider gives them. Pure, lives nowhere.

use postrider_core::config::LookupsConfig;
use postrider_core::limits::LOOKUP_NAME;
use postrider_core::lookup::{Finding, ProviderAnswer, Subscriber};
use postrider_core::number::Msisdn;
use postrider_core::operators::OperatorId;
use serde_json::Value;

use crate::json::{Object, push_u64};
use crate::request::Unreadable;

/// One number of a request, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedUp {
    /// The number as it was read.
    pub number: Result<Msisdn, Unreadable>,
    /// What is known.
    pub finding: Finding,
}

/// The answer of one look-up.
pub fn lookup_json(looked: &LookedUp, currency: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    push_lookup(&mut out, looked, currency);
    out
}

/// The answers of several, in the order of their numbers: `data`.
pub fn lookups_json(looked: &[LookedUp], currency: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 * looked.len() + 16);
    let mut object = Object::begin(&mut out);
    object.array("data", looked, |out, one| push_lookup(out, one, currency));
    object.end();
    out
}

fn push_lookup(out: &mut Vec<u8>, looked: &LookedUp, currency: Option<&str>) {
    let finding = &looked.finding;
    let mut object = Object::begin(out);
    match &looked.number {
        Ok(number) => object.text("phone_number", &number.e164()),
        Err(unreadable) => object.text("phone_number", unreadable.text.expose()),
    }
    object.boolean("valid", finding.invalid.is_none());
    object.text_or_null("reason", finding.invalid.map(|why| why.word()));
    object.text_or_null("country", finding.region.as_ref().map(|region| region.as_str()));
    object.text_or_null("number_type", finding.kind.map(|kind| kind.word()));
    object.text_or_null("carrier", finding.carrier.as_deref());
    let mcc = finding.operator.map(|own| format!("{:03}", own.mcc()));
    object.text_or_null("mcc", mcc.as_deref());
    object.text_or_null("mnc", finding.operator.map(|own| own.mnc()).as_deref());
    object.boolean_or_null("ported", finding.ported);
    object.boolean_or_null("reachable", finding.reachable);
    object.text("source", finding.source.word());
    push_permille(object.key("confidence"), finding.confidence);
    object.time_or_null("checked_at", finding.as_of);
    object.text_or_null("live", finding.live.map(|live| live.word()));
    object.integer("cost_micros", finding.cost_micros);
    object.integer("cost_millicents", finding.cost_micros.saturating_add(5) / 10);
    object.text_or_null("currency", currency);
    object.end();
}

/// A part of a thousand as a number from 0 to 1.
fn push_permille(out: &mut Vec<u8>, permille: u16) {
    let (whole, rest) = (permille / 1_000, permille % 1_000);
    push_u64(out, whole.into());
    if rest > 0 {
        let digits = format!("{rest:03}");
        out.push(b'.');
        out.extend_from_slice(digits.trim_end_matches('0').as_bytes());
    }
}

/// Reads what a provider answered, by the pointers and words of its configuration; `None` when it is no
/// JSON, or says nothing of what is looked for. A word without a meaning is `unknown`.
#[must_use]
pub fn read_answer(config: &LookupsConfig, body: &[u8]) -> Option<ProviderAnswer> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let fields = &config.fields;
    let get = |pointer: &Option<String>| {
        let value = document.pointer(pointer.as_deref()?)?;
        word(value)
    };
    let status = get(&fields.status);
    let operator = match (get(&fields.mcc), get(&fields.mnc), get(&fields.mccmnc)) {
        (Some(mcc), Some(mnc), _) => OperatorId::new(&padded(mcc, 3), &padded(mnc, 2)).ok(),
        (_, _, Some(both)) => {
            both.split_at_checked(3).and_then(|(mcc, mnc)| OperatorId::new(mcc, mnc).ok())
        }
        _ => None,
    };
    if status.is_none() && operator.is_none() {
        return None;
    }
    let known = |status: &str| config.words.iter().find(|(own, _)| own == status);
    let subscriber = status.as_deref().and_then(known).map(|(_, own)| *own);
    Some(ProviderAnswer {
        subscriber: subscriber.unwrap_or(Subscriber::Unknown),
        operator,
        carrier: get(&fields.carrier).and_then(|name| shortened(&name)),
        ported: get(&fields.ported).and_then(|word| word.parse().ok()),
    })
}

/// A scalar as a word; of an integer its digits.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(own) => Some(own.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number in JSON has lost its leading zeros.
fn padded(digits: String, width: usize) -> String {
    format!("{digits:0>width$}")
}

fn shortened(name: &str) -> Option<Box<str>> {
    let shown: String = name.chars().filter(|c| !c.is_control()).collect();
    let end = shown.floor_char_boundary(LOOKUP_NAME);
    shown.get(..end).filter(|name| !name.is_empty()).map(Into::into)
}
