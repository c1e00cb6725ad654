//! Sessions recorded between other implementations, replayed to our side of the line. Test code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use std::time::Duration;

use common::{headers, list, load, text, unhex};
use postrider_smpp::command::CommandId as C;
use postrider_smpp::pdu::{Body, Frame, decode, next_frame};
use postrider_smpp::session::{CloseReason, Event, Role, Session, SessionConfig};
use postrider_smpp::tlv::Tlvs;
use serde_json::Value;

/// Steps of a transcript: when, from the client or not, the octets. The last step is the close of TCP.
fn steps(session: &Value) -> Vec<(Duration, bool, Vec<u8>)> {
    list(session, "transcript")
        .iter()
        .filter(|step| step.get("hex").is_some())
        .map(|step| {
            let at = Duration::from_millis(step["t_ms"].as_u64().unwrap());
            (at, text(step, "direction") == "client->server", unhex(text(step, "hex")))
        })
        .collect()
}

fn frame(octets: &[u8]) -> Frame<'_> {
    next_frame(octets, 70_000).unwrap().unwrap().0
}

/// The recorded answer to the request with this command and number.
fn recorded_answer(steps: &[(Duration, bool, Vec<u8>)], command: C, sequence: u32) -> &[u8] {
    let mut answers = steps.iter().filter(|(_, from_client, _)| !from_client);
    let answer = answers.find(|(_, _, octets)| {
        let header = frame(octets).header;
        (header.command, header.sequence) == (command.response(), sequence)
    });
    &answer.unwrap().2
}

#[test]
fn our_server_answers_recorded_clients_as_their_servers_did() {
    let file = load("sessions.json");
    let sessions = list(&file, "sessions");
    assert_eq!(sessions.len(), 3);
    for recorded in sessions {
        let client = text(recorded, "client");
        let steps = steps(recorded);
        let mut session = Session::new(SessionConfig { role: Role::Smsc, ..Default::default() });
        session.handle_connected(Duration::ZERO);
        let mut closed = None;
        for (now, from_client, octets) in &steps {
            if !from_client {
                continue;
            }
            let asked = frame(octets).header;
            session.handle_bytes(*now, octets);
            let mut todo = Vec::new();
            while let Some(event) = session.poll_event() {
                match event {
                    Event::BindRequested { sequence, .. } => todo.push((asked.command, sequence)),
                    Event::Message { command, sequence, .. }
                    | Event::Request { command, sequence, .. } => todo.push((command, sequence)),
                    Event::Close { reason } => closed = Some(reason),
                    // Answers to what only the recorded server sent.
                    Event::Counted(_) => assert!(asked.command.is_response()),
                    Event::PeerUnbound => assert_eq!(asked.command, C::UNBIND),
                    other => panic!("{client}: {other:?}"),
                }
            }
            for (command, sequence) in todo {
                let answer = frame(recorded_answer(&steps, command, sequence));
                let status = answer.header.status.0;
                if command == C::BIND_TRANSCEIVER {
                    session.answer_bind(sequence, status);
                    while session.poll_event().is_some() {}
                } else {
                    let body = match decode(&answer).unwrap() {
                        _ if answer.body.is_empty() => Body::Empty { tlvs: Tlvs::default() },
                        body => body,
                    };
                    session.respond_with(command, sequence, status, &body);
                }
            }
            let mut out = Vec::new();
            session.take_output(&mut out);
            match asked.command {
                command if command.is_response() => assert!(out.is_empty()),
                command => {
                    let recorded = recorded_answer(&steps, command, asked.sequence);
                    let (written, wanted) = (headers(&out), frame(recorded).header);
                    assert_eq!(written.len(), 1, "{client}");
                    let got = (written[0].command, written[0].status, written[0].sequence);
                    assert_eq!(
                        got,
                        (command.response(), wanted.status, asked.sequence),
                        "{client}"
                    );
                    if matches!(command, C::SUBMIT_SM | C::QUERY_SM) {
                        assert_eq!(out, recorded, "{client}: octet for octet");
                    }
                }
            }
        }
        assert_eq!(closed, Some(CloseReason::PeerUnbound), "{client}");
    }
}

#[test]
fn our_client_understands_recorded_servers() {
    let file = load("sessions.json");
    for recorded in list(&file, "sessions") {
        let server = text(recorded, "server");
        let steps = steps(recorded);
        let mut session = Session::new(SessionConfig::default());
        session.handle_connected(Duration::ZERO);
        let mut tokens = std::collections::BTreeMap::new();
        let (mut responses, mut receipts) = (0, 0);
        for (now, from_client, octets) in &steps {
            let header = frame(octets).header;
            let mut octets = octets.clone();
            if *from_client {
                if let Ok(Body::Message(message)) = decode(&frame(&octets)) {
                    let ours = session.submit(*now, header.sequence.into(), &message).unwrap();
                    tokens.insert(header.sequence, ours);
                }
                continue;
            }
            // The recorded client numbered its requests in another way than we do.
            let ours = match header.command {
                C::SUBMIT_SM_RESP => tokens[&header.sequence],
                C::BIND_TRANSCEIVER_RESP if header.status.0 == 0 => 1,
                C::BIND_TRANSCEIVER_RESP | C::QUERY_SM_RESP | C::ENQUIRE_LINK_RESP => continue,
                _ => header.sequence,
            };
            octets[12..16].copy_from_slice(&ours.to_be_bytes());
            session.handle_bytes(*now, &octets);
            let mut to_answer = Vec::new();
            while let Some(event) = session.poll_event() {
                match event {
                    Event::Response { token, status, late: false, .. } => {
                        assert_eq!((token, status), (u64::from(header.sequence), header.status.0));
                        responses += 1;
                    }
                    Event::Message { command, sequence, message } => {
                        let receipt = postrider_smpp::receipt::parse_receipt(&message).unwrap();
                        assert_eq!(receipt.text_id, None);
                        assert!(receipt.state.unwrap().is_final());
                        receipts += 1;
                        to_answer.push((command, sequence));
                    }
                    Event::Bound { .. } | Event::Counted(_) => {}
                    other => panic!("{server}: {other:?}"),
                }
            }
            for (command, sequence) in to_answer {
                session.respond(command, sequence, 0, b"");
            }
            session.take_output(&mut Vec::new());
        }
        assert_eq!(responses, tokens.len(), "{server}: every message was answered");
        let sent = |pdu: &str| {
            list(recorded, "transcript").iter().filter(|step| step["pdu"] == pdu).count()
        };
        assert_eq!(receipts, sent("deliver_sm"), "{server}");
        assert!(responses >= 2);
    }
}
