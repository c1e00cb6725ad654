//! A gateway as a process of its own, a blocking HTTP peer that sends any octets, and carriers that
//! a test plays by hand, for the tests with hostile peers. Test code; one set per test.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod carrier;
#[path = "../harness/pdu.rs"]
pub(crate) mod pdu;
pub(crate) mod requests;
pub(crate) mod scenario;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postrider_http::auth::hash_api_key;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The key of the customer `acme`.
pub(crate) const KEY: &str = "pr_test_hostile_acme";
/// The key of the customer `other`, whose texts have at most 10 characters.
pub(crate) const OTHER_KEY: &str = "pr_test_hostile_other";
/// The statuses that nothing changes any more, as the API names them.
pub(crate) const FINAL: [&str; 7] =
    ["delivered", "undelivered", "expired", "rejected", "failed", "canceled", "unknown"];

/// `postrider serve` as a child; dropping it ends it.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) http: SocketAddr,
    pub(crate) admin: SocketAddr,
    log: PathBuf,
    _dir: tempfile::TempDir,
}

impl Gateway {
    /// Starts a gateway of two shards with these carriers and routes (TOML), and waits until it is
    /// ready.
    pub(crate) fn start(carriers_and_routes: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (http, admin) = free_ports();
        let config = dir.path().join("postrider.toml");
        let text = config_text(dir.path(), http, admin);
        std::fs::write(&config, text + carriers_and_routes).unwrap();
        let log = dir.path().join("log.txt");
        let file = std::fs::File::create(&log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_postrider"))
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut gateway = Gateway { child, http, admin, log, _dir: dir };
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(http).is_err() {
            gateway.assert_alive();
            assert!(Instant::now() < until, "the gateway is not ready:\n{}", gateway.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        gateway
    }

    /// Everything it has printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn assert_alive(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "the gateway ended: {ended:?}\n{}", self.log());
    }

    /// The sum of a counter or gauge over all shards, of the lines with this label.
    pub(crate) fn metric(&self, name: &str, label: &str) -> u64 {
        let raw = "GET /metrics HTTP/1.0\r\nHost: a\r\n\r\n".as_bytes();
        let page = exchange(self.admin, raw).answer.expect("metrics").text();
        let lines = page.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && line.contains(label)
        });
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
    }

    /// Asks it to stop and checks that it did so in order, and never panicked.
    pub(crate) fn stop(mut self) {
        self.assert_alive();
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < until, "the gateway does not stop:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{status}:\n{}", self.log());
        assert!(!self.log().contains("panicked"), "{}", self.log());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("the gateway said last:");
            tail.iter().rev().for_each(|line| eprintln!("  {line}"));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Two ports that nobody uses.
fn free_ports() -> (SocketAddr, SocketAddr) {
    let held = [TcpListener::bind("127.0.0.1:0"), TcpListener::bind("127.0.0.1:0")];
    let [http, admin] = held.map(|held| held.unwrap().local_addr().unwrap());
    (http, admin)
}

fn config_text(dir: &Path, http: SocketAddr, admin: SocketAddr) -> String {
    let hash =
        |key| hash_api_key(key).iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    format!(
        "[server]\ndata_dir = {:?}\nshards = 2\nlisten = \"{http}\"\nadmin_listen = \"{admin}\"\n\
         pin = false\nspin = false\n\
         [store]\nsegment_mib = 8\nmax_segments = 8\n\
         [limits]\nopen_messages = 8000\n\
         [[customers]]\nname = \"acme\"\napi_keys = [\"sha256:{}\"]\n\
         webhook_secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n\
         [[customers]]\nname = \"other\"\nmax_text_chars = 10\napi_keys = [\"sha256:{}\"]\n\
         webhook_secret = \"whsec_NfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n",
        dir.join("data").display().to_string(),
        hash(KEY),
        hash(OTHER_KEY),
    )
}

/// A carrier of two binds, one on each shard.
pub(crate) fn carrier_text(name: &str, at: SocketAddr) -> String {
    format!(
        "[[carriers]]\nname = \"{name}\"\naddress = \"{at}\"\nsystem_id = \"hostile\"\n\
         password = \"hostile\"\nbinds = 2\nwindow = 20\n"
    )
}

/// A route by prefix.
pub(crate) fn route_text(prefix: &str, carriers: &[&str]) -> String {
    format!("[[routes]]\nprefix = \"{prefix}\"\ncarriers = {carriers:?}\n")
}

/// One answer, as it came.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (given, value) = line.split_once(':')?;
            given.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The head without the field that says when it was written.
    pub(crate) fn head_without_date(&self) -> Vec<&str> {
        self.head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("date:")).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.head, self.body.escape_ascii())
    }
}

