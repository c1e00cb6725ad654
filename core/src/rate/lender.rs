//! The lender of a carrier's rate: the tokens that no shard holds, what each shard wants, and the
//! governor. Pure; one per carrier, on the shard that is its home.

use core::time::Duration;

use super::governor::{Changes, Governor, Observed, Rate};
use super::lease::{Grant, Report};
use super::purse::{Purse, Tokens};
use crate::route::Load;

/// How long one shard goes first where there are fewer tokens than shards that want some, or where
/// several want many at once.
const TURN: Duration = Duration::from_secs(2);

/// See the module's page.
#[derive(Debug)]
pub struct Lender {
    pool: Purse,
    rate: Rate,
    governor: Governor,
    holders: Vec<Holder>,
}

/// What a shard told last.
#[derive(Clone, Debug, Default)]
struct Holder {
    held: u32,
    want: u32,
    at_once: u32,
    seen: Observed,
    told: Duration,
}

impl Lender {
    /// All tokens of the rate, spent just now. `shards` may hold some.
    #[must_use]
    pub fn new(rate: Rate, shards: u16, now: Duration) -> Self {
        let mut pool = Purse::default();
        if let Rate::Agreed(count) = rate {
            pool.mint_spent(now, count);
        }
        let holders = vec![Holder::default(); usize::from(shards)];
        Lender { pool, rate, governor: Governor::new(rate, now), holders }
    }

    /// The rate has changed. Tokens that are too many go as they come back; new ones count as spent
    /// just now.
    pub fn set_rate(&mut self, now: Duration, rate: Rate) {
        self.rate = rate;
        self.governor.set_rate(rate);
        self.fit(now);
    }

    /// Parts a second over all shards, as the governor has it; `None` for no limit.
    #[must_use]
    pub fn limit(&self) -> Option<u32> {
        self.governor.limit()
    }

    /// How often the limit was changed so far, and for what.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.governor.changes()
    }

    /// A shard reports; what it may have is the answer.
    pub fn handle_report(&mut self, now: Duration, holder: usize, report: Report) -> Grant {
        let Report { want, at_once, held, spent, answered, throttled, taken, trouble, back } =
            report;
        self.pool.put(back);
        if let Some(own) = self.holders.get_mut(holder) {
            let seen = Observed { wanted: want, spent, answered, throttled };
            *own = Holder { held, want, at_once, seen, told: now };
        }
        if let Some(sent) = taken {
            self.governor.taken(sent);
        }
        let seen = self.seen(now);
        self.governor.pass(now, &seen);
        if let Some(trouble) = trouble {
            self.governor.trouble(now, trouble, &seen);
        }
        self.fit(now);
        self.grant(now, holder, seen.spent)
    }

    fn grant(&mut self, now: Duration, holder: usize, used: u32) -> Grant {
        let paused_until = self.governor.paused_until();
        let Some(limit) = self.governor.limit() else {
            let (tokens, load) = (Tokens::default(), Load { used, limit: 0 });
            return Grant { share: None, tokens, most: 0, paused_until, load };
        };
        let most = match self.rate {
            Rate::Agreed(count) => count,
            Rate::Discover(_) | Rate::Unlimited => limit,
        };
        let (share, at_once) = self.share(now, holder, limit, most);
        let lent = self.lent();
        let mut tokens = Tokens::default();
        if let Some(own) = self.holders.get_mut(holder) {
            let room = limit.max(at_once).saturating_sub(lent);
            tokens = self.pool.take(share.saturating_sub(own.held).min(room));
            own.held = own.held.saturating_add(tokens.len());
        }
        Grant { share: Some(share), tokens, most, paused_until, load: Load { used, limit } }
    }

    /// A shard's share of `limit` tokens, and what it is given at once beyond them. It gets what it
    /// wants and some of what nobody does; where all want more than there is, equal shares for those
    /// that want more than such a share.
    fn share(&self, now: Duration, holder: usize, limit: u32, most: u32) -> (u32, u32) {
        let Some(own) = self.holders.get(holder).filter(|own| own.want > 0) else { return (0, 0) };
        let first = self.first_in_turn(now);
        let level = Level::of(self.wants(None), limit);
        if first == Some(holder) {
            let at_once = own.at_once.min(most);
            let share = own.want.min(level.each).saturating_add(level.spare + level.rest);
            return (share.max(at_once), at_once);
        }
        // Who is not first leaves what has to go at once elsewhere.
        let ahead = first.and_then(|first| self.holders.get(first)).map_or(0, |own| own.at_once);
        let level = if ahead > level.each {
            Level::of(self.wants(first), limit.saturating_sub(ahead))
        } else {
            level
        };
        (own.want.min(level.each).saturating_add(level.spare), 0)
    }

    /// What the shards want that want any, without one of them.
    fn wants(&self, without: Option<usize>) -> impl Iterator<Item = u32> + Clone + '_ {
        let others = self.holders.iter().enumerate().filter(move |(at, _)| Some(*at) != without);
        others.map(|(_, own)| own.want).filter(|want| *want > 0)
    }

    /// The shard that goes first: those that want tokens take turns.
    fn first_in_turn(&self, now: Duration) -> Option<usize> {
        let wanting = || self.holders.iter().enumerate().filter(|(_, own)| own.want > 0);
        let count = u64::try_from(wanting().count()).unwrap_or(u64::MAX);
        let turn = (now.as_secs() / TURN.as_secs()).checked_rem(count)?;
        wanting().nth(usize::try_from(turn).ok()?).map(|(holder, _)| holder)
    }

    fn lent(&self) -> u32 {
        self.holders.iter().map(|own| own.held).fold(0, u32::saturating_add)
    }

    /// What all shards saw in the last second, as they told it.
    fn seen(&self, now: Duration) -> Observed {
        let second = Duration::from_secs(1);
        let fresh = self.holders.iter().filter(|own| now.saturating_sub(own.told) <= second);
        fresh.fold(Observed::default(), |sum, own| Observed {
            wanted: sum.wanted.saturating_add(own.seen.wanted),
            spent: sum.spent.saturating_add(own.seen.spent),
            answered: sum.answered.saturating_add(own.seen.answered),
            throttled: sum.throttled.saturating_add(own.seen.throttled),
        })
    }

    /// Makes or drops tokens until there are as many as the rate has. Of an agreed one there are
    /// always all: those that the governor does not lend stay in the pool, so that none is spent
    /// twice in a second whatever it decides.
    fn fit(&mut self, now: Duration) {
        let wanted = match (self.rate, self.governor.limit()) {
            (Rate::Agreed(count), _) => count,
            (Rate::Discover(_) | Rate::Unlimited, limit) => limit.unwrap_or(0),
        };
        let all = self.lent().saturating_add(self.pool.len());
        if all > wanted {
            drop(self.pool.take(all - wanted));
        }
        match self.rate {
            Rate::Agreed(_) => self.pool.mint_spent(now, wanted.saturating_sub(all)),
            Rate::Discover(_) | Rate::Unlimited => self.pool.mint(wanted.saturating_sub(all)),
        }
    }
}

