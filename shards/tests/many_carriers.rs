//! Two hundred carriers of 500 parts a second each behind four shards, with as much traffic as all of
//! them take together: a hundred thousand parts a second of virtual time. No second of any carrier has
//! more than its rate over all shards, each is used, and every message becomes final. Pure, under a
//! virtual clock; how long that took is printed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "harness/contents.rs"]
mod contents;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "harness/pdu.rs"]
mod pdu;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contents::ContentDisk;
use pdu::Pdu;
use postrider_core::clock::{Now, UnixMs};
use postrider_core::config::{Config, Plan};
use postrider_core::content::Content;
use postrider_core::id::IdCipher;
use postrider_core::number::Msisdn;
use postrider_core::place::{Epoch, Placement, ShardId};
use postrider_core::sender::SenderId;
use postrider_core::submission::Submission;
use postrider_core::text::Encoding;
use postrider_http::auth::CustomerIx;
use postrider_http::request::ApiRequest;
use postrider_shards::shard::{
    ApiResponse, BindIx, MeshMessage, Numbers, Op, Shard, ShardParts, Shared,
};
use postrider_shards::stats::{Counter, Gauge, Stats};
use postrider_storage::{LogConfig, MemDisk};

const SHARDS: u16 = 4;
const CARRIERS: usize = 200;
/// Parts a second that each carrier takes.
const RATE: usize = 500;
/// Virtual milliseconds of traffic (four seconds took two minutes of a busy machine), and of those the
/// first ones, in which binds and rates warm up.
const TRAFFIC_MS: u64 = 2_500;
const WARM_MS: u64 = 1_000;
/// A carrier's answer comes after so long, and its receipt after so long again.
const ANSWER_MS: u64 = 20;
const MESH_MS: u64 = 1;

/// One shard, its disks and its side of every bind.
struct Room {
    shard: Shard,
    stats: Arc<Stats>,
    disk: MemDisk,
    contents: ContentDisk,
    /// What carriers send, and when it comes.
    coming: VecDeque<(u64, BindIx, Vec<u8>)>,
    bound: usize,
}

struct House {
    rooms: Vec<Room>,
    ring: VecDeque<(u64, usize, ShardId, MeshMessage)>,
    /// Virtual milliseconds.
    now: u64,
    /// When each carrier was given parts.
    given: Vec<Vec<u64>>,
    accepted: usize,
}

