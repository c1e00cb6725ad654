//! Carriers under real conditions, the real program between a sender and simulated carriers: one dies,
//! falls silent, throttles, answers after a minute, or claims what it cannot know, or all are away for a
//! minute. Each tells what was lost, what came twice, the longest time without a part, and how close rates
//! came to their ceilings. On the tests' threads, with everything else as processes.
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
use common::{HUNG, Process, alone, unix_us, until};
use postrider_loadgen::ledger::Report;
use postrider_loadgen::load::LoadSummary;
use serde_json::Value;

/// Traffic leaves a carrier that is not there, and parts go on to another, within this.
const LEAVE: Duration = Duration::from_secs(10);
/// What a loaded machine gets of each bound of time.
const LOADED: u32 = 3;
/// Everything is bound again within this of a carrier's return.
const RETURN: Duration = Duration::from_secs(65);

const ROUTE: &str = "[[routes]]\nprefix = \"\"\ncarriers = [\"north\", \"south\"]\n";
/// What the first has no room for goes to the second.
const OVERFLOW: &str = "[[routes]]\nprefix = \"\"\ncost_tolerance_percent = 0\n\
    carriers = [\"north\", \"south\"]\n";
/// Which of them is better, traffic shows.
const EQUALS: &str = "[[routes]]\nprefix = \"\"\ncarriers = [\
    { carrier = \"north\", priority = 1 }, { carrier = \"south\", priority = 1 }]\n";
/// A carrier that answers in 10 ms and reports in 100 ms.
const USUAL: &str = "--answer-delay-ms 10 --receipt-delay-ms 100";

/// One scenario under way.
struct Scene {
    network: Network,
    gateway: Process,
    begun: Instant,
    load: Load,
}

impl Scene {
    /// Starts everything, and a load of `seconds` at `rate`.
    fn begin(
        folder: &Path,
        specs: &[CarrierSpec],
        route: &str,
        (rate, seconds): (u64, u64),
    ) -> Self {
        let network = Network::set(folder, 2, specs, route);
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
        let unknown = self.network.metric("postrider_parts_outcome_unknown");
        let resent = self.network.metric("postrider_parts_resubmitted");
        let folder = self.network.folder.clone();
        let (report, ledgers) = self.network.strike(self.gateway);
        let carriers = ledgers.iter().map(Traffic::of).collect();
        let delays = delays(&folder, &ledgers);
        let log = std::fs::read_to_string(folder.join("gateway.log")).unwrap();
        assert!(!log.contains("panicked"), "{what}: {log}");
        Outcome { what, sent, report, carriers, delays, unknown, resent }
    }
}

/// When a carrier was handed parts, Unix microseconds, in order.
struct Traffic {
    name: &'static str,
    taken: Vec<u64>,
    refused: Vec<u64>,
}

impl Traffic {
    fn of(ledger: &CarrierLedger) -> Self {
        let refused = ledger.times(|status| status != 0);
        Self { name: ledger.name, taken: ledger.taken(), refused }
    }

    /// The most that it was handed in a second, taken or not.
    fn most_in_a_second(&self) -> usize {
        let mut all = [self.taken.as_slice(), &self.refused].concat();
        all.sort_unstable();
        most_in_a_second(&all)
    }

    /// When, after `since`, it first took so many parts within a second.
    fn reaches(&self, count: usize, since: u64) -> Option<Duration> {
        let later = &self.taken[self.taken.partition_point(|at| *at <= since)..];
        let full = later.windows(count).find(|some| some[count - 1] - some[0] < 1_000_000);
        full.map(|some| Duration::from_micros(some[0] - since))
    }
}

/// How many of these times lie within such a span.
fn within(times: &[u64], from: u64, to: u64) -> usize {
    times.partition_point(|at| *at < to) - times.partition_point(|at| *at < from)
}

/// For each message when it was accepted, and the time from then to its first part at a carrier.
fn delays(folder: &Path, ledgers: &[CarrierLedger]) -> Vec<(u64, Duration)> {
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
            delays.push((accepted, Duration::from_micros(taken.saturating_sub(accepted))));
        }
    }
    delays
}

