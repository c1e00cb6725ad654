//! The ladder from a number to its operator: the first step that knows something answers. Pure; one
//! `Resolver` per process, read-only.

use std::sync::Arc;

use super::{OperatorId, Ported, PortedAnswer};
use crate::clock::UnixMs;
use crate::number::Msisdn;
use crate::region::{self, Region};

/// Confidence, per mille, in an operator that a fresh table of ported numbers names.
const PORTED: u16 = 980;
/// The same in an operator that such a table named when it was fresh.
const PORTED_BEFORE: u16 = 900;

/// Which step of the ladder named the operator.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A fresh table of ported numbers.
    Ported,
    /// None: at most the region is known.
    None,
}

/// What is known about a number.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Resolved<'t> {
    /// Its country, or `001` for the calling codes without one.
    pub region: Option<Region>,
    /// How many leading digits say so; 0 where no region is known.
    pub region_digits: u8,
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
    /// When the data behind the answer was true.
    pub as_of: Option<UnixMs>,
}

/// Everything that is known about numbers.
#[derive(Clone, Debug, Default)]
pub struct Resolver {
    ported: Option<Arc<dyn Ported>>,
}

impl Resolver {
    /// A resolver that also asks tables of ported numbers.
    #[must_use]
    pub fn with_ported(mut self, ported: Arc<dyn Ported>) -> Resolver {
        self.ported = Some(ported);
        self
    }

    /// What is known about a number at this wall time.
    #[must_use]
    pub fn resolve(&self, number: Msisdn, now: UnixMs) -> Resolved<'_> {
        let (region, region_digits) = region::with_digits(number).unzip();
        let mut known = Resolved {
            region,
            region_digits: region_digits.unwrap_or(0),
            operator: None,
            name: None,
            ported: None,
            source: Source::None,
            confidence: 0,
            as_of: None,
        };
        match self.ported.as_ref().map(|tables| tables.find(number, now)) {
            Some(PortedAnswer::Ported { operator, as_of, fresh }) => {
                known.operator = operator;
                known.ported = Some(true);
                known.source = Source::Ported;
                let trust = if fresh { PORTED } else { PORTED_BEFORE };
                known.confidence = operator.map_or(0, |_| trust);
                known.as_of = Some(as_of);
            }
            Some(PortedAnswer::NotPorted { as_of }) => {
                known.ported = Some(false);
                known.as_of = Some(as_of);
            }
            Some(PortedAnswer::Unknown) | None => {}
        }
        known
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

    fn answer(ported: Option<PortedAnswer>) -> (Option<String>, Option<bool>, Source, u16) {
        let mut resolver = Resolver::default();
        if let Some(answer) = ported {
            resolver = resolver.with_ported(Arc::new(Fixed(answer)));
        }
        let number = Msisdn::parse_strict("+447700900123").unwrap();
        let known = resolver.resolve(number, UnixMs(5));
        assert_eq!(known.region, Region::parse("GB"));
        assert_eq!(known.region_digits, 2);
        assert_eq!(known.as_of.is_some(), known.ported.is_some());
        (known.operator.map(|own| own.to_string()), known.ported, known.source, known.confidence)
    }

    #[test]
    fn a_ported_number_is_its_new_operators() {
        let operator = Some("234-15".parse().unwrap());
        let ported = PortedAnswer::Ported { operator, as_of: UnixMs(1), fresh: true };
        let expected = (Some(String::from("234-15")), Some(true), Source::Ported, 980);
        assert_eq!(answer(Some(ported)), expected);
    }

    #[test]
    fn what_no_table_knows_is_not_guessed() {
        assert_eq!(answer(None), (None, None, Source::None, 0));
        assert_eq!(answer(Some(PortedAnswer::Unknown)), (None, None, Source::None, 0));
        let kept = PortedAnswer::NotPorted { as_of: UnixMs(1) };
        assert_eq!(answer(Some(kept)), (None, Some(false), Source::None, 0));
    }
}
