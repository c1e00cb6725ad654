//! The simulated world: two whole shards, their disks, two carriers, one customer and its webhook
//! receiver, on one thread under one clock, all chance from one seed. One per run.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use postrider_core::clock::Now;
use postrider_core::id::MessageId;
use postrider_core::place::{Epoch, ShardId};
use postrider_shards::shard::{ApiResponse, BindIx, ChoreDone, Op, Shard, ShardChore, Shared};
use postrider_shards::stats::{Counter, Stats};
use postrider_storage::{Ask, Disk, MemDisk};

use super::carrier::Carrier;
use super::clock::Clock;
use super::customer::Customer;
use super::erasing::Erasures;
use super::handsets::Written;
use super::happening::Happening;
use super::process::{Deaths, Step};
use super::rng::Rng;
use super::setup::{self, File};

/// Shards at first.
pub const SHARDS: u16 = 2;
/// Shards at most.
pub const SHARDS_MAX: u16 = 3;
pub const WINDOW: u64 = 4;

/// A chore under way.
pub enum Begun {
    Log(ShardChore),
    Side(u64, ChoreDone),
}

pub(super) struct Line {
    shard: usize,
    bind: BindIx,
    carrier: usize,
}

/// What the customer knows of one submission.
pub struct Submission {
    pub number: String,
    pub text: String,
    pub answer: Option<Result<MessageId, u16>>,
}

pub struct World {
    pub seed: u64,
    pub rng: Rng,
    pub now: Duration,
    pub clock: Clock,
    pub(super) deaths: Deaths,
    pub(super) order: u64,
    pub(super) agenda: BTreeMap<(Duration, u64), Happening>,
    pub(super) timers: Vec<Option<Duration>>,
    carrier_ticks: Vec<Option<Duration>>,
    pub(super) shared: Arc<Shared>,
    /// What the configuration file says now.
    pub(super) file: File,
    /// Since the last start.
    pub(super) file_changed: bool,
    /// Reloads of it.
    pub reloads: u64,
    /// The numbers of shards that there were.
    pub(super) epochs: Vec<Epoch>,
    pub(super) disks: Vec<MemDisk>,
    /// Those of contents, and whether a write of theirs is under way.
    pub(super) contents: Vec<(MemDisk, bool)>,
    pub shards: Vec<Shard>,
    pub(super) writing: Vec<bool>,
    /// Whether a shard's helper thread has a chore.
    pub(super) working: Vec<bool>,
    pub carriers: Vec<Carrier>,
    pub(super) lines: BTreeMap<u64, Line>,
    pub(super) by_bind: BTreeMap<(usize, BindIx), u64>,
    next_connection: u64,
    pub submissions: Vec<Submission>,
    pub customer: Customer,
    /// What handsets write.
    pub written: Vec<Written>,
    pub tickets: BTreeMap<(usize, u64), usize>,
    pub next_ticket: u64,
    /// Final statuses that webhooks told, by message id.
    pub told: BTreeMap<String, BTreeSet<String>>,
    pub kills: u64,
    pub lost_binds: u64,
    pub erasing: Erasures,
    /// Starts compared with those from the segments alone.
    pub starts_checked: u64,
    pub checkpoints: u64,
    /// Changes of the number of shards, and messages that they moved.
    pub resized: (u64, u64),
    /// What each shard of each process counted.
    pub(super) stats: Vec<Arc<Stats>>,
    hash: std::collections::hash_map::DefaultHasher,
    pub events: u64,
    /// Operations until the process is killed, the next kill last.
    pub ops_to_kill: Vec<u64>,
    pub answers: BTreeMap<u64, ApiResponse>,
    /// Ids in the order in which they were given, with the shard that told them.
    pub given: Vec<(usize, MessageId)>,
}

impl World {
    /// A world whose process is killed as the seed says.
    pub fn new(seed: u64) -> Self {
        let mut world = Self::begin(seed, Vec::new(), Clock::new(Vec::new()));
        world.plan_kills();
        world
    }

