//! Two sessions in memory under a virtual clock, of any versions, bound as anything, by bind or outbind:
//! whatever is cut, lost, late or refused, every token gets exactly one outcome and the window holds. Test
//! code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::{Outbind, ShortMessage};
use postrider_smpp::session::{
    BindKind, Event, Role, Session, SessionConfig, State, SubmitRefused, UnknownReason,
};
use postrider_smpp::tlv::{Tlv, Tlvs, tag};
use proptest::collection::vec;
use proptest::prelude::*;

const WINDOW: u16 = 4;
const INBOUND: u16 = 3;
const STATUSES: [u32; 3] = [0, 0x58, 0x45];

/// What may happen in between.
#[derive(Clone, Debug)]
enum Op {
    /// One side submits, or sends a data_sm.
    Submit(Side, bool),
    /// Some of the octets under way to one side arrive.
    Arrive(Side, usize),
    /// One side answers one of the messages that it holds.
    Answer(Side, usize, usize),
    /// Time passes, in milliseconds.
    Pass(u64),
    /// The connection breaks; octets under way are lost.
    Break,
    /// One side unbinds.
    Unbind(Side),
    /// The server answers the bind that it holds.
    Admit(bool),
}

/// What both ends are told once.
#[derive(Copy, Clone, Debug)]
struct Setup {
    kind: BindKind,
    esme_version: u8,
    smsc_version: u8,
    /// The server connects, and asks to be bound to.
    outbind: bool,
    /// Binds are answered by [`Op::Admit`] alone.
    slow_login: bool,
}

const PLAIN: Setup = Setup {
    kind: BindKind::Transceiver,
    esme_version: 0x34,
    smsc_version: 0x34,
    outbind: false,
    slow_login: false,
};

fn setup() -> impl Strategy<Value = Setup> {
    let kinds = [BindKind::Transceiver, BindKind::Transmitter, BindKind::Receiver];
    let version = || proptest::sample::select(vec![0x34_u8, 0x34, 0x50, 0x33]);
    (proptest::sample::select(kinds.to_vec()), version(), version(), any::<bool>(), 0..5).prop_map(
        |(kind, esme_version, smsc_version, outbind, slow)| Setup {
            kind,
            esme_version,
            smsc_version,
            outbind,
            slow_login: slow == 0,
        },
    )
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Side {
    Esme,
    Smsc,
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Esme), Just(Side::Smsc)]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (side(), 0..3).prop_map(|(side, data)| Op::Submit(side, data == 0)),
        12 => (side(), prop_oneof![1_usize..8, Just(10_000)]).prop_map(|(to, n)| Op::Arrive(to, n)),
        8 => (side(), 0_usize..8, 0..STATUSES.len())
            .prop_map(|(by, which, status)| Op::Answer(by, which, status)),
        4 => prop_oneof![0_u64..50, Just(9_000), Just(30_000)].prop_map(Op::Pass),
        1 => Just(Op::Break),
        1 => side().prop_map(Op::Unbind),
        2 => (0..4).prop_map(|refused| Op::Admit(refused != 0)),
    ]
}

/// What became of a token.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Outcome {
    answered: usize,
    timed_out: usize,
    lost: usize,
    late: usize,
}

/// One end: its session, the octets on their way to it, and what it knows.
struct End {
    session: Session,
    arriving: VecDeque<u8>,
    /// Messages it holds and has not answered: command, number, text.
    held: Vec<(CommandId, u32, Vec<u8>)>,
    /// Texts it has taken, in order, on this connection.
    taken: Vec<Vec<u8>>,
    outcomes: BTreeMap<u64, Outcome>,
    next_token: u64,
    /// Numbers of binds to be answered.
    binds: Vec<u32>,
    setup: Setup,
}

