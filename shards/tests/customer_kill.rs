//! `kill -9` of the real program while a customer submits over SMPP and handsets write to it: every
//! acknowledged message tells its receipt, every message from a handset that its carrier was told is
//! kept comes whole, and copies stay within their bound. On the test's threads, with the gateway and a
//! simulated carrier as processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{
    HUNG, Process, Random, alone, free_port, local, program, serve, spawn_carrier, until,
};
use postrider_core::text::{self, DefaultAlphabet, Udh, split_header};
use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::receipt::parse_receipt;
use postrider_smpp::session::{BindKind, Event, Role, Session, SessionConfig, State};

const KILLS: u64 = 6;
const BINDS: u64 = 2;
/// Unanswered deliver_sm of one bind of the customer.
const WINDOW: u64 = 20;

/// A gateway of two shards with one customer, and its carrier, whose handsets write.
struct Stage {
    folder: PathBuf,
    smpp: SocketAddr,
    admin: SocketAddr,
    carrier: Process,
}

impl Stage {
    fn set(folder: &Path) -> Self {
        let mut command = program("smsc");
        command.args(["--listen", "127.0.0.1:0", "--window", "100", "--receipt-bind", "any"]);
        command.args(["--answer-delay-ms", "5", "--receipt-delay-ms", "50"]);
        command.args(["--inbound-to", "72345", "--inbound-rate", "200"]);
        command.args(["--inbound-long-every", "5", "--failure-ppm", "20000"]);
        command.arg("--ledger").arg(folder.join("smsc.ndjson"));
        let (carrier, address) = spawn_carrier(folder, command);
        let [http, smpp, admin] = [(); 3].map(|()| local(free_port()));
        let stage = Stage { folder: folder.to_owned(), smpp, admin, carrier };
        std::fs::write(folder.join("gateway.toml"), stage.config(http, &address)).unwrap();
        stage
    }

    fn config(&self, http: SocketAddr, carrier: &str) -> String {
        let Stage { smpp, admin, folder, .. } = self;
        format!(
            r#"
[server]
data_dir = {:?}
shards = 2
listen = "{http}"
admin_listen = "{admin}"
pin = false
spin = false
[store]
segment_mib = 8
[limits]
open_messages = 100000
[smpp]
listen = "{smpp}"
[[customers]]
name = "shop"
numbers = ["72345"]
[customers.smpp]
system_id = "shop"
password = "secret"
max_binds = 8
window = 100
deliver_window = {WINDOW}
[[carriers]]
name = "alpha"
address = "{carrier}"
system_id = "test"
password = "test"
binds = 2
window = 100
[[routes]]
prefix = ""
carriers = ["alpha"]
"#,
            folder.join("data").display().to_string()
        )
    }

    fn start(&self) -> Process {
        serve(&self.folder, self.admin)
    }

