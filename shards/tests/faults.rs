//! What carriers do wrong, one test each: a fault stays in its session, the window is whole again
//! afterwards, every unanswered part follows its carrier's policy, and another carrier notices
//! nothing. In memory, octet by octet, under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use harness::pdu::{self, Pdu, receipt, taken};
use harness::scene::{ALPHA, BETA, HANDSET, Scene, WINDOW, secs};
use postrider_core::id::MessageId;
use postrider_shards::stats::Counter;

const RTHROTTLED: u32 = 0x58;
const RMSGQFUL: u32 = 0x14;
const RINVMSGLEN: u32 = 0x01;
const RINVCMDLEN: u32 = 0x02;
const RINVPASWD: u32 = 0x0E;

fn submit_resp(status: u32, sequence: u32) -> Pdu {
    Pdu::new(pdu::SUBMIT_RESP, status, sequence, b"")
}

// --- answers ---

#[test]
fn a_submit_without_an_answer_is_sent_again_and_frees_its_slot() {
    let mut scene = Scene::new("");
    let (id, _) = scene.submitted("lost");
    scene.live(59);
    assert_eq!(scene.status(id), "queued", "its time is not up");
    let again = scene.resent(20);
    scene.send(&[taken(again.sequence, "second")]);
    assert_eq!(scene.status(id), "submitted");
    assert_eq!(scene.rig.count(Counter::PartsResubmitted), 1);
    scene.assert_undisturbed();
}

#[test]
fn an_answer_after_the_time_out_still_finds_its_part() {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("late");
    scene.live(61);
    assert_eq!(scene.status(id), "outcome_unknown");
    scene.send(&[taken(sequence, "late-1")]);
    assert_eq!(scene.status(id), "submitted");
    let later = scene.live(30);
    assert!(later.iter().all(|pdu| pdu.command != pdu::SUBMIT), "sent again: {later:?}");
    scene.send(&[receipt(1, &HANDSET.to_string(), "late-1", "DELIVRD")]);
    scene.live(1);
    assert_eq!(scene.status(id), "delivered");
    scene.assert_undisturbed();
}

#[test]
fn a_refusal_after_the_time_out_does_not_free_a_part_that_is_in_flight_again() {
    let mut scene = Scene::new("");
    let (id, first) = scene.submitted("late refusal");
    let second = scene.resent(80).sequence;
    scene.send(&[submit_resp(RTHROTTLED, first)]);
    let more = scene.live(5);
    assert!(more.iter().all(|pdu| pdu.command != pdu::SUBMIT), "a third copy: {more:?}");
    scene.send(&[taken(second, "second")]);
    assert_eq!(scene.status(id), "submitted");
    scene.assert_undisturbed();
}

#[test]
fn a_second_answer_to_the_same_submit_changes_nothing() {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("twice");
    scene.send(&[taken(sequence, "one"), taken(sequence, "two"), submit_resp(8, sequence)]);
    assert_eq!(scene.status(id), "submitted");
    let view = scene.rig.view(id);
    assert_eq!(view.parts[0].carrier_message_id.as_deref(), Some("one"));
    scene.assert_undisturbed();
}

#[test]
fn an_answer_to_nothing_is_ignored() {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("known");
    scene.send(&[taken(9_999, "stranger"), submit_resp(RTHROTTLED, 0)]);
    assert_eq!(scene.status(id), "queued");
    scene.send(&[taken(sequence, "known")]);
    assert_eq!(scene.status(id), "submitted");
    scene.assert_undisturbed();
}

#[test]
fn answers_out_of_order_reach_their_own_parts() {
    let mut scene = Scene::new("");
    let sent: Vec<(MessageId, u32)> = (0..4).map(|n| scene.submitted(&n.to_string())).collect();
    let backwards: Vec<Pdu> =
        sent.iter().rev().map(|(_, seq)| taken(*seq, &format!("id-{seq}"))).collect();
    scene.send(&backwards);
    for (id, sequence) in sent {
        let own = scene.rig.view(id).parts[0].carrier_message_id.clone();
        assert_eq!(own, Some(format!("id-{sequence}")));
    }
    scene.assert_undisturbed();
}

