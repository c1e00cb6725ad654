//! What the admin port says of carriers: their rates, their binds' health, the forms of their message
//! ids, what traffic shows of them and of their receipts, and the operator's word to use that. On the
//! control thread.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use postrider_core::carrier_id::{IdBase, IdForms, Proposal};
use postrider_core::config::Learn;
use postrider_core::health::Health;
use postrider_core::rate::{Changes, TroubleKind};
use serde_json::{Map, Value, json};

use super::Control;
use super::server::answer_with as answer;
use crate::shard::{CarrierIds, Learned};
use crate::stats::Stats;

/// Names of what a pair of ids shows, in the order of its counts.
pub(super) const EVIDENCE: [&str; 4] =
    ["same", "hex_then_decimal", "decimal_then_hex", "unrelated"];

/// The word for a base.
pub(super) const fn word(base: IdBase) -> &'static str {
    match base {
        IdBase::AsIs => "as_is",
        IdBase::Hex => "hex",
        IdBase::Decimal => "decimal",
    }
}

/// GET /carriers.
pub(super) async fn list(State(control): State<Arc<Control>>) -> Response {
    let learned = control.learned();
    let carriers: Vec<Value> = learned.carriers().iter().map(|own| shown(&control, own)).collect();
    answer(StatusCode::OK, &json!({ "data": carriers }))
}

/// POST /carriers/{name}/receipt-ids/apply: the forms proposed are used from now on.
pub(super) async fn apply(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Response {
    let learned = control.learned();
    let Some(carrier) = learned.by_name(&name) else {
        return answer(StatusCode::NOT_FOUND, &json!({"error": "there is no such carrier"}));
    };
    let Some(Proposal { forms, .. }) = carrier.apply() else {
        return answer(StatusCode::CONFLICT, &json!({"error": "nothing is proposed for it"}));
    };
    let (response, receipt) = (word(forms.response), word(forms.receipt));
    tracing::warn!(
        carrier = carrier.name(),
        response,
        receipt,
        "the forms of its message ids are used as proposed; put them into the configuration"
    );
    answer(StatusCode::OK, &shown(&control, carrier))
}

fn shown(control: &Control, carrier: &CarrierIds) -> Value {
    let binds = shown_binds(&control.shards, carrier.name());
    let learn = match carrier.learn() {
        Learn::Off => "off",
        Learn::Propose => "propose",
        Learn::Apply => "apply",
    };
    let pairs: Map<String, Value> =
        EVIDENCE.iter().zip(carrier.pairs()).map(|(name, n)| ((*name).into(), n.into())).collect();
    let proposal = carrier.proposal().map(|proposal| {
        let mut shown = shown_forms(proposal.forms);
        shown.insert("agreeing".into(), proposal.agreeing.into());
        shown.insert("contradicting".into(), proposal.contradicting.into());
        shown.insert("confidence_percent".into(), proposal.confidence_percent.into());
        shown
    });
    json!({
        "name": carrier.name(),
        "binds": binds,
        "receipts_suspect": carrier.is_suspect(),
        "rate": shown_pace(carrier),
        "receipt_ids": {
            "in_use": shown_forms(carrier.forms()),
            "learn": learn,
            "pairs": pairs,
            "proposal": proposal,
        },
    })
}

fn shown_pace(carrier: &CarrierIds) -> Value {
    let pace = carrier.pace();
    let Changes { lowered, raised } = pace.changes();
    let by_cause = |counts: [u64; 4]| -> Map<String, Value> {
        let counts = TroubleKind::CAUSES.iter().zip(counts);
        counts.map(|(cause, count)| ((*cause).to_owned(), count.into())).collect()
    };
    json!({
        "limit": Some(pace.limit()).filter(|limit| *limit > 0),
        "used": pace.used(),
        "lowered": by_cause(lowered),
        "raised": by_cause(raised),
    })
}

fn shown_forms(forms: IdForms) -> Map<String, Value> {
    let base = |base| Value::from(word(base));
    let members = [("response", base(forms.response)), ("receipt", base(forms.receipt))];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Where the binds of a carrier stand, over all shards.
fn shown_binds(shards: &[Arc<Stats>], carrier: &str) -> Vec<Value> {
    let of_shard = |(shard, stats): (usize, &Arc<Stats>)| -> Vec<Value> {
        let own = stats.binds().filter(|(label, _)| label.carrier == carrier);
        own.map(|(label, bind)| {
            json!({
                "shard": shard,
                "bind": label.bind,
                "kind": label.kind,
                "state": bind.state().name(),
                "health": bind.health().name(),
                "window_used": bind.window_used.get(),
                "window_limit": bind.window_limit.get(),
            })
        })
        .collect()
    };
    shards.iter().enumerate().flat_map(of_shard).collect()
}

/// Says each proposal once in the log, and when receipts become suspect or binds fail.
pub(super) struct Herald {
    told: Vec<Option<IdForms>>,
    /// Carriers whose receipts were called suspect.
    suspect: BTreeSet<String>,
    /// Binds that were said to be in trouble: shard, carrier, number, kind.
    troubled: BTreeMap<(usize, String, u32, &'static str), Health>,
}

impl Herald {
    pub(super) const fn new() -> Self {
        Herald { told: Vec::new(), suspect: BTreeSet::new(), troubled: BTreeMap::new() }
    }

    /// Says of each bind once that it is silent or fails, and that it is good again.
    pub(super) fn tell_of_binds(&mut self, shards: &[Arc<Stats>]) {
        for (shard, stats) in shards.iter().enumerate() {
            for (label, bind) in stats.binds() {
                let own = (shard, label.carrier.clone(), label.bind, label.kind);
                let (health, carrier, number) = (bind.health(), &label.carrier, label.bind);
                match health {
                    Health::HalfOpen | Health::Stalled | Health::Erroring => {
                        if self.troubled.insert(own, health) != Some(health) {
                            let health = health.name();
                            tracing::warn!(shard, carrier, bind = number, health, "a bind fails");
                        }
                    }
                    Health::Good => {
                        if self.troubled.remove(&own).is_some() {
                            tracing::info!(shard, carrier, bind = number, "the bind is good again");
                        }
                    }
                    Health::Dead | Health::Trial => {}
                }
            }
        }
    }

    /// Says of each carrier once that its receipts are suspect.
    pub(super) fn tell_of_receipts(&mut self, learned: &Learned) {
        for carrier in learned.carriers() {
            let name = carrier.name();
            if !carrier.is_suspect() {
                self.suspect.remove(name);
            } else if self.suspect.insert(name.to_owned()) {
                tracing::warn!(
                    carrier = name,
                    "all its receipts say \"delivered\" in the moment in which it takes a part: it \
                     can have asked no handset"
                );
            }
        }
    }

    pub(super) fn tell(&mut self, learned: &Learned) {
        self.told.resize(learned.carriers().len(), None);
        for (carrier, told) in learned.carriers().iter().zip(&mut self.told) {
            let Some(proposal) = carrier.proposal() else { continue };
            if told.replace(proposal.forms) == Some(proposal.forms) {
                continue;
            }
            let forms = proposal.forms;
            tracing::warn!(
                carrier = carrier.name(),
                response = word(forms.response),
                receipt = word(forms.receipt),
                confidence_percent = proposal.confidence_percent,
                "its receipts write message ids in another form than configured; apply with POST \
                 /carriers/{}/receipt-ids/apply on the admin port",
                carrier.name()
            );
        }
    }
}
