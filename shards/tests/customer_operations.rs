//! query_sm, cancel_sm, replace_sm and replace_if_present: found wherever the message lives, on disk
//! before they are answered, and never another customer's. Pure, under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod house;

use std::time::Duration;

use house::pdu::{self, Pdu};
use house::{House, Line, Operation, Submit, config, cstrings, short_message};
use postrider_core::limits;
use postrider_shards::stats::Counter;

const OK: u32 = 0;
const RINVMSGLEN: u32 = 0x01;
const RINVSRCADR: u32 = 0x0A;
const RINVDSTADR: u32 = 0x0B;
const RCANCELFAIL: u32 = 0x11;
const RREPLACEFAIL: u32 = 0x13;
const RINVSCHED: u32 = 0x61;
const RINVEXPIRY: u32 = 0x62;
const RINVDFTMSGID: u32 = 0x63;
const RQUERYFAIL: u32 = 0x67;

const ENROUTE: u8 = 1;
const DELIVERED: u8 = 2;
const EXPIRED: u8 = 3;
const DELETED: u8 = 4;
const UNDELIVERABLE: u8 = 5;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A house of two shards whose carriers cannot be reached, and a bind on the first.
fn waiting(account: &str) -> (House, Line) {
    let mut house = House::new(&config(2, account));
    house.cut_carriers();
    let line = house.bound(0);
    (house, line)
}

/// final_date, message_state and error_code of a query.
fn queried(house: &mut House, line: Line, id: &str) -> (String, u8, u8) {
    let answer = house.ask(line, Operation::on(id).query());
    assert_eq!(answer.status, OK, "{answer:?}");
    let (texts, rest) = cstrings(&answer.body, 2);
    assert_eq!(texts[0], id);
    (texts[1].clone(), rest[0], rest[1])
}

#[test]
fn a_message_is_queried_through_its_life_wherever_it_lives() {
    for owner in [0, 1] {
        let mut house = House::new(&config(2, ""));
        let line = house.bound(0);
        let number = house.number_of(owner, 0);
        let id = house.submit(line, &Submit { dest: (1, 1, &number), ..Submit::default() });
        assert_eq!(queried(&mut house, line, &id), (String::new(), ENROUTE, 0));
        house.receipt(owner, 1, &number, "c1", "DELIVRD", "000");
        let (date, state, error) = queried(&mut house, line, &id);
        assert_eq!((date.len(), &date[15..], state, error), (16, "+", DELIVERED, 0));
        assert!(date.starts_with("2609211413"), "{date}: 2026-09-21 14:13");
        // Without dashes, in upper case, and without the source: it is the same message.
        let plain = id.replace('-', "").to_uppercase();
        for (id, source) in [(&plain, "Acme"), (&id, "")] {
            let asked = Operation { source: (0, 0, source), ..Operation::on(id) };
            assert_eq!(house.ask(line, asked.query()).status, OK);
        }
        let failed = house.submit(line, &Submit { dest: (1, 1, &number), ..Submit::default() });
        house.receipt(owner, 2, &number, "c2", "UNDELIV", "069");
        assert_eq!(queried(&mut house, line, &failed).1, UNDELIVERABLE);
        assert_eq!(queried(&mut house, line, &failed).2, 69);
    }
}

#[test]
fn another_customers_id_is_as_unknown_as_one_that_never_was() {
    let (mut house, line) = waiting("");
    let other = house.bound_as(1, pdu::BIND_TRX, "other", "hidden");
    let mut ids: Vec<String> = Vec::new();
    for owner in [0, 1] {
        let number = house.number_of(owner, 0);
        ids.push(house.submit(line, &Submit { dest: (1, 1, &number), ..Submit::default() }));
    }
    ids.push("5a1f6f0e-3c22-4b0e-9d5c-0d6a2b7c8e9f".to_owned());
    ids.push("4711".to_owned());
    ids.push(String::new());
    for id in &ids {
        let asked = Operation::on(id);
        assert_eq!(house.ask(other, asked.query()).status, RQUERYFAIL, "{id}");
        assert_eq!(house.ask(other, asked.replace()).status, RREPLACEFAIL, "{id}");
        if !id.is_empty() {
            assert_eq!(house.ask(other, asked.cancel()).status, RCANCELFAIL, "{id}");
        }
    }
    let elsewhere = Operation { source: (5, 0, "Shop"), ..Operation::on(&ids[0]) };
    assert_eq!(house.ask(line, elsewhere.query()).status, RQUERYFAIL, "another sender");
    assert_eq!(house.ask(line, elsewhere.cancel()).status, RCANCELFAIL);
    assert_eq!(house.status(&ids[0]), "queued");
    assert_eq!(house.count(Counter::CustomerOperationsDone), 0);
}

