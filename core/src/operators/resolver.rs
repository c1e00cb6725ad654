//! The ladder from a number to its operator: the first step that knows something answers. Pure; one
//! `Resolver` per process, read-only.

use std::sync::Arc;

use super::{OperatorId, Ported, PortedAnswer};
use crate::clock::UnixMs;
use crate::number::Msisdn;
use crate::numbering::{Facts, NumberKind, Portability, TableKind, Tables};
use crate::prefix::{self, Prefix, PrefixTable};
use crate::region::Region;

/// Confidence, per mille, in what the configuration says.
const OVERRIDE: u16 = 1_000;
/// In an operator that a fresh table of ported numbers names.
const PORTED: u16 = 980;
/// In one that such a table named when it was fresh.
const PORTED_BEFORE: u16 = 900;
/// In who got the range, of a number that a fresh table of ported numbers does not have.
const NOT_PORTED: u16 = 970;
/// In who got the range, in a country where no number is ported.
const RANGE_FIXED: u16 = 950;
/// In who got the range, where numbers are ported or it is not known whether they are.
const RANGE: u16 = 600;

/// Which step of the ladder named the operator.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The configuration.
    Override,
    /// A provider of look-ups.
    Provider,
    /// A table of ported numbers.
    Ported,
    /// The range of numbers: who got it first.
    Range,
    /// None: at most the region is known.
    None,
}

impl Source {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Source::Override => "override",
            Source::Provider => "provider",
            Source::Ported => "ported",
            Source::Range => "range",
            Source::None => "none",
        }
    }
}

/// Numbers of which the configuration says who serves them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    prefixes: Vec<Prefix>,
    operator: OperatorId,
    name: Option<Box<str>>,
}

impl Override {
    /// For the numbers that begin with these 1 to 15 digits, the first not 0.
    #[must_use]
    pub fn new(digits: &str, operator: OperatorId) -> Option<Override> {
        let prefix = Prefix::parse(digits).filter(|prefix| prefix.length() > 0)?;
        Some(Override { prefixes: vec![prefix], operator, name: None })
    }

    /// For the numbers that begin with one of those from `first` to `last`, of as many digits.
    #[must_use]
    pub fn of_range(first: u64, last: u64, operator: OperatorId) -> Option<Override> {
        let prefixes = Prefix::of_range(first, last);
        (!prefixes.is_empty()).then_some(Override { prefixes, operator, name: None })
    }

    /// With a name for the operator.
    #[must_use]
    pub fn named(self, name: &str) -> Override {
        Override { name: Some(name.into()), ..self }
    }
}

/// Who serves the numbers of each override.
#[derive(Debug)]
struct Overrides {
    places: PrefixTable<u32>,
    own: Vec<(OperatorId, Option<Box<str>>)>,
}

impl Overrides {
    fn new(overrides: &[Override]) -> Overrides {
        let each = (0u32..).zip(overrides);
        let places =
            each.flat_map(|(at, own)| own.prefixes.iter().map(move |prefix| (*prefix, at)));
        let own = overrides.iter().map(|own| (own.operator, own.name.clone())).collect();
        Overrides { places: PrefixTable::new(places.collect()), own }
    }

    fn find(&self, number: Msisdn) -> Option<(OperatorId, Option<&str>)> {
        let (_, at) = self.places.find(prefix::key(number))?;
        let (operator, name) = self.own.get(usize::try_from(at).ok()?)?;
        Some((*operator, name.as_deref()))
    }
}

/// What is known about a number.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Resolved<'t> {
    /// Its country, or `001` for the calling codes without one.
    pub region: Option<Region>,
    /// How many leading digits say so; 0 where no region is known.
    pub region_digits: u8,
    /// Its type; `None` where it is not valid as far as the tables know. Ranges open before tables
    /// know them.
    pub kind: Option<NumberKind>,
    /// Who serves it.
    pub operator: Option<OperatorId>,
    /// The operator's name; it may be known where its code is not.
    pub name: Option<&'t str>,
    /// Whether it left the operator that its range was given to; `None`: not known.
    pub ported: Option<bool>,
    /// Which step named the operator.
    pub source: Source,
    /// Trust in the operator, per mille; 0 where none is named.
    pub confidence: u16,
    /// When the data behind the answer was true; `None` for what the configuration says.
    pub as_of: Option<UnixMs>,
}

