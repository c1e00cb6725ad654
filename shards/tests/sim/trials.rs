//! Histories whose process dies at named steps only, and histories under a wall clock that steps: every
//! promise holds in them. On the test's thread.

use std::time::Duration;

use super::clock::{Clock, Skew};
use super::process::{Deaths, Step};
use super::world::World;
use crate::live;

/// Runs histories whose process dies of nothing else; how many deaths there were.
fn die(seed: u64, deaths: &Deaths) -> u64 {
    match live(World::begin(seed, deaths.clone(), Clock::new(Vec::new()))) {
        Ok(outcome) => outcome.kills,
        Err(broken) => panic!("seed {seed}, {deaths:?}: {broken}"),
    }
}

#[test]
fn a_death_at_any_step_breaks_no_promise() {
    for (at, step) in Step::ALL.into_iter().enumerate() {
        let mut died = 0;
        for seed in 0..200 {
            let nth = 1 + (seed * 7 + at as u64) % step.common();
            died += die(seed, &vec![(step, nth)]);
            if died == 5 {
                break;
            }
        }
        assert!(died > 0, "{step:?} never came");
    }
}

#[test]
fn deaths_at_any_two_steps_break_no_promise() {
    let (mut pairs, mut both) = (0, 0);
    for first in Step::ALL {
        for second in Step::ALL {
            pairs += 1;
            // The last of them dies first.
            let deaths = [second, first].map(|step| (step, 1 + pairs % step.common()));
            both += u64::from(die(pairs, &deaths.to_vec()) == 2);
        }
    }
    println!("{pairs} pairs of steps, {both} of them met");
    assert!(both > pairs / 2, "only {both} of {pairs} pairs were met");
}

const HOUR_MS: i64 = 3_600_000;
const YEAR_MS: i64 = 365 * 24 * HOUR_MS;

/// What the wall clock may do.
const SKEWS: [Skew; 5] =
    [Skew::Ms(HOUR_MS), Skew::Ms(-HOUR_MS), Skew::Ms(YEAR_MS), Skew::Ms(-YEAR_MS), Skew::Frozen];

/// A clock that is wrong from a few seconds after the start, for so long.
fn wrong(seed: u64, skew: Skew, lasts: Duration) -> Clock {
    let from = Duration::from_secs(2 + seed % 15);
    Clock::new(vec![(from, skew), (from + lasts, Skew::Ms(0))])
}

#[test]
fn a_clock_that_steps_breaks_no_promise() {
    // Too short to be believed, and followed after a while.
    for lasts in [240, 3_000].map(Duration::from_secs) {
        for seed in 0..12 {
            for skew in SKEWS {
                let world = World::begin(seed, Vec::new(), wrong(seed, skew, lasts));
                if let Err(broken) = live(world) {
                    panic!("seed {seed}, {skew:?} for {lasts:?}: {broken}");
                }
            }
            // A start believes the clock that it finds.
            for skew in [Skew::Ms(HOUR_MS), Skew::Ms(-HOUR_MS), Skew::Ms(-YEAR_MS), Skew::Frozen] {
                let deaths = vec![(Step::TookCarrier, 20), (Step::AfterFlush, 40)];
                if let Err(broken) = live(World::begin(seed, deaths, wrong(seed, skew, lasts))) {
                    panic!("seed {seed}, {skew:?} for {lasts:?} and deaths: {broken}");
                }
            }
        }
    }
}
