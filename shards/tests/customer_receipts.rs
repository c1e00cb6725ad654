//! Receipts on their way to the binds of the customers that submitted: which, in what form, in what
//! order, how often, for how long. Pure, under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod house;

use std::time::Duration;

use house::pdu::{self, Delivered, Pdu, receipt};
use house::{House, Line, Submit, bind, config};
use postrider_shards::stats::{Counter, Gauge};

const BIND_RX: u32 = 1;
const BIND_TX: u32 = 2;
const RECEIPTED_ID: u16 = 0x1E;
const MESSAGE_STATE: u16 = 0x427;
const NETWORK_ERROR: u16 = 0x423;
const RMSGQFUL: u32 = 0x14;
const RX_T_APPN: u32 = 0x64;
const RX_R_APPN: u32 = 0x66;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A message of acme to a number of a shard, asking for these receipts and taken by the carrier:
/// its id, its number, the carrier's id.
fn taken(house: &mut House, line: Line, shard: usize, registered: u8) -> (String, String, String) {
    let number = house.number_of(shard, 0);
    let submit = Submit { dest: (1, 1, &number), registered, ..Submit::default() };
    let id = house.submit(line, &submit);
    house.pass(Duration::from_millis(5));
    (id, number, house.carrier_id(shard))
}

/// The same, and its receipt has come on a bind of `on`.
fn receipted(house: &mut House, line: Line, shard: usize, on: usize) -> String {
    let (id, number, carrier_id) = taken(house, line, shard, 1);
    house.carrier_sends(on, &receipt(9, &number, &carrier_id, "DELIVRD"));
    house.pass(Duration::from_millis(5));
    assert_eq!(house.carrier_answers(on), [(0, 9)]);
    id
}

/// A bind of acme to which something may come at once.
fn bind_receiver(house: &mut House, shard: usize) -> Line {
    let line = house.dial(shard);
    house.send(line, &[bind(BIND_RX, 1, "acme", "secret")]);
    line
}

fn bind_transmitter(house: &mut House, shard: usize) -> Line {
    house.bound_as(shard, BIND_TX, "acme", "secret")
}

fn ids(deliveries: &[Pdu]) -> Vec<String> {
    deliveries.iter().map(|pdu| pdu.delivered().word("id:")).collect()
}

fn answer(house: &mut House, line: Line, deliveries: &[Pdu], status: u32) {
    let answers: Vec<Pdu> = deliveries.iter().map(|pdu| pdu.answer(status)).collect();
    house.send(line, &answers);
    house.pass(Duration::from_millis(5));
}

#[test]
fn a_receipt_goes_to_the_customer_with_the_id_that_it_was_given() {
    let mut house = House::new(&config(1, ""));
    let line = house.bound(0);
    let number = house.number_of(0, 0);
    let submit = Submit {
        source: (3, 8, "72345"),
        dest: (0, 1, &number),
        registered: 1,
        text: b"Your code is 4829, do not share it",
        ..Submit::default()
    };
    let id = house.submit(line, &submit);
    house.pass(secs(1));
    house.carrier_sends(0, &receipt(9, &number, "c1", "DELIVRD"));
    let all = house.deliveries(line);
    let [pdu] = &all[..] else { panic!("{all:?}") };
    let Delivered { source, dest, esm_class, data_coding, text, .. } = pdu.delivered();
    assert_eq!((source, dest), ((0, 1, number), (3, 8, "72345".into())));
    assert_eq!((esm_class, data_coding), (4, 0));
    assert_eq!(
        String::from_utf8(text).unwrap(),
        format!(
            "id:{id} sub:001 dlvrd:001 submit date:2609211413 done date:2609211413 \
             stat:DELIVRD err:000 text:Your code is 4829, d"
        )
    );
    let told = pdu.delivered();
    assert_eq!(told.tlv(RECEIPTED_ID).unwrap(), [id.as_bytes(), b"\0"].concat());
    assert_eq!(told.tlv(MESSAGE_STATE), Some(&[2][..]));
    assert_eq!(told.tlv(NETWORK_ERROR), None);
    assert_eq!(house.gauge(Gauge::OpenMessages), 1, "open until the customer has it");
    answer(&mut house, line, &all, 0);
    assert_eq!(house.gauge(Gauge::OpenMessages), 0);
    assert_eq!(house.count(Counter::CustomerReceiptsDelivered), 1);
    let events: Vec<String> =
        house.view(0, &id).unwrap().timeline.into_iter().map(|entry| entry.event).collect();
    assert_eq!(events.last().unwrap(), "receipt_delivered");
    house.pass(secs(20));
    assert_eq!(house.deliveries(line), [], "once");
}

