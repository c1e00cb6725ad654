//! Bounds of what customers send over HTTP, and of the edge that takes it. Pure, lives nowhere.

use core::time::Duration;

// ---- What a customer sends ----

/// Characters (Unicode scalar values) of a message's text, unless the customer's own limit is lower.
pub const MAX_TEXT_CHARS: u32 = 1_600;
/// Parts of a message: the concatenation element counts them in one octet.
pub const MAX_PARTS: usize = 255;
/// Octets of UTF-8 that are one part in every alphabet: 70 units of UTF-16.
pub const ONE_PART_EVERYWHERE: usize = 70;
/// Octets of a request body.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// Octets of a request line and its headers.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Headers of a request.
pub const MAX_HEADERS: usize = 64;
/// Characters of `client_reference`.
pub const MAX_CLIENT_REFERENCE: usize = 128;
/// Characters of `webhook_url`.
pub const MAX_WEBHOOK_URL: usize = 2_048;
/// Shortest validity that a request may ask for.
pub const VALIDITY_MIN: Duration = Duration::from_secs(1);
/// Validity of a message whose request does not say.
pub const VALIDITY_DEFAULT: Duration = Duration::from_secs(48 * 3_600);
/// Longest validity.
pub const VALIDITY_MAX: Duration = Duration::from_secs(72 * 3_600);
/// Validity of a one-time password whose request does not say; and when one that is valid for longer
/// should have been sent.
pub const OTP_LIFE: Duration = Duration::from_secs(600);
/// A message without a receipt by validity plus this becomes unknown.
pub const RECEIPT_GRACE: Duration = Duration::from_secs(3_600);
/// Messages on a page, unless the request says.
pub const LIST_LIMIT_DEFAULT: u16 = 50;
/// Messages on a page at most.
pub const LIST_LIMIT_MAX: u16 = 1_000;
/// Messages that a shard looks at for one page; the page may then be short, with a cursor.
pub const LIST_SCAN_MAX: usize = 10_000;

// ---- The edge ----

/// Longest X-Request-Id that is taken over, in octets.
pub const MAX_REQUEST_ID: usize = 128;
/// TLS handshakes of a shard under way; more connections are refused.
pub const TLS_HANDSHAKES_PER_SHARD: usize = 256;
/// Time for a TLS handshake of one who connects.
pub const TLS_HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// Open HTTP connections of a shard; more are refused.
pub const HTTP_CONNECTIONS_PER_SHARD: usize = 10_000;
/// Requests of a shard that wait for an answer; more are refused with 503.
pub const HTTP_REQUESTS_PER_SHARD: usize = 8_192;
/// Time for a request's line and headers.
pub const HTTP_HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for a request's body.
pub const HTTP_BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection without a request is closed after this.
pub const HTTP_IDLE_TIMEOUT: Duration = Duration::from_secs(75);
