//! SMPP 3.4 and 5.0, both roles, pure: codec, session machine, delivery receipts. No socket, file, clock, thread
//! or randomness: octets and time come in as arguments, so the crate lives nowhere and its session once
//! per bind on the bind's shard.
#![forbid(unsafe_code)]

pub mod backoff;
pub mod bounds;
pub mod command;
pub mod json;
pub mod layout;
mod octets;
pub mod pdu;
pub mod receipt;
mod receipt_text;
mod receipt_write;
pub mod session;
pub mod status;
pub mod tlv;
pub mod values;
mod wire;
