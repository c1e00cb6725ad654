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

#[path = "../../fuzz/src/core/mod.rs"]
mod bodies;
#[path = "../../fuzz/src/input.rs"]
mod input;
#[path = "../../fuzz/src/replay.rs"]
mod replay;

use replay::{corpus, replay};

#[test]
fn gsm7() {
    replay("gsm7", bodies::gsm7::run);
}

#[test]
fn reassembly() {
    replay("reassembly", bodies::reassembly::run);
}

#[test]
fn every_corpus_is_replayed_here_or_in_the_crate_it_is_about() {
    let mut folders: Vec<String> = std::fs::read_dir(corpus(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let replayed = ["framing", "gsm7", "pdu", "reassembly", "receipt", "record", "session", "tlv"];
    assert_eq!(folders, replayed);
}
