//! What the tests share: a small ESME over the standard library's sockets, and parts of the meter
//! run on threads. One per test, on the test's threads.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod http;

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use postrider_core::text::{self, Concat, ReferenceWidth};
use postrider_loadgen::sink::{SinkOptions, serve_sink};
use postrider_loadgen::smsc::{CarrierStats, SmscOptions, serve_smsc};
use postrider_loadgen::stop::Stop;
use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::receipt::parse_receipt;
use postrider_smpp::session::{BindKind, Event, Role, Session, SessionConfig, UnknownReason};

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A part of the meter running on a thread.
pub(crate) struct Running<T> {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) stop: Stop,
    thread: JoinHandle<anyhow::Result<T>>,
}

impl<T> Running<T> {
    pub(crate) fn finish(self) -> T {
        self.stop.stop();
        self.thread.join().unwrap().unwrap()
    }
}

pub(crate) fn start_smsc(options: SmscOptions) -> Running<Vec<CarrierStats>> {
    let stop = Stop::new();
    let (tell, told) = channel();
    let seen = stop.clone();
    let thread = std::thread::spawn(move || {
        serve_smsc(&options, &seen, |addresses| Ok(tell.send(addresses.to_vec())?))
    });
    Running { addresses: told.recv_timeout(Duration::from_secs(10)).unwrap(), stop, thread }
}

pub(crate) fn start_sink(options: SinkOptions) -> Running<()> {
    let stop = Stop::new();
    let (tell, told) = channel();
    let seen = stop.clone();
    let thread = std::thread::spawn(move || {
        serve_sink(&options, &seen, |address| Ok(tell.send(vec![address])?))
    });
    Running { addresses: told.recv_timeout(Duration::from_secs(10)).unwrap(), stop, thread }
}

/// Options of a carrier on a port of the system's choice.
pub(crate) fn smsc_options() -> SmscOptions {
    SmscOptions { listen: vec![loopback()], ..SmscOptions::default() }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Bound,
    Refused(u32),
    Answer { token: u64, status: u32, id: String },
    Receipt { id: String, stat: String, from: String, to: String },
    Unmarked { text: String },
    Unknown { token: u64, reason: UnknownReason },
    Closed,
}

/// A minimal ESME: one connection, driven by the test.
pub(crate) struct Esme {
    stream: TcpStream,
    session: Session,
    start: Instant,
    pub(crate) seen: VecDeque<Seen>,
    /// The statuses with which the next receipts are answered; then 0. `None`: not at all.
    pub(crate) receipt_answers: VecDeque<Option<u32>>,
    pub(crate) closed: bool,
    /// What came from the carrier, as it came.
    pub(crate) kept: Vec<Kept>,
}

/// A message of the carrier's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) command: CommandId,
    pub(crate) esm_class: u8,
    pub(crate) short_message: Vec<u8>,
    /// Tag and value.
    pub(crate) tlvs: Vec<(u16, Vec<u8>)>,
}

impl Kept {
    fn of(command: CommandId, message: &ShortMessage<'_>) -> Self {
        Self {
            command,
            esm_class: message.esm_class,
            short_message: message.short_message.to_vec(),
            tlvs: message.tlvs.map(|tlv| (tlv.tag, tlv.value.to_vec())).collect(),
        }
    }
}

