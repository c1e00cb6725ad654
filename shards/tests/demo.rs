//! `postrider demo` as people and programs run it: one JSON object and nothing else, every message
//! accounted for, on every driver and number of shards, and with every text of a corpus. On the
//! test's thread, with the demonstration as a process.

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
use std::time::Duration;

use common::{alone, program, run_to_end};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(120);

/// Runs a demonstration and reads the one object that it prints.
fn demo(arguments: &[&str]) -> Value {
    let mut command = program("demo");
    command.arg("--json").args(arguments);
    let ended = run_to_end(command, "", LIMIT);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}\n{}", ended.stdout, ended.stderr);
    assert_eq!(ended.stdout.lines().count(), 1, "one line: {}", ended.stdout);
    let outcome: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(outcome.is_object(), "{outcome}");
    outcome
}

fn count(outcome: &Value, name: &str) -> u64 {
    outcome[name].as_u64().unwrap_or_else(|| panic!("{name} is not a count in {outcome}"))
}

fn positive(value: &Value, name: &str) -> f64 {
    let number = value[name].as_f64().unwrap_or_else(|| panic!("{name} is no number in {value}"));
    assert!(number > 0.0, "{name} is {number}");
    number
}

/// What holds whatever was asked for.
fn assert_whole(outcome: &Value, messages: u64, shards: u64) {
    for name in ["lost", "duplicates", "ghosts", "refused", "unacknowledged"] {
        assert_eq!(count(outcome, name), 0, "{name} in {outcome}");
    }
    for name in ["accepted", "submitted", "webhooks"] {
        assert_eq!(count(outcome, name), messages, "{name} in {outcome}");
    }
    let (delivered, undelivered) = (count(outcome, "delivered"), count(outcome, "undelivered"));
    assert_eq!(delivered + undelivered, messages);
    assert!(undelivered > 0, "some destinations fail: {outcome}");
    assert!(count(outcome, "parts") > messages, "some texts have several parts: {outcome}");
    assert_eq!(count(outcome, "shards"), shards);
    assert_eq!(outcome["sound"], true);
    for name in ["seconds", "messages_per_second", "gateway_cpu_us_per_message", "gateway_rss_mb"] {
        positive(outcome, name);
    }
    let rate = messages as f64 / positive(outcome, "seconds");
    let said = positive(outcome, "messages_per_second");
    assert!((rate / said - 1.0).abs() < 0.01, "{rate} against {said}");
    for name in ["accept_ms", "accept_to_submit_ms"] {
        let span = &outcome[name];
        let (p50, p99) = (span["p50"].as_f64().unwrap(), span["p99"].as_f64().unwrap());
        let max = span["max"].as_f64().unwrap();
        assert!(0.0 <= p50 && p50 <= p99 && p99 <= max, "{name}: {span}");
    }
    positive(&outcome["accept_ms"], "p50");
}

fn cores() -> u64 {
    std::thread::available_parallelism().unwrap().get() as u64
}

#[test]
fn the_demonstration_accounts_for_every_message() {
    let _alone = alone();
    let outcome = demo(&["--messages", "3000"]);
    println!("{outcome}");
    assert_whole(&outcome, 3_000, cores());
}

#[test]
fn it_runs_without_io_uring() {
    let _alone = alone();
    let outcome = demo(&["--messages", "3000", "--driver", "poll"]);
    assert_whole(&outcome, 3_000, cores());
}

#[test]
fn it_runs_on_one_shard_and_on_more_shards_than_cores() {
    let _alone = alone();
    for shards in [1, cores() + 1] {
        let outcome = demo(&["--messages", "3000", "--shards", &shards.to_string()]);
        assert_whole(&outcome, 3_000, shards);
    }
}

#[test]
fn people_are_told_that_every_message_is_accounted_for() {
    let _alone = alone();
    let mut command = program("demo");
    command.args(["--messages", "500", "--rate", "1000"]);
    let ended = run_to_end(command, "", LIMIT);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let last = ended.stdout.lines().last();
    assert_eq!(last, Some("Every message is accounted for."), "{}", ended.stdout);
    assert!(ended.stdout.contains("accepted          500 ("), "{}", ended.stdout);
}

#[test]
fn a_driver_that_is_not_known_is_named() {
    let mut command = program("demo");
    command.args(["--messages", "1", "--driver", "epoll", "--json"]);
    let ended = run_to_end(command, "", LIMIT);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("epoll"), "{}", ended.stderr);
}

/// The corpus of real texts, where there is one: it is not part of the repository.
fn corpus() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("POSTRIDER_SMS_CORPUS") {
        return Some(path.into());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let beside = root.join("../shared/data/sms_corpus.tsv");
    beside.exists().then_some(beside)
}

#[test]
fn every_text_of_a_corpus_arrives_as_it_was_sent() {
    let Some(corpus) = corpus() else {
        println!("skipped: no sms_corpus.tsv; POSTRIDER_SMS_CORPUS names one");
        return;
    };
    let _alone = alone();
    let texts = std::fs::read_to_string(&corpus).unwrap().lines().count() as u64 - 1;
    let messages = texts.to_string();
    let outcome = demo(&["--messages", &messages, "--corpus", corpus.to_str().unwrap()]);
    println!("{texts} texts: {outcome}");
    assert_whole(&outcome, texts, cores());
    assert_eq!(count(&outcome, "text_mismatches"), 0, "{outcome}");
    assert_eq!(count(&outcome, "texts_missing"), 0, "{outcome}");
}
