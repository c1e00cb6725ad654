//! Puts a gateway together from its configuration: data directory, names, rings, one thread per
//! shard, the control thread. Runs on the main thread; nothing here is on a message's path.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use postrider_core::config::{Config, Driver, Plan, StoreConfig};
use postrider_core::id::IdCipher;
use postrider_core::limits;
use postrider_core::place::ShardId;
use postrider_http::url_guard::UrlPolicy;
use postrider_storage::io::{DataDir, FileDisk, FileReader, probe};
use postrider_storage::{LogConfig, Recovery};

use crate::control::ported;
use crate::control::{
    Asked, Control, ControlFacts, ControlHandle, Counter, Desk, Known, KnownCustomers, NextConfig,
    Readiness, Reloads, ShardState, Shutdown, numbers,
};
use crate::cores;
use crate::edge::Edge;
use crate::mesh_rings::Rings;
use crate::node::{LogPlace, Node, NodeParts, OwnContents};
use crate::ports::Ports;
use crate::rt::http::{ClientLimits, HttpClient};
use crate::rt::{self, Clock, Doorbell, DrainPolicy, Runtime, RuntimeOptions, ShardClock, Stop};
use crate::shard::{Shard, ShardChore, ShardParts, Shared};
use crate::stats::{Gauge, Stats};

/// How often a long start says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// How the provider of look-ups is asked; each query has a time of its own.
const PROVIDER: ClientLimits = ClientLimits {
    timeout: limits::LOOKUP_TIMEOUT[1],
    max_response: limits::LOOKUP_ANSWER_BYTES,
    connections_per_endpoint: limits::LOOKUP_CONCURRENCY[1],
};

/// What differs between a service and a demonstration.
pub struct ServerOptions {
    /// First delay of a bind's back-off; doubles up to a minute.
    pub reconnect_first: Duration,
    /// Where a new configuration comes from while it runs; `None`: from nowhere.
    pub next_config: Option<NextConfig>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions { reconnect_first: limits::RECONNECT_FIRST, next_config: None }
    }
}

/// A running gateway.
pub struct Server {
    /// Where it serves HTTP.
    pub http: SocketAddr,
    /// Where customers bind over SMPP.
    pub smpp: Option<SocketAddr>,
    /// Where customers bind over SMPP through TLS.
    pub smpp_tls: Option<SocketAddr>,
    /// Where it serves metrics and health.
    pub admin: SocketAddr,
    /// How many shards run.
    pub shards: u16,
    reports: Vec<String>,
    stats: Vec<Arc<Stats>>,
    shutdown: Arc<Shutdown>,
    threads: Vec<std::thread::JoinHandle<Result<()>>>,
    control: ControlHandle,
    /// Keeps the data directory's lock.
    dir: Arc<Mutex<DataDir>>,
}

/// What one shard's thread says when it is ready.
struct Started {
    shard: ShardId,
    report: String,
}

/// What is the same for every shard's thread.
struct Process {
    shared: Arc<Shared>,
    plan: Plan,
    shutdown: Arc<Shutdown>,
    readiness: Arc<Readiness>,
    at_work: Arc<AtomicUsize>,
    clock: Clock,
    cpus: Vec<usize>,
    ports: Ports,
    reconnect_first: Duration,
    carrier_tls: Vec<Option<rt::CarrierLink>>,
    ready: mpsc::Sender<Result<Started>>,
}

/// What one shard's thread is given.
struct ShardSetup {
    id: ShardId,
    shared: Arc<Shared>,
    stats: Arc<Stats>,
    binds: Vec<u16>,
    rings: Rings,
    bell: Arc<Doorbell>,
    desk: (Arc<Desk>, Arc<Doorbell>),
    shutdown: Arc<Shutdown>,
    readiness: Arc<Readiness>,
    at_work: Arc<AtomicUsize>,
    clock: Clock,
    cpu: Option<usize>,
    dir: PathBuf,
    ports: Ports,
    reconnect_first: Duration,
    carrier_tls: Vec<Option<rt::CarrierLink>>,
    ready: mpsc::Sender<Result<Started>>,
}

