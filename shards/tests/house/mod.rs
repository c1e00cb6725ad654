//! Whole shards in memory under a virtual clock with customers bound to them over SMPP, played octet
//! by octet, and carriers that take what they get. Disks and rings can be held back one by one.
//! Test code, pure.

#![allow(dead_code, reason = "each test file uses its part")]

mod carriers;
#[path = "../harness/contents.rs"]
pub(crate) mod contents;
mod lookups;
#[path = "../harness/pdu.rs"]
pub(crate) mod pdu;
mod reload;
mod requests;
mod resize;
mod setup;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use contents::{ContentDisk, holds};
use pdu::{Deliver, Pdu};
use postrider_core::clock::{Now, UnixMs};
use postrider_core::config::Plan;
use postrider_core::number::Msisdn;
use postrider_core::place::{Epoch, ShardId};
use postrider_http::auth::CustomerIx;
use postrider_http::request::ApiRequest;
use postrider_http::response::MessageView;
use postrider_shards::shard::{
    ApiResponse, BindIx, ConnIx, LookupGet, MeshMessage, Op, Request, Shard, ShardParts, Shared,
};
use postrider_shards::stats::{Counter, Gauge, Stats};
use postrider_storage::{LogConfig, MemDisk};
#[allow(unused_imports, reason = "each test file uses its part")]
pub(crate) use requests::{Operation, Submit, bind, cstrings, id_of, short_message};
#[allow(unused_imports, reason = "each test file uses its part")]
pub(crate) use resize::Broken;

pub(crate) use setup::config;
use setup::{log_config, shards_of, shared_of};

/// The wall clock when the monotonic one stood at zero: 2026-09-21T14:13:20Z.
pub(crate) const WALL: u64 = 1_790_000_000_000;

/// A customer's connection: where it is, and what came on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) shard: usize,
    pub(crate) conn: ConnIx,
}

struct Wire {
    octets: Vec<u8>,
    open: bool,
}

/// One shard with what is around it.
struct Room {
    shard: Shard,
    stats: Arc<Stats>,
    disk: MemDisk,
    contents: ContentDisk,
    /// No batch becomes durable.
    held: bool,
    /// A carrier's bind takes nothing: its connections fail.
    unreached: bool,
    /// Carriers say nothing to submits.
    mute: bool,
    /// What they owe answers to: bind and answer.
    owed: Vec<(BindIx, Pdu)>,
    answers: BTreeMap<u64, ApiResponse>,
    /// Text of every submit_sm that a carrier got: destination and PDU.
    submits: Vec<(String, Pdu)>,
    /// How many those were, over all time.
    taken: usize,
    /// What the carriers' own requests were answered with: status and sequence number.
    answered: Vec<(u32, u32)>,
    /// Destination and id of every submit_sm that was taken and has no receipt.
    given: Vec<(String, String)>,
    drained: bool,
}

/// See the module.
pub(crate) struct House {
    rooms: Vec<Room>,
    pub(crate) now: Duration,
    pub(crate) shared: Arc<Shared>,
    lines: BTreeMap<Line, Wire>,
    ring: VecDeque<(usize, ShardId, MeshMessage)>,
    /// Nothing passes between shards.
    pub(crate) ring_held: bool,
    crossings_held: bool,
    crossings: VecDeque<(usize, ShardId, MeshMessage)>,
    log: LogConfig,
    /// The disks of logs that no shard writes to any more.
    kept: BTreeMap<u16, (MemDisk, ContentDisk)>,
    epochs: Vec<Epoch>,
    /// How often the number of shards was changed.
    era: usize,
    /// No carrier is reached.
    cut: bool,
    tickets: u64,
    /// What a provider of look-ups was asked, by shard.
    pub(crate) queries: Vec<(usize, LookupGet)>,
    /// Its text, and segments of each log.
    config: (String, u32),
}

fn at(now: Duration) -> Now {
    Now { mono: now, wall: UnixMs(WALL).after(now) }
}