    /// A world whose process dies of these deaths only, with this clock.
    pub fn begin(seed: u64, deaths: Deaths, clock: Clock) -> Self {
        let mut rng = Rng::new(seed);
        let manners = setup::both_manners(seed, &mut rng);
        let carriers = manners.map(|own| Carrier::new(own, 1_000)).into_iter().collect();
        let customer = Customer::new(&mut rng);
        let epochs = vec![Epoch { number: 1, shards: SHARDS }];
        let mut world = World {
            seed,
            rng,
            now: Duration::from_secs(1),
            clock,
            deaths,
            order: 0,
            agenda: BTreeMap::new(),
            timers: vec![None; usize::from(SHARDS_MAX)],
            carrier_ticks: vec![None; 2],
            shared: Arc::new(setup::shared(seed, &epochs, File::FIRST)),
            file: File::FIRST,
            file_changed: false,
            reloads: 0,
            epochs,
            disks: (0..SHARDS_MAX).map(|_| MemDisk::new()).collect(),
            contents: (0..SHARDS_MAX).map(|_| (MemDisk::new(), false)).collect(),
            shards: Vec::new(),
            writing: vec![false; usize::from(SHARDS_MAX)],
            working: vec![false; usize::from(SHARDS_MAX)],
            carriers,
            lines: BTreeMap::new(),
            by_bind: BTreeMap::new(),
            next_connection: 1,
            submissions: Vec::new(),
            customer,
            written: Vec::new(),
            tickets: BTreeMap::new(),
            next_ticket: 1,
            told: BTreeMap::new(),
            kills: 0,
            lost_binds: 0,
            erasing: Erasures::default(),
            starts_checked: 0,
            checkpoints: 0,
            resized: (0, 0),
            stats: Vec::new(),
            hash: std::collections::hash_map::DefaultHasher::new(),
            events: 0,
            ops_to_kill: Vec::new(),
            answers: BTreeMap::new(),
            given: Vec::new(),
        };
        world.start();
        world.plan_day();
        world.plan_customer();
        world.plan_handsets();
        world.plan_erasures();
        world.plan_reloads();
        world
    }

    pub(super) fn at(&mut self, when: Duration, what: Happening) {
        self.order += 1;
        self.agenda.insert((when.max(self.now), self.order), what);
    }

    pub(super) fn soon(&mut self, most_us: u64, what: Happening) {
        let delay = Duration::from_micros(1 + self.rng.below(most_us));
        self.at(self.now + delay, what);
    }

    pub(super) fn clock(&self) -> Now {
        self.clock.now(self.now)
    }

    /// Half of the worlds have a log so small that segments are emptied and recycled all the time.
    pub fn has_a_small_log(&self) -> bool {
        self.seed.is_multiple_of(2)
    }

    pub(super) fn segment_bytes(&self) -> u64 {
        if self.has_a_small_log() { 256 << 10 } else { 2 << 20 }
    }

    /// Segments written in all, over both shards.
    pub fn segments(&self) -> u64 {
        let newest = |disk: &mut MemDisk| {
            disk.list().unwrap().iter().map(|file| file.id.0).max().unwrap_or_default()
        };
        self.disks.clone().iter_mut().map(newest).sum()
    }

    /// Lets one thing happen; false when nothing is left.
    pub fn step(&mut self) -> bool {
        let Some(((when, _), what)) = self.agenda.pop_first() else { return false };
        self.now = when;
        self.events += 1;
        self.note(&what);
        self.happen(what);
        true
    }

    fn note(&mut self, what: &Happening) {
        self.now.hash(&mut self.hash);
        std::mem::discriminant(what).hash(&mut self.hash);
        match what {
            Happening::ToCustomer { octets, serial, .. }
            | Happening::FromCustomer { octets, serial, .. } => {
                serial.hash(&mut self.hash);
                octets.hash(&mut self.hash);
            }
            Happening::ToCarrier { octets, connection, .. }
            | Happening::ToShard { octets, connection } => {
                connection.hash(&mut self.hash);
                octets.hash(&mut self.hash);
            }
            Happening::WriteDone { shard, write } => {
                shard.hash(&mut self.hash);
                write.offset.hash(&mut self.hash);
                write.blocks.as_bytes().hash(&mut self.hash);
            }
            _ => {}
        }
    }

    /// How often the shards of all processes counted this.
    pub fn count(&self, counter: Counter) -> u64 {
        self.stats.iter().map(|stats| stats.get(counter)).sum()
    }

