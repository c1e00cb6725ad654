//! Recipients of which a carrier takes only so many unanswered parts at a time. A message whose
//! recipient has as many steps aside, so that others go on, and comes back when one is answered. Pure;
//! one per carrier and shard.

use std::collections::{BTreeMap, BTreeSet};

use postrider_core::lane::Lane;
use postrider_core::number::Msisdn;

use super::cold::Waiting;
use super::outbound::token;
use super::table::PartRef;

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct Destinations {
    busy: BTreeMap<Msisdn, Busy>,
    /// The recipient of each unanswered part.
    parts: BTreeMap<u64, Msisdn>,
    aside: usize,
}

/// A recipient with unanswered parts.
#[derive(Debug, Default)]
struct Busy {
    unanswered: usize,
    /// Messages that wait for an answer, the most urgent first.
    aside: BTreeSet<(Lane, Waiting)>,
}

impl Destinations {
    /// Whether a recipient has as many unanswered parts as it may have; 0: it may have any number.
    pub(crate) fn is_full(&self, to: Msisdn, most: u16) -> bool {
        let full = |busy: &Busy| busy.unanswered >= usize::from(most);
        most > 0 && self.busy.get(&to).is_some_and(full)
    }

    /// A message steps aside until a part of its recipient, which has as many as it may, is answered.
    pub(crate) fn step_aside(&mut self, to: Msisdn, message: Waiting) {
        let busy = self.busy.entry(to).or_default();
        self.aside += usize::from(busy.aside.insert((message.group.lane, message)));
    }

    /// A part goes to a bind, or its attempt goes on record first.
    pub(crate) fn taken(&mut self, to: Msisdn, part: PartRef) {
        if self.parts.insert(token(part), to).is_none() {
            self.busy.entry(to).or_default().unanswered += 1;
        }
    }

    /// A part was answered, or is not waited for any more. Gives the message that may come back.
    pub(crate) fn released(&mut self, part: PartRef, most: u16) -> Option<Waiting> {
        let to = self.parts.remove(&token(part))?;
        self.busy.get_mut(&to)?.unanswered -= 1;
        self.next_for(to, most)
    }

    /// The message that may come back for a recipient, if one of its own has room: also when one that
    /// came back was not sent.
    pub(crate) fn next_for(&mut self, to: Msisdn, most: u16) -> Option<Waiting> {
        let full = self.is_full(to, most);
        let busy = self.busy.get_mut(&to)?;
        let next = if full { None } else { busy.aside.pop_first() };
        self.aside -= usize::from(next.is_some());
        if busy.unanswered == 0 && busy.aside.is_empty() {
            self.busy.remove(&to);
        }
        next.map(|(_, message)| message)
    }

    /// Takes a message that stepped aside out. False when it did not.
    pub(crate) fn remove(&mut self, to: Msisdn, message: Waiting) -> bool {
        let Some(busy) = self.busy.get_mut(&to) else { return false };
        let key = |fresh| (message.group.lane, Waiting { fresh, ..message });
        let found = [true, false].into_iter().any(|fresh| busy.aside.remove(&key(fresh)));
        self.aside -= usize::from(found);
        found
    }

    /// Takes out all messages that stepped aside.
    pub(crate) fn drain(&mut self) -> Vec<Waiting> {
        let mut all = Vec::with_capacity(self.aside);
        for busy in self.busy.values_mut() {
            all.extend(std::mem::take(&mut busy.aside).into_iter().map(|(_, message)| message));
        }
        self.busy.retain(|_, busy| busy.unanswered > 0);
        self.aside = 0;
        all.sort_unstable();
        all
    }

    /// Messages that stepped aside.
    pub(crate) fn aside(&self) -> usize {
        self.aside
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::shard::cold::Group;
    use postrider_core::clock::UnixMs;

    fn number(n: u64) -> Msisdn {
        Msisdn::from_u64(447_700_900_000 + n).unwrap()
    }

    fn part(sequence: u64, part: u8) -> PartRef {
        PartRef { sequence, part }
    }

    fn waiting(sequence: u64, lane: Lane) -> Waiting {
        let group = Group { carrier: 1, lane, customer: 1 };
        Waiting { fresh: true, deadline: UnixMs(1_000), sequence, group }
    }

    #[test]
    fn a_recipient_has_so_many_unanswered_parts_and_no_more() {
        let mut own = Destinations::default();
        own.taken(number(1), part(1, 0));
        assert!(!own.is_full(number(1), 2));
        own.taken(number(1), part(1, 0));
        assert!(!own.is_full(number(1), 2), "one part counts once");
        own.taken(number(1), part(1, 1));
        assert!(own.is_full(number(1), 2) && !own.is_full(number(2), 2));
        assert_eq!(own.released(part(1, 0), 2), None);
        assert!(!own.is_full(number(1), 2));
        assert_eq!(own.released(part(1, 0), 2), None, "answered twice");
        own.taken(number(1), part(1, 2));
        assert!(own.is_full(number(1), 2));
    }

    #[test]
    fn an_answer_brings_back_the_most_urgent_one_message() {
        let mut own = Destinations::default();
        own.taken(number(1), part(1, 0));
        own.step_aside(number(1), waiting(3, Lane::Bulk));
        own.step_aside(number(1), waiting(5, Lane::Otp));
        own.step_aside(number(1), waiting(4, Lane::Otp));
        own.step_aside(number(1), waiting(4, Lane::Otp));
        assert_eq!(own.aside(), 3);
        assert_eq!(own.released(part(1, 0), 1).map(|message| message.sequence), Some(4));
        own.taken(number(1), part(4, 0));
        assert!(own.remove(number(1), waiting(5, Lane::Otp)), "it ended meanwhile");
        assert_eq!(own.released(part(4, 0), 1).map(|message| message.sequence), Some(3));
        assert_eq!((own.aside(), own.busy.len(), own.parts.len()), (0, 0, 0));
    }

    #[test]
    fn when_what_came_back_is_not_sent_the_next_one_comes() {
        let mut own = Destinations::default();
        own.taken(number(1), part(1, 0));
        (2..5).for_each(|n| own.step_aside(number(1), waiting(n, Lane::Bulk)));
        assert_eq!(own.next_for(number(1), 1), None, "the first one is unanswered");
        assert_eq!(own.released(part(1, 0), 1).map(|message| message.sequence), Some(2));
        assert_eq!(own.next_for(number(1), 1).map(|message| message.sequence), Some(3));
        own.taken(number(1), part(3, 0));
        assert_eq!(own.next_for(number(1), 1), None);
    }

    #[test]
    fn all_that_stepped_aside_can_leave() {
        let mut own = Destinations::default();
        for n in 0..3 {
            own.taken(number(n), part(n, 0));
            own.step_aside(number(n), waiting(10 + n, Lane::Transactional));
        }
        let sequences: Vec<u64> = own.drain().iter().map(|message| message.sequence).collect();
        assert_eq!((sequences, own.aside()), (vec![10, 11, 12], 0));
        assert!(own.is_full(number(0), 1), "its part is still unanswered");
        assert!(!own.is_full(number(0), 0), "the bound is gone");
        assert_eq!(own.released(part(0, 0), 1), None);
    }
}
