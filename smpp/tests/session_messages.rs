//! Messages both ways: the window, answers in and out of time, the inbound window, the timers that watch the
//! line (3.4 sections 2.7 to 2.9, 7.2). Test code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{
    answer, at, bound_esme, bound_esme_to, bound_smsc, drain, empty, feed, headers, message, pass,
    sample,
};
use postrider_smpp::command::CommandId as C;
use postrider_smpp::pdu::{Body, EncodeError, QuerySmResp, ShortMessage};
use postrider_smpp::session::{BindKind, Event, Session, SessionConfig, State, SubmitRefused};
use std::time::Duration;

fn text() -> ShortMessage<'static> {
    ShortMessage { short_message: b"hello", ..ShortMessage::default() }
}

fn esme(window: u16) -> Session {
    bound_esme(SessionConfig { window, ..SessionConfig::default() })
}

fn bound() -> State {
    State::Bound(BindKind::Transceiver)
}

/// Submits with tokens 100, 101, .. and forgets the output.
fn submit(session: &mut Session, now: Duration, count: u64) -> Vec<u32> {
    let sequences = (0..count).map(|n| session.submit(now, 100 + n, &text()).unwrap()).collect();
    drain(session);
    sequences
}

#[test]
fn window_is_never_exceeded_and_an_answer_frees_a_place() {
    let mut session = esme(3);
    assert_eq!(session.window_free(), 3);
    let sequences = submit(&mut session, at(0), 3);
    assert_eq!((session.window_free(), session.in_flight()), (0, 3));
    assert_eq!(session.submit(at(0), 1, &text()), Err(SubmitRefused::WindowFull));
    assert!(!session.has_output(), "a refused message leaves nothing behind");
    feed(&mut session, at(1), &answer(C::SUBMIT_SM_RESP, 0, sequences[1], Some(b"a")));
    assert_eq!(session.window_free(), 1);
    assert!(session.submit(at(1), 1, &text()).is_ok());
    assert_eq!(session.submit(at(1), 2, &text()), Err(SubmitRefused::WindowFull));
}

#[test]
fn answers_out_of_order_find_their_messages() {
    let mut session = esme(3);
    let sequences = submit(&mut session, at(5), 3);
    for (at_ms, n, status, id) in
        [(5_250, 2, 0, &b"c"[..]), (6_000, 0, 0x58, b""), (6_001, 1, 0, b"b")]
    {
        let id = (status == 0).then_some(id);
        let response = answer(C::SUBMIT_SM_RESP, status, sequences[n], id);
        session.handle_bytes(Duration::from_millis(at_ms), &response);
        let Some(Event::Response { token, status: got, message_id, waited, late, .. }) =
            session.poll_event()
        else {
            panic!("a response");
        };
        assert_eq!((token, got, late), (100 + n as u64, status, false));
        assert_eq!(message_id, id.unwrap_or_default());
        assert_eq!(waited, Duration::from_millis(at_ms - 5_000));
        assert!(session.poll_event().is_none());
    }
}

#[test]
fn a_message_out_of_bounds_is_refused_and_leaves_nothing_behind() {
    let mut session = esme(3);
    let long = ShortMessage { short_message: &[b'x'; 255], ..ShortMessage::default() };
    let refused = session.submit(at(0), 1, &long);
    let error = EncodeError::FieldTooLong { field: "short_message", max: 254 };
    assert_eq!(refused, Err(SubmitRefused::Encode(error)));
    let nul = ShortMessage { source: b"a\0b", ..text() };
    let error = EncodeError::NulInField { field: "source_addr" };
    assert_eq!(session.submit(at(0), 1, &nul), Err(SubmitRefused::Encode(error)));
    let time = ShortMessage { validity_period: b"tomorrow", ..text() };
    let error = EncodeError::BadTime { field: "validity_period" };
    assert_eq!(session.submit(at(0), 1, &time), Err(SubmitRefused::Encode(error)));
    assert!(!session.has_output());
    assert_eq!(session.in_flight(), 0);
    let version_5 = SessionConfig { interface_version: 0x50, ..SessionConfig::default() };
    assert!(bound_esme_to(version_5.clone(), Some(0x50)).submit(at(0), 1, &long).is_ok());
    assert!(bound_esme(version_5).submit(at(0), 1, &long).is_err(), "the peer is not of 5.0");
}

