//! The decision which carrier takes a message, with every reason: who made it and who explains it is
//! one function. Pure, lives nowhere.

use core::cmp::Reverse;
use core::time::Duration;

use arrayvec::ArrayVec;

use super::figures::Readings;
use super::{Candidate, CarrierIx, Figures, Load, Market, Reading, Route, RoutingConfig};
use crate::limits;

/// One, as terms and scores count.
const WHOLE: u64 = 1_000_000;

/// What the decision rests on.
#[derive(Copy, Clone)]
pub struct Ask<'a> {
    /// The route of the number.
    pub route: &'a Route,
    /// The market of the number.
    pub market: Market,
    /// Monotonic time.
    pub now: Duration,
    /// The message's lot, by [`draw`]: the same message draws the same whenever it is asked.
    pub draw: u64,
    /// What traffic shows.
    pub figures: &'a Figures,
    /// `[routing]`.
    pub rules: &'a RoutingConfig,
}

/// Why a carrier cannot have a message at all.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Barred {
    /// It refused the message already.
    Refused,
    /// On it the message would have another number of parts than was promised, or no form.
    Unfit,
}

/// What is true of a carrier now.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Why it cannot have the message.
    pub barred: Option<Barred>,
    /// Whether messages may be given to it.
    pub usable: bool,
    /// Whether a part could leave now.
    pub room: bool,
    /// How much of its rate is used.
    pub load: Load,
    /// Whether its receipts come too fast to be true: what they say of it does not count.
    pub suspect: bool,
}

impl Facts {
    /// Of a carrier that is up and idle.
    pub const IDLE: Facts = Facts {
        barred: None,
        usable: true,
        room: true,
        load: Load { used: 0, limit: 0 },
        suspect: false,
    };
}

/// What the parts of a score come to, in parts per million.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The lowest price of the group to its own.
    pub cost: u32,
    /// Share of delivered parts.
    pub delivery: u32,
    /// The shortest time to delivery of the group to its own.
    pub latency: u32,
    /// The unused part of its rate.
    pub load: u32,
}

/// Why the chosen carrier was chosen.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// No other was as good.
    Best,
    /// It ties with others, and the lot fell on it.
    Tie,
    /// It may have become better than what is known of it says.
    Trial,
    /// A better one has no room now.
    Overflow,
    /// None can be used now: it waits for the best.
    AllDown,
}

/// What became of a candidate.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has the message.
    Chosen(Why),
    /// It cannot have it.
    Barred(Barred),
    /// It cannot be used now.
    Down,
    /// A group before its own has a carrier.
    LowerPriority,
    /// Its score is lower.
    LowerScore,
    /// It ties with the chosen one, and the lot fell on that.
    Tie,
    /// It was to have the message, and another one got a trial.
    GaveWay,
    /// It has no room now.
    NoRoom,
    /// It has room, and costs more than the route allows.
    TooDear,
}

/// A candidate with everything that counted.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Weighed {
    /// The route's words on it.
    pub candidate: Candidate,
    /// What is true of it now.
    pub facts: Facts,
    /// What traffic shows of it.
    pub reading: Reading,
    /// The parts of its score.
    pub terms: Terms,
    /// Its score, in parts per million.
    pub score: u32,
    /// What became of it.
    pub standing: Standing,
}

impl Weighed {
    fn is_open(&self) -> bool {
        self.facts.barred.is_none() && self.facts.usable
    }
}

/// Which carrier has the message, and what became of every other candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The carrier; `None` when every one is barred.
    pub carrier: Option<CarrierIx>,
    /// All candidates of the route: the best group first, within it in the order of the file.
    pub candidates: ArrayVec<Weighed, { limits::MAX_CARRIERS_PER_ROUTE }>,
}

/// The lot of the message with this sequence: all bits depend on all of it.
#[must_use]
pub const fn draw(sequence: u64) -> u64 {
    let mut bits = sequence.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ bits >> 31
}