fn config() -> Config {
    let mut text = format!(
        "[server]\nshards = {SHARDS}\n[limits]\nopen_messages = 100000\nhot_messages = 100000\n\
         [smpp]\nlisten = \"127.0.0.1:2775\"\n[[customers]]\nname = \"acme\"\n[customers.smpp]\n\
         system_id = \"acme\"\npassword = \"secret\"\n"
    );
    for carrier in 0..CARRIERS {
        write!(
            text,
            "[[carriers]]\nname = \"c{carrier}\"\naddress = \"127.0.0.1:1\"\nsystem_id = \"a\"\n\
             password = \"p\"\nbinds = {SHARDS}\nbind_stagger_ms = 0\nwindow = 100\n\
             parts_per_second = {RATE}\n[[routes]]\nprefix = \"447{carrier:03}\"\n\
             carriers = [\"c{carrier}\"]\n"
        )
        .unwrap();
    }
    Config::parse(&text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The `n`th recipient that a carrier serves.
fn recipient(carrier: usize, n: u64) -> Msisdn {
    Msisdn::from_u64(447_000_000_000 + carrier as u64 * 1_000_000 + n).unwrap()
}

fn carrier_of(recipient: &str) -> usize {
    recipient[3..6].parse().unwrap()
}

impl House {
    fn new() -> Self {
        let config = config();
        let plan = Plan::new(&config, SHARDS).unwrap();
        let numbers = Numbers { carriers: (1..=CARRIERS as u32).collect(), customers: vec![1] };
        let epochs = vec![Epoch { number: 1, shards: SHARDS }];
        let placement = Placement::with_epochs([7; 16], epochs);
        let cipher = IdCipher::new([9; 16], None);
        let shared = Arc::new(Shared::new(config, placement, cipher, numbers));
        let mut house = House {
            rooms: (0..SHARDS).map(|id| Room::new(&shared, &plan, id)).collect(),
            ring: VecDeque::new(),
            now: 1_000,
            given: vec![Vec::new(); CARRIERS],
            accepted: 0,
        };
        let now = house.at();
        house.rooms.iter_mut().for_each(|room| room.shard.start(now));
        house
    }

    fn at(&self) -> Now {
        let now = Duration::from_millis(self.now);
        Now { mono: now, wall: UnixMs(1_790_000_000_000).after(now) }
    }

    /// One millisecond: `messages` come for each of some carriers, and all that is due happens.
    fn tick(&mut self, messages: impl Iterator<Item = Msisdn>) {
        self.now += 1;
        let now = self.at();
        while let Some((_, to, from, message)) = self.ring.pop_front_if(|due| due.0 <= self.now) {
            self.rooms[to].shard.handle_mesh(now, from, message);
        }
        for room in &mut self.rooms {
            while let Some((_, bind, octets)) = room.coming.pop_front_if(|due| due.0 <= self.now) {
                room.shard.handle_bind_bytes(now, bind, &octets);
            }
            if room.shard.poll_timeout().is_some_and(|at| at <= now.mono) {
                room.shard.handle_timeout(now);
            }
        }
        for (index, to) in messages.enumerate() {
            let sender = SenderId::parse("Acme").unwrap();
            let content = Content::of_text("Your parcel is on its way.");
            let submission = Submission::new(sender, to, content, (Encoding::Gsm7, 1));
            let room = &mut self.rooms[index % usize::from(SHARDS)];
            room.shard.handle_api(now, 1, CustomerIx(0), ApiRequest::Submit(submission));
        }
        // Each has its turn, whether or not the others had something to do.
        while (0..self.rooms.len()).filter(|index| self.turn(*index)).count() > 0 {}
    }

    fn turn(&mut self, index: usize) -> bool {
        let now = self.at();
        let mut busy = false;
        while let Some(op) = self.rooms[index].shard.poll_op() {
            busy = true;
            self.act(index, op);
        }
        let room = &mut self.rooms[index];
        busy |= room.contents.turn(&mut room.shard, now);
        while let Some(chore) = room.shard.poll_chore() {
            busy = true;
            let done = chore.run(&mut room.disk, SEGMENT);
            room.shard.handle_chore(now, done);
        }
        if let Some(write) = room.shard.poll_write(now) {
            busy = true;
            room.disk.begin_write(&write);
            room.disk.complete_write().unwrap();
            room.shard.handle_written(now, write, Ok(()));
        }
        busy
    }

    fn act(&mut self, index: usize, op: Op) {
        let now = self.at();
        let room = &mut self.rooms[index];
        match op {
            Op::Answer { response: ApiResponse::Accepted(_), .. } => self.accepted += 1,
            Op::Answer { response, .. } => panic!("{response:?}"),
            Op::Mesh { to, message } => {
                let from = ShardId(index as u16);
                let due = self.now + MESH_MS;
                self.ring.push_back((due, usize::from(to.0), from, message));
            }
            Op::Connect(bind) => room.shard.handle_bind_connected(now, bind),
            Op::Flush(bind) => room.carrier(self.now, bind, &mut self.given),
            Op::Read { token, ask, .. } => {
                let result = ask.read_from(&mut room.disk);
                room.shard.handle_read(now, token, result);
            }
            other => panic!("{other:?}"),
        }
    }

    fn count(&self, counter: Counter) -> usize {
        self.rooms.iter().map(|room| room.stats.get(counter)).sum::<u64>() as usize
    }

    fn gauge(&self, gauge: Gauge) -> u64 {
        self.rooms.iter().for_each(|room| room.shard.publish());
        self.rooms.iter().map(|room| room.stats.gauge_value(gauge)).sum()
    }
}

const SEGMENT: u64 = 4 << 20;

impl Room {
    fn new(shared: &Arc<Shared>, plan: &Plan, id: u16) -> Self {
        let (mut disk, mut contents) = (MemDisk::default(), ContentDisk::default());
        let stats = Arc::new(Stats::new());
        let start = Now { mono: Duration::from_secs(1), wall: UnixMs(1_790_000_001_000) };
        let parts = ShardParts {
            id: ShardId(id),
            shared: Arc::clone(shared),
            stats: Arc::clone(&stats),
            contents: contents.open(id, start),
            binds: plan.binds_on(ShardId(id)),
            seed: 1,
            reconnect_first: Duration::from_secs(1),
        };
        let log = LogConfig {
            shard: id,
            segment_bytes: SEGMENT,
            max_segments: 64,
            spare_segments: 2,
            preferred_batch: 64 << 10,
            max_batch: 256 << 10,
            lazy: Duration::from_millis(2),
        };
        let (shard, _) = Shard::open(parts, &mut disk, log, start).unwrap();
        Room { shard, stats, disk, contents, coming: VecDeque::new(), bound: 0 }
    }

    /// The carrier's side of a bind: it takes what it gets, and a receipt follows.
    fn carrier(&mut self, now: u64, bind: BindIx, given: &mut [Vec<u64>]) {
        let mut octets = Vec::new();
        self.shard.take_bind_output(bind, &mut octets);
        for pdu in Pdu::read_all(&octets) {
            let due = now + ANSWER_MS;
            match pdu.command {
                pdu::BIND_TRX => {
                    self.bound += 1;
                    let answer = Pdu::new(pdu::BIND_TRX_RESP, 0, pdu.sequence, b"carrier\0");
                    self.coming.push_back((due, bind, answer.octets()));
                }
                pdu::SUBMIT => {
                    let to = pdu.destination();
                    given[carrier_of(&to)].push(now);
                    let id = format!("m{}-{to}", pdu.sequence);
                    let mut octets = pdu::taken(pdu.sequence, &id).octets();
                    octets.extend(pdu::receipt(pdu.sequence, &to, &id, "DELIVRD").octets());
                    self.coming.push_back((due, bind, octets));
                }
                pdu::DELIVER_RESP => assert_eq!(pdu.status, 0, "a receipt was refused"),
                pdu::ENQUIRE => {
                    let answer = Pdu::new(pdu::ENQUIRE_RESP, 0, pdu.sequence, b"");
                    self.coming.push_back((due, bind, answer.octets()));
                }
                other => panic!("command {other:#x}"),
            }
        }
    }
}

/// The most moments within a second, wherever it begins.
fn busiest(times: &[u64]) -> usize {
    let mut first = 0;
    let count = |(at, time): (usize, &u64)| {
        while times[first] + 1_000 <= *time {
            first += 1;
        }
        at + 1 - first
    };
    times.iter().enumerate().map(count).max().unwrap_or(0)
}

#[test]
fn two_hundred_carriers_keep_their_rates_and_are_used() {
    let real = Instant::now();
    let mut house = House::new();
    let binds = CARRIERS * usize::from(SHARDS);
    while house.rooms.iter().map(|room| room.bound).sum::<usize>() < binds {
        house.tick(std::iter::empty());
        assert!(house.now < 120_000, "not all {binds} binds are bound");
    }
    let begun = house.now;
    // One message each second millisecond for every carrier: half of them in each.
    for ms in 0..TRAFFIC_MS {
        let carriers = (0..CARRIERS).filter(|carrier| *carrier as u64 % 2 == ms % 2);
        house.tick(carriers.map(|carrier| recipient(carrier, ms / 2)));
    }
    let ended = house.now;
    let messages = CARRIERS * TRAFFIC_MS as usize / 2;
    let open = house.gauge(Gauge::OpenMessages);
    while house.gauge(Gauge::OpenMessages) > 0 {
        (0..100).for_each(|_| house.tick(std::iter::empty()));
        assert!(house.now < ended + 60_000, "messages are left");
    }
    let most = house.given.iter().map(|times| busiest(times)).max().unwrap();
    let span = (begun + WARM_MS)..ended;
    let offered = RATE as f64 * (TRAFFIC_MS - WARM_MS) as f64 / 1_000.0;
    let used = |times: &Vec<u64>| times.iter().filter(|time| span.contains(time)).count() as f64;
    let used: Vec<f64> = house.given.iter().map(|times| used(times) / offered).collect();
    let least = used.iter().copied().fold(f64::INFINITY, f64::min);
    let mean = used.iter().sum::<f64>() / CARRIERS as f64;
    println!(
        "{messages} messages in {} virtual ms: at most {most} a second at a carrier, {:.1} % of what \
         was offered used on average, {:.1} % at least, {open} open at the end of the traffic, all final \
         {} ms later; {:.1} s of real time",
        TRAFFIC_MS,
        mean * 100.0,
        least * 100.0,
        house.now - ended,
        real.elapsed().as_secs_f64(),
    );
    assert!(most <= RATE, "{most} parts in a second");
    assert!(least >= 0.95, "{least}");
    assert_eq!((house.accepted, house.count(Counter::MessagesDelivered)), (messages, messages));
    assert_eq!(house.given.iter().map(Vec::len).sum::<usize>(), messages, "each went out once");
    assert_eq!(house.count(Counter::PartsThrottled), 0);
}
