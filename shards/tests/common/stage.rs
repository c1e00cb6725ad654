//! A whole stage of processes: simulated carriers, a webhook sink and a gateway that is stopped and
//! started again on the same files and ports; and the sender on a thread. One per test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use postrider_http::auth::hash_api_key;
use postrider_loadgen::ledger::{self, Report};
use postrider_loadgen::load::{LoadOptions, LoadSummary, run_load_until};
use postrider_loadgen::stop::Stop;
use rustix::process::Signal;
use serde_json::Value;

use super::{
    Finals, HUNG, Process, acknowledged, append, free_port, local, program, status_of, until,
};

pub(crate) const KEY: &str = "pr_test_process";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Carriers, each first for one country.
pub(crate) const CARRIERS: [(&str, &str); 3] = [("north", "44"), ("east", "49"), ("south", "91")];

/// What a test chooses of a gateway.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) shards: u16,
    /// Of each carrier, over all shards.
    pub(crate) binds: u16,
    pub(crate) window: u16,
    /// From a submit to its answer at the carriers.
    pub(crate) answer_delay_ms: u64,
    pub(crate) receipt_delay_ms: u64,
    /// How long the gateway waits for an answer.
    pub(crate) patience_s: u64,
}

impl Shape {
    pub(crate) const USUAL: Self = Self {
        shards: 2,
        binds: 2,
        window: 50,
        answer_delay_ms: 20,
        receipt_delay_ms: 200,
        patience_s: 60,
    };

    /// Most parts without an answer at once.
    pub(crate) fn in_flight_max(&self) -> u64 {
        CARRIERS.len() as u64 * u64::from(self.binds) * u64::from(self.window)
    }

    /// Parts that a kill may repeat: those in flight, and one window a bind of answers that were
    /// not on disk.
    pub(crate) fn repeats_per_kill(&self) -> u64 {
        2 * self.in_flight_max()
    }
}

/// What a test chooses of the gateway's store.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) data: PathBuf,
    pub(crate) segment_mib: u16,
    pub(crate) max_segments: u16,
    pub(crate) open_messages: u32,
    /// Of a shard, in memory.
    pub(crate) hot_messages: u32,
}

/// See the module's header.
pub(crate) struct Stage {
    pub(crate) folder: PathBuf,
    pub(crate) shape: Shape,
    pub(crate) store: Store,
    /// What is said; `None`: as the sender has it built in.
    pub(crate) texts: Option<PathBuf>,
    /// The end of the configuration: more carriers, routes and customers.
    pub(crate) more: String,
    /// What the gateway's environment has beside ours.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Where the gateway connects, one for each carrier.
    pub(crate) carriers: Vec<SocketAddr>,
    sink: SocketAddr,
    smsc_process: Process,
    sink_process: Process,
}

impl Stage {
    /// Starts the carriers and the sink, and finds ports for the gateway.
    pub(crate) fn set(folder: &Path, shape: Shape) -> Self {
        let smsc = smsc_command(folder, shape);
        let (smsc_process, carriers) = listening("smsc", folder, smsc);
        let mut command = program("sink");
        command.args(["--listen", "127.0.0.1:0", "--ledger"]).arg(folder.join("sink.ndjson"));
        command.env("POSTRIDER_WEBHOOK_SECRET", SECRET);
        let (sink_process, sink) = listening("sink", folder, command);
        let store = Store {
            data: folder.join("data"),
            segment_mib: 8,
            max_segments: 64,
            open_messages: 100_000,
            hot_messages: 100_000,
        };
        let stage = Self {
            folder: folder.to_owned(),
            shape,
            store,
            texts: None,
            more: String::new(),
            env: Vec::new(),
            listen: local(free_port()),
            admin: local(free_port()),
            carriers,
            sink: sink[0],
            smsc_process,
            sink_process,
        };
        stage.write_config();
        stage
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("gateway.toml")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.store.data.clone()
    }

    /// Writes the configuration again after `carriers`, `shape` or `store` changed.
    pub(crate) fn write_config(&self) {
        std::fs::write(self.config(), self.config_text()).unwrap();
    }

