//! What would become of a message, asked on the admin port: the owner of the number decides as it
//! would for a customer. Only from this machine, since prices are told. On the control thread.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use postrider_core::content::Content;
use postrider_core::number::Msisdn;
use postrider_core::sender::SenderId;
use postrider_core::submission::Submission;
use postrider_core::text;
use postrider_http::explain::explanation_json;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::erasures::{Peer, error, read, refused, unanswered, wrong};
use super::server::answer_with as answer;
use crate::shard::{ControlAnswer, ControlRequest};

/// A message that is only asked about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainBody {
    to: String,
    from: String,
    body: String,
}

/// A message of this sender, recipient and text.
///
/// # Errors
/// What is wrong with them.
pub fn message(to: &str, from: &str, body: &str) -> Result<Submission, String> {
    let to = Msisdn::parse_strict(to).map_err(|error| error.to_string())?;
    let from = SenderId::parse(from).map_err(|error| error.to_string())?;
    let encoded = text::encode(body);
    let parts = encoded.promised_parts();
    let parts = parts.ok_or_else(|| String::from("the text is empty, or needs over 255 parts"))?;
    Ok(Submission::new(from, to, Content::of_text(body), (encoded.encoding(), parts)))
}

/// POST /routes/explain: `decision` as customers see it, and `text` for people.
pub(super) async fn explain(
    State(control): State<Arc<Control>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(counter) = control.counter(peer) else { return refused(peer) };
    let asked = read::<ExplainBody>(&headers, &body);
    let message = asked.and_then(|asked| message(&asked.to, &asked.from, &asked.body));
    let message = match message {
        Ok(message) => message,
        Err(why) => return wrong(&why),
    };
    let owner = counter.placement.owner(message.to);
    match counter.ask(owner, ControlRequest::Explain(Box::new(message))).await {
        Some(ControlAnswer::Explained(Some(told))) => {
            let decision = serde_json::from_slice::<Value>(&explanation_json(&told));
            let decision = decision.unwrap_or(Value::Null);
            answer(StatusCode::OK, &json!({"decision": decision, "text": told.to_string()}))
        }
        Some(_) => answer(StatusCode::UNPROCESSABLE_ENTITY, &error("no carrier can have it")),
        None => unanswered(),
    }
}
