//! The documents that customers read: the answer to a submit, one message, a page of messages.
//! Pure, lives nowhere. What is not listed here is never shown.

use core::fmt;

use postrider_core::clock::UnixMs;
use postrider_core::config::Word as _;
use postrider_core::content::Retention;
use postrider_core::id::MessageId;
use postrider_core::lane::Lane;
use postrider_core::lifecycle::PartStatus;
use postrider_core::redact::Private;
use postrider_core::text::Encoding;

use crate::json::Object;
use crate::request::Cursor;

/// Media type of every document here.
pub const JSON: &str = "application/json";

/// A message as its customer sees it. Its `Debug` shows no number, text or reference.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageView {
    /// The id given out when it was accepted.
    pub id: MessageId,
    /// The sender, as the API prints it.
    pub from: String,
    /// The destination with `+`, as the API prints it.
    pub to: String,
    /// The text, unchanged; `None` once it was discarded.
    pub body: Option<Private<String>>,
    /// Whether the text is kept.
    pub retention: Retention,
    /// How urgent it is.
    pub lane: Lane,
    /// The name of the alphabet, or `binary`: the body is then in hexadecimal.
    pub encoding: &'static str,
    /// Number of parts.
    pub segment_count: u8,
    /// Name of the carrier that took the message, once one has.
    pub carrier: Option<String>,
    /// The fold of its parts.
    pub status: PartStatus,
    /// Why it failed, when it did.
    pub error_code: Option<String>,
    /// The last word of each carrier that did not take or deliver it, when it failed; the carriers of a
    /// route at most.
    pub carrier_errors: Vec<CarrierError>,
    /// What the customer gave along.
    pub client_reference: Option<String>,
    /// When it was accepted.
    pub created: UnixMs,
    /// When the first part was handed to a carrier.
    pub submitted: Option<UnixMs>,
    /// When it became final.
    pub finished: Option<UnixMs>,
    /// Price, in thousandths of a cent; `None` until prices exist.
    pub cost_millicents: Option<i64>,
    /// Every part, in order.
    pub parts: Vec<PartView>,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineEntry>,
    /// Sender, recipient, text and reference are gone for good.
    pub redacted: bool,
}

impl fmt::Debug for MessageView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageView")
            .field("id", &self.id)
            .field("status", &self.status)
            .field("carrier", &self.carrier)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

impl MessageView {
    /// A text of the message, unless it is gone.
    pub fn unless_redacted<'a>(&self, text: &'a str) -> Option<&'a str> {
        (!self.redacted).then_some(text)
    }

    /// When it was delivered, if it was.
    pub fn delivered(&self) -> Option<UnixMs> {
        self.finished.filter(|_| self.status == PartStatus::Delivered)
    }
}

/// One part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartView {
    /// Place in the message, from 1.
    pub index: u8,
    /// Its own status.
    pub status: PartStatus,
    /// The id that the carrier gave.
    pub carrier_message_id: Option<String>,
    /// Name of the carrier.
    pub carrier: Option<String>,
    /// Why it failed, when it did.
    pub error_code: Option<String>,
}

/// What a carrier said that did not take, or did not deliver, a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarrierError {
    /// Its name.
    pub carrier: Option<String>,
    /// The command_status of its answer by name, where the specification has one; `None` when it said so
    /// in a receipt [3.4 section 5.1.3].
    pub status: Option<String>,
    /// The same by number; 0 for none.
    pub code: u32,
    /// When.
    pub at: UnixMs,
    /// Its text, or what kept us from writing to it.
    pub words: Option<String>,
}

/// One event in the life of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEntry {
    /// When.
    pub at: UnixMs,
    /// What, in snake_case.
    pub event: String,
    /// Which part, from 1; `None` for the whole message.
    pub part: Option<u8>,
    /// Name of the carrier.
    pub carrier: Option<String>,
    /// More about it.
    pub detail: Option<String>,
}

/// The answer to an accepted submit: `message_id`, `segment_count`, `encoding`, `status`.
pub fn accepted_json(id: MessageId, segment_count: u8, encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    let mut object = Object::begin(&mut out);
    object.id("message_id", id);
    object.integer("segment_count", u64::from(segment_count));
    object.text("encoding", encoding.name());
    object.text("status", PartStatus::Queued.name());
    object.end();
    out
}

/// One message, whole. Absent values are null, so that every document has the same members.
pub fn message_json(view: &MessageView) -> Vec<u8> {
    let mut out = Vec::with_capacity(estimate(view));
    push_message(&mut out, view);
    out
}

