//! Messages that are on disk alone and what their customers do with them: binds that were away take the
//! receipts that they are owed, in order; messages are canceled, replaced and asked for by recipient; a
//! receipt without a known id finds its message. Pure, under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod house;

use std::time::Duration;

use house::pdu::{self, Deliver, Pdu, receipt, tlv};
use house::{House, Line, Operation, Submit, bind, config};

use postrider_shards::stats::{Counter, Gauge};

/// Places by which what is read at the same time may come otherwise than in order.
const READ_TOGETHER: usize = 16;
const BIND_RX: u32 = 1;
const BIND_TX: u32 = 2;
/// Longer than anything that nothing can be done for stays in memory.
const PARKED: Duration = Duration::from_secs(40);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn transmitter(house: &mut House, shard: usize) -> Line {
    house.bound_as(shard, BIND_TX, "acme", "secret")
}

/// A message that ended, of which its customer is owed a receipt: its id.
fn owed(house: &mut House, line: Line, shard: usize, n: usize) -> String {
    let number = house.number_of(shard, n);
    let submit = Submit { dest: (1, 1, &number), registered: 1, ..Submit::default() };
    let id = house.submit(line, &submit);
    house.pass(Duration::from_millis(5));
    let carrier_id = house.carrier_id(shard);
    house.carrier_sends(shard, &receipt(9, &number, &carrier_id, "DELIVRD"));
    house.pass(Duration::from_millis(5));
    house.carrier_answers(shard);
    id
}

/// Takes receipts on a bind until none comes any more: the ids in them.
fn take_all(house: &mut House, line: Line) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let all = house.deliveries(line);
        if all.is_empty() {
            return ids;
        }
        ids.extend(all.iter().map(|pdu| pdu.delivered().word("id:")));
        let answers: Vec<Pdu> = all.iter().map(|pdu| pdu.answer(0)).collect();
        house.send(line, &answers);
        house.pass(Duration::from_millis(20));
    }
}

#[test]
fn binds_that_were_away_take_what_they_are_owed_from_disk_in_order() {
    let mut house = House::new(&config(2, ""));
    let sender = transmitter(&mut house, 0);
    let mut ids = Vec::new();
    for n in 0..120 {
        ids.push(owed(&mut house, sender, n % 2, n / 2));
        house.pass(secs(1));
    }
    house.pass(PARKED);
    assert_eq!(house.gauge(Gauge::MessagesInMemory), 0);
    assert_eq!(house.gauge(Gauge::OpenMessages), 120, "each is owed its receipt");
    // One shard's receiver gets those of the other shard too.
    let receiver = house.dial(0);
    house.send(receiver, &[bind(BIND_RX, 1, "acme", "secret")]);
    house.pass(Duration::from_millis(20));
    let taken = take_all(&mut house, receiver);
    let of_shard = |shard: usize| {
        let own: Vec<&String> = ids.iter().skip(shard).step_by(2).collect();
        taken.iter().filter(|id| own.contains(id)).cloned().collect::<Vec<_>>()
    };
    for shard in 0..2 {
        let own: Vec<String> = ids.iter().skip(shard).step_by(2).cloned().collect();
        let taken = of_shard(shard);
        assert_eq!(taken.len(), own.len(), "each once");
        // What is read at the same time comes as the disk gives it.
        for (at, id) in own.iter().enumerate() {
            let taken_at = taken.iter().position(|taken| taken == id).unwrap();
            assert!(at.abs_diff(taken_at) <= READ_TOGETHER, "{id}: {at}, {taken_at}");
        }
    }
    assert_eq!(taken.len(), 120, "each once");
    house.pass(secs(1));
    assert_eq!((house.gauge(Gauge::OpenMessages), house.gauge(Gauge::MessagesInMemory)), (0, 0));
    assert_eq!(house.count(Counter::CustomerReceiptsDelivered), 120);
}

#[test]
fn what_is_owed_on_disk_survives_a_crash() {
    let mut house = House::new(&config(1, ""));
    let sender = transmitter(&mut house, 0);
    let ids: Vec<String> = (0..20).map(|n| owed(&mut house, sender, 0, n)).collect();
    house.pass(PARKED);
    assert_eq!(house.gauge(Gauge::MessagesInMemory), 0);
    let mut house = house.crash(secs(5));
    let receiver = house.dial(0);
    house.send(receiver, &[bind(BIND_RX, 1, "acme", "secret")]);
    house.pass(Duration::from_millis(20));
    assert_eq!(take_all(&mut house, receiver), ids);
}

