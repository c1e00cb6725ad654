//! Senders with a rate of their own: no second has more of a sender's parts over all shards, its messages
//! wait without being in the way of others, the most urgent first, and what is over is not sent; on whole
//! shards in memory under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "tests"
)]

mod house;

use std::time::Duration;

use house::{House, Line, Submit, config, cstrings, short_message};
use postrider_core::content::Content;
use postrider_core::number::Msisdn;
use postrider_core::sender::SenderId;
use postrider_core::submission::Submission;
use postrider_core::text::Encoding;
use postrider_http::request::ApiRequest;
use postrider_shards::shard::ApiResponse;
use postrider_shards::stats::{Counter, Gauge};

const SECOND: Duration = Duration::from_secs(1);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn rate(sender: &str, parts: u32) -> String {
    format!("[[senders]]\nsender = \"{sender}\"\nparts_per_second = {parts}\n")
}

/// So many shards with a bind of the carrier each, and these senders' rates.
fn rated(shards: u16, senders: &[(&str, u32)]) -> String {
    let rates: String = senders.iter().map(|(sender, parts)| rate(sender, *parts)).collect();
    config(shards, "") + &rates
}

/// A part as the carrier got it.
#[derive(Clone, Debug)]
struct Left {
    at: Duration,
    sender: String,
    to: String,
    text: String,
}

/// Lets time pass, and gives what left.
fn watch(house: &mut House, time: Duration) -> Vec<Left> {
    let (until, mut left) = (house.now + time, Vec::new());
    while house.now < until {
        house.pass(ms(1));
        let at = house.now;
        left.extend(house.submits().into_iter().map(|(to, pdu)| Left {
            at,
            sender: cstrings(&pdu.body[3..], 1).0.remove(0),
            to,
            text: String::from_utf8(short_message(&pdu)).unwrap(),
        }));
    }
    left
}

fn of<'a>(left: &'a [Left], sender: &str) -> Vec<&'a Left> {
    left.iter().filter(|own| own.sender == sender).collect()
}

/// The most in any closed second.
fn most(left: &[&Left]) -> usize {
    let within = |from: &&Left| {
        left.iter().filter(|own| own.at >= from.at && own.at <= from.at + SECOND).count()
    };
    left.iter().map(within).max().unwrap_or(0)
}

/// A message of a sender to a shard's `n`th number.
fn post(
    house: &mut House,
    line: Line,
    sender: &str,
    (shard, n): (usize, usize),
    text: &str,
) -> String {
    let number = house.number_of(shard, n);
    let (source, dest) = ((5, 0, sender), (1, 1, number.as_str()));
    house.submit(line, &Submit { source, dest, text: text.as_bytes(), ..Submit::default() })
}

fn share_evenly(counts: &[usize]) -> bool {
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    least * 10 >= most * 8
}

fn play_shards(text: &str, per_second: usize, seconds: u64) -> House {
    let mut house = House::new(text);
    let line = house.bound(0);
    for n in 0..90 {
        post(&mut house, line, "Acme", (n % 3, n / 3), "hello");
    }
    let left = watch(&mut house, Duration::from_secs(seconds));
    let all = of(&left, "Acme");
    let span = all.last().unwrap().at - all[0].at;
    let count = (all.len() - 1) as f64 / span.as_secs_f64();
    let counts: Vec<usize> = (0..3)
        .map(|shard| {
            let own: Vec<String> = (0..30).map(|n| house.number_of(shard, n)).collect();
            all.iter().filter(|left| own.contains(&left.to)).count()
        })
        .collect();
    println!("{count:.2} of {per_second} a second, by shard {counts:?}");
    assert!(most(&all) <= per_second, "{} in a second", most(&all));
    assert!(count >= 0.9 * per_second as f64, "{count}");
    assert!(share_evenly(&counts), "{counts:?}");
    house
}

#[test]
fn no_second_has_more_than_a_senders_rate_over_all_shards() {
    let house = play_shards(&rated(3, &[("Acme", 10)]), 10, 9);
    assert!(house.count(Counter::PartsWaitedForSender) >= 80);
    play_shards(&rated(3, &[("Acme", 1)]), 1, 41);
    play_shards(&rated(3, &[("Acme", 50), ("Other", 1)]), 50, 2);
}

