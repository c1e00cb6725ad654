//! One pass over the files: what was asked for so far is taken out of every sealed segment in which
//! something of it may lie, a piece of a segment a chore. Pure, lives nowhere.
//!
//! It begins with the segments that are sealed by then and the one that is being written, which is
//! ended for it; files that are used again meanwhile are overwritten first. Every touched segment is
//! read once to learn whose records lie where, then each is rewritten, the newest first. Then come the
//! logs that the shard keeps beside its own, each as a whole.

use std::collections::{BTreeSet, VecDeque};

use postrider_core::limits;
use postrider_storage::erase::{Erasing, prepare, survey};
use postrider_storage::{Disk, FileRef, LogIoError, Lsn, OpenError, SegmentFile, SegmentId};

use super::ErasureState;

// Two rests for each segment of the longest log take less than an hour of the day that there is.
const _: () = assert!(
    limits::ERASURE_REST.saturating_mul(2 * limits::SEGMENTS[2]).as_secs()
        < limits::ERASURE_MAX.as_secs() / 24
);

/// See the module.
#[derive(Debug)]
pub(super) struct Pass {
    up_to: Lsn,
    /// The last segment that is looked at: that of this record.
    pub(super) last: SegmentId,
    pub(super) stage: Stage,
    /// The last record in which a message in memory was written anew: it is on disk before any
    /// other of the message is changed.
    pub(super) anew: Lsn,
    pub(super) touched: BTreeSet<SegmentId>,
    /// Those to be rewritten, the newest first.
    rewrite: VecDeque<SegmentId>,
    /// What could not be found through the registers: everything is touched.
    pub(super) all: bool,
    /// Messages that are being brought into memory.
    pub(super) waking: usize,
    /// Away with a chore, or not begun.
    erasing: Option<Box<Erasing>>,
    /// The log that it is in; `None`: the shard's own.
    log: Option<u16>,
    /// Those that are still to come.
    kept: VecDeque<KeptLog>,
    counts: Counts,
}

/// A log that the shard keeps beside its own, and what is to be found in it.
#[derive(Debug)]
pub(super) struct KeptLog {
    pub(super) log: u16,
    /// Oldest first.
    pub(super) segments: VecDeque<SegmentId>,
    pub(super) erasing: Box<Erasing>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    segments: u32,
    done: u32,
    rewritten: u32,
}

/// Where a pass stands.
#[derive(Debug)]
pub(super) enum Stage {
    /// The registers are asked; this many searches are still to come.
    Finding(usize),
    /// What was cold is being waited for in memory.
    Waking,
    /// Spares are overwritten.
    Wiping,
    /// The last segment is to be sealed.
    Rolling,
    /// Those that are still to be read, oldest first.
    Surveying(VecDeque<SegmentId>),
    /// Those that are still to be rewritten, the newest first.
    Rewriting(VecDeque<SegmentId>),
    /// The new content of the first of them is to take its place.
    Exchanging(VecDeque<SegmentId>),
    /// The old content of the first is to be overwritten.
    Overwriting(VecDeque<SegmentId>),
    /// Copies of damaged bytes are to be overwritten.
    Quarantine,
    /// Nothing is left.
    Over,
}

/// A piece of a pass, for a helper thread.
#[derive(Debug)]
pub enum EraseChore {
    /// Learns what lies in a segment.
    Survey(SegmentFile, Box<Erasing>),
    /// Makes the new content of a segment.
    Prepare(SegmentFile, Box<Erasing>),
    /// Puts it in the old one's place. Nobody may open the segment meanwhile.
    Exchange(SegmentId),
    /// Overwrites the old content.
    Overwrite(SegmentId),
    /// Overwrites what was set aside.
    Quarantine,
}

/// What came of a piece.
#[derive(Debug)]
pub struct EraseDone {
    /// Handed on.
    erasing: Option<Box<Erasing>>,
    /// A new content is ready.
    ready: bool,
    /// The segment whose file is another now.
    replaced: Option<SegmentId>,
    pub(super) result: Result<(), LogIoError>,
}

