//! The retry ladder of messages on one shard in memory: carriers that refuse for a while, for good, or
//! too fast; what a message does while it waits, over restarts too, and what its customer is told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use std::time::Duration;

use harness::gateway::{Gateway, HANDSET, Receipt, Submit, config};
use postrider_core::config::Config;
use postrider_core::id::MessageId;
use postrider_http::response::MessageView;
use postrider_shards::stats::Counter;

const SYSTEM_ERROR: u32 = 0x08;
const NOT_NOW: u32 = 0x64;
const BAD_SENDER: u32 = 0x0A;
const BAD_RECIPIENT: u32 = 0x0B;
const FAILED: u32 = 0x45;
const UNKNOWN_ERROR: u32 = 0xFF;
const THROTTLED: u32 = 0x58;
const DAY: u64 = 24 * 3_600;

/// A text of three parts.
const LONG: &str = "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 \
    0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 \
    0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 \
    0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789";

/// Time passes in which carriers answer every submit with what `says`; gives how many each got.
fn answered(
    gateway: &mut Gateway,
    time: Duration,
    mut says: impl FnMut(&Submit) -> u32,
) -> [usize; 3] {
    let until = gateway.rig.now + time;
    let mut counts = [0; 3];
    loop {
        while let Some(submit) = gateway.submits.pop_front() {
            counts[submit.bind] += 1;
            let status = says(&submit);
            let id = format!("id{}-{}", submit.bind, submit.pdu.sequence);
            gateway.answer(&submit, status, &id);
        }
        if gateway.rig.now >= until {
            return counts;
        }
        gateway.pass(Duration::from_millis(500).min(until - gateway.rig.now));
    }
}

fn for_seconds(gateway: &mut Gateway, seconds: u64, status: u32) -> [usize; 3] {
    answered(gateway, Duration::from_secs(seconds), |_| status)
}

fn valid_for(gateway: &mut Gateway, seconds: u64) -> MessageId {
    gateway.post(&format!(
        r#"{{"from":"Acme","to":"+{HANDSET}","body":"hello","validity_period":{seconds}}}"#
    ))
}

/// What a view says of carriers: name, status, number, words.
fn told(view: &MessageView) -> Vec<(&str, &str, u32)> {
    let errors = view.carrier_errors.iter();
    errors
        .map(|own| {
            (own.carrier.as_deref().unwrap_or(""), own.status.as_deref().unwrap_or(""), own.code)
        })
        .collect()
}

#[test]
fn an_hour_of_temporary_refusals_everywhere_loses_nothing() {
    let mut gateway = Gateway::new(config(&["alpha", "beta"]));
    let id = gateway.send("hello");
    let refused = for_seconds(&mut gateway, 3_600, SYSTEM_ERROR);
    // Rounds begin 0, 1, 2, 5, 10, 15 minutes and the time of the rounds between after each other.
    assert_eq!(refused, [24, 24, 0], "six rounds of four tries at each");
    assert!(matches!(gateway.status(id), "queued" | "held"));
    let taken = for_seconds(&mut gateway, 1_800, 0);
    assert_eq!(taken.iter().sum::<usize>(), 1, "{taken:?}");
    let number = usize::from(taken[1] == 1);
    let id_of = gateway.rig.view(id).parts[0].carrier_message_id.clone().unwrap();
    gateway.receipt(number, &Receipt::of(&id_of, "DELIVRD"));
    assert_eq!(gateway.status(id), "delivered");
    assert!(gateway.rig.view(id).carrier_errors.is_empty(), "it did not fail");
    assert_eq!(gateway.count(Counter::RetryRounds), 6);
}

