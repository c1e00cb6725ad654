//! What traffic shows of the forms in which carriers write message ids, pooled over all shards, and
//! the forms in use. One per configuration, and what was seen is handed on: shards count, the control thread reads and applies; plain
//! atomics, no lock.

use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use core::time::Duration;
use std::sync::Arc;

use postrider_core::carrier_id::{Evidence, IdBase, IdForms, IdLearner, Proposal};
use postrider_core::config::{CarrierConfig, Learn};
use postrider_core::health::Suspicion;
use postrider_core::limits;
use postrider_core::route::CarrierIx;

use super::pace::Pace;

const BASES: [IdBase; 3] = [IdBase::AsIs, IdBase::Hex, IdBase::Decimal];

/// The message ids of every carrier, in the order of the configuration.
pub struct Learned {
    carriers: Vec<Arc<CarrierIds>>,
}

/// The message ids of one carrier, whether its receipts are credible, and its pace.
pub struct CarrierIds {
    name: String,
    learn: Learn,
    /// The forms that the configuration says.
    configured: IdForms,
    /// Pairs by [`Evidence`], known to belong together by other means than their ids.
    pairs: [AtomicU32; 4],
    /// The forms in use, as one number.
    forms: AtomicU8,
    /// Times that they were changed.
    changes: AtomicU32,
    /// A receipt has been matched by its id under these forms.
    matching: AtomicBool,
    suspicion: Suspicion,
    pace: Pace,
}

impl Learned {
    /// Nothing seen, and the configuration's forms in use; but a carrier of which the configuration
    /// says what it said `before` goes on as it is.
    #[must_use]
    pub fn new(carriers: &[CarrierConfig], before: Option<&Learned>) -> Self {
        let made = |(index, config): (usize, &CarrierConfig)| {
            let known = before.and_then(|before| before.carriers.get(index));
            match known.filter(|known| known.is_as_configured(config)) {
                Some(known) => Arc::clone(known),
                None => Arc::new(CarrierIds::new(config)),
            }
        };
        Learned { carriers: carriers.iter().enumerate().map(made).collect() }
    }

    /// For carriers of these names and nothing else: for tests.
    #[cfg(test)]
    pub(crate) fn of_names(names: &[&str]) -> Self {
        let carrier =
            |name: &&str| Arc::new(CarrierIds::named(name, IdForms::default(), Learn::Propose));
        Learned { carriers: names.iter().map(carrier).collect() }
    }

    /// Every carrier.
    #[must_use]
    pub fn carriers(&self) -> &[Arc<CarrierIds>] {
        &self.carriers
    }

    /// One carrier by its name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&CarrierIds> {
        self.carriers.iter().find(|carrier| carrier.name == name).map(|carrier| &**carrier)
    }

    pub(crate) fn of(&self, carrier: CarrierIx) -> Option<&CarrierIds> {
        self.carriers.get(usize::from(carrier.0)).map(|carrier| &**carrier)
    }

    pub(crate) fn forms(&self, carrier: CarrierIx) -> IdForms {
        self.of(carrier).map(CarrierIds::forms).unwrap_or_default()
    }
}

impl CarrierIds {
    fn new(config: &CarrierConfig) -> Self {
        Self::named(&config.name, config.profile.ids, config.profile.learn)
    }

    fn named(name: &str, forms: IdForms, learn: Learn) -> Self {
        CarrierIds {
            name: name.to_owned(),
            learn,
            configured: forms,
            pairs: Default::default(),
            forms: AtomicU8::new(number_of(forms)),
            changes: AtomicU32::new(0),
            matching: AtomicBool::new(false),
            suspicion: Suspicion::default(),
            pace: Pace::default(),
        }
    }

    fn is_as_configured(&self, config: &CarrierConfig) -> bool {
        let CarrierConfig { name, profile, .. } = config;
        (&self.name, self.learn, self.configured) == (name, profile.learn, profile.ids)
    }

    /// The carrier's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How fast it is given parts.
    #[must_use]
    pub const fn pace(&self) -> &Pace {
        &self.pace
    }

    /// What is done with what is learned.
    #[must_use]
    pub const fn learn(&self) -> Learn {
        self.learn
    }

    /// The forms in use.
    #[must_use]
    pub fn forms(&self) -> IdForms {
        forms_of(self.forms.load(Ordering::Relaxed))
    }

    /// Pairs seen, by [`Evidence`].
    #[must_use]
    pub fn pairs(&self) -> [u32; 4] {
        self.pairs.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// The forms that the pairs speak for, when they are certain enough and not in use.
    #[must_use]
    pub fn proposal(&self) -> Option<Proposal> {
        let proposal = IdLearner::from_counts(self.pairs()).proposal()?;
        (proposal.forms != self.forms()).then_some(proposal)
    }

    /// Uses the forms proposed from now on, until the process ends; `None` when there are none.
    pub fn apply(&self) -> Option<Proposal> {
        let proposal = self.proposal()?;
        self.forms.store(number_of(proposal.forms), Ordering::Relaxed);
        self.matching.store(false, Ordering::Relaxed);
        self.changes.fetch_add(1, Ordering::Release);
        Some(proposal)
    }

    pub(crate) fn changes(&self) -> u32 {
        self.changes.load(Ordering::Acquire)
    }

    /// Whether the carrier's receipts come too fast to be true.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.suspicion.is_suspect()
    }

