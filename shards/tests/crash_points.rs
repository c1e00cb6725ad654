//! The real program ends itself at each of its named points, under load, and is started again: nothing
//! acknowledged is lost, and what is repeated stays within its bound. Needs a build with the feature
//! `crash-points`; without it, the points are not in the program. On the test's thread, with the
//! gateway, the carriers and the sink as processes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

#[cfg(feature = "crash-points")]
mod common;

const VARIABLE: &[u8] = b"POSTRIDER_CRASH_AT";

#[test]
fn only_a_build_for_tests_has_crash_points() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_postrider")).unwrap();
    let has_points = program.windows(VARIABLE.len()).any(|octets| octets == VARIABLE);
    assert_eq!(has_points, cfg!(feature = "crash-points"));
}

#[cfg(feature = "crash-points")]
mod real {
    use std::collections::BTreeSet;
    use std::os::unix::process::ExitStatusExt;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::common::stage::{Shape, Stage, assert_sound};
    use super::common::{HUNG, alone};

    /// Where the program ends, and at which passing: the hot points when there is load on them, the
    /// others at once. Files are made until the log is as large as it may be, and recycled from then
    /// on: hence the order.
    const POINTS: [(&str, u64); 42] = [
        // A start: files of the directory, segments.
        ("file-made", 1),
        ("file-renamed", 1),
        ("segment-made", 1),
        ("segment-renamed", 1),
        ("segment-there", 1),
        // The way in.
        ("request-parsed", 200),
        ("batch-unwritten", 100),
        ("batch-written", 100),
        ("unanswered", 300),
        ("answered", 300),
        // The way to the carriers.
        ("unsubmitted", 400),
        ("submitted", 300),
        ("response-arrived", 400),
        ("response-recorded", 400),
        // Receipts.
        ("receipt-matched", 300),
        ("receipt-recorded", 300),
        ("receipt-durable", 300),
        ("webhook-unsent", 200),
        ("webhook-answered", 200),
        // The log's files.
        ("roll-begun", 1),
        ("rolled", 1),
        ("carried", 1),
        ("released", 1),
        ("recycle-begun", 1),
        ("recycle-renamed", 1),
        ("recycled", 1),
        // Files beside the segments: registers, and checkpoints, of which a start makes one.
        ("checkpoint-begun", 1),
        ("side-made", 2),
        ("side-renamed", 2),
        ("side-there", 2),
        ("checkpoint-written", 1),
        ("checkpoint-removed", 1),
        ("register-slots", 1),
        ("register-written", 1),
        ("register-removed", 1),
        // The start after a crash.
        ("checkpoint-read", 1),
        ("mid-replay", 50),
        ("tail-cut", 1),
        ("recovered", 1),
        // The start without a checkpoint.
        (ALONE, 1),
        // The start with another number of shards.
        (MOVED, 1),
        ("cores-changed", 1),
    ];

    /// A point of a start that has no checkpoint.
    const ALONE: &str = "side-discarded";

    /// The first point of a start with another number of shards.
    const MOVED: &str = "cores-moved";

    /// Removes the checkpoints under a folder.
    fn forget_checkpoints(folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                forget_checkpoints(&path);
            } else if path.file_name().unwrap().to_str().unwrap().starts_with("checkpoint-") {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    /// Messages a second.
    const RATE: f64 = 3_000.0;

    /// Receipts come late enough for messages to be still open when their segment is given back.
    const SHAPE: Shape = Shape { receipt_delay_ms: 2_000, ..Shape::USUAL };

    /// Starts the gateway and waits until it has ended itself at the point; how long that took.
    fn crash(stage: &mut Stage, point: &str, nth: u64) -> Duration {
        stage.env = vec![("POSTRIDER_CRASH_AT".to_owned(), format!("{point}:{nth}"))];
        let begun = Instant::now();
        let mut gateway = stage.start_gateway();
        let status = gateway.wait(HUNG);
        assert_eq!(status.signal(), Some(6), "{point}: the gateway ended with {status}");
        begun.elapsed()
    }

    #[test]
    fn a_crash_at_any_point_loses_nothing() {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        let mut stage = Stage::set(folder.path(), SHAPE);
        stage.store.max_segments = 6;
        stage.store.open_messages = 12_000;
        stage.write_config();
        let load = stage.start_load(10_000_000, RATE);
        for (point, nth) in POINTS {
            if point == ALONE {
                forget_checkpoints(folder.path());
            }
            if point == MOVED {
                stage.shape.shards = 1;
                stage.write_config();
            }
            let took = crash(&mut stage, point, nth);
            println!("{point:<18} at passing {nth:<4} {took:.1?} after the start");
            assert!(load.is_at_work(), "the load ended before {point}");
        }
        stage.env.clear();
        let mut gateway = stage.start_gateway();
        stage.await_ready(&mut gateway);
        let summary = load.stop();
        let (ids, _) = stage.await_finals();
        let (report, _) = stage.strike(gateway);
        let bound = POINTS.len() as u64 * SHAPE.repeats_per_kill();
        println!("crashes             {}", POINTS.len());
        println!("duplicates          {} of at most {bound}", report.duplicates);
        println!("503, sent again     {}", summary.retried_503);
        assert_sound(&report);
        assert_eq!(ids.len() as u64, report.accepted);
        assert!(report.accepted > 5_000, "the load was no load");
        assert!(report.duplicates <= bound, "{} duplicates, at most {bound}", report.duplicates);
    }

    /// The names of the points in a folder's sources.
    fn points_in(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                points_in(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            for (at, call) in text.match_indices("crash::point(\"") {
                let name = &text[at + call.len()..];
                found.insert(name[..name.find('"').unwrap()].to_owned());
            }
            for (at, list) in text.match_indices("let points = [\"") {
                let names = &text[at + list.len() - 1..];
                let names = &names[..names.find(']').unwrap()];
                found.extend(names.split(", ").map(|name| name.trim_matches('"').to_owned()));
            }
        }
    }

    #[test]
    fn every_point_is_tried() {
        let mut found = BTreeSet::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        points_in(&root.join("src"), &mut found);
        points_in(&root.join("../storage/src"), &mut found);
        // Registers that are changed in place, which takes 65,000 changes first, and segments that
        // are rewritten or wiped: storage/tests/crash_points.rs. Erasures: shards/tests/erase.rs.
        let apart = ["side-updat", "exchange", "old-", "wiping", "erasure"];
        found.retain(|name| !apart.iter().any(|start| name.starts_with(start)));
        let tried = POINTS.map(|(name, _)| name.to_owned()).into_iter().collect();
        assert_eq!(found, tried);
    }
}
