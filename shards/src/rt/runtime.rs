//! Building and running one runtime: one per shard, on the shard's thread, pinned if asked.

use std::{
    collections::HashSet,
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use compio::{
    driver::{DriverType, ProactorBuilder},
    runtime::RuntimeBuilder,
};

pub use postrider_core::config::Driver;

use super::{blocking, clock::Clock, facts};

/// Wakes from other threads wait in a fixed queue and spin while it is full; two shards waking
/// each other's tasks through the runtime's default of 64 can spin on each other for ever.
const SYNC_QUEUE: usize = 4096;

/// How a shard's runtime is built.
#[derive(Clone, Debug)]
pub struct RuntimeOptions {
    /// Which driver; [`Driver::Uring`] refuses to start without io_uring.
    pub driver: Driver,
    /// The CPU to pin the calling thread to.
    pub cpu: Option<usize>,
    /// Entries of the submission queue, at least 1; 1,024 suits a shard.
    pub entries: u32,
    /// Threads for operations that the driver cannot do by itself, and for each lane of
    /// [`super::blocking`]; at least 1.
    pub thread_pool: usize,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        Self { driver: Driver::Auto, cpu: None, entries: 1024, thread_pool: 2 }
    }
}

/// The driver that really runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverKind {
    /// Completions of an io_uring.
    Uring,
    /// Readiness of epoll, with file operations in a thread pool.
    Poll,
}

impl fmt::Display for DriverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uring => "io_uring",
            Self::Poll => "poll",
        })
    }
}

/// Why a runtime was not built. Display says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `driver = "uring"` was asked for and io_uring is not to be had.
    #[error("io_uring was asked for and is not available: {0}; or set driver = \"auto\"")]
    UringUnavailable(String),
    /// The ring would not fit into RLIMIT_MEMLOCK.
    #[error(
        "a ring of {entries} entries needs {need} octets of locked memory and the limit is \
         {limit}: raise LimitMEMLOCK of the service (or `--ulimit memlock=-1` of the container), \
         or set driver = \"poll\""
    )]
    Memlock {
        /// Entries asked for.
        entries: u32,
        /// Octets that the ring needs.
        need: u64,
        /// Octets allowed (the soft limit).
        limit: u64,
    },
    /// The thread cannot be pinned to this CPU.
    #[error(
        "cannot pin a shard to CPU {cpu}: this process may run on {allowed}; set pin = false or start fewer shards"
    )]
    Pin {
        /// The CPU asked for.
        cpu: usize,
        /// The CPUs allowed, as a list.
        allowed: String,
    },
    /// A number that makes no runtime.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// The operating system refused.
    #[error("the runtime could not be made: {0}")]
    Os(#[from] io::Error),
}

/// A shard's runtime. Everything spawned on it runs on the thread that built it.
pub struct Runtime {
    inner: compio::runtime::Runtime,
    fallback: Option<String>,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("fallback", &self.fallback).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Runs `future` to its end, and every spawned task while it lasts.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.inner.block_on(future)
    }

    /// Why [`Driver::Auto`] came down to poll, if it did.
    #[must_use]
    pub fn fallback_reason(&self) -> Option<&str> {
        self.fallback.as_deref()
    }
}

/// Builds the calling thread's runtime and says which driver runs.
///
/// # Errors
/// See [`StartError`]. [`Driver::Auto`] falls back to poll for every reason but the CPU;
/// [`Runtime::fallback_reason`] then says why.
pub fn build(options: &RuntimeOptions) -> Result<(Runtime, DriverKind), StartError> {
    if options.entries == 0 {
        return Err(StartError::Zero("entries"));
    }
    if options.thread_pool == 0 {
        return Err(StartError::Zero("thread_pool"));
    }
    check_cpu(options.cpu)?;
    let built = match options.driver {
        Driver::Uring => (build_uring(options)?, DriverKind::Uring),
        Driver::Poll => (build_poll(options, None)?, DriverKind::Poll),
        Driver::Auto => match build_uring(options) {
            Ok(runtime) => (runtime, DriverKind::Uring),
            Err(error) => (build_poll(options, Some(error.to_string()))?, DriverKind::Poll),
        },
    };
    check_pinned(options.cpu)?;
    blocking::set_threads_per_lane(options.thread_pool);
    Ok(built)
}

fn build_uring(options: &RuntimeOptions) -> Result<Runtime, StartError> {
    let need = facts::memlock_per_ring(options.entries);
    let limit = facts::memlock().0;
    if need > limit && facts::memlock_is_charged() {
        return Err(StartError::Memlock { entries: options.entries, need, limit });
    }
    let inner = build_driver(options, DriverType::IoUring)
        .map_err(|error| StartError::UringUnavailable(facts::uring_remedy(&error)))?;
    if inner.driver_type() != DriverType::IoUring {
        return Err(StartError::UringUnavailable("the runtime chose another driver".to_owned()));
    }
    Ok(Runtime { inner, fallback: None })
}