/// A connection on which one answer was waited for.
pub(crate) struct Exchange {
    stream: TcpStream,
    /// `None` when the server closed without a word.
    pub(crate) answer: Option<Answer>,
}

impl Exchange {
    /// Whether the server closes the connection without another octet.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0]) {
            Ok(octets) => octets == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

/// Sends `raw` on a connection of its own and reads one answer.
pub(crate) fn exchange(at: SocketAddr, raw: &[u8]) -> Exchange {
    let mut stream = connect(at);
    // A server may close before it has read everything.
    drop(stream.write_all(raw));
    let answer = read_answer(&mut stream, raw.starts_with(b"HEAD "));
    Exchange { stream, answer }
}

pub(crate) fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Reads one answer; `None` when the connection ends first.
pub(crate) fn read_answer(stream: &mut TcpStream, headless: bool) -> Option<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        match stream.read(&mut octet) {
            Ok(0) => return None,
            Ok(_) => head.push(octet[0]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("no answer: {error}"),
        }
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head, body: Vec::new() };
    if let Some(length) = answer.field("content-length").filter(|_| !headless) {
        answer.body.resize(length.parse().unwrap(), 0);
        stream.read_exact(&mut answer.body).unwrap();
    } else if answer.field("connection") == Some("close") && !headless {
        stream.read_to_end(&mut answer.body).unwrap();
    }
    Some(answer)
}

/// The octets of a request to submit `body`.
pub(crate) fn post(key: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /api/v1/messages HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The octets of a request to read `target`.
pub(crate) fn get(key: &str, target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n").into_bytes()
}

/// Submits a message for `to` (digits) on a new connection and returns its id.
pub(crate) fn submit(at: SocketAddr, key: &str, to: &str) -> String {
    let body = format!(r#"{{"from":"Postrider","to":"+{to}","body":"hello"}}"#);
    let answer = exchange(at, &post(key, body.as_bytes())).answer.expect("an answer");
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()["message_id"].as_str().unwrap().to_owned()
}

/// The message as its customer sees it.
pub(crate) fn message(at: SocketAddr, key: &str, id: &str) -> Value {
    let answer = exchange(at, &get(key, &format!("/api/v1/messages/{id}"))).answer.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Waits until the message has this status.
pub(crate) fn await_status(at: SocketAddr, key: &str, id: &str, wanted: &str) -> Value {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let seen = message(at, key, id);
        if seen["status"] == wanted {
            return seen;
        }
        let final_already = FINAL.iter().any(|status| seen["status"] == **status);
        assert!(!final_already && Instant::now() < until, "{wanted} is not reached: {seen:#}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until every message is final and counts them by status.
pub(crate) fn await_final(
    at: SocketAddr,
    messages: &[(&str, String)],
) -> std::collections::BTreeMap<String, usize> {
    let until = Instant::now() + Duration::from_secs(30);
    let mut counts = std::collections::BTreeMap::new();
    for (key, id) in messages {
        loop {
            let seen = message(at, key, id);
            let status = seen["status"].as_str().unwrap();
            if FINAL.contains(&status) {
                *counts.entry(status.to_owned()).or_default() += 1;
                break;
            }
            assert!(Instant::now() < until, "not final: {seen:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    counts
}
