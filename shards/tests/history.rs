//! Messages that are closed leave memory and are read from the disk: by id, in lists, by late and
//! repeated receipts, after crashes, without indexes, until their time or their room is over. On one
//! shard in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use std::collections::BTreeMap;
use std::time::Duration;

use harness::pdu::{self, Pdu, taken};
use harness::{Rig, Undecided, one_carrier};
use postrider_core::id::MessageId;
use postrider_core::lifecycle::PartStatus;
use postrider_core::limits;
use postrider_http::request::{Cursor, ListQuery};
use postrider_http::response::MessageView;
use postrider_shards::stats::{Counter, Gauge};
use postrider_storage::Disk;

const WEBHOOKS: &str = "[webhooks]\nallow_private = true\n";
const FIRST: u64 = 447_700_900_000;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn bound() -> Rig {
    bound_with(64, "")
}

/// A bound shard with a log of so many segments; `keys` go to the front.
fn bound_with(segments: u32, keys: &str) -> Rig {
    let mut rig = Rig::with_segments(&format!("{WEBHOOKS}{keys}\n{}", one_carrier("")), segments);
    rig.bind(0);
    rig
}

/// Submits a text with a webhook, to the `n`th number.
fn submit(rig: &mut Rig, n: u64, text: &str) -> MessageId {
    let body = format!(
        r#"{{"from":"Acme","to":"+{}","body":"{text}","webhook_url":"http://127.0.0.1:9/hook"}}"#,
        FIRST + n
    );
    rig.post(&body).unwrap()
}

/// The carrier takes everything that it was sent under these ids, in order.
fn take(rig: &mut Rig, name: impl Fn(usize) -> String) -> usize {
    let submits = rig.submits(0);
    let answers: Vec<Pdu> =
        submits.iter().enumerate().map(|(n, pdu)| taken(pdu.sequence, &name(n))).collect();
    rig.send(0, &answers);
    submits.len()
}

/// A receipt for the `n`th number; gives the status of its answer, if there was one.
fn receipt(rig: &mut Rig, n: u64, id: &str, stat: &str) -> Option<u32> {
    rig.send(0, &[pdu::receipt(9_000 + n as u32, &(FIRST + n).to_string(), id, stat)]);
    rig.pass(ms(5));
    let answers = rig.received(0);
    answers.iter().find(|pdu| pdu.command == pdu::DELIVER_RESP).map(|pdu| pdu.status)
}

/// A message that was delivered, and whose customer was told.
fn delivered(rig: &mut Rig, n: u64) -> MessageId {
    let id = submit(rig, n, &format!("text {n}"));
    assert_eq!(take(rig, |_| format!("c{n}")), 1);
    assert_eq!(receipt(rig, n, &format!("c{n}"), "DELIVRD"), Some(0));
    id
}

/// So much time passes without a connection.
fn skip(rig: &mut Rig, time: Duration) {
    rig.lose(0);
    rig.now += time;
    rig.bind(0);
}

fn query() -> ListQuery {
    ListQuery {
        from: None,
        to: None,
        status: None,
        limit: 10,
        cursor: None,
        from_number: None,
        to_number: None,
    }
}

/// All pages of a query, one after the other.
fn pages(rig: &mut Rig, query: &ListQuery) -> Vec<Vec<MessageView>> {
    let mut pages = Vec::new();
    let mut cursor: Option<Cursor> = None;
    loop {
        let (items, next) = rig.list(ListQuery { cursor, ..query.clone() });
        pages.push(items);
        assert!(pages.len() < 1_000, "the pages come to an end");
        let Some(next) = next else { return pages };
        cursor = Some(Cursor::decode(&next.encode()).unwrap());
    }
}

#[test]
fn a_closed_message_leaves_memory_and_is_shown_as_before() {
    let mut rig = bound();
    let id = submit(&mut rig, 1, "hello");
    take(&mut rig, |_| "c1".into());
    rig.disk_held = true;
    rig.send(0, &[pdu::receipt(1, &(FIRST + 1).to_string(), "c1", "DELIVRD")]);
    rig.disk_held = false;
    // Durable and told, and still there for a moment.
    rig.settle();
    let before = rig.view(id);
    assert_eq!(before.timeline.last().unwrap().event, "webhook_acknowledged");
    assert_eq!(rig.gauge(Gauge::MessagesInMemory), 1);
    rig.pass(ms(5));
    assert_eq!(rig.gauge(Gauge::MessagesInMemory), 0);
    let reads = rig.count(Counter::Reads);
    assert!(rig.view(id) == before);
    assert!(rig.count(Counter::Reads) > reads, "it was read from the disk");
    assert_eq!(rig.gauge(Gauge::MessagesInMemory), 0, "reading brings nothing back");
    let mut rig = rig.crash(ms(10), Undecided::Kept);
    assert_eq!(rig.gauge(Gauge::MessagesInMemory), 0);
    assert!(rig.view(id) == before);
}

