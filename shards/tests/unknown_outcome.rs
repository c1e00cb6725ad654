//! What becomes of parts of which nobody knows whether the carrier took them: each policy, across lost
//! binds, silence, late answers and crashes, on one shard in memory.
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

use harness::Undecided;
use harness::gateway::{Gateway, HANDSET, Receipt, alpha, config};
use postrider_core::config::Config;
use postrider_core::config::OnUnknownOutcome::{self, Fail, HoldForReceipt, Resubmit};
use postrider_core::id::MessageId;
use postrider_shards::stats::Counter;

const THROTTLED: u32 = 0x58;
const SYSTEM_ERROR: u32 = 0x08;
const BAD_SENDER: u32 = 0x0A;
/// Longer than a carrier may take to answer, shorter than what closes a bind.
const SILENCE: u64 = 61;

fn policy(policy: OnUnknownOutcome) -> Config {
    alpha(|carrier| carrier.on_unknown_outcome = policy)
}

/// A bind is lost and comes back; what was unanswered on it is of unknown outcome.
fn lose_bind(gateway: &mut Gateway) {
    gateway.lose(0);
    gateway.seconds(2);
}

/// Sends a message that is written and whose bind is then lost.
fn lose_message(gateway: &mut Gateway) -> MessageId {
    let id = gateway.send("hello");
    gateway.submit();
    lose_bind(gateway);
    id
}

#[test]
fn resubmit_waits_for_the_grace_then_marks_counts_and_sends_again() {
    let mut gateway = Gateway::new(policy(Resubmit));
    let id = lose_message(&mut gateway);
    assert_eq!(gateway.status(id), "outcome_unknown");
    gateway.seconds(2);
    assert!(gateway.submits.is_empty(), "the grace of 5 s is not over");
    gateway.seconds(2);
    assert_eq!(gateway.count(Counter::PartsResubmitted), 1);
    gateway.accept("7");
    gateway.receipt(0, &Receipt::of("7", "DELIVRD"));
    let wanted = [
        "accepted",
        "outcome_unknown",
        "requeued resubmission 1",
        "attempted attempt 2",
        "submitted 7",
        "delivered",
    ];
    assert_eq!(gateway.timeline(id), wanted);
}

#[test]
fn a_receipt_that_came_before_the_answer_was_lost_saves_the_second_copy() {
    let mut gateway = Gateway::new(policy(Resubmit));
    let id = gateway.send("hello");
    gateway.submit();
    gateway.receipt(0, &Receipt::of("7", "DELIVRD"));
    // So long after it came it is not looked at by itself for a minute.
    gateway.seconds(20);
    assert_eq!(gateway.status(id), "queued", "another message may have been meant");
    lose_bind(&mut gateway);
    gateway.seconds(10);
    assert_eq!(gateway.status(id), "delivered");
    assert!(gateway.submits.is_empty());
}

#[test]
fn a_first_submit_under_resubmit_waits_for_no_record() {
    let mut gateway = Gateway::new(policy(Resubmit));
    let id = gateway.send("hello");
    gateway.accept("1");
    assert_eq!(gateway.timeline(id), ["accepted", "submitted 1"]);
}

#[test]
fn resends_end_at_their_bound_and_the_part_ends_unknown() {
    let mut gateway = Gateway::new(alpha(|carrier| {
        carrier.profile.resends = 2;
        carrier.profile.unknown_grace = Duration::from_secs(1);
    }));
    let id = gateway.send("hello");
    for _ in 0..3 {
        gateway.submit();
        lose_bind(&mut gateway);
        gateway.seconds(2);
    }
    assert!(gateway.submits.is_empty(), "two resends and no more");
    assert_eq!(gateway.status(id), "outcome_unknown");
    assert_eq!(gateway.count(Counter::PartsResubmitted), 2);
    gateway.seconds(49 * 3_600 + 60);
    assert_eq!(gateway.status(id), "unknown");
}

