//! Which carrier takes a message: routes, what traffic shows of their carriers, and the decision with
//! its reasons. Pure; `RouteTable` is read-only and shared by all shards, `Figures` is one per shard.

mod decide;
mod explain;
mod figures;
mod table;

pub use self::decide::{Ask, Barred, Decision, Facts, Standing, Terms, Weighed, Why, decide, draw};
pub use self::explain::{Explained, Explanation, Setting};
pub use self::figures::{Figures, Market, Reading};
pub use self::table::{Route, RouteIx, RoutePrefix, RouteTable};

use core::time::Duration;

use crate::operators::OperatorId;
use crate::region::Region;

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
    /// Numbers of this region, one that
    /// [`Tables::has_region`](crate::numbering::Tables::has_region) knows.
    Country(Region),
    /// Numbers that this operator serves, as far as that is known.
    Operator(OperatorId),
}

/// One carrier of a route.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which carrier.
    pub carrier: CarrierIx,
    /// Its group, 1 the best: a carrier of a later group gets traffic only when none of the groups
    /// before it is usable, or has room.
    pub priority: u8,
    /// Price of a part in micro-units of the currency; 0 where prices are not known.
    pub cost: u64,
    /// Its share of what it ties for, in proportion to those that it ties with; at least 1.
    pub weight: u16,
}

/// Which numbers a route takes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum RequireLookup {
    /// All of them.
    No,
    /// Those that a numbering plan has.
    Tables,
    /// Those that the provider of look-ups does not call invalid or inactive; where it says nothing in
    /// time, all of them.
    Live,
}

/// One route of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConfig {
    /// Which numbers it is for.
    pub target: RouteTarget,
    /// Trust in the operator, per mille, below which a route for an operator does not count.
    pub min_confidence: u16,
    /// Whether its carriers have prices.
    pub priced: bool,
    /// How much dearer, in percent, a carrier may be that takes what another one has no room for;
    /// `None`: what has no room waits.
    pub tolerance: Option<u32>,
    /// Which numbers it takes.
    pub require_lookup: RequireLookup,
    /// Its carriers, in the order of the file.
    pub carriers: Vec<Candidate>,
}

/// `[routing]`: what makes one carrier better than another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingConfig {
    /// What the price counts for, in percent; the four add up to 100.
    pub cost_weight: u8,
    /// What the share of delivered parts counts for, in percent.
    pub delivery_weight: u8,
    /// What the time to delivery counts for, in percent.
    pub latency_weight: u8,
    /// What the unused part of the rate counts for, in percent.
    pub load_weight: u8,
    /// Scores that are at most so much below the best one tie with it, in parts per million.
    pub near_tie: u32,
    /// Messages that go to a carrier which may have become better, in percent.
    pub explore: u8,
    /// After this time without news, what is known of a carrier counts for half.
    pub half_life: Duration,
    /// The currency of the prices, three capital letters.
    pub currency: Option<String>,
}

impl Default for RoutingConfig {
    fn default() -> Self {
        RoutingConfig {
            cost_weight: 40,
            delivery_weight: 30,
            latency_weight: 20,
            load_weight: 10,
            near_tie: 10_000,
            explore: 2,
            half_life: Duration::from_secs(300),
            currency: None,
        }
    }
}
