//! Ledger lines: formatted by hand into one buffer, written by a thread of their own so that a slow
//! disk does not stop the part that measures. One ledger per process part.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use anyhow::Context as _;
use postrider_http::json::{push_string, push_u64};

/// A buffer as full as this goes to the writing thread without waiting for the next tick.
const HAND_OVER_BYTES: usize = 1 << 20;

/// Buffers that may wait for the disk; beyond them the part waits too.
const BUFFERS: usize = 16;

/// One JSON object being written at the end of a buffer.
pub(crate) struct Line<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Line<'a> {
    /// Begins `{"k":"<kind>"`; `kind` is one of ours and needs no escaping.
    pub(crate) fn open(out: &'a mut Vec<u8>, kind: &str) -> Self {
        out.extend_from_slice(b"{\"k\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.push(b'"');
        Self { out }
    }

    fn key(&mut self, name: &str) {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// Adds a number.
    pub(crate) fn number(mut self, name: &str, value: u64) -> Self {
        self.key(name);
        push_u64(self.out, value);
        self
    }

    /// Adds a truth value.
    pub(crate) fn flag(mut self, name: &str, value: bool) -> Self {
        self.key(name);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// Adds a string, escaped.
    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        self.key(name);
        push_string(self.out, value);
        self
    }

    /// Adds octets that ought to be ASCII as a string; others become U+FFFD.
    pub(crate) fn octets(mut self, name: &str, value: &[u8]) -> Self {
        self.key(name);
        push_string(self.out, &String::from_utf8_lossy(value));
        self
    }

    /// Ends the object and the line.
    pub(crate) fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }
}

/// Where a part writes its lines; without a file every line is formatted and forgotten, so that a
/// run with and one without a ledger cost the meter the same.
#[derive(Debug)]
pub(crate) struct Ledger {
    buffer: Vec<u8>,
    writer: Option<Writer>,
}

#[derive(Debug)]
struct Writer {
    path: PathBuf,
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<io::Result<()>>,
}

impl Ledger {
    /// Creates (or empties) the file and starts its writing thread.
    ///
    /// # Errors
    /// When the file or the thread cannot be created.
    pub(crate) fn create(path: Option<&Path>) -> anyhow::Result<Self> {
        let writer = path.map(Writer::start).transpose()?;
        Ok(Self { buffer: Vec::with_capacity(HAND_OVER_BYTES + 4096), writer })
    }

    /// Begins a line.
    pub(crate) fn line(&mut self, kind: &str) -> Line<'_> {
        if self.buffer.len() >= HAND_OVER_BYTES {
            self.flush();
        }
        Line::open(&mut self.buffer, kind)
    }

    /// Hands what is buffered to the writing thread. A write error shows in [`Ledger::finish`].
    pub(crate) fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let Some(writer) = &self.writer else {
            self.buffer.clear();
            return;
        };
        let mut next = writer.empty.try_recv().unwrap_or_default();
        next.clear();
        let full = std::mem::replace(&mut self.buffer, next);
        if writer.full.send(full).is_err() {
            // The thread ended with an error, which `finish` reports.
            self.buffer.clear();
        }
    }

    /// Writes what is left and closes the file.
    ///
    /// # Errors
    /// The first error that writing met, with the file's name.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.flush();
        let Some(Writer { path, full, thread, .. }) = self.writer else { return Ok(()) };
        drop(full);
        match thread.join() {
            Ok(written) => written.with_context(|| format!("ledger {}", path.display())),
            Err(_) => anyhow::bail!("the writer of ledger {} panicked", path.display()),
        }
    }
}

impl Writer {
    fn start(path: &Path) -> anyhow::Result<Self> {
        let mut file = File::create(path)
            .with_context(|| format!("cannot create the ledger {}", path.display()))?;
        let (full, to_write) = sync_channel::<Vec<u8>>(BUFFERS);
        let (recycle, empty) = sync_channel::<Vec<u8>>(BUFFERS);
        let thread = thread::Builder::new().name("ledger".to_owned()).spawn(move || {
            for buffer in to_write {
                file.write_all(&buffer)?;
                // A full channel only means that this buffer is not needed again.
                drop(recycle.try_send(buffer));
            }
            Ok(())
        })?;
        Ok(Self { path: path.to_owned(), full, empty, thread })
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

    use super::{Ledger, push_string, push_u64};

    #[test]
    fn strings_survive_a_json_reader() {
        for text in ["", "plain", "a\"b\\c", "line\nfeed\r\t", "\u{1}\u{1f}", "Ελλάδα 👨‍👩‍👧 \u{2028}"]
        {
            let mut out = Vec::new();
            push_string(&mut out, text);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn numbers_are_decimal() {
        for value in [0, 9, 10, 1_234_567_890, u64::MAX] {
            let mut out = b"x".to_vec();
            push_u64(&mut out, value);
            assert_eq!(out, format!("x{value}").as_bytes());
        }
    }

    #[test]
    fn every_line_reaches_the_file_and_an_unwritable_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.ndjson");
        let mut ledger = Ledger::create(Some(&path)).unwrap();
        for index in 0..20_000 {
            ledger.line("req").number("i", index).text("to", "447700900123").flag("ok", true).end();
            if index % 1000 == 0 {
                ledger.flush();
            }
        }
        ledger.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 20_000);
        assert_eq!(text.lines().next(), Some(r#"{"k":"req","i":0,"to":"447700900123","ok":true}"#));
        let missing = folder.path().join("no such folder/ledger");
        let error = Ledger::create(Some(&missing)).unwrap_err();
        assert!(error.to_string().contains("no such folder"), "{error}");
    }
}
