//! What this machine allows: read once by whoever plans or checks, lives nowhere.

use std::collections::BTreeSet;

use compio::driver::{DriverType, ProactorBuilder};
use rustix::{
    process::{Resource, Rlimit, getpid, getrlimit, setrlimit},
    thread::{CpuSet, sched_getaffinity},
};

/// Locked memory that one ring of 1,024 entries is charged, octets (measured on Linux 6.18).
const MEMLOCK_PER_1024_ENTRIES: u64 = 107 * 1024;

/// `CAP_IPC_LOCK`: with it the kernel charges no ring.
const CAP_IPC_LOCK: u32 = 14;

/// What the operating system allows this process.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Kernel release, as `uname -r` prints it.
    pub kernel: String,
    /// RLIMIT_MEMLOCK in force, octets; `u64::MAX` is no limit.
    pub memlock_soft: u64,
    /// RLIMIT_MEMLOCK up to which this process may raise itself, octets.
    pub memlock_hard: u64,
    /// Whether an io_uring can be made, else why not and what to do.
    pub uring_available: Result<(), String>,
    /// The CPUs that this process may run on, ascending.
    pub cpus: Vec<usize>,
}

/// Asks the operating system. Makes and drops one small ring.
#[must_use]
pub fn facts() -> Facts {
    let (memlock_soft, memlock_hard) = memlock();
    Facts {
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        memlock_soft,
        memlock_hard,
        uring_available: probe_uring(),
        cpus: process_cpus().into_iter().collect(),
    }
}

/// Raises the soft limit of locked memory to the hard one. Returns the limit now in force, octets.
pub fn raise_memlock() -> u64 {
    let now = getrlimit(Resource::Memlock);
    if now.current != now.maximum {
        let wanted = Rlimit { current: now.maximum, maximum: now.maximum };
        // Refused: the old limit stays, and the caller sees it in what is returned.
        setrlimit(Resource::Memlock, wanted).ok();
    }
    memlock().0
}

/// Locked memory that a ring of `entries` is charged, octets.
#[must_use]
pub fn memlock_per_ring(entries: u32) -> u64 {
    u64::from(entries.max(1)).div_ceil(1024) * MEMLOCK_PER_1024_ENTRIES
}

/// Soft and hard RLIMIT_MEMLOCK, octets.
pub(super) fn memlock() -> (u64, u64) {
    let limit = getrlimit(Resource::Memlock);
    (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX))
}

/// Whether rings are charged to this process at all.
pub(super) fn memlock_is_charged() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    bits & (1 << CAP_IPC_LOCK) == 0
}

/// The CPUs that the process's first thread may run on: shards pin themselves, it does not.
pub(super) fn process_cpus() -> BTreeSet<usize> {
    sched_getaffinity(Some(getpid())).map(|set| members(&set)).unwrap_or_default()
}

/// The CPUs that the calling thread may run on.
pub(super) fn thread_cpus() -> BTreeSet<usize> {
    sched_getaffinity(None).map(|set| members(&set)).unwrap_or_default()
}

fn members(set: &CpuSet) -> BTreeSet<usize> {
    (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
}

fn probe_uring() -> Result<(), String> {
    let mut probe = ProactorBuilder::new();
    probe.driver_type(DriverType::IoUring).capacity(8).thread_pool_limit(1);
    match probe.build() {
        Ok(_) => Ok(()),
        Err(error) => Err(uring_remedy(&error)),
    }
}

/// Why a ring could not be made, in words that say what to do.
pub(super) fn uring_remedy(error: &std::io::Error) -> String {
    let remedy = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            "the kernel or a seccomp profile refuses io_uring: set kernel.io_uring_disabled=0, or \
             give the container a seccomp profile that allows io_uring_setup, io_uring_enter and \
             io_uring_register"
        }
        Some(libc::ENOSYS | libc::EINVAL) => {
            "the kernel does not know the io_uring asked for: run Linux 5.19 or later"
        }
        Some(libc::ENOMEM) => {
            "no locked memory is left for the ring: raise LimitMEMLOCK of the service, or \
             `--ulimit memlock=-1` of the container"
        }
        Some(libc::EMFILE | libc::ENFILE) => {
            "no file descriptor is left for the ring: raise LimitNOFILE"
        }
        _ => "see the kernel's error",
    };
    format!("{remedy} ({error})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_this_machine() {
        let facts = facts();
        assert!(facts.kernel.starts_with(|c: char| c.is_ascii_digit()), "{}", facts.kernel);
        assert!(facts.memlock_soft <= facts.memlock_hard);
        assert!(!facts.cpus.is_empty());
        assert!(facts.cpus.is_sorted());
    }

    #[test]
    fn a_ring_is_charged_by_started_1024_entries() {
        assert_eq!(memlock_per_ring(1), 107 * 1024);
        assert_eq!(memlock_per_ring(1024), 107 * 1024);
        assert_eq!(memlock_per_ring(1025), 2 * 107 * 1024);
    }

    #[test]
    fn raising_locked_memory_ends_at_the_hard_limit() {
        let hard = memlock().1;
        assert_eq!(raise_memlock(), hard);
    }

    #[test]
    fn each_refusal_of_the_kernel_has_a_remedy() {
        for (errno, word) in
            [(libc::EPERM, "seccomp"), (libc::ENOMEM, "LimitMEMLOCK"), (libc::ENOSYS, "5.19")]
        {
            let remedy = uring_remedy(&std::io::Error::from_raw_os_error(errno));
            assert!(remedy.contains(word), "{remedy}");
        }
    }
}
