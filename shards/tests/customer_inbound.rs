//! Messages from handsets on their way to the customers of their numbers: over any bind and shard,
//! joined, in the customer's form, kept until they are taken. Pure, under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod house;

use std::time::Duration;

use house::pdu::{self, DELIVER, Deliver, Delivered, Pdu};
use house::{House, Line, Submit, bind, config};
use postrider_shards::stats::{Counter, Gauge};

const BIND_RX: u32 = 1;
const RMSGQFUL: u32 = 0x14;
const RX_R_APPN: u32 = 0x66;
const SAR_REFERENCE: u16 = 0x20C;
const SAR_TOTAL: u16 = 0x20E;
const SAR_NUMBER: u16 = 0x20F;
const PAYLOAD: u16 = 0x424;
const NUMBERS: &str = "72345";

fn house_of(shards: u16, account: &str) -> House {
    House::new(&config_of(shards, account))
}

/// Two accounts, of which acme has a short code and a number.
fn config_of(shards: u16, account: &str) -> String {
    let numbers =
        "numbers = [\"72345\", \"+447700900999\"]\n[customers.smpp]\nsystem_id = \"acme\"";
    config(shards, account).replacen("[customers.smpp]\nsystem_id = \"acme\"", numbers, 1)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn to_acme<'a>(sequence: u32, source: &'a str, text: &'a [u8]) -> Deliver<'a> {
    Deliver { sequence, source, dest: NUMBERS, text, ..Deliver::default() }
}

/// The deliver_sm that came on a connection since the last look.
fn deliveries(house: &mut House, line: Line) -> Vec<Pdu> {
    let mut all = house.received(line);
    all.retain(|pdu| pdu.command == DELIVER);
    all
}

fn told(all: &[Pdu]) -> Vec<Delivered> {
    all.iter().map(Pdu::delivered).collect()
}

fn texts(all: &[Pdu]) -> Vec<String> {
    told(all).into_iter().map(|told| String::from_utf8(told.text).unwrap()).collect()
}

fn answer(house: &mut House, line: Line, deliveries: &[Pdu], status: u32) {
    let answers: Vec<Pdu> = deliveries.iter().map(|pdu| pdu.answer(status)).collect();
    house.send(line, &answers);
    house.pass(Duration::from_millis(5));
}

/// A bind of acme to which something may come at once.
fn receiver(house: &mut House, shard: usize) -> Line {
    let line = house.dial(shard);
    house.send(line, &[bind(BIND_RX, 1, "acme", "secret")]);
    line
}

#[test]
fn a_message_goes_to_the_customer_of_its_number_whatever_shards_are_between() {
    // The shard of the carrier's bind, the home of the handset, the receiver's.
    for (comes, home, receives) in [(0, 0, 0), (0, 1, 2), (1, 1, 0), (2, 0, 2), (1, 2, 1)] {
        let mut house = house_of(3, "");
        let line = receiver(&mut house, receives);
        let others = house.bound_as(receives, pdu::BIND_TRX, "other", "hidden");
        let handset = house.number_of(home, 0);
        house.carrier_sends(comes, &to_acme(5, &handset, b"Hello").pdu());
        assert_eq!(house.carrier_answers(comes), [(0, 5)], "{comes} {home} {receives}");
        let all = deliveries(&mut house, line);
        let [one] = &told(&all)[..] else { panic!("{all:?}") };
        assert_eq!(one.source, (1, 1, handset));
        assert_eq!(one.dest, (5, 0, NUMBERS.into()), "as it came");
        assert_eq!((one.esm_class, one.data_coding, &*one.text), (0, 0, &b"Hello"[..]));
        answer(&mut house, line, &all, 0);
        assert_eq!(house.gauge(Gauge::InboundHeld), 0);
        assert_eq!(house.count(Counter::InboundDelivered), 1);
        assert_eq!(deliveries(&mut house, others), []);
    }
}

#[test]
fn numbers_are_known_in_every_form_and_nobodys_are_refused_for_good() {
    let mut house = house_of(2, "");
    let line = receiver(&mut house, 0);
    for (number, taken) in [
        ("72345", true),
        ("447700900999", true),
        ("+447700900999", true),
        ("00447700900999", true),
        ("447700900998", false),
        ("7234", false),
        ("", false),
    ] {
        let deliver = Deliver { dest: number, ..to_acme(5, "447700900001", number.as_bytes()) };
        house.carrier_sends(0, &deliver.pdu());
        let expected = if taken { 0 } else { RX_R_APPN };
        assert_eq!(house.carrier_answers(0), [(expected, 5)], "{number}");
        let all = deliveries(&mut house, line);
        assert_eq!(all.len(), usize::from(taken), "{number}");
        answer(&mut house, line, &all, 0);
    }
    assert_eq!(house.count(Counter::InboundUnowned), 3);
}

#[test]
fn a_sender_that_is_no_number_has_a_home_too() {
    let mut house = house_of(3, "");
    let line = receiver(&mut house, 0);
    for (sequence, source) in (1..).zip(["Acme", "123", "Shop 24", ""]) {
        house.carrier_sends(1, &to_acme(sequence, source, b"x").pdu());
        let all = deliveries(&mut house, line);
        assert_eq!(told(&all)[0].source.2, source);
        answer(&mut house, line, &all, 0);
    }
}

#[test]
fn the_carrier_is_answered_only_once_the_home_has_it_on_disk() {
    let mut house = house_of(2, "");
    let line = receiver(&mut house, 0);
    let handset = house.number_of(1, 0);
    house.hold_disk(1, true);
    house.carrier_sends(0, &to_acme(5, &handset, b"Hello").pdu());
    house.pass(secs(3));
    assert_eq!((house.carrier_answers(0), deliveries(&mut house, line)), (vec![], vec![]));
    house.hold_disk(1, false);
    assert_eq!(house.carrier_answers(0), [(0, 5)]);
    assert_eq!(deliveries(&mut house, line).len(), 1);
}

#[test]
fn a_copy_that_comes_before_the_first_is_on_disk_waits_with_it() {
    let mut house = house_of(2, "");
    let handset = house.number_of(1, 0);
    house.hold_disk(1, true);
    house.carrier_sends(0, &to_acme(5, &handset, b"Hello").pdu());
    house.carrier_sends(1, &to_acme(6, &handset, b"Hello").pdu());
    assert_eq!((house.carrier_answers(0), house.carrier_answers(1)), (vec![], vec![]));
    house.hold_disk(1, false);
    assert_eq!((house.carrier_answers(0), house.carrier_answers(1)), (vec![(0, 5)], vec![(0, 6)]));
}

/// The parts of a text of 400 characters, with a reference of 8 bits.
fn long_parts() -> (String, Vec<Vec<u8>>) {
    let text = "0123456789".repeat(40);
    let chunks = text.as_bytes().chunks(153).zip(1u8..);
    (text.clone(), chunks.map(|(part, n)| [&[5, 0, 3, 77, 3, n], part].concat()).collect())
}

fn part<'a>(sequence: u32, source: &'a str, octets: &'a [u8]) -> Deliver<'a> {
    Deliver { esm_class: 0x40, ..to_acme(sequence, source, octets) }
}

#[test]
fn parts_come_over_any_bind_in_any_order_and_go_as_the_customer_wants() {
    let (text, parts) = long_parts();
    for (account, whole) in [("", false), ("long_inbound = \"payload\"", true)] {
        for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
            let mut house = house_of(3, account);
            let line = receiver(&mut house, 0);
            let handset = house.number_of(1, 0);
            for (shard, number) in order.iter().enumerate() {
                assert_eq!(deliveries(&mut house, line), [], "not before the last part");
                house.carrier_sends(shard, &part(5, &handset, &parts[*number]).pdu());
                assert_eq!(house.carrier_answers(shard), [(0, 5)], "each is answered by itself");
            }
            let all = deliveries(&mut house, line);
            if whole {
                let [one] = &told(&all)[..] else { panic!("{all:?}") };
                assert_eq!(one.tlv(PAYLOAD), Some(text.as_bytes()));
                assert_eq!((one.esm_class, one.text.len()), (0, 0));
            } else {
                let got: Vec<Vec<u8>> = told(&all).into_iter().map(|told| told.text).collect();
                assert_eq!(got, parts);
                assert!(told(&all).iter().all(|told| told.esm_class == 0x40));
            }
            answer(&mut house, line, &all, 0);
            assert_eq!(house.gauge(Gauge::InboundHeld), 0);
            assert_eq!(house.count(Counter::InboundDelivered), 1);
        }
    }
}

