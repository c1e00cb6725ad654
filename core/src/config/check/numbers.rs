//! Checks of the section `[numbers]`. Pure, lives nowhere.

use std::path::PathBuf;

use super::tools::too_many;
use crate::config::checked::{Config, NumbersConfig};
use crate::config::error::ConfigErrors;
use crate::config::raw::{RawNumbers, RawOverride};
use crate::limits;
use crate::number::{Msisdn, NumberForm};
use crate::numbering::Tables;
use crate::operators::{OperatorId, Override};
use crate::region::Region;
use crate::route::RouteTarget;

pub(super) fn numbers(e: &mut ConfigErrors, raw: &RawNumbers) -> NumbersConfig {
    too_many(e, "numbers.override", raw.overrides.len(), limits::OVERRIDES_MAX);
    if raw.tables.as_ref().is_some_and(String::is_empty) {
        let mend = "give a folder of CSV files or a snapshot of them, or remove the line";
        e.add("numbers.tables", "it is empty", mend);
    }
    let each = raw.overrides.iter().enumerate();
    let overrides = each.filter_map(|(index, own)| one(e, index, own)).collect();
    NumbersConfig { tables: raw.tables.as_ref().map(PathBuf::from), overrides }
}

/// The tables that say which countries there are; `None`: tables that are not read yet.
pub(super) fn known_countries(raw: &RawNumbers) -> Option<&'static Tables> {
    raw.tables.is_none().then(|| &**Tables::builtin())
}

/// A country by its code, when it has numbers.
pub(super) fn country(
    e: &mut ConfigErrors,
    at: &str,
    code: &str,
    (tables, mend): (Option<&Tables>, &str),
) -> Option<Region> {
    let known = Region::parse(code).filter(|region| *region != Region::WORLD);
    let known = known.filter(|own| tables.is_none_or(|tables| tables.has_region(*own)));
    if known.is_none() {
        e.add(at, format!("\"{code}\" is no country with numbers of its own"), mend);
    }
    known
}

/// The countries that are named in a configuration, by the tables that it names.
pub(in crate::config) fn countries(e: &mut ConfigErrors, config: &Config, tables: &Tables) {
    let mend = "the tables of numbers.tables have none of its numbers: correct them, or the code";
    for (index, route) in config.routes.iter().enumerate() {
        if let RouteTarget::Country(own) = route.target {
            let at = format!("routes[{index}].country");
            country(e, &at, own.as_str(), (Some(tables), mend));
        }
    }
    for (index, customer) in config.customers.iter().enumerate() {
        if let NumberForm::Lenient { country: Some(own) } = customer.number_form {
            let at = format!("customers[{index}].default_country");
            country(e, &at, own.as_str(), (Some(tables), mend));
        }
    }
}

fn one(e: &mut ConfigErrors, index: usize, raw: &RawOverride) -> Option<Override> {
    let at = |key: &str| format!("numbers.override[{index}].{key}");
    let operator = raw.operator.parse::<OperatorId>();
    if let Err(error) = operator {
        let what = format!("\"{}\" is no code of an operator", raw.operator);
        e.add(at("operator"), what, error.to_string());
    }
    let named = |name: &&String| name.is_empty() || name.len() > limits::LOOKUP_NAME;
    if raw.name.as_ref().is_some_and(|name| named(&name)) {
        let mend = format!("give 1 to {} octets, or leave it out", limits::LOOKUP_NAME);
        e.add(at("name"), "it is no name to show", mend);
    }
    let operator = operator.ok()?;
    let own = match (&raw.prefix, &raw.range) {
        (Some(prefix), None) => {
            let own = Override::new(prefix, operator);
            if own.is_none() {
                let mend = "give 1 to 15 digits that begin with a calling code, without + or 0";
                e.add(at("prefix"), format!("\"{prefix}\" is no prefix of numbers"), mend);
            }
            own
        }
        (None, Some(range)) => {
            let own =
                range_of(range).and_then(|(first, last)| Override::of_range(first, last, operator));
            if own.is_none() {
                let mend = "give first and last number, of as many digits, like \
                            \"447700900000-447700900999\"";
                e.add(at("range"), format!("\"{range}\" is no range of numbers"), mend);
            }
            own
        }
        (Some(_), Some(_)) | (None, None) => {
            e.add(at("prefix"), "prefix or range must be given, not both", "give one of them");
            None
        }
    }?;
    Some(raw.name.as_ref().map_or_else(|| own.clone(), |name| own.clone().named(name)))
}

fn range_of(range: &str) -> Option<(u64, u64)> {
    let (first, last) = range.split_once('-')?;
    let read = |text: &str| Msisdn::parse_strict(text.trim()).ok().map(Msisdn::as_u64);
    Some((read(first)?, read(last)?)).filter(|(first, last)| first <= last)
}