/// Decides which carrier of the route has a message; `facts` says what is true of a carrier now.
///
/// The first group with a usable carrier is looked at. Its highest score wins; those that tie with
/// it share by weight. One message in so many goes to one that would tie if all that is known of it
/// were for the best. What the chosen one has no room for goes to the next best that has, as far as
/// the route's tolerance allows. When no carrier is usable, the message waits for the best.
#[must_use]
pub fn decide(ask: &Ask<'_>, facts: impl Fn(CarrierIx) -> Facts) -> Decision {
    let readings = ask.figures.of(ask.now, ask.market);
    let candidates = ask.route.candidates().iter().take(limits::MAX_CARRIERS_PER_ROUTE);
    // Filled where it is returned: with its room for candidates it is large.
    let mut decision = Decision { carrier: None, candidates: ArrayVec::new() };
    let all = &mut decision.candidates;
    all.extend(candidates.map(|own| weighed(*own, facts(own.carrier), readings)));
    for group in all.chunk_by_mut(|a, b| a.candidate.priority == b.candidate.priority) {
        score(group, ask.rules);
    }
    let Some(choice) = Choice::make(ask, all) else { return decision };
    for (at, own) in all.iter_mut().enumerate() {
        own.standing = choice.standing(at, own);
        if matches!(own.standing, Standing::Chosen(_)) {
            decision.carrier = Some(own.candidate.carrier);
        }
    }
    decision
}

fn weighed(candidate: Candidate, facts: Facts, readings: Readings<'_>) -> Weighed {
    Weighed {
        candidate,
        facts,
        reading: readings.read(candidate.carrier),
        terms: Terms::default(),
        score: 0,
        standing: facts.barred.map_or(Standing::LowerScore, Standing::Barred),
    }
}

/// Scores the carriers of one group: what is best is looked for among those that may have the
/// message, usable ones before others.
fn score(group: &mut [Weighed], rules: &RoutingConfig) {
    let usable = group.iter().any(Weighed::is_open);
    let counts = |own: &&Weighed| own.is_open() || (!usable && own.facts.barred.is_none());
    let best = group.iter().filter(counts);
    let cost = best.clone().map(|own| own.candidate.cost).min().unwrap_or(0);
    let credible = best.filter(|own| !own.facts.suspect);
    let latency = credible.filter_map(|own| own.reading.latency).min();
    for own in group {
        let (delivery, latency) = match (own.facts.suspect, latency, own.reading.latency) {
            (true, ..) => (0, 0),
            // Below a millisecond nothing is told apart.
            (false, Some(best), Some(took)) => {
                (own.reading.delivered, share(best.max(1).into(), took.max(1).into()))
            }
            (false, ..) => (own.reading.delivered, whole(WHOLE)),
        };
        let cost = share(cost, own.candidate.cost);
        own.terms = Terms { cost, delivery, latency, load: unused(own.facts.load) };
        own.score = total(rules, own.terms);
    }
}

/// `best` to `own`, in parts per million; of nothing to nothing one.
fn share(best: u64, own: u64) -> u32 {
    whole((best.saturating_mul(WHOLE)).checked_div(own).unwrap_or(WHOLE).min(WHOLE))
}

fn unused(load: Load) -> u32 {
    let used = u64::from(load.used) * WHOLE;
    whole(WHOLE.saturating_sub(used.checked_div(load.limit.into()).unwrap_or(0)))
}

fn total(rules: &RoutingConfig, terms: Terms) -> u32 {
    let weighted = [
        (rules.cost_weight, terms.cost),
        (rules.delivery_weight, terms.delivery),
        (rules.latency_weight, terms.latency),
        (rules.load_weight, terms.load),
    ];
    let sum: u64 =
        weighted.iter().map(|(weight, term)| u64::from(*weight) * u64::from(*term)).sum();
    whole(sum / 100)
}

fn whole(ppm: u64) -> u32 {
    u32::try_from(ppm).unwrap_or(u32::MAX)
}

/// Which candidate has the message, and by what.
struct Choice {
    chosen: usize,
    why: Why,
    /// The group that was looked at.
    priority: u8,
    /// The least score that ties with the best of it.
    ties: u32,
    /// The most that a carrier may cost in the place of one without room; `None`: not looked for.
    bound: Option<u64>,
    any_usable: bool,
}