#[test]
fn each_carrier_is_asked_once_for_good_in_order_and_their_words_are_told() {
    let mut gateway = Gateway::new(config(&["alpha", "beta", "gamma"]));
    let id = gateway.send("hello");
    let statuses = [BAD_SENDER, BAD_RECIPIENT, 0x0450];
    let mut order = Vec::new();
    let counts = answered(&mut gateway, Duration::from_secs(1), |submit| {
        order.push(submit.bind);
        statuses[submit.bind]
    });
    assert_eq!((counts, order), ([1, 1, 1], vec![0, 1, 2]));
    let view = gateway.rig.view(id);
    assert_eq!(view.status.name(), "rejected");
    let expected = [
        ("alpha", "ESME_RINVSRCADR", BAD_SENDER),
        ("beta", "ESME_RINVDSTADR", BAD_RECIPIENT),
        ("gamma", "", 0x0450),
    ];
    assert_eq!(told(&view), expected);
    assert!(view.carrier_errors.iter().all(|own| own.at >= view.created));
    assert_eq!(for_seconds(&mut gateway, DAY, 0), [0; 3], "final");
}

#[test]
fn who_refused_for_good_is_left_out_of_later_rounds() {
    let mut gateway = Gateway::new(config(&["alpha", "beta"]));
    let id = gateway.send("hello");
    let counts = answered(&mut gateway, Duration::from_secs(2 * 3_600), |submit| {
        [BAD_SENDER, NOT_NOW][submit.bind]
    });
    assert_eq!(counts[0], 1);
    assert!(counts[1] >= 24, "{counts:?}");
    assert_eq!(for_seconds(&mut gateway, 1_900, 0), [0, 1, 0]);
    assert_eq!(gateway.status(id), "submitted");
}

#[test]
fn catch_alls_count_for_good_after_their_tries() {
    let mut gateway = Gateway::new(config(&["alpha", "beta"]));
    let id = gateway.send("hello");
    let counts = answered(&mut gateway, Duration::from_secs(60), |submit| {
        [FAILED, UNKNOWN_ERROR][submit.bind]
    });
    assert_eq!(counts, [2, 3, 0]);
    assert_eq!(gateway.status(id), "rejected");
}

#[test]
fn validity_ends_with_the_carriers_last_words() {
    let mut gateway = Gateway::new(config(&["alpha", "beta"]));
    let id = valid_for(&mut gateway, 7_200);
    let accepted = gateway.rig.now;
    let mut last = Duration::ZERO;
    for _ in 0..7_300 {
        let asked = answered(&mut gateway, Duration::from_secs(1), |submit| {
            [SYSTEM_ERROR, NOT_NOW][submit.bind]
        });
        if asked != [0; 3] {
            last = gateway.rig.now - accepted;
        }
    }
    assert!(last < Duration::from_secs(7_200), "{last:?}");
    let view = gateway.rig.view(id);
    assert_eq!(view.status.name(), "expired");
    let after = view.finished.unwrap().since(view.created);
    assert_eq!(after.as_secs(), 7_200, "not a second before");
    assert_eq!(view.error_code.as_deref(), Some("validity period over"));
    let expected = [("alpha", "ESME_RSYSERR", SYSTEM_ERROR), ("beta", "ESME_RX_T_APPN", NOT_NOW)];
    assert_eq!(told(&view), expected);
    assert_eq!(for_seconds(&mut gateway, 3 * DAY, 0), [0; 3], "nothing after validity");
}

#[test]
fn a_short_validity_asks_the_next_carrier_in_time() {
    let mut gateway = Gateway::new(config(&["alpha", "beta"]));
    let id = valid_for(&mut gateway, 20);
    let asked = for_seconds(&mut gateway, 30, SYSTEM_ERROR);
    assert_eq!(asked, [3, 3, 0], "another 30 s would have been too late");
    let view = gateway.rig.view(id);
    assert_eq!((view.status.name(), told(&view).len()), ("expired", 2));
}

#[test]
fn too_fast_and_full_are_no_refusals() {
    let mut gateway = Gateway::new(config(&["alpha"]));
    let id = valid_for(&mut gateway, 3_600);
    let asked = for_seconds(&mut gateway, 3_000, THROTTLED);
    assert!(asked[0] > 100, "{asked:?}");
    assert_eq!(gateway.timeline(id), ["accepted"]);
    assert_eq!(gateway.count(Counter::RetryRounds), 0);
    assert_eq!(for_seconds(&mut gateway, 60, 0)[0], 1);
    assert_eq!(gateway.status(id), "submitted");
}

