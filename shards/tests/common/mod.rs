//! What the tests over the real program share: its processes, each ended by its own handle whatever
//! happens, a configuration, a blocking HTTP client, the sink's ledger while it grows. On the
//! tests' threads.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod mount;
pub(crate) mod network;
pub(crate) mod stage;

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longest that anything here may take before it counts as hung.
pub(crate) const HUNG: Duration = Duration::from_secs(60);

/// Final statuses of a message.
pub(crate) const FINAL: [&str; 7] =
    ["delivered", "undelivered", "expired", "rejected", "failed", "canceled", "unknown"];

/// Heavy tests of one file run one after the other.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The program under test under one of its commands.
pub(crate) fn program(command: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_postrider"));
    program.arg(command).env_remove("POSTRIDER_LOG");
    program
}

/// What a command that ended by itself left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end with `input` on its standard input; fails when it lasts `limit`.
pub(crate) fn run_to_end(mut command: Command, input: &str, limit: Duration) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    std::fs::write(folder.path().join("in"), input).unwrap();
    command.stdin(File::open(folder.path().join("in")).unwrap());
    command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
    let mut process = Process::spawn("command", command, Some(err.clone()));
    let status = process.wait(limit);
    let stdout = std::fs::read_to_string(out).unwrap();
    Ended { code: status.code(), stdout, stderr: std::fs::read_to_string(err).unwrap() }
}

/// A running child; killed when dropped, so that a test that fails leaves nothing behind.
pub(crate) struct Process {
    child: std::process::Child,
    name: String,
    log: Option<PathBuf>,
}

