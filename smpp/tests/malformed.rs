//! Hostile and odd PDUs, and streams cut in odd places: each has its reaction. Test code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{at, bound_esme, bound_smsc, drain, headers, list, load, text, unhex};
use postrider_smpp::command::CommandId as C;
use postrider_smpp::json::pdu_to_json;
use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::session::{BindKind, Event, Session, SessionConfig, State};

/// Who receives the octets, in which state.
#[derive(Copy, Clone)]
enum To {
    /// An ESME, bound.
    Esme,
    /// An ESME whose messages 2 to 11 wait for their answers; the token is the sequence number.
    EsmeWaiting,
    /// A server whose messages 1 to 10 wait for their answers; the token is the sequence number.
    SmscWaiting,
    /// An ESME whose bind waits for its answer.
    EsmeBinding,
    /// A server that nobody is bound to.
    SmscOpen,
    /// A server with a bound peer.
    Smsc(BindKind),
}

/// What must follow.
enum Then {
    /// A close for a reason, after this PDU was written, if any.
    Close(&'static str, Option<(C, u32)>),
    /// One PDU is written, with the sequence number of the request.
    Answer(C, u32),
    /// A message comes out with this text.
    Message(&'static [u8]),
    /// A response comes out for the waiting message: its status and id.
    Response(u32, &'static [u8]),
    /// Nothing but this event, and nothing is written.
    Event(&'static str),
    /// Nothing at all.
    Nothing,
    /// Two answers with sequence numbers 1 and 2.
    BothAnswered,
}

fn reaction(id: &str) -> (To, Then) {
    use Then::{Answer, BothAnswered, Close, Event, Message, Nothing, Response};
    let trx = To::Smsc(BindKind::Transceiver);
    let nack = Some((C::GENERIC_NACK, 2));
    match id {
        "len-0" => (trx, Close("Framing(TooShort(0))", nack)),
        "len-15" => (trx, Close("Framing(TooShort(15))", nack)),
        "len-tls" => (To::Esme, Close("Framing(TooLong(352518400))", None)),
        "len-huge" => (trx, Close("Framing(TooLong(4026531856))", nack)),
        "cmd-unknown" | "cmd-huawei" => (trx, Answer(C::GENERIC_NACK, 3)),
        "cmd-unknown-resp" => (To::Esme, Event("Counted(UnknownCommand)")),
        "gnack-with-body" => (To::EsmeWaiting, Response(3, b"")),
        "cstr-unterminated" => (trx, Answer(C::SUBMIT_SM_RESP, 2)),
        "cstr-too-long" => (trx, Answer(C::SUBMIT_SM_RESP, 0x0A)),
        "password-16" => (To::SmscOpen, Event("BindRequested")),
        "sm-length-overrun" => (trx, Answer(C::SUBMIT_SM_RESP, 1)),
        "stray-nul" | "tlv-zero" | "tlv-no-nul" => (To::Esme, Message(b"hi")),
        "request-with-status" | "tlv-unknown" | "tlv-int-wrong-length" => (trx, Message(b"hi")),
        "stray-3" => (To::EsmeWaiting, Response(0, b"abc")),
        "tlv-dup" => (To::Esme, Message(b"one")),
        "both-sm-and-payload" => (trx, Answer(C::SUBMIT_SM_RESP, 0xC1)),
        "udhl-overrun" => (To::Esme, Message(&[0x28, 0, 3, 1])),
        "udh-ie-overrun" => (To::Esme, Message(&[5, 0, 9, 1, 2, 1, b'h', b'i'])),
        "concat-total-0" => (To::Esme, Message(&[5, 0, 3, 7, 0, 0, b'h', b'i'])),
        "concat-seq-gt-total" => (To::Esme, Message(&[5, 0, 3, 7, 2, 3, b'h', b'i'])),
        "time-month-13" => (trx, Answer(C::SUBMIT_SM_RESP, 0x61)),
        "body-on-error" => (To::EsmeWaiting, Response(0x0A, b"00000000")),
        "no-body-deliver-resp" => (To::SmscWaiting, Response(0, b"")),
        "bind-resp-no-body-ok" => {
            (To::EsmeBinding, Event("Bound { kind: Transceiver, peer_version: None }"))
        }
        "resp-unknown-seq" => (To::Esme, Event("Counted(UnknownResponse)")),
        "seq-0" => (trx, Answer(C::ENQUIRE_LINK_RESP, 0)),
        "two-in-one" => (trx, BothAnswered),
        "submit-in-open" => (To::SmscOpen, Answer(C::SUBMIT_SM_RESP, 4)),
        "submit-on-rx" => (To::Smsc(BindKind::Receiver), Answer(C::SUBMIT_SM_RESP, 4)),
        "congestion-in-34" => (To::EsmeWaiting, Response(0, b"0123456789")),
        "submit_multi-dest-flag-3" => (trx, Answer(C::SUBMIT_MULTI_RESP, 0x40)),
        _ => (To::Esme, Nothing),
    }
}

fn session(to: To) -> Session {
    let config = SessionConfig::default();
    match to {
        To::Esme => bound_esme(config),
        To::EsmeWaiting => waiting(bound_esme(config), 2),
        To::SmscWaiting => waiting(bound_smsc(config, BindKind::Transceiver), 1),
        To::EsmeBinding => {
            let mut session = Session::new(config);
            session.handle_connected(at(0));
            drain(&mut session);
            session
        }
        To::SmscOpen => {
            let role = postrider_smpp::session::Role::Smsc;
            let mut session = Session::new(SessionConfig { role, ..config });
            session.handle_connected(at(0));
            session
        }
        To::Smsc(kind) => bound_smsc(config, kind),
    }
}

/// Submits ten messages, numbered from `first`.
fn waiting(mut session: Session, first: u32) -> Session {
    for sequence in first..first + 10 {
        let message = ShortMessage::default();
        assert_eq!(session.submit(at(0), sequence.into(), &message), Ok(sequence));
    }
    drain(&mut session);
    session
}

#[test]
fn every_hostile_pdu_gets_its_reaction() {
    let file = load("malformed.json");
    let vectors = list(&file, "vectors");
    assert_eq!(vectors.len(), 36);
    for vector in vectors {
        let id = text(vector, "id");
        let octets = unhex(text(vector, "hex"));
        let (to, then) = reaction(id);
        assert!(!matches!(then, Then::Nothing), "{id} has no reaction here");
        let mut session = session(to);
        session.handle_bytes(at(1), &octets);
        if !holds(&mut session, &octets, &then) {
            panic!("{id}: {:?}", drain(&mut session));
        }
        let survives = session.state() != State::Closed;
        assert_eq!(survives, vector["connection_survives"].as_bool().unwrap(), "{id}");
        let shown = pdu_to_json(&octets);
        if vector["must_parse"].as_bool().unwrap() && id != "two-in-one" {
            assert!(shown.get("error").is_none(), "{id}: {shown}");
        }
    }
}

/// True when the session does what `then` says.
fn holds(session: &mut Session, octets: &[u8], then: &Then) -> bool {
    match (then, session.poll_event()) {
        (Then::Message(wanted), Some(Event::Message { message, .. })) => message.text() == *wanted,
        (
            Then::Response(status, id),
            Some(Event::Response { token, status: got, message_id, late: false, .. }),
        ) => {
            let sequence = u64::from(u32::from_be_bytes(octets[12..16].try_into().unwrap()));
            (token, got, message_id) == (sequence, *status, *id) && {
                let (rest, out) = drain(session);
                rest.iter().all(|event| event.contains("Counted")) && out.is_empty()
            }
        }
        (then, first) => {
            let first = first.map(|event| format!("{event:?}"));
            let (rest, out) = drain(session);
            let written: Vec<_> =
                headers(&out).iter().map(|h| (h.command, h.status.0, h.sequence)).collect();
            let sequence = octets.get(12..16).map(|s| u32::from_be_bytes(s.try_into().unwrap()));
            match then {
                Then::Close(reason, nack) => {
                    let wanted: Vec<_> = nack.iter().map(|(c, s)| (*c, *s, 0)).collect();
                    first.is_some_and(|event| event.contains(reason)) && written == wanted
                }
                Then::Answer(command, status) => {
                    written == [(*command, *status, sequence.unwrap())]
                }
                Then::Event(wanted) => {
                    first.is_some_and(|event| event.contains(wanted))
                        && rest.is_empty()
                        && written.is_empty()
                }
                Then::BothAnswered => {
                    written == [(C::ENQUIRE_LINK_RESP, 0, 1), (C::ENQUIRE_LINK_RESP, 0, 2)]
                }
                Then::Nothing | Then::Message(_) | Then::Response(..) => false,
            }
        }
    }
}

#[test]
fn a_long_sender_and_both_texts_are_taken_from_a_carrier() {
    let file = load("malformed.json");
    for (id, wanted) in [("cstr-too-long", &b"hi"[..]), ("both-sm-and-payload", b"payload")] {
        let vector = list(&file, "vectors").iter().find(|v| text(v, "id") == id).unwrap();
        let mut octets = unhex(text(vector, "hex"));
        octets[7] = 5;
        let mut session = session(To::Esme);
        session.handle_bytes(at(1), &octets);
        let event = session.poll_event();
        assert!(matches!(event, Some(Event::Message { message, .. }) if message.text() == wanted));
    }
}

#[test]
fn a_password_of_16_octets_reaches_the_one_who_checks_it() {
    let file = load("malformed.json");
    let vector = list(&file, "vectors").iter().find(|v| text(v, "id") == "password-16").unwrap();
    let mut session = session(To::SmscOpen);
    session.handle_bytes(at(1), &unhex(text(vector, "hex")));
    let event = session.poll_event();
    assert!(
        matches!(event, Some(Event::BindRequested { bind, .. }) if bind.password == [b'p'; 16])
    );
}

#[test]
fn several_pdus_on_one_line_are_an_error_of_the_json_view() {
    let shown =
        pdu_to_json(&unhex("0000001000000015000000000000000100000010000000150000000000000002"));
    assert!(shown["error"].is_string());
    let one = pdu_to_json(&unhex("00000010000000150000000000000001"));
    assert_eq!(one["command"], "enquire_link");
    for broken in ["", "0000", "00000010000000150000", "00000010000001040000000000000001"] {
        assert!(pdu_to_json(&unhex(broken))["error"].is_string(), "{broken}");
    }
    let tls = pdu_to_json(&unhex("15030100020246"));
    assert!(tls["error"].as_str().unwrap().contains("TLS"));
}

#[test]
fn cut_streams_give_every_pdu_and_a_stalled_one_closes() {
    let file = load("malformed.json");
    let tests = list(&file, "stream_tests");
    assert_eq!(tests.len(), 10);
    for test in tests {
        let id = text(test, "id");
        let stream = unhex(text(test, "stream_hex"));
        let sizes = list(test, "chunk_sizes").iter().map(|size| size.as_u64().unwrap() as usize);
        let mut session = session(To::Esme);
        let (mut rest, mut messages) = (&stream[..], 0);
        for size in sizes.cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, behind) = rest.split_at(size.min(rest.len()));
            rest = behind;
            session.handle_bytes(at(1), chunk);
            while let Some(event) = session.poll_event() {
                assert!(
                    matches!(event, Event::Message { message, .. } if message.text() == b"partial")
                );
                messages += 1;
            }
        }
        assert_eq!(messages, test["expected_pdus"].as_u64().unwrap(), "{id}");
        if id == "slowloris" {
            assert_eq!(session.poll_timeout(), Some(at(11)), "10 s after the first octet");
            session.handle_timeout(at(11));
            let (events, _) = drain(&mut session);
            assert_eq!(events, ["Close { reason: PduReadTimeout }"]);
        } else {
            assert_eq!(session.poll_timeout(), Some(at(31)), "only enquire_link is due");
        }
    }
}

#[test]
fn json_view_shows_parameters_where_nothing_else_is() {
    // A refusal, and an answer without fields, each with congestion_state alone.
    for pdu in ["00000015800000040000005800000001", "00000015800000080000000000000001"] {
        let shown = pdu_to_json(&unhex(&format!("{pdu}0428000163")));
        assert_eq!(shown["fields"], serde_json::json!({}), "{shown}");
        assert_eq!(shown["tlvs"][0]["name"], "congestion_state");
        assert_eq!(shown["tlvs"][0]["value"], 99);
    }
}