type ShardThread = std::thread::JoinHandle<Result<()>>;

impl Process {
    fn start_shards(
        &self,
        stats: &[Arc<Stats>],
        desks: Vec<(Arc<Desk>, Arc<Doorbell>)>,
        dir: &DataDir,
    ) -> Result<Vec<ShardThread>> {
        let server = &self.shared.config.server;
        let policy = if server.spin { DrainPolicy::default() } else { DrainPolicy::sleeping() };
        let rings = Rings::all(self.plan.shard_count(), policy);
        let mut threads = Vec::new();
        for (((rings, stats), desk), id) in rings.into_iter().zip(stats).zip(desks).zip(0u16..) {
            let bell = Doorbell::new(DrainPolicy::sleeping());
            let ringer = Arc::clone(&bell);
            self.shutdown.ring_also(Arc::new(move || ringer.ring()));
            let setup = ShardSetup {
                id: ShardId(id),
                shared: Arc::clone(&self.shared),
                stats: Arc::clone(stats),
                binds: self.plan.binds_on(ShardId(id)),
                rings,
                bell,
                desk,
                shutdown: Arc::clone(&self.shutdown),
                readiness: Arc::clone(&self.readiness),
                at_work: Arc::clone(&self.at_work),
                clock: self.clock,
                cpu: pinned_cpu(server.pin, &self.cpus, id),
                dir: dir.shard_dir(id),
                ports: self.ports.clone(),
                reconnect_first: self.reconnect_first,
                carrier_tls: self.carrier_tls.clone(),
                ready: self.ready.clone(),
            };
            threads.push(rt::thread(&format!("shard-{id}"), move || run_shard(setup))?);
        }
        Ok(threads)
    }
}

impl Server {
    /// Starts the gateway; returns once every shard has recovered and listens. `shutdown` stops it,
    /// and may be asked before the start is over: then every shard stops once it has recovered.
    ///
    /// # Errors
    /// Everything that keeps a gateway from starting, with what to do about it.
    pub fn start(
        config: Config,
        options: &ServerOptions,
        shutdown: Arc<Shutdown>,
    ) -> Result<Server> {
        let facts = rt::facts();
        rt::raise_memlock();
        let cores = u16::try_from(facts.cpus.len()).unwrap_or(u16::MAX);
        let plan = Plan::new(&config, cores).map_err(|errors| anyhow!("{errors}"))?;
        let shards = plan.shard_count();
        let carrier_tls = rt::carrier_links(&config.carriers, &[])?;
        let (shared, dir, customers) = open_data(config, shards)?;
        let dir = Arc::new(Mutex::new(dir));
        let clock = Clock::start();
        let stats: Vec<Arc<Stats>> = (0..shards).map(|_| Arc::new(Stats::new())).collect();
        let readiness = Arc::new(Readiness::new(usize::from(shards)));
        let desks = desks(shards);
        let own = || desks.iter().map(|(desk, _)| Arc::clone(desk)).collect::<Vec<_>>();
        let wall = Arc::new(move || clock.wall_raw());
        let placement = Arc::clone(&shared.placement);
        let counter = Counter::new(own(), placement, customers, wall);
        let reloads = options.next_config.clone().map(|next| {
            let current = (Arc::clone(&shared), carrier_tls.clone());
            Reloads::new(next, own(), Arc::clone(&dir), current)
        });
        let asked = (Some(counter), reloads);
        let control = start_control(&shared, (&stats, asked), &readiness, &facts, clock)?;
        let (ports, held) = Ports::reserve(&shared.config)?;
        let draining = Arc::clone(&readiness);
        shutdown.ring_also(Arc::new(move || draining.set_draining()));
        let (ready, started) = mpsc::channel();
        let process = Process {
            shared,
            plan,
            shutdown: Arc::clone(&shutdown),
            readiness,
            at_work: Arc::new(AtomicUsize::new(usize::from(shards))),
            clock,
            cpus: facts.cpus,
            ports: ports.clone(),
            reconnect_first: options.reconnect_first,
            carrier_tls,
            ready,
        };
        let threads = process.start_shards(&stats, desks, &locked(&dir))?;
        drop(process);
        let reports = await_shards(&started, &stats)?;
        locked(&dir).upgrade()?;
        drop(held);
        let admin = control.local_addr();
        let smpp_tls = ports.smpp_tls.as_ref().map(|(address, _)| *address);
        let (http, smpp) = (ports.http, ports.smpp);
        Ok(Server {
            http,
            smpp,
            smpp_tls,
            admin,
            shards,
            reports,
            stats,
            shutdown,
            threads,
            control,
            dir,
        })
    }