#[test]
fn a_message_leaves_memory_while_it_rests_and_comes_back_for_its_round() {
    let mut gateway = Gateway::new(config(&["alpha", "beta"]));
    let id = gateway.send("hello");
    for_seconds(&mut gateway, 1_500, SYSTEM_ERROR);
    // The fifth rest is of fifteen minutes.
    for_seconds(&mut gateway, 240, SYSTEM_ERROR);
    assert_eq!(gateway.status(id), "held");
    gateway.seconds(40);
    assert_eq!(gateway.rig.shard.messages_in_memory(), 0, "on disk alone");
    let parked = gateway.count(Counter::MessagesParked);
    assert!(parked >= 1, "{parked}");
    let taken = for_seconds(&mut gateway, 1_800, 0);
    assert_eq!(taken, [1, 0, 0]);
    assert_eq!(gateway.status(id), "submitted");
}

#[test]
fn no_seat_is_held_by_messages_that_rest() {
    const STUBBORN: usize = 30;
    let mut config = config(&["alpha"]);
    config.limits.hot_messages = 400;
    let mut gateway = Gateway::new(config);
    let refuses = |submit: &Submit| {
        if submit.text().starts_with(b"not now") { SYSTEM_ERROR } else { 0 }
    };
    // Others are taken meanwhile, so that the carrier stays trusted.
    let beside = |gateway: &mut Gateway, seconds: u64| {
        for _ in 0..2 * seconds {
            gateway.send("hello");
            gateway.send("hello");
            answered(gateway, Duration::from_millis(500), refuses);
        }
    };
    let mut ids = Vec::new();
    for n in 0..STUBBORN {
        ids.push(gateway.send(&format!("not now {n}")));
        beside(&mut gateway, 1);
    }
    let mut waited = 0;
    while gateway.count(Counter::RetryRounds) < 3 * STUBBORN as u64 {
        beside(&mut gateway, 1);
        waited += 1;
        assert!(waited < 400, "{} rounds are over", gateway.count(Counter::RetryRounds));
    }
    println!("{waited} s until {STUBBORN} rounds were over");
    // All are in their rest of five minutes.
    gateway.seconds(31);
    assert_eq!(gateway.rig.shard.messages_in_memory(), 0, "on disk alone");
    gateway.send("hello");
    assert_eq!(gateway.submits.len(), 1, "new ones pass");
    for_seconds(&mut gateway, 1_800, 0);
    assert!(ids.iter().all(|id| gateway.status(*id) == "submitted"));
}

#[test]
fn a_restart_goes_on_where_the_record_says() {
    let mut gateway = Gateway::new(config(&["alpha", "beta"]));
    let id = gateway.send("hello");
    // The third round is over, its rest of five minutes is not.
    for_seconds(&mut gateway, 450, SYSTEM_ERROR);
    assert_eq!(gateway.count(Counter::RetryRounds), 3);
    let before = gateway.timeline(id);
    for _ in 0..5 {
        gateway = gateway.crash();
        assert_eq!(for_seconds(&mut gateway, 5, SYSTEM_ERROR), [0; 3], "it rests on");
        assert_eq!(gateway.timeline(id), before);
        gateway = gateway.restart();
        gateway.submits.clear();
        assert_eq!(gateway.timeline(id), before);
    }
    let asked = for_seconds(&mut gateway, 600, SYSTEM_ERROR);
    assert_eq!(asked, [4, 4, 0], "the fourth round");
    // Within a round, who has refused is not asked again.
    let mut gateway = Gateway::new(config(&["alpha", "beta"]));
    let id = gateway.send("hello");
    while !gateway.timeline(id).iter().any(|word| word.starts_with("refused")) {
        answered(&mut gateway, Duration::from_millis(500), |_| SYSTEM_ERROR);
    }
    gateway.seconds(1);
    gateway = gateway.crash();
    let asked = for_seconds(&mut gateway, 40, SYSTEM_ERROR);
    assert_eq!(asked, [0, 4, 0]);
    assert_eq!(gateway.status(id), "held");
}

