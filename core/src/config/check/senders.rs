//! Checks of the section `[[senders]]`. Pure, lives nowhere.

use std::collections::BTreeMap;

use super::smpp;
use super::tools::{number, too_many};
use crate::config::checked::SenderConfig;
use crate::config::error::ConfigErrors;
use crate::config::raw::RawSender;
use crate::limits;

pub(super) fn senders(e: &mut ConfigErrors, raw: Vec<RawSender>) -> Vec<SenderConfig> {
    too_many(e, "senders", raw.len(), limits::MAX_SENDERS);
    let mut known = BTreeMap::new();
    let mut senders = Vec::with_capacity(raw.len());
    for (index, own) in raw.into_iter().enumerate() {
        let at = |key: &str| format!("senders[{index}].{key}");
        let rates = 1..=i64::from(limits::MAX_RATE);
        let parts_per_second = number(e, &at("parts_per_second"), own.parts_per_second, rates);
        let Some(sender) = smpp::sender(e, &at("sender"), &own.sender) else { continue };
        if let Some(other) = known.insert(sender.as_text(), index) {
            let what = format!("senders[{other}] is the same sender");
            e.add(at("sender"), what, "give each sender one rate");
        }
        senders.push(SenderConfig { sender, parts_per_second });
    }
    senders
}
