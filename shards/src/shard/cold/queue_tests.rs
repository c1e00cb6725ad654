//! What the queue of a carrier promises, each by name.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

/// A message without haste beyond its lane's: all have the same time.
fn of(lane: Lane, customer: u32, sequence: u64) -> Waiting {
    let group = Group { carrier: 1, lane, customer };
    Waiting { fresh: true, deadline: UnixMs(90_000), sequence, group }
}

/// Sends one part of whatever is next. Customer 2 has three times the weight, customer 3 six times.
fn send_next(queue: &mut FairQueue) -> Option<u64> {
    let lane = queue.order().into_iter().find(|lane| queue.waits(*lane))?;
    let front = queue.front(lane)?;
    let weight = [1, 1, 3, 6].get(usize::try_from(front.group.customer).unwrap());
    queue.sent(front, *weight.unwrap(), 1);
    assert!(queue.remove(front));
    Some(front.sequence)
}

fn order(queue: &mut FairQueue) -> Vec<u64> {
    std::iter::from_fn(|| send_next(queue)).collect()
}

#[test]
fn a_customer_with_ten_does_not_wait_for_one_with_thousands() {
    let mut queue = FairQueue::default();
    (0..5_000).for_each(|n| queue.put(of(Lane::Transactional, 1, n)));
    (9_000..9_010).for_each(|n| queue.put(of(Lane::Transactional, 0, n)));
    assert_eq!(queue.len(), 5_010);
    let order = order(&mut queue);
    let last = order.iter().position(|n| *n == 9_009).unwrap();
    assert!(last <= 20, "{last}");
    let own: Vec<u64> = order.into_iter().filter(|n| *n < 5_000).collect();
    assert!(own.is_sorted() && own.len() == 5_000 && queue.is_empty());
}

#[test]
fn customers_share_by_weight() {
    let mut queue = FairQueue::default();
    for customer in 1..=3 {
        let sequences = (0..1_000).map(|n| u64::from(customer) * 10_000 + n);
        sequences.for_each(|sequence| queue.put(of(Lane::Bulk, customer, sequence)));
    }
    let sent: Vec<u64> = (0..1_000).filter_map(|_| send_next(&mut queue)).collect();
    let of = |customer: u64| sent.iter().filter(|n| **n / 10_000 == customer).count();
    assert_eq!([of(1), of(2), of(3)], [100, 300, 600]);
}

#[test]
fn the_urgent_go_first_and_the_others_are_never_without_a_turn() {
    let mut queue = FairQueue::default();
    (0..160).for_each(|n| queue.put(of(Lane::Bulk, 1, 3_000 + n)));
    (0..160).for_each(|n| queue.put(of(Lane::Transactional, 1, 2_000 + n)));
    (0..160).for_each(|n| queue.put(of(Lane::Otp, 1, 1_000 + n)));
    let order = order(&mut queue);
    let of = |part: &[u64], lane: u64| part.iter().filter(|n| **n / 1_000 == lane).count();
    let early = order.get(..160).unwrap();
    assert_eq!([of(early, 1), of(early, 2), of(early, 3)], [140, 10, 10]);
    let end = order.iter().rposition(|n| *n < 2_000).unwrap();
    assert!(end < 190, "{end}");
    assert_eq!(order.len(), 480);
}

#[test]
fn the_earliest_deadline_goes_first_and_what_is_to_be_sent_again_before_it() {
    let mut queue = FairQueue::default();
    let due = |sequence, deadline| Waiting {
        deadline: UnixMs(deadline),
        ..of(Lane::Transactional, 1, sequence)
    };
    queue.put(due(1, 9_000));
    queue.put(due(2, 8_000));
    queue.put(due(3, 9_000));
    queue.put(due(4, 1_000));
    queue.put(Waiting { fresh: false, ..due(5, 20_000) });
    queue.put(Waiting { fresh: false, ..due(6, 10_000) });
    assert_eq!(order(&mut queue), [6, 5, 4, 2, 1, 3]);
}

#[test]
fn nothing_comes_between_the_parts_of_a_message_but_what_is_more_urgent() {
    let mut queue = FairQueue::default();
    queue.put(of(Lane::Bulk, 1, 1));
    let long = queue.front(Lane::Bulk).unwrap();
    queue.sent(long, 1, 1);
    queue.put(Waiting { deadline: UnixMs(1), ..of(Lane::Bulk, 1, 2) });
    queue.put(of(Lane::Bulk, 2, 3));
    queue.put(of(Lane::Otp, 1, 4));
    let fronts = queue.order().map(|lane| queue.front(lane).map(|front| front.sequence));
    assert_eq!(fronts, [Some(4), None, Some(1)]);
    queue.sent(long, 1, 1);
    assert!(queue.remove(long));
    assert_eq!(queue.front(Lane::Bulk).map(|front| front.sequence), Some(3), "the other's turn");
    assert_eq!(order(&mut queue), [4, 3, 2]);
}

#[test]
fn what_ended_is_taken_out_wherever_it_stands() {
    let mut queue = FairQueue::default();
    let again = Waiting { fresh: false, ..of(Lane::Otp, 2, 5) };
    (0..4).for_each(|n| queue.put(of(Lane::Otp, 1, n)));
    queue.put(again);
    queue.sent(of(Lane::Otp, 1, 0), 1, 1);
    assert!(queue.remove(of(Lane::Otp, 1, 0)), "the one that was begun");
    assert!(queue.remove(of(Lane::Otp, 1, 2)) && !queue.remove(of(Lane::Otp, 1, 2)));
    assert!(queue.remove(of(Lane::Otp, 2, 5)), "put in to be sent again");
    assert_eq!((queue.len(), order(&mut queue)), (2, vec![1, 3]));
}

#[test]
fn a_message_put_in_twice_waits_once() {
    let mut queue = FairQueue::default();
    queue.put(of(Lane::Otp, 1, 1));
    queue.put(of(Lane::Otp, 1, 1));
    assert_eq!((queue.len(), order(&mut queue)), (1, vec![1]));
    assert!(queue.is_empty() && !queue.waits(Lane::Otp));
}

#[test]
fn all_that_wait_are_drained() {
    let mut queue = FairQueue::default();
    (0..9).for_each(|n| queue.put(of(Lane::ALL.get(n % 3).copied().unwrap(), 1, n as u64)));
    let mut drained: Vec<u64> = queue.drain().map(|message| message.sequence).collect();
    drained.sort_unstable();
    assert_eq!(drained, (0..9).collect::<Vec<_>>());
    assert!(queue.is_empty() && queue.front(Lane::Otp).is_none());
}
