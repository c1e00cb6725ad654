//! Starts of a world's process that are looked at from outside: with the files beside the segments, and
//! from the segments alone, the same disks must give the same answers. Part of the world.

use std::sync::Arc;

use postrider_core::clock::Now;
use postrider_core::id::MessageId;
use postrider_core::lifecycle::PartStatus;
use postrider_core::place::ShardId;
use postrider_http::auth::CustomerIx;
use postrider_http::response::message_json;
use postrider_shards::shard::{ApiResponse, Contents, Op, Shard};
use postrider_storage::{Disk, MemDisk, SideFile};

use super::api::get;
use super::setup;
use super::world::{SHARDS_MAX, World};
use crate::content_disk::content_config;

/// The answer for a message that is not there.
const NONE: &str = "there is none";

impl World {
    /// What may have become of the files beside the segments while the process was down.
    pub(super) fn lose_side_files(&mut self) {
        for shard in 0..usize::from(SHARDS_MAX) {
            let files: Vec<SideFile> =
                self.disks[shard].list_side().unwrap().into_iter().map(|(file, _)| file).collect();
            if files.is_empty() || self.rng.chance(60) {
                continue;
            }
            let all = self.rng.chance(25);
            let some = self.rng.below(files.len() as u64) as usize;
            let disk = &mut self.disks[shard];
            for (at, file) in files.into_iter().enumerate() {
                let Some(bytes) = disk.side_bytes_mut(file).filter(|_| all || at == some) else {
                    continue;
                };
                match self.rng.below(4) {
                    // What is wrong inside of a register shows when it is read, not at the start.
                    0 if matches!(file, SideFile::Checkpoint(_)) => {
                        let at = self.rng.below(bytes.len() as u64) as usize;
                        bytes[at] ^= 1 << self.rng.below(8);
                    }
                    1 => bytes.truncate(bytes.len() / 2),
                    _ => disk.remove_side(file).unwrap(),
                }
            }
        }
    }

    /// Whether a start now finds the same as one that has nothing but the segments. Not under another
    /// configuration than the last one's: what that changes of a message is done at the start to those
    /// in memory, to the others when they are next looked at.
    pub(super) fn check_start(&mut self, now: Now) {
        if std::mem::take(&mut self.file_changed) {
            return;
        }
        let mut alone = self.disks.clone();
        for disk in &mut alone {
            for (file, _) in disk.list_side().unwrap() {
                disk.remove_side(file).unwrap();
            }
        }
        let ids: Vec<MessageId> = self.given.iter().map(|(_, id)| *id).collect();
        let without = self.answers(now, alone, &ids);
        self.compare(now, self.disks.clone(), (&ids, &without));
        self.starts_checked += 1;
        if !self.seed.is_multiple_of(50) {
            return;
        }
        // Without each of the files by itself.
        for shard in 0..usize::from(SHARDS_MAX) {
            for (file, _) in self.disks[shard].list_side().unwrap() {
                let mut disks = self.disks.clone();
                disks[shard].remove_side(file).unwrap();
                self.compare(now, disks, (&ids, &without));
                self.starts_checked += 1;
            }
        }
    }

    fn compare(&self, now: Now, disks: Vec<MemDisk>, (ids, expected): (&[MessageId], &[String])) {
        let found = self.answers(now, disks, ids);
        for ((id, found), expected) in ids.iter().zip(found).zip(expected) {
            // A segment that is to be given back is still there: a checkpoint knows of it, or a message
            // that is closed was read from it just before.
            let gone = found == NONE || (*expected == NONE && !is_open(&found));
            let released = gone && self.has_a_small_log();
            // One whose time is over, or that was erased, ends at the start when it is in memory, else
            // right after it.
            let ends = |open: &str, ended: &str| {
                let why = ["\"event\":\"expired\"", "\"detail\":\"erased\""];
                is_open(open) && why.iter().any(|why| ended.contains(why))
            };
            let ends = ends(&found, expected) || ends(expected, &found);
            self.check_shown("GET after a start", found.as_bytes());
            if !released && !ends {
                assert_eq!(found, *expected, "seed {}: {id}, {} kills", self.seed, self.kills);
            }
        }
    }

    /// What each of these messages is right after a start.
    fn answers(&self, now: Now, mut disks: Vec<MemDisk>, ids: &[MessageId]) -> Vec<String> {
        let shared = Arc::new(setup::shared(self.seed, &self.epochs, self.file));
        let mut shards: Vec<Shard> = Vec::new();
        for index in 0..shared.placement.shards() {
            let mut contents = self.contents[usize::from(index)].0.clone();
            let contents = Contents::open(&mut contents, content_config(index), now).unwrap().0;
            let (parts, log) = self.parts(&shared, index, contents);
            let (mut shard, _) =
                Shard::open(parts, &mut disks[usize::from(index)], log, now).unwrap();
            for log in shard.logs_to_keep() {
                let disk = &mut disks[usize::from(log)];
                shard.add_archive(disk, &self.log_config(log)).unwrap();
            }
            shards.push(shard);
        }
        ids.iter().map(|id| ask(&mut shards, &mut disks, now, *id)).collect()
    }
}

/// Whether an answer is of a message that is not final.
fn is_open(answer: &str) -> bool {
    let mut open = PartStatus::ALL.into_iter().filter(|status| !status.is_final());
    open.any(|status| answer.contains(&format!("\"status\":\"{}\",\"error_code\"", status.name())))
}

/// Asks shards that do nothing else.
fn ask(shards: &mut [Shard], disks: &mut [MemDisk], now: Now, id: MessageId) -> String {
    shards[0].handle_api(now, 1, CustomerIx(0), get(id));
    for own in (0..shards.len()).cycle() {
        while let Some(op) = shards[own].poll_op() {
            match op {
                Op::Answer { response: ApiResponse::Message(view), .. } => {
                    return String::from_utf8(message_json(&view)).unwrap();
                }
                Op::Answer { .. } => return NONE.to_owned(),
                Op::Read { token, log, ask } => {
                    let result = ask.read_from(&mut disks[usize::from(log)]);
                    shards[own].handle_read(now, token, result);
                }
                Op::Mesh { to, message } => {
                    let from = ShardId(u16::try_from(own).unwrap());
                    shards[usize::from(to.0)].handle_mesh(now, from, message);
                }
                _ => {}
            }
        }
    }
    unreachable!("there are shards")
}
