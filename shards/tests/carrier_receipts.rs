//! Receipts find their part: whatever form their ids have, on any bind, before or after the answer,
//! without an id that is known; and forms are learned from what is found. On one shard in memory.
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

use harness::gateway::{Gateway, HANDSET, Receipt, Submit, alpha, config};
use postrider_core::carrier_id::{IdBase, IdForms};
use postrider_core::config::OnUnknownOutcome::{Fail, HoldForReceipt};
use postrider_core::config::{CarrierConfig, Concatenation, Learn, ReceiptDetection};
use postrider_core::id::MessageId;
use postrider_core::limits;
use postrider_shards::stats::Counter;
use postrider_smpp::command::CommandId;

const RECEIPTED_MESSAGE_ID: u16 = 0x001E;
const MESSAGE_STATE: u16 = 0x0427;
const USER_MESSAGE_REFERENCE: u16 = 0x0204;
const SYSTEM_ERROR: u32 = 0x08;

fn forms(response: IdBase, receipt: IdBase) -> IdForms {
    IdForms { response, receipt }
}

fn hex_then_decimal(carrier: &mut CarrierConfig) {
    carrier.profile.ids = forms(IdBase::Hex, IdBase::Decimal);
}

fn reference_of(submit: &Submit) -> Vec<u8> {
    submit.message(|message| message.tlvs.get(USER_MESSAGE_REFERENCE).unwrap().to_vec())
}

