//! `codec list`: the scenarios. `codec run NUMBER TIMES`: one of them, in silence, for a tool that counts from
//! outside. `codec time`: all of them in nanoseconds. On the main thread.

use core::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use postrider_peers::{CODECS, Pair, reference};

/// As in the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is done with a message and its answer, by each codec.
const STEPS: [&str; 4] = ["encode submit_sm", "decode submit_sm", "encode resp", "decode resp"];
/// Runs of which the fastest counts.
const RUNS: usize = 15;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    agree();
    match *words {
        ["list"] => {
            for (index, (codec, step)) in scenarios().enumerate() {
                println!("{index}\t{codec}\t{step}");
            }
        }
        ["run", index, times] => match (index.parse(), times.parse()) {
            (Ok(index), Ok(times)) => run(index, times),
            _ => return ExitCode::from(2),
        },
        ["time"] => {
            for (index, (codec, step)) in scenarios().enumerate() {
                println!("{:.1}\t{codec}\t{step}", nanoseconds(index));
            }
        }
        _ => {
            eprintln!("usage: codec list | codec run NUMBER TIMES | codec time");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Every scenario: codec and step; the last one is the pair of our sessions.
fn scenarios() -> impl Iterator<Item = (&'static str, &'static str)> {
    let steps = CODECS.into_iter().flat_map(|(name, _)| STEPS.map(|step| (name, step)));
    steps.chain([("postrider-smpp", "both sessions, all four")])
}

/// All codecs write the same octets and read the same fields of them.
fn agree() {
    let (submit, answer) = reference();
    for (name, new) in CODECS {
        let mut codec = new();
        assert_eq!(codec.encode_submit(), submit, "{name}");
        assert_eq!(codec.encode_resp(), answer, "{name}");
        assert_eq!(
            (codec.decode_submit(&submit), codec.decode_resp(&answer)),
            (b'3', b'9'),
            "{name}"
        );
    }
}

fn run(index: usize, times: u64) {
    let (submit, answer) = reference();
    let Some((_, new)) = CODECS.get(index / STEPS.len()) else { return rounds(times) };
    let mut codec = new();
    for _ in 0..times {
        match index % STEPS.len() {
            0 => black_box(codec.encode_submit()).len(),
            1 => codec.decode_submit(black_box(&submit)).into(),
            2 => black_box(codec.encode_resp()).len(),
            _ => codec.decode_resp(black_box(&answer)).into(),
        };
    }
}

fn rounds(times: u64) {
    let mut pair = Pair::bound();
    for _ in 0..times / Pair::STEP {
        pair.round();
    }
}

/// Of one message: the fastest of several runs.
fn nanoseconds(index: usize) -> f64 {
    const TIMES: u64 = 64 * 5_000;
    let one = || {
        let begin = Instant::now();
        run(index, TIMES);
        begin.elapsed().as_nanos()
    };
    let best = (0..RUNS).map(|_| one()).min().unwrap_or_default();
    best as f64 / TIMES as f64
}
