//! Starts with far more messages open than memory has room for. Pure, under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use std::ops::Range;
use std::time::Duration;

use harness::{Rig, Undecided, one_carrier};
use postrider_core::limits;
use postrider_shards::stats::Gauge;
use postrider_storage::{Disk as _, IndexKind, SideFile};

/// Messages in memory.
const HOT: u64 = 64;
/// Messages that share a batch.
const SHARE: usize = 64;

/// A shard whose carrier is never reached, with room for few messages in memory.
fn unreached() -> Rig {
    let config = format!("[limits]\nhot_messages = {HOT}\n{}", one_carrier(""));
    Rig::with_segments(&config, 400)
}

/// Submits messages that share batches.
fn submit(rig: &mut Rig, messages: Range<u64>) {
    for first in messages.clone().step_by(SHARE) {
        let share = first..messages.end.min(first + SHARE as u64);
        rig.disk_held = true;
        for to in share.clone().map(|n| 447_700_000_000 + n) {
            rig.post_without_answer(&format!(r#"{{"from":"Acme","to":"+{to}","body":"on disk"}}"#));
        }
        rig.disk_held = false;
        rig.settle();
        for _ in share {
            rig.late_answer();
        }
    }
}

#[test]
fn a_replay_of_the_whole_log_writes_what_it_files_as_it_goes() {
    let messages = u64::try_from(limits::RUN_ROWS_IN_MEMORY).unwrap() + 2_000;
    let mut rig = unreached();
    submit(&mut rig, 0..messages);
    rig.pass(Duration::from_secs(60));
    assert_eq!(rig.gauge(Gauge::OpenMessages), messages);
    let side: Vec<SideFile> = rig.disk().list_side().unwrap().into_iter().map(|f| f.0).collect();
    side.into_iter().for_each(|file| rig.disk().remove_side(file).unwrap());
    let mut rig = rig.crash(Duration::from_secs(1), Undecided::Lost);
    for index in [IndexKind::Backlog, IndexKind::Due] {
        let written = rig
            .opened_with
            .iter()
            .any(|file| matches!(file, SideFile::Run(kind, _) if *kind == index));
        assert!(written, "all rows of {index:?} stayed in memory");
    }
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.gauge(Gauge::OpenMessages), messages);
    assert!(rig.gauge(Gauge::MessagesInMemory) <= HOT);
}

#[test]
fn what_came_behind_the_checkpoint_does_not_all_come_into_memory() {
    let mut rig = unreached();
    submit(&mut rig, 0..1_000);
    // They leave memory, and a checkpoint is written.
    rig.pass(Duration::from_secs(60));
    submit(&mut rig, 1_000..6_000);
    let mut rig = rig.crash(Duration::from_secs(1), Undecided::Lost);
    let checkpoint = |file: &SideFile| matches!(file, SideFile::Checkpoint(_));
    assert!(rig.opened_with.iter().any(checkpoint), "it started without one");
    assert!(rig.opened_in_memory <= HOT as usize, "{} in memory", rig.opened_in_memory);
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.gauge(Gauge::OpenMessages), 6_000);
    // Their time comes.
    rig.pass(Duration::from_secs(80 * 3_600));
    assert_eq!(rig.gauge(Gauge::OpenMessages), 0);
}
