//! submit_multi: one id for all recipients, the refused ones named, and what is asked of that id is
//! asked of all. Pure, under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod house;

use std::time::Duration;

use house::pdu::Pdu;
use house::{House, Line, Operation, Submit, config, cstrings};
use postrider_shards::stats::Counter;

const OK: u32 = 0;
const RINVMSGLEN: u32 = 0x01;
const RINVDSTADR: u32 = 0x0B;
const RINVDLNAME: u32 = 0x34;
const RINVNUMDESTS: u32 = 0x33;
const RTHROTTLED: u32 = 0x58;
const RCANCELFAIL: u32 = 0x11;
const RREPLACEFAIL: u32 = 0x13;
const MULTI_RESP: u32 = 0x8000_0021;

/// The id and the refused recipients of an answer.
fn taken(answer: &Pdu) -> (String, Vec<(String, u32)>) {
    assert_eq!((answer.command, answer.status), (MULTI_RESP, OK), "{answer:?}");
    let (texts, rest) = cstrings(&answer.body, 1);
    let mut refused = Vec::new();
    let mut list = &rest[1..];
    for _ in 0..rest[0] {
        let (address, after) = cstrings(&list[2..], 1);
        let status = u32::from_be_bytes(after[..4].try_into().unwrap());
        refused.push((address[0].clone(), status));
        list = &list[list.len() - after.len() + 4..];
    }
    assert!(list.is_empty(), "more than the list says");
    (texts[0].clone(), refused)
}

fn numbers(house: &House, each: usize) -> Vec<String> {
    (0..each * 2).map(|n| house.number_of(n % 2, n / 2)).collect()
}

fn all(numbers: &[String]) -> Vec<(u8, u8, &str)> {
    numbers.iter().map(|number| (1, 1, number.as_str())).collect()
}

#[track_caller]
fn state(house: &mut House, line: Line, id: &str) -> u8 {
    let answer = house.ask(line, Operation::on(id).query());
    cstrings(&answer.body, 2).1[0]
}

#[test]
fn one_message_to_many_has_one_id_and_reaches_all() {
    let mut house = House::new(&config(2, ""));
    let line = house.bound(0);
    let numbers = numbers(&house, 100);
    let answer = house.ask(line, Submit::default().multi(&all(&numbers)));
    let (id, refused) = taken(&answer);
    assert_eq!(refused, []);
    let mut sent: Vec<String> = house.submits().into_iter().map(|(to, _)| to).collect();
    let mut wanted = numbers.clone();
    sent.sort();
    wanted.sort();
    assert_eq!(sent, wanted);
    assert_eq!(house.view(0, &id).unwrap().to, format!("+{}", numbers[0]));
    assert_eq!(house.count(Counter::AcceptedOverSmpp), 200);
    assert_eq!(house.count(Counter::CustomerSubmitsAccepted), 1);
}

#[test]
fn refused_recipients_are_named_and_the_first_good_one_gives_the_id() {
    let mut house = House::new(&config(2, ""));
    let line = house.bound(0);
    let good = [house.number_of(1, 0), house.number_of(0, 0)];
    let list = [
        (1, 1, "12"),
        // A number without a route, found out by its owner.
        (1, 1, "33612345678"),
        (1, 1, good[0].as_str()),
        (1, 1, "33612345679"),
        (1, 1, good[1].as_str()),
    ];
    let mut request = Submit::default().multi(&list);
    // A distribution list at the end: flag 2, a name.
    let count_at = 1 + 2 + 5;
    assert_eq!(request.body[count_at], 5);
    request.body[count_at] = 6;
    let list_end = request.body.len() - (1 + 1 + 1 + 1 + 1 + 4 + 1 + 5);
    request.body.splice(list_end..list_end, *b"\x02friends\0");
    let (id, refused) = taken(&house.ask(line, request));
    let mut refused = refused;
    refused.sort();
    let expected = [
        ("12", RINVDSTADR),
        ("33612345678", RINVDSTADR),
        ("33612345679", RINVDSTADR),
        ("friends", RINVDLNAME),
    ];
    let expected: Vec<(String, u32)> =
        expected.iter().map(|(address, status)| ((*address).to_owned(), *status)).collect();
    assert_eq!(refused, expected);
    assert_eq!(house.view(0, &id).unwrap().to, format!("+{}", good[0]));
    assert_eq!(house.submits().len(), 2);
}