impl Process {
    /// Starts a child; `log` is what it writes to, shown when the test fails.
    pub(crate) fn spawn(name: &str, mut command: Command, log: Option<PathBuf>) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { child, name: name.to_owned(), log }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails when the child has ended by itself.
    pub(crate) fn assert_running(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "{} ended: {ended:?}", self.name);
    }

    /// SIGKILL, and the end seen.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Its standard input, when it is a pipe.
    pub(crate) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// The end of its standard input, which the meter's parts heed.
    pub(crate) fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits for the end; fails when it takes longer than `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "{} still runs after {limit:?}", self.name);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already: then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking()
            && let Some(text) = self.log.as_ref().and_then(|log| std::fs::read_to_string(log).ok())
        {
            let lines: Vec<&str> = text.lines().collect();
            let tail = lines[lines.len().saturating_sub(40)..].join("\n");
            eprintln!("--- the end of what {} said:\n{tail}", self.name);
        }
    }
}

/// Starts a simulated carrier by this command of `smsc`, and gives where it listens.
pub(crate) fn spawn_carrier(folder: &Path, mut command: Command) -> (Process, String) {
    let (ready, log) = (folder.join("smsc.ready"), folder.join("smsc.log"));
    command.arg("--ready-file").arg(&ready);
    command.stdin(Stdio::piped()).stdout(append(&log)).stderr(append(&log));
    let mut carrier = Process::spawn("smsc", command, Some(log));
    until("the carrier listens", HUNG, || {
        carrier.assert_running();
        ready.exists()
    });
    let text = std::fs::read_to_string(ready).unwrap();
    let line: Value = serde_json::from_str(&text).unwrap();
    let address = line["ready"][0].as_str().unwrap().to_owned();
    (carrier, address)
}

/// Opens a file to append to: one log over all starts of a process.
pub(crate) fn append(path: &Path) -> Stdio {
    OpenOptions::new().create(true).append(true).open(path).unwrap().into()
}

/// Wall time in microseconds since the Unix epoch.
pub(crate) fn unix_us() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

/// Octets of memory that a process holds.
pub(crate) fn resident(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}

/// A port that nobody listens on, outside the range from which the system gives ports to clients: a
/// server that is started again must find its port free although clients went on connecting.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let low: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
    assert!(low > 12_000, "clients' ports begin at {low}");
    let (from, count) = (10_000, low - 10_000);
    let first = u16::try_from(std::process::id() * 7 % u32::from(count)).unwrap();
    for _ in 0..count {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = from + first.wrapping_add(turn) % count;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Starts the gateway of this folder, by its `gateway.toml`, and waits until it takes requests.
pub(crate) fn serve(folder: &Path, admin: SocketAddr) -> Process {
    let log = folder.join("gateway.log");
    let mut command = program("serve");
    command.arg("--config").arg(folder.join("gateway.toml"));
    command.stdin(Stdio::null()).stdout(append(&log)).stderr(append(&log));
    let mut gateway = Process::spawn("gateway", command, Some(log));
    until("the gateway is ready", HUNG, || {
        gateway.assert_running();
        status_of(admin, "/readyz") == Some(200)
    });
    gateway
}

/// Calls `done` until it holds; fails after `limit`.
pub(crate) fn until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !done() {
        assert!(Instant::now() < end, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A blocking HTTP/1.1 client on one connection.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
    address: SocketAddr,
    /// The last answer's Retry-After, seconds.
    pub(crate) retry_after: Option<u64>,
}

impl Client {
    /// # Errors
    /// When nobody listens.
    pub(crate) fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self { reader: BufReader::new(stream), address, retry_after: None })
    }

    /// Status and body of a GET.
    ///
    /// # Errors
    /// When the connection breaks or the answer is no HTTP.
    pub(crate) fn get(&mut self, path: &str, key: Option<&str>) -> std::io::Result<(u16, String)> {
        let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{key}\r\n", self.address);
        self.reader.get_mut().write_all(request.as_bytes())?;
        self.answer()
    }

    /// As [`Client::get`], again while the gateway asks for patience, for 30 times at most.
    fn get_patiently(&mut self, path: &str, key: &str) -> (u16, String) {
        for _ in 0..30 {
            let (status, body) = self.get(path, Some(key)).unwrap();
            let Some(seconds) = self.retry_after.filter(|_| status == 503) else {
                return (status, body);
            };
            std::thread::sleep(Duration::from_secs(seconds));
        }
        self.get(path, Some(key)).unwrap()
    }

    /// Status and body of a POST of JSON.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn post(
        &mut self,
        path: &str,
        key: &str,
        json: &str,
    ) -> std::io::Result<(u16, String)> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
            self.address,
            json.len()
        );
        self.reader.get_mut().write_all(request.as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> std::io::Result<(u16, String)> {
        let broken = |what: &str| std::io::Error::other(what.to_owned());
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| broken(&format!("no status line: {line:?}")))?;
        let mut length = 0;
        self.retry_after = None;
        loop {
            line.clear();
            if self.reader.read_line(&mut line)? == 0 {
                return Err(broken("the head broke off"));
            }
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(|_| broken("no length"))?;
            } else if name.eq_ignore_ascii_case("retry-after") {
                self.retry_after = value.trim().parse().ok();
            }
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body)?;
        let body = String::from_utf8(body).map_err(|_| broken("the body is not UTF-8"))?;
        Ok((status, body))
    }
}

/// The status of GET `path`, on a connection of its own; `None` when nobody answers.
pub(crate) fn status_of(address: SocketAddr, path: &str) -> Option<u16> {
    let answer = Client::connect(address).and_then(|mut client| client.get(path, None));
    answer.ok().map(|(status, _)| status)
}

/// The sum of a metric over all its labels that contain `labels`.
pub(crate) fn metric(admin: SocketAddr, name: &str, labels: &str) -> u64 {
    let (status, text) = Client::connect(admin).unwrap().get("/metrics", None).unwrap();
    assert_eq!(status, 200);
    let lines = text.lines().filter_map(|line| line.strip_prefix(name));
    let of_it = lines.filter(|rest| rest.starts_with(['{', ' ']) && rest.contains(labels));
    of_it.map(|rest| rest.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap() as u64).sum()
}

/// The final statuses that the sink has seen, well signed, while it goes on writing.
pub(crate) struct Finals {
    reader: BufReader<File>,
    rest: String,
    /// Status by message id.
    pub(crate) statuses: HashMap<String, String>,
}

impl Finals {
    pub(crate) fn open(path: &Path) -> Self {
        let reader = BufReader::new(File::open(path).unwrap());
        Self { reader, rest: String::new(), statuses: HashMap::new() }
    }

    /// Reads what was written since.
    pub(crate) fn read_on(&mut self) {
        while self.reader.read_line(&mut self.rest).unwrap() > 0 && self.rest.ends_with('\n') {
            let line: Value = serde_json::from_str(&self.rest).unwrap();
            let status = line["st"].as_str().unwrap();
            if line["ok"] == true && FINAL.contains(&status) {
                let id = line["id"].as_str().unwrap().to_owned();
                self.statuses.entry(id).or_insert_with(|| status.to_owned());
            }
            self.rest.clear();
        }
    }

    /// Waits until every one of `ids` is final; fails when no further one comes for a minute.
    pub(crate) fn await_all(&mut self, ids: &[String]) {
        let (mut last, mut moved) = (0, Instant::now());
        loop {
            self.read_on();
            let missing = ids.iter().filter(|id| !self.statuses.contains_key(*id)).count();
            if missing == 0 {
                return;
            }
            if self.statuses.len() != last {
                (last, moved) = (self.statuses.len(), Instant::now());
            }
            assert!(moved.elapsed() < HUNG, "{missing} of {} have no final status", ids.len());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The ids that the sender's ledger says were acknowledged.
pub(crate) fn acknowledged(ledger: &Path) -> Vec<String> {
    let lines = BufReader::new(File::open(ledger).unwrap()).lines();
    lines
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap())
        .filter(|line| line["k"] == "acc")
        .map(|line| line["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Asks for every message by its id, on four connections; status by id.
pub(crate) fn statuses_of(
    gateway: SocketAddr,
    key: &str,
    ids: &[String],
) -> HashMap<String, String> {
    std::thread::scope(|scope| {
        let asking: Vec<_> = ids
            .chunks(ids.len().div_ceil(4).max(1))
            .map(|ids| scope.spawn(move || statuses_on_one(gateway, key, ids)))
            .collect();
        asking.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

fn statuses_on_one(gateway: SocketAddr, key: &str, ids: &[String]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    // A connection carries a bounded number of requests.
    for ids in ids.chunks(1_000) {
        let mut client = Client::connect(gateway).unwrap();
        for id in ids {
            let (status, body) = client.get_patiently(&format!("/api/v1/messages/{id}"), key);
            assert_eq!(status, 200, "{id}: {body}");
            let message: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(message["message_id"].as_str(), Some(id.as_str()));
            found.push((id.clone(), message["status"].as_str().unwrap().to_owned()));
        }
    }
    found
}

/// A stream of numbers from a seed; the same seed, the same numbers.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next one, from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        low + (z ^ (z >> 31)) % (high - low + 1)
    }
}
