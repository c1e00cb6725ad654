//! A file of a run as the first release that has them wrote it: it stays readable, and as long as its
//! format is the same today's bytes are the same. Tests only.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "common/runs.rs"]
mod house;

use std::path::PathBuf;
use std::time::Duration;

use house::House;
use postrider_storage::runs::{Row, RunConfig, RunSet, RunState};
use postrider_storage::search::run;
use postrider_storage::{Disk as _, IndexKind, Lsn, MemDisk, SideFile};

const FILE: SideFile = SideFile::Run(IndexKind::Receipts, 1);
/// More than a page, with a first key that crosses into the second.
const ROWS: u64 = 180;

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/run-receipts-format-1.idx")
}

fn config() -> RunConfig {
    RunConfig {
        memory_rows: 1_000,
        merge_after: Duration::from_secs(3_600),
        runs: 8,
        slice_rows: 1_000,
    }
}

fn row(n: u64) -> Row {
    let k1 = if (165..175).contains(&n) { 165 << 40 } else { n << 40 | n };
    Row { k1, k2: n << 8 | 1, v: n << 28 | 64 }
}

fn written_today() -> Vec<u8> {
    let mut house = House::new(IndexKind::Receipts, config());
    for n in 1..=ROWS {
        let Row { k1, k2, v } = row(n);
        house.put(k1, k2, v);
    }
    house.set.flush();
    house.settle();
    house.disk.side_bytes(FILE).unwrap().to_vec()
}

#[test]
fn this_release_writes_exactly_the_golden_bytes() {
    let today = written_today();
    if std::env::var_os("POSTRIDER_WRITE_GOLDEN").is_some() {
        std::fs::write(golden(), &today).unwrap();
    }
    let golden = std::fs::read(golden()).unwrap();
    assert!(
        golden == today,
        "the bytes changed: that is another format, or another filter version"
    );
}

#[test]
fn the_golden_run_is_read() {
    let bytes = std::fs::read(golden()).unwrap();
    let mut disk = MemDisk::new();
    disk.write_side(FILE, &mut |_, out| {
        out.extend_from_slice(&bytes);
        Ok(false)
    })
    .unwrap();
    let (kind, state) = (IndexKind::Receipts, RunState::default());
    let (set, damaged) = RunSet::open(&mut disk, kind, config(), state, Duration::ZERO).unwrap();
    assert_eq!((damaged, set.covered()), (vec![], Lsn(ROWS)));
    for n in 1..=ROWS {
        assert!(run(set.lookup(row(n).k1), &mut disk).unwrap().contains(&row(n)), "row {n}");
    }
}
