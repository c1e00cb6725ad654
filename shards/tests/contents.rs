//! Messages whose contents are not kept: on disk before they are accepted, gone soon after they are
//! final, there as long as they are needed. In memory, octet by octet, under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use harness::contents::holds;
use harness::gateway::{Gateway, Receipt, alpha};
use harness::{Rig, Undecided, request};
use postrider_core::config::Config;
use postrider_core::content::Retention;
use postrider_core::id::MessageId;
use postrider_core::limits;
use postrider_http::problem::Code;
use postrider_shards::shard::ApiResponse;
use postrider_shards::stats::{Counter, Gauge};
use postrider_storage::{Disk as _, Fault, LogIoErrorKind, MemDisk};

const TEXT: &str = "Your code is 739152, tell nobody";

/// A gateway whose only customer's texts are discarded.
fn discarding() -> Gateway {
    let mut config = alpha(|_| {});
    config.customers[0].content_retention = Retention::Discard;
    Gateway::new(config)
}

fn wipe_time() -> u64 {
    limits::CONTENT_WIPE_AFTER.as_secs() + 5
}

fn body(gateway: &mut Gateway, id: MessageId) -> Option<String> {
    gateway.rig.view(id).body.map(|body| body.expose().clone())
}

/// Whether the text is on the disk of messages, and on that of contents.
fn traces(gateway: &mut Gateway, text: &str) -> (bool, bool) {
    let octets = text.as_bytes();
    let log = holds(gateway.rig.disk(), octets);
    (log, gateway.rig.contents.holds(octets))
}

fn deliver(gateway: &mut Gateway, carrier_id: &str) {
    assert_eq!(gateway.receipt(0, &Receipt::of(carrier_id, "DELIVRD")), Some(0));
}

#[test]
fn a_text_is_sent_shown_while_it_is_needed_and_wiped_once_its_message_is_final() {
    let mut gateway = discarding();
    let id = gateway.send(TEXT);
    assert_eq!(traces(&mut gateway, TEXT), (false, true), "before it is accepted");
    assert_eq!(body(&mut gateway, id).as_deref(), Some(TEXT));
    let sent = gateway.accept("c-1");
    assert_eq!(sent.text(), TEXT.as_bytes());
    assert_eq!(gateway.rig.view(id).retention, Retention::Discard);
    deliver(&mut gateway, "c-1");
    assert_eq!(gateway.status(id), "delivered");
    assert_eq!(body(&mut gateway, id), None, "at once");
    gateway.seconds(wipe_time());
    assert_eq!(traces(&mut gateway, TEXT), (false, false));
    let view = gateway.rig.view(id);
    assert_eq!((view.segment_count, view.encoding), (1, "gsm7"), "what a bill is made of stays");
    assert_eq!(view.to, "+447700900123");
    assert_eq!(gateway.count(Counter::ContentsDiscarded), 1);
    assert_eq!(gateway.rig.gauge(Gauge::Contents), 0);
    let mut gateway = gateway.crash();
    assert_eq!((body(&mut gateway, id), gateway.status(id)), (None, "delivered"));
}

#[test]
fn a_message_may_ask_for_it_where_others_are_kept() {
    let mut gateway = Gateway::new(alpha(|_| {}));
    let kept = gateway.send("this one may stay for good");
    let asks = format!(
        r#"{{"from":"Acme","to":"+447700900123","body":"{TEXT}","content_retention":"discard"}}"#
    );
    let id = gateway.post(&asks);
    for carrier_id in ["c-1", "c-2"] {
        gateway.accept(carrier_id);
        deliver(&mut gateway, carrier_id);
    }
    gateway.seconds(wipe_time());
    assert_eq!(traces(&mut gateway, TEXT), (false, false));
    assert_eq!(traces(&mut gateway, "this one may stay for good"), (true, false));
    assert_eq!(body(&mut gateway, id), None);
    assert_eq!(body(&mut gateway, kept).as_deref(), Some("this one may stay for good"));
}

#[test]
fn an_open_message_has_its_text_however_often_the_process_dies_and_others_are_wiped() {
    let mut gateway = discarding();
    gateway.unreachable.push(0);
    gateway.lose(0);
    let id = gateway.send(TEXT);
    for round in 0..4 {
        // Something else ends, so that its segment is emptied; this one is carried on.
        let other = format!("round {round} ends by its validity");
        let short = format!(
            r#"{{"from":"Acme","to":"+447700900124","body":"{other}","validity_period":60}}"#
        );
        let ended = gateway.post(&short);
        gateway.seconds(120);
        assert_eq!(gateway.status(ended), "expired");
        gateway.seconds(wipe_time());
        assert_eq!(traces(&mut gateway, &other), (false, false), "round {round}");
        assert_eq!(traces(&mut gateway, TEXT), (false, true), "round {round}");
        gateway = gateway.crash();
        assert_eq!(body(&mut gateway, id).as_deref(), Some(TEXT));
    }
    gateway.unreachable.clear();
    gateway.seconds(120);
    assert_eq!(gateway.accept("c-1").text(), TEXT.as_bytes());
    assert_eq!(gateway.rig.gauge(Gauge::Contents), 1);
}

#[test]
fn a_content_whose_message_was_never_accepted_is_nobodys() {
    let mut gateway = discarding();
    // The log of messages stands still: the content comes to disk, the record behind it does not.
    gateway.rig.disk_held = true;
    gateway.send_without_answer(TEXT);
    assert!(!gateway.rig.is_answered());
    assert_eq!(traces(&mut gateway, TEXT), (false, true));
    let mut gateway = gateway.crash_with(Undecided::Lost);
    gateway.seconds(wipe_time());
    assert_eq!(traces(&mut gateway, TEXT), (false, false));
    assert!(gateway.submits.is_empty());
}