#[test]
fn a_generic_nack_is_the_answer_of_its_own_request_only() {
    let mut scene = Scene::new("");
    let (refused, sequence) = scene.submitted("refused");
    let (other, other_sequence) = scene.submitted("other");
    scene.send(&[Pdu::new(pdu::NACK, RINVMSGLEN, sequence, b"")]);
    scene.live(1);
    assert_eq!(scene.status(refused), "rejected", "no other carrier is left");
    assert_eq!(scene.status(other), "queued");
    scene.send(&[taken(other_sequence, "fine")]);
    assert_eq!(scene.status(other), "submitted");
    scene.assert_undisturbed();
}

/// Every submit_sm is answered with `status` for a minute; gives how many there were.
fn refuse_for_a_minute(scene: &mut Scene, status: u32) -> usize {
    let mut submits = 0;
    for _ in 0..60 {
        for pdu in scene.live(1) {
            assert_eq!(pdu.command, pdu::SUBMIT);
            submits += 1;
            scene.send(&[submit_resp(status, pdu.sequence)]);
        }
    }
    submits
}

#[test]
fn a_minute_of_throttling_slows_the_bind_and_fails_nothing() {
    let mut scene = Scene::new("");
    let ids: Vec<MessageId> = (0..20).map(|n| scene.submit(&format!("t{n}"))).collect();
    let submits = refuse_for_a_minute(&mut scene, RTHROTTLED);
    assert!(submits <= WINDOW * 60, "{submits} submits in a minute of throttling");
    scene.assert_beta_goes_on();
    for _ in 0..60 {
        for pdu in scene.live(1) {
            scene.send(&[taken(pdu.sequence, &format!("t{}", pdu.sequence))]);
        }
    }
    for id in ids {
        assert_eq!(scene.status(id), "submitted");
        let events = scene.rig.events(id);
        assert!(events.iter().all(|event| event != "refused"), "{events:?}");
    }
    scene.assert_undisturbed();
}

#[test]
fn a_full_queue_at_the_carrier_pauses_all_of_it_longer_and_longer() {
    let mut scene = Scene::new("");
    let id = scene.submit("q");
    let submits = refuse_for_a_minute(&mut scene, RMSGQFUL);
    assert!((3..=7).contains(&submits), "after 2, 4, 8 .. s, not {submits} times in a minute");
    assert_eq!(scene.status(id), "queued");
    scene.assert_beta_goes_on();
    let pdus = scene.live(61);
    assert_eq!(pdus.len(), 1, "tried again within the longest pause");
    scene.send(&[taken(pdus[0].sequence, "q")]);
    assert_eq!(scene.status(id), "submitted");
    scene.assert_undisturbed();
}

// --- binds ---

#[test]
fn a_refused_bind_is_tried_again_rarely_and_loses_nothing() {
    let mut scene = Scene::unbound("", r#"carriers = ["alpha"]"#);
    scene.rig.bind(BETA);
    scene.live(1);
    let id = scene.submit("waits");
    scene.rig.connect(ALPHA);
    let asked = scene.rig.received(ALPHA);
    scene.send(&[Pdu::new(asked[0].command | pdu::NACK, RINVPASWD, asked[0].sequence, b"")]);
    assert!(!scene.rig.is_open(ALPHA));
    scene.live(200);
    assert!(!scene.rig.wants(ALPHA), "wrong passwords lock accounts: once in five minutes");
    scene.assert_beta_goes_on();
    scene.live(200);
    scene.rig.bind(ALPHA);
    let pdus = scene.rig.submits(ALPHA);
    scene.send(&[taken(pdus[0].sequence, "at last")]);
    assert_eq!(scene.status(id), "submitted");
    scene.assert_window_whole();
}

#[test]
fn a_bind_that_is_never_answered_is_given_up_and_tried_again() {
    let mut scene = Scene::unbound("", r#"carriers = ["alpha"]"#);
    scene.rig.bind(BETA);
    let id = scene.submit("waits");
    scene.live(1);
    scene.rig.connect(ALPHA);
    scene.live(9);
    assert!(scene.rig.is_open(ALPHA), "its ten seconds are not over");
    scene.live(2);
    assert!(!scene.rig.is_open(ALPHA));
    scene.rig.bind(ALPHA);
    let pdus = scene.rig.submits(ALPHA);
    scene.send(&[taken(pdus[0].sequence, "bound")]);
    assert_eq!(scene.status(id), "submitted");
    scene.assert_window_whole();
    scene.assert_beta_goes_on();
}

// --- octets ---

#[test]
fn half_a_pdu_and_then_silence_closes_the_session() {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("half");
    let answer = taken(sequence, "half").octets();
    scene.rig.send_octets(ALPHA, &answer[..9]);
    // It answers nothing, or that would be the other half.
    scene.rig.pass(secs(9));
    assert!(scene.rig.is_open(ALPHA));
    scene.rig.pass(secs(2));
    scene.rig.received(ALPHA);
    scene.assert_reset_and_resent(id);
}

fn broken_length(length: u32) {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("framing");
    let mut answer = taken(sequence, "framing").octets();
    answer[..4].copy_from_slice(&length.to_be_bytes());
    scene.rig.send_octets(ALPHA, &answer);
    let said = scene.rig.received(ALPHA);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].head(), (pdu::NACK, RINVCMDLEN, 0));
    scene.assert_reset_and_resent(id);
}

