//! Records of the log as they make a message and change it: one reading of them for the replay at
//! start, for what is read back from the disk and for the offline tools. Pure, lives nowhere.

use postrider_core::clock::UnixMs;
use postrider_core::lifecycle::{self, PartEvent};
use postrider_storage::{Frames, Position, Record, RecordError};

use super::deliveries::receipt::{DeliveryEnd, ReceiptEnd};
use super::envelope_record::{envelope, is_redacted, replaced};
use super::message::{Event, Message, WebhookAttempt, WebhookOutcome};

/// The message that a record at `at` makes by itself: one that was accepted, or carried with all that had
/// happened to it. `None` for another kind and for values that no release writes.
///
/// # Errors
/// When the records within a carried one cannot be read.
pub(crate) fn message_of(
    record: &Record<'_>,
    at: Position,
) -> Result<Option<Message>, RecordError> {
    let begun = |made: &Record<'_>| {
        envelope(made).map(|envelope| Message::new(envelope, at, record.encoded_len()))
    };
    let Record::Carried { state, .. } = record else { return Ok(begun(record)) };
    let mut message: Option<Message> = None;
    for frame in Frames::new(state) {
        let frame = frame?;
        let Some(record) = Record::decode(frame.kind, frame.version, frame.body)? else { continue };
        match &mut message {
            Some(message) => apply(message, &record),
            None => message = begun(&record),
        }
    }
    if let Some(message) = &mut message {
        message.carried = true;
    }
    Ok(message)
}

/// Applies a record to the message that it is about; one that says nothing of a message, or holds
/// values that no release writes, changes nothing.
///
/// # Panics
/// On an event that the lifecycle does not allow.
pub(crate) fn apply(message: &mut Message, record: &Record<'_>) {
    match record {
        Record::Part { .. } => {
            if let Some(event) = event_of(record) {
                message.apply(event);
            }
        }
        Record::Webhook { attempt, at_ms, next_ms, outcome, status, .. } => {
            let Some(outcome) = WebhookOutcome::from_u8(*outcome) else { return };
            let entry = WebhookAttempt { at: UnixMs(*at_ms), outcome, status: *status };
            message.apply_webhook(*attempt, entry, UnixMs(*next_ms));
        }
        Record::CustomerReceipt { receipt, attempt, at_ms, outcome, status, .. } => {
            let Some(end) = DeliveryEnd::from_u8(*outcome) else { return };
            let (receipt, attempt, status) = (*receipt, *attempt, *status);
            let end = ReceiptEnd { receipt, attempt, at: UnixMs(*at_ms), end, status };
            message.apply_receipt_end(end);
        }
        Record::Replaced { .. } => {
            if let Some(replaced) = replaced(&message.envelope, record) {
                message.replace(replaced);
            }
            if is_redacted(record) {
                message.envelope.redact();
            }
        }
        Record::Redacted { at_ms, .. } => message.redact(Some(UnixMs(*at_ms))),
        Record::Accepted { .. }
        | Record::Carried { .. }
        | Record::Closed { .. }
        | Record::OptOut { .. }
        | Record::Erased { .. }
        | Record::Epoch { .. }
        | Record::Moving { .. }
        | Record::Orphan { .. }
        | Record::OrphanClosed { .. }
        | Record::Mark { .. }
        | Record::Inbound(_)
        | Record::InboundClosed { .. }
        | Record::Content(_)
        | Record::ContentOwner { .. } => {}
    }
}

/// Whether the lifecycle allows what the record says of the message. Where damage has taken earlier
/// records it may not.
pub(crate) fn follows(message: &Message, record: &Record<'_>) -> bool {
    let Some(event) = event_of(record) else { return true };
    let mut parts = message.parts_of(event.part).iter();
    message.part(event.part).is_some()
        && parts.all(|part| lifecycle::next(part.status, event.kind).is_ok())
}

/// The message that a record is about; `None` for one that is about no message.
pub(crate) fn sequence_of(record: &Record<'_>) -> Option<u64> {
    match record {
        Record::Accepted { sequence, .. }
        | Record::Part { sequence, .. }
        | Record::Webhook { sequence, .. }
        | Record::Carried { sequence, .. }
        | Record::Replaced { sequence, .. }
        | Record::CustomerReceipt { sequence, .. }
        | Record::Redacted { sequence, .. }
        | Record::Closed { sequence, .. } => Some(*sequence),
        Record::Erased { .. }
        | Record::OptOut { .. }
        | Record::Epoch { .. }
        | Record::Moving { .. }
        | Record::Orphan { .. }
        | Record::OrphanClosed { .. }
        | Record::Mark { .. }
        | Record::Inbound(_)
        | Record::InboundClosed { .. }
        | Record::Content(_)
        | Record::ContentOwner { .. } => None,
    }
}

/// The event of a record of kind part; `None` for another kind and for one that no release writes.
fn event_of(record: &Record<'_>) -> Option<Event> {
    let Record::Part { sequence: _, part, event, carrier, status, at_ms, detail, attempt } = record
    else {
        return None;
    };
    Some(Event {
        at: UnixMs(*at_ms),
        kind: PartEvent::from_u8(*event)?,
        part: *part,
        carrier: *carrier,
        status: *status,
        attempt: *attempt,
        detail: (*detail).into(),
    })
}

/// The partition of a carried message.
pub(crate) fn partition_in(state: &[u8]) -> Option<u16> {
    let frame = Frames::new(state).next()?.ok()?;
    match Record::decode(frame.kind, frame.version, frame.body) {
        Ok(Some(Record::Accepted { partition, .. })) => Some(partition),
        _ => None,
    }
}
