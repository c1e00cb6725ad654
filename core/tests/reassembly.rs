//! Parts of inbound messages: whatever the order, the repeats, the references used again and the
//! parts that never come, all that was taken comes out once, whole or marked.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use core::time::Duration;

use postrider_core::limits::{REASSEMBLY_BYTES, REASSEMBLY_MESSAGES, REASSEMBLY_TIMEOUT};
use postrider_core::reassembly::{Arrived, MessageKey, Partial, Reassembler};
use postrider_core::text::{Concat, ReferenceWidth, split_udh};
use proptest::prelude::*;

const START: Duration = Duration::from_secs(1_000);

fn key(dest: &str, reference: u16, total: u8, width: ReferenceWidth) -> MessageKey {
    let place = Concat::new(reference, total, 1, width).unwrap();
    MessageKey::new(1, b"447700900123", dest.as_bytes(), place)
}

fn eight(reference: u16, total: u8) -> MessageKey {
    key("5000", reference, total, ReferenceWidth::Eight)
}

/// Hands in a part whose text is all that is held for it.
fn add(
    machine: &mut Reassembler<String>,
    at: Duration,
    key: &MessageKey,
    number: u8,
    text: &str,
) -> Arrived<String> {
    machine.handle_part(at, key.clone(), number, text.as_bytes(), text.to_owned())
}

fn whole(texts: &[&str]) -> Arrived<String> {
    Arrived::Whole(texts.iter().map(|text| (*text).to_owned()).collect())
}

#[test]
fn a_message_is_whole_with_its_last_part() {
    let mut machine = Reassembler::default();
    let key = eight(7, 3);
    assert_eq!(add(&mut machine, START, &key, 3, "c"), Arrived::Waits);
    assert_eq!(add(&mut machine, START, &key, 1, "a"), Arrived::Waits);
    assert_eq!(add(&mut machine, START, &key, 3, "c"), Arrived::Repeated("c".to_owned()));
    assert_eq!(machine.len(), 1);
    assert_eq!(add(&mut machine, START, &key, 2, "b"), whole(&["a", "b", "c"]));
    assert!(machine.is_empty());
    assert_eq!(machine.poll_timeout(), None);
    assert_eq!(machine.poll_expired(Duration::MAX), None);
}

#[test]
fn a_reference_can_be_used_again_once_its_message_is_whole() {
    let mut machine = Reassembler::default();
    let key = eight(7, 2);
    for _ in 0..3 {
        assert_eq!(add(&mut machine, START, &key, 1, "a"), Arrived::Waits);
        assert_eq!(add(&mut machine, START, &key, 2, "b"), whole(&["a", "b"]));
    }
}

#[test]
fn a_reference_used_again_before_gives_up_what_came_of_the_first() {
    let mut machine = Reassembler::default();
    let key = eight(7, 2);
    assert_eq!(add(&mut machine, START, &key, 1, "old"), Arrived::Waits);
    assert_eq!(add(&mut machine, START, &key, 1, "new"), Arrived::Waits);
    assert_eq!(machine.poll_timeout(), Some(Duration::ZERO));
    let partial = machine.poll_expired(START).unwrap();
    assert_eq!((partial.key.total(), partial.parts), (2, vec![(1, "old".to_owned())]));
    assert_eq!(add(&mut machine, START, &key, 2, "end"), whole(&["new", "end"]));
    assert_eq!(machine.poll_expired(START), None);
}

#[test]
fn what_differs_in_any_way_is_another_message() {
    let mut machine = Reassembler::default();
    let place = Concat::new(7, 2, 1, ReferenceWidth::Eight).unwrap();
    let keys = [
        MessageKey::new(1, b"a", b"b", place),
        MessageKey::new(2, b"a", b"b", place),
        MessageKey::new(1, b"x", b"b", place),
        MessageKey::new(1, b"a", b"x", place),
        MessageKey::new(1, b"ab", b"", place),
        MessageKey::new(1, b"a", b"b", Concat { reference: 8, ..place }),
        MessageKey::new(1, b"a", b"b", Concat { total: 3, ..place }),
        MessageKey::new(1, b"a", b"b", Concat { width: ReferenceWidth::Sixteen, ..place }),
    ];
    for key in &keys {
        assert_eq!(add(&mut machine, START, key, 1, "one"), Arrived::Waits);
    }
    assert_eq!(machine.len(), keys.len());
    // The part's own number is no part of the key.
    assert_eq!(MessageKey::new(1, b"a", b"b", Concat { index: 2, ..place }), keys[0]);
}

