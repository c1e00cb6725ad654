//! The forms in which a carrier writes its message ids: the base of its submit_sm_resp and that of
//! its receipts need not be the same. Also what traffic shows of them. Pure; one learner per
//! carrier and shard, pooled by adding.

use std::borrow::Cow;

use crate::limits::{ID_CONFIDENCE, ID_PAIRS, ID_PAIRS_KEPT};

/// How an id is to be read.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum IdBase {
    /// A string that is never converted.
    #[default]
    AsIs,
    /// A hexadecimal number.
    Hex,
    /// A decimal number.
    Decimal,
}

/// The bases of one carrier.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct IdForms {
    /// In submit_sm_resp.
    pub response: IdBase,
    /// In receipts.
    pub receipt: IdBase,
}

impl IdForms {
    /// The spellings under which the id of a receipt may have been answered in submit_sm_resp: the
    /// id itself, then the number that it is in the response's base, where the two bases differ.
    ///
    /// Both are to be looked up by [`folded`] spelling, since the paddings of the two sides differ
    /// too; should both be found, the recipient tells which is meant. Nothing is ever converted by
    /// its looks: an id that is no number in the receipt's base, or that exceeds 128 bits, stands
    /// for itself alone.
    pub fn alternatives<'a>(
        &self,
        receipt_id: &'a [u8],
    ) -> impl Iterator<Item = Cow<'a, [u8]>> + use<'a> {
        let converted = match (self.response, self.receipt) {
            (IdBase::Hex, IdBase::Decimal) => decimal(receipt_id).map(|id| format!("{id:x}")),
            (IdBase::Decimal, IdBase::Hex) => hex(receipt_id).map(|id| id.to_string()),
            _ => None,
        };
        let converted = converted.map(|id| Cow::Owned(id.into_bytes()));
        core::iter::once(Cow::Borrowed(receipt_id)).chain(converted)
    }

    /// Whether the two are one id under these forms.
    #[must_use]
    pub fn same(&self, response_id: &[u8], receipt_id: &[u8]) -> bool {
        !response_id.is_empty()
            && self.alternatives(receipt_id).any(|id| folded(&id) == folded(response_id))
    }
}

/// The form under which spellings of one id meet: lower case, and without leading zeros when all
/// characters are hexadecimal digits.
#[must_use]
pub fn folded(id: &[u8]) -> Box<[u8]> {
    let zeros = match id.iter().all(u8::is_ascii_hexdigit) {
        true => id.iter().take_while(|octet| **octet == b'0').count(),
        false => 0,
    };
    id.iter().skip(zeros).map(u8::to_ascii_lowercase).collect()
}

fn decimal(id: &[u8]) -> Option<u128> {
    number(id, 10)
}

fn hex(id: &[u8]) -> Option<u128> {
    number(id, 16)
}

/// A number of digits alone: no sign, no blank, no prefix.
fn number(id: &[u8], radix: u32) -> Option<u128> {
    let digits = core::str::from_utf8(id).ok()?;
    // from_str_radix would take a sign.
    digits.chars().all(|c| c.is_digit(radix)).then(|| u128::from_str_radix(digits, radix).ok())?
}

/// What one pair of a response's id and a receipt's id shows. The number is its place in
/// [`IdLearner`]'s counts.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The same string, but for case and padding.
    Same = 0,
    /// The response is the receipt's decimal number in hexadecimal.
    HexThenDecimal = 1,
    /// The response is the receipt's hexadecimal number in decimal.
    DecimalThenHex = 2,
    /// None of these: the pair does not belong together, or the ids are not convertible.
    Unrelated = 3,
}

impl Evidence {
    /// Those that speak for a form, with that form.
    const FORMS: [(Evidence, IdForms); 3] = [
        (Evidence::Same, IdForms { response: IdBase::AsIs, receipt: IdBase::AsIs }),
        (Evidence::HexThenDecimal, IdForms { response: IdBase::Hex, receipt: IdBase::Decimal }),
        (Evidence::DecimalThenHex, IdForms { response: IdBase::Decimal, receipt: IdBase::Hex }),
    ];

    /// Looks at one pair that is known to belong together by other means than its ids. None when
    /// the pair fits several forms (a number of one digit), and when an id is empty.
    #[must_use]
    pub fn of(response_id: &[u8], receipt_id: &[u8]) -> Option<Evidence> {
        if response_id.is_empty() || receipt_id.is_empty() {
            return None;
        }
        let (own, other) = (folded(response_id), folded(receipt_id));
        let fits = |evidence: &Evidence| match evidence {
            Evidence::Same => own == other,
            Evidence::HexThenDecimal => equal(hex(response_id), decimal(receipt_id)),
            Evidence::DecimalThenHex => equal(decimal(response_id), hex(receipt_id)),
            Evidence::Unrelated => false,
        };
        let mut fitting = Self::FORMS.into_iter().map(|(evidence, _)| evidence).filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Some(only),
            (Some(_), Some(_)) => None,
            (None, _) => Some(Evidence::Unrelated),
        }
    }
}

fn equal(a: Option<u128>, b: Option<u128>) -> bool {
    a.is_some() && a == b
}

/// What is proposed for a carrier.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The bases.
    pub forms: IdForms,
    /// Pairs that speak for them.
    pub agreeing: u32,
    /// Pairs that speak against them.
    pub contradicting: u32,
    /// The share of those that agree, rounded down.
    pub confidence_percent: u8,
}

/// Learns the forms of one carrier from pairs of ids: counts what each pair shows.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct IdLearner {
    counts: [u32; 4],
}

impl IdLearner {
    /// A learner that has seen so many pairs of each [`Evidence`], in the order of its numbers.
    #[must_use]
    pub const fn from_counts(counts: [u32; 4]) -> IdLearner {
        IdLearner { counts }
    }

    /// How many pairs of each [`Evidence`] it has seen.
    #[must_use]
    pub const fn counts(&self) -> [u32; 4] {
        self.counts
    }

    /// Notes a response's and a receipt's id that belong together by other means. Beyond
    /// [`ID_PAIRS_KEPT`] pairs all counts are halved, so that a carrier that changes its form is
    /// believed after some time.
    pub fn observe(&mut self, response_id: &[u8], receipt_id: &[u8]) {
        let Some(evidence) = Evidence::of(response_id, receipt_id) else { return };
        if self.total() >= ID_PAIRS_KEPT {
            self.counts = self.counts.map(|count| count / 2);
        }
        if let Some(count) = self.counts.get_mut(evidence as usize) {
            *count += 1;
        }
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: &IdLearner) {
        for (own, other) in self.counts.iter_mut().zip(other.counts) {
            *own = own.saturating_add(other);
        }
    }

    /// The forms that most pairs speak for: at least [`ID_PAIRS`] of them, and at least
    /// [`ID_CONFIDENCE`] percent of all.
    #[must_use]
    pub fn proposal(&self) -> Option<Proposal> {
        let counted = Evidence::FORMS.into_iter().zip(self.counts);
        let ((_, forms), agreeing) = counted.max_by_key(|(_, count)| *count)?;
        let total = self.total();
        let share = u64::from(agreeing) * 100 / u64::from(total.max(1));
        let confidence_percent = u8::try_from(share).unwrap_or(100);
        let certain = agreeing >= ID_PAIRS && confidence_percent >= ID_CONFIDENCE;
        let contradicting = total.saturating_sub(agreeing);
        certain.then_some(Proposal { forms, agreeing, contradicting, confidence_percent })
    }

    fn total(&self) -> u32 {
        self.counts.into_iter().fold(0, u32::saturating_add)
    }
}
