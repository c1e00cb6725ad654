//! The machine that asks a provider of look-ups: what it said lately counts again, so many queries are
//! under way at most, each has so much time, and a provider that fails is left alone for a while. Every
//! look-up ends, with an answer or with the reason why there is none. Pure; one per shard.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::breaker::Breaker;
use super::cache::Cache;
use super::finding::told;
use super::{ProviderAnswer, Subscriber};
use crate::clock::{Now, UnixMs};
use crate::limits;
use crate::number::Msisdn;
use crate::operators::{Resolved, Resolver};

/// How a provider is asked; the share of one shard.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long one query may take.
    pub timeout: Duration,
    /// Queries under way at once, at least one.
    pub concurrency: usize,
    /// Answers that are kept.
    pub cache: usize,
    /// How long what is known for certain is kept.
    pub keep: Duration,
}

/// Who waits for what a look-up finds.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiter {
    /// Its job.
    pub job: u64,
    /// The place of the number in the job.
    pub place: u16,
}

/// A query that is to be sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Comes back with the answer.
    pub query: u64,
    /// The number that is asked for.
    pub number: Msisdn,
}

/// Why a look-up found nothing.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Missed {
    /// No provider is configured any more.
    Off,
    /// The provider failed lately and is left alone.
    Suspended,
    /// Too many wait, or its turn did not come in time.
    Busy,
    /// The provider did not answer in time.
    Timeout,
    /// It could not be reached, or its answer could not be read.
    Failed,
}

/// What came of a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider's answer.
    Found {
        /// What it says.
        answer: ProviderAnswer,
        /// When it said so.
        at: UnixMs,
        /// Whether it was asked for this look-up alone: others cost nothing.
        fresh: bool,
    },
    /// None.
    Missed(Missed),
}

/// The machine.
#[derive(Debug, Default)]
pub struct Provider {
    rules: Option<Rules>,
    cache: Cache,
    breaker: Breaker,
    queries: BTreeMap<u64, Query>,
    by_number: BTreeMap<Msisdn, u64>,
    /// Queries that wait for their turn.
    turn: VecDeque<u64>,
    deadlines: BTreeSet<(Duration, u64)>,
    /// Who waits less long than its query: until when, for which, and who.
    impatient: BTreeSet<(Duration, u64, Waiter)>,
    /// Look-ups that wait for queries.
    waiting: usize,
    /// Queries whose answers are still to come, those that took too long among them.
    under_way: usize,
    next: u64,
    /// The first query of the provider as it is.
    first: u64,
    asked: VecDeque<Asked>,
    outcomes: VecDeque<(Waiter, Outcome)>,
}

#[derive(Debug)]
struct Query {
    number: Msisdn,
    waiters: Vec<(Waiter, Option<Duration>)>,
    due: Duration,
    sent: bool,
}

impl Provider {
    /// Goes by other rules from now on; `None`: no provider is asked. `same`: it is the provider that
    /// it was, so that what it said still counts.
    pub fn set_rules(&mut self, now: Now, rules: Option<Rules>, same: bool) {
        self.rules = rules;
        if let Some(rules) = rules.filter(|_| same) {
            self.cache.shrink(rules.cache);
        } else {
            self.cache.clear();
            self.breaker = Breaker::default();
            self.first = self.next;
            let all: Vec<u64> = self.queries.keys().copied().collect();
            for query in all {
                self.miss(query, Missed::Off);
            }
        }
        self.send(now.mono);
    }

