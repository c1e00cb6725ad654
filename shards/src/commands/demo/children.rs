//! The demonstration's child processes: this very program under other commands. Each ends when its
//! standard input does, so none outlives its parent.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::DemoArgs;

/// A running child.
pub(super) struct Child {
    process: std::process::Child,
    name: String,
}

#[derive(Deserialize)]
struct Ready {
    ready: Vec<SocketAddr>,
}

impl Child {
    /// Starts a child.
    pub(super) fn start(mut command: Command) -> Result<Child> {
        let name = format!("{command:?}");
        command.stdin(Stdio::piped());
        let process = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Child { process, name })
    }

    /// Starts a child and waits for its word where it listens.
    pub(super) fn listening(mut command: Command) -> Result<(Child, Vec<SocketAddr>)> {
        command.stdout(Stdio::piped());
        let mut child = Child::start(command)?;
        let Some(stdout) = child.process.stdout.take() else { bail!("{} is mute", child.name) };
        let mut lines = BufReader::new(stdout);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let ready: Ready = serde_json::from_str(&line)
            .with_context(|| format!("{} did not say where it listens", child.name))?;
        // What it prints later is of no use here, but must find a reader.
        crate::rt::thread("child-output", move || {
            std::io::copy(&mut lines, &mut std::io::sink()).map(|_| ())
        })?;
        Ok((child, ready.ready))
    }

    /// Whether it has ended by itself; an error when it failed.
    pub(super) fn has_succeeded(&mut self) -> Result<bool> {
        match self.process.try_wait()? {
            Some(status) => self.judge(status).map(|()| true),
            None => Ok(false),
        }
    }

    fn judge(&self, status: ExitStatus) -> Result<()> {
        if !status.success() {
            bail!("{} failed: {status}", self.name);
        }
        Ok(())
    }

    /// Ends it whatever it does; its ledger is good as far as it goes.
    pub(super) fn abandon(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Ends it in order.
    pub(super) fn end(mut self) -> Result<()> {
        drop(self.process.stdin.take());
        let status = self.process.wait()?;
        self.judge(status)
    }
}

fn this_program(command: &str) -> Result<Command> {
    let mut program = Command::new(std::env::current_exe()?);
    program.arg(command);
    Ok(program)
}

/// `count` simulated carriers in one process.
pub(super) fn smsc_command(ledger: &Path, count: usize) -> Result<Command> {
    let mut command = this_program("smsc")?;
    for _ in 0..count {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    // A few messages fail, so that both ends are seen.
    command.args(["--receipt-delay-ms", "20", "--failure-ppm", "20000", "--ledger"]).arg(ledger);
    Ok(command)
}

/// The webhook receiver.
pub(super) fn sink_command(ledger: &Path, secret: &str) -> Result<Command> {
    let mut command = this_program("sink")?;
    command.args(["--listen", "127.0.0.1:0", "--ledger"]).arg(ledger);
    command.env("POSTRIDER_WEBHOOK_SECRET", secret);
    Ok(command)
}

/// The sender.
pub(super) fn load_command(
    args: &DemoArgs,
    ledger: &Path,
    url: &str,
    api_key: &str,
    webhook_url: &str,
) -> Result<Command> {
    let mut command = this_program("load")?;
    command.args(["--url", url, "--webhook-url", webhook_url]);
    command.args(["--messages", &args.messages.to_string(), "--rate", &args.rate.to_string()]);
    command.args(["--connections", &args.connections.to_string(), "--ledger"]).arg(ledger);
    if let Some(corpus) = &args.corpus {
        command.arg("--corpus").arg(corpus);
    }
    command.env("POSTRIDER_API_KEY", api_key);
    command.stdout(Stdio::null());
    Ok(command)
}
