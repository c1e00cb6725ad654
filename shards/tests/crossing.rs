//! Carriers with fewer binds than shards: parts cross to the shard with the bind and their answers come
//! back, whatever happens to the bind meanwhile; on whole shards in memory under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod house;

use std::time::Duration;

use house::{House, Line, Submit, config};
use postrider_core::place::ShardId;
use postrider_shards::stats::{Counter, Gauge};

/// So many shards, and one bind of the carrier, on the first of them.
fn one_bind(shards: u16, more: &str) -> String {
    let binds = format!("binds = {shards}");
    config(shards, "").replace(&binds, &format!("binds = 1\n{more}"))
}

fn submit_to(house: &mut House, line: Line, number: &str) -> String {
    let dest = (1, 1, number);
    house.submit(line, &Submit { dest, ..Submit::default() })
}

#[test]
fn a_part_crosses_once_and_its_receipt_comes_home() {
    let mut house = House::new(&one_bind(3, ""));
    let line = house.bound(0);
    for owner in 0..3 {
        let number = house.number_of(owner, 0);
        let id = submit_to(&mut house, line, &number);
        house.pass(Duration::from_millis(20));
        assert_eq!(house.status(&id), "submitted");
        let submits = house.submits();
        assert_eq!(submits.len(), 1);
        assert_eq!(submits[0].0, number);
        let carrier_id = house.carrier_id(0);
        house.receipt(0, 100 + owner as u32, &number, &carrier_id, "DELIVRD", "000");
        house.pass(Duration::from_millis(20));
        assert_eq!(house.status(&id), "delivered");
    }
    assert_eq!(house.count(Counter::PartsCrossed), 2, "two of three are other shards'");
    assert_eq!(house.count(Counter::BindsOpened), 1);
}

#[test]
fn many_parts_share_the_window_of_one_bind() {
    let mut house = House::new(&one_bind(3, "cores = 1").replace("window = 100", "window = 3"));
    let lines: Vec<Line> = (0..3).map(|shard| house.bound(shard)).collect();
    let ids: Vec<String> = (0..90)
        .map(|n| {
            let number = house.number_of(n % 3, n / 3);
            submit_to(&mut house, lines[n % 2], &number)
        })
        .collect();
    house.pass(Duration::from_secs(1));
    assert_eq!(house.submits().len(), 90);
    assert!(ids.iter().all(|id| house.status(id) == "submitted"));
    assert_eq!(house.count(Counter::PartsCrossed), 60);
    assert_eq!(house.gauge(Gauge::QueuedParts), 0);
}

/// The bind is lost while parts are between the shards: they were not sent, for certain, and go out when
/// it is back, once.
#[test]
fn what_crosses_to_a_bind_that_is_gone_was_not_sent() {
    let mut house = House::new(&one_bind(2, "on_unknown_outcome = \"fail\""));
    let line = house.bound(1);
    let number = house.number_of(1, 0);
    house.hold_crossings(true);
    let dest = (1, 1, number.as_str());
    let id = house.submit(line, &Submit { dest, ..Submit::default() });
    assert_eq!(house.count(Counter::PartsCrossed), 1, "it is on its way");
    house.cut_carriers();
    house.hold_crossings(false);
    house.pass(Duration::from_secs(2));
    assert_eq!(house.status(&id), "queued");
    assert_eq!(house.count(Counter::CreditsStale), 1);
    assert_eq!(house.count(Counter::PartsOutcomeUnknown), 0);
    house.mend_carriers();
    assert_eq!(house.submits().len(), 1);
    assert_eq!(house.status(&id), "submitted");
}

/// The bind is lost when the part was written and not answered: its owner learns that nobody knows.
#[test]
fn a_bind_that_is_lost_with_a_part_tells_its_owner() {
    for (policy, after) in [("fail", "failed"), ("hold_for_receipt", "outcome_unknown")] {
        let more = format!("on_unknown_outcome = \"{policy}\"");
        let mut house = House::new(&one_bind(2, &more));
        house.mute_carriers(true);
        let line = house.bound(1);
        let number = house.number_of(1, 0);
        let id = submit_to(&mut house, line, &number);
        house.pass(Duration::from_millis(50));
        assert_eq!(house.submits().len(), 1);
        assert_eq!(house.status(&id), "queued");
        house.mute_carriers(false);
        house.cut_carriers();
        house.pass(Duration::from_millis(50));
        assert_eq!(house.status(&id), after);
        assert_eq!(house.count(Counter::PartsOutcomeUnknown), 1);
        house.mend_carriers();
        assert_eq!(house.submits().len(), 0, "it is not sent again");
    }
}

#[test]
fn a_rate_holds_over_all_owners() {
    let mut house = House::new(&one_bind(3, "parts_per_second = 60"));
    let line = house.bound(0);
    for n in 0..240 {
        let number = house.number_of(n % 3, n / 3);
        submit_to(&mut house, line, &number);
    }
    // What the process before sent counts for a second.
    house.pass(Duration::from_secs(1));
    house.submits();
    let mut counts = Vec::new();
    for _ in 0..3 {
        house.pass(Duration::from_secs(1));
        counts.push(house.submits().len());
    }
    assert!(counts.iter().all(|count| (57..=60).contains(count)), "{counts:?}");
}

