//! What `postrider plan` predicts against what the real program does over simulated carriers: where
//! windows, a rate or a core binds, and how long a backlog takes. Each prints both; a loaded machine
//! gets three times the bound. On the test's thread, with everything else as processes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;

use std::time::Duration;

use common::network::{CarrierSpec, Network, until_at_rest};
use common::stage::Load;
use common::{alone, program, run_to_end};
use postrider_loadgen::load::LoadOptions;
use serde_json::Value;

/// By how much a prediction may be off where windows or a rate bind, and where a core does.
const CLOSE: f64 = 0.10;
const CORE_CLOSE: f64 = 0.25;
/// What a loaded machine gets.
const LOADED: f64 = 3.0;

const ROUTE: &str = "[[routes]]\nprefix = \"\"\ncarriers = [\"alpha\"]\n";

/// What the plan says of a load.
fn predict(network: &Network, arguments: &[&str]) -> Value {
    let mut command = program("plan");
    command.args(["--json", "--config"]).arg(network.config()).args(arguments);
    let ended = run_to_end(command, "", Duration::from_secs(30));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    serde_json::from_str::<Value>(&ended.stdout).unwrap()["forecast"].clone()
}

/// Sends messages as fast as they are taken, and waits for the end of all.
fn flood(network: &Network, options: LoadOptions) {
    let sent = Load::start(options).finish();
    assert_eq!((sent.refused_total, sent.unacknowledged, sent.unsent), (0, 0, 0));
    until_at_rest(network, Duration::from_secs(90));
}

/// Parts a second at the carrier, without the beginning, in which windows fill, and the very end.
fn measured(times: &[u64]) -> f64 {
    let (from, to) = (times.len() / 5, times.len() * 19 / 20);
    (to - from) as f64 / ((times[to - 1] - times[from]) as f64 / 1e6)
}

fn compare(what: &str, predicted: f64, measured: f64, close: f64) {
    let off = predicted / measured - 1.0;
    let bound = close * 100.0;
    println!("{what}: predicted {predicted:.1}, measured {measured:.1}: {:+.1} %", off * 100.0);
    if off.abs() > close {
        println!("  beyond {bound:.0} %: is the machine loaded?");
    }
    assert!(off.abs() <= close * LOADED, "{what} is off by more than three times {bound:.0} %");
}

/// Runs `messages` through one carrier and compares its parts a second, and how long they took.
fn one_carrier(name: &str, spec: CarrierSpec, arguments: &[&str], messages: u64, bound: &str) {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::set(folder.path(), 2, &[spec], ROUTE);
    let backlog = messages.to_string();
    let arguments = [arguments, &["--backlog", &backlog]].concat();
    let said = predict(&network, &arguments);
    assert_eq!(said["binds_first"]["bound"], bound, "{said}");
    let gateway = network.start_gateway();
    flood(&network, network.load(messages, 0.0));
    let page = network.shards();
    let sum = |key: &str| -> u64 {
        page["data"].as_array().unwrap().iter().map(|own| own[key].as_u64().unwrap()).sum()
    };
    println!(
        "{name}: answers took {:.1} ms",
        sum("answer_us") as f64 / sum("answers") as f64 / 1e3
    );
    let (report, ledgers) = network.strike(gateway);
    let taken = ledgers[0].taken();
    let most = said["most_messages_per_second"].as_f64().unwrap();
    compare(&format!("{name}, parts a second"), most, measured(&taken), CLOSE);
    let seconds = (taken[taken.len() - 1] - taken[0]) as f64 / 1e6;
    let drain = said["drain_seconds"].as_f64().unwrap();
    compare(&format!("{name}, seconds for {messages}"), drain, seconds, CLOSE);
    assert_eq!((report.lost, report.duplicates), (0, 0), "{report}");
}

/// 4 binds of 5, answers after 50 ms: 400 parts a second.
#[test]
fn windows_bind_as_predicted() {
    let _alone = alone();
    let spec = CarrierSpec::new("alpha", "--answer-delay-ms 50", "binds = 4\nwindow = 5");
    one_carrier("windows", spec, &["--rtt", "50"], 2_400, "windows");
}

/// 2 binds of 30, answers after 300 ms: 200 parts a second.
#[test]
fn round_trips_bind_as_predicted() {
    let _alone = alone();
    let spec = CarrierSpec::new("alpha", "--answer-delay-ms 300", "binds = 2\nwindow = 30");
    one_carrier("round trips", spec, &["--rtt", "alpha=300"], 1_600, "windows");
}

#[test]
fn a_rate_binds_as_predicted() {
    let _alone = alone();
    let keys = "binds = 2\nwindow = 50\nparts_per_second = 300";
    let spec = CarrierSpec::new("alpha", "--answer-delay-ms 5", keys);
    one_carrier("rate", spec, &["--rtt", "5"], 2_400, "rate");
}

/// What the shards and the process used so far, microseconds.
fn used(network: &Network) -> f64 {
    let page = network.shards();
    let shards = page["data"].as_array().unwrap().iter();
    shards.map(|own| own["cpu_us"].as_u64().unwrap()).sum::<u64>() as f64
}

/// A short run tells what a longer one with more connections comes to. The sender and the carrier
/// share the cores, so the shard gets a part of one: the prediction is for that part.
#[test]
fn a_core_binds_as_predicted() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let spec = CarrierSpec::new("alpha", "--receipt-delay-ms 5", "binds = 4\nwindow = 500");
    let network = Network::set(folder.path(), 1, &[spec], ROUTE);
    let mut gateway = network.start_gateway();
    let file = folder.path().join("calibration.json");
    // What memory and files cost for the first time is not what a message costs.
    let warm = LoadOptions { ledger: None, ..network.load(4_000, 0.0) };
    flood(&network, warm.clone());
    let calibration = Some(file.clone());
    flood(&network, LoadOptions { first_number: 50_000, messages: 8_000, calibration, ..warm });
    let said = predict(&network, &["--cores", "2", "--calibration", file.to_str().unwrap()]);
    assert_eq!(said["binds_first"]["bound"], "cores", "{said}");
    println!("calibrated: {}", std::fs::read_to_string(&file).unwrap().replace('\n', " "));
    let (before, begun) = (used(&network), std::time::Instant::now());
    let messages = 12_000;
    let flooding =
        LoadOptions { first_number: 100_000, connections: 96, ..network.load(messages, 0.0) };
    flood(&network, flooding);
    let seconds = begun.elapsed().as_secs_f64();
    gateway.assert_running();
    let share = (used(&network) - before) / 1e6 / seconds;
    let predicted = said["most_messages_per_second"].as_f64().unwrap();
    let rate = messages as f64 / seconds;
    println!(
        "a core: {predicted:.0} messages a second predicted for a whole core, {rate:.0} of {share:.2}"
    );
    compare("a core, messages a second", predicted * share, rate, CORE_CLOSE);
    // The calibration's messages are in no ledger of the sender.
    let (report, _) = network.strike(gateway);
    assert_eq!((report.lost, report.duplicates), (0, 0), "{report}");
}
