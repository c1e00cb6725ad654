//! The control thread: metrics, liveness and readiness for operators, on its own small runtime, so
//! that a slow scrape never touches a shard. One per process, unpinned; it reads what the shards
//! count, and hands them what an operator asks for.

mod balance;
mod carriers;
mod desk;
mod erasures;
mod listener;
mod metrics;
pub mod ported;
mod reload;
mod routes;
mod server;
mod shards;
mod signals;
pub mod tables;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use postrider_core::clock::UnixMs;
use postrider_core::numbering::Tables;
use postrider_core::ported::PortedTables;
use tokio::sync::oneshot;

use self::balance::Balance;
pub use self::desk::{ConfigOrder, Desk, Order};
pub use self::erasures::Counter;
pub(crate) use self::reload::numbers;
pub use self::reload::{KnownCustomers, NextConfig, ReadNext, Reloads};
pub use self::routes::message;
pub use self::signals::{Doorbell, Shutdown, signals};
use crate::shard::{Learned, Shared};
use crate::stats::Stats;

/// A shard whose loop has not turned for this long is stuck: `/livez` answers 503.
pub const BEAT_LIMIT: Duration = Duration::from_secs(10);
/// How long `stop` waits for requests under way.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// What is true of the process for as long as it runs.
#[derive(Clone)]
pub struct ControlFacts {
    /// The version of the program.
    pub version: String,
    /// The kernel's release.
    pub kernel: String,
    /// The driver that runs on each shard: "io_uring" or "poll".
    pub drivers: Vec<String>,
    /// When the process started, Unix milliseconds: since when the counters count.
    pub started_unix_ms: u64,
    /// Processor time of the process.
    pub cpu: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// Wall time, as the system has it.
    pub wall: Arc<dyn Fn() -> UnixMs + Send + Sync>,
    /// The process's monotonic time, of which `Stats::beat` takes instants too.
    pub now: Arc<dyn Fn() -> Duration + Send + Sync>,
}

/// Where a shard stands between start and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ShardState {
    /// Its thread is being set up.
    Starting,
    /// It reads its log.
    Recovering,
    /// It takes requests.
    Ready,
    /// It finishes what it has, and takes no new messages.
    Draining,
    /// Its loop has ended.
    Stopped,
}

impl ShardState {
    const ALL: [Self; 5] =
        [Self::Starting, Self::Recovering, Self::Ready, Self::Draining, Self::Stopped];

    /// The word for it in `/readyz`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Recovering => "recovering",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}

/// Whether the process takes requests. One per process: each shard sets its own state, the control
/// thread reads them all.
#[derive(Debug)]
pub struct Readiness {
    shards: Vec<AtomicU8>,
    draining: AtomicBool,
}

impl Readiness {
    /// For this many shards, all of them starting.
    #[must_use]
    pub fn new(shards: usize) -> Self {
        let shards = (0..shards).map(|_| AtomicU8::new(ShardState::Starting as u8)).collect();
        Self { shards, draining: AtomicBool::new(false) }
    }

    /// Sets a shard's state. A shard that does not exist has none.
    pub fn set(&self, shard: usize, state: ShardState) {
        if let Some(place) = self.shards.get(shard) {
            place.store(state as u8, Ordering::Release);
        }
    }

    /// Says that a shard takes requests.
    pub fn set_ready(&self, shard: usize) {
        self.set(shard, ShardState::Ready);
    }

    /// Says that the process is going away, whatever the shards' states are.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether `set_draining` was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Each shard's state, in order.
    pub fn states(&self) -> impl Iterator<Item = ShardState> {
        self.shards.iter().map(|place| {
            let now = place.load(Ordering::Acquire);
            let state = ShardState::ALL.into_iter().find(|state| *state as u8 == now);
            state.unwrap_or(ShardState::Starting)
        })
    }

    /// Whether every shard takes requests and the process is not going away.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.is_draining() && self.states().all(|state| state == ShardState::Ready)
    }
}

