//! A decision in words: names in the place of numbers, for customers and operators of the gateway.
//! Pure, lives until it was shown.

use core::fmt;

use super::{Barred, Decision, Standing, Terms, Weighed, Why};
use crate::operators::{Resolved, Source};
use crate::text::Encoding;

/// What would become of a message, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The country of the number, or `001`.
    pub country: Option<String>,
    /// The operator that serves it, like `234-15`.
    pub operator: Option<String>,
    /// The operator's name.
    pub operator_name: Option<String>,
    /// Where the operator is known from.
    pub source: Source,
    /// Trust in the operator, per mille.
    pub confidence: u16,
    /// The route: "operator 234-15", "country GB", "prefix 4479" or "default".
    pub route: String,
    /// How the text is written.
    pub encoding: Encoding,
    /// Parts that the customer is promised.
    pub parts: u8,
    /// Parts a second that its sender may send, over all carriers; `None`: as many as it likes.
    pub sender_rate: Option<u32>,
    /// The carrier that has the message; `None` when none can.
    pub carrier: Option<String>,
    /// Price of all parts there, in micro-units of the currency; `None` where prices are not known.
    pub cost_micros: Option<u64>,
    /// The currency of the prices.
    pub currency: Option<String>,
    /// Every candidate, the best group first.
    pub candidates: Vec<Explained>,
}

/// A candidate in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Its name.
    pub carrier: String,
    /// Price of a part, in micro-units of the currency; `None` where prices are not known.
    pub cost_micros: Option<u64>,
    /// Everything that counted.
    pub weighed: Weighed,
}

/// What explains a decision beside itself.
#[derive(Copy, Clone)]
pub struct Setting<'a> {
    /// What is known of the number.
    pub known: &'a Resolved<'a>,
    /// The route that was found.
    pub route: &'a super::Route,
    /// What the customer is promised.
    pub promised: (Encoding, u8),
    /// Parts a second of its sender, when that has a rate of its own.
    pub sender_rate: Option<u32>,
    /// The currency of the prices.
    pub currency: Option<&'a str>,
}

impl Explanation {
    /// Puts a decision into words; `name` knows the names of carriers.
    #[must_use]
    pub fn new<'n>(
        decision: &Decision,
        setting: &Setting<'_>,
        name: impl Fn(super::CarrierIx) -> &'n str,
    ) -> Explanation {
        let Setting { known, route, promised: (encoding, parts), sender_rate, currency } = *setting;
        let explained = |own: &Weighed| Explained {
            carrier: name(own.candidate.carrier).to_owned(),
            cost_micros: route.priced.then_some(own.candidate.cost),
            weighed: *own,
        };
        let candidates: Vec<Explained> = decision.candidates.iter().map(explained).collect();
        let chosen = candidates.iter().find(|own| own.is_chosen());
        let cost = chosen.and_then(|own| own.cost_micros);
        Explanation {
            country: known.region.map(|region| region.to_string()),
            operator: known.operator.map(|operator| operator.to_string()),
            operator_name: known.name.map(str::to_owned),
            source: known.source,
            confidence: known.confidence,
            route: route.target.to_string(),
            encoding,
            parts,
            sender_rate,
            carrier: chosen.map(|own| own.carrier.clone()),
            cost_micros: cost.map(|cost| cost.saturating_mul(parts.into())),
            currency: currency.map(str::to_owned),
            candidates,
        }
    }
}

impl Explained {
    /// Whether it has the message.
    #[must_use]
    pub fn is_chosen(&self) -> bool {
        matches!(self.weighed.standing, Standing::Chosen(_))
    }
}