#[test]
fn what_a_carrier_sends_again_is_answered_and_brought_once() {
    let (_, parts) = long_parts();
    let mut house = house_of(2, "");
    let line = receiver(&mut house, 0);
    let handset = house.number_of(1, 0);
    let mut came = 0;
    for round in 0..3 {
        house.carrier_sends(0, &to_acme(5, &handset, b"Hello").pdu());
        for octets in &parts {
            house.carrier_sends(1, &part(6, &handset, octets).pdu());
        }
        assert_eq!(house.carrier_answers(0), [(0, 5)]);
        assert_eq!(house.carrier_answers(1), [(0, 6); 3]);
        let all = deliveries(&mut house, line);
        came += all.len();
        answer(&mut house, line, &all, 0);
        assert_eq!(came, 4, "round {round}");
        house.pass(Duration::from_millis(500));
    }
    assert_eq!(house.count(Counter::InboundRepeated), 8);
    // After two seconds the same word is another message; the same part is not.
    house.pass(secs(1));
    house.carrier_sends(0, &to_acme(5, &handset, b"Hello").pdu());
    house.carrier_sends(1, &part(6, &handset, &parts[0]).pdu());
    assert_eq!(texts(&deliveries(&mut house, line)), ["Hello"]);
}

#[test]
fn a_copy_is_known_after_a_crash_too() {
    let mut house = house_of(2, "");
    let handset = house.number_of(1, 0);
    house.carrier_sends(0, &to_acme(5, &handset, b"Hello").pdu());
    let mut house = house.crash(secs(1));
    house.carrier_sends(1, &to_acme(1, &handset, b"Hello").pdu());
    assert_eq!(house.carrier_answers(1), [(0, 1)]);
    let line = receiver(&mut house, 0);
    house.pass(secs(1));
    assert_eq!(texts(&deliveries(&mut house, line)), ["Hello"]);
}