#[test]
fn starts_in_a_loop_cost_one_attempt_each() {
    let mut gateway = Gateway::new(config(&["alpha"]));
    let id = gateway.send("hello");
    let mut asked = for_seconds(&mut gateway, 1, SYSTEM_ERROR)[0];
    for _ in 0..10 {
        gateway = gateway.crash();
        gateway.submits.retain(|submit| submit.bind == 0);
        asked += for_seconds(&mut gateway, 0, SYSTEM_ERROR)[0];
    }
    assert!(asked <= 12, "{asked}");
    for_seconds(&mut gateway, 60, SYSTEM_ERROR);
    gateway = gateway.crash();
    assert_eq!(for_seconds(&mut gateway, 5, SYSTEM_ERROR)[0], 0, "in a rest, none");
    assert_eq!(gateway.status(id), "held");
}

#[test]
fn a_message_that_is_tried_for_three_days_stays_small() {
    let mut gateway = Gateway::new(config(&["alpha", "beta"]));
    let id = valid_for(&mut gateway, 3 * DAY);
    let asked = for_seconds(&mut gateway, 3 * DAY + 10, SYSTEM_ERROR);
    assert!(asked[0] > 4 * 130 && asked[0] < 4 * 148, "{asked:?}");
    let view = gateway.rig.view(id);
    assert_eq!(view.status.name(), "expired");
    assert!(view.timeline.len() <= 8, "{:?}", view.timeline);
    assert_eq!(told(&view).len(), 2);
    gateway = gateway.crash();
    let again = gateway.rig.view(id);
    assert_eq!(again, view, "as it was");
}

#[test]
fn parts_that_were_taken_keep_the_others_with_their_carrier() {
    let mut gateway = Gateway::new(config(&["alpha", "beta"]));
    let id = gateway.send(LONG);
    let mut first = None;
    let trouble = |submit: &Submit| {
        let text = submit.text();
        if *first.get_or_insert_with(|| text.clone()) == text { 0 } else { SYSTEM_ERROR }
    };
    let asked = answered(&mut gateway, Duration::from_secs(900), trouble);
    assert_eq!(asked[1], 0, "a handset can only join what came one way");
    assert!(asked[0] > 20, "{asked:?}");
    let view = gateway.rig.view(id);
    let statuses: Vec<&str> = view.parts.iter().map(|part| part.status.name()).collect();
    assert_eq!(statuses, ["submitted", "held", "held"], "{:?}", view.timeline);
    gateway = gateway.crash();
    assert_eq!(for_seconds(&mut gateway, 1_800, 0), [2, 0, 0]);
    assert_eq!(gateway.status(id), "submitted");
}

#[test]
fn a_refusal_of_one_part_waits_for_its_siblings_before_others_are_asked() {
    let mut gateway = Gateway::new(config(&["alpha", "beta"]));
    let id = gateway.send(LONG);
    let parts: Vec<Submit> = gateway.submits.drain(..).collect();
    assert_eq!(parts.len(), 3);
    gateway.answer(&parts[0], BAD_SENDER, "");
    gateway.answer(&parts[1], BAD_SENDER, "");
    gateway.seconds(1);
    assert!(gateway.submits.is_empty(), "alpha may have taken the third");
    gateway.answer(&parts[2], BAD_SENDER, "");
    assert_eq!(for_seconds(&mut gateway, 1, 0), [0, 3, 0], "beta has all of them");
    assert_eq!(gateway.status(id), "submitted");
    let refused = gateway.timeline(id).iter().filter(|word| word.starts_with("refused")).count();
    assert_eq!(refused, 1);
    // With one of them taken, no other carrier can have the rest.
    let id = gateway.send(LONG);
    let parts: Vec<Submit> = gateway.submits.drain(..).collect();
    gateway.answer(&parts[0], BAD_SENDER, "");
    gateway.answer(&parts[1], 0, "taken");
    gateway.answer(&parts[2], BAD_SENDER, "");
    gateway.seconds(1);
    assert!(gateway.submits.is_empty());
    let view = gateway.rig.view(id);
    assert_eq!((view.status.name(), told(&view)[0].1), ("rejected", "ESME_RINVSRCADR"));
}

