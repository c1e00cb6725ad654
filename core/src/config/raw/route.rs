//! Routes as written, and what makes one carrier better than another. Pure, lives nowhere.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::route::RoutingConfig;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawRouting {
    pub(in crate::config) weights: RawWeights,
    pub(in crate::config) near_tie_percent: i64,
    pub(in crate::config) explore_percent: i64,
    pub(in crate::config) half_life_seconds: i64,
    pub(in crate::config) currency: Option<String>,
}

impl Default for RawRouting {
    fn default() -> Self {
        let own = RoutingConfig::default();
        RawRouting {
            weights: RawWeights::default(),
            near_tie_percent: i64::from(own.near_tie) / 10_000,
            explore_percent: own.explore.into(),
            half_life_seconds: i64::try_from(own.half_life.as_secs()).unwrap_or(i64::MAX),
            currency: None,
        }
    }
}

/// In percent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawWeights {
    pub(in crate::config) cost: i64,
    pub(in crate::config) delivery: i64,
    pub(in crate::config) latency: i64,
    pub(in crate::config) load: i64,
}

impl Default for RawWeights {
    fn default() -> Self {
        let own = RoutingConfig::default();
        RawWeights {
            cost: own.cost_weight.into(),
            delivery: own.delivery_weight.into(),
            latency: own.latency_weight.into(),
            load: own.load_weight.into(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawRoute {
    pub(in crate::config) prefix: Option<String>,
    pub(in crate::config) country: Option<String>,
    pub(in crate::config) operator: Option<String>,
    pub(in crate::config) min_confidence_permille: Option<i64>,
    pub(in crate::config) cost_tolerance_percent: Option<i64>,
    pub(in crate::config) require_lookup: Option<String>,
    pub(in crate::config) carriers: Vec<RawRanked>,
}

/// One carrier of a route: its name alone, or a table.
#[derive(Debug, Default)]
pub(in crate::config) struct RawRanked {
    pub(in crate::config) carrier: String,
    pub(in crate::config) priority: Option<i64>,
    pub(in crate::config) cost_micros: Option<i64>,
    pub(in crate::config) cost_millicents: Option<i64>,
    pub(in crate::config) weight: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    carrier: String,
    priority: Option<i64>,
    cost_micros: Option<i64>,
    cost_millicents: Option<i64>,
    weight: Option<i64>,
}

impl<'de> Deserialize<'de> for RawRanked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RankedVisitor)
    }
}

struct RankedVisitor;

impl<'de> Visitor<'de> for RankedVisitor {
    type Value = RawRanked;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a carrier, or a table like { carrier = \"alpha\", priority = 1 }")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<RawRanked, E> {
        Ok(RawRanked { carrier: name.to_owned(), ..RawRanked::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawRanked, A::Error> {
        let own = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(RawRanked {
            carrier: own.carrier,
            priority: own.priority,
            cost_micros: own.cost_micros,
            cost_millicents: own.cost_millicents,
            weight: own.weight,
        })
    }
}
