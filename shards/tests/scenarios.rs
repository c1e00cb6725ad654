//! Carriers under real conditions, the real program between a sender and simulated carriers: one dies,
//! or all are away for a minute. Each tells what was lost, what came twice, the longest time without a
//! part, and how close rates came to their ceilings. On the tests' threads, with everything else as processes.
//!
//! `POSTRIDER_SCENARIO_RATE` is the messages a second of the first one: 5000 on a machine of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use common::network::{
    CarrierLedger, CarrierSpec, Line, Network, longest_gap, most_in_a_second, until_at_rest,
};
use common::stage::Load;
use common::{Process, alone, unix_us};
use postrider_loadgen::ledger::Report;
use serde_json::Value;

/// Traffic leaves a carrier that is not there, and parts go on to another, within this.
const LEAVE: Duration = Duration::from_secs(10);
/// What a loaded machine gets of each bound of time.
const LOADED: u32 = 3;
/// Everything is bound again within this of a carrier's return.
const RETURN: Duration = Duration::from_secs(65);

const ROUTE: &str = "[[routes]]\nprefix = \"\"\ncarriers = [\"north\", \"south\"]\n";

/// One scenario under way.
struct Scene {
    network: Network,
    gateway: Process,
    begun: Instant,
    load: Load,
}

impl Scene {
    /// Starts everything, and a load of `seconds` at `rate`.
    fn begin(folder: &Path, specs: &[CarrierSpec], rate: u64, seconds: u64) -> Self {
        let network = Network::set(folder, 2, specs, ROUTE);
        let gateway = network.start_gateway();
        let load = Load::start(network.load(rate * seconds, rate as f64));
        Self { network, gateway, begun: Instant::now(), load }
    }

    /// Waits until so many seconds of the load have passed, then puts lines into a state.
    fn at(&self, seconds: u64, names: &[&str], line: Line) -> u64 {
        let due = self.begun + Duration::from_secs(seconds);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        for name in names {
            self.network.peer(name).set(line);
        }
        unix_us()
    }

    /// Waits for the load, lets every line carry, waits until all is final, and makes the account.
    fn end(self, what: &'static str, limit: Duration) -> Outcome {
        let sent = self.load.finish();
        assert_eq!((sent.refused_total, sent.unacknowledged, sent.unsent), (0, 0, 0), "{what}");
        for peer in &self.network.peers {
            peer.set(Line::Up);
        }
        until_at_rest(&self.network, limit);
        let folder = self.network.folder.clone();
        let (report, ledgers) = self.network.strike(self.gateway);
        let taken = ledgers.iter().map(|ledger| (ledger.name, ledger.taken())).collect();
        let delays = delays(&folder, &ledgers);
        let log = std::fs::read_to_string(folder.join("gateway.log")).unwrap();
        assert!(!log.contains("panicked"), "{what}: {log}");
        Outcome { what, report, taken, delays }
    }
}

/// From each message's acceptance to its first part at a carrier.
fn delays(folder: &Path, ledgers: &[CarrierLedger]) -> Vec<Duration> {
    let mut first: HashMap<String, u64> = HashMap::new();
    for line in ledgers.iter().flat_map(CarrierLedger::lines) {
        if line["k"] == "part" && line["st"] == 0 {
            let (to, at) = (line["to"].as_str().unwrap(), line["t"].as_u64().unwrap());
            let known = first.entry(to.trim_start_matches('+').to_owned()).or_insert(at);
            *known = at.min(*known);
        }
    }
    let mut numbers: HashMap<u64, String> = HashMap::new();
    let mut delays = Vec::new();
    let sent = std::fs::read_to_string(folder.join("load.ndjson")).unwrap();
    for line in sent.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let index = line["i"].as_u64();
        if line["k"] == "req" {
            let to = line["to"].as_str().unwrap().trim_start_matches('+').to_owned();
            numbers.insert(index.unwrap(), to);
        } else if line["k"] == "acc" {
            let taken = first[&numbers[&index.unwrap()]];
            let accepted = line["t"].as_u64().unwrap();
            delays.push(Duration::from_micros(taken.saturating_sub(accepted)));
        }
    }
    delays
}

struct Outcome {
    what: &'static str,
    report: Report,
    /// When each carrier took parts.
    taken: Vec<(&'static str, Vec<u64>)>,
    delays: Vec<Duration>,
}

impl Outcome {
    fn of(&self, name: &str) -> &[u64] {
        &self.taken.iter().find(|(own, _)| *own == name).unwrap().1
    }

