//! Another number of shards, and what is private: texts that are not kept, people who are erased or do
//! not want messages. In memory, under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod house;
#[path = "harness/traces.rs"]
mod traces;

use std::time::Duration;

use house::{House, Line, Submit, config, short_message};
use postrider_core::number::Msisdn;
use postrider_http::request::ApiRequest;
use postrider_shards::shard::{ApiResponse, ControlRequest, Subject};
use postrider_shards::stats::Counter;

const BIND_TX: u32 = 2;
const SECRET: &str = "the quick brown fox knows";

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn config_of(shards: u16, retention: &str) -> String {
    let retention = format!("content_retention = \"{retention}\"\n[customers.smpp]");
    config(shards, "").replacen("[customers.smpp]", &retention, 1)
}

fn line(house: &mut House) -> Line {
    house.bound_as(0, BIND_TX, "acme", "secret")
}

fn submit(house: &mut House, line: Line, (sequence, dest): (u32, &str), text: &str) -> String {
    let submit =
        Submit { sequence, dest: (1, 1, dest), text: text.as_bytes(), ..Submit::default() };
    house.submit(line, &submit)
}

fn resized(house: House, shards: u16, retention: &str) -> House {
    house.resized(&config_of(shards, retention), ms(50), &[]).0
}

#[test]
fn texts_that_are_not_kept_move_with_their_messages_and_leave_no_trace() {
    let mut house = House::new(&config_of(3, "discard"));
    house.cut_carriers();
    let own = line(&mut house);
    let mut sent = Vec::new();
    for nth in 0..30u32 {
        let handset = house.number_of(nth as usize % 3, nth as usize);
        let text = format!("{SECRET} {nth:02}");
        sent.push((submit(&mut house, own, (10 + nth, &handset), &text), handset, text));
    }
    for shards in [2, 4, 1, 3] {
        house = resized(house, shards, "discard");
        assert!(house.kept_hold(SECRET.as_bytes()) == (false, false), "wiped with the change");
    }
    house.mend_carriers();
    let mut came: Vec<(String, String)> = house
        .submits()
        .into_iter()
        .map(|(handset, pdu)| (handset, String::from_utf8(short_message(&pdu)).unwrap()))
        .collect();
    let mut expected: Vec<_> =
        sent.iter().map(|(_, to, text)| (to.clone(), text.clone())).collect();
    came.sort();
    expected.sort();
    assert_eq!(came, expected);
    for (sequence, (_, handset, _)) in (900..).zip(&sent) {
        house.receipt_to(handset, "DELIVRD", "000", sequence);
    }
    house.pass(Duration::from_secs(90));
    for (id, ..) in &sent {
        assert_eq!(house.status(id), "delivered");
    }
    assert_eq!(house.traces(SECRET.as_bytes()), (false, false));
    assert_eq!(house.count(Counter::ContentsLost), 0);
}

#[test]
fn who_does_not_want_messages_gets_none_and_who_wants_them_again_does() {
    let mut house = House::new(&config_of(2, "keep"));
    let recipients: Vec<Msisdn> =
        (0..12).map(|nth| Msisdn::from_u64(447_700_900_100 + nth).unwrap()).collect();
    let customer = 1;
    for recipient in &recipients {
        let owner = house.owner(*recipient);
        let request = ControlRequest::OptOut { customer, recipient: *recipient, on: true };
        house.control(owner, request);
    }
    for shards in [5, 1, 3] {
        house = resized(house, shards, "keep");
        let own = line(&mut house);
        for (sequence, recipient) in (2..).zip(&recipients) {
            let dest = recipient.digits().to_string();
            let submit = Submit { sequence, dest: (1, 1, &dest), ..Submit::default() };
            assert_ne!(house.ask(own, submit.pdu()).status, 0, "{shards} shards: {dest}");
        }
    }
    // Every shard is told when one of them wants messages again.
    for shard in 0..house.shards() {
        let request = ControlRequest::OptOut { customer, recipient: recipients[0], on: false };
        house.control(shard, request);
    }
    house = resized(house, 2, "keep");
    let own = line(&mut house);
    submit(&mut house, own, (2, recipients[0].digits().as_ref()), "welcome back");
    let dest = recipients[1].digits().to_string();
    let submit = Submit { sequence: 3, dest: (1, 1, &dest), ..Submit::default() };
    assert_ne!(house.ask(own, submit.pdu()).status, 0);
}

/// Closed messages to each of these.
fn populate(house: &mut House, handsets: &[String]) -> Vec<String> {
    let own = line(house);
    let mut ids = Vec::new();
    for (sequence, handset) in (10..).zip(handsets) {
        ids.push(submit(house, own, (sequence, handset), &format!("{SECRET} {handset}")));
        house.pass(ms(20));
        house.receipt_to(handset, "DELIVRD", "000", 1_000 + sequence);
    }
    house.hang_up(own);
    house.pass(ms(100));
    ids
}

