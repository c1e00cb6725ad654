//! Tests of a customer's queue under a virtual clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(ms: u64) -> Now {
    Now { mono: Duration::from_millis(ms), wall: UnixMs(1_790_000_000_000 + ms) }
}

fn receipt(sequence: u64) -> Item {
    Item::Receipt { sequence, receipt: 0 }
}

fn queue_of(items: u64) -> Queue {
    let mut queue = Queue::default();
    for sequence in 0..items {
        queue.push(receipt(sequence), at(0).wall);
    }
    queue
}

fn take(queue: &mut Queue, now: Now) -> Option<(Place, Item)> {
    let found = queue.first(now.mono)?;
    queue.take(found.0);
    Some(found)
}

fn count(queue: &Queue) -> usize {
    queue.entries.values().filter(|entry| entry.stage == Stage::Out).count()
}

#[test]
fn items_leave_in_the_order_in_which_they_came() {
    let mut queue = queue_of(3);
    for sequence in 0..3 {
        let (place, item) = take(&mut queue, at(0)).unwrap();
        assert_eq!(item, receipt(sequence));
        let settled = queue.answered(at(1), place, DeliveryAnswer::Status(0));
        assert_eq!(settled, Some((item, 1, Settled::Delivered)));
    }
    assert_eq!((queue.len(), count(&queue), queue.poll_timeout(at(2))), (0, 0, None));
}

#[test]
fn a_lost_item_goes_before_what_came_after_it_once_its_time_has_come() {
    let mut queue = queue_of(3);
    let (place, _) = take(&mut queue, at(0)).unwrap();
    let lost = queue.answered(at(0), place, DeliveryAnswer::Lost).unwrap();
    assert_eq!(lost.2, Settled::Again);
    assert_eq!(queue.first(at(0).mono).unwrap().1, receipt(1), "the others need not wait for it");
    assert_eq!(queue.poll_timeout(at(0)), Some(SECOND));
    queue.handle_timeout(SECOND);
    assert_eq!(queue.first(SECOND).unwrap().1, receipt(0));
}

#[test]
fn a_full_customer_pauses_the_whole_queue_longer_each_time_until_it_takes_something() {
    let mut queue = queue_of(2);
    let mut now = at(0);
    for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
        let (place, item) = take(&mut queue, now).unwrap();
        assert_eq!(item, receipt(0), "the order stays");
        queue.answered(now, place, DeliveryAnswer::Status(CommandStatus::ESME_RMSGQFUL.0)).unwrap();
        assert_eq!(queue.first(now.mono), None);
        let until = queue.poll_timeout(now).unwrap();
        assert_eq!(until - now.mono, Duration::from_secs(expected));
        now = at(u64::try_from(until.as_millis()).unwrap());
    }
    let (place, _) = take(&mut queue, now).unwrap();
    queue.answered(now, place, DeliveryAnswer::Status(0)).unwrap();
    let (place, _) = take(&mut queue, now).unwrap();
    queue.answered(now, place, DeliveryAnswer::Status(CommandStatus::ESME_RTHROTTLED.0)).unwrap();
    assert_eq!(queue.poll_timeout(now).unwrap() - now.mono, SECOND);
}

#[test]
fn temporary_refusals_and_losses_are_tried_for_as_long_as_the_item_lives() {
    let mut queue = queue_of(1);
    let mut now = at(0);
    let mut tries = 0;
    let lifetime = limits::DELIVERY_LIFETIME;
    let expired = loop {
        queue.handle_timeout(now.mono);
        if let Some(expired) = queue.poll_expired(now.wall) {
            break expired;
        }
        if let Some((place, _)) = take(&mut queue, now) {
            tries += 1;
            let status = [CommandStatus::ESME_RX_T_APPN.0, CommandStatus::ESME_RSYSERR.0];
            let answer = if tries % 3 == 0 {
                DeliveryAnswer::Lost
            } else {
                DeliveryAnswer::Status(status[tries % 2])
            };
            assert_eq!(queue.answered(now, place, answer).unwrap().2, Settled::Again);
        }
        let due = queue.poll_timeout(now).unwrap();
        assert!(due > now.mono, "the clock stands still");
        now = at(u64::try_from(due.as_millis()).unwrap());
    };
    assert_eq!(expired, (receipt(0), u16::try_from(tries).unwrap()));
    assert_eq!(now.mono, lifetime);
    assert!(tries > 4_000, "{tries} tries in 72 hours");
    assert_eq!(queue.len(), 0);
}