impl End {
    fn new(role: Role, setup: Setup) -> Self {
        let session = Session::new(SessionConfig {
            role,
            bind: setup.kind,
            interface_version: match role {
                Role::Esme => setup.esme_version,
                Role::Smsc => setup.smsc_version,
            },
            system_id: "pair".into(),
            window: WINDOW,
            inbound_window: INBOUND,
            ..SessionConfig::default()
        });
        Self {
            session,
            arriving: VecDeque::new(),
            held: Vec::new(),
            taken: Vec::new(),
            outcomes: BTreeMap::new(),
            next_token: 0,
            binds: Vec::new(),
            setup,
        }
    }

    /// Takes every event; true when the session wants to be closed.
    fn drain(&mut self, now: Duration) -> bool {
        let (mut close, mut asked) = (false, false);
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Response { token, status, message_id, late, .. } => {
                    let outcome = self.outcomes.get_mut(&token).unwrap();
                    if late {
                        outcome.late += 1;
                        assert_eq!(outcome.timed_out, 1, "late only after the time-out");
                    } else {
                        outcome.answered += 1;
                    }
                    assert!(status == 0x14 || STATUSES.contains(&status), "{status:#x}");
                    if status == 0 && !message_id.is_empty() {
                        assert_eq!(
                            message_id,
                            token.to_string().as_bytes(),
                            "the right message's answer"
                        );
                    }
                }
                Event::OutcomeUnknown { token, reason } => {
                    let outcome = self.outcomes.get_mut(&token).unwrap();
                    match reason {
                        UnknownReason::TimedOut => outcome.timed_out += 1,
                        UnknownReason::SessionLost => outcome.lost += 1,
                    }
                }
                Event::Message { sequence, command, message } => {
                    self.held.push((command, sequence, message.text().to_vec()));
                    self.taken.push(message.text().to_vec());
                    assert!(self.held.len() <= usize::from(INBOUND), "more than we asked for");
                }
                Event::BindRequested { sequence, .. } => self.binds.push(sequence),
                Event::OutbindRequested { .. } => asked = true,
                Event::Close { .. } => close = true,
                Event::Bound { .. }
                | Event::Request { .. }
                | Event::Alert { .. }
                | Event::BindRefused { .. }
                | Event::PeerUnbound
                | Event::Counted(_) => {}
            }
        }
        if asked {
            self.session.answer_outbind(now, true);
            close |= self.drain(now);
        }
        if !self.setup.slow_login && !self.binds.is_empty() {
            self.admit(true);
            close |= self.drain(now);
        }
        assert!(self.session.in_flight() <= usize::from(WINDOW), "window exceeded");
        close
    }

    fn admit(&mut self, admitted: bool) {
        for sequence in self.binds.drain(..) {
            self.session.answer_bind(sequence, if admitted { 0 } else { 0x0E });
        }
    }

    /// What an end that keeps to the specifications may do.
    fn allowed(&self, data: bool) -> Result<(), SubmitRefused> {
        let (role, version) = (self.session.config().role, self.session.version());
        let may = |kind: BindKind| kind.may_send(role) || (data && version < 0x50);
        if !matches!(self.session.state(), State::Bound(kind) if may(kind)) {
            return Err(SubmitRefused::NotBound);
        }
        if self.session.in_flight() >= usize::from(WINDOW) {
            return Err(SubmitRefused::WindowFull);
        }
        if data && version < 0x34 { Err(SubmitRefused::NotInVersion) } else { Ok(()) }
    }

    fn submit(&mut self, now: Duration, data: bool) {
        let token = self.next_token;
        let text = token.to_string();
        let mut area = Vec::new();
        Tlv { tag: tag::MESSAGE_PAYLOAD, value: text.as_bytes() }.write(&mut area);
        let message = ShortMessage { short_message: text.as_bytes(), ..ShortMessage::default() };
        let in_payload = ShortMessage { tlvs: Tlvs::new(&area), ..ShortMessage::default() };
        let (allowed, in_flight) = (self.allowed(data), self.session.in_flight());
        let sent = if data {
            self.session.submit_as(CommandId::DATA_SM, now, token, &in_payload)
        } else {
            assert_eq!(self.session.window_free() > 0, allowed.is_ok());
            self.session.submit(now, token, &message)
        };
        assert_eq!(sent.map(drop), allowed);
        if allowed.is_ok() {
            assert_eq!(self.session.in_flight(), in_flight + 1);
            self.outcomes.insert(token, Outcome::default());
            self.next_token += 1;
        }
    }

    fn lose(&mut self, now: Duration) {
        self.session.handle_closed(now);
        self.arriving.clear();
        self.held.clear();
        self.taken.clear();
        self.binds.clear();
        assert!(!self.drain(now));
        assert_eq!(self.session.in_flight(), 0);
    }
}

