//! A new configuration for the running process: read and checked, fitted behind the one that counts,
//! handed to every shard. Asked for on the admin port, from this machine alone, or by SIGHUP. On the
//! control thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::Response;
use postrider_core::config::{Changes, Config, Followed, Plan};
use postrider_core::limits;
use postrider_core::place::ShardId;
use postrider_storage::NameKind;
use postrider_storage::io::DataDir;
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};

use super::desk::ConfigOrder;
use super::erasures::{Peer, is_local};
use super::server::answer_with;
use super::{Control, Desk, ported};
use crate::rt::{CarrierLink, carrier_links};
use crate::shard::{Numbers, Shared};

/// Reads the configuration and fits it behind the one given, for so many shards; the error says all
/// that is wrong, a problem a line.
pub type ReadNext = Arc<dyn Fn(&Config, u16) -> Result<Followed, String> + Send + Sync>;

/// Every customer that the data directory has known, with its durable number.
pub type KnownCustomers = Vec<(String, u32)>;

/// Where a process's next configuration comes from, and who may ask for it.
#[derive(Clone)]
pub struct NextConfig {
    /// Reads it. On a thread that may wait for the disk.
    pub read: ReadNext,
    /// Asks for it from outside the admin port.
    pub asked: Arc<Notify>,
}

/// What reloads need. One per process.
pub struct Reloads {
    next: NextConfig,
    desks: Vec<Arc<Desk>>,
    dir: Arc<Mutex<DataDir>>,
    /// What counts now. Held for as long as a reload takes: there is one at a time.
    current: tokio::sync::Mutex<Current>,
    done: AtomicU64,
    refused: AtomicU64,
}

struct Current {
    shared: Arc<Shared>,
    carrier_tls: Vec<Option<CarrierLink>>,
}

/// What a reload came to.
struct Done {
    generation: u32,
    took: Duration,
    carriers: Changes,
    customers: Changes,
    routes: bool,
    tables: bool,
    waiting: Vec<String>,
}

/// Why there was none: nothing has changed.
enum Refused {
    /// What is wrong with the configuration, a problem a line.
    Config(String),
    /// The process is not so far, or goes away.
    NotReady,
    /// The configuration was handed over, and not every shard has said that it goes by it.
    Silent(usize),
}

impl Reloads {
    /// For these shards. `shared` and `carrier_tls` are those that they were started with.
    #[must_use]
    pub fn new(
        next: NextConfig,
        desks: Vec<Arc<Desk>>,
        dir: Arc<Mutex<DataDir>>,
        (shared, carrier_tls): (Arc<Shared>, Vec<Option<CarrierLink>>),
    ) -> Self {
        let current = tokio::sync::Mutex::new(Current { shared, carrier_tls });
        let (done, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { next, desks, dir, current, done, refused }
    }

    /// Reloads that were done, and that were refused.
    pub(super) fn counts(&self) -> [(&'static str, u64); 2] {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [("done", read(&self.done)), ("refused", read(&self.refused))]
    }

    async fn reload(&self, control: &Control) -> Result<Done, Refused> {
        let outcome = self.try_reload(control).await;
        let (count, told) = match &outcome {
            Ok(done) => (&self.done, done.told()),
            Err(refused) => (&self.refused, refused.told()),
        };
        count.fetch_add(1, Ordering::Relaxed);
        match &outcome {
            Ok(done) => {
                let millis = u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX);
                tracing::info!(generation = done.generation, millis, "{told}");
                for key in &done.waiting {
                    tracing::warn!(key, "is read only at a start: it keeps its old value");
                }
            }
            Err(_) => tracing::error!("{told}"),
        }
        outcome
    }

    async fn try_reload(&self, control: &Control) -> Result<Done, Refused> {
        let mut current = self.current.lock().await;
        if !control.readiness.is_ready() {
            return Err(Refused::NotReady);
        }
        let prepared = self.prepare(&current).await.map_err(Refused::Config)?;
        let Prepared { followed, shared, carrier_tls, plan, names } = prepared;
        let began = (control.facts.now)();
        let mut taken = Vec::new();
        for (desk, shard) in self.desks.iter().zip(0u16..) {
            let (told, answer) = oneshot::channel();
            desk.hand_over(ConfigOrder {
                shared: Arc::clone(&shared),
                binds: plan.binds_on(ShardId(shard)),
                carrier_tls: carrier_tls.clone(),
                taken: told,
            });
            taken.push(answer);
        }
        control.go_by(&shared, names);
        let generation = shared.generation;
        *current = Current { shared, carrier_tls };
        for (shard, answer) in taken.into_iter().enumerate() {
            match tokio::time::timeout(limits::RELOAD_PATIENCE, answer).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(Refused::Silent(shard)),
            }
        }
        let took = (control.facts.now)().saturating_sub(began);
        let Followed { carriers, customers, routes, tables, waiting, .. } = followed;
        Ok(Done { generation, took, carriers, customers, routes, tables, waiting })
    }

