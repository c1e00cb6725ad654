//! What the tests against SMPP programs of others share: where those programs are, one of them as a
//! child that tells what it sees, a gateway between them. On the tests' threads.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod carrier;
pub(crate) mod client;
pub(crate) mod dissector;
pub(crate) mod gateway;
pub(crate) mod kannel;
pub(crate) mod relay;
pub(crate) mod wireshark;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::common::{Process, append};

/// What one step with a peer may take before it counts as hung.
pub(crate) const STEP: Duration = Duration::from_secs(20);

/// The folder that `scripts/peers.sh` fills.
fn folder() -> PathBuf {
    let beside_tests = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("peers");
    std::env::var_os("POSTRIDER_PEERS").map_or(beside_tests, PathBuf::from)
}

/// A program of others by its name in that folder.
fn path_of(program: &str) -> PathBuf {
    folder().join("bin").join(program)
}

/// Whether all of these programs are there. Without them a test is left out, and says so; in CI it
/// fails.
pub(crate) fn are_here(programs: &[&str]) -> bool {
    let absent: Vec<&str> =
        programs.iter().copied().filter(|program| !path_of(program).exists()).collect();
    if absent.is_empty() {
        return true;
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let text = format!(
        "SKIPPED {test}: {} absent from {}: run scripts/peers.sh",
        absent.join(", "),
        folder().display()
    );
    assert!(std::env::var_os("CI").is_none(), "{text}");
    // Past the test runner's capture, so that a plain run shows it.
    std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
    false
}

/// One of those programs.
pub(crate) fn program(name: &str) -> Command {
    Command::new(path_of(name))
}

/// A script of ours that drives a library of others.
pub(crate) fn script(runtime: &str, file: &str) -> Command {
    let mut command = program(runtime);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/programs").join(file));
    command
}

/// A child that takes orders and tells what it sees, both as JSON, one object a line.
pub(crate) struct Peer {
    process: Process,
    orders: Option<ChildStdin>,
    told: BufReader<File>,
    line: String,
    /// What it has told and nobody has taken.
    events: Vec<Value>,
}

impl Peer {
    /// Starts a child whose files in `folder` begin with `name`.
    pub(crate) fn start(name: &str, folder: &Path, mut command: Command) -> Self {
        let (out, err) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.err")));
        command.stdin(Stdio::piped()).stdout(File::create(&out).unwrap()).stderr(append(&err));
        let mut process = Process::spawn(name, command, Some(err));
        let orders = process.take_stdin();
        let told = BufReader::new(File::open(out).unwrap());
        Self { process, orders, told, line: String::new(), events: Vec::new() }
    }

    /// Gives an order.
    pub(crate) fn order(&mut self, order: &Value) {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
    }

    fn read_on(&mut self) {
        while self.told.read_line(&mut self.line).unwrap() > 0 && self.line.ends_with('\n') {
            let event: Value = serde_json::from_str(&self.line).unwrap();
            assert_ne!(event["event"], "error", "the peer complains: {event}");
            self.events.push(event);
            self.line.clear();
        }
    }

    /// Takes the first event of this name for which `wanted` holds; fails when none comes.
    pub(crate) fn await_event(&mut self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.await_any(STEP, |event| event["event"] == name && wanted(event))
    }

    /// Takes the first event, of whatever name, for which `wanted` holds; fails after `limit`.
    pub(crate) fn await_any(&mut self, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + limit;
        loop {
            self.read_on();
            if let Some(at) = self.events.iter().position(&wanted) {
                return self.events.remove(at);
            }
            self.process.assert_running();
            assert!(Instant::now() < end, "not told within {limit:?}: {:?}", self.events);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Takes the first event of this name.
    pub(crate) fn next(&mut self, name: &str) -> Value {
        self.await_event(name, |_| true)
    }

    /// Takes the first `count` events of this name for which `wanted` holds.
    pub(crate) fn take(
        &mut self,
        name: &str,
        count: usize,
        wanted: impl Fn(&Value) -> bool,
    ) -> Vec<Value> {
        (0..count).map(|_| self.await_event(name, &wanted)).collect()
    }

    /// Whether it has told an event of this name that nobody took.
    pub(crate) fn has_told(&mut self, name: &str) -> bool {
        self.read_on();
        self.events.iter().any(|event| event["event"] == name)
    }

    /// Lets it end by itself.
    pub(crate) fn finish(mut self) {
        self.orders = None;
        let status = self.process.wait(STEP);
        assert!(status.success(), "a peer ended with {status}");
    }
}
