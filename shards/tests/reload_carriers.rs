//! Another configuration under way: what becomes of carriers, their binds, queues and rates, on one
//! shard in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use std::time::Duration;

use harness::gateway::{Gateway, Receipt, alpha, config};
use postrider_core::config::{CarrierConfig, Concatenation, Config};
use postrider_core::limits;
use postrider_core::redact::Private;
use postrider_core::route::Candidate;
use postrider_shards::stats::{BindLabel, Gauge};

/// These carriers, of which the route has those in `routed`, in that order.
fn routed(carriers: &[&str], routed: &[usize]) -> Config {
    let mut config = config(carriers);
    let all = config.routes[0].carriers.clone();
    let ranked = routed.iter().zip(1..).map(|(at, priority)| Candidate { priority, ..all[*at] });
    config.routes[0].carriers = ranked.collect();
    config
}

fn asked_of(gateway: &Gateway, bind: usize) -> usize {
    gateway.asked.iter().filter(|(own, _)| *own == bind).count()
}

#[test]
fn binds_of_which_nothing_changed_keep_their_connection() {
    let mut gateway = Gateway::new(config(&["alpha", "beta"]));
    let id = gateway.send("under way");
    for round in 0..20_u16 {
        let mut next = routed(&["alpha", "beta"], if round % 2 == 0 { &[1, 0] } else { &[0] });
        let alpha = &mut next.carriers[0];
        alpha.window = 1 + round;
        alpha.parts_per_second = u32::from(round) * 10;
        alpha.enquire_link = Duration::from_secs(3_000 + u64::from(round));
        alpha.receipt_retry_status = 0x45;
        alpha.profile.service_type = format!("S{round}");
        gateway.reload(next);
    }
    assert_eq!(gateway.rig.gauge(Gauge::ConfigGeneration), 21);
    assert_eq!((asked_of(&gateway, 0), asked_of(&gateway, 1)), (1, 1), "bound once each");
    gateway.accept("1");
    assert_eq!(gateway.receipt(0, &Receipt::of("1", "DELIVRD")), Some(0));
    assert_eq!(gateway.status(id), "delivered");
}

#[test]
fn a_window_and_a_rate_count_at_once() {
    let mut gateway = Gateway::new(alpha(|carrier| carrier.window = 1));
    for _ in 0..20 {
        gateway.send("hello");
    }
    assert_eq!(gateway.submits.len(), 1);
    gateway.reload(alpha(|carrier| carrier.window = 6));
    assert_eq!(gateway.submits.len(), 6, "a wider window");
    gateway.reload(alpha(|carrier| (carrier.window, carrier.parts_per_second) = (20, 2)));
    gateway.pass(Duration::from_millis(900));
    assert_eq!(gateway.submits.len(), 6, "what was sent without a rate counts as a full second");
    // Not so long that a carrier which answers nothing is left.
    gateway.pass(Duration::from_millis(1_700));
    assert!((8..=10).contains(&gateway.submits.len()), "{}", gateway.submits.len());
    gateway.reload(alpha(|carrier| carrier.window = 20));
    gateway.pass(limits::RATE_REPORT_EVERY);
    assert_eq!(gateway.submits.len(), 20, "no rate any more");
}

#[test]
fn who_we_are_changes_by_a_new_bind_and_no_part_is_lost_or_sent_twice() {
    let mut gateway = Gateway::new(config(&["alpha"]));
    let first = gateway.send("under way");
    let submit = gateway.submit();
    gateway.reload(alpha(|carrier| carrier.password = Private::new("new".into())));
    let second = gateway.send("meanwhile");
    gateway.seconds(2);
    assert_eq!(gateway.asked.len(), 1, "the answer is awaited first");
    assert!(gateway.submits.is_empty(), "and nothing is handed to the old one");
    gateway.answer(&submit, 0, "1");
    gateway.pass(Duration::from_millis(10));
    assert_eq!(gateway.asked.len(), 2, "then it binds anew at once");
    let body = &gateway.asked[1].1.body;
    assert!(body.windows(4).any(|octets| octets == b"new\0"), "with the new password");
    gateway.accept("2");
    assert_eq!(gateway.timeline(first), ["accepted", "submitted 1"]);
    assert_eq!(gateway.timeline(second), ["accepted", "submitted 2"]);
}

