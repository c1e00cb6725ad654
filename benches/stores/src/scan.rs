//! A restart: every batch of a log read, checked and decoded. One process.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use postrider_storage::io::FileDisk;
use postrider_storage::{Record, Replayed};

use crate::log::config;
use crate::meter::now;
use crate::workload::FIRST_MS;

/// Opens the log in `dir`, first from the disk, then from memory. Prints records, MiB, and for each of both
/// records and MiB a second.
pub fn run(dir: &Path) -> Result<String> {
    let mut bytes = 0;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        bytes += std::fs::metadata(&path)?.len();
        files.push(path);
    }
    for path in &files {
        // Synced long ago, so nothing keeps its pages.
        let file = std::fs::File::open(path)?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    let mib = bytes as f64 / f64::from(1 << 20);
    let ready = u32::try_from(files.len())?;
    let mut line = String::new();
    for _ in 0..2 {
        let began = now();
        let mut records = 0;
        let mut count = |replayed: Replayed<'_>| {
            records += u64::from(!matches!(replayed.record, Record::Mark { .. }));
        };
        let mut disk = FileDisk::new(dir, true);
        postrider_storage::Log::open(
            &mut disk,
            config(ready),
            Duration::ZERO,
            FIRST_MS,
            &mut count,
        )?;
        let seconds = (now() - began).as_secs_f64();
        if line.is_empty() {
            line = format!("{records} {mib:.0}");
        }
        line += &format!(" {:.0} {:.0}", records as f64 / seconds, mib / seconds);
    }
    Ok(line)
}
