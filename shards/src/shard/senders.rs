//! Senders with a rate of their own: what each may send, and the messages that stepped aside at a carrier
//! until their sender's turn has come. [`SenderRates`] is one per configuration, behind its `Arc`;
//! [`Senders`] is pure, one per carrier and shard.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arrayvec::ArrayString;
use postrider_core::config::{Config, SenderConfig};
use postrider_core::lane::Lane;
use postrider_core::limits;
use postrider_core::rate::Pacer;
use postrider_core::sender::SenderId;

use super::cold::{FairQueue, LANE_TURNS, Waiting};

/// A sender as it leaves.
pub(super) type SenderName = ArrayString<16>;

/// Claims that are looked through at a time, at least.
const CLAIMS_SWEPT: usize = 64;

/// What senders may send. See the module's page.
#[derive(Debug, Default)]
pub struct SenderRates {
    /// Only the operator's own senders are kept here.
    own: HashMap<SenderId, SenderRate, std::hash::BuildHasherDefault<ahash::AHasher>>,
}

/// What one of them may send.
#[derive(Debug, Clone)]
pub(super) struct SenderRate {
    /// Parts a second.
    pub(super) per_second: u32,
    /// Its slots over all shards.
    pub(super) pacer: Arc<Pacer>,
}

impl SenderRates {
    /// Those of a configuration. What was sent under the one `before` counts on.
    pub(super) fn new(config: &Config, before: Option<&SenderRates>) -> Self {
        let known = |sender: &SenderId| Some(Arc::clone(&before?.own.get(sender)?.pacer));
        let rate = |own: &SenderConfig| {
            let pacer = known(&own.sender).unwrap_or_default();
            (own.sender.clone(), SenderRate { per_second: own.parts_per_second, pacer })
        };
        SenderRates { own: config.senders.iter().map(rate).collect() }
    }

    /// Those that are new begin: a shard goes by them now.
    pub(super) fn begin(&self, now: Duration) {
        self.own.values().for_each(|own| own.pacer.begin(now));
    }

    /// What a sender may send; `None`: as much as it likes.
    pub(super) fn of(&self, sender: &SenderId) -> Option<&SenderRate> {
        if self.own.is_empty() { None } else { self.own.get(sender) }
    }
}

/// Messages in memory, in each lane and for each carrier, of a sender with this rate.
pub(super) fn seats_for(per_second: u32) -> usize {
    let count = per_second.saturating_mul(limits::SENDER_SEATS_SECONDS);
    usize::try_from(count.min(limits::SENDER_SEATS_MAX)).unwrap_or(usize::MAX)
}

/// The senders of the messages that are on their way to one carrier. See the module's page.
#[derive(Debug, Default)]
pub(super) struct Senders {
    own: BTreeMap<SenderName, Aside>,
    /// When which of them is to be looked at again.
    due: BTreeSet<(Duration, SenderName)>,
    aside: usize,
    /// Parts that have a slot and did not leave yet: until when they may.
    claims: BTreeMap<u64, Duration>,
    /// As many claims are kept before those are let go that are over.
    swept: usize,
}

/// A sender whose messages wait.
#[derive(Debug, Default)]
struct Aside {
    queue: FairQueue,
    /// Of each lane: how many more urgent messages left while some of it waited.
    passed: [u8; 3],
    /// The message that came back: the carrier's queue has it, and others wait behind it.
    back: Option<Waiting>,
    due: Option<Duration>,
}

impl Aside {
    /// The message that would come back next: the most urgent, or one that enough others passed; unless
    /// another came back that is as urgent.
    fn next(&self) -> Option<Waiting> {
        let passed = |lane: &Lane| self.passed.get(lane.index()) >= Some(&LANE_TURNS);
        let late = Lane::ALL.into_iter().rev().filter(passed);
        let next = late.chain(Lane::ALL).find_map(|lane| self.queue.front(lane))?;
        self.back.is_none_or(|back| next.group.lane < back.group.lane).then_some(next)
    }

    /// A message of a lane left.
    fn count(&mut self, lane: Lane) {
        for (own, passed) in Lane::ALL.into_iter().zip(&mut self.passed) {
            if own == lane {
                *passed = 0;
            } else if own > lane && self.queue.waits(own) {
                *passed = passed.saturating_add(1);
            }
        }
    }
}

impl Senders {
    /// Whether no message of its sender waits that goes before this one.
    pub(super) fn may_go(&self, sender: &SenderName, message: Waiting) -> bool {
        let Some(own) = self.own.get(sender) else { return true };
        match own.back {
            Some(back) if back.sequence == message.sequence => true,
            Some(back) if back.group.lane <= message.group.lane => false,
            Some(_) | None => own.queue.len_up_to(message.group.lane) == 0,
        }
    }

    /// A message steps aside until its sender's turn has come.
    pub(super) fn step_aside(&mut self, sender: SenderName, message: Waiting) {
        let own = self.own.entry(sender).or_default();
        own.back = own.back.filter(|back| back.sequence != message.sequence);
        let before = own.queue.len();
        own.queue.put(message);
        self.aside += own.queue.len() - before;
    }

