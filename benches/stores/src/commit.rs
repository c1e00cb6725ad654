//! Group commit and the stream of one shard's events: our log, and the plain loop that bounds it. One process
//! for one of them.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use postrider_storage::{BLOCK, Blocks, Record, Urgency};
use rustix::fs::OFlags;

use crate::log::Log;
use crate::meter::{Meter, Used, now, percentile};
use crate::workload::{SUBMITTED, event};

/// Bytes of a batch.
const BATCH: usize = 64 << 10;
/// Bytes of an event's record.
const EVENT: usize = 200;
/// Events whose batch takes [`BATCH`] bytes with its header and padding, beside a segment's mark.
const EVENTS: u64 = 327;
/// What the carrier said, to fill an event's record.
const DETAIL: [u8; 160] = [b'7'; 160];

/// Batches of one method before the next has its turn: what else the machine does comes to all of them.
const SLICE: u64 = 32;

/// One way to make batches durable.
struct Method {
    /// Writes one batch and returns when it is on the disk.
    batch: Box<dyn FnMut() -> Result<()>>,
    used: Used,
    times: Vec<Duration>,
}

/// Writes `batches` batches of 64 KiB in each of three ways, a slice of each in turn, each batch on the disk
/// before the next: pwrite and fdatasync, the same with `O_DIRECT`, and our log. Prints for each, in this order,
/// batches a second, processor time of a batch and its median time, microseconds.
pub fn run(batches: u64, dir: &Path) -> Result<String> {
    ensure!(batches > 0 && batches.is_multiple_of(SLICE), "BATCHES is a multiple of {SLICE}");
    let own = dir.join("log");
    std::fs::create_dir(&own)?;
    let mut log = Log::open(&own, batches * BATCH as u64)?;
    let record = event_record();
    let append = move || {
        for _ in 0..EVENTS {
            log.append(&record, Urgency::Waited);
        }
        log.write_all()
    };
    let mut methods = [
        Method::new(plain(batches, &dir.join("plain"), OFlags::empty())?),
        Method::new(plain(batches, &dir.join("direct"), OFlags::DIRECT)?),
        Method::new(append),
    ];
    for _ in 0..batches / SLICE {
        for method in &mut methods {
            method.slice()?;
        }
    }
    let figures = methods.iter_mut().map(|method| {
        let used = &method.used;
        let median = percentile(&mut method.times, 50);
        format!("{:.0} {:.1} {median:.0}", used.rate(batches), used.cpu_us(batches))
    });
    Ok(figures.collect::<Vec<_>>().join(" "))
}

impl Method {
    fn new(batch: impl FnMut() -> Result<()> + 'static) -> Self {
        Self { batch: Box::new(batch), used: Used::default(), times: Vec::new() }
    }

    fn slice(&mut self) -> Result<()> {
        let meter = Meter::start()?;
        for _ in 0..SLICE {
            let began = now();
            (self.batch)()?;
            self.times.push(now() - began);
        }
        self.used += meter.stop()?;
        Ok(())
    }
}

/// pwrite and fdatasync, on a file that was written before.
fn plain(batches: u64, path: &Path, flags: OFlags) -> Result<impl FnMut() -> Result<()> + use<>> {
    let zeros = Blocks::zeroed(256);
    let file = File::create(path)?;
    for at in (0..batches * BATCH as u64).step_by(zeros.len()) {
        file.write_all_at(zeros.as_bytes(), at)?;
    }
    file.sync_all()?;
    let flags = i32::try_from(flags.bits())?;
    let file = OpenOptions::new().write(true).custom_flags(flags).open(path)?;
    let mut batch = Blocks::zeroed(BATCH / BLOCK);
    batch.as_bytes_mut().fill(b'7');
    let mut at = 0;
    Ok(move || {
        file.write_all_at(batch.as_bytes(), at)?;
        file.sync_data()?;
        at += BATCH as u64;
        Ok(())
    })
}

/// Appends `events` events of 200 bytes to one log in `dir`, each on the disk in the end, and each batch what
/// came while the one before was under way. Prints events a second, processor time of each in microseconds,
/// and bytes on the disk of each.
pub fn append(events: u64, dir: &Path) -> Result<String> {
    let mut log = Log::open(dir, events * EVENT as u64 * 11 / 10)?;
    let record = event_record();
    let mut left = events;
    let meter = Meter::start()?;
    log.stream(|| {
        left = left.checked_sub(1)?;
        Some(record)
    })?;
    let used = meter.stop()?;
    Ok(format!(
        "{:.0} {:.3} {:.1}",
        used.rate(events),
        used.cpu_us(events),
        used.written as f64 / events as f64
    ))
}

fn event_record() -> Record<'static> {
    let record = event(1, SUBMITTED, &DETAIL);
    assert_eq!(record.encoded_len(), EVENT, "an event of 200 bytes");
    record
}
