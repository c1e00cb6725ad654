//! The real program as a process: started on a directory, looked at, stopped.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::Advice;
use rustix::process::{Pid, Signal, kill_process};

use super::prepare::{CARRIER, CUSTOMERS, SHARDS};
use postrider_http::auth::hash_api_key;

const PATIENCE: Duration = Duration::from_secs(600);

/// A started program that takes requests.
pub(crate) struct Program {
    child: Child,
    address: SocketAddr,
    start: Duration,
}

/// The configuration of a gateway on `data`, whose carrier nobody reaches.
pub(crate) fn config_of(data: &Path, count: u64) -> String {
    let [listen, admin] = [free_port(), free_port()];
    let open = count + 10_000;
    let mut text = format!(
        "[server]\ndata_dir = {data:?}\nshards = {SHARDS}\nlisten = \"{listen}\"\n\
         admin_listen = \"{admin}\"\npin = false\n\
         [store]\nsegment_mib = 64\nmax_segments = 4096\n\
         [limits]\nopen_messages = {open}\n\
         [[carriers]]\nname = \"{CARRIER}\"\naddress = \"127.0.0.1:1\"\nsystem_id = \"a\"\n\
         password = \"p\"\n\
         [[routes]]\nprefix = \"\"\ncarriers = [\"{CARRIER}\"]\n"
    );
    for customer in &CUSTOMERS {
        let hash: String =
            hash_api_key(customer.key).iter().map(|octet| format!("{octet:02x}")).collect();
        text.push_str(&format!(
            "[[customers]]\nname = \"{}\"\napi_keys = [\"sha256:{hash}\"]\n\
             webhook_secret = \"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\"\n",
            customer.name
        ));
    }
    text
}

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("no port: {e}"));
    listener.local_addr().unwrap_or_else(|e| panic!("no port: {e}"))
}

impl Program {
    /// Starts it and waits until it is ready; says how long that took, and its memory.
    pub(crate) fn start(config: &Path, what: &str) -> Result<Self> {
        let text = std::fs::read_to_string(config)?;
        let place = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.and_then(|value| value.trim_matches('"').parse::<SocketAddr>().ok())
        };
        let (listen, admin) = place("listen").zip(place("admin_listen")).context("no address")?;
        let log = File::create(config.with_extension("log"))?;
        let mut command = Command::new(executable()?);
        command.arg("serve").arg("--config").arg(config);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let begun = Instant::now();
        let mut child = command.spawn()?;
        while !is_ready(admin) {
            if let Some(status) = child.try_wait()? {
                let said = std::fs::read_to_string(config.with_extension("log"))?;
                bail!("the program ended with {status}: {said}");
            }
            ensure!(begun.elapsed() < PATIENCE, "the program does not get ready");
            std::thread::sleep(Duration::from_millis(10));
        }
        let program = Program { child, address: listen, start: begun.elapsed() };
        println!(
            "start, {what}: ready after {:.2} s with {} MiB of memory",
            program.start.as_secs_f64(),
            program.resident()? >> 20
        );
        Ok(program)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long its start took.
    pub(crate) fn start_took(&self) -> Duration {
        self.start
    }

    /// Octets of memory that it holds.
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number =
            line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        Ok(number.context("no memory in its status")? * 1_024)
    }

    /// Waits until it has nothing to write any more, two minutes at most.
    pub(crate) fn settle(&self) {
        let written = || {
            let counts = std::fs::read_to_string(format!("/proc/{}/io", self.child.id())).ok()?;
            counts.lines().find(|line| line.starts_with("write_bytes")).map(str::to_owned)
        };
        let mut before = written();
        for _ in 0..60 {
            std::thread::sleep(Duration::from_secs(2));
            let now = written();
            if now == before {
                return;
            }
            before = now;
        }
    }

    /// Stops it and waits for its end.
    pub(crate) fn stop(mut self, signal: Signal) -> Result<()> {
        let begun = Instant::now();
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.context("no process")?, signal)?;
        self.child.wait()?;
        if signal == Signal::TERM {
            println!("stopped in {:.2} s", begun.elapsed().as_secs_f64());
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already unless something went wrong here.
        self.child.kill().and_then(|()| self.child.wait()).ok();
    }
}

/// The gateway's program, which lies beside this one.
fn executable() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("postrider");
    ensure!(program.exists(), "there is no {}: build the workspace first", program.display());
    Ok(program)
}

fn is_ready(admin: SocketAddr) -> bool {
    use std::io::{Read as _, Write as _};
    let Ok(mut stream) = TcpStream::connect(admin) else { return false };
    let request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

/// Takes the files of a data directory out of the page cache.
pub(crate) fn forget_files(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            forget_files(&path)?;
        } else {
            rustix::fs::fadvise(&File::open(path)?, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}
