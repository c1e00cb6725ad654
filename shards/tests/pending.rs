//! A start with a backlog: the carriers stand still while messages gather, the real program is killed
//! and started again, and the time to its first submit is measured. On the test's thread, with the
//! gateway, the carriers and the sink as processes.

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

use common::stage::{Shape, Stage, assert_sound};
use common::{HUNG, alone, resident, unix_us, until};

/// Messages that wait, unless `POSTRIDER_PENDING` says.
const PENDING: u64 = 100_000;
/// From the start to the first submit: what is aimed at, a third of what fails.
const AIM: Duration = Duration::from_secs(2);

const SHAPE: Shape =
    Shape { answer_delay_ms: 0, receipt_delay_ms: 10, patience_s: 3_600, ..Shape::USUAL };

fn pending() -> u64 {
    let asked = std::env::var("POSTRIDER_PENDING");
    asked.map_or(PENDING, |value| value.parse().expect("POSTRIDER_PENDING"))
}

#[test]
fn a_start_with_a_backlog_submits_at_once() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(folder.path(), SHAPE);
    let pending = pending();
    // Half of a shard's log carries its open messages.
    stage.store.max_segments = u16::try_from(64 + pending / 2_000).unwrap();
    stage.store.open_messages = u32::try_from(pending + 10_000).unwrap();
    stage.write_config();
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    stage.stop_carriers();
    let begun = Instant::now();
    let summary = stage.start_load(pending, 0.0).finish();
    println!("messages pending    {} in {:.1?}", summary.accepted, begun.elapsed());
    assert_eq!((summary.accepted, summary.refused_total), (pending, 0));
    println!("memory before       {} MiB", resident(gateway.id()) >> 20);
    gateway.kill();
    // They take what was on its way, and see the connections' ends.
    stage.wake_carriers();
    std::thread::sleep(Duration::from_secs(1));

    let (started, since) = (Instant::now(), unix_us());
    let mut gateway = stage.start_gateway();
    until("a first submit", 3 * HUNG, || {
        gateway.assert_running();
        stage.first_part_after(since).is_some()
    });
    let first = Duration::from_micros(stage.first_part_after(since).unwrap() - since);
    stage.await_ready(&mut gateway);
    println!("start to submit     {first:.2?}, aimed at {AIM:?}");
    println!("start to ready      {:.2?} at most", started.elapsed());
    println!("memory after        {} MiB", resident(gateway.id()) >> 20);

    let (ids, _) = stage.await_finals();
    println!("drained in          {:.1?}", started.elapsed());
    assert_eq!(ids.len() as u64, pending);
    let (report, _) = stage.strike(gateway);
    let bound = SHAPE.repeats_per_kill();
    println!("duplicates          {} of at most {bound}", report.duplicates);
    assert_sound(&report);
    assert!(report.duplicates <= bound, "{} duplicates", report.duplicates);
    assert!(first < 3 * AIM, "{first:?} from the start to the first submit");
}
