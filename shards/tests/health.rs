//! What a shard does with the traffic of a carrier that is dead, half-open, stalled or erroring, how
//! the carrier comes back, and how binds connect after all of them dropped. On one shard in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use std::time::Duration;

use harness::Rig;
use harness::gateway::{Gateway, Receipt, alpha, config, config_with_route};
use postrider_core::config::Config;
use postrider_core::health::Health;
use postrider_core::limits;
use postrider_shards::shard::BindIx;
use postrider_shards::stats::Counter;

const ALPHA: BindIx = 0;
const BETA: BindIx = 1;
const SYSTEM_ERROR: u32 = 0x08;

/// Alpha before beta, one bind each.
fn two() -> Config {
    let mut config = config(&["alpha", "beta"]);
    config.carriers.iter_mut().for_each(|carrier| carrier.window = 16);
    config
}

fn health(gateway: &Gateway, bind: BindIx) -> Health {
    gateway.rig.shard.publish();
    gateway.rig.stats.bind(bind).health()
}

/// How a carrier fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Its connection is lost and cannot be made again.
    Dead,
    /// It says nothing any more.
    HalfOpen,
    /// It answers everything but submits.
    Stalled,
}

/// A message every 100 ms for `seconds`, answered at once but where `fault` forbids it. Gives for
/// each submit when it came and on which bind.
fn traffic(
    gateway: &mut Gateway,
    seconds: u64,
    fault: Option<(Fault, BindIx)>,
) -> Vec<(Duration, BindIx)> {
    let mut seen = Vec::new();
    for n in 0..seconds * 10 {
        gateway.send("hello");
        gateway.pass(Duration::from_millis(100));
        while let Some(submit) = gateway.submits.pop_front() {
            seen.push((gateway.rig.now, submit.bind));
            if fault.is_none_or(|(_, bind)| bind != submit.bind) {
                gateway.answer(&submit, 0, &format!("{n}-{}", seen.len()));
            }
        }
    }
    seen
}

fn fail(gateway: &mut Gateway, fault: Fault, bind: BindIx) {
    match fault {
        Fault::Dead => {
            gateway.unreachable.push(bind);
            gateway.lose(bind);
        }
        Fault::HalfOpen => gateway.mute.push(bind),
        Fault::Stalled => {}
    }
}

#[test]
fn all_traffic_has_left_a_failed_carrier_within_ten_seconds() {
    for fault in [Fault::Dead, Fault::HalfOpen, Fault::Stalled] {
        let mut gateway = Gateway::new(two());
        traffic(&mut gateway, 5, None);
        let since = gateway.rig.now;
        fail(&mut gateway, fault, ALPHA);
        let seen = traffic(&mut gateway, 20, Some((fault, ALPHA)));
        let by_alpha = seen.iter().filter(|(_, bind)| *bind == ALPHA).count();
        let first = seen.iter().find(|(_, bind)| *bind == BETA).expect("traffic went over").0;
        assert!(first <= since + limits::FAILOVER, "{fault:?}: {:?}", first - since);
        // What alpha had is with it; everything else has gone, in spite of what was queued for it.
        let behind = seen.iter().filter(|(at, _)| *at > since + limits::FAILOVER);
        let wrong = behind.filter(|(_, bind)| *bind == ALPHA).count();
        assert!(wrong <= 1, "{fault:?}: {wrong} to alpha, one of which may be a trial");
        assert_eq!(seen.len(), 200, "{fault:?}: every message is with a carrier");
        assert!(by_alpha <= 18, "{fault:?}: {by_alpha}");
        let wanted = match fault {
            Fault::Dead => Health::Dead,
            Fault::HalfOpen => Health::HalfOpen,
            // Its window is full, or it would have been tried.
            Fault::Stalled => Health::Trial,
        };
        assert_eq!(health(&gateway, ALPHA), wanted, "{fault:?}");
    }
}

#[test]
fn what_a_stalled_carrier_has_waits_for_its_answer_and_goes_nowhere_else() {
    let mut gateway = Gateway::new(two());
    let id = gateway.send("hello");
    let first = gateway.submit();
    gateway.seconds(30);
    assert_eq!(health(&gateway, ALPHA), Health::Trial);
    assert!(gateway.submits.is_empty(), "it is alpha's");
    gateway.answer(&first, 0, "7");
    assert_eq!(gateway.status(id), "submitted");
    assert_eq!(gateway.count(Counter::PartsOutcomeUnknown), 0);
}