/// Everything that is known about numbers. A copy shares it.
#[derive(Clone, Debug)]
pub struct Resolver {
    tables: Arc<Tables>,
    overrides: Arc<Overrides>,
    ported: Option<Arc<dyn Ported>>,
}

impl Default for Resolver {
    /// With the tables that are part of the program alone.
    fn default() -> Resolver {
        Resolver::new(Arc::clone(Tables::builtin()))
    }
}

impl Resolver {
    /// A resolver that asks these tables alone.
    #[must_use]
    pub fn new(tables: Arc<Tables>) -> Resolver {
        Resolver { tables, overrides: Arc::new(Overrides::new(&[])), ported: None }
    }

    /// A resolver that also asks tables of ported numbers.
    #[must_use]
    pub fn with_ported(mut self, ported: Arc<dyn Ported>) -> Resolver {
        self.ported = Some(ported);
        self
    }

    /// A resolver that takes the configuration's word first; the longest prefix wins.
    #[must_use]
    pub fn with_overrides(mut self, overrides: &[Override]) -> Resolver {
        self.overrides = Arc::new(Overrides::new(overrides));
        self
    }

    /// What is known about a number at this wall time.
    #[must_use]
    pub fn resolve(&self, number: Msisdn, now: UnixMs) -> Resolved<'_> {
        let facts = self.tables.look_up(number);
        let known = Resolved {
            region: facts.region,
            region_digits: facts.region_digits,
            kind: facts.kind,
            operator: None,
            name: None,
            ported: None,
            source: Source::None,
            confidence: 0,
            as_of: Some(self.tables.info(TableKind::Numbering).as_of),
        };
        if let Some((operator, name)) = self.overrides.find(number) {
            let known = Resolved { as_of: None, ..known };
            let known = self.named(known, operator, Source::Override, OVERRIDE);
            return Resolved { name: name.or(known.name), ..known };
        }
        match self.ported.as_ref().map(|tables| tables.find(number, now)) {
            Some(PortedAnswer::Ported { operator, as_of, fresh }) => {
                let source = Source::Ported;
                let known = Resolved { ported: Some(true), source, as_of: Some(as_of), ..known };
                let Some(operator) = operator else { return known };
                self.named(known, operator, source, if fresh { PORTED } else { PORTED_BEFORE })
            }
            Some(PortedAnswer::NotPorted { as_of }) => {
                let known = Resolved { ported: Some(false), as_of: Some(as_of), ..known };
                held(known, facts, NOT_PORTED)
            }
            Some(PortedAnswer::Unknown) | None => {
                let known = held(known, facts, self.trust(facts.region));
                let named = known.name.map(|_| self.tables.info(TableKind::OperatorPrefixes).as_of);
                Resolved { as_of: named.or(known.as_of), ..known }
            }
        }
    }

    /// The name of an operator.
    #[must_use]
    pub fn name_of(&self, operator: OperatorId) -> Option<&str> {
        self.tables.name_of(operator)
    }

    fn named<'t>(
        &'t self,
        known: Resolved<'t>,
        operator: OperatorId,
        source: Source,
        confidence: u16,
    ) -> Resolved<'t> {
        let name = self.tables.name_of(operator);
        Resolved { operator: Some(operator), name, source, confidence, ..known }
    }

    /// Trust in who got the range, where no table of ported numbers helps.
    fn trust(&self, region: Option<Region>) -> u16 {
        let country = region.and_then(|region| self.tables.country(region));
        match country.map(|country| country.portability) {
            Some(Portability::No) => RANGE_FIXED,
            Some(Portability::Yes | Portability::Unknown) | None => RANGE,
        }
    }
}

