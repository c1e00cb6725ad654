//! `postrider demo`: a whole gateway in this process, with the load generator, three simulated
//! carriers and a webhook sink as child processes, so that processor time and memory of the gateway
//! are its own; then the account of every message. On the main thread.

mod children;
mod outcome;
mod usage;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use postrider_core::config::Config;
use postrider_http::auth::hash_api_key;
use postrider_loadgen::ledger;

use self::children::{Child, load_command, sink_command, smsc_command};
use self::outcome::Outcome;
use self::usage::Usage;
use super::lines::complain;
use crate::control::Shutdown;
use crate::server::{Server, ServerOptions};
use crate::stats::Counter;
use crate::{exit, logging};

/// The three carriers: name and the country code that is routed to each first.
pub(crate) const CARRIERS: [(&str, &str); 3] = [("north", "44"), ("east", "49"), ("south", "91")];
/// Without any progress for so long the run is over.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
/// The children write their ledgers several times within this.
const LEDGERS_WRITTEN: Duration = Duration::from_secs(1);

/// How large a demonstration, and what of it to keep.
#[derive(clap::Args, Clone, Debug)]
pub struct DemoArgs {
    /// Messages to send
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    pub messages: u64,
    /// Texts to send: a tab-separated file with the header lang, kind, text [default: built in]
    #[arg(long, value_name = "FILE")]
    pub corpus: Option<PathBuf>,
    /// Shards, one per core [default: the cores of this machine]
    #[arg(long, value_name = "N")]
    pub shards: Option<u16>,
    /// Messages a second, by the clock; 0 sends as fast as the connections allow
    #[arg(long, default_value_t = 0.0, value_name = "N")]
    pub rate: f64,
    /// Connections of the sender
    #[arg(long, default_value_t = 128, value_name = "N")]
    pub connections: usize,
    /// Write down what the messages cost the gateway, for `postrider plan --calibration`
    #[arg(long, value_name = "FILE")]
    pub calibration: Option<PathBuf>,
    /// Keep the gateway and the carriers running afterwards, until interrupted
    #[arg(long)]
    pub stay: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// The io driver: auto, uring or poll
    #[arg(long, default_value = "auto", value_name = "DRIVER")]
    pub driver: String,
}

/// Runs the demonstration; fails when a single message is not accounted for.
pub fn run(args: &DemoArgs) -> i32 {
    match logging::init(false, logging::LevelFilter::WARN).and_then(|()| demonstrate(args)) {
        Ok(true) => exit::OK,
        Ok(false) => exit::FAILED,
        Err(error) => {
            complain(&format!("{error:#}"));
            exit::FAILED
        }
    }
}

fn demonstrate(args: &DemoArgs) -> Result<bool> {
    let folder = tempfile::Builder::new().prefix("postrider-demo-").tempdir()?;
    let stage = Stage::set(args, folder.path())?;
    let usage = stage.play(args)?;
    let (files, shards) = (stage.files.clone(), stage.server.shards);
    let account = || -> Result<bool> {
        let report = ledger::join(&files.load, &[files.smsc], &files.sink, None)?;
        Ok(Outcome { report, usage, shards }.show(args.json))
    };
    if !args.stay {
        stage.strike()?;
        return account();
    }
    // The account comes first: what is sent by hand afterwards is not in the sender's ledger.
    std::thread::sleep(LEDGERS_WRITTEN);
    let sound = account()?;
    stage.stay()?;
    stage.strike()?;
    Ok(sound)
}

/// Everything that runs.
struct Stage {
    server: Server,
    carriers: Child,
    sink: Child,
    files: Files,
    api_key: String,
    webhook_url: String,
}

/// The ledgers.
#[derive(Clone)]
struct Files {
    load: PathBuf,
    smsc: PathBuf,
    sink: PathBuf,
}

impl Stage {
    /// Starts the carriers, the sink and the gateway.
    fn set(args: &DemoArgs, folder: &Path) -> Result<Stage> {
        let files = Files {
            load: folder.join("load.ndjson"),
            smsc: folder.join("smsc.ndjson"),
            sink: folder.join("sink.ndjson"),
        };
        let api_key = format!("pr_test_{}", random_hex()?);
        let secret = "whsec_".to_owned() + &base64_of(random_hex()?.as_bytes());
        let (carriers, addresses) = Child::listening(smsc_command(&files.smsc, CARRIERS.len())?)?;
        let (sink, at) = Child::listening(sink_command(&files.sink, &secret)?)?;
        let Some(at) = at.first() else { bail!("the sink does not say where it listens") };
        let webhook_url = format!("http://{at}/hooks");
        let text = config_text(args, folder, &addresses, &api_key, &secret);
        let config = Config::parse(&text).context("the demonstration's configuration")?;
        let options =
            ServerOptions { reconnect_first: Duration::from_millis(100), next_config: None };
        let server = Server::start(config, &options, Shutdown::new(Vec::new()))?;
        announce(&server);
        Ok(Stage { server, carriers, sink, files, api_key, webhook_url })
    }

