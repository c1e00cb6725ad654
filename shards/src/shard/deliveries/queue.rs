//! What waits to be handed to one customer's binds, in the order in which it came: what goes next,
//! what goes again and when, what is given up. Pure: time is an argument. One per customer and
//! shard; it holds names, not messages, and is rebuilt from the log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use postrider_core::clock::{Now, UnixMs};
use postrider_core::limits;
use postrider_smpp::status::{CommandStatus, Pause, StatusClass, Verdict};

/// One PDU that a customer is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Item {
    /// A receipt of a message: 0 the final one, from 1 those in between.
    Receipt { sequence: u64, receipt: u16 },
    /// A message from a handset, by the number of its first fragment, and which of the PDUs that it
    /// takes.
    Inbound { inbound: u64, pdu: u8 },
}

/// The place of an item in its queue; a lower one came earlier.
pub(crate) type Place = u64;

/// What came of handing an item over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryAnswer {
    /// The customer answered with this command_status.
    Status(u32),
    /// No answer will come: the bind was lost, or too slow. The customer may have it.
    Lost,
    /// It did not leave: the receiver was gone.
    NotTried,
    /// No PDU can be made of it.
    Unsendable,
}

/// What becomes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It is the customer's now.
    Delivered,
    /// It will be handed over again.
    Again,
    /// It will not.
    GivenUp,
}

struct Entry {
    item: Item,
    /// When the customer's right to it began.
    since: UnixMs,
    /// Times it was handed over, as far as this process knows.
    tries: u16,
    /// Answers and losses that another try may mend, so far.
    again: u32,
    /// Answers that say it is not wanted, so far.
    refusals: u32,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Ready,
    Out,
    Waits(Duration),
}

/// The items of one customer. See the module's page.
#[derive(Default)]
pub(crate) struct Queue {
    entries: BTreeMap<Place, Entry>,
    places: BTreeMap<Item, Place>,
    /// All items, by the time since when they are owed.
    ages: BTreeSet<(UnixMs, Place)>,
    /// Those that may leave, by the same.
    ready: BTreeSet<(UnixMs, Place)>,
    waits: BTreeSet<(Duration, Place)>,
    next: Place,
    /// The customer said that it is full: nothing leaves before.
    paused_until: Duration,
    /// Such answers in a row.
    pauses: u32,
}

impl Queue {
    /// An item to be handed over; the customer is owed it `since` then. One that is here already
    /// stays where it is.
    pub(crate) fn push(&mut self, item: Item, since: UnixMs) {
        if self.places.contains_key(&item) {
            return;
        }
        let place = self.next;
        self.next += 1;
        self.places.insert(item, place);
        self.ages.insert((since, place));
        let entry = Entry { item, since, tries: 0, again: 0, refusals: 0, stage: Stage::Ready };
        self.entries.insert(place, entry);
        self.ready.insert((since, place));
    }

    /// Items that are kept elsewhere leave the queue, unless one of them is out or waits to be tried
    /// again. Whether they are here no more.
    pub(crate) fn withdraw(&mut self, items: &[Item]) -> bool {
        let places = items.iter().filter_map(|item| self.places.get(item).copied());
        let places: Vec<Place> = places.collect();
        let is_ready = |place| {
            self.entries.get(place).is_some_and(|entry: &Entry| entry.stage == Stage::Ready)
        };
        let ready = places.iter().all(is_ready);
        for place in places.into_iter().filter(|_| ready) {
            if let Some(entry) = self.remove(place) {
                self.ready.remove(&(entry.since, place));
            }
        }
        ready
    }

    fn remove(&mut self, place: Place) -> Option<Entry> {
        let entry = self.entries.remove(&place)?;
        self.places.remove(&entry.item);
        self.ages.remove(&(entry.since, place));
        Some(entry)
    }

    /// The first item that may leave now. None while too many wait to be tried again: whoever does
    /// not take those will hardly take others.
    pub(crate) fn first(&self, now: Duration) -> Option<(Place, Item)> {
        if now < self.paused_until || self.waits.len() >= limits::DELIVERIES_AGAIN {
            return None;
        }
        let (_, place) = *self.ready.first()?;
        self.entries.get(&place).map(|entry| (place, entry.item))
    }

    /// The item at `place` leaves; [`Queue::answered`] ends that.
    pub(crate) fn take(&mut self, place: Place) {
        if let Some(entry) = self.entries.get_mut(&place)
            && self.ready.remove(&(entry.since, place))
        {
            entry.stage = Stage::Out;
            entry.tries = entry.tries.saturating_add(1);
        }
    }

