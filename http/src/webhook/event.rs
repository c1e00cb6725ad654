//! The bodies of webhooks: one event per final status of a message. Pure, lives nowhere.

use postrider_core::id::MessageId;
use postrider_core::lifecycle::PartStatus;

use crate::json::Object;
use crate::response::{MessageView, push_addresses, push_outcome};

/// The event's own id, field `webhook-id`: the same for every attempt, and derived from what it
/// reports, so that a crash cannot give one event two ids. Holds no full stop.
pub fn event_id(message: MessageId, status: PartStatus) -> String {
    format!("evt_{message}_{}", status.name())
}

/// The type of the event about a status: `message.delivered`, `message.undelivered`, ...
pub fn event_type(status: PartStatus) -> String {
    format!("message.{}", status.name())
}

/// The body of the event about the message's present status: `type`, `timestamp` (when the
/// message took that status, as far as it is known) and `data`. The text of the message is not in
/// it.
pub fn status_event(view: &MessageView) -> Vec<u8> {
    let at = view.finished.or(view.submitted).unwrap_or(view.created);
    let mut out = Vec::with_capacity(512);
    let mut object = Object::begin(&mut out);
    object.text("type", &event_type(view.status));
    object.time("timestamp", at);
    push_data(object.key("data"), view);
    object.end();
    out
}

fn push_data(out: &mut Vec<u8>, view: &MessageView) {
    let mut data = Object::begin(out);
    data.id("message_id", view.id);
    push_addresses(&mut data, view);
    data.integer("segment_count", u64::from(view.segment_count));
    push_outcome(&mut data, view);
    data.end();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::response::tests::sample;
    use serde_json::{Value, json};

    #[test]
    fn the_event_has_exactly_the_listed_members() {
        let read: Value = serde_json::from_slice(&status_event(&sample())).unwrap();
        let expected = json!({
            "type": "message.delivered",
            "timestamp": "2023-11-14T22:13:22.000Z",
            "data": {
                "message_id": "01234567-89ab-cdef-0011-223344556677",
                "from": "ACME",
                "to": "+447400123456",
                "status": "delivered",
                "error_code": null,
                "carrier_errors": [],
                "client_reference": "order/17",
                "segment_count": 2,
                "carrier": "alpha",
                "created_at": "2023-11-14T22:13:20.000Z",
                "submitted_at": "2023-11-14T22:13:20.010Z",
                "delivered_at": "2023-11-14T22:13:22.000Z",
            },
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn types_and_ids_keep_to_the_standard() {
        for raw in 0..=u8::MAX {
            let Some(status) = PartStatus::from_u8(raw) else { continue };
            let event = event_type(status);
            assert!(event.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.'));
            let id = event_id(sample().id, status);
            assert!(!id.contains('.') && id.ends_with(status.name()));
        }
    }
}