#[test]
fn the_rate_holds_where_parts_cross_to_another_shards_bind() {
    let one_bind = rated(3, &[("Acme", 10)]).replace("binds = 3", "binds = 1");
    let house = play_shards(&one_bind, 10, 9);
    assert!(house.count(Counter::PartsCrossed) >= 45);
}

#[test]
fn the_rate_holds_where_attempts_go_on_record_first() {
    let recorded = "binds = 3\non_unknown_outcome = \"fail\"";
    play_shards(&rated(3, &[("Acme", 10)]).replace("binds = 3", recorded), 10, 9);
    let far = "binds = 1\non_unknown_outcome = \"fail\"";
    play_shards(&rated(3, &[("Acme", 10)]).replace("binds = 3", far), 10, 9);
}

#[test]
fn a_slot_that_a_slow_disk_let_pass_is_not_used_late() {
    let recorded = "binds = 1\non_unknown_outcome = \"fail\"";
    let mut house = House::new(&rated(1, &[("Acme", 10)]).replace("binds = 1", recorded));
    let line = house.bound(0);
    house.pass(SECOND);
    for n in 0..40 {
        post(&mut house, line, "Acme", (0, n), "hello");
    }
    let mut left = Vec::new();
    for _ in 0..12 {
        house.hold_disk(0, true);
        left.extend(watch(&mut house, ms(130)));
        house.hold_disk(0, false);
        left.extend(watch(&mut house, ms(170)));
    }
    left.extend(watch(&mut house, Duration::from_secs(8)));
    assert!(most(&of(&left, "Acme")) <= 10, "{}", most(&of(&left, "Acme")));
    assert_eq!(left.len(), 40, "each left once");
}

#[test]
fn a_small_rate_is_where_the_traffic_is() {
    let mut house = House::new(&rated(4, &[("Acme", 1)]));
    let line = house.bound(0);
    house.pass(SECOND);
    for shard in [2, 0, 3, 1, 2] {
        (0..3).for_each(|n| _ = post(&mut house, line, "Acme", (shard, n), "hello"));
        let left = watch(&mut house, ms(3_500));
        assert_eq!(left.len(), 3, "shard {shard}");
        assert!(most(&of(&left, "Acme")) <= 1);
    }
}

