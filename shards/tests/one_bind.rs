//! A carrier with one bind under four shards, the real program between a sender and simulated carriers:
//! parts of three shards cross to the one that holds the bind. Each test prints what came; a loaded
//! machine gets three times the bound. On the tests' threads, with everything else as processes.

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

use common::network::{CarrierSpec, Line, Network, most_in_a_second, until_at_rest};
use common::stage::Load;
use common::{Client, alone};
use postrider_loadgen::ledger::Report;

const SHARDS: u16 = 4;
const ROUTE: &str = "[[routes]]\nprefix = \"\"\ncarriers = [\"alpha\"]\n";

/// What came of a run.
struct Outcome {
    report: Report,
    /// When the carrier took parts, microseconds.
    taken: Vec<u64>,
    connections: usize,
    crossed: u64,
    void: u64,
}

/// Sends so many messages at a rate and waits until all are final; `meanwhile` something happens.
fn play(spec: CarrierSpec, messages: u64, rate: f64, meanwhile: impl FnOnce(&Network)) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::set(folder.path(), SHARDS, &[spec], ROUTE);
    let gateway = network.start_gateway();
    let load = Load::start(network.load(messages, rate));
    meanwhile(&network);
    let sent = load.finish();
    assert_eq!((sent.refused_total, sent.unacknowledged, sent.unsent), (0, 0, 0));
    until_at_rest(&network, Duration::from_secs(180));
    let (_, page) = Client::connect(network.admin).unwrap().get("/metrics", None).unwrap();
    let binds = page.lines().filter(|line| line.starts_with("postrider_bind_state{"));
    let connections = binds.filter(|line| line.contains("state=\"bound\"")).count();
    let sum = |name: &str| -> u64 {
        let own = page.lines().filter(|line| line.starts_with(name));
        own.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
    };
    let crossed = sum("postrider_parts_crossed_total{");
    let void = sum("postrider_credits_void_total{");
    let (report, ledgers) = network.strike(gateway);
    assert!(report.is_sound(), "{report}");
    let taken = ledgers[0].taken();
    Outcome { report, taken, connections, crossed, void }
}

impl Outcome {
    fn tell(&self, what: &str) {
        let span = Duration::from_micros(self.taken[self.taken.len() - 1] - self.taken[0]);
        println!(
            "{what}: {} accepted, {} lost, {} duplicates, {} connection; {} parts crossed, {} credits \
             void; {} in a second at most, {:.1} a second on average",
            self.report.accepted,
            self.report.lost,
            self.report.duplicates,
            self.connections,
            self.crossed,
            self.void,
            most_in_a_second(&self.taken),
            self.taken.len() as f64 / span.as_secs_f64(),
        );
    }
}

#[test]
fn four_shards_share_the_rate_of_one_bind() {
    const RATE: usize = 300;
    let _alone = alone();
    let keys = "binds = 1\nwindow = 50\nparts_per_second = 300";
    let spec = CarrierSpec::new("alpha", "--answer-delay-ms 20", keys);
    let outcome = play(spec, 4_500, 600.0, |_| {});
    outcome.tell("one bind at 300/s");
    let Outcome { report, taken, connections, crossed, .. } = &outcome;
    assert_eq!((report.accepted, report.lost, report.duplicates), (4_500, 0, 0));
    assert_eq!(*connections, 1);
    let share = *crossed as f64 / taken.len() as f64;
    assert!((0.65..0.85).contains(&share), "{share} of all parts crossed");
    let most = most_in_a_second(taken);
    assert!(most <= RATE + 3 * RATE / 10, "{most}");
    let span = Duration::from_micros(taken[taken.len() - 1] - taken[0]).as_secs_f64();
    let mean = taken.len() as f64 / span;
    assert!(mean >= 0.85 * RATE as f64, "{mean}");
}

#[test]
fn four_shards_share_the_window_of_one_bind() {
    let _alone = alone();
    let spec = CarrierSpec::new("alpha", "--answer-delay-ms 10", "binds = 1\nwindow = 30");
    let outcome = play(spec, 6_000, 1_000.0, |_| {});
    outcome.tell("one bind with a window of 30");
    assert_eq!((outcome.report.accepted, outcome.report.lost), (6_000, 0));
    assert_eq!((outcome.report.duplicates, outcome.connections), (0, 1));
}

/// The one connection breaks under load: what was written and not answered is not known, and only that
/// may come twice; what was on its way between shards goes out when the bind is back.
#[test]
fn the_one_bind_breaks_and_nothing_is_lost() {
    const WINDOW: u64 = 30;
    let _alone = alone();
    let keys = "binds = 1\nwindow = 30\nunknown_grace_seconds = 0";
    let spec = CarrierSpec::new("alpha", "--answer-delay-ms 20", keys);
    let outcome = play(spec, 6_000, 600.0, |network| {
        for _ in 0..3 {
            std::thread::sleep(Duration::from_secs(2));
            network.peer("alpha").set(Line::Cut);
            std::thread::sleep(Duration::from_millis(200));
            network.peer("alpha").set(Line::Up);
        }
    });
    outcome.tell("one bind that breaks three times");
    assert_eq!((outcome.report.accepted, outcome.report.lost), (6_000, 0));
    // In flight, and answered and not yet on disk: a window of each.
    assert!(outcome.report.duplicates <= 3 * 2 * WINDOW, "{}", outcome.report);
}
