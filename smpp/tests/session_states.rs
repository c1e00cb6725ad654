//! Binding, unbinding and what is legal when (3.4 sections 2.2, 2.3, 4.1, 4.2). Test code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{
    answer, at, bind, bound_esme, bound_smsc, drain, empty, feed, headers, message, pass,
};
use postrider_smpp::command::CommandId as C;
use postrider_smpp::pdu::{Body, ShortMessage, decode, next_frame};
use postrider_smpp::session::{BindKind, Role, Session, SessionConfig, State, SubmitRefused};

fn config() -> SessionConfig {
    SessionConfig {
        system_id: "gw".into(),
        password: "secret-of-12".into(),
        system_type: "VMA".into(),
        addr_ton: 1,
        addr_npi: 2,
        ..SessionConfig::default()
    }
}

fn open_smsc() -> Session {
    let role = Role::Smsc;
    let mut session = Session::new(SessionConfig { role, system_id: "MC".into(), ..config() });
    session.handle_connected(at(0));
    session
}

#[test]
fn esme_binds_at_once_with_what_it_was_told() {
    for kind in [BindKind::Transmitter, BindKind::Receiver, BindKind::Transceiver] {
        let mut session = Session::new(SessionConfig { bind: kind, ..config() });
        assert_eq!(session.state(), State::Closed);
        session.handle_connected(at(0));
        assert_eq!(session.state(), State::Binding);
        let (events, out) = drain(&mut session);
        assert!(events.is_empty());
        let (frame, _) = next_frame(&out, 1000).unwrap().unwrap();
        assert_eq!((frame.header.command, frame.header.sequence), (kind.command(), 1));
        let Ok(Body::Bind(bind)) = decode(&frame) else { panic!("a bind") };
        assert_eq!((bind.system_id, bind.password), (&b"gw"[..], &b"secret-of-12"[..]));
        assert_eq!((bind.system_type, bind.interface_version), (&b"VMA"[..], 0x34));
        assert_eq!((bind.addr_ton, bind.addr_npi), (1, 2));
        let mut response = answer(kind.command().response(), 0, 1, Some(b"MC"));
        response[3] += 5;
        response.extend_from_slice(&[0x02, 0x10, 0, 1, 0x50]);
        let (events, written) = feed(&mut session, at(1), &response);
        assert_eq!(events, [format!("Bound {{ kind: {kind:?}, peer_version: Some(80) }}")]);
        assert!(written.is_empty());
        assert_eq!(session.state(), State::Bound(kind));
    }
}

#[test]
fn refused_bind_says_why_and_closes() {
    for response in [
        empty(C::BIND_TRANSCEIVER_RESP, 0x0E, 1),
        answer(C::BIND_TRANSCEIVER_RESP, 0x0E, 1, Some(b"MC")),
        empty(C::GENERIC_NACK, 0x0E, 1),
    ] {
        let mut session = Session::new(config());
        session.handle_connected(at(0));
        drain(&mut session);
        let (events, _) = feed(&mut session, at(1), &response);
        assert_eq!(
            events,
            ["BindRefused { status: 14 }", "Close { reason: BindRefused(CommandStatus(14)) }"]
        );
        assert_eq!((session.state(), session.poll_timeout()), (State::Closed, None));
    }
}

#[test]
fn bind_without_an_answer_closes_and_no_enquire_link_is_sent_before() {
    let mut session = Session::new(config());
    session.handle_connected(at(0));
    drain(&mut session);
    assert_eq!(session.poll_timeout(), Some(at(10)));
    assert_eq!(pass(&mut session, at(9)), (vec![], vec![]));
    let (events, written) = pass(&mut session, at(10));
    assert_eq!(events, ["Close { reason: BindTimeout }"]);
    assert!(written.is_empty());
}

#[test]
fn bind_that_cannot_be_written_closes() {
    let mut session =
        Session::new(SessionConfig { system_id: "longer than fifteen".into(), ..config() });
    session.handle_connected(at(0));
    let (events, out) = drain(&mut session);
    assert_eq!(events.len(), 1);
    assert!(events[0].contains("BindUnsendable"));
    assert!(out.is_empty());
}

#[test]
fn smsc_asks_its_driver_and_answers_with_its_version() {
    for (version, with_version) in [(0x34, true), (0x50, true), (0x33, false)] {
        let mut session = open_smsc();
        let (events, written) = feed(&mut session, at(1), &bind(BindKind::Receiver, 9, version));
        assert_eq!(events.len(), 1);
        assert!(events[0].starts_with("BindRequested { sequence: 9, kind: Receiver"));
        assert!(written.is_empty());
        session.answer_bind(8, 0);
        assert_eq!(session.state(), State::Binding, "another number changes nothing");
        session.answer_bind(9, 0);
        let (events, out) = drain(&mut session);
        assert_eq!(events.len(), 1);
        assert!(events[0].starts_with("Bound { kind: Receiver"));
        let tlv = &[2, 0x10, 0, 1, 0x34][..];
        assert_eq!(out.ends_with(tlv), with_version, "a peer below 3.4 must not get TLVs");
        assert_eq!(session.poll_timeout(), Some(at(31)), "the first-bind timer is off");
    }
}

