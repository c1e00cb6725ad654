//! The whole meter around a toy gateway of this test: what the sender, the carrier and the sink
//! wrote down adds up, and a gateway with a fault is caught.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use common::http::{Reply, answer, serve};
use common::{Esme, Seen, loopback, smsc_options, start_sink, start_smsc};
use postrider_core::text::{self, ReferenceWidth};
use postrider_http::webhook::sign;
use postrider_loadgen::ledger::{Report, join};
use postrider_loadgen::load::{LoadOptions, run_load_until};
use postrider_loadgen::sink::SinkOptions;
use postrider_loadgen::smsc::SmscOptions;
use postrider_loadgen::stop::Stop;
use postrider_smpp::session::BindKind;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What the toy gateway does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Every tenth message is acknowledged and forgotten.
    Forgets,
    /// Every tenth text loses its last character.
    CutsTexts,
    /// Every tenth webhook is signed with another secret.
    SignsBadly,
}

struct Message {
    number: usize,
    to: String,
    text: String,
}

/// Takes messages over HTTP, submits them over one bind, sends a webhook when all receipts are in.
/// It submits a message again when it was throttled or its answer was lost.
fn gateway(carrier: SocketAddr, sink: SocketAddr, fault: Fault) -> (SocketAddr, JoinHandle<()>) {
    let (into, from): (Sender<Message>, Receiver<Message>) = channel();
    let into = Mutex::new(Some(into));
    let address = serve(move |request| {
        let field = |key: &str| request.body[key].as_str().unwrap_or("").to_owned();
        if field("to").is_empty() {
            into.lock().unwrap().take();
            return Reply::Send(answer("200 OK", "", "{\"message_id\":\"-\"}"));
        }
        let (number, text) = (request.number, field("body"));
        let parts = text::encode(&text).part_count(ReferenceWidth::Eight);
        let to = field("to")[1..].to_owned();
        into.lock().unwrap().as_ref().unwrap().send(Message { number, to, text }).unwrap();
        let body = format!("{{\"message_id\":\"id-{number}\",\"segment_count\":{parts}}}");
        Reply::Send(answer("202 Accepted", "", &body))
    });
    let thread = thread::spawn(move || Gateway::new(carrier, sink, fault).run(&from));
    (address, thread)
}

struct Gateway {
    carrier: SocketAddr,
    esme: Esme,
    hooks: TcpStream,
    fault: Fault,
    /// Messages by token; the parts still to be answered, and to be receipted.
    open: HashMap<u64, (Message, usize, usize)>,
    by_part: HashMap<String, u64>,
    early: Vec<(String, String)>,
    again: VecDeque<Message>,
    tokens: u64,
}

impl Gateway {
    fn new(carrier: SocketAddr, sink: SocketAddr, fault: Fault) -> Self {
        Self {
            carrier,
            esme: Esme::bind(carrier, BindKind::Transceiver),
            hooks: TcpStream::connect(sink).unwrap(),
            fault,
            open: HashMap::new(),
            by_part: HashMap::new(),
            early: Vec::new(),
            again: VecDeque::new(),
            tokens: 0,
        }
    }

    fn run(mut self, from: &Receiver<Message>) {
        let mut ended = false;
        while !ended || !self.open.is_empty() || !self.again.is_empty() {
            while self.open.len() < 50 && !self.esme.closed {
                let next = self.again.pop_front().or_else(|| match from.try_recv() {
                    Ok(message) => Some(message),
                    Err(error) => {
                        ended = error == std::sync::mpsc::TryRecvError::Disconnected;
                        None
                    }
                });
                let Some(message) = next else { break };
                self.submit(message);
            }
            self.esme.turn();
            self.events();
        }
    }

    fn tenth(&self, message: &Message, fault: Fault) -> bool {
        self.fault == fault && message.number % 10 == 3
    }

    fn submit(&mut self, mut message: Message) {
        if self.tenth(&message, Fault::Forgets) {
            return;
        }
        if self.tenth(&message, Fault::CutsTexts) && message.text.chars().count() > 1 {
            message.text.pop();
        }
        self.tokens += 1;
        let token = self.tokens;
        let parts = self.esme.submit_text(token, &message.to, &message.text);
        self.open.insert(token, (message, parts, parts));
    }

    fn events(&mut self) {
        while let Some(seen) = self.esme.seen.pop_front() {
            match seen {
                Seen::Answer { token, status: 0, id } => {
                    self.by_part.insert(id, token);
                    if let Some(open) = self.open.get_mut(&token) {
                        open.1 -= 1;
                    }
                }
                // The parts of that message that were taken are taken twice.
                Seen::Answer { token, .. } | Seen::Unknown { token, .. } => {
                    self.again.extend(self.open.remove(&token).map(|open| open.0));
                }
                Seen::Receipt { id, stat, .. } => self.early.push((id, stat)),
                Seen::Closed => self.esme = Esme::bind(self.carrier, BindKind::Transceiver),
                Seen::Bound | Seen::Refused(_) | Seen::Unmarked { .. } => {}
            }
        }
        for (id, stat) in std::mem::take(&mut self.early) {
            // Of a part whose answer was lost nobody knows the id.
            if let Some(token) = self.by_part.get(&id).copied() {
                self.receipt(token, &stat);
            }
        }
    }

