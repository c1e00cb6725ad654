//! Customers bind to the gateway: who may, how often, how slowly those are told who may not. Pure,
//! under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod house;

use std::time::Duration;

use house::pdu::{self, BIND_TRX, BIND_TRX_RESP, NACK, Pdu};
use house::{House, Line, bind, config};
use postrider_shards::stats::{Counter, Gauge};

const BIND_RX: u32 = 1;
const BIND_TX: u32 = 2;
const RINVBNDSTS: u32 = 4;
const RALYBND: u32 = 5;
const RINVPASWD: u32 = 0x0E;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn heads(house: &mut House, line: Line) -> Vec<(u32, u32, u32)> {
    house.received(line).iter().map(Pdu::head).collect()
}

#[test]
fn every_kind_of_bind_is_taken_and_named() {
    let mut house = House::new(&config(1, ""));
    for command in [BIND_RX, BIND_TX, BIND_TRX] {
        let line = house.dial(0);
        let answer = house.ask(line, bind(command, 77, "acme", "secret"));
        assert_eq!(answer.head(), (command | NACK, 0, 77));
        assert_eq!(answer.body, b"gateway\0\x02\x10\0\x01\x50", "with sc_interface_version");
    }
    assert_eq!(house.gauge(Gauge::CustomerBinds), 3);
    assert_eq!(house.count(Counter::CustomerBindsOpened), 3);
    assert_eq!(house.count(Counter::CustomerConnections), 3);
}

#[test]
fn who_may_not_bind_is_told_nothing_more_and_all_after_the_same_time() {
    let account = "addresses = [\"192.0.2.0/24\"]";
    for (peer, id, password) in [
        ("192.0.2.7", "acme", "wrong"),
        ("192.0.2.7", "acme", ""),
        ("192.0.2.7", "nobody", "secret"),
        ("192.0.2.7", "", ""),
        ("192.0.2.7", "acme", "hidden"),
        // The right credentials from the wrong place.
        ("198.51.100.1", "acme", "secret"),
        ("2001:db8::1", "acme", "secret"),
    ] {
        let mut house = House::new(&config(1, account));
        let line = house.dial_from(0, peer).unwrap();
        house.send(line, &[bind(BIND_TRX, 5, id, password)]);
        house.pass(Duration::from_millis(999));
        assert_eq!(house.received(line), [], "not before its time");
        house.pass(Duration::from_millis(2));
        assert_eq!(heads(&mut house, line), [(BIND_TRX_RESP, RINVPASWD, 5)]);
        assert!(house.is_open(line), "it may try again");
        assert_eq!(house.count(Counter::CustomerLoginsFailed), 1);
        assert_eq!(house.gauge(Gauge::CustomerBinds), 0);
        assert_eq!(house.shared.accounts.binds(postrider_http::auth::CustomerIx(0)), 0);
    }
}

#[test]
fn each_failure_slows_its_address_and_no_other() {
    let mut house = House::new(&config(1, ""));
    let mut line = house.dial(0);
    for (sequence, wait) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (7, 30)] {
        if !house.is_open(line) {
            line = house.dial(0);
        }
        house.send(line, &[bind(BIND_TRX, sequence, "acme", "wrong")]);
        house.pass(secs(wait) - Duration::from_millis(1));
        assert_eq!(house.received(line), [], "after {wait} s");
        let other = house.dial_from(0, "192.0.2.8").unwrap();
        assert_eq!(house.ask(other, bind(BIND_TRX, 1, "acme", "secret")).status, 0);
        house.hang_up(other);
        house.pass(Duration::from_millis(2));
        assert_eq!(heads(&mut house, line), [(BIND_TRX_RESP, RINVPASWD, sequence)]);
    }
    // Once it gives the right password nothing is waited for but what it owes already.
    let good = house.dial(0);
    assert_eq!(house.ask(good, bind(BIND_TRX, 1, "acme", "secret")).status, 0);
}

#[test]
fn many_connections_of_one_address_share_one_try_at_a_time() {
    let mut house = House::new(&config(1, ""));
    let lines: Vec<Line> = (0..5).map(|_| house.dial(0)).collect();
    for line in &lines {
        house.send(*line, &[bind(BIND_TRX, 1, "acme", "guess")]);
    }
    // 1 s for the first, 2 s more for the second, 4 s more for the third.
    house.pass(Duration::from_millis(6_900));
    assert_eq!(house.count(Counter::CustomerLoginsFailed), 3);
    let told = lines.iter().filter(|line| !house.received(**line).is_empty()).count();
    assert_eq!(told, 2);
}

#[test]
fn a_bind_that_waits_for_its_look_is_taken_when_the_time_has_come() {
    let mut house = House::new(&config(1, ""));
    let (bad, good) = (house.dial(0), house.dial(0));
    house.send(bad, &[bind(BIND_TRX, 1, "acme", "wrong")]);
    house.send(good, &[bind(BIND_TRX, 1, "acme", "secret")]);
    assert_eq!(house.received(good), [], "the address is slowed");
    house.pass(Duration::from_millis(1_001));
    assert_eq!(heads(&mut house, good), [(BIND_TRX_RESP, 0, 1)]);
}

#[test]
fn a_peer_that_goes_while_its_bind_waits_leaves_nothing_behind() {
    let mut house = House::new(&config(1, ""));
    let gone = house.dial(0);
    house.send(gone, &[bind(BIND_TRX, 1, "acme", "wrong")]);
    house.hang_up(gone);
    let next = house.dial_from(0, "192.0.2.9").unwrap();
    assert_eq!(next, gone, "the place is given again");
    house.pass(secs(5));
    assert_eq!(house.received(next), [], "the answer was another connection's");
    assert_eq!(house.ask(next, bind(BIND_TRX, 1, "acme", "secret")).status, 0);
}