    /// What each shard said when it was ready: its driver, its log, what it recovered.
    #[must_use]
    pub fn reports(&self) -> &[String] {
        &self.reports
    }

    /// The counters of every shard.
    #[must_use]
    pub fn stats(&self) -> &[Arc<Stats>] {
        &self.stats
    }

    /// What stops it, for signal handlers.
    #[must_use]
    pub fn shutdown(&self) -> Arc<Shutdown> {
        Arc::clone(&self.shutdown)
    }

    /// Waits until every shard has stopped.
    ///
    /// # Errors
    /// What a shard could not do.
    pub fn wait(self) -> Result<()> {
        for thread in self.threads {
            match thread.join() {
                Ok(result) => result?,
                Err(_) => bail!("a shard's thread panicked"),
            }
        }
        self.control.stop();
        drop(self.dir);
        Ok(())
    }
}

/// Waits for every shard's word, says what it recovered, and gives all in the shards' order.
fn await_shards(
    started: &mpsc::Receiver<Result<Started>>,
    stats: &[Arc<Stats>],
) -> Result<Vec<String>> {
    let mut reports = BTreeMap::new();
    while reports.len() < stats.len() {
        match started.recv_timeout(PROGRESS_EVERY) {
            Ok(started) => {
                let Started { shard, report } = started?;
                tracing::info!(shard = shard.0, "{report}");
                reports.insert(shard, format!("{shard}: {report}"));
            }
            Err(RecvTimeoutError::Timeout) => tracing::info!("{}", progress(stats)),
            Err(RecvTimeoutError::Disconnected) => {
                bail!("a shard's thread ended before it was ready")
            }
        }
    }
    Ok(reports.into_values().collect())
}

/// How far the shards are with reading their logs, all together.
fn progress(stats: &[Arc<Stats>]) -> String {
    let sum = |gauge| stats.iter().map(|stats| stats.gauge_value(gauge)).sum::<u64>();
    let (read, all) = (sum(Gauge::ReplaySegmentsRead), sum(Gauge::ReplaySegments));
    let (records, mib) = (sum(Gauge::ReplayRecords), sum(Gauge::ReplayBytes) >> 20);
    format!("reading the log: {read} of {all} segments, {records} records, {mib} MiB")
}

fn start_control(
    shared: &Shared,
    (stats, asked): (&[Arc<Stats>], Asked),
    readiness: &Arc<Readiness>,
    facts: &rt::Facts,
    clock: Clock,
) -> Result<ControlHandle> {
    let driver = match (shared.config.server.driver, &facts.uring_available) {
        (Driver::Poll, _) | (Driver::Auto, Err(_)) => "poll",
        (Driver::Uring, _) | (Driver::Auto, Ok(())) => "io_uring",
    };
    let facts = ControlFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: facts.kernel.clone(),
        drivers: vec![driver.to_owned(); stats.len()],
        started_unix_ms: clock.wall_raw().0,
        cpu: Arc::new(rt::process_cpu),
        wall: Arc::new(move || clock.wall_raw()),
        now: Arc::new(move || clock.mono()),
    };
    let listen = shared.config.server.admin_listen;
    Control::start(listen, stats.to_vec(), facts, Arc::clone(readiness), Known::of(shared), asked)
}