#[test]
fn a_message_is_given_up_when_its_time_is_over() {
    let mut machine = Reassembler::default();
    let (first, second) = (eight(1, 3), eight(2, 2));
    assert_eq!(add(&mut machine, START, &first, 2, "b"), Arrived::Waits);
    let later = START + Duration::from_secs(30);
    assert_eq!(add(&mut machine, later, &second, 1, "x"), Arrived::Waits);
    assert_eq!(add(&mut machine, later, &first, 3, "c"), Arrived::Waits);
    // From its first part.
    let due = START + REASSEMBLY_TIMEOUT;
    assert_eq!(machine.poll_timeout(), Some(due));
    assert_eq!(machine.poll_expired(due - Duration::from_millis(1)), None);
    let parts = vec![(2, "b".to_owned()), (3, "c".to_owned())];
    assert_eq!(machine.poll_expired(due), Some(Partial { key: first.clone(), parts }));
    assert_eq!(machine.poll_expired(due), None);
    // What comes too late begins anew.
    assert_eq!(add(&mut machine, due, &first, 1, "a"), Arrived::Waits);
    assert_eq!(add(&mut machine, due, &second, 2, "y"), whole(&["x", "y"]));
    assert_eq!(machine.poll_timeout(), Some(due + REASSEMBLY_TIMEOUT));
}

#[test]
fn void_places_are_none() {
    for (total, index) in [(0, 0), (0, 1), (2, 0), (2, 3)] {
        for width in [ReferenceWidth::Eight, ReferenceWidth::Sixteen] {
            assert_eq!(Concat::new(1, total, index, width), None, "{total} {index}");
        }
        assert_eq!(split_udh(&[5, 0, 3, 1, total, index, b'x']), (None, &b"x"[..]));
    }
    let mut machine = Reassembler::default();
    assert_eq!(add(&mut machine, START, &eight(1, 1), 1, "only"), whole(&["only"]));
    assert!(machine.is_empty());
}

#[test]
fn messages_and_octets_are_bounded_and_nothing_is_dropped() {
    let mut machine = Reassembler::default();
    for number in 0..REASSEMBLY_MESSAGES + 10 {
        let key = key(&number.to_string(), 1, 2, ReferenceWidth::Eight);
        assert_eq!(add(&mut machine, START, &key, 1, &number.to_string()), Arrived::Waits);
    }
    assert_eq!(machine.len(), REASSEMBLY_MESSAGES);
    let given_up: Vec<_> = std::iter::from_fn(|| machine.poll_expired(START)).collect();
    // The oldest go first.
    let numbers: Vec<_> = given_up.into_iter().flat_map(|partial| partial.parts).collect();
    assert_eq!(numbers, (0..10).map(|n| (1, n.to_string())).collect::<Vec<_>>());

    let mut machine = Reassembler::default();
    let octets = vec![b'x'; 60_000];
    let most = REASSEMBLY_BYTES / octets.len();
    for number in 0..most + 5 {
        let key = key(&number.to_string(), 1, 2, ReferenceWidth::Sixteen);
        assert_eq!(machine.handle_part(START, key, 1, &octets, number), Arrived::Waits);
    }
    assert_eq!(machine.len(), most);
    let given_up: Vec<_> = std::iter::from_fn(|| machine.poll_expired(START)).collect();
    let numbers: Vec<_> = given_up.into_iter().flat_map(|partial| partial.parts).collect();
    assert_eq!(numbers, (0..5).map(|n| (1, n)).collect::<Vec<_>>());
    // Once they are whole or given up there is room again.
    let left: usize =
        std::iter::from_fn(|| machine.poll_expired(Duration::MAX)).map(|p| p.parts.len()).sum();
    assert_eq!((left, machine.len()), (most, 0));
}

/// One message of the traffic below: which key, how many parts, which of them come how often.
#[derive(Clone, Debug)]
struct Sent {
    slot: u16,
    total: u8,
    wide: bool,
    copies: Vec<u8>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let copies = prop::collection::vec(prop_oneof![1 => Just(0_u8), 8 => Just(1), 2 => Just(2)], 6);
    (0_u16..3, 1_u8..=6, any::<bool>(), copies).prop_map(|(slot, total, wide, copies)| Sent {
        slot,
        total,
        wide,
        copies,
    })
}

