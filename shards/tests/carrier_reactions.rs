//! What statuses, congestion and kinds of binds do to a carrier's pace and its parts, on one shard in
//! memory.
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
use harness::pdu::{self, Pdu};
use postrider_core::config::{BindType, StatusReaction};
use postrider_shards::stats::Counter;

const THROTTLED: u32 = 0x58;
const QUEUE_FULL: u32 = 0x14;
const WRONG_STATE: u32 = 0x04;
const SUBMIT_FAILED: u32 = 0x45;
const BAD_SERVICE_TYPE: u32 = 0x15;

#[test]
fn a_throttled_part_stays_first_keeps_its_receipt_and_is_no_attempt() {
    let mut gateway = Gateway::new(alpha(|carrier| carrier.window = 1));
    let first = gateway.send("first");
    gateway.send("second");
    for _ in 0..20 {
        gateway.refuse(THROTTLED);
        gateway.pass(Duration::from_millis(900));
        assert!(gateway.submits.is_empty(), "the carrier is left alone for a second");
        gateway.pass(Duration::from_millis(200));
    }
    let submit = gateway.accept("1");
    assert_eq!(submit.text(), b"first");
    assert_eq!(submit.message(|message| message.registered_delivery), 1);
    assert_eq!(gateway.timeline(first), ["accepted", "submitted 1"]);
}

#[test]
fn a_full_queue_pauses_every_bind_longer_each_time() {
    let mut gateway = Gateway::new(alpha(|carrier| carrier.binds = 2));
    gateway.send("hello");
    for pause in [2, 4, 8, 16, 32, 60, 60] {
        gateway.refuse(QUEUE_FULL);
        gateway.pass(Duration::from_millis(pause * 1_000 - 100));
        assert!(gateway.submits.is_empty(), "{pause} s");
        gateway.pass(Duration::from_millis(200));
        assert_eq!(gateway.submits.len(), 1);
    }
    gateway.accept("1");
    gateway.send("again");
    gateway.pass(Duration::from_millis(1_100));
    gateway.refuse(QUEUE_FULL);
    gateway.pass(Duration::from_millis(2_100));
    assert_eq!(gateway.submits.len(), 1, "short again after an answer");
}

#[test]
fn a_peer_that_does_not_take_us_for_bound_gets_a_new_bind_and_the_part() {
    let mut gateway = Gateway::new(config(&["alpha"]));
    let id = gateway.send("hello");
    gateway.refuse(WRONG_STATE);
    gateway.seconds(3);
    assert_eq!(gateway.asked.len(), 2, "bound anew");
    gateway.accept("1");
    assert_eq!(gateway.timeline(id), ["accepted", "submitted 1"]);
}

#[test]
fn a_failed_submit_is_tried_once_more_then_elsewhere() {
    let mut gateway = Gateway::new(config(&["alpha", "beta"]));
    let id = gateway.send("hello");
    assert_eq!(gateway.refuse(SUBMIT_FAILED).bind, 0);
    gateway.seconds(2);
    assert_eq!(gateway.refuse(SUBMIT_FAILED).bind, 0);
    assert_eq!(gateway.accept("1").bind, 1);
    assert_eq!(gateway.timeline(id), ["accepted", "refused ESME_RSUBMITFAIL", "submitted 1"]);
}

#[test]
fn a_fault_of_our_profile_is_counted_and_the_part_goes_elsewhere() {
    let mut gateway = Gateway::new(config(&["alpha", "beta"]));
    gateway.send("hello");
    gateway.refuse(BAD_SERVICE_TYPE);
    assert_eq!(gateway.accept("1").bind, 1);
    assert_eq!(gateway.count(Counter::ProfileFaults), 1);
}

