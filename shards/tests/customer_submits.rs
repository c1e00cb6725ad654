//! Customers submit over SMPP: what becomes of each field, which status refuses it, and that no id
//! leaves before the message is on its owner's disk. Pure, under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod house;

use std::time::Duration;

use house::pdu::{self, NACK, Pdu, SUBMIT_RESP, tlv};
use house::{House, Line, Submit, config, id_of, short_message};
use postrider_core::content::Content;
use postrider_core::limits;
use postrider_core::number::Msisdn;
use postrider_core::sender::SenderId;
use postrider_core::submission::Submission;
use postrider_core::text::Encoding;
use postrider_http::request::ApiRequest;
use postrider_shards::shard::ApiResponse;
use postrider_shards::stats::Counter;
use postrider_smpp::values::{AbsoluteTime, SmppTime};

const OK: u32 = 0;
const RINVMSGLEN: u32 = 0x01;
const RINVPRTFLG: u32 = 0x06;
const RSYSERR: u32 = 0x08;
const RINVSRCADR: u32 = 0x0A;
const RINVDSTADR: u32 = 0x0B;
const RMSGQFUL: u32 = 0x14;
const RINVESMCLASS: u32 = 0x43;
const RINVDSTTON: u32 = 0x50;
const RINVREPFLAG: u32 = 0x54;
const RTHROTTLED: u32 = 0x58;
const RINVSCHED: u32 = 0x61;
const RINVEXPIRY: u32 = 0x62;
const RINVDFTMSGID: u32 = 0x63;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn heads(house: &mut House, line: Line) -> Vec<(u32, u32, u32)> {
    house.received(line).iter().map(Pdu::head).collect()
}

#[test]
fn a_submission_is_answered_with_the_id_that_the_api_shows() {
    let mut house = House::new(&config(2, ""));
    for shard in [0, 1] {
        let line = house.bound(shard);
        for owner in [0, 1] {
            let number = house.number_of(owner, 0);
            let submit = Submit { dest: (1, 1, &number), ..Submit::default() };
            let id = house.submit(line, &submit);
            assert_eq!(id.len(), 36);
            let view = house.view(0, &id).unwrap();
            assert_eq!((view.from.as_str(), view.to), ("Acme", format!("+{number}")));
            assert_eq!(view.body.unwrap().expose(), "hello");
            assert!(house.view(1, &id).is_none(), "another customer does not see it");
        }
    }
    assert_eq!(house.count(Counter::AcceptedOverSmpp), 4);
    assert_eq!(house.count(Counter::AcceptedOverHttp), 0);
    assert_eq!(house.count(Counter::CustomerSubmitsAccepted), 4);
    assert_eq!(house.submits().len(), 4, "all went to the carrier");
}

#[test]
fn no_answer_leaves_before_the_message_is_on_its_owners_disk() {
    let mut house = House::new(&config(2, ""));
    let line = house.bound(0);
    let (own, foreign) = (house.number_of(0, 0), house.number_of(1, 0));
    house.hold_disk(0, true);
    house.hold_disk(1, true);
    let submits = [
        Submit { sequence: 1, dest: (1, 1, &own), ..Submit::default() }.pdu(),
        Submit { sequence: 2, dest: (1, 1, &foreign), ..Submit::default() }.pdu(),
        Submit { sequence: 3, dest: (1, 1, &own), ..Submit::default() }.pdu(),
    ];
    house.send(line, &submits);
    house.pass(secs(3));
    assert_eq!(heads(&mut house, line), []);
    assert_eq!(house.submits(), []);
    // The other shard's disk is the faster one.
    house.hold_disk(1, false);
    assert_eq!(heads(&mut house, line), [(SUBMIT_RESP, OK, 2)]);
    house.hold_disk(0, false);
    assert_eq!(heads(&mut house, line), [(SUBMIT_RESP, OK, 1), (SUBMIT_RESP, OK, 3)]);
    assert_eq!(house.submits().len(), 3);
}

