//! What is to be forgotten: recipients and customers that an operator has erased, messages that
//! their customers have redacted. At once in memory and in every answer; then, by chores, in the
//! files. Pure; one per shard, rebuilt from the log.

mod kept;
pub(in crate::shard) mod known;
mod owner;
mod pass;
mod redact;
mod touch;

use std::collections::{BTreeMap, VecDeque};

use postrider_core::clock::UnixMs;
use postrider_core::limits;
use postrider_core::number::Msisdn;
use postrider_core::place::Placement;
use postrider_storage::erase::{Erasing, recipient_hash};
use postrider_storage::{ERASED_CUSTOMER, ERASED_DONE, ERASED_RECIPIENT, Lsn, Record, SegmentId};

pub use self::owner::{ControlAnswer, ControlRequest};
use self::pass::Pass;
pub use self::pass::{EraseChore, EraseDone};
pub(crate) use self::redact::{is_unknown, redaction};
pub(crate) use self::touch::{Touch, Touched};
use super::message::Envelope;

/// Who is to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Whoever has this number, at every customer.
    Recipient(Msisdn),
    /// The customer with this durable number.
    Customer(u32),
}

/// How far an erasure is on one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureState {
    /// Its number: when it was asked for, Unix milliseconds, the same on every shard.
    pub id: u64,
    /// Durable number of the customer; 0: it is about a recipient.
    pub customer: u32,
    /// Segments to be looked at; `None` before they are known.
    pub segments: Option<u32>,
    /// Those of them that are done.
    pub done: u32,
    /// Those that held something, and were rewritten.
    pub rewritten: u32,
    /// When nothing was left in the files.
    pub finished: Option<UnixMs>,
}

/// The people of some erasures.
#[derive(Clone, Default)]
pub(crate) struct Scopes {
    key: [u8; 16],
    /// Recipient's hash (0: every one) and customer (0: every one), to the time up to which.
    scopes: BTreeMap<(u128, u32), UnixMs>,
}

/// One erasure that is not done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    id: u64,
    hash: u128,
    customer: u32,
    until: UnixMs,
    lsn: Lsn,
    /// Where its record lies.
    segment: SegmentId,
}

/// See the module.
pub(crate) struct Erasures {
    scopes: Scopes,
    /// In the order of the log.
    asked: Vec<Asked>,
    /// Messages redacted by their customers whose records still hold everything: the record that
    /// says so, and where that lies.
    told: BTreeMap<u64, (Lsn, SegmentId)>,
    /// When the oldest of those is to be gone from the files.
    told_due: Option<UnixMs>,
    /// Messages in memory of which what was not sent is to be taken back.
    unsettled: VecDeque<u64>,
    pass: Option<Pass>,
    /// The last ones that are done.
    finished: VecDeque<ErasureState>,
    /// A piece of the pass is under way, has failed, or has just ended a segment: none until the timer.
    resting: bool,
    /// Other slow work was given out since its last piece.
    pub(in crate::shard) passed_over: bool,
}

impl Scopes {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Scopes { key, scopes: BTreeMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.scopes.is_empty()
    }

    fn add(&mut self, asked: &Asked) {
        self.extend((asked.hash, asked.customer), asked.until);
    }

    fn extend(&mut self, scope: (u128, u32), to: UnixMs) {
        let until = self.scopes.entry(scope).or_default();
        *until = (*until).max(to);
    }

    /// Adds the people of others.
    pub(crate) fn add_all(&mut self, others: &Scopes) {
        for (scope, until) in &others.scopes {
            self.extend(*scope, *until);
        }
    }

    /// Adds what a record asks for.
    pub(crate) fn note(&mut self, record: &Record<'_>) {
        if let Some(asked) = Asked::of((Lsn(0), SegmentId(0)), record) {
            self.add(&asked);
        }
    }

    /// Whether the message is one of theirs, and not redacted yet.
    pub(crate) fn mean(&self, envelope: &Envelope) -> bool {
        !self.is_empty()
            && !envelope.redacted
            && self.include(Some(envelope.to), envelope.customer, envelope.accepted)
    }

    /// Whether something between a number and a customer at this time is theirs.
    pub(crate) fn include(&self, number: Option<Msisdn>, customer: u32, at: UnixMs) -> bool {
        let within = |scope| self.scopes.get(&scope).is_some_and(|until| at <= *until);
        let hash = number.map(|number| recipient_hash(self.key, number.as_u64()));
        within((0, customer)) || hash.is_some_and(|hash| within((hash, 0)))
    }
}

impl Asked {
    /// What a record of kind erased asks for.
    fn of((lsn, segment): (Lsn, SegmentId), record: &Record<'_>) -> Option<Self> {
        let Record::Erased { at_ms, scope, hash, customer, until_ms } = *record else {
            return None;
        };
        let (hash, customer) = match scope {
            ERASED_RECIPIENT => (hash, 0),
            ERASED_CUSTOMER => (0, customer),
            _ => (0, 0),
        };
        let until = UnixMs(until_ms);
        (hash != 0 || customer != 0).then_some(Asked {
            id: at_ms,
            hash,
            customer,
            until,
            lsn,
            segment,
        })
    }

