//! Checks of the sections `[routing]` and `[[routes]]`. Pure, lives nowhere.

use std::collections::BTreeMap;
use std::time::Duration;

use super::numbers;
use super::tools::{choice, number, seconds, too_many};
use crate::config::checked::{BindType, CarrierConfig};
use crate::config::error::{ConfigErrors, closest};
use crate::config::raw::{RawRanked, RawRoute, RawRouting};
use crate::limits;
use crate::numbering::Tables;
use crate::operators::OperatorId;
use crate::route::{
    Candidate, CarrierIx, RequireLookup, RouteConfig, RoutePrefix, RouteTarget, RoutingConfig,
};

/// Micro-units of a thousandth of a cent.
const MICROS_PER_MILLICENT: i64 = 10;

pub(super) fn routing(e: &mut ConfigErrors, raw: RawRouting) -> RoutingConfig {
    let weights = &raw.weights;
    let mut weight =
        |key: &str, value| number::<u8>(e, &format!("routing.weights.{key}"), value, 0..=100);
    let cost_weight = weight("cost", weights.cost);
    let delivery_weight = weight("delivery", weights.delivery);
    let latency_weight = weight("latency", weights.latency);
    let load_weight = weight("load", weights.load);
    let all = [weights.cost, weights.delivery, weights.latency, weights.load];
    let sum = all.into_iter().fold(0, i64::saturating_add);
    if sum != 100 {
        let mend = "they are percent: make cost, delivery, latency and load 100 together";
        e.add("routing.weights", format!("they add up to {sum}"), mend);
    }
    let near_tie = 0..=i64::from(limits::MAX_NEAR_TIE);
    let near_tie: u32 = number(e, "routing.near_tie_percent", raw.near_tie_percent, near_tie);
    let explore = 0..=i64::from(limits::MAX_EXPLORE);
    let most = limits::FIGURE_HALF_LIFE_MAX;
    let half_life: Duration = seconds(e, "routing.half_life_seconds", raw.half_life_seconds, most);
    let is_code = |code: &str| code.len() == 3 && code.bytes().all(|c| c.is_ascii_uppercase());
    if let Some(code) = raw.currency.as_deref().filter(|code| !is_code(code)) {
        let what = format!("\"{code}\" is no currency");
        e.add("routing.currency", what, "give three capital letters, like \"EUR\"");
    }
    RoutingConfig {
        cost_weight,
        delivery_weight,
        latency_weight,
        load_weight,
        near_tie: near_tie.saturating_mul(10_000),
        explore: number(e, "routing.explore_percent", raw.explore_percent, explore),
        half_life,
        currency: raw.currency,
    }
}

pub(super) fn routes(
    e: &mut ConfigErrors,
    raw: &[RawRoute],
    (carriers, has_provider, tables): (&[CarrierConfig], bool, Option<&Tables>),
) -> Vec<RouteConfig> {
    too_many(e, "routes", raw.len(), limits::MAX_ROUTES);
    let mut targets: BTreeMap<[Option<&str>; 3], usize> = BTreeMap::new();
    let mut checked = Vec::with_capacity(raw.len());
    for (index, route) in raw.iter().enumerate() {
        let at = format!("routes[{index}]");
        let own = [&route.prefix, &route.country, &route.operator].map(Option::as_deref);
        if let Some(first) = targets.insert(own, index) {
            let what = format!("routes[{first}] is for the same numbers");
            e.add(at.as_str(), what, "merge their carriers into one route");
        }
        let target = target(e, &at, route, tables);
        let min_confidence = confidence(e, &at, route);
        let priced = priced(e, &at, &route.carriers);
        let tolerance = tolerance(e, &at, route).or(priced.then_some(0));
        let require_lookup = require_lookup(e, &at, route, has_provider);
        let carriers = ranked(e, &at, &route.carriers, carriers);
        checked.extend(target.map(|target| RouteConfig {
            target,
            min_confidence,
            priced,
            tolerance,
            require_lookup,
            carriers,
        }));
    }
    checked
}

fn confidence(e: &mut ConfigErrors, at: &str, raw: &RawRoute) -> u16 {
    let at = format!("{at}.min_confidence_permille");
    if raw.min_confidence_permille.is_some() && raw.operator.is_none() {
        e.add(at.as_str(), "only a route for an operator has it", "remove it, or give operator");
    }
    raw.min_confidence_permille.map_or(0, |value| number(e, &at, value, 0..=1_000))
}

fn require_lookup(
    e: &mut ConfigErrors,
    at: &str,
    raw: &RawRoute,
    has_provider: bool,
) -> RequireLookup {
    let at = format!("{at}.require_lookup");
    let own = raw.require_lookup.as_deref();
    let own = own.map_or(RequireLookup::No, |word| choice(e, &at, word));
    if own == RequireLookup::Live && !has_provider {
        let mend = "name a provider in [lookups], or use \"tables\"";
        e.add(at, "there is no provider to ask", mend);
    }
    own
}

fn tolerance(e: &mut ConfigErrors, at: &str, raw: &RawRoute) -> Option<u32> {
    let at = format!("{at}.cost_tolerance_percent");
    let range = 0..=i64::from(limits::MAX_TOLERANCE);
    raw.cost_tolerance_percent.map(|value| number(e, &at, value, range))
}