impl Standing {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Standing::Chosen(_) => "chosen",
            Standing::Barred(Barred::Refused) => "refused_before",
            Standing::Barred(Barred::Unfit) => "other_parts",
            Standing::Down => "down",
            Standing::LowerPriority => "lower_priority",
            Standing::LowerScore => "lower_score",
            Standing::Tie => "tie",
            Standing::GaveWay => "gave_way",
            Standing::NoRoom => "no_room",
            Standing::TooDear => "too_dear",
        }
    }

    /// A sentence about it, without the full stop.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Standing::Chosen(Why::Best) => "no other carrier of the group has its score",
            Standing::Chosen(Why::Tie) => "it ties with others, and the lot fell on it",
            Standing::Chosen(Why::Trial) => "a trial shows whether it has become better",
            Standing::Chosen(Why::Overflow) => "a better carrier has no room now",
            Standing::Chosen(Why::AllDown) => {
                "no carrier can be used now, it is the best to wait for"
            }
            Standing::Barred(Barred::Refused) => "it refused the message before",
            Standing::Barred(Barred::Unfit) => {
                "the message would have another number of parts there"
            }
            Standing::Down => "it cannot be used now",
            Standing::LowerPriority => "a group before its own has a carrier",
            Standing::LowerScore => "its score is lower",
            Standing::Tie => "it ties with the chosen one, and the lot fell on that",
            Standing::GaveWay => "another carrier gets a trial",
            Standing::NoRoom => "it has no room now",
            Standing::TooDear => "it costs more than the route allows in another one's place",
        }
    }
}

/// For people: a line for what is known, one for what it comes to, one a candidate.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "country {}", self.country.as_deref().unwrap_or("unknown"))?;
        write!(f, ", operator {}", self.operator.as_deref().unwrap_or("unknown"))?;
        if let Some(name) = &self.operator_name {
            write!(f, " ({name})")?;
        }
        if self.confidence > 0 {
            let confidence = Share(u32::from(self.confidence) * 1_000);
            write!(f, ", known from {} with confidence {confidence}", self.source.word())?;
        }
        writeln!(f)?;
        let parts = if self.parts == 1 { "part" } else { "parts" };
        write!(f, "{}: {} {parts}", self.encoding.name(), self.parts)?;
        if let Some(cost) = self.cost_micros {
            write!(f, ", {}", Money(cost))?;
            if let Some(currency) = &self.currency {
                write!(f, " {currency}")?;
            }
        }
        if let Some(rate) = self.sender_rate {
            write!(f, "; its sender may send {rate} a second")?;
        }
        writeln!(f)?;
        let carrier = self.carrier.as_deref().unwrap_or("no carrier");
        writeln!(f, "route {}: {carrier}", self.route)?;
        for own in &self.candidates {
            write!(f, "{own}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Weighed { candidate, reading, terms, score, standing, facts } = &self.weighed;
        let mark = if self.is_chosen() { '*' } else { ' ' };
        let Terms { cost, delivery, latency, load } = *terms;
        writeln!(
            f,
            "{mark} {:<16} priority {}, score {}: cost {}, delivery {}, latency {}, load {}",
            self.carrier,
            candidate.priority,
            Share(*score),
            Share(cost),
            Share(delivery),
            Share(latency),
            Share(load),
        )?;
        write!(f, "    {}", standing.reason())?;
        if let Some(cost) = self.cost_micros {
            write!(f, "; {} a part", Money(cost))?;
        }
        if reading.parts > 0 {
            write!(f, "; of {} parts {} delivered", reading.parts, Share(reading.delivered))?;
        }
        if let Some(ms) = reading.latency {
            write!(f, " after {ms} ms")?;
        }
        if facts.suspect {
            write!(f, "; its receipts are suspect and do not count")?;
        }
        if facts.load.limit > 0 {
            write!(f, "; {} of {} parts a second used", facts.load.used, facts.load.limit)?;
        }
        writeln!(f)
    }
}

/// Parts per million, as a fraction of one.
struct Share(u32);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandths = (u64::from(self.0) + 500) / 1_000;
        write!(f, "{}.{:03}", thousandths / 1_000, thousandths % 1_000)
    }
}

/// Micro-units, with six places.
struct Money(u64);

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
