//! Erasures and opt-outs on the admin port. Only from this machine: who may erase need not prove it
//! otherwise. On the control thread.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::serve::IncomingStream;
use postrider_core::clock::UnixMs;
use postrider_core::number::Msisdn;
use postrider_core::place::{Placement, ShardId};
use postrider_http::time::push_rfc3339;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::listener::Limited;
use super::server::answer_with as answer;
use super::{Control, Desk, KnownCustomers};
use crate::shard::{ControlAnswer, ControlRequest, ErasureState, Subject};

/// How long a shard may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the control thread needs to ask shards for something.
pub struct Counter {
    /// One per shard.
    desks: Vec<Arc<Desk>>,
    pub(super) placement: Arc<Placement>,
    /// Every customer that the data directory has known, by name.
    customers: Mutex<BTreeMap<String, u32>>,
    /// The wall clock.
    wall: Arc<dyn Fn() -> UnixMs + Send + Sync>,
    last: AtomicU64,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(SocketAddr);

impl Connected<IncomingStream<'_, Limited>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Limited>) -> Self {
        Peer(*stream.remote_addr())
    }
}

/// Whom to erase: one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EraseBody {
    recipient: Option<String>,
    customer: Option<String>,
}

/// Who does not want whose messages.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OptOutBody {
    recipient: String,
    customer: String,
    /// Whether they are wanted again.
    #[serde(default)]
    remove: bool,
}

impl Counter {
    /// For these desks. `customers`: names with their durable numbers.
    #[must_use]
    pub fn new(
        desks: Vec<Arc<Desk>>,
        placement: Arc<Placement>,
        customers: KnownCustomers,
        wall: Arc<dyn Fn() -> UnixMs + Send + Sync>,
    ) -> Self {
        let customers = Mutex::new(customers.into_iter().collect());
        Self { desks, placement, customers, wall, last: AtomicU64::new(0) }
    }

    /// The data directory knows these customers now.
    pub(super) fn know(&self, customers: KnownCustomers) {
        *self.customers() = customers.into_iter().collect();
    }

    /// Only this thread takes it, and never across an await.
    fn customers(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        self.customers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for an erasure: the time, and higher than every one before.
    fn number(&self) -> u64 {
        let now = (self.wall)();
        let next = |last: u64| Some(now.0.max(last + 1));
        let before = self.last.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
        before.map_or(now.0, |last| now.0.max(last + 1))
    }

    /// Asks every shard; `None` when one does not answer.
    async fn ask_all(&self, request: ControlRequest) -> Option<Vec<ControlAnswer>> {
        let asked: Option<Vec<_>> =
            self.desks.iter().map(|desk| desk.ask(request.clone())).collect();
        let mut answers = Vec::new();
        for answered in asked? {
            answers.push(tokio::time::timeout(PATIENCE, answered).await.ok()?.ok()?);
        }
        Some(answers)
    }

    /// Asks one shard; `None` when it does not answer.
    pub(super) async fn ask(
        &self,
        shard: ShardId,
        request: ControlRequest,
    ) -> Option<ControlAnswer> {
        let asked = self.desks.get(usize::from(shard.0))?.ask(request)?;
        tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()
    }

    async fn states(&self) -> Option<BTreeMap<u64, Vec<(usize, ErasureState)>>> {
        let mut states: BTreeMap<u64, Vec<(usize, ErasureState)>> = BTreeMap::new();
        for (shard, answer) in self.ask_all(ControlRequest::Erasures).await?.into_iter().enumerate()
        {
            let ControlAnswer::Erasures(own) = answer else { continue };
            for state in own {
                states.entry(state.id).or_default().push((shard, state));
            }
        }
        Some(states)
    }

    fn shown(&self, id: u64, states: &[(usize, ErasureState)]) -> Value {
        let customer = states.first().map_or(0, |(_, state)| state.customer);
        let customers = self.customers();
        let name = customers.iter().find(|(_, number)| **number == customer);
        let finished = states.iter().map(|(_, state)| state.finished).collect::<Option<Vec<_>>>();
        let finished = finished.and_then(|times| times.into_iter().max());
        let shards = states.iter().map(|(shard, state)| {
            json!({
                "shard": shard,
                "segments": state.segments,
                "segments_done": state.done,
                "segments_rewritten": state.rewritten,
                "finished_at": state.finished.map(text),
            })
        });
        json!({
            "id": id.to_string(),
            "of": if customer == 0 { "recipient" } else { "customer" },
            "customer": name.map(|(name, _)| name),
            "asked_at": text(UnixMs(id)),
            "finished_at": finished.map(text),
            "shards": shards.collect::<Vec<_>>(),
        })
    }
}

/// Whether a request comes from this machine.
pub(super) fn is_local(peer: Peer) -> bool {
    peer.0.ip().to_canonical().is_loopback()
}

/// Reads a body. It must call itself JSON, which a page in a browser cannot do unasked.
pub(super) fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, String> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if kind.is_none_or(|kind| !kind.starts_with("application/json")) {
        return Err("the body must be application/json".to_owned());
    }
    // What is wrong is told without the values.
    serde_json::from_slice(body)
        .map_err(|error| format!("the body cannot be read: {}", plain(&error)))
}