#[test]
fn smsc_lets_a_refused_peer_try_again_until_its_time_is_up() {
    let mut session = open_smsc();
    feed(&mut session, at(1), &bind(BindKind::Transceiver, 1, 0x34));
    session.answer_bind(1, 0x0E);
    let (events, out) = drain(&mut session);
    assert!(events.is_empty());
    assert_eq!(headers(&out)[0].status.0, 0x0E);
    assert_eq!(out.len(), 16, "no body on an error");
    assert_eq!(session.state(), State::Open);
    let (events, _) = pass(&mut session, at(5));
    assert_eq!(events, ["Close { reason: SessionInitTimeout }"]);
}

#[test]
fn a_bind_that_the_driver_looks_at_for_long_is_still_answered_and_its_refusal_is_the_last() {
    for status in [0, 0x0E] {
        let mut session = open_smsc();
        feed(&mut session, at(4), &bind(BindKind::Transceiver, 2, 0x34));
        let (events, _) = feed(&mut session, at(4), &bind(BindKind::Transceiver, 3, 0x34));
        assert_eq!(events, ["Counted(WrongState)"]);
        assert_eq!(pass(&mut session, at(60)), (vec![], vec![]), "the driver may be slow");
        session.answer_bind(2, status);
        let (events, out) = drain(&mut session);
        assert_eq!(headers(&out)[0].status.0, status);
        let refused = ["Close { reason: SessionInitTimeout }"];
        let bound = ["Bound { kind: Transceiver, peer_version: Some(52) }"];
        assert_eq!(events, if status == 0 { bound } else { refused });
    }
}

#[test]
fn a_peer_that_is_not_bound_may_send_256_octets_at_once_and_no_more() {
    let mut pdu = vec![0; 257];
    pdu[2] = 1;
    pdu[3] = 1;
    pdu[7] = 4;
    let mut session = open_smsc();
    let (events, written) = feed(&mut session, at(1), &pdu[..4]);
    assert_eq!(events, ["Close { reason: Framing(TooLong(257)) }"]);
    assert_eq!(written[0].command, C::GENERIC_NACK);
    let mut bound = bound_smsc(config(), BindKind::Transceiver);
    let (events, _) = feed(&mut bound, at(1), &pdu);
    assert_eq!(events.len(), 1);
    assert_ne!(bound.state(), State::Closed);
}

#[test]
fn a_second_bind_is_answered_already_bound_and_the_session_stays() {
    let mut session = bound_smsc(config(), BindKind::Transceiver);
    let (events, written) = feed(&mut session, at(1), &bind(BindKind::Transceiver, 2, 0x34));
    assert_eq!(events, ["Counted(WrongState)"]);
    assert_eq!((written[0].command, written[0].status.0), (C::BIND_TRANSCEIVER_RESP, 5));
    assert_eq!(session.state(), State::Bound(BindKind::Transceiver));
}

#[test]
fn enquire_link_is_answered_in_every_state() {
    let asked = empty(C::ENQUIRE_LINK, 0, 77);
    let mut binding = Session::new(config());
    binding.handle_connected(at(0));
    let mut unbinding = bound_esme(config());
    unbinding.unbind(at(0));
    for mut session in [open_smsc(), binding, bound_esme(config()), unbinding] {
        drain(&mut session);
        let (events, written) = feed(&mut session, at(1), &asked);
        assert!(events.is_empty());
        assert_eq!((written[0].command, written[0].sequence), (C::ENQUIRE_LINK_RESP, 77));
    }
}

#[test]
fn deliver_sm_is_taken_on_a_transmitter_too() {
    let mut session = bound_esme(SessionConfig { bind: BindKind::Transmitter, ..config() });
    let (events, _) = feed(&mut session, at(1), &message(C::DELIVER_SM, 5, b"x"));
    assert!(events[0].starts_with("Message { sequence: 5"));
}

