//! Refusals: the closed list of problem codes and the RFC 9457 document that carries one. Pure,
//! lives nowhere.

use std::time::Duration;

use crate::json::Object;

/// Media type of [`Problem::to_json`] (RFC 9457 section 3).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Value of the `WWW-Authenticate` field that every 401 must carry (RFC 9110 section 11.6.1).
pub const WWW_AUTHENTICATE: &str = "Bearer realm=\"postrider\"";

/// Every way in which the API refuses a request. The list is closed: metrics use it as a label.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The body is not JSON (RFC 8259), not UTF-8, or holds a lone surrogate.
    InvalidJson,
    /// A member that the request does not have.
    UnknownField,
    /// A member given twice.
    DuplicateField,
    /// A required member is absent.
    MissingField,
    /// A member has another JSON type than the one documented.
    InvalidType,
    /// `to` is not a number in international form.
    InvalidTo,
    /// `from` is no short code, long code or alphanumeric sender.
    InvalidFrom,
    /// `body` holds a control character that no handset shows.
    InvalidBody,
    /// `body` has more characters than the account may send.
    BodyTooLong,
    /// `body` is the empty string.
    BodyEmpty,
    /// `body` needs more parts than a long message can have.
    TooManyParts,
    /// `webhook_url` is not a URL that can be called.
    InvalidWebhookUrl,
    /// `webhook_url` leads to an address that is not public.
    WebhookNotAllowed,
    /// `numbers` has none, or more than one request looks up.
    InvalidNumbers,
    /// `validity_period` is out of range.
    InvalidValidityPeriod,
    /// `client_reference` is empty, too long or holds control characters.
    InvalidClientReference,
    /// `duplicate` is neither `allow` nor `avoid`.
    InvalidDuplicate,
    /// `priority` is none of `otp`, `transactional` and `bulk`.
    InvalidPriority,
    /// `content_retention` is neither `keep` nor `discard`, or laxer than the account's.
    InvalidContentRetention,
    /// A key of the query is unknown or doubled, or its value cannot be read.
    InvalidQuery,
    /// `cursor` was not given out by this API.
    InvalidCursor,
    /// The id in the path is not a message id.
    InvalidMessageId,
    /// The HTTP request itself is malformed.
    BadRequest,
    /// No valid API key.
    Unauthorized,
    /// Nothing of this account is at this path.
    NotFound,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    /// The body of the request was not received in time.
    RequestTimeout,
    /// The body of the request is larger than the limit.
    BodyTooLarge,
    /// The path and query are longer than the limit.
    UriTooLong,
    /// The body of the request is not `application/json`.
    UnsupportedMediaType,
    /// The message cannot be redacted yet.
    NotFinal,
    /// No carrier serves the destination.
    NoRoute,
    /// No message can reach the destination: it is no number in use.
    NumberNotValid,
    /// The recipient does not want messages of this account.
    RecipientOptedOut,
    /// The account submits more parts a second than it may; nothing was accepted.
    RateLimited,
    /// The header of the request is larger than the limit.
    HeaderTooLarge,
    /// A fault of the gateway.
    Internal,
    /// A queue is full; nothing was accepted.
    Overloaded,
    /// The disk is full; nothing was accepted.
    StorageFull,
    /// The gateway is stopping; nothing was accepted.
    ShuttingDown,
}

/// What is fixed for a code: status, stable name, title.
struct Row(u16, &'static str, &'static str);

impl Code {
    /// Every code, in the order of declaration.
    pub const ALL: [Self; 40] = [
        Self::InvalidJson,
        Self::UnknownField,
        Self::DuplicateField,
        Self::MissingField,
        Self::InvalidType,
        Self::InvalidTo,
        Self::InvalidFrom,
        Self::InvalidBody,
        Self::BodyTooLong,
        Self::BodyEmpty,
        Self::TooManyParts,
        Self::InvalidWebhookUrl,
        Self::WebhookNotAllowed,
        Self::InvalidNumbers,
        Self::InvalidValidityPeriod,
        Self::InvalidClientReference,
        Self::InvalidDuplicate,
        Self::InvalidPriority,
        Self::InvalidContentRetention,
        Self::InvalidQuery,
        Self::InvalidCursor,
        Self::InvalidMessageId,
        Self::BadRequest,
        Self::Unauthorized,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::UriTooLong,
        Self::UnsupportedMediaType,
        Self::NotFinal,
        Self::NoRoute,
        Self::NumberNotValid,
        Self::RecipientOptedOut,
        Self::RateLimited,
        Self::HeaderTooLarge,
        Self::Internal,
        Self::Overloaded,
        Self::StorageFull,
        Self::ShuttingDown,
    ];

    /// Its place in [`Self::ALL`], for tables of counters.
    pub const fn index(self) -> usize {
        self as usize
    }

