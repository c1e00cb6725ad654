//! Lanes, deadlines, weights and recipients at one carrier: what goes first, what waits for whom, and
//! what is never sent. One shard in memory, under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use harness::gateway::{Gateway, Submit, alpha, config};
use postrider_core::config::{Concatenation, Config, CustomerConfig, OnUnknownOutcome};
use postrider_core::id::MessageId;
use postrider_core::lane::Lane;
use postrider_shards::stats::{Counter, Gauge};

const LONG: &str = "This text is longer than one part of a message can be, so that it takes two of them \
                    to bring it to whoever is waiting for it: it goes on and on, for as long as it \
                    must.";
const NUMBER: u64 = 447_700_900_000;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Posts a text to the handset with this number, with these members beside it.
fn post(gateway: &mut Gateway, to: u64, text: &str, members: &str) -> MessageId {
    let to = NUMBER + to;
    gateway.post(&format!(r#"{{"from":"Acme","to":"+{to}","body":"{text}"{members}}}"#))
}

fn texts<'a>(submits: impl IntoIterator<Item = &'a Submit>) -> Vec<String> {
    submits.into_iter().map(|submit| String::from_utf8(submit.text()).unwrap()).collect()
}

/// The carrier takes everything, one after the other; gives the texts.
fn take_all(gateway: &mut Gateway) -> Vec<String> {
    let mut taken = Vec::new();
    while let Some(submit) = gateway.submits.pop_front() {
        gateway.answer(&submit, 0, &format!("{}", taken.len()));
        taken.push(submit);
        gateway.pass(ms(5));
    }
    texts(&taken)
}

#[test]
fn a_message_shows_its_priority_and_a_password_ends_after_its_useful_life() {
    let mut gateway = Gateway::new(alpha(|carrier| carrier.window = 1));
    gateway.unreachable = vec![0];
    gateway.lose(0);
    let plain = post(&mut gateway, 1, "plain", "");
    let otp = post(&mut gateway, 2, "code", r#","priority":"otp""#);
    let long = post(&mut gateway, 3, "code", r#","priority":"otp","validity_period":3600"#);
    let bulk = post(&mut gateway, 4, "news", r#","priority":"bulk""#);
    let lane = |gateway: &mut Gateway, id| gateway.rig.view(id).lane;
    assert_eq!(lane(&mut gateway, plain), Lane::Transactional);
    assert_eq!((lane(&mut gateway, otp), lane(&mut gateway, bulk)), (Lane::Otp, Lane::Bulk));
    gateway.seconds(599);
    assert_eq!(gateway.status(otp), "queued");
    gateway.seconds(2);
    assert_eq!(gateway.timeline(otp), ["accepted", "expired validity period over"]);
    let view = gateway.rig.view(otp);
    assert_eq!(view.error_code.as_deref(), Some("validity period over"));
    let mut gateway = gateway.crash();
    assert_eq!((lane(&mut gateway, otp), lane(&mut gateway, bulk)), (Lane::Otp, Lane::Bulk));
    gateway.unreachable.clear();
    gateway.seconds(70);
    let sent = take_all(&mut gateway);
    assert_eq!(sent, ["code", "plain", "news"], "the one that is still of use first, none expired");
    for id in [plain, long, bulk] {
        assert_eq!(gateway.status(id), "submitted");
    }
}

#[test]
fn within_a_lane_the_earliest_deadline_goes_first() {
    let mut gateway = Gateway::new(alpha(|carrier| carrier.window = 1));
    post(&mut gateway, 0, "begun", "");
    for (n, seconds) in [(1, 9_000), (2, 600), (3, 172_800), (4, 60)] {
        post(&mut gateway, n, &format!("{seconds}"), &format!(r#","validity_period":{seconds}"#));
    }
    post(&mut gateway, 5, "usual", "");
    assert_eq!(take_all(&mut gateway), ["begun", "60", "600", "9000", "172800", "usual"]);
}

#[test]
fn a_password_passes_between_the_parts_of_a_long_message_and_these_stay_in_order() {
    let mut gateway = Gateway::new(alpha(|carrier| carrier.window = 1));
    post(&mut gateway, 1, LONG, r#","priority":"bulk""#);
    post(&mut gateway, 3, "other", r#","priority":"bulk","validity_period":1"#);
    post(&mut gateway, 2, "code", r#","priority":"otp""#);
    let sent = take_all(&mut gateway);
    assert_eq!(sent.len(), 4, "{sent:?}");
    assert!(LONG.contains(sent[0].get(10..40).unwrap()) && sent[1] == "code", "{sent:?}");
    assert!(LONG.ends_with(sent[2].get(10..).unwrap()) && sent[3] == "other", "{sent:?}");
}

#[test]
fn what_has_expired_is_never_sent() {
    for policy in [OnUnknownOutcome::Resubmit, OnUnknownOutcome::Fail] {
        let mut gateway = Gateway::new(alpha(|carrier| {
            (carrier.window, carrier.on_unknown_outcome) = (1, policy);
        }));
        post(&mut gateway, 0, "first", "");
        let id = post(&mut gateway, 1, "late", r#","validity_period":2"#);
        let long = post(&mut gateway, 2, "in time", r#","validity_period":60"#);
        let first = gateway.submit();
        gateway.seconds(3);
        gateway.answer(&first, 0, "1");
        gateway.pass(ms(5));
        assert_eq!(take_all(&mut gateway), ["in time"], "{policy:?}");
        assert_eq!(gateway.count(Counter::PartsSubmitted), 2, "what is not sent costs nothing");
        assert_eq!(gateway.status(id), "expired");
        let view = gateway.rig.view(id);
        assert_eq!(view.error_code.as_deref(), Some("validity period over"));
        assert_eq!(gateway.status(long), "submitted");
        assert_eq!(gateway.timeline(id), ["accepted", "expired validity period over"]);
    }
}

#[test]
fn what_expires_on_disk_is_never_sent_either() {
    let mut gateway = Gateway::new(weighted(&[1], 0));
    gateway.unreachable = vec![0];
    gateway.lose(0);
    let brief = r#","validity_period":2"#;
    let ids: Vec<MessageId> = (0..600).map(|n| post(&mut gateway, n, "late", brief)).collect();
    let last = post(&mut gateway, 700, "in time", "");
    assert!(gateway.rig.gauge(Gauge::MessagesInMemory) <= 256);
    gateway.seconds(20);
    gateway.unreachable.clear();
    gateway.seconds(60);
    assert_eq!(take_all(&mut gateway), ["in time"]);
    assert_eq!(gateway.count(Counter::PartsSubmitted), 1);
    for id in ids {
        assert_eq!(gateway.timeline(id), ["accepted", "expired validity period over"]);
    }
    assert_eq!(gateway.status(last), "submitted");
}

#[test]
fn what_expired_while_its_attempt_went_on_record_is_not_sent() {
    let mut gateway = Gateway::new(alpha(|carrier| {
        carrier.on_unknown_outcome = OnUnknownOutcome::Fail;
    }));
    gateway.rig.disk_held = true;
    let body = format!(r#"{{"from":"Acme","to":"+{NUMBER}","body":"late","validity_period":1}}"#);
    gateway.rig.post_without_answer(&body);
    // The acceptance gets through; the attempt does not, until it is too late.
    gateway.write_one();
    let id = gateway.rig.late_answer();
    gateway.pass(ms(1_500));
    gateway.rig.disk_held = false;
    gateway.pass(ms(50));
    assert!(gateway.submits.is_empty());
    assert_eq!(gateway.status(id), "expired", "{:?}", gateway.timeline(id));
}

/// The carrier of three recipients answers in turn; gives how many each had unanswered at most.
fn most_unanswered(gateway: &mut Gateway, answers: usize) -> BTreeMap<String, usize> {
    let mut open: VecDeque<Submit> = VecDeque::new();
    let (mut most, mut now) = (BTreeMap::new(), BTreeMap::<String, usize>::new());
    let to = |submit: &Submit| submit.message(|m| String::from_utf8(m.dest.to_vec()).unwrap());
    for n in 0..answers {
        while let Some(submit) = gateway.submits.pop_front() {
            *now.entry(to(&submit)).or_default() += 1;
            open.push_back(submit);
        }
        for (to, count) in &now {
            let most: &mut usize = most.entry(to.clone()).or_default();
            *most = (*most).max(*count);
        }
        // Now the first, now the last.
        let next = if n % 2 == 0 { open.pop_front() } else { open.pop_back() };
        let Some(submit) = next else { break };
        *now.get_mut(&to(&submit)).unwrap() -= 1;
        gateway.answer(&submit, 0, &format!("c{n}"));
        gateway.pass(ms(3));
    }
    assert!(open.is_empty() && gateway.submits.is_empty(), "everything is answered");
    most
}

#[test]
fn a_recipient_has_no_more_unanswered_parts_than_its_carrier_wants() {
    for (policy, most) in [
        (OnUnknownOutcome::Resubmit, 1),
        (OnUnknownOutcome::Resubmit, 3),
        (OnUnknownOutcome::Fail, 1),
        (OnUnknownOutcome::Fail, 2),
    ] {
        let mut gateway = Gateway::new(alpha(|carrier| {
            (carrier.window, carrier.on_unknown_outcome) = (20, policy);
            carrier.profile.per_destination = most;
        }));
        let ids: Vec<MessageId> =
            (0..30).map(|n| post(&mut gateway, [0, 0, 0, 1, 2][n % 5], LONG, "")).collect();
        gateway.pass(ms(20));
        assert_eq!(gateway.submits.len(), 3 * usize::from(most), "others go on: {policy:?} {most}");
        let seen = most_unanswered(&mut gateway, 61);
        assert_eq!(seen.len(), 3);
        assert!(seen.values().all(|own| *own == usize::from(most)), "{policy:?} {most}: {seen:?}");
        assert!(ids.into_iter().all(|id| gateway.status(id) == "submitted"));
        assert_eq!(gateway.rig.gauge(Gauge::QueuedParts), 0);
    }
}

#[test]
fn a_whole_text_counts_as_one_part_of_its_recipient() {
    let mut gateway = Gateway::new(alpha(|carrier| {
        carrier.profile.per_destination = 1;
        carrier.profile.concatenation = Concatenation::Payload;
    }));
    for _ in 0..3 {
        post(&mut gateway, 1, LONG, "");
    }
    for n in 0..3 {
        assert_eq!(gateway.submits.len(), 1);
        gateway.accept(&format!("{n}"));
        gateway.pass(ms(3));
    }
    assert!(gateway.submits.is_empty());
}

#[test]
fn whatever_ends_a_wait_for_an_answer_lets_the_recipients_next_message_go() {
    let mut gateway = Gateway::new(alpha(|carrier| carrier.profile.per_destination = 1));
    let ids: Vec<MessageId> = (0..6).map(|n| post(&mut gateway, 1, &format!("{n}"), "")).collect();
    // Refused for good; refused for a while; never answered; the bind lost.
    gateway.refuse(0x0B);
    gateway.pass(ms(3));
    let refused = gateway.refuse(0x45);
    assert_eq!(texts([&refused]), ["1"]);
    gateway.pass(ms(3));
    let unanswered = gateway.submit();
    assert_eq!(texts([&unanswered]), ["2"]);
    gateway.seconds(61);
    assert_ne!(gateway.submits.len(), 0, "{:?}", gateway.timeline(ids[2]));
    gateway.submits.clear();
    gateway.lose(0);
    gateway.seconds(10);
    for n in 0..20 {
        let Some(submit) = gateway.submits.pop_front() else { break };
        assert_eq!(gateway.submits.len(), 0, "one at a time");
        gateway.answer(&submit, 0, &format!("{n}"));
        gateway.seconds(2);
    }
    for id in &ids[1..] {
        assert_eq!(gateway.status(*id), "submitted", "{:?}", gateway.timeline(*id));
    }
    assert_eq!(gateway.rig.gauge(Gauge::QueuedParts), 0);
}

#[test]
fn what_waits_for_its_recipient_leaves_with_the_others_when_the_carrier_dies_or_it_ends() {
    let mut with = config(&["alpha", "beta"]);
    with.carriers[0].profile.per_destination = 1;
    let mut gateway = Gateway::new(with);
    let ids: Vec<MessageId> = (0..4).map(|n| post(&mut gateway, 2, &format!("{n}"), "")).collect();
    let brief = post(&mut gateway, 2, "brief", r#","validity_period":5"#);
    gateway.unreachable = vec![0];
    gateway.seconds(6);
    assert_eq!(gateway.status(brief), "expired");
    gateway.lose(0);
    gateway.seconds(12);
    let beta: Vec<Submit> = gateway.submits.iter().filter(|s| s.bind == 1).cloned().collect();
    assert!(beta.len() >= 3, "{:?}", texts(&beta));
    for submit in &beta {
        gateway.answer(submit, 0, &format!("b{}", submit.pdu.sequence));
    }
    gateway.seconds(12);
    let submitted = ids.iter().filter(|id| gateway.status(**id) == "submitted").count();
    assert!(submitted >= 3, "{submitted}");
}

#[test]
fn a_bound_that_a_reload_changes_holds_back_nobody_for_ever() {
    let with = |most| alpha(|carrier| carrier.profile.per_destination = most);
    let mut gateway = Gateway::new(with(1));
    let post_some = |gateway: &mut Gateway, some: std::ops::Range<u64>| {
        some.for_each(|n| _ = post(gateway, 1, &format!("{n}"), ""));
    };
    post_some(&mut gateway, 0..4);
    assert_eq!(gateway.submits.len(), 1);
    gateway.reload(with(3));
    gateway.pass(ms(5));
    assert_eq!(gateway.submits.len(), 3);
    gateway.reload(with(0));
    gateway.pass(ms(5));
    assert_eq!(texts(&gateway.submits), ["0", "1", "2", "3"]);
    gateway.reload(with(1));
    let all: Vec<Submit> = gateway.submits.drain(..).collect();
    all.iter().for_each(|submit| gateway.answer(submit, 0, &format!("{}", submit.pdu.sequence)));
    post_some(&mut gateway, 4..7);
    assert_eq!(gateway.submits.len(), 1);
    assert_eq!(take_all(&mut gateway), ["4", "5", "6"]);
}

/// A configuration of customers with these weights and a carrier with this rate.
fn weighted(weights: &[u16], rate: u32) -> Config {
    let mut config = alpha(|carrier| (carrier.parts_per_second, carrier.window) = (rate, 50));
    config.limits.hot_messages = 256;
    let first = config.customers.remove(0);
    let customer = |(n, weight): (usize, &u16)| CustomerConfig {
        name: format!("c{n}"),
        weight: *weight,
        ..first.clone()
    };
    config.customers = weights.iter().enumerate().map(customer).collect();
    config
}

#[test]
fn customers_share_a_carrier_by_weight_whether_they_wait_in_memory_or_on_disk() {
    let weights = [1, 2, 5];
    let mut gateway = Gateway::new(weighted(&weights, 80));
    gateway.unreachable = vec![0];
    gateway.lose(0);
    for n in 0..3_000 {
        gateway.rig.customer = n % 3;
        let text = format!("{}", gateway.rig.customer);
        // Those of the second are long.
        let text = if text == "1" { LONG } else { &text };
        post(&mut gateway, u64::from(n), text, "");
    }
    assert!(gateway.rig.gauge(Gauge::MessagesInMemory) <= 256);
    gateway.unreachable.clear();
    let mut parts = [0; 3];
    for _ in 0..2_000 {
        if parts.iter().sum::<usize>() >= 1_000 {
            break;
        }
        gateway.pass(ms(20));
        while let Some(submit) = gateway.submits.pop_front() {
            let text = String::from_utf8_lossy(&submit.text()).into_owned();
            parts[text.parse::<usize>().unwrap_or(1)] += 1;
            gateway.answer(&submit, 0, &format!("{}", submit.pdu.sequence));
        }
    }
    let all: usize = parts.iter().sum();
    for (own, weight) in parts.iter().zip(weights) {
        let due = all * usize::from(weight) / 8;
        assert!(own.abs_diff(due) * 10 <= due, "{parts:?}: {own}, not {due}");
    }
}

#[test]
fn a_message_that_ended_leaves_its_queue() {
    let mut gateway = Gateway::new(alpha(|carrier| carrier.window = 1));
    gateway.unreachable = vec![0];
    gateway.lose(0);
    let ids: Vec<MessageId> =
        (0..10).map(|n| post(&mut gateway, n, "brief", r#","validity_period":1"#)).collect();
    assert_eq!(gateway.rig.gauge(Gauge::QueuedParts), 10);
    gateway.seconds(2);
    assert_eq!(gateway.rig.gauge(Gauge::QueuedParts), 0);
    assert!(ids.into_iter().all(|id| gateway.status(id) == "expired"));
}

/// Takes every submit as it comes, for so long; gives when each came and its text.
fn taken_in(gateway: &mut Gateway, time: Duration) -> Vec<(Duration, String)> {
    let (mut taken, until) = (Vec::new(), gateway.rig.now + time);
    while gateway.rig.now < until {
        while let Some(submit) = gateway.submits.pop_front() {
            taken.push((gateway.rig.now, String::from_utf8(submit.text()).unwrap()));
            gateway.answer(&submit, 0, &format!("{}", submit.pdu.sequence));
        }
        gateway.pass(ms(5));
    }
    taken
}

#[test]
fn two_customers_share_one_to_three_and_what_one_leaves_is_the_others() {
    let mut gateway = Gateway::new(weighted(&[1, 3], 80));
    gateway.unreachable = vec![0];
    gateway.lose(0);
    for n in 0..2_000 {
        gateway.rig.customer = n % 2;
        // The one with the greater weight runs out first.
        if n % 2 == 0 || n < 1_000 {
            post(&mut gateway, u64::from(n), &format!("{}", n % 2), "");
        }
    }
    gateway.unreachable.clear();
    let taken = taken_in(&mut gateway, Duration::from_secs(25));
    let texts: Vec<&str> = taken.iter().map(|(_, text)| text.as_str()).collect();
    let last = texts.iter().rposition(|text| *text == "1").unwrap();
    let (shared, alone) = texts.split_at(last + 1);
    let own = shared.iter().filter(|text| **text == "0").count();
    let due = shared.len() / 4;
    assert!(own.abs_diff(due) * 30 <= due, "{own} of {}, not {due}", shared.len());
    // Over any two seconds, and not only in the sum.
    for some in shared.chunks_exact(160) {
        let own = some.iter().filter(|text| **text == "0").count();
        assert!((36..=44).contains(&own), "{own} of 160");
    }
    assert!(alone.len() > 500, "{}", alone.len());
    let (first, end) = (taken[last + 1].0, taken[taken.len() - 1].0);
    let rate = alone.len() * 1_000 / usize::try_from((end - first).as_millis()).unwrap();
    assert!((78..=81).contains(&rate), "alone it has {rate} of 80 parts a second");
}

#[test]
fn passwords_that_come_at_once_leave_at_once_beside_a_backlog_and_no_second_has_more() {
    let mut gateway = Gateway::new(alpha(|carrier| {
        (carrier.parts_per_second, carrier.window) = (20, 50);
    }));
    for n in 0..600 {
        post(&mut gateway, n, "news", r#","priority":"bulk""#);
    }
    let mut all = taken_in(&mut gateway, Duration::from_secs(3));
    for burst in 0..10 {
        for n in 0..4 {
            post(&mut gateway, 1_000 + n, "code", r#","priority":"otp""#);
        }
        let taken = taken_in(&mut gateway, ms(10));
        let codes = taken.iter().filter(|(_, text)| text == "code").count();
        assert!(burst < 2 || codes == 4, "{codes} of 4 at once, burst {burst}");
        all.extend(taken);
        all.extend(taken_in(&mut gateway, ms(1_990)));
    }
    // Each is seen up to 5 ms after it left.
    for (n, (from, _)) in all.iter().enumerate() {
        let within = all[n..].iter().take_while(|(at, _)| *at - *from <= ms(995)).count();
        assert!(within <= 20, "{within} within a second of {from:?}");
    }
    let bulk = all.iter().filter(|(_, text)| text == "news").count();
    // Of two tokens a second nobody has any use: what is left free, when no password comes.
    let least = 280;
    assert!(bulk >= least, "{bulk} others of {least}");
}

#[test]
fn what_is_left_free_for_passwords_is_no_room_that_others_overflow_into() {
    let mut config = config(&["alpha", "beta"]);
    for carrier in &mut config.carriers {
        (carrier.parts_per_second, carrier.window) = (20, 50);
    }
    for candidate in &mut config.routes[0].carriers {
        (candidate.priority, candidate.cost) = (1, 1_000);
    }
    (config.routes[0].priced, config.routes[0].tolerance) = (true, Some(100));
    let mut gateway = Gateway::new(config);
    for burst in 0..8 {
        for n in 0..8 {
            post(&mut gateway, n, "code", r#","priority":"otp""#);
            post(&mut gateway, 100 + burst * 8 + n, "news", r#","priority":"bulk""#);
            post(&mut gateway, 200 + burst * 8 + n, "plain", "");
        }
        taken_in(&mut gateway, ms(500));
    }
    taken_in(&mut gateway, Duration::from_secs(10));
    assert_eq!(gateway.rig.gauge(Gauge::QueuedParts), 0, "all of them found their way");
}
