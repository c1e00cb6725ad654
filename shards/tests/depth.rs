//! A backlog far deeper than memory: a carrier is down for hours, and what is for it waits on disk. The
//! real program's memory is watched while messages gather and while they drain; one-time passwords and
//! other carriers' traffic go their way meanwhile, and customers read what waits. On the test's threads,
//! with the gateway, the carriers and the sink as processes. `POSTRIDER_DEPTH` says how many messages.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "harness/pdu.rs"]
mod pdu;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "house/requests.rs"]
mod requests;

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::stage::{KEY, Load, Shape, Stage, assert_sound, listening};
use common::{
    Client, Finals, HUNG, Process, alone, free_port, local, metric, program, resident, unix_us,
    until,
};
use pdu::{BIND_TRX, Pdu};
use postrider_core::config::{Config, MemoryPlan, Plan};
use postrider_core::number::Msisdn;
use postrider_core::place::Placement;
use postrider_loadgen::ledger::Audit;
use postrider_loadgen::load::LoadOptions;
use postrider_storage::io::DataDir;
use requests::{Submit, bind};
use serde_json::Value;

/// Messages that wait, unless `POSTRIDER_DEPTH` says.
const DEPTH: u64 = 120_000;
/// Messages of a shard in memory.
const HOT: u32 = 4_000;
/// Loads that the messages come in.
const STEPS: u64 = 10;
/// Numbers that only the carrier has that is down.
const DEEP: &str = "4477";
/// One-time passwords go to numbers of their own.
const PASSWORDS: &str = "44778";
/// From a password's acceptance to its submit, while a backlog of the same carrier drains: what is
/// aimed at, a third of what fails.
const PASSWORD_AIM: Duration = Duration::from_secs(2);
/// Octets that memory grows by beside what the plan says of messages: the allocator's own.
const SLACK: u64 = 32 << 20;

const SHAPE: Shape =
    Shape { answer_delay_ms: 0, receipt_delay_ms: 10, patience_s: 60, ..Shape::USUAL };

fn depth() -> u64 {
    let asked = std::env::var("POSTRIDER_DEPTH");
    asked.map_or(DEPTH, |value| value.parse().expect("POSTRIDER_DEPTH"))
}

fn mib(octets: u64) -> u64 {
    octets >> 20
}

/// The carrier that is down, and a customer that sends one-time passwords over SMPP.
fn more(smpp: SocketAddr, deep: SocketAddr) -> String {
    format!(
        r#"
[smpp]
listen = "{smpp}"
[[customers]]
name = "bank"
[customers.smpp]
system_id = "bank"
password = "secret"
[[carriers]]
name = "deep"
address = "{deep}"
system_id = "test"
password = "test"
binds = 2
window = 50
[[routes]]
prefix = "{DEEP}"
carriers = ["deep"]
"#
    )
}

/// Octets that the plan lets messages take, over all shards.
fn planned(stage: &Stage) -> u64 {
    let config = Config::parse(&std::fs::read_to_string(stage.config()).unwrap()).unwrap();
    let plan = Plan::new(&config, 2).unwrap();
    let of = |memory: &MemoryPlan| {
        memory.hot_messages + memory.receipts + memory.rows + memory.filters + memory.registers
    };
    plan.shards.iter().map(|shard| of(&shard.memory)).sum()
}

/// A customer that reads its messages as long as the test runs.
struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Reader {
    fn start(gateway: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut times = Vec::new();
            while !seen.load(Ordering::Relaxed) {
                times.extend(read_some(gateway));
                std::thread::sleep(Duration::from_millis(50));
            }
            times
        });
        Reader { stop, thread }
    }

    fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        let mut times = self.thread.join().unwrap();
        times.sort_unstable();
        let (median, last) = (times[times.len() / 2], times[times.len() - 1]);
        println!("answers read        {}, {median:.1?} (median), {last:.1?} at most", times.len());
    }
}

/// A page of messages that wait, and a few of them by their ids.
fn read_some(gateway: SocketAddr) -> Vec<Duration> {
    let mut client = Client::connect(gateway).unwrap();
    let mut times = Vec::new();
    let mut get = |path: &str| {
        let begun = Instant::now();
        let (status, body) = client.get(path, Some(KEY)).unwrap();
        times.push(begun.elapsed());
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str::<Value>(&body).unwrap()
    };
    let page = get("/api/v1/messages?status=queued&limit=100");
    for message in page["data"].as_array().unwrap().iter().step_by(33) {
        assert_eq!(message["status"], "queued");
        let id = message["message_id"].as_str().unwrap();
        assert_eq!(get(&format!("/api/v1/messages/{id}"))["message_id"], id);
    }
    times
}

