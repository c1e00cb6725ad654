//! Searches driven one after the other find what each finds alone, with fewer reads.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use postrider_storage::search::{self, InOrder};
use postrider_storage::{Ask, Disk, MemDisk, Search, SegmentId, Step};
use proptest::prelude::*;

const BYTES: u64 = 2 << 20;

/// Reads one place.
#[derive(Clone, Copy)]
struct One(Ask);

impl Search for One {
    type Found = Vec<u8>;

    fn next(&mut self, answer: Option<&[u8]>) -> Step<Vec<u8>> {
        answer.map_or(Step::Read(self.0), |bytes| Step::Done(Ok(bytes.to_vec())))
    }
}

/// Two segments whose bytes tell their place.
fn disk() -> MemDisk {
    let mut disk = MemDisk::new();
    for segment in [1, 2].map(SegmentId) {
        disk.create_zeroed(segment, BYTES).unwrap();
        let bytes: Vec<u8> =
            (0..BYTES / 8).flat_map(|at| (segment.0 << 32 | at).to_le_bytes()).collect();
        disk.write_sync(segment, 0, &bytes).unwrap();
    }
    disk
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_ahead_is_what_would_have_been_read(
        reads in prop::collection::vec((1..=2u64, 0..BYTES + 5_000, 0..400_000u32), 1..40),
        in_order in any::<bool>(),
    ) {
        let mut disk = disk();
        let mut reads = reads;
        if in_order {
            reads.sort_unstable();
        }
        let mut together = InOrder::default();
        for (segment, offset, len) in reads {
            let one = One(Ask::segment(SegmentId(segment), offset, len));
            let found = together.run(one, &mut disk).unwrap();
            prop_assert_eq!(found, search::run(one, &mut disk).unwrap());
        }
    }
}

#[test]
fn a_file_that_is_gone_is_gone_however_it_is_read() {
    let mut together = InOrder::default();
    let one = One(Ask::segment(SegmentId(9), 0, 8));
    let alone = search::run(one, &mut disk()).unwrap_err();
    assert_eq!(together.run(one, &mut disk()).unwrap_err(), alone);
}

#[test]
fn records_near_each_other_take_few_reads() {
    let mut disk = disk();
    let before = disk.operations();
    let mut together = InOrder::default();
    for at in 0..4_000 {
        let one = One(Ask::segment(SegmentId(1), at * 500, 1_024));
        together.run(one, &mut disk).unwrap();
    }
    let reads = disk.operations() - before;
    assert!(reads <= 10, "{reads} reads of two mebioctets");
}
