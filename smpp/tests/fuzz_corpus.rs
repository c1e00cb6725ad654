//! The inputs that the fuzzer's targets of this crate have met, again. Test code.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    unreachable_pub,
    reason = "tests; the fuzzer's own crate uses the rest"
)]

#[path = "../../fuzz/src/smpp/mod.rs"]
mod bodies;
#[path = "../../fuzz/src/input.rs"]
mod input;
#[path = "../../fuzz/src/replay.rs"]
mod replay;

use replay::replay;

#[test]
fn framing() {
    replay("framing", bodies::framing::run);
}

#[test]
fn pdu() {
    replay("pdu", bodies::pdu::run);
}

#[test]
fn tlv() {
    replay("tlv", bodies::tlv::run);
}

#[test]
fn receipt() {
    replay("receipt", bodies::receipt::run);
}

#[test]
fn session() {
    replay("session", bodies::session::run);
}
