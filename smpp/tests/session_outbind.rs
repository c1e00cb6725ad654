//! Outbind: a message centre connects to an ESME and asks it to bind (3.4 section 4.1.7, 5.0 section 2.3).
//! Test code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{at, bind, bound_esme, bound_smsc, drain, feed, pass, sample};
use postrider_smpp::command::CommandId as C;
use postrider_smpp::pdu::{EncodeError, Outbind};
use postrider_smpp::session::{BindKind, Event, Role, Session, SessionConfig, State};

const CREDENTIALS: Outbind<'_> = Outbind { system_id: b"MC", password: b"sesame" };

fn accepted() -> Session {
    let mut session = Session::new(SessionConfig {
        bind: BindKind::Receiver,
        system_id: "gw".into(),
        ..SessionConfig::default()
    });
    session.handle_accepted(at(0));
    session
}

fn dialled() -> Session {
    let mut session = Session::new(SessionConfig { role: Role::Smsc, ..SessionConfig::default() });
    session.handle_connected(at(0));
    session.outbind(CREDENTIALS).unwrap();
    session
}

/// Moves what one end has written to the other.
fn carry(from: &mut Session, to: &mut Session, now: u64) {
    let mut line = Vec::new();
    from.take_output(&mut line);
    to.handle_bytes(at(now), &line);
}

#[test]
fn an_outbind_that_is_accepted_ends_in_a_bind_on_the_same_connection() {
    let (mut smsc, mut esme) = (dialled(), accepted());
    assert_eq!((smsc.state(), esme.state()), (State::Outbound, State::Open));
    assert!(!esme.has_output(), "an ESME that was connected to waits");
    carry(&mut smsc, &mut esme, 1);
    let Some(Event::OutbindRequested { outbind, .. }) = esme.poll_event() else {
        panic!("an outbind");
    };
    assert!(outbind == CREDENTIALS);
    assert_eq!(esme.state(), State::Outbound);
    esme.answer_outbind(at(2), true);
    assert_eq!(esme.state(), State::Binding);
    assert_eq!(esme.poll_timeout(), Some(at(12)), "the bind's own timer");
    carry(&mut esme, &mut smsc, 2);
    let Some(Event::BindRequested { sequence, kind, bind }) = smsc.poll_event() else {
        panic!("a bind");
    };
    assert_eq!((kind, bind.system_id), (BindKind::Receiver, &b"gw"[..]));
    smsc.answer_bind(sequence, 0);
    carry(&mut smsc, &mut esme, 3);
    for session in [&mut smsc, &mut esme] {
        let (events, _) = drain(session);
        assert_eq!(events.len(), 1);
        assert_eq!(session.state(), State::Bound(BindKind::Receiver));
    }
}

#[test]
fn an_outbind_that_is_refused_closes() {
    let (mut smsc, mut esme) = (dialled(), accepted());
    carry(&mut smsc, &mut esme, 1);
    assert_eq!(drain(&mut esme).0.len(), 1);
    esme.answer_outbind(at(1), false);
    let (events, out) = drain(&mut esme);
    assert_eq!(events, ["Close { reason: OutbindRefused }"]);
    assert!(out.is_empty(), "outbind has no answer");
    esme.answer_outbind(at(1), true);
    assert_eq!(esme.state(), State::Closed, "too late");
}

#[test]
fn either_side_gives_up_when_the_other_stays_silent() {
    let mut esme = accepted();
    assert_eq!(esme.poll_timeout(), Some(at(5)));
    assert_eq!(pass(&mut esme, at(5)).0, ["Close { reason: SessionInitTimeout }"]);
    let mut smsc = dialled();
    assert_eq!(pass(&mut smsc, at(5)).0, ["Close { reason: SessionInitTimeout }"]);
}

#[test]
fn a_peer_that_connected_may_send_256_octets_at_once_and_no_more_until_we_bind() {
    let mut long = sample(C::OUTBIND, 1);
    long[2] = 1;
    long[3] = 1;
    let (events, _) = feed(&mut accepted(), at(1), &long[..4]);
    assert_eq!(events, ["Close { reason: Framing(TooLong(257)) }"]);
    let mut esme = accepted();
    feed(&mut esme, at(1), &sample(C::OUTBIND, 1));
    let (events, _) = feed(&mut esme, at(1), &long[..4]);
    assert_eq!(events, ["Close { reason: Framing(TooLong(257)) }"]);
    let mut esme = accepted();
    feed(&mut esme, at(1), &sample(C::OUTBIND, 1));
    esme.answer_outbind(at(1), true);
    drain(&mut esme);
    assert!(feed(&mut esme, at(1), &long[..4]).0.is_empty(), "we chose this peer");
}

#[test]
fn an_outbind_that_cannot_be_read_is_counted_and_another_may_follow() {
    let mut broken = sample(C::OUTBIND, 1);
    let last = broken.len() - 1;
    broken[last] = b'x';
    let mut esme = accepted();
    assert_eq!(feed(&mut esme, at(1), &broken).0, ["Counted(MalformedPdu)"]);
    let (events, _) = feed(&mut esme, at(1), &sample(C::OUTBIND, 2));
    assert!(events[0].starts_with("OutbindRequested { sequence: 2"), "{events:?}");
    assert!(events[0].contains("password: \"[redacted]\""), "{events:?}");
}

#[test]
fn outbind_is_for_servers_that_are_not_bound() {
    let wrong = Err(EncodeError::WrongCommand(C::OUTBIND));
    let mut bound = bound_smsc(SessionConfig::default(), BindKind::Transceiver);
    assert_eq!(bound.outbind(CREDENTIALS), wrong);
    assert_eq!(bound_esme(SessionConfig::default()).outbind(CREDENTIALS), wrong);
    assert_eq!(accepted().outbind(CREDENTIALS), wrong);
    let mut asked = dialled();
    assert_eq!(asked.outbind(CREDENTIALS), wrong, "once is enough");
    let mut asked_to = Session::new(SessionConfig { role: Role::Smsc, ..SessionConfig::default() });
    asked_to.handle_connected(at(0));
    let long = Outbind { system_id: b"longer than fifteen", password: b"" };
    assert!(asked_to.outbind(long).is_err());
    assert!(!asked_to.has_output() && asked_to.state() == State::Open);
    feed(&mut asked_to, at(1), &bind(BindKind::Receiver, 1, 0x34));
    assert_eq!(asked_to.outbind(CREDENTIALS), wrong, "the peer was faster");
}
