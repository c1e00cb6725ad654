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

/// Kills of a gateway that takes messages.
const KILLS: u64 = 10;
/// Messages a second.
const RATE: f64 = 3_000.0;
/// What a restart may take here; on an idle machine it is a third of that.
const READY_LIMIT: Duration = Duration::from_secs(6);

const SHAPE: Shape =
    Shape { shards: 2, binds: 2, window: 50, answer_delay_ms: 20, receipt_delay_ms: 200 };

fn seed() -> u64 {
    std::env::var("POSTRIDER_SEED").map_or(1, |seed| seed.parse().expect("POSTRIDER_SEED"))
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
    for turn in 1..=KILLS {
        sleep_ms(random.between(100, 2_000));
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
    let load = stage.start_load(1_000_000, RATE);
    let begun = Instant::now();
    let (gateway, done) = torment(&stage, &load, gateway);
    let summary = load.stop();
    let loaded = begun.elapsed();
    let (ids, finals) = stage.await_finals();
    let told = statuses_of(stage.listen, KEY, &ids);
    for id in &ids {
        assert!(FINAL.contains(&told[id].as_str()), "{id} is {}", told[id]);
        assert_eq!(told[id], finals.statuses[id], "{id}: the API and the webhook differ");
    }
    let (report, carriers) = stage.strike(gateway);
    let bound = done.kills * SHAPE.repeats_per_kill();
    println!("seed                {}", seed());
    println!("messages accepted   {} in {loaded:.1?}", report.accepted);
    println!("unacknowledged      {}", report.unacknowledged);
    println!("kills               {}", done.kills);
    println!("duplicates          {} of at most {bound}", report.duplicates);
    println!("restart to ready    {:.0?}", done.ready);
    println!("503, sent again     {}", summary.retried_503);
    assert_sound(&report);
    assert_eq!(summary.refused, Default::default());
    assert_eq!((ids.len() as u64, told.len() as u64), (report.accepted, report.accepted));
    // As many as ten kills a second apart leave time for, on a slow machine too.
    assert!(report.accepted > 5_000, "the load was no load");
    assert!(report.duplicates <= bound, "{} duplicates, at most {bound}", report.duplicates);
    assert!(done.ready.iter().all(|took| *took <= READY_LIMIT), "{:?}", done.ready);
    for carrier in carriers {
        assert_eq!(carrier["window_exceeded"], 0, "{carrier}");
    }
}