#[test]
fn after_a_crash_every_acknowledged_message_is_there() {
    let mut house = House::new(&config(2, ""));
    house.cut_carriers();
    let line = house.bound(0);
    let numbers = [house.number_of(0, 0), house.number_of(1, 0)];
    let mut ids = Vec::new();
    for number in &numbers {
        let udh = [5, 0, 3, 9, 2, 1, b'x'];
        let submit = Submit { dest: (1, 1, number), ..Submit::default() };
        ids.push(house.submit(line, &submit));
        let part = Submit { esm_class: 0x40, text: &udh, data_coding: 4, ..submit };
        ids.push(house.submit(line, &part));
    }
    house.hold_disk(1, true);
    let lost = Submit { dest: (1, 1, &numbers[1]), text: b"lost", ..Submit::default() };
    house.send(line, &[lost.pdu()]);
    let mut house = house.crash(secs(1));
    for id in &ids {
        assert!(["queued", "submitted"].contains(&house.status(id)), "{}", house.status(id));
    }
    house.pass(secs(5));
    let submits = house.submits();
    assert_eq!(submits.len(), 4, "the one without an answer is gone");
    for (_, pdu) in &submits {
        let text = short_message(pdu);
        assert!([&b"hello"[..], b"\x05\x00\x03\x09\x02\x01x"].contains(&text.as_slice()));
    }
}

#[test]
fn an_answer_for_a_connection_that_is_gone_goes_nowhere() {
    let mut house = House::new(&config(1, ""));
    let line = house.bound(0);
    house.hold_disk(0, true);
    house.send(line, &[Submit { sequence: 5, ..Submit::default() }.pdu()]);
    house.hang_up(line);
    let next = house.bound(0);
    assert_eq!(next, line, "the place is given again");
    // The new session waits for an answer of the same number, and gets its own.
    let second = Submit { sequence: 5, source: (0, 0, ""), ..Submit::default() };
    house.send(next, &[second.pdu()]);
    assert_eq!(heads(&mut house, next), [(SUBMIT_RESP, RINVSRCADR, 5)]);
    house.send(next, &[Submit { sequence: 5, ..Submit::default() }.pdu()]);
    house.hold_disk(0, false);
    assert_eq!(heads(&mut house, next), [(SUBMIT_RESP, OK, 5)], "one answer, not two");
    assert_eq!(house.count(Counter::AcceptedOverSmpp), 2, "the first is accepted all the same");
}

#[test]
fn a_burst_in_one_read_is_answered_whole() {
    let mut house = House::new(&config(2, "window = 1000"));
    let line = house.bound(1);
    let numbers: Vec<String> = (0..200).map(|n| house.number_of(n % 2, n / 2)).collect();
    let burst: Vec<Pdu> = (1..)
        .zip(&numbers)
        .map(|(sequence, to)| Submit { sequence, dest: (1, 1, to), ..Submit::default() }.pdu())
        .collect();
    house.send(line, &burst);
    let mut answered: Vec<u32> = house
        .received(line)
        .iter()
        .map(|answer| {
            assert_eq!((answer.command, answer.status), (SUBMIT_RESP, OK));
            answer.sequence
        })
        .collect();
    answered.sort_unstable();
    assert_eq!(answered, (1..=200).collect::<Vec<u32>>());
}

#[test]
fn beyond_the_window_a_submission_is_throttled() {
    let mut house = House::new(&config(1, "window = 3"));
    let line = house.bound(0);
    house.hold_disk(0, true);
    let burst: Vec<Pdu> =
        (1..=5).map(|sequence| Submit { sequence, ..Submit::default() }.pdu()).collect();
    house.send(line, &burst);
    assert_eq!(
        heads(&mut house, line),
        [(SUBMIT_RESP, RTHROTTLED, 4), (SUBMIT_RESP, RTHROTTLED, 5)]
    );
    house.hold_disk(0, false);
    assert_eq!(house.received(line).len(), 3);
}

#[test]
fn a_rate_holds_over_all_binds_and_shards_of_a_customer() {
    let mut house = House::new(&config(2, "messages_per_second = 5"));
    let lines = [house.bound(0), house.bound(1)];
    let other = house.bound_as(0, pdu::BIND_TRX, "other", "hidden");
    let mut statuses = Vec::new();
    for sequence in 1..=8 {
        let line = lines[sequence as usize % 2];
        statuses.push(house.ask(line, Submit { sequence, ..Submit::default() }.pdu()).status);
    }
    assert_eq!(statuses, [OK, OK, OK, OK, OK, RTHROTTLED, RTHROTTLED, RTHROTTLED]);
    assert_eq!(house.ask(other, Submit::default().pdu()).status, OK);
    house.pass(Duration::from_millis(200));
    assert_eq!(house.ask(lines[0], Submit::default().pdu()).status, OK);
    assert_eq!(house.ask(lines[1], Submit::default().pdu()).status, RTHROTTLED);
    assert_eq!(house.count(Counter::CustomerSubmitsThrottled), 4);
}

