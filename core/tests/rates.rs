//! A carrier's rate over several shards under a virtual clock: leases that move, a carrier with a
//! limit of its own, and what becomes of both.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "tests"
)]

#[allow(dead_code, reason = "not every test uses all of it")]
mod rate_world;

use std::time::Duration;

use postrider_core::rate::{Changes, Governor, Observed, Rate, Trouble, TroubleKind};
use proptest::prelude::*;

use rate_world::limiter::Limiter;
use rate_world::{World, a_second, ms, since};

#[test]
fn a_new_process_counts_the_last_second_as_used() {
    let mut world = World::new(Rate::Agreed(50), 3);
    world.load(&[500, 500, 500]);
    world.run(ms(1_000));
    assert_eq!(world.sent.len(), 0);
    world.run(ms(1_000));
    assert!((35..=50).contains(&world.sent.len()), "{}", world.sent.len());
}

#[test]
fn load_that_moves_takes_its_tokens_along() {
    let mut world = World::new(Rate::Agreed(200), 4);
    world.load(&[1_000, 0, 0, 0]);
    world.run(ms(5_000));
    assert!(a_second(&world.sent, ms(2_000), ms(5_000)) >= 196.0, "one shard alone");
    world.load(&[1_000, 1_000, 0, 1_000]);
    world.run(ms(10_000));
    let rate = a_second(&world.sent, ms(7_000), ms(15_000));
    assert!(rate >= 196.0, "three shards: {rate}");
    let own: Vec<usize> =
        world.shards.iter().map(|shard| since(&shard.submits, ms(7_000))).collect();
    assert!(own[2] == 0 && own[1].abs_diff(own[0]) < 80 && own[3].abs_diff(own[0]) < 80, "{own:?}");
    assert!(world.busiest() <= 200, "{}", world.busiest());
}

#[test]
fn parts_flow_evenly() {
    let mut world = World::new(Rate::Agreed(100), 2);
    world.run(ms(5_000));
    world.load(&[1_000, 1_000]);
    world.run(ms(3_000));
    let tenths = (5_000..8_000).step_by(100);
    let most = tenths
        .map(|from| since(&world.sent, ms(from)) - since(&world.sent, ms(from + 100)))
        .max()
        .unwrap();
    assert!(most <= 16, "{most} parts in a tenth of a second, after a rest");
}

#[test]
fn urgent_parts_pass_the_even_flow_and_no_second_has_more() {
    for shards in [1, 3] {
        let mut world = World::new(Rate::Agreed(120), shards);
        world.load(&vec![400; usize::from(shards)]);
        world.shards.iter_mut().for_each(|shard| shard.free = 6);
        world.run(ms(4_000));
        for _ in 0..30 {
            world.shards.iter_mut().for_each(|shard| shard.urgent = 6);
            world.run(ms(1));
            let left: Vec<u32> = world.shards.iter().map(|shard| shard.urgent).collect();
            assert!(left.iter().all(|left| *left == 0), "{left:?} of 6 wait, over {shards} shards");
            world.run(ms(330));
        }
        assert!(world.busiest() <= 120, "{} over {shards} shards", world.busiest());
        let rate = a_second(&world.sent, ms(5_000), ms(13_000));
        let least = 120.0 - 8.0 * f64::from(shards);
        assert!(rate >= least, "{rate} over {shards} shards: more than what is left free is lost");
    }
}

#[test]
fn fewer_tokens_than_shards_go_round() {
    let mut world = World::new(Rate::Agreed(1), 3);
    world.load(&[10, 10, 10]);
    world.run(ms(60_000));
    assert!(world.sent.len() >= 40, "{}", world.sent.len());
    assert_eq!(world.busiest(), 1);
    for shard in &world.shards {
        assert!(shard.submits.len() >= 8, "{}", shard.submits.len());
    }
}

#[test]
fn idle_shards_hold_nothing_and_say_nothing() {
    let mut world = World::new(Rate::Agreed(30), 2);
    world.load(&[100, 100]);
    world.run(ms(4_000));
    world.load(&[0, 0]);
    world.shards.iter_mut().for_each(|shard| shard.waiting = 0);
    world.run(ms(2_000));
    for shard in &world.shards {
        assert_eq!(shard.lease.report_at(world.now, 0), None);
        assert_eq!(shard.lease.share(), Some(0));
    }
}

#[test]
fn a_hidden_limit_is_found_and_held() {
    for (hidden, shards, round_trip) in [(137, 2, 40), (137, 1, 5), (137, 8, 200), (2_000, 4, 30)] {
        let mut world = World::new(Rate::Discover(100_000), shards);
        world.limiter = Limiter::sliding(hidden);
        world.round_trip = ms(round_trip);
        world.load(&vec![4 * hidden as u64 / u64::from(shards); usize::from(shards)]);
        world.run(ms(120_000));
        let held = a_second(&world.accepted, ms(30_000), ms(120_000)) / hidden as f64;
        let throttled = world.refused_share(Duration::ZERO);
        println!("{hidden}/s, {shards} shards, {round_trip} ms: {held:.3}, {throttled:.4}");
        assert!(held >= 0.95, "{held:.3} of {hidden}/s over {shards} shards");
        assert!(throttled < 0.01, "{throttled:.4} throttled");
    }
}

