//! One part of a message as its owner holds it, and what each event leaves on it. Many per message.

use std::time::Duration;

use postrider_core::clock::UnixMs;
use postrider_core::lifecycle::{PartEvent, PartStatus};

use super::message::{ALL_PARTS, Event, NO_CARRIER};

/// One short_message of a message.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) status: PartStatus,
    /// The id the carrier gave in its submit_sm_resp; empty until then.
    pub(crate) carrier_message_id: Box<[u8]>,
    /// Durable number of the carrier of the last attempt.
    pub(crate) carrier: u32,
    /// What the carrier said last: a command_status or the text of a receipt.
    pub(crate) error: Option<Box<str>>,
    /// Written to a bind and unanswered. Not durable: after a crash it is queued again, unless it is
    /// `attempted`.
    pub(crate) in_flight: bool,
    /// Waits for a retry timer.
    pub(crate) waiting: bool,
    /// When its retry or resend timer is due: an earlier one is stale.
    pub(crate) timer: Duration,
    /// On its way to a bind: its attempt goes to disk, or is there and waits for room.
    pub(crate) recording: bool,
    /// The last word on record is that it may have been written to a bind.
    pub(crate) attempted: bool,
    /// A copy of it was written of which nobody knows whether the carrier took it.
    pub(crate) lost: bool,
    /// When it was first written to a bind.
    pub(crate) sent: Option<UnixMs>,
    /// Temporary refusals so far on the present carrier.
    pub(crate) tries: u8,
    /// Times it was submitted again after an unknown outcome.
    pub(crate) resubmits: u8,
}

impl Part {
    pub(super) fn new(status: PartStatus) -> Self {
        Part {
            status,
            carrier_message_id: Box::default(),
            carrier: NO_CARRIER,
            error: None,
            in_flight: false,
            waiting: false,
            timer: Duration::ZERO,
            recording: false,
            attempted: false,
            lost: false,
            sent: None,
            tries: 0,
            resubmits: 0,
        }
    }

    pub(super) fn was_submitted(&self) -> bool {
        let committed = self.in_flight || self.recording;
        committed || !matches!(self.status, PartStatus::Queued | PartStatus::Held)
    }

    /// Whether it may be handed to a bind now.
    pub(crate) fn sendable(&self) -> bool {
        self.status == PartStatus::Queued && !self.in_flight && !self.waiting && !self.recording
    }

    /// Whether what happens to both from now on is the same.
    pub(super) fn is_like(&self, other: &Part) -> bool {
        let state = |part: &Part| (part.status, part.attempted, part.resubmits, part.carrier);
        state(self) == state(other)
    }

    /// The number of its next attempt, from 1: a copy that a carrier refused counts for nothing.
    pub(crate) fn attempt(&self) -> u8 {
        self.resubmits.saturating_add(1)
    }
}

/// The numbers of the parts in this status; [`ALL_PARTS`] alone when several are and no other is.
pub(super) fn numbers_in(parts: &[Part], status: PartStatus) -> Vec<u8> {
    if parts.len() > 1 && parts.iter().all(|part| part.status == status) {
        return vec![ALL_PARTS];
    }
    let numbered = (0..).zip(parts).filter(|(_, part)| part.status == status);
    numbered.map(|(number, _)| number).collect()
}

/// Keeps on the part what the last event said of it.
pub(super) fn note(part: &mut Part, event: &Event) {
    // What is known of the only copy that was written is known of the part.
    let only_copy = part.resubmits == 0;
    match event.kind {
        PartEvent::Attempted => {
            part.carrier = event.carrier;
            part.attempted = true;
            part.sent.get_or_insert(event.at);
        }
        PartEvent::Submitted => {
            part.carrier_message_id = event.detail.clone();
            part.carrier = event.carrier;
            part.error = None;
            part.attempted = false;
            part.lost &= !only_copy;
            part.sent.get_or_insert(event.at);
        }
        PartEvent::AcceptedLate => {
            part.lost &= !only_copy;
            if part.carrier_message_id.is_empty() {
                part.carrier_message_id = event.detail.clone();
            }
        }
        PartEvent::Refused => {
            part.carrier = event.carrier;
            part.error = Some(error_text(event));
            part.attempted = false;
            part.lost &= !only_copy;
        }
        PartEvent::Rejected | PartEvent::Undelivered | PartEvent::Expired | PartEvent::Failed => {
            part.carrier = event.carrier;
            part.error = Some(error_text(event));
        }
        PartEvent::OutcomeUnknown => {
            part.carrier = event.carrier;
            part.attempted = false;
            part.lost = true;
            part.sent.get_or_insert(event.at);
        }
        PartEvent::Requeued => {
            let resend = event.attempt > part.resubmits;
            part.resubmits = event.attempt;
            part.attempted = false;
            part.lost &= resend || !only_copy;
        }
        PartEvent::Held
        | PartEvent::Released
        | PartEvent::Intermediate
        | PartEvent::Delivered
        | PartEvent::Canceled
        | PartEvent::TimedOut
        | PartEvent::LateReceipt => {}
    }
}

/// The carrier's own words, or its command_status by name.
fn error_text(event: &Event) -> Box<str> {
    if !event.detail.is_empty() {
        return String::from_utf8_lossy(&event.detail).into_owned().into_boxed_str();
    }
    let status = postrider_smpp::status::CommandStatus(event.status);
    match status.name() {
        Some(name) => name.into(),
        None => format!("command_status 0x{:08x}", event.status).into_boxed_str(),
    }
}
