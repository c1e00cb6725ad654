//! The webhook sink: it owns an HTTP/1.1 server that checks signatures and writes down every status
//! event. One per process, on its runtime's thread.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use monoio::io::{AsyncReadRent as _, AsyncWriteRentExt as _};
use monoio::net::{TcpListener, TcpStream};
use postrider_http::webhook::sign;
use serde::Deserialize;

use crate::clock::unix_us;
use crate::hash;
use crate::http1::{self, Message};
use crate::ndjson::Ledger;
use crate::ready;
use crate::rt;
use crate::secret::Secret;
use crate::stop::Stop;

/// How far a webhook's timestamp may be from our clock, seconds (Standard Webhooks).
const TOLERANCE_S: u64 = 300;

/// Connections at most; further ones are closed at once.
const CONNECTIONS_MAX: usize = 10_000;

/// Webhooks at most that were answered 500 and have not come again; beyond them none is failed.
const FAILED_MAX: usize = 1_000_000;

/// How often the end is looked for, and ticks between two hand-overs of the ledger.
const TICK: Duration = Duration::from_millis(50);
/// See [`TICK`].
const TICKS_PER_FLUSH: u32 = 4;

/// Separates this choice from the carriers'.
const FAIL_SALT: u64 = 0x51;

/// Where to listen, what to check, and which faults to make.
#[derive(clap::Args, Clone, Debug)]
pub struct SinkOptions {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8088", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// The customer's webhook secret, whsec_BASE64; without it every webhook
    /// is answered, and none counts as well signed
    #[arg(long, env = "POSTRIDER_WEBHOOK_SECRET", hide_env_values = true, value_name = "SECRET")]
    pub secret: Option<Secret>,
    /// Write down every webhook
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// Of a million webhooks, so many are answered 500 the first time they come
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub fail_ppm: u32,
    /// Wait so long before each answer, milliseconds
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub delay_ms: u64,
    /// Also write the ready line to this file
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
}

impl Default for SinkOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8088)),
            secret: None,
            ledger: None,
            fail_ppm: 0,
            delay_ms: 0,
            ready_file: None,
        }
    }
}

/// Serves until SIGTERM, SIGINT or the end of a piped standard input; prints one ready line.
///
/// # Errors
/// When the address cannot be listened on, the secret is none, or the ledger cannot be written.
pub fn run_sink(options: SinkOptions) -> anyhow::Result<()> {
    let stop = Stop::on_signals()?.and_end_of_stdin()?;
    let file = options.ready_file.clone();
    serve_sink(&options, &stop, |address| ready::announce(&[address], file.as_deref()))
}

/// The same until `stop` is set; calls `ready` with the address once it listens.
///
/// # Errors
/// As [`run_sink`], or what `ready` fails with.
pub fn serve_sink(
    options: &SinkOptions,
    stop: &Stop,
    ready: impl FnOnce(SocketAddr) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let secret = options.secret.as_ref().map(|secret| sign::parse_secret(secret.expose()));
    let sink = Rc::new(Sink {
        secret: secret.transpose().context("--secret")?,
        fail_ppm: options.fail_ppm,
        delay: Duration::from_millis(options.delay_ms),
        ledger: RefCell::new(Ledger::create(options.ledger.as_deref())?),
        failed_once: RefCell::new(HashSet::new()),
        connections: Cell::new(0),
    });
    let listen = options.listen;
    let served = Rc::clone(&sink);
    rt::block_on(async move {
        let listener = rt::listen(listen)?;
        ready(listener.local_addr()?)?;
        monoio::spawn(accept(Rc::clone(&served), listener));
        let mut ticks = 0_u32;
        while !stop.is_set() {
            monoio::time::sleep(TICK).await;
            ticks = ticks.wrapping_add(1);
            if ticks.is_multiple_of(TICKS_PER_FLUSH) {
                served.ledger.borrow_mut().flush();
            }
        }
        anyhow::Ok(())
    })??;
    let ledger = sink.ledger.replace(Ledger::create(None)?);
    ledger.finish()
}

/// What all connections share.
#[derive(Debug)]
struct Sink {
    secret: Option<Vec<u8>>,
    fail_ppm: u32,
    delay: Duration,
    ledger: RefCell<Ledger>,
    /// Webhook ids that were answered 500 and have not come again.
    failed_once: RefCell<HashSet<u64>>,
    connections: Cell<usize>,
}

#[derive(Deserialize)]
struct EventBody {
    data: EventData,
}

#[derive(Deserialize)]
struct EventData {
    message_id: String,
    /// Missing in events that are about no status.
    #[serde(default)]
    status: String,
}

