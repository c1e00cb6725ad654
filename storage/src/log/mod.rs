//! The log machine of one shard: batches, durability, segments. Pure, lives nowhere; one per shard.
//!
//! Contract: `append`, drain `poll_write` and `poll_chore`, then sleep until `poll_timeout`;
//! outcomes come back through `handle_written` and `handle_chore`.

pub(crate) mod batch;
mod chore;
mod error;
mod observe;
mod recover;
mod repair;
pub(crate) mod scan;
mod write;

use std::collections::VecDeque;
use std::time::Duration;

pub use batch::{BATCH_BYTES_MAX, FORMAT};
pub use chore::Chore;
pub use error::OpenError;
pub use observe::{Note, Observer, Progress, SeenBatch};
pub use recover::Recovery;
pub(crate) use recover::newer_format;
pub use repair::{Repair, check_format, inspect, repair};

use crate::block::{BLOCK, Blocks};
use crate::disk::{Disk, LogIoError, SegmentId};
use crate::position::Position;
use crate::record::{RECORD_BYTES_MAX, Record};

use batch::{Batch, Place};
use chore::Segments;

/// Number of a record in its log, from 1, without gaps in what is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

/// Where an appended record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its number.
    pub lsn: Lsn,
    /// Its place, once it is durable.
    pub at: Position,
    /// Its length in bytes, frame included.
    pub len: usize,
}

/// One record as it is replayed.
#[derive(Debug, Clone, Copy)]
pub struct Replayed<'a> {
    /// Its place.
    pub at: Position,
    /// Its number.
    pub lsn: Lsn,
    /// When its batch was written, Unix milliseconds.
    pub wall_ms: u64,
    /// Its content.
    pub record: &'a Record<'a>,
}

/// Settings of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// The shard; batches of another shard are refused.
    pub shard: u16,
    /// Bytes of a new segment: a multiple of 4 KiB, at least `max_batch`, at most 256
    /// MiB: what a [`Position`] can point into.
    pub segment_bytes: u64,
    /// Most segment files there may be, spares included; at least `spare_segments` + 1. The owner
    /// keeps a reserve by watching [`Room`]. Should it run out all the same, while a release waits
    /// for records that have no segment to go to, those records get theirs for the time being.
    pub max_segments: u32,
    /// Ready segments to keep ahead, at least 1 (usual: 2).
    pub spare_segments: u32,
    /// Bytes at which a batch is written although nobody waits for it (usual: 64 KiB).
    pub preferred_batch: usize,
    /// Most bytes of a batch: a multiple of 4 KiB from 256 KiB to [`BATCH_BYTES_MAX`].
    pub max_batch: usize,
    /// Longest that a record nobody waits for stays unwritten (usual: 2 ms).
    pub lazy: Duration,
}

const SEGMENT_BYTES_MAX: u64 = 1 << 28;
const MAX_BATCH_MIN: usize = 256 * 1024;
// A batch has room for its header, a mark and the largest record.
const _: () = assert!(MAX_BATCH_MIN > RECORD_BYTES_MAX + BLOCK && BATCH_BYTES_MAX >= MAX_BATCH_MIN);

impl LogConfig {
    fn check(&self) -> Result<(), OpenError> {
        let block = BLOCK as u64;
        let wrong = if !self.max_batch.is_multiple_of(BLOCK)
            || !(MAX_BATCH_MIN..=BATCH_BYTES_MAX).contains(&self.max_batch)
        {
            "the largest batch must be a multiple of 4 KiB from 256 KiB to 1 MiB"
        } else if !self.segment_bytes.is_multiple_of(block)
            || !(self.max_batch as u64..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes)
        {
            "a segment must be a multiple of 4 KiB, hold the largest batch and be at most 256 MiB"
        } else if self.spare_segments < 1 || self.max_segments <= self.spare_segments {
            "there must be at least one spare segment, and more segments than spares"
        } else {
            return Ok(());
        };
        Err(OpenError::Config(wrong))
    }
}

/// Whether somebody waits for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// An answer waits: written as soon as no other write is in flight.
    Waited,
    /// Nobody waits: rides with the next batch, at most [`LogConfig::lazy`] later.
    Lazy,
}

/// One batch on its way to the disk. `blocks` goes to `offset` of `segment` in one write.
#[derive(Debug)]
pub struct Write {
    /// The segment.
    pub segment: SegmentId,
    /// Where in the segment, in bytes: a multiple of [`BLOCK`].
    pub offset: u64,
    /// The bytes.
    pub blocks: Blocks,
}

/// How much of the allowed space is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Segments that hold records still needed, the one being written included.
    pub used_segments: u32,
    /// Segments that there may be.
    pub max_segments: u32,
    /// Bytes that can still be written before the owner must release segments. While the disk is
    /// full, only what is already on the disk counts.
    pub bytes_free: u64,
}

