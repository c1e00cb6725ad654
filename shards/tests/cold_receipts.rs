//! Receipts for messages that are on disk alone: how many reads they cost, and that rows which were left
//! over, or are read while their message moves, mislead nobody. On one shard in memory.
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

use harness::pdu::{self, Pdu, taken};
use harness::{Rig, Undecided, one_carrier};
use postrider_core::id::MessageId;
use postrider_core::limits;
use postrider_core::number::Msisdn;
use postrider_shards::shard::{ControlRequest, Subject};
use postrider_shards::stats::{Counter, Gauge};
use postrider_storage::{Ask, FileRef};

const FIRST: u64 = 447_700_000_000;
/// Longer than a message stays in memory without a need, and than it takes to a checkpoint.
const PARKED: Duration = Duration::from_secs(40);
const ESME_RINVDSTADR: u32 = 0x0b;

fn bound() -> Rig {
    let carrier = one_carrier("enquire_link_seconds = 3600").replace("window = 4", "window = 50");
    let mut rig =
        Rig::with_segments(&format!("[webhooks]\nallow_private = true\n{carrier}"), 2_048);
    rig.bind(0);
    rig
}

/// A message of so many characters to the `n`th number.
fn message(n: u64, chars: usize) -> String {
    let text = "x".repeat(chars);
    format!(
        r#"{{"from":"Acme","to":"+{}","body":"{text}","webhook_url":"http://127.0.0.1:9/hook",
        "validity_period":{}}}"#,
        FIRST + n,
        limits::VALIDITY_MAX.as_secs(),
    )
}

/// The carrier takes the `n`th message, of so many parts: its part `p` as `cN-P`.
fn submitted(rig: &mut Rig, n: u64, parts: usize) -> MessageId {
    let id = rig.post(&message(n, 150 * parts)).unwrap();
    let submits = rig.submits(0);
    assert_eq!(submits.len(), parts);
    let answer = |(p, submit): (usize, &Pdu)| taken(submit.sequence, &format!("c{n}-{p}"));
    let answers: Vec<Pdu> = submits.iter().enumerate().map(answer).collect();
    rig.send(0, &answers);
    id
}

/// The carrier takes many messages of one part at once.
fn submitted_together(rig: &mut Rig, numbers: Range<u64>, chars: usize) {
    rig.disk_held = true;
    numbers.clone().for_each(|n| rig.post_without_answer(&message(n, chars)));
    rig.disk_held = false;
    rig.settle();
    let submits = rig.submits(0);
    assert_eq!(submits.len() as u64, numbers.end - numbers.start);
    let taken = numbers.zip(&submits).map(|(n, pdu)| taken(pdu.sequence, &format!("c{n}-0")));
    rig.send(0, &taken.collect::<Vec<Pdu>>());
    while rig.is_answered() {
        rig.late_answer();
    }
}

fn receipt_of(sequence: u32, (n, part): (u64, usize), stat: &str) -> Pdu {
    pdu::receipt(sequence, &(FIRST + n).to_string(), &format!("c{n}-{part}"), stat)
}

/// A receipt of a part of the `n`th message; it is taken.
fn receipt(rig: &mut Rig, n: u64, part: usize, stat: &str) {
    delivered(rig, &[receipt_of(1, (n, part), stat)]);
}

/// Receipts; they are taken.
fn delivered(rig: &mut Rig, receipts: &[Pdu]) {
    rig.send(0, receipts);
    rig.pass(Duration::from_millis(5));
    let answers = rig.received(0);
    let taken = |pdu: &&Pdu| pdu.command == pdu::DELIVER_RESP && pdu.status == 0;
    assert_eq!(answers.iter().filter(taken).count(), receipts.len(), "{answers:?}");
}

