//! From a request's head and body to a checked [`ApiRequest`]. Pure, lives nowhere; runs on the
//! shard that accepted the connection.
//!
//! Nothing is repaired, cut or guessed: what is accepted is exactly what was written. Only a
//! destination may be written in more ways, where its customer asked for that.

mod json_body;
mod lookup;
mod query;
mod route;
mod submit;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postrider_core::clock::UnixMs;
use postrider_core::content::Retention;
use postrider_core::id::MessageId;
use postrider_core::lifecycle::PartStatus;
use postrider_core::number::{Msisdn, NumberReader};
use postrider_core::sender::SenderId;
use postrider_core::submission::Submission;

use crate::problem::{Code, Problem};
use crate::url_guard::UrlPolicy;

pub use lookup::{LookupQuery, Unreadable};
pub use route::{Endpoint, LOOKUPS_PATH, MESSAGES_PATH, route};

/// The head of a request, as far as the API looks at it.
#[derive(Copy, Clone, Debug)]
pub struct RequestHead<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// The path, still percent-encoded.
    pub path: &'a str,
    /// What follows `?`, still percent-encoded.
    pub query: Option<&'a str>,
    /// Value of the `Content-Type` field.
    pub content_type: Option<&'a [u8]>,
}

/// What one customer may do.
#[derive(Copy, Clone, Debug)]
pub struct CustomerLimits<'t> {
    /// Most characters of a text, in Unicode scalar values.
    pub max_text_chars: u32,
    /// How its destinations are read.
    pub numbers: NumberReader<'t>,
    /// What becomes of its messages' texts; a message may only be stricter.
    pub retention: Retention,
}

/// A request that is well-formed and allowed, as far as that can be known from itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiRequest {
    /// `POST /api/v1/messages`.
    Submit(Submission),
    /// `POST /api/v1/messages` with `"dry_run": true`: tell what would become of it.
    DryRun(Submission),
    /// `GET /api/v1/messages/{id}`.
    Get(MessageId),
    /// `DELETE /api/v1/messages/{id}`.
    Redact(MessageId),
    /// `GET /api/v1/messages`.
    List(ListQuery),
    /// `POST /api/v1/lookups/{phone_number}` and `POST /api/v1/lookups`.
    LookUp(LookupQuery),
}

/// Which messages to list, newest first. All filters must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Created at this time or later.
    pub from: Option<UnixMs>,
    /// Created before this time.
    pub to: Option<UnixMs>,
    /// Having this status now.
    pub status: Option<PartStatus>,
    /// Most messages on the page, 1 to `LIST_LIMIT_MAX`.
    pub limit: u16,
    /// Only what comes after this position.
    pub cursor: Option<Cursor>,
    /// Sent from this sender.
    pub from_number: Option<SenderId>,
    /// Sent to this number.
    pub to_number: Option<Msisdn>,
}

/// A position in a list, newest first: the last message of the page before, or a place between two. It
/// names no customer; a list is scoped to the customer who asks.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// When that message was created.
    pub created: UnixMs,
    /// Its id.
    pub id: MessageId,
}

/// First octet of an encoded cursor, so that a later form can be told apart.
const CURSOR_VERSION: u8 = 1;

impl Cursor {
    /// The form that customers see: 34 characters of base64url, opaque to them.
    pub fn encode(&self) -> String {
        let mut octets = Vec::with_capacity(25);
        octets.push(CURSOR_VERSION);
        octets.extend_from_slice(&self.created.0.to_be_bytes());
        octets.extend_from_slice(&self.id.as_u128().to_be_bytes());
        URL_SAFE_NO_PAD.encode(octets)
    }

    /// Reads what [`Self::encode`] wrote, and nothing else.
    pub fn decode(text: &str) -> Option<Self> {
        let mut octets = [0; 25];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut octets).ok()?;
        let (version, rest) = octets.get(..length)?.split_first()?;
        let (created, id) = rest.split_first_chunk::<8>()?;
        if *version != CURSOR_VERSION {
            return None;
        }
        Some(Self {
            created: UnixMs(u64::from_be_bytes(*created)),
            id: MessageId::from_u128(u128::from_be_bytes(id.try_into().ok()?)),
        })
    }
}

/// Checks a request that [`route`] has found the endpoint of.
///
/// # Errors
/// The first rule broken, with the field at fault in [`Problem::param`]. No problem repeats the
/// value of a field.
pub fn parse(
    endpoint: Endpoint,
    head: &RequestHead<'_>,
    body: &[u8],
    limits: &CustomerLimits<'_>,
    policy: &UrlPolicy,
) -> Result<ApiRequest, Problem> {
    match endpoint {
        Endpoint::Submit => {
            query::refuse_query(head)?;
            submit::parse(head, body, limits, policy)
        }
        Endpoint::Get(id) => {
            query::refuse_query(head)?;
            refuse_body(body)?;
            Ok(ApiRequest::Get(id))
        }
        Endpoint::Redact(id) => {
            query::refuse_query(head)?;
            refuse_body(body)?;
            Ok(ApiRequest::Redact(id))
        }
        Endpoint::List => {
            refuse_body(body)?;
            query::parse_list(head.query).map(ApiRequest::List)
        }
        Endpoint::LookUpOne => {
            refuse_body(body)?;
            lookup::parse_one(head, limits).map(ApiRequest::LookUp)
        }
        Endpoint::LookUpMany => lookup::parse_batch(head, body, limits).map(ApiRequest::LookUp),
    }
}

/// A GET or DELETE with a body is read in different ways by different servers (RFC 9110 section 9.3.1).
fn refuse_body(body: &[u8]) -> Result<(), Problem> {
    if body.is_empty() {
        return Ok(());
    }
    Err(Problem::new(Code::BadRequest, "This request must not have a body."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cursors_read_back(created in any::<u64>(), id in any::<u128>()) {
            let cursor = Cursor { created: UnixMs(created), id: MessageId::from_u128(id) };
            let text = cursor.encode();
            prop_assert_eq!(text.len(), 34);
            prop_assert_eq!(Cursor::decode(&text), Some(cursor));
        }

        #[test]
        fn only_our_own_cursors_decode(text in "[A-Za-z0-9_=+/-]{0,40}|\\PC{0,40}") {
            if let Some(cursor) = Cursor::decode(&text) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }
    }

    #[test]
    fn other_versions_and_lengths_are_refused() {
        let encoded = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        assert!(Cursor::decode(&encoded(&[1; 25])).is_some());
        for octets in [&[2; 25][..], &[1; 24], &[1; 26], &[1; 9], &[1], &[]] {
            assert_eq!(Cursor::decode(&encoded(octets)), None);
        }
    }
}