#[test]
fn a_record_that_reached_the_disk_without_an_answer_has_its_content() {
    let mut gateway = discarding();
    gateway.rig.disk_held = true;
    gateway.send_without_answer(TEXT);
    let mut gateway = gateway.crash_with(Undecided::Kept);
    gateway.rig.disk_held = false;
    gateway.seconds(60);
    assert_eq!(gateway.accept("c-1").text(), TEXT.as_bytes());
}

#[test]
fn a_message_whose_content_was_lost_fails_with_a_reason() {
    let mut gateway = discarding();
    gateway.unreachable.push(0);
    gateway.lose(0);
    let id = gateway.send(TEXT);
    gateway.rig.contents.0 = MemDisk::new();
    let mut gateway = gateway.crash();
    assert_eq!(gateway.count(Counter::ContentsLost), 1);
    gateway.seconds(1);
    assert_eq!(gateway.status(id), "failed");
    assert_eq!(gateway.timeline(id).last().unwrap(), "failed content_lost");
    assert_eq!(body(&mut gateway, id), None);
}

/// It ends before the start takes it up, and its customer is told when that is on disk.
#[test]
fn the_end_of_a_message_whose_content_was_lost_is_told_once() {
    let mut gateway = discarding();
    gateway.unreachable.push(0);
    gateway.lose(0);
    let id = gateway.post(
        r#"{"from":"Acme","to":"+447700900124","body":"x","webhook_url":"https://hooks.example/x"}"#,
    );
    gateway.rig.contents.0 = MemDisk::new();
    let mut gateway = gateway.crash_and_hold(Undecided::Lost, true);
    gateway.seconds(5);
    assert_eq!(gateway.count(Counter::WebhookAttempts), 0, "its end is not on disk");
    gateway.rig.disk_held = false;
    gateway.seconds(60);
    assert_eq!(gateway.status(id), "failed");
    assert_eq!(gateway.count(Counter::WebhookAttempts), 1);
    assert_eq!(gateway.count(Counter::WebhookAcknowledged), 1);
}

#[test]
fn contents_without_room_are_refused_and_taken_again_once_others_are_gone() {
    let config = Config::parse(&format!("[server]\nshards = 1\n{}", harness::one_carrier("")));
    let mut config = config.unwrap();
    config.customers[0].content_retention = Retention::Discard;
    let mut rig = Rig::with(config, 64);
    let text = "x".repeat(1_500);
    let mut taken = 0;
    let refused = loop {
        let number = 447_700_900_000 + taken;
        let body =
            format!(r#"{{"from":"Acme","to":"+{number}","body":"{text}","validity_period":60}}"#);
        match rig.post(&body) {
            Ok(_) => taken += 1,
            Err(problem) => break problem,
        }
        assert!(taken < 2_000);
    };
    assert_eq!(refused.code, Code::StorageFull);
    assert!(taken > 500, "{taken}");
    assert_eq!(rig.gauge(Gauge::Contents), taken);
    // All of them expire, for nobody connects to the carrier.
    rig.pass(std::time::Duration::from_secs(150));
    assert_eq!(rig.gauge(Gauge::Contents), 0);
    rig.submit(447_700_900_999, "there is room again");
}

/// What is acknowledged is sent, whatever operation of the disk of contents fails, and the error stops
/// the shard.
#[test]
fn an_error_of_the_disk_of_contents_stops_the_shard_and_loses_nothing() {
    let mut stopped = 0;
    for nth in 1..12 {
        let mut gateway = discarding();
        let fault = Fault { nth, forever: nth % 2 == 0, kind: LogIoErrorKind::Io };
        gateway.rig.contents.0.plan_fault(Some(fault));
        let mut accepted = Vec::new();
        for round in 0..6 {
            let text = format!("number {round} of those before the fault");
            let body = format!(r#"{{"from":"Acme","to":"+447700900123","body":"{text}"}}"#);
            let asked = request("POST", "/api/v1/messages", body.as_bytes());
            match gateway.rig.try_ask(asked) {
                Some(ApiResponse::Accepted(taken)) => accepted.push((taken.id, text)),
                Some(other) => panic!("{other:?}"),
                None => assert!(gateway.rig.shard.poisoned().is_some(), "fault {nth}"),
            }
        }
        stopped += u32::from(gateway.rig.shard.poisoned().is_some());
        gateway.rig.contents.0.plan_fault(None);
        let mut gateway = gateway.crash();
        gateway.seconds(120);
        let mut sent = Vec::new();
        while let Some(submit) = gateway.submits.pop_front() {
            sent.push(String::from_utf8(submit.text()).unwrap());
            gateway.answer(&submit, 0, &format!("c-{}", sent.len()));
        }
        for (id, text) in accepted {
            assert!(sent.contains(&text), "fault {nth}: {id} was not sent");
            assert_eq!(gateway.status(id), "submitted");
        }
        assert_eq!(gateway.count(Counter::ContentsLost), 0, "fault {nth}");
    }
    assert!(stopped > 5, "only {stopped} faults were met");
}

#[test]
fn nothing_is_made_on_disk_before_it_is_needed() {
    let mut gateway = Gateway::new(alpha(|_| {}));
    gateway.send("kept as usual");
    gateway.seconds(60);
    assert!(gateway.rig.contents.0.list().unwrap().is_empty());
}
