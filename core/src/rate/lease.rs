//! One shard's lease of a carrier's rate: the tokens it holds, what its binds' answers say, and what
//! it tells the lender. Pure; one per carrier and shard.

use core::time::Duration;

use super::answers::Answers;
use super::governor::Rate;
use super::purse::{Purse, Tokens};
use super::slowness::Slowness;
use crate::limits;
use crate::route::Load;

/// How far parts may be ahead of an even flow: what a late timer holds up is made good.
const SLACK: Duration = Duration::from_millis(20);

/// Between two reports of trouble.
const TROUBLE_EVERY: Duration = Duration::from_millis(10);

/// Between two reports of a lease without a limit.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Why a carrier wants parts more slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TroubleKind {
    /// It answers ever more slowly.
    Slow,
    /// Its congestion_state is above the bound [5.0 section 4.8.4.18].
    Congested {
        /// It can take nothing at all for the moment.
        full: bool,
    },
    /// ESME_RTHROTTLED: our pace is too fast.
    Throttled,
    /// ESME_RMSGQFUL: it has no room left.
    QueueFull,
}

impl TroubleKind {
    /// The words for what a rate is lowered for.
    pub const CAUSES: [&str; 4] = ["slow_answers", "congestion", "throttled", "queue_full"];

    /// Its place in [`TroubleKind::CAUSES`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            TroubleKind::Slow => 0,
            TroubleKind::Congested { .. } => 1,
            TroubleKind::Throttled => 2,
            TroubleKind::QueueFull => 3,
        }
    }
}

/// A carrier's answer that asks for a slower pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Why.
    pub kind: TroubleKind,
    /// When the part left that was answered so.
    pub sent: Duration,
}

/// What a shard tells the lender of its lease.
#[derive(Debug, Default)]
pub struct Report {
    /// Parts a second that the shard could hand over.
    pub want: u32,
    /// Parts of the next message that have to go at once.
    pub at_once: u32,
    /// Tokens that it holds, without those in `back`.
    pub held: u32,
    /// Parts that it handed over in the last second.
    pub spent: u32,
    /// Answers in the last second.
    pub answered: u32,
    /// Those of them that refused for our pace.
    pub throttled: u32,
    /// When the last part left that was taken since the report before.
    pub taken: Option<Duration>,
    /// The worst that the carrier said since then.
    pub trouble: Option<Trouble>,
    /// Tokens above its share.
    pub back: Tokens,
}

/// What the lender answers.
#[derive(Debug)]
pub struct Grant {
    /// The shard's share; `None` when the carrier has no limit.
    pub share: Option<u32>,
    /// Tokens that it may have at once.
    pub tokens: Tokens,
    /// Parts that may go at once at most.
    pub most: u32,
    /// Nothing is to be sent before this.
    pub paused_until: Duration,
    /// Parts that all shards together handed over in the last second, and may; 0 for no limit.
    pub load: Load,
}

impl Grant {
    /// No tokens yet.
    #[must_use]
    pub fn nothing(now: Duration) -> Self {
        let (tokens, load) = (Tokens::default(), Load::default());
        Grant { share: Some(0), tokens, most: 0, paused_until: now, load }
    }
}

/// See the module's page.
#[derive(Debug)]
pub struct Lease {
    rate: Rate,
    purse: Purse,
    /// Tokens that it may keep; `None` when the carrier has no limit.
    share: Option<u32>,
    /// Parts that may go at once at most.
    most: u32,
    /// What the lender said last of all shards, and when.
    load: (Load, Duration),
    /// The share was less than what was wanted.
    short: bool,
    /// When the next part of an even flow is due.
    due: Duration,
    paused_until: Duration,
    answers: Answers,
    slowness: Slowness,
    taken: Option<Duration>,
    trouble: Option<Trouble>,
    /// Only tokens were missing since the last report: for so many parts at once.
    missing: u32,
    /// What the last report said, and when.
    told: (u32, Duration),
    /// A report is on its way, or its answer.
    asked: bool,
    /// The carrier refused for our pace, and the lender has not said yet what follows.
    holds: bool,
}

