//! Sessions of both roles in every state, fed with octets nobody meant, cut anywhere, and driven in any order:
//! nothing may panic, what is written must be whole PDUs, cuts must change nothing, every token must come back
//! once. Test code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::places::{places, session_in};
use common::{at, bind, drain, generated_octets, headers};
use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::{
    Body, Outbind, QuerySmResp, ShortMessage, SubmitMultiResp, decode_for, next_frame,
};
use postrider_smpp::session::{BindKind, Event, Role, Session, State};
use postrider_smpp::tlv::Tlvs;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn command() -> impl Strategy<Value = CommandId> {
    prop_oneof![
        8 => select(CommandId::ALL),
        1 => any::<u32>().prop_map(CommandId),
    ]
}

/// Small numbers, so that responses find requests and requests repeat numbers.
fn sequence() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0_u32..6, 1 => any::<u32>()]
}

/// A PDU with a right length around any body.
fn framed(command: CommandId, status: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = 16 + body.len() as u32;
    let words = [length, command.0, status, sequence].map(u32::to_be_bytes).concat();
    [&words[..], body].concat()
}

/// What a peer may send: sound PDUs, damaged ones, right lengths around nonsense, nonsense.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let sound = || {
        (any::<Index>(), sequence()).prop_map(|(which, sequence)| {
            let mut pdu = which.get(generated_octets()).clone();
            pdu[12..16].copy_from_slice(&sequence.to_be_bytes());
            pdu
        })
    };
    prop_oneof![
        12 => sound(),
        4 => (sound(), any::<Index>(), any::<u8>()).prop_map(|(mut pdu, at, octet)| {
            let at = at.index(pdu.len());
            pdu[at] = octet;
            pdu
        }),
        6 => (command(), 0_u32..0x20, sequence(), vec(any::<u8>(), 0..40))
            .prop_map(|(c, status, n, body)| framed(c, status, n, &body)),
        1 => vec(any::<u8>(), 0..30),
    ]
}

/// A session in any state, with a window and an inbound window of three.
fn session() -> impl Strategy<Value = (Role, u8, usize)> {
    (select(&[Role::Esme, Role::Smsc][..]), select(&[0x34_u8, 0x50][..]), 0..places().len())
}

fn build((role, version, place): (Role, u8, usize)) -> Session {
    let mut session = session_in(role, version, &places()[place]);
    session.set_windows(3, 3);
    session
}

/// Events, and what was written, responses and requests apart.
fn feed_cut(session: &mut Session, pieces: &[&[u8]]) -> (Vec<String>, [Vec<u8>; 2]) {
    let mut events = Vec::new();
    let mut written = [Vec::new(), Vec::new()];
    for piece in pieces {
        session.handle_bytes(at(1), piece);
        let (more, out) = drain(session);
        events.extend(more);
        let mut rest = &out[..];
        while let Some((frame, used)) = next_frame(rest, u32::MAX).unwrap() {
            written[usize::from(!frame.header.command.is_response())].extend(&rest[..used]);
            rest = &rest[used..];
        }
        assert!(rest.is_empty(), "only whole PDUs are written");
    }
    (events, written)
}

/// What a driver may do, in any order, and what may happen to it.
#[derive(Clone, Debug)]
enum Op {
    Feed(Vec<u8>),
    Pass(u64),
    Submit(CommandId, bool),
    Respond(CommandId, u32, u32),
    RespondWith(CommandId, u32, u8),
    AnswerBind(u32, u32),
    AnswerOutbind(bool),
    Outbind,
    Unbind,
    Windows(u16, u16),
    Close,
    Connect,
    Accept,
}

fn op() -> impl Strategy<Value = Op> {
    let status = || prop_oneof![2 => Just(0_u32), 1 => 0_u32..0x70];
    let bind = (
        select(&[BindKind::Transmitter, BindKind::Receiver, BindKind::Transceiver][..]),
        sequence(),
        any::<u8>(),
    )
        .prop_map(|(kind, sequence, version)| Op::Feed(bind(kind, sequence, version)));
    prop_oneof![
        10 => octets().prop_map(Op::Feed),
        3 => bind,
        4 => prop_oneof![0_u64..100, 4_000_u64..70_000].prop_map(Op::Pass),
        4 => (command(), any::<bool>()).prop_map(|(c, data)| Op::Submit(c, data)),
        4 => (command(), sequence(), status()).prop_map(|(c, n, s)| Op::Respond(c, n, s)),
        3 => (command(), sequence(), 0_u8..6).prop_map(|(c, n, body)| Op::RespondWith(c, n, body)),
        3 => (sequence(), status()).prop_map(|(n, s)| Op::AnswerBind(n, s)),
        1 => any::<bool>().prop_map(Op::AnswerOutbind),
        1 => Just(Op::Outbind),
        1 => Just(Op::Unbind),
        1 => (0_u16..5, 0_u16..5).prop_map(|(out, inbound)| Op::Windows(out, inbound)),
        1 => Just(Op::Close),
        2 => Just(Op::Connect),
        1 => Just(Op::Accept),
    ]
}

/// A session, its clock, and what became of every token.
struct Rig {
    session: Session,
    now: Duration,
    outcomes: BTreeMap<u64, (u32, u32)>,
    next_token: u64,
}