#[test]
fn memory_holds_what_is_open_and_not_what_was_sent() {
    let mut rig = bound();
    let open = submit(&mut rig, 0, "stays open");
    take(&mut rig, |_| "c0".into());
    let mut most = 0;
    let mut ids = Vec::new();
    for n in 1..600 {
        ids.push(delivered(&mut rig, n));
        most = most.max(rig.gauge(Gauge::MessagesInMemory));
    }
    assert!(most <= 2, "{most} messages were in memory at once");
    assert_eq!(rig.gauge(Gauge::OpenMessages), 1);
    assert_eq!(rig.status(open), "submitted");
    assert!(rig.gauge(Gauge::Registers) >= 1, "segments went by");
    for (n, id) in (1..).zip(ids) {
        let view = rig.view(id);
        assert_eq!(
            (view.status.name(), view.body.as_ref().unwrap().expose().as_str()),
            ("delivered", &*format!("text {n}"))
        );
    }
}

#[test]
fn nothing_is_answered_before_the_disk_has() {
    let mut rig = bound();
    let id = delivered(&mut rig, 1);
    rig.reads_held = true;
    let request = harness::request("GET", &format!("/api/v1/messages/{id}"), b"");
    rig.ask_without_answer(request);
    rig.reads_held = false;
    rig.settle();
    assert!(rig.is_answered(), "the answer came with the last read");
}

#[test]
fn lists_show_memory_and_disk_as_one_newest_first() {
    let mut rig = bound();
    let mut all = Vec::new();
    for n in 0..45 {
        let id = if n % 5 == 4 {
            let id = submit(&mut rig, n, "open");
            take(&mut rig, |_| format!("c{n}"));
            id
        } else {
            delivered(&mut rig, n)
        };
        all.push(id);
    }
    all.reverse();
    let found = pages(&mut rig, &query());
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 10, 10, 5]);
    let ids = |pages: &[Vec<MessageView>]| -> Vec<MessageId> {
        pages.iter().flatten().map(|view| view.id).collect()
    };
    assert_eq!(ids(&found), all);
    let of = |rig: &mut Rig, status| pages(rig, &ListQuery { status: Some(status), ..query() });
    assert_eq!(ids(&of(&mut rig, PartStatus::Submitted)).len(), 9);
    let delivered = ids(&of(&mut rig, PartStatus::Delivered));
    assert_eq!(delivered.len(), 36);
    assert!(delivered.is_sorted_by_key(|id| all.iter().position(|other| other == id)));
    assert_eq!(ids(&of(&mut rig, PartStatus::Failed)), []);
    // A stretch of time: from the 10th on, before the 20th.
    let at = |n: usize| found.iter().flatten().nth(44 - n).unwrap().created;
    let (from, to) = (at(10), at(21));
    let within = |view: &&MessageView| from <= view.created && view.created < to;
    let expected: Vec<MessageId> =
        found.iter().flatten().filter(within).map(|view| view.id).collect();
    assert!(expected.len() >= 10);
    let some = ListQuery { from: Some(from), to: Some(to), ..query() };
    assert_eq!(ids(&pages(&mut rig, &some)), expected);
    let to = postrider_core::number::Msisdn::from_u64(FIRST + 7);
    assert_eq!(ids(&pages(&mut rig, &ListQuery { to_number: to, ..query() })), [all[44 - 7]]);
    let mut rig = rig.crash(ms(10), Undecided::Kept);
    assert_eq!(ids(&pages(&mut rig, &query())), all);
}

#[test]
fn a_list_misses_nothing_while_messages_leave_memory() {
    let mut rig = bound();
    let mut open: BTreeMap<u64, MessageId> = BTreeMap::new();
    for n in 0..40 {
        open.insert(n, submit(&mut rig, n, "hello"));
        take(&mut rig, |_| format!("c{n}"));
    }
    let all: Vec<MessageId> = open.values().rev().copied().collect();
    let mut found = Vec::new();
    let mut cursor = None;
    for n in 0.. {
        // Between two pages one from each end of the list is delivered.
        for n in [n, 39 - n] {
            receipt(&mut rig, n, &format!("c{n}"), "DELIVRD");
        }
        let (items, next) = rig.list(ListQuery { limit: 3, cursor, ..query() });
        found.extend(items.into_iter().map(|view| view.id));
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, all);
}