    /// A number that is the same for the same history.
    pub fn history(&self) -> u64 {
        self.hash.finish()
    }

    fn happen(&mut self, what: Happening) {
        let now = self.clock();
        match what {
            Happening::Submit(index) => self.submit(index),
            Happening::Mesh { to, from, message } => {
                self.shards[to].handle_mesh(now, from, message);
                self.drive_after(to, Step::TookMesh);
            }
            Happening::WriteDone { shard, write } => {
                self.disks[shard].complete_write().unwrap();
                self.writing[shard] = false;
                if !self.dies(Step::BatchWritten) {
                    self.shards[shard].handle_written(now, write, Ok(()));
                    self.drive_after(shard, Step::BatchKnown);
                }
            }
            Happening::ChoreDue { shard, chore } => self.end_chore(shard, chore),
            Happening::ContentWriteDone { shard, write } => self.content_written(shard, write),
            Happening::ContentChoreDue { shard, chore } => self.do_content_chore(shard, chore),
            Happening::Read { shard, token, log, ask } => self.read(shard, (token, log), ask),
            Happening::Connected { shard, bind, carrier } => self.connected(shard, bind, carrier),
            Happening::ToCarrier { carrier, connection, octets } => {
                let held = &mut self.carriers[carrier];
                held.receive(self.now, connection, &octets, &mut self.rng);
                self.drive_carrier(carrier);
            }
            Happening::ToShard { connection, octets } => {
                let Some(line) = self.lines.get(&connection) else { return };
                let (shard, bind) = (line.shard, line.bind);
                self.shards[shard].handle_bind_bytes(now, bind, &octets);
                self.drive_after(shard, Step::TookCarrier);
            }
            Happening::Closed { connection } => self.closed(connection),
            Happening::WebhookAnswer { shard, sequence, status } => {
                self.shards[shard].handle_webhook_result(now, sequence, Ok(status), None);
                self.drive_after(shard, Step::TookWebhook);
            }
            Happening::Timer { shard, due } => {
                if self.timers[shard] != Some(due) {
                    return;
                }
                self.timers[shard] = None;
                self.shards[shard].handle_timeout(now);
                self.drive_after(shard, Step::TookTime);
            }
            Happening::CarrierTick { carrier, due } => {
                if self.carrier_ticks[carrier] != Some(due) {
                    return;
                }
                self.carrier_ticks[carrier] = None;
                self.drive_carrier(carrier);
            }
            Happening::CustomerConnect { shard } => self.customer_connect(shard),
            Happening::CustomerSubmit(index) => self.customer_submit(index),
            Happening::ToCustomer { shard, serial, octets } => {
                self.customer_hears(shard, serial, &octets);
            }
            Happening::FromCustomer { shard, serial, octets } => {
                self.customer_said(shard, serial, &octets);
            }
            Happening::CustomerClosed { shard, serial } => self.customer_closed(shard, serial),
            Happening::CustomerTick { due } => self.customer_tick(due),
            Happening::Erasure(moment) => self.erasure(moment),
            Happening::NewFile(file) => self.new_file(file),
            Happening::Config { shard, shared } => self.go_by(shard, shared),
            Happening::Kill if self.shards.is_empty() => {}
            Happening::Kill => self.kill(),
            Happening::Restart => self.start(),
        }
    }

    /// Whether a start may find another number of shards; in some of these worlds somebody is erased.
    pub(super) fn changes_shards(&self) -> bool {
        self.seed.is_multiple_of(3) || self.seed % 5 == 1
    }

    /// Files beside the segments are under way to the disk until the chore is done; a segment's change
    /// is one.
    fn begin_chore(&mut self, shard: usize, chore: ShardChore) -> Begun {
        self.working[shard] = true;
        if matches!(chore, ShardChore::Log(_)) || chore.archive().is_some() {
            return Begun::Log(chore);
        }
        let bytes = self.segment_bytes();
        let (number, done) = self.disks[shard].begin_side(|disk| chore.run(disk, bytes));
        Begun::Side(number, done)
    }

