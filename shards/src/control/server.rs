//! The admin port: `/metrics`, `/livez`, `/readyz`, `/shards`, `/carriers`, `/erasures`, `/opt-outs`. On the control thread.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::balance::Crier;
use super::carriers::{self, Herald};
use super::erasures::{self, Peer};
use super::listener::Limited;
use super::metrics::{self, Format};
use super::{Control, STOP_LIMIT, ported, reload, routes, shards};

/// Serves until the sender of `stopped` is gone.
pub(super) async fn run(
    control: Arc<Control>,
    listener: TcpListener,
    stopped: oneshot::Receiver<()>,
) {
    let watch = tokio::spawn(watchdog(Arc::clone(&control)));
    let signals = tokio::spawn(reload::heed_signals(Arc::clone(&control)));
    let stale = tokio::spawn(ported::tell_stale(Arc::clone(&control)));
    let (end, ended) = oneshot::channel::<()>();
    let service = router(control).into_make_service_with_connect_info::<Peer>();
    let server = axum::serve(Limited::new(listener), service).with_graceful_shutdown(async move {
        drop(stopped.await);
        drop(end);
    });
    let overdue = async move {
        drop(ended.await);
        tokio::time::sleep(STOP_LIMIT).await;
    };
    tokio::select! {
        served = server => if let Err(error) = served {
            tracing::error!(%error, "the admin port has failed");
        },
        () = overdue => tracing::warn!("admin requests still under way were cut off"),
    }
    watch.abort();
    signals.abort();
    stale.abort();
}

fn router(control: Arc<Control>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/shards", get(shards::list))
        .route("/carriers", get(carriers::list))
        .route("/carriers/{name}/receipt-ids/apply", post(carriers::apply))
        .route("/erasures", get(erasures::list).post(erasures::begin))
        .route("/erasures/{id}", get(erasures::show))
        .route("/opt-outs", post(erasures::opt_out))
        .route("/reload", post(reload::post))
        .route("/routes/explain", post(routes::explain))
        .with_state(control)
}

async fn metrics(State(control): State<Arc<Control>>, headers: HeaderMap) -> Response {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = Format::of(accepted);
    let body = metrics::encode(&control, format);
    ([(CONTENT_TYPE, format.content_type())], body).into_response()
}

async fn livez(State(control): State<Arc<Control>>) -> Response {
    let stuck = control.stuck();
    let now = (control.facts.now)();
    let shards = control.shards.iter().enumerate().map(|(shard, stats)| {
        let silent = stats.last_beat().map(|(_, at)| now.saturating_sub(at).as_secs_f64());
        json!({"shard": shard, "live": !stuck.contains(&shard), "silent_seconds": silent})
    });
    let shards = shards.collect::<Vec<_>>();
    answer(stuck.is_empty(), &json!({"live": stuck.is_empty(), "shards": shards}))
}

async fn readyz(State(control): State<Arc<Control>>) -> Response {
    let readiness = &control.readiness;
    let states = readiness.states().enumerate();
    let shards =
        states.map(|(shard, state)| json!({"shard": shard, "state": state.name()})).collect();
    let ready = readiness.is_ready();
    let draining = readiness.is_draining();
    answer(ready, &json!({"ready": ready, "draining": draining, "shards": Value::Array(shards)}))
}

fn answer(good: bool, body: &Value) -> Response {
    answer_with(if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, body)
}

/// JSON that nobody keeps.
pub(super) fn answer_with(status: StatusCode, body: &Value) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (status, headers, format!("{body}\n")).into_response()
}

/// Says once, in the log, that a shard is stuck, and once that it turns again; and what is proposed
/// for a carrier, and what is wrong with it; and that shards are out of balance.
async fn watchdog(control: Arc<Control>) {
    let mut known = Vec::new();
    let mut herald = Herald::new();
    let mut crier = Crier::default();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        herald.tell(&control.learned());
        herald.tell_of_receipts(&control.learned());
        herald.tell_of_binds(&control.shards);
        if let Some(verdict) = control.balance().observe((control.facts.now)(), &control.shards) {
            crier.tell(verdict);
        }
        let stuck = control.stuck();
        for shard in stuck.iter().filter(|shard| !known.contains(*shard)) {
            tracing::error!(shard, "the shard's loop has not turned for 10 s");
        }
        for shard in known.iter().filter(|shard| !stuck.contains(shard)) {
            tracing::info!(shard, "the shard's loop turns again");
        }
        known = stuck;
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
