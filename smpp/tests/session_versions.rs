//! What the versions of both sides change: which is spoken, which parameters and texts are written, which are
//! read, what load a 5.0 peer reports (3.4 sections 3.3 and 5.3.2.25, 5.0 section 4.8.4.18). Test code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{
    answer, at, bind, bound_esme, bound_esme_to, bound_smsc_to, drain, empty, feed, headers,
};
use postrider_smpp::command::CommandId as C;
use postrider_smpp::pdu::{
    Body, EncodeHead, ShortMessage, UnsuccessSmes, decode_for, encode, encode_bind_response,
    next_frame,
};
use postrider_smpp::pdu::{QuerySmResp, SubmitMultiResp};
use postrider_smpp::session::{BindKind, Event, Session, SessionConfig, SubmitRefused};
use postrider_smpp::status::CommandStatus;
use postrider_smpp::tlv::{Tlv, Tlvs, tag};

fn config(version: u8) -> SessionConfig {
    SessionConfig { interface_version: version, ..SessionConfig::default() }
}

fn area(tlvs: &[(u16, &[u8])]) -> Vec<u8> {
    let mut area = Vec::new();
    for (tag, value) in tlvs {
        assert!(Tlv { tag: *tag, value }.write(&mut area));
    }
    area
}

/// The message that the session wrote.
fn written(session: &mut Session) -> (C, Vec<u8>, Vec<u16>) {
    let (_, out) = drain(session);
    let (frame, used) = next_frame(&out, u32::MAX).unwrap().unwrap();
    assert_eq!(used, out.len(), "one PDU");
    let Ok(Body::Message(message)) = decode_for(0x50, &frame) else { panic!("a message") };
    let tags = message.tlvs.map(|tlv| tlv.tag).collect();
    (frame.header.command, message.text().to_vec(), tags)
}

#[test]
fn the_lesser_version_of_both_sides_is_spoken_and_a_peer_that_names_none_is_of_3_4() {
    for (ours, theirs, spoken) in [
        (0x34, None, 0x34),
        (0x34, Some(0x34), 0x34),
        (0x34, Some(0x50), 0x34),
        (0x34, Some(0x33), 0x33),
        (0x50, None, 0x34),
        (0x50, Some(0x34), 0x34),
        (0x50, Some(0x50), 0x50),
        (0x50, Some(0x51), 0x50),
        (0x33, None, 0x33),
        (0x33, Some(0x50), 0x33),
    ] {
        let session = bound_esme_to(config(ours), theirs);
        assert_eq!(session.version(), spoken, "ESME {ours:#x} to {theirs:x?}");
        let Some(theirs) = theirs else { continue };
        let session = bound_smsc_to(config(ours), BindKind::Transceiver, theirs);
        assert_eq!(session.version(), spoken, "SMSC {ours:#x} to {theirs:#x}");
    }
    let mut session = bound_esme_to(config(0x50), Some(0x34));
    session.handle_closed(at(1));
    assert_eq!(session.version(), 0x50, "the next connection starts with ours");
}

#[test]
fn the_answer_to_a_bind_names_our_version_when_the_peer_knows_parameters_and_we_mean_to() {
    for (theirs, announce, named) in [
        (0x34, true, Some(0x50)),
        (0x50, true, Some(0x50)),
        (0x33, true, None),
        (0x00, true, None),
        (0x34, false, None),
    ] {
        let announce_version = announce;
        let mut session = Session::new(SessionConfig {
            role: postrider_smpp::session::Role::Smsc,
            system_id: "MC".into(),
            announce_version,
            ..config(0x50)
        });
        session.handle_connected(at(0));
        feed(&mut session, at(0), &bind(BindKind::Transmitter, 1, theirs));
        session.answer_bind(1, 0);
        let mut wanted = Vec::new();
        let response = C::BIND_TRANSMITTER_RESP;
        encode_bind_response(&mut wanted, response, 1, b"MC", named).unwrap();
        assert_eq!(drain(&mut session).1, wanted, "{theirs:#x}");
    }
}

