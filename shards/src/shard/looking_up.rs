//! Look-ups of numbers: by the tables at once, and by a provider where one is configured. The owner of a
//! number asks the provider, so that an answer is paid for once. Part of the shard's machine.

use std::collections::BTreeMap;

use postrider_core::clock::Now;
use postrider_core::limits;
use postrider_core::lookup::{Asked, Finding, Invalid, Live, Missed, Outcome, Provider, Waiter};
use postrider_core::number::Msisdn;
use postrider_core::operators::Resolved;
use postrider_core::place::ShardId;
use postrider_core::route::{RequireLookup, Route};
use postrider_core::submission::Submission;
use postrider_http::auth::CustomerIx;
use postrider_http::lookup::{LookedUp, read_answer};
use postrider_http::problem::Problem;
use postrider_http::request::{LookupQuery, Unreadable};
use postrider_http::url_guard::{UrlPolicy, WebhookTarget, check_url};

use super::mesh::{Call, CallId, Reply, Request};
use super::{ApiResponse, Drain, Op, ReplyTo, Shard, Shared};
use crate::stats::{Counter, Gauge};

/// A provider is the operator's choice, and may be in its own network.
const POLICY: UrlPolicy = UrlPolicy { allow_private: true };

/// One query to a provider of look-ups.
#[derive(Debug)]
pub struct LookupGet {
    /// Comes back with the answer.
    pub asked: Asked,
    /// Where to.
    pub target: WebhookTarget,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// How long it may take.
    pub timeout: std::time::Duration,
}

/// The requests of a shard that wait for a provider.
#[derive(Default)]
pub(super) struct LookUps {
    provider: Provider,
    jobs: BTreeMap<u64, Job>,
    next: u64,
    /// Requests to other shards without a reply.
    calls: usize,
    /// Messages that wait.
    messages: usize,
}

/// Numbers that were asked for together.
struct Job {
    to: LookUpTo,
    numbers: Vec<Result<Msisdn, Unreadable>>,
    found: Vec<Option<Finding>>,
    missing: usize,
}

/// Who gets what was found.
enum LookUpTo {
    /// A customer, as a list or as one; so many numbers were charged.
    Ticket { ticket: u64, batch: bool, customer: CustomerIx, charged: u32 },
    /// The shard that asked, with its list of numbers.
    Shard(ShardId, CallId, Vec<Msisdn>),
    /// A message whose route requires it.
    Message(CustomerIx, Box<Submission>, ReplyTo),
}

/// Whether the tables know no such number as this one, of which so much is known, and its route asks for
/// that.
pub(super) fn is_not_valid(route: &Route, known: &Resolved<'_>) -> bool {
    route.require_lookup == RequireLookup::Tables && known.kind.is_none()
}

impl LookUps {
    /// Goes by a configuration.
    pub(super) fn new(now: Now, shared: &Shared) -> Self {
        let mut own = LookUps::default();
        own.fit(now, shared, false);
        own
    }

    fn fit(&mut self, now: Now, shared: &Shared, same: bool) {
        let shards = shared.placement.shards();
        let rules = shared.config.lookups.as_ref().map(|own| own.rules(shards));
        self.provider.set_rules(now, rules, same);
    }

    pub(super) fn poll_timeout(&self) -> Option<std::time::Duration> {
        self.provider.poll_timeout()
    }

    /// Forgets what the provider said: somebody is to be forgotten.
    pub(super) fn forget(&mut self) {
        self.provider.forget();
    }
}

