//! Tests of the inbox under a virtual clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use postrider_core::redact::Private;
use postrider_core::text::{Concat, ReferenceWidth};
use proptest::prelude::*;

use super::*;
use crate::shard::deliveries::pdu::Address;

const TIMEOUT: Duration = limits::REASSEMBLY_TIMEOUT;

fn from(ms: u64) -> Origin {
    Origin { carrier: 1, customer: 7, at: UnixMs(1_790_000_000_000 + ms) }
}

fn fragment(place: Option<(u16, u8, u8)>, body: &[u8]) -> Fragment {
    let concat = place.and_then(|(reference, total, index)| {
        Concat::new(reference, total, index, ReferenceWidth::Eight)
    });
    Fragment {
        source: Address::new(1, 1, b"447700900001"),
        dest: Address::new(3, 0, b"72345"),
        esm_class: 0,
        protocol_id: 0,
        data_coding: 0,
        concat,
        udh: Box::default(),
        body: Private::new(body.into()),
    }
}

fn held(fragment: Fragment, ms: u64) -> Held {
    let at = Position { segment: SegmentId(1), offset: 0 };
    Held { fragment, from: from(ms), at }
}

fn keep(inbox: &mut Inbox, held: Held) -> Number {
    let number = inbox.next_number();
    inbox.insert(number, held);
    number
}

/// Keeps a fragment and puts it on disk.
fn take(
    inbox: &mut Inbox,
    place: Option<(u16, u8, u8)>,
    body: &[u8],
    ms: u64,
) -> (Number, Arrival) {
    let number = keep(inbox, held(fragment(place, body), ms));
    (number, inbox.arrived(Duration::from_millis(ms), number, true))
}

fn whole(members: &[Number]) -> Arrival {
    Arrival::Ready(Ready { members: members.to_vec(), partial: false })
}

#[test]
fn a_single_message_goes_at_once_and_ends_with_its_pdus() {
    let mut inbox = Inbox::new();
    let (number, arrival) = take(&mut inbox, None, b"hello", 0);
    assert_eq!(arrival, whole(&[1]));
    let Arrival::Ready(ready) = arrival else { panic!() };
    assert_eq!(inbox.go(ready, 2), Some(number));
    assert_eq!(inbox.ended(number, 0, true), None);
    assert_eq!(inbox.ended(number, 0, true), None, "the same PDU again");
    assert_eq!(inbox.ended(number, 1, false), Some((vec![1], false)));
    assert_eq!((inbox.len(), inbox.octets), (0, 0));
    assert_eq!(inbox.ended(number, 1, true), None);
}

#[test]
fn fragments_wait_for_their_siblings_in_any_order() {
    let mut inbox = Inbox::new();
    assert_eq!(take(&mut inbox, Some((9, 3, 3)), b"c", 0), (1, Arrival::Waits));
    assert_eq!(take(&mut inbox, Some((9, 3, 1)), b"a", 10), (2, Arrival::Waits));
    assert_eq!(take(&mut inbox, Some((8, 3, 2)), b"x", 20), (3, Arrival::Waits));
    assert_eq!(take(&mut inbox, Some((9, 3, 2)), b"b", 30), (4, whole(&[2, 4, 1])));
}

#[test]
fn fragments_that_are_not_to_be_joined_go_alone() {
    let mut inbox = Inbox::new();
    let number = keep(&mut inbox, held(fragment(Some((9, 2, 1)), b"\x01\x02"), 0));
    assert_eq!(inbox.arrived(Duration::ZERO, number, false), whole(&[1]));
}

#[test]
fn what_has_come_is_let_go_when_the_rest_does_not_come() {
    let mut inbox = Inbox::new();
    take(&mut inbox, Some((9, 3, 3)), b"c", 0);
    take(&mut inbox, Some((9, 3, 1)), b"a", 10);
    assert_eq!(inbox.poll_timeout(), Some(TIMEOUT));
    assert_eq!(inbox.poll_partial(TIMEOUT - Duration::from_millis(1)), None);
    let partial = inbox.poll_partial(TIMEOUT);
    assert_eq!(partial, Some(Ready { members: vec![2, 1], partial: true }));
    assert_eq!(inbox.poll_timeout(), None);
    assert_eq!(inbox.go(partial.unwrap(), 2), Some(2));
    assert_eq!(inbox.ended(2, 1, true), None);
    assert_eq!(inbox.ended(2, 0, true), Some((vec![2, 1], true)));
    assert_eq!(inbox.len(), 0);
}

