//! Every request in every state, of both versions and from both sides, against the state matrices of the
//! specifications (3.4 section 2.3, 5.0 section 2.4) as they are printed there. Test code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::places::{Place, places, session_in};
use common::{at, bound_esme_to, drain, empty, headers, sample};
use postrider_smpp::command::CommandId as C;
use postrider_smpp::pdu::encode_bind_response;
use postrider_smpp::session::{Role, Session, SessionConfig, State};

/// A request, who may send it, and in which states by 3.4 and by 5.0.
const LETTER: &[(C, &str, &str, &str)] = &[
    (C::BIND_TRANSMITTER, "ESME", "OPEN", "OPEN OUTBOUND"),
    (C::BIND_RECEIVER, "ESME", "OPEN", "OPEN OUTBOUND"),
    (C::BIND_TRANSCEIVER, "ESME", "OPEN", "OPEN OUTBOUND"),
    (C::OUTBIND, "MC", "OPEN", "OPEN"),
    (C::UNBIND, "ESME MC", "TX RX TRX", "TX RX TRX"),
    (C::SUBMIT_SM, "ESME", "TX TRX", "TX TRX"),
    (C::SUBMIT_MULTI, "ESME", "TX TRX", "TX TRX"),
    (C::QUERY_SM, "ESME", "TX TRX", "TX TRX"),
    (C::CANCEL_SM, "ESME", "TX TRX", "TX TRX"),
    (C::REPLACE_SM, "ESME", "TX", "TX TRX"),
    (C::DATA_SM, "ESME", "TX RX TRX", "TX TRX"),
    (C::DATA_SM, "MC", "TX RX TRX", "RX TRX"),
    (C::DELIVER_SM, "MC", "RX TRX", "RX TRX"),
    (C::ALERT_NOTIFICATION, "MC", "RX TRX", "RX TRX"),
    (C::ENQUIRE_LINK, "ESME MC", "TX RX TRX", "OPEN OUTBOUND TX RX TRX UNBOUND"),
    (C::BROADCAST_SM, "ESME", "", "TX TRX"),
    (C::QUERY_BROADCAST_SM, "ESME", "", "TX TRX"),
    (C::CANCEL_BROADCAST_SM, "ESME", "", "TX TRX"),
];

/// What the gateway takes besides, in either version.
const LIBERTIES: &[(C, &str)] = &[
    (C::ENQUIRE_LINK, "OPEN OUTBOUND TX RX TRX UNBOUND"),
    (C::DELIVER_SM, "TX"),
    (C::REPLACE_SM, "TRX"),
    // 3.4 has no name for this state.
    (C::BIND_TRANSMITTER, "OUTBOUND"),
    (C::BIND_RECEIVER, "OUTBOUND"),
    (C::BIND_TRANSCEIVER, "OUTBOUND"),
    (C::UNBIND, "UNBOUND"),
];

/// What a session does with a request.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Done {
    /// It is handed to the driver as this event.
    Event(&'static str),
    /// It is answered at once: command, status.
    Answered(C, u32),
    /// Nothing is written and nothing handed over.
    Ignored,
}

/// What becomes of a request that may come.
fn taken(command: C) -> Done {
    match command {
        C::BIND_TRANSMITTER | C::BIND_RECEIVER | C::BIND_TRANSCEIVER => {
            Done::Event("BindRequested")
        }
        C::OUTBIND => Done::Event("OutbindRequested"),
        C::SUBMIT_SM | C::DELIVER_SM | C::DATA_SM => Done::Event("Message"),
        C::SUBMIT_MULTI | C::QUERY_SM | C::CANCEL_SM | C::REPLACE_SM => Done::Event("Request"),
        C::ALERT_NOTIFICATION => Done::Event("Alert"),
        // Known, but not served.
        C::BROADCAST_SM => Done::Answered(command.response(), 0x10D),
        C::QUERY_BROADCAST_SM => Done::Answered(command.response(), 0x10E),
        C::CANCEL_BROADCAST_SM => Done::Answered(command.response(), 0x10F),
        C::UNBIND | C::ENQUIRE_LINK => Done::Answered(command.response(), 0),
        other => panic!("no expectation for {other:?}"),
    }
}

/// What is to be done with `command` of `sender` in a state of one version.
fn expected(command: C, sender: &str, version: u8, state: &Place) -> Done {
    let rows: Vec<_> = LETTER.iter().filter(|row| row.0 == command).collect();
    assert!(!rows.is_empty(), "no expectation for {command:?}");
    let within = |states: &str| states.split(' ').any(|name| name == state.letter);
    let column = |row: &&(C, &str, &'static str, &'static str)| {
        if version >= 0x50 { row.3 } else { row.2 }
    };
    let liberty = LIBERTIES.iter().any(|(each, states)| *each == command && within(states));
    let is_bind = matches!(command, C::BIND_TRANSMITTER | C::BIND_RECEIVER | C::BIND_TRANSCEIVER);
    if rows.iter().all(|row| column(row).is_empty()) {
        return Done::Answered(C::GENERIC_NACK, 3);
    }
    let legal = rows
        .iter()
        .filter(|row| row.1.split(' ').any(|name| name == sender))
        .any(|row| within(column(row)) || liberty);
    let busy = state.name == "BINDING" && (is_bind || command == C::OUTBIND);
    match command {
        _ if legal && !busy => taken(command),
        C::OUTBIND | C::ALERT_NOTIFICATION => Done::Ignored,
        _ if is_bind && sender == "ESME" && state.is_bound => Done::Answered(command.response(), 5),
        _ => Done::Answered(command.response(), 4),
    }
}

