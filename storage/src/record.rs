//! The log's records: explicit little-endian, each with kind and version. Pure, lives nowhere.
//! `FORMAT.md` draws the bytes.

mod content;
mod decode;
mod encode;
mod kind;
mod layout;
mod read;
mod redact;

use zerocopy::IntoBytes as _;

pub use content::ContentRecord;
use decode::Body;
pub use decode::{Frame, Frames};
pub use kind::RecordKind;
use layout::FrameLayout;
pub use read::{ReadBack, ReadRecordError, read_record};
pub use redact::mask_number;
pub(crate) use redact::redact_all;

/// Largest record, frame included: 128 KiB. The owner's own limits lie far below; a larger one is a
/// bug and fails an assertion.
pub const RECORD_BYTES_MAX: usize = 128 * 1024;

/// Bytes before each record's body.
const FRAME: usize = size_of::<FrameLayout>();

/// The record is redacted: what was personal in it is gone for good, and the rest is as it was. In a
/// frame, of every kind, it is a bit of the version; in a record of kind accepted or replaced, a bit
/// of the options.
pub const REDACTED: u8 = 1 << 7;

/// The check in a record's frame, over all but itself.
fn frame_check(frame: &FrameLayout, body: &[u8]) -> u16 {
    let unchecked = FrameLayout { check: 0.into(), ..*frame };
    folded(crc32c::crc32c_append(crc32c::crc32c(unchecked.as_bytes()), body))
}

/// A checksum as the check of a frame; never 0, which says that there is none.
fn folded(crc: u32) -> u16 {
    let [a, b, c, d] = crc.to_le_bytes();
    match u16::from_le_bytes([a ^ c, b ^ d]) {
        0 => u16::MAX,
        check => check,
    }
}

/// [`Record::Carried`]: so that the segments that held it can be recycled.
pub const CARRIED_RECYCLED: u8 = 1;
/// [`Record::Carried`]: so that the message need not stay in memory.
pub const CARRIED_PARKED: u8 = 2;
/// [`Record::Carried`]: from another log.
pub const CARRIED_MOVED: u8 = 3;
/// [`Record::Erased`]: a recipient.
pub const ERASED_RECIPIENT: u8 = 1;
/// [`Record::Erased`]: a customer.
pub const ERASED_CUSTOMER: u8 = 2;
/// [`Record::Erased`]: what the records up to the number in `until_ms` asked for is gone from the
/// files. Names nobody.
pub const ERASED_DONE: u8 = 3;

/// What a message's customer asked for beside its text. The default is what version 1 of
/// [`Record::Accepted`], which holds none of it, means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// When it is to be sent; 0: at once.
    pub due_ms: u64,
    /// Public id of the submission to several recipients that it belongs to; 0: none.
    pub group: u128,
    /// How it came in.
    pub origin: u8,
    /// Flags, among them whether the body is octets, and [`REDACTED`].
    pub options: u8,
    /// registered_delivery, as given.
    pub registered_delivery: u8,
    /// protocol_id, as given.
    pub protocol_id: u8,
    /// priority_flag, as given.
    pub priority: u8,
    /// data_coding, as given.
    pub data_coding: u8,
    /// The user data header of octets, with its length octet; empty: none.
    pub udh: &'a [u8],
    /// service_type, as given; empty: none.
    pub service_type: &'a [u8],
    /// Type of number and numbering plan of the sender, as given.
    pub source_ton_npi: [u8; 2],
    /// Type of number and numbering plan of the recipient, as given.
    pub dest_ton_npi: [u8; 2],
}