#[test]
fn when_nobody_is_accepted_the_first_reason_is_the_answer() {
    let mut house = House::new(&config(2, ""));
    let line = house.bound(0);
    let answer = house.ask(line, Submit::default().multi(&[(1, 1, "33612345678"), (1, 1, "12")]));
    assert_eq!((answer.status, answer.body.as_slice()), (RINVDSTADR, &b""[..]));
    let numbers = numbers(&house, 1);
    let empty = Submit { text: b"", ..Submit::default() };
    assert_eq!(house.ask(line, empty.multi(&all(&numbers))).status, RINVMSGLEN);
    assert_eq!(house.ask(line, Submit::default().multi(&[])).status, RINVNUMDESTS);
    assert_eq!(house.count(Counter::AcceptedOverSmpp), 0);
}

#[test]
fn no_answer_leaves_before_every_recipients_owner_has_it_on_disk() {
    let mut house = House::new(&config(2, ""));
    let line = house.bound(0);
    let numbers = numbers(&house, 2);
    house.hold_disk(1, true);
    house.send(line, &[Submit::default().multi(&all(&numbers))]);
    house.pass(Duration::from_secs(1));
    assert_eq!(house.received(line), []);
    assert_eq!(house.count(Counter::AcceptedOverSmpp), 2, "those of the other disk");
    house.hold_disk(1, false);
    let answers = house.received(line);
    assert_eq!(answers.len(), 1);
    assert_eq!(taken(&answers[0]).1, []);
    assert_eq!(house.submits().len(), 4);
}

#[test]
fn every_recipient_counts_against_the_rate() {
    let mut house = House::new(&config(2, "messages_per_second = 10"));
    let line = house.bound(0);
    let numbers = numbers(&house, 10);
    let multi = Submit::default().multi(&all(&numbers));
    assert_eq!(house.ask(line, multi.clone()).status, OK);
    assert_eq!(house.ask(line, multi).status, RTHROTTLED);
    house.pass(Duration::from_millis(900));
    assert_eq!(house.ask(line, Submit::default().pdu()).status, RTHROTTLED);
    house.pass(Duration::from_millis(300));
    assert_eq!(house.ask(line, Submit::default().pdu()).status, OK);
}

#[test]
fn the_id_is_queried_and_canceled_for_all_recipients_and_survives_a_crash() {
    let mut house = House::new(&config(2, ""));
    house.cut_carriers();
    let line = house.bound(1);
    let numbers = numbers(&house, 3);
    let ids: Vec<String> = (0..2)
        .map(|_| taken(&house.ask(line, Submit::default().multi(&all(&numbers)))).0)
        .collect();
    let lone = house.submit(line, &Submit { dest: (1, 1, &numbers[0]), ..Submit::default() });
    assert_eq!(state(&mut house, line, &ids[0]), 1);
    let replace = house.ask(line, Operation::on(&ids[0]).replace());
    assert_eq!(replace.status, RREPLACEFAIL, "one text for many is another message");
    assert_eq!(house.ask(line, Operation::on(&ids[0]).cancel()).status, OK);
    assert_eq!(state(&mut house, line, &ids[0]), 4, "all are deleted");
    assert_eq!(house.ask(line, Operation::on(&ids[0]).cancel()).status, RCANCELFAIL);
    assert_eq!(house.count(Counter::MessagesCanceled), 6);
    assert_eq!(house.status(&lone), "queued");
    let mut house = house.crash(Duration::from_secs(1));
    house.pass(Duration::from_secs(1));
    assert_eq!(house.submits().len(), 7, "six of the other list, and the lone one");
    let line = house.bound(0);
    assert_eq!(state(&mut house, line, &ids[0]), 4);
    // One of six is delivered, then five: the whole is on its way until the last one is final.
    for (n, number) in numbers.iter().enumerate() {
        assert_eq!(state(&mut house, line, &ids[1]), 1);
        house.receipt_to(number, "DELIVRD", "000", u32::try_from(n).unwrap() + 1);
    }
    house.receipt_to(&numbers[0], "DELIVRD", "000", 50);
    assert_eq!(state(&mut house, line, &ids[1]), 2);
}

#[test]
fn a_customer_that_goes_meanwhile_is_not_submitted_for_any_further() {
    let mut house = House::new(&config(2, ""));
    let line = house.bound(0);
    let numbers = numbers(&house, 2);
    house.hold_disk(0, true);
    house.send(line, &[Submit::default().multi(&all(&numbers))]);
    house.hang_up(line);
    house.hold_disk(0, false);
    house.pass(Duration::from_secs(1));
    assert_eq!(house.count(Counter::AcceptedOverSmpp), 1, "nobody was told of the others");
}
