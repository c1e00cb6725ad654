//! How many parts a second a carrier is given, by what its answers say: lowered at once, probed up
//! again, never above what was agreed. Pure; one per carrier, inside its lender.

use core::time::Duration;

use super::lease::{Trouble, TroubleKind};
use crate::limits;

/// What an operator says of a carrier's rate, in parts a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// No more than this is ever sent within a second, wherever it begins.
    Agreed(u32),
    /// Nobody knows: it is found out, but no more than this is tried.
    Discover(u32),
    /// As fast as binds and windows allow, until the carrier says that it is too fast.
    Unlimited,
}

/// What all shards together saw in the last second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observed {
    /// Parts a second that could have been handed over.
    pub wanted: u32,
    /// Parts handed over.
    pub spent: u32,
    /// Answers.
    pub answered: u32,
    /// Answers that refused for our pace.
    pub throttled: u32,
}

/// How often a limit was changed, by what the carrier had said: as [`TroubleKind::CAUSES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Times that it was lowered.
    pub lowered: [u64; 4],
    /// Times that it began to rise again.
    pub raised: [u64; 4],
}

/// Thousandths of a part a second.
type Milli = u64;

/// What left so shortly after the limit was halved or set may come of another shard that did not know yet.
const SETTLES: Duration = Duration::from_millis(250);

/// Between two small steps down: a second's answers tell what the last one did.
const STEP_EVERY: Duration = Duration::from_secs(1);

/// Between two steps down for slow answers: what had queued up has to go first.
const SLOW_EVERY: Duration = Duration::from_secs(3);

/// How long the limit rests near to what the carrier seemed to take.
const RESTS: Duration = Duration::from_secs(5);

/// Trouble is past when the carrier has not had any for so long.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// For so long a carrier that takes more than it seemed to may do so from what it saved up.
const SAVED_UP: Duration = Duration::from_secs(30);

/// The limit grows in steps of at least this.
const GROWTH_STEP: Duration = Duration::from_millis(50);

/// What the carrier seemed to take when it was last too much.
#[derive(Clone, Copy, Debug)]
enum Ceiling {
    Unknown,
    At(Milli),
    /// It took more since.
    Passed,
}

/// See the module's page.
#[derive(Debug)]
pub struct Governor {
    rate: Rate,
    /// `None`: no limit is known.
    limit: Option<Milli>,
    ceiling: Ceiling,
    /// The limit when answers began to come slowly.
    before_slow: Option<Milli>,
    lowered: Option<Duration>,
    /// When it was halved, or a search began.
    halved: Option<Duration>,
    /// Until when the limit has grown.
    grown: Duration,
    pause: Duration,
    paused_until: Duration,
    changes: Changes,
    /// For what it was lowered, until it rises again.
    low_for: Option<TroubleKind>,
}

impl Governor {
    /// Nothing is known yet but what was agreed.
    #[must_use]
    pub fn new(rate: Rate, now: Duration) -> Self {
        Governor {
            rate,
            limit: first(rate),
            ceiling: Ceiling::Unknown,
            before_slow: None,
            lowered: None,
            halved: None,
            grown: now,
            pause: limits::QUEUE_FULL_PAUSE_FIRST,
            paused_until: Duration::ZERO,
            changes: Changes::default(),
            low_for: None,
        }
    }

    /// Parts a second, at least one; `None` for no limit.
    #[must_use]
    pub fn limit(&self) -> Option<u32> {
        self.limit.map(|limit| u32::try_from(limit / 1_000).unwrap_or(u32::MAX).max(1))
    }

    /// Nothing is to be sent before this.
    #[must_use]
    pub fn paused_until(&self) -> Duration {
        self.paused_until
    }

