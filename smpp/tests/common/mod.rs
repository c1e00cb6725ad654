//! What the tests share: reading the vector files, sessions that are bound already. Test code.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod places;

use std::path::Path;
use std::time::Duration;

use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::{
    AlertNotification, Bind, Body, BroadcastSm, CancelBroadcastSm, CancelSm, DestAddresses,
    EncodeError, EncodeHead, Header, QuerySm, QuerySmResp, ReplaceSm, ShortMessage, SubmitMulti,
    SubmitMultiResp, encode, encode_bind, encode_bind_response, encode_empty, encode_message,
    encode_response, next_frame,
};
use postrider_smpp::session::{BindKind, Role, Session, SessionConfig, State};
use postrider_smpp::status::CommandStatus;
use postrider_smpp::tlv::Tlvs;
use serde_json::Value;

pub(crate) fn load(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap()
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A number written as `0x..`.
pub(crate) fn number(text: &str) -> u32 {
    u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}

/// Every PDU of the three generated files.
pub(crate) fn generated() -> Vec<Value> {
    ["smpplib.json", "smpp_pdu3.json", "node-smpp.json"]
        .into_iter()
        .flat_map(|file| list(&load(file), "vectors").to_vec())
        .collect()
}

/// The octets of every generated PDU.
pub(crate) fn generated_octets() -> &'static Vec<Vec<u8>> {
    static ALL: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    ALL.get_or_init(|| generated().iter().map(|vector| unhex(text(vector, "hex"))).collect())
}

/// A body that `command` may have, with these parameters; `None` for commands that have none.
pub(crate) fn body_of(command: CommandId, tlvs: Tlvs<'_>) -> Option<Body<'_>> {
    use CommandId as C;
    let message = ShortMessage { tlvs, ..ShortMessage::default() };
    static ONE: &[u8] = b"\x02friends\0";
    let destinations = DestAddresses::new(1, ONE).unwrap();
    Some(match command {
        C::BIND_RECEIVER
        | C::BIND_TRANSMITTER
        | C::BIND_TRANSCEIVER
        | C::OUTBIND
        | C::UNBIND
        | C::ENQUIRE_LINK => return None,
        C::SUBMIT_SM | C::DELIVER_SM | C::DATA_SM => Body::Message(message),
        C::SUBMIT_MULTI => Body::SubmitMulti(SubmitMulti { destinations, message }),
        C::SUBMIT_MULTI_RESP => {
            Body::SubmitMultiResp(SubmitMultiResp { tlvs, ..SubmitMultiResp::default() })
        }
        C::QUERY_SM | C::QUERY_BROADCAST_SM => Body::Query(QuerySm { tlvs, ..QuerySm::default() }),
        C::QUERY_SM_RESP => Body::QueryResp(QuerySmResp { tlvs, ..QuerySmResp::default() }),
        C::CANCEL_SM => Body::Cancel(CancelSm { tlvs, ..CancelSm::default() }),
        C::REPLACE_SM => Body::Replace(ReplaceSm { tlvs, ..ReplaceSm::default() }),
        C::ALERT_NOTIFICATION => {
            Body::Alert(AlertNotification { tlvs, ..AlertNotification::default() })
        }
        C::BROADCAST_SM => Body::Broadcast(BroadcastSm { tlvs, ..BroadcastSm::default() }),
        C::CANCEL_BROADCAST_SM => {
            Body::CancelBroadcast(CancelBroadcastSm { tlvs, ..CancelBroadcastSm::default() })
        }
        C::BIND_RECEIVER_RESP | C::BIND_TRANSMITTER_RESP | C::BIND_TRANSCEIVER_RESP => {
            Body::BindResp { system_id: b"", tlvs }
        }
        C::SUBMIT_SM_RESP
        | C::DELIVER_SM_RESP
        | C::DATA_SM_RESP
        | C::BROADCAST_SM_RESP
        | C::QUERY_BROADCAST_SM_RESP => Body::MessageResp { message_id: b"", tlvs },
        _ => Body::Empty { tlvs },
    })
}

/// Writes a body with sequence number 1 and status 0.
pub(crate) fn encoded(
    command: CommandId,
    version: u8,
    body: &Body<'_>,
) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    let status = CommandStatus::ESME_ROK;
    encode(&mut out, EncodeHead { command, status, sequence: 1, version }, body)?;
    Ok(out)
}

