//! Checks of the section `[[routes]]`. Pure, lives nowhere.

use std::collections::BTreeMap;

use super::tools::too_many;
use crate::config::checked::{BindType, CarrierConfig};
use crate::config::error::{ConfigErrors, closest};
use crate::config::raw::RawRoute;
use crate::limits;
use crate::region::{self, Region};
use crate::route::{CarrierIx, RouteConfig, RoutePrefix, RouteTarget};

pub(super) fn routes(
    e: &mut ConfigErrors,
    raw: &[RawRoute],
    carriers: &[CarrierConfig],
) -> Vec<RouteConfig> {
    too_many(e, "routes", raw.len(), limits::MAX_ROUTES);
    let mut targets: BTreeMap<(bool, &str), usize> = BTreeMap::new();
    let mut checked = Vec::with_capacity(raw.len());
    for (index, route) in raw.iter().enumerate() {
        let at = format!("routes[{index}]");
        let own = match (&route.prefix, &route.country) {
            (Some(prefix), _) => (true, prefix.as_str()),
            (None, country) => (false, country.as_deref().unwrap_or_default()),
        };
        if let Some(first) = targets.insert(own, index) {
            let what = format!("routes[{first}] is for the same numbers");
            e.add(at.as_str(), what, "merge their carriers into one route");
        }
        let target = target(e, &at, route);
        let carriers = ranked(e, &at, &route.carriers, carriers);
        checked.extend(target.map(|target| RouteConfig { target, carriers }));
    }
    checked
}

fn target(e: &mut ConfigErrors, at: &str, raw: &RawRoute) -> Option<RouteTarget> {
    match (&raw.prefix, &raw.country) {
        (Some(prefix), None) => {
            let parsed = RoutePrefix::parse(prefix);
            if parsed.is_none() {
                let what = format!("\"{prefix}\" is no prefix of international numbers");
                let mend = "give up to 15 digits that begin with a calling code, without + or 0; \
                            \"\" is the default route";
                e.add(format!("{at}.prefix"), what, mend);
            }
            parsed.map(RouteTarget::Prefix)
        }
        (None, Some(country)) => {
            let known = region::known(country).filter(|region| *region != Region::WORLD);
            if known.is_none() {
                let what = format!("\"{country}\" is no country with numbers of its own");
                let mend = "give an ISO 3166 code in capitals, like \"GB\", or use prefix";
                e.add(format!("{at}.country"), what, mend);
            }
            known.map(RouteTarget::Country)
        }
        (Some(_), Some(_)) => {
            e.add(at, "prefix and country are both given", "make two routes of it");
            None
        }
        (None, None) => {
            e.add(at, "neither prefix nor country is given", "prefix = \"\" is the default route");
            None
        }
    }
}

fn ranked(
    e: &mut ConfigErrors,
    at: &str,
    names: &[String],
    carriers: &[CarrierConfig],
) -> Vec<CarrierIx> {
    let at = format!("{at}.carriers");
    if names.is_empty() {
        e.add(at.as_str(), "there is none", "name at least one carrier, the best first");
    }
    too_many(e, &at, names.len(), limits::MAX_CARRIERS_PER_ROUTE);
    let mut ranked = Vec::with_capacity(names.len());
    for name in names {
        let Some(index) = carriers.iter().position(|carrier| carrier.name == *name) else {
            let near = closest(name, carriers.iter().map(|carrier| carrier.name.as_str()));
            let mend = match near {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => String::from("add it to [[carriers]] or correct the name"),
            };
            e.add(at.as_str(), format!("there is no carrier \"{name}\""), mend);
            continue;
        };
        let receiver = carriers.get(index).is_some_and(|own| own.bind == BindType::Receiver);
        if receiver {
            let what = format!("carrier \"{name}\" binds as receiver and cannot send");
            e.add(at.as_str(), what, "name a transceiver or transmitter");
        }
        let index = CarrierIx(u16::try_from(index).unwrap_or(u16::MAX));
        if ranked.contains(&index) {
            e.add(at.as_str(), format!("carrier \"{name}\" is named twice"), "name it once");
        } else {
            ranked.push(index);
        }
    }
    ranked
}