#[test]
fn parameters_that_the_peers_version_does_not_know_are_left_out_of_messages() {
    let area = area(&[
        (tag::BILLING_IDENTIFICATION, b"\x01x"),
        (tag::USER_MESSAGE_REFERENCE, &[0, 7]),
        (tag::DEST_ADDR_NP_COUNTRY, b"\x01"),
        (0x1400, b"vendor"),
    ]);
    let all: &[u16] = &[
        tag::BILLING_IDENTIFICATION,
        tag::USER_MESSAGE_REFERENCE,
        tag::DEST_ADDR_NP_COUNTRY,
        0x1400,
    ];
    let tlvs = Tlvs::new(&area);
    let message = ShortMessage { short_message: b"hi", tlvs, ..ShortMessage::default() };
    for (version, tags) in
        [(0x33, &[][..]), (0x34, &[tag::USER_MESSAGE_REFERENCE, 0x1400]), (0x50, all)]
    {
        let mut esme = bound_esme_to(config(version), Some(0x50));
        let mut smsc = bound_smsc_to(config(0x50), BindKind::Transceiver, version);
        for (session, command) in [(&mut esme, C::SUBMIT_SM), (&mut smsc, C::DELIVER_SM)] {
            session.submit(at(0), 1, &message).unwrap();
            let (got, text, left) = written(session);
            assert_eq!((got, &text[..], &left[..]), (command, &b"hi"[..], tags), "{version:#x}");
        }
    }
    let broken = ShortMessage { tlvs: Tlvs::new(&area[..area.len() - 1]), ..message };
    let refused = bound_esme(config(0x34)).submit(at(0), 1, &broken);
    assert!(matches!(refused, Err(SubmitRefused::Encode(_))), "not cut silently: {refused:?}");
}

#[test]
fn a_text_that_only_a_parameter_can_hold_is_not_sent_to_a_peer_below_3_4() {
    let area = area(&[(tag::MESSAGE_PAYLOAD, b"long")]);
    let message = ShortMessage { tlvs: Tlvs::new(&area), ..ShortMessage::default() };
    for version in [0x33, 0x34, 0x50] {
        for command in [C::DELIVER_SM, C::DATA_SM] {
            let mut session = bound_smsc_to(config(0x50), BindKind::Transceiver, version);
            let sent = session.submit_as(command, at(0), 1, &message);
            if version < 0x34 {
                assert_eq!(sent, Err(SubmitRefused::NotInVersion));
                assert!(!session.has_output() && session.in_flight() == 0);
            } else {
                assert!(sent.is_ok());
                let (got, text, _) = written(&mut session);
                assert_eq!((got, &text[..]), (command, &b"long"[..]));
            }
        }
    }
}

#[test]
fn data_sm_goes_where_the_version_allows_it_and_only_its_own_answer_is_its_success() {
    let message = ShortMessage { dest: b"447700900123", ..ShortMessage::default() };
    let kinds = [BindKind::Transmitter, BindKind::Receiver, BindKind::Transceiver];
    for (version, may) in [(0x34, [true; 3]), (0x50, [true, false, true])] {
        for (kind, may) in kinds.into_iter().zip(may) {
            let config = SessionConfig { bind: kind, ..config(version) };
            let mut session = bound_esme_to(config, Some(version));
            let sent = session.submit_as(C::DATA_SM, at(0), 5, &message);
            assert_eq!(sent.is_ok(), may, "{kind:?} of {version:#x}");
            let Ok(sequence) = sent else { continue };
            drain(&mut session);
            let (events, _) =
                feed(&mut session, at(1), &answer(C::DATA_SM_RESP, 0, sequence, Some(b"id")));
            assert!(events[0].contains("token: 5, status: 0, message_id: [105, 100]"));
        }
    }
    let mut session = bound_esme(config(0x34));
    let sequence = session.submit_as(C::DATA_SM, at(0), 5, &message).unwrap();
    drain(&mut session);
    let (events, _) =
        feed(&mut session, at(1), &answer(C::SUBMIT_SM_RESP, 0, sequence, Some(b"id")));
    assert!(events[0].contains("token: 5, status: 3"), "{events:?}");
    assert_eq!(events[1], "Counted(MismatchedResponse)");
    for command in [C::DELIVER_SM, C::QUERY_SM, C::SUBMIT_SM_RESP] {
        let refused = session.submit_as(command, at(1), 6, &message);
        assert_eq!(refused, Err(SubmitRefused::NotBound), "{command:?}");
    }
}