#[test]
fn a_timed_out_message_is_unknown_once_and_its_late_answer_still_finds_it() {
    let mut session = esme(2);
    let sequences = submit(&mut session, at(1), 1);
    assert_eq!(session.poll_timeout(), Some(at(30)), "enquire_link comes first");
    feed(&mut session, at(40), &empty(C::ENQUIRE_LINK, 0, 1));
    assert_eq!(session.poll_timeout(), Some(at(61)));
    assert!(pass(&mut session, at(60)).0.is_empty());
    let (events, _) = pass(&mut session, at(61));
    assert_eq!(events, ["OutcomeUnknown { token: 100, reason: TimedOut }"]);
    assert_eq!((session.in_flight(), session.window_free()), (0, 2));
    let late = answer(C::SUBMIT_SM_RESP, 0, sequences[0], Some(b"id"));
    let (events, _) = feed(&mut session, at(65), &late);
    assert_eq!(events.len(), 2);
    assert!(events[0].contains("token: 100, status: 0") && events[0].contains("late: true"));
    assert!(events[0].contains("waited: 64s"));
    assert_eq!(events[1], "Counted(LateResponse)");
    let (events, _) = feed(&mut session, at(66), &late);
    assert_eq!(events, ["Counted(UnknownResponse)"], "only once");
    session.handle_closed(at(67));
    assert!(session.poll_event().is_none(), "its outcome is out already");
}

#[test]
fn three_time_outs_in_a_row_close_but_an_answer_between_them_counts_anew() {
    let mut session = esme(10);
    let sequences = submit(&mut session, at(0), 5);
    let (events, _) = pass(&mut session, at(60));
    assert_eq!(events.len(), 4, "{events:?}");
    assert_eq!(events[3], "Close { reason: ResponseTimeouts }");
    session.handle_closed(at(60));
    let (events, _) = drain(&mut session);
    assert_eq!(
        events,
        [
            "OutcomeUnknown { token: 103, reason: SessionLost }",
            "OutcomeUnknown { token: 104, reason: SessionLost }",
        ]
    );

    let mut session = esme(10);
    submit(&mut session, at(0), 2);
    submit(&mut session, at(10), 2);
    pass(&mut session, at(60));
    feed(&mut session, at(61), &answer(C::SUBMIT_SM_RESP, 0, sequences[0], None));
    let (events, _) = pass(&mut session, at(70));
    assert_eq!(events.len(), 2, "two more, but not three in a row: {events:?}");
    assert_eq!(session.state(), State::Bound(BindKind::Transceiver));
}

#[test]
fn lost_connection_gives_every_token_back_once_in_order() {
    let mut session = esme(10);
    let sequences = submit(&mut session, at(0), 4);
    feed(&mut session, at(1), &answer(C::SUBMIT_SM_RESP, 0, sequences[1], Some(b"x")));
    session.handle_closed(at(2));
    let (events, _) = drain(&mut session);
    let wanted: Vec<String> = [100, 102, 103]
        .map(|token| format!("OutcomeUnknown {{ token: {token}, reason: SessionLost }}"))
        .into();
    assert_eq!(events, wanted);
    session.handle_closed(at(3));
    assert!(drain(&mut session).0.is_empty());
}

#[test]
fn generic_nack_fails_the_request_with_its_number() {
    let mut session = esme(10);
    let sequences = submit(&mut session, at(0), 2);
    let (events, written) = feed(&mut session, at(1), &empty(C::GENERIC_NACK, 1, sequences[0]));
    assert!(events[0].contains("token: 100, status: 1"));
    assert!(written.is_empty(), "a nack is never answered");
    let (events, _) = feed(&mut session, at(1), &empty(C::GENERIC_NACK, 3, 4711));
    assert_eq!(events, ["Counted(UnknownResponse)"]);
    let (events, _) = feed(&mut session, at(1), &empty(C::GENERIC_NACK, 2, 0));
    assert_eq!(events, ["Close { reason: PeerLostFraming }"]);
}