impl House {
    pub(crate) fn new(config: &str) -> Self {
        Self::with_segments(config, 64)
    }

    /// With logs of so many segments of a quarter of a mebioctet.
    pub(crate) fn with_segments(config: &str, segments: u32) -> Self {
        let shards = shards_of(config);
        let shared = shared_of(config, vec![Epoch { number: 1, shards }]);
        let disks = (0..shards).map(|_| Default::default()).collect();
        Self::open((config.to_owned(), segments), shared, disks, Duration::from_secs(1), false)
    }

    fn open(
        config: (String, u32),
        shared: Arc<Shared>,
        mut disks: Vec<(MemDisk, ContentDisk)>,
        now: Duration,
        cut: bool,
    ) -> Self {
        let shared_epochs = shared.placement.epochs().to_vec();
        let plan = Plan::new(&shared.config, shared.config.server.shards).unwrap();
        let archived = disks.split_off(usize::from(shared.config.server.shards));
        let mut kept: BTreeMap<u16, (MemDisk, ContentDisk)> =
            (shared.config.server.shards..).zip(archived).collect();
        let mut rooms = Vec::new();
        for ((mut disk, mut contents), id) in disks.into_iter().zip(0u16..) {
            let stats = Arc::new(Stats::new());
            let parts = ShardParts {
                id: ShardId(id),
                shared: Arc::clone(&shared),
                stats: Arc::clone(&stats),
                contents: contents.open(id, at(now)),
                binds: plan.binds_on(ShardId(id)),
                seed: 1,
                reconnect_first: Duration::from_secs(1),
            };
            let (mut shard, _) =
                Shard::open(parts, &mut disk, log_config(id, config.1), at(now)).unwrap();
            for log in shard.logs_to_keep() {
                let (disk, _) = kept.get_mut(&log).unwrap();
                shard.add_archive(disk, &log_config(log, config.1)).unwrap();
            }
            rooms.push(Room {
                shard,
                stats,
                disk,
                contents,
                held: false,
                unreached: cut,
                mute: false,
                owed: Vec::new(),
                answers: BTreeMap::new(),
                submits: Vec::new(),
                taken: 0,
                answered: Vec::new(),
                given: Vec::new(),
                drained: false,
            });
        }
        let mut house = House {
            rooms,
            now,
            shared,
            lines: BTreeMap::new(),
            ring: VecDeque::new(),
            ring_held: false,
            crossings_held: false,
            crossings: VecDeque::new(),
            log: log_config(0, config.1),
            tickets: 0,
            queries: Vec::new(),
            config,
            kept,
            epochs: shared_epochs,
            era: 0,
            cut,
        };
        house.rooms.iter_mut().for_each(|room| room.shard.start(at(now)));
        house.settle();
        // Binds of one carrier come up one after the other.
        house.pass(Duration::from_millis(500));
        house
    }

    /// The process is killed and started again: what is on the disks is all there is.
    pub(crate) fn crash(self, pause: Duration) -> Self {
        let shared = shared_of(&self.config.0, self.epochs.clone());
        let disks = self.disks();
        Self::open(self.config, shared, disks, self.now + pause, false)
    }

    // --- disks, rings, time ---

    /// Holds a shard's disk: nothing becomes durable until it is released.
    pub(crate) fn hold_disk(&mut self, shard: usize, held: bool) {
        self.rooms[shard].held = held;
        self.settle();
    }

    /// Holds the rings, or lets them pass.
    pub(crate) fn hold_ring(&mut self, held: bool) {
        self.ring_held = held;
        self.settle();
    }

    /// Whether octets are on a disk of messages, and on one of contents.
    pub(crate) fn traces(&mut self, octets: &[u8]) -> (bool, bool) {
        let log = self.rooms.iter_mut().any(|room| holds(&mut room.disk, octets));
        (log, self.rooms.iter_mut().any(|room| room.contents.holds(octets)))
    }