fn send_to(gateway: &mut Gateway, number: &str) -> MessageId {
    gateway.post(&format!(r#"{{"from":"Acme","to":"+{number}","body":"hello"}}"#))
}

#[test]
fn ids_meet_across_the_bases_of_the_profile() {
    let mut gateway = Gateway::new(alpha(hex_then_decimal));
    for (response, receipt) in
        [("39F99DD5", "0972660181"), ("812FC747F0B5605B", "9308878066593128539")]
    {
        let id = gateway.send("hello");
        gateway.accept(response);
        assert_eq!(gateway.receipt(0, &Receipt::of(receipt, "DELIVRD")), Some(0));
        assert_eq!(gateway.status(id), "delivered", "{response}");
    }
    let mut gateway = Gateway::new(alpha(|carrier| {
        carrier.profile.ids = forms(IdBase::Decimal, IdBase::Hex);
    }));
    let id = gateway.send("hello");
    gateway.accept("972660181");
    gateway.receipt(0, &Receipt::of("39f99dd5", "DELIVRD"));
    assert_eq!(gateway.status(id), "delivered");
}

#[test]
fn both_ids_of_a_receipt_are_looked_up() {
    let mut gateway = Gateway::new(config(&["alpha"]));
    let id = gateway.send("hello");
    gateway.accept("abc-1");
    let receipt = Receipt::of("abc-1", "DELIVRD").with(RECEIPTED_MESSAGE_ID, b"77\0");
    gateway.receipt(0, &receipt);
    assert_eq!(gateway.status(id), "delivered");
}

#[test]
fn the_recipient_tells_which_of_two_ids_is_meant() {
    let mut gateway = Gateway::new(alpha(hex_then_decimal));
    let ten = send_to(&mut gateway, "447700900010");
    gateway.accept("10");
    let sixteen = send_to(&mut gateway, "447700900016");
    gateway.accept("16");
    // Decimal 16 is hexadecimal 10, and both spellings are known.
    let receipt = Receipt { source: "447700900010", ..Receipt::of("16", "DELIVRD") };
    gateway.receipt(0, &receipt);
    assert_eq!((gateway.status(ten), gateway.status(sixteen)), ("delivered", "submitted"));
}

#[test]
fn a_receipt_that_overtakes_its_answer_waits_for_it_in_every_form() {
    let mut gateway = Gateway::new(alpha(hex_then_decimal));
    let id = gateway.send("hello");
    assert_eq!(gateway.receipt(0, &Receipt::of("255", "DELIVRD")), Some(0));
    assert_eq!(gateway.count(Counter::ReceiptsParked), 1);
    gateway.accept("FF");
    assert_eq!(gateway.status(id), "delivered");
    // After a restart too, and by its second id.
    let id = gateway.send("again");
    let receipt = Receipt::of("4660", "DELIVRD").with(RECEIPTED_MESSAGE_ID, b"nothing\0");
    gateway.receipt(0, &receipt);
    gateway = gateway.crash();
    gateway.accept("1234");
    assert_eq!(gateway.status(id), "delivered");
}

#[test]
fn a_receipt_may_come_on_any_bind_of_the_account_and_as_data_sm() {
    let mut gateway = Gateway::new(alpha(|carrier| carrier.binds = 2));
    gateway.seconds(1);
    let id = gateway.send("hello");
    let submit = gateway.accept("5");
    let receipt = Receipt { command: CommandId::DATA_SM, ..Receipt::of("5", "DELIVRD") };
    assert_eq!(gateway.receipt(1 - submit.bind, &receipt), Some(0));
    assert_eq!(gateway.status(id), "delivered");
    assert_eq!(gateway.answers[0].command, 0x8000_0103);
}

#[test]
fn interim_receipts_end_nothing_and_repeat_nothing() {
    let mut gateway = Gateway::new(config(&["alpha"]));
    let id = gateway.send("hello");
    gateway.accept("5");
    for stat in ["ACCEPTD", "ACCEPTD", "ENROUTE", "UNKNOWN", "SOMETHING"] {
        assert_eq!(gateway.receipt(0, &Receipt::of("5", stat)), Some(0));
        assert_eq!(gateway.status(id), "submitted", "{stat}");
    }
    assert_eq!(gateway.count(Counter::ReceiptsDuplicate), 1);
    gateway.receipt(0, &Receipt::of("5", "DELIVRD"));
    gateway.receipt(0, &Receipt::of("5", "DELIVRD"));
    gateway.receipt(0, &Receipt::of("5", "UNDELIV"));
    assert_eq!(gateway.status(id), "delivered");
    assert!(gateway.timeline(id).last().unwrap().starts_with("late_receipt UNDELIV"));
}

#[test]
fn any_subset_of_the_parts_may_be_receipted() {
    let mut gateway = Gateway::new(config(&["alpha"]));
    let id = gateway.send(&"x".repeat(400));
    for part in ["1", "2", "3"] {
        gateway.accept(part);
    }
    gateway.receipt(0, &Receipt::of("2", "DELIVRD"));
    assert_eq!(gateway.status(id), "submitted");
    gateway.seconds(50 * 3_600);
    assert_eq!(gateway.status(id), "delivered", "the timer closes the rest");
    let id = gateway.send(&"x".repeat(400));
    for part in ["4", "5", "6"] {
        gateway.accept(part);
    }
    gateway.receipt(0, &Receipt::of("6", "UNDELIV"));
    assert_eq!(gateway.status(id), "undelivered");
}

/// What became of a PDU under this detection.
fn is_receipt(detection: ReceiptDetection, receipt: &Receipt<'_>, text: &str) -> bool {
    let mut gateway = Gateway::new(alpha(|carrier| {
        carrier.profile.receipt_detection = detection;
    }));
    let id = gateway.send("hello");
    gateway.accept("5");
    gateway.receipt_text(0, receipt, text.as_bytes());
    gateway.status(id) == "delivered"
}

#[test]
fn a_receipt_is_known_by_what_the_profile_says() {
    let none = ReceiptDetection { esm_class: false, tlv: false, text: false };
    let by_class = ReceiptDetection { esm_class: true, ..none };
    let by_tlv = ReceiptDetection { tlv: true, ..none };
    let by_text = ReceiptDetection { text: true, ..none };
    let text = "id:5 sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:DELIVRD";
    let marked = Receipt::of("5", "DELIVRD");
    let plain = Receipt { esm_class: 0, ..Receipt::of("5", "DELIVRD") };
    let parameters = plain.clone().with(RECEIPTED_MESSAGE_ID, b"5\0").with(MESSAGE_STATE, &[2]);
    let half = plain.clone().with(RECEIPTED_MESSAGE_ID, b"5\0");
    let person = "id:5 stat:DELIVRD";
    let wanted = [
        (by_class, &marked, text, true),
        (by_class, &plain, text, false),
        (by_class, &parameters, "", false),
        (by_tlv, &parameters, "", true),
        (by_tlv, &half, text, false),
        (by_tlv, &marked, text, false),
        (by_text, &plain, text, true),
        (by_text, &plain, person, false),
        (by_text, &parameters, "", false),
        (none, &marked, text, false),
    ];
    for (index, (detection, receipt, text, wanted)) in wanted.into_iter().enumerate() {
        assert_eq!(is_receipt(detection, receipt, text), wanted, "case {index}");
    }
}

// ---- Without an id that is known ----

fn held(carrier: &mut CarrierConfig) {
    carrier.on_unknown_outcome = HoldForReceipt;
}

fn lost(gateway: &mut Gateway, number: &str) -> MessageId {
    let id = send_to(gateway, number);
    gateway.submit();
    gateway.lose(0);
    gateway.seconds(2);
    id
}

#[test]
fn a_held_part_is_told_by_the_only_receipt_that_can_mean_it() {
    let mut gateway = Gateway::new(alpha(held));
    let id = lost(&mut gateway, HANDSET);
    assert_eq!(gateway.receipt(0, &Receipt::of("77", "ENROUTE")), Some(0));
    assert_eq!(gateway.status(id), "submitted");
    assert_eq!(gateway.count(Counter::ReceiptsInferred), 1);
    // From here on its id is known, after a restart too.
    gateway = gateway.crash();
    gateway.receipt(0, &Receipt::of("77", "DELIVRD"));
    assert_eq!(gateway.status(id), "delivered");
    let wanted = [
        "accepted",
        "attempted attempt 1",
        "outcome_unknown",
        "submitted 77",
        "intermediate ENROUTE err:000",
        "delivered",
    ];
    assert_eq!(gateway.timeline(id), wanted);
}

#[test]
fn a_receipt_that_can_mean_two_parts_means_neither() {
    let mut gateway = Gateway::new(alpha(held));
    let first = lost(&mut gateway, HANDSET);
    let second = lost(&mut gateway, HANDSET);
    gateway.receipt(0, &Receipt::of("77", "DELIVRD"));
    assert_eq!(
        (gateway.status(first), gateway.status(second)),
        ("outcome_unknown", "outcome_unknown")
    );
    assert_eq!(gateway.count(Counter::ReceiptsParked), 1);
    // One whose answer is under way counts as well.
    let mut gateway = Gateway::new(alpha(held));
    let first = lost(&mut gateway, HANDSET);
    let second = gateway.send("second");
    gateway.receipt(0, &Receipt::of("78", "DELIVRD"));
    assert_eq!(gateway.status(first), "outcome_unknown");
    gateway.accept("78");
    assert_eq!((gateway.status(first), gateway.status(second)), ("outcome_unknown", "delivered"));
}

#[test]
fn another_sender_recipient_or_time_is_not_meant() {
    let mut gateway = Gateway::new(alpha(held));
    let id = lost(&mut gateway, HANDSET);
    gateway.receipt(0, &Receipt { dest: "Other", ..Receipt::of("1", "DELIVRD") });
    gateway.receipt(0, &Receipt { source: "447700900999", ..Receipt::of("2", "DELIVRD") });
    assert_eq!(gateway.status(id), "outcome_unknown");
    // Parked before the part was written.
    let mut gateway = Gateway::new(alpha(held));
    gateway.receipt(0, &Receipt::of("3", "DELIVRD"));
    gateway.seconds(1);
    let id = lost(&mut gateway, HANDSET);
    gateway.seconds(400);
    assert_eq!(gateway.status(id), "outcome_unknown");
    assert_eq!(gateway.count(Counter::ReceiptsOrphaned), 1);
}

#[test]
fn a_part_with_an_id_is_in_doubt_only_until_ids_are_known_to_meet() {
    for known_to_meet in [false, true] {
        let mut gateway = Gateway::new(alpha(held));
        if known_to_meet {
            send_to(&mut gateway, "447700900777");
            gateway.accept("9");
            let receipt = Receipt { source: "447700900777", ..Receipt::of("9", "DELIVRD") };
            gateway.receipt(0, &receipt);
        }
        // The phone is off: this one waits for its receipt.
        send_to(&mut gateway, HANDSET);
        gateway.accept("10");
        let id = lost(&mut gateway, HANDSET);
        gateway.receipt(0, &Receipt::of("11", "DELIVRD"));
        let wanted = if known_to_meet { "delivered" } else { "outcome_unknown" };
        assert_eq!(gateway.status(id), wanted);
    }
}

#[test]
fn the_reference_that_we_sent_tells_among_many() {
    let mut gateway = Gateway::new(alpha(|carrier| {
        held(carrier);
        carrier.profile.user_message_reference = true;
    }));
    let mut sent = Vec::new();
    for _ in 0..3 {
        let id = gateway.send("hello");
        sent.push((id, reference_of(&gateway.submit())));
    }
    gateway.lose(0);
    gateway.seconds(2);
    let (id, reference) = &sent[1];
    let receipt = Receipt::of("8", "DELIVRD").with(USER_MESSAGE_REFERENCE, reference);
    gateway.receipt(0, &receipt);
    assert_eq!(gateway.status(*id), "delivered");
    // Without an id at all.
    let (id, reference) = &sent[2];
    let receipt = Receipt::of("", "").with(USER_MESSAGE_REFERENCE, reference);
    assert_eq!(gateway.receipt_text(0, &receipt.with(MESSAGE_STATE, &[2]), b""), Some(0));
    assert_eq!(gateway.status(*id), "delivered");
    let (id, _) = &sent[0];
    let receipt = Receipt::of("9", "DELIVRD").with(USER_MESSAGE_REFERENCE, &[0, 0]);
    gateway.receipt(0, &receipt);
    assert_eq!(gateway.status(*id), "outcome_unknown", "another's reference");
}

#[test]
fn a_receipt_in_the_time_of_grace_spares_the_resend() {
    let mut gateway = Gateway::new(config(&["alpha"]));
    let id = lost(&mut gateway, HANDSET);
    gateway.receipt(0, &Receipt::of("77", "ENROUTE"));
    gateway.seconds(60);
    assert!(gateway.submits.is_empty());
    assert_eq!(gateway.status(id), "submitted");
}

#[test]
fn a_receipt_of_a_failed_part_is_an_event() {
    let mut gateway = Gateway::new(alpha(|carrier| carrier.on_unknown_outcome = Fail));
    let id = lost(&mut gateway, HANDSET);
    assert_eq!(gateway.status(id), "failed");
    gateway.receipt(0, &Receipt::of("77", "DELIVRD"));
    assert_eq!(gateway.status(id), "failed");
    let timeline = gateway.timeline(id);
    assert_eq!(
        timeline[timeline.len() - 2..],
        ["accepted_late 77", "late_receipt DELIVRD err:000"]
    );
}

#[test]
fn the_first_copys_receipt_is_absorbed_when_the_second_has_an_id() {
    let mut gateway = Gateway::new(alpha(|carrier| {
        carrier.profile.unknown_grace = Duration::ZERO;
    }));
    let id = lost(&mut gateway, HANDSET);
    gateway.accept("second");
    // It may be the carrier's own doubt about the copy: it ends nothing.
    gateway.receipt(0, &Receipt::of("first", "REJECTD"));
    assert_eq!(gateway.status(id), "submitted");
    gateway.receipt(0, &Receipt::of("one", "DELIVRD"));
    assert_eq!(gateway.status(id), "delivered");
    gateway.receipt(0, &Receipt::of("second", "DELIVRD"));
    assert_eq!(gateway.count(Counter::ReceiptsDuplicate), 1);
}

#[test]
fn a_text_that_went_whole_is_told_whole() {
    let mut gateway = Gateway::new(alpha(|carrier| {
        held(carrier);
        carrier.profile.concatenation = Concatenation::Payload;
    }));
    let id = gateway.send(&"x".repeat(400));
    gateway.submit();
    gateway.lose(0);
    gateway.seconds(2);
    gateway.receipt(0, &Receipt::of("77", "DELIVRD"));
    assert_eq!(gateway.status(id), "delivered");
}

#[test]
fn a_receipt_without_anything_that_names_a_part_is_answered_and_counted() {
    let mut gateway = Gateway::new(config(&["alpha"]));
    gateway.send("hello");
    gateway.accept("1");
    assert_eq!(gateway.receipt_text(0, &Receipt::of("", ""), b"what"), Some(0));
    assert_eq!(gateway.count(Counter::ReceiptsOrphaned), 1);
    assert_eq!(gateway.count(Counter::ReceiptsParked), 0);
}

// ---- Learning ----

/// Submits to so many handsets; receipts come in decimal while answers were hexadecimal.
fn mismatched(gateway: &mut Gateway, messages: std::ops::Range<u64>) -> Vec<MessageId> {
    let mut ids = Vec::new();
    for number in messages {
        let handset = (447_700_800_000 + number).to_string();
        ids.push(send_to(gateway, &handset));
        gateway.accept(&format!("{:X}", 3_000_000 + number));
        let id = (3_000_000 + number).to_string();
        gateway.receipt(0, &Receipt { source: &handset, ..Receipt::of(&id, "DELIVRD") });
    }
    ids
}

#[test]
fn a_proposal_is_applied_when_the_operator_says_so_and_parked_receipts_look_again() {
    let mut gateway = Gateway::new(config(&["alpha"]));
    let pairs = u64::from(limits::ID_PAIRS);
    let ids = mismatched(&mut gateway, 0..pairs);
    let learned = gateway.rig.learned();
    let carrier = learned.by_name("alpha").unwrap();
    let proposal = carrier.proposal().unwrap();
    assert_eq!(proposal.forms, forms(IdBase::Hex, IdBase::Decimal));
    assert_eq!((u64::from(proposal.agreeing), proposal.contradicting), (pairs, 0));
    assert_eq!(gateway.count(Counter::ReceiptsParked), pairs);
    assert!(ids.iter().all(|id| gateway.status(*id) == "submitted"), "ids alone decide");
    carrier.apply().unwrap();
    let more = mismatched(&mut gateway, pairs..pairs + 1);
    for id in ids.iter().chain(&more) {
        assert_eq!(gateway.status(*id), "delivered");
    }
    assert_eq!(carrier.proposal(), None);
}

#[test]
fn what_is_learned_applies_at_once_where_the_profile_says_so() {
    let mut gateway = Gateway::new(alpha(|carrier| carrier.profile.learn = Learn::Apply));
    let ids = mismatched(&mut gateway, 0..u64::from(limits::ID_PAIRS) + 1);
    assert!(ids.iter().all(|id| gateway.status(*id) == "delivered"));
    let mut gateway = Gateway::new(alpha(|carrier| carrier.profile.learn = Learn::Off));
    mismatched(&mut gateway, 0..u64::from(limits::ID_PAIRS) + 1);
    assert_eq!(gateway.rig.learned().by_name("alpha").unwrap().pairs(), [0; 4]);
}

#[test]
fn a_reference_matches_and_teaches_while_the_forms_are_wrong() {
    let mut gateway = Gateway::new(alpha(|carrier| carrier.profile.user_message_reference = true));
    let id = gateway.send("hello");
    let reference = reference_of(&gateway.accept("3D0900"));
    let receipt = Receipt::of("4000000", "DELIVRD").with(USER_MESSAGE_REFERENCE, &reference);
    gateway.receipt(0, &receipt);
    assert_eq!(gateway.status(id), "delivered");
    assert_eq!(gateway.rig.learned().by_name("alpha").unwrap().pairs(), [0, 1, 0, 0]);
}

#[test]
fn a_receipt_of_a_refused_part_is_parked_and_answered() {
    let mut gateway = Gateway::new(config(&["alpha"]));
    gateway.send("hello");
    gateway.refuse(SYSTEM_ERROR);
    assert_eq!(gateway.receipt(0, &Receipt::of("77", "DELIVRD")), Some(0));
    assert_eq!(gateway.count(Counter::ReceiptsParked), 1);
}