struct Outcome {
    what: &'static str,
    sent: LoadSummary,
    report: Report,
    carriers: Vec<Traffic>,
    delays: Vec<(u64, Duration)>,
    /// Parts of which nobody knew what became of them, and those that were sent again for that.
    unknown: u64,
    resent: u64,
}

impl Outcome {
    fn of(&self, name: &str) -> &Traffic {
        self.carriers.iter().find(|own| own.name == name).unwrap()
    }

    /// When any carrier took parts.
    fn all(&self) -> Vec<u64> {
        let mut all: Vec<u64> =
            self.carriers.iter().flat_map(|own| own.taken.iter().copied()).collect();
        all.sort_unstable();
        all
    }

    /// Messages that no carrier had within a time of their acceptance.
    fn later_than(&self, limit: Duration) -> u64 {
        self.delays.iter().filter(|(_, delay)| *delay > limit).count() as u64
    }

    /// The longest time in which no carrier took anything while messages came.
    fn gap(&self) -> Duration {
        let last = self.delays.iter().map(|(accepted, _)| *accepted).max().unwrap();
        let all = self.all();
        longest_gap(&all[..all.partition_point(|at| *at <= last)])
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
            self.gap().as_secs_f64(),
            self.later_than(LEAVE),
            LEAVE.as_secs(),
            self.delays.iter().map(|(_, delay)| *delay).max().unwrap().as_secs_f64(),
        );
        println!(
            "  {} parts of unknown outcome, {} sent again; the sender reached {:.0} of {:.0} a \
             second, late by {}",
            self.unknown,
            self.resent,
            self.sent.rate_achieved,
            self.sent.rate_asked,
            self.sent.lag_ms,
        );
        for own in &self.carriers {
            let (name, most) = (own.name, own.most_in_a_second());
            let ceiling = ceilings.iter().find(|(own, _)| *own == name);
            let of = ceiling.map(|(_, rate)| format!(" of {rate}")).unwrap_or_default();
            println!("  {name}: {} parts, {most}{of} in a second at most", own.taken.len());
            if let Some((_, rate)) = ceiling {
                let over = most.saturating_sub(*rate);
                assert!(
                    over <= rate / 10 * LOADED as usize,
                    "{what}: {most} in a second at {name}"
                );
            }
        }
        assert!(report.is_sound(), "{what}: {report}");
        assert_eq!(report.webhooks, report.accepted, "{what}: every message has its end");
        assert!(report.duplicates <= twice, "{what}: {report}");
    }

    /// Fails when no part was taken for too long.
    fn assert_gap(&self) {
        let gap = self.gap();
        if gap > LEAVE {
            println!("  a gap of more than {LEAVE:?}: is the machine loaded?");
        }
        assert!(gap <= LEAVE * LOADED, "{}: nothing was taken for {gap:?}", self.what);
    }

    /// Fails when traffic stayed with a carrier that is not there. Parts on the wire, so many at most,
    /// may have waited longer than the others for an answer.
    fn assert_left(&self, on_the_wire: u64) {
        let late = self.later_than(LEAVE);
        if late > on_the_wire {
            println!(
                "  {late} messages were late, {on_the_wire} on the wire: is the machine loaded?"
            );
        }
        assert_eq!(self.later_than(LEAVE * LOADED), 0, "{}", self.what);
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
    let specs = ["north", "south"].map(|name| CarrierSpec::new(name, USUAL, keys));
    let scene = Scene::begin(folder.path(), &specs, ROUTE, (rate_of_the_first(), 12));
    let died = scene.at(4, &["north"], Line::Cut);
    let outcome = scene.end("primary dies", RETURN + LEAVE);
    // In flight, and answered and not yet on disk: a window of each a bind.
    outcome.tell(2 * 4 * 100, &[]);
    outcome.assert_gap();
    let moved = outcome.of("south").reaches(1, died).unwrap();
    println!("  the secondary has traffic {:.3} s after that", moved.as_secs_f64());
    outcome.assert_left(0);
}

