//! What a run costs the gateway: what its admin port says of its shards before the run, and after
//! the last of its messages has come to its end. One per run, on the calling thread.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use postrider_core::config::{CALIBRATION_FORMAT, Calibration};
use serde::Deserialize;

use crate::clock::{Clock, micros};

/// How long the gateway may take for one answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Octets of an answer.
const ANSWER_MAX: u64 = 16 << 20;
/// How long the messages of a run may take to their end.
const END_MAX: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Shards say what they used several times within this.
const SAID: Duration = Duration::from_millis(600);

/// GET /shards of the admin port.
#[derive(Deserialize)]
struct Page {
    process_cpu_us: u64,
    data: Vec<Shard>,
}

#[derive(Deserialize)]
struct Shard {
    cpu_us: u64,
    messages_accepted: u64,
    parts_submitted: u64,
    log_bytes: u64,
    answers: u64,
    answer_us: u64,
    commits: u64,
    commit_us: u64,
    open_messages: u64,
    queued_parts: u64,
    in_flight_parts: u64,
    webhook_backlog: u64,
}

impl Page {
    fn sum(&self, of: fn(&Shard) -> u64) -> u64 {
        self.data.iter().map(of).sum()
    }

    /// Whether nothing is under way beyond what was open before.
    fn is_at_rest(&self, before: &Page) -> bool {
        self.sum(|own| own.open_messages) <= before.sum(|own| own.open_messages)
            && self.sum(|own| own.queued_parts + own.in_flight_parts + own.webhook_backlog) == 0
    }
}

/// A run that is being measured.
pub(super) struct Calibrating {
    admin: SocketAddr,
    clock: Clock,
    before: Page,
}

impl Calibrating {
    /// Begins.
    ///
    /// # Errors
    /// When the gateway's admin port does not answer as one of a gateway.
    pub(super) fn begin(admin: SocketAddr) -> anyhow::Result<Self> {
        let before = look(admin)?;
        Ok(Self { admin, clock: Clock::start(), before })
    }

    /// Waits until the messages have come to their end, and writes down what they cost.
    ///
    /// # Errors
    /// When they do not, or the file cannot be written.
    pub(super) fn finish(self, file: &Path) -> anyhow::Result<()> {
        let end = self.clock.mono() + END_MAX;
        while !look(self.admin)?.is_at_rest(&self.before) {
            if self.clock.mono() > end {
                bail!(
                    "the gateway still has messages of the run under way, so nothing is known of \
                       what they cost"
                );
            }
            std::thread::sleep(LOOK_EVERY);
        }
        std::thread::sleep(SAID);
        let text = self.made(&look(self.admin)?).to_text();
        std::fs::write(file, text).with_context(|| format!("--calibration {}", file.display()))
    }

    fn made(&self, after: &Page) -> Calibration {
        let more = |of: fn(&Shard) -> u64| after.sum(of).saturating_sub(self.before.sum(of));
        Calibration {
            format: CALIBRATION_FORMAT,
            shards: u16::try_from(after.data.len()).unwrap_or(u16::MAX),
            milliseconds: micros(self.clock.mono()) / 1_000,
            messages: more(|own| own.messages_accepted),
            parts: more(|own| own.parts_submitted),
            shard_cpu_us: more(|own| own.cpu_us),
            process_cpu_us: after.process_cpu_us.saturating_sub(self.before.process_cpu_us),
            log_bytes: more(|own| own.log_bytes),
            answers: more(|own| own.answers),
            answer_us: more(|own| own.answer_us),
            commits: more(|own| own.commits),
            commit_us: more(|own| own.commit_us),
        }
    }
}

fn look(admin: SocketAddr) -> anyhow::Result<Page> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&admin, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let request = format!("GET /shards HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.take(ANSWER_MAX).read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().with_context(|| format!("no admin port of a gateway answers on {admin}"))?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body)
        .with_context(|| format!("{admin} is no admin port of a gateway: it says {:.60}", answer))
}
