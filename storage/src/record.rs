//! The log's records: explicit little-endian, each with kind and version. Pure, lives nowhere.
//! `FORMAT.md` draws the bytes.

mod decode;
mod layout;

use decode::Body;
pub use decode::{Frame, Frames};
use layout::{
    AcceptedLayout, CarriedLayout, FrameLayout, MarkLayout, OrphanClosedLayout, OrphanLayout,
    PartLayout, WebhookLayout, size_field,
};
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32};

/// Largest record, frame included: 128 KiB. The owner's own limits lie far below; a larger one is a
/// bug and fails an assertion.
pub const RECORD_BYTES_MAX: usize = 128 * 1024;

/// Bytes before each record's body.
const FRAME: usize = size_of::<FrameLayout>();

/// The version written of every kind (all are at their first).
const VERSION: u8 = 1;

/// Kinds of records, by their number on the disk. Numbers are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    /// [`Record::Accepted`]
    Accepted = 1,
    /// [`Record::Part`]
    Part = 2,
    /// [`Record::Webhook`]
    Webhook = 3,
    /// [`Record::Orphan`]
    Orphan = 4,
    /// [`Record::OrphanClosed`]
    OrphanClosed = 5,
    /// [`Record::Carried`]
    Carried = 6,
    /// [`Record::Mark`]
    Mark = 7,
}

impl RecordKind {
    fn from_number(kind: u8) -> Option<Self> {
        Some(match kind {
            1 => Self::Accepted,
            2 => Self::Part,
            3 => Self::Webhook,
            4 => Self::Orphan,
            5 => Self::OrphanClosed,
            6 => Self::Carried,
            7 => Self::Mark,
            _ => return None,
        })
    }
}

/// One record of the log. Times are Unix milliseconds; numbers of carriers and customers come from
/// the name table. What the small codes (`event`, `outcome`, `state`, `encoding`) mean is the
/// owner's affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// A message was accepted.
    Accepted {
        /// Its number in the shard, from 1, never reused.
        sequence: u64,
        /// Partition of the destination number.
        partition: u16,
        /// The customer.
        customer: u32,
        /// Destination number, digits as an integer.
        to: u64,
        /// Sender id, as the customer gave it.
        sender: &'a [u8],
        /// Text, UTF-8.
        body: &'a [u8],
        /// Where events are posted; empty: nowhere.
        webhook_url: &'a [u8],
        /// The customer's own reference; empty: none.
        client_reference: &'a [u8],
        /// Alphabet chosen at acceptance.
        encoding: u8,
        /// Number of parts.
        parts: u8,
        /// Concatenation reference of its parts.
        reference: u16,
        /// When it was accepted.
        accepted_ms: u64,
        /// When it expires.
        valid_until_ms: u64,
        /// Its public id.
        id: u128,
    },
    /// Something happened to one part of a message.
    Part {
        /// The message.
        sequence: u64,
        /// The part, from 0.
        part: u8,
        /// What happened.
        event: u8,
        /// The carrier.
        carrier: u32,
        /// SMPP command_status, or 0.
        status: u32,
        /// When.
        at_ms: u64,
        /// The carrier's message id, or its error text.
        detail: &'a [u8],
        /// Attempt number, from 1.
        attempt: u8,
    },
    /// The outcome of one webhook attempt.
    Webhook {
        /// The message.
        sequence: u64,
        /// Attempt number, from 1.
        attempt: u16,
        /// When it was made.
        at_ms: u64,
        /// When the next one is due; 0: none.
        next_ms: u64,
        /// How it went.
        outcome: u8,
        /// HTTP status, or 0.
        status: u16,
    },
    /// A receipt that matches no message was parked.
    Orphan {
        /// Its number in the shard.
        orphan: u64,
        /// The carrier it came from.
        carrier: u32,
        /// When it came.
        at_ms: u64,
        /// Source address of the receipt.
        source: &'a [u8],
        /// Destination address of the receipt.
        dest: &'a [u8],
        /// The carrier's message id.
        carrier_message_id: &'a [u8],
        /// The state that it reports.
        state: u8,
        /// The error that it reports.
        error: &'a [u8],
    },
    /// A parked receipt was matched or given up.
    OrphanClosed {
        /// Its number in the shard.
        orphan: u64,
        /// When.
        at_ms: u64,
        /// How it ended.
        outcome: u8,
    },
    /// A whole message carried forward, so that the segments that held it can be recycled.
    Carried {
        /// The message.
        sequence: u64,
        /// Snapshot, encoded by the owner.
        state: &'a [u8],
    },
    /// Keeps the sequence across recycling: the log writes one at the start of every segment, the
    /// owner a clean one when it shuts down.
    Mark {
        /// When it was written.
        at_ms: u64,
        /// The next free sequence number of messages.
        next_sequence: u64,
        /// Whether the shard was shut down in order right after.
        clean: bool,
    },
}

