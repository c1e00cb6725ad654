//! Our codec, and two of our sessions that speak to each other. Pure, one per process.

use core::hint::black_box;
use core::time::Duration;

use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::{
    Body, ShortMessage, decode, encode_message, encode_response, next_frame,
};
use postrider_smpp::session::{Event, Role, Session, SessionConfig, State};
use postrider_smpp::status::CommandStatus;

use crate::Codec;
use crate::sample::{DEST, ID, SOURCE, TEXT, VALIDITY, bare};

fn fields() -> ShortMessage<'static> {
    ShortMessage {
        source_ton: 5,
        source: bare(SOURCE),
        dest_ton: 1,
        dest_npi: 1,
        dest: bare(DEST),
        validity_period: bare(VALIDITY),
        registered_delivery: 1,
        short_message: TEXT,
        ..ShortMessage::default()
    }
}

/// The codec alone.
pub(crate) struct Ours {
    out: Vec<u8>,
    fields: ShortMessage<'static>,
}

impl Ours {
    pub(crate) fn new() -> Self {
        Self { out: Vec::with_capacity(4_096), fields: fields() }
    }
}

impl Codec for Ours {
    fn encode_submit(&mut self) -> &[u8] {
        self.out.clear();
        encode_message(&mut self.out, CommandId::SUBMIT_SM, 1, black_box(&self.fields))
            .expect("fields in bounds");
        &self.out
    }

    fn decode_submit(&mut self, pdu: &[u8]) -> u8 {
        let (frame, _) = next_frame(pdu, 70_000).expect("a length").expect("a whole PDU");
        let Ok(Body::Message(message)) = black_box(decode(&frame)) else { panic!("a message") };
        *message.dest.last().expect("a digit")
    }

    fn encode_resp(&mut self) -> &[u8] {
        self.out.clear();
        let id = black_box(bare(ID));
        let (command, status) = (CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_ROK);
        encode_response(&mut self.out, command, status, 1, Some(id)).expect("fields in bounds");
        &self.out
    }

    fn decode_resp(&mut self, pdu: &[u8]) -> u8 {
        let (frame, _) = next_frame(pdu, 70_000).expect("a length").expect("a whole PDU");
        let Ok(Body::MessageResp { message_id, .. }) = black_box(decode(&frame)) else {
            panic!("an answer")
        };
        *message_id.last().expect("a digit")
    }
}

const NOW: Duration = Duration::from_secs(1);
/// Messages in a window.
const WINDOW: u16 = 64;

/// Both ends of one bound bind: codec, window, timers, sequence numbers and states of both.
pub struct Pair {
    esme: Session,
    smsc: Session,
    octets: Vec<u8>,
    taken: Vec<u32>,
    answered: u64,
}

impl Pair {
    /// Messages that go round together.
    pub const STEP: u64 = WINDOW as u64;

    /// Two sessions, bound to each other.
    #[must_use]
    pub fn bound() -> Self {
        let end = |role| {
            let config = SessionConfig { role, window: WINDOW, ..SessionConfig::default() };
            let mut session = Session::new(config);
            session.handle_connected(NOW);
            session
        };
        let (esme, smsc) = (end(Role::Esme), end(Role::Smsc));
        let mut pair = Self { esme, smsc, octets: Vec::new(), taken: Vec::new(), answered: 0 };
        pair.feed_smsc();
        pair.smsc.answer_bind(1, 0);
        pair.feed_esme();
        assert!(matches!(pair.esme.state(), State::Bound(_)), "bound");
        pair
    }

    fn feed_smsc(&mut self) {
        self.octets.clear();
        self.esme.take_output(&mut self.octets);
        self.smsc.handle_bytes(NOW, &self.octets);
        while let Some(event) = self.smsc.poll_event() {
            if let Event::Message { sequence, .. } = event {
                self.taken.push(sequence);
            }
        }
    }

    fn feed_esme(&mut self) {
        self.octets.clear();
        self.smsc.take_output(&mut self.octets);
        self.esme.handle_bytes(NOW, &self.octets);
        while let Some(event) = self.esme.poll_event() {
            self.answered += u64::from(matches!(event, Event::Response { status: 0, .. }));
        }
    }

    /// A window of submits, then all their answers.
    pub fn round(&mut self) {
        let fields = fields();
        let before = self.answered;
        for token in 0..WINDOW {
            self.esme.submit(NOW, token.into(), black_box(&fields)).expect("room");
        }
        self.feed_smsc();
        for sequence in self.taken.drain(..) {
            self.smsc.respond(CommandId::SUBMIT_SM, sequence, 0, bare(ID));
        }
        self.feed_esme();
        assert_eq!(self.answered - before, Self::STEP, "all answered");
    }
}
