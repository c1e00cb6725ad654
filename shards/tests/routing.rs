//! Which carrier messages leave by, in a whole shard: what has no room goes elsewhere and comes back,
//! all parts of a message go one way, receipts teach, and what is told is what is done.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use std::time::Duration;

use harness::pdu::{self, Pdu, receipt, taken};
use harness::scene::{ALPHA, BETA, HANDSET, Scene, WINDOW, secs};
use harness::{Rig, request};
use postrider_core::content::Content;
use postrider_core::number::Msisdn;
use postrider_core::route::{Explanation, Standing, Why};
use postrider_core::sender::SenderId;
use postrider_core::submission::Submission;
use postrider_core::text::Encoding;
use postrider_shards::shard::{ApiResponse, ControlAnswer, ControlRequest};

const OVERFLOW: &str = "cost_tolerance_percent = 20\ncarriers = [\
    { carrier = \"alpha\", priority = 1, cost_micros = 1000 }, \
    { carrier = \"beta\", priority = 2, cost_micros = 1200 }]";
const EQUALS: &str = "carriers = [{ carrier = \"alpha\", priority = 1, cost_micros = 1000 }, \
    { carrier = \"beta\", priority = 1, cost_micros = 1000 }]";
const THROTTLED: u32 = 0x58;
const LONG: &str = "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 \
    0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 \
    0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 \
    0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789";

fn scene(ranked: &str) -> Scene {
    let mut scene = Scene::unbound("", ranked);
    scene.rig.bind(ALPHA);
    scene.rig.bind(BETA);
    scene
}

fn take(rig: &mut Rig, bind: usize, submits: &[Pdu], prefix: &str) {
    for submit in submits {
        let id = format!("{prefix}{}", submit.sequence);
        rig.send(bind, &[taken(submit.sequence, &id)]);
    }
    rig.pass(Duration::from_millis(5));
}

/// The submit_sm of a bind; what else it asks is answered.
fn sent(rig: &mut Rig, bind: usize) -> Vec<Pdu> {
    let (submits, others): (Vec<Pdu>, Vec<Pdu>) =
        rig.received(bind).into_iter().partition(|pdu| pdu.command == pdu::SUBMIT);
    let asked = others.iter().filter(|pdu| pdu.command & pdu::NACK == 0);
    let answers: Vec<Pdu> =
        asked.map(|pdu| Pdu::new(pdu.command | pdu::NACK, 0, pdu.sequence, b"")).collect();
    rig.send(bind, &answers);
    submits
}