#[test]
fn a_carrier_that_could_not_be_reached_is_tried_at_once_where_it_is_now() {
    let mut gateway = Gateway::new(config(&["alpha"]));
    gateway.unreachable = vec![0];
    gateway.lose(0);
    gateway.seconds(600);
    gateway.unreachable.clear();
    let before = gateway.asked.len();
    gateway.reload(alpha(|carrier| carrier.address = "elsewhere:2775".into()));
    gateway.pass(Duration::from_millis(10));
    assert_eq!(gateway.rig.shard.bind_address(0), Some("elsewhere:2775"));
    assert_eq!(gateway.asked.len(), before + 1);
}

#[test]
fn a_connection_on_its_way_to_the_old_address_is_given_back() {
    let mut rig = harness::Rig::with(config(&["alpha"]), 64);
    assert!(rig.wants(0), "it connects");
    rig.reload(alpha(|carrier| carrier.address = "elsewhere:2775".into()));
    rig.connect(0);
    assert!(!rig.is_open(0) && rig.received(0).is_empty(), "nobody is asked to bind us there");
    assert!(rig.wants(0), "and the new one is connected to at once");
    rig.bind(0);
    assert!(rig.is_open(0));
}

#[test]
fn binds_come_and_go_under_their_numbers() {
    let with = |binds: u16| alpha(|carrier: &mut CarrierConfig| carrier.binds = binds);
    let mut gateway = Gateway::new(with(1));
    gateway.reload(with(3));
    gateway.seconds(1);
    assert_eq!([0, 1, 2].map(|bind| asked_of(&gateway, bind)), [1, 1, 1]);
    gateway.reload(with(2));
    gateway.seconds(7_200);
    assert!(gateway.rig.is_open(0) && gateway.rig.is_open(1));
    assert!(!gateway.rig.is_open(2), "the last one unbinds, and stays away");
    assert_eq!([0, 1, 2].map(|bind| asked_of(&gateway, bind)), [1, 1, 1]);
    gateway.reload(with(3));
    gateway.seconds(1);
    assert_eq!([0, 1, 2].map(|bind| asked_of(&gateway, bind)), [1, 1, 2]);
    let labels: Vec<BindLabel> =
        gateway.rig.stats.binds().map(|(label, _)| label.clone()).collect();
    let label = |bind| BindLabel { carrier: "alpha".into(), bind, kind: "transceiver" };
    assert_eq!(labels, [0, 1, 2].map(label), "no number is had twice");
}

#[test]
fn what_waits_goes_where_the_routes_say_now() {
    let mut gateway = Gateway::new(routed(&["alpha", "beta"], &[0]));
    for _ in 0..10 {
        gateway.send("hello");
    }
    assert!(gateway.submits.len() == 4 && gateway.submits.iter().all(|own| own.bind == 0));
    gateway.reload(routed(&["alpha", "beta"], &[1]));
    let to: Vec<usize> = gateway.submits.iter().map(|own| own.bind).collect();
    assert_eq!(to, [0, 0, 0, 0, 1, 1, 1, 1], "beta has what its window takes");
}

#[test]
fn a_new_carrier_is_bound_to_and_used() {
    let mut gateway = Gateway::new(config(&["alpha"]));
    gateway.reload(routed(&["beta", "alpha"], &[0, 1]));
    gateway.seconds(1);
    let id = gateway.send("hello");
    assert_eq!(gateway.accept("1").bind, 1, "the places of the file are not those of the process");
    assert_eq!(gateway.receipt(1, &Receipt::of("1", "DELIVRD")), Some(0));
    assert_eq!(gateway.status(id), "delivered");
}

