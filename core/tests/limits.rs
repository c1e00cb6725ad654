//! The bounds of the product are a promise: a change of one shows here.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fmt::Write;

use postrider_core::limits::{self, ORPHAN_GIVE_UP, ORPHAN_RETRIES};

const SNAPSHOT: &str = include_str!("vectors/limits.txt");
const SOURCE: &str = include_str!("../src/limits.rs");

#[test]
fn the_bounds_are_those_of_the_snapshot() {
    let mut text = String::new();
    for (name, value, unit) in limits::all() {
        writeln!(text, "{name} = {value} {unit}").unwrap();
    }
    assert_eq!(text, SNAPSHOT, "correct tests/vectors/limits.txt when a bound changes on purpose");
}

#[test]
fn every_bound_is_printed() {
    let constants = SOURCE.lines().filter_map(|line| line.strip_prefix("pub const "));
    let mut count = 0;
    for line in constants {
        let name = line.split(':').next().unwrap();
        let stem = name.trim_end_matches("IES").trim_end_matches('S');
        let printed = limits::all().iter().any(|(own, _, _)| own.starts_with(stem));
        assert!(printed, "{name} is missing in all()");
        count += 1;
    }
    assert!(count > 50, "{count}");
}

#[test]
fn parked_receipts_are_tried_thrice() {
    let seconds = ORPHAN_RETRIES.map(|retry| retry.as_secs());
    assert_eq!((seconds, ORPHAN_GIVE_UP.as_secs()), ([1, 10, 60], 300));
}
