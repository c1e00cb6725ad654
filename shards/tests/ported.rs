//! Tables of ported numbers by the real program: built, changed, merged, shown, and whole whatever
//! happens meanwhile. On the tests' threads.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests"
)]

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Ended, HUNG, Process, program, run_to_end};
use serde_json::Value;
use tempfile::TempDir;

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn table(&self) -> PathBuf {
        self.path("44.table")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Runs `postrider ported ACTION --table TABLE ..`.
    fn run(&self, action: &str, arguments: &[&str], input: &str) -> Ended {
        let mut command = program("ported");
        command.arg(action).arg("--table").arg(self.table()).args(arguments);
        run_to_end(command, input, HUNG)
    }

    fn build(&self, full: &str) -> Ended {
        self.run("build", &["--covers", "44", "--full", "-"], full)
    }

    fn apply(&self, delta: &str) -> Ended {
        self.run("apply", &["--delta", "-"], delta)
    }

    fn shown(&self, numbers: &[&str]) -> Value {
        let ended = self.run("show", &[&["--json"], numbers].concat(), "");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// Who has a number, as shown.
    fn operator(&self, number: &str) -> Value {
        self.shown(&[number])["numbers"][0]["operator"].clone()
    }

    /// What stands beside the table.
    fn files(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let name = |file: std::io::Result<std::fs::DirEntry>| {
            file.unwrap().file_name().into_string().unwrap()
        };
        let mut files: Vec<String> = files.map(name).collect();
        files.sort_unstable();
        files
    }
}

#[track_caller]
fn done(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[track_caller]
fn refused(ended: &Ended, word: &str) {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(word), "{word}: {ended:?}");
}

const FULL: &str = "# as_of: 2026-11-20T00:00:00Z\n# sequence: 7\n# rows: 3\nnumber,recipient\n\
                    447700900001,234-15\n447700900002,234-30\n447700900003,234-15\n";

fn delta(sequence: u32, rows: &str) -> String {
    format!(
        "# as_of: 2026-11-21T00:00:00Z\n# sequence: {sequence}\nnumber,recipient,action\n{rows}\n"
    )
}

#[test]
fn deltas_come_in_order_and_a_gap_is_refused() {
    let place = Place::new();
    done(&place.build(FULL));
    assert_eq!(place.operator("+447700900001"), "234-15");
    assert_eq!(place.operator("+447700900004"), Value::Null);
    done(&place.apply(&delta(8, "447700900001,,return\n447700900004,234-10,port")));
    refused(&place.apply(&delta(10, "447700900002,,return")), "build from the next full file");
    assert_eq!(place.operator("+447700900002"), "234-30");
    let again = place.apply(&delta(8, "447700900002,,return"));
    done(&again);
    assert!(again.stdout.contains("already"), "{again:?}");
    done(&place.apply(&delta(9, "447700900003,234-30,port")));
    let check = |place: &Place| {
        for (number, operator) in [("1", ""), ("2", "234-30"), ("3", "234-30"), ("4", "234-10")] {
            let operator = Some(operator).filter(|own| !own.is_empty());
            let found = place.operator(&format!("+44770090000{number}"));
            assert_eq!(found.as_str(), operator, "{number}");
        }
        assert_eq!(place.shown(&[])["sequence"], 9);
    };
    check(&place);
    assert_eq!(place.shown(&[])["changes"], 3);
    done(&place.run("merge", &[], ""));
    check(&place);
    let shown = place.shown(&[]);
    assert_eq!((&shown["changes"], &shown["numbers_in_table"]), (&0.into(), &3.into()));
    assert_eq!(place.files(), ["44.table", "44.table.lock"]);
}

#[test]
fn many_changes_are_merged_by_themselves() {
    let place = Place::new();
    done(&place.build(FULL));
    let rows = |from: u32| -> String {
        (0..6_000).map(|at| format!("447{:09},234-10,port\n", from + at)).collect()
    };
    let first = place.apply(&delta(8, &rows(0)));
    assert!(first.stdout.contains("6000 changes beside"), "{first:?}");
    let second = place.apply(&delta(9, &rows(6_000)));
    assert!(second.stdout.contains("merged: 12003 numbers"), "{second:?}");
    for number in ["+447000000000", "+447000011999"] {
        assert_eq!(place.operator(number), "234-10");
    }
    assert_eq!(place.operator("+447000012000"), Value::Null);
}

#[test]
fn what_is_wrong_with_a_feed_is_named_and_changes_nothing() {
    let place = Place::new();
    done(&place.build(FULL));
    let before = std::fs::read(place.table()).unwrap();
    let cut = FULL.replace("447700900003,234-15\n", "");
    for (feed, word) in [
        (cut.as_str(), "cut off"),
        ("number,recipient\n447700900001,234-15", "--as-of"),
        (&FULL.replace("447700900002", "33612345678"), "line 6: number 33…78 does not begin"),
        (&FULL.replace("234-30", "Acme"), "line 6: the recipient \"Acme\" is no MCC-MNC"),
        (&FULL.replace("number,", "nummer,"), "must name number"),
        ("", "no columns"),
    ] {
        refused(&place.build(feed), word);
    }
    refused(&place.apply(&delta(8, "33612345678,234-15,port")), "none of those");
    refused(&place.apply(&delta(0, "447700900001,234-15,port")), "--sequence");
    assert_eq!(std::fs::read(place.table()).unwrap(), before);
    assert_eq!(place.files(), ["44.table", "44.table.lock"]);
    let mut damaged = before;
    damaged[5_000] ^= 1;
    std::fs::write(place.table(), damaged).unwrap();
    refused(&place.run("show", &[], ""), "damaged");
}

/// The real kill, while rows still come and at moments of the work behind them.
#[test]
fn a_killed_build_leaves_the_old_table() {
    let place = Place::new();
    done(&place.build(FULL));
    let before = std::fs::read(place.table()).unwrap();
    let mut rows = String::from("# as_of: 2026-11-22T00:00:00Z\nnumber,mcc,mnc\n");
    for at in 0..300_000u32 {
        rows.push_str(&format!("447{:09},234,20\n", at * 7));
    }
    let mut ended_before_kill = 0;
    for after_ms in [None, Some(0), Some(20), Some(60), Some(120), Some(200), Some(300)] {
        let mut command = program("ported");
        command.args(["build", "--covers", "44", "--full", "-", "--table"]).arg(place.table());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Process::spawn("build", command, None);
        let mut input = process.take_stdin().unwrap();
        let fed = if after_ms.is_none() { &rows[..rows.len() / 2] } else { &rows };
        input.write_all(fed.as_bytes()).unwrap();
        if let Some(after_ms) = after_ms {
            drop(input);
            std::thread::sleep(Duration::from_millis(after_ms));
        }
        process.kill();
        if std::fs::read(place.table()).unwrap() != before {
            assert_eq!(place.operator("+447000000007"), "234-20");
            ended_before_kill += 1;
            done(&place.build(FULL));
        }
        assert_eq!(place.operator("+447700900002"), "234-30");
    }
    println!("a build of 300,000 rows ended before its kill in {ended_before_kill} of 7 runs");
    // What the killed ones left is in nobody's way.
    done(&place.build(FULL));
    assert_eq!(place.files(), ["44.table", "44.table.lock"]);
}

#[test]
fn two_cannot_change_one_table_at_once() {
    let place = Place::new();
    let mut command = program("ported");
    command.args(["build", "--covers", "44", "--full", "-", "--table"]).arg(place.table());
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut process = Process::spawn("build", command, None);
    let begun = Instant::now();
    while !place.path("44.table.parts").exists() {
        assert!(begun.elapsed() < HUNG);
        std::thread::sleep(Duration::from_millis(5));
    }
    refused(&place.build(FULL), "another process");
    process.take_stdin().unwrap().write_all(FULL.as_bytes()).unwrap();
    assert!(process.wait(HUNG).success());
    assert_eq!(place.operator("+447700900002"), "234-30");
}

fn generated(path: &Path, numbers: u32) {
    let mut command = program("ported");
    command.args(["generate", "--numbers", &numbers.to_string()]);
    let ended = run_to_end(command, "", HUNG);
    done(&ended);
    std::fs::write(path, ended.stdout).unwrap();
}

#[test]
fn generated_feeds_are_built_and_found() {
    let place = Place::new();
    let feed = place.path("feed.csv");
    generated(&feed, 200_000);
    let built = place.run("build", &["--covers", "44", "--full", feed.to_str().unwrap()], "");
    done(&built);
    print!("{}", built.stdout);
    let shown = place.shown(&[]);
    assert_eq!(shown["numbers_in_table"], 200_000);
    let text = std::fs::read_to_string(&feed).unwrap();
    let rows: Vec<&str> = text.lines().skip(4).collect();
    let asked: Vec<Vec<&str>> =
        rows.iter().step_by(2_003).map(|row| row.split(',').collect()).collect();
    let numbers: Vec<&str> = asked.iter().map(|row| row[0]).collect();
    let found = place.shown(&numbers);
    for (row, found) in asked.iter().zip(found["numbers"].as_array().unwrap()) {
        assert_eq!(found["operator"], format!("{}-{}", row[1], row[2]));
    }
}

#[test]
fn a_feeds_own_recipients_and_national_numbers_are_understood() {
    let place = Place::new();
    let map = place.write("map.csv", "recipient,mcc,mnc\nD018,234,10\nX,,\n");
    let feed = "# as_of: 2026-11-20T00:00:00Z\nfirst;last;recipient;valid_from\n\
                7700900001;;D018;\n7700901000;7700901999;X;\n7700900002;;D018;2126-01-01T00:00:00Z\n";
    let map = map.to_str().unwrap();
    let arguments = ["--covers", "44", "--full", "-", "--recipients", map, "--calling-code", "44"];
    done(&place.run("build", &arguments, feed));
    let shown = place.shown(&["447700900001", "447700901500", "447700902000", "447700900002"]);
    let found = shown["numbers"].as_array().unwrap();
    let said = |at: usize| (found[at]["ported"].as_bool().unwrap(), found[at]["operator"].as_str());
    assert_eq!([said(0), said(1)], [(true, Some("234-10")), (true, None)]);
    assert_eq!([said(2), said(3)], [(false, None), (false, None)]);
}