    fn receipt(&mut self, token: u64, stat: &str) {
        let Some(open) = self.open.get_mut(&token) else { return };
        open.2 -= 1;
        if open.2 == 0 && open.1 == 0 {
            let (message, ..) = self.open.remove(&token).unwrap();
            self.webhook(&message, if stat == "DELIVRD" { "delivered" } else { "undelivered" });
        }
    }

    fn webhook(&mut self, message: &Message, status: &str) {
        let id = format!("id-{}", message.number);
        let body = format!(
            "{{\"type\":\"message.{status}\",\"data\":{{\"message_id\":\"{id}\",\"status\":\"{status}\"}}}}"
        );
        let mut secret = sign::parse_secret(SECRET).unwrap();
        if self.tenth(message, Fault::SignsBadly) {
            secret[0] ^= 1;
        }
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in
            sign::signed_fields(&secret, &format!("w-{id}"), now_s, body.as_bytes())
        {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        self.hooks.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        let mut buffer = [0; 1024];
        assert!(self.hooks.read(&mut buffer).unwrap() > 0);
    }
}

struct Whole {
    report: Report,
    dropped: u64,
}

fn run(messages: u64, smsc: SmscOptions, fault: Fault) -> Whole {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| -> PathBuf { folder.path().join(name) };
    let smsc = start_smsc(SmscOptions { ledger: Some(file("smsc")), receipt_delay_ms: 50, ..smsc });
    let sink = start_sink(SinkOptions {
        listen: loopback(),
        secret: Some(SECRET.into()),
        ledger: Some(file("sink")),
        ..SinkOptions::default()
    });
    let (address, gateway) = gateway(smsc.addresses[0], sink.addresses[0], fault);
    let load = LoadOptions {
        url: format!("http://{address}"),
        messages,
        rate: 600.0,
        connections: 8,
        webhook_url: Some(format!("http://{}/hook", sink.addresses[0])),
        ledger: Some(file("load")),
        ..LoadOptions::default()
    };
    let summary = run_load_until(&load, &Stop::new()).unwrap();
    assert_eq!(summary.accepted, messages);
    let mut end = TcpStream::connect(address).unwrap();
    end.write_all(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}").unwrap();
    gateway.join().unwrap();
    sink.finish();
    let dropped = smsc.finish()[0].dropped;
    let report = join(&file("load"), &[file("smsc")], &file("sink"), None).unwrap();
    Whole { report, dropped }
}

#[test]
fn a_gateway_that_works_is_found_sound() {
    let Whole { report, .. } =
        run(400, SmscOptions { failure_ppm: 100_000, ..smsc_options() }, Fault::None);
    assert!(report.is_sound(), "{report}");
    assert_eq!((report.accepted, report.submitted, report.webhooks), (400, 400, 400));
    assert_eq!((report.lost, report.duplicates), (0, 0));
    assert!((15..80).contains(&report.undelivered), "{report}");
    assert_eq!(report.delivered + report.undelivered, 400);
    assert!(report.parts > 500, "long texts are among them");
    assert!(report.end_to_end_ms.p50 >= 40.0, "the carrier waits 50 ms: {report}");
}

#[test]
fn lost_connections_cost_duplicates_but_no_message() {
    let options = SmscOptions { disconnect_every: Some(150), ..smsc_options() };
    let Whole { report, dropped } = run(400, options, Fault::None);
    assert!(dropped >= 2, "{dropped}");
    assert_eq!((report.lost, report.ghosts, report.text_mismatches), (0, 0, 0), "{report}");
    assert_eq!((report.accepted, report.submitted), (400, 400));
    assert!(report.duplicates >= dropped, "the part at the drop at least: {report}");
}

#[test]
fn a_gateway_that_forgets_is_caught() {
    let Whole { report, .. } = run(100, smsc_options(), Fault::Forgets);
    assert_eq!((report.accepted, report.lost, report.submitted), (100, 10, 90), "{report}");
    assert_eq!(report.lost_ids.len(), 10);
}

#[test]
fn a_gateway_that_cuts_texts_is_caught() {
    let Whole { report, .. } = run(100, smsc_options(), Fault::CutsTexts);
    assert!((8..=10).contains(&report.text_mismatches), "{report}");
}

#[test]
fn a_gateway_that_signs_badly_is_caught() {
    let Whole { report, .. } = run(100, smsc_options(), Fault::SignsBadly);
    assert_eq!((report.bad_signatures, report.webhooks, report.lost), (10, 90, 10), "{report}");
}
