//! Number -> ranked carriers. Pure; one `RouteTable` per process, read-only.

use crate::number::Msisdn;
use crate::prefix::{self, Prefix, PrefixTable};
use crate::region::{self, Region};

/// A carrier, by its place in `Config::carriers`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CarrierIx(pub u16);

/// How much of its rate a carrier has used.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Parts of the last second.
    pub used: u32,
    /// Parts of a second; 0 for no limit.
    pub limit: u32,
}

impl Load {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Load) -> Load {
        Load {
            used: self.used.saturating_add(other.used),
            limit: self.limit.saturating_add(other.limit),
        }
    }
}

/// Which numbers a route is for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum RouteTarget {
    /// Numbers that begin with these digits.
    Prefix(RoutePrefix),
    /// Numbers of this region, spelled as in [`region::known`].
    Country(Region),
}

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

/// One route of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConfig {
    /// Which numbers it is for.
    pub target: RouteTarget,
    /// Its carriers, the best first.
    pub carriers: Vec<CarrierIx>,
}

/// Every route, ready for look-ups.
///
/// The longest prefix wins. A country route counts as long as the prefix by which the region table
/// knows the number's region; a prefix route of the same length beats it. The empty prefix is the
/// default. A number without a route has no candidates.
#[derive(Debug)]
pub struct RouteTable {
    /// First keys of ranges of numbers, ascending, and the route of each.
    starts: Vec<u64>,
    winners: Vec<Option<u32>>,
    /// By route.
    carriers: Vec<Box<[CarrierIx]>>,
}

impl RouteTable {
    /// Builds the table; of routes with the same target the last one counts.
    #[must_use]
    pub fn new(routes: &[RouteConfig]) -> RouteTable {
        let mut countries: Vec<(Region, u32)> = Vec::new();
        let mut prefixes: Vec<(Prefix, u32)> = Vec::new();
        for (route, index) in routes.iter().zip(0u32..) {
            match route.target {
                RouteTarget::Prefix(prefix) => prefixes.push((prefix.0, index)),
                RouteTarget::Country(region) => countries.push((region, index)),
            }
        }
        let prefixes = PrefixTable::new(prefixes);
        let mut starts: Vec<u64> = prefixes.starts().to_vec();
        if !countries.is_empty() {
            starts.extend(region::table().starts());
        }
        starts.sort_unstable();
        starts.dedup();
        let winners = starts.iter().map(|key| winner(*key, &prefixes, &countries)).collect();
        let carriers = routes.iter().map(|route| route.carriers.as_slice().into()).collect();
        RouteTable { starts, winners, carriers }
    }

    /// The carriers of a number's route, the best first; empty when there is no route.
    #[must_use]
    pub fn candidates(&self, number: Msisdn) -> &[CarrierIx] {
        self.route_of(number).unwrap_or_default()
    }

    fn route_of(&self, number: Msisdn) -> Option<&[CarrierIx]> {
        let key = prefix::key(number);
        let behind = self.starts.partition_point(|start| *start <= key);
        let winner = self.winners.get(behind.checked_sub(1)?).copied().flatten()?;
        self.carriers.get(usize::try_from(winner).ok()?).map(|carriers| &**carriers)
    }
}

/// The route of the numbers at a key.
fn winner(key: u64, prefixes: &PrefixTable<u32>, countries: &[(Region, u32)]) -> Option<u32> {
    let by_prefix = prefixes.find(key);
    let by_country = region::table().find(key).and_then(|(prefix, region)| {
        let route = countries.iter().rev().find(|(code, _)| *code == region)?;
        Some((prefix, route.1))
    });
    match (by_prefix, by_country) {
        (Some((own, route)), Some((regional, _))) if own.length() >= regional.length() => {
            Some(route)
        }
        (_, Some((_, route))) | (Some((_, route)), None) => Some(route),
        (None, None) => None,
    }
}