#[test]
fn a_status_means_what_the_profile_says() {
    for (reaction, status_after) in [
        (StatusReaction::Throttled, "queued"),
        (StatusReaction::QueueFull, "queued"),
        (StatusReaction::Temporary, "queued"),
        (StatusReaction::OtherCarrier, "rejected"),
        (StatusReaction::Reject, "rejected"),
    ] {
        let mut gateway = Gateway::new(alpha(|carrier| {
            carrier.profile.reactions.insert(0x0450, reaction);
        }));
        let id = gateway.send("hello");
        gateway.refuse(0x0450);
        assert_eq!(gateway.status(id), status_after, "{reaction:?}");
    }
}

/// Parts that leave within a second, all of them answered with this.
fn in_a_second(gateway: &mut Gateway, congestion: Option<u8>) -> usize {
    let mut count = 0;
    for _ in 0..1_000 {
        gateway.pass(Duration::from_millis(1));
        while let Some(submit) = gateway.submits.pop_front() {
            count += 1;
            let mut body = format!("{count}\0").into_bytes();
            body.extend(congestion.map(|state| pdu::tlv(0x0428, &[state])).unwrap_or_default());
            let answer = Pdu::new(pdu::SUBMIT_RESP, 0, submit.pdu.sequence, &body);
            gateway.rig.send(submit.bind, &[answer]);
            gateway.play();
        }
    }
    count
}

#[test]
fn congestion_lowers_the_rate_and_ease_gives_it_back() {
    let mut gateway = Gateway::new(alpha(|carrier| carrier.parts_per_second = 20));
    for _ in 0..1_500 {
        gateway.send("hello");
    }
    assert!(in_a_second(&mut gateway, Some(50)) < 20);
    assert!(in_a_second(&mut gateway, Some(90)) >= 19, "90 is no congestion yet");
    in_a_second(&mut gateway, Some(95));
    in_a_second(&mut gateway, Some(95));
    assert!(in_a_second(&mut gateway, Some(50)) <= 6, "halved with every second of it");
    for _ in 0..60 {
        in_a_second(&mut gateway, None);
    }
    assert!(in_a_second(&mut gateway, None) >= 19, "grown back");
}

#[test]
fn a_pair_sends_on_one_session_and_receives_on_the_other() {
    let mut gateway = Gateway::new(alpha(|carrier| carrier.bind = BindType::Pair));
    gateway.seconds(1);
    let asked: Vec<_> = gateway.asked.iter().map(|(bind, pdu)| (*bind, pdu.command)).collect();
    assert_eq!(asked, [(0, 2), (1, 1)], "a transmitter and a receiver");
    let id = gateway.send("hello");
    assert_eq!(gateway.accept("1").bind, 0);
    assert_eq!(gateway.receipt(1, &Receipt::of("1", "DELIVRD")), Some(0));
    assert_eq!(gateway.status(id), "delivered");
    // Without its transmitter the carrier is down for sending.
    gateway.unreachable = vec![0];
    gateway.lose(0);
    gateway.send("again");
    gateway.seconds(5);
    assert!(gateway.submits.is_empty());
}

#[test]
fn the_binds_of_an_account_connect_one_after_the_other() {
    let mut gateway = Gateway::new(alpha(|carrier| {
        carrier.binds = 3;
        carrier.profile.bind_stagger = Duration::from_secs(2);
    }));
    assert_eq!(gateway.asked.len(), 1);
    gateway.pass(Duration::from_millis(2_100));
    assert_eq!(gateway.asked.len(), 2);
    gateway.pass(Duration::from_millis(2_000));
    assert_eq!(gateway.asked.len(), 3);
}

#[test]
fn refused_credentials_are_tried_once_in_five_minutes() {
    let mut gateway = Gateway::new(config(&["alpha"]));
    gateway.bind_status = Some(0x0E);
    gateway.lose(0);
    gateway.seconds(2);
    let before = gateway.asked.len();
    gateway.seconds(295);
    assert_eq!(gateway.asked.len(), before);
    gateway.seconds(10);
    assert_eq!(gateway.asked.len(), before + 1);
    assert!(gateway.count(Counter::BindsRefused) >= 2);
}
