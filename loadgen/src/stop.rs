//! When a part ends: SIGTERM, SIGINT, the end of its standard input, or the word of whoever runs it
//! in-process. One per process part; the watching threads are the only ones besides the runtime's
//! and the ledger's.

use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};

/// A flag shared with a running part; the part looks at it at least every 50 ms.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A flag that nothing has set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the part to finish.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the part was asked to finish.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// A flag that SIGTERM and SIGINT set, for the rest of the process's life.
    ///
    /// # Errors
    /// When the handlers cannot be set up.
    pub fn on_signals() -> anyhow::Result<Self> {
        let stop = Self::new();
        for signal in [SIGTERM, SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&stop.0))
                .context("cannot catch SIGTERM and SIGINT")?;
        }
        Ok(stop)
    }

    /// The same flag, set too at the end of standard input where that is a pipe or a socket. A
    /// terminal, a file or `/dev/null` says nothing: only a parent that holds a pipe can be seen to
    /// have died.
    ///
    /// # Errors
    /// When the watching thread cannot be started.
    pub fn and_end_of_stdin(self) -> anyhow::Result<Self> {
        if stdin_is_held_by_a_parent() {
            let stop = self.clone();
            thread::Builder::new()
                .name("stdin".to_owned())
                .spawn(move || stop.set_at_end_of_stdin())
                .context("cannot watch standard input")?;
        }
        Ok(self)
    }

    fn set_at_end_of_stdin(&self) {
        let mut buffer = [0_u8; 512];
        let mut stdin = std::io::stdin().lock();
        while stdin.read(&mut buffer).is_ok_and(|count| count > 0) {}
        self.stop();
    }
}

fn stdin_is_held_by_a_parent() -> bool {
    std::fs::metadata("/proc/self/fd/0")
        .is_ok_and(|stdin| stdin.file_type().is_fifo() || stdin.file_type().is_socket())
}