#[test]
fn requests_from_the_wrong_side_or_not_served_are_refused_and_the_session_stays() {
    let mut broadcast = empty(C::QUERY_BROADCAST_SM, 0, 4);
    broadcast.extend_from_slice(b"7\0\x01\x01\0");
    broadcast[3] = 21;
    let mut esme = bound_esme(config());
    let mut smsc = bound_smsc(config(), BindKind::Transceiver);
    let refusals = [
        (feed(&mut esme, at(1), &message(C::SUBMIT_SM, 2, b"x")), C::SUBMIT_SM_RESP, 4),
        (feed(&mut esme, at(1), &bind(BindKind::Receiver, 3, 0x34)), C::BIND_RECEIVER_RESP, 4),
        (feed(&mut smsc, at(1), &message(C::DELIVER_SM, 2, b"x")), C::DELIVER_SM_RESP, 4),
        (feed(&mut smsc, at(1), &broadcast), C::GENERIC_NACK, 3),
    ];
    for ((events, written), command, status) in refusals {
        assert_eq!(events.len(), 1, "{command:?}");
        assert!(events[0].starts_with("Counted"));
        assert_eq!((written[0].command, written[0].status.0), (command, status));
    }
    let outbind = [&empty(C::OUTBIND, 0, 1)[..], b"a\0b\0"].concat();
    let mut outbind = outbind;
    outbind[3] = 20;
    let (events, written) = feed(&mut esme, at(2), &outbind);
    assert_eq!((events, written), (vec!["Counted(WrongState)".to_owned()], vec![]));
    assert_eq!(esme.state(), State::Bound(BindKind::Transceiver));
}

#[test]
fn only_a_bind_for_sending_may_submit() {
    let text = ShortMessage { short_message: b"hi", ..ShortMessage::default() };
    let mut session = Session::new(config());
    assert_eq!(session.submit(at(0), 1, &text), Err(SubmitRefused::NotBound));
    session.handle_connected(at(0));
    assert_eq!(session.submit(at(0), 1, &text), Err(SubmitRefused::NotBound));
    let mut receiver = bound_esme(SessionConfig { bind: BindKind::Receiver, ..config() });
    assert_eq!(receiver.submit(at(0), 1, &text), Err(SubmitRefused::NotBound));
    assert_eq!(receiver.window_free(), 0);
    let mut to_transmitter = bound_smsc(config(), BindKind::Transmitter);
    assert_eq!(to_transmitter.submit(at(0), 1, &text), Err(SubmitRefused::NotBound));
    let mut to_receiver = bound_smsc(config(), BindKind::Receiver);
    assert!(to_receiver.submit(at(0), 1, &text).is_ok());
    let (_, out) = drain(&mut to_receiver);
    assert_eq!(headers(&out)[0].command, C::DELIVER_SM);
}

#[test]
fn unbind_waits_for_open_answers_then_asks_and_closes() {
    let mut session = bound_esme(config());
    let text = ShortMessage::default();
    let sequence = session.submit(at(0), 1, &text).unwrap();
    drain(&mut session);
    session.unbind(at(1));
    let (events, out) = drain(&mut session);
    assert!(events.is_empty() && out.is_empty(), "one answer is open");
    assert_eq!(session.state(), State::Unbinding);
    assert_eq!(session.submit(at(1), 2, &text), Err(SubmitRefused::NotBound));
    let response = answer(C::SUBMIT_SM_RESP, 0, sequence, Some(b"id"));
    let (events, written) = feed(&mut session, at(2), &response);
    assert_eq!(events.len(), 1);
    assert_eq!(written[0].command, C::UNBIND);
    assert_eq!(session.poll_timeout(), Some(at(7)));
    let (events, _) = feed(&mut session, at(3), &empty(C::UNBIND_RESP, 0, written[0].sequence));
    assert_eq!(events, ["Close { reason: Unbound }"]);
}

#[test]
fn unbind_waits_for_our_own_answers_and_then_its_timer_is_due_at_once() {
    let mut session = bound_esme(config());
    feed(&mut session, at(1), &message(C::DELIVER_SM, 5, b"x"));
    session.unbind(at(2));
    let (events, out) = drain(&mut session);
    assert!(events.is_empty() && out.is_empty());
    session.respond(C::DELIVER_SM, 5, 0, b"");
    assert_eq!(session.poll_timeout(), Some(at(2)));
    let (_, written) = pass(&mut session, at(9));
    let commands: Vec<C> = written.iter().map(|header| header.command).collect();
    assert_eq!(commands, [C::DELIVER_SM_RESP, C::UNBIND]);
    assert_eq!(session.poll_timeout(), Some(at(14)), "5 s for the answer");
}