#[test]
fn what_a_carrier_had_when_it_died_is_elsewhere_within_ten_seconds() {
    let mut gateway = Gateway::new(two());
    gateway.send("hello");
    let lost = gateway.submit();
    let since = gateway.rig.now;
    fail(&mut gateway, Fault::Dead, lost.bind);
    while gateway.submits.is_empty() {
        gateway.pass(Duration::from_millis(100));
        assert!(gateway.rig.now < since + limits::FAILOVER, "its time of grace is too long");
    }
    assert_eq!((lost.bind, gateway.submit().bind), (ALPHA, BETA));
}

#[test]
fn a_carrier_that_recovers_gets_its_traffic_back() {
    for fault in [Fault::Dead, Fault::HalfOpen, Fault::Stalled] {
        let mut gateway = Gateway::new(two());
        fail(&mut gateway, fault, ALPHA);
        traffic(&mut gateway, 20, Some((fault, ALPHA)));
        gateway.unreachable.clear();
        gateway.mute.clear();
        // By then a lost bind has connected, and one that says nothing was given up and made anew.
        gateway.seconds(90);
        while let Some(submit) = gateway.submits.pop_front() {
            gateway.answer(&submit, 0, "late");
        }
        let seen = traffic(&mut gateway, 30, None);
        let last = &seen[seen.len() - 100..];
        assert!(last.iter().all(|(_, bind)| *bind == ALPHA), "{fault:?}");
        assert_eq!(health(&gateway, ALPHA), Health::Good);
    }
}

#[test]
fn a_carrier_most_of_whose_answers_are_its_own_errors_is_left_alone_for_a_while() {
    let mut gateway = Gateway::new(two());
    let mut to_beta = 0;
    for n in 0..100 {
        gateway.send("hello");
        gateway.pass(Duration::from_millis(50));
        while let Some(submit) = gateway.submits.pop_front() {
            let status = if submit.bind == ALPHA { SYSTEM_ERROR } else { 0 };
            gateway.answer(&submit, status, &n.to_string());
            to_beta += usize::from(submit.bind == BETA);
        }
    }
    assert_eq!(health(&gateway, ALPHA), Health::Erroring);
    assert!(to_beta > 60, "{to_beta}");
}

#[test]
fn a_silent_carrier_without_a_substitute_keeps_its_messages_and_is_tried() {
    let mut gateway = Gateway::new(alpha(|carrier| carrier.window = 100));
    let seen = traffic(&mut gateway, 20, Some((Fault::Stalled, ALPHA)));
    assert!(seen.len() <= 32, "three seconds' worth, and a few to try: {}", seen.len());
    let seen = traffic(&mut gateway, 40, None);
    assert!(seen.len() >= 560, "all that waited has gone: {}", seen.len());
    assert_eq!(health(&gateway, ALPHA), Health::Good);
}

#[test]
fn a_bind_that_comes_back_is_filled_slowly() {
    let mut gateway = Gateway::new(alpha(|carrier| carrier.window = 80));
    gateway.lose(ALPHA);
    for _ in 0..200 {
        gateway.send("hello");
    }
    gateway.seconds(1);
    let at_once = gateway.submits.len();
    assert!((10..30).contains(&at_once), "{at_once}: an eighth, and a second's worth at most");
    gateway.pass(Duration::from_millis(2_000));
    assert!(gateway.submits.len() < 60, "{}", gateway.submits.len());
}

#[test]
fn receipts_that_come_with_the_answer_are_suspect_until_one_takes_its_time() {
    let mut gateway = Gateway::new(config(&["alpha"]));
    for n in 0..60 {
        gateway.send("hello");
        let id = n.to_string();
        gateway.accept(&id);
        assert_eq!(gateway.receipt(ALPHA, &Receipt::of(&id, "DELIVRD")), Some(0));
    }
    let learned = gateway.rig.learned();
    assert!(learned.by_name("alpha").unwrap().is_suspect());
    gateway.send("hello");
    gateway.accept("61");
    gateway.seconds(2);
    gateway.receipt(ALPHA, &Receipt::of("61", "DELIVRD"));
    assert!(!learned.by_name("alpha").unwrap().is_suspect());
}

#[test]
fn receipts_that_overtake_their_answers_are_not_suspect() {
    let mut gateway = Gateway::new(config(&["alpha"]));
    let ids: Vec<_> = (0..60)
        .map(|n: u32| {
            let message = gateway.send("hello");
            let submit = gateway.submit();
            let id = n.to_string();
            gateway.receipt(ALPHA, &Receipt::of(&id, "DELIVRD"));
            gateway.pass(Duration::from_millis(100));
            gateway.answer(&submit, 0, &id);
            message
        })
        .collect();
    assert!(ids.iter().all(|id| gateway.status(*id) == "delivered"));
    assert!(!gateway.rig.learned().by_name("alpha").unwrap().is_suspect());
}

