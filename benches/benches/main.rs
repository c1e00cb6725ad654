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
mod life;
mod log;
mod numbers;
mod receipts;
mod ring;
mod routing;
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
    life::run();
    summary::run();
}

/// Whether a group that is no benchmark of divan's is asked for, and whether the run measures.
enum Wanted {
    Yes { measuring: bool },
    No,
}

/// Words on the command line choose groups; without words all are wanted.
fn wanted(group: &str) -> Wanted {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let measuring = words.iter().any(|word| word == "--bench");
    let listing = words.iter().any(|word| word == "--list");
    let mut groups = words.iter().filter(|word| !word.starts_with('-')).peekable();
    if listing || (groups.peek().is_some() && !groups.any(|word| word == group)) {
        return Wanted::No;
    }
    Wanted::Yes { measuring }
}
