//! The configuration file of a simulated world: it changes, and the running process goes by it, one shard
//! after the other. Part of the world.

use std::sync::Arc;
use std::time::Duration;

use postrider_core::config::Followed;
use postrider_shards::shard::Shared;

use super::happening::Happening;
use super::process::Step;
use super::setup::{File, binds_of, numbers};
use super::world::World;

/// When the file says again what it said at first: what is left over then comes to its end.
const LAST: Duration = Duration::from_secs(45);

impl World {
    /// In some worlds the file changes again and again.
    pub(super) fn plan_reloads(&mut self) {
        if self.seed % 4 != 3 && !self.seed.is_multiple_of(7) {
            return;
        }
        for _ in 0..2 + self.rng.below(12) {
            let at = self.now + Duration::from_millis(500 + self.rng.below(40_000));
            let file = File::any(&mut self.rng);
            self.at(at, Happening::NewFile(file));
        }
        self.at(self.now + LAST, Happening::NewFile(File::FIRST));
    }

    /// A process that does not run finds it at its start.
    pub(super) fn new_file(&mut self, file: File) {
        if self.agenda.values().any(|what| matches!(what, Happening::Config { .. })) {
            // One after the other.
            self.at(self.now + Duration::from_millis(10), Happening::NewFile(file));
            return;
        }
        self.file = file;
        self.file_changed = true;
        if self.shards.is_empty() {
            return;
        }
        let shared = Arc::new(self.next_shared(file));
        self.shared = Arc::clone(&shared);
        self.reloads += 1;
        for shard in 0..self.shards.len() {
            self.soon(5_000, Happening::Config { shard, shared: Arc::clone(&shared) });
        }
    }

    fn next_shared(&self, file: File) -> Shared {
        let before = &self.shared.config;
        let next = file.config(self.seed, self.shared.placement.shards());
        let Followed { config, waiting, .. } = next.follow(before).unwrap();
        assert_eq!(waiting, [""; 0], "the files differ in what a reload takes over");
        let numbers = numbers(&config);
        self.shared.next(config, numbers)
    }

    pub(super) fn go_by(&mut self, shard: usize, shared: Arc<Shared>) {
        let binds = binds_of(&shared, shard);
        let now = self.clock();
        self.shards[shard].handle_config(now, shared, &binds);
        self.drive_after(shard, Step::TookConfig);
    }
}