#[test]
fn what_no_carrier_has_can_be_canceled_and_nothing_else() {
    let (mut house, line) = waiting("");
    let mut ids = Vec::new();
    for owner in [0, 1] {
        let number = house.number_of(owner, 0);
        let submit = Submit { dest: (1, 1, &number), ..Submit::default() };
        let canceled = house.submit(line, &submit);
        assert_eq!(house.ask(line, Operation::on(&canceled).cancel()).status, OK);
        let (date, state, _) = queried(&mut house, line, &canceled);
        assert_eq!((date.len(), state), (16, DELETED));
        assert_eq!(house.status(&canceled), "canceled");
        let again = house.ask(line, Operation::on(&canceled).cancel());
        assert_eq!(again.status, RCANCELFAIL, "it is final");
        ids.push(house.submit(line, &submit));
    }
    house.mend_carriers();
    assert_eq!(house.submits().len(), 2, "what was canceled is not sent");
    let line = house.bound(0);
    for id in &ids {
        assert_eq!(house.ask(line, Operation::on(id).cancel()).status, RCANCELFAIL, "it is sent");
    }
}

#[test]
fn all_open_messages_between_two_addresses_are_canceled_at_once() {
    let (mut house, line) = waiting("default_sender = \"Shop\"");
    let number = house.number_of(1, 0);
    let other_number = house.number_of(1, 1);
    let submit = Submit { dest: (1, 1, &number), ..Submit::default() };
    let mine = [house.submit(line, &submit), house.submit(line, &submit)];
    let service = house.submit(line, &Submit { service_type: "WAP", ..submit.clone() });
    let scheduled = house.submit(line, &Submit { schedule: "000001000000000R", ..submit.clone() });
    let other_sender = house.submit(line, &Submit { source: (5, 0, "Shop"), ..submit.clone() });
    let elsewhere = house.submit(line, &Submit { dest: (1, 1, &other_number), ..submit.clone() });
    let all = Operation { dest: (1, 1, &number), ..Operation::default() };
    let of_service = Operation { service_type: "WAP", ..all.clone() };
    assert_eq!(house.ask(line, of_service.cancel()).status, OK);
    assert_eq!((house.status(&service), house.status(&mine[0])), ("canceled", "queued"));
    assert_eq!(house.ask(line, of_service.cancel()).status, RCANCELFAIL, "none is left");
    assert_eq!(house.ask(line, all.cancel()).status, OK);
    for id in [&mine[0], &mine[1], &scheduled] {
        assert_eq!(house.status(id), "canceled");
    }
    for id in [&other_sender, &elsewhere] {
        assert_eq!(house.status(id), "queued");
    }
    // Without a source the account's own sender is meant.
    let own = Operation { source: (0, 0, ""), ..all.clone() };
    assert_eq!(house.ask(line, own.cancel()).status, OK);
    assert_eq!(house.status(&other_sender), "canceled");
    let nowhere = Operation { dest: (1, 1, "12"), ..all };
    assert_eq!(house.ask(line, nowhere.cancel()).status, RINVDSTADR);
    let nobody = Operation { source: (5, 0, "No such sender"), ..nowhere };
    assert_eq!(house.ask(line, nobody.cancel()).status, RINVSRCADR);
}

#[test]
fn a_cancel_is_answered_once_it_is_on_disk_and_holds_over_a_crash() {
    let (mut house, line) = waiting("");
    let number = house.number_of(1, 0);
    let submit = Submit { dest: (1, 1, &number), ..Submit::default() };
    let (canceled, kept) = (house.submit(line, &submit), house.submit(line, &submit));
    assert_eq!(house.ask(line, Operation::on(&canceled).cancel()).status, OK);
    house.hold_disk(1, true);
    house.send(line, &[Operation::on(&kept).cancel()]);
    house.pass(secs(1));
    assert_eq!(house.received(line), [], "it is not on disk");
    let mut house = house.crash(secs(1));
    assert_eq!(house.status(&canceled), "canceled");
    assert_ne!(house.status(&kept), "canceled");
    house.pass(secs(1));
    assert_eq!(house.submits().len(), 1);
}