    /// The message that would come back next for a sender.
    pub(super) fn next(&self, sender: &SenderName) -> Option<Waiting> {
        self.own.get(sender)?.next()
    }

    /// The message that comes back for a sender now.
    pub(super) fn come_back(&mut self, sender: &SenderName) -> Option<Waiting> {
        let own = self.own.get_mut(sender)?;
        let next = own.next()?;
        self.aside -= usize::from(own.queue.remove(next));
        own.back = Some(next);
        Some(next)
    }

    /// So many parts of a message left, for a customer of this weight: it is not in the way of others.
    pub(super) fn sent(&mut self, sender: &SenderName, message: Waiting, weight: u16, parts: u32) {
        if let Some(own) = self.own.get_mut(sender) {
            own.queue.sent(message, weight, parts);
            own.count(message.group.lane);
            own.back = own.back.filter(|back| back.sequence != message.sequence);
        }
    }

    /// A message has more parts to send: others wait behind them.
    pub(super) fn goes_on(&mut self, sender: &SenderName, message: Waiting) {
        if let Some(own) = self.own.get_mut(sender) {
            own.back = Some(message);
        }
    }

    /// The message behind which others wait, by its number.
    pub(super) fn back(&self, sender: &SenderName) -> Option<u64> {
        Some(self.own.get(sender)?.back?.sequence)
    }

    /// A message is not in the carrier's queue any more. Whether others waited behind it.
    pub(super) fn gone(&mut self, sender: &SenderName, sequence: u64) -> bool {
        let Some(own) = self.own.get_mut(sender) else { return false };
        let was = own.back.take_if(|back| back.sequence == sequence);
        was.is_some()
    }

    /// Takes a message that stepped aside out. False when it did not.
    pub(super) fn remove(&mut self, sender: &SenderName, message: Waiting) -> bool {
        let found = self.own.get_mut(sender).is_some_and(|own| own.queue.remove(message));
        self.aside -= usize::from(found);
        found
    }

    /// A sender is to be looked at again then.
    pub(super) fn wait_until(&mut self, sender: &SenderName, at: Duration) {
        let Some(own) = self.own.get_mut(sender) else { return };
        if let Some(due) = own.due.replace(at) {
            self.due.remove(&(due, *sender));
        }
        self.due.insert((at, *sender));
    }

    /// The next sender that is due.
    pub(super) fn poll_due(&mut self, now: Duration) -> Option<SenderName> {
        let (due, sender) = self.due.first().copied().filter(|(due, _)| *due <= now)?;
        self.due.remove(&(due, sender));
        if let Some(own) = self.own.get_mut(&sender) {
            own.due = None;
        }
        Some(sender)
    }

    /// When one is.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Forgets a sender for which nothing waits. Whether it did.
    pub(super) fn forget_idle(&mut self, sender: &SenderName) -> bool {
        let idle = |own: &Aside| own.queue.is_empty() && own.back.is_none();
        if !self.own.get(sender).is_some_and(idle) {
            return false;
        }
        if let Some(due) = self.own.remove(sender).and_then(|own| own.due) {
            self.due.remove(&(due, *sender));
        }
        true
    }

    /// Messages of a sender that stepped aside in a lane and the more urgent ones.
    pub(super) fn len_up_to(&self, sender: &SenderName, lane: Lane) -> usize {
        self.own.get(sender).map_or(0, |own| own.queue.len_up_to(lane))
    }

    /// Messages that stepped aside.
    pub(super) fn aside(&self) -> usize {
        self.aside
    }

    /// Takes out all messages that stepped aside, and forgets their senders.
    pub(super) fn drain(&mut self) -> (Vec<SenderName>, Vec<Waiting>) {
        let own = std::mem::take(&mut self.own);
        self.due.clear();
        self.aside = 0;
        let (mut names, mut all) = (Vec::with_capacity(own.len()), Vec::new());
        for (name, mut aside) in own {
            names.push(name);
            all.extend(aside.queue.drain());
        }
        all.sort_unstable();
        (names, all)
    }

    /// Until when a part may leave that has a slot; none that is over.
    pub(super) fn claim(&self, part: u64, now: Duration) -> Option<Duration> {
        self.claims.get(&part).copied().filter(|until| now <= *until)
    }

    /// A part has a slot until then.
    pub(super) fn keep_claim(&mut self, part: u64, now: Duration, until: Duration) {
        if self.claims.len() >= self.swept.max(CLAIMS_SWEPT) {
            self.claims.retain(|_, until| now <= *until);
            self.swept = 2 * self.claims.len();
        }
        self.claims.insert(part, until);
    }