#[test]
fn a_carrier_that_is_down_does_not_stop_the_rounds_of_another() {
    let mut gateway = Gateway::new(config(&["alpha", "beta"]));
    gateway.unreachable = vec![1];
    gateway.lose(1);
    gateway.seconds(10);
    let id = gateway.send("hello");
    assert_eq!(for_seconds(&mut gateway, 60, SYSTEM_ERROR), [4, 0, 0]);
    assert_eq!(gateway.status(id), "held");
    assert_eq!(for_seconds(&mut gateway, 60, 0), [1, 0, 0]);
    assert_eq!(gateway.status(id), "submitted");
}

#[test]
fn a_carrier_that_a_reload_brings_is_asked_in_the_next_round() {
    let mut gateway = Gateway::new(config(&["alpha"]));
    let id = gateway.send("hello");
    for_seconds(&mut gateway, 40, SYSTEM_ERROR);
    assert_eq!(gateway.status(id), "held");
    gateway.reload(config(&["alpha", "beta"]));
    for_seconds(&mut gateway, 70, 0);
    assert_eq!(gateway.status(id), "submitted");
}

/// A draw for the `n`th submit, in parts per million.
fn draw(n: u64) -> u64 {
    let mut bits = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    (bits ^ bits >> 31) % 1_000_000
}

/// Carriers with windows that are large enough for a crowd.
fn wide(carriers: &[&str]) -> Config {
    let mut config = config(carriers);
    for carrier in &mut config.carriers {
        carrier.window = 500;
    }
    config.limits.hot_messages = 10_000;
    config.limits.open_messages = 100_000;
    config
}

#[test]
fn one_percent_of_temporary_failures_at_every_carrier_still_delivers_999_of_1000() {
    const MESSAGES: u64 = 50_000;
    let mut gateway = Gateway::with_segments(wide(&["alpha", "beta", "gamma"]), 2_000);
    let (mut drawn, mut refused) = (0, 0);
    let mut ids = Vec::new();
    for n in 0..MESSAGES {
        ids.push(gateway.rig.submit(447_700_000_000 + n, "hello"));
        if n % 100 == 99 {
            gateway.play();
            gateway.pass(Duration::from_millis(20));
            settle(&mut gateway, &mut drawn, &mut refused);
        }
    }
    for _ in 0..120 {
        gateway.seconds(1);
        settle(&mut gateway, &mut drawn, &mut refused);
    }
    let delivered = ids.iter().filter(|id| gateway.status(**id) == "delivered").count();
    let share = delivered as f64 / MESSAGES as f64 * 100.0;
    println!("{delivered} of {MESSAGES} delivered ({share:.3} %), {refused} of {drawn} refused");
    assert!(refused > 400, "one in a hundred: {refused} of {drawn}");
    assert!(delivered as u64 * 1_000 >= MESSAGES * 999);
}

/// Carriers refuse one submit in a hundred for a while, and deliver the others.
fn settle(gateway: &mut Gateway, drawn: &mut u64, refused: &mut u64) {
    while let Some(submit) = gateway.submits.pop_front() {
        *drawn += 1;
        if draw(*drawn) < 10_000 {
            *refused += 1;
            gateway.answer(&submit, SYSTEM_ERROR, "");
            continue;
        }
        let id = format!("c{drawn}");
        let to = submit.pdu.destination();
        gateway.answer(&submit, 0, &id);
        let receipt = Receipt { source: &to, ..Receipt::of(&id, "DELIVRD") };
        gateway.receipt(submit.bind, &receipt);
    }
}