    /// What came of an item that left; with the number of tries so far.
    pub(crate) fn answered(
        &mut self,
        now: Now,
        place: Place,
        answer: DeliveryAnswer,
    ) -> Option<(Item, u16, Settled)> {
        let entry = self.entries.get_mut(&place).filter(|entry| entry.stage == Stage::Out)?;
        let (item, tries, since) = (entry.item, entry.tries, entry.since);
        let settled = match reaction(answer) {
            Reaction::Taken => {
                self.pauses = 0;
                Settled::Delivered
            }
            Reaction::GiveUp => Settled::GivenUp,
            Reaction::Soon => {
                entry.tries -= 1;
                entry.stage = Stage::Waits(now.mono + limits::DELIVERY_MISSED);
                Settled::Again
            }
            Reaction::Full => {
                entry.stage = Stage::Ready;
                self.paused_until = now.mono + back_off(self.pauses);
                self.pauses = self.pauses.saturating_add(1);
                Settled::Again
            }
            Reaction::Later => {
                entry.stage = Stage::Waits(now.mono + back_off(entry.again));
                entry.again = entry.again.saturating_add(1);
                Settled::Again
            }
            Reaction::Refused => {
                entry.stage = Stage::Waits(now.mono + back_off(entry.refusals));
                entry.refusals = entry.refusals.saturating_add(1);
                let spent = entry.refusals >= limits::DELIVERY_REFUSALS;
                if spent { Settled::GivenUp } else { Settled::Again }
            }
        };
        match (settled, entry.stage) {
            (Settled::Again, Stage::Waits(until)) => {
                self.waits.insert((until, place));
            }
            (Settled::Again, Stage::Ready | Stage::Out) => {
                self.ready.insert((since, place));
            }
            (Settled::Delivered | Settled::GivenUp, _) => {
                self.remove(place);
            }
        }
        Some((item, tries, settled))
    }

    /// Makes ready what has waited long enough.
    pub(crate) fn handle_timeout(&mut self, now: Duration) {
        while let Some((until, place)) = self.waits.first().copied().filter(|w| w.0 <= now) {
            self.waits.remove(&(until, place));
            if let Some(entry) = self.entries.get_mut(&place) {
                entry.stage = Stage::Ready;
                self.ready.insert((entry.since, place));
            }
        }
    }

    /// Gives up the item that has been owed longest when that is too long and it is not out.
    pub(crate) fn poll_expired(&mut self, wall: UnixMs) -> Option<(Item, u16)> {
        let (since, place) = self.ages.first().copied()?;
        if wall.since(since) < limits::DELIVERY_LIFETIME {
            return None;
        }
        match self.entries.get(&place)?.stage {
            Stage::Out => return None,
            Stage::Ready => {
                self.ready.remove(&(since, place));
            }
            Stage::Waits(until) => {
                self.waits.remove(&(until, place));
            }
        }
        self.remove(place).map(|entry| (entry.item, entry.tries))
    }

    /// When [`Queue::handle_timeout`] or [`Queue::poll_expired`] may have something to do, or a
    /// pause ends.
    pub(crate) fn poll_timeout(&self, now: Now) -> Option<Duration> {
        let paused =
            (self.paused_until > now.mono && !self.ready.is_empty()).then_some(self.paused_until);
        let waits = self.waits.first().map(|(until, _)| *until);
        let out = |place| self.entries.get(place).is_some_and(|entry| entry.stage == Stage::Out);
        let oldest = self.ages.first().filter(|(_, place)| !out(place));
        let expiry = oldest
            .map(|(since, _)| now.mono + since.after(limits::DELIVERY_LIFETIME).since(now.wall));
        [paused, waits, expiry].into_iter().flatten().min()
    }

    /// Items that may leave, once the customer takes any.
    pub(crate) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Items that are owed, those that are out among them.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

enum Reaction {
    Taken,
    /// The customer is full: everything waits.
    Full,
    /// This item waits.
    Later,
    /// Nothing was tried: again at once, or nearly.
    Soon,
    /// The customer does not want it.
    Refused,
    GiveUp,
}

/// What an answer asks for. The classes are those of a carrier's answers; where a carrier's would
/// lead to another carrier, a customer's is a refusal.
fn reaction(answer: DeliveryAnswer) -> Reaction {
    let status = match answer {
        DeliveryAnswer::Status(status) => CommandStatus(status),
        DeliveryAnswer::Lost => return Reaction::Later,
        DeliveryAnswer::NotTried => return Reaction::Soon,
        DeliveryAnswer::Unsendable => return Reaction::GiveUp,
    };
    match StatusClass::verdict(status.class()) {
        Verdict::Done => Reaction::Taken,
        Verdict::RetryLater { pause: Pause::BindThrottled | Pause::CarrierFull } => Reaction::Full,
        Verdict::RetryLater { pause: Pause::Message { .. } } | Verdict::Rebind => Reaction::Later,
        Verdict::TryOther { .. } | Verdict::Reject => Reaction::Refused,
    }
}

/// 1, 2, 4 .. 60 s.
fn back_off(step: u32) -> Duration {
    let [first, last] = limits::DELIVERY_BACK_OFF;
    first.saturating_mul(2_u32.saturating_pow(step)).min(last)
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
