//! Checks of the section `[[ported]]`. Pure, lives nowhere.

use std::collections::BTreeMap;
use std::path::PathBuf;

use core::time::Duration;

use super::tools::{number, too_many};
use crate::config::checked::PortedConfig;
use crate::config::error::ConfigErrors;
use crate::config::raw::RawPorted;
use crate::limits;

pub(super) fn ported(e: &mut ConfigErrors, raw: Vec<RawPorted>) -> Vec<PortedConfig> {
    too_many(e, "ported", raw.len(), limits::PORTED_TABLES_MAX);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut checked = Vec::with_capacity(raw.len());
    for (index, own) in raw.into_iter().enumerate() {
        let at = |key: &str| format!("ported[{index}].{key}");
        if own.file.is_empty() {
            e.add(at("file"), "it is missing", "give the file that `postrider ported build` made");
        } else if let Some(first) = seen.insert(own.file.clone(), index) {
            e.add(at("file"), format!("ported[{first}] is the same file"), "name it once");
        }
        let most = i64::try_from(limits::PORTED_FRESH_MAX.as_secs() / 3_600).unwrap_or(i64::MAX);
        let hours: u64 = number(e, &at("fresh_hours"), own.fresh_hours, 1..=most);
        checked.push(PortedConfig {
            file: PathBuf::from(own.file),
            calling_code: own.calling_code.and_then(|code| calling_code(e, &at, &code)),
            fresh: Duration::from_secs(hours * 3_600),
            lock: own.lock,
            octets: None,
        });
    }
    checked
}

fn calling_code(e: &mut ConfigErrors, at: &dyn Fn(&str) -> String, code: &str) -> Option<u64> {
    let plain = (1..=3).contains(&code.len()) && !code.starts_with('0');
    let parsed = code.parse().ok().filter(|_| plain && code.bytes().all(|c| c.is_ascii_digit()));
    if parsed.is_none() {
        let what = format!("\"{code}\" is no calling code");
        e.add(at("calling_code"), what, "give 1 to 3 digits without +, like \"44\"");
    }
    parsed
}
