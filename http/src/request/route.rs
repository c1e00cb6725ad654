//! From method and path to an endpoint. Pure, lives nowhere.

use postrider_core::id::MessageId;

use super::RequestHead;
use crate::problem::{Code, Problem};

/// The path of the collection of messages.
pub const MESSAGES_PATH: &str = "/api/v1/messages";

/// The path of look-ups.
pub const LOOKUPS_PATH: &str = "/api/v1/lookups";

/// What a request asks for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /api/v1/messages`: submit one message.
    Submit,
    /// `GET /api/v1/messages/{id}`: read one message.
    Get(MessageId),
    /// `DELETE /api/v1/messages/{id}`: redact one message.
    Redact(MessageId),
    /// `GET /api/v1/messages`: list messages.
    List,
    /// `POST /api/v1/lookups/{phone_number}`: look one number up.
    LookUpOne,
    /// `POST /api/v1/lookups`: look several numbers up.
    LookUpMany,
}

/// Finds the endpoint of a request. Paths are compared as sent: case counts, and nothing but a number
/// is percent-decoded, since no path of ours needs it.
///
/// # Errors
/// [`Code::NotFound`] for other paths, [`Code::MethodNotAllowed`] (with `allow`) for other
/// methods, [`Code::InvalidMessageId`] when the last segment is not an id.
pub fn route(head: &RequestHead<'_>) -> Result<Endpoint, Problem> {
    let unknown = || Problem::new(Code::NotFound, "There is nothing at this path.");
    if let Some(rest) = head.path.strip_prefix(LOOKUPS_PATH) {
        let endpoint = match rest.strip_prefix('/') {
            None if rest.is_empty() => Endpoint::LookUpMany,
            Some(segment) if !segment.is_empty() && !segment.contains('/') => Endpoint::LookUpOne,
            Some(_) | None => return Err(unknown()),
        };
        let allowed = head.method == "POST";
        return if allowed { Ok(endpoint) } else { Err(method_not_allowed("POST")) };
    }
    let rest = head.path.strip_prefix(MESSAGES_PATH).ok_or_else(unknown)?;
    if rest.is_empty() {
        return match head.method {
            "POST" => Ok(Endpoint::Submit),
            "GET" => Ok(Endpoint::List),
            _ => Err(method_not_allowed("GET, POST")),
        };
    }
    let segment = rest.strip_prefix('/').ok_or_else(unknown)?;
    if segment.is_empty() || segment.contains('/') {
        return Err(unknown());
    }
    match head.method {
        "GET" => parse_id(segment).map(Endpoint::Get),
        "DELETE" => parse_id(segment).map(Endpoint::Redact),
        _ => Err(method_not_allowed("DELETE, GET")),
    }
}

fn method_not_allowed(allow: &'static str) -> Problem {
    let detail = format!("This path allows {allow}.");
    let mut problem = Problem::new(Code::MethodNotAllowed, detail);
    problem.allow = Some(allow);
    problem
}

fn parse_id(segment: &str) -> Result<MessageId, Problem> {
    segment.parse().map_err(|_| {
        Problem::new(
            Code::InvalidMessageId,
            "A message id has the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx, in hexadecimal.",
        )
    })
}