/// Whether the carriers of a route have prices: all of them, or none.
fn priced(e: &mut ConfigErrors, at: &str, raw: &[RawRanked]) -> bool {
    let has = |own: &&RawRanked| own.cost_micros.is_some() || own.cost_millicents.is_some();
    let priced = raw.iter().any(|own| has(&own));
    if let Some(without) = raw.iter().find(|own| priced && !has(own)) {
        let what = format!("carrier \"{}\" has no price, and another one has", without.carrier);
        e.add(format!("{at}.carriers"), what, "give cost_micros to each carrier, or to none");
    }
    priced
}

fn target(
    e: &mut ConfigErrors,
    at: &str,
    raw: &RawRoute,
    tables: Option<&Tables>,
) -> Option<RouteTarget> {
    match (&raw.prefix, &raw.country, &raw.operator) {
        (Some(prefix), None, None) => {
            let parsed = RoutePrefix::parse(prefix);
            if parsed.is_none() {
                let what = format!("\"{prefix}\" is no prefix of international numbers");
                let mend = "give up to 15 digits that begin with a calling code, without + or 0; \
                            \"\" is the default route";
                e.add(format!("{at}.prefix"), what, mend);
            }
            parsed.map(RouteTarget::Prefix)
        }
        (None, Some(country), None) => {
            let mend = "give an ISO 3166 code in capitals, like \"GB\", or use prefix";
            let known = numbers::country(e, &format!("{at}.country"), country, (tables, mend));
            known.map(RouteTarget::Country)
        }
        (None, None, Some(operator)) => match operator.parse::<OperatorId>() {
            Ok(operator) => Some(RouteTarget::Operator(operator)),
            Err(error) => {
                let what = format!("\"{operator}\" is no code of an operator");
                e.add(format!("{at}.operator"), what, error.to_string());
                None
            }
        },
        (None, None, None) => {
            let what = "neither prefix nor country nor operator is given";
            e.add(at, what, "prefix = \"\" is the default route");
            None
        }
        _ => {
            let what = "more than one of prefix, country and operator is given";
            e.add(at, what, "make a route of each");
            None
        }
    }
}

fn ranked(
    e: &mut ConfigErrors,
    at: &str,
    raw: &[RawRanked],
    carriers: &[CarrierConfig],
) -> Vec<Candidate> {
    let at = format!("{at}.carriers");
    if raw.is_empty() {
        e.add(at.as_str(), "there is none", "name at least one carrier, the best first");
    }
    too_many(e, &at, raw.len(), limits::MAX_CARRIERS_PER_ROUTE);
    let mut ranked: Vec<Candidate> = Vec::with_capacity(raw.len());
    for (place, own) in raw.iter().enumerate() {
        let Some(carrier) = carrier(e, &at, &own.carrier, carriers) else { continue };
        let candidate = candidate(e, &format!("{at}[{place}]"), own, (carrier, place));
        if ranked.iter().any(|other| other.carrier == carrier) {
            let what = format!("carrier \"{}\" is named twice", own.carrier);
            e.add(at.as_str(), what, "name it once");
        } else {
            ranked.push(candidate);
        }
    }
    ranked
}

/// A carrier that can send.
fn carrier(
    e: &mut ConfigErrors,
    at: &str,
    name: &str,
    carriers: &[CarrierConfig],
) -> Option<CarrierIx> {
    let Some(index) = carriers.iter().position(|carrier| carrier.name == *name) else {
        let near = closest(name, carriers.iter().map(|carrier| carrier.name.as_str()));
        let mend = match near {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => String::from("add it to [[carriers]] or correct the name"),
        };
        e.add(at, format!("there is no carrier \"{name}\""), mend);
        return None;
    };
    if carriers.get(index).is_some_and(|own| own.bind == BindType::Receiver) {
        let what = format!("carrier \"{name}\" binds as receiver and cannot send");
        e.add(at, what, "name a transceiver or transmitter");
    }
    Some(CarrierIx(u16::try_from(index).unwrap_or(u16::MAX)))
}

/// Without a priority each carrier is a group of its own, by its place.
fn candidate(
    e: &mut ConfigErrors,
    at: &str,
    raw: &RawRanked,
    (carrier, place): (CarrierIx, usize),
) -> Candidate {
    let key = |key: &str| format!("{at}.{key}");
    let priority = raw.priority.unwrap_or_else(|| i64::try_from(place + 1).unwrap_or(i64::MAX));
    let weight = 1..=i64::from(limits::MAX_CARRIER_WEIGHT);
    let most = i64::try_from(limits::MAX_COST_MICROS).unwrap_or(i64::MAX);
    if raw.cost_micros.is_some() && raw.cost_millicents.is_some() {
        let what = "cost_micros and cost_millicents are both given";
        e.add(at, what, "keep one; a millicent is 10 micro-units");
    }
    let cost: u64 = match (raw.cost_micros, raw.cost_millicents) {
        (Some(micros), _) => number(e, &key("cost_micros"), micros, 0..=most),
        (None, Some(millicents)) => {
            let most = most / MICROS_PER_MILLICENT;
            let own: u64 = number(e, &key("cost_millicents"), millicents, 0..=most);
            own * MICROS_PER_MILLICENT.unsigned_abs()
        }
        (None, None) => 0,
    };
    Candidate {
        carrier,
        // Longer lists are refused.
        priority: number(e, &key("priority"), priority, 1..=limits::MAX_PRIORITY.into()),
        cost,
        weight: number(e, &key("weight"), raw.weight.unwrap_or(1), weight),
    }
}