    /// Ends the carrier: the texts of handsets that it was told are kept.
    fn kept(&mut self) -> BTreeSet<String> {
        self.carrier.close_stdin();
        assert!(self.carrier.wait(HUNG).success());
        let ledger = std::fs::read_to_string(self.folder.join("smsc.ndjson")).unwrap();
        ledger
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter(|line| line["k"] == "inbound")
            .map(|line| line["text"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Handset, reference, total.
type LongKey = (Vec<u8>, u16, u8);

/// What the customer has seen.
#[derive(Default)]
struct Seen {
    /// Ids that submissions were answered with.
    acknowledged: BTreeSet<String>,
    /// The stat of every receipt, by id.
    receipts: BTreeMap<String, Vec<String>>,
    /// Parts of long messages, by handset, reference and total.
    parts: BTreeMap<LongKey, BTreeMap<u8, Vec<u8>>>,
    texts: BTreeSet<String>,
    taken: u64,
    /// What came a second time.
    copies: u64,
    /// Connections that the customer dropped.
    dropped: u64,
}

impl Seen {
    fn take(&mut self, message: &ShortMessage<'_>) {
        self.taken += 1;
        if let Some(receipt) = parse_receipt(message) {
            let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
            let stats = self.receipts.entry(text(receipt.id)).or_default();
            self.copies += u64::from(!stats.is_empty());
            stats.push(text(receipt.stat));
            return;
        }
        let octets = message.text();
        let (udh, body) = if message.has_udh() { split_header(octets) } else { (&[][..], octets) };
        let whole = match Udh::read(udh).concat {
            None => body.to_vec(),
            Some(place) => {
                let key = (message.source.to_vec(), place.reference, place.total);
                let parts = self.parts.entry(key).or_default();
                self.copies += u64::from(parts.insert(place.index, body.to_vec()).is_some());
                if parts.len() < usize::from(place.total) {
                    return;
                }
                parts.values().flatten().copied().collect()
            }
        };
        let alphabet = DefaultAlphabet::Gsm;
        match text::decode_short_message(message.data_coding, alphabet, &[], &whole) {
            text::Decoded::Text(text) => {
                let fresh = self.texts.insert(text);
                self.copies += u64::from(!fresh && udh.is_empty());
            }
            text::Decoded::Binary(_) => panic!("handsets write text"),
        }
    }
}

/// One transceiver of the customer's.
struct Line {
    stream: TcpStream,
    session: Session,
    begun: Instant,
}

impl Line {
    fn dial(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(Duration::from_millis(2))).ok()?;
        let mut session = Session::new(SessionConfig {
            role: Role::Esme,
            bind: BindKind::Transceiver,
            system_id: "shop".into(),
            password: "secret".into(),
            window: 50,
            inbound_window: 100,
            ..SessionConfig::default()
        });
        session.handle_connected(Duration::ZERO);
        Some(Line { stream, session, begun: Instant::now() })
    }

    /// Reads, takes what came, writes; false when the connection has ended.
    fn turn(&mut self, seen: &mut Seen) -> bool {
        let mut chunk = [0; 65_536];
        let now = self.begun.elapsed();
        match self.stream.read(&mut chunk) {
            Ok(0) => return false,
            Ok(count) => self.session.handle_bytes(now, &chunk[..count]),
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {}
            Err(_) => return false,
        }
        self.session.handle_timeout(now);
        let mut answers = Vec::new();
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Response { status: 0, message_id, .. } => {
                    let id = String::from_utf8(message_id.to_vec()).unwrap();
                    seen.acknowledged.insert(id);
                }
                Event::Message { sequence, command, message } => {
                    // Every fiftieth is not taken: a temporary refusal.
                    let refuse = (seen.taken + 1).is_multiple_of(50);
                    if refuse {
                        seen.taken += 1;
                    } else {
                        seen.take(&message);
                    }
                    answers.push((command, sequence, if refuse { 0x64 } else { 0 }));
                }
                Event::Close { .. } => return false,
                _ => {}
            }
        }
        for (command, sequence, status) in answers {
            self.session.respond(command, sequence, status, b"");
        }
        let mut out = Vec::new();
        self.session.take_output(&mut out);
        self.stream.write_all(&out).is_ok()
    }

    fn submit(&mut self, number: u64) {
        if !matches!(self.session.state(), State::Bound(_)) || self.session.window_free() == 0 {
            return;
        }
        let dest = (447_700_950_000 + number % 40_000).to_string();
        let text = format!("message {number}");
        let submit = ShortMessage {
            source_ton: 5,
            source: b"Shop",
            dest_ton: 1,
            dest_npi: 1,
            dest: dest.as_bytes(),
            registered_delivery: 1,
            short_message: text.as_bytes(),
            ..ShortMessage::default()
        };
        let now = self.begun.elapsed();
        self.session.submit(now, number, &submit).unwrap();
    }
}

/// The customer's software: keeps its binds up, submits while it is told to, drops a bind now and then.
fn customer(address: SocketAddr, seen: &Mutex<Seen>, submits: &AtomicBool, ends: &AtomicBool) {
    let mut lines: Vec<Option<Line>> = (0..BINDS).map(|_| None).collect();
    let mut turn = 0_u64;
    while !ends.load(Ordering::Relaxed) {
        turn += 1;
        for (index, place) in lines.iter_mut().enumerate() {
            let mut seen = seen.lock().unwrap();
            let Some(line) = place else {
                *place = Line::dial(address);
                continue;
            };
            if submits.load(Ordering::Relaxed) {
                line.submit(turn * BINDS + index as u64);
            }
            let dropped = submits.load(Ordering::Relaxed) && turn.is_multiple_of(700) && index == 0;
            seen.dropped += u64::from(dropped);
            if dropped || !line.turn(&mut seen) {
                *place = None;
            }
        }
        if lines.iter().any(Option::is_none) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn kills_lose_no_receipt_and_no_message_from_a_handset() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(folder.path());
    let mut gateway = stage.start();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let [submits, ends] = [true, false].map(|first| Arc::new(AtomicBool::new(first)));
    let thread = {
        let (address, seen) = (stage.smpp, Arc::clone(&seen));
        let (submits, ends) = (Arc::clone(&submits), Arc::clone(&ends));
        std::thread::spawn(move || customer(address, &seen, &submits, &ends))
    };
    let mut random = Random(1);
    for _ in 0..KILLS {
        std::thread::sleep(Duration::from_millis(random.between(300, 1_500)));
        gateway.assert_running();
        gateway.kill();
        gateway = stage.start();
    }
    std::thread::sleep(Duration::from_secs(1));
    submits.store(false, Ordering::Relaxed);
    until("every receipt has come", 2 * HUNG, || {
        let seen = seen.lock().unwrap();
        seen.acknowledged.iter().all(|id| seen.receipts.contains_key(id))
    });
    let kept = stage.kept();
    until("every kept message from a handset has come", 2 * HUNG, || {
        kept.is_subset(&seen.lock().unwrap().texts)
    });
    ends.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    gateway.terminate();
    assert_eq!(gateway.wait(HUNG).code(), Some(0), "the gateway stops in order");
    let seen = seen.lock().unwrap();
    // What was on binds, once more as parts of what they were parts of, and answers not yet on disk.
    let bound = (KILLS + seen.dropped) * 4 * WINDOW * BINDS;
    println!("submissions answered     {}", seen.acknowledged.len());
    println!("receipts                 {}", seen.receipts.len());
    println!("handsets' messages kept  {}, come {}", kept.len(), seen.texts.len());
    println!("kills, binds dropped     {KILLS}, {}", seen.dropped);
    println!("copies                   {} of at most {bound}", seen.copies);
    for (id, stats) in &seen.receipts {
        assert!(stats.iter().all(|stat| *stat == stats[0]), "{id} told {stats:?}");
    }
    assert!(seen.acknowledged.len() > 200 && kept.len() > 200, "the load was no load");
    assert!(seen.copies <= bound, "{} copies, at most {bound}", seen.copies);
}