fn dry_run(rig: &mut Rig, number: u64, text: &str) -> Explanation {
    let body = format!(r#"{{"from":"Acme","to":"+{number}","body":"{text}","dry_run":true}}"#);
    match rig.ask(request("POST", "/api/v1/messages", body.as_bytes())) {
        ApiResponse::Explained(told) => *told,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_has_no_room_goes_elsewhere_and_comes_back() {
    let mut scene = scene(OVERFLOW);
    let rig = &mut scene.rig;
    for _ in 0..2 * WINDOW + 2 {
        rig.submit(HANDSET, "hello");
    }
    let (alpha, beta) = (rig.submits(ALPHA), rig.submits(BETA));
    assert_eq!((alpha.len(), beta.len()), (WINDOW, WINDOW), "both windows are full");
    take(rig, BETA, &beta[..1], "b");
    assert_eq!((rig.submits(ALPHA).len(), rig.submits(BETA).len()), (0, 1), "beta has room first");
    take(rig, ALPHA, &alpha, "a");
    assert_eq!((rig.submits(ALPHA).len(), rig.submits(BETA).len()), (1, 0), "alpha's own wait");
    rig.submit(HANDSET, "hello");
    assert_eq!((rig.submits(ALPHA).len(), rig.submits(BETA).len()), (1, 0), "traffic is back");
}

#[test]
fn what_costs_too_much_waits() {
    let mut scene = scene(&OVERFLOW.replace("1200", "1201"));
    for _ in 0..WINDOW + 2 {
        scene.rig.submit(HANDSET, "hello");
    }
    assert_eq!(scene.rig.submits(ALPHA).len(), WINDOW);
    assert_eq!(scene.rig.submits(BETA).len(), 0);
    let told = dry_run(&mut scene.rig, HANDSET, "hello");
    assert_eq!(told.carrier.as_deref(), Some("alpha"));
    assert_eq!(told.candidates[1].weighed.standing, Standing::TooDear);
}

#[test]
fn names_alone_mean_what_they_meant() {
    let mut scene = scene(r#"carriers = ["alpha", "beta"]"#);
    for _ in 0..WINDOW + 2 {
        scene.rig.submit(HANDSET, "hello");
    }
    assert_eq!(scene.rig.submits(ALPHA).len(), WINDOW);
    assert_eq!(scene.rig.submits(BETA).len(), 0, "it is for when alpha is down");
}

#[test]
fn a_throttled_message_goes_elsewhere_at_once() {
    let mut scene = scene(OVERFLOW);
    let (_, sequence) = scene.submitted("hello");
    scene.rig.send(ALPHA, &[Pdu::new(0x8000_0004, THROTTLED, sequence, b"")]);
    scene.rig.pass(Duration::from_millis(5));
    assert_eq!(scene.rig.submits(BETA).len(), 1, "alpha rests, beta has room");
}

#[test]
fn all_parts_of_a_message_go_one_way() {
    let mut scene = scene(OVERFLOW);
    let rig = &mut scene.rig;
    for _ in 0..WINDOW - 1 {
        rig.submit(HANDSET, "hello");
    }
    rig.submit(HANDSET, LONG);
    let alpha = rig.submits(ALPHA);
    assert_eq!(alpha.len(), WINDOW);
    assert_eq!(rig.submits(BETA).len(), 0, "its first part went to alpha");
    // The first part is throttled while nothing else of it is under way: it may go elsewhere, whole.
    let first = alpha.last().unwrap().sequence;
    rig.send(ALPHA, &[Pdu::new(0x8000_0004, THROTTLED, first, b"")]);
    rig.pass(Duration::from_millis(5));
    let beta = rig.submits(BETA);
    assert_eq!(beta.len(), 3, "all three by beta");
    take(rig, BETA, &beta[..1], "b");
    rig.send(BETA, &[Pdu::new(0x8000_0004, THROTTLED, beta[1].sequence, b"")]);
    take(rig, ALPHA, &alpha[..WINDOW - 1], "a");
    rig.pass(secs(3));
    assert_eq!(rig.submits(ALPHA).len(), 0, "what beta has parts of is beta's");
    assert_eq!(rig.submits(BETA).len(), 1);
}

#[test]
fn receipts_move_traffic_and_what_is_told_is_done() {
    let mut scene = scene(EQUALS);
    let rig = &mut scene.rig;
    let mut late = [0, 0];
    for count in 0..400 {
        let told = dry_run(rig, HANDSET, "hello");
        rig.submit(HANDSET, "hello");
        let sent = [sent(rig, ALPHA), sent(rig, BETA)];
        let at = sent.iter().position(|own| !own.is_empty()).unwrap();
        assert_eq!(told.carrier.as_deref(), Some(["alpha", "beta"][at]), "message {count}");
        let submit = &sent[at][0];
        let id = format!("{at}-{count}");
        rig.send(at, &[taken(submit.sequence, &id)]);
        rig.pass(secs(1));
        let stat = if at == BETA { "UNDELIV" } else { "DELIVRD" };
        rig.send(at, &[receipt(1_000 + count, &HANDSET.to_string(), &id, stat)]);
        rig.pass(Duration::from_millis(5));
        if count >= 100 {
            late[at] += 1;
        }
    }
    assert!(late[BETA] < 30, "beta delivers nothing, and gets trials only: {late:?}");
    let told = dry_run(rig, HANDSET, "hello");
    let beta = &told.candidates[1].weighed;
    assert!(beta.reading.parts > 0 && beta.terms.delivery < 700_000, "{beta:?}");
    assert!(
        told.candidates[0].weighed.reading.latency.is_some_and(|ms| (900..1_200).contains(&ms))
    );
}

#[test]
fn a_dry_run_takes_nothing_and_refuses_as_the_real_one() {
    let mut scene = scene(OVERFLOW);
    let rig = &mut scene.rig;
    let told = dry_run(rig, HANDSET, LONG);
    assert_eq!((told.parts, told.encoding, told.cost_micros), (3, Encoding::Gsm7, Some(3_000)));
    assert_eq!(told.country.as_deref(), Some("GB"));
    assert_eq!(told.candidates[0].weighed.standing, Standing::Chosen(Why::Best));
    assert_eq!(told.candidates[1].weighed.standing, Standing::LowerPriority);
    assert!(rig.submits(ALPHA).is_empty() && rig.submits(BETA).is_empty());
    assert_eq!(rig.shard.messages_in_memory(), 0);
    let body = br#"{"from":"Acme","to":"+4917012345678","body":"x","dry_run":true}"#;
    match rig.ask(request("POST", "/api/v1/messages", body)) {
        ApiResponse::Problem(problem) => assert_eq!(problem.status(), 422),
        other => panic!("{other:?}"),
    }
    rig.lose(ALPHA);
    assert_eq!(dry_run(rig, HANDSET, "x").carrier.as_deref(), Some("beta"));
}

#[test]
fn an_operator_is_told_the_same() {
    let mut scene = scene(OVERFLOW);
    let of_customer = dry_run(&mut scene.rig, HANDSET, "hello");
    let message = Submission::new(
        SenderId::parse("Acme").unwrap(),
        Msisdn::from_u64(HANDSET).unwrap(),
        Content::of_text("hello"),
        (Encoding::Gsm7, 1),
    );
    let told = scene.rig.control(ControlRequest::Explain(Box::new(message)));
    assert_eq!(told, ControlAnswer::Explained(Some(Box::new(of_customer))));
}