/// What the session did with a request.
fn done(session: &mut Session, octets: &[u8]) -> Done {
    const EVENTS: [&str; 6] =
        ["BindRequested", "OutbindRequested", "Message", "Request", "Alert", "Response"];
    session.handle_bytes(at(0), octets);
    let (events, out) = drain(session);
    let names: Vec<_> = EVENTS
        .into_iter()
        .filter(|name| events.iter().any(|event| event.split(' ').next() == Some(name)))
        .collect();
    let answers: Vec<_> =
        headers(&out).iter().map(|answer| (answer.command, answer.status.0)).collect();
    match (&names[..], &answers[..]) {
        ([], []) => Done::Ignored,
        ([name], []) => Done::Event(name),
        ([], [(command, status)]) => Done::Answered(*command, *status),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_request_of_either_side_in_every_state_of_both_versions_is_treated_as_the_matrices_say() {
    let mut cells = 0;
    for command in C::ALL.iter().copied().filter(|command| !command.is_response()) {
        let octets = sample(command, 70);
        for (sender, role) in [("ESME", Role::Smsc), ("MC", Role::Esme)] {
            for version in [0x34, 0x50] {
                for place in &places() {
                    let wanted = expected(command, sender, version, place);
                    let mut session = session_in(role, version, place);
                    let before = session.state();
                    let cell = format!(
                        "{command:?} of {sender} in {} ({}), {version:#x}",
                        place.name, place.letter
                    );
                    assert_eq!(done(&mut session, &octets), wanted, "{cell}");
                    let refused = matches!(wanted, Done::Answered(_, 1..) | Done::Ignored);
                    assert!(!refused || session.state() == before, "{cell}: it ended the session");
                    cells += 1;
                }
            }
        }
    }
    assert_eq!(cells, 17 * 2 * 2 * 10, "requests, senders, versions, states");
}

#[test]
fn nothing_is_read_without_a_connection() {
    for role in [Role::Esme, Role::Smsc] {
        let mut session = Session::new(SessionConfig { role, ..SessionConfig::default() });
        assert_eq!(session.state(), State::Closed);
        assert_eq!(done(&mut session, &empty(C::ENQUIRE_LINK, 0, 1)), Done::Ignored);
    }
}

#[test]
fn any_response_to_our_own_bind_unbind_and_enquire_link_closes_it() {
    for response in C::ALL.iter().copied().filter(|command| command.is_response()) {
        let is_bind = matches!(
            response,
            C::BIND_TRANSMITTER_RESP | C::BIND_RECEIVER_RESP | C::BIND_TRANSCEIVER_RESP
        );
        let nack = response == C::GENERIC_NACK;

        let mut binding = Session::new(SessionConfig::default());
        binding.handle_connected(at(0));
        drain(&mut binding);
        let mut octets = Vec::new();
        encode_bind_response(&mut octets, response, 1, b"MC", None).unwrap();
        binding.handle_bytes(at(1), &octets);
        let (events, _) = drain(&mut binding);
        assert_eq!(events.iter().any(|event| event.starts_with("Bound")), is_bind, "{response:?}");
        assert_eq!(events.iter().any(|event| event == "BindRefused { status: 3 }"), !is_bind);

        let mut asking = bound_esme_to(SessionConfig::default(), None);
        asking.handle_timeout(at(30));
        let (_, out) = drain(&mut asking);
        let [asked] = headers(&out)[..] else { panic!("an enquire_link") };
        asking.handle_bytes(at(31), &empty(response, 0, asked.sequence));
        let (events, _) = drain(&mut asking);
        let fits = response == C::ENQUIRE_LINK_RESP || nack;
        let mismatch = vec!["Counted(MismatchedResponse)".to_owned()];
        assert_eq!(events, if fits { vec![] } else { mismatch.clone() }, "{response:?}");
        asking.handle_bytes(at(31), &empty(response, 0, asked.sequence));
        assert_eq!(drain(&mut asking).0, ["Counted(UnknownResponse)"], "{response:?} twice");

        let mut ending = bound_esme_to(SessionConfig::default(), None);
        ending.unbind(at(1));
        let (_, out) = drain(&mut ending);
        ending.handle_bytes(at(2), &empty(response, 0, headers(&out)[0].sequence));
        let (events, _) = drain(&mut ending);
        let close = vec!["Close { reason: Unbound }".to_owned()];
        let fits = response == C::UNBIND_RESP || nack;
        let mut wanted = if fits { vec![] } else { mismatch };
        wanted.extend(close);
        assert_eq!(events, wanted, "{response:?}");
    }
}