#[test]
fn an_attempt_is_on_disk_before_its_first_octet_leaves() {
    for held in [HoldForReceipt, Fail] {
        let mut gateway = Gateway::new(policy(held));
        gateway.rig.disk_held = true;
        gateway.send_without_answer("hello");
        gateway.write_one();
        let id = gateway.rig.late_answer();
        assert!(gateway.submits.is_empty(), "accepted, and the attempt is not on disk");
        gateway.write_one();
        assert_eq!(gateway.submits.len(), 1);
        gateway.rig.disk_held = false;
        assert_eq!(gateway.timeline(id), ["accepted", "attempted attempt 1"]);
    }
}

#[test]
fn a_resend_is_on_disk_before_its_first_octet_leaves() {
    let mut gateway = Gateway::new(policy(Resubmit));
    lose_message(&mut gateway);
    gateway.rig.disk_held = true;
    gateway.seconds(11);
    assert!(gateway.submits.is_empty(), "the resend is not on record");
    gateway.write_one();
    assert!(gateway.submits.is_empty(), "its attempt is not on record");
    gateway.write_one();
    assert_eq!(gateway.submits.len(), 1);
}

#[test]
fn what_must_not_go_twice_is_held_until_it_ends_unknown() {
    let mut gateway = Gateway::new(policy(HoldForReceipt));
    let id = lose_message(&mut gateway);
    for _ in 0..4 {
        gateway.seconds(12 * 3_600);
        assert!(gateway.submits.is_empty());
        assert_eq!(gateway.status(id), "outcome_unknown");
    }
    gateway.seconds(2 * 3_600);
    assert_eq!(gateway.status(id), "unknown");
    assert_eq!(gateway.count(Counter::PartsResubmitted), 0);
}

