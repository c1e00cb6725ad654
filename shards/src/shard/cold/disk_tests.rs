//! A set of runs over a disk in memory, for the tests of what is built on it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use postrider_storage::runs::{RunConfig, RunSet, RunState};
use postrider_storage::search::run;
use postrider_storage::{IndexKind, Lsn, MemDisk, Search};

/// See the module's page.
pub(super) struct Shelf {
    pub(super) runs: RunSet,
    disk: MemDisk,
    now: Duration,
    kind: IndexKind,
    config: RunConfig,
}

impl Shelf {
    pub(super) fn new(kind: IndexKind, memory_rows: usize) -> Self {
        let merge_after = Duration::from_secs(3_600);
        let config = RunConfig { memory_rows, merge_after, runs: 3, slice_rows: 1_000 };
        let mut disk = MemDisk::new();
        let known = RunState::default();
        let now = Duration::ZERO;
        let (runs, _) = RunSet::open(&mut disk, kind, config.clone(), known, now).unwrap();
        Shelf { runs, disk, now, kind, config }
    }

    /// Writes what memory holds and merges what may be, an hour later.
    pub(super) fn work(&mut self) {
        self.now += Duration::from_secs(4_000);
        self.runs.flush();
        while let Some(chore) = self.runs.poll_chore(self.now, Lsn(1), Lsn(1)) {
            let done = chore.run(&mut self.disk);
            self.runs.handle_chore(self.now, done);
        }
    }

    /// The process ends after everything was written, and starts again.
    pub(super) fn restart(&mut self) {
        self.work();
        let (config, known) = (self.config.clone(), self.runs.state());
        let opened = RunSet::open(&mut self.disk, self.kind, config, known, self.now);
        self.runs = opened.unwrap().0;
    }

    pub(super) fn find<S: Search>(&mut self, search: S) -> S::Found {
        run(search, &mut self.disk).unwrap()
    }

    /// The same, and the number of reads that it took.
    pub(super) fn counted<S: Search>(&mut self, mut search: S) -> (S::Found, usize) {
        use postrider_storage::{Disk, FileRef, Step};
        let (mut bytes, mut reads) = (Vec::new(), 0);
        let mut step = search.next(None);
        loop {
            let ask = match step {
                Step::Done(found) => return (found.unwrap(), reads),
                Step::Read(ask) => ask,
            };
            let FileRef::Side(file) = ask.file else { panic!("{ask:?}") };
            bytes.resize(ask.len.try_into().unwrap(), 0);
            let read = self.disk.read_side(file, ask.offset, &mut bytes).unwrap();
            bytes.truncate(read);
            reads += 1;
            step = search.next(Some(&bytes));
        }
    }
}
