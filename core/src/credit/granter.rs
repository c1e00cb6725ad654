//! The side with the binds: which owner gets the next free place. Pure; one per carrier on each shard
//! that holds binds of it.

use std::collections::{BTreeMap, VecDeque};

use super::{Ask, BindEpoch, Credit, Want};
use crate::clock::UnixMs;
use crate::lane::Lane;

/// One grant in so many is for the later lanes, so that none is left without.
const LATER_EVERY: u32 = 8;

/// What is told an owner in answer to one of its asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The owner, by its shard.
    pub owner: u16,
    /// The ask that is answered.
    pub ask: u64,
    /// What it gets; nothing when it withdrew the ask by a later one, or the carrier takes nothing.
    pub credits: Vec<Credit>,
}

/// See the module's page.
#[derive(Debug, Default)]
pub struct Granter {
    owners: BTreeMap<u16, Owner>,
    binds: BTreeMap<usize, Bind>,
    turn: u32,
    replies: VecDeque<Reply>,
}

/// An owner whose ask is open.
#[derive(Debug)]
struct Owner {
    ask: u64,
    wants: [Want; 3],
    given: Vec<Credit>,
}

#[derive(Debug, Default)]
struct Bind {
    /// Its present connection; `None` while it takes nothing.
    connection: Option<u64>,
    /// Counts the times that one took the place of another, or began or ceased to take anything.
    epoch: u64,
    /// Credits for that connection that are out.
    granted: usize,
    /// Answers that owners have yet to bring to their disks.
    unsettled: usize,
}

impl Granter {
    /// An owner asks. The ask that it had open before is answered with what it got so far.
    pub fn handle_ask(&mut self, owner: u16, ask: u64, what: Ask) {
        for credit in &what.back {
            self.free(*credit);
        }
        for (bind, count) in &what.settled {
            if let Some(own) = self.binds.get_mut(bind) {
                own.unsettled = own.unsettled.saturating_sub(narrow(*count));
            }
        }
        self.answer(owner);
        self.owners.insert(owner, Owner { ask, wants: what.wants, given: Vec::new() });
        if what.count() == 0 {
            self.answer(owner);
        }
    }

    /// A bind has this connection now, or takes nothing. What was granted before a change is void.
    pub fn handle_bind(&mut self, bind: usize, connection: Option<u64>) {
        let own = self.binds.entry(bind).or_default();
        if own.connection != connection {
            own.connection = connection;
            own.epoch += 1;
            own.granted = 0;
        }
    }

    /// Whether a credit is good still: its place is kept until [`Granter::handle_used`].
    #[must_use]
    pub fn is_good(&self, credit: Credit) -> bool {
        self.binds.get(&credit.at.bind).is_some_and(|own| own.is_at(credit.at.epoch))
    }

    /// A part took its place in the window, or will not: the credit is gone.
    pub fn handle_used(&mut self, credit: Credit) {
        self.free(credit);
    }

    /// The carrier took a part that had crossed to a bind.
    pub fn handle_taken(&mut self, bind: usize) {
        self.binds.entry(bind).or_default().unsettled += 1;
    }

    /// Places in a bind's window that are promised.
    #[must_use]
    pub fn granted(&self, bind: usize) -> usize {
        self.binds.get(&bind).map_or(0, |own| own.granted)
    }

    /// Credits of all binds that are out.
    #[must_use]
    pub fn granted_in_all(&self) -> usize {
        self.binds.values().map(|own| own.granted).sum()
    }

    /// Answers of a bind that are not on their owners' disks yet.
    #[must_use]
    pub fn unsettled(&self, bind: usize) -> usize {
        self.binds.get(&bind).map_or(0, |own| own.unsettled)
    }

