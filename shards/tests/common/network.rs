//! A gateway between a sender and carriers, each of which is a process of its own behind a line that
//! a test can cut or hold; and what their ledgers say of the parts that they took. One per test.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use postrider_core::limits;
use postrider_http::auth::hash_api_key;
use postrider_loadgen::ledger::{self, Report};
use postrider_loadgen::load::LoadOptions;
use serde_json::Value;

use super::stage::listening;
use super::{Client, HUNG, Process, free_port, local, program, serve, until};

pub(crate) const KEY: &str = "pr_test_network";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What becomes of octets on a line, both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Line {
    /// They pass.
    Up,
    /// They stay where they are, and connections with them: nobody answers, nobody hangs up.
    Held,
    /// Connections break, and new ones are closed at once.
    Cut,
}

/// One simulated carrier and the way to it.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) ledger: PathBuf,
    /// Where the gateway connects.
    address: SocketAddr,
    line: Arc<AtomicU8>,
    process: Process,
}

/// What a test chooses of a carrier.
pub(crate) struct CarrierSpec {
    pub(crate) name: &'static str,
    /// Arguments of `smsc`.
    pub(crate) simulator: Vec<String>,
    /// Keys of `[[carriers]]`.
    pub(crate) keys: String,
}

impl CarrierSpec {
    pub(crate) fn new(name: &'static str, simulator: &str, keys: impl Into<String>) -> Self {
        let simulator = simulator.split_whitespace().map(str::to_owned).collect();
        Self { name, simulator, keys: keys.into() }
    }
}

/// See the module's header.
pub(crate) struct Network {
    pub(crate) folder: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) peers: Vec<Peer>,
    sink: SocketAddr,
    sink_process: Process,
}

impl Network {
    /// Starts the carriers and the sink, and writes the configuration of a gateway with so many
    /// shards; `more` is its end, routes first.
    pub(crate) fn set(folder: &Path, shards: u16, specs: &[CarrierSpec], more: &str) -> Self {
        let peers: Vec<Peer> = specs.iter().map(|spec| Peer::start(folder, spec)).collect();
        let mut command = program("sink");
        command.args(["--listen", "127.0.0.1:0", "--ledger"]).arg(folder.join("sink.ndjson"));
        command.env("POSTRIDER_WEBHOOK_SECRET", SECRET);
        let (sink_process, sink) = listening("sink", folder, command);
        let network = Self {
            folder: folder.to_owned(),
            listen: local(free_port()),
            admin: local(free_port()),
            peers,
            sink: sink[0],
            sink_process,
        };
        let keys: Vec<&str> = specs.iter().map(|spec| spec.keys.as_str()).collect();
        std::fs::write(network.config(), network.config_text(shards, &keys, more)).unwrap();
        network
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("gateway.toml")
    }

    fn config_text(&self, shards: u16, keys: &[&str], more: &str) -> String {
        let hash: String = hash_api_key(KEY).iter().map(|octet| format!("{octet:02x}")).collect();
        let mut text = format!(
            "[server]\ndata_dir = {:?}\nshards = {shards}\nlisten = \"{}\"\n\
             admin_listen = \"{}\"\npin = false\nspin = false\n\
             [store]\nsegment_mib = 8\nmax_segments = 64\n\
             [limits]\nopen_messages = 100000\nhot_messages = 100000\n\
             [webhooks]\nallow_private = true\n\
             [[customers]]\nname = \"test\"\napi_keys = [\"sha256:{hash}\"]\n\
             webhook_secret = \"{SECRET}\"\n",
            self.folder.join("data").display().to_string(),
            self.listen,
            self.admin,
        );
        for (peer, keys) in self.peers.iter().zip(keys) {
            let (name, address) = (peer.name, peer.address);
            text.push_str(&format!(
                "[[carriers]]\nname = \"{name}\"\naddress = \"{address}\"\nsystem_id = \"test\"\n\
                 password = \"test\"\n{keys}\n"
            ));
        }
        text + more
    }

    /// Starts the gateway and waits until it takes requests and has all its binds.
    pub(crate) fn start_gateway(&self) -> Process {
        let gateway = serve(&self.folder, self.admin);
        until("every bind is bound", HUNG, || self.binds_not_bound() == 0);
        gateway
    }

    /// Binds that are not in use.
    pub(crate) fn binds_not_bound(&self) -> usize {
        let (_, page) = Client::connect(self.admin).unwrap().get("/metrics", None).unwrap();
        let states = page.lines().filter(|line| line.starts_with("postrider_bind_state{"));
        states.filter(|line| line.contains("state=\"bound\"") && line.ends_with(" 0")).count()
    }

    /// What GET /shards says.
    pub(crate) fn shards(&self) -> Value {
        self.page("/shards")
    }

    /// What the admin port says under a path.
    pub(crate) fn page(&self, path: &str) -> Value {
        let (_, page) = Client::connect(self.admin).unwrap().get(path, None).unwrap();
        serde_json::from_str(&page).unwrap()
    }

