//! Reading one record alone, from the bytes at its position. Pure, lives nowhere.

use zerocopy::FromBytes;

use super::layout::FrameLayout;
use super::{FRAME, RECORD_BYTES_MAX, Record, RecordError, frame_check};

/// What the bytes at a position hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "lives on the stack; a box would be made per read")]
pub enum ReadBack<'a> {
    /// A whole record.
    Whole {
        /// The record.
        record: Record<'a>,
        /// Its bytes, frame included.
        len: usize,
    },
    /// The beginning of a record.
    Incomplete {
        /// Bytes that are needed from the position on, at most [`RECORD_BYTES_MAX`]; of less than
        /// a frame it can only be told that the frame is needed.
        needed: usize,
    },
}

/// Why the bytes at a position are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadRecordError {
    /// They say that they are longer than any record.
    #[error("no record has {length} bytes")]
    TooLong {
        /// Bytes of the body, as the frame says.
        length: u32,
    },
    /// The frame's check does not agree.
    #[error("the check of the record does not agree")]
    Check,
    /// The kind is not known.
    #[error("no record has kind {kind}")]
    Kind {
        /// The kind's number.
        kind: u8,
    },
    /// The record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Reads the record that begins with `bytes`; more bytes may follow it. A record written by format 1
/// has no check in its frame: it is read unchecked.
///
/// # Errors
/// [`ReadRecordError`]: no record was written there, or it is damaged.
pub fn read_record(bytes: &[u8]) -> Result<ReadBack<'_>, ReadRecordError> {
    let Ok((frame, rest)) = FrameLayout::ref_from_prefix(bytes) else {
        return Ok(ReadBack::Incomplete { needed: FRAME });
    };
    let length = frame.length.get();
    let body_len = usize::try_from(length).unwrap_or(usize::MAX);
    if body_len > RECORD_BYTES_MAX - FRAME {
        return Err(ReadRecordError::TooLong { length });
    }
    let len = FRAME + body_len;
    let Some(body) = rest.get(..body_len) else {
        return Ok(ReadBack::Incomplete { needed: len });
    };
    let check = frame.check.get();
    if check != 0 && check != frame_check(frame, body) {
        return Err(ReadRecordError::Check);
    }
    match Record::decode(frame.kind, frame.version, body)? {
        Some(record) => Ok(ReadBack::Whole { record, len }),
        None => Err(ReadRecordError::Kind { kind: frame.kind }),
    }
}