#[test]
fn a_slow_sender_is_not_in_the_way_of_a_fast_one() {
    let play = |slow: usize| {
        let text =
            rated(1, &[("Slow", 2)]).replace("window = 100", "window = 20\nparts_per_second = 40");
        let mut house = House::new(&format!("[limits]\nhot_messages = 256\n{text}"));
        let line = house.bound(0);
        for n in 0..slow {
            post(&mut house, line, "Slow", (0, n % 50), &format!("{n}"));
            if n % 50 == 0 {
                house.pass(ms(1));
            }
        }
        assert!(house.gauge(Gauge::MessagesInMemory) <= 256);
        house.pass(SECOND);
        house.submits();
        let mut left = Vec::new();
        let mut waited = Vec::new();
        for n in 0..300 {
            let posted = house.now;
            post(&mut house, line, "Fast", (0, n % 50), &format!("{n}"));
            let some = watch(&mut house, ms(50));
            waited.extend(of(&some, "Fast").iter().map(|own| own.at - posted));
            left.extend(some);
        }
        (left, waited)
    };
    let (alone, waited_alone) = play(0);
    let (beside, waited) = play(1_500);
    let (fast, slow) = (of(&beside, "Fast"), of(&beside, "Slow"));
    let longest = |waited: &[Duration]| waited.iter().max().copied().unwrap();
    println!(
        "fast: {} alone, {} beside, waited {:?} and {:?}; slow: {}",
        alone.len(),
        fast.len(),
        longest(&waited_alone),
        longest(&waited),
        slow.len()
    );
    assert!(fast.len() * 10 >= alone.len() * 9, "{} of {}", fast.len(), alone.len());
    assert!(longest(&waited) <= longest(&waited_alone) + ms(60));
    assert!(most(&slow) <= 2 && slow.len() >= 27, "{}", slow.len());
    // In the order in which they came.
    let order: Vec<usize> = slow.iter().map(|own| own.text.parse().unwrap()).collect();
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn a_password_of_a_sender_goes_before_its_bulk() {
    let mut house = House::new(&rated(1, &[("Acme", 2)]));
    let line = house.bound(0);
    for n in 0..200 {
        let number = house.number_of(0, n % 50);
        let (source, dest) = ((5, 0, "Acme"), (1, 1, number.as_str()));
        house.submit(line, &Submit { source, dest, text: b"sale", ..Submit::default() });
    }
    watch(&mut house, Duration::from_secs(5));
    for _ in 0..10 {
        let (source, posted) = ((5, 0, "Acme"), house.now);
        house.submit(line, &Submit { source, priority: 3, text: b"code", ..Submit::default() });
        let left = watch(&mut house, ms(1_700));
        let code = left.iter().position(|own| own.text == "code").expect("it left");
        let waited = left[code].at - posted;
        assert!(code == 0 && waited <= ms(530), "{code} went before it, it waited {waited:?}");
        assert!(left.len() > 1, "the others go on");
        assert!(most(&of(&left, "Acme")) <= 2);
    }
}

#[test]
fn what_is_over_before_its_senders_turn_is_not_sent() {
    let mut house = House::new(&rated(1, &[("Acme", 1)]));
    let line = house.bound(0);
    house.pass(SECOND);
    let ids: Vec<String> = (0..10)
        .map(|n| {
            let number = house.number_of(0, n);
            let dest = (1, 1, number.as_str());
            let validity = "000000000004000R";
            house.submit(line, &Submit { dest, validity, ..Submit::default() })
        })
        .collect();
    let left = watch(&mut house, Duration::from_secs(20));
    assert!((3..=5).contains(&left.len()), "{}", left.len());
    assert_eq!(house.gauge(Gauge::QueuedParts), 0);
    let expired = ids.iter().filter(|id| house.status(id) == "expired").count();
    assert_eq!(expired, 10 - left.len());
}

#[test]
fn all_parts_of_a_text_go_in_order_and_each_takes_a_slot() {
    let mut house = House::new(&rated(1, &[("Acme", 5)]));
    let line = house.bound(0);
    house.pass(SECOND);
    let tlvs = house::pdu::tlv(0x0424, "x".repeat(400).as_bytes());
    for n in 0..6 {
        let number = house.number_of(0, n);
        let dest = (1, 1, number.as_str());
        house.submit(line, &Submit { dest, text: b"", tlvs: tlvs.clone(), ..Submit::default() });
    }
    let (until, mut left) = (house.now + Duration::from_secs(5), Vec::new());
    while house.now < until {
        house.pass(ms(1));
        let at = house.now;
        left.extend(house.submits().into_iter().map(|(to, pdu)| (at, to, short_message(&pdu)[5])));
    }
    let numbers: Vec<u8> = left.iter().map(|(_, _, number)| *number).collect();
    assert_eq!(numbers, [1, 2, 3].repeat(6));
    assert!(left.chunks(3).all(|own| own[0].1 == own[2].1), "one text after the other");
    assert!(left.windows(6).all(|some| some[5].0 > some[0].0 + SECOND));
}

#[test]
fn a_carrier_that_stands_still_keeps_a_senders_slots_from_nobody() {
    let two = config(1, "").replace(
        "[[routes]]",
        "[[carriers]]\nname = \"beta\"\naddress = \"127.0.0.1:2\"\nsystem_id = \"a\"\npassword = \"p\"\n\
         binds = 1\nwindow = 1\nrate = \"agreed\"\n[[routes]]\nprefix = \"33\"\ncarriers = [\"beta\"]\n[[routes]]",
    );
    let mut house = House::new(&(two + &rate("Acme", 10)));
    let line = house.bound(0);
    house.pass(SECOND);
    // The window of the second is one part, which is not answered.
    house.mute_carriers(true);
    for n in 0..60 {
        let dest = format!("336123456{n:02}");
        house.submit(line, &Submit { dest: (1, 1, &dest), ..Submit::default() });
    }
    house.pass(SECOND);
    house.submits();
    house.mute_carriers(false);
    for n in 0..60 {
        post(&mut house, line, "Acme", (0, n), "hello");
    }
    let left = watch(&mut house, Duration::from_secs(5));
    assert!(left.len() >= 35, "{}", left.len());
    assert!(most(&of(&left, "Acme")) <= 10);
}

#[test]
fn senders_that_a_reload_adds_changes_or_removes_count_at_once() {
    let mut house = House::new(&rated(2, &[]));
    let line = house.bound(0);
    let fill = |house: &mut House, count: usize| {
        (0..count).for_each(|n| _ = post(house, line, "Acme", (n % 2, n / 2), "hello"));
    };
    fill(&mut house, 40);
    house.pass(ms(50));
    assert_eq!(house.submits().len(), 40, "it has no rate");
    house.reload(&rated(2, &[("Acme", 10)]));
    fill(&mut house, 100);
    let mut all = watch(&mut house, Duration::from_secs(4));
    assert!((27..=30).contains(&all.len()), "{}", all.len());
    house.reload(&rated(2, &[("Other", 1), ("Acme", 4)]));
    let changed = house.now;
    all.extend(watch(&mut house, Duration::from_secs(5)));
    assert!(most(&of(&all, "Acme")) <= 10, "no second has both");
    let slow: Vec<Left> = all.into_iter().filter(|own| own.at > changed).collect();
    assert!((18..=20).contains(&slow.len()) && most(&of(&slow, "Acme")) <= 4, "{}", slow.len());
    house.reload(&rated(2, &[("Other", 1)]));
    house.pass(ms(100));
    assert_eq!(house.gauge(Gauge::QueuedParts), 0, "nothing holds them back");
}

#[test]
fn a_backlog_that_is_there_when_a_rate_comes_leaves_room_for_others() {
    let limits = "[limits]\nhot_messages = 256\n";
    let slow_carrier =
        |text: String| text.replace("window = 100", "window = 20\nparts_per_second = 20");
    let with = slow_carrier(format!("{limits}{}", rated(1, &[("Acme", 1)])));
    let mut house = House::new(&with);
    house.reload(&slow_carrier(format!("{limits}{}", rated(1, &[]))));
    let line = house.bound(0);
    for n in 0..1_500 {
        post(&mut house, line, "Acme", (0, n % 50), "hello");
        if n % 50 == 0 {
            house.pass(ms(1));
        }
    }
    house.reload(&with);
    house.pass(Duration::from_secs(3));
    house.submits();
    for n in 0..100 {
        post(&mut house, line, "Fast", (0, n % 50), "hello");
    }
    let left = watch(&mut house, Duration::from_secs(10));
    let (fast, slow) = (of(&left, "Fast"), of(&left, "Acme"));
    assert_eq!((fast.len(), most(&slow)), (100, 1));
    assert!(slow.len() >= 9, "{}", slow.len());
    // A restart goes on with both.
    let mut house = house.crash(SECOND);
    let left = watch(&mut house, Duration::from_secs(10));
    assert!(left.len() >= 8 && most(&of(&left, "Acme")) <= 1, "{}", left.len());
}

#[test]
fn an_explanation_says_what_the_sender_may_send() {
    let mut house = House::new(&rated(1, &[("Acme", 10)]));
    let mut limit = |sender: &str| {
        let (sender, to) = (SenderId::parse(sender).unwrap(), Msisdn::from_u64(447_700_900_123));
        let content = Content::of_text("hello");
        let submission = Submission::new(sender, to.unwrap(), content, (Encoding::Gsm7, 1));
        let ticket = house.send_request(0, 0, ApiRequest::DryRun(submission));
        match house.answer_of(0, ticket) {
            Some(ApiResponse::Explained(told)) => told.sender_rate,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!([limit("Acme"), limit("Other")], [Some(10), None]);
}