#[test]
fn what_the_customer_refuses_for_good_is_given_up_after_a_few_tries() {
    let mut queue = queue_of(2);
    for attempt in 1..=limits::DELIVERY_REFUSALS {
        let now = at(u64::from(attempt) * 100_000);
        queue.handle_timeout(now.mono);
        let (place, item) = take(&mut queue, now).unwrap();
        let (_, tries, settled) = queue
            .answered(now, place, DeliveryAnswer::Status(CommandStatus::ESME_RX_R_APPN.0))
            .unwrap();
        assert_eq!((item, u32::from(tries)), (receipt(0), attempt));
        let last = attempt == limits::DELIVERY_REFUSALS;
        assert_eq!(settled, if last { Settled::GivenUp } else { Settled::Again });
    }
    assert_eq!(queue.len(), 1, "the next one is not touched by it");
}

#[test]
fn an_item_that_did_not_leave_has_not_been_tried() {
    let mut queue = queue_of(1);
    let (place, _) = take(&mut queue, at(0)).unwrap();
    let (_, _, settled) = queue.answered(at(0), place, DeliveryAnswer::NotTried).unwrap();
    assert_eq!(settled, Settled::Again);
    let due = queue.poll_timeout(at(0)).unwrap();
    assert_eq!(due, limits::DELIVERY_MISSED);
    queue.handle_timeout(due);
    let (place, _) = take(&mut queue, at(200)).unwrap();
    assert_eq!(queue.answered(at(200), place, DeliveryAnswer::Status(0)).unwrap().1, 1);
}

#[test]
fn an_item_that_is_out_does_not_expire() {
    let mut queue = queue_of(1);
    let (place, _) = take(&mut queue, at(0)).unwrap();
    let old = at(0).wall.after(limits::DELIVERY_LIFETIME);
    assert_eq!((queue.poll_expired(old), queue.poll_timeout(at(0))), (None, None));
    queue.answered(at(0), place, DeliveryAnswer::Lost).unwrap();
    assert_eq!(queue.poll_expired(old), Some((receipt(0), 1)));
}