#[test]
fn no_more_binds_than_the_account_has_over_all_shards() {
    let mut house = House::new(&config(2, "max_binds = 2"));
    let first = house.bound(0);
    let second = house.bound(1);
    let third = house.dial(0);
    house.send(third, &[bind(BIND_TRX, 9, "acme", "secret")]);
    assert_eq!(heads(&mut house, third), [(BIND_TRX_RESP, RALYBND, 9)]);
    assert!(!house.is_open(third), "who takes that for a bind learns better");
    assert_eq!(house.count(Counter::CustomerBindsRefused), 1);
    // Another customer is not concerned.
    house.bound_as(0, BIND_TRX, "other", "hidden");
    // Every way in which a bind ends makes room: a lost connection, an unbind, a bad PDU.
    house.hang_up(first);
    let first = house.bound(1);
    let answer = house.ask(second, Pdu::new(pdu::UNBIND, 0, 3, b""));
    assert_eq!(answer.head(), (pdu::UNBIND_RESP, 0, 3));
    assert!(!house.is_open(second));
    house.bound(0);
    house.send_octets(first, &[0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert!(!house.is_open(first), "the boundary is lost");
    house.bound(1);
    assert_eq!(house.shared.accounts.binds(postrider_http::auth::CustomerIx(0)), 2);
    assert_eq!(house.gauge(Gauge::CustomerBinds), 3);
}

#[test]
fn connections_of_one_address_and_of_a_shard_are_bounded() {
    use postrider_core::limits;
    let mut house = House::new(&config(1, ""));
    let per_address = limits::CUSTOMER_CONNECTIONS_PER_ADDRESS;
    let lines: Vec<Line> = (0..per_address).map(|_| house.dial(0)).collect();
    assert_eq!(house.dial_from(0, "192.0.2.7"), None);
    assert_eq!(house.dial_from(0, "::ffff:192.0.2.7"), None, "the same address");
    house.hang_up(lines[0]);
    assert!(house.dial_from(0, "192.0.2.7").is_some());
    let others = limits::SMPP_CUSTOMER_CONNECTIONS_PER_SHARD - per_address;
    for n in 0..others {
        let peer = format!("10.0.{}.{}", n / 256, n % 256);
        assert!(house.dial_from(0, &peer).is_some());
    }
    assert_eq!(house.dial_from(0, "198.51.100.1"), None, "the shard is full");
    assert_eq!(house.count(Counter::CustomerConnectionsRefused), 3);
}

#[test]
fn a_peer_that_does_not_bind_is_closed() {
    let mut house = House::new(&config(1, ""));
    let (silent, slow) = (house.dial(0), house.dial(0));
    let octets = bind(BIND_TRX, 1, "acme", "secret").octets();
    for octet in octets.chunks(1).take(9) {
        house.send_octets(slow, octet);
        house.pass(secs(1));
    }
    assert!(house.is_open(silent) && house.is_open(slow));
    house.pass(secs(2));
    assert!(!house.is_open(silent) && !house.is_open(slow));
    assert_eq!(house.gauge(Gauge::CustomerConnectionsOpen), 0);
}

#[test]
fn nothing_longer_than_256_octets_is_read_before_the_bind() {
    let mut house = House::new(&config(1, ""));
    let line = house.dial(0);
    house.send_octets(line, &[0, 0, 1, 1, 0, 0, 0, 9]);
    assert_eq!(heads(&mut house, line), [(NACK, 2, 0)], "generic_nack ESME_RINVCMDLEN");
    assert!(!house.is_open(line));
    let line = house.bound(0);
    house.send_octets(line, &[0, 0, 1, 1, 0, 0, 0, 9]);
    assert!(house.is_open(line), "a bound peer may send 257 octets");
}

#[test]
fn before_the_bind_and_in_the_wrong_direction_nothing_is_taken() {
    let mut house = House::new(&config(1, ""));
    let line = house.dial(0);
    let submit = house::Submit { sequence: 3, ..house::Submit::default() };
    assert_eq!(house.ask(line, submit.pdu()).status, RINVBNDSTS);
    let enquire = Pdu::new(pdu::ENQUIRE, 0, 4, b"");
    assert_eq!(house.ask(line, enquire).status, 0, "a sign of life is answered always");
    let receiver = house.bound_as(0, BIND_RX, "acme", "secret");
    assert_eq!(house.ask(receiver, submit.pdu()).status, RINVBNDSTS);
    let again = house.ask(receiver, bind(BIND_TRX, 9, "acme", "secret"));
    assert_eq!(again.status, RALYBND);
    assert!(house.is_open(receiver), "it stays bound as it was");
    assert_eq!(house.count(Counter::AcceptedOverSmpp), 0);
}

#[test]
fn a_bind_is_probed_and_a_dead_one_closed() {
    let mut house = House::new(&config(1, ""));
    let line = house.bound(0);
    house.pass(secs(31));
    let asked = house.received(line);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].command, pdu::ENQUIRE);
    house.send(line, &[Pdu::new(pdu::ENQUIRE_RESP, 0, asked[0].sequence, b"")]);
    house.pass(secs(25));
    assert!(house.is_open(line));
    house.pass(secs(40));
    assert!(!house.is_open(line), "two probes went unanswered");
    assert_eq!(house.shared.accounts.binds(postrider_http::auth::CustomerIx(0)), 0);
}
