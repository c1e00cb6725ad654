//! Whatever happens at a carrier that bounds the unanswered parts of a recipient: the bound holds, and
//! every message gets its turn. One shard in memory, under a virtual clock.
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

use std::collections::BTreeMap;
use std::time::Duration;

use harness::gateway::{Gateway, Submit, alpha};
use postrider_core::config::OnUnknownOutcome;
use postrider_core::id::MessageId;
use postrider_shards::stats::Gauge;
use proptest::prelude::*;

const NUMBER: u64 = 447_700_900_000;
const LONG: &str = "This text is longer than one part of a message can be, so that it takes two of them \
                    to bring it to whoever is waiting for it: it goes on and on, for as long as it \
                    must.";

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    Post {
        to: u64,
        long: bool,
        lane: usize,
        validity: u64,
    },
    /// The nth unanswered part is answered with this status.
    Answer {
        nth: usize,
        status: u32,
    },
    /// The connection breaks.
    Lose,
    Pass {
        ms: u64,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let post = (0..4u64, any::<bool>(), 0..3usize, prop_oneof![Just(1), Just(30), Just(3_600)]);
    // Taken, a wrong recipient, a failure that passes, our pace, no room.
    let status = prop_oneof![6 => Just(0), 1 => Just(0x0B), 1 => Just(0x08), 1 => Just(0x58),
        1 => Just(0x14)];
    prop_oneof![
        6 => post.prop_map(|(to, long, lane, validity)| Event::Post { to, long, lane, validity }),
        5 => (0..8usize, status).prop_map(|(nth, status)| Event::Answer { nth, status }),
        1 => Just(Event::Lose),
        3 => (1..3_000u64).prop_map(|ms| Event::Pass { ms }),
        // Beyond the time that an answer is waited for.
        1 => Just(Event::Pass { ms: 61_000 }),
    ]
}

/// The carrier, and what it has not answered.
struct World {
    gateway: Gateway,
    open: Vec<(Duration, Submit)>,
    ids: Vec<MessageId>,
    most: usize,
    /// How often the gateway has bound.
    binds: usize,
    /// The most that any recipient had unanswered.
    seen: usize,
}

fn to(submit: &Submit) -> String {
    submit.message(|message| String::from_utf8(message.dest.to_vec()).unwrap())
}

impl World {
    fn new(most: u16, window: u16, rate: u32, policy: OnUnknownOutcome) -> Self {
        let gateway = Gateway::new(alpha(|carrier| {
            (carrier.window, carrier.parts_per_second) = (window, rate);
            carrier.on_unknown_outcome = policy;
            carrier.profile.per_destination = most;
        }));
        let (most, binds) = (usize::from(most), gateway.asked.len());
        World { gateway, open: Vec::new(), ids: Vec::new(), most, binds, seen: 0 }
    }

    /// Takes in what came, and counts.
    fn look(&mut self) {
        let now = self.gateway.rig.now;
        // The gateway connects again a second after it gave a connection up.
        if self.binds != self.gateway.asked.len() {
            self.binds = self.gateway.asked.len();
            self.open.clear();
        }
        let came = self.gateway.submits.drain(..).map(|submit| (now, submit));
        self.open.extend(came);
        // Nobody waits for these any more: they came a little before they were seen.
        self.open.retain(|(at, _)| now - *at < Duration::from_millis(59_700));
        let mut each = BTreeMap::<String, usize>::new();
        for (_, submit) in &self.open {
            *each.entry(to(submit)).or_default() += 1;
        }
        let most = each.values().copied().max().unwrap_or(0);
        assert!(most <= self.most, "{most} unanswered parts to one recipient");
        self.seen = self.seen.max(most);
    }

    fn play(&mut self, event: &Event) {
        match *event {
            Event::Post { to, long, lane, validity } => {
                let text = if long { LONG } else { "short" };
                let lane = ["otp", "transactional", "bulk"][lane];
                let to = NUMBER + to;
                self.ids.push(self.gateway.post(&format!(
                    r#"{{"from":"Acme","to":"+{to}","body":"{text}","priority":"{lane}","validity_period":{validity}}}"#
                )));
            }
            Event::Answer { nth, status } if !self.open.is_empty() => {
                let (_, submit) = self.open.remove(nth % self.open.len());
                self.gateway.answer(&submit, status, &format!("c{}", submit.pdu.sequence));
            }
            Event::Answer { .. } => {}
            Event::Lose => {
                self.gateway.lose(0);
                self.open.clear();
            }
            // In small steps, so that no moment is missed.
            Event::Pass { ms } => {
                let step = (ms / 60).clamp(5, 200);
                for _ in 0..ms / step {
                    self.gateway.pass(Duration::from_millis(step));
                    self.look();
                }
            }
        }
        self.look();
    }

    /// The carrier takes everything, until there is nothing more.
    fn finish(&mut self) {
        for _ in 0..5_000 {
            self.play(&Event::Pass { ms: 500 });
            while !self.open.is_empty() {
                self.play(&Event::Answer { nth: 0, status: 0 });
            }
            if self.gateway.rig.gauge(Gauge::QueuedParts) == 0
                && self.ids.iter().all(|id| self.gateway.status(*id) != "queued")
            {
                return;
            }
        }
        let left: Vec<_> = self.ids.iter().map(|id| self.gateway.timeline(*id)).collect();
        panic!("messages wait for ever: {left:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_recipient_has_more_unanswered_parts_than_allowed_and_none_waits_for_ever(
        most in 1..4u16,
        window in 1..9u16,
        rate in prop_oneof![Just(0u32), Just(15)],
        policy in prop_oneof![
            Just(OnUnknownOutcome::Resubmit),
            Just(OnUnknownOutcome::HoldForReceipt),
            Just(OnUnknownOutcome::Fail),
        ],
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut world = World::new(most, window, rate, policy);
        for event in &events {
            world.play(event);
        }
        world.finish();
    }
}

#[test]
fn the_bound_is_reached() {
    let mut world = World::new(2, 8, 0, OnUnknownOutcome::Resubmit);
    for n in 0..12 {
        world.play(&Event::Post { to: n % 2, long: true, lane: 2, validity: 3_600 });
    }
    world.play(&Event::Pass { ms: 100 });
    assert_eq!((world.seen, world.open.len()), (2, 4));
    world.finish();
}
