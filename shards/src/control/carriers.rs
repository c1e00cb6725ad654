//! What the admin port says of carriers: the forms of their message ids, what traffic shows of them,
//! and the operator's word to use that. On the control thread.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use postrider_core::carrier_id::{IdBase, IdForms, Proposal};
use postrider_core::config::Learn;
use serde_json::{Map, Value, json};

use super::Control;
use super::server::answer_with as answer;
use crate::shard::{CarrierIds, Learned};

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
    let carriers: Vec<Value> = control.learned().carriers().iter().map(|own| shown(own)).collect();
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
    answer(StatusCode::OK, &shown(carrier))
}

fn shown(carrier: &CarrierIds) -> Value {
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
        "receipt_ids": {
            "in_use": shown_forms(carrier.forms()),
            "learn": learn,
            "pairs": pairs,
            "proposal": proposal,
        },
    })
}

fn shown_forms(forms: IdForms) -> Map<String, Value> {
    let base = |base| Value::from(word(base));
    let members = [("response", base(forms.response)), ("receipt", base(forms.receipt))];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Says each proposal once in the log.
pub(super) struct Herald {
    told: Vec<Option<IdForms>>,
}

impl Herald {
    pub(super) const fn new() -> Self {
        Herald { told: Vec::new() }
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
