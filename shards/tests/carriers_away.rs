//! Carriers that are away for hours, by whole shards under a virtual clock: what was accepted waits in
//! the log until its validity ends, most of it on disk alone, and goes when they are back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod house;

use std::collections::BTreeMap;
use std::time::Duration;

use house::{House, Submit, config};
use postrider_shards::stats::Counter;

const MESSAGES: usize = 4_000;
const HOURS: Duration = Duration::from_secs(6 * 3_600);
/// validity_period of an hour from now [3.4 section 7.1.1].
const AN_HOUR: &str = "000000010000000R";

/// A gateway whose memory has room for a quarter of the messages.
fn house() -> House {
    let limits = "[limits]\nhot_messages = 1000\n[[customers]]";
    House::new(&config(2, "").replacen("[[customers]]", limits, 1))
}

/// Has messages accepted, every fourth for an hour alone: recipient, id, and whether that.
fn accept(house: &mut House) -> Vec<(String, String, bool)> {
    let lines = [house.bound(0), house.bound(1)];
    let all = (0..MESSAGES).map(|n| {
        let to = format!("4477{n:08}");
        let short = n % 4 == 0;
        let validity = if short { AN_HOUR } else { "" };
        let submit = Submit { dest: (1, 1, &to), validity, ..Submit::default() };
        let id = house.submit(lines[n % 2], &submit);
        (to, id, short)
    });
    all.collect()
}

/// Everything that was still valid went once, nothing else at all, and every message says so.
fn check(house: &mut House, accepted: &[(String, String, bool)]) {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for (to, _) in house.submits() {
        *taken.entry(to).or_default() += 1;
    }
    for (to, id, short) in accepted {
        assert_eq!(taken.get(to).copied().unwrap_or(0), usize::from(!short), "{to}");
        let expected = if *short { "expired" } else { "submitted" };
        assert_eq!(house.status(id), expected, "{to}");
    }
}

#[test]
fn nothing_is_lost_while_every_carrier_is_away_for_hours() {
    let mut house = house();
    house.cut_carriers();
    let accepted = accept(&mut house);
    house.pass(HOURS);
    assert!(house.submits().is_empty());
    assert!(house.count(Counter::MessagesParked) > MESSAGES as u64 / 2, "most wait on disk alone");
    house.mend_carriers();
    house.pass(Duration::from_secs(60));
    check(&mut house, &accepted);
}

#[test]
fn nothing_is_lost_while_the_gateway_is_away_for_hours() {
    let mut house = house();
    house.cut_carriers();
    let accepted = accept(&mut house);
    let mut house = house.crash(HOURS);
    house.pass(Duration::from_secs(60));
    check(&mut house, &accepted);
}
