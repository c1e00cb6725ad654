//! What a measurement took: time, processor time of the whole process, bytes sent to the disk. One per
//! measurement.

use std::ops::AddAssign;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};

/// The counters when a measurement began.
pub struct Meter {
    began: Duration,
    cpu: Duration,
    written: u64,
}

/// What was used since.
#[derive(Default)]
pub struct Used {
    /// Time.
    pub wall: Duration,
    /// Processor time of every thread of the process, the kernel's share of it included.
    pub cpu: Duration,
    /// Bytes that the process sent to the disk. Pages of files count when they become dirty.
    pub written: u64,
}

impl Meter {
    /// Begins now.
    pub fn start() -> Result<Self> {
        Ok(Self { written: written()?, cpu: cpu(), began: now() })
    }

    /// Ends now.
    pub fn stop(&self) -> Result<Used> {
        let wall = now() - self.began;
        Ok(Used { wall, cpu: cpu() - self.cpu, written: written()? - self.written })
    }
}

impl Used {
    /// How many of `count` a second.
    pub fn rate(&self, count: u64) -> f64 {
        count as f64 / self.wall.as_secs_f64()
    }

    /// Processor time of each of `count`, microseconds.
    pub fn cpu_us(&self, count: u64) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / count as f64
    }
}

impl AddAssign for Used {
    fn add_assign(&mut self, more: Self) {
        self.wall += more.wall;
        self.cpu += more.cpu;
        self.written += more.written;
    }
}

/// The `percent`th of a hundred parts of `times`, microseconds.
pub fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

/// Time since an arbitrary start.
pub fn now() -> Duration {
    read(ClockId::Monotonic)
}

fn cpu() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn written() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/io").context("reading /proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.context("/proc/self/io has no write_bytes")?.parse()?)
}
