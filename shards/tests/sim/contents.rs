//! The disks of contents that are not kept, and what must hold of texts in worlds whose customer has
//! them discarded. Part of the world.

use postrider_core::content::Retention;
use postrider_shards::shard::Contents;
use postrider_storage::{Chore, Write};

use super::happening::Happening;
use super::process::Step;
use super::world::World;
use crate::content_disk::{content_config, holds};

/// Whether the texts of this seed's customer are discarded.
pub fn retention(seed: u64) -> Retention {
    if seed % 4 == 3 { Retention::Discard } else { Retention::Keep }
}

/// Whether a message of another customer asks for that itself.
pub fn asks_to_discard(seed: u64, index: usize) -> bool {
    seed % 4 == 2 && index.is_multiple_of(2)
}

impl World {
    /// Opens the contents of a shard from what is on their disk.
    pub(super) fn open_contents(&mut self, shard: u16) -> Contents {
        let now = self.clock();
        let disk = &mut self.contents[usize::from(shard)].0;
        match Contents::open(disk, content_config(shard), now) {
            Ok((contents, _)) => contents,
            Err(error) => panic!("seed {}: contents of {shard} do not open: {error}", self.seed),
        }
    }

    /// Begins what a shard asks of its disk of contents; returns whether the process died.
    pub(super) fn drive_contents(&mut self, shard: usize) -> bool {
        let now = self.clock();
        if !self.contents[shard].1
            && let Some(write) = self.shards[shard].poll_content_write(now)
        {
            let (disk, writing) = &mut self.contents[shard];
            *writing = true;
            disk.begin_write(&write);
            self.soon(3_000, Happening::ContentWriteDone { shard, write });
            if self.dies(Step::BatchBegun) {
                return true;
            }
        }
        if let Some(chore) = self.shards[shard].poll_content_chore() {
            self.soon(5_000, Happening::ContentChoreDue { shard, chore });
        }
        false
    }

    pub(super) fn content_written(&mut self, shard: usize, write: Write) {
        let (disk, writing) = &mut self.contents[shard];
        disk.complete_write().unwrap();
        *writing = false;
        if !self.dies(Step::BatchWritten) {
            let now = self.clock();
            self.shards[shard].handle_content_written(now, write, Ok(()));
            self.drive_after(shard, Step::BatchKnown);
        }
    }

    pub(super) fn do_content_chore(&mut self, shard: usize, chore: Chore) {
        let octets = self.shards[shard].content_segment_bytes();
        let result = chore.run(&mut self.contents[shard].0, octets);
        if !self.dies(Step::ChoreDone) {
            let now = self.clock();
            self.shards[shard].handle_content_chore(now, chore, result);
            self.drive_after(shard, Step::ChoreKnown);
        }
    }

    /// Whether something is still to become of a message.
    pub fn has_open_messages(&self) -> bool {
        self.shards.iter().any(|shard| shard.open_messages() > 0)
    }

    /// What must hold of the texts that are not to be kept: the logs never had them, and no trace is
    /// left where they were.
    pub fn check_discarded(&mut self) -> Result<(), String> {
        let all = retention(self.seed) == Retention::Discard;
        for (index, submission) in self.submissions.iter().enumerate() {
            let text = submission.text.as_bytes();
            // Shorter ones could be anything.
            if !all && !asks_to_discard(self.seed, index) || text.len() < 12 {
                continue;
            }
            if all && self.disks.iter_mut().any(|disk| holds(disk, text)) {
                return Err(format!("text {index} is in a log of messages"));
            }
            if self.contents.iter_mut().any(|(disk, _)| holds(disk, text)) {
                return Err(format!("text {index} is still in a log of contents"));
            }
        }
        Ok(())
    }
}