fn build_poll(options: &RuntimeOptions, fallback: Option<String>) -> Result<Runtime, StartError> {
    let inner = build_driver(options, DriverType::Poll)?;
    if inner.driver_type() != DriverType::Poll {
        return Err(StartError::Os(io::Error::other("the runtime ignored driver = \"poll\"")));
    }
    Ok(Runtime { inner, fallback })
}

fn build_driver(
    options: &RuntimeOptions,
    driver: DriverType,
) -> io::Result<compio::runtime::Runtime> {
    let mut proactor = ProactorBuilder::new();
    proactor
        .driver_type(driver)
        .capacity(options.entries)
        .thread_pool_limit(options.thread_pool)
        .coop_taskrun(true)
        .taskrun_flag(true);
    let mut builder = RuntimeBuilder::new();
    builder.with_proactor(proactor).sync_queue_size(SYNC_QUEUE);
    if let Some(cpu) = options.cpu {
        builder.thread_affinity(HashSet::from([cpu]));
    }
    builder.build()
}

/// The runtime pins to whatever part of the set exists, without a word: so look first.
fn check_cpu(cpu: Option<usize>) -> Result<(), StartError> {
    let Some(cpu) = cpu else { return Ok(()) };
    let allowed = facts::thread_cpus();
    if allowed.contains(&cpu) {
        return Ok(());
    }
    Err(StartError::Pin { cpu, allowed: list(allowed) })
}

fn check_pinned(cpu: Option<usize>) -> Result<(), StartError> {
    let Some(cpu) = cpu else { return Ok(()) };
    let now = facts::thread_cpus();
    if now.len() == 1 && now.contains(&cpu) {
        return Ok(());
    }
    Err(StartError::Pin { cpu, allowed: list(now) })
}

fn list(cpus: impl IntoIterator<Item = usize>) -> String {
    let names: Vec<String> = cpus.into_iter().map(|cpu| cpu.to_string()).collect();
    format!("CPU {}", names.join(", "))
}

/// Runs `future` on this thread beside its caller, to the end; there is no handle to drop.
///
/// A panic in it ends the process: a task that died alone would be a shard that lies.
///
/// # Panics
/// Outside [`Runtime::block_on`].
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    compio::runtime::spawn(Fatal { future: Box::pin(future) }).detach();
}

/// A task whose panic ends the process.
struct Fatal<F> {
    future: Pin<Box<F>>,
}

impl<F: Future<Output = ()>> Future for Fatal<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut bomb = Bomb { armed: true };
        let polled = self.future.as_mut().poll(cx);
        bomb.armed = false;
        polled
    }
}

/// Ends the process when it is dropped armed, which only unwinding does.
pub(super) struct Bomb {
    pub(super) armed: bool,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.armed {
            // The panic hook has already said what and where.
            std::process::abort();
        }
    }
}

/// Waits. Millions of these are dear (microseconds each): per message use a wheel.
pub async fn sleep(duration: Duration) {
    compio::time::sleep(duration).await;
}

/// Waits until the process's clock shows `mono`.
pub async fn sleep_until(mono: Duration, clock: &Clock) {
    compio::time::sleep_until(clock.instant_at(mono)).await;
}

/// The future's output, or `None` after `limit`, and then the future is dropped. Never for a
/// future that reads or accepts: what the kernel already took for it would be lost.
pub async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    compio::time::timeout(limit, future).await.ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_that_does_not_exist_is_refused_with_the_list_of_those_that_do() {
        let options = RuntimeOptions { cpu: Some(1000), ..RuntimeOptions::default() };
        let error = build(&options).unwrap_err().to_string();
        assert!(error.contains("CPU 1000") && error.contains("pin = false"), "{error}");
    }

    #[test]
    fn zero_sizes_are_refused() {
        let options = RuntimeOptions { entries: 0, ..RuntimeOptions::default() };
        assert!(matches!(build(&options), Err(StartError::Zero("entries"))));
        let options = RuntimeOptions { thread_pool: 0, ..RuntimeOptions::default() };
        assert!(matches!(build(&options), Err(StartError::Zero("thread_pool"))));
    }

    #[test]
    fn a_ring_beyond_locked_memory_names_the_limit_to_raise() {
        let error = StartError::Memlock { entries: 1024, need: 109_568, limit: 65_536 }.to_string();
        assert!(error.contains("LimitMEMLOCK") && error.contains("109568"), "{error}");
    }

    #[test]
    fn driver_names_are_the_documented_ones() {
        assert_eq!(DriverKind::Uring.to_string(), "io_uring");
        assert_eq!(DriverKind::Poll.to_string(), "poll");
    }
}
