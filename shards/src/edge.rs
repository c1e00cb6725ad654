//! The HTTP edge of a shard: an HTTP request in, a checked `ApiRequest` to the machine, its answer
//! out as HTTP. One per shard.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use postrider_core::content::Retention;
use postrider_core::limits;
use postrider_http::auth::{CustomerIx, Keyring};
use postrider_http::problem::{Code, Problem, WWW_AUTHENTICATE};
use postrider_http::request::{CustomerLimits, RequestHead, parse, route};
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
    shared: Arc<Shared>,
    stats: Arc<Stats>,
    keys: Keyring,
    policy: UrlPolicy,
    requests: Cell<u64>,
    prefix: String,
}

impl Edge {
    /// The edge of `node`.
    #[must_use]
    pub fn new(node: Rc<Node>, shared: Arc<Shared>, stats: Arc<Stats>, prefix: String) -> Self {
        let hashes = shared.config.customers.iter().zip(0u16..).flat_map(|(customer, index)| {
            customer.api_key_hashes.iter().map(move |hash| (CustomerIx(index), *hash))
        });
        let keys = Keyring::new(hashes);
        let policy = UrlPolicy { allow_private: shared.config.webhooks.allow_private };
        Edge { node, shared, stats, keys, policy, requests: Cell::new(0), prefix }
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
        render(response, request_id)
    }

    async fn handle(&self, request: &HttpRequest) -> Result<ApiResponse, Problem> {
        let head = RequestHead {
            method: request.method.as_str(),
            path: &request.path,
            query: request.query.as_deref(),
            content_type: request.content_type.as_deref(),
        };
        let endpoint = self.count(route(&head))?;
        let customer = self.count(self.keys.authenticate(request.authorization.as_deref()))?;
        let body = self.count(body_of(request))?;
        let limits = self.limits(customer);
        let parsed = self.count(parse(endpoint, &head, body, &limits, &self.policy))?;
        crash::point("request-parsed");
        Ok(self.node.ask(customer, parsed).await)
    }

    fn limits(&self, customer: CustomerIx) -> CustomerLimits {
        let config = self.shared.config.customers.get(usize::from(customer.0));
        CustomerLimits {
            max_text_chars: config
                .map_or(limits::MAX_TEXT_CHARS, |customer| customer.max_text_chars),
            retention: config.map_or(Retention::Keep, |customer| customer.content_retention),
        }
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

fn render(response: ApiResponse, request_id: String) -> HttpResponse {
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