/// Everything leaves memory, and what is filed of it is on disk.
fn park(rig: &mut Rig) {
    rig.pass(PARKED);
    // A checkpoint is written when something was recorded.
    let before = rig.count(Counter::Checkpoints);
    rig.post(&message(999, 20)).unwrap();
    let [submit] = &rig.submits(0)[..] else { panic!("one part") };
    let refused = Pdu::new(submit.command | pdu::NACK, ESME_RINVDSTADR, submit.sequence, b"");
    rig.send(0, &[refused]);
    rig.pass(PARKED);
    assert!(rig.count(Counter::Checkpoints) > before);
    assert_eq!(rig.gauge(Gauge::MessagesInMemory), 0);
}

fn crash(rig: Rig) -> Rig {
    let mut rig = rig.crash(Duration::from_secs(1), Undecided::Kept);
    rig.bind(0);
    rig
}

/// What became of receipts: matched, duplicate, late.
fn outcomes(rig: &Rig) -> [u64; 3] {
    use Counter::{ReceiptsDuplicate, ReceiptsLate, ReceiptsMatched};
    [ReceiptsMatched, ReceiptsDuplicate, ReceiptsLate].map(|counter| rig.count(counter))
}

#[test]
fn a_row_left_over_from_before_a_crash_does_not_open_a_closed_message_again() {
    let mut rig = bound();
    let id = submitted(&mut rig, 1, 1);
    park(&mut rig);
    receipt(&mut rig, 1, 0, "DELIVRD");
    assert_eq!(rig.gauge(Gauge::OpenMessages), 0);
    let mut rig = crash(rig);
    assert_eq!(rig.gauge(Gauge::OpenMessages), 0);
    receipt(&mut rig, 1, 0, "UNDELIV");
    assert_eq!(outcomes(&rig), [0, 0, 1]);
    assert_eq!(rig.status(id), "delivered");
    // Another checkpoint keeps in mind what the first start knew.
    rig.pass(PARKED);
    let mut rig = crash(rig);
    receipt(&mut rig, 1, 0, "UNDELIV");
    assert_eq!(outcomes(&rig), [0, 1, 0]);
    assert_eq!((rig.status(id), rig.gauge(Gauge::OpenMessages)), ("delivered", 0));
}

#[test]
fn a_row_left_over_from_before_a_crash_does_not_take_a_message_back() {
    let mut rig = bound();
    let id = submitted(&mut rig, 1, 2);
    park(&mut rig);
    receipt(&mut rig, 1, 0, "DELIVRD");
    let mut rig = crash(rig);
    // It is parked anew: nothing is filed any more of the part that has ended.
    park(&mut rig);
    receipt(&mut rig, 1, 0, "DELIVRD");
    assert_eq!(outcomes(&rig), [0, 1, 0]);
    park(&mut rig);
    let mut rig = crash(rig);
    receipt(&mut rig, 1, 0, "DELIVRD");
    receipt(&mut rig, 1, 1, "DELIVRD");
    assert_eq!(outcomes(&rig), [1, 1, 0]);
    let delivered = rig.events(id).into_iter().filter(|event| event == "delivered");
    assert_eq!((rig.status(id), delivered.count()), ("delivered", 2));
}

/// What is being read.
fn asked(rig: &Rig) -> Vec<Ask> {
    rig.reads.iter().map(|(_, ask)| *ask).collect()
}

/// The last read that was asked for comes first.
fn read_last(rig: &mut Rig) {
    let (token, ask) = rig.reads.pop_back().expect("a read under way");
    let bytes = ask.read_from(rig.disk());
    let now = rig.at();
    rig.shard.handle_read(now, token, bytes);
    rig.settle();
}

