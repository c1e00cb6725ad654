//! The one timer behind the arrivals: a thread that sleeps to the microsecond and nudges the
//! runtime, whose own timers are a millisecond coarse. One per open-loop run.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::Context as _;

use super::arrivals::Arrivals;
use crate::clock::Clock;

/// A running pacer; dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Pacer {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pacer {
    /// Starts the thread. Each octet on the returned socket says that at least one arrival is due;
    /// which ones, the reader works out from the clock.
    ///
    /// # Errors
    /// When the socket pair or the thread cannot be created.
    pub(crate) fn start(clock: Clock, arrivals: Arrivals) -> anyhow::Result<(Self, UnixStream)> {
        let (nudges, nudger) = UnixStream::pair().context("the pacer's socket pair")?;
        nudger.set_nonblocking(true)?;
        nudges.set_nonblocking(true)?;
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        let thread = thread::Builder::new()
            .name("pacer".to_owned())
            .spawn(move || pace(clock, arrivals, nudger, &seen))
            .context("the pacer's thread")?;
        Ok((Self { ended, thread: Some(thread) }, nudges))
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A pacer that panicked has nothing left to tell.
            drop(thread.join());
        }
    }
}

fn pace(clock: Clock, mut arrivals: Arrivals, mut nudger: UnixStream, ended: &AtomicBool) {
    while let Some(due) = arrivals.next_release() {
        let now = clock.mono();
        if due > now {
            // At low rates the end of the run must not wait for the next arrival.
            thread::sleep((due - now).min(std::time::Duration::from_millis(100)));
        }
        if ended.load(Ordering::Relaxed) {
            return;
        }
        let before = arrivals.next_release();
        arrivals.release(clock.mono());
        // A full socket already says what this octet would.
        if arrivals.next_release() != before && nudger.write(&[1]).is_err_and(|error| gone(&error))
        {
            return;
        }
    }
}

fn gone(error: &std::io::Error) -> bool {
    error.kind() != std::io::ErrorKind::WouldBlock
}