    /// Sends the messages and waits for the last webhook; gives what the gateway used.
    fn play(&self, args: &DemoArgs) -> Result<Usage> {
        self.await_binds();
        let before = Usage::now();
        let url = format!("http://{}", self.server.http);
        let mut command =
            load_command(args, &self.files.load, &url, &self.api_key, &self.webhook_url)?;
        if let Some(file) = &args.calibration {
            command.arg("--calibration").arg(file);
            command.args(["--admin", &self.server.admin.to_string()]);
        }
        let mut load = Child::start(command)?;
        let bar = progress(args.messages);
        let mut quiet = Quiet::new();
        loop {
            std::thread::sleep(POLL);
            let done = self.finished();
            bar.set_position(done);
            let sent = load.has_succeeded()?;
            if sent && done >= self.count(Counter::Accepted) {
                break;
            }
            if quiet.lasts(done + self.count(Counter::Accepted)) {
                complain("no progress for 30 s; making the account of what there is");
                load.abandon()?;
                break;
            }
        }
        bar.finish_and_clear();
        Ok(Usage::now().since(&before))
    }

    /// Waits a little until every carrier has a bind, so that the first messages do not wait.
    fn await_binds(&self) {
        let wanted = u64::from(self.server.shards) * CARRIERS.len() as u64;
        for _ in 0..100 {
            if self.count(Counter::BindsOpened) >= wanted {
                return;
            }
            std::thread::sleep(POLL);
        }
    }

    fn count(&self, counter: Counter) -> u64 {
        self.server.stats().iter().map(|stats| stats.get(counter)).sum()
    }

    /// Messages whose webhook has been acknowledged or given up.
    fn finished(&self) -> u64 {
        self.count(Counter::WebhookAcknowledged) + self.count(Counter::WebhookGivenUp)
    }

    fn stay(&self) -> Result<()> {
        let url = format!("http://{}", self.server.http);
        let shutdown = self.server.shutdown();
        crate::control::signals(std::sync::Arc::clone(&shutdown), std::sync::Arc::default())?;
        eprintln!("The gateway goes on. Send a message:");
        eprintln!(
            "  curl -s {url}/api/v1/messages -H 'Authorization: Bearer {}' \\\n    \
             -H 'Content-Type: application/json' \\\n    \
             -d '{{\"from\":\"Postrider\",\"to\":\"+447700900123\",\"body\":\"Hello\"}}'",
            self.api_key
        );
        eprintln!(
            "Read it: curl -s {url}/api/v1/messages -H 'Authorization: Bearer {}'",
            self.api_key
        );
        eprintln!("Metrics: curl -s http://{}/metrics", self.server.admin);
        eprintln!("Interrupt to stop.");
        while !shutdown.is_asked() {
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Stops everything in order.
    fn strike(self) -> Result<()> {
        self.server.shutdown().ask();
        self.server.wait()?;
        self.carriers.end()?;
        self.sink.end()
    }
}

/// What runs, for whoever watches.
fn announce(server: &Server) {
    let facts = crate::rt::facts();
    let names: Vec<&str> = CARRIERS.iter().map(|(name, _)| *name).collect();
    eprintln!(
        "postrider {}, kernel {}, locked memory {} KiB; carriers {}",
        env!("CARGO_PKG_VERSION"),
        facts.kernel,
        facts.memlock_soft / 1_024,
        names.join(", ")
    );
    for report in server.reports() {
        eprintln!("{report}");
    }
}

/// Notices when nothing moves any more.
struct Quiet {
    last: u64,
    polls: u32,
}

impl Quiet {
    fn new() -> Self {
        Quiet { last: 0, polls: 0 }
    }

    /// Whether `progress` has stood still for [`PATIENCE`].
    fn lasts(&mut self, progress: u64) -> bool {
        if progress != self.last {
            self.last = progress;
            self.polls = 0;
        }
        self.polls += 1;
        POLL * self.polls > PATIENCE
    }
}

fn progress(messages: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(messages);
    let template = "{bar:40} {pos}/{len} messages told their end ({per_sec}, {elapsed})";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn config_text(
    args: &DemoArgs,
    folder: &Path,
    carriers: &[SocketAddr],
    api_key: &str,
    secret: &str,
) -> String {
    let shards = args.shards.unwrap_or_else(|| super::config_file::cores(None));
    let hash: String = hash_api_key(api_key).iter().map(|octet| format!("{octet:02x}")).collect();
    let mut text = format!(
        "[server]\ndata_dir = {:?}\nshards = {shards}\ndriver = {:?}\nlisten = \"127.0.0.1:0\"\n\
         admin_listen = \"127.0.0.1:0\"\npin = {}\nspin = false\n\
         [store]\nsegment_mib = 16\n\
         [webhooks]\nallow_private = true\n\
         [[customers]]\nname = \"demo\"\napi_keys = [\"sha256:{hash}\"]\n\
         webhook_secret = \"{secret}\"\n",
        folder.join("data").display().to_string(),
        args.driver,
        usize::from(shards) <= usize::from(super::config_file::cores(None)),
    );
    for ((name, _), address) in CARRIERS.iter().zip(carriers) {
        text.push_str(&format!(
            "[[carriers]]\nname = \"{name}\"\naddress = \"{address}\"\nsystem_id = \"demo\"\n\
             password = \"demo\"\nbinds = {shards}\nwindow = 200\n"
        ));
    }
    for (first, code) in CARRIERS {
        let others = CARRIERS.iter().map(|(name, _)| *name).filter(|name| *name != first);
        let ranked: Vec<String> =
            std::iter::once(first).chain(others).map(|name| format!("\"{name}\"")).collect();
        text.push_str(&format!(
            "[[routes]]\nprefix = \"{code}\"\ncarriers = [{}]\n",
            ranked.join(", ")
        ));
    }
    text
}

fn random_hex() -> Result<String> {
    let mut octets = [0; 16];
    rustix::rand::getrandom(&mut octets, rustix::rand::GetRandomFlags::empty())?;
    Ok(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}

fn base64_of(octets: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(octets)
}
