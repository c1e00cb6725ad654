//! Number -> route. Pure; one `RouteTable` per process, read-only.

use core::fmt;

use super::{Candidate, RequireLookup, RouteConfig, RouteTarget};
use crate::number::Msisdn;
use crate::numbering::Tables;
use crate::operators::{OperatorId, Resolved};
use crate::prefix::{self, Prefix, PrefixTable, Ranges};
use crate::region::Region;

/// The leading digits of a route's numbers; empty for the default route.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct RoutePrefix(Prefix);

impl RoutePrefix {
    /// Reads 0 to 15 digits, the first not 0.
    #[must_use]
    pub fn parse(digits: &str) -> Option<RoutePrefix> {
        Prefix::parse(digits).map(RoutePrefix)
    }
}

impl fmt::Display for RouteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteTarget::Prefix(prefix) if prefix.0.length() == 0 => f.write_str("default"),
            RouteTarget::Prefix(prefix) => write!(f, "prefix {}", prefix.0),
            RouteTarget::Country(region) => write!(f, "country {region}"),
            RouteTarget::Operator(operator) => write!(f, "operator {operator}"),
        }
    }
}

/// One route, ready for decisions.
#[derive(Debug)]
pub struct Route {
    /// Which numbers it is for.
    pub target: RouteTarget,
    /// Whether its carriers have prices.
    pub priced: bool,
    /// How much dearer, in percent, a carrier may be that takes what another one has no room for.
    pub tolerance: Option<u32>,
    /// Which numbers it takes.
    pub require_lookup: RequireLookup,
    min_confidence: u16,
    candidates: Box<[Candidate]>,
}

impl Route {
    fn new(config: &RouteConfig) -> Route {
        let mut candidates = config.carriers.clone();
        // Within a group the order of the file stays.
        candidates.sort_by_key(|candidate| candidate.priority);
        Route {
            target: config.target,
            priced: config.priced,
            tolerance: config.tolerance,
            require_lookup: config.require_lookup,
            min_confidence: config.min_confidence,
            candidates: candidates.into(),
        }
    }

    /// Its carriers: the best group first, within a group in the order of the file.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }
}

/// Where a route stands in its table.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct RouteIx(u32);

/// Every route, ready for look-ups.
///
/// A route for the operator that serves the number comes first, when the operator is known well
/// enough for it. Else the longest prefix wins. A country route counts as long as the prefix by which
/// the region table knows the number's region; a prefix route of the same length beats it. The empty
/// prefix is the default.
#[derive(Debug)]
pub struct RouteTable {
    /// By operator, ascending, and the route of each.
    operators: Vec<(OperatorId, u32)>,
    /// By number, where no operator decides.
    winners: Ranges<Option<u32>>,
    routes: Vec<Route>,
}

impl RouteTable {
    /// Builds the table; of routes with the same target the last one counts. `tables` say where the
    /// countries' numbers are.
    #[must_use]
    pub fn new(routes: &[RouteConfig], tables: &Tables) -> RouteTable {
        let mut operators: Vec<(OperatorId, u32)> = Vec::new();
        let mut countries: Vec<(Region, u32)> = Vec::new();
        let mut prefixes: Vec<(Prefix, u32)> = Vec::new();
        for (route, index) in routes.iter().zip(0u32..) {
            match route.target {
                RouteTarget::Prefix(prefix) => prefixes.push((prefix.0, index)),
                RouteTarget::Country(region) => countries.push((region, index)),
                RouteTarget::Operator(operator) => operators.push((operator, index)),
            }
        }
        operators.reverse();
        operators.sort_by_key(|(operator, _)| *operator);
        operators.dedup_by_key(|(operator, _)| *operator);
        let prefixes = PrefixTable::new(prefixes);
        let mut starts: Vec<u64> = prefixes.starts().to_vec();
        if !countries.is_empty() {
            starts.extend(tables.region_starts());
        }
        starts.sort_unstable();
        starts.dedup();
        let winners =
            starts.iter().map(|key| (*key, winner(*key, &prefixes, (&countries, tables))));
        let winners = Ranges::new(winners);
        let routes = routes.iter().map(Route::new).collect();
        RouteTable { operators, winners, routes }
    }

    /// The route of a number of which so much is known.
    #[must_use]
    pub fn find(&self, number: Msisdn, known: &Resolved<'_>) -> Option<&Route> {
        self.get(self.place(number, known)?)
    }

    /// As [`RouteTable::find`]: the route's place in this table.
    #[must_use]
    pub fn place(&self, number: Msisdn, known: &Resolved<'_>) -> Option<RouteIx> {
        self.of_operator(known).or_else(|| self.of_number(number))
    }

    /// The route at a place.
    #[must_use]
    pub fn get(&self, place: RouteIx) -> Option<&Route> {
        self.routes.get(usize::try_from(place.0).ok()?)
    }

    fn of_operator(&self, known: &Resolved<'_>) -> Option<RouteIx> {
        let operator = known.operator?;
        let at = self.operators.binary_search_by_key(&operator, |(own, _)| *own).ok()?;
        let place = RouteIx(self.operators.get(at)?.1);
        (known.confidence >= self.get(place)?.min_confidence).then_some(place)
    }

    fn of_number(&self, number: Msisdn) -> Option<RouteIx> {
        self.winners.find(prefix::key(number)).flatten().map(RouteIx)
    }
}

/// The route of the numbers at a key.
fn winner(
    key: u64,
    prefixes: &PrefixTable<u32>,
    (countries, tables): (&[(Region, u32)], &Tables),
) -> Option<u32> {
    let by_prefix = prefixes.find(key);
    let by_country = tables.region_at(key).and_then(|(region, digits)| {
        let route = countries.iter().rev().find(|(code, _)| *code == region)?;
        Some((digits, route.1))
    });
    match (by_prefix, by_country) {
        (Some((own, route)), Some((digits, _))) if own.length() >= digits => Some(route),
        (_, Some((_, route))) | (Some((_, route)), None) => Some(route),
        (None, None) => None,
    }
}