#[test]
fn a_carrier_that_throttles_to_a_tenth_gets_that_and_the_whole_again() {
    let mut world = World::new(Rate::Agreed(1_000), 2);
    world.load(&[2_000, 2_000]);
    world.run(ms(5_000));
    world.limiter = Limiter::sliding(100);
    world.run(ms(1_000));
    let first = world.refused.len();
    assert!(first < 500, "{first} throttled in the first second");
    world.run(ms(29_000));
    let held = a_second(&world.accepted, ms(20_000), ms(35_000));
    let throttled = world.refused_share(ms(20_000));
    assert!(held >= 90.0 && throttled < 0.01, "{held} a second, {throttled} throttled");
    world.limiter = Limiter::None;
    world.run(ms(45_000));
    let held = a_second(&world.accepted, ms(75_000), ms(80_000));
    assert!(held >= 990.0, "{held} a second again");
    let Changes { lowered, raised } = world.lender.changes();
    let throttled = TroubleKind::Throttled.index();
    assert!(lowered[throttled] > 0 && raised[throttled] > 0, "{lowered:?} {raised:?}");
    assert!(raised[throttled] <= lowered[throttled]);
    let others = |counts: [u64; 4]| counts.iter().sum::<u64>() - counts[throttled];
    assert_eq!((others(lowered), others(raised)), (0, 0), "for nothing else");
    assert!(world.busiest() <= 1_000);
}

#[test]
fn an_unlimited_carrier_that_throttles_is_held_to_what_it_takes_until_load_is_gone() {
    let mut world = World::new(Rate::Unlimited, 2);
    (world.limiter, world.round_trip) = (Limiter::sliding(300), ms(20));
    world.load(&[600, 600]);
    world.run(ms(60_000));
    let held = a_second(&world.accepted, ms(30_000), ms(60_000));
    let throttled = world.refused_share(ms(30_000));
    assert!(held >= 285.0 && throttled < 0.01, "{held} a second, {throttled} throttled");
    world.load(&[0, 0]);
    world.shards.iter_mut().for_each(|shard| shard.waiting = 0);
    world.run(ms(90_000));
    world.load(&[10, 10]);
    world.run(ms(1_000));
    assert_eq!(world.shards[0].lease.share(), None, "as if nothing had been");
}

#[test]
fn one_lone_part_that_is_throttled_leaves_the_pace_of_that_second() {
    for (spent, limit) in [(1, 20), (300, 300)] {
        let mut governor = Governor::new(Rate::Unlimited, Duration::ZERO);
        let seen = Observed { wanted: spent, spent, answered: 1, throttled: 1 };
        let throttled = Trouble { kind: TroubleKind::Throttled, sent: ms(900) };
        assert!(governor.trouble(ms(1_000), throttled, &seen));
        assert_eq!(governor.limit(), Some(limit), "{spent} in that second");
        assert_eq!(governor.paused_until(), ms(2_000), "it is left alone for a second");
    }
}

#[test]
fn a_full_queue_pauses_all_shards_longer_each_time() {
    let mut world = World::new(Rate::Agreed(100), 2);
    world.load(&[20, 20]);
    world.run(ms(5_000));
    world.limiter = Limiter::Full;
    world.run(ms(70_000));
    let bursts: Vec<Duration> = world.sent.iter().copied().filter(|at| *at > ms(5_000)).collect();
    let pauses: Vec<u64> = bursts
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_millis() as u64)
        .filter(|pause| *pause > 1_500)
        .map(|pause| (pause + 500) / 1_000)
        .collect();
    assert_eq!(pauses, [2, 4, 8, 16, 32], "{bursts:?}");
    world.limiter = Limiter::None;
    world.run(ms(90_000));
    assert!(a_second(&world.accepted, ms(150_000), ms(160_000)) >= 39.0);
}

#[test]
fn slow_answers_lower_the_rate_to_half_at_most() {
    let mut world = World::new(Rate::Agreed(200), 1);
    world.load(&[400]);
    world.run(ms(10_000));
    world.round_trip = ms(400);
    world.run(ms(15_000));
    let slow = a_second(&world.sent, ms(20_000), ms(25_000));
    assert!((90.0..150.0).contains(&slow), "{slow} a second");
    world.round_trip = ms(40);
    world.run(ms(40_000));
    let again = a_second(&world.sent, ms(60_000), ms(65_000));
    assert!(again >= 195.0, "{again} a second");
}

#[test]
fn a_rate_that_changes_is_kept_through_the_change() {
    let mut world = World::new(Rate::Agreed(100), 2);
    world.load(&[400, 400]);
    world.run(ms(5_500));
    let before = world.sent.len();
    world.lender.set_rate(world.now, Rate::Agreed(40));
    world.run(ms(5_000));
    assert!(a_second(&world.sent, ms(8_000), ms(10_500)) <= 41.0);
    world.lender.set_rate(world.now, Rate::Agreed(100));
    world.run(ms(1_000));
    assert!(since(&world.sent, ms(9_500)) <= 81, "no more than 40 in that second either");
    world.run(ms(5_000));
    assert!(a_second(&world.sent, ms(12_500), ms(16_500)) >= 97.0);
    assert!(world.busiest() <= 100 && world.sent.len() > before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever the load, the mesh and the carrier do, no second holds more than was agreed.
    #[test]
    fn no_second_holds_more_than_was_agreed(
        rate in 1_u32..400,
        shards in 1_u16..6,
        mesh in 1_u64..150,
        phases in prop::collection::vec(
            (prop::collection::vec(0_u64..2_000, 6), 200_u64..3_000, prop::bool::weighted(0.2)),
            1..8,
        ),
    ) {
        let mut world = World::new(Rate::Agreed(rate), shards);
        world.mesh = ms(mesh);
        for (loads, span, throttles) in phases {
            world.load(&loads);
            world.limiter =
                if throttles { Limiter::sliding(1 + rate as usize / 4) } else { Limiter::None };
            world.run(ms(span));
        }
        prop_assert!(world.busiest() <= rate as usize, "{} of {rate}", world.busiest());
    }
}