    /// How often the limit was changed so far, and for what.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.changes
    }

    /// What was agreed has changed; what was learned below it stays.
    pub fn set_rate(&mut self, rate: Rate) {
        if self.rate != rate {
            self.rate = rate;
            self.limit = match (self.limit, first(rate), self.lowered.is_some()) {
                (Some(learned), _, true) => Some(learned.min(self.most())),
                (_, first, _) => first,
            };
        }
    }

    /// A carrier took a part that left at `sent`: when its queue was full before, the next pause for
    /// that is a short one again.
    pub fn taken(&mut self, sent: Duration) {
        if sent >= self.paused_until {
            self.pause = limits::QUEUE_FULL_PAUSE_FIRST;
        }
    }

    /// Lets the limit grow for the time that has passed.
    pub fn pass(&mut self, now: Duration, seen: &Observed) {
        let since = self.grown;
        let mut left = now.saturating_sub(since).min(FORGOTTEN);
        if left < GROWTH_STEP {
            return;
        }
        self.grown = now;
        let searches = matches!(self.rate, Rate::Discover(_));
        let Some(lowered) = self.lowered.or(searches.then_some(since)) else { return };
        let (is_past, needs_use) = match self.rate {
            Rate::Agreed(_) => (true, false),
            Rate::Discover(_) => (false, true),
            Rate::Unlimited => (seen.spent == 0, true),
        };
        if is_past && now.saturating_sub(lowered) > FORGOTTEN {
            return self.forget();
        }
        // Without traffic nothing shows that more would be taken.
        if needs_use && !self.is_used(seen) {
            return;
        }
        while let (Some(limit), false) = (self.limit, left.is_zero()) {
            let step = left.min(GROWTH_STEP * 4);
            left -= step;
            let at = now.saturating_sub(left);
            let growth = self.growth(limit, at.saturating_sub(lowered));
            let grown = u128::from(growth) * step.as_millis() / 1_000;
            let grown = u64::try_from(grown).unwrap_or(u64::MAX);
            self.limit = Some(limit.saturating_add(grown).min(self.most()));
            if self.limit > Some(limit) {
                self.rises();
            }
        }
    }

    fn rises(&mut self) {
        if let Some(cause) = self.low_for.take() {
            count(&mut self.changes.raised, cause);
        }
    }

    /// The carrier said that it has trouble with our pace; true when the limit fell for it.
    pub fn trouble(&mut self, now: Duration, trouble: Trouble, seen: &Observed) -> bool {
        let fell = self.falls(now, trouble, seen);
        if fell {
            count(&mut self.changes.lowered, trouble.kind);
            self.low_for = Some(trouble.kind);
        }
        fell
    }

    fn falls(&mut self, now: Duration, trouble: Trouble, seen: &Observed) -> bool {
        // What left before the last change has taken effect says nothing of it.
        let settled = |since: Option<Duration>, after: Duration| {
            since.is_none_or(|since| trouble.sent >= since.saturating_add(after))
        };
        if !settled(self.halved, SETTLES) {
            return false;
        }
        let lowered = settled(self.lowered, STEP_EVERY);
        match trouble.kind {
            TroubleKind::Throttled if self.limit.is_none() && seen.throttled <= 1 => {
                self.begin(now, seen);
                if too_much(seen) {
                    self.pause(now, limits::THROTTLED_PAUSE);
                }
            }
            TroubleKind::Throttled if too_much(seen) => {
                self.halve(now, seen);
                self.pause(now, limits::THROTTLED_PAUSE);
            }
            TroubleKind::QueueFull if too_much(seen) => {
                self.halve(now, seen);
                self.pause(now, self.pause);
                self.pause = (self.pause * 2).min(limits::QUEUE_FULL_PAUSE_MAX);
            }
            TroubleKind::Congested { full } if lowered => {
                self.halve(now, seen);
                if full {
                    self.pause(now, limits::THROTTLED_PAUSE);
                }
            }
            TroubleKind::Throttled | TroubleKind::QueueFull if lowered => self.step(now, seen),
            TroubleKind::Slow if settled(self.lowered, SLOW_EVERY) => return self.slow(now, seen),
            TroubleKind::Throttled
            | TroubleKind::QueueFull
            | TroubleKind::Congested { .. }
            | TroubleKind::Slow => return false,
        }
        true
    }

    /// The first part that is too many where no limit is known says little: the search begins with
    /// what was sent, which is no ceiling yet.
    fn begin(&mut self, now: Duration, seen: &Observed) {
        let base = self.base(seen);
        self.halved = Some(now);
        self.lower(now, base, base);
        self.ceiling = Ceiling::Unknown;
    }

    /// Halves what was sent, or what might have been where that is less.
    fn halve(&mut self, now: Duration, seen: &Observed) {
        let base = self.base(seen);
        self.halved = Some(now);
        self.lower(now, base, base / 2);
    }

    /// A few parts were too many.
    fn step(&mut self, now: Duration, seen: &Observed) {
        let taken = self.taken_of(self.base(seen), seen);
        self.lower(now, taken, taken - taken / 50);
    }

    /// Answers come slowly: a tenth less, or what the carrier answers where that is less since parts
    /// queue up; but not under half of what was usual. Without a limit it is the window that holds back.
    fn slow(&mut self, now: Duration, seen: &Observed) -> bool {
        let Some(limit) = self.limit else { return false };
        let usual = *self.before_slow.get_or_insert(limit);
        // They are counted in tenths of a second, of which the last one is half over.
        let answered = u64::from(seen.answered).saturating_mul(1_050);
        let taken = limit.min(answered);
        let lower = taken.min(limit - limit / 10).max(usual / 2);
        if lower < limit {
            self.lower(now, taken, lower);
        }
        lower < limit
    }

    /// What the carrier took of what was sent, by its answers.
    fn taken_of(&self, base: Milli, seen: &Observed) -> Milli {
        let answered = u64::from(seen.answered).max(1);
        let good = answered.saturating_sub(u64::from(seen.throttled));
        base.saturating_mul(good) / answered
    }

    fn lower(&mut self, now: Duration, ceiling: Milli, limit: Milli) {
        self.lowered = Some(now);
        self.ceiling = Ceiling::At(ceiling.max(1_000));
        self.limit = Some(limit.max(1_000));
    }

    fn pause(&mut self, now: Duration, pause: Duration) {
        self.paused_until = self.paused_until.max(now.saturating_add(pause));
    }

    /// The pace to which a lowering applies: what was really sent, as far as it was allowed. While no
    /// limit is known a search begins, and no lower than any other: a part now and then says little.
    fn base(&self, seen: &Observed) -> Milli {
        let spent = u64::from(seen.spent).saturating_mul(1_000);
        match self.limit {
            Some(limit) => limit.min(spent).max(1_000),
            None => spent.max(u64::from(limits::DISCOVER_FIRST) * 1_000),
        }
    }

    /// Thousandths of a part a second by which the limit grows each second, so long after it was
    /// lowered. From far below the ceiling a twentieth of that; near to it, after a rest, very
    /// slowly; where the ceiling turns out to be none, by a fiftieth, and after a while as before one
    /// was known.
    fn growth(&mut self, limit: Milli, calm: Duration) -> Milli {
        if self.before_slow.is_some_and(|usual| limit >= usual) {
            self.before_slow = None;
        }
        if let Ceiling::At(ceiling) = self.ceiling {
            if limit < ceiling - ceiling / 20 {
                return ceiling / 20;
            }
            if limit < ceiling.saturating_add(ceiling / 20) {
                let rests = calm < RESTS;
                return if rests { 0 } else { (ceiling / 200).max(50) };
            }
            self.ceiling = Ceiling::Passed;
        }
        match (self.rate, self.ceiling) {
            (Rate::Agreed(most), _) => u64::from(most).saturating_mul(1_000) / 20,
            // What was saved up at the carrier may be in use.
            (_, Ceiling::Passed) if calm < SAVED_UP => (limit / 50).max(1_000),
            (Rate::Discover(_) | Rate::Unlimited, _) => limit / 2,
        }
    }

    /// Trouble is long past.
    fn forget(&mut self) {
        self.lowered = None;
        self.halved = None;
        self.ceiling = Ceiling::Unknown;
        self.before_slow = None;
        self.limit = first(self.rate);
        self.rises();
    }

    /// Whether the limit is what held the traffic back. While more is wanted, as much as half of it may
    /// be left free for passwords.
    fn is_used(&self, seen: &Observed) -> bool {
        let limit = self.limit().unwrap_or(u32::MAX);
        let free = if seen.wanted > limit { limit / 2 } else { limit / 4 };
        seen.spent.saturating_add(1) >= limit - free
    }

    fn most(&self) -> Milli {
        let most = match self.rate {
            Rate::Agreed(most) | Rate::Discover(most) => most,
            Rate::Unlimited => limits::MAX_RATE,
        };
        u64::from(most).saturating_mul(1_000)
    }
}

fn count(changes: &mut [u64; 4], cause: TroubleKind) {
    if let Some(count) = changes.get_mut(cause.index()) {
        *count += 1;
    }
}

/// Where a rate begins.
fn first(rate: Rate) -> Option<Milli> {
    match rate {
        Rate::Agreed(most) => Some(u64::from(most).saturating_mul(1_000)),
        Rate::Discover(most) => {
            Some(u64::from(most.min(limits::DISCOVER_FIRST)).saturating_mul(1_000))
        }
        Rate::Unlimited => None,
    }
}

/// More than a fifth of a second's answers refused for our pace.
fn too_much(seen: &Observed) -> bool {
    u64::from(seen.throttled) * 5 > u64::from(seen.answered)
}