/// A customer's bind that sends passwords, one at a time.
struct Bank {
    stream: TcpStream,
    octets: Vec<u8>,
    sent: u32,
}

impl Bank {
    fn bind(gateway: SocketAddr) -> Self {
        let stream = TcpStream::connect(gateway).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(HUNG)).unwrap();
        let mut bank = Bank { stream, octets: Vec::new(), sent: 0 };
        bank.stream.write_all(&bind(BIND_TRX, 1, "bank", "secret").octets()).unwrap();
        assert_eq!(bank.answer(1).status, 0);
        bank
    }

    /// Sends a password; to whom, and when it was accepted.
    fn send(&mut self) -> (String, u64) {
        self.sent += 1;
        let to = format!("{PASSWORDS}{:07}", self.sent);
        let sequence = 10 + self.sent;
        let submit = Submit { sequence, dest: (1, 1, &to), priority: 3, ..Submit::default() };
        self.stream.write_all(&submit.pdu().octets()).unwrap();
        assert_eq!(self.answer(sequence).status, 0);
        (to, unix_us())
    }

    fn answer(&mut self, sequence: u32) -> Pdu {
        loop {
            while let Some((pdu, rest)) = Pdu::read(&self.octets) {
                self.octets = rest.to_vec();
                match pdu.command {
                    pdu::ENQUIRE => {
                        let alive = Pdu::new(pdu::ENQUIRE_RESP, 0, pdu.sequence, b"");
                        self.stream.write_all(&alive.octets()).unwrap();
                    }
                    _ if pdu.sequence == sequence => return pdu,
                    _ => {}
                }
            }
            let mut chunk = [0; 4_096];
            let count = self.stream.read(&mut chunk).unwrap();
            assert!(count > 0, "the gateway closed the bind");
            self.octets.extend_from_slice(&chunk[..count]);
        }
    }
}

/// Binds of the carrier that was down which are up again.
fn binds_up(admin: SocketAddr) -> usize {
    let (_, text) = Client::connect(admin).unwrap().get("/metrics", None).unwrap();
    let up = |line: &&str| {
        line.starts_with("postrider_bind_state")
            && line.contains("carrier=\"deep\"")
            && line.contains("state=\"bound\"")
            && line.ends_with(" 1")
    };
    text.lines().filter(up).count()
}

/// Starts the carrier that was down.
fn carrier(folder: &Path, address: SocketAddr) -> Process {
    let mut command = program("smsc");
    command.args(["--listen", &address.to_string(), "--name", "deep", "--window", "50"]);
    command.args(["--receipt-delay-ms", "10", "--ledger"]).arg(folder.join("deep.ndjson"));
    command.stdin(Stdio::piped());
    listening("deep", folder, command).0
}

fn lines(path: &Path) -> impl Iterator<Item = String> {
    // A process that is still at work may have written half a line.
    BufReader::new(File::open(path).unwrap()).lines().map_while(Result::ok)
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.split_once(&format!("\"{name}\":"))?.1;
    rest.split([',', '}']).next().map(|value| value.trim_matches('"'))
}

/// The ledger of a carrier without the passwords, which no ledger of a sender knows; and when it took
/// each of those.
fn without_passwords(path: &Path) -> (PathBuf, Vec<(String, u64)>) {
    let kept = path.with_extension("kept.ndjson");
    let mut out = BufWriter::new(File::create(&kept).unwrap());
    let mut passwords = Vec::new();
    for line in lines(path) {
        match field(&line, "to").filter(|to| to.trim_start_matches('+').starts_with(PASSWORDS)) {
            Some(to) if line.contains("\"part\"") => {
                let at = field(&line, "t").unwrap().parse().unwrap();
                passwords.push((to.trim_start_matches('+').to_owned(), at));
            }
            Some(_) => {}
            None => writeln!(out, "{line}").unwrap(),
        }
    }
    out.flush().unwrap();
    (kept, passwords)
}