    /// Whether there is a provider.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.rules.is_some()
    }

    /// Who serves a number: by what was said of it lately, where that still counts, and by the tables.
    #[must_use]
    pub fn resolve<'t>(&'t self, now: Now, resolver: &'t Resolver, number: Msisdn) -> Resolved<'t> {
        let known = resolver.resolve(number, now.wall);
        match self.cache.get(now.mono, number) {
            Some(said) => told(known, resolver, said),
            None => known,
        }
    }

    /// Looks a number up; the outcome comes by [`poll_outcome`](Self::poll_outcome), at once where
    /// nothing has to be asked. `patience`: how long it waits, its turn and the answer together; as long
    /// as the query may take, without.
    pub fn handle_look_up(
        &mut self,
        now: Now,
        number: Msisdn,
        waiter: Waiter,
        patience: Option<Duration>,
    ) {
        let found = self.cache.get(now.mono, number);
        if let Some((answer, at)) = found {
            let outcome = Outcome::Found { answer: answer.clone(), at, fresh: false };
            self.outcomes.push_back((waiter, outcome));
            return;
        }
        let missed = if self.rules.is_none() {
            Some(Missed::Off)
        } else if self.breaker.is_open(now.mono) {
            Some(Missed::Suspended)
        } else {
            (self.waiting >= limits::LOOKUPS_WAITING).then_some(Missed::Busy)
        };
        if let Some(why) = missed {
            self.outcomes.push_back((waiter, Outcome::Missed(why)));
            return;
        }
        self.waiting += 1;
        let until = patience.map(|patience| now.mono + patience);
        let known = self.by_number.get(&number).copied();
        let id = known.unwrap_or(self.next);
        self.impatient.extend(until.map(|until| (until, id, waiter)));
        if let Some(query) = self.queries.get_mut(&id) {
            query.waiters.push((waiter, until));
            return;
        }
        self.next += 1;
        let due = now.mono + limits::LOOKUP_TURN;
        self.queries.insert(id, Query { number, waiters: vec![(waiter, until)], due, sent: false });
        self.by_number.insert(number, id);
        self.deadlines.insert((due, id));
        self.turn.push_back(id);
        self.send(now.mono);
    }

    /// The provider answered a query, or could not be asked. One that took too long may still come
    /// here, once.
    pub fn handle_answer(&mut self, now: Now, asked: Asked, answer: Option<ProviderAnswer>) {
        self.under_way = self.under_way.saturating_sub(1);
        let open = self.queries.contains_key(&asked.query);
        match answer {
            Some(answer) if open => {
                self.breaker.succeeded();
                self.keep(now, asked.number, &answer);
                self.found(asked.query, &answer, now.wall);
            }
            Some(answer) if asked.query >= self.first => self.keep(now, asked.number, &answer),
            None if open => {
                self.breaker.failed(now.mono);
                self.miss(asked.query, Missed::Failed);
            }
            Some(_) | None => {}
        }
        self.send(now.mono);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some((until, id, waiter)) = self.impatient.first().copied() {
            if until > now.mono {
                break;
            }
            self.impatient.pop_first();
            let Some(query) = self.queries.get_mut(&id) else { continue };
            query.waiters.retain(|(own, _)| *own != waiter);
            self.waiting = self.waiting.saturating_sub(1);
            let why = if query.sent { Missed::Timeout } else { Missed::Busy };
            self.outcomes.push_back((waiter, Outcome::Missed(why)));
        }
        while let Some((due, id)) = self.deadlines.first().copied() {
            if due > now.mono {
                break;
            }
            let sent = self.queries.get(&id).is_some_and(|query| query.sent);
            if sent {
                self.breaker.failed(now.mono);
            }
            self.miss(id, if sent { Missed::Timeout } else { Missed::Busy });
            self.deadlines.remove(&(due, id));
        }
        self.send(now.mono);
    }

    /// The next query to send.
    pub fn poll_asked(&mut self) -> Option<Asked> {
        self.asked.pop_front()
    }

    /// The next look-up that ended.
    pub fn poll_outcome(&mut self) -> Option<(Waiter, Outcome)> {
        self.outcomes.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let query = self.deadlines.first().map(|(due, _)| *due);
        let waiter = self.impatient.first().map(|(until, _, _)| *until);
        [query, waiter].into_iter().flatten().min()
    }

    /// Forgets every answer.
    pub fn forget(&mut self) {
        self.cache.clear();
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting == 0 && self.outcomes.is_empty()
    }

    /// Whether the provider is left alone at present.
    #[must_use]
    pub fn is_suspended(&self, now: Duration) -> bool {
        self.breaker.is_open(now)
    }

    /// Answers that are kept.
    #[must_use]
    pub fn cached(&self) -> usize {
        self.cache.len()
    }

    /// Sends what may be sent.
    fn send(&mut self, now: Duration) {
        let Some(rules) = self.rules else { return };
        while self.under_way < rules.concurrency {
            let Some(id) = self.turn.pop_front() else { return };
            if !self.queries.contains_key(&id) {
                continue;
            }
            if !self.breaker.may_ask(now) {
                self.miss(id, Missed::Suspended);
                continue;
            }
            let Some(query) = self.queries.get_mut(&id) else { continue };
            self.deadlines.remove(&(query.due, id));
            query.due = now + rules.timeout;
            query.sent = true;
            self.deadlines.insert((query.due, id));
            self.under_way += 1;
            self.asked.push_back(Asked { query: id, number: query.number });
        }
    }

    /// What the network does not know for certain is asked again soon.
    fn keep(&mut self, now: Now, number: Msisdn, answer: &ProviderAnswer) {
        let Some(rules) = self.rules else { return };
        let keep = match answer.subscriber {
            Subscriber::Active | Subscriber::Inactive | Subscriber::Invalid => rules.keep,
            Subscriber::Absent => rules.keep.min(limits::LOOKUP_KEEP_ABSENT),
            Subscriber::Unknown => rules.keep.min(limits::LOOKUP_KEEP_UNKNOWN),
        };
        self.cache.put(number, (answer.clone(), now.wall), now.mono + keep, rules.cache);
    }

    fn found(&mut self, id: u64, answer: &ProviderAnswer, at: UnixMs) {
        for (place, waiter) in self.end(id).into_iter().enumerate() {
            let outcome = Outcome::Found { answer: answer.clone(), at, fresh: place == 0 };
            self.outcomes.push_back((waiter, outcome));
        }
    }

    fn miss(&mut self, id: u64, why: Missed) {
        for waiter in self.end(id) {
            self.outcomes.push_back((waiter, Outcome::Missed(why)));
        }
    }

    /// Takes a query out; who waited for it.
    fn end(&mut self, id: u64) -> Vec<Waiter> {
        let Some(query) = self.queries.remove(&id) else { return Vec::new() };
        self.by_number.remove(&query.number);
        self.deadlines.remove(&(query.due, id));
        self.waiting = self.waiting.saturating_sub(query.waiters.len());
        for (waiter, until) in &query.waiters {
            if let Some(until) = until {
                self.impatient.remove(&(*until, id, *waiter));
            }
        }
        query.waiters.into_iter().map(|(waiter, _)| waiter).collect()
    }
}
