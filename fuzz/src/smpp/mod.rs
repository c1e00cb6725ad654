//! Targets of the SMPP crate.

pub mod framing;
pub mod pdu;
pub mod receipt;
pub mod session;
pub mod tlv;
