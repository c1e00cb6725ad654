//! How long one-time passwords take beside a backlog of bulk messages, and without one: from the request
//! to the carrier, and to the carrier's answer. One whole shard in memory, under a virtual clock.
//!
//! `POSTRIDER_BACKLOG=1000000` says how many messages wait; without it there are fewer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    clippy::panic,
    reason = "tests"
)]

mod harness;

use std::collections::VecDeque;
use std::time::Duration;

use harness::gateway::{Gateway, Submit, alpha};
use postrider_core::config::Config;
use postrider_core::content::Content;
use postrider_core::lane::Lane;
use postrider_core::number::Msisdn;
use postrider_core::sender::SenderId;
use postrider_core::submission::Submission;
use postrider_core::text::Encoding;
use postrider_http::request::ApiRequest;
use postrider_shards::stats::Gauge;

/// Parts a second that the carrier takes, and how long it takes to answer.
const RATE: u32 = 100;
const ROUND_TRIP: Duration = Duration::from_millis(50);
/// Passwords that are measured.
const PASSWORDS: usize = 2_000;
const NUMBER: u64 = 447_700_000_000;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn carrier() -> Config {
    let mut config = alpha(|carrier| {
        (carrier.parts_per_second, carrier.window) = (RATE, 100);
        carrier.receipts = false;
    });
    (config.limits.hot_messages, config.limits.open_messages) = (4_096, 1_048_576);
    config
}

fn message(n: u64, text: &str, lane: Lane) -> Submission {
    let (from, to) = (SenderId::parse("Acme").unwrap(), Msisdn::from_u64(NUMBER + n).unwrap());
    let submission = Submission::new(from, to, Content::of_text(text), (Encoding::Gsm7, 1));
    Submission { lane, ..submission }
}

/// Numbers that look random, the same each time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What a password took until the carrier had it, and until its answer was there.
#[derive(Default)]
struct Took {
    handed_over: Vec<Duration>,
    answered: Vec<Duration>,
}

impl Took {
    fn p99(times: &mut [Duration]) -> Duration {
        times.sort_unstable();
        times[times.len() * 99 / 100]
    }
}

/// A gateway whose carrier answers after its round trip.
struct World {
    gateway: Gateway,
    under_way: VecDeque<(Duration, Submit)>,
    /// When each password was asked for, by its number.
    asked: Vec<Duration>,
    took: Took,
    others: u64,
}

impl World {
    fn pass(&mut self) {
        while let Some(submit) = self.gateway.submits.pop_front() {
            let now = self.gateway.rig.now;
            match password(&submit) {
                Some(n) => self.took.handed_over.push(now - self.asked[n]),
                None => self.others += 1,
            }
            self.under_way.push_back((now + ROUND_TRIP, submit));
        }
        while let Some((_, submit)) =
            self.under_way.pop_front_if(|(at, _)| *at <= self.gateway.rig.now)
        {
            self.gateway.answer(&submit, 0, &format!("{}", submit.pdu.sequence));
            if let Some(n) = password(&submit) {
                self.took.answered.push(self.gateway.rig.now - self.asked[n]);
            }
        }
        self.gateway.pass(ms(1));
    }
}

fn password(submit: &Submit) -> Option<usize> {
    String::from_utf8(submit.text()).unwrap().strip_prefix("code ").map(|n| n.parse().unwrap())
}

/// So many bulk messages, of which many go to the disk at once.
fn submit_many(gateway: &mut Gateway, backlog: u64) {
    let numbers: Vec<u64> = (1_000_000..1_000_000 + backlog).collect();
    for some in numbers.chunks(500) {
        gateway.rig.disk_held = true;
        for n in some {
            let message = message(*n, "news", Lane::Bulk);
            gateway.rig.ask_without_answer(ApiRequest::Submit(message));
        }
        gateway.rig.disk_held = false;
        gateway.pass(ms(1));
        while gateway.rig.is_answered() {
            gateway.rig.late_answer();
        }
    }
}

/// Sends passwords, ten a second that come one to four at once, beside so many bulk messages.
fn passwords(backlog: u64) -> World {
    // A reserve of 1 KiB for each message that is open, and what it says.
    let segments = u32::try_from(400 + backlog / 120).unwrap();
    let mut gateway = Gateway::with_segments(carrier(), segments);
    gateway.unreachable = vec![0];
    gateway.lose(0);
    submit_many(&mut gateway, backlog);
    assert_eq!(gateway.rig.gauge(Gauge::OpenMessages), backlog);
    gateway.unreachable.clear();
    let (under_way, asked, took) = (VecDeque::new(), Vec::new(), Took::default());
    let mut world = World { gateway, under_way, asked, took, others: 0 };
    // The bind comes up.
    for _ in 0..20_000 {
        world.pass();
    }
    let (mut draw, mut wait) = (Draw(7), 0);
    while world.took.answered.len() < PASSWORDS {
        if wait == 0 && world.asked.len() < PASSWORDS {
            let count = 1 + draw.below(4);
            for _ in 0..count {
                let n = world.asked.len();
                world.asked.push(world.gateway.rig.now);
                let to = u64::try_from(n).unwrap();
                world.gateway.submit_as(message(to, &format!("code {n}"), Lane::Otp));
            }
            wait = 1 + draw.below(200 * count);
        }
        wait -= u64::from(wait > 0);
        world.pass();
    }
    world
}

#[test]
fn a_bulk_backlog_leaves_the_time_of_passwords_unchanged() {
    let backlog = std::env::var("POSTRIDER_BACKLOG").ok().map_or(40_000, |n| n.parse().unwrap());
    let mut alone = passwords(0);
    let mut beside = passwords(backlog);
    let p99 = [&mut alone, &mut beside].map(|world| {
        [&mut world.took.handed_over, &mut world.took.answered].map(|times| Took::p99(times))
    });
    let [[handed, answered], [handed_beside, answered_beside]] = p99;
    println!(
        "{backlog} bulk messages, {} sent meanwhile; {PASSWORDS} passwords: p99 to the carrier \
         {handed:?} alone and {handed_beside:?} beside them (at most {:?} and {:?}), to its answer \
         {answered:?} and {answered_beside:?}",
        beside.others,
        alone.took.handed_over.last().unwrap(),
        beside.took.handed_over.last().unwrap(),
    );
    let others = beside.others;
    assert!((10_000..backlog).contains(&others), "{others}: the backlog was there all the time");
    assert!(answered_beside <= answered + answered / 10, "{answered:?}, {answered_beside:?}");
    assert!(handed_beside <= handed + ms(5), "{handed:?}, {handed_beside:?}");
}
