//! Tests of the offline reading of a log: each message is given out once, with all that was ever
//! said of it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use postrider_core::lifecycle::PartEvent;
use postrider_core::lifecycle::PartStatus;
use postrider_storage::{Asked, Record, SegmentId};

use super::*;

fn accepted(sequence: u64) -> Record<'static> {
    Record::Accepted {
        sequence,
        partition: 9,
        customer: 3,
        to: 447_700_900_000 + sequence,
        sender: b"Acme",
        body: b"hello",
        webhook_url: b"",
        client_reference: b"",
        encoding: 0,
        parts: 1,
        reference: 0,
        accepted_ms: 1_000 + sequence,
        valid_until_ms: 9_000_000,
        id: u128::from(sequence),
        asked: Asked::default(),
    }
}

fn event(sequence: u64, event: PartEvent) -> Record<'static> {
    Record::Part {
        sequence,
        part: 0,
        event: event as u8,
        carrier: 1,
        status: 0,
        at_ms: 2_000,
        detail: b"a1",
        attempt: 0,
    }
}

/// What two readings of these records give: sequence, status, number of events; in their order. And
/// how many records did not follow.
fn told(records: &[Record<'_>]) -> (Vec<(u128, PartStatus, usize)>, u64) {
    let facts = |told: &Told| {
        let events = told.view(&|_| None).timeline.len() - 1;
        (told.id().as_u128(), told.status(), events)
    };
    let mut first = Offline::default();
    for record in records {
        first.take(SegmentId(1), record).unwrap();
    }
    let mut again = first.again();
    let mut found = Vec::new();
    for record in records {
        found.extend(again.take(SegmentId(1), record).unwrap().iter().map(facts));
    }
    found.extend(again.rest().map(|told| facts(&told)));
    (found, again.unfit())
}

#[test]
fn a_message_is_given_out_when_it_closes_and_an_open_one_at_the_end() {
    let records = [
        accepted(1),
        accepted(2),
        event(1, PartEvent::Submitted),
        event(2, PartEvent::Submitted),
        event(2, PartEvent::Delivered),
        accepted(3),
    ];
    let expected = vec![
        (2, PartStatus::Delivered, 2),
        (1, PartStatus::Submitted, 1),
        (3, PartStatus::Queued, 0),
    ];
    assert_eq!(told(&records), (expected, 0));
    let mut once = Offline::default();
    let mut open = Vec::new();
    for record in &records {
        once.take(SegmentId(1), record).unwrap();
        open.push(once.messages.len());
    }
    assert_eq!(open, [1, 2, 2, 2, 1, 2], "what is closed leaves memory");
}

#[test]
fn what_happens_after_the_end_is_not_missed() {
    let records = [
        accepted(1),
        event(1, PartEvent::Delivered),
        Record::Closed { sequence: 1, at_ms: 3_000, status: 4, records: &[] },
        accepted(2),
        event(2, PartEvent::Delivered),
        event(1, PartEvent::LateReceipt),
        Record::Closed { sequence: 1, at_ms: 3_100, status: 4, records: &[] },
        event(1, PartEvent::AcceptedLate),
    ];
    let expected = vec![(2, PartStatus::Delivered, 1), (1, PartStatus::Delivered, 3)];
    assert_eq!(told(&records), (expected, 0));
}

#[test]
fn a_carried_message_takes_the_place_of_its_records_and_of_those_that_are_gone() {
    let mut state = Vec::new();
    for record in [accepted(1), event(1, PartEvent::Submitted)] {
        record.encode(&mut state);
    }
    let carried = Record::Carried { sequence: 1, from: 0, reason: 1, state: &state };
    let whole = [accepted(1), event(1, PartEvent::Submitted), carried, accepted(2)];
    let expected = vec![(1, PartStatus::Submitted, 1), (2, PartStatus::Queued, 0)];
    assert_eq!(told(&whole), (expected.clone(), 0));
    // The segment with its accepted record was recycled.
    assert_eq!(told(&whole[2..]), (expected, 0));
    // It is still given out when it closes, although something was said of it before.
    let before = [
        event(1, PartEvent::Submitted),
        carried,
        event(1, PartEvent::Delivered),
        accepted(2),
        event(2, PartEvent::Delivered),
    ];
    let expected = vec![(1, PartStatus::Delivered, 2), (2, PartStatus::Delivered, 1)];
    assert_eq!(told(&before), (expected, 0));
    let mut again = Offline::default();
    for record in &before {
        again.take(SegmentId(1), record).unwrap();
    }
    assert!(again.again().reopened.is_empty());
    let late = [carried, event(1, PartEvent::Delivered), event(1, PartEvent::LateReceipt)];
    assert_eq!(told(&late), (vec![(1, PartStatus::Delivered, 3)], 0));
}

#[test]
fn records_whose_message_or_whose_predecessor_is_gone_are_passed_over() {
    let orphaned = [event(1, PartEvent::Delivered), accepted(2)];
    assert_eq!(told(&orphaned), (vec![(2, PartStatus::Queued, 0)], 0));
    // A release of what was never held.
    let unfit = [accepted(1), event(1, PartEvent::Released), event(1, PartEvent::Submitted)];
    assert_eq!(told(&unfit), (vec![(1, PartStatus::Submitted, 1)], 1));
    let part = |number| match event(1, PartEvent::Submitted) {
        Record::Part { sequence, event, carrier, status, at_ms, detail, attempt, .. } => {
            Record::Part { sequence, part: number, event, carrier, status, at_ms, detail, attempt }
        }
        other => other,
    };
    assert_eq!(told(&[accepted(1), part(7)]), (vec![(1, PartStatus::Queued, 0)], 1));
}
