//! Recipients that do not want messages of a customer, by keyed hash alone: what an erasure leaves of
//! them. One per shard, for the recipients that it owns; rebuilt from the log.

use std::collections::BTreeMap;

use postrider_core::clock::{Now, UnixMs};
use postrider_core::limits;
use postrider_core::number::Msisdn;
use postrider_http::auth::CustomerIx;
use postrider_storage::{Position, Record, SegmentId};

use super::erasing::ControlAnswer;
use super::{After, Op, Shard};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OptOuts {
    /// By customer and hash: when it was said, and where.
    held: BTreeMap<(u32, u128), (UnixMs, Position)>,
}

impl OptOuts {
    /// Whether the recipient does not want the customer's messages.
    pub(crate) fn has(&self, customer: u32, hash: u128) -> bool {
        self.held.contains_key(&(customer, hash))
    }

    /// Those there are.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// Takes what a record at this place says.
    pub(crate) fn note(&mut self, at: Position, record: &Record<'_>) {
        let Record::OptOut { customer, hash, at_ms, on } = *record else { return };
        if on {
            self.held.insert((customer, hash), (UnixMs(at_ms), at));
        } else {
            self.held.remove(&(customer, hash));
        }
    }

    /// Up to so many whose record lies in `oldest` or before.
    fn homed(&self, oldest: SegmentId, limit: usize) -> Vec<Record<'static>> {
        let old = self.held.iter().filter(|(_, (_, at))| at.segment <= oldest).take(limit);
        old.map(|(key, (at, _))| record(*key, *at, true)).collect()
    }

    /// All of them, for a checkpoint.
    pub(crate) fn records(&self) -> impl Iterator<Item = (Position, Record<'static>)> + '_ {
        self.held.iter().map(|(key, (said, at))| (*at, record(*key, *said, true)))
    }
}

fn record((customer, hash): (u32, u128), at: UnixMs, on: bool) -> Record<'static> {
    Record::OptOut { customer, hash, at_ms: at.0, on }
}

impl Shard {
    /// Whether the recipient does not want the customer's messages.
    pub(super) fn has_opted_out(&self, customer: CustomerIx, recipient: Msisdn) -> bool {
        let number = || self.shared.customer_number(customer);
        self.opt_outs.len() > 0
            && self.opt_outs.has(number(), self.shared.placement.erasure_hash(recipient))
    }

    /// Notes what a recipient wants; answered once it is on disk.
    pub(super) fn opt_out(
        &mut self,
        now: Now,
        ticket: u64,
        (customer, recipient): (u32, Msisdn),
        on: bool,
    ) {
        let hash = self.shared.placement.erasure_hash(recipient);
        let known = self.opt_outs.has(customer, hash);
        if !known && on && self.opt_outs.len() >= limits::OPT_OUTS_MAX {
            let answer = ControlAnswer::Full;
            return self.ops.push_back(Op::Controlled { ticket, answer });
        }
        if known != on {
            let record = record((customer, hash), now.wall, on);
            let at = self.journal.append(now.mono, &record).at;
            self.opt_outs.note(at, &record);
        }
        let answer = ControlAnswer::Done;
        self.journal.then(After::Controlled { ticket, answer });
    }

    /// The oldest segment is given back: writes what is said in it again, a share each turn; true
    /// when nothing is left.
    pub(super) fn carry_opt_outs(&mut self, now: Now, oldest: SegmentId) -> bool {
        let old = self.opt_outs.homed(oldest, limits::RECLAIM_PER_TURN);
        for record in &old {
            let at = self.journal.append_lazy(now.mono, record).at;
            self.opt_outs.note(at, record);
        }
        old.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at(segment: u64) -> Position {
        Position { segment: SegmentId(segment), offset: 64 }
    }

    #[test]
    fn the_last_word_counts_and_is_carried_from_its_segment() {
        let mut outs = OptOuts::default();
        outs.note(at(1), &record((7, 1), UnixMs(10), true));
        outs.note(at(2), &record((7, 2), UnixMs(20), true));
        outs.note(at(2), &record((8, 1), UnixMs(20), true));
        assert!(outs.has(7, 1) && !outs.has(8, 2));
        let old = outs.homed(SegmentId(1), 10);
        assert_eq!(old, [record((7, 1), UnixMs(10), true)]);
        outs.note(at(3), old.first().unwrap());
        assert_eq!(outs.homed(SegmentId(1), 10), []);
        outs.note(at(3), &record((7, 2), UnixMs(30), false));
        assert!(!outs.has(7, 2) && outs.has(7, 1) && outs.len() == 2);
        let mut again = OptOuts::default();
        for (at, record) in outs.records() {
            again.note(at, &record);
        }
        assert_eq!(again, outs);
    }
}