#[test]
fn only_the_receipts_that_were_asked_for_are_sent() {
    for (registered, delivered, failed) in
        [(0, false, false), (1, true, true), (2, false, true), (3, true, false)]
    {
        for (stat, expected) in [("DELIVRD", delivered), ("UNDELIV", failed)] {
            let mut house = House::new(&config(1, ""));
            let line = house.bound(0);
            let (_, number, carrier_id) = taken(&mut house, line, 0, registered);
            house.carrier_sends(0, &receipt(9, &number, &carrier_id, stat));
            house.pass(secs(1));
            let all = house.deliveries(line);
            assert_eq!(all.len(), usize::from(expected), "{registered} {stat}");
            assert!(all.iter().all(|pdu| pdu.delivered().word("stat:") == stat));
            let open = house.gauge(Gauge::OpenMessages);
            assert_eq!(open, u64::from(expected), "a message without a receipt is done");
        }
    }
}

#[test]
fn an_interim_state_is_told_when_bit_4_asks_for_it() {
    for (registered, expected) in [(0x11, 2), (0x01, 1)] {
        let mut house = House::new(&config(1, ""));
        let line = house.bound(0);
        let (id, number, carrier_id) = taken(&mut house, line, 0, registered);
        for (sequence, stat) in [(8, "ENROUTE"), (9, "ENROUTE"), (10, "DELIVRD")] {
            house.carrier_sends(0, &receipt(sequence, &number, &carrier_id, stat));
            house.pass(secs(1));
        }
        let all = house.deliveries(line);
        let told: Vec<(u8, String)> = all
            .iter()
            .map(|pdu| (pdu.delivered().esm_class, pdu.delivered().word("stat:")))
            .collect();
        let both = [(0x20, "ENROUTE".to_owned()), (4, "DELIVRD".to_owned())];
        assert_eq!(told, both[2 - expected..], "{registered:#x}");
        assert!(ids(&all).iter().all(|own| *own == id));
        answer(&mut house, line, &all, 0);
        assert_eq!(house.gauge(Gauge::OpenMessages), 0);
    }
}

#[test]
fn the_networks_own_error_is_passed_on() {
    let mut house = House::new(&config(1, ""));
    let line = house.bound(0);
    let (_, number, carrier_id) = taken(&mut house, line, 0, 1);
    let text = pdu::receipt_text(&carrier_id, "UNDELIV").replace("err:000", "err:21b");
    let tlvs = pdu::tlv(NETWORK_ERROR, &[3, 0, 0x1b]);
    let receipt = pdu::Deliver {
        sequence: 9,
        source: &number,
        esm_class: 4,
        text: text.as_bytes(),
        tlvs: &tlvs,
        ..pdu::Deliver::default()
    };
    house.carrier_sends(0, &receipt.pdu());
    let told = house.deliveries(line)[0].delivered();
    assert_eq!((told.word("err:"), told.word("dlvrd:")), ("21b".into(), "000".into()));
    assert_eq!(told.tlv(NETWORK_ERROR), Some(&[3, 0, 0x1b][..]));
    assert_eq!(told.tlv(MESSAGE_STATE), Some(&[5][..]));
}

