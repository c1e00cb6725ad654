//! What a bind is worth in each of its troubles, and how it comes back. Test code, pure.

use super::*;

const WINDOW: u16 = 80;

/// A peer played in steps of 10 ms under a virtual clock.
struct Played {
    health: BindHealth,
    now: Duration,
    /// When the parts without an answer left.
    open: Vec<Duration>,
    probes: Vec<Duration>,
    changes: Vec<(Duration, Health)>,
    /// It answers submits so long after they left.
    answers_after: Option<Duration>,
    /// Its answers blame itself.
    faulty: bool,
    answers_probes: bool,
    /// Parts given to it in each step, as far as there is room.
    offered: usize,
    given: usize,
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Played {
    /// Bound for the first time.
    fn new() -> Self {
        let mut health = BindHealth::default();
        health.bound(secs(1_000), false);
        Played {
            health,
            now: secs(1_000),
            open: Vec::new(),
            probes: Vec::new(),
            changes: Vec::new(),
            answers_after: Some(ms(50)),
            faulty: false,
            answers_probes: true,
            offered: 1,
            given: 0,
        }
    }

    fn note(&mut self, changed: bool) {
        if changed {
            self.changes.push((self.now, self.health.health()));
        }
    }

    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += ms(10);
            while let Some(step) = self.health.handle_timeout(self.now) {
                self.note(step == Step::Changed);
                if step == Step::Probe {
                    self.probes.push(self.now);
                }
            }
            if self.answers_probes && self.probes.last().is_some_and(|at| self.now == *at + ms(20))
            {
                self.health.heard(self.now);
            }
            self.answer();
            for _ in 0..self.offered {
                if self.health.room(self.now, WINDOW, self.open.len()) > 0 {
                    self.open.push(self.now);
                    self.health.submitted(self.now);
                    self.given += 1;
                }
            }
        }
    }

    fn answer(&mut self) {
        let Some(after) = self.answers_after else { return };
        let due = self.open.iter().filter(|left| **left + after <= self.now).count();
        for left in self.open.drain(..due).collect::<Vec<_>>() {
            self.health.heard(self.now);
            let changed = self.health.answered(self.now, self.now - left, self.faulty);
            self.note(changed);
        }
    }

    /// How long after `since` its health changed first, and to what.
    fn first_change(&self, since: Duration) -> (Duration, Health) {
        let (at, health) = self.changes.first().copied().unwrap_or((Duration::MAX, Health::Dead));
        (at.saturating_sub(since), health)
    }
}

#[test]
fn a_bind_that_answers_stays_good_at_any_pace() {
    for after in [1, 300, 1_100, 2_900, 7_000] {
        let mut played = Played { answers_after: Some(ms(after)), ..Played::new() };
        played.run(secs(120));
        assert_eq!(played.changes, [], "{after} ms");
        assert!(played.given > 1_000, "{after} ms: {}", played.given);
    }
}

#[test]
fn a_bind_that_says_nothing_is_half_open_within_eight_seconds() {
    for pace in [0, 1, 5] {
        let mut played = Played::new();
        played.run(secs(10));
        (played.answers_after, played.answers_probes, played.offered) = (None, false, 1);
        let since = played.now;
        played.run(ms(10));
        played.offered = pace;
        played.run(secs(30));
        let (after, health) = played.first_change(since);
        assert_eq!(health, Health::HalfOpen, "{pace}");
        assert!(ms(5_900) < after && after <= ms(6_100), "3 s silence, 3 s probe: {after:?}");
        assert_eq!(played.health.room(played.now, WINDOW, 0), 0);
        assert_eq!(played.changes.len(), 1, "it stays so until it is lost");
    }
}

#[test]
fn a_bind_that_answers_probes_alone_is_stalled_after_eight_seconds() {
    let mut played = Played::new();
    played.run(secs(10));
    played.answers_after = None;
    let since = played.now;
    played.run(ms(10));
    played.offered = 0;
    played.run(secs(9));
    let (after, health) = played.first_change(since);
    assert_eq!(health, Health::Stalled);
    assert!(after <= limits::STALLED_AFTER + ms(60), "{after:?}");
    assert_eq!(played.probes.len(), 1);
    // What it may do in the next minutes is try, seldomly.
    let before = played.given;
    played.offered = 10;
    played.run(secs(120));
    assert!((1..=4).contains(&(played.given - before)), "{}", played.given - before);
}

#[test]
fn slow_answers_are_given_up_to_five_seconds_before_the_probe() {
    let quiet_after = |answers: u64| {
        let mut played = Played { answers_after: Some(ms(answers)), ..Played::new() };
        played.run(secs(30));
        played.offered = 0;
        played.run(secs(10));
        (played.answers_after, played.offered) = (None, 1);
        let since = played.now;
        played.probes.clear();
        played.run(secs(9));
        played.probes.first().map(|at| *at - since).unwrap_or_default()
    };
    let close = |at: Duration, wanted: u64| at >= ms(wanted) && at <= ms(wanted + 30);
    assert!(close(quiet_after(10), 3_000));
    assert!(close(quiet_after(900), 4_096), "four times 1.024 s");
    assert!(close(quiet_after(2_500), 5_000));
}