    fn all(&self) -> Vec<u64> {
        let mut all: Vec<u64> =
            self.taken.iter().flat_map(|(_, times)| times.iter().copied()).collect();
        all.sort_unstable();
        all
    }

    /// Messages that no carrier had within a time of their acceptance.
    fn later_than(&self, limit: Duration) -> u64 {
        self.delays.iter().filter(|delay| **delay > limit).count() as u64
    }

    /// Prints the account; nothing is lost, and what came twice is within `twice`. `ceilings` are
    /// rates that carriers were promised.
    fn tell(&self, twice: u64, ceilings: &[(&str, usize)]) {
        let Self { what, report, .. } = self;
        println!(
            "{what}: {} accepted, {} lost, {} duplicates (at most {twice}), longest gap {:.1} s, \
             {} messages later than {} s, the latest after {:.1} s",
            report.accepted,
            report.lost,
            report.duplicates,
            longest_gap(&self.all()).as_secs_f64(),
            self.later_than(LEAVE),
            LEAVE.as_secs(),
            self.delays.iter().max().unwrap().as_secs_f64(),
        );
        for (name, times) in &self.taken {
            let most = most_in_a_second(times);
            let ceiling = ceilings.iter().find(|(own, _)| own == name);
            let of = ceiling.map(|(_, rate)| format!(" of {rate}")).unwrap_or_default();
            println!("  {name}: {} parts, {most}{of} in a second at most", times.len());
            if let Some((_, rate)) = ceiling {
                assert!(most <= rate + rate / 10, "{what}: {most} in a second at {name}");
            }
        }
        assert!(report.is_sound(), "{what}: {report}");
        assert_eq!(report.webhooks, report.accepted, "{what}: every message has its end");
        assert!(report.duplicates <= twice, "{what}: {report}");
    }

    /// Fails when no part was taken for too long.
    fn assert_gap(&self) {
        let gap = longest_gap(&self.all());
        if gap > LEAVE {
            println!("  a gap of more than {LEAVE:?}: is the machine loaded?");
        }
        assert!(gap <= LEAVE * LOADED, "{}: nothing was taken for {gap:?}", self.what);
    }
}

fn rate_of_the_first() -> u64 {
    let asked = std::env::var("POSTRIDER_SCENARIO_RATE").ok();
    asked.map_or(1_000, |rate| rate.parse().expect("POSTRIDER_SCENARIO_RATE is a number"))
}

/// The primary's binds break at full traffic, and it does not come back before the end of the load.
#[test]
fn a_primary_that_dies_loses_nothing_and_is_left_within_ten_seconds() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let keys = "binds = 4\nwindow = 100";
    let specs = ["north", "south"]
        .map(|name| CarrierSpec::new(name, "--answer-delay-ms 10 --receipt-delay-ms 100", keys));
    let scene = Scene::begin(folder.path(), &specs, rate_of_the_first(), 12);
    let died = scene.at(4, &["north"], Line::Cut);
    let outcome = scene.end("primary dies", RETURN + LEAVE);
    // In flight, and answered and not yet on disk: a window of each a bind.
    outcome.tell(2 * 4 * 100, &[]);
    outcome.assert_gap();
    let south = outcome.of("south");
    let moved = south.iter().find(|at| **at > died).unwrap() - died;
    println!("  the secondary has traffic {:.3} s after that", moved as f64 / 1e6);
    assert!(outcome.later_than(LEAVE * LOADED) == 0);
}

/// Both carriers hang up for a minute: what was accepted waits, and goes when they are back.
#[test]
fn all_carriers_away_for_a_minute_lose_nothing() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let keys = "binds = 2\nwindow = 50\nparts_per_second = 400";
    let specs = ["north", "south"].map(|name| CarrierSpec::new(name, "--answer-delay-ms 10", keys));
    let scene = Scene::begin(folder.path(), &specs, 50, 70);
    scene.at(3, &["north", "south"], Line::Cut);
    let back = scene.at(63, &["north", "south"], Line::Up);
    let outcome = scene.end("all carriers away for 60 s", 2 * RETURN);
    outcome.tell(2 * 2 * 2 * 50, &[("north", 400), ("south", 400)]);
    let again = outcome.all().into_iter().find(|at| *at > back).unwrap() - back;
    println!("  parts go again {:.1} s after their return", again as f64 / 1e6);
    assert!(Duration::from_micros(again) <= RETURN * LOADED);
}