#[test]
fn unbind_is_sent_when_open_answers_do_not_come_and_closes_without_an_answer() {
    let mut session = bound_esme(config());
    session.submit(at(0), 1, &ShortMessage::default()).unwrap();
    session.unbind(at(1));
    drain(&mut session);
    let mut now = 1;
    let unbind_at = loop {
        now += 1;
        let (_, written) = pass(&mut session, at(now));
        if written.iter().any(|header| header.command == C::UNBIND) {
            break now;
        }
        feed(&mut session, at(now), &empty(C::ENQUIRE_LINK, 0, 1));
    };
    assert_eq!(unbind_at, 31, "30 s after the order");
    let (events, _) = pass(&mut session, at(36));
    assert_eq!(events, ["Close { reason: UnbindTimeout }"]);
    session.handle_closed(at(36));
    let (events, _) = drain(&mut session);
    assert_eq!(events, ["OutcomeUnknown { token: 1, reason: SessionLost }"]);
}

#[test]
fn unbind_of_the_peer_is_answered_and_open_answers_may_still_come() {
    let mut session = bound_esme(config());
    let sequence = session.submit(at(0), 1, &ShortMessage::default()).unwrap();
    feed(&mut session, at(0), &message(C::DELIVER_SM, 5, b"x"));
    let (events, written) = feed(&mut session, at(1), &empty(C::UNBIND, 0, 6));
    assert_eq!(events, ["PeerUnbound"]);
    assert_eq!((written[0].command, written[0].sequence), (C::UNBIND_RESP, 6));
    let response = answer(C::SUBMIT_SM_RESP, 0, sequence, Some(b"id"));
    let (events, _) = feed(&mut session, at(2), &response);
    assert_eq!(events.len(), 1);
    session.respond(C::DELIVER_SM, 5, 0, b"");
    let (events, out) = drain(&mut session);
    assert_eq!(events, ["Close { reason: PeerUnbound }"]);
    assert_eq!(headers(&out)[0].command, C::DELIVER_SM_RESP, "to be flushed before the close");

    let mut idle = bound_esme(config());
    let (events, _) = feed(&mut idle, at(1), &empty(C::UNBIND, 0, 6));
    assert_eq!(events, ["PeerUnbound", "Close { reason: PeerUnbound }"]);
}

#[test]
fn a_new_connection_starts_anew() {
    let mut session = bound_esme(config());
    session.submit(at(0), 1, &ShortMessage::default()).unwrap();
    session.handle_bytes(at(0), &[0, 0, 0]);
    session.handle_closed(at(5));
    assert_eq!(session.state(), State::Closed);
    assert!(!session.has_output());
    drain(&mut session);
    session.handle_connected(at(6));
    let (_, out) = drain(&mut session);
    assert_eq!(headers(&out)[0].sequence, 1);
    let (events, _) = feed(&mut session, at(6), &empty(C::BIND_TRANSCEIVER_RESP, 0, 1));
    assert_eq!(events, ["Bound { kind: Transceiver, peer_version: None }"]);
}

#[test]
fn secrets_and_texts_are_not_in_debug_output() {
    let secret = |text: &str| format!("{:?}", text.as_bytes()).trim_matches(['[', ']']).to_owned();
    let mut esme = Session::new(config());
    esme.handle_connected(at(0));
    assert!(esme.has_output(), "the bind with the password is still there");
    let shown = format!("{esme:?}");
    assert!(!shown.contains("secret-of-12") && !shown.contains(&secret("secret-of-12")), "{shown}");

    let mut smsc = bound_smsc(config(), BindKind::Transceiver);
    smsc.handle_bytes(at(1), &message(C::SUBMIT_SM, 5, b"private words"));
    let mut shown = format!("{smsc:?}");
    shown.push_str(&format!("{:?}", smsc.poll_event()));
    assert!(shown.contains("Message"));
    assert!(!shown.contains("private") && !shown.contains(&secret("private words")), "{shown}");
}

#[test]
fn a_probe_is_sent_at_once_but_not_twice_and_two_unanswered_ones_close() {
    let mut session = bound_esme(SessionConfig::default());
    assert_eq!(session.last_heard(), at(0), "the answer to the bind");
    session.probe(at(100));
    let asked = headers(&drain(&mut session).1);
    assert_eq!((asked.len(), asked[0].command), (1, C::ENQUIRE_LINK));
    session.probe(at(101));
    assert!(drain(&mut session).1.is_empty(), "one waits for its answer");
    feed(&mut session, at(102), &empty(C::ENQUIRE_LINK_RESP, 0, asked[0].sequence));
    assert_eq!(session.last_heard(), at(102));
    session.probe(at(103));
    assert_eq!(headers(&drain(&mut session).1).len(), 1);
    assert_eq!(pass(&mut session, at(113)).1.len(), 1, "once more");
    assert_eq!(pass(&mut session, at(123)).0, ["Close { reason: EnquireLinkTimeout }"]);
    session.probe(at(124));
    assert!(drain(&mut session).1.is_empty(), "it is closed");
}