impl Lease {
    /// A lease without tokens.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Lease {
            rate,
            purse: Purse::default(),
            share: (rate != Rate::Unlimited).then_some(0),
            most: 0,
            load: (unused(rate), Duration::ZERO),
            short: false,
            due: Duration::ZERO,
            paused_until: Duration::ZERO,
            answers: Answers::default(),
            slowness: Slowness::default(),
            taken: None,
            trouble: None,
            missing: 0,
            told: (0, Duration::ZERO),
            asked: false,
            holds: false,
        }
    }

    /// When so many parts may leave at once; `None` until the lender gives more tokens. More parts
    /// than the carrier takes in a second leave in a second that is empty otherwise.
    pub fn next(&mut self, now: Duration, parts: u32) -> Option<Duration> {
        let due = self.due.saturating_sub(SLACK);
        self.next_urgent(now, parts).map(|at| at.max(due))
    }

    /// As [`Lease::next`], for parts that do not wait for their place in the even flow: no second has
    /// more of them either, and what leaves after them is the later for it.
    pub fn next_urgent(&mut self, now: Duration, parts: u32) -> Option<Duration> {
        if now < self.paused_until {
            return Some(self.paused_until);
        }
        if self.holds {
            return None;
        }
        if self.share.is_none() {
            return Some(now);
        }
        let count = parts.min(self.most).max(1);
        let ready = self.purse.ready_at(now, count);
        if ready.is_none_or(|ready| ready > now) {
            self.missing = self.missing.max(count);
        }
        ready
    }

    /// How many parts could leave about now, as far as the rate goes: those that there are tokens for
    /// here, and where the lender has more than was wanted so far, those too.
    #[must_use]
    pub fn room(&self, now: Duration) -> u32 {
        if now < self.paused_until || self.holds {
            return 0;
        }
        let load = self.load(now);
        match self.share {
            None => u32::MAX,
            Some(_) if self.short => self.purse.ready(now),
            Some(_) => load.limit.saturating_sub(load.used).max(self.purse.ready(now)),
        }
    }

    /// What all shards together use of the rate, as far as it is known here.
    #[must_use]
    pub fn load(&self, now: Duration) -> Load {
        let (load, told) = self.load;
        let fresh = now.saturating_sub(told) <= Duration::from_secs(1);
        let used = if fresh { load.used } else { 0 };
        Load { used: used.max(self.purse.spent(now)), ..load }
    }

    /// Parts a second that this shard may hand over: its share, or its tokens where it still holds
    /// more; `None` without a limit.
    #[must_use]
    pub fn share(&self) -> Option<u32> {
        self.share.map(|share| share.max(self.purse.len()))
    }

    /// Until when the carrier is left alone.
    #[must_use]
    pub fn paused_until(&self) -> Duration {
        self.paused_until
    }

    /// The rate has changed: what is held goes back to the lender, which gives anew.
    pub fn set_rate(&mut self, rate: Rate) {
        if self.rate == rate {
            return;
        }
        self.rate = rate;
        if rate != Rate::Unlimited {
            self.share = Some(0);
        }
        self.load = (unused(rate), Duration::ZERO);
    }

    /// Parts leave, as [`Lease::next`] allowed.
    pub fn sent(&mut self, now: Duration, parts: u32) {
        if self.share.is_none() {
            self.purse.drop_ready(now);
            self.purse.mint(parts);
        }
        self.purse.spend(now, parts.min(self.purse.len()));
        self.due = self.due.max(now).saturating_add(self.gap().saturating_mul(parts));
    }

    /// The carrier took a part after so long, or refused it for another reason than our pace.
    pub fn answered(&mut self, now: Duration, waited: Duration, taken: bool) {
        if taken {
            self.taken = self.taken.max(Some(now.saturating_sub(waited)));
        }
        self.answers.count(now, false);
        if self.slowness.answered(now, waited) {
            self.troubled(now, TroubleKind::Slow, Duration::ZERO);
        }
    }

    /// The carrier refused a part for our pace.
    pub fn refused(&mut self, now: Duration, waited: Duration, kind: TroubleKind) {
        self.answers.count(now, true);
        self.troubled(now, kind, waited);
    }

    /// An answer says how congested the carrier is, in percent.
    pub fn congested(&mut self, now: Duration, waited: Duration, percent: u8) {
        if percent > limits::CONGESTED_ABOVE {
            self.troubled(now, TroubleKind::Congested { full: percent >= 100 }, waited);
        }
    }

    fn troubled(&mut self, now: Duration, kind: TroubleKind, waited: Duration) {
        self.holds |= kind >= TroubleKind::Throttled;
        let fresh = Trouble { kind, sent: now.saturating_sub(waited) };
        let worse = self.trouble.is_none_or(|own| (own.kind, own.sent) < (kind, fresh.sent));
        if worse {
            self.trouble = Some(fresh);
        }
    }

    /// What to tell the lender now, if anything; its answer comes to [`Lease::handle_grant`].
    /// `waiting` parts wait for this carrier here, and no window is in their way; 0 when one is.
    pub fn poll_report(&mut self, now: Duration, waiting: u32) -> Option<Report> {
        if self.asked || self.report_at(now, waiting).is_none_or(|at| at > now) {
            return None;
        }
        if self.share.is_none() {
            self.purse.drop_ready(now);
        }
        let spent = self.purse.spent(now);
        let want = self.want(now, waiting);
        let kept = if want == 0 { 0 } else { self.share.unwrap_or(u32::MAX) };
        let back = self.purse.take(self.purse.len().saturating_sub(kept));
        let (answered, throttled) = self.answers.sums(now);
        self.asked = true;
        self.told = (want, now);
        Some(Report {
            want,
            at_once: std::mem::take(&mut self.missing),
            held: self.purse.len(),
            spent,
            answered,
            throttled,
            taken: self.taken.take(),
            trouble: self.trouble.take(),
            back,
        })
    }

    /// When [`Lease::poll_report`] has something to say; `None` while nothing happens.
    #[must_use]
    pub fn report_at(&self, now: Duration, waiting: u32) -> Option<Duration> {
        if self.asked {
            return None;
        }
        let (told, last) = self.told;
        let want = self.want(now, waiting);
        // Trouble, and the first of a burst, are told at once.
        if self.trouble.is_some() || (self.missing > 0 && told == 0) {
            return Some(last.saturating_add(TROUBLE_EVERY).max(now));
        }
        let idle = want == 0 && told == 0 && self.purse.spent(now) == 0;
        let idle = idle && (self.share.is_none() || self.purse.is_empty());
        let every = if self.share.is_none() { WATCH_EVERY } else { limits::RATE_REPORT_EVERY };
        // On a common grid, so that the reports of many carriers share a message.
        (!idle).then(|| next_on_grid(last, every).max(now))
    }

    /// The lender answered.
    pub fn handle_grant(&mut self, now: Duration, grant: Grant) {
        self.asked = false;
        self.holds = self.trouble.is_some_and(|own| own.kind >= TroubleKind::Throttled);
        self.load = (grant.load, now);
        self.short = grant.share.is_some_and(|share| share < self.told.0);
        self.paused_until = self.paused_until.max(grant.paused_until);
        self.purse.put(grant.tokens);
        self.most = grant.most;
        if grant.share.is_none() {
            self.purse.drop_ready(now);
        }
        self.share = grant.share;
        // An even flow of more tokens is a faster one.
        self.due = self.due.min(now.saturating_add(self.gap()));
    }

    /// Parts a second that could be handed over here.
    fn want(&self, now: Duration, waiting: u32) -> u32 {
        let spent = self.purse.spent(now);
        let starved = if self.missing > 0 { waiting.max(self.missing) } else { waiting };
        spent.saturating_add(starved).min(limits::MAX_RATE)
    }

    /// Between two parts of an even flow.
    fn gap(&self) -> Duration {
        match self.share {
            None => Duration::ZERO,
            Some(_) => Duration::from_secs(1).checked_div(self.purse.len()).unwrap_or_default(),
        }
    }
}

/// The load of a rate of which nothing is used.
fn unused(rate: Rate) -> Load {
    let limit = match rate {
        Rate::Agreed(limit) => limit,
        Rate::Discover(most) => most.min(limits::DISCOVER_FIRST),
        Rate::Unlimited => 0,
    };
    Load { used: 0, limit }
}

/// The first moment after `last` that is a multiple of `every`.
fn next_on_grid(last: Duration, every: Duration) -> Duration {
    let turns = last.as_nanos() / every.as_nanos().max(1) + 1;
    every.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX))
}