/// A page of messages, newest first: `data`, `has_more`, `next_cursor` (null on the last page).
pub fn list_json(views: &[MessageView], next_cursor: Option<Cursor>) -> Vec<u8> {
    let mut out = Vec::with_capacity(views.iter().map(estimate).sum::<usize>() + 128);
    let mut object = Object::begin(&mut out);
    object.array("data", views, push_message);
    object.boolean("has_more", next_cursor.is_some());
    object.text_or_null("next_cursor", next_cursor.map(|cursor| cursor.encode()).as_deref());
    object.end();
    out
}

/// Octets that a message usually takes; only a hint for the allocator.
fn estimate(view: &MessageView) -> usize {
    512 + view.body.as_ref().map_or(0, |body| body.expose().len())
        + 128 * (view.parts.len() + view.timeline.len())
}

fn push_message(out: &mut Vec<u8>, view: &MessageView) {
    let mut object = Object::begin(out);
    object.id("message_id", view.id);
    push_addresses(&mut object, view);
    let body = view.body.as_ref().and_then(|body| view.unless_redacted(body.expose()));
    object.text_or_null("body", body);
    object.text("content_retention", view.retention.word());
    object.text("priority", view.lane.word());
    object.text("encoding", view.encoding);
    object.integer("segment_count", u64::from(view.segment_count));
    push_outcome(&mut object, view);
    object.signed_or_null("cost_millicents", view.cost_millicents);
    object.array("parts", &view.parts, push_part);
    object.array("timeline", &view.timeline, push_entry);
    object.boolean("redacted", view.redacted);
    object.end();
}

/// Sender and recipient; null when they are gone.
pub(crate) fn push_addresses(object: &mut Object<'_>, view: &MessageView) {
    object.text_or_null("from", view.unless_redacted(&view.from));
    object.text_or_null("to", view.unless_redacted(&view.to));
}

/// The members that a message and the events about it share.
pub(crate) fn push_outcome(object: &mut Object<'_>, view: &MessageView) {
    object.text_or_null("carrier", view.carrier.as_deref());
    object.text("status", view.status.name());
    object.text_or_null("error_code", view.error_code.as_deref());
    object.array("carrier_errors", &view.carrier_errors, push_carrier_error);
    object.text_or_null("client_reference", view.client_reference.as_deref());
    object.time("created_at", view.created);
    object.time_or_null("submitted_at", view.submitted);
    object.time_or_null("delivered_at", view.delivered());
}

fn push_part(out: &mut Vec<u8>, part: &PartView) {
    let mut object = Object::begin(out);
    object.integer("index", u64::from(part.index));
    object.text("status", part.status.name());
    object.text_or_null("carrier_message_id", part.carrier_message_id.as_deref());
    object.text_or_null("carrier", part.carrier.as_deref());
    object.text_or_null("error_code", part.error_code.as_deref());
    object.end();
}

fn push_carrier_error(out: &mut Vec<u8>, error: &CarrierError) {
    let mut object = Object::begin(out);
    object.text_or_null("carrier", error.carrier.as_deref());
    object.text_or_null("status", error.status.as_deref());
    object.integer_or_null("code", Some(error.code.into()).filter(|code| *code != 0));
    object.time("at", error.at);
    object.text_or_null("words", error.words.as_deref());
    object.end();
}