    /// A counter or gauge, summed over the lines that begin so.
    pub(crate) fn metric(&self, begins: &str) -> u64 {
        let (_, page) = Client::connect(self.admin).unwrap().get("/metrics", None).unwrap();
        let own = page.lines().filter(|line| line.starts_with(begins));
        own.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// What begins so: texts of one part, over 64 connections.
    pub(crate) fn load(&self, messages: u64, rate: f64) -> LoadOptions {
        let corpus = self.folder.join("texts.ndjson");
        std::fs::write(&corpus, "{\"text\":\"Your parcel is on its way.\"}\n").unwrap();
        LoadOptions {
            url: format!("http://{}", self.listen),
            api_key: KEY.into(),
            messages,
            rate,
            connections: 64,
            corpus: Some(corpus),
            webhook_url: Some(format!("http://{}/hooks", self.sink)),
            timeout_seconds: 60,
            give_up_seconds: 120,
            ledger: Some(self.folder.join("load.ndjson")),
            admin: self.admin,
            ..LoadOptions::default()
        }
    }

    pub(crate) fn peer(&self, name: &str) -> &Peer {
        self.peers.iter().find(|peer| peer.name == name).unwrap()
    }

    /// Stops everything in order and makes the account: the report, and each carrier's ledger.
    pub(crate) fn strike(mut self, mut gateway: Process) -> (Report, Vec<CarrierLedger>) {
        gateway.terminate();
        assert_eq!(gateway.wait(HUNG).code(), Some(0), "the gateway stops in order");
        let ledgers: Vec<CarrierLedger> = self.peers.into_iter().map(Peer::end).collect();
        self.sink_process.close_stdin();
        assert!(self.sink_process.wait(HUNG).success());
        let file = |name: &str| self.folder.join(name);
        let carriers: Vec<PathBuf> = ledgers.iter().map(|own| own.path.clone()).collect();
        let report =
            ledger::join(&file("load.ndjson"), &carriers, &file("sink.ndjson"), None).unwrap();
        (report, ledgers)
    }
}

impl Peer {
    fn start(folder: &Path, spec: &CarrierSpec) -> Self {
        let ledger = folder.join(format!("{}.ndjson", spec.name));
        let mut command = program("smsc");
        command.args(["--listen", "127.0.0.1:0", "--name", spec.name]).args(&spec.simulator);
        command.arg("--ledger").arg(&ledger);
        let (process, at) = listening(spec.name, folder, command);
        let line = Arc::new(AtomicU8::new(Line::Up as u8));
        let address = lay(at[0], &line);
        Self { name: spec.name, ledger, address, line, process }
    }

    /// Puts the line into this state.
    pub(crate) fn set(&self, line: Line) {
        self.line.store(line as u8, Ordering::SeqCst);
    }

    /// Lets the simulator stand still or go on.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        self.process.signal(signal);
    }

    /// Ends the simulator: its ledger is whole then.
    fn end(mut self) -> CarrierLedger {
        self.process.close_stdin();
        assert!(self.process.wait(HUNG).success());
        CarrierLedger { name: self.name, path: self.ledger }
    }
}

/// What a carrier wrote down, to its end.
pub(crate) struct CarrierLedger {
    pub(crate) name: &'static str,
    path: PathBuf,
}

impl CarrierLedger {
    /// Its lines.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// When the carrier took parts, Unix microseconds, in order.
    pub(crate) fn taken(&self) -> Vec<u64> {
        self.times(|status| status == 0)
    }

    /// The same of parts that it answered with such a status.
    pub(crate) fn times(&self, wanted: impl Fn(u64) -> bool) -> Vec<u64> {
        let lines = self.lines();
        let parts = lines.iter().filter(|line| line["k"] == "part");
        let parts = parts.filter(|line| wanted(line["st"].as_u64().unwrap()));
        let mut times: Vec<u64> = parts.map(|line| line["t"].as_u64().unwrap()).collect();
        times.sort_unstable();
        times
    }
}

/// Lays a line to `carrier`; where it begins.
fn lay(carrier: SocketAddr, state: &Arc<AtomicU8>) -> SocketAddr {
    let listener = TcpListener::bind(local(0)).unwrap();
    let address = listener.local_addr().unwrap();
    let state = Arc::clone(state);
    std::thread::spawn(move || {
        for gateway in listener.incoming() {
            let Ok(gateway) = gateway else { return };
            if state.load(Ordering::SeqCst) == Line::Cut as u8 {
                continue;
            }
            let Ok(carrier) = TcpStream::connect(carrier) else { continue };
            for (from, to) in [(&gateway, &carrier), (&carrier, &gateway)] {
                from.set_nodelay(true).unwrap();
                from.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let state = Arc::clone(&state);
                std::thread::spawn(move || carry(from, to, &state));
            }
        }
    });
    address
}

/// Carries octets one way until either end closes or the line is cut.
fn carry(mut from: TcpStream, mut to: TcpStream, state: &AtomicU8) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match state.load(Ordering::SeqCst) {
            cut if cut == Line::Cut as u8 => break,
            held if held == Line::Held as u8 => {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            _ => {}
        }
        match from.read(&mut buffer) {
            Ok(count) if count > 0 && to.write_all(&buffer[..count]).is_ok() => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => break,
        }
    }
    // Either end may be gone already.
    drop(to.shutdown(Shutdown::Both));
    drop(from.shutdown(Shutdown::Both));
}

/// The most events within any second.
pub(crate) fn most_in_a_second(times: &[u64]) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (at, time) in times.iter().enumerate() {
        while times[first] + 1_000_000 <= *time {
            first += 1;
        }
        most = most.max(at - first + 1);
    }
    most
}

/// The longest time without an event between the first and the last.
pub(crate) fn longest_gap(times: &[u64]) -> Duration {
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    Duration::from_micros(gaps.max().unwrap_or(0))
}

/// Waits until the gateway has nothing under way any more. What the page says may be a moment old.
pub(crate) fn until_at_rest(network: &Network, limit: Duration) -> Duration {
    let begun = Instant::now();
    std::thread::sleep(limits::PUBLISH_EVERY * 4);
    until("everything is final", limit, || {
        let page = network.shards();
        let open = page["data"].as_array().unwrap().iter();
        open.map(|own| own["open_messages"].as_u64().unwrap()).sum::<u64>() == 0
            && page["data"].as_array().unwrap().iter().all(|own| own["webhook_backlog"] == 0)
    });
    begun.elapsed()
}
