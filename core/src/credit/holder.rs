//! The owner's side: what it asks for, the credits that it has, and what it gives back. Pure; one per
//! carrier and shard that holds binds of it, on every shard that holds none.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use super::{Ask, BindEpoch, Credit, Want};
use crate::lane::Lane;
use crate::limits;

/// Asks that may be open: one, and one that takes its place.
const ASKS: usize = 2;

/// See the module's page.
#[derive(Debug, Default)]
pub struct Holder {
    /// Credits, and until when each may be used; the oldest first.
    credits: VecDeque<(Credit, Duration)>,
    /// What the open asks want; the later one takes the place of the first.
    asked: VecDeque<[Want; 3]>,
    /// The latest connection of a bind that is known to be gone.
    gone: BTreeMap<usize, u64>,
    back: Vec<Credit>,
    /// Answers whose records are not on disk, by record.
    unsettled: VecDeque<(u64, usize)>,
    /// Those that are, and were not told, by bind.
    settled: BTreeMap<usize, u32>,
    /// When they were to be told at the latest.
    settle_at: Option<Duration>,
}

impl Holder {
    /// The shard with the binds answered the oldest open ask. Gives how many credits were asked for.
    pub fn handle_grant(&mut self, now: Duration, credits: &[Credit]) -> u32 {
        let Some(asked) = self.asked.pop_front() else { return 0 };
        for (lane, want) in Lane::ALL.into_iter().zip(asked) {
            let first = credits.iter().find(|credit| credit.lane == lane);
            if let (Some(first), Some(after)) = (first, want.after)
                && first.at != after
            {
                self.handle_gone(after);
            }
        }
        let until = now.saturating_add(limits::CREDIT_LIFE);
        self.credits.extend(credits.iter().map(|credit| (*credit, until)));
        asked.iter().map(|want| want.count).fold(0, u32::saturating_add)
    }

    /// A connection of a bind is gone: what it had parts of goes on elsewhere.
    pub fn handle_gone(&mut self, at: BindEpoch) {
        let gone = self.gone.entry(at.bind).or_default();
        *gone = at.epoch.max(*gone);
        let back = &mut self.back;
        self.credits.retain(|(credit, _)| {
            let gone = credit.at.bind == at.bind && credit.at.epoch <= at.epoch;
            if gone {
                back.push(*credit);
            }
            !gone
        });
    }

    fn is_gone(&self, at: BindEpoch) -> bool {
        self.gone.get(&at.bind).is_some_and(|gone| at.epoch <= *gone)
    }

    /// A credit for the next part of a lane; it goes where the parts of its message before it went,
    /// `after`, while that connection lives.
    pub fn take(&mut self, now: Duration, lane: Lane, after: Option<BindEpoch>) -> Option<Credit> {
        self.expire(now);
        let after = after.filter(|after| !self.is_gone(*after));
        let fits = |(credit, _): &(Credit, Duration)| {
            credit.lane >= lane && after.is_none_or(|after| after == credit.at)
        };
        let at = self.credits.iter().position(fits)?;
        self.credits.remove(at).map(|(credit, _)| credit)
    }

    /// A credit was of no use.
    pub fn handle_unused(&mut self, credit: Credit) {
        self.back.push(credit);
    }

    /// Whether an ask is open.
    #[must_use]
    pub fn asks(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Whether answers wait for their records to be on disk.
    #[must_use]
    pub fn has_unsettled(&self) -> bool {
        !self.unsettled.is_empty()
    }

    /// Credits that the open ask wants.
    #[must_use]
    pub fn asked(&self) -> usize {
        let counts = self.asked.back().into_iter().flatten().map(|want| want.count);
        usize::try_from(counts.fold(0, u32::saturating_add)).unwrap_or(usize::MAX)
    }

    /// Credits that it has.
    #[must_use]
    pub fn held(&self) -> usize {
        self.credits.len()
    }

    /// The carrier took a part: its record is `record`.
    pub fn handle_taken(&mut self, bind: usize, record: u64) {
        self.unsettled.push_back((record, bind));
    }

    /// An answer came of which nothing is to be written down.
    pub fn handle_settled(&mut self, now: Duration, bind: usize) {
        *self.settled.entry(bind).or_default() += 1;
        self.settle_at.get_or_insert(now.saturating_add(limits::CREDIT_SETTLE));
    }

    /// Records up to `durable` are on disk.
    pub fn handle_durable(&mut self, now: Duration, durable: u64) {
        while let Some((_, bind)) = self.unsettled.front().filter(|(own, _)| *own <= durable) {
            let bind = *bind;
            self.unsettled.pop_front();
            self.handle_settled(now, bind);
        }
    }

    /// What to tell the shard with the binds now, if anything. `wants`: what waits, by lane; at most
    /// `most` credits are asked for beyond those that are held.
    pub fn poll_ask(&mut self, now: Duration, wants: [Want; 3], most: usize) -> Option<Ask> {
        self.expire(now);
        let wants = self.missing(wants, most);
        let due = self.settle_at.is_some_and(|at| at <= now) || !self.back.is_empty();
        let news = match self.asked.back() {
            None => wants.iter().any(|want| want.count > 0),
            Some(asked) => is_more_urgent(asked, &wants),
        };
        if !(due || news) || self.asked.len() >= ASKS {
            return None;
        }
        self.asked.push_back(wants);
        self.settle_at = None;
        let settled = std::mem::take(&mut self.settled).into_iter().collect();
        Some(Ask { wants, back: std::mem::take(&mut self.back), settled })
    }

    /// When [`Holder::poll_ask`] is to be called although nothing happened.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.asked.len() >= ASKS {
            return None;
        }
        let unused = self.credits.front().map(|(_, until)| *until);
        unused.into_iter().chain(self.settle_at).min()
    }

    /// Gives back what is held and asks for nothing more: there is nothing to send any more.
    pub fn give_back(&mut self) {
        self.back.extend(self.credits.drain(..).map(|(credit, _)| credit));
    }

    fn expire(&mut self, now: Duration) {
        while let Some((credit, _)) = self.credits.front().filter(|(_, until)| *until <= now) {
            self.back.push(*credit);
            self.credits.pop_front();
        }
    }

    /// What is wanted beyond the credits that are held, `most` of all lanes, the most urgent first.
    fn missing(&self, mut wants: [Want; 3], most: usize) -> [Want; 3] {
        let mut most = u32::try_from(most).unwrap_or(u32::MAX);
        for (lane, want) in Lane::ALL.into_iter().zip(&mut wants) {
            want.after = want.after.filter(|after| !self.is_gone(*after));
            let held = self.credits.iter().filter(|(credit, _)| credit.lane == lane).count();
            let held = u32::try_from(held).unwrap_or(u32::MAX);
            want.count = want.count.saturating_sub(held).min(most);
            most -= want.count;
        }
        wants
    }
}

/// Whether the ask that is open says too little: of a lane that nothing is asked for, of another
/// connection, or of parts that are due before those.
fn is_more_urgent(asked: &[Want; 3], wants: &[Want; 3]) -> bool {
    asked.iter().zip(wants).any(|(asked, want)| {
        want.count > 0
            && (asked.count == 0
                || want.after.is_some_and(|after| asked.after != Some(after))
                || want.deadline < asked.deadline)
    })
}