#[test]
fn every_destination_of_a_submit_multi_has_its_receipt_under_the_one_id() {
    let mut house = House::new(&config(2, ""));
    let line = house.bound(0);
    let numbers = [house.number_of(0, 0), house.number_of(1, 0)];
    let submit = Submit { registered: 1, ..Submit::default() };
    let destinations = [(1, 1, numbers[0].as_str()), (1, 1, numbers[1].as_str())];
    house.send(line, &[submit.multi(&destinations)]);
    house.pass(secs(1));
    let taken = house.received(line);
    let id = String::from_utf8(taken[0].body[..36].to_vec()).unwrap();
    for (shard, number) in numbers.iter().enumerate() {
        let carrier_id = house.carrier_id(shard);
        house.carrier_sends(shard, &receipt(9, number, &carrier_id, "DELIVRD"));
    }
    let all = house.deliveries(line);
    assert_eq!(ids(&all), [id.clone(), id]);
    let mut sources: Vec<String> = all.iter().map(|pdu| pdu.delivered().source.2).collect();
    sources.sort();
    let mut expected = numbers.to_vec();
    expected.sort();
    assert_eq!(sources, expected);
}

#[test]
fn a_receipt_finds_the_receiver_wherever_it_is_bound() {
    // The bind that submits, the shard of the number, the one that the receipt comes to, the
    // receiver's.
    for (submitting, owner, comes, receives) in
        [(0, 1, 0, 0), (0, 0, 1, 2), (1, 2, 0, 1), (2, 0, 0, 0)]
    {
        let mut house = House::new(&config(3, ""));
        let submits = bind_transmitter(&mut house, submitting);
        let line = bind_receiver(&mut house, receives);
        let id = receipted(&mut house, submits, owner, comes);
        let all = house.deliveries(line);
        assert_eq!(ids(&all), [id], "{submitting} {owner} {comes} {receives}");
        answer(&mut house, line, &all, 0);
        assert_eq!(house.gauge(Gauge::OpenMessages), 0);
        assert_eq!(house.gauge(Gauge::DeliveriesWaiting), 0);
        assert_eq!(house.deliveries(submits), []);
    }
}

#[test]
fn nobody_elses_bind_gets_a_receipt() {
    let mut house = House::new(&config(2, ""));
    let submits = bind_transmitter(&mut house, 0);
    let others = [0, 1].map(|shard| house.bound_as(shard, pdu::BIND_TRX, "other", "hidden"));
    receipted(&mut house, submits, 1, 0);
    house.pass(secs(20));
    for line in others {
        assert_eq!(house.deliveries(line), []);
    }
    assert_eq!(house.gauge(Gauge::DeliveriesWaiting), 1);
}

#[test]
fn receipts_wait_for_the_customer_and_then_come_in_order_under_its_window() {
    let mut house = House::new(&config(2, "deliver_window = 3"));
    let submits = bind_transmitter(&mut house, 0);
    let mut expected: Vec<Vec<String>> = vec![Vec::new(), Vec::new()];
    for turn in 0..12 {
        let shard = turn % 2;
        expected[shard].push(receipted(&mut house, submits, shard, 0));
        house.pass(secs(1));
    }
    house.pass(secs(3_600));
    // They wait on disk by now.
    assert_eq!(house.gauge(Gauge::DeliveriesWaiting), 0);
    assert_eq!(house.gauge(Gauge::OpenMessages), 12);
    let line = bind_receiver(&mut house, 0);
    let mut came = Vec::new();
    for _ in 0..100 {
        house.pass(Duration::from_millis(50));
        let all = house.deliveries(line);
        assert!(all.len() <= 3, "{} at once in a window of 3", all.len());
        for pdu in &all {
            came.extend(ids(std::slice::from_ref(pdu)));
            answer(&mut house, line, std::slice::from_ref(pdu), 0);
        }
    }
    // Each shard's own come in their order.
    for own in &expected {
        let seen: Vec<&String> = came.iter().filter(|id| own.contains(id)).collect();
        assert_eq!(seen, own.iter().collect::<Vec<_>>());
    }
    assert_eq!(came.len(), 12);
    assert_eq!(house.gauge(Gauge::OpenMessages), 0);
}