    fn config_text(&self) -> String {
        let Shape { shards, binds, window, patience_s, .. } = self.shape;
        let Store { data, segment_mib, max_segments, open_messages, hot_messages } = &self.store;
        let (listen, admin) = (self.listen, self.admin);
        let hash: String = hash_api_key(KEY).iter().map(|octet| format!("{octet:02x}")).collect();
        let mut text = format!(
            "[server]\ndata_dir = {:?}\nshards = {shards}\nlisten = \"{listen}\"\n\
             admin_listen = \"{admin}\"\npin = false\nspin = false\n\
             [store]\nsegment_mib = {segment_mib}\nmax_segments = {max_segments}\n\
             [limits]\nopen_messages = {open_messages}\nhot_messages = {hot_messages}\n\
             [webhooks]\nallow_private = true\n\
             [[customers]]\nname = \"test\"\napi_keys = [\"sha256:{hash}\"]\n\
             webhook_secret = \"{SECRET}\"\n",
            data.display().to_string(),
        );
        for ((name, _), address) in CARRIERS.iter().zip(&self.carriers) {
            text.push_str(&format!(
                "[[carriers]]\nname = \"{name}\"\naddress = \"{address}\"\nsystem_id = \"test\"\n\
                 password = \"test\"\nbinds = {binds}\nwindow = {window}\n\
                 response_timeout_seconds = {patience_s}\n"
            ));
        }
        for (first, code) in CARRIERS {
            let others = CARRIERS.iter().map(|(name, _)| *name).filter(|name| *name != first);
            let ranked: Vec<String> =
                std::iter::once(first).chain(others).map(|name| format!("\"{name}\"")).collect();
            let ranked = ranked.join(", ");
            text.push_str(&format!("[[routes]]\nprefix = \"{code}\"\ncarriers = [{ranked}]\n"));
        }
        text.push_str(&self.more);
        text
    }

    /// Starts the gateway and returns at once.
    pub(crate) fn start_gateway(&self) -> Process {
        let log = self.folder.join("gateway.log");
        let mut command = program("serve");
        command.arg("--config").arg(self.config());
        command.envs(self.env.iter().cloned());
        command.stdin(Stdio::null()).stdout(append(&log)).stderr(append(&log));
        Process::spawn("gateway", command, Some(log))
    }

    /// Waits until the gateway says that it takes requests; how long that took.
    pub(crate) fn await_ready(&self, gateway: &mut Process) -> Duration {
        let begun = Instant::now();
        until("the gateway is ready", HUNG, || {
            gateway.assert_running();
            status_of(self.admin, "/readyz") == Some(200)
        });
        begun.elapsed()
    }

    /// Begins to send.
    pub(crate) fn start_load(&self, messages: u64, rate: f64) -> Load {
        Load::start(self.load(messages, rate))
    }

    /// What begins so.
    pub(crate) fn load(&self, messages: u64, rate: f64) -> LoadOptions {
        LoadOptions {
            url: format!("http://{}", self.listen),
            api_key: KEY.into(),
            messages,
            rate,
            connections: 64,
            webhook_url: Some(format!("http://{}/hooks", self.sink)),
            timeout_seconds: 60,
            give_up_seconds: 120,
            ledger: Some(self.folder.join("load.ndjson")),
            corpus: self.texts.clone(),
            ..LoadOptions::default()
        }
    }

    /// Lets the carriers stand still: what is sent to them waits in the system's buffers.
    pub(crate) fn stop_carriers(&self) {
        self.smsc_process.signal(Signal::STOP);
    }

    /// Lets them go on.
    pub(crate) fn wake_carriers(&self) {
        self.smsc_process.signal(Signal::CONT);
    }

    /// When the carriers took the first part after `since`, Unix microseconds; `None` when none is
    /// written down yet.
    pub(crate) fn first_part_after(&self, since: u64) -> Option<u64> {
        let text = std::fs::read_to_string(self.folder.join("smsc.ndjson")).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lines = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let times =
            lines.filter(|line| line["k"] == "part").map(|line| line["t"].as_u64().unwrap());
        times.filter(|time| *time > since).min()
    }