    const fn row(self) -> Row {
        match self {
            Self::InvalidJson => Row(400, "invalid_json", "The body is not valid JSON"),
            Self::UnknownField => Row(400, "unknown_field", "Unknown field"),
            Self::DuplicateField => Row(400, "duplicate_field", "Field given twice"),
            Self::MissingField => Row(400, "missing_field", "Required field is missing"),
            Self::InvalidType => Row(400, "invalid_type", "Field has the wrong type"),
            Self::InvalidTo => Row(400, "invalid_to", "Invalid destination number"),
            Self::InvalidFrom => Row(400, "invalid_from", "Invalid sender"),
            Self::InvalidBody => Row(400, "invalid_body", "Text cannot be sent"),
            Self::BodyTooLong => Row(400, "body_too_long", "Text is too long"),
            Self::BodyEmpty => Row(400, "body_empty", "Text is empty"),
            Self::TooManyParts => Row(400, "too_many_parts", "Text needs too many parts"),
            Self::InvalidWebhookUrl => Row(400, "invalid_webhook_url", "Invalid webhook URL"),
            Self::WebhookNotAllowed => {
                Row(400, "webhook_not_allowed", "Webhook address is not allowed")
            }
            Self::InvalidNumbers => Row(400, "invalid_numbers", "Too few or too many numbers"),
            Self::InvalidValidityPeriod => {
                Row(400, "invalid_validity_period", "Invalid validity period")
            }
            Self::InvalidClientReference => {
                Row(400, "invalid_client_reference", "Invalid client reference")
            }
            Self::InvalidDuplicate => Row(400, "invalid_duplicate", "Invalid duplicate choice"),
            Self::InvalidPriority => Row(400, "invalid_priority", "Invalid priority"),
            Self::InvalidContentRetention => {
                Row(400, "invalid_content_retention", "Invalid content retention")
            }
            Self::InvalidQuery => Row(400, "invalid_query", "Invalid query"),
            Self::InvalidCursor => Row(400, "invalid_cursor", "Invalid cursor"),
            Self::InvalidMessageId => Row(400, "invalid_message_id", "Invalid message id"),
            Self::BadRequest => Row(400, "bad_request", "Malformed request"),
            Self::Unauthorized => Row(401, "unauthorized", "A valid API key is required"),
            Self::NotFound => Row(404, "not_found", "Not found"),
            Self::MethodNotAllowed => Row(405, "method_not_allowed", "Method not allowed"),
            Self::RequestTimeout => Row(408, "request_timeout", "Request took too long"),
            Self::BodyTooLarge => Row(413, "body_too_large", "Request body is too large"),
            Self::UriTooLong => Row(414, "uri_too_long", "Path and query are too long"),
            Self::UnsupportedMediaType => {
                Row(415, "unsupported_media_type", "Unsupported media type")
            }
            Self::NotFinal => Row(409, "not_final", "The message is not final"),
            Self::NumberNotValid => {
                Row(422, "number_not_valid", "The destination is no number in use")
            }
            Self::RecipientOptedOut => {
                Row(422, "recipient_opted_out", "The recipient has opted out")
            }
            Self::NoRoute => Row(422, "no_route", "No carrier serves this destination"),
            Self::RateLimited => Row(429, "rate_limited", "Too many parts a second"),
            Self::HeaderTooLarge => Row(431, "header_too_large", "Request header is too large"),
            Self::Internal => Row(500, "internal", "Fault of the gateway"),
            Self::Overloaded => Row(503, "overloaded", "The gateway is busy"),
            Self::StorageFull => Row(503, "storage_full", "The gateway has no room to store"),
            Self::ShuttingDown => Row(503, "shutting_down", "The gateway is stopping"),
        }
    }

    /// The HTTP status of the answer.
    pub const fn status(self) -> u16 {
        self.row().0
    }

    /// The stable snake_case name: member `code` of the document, label in metrics.
    pub const fn name(self) -> &'static str {
        self.row().1
    }

    /// A short sentence, the same for every occurrence (RFC 9457 section 3.1.3).
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// The URI that identifies the type of problem (RFC 9457 section 3.1.1).
    pub fn type_uri(self) -> String {
        format!("https://postrider.dev/problems/{}", self.name())
    }
}

const _: () = assert!(Code::ShuttingDown.index() + 1 == Code::ALL.len(), "the last code is last");

/// One refusal.
///
/// `detail` and `param` go to the customer and repeat at most the name of a field, never its
/// value. `private` goes to the operator's log alone and must hold no number and no text either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which refusal.
    pub code: Code,
    /// What is wrong and how to mend it, for the customer.
    pub detail: String,
    /// The field at fault: a JSON pointer (RFC 6901) into the body, or a key of the query.
    pub param: Option<String>,
    /// Seconds for the `Retry-After` field.
    pub retry_after: Option<u32>,
    /// Value of the `Allow` field of a 405 (RFC 9110 section 15.5.6).
    pub allow: Option<&'static str>,
    /// The cause, for the operator's log; never sent.
    pub private: Option<String>,
}

