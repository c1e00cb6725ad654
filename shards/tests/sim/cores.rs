//! A start of a world's process with another number of shards. Part of the world.

use postrider_core::clock::Now;
use postrider_core::place::{Epoch, Placement};
use postrider_shards::shard::Shard;
use postrider_shards::shard::moving::{LogDisks, MoveError, move_open};
use postrider_storage::{Fault, LogIoErrorKind, MemDisk};

use super::setup::KEY;
use super::world::{SHARDS_MAX, World};
use crate::content_disk::content_config;

impl World {
    /// Gives the directory another number of shards before a start, in some worlds and now and then;
    /// `false`: the process died of it.
    pub(super) fn change_shards(&mut self, now: Now) -> bool {
        let alive = self.try_to_change(now);
        if alive {
            self.tidy();
        }
        alive
    }

    fn try_to_change(&mut self, now: Now) -> bool {
        if self.kills == 0 || !self.changes_shards() || self.rng.chance(30) {
            return true;
        }
        let placement = Placement::with_epochs(KEY, self.epochs.clone());
        let (before, after) = (placement.shards(), 1 + self.rng.below(SHARDS_MAX.into()) as u16);
        if before == after {
            return true;
        }
        let logs = before.max(after);
        if self.rng.chance(40) {
            let nth = 1 + self.rng.below(40);
            let fault = Fault { nth, forever: true, kind: LogIoErrorKind::Io };
            let log = self.rng.below(logs.into()) as usize;
            let contents = self.rng.chance(20);
            let disk = if contents { &mut self.contents[log].0 } else { &mut self.disks[log] };
            disk.plan_fault(Some(fault));
        }
        let take = |log: usize| LogDisks {
            messages: std::mem::take(&mut self.disks[log]),
            contents: std::mem::take(&mut self.contents[log].0),
        };
        let mut disks: Vec<_> = (0..usize::from(logs)).map(take).collect();
        let config = |log| (self.log_config(log), content_config(log));
        let moved = move_open(&mut disks, config, &placement, after, now);
        for (log, mut disks) in disks.into_iter().enumerate() {
            disks.messages.plan_fault(None);
            disks.contents.plan_fault(None);
            self.disks[log] = disks.messages;
            self.contents[log].0 = disks.contents;
        }
        // It may die right before the change counts, too.
        match moved {
            Ok(moved) if self.rng.chance(80) => {
                self.epochs.push(Epoch { number: moved.epoch, shards: after });
                self.resized = (self.resized.0 + 1, self.resized.1 + moved.messages);
            }
            Ok(_) | Err(MoveError::Io { .. } | MoveError::Open { .. }) => return false,
            // It goes on with as many as there were.
            Err(MoveError::NoRoom { .. } | MoveError::NoRoomForContents { .. }) => {}
            Err(error) => panic!("seed {}: {error}", self.seed),
        }
        true
    }

    /// Removes what nobody reads any more, as every start does.
    fn tidy(&mut self) {
        let (present, most) = (self.epochs.last().unwrap().shards, self.epochs.iter());
        let most = most.map(|epoch| epoch.shards).max().unwrap();
        for log in usize::from(present)..self.disks.len() {
            self.contents[log].0 = MemDisk::new();
            if log >= usize::from(most) {
                self.disks[log] = MemDisk::new();
            }
        }
    }

    pub(super) fn add_archives(&mut self, shard: &mut Shard) {
        for log in shard.logs_to_keep() {
            let config = self.log_config(log);
            shard.add_archive(&mut self.disks[usize::from(log)], &config).unwrap();
        }
    }
}
