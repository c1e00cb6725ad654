//! What carriers see of their rates, the real program between a sender and simulated carriers: one rate
//! that was agreed, and one that nobody told. Each prints what came; a loaded machine gets three times
//! the bound. On the tests' threads, with everything else as processes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;

use std::time::Duration;

use common::alone;
use common::network::{CarrierSpec, Network, most_in_a_second, until_at_rest};
use common::stage::Load;

const ROUTE: &str = "[[routes]]\nprefix = \"\"\ncarriers = [\"alpha\"]\n";
/// The answer of a carrier that is given parts too fast.
const THROTTLED: u64 = 0x58;

/// Sends so many messages at a rate above the carrier's and waits until all are final.
/// Gives when it took parts, in microseconds, and how many it throttled.
fn play(spec: CarrierSpec, messages: u64, rate: f64) -> (Vec<u64>, usize) {
    play_under(ROUTE, spec, messages, rate)
}

/// The same with more in the configuration.
fn play_under(more: &str, spec: CarrierSpec, messages: u64, rate: f64) -> (Vec<u64>, usize) {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::set(folder.path(), 2, &[spec], more);
    let gateway = network.start_gateway();
    let sent = Load::start(network.load(messages, rate)).finish();
    assert_eq!((sent.refused_total, sent.unacknowledged, sent.unsent), (0, 0, 0));
    until_at_rest(&network, Duration::from_secs(180));
    let (report, ledgers) = network.strike(gateway);
    assert!(report.is_sound(), "{report}");
    assert_eq!((report.accepted, report.lost, report.duplicates), (messages, 0, 0));
    let lines = ledgers[0].lines();
    let throttled = lines.iter().filter(|line| line["k"] == "part" && line["st"] == THROTTLED);
    (ledgers[0].taken(), throttled.count())
}

#[test]
fn an_agreed_rate_is_kept_over_all_binds_and_shards() {
    const RATE: usize = 300;
    let _alone = alone();
    let keys = "binds = 4\nwindow = 50\nparts_per_second = 300";
    let spec = CarrierSpec::new("alpha", "--answer-delay-ms 20", keys);
    let (taken, throttled) = play(spec, 6_000, 600.0);
    let most = most_in_a_second(&taken);
    let span = Duration::from_micros(taken[taken.len() - 1] - taken[0]).as_secs_f64();
    let mean = taken.len() as f64 / span;
    println!("agreed {RATE}/s: {most} in a second at most, {mean:.1} a second over {span:.1} s");
    assert_eq!(throttled, 0);
    assert!(most <= RATE + 3 * RATE / 10, "{most}");
    assert!(mean >= 0.85 * RATE as f64, "{mean}");
}

#[test]
fn a_limit_that_nobody_told_is_found_and_held() {
    const HIDDEN: usize = 137;
    let _alone = alone();
    let keys = "binds = 4\nwindow = 50\nrate = \"discover\"";
    let spec = CarrierSpec::new("alpha", "--answer-delay-ms 20 --rate 137", keys);
    let (taken, throttled) = play(spec, 7_000, 400.0);
    let (from, to) = (taken[0] + 15_000_000, taken[taken.len() - 1] - 2_000_000);
    let held = taken.iter().filter(|at| (from..to).contains(at)).count() as f64;
    let held = held / Duration::from_micros(to - from).as_secs_f64() / HIDDEN as f64;
    let share = throttled as f64 / (taken.len() + throttled) as f64;
    println!(
        "hidden {HIDDEN}/s: {:.1} % of it held, {:.2} % throttled",
        held * 100.0,
        share * 100.0
    );
    if held < 0.95 || share > 0.01 {
        println!("  less than 95 % or more than 1 %: is the machine loaded?");
    }
    assert!(held >= 0.85 && share < 0.03, "{held} held, {share} throttled");
}

#[test]
fn a_senders_rate_is_kept_over_all_binds_and_shards() {
    const RATE: usize = 30;
    let _alone = alone();
    let sender = format!("{ROUTE}[[senders]]\nsender = \"Postrider\"\nparts_per_second = {RATE}\n");
    for keys in ["binds = 4\nwindow = 50", "binds = 1\nwindow = 50"] {
        let spec = CarrierSpec::new("alpha", "--answer-delay-ms 20", keys);
        let (taken, _) = play_under(&sender, spec, 450, 90.0);
        let most = most_in_a_second(&taken);
        let span = Duration::from_micros(taken[taken.len() - 1] - taken[0]).as_secs_f64();
        let mean = (taken.len() - 1) as f64 / span;
        println!(
            "sender, {RATE}/s: {most} in a second at most, {mean:.1} a second over {span:.1} s"
        );
        assert!(most <= RATE + 3 * RATE / 10, "{most}");
        assert!(mean >= 0.7 * RATE as f64, "{mean}");
    }
}