    /// A part leaves, or will not. Gives until when it might have.
    pub(super) fn end_claim(&mut self, part: u64) -> Option<Duration> {
        self.claims.remove(&part)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::shard::cold::Group;
    use postrider_core::clock::UnixMs;

    fn waiting(sequence: u64, lane: Lane) -> Waiting {
        let group = Group { carrier: 1, lane, customer: 1 };
        Waiting { fresh: true, deadline: UnixMs(sequence), sequence, group }
    }

    fn acme() -> SenderName {
        SenderName::from("Acme").unwrap()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Lets one come back and leave; gives its number.
    fn turn(own: &mut Senders) -> Option<u64> {
        let back = own.come_back(&acme())?;
        own.sent(&acme(), back, 1, 1);
        Some(back.sequence)
    }

    #[test]
    fn one_message_of_a_sender_is_back_at_a_time_and_others_wait_behind_it() {
        let mut own = Senders::default();
        assert!(own.may_go(&acme(), waiting(1, Lane::Bulk)), "nothing waits");
        (1..4).for_each(|n| own.step_aside(acme(), waiting(n, Lane::Bulk)));
        assert!(!own.may_go(&acme(), waiting(9, Lane::Bulk)));
        let other = SenderName::from("Other").unwrap();
        assert!(own.may_go(&other, waiting(9, Lane::Bulk)));
        assert_eq!(own.come_back(&acme()).map(|own| own.sequence), Some(1));
        assert_eq!((own.come_back(&acme()), own.aside()), (None, 2));
        assert!(own.may_go(&acme(), waiting(1, Lane::Bulk)));
        assert!(!own.may_go(&acme(), waiting(2, Lane::Bulk)));
        assert!(own.gone(&acme(), 1) && !own.gone(&acme(), 1));
        assert!(own.remove(&acme(), waiting(2, Lane::Bulk)), "it ended meanwhile");
        assert_eq!((turn(&mut own), turn(&mut own), own.aside()), (Some(3), None, 0));
        assert!(own.forget_idle(&acme()) && own.own.is_empty());
    }

    #[test]
    fn what_is_more_urgent_goes_first_and_nobody_is_left_out() {
        let mut own = Senders::default();
        (0..3).for_each(|n| own.step_aside(acme(), waiting(n, Lane::Bulk)));
        assert_eq!(own.come_back(&acme()).map(|own| own.sequence), Some(0));
        assert!(own.may_go(&acme(), waiting(10, Lane::Otp)), "it need not wait behind bulk");
        own.step_aside(acme(), waiting(10, Lane::Otp));
        assert_eq!(own.come_back(&acme()).map(|own| own.sequence), Some(10));
        assert!(!own.may_go(&acme(), waiting(0, Lane::Bulk)), "the password is back now");
        own.step_aside(acme(), waiting(0, Lane::Bulk));
        own.sent(&acme(), waiting(10, Lane::Otp), 1, 1);
        (11..40).for_each(|n| own.step_aside(acme(), waiting(n, Lane::Otp)));
        let order: Vec<u64> = std::iter::from_fn(|| turn(&mut own)).take(20).collect();
        let bulk: Vec<usize> = (0..20).filter(|at| order.get(*at) < Some(&10)).collect();
        assert_eq!(bulk, [7, 16], "{order:?}");
    }

    #[test]
    fn a_text_that_goes_on_keeps_its_place() {
        let mut own = Senders::default();
        (1..3).for_each(|n| own.step_aside(acme(), waiting(n, Lane::Bulk)));
        let first = own.come_back(&acme()).unwrap();
        own.sent(&acme(), first, 1, 1);
        own.goes_on(&acme(), first);
        assert_eq!((own.next(&acme()), own.back(&acme())), (None, Some(1)));
        own.step_aside(acme(), Waiting { fresh: false, ..first });
        assert_eq!(turn(&mut own), Some(1), "its next part");
        assert_eq!(turn(&mut own), Some(2));
    }

    #[test]
    fn each_sender_is_due_once_and_claims_end() {
        let mut own = Senders::default();
        own.wait_until(&acme(), ms(5));
        assert_eq!(own.next_due(), None, "nothing of it waits");
        own.step_aside(acme(), waiting(1, Lane::Bulk));
        own.wait_until(&acme(), ms(5));
        own.wait_until(&acme(), ms(9));
        assert_eq!((own.poll_due(ms(8)), own.next_due()), (None, Some(ms(9))));
        assert_eq!((own.poll_due(ms(9)), own.poll_due(ms(9))), (Some(acme()), None));
        own.keep_claim(7, ms(10), ms(40));
        assert_eq!((own.claim(7, ms(40)), own.claim(7, ms(41))), (Some(ms(40)), None));
        (0..1_000).for_each(|n| own.keep_claim(100 + n, ms(50 + n), ms(60 + n)));
        assert!(own.claims.len() <= 2 * CLAIMS_SWEPT, "{}", own.claims.len());
        assert_eq!(own.drain().1.len(), 1);
        assert_eq!((own.aside(), own.next_due()), (0, None));
    }

    #[test]
    fn seats_follow_the_rate() {
        assert_eq!([1, 3, 100, 1_000_000].map(seats_for), [2, 6, 200, 1_000]);
    }
}
