//! `count`: runs one named scenario a given number of times and prints nothing, for a tool that
//! counts from outside. `count list` names the scenarios. On the main thread.

use std::process::ExitCode;

use postrider_benches::scenario::{SCENARIOS, find};

/// As in the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: count list | count SCENARIO TIMES";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *words {
        ["list"] => {
            for scenario in &SCENARIOS {
                println!("{}\t{}\t{}", scenario.name, scenario.step, scenario.about);
            }
            ExitCode::SUCCESS
        }
        [name, times] => match (find(name), times.parse::<u64>()) {
            (Some(scenario), Ok(times)) if times.is_multiple_of(scenario.step) => {
                (scenario.run)(times);
                ExitCode::SUCCESS
            }
            _ => fail("no such scenario, or not a multiple of its step"),
        },
        _ => fail(USAGE),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(2)
}