#[test]
fn any_response_with_its_number_closes_a_message_once_and_only_its_own_is_a_success() {
    for response in C::ALL.iter().copied().filter(|command| command.is_response()) {
        for status in [0, 0x45] {
            let mut session = esme(10);
            let sequences = submit(&mut session, at(0), 2);
            let id = (response == C::SUBMIT_SM_RESP && status == 0).then_some(&b"id"[..]);
            let octets = answer(response, status, sequences[0], id);
            let (events, written) = feed(&mut session, at(1), &octets);
            let own = response == C::SUBMIT_SM_RESP;
            let wanted = if own || status != 0 { status } else { 3 };
            let id = if id.is_some() { "[105, 100]" } else { "[]" };
            let first = format!("token: 100, status: {wanted}, message_id: {id}");
            assert!(events[0].contains(&first), "{response:?}: {events:?}");
            let odd = !own && response != C::GENERIC_NACK;
            let rest = if odd { &["Counted(MismatchedResponse)".to_owned()][..] } else { &[] };
            assert_eq!(&events[1..], rest, "{response:?}");
            assert!(written.is_empty(), "{response:?}");
            assert_eq!((session.in_flight(), session.state()), (1, bound()));
            let (events, _) = feed(&mut session, at(1), &octets);
            assert_eq!(events, ["Counted(UnknownResponse)"], "{response:?} twice");
        }
    }
}

#[test]
fn a_response_of_an_unknown_command_closes_nothing() {
    let mut session = esme(10);
    let sequences = submit(&mut session, at(0), 1);
    let (events, written) = feed(&mut session, at(1), &empty(C(0x8001_0200), 0, sequences[0]));
    assert_eq!(events, ["Counted(UnknownCommand)"]);
    assert!(written.is_empty());
    assert_eq!(session.in_flight(), 1);
}

#[test]
fn windows_may_change_while_messages_are_open() {
    let mut session = esme(3);
    let sequences = submit(&mut session, at(0), 3);
    session.set_windows(1, 1);
    assert_eq!((session.window_free(), session.in_flight()), (0, 3));
    for sequence in &sequences[..2] {
        feed(&mut session, at(1), &answer(C::SUBMIT_SM_RESP, 0, *sequence, Some(b"a")));
        assert_eq!(session.submit(at(1), 1, &text()), Err(SubmitRefused::WindowFull));
    }
    feed(&mut session, at(1), &answer(C::SUBMIT_SM_RESP, 0, sequences[2], Some(b"a")));
    assert_eq!(session.window_free(), 1);
    feed(&mut session, at(1), &message(C::DELIVER_SM, 1, b"x"));
    let (events, _) = feed(&mut session, at(1), &message(C::DELIVER_SM, 2, b"x"));
    assert_eq!(events, ["Counted(InboundWindowFull)"]);
    session.set_windows(1, 2);
    let (events, _) = feed(&mut session, at(1), &message(C::DELIVER_SM, 3, b"x"));
    assert!(events[0].starts_with("Message"));
}

#[test]
fn every_request_that_waits_counts_in_the_inbound_window_and_the_full_status_is_ours_to_choose() {
    let waiting =
        [C::SUBMIT_SM, C::DATA_SM, C::SUBMIT_MULTI, C::QUERY_SM, C::CANCEL_SM, C::REPLACE_SM];
    for held in waiting {
        for refused in waiting {
            let config = SessionConfig {
                inbound_window: 1,
                inbound_full_status: 0x58,
                ..SessionConfig::default()
            };
            let mut session = bound_smsc(config, BindKind::Transceiver);
            let (events, written) = feed(&mut session, at(1), &sample(held, 1));
            assert_eq!((events.len(), written.len()), (1, 0), "{held:?}: {events:?}");
            let (events, written) = feed(&mut session, at(1), &sample(refused, 2));
            assert_eq!(events, ["Counted(InboundWindowFull)"]);
            assert_eq!((written[0].command, written[0].status.0), (refused.response(), 0x58));
            let (_, written) = feed(&mut session, at(1), &empty(C::ENQUIRE_LINK, 0, 3));
            assert_eq!(written[0].status.0, 0, "signs of life are free");
            session.respond(held, 1, 0, b"id");
            drain(&mut session);
            let (events, _) = feed(&mut session, at(1), &sample(refused, 4));
            assert!(!events[0].starts_with("Counted"), "{events:?}");
        }
    }
}

#[test]
fn requests_with_one_number_are_told_apart_by_their_commands() {
    let mut session = bound_smsc(SessionConfig::default(), BindKind::Transceiver);
    for command in [C::SUBMIT_SM, C::QUERY_SM, C::SUBMIT_SM] {
        feed(&mut session, at(1), &sample(command, 5));
    }
    session.respond(C::QUERY_SM, 5, 0x67, b"");
    session.respond(C::SUBMIT_SM, 5, 0, b"first");
    session.respond(C::SUBMIT_SM, 5, 0, b"second");
    session.respond(C::SUBMIT_SM, 5, 0, b"third");
    let wanted = [
        empty(C::QUERY_SM_RESP, 0x67, 5),
        answer(C::SUBMIT_SM_RESP, 0, 5, Some(b"first")),
        answer(C::SUBMIT_SM_RESP, 0, 5, Some(b"second")),
    ];
    assert_eq!(drain(&mut session).1, wanted.concat());
}

