//! Threads of shards: the one place that makes them.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Starts a named thread.
///
/// # Errors
/// The system's refusal.
pub fn thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(work)
}