#[test]
fn a_copy_is_known_for_its_time_and_then_is_another_message() {
    let mut inbox = Inbox::new();
    let single = fragment(None, b"yes");
    let part = fragment(Some((9, 2, 1)), b"yes");
    let resend = u64::try_from(limits::INBOUND_RESEND.as_millis()).unwrap();
    let wait = u64::try_from(TIMEOUT.as_millis()).unwrap();
    assert!(!inbox.knows(&single, from(0)));
    keep(&mut inbox, held(single.clone(), 0));
    assert!(!inbox.knows(&part, from(0)), "a fragment of the same octets is another thing");
    keep(&mut inbox, held(part.clone(), 0));
    for (fragment, span) in [(&single, resend), (&part, wait)] {
        assert!(inbox.knows(fragment, from(0)) && inbox.knows(fragment, from(span - 1)));
        assert!(!inbox.knows(fragment, from(span)));
    }
    let mut other = single.clone();
    other.source = Address::new(1, 1, b"447700900002");
    assert!(!inbox.knows(&other, from(0)));
    let mut other = single.clone();
    other.data_coding = 4;
    assert!(!inbox.knows(&other, from(0)));
    assert!(!inbox.knows(&single, Origin { carrier: 2, ..from(0) }));
    // The customer has it: a late copy is known all the same.
    inbox.remove(1);
    assert!(inbox.knows(&single, from(1)));
}

#[test]
fn only_so_many_are_remembered() {
    let mut known = Known::default();
    let at = UnixMs(1_000_000);
    for fingerprint in 0..70_000 {
        known.note(fingerprint, at);
    }
    assert_eq!(known.order.len(), limits::INBOUND_REMEMBERED);
    assert_eq!(known.first.len(), limits::INBOUND_REMEMBERED);
    assert!(!known.has(0, at, TIMEOUT) && known.has(69_999, at, TIMEOUT));
    known.note(1, at.after(TIMEOUT));
    assert_eq!((known.order.len(), known.first.len()), (1, 1));
}

#[test]
fn the_bounds_of_a_customer_and_of_the_shard_hold() {
    let mut inbox = Inbox::new();
    for _ in 0..limits::INBOUND_PER_CUSTOMER {
        assert!(inbox.has_room(7, 1));
        keep(&mut inbox, held(fragment(None, b"x"), 0));
    }
    assert!(!inbox.has_room(7, 1));
    assert!(inbox.has_room(8, 1), "another customer has its own");
    assert!(!inbox.has_room(8, limits::INBOUND_BYTES));
    inbox.remove(1);
    assert!(inbox.has_room(7, 1));
}

#[test]
fn numbers_are_not_given_twice() {
    let mut inbox = Inbox::new();
    inbox.seen(41);
    assert_eq!(keep(&mut inbox, held(fragment(None, b"x"), 0)), 42);
    inbox.insert(42, held(fragment(None, b"x"), 0));
    assert_eq!(inbox.len(), 1, "carried forward, not come again");
    assert_eq!(keep(&mut inbox, held(fragment(None, b"y"), 0)), 43);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes in whatever order, every fragment that was kept comes out in exactly one
    /// message, and whole messages are in order.
    #[test]
    fn every_fragment_comes_out_once(
        order in prop::collection::vec((0u16..4, 0u8..5, 0u64..400_000), 1..80),
    ) {
        let mut inbox = Inbox::new();
        let mut now = 0;
        let (mut kept, mut out) = (BTreeSet::new(), BTreeSet::new());
        for (reference, index, ms) in order {
            now += ms;
            let total = 5;
            let index = index + 1;
            let part = fragment(Some((reference, total, index)), &[index]);
            if inbox.knows(&part, from(now)) {
                continue;
            }
            let number = keep(&mut inbox, held(part, now));
            kept.insert(number);
            let at = Duration::from_millis(now);
            let mut ready = Vec::new();
            match inbox.arrived(at, number, true) {
                Arrival::Ready(all) => {
                    let places: Vec<u8> = all
                        .members
                        .iter()
                        .map(|n| inbox.get(*n).unwrap().fragment.concat.unwrap().index)
                        .collect();
                    prop_assert_eq!(places, vec![1, 2, 3, 4, 5]);
                    ready.push(all);
                }
                Arrival::Waits => {}
                Arrival::Repeated => {
                    inbox.remove(number);
                    out.insert(number);
                }
            }
            while let Some(partial) = inbox.poll_partial(at) {
                ready.push(partial);
            }
            for ready in ready {
                for member in ready.members {
                    prop_assert!(out.insert(member), "twice");
                }
            }
        }
        while let Some(partial) = inbox.poll_partial(Duration::from_secs(u32::MAX.into())) {
            for member in partial.members {
                prop_assert!(out.insert(member), "twice");
            }
        }
        prop_assert_eq!(kept, out);
    }
}
