//! Refusals at the edge of a shard, in memory: too many open messages, a log without room, no
//! route, a shard that stops. What was accepted before is never touched, and what is refused leaves
//! nothing behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use std::time::Duration;

use harness::{CUSTOMER, Rig};
use postrider_core::id::MessageId;
use postrider_core::limits;
use postrider_http::problem::{Code, Problem};
use postrider_shards::stats::Counter;

const OPEN: u64 = 1_000;

/// A shard whose carrier is never reached: everything accepted stays open.
fn unreached(max_segments: u32) -> Rig {
    let config = format!(
        r#"
[limits]
open_messages = {OPEN}
{CUSTOMER}
[[carriers]]
name = "alpha"
address = "127.0.0.1:1"
system_id = "a"
password = "p"
binds = 1
[[routes]]
prefix = "44"
carriers = ["alpha"]
"#
    );
    Rig::with_segments(&config, max_segments)
}

fn submit(rig: &mut Rig, number: u64, text: &str) -> Result<MessageId, Problem> {
    rig.post(&format!(r#"{{"from":"Acme","to":"+{number}","body":"{text}"}}"#))
}

/// Submits until something is refused.
fn fill(rig: &mut Rig, text: &str) -> (Vec<MessageId>, Problem) {
    let mut accepted = Vec::new();
    loop {
        match submit(rig, 447_700_000_000 + accepted.len() as u64, text) {
            Ok(id) => accepted.push(id),
            Err(problem) => return (accepted, problem),
        }
    }
}

fn assert_all_queued(rig: &mut Rig, ids: &[MessageId]) {
    for id in ids {
        assert_eq!(rig.status(*id), "queued");
    }
}

#[test]
fn one_open_message_too_many_is_refused_with_a_time_to_come_back() {
    let mut rig = unreached(64);
    let (accepted, problem) = fill(&mut rig, "hi");
    assert_eq!(accepted.len(), OPEN as usize);
    assert_eq!((problem.code, problem.status()), (Code::Overloaded, 503));
    assert!(problem.retry_after.is_some());
    assert_eq!(rig.count(Counter::RefusedOverloaded), 1);
    assert_eq!(rig.count(Counter::Accepted), OPEN);
    assert_all_queued(&mut rig, &accepted);
}

#[test]
fn a_log_without_room_refuses_new_messages_before_it_fails_accepted_ones() {
    let mut rig = unreached(6);
    let (accepted, problem) = fill(&mut rig, &"ж".repeat(1_500));
    assert!(accepted.len() > 50 && accepted.len() < OPEN as usize, "{} accepted", accepted.len());
    assert_eq!((problem.code, problem.status()), (Code::StorageFull, 503));
    assert!(problem.retry_after.is_some());
    assert_eq!(rig.count(Counter::RefusedStorageFull), 1);
    // Reads go on, and so does the log: there is room for every end.
    assert_all_queued(&mut rig, &accepted);
    rig.now += limits::VALIDITY_DEFAULT;
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.count(Counter::MessagesExpired), accepted.len() as u64);
    submit(&mut rig, 447_700_900_123, "room again").unwrap();
}

#[test]
fn a_number_without_a_route_is_refused() {
    let mut rig = unreached(64);
    let problem = submit(&mut rig, 33_612_345_678, "hi").unwrap_err();
    assert_eq!((problem.code, problem.status()), (Code::NoRoute, 422));
    assert_eq!(problem.param.as_deref(), Some("/to"));
    assert_eq!(rig.count(Counter::RefusedNoRoute), 1);
}

#[test]
fn a_shard_that_stops_takes_nothing_new_and_still_answers() {
    let mut rig = unreached(64);
    let id = submit(&mut rig, 447_700_900_123, "before").unwrap();
    let now = rig.at();
    rig.shard.handle_drain(now);
    let problem = submit(&mut rig, 447_700_900_124, "after").unwrap_err();
    assert_eq!((problem.code, problem.status()), (Code::ShuttingDown, 503));
    assert_all_queued(&mut rig, &[id]);
}
