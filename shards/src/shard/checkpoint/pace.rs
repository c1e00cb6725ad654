//! When a checkpoint is due, and what has become of the one under way. Pure: time and the state of
//! the log are arguments. One per shard.

use std::time::Duration;

use postrider_core::limits;
use postrider_storage::Lsn;
use postrider_storage::checkpoint::{Checkpoint, CheckpointChore};

/// See the module's page. The owner takes a checkpoint when [`Pace::is_due`], hands it in with
/// [`Pace::taken`], and drains [`Pace::poll_chore`].
#[derive(Debug)]
pub(in crate::shard) struct Pace {
    /// The number of the next one.
    next: u64,
    /// When the last one was taken, and the octets appended by then.
    last: (Duration, u64),
    /// One is wanted before its time.
    wanted: bool,
    /// None is taken before: the last one could not be written.
    held_until: Duration,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// None is under way.
    Idle,
    /// What it tells is not on disk yet.
    Early(Box<Checkpoint>),
    /// It can be written.
    Ready(Box<Checkpoint>),
    /// It is being written.
    Writing,
}

impl Pace {
    /// The next checkpoint has this number.
    pub(in crate::shard) fn new(next: u64, now: Duration) -> Self {
        Pace { next, last: (now, 0), wanted: false, held_until: Duration::ZERO, stage: Stage::Idle }
    }

    /// One is wanted before its time.
    pub(in crate::shard) fn soon(&mut self) {
        self.wanted = true;
    }

    /// Whether none is wanted and none is under way.
    pub(in crate::shard) fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle) && !self.wanted
    }

    /// Whether the last one could not be written, and the next has to wait.
    pub(in crate::shard) fn is_held(&self, now: Duration) -> bool {
        now < self.held_until
    }

    /// Whether it is time to take one. `octets`: appended to the log since the start.
    pub(in crate::shard) fn is_due(&self, now: Duration, octets: u64) -> bool {
        let grown = octets - self.last.1;
        let due = self.wanted
            || grown >= limits::CHECKPOINT_BYTES
            || (grown > 0 && now >= self.last.0 + limits::CHECKPOINT_EVERY);
        due && matches!(self.stage, Stage::Idle) && now >= self.held_until
    }

    /// When one is due at the latest.
    pub(in crate::shard) fn poll_timeout(&self, octets: u64) -> Option<Duration> {
        let wanted = self.wanted || octets > self.last.1;
        let at = (self.last.0 + limits::CHECKPOINT_EVERY).max(self.held_until);
        let at = if self.wanted { self.held_until } else { at };
        (matches!(self.stage, Stage::Idle) && wanted).then_some(at)
    }

    /// One was taken; it can be written once all that it tells is on disk.
    pub(in crate::shard) fn taken(&mut self, now: Duration, octets: u64, taken: Checkpoint) {
        self.wanted = false;
        self.last = (now, octets);
        self.stage = Stage::Early(Box::new(taken));
    }

    /// What records up to this one tell is on disk, with what was filed for them. Gives the checkpoint
    /// when it can be written now: what is to be known of the files is added to it.
    pub(in crate::shard) fn handle_written(&mut self, written: Lsn) -> Option<&mut Checkpoint> {
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Early(taken) if taken.lsn <= written => self.stage = Stage::Ready(taken),
            stage @ (Stage::Idle | Stage::Early(_) | Stage::Ready(_) | Stage::Writing) => {
                self.stage = stage;
                return None;
            }
        }
        match &mut self.stage {
            Stage::Ready(taken) => Some(&mut **taken),
            Stage::Idle | Stage::Early(_) | Stage::Writing => None,
        }
    }

    /// The checkpoint to be written by a helper thread.
    pub(in crate::shard) fn poll_chore(&mut self) -> Option<CheckpointChore> {
        let Stage::Ready(taken) = &self.stage else { return None };
        let chore = CheckpointChore { number: self.next, bytes: taken.write() };
        self.stage = Stage::Writing;
        Some(chore)
    }

    /// It was written, or not: then another one is taken after a while.
    pub(in crate::shard) fn handle_chore(&mut self, now: Duration, written: bool) {
        self.stage = Stage::Idle;
        if written {
            self.next += 1;
        } else {
            self.wanted = true;
            self.held_until = now + limits::CHECKPOINT_RETRY;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use postrider_storage::{Position, SegmentId};

    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn taken(lsn: u64) -> Checkpoint {
        Checkpoint::new(0, Lsn(lsn), Position { segment: SegmentId(1), offset: 0 }, 1, 1)
    }

    #[test]
    fn one_is_due_after_so_long_or_so_many_octets_but_never_for_nothing() {
        let pace = Pace::new(1, S);
        assert!(!pace.is_due(S + limits::CHECKPOINT_EVERY, 0));
        assert_eq!(pace.poll_timeout(0), None);
        assert!(!pace.is_due(2 * S, 1));
        assert_eq!(pace.poll_timeout(1), Some(S + limits::CHECKPOINT_EVERY));
        assert!(pace.is_due(S + limits::CHECKPOINT_EVERY, 1));
        assert!(!pace.is_due(S, limits::CHECKPOINT_BYTES - 1));
        assert!(pace.is_due(S, limits::CHECKPOINT_BYTES));
    }

    #[test]
    fn one_is_written_once_all_that_it_tells_is_on_disk() {
        let mut pace = Pace::new(7, S);
        pace.soon();
        assert!(pace.is_due(S, 0));
        pace.taken(S, 100, taken(9));
        assert!(!pace.is_due(S + limits::CHECKPOINT_EVERY, 200), "one is under way");
        assert!(pace.handle_written(Lsn(8)).is_none() && pace.poll_chore().is_none());
        assert!(pace.handle_written(Lsn(9)).is_some(), "it can be written");
        assert!(pace.handle_written(Lsn(9)).is_none(), "it can already");
        assert_eq!(pace.poll_chore().unwrap().number, 7);
        assert!(pace.poll_chore().is_none() && !pace.is_idle());
        pace.handle_chore(2 * S, true);
        assert!(pace.is_idle() && !pace.is_due(2 * S, 100));
        assert_eq!(pace.next, 8);
    }

    #[test]
    fn one_that_could_not_be_written_is_tried_again_after_a_while() {
        let mut pace = Pace::new(7, S);
        pace.taken(S, 100, taken(9));
        assert!(pace.handle_written(Lsn(9)).is_some() && pace.poll_chore().is_some());
        pace.handle_chore(2 * S, false);
        let again = 2 * S + limits::CHECKPOINT_RETRY;
        assert!(!pace.is_due(3 * S, 100) && pace.is_held(3 * S));
        assert_eq!(pace.poll_timeout(100), Some(again));
        assert!(pace.is_due(again, 100) && !pace.is_held(again));
        assert_eq!(pace.next, 7);
    }
}