/// Each shard's messages drain in order of their deadlines, which is that of their numbers. Connections,
/// binds, and the seats that messages had before the carrier was down mix neighbours.
fn assert_ordered(stage: &Stage, kept: &Path) {
    let dir = DataDir::open(stage.data(), SHAPE.shards).unwrap();
    let placement = Placement::new(dir.placement_key(), SHAPE.shards);
    let number = |line: &String| field(line, "to")?.trim_start_matches('+').parse::<u64>().ok();
    let parts = lines(kept).filter(|line| line.contains("\"part\""));
    let (mut reached, mut behind) = ([0_u64; 2], 0);
    for number in parts.filter_map(|line| number(&line)) {
        let owner = placement.owner(Msisdn::from_u64(number).unwrap());
        let reached = &mut reached[usize::from(owner.0)];
        behind = behind.max(reached.saturating_sub(number));
        *reached = number.max(*reached);
    }
    println!("out of order        by {behind} messages at most");
    assert!(behind <= u64::from(HOT), "out of order by {behind}");
}

/// Sends passwords while the backlog drains, until all messages of the loads are final.
fn drain(stage: &Stage, bank: &mut Bank, finals: &mut Finals, count: u64) -> Vec<(String, u64)> {
    let (mut sent, mut moved, mut last) = (Vec::new(), Instant::now(), 0);
    let mut up = false;
    while (finals.statuses.len() as u64) < count {
        // The shards' binds come back at different times, and a password has but one.
        up = up || binds_up(stage.admin) == usize::from(SHAPE.binds);
        if up {
            sent.push(bank.send());
        }
        std::thread::sleep(Duration::from_millis(20));
        finals.read_on();
        if finals.statuses.len() != last {
            (last, moved) = (finals.statuses.len(), Instant::now());
        }
        assert!(moved.elapsed() < HUNG, "{last} of {count} are final, and no more become so");
    }
    sent
}

/// Removes every file that is made anew from the segments.
fn remove_side_files(data: &Path) {
    let mut removed = 0;
    let dir = DataDir::open(data, SHAPE.shards).unwrap();
    for shard in 0..SHAPE.shards {
        for file in std::fs::read_dir(dir.shard_dir(shard)).unwrap() {
            let file = file.unwrap().path();
            let name = file.file_name().unwrap().to_str().unwrap();
            if ["reg-", "run-", "checkpoint-"].iter().any(|kind| name.starts_with(kind)) {
                std::fs::remove_file(file).unwrap();
                removed += 1;
            }
        }
    }
    assert!(removed > 0, "nothing was beside the segments");
}

/// Gathers a backlog, a tenth at a time, with the memory after each.
fn gather(stage: &Stage, gateway: &Process, ledgers: &mut Vec<PathBuf>) -> Vec<u64> {
    let mut memory = vec![resident(gateway.id())];
    println!("memory at first     {} MiB", mib(memory[0]));
    let each = depth() / STEPS;
    for step in 0..STEPS {
        let ledger = stage.folder.join(format!("load-{step}.ndjson"));
        let begun = Instant::now();
        let options = LoadOptions {
            prefixes: vec![DEEP.to_owned()],
            first_number: step * each,
            ledger: Some(ledger.clone()),
            ..stage.load(each, 0.0)
        };
        let summary = Load::start(options).finish();
        assert_eq!((summary.accepted, summary.refused_total), (each, 0));
        ledgers.push(ledger);
        memory.push(resident(gateway.id()));
        let rate = each as f64 / begun.elapsed().as_secs_f64();
        let held = mib(memory[memory.len() - 1]);
        println!("{:>9} messages  {held} MiB, {rate:.0} accepted a second", (step + 1) * each);
    }
    memory
}

/// Kills the process and starts it, from a checkpoint and then from the segments alone: memory does not
/// grow with what waits.
fn start_again(stage: &Stage, mut gateway: Process, bound: u64) -> Process {
    until("both shards have written a checkpoint", 2 * HUNG, || {
        metric(stage.admin, "postrider_checkpoints_total", "") >= 2
    });
    for (from, files) in [("a checkpoint", false), ("the log alone", true)] {
        gateway.kill();
        gateway.wait(HUNG);
        if files {
            remove_side_files(&stage.data());
        }
        let begun = Instant::now();
        gateway = stage.start_gateway();
        stage.await_ready(&mut gateway);
        let (took, held) = (begun.elapsed(), resident(gateway.id()));
        println!("ready from {from:<13} after {took:.1?}, {} MiB", mib(held));
        assert!(held <= bound, "{held}");
        until("all messages are open again", HUNG, || {
            metric(stage.admin, "postrider_open_messages", "") == depth()
        });
    }
    gateway
}