/// A stop waits for what has crossed, and for every ask to be answered.
#[test]
fn a_stop_waits_for_what_has_crossed() {
    let mut house = House::new(&one_bind(2, "").replace("window = 100", "window = 1"));
    let line = house.bound(1);
    house.mute_carriers(true);
    let numbers: Vec<String> = (0..3).map(|n| house.number_of(1, n)).collect();
    let ids: Vec<String> =
        numbers.iter().map(|number| submit_to(&mut house, line, number)).collect();
    house.pass(Duration::from_millis(50));
    assert_eq!(house.count(Counter::PartsCrossed), 1, "the window is one part");
    house.drain();
    house.pass(Duration::from_secs(1));
    assert!(!house.is_drained(), "one is not answered");
    house.mute_carriers(false);
    house.answer_all();
    house.pass(Duration::from_secs(12));
    assert!(house.is_drained());
    let mut house = house.crash(Duration::from_secs(1));
    house.pass(Duration::from_secs(2));
    assert_eq!(house.submits().len(), 2, "the first is known, the others are sent now");
    assert!(ids.iter().all(|id| house.status(id) == "submitted"));
}

/// Binds move to another shard, and more of them come, while parts are sent.
#[test]
fn a_reload_moves_binds_between_shards() {
    let narrow = one_bind(2, "");
    let wide = config(2, "");
    let mut house = House::new(&narrow);
    let line = house.bound(0);
    let mut sent = 0;
    for round in 0..6 {
        for n in 0..4 {
            let number = house.number_of(n % 2, round * 2 + n / 2);
            submit_to(&mut house, line, &number);
            sent += 1;
        }
        house.pass(Duration::from_secs(2));
        assert_eq!(house.submits().len(), 4, "round {round}");
        house.reload(if round % 2 == 0 { &wide } else { &narrow });
        house.pass(Duration::from_secs(2));
    }
    assert_eq!(sent, 24);
    assert_eq!(house.count(Counter::PartsCrossed), 6, "half of every other round");
    let owner = house.shared.config.carriers[0].served_by(ShardId(1), 2);
    assert_eq!(owner, Some(ShardId(0)));
}

/// A shard's own bind is lost while another shard's is up: what it owns goes there at once, and by its own
/// again when that is back.
#[test]
fn a_shard_whose_own_bind_is_down_hands_its_parts_over() {
    let mut house = House::new(&config(2, ""));
    let mut next = 0;
    let mut send = |house: &mut House, count: usize| {
        let numbers: Vec<String> = (next..next + count).map(|n| house.number_of(1, n)).collect();
        next += count;
        let line = house.bound(0);
        let ids = numbers.iter().map(|number| submit_to(house, line, number));
        ids.collect::<Vec<String>>()
    };
    let mut ids = send(&mut house, 20);
    house.pass(Duration::from_secs(1));
    assert_eq!(house.count(Counter::PartsCrossed), 0, "its own bind is up");
    house.cut_shard(1, true);
    ids.extend(send(&mut house, 20));
    house.pass(Duration::from_secs(1));
    assert_eq!(house.count(Counter::PartsCrossed), 20);
    assert_eq!(house.submits().len(), 40);
    house.cut_shard(1, false);
    house.pass(Duration::from_secs(70));
    ids.extend(send(&mut house, 20));
    house.pass(Duration::from_secs(10));
    assert_eq!(house.count(Counter::PartsCrossed), 20, "by its own bind again");
    assert_eq!(house.submits().len(), 20);
    assert!(ids.iter().all(|id| house.status(id) == "submitted"));
}

/// Every bind is lost at the same moment, while each shard takes the other's for good: nobody waits for
/// the other, and all goes when one bind alone is back.
#[test]
fn shards_that_lose_their_binds_together_do_not_wait_for_each_other() {
    let mut house = House::new(&config(3, ""));
    let line = house.bound(0);
    house.cut_carriers();
    let ids: Vec<String> = (0..60)
        .map(|n| {
            let number = house.number_of(n % 3, n / 3);
            submit_to(&mut house, line, &number)
        })
        .collect();
    house.pass(Duration::from_secs(120));
    assert_eq!(house.submits().len(), 0);
    house.cut_shard(2, false);
    house.pass(Duration::from_secs(90));
    assert_eq!(house.submits().len(), 60);
    assert!(ids.iter().all(|id| house.status(id) == "submitted"));
    assert_eq!(house.count(Counter::PartsCrossed), 40);
    assert_eq!(house.gauge(Gauge::QueuedParts), 0);
}

/// A window that is full on the shard that is asked first is no reason to wait while another has room.
#[test]
fn two_shards_with_binds_share_what_crosses() {
    let two = config(5, "").replace("binds = 5", "binds = 2\ncores = 2");
    let two = two.replace("window = 100", "window = 10");
    let mut house = House::new(&two);
    let line = house.bound(0);
    house.mute_carriers(true);
    for n in 0..20 {
        let number = house.number_of(4, n);
        submit_to(&mut house, line, &number);
    }
    house.pass(Duration::from_secs(1));
    let left = house.submits_by_shard();
    assert_eq!(left, [10, 10, 0, 0, 0], "both windows are full of one owner's parts");
    house.mute_carriers(false);
    house.answer_all();
    house.pass(Duration::from_secs(1));
    assert_eq!(house.submits().len(), 20);
}