    fn record(&self) -> Record<'static> {
        let scope = if self.customer == 0 { ERASED_RECIPIENT } else { ERASED_CUSTOMER };
        let Asked { id, hash, customer, until, .. } = *self;
        Record::Erased { at_ms: id, scope, hash, customer, until_ms: until.0 }
    }

    fn waiting(&self) -> ErasureState {
        let (id, customer) = (self.id, self.customer);
        ErasureState { id, customer, segments: None, done: 0, rewritten: 0, finished: None }
    }
}

impl Subject {
    fn asked(self, id: u64, placement: &Placement, until: UnixMs) -> Asked {
        let (hash, customer) = match self {
            Subject::Recipient(number) => (placement.erasure_hash(number), 0),
            Subject::Customer(customer) => (0, customer),
        };
        Asked { id, hash, customer, until, lsn: Lsn(0), segment: SegmentId(0) }
    }
}

impl Erasures {
    /// Nothing is to be forgotten. `key`: the data directory's.
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Erasures {
            scopes: Scopes::new(key),
            asked: Vec::new(),
            told: BTreeMap::new(),
            told_due: None,
            unsettled: VecDeque::new(),
            pass: None,
            finished: VecDeque::new(),
            resting: false,
            passed_over: false,
        }
    }

    /// The records that ask for what is not done.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'static>> + '_ {
        self.asked.iter().map(Asked::record)
    }

    /// Who is to be forgotten.
    pub(crate) fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// Whether one more erasure may be asked for.
    pub(crate) fn has_room(&self) -> bool {
        self.asked.len() < limits::ERASURES_MAX
    }

    /// Whether one more message may be redacted.
    pub(crate) fn has_room_for_message(&self) -> bool {
        self.told.len() < limits::REDACTIONS_MAX
    }

    /// One that is told again, in another place, is no other one.
    fn add(&mut self, mut asked: Asked) {
        let what = |own: &Asked| (own.id, own.hash, own.customer);
        let this = what(&asked);
        for own in self.asked.extract_if(.., |own| what(own) == this) {
            asked.until = asked.until.max(own.until);
        }
        self.scopes.add(&asked);
        self.asked.push(asked);
    }

    /// A message is redacted by the record with this number, in this segment.
    fn tell(&mut self, sequence: u64, by: (Lsn, SegmentId), at: UnixMs) {
        self.told.insert(sequence, by);
        self.told_due.get_or_insert(at.after(limits::REDACTIONS_GATHERED));
    }

    /// Whether a message is redacted whose records still hold everything.
    fn is_told(&self, sequence: u64) -> bool {
        self.told.contains_key(&sequence)
    }

    /// The messages that are redacted, and whose records still hold everything.
    pub(crate) fn told(&self) -> impl Iterator<Item = u64> + '_ {
        self.told.keys().copied()
    }

    /// What the log says, in its order.
    pub(crate) fn replay(&mut self, by: (Lsn, SegmentId), record: &Record<'_>) {
        if let Record::Erased { scope: ERASED_DONE, until_ms, .. } = *record {
            self.done(Lsn(until_ms));
        } else if let Some(asked) = Asked::of(by, record) {
            self.add(asked);
        } else if let Record::Redacted { sequence, at_ms } = *record {
            self.tell(sequence, by, UnixMs(at_ms));
        }
    }

    /// What records up to this one asked for is gone from the files.
    fn done(&mut self, up_to: Lsn) {
        self.asked.retain(|asked| asked.lsn > up_to);
        self.told.retain(|_, (lsn, _)| *lsn > up_to);
        if self.told.is_empty() {
            self.told_due = None;
        }
        let mut scopes = Scopes::new(self.scopes.key);
        for asked in &self.asked {
            scopes.add(asked);
        }
        self.scopes = scopes;
    }

    /// A part of a redacted message came back to be sent: it cannot be.
    pub(crate) fn unsent(&mut self, sequence: u64) {
        self.unsettled.push_back(sequence);
    }

    /// What the storage's own machine has to look for; `number`: that of a message in its log.
    fn erasing(&self, up_to: Lsn, number: impl Fn(u64) -> u64) -> Erasing {
        let mut erasing = Erasing::new(self.scopes.key);
        for asked in self.asked.iter().filter(|asked| asked.lsn <= up_to) {
            erasing.add(&asked.record());
        }
        for (sequence, _) in self.told.iter().filter(|(_, (lsn, _))| *lsn <= up_to) {
            erasing.add_message(number(*sequence), None);
        }
        erasing
    }

    /// Every erasure that is not done, and the last ones that are, oldest first.
    pub(crate) fn states(&self) -> Vec<ErasureState> {
        let pass = self.pass.as_ref();
        let open = self.asked.iter().map(|asked| match pass {
            Some(pass) if asked.lsn <= pass.up_to() => pass.state(asked.waiting()),
            Some(_) | None => asked.waiting(),
        });
        self.finished.iter().cloned().chain(open).collect()
    }
}