#[test]
fn a_backlog_waits_on_disk_and_drains_in_order_beside_passwords() {
    let _alone = alone();
    let root =
        std::env::var("POSTRIDER_DEPTH_DIR").map_or_else(|_| std::env::temp_dir(), Into::into);
    let folder = tempfile::tempdir_in(root).unwrap();
    let mut stage = Stage::set(folder.path(), SHAPE);
    let (smpp, deep, depth) = (local(free_port()), local(free_port()), depth());
    stage.store.segment_mib = if depth > 1_000_000 { 64 } else { 8 };
    // Half of a shard's log carries its open messages, 2 KiB each.
    let open = depth * 6 / 10 + 10_000;
    let segments = 2 * (open * 2_048).div_ceil(u64::from(stage.store.segment_mib) << 20) + 8;
    stage.store.max_segments = u16::try_from(segments).unwrap();
    stage.store.open_messages = u32::try_from(open).unwrap();
    stage.store.hot_messages = HOT;
    stage.more = more(smpp, deep);
    stage.write_config();
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    let mut ledgers = Vec::new();
    let memory = gather(&stage, &gateway, &mut ledgers);
    let bound = memory[0] + planned(&stage) + SLACK;
    println!("memory planned      {} MiB at most", mib(bound));
    assert!(memory.iter().all(|held| *held <= bound), "{memory:?}");
    // Once every seat is taken, messages add what is known of rows on disk.
    let grown = memory[memory.len() - 1].saturating_sub(memory[memory.len() / 2]);
    println!("memory grown        {} MiB over the second half", mib(grown));
    gateway = start_again(&stage, gateway, bound);
    let reader = Reader::start(stage.listen);

    // Other carriers' traffic goes its way.
    let beside = LoadOptions {
        prefixes: vec!["4915".to_owned()],
        first_number: depth,
        ledger: Some(folder.path().join("beside.ndjson")),
        ..stage.load(2_000, 200.0)
    };
    ledgers.push(folder.path().join("beside.ndjson"));
    let beside = Load::start(beside);
    let mut finals = Finals::open(&folder.path().join("sink.ndjson"));
    until("others are sent meanwhile", 3 * HUNG, || {
        finals.read_on();
        finals.statuses.len() >= 1_000
    });
    let mut bank = Bank::bind(smpp);
    let (mut down, woken) = (carrier(folder.path(), deep), Instant::now());
    let sent = drain(&stage, &mut bank, &mut finals, depth + 2_000);
    let took = woken.elapsed();
    println!("drained in          {took:.1?}, {:.0} a second", depth as f64 / took.as_secs_f64());
    println!("memory after        {} MiB", mib(resident(gateway.id())));
    assert!(resident(gateway.id()) <= bound);
    assert_eq!(beside.finish().accepted, 2_000);
    reader.finish();
    drop(bank);
    stage.stop(gateway);
    down.close_stdin();
    assert!(down.wait(HUNG).success());

    let (kept, passwords) = without_passwords(&folder.path().join("deep.ndjson"));
    assert_ordered(&stage, &kept);
    assert_passwords(&sent, &passwords);
    ledgers.extend([kept, folder.path().join("smsc.ndjson"), folder.path().join("sink.ndjson")]);
    let report = Audit::read(&ledgers, None).unwrap().report().unwrap();
    assert_sound(&report);
    assert_eq!(report.duplicates, 0);
}

/// Every password was sent once, and soon.
fn assert_passwords(sent: &[(String, u64)], taken: &[(String, u64)]) {
    let mut waits: Vec<Duration> = Vec::new();
    for (to, accepted) in sent {
        let mut of_it = taken.iter().filter(|(other, _)| other == to);
        let (Some((_, at)), None) = (of_it.next(), of_it.next()) else {
            panic!("a password was not sent once");
        };
        waits.push(Duration::from_micros(at.saturating_sub(*accepted)));
    }
    waits.sort_unstable();
    let (median, last) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    println!("passwords           {}, sent after {median:.1?}, {last:.1?} at most", waits.len());
    assert!(last < 3 * PASSWORD_AIM, "a password waited for {last:?}");
}
