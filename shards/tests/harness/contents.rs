//! The disk of a shard's log of contents, which has always just finished. Test code, pure.

#![allow(dead_code, reason = "each test file uses its part")]

use postrider_core::clock::Now;
use postrider_shards::shard::{Contents, ContentsConfig, Shard};
use postrider_storage::{Disk as _, MemDisk};

/// See the module.
#[derive(Default)]
pub(crate) struct ContentDisk(pub(crate) MemDisk);

/// Segments of a quarter of a mebioctet, sixteen of them.
pub(crate) fn content_config(shard: u16) -> ContentsConfig {
    ContentsConfig {
        shard,
        segment_bytes: 256 << 10,
        max_segments: 16,
        max_batch: 256 << 10,
        octets: 1 << 20,
        prepare: false,
    }
}

impl ContentDisk {
    /// Opens what is on it.
    pub(crate) fn open(&mut self, shard: u16, now: Now) -> Contents {
        Contents::open(&mut self.0, content_config(shard), now).unwrap().0
    }

    /// Does what the shard asks; returns whether it asked for something.
    pub(crate) fn turn(&mut self, shard: &mut Shard, now: Now) -> bool {
        let mut busy = false;
        while let Some(chore) = shard.poll_content_chore() {
            busy = true;
            let result = chore.run(&mut self.0, shard.content_segment_bytes());
            shard.handle_content_chore(now, chore, result);
        }
        while let Some(write) = shard.poll_content_write(now) {
            busy = true;
            self.0.begin_write(&write);
            let result = self.0.complete_write();
            shard.handle_content_written(now, write, result);
        }
        busy
    }

    /// Whether these octets are anywhere on it.
    pub(crate) fn holds(&mut self, octets: &[u8]) -> bool {
        holds(&mut self.0, octets)
    }
}

/// Whether these octets are in a segment of a disk.
pub(crate) fn holds(disk: &mut MemDisk, octets: &[u8]) -> bool {
    let files = disk.list().unwrap();
    files.iter().any(|file| {
        let bytes = disk.bytes(file.id).unwrap_or_default();
        // Most of a segment are the zeros at its end.
        let end = bytes.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
        bytes[..end].windows(octets.len()).any(|found| found == octets)
    })
}
