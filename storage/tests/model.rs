//! Random appends, writes, chores, releases and crashes against a model. Tests only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Choices, config, content, encoded, open};
use postrider_storage::{Chore, Log, MemDisk, SegmentId, Urgency, Write};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    Append { size: usize, waited: bool },
    Tick,
    BeginWrite,
    EndWrite,
    BeginChore,
    EndChore,
    Release,
    Crash { seed: u64 },
}

fn op() -> impl Strategy<Value = Op> {
    let size = prop_oneof![4 => 0usize..600, 2 => 2_000usize..40_000, 1 => Just(130_000usize)];
    prop_oneof![
        6 => (size, any::<bool>()).prop_map(|(size, waited)| Op::Append { size, waited }),
        1 => Just(Op::Tick),
        5 => Just(Op::BeginWrite),
        5 => Just(Op::EndWrite),
        3 => Just(Op::BeginChore),
        3 => Just(Op::EndChore),
        1 => Just(Op::Release),
        1 => any::<u64>().prop_map(|seed| Op::Crash { seed }),
    ]
}

struct World {
    disk: MemDisk,
    log: Log,
    now: Duration,
    sequence: u64,
    write: Option<Write>,
    chore: Option<Chore>,
    /// Records by number: the segment each went to, and its content.
    model: BTreeMap<u64, (SegmentId, Vec<u8>)>,
    released: SegmentId,
    crashes: u32,
}

impl World {
    fn new() -> Self {
        let mut disk = MemDisk::new();
        let (log, ..) = open(&mut disk).unwrap();
        Self {
            disk,
            log,
            now: Duration::ZERO,
            sequence: 1,
            write: None,
            chore: None,
            model: BTreeMap::new(),
            released: SegmentId(0),
            crashes: 0,
        }
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Append { size, waited } => self.append(*size, *waited),
            Op::Tick => self.now += Duration::from_millis(3),
            Op::BeginWrite => {
                if let Some(write) = self.log.poll_write(self.now) {
                    assert!(self.write.is_none(), "one write in flight");
                    self.disk.begin_write(&write);
                    self.write = Some(write);
                }
            }
            Op::EndWrite => {
                if let Some(write) = self.write.take() {
                    let done = self.disk.complete_write();
                    self.log.handle_written(self.now, write, done);
                }
            }
            Op::BeginChore => {
                if let Some(chore) = self.log.poll_chore() {
                    assert!(self.chore.is_none(), "one chore at a time");
                    self.disk.begin_chore(chore, config().segment_bytes);
                    self.chore = Some(chore);
                }
            }
            Op::EndChore => {
                if let Some(chore) = self.chore.take() {
                    let done = self.disk.complete_chore();
                    self.log.handle_chore(chore, done);
                }
            }
            Op::Release => {
                self.log.release_before(self.log.head_segment());
                self.released = self.log.oldest_segment();
            }
            Op::Crash { seed } => self.crash(*seed),
        }
        assert!(self.log.poisoned().is_none());
        // More than configured only while a release could not go on otherwise: what may be pending
        // here is four segments' worth and a record.
        assert!(self.log.room().used_segments <= config().max_segments + 6);
    }

    fn append(&mut self, size: usize, waited: bool) {
        if self.log.pending_bytes() > 1024 * 1024 {
            return;
        }
        let state = content(self.sequence, size);
        let record = common::carried(self.sequence, &state);
        let urgency = if waited { Urgency::Waited } else { Urgency::Lazy };
        let lsn = self.log.append(&record, urgency, self.now).lsn.0;
        self.model.insert(lsn, (self.log.head_segment(), encoded(&record)));
        self.sequence += 1;
    }

    fn crash(&mut self, seed: u64) {
        let durable = self.log.durable().0;
        let mut choices = Choices(seed);
        self.disk.crash(&mut |below| choices.next(below));
        let (log, recovery, seen) = open(&mut self.disk).unwrap();
        assert!(recovery.quarantined.is_empty(), "{:?}", recovery.quarantined);
        let last = seen.last().map_or(0, |(_, lsn, _)| *lsn);
        assert!(last >= durable, "durable {durable}, recovered up to {last}");
        assert!(seen.windows(2).all(|pair| pair[0].1 + 1 == pair[1].1), "no gap");
        for (segment, lsn, bytes) in &seen {
            match self.model.get(lsn) {
                Some(expected) => assert_eq!(expected, &(*segment, bytes.clone())),
                None => assert_eq!(bytes[0], 7, "record {lsn} was never appended"),
            }
        }
        // Every record up to the last is there, unless its segment was released.
        let first = seen.first().map_or(u64::MAX, |(_, lsn, _)| *lsn);
        for (lsn, (segment, _)) in self.model.range(..first.min(durable + 1)) {
            assert!(*segment < self.released, "record {lsn} of {segment} is gone");
        }
        self.model.retain(|lsn, _| (first..=last).contains(lsn));
        let highest = self.sequence - 1;
        assert!(recovery.next_sequence <= highest + 1);
        self.sequence = self.sequence.max(recovery.next_sequence);
        assert_eq!((log.durable().0, log.next_lsn().0), (last, last + 1));
        self.log = log;
        (self.now, self.write, self.chore) = (Duration::ZERO, None, None);
        self.crashes += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn what_is_durable_survives_any_crash(
        ops in prop::collection::vec(op(), 1..200),
        seed in any::<u64>(),
    ) {
        let mut world = World::new();
        for op in &ops {
            world.step(op);
        }
        // However far behind it is, the log comes to rest once the owner releases what it can.
        if seed % 2 == 0 {
            world.step(&Op::EndWrite);
            world.step(&Op::EndChore);
            for _ in 0..20 {
                world.step(&Op::Release);
                common::settle(&mut world.log, &mut world.disk, world.now + Duration::from_secs(1));
            }
            prop_assert!(world.log.idle());
        }
        world.crash(seed);
        // The log still works: a record becomes durable once there is room.
        world.step(&Op::Release);
        common::settle(&mut world.log, &mut world.disk, Duration::from_secs(1));
        world.step(&Op::Append { size: 100, waited: true });
        common::settle(&mut world.log, &mut world.disk, Duration::from_secs(1));
        prop_assert!(world.log.idle());
        world.crash(seed.wrapping_add(1));
        prop_assert!(world.crashes >= 2);
    }
}
