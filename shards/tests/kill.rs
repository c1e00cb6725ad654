//! `kill -9` over the real program and real files, under load: what was acknowledged is there, and
//! ends in exactly one final status; what is repeated stays within its bound. On the test's thread,
//! with the gateway, the carriers and the sink as processes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;

use std::time::{Duration, Instant};

use common::stage::{KEY, Load, Shape, Stage, assert_sound};
use common::{FINAL, Process, Random, alone, statuses_of};

/// Kills of a gateway that takes messages, unless `POSTRIDER_KILLS` says.
const KILLS: u64 = 25;
/// Messages a second, by the clock: while the gateway is down they gather at the sender.
const RATE: f64 = 5_000.0;
/// What a restart may take here; on an idle machine it is a third of that.
const READY_LIMIT: Duration = Duration::from_secs(6);
/// Messages that are asked for at the end, the newest: older ones may have left the store.
const ASKED: usize = 50_000;

const SHAPE: Shape = Shape::USUAL;

/// A number from the environment.
fn chosen(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |value| value.parse().expect(name))
}

fn seed() -> u64 {
    chosen("POSTRIDER_SEED", 1)
}

fn sleep_ms(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// What was done to the gateway.
#[derive(Default)]
struct Done {
    kills: u64,
    ready: Vec<Duration>,
}

impl Done {
    /// Starts the gateway again and notes how long it takes.
    fn restart(&mut self, stage: &Stage) -> Process {
        let begun = Instant::now();
        let mut gateway = stage.start_gateway();
        stage.await_ready(&mut gateway);
        self.ready.push(begun.elapsed());
        gateway
    }

    fn kill(&mut self, gateway: &mut Process) {
        gateway.assert_running();
        gateway.kill();
        self.kills += 1;
    }
}

/// Kills the gateway at moments that the seed chooses; every third time also while it recovers.
fn torment(stage: &Stage, load: &Load, mut gateway: Process) -> (Process, Done) {
    let mut random = Random(seed());
    let mut done = Done::default();
    for turn in 1..=chosen("POSTRIDER_KILLS", KILLS) {
        sleep_ms(random.between(100, 1_500));
        assert!(load.is_at_work(), "the load ended before kill {turn}");
        done.kill(&mut gateway);
        if turn % 3 == 0 {
            let mut recovering = stage.start_gateway();
            sleep_ms(random.between(5, 150));
            done.kill(&mut recovering);
        }
        gateway = done.restart(stage);
    }
    // Some load on the last gateway too.
    sleep_ms(1_000);
    (gateway, done)
}

#[test]
fn kills_under_load_lose_nothing_and_repeat_little() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(folder.path(), SHAPE);
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    // More than will be sent: the sender is stopped after the last kill.
    let load = stage.start_load(50_000_000, RATE);
    let begun = Instant::now();
    let (gateway, done) = torment(&stage, &load, gateway);
    let summary = load.stop();
    let loaded = begun.elapsed();
    let (ids, finals) = stage.await_finals();
    let asked = &ids[ids.len().saturating_sub(ASKED)..];
    let told = statuses_of(stage.listen, KEY, asked);
    for id in asked {
        assert!(FINAL.contains(&told[id].as_str()), "{id} is {}", told[id]);
        assert_eq!(told[id], finals.statuses[id], "{id}: the API and the webhook differ");
    }
    let (report, carriers) = stage.strike(gateway);
    let bound = done.kills * SHAPE.repeats_per_kill();
    println!("seed                {}", seed());
    let up = loaded - done.ready.iter().sum::<Duration>();
    let rate = report.accepted as f64 / up.as_secs_f64();
    println!("messages accepted   {} in {loaded:.1?}", report.accepted);
    println!("a second while up   {rate:.0}");
    println!("unacknowledged      {}", report.unacknowledged);
    println!("kills               {}", done.kills);
    println!("duplicates          {} of at most {bound}", report.duplicates);
    let mut ready = done.ready;
    ready.sort();
    let (half, all) = (ready[ready.len() / 2], ready[ready.len() - 1]);
    println!("restart to ready    p50 {half:.0?}, max {all:.0?}");
    println!("503, sent again     {}", summary.retried_503);
    assert_sound(&report);
    assert_eq!(summary.refused, Default::default());
    assert_eq!((ids.len() as u64, told.len()), (report.accepted, asked.len()));
    assert!(rate > RATE / 3.0, "the load was no load");
    assert!(report.duplicates <= bound, "{} duplicates, at most {bound}", report.duplicates);
    assert!(ready.iter().all(|took| *took <= READY_LIMIT), "{ready:?}");
    for carrier in carriers {
        assert_eq!(carrier["window_exceeded"], 0, "{carrier}");
    }
}
