//! The log's files: which hold needed records, which are spare, and the chores that make and
//! recycle them off the hot path. Pure, lives nowhere; one per shard.

use std::collections::VecDeque;

use crate::disk::{Disk, LogIoError, LogIoErrorKind, SegmentFile, SegmentId};

use super::{Log, LogConfig, Lsn, Room};

/// Blocking work on the log's files, for a helper thread. One at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chore {
    /// Make `segment` ready: by renaming `recycle`, or else as a new file of zeros.
    Provision {
        /// The segment to come.
        segment: SegmentId,
        /// A released segment of the right size whose file is used again.
        recycle: Option<SegmentId>,
    },
    /// Overwrite a spare with zeros that holds what must not be found any more.
    Wipe {
        /// The spare.
        segment: SegmentId,
    },
    /// Remove a released segment whose size is not the configured one, or that is one too many.
    Remove {
        /// The segment to go.
        segment: SegmentId,
        /// Whether it is overwritten with zeros first.
        wipe: bool,
    },
}

impl Chore {
    /// Does it. `segment_bytes` is [`LogConfig::segment_bytes`].
    ///
    /// # Errors
    /// What the disk says; hand it to [`Log::handle_chore`].
    pub fn run<D: Disk>(self, disk: &mut D, segment_bytes: u64) -> Result<(), LogIoError> {
        match self {
            Self::Provision { segment, recycle: Some(old) } => disk.recycle(old, segment),
            Self::Provision { segment, recycle: None } => {
                disk.create_zeroed(segment, segment_bytes)
            }
            Self::Wipe { segment } => disk.wipe(segment, 0),
            Self::Remove { segment, wipe: false } => disk.remove(segment),
            Self::Remove { segment, wipe: true } => {
                disk.set_aside(segment)?;
                disk.wipe_old(segment)
            }
        }
    }
}

/// A segment ready to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spare {
    pub(super) id: SegmentId,
    /// Whether stale bytes of an older segment may be in it.
    pub(super) recycled: bool,
    /// Whether they must be overwritten before it is written.
    pub(super) unclean: bool,
}

/// The files of one log.
#[derive(Debug)]
pub(super) struct Segments {
    segment_bytes: u64,
    max: u32,
    spares_wanted: usize,
    /// Files with records, oldest first; released ones until they are recycled.
    written: VecDeque<SegmentFile>,
    head_recycled: bool,
    spares: VecDeque<Spare>,
    /// The segment that the next provision makes.
    next: SegmentId,
    under_way: Option<Chore>,
    /// Segments before this one are not needed, once `barrier` is durable.
    released: SegmentId,
    barrier: Lsn,
    /// Files of segments up to this one are overwritten before they are used again or removed.
    wipe_up_to: SegmentId,
    durable: Lsn,
    durable_segment: SegmentId,
    full: bool,
    held: Held,
}

/// What a full disk keeps from being tried until the owner says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// Nothing.
    No,
    /// Making new files; recycling takes no room.
    New,
    /// Everything: there was no room even for a change of names.
    All,
}

/// The newest segment with records at opening.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastWritten {
    pub(super) segment: SegmentId,
    pub(super) recycled: bool,
    pub(super) lsn: Lsn,
}

impl Segments {
    pub(super) fn new(
        config: &LogConfig,
        written: Vec<SegmentFile>,
        spares: Vec<Spare>,
        last: LastWritten,
    ) -> Self {
        let newest = spares.last().map_or(last.segment, |spare| spare.id);
        Self {
            segment_bytes: config.segment_bytes,
            max: config.max_segments,
            spares_wanted: usize::try_from(config.spare_segments).unwrap_or(usize::MAX),
            written: written.into(),
            head_recycled: last.recycled,
            spares: spares.into(),
            next: newest.next(),
            under_way: None,
            released: SegmentId(0),
            barrier: Lsn(0),
            wipe_up_to: SegmentId(0),
            durable: last.lsn,
            durable_segment: last.segment,
            full: false,
            held: Held::No,
        }
    }