#[test]
fn a_body_of_another_command_is_answered_as_an_error_of_ours() {
    let mut session = bound_smsc(SessionConfig::default(), BindKind::Transceiver);
    feed(&mut session, at(1), &sample(C::SUBMIT_SM, 5));
    session.respond_with(C::SUBMIT_SM, 5, 0, &Body::QueryResp(QuerySmResp::default()));
    assert_eq!(drain(&mut session).1, empty(C::SUBMIT_SM_RESP, 8, 5));
}

#[test]
fn parameters_alone_in_an_error_answer_are_no_message_id() {
    let mut session = esme(10);
    let sequences = submit(&mut session, at(0), 1);
    let mut response = empty(C::SUBMIT_SM_RESP, 0x58, sequences[0]);
    response.extend_from_slice(&[0x04, 0x28, 0, 1, 99]);
    response[3] = 21;
    let (events, _) = feed(&mut session, at(1), &response);
    assert!(events[0].contains("status: 88, message_id: []"), "{events:?}");
}

#[test]
fn messages_beyond_the_inbound_window_are_refused_until_one_is_answered() {
    let config = SessionConfig { inbound_window: 2, ..SessionConfig::default() };
    let mut session = bound_esme(config);
    for sequence in [11, 12] {
        let (events, written) = feed(&mut session, at(1), &message(C::DELIVER_SM, sequence, b"x"));
        assert!(events[0].starts_with("Message") && written.is_empty());
    }
    let (events, written) = feed(&mut session, at(1), &message(C::DELIVER_SM, 13, b"x"));
    assert_eq!(events, ["Counted(InboundWindowFull)"]);
    assert_eq!((written[0].command, written[0].status.0), (C::DELIVER_SM_RESP, 0x14));
    session.respond(C::DELIVER_SM, 11, 0, b"ignored");
    let mut out = Vec::new();
    session.take_output(&mut out);
    assert_eq!(out, answer(C::DELIVER_SM_RESP, 0, 11, Some(b"")), "one NUL, never an id");
    let (events, _) = feed(&mut session, at(1), &message(C::DELIVER_SM, 14, b"x"));
    assert!(events[0].starts_with("Message"));
}

#[test]
fn an_answer_is_written_once_and_only_to_a_message_that_waits() {
    let mut session = bound_smsc(SessionConfig::default(), BindKind::Transceiver);
    feed(&mut session, at(1), &message(C::SUBMIT_SM, 7, b"x"));
    session.respond(C::DELIVER_SM, 7, 0, b"id");
    session.respond(C::SUBMIT_SM, 8, 0, b"id");
    assert!(!session.has_output(), "another command, another number");
    session.respond(C::SUBMIT_SM, 7, 0, b"id");
    session.respond(C::SUBMIT_SM, 7, 0, b"id");
    let (_, out) = drain(&mut session);
    assert_eq!(out, answer(C::SUBMIT_SM_RESP, 0, 7, Some(b"id")));
    feed(&mut session, at(1), &message(C::SUBMIT_SM, 8, b"x"));
    session.respond(C::SUBMIT_SM, 8, 0x45, b"id");
    assert_eq!(drain(&mut session).1, empty(C::SUBMIT_SM_RESP, 0x45, 8), "no body on an error");
    feed(&mut session, at(1), &message(C::SUBMIT_SM, 9, b"x"));
    session.respond(C::SUBMIT_SM, 9, 0, &[b'x'; 65]);
    assert_eq!(drain(&mut session).1, empty(C::SUBMIT_SM_RESP, 8, 9), "an id too long to write");
    feed(&mut session, at(1), &message(C::SUBMIT_SM, 10, b"x"));
    session.handle_closed(at(2));
    session.respond(C::SUBMIT_SM, 10, 0, b"id");
    assert!(!session.has_output(), "its connection is gone");
}

#[test]
fn responses_are_written_before_requests() {
    let mut session = esme(10);
    session.submit(at(0), 1, &text()).unwrap();
    session.handle_bytes(at(0), &empty(C::ENQUIRE_LINK, 0, 9));
    session.submit(at(0), 2, &text()).unwrap();
    let (_, out) = drain(&mut session);
    let commands: Vec<C> = headers(&out).iter().map(|header| header.command).collect();
    assert_eq!(commands, [C::ENQUIRE_LINK_RESP, C::SUBMIT_SM, C::SUBMIT_SM]);
}

