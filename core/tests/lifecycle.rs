//! The life of a part: every pair of status and event, written out a second time, and the fold.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use postrider_core::lifecycle::{IllegalTransition, PartEvent, PartStatus, fold, next};
use proptest::prelude::*;

use PartStatus::{
    Canceled, Delivered, Expired, Failed, Held, OutcomeUnknown, Queued, Rejected, Submitted,
    Undelivered, Unknown,
};

/// One letter a status, in the order of `PartStatus::ALL`; `.` is illegal.
const LETTERS: &str = "qhsoduxrfck";

/// Event by row, present status by column, next status in the cell.
const EXPECTED: [(&str, &str); 17] = [
    //                  qhsoduxrfck
    ("held", "h.........."),
    ("released", ".q........."),
    ("submitted", "s..s......."),
    ("refused", "q..q......."),
    ("outcome_unknown", "o.........."),
    ("requeued", "q..q......."),
    ("intermediate", "qhso......."),
    ("delivered", "dddd......."),
    ("undelivered", "uuuu......."),
    ("expired", "xxxx......."),
    ("rejected", "rrrr......."),
    ("failed", "ffff......."),
    ("canceled", "cccc......."),
    ("timed_out", "k.kk......."),
    ("late_receipt", "....duxrfck"),
    ("attempted", "q.........."),
    ("accepted_late", "..s.duxrfck"),
];

fn status(letter: char) -> Option<PartStatus> {
    LETTERS.find(letter).map(|at| PartStatus::ALL[at])
}

#[test]
fn every_pair_of_status_and_event() {
    for (event, (name, cells)) in PartEvent::ALL.into_iter().zip(EXPECTED) {
        assert_eq!(event.name(), name);
        for (from, cell) in PartStatus::ALL.into_iter().zip(cells.chars()) {
            let expected = status(cell).ok_or(IllegalTransition { status: from, event });
            assert_eq!(next(from, event), expected, "{} + {name}", from.name());
        }
    }
}

#[test]
fn numbers_and_names_are_the_logs_and_the_apis() {
    for (status, number) in PartStatus::ALL.into_iter().zip(0u8..) {
        assert_eq!(status as u8, number);
        assert_eq!(PartStatus::from_u8(number), Some(status));
        assert_eq!(PartStatus::from_name(status.name()), Some(status));
        assert_eq!(status.is_final(), number >= 4);
    }
    for (event, number) in PartEvent::ALL.into_iter().zip(0u8..) {
        assert_eq!(event as u8, number);
        assert_eq!(PartEvent::from_u8(number), Some(event));
    }
    assert_eq!(PartStatus::from_u8(11), None);
    assert_eq!(PartEvent::from_u8(17), None);
    assert_eq!(PartStatus::from_name("Queued"), None);
    let illegal = next(Delivered, PartEvent::Submitted).unwrap_err();
    assert_eq!(illegal.to_string(), "a part that is delivered cannot take the event submitted");
}

#[test]
fn a_message_is_the_fold_of_its_parts() {
    for (parts, message) in [
        (&[][..], Queued),
        (&[Queued, Queued], Queued),
        (&[Queued, Held], Held),
        (&[Held, Submitted], Submitted),
        (&[Submitted, OutcomeUnknown, Queued], OutcomeUnknown),
        (&[Delivered, Queued], Submitted),
        (&[Unknown, Queued], Submitted),
        (&[Delivered, Submitted], Submitted),
        (&[Delivered, Delivered], Delivered),
        (&[Delivered, Unknown], Delivered),
        (&[Unknown, Unknown], Unknown),
        (&[Delivered, Undelivered], Undelivered),
        (&[Submitted, Expired], Expired),
        (&[Canceled, Undelivered], Undelivered),
        (&[Canceled, Failed, Rejected, Expired], Expired),
        (&[Failed, Rejected], Rejected),
        (&[Canceled, Failed], Failed),
        (&[Canceled, Delivered], Canceled),
        (&[OutcomeUnknown, Failed], Failed),
    ] {
        assert_eq!(fold(parts), message, "{parts:?}");
    }
}

proptest! {
    #[test]
    fn the_fold_keeps_its_promises(numbers in prop::collection::vec(0..11u8, 1..12)) {
        let mut parts: Vec<PartStatus> =
            numbers.into_iter().map(|number| PartStatus::from_u8(number).unwrap()).collect();
        let message = fold(&parts);
        let failed = |status: &PartStatus| {
            status.is_final() && !matches!(status, Delivered | Unknown)
        };
        let all_final = parts.iter().all(|part| part.is_final());
        prop_assert_eq!(message.is_final(), all_final || parts.iter().any(failed));
        prop_assert!(!failed(&message) || parts.contains(&message));
        prop_assert!(message != Delivered || parts.contains(&Delivered));
        parts.reverse();
        prop_assert_eq!(fold(&parts), message);
        prop_assert_eq!(fold(&parts[..1]), parts[0]);
    }

    #[test]
    fn a_final_status_never_changes(events in prop::collection::vec(0..15u8, 0..40)) {
        let mut status = Queued;
        for event in events.into_iter().map(|number| PartEvent::from_u8(number).unwrap()) {
            let after = next(status, event).unwrap_or(status);
            prop_assert!(!status.is_final() || after == status);
            status = after;
        }
    }
}
