//! When shards count as out of balance, and which cause is named. Tests, lives nowhere.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use postrider_core::place::Partition;

use super::*;
use crate::stats::BindLabel;

/// Two shards with a bind of each of two carriers.
fn shards() -> Vec<Arc<Stats>> {
    let each = |bind| {
        let stats = Stats::new();
        for carrier in ["alpha", "beta"] {
            stats.add_bind(BindLabel { carrier: carrier.to_owned(), bind, kind: "transceiver" });
        }
        Arc::new(stats)
    };
    (0..2).map(each).collect()
}

/// A second's work: so many milliseconds of each core.
fn work(shards: &[Arc<Stats>], ms: [u64; 2]) {
    for (stats, ms) in shards.iter().zip(ms) {
        stats.add(Counter::CpuMicros, ms * 1_000);
    }
}

/// The verdict over ten seconds in each of which `second` is done.
fn verdict(shards: &[Arc<Stats>], mut second: impl FnMut()) -> Verdict {
    let mut balance = Balance::default();
    assert_eq!(balance.observe(Duration::from_secs(100), shards), None, "nothing to compare with");
    for at in 101..110 {
        second();
        assert_eq!(balance.observe(Duration::from_secs(at), shards), None);
    }
    second();
    let found = balance.observe(Duration::from_secs(110), shards).cloned().unwrap();
    assert_eq!(balance.last(), Some(&found));
    found
}

#[test]
fn a_fifth_less_is_in_balance_and_more_is_not() {
    let shards = shards();
    let even = verdict(&shards, || work(&shards, [500, 400]));
    assert_eq!(even, Verdict { busy: vec![50, 40], percent: 20, imbalance: None });
    let odd = verdict(&shards, || work(&shards, [390, 500]));
    assert_eq!((odd.busy.as_slice(), odd.percent), (&[39, 50][..], 22));
    let who = odd.imbalance.unwrap();
    assert_eq!((who.busiest, who.idlest, who.cause), (1, 0, Cause::Unknown));
}

#[test]
fn shards_at_rest_are_not_compared() {
    let shards = shards();
    let idle = verdict(&shards, || work(&shards, [150, 10]));
    assert_eq!(idle, Verdict { busy: vec![15, 1], percent: 0, imbalance: None });
}

/// The parts of more messages go to the same shard's binds: that does not make carriers the cause.
#[test]
fn hot_numbers_are_told_by_their_partitions() {
    let shards = shards();
    let found = verdict(&shards, || {
        work(&shards, [900, 300]);
        for (stats, messages) in shards.iter().zip([90_u64, 30]) {
            stats.add(Counter::HttpRequests, 60);
            stats.add(Counter::Accepted, messages);
            stats.add(Counter::AcceptedParts, 3 * messages);
            stats.bind(0).submitted.add(3 * messages);
            for turn in 0..messages {
                // Two messages in three are for one partition.
                let partition = if turn % 3 == 0 { turn } else { 7 };
                stats.accepted_in(Partition::new(u16::try_from(partition).unwrap()).unwrap());
            }
        }
    });
    let cause = found.imbalance.unwrap().cause;
    let Cause::Partitions { messages, most } = &cause else { panic!("{cause:?}") };
    assert_eq!(*messages, [900, 300]);
    assert_eq!((most.len(), most[0]), (3, (7, 66)));
    assert!(cause.told().starts_with("its numbers had 900 messages against 300; partitions 7 (66"));
}

#[test]
fn binds_that_carry_for_others_are_told_by_their_carriers() {
    let shards = shards();
    let found = verdict(&shards, || {
        work(&shards, [300, 900]);
        for stats in &shards {
            stats.add(Counter::Accepted, 10);
            stats.add(Counter::AcceptedParts, 10);
            stats.bind(0).submitted.add(10);
        }
        shards[1].bind(1).submitted.add(30);
        shards[1].add(Counter::ReceiptsForwarded, 20);
    });
    let cause = found.imbalance.unwrap().cause;
    let most = vec![("beta".to_owned(), 75), ("alpha".to_owned(), 25)];
    assert_eq!(cause, Cause::Carriers { parts: [500, 0], most });
}

#[test]
fn busy_connections_are_told_as_such() {
    let shards = shards();
    let found = verdict(&shards, || {
        work(&shards, [700, 200]);
        for (stats, (requests, open)) in shards.iter().zip([(70, 40), (10, 2)]) {
            stats.add(Counter::HttpRequests, requests);
            stats.add(Counter::CustomerSubmitsThrottled, 5);
            stats.add(Counter::Accepted, 40);
            stats.set(Gauge::HttpConnectionsOpen, open);
        }
    });
    let cause = found.imbalance.unwrap().cause;
    assert_eq!(cause, Cause::Connections { requests: [750, 150], open: [40, 2] });
    assert_eq!(cause.told(), "its 40 connections brought 750 requests against 150 of 2");
}

#[test]
fn one_shard_is_always_in_balance() {
    let shards = shards();
    let one = &shards[..1];
    let found = verdict(one, || work(one, [1_000, 0]));
    assert_eq!(found, Verdict { busy: vec![100], percent: 0, imbalance: None });
}
