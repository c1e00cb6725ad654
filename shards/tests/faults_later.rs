//! What carriers do wrong after the answer, and when they go silent: ids in other forms, receipts
//! too early, queues that must move to another carrier. In memory, octet by octet, under a virtual
//! clock.
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

use harness::pdu::{self, Pdu, receipt, taken};
use harness::scene::{ALPHA, BETA, HANDSET, Scene, WINDOW, secs};
use postrider_core::id::MessageId;

// --- receipts and ids ---

/// Submits, answers with `answered`, and sends a receipt for `receipted`; gives the status.
fn receipted_as(keys: &str, answered: &str, receipted: &str) -> &'static str {
    let mut scene = Scene::new(keys);
    let (id, sequence) = scene.submitted("ids");
    scene.send(&[taken(sequence, answered)]);
    scene.send(&[receipt(5, &HANDSET.to_string(), receipted, "DELIVRD")]);
    let said = scene.rig.received(ALPHA);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].head(), (pdu::DELIVER_RESP, 0, 5), "answered with ROK");
    let status = scene.status(id);
    scene.assert_undisturbed();
    status
}

#[test]
fn a_receipt_that_overtakes_the_answer_waits_for_it() {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("overtaken");
    scene.send(&[receipt(5, &HANDSET.to_string(), "fast", "DELIVRD")]);
    let said = scene.rig.received(ALPHA);
    assert_eq!(said[0].head(), (pdu::DELIVER_RESP, 0, 5));
    scene.send(&[taken(sequence, "fast")]);
    scene.live(1);
    assert_eq!(scene.status(id), "delivered");
    scene.assert_undisturbed();
}

const HEX_THEN_DECIMAL: &str = "[carriers.ids]\nresponse = \"hex\"\nreceipt = \"decimal\"";
const DECIMAL_THEN_HEX: &str = "[carriers.ids]\nresponse = \"decimal\"\nreceipt = \"hex\"";

#[test]
fn a_hexadecimal_id_is_found_by_its_decimal_receipt() {
    assert_eq!(receipted_as(HEX_THEN_DECIMAL, "39f99dd5", "0972660181"), "delivered");
}

#[test]
fn a_decimal_id_is_found_by_its_hexadecimal_receipt() {
    assert_eq!(
        receipted_as(DECIMAL_THEN_HEX, "9308878062554710043", "812FC7470000001B"),
        "delivered"
    );
}

#[test]
fn an_id_is_found_in_other_case() {
    assert_eq!(receipted_as("", "00b8be19", "B8BE19"), "delivered");
}

#[test]
fn an_id_of_64_characters_is_kept_whole() {
    let long = "0123456789abcdef".repeat(4);
    assert_eq!(receipted_as("", &long, &long), "delivered");
}

#[test]
fn an_empty_id_leaves_the_part_submitted_and_ends_unknown() {
    let mut scene = Scene::new("");
    let body = format!(r#"{{"from":"Acme","to":"+{HANDSET}","body":"x","validity_period":60}}"#);
    let id = scene.rig.post(&body).unwrap();
    let pdus = scene.rig.submits(ALPHA);
    scene.send(&[taken(pdus[0].sequence, "")]);
    assert_eq!(scene.status(id), "submitted");
    scene.live(3_700);
    assert_eq!(scene.status(id), "unknown", "an hour after its validity");
    scene.assert_undisturbed();
}

#[test]
fn one_id_for_two_parts_is_no_match_for_either() {
    let mut scene = Scene::new("");
    let (first, one) = scene.submitted("first");
    let (second, two) = scene.submitted("second");
    scene.send(&[taken(one, "same"), taken(two, "same")]);
    scene.send(&[receipt(5, &HANDSET.to_string(), "same", "UNDELIV")]);
    let said = scene.rig.received(ALPHA);
    assert_eq!(said[0].head(), (pdu::DELIVER_RESP, 0, 5));
    scene.live(2);
    assert_eq!((scene.status(first), scene.status(second)), ("submitted", "submitted"));
    scene.assert_undisturbed();
}

// --- failover ---

/// Alpha first, beta behind it; `queued` messages wait for alpha's window.
fn with_backup(keys: &str) -> (Scene, Vec<MessageId>) {
    let mut scene = Scene::unbound(keys, r#"carriers = ["alpha", "beta"]"#);
    scene.rig.bind(ALPHA);
    scene.rig.bind(BETA);
    let ids: Vec<MessageId> = (0..10).map(|n| scene.submit(&format!("f{n}"))).collect();
    assert_eq!(scene.rig.submits(ALPHA).len(), WINDOW);
    (scene, ids)
}

/// Beta takes what comes within ten seconds, while alpha does nothing at all; gives how many.
fn beta_takes(scene: &mut Scene) -> usize {
    let mut count = 0;
    for _ in 0..100 {
        scene.rig.pass(Duration::from_millis(100));
        for pdu in scene.rig.received(BETA) {
            let answer = match pdu.command {
                pdu::SUBMIT => {
                    count += 1;
                    taken(pdu.sequence, &format!("b{}", pdu.sequence))
                }
                pdu::ENQUIRE => Pdu::new(pdu::ENQUIRE_RESP, 0, pdu.sequence, b""),
                other => panic!("{other:#x}"),
            };
            scene.rig.send(BETA, &[answer]);
        }
        if scene.rig.wants(ALPHA) {
            scene.rig.refuse_connect(ALPHA);
        }
    }
    count
}

#[test]
fn the_queue_of_a_dead_carrier_moves_within_ten_seconds() {
    let (mut scene, ids) = with_backup("");
    scene.rig.lose(ALPHA);
    let moved = beta_takes(&mut scene);
    assert!(moved >= ids.len() - WINDOW, "{moved} moved");
    assert_eq!(scene.rig.connects(BETA), 1);
}

#[test]
fn the_queue_of_a_half_open_carrier_moves_within_ten_seconds() {
    let keys = "enquire_link_seconds = 2\nresponse_timeout_seconds = 3";
    let (mut scene, ids) = with_backup(keys);
    let moved = beta_takes(&mut scene);
    assert!(moved >= ids.len() - WINDOW, "{moved} moved");
    assert_eq!(scene.rig.connects(BETA), 1);
}

#[test]
fn the_queue_of_a_stalled_carrier_moves_within_ten_seconds() {
    // It answers enquire_link and no submit_sm.
    let (mut scene, ids) = with_backup("enquire_link_seconds = 1\nresponse_timeout_seconds = 3");
    let mut moved = 0;
    for _ in 0..10 {
        if scene.rig.is_open(ALPHA) {
            for pdu in scene.rig.received(ALPHA) {
                if pdu.command == pdu::ENQUIRE {
                    let answer = Pdu::new(pdu::ENQUIRE_RESP, 0, pdu.sequence, b"");
                    scene.rig.send(ALPHA, &[answer]);
                }
            }
        }
        scene.rig.pass(secs(1));
        for pdu in scene.rig.received(BETA) {
            if pdu.command == pdu::SUBMIT {
                moved += 1;
                scene.rig.send(BETA, &[taken(pdu.sequence, &format!("b{}", pdu.sequence))]);
            } else {
                let answer = Pdu::new(pdu::ENQUIRE_RESP, 0, pdu.sequence, b"");
                scene.rig.send(BETA, &[answer]);
            }
        }
        if scene.rig.wants(ALPHA) {
            scene.rig.refuse_connect(ALPHA);
        }
    }
    assert!(moved >= ids.len() - WINDOW, "{moved} moved");
    assert_eq!(scene.rig.connects(BETA), 1);
}