impl Shard {
    /// Who serves a number of this shard's: what a provider was paid to say counts for routing too.
    pub(super) fn resolve(&self, now: Now, number: Msisdn) -> Resolved<'_> {
        self.look_ups.provider.resolve(now, &self.shared.resolver, number)
    }

    /// The route of a number of this shard's, and what is known of who serves it.
    pub(super) fn route_now(&self, now: Now, to: Msisdn) -> Option<(&Route, Resolved<'_>)> {
        let known = self.resolve(now, to);
        self.shared.routes.find(to, &known).map(|route| (route, known))
    }

    /// Another configuration counts.
    pub(super) fn fit_lookups(&mut self, now: Now, before: &Shared) {
        let config = &self.shared.config;
        let pair = config.lookups.as_ref().zip(before.config.lookups.as_ref());
        let same = pair.is_some_and(|(own, before)| own.is_same(before));
        if self.drain == Drain::No && config.lookups != before.config.lookups {
            self.look_ups.fit(now, &self.shared, same);
        }
    }

    /// The gateway stops: nothing is waited for any more.
    pub(super) fn stop_lookups(&mut self, now: Now) {
        self.look_ups.provider.set_rules(now, None, false);
    }

    /// A customer wants to know about numbers.
    pub(super) fn look_up_request(
        &mut self,
        now: Now,
        ticket: u64,
        customer: CustomerIx,
        query: LookupQuery,
    ) {
        let LookupQuery { numbers, live, batch } = query;
        let live = live && self.look_ups.provider.is_on();
        let asked = if live { numbers.iter().flatten().count() } else { 0 };
        let charged = u32::try_from(asked).unwrap_or(u32::MAX);
        if charged > 0
            && let Err(wait) = self.shared.accounts.admit_lookups(customer, now.mono, charged)
        {
            self.stats.inc(Counter::RefusedRateLimited);
            let problem = Problem::lookups_limited(wait);
            return self.answer(ticket, ApiResponse::Problem(problem));
        }
        let count = u64::try_from(numbers.len()).unwrap_or(u64::MAX);
        self.stats.add(Counter::LookUps, count);
        let own = numbers.clone();
        let to = LookUpTo::Ticket { ticket, batch, customer, charged };
        let job = self.add_job(to, numbers);
        let mut others: BTreeMap<ShardId, (Vec<u16>, Vec<Msisdn>)> = BTreeMap::new();
        for (place, number) in (0u16..).zip(own) {
            match number {
                Err(unreadable) => {
                    self.note_finding(now, job, place, Finding::unreadable(unreadable.error));
                }
                Ok(number) if !live => {
                    let finding = Finding::of_tables(&self.shared.resolver, number, now.wall);
                    self.note_finding(now, job, place, finding);
                }
                Ok(number) => {
                    let owner = self.shared.placement.owner(number);
                    if owner == self.id {
                        let waiter = Waiter { job, place };
                        self.look_ups.provider.handle_look_up(now, number, waiter, None);
                    } else {
                        let (places, numbers) = others.entry(owner).or_default();
                        places.push(place);
                        numbers.push(number);
                    }
                }
            }
        }
        for (owner, (places, numbers)) in others {
            self.ask_owner(now, owner, job, (places, numbers));
        }
    }

    /// Has the owner of numbers look them up. A provider that is slow must not fill the lanes.
    fn ask_owner(
        &mut self,
        now: Now,
        owner: ShardId,
        job: u64,
        (places, numbers): (Vec<u16>, Vec<Msisdn>),
    ) {
        if self.look_ups.calls < limits::LOOKUP_CALLS && self.mesh.has_room(owner) {
            self.look_ups.calls += 1;
            let call = self.mesh.open(&[owner], Call::LookUp { job, places });
            self.request(owner, call, Request::LookUp { numbers });
            return;
        }
        let outcome = Outcome::Missed(Missed::Busy);
        for place in places {
            self.outcome(now, Waiter { job, place }, &outcome);
        }
    }

    /// Another shard wants to know about numbers of this one's.
    pub(super) fn look_up_for_peer(
        &mut self,
        now: Now,
        from: ShardId,
        call: CallId,
        numbers: Vec<Msisdn>,
    ) {
        let own = numbers.iter().copied().map(Ok).collect();
        let all = numbers.clone();
        let job = self.add_job(LookUpTo::Shard(from, call, numbers), own);
        for (place, number) in (0u16..).zip(all) {
            self.look_ups.provider.handle_look_up(now, number, Waiter { job, place }, None);
        }
    }

    /// At the owner: whether the provider has to be asked before a message is accepted. When too many
    /// messages wait for it already, it is not.
    pub(super) fn must_ask(&self, now: Now, submission: &Submission) -> bool {
        let own = &self.look_ups;
        let may = own.provider.is_on() && own.messages < limits::LOOKUP_CALLS;
        let route = || self.route_now(now, submission.to);
        may && route().is_some_and(|(route, _)| route.require_lookup == RequireLookup::Live)
    }

    /// Asks the provider about the number of a message, which waits no longer than one query may take.
    pub(super) fn look_up_first(
        &mut self,
        now: Now,
        customer: CustomerIx,
        submission: Box<Submission>,
        to: ReplyTo,
    ) {
        let number = submission.to;
        self.look_ups.messages += 1;
        let job = self.add_job(LookUpTo::Message(customer, submission, to), vec![Ok(number)]);
        let patience = self.shared.config.lookups.as_ref().map(|own| own.timeout);
        let waiter = Waiter { job, place: 0 };
        self.look_ups.provider.handle_look_up(now, number, waiter, patience);
    }

    /// What the owner found.
    pub(super) fn take_lookups(&mut self, now: Now, job: u64, places: &[u16], found: Vec<Finding>) {
        self.look_ups.calls = self.look_ups.calls.saturating_sub(1);
        for (place, finding) in places.iter().zip(found) {
            self.note_finding(now, job, *place, finding);
        }
    }

    /// The provider answered a query with this status and body, or could not be asked. The body is
    /// `None` when it is longer than is read.
    pub fn handle_lookup_answer(&mut self, now: Now, asked: Asked, answer: Option<(u16, Vec<u8>)>) {
        let config = self.shared.config.lookups.as_ref();
        let body = answer.filter(|(status, _)| (200..300).contains(status)).map(|(_, body)| body);
        let read = config.zip(body).and_then(|(config, body)| read_answer(config, &body));
        self.look_ups.provider.handle_answer(now, asked, read);
        self.pump(now);
    }

    /// Sends queries, and tells what came of look-ups.
    pub(super) fn pump_lookups(&mut self, now: Now) {
        self.look_ups.provider.handle_timeout(now);
        loop {
            if let Some(asked) = self.look_ups.provider.poll_asked() {
                self.stats.inc(Counter::LookupQueries);
                match self.query(asked) {
                    Some(get) => self.ops.push_back(Op::LookUp(Box::new(get))),
                    None => self.look_ups.provider.handle_answer(now, asked, None),
                }
            } else if let Some((waiter, outcome)) = self.look_ups.provider.poll_outcome() {
                self.outcome(now, waiter, &outcome);
            } else {
                return;
            }
        }
    }

    pub(super) fn publish_lookups(&self) {
        let provider = &self.look_ups.provider;
        let cached = u64::try_from(provider.cached()).unwrap_or(u64::MAX);
        self.stats.set(Gauge::LookupsCached, cached);
        let suspended = provider.is_suspended(self.turned);
        self.stats.set(Gauge::LookupsSuspended, suspended.into());
    }

    fn query(&self, asked: Asked) -> Option<LookupGet> {
        let config = self.shared.config.lookups.as_ref()?;
        let target = check_url(&config.url_for(asked.number), &POLICY).ok()?;
        let mut headers = vec![(String::from("accept"), String::from("application/json"))];
        if !config.secret.expose().is_empty() {
            headers.push((config.header.to_ascii_lowercase(), config.secret.expose().clone()));
        }
        Some(LookupGet { asked, target, headers, timeout: config.timeout })
    }

    fn outcome(&mut self, now: Now, waiter: Waiter, outcome: &Outcome) {
        let numbers = self.look_ups.jobs.get(&waiter.job).map(|job| &job.numbers);
        let number = numbers.and_then(|numbers| numbers.get(usize::from(waiter.place)));
        let Some(Ok(number)) = number else { return };
        let price = self.shared.config.lookups.as_ref().map_or(0, |own| own.price_micros);
        let resolver = &self.shared.resolver;
        let told = (outcome, price);
        let finding = Finding::of_provider(resolver, *number, now.wall, told);
        if let Some(live) = finding.live {
            self.stats.inc(counter_of(live));
        }
        self.note_finding(now, waiter.job, waiter.place, finding);
    }

    fn add_job(&mut self, to: LookUpTo, numbers: Vec<Result<Msisdn, Unreadable>>) -> u64 {
        let id = self.look_ups.next;
        self.look_ups.next += 1;
        let (found, missing) = (vec![None; numbers.len()], numbers.len());
        self.look_ups.jobs.insert(id, Job { to, numbers, found, missing });
        id
    }

    /// One number of a job is looked up; the last one ends it.
    fn note_finding(&mut self, now: Now, id: u64, place: u16, finding: Finding) {
        let Some(job) = self.look_ups.jobs.get_mut(&id) else { return };
        let Some(slot) = job.found.get_mut(usize::from(place)) else { return };
        if slot.replace(finding).is_none() {
            job.missing -= 1;
        }
        if job.missing > 0 {
            return;
        }
        let Some(job) = self.look_ups.jobs.remove(&id) else { return };
        let mut found = job.found.into_iter().flatten();
        match job.to {
            LookUpTo::Message(customer, submission, to) => {
                self.look_ups.messages -= 1;
                let invalid = found.next().and_then(|finding| finding.invalid);
                // Only the provider's word counts here: without it nothing is refused.
                if matches!(invalid, Some(Invalid::Inactive | Invalid::Unknown)) {
                    self.stats.inc(Counter::RefusedNumber);
                    self.submitted(now, to, submission, Err(Problem::number_not_valid()));
                } else {
                    self.accept_looked_up(now, customer, submission, to);
                }
            }
            LookUpTo::Shard(shard, call, spent) => {
                let found = found.collect();
                self.reply(shard, call, Reply::LookedUp { spent, found });
            }
            LookUpTo::Ticket { ticket, batch, customer, charged } => {
                let looked = job.numbers.into_iter().zip(found);
                let looked = looked.map(|(number, finding)| LookedUp { number, finding });
                let looked: Vec<LookedUp> = looked.collect();
                let asked = looked.iter().filter(|one| one.finding.live.is_some_and(was_asked));
                let asked = u32::try_from(asked.count()).unwrap_or(u32::MAX);
                let unasked = charged.saturating_sub(asked);
                self.shared.accounts.give_back_lookups(customer, unasked);
                self.answer(ticket, ApiResponse::LookedUp { looked, batch });
            }
        }
    }
}

/// Whether the provider was asked, and may want its price.
fn was_asked(live: Live) -> bool {
    match live {
        Live::Answered | Live::Missed(Missed::Timeout | Missed::Failed) => true,
        Live::Cached | Live::Missed(Missed::Suspended | Missed::Off | Missed::Busy) => false,
    }
}

fn counter_of(live: Live) -> Counter {
    match live {
        Live::Answered => Counter::LookupsAnswered,
        Live::Cached => Counter::LookupsFromCache,
        Live::Missed(Missed::Timeout) => Counter::LookupsTimedOut,
        Live::Missed(Missed::Failed) => Counter::LookupsFailed,
        Live::Missed(Missed::Suspended | Missed::Off) => Counter::LookupsSuspended,
        Live::Missed(Missed::Busy) => Counter::LookupsBusy,
    }
}