impl Esme {
    pub(crate) fn connect(address: SocketAddr, config: SessionConfig) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let mut session = Session::new(config);
        let start = Instant::now();
        session.handle_connected(Duration::ZERO);
        let seen = VecDeque::new();
        let receipt_answers = VecDeque::new();
        let kept = Vec::new();
        Self { stream, session, start, seen, receipt_answers, closed: false, kept }
    }

    /// Connects and waits for the bind's answer.
    pub(crate) fn bind(address: SocketAddr, kind: BindKind) -> Self {
        let mut esme = Self::connect(address, config(kind));
        assert_eq!(esme.wait(|seen| matches!(seen, Seen::Bound | Seen::Refused(_))), Seen::Bound);
        esme
    }

    /// The version that holds between both.
    pub(crate) fn version(&self) -> u8 {
        self.session.version()
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Writes, reads what is there within a few milliseconds, and takes the events.
    pub(crate) fn turn(&mut self) {
        self.events();
        self.flush();
        if self.closed {
            return;
        }
        let mut buffer = [0_u8; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.end(),
            Ok(count) => {
                let now = self.now();
                self.session.handle_bytes(now, &buffer[..count]);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if self.session.poll_timeout().is_some_and(|due| due <= self.now()) {
                    let now = self.now();
                    self.session.handle_timeout(now);
                }
            }
            Err(_) => self.end(),
        }
        self.events();
        self.flush();
    }

    fn end(&mut self) {
        self.closed = true;
        let now = self.now();
        self.session.handle_closed(now);
        self.events();
        self.seen.push_back(Seen::Closed);
    }

    fn flush(&mut self) {
        let mut out = Vec::new();
        self.session.take_output(&mut out);
        if !out.is_empty() && !self.closed && self.stream.write_all(&out).is_err() {
            self.end();
        }
    }

    fn events(&mut self) {
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        loop {
            let answer = match self.session.poll_event() {
                None => return,
                Some(Event::Bound { .. }) => {
                    self.seen.push_back(Seen::Bound);
                    None
                }
                Some(Event::BindRefused { status }) => {
                    self.seen.push_back(Seen::Refused(status));
                    None
                }
                Some(Event::Response { token, status, message_id, .. }) => {
                    self.seen.push_back(Seen::Answer { token, status, id: text(message_id) });
                    None
                }
                Some(Event::OutcomeUnknown { token, reason }) => {
                    self.seen.push_back(Seen::Unknown { token, reason });
                    None
                }
                Some(Event::Message { sequence, command, message }) => {
                    self.kept.push(Kept::of(command, &message));
                    self.seen.push_back(match parse_receipt(&message) {
                        None => Seen::Unmarked { text: text(message.text()) },
                        Some(receipt) => Seen::Receipt {
                            id: text(receipt.id),
                            stat: text(receipt.stat),
                            from: text(message.source),
                            to: text(message.dest),
                        },
                    });
                    let status = self.receipt_answers.pop_front().unwrap_or(Some(0));
                    status.map(|status| (command, sequence, status))
                }
                Some(_) => None,
            };
            if let Some((command, sequence, status)) = answer {
                self.session.respond(command, sequence, status, b"");
            }
        }
    }

    /// Turns until something fits, for at most ten seconds; takes it out of what was seen.
    pub(crate) fn wait(&mut self, fits: impl Fn(&Seen) -> bool) -> Seen {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(at) = self.seen.iter().position(&fits) {
                return self.seen.remove(at).unwrap();
            }
            assert!(Instant::now() < end, "waited in vain; seen {:?}", self.seen);
            self.turn();
        }
    }

    pub(crate) fn receipt(&mut self) -> (String, String) {
        let seen = self.wait(|seen| matches!(seen, Seen::Receipt { .. }));
        let Seen::Receipt { id, stat, .. } = seen else { panic!("{seen:?}") };
        (id, stat)
    }

    pub(crate) fn answer(&mut self) -> (u64, u32, String) {
        let seen = self.wait(|seen| matches!(seen, Seen::Answer { .. }));
        let Seen::Answer { token, status, id } = seen else { panic!("{seen:?}") };
        (token, status, id)
    }

    /// Submits one PDU without waiting.
    pub(crate) fn submit(&mut self, token: u64, message: &ShortMessage<'_>) {
        let now = self.now();
        self.session.submit(now, token, message).unwrap();
    }

    /// Submits a text in as many parts as it takes; how many.
    pub(crate) fn submit_text(&mut self, token: u64, to: &str, text: &str) -> usize {
        let encoded = text::encode(text);
        let parts: Vec<&[u8]> = encoded.parts(ReferenceWidth::Eight).collect();
        for (at, part) in parts.iter().enumerate() {
            let mut octets = Vec::new();
            if parts.len() > 1 {
                Concat {
                    reference: u16::try_from(token % 256).unwrap(),
                    total: u8::try_from(parts.len()).unwrap(),
                    index: u8::try_from(at + 1).unwrap(),
                    width: ReferenceWidth::Eight,
                }
                .write(&mut octets);
            }
            octets.extend_from_slice(part);
            let message = ShortMessage {
                esm_class: if parts.len() > 1 { 0x40 } else { 0 },
                data_coding: encoded.encoding().data_coding(),
                ..message(to, &octets)
            };
            while self.session.window_free() == 0 {
                self.turn();
            }
            self.submit(token, &message);
        }
        parts.len()
    }
}

/// A submit_sm that asks for a receipt.
pub(crate) fn message<'a>(to: &'a str, octets: &'a [u8]) -> ShortMessage<'a> {
    ShortMessage {
        source_ton: 5,
        source: b"Postrider",
        dest_ton: 1,
        dest_npi: 1,
        dest: to.as_bytes(),
        registered_delivery: 1,
        short_message: octets,
        ..ShortMessage::default()
    }
}

pub(crate) fn config(kind: BindKind) -> SessionConfig {
    SessionConfig {
        role: Role::Esme,
        bind: kind,
        system_id: "gateway".to_owned(),
        password: "secret".to_owned(),
        window: 500,
        ..SessionConfig::default()
    }
}

/// The lines of a ledger.
pub(crate) fn lines(path: &std::path::Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
