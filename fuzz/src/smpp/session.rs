//! A session of either role, fed and driven by the input in any order: it panics never, writes whole PDUs
//! alone, keeps both windows, gives every token back once, and does not care how its input was cut.

use core::time::Duration;
use std::collections::BTreeMap;

use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::{
    Body, Outbind, QuerySmResp, ShortMessage, SubmitMultiResp, decode_for, next_frame,
};
use postrider_smpp::session::{BindKind, Event, Role, Session, SessionConfig};
use postrider_smpp::tlv::Tlvs;

use super::super::input::Input;

/// Reads the settings, then what happens.
pub fn run(data: &[u8]) {
    let whole = Rig::new(Input::new(data), usize::MAX).run();
    let cut = Rig::new(Input::new(data), 3).run();
    assert_eq!(whole, cut, "cuts change nothing");
}

/// What a session told and wrote, responses and requests apart: a response may overtake a request that was
/// not yet taken.
#[derive(Default, PartialEq, Eq, Debug)]
struct Transcript {
    events: Vec<String>,
    responses: Vec<u8>,
    requests: Vec<u8>,
}

struct Rig<'a> {
    input: Input<'a>,
    /// The longest piece in which octets are handed over.
    piece: usize,
    session: Session,
    now: Duration,
    next_token: u64,
    /// Outcomes of each token, and late answers.
    outcomes: BTreeMap<u64, (u32, u32)>,
    transcript: Transcript,
}

impl<'a> Rig<'a> {
    fn new(mut input: Input<'a>, piece: usize) -> Self {
        let session = Session::new(SessionConfig {
            role: input.pick(&[Role::Esme, Role::Smsc]),
            bind: input.pick(&[BindKind::Transceiver, BindKind::Transmitter, BindKind::Receiver]),
            interface_version: input.pick(&[0x34, 0x50, 0x33]),
            system_id: "fuzz".to_owned(),
            window: 3,
            inbound_window: 2,
            ..SessionConfig::default()
        });
        let mut rig = Self {
            input,
            piece,
            session,
            now: Duration::ZERO,
            next_token: 0,
            outcomes: BTreeMap::new(),
            transcript: Transcript::default(),
        };
        rig.session.handle_connected(rig.now);
        rig
    }

    fn run(mut self) -> Transcript {
        while !self.input.is_empty() {
            self.step();
            self.settle();
        }
        self.session.handle_closed(self.now);
        self.settle();
        assert_eq!(self.session.in_flight(), 0);
        for (token, (outcomes, late)) in &self.outcomes {
            assert!(*outcomes == 1 && *late <= 1, "token {token}: {outcomes}, late {late}");
        }
        self.transcript
    }

    fn step(&mut self) {
        let now = self.now;
        match self.input.octet() % 16 {
            0..=4 => self.feed_pdu(),
            5 => {
                let octets = self.input.run();
                self.feed(octets);
            }
            6 => self.pass(),
            7 | 8 => self.submit(),
            9 => {
                let (command, sequence) = (self.command(), self.sequence());
                let status = u32::from(self.input.octet());
                self.session.respond(command, sequence, status, b"id");
            }
            10 => self.respond_with(),
            11 => {
                let sequence = self.sequence();
                let status = self.input.pick(&[0, 0, 0x0E]);
                self.session.answer_bind(sequence, status);
            }
            12 => match self.input.octet() % 4 {
                0 => self.session.answer_outbind(now, true),
                1 => self.session.answer_outbind(now, false),
                2 => drop(self.session.outbind(Outbind { system_id: b"MC", password: b"x" })),
                _ => self.session.unbind(now),
            },
            13 => {
                let (window, inbound) = (self.input.octet() % 4, self.input.octet() % 4);
                self.session.set_windows(window.into(), inbound.into());
            }
            14 => self.session.handle_closed(now),
            _ if self.input.octet().is_multiple_of(2) => self.session.handle_accepted(now),
            _ => self.session.handle_connected(now),
        }
    }

    fn command(&mut self) -> CommandId {
        let which = usize::from(self.input.octet());
        CommandId::ALL
            .get(which % (CommandId::ALL.len() + 1))
            .copied()
            .unwrap_or(CommandId(0x10200))
    }