    /// Does what the shards ask until nothing more happens at this moment.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut idle = true;
            for index in 0..self.rooms.len() {
                idle &= !self.turn(index);
            }
            while !self.ring_held
                && let Some((to, from, message)) = self.ring.pop_front()
            {
                idle = false;
                self.rooms[to].shard.handle_mesh(at(self.now), from, message);
            }
            if idle {
                return;
            }
        }
    }

    fn turn(&mut self, index: usize) -> bool {
        let mut busy = false;
        while let Some(op) = self.rooms[index].shard.poll_op() {
            busy = true;
            self.act(index, op);
        }
        let now = at(self.now);
        let room = &mut self.rooms[index];
        if !room.held {
            busy |= room.contents.turn(&mut room.shard, now);
        }
        while let Some(chore) = room.shard.poll_chore() {
            busy = true;
            let kept = chore.archive().and_then(|log| self.kept.get_mut(&log));
            let disk = kept.map_or(&mut room.disk, |(disk, _)| disk);
            let done = chore.run(disk, self.log.segment_bytes);
            room.shard.handle_chore(now, done);
        }
        if !room.held
            && let Some(write) = room.shard.poll_write(now)
        {
            busy = true;
            room.disk.begin_write(&write);
            room.disk.complete_write().unwrap();
            room.shard.handle_written(now, write, Ok(()));
        }
        busy
    }

    fn act(&mut self, index: usize, op: Op) {
        let now = at(self.now);
        let room = &mut self.rooms[index];
        match op {
            Op::Answer { ticket, response } => {
                room.answers.insert(ticket, response);
            }
            Op::Mesh { to, message } => {
                let from = ShardId(u16::try_from(index).unwrap());
                let crosses =
                    matches!(&message, MeshMessage::Request { request: Request::Cross { .. }, .. });
                let held = crosses && self.crossings_held;
                let ring = if held { &mut self.crossings } else { &mut self.ring };
                ring.push_back((usize::from(to.0), from, message));
            }
            Op::Connect(bind) if room.unreached => room.shard.handle_bind_closed(now, bind),
            Op::Connect(bind) => room.shard.handle_bind_connected(now, bind),
            Op::Flush(bind) => room.carrier(now, bind),
            Op::Close(bind) => {
                room.carrier(now, bind);
                room.shard.handle_bind_closed(now, bind);
            }
            Op::FlushCustomer(conn) => self.flush(index, conn),
            Op::CloseCustomer(conn) => {
                self.flush(index, conn);
                self.hang_up(Line { shard: index, conn });
            }
            Op::Webhook(post) => {
                room.shard.handle_webhook_result(now, post.sequence, Ok(200), None);
            }
            Op::LookUp(get) => self.queries.push((index, *get)),
            Op::Read { token, log, ask } => {
                let kept = self.kept.get_mut(&log);
                let disk = kept.map_or(&mut room.disk, |(disk, _)| disk);
                let result = ask.read_from(disk);
                room.shard.handle_read(now, token, result);
            }
            Op::Controlled { .. } => {}
            Op::Drained => room.drained = true,
        }
    }

    fn flush(&mut self, shard: usize, conn: ConnIx) {
        let mut octets = Vec::new();
        self.rooms[shard].shard.take_customer_output(conn, &mut octets);
        if let Some(wire) = self.lines.get_mut(&Line { shard, conn }) {
            wire.octets.extend_from_slice(&octets);
        }
    }

    /// Lets time pass: every timer at its moment.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            let tick = self.now + Duration::from_millis(1);
            let next = self.rooms.iter().filter_map(|room| room.shard.poll_timeout()).min();
            self.now = next.unwrap_or(until).clamp(tick, until.max(tick)).min(until);
            for room in &mut self.rooms {
                room.shard.handle_timeout(at(self.now));
            }
            self.settle();
        }
    }

    /// This moment on the wall clock.
    pub(crate) fn wall(&self) -> UnixMs {
        at(self.now).wall
    }

    /// Begins a graceful stop of every shard.
    pub(crate) fn drain(&mut self) {
        for room in &mut self.rooms {
            room.shard.handle_drain(at(self.now));
        }
        self.settle();
    }

    /// Whether every shard says that it may stop.
    pub(crate) fn is_drained(&self) -> bool {
        self.rooms.iter().all(|room| room.drained)
    }

    // --- customers ---

    /// A customer connects to a shard.
    pub(crate) fn dial_from(&mut self, shard: usize, peer: &str) -> Option<Line> {
        let peer: IpAddr = peer.parse().unwrap();
        let conn = self.rooms[shard].shard.handle_customer_connected(at(self.now), peer)?;
        let line = Line { shard, conn };
        let before = self.lines.insert(line, Wire { octets: Vec::new(), open: true });
        assert!(before.is_none_or(|wire| !wire.open), "the place of an open connection");
        self.settle();
        Some(line)
    }

    pub(crate) fn dial(&mut self, shard: usize) -> Line {
        self.dial_from(shard, "192.0.2.7").unwrap()
    }

    /// A connection bound with this command as a customer.
    pub(crate) fn bound_as(
        &mut self,
        shard: usize,
        command: u32,
        id: &str,
        password: &str,
    ) -> Line {
        let line = self.dial(shard);
        self.send(line, &[bind(command, 1, id, password)]);
        let answer = self.received(line);
        assert_eq!(answer.len(), 1, "{answer:?}");
        assert_eq!(answer[0].head(), (command | pdu::NACK, 0, 1));
        line
    }

    /// A transceiver of the customer acme.
    pub(crate) fn bound(&mut self, shard: usize) -> Line {
        self.bound_as(shard, pdu::BIND_TRX, "acme", "secret")
    }

    pub(crate) fn send_octets(&mut self, line: Line, octets: &[u8]) {
        assert!(self.is_open(line), "the connection is closed");
        let room = &mut self.rooms[line.shard];
        room.shard.handle_customer_bytes(at(self.now), line.conn, octets);
        self.settle();
    }

    /// PDUs of a customer arrive in one read.
    pub(crate) fn send(&mut self, line: Line, pdus: &[Pdu]) {
        let octets: Vec<u8> = pdus.iter().flat_map(Pdu::octets).collect();
        self.send_octets(line, &octets);
    }

    /// What came on a connection since the last look.
    pub(crate) fn received(&mut self, line: Line) -> Vec<Pdu> {
        let octets = std::mem::take(&mut self.lines.get_mut(&line).unwrap().octets);
        Pdu::read_all(&octets)
    }

    /// The deliver_sm that came on a connection since the last look; probes are answered.
    pub(crate) fn deliveries(&mut self, line: Line) -> Vec<Pdu> {
        let mut all = self.received(line);
        let probes = all.iter().filter(|pdu| pdu.command == pdu::ENQUIRE);
        let answers: Vec<Pdu> = probes.map(|pdu| pdu.answer(0)).collect();
        if !answers.is_empty() {
            self.send(line, &answers);
        }
        all.retain(|pdu| pdu.command == pdu::DELIVER);
        all
    }

    /// Sends one request and gives the one answer to it.
    pub(crate) fn ask(&mut self, line: Line, request: Pdu) -> Pdu {
        let sequence = request.sequence;
        let command = request.command;
        self.send(line, &[request]);
        let mut answers = self.received(line);
        assert_eq!(answers.len(), 1, "{answers:?}");
        let answer = answers.remove(0);
        assert_eq!((answer.command, answer.sequence), (command | pdu::NACK, sequence));
        answer
    }

    /// Submits and gives the id.
    pub(crate) fn submit(&mut self, line: Line, submit: &Submit<'_>) -> String {
        let answer = self.ask(line, submit.pdu());
        assert_eq!(answer.status, 0, "{answer:?}");
        id_of(&answer)
    }

    pub(crate) fn is_open(&self, line: Line) -> bool {
        self.lines.get(&line).is_some_and(|wire| wire.open)
    }

    /// The customer's connection ends.
    pub(crate) fn hang_up(&mut self, line: Line) {
        let Some(wire) = self.lines.get_mut(&line).filter(|wire| wire.open) else { return };
        wire.open = false;
        self.rooms[line.shard].shard.handle_customer_closed(at(self.now), line.conn);
        self.settle();
    }

    // --- what can be seen from elsewhere ---

    /// What GET shows to a customer of the configuration.
    pub(crate) fn view(&mut self, customer: u16, id: &str) -> Option<MessageView> {
        self.tickets += 1;
        let request = ApiRequest::Get(id.parse().unwrap());
        let ticket = self.tickets;
        let room = &mut self.rooms[0];
        room.shard.handle_api(at(self.now), ticket, CustomerIx(customer), request);
        self.settle();
        match self.rooms[0].answers.remove(&ticket) {
            Some(ApiResponse::Message(view)) => Some(*view),
            Some(ApiResponse::Problem(_)) => None,
            other => panic!("{other:?}"),
        }
    }

    /// The status of a message of acme by its API word.
    pub(crate) fn status(&mut self, id: &str) -> &'static str {
        self.view(0, id).unwrap().status.name()
    }

    /// The submit_sm that carriers got since the last look, with their destinations.
    pub(crate) fn submits(&mut self) -> Vec<(String, Pdu)> {
        self.rooms.iter_mut().flat_map(|room| std::mem::take(&mut room.submits)).collect()
    }

    /// A carrier sends a request on the bind of a shard.
    pub(crate) fn carrier_sends(&mut self, shard: usize, request: &Pdu) {
        let now = at(self.now);
        self.rooms[shard].shard.handle_bind_bytes(now, 0, &request.octets());
        self.settle();
    }

    /// The id that the carrier of a shard gave last.
    pub(crate) fn carrier_id(&self, shard: usize) -> String {
        format!("c{}", self.rooms[shard].taken)
    }

    /// What carriers' requests on a shard were answered with since the last look.
    pub(crate) fn carrier_answers(&mut self, shard: usize) -> Vec<(u32, u32)> {
        std::mem::take(&mut self.rooms[shard].answered)
    }

    /// A carrier's receipt arrives on a shard's bind.
    pub(crate) fn receipt(
        &mut self,
        shard: usize,
        sequence: u32,
        handset: &str,
        id: &str,
        stat: &str,
        err: &str,
    ) {
        let text = pdu::receipt_text(id, stat).replace("err:000", &format!("err:{err}"));
        let deliver = Deliver {
            sequence,
            source: handset,
            esm_class: 4,
            text: text.as_bytes(),
            ..Deliver::default()
        };
        self.carrier_sends(shard, &deliver.pdu());
    }

    /// Receipts of everything that a carrier was given for a handset.
    pub(crate) fn receipt_to(&mut self, handset: &str, stat: &str, err: &str, sequence: u32) {
        for shard in 0..self.rooms.len() {
            let given = std::mem::take(&mut self.rooms[shard].given);
            for (to, id) in &given {
                if to == handset {
                    self.receipt(shard, sequence, handset, id, stat, err);
                }
            }
            self.rooms[shard].given.extend(given.into_iter().filter(|(to, _)| to != handset));
        }
    }

    /// A counter over all shards.
    pub(crate) fn count(&self, counter: Counter) -> u64 {
        self.rooms.iter().map(|room| room.stats.get(counter)).sum()
    }

    /// A gauge over all shards.
    pub(crate) fn gauge(&self, gauge: Gauge) -> u64 {
        self.rooms.iter().for_each(|room| room.shard.publish());
        self.rooms.iter().map(|room| room.stats.gauge_value(gauge)).sum()
    }

    /// The `n`th number (from 0) that a shard owns.
    pub(crate) fn number_of(&self, shard: usize, n: usize) -> String {
        let numbers = (447_700_900_000..).filter_map(Msisdn::from_u64);
        let own = |number: &Msisdn| usize::from(self.shared.placement.owner(*number).0) == shard;
        numbers.filter(own).nth(n).unwrap().digits().to_string()
    }
}