impl Choice {
    fn make(ask: &Ask<'_>, all: &[Weighed]) -> Option<Choice> {
        let any_usable = all.iter().any(Weighed::is_open);
        let alive = |own: &Weighed| own.is_open() || (!any_usable && own.facts.barred.is_none());
        let priority = all.iter().find(|own| alive(own)).map(|own| own.candidate.priority)?;
        let in_group = |own: &Weighed| alive(own) && own.candidate.priority == priority;
        let best = all.iter().filter(|own| in_group(own)).map(|own| own.score).max()?;
        let ties = best.saturating_sub(ask.rules.near_tie);
        let tied = |own: &Weighed| in_group(own) && own.score >= ties;
        let roomy = |own: &Weighed| tied(own) && own.facts.room;
        let (first, several) = pick(all, roomy, ask.draw).or_else(|| pick(all, tied, ask.draw))?;
        let mut choice = Choice {
            chosen: first,
            why: if several { Why::Tie } else { Why::Best },
            priority,
            ties,
            bound: None,
            any_usable,
        };
        if !any_usable {
            choice.why = Why::AllDown;
            return Some(choice);
        }
        choice.look_for_room(ask, all);
        let hopeful = |own: &Weighed| {
            in_group(own) && own.score < ties && own.facts.room && hope(ask.rules, own) >= ties
        };
        if choice.why != Why::Overflow
            && explores(ask)
            && let Some((trial, _)) = pick(all, hopeful, ask.draw)
        {
            choice.chosen = trial;
            choice.why = Why::Trial;
        }
        Some(choice)
    }

    /// The chosen one has no room: the next best that has takes its place.
    fn look_for_room(&mut self, ask: &Ask<'_>, all: &[Weighed]) {
        let Some(first) = all.get(self.chosen).filter(|own| !own.facts.room) else { return };
        let Some(tolerance) = ask.route.tolerance else { return };
        let percent = 100 + u64::from(tolerance);
        let bound = first.candidate.cost.saturating_mul(percent) / 100;
        self.bound = Some(bound);
        let fits = |own: &Weighed| own.is_open() && own.facts.room && own.candidate.cost <= bound;
        let next = all.iter().enumerate().filter(|(_, own)| fits(own));
        let next = next.min_by_key(|(_, own)| (own.candidate.priority, Reverse(own.score)));
        if let Some((next, _)) = next {
            self.chosen = next;
            self.why = Why::Overflow;
        }
    }

    fn standing(&self, at: usize, own: &Weighed) -> Standing {
        if at == self.chosen {
            return Standing::Chosen(self.why);
        }
        if let Some(barred) = own.facts.barred {
            return Standing::Barred(barred);
        }
        if self.any_usable && !own.facts.usable {
            return Standing::Down;
        }
        if self.bound.is_some() && !own.facts.room {
            return Standing::NoRoom;
        }
        if self.bound.is_some_and(|bound| own.candidate.cost > bound) {
            return Standing::TooDear;
        }
        let in_group = own.candidate.priority == self.priority;
        match self.why {
            _ if !in_group => Standing::LowerPriority,
            _ if own.score < self.ties => Standing::LowerScore,
            Why::Trial => Standing::GaveWay,
            // It would have been chosen otherwise.
            Why::Best | Why::Tie if !own.facts.room => Standing::NoRoom,
            Why::Best | Why::Tie | Why::Overflow | Why::AllDown => Standing::Tie,
        }
    }
}

/// One of those that `fits` says, by their weights, and whether it was one of several.
fn pick(all: &[Weighed], fits: impl Fn(&Weighed) -> bool, draw: u64) -> Option<(usize, bool)> {
    let fitting = || all.iter().enumerate().filter(|(_, own)| fits(own));
    let weight = |own: &Weighed| u64::from(own.candidate.weight.max(1));
    let total: u64 = fitting().map(|(_, own)| weight(own)).sum();
    let mut lot = (draw >> 32).checked_rem(total)?;
    for (at, own) in fitting() {
        match lot.checked_sub(weight(own)) {
            Some(rest) => lot = rest,
            None => return Some((at, total > weight(own))),
        }
    }
    None
}

/// Whether this message is one of those that go where something may have become better.
fn explores(ask: &Ask<'_>) -> bool {
    ask.draw % 100 < u64::from(ask.rules.explore)
}

/// The score if all that traffic can show were for the best.
fn hope(rules: &RoutingConfig, own: &Weighed) -> u32 {
    let most = whole(WHOLE);
    total(rules, Terms { delivery: most, latency: most, ..own.terms })
}