/// Who got the range serves the number, as far as anyone does.
fn held<'t>(known: Resolved<'t>, facts: Facts<'t>, confidence: u16) -> Resolved<'t> {
    let Some(holder) = facts.holder else { return known };
    let confidence = if holder.operator.is_some() { confidence } else { 0 };
    Resolved {
        operator: holder.operator,
        name: Some(&holder.name),
        source: Source::Range,
        confidence,
        ..known
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fixed(PortedAnswer);

    impl Ported for Fixed {
        fn find(&self, _: Msisdn, _: UnixMs) -> PortedAnswer {
            self.0
        }
    }

    type Answer = (Option<&'static str>, Option<bool>, Source, u16);

    /// A mobile whose range Vodafone got, and one in a range that nobody has.
    const HELD: &str = "447717000000";
    const NOBODYS: &str = "447001234567";

    #[track_caller]
    fn answers(resolver: &Resolver, number: &str, expected: Answer) {
        let number = Msisdn::parse_strict(number).unwrap();
        let known = resolver.resolve(number, UnixMs(5));
        assert_eq!((known.region, known.region_digits), (Region::parse("GB"), 2));
        let operator = known.operator.map(|own| own.to_string());
        let answer = (operator.as_deref(), known.ported, known.source, known.confidence);
        assert_eq!(answer, expected);
    }

    fn with(answer: PortedAnswer) -> Resolver {
        Resolver::default().with_ported(Arc::new(Fixed(answer)))
    }

    fn ported(operator: Option<&str>, fresh: bool) -> PortedAnswer {
        let operator = operator.map(|code| code.parse().unwrap());
        PortedAnswer::Ported { operator, as_of: UnixMs(1), fresh }
    }

    #[test]
    fn a_ported_number_is_its_new_operators() {
        let resolver = with(ported(Some("234-10"), true));
        answers(&resolver, HELD, (Some("234-10"), Some(true), Source::Ported, PORTED));
        answers(&resolver, NOBODYS, (Some("234-10"), Some(true), Source::Ported, PORTED));
        let resolver = with(ported(Some("234-10"), false));
        answers(&resolver, HELD, (Some("234-10"), Some(true), Source::Ported, PORTED_BEFORE));
        // Then it is certain only that the holder of the range has it no more.
        answers(&with(ported(None, true)), HELD, (None, Some(true), Source::Ported, 0));
    }

    #[test]
    fn a_number_that_is_not_ported_is_its_ranges() {
        let resolver = with(PortedAnswer::NotPorted { as_of: UnixMs(1) });
        answers(&resolver, HELD, (Some("234-15"), Some(false), Source::Range, NOT_PORTED));
        answers(&resolver, NOBODYS, (None, Some(false), Source::None, 0));
    }

    #[test]
    fn a_range_alone_is_trusted_less() {
        for resolver in [Resolver::default(), with(PortedAnswer::Unknown)] {
            answers(&resolver, HELD, (Some("234-15"), None, Source::Range, RANGE));
            answers(&resolver, NOBODYS, (None, None, Source::None, 0));
        }
    }

    #[test]
    fn the_configurations_word_comes_first() {
        let own = |digits, code: &str| Override::new(digits, code.parse().unwrap()).unwrap();
        let resolver = with(ported(Some("234-10"), true))
            .with_overrides(&[own("4477", "234-20"), own(HELD, "234-30")]);
        answers(&resolver, HELD, (Some("234-30"), None, Source::Override, OVERRIDE));
        answers(&resolver, "447717000001", (Some("234-20"), None, Source::Override, OVERRIDE));
        answers(&resolver, NOBODYS, (Some("234-10"), Some(true), Source::Ported, PORTED));
        for digits in ["", "044", "44x", "1234567890123456"] {
            assert_eq!(Override::new(digits, "234-20".parse().unwrap()), None);
        }
    }
}