    pub(super) fn busy(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether a batch may be written into `segment` now.
    pub(super) fn is_ready(&self, segment: SegmentId) -> bool {
        let ready = |spare: &Spare| spare.id == segment && !spare.unclean;
        self.is_open(segment) || self.spares.front().is_some_and(ready)
    }

    fn is_open(&self, segment: SegmentId) -> bool {
        self.written.back().is_some_and(|file| file.id == segment)
    }

    /// A batch goes into `segment`, which is ready. Returns whether its file was recycled.
    pub(super) fn enter(&mut self, segment: SegmentId) -> bool {
        if !self.is_open(segment)
            && let Some(spare) = self.spares.pop_front()
        {
            assert!(spare.id == segment, "segments are used in the order of their numbers");
            self.written.push_back(SegmentFile { id: spare.id, len: self.segment_bytes });
            self.head_recycled = spare.recycled;
        }
        self.head_recycled
    }

    pub(super) fn note_durable(&mut self, segment: SegmentId, lsn: Lsn) {
        self.durable = lsn;
        self.durable_segment = segment;
    }

    fn poll(&mut self, starved: bool) -> Option<Chore> {
        if self.under_way.is_some() || self.held == Held::All {
            return None;
        }
        let chore = self.next_chore(starved)?;
        self.under_way = Some(chore);
        Some(chore)
    }

    fn next_chore(&self, starved: bool) -> Option<Chore> {
        if let Some(spare) = self.spares.iter().find(|spare| spare.unclean) {
            return Some(Chore::Wipe { segment: spare.id });
        }
        let segment = self.next;
        let wanted = self.spares.len() < self.spares_wanted;
        let remove = |old: SegmentFile| {
            Some(Chore::Remove { segment: old.id, wipe: old.id <= self.wipe_up_to })
        };
        // What must not be found any more becomes a spare, and is overwritten, whether or not one is wanted.
        let wipes = |old: &SegmentFile| old.id <= self.wipe_up_to;
        match self.recyclable() {
            Some(old) if self.files() > self.max => remove(old),
            Some(old) if (wanted || wipes(&old)) && old.len == self.segment_bytes => {
                Some(Chore::Provision { segment, recycle: Some(old.id) })
            }
            Some(old) if wanted || wipes(&old) => remove(old),
            None if wanted && self.held == Held::No && self.may_grow(starved) => {
                Some(Chore::Provision { segment, recycle: None })
            }
            Some(_) | None => None,
        }
    }

    /// Whether a new file may be made: below the bound, or when a release waits for records that
    /// have no segment to go to, since else neither could ever go on. What was appended before the
    /// release bounds how many that can be; they are removed when the release takes effect.
    fn may_grow(&self, starved: bool) -> bool {
        let releasing = self.written.front().is_some_and(|oldest| oldest.id < self.released);
        self.files() < self.max || (starved && releasing && self.durable < self.barrier)
    }

    /// The oldest file, when nothing in it is needed: the owner has released it, all that the owner
    /// wrote before releasing it is durable. So is a mark in a later segment then.
    fn recyclable(&self) -> Option<SegmentFile> {
        let oldest = *self.written.front()?;
        let free = oldest.id < self.released && self.durable >= self.barrier;
        // Only a later segment's batch can have moved the head past this one, and the barrier is
        // behind that batch's mark.
        assert!(!free || oldest.id < self.durable_segment, "no mark would carry the sequence over");
        free.then_some(oldest)
    }

    fn finished(&mut self, chore: Chore) {
        match chore {
            Chore::Provision { segment, recycle } => {
                if recycle.is_some() {
                    self.written.pop_front();
                }
                let unclean = recycle.is_some_and(|old| old <= self.wipe_up_to);
                self.spares.push_back(Spare { id: segment, recycled: recycle.is_some(), unclean });
                self.next = segment.next();
                self.full = false;
                self.held = Held::No;
            }
            Chore::Wipe { segment } => {
                for spare in self.spares.iter_mut().filter(|spare| spare.id == segment) {
                    *spare = Spare { id: segment, recycled: false, unclean: false };
                }
            }
            Chore::Remove { .. } => {
                self.written.pop_front();
            }
        }
    }

    fn files(&self) -> u32 {
        u32::try_from(self.written.len() + self.spares.len()).unwrap_or(u32::MAX)
    }

    fn live(&self) -> usize {
        self.written.iter().filter(|file| file.id >= self.released).count()
    }

    /// Segments that can be written after the newest written one.
    fn ahead(&self) -> u64 {
        let live = self.live() as u64;
        let released = self.written.len() as u64 - live;
        if self.full {
            self.spares.len() as u64 + released
        } else {
            u64::from(self.max).saturating_sub(live)
        }
    }
}

impl Log {
    /// The next piece of blocking work on the log's files, one at a time.
    pub fn poll_chore(&mut self) -> Option<Chore> {
        if self.poisoned.is_some() { None } else { self.segments.poll(self.starved) }
    }

