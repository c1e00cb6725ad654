//! The micro-benchmarks of Postrider, one module a group. `cargo bench -p postrider-benches` runs
//! them all and ends with the summary; words behind `--` choose groups, `summary` among them. One
//! process, on its main thread unless a benchmark says otherwise.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a benchmark that cannot set up its subject has nothing to measure"
)]

mod http;
mod ids;
mod log;
mod receipts;
mod ring;
mod runs;
mod session;
mod shard;
mod smpp;
mod summary;
mod text;
mod wheel;

/// As in the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    postrider_benches::check_build();
    divan::main();
    summary::run();
}