#[test]
fn a_rate_in_parts_holds_over_http_smpp_and_all_shards() {
    let rate = "name = \"acme\"\nparts_per_second = 6";
    let text = config(2, "").replacen("name = \"acme\"", rate, 1);
    let mut house = House::new(&text);
    let lines = [house.bound(0), house.bound(1)];
    let to = Msisdn::from_carrier(house.number_of(1, 0).as_bytes()).unwrap();
    let http = |house: &mut House, parts: u8| {
        let sender = SenderId::parse("Acme").unwrap();
        let content = Content::of_text("hello");
        let submission = Submission::new(sender, to, content, (Encoding::Gsm7, parts));
        match house.api(0, ApiRequest::Submit(submission)) {
            ApiResponse::Accepted(_) => Ok(()),
            ApiResponse::Problem(problem) => Err((problem.status(), problem.retry_after)),
            other => panic!("{other:?}"),
        }
    };
    for line in lines {
        assert_eq!(house.ask(line, Submit::default().pdu()).status, OK);
    }
    assert_eq!(http(&mut house, 3), Ok(()));
    assert_eq!(
        http(&mut house, 3),
        Ok(()),
        "one part was free: the others are paid for afterwards"
    );
    assert_eq!(http(&mut house, 1), Err((429, Some(1))));
    assert_eq!(house.ask(lines[1], Submit::default().pdu()).status, RTHROTTLED);
    house.pass(Duration::from_millis(520));
    assert_eq!(house.ask(lines[0], Submit::default().pdu()).status, OK);
    assert_eq!(http(&mut house, 1), Err((429, Some(1))));
    assert_eq!(house.count(Counter::RefusedRateLimited), 3);

    let other = house.bound_as(0, pdu::BIND_TRX, "other", "hidden");
    assert_eq!(house.ask(other, Submit::default().pdu()).status, OK, "it has no limit");
    house.reload(&text.replace("parts_per_second = 6", "parts_per_second = 0"));
    (0..20).for_each(|_| assert_eq!(http(&mut house, 9), Ok(())));
}

#[test]
fn every_fault_of_a_field_has_its_status() {
    let mut house = House::new(&config(1, ""));
    let line = house.bound(0);
    let good = Submit::default();
    let rows = [
        (RINVSRCADR, Submit { source: (0, 0, ""), ..good.clone() }),
        (RINVSRCADR, Submit { source: (5, 0, "Twelve chars"), ..good.clone() }),
        (RINVDSTADR, Submit { dest: (1, 1, "07700900123"), ..good.clone() }),
        (RINVDSTADR, Submit { dest: (1, 1, ""), ..good.clone() }),
        (RINVDSTADR, Submit { dest: (1, 1, "33612345678"), ..good.clone() }),
        (RINVDSTTON, Submit { dest: (5, 1, "447700900123"), ..good.clone() }),
        (RINVESMCLASS, Submit { esm_class: 0x04, ..good.clone() }),
        (RINVESMCLASS, Submit { esm_class: 0x40, text: b"\xc8", ..good.clone() }),
        (RINVPRTFLG, Submit { priority: 4, ..good.clone() }),
        (RINVSCHED, Submit { schedule: "250101000000000+", ..good.clone() }),
        (RINVSCHED, Submit { schedule: "000100000000000R", ..good.clone() }),
        (RINVSCHED, Submit { schedule: "261331000000000+", ..good.clone() }),
        (RINVEXPIRY, Submit { validity: "250101000000000+", ..good.clone() }),
        (RINVEXPIRY, Submit { validity: "000000000000000R", ..good.clone() }),
        (RINVEXPIRY, Submit { validity: "soon", ..good.clone() }),
        (RINVREPFLAG, Submit { replace: 2, ..good.clone() }),
        (RINVDFTMSGID, Submit { default_message: 1, ..good.clone() }),
        (RINVMSGLEN, Submit { text: b"", ..good.clone() }),
        (RINVMSGLEN, Submit { data_coding: 4, text: &[1; 141], ..good.clone() }),
        (RINVMSGLEN, Submit { text: b"", tlvs: tlv(0x0424, &[b'a'; 1_601]), ..good.clone() }),
    ];
    for (row, (status, submit)) in rows.iter().enumerate() {
        let answer = house.ask(line, submit.pdu());
        assert_eq!(answer.status, *status, "row {row}");
        assert_eq!(answer.body, b"", "3.4 has no body in a refusal");
    }
    assert_eq!(house.count(Counter::AcceptedOverSmpp), 0);
    assert_eq!(house.count(Counter::CustomerSubmitsBadSource), 2);
    assert_eq!(house.count(Counter::CustomerSubmitsBadDestination), 4);
    assert_eq!(house.submit(line, &good).len(), 36, "the session stays in order");
}

