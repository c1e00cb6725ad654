//! What a look-up answers: the tables' word, and the provider's over it where it said something. Pure,
//! lives nowhere.

use super::{Missed, Outcome, ProviderAnswer, Subscriber};
use crate::clock::UnixMs;
use crate::number::{Msisdn, NumberError};
use crate::numbering::NumberKind;
use crate::operators::{OperatorId, Resolved, Resolver, Source};
use crate::region::Region;

/// Trust in an operator that a provider named, per mille.
const PROVIDER: u16 = 990;

/// Why a number is not valid.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// It is not written as a number.
    Written(NumberError),
    /// No numbering plan has it. Ranges open before tables know them.
    NotInPlan,
    /// The provider says that nobody has it, or that it takes no messages.
    Inactive,
    /// The provider says that it is no number.
    Unknown,
}

impl Invalid {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Invalid::Written(NumberError::Empty) => "empty",
            Invalid::Written(NumberError::NotADigit) => "not_a_digit",
            Invalid::Written(NumberError::LeadingZero) => "leading_zero",
            Invalid::Written(NumberError::TooShort(_)) => "too_short",
            Invalid::Written(NumberError::TooLong(_)) => "too_long",
            Invalid::NotInPlan => "not_in_numbering_plan",
            Invalid::Inactive => "inactive",
            Invalid::Unknown => "invalid",
        }
    }
}

/// What the provider had to do with an answer.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Live {
    /// It was asked, and answered.
    Answered,
    /// What it had said before still counts.
    Cached,
    /// It was to be asked, and there is no answer: the tables alone speak.
    Missed(Missed),
}

impl Live {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Live::Answered => "answered",
            Live::Cached => "cached",
            Live::Missed(Missed::Off) => "off",
            Live::Missed(Missed::Suspended) => "suspended",
            Live::Missed(Missed::Busy) => "busy",
            Live::Missed(Missed::Timeout) => "timeout",
            Live::Missed(Missed::Failed) => "failed",
        }
    }
}

/// What is known of one number. What is not known is `None`, never guessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Why it is not valid; `None` when it is, as far as anybody knows.
    pub invalid: Option<Invalid>,
    /// Its type.
    pub kind: Option<NumberKind>,
    /// Its country, or `001`.
    pub region: Option<Region>,
    /// Who serves it.
    pub operator: Option<OperatorId>,
    /// The operator's name.
    pub carrier: Option<Box<str>>,
    /// Whether it left the operator of its range.
    pub ported: Option<bool>,
    /// Whether a message can reach it now: only a provider knows.
    pub reachable: Option<bool>,
    /// Where the operator is known from.
    pub source: Source,
    /// Trust in the operator, per mille.
    pub confidence: u16,
    /// When what is said here was true; `None` for what the configuration says.
    pub as_of: Option<UnixMs>,
    /// What the provider had to do with it; `None`: it was not to be asked.
    pub live: Option<Live>,
    /// Price of the look-up in millionths of the currency.
    pub cost_micros: u64,
}

impl Finding {
    /// A number that cannot be read.
    #[must_use]
    pub fn unreadable(error: NumberError) -> Finding {
        Finding {
            invalid: Some(Invalid::Written(error)),
            kind: None,
            region: None,
            operator: None,
            carrier: None,
            ported: None,
            reachable: None,
            source: Source::None,
            confidence: 0,
            as_of: None,
            live: None,
            cost_micros: 0,
        }
    }

    /// What the tables know of a number.
    #[must_use]
    pub fn of_tables(resolver: &Resolver, number: Msisdn, now: UnixMs) -> Finding {
        Finding::of(&resolver.resolve(number, now))
    }

    fn of(known: &Resolved<'_>) -> Finding {
        Finding {
            invalid: known.kind.is_none().then_some(Invalid::NotInPlan),
            kind: known.kind,
            region: known.region,
            operator: known.operator,
            carrier: known.name.map(Into::into),
            ported: known.ported,
            reachable: None,
            source: known.source,
            confidence: known.confidence,
            as_of: known.as_of,
            live: None,
            cost_micros: 0,
        }
    }

    /// What tables and provider know together; `price`: what the provider takes for an answer.
    #[must_use]
    pub fn of_provider(
        resolver: &Resolver,
        number: Msisdn,
        now: UnixMs,
        (outcome, price): (&Outcome, u64),
    ) -> Finding {
        let known = resolver.resolve(number, now);
        match outcome {
            Outcome::Missed(why) => {
                Finding { live: Some(Live::Missed(*why)), ..Finding::of(&known) }
            }
            Outcome::Found { answer, at, fresh } => {
                let own = Finding::of(&told(known, resolver, (answer, *at)));
                let (invalid, reachable) = match answer.subscriber {
                    Subscriber::Active => (None, Some(true)),
                    Subscriber::Absent => (None, Some(false)),
                    Subscriber::Inactive => (Some(Invalid::Inactive), Some(false)),
                    Subscriber::Invalid => (Some(Invalid::Unknown), Some(false)),
                    Subscriber::Unknown => (own.invalid, None),
                };
                let live = Some(if *fresh { Live::Answered } else { Live::Cached });
                let cost_micros = if *fresh { price } else { 0 };
                Finding { invalid, reachable, live, cost_micros, ..own }
            }
        }
    }
}

/// Who serves a number, with what a provider said then: the configuration's word stands over the
/// provider's, the provider's over that of tables.
pub(super) fn told<'t>(
    known: Resolved<'t>,
    resolver: &'t Resolver,
    (answer, at): (&'t ProviderAnswer, UnixMs),
) -> Resolved<'t> {
    let ported = answer.ported.or(known.ported);
    let Some(operator) = answer.operator.filter(|_| known.source != Source::Override) else {
        return Resolved { ported, ..known };
    };
    Resolved {
        ported,
        operator: Some(operator),
        name: answer.carrier.as_deref().or_else(|| resolver.name_of(operator)),
        source: Source::Provider,
        confidence: PROVIDER,
        as_of: Some(at),
        ..known
    }
}
