//! A crash of the operating system under load: the file system below the data directory is shut down
//! without writing what it had in memory, mounted again, and the gateway started on what is left. On the
//! test's thread, with the gateway, the carriers and the sink as processes. Needs root.

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

use common::mount::{Kind, Mount, inside};
use common::stage::{Shape, Stage, assert_sound};
use common::{HUNG, Random, alone};

/// Crashes of each file system, unless `POSTRIDER_CRASHES` says.
const CRASHES: u64 = 10;
const RATE: f64 = 3_000.0;
const SHAPE: Shape = Shape::USUAL;

/// What the program says when its log had an I/O error.
const LOG_FAILED: i32 = 74;

fn crashes() -> u64 {
    let asked = std::env::var("POSTRIDER_CRASHES");
    asked.map_or(CRASHES, |value| value.parse().expect("POSTRIDER_CRASHES"))
}

fn crash_over_and_over(kind: Kind) {
    let folder = tempfile::tempdir().unwrap();
    let mount = Mount::new(folder.path(), kind, 512);
    let mut stage = Stage::set(folder.path(), SHAPE);
    stage.store.data = mount.path.join("data");
    stage.store.max_segments = 24;
    stage.store.open_messages = 40_000;
    stage.write_config();
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    let load = stage.start_load(10_000_000, RATE);
    let mut random = Random(1);
    let mut slowest = Duration::ZERO;
    for turn in 1..=crashes() {
        std::thread::sleep(Duration::from_millis(random.between(300, 1_200)));
        assert!(load.is_at_work(), "the load ended before crash {turn}");
        gateway.assert_running();
        mount.shut_down();
        let ended = gateway.wait(HUNG);
        assert_eq!(ended.code(), Some(LOG_FAILED), "the gateway stops when its log fails");
        let begun = Instant::now();
        mount.unmount();
        mount.mount();
        gateway = stage.start_gateway();
        stage.await_ready(&mut gateway);
        slowest = slowest.max(begun.elapsed());
    }
    std::thread::sleep(Duration::from_secs(1));
    load.stop();
    let (ids, _) = stage.await_finals();
    let (report, _) = stage.strike(gateway);
    mount.unmount();
    let bound = crashes() * SHAPE.repeats_per_kill();
    println!("{kind:?}: crashes of the system {}", crashes());
    println!("duplicates          {} of at most {bound}", report.duplicates);
    println!("mounted and ready   {slowest:.1?} at most");
    assert_sound(&report);
    assert_eq!(ids.len() as u64, report.accepted);
    assert!(report.accepted > 1_000, "the load was no load");
    assert!(report.duplicates <= bound, "{} duplicates, at most {bound}", report.duplicates);
}

#[test]
fn a_crash_of_the_system_on_ext4_loses_nothing() {
    let _alone = alone();
    let name = "a_crash_of_the_system_on_ext4_loses_nothing";
    if inside(name, &["mkfs.ext4", "xfs_io"]) {
        crash_over_and_over(Kind::Ext4);
    }
}

#[test]
fn a_crash_of_the_system_on_xfs_loses_nothing() {
    let _alone = alone();
    let name = "a_crash_of_the_system_on_xfs_loses_nothing";
    if inside(name, &["mkfs.xfs", "xfs_io"]) {
        crash_over_and_over(Kind::Xfs);
    }
}
