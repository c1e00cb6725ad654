//! Another number of shards: what is open moves, what is closed stays and is found, whatever dies
//! meanwhile. Pure, under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod house;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use house::pdu::{DELIVER, Deliver, Pdu};
use house::{Broken, House, Submit, bind, config, short_message};
use postrider_shards::stats::{Counter, Gauge};

const BIND_RX: u32 = 1;
const BIND_TX: u32 = 2;
const HANDSETS: usize = 16;

fn config_of(shards: u16) -> String {
    let numbers = "numbers = [\"72345\"]\n[customers.smpp]\nsystem_id = \"acme\"";
    config(shards, "").replacen("[customers.smpp]\nsystem_id = \"acme\"", numbers, 1)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// By then every bind has had its turn to connect: of a carrier, five a second.
const CONNECTED: Duration = Duration::from_millis(2_100);

/// Chance from a seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % limit
    }
}

/// What was done to a house, and what must be true of it.
struct Story {
    house: House,
    chance: Chance,
    /// Every id with the text of its message.
    ids: Vec<String>,
    /// Ids of those that no carrier has yet, with handset and text.
    waiting: Vec<(String, String, String)>,
    /// Ids of those that a carrier has, with the handset.
    sent: Vec<(String, String)>,
    closed: Vec<String>,
    /// Texts of messages from handsets that nobody has taken.
    held: BTreeSet<String>,
    /// Texts that carriers got, by handset, in order.
    got: BTreeMap<String, Vec<String>>,
    number: u32,
}

impl Story {
    fn begin(seed: u64, shards: u16) -> Self {
        let mut house = House::new(&config_of(shards));
        house.name_takes();
        house.pass(CONNECTED);
        Story {
            house,
            chance: Chance(seed),
            ids: Vec::new(),
            waiting: Vec::new(),
            sent: Vec::new(),
            closed: Vec::new(),
            held: BTreeSet::new(),
            got: BTreeMap::new(),
            number: 100,
        }
    }

    fn handset(&mut self) -> String {
        format!("4477009{:05}", self.chance.below(HANDSETS as u64))
    }

