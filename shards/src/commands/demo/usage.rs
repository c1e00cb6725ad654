//! What the gateway's process used, as the kernel counts it.

use std::time::Duration;

use crate::rt;

/// Processor time and memory of this process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// User and system time of all threads.
    pub(super) cpu: Duration,
    /// Resident set, bytes: the peak so far.
    pub(super) resident: u64,
}

impl Usage {
    pub(super) fn now() -> Usage {
        Usage { cpu: rt::process_cpu(), resident: peak_resident().unwrap_or(0) }
    }

    /// The time used since `earlier`; the memory as it is now.
    pub(super) fn since(self, earlier: &Usage) -> Usage {
        Usage { cpu: self.cpu.saturating_sub(earlier.cpu), resident: self.resident }
    }
}

/// `VmHWM` of `/proc/self/status`, in bytes.
fn peak_resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1_024)
}