async fn accept(sink: Rc<Sink>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) if sink.connections.get() < CONNECTIONS_MAX => {
                sink.connections.set(sink.connections.get() + 1);
                let sink = Rc::clone(&sink);
                monoio::spawn(async move {
                    serve(&sink, stream).await;
                    sink.connections.set(sink.connections.get() - 1);
                });
            }
            Ok(_) => {}
            // Out of file descriptors, most likely: give connections time to end.
            Err(_) => monoio::time::sleep(TICK).await,
        }
    }
}

async fn serve(sink: &Sink, mut stream: TcpStream) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (mut inbox, mut out) = (Vec::new(), Vec::with_capacity(256));
    let mut buffer = Vec::with_capacity(rt::READ_BYTES);
    loop {
        let mut last = false;
        while let Some((status, consumed, keep_alive)) = sink.next(&inbox) {
            inbox.drain(..consumed);
            if sink.delay > Duration::ZERO {
                monoio::time::sleep(sink.delay).await;
            }
            write_answer(&mut out, status, keep_alive);
            last = !keep_alive;
            if last {
                break;
            }
        }
        if !out.is_empty() {
            let (written, back) = stream.write_all(out).await;
            out = back;
            out.clear();
            if written.is_err() {
                return;
            }
        }
        if last {
            return;
        }
        let (result, back) = stream.read(buffer).await;
        buffer = back;
        match result {
            Ok(count) if count > 0 => {
                inbox.extend_from_slice(buffer.get(..count).unwrap_or_default());
            }
            Ok(_) | Err(_) => return,
        }
    }
}

fn write_answer(out: &mut Vec<u8>, status: u16, keep_alive: bool) {
    let line: &[u8] = match status {
        204 => b"HTTP/1.1 204 No Content\r\n",
        400 => b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n",
        401 => b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n",
        _ => b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n",
    };
    out.extend_from_slice(line);
    out.extend_from_slice(if keep_alive { b"\r\n" } else { b"Connection: close\r\n\r\n" });
}

impl Sink {
    /// Handles the next request of the inbox: the status to answer with, the octets it took and
    /// whether another may follow. `None` when it is not whole yet.
    fn next(&self, inbox: &[u8]) -> Option<(u16, usize, bool)> {
        match http1::request(inbox) {
            Ok(None) => None,
            Ok(Some(message)) => {
                let status = self.webhook(&message);
                Some((status, message.consumed, message.keep_alive))
            }
            Err(_) => Some((400, inbox.len(), false)),
        }
    }

    fn webhook(&self, message: &Message<'_>) -> u16 {
        let id = message.header_text(sign::ID_FIELD).unwrap_or("");
        let body = serde_json::from_slice::<EventBody>(&message.body);
        let (Ok(EventBody { data }), "POST") = (body, message.method) else { return 400 };
        let ok = self.is_signed(message, id);
        let mut ledger = self.ledger.borrow_mut();
        let line = ledger.line("hook").number("t", unix_us()).text("wid", id);
        line.text("id", &data.message_id).text("st", &data.status).flag("ok", ok).end();
        drop(ledger);
        if self.secret.is_some() && !ok {
            return 401;
        }
        if self.fails_first(id) { 500 } else { 204 }
    }

    fn is_signed(&self, message: &Message<'_>, id: &str) -> bool {
        let Some(secret) = &self.secret else { return false };
        let timestamp = message.header_text(sign::TIMESTAMP_FIELD);
        let Some(timestamp) = timestamp.and_then(|text| text.parse::<u64>().ok()) else {
            return false;
        };
        let field = message.header_text(sign::SIGNATURE_FIELD).unwrap_or("");
        (unix_us() / 1_000_000).abs_diff(timestamp) <= TOLERANCE_S
            && sign::verify(secret, id, timestamp, &message.body, field)
    }

    fn fails_first(&self, id: &str) -> bool {
        if !hash::chosen(FAIL_SALT, id.as_bytes(), self.fail_ppm) {
            return false;
        }
        let key = hash::stable(FAIL_SALT, id.as_bytes());
        let mut failed = self.failed_once.borrow_mut();
        !failed.remove(&key) && failed.len() < FAILED_MAX && failed.insert(key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "tests"
    )]

    use clap::Parser;

    use super::SinkOptions;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: SinkOptions,
    }

    #[test]
    fn the_default_value_is_the_command_lines() {
        let parsed = Command::try_parse_from(["sink"]).map(|command| command.options);
        let parsed = parsed.expect("no argument is required");
        assert_eq!(format!("{parsed:?}"), format!("{:?}", SinkOptions::default()));
    }
}