#[test]
fn parts_whose_siblings_do_not_come_go_alone_after_ten_minutes_and_say_what_they_are() {
    let (_, parts) = long_parts();
    let mut house = house_of(2, "");
    let handset = house.number_of(1, 0);
    for number in [2, 0] {
        house.carrier_sends(0, &part(5, &handset, &parts[number]).pdu());
    }
    house.pass(secs(300));
    let mut house = house.crash(secs(1));
    house.pass(secs(290));
    let line = receiver(&mut house, 0);
    house.pass(secs(8));
    assert_eq!(deliveries(&mut house, line), []);
    house.pass(secs(3));
    let all = deliveries(&mut house, line);
    assert_eq!(house.count(Counter::InboundPartial), 1);
    for (told, number) in told(&all).iter().zip([1u8, 3]) {
        assert_eq!((told.esm_class, &*told.text), (0, &parts[usize::from(number) - 1][6..]));
        assert_eq!(told.tlv(SAR_REFERENCE), Some(&[0, 77][..]));
        assert_eq!(told.tlv(SAR_TOTAL), Some(&[3][..]));
        assert_eq!(told.tlv(SAR_NUMBER), Some(&[number][..]));
    }
    answer(&mut house, line, &all, 0);
    assert_eq!((all.len(), house.gauge(Gauge::InboundHeld)), (2, 0));
}

#[test]
fn octets_go_as_they_came_part_by_part() {
    let mut house = house_of(2, "long_inbound = \"payload\"");
    let line = receiver(&mut house, 0);
    let octets = [11, 5, 4, 0x0B, 0x84, 0x23, 0xF0, 0, 3, 7, 2, 1, 0xFF, 0x00];
    let deliver = Deliver { data_coding: 0xF5, ..part(5, "447700900001", &octets) };
    house.carrier_sends(0, &deliver.pdu());
    let one = &told(&deliveries(&mut house, line))[0];
    assert_eq!((one.esm_class, one.data_coding, &*one.text), (0x40, 0xF5, &octets[..]));
}

