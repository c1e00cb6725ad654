//! What the benchmarks measure and how: texts and PDUs like the real ones, a log and a whole shard
//! in memory, named scenarios, clocks. One per benchmark process, on its one thread; no part of the
//! gateway depends on it.
//!
//! `cargo bench -p postrider-benches` is the canonical run. `scripts/instructions.sh` counts
//! instructions, which do not depend on what else the machine does.
#![allow(
    clippy::expect_used,
    reason = "a benchmark that cannot set up its subject has nothing to measure"
)]

pub mod clock;
pub mod gateway;
pub mod journal;
pub mod sample;
pub mod scenario;
pub mod tally;

/// Refuses to measure a build without optimisation: its numbers would say nothing.
///
/// # Panics
/// When debug assertions are on, unless the benchmarks only run as tests (`cargo test` does not
/// pass `--bench`).
pub fn check_build() {
    let measuring = std::env::args().any(|argument| argument == "--bench");
    assert!(
        !(cfg!(debug_assertions) && measuring),
        "this build has debug assertions and perhaps no optimisation: run `cargo bench -p postrider-benches`"
    );
}
