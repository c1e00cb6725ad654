//! What the tests of requests share: a customer, and the way from a head and body to a verdict.
#![allow(dead_code, reason = "each test crate uses a part of it")]

use postrider_core::clock::UnixMs;
use postrider_core::content::Retention;
use postrider_core::id::MessageId;
use postrider_core::number::NumberReader;
use postrider_http::problem::Problem;
use postrider_http::request::{ApiRequest, Cursor, CustomerLimits, RequestHead, parse, route};
use postrider_http::url_guard::UrlPolicy;

/// A message id in its UUID form.
pub(crate) const ID: &str = "01234567-89ab-cdef-0011-223344556677";

/// What the tests' customer may do.
pub(crate) const LIMITS: CustomerLimits<'_> = CustomerLimits {
    max_text_chars: 1_600,
    numbers: NumberReader::Strict,
    retention: Retention::Keep,
};

/// A position in a list.
pub(crate) fn cursor() -> Cursor {
    Cursor { created: UnixMs(1_700_000_000_000), id: MessageId::from_u128(7) }
}

/// A request head.
pub(crate) fn head<'a>(
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    content_type: Option<&'a [u8]>,
) -> RequestHead<'a> {
    RequestHead { method, path, query, content_type }
}

/// Routes and parses, as a driver does.
pub(crate) fn request_with(
    head: &RequestHead<'_>,
    body: &[u8],
    limits: &CustomerLimits<'_>,
) -> Result<ApiRequest, Problem> {
    let endpoint = route(head)?;
    parse(endpoint, head, body, limits, &UrlPolicy { allow_private: false })
}

/// One request of the tests' customer.
pub(crate) fn request(
    method: &str,
    path: &str,
    query: Option<&str>,
    content_type: Option<&[u8]>,
    body: &[u8],
) -> Result<ApiRequest, Problem> {
    request_with(&head(method, path, query, content_type), body, &LIMITS)
}

/// A submit with this `Content-Type`.
pub(crate) fn post_as(content_type: Option<&[u8]>, body: &[u8]) -> Result<ApiRequest, Problem> {
    request("POST", "/api/v1/messages", None, content_type, body)
}

/// A submit.
pub(crate) fn post(body: &[u8]) -> Result<ApiRequest, Problem> {
    post_as(Some(b"application/json"), body)
}

/// A list.
pub(crate) fn get(query: Option<&str>) -> Result<ApiRequest, Problem> {
    request("GET", "/api/v1/messages", query, None, b"")
}

/// The problem that a request met.
pub(crate) fn refusal(result: Result<ApiRequest, Problem>) -> Problem {
    match result {
        Err(problem) => problem,
        Ok(accepted) => panic!("accepted: {accepted:?}"),
    }
}