#[test]
fn messages_wait_for_the_customer_over_a_crash_and_come_in_order_under_its_window() {
    let mut house = house_of(2, "deliver_window = 2");
    let handset = house.number_of(1, 0);
    let words: Vec<String> = (0..9).map(|number| format!("word {number}")).collect();
    for (turn, word) in words.iter().enumerate() {
        house.carrier_sends(turn % 2, &to_acme(5, &handset, word.as_bytes()).pdu());
        house.pass(secs(1));
    }
    house.pass(secs(3_600));
    assert_eq!(house.gauge(Gauge::InboundHeld), 9);
    let mut house = house.crash(secs(60));
    assert_eq!(house.gauge(Gauge::DeliveriesWaiting), 9);
    let line = receiver(&mut house, 0);
    let mut came = Vec::new();
    for _ in 0..50 {
        let all = deliveries(&mut house, line);
        assert!(all.len() <= 2, "{} in a window of 2", all.len());
        came.extend(texts(&all));
        answer(&mut house, line, &all, 0);
    }
    assert_eq!(came, words);
    assert_eq!(house.gauge(Gauge::InboundHeld), 0);
    let mut house = house.crash(secs(1));
    let line = receiver(&mut house, 0);
    house.pass(secs(20));
    assert_eq!(deliveries(&mut house, line), []);
}

#[test]
fn a_bound_keeps_what_waits_for_a_customer_small_and_the_carrier_keeps_the_rest() {
    let mut house = House::with_segments(&config_of(1, ""), 256);
    for number in 0..10_000 {
        let text = format!("message {number}");
        house.carrier_sends(0, &to_acme(5, "447700900001", text.as_bytes()).pdu());
    }
    assert!(house.carrier_answers(0).iter().all(|(status, _)| *status == 0));
    house.carrier_sends(0, &to_acme(5, "447700900001", b"one more").pdu());
    assert_eq!(house.carrier_answers(0), [(RMSGQFUL, 5)], "the carrier's receipt_retry_status");
    assert_eq!(house.count(Counter::InboundRefused), 1);
    let line = receiver(&mut house, 0);
    let all = deliveries(&mut house, line);
    answer(&mut house, line, &all, 0);
    house.carrier_sends(0, &to_acme(6, "447700900001", b"one more").pdu());
    assert_eq!(house.carrier_answers(0), [(0, 6)]);
}

#[test]
fn a_full_disk_leaves_messages_with_the_carrier_and_keeps_what_it_has() {
    let mut house = House::with_segments(&config_of(1, ""), 8);
    let mut kept = 0;
    let refused = loop {
        let text = format!("message {kept}");
        house.carrier_sends(0, &to_acme(5, "447700900001", text.as_bytes()).pdu());
        match house.carrier_answers(0)[..] {
            [(0, 5)] => kept += 1,
            [(status, 5)] => break status,
            ref other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused, RMSGQFUL);
    assert!(kept > 100, "{kept}");
    let mut house = house.crash(secs(1));
    let line = receiver(&mut house, 0);
    let mut came = 0;
    while house.gauge(Gauge::InboundHeld) > 0 {
        let all = deliveries(&mut house, line);
        came += all.len();
        answer(&mut house, line, &all, 0);
    }
    assert_eq!(came, kept);
}

#[test]
fn what_waits_is_carried_out_of_segments_that_are_recycled() {
    let mut house = House::with_segments(&config_of(1, ""), 8);
    let (_, parts) = long_parts();
    house.carrier_sends(0, &to_acme(5, "447700900001", b"Hello").pdu());
    house.carrier_sends(0, &part(6, "447700900001", &parts[1]).pdu());
    let line = house.bound_as(0, 2, "acme", "secret");
    let text = [b'x'; 160];
    let number = house.number_of(0, 1);
    let filler = Submit { dest: (1, 1, &number), text: &text, ..Submit::default() };
    for _ in 0..12_000 {
        house.submit(line, &filler);
        let carrier_id = house.carrier_id(0);
        house.carrier_sends(0, &pdu::receipt(9, &number, &carrier_id, "DELIVRD"));
    }
    let mut house = house.crash(secs(1));
    assert_eq!(house.gauge(Gauge::InboundHeld), 2);
    house.carrier_answers(0);
    for number in [0, 2] {
        house.carrier_sends(0, &part(6, "447700900001", &parts[number]).pdu());
    }
    let line = receiver(&mut house, 0);
    house.pass(secs(1));
    let all = deliveries(&mut house, line);
    let got: Vec<Vec<u8>> = told(&all).into_iter().map(|told| told.text).collect();
    assert_eq!(got[0], b"Hello");
    assert_eq!(got[1..], parts);
    answer(&mut house, line, &all, 0);
    assert_eq!(house.gauge(Gauge::InboundHeld), 0);
}