/// By what shards are asked, and what reloads need; `None`: not at all.
pub type Asked = (Option<Counter>, Option<Reloads>);

/// What the control thread shows of the configuration that counts.
#[derive(Clone)]
pub struct Known {
    /// What traffic shows of its carriers.
    pub learned: Arc<Learned>,
    /// Its tables of ported numbers.
    pub ported: Arc<PortedTables>,
    /// Its tables of numbers.
    pub tables: Arc<Tables>,
}

impl Known {
    /// What the shards go by.
    #[must_use]
    pub fn of(shared: &Shared) -> Self {
        Self {
            learned: Arc::clone(&shared.learned),
            ported: Arc::clone(&shared.ported),
            tables: Arc::clone(&shared.config.tables),
        }
    }
}

/// What the control thread reads. One per process.
pub struct Control {
    shards: Vec<Arc<Stats>>,
    facts: ControlFacts,
    readiness: Arc<Readiness>,
    known: Mutex<Known>,
    balance: Mutex<Balance>,
    /// `None`: shards cannot be asked for anything.
    counter: Option<Counter>,
    /// `None`: the configuration stays.
    reloads: Option<Reloads>,
}

impl Control {
    /// Listens on `addr` and serves `/metrics`, `/livez`, `/readyz`, `/shards`, `/carriers`, `/erasures`,
    /// `/opt-outs`, `/reload` and `/routes/explain` from a thread of its own.
    ///
    /// # Errors
    /// When the address cannot be had, or the thread cannot be started.
    pub fn start(
        addr: SocketAddr,
        shards: Vec<Arc<Stats>>,
        facts: ControlFacts,
        readiness: Arc<Readiness>,
        known: Known,
        (counter, reloads): Asked,
    ) -> anyhow::Result<ControlHandle> {
        let (balance, known) = (Mutex::default(), Mutex::new(known));
        let control = Arc::new(Self { shards, facts, readiness, known, balance, counter, reloads });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the control thread's runtime cannot be built")?;
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind(addr))
            .with_context(|| format!("admin_listen: cannot listen on {addr}"))?;
        let local_addr = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("control".into())
            .spawn(move || runtime.block_on(server::run(control, listener, stopped)))
            .context("the control thread cannot be started")?;
        Ok(ControlHandle { local_addr, stop: Some(stop), thread: Some(thread) })
    }

    /// What there is to show of the configuration that counts.
    fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What traffic shows of the carriers of the configuration that counts.
    fn learned(&self) -> Arc<Learned> {
        self.known().learned
    }

    /// The shards go by this from now on; `customers`: all that the data directory has known.
    fn go_by(&self, shared: &Shared, customers: KnownCustomers) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Known::of(shared);
        if let Some(counter) = &self.counter {
            counter.know(customers);
        }
    }

    /// Only this thread takes it, and never across an await.
    fn balance(&self) -> MutexGuard<'_, Balance> {
        self.balance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shards that have beaten before and not within [`BEAT_LIMIT`]. A shard is not judged
    /// before its first beat (recovery may take long, and `/readyz` says so) nor after its end.
    fn stuck(&self) -> Vec<usize> {
        let now = (self.facts.now)();
        let shards = self.shards.iter().zip(self.readiness.states()).enumerate();
        shards
            .filter(|(_, (stats, state))| {
                let silent = stats.last_beat().map(|(_, at)| now.saturating_sub(at));
                *state != ShardState::Stopped && silent.is_some_and(|silent| silent > BEAT_LIMIT)
            })
            .map(|(shard, _)| shard)
            .collect()
    }
}

/// The control thread from outside. Dropping it stops the thread.
pub struct ControlHandle {
    local_addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ControlHandle {
    /// Where it listens: the port that was had when 0 was asked for.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Answers what is under way, for 2 s at most, and ends the thread.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Dropping the sender is the signal.
        drop(self.stop.take());
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the control thread panicked");
        }
    }
}

impl Drop for ControlHandle {
    fn drop(&mut self) {
        self.end();
    }
}
