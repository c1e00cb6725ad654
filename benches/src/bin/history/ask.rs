//! What a customer asks the program over HTTP: one connection that stays open, blocking.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

const PATIENCE: Duration = Duration::from_secs(30);

/// A connection of one customer.
pub(crate) struct Client {
    stream: TcpStream,
    key: &'static str,
    buffer: Vec<u8>,
}

/// A page of a hundred.
pub(crate) struct Page {
    /// A status of the API, or `any`.
    pub(crate) status: &'static str,
    /// Nothing accepted from then on; Unix milliseconds.
    pub(crate) to: Option<u64>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr, key: &'static str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client { stream, key, buffer: Vec::new() })
    }

    /// Rows of a page, and how long its answer took.
    pub(crate) fn page(&mut self, page: &Page) -> Result<(usize, Duration)> {
        let mut path = "/api/v1/messages?limit=100".to_owned();
        if page.status != "any" {
            path.push_str(&format!("&status={}", page.status));
        }
        if let Some(to) = page.to {
            path.push_str(&format!("&to={}", rfc3339(to)));
        }
        let (status, body, took) = self.get(&path)?;
        ensure!(
            status == 200,
            "{path} is answered with {status}: {}",
            String::from_utf8_lossy(&body)
        );
        let read: serde_json::Value = serde_json::from_slice(&body)?;
        let rows = read.get("data").and_then(|rows| rows.as_array()).context("no data")?;
        Ok((rows.len(), took))
    }

    /// How long the answer for a message took.
    pub(crate) fn message(&mut self, id: &str) -> Result<Duration> {
        let (status, _, took) = self.get(&format!("/api/v1/messages/{id}"))?;
        ensure!(status == 200, "message {id} is answered with {status}");
        Ok(took)
    }

    fn get(&mut self, path: &str) -> Result<(u16, Vec<u8>, Duration)> {
        let begun = Instant::now();
        let key = self.key;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n"
        );
        self.stream.write_all(request.as_bytes())?;
        self.buffer.clear();
        loop {
            let mut piece = [0; 65_536];
            let read = self.stream.read(&mut piece)?;
            ensure!(read > 0, "the connection was closed");
            self.buffer.extend_from_slice(piece.get(..read).unwrap_or_default());
            if let Some((status, body)) = whole(&self.buffer)? {
                return Ok((status, body.to_vec(), begun.elapsed()));
            }
        }
    }
}

/// Status and body of an answer that has come whole.
fn whole(answer: &[u8]) -> Result<Option<(u16, &[u8])>> {
    let Some(end) = answer.windows(4).position(|run| run == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(answer.get(..end).unwrap_or_default())?.to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no status")?;
    let Some(length) = head.lines().find_map(|line| line.strip_prefix("content-length:")) else {
        bail!("an answer without a length: {head}");
    };
    let length: usize = length.trim().parse()?;
    let body = answer.get(end + 4..).unwrap_or_default();
    Ok((body.len() >= length).then_some((status, body)))
}

/// A time as the API reads it.
fn rfc3339(ms: u64) -> String {
    let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
    // Days since 0000-03-01, in years that begin in March.
    let day = days + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}