#[test]
fn an_answer_to_nothing_changes_nothing() {
    let mut queue = queue_of(1);
    assert_eq!(queue.answered(at(0), 0, DeliveryAnswer::Status(0)), None, "it is not out");
    assert_eq!(queue.answered(at(0), 9, DeliveryAnswer::Status(0)), None);
    assert_eq!((queue.len(), count(&queue)), (1, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the customer does, each item ends once, none is out twice, and the counts hold.
    #[test]
    fn every_item_ends_exactly_once(script in prop::collection::vec((0u8..9, 0u64..90_000), 1..300)) {
        let mut queue = Queue::default();
        let (mut pushed, mut ended) = (0u64, BTreeSet::new());
        let mut out: Vec<(Place, Item)> = Vec::new();
        let mut now = at(0);
        for (what, ms) in script {
            match what {
                0 | 1 => {
                    queue.push(receipt(pushed), now.wall);
                    pushed += 1;
                }
                2 => {
                    let next = u64::try_from(now.mono.as_millis()).unwrap() + ms;
                    now = at(next);
                    queue.handle_timeout(now.mono);
                }
                3 | 4 => {
                    if let Some(taken) = take(&mut queue, now) {
                        prop_assert!(!out.contains(&taken), "out twice");
                        out.push(taken);
                    }
                }
                _ if out.is_empty() => {}
                _ => {
                    let (place, item) = out.swap_remove(usize::try_from(ms).unwrap() % out.len());
                    let answer = match what {
                        5 => DeliveryAnswer::Status(0),
                        6 => DeliveryAnswer::Status([0x14, 0x58, 0x64, 0x66, 0x08][usize::try_from(ms).unwrap() % 5]),
                        7 => DeliveryAnswer::Lost,
                        _ => DeliveryAnswer::NotTried,
                    };
                    let (same, _, settled) = queue.answered(now, place, answer).unwrap();
                    prop_assert_eq!(same, item);
                    if settled != Settled::Again {
                        prop_assert!(ended.insert(item), "ended twice");
                    }
                }
            }
            prop_assert_eq!(count(&queue), out.len());
            prop_assert_eq!(u64::try_from(queue.len() + ended.len()).unwrap(), pushed);
        }
        for (place, item) in out {
            queue.answered(now, place, DeliveryAnswer::Status(0)).unwrap();
            ended.insert(item);
        }
        for _ in 0..10_000 {
            queue.handle_timeout(now.mono);
            if let Some((place, item)) = take(&mut queue, now) {
                queue.answered(now, place, DeliveryAnswer::Status(0)).unwrap();
                prop_assert!(ended.insert(item), "ended twice");
            } else if let Some(due) = queue.poll_timeout(now) {
                now = at(u64::try_from(due.as_millis()).unwrap() + 1);
            }
        }
        prop_assert_eq!(u64::try_from(ended.len()).unwrap(), pushed);
    }
}

#[test]
fn an_item_is_in_the_queue_once_and_can_be_kept_elsewhere_while_nobody_has_it() {
    let mut queue = queue_of(3);
    queue.push(receipt(1), at(0).wall);
    assert_eq!((queue.len(), queue.ready()), (3, 3));
    assert!(queue.withdraw(&[receipt(1), receipt(9)]));
    assert_eq!((queue.len(), queue.ready()), (2, 2));
    let (place, _) = take(&mut queue, at(0)).unwrap();
    assert!(!queue.withdraw(&[receipt(2), receipt(0)]), "one is out");
    assert_eq!(queue.ready(), 1);
    queue.answered(at(0), place, DeliveryAnswer::Lost).unwrap();
    assert!(!queue.withdraw(&[receipt(0)]), "it waits, and its tries are counted");
    queue.handle_timeout(SECOND);
    assert!(queue.withdraw(&[receipt(0)]));
    // It comes back behind what came meanwhile.
    queue.push(receipt(0), at(0).wall);
    assert_eq!(take(&mut queue, at(2_000)).unwrap().1, receipt(2));
    assert_eq!(take(&mut queue, at(2_000)).unwrap().1, receipt(0));
}

#[test]
fn what_has_been_owed_longest_is_given_up_first_wherever_it_stands() {
    let mut queue = Queue::default();
    queue.push(receipt(1), at(5_000).wall);
    queue.push(receipt(2), at(1_000).wall);
    let over = at(1_000).wall.after(limits::DELIVERY_LIFETIME);
    assert_eq!(queue.poll_expired(UnixMs(over.0 - 1)), None);
    assert_eq!(queue.poll_expired(over), Some((receipt(2), 0)));
    assert_eq!(queue.poll_expired(over), None);
    assert_eq!(queue.len(), 1);
}

#[test]
fn a_customer_that_takes_nothing_is_offered_no_more_than_so_many_things() {
    let most = u64::try_from(limits::DELIVERIES_AGAIN).unwrap();
    let mut queue = queue_of(most + 5);
    let refused = DeliveryAnswer::Status(CommandStatus::ESME_RX_T_APPN.0);
    let mut offered = 0;
    while let Some((place, _)) = take(&mut queue, at(0)) {
        queue.answered(at(0), place, refused).unwrap();
        offered += 1;
    }
    assert_eq!(offered, most);
    queue.handle_timeout(SECOND);
    assert!(queue.first(SECOND).is_some());
}