fn push_entry(out: &mut Vec<u8>, entry: &TimelineEntry) {
    let mut object = Object::begin(out);
    object.time("at", entry.at);
    object.text("event", &entry.event);
    object.integer_or_null("part", entry.part.map(u64::from));
    object.text_or_null("carrier", entry.carrier.as_deref());
    object.text_or_null("detail", entry.detail.as_deref());
    object.end();
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use serde_json::{Value, json};

    /// A delivered message of two parts.
    pub(crate) fn sample() -> MessageView {
        let part = |index| PartView {
            index,
            status: PartStatus::Delivered,
            carrier_message_id: Some(format!("c{index}")),
            carrier: Some("alpha".to_owned()),
            error_code: None,
        };
        MessageView {
            id: MessageId::from_u128(0x0123_4567_89ab_cdef_0011_2233_4455_6677),
            from: "ACME".to_owned(),
            to: "+447400123456".to_owned(),
            body: Some(Private::new("line \"one\"\nзначение".to_owned())),
            retention: Retention::Keep,
            lane: Lane::Otp,
            encoding: Encoding::Ucs2.name(),
            segment_count: 2,
            carrier: Some("alpha".to_owned()),
            status: PartStatus::Delivered,
            error_code: None,
            carrier_errors: Vec::new(),
            client_reference: Some("order/17".to_owned()),
            created: UnixMs(1_700_000_000_000),
            submitted: Some(UnixMs(1_700_000_000_010)),
            finished: Some(UnixMs(1_700_000_002_000)),
            cost_millicents: Some(-1_250),
            parts: vec![part(1), part(2)],
            redacted: false,
            timeline: vec![TimelineEntry {
                at: UnixMs(1_700_000_000_010),
                event: "submitted".to_owned(),
                part: Some(1),
                carrier: Some("alpha".to_owned()),
                detail: None,
            }],
        }
    }

    fn read(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    fn sample_json() -> Value {
        let part = |index: u8| {
            json!({"index": index, "status": "delivered", "carrier_message_id": format!("c{index}"),
                "carrier": "alpha", "error_code": null})
        };
        json!({
            "message_id": "01234567-89ab-cdef-0011-223344556677",
            "from": "ACME",
            "to": "+447400123456",
            "body": "line \"one\"\nзначение",
            "content_retention": "keep",
            "priority": "otp",
            "encoding": "ucs2",
            "segment_count": 2,
            "carrier": "alpha",
            "status": "delivered",
            "error_code": null,
            "carrier_errors": [],
            "client_reference": "order/17",
            "created_at": "2023-11-14T22:13:20.000Z",
            "submitted_at": "2023-11-14T22:13:20.010Z",
            "delivered_at": "2023-11-14T22:13:22.000Z",
            "cost_millicents": -1250,
            "parts": [part(1), part(2)],
            "timeline": [{"at": "2023-11-14T22:13:20.010Z", "event": "submitted", "part": 1,
                "carrier": "alpha", "detail": null}],
            "redacted": false,
        })
    }

    #[test]
    fn accepted() {
        let bytes = accepted_json(sample().id, 2, Encoding::Gsm7);
        let expected = concat!(
            r#"{"message_id":"01234567-89ab-cdef-0011-223344556677","segment_count":2,"#,
            r#""encoding":"gsm7","status":"queued"}"#,
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn a_message_shows_exactly_the_listed_members() {
        assert_eq!(read(&message_json(&sample())), sample_json());
    }

    #[test]
    fn a_fresh_message_has_the_same_members_with_nulls() {
        let view = MessageView {
            status: PartStatus::Undelivered,
            body: None,
            retention: Retention::Discard,
            carrier: None,
            client_reference: None,
            submitted: None,
            cost_millicents: None,
            parts: Vec::new(),
            timeline: Vec::new(),
            ..sample()
        };
        let fresh = read(&message_json(&view));
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&fresh), names(&sample_json()));
        assert_eq!(fresh["content_retention"], "discard");
        for name in ["body", "carrier", "client_reference", "submitted_at", "cost_millicents"] {
            assert_eq!(fresh[name], Value::Null, "{name}");
        }
        assert_eq!(fresh["delivered_at"], Value::Null, "final, but not delivered");
        assert_eq!(fresh["parts"], json!([]));
    }

    #[test]
    fn a_failed_message_has_the_carriers_own_words() {
        let at = UnixMs(1_700_000_000_010);
        let refused = CarrierError {
            carrier: Some("alpha".to_owned()),
            status: Some("ESME_RSYSERR".to_owned()),
            code: 8,
            at,
            words: None,
        };
        let words = Some("UNDELIV err:001".to_owned());
        let receipt = CarrierError { status: None, code: 0, words, ..refused.clone() };
        let view = MessageView { carrier_errors: vec![refused, receipt], ..sample() };
        let at = "2023-11-14T22:13:20.010Z";
        assert_eq!(
            read(&message_json(&view))["carrier_errors"],
            json!([
                {"carrier": "alpha", "status": "ESME_RSYSERR", "code": 8, "at": at, "words": null},
                {"carrier": "alpha", "status": null, "code": null, "at": at,
                    "words": "UNDELIV err:001"},
            ])
        );
    }

    #[test]
    fn a_redacted_message_keeps_its_members_and_its_bill() {
        let gone = read(&message_json(&MessageView { redacted: true, ..sample() }));
        let mut expected = sample_json();
        for name in ["from", "to", "body"] {
            expected[name] = Value::Null;
        }
        expected["redacted"] = json!(true);
        assert_eq!(gone, expected);
    }

    #[test]
    fn pages() {
        let last = read(&list_json(&[], None));
        assert_eq!(last, json!({"data": [], "has_more": false, "next_cursor": null}));
        let cursor = Cursor { created: sample().created, id: sample().id };
        let page = read(&list_json(&[sample(), sample()], Some(cursor)));
        assert_eq!(page["data"], json!([sample_json(), sample_json()]));
        assert_eq!(page["has_more"], true);
        assert_eq!(Cursor::decode(page["next_cursor"].as_str().unwrap()), Some(cursor));
    }

    #[test]
    fn debug_shows_no_number_and_no_text() {
        let debug = format!("{:?}", sample());
        assert!(!debug.contains("447400123456") && !debug.contains("line"));
        assert!(!debug.contains("order/17") && debug.contains("Delivered"));
    }
}
