//! What one sender may send a second, over shards that share its rate: under a virtual clock, with
//! timers that are late and parts that cross to another shard's bind before they leave.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use std::collections::BinaryHeap;
use std::time::Duration;

use postrider_core::config::{Config, Plan};
use postrider_core::limits::SENDER_SLACK;
use postrider_core::rate::{Pacer, Wish};

const SECOND: Duration = Duration::from_secs(1);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

struct Rng(u64);

impl Rng {
    fn below(&mut self, most: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// One shard with a backlog of a sender.
#[derive(Clone, Copy)]
struct Taker {
    from: Duration,
    to: Duration,
    /// How late its timers are at most, in milliseconds.
    late: u64,
    /// Whether what it takes leaves elsewhere, as late as it may.
    far: bool,
}

const BUSY: Taker = Taker { from: ms(0), to: ms(600_000), late: 2, far: false };

struct Played {
    /// When each part left, and whose it was.
    left: Vec<(Duration, usize)>,
    /// How often somebody asked.
    asked: usize,
}

impl Played {
    fn of(&self, taker: usize) -> usize {
        self.left.iter().filter(|(_, own)| *own == taker).count()
    }

    /// The most that left in any closed second.
    fn most(&self) -> usize {
        let mut times: Vec<Duration> = self.left.iter().map(|(at, _)| *at).collect();
        times.sort_unstable();
        let mut first = 0;
        let count = |(last, at): (usize, &Duration)| {
            while times[first] + SECOND < *at {
                first += 1;
            }
            last + 1 - first
        };
        times.iter().enumerate().map(count).max().unwrap_or(0)
    }

    fn a_second(&self, from: Duration, to: Duration) -> f64 {
        let within = self.left.iter().filter(|(at, _)| *at >= from && *at < to).count();
        f64::from(u32::try_from(within).unwrap()) / (to - from).as_secs_f64()
    }
}

/// Plays for so long; `rate` at a time, and how many parts a message has that leaves at once.
fn play(
    seed: u64,
    takers: &[Taker],
    end: Duration,
    rate: impl Fn(Duration) -> u32,
    parts: impl Fn(&mut Rng) -> u32,
) -> Played {
    let (pacer, mut rng) = (Pacer::default(), Rng(seed));
    pacer.begin(ms(0));
    let mut played = Played { left: Vec::new(), asked: 0 };
    let mut next = BinaryHeap::new();
    for (index, taker) in takers.iter().enumerate() {
        next.push(std::cmp::Reverse((taker.from, index)));
    }
    let mut message: Vec<u32> = takers.iter().map(|_| parts(&mut rng)).collect();
    while let Some(std::cmp::Reverse((now, index))) = next.pop() {
        let own = takers[index];
        if now >= end {
            break;
        }
        if now >= own.to {
            pacer.leave(u32::try_from(index).unwrap());
            continue;
        }
        played.asked += 1;
        let (per_second, taker) = (rate(now), u32::try_from(index).unwrap());
        let at = match pacer.take(now, &Wish { per_second, parts: message[index], taker }) {
            Ok(until) => {
                assert!(until >= now + SENDER_SLACK / 2, "there is time to cross");
                let left = if own.far { until } else { now };
                played.left.extend((0..message[index]).map(|_| (left, index)));
                message[index] = parts(&mut rng);
                now
            }
            Err(at) => {
                assert!(at > now, "it would ask for ever");
                at + Duration::from_micros(rng.below(own.late * 1_000 + 1))
            }
        };
        next.push(std::cmp::Reverse((at, index)));
    }
    played
}

#[test]
fn no_second_wherever_it_begins_has_more_than_the_rate_over_all_shards() {
    for seed in 0..60 {
        let mut rng = Rng(seed * 977);
        let rate = [1, 2, 3, 7, 10, 30, 100, 1_000][rng.below(8) as usize];
        let taker = |rng: &mut Rng| Taker {
            from: ms(rng.below(2_000)),
            to: ms(10_000 + rng.below(30_000)),
            late: [0, 1, 2, 15, 120][rng.below(5) as usize],
            far: rng.below(3) == 0,
        };
        let takers: Vec<Taker> = (0..=rng.below(7)).map(|_| taker(&mut rng)).collect();
        let whole = rng.below(3) == 0;
        let parts = move |rng: &mut Rng| if whole { 1 + rng.below(4) as u32 } else { 1 };
        let played = play(seed, &takers, ms(30_000), |_| rate, parts);
        // A text of more parts than that has a second for itself.
        let most = if whole { rate.max(4) } else { rate };
        assert!(played.most() <= most as usize, "seed {seed}: {} of {rate}", played.most());
        assert!(played.left.iter().all(|(at, _)| *at >= SECOND), "seed {seed}: too early");
    }
}

#[test]
fn shards_that_all_have_traffic_share_nearly_all_of_the_rate_evenly() {
    for rate in [1, 3, 10, 100, 1_000] {
        let end = ms(120_000);
        let played = play(1, &[BUSY; 4], end, |_| rate, |_| 1);
        let share = played.a_second(ms(1_000), end) / f64::from(rate);
        let counts: Vec<usize> = (0..4).map(|own| played.of(own)).collect();
        println!(
            "{rate} a second: {:.1} % used, {counts:?}, asked {}",
            share * 100.0,
            played.asked
        );
        assert!(share > 0.94, "{rate}: {share}");
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(*least * 10 >= *most * 8, "{rate}: {counts:?}");
        assert!(played.asked <= 14 * played.left.len() + 4_000, "{rate}: asked {}", played.asked);
    }
}

#[test]
fn a_small_rate_is_at_once_where_the_traffic_is() {
    // One shard after the other has messages, the others none.
    let takers: Vec<Taker> = (0..4u64)
        .map(|own| Taker { from: ms(own * 10_000), to: ms((own + 1) * 10_000), ..BUSY })
        .collect();
    let played = play(3, &takers, ms(40_000), |_| 1, |_| 1);
    for own in 0..4u64 {
        let begin = ms(own * 10_000);
        let first = played.left.iter().find(|(at, _)| *at >= begin).unwrap();
        assert!(first.0 <= begin + ms(1_100), "shard {own} waited until {:?}", first.0);
        assert!(played.a_second(begin + ms(1_100), begin + ms(10_000)) > 0.85, "shard {own}");
    }
}

#[test]
fn slots_that_one_leaves_unused_go_to_the_others() {
    // One waits for ever, since its carrier takes nothing.
    let pacer = Pacer::default();
    pacer.begin(ms(0));
    let wish = |taker| Wish { per_second: 10, parts: 1, taker };
    assert!(pacer.ask(ms(10), &wish(0)).is_err());
    let (mut now, mut taken) = (ms(1_000), 0);
    while now < ms(61_000) {
        match pacer.take(now, &wish(1)) {
            Ok(_) => taken += 1,
            Err(at) => now = at,
        }
    }
    assert!(taken > 480, "{taken} of 600");
}

#[test]
fn another_rate_counts_at_once_and_is_no_second_rate() {
    let rate = |at: Duration| if at < ms(10_000) || at >= ms(20_000) { 100 } else { 10 };
    let played = play(5, &[BUSY; 4], ms(30_000), rate, |_| 1);
    assert!(played.most() <= 100, "{}", played.most());
    let lower = played.a_second(ms(10_100), ms(20_000));
    assert!((9.0..=10.0).contains(&lower), "{lower}");
    assert!(played.a_second(ms(20_200), ms(30_000)) > 93.0);
}

#[test]
fn shards_at_the_same_moment_get_different_slots() {
    let pacer = Pacer::default();
    pacer.begin(ms(0));
    let taken: usize = std::thread::scope(|scope| {
        let pacer = &pacer;
        let shard = |taker: u32| {
            let wish = Wish { per_second: 1_000, parts: 1, taker };
            (1_000..1_500).filter(|at| pacer.take(ms(*at), &wish).is_ok()).count()
        };
        let shards: Vec<_> = (0..4).map(|taker| scope.spawn(move || shard(taker))).collect();
        shards.into_iter().map(|shard| shard.join().unwrap()).sum()
    });
    assert!((1..=520).contains(&taken), "{taken}");
}

const BASE: &str = r#"
[server]
shards = 1
[[customers]]
name = "acme"
api_keys = ["sha256:3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea"]
webhook_secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"#;

fn with_senders(senders: &[(&str, i64)]) -> String {
    let own = |(sender, rate): &(&str, i64)| {
        format!("[[senders]]\nsender = \"{sender}\"\nparts_per_second = {rate}\n")
    };
    format!("{BASE}{}", senders.iter().map(own).collect::<String>())
}

#[test]
fn each_sender_has_one_rate_of_at_least_one_part() {
    let good = with_senders(&[("Acme", 10), ("12345", 3), ("+14155550100", 1)]);
    let config = Config::parse(&good).unwrap();
    let senders: Vec<_> =
        config.senders.iter().map(|own| (own.sender.as_text(), own.parts_per_second)).collect();
    let expected = [("Acme", 10), ("12345", 3), ("+14155550100", 1)];
    assert!(senders.iter().map(|(sender, rate)| (sender.as_str(), *rate)).eq(expected));
    let bad = [
        ("Acme", 0),
        ("Acme", 5),
        ("14155550100", 1),
        ("+14155550100", 2),
        ("far too long a name", 1),
        ("12345", 1_000_001),
    ];
    let errors = Config::parse(&with_senders(&bad)).unwrap_err().to_string();
    for place in [
        "senders[0].parts_per_second",
        "senders[1].sender",
        "senders[3].sender",
        "senders[4].sender",
        "senders[5].parts_per_second",
    ] {
        assert!(errors.contains(place), "{place}: {errors}");
    }
    assert!(errors.contains("senders[0] is the same sender"), "{errors}");
    assert!(
        errors.contains("senders[2] is the same sender"),
        "the + makes no difference: {errors}"
    );
    assert!(!errors.contains("senders[2].sender"), "{errors}");
    let nothing = format!("{BASE}[[senders]]\nsender = \"Acme\"\n");
    assert!(Config::parse(&nothing).is_err(), "a rate is to be given");
}

#[test]
fn the_plan_lists_senders_and_counts_their_memory() {
    let plan = |senders: &[(&str, i64)]| {
        Plan::new(&Config::parse(&with_senders(senders)).unwrap(), 1).unwrap()
    };
    assert!(!plan(&[]).to_string().contains("sender  "));
    let own = plan(&[("Acme", 10), ("12345", 3)]);
    let text = own.to_string();
    assert!(text.contains("Acme                    10\n12345                    3\n"), "{text}");
    assert_eq!(own.to_json()["senders"][1]["parts_per_second"], 3);
    assert_eq!(own.shards[0].memory.senders, 2 * 512);
    let names: Vec<String> = (1_000..1_050).map(|n| n.to_string()).collect();
    let many: Vec<(&str, i64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    assert!(plan(&many).to_string().contains("and 30 more senders"));
    assert_eq!(plan(&many).to_json()["senders"].as_array().unwrap().len(), 50);
}