    /// Everything that may fail or wait, before anything changes.
    async fn prepare(&self, current: &Current) -> Result<Prepared, String> {
        let (read, dir) = (Arc::clone(&self.next.read), Arc::clone(&self.dir));
        let (shared, links) = (Arc::clone(&current.shared), current.carrier_tls.clone());
        let shards = u16::try_from(self.desks.len()).unwrap_or(u16::MAX);
        let prepared = tokio::task::spawn_blocking(move || {
            let followed = read(&shared.config, shards)?;
            finish(followed, &shared, &links, (&dir, shards)).map_err(|error| format!("{error:#}"))
        });
        prepared.await.map_err(|error| error.to_string())?
    }
}

/// A configuration that only has to be handed over.
struct Prepared {
    followed: Followed,
    shared: Arc<Shared>,
    carrier_tls: Vec<Option<CarrierLink>>,
    plan: Plan,
    names: KnownCustomers,
}

fn finish(
    followed: Followed,
    before: &Shared,
    links: &[Option<CarrierLink>],
    (dir, shards): (&Mutex<DataDir>, u16),
) -> Result<Prepared> {
    let config = followed.config.clone();
    let plan = Plan::new(&config, shards)?;
    if plan.shard_count() != shards {
        bail!("server.shards comes to another number than {shards}: restart the gateway");
    }
    let carrier_tls = carrier_links(&config.carriers, links)?;
    let dir = dir.lock().unwrap_or_else(PoisonError::into_inner);
    let (numbers, names) = numbers(&dir, &config).context("the name table")?;
    // Files that are as they were are not read again.
    let ported = ported::load(&config.ported, &before.ported);
    let shared = Arc::new(before.next(config, numbers).with_ported(ported));
    Ok(Prepared { followed, shared, carrier_tls, plan, names })
}

/// The durable numbers of a configuration's carriers and customers; new ones are written down. Beside
/// them every customer that the data directory knows.
pub(crate) fn numbers(dir: &DataDir, config: &Config) -> Result<(Numbers, KnownCustomers)> {
    let known = dir.read_names()?;
    let mut names = known.clone();
    let carriers = config.carriers.iter();
    let carriers = carriers.map(|own| names.assign(NameKind::Carrier, &own.name)).collect();
    let customers = config.customers.iter();
    let customers = customers.map(|own| names.assign(NameKind::Customer, &own.name)).collect();
    if names != known {
        dir.write_names(&names)?;
    }
    let all = names.names(NameKind::Customer).map(|(number, name)| (name.to_owned(), number));
    Ok((Numbers { carriers, customers }, all.collect()))
}

impl Done {
    fn told(&self) -> String {
        let list = |what: &str, names: &[String]| match names {
            [] => String::new(),
            names => format!(", {what} {}", names.join(" ")),
        };
        let of = |kind: &str, changes: &Changes| {
            [
                ("added", &changes.added),
                ("changed", &changes.changed),
                ("removed", &changes.removed),
            ]
            .map(|(what, names)| list(&format!("{kind} {what}:"), names))
            .concat()
        };
        let routes = if self.routes { ", other routes" } else { "" };
        let tables = if self.tables { ", other tables of numbers" } else { "" };
        let (carriers, customers) =
            (of("carriers", &self.carriers), of("customers", &self.customers));
        format!("every shard goes by the new configuration{carriers}{customers}{routes}{tables}")
    }

    fn shown(&self) -> Value {
        let of = |changes: &Changes| {
            json!({
                "added": changes.added,
                "changed": changes.changed,
                "removed": changes.removed,
            })
        };
        json!({
            "generation": self.generation,
            "took_us": u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
            "carriers": of(&self.carriers),
            "customers": of(&self.customers),
            "routes_changed": self.routes,
            "tables_changed": self.tables,
            "needs_restart": self.waiting,
        })
    }
}

impl Refused {
    fn told(&self) -> String {
        match self {
            Self::Config(why) => {
                format!("the configuration cannot be used, nothing changes\n{why}")
            }
            Self::NotReady => "not every shard is ready: nothing changes".to_owned(),
            Self::Silent(shard) => format!(
                "shard {shard} has not said within {} s that it goes by the new configuration",
                limits::RELOAD_PATIENCE.as_secs()
            ),
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Config(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
            Self::Silent(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

/// POST /reload.
pub(super) async fn post(
    State(control): State<Arc<Control>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
) -> Response {
    if !is_local(peer) {
        let why = "only from the machine that the gateway runs on";
        return answer_with(StatusCode::FORBIDDEN, &json!({ "error": why }));
    }
    let Some(reloads) = &control.reloads else {
        let why = "this gateway was not started from a file";
        return answer_with(StatusCode::NOT_FOUND, &json!({ "error": why }));
    };
    match reloads.reload(&control).await {
        Ok(done) => answer_with(StatusCode::OK, &done.shown()),
        Err(refused) => answer_with(refused.status(), &json!({ "error": refused.told() })),
    }
}

/// Reloads whenever it is asked for by a signal; for as long as the process runs.
pub(super) async fn heed_signals(control: Arc<Control>) {
    let Some(reloads) = &control.reloads else { return };
    loop {
        reloads.next.asked.notified().await;
        // What came of it is in the log.
        drop(reloads.reload(&control).await);
    }
}
