//! The REST surface of Postrider, pure: no socket, clock, thread or randomness. Lives nowhere; a
//! shard's driver hands it octets and time, and writes what it answers.
//!
//! * [`problem`]: every refusal, as a closed list and an RFC 9457 document.
//! * [`auth`]: API keys to customers.
//! * [`request`]: from a request's head and body to a checked [`request::ApiRequest`].
//! * [`response`]: the documents that customers read.
//! * [`explain`]: what would become of a message, and why.
//! * [`url_guard`]: which webhook addresses may be called.
//! * [`webhook`]: signed events, retry schedule and the delivery queue.

pub mod auth;
pub mod explain;
pub mod json;
pub mod lookup;
pub mod problem;
pub mod request;
pub mod response;
pub mod time;
pub mod url_guard;
pub mod webhook;