impl Sent {
    /// The key of a message to `dest`.
    fn key(&self, dest: &str) -> MessageKey {
        let width = if self.wide { ReferenceWidth::Sixteen } else { ReferenceWidth::Eight };
        key(dest, self.slot, self.total, width)
    }
}

proptest! {
    /// All messages have keys of their own; their parts come mixed.
    #[test]
    fn mixed_parts_of_many_messages_find_each_other(
        messages in prop::collection::vec(sent(), 1..20),
        order in prop::collection::vec(any::<u32>(), 240),
    ) {
        let mut parts: Vec<(u32, usize, u8)> = Vec::new();
        let mut order = order.into_iter();
        for (index, message) in messages.iter().enumerate() {
            for number in 1..=message.total {
                for _ in 0..message.copies[usize::from(number) - 1] {
                    parts.push((order.next().unwrap(), index, number));
                }
            }
        }
        parts.sort_unstable();
        let mut machine = Reassembler::default();
        let mut came = vec![Vec::new(); messages.len()];
        let mut finished = vec![0; messages.len()];
        for (at, (_, index, number)) in (1..).zip(&parts) {
            let message = &messages[*index];
            let key = message.key(&index.to_string());
            let now = START + Duration::from_millis(at);
            let text = format!("{index}/{number}");
            match add(&mut machine, now, &key, *number, &text) {
                Arrived::Waits => came[*index].push(*number),
                Arrived::Repeated(back) => {
                    prop_assert_eq!(back, text);
                    prop_assert!(came[*index].contains(number));
                }
                Arrived::Whole(texts) => {
                    let expected: Vec<_> = (1..=message.total).map(|n| format!("{index}/{n}")).collect();
                    prop_assert_eq!(texts, expected);
                    finished[*index] += 1;
                    came[*index].clear();
                }
            }
            prop_assert_eq!(machine.poll_expired(now), None);
        }
        for (index, message) in messages.iter().enumerate() {
            let least = message.copies[..usize::from(message.total)].iter().min().unwrap();
            prop_assert!(finished[index] <= usize::from(*message.copies.iter().max().unwrap()));
            prop_assert_eq!(*least > 0, finished[index] > 0, "whole once all parts came");
        }
        let rest: usize = std::iter::from_fn(|| machine.poll_expired(Duration::MAX))
            .map(|partial| partial.parts.len())
            .sum();
        prop_assert_eq!(rest, came.iter().map(Vec::len).sum::<usize>());
        prop_assert!(machine.is_empty());
    }

    /// Few keys, used again and again, at any pace: what goes in comes out once.
    #[test]
    fn nothing_is_lost_or_doubled_whatever_comes(
        parts in prop::collection::vec((sent(), 1_u8..=6, 0_u64..400, any::<bool>()), 1..100),
    ) {
        let mut machine = Reassembler::default();
        let mut now = START;
        let (mut taken, mut out) = (Vec::new(), Vec::new());
        let give_up = |machine: &mut Reassembler<usize>, now, out: &mut Vec<usize>| {
            while let Some(partial) = machine.poll_expired(now) {
                assert!(partial.parts.len() < usize::from(partial.key.total()));
                assert!(partial.parts.is_sorted_by_key(|(number, _)| *number));
                out.extend(partial.parts.into_iter().map(|(_, held)| held));
            }
        };
        for (id, (message, number, pause, same)) in parts.iter().enumerate() {
            now += Duration::from_secs(*pause);
            let number = (number - 1) % message.total + 1;
            let octets = if *same { b"same".to_vec() } else { id.to_be_bytes().to_vec() };
            give_up(&mut machine, now, &mut out);
            taken.push(id);
            match machine.handle_part(now, message.key("5000"), number, &octets, id) {
                Arrived::Waits => {}
                Arrived::Repeated(held) => {
                    prop_assert_eq!(held, id);
                    taken.pop();
                }
                Arrived::Whole(held) => {
                    prop_assert_eq!(held.len(), usize::from(message.total));
                    out.extend(held);
                }
            }
            prop_assert!(machine.poll_timeout().is_none_or(|due| due <= now + REASSEMBLY_TIMEOUT));
        }
        give_up(&mut machine, Duration::MAX, &mut out);
        out.sort_unstable();
        prop_assert_eq!(out, taken);
    }
}