#[test]
fn events_of_one_read_come_in_order() {
    let mut session = esme(10);
    let sequences = submit(&mut session, at(0), 1);
    let octets = [
        message(C::DELIVER_SM, 1, b"x"),
        answer(C::SUBMIT_SM_RESP, 0, sequences[0], Some(b"id")),
        empty(C::ENQUIRE_LINK, 0, 2),
        empty(C(0x104), 0, 3),
        message(C::DELIVER_SM, 5, b"y"),
        empty(C::UNBIND, 0, 6),
    ]
    .concat();
    let (events, written) = feed(&mut session, at(1), &octets);
    let kinds: Vec<&str> = events.iter().map(|e| e.split([' ', '(']).next().unwrap()).collect();
    assert_eq!(kinds, ["Message", "Response", "Counted", "Message", "PeerUnbound"]);
    let answered: Vec<u32> = written.iter().map(|header| header.sequence).collect();
    assert_eq!(answered, [2, 3, 6]);
}

#[test]
fn a_silent_line_is_asked_twice_and_then_closed() {
    let mut session = esme(10);
    assert_eq!(session.poll_timeout(), Some(at(30)));
    let (events, written) = pass(&mut session, at(30));
    assert!(events.is_empty());
    assert_eq!(written[0].command, C::ENQUIRE_LINK);
    assert_eq!(session.poll_timeout(), Some(at(40)));
    let (events, written) = pass(&mut session, at(40));
    assert!(events.is_empty());
    assert_eq!(written[0].command, C::ENQUIRE_LINK);
    let (events, written) = pass(&mut session, at(50));
    assert_eq!(events, ["Close { reason: EnquireLinkTimeout }"]);
    assert!(written.is_empty());
}

#[test]
fn any_pdu_is_a_sign_of_life() {
    let mut session = esme(10);
    let (_, asked) = pass(&mut session, at(30));
    feed(&mut session, at(35), &message(C::DELIVER_SM, 1, b"x"));
    assert_eq!(session.poll_timeout(), Some(at(65)), "30 s after the last PDU");
    let answer = empty(C::ENQUIRE_LINK_RESP, 0, asked[0].sequence);
    assert!(feed(&mut session, at(36), &answer).0.is_empty());
    let (events, _) = feed(&mut session, at(36), &answer);
    assert_eq!(events, ["Counted(UnknownResponse)"], "an answer too many does no harm");
    for round in 1..20 {
        let (events, asked) = pass(&mut session, at(36 + 40 * round));
        assert!(events.is_empty(), "{events:?}");
        for header in asked {
            let answer = empty(C::ENQUIRE_LINK_RESP, 0, header.sequence);
            feed(&mut session, at(36 + 40 * round), &answer);
        }
    }
}

#[test]
fn an_inactive_peer_is_closed_though_it_answers_enquire_link() {
    let config = SessionConfig { inactivity_timeout: at(100), ..SessionConfig::default() };
    let mut session = bound_smsc(config, BindKind::Transceiver);
    feed(&mut session, at(20), &message(C::SUBMIT_SM, 2, b"x"));
    for second in 21..120 {
        let alive = feed(&mut session, at(second), &empty(C::ENQUIRE_LINK, 0, 3));
        assert_eq!(alive.1.len(), 1);
        assert!(pass(&mut session, at(second)).0.is_empty());
    }
    let (events, _) = pass(&mut session, at(120));
    assert_eq!(events, ["Close { reason: Inactivity }"]);
}

#[test]
fn nothing_is_done_after_a_close_but_giving_tokens_back() {
    let mut session = esme(10);
    submit(&mut session, at(0), 1);
    session.handle_bytes(at(1), &[0xFF; 16]);
    let (events, _) = drain(&mut session);
    assert_eq!(events.len(), 1);
    assert!(events[0].starts_with("Close"));
    let (events, written) = feed(&mut session, at(2), &empty(C::ENQUIRE_LINK, 0, 1));
    assert!(events.is_empty() && written.is_empty());
    assert!(pass(&mut session, at(500)).0.is_empty());
    assert_eq!(session.submit(at(2), 1, &text()), Err(SubmitRefused::NotBound));
    session.handle_closed(at(3));
    let (events, _) = drain(&mut session);
    assert_eq!(events, ["OutcomeUnknown { token: 100, reason: SessionLost }"]);
}
