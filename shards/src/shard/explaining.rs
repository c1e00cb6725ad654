//! What would become of a message, told without taking it: by the owner of its number, with the
//! function that decides. Part of the shard's machine.

use postrider_core::clock::{Now, UnixMs};
use postrider_core::config::{CarrierProfile, Config};
use postrider_core::content::{Content, Retention};
use postrider_core::operators::Resolver;
use postrider_core::route::{
    Ask, Barred, CarrierIx, Explanation, Facts, Figures, Market, Route, RouteTable, Setting,
    decide, draw,
};
use postrider_core::submission::Submission;
use postrider_core::text::Encoding;
use postrider_http::auth::CustomerIx;
use postrider_http::problem::Problem;

use super::choosing::Asker;
use super::mesh::{Call, Reply, Request};
use super::pdu::parts_on;
use super::submit::promised_by;
use super::{ApiResponse, ControlAnswer, Op, Shard};

impl Shard {
    /// Asks the owner of the number what would become of a customer's message.
    pub(super) fn explain_request(
        &mut self,
        now: Now,
        ticket: u64,
        customer: CustomerIx,
        submission: Box<Submission>,
    ) {
        let owner = self.shared.placement.owner(submission.to);
        if owner == self.id {
            let told = self.explain_for(now, customer, &submission);
            self.answer_explained(ticket, told);
        } else if self.mesh.has_room(owner) {
            let call = self.mesh.open(&[owner], Call::Explain { ticket });
            self.request(owner, call, Request::Explain { customer, submission });
        } else {
            self.busy(ticket);
        }
    }

    pub(super) fn answer_explained(
        &mut self,
        ticket: u64,
        told: Result<Box<Explanation>, Problem>,
    ) {
        self.answer(ticket, told.map_or_else(ApiResponse::Problem, ApiResponse::Explained));
    }

    /// At the owner: what a customer's message would meet if it came now, refusals too.
    fn explain_for(
        &self,
        now: Now,
        customer: CustomerIx,
        submission: &Submission,
    ) -> Result<Box<Explanation>, Problem> {
        let own = self.shared.config.customers.get(usize::from(customer.0));
        let own = own.map_or(Retention::Keep, |customer| customer.content_retention);
        let discard = submission.retention.or(own) == Retention::Discard;
        let promised = self.may_accept(now, customer, submission, discard);
        self.explain(now, submission, promised.map_err(|(_, problem)| problem)?)
    }

    /// The reply to a peer.
    pub(super) fn explained(
        &self,
        now: Now,
        customer: CustomerIx,
        submission: Box<Submission>,
    ) -> Reply {
        let result = self.explain_for(now, customer, &submission);
        Reply::Explained { spent: submission, result }
    }

    /// An operator asks.
    pub(super) fn explain_to_operator(&mut self, now: Now, ticket: u64, submission: &Submission) {
        let promised = self.promise(now, submission).ok_or_else(Problem::no_route);
        let told = promised.and_then(|promised| self.explain(now, submission, promised));
        let answer = ControlAnswer::Explained(told.ok());
        self.ops.push_back(Op::Controlled { ticket, answer });
    }

    fn explain(
        &self,
        now: Now,
        submission: &Submission,
        promised: (Encoding, u8),
    ) -> Result<Box<Explanation>, Problem> {
        let route = self.route_now(now, submission.to);
        let (route, known) = route.ok_or_else(Problem::no_route)?;
        let config = &self.shared.config;
        let barred = |carrier| unfit(config, carrier, &submission.content, promised.1);
        let (sequence, lane) = (self.next_sequence, submission.lane);
        let of = Asker { sequence, lane, queued_on: None };
        let decision = self.decide(now, (route, Market::of(&known)), of, barred);
        let currency = config.routing.currency.as_deref();
        let sender_rate = self.shared.senders.of(&submission.from).map(|own| own.per_second);
        let setting = Setting { known: &known, route, promised, sender_rate, currency };
        Ok(Box::new(Explanation::new(&decision, &setting, |carrier| name(config, carrier))))
    }
}

/// What would become of a message by the configuration alone, as if every carrier were up, idle and
/// unknown; `None` when no carrier can have it. Nothing says which of several that tie it would be.
#[must_use]
pub fn explain_alone(
    config: &Config,
    resolver: &Resolver,
    submission: &Submission,
    at: UnixMs,
) -> Option<Explanation> {
    let routes = RouteTable::new(&config.routes, &config.tables);
    let known = resolver.resolve(submission.to, at);
    let route: &Route = routes.find(submission.to, &known)?;
    let profile = |carrier: CarrierIx| profile(config, carrier);
    let counted = (submission.encoding, submission.parts);
    let promised = promised_by(route, profile, &submission.content, counted)?;
    let figures = Figures::new(config.routing.half_life);
    let ask = Ask {
        route,
        market: Market::of(&known),
        now: std::time::Duration::ZERO,
        draw: draw(0),
        figures: &figures,
        rules: &config.routing,
    };
    let decision = decide(&ask, |carrier| Facts {
        barred: unfit(config, carrier, &submission.content, promised.1),
        ..Facts::IDLE
    });
    let currency = config.routing.currency.as_deref();
    let sender_rate = config.senders.iter().find(|own| own.sender == submission.from);
    let sender_rate = sender_rate.map(|own| own.parts_per_second);
    let setting = Setting { known: &known, route, promised, sender_rate, currency };
    Some(Explanation::new(&decision, &setting, |carrier| name(config, carrier)))
}

fn unfit(config: &Config, carrier: CarrierIx, content: &Content, promised: u8) -> Option<Barred> {
    let fit = profile(config, carrier).is_some_and(|own| parts_on(own, content) == Some(promised));
    (!fit).then_some(Barred::Unfit)
}

fn profile(config: &Config, carrier: CarrierIx) -> Option<&CarrierProfile> {
    config.carriers.get(usize::from(carrier.0)).map(|carrier| &carrier.profile)
}

fn name(config: &Config, carrier: CarrierIx) -> &str {
    config.carriers.get(usize::from(carrier.0)).map_or("", |carrier| carrier.name.as_str())
}