#[test]
fn what_is_not_asked_of_the_content_is_carried_through() {
    let mut house = House::new(&config(1, "default_sender = \"Shop\""));
    let line = house.bound(0);
    let submit = Submit {
        service_type: "CMT",
        source: (0, 0, ""),
        protocol_id: 0x41,
        priority: 2,
        // Unknown and vendor parameters, and one that its place does not have.
        tlvs: [tlv(0x0204, &[0x12, 0x67]), tlv(0x1400, b"1107"), tlv(0x0427, &[2])].concat(),
        ..Submit::default()
    };
    let id = house.submit(line, &submit);
    let view = house.view(0, &id).unwrap();
    assert_eq!(view.from, "Shop", "the account's own sender");
    assert_eq!(view.client_reference.as_deref(), Some("4711"), "user_message_reference");
    let (_, sent) = house.submits().remove(0);
    let fixed = sent.body.windows(3).any(|three| three == [0, 0x41, 2]);
    assert!(fixed, "esm_class, protocol_id, priority_flag: {sent:?}");
}

#[test]
fn long_text_is_cut_by_the_gateway_and_comes_whole() {
    let mut house = House::new(&config(1, ""));
    let line = house.bound(0);
    let long = [b'x'; 400];
    let submit = Submit { text: b"", tlvs: tlv(0x0424, &long), ..Submit::default() };
    let id = house.submit(line, &submit);
    assert_eq!(house.view(0, &id).unwrap().segment_count, 3);
    assert_eq!(house.submits().len(), 3);
    // The same as data_sm, in the customer's alphabet.
    let mut data = Submit { sequence: 8, text: &long, ..Submit::default() };
    let answer = house.ask(line, data.data());
    assert_eq!((answer.command, answer.status), (0x103 | NACK, OK));
    assert_eq!(house.view(0, &id_of(&answer)).unwrap().segment_count, 3);
    // qos_time_to_live is the validity of a data_sm.
    data.tlvs = tlv(0x0017, &[0, 0, 0, 30]);
    let id = id_of(&house.ask(line, data.data()));
    house.submits();
    house.pass(secs(31) + limits::RECEIPT_GRACE);
    assert_eq!(house.status(&id), "unknown", "its carrier had it for 30 s and an hour");
}

#[test]
fn overload_and_full_disks_have_their_own_statuses() {
    let mut house = House::new(&format!("{}\n[limits]\nopen_messages = 3", config(1, "")));
    let line = house.bound(0);
    house.cut_carriers();
    let mut statuses = Vec::new();
    for sequence in 1..=5 {
        statuses.push(house.ask(line, Submit { sequence, ..Submit::default() }.pdu()).status);
    }
    assert_eq!(statuses, [OK, OK, OK, RTHROTTLED, RTHROTTLED]);
    let mut house = House::with_segments(&config(1, ""), 6);
    let line = house.bound(0);
    house.cut_carriers();
    let long = Submit { text: b"", tlvs: tlv(0x0424, &[b'a'; 1_600]), ..Submit::default() };
    let full = (0..5_000).find_map(|_| {
        let status = house.ask(line, long.pdu()).status;
        (status != OK).then_some(status)
    });
    assert_eq!(full, Some(RMSGQFUL));
    assert_eq!(house.count(Counter::CustomerSubmitsQueueFull), 1);
}

#[test]
fn a_scheduled_message_is_held_until_its_time_and_over_a_crash() {
    let mut house = House::new(&config(1, ""));
    let line = house.bound(0);
    // In 50 seconds, for a minute; and at an absolute time in another zone.
    let relative = Submit { schedule: "000000000050000R", ..Submit::default() };
    let due = house.wall().after(secs(90));
    let text = AbsoluteTime::new(i64::try_from(due.0).unwrap(), 4).unwrap();
    let text = String::from_utf8(SmppTime::Absolute(text).print().to_vec()).unwrap();
    let absolute = Submit { schedule: &text, text: b"later", ..Submit::default() };
    let ids = [house.submit(line, &relative), house.submit(line, &absolute)];
    for id in &ids {
        assert_eq!(house.status(id), "held");
    }
    house.pass(secs(45));
    assert_eq!(house.submits(), []);
    let mut house = house.crash(secs(1));
    assert_eq!(house.status(&ids[0]), "held");
    house.pass(secs(3));
    assert_eq!(house.submits(), [], "49 s");
    house.pass(secs(2));
    assert_eq!(house.submits().len(), 1);
    assert_eq!((house.status(&ids[0]), house.status(&ids[1])), ("submitted", "held"));
    house.pass(secs(38));
    assert_eq!(house.submits(), []);
    house.pass(secs(3));
    assert_eq!(house.submits().len(), 1);
    // Released is on record: it is not held again.
    let mut house = house.crash(secs(1));
    assert_eq!(house.status(&ids[0]), "submitted");
}