/// Why a record with an intact checksum cannot be read: a newer version of its kind, or a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer release.
    #[error("record kind {kind} has version {version}; this release reads version 1")]
    Version {
        /// The kind's number.
        kind: u8,
        /// The version found.
        version: u8,
    },
    /// Its length does not agree with its content.
    #[error("record kind {kind} has a length that does not agree with its content")]
    Length {
        /// The kind's number.
        kind: u8,
    },
    /// A field has a value outside its range.
    #[error("record kind {kind} has a field outside its range")]
    Field {
        /// The kind's number.
        kind: u8,
    },
    /// The frames do not fill the payload exactly.
    #[error("the records do not fill their batch")]
    Frame,
}

impl<'a> Record<'a> {
    /// The record's kind.
    #[must_use]
    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Accepted { .. } => RecordKind::Accepted,
            Self::Part { .. } => RecordKind::Part,
            Self::Webhook { .. } => RecordKind::Webhook,
            Self::Orphan { .. } => RecordKind::Orphan,
            Self::OrphanClosed { .. } => RecordKind::OrphanClosed,
            Self::Carried { .. } => RecordKind::Carried,
            Self::Mark { .. } => RecordKind::Mark,
        }
    }

    /// Bytes that [`Record::encode`] appends: frame and body.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let (fixed, tail) = match *self {
            Self::Accepted { sender, body, webhook_url, client_reference, .. } => (
                size_of::<AcceptedLayout>(),
                sender.len() + body.len() + webhook_url.len() + client_reference.len(),
            ),
            Self::Part { detail, .. } => (size_of::<PartLayout>(), detail.len()),
            Self::Webhook { .. } => (size_of::<WebhookLayout>(), 0),
            Self::Orphan { source, dest, carrier_message_id, error, .. } => (
                size_of::<OrphanLayout>(),
                source.len() + dest.len() + carrier_message_id.len() + error.len(),
            ),
            Self::OrphanClosed { .. } => (size_of::<OrphanClosedLayout>(), 0),
            Self::Carried { state, .. } => (size_of::<CarriedLayout>(), state.len()),
            Self::Mark { .. } => (size_of::<MarkLayout>(), 0),
        };
        FRAME + fixed + tail
    }

    /// Appends the record, frame and body.
    ///
    /// # Panics
    /// When the record is larger than [`RECORD_BYTES_MAX`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.encoded_len());
        self.encode_to(&mut |bytes| out.extend_from_slice(bytes));
    }

    /// Hands the record to `put` piece by piece, [`Record::encoded_len`] bytes in all.
    pub(crate) fn encode_to(&self, put: &mut impl FnMut(&[u8])) {
        let length = self.encoded_len();
        assert!(length <= RECORD_BYTES_MAX, "a record of {length} bytes is over the limit");
        let frame = FrameLayout {
            kind: self.kind() as u8,
            version: VERSION,
            reserved: U16::ZERO,
            length: size_field(length - FRAME),
        };
        put(frame.as_bytes());
        self.encode_body(put);
    }

    fn encode_body(&self, put: &mut impl FnMut(&[u8])) {
        match *self {
            Self::Accepted { .. } => self.encode_accepted(put),
            Self::Part { sequence, part, event, carrier, status, at_ms, detail, attempt } => {
                let fixed = PartLayout {
                    sequence: sequence.into(),
                    at_ms: at_ms.into(),
                    carrier: carrier.into(),
                    status: status.into(),
                    detail_len: size_field(detail.len()),
                    part,
                    event,
                    attempt,
                    reserved: 0,
                };
                put(fixed.as_bytes());
                put(detail);
            }
            Self::Webhook { sequence, attempt, at_ms, next_ms, outcome, status } => {
                put(WebhookLayout {
                    sequence: sequence.into(),
                    at_ms: at_ms.into(),
                    next_ms: next_ms.into(),
                    attempt: attempt.into(),
                    status: status.into(),
                    outcome,
                    reserved: [0; 3],
                }
                .as_bytes())
            }
            Self::Orphan { .. } => self.encode_orphan(put),
            Self::OrphanClosed { orphan, at_ms, outcome } => put(OrphanClosedLayout {
                orphan: orphan.into(),
                at_ms: at_ms.into(),
                outcome,
                reserved: [0; 7],
            }
            .as_bytes()),
            Self::Carried { sequence, state } => {
                let state_len = size_field(state.len());
                put(CarriedLayout { sequence: sequence.into(), state_len, reserved: U32::ZERO }
                    .as_bytes());
                put(state);
            }
            Self::Mark { at_ms, next_sequence, clean } => put(MarkLayout {
                at_ms: at_ms.into(),
                next_sequence: next_sequence.into(),
                clean: u8::from(clean),
                reserved: [0; 7],
            }
            .as_bytes()),
        }
    }

    fn encode_accepted(&self, put: &mut impl FnMut(&[u8])) {
        let Self::Accepted {
            sequence,
            partition,
            customer,
            to,
            sender,
            body,
            webhook_url,
            client_reference,
            encoding,
            parts,
            reference,
            accepted_ms,
            valid_until_ms,
            id,
        } = *self
        else {
            return;
        };
        let fixed = AcceptedLayout {
            sequence: sequence.into(),
            id: id.into(),
            to: to.into(),
            accepted_ms: accepted_ms.into(),
            valid_until_ms: valid_until_ms.into(),
            customer: customer.into(),
            sender_len: size_field(sender.len()),
            body_len: size_field(body.len()),
            webhook_url_len: size_field(webhook_url.len()),
            client_reference_len: size_field(client_reference.len()),
            partition: partition.into(),
            encoding,
            parts,
            reference: reference.into(),
            reserved: U16::ZERO,
        };
        put(fixed.as_bytes());
        for tail in [sender, body, webhook_url, client_reference] {
            put(tail);
        }
    }

    fn encode_orphan(&self, put: &mut impl FnMut(&[u8])) {
        let Self::Orphan { orphan, carrier, at_ms, source, dest, carrier_message_id, state, error } =
            *self
        else {
            return;
        };
        let fixed = OrphanLayout {
            orphan: orphan.into(),
            at_ms: at_ms.into(),
            carrier: carrier.into(),
            source_len: size_field(source.len()),
            dest_len: size_field(dest.len()),
            carrier_message_id_len: size_field(carrier_message_id.len()),
            error_len: size_field(error.len()),
            state,
            reserved: [0; 3],
        };
        put(fixed.as_bytes());
        for tail in [source, dest, carrier_message_id, error] {
            put(tail);
        }
    }

    /// Reads a record's body. `Ok(None)`: a kind that this release does not know, to be passed over.
    ///
    /// # Errors
    /// [`RecordError`] when the body is not what its kind and version promise.
    pub fn decode(kind: u8, version: u8, body: &'a [u8]) -> Result<Option<Self>, RecordError> {
        let Some(known) = RecordKind::from_number(kind) else { return Ok(None) };
        if version != VERSION {
            return Err(RecordError::Version { kind, version });
        }
        let mut rest = Body { kind, rest: body };
        let record = match known {
            RecordKind::Accepted => rest.accepted()?,
            RecordKind::Part => rest.part()?,
            RecordKind::Webhook => rest.webhook()?,
            RecordKind::Orphan => rest.orphan()?,
            RecordKind::OrphanClosed => rest.orphan_closed()?,
            RecordKind::Carried => rest.carried()?,
            RecordKind::Mark => rest.mark()?,
        };
        if rest.rest.is_empty() { Ok(Some(record)) } else { Err(RecordError::Length { kind }) }
    }
}

#[cfg(test)]
#[path = "record/tests.rs"]
mod tests;
