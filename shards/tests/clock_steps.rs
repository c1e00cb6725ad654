//! The wall clock steps under load: an hour and a year either way, and it stands still. Nothing waits for
//! it, and no customer sees it. On the test's thread, with the gateway, the carriers and the sink as
//! processes; only the gateway's clock is moved, by libfaketime.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::stage::{Shape, Stage, assert_sound};
use common::{alone, metric};

const RATE: f64 = 1_000.0;
/// How long each time of the clock lasts.
const LASTS: Duration = Duration::from_secs(3);
/// From acceptance to the final webhook; a third of a minute on a busy machine.
const SLOWEST_MS: f64 = 20_000.0;

/// The library that steps the clock of a process.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").unwrap();
    let paths = folders.map(|folder| folder.unwrap().path().join("faketime/libfaketimeMT.so.1"));
    paths.into_iter().find(|path| path.exists())
}

/// What a command prints.
fn said(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
}

/// Moves the gateway's clock.
fn set(clock: &Path, time: &str) {
    // Whole or not at all: it is read at any moment.
    let tmp = clock.with_extension("tmp");
    std::fs::write(&tmp, time).unwrap();
    std::fs::rename(tmp, clock).unwrap();
}

#[test]
fn steps_of_the_clock_delay_nothing() {
    let _alone = alone();
    let Some(library) = library() else {
        // .ci/run installs it.
        assert!(std::env::var_os("CI").is_none(), "libfaketime is missing");
        eprintln!("steps_of_the_clock_delay_nothing: skipped: libfaketime is not installed");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(folder.path(), Shape::USUAL);
    let clock = folder.path().join("clock");
    set(&clock, "+0");
    let variables = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_CACHE_DURATION", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ];
    stage.env = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    let load = stage.start_load(10_000_000, RATE);
    std::thread::sleep(LASTS);
    let frozen = said(Command::new("date").args(["-u", "+%F %T"]));
    let next_year = said(Command::new("date").args(["-u", "-d", "365 days", "+%Y-%m"]));
    for time in ["+3600", "-3600", "+31536000", "-31536000", &frozen, "+0", "+31536000"] {
        let before = metric(stage.admin, "postrider_messages_accepted_total", "");
        set(&clock, time);
        std::thread::sleep(LASTS);
        gateway.assert_running();
        let now = metric(stage.admin, "postrider_messages_accepted_total", "");
        println!("clock at {time:<20} {} messages accepted", now - before);
        assert!(now > before, "nothing was accepted at {time}");
    }
    load.stop();
    let (ids, _) = stage.await_finals();
    let log = stage.folder.join("gateway.log");
    let (report, _) = stage.strike(gateway);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains(&next_year), "the clock was never moved");
    assert_sound(&report);
    assert_eq!((ids.len() as u64, report.duplicates), (report.accepted, 0));
    assert!(report.accepted > 3_000, "the load was no load");
    let slowest = report.end_to_end_ms.max;
    assert!(slowest < SLOWEST_MS, "{slowest} ms from acceptance to the webhook");
}