#[test]
fn a_row_that_is_read_while_its_message_closes_does_not_open_it_again() {
    let mut rig = bound();
    let id = submitted(&mut rig, 1, 1);
    park(&mut rig);
    rig.reads_held = true;
    rig.send(0, &[receipt_of(1, (1, 0), "DELIVRD")]);
    let row = asked(&rig);
    assert!(matches!(row[..], [Ask { file: FileRef::Side(_), .. }]), "its row: {row:?}");
    rig.send(0, &[receipt_of(2, (1, 0), "DELIVRD")]);
    assert_eq!(asked(&rig), [row[0], row[0]]);
    read_last(&mut rig);
    let record = asked(&rig);
    assert!(matches!(record[..], [_, Ask { file: FileRef::Segment(_), .. }]), "{record:?}");
    read_last(&mut rig);
    assert_eq!(asked(&rig), row, "the second one has found its message");
    rig.pass(Duration::from_millis(5));
    assert_eq!(rig.gauge(Gauge::MessagesInMemory), 0, "which is closed");
    rig.reads_held = false;
    rig.settle();
    rig.pass(Duration::from_millis(5));
    assert_eq!(outcomes(&rig), [1, 1, 0]);
    assert_eq!((rig.status(id), rig.gauge(Gauge::OpenMessages)), ("delivered", 0));
    assert_eq!(rig.count(Counter::MessagesDelivered), 1);
}

#[test]
fn who_is_erased_stays_forgotten_when_a_receipt_comes_and_the_process_dies() {
    let mut rig = bound();
    let id = submitted(&mut rig, 1, 2);
    park(&mut rig);
    rig.disk_held = true;
    let subject = Subject::Recipient(Msisdn::from_u64(FIRST + 1).unwrap());
    let now = rig.at();
    rig.shard.handle_control(now, 1, ControlRequest::Erase { id: 1, subject });
    rig.send(0, &[receipt_of(1, (1, 0), "DELIVRD")]);
    rig.write_one();
    rig.write_one();
    assert_eq!(rig.received(0).len(), 1, "it is on disk");
    let mut rig = crash(rig);
    let view = rig.view(id);
    assert!(view.redacted, "{view:?}");
}

#[test]
fn a_receipt_71_h_old_is_matched_in_two_reads_with_three_parts_in_a_hundred_open() {
    const FIRST_HOUR: u64 = 20_000;
    const LATER: u64 = 1_000;
    const TOGETHER: u64 = 40;
    let open = |n: u64| n % 100 < 3;
    let receipts = |numbers: &[u64]| -> Vec<Pdu> {
        numbers.iter().zip(1..).map(|(n, at)| receipt_of(at, (*n, 0), "DELIVRD")).collect()
    };
    let mut rig = bound();
    let started = rig.now;
    let (mut next, mut late) = (0, Vec::new());
    for hour in 0..71 {
        rig.lose(0);
        rig.now = rig.now.max(started + Duration::from_secs(3_600) * hour);
        rig.bind(0);
        // Its window has grown.
        rig.pass(limits::SLOW_START);
        // All are parked before their receipts come.
        for some in std::mem::take(&mut late).chunks(40) {
            delivered(&mut rig, &receipts(some));
        }
        // Registers with more messages are written first: so the first ones are on disk.
        let (count, chars) = if hour == 0 { (FIRST_HOUR, 4) } else { (LATER, 150) };
        for _ in 0..count / TOGETHER {
            let numbers = next..next + TOGETHER;
            next = numbers.end;
            submitted_together(&mut rig, numbers.clone(), chars);
            late.extend(numbers.filter(|n| !open(*n)));
        }
        rig.pass(PARKED);
    }
    assert_eq!(rig.gauge(Gauge::MessagesInMemory), 0);
    assert!(next > limits::REGISTER_CHANGES as u64 / 2, "more than are kept in memory");
    let old: Vec<u64> = (0..FIRST_HOUR).filter(|own| open(*own)).collect();
    let mut reads: Vec<u64> = Vec::new();
    for n in &old {
        let before = rig.count(Counter::Reads);
        receipt(&mut rig, *n, 0, "DELIVRD");
        reads.push(rig.count(Counter::Reads) - before);
    }
    let matched = next - next * 3 / 100 - late.len() as u64 + old.len() as u64;
    assert_eq!(rig.count(Counter::ReceiptsMatched), matched);
    reads.sort_unstable();
    let (p99, most) = (reads[reads.len() * 99 / 100], reads[reads.len() - 1]);
    println!("{} receipts after 71 h: {p99} reads at p99, {most} at most", reads.len());
    assert!(p99 <= 2, "{p99} reads");
}