#[test]
fn a_late_receipt_finds_its_message_on_the_disk_and_is_kept_there() {
    let mut rig = bound();
    let id = delivered(&mut rig, 1);
    assert_eq!(rig.gauge(Gauge::MessagesInMemory), 0);
    // The same again says nothing new.
    assert_eq!(receipt(&mut rig, 1, "c1", "DELIVRD"), Some(0));
    assert_eq!(rig.count(Counter::ReceiptsDuplicate), 1);
    assert_eq!(rig.gauge(Gauge::MessagesInMemory), 0, "it left again");
    // Another end is an event, and the status stays.
    assert_eq!(receipt(&mut rig, 1, "c1", "UNDELIV"), Some(0));
    assert_eq!(rig.count(Counter::ReceiptsLate), 1);
    let view = rig.view(id);
    assert_eq!(view.status.name(), "delivered");
    assert!(view.timeline.iter().any(|entry| entry.event == "late_receipt"));
    assert_eq!(rig.gauge(Gauge::MessagesInMemory), 0);
    assert_eq!(rig.count(Counter::ReceiptsParked), 0);
    let mut rig = rig.crash(ms(10), Undecided::Kept);
    assert!(rig.view(id) == view);
}

#[test]
fn a_late_receipt_outlives_a_crash_before_its_message_is_closed_anew() {
    let mut rig = bound();
    let id = delivered(&mut rig, 1);
    rig.disk_held = true;
    rig.send(0, &[pdu::receipt(77, &(FIRST + 1).to_string(), "c1", "UNDELIV")]);
    rig.write_one();
    let mut rig = rig.crash(ms(10), Undecided::Lost);
    rig.pass(ms(10));
    assert!(rig.events(id).contains(&"late_receipt".into()));
    assert_eq!(rig.gauge(Gauge::MessagesInMemory), 0);
    let mut rig = rig.crash(ms(10), Undecided::Lost);
    assert!(rig.events(id).contains(&"late_receipt".into()));
}

#[test]
fn what_became_final_while_a_part_was_on_its_way_waits_for_its_answer() {
    let mut rig = bound();
    let text = "a ".repeat(150);
    let id = submit(&mut rig, 1, &text);
    let parts = rig.submits(0);
    assert_eq!(parts.len(), 2);
    rig.send(0, &[taken(parts[0].sequence, "first")]);
    assert_eq!(receipt(&mut rig, 1, "first", "UNDELIV"), Some(0));
    assert_eq!(rig.status(id), "undelivered");
    assert_eq!(rig.gauge(Gauge::MessagesInMemory), 1, "an answer is awaited");
    rig.send(0, &[taken(parts[1].sequence, "second")]);
    rig.pass(ms(5));
    assert_eq!(rig.gauge(Gauge::MessagesInMemory), 0);
    assert_eq!(receipt(&mut rig, 1, "second", "DELIVRD"), Some(0));
    let view = rig.view(id);
    assert_eq!(view.status.name(), "undelivered");
    let parts: Vec<&str> = view.parts.iter().map(|part| part.status.name()).collect();
    assert_eq!(parts, ["undelivered", "delivered"]);
}

#[test]
fn without_its_side_files_a_shard_gives_the_same_answers() {
    let mut rig = bound();
    let ids: Vec<MessageId> = (0..300).map(|n| delivered(&mut rig, n)).collect();
    rig.pass(ms(10));
    let views =
        |rig: &mut Rig| -> Vec<MessageView> { ids.iter().map(|id| rig.view(*id)).collect() };
    let before = views(&mut rig);
    let list = ListQuery { limit: 100, ..query() };
    let order = |rig: &mut Rig| -> Vec<MessageId> {
        pages(rig, &list).iter().flatten().map(|view| view.id).collect()
    };
    let listed = order(&mut rig);
    assert_eq!(listed.len(), ids.len());
    let files = rig.disk().list_side().unwrap();
    assert!(!files.is_empty(), "there are registers to lose");
    // All of them, then each one alone.
    for lost in [files.clone()].into_iter().chain(files.chunks(1).map(<[_]>::to_vec)) {
        let names: Vec<String> = lost.iter().map(|(file, _)| file.file_name()).collect();
        let names = names.join(", ");
        for (file, _) in lost {
            // It may have been replaced since.
            if rig.disk().list_side().unwrap().iter().any(|(other, _)| *other == file) {
                rig.disk().remove_side(file).unwrap();
            }
        }
        rig = rig.crash(ms(10), Undecided::Kept);
        assert!(views(&mut rig) == before, "another answer by id");
        let now = order(&mut rig);
        assert!(now == listed, "without {names}: {} of {} listed", now.len(), listed.len());
    }
}