    /// The outcome of a chore. A full disk is remembered ([`Log::full`]) and can pass; any other
    /// error poisons the log.
    ///
    /// # Panics
    /// When `chore` is not the one under way.
    pub fn handle_chore(&mut self, chore: Chore, result: Result<(), LogIoError>) {
        let under_way = self.segments.under_way.take();
        assert!(under_way == Some(chore), "the outcome of another chore");
        match result {
            Ok(()) => self.segments.finished(chore),
            Err(error) if error.kind == LogIoErrorKind::Full => {
                self.segments.full = true;
                self.segments.held = match chore {
                    Chore::Provision { recycle: None, .. } => Held::New,
                    Chore::Provision { .. } | Chore::Wipe { .. } | Chore::Remove { .. } => {
                        Held::All
                    }
                };
            }
            Err(error) => self.poison(error),
        }
    }

    /// Whether the disk had no room for the last segment that was to be made.
    #[must_use]
    pub fn full(&self) -> bool {
        self.segments.full
    }

    /// Lets `poll_chore` try again after a full disk. Call it about once a second.
    pub fn retry_chores(&mut self) {
        self.segments.held = Held::No;
    }

    /// Says that no record in segments before `segment` is needed any more: what was still needed
    /// of them has been appended again. Their files are recycled, oldest first, once everything
    /// appended so far is durable. The segment being written is never released.
    pub fn release_before(&mut self, segment: SegmentId) {
        let target = segment.min(self.head_segment());
        if target > self.segments.released {
            self.segments.released = target;
            self.segments.barrier = Lsn(self.next_lsn.0 - 1);
        }
    }

    /// From now on no file of a segment up to this one is used again or removed before it has been
    /// overwritten with zeros; spares that were recycled are overwritten first. Until they are,
    /// [`Log::wiping`] says so, and the log may be starved for as long as that takes. Not kept over
    /// a restart.
    pub fn wipe_up_to(&mut self, segment: SegmentId) {
        let segments = &mut self.segments;
        segments.wipe_up_to = segments.wipe_up_to.max(segment);
        for spare in segments.spares.iter_mut().filter(|spare| spare.recycled) {
            spare.unclean = true;
        }
    }

    /// Whether a spare is still to be overwritten.
    #[must_use]
    pub fn wiping(&self) -> bool {
        self.segments.spares.iter().any(|spare| spare.unclean)
    }

    /// Whether a segment is never written again: a later one holds a durable record.
    #[must_use]
    pub fn is_sealed(&self, segment: SegmentId) -> bool {
        segment < self.segments.durable_segment
    }

    /// The oldest segment that has not been released.
    #[must_use]
    pub fn oldest_segment(&self) -> SegmentId {
        let released = self.segments.released;
        let oldest = self.segments.written.iter().map(|file| file.id).find(|id| *id >= released);
        oldest.unwrap_or_else(|| self.head_segment())
    }

    /// The files of segments that are never written again and have not been released, oldest first.
    pub fn sealed_files(&self) -> impl DoubleEndedIterator<Item = SegmentFile> + '_ {
        let Segments { released, durable_segment, .. } = self.segments;
        let sealed = move |file: &SegmentFile| file.id >= released && file.id < durable_segment;
        self.segments.written.iter().copied().filter(sealed)
    }

    /// Segments that hold records and have not been released.
    #[must_use]
    pub fn live_segments(&self) -> usize {
        self.segments.live()
    }

    /// How much space is used and left.
    #[must_use]
    pub fn room(&self) -> Room {
        let segments = &self.segments;
        let place = self.building.as_ref().map_or(self.place, super::Batch::end);
        let newest = segments.written.back().map_or(SegmentId(0), |file| file.id);
        // Segments that batches not yet written have already been promised.
        let promised = place.segment.0.saturating_sub(newest.0);
        let bytes_free = match segments.ahead().checked_sub(promised) {
            Some(more) => more * segments.segment_bytes + (place.capacity - place.offset),
            None => 0,
        };
        Room {
            used_segments: u32::try_from(segments.live()).unwrap_or(u32::MAX),
            max_segments: segments.max,
            bytes_free,
        }
    }
}
