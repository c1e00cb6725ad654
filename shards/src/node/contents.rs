//! The driver of the log of contents that are not kept: its one writer, and its chores on a helper
//! thread. Part of the shard's node.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Result;
use postrider_core::clock::Now;
use postrider_core::config::CustomerConfig;
use postrider_core::content::Retention;
use postrider_core::place::ShardId;
use postrider_storage::io::{FileDisk, contents_dir};

use super::{LogPlace, Node};
use crate::rt::{self, Notify};
use crate::shard::{Contents, ContentsConfig, Shard, Shared};

/// What wakes the two tasks.
#[derive(Default)]
pub(super) struct Wakes {
    pub(super) write: Notify,
    pub(super) chore: Notify,
}

/// A shard's log of contents as it was opened, and where it lies.
pub struct OwnContents {
    contents: Option<Contents>,
    disk: FileDisk,
    dir: PathBuf,
    direct: bool,
    report: String,
}

impl OwnContents {
    /// Opens it, in the directory of the shard.
    ///
    /// # Errors
    /// When it cannot be read or is corrupt.
    pub fn open(id: ShardId, shared: &Shared, shard_dir: &Path, now: Now) -> Result<Self> {
        let direct = shared.config.store.direct;
        let dir = contents_dir(shard_dir);
        let mut disk = FileDisk::new(&dir, direct);
        let discards = |customer: &CustomerConfig| customer.content_retention == Retention::Discard;
        let prepare = shared.config.customers.iter().any(discards);
        let config = ContentsConfig::usual(id.0, prepare);
        let (contents, recovery) = Contents::open(&mut disk, config, now)?;
        let mut report = String::new();
        for (file, offset, why) in &recovery.quarantined {
            report.push_str(&format!("; contents/{file} is damaged at byte {offset} ({why})"));
        }
        Ok(OwnContents { contents: Some(contents), disk, dir, direct, report })
    }

    /// The machine, for the shard.
    ///
    /// # Panics
    /// When it was taken before.
    pub fn take(&mut self) -> Contents {
        let Some(contents) = self.contents.take() else {
            panic!("a shard has one log of contents")
        };
        contents
    }

    /// What an operator is told of it: damage, else nothing.
    #[must_use]
    pub fn report(&self) -> &str {
        &self.report
    }

    /// Makes the segments for the first contents, before anybody waits for them.
    pub fn prepare(&mut self, shard: &mut Shard, now: Now) {
        while let Some(chore) = shard.poll_content_chore() {
            let result = chore.run(&mut self.disk, shard.content_segment_bytes());
            let failed = result.is_err();
            shard.handle_content_chore(now, chore, result);
            if failed {
                break;
            }
        }
    }
}

impl Node {
    /// Starts the tasks of the log of contents.
    pub fn start_contents(self: &Rc<Self>, own: OwnContents) {
        let place = LogPlace { dir: own.dir, direct: own.direct };
        rt::spawn(Rc::clone(self).write_contents(place));
        rt::spawn(Rc::clone(self).do_content_chores(own.disk));
    }

    /// The one writer of the log of contents.
    async fn write_contents(self: Rc<Self>, place: LogPlace) {
        let mut file = None;
        loop {
            let write = {
                let now = self.now();
                self.shard.borrow_mut().poll_content_write(now)
            };
            let Some(write) = write else {
                // It may wait for its segment.
                self.contents.chore.notify_one();
                self.contents.write.notified().await;
                continue;
            };
            let (write, result) = place.write(&mut file, write).await;
            self.with(|shard, now| shard.handle_content_written(now, write, result));
            self.stop_if_poisoned();
            self.contents.chore.notify_one();
        }
    }

    /// Does the slow work on its files on a helper thread.
    async fn do_content_chores(self: Rc<Self>, disk: FileDisk) {
        let mut disk = disk;
        loop {
            let (chore, octets) = {
                let mut shard = self.shard.borrow_mut();
                (shard.poll_content_chore(), shard.content_segment_bytes())
            };
            let Some(chore) = chore else {
                self.contents.chore.notified().await;
                continue;
            };
            let (own, result) = rt::blocking(move || {
                let result = chore.run(&mut disk, octets);
                (disk, result)
            })
            .await;
            disk = own;
            self.with(|shard, now| shard.handle_content_chore(now, chore, result));
            self.stop_if_poisoned();
        }
    }
}