#[test]
fn a_message_that_avoids_duplicates_is_held_where_others_are_sent_again() {
    let mut gateway = Gateway::new(policy(Resubmit));
    let body = format!(r#"{{"from":"Acme","to":"+{HANDSET}","body":"a","duplicate":"avoid"}}"#);
    let id = gateway.post(&body);
    gateway.submit();
    lose_bind(&mut gateway);
    gateway.seconds(3_600);
    assert!(gateway.submits.is_empty());
    assert_eq!(gateway.timeline(id), ["accepted", "attempted attempt 1", "outcome_unknown"]);
}

#[test]
fn fail_ends_at_once_and_says_why() {
    let mut gateway = Gateway::new(policy(Fail));
    let id = lose_message(&mut gateway);
    let view = gateway.rig.view(id);
    assert_eq!(view.status.name(), "failed");
    assert!(view.error_code.unwrap().contains("answer was lost"));
    gateway.seconds(600);
    assert!(gateway.submits.is_empty());
}

#[test]
fn a_crash_after_the_attempt_leaves_the_outcome_unknown_under_each_policy() {
    for (choice, wanted) in [(HoldForReceipt, "outcome_unknown"), (Fail, "failed")] {
        for writing in [Undecided::Lost, Undecided::Kept] {
            let mut gateway = Gateway::new(policy(choice));
            gateway.rig.disk_held = true;
            gateway.send_without_answer("hello");
            gateway.write_one();
            let id = gateway.rig.late_answer();
            // The attempt's record is under way; the disk may have it or not.
            gateway = gateway.crash_with(writing);
            gateway.seconds(30);
            if writing == Undecided::Kept {
                assert!(gateway.submits.is_empty(), "it may be at the carrier");
                assert_eq!(gateway.status(id), wanted);
            } else {
                assert_eq!(gateway.submits.len(), 1, "it was never written: it goes now");
            }
        }
    }
}

#[test]
fn a_crash_after_a_resends_attempt_goes_on_counting() {
    let mut gateway = Gateway::new(alpha(|carrier| carrier.profile.resends = 2));
    let id = lose_message(&mut gateway);
    gateway.seconds(10);
    assert_eq!(gateway.submits.len(), 1);
    gateway = gateway.crash();
    assert_eq!(gateway.status(id), "outcome_unknown");
    gateway.seconds(11);
    assert_eq!(gateway.submits.len(), 1, "the second resend");
    gateway = gateway.crash();
    gateway.seconds(60);
    assert!(gateway.submits.is_empty(), "no third");
    assert_eq!(gateway.status(id), "outcome_unknown");
}

#[test]
fn a_crash_before_any_answer_resends_once_under_resubmit() {
    let mut gateway = Gateway::new(policy(Resubmit));
    let id = gateway.send("hello");
    gateway.submit();
    gateway = gateway.crash();
    gateway.accept("5");
    assert_eq!(gateway.status(id), "submitted");
}

#[test]
fn an_orderly_stop_leaves_nothing_unknown() {
    let mut gateway = Gateway::new(policy(HoldForReceipt));
    gateway.rig.disk_held = true;
    gateway.send_without_answer("hello");
    gateway.write_one();
    let id = gateway.rig.late_answer();
    // The attempt's record is under way when the stop begins.
    gateway.rig.disk_held = false;
    gateway = gateway.restart();
    gateway.seconds(1);
    assert_eq!(gateway.submits.len(), 1, "never written before: it goes now");
    gateway.accept("1");
    assert_eq!(gateway.status(id), "submitted");
}

#[test]
fn a_refusal_that_is_known_frees_the_part_under_every_policy() {
    for choice in [Resubmit, HoldForReceipt, Fail] {
        let mut gateway = Gateway::new(policy(choice));
        let id = gateway.send("hello");
        gateway.refuse(THROTTLED);
        gateway.seconds(2);
        gateway.refuse(SYSTEM_ERROR);
        // What the carrier refused is not of unknown outcome after a crash either.
        gateway.pass(Duration::from_millis(5));
        gateway = gateway.crash();
        gateway.seconds(2);
        gateway.accept("3");
        assert_eq!(gateway.status(id), "submitted", "{choice:?}");
        let last = gateway.timeline(id).into_iter().rev().take(2).collect::<Vec<_>>();
        assert_eq!(last[0], "submitted 3");
        let attempt = last[1] == "attempted attempt 1";
        assert_eq!(attempt, choice != Resubmit, "a refused copy is no attempt: {last:?}");
    }
}

#[test]
fn throttling_leaves_no_trail_of_events() {
    let mut gateway = Gateway::new(policy(HoldForReceipt));
    let id = gateway.send("hello");
    for _ in 0..50 {
        gateway.refuse(THROTTLED);
        gateway.seconds(60);
    }
    assert_eq!(gateway.timeline(id), ["accepted", "attempted attempt 1"]);
}

#[test]
fn an_attempt_on_record_goes_elsewhere_when_the_carrier_is_down() {
    let mut config = config(&["alpha", "beta"]);
    config.carriers[0].on_unknown_outcome = HoldForReceipt;
    config.carriers[1].on_unknown_outcome = HoldForReceipt;
    let mut gateway = Gateway::new(config);
    gateway.rig.disk_held = true;
    gateway.send_without_answer("hello");
    gateway.write_one();
    let id = gateway.rig.late_answer();
    gateway.unreachable = vec![0];
    gateway.lose(0);
    gateway.rig.disk_held = false;
    gateway.seconds(11);
    let submit = gateway.accept("9");
    assert_eq!(submit.bind, 1, "beta took it");
    assert_eq!(gateway.status(id), "submitted");
    assert_eq!(gateway.timeline(id), ["accepted", "attempted attempt 1", "submitted 9"]);
}

#[test]
fn a_late_answer_tells_the_outcome() {
    for choice in [Resubmit, HoldForReceipt] {
        let mut gateway = Gateway::new(alpha(|carrier| {
            carrier.on_unknown_outcome = choice;
            carrier.profile.unknown_grace = Duration::from_secs(3_600);
        }));
        let id = gateway.send("hello");
        let submit = gateway.submit();
        gateway.seconds(SILENCE);
        assert_eq!(gateway.status(id), "outcome_unknown");
        gateway.answer(&submit, 0, "77");
        assert_eq!(gateway.status(id), "submitted");
        gateway.receipt(0, &Receipt::of("77", "DELIVRD"));
        assert_eq!(gateway.status(id), "delivered");
        gateway.seconds(7_200);
        assert!(gateway.submits.is_empty());
    }
}

#[test]
fn a_late_refusal_of_the_only_copy_frees_the_part() {
    let mut config = config(&["alpha", "beta"]);
    config.carriers[0].on_unknown_outcome = HoldForReceipt;
    let mut gateway = Gateway::new(config);
    let id = gateway.send("hello");
    let submit = gateway.submit();
    gateway.seconds(SILENCE);
    assert_eq!(gateway.status(id), "outcome_unknown");
    gateway.answer(&submit, BAD_SENDER, "");
    let other = gateway.accept("4");
    assert_eq!(other.bind, 1, "another carrier has it");
    assert_eq!(gateway.status(id), "submitted");
}

#[test]
fn a_late_refusal_must_not_free_a_part_in_flight() {
    for status in [THROTTLED, SYSTEM_ERROR, BAD_SENDER] {
        let mut gateway = Gateway::new(alpha(|carrier| {
            carrier.profile.unknown_grace = Duration::ZERO;
        }));
        let id = gateway.send("hello");
        let first = gateway.submit();
        gateway.seconds(SILENCE);
        let second = gateway.submit();
        gateway.answer(&first, status, "");
        gateway.seconds(40);
        assert!(gateway.submits.is_empty(), "the second copy is still out: {status:#x}");
        assert_eq!(gateway.timeline(id).last().unwrap(), "attempted attempt 2");
        gateway.answer(&second, 0, "2");
        assert_eq!(gateway.status(id), "submitted");
    }
}

#[test]
fn the_second_carrier_id_of_a_part_is_known_after_a_crash() {
    let mut gateway = Gateway::new(alpha(|carrier| {
        carrier.profile.unknown_grace = Duration::ZERO;
    }));
    let id = gateway.send("hello");
    let first = gateway.submit();
    gateway.seconds(SILENCE);
    let second = gateway.submit();
    gateway.answer(&second, 0, "second");
    gateway.answer(&first, 0, "first");
    gateway.pass(Duration::from_millis(5));
    gateway = gateway.crash();
    assert_eq!(gateway.timeline(id).last().unwrap(), "accepted_late first");
    assert_eq!(gateway.receipt(0, &Receipt::of("first", "DELIVRD")), Some(0));
    assert_eq!(gateway.status(id), "delivered");
    gateway.receipt(0, &Receipt::of("second", "DELIVRD"));
    assert_eq!(gateway.count(Counter::ReceiptsDuplicate), 1);
}

#[test]
fn nothing_is_sent_again_after_its_validity() {
    let mut gateway = Gateway::new(alpha(|carrier| {
        carrier.profile.unknown_grace = Duration::from_secs(120);
    }));
    let body = format!(r#"{{"from":"Acme","to":"+{HANDSET}","body":"a","validity_period":60}}"#);
    let id = gateway.post(&body);
    gateway.submit();
    lose_bind(&mut gateway);
    gateway.seconds(600);
    assert!(gateway.submits.is_empty());
    assert_eq!(gateway.status(id), "outcome_unknown");
    gateway.seconds(3_600);
    assert_eq!(gateway.status(id), "unknown");
}

#[test]
fn the_order_of_parts_survives_their_records() {
    let mut gateway = Gateway::new(alpha(|carrier| {
        carrier.on_unknown_outcome = HoldForReceipt;
        carrier.window = 10;
    }));
    for text in ["1", "2", "3"] {
        gateway.send(text);
    }
    let long = "x".repeat(400);
    gateway.send(&long);
    let texts: Vec<Vec<u8>> = gateway.submits.iter().map(harness::gateway::Submit::text).collect();
    assert_eq!(texts.len(), 6);
    assert_eq!(&texts[..3], [b"1", b"2", b"3"]);
    let indices: Vec<u8> = texts[3..].iter().map(|octets| octets[5]).collect();
    assert_eq!(indices, [1, 2, 3]);
}

#[test]
fn records_ahead_of_their_submits_stay_within_the_window() {
    let mut gateway = Gateway::new(policy(HoldForReceipt));
    for number in 0..20 {
        let to = format!("+4477009001{number:02}");
        gateway.post(&format!(r#"{{"from":"Acme","to":"{to}","body":"hello"}}"#));
    }
    assert_eq!(gateway.submits.len(), 4, "the window");
    gateway = gateway.crash();
    // Four may be at the carrier; the others go now.
    assert_eq!(gateway.count(Counter::PartsOutcomeUnknown), 4);
    assert_eq!(gateway.submits.len(), 4);
}