    /// Waits until every acknowledged message is final; their ids and the statuses told.
    pub(crate) fn await_finals(&self) -> (Vec<String>, Finals) {
        let ids = acknowledged(&self.folder.join("load.ndjson"));
        let mut finals = Finals::open(&self.folder.join("sink.ndjson"));
        finals.await_all(&ids);
        (ids, finals)
    }

    /// Stops everything in order and makes the account: the report, and the carriers' counts.
    pub(crate) fn strike(mut self, gateway: Process) -> (Report, Vec<Value>) {
        self.stop(gateway);
        let file = |name: &str| self.folder.join(name);
        let smsc = [file("smsc.ndjson")];
        let report = ledger::join(&file("load.ndjson"), &smsc, &file("sink.ndjson"), None).unwrap();
        let said = std::fs::read_to_string(file("smsc.out")).unwrap();
        let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        (report, last["done"].as_array().unwrap().clone())
    }

    /// Stops everything in order.
    pub(crate) fn stop(&mut self, mut gateway: Process) {
        gateway.terminate();
        let status = gateway.wait(HUNG);
        assert_eq!(status.code(), Some(0), "the gateway stops in order");
        for process in [&mut self.smsc_process, &mut self.sink_process] {
            process.close_stdin();
            assert!(process.wait(HUNG).success());
        }
    }
}

/// The sender, at work.
pub(crate) struct Load {
    stop: Stop,
    thread: JoinHandle<anyhow::Result<LoadSummary>>,
}

impl Load {
    pub(crate) fn start(options: LoadOptions) -> Self {
        let stop = Stop::new();
        let seen = stop.clone();
        let thread = std::thread::spawn(move || run_load_until(&options, &seen));
        Load { stop, thread }
    }

    pub(crate) fn is_at_work(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Lets it send all it was to send.
    pub(crate) fn finish(self) -> LoadSummary {
        self.thread.join().unwrap().unwrap()
    }

    /// Lets it wait for the answers to what it has sent, and send nothing more.
    pub(crate) fn stop(self) -> LoadSummary {
        self.stop.stop();
        self.finish()
    }
}

/// What holds for every run, whatever was done to the gateway.
pub(crate) fn assert_sound(report: &Report) {
    println!("{report}");
    assert_eq!(report.lost, 0, "lost: {:?}", report.lost_ids);
    assert_eq!(report.ghosts, 0);
    assert_eq!((report.text_mismatches, report.texts_missing), (0, 0));
    assert_eq!(report.status_changes, 0);
    assert_eq!((report.bad_signatures, report.torn_ledgers), (0, 0));
    assert_eq!(report.refused_at_carrier, 0);
    assert_eq!(report.webhooks, report.accepted);
    assert_eq!(report.delivered + report.undelivered, report.accepted);
}

fn smsc_command(folder: &Path, shape: Shape) -> Command {
    let mut command = program("smsc");
    for (name, _) in CARRIERS {
        command.args(["--listen", "127.0.0.1:0", "--name", name]);
    }
    let Shape { window, answer_delay_ms, receipt_delay_ms, .. } = shape;
    command.args(["--window", &window.to_string()]);
    command.args(["--answer-delay-ms", &answer_delay_ms.to_string()]);
    command.args(["--receipt-delay-ms", &receipt_delay_ms.to_string()]);
    command.args(["--failure-ppm", "20000", "--ledger"]).arg(folder.join("smsc.ndjson"));
    command
}

/// Starts a part of the meter and waits for its word where it listens.
pub(crate) fn listening(
    name: &str,
    folder: &Path,
    mut command: Command,
) -> (Process, Vec<SocketAddr>) {
    let ready = folder.join(format!("{name}.ready"));
    let (out, err) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.err")));
    command.arg("--ready-file").arg(&ready).stdin(Stdio::piped());
    command.stdout(append(&out)).stderr(append(&err));
    let mut process = Process::spawn(name, command, Some(err));
    until(name, HUNG, || {
        process.assert_running();
        ready.exists()
    });
    let line: Value = serde_json::from_str(&std::fs::read_to_string(ready).unwrap()).unwrap();
    let addresses = line["ready"].as_array().unwrap().iter();
    (process, addresses.map(|address| address.as_str().unwrap().parse().unwrap()).collect())
}
