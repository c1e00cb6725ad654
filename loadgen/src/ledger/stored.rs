//! What the gateway's store says of the messages in an account, and which copies at carriers it
//! knows. Part of the account.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::account::{Account, Entry, FINAL, NAMED, Outcome};

/// A message as the store holds it.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// Its public id.
    pub id: &'a str,
    /// Its destination, digits.
    pub to: &'a str,
    /// Its status, in the API's words.
    pub status: &'a str,
    /// Every copy of its parts that a carrier is on record to have taken: the carrier's name, empty
    /// when nobody knows it any more, and what the carrier calls the part.
    pub copies: &'a [(&'a str, &'a str)],
}

/// What the store says of one message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Held {
    /// It was not asked, or has no such message.
    #[default]
    Not,
    /// Under way.
    Open,
    /// At its end: an index into [`FINAL`].
    Final(usize),
}

impl Held {
    /// The final status.
    pub(super) fn last(self) -> Option<&'static str> {
        match self {
            Held::Final(status) => FINAL.get(status).copied(),
            Held::Not | Held::Open => None,
        }
    }
}

/// The copies of a message that carriers took.
#[derive(Debug, Clone, Default)]
pub(super) struct Copies(Vec<Copy>);

#[derive(Debug, Clone, Copy)]
struct Copy {
    /// The carrier's id for it, hashed.
    id: u64,
    /// The carrier, when the store knows its name.
    carrier: Option<u16>,
    on_record: bool,
}

impl Copies {
    pub(super) fn add(&mut self, carrier: Option<u16>, id: &str) {
        self.0.push(Copy { id: hash(id), carrier, on_record: false });
    }

    /// Whether there is this copy; it is on record from now on.
    fn record(&mut self, carrier: Option<u16>, id: &str) -> bool {
        let id = hash(id);
        let here =
            |copy: &&mut Copy| copy.id == id && (copy.carrier == carrier || copy.carrier.is_none());
        self.0.iter_mut().find(here).is_some_and(|copy| {
            copy.on_record = true;
            true
        })
    }

    fn unrecorded(&self) -> u64 {
        self.0.iter().map(|copy| u64::from(!copy.on_record)).sum()
    }
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

impl Account {
    /// Takes a message of the store.
    pub(super) fn stored(&mut self, message: &Stored<'_>) {
        if let Some(store) = &mut self.report.store {
            store.messages += 1;
        }
        let carriers = self.carriers.take().unwrap_or_default();
        if let Some(index) = self.find(message.to) {
            self.compare(index, message, &carriers);
        }
        self.carriers = Some(carriers);
    }

    fn compare(&mut self, index: usize, message: &Stored<'_>, carriers: &[String]) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        if entry.id.as_deref().is_some_and(|id| id != message.id) {
            self.ghosts.insert(message.id.into());
            return;
        }
        let last = FINAL.iter().position(|name| *name == message.status);
        entry.held = last.map_or(Held::Open, Held::Final);
        let known = |name: &str| {
            let at = carriers.iter().position(|known| known == name)?;
            u16::try_from(at).ok()
        };
        let mut strayed = false;
        for (carrier, id) in message.copies {
            strayed |= !entry.copies.record(known(carrier), id);
        }
        let Some(store) = self.report.store.as_mut().filter(|_| strayed) else { return };
        store.misrouted += 1;
        if store.misrouted_ids.len() < NAMED {
            store.misrouted_ids.push(message.id.to_owned());
        }
    }

    /// What the store adds to the balance of one message.
    pub(super) fn balance_store(&mut self, entry: &Entry) {
        let Some(store) = &mut self.report.store else { return };
        let held = entry.held != Held::Not;
        if held {
            store.unrecorded_copies += entry.copies.unrecorded();
        }
        match entry.outcome {
            Outcome::Accepted => {
                store.pending += u64::from(entry.held == Held::Open);
                store.forgotten += u64::from(!held && entry.is_told());
            }
            Outcome::Refused => store.refused += u64::from(held),
            Outcome::Open | Outcome::Unacknowledged => store.unacknowledged += u64::from(held),
        }
    }
}