#[test]
fn messages_are_kept_for_as_long_as_the_configuration_says() {
    let mut rig = bound_with(64, "[store]\nretention_hours = 2\n");
    let old = delivered(&mut rig, 0);
    let open = submit(&mut rig, 1, "stays open");
    take(&mut rig, |_| "c1".into());
    let fill = |rig: &mut Rig, from: u64| {
        // More than a segment.
        for n in from..from + 400 {
            delivered(rig, n);
        }
    };
    fill(&mut rig, 10);
    let segments = rig.gauge(Gauge::LogSegments);
    assert!(segments > 1, "{segments}");
    skip(&mut rig, Duration::from_secs(3_600));
    assert_eq!(rig.status(old), "delivered", "an hour later it is there");
    skip(&mut rig, Duration::from_secs(3_601));
    fill(&mut rig, 500);
    assert!(rig.find(old).is_none(), "two hours later it is gone");
    let all = pages(&mut rig, &ListQuery { limit: 1_000, ..query() });
    assert!(all.iter().flatten().all(|view| view.id != old), "from lists too");
    assert_eq!(rig.status(open), "submitted", "what is open is carried forward");
    let rig = &mut rig.crash(ms(10), Undecided::Kept);
    assert!(rig.find(old).is_none());
    assert_eq!(rig.status(open), "submitted");
}

#[test]
fn without_room_the_oldest_messages_go_first() {
    let mut rig = bound_with(8, "[store]\nretention_hours = 0\n");
    let ids: Vec<MessageId> = (0..4_000).map(|n| delivered(&mut rig, n)).collect();
    let found: Vec<bool> = ids.iter().map(|id| rig.find(*id).is_some()).collect();
    let first = found.iter().position(|found| *found).unwrap();
    assert!(first > 0, "segments were used again");
    let gone_again = found[first..].iter().filter(|found| !**found).count();
    assert!(
        gone_again <= limits::RECLAIM_PER_TURN,
        "{gone_again} are gone after the first one kept"
    );
    let listed = pages(&mut rig, &ListQuery { limit: 1_000, ..query() });
    let listed: usize = listed.iter().map(Vec::len).sum();
    assert_eq!(listed, found.iter().filter(|found| **found).count(), "lists show what there is");
}

/// Whatever is submitted, a log of open messages refuses what is new, moves nothing round and round,
/// and takes new messages once there is room.
#[test]
fn a_log_full_of_open_messages_rests_and_comes_back() {
    let mut rig =
        Rig::with_segments(&format!("[limits]\nopen_messages = 100000\n{}", one_carrier("")), 8);
    let text = "ж".repeat(1_500);
    let mut accepted = Vec::new();
    let problem = loop {
        let body = format!(
            r#"{{"from":"Acme","to":"+{}","body":"{text}"}}"#,
            FIRST + accepted.len() as u64
        );
        match rig.post(&body) {
            Ok(id) => accepted.push(id),
            Err(problem) => break problem,
        }
        assert!(accepted.len() < 5_000, "it is never full");
    };
    assert_eq!(problem.code.name(), "storage_full");
    assert!(accepted.len() > 100, "{} accepted", accepted.len());
    rig.pass(Duration::from_secs(2));
    let before = rig.count(Counter::CommitBytes);
    rig.pass(Duration::from_secs(30));
    let moved = rig.count(Counter::CommitBytes) - before;
    assert!(moved < 64 << 10, "{moved} octets were written while nothing happened");
    for id in &accepted {
        assert_eq!(rig.status(*id), "queued");
    }
    // Their validity ends: there is room again at once.
    rig.now += limits::VALIDITY_DEFAULT;
    rig.pass(Duration::from_secs(5));
    assert_eq!(rig.count(Counter::MessagesExpired), accepted.len() as u64);
    let body = format!(r#"{{"from":"Acme","to":"+{FIRST}","body":"{text}"}}"#);
    rig.post(&body).unwrap();
}

#[test]
fn a_message_of_another_time_is_not_found() {
    let mut rig = bound();
    delivered(&mut rig, 1);
    assert!(rig.find(MessageId::from_u128(5)).is_none());
}
