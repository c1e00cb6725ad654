//! What the admin port says of shards: what each did and used since the start, what it has under
//! way, and whether all have as much to do as each other. The load generator makes its calibration
//! of it. On the control thread.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use postrider_core::limits;
use serde_json::{Value, json};

use super::Control;
use super::balance::{Cause, Imbalance, Verdict};
use super::server::answer_with;
use crate::stats::{Counter, Gauge, Histogram, Stats};

/// GET /shards.
pub(super) async fn list(State(control): State<Arc<Control>>) -> Response {
    let verdict = control.balance().last().cloned();
    let busy = |shard: usize| verdict.as_ref().and_then(|verdict| verdict.busy.get(shard).copied());
    let shards: Vec<Value> = control
        .shards
        .iter()
        .enumerate()
        .map(|(shard, stats)| shown(shard, stats, busy(shard)))
        .collect();
    let cpu = u64::try_from((control.facts.cpu)().as_micros()).unwrap_or(u64::MAX);
    let body = json!({
        "process_cpu_us": cpu,
        "compared_over_seconds": limits::IMBALANCE_OVER.as_secs(),
        "imbalance_percent": verdict.as_ref().map(|verdict| verdict.percent),
        "imbalance": verdict.as_ref().and_then(imbalance),
        "data": shards,
    });
    answer_with(StatusCode::OK, &body)
}

/// Everything but `busy_percent` counts from the start, or is what there is now.
fn shown(shard: usize, stats: &Stats, busy: Option<u64>) -> Value {
    let answers = stats.histogram(Histogram::SubmitResponse);
    let commits = stats.histogram(Histogram::Commit);
    json!({
        "shard": shard,
        "busy_percent": busy,
        "cpu_us": stats.get(Counter::CpuMicros),
        "requests": stats.get(Counter::HttpRequests),
        "messages_accepted": stats.get(Counter::Accepted),
        "parts_submitted": stats.get(Counter::PartsSubmitted),
        "log_bytes": stats.get(Counter::CommitBytes),
        "answers": answers.count,
        "answer_us": answers.sum / 1_000,
        "commits": commits.count,
        "commit_us": commits.sum / 1_000,
        "open_messages": stats.gauge_value(Gauge::OpenMessages),
        "queued_parts": stats.gauge_value(Gauge::QueuedParts),
        "in_flight_parts": stats.gauge_value(Gauge::InFlightParts),
        "webhook_backlog": stats.gauge_value(Gauge::WebhookBacklog),
    })
}

fn imbalance(verdict: &Verdict) -> Option<Value> {
    let Imbalance { busiest, idlest, cause } = verdict.imbalance.as_ref()?;
    let facts = match cause {
        Cause::Partitions { messages, most } => {
            let most = most
                .iter()
                .map(|(partition, percent)| json!({ "partition": partition, "percent": percent }));
            json!({ "messages": messages, "most": most.collect::<Vec<Value>>() })
        }
        Cause::Carriers { parts, most } => {
            let most =
                most.iter().map(|(name, percent)| json!({ "carrier": name, "percent": percent }));
            json!({ "parts": parts, "most": most.collect::<Vec<Value>>() })
        }
        Cause::Connections { requests, open } => json!({ "requests": requests, "open": open }),
        Cause::Unknown => Value::Null,
    };
    Some(json!({
        "busiest": busiest,
        "idlest": idlest,
        "cause": cause.name(),
        "facts": facts,
        "told": cause.told(),
    }))
}