/// A desk for each shard, and the bell beside it.
fn desks(shards: u16) -> Vec<(Arc<Desk>, Arc<Doorbell>)> {
    let desk = |_| {
        let bell = Doorbell::new(DrainPolicy::sleeping());
        let ringer = Arc::clone(&bell);
        (Arc::new(Desk::new(Arc::new(move || ringer.ring()))), bell)
    };
    (0..shards).map(desk).collect()
}

fn locked(dir: &Mutex<DataDir>) -> MutexGuard<'_, DataDir> {
    dir.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the data directory and makes what every shard reads; beside it every customer that the
/// directory has known.
fn open_data(config: Config, shards: u16) -> Result<(Arc<Shared>, DataDir, KnownCustomers)> {
    let path = config.server.data_dir.clone();
    let mut dir = DataDir::open(&path, shards)?;
    cores::check_logs(&dir, &config.store)?;
    cores::change(&mut dir, shards, &config.store)?;
    let (numbers, customers) = numbers(&dir, &config)?;
    let cipher = IdCipher::new(dir.id_key(), None);
    let shared = Shared::new(config, cores::placement(&dir), cipher, numbers);
    let ported = ported::load(&shared.config.ported, &shared.ported);
    Ok((Arc::new(shared.with_ported(ported)), dir, customers))
}

fn pinned_cpu(pin: bool, cpus: &[usize], shard: u16) -> Option<usize> {
    if !pin || cpus.is_empty() {
        return None;
    }
    cpus.get(usize::from(shard) % cpus.len()).copied()
}

/// The life of one shard's thread.
fn run_shard(setup: ShardSetup) -> Result<()> {
    let options = RuntimeOptions {
        driver: setup.shared.config.server.driver,
        cpu: setup.cpu,
        ..RuntimeOptions::default()
    };
    let built = rt::build(&options);
    let (runtime, kind) = match built {
        Ok(built) => built,
        Err(error) => {
            drop(setup.ready.send(Err(anyhow!("{} cannot start: {error}", setup.id))));
            return Ok(());
        }
    };
    let fallback = runtime.fallback_reason().map(|reason| format!(" ({reason})"));
    let driver = format!("{kind}{}", fallback.unwrap_or_default());
    let ready = setup.ready.clone();
    let result = serve_shard(&runtime, setup, &driver);
    if let Err(error) = result {
        drop(ready.send(Err(error)));
    }
    Ok(())
}

fn serve_shard(runtime: &Runtime, setup: ShardSetup, driver: &str) -> Result<()> {
    let ShardSetup { id, shared, stats, rings, bell, shutdown, readiness, at_work, .. } = setup;
    let store = shared.config.store.clone();
    let index = usize::from(id.0);
    readiness.set(index, ShardState::Recovering);
    let clock = ShardClock::new(setup.clock);
    let mut own = OwnContents::open(id, &shared, &setup.dir, clock.now())?;
    let parts = ShardParts {
        id,
        shared: Arc::clone(&shared),
        stats: Arc::clone(&stats),
        binds: setup.binds,
        contents: own.take(),
        seed: setup.clock.wall_raw().0 ^ u64::from(id.0) << 48,
        reconnect_first: setup.reconnect_first,
    };
    let prefix = format!("{:x}{:x}", id.0, setup.clock.wall_raw().0);
    let mut disk = FileDisk::new(&setup.dir, store.direct);
    let (mut shard, recovery) = Shard::open(parts, &mut disk, log_config(id, &store), clock.now())?;
    let archives = cores::add_archives(&mut shard, &setup.dir, &store)?;
    // Segments for the first batches, before anybody waits for them.
    own.prepare(&mut shard, clock.now());
    while let Some(chore) = shard.poll_chore() {
        let segment = matches!(chore, ShardChore::Log(_));
        let done = chore.run(&mut disk, store.segment_bytes);
        let full = done.error().is_some();
        shard.handle_chore(clock.now(), done);
        if full || !segment {
            break;
        }
    }
    let mut report = report(&shard, &recovery, driver, &setup.dir)?;
    report.push_str(own.report());
    runtime.block_on(async move {
        let policy = UrlPolicy { allow_private: shared.config.webhooks.allow_private };
        let webhooks = HttpClient::new(client_limits(&shared), policy);
        let provider = HttpClient::new(PROVIDER, UrlPolicy { allow_private: true });
        let parts = NodeParts {
            shard,
            clock,
            stats: Arc::clone(&stats),
            rings,
            webhooks,
            provider,
            carrier_tls: setup.carrier_tls,
            shared,
            reader: FileReader::new(&setup.dir, limits::READ_FILES),
            archives,
            at_work,
        };
        let node = Node::new(parts);
        let open = setup.ports.open(&node)?;
        let waiting = Rc::clone(&node);
        let log = LogPlace { dir: setup.dir, direct: store.direct };
        node.start(log, disk, store.segment_bytes);
        node.start_contents(own);
        let edge = Rc::new(Edge::new(Rc::clone(&node), Arc::clone(&stats), prefix));
        let quit = Stop::new();
        rt::spawn(Rc::clone(&node).serve_desk(setup.desk.0, setup.desk.1));
        rt::spawn(await_stop(bell, shutdown, Rc::clone(&node), quit.clone()));
        readiness.set_ready(index);
        drop(setup.ready.send(Ok(Started { shard: id, report })));
        open.serve(node, edge, stats, quit).await?;
        readiness.set(index, ShardState::Draining);
        waiting.until_all_drained().await;
        readiness.set(index, ShardState::Stopped);
        Ok(())
    })
}