/// The primary's line keeps its octets, both ways, for longer than parts wait for their answer; then all
/// that it kept arrives at once, and the primary is as it was.
#[test]
fn a_primary_that_falls_silent_is_left_within_ten_seconds_and_gets_its_traffic_back() {
    const RATE: u64 = 500;
    const WINDOWS: u64 = 4 * 20;
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let keys = "binds = 4\nwindow = 20\nresponse_timeout_seconds = 15";
    let specs = ["north", "south"].map(|name| CarrierSpec::new(name, USUAL, keys));
    let scene = Scene::begin(folder.path(), &specs, ROUTE, (RATE, 60));
    let silent = scene.at(4, &["north"], Line::Held);
    let heard = scene.at(32, &["north"], Line::Up);
    let outcome = scene.end("primary half-open for 28 s", RETURN + LEAVE);
    outcome.tell(2 * WINDOWS, &[]);
    outcome.assert_gap();
    outcome.assert_left(WINDOWS);
    let moved = outcome.of("south").reaches(1, silent).unwrap();
    let back = outcome.of("north").reaches(RATE as usize / 2, heard);
    let back = back.expect("the primary has half of the traffic again before the load ends");
    println!(
        "  the secondary has traffic {:.3} s after the silence began, the primary half of it {:.1} s \
         after the silence",
        moved.as_secs_f64(),
        back.as_secs_f64()
    );
}

/// The primary takes what was agreed for a while, then throttles all above a tenth of it.
#[test]
fn a_primary_that_throttles_to_a_tenth_keeps_that_and_leaves_the_rest_to_the_secondary() {
    const AGREED: usize = 500;
    const THEN: usize = 50;
    const BEFORE: u64 = 6_000_000;
    /// Until the new rate is found.
    const SEARCH: u64 = 10_000_000;
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let limits = format!("{USUAL} --rate {AGREED} --rate-then {THEN} --rate-after-ms 6000");
    let specs = [
        CarrierSpec::new("north", &limits, "binds = 4\nwindow = 50\nparts_per_second = 500"),
        CarrierSpec::new("south", USUAL, "binds = 4\nwindow = 50"),
    ];
    let scene = Scene::begin(folder.path(), &specs, OVERFLOW, (450, 36));
    let outcome = scene.end("primary throttles to a tenth", RETURN);
    outcome.tell(0, &[("north", AGREED)]);
    outcome.assert_gap();
    outcome.assert_left(0);
    let Traffic { taken, refused, .. } = outcome.of("north");
    let (fell, end) = (taken[0] + BEFORE, *taken.last().unwrap());
    for (from, to, bound) in
        [(0, fell, 0.01), (fell, fell + SEARCH, 0.4), (fell + SEARCH, end, 0.03)]
    {
        let (took, threw) = (within(taken, from, to), within(refused, from, to));
        let share = threw as f64 / (took + threw) as f64;
        println!(
            "  north: {took} taken, {threw} throttled ({:.1} % of at most {:.0} %)",
            share * 100.0,
            bound * 100.0
        );
        assert!(share <= bound);
    }
    let held = within(taken, fell + SEARCH, end) as f64 * 1e6 / (end - fell - SEARCH) as f64;
    println!("  north: {held:.1} of {THEN} a second taken in the end");
    assert!(held >= 0.5 * THEN as f64, "the tenth that it takes is used");
}

/// Both carriers hang up for a minute: what was accepted waits, and goes when they are back.
#[test]
fn all_carriers_away_for_a_minute_lose_nothing() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let keys = "binds = 2\nwindow = 50\nparts_per_second = 400";
    let specs = ["north", "south"].map(|name| CarrierSpec::new(name, "--answer-delay-ms 10", keys));
    let scene = Scene::begin(folder.path(), &specs, ROUTE, (50, 70));
    scene.at(3, &["north", "south"], Line::Cut);
    let back = scene.at(63, &["north", "south"], Line::Up);
    let outcome = scene.end("all carriers away for 60 s", 2 * RETURN);
    outcome.tell(2 * 2 * 2 * 50, &[("north", 400), ("south", 400)]);
    let again = outcome.all().into_iter().find(|at| *at > back).unwrap() - back;
    println!("  parts go again {:.1} s after their return", again as f64 / 1e6);
    assert!(Duration::from_micros(again) <= RETURN * LOADED);
}