impl EraseChore {
    /// Does it; blocking.
    pub(in crate::shard) fn run<D: Disk>(self, disk: &mut D, shard: u16) -> EraseDone {
        let mut done = EraseDone { erasing: None, ready: false, replaced: None, result: Ok(()) };
        match self {
            EraseChore::Survey(file, mut erasing) => {
                let surveyed = survey(disk, shard, file, &mut erasing);
                done.result = io_error(surveyed.map(|_| ()));
                done.erasing = Some(erasing);
            }
            EraseChore::Prepare(file, mut erasing) => {
                let prepared = prepare(disk, shard, file, &mut erasing);
                done.ready = prepared.as_ref().is_ok_and(|prepared| prepared.records > 0);
                done.result = io_error(prepared.map(|_| ()));
                done.erasing = Some(erasing);
            }
            EraseChore::Exchange(segment) => {
                done.result = disk.exchange(segment);
                done.replaced = Some(segment);
            }
            EraseChore::Overwrite(segment) => done.result = disk.wipe_old(segment),
            EraseChore::Quarantine => done.result = disk.wipe_quarantine(),
        }
        done
    }
}

/// What only a newer release can read is left as it is.
fn io_error(result: Result<(), OpenError>) -> Result<(), LogIoError> {
    match result {
        Err(OpenError::Io(error)) => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

impl EraseDone {
    /// The files whose names stand for others now.
    pub(in crate::shard) fn replaced(&self) -> Vec<FileRef> {
        self.replaced.iter().copied().map(FileRef::Segment).collect()
    }

    /// The error that it met.
    pub(in crate::shard) fn error(&self) -> Option<&LogIoError> {
        self.result.as_ref().err()
    }
}

/// Whether files of a log with these segments, oldest first, have been used again.
fn have_been_used_again<'a>(mut segments: impl Iterator<Item = &'a SegmentId>) -> bool {
    segments.next().is_some_and(|first| first.0 > 1)
}

impl Pass {
    /// Of what the records up to this one in this segment ask for, with so many searches to come.
    pub(super) fn new(
        (up_to, last): (Lsn, SegmentId),
        erasing: Erasing,
        searches: usize,
        kept: VecDeque<KeptLog>,
    ) -> Self {
        Pass {
            up_to,
            last,
            rewrite: VecDeque::new(),
            stage: Stage::Finding(searches),
            anew: up_to,
            touched: BTreeSet::new(),
            all: false,
            waking: 0,
            erasing: Some(Box::new(erasing)),
            log: None,
            kept,
            counts: Counts::default(),
        }
    }

    pub(super) fn up_to(&self) -> Lsn {
        self.up_to
    }

    /// One more search is under way.
    pub(super) fn search_begun(&mut self) {
        if let Stage::Finding(searches) = &mut self.stage {
            *searches += 1;
        }
    }

    /// A search is over.
    pub(super) fn search_over(&mut self) {
        if let Stage::Finding(searches) = &mut self.stage {
            *searches -= 1;
            if *searches == 0 {
                self.stage = Stage::Waking;
            }
        }
    }

    /// Something may lie in any segment from one to another; `None`: to the last.
    pub(super) fn touch(&mut self, from: SegmentId, to: Option<SegmentId>) {
        let to = to.map_or(self.last, |to| to.min(self.last));
        self.touched.extend((from.0..=to.0).map(SegmentId));
    }

    /// Those files are sealed: the touched ones among them are to be looked at. Where files have
    /// been used again all are: the end of any may hold what was in an older segment, and some may
    /// hold the rest of a message that began there.
    pub(super) fn sealed(&mut self, files: impl Iterator<Item = SegmentId>) {
        let files: Vec<SegmentId> = files.filter(|id| *id <= self.last).collect();
        let used_again = have_been_used_again(files.iter());
        if used_again && let Some(erasing) = &mut self.erasing {
            erasing.recycled();
        }
        let looked_at = |id: &SegmentId| used_again || self.all || self.touched.contains(id);
        let survey: VecDeque<SegmentId> = files.into_iter().filter(looked_at).collect();
        self.rewrite = survey.iter().rev().copied().collect();
        let kept: usize = self.kept.iter().map(|kept| kept.segments.len()).sum();
        self.counts.segments = u32::try_from(self.rewrite.len() + kept).unwrap_or(u32::MAX);
        self.stage = Stage::Surveying(survey);
    }

    /// The next piece. `file` finds a segment that is still there.
    pub(super) fn poll_chore(
        &mut self,
        file: impl Fn(SegmentId) -> Option<SegmentFile>,
    ) -> Option<EraseChore> {
        loop {
            match &mut self.stage {
                Stage::Surveying(left) => {
                    let Some(next) = left.front() else {
                        self.stage = Stage::Rewriting(std::mem::take(&mut self.rewrite));
                        continue;
                    };
                    if let Some(file) = file(*next) {
                        return Some(EraseChore::Survey(file, self.erasing.take()?));
                    }
                    left.pop_front();
                }
                Stage::Rewriting(left) => {
                    let Some(next) = left.front() else {
                        self.stage = Stage::Quarantine;
                        continue;
                    };
                    if let Some(file) = file(*next) {
                        return Some(EraseChore::Prepare(file, self.erasing.take()?));
                    }
                    // It was given back, and is overwritten before it is used again.
                    left.pop_front();
                    self.counts.done += 1;
                }
                Stage::Exchanging(left) => return left.front().copied().map(EraseChore::Exchange),
                Stage::Overwriting(left) => {
                    return left.front().copied().map(EraseChore::Overwrite);
                }
                Stage::Quarantine => return Some(EraseChore::Quarantine),
                Stage::Finding(_)
                | Stage::Waking
                | Stage::Wiping
                | Stage::Rolling
                | Stage::Over => return None,
            }
        }
    }

    /// The segment that is about to be exchanged: nobody may read it.
    pub(super) fn exchanging(&self) -> Option<SegmentId> {
        let Stage::Exchanging(left) = &self.stage else { return None };
        left.front().copied()
    }

    /// Whether a new content waits: nothing else may happen to its segment.
    pub(super) fn is_urgent(&self) -> bool {
        matches!(self.stage, Stage::Exchanging(_) | Stage::Overwriting(_))
    }

    /// A piece is done, or failed: then it is tried again. Gives whether a segment is done with.
    pub(super) fn handle_chore(&mut self, done: EraseDone) -> bool {
        if done.erasing.is_some() {
            self.erasing = done.erasing;
        }
        if done.result.is_err() {
            return false;
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let (stage, over) = match stage {
            Stage::Surveying(mut left) => {
                left.pop_front();
                (Stage::Surveying(left), true)
            }
            Stage::Rewriting(left) if done.ready => (Stage::Exchanging(left), false),
            Stage::Rewriting(mut left) => {
                left.pop_front();
                self.counts.done += 1;
                (Stage::Rewriting(left), true)
            }
            Stage::Exchanging(left) => (Stage::Overwriting(left), false),
            Stage::Overwriting(mut left) => {
                left.pop_front();
                self.counts.done += 1;
                self.counts.rewritten += 1;
                (Stage::Rewriting(left), true)
            }
            Stage::Quarantine => (self.next_log(), false),
            other @ (Stage::Finding(_)
            | Stage::Waking
            | Stage::Wiping
            | Stage::Rolling
            | Stage::Over) => (other, false),
        };
        self.stage = stage;
        over
    }

    /// Nothing is left in this log: the next one, if there is one.
    fn next_log(&mut self) -> Stage {
        let Some(KeptLog { log, segments, mut erasing }) = self.kept.pop_front() else {
            return Stage::Over;
        };
        if have_been_used_again(segments.iter()) {
            erasing.recycled();
        }
        self.log = Some(log);
        self.erasing = Some(erasing);
        self.rewrite = segments.iter().rev().copied().collect();
        Stage::Surveying(segments)
    }

    /// The log that it is in; `None`: the shard's own.
    pub(super) fn log(&self) -> Option<u16> {
        self.log
    }

    /// The state of one of its erasures.
    pub(super) fn state(&self, waiting: ErasureState) -> ErasureState {
        let Counts { segments, done, rewritten } = self.counts;
        let known = !matches!(
            self.stage,
            Stage::Finding(_) | Stage::Waking | Stage::Wiping | Stage::Rolling
        );
        ErasureState { segments: known.then_some(segments), done, rewritten, ..waiting }
    }
}