fn plain(error: &serde_json::Error) -> String {
    format!("line {} column {}", error.line(), error.column())
}

fn text(at: UnixMs) -> String {
    let mut out = Vec::new();
    push_rfc3339(&mut out, at);
    String::from_utf8_lossy(&out).into_owned()
}

/// POST /erasures.
pub(super) async fn begin(
    State(control): State<Arc<Control>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(counter) = control.counter(peer) else { return refused(peer) };
    let subject = match read(&headers, &body) {
        Ok(EraseBody { recipient: Some(number), customer: None }) => {
            match Msisdn::parse_strict(&number) {
                Ok(number) => Subject::Recipient(number),
                Err(error) => return wrong(&error.to_string()),
            }
        }
        Ok(EraseBody { recipient: None, customer: Some(name) }) => {
            match counter.customers().get(&name).copied() {
                Some(number) => Subject::Customer(number),
                None => return answer(StatusCode::NOT_FOUND, &error("there is no such customer")),
            }
        }
        Ok(_) => return wrong("name either a recipient or a customer"),
        Err(why) => return wrong(&why),
    };
    let id = counter.number();
    match counter.ask_all(ControlRequest::Erase { id, subject }).await {
        Some(answers) if answers.contains(&ControlAnswer::Full) => answer(
            StatusCode::SERVICE_UNAVAILABLE,
            &error("too many erasures are under way; ask again when some are done"),
        ),
        Some(_) => {
            tracing::info!(id, "an erasure was asked for");
            answer(StatusCode::ACCEPTED, &json!({"id": id.to_string()}))
        }
        None => unanswered(),
    }
}

/// GET /erasures.
pub(super) async fn list(
    State(control): State<Arc<Control>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
) -> Response {
    let Some(counter) = control.counter(peer) else { return refused(peer) };
    let Some(states) = counter.states().await else { return unanswered() };
    let shown: Vec<Value> = states.iter().map(|(id, own)| counter.shown(*id, own)).collect();
    answer(StatusCode::OK, &json!({ "data": shown }))
}

/// GET /erasures/{id}.
pub(super) async fn show(
    State(control): State<Arc<Control>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(id): Path<u64>,
) -> Response {
    let Some(counter) = control.counter(peer) else { return refused(peer) };
    let Some(states) = counter.states().await else { return unanswered() };
    match states.get(&id) {
        Some(own) => answer(StatusCode::OK, &counter.shown(id, own)),
        None => answer(
            StatusCode::NOT_FOUND,
            &error(
                "no shard has this erasure: it is done since before the last start, or never was",
            ),
        ),
    }
}

/// POST /opt-outs.
pub(super) async fn opt_out(
    State(control): State<Arc<Control>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(counter) = control.counter(peer) else { return refused(peer) };
    let OptOutBody { recipient, customer, remove } = match read(&headers, &body) {
        Ok(body) => body,
        Err(why) => return wrong(&why),
    };
    let recipient = match Msisdn::parse_strict(&recipient) {
        Ok(number) => number,
        Err(error) => return wrong(&error.to_string()),
    };
    let Some(customer) = counter.customers().get(&customer).copied() else {
        return answer(StatusCode::NOT_FOUND, &error("there is no such customer"));
    };
    let request = ControlRequest::OptOut { customer, recipient, on: !remove };
    let answered = if remove {
        // Any shard may know of it, since there is another number of them.
        counter.ask_all(request).await
    } else {
        let owner = counter.placement.owner(recipient);
        counter.ask(owner, request).await.map(|answered| vec![answered])
    };
    match answered {
        Some(answers) if answers.contains(&ControlAnswer::Full) => answer(
            StatusCode::INSUFFICIENT_STORAGE,
            &error("this shard keeps as many opt-outs as it may"),
        ),
        Some(_) => answer(StatusCode::OK, &json!({"opted_out": !remove})),
        None => unanswered(),
    }
}

impl Control {
    /// What shards can be asked by, for a request from this machine.
    pub(super) fn counter(&self, peer: Peer) -> Option<&Counter> {
        self.counter.as_ref().filter(|_| is_local(peer))
    }
}

pub(super) fn refused(peer: Peer) -> Response {
    tracing::warn!(peer = %peer.0.ip(), "a request for this machine alone came from another one");
    let why = "this is taken from this machine alone (127.0.0.1 or ::1)";
    answer(StatusCode::FORBIDDEN, &error(why))
}

pub(super) fn unanswered() -> Response {
    answer(StatusCode::SERVICE_UNAVAILABLE, &error("a shard does not answer; ask again"))
}

pub(super) fn wrong(why: &str) -> Response {
    answer(StatusCode::BAD_REQUEST, &error(why))
}

pub(super) fn error(why: &str) -> Value {
    json!({ "error": why })
}
