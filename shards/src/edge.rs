//! The HTTP edge of a shard: an HTTP request in, a checked `ApiRequest` to the machine, its answer
//! out as HTTP. One per shard; it goes by the configuration that the shard has.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use postrider_core::content::Retention;
use postrider_core::limits;
use postrider_core::number::NumberReader;
use postrider_http::auth::CustomerIx;
use postrider_http::explain::explanation_json;
use postrider_http::lookup::{LookedUp, lookup_json, lookups_json};
use postrider_http::problem::{Code, Problem, WWW_AUTHENTICATE};
use postrider_http::request::{ApiRequest, CustomerLimits, Endpoint, RequestHead, parse, route};
use postrider_http::response::{accepted_json, list_json, message_json};
use postrider_http::url_guard::UrlPolicy;
use postrider_storage::crash;

use crate::node::Node;
use crate::rt::http::{BodyError, HttpRequest, HttpResponse};
use crate::shard::{ApiResponse, Shared};
use crate::stats::{Counter, Histogram, Stats};

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// What turns requests into answers on one shard.
pub struct Edge {
    node: Rc<Node>,
    stats: Arc<Stats>,
    requests: Cell<u64>,
    prefix: String,
}

impl Edge {
    /// The edge of `node`.
    #[must_use]
    pub fn new(node: Rc<Node>, stats: Arc<Stats>, prefix: String) -> Self {
        Edge { node, stats, requests: Cell::new(0), prefix }
    }

    /// Answers one request.
    pub async fn answer(&self, request: HttpRequest) -> HttpResponse {
        let started = self.node.now().mono;
        self.stats.inc(Counter::HttpRequests);
        let request_id = self.request_id(&request);
        let response = match self.handle(&request).await {
            Ok(response) => response,
            Err(problem) => ApiResponse::Problem(problem),
        };
        let taken = self.node.now().mono.saturating_sub(started);
        if matches!(response, ApiResponse::Accepted(_)) {
            self.stats.observe(Histogram::Accept, taken);
        }
        self.node.by_shared(|shared| {
            render(response, shared.config.routing.currency.as_deref(), request_id)
        })
    }

    async fn handle(&self, request: &HttpRequest) -> Result<ApiResponse, Problem> {
        let head = RequestHead {
            method: request.method.as_str(),
            path: &request.path,
            query: request.query.as_deref(),
            content_type: request.content_type.as_deref(),
        };
        let endpoint = self.count(route(&head))?;
        let (customer, parsed) =
            self.count(self.node.by_shared(|shared| check(request, &head, endpoint, shared)))?;
        crash::point("request-parsed");
        Ok(self.node.ask(customer, parsed).await)
    }

    /// Counts a refusal by its kind.
    fn count<T>(&self, result: Result<T, Problem>) -> Result<T, Problem> {
        if let Err(problem) = &result {
            self.stats.inc(if problem.code == Code::Unauthorized {
                Counter::RefusedUnauthorized
            } else if problem.code == Code::NotFound {
                Counter::RefusedNotFound
            } else {
                Counter::RefusedInvalid
            });
        }
        result
    }

    /// The request's own id, else one of ours.
    fn request_id(&self, request: &HttpRequest) -> String {
        request.request_id.clone().unwrap_or_else(|| {
            let number = self.requests.get();
            self.requests.set(number + 1);
            format!("{}-{number:x}", self.prefix)
        })
    }
}

/// Whose a request is, and what it asks.
fn check(
    request: &HttpRequest,
    head: &RequestHead<'_>,
    endpoint: Endpoint,
    shared: &Shared,
) -> Result<(CustomerIx, ApiRequest), Problem> {
    let customer = shared.keys.authenticate(request.authorization.as_deref())?;
    let body = body_of(request)?;
    let config = shared.config.customers.get(usize::from(customer.0));
    let limits = CustomerLimits {
        max_text_chars: config.map_or(limits::MAX_TEXT_CHARS, |customer| customer.max_text_chars),
        numbers: config.map_or(NumberReader::Strict, |customer| {
            customer.number_form.reader(&shared.config.tables)
        }),
        retention: config.map_or(Retention::Keep, |customer| customer.content_retention),
    };
    let policy = UrlPolicy { allow_private: shared.config.webhooks.allow_private };
    let parsed = parse(endpoint, head, body, &limits, &policy)?;
    Ok((customer, parsed))
}

fn body_of(request: &HttpRequest) -> Result<&[u8], Problem> {
    match &request.body {
        Ok(body) => Ok(body),
        Err(BodyError::TooLarge) => {
            let detail = format!("A request body has at most {} octets.", limits::MAX_BODY_BYTES);
            Err(Problem::new(Code::BodyTooLarge, detail))
        }
        Err(BodyError::Deadline) => {
            Err(Problem::new(Code::RequestTimeout, "The request body did not arrive in time."))
        }
        Err(BodyError::Broken) => {
            Err(Problem::new(Code::BadRequest, "The request body broke off."))
        }
    }
}

fn looked_up(looked: &[LookedUp], batch: bool, currency: Option<&str>) -> Vec<u8> {
    match looked {
        [one] if !batch => lookup_json(one, currency),
        all => lookups_json(all, currency),
    }
}

fn render(response: ApiResponse, currency: Option<&str>, request_id: String) -> HttpResponse {
    let ok =
        |status: u16, body: Vec<u8>, location: Option<String>, request_id: String| HttpResponse {
            status,
            content_type: JSON,
            retry_after: None,
            allow: None,
            www_authenticate: None,
            location,
            request_id,
            body,
            close: false,
        };
    match response {
        ApiResponse::Accepted(accepted) => {
            let body = accepted_json(accepted.id, accepted.parts, accepted.encoding);
            let location = Some(format!("/api/v1/messages/{}", accepted.id));
            ok(202, body, location, request_id)
        }
        ApiResponse::Explained(told) => ok(200, explanation_json(&told), None, request_id),
        ApiResponse::LookedUp { looked, batch } => {
            ok(200, looked_up(&looked, batch, currency), None, request_id)
        }
        ApiResponse::Message(view) => ok(200, message_json(&view), None, request_id),
        ApiResponse::Page { items, next } => ok(200, list_json(&items, next), None, request_id),
        ApiResponse::Redacted => ok(204, Vec::new(), None, request_id),
        ApiResponse::Problem(problem) => HttpResponse {
            status: problem.status(),
            content_type: PROBLEM,
            retry_after: problem.retry_after,
            allow: problem.allow,
            www_authenticate: (problem.code == Code::Unauthorized).then_some(WWW_AUTHENTICATE),
            location: None,
            body: problem.to_json(&request_id),
            request_id,
            close: false,
        },
    }
}