#[test]
fn two_texts_in_one_message_are_refused_in_3_4_and_read_in_5_0() {
    let area = area(&[(tag::MESSAGE_PAYLOAD, b"payload")]);
    let tlvs = Tlvs::new(&area);
    let message = ShortMessage { short_message: b"short", tlvs, ..ShortMessage::default() };
    let head = EncodeHead {
        command: C::SUBMIT_SM,
        status: CommandStatus::ESME_ROK,
        sequence: 9,
        version: 0x50,
    };
    let mut octets = Vec::new();
    encode(&mut octets, head, &Body::Message(message)).unwrap();
    let mut of_3_4 = bound_smsc_to(config(0x50), BindKind::Transceiver, 0x34);
    let (events, written) = feed(&mut of_3_4, at(1), &octets);
    assert_eq!(events, ["Counted(MalformedPdu)"]);
    assert_eq!((written[0].command, written[0].status.0), (C::SUBMIT_SM_RESP, 0xC1));
    let mut of_5_0 = bound_smsc_to(config(0x50), BindKind::Transceiver, 0x50);
    of_5_0.handle_bytes(at(1), &octets);
    let Some(Event::Message { message, .. }) = of_5_0.poll_event() else { panic!("a message") };
    assert_eq!(message.text(), b"payload");
}

#[test]
fn load_that_the_peer_reports_comes_with_its_answers() {
    for (value, wanted) in [
        (Some(&[0_u8][..]), Some(0)),
        (Some(&[100]), Some(100)),
        (Some(&[101]), None),
        (None, None),
    ] {
        for status in [0, 0x58] {
            let mut session = bound_esme_to(config(0x50), Some(0x50));
            let sequence = session.submit(at(0), 1, &ShortMessage::default()).unwrap();
            let tlvs = value.map(|value| area(&[(tag::CONGESTION_STATE, value)]));
            let tlvs = tlvs.unwrap_or_default();
            let id = if status == 0 { &b"id\0"[..] } else { b"" };
            let mut response = empty(C::SUBMIT_SM_RESP, status, sequence);
            response.extend_from_slice(&[id, &tlvs[..]].concat());
            response[3] = response.len() as u8;
            session.handle_bytes(at(1), &response);
            let Some(Event::Response { status: got, congestion, .. }) = session.poll_event() else {
                panic!("a response");
            };
            assert_eq!((got, congestion), (status, wanted));
        }
    }
}

#[test]
fn answers_carry_the_parameters_that_the_peers_version_knows() {
    let area =
        area(&[(tag::CONGESTION_STATE, &[85]), (tag::ADDITIONAL_STATUS_INFO_TEXT, b"why\0")]);
    let tlvs = Tlvs::new(&area);
    for (version, tags) in [
        (0x33, &[][..]),
        (0x34, &[tag::ADDITIONAL_STATUS_INFO_TEXT]),
        (0x50, &[tag::CONGESTION_STATE, tag::ADDITIONAL_STATUS_INFO_TEXT]),
    ] {
        let query =
            QuerySmResp { message_id: b"7", message_state: 2, tlvs, ..QuerySmResp::default() };
        let failed = b"\x01\x01447700900123\0\0\0\0\x0B";
        let unsuccessful = UnsuccessSmes::new(1, failed).unwrap();
        let multi = SubmitMultiResp { message_id: b"8", unsuccessful, tlvs };
        let bodies = [
            (C::SUBMIT_SM, Body::MessageResp { message_id: b"1", tlvs }),
            (C::SUBMIT_MULTI, Body::SubmitMultiResp(multi)),
            (C::QUERY_SM, Body::QueryResp(query)),
            (C::CANCEL_SM, Body::Empty { tlvs }),
            (C::REPLACE_SM, Body::Empty { tlvs }),
        ];
        for (command, body) in &bodies {
            let mut session = bound_smsc_to(config(0x50), BindKind::Transceiver, version);
            feed(&mut session, at(1), &common::sample(*command, 4));
            session.respond_with(*command, 4, 0, body);
            let (_, out) = drain(&mut session);
            assert_eq!(headers(&out).len(), 1, "{command:?} in {version:#x}");
            let (frame, _) = next_frame(&out, u32::MAX).unwrap().unwrap();
            let response = (frame.header.command, frame.header.status.0, frame.header.sequence);
            assert_eq!(response, (command.response(), 0, 4));
            let read = decode_for(version, &frame).unwrap();
            assert_eq!(read.tlvs().map(|tlv| tlv.tag).collect::<Vec<_>>(), tags, "{command:?}");
            if let Body::QueryResp(read) = read {
                assert_eq!(read.message_state, 2);
            }
            if let Body::SubmitMultiResp(read) = read {
                assert_eq!(read.unsuccessful.count(), 1);
            }
            session.respond_with(*command, 4, 0, body);
            assert!(!session.has_output(), "answered already");
        }
    }
}
