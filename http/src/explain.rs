//! What would become of a message and why, as the document that customers and operators read. Pure,
//! lives nowhere.

use postrider_core::route::{Explained, Explanation};

use crate::json::Object;

/// A decision: what is known of the number, what the message comes to, and every candidate with the
/// parts of its score in parts per million, what became of it, and why.
pub fn explanation_json(told: &Explanation) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 + 512 * told.candidates.len());
    let mut object = Object::begin(&mut out);
    object.boolean("dry_run", true);
    object.integer("segment_count", u64::from(told.parts));
    object.text("encoding", told.encoding.name());
    let rate = told.sender_rate.map(u64::from);
    object.integer_or_null("sender_parts_per_second_limit", rate);
    object.text_or_null("carrier", told.carrier.as_deref());
    push_cost(&mut object, told.cost_micros);
    object.text_or_null("currency", told.currency.as_deref());
    object.text_or_null("country", told.country.as_deref());
    object.text_or_null("operator", told.operator.as_deref());
    object.text_or_null("operator_name", told.operator_name.as_deref());
    object.text("source", told.source.word());
    object.integer("confidence_permille", u64::from(told.confidence));
    object.text("route", &told.route);
    object.array("candidates", &told.candidates, push_candidate);
    object.end();
    out
}

/// In micro-units and, rounded half up, in thousandths of a cent.
fn push_cost(object: &mut Object<'_>, micros: Option<u64>) {
    object.integer_or_null("cost_micros", micros);
    object.integer_or_null("cost_millicents", micros.map(|micros| micros.saturating_add(5) / 10));
}

fn push_candidate(out: &mut Vec<u8>, own: &Explained) {
    let weighed = &own.weighed;
    let mut object = Object::begin(out);
    object.text("carrier", &own.carrier);
    object.text("standing", weighed.standing.word());
    object.text("reason", weighed.standing.reason());
    object.integer("priority", u64::from(weighed.candidate.priority));
    object.integer("weight", u64::from(weighed.candidate.weight));
    push_cost(&mut object, own.cost_micros);
    object.integer("score", u64::from(weighed.score));
    let mut terms = Object::begin(object.key("terms"));
    terms.integer("cost", u64::from(weighed.terms.cost));
    terms.integer("delivery", u64::from(weighed.terms.delivery));
    terms.integer("latency", u64::from(weighed.terms.latency));
    terms.integer("load", u64::from(weighed.terms.load));
    terms.end();
    object.boolean("usable", weighed.facts.usable);
    object.boolean("room", weighed.facts.room);
    object.boolean("receipts_suspect", weighed.facts.suspect);
    object.integer("parts_per_second_used", u64::from(weighed.facts.load.used));
    let limit = Some(weighed.facts.load.limit).filter(|limit| *limit > 0);
    object.integer_or_null("parts_per_second_limit", limit.map(u64::from));
    object.integer("parts_known", u64::from(weighed.reading.parts));
    object.integer_or_null("latency_ms", weighed.reading.latency.map(u64::from));
    object.end();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use postrider_core::operators::Source;
    use postrider_core::route::{
        Candidate, CarrierIx, Facts, Load, Reading, Standing, Terms, Weighed, Why,
    };
    use postrider_core::text::Encoding;
    use serde_json::{Value, json};

    fn sample() -> Explanation {
        let weighed = Weighed {
            candidate: Candidate { carrier: CarrierIx(0), priority: 1, cost: 6_455, weight: 3 },
            facts: Facts { load: Load { used: 25, limit: 100 }, ..Facts::IDLE },
            reading: Reading { delivered: 970_000, latency: Some(1_800), parts: 412 },
            terms: Terms { cost: 1_000_000, delivery: 970_000, latency: 1_000_000, load: 750_000 },
            score: 966_000,
            standing: Standing::Chosen(Why::Best),
        };
        Explanation {
            country: Some("GB".to_owned()),
            operator: Some("234-15".to_owned()),
            operator_name: None,
            sender_rate: Some(3),
            source: Source::Ported,
            confidence: 980,
            route: "country GB".to_owned(),
            encoding: Encoding::Gsm7,
            parts: 3,
            carrier: Some("alpha".to_owned()),
            cost_micros: Some(19_365),
            currency: Some("EUR".to_owned()),
            candidates: vec![Explained {
                carrier: "alpha".to_owned(),
                cost_micros: Some(6_455),
                weighed,
            }],
        }
    }

    #[test]
    fn every_term_is_shown() {
        let shown: Value = serde_json::from_slice(&explanation_json(&sample())).unwrap();
        let candidate = json!({
            "carrier": "alpha", "standing": "chosen",
            "reason": "no other carrier of the group has its score",
            "priority": 1, "weight": 3, "cost_micros": 6455, "cost_millicents": 646,
            "score": 966_000,
            "terms": {"cost": 1_000_000, "delivery": 970_000, "latency": 1_000_000, "load": 750_000},
            "usable": true, "room": true, "receipts_suspect": false,
            "parts_per_second_used": 25, "parts_per_second_limit": 100,
            "parts_known": 412, "latency_ms": 1800,
        });
        let expected = json!({
            "dry_run": true, "segment_count": 3, "encoding": "gsm7", "carrier": "alpha",
            "cost_micros": 19_365, "cost_millicents": 1_937, "currency": "EUR",
            "country": "GB", "operator": "234-15", "operator_name": null,
            "sender_parts_per_second_limit": 3,
            "source": "ported", "confidence_permille": 980, "route": "country GB", "candidates": [candidate],
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_not_known_is_null() {
        let mut told = sample();
        (told.carrier, told.cost_micros, told.currency) = (None, None, None);
        told.candidates[0].weighed.facts.load.limit = 0;
        let shown: Value = serde_json::from_slice(&explanation_json(&told)).unwrap();
        for name in ["carrier", "cost_micros", "cost_millicents", "currency"] {
            assert_eq!(shown[name], Value::Null, "{name}");
        }
        assert_eq!(shown["candidates"][0]["parts_per_second_limit"], Value::Null);
    }
}