/// Carriers of one group and one price.
const EQUALS: &str = "[[routes]]\nprefix = \"44\"\ncarriers = [\
    { carrier = \"alpha\", priority = 1, cost_micros = 1000 }, \
    { carrier = \"beta\", priority = 1, cost_micros = 1000 }]\n";

#[test]
fn suspect_receipts_speak_for_no_carrier() {
    let mut gateway = Gateway::new(config_with_route(&["alpha", "beta"], EQUALS));
    let mut to_alpha = [0; 2];
    for (second, count) in to_alpha.iter_mut().enumerate() {
        for n in 0..500 {
            gateway.send("hello");
            let id = format!("{second}-{n}");
            if gateway.accept(&id).bind == ALPHA {
                *count += 1;
                gateway.receipt(ALPHA, &Receipt::of(&id, "DELIVRD"));
            } else {
                gateway.pass(Duration::from_millis(20));
                // One in ten fails: honest, and never as good as what alpha says of itself.
                let stat = if n % 10 == 0 { "UNDELIV" } else { "DELIVRD" };
                gateway.receipt(BETA, &Receipt::of(&id, stat));
            }
        }
    }
    assert!(gateway.rig.learned().by_name("alpha").unwrap().is_suspect());
    let [_, later] = to_alpha;
    assert!((1..30).contains(&later), "{later} of 500: it gets what is tried and no more");
}

/// The moments at which connections were asked for when so many binds of `carriers` carriers drop at
/// once and their carriers are away for a while; and when the last one was bound.
fn storm(carriers: usize, binds: usize, away: u64) -> (Vec<(Duration, BindIx)>, Duration) {
    let mut config = config(&["alpha"]);
    let one = config.carriers[0].clone();
    config.carriers.resize(carriers, one);
    config.carriers.iter_mut().for_each(|carrier| carrier.binds = binds as u16);
    let mut rig = Rig::with(config, 64);
    let all = carriers * binds;
    for bind in 0..all {
        rig.bind(bind);
    }
    rig.pass(Duration::from_secs(120));
    (0..all).for_each(|bind| rig.lose(bind));
    let back = rig.now + Duration::from_secs(away);
    let (mut asked, mut bound) = (Vec::new(), 0);
    while bound < all {
        assert!(rig.now < back + Duration::from_secs(600), "{bound} of {all}");
        rig.pass(Duration::from_millis(1));
        for bind in 0..all {
            if rig.wants(bind) {
                asked.push((rig.now, bind));
                if rig.now < back {
                    rig.refuse_connect(bind);
                } else {
                    rig.bind(bind);
                    bound += 1;
                }
            }
        }
    }
    (asked, rig.now - back)
}

fn most_in_a_second(times: &[Duration]) -> usize {
    let second = Duration::from_secs(1);
    let within = |from: usize| {
        let end = times[from] + second;
        times[from..].iter().take_while(move |at| **at < end)
    };
    (0..times.len()).map(|from| within(from).count()).max().unwrap_or(0)
}

#[test]
fn two_hundred_binds_that_drop_at_once_come_back_in_order() {
    for (carriers, binds, away) in [(4, 50, 0), (4, 50, 30), (4, 50, 120), (100, 2, 30)] {
        let (asked, last) = storm(carriers, binds, away);
        let all: Vec<Duration> = asked.iter().map(|(at, _)| *at).collect();
        let of = |carrier: usize| -> Vec<Duration> {
            asked.iter().filter(|(_, bind)| bind / binds == carrier).map(|(at, _)| *at).collect()
        };
        let most = (0..carriers).map(|carrier| most_in_a_second(&of(carrier))).max().unwrap();
        let most_of_all = most_in_a_second(&all);
        println!(
            "{carriers} carriers x {binds} binds, away {away} s: all bound {last:?} after; in any \
             second at most {most} of a carrier, {most_of_all} in all, {} attempts",
            asked.len()
        );
        assert!(most <= limits::CONNECTS_PER_CARRIER);
        assert!(most_of_all <= limits::CONNECTS_PER_SECOND);
        assert!(last <= Duration::from_secs(65) + Duration::from_secs(binds as u64) / 5);
    }
}