struct Pair {
    now: Duration,
    esme: End,
    smsc: End,
}

impl Pair {
    fn new(setup: Setup) -> Self {
        let mut pair = Self {
            now: Duration::ZERO,
            esme: End::new(Role::Esme, setup),
            smsc: End::new(Role::Smsc, setup),
        };
        pair.connect();
        pair
    }

    fn connect(&mut self) {
        if self.smsc.setup.outbind {
            self.esme.session.handle_accepted(self.now);
            self.smsc.session.handle_connected(self.now);
            let outbind = Outbind { system_id: b"pair", password: b"x" };
            self.smsc.session.outbind(outbind).unwrap();
        } else {
            self.esme.session.handle_connected(self.now);
            self.smsc.session.handle_accepted(self.now);
        }
        self.settle();
    }

    /// Everything under way arrives, until nothing is.
    fn quiet(&mut self) {
        for _ in 0..4 {
            for side in [Side::Esme, Side::Smsc] {
                self.run(&Op::Arrive(side, 10_000));
            }
        }
    }

    fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Esme => &mut self.esme,
            Side::Smsc => &mut self.smsc,
        }
    }

    /// Takes events and output of both ends; a close ends the connection and another is made.
    fn settle(&mut self) {
        let close = self.esme.drain(self.now) | self.smsc.drain(self.now);
        let mut out = Vec::new();
        self.esme.session.take_output(&mut out);
        self.smsc.arriving.extend(out.drain(..));
        self.smsc.session.take_output(&mut out);
        self.esme.arriving.extend(out);
        if close {
            self.reconnect();
        }
    }

    fn reconnect(&mut self) {
        self.esme.lose(self.now);
        self.smsc.lose(self.now);
        self.connect();
    }

    fn run(&mut self, op: &Op) {
        let now = self.now;
        match op {
            Op::Submit(side, data) => self.end(*side).submit(now, *data),
            Op::Arrive(side, octets) => {
                let end = self.end(*side);
                let octets: Vec<u8> =
                    end.arriving.drain(..(*octets).min(end.arriving.len())).collect();
                end.session.handle_bytes(now, &octets);
            }
            Op::Answer(side, which, status) => {
                let end = self.end(*side);
                if !end.held.is_empty() {
                    let (command, sequence, text) = end.held.remove(which % end.held.len());
                    end.session.respond(command, sequence, STATUSES[*status], &text);
                }
            }
            Op::Pass(milliseconds) => self.pass(Duration::from_millis(*milliseconds)),
            Op::Break => self.reconnect(),
            Op::Unbind(side) => self.end(*side).session.unbind(now),
            Op::Admit(admitted) => self.smsc.admit(*admitted),
        }
        self.settle();
        self.check_order();
    }

    /// Moves the clock from deadline to deadline.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..1_000 {
            let due = [self.esme.session.poll_timeout(), self.smsc.session.poll_timeout()];
            let Some(due) = due.into_iter().flatten().min().filter(|due| *due <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            // Only the one that is due is told, as a driver would.
            for side in [Side::Esme, Side::Smsc] {
                let now = self.now;
                let session = &mut self.end(side).session;
                if session.poll_timeout().is_some_and(|due| due <= now) {
                    session.handle_timeout(now);
                }
            }
            self.settle();
        }
        panic!("a deadline that is served again and again");
    }

    /// Messages arrive in the order of submission, and none that was not submitted.
    fn check_order(&self) {
        for (from, to) in [(&self.esme, &self.smsc), (&self.smsc, &self.esme)] {
            let tokens: Vec<u64> = to
                .taken
                .iter()
                .map(|text| String::from_utf8_lossy(text).parse().unwrap())
                .collect();
            assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
            assert!(tokens.iter().all(|token| from.outcomes.contains_key(token)));
        }
    }

    fn finish(mut self) {
        self.esme.lose(self.now);
        self.smsc.lose(self.now);
        for end in [&self.esme, &self.smsc] {
            for (token, outcome) in &end.outcomes {
                let outcomes = outcome.answered + outcome.timed_out + outcome.lost;
                assert_eq!(outcomes, 1, "token {token}: {outcome:?}");
                assert!(outcome.late <= outcome.timed_out, "token {token}: {outcome:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn every_token_gets_exactly_one_outcome(setup in setup(), ops in vec(op(), 1..200)) {
        let mut pair = Pair::new(setup);
        pair.quiet();
        for op in &ops {
            pair.run(op);
        }
        pair.finish();
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_messages(cuts in vec(1_usize..40, 1..60)) {
        let mut pair = Pair::new(PLAIN);
        pair.quiet();
        for data in [false, true, false] {
            pair.run(&Op::Submit(Side::Esme, data));
        }
        for cut in cuts.iter().cycle() {
            if pair.smsc.arriving.is_empty() {
                break;
            }
            pair.run(&Op::Arrive(Side::Smsc, *cut));
        }
        prop_assert_eq!(&pair.smsc.taken, &vec![b"0".to_vec(), b"1".to_vec(), b"2".to_vec()]);
    }
}

/// The random runs above would prove nothing if they never got anywhere.
#[test]
fn the_pair_binds_and_reaches_answers_time_outs_late_answers_and_losses() {
    let mut pair = Pair::new(PLAIN);
    pair.quiet();
    assert!(matches!(pair.esme.session.state(), State::Bound(_)));
    pair.run(&Op::Submit(Side::Esme, false));
    pair.run(&Op::Submit(Side::Esme, true));
    pair.quiet();
    // An answer in time, then one after its time-out, with the line kept alive; then one that is lost.
    pair.run(&Op::Answer(Side::Smsc, 0, 0));
    pair.quiet();
    assert_eq!(pair.esme.outcomes[&0].answered, 1);
    for _ in 0..7 {
        pair.run(&Op::Pass(9_000));
        pair.quiet();
    }
    assert_eq!(pair.esme.outcomes[&1].timed_out, 1);
    pair.run(&Op::Answer(Side::Smsc, 0, 0));
    pair.quiet();
    assert_eq!(pair.esme.outcomes[&1].late, 1);
    pair.run(&Op::Submit(Side::Smsc, false));
    pair.run(&Op::Break);
    assert_eq!(pair.smsc.outcomes[&0].lost, 1);
    pair.finish();
}

#[test]
fn every_setup_of_the_random_runs_gets_bound() {
    let kinds = [BindKind::Transceiver, BindKind::Transmitter, BindKind::Receiver];
    for kind in kinds {
        for outbind in [false, true] {
            for slow_login in [false, true] {
                let mut pair = Pair::new(Setup { kind, outbind, slow_login, ..PLAIN });
                pair.quiet();
                if slow_login {
                    assert_eq!(pair.esme.session.state(), State::Binding);
                    pair.run(&Op::Admit(true));
                    pair.quiet();
                }
                for end in [&pair.esme, &pair.smsc] {
                    assert_eq!(end.session.state(), State::Bound(kind));
                }
            }
        }
    }
}