#[test]
fn one_lost_answer_costs_no_traffic() {
    let mut played = Played::new();
    played.run(secs(10));
    played.offered = 0;
    played.run(secs(1));
    // One part whose answer never comes, then one a second.
    played.health.submitted(played.now);
    for _ in 0..60 {
        played.offered = 1;
        played.run(ms(10));
        played.offered = 0;
        played.run(ms(990));
    }
    assert_eq!(played.changes, []);
    assert!(played.given > 60);
}

#[test]
fn one_good_answer_ends_a_stall_and_the_window_grows_again() {
    let mut played = Played { offered: 100, ..Played::new() };
    played.run(secs(10));
    played.answers_after = None;
    played.run(secs(10));
    assert_eq!(played.health.health(), Health::Stalled);
    assert_eq!(played.health.room(played.now, WINDOW, 0), 0);
    // All answers come at last; they are too old to be trusted.
    played.answers_after = Some(ms(50));
    played.open.iter_mut().for_each(|left| *left = secs(1_010));
    played.run(ms(10));
    assert_eq!(played.health.health(), Health::Trial);
    assert_eq!(played.open.len(), 1, "one part to try");
    played.run(ms(60));
    assert_eq!(played.health.health(), Health::Good);
    let window = |played: &Played| played.health.room(played.now, WINDOW, 0);
    assert!(window(&played) <= 12, "{}", window(&played));
    played.run(ms(2_500));
    assert!((40..50).contains(&window(&played)), "{}", window(&played));
    played.run(ms(2_500));
    assert_eq!(window(&played), usize::from(WINDOW));
}

#[test]
fn a_bind_that_comes_back_starts_slowly_and_one_that_failed_by_a_trial() {
    let mut played = Played::new();
    assert_eq!(played.health.room(played.now, WINDOW, 0), 80, "the first bind has all of it");
    played.health.lost();
    assert_eq!(
        (played.health.health(), played.health.room(played.now, WINDOW, 0)),
        (Health::Dead, 0)
    );
    played.health.bound(played.now, true);
    assert_eq!(played.health.room(played.now, WINDOW, 0), 10);
    assert!(played.health.next_room(played.now, WINDOW).is_some_and(|at| at > played.now));
    (played.answers_after, played.answers_probes) = (None, false);
    played.run(secs(10));
    assert_eq!(played.health.health(), Health::HalfOpen);
    played.open.clear();
    for _ in 0..2 {
        played.health.lost();
        played.health.bound(played.now, true);
        assert_eq!(played.health.health(), Health::Trial, "also when it was lost in its trial");
    }
    (played.answers_after, played.answers_probes) = (Some(ms(50)), true);
    played.run(ms(80));
    assert_eq!(played.health.health(), Health::Good);
}

#[test]
fn a_bind_most_of_whose_answers_blame_the_carrier_rests_and_is_tried() {
    let mut played = Played { faulty: true, ..Played::new() };
    played.run(secs(1));
    assert_eq!(played.health.health(), Health::Erroring);
    let before = played.given;
    played.run(secs(60));
    assert!((2..=5).contains(&(played.given - before)), "after 5, 10, 20 s: {}", played.given);
    played.faulty = false;
    played.run(secs(61));
    assert_eq!(played.health.health(), Health::Good);
}

#[test]
fn a_few_refusals_for_a_while_are_no_fault_of_the_bind() {
    let mut played = Played::new();
    for _ in 0..600 {
        played.faulty = !played.faulty;
        played.run(ms(50));
    }
    assert_eq!(played.changes, [], "half of them");
    let mut played = Played { faulty: true, ..Played::new() };
    for _ in 0..50 {
        played.offered = 1;
        played.run(ms(10));
        played.offered = 0;
        played.run(secs(1));
    }
    assert_eq!(played.changes, [], "one a second is too few to tell");
}

#[test]
fn a_time_out_shorter_than_the_stall_shows_it_too() {
    let mut health = BindHealth::default();
    health.bound(secs(1), false);
    health.submitted(secs(2));
    health.submitted(secs(2));
    assert!(!health.timed_out(secs(4), 1));
    assert!(health.timed_out(secs(4), 0));
    assert_eq!(health.health(), Health::Stalled);
    assert!(!health.timed_out(secs(4), 0), "once");
}

#[test]
fn a_silent_bind_that_answers_only_probes_again_and_has_no_parts_is_tried() {
    let mut played = Played { answers_after: None, answers_probes: false, ..Played::new() };
    played.run(secs(10));
    assert_eq!(played.health.health(), Health::HalfOpen);
    // Its parts are given up; it answers the session's own questions.
    (played.open, played.answers_after) = (Vec::new(), Some(ms(50)));
    played.run(secs(60));
    assert_eq!(played.health.health(), Health::HalfOpen, "there was no sign of life");
    played.health.heard(played.now);
    played.run(secs(1));
    assert_eq!(played.health.health(), Health::Good);
}