#[test]
fn only_a_few_are_under_way_to_the_binds_of_another_shard() {
    let mut house = House::new(&config(2, "deliver_window = 1"));
    let submits = bind_transmitter(&mut house, 0);
    for _ in 0..20 {
        receipted(&mut house, submits, 1, 0);
    }
    let line = bind_receiver(&mut house, 0);
    house.hold_ring(true);
    house.hold_ring(false);
    assert_eq!(house.deliveries(line).len(), 1);
    assert_eq!(house.gauge(Gauge::DeliveriesWaiting), 20);
    // Those that were given to the other shard come back when its bind is gone.
    house.hang_up(line);
    house.pass(secs(5));
    let line = bind_receiver(&mut house, 1);
    let mut came = 0;
    for _ in 0..200 {
        let all = house.deliveries(line);
        came += all.len();
        answer(&mut house, line, &all, 0);
    }
    assert_eq!(came, 20);
    assert_eq!(house.gauge(Gauge::OpenMessages), 0);
}

#[test]
fn a_full_customer_is_left_alone_for_a_while_and_a_temporary_refusal_comes_again() {
    let mut house = House::new(&config(1, ""));
    let line = house.bound(0);
    let id = receipted(&mut house, line, 0, 0);
    for (status, wait) in [(RMSGQFUL, 1), (RMSGQFUL, 2), (RX_T_APPN, 1), (RX_T_APPN, 2)] {
        let all = house.deliveries(line);
        assert_eq!(ids(&all), std::slice::from_ref(&id));
        answer(&mut house, line, &all, status);
        house.pass(secs(wait) - Duration::from_millis(20));
        assert_eq!(house.deliveries(line), [], "{status:#x}");
        house.pass(Duration::from_millis(40));
    }
    let all = house.deliveries(line);
    answer(&mut house, line, &all, 0);
    assert_eq!(house.gauge(Gauge::OpenMessages), 0);
    assert_eq!(house.count(Counter::DeliveriesAgain), 4);
}

#[test]
fn what_is_refused_for_good_is_given_up_after_three_tries() {
    let mut house = House::new(&config(1, ""));
    let line = house.bound(0);
    let id = receipted(&mut house, line, 0, 0);
    let mut tries = 0;
    for _ in 0..60 {
        let all = house.deliveries(line);
        tries += all.len();
        answer(&mut house, line, &all, RX_R_APPN);
        house.pass(secs(1));
    }
    assert_eq!(tries, 3);
    assert_eq!(house.count(Counter::CustomerReceiptsGivenUp), 1);
    assert_eq!(house.gauge(Gauge::OpenMessages), 0, "nothing is owed any more");
    let last = house.view(0, &id).unwrap().timeline.pop().unwrap();
    assert_eq!(last.event, "receipt_given_up");
}

#[test]
fn what_was_on_a_lost_bind_comes_again_on_another() {
    let mut house = House::new(&config(2, ""));
    let line = house.bound(0);
    let id = receipted(&mut house, line, 1, 0);
    assert_eq!(ids(&house.deliveries(line)), std::slice::from_ref(&id));
    let other = bind_receiver(&mut house, 1);
    house.hang_up(line);
    house.pass(Duration::from_millis(900));
    assert_eq!(house.deliveries(other), [], "not at once");
    house.pass(Duration::from_millis(200));
    let all = house.deliveries(other);
    assert_eq!(ids(&all), [id]);
    answer(&mut house, other, &all, 0);
    assert_eq!(house.gauge(Gauge::OpenMessages), 0);
}

#[test]
fn nothing_is_told_before_it_is_on_disk() {
    let mut house = House::new(&config(1, ""));
    let line = house.bound(0);
    let (_, number, carrier_id) = taken(&mut house, line, 0, 1);
    house.hold_disk(0, true);
    house.carrier_sends(0, &receipt(9, &number, &carrier_id, "DELIVRD"));
    house.pass(secs(5));
    assert_eq!((house.deliveries(line), house.carrier_answers(0)), (vec![], vec![]));
    house.hold_disk(0, false);
    assert_eq!(house.deliveries(line).len(), 1);
}