/// How tokens are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Level {
    /// Up to this every want is met.
    each: u32,
    /// What each may have beyond its want: half of what nobody wants; the other half stays for who
    /// comes next.
    spare: u32,
    /// What is left over by division.
    rest: u32,
}

impl Level {
    fn of(wants: impl Iterator<Item = u32> + Clone, limit: u32) -> Level {
        let count = wants.clone().fold(0_u32, |count, _| count.saturating_add(1));
        let sum = wants.clone().fold(0_u32, u32::saturating_add);
        if sum <= limit {
            let spare = ((limit - sum) / 2).checked_div(count).unwrap_or(0);
            return Level { each: u32::MAX, spare, rest: 0 };
        }
        // Those that want less than an equal share leave the rest of it to the others.
        let mut level = Level { each: 0, spare: 0, rest: 0 };
        loop {
            let modest = wants.clone().filter(|want| *want <= level.each);
            let (left, many) = modest.fold((limit, count), |(left, many), want| {
                (left.saturating_sub(want), many.saturating_sub(1))
            });
            let each = left.checked_div(many).unwrap_or(left);
            level.rest = left.checked_rem(many).unwrap_or(0);
            if each <= level.each {
                return level;
            }
            level.each = each;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(wants: &[u32], limit: u32) -> (u32, u32, u32) {
        let Level { each, spare, rest } = Level::of(wants.iter().copied(), limit);
        (each, spare, rest)
    }

    #[test]
    fn modest_wants_are_met_and_the_others_share_evenly() {
        assert_eq!(level(&[500, 500], 137), (68, 0, 1));
        assert_eq!(level(&[10, 500, 500, 30], 137), (48, 0, 1));
        assert_eq!(level(&[10, 30], 100), (u32::MAX, 15, 0));
        assert_eq!(level(&[5, 5, 5], 2), (0, 0, 2));
        assert_eq!(level(&[], 10), (u32::MAX, 0, 0));
    }
}