#[test]
fn a_message_that_was_due_while_the_process_was_down_is_sent_at_the_start() {
    let mut house = House::new(&config(1, ""));
    let line = house.bound(0);
    let submit =
        Submit { schedule: "000000000010000R", validity: "000000000110000R", ..Submit::default() };
    let id = house.submit(line, &submit);
    let mut house = house.crash(secs(30));
    house.pass(secs(2));
    assert_eq!(house.submits().len(), 1);
    let mut house = house.crash(secs(60) + limits::RECEIPT_GRACE);
    house.pass(secs(1));
    assert_eq!(house.status(&id), "unknown", "valid for a minute after it was due");
}

#[test]
fn a_gateway_that_stops_answers_what_is_open_then_unbinds() {
    let mut house = House::new(&config(2, ""));
    let line = house.bound(0);
    let idle = house.bound(1);
    let foreign = house.number_of(1, 0);
    house.hold_disk(1, true);
    let open = Submit { sequence: 11, dest: (1, 1, &foreign), ..Submit::default() };
    house.send(line, &[open.pdu()]);
    house.drain();
    assert_eq!(heads(&mut house, idle), [(pdu::UNBIND, 0, 1)]);
    assert_eq!(house.received(line), [], "something is open there");
    let late = Submit { sequence: 12, ..Submit::default() };
    assert_eq!(house.ask(line, late.pdu()).status, RSYSERR);
    assert_eq!(house.dial_from(0, "192.0.2.7"), None);
    house.hold_disk(1, false);
    house.pass(Duration::from_millis(5));
    assert_eq!(heads(&mut house, line), [(SUBMIT_RESP, OK, 11), (pdu::UNBIND, 0, 1)]);
    house.send(line, &[Pdu::new(pdu::UNBIND_RESP, 0, 1, b"")]);
    house.send(idle, &[Pdu::new(pdu::UNBIND_RESP, 0, 1, b"")]);
    assert!(!house.is_open(line) && !house.is_open(idle));
    house.pass(secs(1));
    assert!(house.is_drained());
}

#[test]
fn a_customer_that_does_not_answer_the_unbind_does_not_hold_the_stop() {
    let mut house = House::new(&config(1, ""));
    let line = house.bound(0);
    house.drain();
    house.pass(limits::DRAIN_LIMIT);
    assert!(!house.is_open(line) && house.is_drained());
}

#[test]
fn haste_comes_first_and_one_customers_queue_is_not_anothers() {
    let mut house = House::new(&config(1, ""));
    let (own, other) = (house.bound(0), house.bound_as(0, pdu::BIND_TRX, "other", "hidden"));
    house.cut_carriers();
    let numbers: Vec<String> = (0..68).map(|n| house.number_of(0, n)).collect();
    let mut submit = |line, texts: std::ops::Range<usize>, text: &[u8], priority| {
        for number in &numbers[texts] {
            let dest = (1, 1, number.as_str());
            house.submit(line, &Submit { dest, text, priority, ..Submit::default() });
        }
    };
    submit(own, 0..50, b"many", 0);
    submit(other, 50..55, b"few", 0);
    submit(own, 55..68, b"code", 3);
    house.mend_carriers();
    house.pass(secs(10));
    let sent: Vec<Vec<u8>> = house.submits().iter().map(|(_, pdu)| short_message(pdu)).collect();
    let last = |text: &[u8]| sent.iter().rposition(|own| own == text).unwrap();
    assert_eq!(sent.len(), 68);
    // One in eight turns is not theirs, and one may have been waiting for its bind already.
    assert!(last(b"code") <= 15, "{}", last(b"code"));
    assert!(last(b"few") <= 13 + 11, "{}", last(b"few"));
    assert_eq!(last(b"many"), 67);
}
