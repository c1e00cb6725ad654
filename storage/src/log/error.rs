//! Why a log cannot be opened, and what to do about it. Pure, lives nowhere.

use crate::disk::{LogIoError, SegmentId};
use crate::record::RecordError;

use super::Lsn;
use super::batch::FORMAT;

/// Why a log cannot be opened. The text names file and remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A complete batch follows a bad one in the newest segment: no torn write can do that, so
    /// records that were acknowledged are damaged.
    #[error(
        "{file} is damaged at byte {offset} ({why}), and a complete batch follows at byte \
         {valid_at}: acknowledged records are lost there. Nothing has been changed. Restore the \
         data directory, or run `postrider store repair` to set the damaged bytes aside and go on \
         without them"
    )]
    Corrupt {
        /// The file.
        file: String,
        /// Where the damage begins, in bytes.
        offset: u64,
        /// Where the first complete batch after it begins.
        valid_at: u64,
        /// What is wrong there.
        why: String,
    },
    /// A file holds another segment's batches: files were renamed or restored under a wrong name.
    #[error(
        "{file} holds the batches of {holds}: files were swapped or restored under a wrong name. \
         Nothing has been changed. Give the files their right names"
    )]
    Misplaced {
        /// The file.
        file: String,
        /// The name that its content belongs to.
        holds: String,
    },
    /// Reading or repairing the files failed.
    #[error("{0}. Nothing can be served without the log: look at the disk, then start again")]
    Io(#[from] LogIoError),
    /// The log was written by a newer release.
    #[error(
        "{file} has format {found} at byte {offset}; this release reads up to format {FORMAT}. \
         Nothing has been changed. Start the release that wrote it, or a later one"
    )]
    Format {
        /// The file.
        file: String,
        /// Where, in bytes.
        offset: u64,
        /// The format found.
        found: u16,
        /// The newest format that this release reads.
        supported: u16,
    },
    /// A batch is intact, but this release cannot read a record in it.
    #[error(
        "{file}: record {} in the batch at byte {offset} cannot be read: {error}. Start the release \
         that wrote it, or a later one", lsn.0
    )]
    Record {
        /// The file.
        file: String,
        /// Where its batch begins, in bytes.
        offset: u64,
        /// The record.
        lsn: Lsn,
        /// What is wrong with it.
        error: RecordError,
    },
    /// The replay was to begin with a segment that is not there, or that neither holds a complete
    /// batch nor is followed by one that does.
    #[error(
        "the log has no {0} with records to begin with. Nothing has been changed; read all of it"
    )]
    Start(SegmentId),
    /// The settings do not go together.
    #[error("the log's settings do not go together: {0}")]
    Config(&'static str),
}