#[test]
fn after_a_crash_what_was_not_taken_comes_again_and_what_was_does_not() {
    let mut house = House::new(&config(2, ""));
    let (submits, line) = (bind_transmitter(&mut house, 0), bind_receiver(&mut house, 0));
    let first = receipted(&mut house, submits, 0, 0);
    let all = house.deliveries(line);
    answer(&mut house, line, &all, 0);
    let mut owed = Vec::new();
    for turn in 0..4 {
        owed.push(receipted(&mut house, submits, turn % 2, 0));
        house.pass(secs(1));
    }
    assert_eq!(house.deliveries(line).len(), 4, "on the bind, and unanswered");
    let mut house = house.crash(secs(1));
    let line = bind_receiver(&mut house, 1);
    house.pass(secs(1));
    let all = house.deliveries(line);
    let mut came = ids(&all);
    assert!(!came.contains(&first), "taken before the crash");
    came.sort();
    owed.sort();
    assert_eq!(came, owed);
    answer(&mut house, line, &all, 0);
    let mut house = house.crash(secs(1));
    let line = bind_receiver(&mut house, 0);
    house.pass(secs(20));
    assert_eq!(house.deliveries(line), []);
    assert_eq!(house.gauge(Gauge::OpenMessages), 0);
}

#[test]
fn a_receipt_that_nobody_takes_is_given_up_after_three_days_and_after_a_crash_too() {
    let mut house = House::new(&config(1, ""));
    let line = bind_transmitter(&mut house, 0);
    receipted(&mut house, line, 0, 0);
    house.hang_up(line);
    house.pass(secs(40 * 3_600));
    let mut house = house.crash(secs(1));
    house.pass(secs(31 * 3_600));
    assert_eq!(house.gauge(Gauge::OpenMessages), 1);
    house.pass(secs(2 * 3_600));
    assert_eq!(house.gauge(Gauge::OpenMessages), 0);
    assert_eq!(house.count(Counter::CustomerReceiptsGivenUp), 1);
}

#[test]
fn receipts_that_wait_are_carried_out_of_segments_that_are_recycled() {
    let mut house = House::with_segments(&config(1, ""), 8);
    let line = bind_transmitter(&mut house, 0);
    let id = receipted(&mut house, line, 0, 0);
    let text = [b'x'; 160];
    let number = house.number_of(0, 1);
    let filler = Submit { dest: (1, 1, &number), text: &text, ..Submit::default() };
    for _ in 0..12_000 {
        house.submit(line, &filler);
        let carrier_id = house.carrier_id(0);
        house.carrier_sends(0, &receipt(9, &number, &carrier_id, "DELIVRD"));
    }
    assert!(house.gauge(Gauge::LogSegments) <= 8);
    let mut house = house.crash(secs(1));
    let line = bind_receiver(&mut house, 0);
    house.pass(secs(1));
    let all = house.deliveries(line);
    assert_eq!(ids(&all), [id]);
    answer(&mut house, line, &all, 0);
    assert_eq!(house.gauge(Gauge::OpenMessages), 0);
}

#[test]
fn a_stop_waits_for_the_answers_of_what_is_on_binds_and_leaves_the_rest() {
    let mut house = House::new(&config(2, "deliver_window = 1"));
    let (submits, line) = (bind_transmitter(&mut house, 0), bind_receiver(&mut house, 0));
    house.received(line);
    let first = receipted(&mut house, submits, 0, 0);
    let second = receipted(&mut house, submits, 1, 0);
    let all = house.deliveries(line);
    assert_eq!(all.len(), 1);
    house.drain();
    house.pass(secs(1));
    assert!(!house.is_drained(), "the customer has not answered");
    answer(&mut house, line, &all, 0);
    house.pass(secs(5));
    let unbind: Vec<u32> = house.received(line).iter().map(|pdu| pdu.command).collect();
    assert_eq!(unbind, [pdu::UNBIND], "and nothing new");
    house.pass(secs(10));
    assert!(house.is_drained());
    let told = ids(&all);
    let mut house = house.crash(secs(1));
    let line = bind_receiver(&mut house, 0);
    house.pass(secs(1));
    let rest = ids(&house.deliveries(line));
    assert_eq!(rest.len(), 1);
    let mut both = [told, rest].concat();
    both.sort();
    let mut expected = vec![first, second];
    expected.sort();
    assert_eq!(both, expected);
}