    /// A receipt ended a part, so far from the carrier's answer. True when it is credible.
    pub(crate) fn note_receipt(&self, delivered: bool, apart: Duration) -> bool {
        self.suspicion.note(delivered, apart)
    }

    /// A receipt was matched by its id.
    pub(crate) fn note_match(&self) {
        if !self.matching.load(Ordering::Relaxed) {
            self.matching.store(true, Ordering::Relaxed);
        }
    }

    /// Whether ids are known to meet under the forms in use.
    pub(crate) fn ids_match(&self) -> bool {
        self.matching.load(Ordering::Relaxed)
    }

    /// A response's and a receipt's id belong together. Old pairs count less and less: beyond a
    /// bound all counts are halved.
    pub(crate) fn observe(&self, response_id: &[u8], receipt_id: &[u8]) {
        let Some(evidence) = Evidence::of(response_id, receipt_id) else { return };
        if self.learn == Learn::Off {
            return;
        }
        let total: u32 = self.pairs().iter().sum();
        if total >= limits::ID_PAIRS_KEPT {
            for count in &self.pairs {
                count.store(count.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
            }
        }
        if let Some(count) = self.pairs.get(evidence as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if self.learn == Learn::Apply {
            self.apply();
        }
    }
}

fn number_of(forms: IdForms) -> u8 {
    let at = |base| BASES.iter().position(|own| *own == base).unwrap_or(0);
    u8::try_from(at(forms.response) * BASES.len() + at(forms.receipt)).unwrap_or(0)
}

fn forms_of(number: u8) -> IdForms {
    let number = usize::from(number);
    let base = |at: usize| BASES.get(at % BASES.len()).copied().unwrap_or_default();
    IdForms { response: base(number / BASES.len()), receipt: base(number) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn forms_survive_their_number() {
        for response in BASES {
            for receipt in BASES {
                let forms = IdForms { response, receipt };
                assert_eq!(forms_of(number_of(forms)), forms);
            }
        }
    }

    fn ids(learn: Learn) -> CarrierIds {
        let ids = CarrierIds::named("alpha", IdForms::default(), learn);
        ids.note_match();
        ids
    }

    fn hex_then_decimal(ids: &CarrierIds, pairs: u64) {
        for number in 1_000_000..1_000_000 + pairs {
            ids.observe(format!("{number:x}").as_bytes(), number.to_string().as_bytes());
        }
    }

    #[test]
    fn a_proposal_waits_for_the_operator_and_changes_the_forms_once() {
        let ids = ids(Learn::Propose);
        hex_then_decimal(&ids, u64::from(limits::ID_PAIRS) - 1);
        assert_eq!(ids.proposal(), None);
        hex_then_decimal(&ids, 1);
        let forms = IdForms { response: IdBase::Hex, receipt: IdBase::Decimal };
        assert_eq!(ids.proposal().map(|proposal| proposal.forms), Some(forms));
        assert_eq!((ids.forms(), ids.changes()), (IdForms::default(), 0));
        assert!(ids.apply().is_some());
        assert_eq!((ids.forms(), ids.changes(), ids.ids_match()), (forms, 1, false));
        assert_eq!(ids.apply(), None, "in use already");
    }

    #[test]
    fn what_is_applied_by_itself_and_what_is_off() {
        let applied = ids(Learn::Apply);
        hex_then_decimal(&applied, 30);
        assert_eq!(applied.changes(), 1);
        let off = ids(Learn::Off);
        hex_then_decimal(&off, 30);
        assert_eq!(off.pairs(), [0; 4]);
    }

    #[test]
    fn counts_stay_bounded() {
        let ids = ids(Learn::Propose);
        hex_then_decimal(&ids, 10_000);
        assert!(ids.pairs().iter().sum::<u32>() <= limits::ID_PAIRS_KEPT);
    }

    #[test]
    fn another_configuration_keeps_what_was_seen_of_a_carrier_that_it_does_not_change() {
        let text = include_str!("../../../core/data/example.toml");
        let mut carriers = postrider_core::config::Config::parse(text).unwrap().carriers;
        let before = Learned::new(&carriers, None);
        hex_then_decimal(&before.carriers[0], 30);
        let seen = before.carriers[0].pairs();
        let same = Learned::new(&carriers, Some(&before));
        assert_eq!(same.carriers[0].pairs(), seen);
        carriers[0].profile.ids.response = IdBase::Hex;
        let changed = Learned::new(&carriers, Some(&same));
        assert_eq!(changed.carriers[0].pairs(), [0; 4], "the operator has spoken");
        assert_eq!(changed.carriers[0].forms().response, IdBase::Hex);
    }
}