#[test]
fn what_is_owed_on_disk_is_given_up_in_time() {
    let mut house = House::new(&config(1, ""));
    let sender = transmitter(&mut house, 0);
    let last = owed(&mut house, sender, 0, 0);
    assert_eq!(house.status(&last), "delivered");
    house.pass(PARKED);
    assert_eq!(house.gauge(Gauge::OpenMessages), 1);
    house.pass(secs(72 * 3_600));
    assert_eq!(house.gauge(Gauge::OpenMessages), 0);
    assert_eq!(house.count(Counter::CustomerReceiptsGivenUp), 1);
}

/// A message that no carrier can have yet, on disk alone.
fn waiting(house: &mut House, line: Line, n: usize) -> String {
    let number = house.number_of(0, n);
    house.submit(line, &Submit { dest: (1, 1, &number), ..Submit::default() })
}

#[test]
fn messages_on_disk_are_canceled_and_replaced_by_their_recipient() {
    let few = config(1, "").replace("window = 100", "window = 4");
    let few = format!("{few}\n[limits]\nhot_messages = 64\n");
    let mut house = House::new(&few);
    let line = house.bound(0);
    house.cut_carriers();
    // As many as the lane of a route has seats for.
    let seated: Vec<String> = (0..12).map(|n| waiting(&mut house, line, 100 + n)).collect();
    let one = waiting(&mut house, line, 1);
    let another = waiting(&mut house, line, 1);
    let other = waiting(&mut house, line, 2);
    let scheduled = {
        let number = house.number_of(0, 3);
        let schedule = "000001000000000R";
        house.submit(line, &Submit { dest: (1, 1, &number), schedule, ..Submit::default() })
    };
    house.pass(PARKED);
    assert_eq!(house.gauge(Gauge::MessagesInMemory), 12);
    let to = |n| house.number_of(0, n);
    let (first, third) = (to(1), to(3));
    house.deliveries(line);
    let cancel = Operation { id: "", dest: (1, 1, &first), ..Operation::default() };
    assert_eq!(house.ask(line, cancel.cancel()).status, 0);
    assert_eq!((house.status(&one), house.status(&another)), ("canceled", "canceled"));
    assert_eq!(house.status(&other), "queued");
    let replacing = Submit { dest: (1, 1, &third), replace: 1, ..Submit::default() };
    house.submit(line, &replacing);
    assert_eq!(house.status(&scheduled), "canceled");
    house.mend_carriers();
    house.pass(secs(120));
    let to: Vec<String> = house.submits().into_iter().map(|(to, _)| to).collect();
    assert_eq!(to.len(), 14, "{to:?}");
    assert!(seated.iter().all(|id| house.status(id) == "submitted"));
    assert_eq!(house.status(&other), "submitted");
}

#[test]
fn a_receipt_without_a_known_id_finds_its_message_on_disk() {
    let with_reference =
        config(1, "").replace("window = 100", "window = 100\nuser_message_reference = true");
    let mut house = House::new(&with_reference);
    let line = house.bound(0);
    let number = house.number_of(0, 1);
    let submit = Submit { dest: (1, 1, &number), ..Submit::default() };
    let ids = [(); 2].map(|()| house.submit(line, &submit));
    house.pass(Duration::from_millis(20));
    let submits = house.submits();
    let reference = |at: usize| {
        let body = &submits[at].1.body;
        let head = [2, 4, 0, 2];
        let found = body.windows(6).find(|window| window[..4] == head).unwrap();
        tlv(0x204, &found[4..])
    };
    let second = reference(1);
    house.pass(PARKED);
    assert_eq!(house.gauge(Gauge::MessagesInMemory), 0);
    let text = pdu::receipt_text("unheard-of", "DELIVRD");
    let of_second = Deliver {
        sequence: 9,
        source: &number,
        dest: "Acme",
        esm_class: 4,
        text: text.as_bytes(),
        tlvs: &second,
        ..Deliver::default()
    };
    house.carrier_sends(0, &of_second.pdu());
    house.pass(Duration::from_millis(50));
    assert_eq!(house.carrier_answers(0), [(0, 9)]);
    assert_eq!(house.status(&ids[1]), "delivered");
    assert_eq!(house.status(&ids[0]), "submitted");
    assert_eq!(house.count(Counter::ReceiptsInferred), 1);
}