/// Answers take a minute, receipts a moment: parts wait longer than that, just as long, and less.
#[test]
fn a_carrier_that_answers_after_a_minute_is_left_within_ten_seconds_and_loses_nothing() {
    const WINDOWS: u64 = 2 * 50;
    let _alone = alone();
    let cases = [
        ("answers after 60 s, waited for 75 s", "response_timeout_seconds = 75", 0),
        ("answers after 60 s, waited for 60 s", "response_timeout_seconds = 60", 2 * WINDOWS),
        ("answers after 60 s, waited for 30 s", "response_timeout_seconds = 30", 2 * WINDOWS),
    ];
    let scenes = cases.map(|(what, patience, twice)| {
        let folder = tempfile::tempdir().unwrap();
        let keys = "binds = 2\nwindow = 50";
        let slow = "--answer-delay-ms 60000 --receipt-delay-ms 100";
        let specs = [
            CarrierSpec::new("north", slow, format!("{keys}\n{patience}")),
            CarrierSpec::new("south", USUAL, keys),
        ];
        let scene = Scene::begin(folder.path(), &specs, ROUTE, (150, 18));
        (scene, folder, what, twice)
    });
    for (scene, _folder, what, twice) in scenes {
        let outcome = scene.end(what, 2 * RETURN);
        outcome.tell(twice, &[]);
        outcome.assert_gap();
        outcome.assert_left(0);
        assert!(outcome.of("north").taken.len() as u64 <= 2 * WINDOWS, "trials besides a window");
    }
}

/// The primary says "delivered" of everything, at once. Its equal asks handsets, and not all have it.
#[test]
fn a_carrier_that_says_delivered_at_once_is_suspect_and_earns_nothing_by_it() {
    const RATE: u64 = 300;
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let keys = "binds = 2\nwindow = 50";
    let honest = format!("{USUAL} --failure-ppm 100000");
    let specs = [
        CarrierSpec::new("north", "--answer-delay-ms 10 --receipt-delay-ms 10", keys),
        CarrierSpec::new("south", &honest, keys),
    ];
    let scene = Scene::begin(folder.path(), &specs, EQUALS, (RATE, 14));
    until("north is called suspect", HUNG, || is_suspect(&scene.network, "north"));
    let flagged = unix_us();
    let after = scene.begun.elapsed();
    scene.at(13, &[], Line::Up);
    let suspect = ["north", "south"].map(|name| is_suspect(&scene.network, name));
    let gauge = "postrider_carrier_receipts_suspect{carrier=\"north\"}";
    let gauge = scene.network.metric(gauge);
    let outcome = scene.end("receipts within 1 ms", RETURN);
    outcome.tell(0, &[]);
    outcome.assert_gap();
    outcome.assert_left(0);
    let [north, south] = ["north", "south"].map(|name| {
        let Traffic { taken, .. } = outcome.of(name);
        (within(taken, 0, flagged), within(taken, flagged, u64::MAX))
    });
    println!(
        "  suspect {:.1} s after the start; north and south had {} and {} before, {} and {} after",
        after.as_secs_f64(),
        north.0,
        south.0,
        north.1,
        south.1
    );
    assert_eq!((suspect, gauge), ([true, false], 1));
    assert!(north.1 * 10 <= (north.1 + south.1) * LOADED as usize, "a few trials");
}

/// Whether GET /carriers calls its receipts suspect.
fn is_suspect(network: &Network, carrier: &str) -> bool {
    let page = network.page("/carriers");
    let mut all = page["data"].as_array().unwrap().iter();
    all.find(|own| own["name"] == carrier).unwrap()["receipts_suspect"] == true
}