    /// Whether an owner waits for something, or has something that has yet to come back.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let lends = |own: &Bind| own.granted > 0 || own.unsettled > 0;
        self.wanted() > 0 || self.binds.values().any(lends)
    }

    /// Credits that owners wait for.
    #[must_use]
    pub fn wanted(&self) -> usize {
        let wants = self.owners.values().flat_map(|owner| &owner.wants);
        wants.map(|want| narrow(want.count)).sum()
    }

    /// Whether an owner is to be served before the shard's own message of this lane and deadline.
    #[must_use]
    pub fn leads(&self, own: Option<(Lane, UnixMs)>) -> bool {
        let first = self.by_turn().next();
        match (first, own) {
            (Some(first), Some((lane, deadline))) => {
                (first.place, first.deadline) < (self.place(lane), deadline)
            }
            (first, None) => first.is_some(),
            (None, Some(_)) => false,
        }
    }

    /// The shard's own message had the turn.
    pub fn handle_own_turn(&mut self) {
        self.turn = self.turn.wrapping_add(1);
    }

    /// Gives a credit to the owner whose turn it is. `room`: the places of a bind that are free for a
    /// part of a lane, without those that are promised. False when nobody wants one that can be given.
    pub fn grant(&mut self, room: impl Fn(usize, Lane) -> usize) -> bool {
        let turn = self.by_turn().find_map(|turn| {
            let at = self.bind_for(turn.lane, turn.after, &room)?;
            Some((turn.owner, Credit { at, lane: turn.lane }))
        });
        let Some((owner, credit)) = turn else { return false };
        if let Some(bind) = self.binds.get_mut(&credit.at.bind) {
            bind.granted += 1;
        }
        self.turn = self.turn.wrapping_add(1);
        let Some(own) = self.owners.get_mut(&owner) else { return false };
        own.given.push(credit);
        if let Some(want) = own.wants.get_mut(credit.lane.index()) {
            want.count = want.count.saturating_sub(1);
            want.after = None;
        }
        true
    }

    /// Every open ask is answered: the carrier takes nothing for now.
    pub fn release(&mut self) {
        while let Some(owner) = self.owners.keys().next().copied() {
            self.answer(owner);
        }
    }

    /// What is to be told an owner, once nothing more can be granted.
    pub fn poll_reply(&mut self) -> Option<Reply> {
        let served = self.owners.iter().find(|(_, own)| !own.given.is_empty());
        if let Some(owner) = served.map(|(owner, _)| *owner) {
            self.answer(owner);
        }
        self.replies.pop_front()
    }

    fn answer(&mut self, owner: u16) {
        if let Some(Owner { ask, given: credits, .. }) = self.owners.remove(&owner) {
            self.replies.push_back(Reply { owner, ask, credits });
        }
    }

    fn free(&mut self, credit: Credit) {
        if let Some(own) = self.binds.get_mut(&credit.at.bind)
            && own.is_at(credit.at.epoch)
        {
            own.granted = own.granted.saturating_sub(1);
        }
    }

    /// Wants in the order in which they are to be served: by lane, those that got least of late, by
    /// deadline.
    fn by_turn(&self) -> impl Iterator<Item = Turn> + use<> {
        let mut turns: Vec<Turn> = Vec::new();
        for (owner, own) in &self.owners {
            for (lane, want) in Lane::ALL.into_iter().zip(own.wants) {
                if want.count > 0 {
                    let (place, given) = (self.place(lane), own.given.len());
                    let Want { deadline, after, .. } = want;
                    turns.push(Turn { place, given, deadline, owner: *owner, lane, after });
                }
            }
        }
        turns.sort_unstable_by_key(|turn| (turn.place, turn.given, turn.deadline, turn.owner));
        turns.into_iter()
    }

    /// Where a lane stands at this turn: most turns go to the most urgent one, some to the later ones.
    fn place(&self, lane: Lane) -> u8 {
        let later = self.turn % LATER_EVERY == LATER_EVERY - 1;
        let last = later && (self.turn / LATER_EVERY) % 2 == 1;
        match (lane, later, last) {
            (Lane::Otp, false, _) | (Lane::Transactional, true, false) | (Lane::Bulk, _, true) => 0,
            (Lane::Otp, true, _) => 2,
            (Lane::Bulk, false, _) => 2,
            (Lane::Transactional | Lane::Bulk, _, _) => 1,
        }
    }

    /// The bind that a part goes to: the one that had the message's earlier parts, or the emptiest.
    fn bind_for(
        &self,
        lane: Lane,
        after: Option<BindEpoch>,
        room: impl Fn(usize, Lane) -> usize,
    ) -> Option<BindEpoch> {
        let room = |bind: usize| room(bind, lane);
        let open = self.binds.iter().filter_map(|(bind, own)| {
            own.connection.map(|_| BindEpoch { bind: *bind, epoch: own.epoch })
        });
        match after.filter(|at| self.is_good(Credit { at: *at, lane })) {
            Some(own) => Some(own).filter(|own| room(own.bind) > 0),
            None => open.filter(|at| room(at.bind) > 0).max_by_key(|at| room(at.bind)),
        }
    }
}

impl Bind {
    fn is_at(&self, epoch: u64) -> bool {
        self.connection.is_some() && self.epoch == epoch
    }
}

/// One lane of one owner.
struct Turn {
    place: u8,
    given: usize,
    deadline: UnixMs,
    owner: u16,
    lane: Lane,
    after: Option<BindEpoch>,
}

fn narrow(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