#[test]
fn a_removed_carrier_gets_nothing_more_and_is_heard_until_it_owes_nothing() {
    let mut gateway = Gateway::new(routed(&["alpha", "beta"], &[0, 1]));
    let sent = gateway.send("taken");
    gateway.accept("1");
    let waiting: Vec<_> = (0..6).map(|_| gateway.send("waits")).collect();
    assert_eq!(gateway.submits.len(), 4, "alpha's window");
    gateway.reload(config(&["beta"]));
    let (alphas, betas): (Vec<_>, Vec<_>) =
        gateway.submits.drain(..).partition(|submit| submit.bind == 0);
    assert_eq!((alphas.len(), betas.len()), (4, 2), "its queue goes to beta at once");
    for (submit, id) in alphas.iter().chain(&betas).zip(["2", "3", "4", "5", "6", "7"]) {
        gateway.answer(submit, 0, id);
    }
    for id in ["2", "3", "4", "5"] {
        assert_eq!(gateway.receipt(0, &Receipt::of(id, "DELIVRD")), Some(0));
    }
    for id in ["6", "7"] {
        assert_eq!(gateway.receipt(1, &Receipt::of(id, "DELIVRD")), Some(0));
    }
    for id in waiting {
        assert_eq!(gateway.status(id), "delivered");
    }
    gateway.seconds(20);
    assert!(gateway.rig.is_open(0), "one receipt is missing");
    gateway.lose(0);
    gateway.seconds(5);
    assert!(gateway.rig.is_open(0), "and it is connected to for that");
    assert_eq!(gateway.receipt(0, &Receipt::of("1", "DELIVRD")), Some(0));
    assert_eq!(gateway.status(sent), "delivered");
    gateway.pass(limits::RETIRED_LOOK_EVERY + Duration::from_secs(1));
    assert!(!gateway.rig.is_open(0), "it owes nothing more");
    let before = asked_of(&gateway, 0);
    gateway.reload(config(&["beta"]));
    gateway.seconds(600);
    assert_eq!(asked_of(&gateway, 0), before);
    gateway.reload(routed(&["beta", "alpha"], &[1]));
    gateway.seconds(1);
    gateway.send("again");
    assert_eq!(gateway.accept("8").bind, 0, "it is there again");
}

#[test]
fn a_message_that_the_carriers_left_cannot_have_as_promised_fails_and_says_why() {
    // Two parts with a reference of one octet, three with one of two.
    let text = "ж".repeat(134);
    let with = |carriers: &[&str]| {
        let mut config = config(carriers);
        for carrier in config.carriers.iter_mut().filter(|carrier| carrier.name == "beta") {
            carrier.profile.concatenation = Concatenation::Udh16;
        }
        config
    };
    let mut gateway = Gateway::new(with(&["alpha", "beta"]));
    for _ in 0..4 {
        gateway.send("fills the window");
    }
    let id = gateway.send(&text);
    gateway.reload(with(&["beta"]));
    assert_eq!(gateway.status(id), "failed");
    let why = "no carrier of its route can have it in as many parts as were promised";
    assert_eq!(gateway.rig.view(id).error_code.as_deref(), Some(why));
}

#[test]
fn the_rest_of_a_message_goes_where_its_first_parts_went() {
    let mut gateway = Gateway::new(routed(&["alpha", "beta"], &[0, 1]));
    gateway.reload({
        let mut narrow = routed(&["alpha", "beta"], &[0, 1]);
        narrow.carriers[0].window = 1;
        narrow
    });
    let id = gateway.send(&"long ".repeat(90));
    let on_disk = Duration::from_millis(5);
    gateway.accept("1");
    gateway.pass(on_disk);
    assert_eq!(gateway.submits.len(), 1);
    gateway.reload(config(&["beta"]));
    gateway.accept("2");
    gateway.pass(on_disk);
    assert_eq!(gateway.accept("3").bind, 0, "a handset can only join what came one way");
    assert!(gateway.submits.is_empty());
    assert!(gateway.timeline(id).iter().all(|event| !event.starts_with("rejected")));
    assert_eq!(gateway.status(id), "submitted");
}

#[test]
fn a_removed_carrier_of_which_nobody_knows_is_heard_for_as_long_as_any_receipt_is_waited_for() {
    let mut gateway = Gateway::new(routed(&["alpha", "beta"], &[0, 1]));
    gateway.send("taken");
    gateway.accept("1");
    gateway.seconds(60);
    assert_eq!(gateway.rig.gauge(Gauge::MessagesInMemory), 0, "it waits on disk");
    gateway.reload(config(&["beta"]));
    gateway.seconds(3_600);
    assert!(gateway.rig.is_open(0), "whose that message is cannot be known");
}