    fn next(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    fn shard(&mut self) -> usize {
        self.chance.below(self.house.shards() as u64) as usize
    }

    /// Submits so many messages and notes what carriers got.
    fn submit(&mut self, count: u64, carriers: bool) {
        let shard = self.shard();
        let line = self.house.bound_as(shard, BIND_TX, "acme", "secret");
        for _ in 0..count {
            let (handset, sequence) = (self.handset(), self.next());
            let text = format!("text {sequence:05}");
            let submit = Submit {
                sequence,
                dest: (1, 1, &handset),
                text: text.as_bytes(),
                ..Submit::default()
            };
            let id = self.house.submit(line, &submit);
            self.ids.push(id.clone());
            if carriers {
                self.sent.push((id, handset));
            } else {
                self.waiting.push((id, handset, text));
            }
            self.house.pass(ms(3));
        }
        self.house.hang_up(line);
        self.note_submits();
    }

    fn note_submits(&mut self) {
        for (handset, pdu) in self.house.submits() {
            let text = String::from_utf8(short_message(&pdu)).unwrap();
            self.got.entry(handset).or_default().push(text);
        }
    }

    /// The carriers report on what some handsets got.
    fn receipts(&mut self) {
        let handsets: BTreeSet<String> = self.sent.iter().map(|(_, to)| to.clone()).collect();
        for handset in handsets {
            if self.chance.below(2) == 0 {
                let sequence = self.next();
                self.house.receipt_to(&handset, "DELIVRD", "000", sequence);
                let (closed, sent) = self.sent.drain(..).partition(|(_, to)| *to == handset);
                self.sent = sent;
                let closed: Vec<(String, String)> = closed;
                self.closed.extend(closed.into_iter().map(|(id, _)| id));
            }
        }
        self.house.pass(ms(20));
    }

    /// Handsets write to a customer who is not there.
    fn messages_from_handsets(&mut self, count: u64) {
        for _ in 0..count {
            let (handset, sequence, shard) = (self.handset(), self.next(), self.shard());
            let text = format!("from {sequence:05}");
            let deliver = Deliver {
                sequence,
                source: &handset,
                dest: "72345",
                text: text.as_bytes(),
                ..Deliver::default()
            };
            self.house.carrier_sends(shard, &deliver.pdu());
            self.held.insert(text);
        }
        self.house.pass(ms(20));
    }

    /// Receipts come that no message has yet.
    fn strange_receipt(&mut self) {
        let (handset, sequence, shard) = (self.handset(), self.next(), self.shard());
        self.house.receipt(shard, sequence, &handset, &format!("z{sequence}"), "DELIVRD", "000");
        self.house.pass(ms(20));
    }

    /// Starts again with another number of shards, after a few broken tries; all is as it was.
    fn resize(mut self, shards: u16) -> Self {
        let before: Vec<_> = self.ids.iter().map(|id| self.house.view(0, id)).collect();
        let gauges = [Gauge::InboundHeld, Gauge::OrphansParked];
        let held = gauges.map(|gauge| self.house.gauge(gauge));
        let mut broken = Vec::new();
        for _ in 0..self.chance.below(4) {
            broken.push(Broken {
                shards: 1 + self.chance.below(6) as u16,
                log: self.chance.below(6) as usize,
                contents: self.chance.below(6) == 0,
                nth: 1 + self.chance.below(60),
            });
        }
        let (house, _) = self.house.resized(&config_of(shards), ms(50), &broken);
        self.house = house;
        self.house.pass(CONNECTED);
        for (id, before) in self.ids.iter().zip(&before) {
            let now = self.house.view(0, id);
            assert!(before.is_some() && now == *before, "{id}: {before:?} became {now:?}");
        }
        assert_eq!(gauges.map(|gauge| self.house.gauge(gauge)), held);
        assert_eq!(held[0], self.held.len() as u64);
        let asked = self.shard();
        for limit in [3, 100] {
            let mut listed = self.house.list(asked, limit);
            listed.sort();
            let mut all = self.ids.clone();
            all.sort();
            assert_eq!(listed, all, "{limit} on a page");
        }
        self
    }

    /// Carriers are reached again: what waited is sent once, in order.
    fn end(mut self) {
        self.house.mend_carriers();
        self.note_submits();
        for (id, handset, text) in std::mem::take(&mut self.waiting) {
            let got = self.got.get(&handset).into_iter().flatten().filter(|own| **own == text);
            assert_eq!(got.count(), 1, "{text}");
            self.sent.push((id, handset));
        }
        for (handset, texts) in &self.got {
            assert!(texts.is_sorted(), "{handset}: {texts:?}");
        }
        self.customer_comes_back();
        self.late_receipts();
    }

    /// What waited for the customer comes once.
    fn customer_comes_back(&mut self) {
        let shard = self.shard();
        let line = self.house.dial(shard);
        self.house.send(line, &[bind(BIND_RX, 1, "acme", "secret")]);
        let mut came = Vec::new();
        for _ in 0..40 {
            let all = self.house.received(line);
            let delivered: Vec<Pdu> = all.into_iter().filter(|p| p.command == DELIVER).collect();
            let texts =
                delivered.iter().map(|pdu| String::from_utf8(pdu.delivered().text).unwrap());
            came.extend(texts);
            let answers: Vec<Pdu> = delivered.iter().map(|pdu| pdu.answer(0)).collect();
            self.house.send(line, &answers);
            self.house.pass(ms(20));
        }
        came.sort();
        assert_eq!(came, self.held.iter().cloned().collect::<Vec<_>>());
        assert_eq!(self.house.gauge(Gauge::InboundHeld), 0);
    }

    /// Everything that was sent is receipted, whichever log had it.
    fn late_receipts(&mut self) {
        let handsets: BTreeSet<String> = self.got.keys().cloned().collect();
        let before = self.house.count(Counter::ReceiptsParked);
        for handset in handsets {
            let sequence = self.next();
            self.house.receipt_to(&handset, "DELIVRD", "000", sequence);
        }
        self.house.pass(ms(100));
        assert_eq!(self.house.count(Counter::ReceiptsParked), before);
    }
}

#[test]
fn every_message_is_there_once_with_any_numbers_of_shards_and_deaths() {
    let seeds = std::env::var("POSTRIDER_MOVES").ok().and_then(|text| text.parse().ok());
    for seed in 0..seeds.unwrap_or(30) {
        let mut chance = Chance(seed ^ 0x5eed);
        let mut shards = || 1 + chance.below(6) as u16;
        let mut story = Story::begin(seed, shards());
        for _ in 0..3 {
            story.submit(8, true);
            story.receipts();
            story.messages_from_handsets(3);
            story.strange_receipt();
            story.house.cut_carriers();
            story.submit(6, false);
            let next = shards();
            println!("seed {seed}: {} shards become {next}", story.house.shards());
            story = story.resize(next);
            if story.chance.below(2) == 0 {
                break;
            }
            story.house.mend_carriers();
            story.note_submits();
            let sent = std::mem::take(&mut story.waiting);
            story.sent.extend(sent.into_iter().map(|(id, handset, _)| (id, handset)));
        }
        story.end();
    }
}