/// The log of one shard. See the module and `FORMAT.md`.
#[derive(Debug)]
pub struct Log {
    config: LogConfig,
    /// Monotonic and wall time at opening, from which batches are stamped.
    opened: (Duration, u64),
    poisoned: Option<LogIoError>,
    next_lsn: Lsn,
    durable: Lsn,
    next_sequence: u64,
    /// Full batches waiting for their turn, oldest first.
    closed: VecDeque<Batch>,
    building: Option<Batch>,
    /// Where the batch after the newest closed one begins.
    place: Place,
    in_flight: Option<InFlight>,
    next_batch: u64,
    previous_crc: u32,
    /// Buffers to use again.
    buffers: Vec<Blocks>,
    segments: Segments,
    starved: bool,
    times_starved: u64,
}

/// The one write in flight.
#[derive(Debug, Clone, Copy)]
struct InFlight {
    segment: SegmentId,
    offset: u64,
    last_lsn: Lsn,
}

impl Log {
    /// Opens the log in `disk`: makes durable what is there, replays every record in order, cuts a
    /// torn tail, passes over damage in sealed segments, and is ready to append.
    ///
    /// `replay` gets every record. When an error is returned it may have been called already: throw
    /// away what it built.
    ///
    /// # Errors
    /// [`OpenError`]; nothing has been changed except that on an I/O error a torn tail may be cut.
    pub fn open<D: Disk>(
        disk: &mut D,
        config: LogConfig,
        now: Duration,
        wall_ms: u64,
        replay: &mut dyn FnMut(Replayed<'_>),
    ) -> Result<(Self, Recovery), OpenError> {
        let mut observer = |record: Replayed<'_>| replay(record);
        Self::open_from(disk, config, now, wall_ms, None, &mut observer)
    }

    /// As [`Log::open`], reading from the segment `from` on; the older ones are kept, unread.
    /// `None`: reads all. `observer` also hears how far it is.
    ///
    /// # Errors
    /// [`OpenError`]; [`OpenError::Start`] before anything is replayed or changed.
    pub fn open_from<D: Disk>(
        disk: &mut D,
        config: LogConfig,
        now: Duration,
        wall_ms: u64,
        from: Option<SegmentId>,
        observer: &mut dyn Observer<D>,
    ) -> Result<(Self, Recovery), OpenError> {
        config.check()?;
        let found = recover::recover(disk, &config, recover::Mode::Open, from, observer)?;
        let place = found.place(config.segment_bytes);
        let segments = Segments::new(&config, found.files, found.spares, found.last_written);
        let last = Lsn(found.recovery.next_lsn.0 - 1);
        let log = Self {
            opened: (now, wall_ms),
            poisoned: None,
            next_lsn: found.recovery.next_lsn,
            durable: last,
            next_sequence: found.recovery.next_sequence,
            closed: VecDeque::new(),
            building: None,
            place,
            in_flight: None,
            next_batch: found.next_batch,
            previous_crc: found.previous_crc,
            buffers: Vec::new(),
            segments,
            starved: false,
            times_starved: 0,
            config,
        };
        Ok((log, found.recovery))
    }

    /// The last record that is safe on the disk; `Lsn(0)`: none.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        self.durable
    }

    /// The number that the next record gets (a mark of the log itself may take it first).
    #[must_use]
    pub fn next_lsn(&self) -> Lsn {
        self.next_lsn
    }

    /// A message number above all in the log's records.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// The segment into which the next record goes, at the earliest.
    #[must_use]
    pub fn head_segment(&self) -> SegmentId {
        self.building.as_ref().map_or(self.place.segment, Batch::segment)
    }

    /// The segment of the oldest record that is not durable yet; when all are, the one into which
    /// the next goes.
    #[must_use]
    pub fn undurable_segment(&self) -> SegmentId {
        let in_flight = self.in_flight.map(|sent| sent.segment);
        let closed = self.closed.front().map(Batch::segment);
        in_flight.or(closed).unwrap_or_else(|| self.head_segment())
    }

    /// The error that stopped the log for good. Nothing becomes durable any more; the process must
    /// stop, and recovery at the next start is the repair.
    #[must_use]
    pub fn poisoned(&self) -> Option<&LogIoError> {
        self.poisoned.as_ref()
    }

    /// Whether a batch is due whose segment is not there yet.
    #[must_use]
    pub fn starved(&self) -> bool {
        self.starved
    }

    /// How often that has happened since opening.
    #[must_use]
    pub fn times_starved(&self) -> u64 {
        self.times_starved
    }

    /// Bytes appended and not yet handed out by `poll_write`. The owner bounds it by refusing new
    /// work while the log is starved or slow.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.closed.iter().chain(self.building.as_ref()).map(Batch::used).sum()
    }

    /// Whether everything appended is durable and no write or chore is under way.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.building.is_none()
            && self.closed.is_empty()
            && self.in_flight.is_none()
            && !self.segments.busy()
    }
}