impl Rig {
    fn run(&mut self, op: &Op) {
        let now = self.now;
        let session = &mut self.session;
        match op {
            Op::Feed(octets) => session.handle_bytes(now, octets),
            Op::Pass(milliseconds) => self.pass(Duration::from_millis(*milliseconds)),
            Op::Submit(command, own) => self.submit(*command, *own),
            Op::Respond(command, sequence, status) => {
                session.respond(*command, *sequence, *status, b"id");
            }
            Op::RespondWith(command, sequence, which) => {
                let tlvs = Tlvs::new(b"\x04\x28\0\x01\x05");
                let body = match which {
                    0 => Body::Empty { tlvs },
                    1 => Body::MessageResp { message_id: &[b'x'; 65], tlvs },
                    2 => Body::MessageResp { message_id: b"id", tlvs },
                    3 => Body::QueryResp(QuerySmResp { tlvs, ..QuerySmResp::default() }),
                    4 => Body::SubmitMultiResp(SubmitMultiResp::default()),
                    _ => Body::Message(ShortMessage::default()),
                };
                session.respond_with(*command, *sequence, 0, &body);
            }
            Op::AnswerBind(sequence, status) => session.answer_bind(*sequence, *status),
            Op::AnswerOutbind(accept) => session.answer_outbind(now, *accept),
            // Refused in most states, which is right.
            Op::Outbind => drop(session.outbind(Outbind { system_id: b"MC", password: b"x" })),
            Op::Unbind => session.unbind(now),
            Op::Windows(window, inbound) => session.set_windows(*window, *inbound),
            Op::Close => session.handle_closed(now),
            Op::Connect => session.handle_connected(now),
            Op::Accept => session.handle_accepted(now),
        }
        self.settle();
    }

    fn submit(&mut self, command: CommandId, own: bool) {
        let message = ShortMessage { short_message: b"hi", ..ShortMessage::default() };
        let data = ShortMessage::default();
        let (window, open) = (self.session.config().window, self.session.in_flight());
        let token = self.next_token;
        let sent = match (own, command) {
            (true, _) => self.session.submit(self.now, token, &message),
            (false, CommandId::DATA_SM) => self.session.submit_as(command, self.now, token, &data),
            (false, _) => self.session.submit_as(command, self.now, token, &message),
        };
        if sent.is_ok() {
            assert!(matches!(self.session.state(), State::Bound(_)));
            assert!(open < usize::from(window) && self.session.in_flight() == open + 1);
            self.outcomes.insert(token, (0, 0));
            self.next_token += 1;
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..100 {
            let due = self.session.poll_timeout().filter(|due| *due <= end);
            let Some(due) = due else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            self.session.handle_timeout(self.now);
            self.settle();
        }
        panic!("a deadline that is served again and again");
    }

    fn settle(&mut self) {
        let mut held = 0;
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Response { token, late, .. } => {
                    let outcome = self.outcomes.get_mut(&token).unwrap();
                    if late {
                        outcome.1 += 1;
                    } else {
                        outcome.0 += 1;
                    }
                }
                Event::OutcomeUnknown { token, .. } => {
                    self.outcomes.get_mut(&token).unwrap().0 += 1;
                }
                Event::Message { .. } | Event::Request { .. } => held += 1,
                _ => {}
            }
        }
        assert!(held <= usize::from(self.session.config().inbound_window));
        let mut out = Vec::new();
        self.session.take_output(&mut out);
        for header in headers(&out) {
            assert!(header.command.name().is_some(), "{header:?}");
        }
        let mut rest = &out[..];
        while let Some((frame, used)) = next_frame(rest, u32::MAX).unwrap() {
            assert!(decode_for(0x50, &frame).is_ok(), "{:?}", frame.header);
            rest = &rest[used..];
        }
    }

    fn finish(mut self) {
        self.run(&Op::Close);
        assert_eq!(self.session.in_flight(), 0);
        for (token, (outcomes, late)) in self.outcomes {
            assert!(outcomes == 1 && late <= 1, "token {token}: {outcomes}, {late} late");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn a_stream_cut_anywhere_does_what_it_does_in_one_piece(
        which in session(),
        stream in vec(octets(), 1..12),
        cuts in vec(any::<Index>(), 0..20),
    ) {
        let stream = stream.concat();
        let mut places: Vec<usize> =
            cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        places.extend([0, stream.len()]);
        places.sort_unstable();
        let pieces: Vec<&[u8]> =
            places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        let whole = feed_cut(&mut build(which), &[&stream]);
        let cut = feed_cut(&mut build(which), &pieces);
        prop_assert_eq!(whole, cut);
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        let octet_by_octet = feed_cut(&mut build(which), &single);
        prop_assert_eq!(octet_by_octet, feed_cut(&mut build(which), &[&stream]));
    }

    #[test]
    fn nothing_that_a_peer_or_a_driver_does_breaks_a_session(
        which in session(),
        ops in vec(op(), 1..60),
    ) {
        let mut rig = Rig {
            session: build(which),
            now: at(1),
            // What `session_in` submits where it needs something open.
            outcomes: BTreeMap::from([(1, (0, 0))]),
            next_token: 2,
        };
        if rig.session.in_flight() == 0 {
            rig.outcomes.clear();
        }
        for op in &ops {
            rig.run(op);
        }
        rig.finish();
    }
}