    fn end_chore(&mut self, shard: usize, chore: Begun) {
        let bytes = self.segment_bytes();
        self.working[shard] = false;
        let done = match chore {
            Begun::Log(chore) => {
                let log = chore.archive().map_or(shard, usize::from);
                chore.run(&mut self.disks[log], bytes)
            }
            Begun::Side(number, done) => {
                self.disks[shard].complete_side(number);
                done
            }
        };
        self.checkpoints += u64::from(matches!(done, ChoreDone::Checkpoint(Ok(()))));
        if !self.dies(Step::ChoreDone) {
            let now = self.clock();
            self.shards[shard].handle_chore(now, done);
            self.drive_after(shard, Step::ChoreKnown);
        }
    }

    fn read(&mut self, shard: usize, (token, log): (u64, u16), ask: Ask) {
        let result = ask.read_from(&mut self.disks[usize::from(log)]);
        let now = self.clock();
        self.shards[shard].handle_read(now, token, result);
        self.drive(shard);
    }

    /// Does what a shard asks, until it asks for nothing more or the process dies.
    pub(super) fn drive(&mut self, shard: usize) {
        // One world in four has none before their time.
        if !self.seed.is_multiple_of(4) && self.rng.below(100) == 0 {
            self.shards[shard].checkpoint_soon();
        }
        while let Some(op) = self.shards[shard].poll_op() {
            let (before, after) = Step::around(&op);
            if self.dies(before) {
                return;
            }
            self.op(shard, op);
            if self.dies(after) {
                return;
            }
            self.count_down();
        }
        let now = self.clock();
        if !self.writing[shard]
            && let Some(write) = self.shards[shard].poll_write(now)
        {
            self.writing[shard] = true;
            self.disks[shard].begin_write(&write);
            // A disk now and then stalls.
            let most = if self.rng.chance(5) { 100_000 } else { 3_000 };
            self.soon(most, Happening::WriteDone { shard, write });
            if self.dies(Step::BatchBegun) {
                return;
            }
        }
        if !self.working[shard]
            && let Some(chore) = self.shards[shard].poll_chore()
        {
            let chore = self.begin_chore(shard, chore);
            self.soon(5_000, Happening::ChoreDue { shard, chore });
            if self.dies(Step::ChoreBegun) {
                return;
            }
        }
        if self.drive_contents(shard) {
            return;
        }
        if let Some(error) = self.shards[shard].poisoned() {
            panic!("seed {}: the log failed: {error}", self.seed);
        }
        let Some(due) = self.shards[shard].poll_timeout() else { return };
        if self.timers[shard].is_none_or(|standing| due < standing) {
            self.timers[shard] = Some(due);
            // A tick's patience, so that a deadline in the past cannot spin.
            let at = due.max(self.now + Duration::from_micros(100));
            self.at(at, Happening::Timer { shard, due });
        }
    }

    fn op(&mut self, shard: usize, op: Op) {
        match op {
            Op::Answer { ticket, response } => self.answered(shard, ticket, response),
            Op::Mesh { to, message } => {
                let from = ShardId(u16::try_from(shard).unwrap());
                let to = usize::from(to.0);
                // A ring keeps its order: the same delay for all.
                self.at(
                    self.now + Duration::from_micros(20),
                    Happening::Mesh { to, from, message },
                );
            }
            Op::Connect(bind) => {
                let address = self.shards[shard].bind_address(bind).unwrap();
                let carrier = if address.ends_with(":1") { 0 } else { 1 };
                self.soon(3_000, Happening::Connected { shard, bind, carrier });
            }
            Op::Flush(bind) => self.flush(shard, bind),
            Op::Close(bind) => {
                self.flush(shard, bind);
                if let Some(connection) = self.by_bind.get(&(shard, bind)).copied() {
                    self.soon(500, Happening::Closed { connection });
                }
            }
            Op::Webhook(post) => self.webhook(shard, &post),
            Op::LookUp(_) => unreachable!("no provider is configured here"),
            Op::FlushCustomer(conn) => self.flush_customer(shard, conn),
            Op::CloseCustomer(conn) => self.close_customer(shard, conn),
            Op::Read { token, log, ask } => {
                self.soon(2_000, Happening::Read { shard, token, log, ask });
            }
            Op::Controlled { ticket, answer } => self.controlled(shard, ticket, &answer),
            Op::Drained => {}
        }
    }