    /// Small, so that answers find requests.
    fn sequence(&mut self) -> u32 {
        match self.input.octet() {
            255 => u32::MAX,
            small => u32::from(small % 8),
        }
    }

    /// A PDU with a right length around a body of the input's.
    fn feed_pdu(&mut self) {
        let (command, status, sequence) =
            (self.command(), self.input.octet() % 0x20, self.sequence());
        let body = self.input.run();
        let length = u32::try_from(16 + body.len()).expect("at most 255 octets");
        let mut pdu = Vec::new();
        for word in [length, command.0, u32::from(status), sequence] {
            pdu.extend_from_slice(&word.to_be_bytes());
        }
        pdu.extend_from_slice(body);
        self.feed(&pdu);
    }

    fn feed(&mut self, octets: &[u8]) {
        for piece in octets.chunks(self.piece) {
            self.session.handle_bytes(self.now, piece);
            self.settle();
        }
    }

    /// Moves the clock from deadline to deadline.
    fn pass(&mut self) {
        let end = self.now + Duration::from_millis(u64::from(self.input.word()) * 2);
        for _ in 0..200 {
            let Some(due) = self.session.poll_timeout().filter(|due| *due <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            self.session.handle_timeout(self.now);
            self.settle();
        }
        panic!("a deadline that is served again and again");
    }

    fn submit(&mut self) {
        let data = self.input.octet().is_multiple_of(3);
        let area = self.input.run();
        let text: &[u8] = if data { b"" } else { b"hi" };
        let tlvs = Tlvs::new(area);
        let message = ShortMessage { short_message: text, tlvs, ..ShortMessage::default() };
        let (open, free) = (self.session.in_flight(), self.session.window_free());
        let token = self.next_token;
        let sent = if data {
            self.session.submit_as(CommandId::DATA_SM, self.now, token, &message)
        } else {
            self.session.submit(self.now, token, &message)
        };
        if sent.is_ok() {
            assert!(open < usize::from(self.session.config().window));
            assert!(data || free > 0);
            assert_eq!(self.session.in_flight(), open + 1);
            self.outcomes.insert(token, (0, 0));
            self.next_token += 1;
        } else {
            assert_eq!(self.session.in_flight(), open);
        }
    }

    fn respond_with(&mut self) {
        let (command, sequence) = (self.command(), self.sequence());
        let which = self.input.octet() % 5;
        let tlvs = Tlvs::new(self.input.run());
        let body = match which {
            0 => Body::Empty { tlvs },
            1 => Body::MessageResp { message_id: b"id", tlvs },
            2 => Body::QueryResp(QuerySmResp { tlvs, ..QuerySmResp::default() }),
            3 => Body::SubmitMultiResp(SubmitMultiResp { tlvs, ..SubmitMultiResp::default() }),
            _ => Body::Message(ShortMessage { tlvs, ..ShortMessage::default() }),
        };
        self.session.respond_with(command, sequence, 0, &body);
    }

    /// Takes events and output, as a driver does after every call.
    fn settle(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.transcript.events.push(format!("{event:?}"));
            if let Event::Response { token, late, .. } = event {
                let outcome = self.outcomes.get_mut(&token).expect("a token of ours");
                if late {
                    outcome.1 += 1;
                } else {
                    outcome.0 += 1;
                }
            }
            if let Event::OutcomeUnknown { token, .. } = event {
                self.outcomes.get_mut(&token).expect("a token of ours").0 += 1;
            }
        }
        let mut out = Vec::new();
        self.session.take_output(&mut out);
        let mut rest = &out[..];
        while let Some((frame, used)) = next_frame(rest, u32::MAX).expect("right lengths") {
            assert!(decode_for(0x50, &frame).is_ok(), "{:?}", frame.header);
            let (pdu, behind) = rest.split_at(used);
            if frame.header.command.is_response() {
                self.transcript.responses.extend_from_slice(pdu);
            } else {
                self.transcript.requests.extend_from_slice(pdu);
            }
            rest = behind;
        }
        assert!(rest.is_empty(), "whole PDUs alone");
    }
}