#[test]
fn a_replaced_message_says_the_new_text_over_a_crash_too() {
    for owner in [0, 1] {
        let (mut house, line) = waiting("");
        let number = house.number_of(owner, 0);
        let id = house.submit(line, &Submit { dest: (1, 1, &number), ..Submit::default() });
        let long = [b'n'; 200];
        let with = Operation { text: &long, registered: 1, ..Operation::on(&id) };
        assert_eq!(house.ask(line, with.replace()).status, OK);
        let view = house.view(0, &id).unwrap();
        assert_eq!((view.body.as_ref().unwrap().expose().len(), view.segment_count), (200, 2));
        let again = Operation { text: b"the last word", ..with };
        assert_eq!(house.ask(line, again.replace()).status, OK);
        let mut house = house.crash(secs(1));
        assert_eq!(house.view(0, &id).unwrap().body.unwrap().expose(), "the last word");
        house.pass(secs(1));
        let sent = house.submits();
        assert_eq!(sent.len(), 1);
        assert_eq!(short_message(&sent[0].1), b"the last word");
        let line = house.bound(0);
        assert_eq!(house.ask(line, again.replace()).status, RREPLACEFAIL, "a carrier has it");
    }
}

#[test]
fn nothing_of_a_replaced_message_is_sent_before_the_replacement_is_on_disk() {
    let (mut house, line) = waiting("");
    let number = house.number_of(1, 0);
    let id = house.submit(line, &Submit { dest: (1, 1, &number), ..Submit::default() });
    house.hold_disk(1, true);
    house.send(line, &[Operation::on(&id).replace()]);
    house.mend_carriers();
    assert_eq!(house.received(line).iter().filter(|pdu| pdu.command == 0x8000_0007).count(), 0);
    assert_eq!(house.submits(), []);
    house.hold_disk(1, false);
    house.pass(secs(1));
    let sent = house.submits();
    assert_eq!(short_message(&sent[0].1), b"instead");
}

/// The house's configuration with the first customer's texts discarded.
fn discarding() -> House {
    let config = config(2, "").replacen(
        "name = \"acme\"",
        "name = \"acme\"\ncontent_retention = \"discard\"",
        1,
    );
    House::new(&config)
}

#[test]
fn what_a_text_that_is_not_kept_is_replaced_by_is_not_kept_either() {
    for (owner, crash) in [(0, false), (1, true)] {
        let mut house = discarding();
        house.cut_carriers();
        let line = house.bound(0);
        let number = house.number_of(owner, 0);
        let first =
            Submit { dest: (1, 1, &number), text: b"the first word of it", ..Submit::default() };
        let id = house.submit(line, &first);
        assert_eq!(house.traces(b"the first word of it"), (false, true));
        let with = Operation { text: b"the last word of it", ..Operation::on(&id) };
        assert_eq!(house.ask(line, with.replace()).status, OK);
        assert_eq!(house.view(0, &id).unwrap().body.unwrap().expose(), "the last word of it");
        house.pass(secs(40));
        assert_eq!(house.traces(b"the first word of it"), (false, false), "replaced");
        let mut house = if crash { house.crash(secs(1)) } else { house };
        house.mend_carriers();
        let sent = house.submits();
        assert_eq!(sent.len(), 1);
        assert_eq!(short_message(&sent[0].1), b"the last word of it");
        assert_eq!(house.traces(b"the last word of it"), (false, true), "no receipt yet");
    }
}

#[test]
fn a_replacement_may_move_the_schedule_and_keeps_what_it_does_not_name() {
    let (mut house, line) = waiting("");
    let scheduled =
        Submit { schedule: "000000010000000R", validity: "000000020000000R", ..Submit::default() };
    let id = house.submit(line, &scheduled);
    // Only the text: an hour, as before.
    assert_eq!(house.ask(line, Operation::on(&id).replace()).status, OK);
    assert_eq!(house.status(&id), "held");
    // In ten seconds: valid for an hour from then, as before. The text stays.
    let sooner = Operation { schedule: "000000000010000R", text: b"", ..Operation::on(&id) };
    assert_eq!(house.ask(line, sooner.replace()).status, OK);
    house.pass(secs(9));
    assert_eq!(house.status(&id), "held");
    house.pass(secs(2));
    assert_eq!(house.status(&id), "queued");
    assert_eq!(house.view(0, &id).unwrap().body.unwrap().expose(), "instead");
    house.pass(secs(3_595));
    assert_eq!(house.status(&id), "queued");
    house.pass(secs(10));
    let line = house.bound(0);
    assert_eq!(queried(&mut house, line, &id).1, EXPIRED);
}