impl Problem {
    /// A refusal that names no field.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { code, detail, param: None, retry_after: None, allow: None, private: None }
    }

    /// Names the field at fault.
    #[must_use]
    pub fn at(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Says when to try again, in seconds.
    #[must_use]
    pub fn after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Adds the cause for the operator's log.
    #[must_use]
    pub fn because(mut self, private: impl Into<String>) -> Self {
        self.private = Some(private.into());
        self
    }

    /// The one answer for a message that is not there, is gone, or belongs to someone else:
    /// nobody can tell these apart.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "No message of this account has this id.")
    }

    /// Nothing was done because a queue is full; try again after `seconds`.
    pub fn overloaded(seconds: u32) -> Self {
        Self::new(Code::Overloaded, "Nothing was done. Send the request again later.")
            .after(seconds)
    }

    /// Nothing was accepted because the store is full; try again after `seconds`.
    pub fn storage_full(seconds: u32) -> Self {
        Self::new(Code::StorageFull, "The message was not accepted: there is no room to store it.")
            .after(seconds)
    }

    /// Nothing was accepted because the gateway is stopping; try again after `seconds`.
    pub fn shutting_down(seconds: u32) -> Self {
        Self::new(Code::ShuttingDown, "The message was not accepted. Use another connection.")
            .after(seconds)
    }

    /// No route leads to the destination.
    pub fn no_route() -> Self {
        Self::new(Code::NoRoute, "No carrier of this gateway serves the destination number.")
            .at("/to")
    }

    /// A look-up, which the route requires, found that the destination is not valid.
    pub fn number_not_valid() -> Self {
        let detail = "A look-up says that no message can reach the destination number.";
        Self::new(Code::NumberNotValid, detail).at("/to")
    }

    /// The recipient has said that messages of this account are not wanted.
    pub fn opted_out() -> Self {
        let detail = "The recipient does not want messages of this account.";
        Self::new(Code::RecipientOptedOut, detail).at("/to")
    }

    /// The account has used its rate; one more part is free after `wait`.
    pub fn rate_limited(wait: Duration) -> Self {
        let detail =
            "The message was not accepted: this account submits more parts a second than agreed.";
        Self::new(Code::RateLimited, detail).after(whole_seconds(wait))
    }

    /// The account has a provider asked about more numbers a second than it may; one more after `wait`.
    pub fn lookups_limited(wait: Duration) -> Self {
        let detail = "Nothing was looked up: this account asks about more numbers a second than \
                      agreed. With live=false the tables answer at once.";
        Self::new(Code::RateLimited, detail).after(whole_seconds(wait))
    }

    /// The HTTP status of the answer.
    pub const fn status(&self) -> u16 {
        self.code.status()
    }

    /// The problem document (RFC 9457): `type`, `title`, `status`, `detail`, `code`, `param`
    /// (null when no field is at fault) and `request_id`.
    pub fn to_json(&self, request_id: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(320 + self.detail.len());
        let mut object = Object::begin(&mut out);
        object.text("type", &self.code.type_uri());
        object.text("title", self.code.title());
        object.integer("status", u64::from(self.status()));
        object.text("detail", &self.detail);
        object.text("code", self.code.name());
        object.text_or_null("param", self.param.as_deref());
        object.text("request_id", request_id);
        object.end();
        out
    }
}

/// An error's text as a sentence: errors begin in lower case and have no full stop.
pub(crate) fn sentence(error: &impl core::fmt::Display) -> String {
    let text = error.to_string();
    let mut rest = text.chars();
    match rest.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), rest.as_str()),
        None => text,
    }
}

/// As Retry-After has it.
fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_distinct_snake_case_and_statuses_are_errors() {
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.name().bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_'));
            assert!((400..=503).contains(&code.status()), "{code:?}");
            assert!(!code.title().is_empty());
        }
    }

    #[test]
    fn all_is_in_order_of_declaration() {
        for (at, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code.index(), at);
        }
    }

    #[test]
    fn the_document_has_every_member_and_hides_the_private_text() {
        let problem = Problem::new(Code::UnknownField, "Field \"tô\" is unknown.")
            .at("/t\u{f4}")
            .because("secret cause");
        let bytes = problem.to_json("req\"1");
        assert!(!String::from_utf8_lossy(&bytes).contains("secret"));
        let read: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(read["type"], "https://postrider.dev/problems/unknown_field");
        assert_eq!(read["title"], "Unknown field");
        assert_eq!(read["status"], 400);
        assert_eq!(read["detail"], "Field \"tô\" is unknown.");
        assert_eq!(read["code"], "unknown_field");
        assert_eq!(read["param"], "/tô");
        assert_eq!(read["request_id"], "req\"1");
        assert_eq!(read.as_object().unwrap().len(), 7);
    }

    #[test]
    fn refusals_that_pass_say_when_to_come_back() {
        assert_eq!(Problem::overloaded(1).retry_after, Some(1));
        assert_eq!(Problem::storage_full(30).status(), 503);
        assert_eq!(Problem::shutting_down(2).code, Code::ShuttingDown);
        assert_eq!(Problem::no_route().status(), 422);
        assert_eq!(Problem::not_found().status(), 404);
    }
}