    fn flush(&mut self, shard: usize, bind: BindIx) {
        let mut octets = Vec::new();
        self.shards[shard].take_bind_output(bind, &mut octets);
        let Some(connection) = self.by_bind.get(&(shard, bind)).copied() else { return };
        if octets.is_empty() {
            return;
        }
        let carrier = self.lines[&connection].carrier;
        // TCP keeps the order on one connection: a constant delay does.
        let at = self.now + Duration::from_millis(1);
        self.at(at, Happening::ToCarrier { carrier, connection, octets });
    }

    fn connected(&mut self, shard: usize, bind: BindIx, carrier: usize) {
        let connection = self.next_connection;
        self.next_connection += 1;
        self.lines.insert(connection, Line { shard, bind, carrier });
        self.by_bind.insert((shard, bind), connection);
        self.carriers[carrier].connect(self.now, connection);
        let now = self.clock();
        self.shards[shard].handle_bind_connected(now, bind);
        self.drive(shard);
        self.drive_carrier(carrier);
    }

    /// The connection is over for both ends.
    fn closed(&mut self, connection: u64) {
        for carrier in &mut self.carriers {
            carrier.disconnect(self.now, connection);
        }
        if let Some(line) = self.lines.remove(&connection) {
            self.lost_binds += 1;
            self.by_bind.remove(&(line.shard, line.bind));
            let now = self.clock();
            self.shards[line.shard].handle_bind_closed(now, line.bind);
            self.drive(line.shard);
        }
        for carrier in 0..self.carriers.len() {
            self.drive_carrier(carrier);
        }
    }

    fn drive_carrier(&mut self, carrier: usize) {
        let held = &mut self.carriers[carrier];
        let next = held.tick(self.now, &mut self.rng);
        let drops = std::mem::take(&mut held.drops);
        let mut sent = Vec::new();
        for (connection, held) in &mut held.connections {
            let mut octets = Vec::new();
            held.session.take_output(&mut octets);
            if !octets.is_empty() {
                sent.push((*connection, octets));
            }
        }
        for (connection, octets) in sent {
            let at = self.now + Duration::from_millis(1);
            self.cut(at, connection, &octets);
        }
        for connection in drops {
            self.soon(300, Happening::Closed { connection });
        }
        let Some(due) = next else { return };
        if self.carrier_ticks[carrier].is_none_or(|standing| due < standing) {
            self.carrier_ticks[carrier] = Some(due);
            let at = due.max(self.now + Duration::from_micros(100));
            self.at(at, Happening::CarrierTick { carrier, due });
        }
    }

    /// Octets arrive as the network pleases: whole, or cut anywhere.
    fn cut(&mut self, at: Duration, connection: u64, octets: &[u8]) {
        let middle =
            if self.rng.chance(20) { self.rng.below(octets.len() as u64) as usize } else { 0 };
        let (head, tail) = octets.split_at(middle);
        for piece in [head, tail] {
            if !piece.is_empty() {
                self.at(at, Happening::ToShard { connection, octets: piece.to_vec() });
            }
        }
    }

    /// No more kills and submits: what follows only looks.
    pub fn calm_down(&mut self) {
        self.ops_to_kill.clear();
        self.deaths.clear();
        let more =
            |what: &Happening| matches!(what, Happening::Kill | Happening::CustomerSubmit(_));
        self.agenda.retain(|_, what| !more(what));
        while self.shards.is_empty() && self.step() {}
    }

    /// Whether every acknowledged message has told its end, and nothing is under way.
    pub fn is_done(&self) -> bool {
        let told = |submission: &Submission| match &submission.answer {
            Some(Ok(id)) => self.told.contains_key(&id.to_string()),
            Some(Err(_)) => true,
            None => self.tickets.is_empty() && self.now > Duration::from_secs(60),
        };
        let answered = self.customer.submitted.iter().all(|submitted| submitted.id.is_some());
        let answered = answered || self.now > Duration::from_secs(60);
        let served = answered && self.customer.is_served() && self.handsets_are_heard();
        let alive = !self.shards.is_empty() && served && self.erasing.are_answered();
        alive && self.submissions.iter().all(told) && self.carriers.iter().all(Carrier::is_quiet)
    }

    pub fn elapsed(&self) -> Duration {
        self.now
    }
}