#[test]
fn what_cannot_be_replaced_is_refused_with_its_status_and_stays() {
    let (mut house, line) = waiting("");
    let id = house.submit(line, &Submit::default());
    let udh = [5, 0, 3, 9, 2, 1, b'x'];
    let part = house.submit(line, &Submit { esm_class: 0x40, text: &udh, ..Submit::default() });
    let binary = house.submit(line, &Submit { data_coding: 4, text: &[1, 2], ..Submit::default() });
    let on = Operation::on(&id);
    for (status, operation) in [
        (RINVDFTMSGID, Operation { default_message: 1, ..on.clone() }),
        (RINVSCHED, Operation { schedule: "250101000000000+", ..on.clone() }),
        (RINVEXPIRY, Operation { validity: "000000000000000R", ..on.clone() }),
        (RREPLACEFAIL, Operation { text: b"\xff", ..on.clone() }),
        (RREPLACEFAIL, Operation::on(&part)),
        (RINVMSGLEN, Operation { text: &[1; 141], ..Operation::on(&binary) }),
    ] {
        assert_eq!(house.ask(line, operation.replace()).status, status);
    }
    assert_eq!(house.view(0, &id).unwrap().body.unwrap().expose(), "hello");
    assert_eq!(
        house.ask(line, Operation { text: &[7; 9], ..Operation::on(&binary) }.replace()).status,
        OK
    );
    assert_eq!(house.view(0, &binary).unwrap().body.unwrap().expose(), &"07".repeat(9));
    assert_eq!(house.view(0, &binary).unwrap().encoding, "binary");
    house.pass(limits::VALIDITY_DEFAULT);
    let line = house.bound(0);
    assert_eq!(house.ask(line, on.replace()).status, RREPLACEFAIL, "it has expired");
}

#[test]
fn replace_if_present_takes_the_place_of_the_newest_of_its_kind() {
    let (mut house, line) = waiting("");
    let number = house.number_of(1, 0);
    let submit = Submit { dest: (1, 1, &number), service_type: "CMT", ..Submit::default() };
    let older = house.submit(line, &submit);
    let newest = house.submit(line, &submit);
    let other_service = house.submit(line, &Submit { service_type: "", ..submit.clone() });
    let replacing = Submit { replace: 1, text: b"rather this", ..submit.clone() };
    let first = house.submit(line, &replacing);
    assert_eq!((house.status(&older), house.status(&newest)), ("queued", "canceled"));
    let second = house.submit(line, &replacing);
    assert_eq!((house.status(&first), house.status(&second)), ("canceled", "queued"));
    let third = house.submit(line, &Submit { source: (5, 0, "Shop"), ..replacing });
    for id in [&older, &other_service, &second, &third] {
        assert_eq!(house.status(id), "queued");
    }
    let mut house = house.crash(secs(1));
    assert_eq!(house.status(&newest), "canceled");
}

#[test]
fn an_operation_for_a_connection_that_is_gone_is_done_and_answered_to_nobody() {
    let (mut house, line) = waiting("");
    let number = house.number_of(1, 0);
    let id = house.submit(line, &Submit { dest: (1, 1, &number), ..Submit::default() });
    house.hold_ring(true);
    house.send(line, &[Operation::on(&id).cancel()]);
    house.hang_up(line);
    let next = house.bound(0);
    assert_eq!(next, line);
    house.hold_ring(false);
    assert_eq!(house.received(next), []);
    assert_eq!(house.status(&id), "canceled");
}

#[test]
fn operations_are_for_those_who_may_submit() {
    let (mut house, line) = waiting("");
    let id = house.submit(line, &Submit::default());
    let receiver = house.bound_as(0, 1, "acme", "secret");
    for request in
        [Operation::on(&id).query(), Operation::on(&id).cancel(), Operation::on(&id).replace()]
    {
        assert_eq!(house.ask(receiver, request).status, 4, "ESME_RINVBNDSTS");
    }
    assert_eq!(house.status(&id), "queued");
    let unknown = Pdu::new(0x0001_0205, 0, 9, b"");
    house.send(line, &[unknown]);
    assert_eq!(house.received(line)[0].head(), (pdu::NACK, 3, 9));
}
