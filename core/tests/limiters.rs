//! What becomes of a rate at carriers that count in other ways than by sliding seconds: found out, agreed
//! upon but wrongly, or unlimited by configuration. Under a virtual clock; each prints what was held and
//! what was refused.
#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "tests"
)]

#[allow(dead_code, reason = "not every test uses all of it")]
mod rate_world;

use std::time::Duration;

use postrider_core::rate::Rate;

use rate_world::limiter::Limiter;
use rate_world::{World, a_second, ms};

/// What a carrier takes, and what waits for it.
const HIDDEN: u64 = 137;
const LOAD: u64 = 4 * HIDDEN;
/// From here on what is held counts.
const FOUND: Duration = ms(30_000);
const END: Duration = ms(150_000);

/// What came of a limiter.
struct Outcome {
    /// Share of the hidden limit.
    held: f64,
    /// Share of all parts that was refused, and of those since it was found.
    refused: f64,
    refused_since: f64,
    /// The longest wait for an answer since then.
    longest: Duration,
}

fn play(what: &str, rate: Rate, limiter: Limiter) -> Outcome {
    let mut world = World::new(rate, 2);
    world.limiter = limiter;
    world.load(&[LOAD / 2, LOAD / 2]);
    world.run(END);
    let waits = world.waits.iter().filter(|(at, _)| *at >= FOUND);
    let outcome = Outcome {
        held: a_second(&world.accepted, FOUND, END) / HIDDEN as f64,
        refused: world.refused_share(Duration::ZERO),
        refused_since: world.refused_share(FOUND),
        longest: waits.map(|(_, waited)| *waited).max().unwrap_or_default(),
    };
    println!(
        "{what}, {rate:?}: {:.1} % held, {:.2} % refused, {:.2} % once found, answers within {:?}",
        outcome.held * 100.0,
        outcome.refused * 100.0,
        outcome.refused_since * 100.0,
        outcome.longest,
    );
    outcome
}

/// Limiters that refuse what is more than their rate, with what they save up of it.
fn refusing() -> [(&'static str, Limiter); 6] {
    [
        ("sliding second", Limiter::sliding(137)),
        ("seconds of its clock", Limiter::window(137, ms(0))),
        ("seconds of a clock ahead", Limiter::window(137, ms(370))),
        ("queue full", Limiter::sliding_full(137)),
        ("bucket of a tenth of a second", Limiter::bucket(HIDDEN, 14)),
        ("bucket of a second", Limiter::bucket(HIDDEN, HIDDEN)),
    ]
}

#[test]
fn whatever_refuses_by_the_second_is_found_and_held() {
    for (what, limiter) in refusing() {
        let outcome = play(what, Rate::Discover(100_000), limiter);
        assert!(outcome.held >= 0.95, "{what}: {:.3} held", outcome.held);
        assert!(outcome.refused < 0.01, "{what}: {:.4} refused", outcome.refused);
    }
}

#[test]
fn an_agreement_that_is_too_high_and_none_at_all_end_at_what_is_taken() {
    for rate in [Rate::Agreed(300), Rate::Unlimited] {
        for (what, limiter) in refusing() {
            let outcome = play(what, rate, limiter);
            assert!(outcome.held >= 0.95, "{what}: {:.3} held", outcome.held);
            assert!(outcome.refused_since < 0.01, "{what}: {:.4} refused", outcome.refused_since);
        }
    }
}

/// The first search takes the savings for the rate: nothing tells one from the other until they are
/// spent.
#[test]
fn ten_seconds_that_a_carrier_saved_up_mislead_the_first_search_alone() {
    for rate in [Rate::Discover(100_000), Rate::Unlimited] {
        let outcome = play("bucket of ten seconds", rate, Limiter::bucket(HIDDEN, 10 * HIDDEN));
        assert!(outcome.held >= 0.95, "{:.3} held", outcome.held);
        assert!(outcome.refused < 0.02, "{:.4} refused", outcome.refused);
        assert!(outcome.refused_since < 0.01, "{:.4} refused", outcome.refused_since);
    }
}

#[test]
fn a_carrier_that_slows_its_answers_is_held_near_its_rate_without_a_queue_there() {
    let outcome = play("slow answers", Rate::Discover(100_000), Limiter::slow(137));
    assert!(outcome.held >= 0.95, "{:.3} held", outcome.held);
    assert!(outcome.longest <= ms(400), "{:?} for an answer of 40 ms", outcome.longest);
}

/// An agreed rate is lowered to half for slow answers, since they may have another cause; windows do
/// the rest.
#[test]
fn windows_hold_back_where_an_agreed_rate_is_more_than_a_slow_carrier_takes() {
    let outcome = play("slow answers", Rate::Agreed(300), Limiter::slow(137));
    assert!(outcome.held >= 0.95, "{:.3} held", outcome.held);
    let windows = 2_000 * 1_000 / HIDDEN + 40;
    assert!(outcome.longest <= ms(windows + 100), "{:?}", outcome.longest);
}

#[test]
fn a_search_finds_a_carrier_that_takes_more_than_it_did() {
    let mut world = World::new(Rate::Discover(100_000), 2);
    world.limiter = Limiter::sliding(137);
    world.load(&[1_000, 1_000]);
    world.run(ms(60_000));
    world.limiter = Limiter::sliding(1_000);
    world.run(ms(60_000));
    let held = a_second(&world.accepted, ms(110_000), ms(120_000));
    println!("from 137 to 1000 a second: {held:.0} after 50 s");
    assert!(held >= 950.0, "{held} a second");
}

/// What is left free for passwords is not used, and a search must not take that for all there is.
#[test]
fn a_search_finds_the_rate_while_room_is_left_free_for_passwords() {
    let mut world = World::new(Rate::Discover(100_000), 2);
    world.limiter = Limiter::sliding(137);
    world.shards.iter_mut().for_each(|shard| shard.free = 6);
    world.load(&[LOAD / 2, LOAD / 2]);
    world.run(END);
    // Both shards leave their parts free for good.
    let most = (HIDDEN - 2 * 6) as f64;
    let held = a_second(&world.accepted, FOUND, END) / most;
    let refused = world.refused_share(Duration::ZERO);
    println!("6 parts left free: {:.1} % held, {:.2} % refused", held * 100.0, refused * 100.0);
    assert!(held >= 0.95, "{held:.3} held");
    assert!(refused < 0.01, "{refused:.4} refused");
}
