//! Whose records are meant by an erasure. Pure, lives nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::record::{ERASED_CUSTOMER, ERASED_RECIPIENT, Frames, REDACTED, Record};

/// Digits of a number in international form [ITU-T E.164].
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// The keyed hash under which a recipient is remembered when the number is gone: SipHash-1-3 with
/// 128 bits over the number's eight little-endian octets.
#[must_use]
pub fn recipient_hash(key: [u8; 16], digits: u64) -> u128 {
    let mut hasher = SipHasher13::new_with_key(&key);
    hasher.write(&digits.to_le_bytes());
    hasher.finish128().as_u128()
}

/// What is to be forgotten: recipients, customers, messages. Takes about 50 bytes of memory for
/// each message of theirs that it has seen.
#[derive(Clone, Default)]
pub struct Erasing {
    key: [u8; 16],
    /// Recipient's hash (0: every one) and customer (0: every one), to the time up to which.
    scopes: BTreeMap<(u128, u32), u64>,
    /// Messages, with their recipient; 0: not known, or not known any more.
    messages: BTreeMap<u64, u64>,
    /// Messages below this number are not on record any more, but for those that were carried; all
    /// messages, until the first that is on record was shown.
    gone_below: u64,
    carried: BTreeSet<u64>,
}

impl Erasing {
    /// Nothing yet. `key`: of [`recipient_hash`].
    #[must_use]
    pub fn new(key: [u8; 16]) -> Self {
        Self { key, ..Self::default() }
    }

    /// Adds what a record of kind erased asks for; others, and one that names nobody, ask for
    /// nothing.
    pub fn add(&mut self, record: &Record<'_>) {
        let Record::Erased { scope, hash, customer, until_ms, .. } = *record else { return };
        let names = match scope {
            ERASED_RECIPIENT => hash != 0,
            ERASED_CUSTOMER => customer != 0,
            _ => false,
        };
        if names {
            let hash = if scope == ERASED_CUSTOMER { 0 } else { hash };
            let until = self.scopes.entry((hash, customer)).or_default();
            *until = (*until).max(until_ms);
        }
    }

    /// Adds a message by its number, with its recipient when that is known.
    pub fn add_message(&mut self, sequence: u64, to: Option<u64>) {
        let known = self.messages.entry(sequence).or_default();
        *known = to.unwrap_or(*known);
    }

    /// Says that the log has given segments back; then every segment is shown, from the oldest on.
    /// The messages before the first whose accepted record there is were in those. What is left of
    /// such a message, if no carried record of it is shown, belongs to nobody that could be found:
    /// every text and number in it goes.
    pub fn recycled(&mut self) {
        self.gone_below = u64::MAX;
    }

    /// Looks at a record of kind accepted or carried: a message that is meant is remembered, so that
    /// its other records are known by its number. One whose accepted record is redacted is done
    /// with: that record, the oldest, was the last to go. Of one of which only a redacted carried
    /// record is left nobody can tell that, nor what its recipient was: texts of its parts lose every
    /// long number.
    pub fn note(&mut self, record: &Record<'_>) {
        if let Record::Accepted { sequence, .. } = record
            && self.gone_below == u64::MAX
        {
            self.gone_below = *sequence;
        }
        if let Record::Accepted { sequence, .. } = record
            && is_redacted(record)
        {
            self.messages.remove(sequence);
        } else if let Record::Carried { sequence, state, .. } = *record {
            self.note_carried(sequence, state);
        } else {
            self.note_accepted(record);
        }
    }

    fn note_carried(&mut self, sequence: u64, state: &[u8]) {
        let gone = sequence < self.gone_below;
        if gone {
            self.carried.insert(sequence);
        }
        // What cannot be read is told when it is to be redacted.
        for frame in Frames::new(state).map_while(Result::ok) {
            let nested = Record::decode(frame.kind, frame.version, frame.body);
            if let Ok(Some(nested)) = nested
                && (gone || !is_redacted(&nested))
            {
                self.note_accepted(&nested);
            }
        }
    }

    fn note_accepted(&mut self, record: &Record<'_>) {
        let Record::Accepted { sequence, customer, to, accepted_ms, .. } = *record else { return };
        let known = (to != 0).then_some(to);
        let listed = self.messages.contains_key(&sequence);
        if listed || self.is_meant(known, customer, accepted_ms) {
            self.add_message(sequence, known);
        }
    }

    /// Whether the record is to be redacted: with the number that texts in it may hold, 0 for any.
    pub(super) fn number_of(&self, record: &Record<'_>) -> Option<u64> {
        match record {
            Record::Accepted { sequence, .. } | Record::Carried { sequence, .. } => {
                self.messages.get(sequence).copied()
            }
            Record::Part { sequence, .. } | Record::Replaced { sequence, .. } => {
                let gone = *sequence < self.gone_below && !self.carried.contains(sequence);
                self.messages.get(sequence).copied().or(gone.then_some(0))
            }
            Record::Inbound(inbound) => {
                let source = number(inbound.source);
                self.is_meant(source, inbound.customer, inbound.at_ms)
                    .then_some(source.unwrap_or(0))
            }
            // Nobody knows whose customer's it is: its recipient counts alone.
            Record::Orphan { source, dest, at_ms, .. } => {
                [number(source), number(dest)].into_iter().flatten().find(|digits| {
                    let hash = recipient_hash(self.key, *digits);
                    let scopes = self.scopes.range((hash, 0)..=(hash, u32::MAX));
                    scopes.into_iter().any(|(_, until)| at_ms <= until)
                })
            }
            Record::Webhook { .. }
            | Record::OrphanClosed { .. }
            | Record::Mark { .. }
            | Record::CustomerReceipt { .. }
            | Record::InboundClosed { .. }
            | Record::Closed { .. }
            | Record::Erased { .. }
            | Record::Epoch { .. }
            | Record::Redacted { .. }
            | Record::OptOut { .. }
            | Record::Moving { .. }
            | Record::Content(_)
            | Record::ContentOwner { .. } => None,
        }
    }

    fn is_meant(&self, digits: Option<u64>, customer: u32, at_ms: u64) -> bool {
        let within = |scope| self.scopes.get(&scope).is_some_and(|until| at_ms <= *until);
        let hash = digits.map(|digits| recipient_hash(self.key, digits));
        within((0, customer))
            || hash.is_some_and(|hash| within((hash, 0)) || within((hash, customer)))
    }
}

/// Not shown: whose records they are is what is to be forgotten.
impl std::fmt::Debug for Erasing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (scopes, messages) = (self.scopes.len(), self.messages.len());
        f.debug_struct("Erasing").field("scopes", &scopes).field("messages", &messages).finish()
    }
}

fn is_redacted(record: &Record<'_>) -> bool {
    matches!(record, Record::Accepted { asked, .. } if asked.options & REDACTED != 0)
}

/// The number in an address as carriers write it: digits after an optional `+` or `00`.
fn number(address: &[u8]) -> Option<u64> {
    let digits = address.strip_prefix(b"+").or_else(|| address.strip_prefix(b"00"));
    let digits = digits.unwrap_or(address);
    let whole = DIGITS.contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let text = whole.then(|| std::str::from_utf8(digits).ok())??;
    text.parse().ok()
}