pub(crate) fn log_config(id: ShardId, store: &StoreConfig) -> LogConfig {
    LogConfig {
        shard: id.0,
        segment_bytes: store.segment_bytes,
        max_segments: store.max_segments,
        spare_segments: limits::SPARE_SEGMENTS,
        preferred_batch: limits::PREFERRED_BATCH,
        max_batch: limits::MAX_BATCH,
        lazy: limits::LAZY_COMMIT,
    }
}

/// What an operator reads when a shard is ready.
fn report(shard: &Shard, recovery: &Recovery, driver: &str, dir: &Path) -> Result<String> {
    let probe = probe(dir)?;
    let direct = if probe.direct { "O_DIRECT" } else { "no O_DIRECT here, buffered with O_DSYNC" };
    let open = shard.open_messages();
    let Recovery { records, cut_bytes, clean, .. } = recovery;
    let mut report = format!("{driver}, log {direct}");
    if *records == 0 {
        report.push_str(", new");
    } else {
        let stop = if *clean { "in order" } else { "not in order" };
        report.push_str(&format!(
            ", stopped {stop}: {records} records replayed, {cut_bytes} bytes of a torn tail cut, \
             {open} messages open"
        ));
    }
    for (file, offset, why) in &recovery.quarantined {
        report.push_str(&format!("; {file} is damaged at byte {offset} ({why}), passed over"));
    }
    Ok(report)
}

async fn await_stop(bell: Arc<Doorbell>, shutdown: Arc<Shutdown>, node: Rc<Node>, quit: Stop) {
    while !shutdown.is_asked() {
        bell.wait(|| shutdown.is_asked()).await;
    }
    quit.stop();
    node.drain();
}

fn client_limits(shared: &Shared) -> ClientLimits {
    ClientLimits {
        timeout: shared.config.webhooks.timeout,
        max_response: limits::WEBHOOK_RESPONSE_BYTES,
        connections_per_endpoint: shared.config.webhooks.connections_per_endpoint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_that_of_all_shards_together() {
        let stats: Vec<Arc<Stats>> = (0..2).map(|_| Arc::new(Stats::new())).collect();
        for (stats, read) in stats.iter().zip([3, 5]) {
            stats.set(Gauge::ReplaySegments, 10);
            stats.set(Gauge::ReplaySegmentsRead, read);
            stats.set(Gauge::ReplayRecords, read * 1_000);
            stats.set(Gauge::ReplayBytes, read << 20);
        }
        let expected = "reading the log: 8 of 20 segments, 8000 records, 8 MiB";
        assert_eq!(progress(&stats), expected);
    }
}