/// Whether something of a number or a text is in any segment.
fn found(house: &mut House, number: &str, text: &str) -> bool {
    let mut needles = traces::of_number(number.parse().unwrap());
    needles.extend(traces::of_text(text));
    needles.iter().any(|needle| {
        house.traces(needle) != (false, false) || house.kept_hold(needle) != (false, false)
    })
}

#[test]
fn an_erasure_reaches_logs_that_no_shard_writes_to_any_more() {
    let mut house = House::new(&config_of(3, "keep"));
    let handsets: Vec<String> = (0..3).map(|shard| house.number_of(shard, 0)).collect();
    let ids = populate(&mut house, &handsets);
    house = resized(house, 1, "keep");
    for handset in &handsets {
        assert!(found(&mut house, handset, &format!("{SECRET} {handset}")));
    }
    for (nth, handset) in (0..).zip(&handsets[1..]) {
        let number = Msisdn::from_u64(handset.parse().unwrap()).unwrap();
        let subject = Subject::Recipient(number);
        house.control(0, ControlRequest::Erase { id: 77 + nth, subject });
    }
    // At once in every answer, then in the files.
    for id in &ids[1..] {
        assert!(house.view(0, id).unwrap().redacted, "{id}");
    }
    assert!(!house.view(0, &ids[0]).unwrap().redacted);
    house.pass(Duration::from_secs(4 * 3_600));
    for handset in &handsets[1..] {
        assert!(!found(&mut house, handset, &format!("{SECRET} {handset}")), "{handset}");
    }
    assert!(found(&mut house, &handsets[0], &format!("{SECRET} {}", handsets[0])));
    let mut house = house.crash(ms(50));
    for (id, redacted) in ids.iter().zip([false, true, true]) {
        assert_eq!(house.view(0, id).unwrap().redacted, redacted, "{id}");
    }
}

#[test]
fn an_erasure_under_way_goes_on_with_another_number_of_shards() {
    let mut house = House::new(&config_of(2, "keep"));
    house.cut_carriers();
    let handsets: Vec<String> = (0..4).map(|nth| house.number_of(nth % 2, nth)).collect();
    let own = line(&mut house);
    let mut ids = Vec::new();
    for (sequence, handset) in (10..).zip(&handsets) {
        ids.push(submit(&mut house, own, (sequence, handset), &format!("{SECRET} {handset}")));
    }
    for shard in 0..house.shards() {
        for (nth, handset) in (0..).zip(&handsets[..2]) {
            let number = Msisdn::from_u64(handset.parse().unwrap()).unwrap();
            let subject = Subject::Recipient(number);
            house.control(shard, ControlRequest::Erase { id: 77 + nth, subject });
        }
    }
    for shards in [4, 1, 3] {
        house = resized(house, shards, "keep");
        for (id, redacted) in ids.iter().zip([true, true, false, false]) {
            assert_eq!(house.view(0, id).unwrap().redacted, redacted, "{shards} shards: {id}");
        }
    }
    house.pass(Duration::from_secs(4 * 3_600));
    for (nth, handset) in handsets.iter().enumerate() {
        let there = found(&mut house, handset, &format!("{SECRET} {handset}"));
        assert_eq!(there, nth >= 2, "{handset}");
    }
    house.mend_carriers();
    let mut came: Vec<String> = house.submits().into_iter().map(|(handset, _)| handset).collect();
    came.sort();
    let mut expected = handsets[2..].to_vec();
    expected.sort();
    assert_eq!(came, expected);
}

#[test]
fn a_message_in_a_log_that_no_shard_writes_to_is_redacted_and_stays_so() {
    let mut house = House::new(&config_of(4, "keep"));
    let handsets: Vec<String> = (0..4).map(|shard| house.number_of(shard, 0)).collect();
    let ids = populate(&mut house, &handsets);
    // One while its log is written to, the others after that.
    let redact = |house: &mut House, id: &str| {
        let shard = house.shards() - 1;
        let answer = house.api(shard, ApiRequest::Redact(id.parse().unwrap()));
        assert!(matches!(answer, ApiResponse::Redacted), "{answer:?}");
    };
    redact(&mut house, &ids[3]);
    house = resized(house, 2, "keep");
    redact(&mut house, &ids[2]);
    redact(&mut house, &ids[1]);
    let all = |house: &mut House| {
        for (id, redacted) in ids.iter().zip([false, true, true, true]) {
            assert_eq!(house.view(0, id).unwrap().redacted, redacted, "{id}");
        }
    };
    all(&mut house);
    house = resized(house, 1, "keep");
    all(&mut house);
    house.pass(Duration::from_secs(4 * 3_600));
    all(&mut house);
    for (nth, handset) in handsets.iter().enumerate() {
        let there = found(&mut house, handset, &format!("{SECRET} {handset}"));
        assert_eq!(there, nth == 0, "{handset}");
    }
    let mut house = house.crash(ms(50));
    all(&mut house);
}