pub(crate) fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A session's events as owned text, so that more than one can be held, and its output.
pub(crate) fn drain(session: &mut Session) -> (Vec<String>, Vec<u8>) {
    let mut events = Vec::new();
    while let Some(event) = session.poll_event() {
        events.push(format!("{event:?}"));
    }
    let mut out = Vec::new();
    session.take_output(&mut out);
    (events, out)
}

/// An ESME that was just bound, at time 0; its bind had sequence number 1. The peer named no version.
pub(crate) fn bound_esme(config: SessionConfig) -> Session {
    bound_esme_to(config, None)
}

/// As [`bound_esme`], to a peer that names this version.
pub(crate) fn bound_esme_to(config: SessionConfig, version: Option<u8>) -> Session {
    let bind = config.bind;
    let mut session = Session::new(SessionConfig { role: Role::Esme, ..config });
    session.handle_connected(at(0));
    let mut answer = Vec::new();
    let response = bind.command().response();
    encode_bind_response(&mut answer, response, 1, b"SMSC", version).unwrap();
    session.handle_bytes(at(0), &answer);
    drain(&mut session);
    assert_eq!(session.state(), State::Bound(bind));
    session
}

/// A server whose peer, of 3.4, was just bound as `kind`, at time 0.
pub(crate) fn bound_smsc(config: SessionConfig, kind: BindKind) -> Session {
    bound_smsc_to(config, kind, 0x34)
}

/// As [`bound_smsc`], with a peer of this version.
pub(crate) fn bound_smsc_to(config: SessionConfig, kind: BindKind, version: u8) -> Session {
    let mut session = Session::new(SessionConfig { role: Role::Smsc, ..config });
    session.handle_connected(at(0));
    session.handle_bytes(at(0), &bind(kind, 1, version));
    drain(&mut session);
    session.answer_bind(1, 0);
    drain(&mut session);
    assert_eq!(session.state(), State::Bound(kind));
    session
}

/// A bind request of an ESME with this version.
pub(crate) fn bind(kind: BindKind, sequence: u32, version: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let bind = Bind { system_id: b"gw", interface_version: version, ..Bind::default() };
    encode_bind(&mut out, kind.command(), sequence, &bind).unwrap();
    out
}

/// The headers of the PDUs in `octets`.
pub(crate) fn headers(mut octets: &[u8]) -> Vec<Header> {
    let mut headers = Vec::new();
    while let Some((frame, used)) = next_frame(octets, u32::MAX).unwrap() {
        headers.push(frame.header);
        octets = &octets[used..];
    }
    assert!(octets.is_empty(), "only whole PDUs are written");
    headers
}

/// One response.
pub(crate) fn answer(command: CommandId, status: u32, sequence: u32, id: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_response(&mut out, command, CommandStatus(status), sequence, id).unwrap();
    out
}

/// One PDU without a body.
pub(crate) fn empty(command: CommandId, status: u32, sequence: u32) -> Vec<u8> {
    let mut out = Vec::new();
    encode_empty(&mut out, command, CommandStatus(status), sequence).unwrap();
    out
}

/// One message with a text.
pub(crate) fn message(command: CommandId, sequence: u32, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let message = ShortMessage { short_message: text, ..ShortMessage::default() };
    encode_message(&mut out, command, sequence, &message).unwrap();
    out
}

/// Feeds octets, and gives the events as text and the headers of what is written.
pub(crate) fn feed(
    session: &mut Session,
    now: Duration,
    octets: &[u8],
) -> (Vec<String>, Vec<Header>) {
    session.handle_bytes(now, octets);
    let (events, out) = drain(session);
    (events, headers(&out))
}

/// Lets time pass, and gives the events as text and the headers of what is written.
pub(crate) fn pass(session: &mut Session, now: Duration) -> (Vec<String>, Vec<Header>) {
    session.handle_timeout(now);
    let (events, out) = drain(session);
    (events, headers(&out))
}

/// A sound PDU of a command, as another implementation wrote it, with this number.
pub(crate) fn sample(command: CommandId, sequence: u32) -> Vec<u8> {
    static ALL: std::sync::OnceLock<Vec<Value>> = std::sync::OnceLock::new();
    let vector = ALL
        .get_or_init(generated)
        .iter()
        .filter(|vector| list(vector, "spec_warnings").is_empty())
        .find(|vector| vector["canonical"]["header"]["command"] == command.name().unwrap());
    let mut octets = unhex(text(vector.expect("a vector of every command"), "hex"));
    octets[12..16].copy_from_slice(&sequence.to_be_bytes());
    octets
}
