//! The end of the canonical run: what one message costs a core, and our parts beside the obvious
//! alternative, both measured in turns in this very process. On the main thread.

use divan::black_box;
use postrider_benches::clock::{cpu, ns_each, wall};
use postrider_benches::gateway::{Entrance, Gateway};
use postrider_benches::sample::GSM_SHORT;
use postrider_core::text;
use postrider_shards::wheel::Wheel;

use crate::{Wanted, ring, wheel};

/// How much is measured.
struct Effort {
    /// Turns of each side; the median counts.
    rounds: usize,
    /// Divides the work of a turn.
    less: u64,
}

/// Prints the summary, unless words on the command line choose other groups.
pub fn run() {
    let Wanted::Yes { measuring } = crate::wanted("summary") else { return };
    let effort =
        if measuring { Effort { rounds: 9, less: 1 } } else { Effort { rounds: 1, less: 100 } };
    if !measuring {
        println!("\nA trial run, not a measurement: the numbers below mean nothing.");
    }
    messages(&effort);
    ratios(&effort);
}

/// Messages a second on one core, and processor time of each.
fn messages(effort: &Effort) {
    println!("\none message through the shard machine   messages/s     CPU us");
    for (name, entrance, at_once) in [
        ("alone under way", Entrance::Machine, 1),
        ("64 under way", Entrance::Machine, 64),
        ("64 under way, with the API around it", Entrance::Api, 64),
    ] {
        let count = (64_000 / effort.less).next_multiple_of(64);
        let mut gateway = Gateway::new(entrance);
        let (wall_ns, cpu_ns) = median(effort.rounds, || {
            let before = (wall(), cpu());
            gateway.rounds(count, at_once);
            (ns_each(wall() - before.0, count), ns_each(cpu() - before.1, count))
        });
        println!("  {name:<36}{:>13.0}{:>11.2}", 1e9 / wall_ns, cpu_ns / 1e3);
    }
}

/// Ours beside the alternative: nanoseconds of each, and the one divided by the other.
fn ratios(effort: &Effort) {
    println!("\nratios in this run                          ours ns   other ns   ours/other");
    let turns = 20_000 / effort.less;
    ratio(
        "ring / std mpsc, one thread",
        effort,
        many(ring::TURN, turns, ring::one_thread()),
        many(ring::TURN, turns, ring::std_one_thread()),
    );
    let crossing = ring::CROSSING / effort.less;
    ratio(
        "ring / std mpsc, thread to thread",
        effort,
        many(crossing, 1, || ring::two_threads(crossing)),
        many(crossing, 1, || ring::std_two_threads(crossing)),
    );
    wheels(effort);
    let texts = 200_000 / effort.less;
    let naive = naive_table();
    ratio(
        "GSM encode / search in a naive table",
        effort,
        many(1, texts, || text::encode(black_box(GSM_SHORT))),
        many(1, texts, || naive_encode(&naive, black_box(GSM_SHORT))),
    );
    let encoded = text::encode(GSM_SHORT);
    let ours = encoded.bytes().to_vec();
    assert_eq!(naive_encode(&naive, GSM_SHORT), Some(ours), "both encode alike");
}

fn wheels(effort: &Effort) {
    let pending = wheel::PENDING / effort.less;
    let times = 200_000 / effort.less;
    let mut ours: Wheel<u64> = wheel::filled(pending);
    let mut theirs: wheel::Tree = wheel::filled(pending);
    let (mut next, mut next_other) = (pending, pending);
    ratio(
        "wheel / BTreeMap, insert and cancel, 1M set",
        effort,
        many(1, times, || {
            next += 1;
            wheel::insert_one_and_cancel_it(&mut ours, next)
        }),
        many(1, times, || {
            next_other += 1;
            wheel::insert_one_and_cancel_it(&mut theirs, next_other)
        }),
    );
    ratio(
        "wheel / BTreeMap, fill and expire 1M",
        effort,
        many(pending, 1, || wheel::fire_all(&mut wheel::filled::<Wheel<u64>>(pending))),
        many(pending, 1, || wheel::fire_all(&mut wheel::filled::<wheel::Tree>(pending))),
    );
}

/// A turn: `times` calls of `each` operations; gives nanoseconds of one operation.
fn many<R>(each: u64, times: u64, mut operation: impl FnMut() -> R) -> impl FnMut() -> f64 {
    move || {
        let before = wall();
        for _ in 0..times {
            black_box(operation());
        }
        ns_each(wall() - before, each * times)
    }
}

fn ratio(
    name: &str,
    effort: &Effort,
    mut ours: impl FnMut() -> f64,
    mut theirs: impl FnMut() -> f64,
) {
    // In turns, so that a change of the machine's speed meets both.
    let (ours, theirs) = median(effort.rounds, || (ours(), theirs()));
    println!("  {name:<42}{ours:>9.1}{theirs:>11.1}{:>12.2}", ours / theirs);
}

/// The medians of both sides.
fn median(rounds: usize, mut turn: impl FnMut() -> (f64, f64)) -> (f64, f64) {
    let (mut left, mut right): (Vec<f64>, Vec<f64>) = (0..rounds).map(|_| turn()).unzip();
    let middle = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    (middle(&mut left), middle(&mut right))
}

/// Character and code (0x80 marks the extension table), in no useful order.
fn naive_table() -> Vec<(char, u8)> {
    let basic = text::basic_table().map(|(code, c)| (c, code));
    basic.chain(text::extension_table().map(|(code, c)| (c, 0x80 | code))).collect()
}

fn naive_encode(table: &[(char, u8)], text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    for c in text.chars() {
        let code = table.iter().find(|(own, _)| *own == c)?.1;
        if code >= 0x80 {
            octets.push(0x1B);
        }
        octets.push(code & 0x7F);
    }
    Some(octets)
}
