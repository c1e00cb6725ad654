//! The inputs that the fuzzer's target of this crate has met, again. Test code.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    unreachable_pub,
    reason = "tests; the fuzzer's own crate uses the rest"
)]

#[path = "../../fuzz/src/storage/mod.rs"]
mod bodies;
#[path = "../../fuzz/src/replay.rs"]
mod replay;

use replay::replay;

#[test]
fn record() {
    replay("record", bodies::record::run);
}
