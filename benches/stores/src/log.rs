//! Our log on real files: the machine, its chores done ahead, and its one write at a time through the runtime
//! of a shard. One per process.

use std::collections::HashSet;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use compio::driver::ProactorBuilder;
use compio::runtime::{Runtime, RuntimeBuilder};
use postrider_storage::io::{FileDisk, LogFile, probe};
use postrider_storage::{LogConfig, Record, Urgency};

use crate::messages::Engine;
use crate::meter::now;
use crate::workload::{DELIVERED, FIRST_MS, SUBMITTED, accepted, carrier_id, event};

/// Bytes of a segment, as usual.
const SEGMENT_BYTES: u64 = 64 << 20;

/// Bytes that may wait behind the write in flight: the largest batch.
const WAITING_BYTES: usize = 1 << 20;

/// The settings of a usual log that has `ready` segments made ahead.
pub fn config(ready: u32) -> LogConfig {
    LogConfig {
        shard: 0,
        segment_bytes: SEGMENT_BYTES,
        max_segments: ready + 1,
        spare_segments: ready,
        preferred_batch: 64 << 10,
        max_batch: 1 << 20,
        lazy: Duration::from_millis(2),
    }
}

/// The log of one shard and the runtime that carries its writes.
pub struct Log {
    log: postrider_storage::Log,
    file: LogFile,
    runtime: Runtime,
}

impl Log {
    /// A new log in `dir` with room for `bytes` in segments that are written already, as recycled ones are.
    pub fn open(dir: &Path, bytes: u64) -> Result<Self> {
        let ready = u32::try_from(bytes / SEGMENT_BYTES + 2)?;
        let config = config(ready);
        let direct = probe(dir)?.direct;
        ensure!(direct, "{} cannot do O_DIRECT; choose another directory", dir.display());
        let mut disk = FileDisk::new(dir, direct);
        let opened = postrider_storage::Log::open(&mut disk, config, now(), FIRST_MS, &mut |_| {});
        let (mut log, _) = opened?;
        while let Some(chore) = log.poll_chore() {
            let done = chore.run(&mut disk, SEGMENT_BYTES);
            log.handle_chore(chore, done);
        }
        ensure!(log.poisoned().is_none() && !log.full(), "the segments cannot be made");
        let runtime = runtime()?;
        let file = runtime.block_on(LogFile::open(dir, log.head_segment(), direct))?;
        Ok(Self { log, file, runtime })
    }

    /// Appends a record.
    pub fn append(&mut self, record: &Record<'_>, urgency: Urgency) {
        self.log.append(record, urgency, now());
    }

    /// Writes everything that somebody waits for, one write after the other.
    pub fn write_all(&mut self) -> Result<()> {
        while let Some(write) = self.log.poll_write(now()) {
            let (write, result) = self.runtime.block_on(self.file.write(write));
            self.log.handle_written(now(), write, result);
        }
        self.check()
    }

    /// Appends what `next` gives while the write before it is under way, until there is no more and all of it
    /// is on the disk.
    pub fn stream<'r>(&mut self, mut next: impl FnMut() -> Option<Record<'r>>) -> Result<()> {
        /// Records between two looks at the write in flight.
        const STEP: usize = 64;
        let Self { log, file, runtime } = self;
        let mut fill = |log: &mut postrider_storage::Log| {
            if log.pending_bytes() >= WAITING_BYTES {
                return false;
            }
            let at = now();
            let records = std::iter::from_fn(&mut next).take(STEP);
            records.map(|record| log.append(&record, Urgency::Waited, at)).count() == STEP
        };
        runtime.block_on(async {
            while fill(log) {}
            while let Some(write) = log.poll_write(now()) {
                let mut writing = pin!(file.write(write));
                let (write, result) = loop {
                    if let Some(done) = poll_once(writing.as_mut()).await {
                        break done;
                    }
                    if fill(log) {
                        yield_now().await;
                    } else {
                        break writing.await;
                    }
                };
                log.handle_written(now(), write, result);
                fill(log);
            }
        });
        self.check()
    }

    fn check(&self) -> Result<()> {
        if let Some(error) = self.log.poisoned() {
            bail!("{error}");
        }
        ensure!(!self.log.starved(), "a segment is missing");
        Ok(())
    }
}

impl Engine for Log {
    fn begin(&mut self) -> Result<()> {
        Ok(())
    }

    fn accepted(&mut self, sequence: u64) -> Result<()> {
        self.append(&accepted(sequence), Urgency::Waited);
        Ok(())
    }

    fn submitted(&mut self, sequence: u64) -> Result<()> {
        let detail = carrier_id(sequence);
        self.append(&event(sequence, SUBMITTED, detail.as_bytes()), Urgency::Lazy);
        Ok(())
    }

    fn delivered(&mut self, sequence: u64) -> Result<()> {
        self.append(&event(sequence, DELIVERED, b""), Urgency::Waited);
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        self.write_all()
    }

    fn stored(&mut self) -> Result<u64> {
        ensure!(self.log.durable().0 + 1 == self.log.next_lsn().0, "not everything is durable");
        Ok(self.log.next_sequence() - 1)
    }
}

/// A shard's runtime: io_uring, pinned to the CPU it is on.
fn runtime() -> Result<Runtime> {
    let mut proactor = ProactorBuilder::new();
    proactor.capacity(1_024).coop_taskrun(true).taskrun_flag(true);
    let mut builder = RuntimeBuilder::new();
    builder.with_proactor(proactor).thread_affinity(HashSet::from([0]));
    builder.build().context("building the runtime")
}

/// The future's output, if it has one now.
async fn poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|context| match pin!(&mut future).poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Lets the runtime look at its ring.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