#[test]
fn a_command_length_of_0_closes_the_session() {
    broken_length(0);
}

#[test]
fn a_command_length_of_15_closes_the_session() {
    broken_length(15);
}

#[test]
fn a_command_length_of_2_to_the_31_closes_the_session() {
    broken_length(1 << 31);
}

#[test]
fn an_octet_a_second_is_too_slow_for_a_pdu() {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("drip");
    let answer = taken(sequence, "0123456789").octets();
    for octet in &answer {
        scene.rig.send_octets(ALPHA, &[*octet]);
        scene.live(1);
        if !scene.rig.is_open(ALPHA) {
            break;
        }
    }
    scene.rig.received(ALPHA);
    scene.assert_reset_and_resent(id);
}

#[test]
fn a_connection_reset_inside_a_pdu_loses_only_that_session() {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("reset");
    scene.rig.send_octets(ALPHA, &taken(sequence, "reset").octets()[..20]);
    scene.rig.lose(ALPHA);
    scene.assert_reset_and_resent(id);
}

#[test]
fn a_connection_closed_between_pdus_keeps_what_was_answered() {
    let mut scene = Scene::new("");
    let (answered, sequence) = scene.submitted("answered");
    scene.send(&[taken(sequence, "answered")]);
    let (open, _) = scene.submitted("open");
    scene.rig.lose(ALPHA);
    scene.assert_reset_and_resent(open);
    assert_eq!(scene.status(answered), "submitted");
    assert!(!scene.rig.events(answered).iter().any(|event| event == "outcome_unknown"));
}

#[test]
fn a_half_open_connection_is_found_by_enquire_link() {
    let mut scene = Scene::new("enquire_link_seconds = 10");
    let (id, _) = scene.submitted("void");
    // Alpha answers nothing at all any more.
    for _ in 0..35 {
        scene.rig.pass(secs(1));
        for pdu in scene.rig.received(BETA) {
            scene.rig.send(BETA, &[Pdu::new(pdu::ENQUIRE_RESP, 0, pdu.sequence, b"")]);
        }
    }
    let probes = scene.rig.received(ALPHA);
    assert!(probes.iter().all(|pdu| pdu.command == pdu::ENQUIRE), "{probes:?}");
    assert_eq!(probes.len(), 2, "two misses close");
    scene.assert_reset_and_resent(id);
}

#[test]
fn an_unbind_lets_what_is_open_be_answered_first() {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("open");
    scene.send(&[Pdu::new(pdu::UNBIND, 0, 77, b"")]);
    let said = scene.rig.received(ALPHA);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].head(), (pdu::UNBIND_RESP, 0, 77));
    let queued = scene.submit("after");
    assert!(scene.rig.received(ALPHA).is_empty(), "nothing more is sent");
    scene.send(&[taken(sequence, "in time")]);
    assert_eq!(scene.status(id), "submitted");
    assert!(!scene.rig.is_open(ALPHA));
    scene.rig.bind(ALPHA);
    let pdus = scene.rig.submits(ALPHA);
    assert_eq!(pdus.len(), 1, "only the queued one: {pdus:?}");
    scene.send(&[taken(pdus[0].sequence, "after")]);
    assert_eq!(scene.status(queued), "submitted");
    scene.assert_window_whole();
    scene.assert_beta_goes_on();
}
