//! The per-core log of Postrider: format, group commit, recovery, names. Pure, lives nowhere; only
//! [`io`] touches the operating system.
//!
//! One [`Log`] per shard. It is a machine without file, clock or await: the owner appends records,
//! takes each due batch with [`Log::poll_write`], carries it to the disk with [`io::LogFile`] and
//! hands the outcome to [`Log::handle_written`]; everything up to [`Log::durable`] is then safe.
//! Files are made and recycled the same way, by [`Log::poll_chore`] and [`Log::handle_chore`].
//! `FORMAT.md` in this crate describes every byte on the disk.

mod block;
pub mod checkpoint;
pub mod crash;
mod disk;
pub mod erase;
pub mod io;
mod log;
mod mem;
mod names;
mod position;
mod record;
pub mod register;
pub mod runs;
pub mod search;

pub use block::{BLOCK, Blocks};
pub use disk::{
    Disk, FileRef, IndexKind, LogIoError, LogIoErrorKind, NextChunk, SegmentFile, SegmentId,
    SideFile,
};
pub use log::{
    Appended, BATCH_BYTES_MAX, Chore, FORMAT, Log, LogConfig, Lsn, Note, Observer, OpenError,
    Progress, Recovery, Repair, Replayed, Room, SeenBatch, Urgency, Write, check_format, inspect,
    repair,
};
pub use mem::{Fault, MemDisk};
pub use names::{NameError, NameKind, NameTable};
pub use position::Position;
pub use record::{
    Asked, CARRIED_MOVED, CARRIED_PARKED, CARRIED_RECYCLED, ContentRecord, ERASED_CUSTOMER,
    ERASED_DONE, ERASED_RECIPIENT, Frame, Frames, InboundRecord, RECORD_BYTES_MAX, REDACTED,
    ReadBack, ReadRecordError, Record, RecordError, RecordKind, mask_number, read_record,
};
pub use search::{Ask, LookUpError, Search, SearchError, Step};