/// One fragment of a message from a handset, or a whole one, as it came from a carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboundRecord<'a> {
    /// Its number in the shard.
    pub inbound: u64,
    /// The carrier.
    pub carrier: u32,
    /// The customer it is for.
    pub customer: u32,
    /// When it came.
    pub at_ms: u64,
    /// The handset.
    pub source: &'a [u8],
    /// The customer's number.
    pub dest: &'a [u8],
    /// Type of number and numbering plan of the handset.
    pub source_ton_npi: [u8; 2],
    /// Type of number and numbering plan of the customer's number.
    pub dest_ton_npi: [u8; 2],
    /// data_coding.
    pub data_coding: u8,
    /// esm_class.
    pub esm_class: u8,
    /// protocol_id.
    pub protocol_id: u8,
    /// Concatenation reference; 0 when it is whole.
    pub reference: u16,
    /// Bits of the reference, 8 or 16; 0 when it is whole.
    pub width: u8,
    /// Fragments in all; 1 when it is whole.
    pub total: u8,
    /// Which of them, from 1.
    pub number: u8,
    /// The user data header with its length octet; empty: none.
    pub udh: &'a [u8],
    /// The octets after the header.
    pub body: &'a [u8],
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
        /// Text, UTF-8; or octets, when `asked` says so.
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
        /// What else was asked for.
        asked: Asked<'a>,
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
    /// A whole message in one record, which takes the place of all its records before.
    Carried {
        /// The message.
        sequence: u64,
        /// Packed [`Position`](crate::Position) of the record that led to its state until now; 0:
        /// not known, as in version 1.
        from: u64,
        /// Why: [`CARRIED_RECYCLED`] (always, in version 1), [`CARRIED_PARKED`] or [`CARRIED_MOVED`].
        reason: u8,
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
    /// A message that was not yet sent was replaced by its customer.
    Replaced {
        /// The message.
        sequence: u64,
        /// When.
        at_ms: u64,
        /// Alphabet of the new text.
        encoding: u8,
        /// Its number of parts.
        parts: u8,
        /// Concatenation reference of its parts.
        reference: u16,
        /// When it is to be sent; 0: at once.
        due_ms: u64,
        /// When it expires.
        valid_until_ms: u64,
        /// registered_delivery, as given.
        registered_delivery: u8,
        /// Flags, as in [`Asked::options`].
        options: u8,
        /// The new text, UTF-8, or octets.
        body: &'a [u8],
    },
    /// One try to hand a receipt to a bind of its customer.
    CustomerReceipt {
        /// The message.
        sequence: u64,
        /// Which of its receipts: 0 the final one, from 1 those in between.
        receipt: u16,
        /// Number of the try, from 1.
        attempt: u16,
        /// When it ended.
        at_ms: u64,
        /// When the next one is due; 0: none.
        next_ms: u64,
        /// How it went.
        outcome: u8,
        /// command_status of the answer, or 0.
        status: u32,
    },
    /// A message from a handset, or a fragment of one.
    Inbound(InboundRecord<'a>),
    /// A message from a handset was handed to its customer, or given up.
    InboundClosed {
        /// Its number in the shard.
        inbound: u64,
        /// When.
        at_ms: u64,
        /// How it ended.
        outcome: u8,
    },
    /// A message has its final status, and nothing more is owed for it.
    Closed {
        /// The message.
        sequence: u64,
        /// When.
        at_ms: u64,
        /// Its status.
        status: u8,
        /// Where its records lie: packed [`Position`](crate::Position)s of 8 bytes each, oldest
        /// first, from the one that leads to its state on.
        records: &'a [u8],
    },
    /// Whatever is on record of a recipient or a customer up to now is to be forgotten; or that is
    /// done.
    Erased {
        /// When it was asked for.
        at_ms: u64,
        /// Of whom: [`ERASED_RECIPIENT`] or [`ERASED_CUSTOMER`]; or [`ERASED_DONE`].
        scope: u8,
        /// Keyed hash of the recipient; 0: every one.
        hash: u128,
        /// The customer; 0: every one.
        customer: u32,
        /// Messages accepted up to then are meant.
        until_ms: u64,
    },
    /// From here on the data directory has another number of shards, if its meta file says so; what
    /// belonged to another shard by then is open in another log.
    Epoch {
        /// When.
        at_ms: u64,
        /// Number of the change, from 1.
        epoch: u32,
        /// Shards from here on.
        shards: u16,
    },
    /// A message was redacted: what was personal in it is to be forgotten, wherever it still lies.
    Redacted {
        /// The message.
        sequence: u64,
        /// When.
        at_ms: u64,
    },
    /// A recipient does not want messages of a customer, or wants them again.
    OptOut {
        /// The customer.
        customer: u32,
        /// Keyed hash of the recipient: the number itself is not kept.
        hash: u128,
        /// When it was said.
        at_ms: u64,
        /// Whether it does not want them.
        on: bool,
    },
    /// What other logs hand over comes from here on, up to the next `Epoch`.
    Moving {
        /// When.
        at_ms: u64,
        /// Number of the change: each one that is begun has its own.
        epoch: u32,
    },
    /// What a message says, in a log of such records apart from that of its other records.
    Content(ContentRecord<'a>),
    /// Whose a content is from here on.
    ContentOwner {
        /// Number of the content.
        content: u64,
        /// The message; 0: nobody needs it any more.
        sequence: u64,
        /// When nobody can need it any more at the latest.
        until_ms: u64,
    },
}

/// Why a record with an intact checksum cannot be read: a newer version of its kind, or a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer release.
    #[error("record kind {kind} has version {version}; this release reads up to {newest}")]
    Version {
        /// The kind's number.
        kind: u8,
        /// The version found.
        version: u8,
        /// The newest version that is read.
        newest: u8,
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
            Self::Replaced { .. } => RecordKind::Replaced,
            Self::CustomerReceipt { .. } => RecordKind::CustomerReceipt,
            Self::Inbound(_) => RecordKind::Inbound,
            Self::InboundClosed { .. } => RecordKind::InboundClosed,
            Self::Closed { .. } => RecordKind::Closed,
            Self::Erased { .. } => RecordKind::Erased,
            Self::Epoch { .. } => RecordKind::Epoch,
            Self::Redacted { .. } => RecordKind::Redacted,
            Self::OptOut { .. } => RecordKind::OptOut,
            Self::Moving { .. } => RecordKind::Moving,
            Self::Content(_) => RecordKind::Content,
            Self::ContentOwner { .. } => RecordKind::ContentOwner,
        }
    }

    /// The flag in the frame of a record that says of itself that it is redacted.
    fn redacted(&self) -> u8 {
        if let Self::Accepted { asked: Asked { options, .. }, .. }
        | Self::Replaced { options, .. } = self
        {
            options & REDACTED
        } else {
            0
        }
    }

    /// Reads a record's body; `version` as in its frame, with [`REDACTED`]. `Ok(None)`: a kind that
    /// this release does not know, to be passed over.
    ///
    /// # Errors
    /// [`RecordError`] when the body is not what its kind and version promise.
    pub fn decode(kind: u8, version: u8, body: &'a [u8]) -> Result<Option<Self>, RecordError> {
        let Some(known) = RecordKind::from_number(kind) else { return Ok(None) };
        let newest = known.version();
        let (redacted, version) = (version & REDACTED, version & !REDACTED);
        if version == 0 || version > newest {
            return Err(RecordError::Version { kind, version, newest });
        }
        let mut rest = Body { kind, rest: body };
        let record = match known {
            RecordKind::Accepted => rest.accepted(version, redacted)?,
            RecordKind::Part => rest.part()?,
            RecordKind::Webhook => rest.webhook()?,
            RecordKind::Orphan => rest.orphan()?,
            RecordKind::OrphanClosed => rest.orphan_closed()?,
            RecordKind::Carried => rest.carried(version)?,
            RecordKind::Mark => rest.mark()?,
            RecordKind::Replaced => rest.replaced(redacted)?,
            RecordKind::CustomerReceipt => rest.customer_receipt()?,
            RecordKind::Inbound => rest.inbound()?,
            RecordKind::InboundClosed => rest.inbound_closed()?,
            RecordKind::Closed => rest.closed()?,
            RecordKind::Erased => rest.erased()?,
            RecordKind::Epoch => rest.epoch()?,
            RecordKind::Redacted => rest.redacted()?,
            RecordKind::OptOut => rest.opt_out()?,
            RecordKind::Moving => rest.moving()?,
            RecordKind::Content => Record::Content(rest.content()?),
            RecordKind::ContentOwner => rest.content_owner()?,
        };
        if rest.rest.is_empty() { Ok(Some(record)) } else { Err(RecordError::Length { kind }) }
    }
}

#[cfg(test)]
#[path = "record/tests.rs"]
mod tests;
