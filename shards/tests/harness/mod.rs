//! One shard in memory under a virtual clock, with carriers played octet by octet: what a test
//! does not do does not happen. Its disk has always just finished, its webhooks are always
//! acknowledged. Test code, pure.

#![allow(dead_code, reason = "each test file uses its part")]

mod binds;
pub(crate) mod contents;
pub(crate) mod gateway;
pub(crate) mod pdu;
mod reload;
pub(crate) mod scene;
pub(crate) mod traces;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use binds::Wire;
use contents::ContentDisk;
use postrider_core::clock::{Now, UnixMs};
use postrider_core::config::Config;
use postrider_core::content::Retention;
use postrider_core::id::{IdCipher, MessageId};
use postrider_core::number::NumberReader;
use postrider_core::place::{Placement, ShardId};
use postrider_http::auth::CustomerIx;
use postrider_http::problem::Problem;
use postrider_http::request::{
    ApiRequest, Cursor, CustomerLimits, ListQuery, RequestHead, parse, route,
};
use postrider_http::response::MessageView;
use postrider_http::url_guard::UrlPolicy;
use postrider_shards::shard::{
    ApiResponse, BindIx, Contents, ControlAnswer, ControlRequest, Learned, Numbers, Op, Shard,
    ShardChore, ShardParts, Shared,
};
use postrider_shards::stats::{Counter, Gauge, Stats};
use postrider_storage::{Ask, Disk as _, LogConfig, MemDisk, SideFile, Write};

/// The wall clock when the monotonic one stood at zero.
pub(crate) const WALL: u64 = 1_790_000_000_000;

/// A customer, to be followed by carriers and routes.
pub(crate) const CUSTOMER: &str = r#"
[[customers]]
name = "acme"
api_keys = ["sha256:0000000000000000000000000000000000000000000000000000000000000000"]
webhook_secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
"#;

/// One carrier with `keys` of its own and a route of everything to it.
pub(crate) fn one_carrier(keys: &str) -> String {
    format!(
        r#"{CUSTOMER}
[[carriers]]
name = "alpha"
address = "127.0.0.1:1"
system_id = "a"
password = "p"
binds = 1
window = 4
{keys}
[[routes]]
prefix = ""
carriers = ["alpha"]
"#
    )
}

/// What a crash leaves of the write that is under way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undecided {
    Kept,
    Lost,
}

/// See the module.
pub(crate) struct Rig {
    pub(crate) shard: Shard,
    pub(crate) stats: Arc<Stats>,
    pub(crate) now: Duration,
    shared: Arc<Shared>,
    config: Config,
    log: LogConfig,
    disk: MemDisk,
    /// The files beside the segments when the shard had been opened, and nothing else was done.
    pub(crate) opened_with: Vec<SideFile>,
    /// Messages in memory then.
    pub(crate) opened_in_memory: usize,
    pub(crate) contents: ContentDisk,
    /// Nothing reaches the disk.
    pub(crate) disk_held: bool,
    /// Nothing comes from the disk.
    pub(crate) reads_held: bool,
    pub(crate) reads: VecDeque<(u64, Ask)>,
    writing: Option<Write>,
    /// How long a piece of slow work takes: none at first.
    pub(crate) chore_takes: Duration,
    /// The one that is under way, and when it is done.
    chore: Option<(Duration, ShardChore)>,
    ticket: u64,
    /// The customer that asks: the first one.
    pub(crate) customer: u16,
    answers: BTreeMap<u64, ApiResponse>,
    /// What operators were answered and nobody has looked at.
    controlled: Vec<ControlAnswer>,
    wires: Vec<Wire>,
}

fn at(now: Duration) -> Now {
    Now { mono: now, wall: UnixMs(WALL).after(now) }
}

/// A log of `max_segments` segments of a quarter of a mebioctet.
fn log_config(max_segments: u32) -> LogConfig {
    LogConfig {
        shard: 0,
        segment_bytes: 256 << 10,
        max_segments,
        spare_segments: 2,
        preferred_batch: 64 << 10,
        max_batch: 256 << 10,
        lazy: Duration::from_millis(2),
    }
}

fn parts(config: &Config, contents: Contents) -> (ShardParts, Arc<Stats>) {
    let plan = postrider_core::config::Plan::new(config, 1).unwrap();
    let binds = plan.binds_on(ShardId(0));
    let numbers = Numbers {
        carriers: (1..).take(config.carriers.len()).collect(),
        customers: (1..).take(config.customers.len()).collect(),
    };
    let stats = Arc::new(Stats::new());
    let (placement, cipher) = (Placement::new([7; 16], 1), IdCipher::new([9; 16], None));
    let shared = Shared::new(config.clone(), placement, cipher, numbers);
    let parts = ShardParts {
        id: ShardId(0),
        shared: Arc::new(shared),
        stats: Arc::clone(&stats),
        contents,
        binds,
        seed: 1,
        reconnect_first: Duration::from_secs(1),
    };
    (parts, stats)
}

impl Rig {
    /// A started shard of this configuration (`server.shards` is 1); every bind wants its
    /// connection.
    pub(crate) fn new(config: &str) -> Self {
        Self::with_segments(config, 64)
    }

    /// As `new`, with a log of so many segments.
    pub(crate) fn with_segments(config: &str, max_segments: u32) -> Self {
        let config = format!("[server]\nshards = 1\n{config}");
        let config = Config::parse(&config).unwrap_or_else(|errors| panic!("{errors}"));
        Self::with(config, max_segments)
    }

    /// As `with_segments`, of a configuration that was read.
    pub(crate) fn with(config: Config, max_segments: u32) -> Self {
        let log = log_config(max_segments);
        let disks = (MemDisk::new(), ContentDisk::default());
        Self::open(config, log, disks, Duration::from_secs(1), false)
    }

    fn open(
        config: Config,
        log: LogConfig,
        (mut disk, mut contents): (MemDisk, ContentDisk),
        now: Duration,
        disk_held: bool,
    ) -> Self {
        let (parts, stats) = parts(&config, contents.open(0, at(now)));
        let shared = Arc::clone(&parts.shared);
        let (shard, _) = Shard::open(parts, &mut disk, log.clone(), at(now)).unwrap();
        let opened_with = disk.list_side().unwrap().into_iter().map(|(file, _)| file).collect();
        let mut rig = Rig {
            opened_with,
            opened_in_memory: shard.messages_in_memory(),
            shard,
            stats,
            now,
            shared,
            config,
            log,
            disk,
            contents,
            disk_held,
            reads_held: false,
            reads: VecDeque::new(),
            writing: None,
            chore_takes: Duration::ZERO,
            chore: None,
            ticket: 0,
            customer: 0,
            answers: BTreeMap::new(),
            controlled: Vec::new(),
            wires: Vec::new(),
        };
        rig.shard.start(at(now));
        rig.settle();
        rig
    }

    /// The process is killed and started again after `pause`: what is on the disk is all there is.
    pub(crate) fn crash(self, pause: Duration, writing: Undecided) -> Self {
        self.crash_and_hold(pause, writing, false)
    }

    /// The same; `held`: the disk is slow with what the start writes.
    pub(crate) fn crash_and_hold(
        mut self,
        pause: Duration,
        writing: Undecided,
        held: bool,
    ) -> Self {
        self.disk.crash(&mut |_| usize::from(writing == Undecided::Lost));
        self.contents.0.crash(&mut |_| usize::from(writing == Undecided::Lost));
        Self::open(self.config, self.log, (self.disk, self.contents), self.now + pause, held)
    }

    /// This moment.
    pub(crate) fn at(&self) -> Now {
        at(self.now)
    }

    /// Does what the shard asks, reads and writes, until there is nothing more at this moment.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut idle = true;
            while let Some(op) = self.shard.poll_op() {
                idle = false;
                self.act(op);
            }
            while self.work() {
                idle = false;
            }
            idle &= !self.contents.turn(&mut self.shard, at(self.now));
            while !self.reads_held
                && let Some((token, ask)) = self.reads.pop_front()
            {
                idle = false;
                let result = ask.read_from(&mut self.disk);
                self.shard.handle_read(at(self.now), token, result);
            }
            if self.writing.is_none()
                && let Some(write) = self.shard.poll_write(at(self.now))
            {
                self.disk.begin_write(&write);
                self.writing = Some(write);
            }
            if !self.disk_held && self.writing.is_some() {
                idle = false;
                self.complete_write();
            }
            if idle {
                return;
            }
        }
    }

    /// Does slow work as a shard's helper thread does it, one piece at a time; returns whether a
    /// piece is done.
    fn work(&mut self) -> bool {
        if self.chore.is_none() {
            let due = self.now + self.chore_takes;
            self.chore = self.shard.poll_chore().map(|chore| (due, chore));
        }
        let Some((_, chore)) = self.chore.take_if(|(due, _)| *due <= self.now) else {
            return false;
        };
        let done = chore.run(&mut self.disk, self.log.segment_bytes);
        self.shard.handle_chore(at(self.now), done);
        true
    }

    fn complete_write(&mut self) {
        let write = self.writing.take().expect("a write under way");
        self.disk.complete_write().unwrap();
        self.shard.handle_written(at(self.now), write, Ok(()));
    }

    /// While the disk is held: the write under way gets through.
    pub(crate) fn write_one(&mut self) {
        self.complete_write();
        self.settle();
    }

    fn act(&mut self, op: Op) {
        match op {
            Op::Answer { ticket, response } => {
                self.answers.insert(ticket, response);
            }
            Op::Connect(bind) => {
                let wire = self.wire(bind);
                assert!(!wire.open && !wire.wanted, "bind {bind} is asked for twice");
                wire.wanted = true;
                wire.connects += 1;
            }
            Op::Flush(bind) => self.take_output(bind),
            Op::Close(bind) => {
                self.take_output(bind);
                self.lose(bind);
            }
            Op::Webhook(post) => {
                self.shard.handle_webhook_result(at(self.now), post.sequence, Ok(200), None);
            }
            Op::Read { token, ask, .. } => self.reads.push_back((token, ask)),
            Op::Controlled { answer, .. } => self.controlled.push(answer),
            Op::Drained => {}
            other => panic!("{other:?} is not played here"),
        }
    }

    fn take_output(&mut self, bind: BindIx) {
        let mut octets = Vec::new();
        self.shard.take_bind_output(bind, &mut octets);
        self.wire(bind).sent.extend_from_slice(&octets);
    }

    /// Lets time pass: every timer at its moment.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.tick(until);
        }
    }

    /// Lets time pass to the next timer, at most until `until`.
    fn tick(&mut self, until: Duration) {
        let tick = self.now + Duration::from_millis(1);
        let worked = self.chore.as_ref().map(|(due, _)| *due);
        let next = [self.shard.poll_timeout(), worked].into_iter().flatten().min().unwrap_or(until);
        self.now = next.clamp(tick, until.max(tick)).min(until);
        self.shard.handle_timeout(at(self.now));
        self.settle();
    }

    /// The disk, to be looked at or damaged.
    pub(crate) fn disk(&mut self) -> &mut MemDisk {
        &mut self.disk
    }

    /// Every file, with its bytes.
    pub(crate) fn files(&mut self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for file in self.disk.list().unwrap() {
            let bytes = self.disk.bytes(file.id).unwrap_or_default().to_vec();
            files.push((file.id.file_name(), bytes));
            let old = self.disk.old_bytes(file.id).map(<[u8]>::to_vec);
            files.extend(old.map(|bytes| (format!("{}.old", file.id.file_name()), bytes)));
        }
        for (file, _) in self.disk.list_side().unwrap() {
            let bytes = self.disk.side_bytes(file).unwrap_or_default().to_vec();
            files.push((file.file_name(), bytes));
        }
        files
    }

    // --- the customer ---

    /// Asks the API and waits for the answer.
    pub(crate) fn ask(&mut self, request: ApiRequest) -> ApiResponse {
        self.try_ask(request).expect("an answer")
    }

    /// Asks the API, which may be past answering.
    pub(crate) fn try_ask(&mut self, request: ApiRequest) -> Option<ApiResponse> {
        self.ticket += 1;
        self.shard.handle_api(at(self.now), self.ticket, CustomerIx(self.customer), request);
        self.settle();
        for _ in 0..10 {
            if let Some(answer) = self.answers.remove(&self.ticket) {
                return Some(answer);
            }
            self.pass(Duration::from_millis(1));
        }
        None
    }

    /// Submits this JSON body while the disk is held.
    pub(crate) fn post_without_answer(&mut self, body: &str) {
        self.ask_without_answer(request("POST", "/api/v1/messages", body.as_bytes()));
    }

    /// Asks the API while the disk is held.
    pub(crate) fn ask_without_answer(&mut self, request: ApiRequest) {
        self.ticket += 1;
        self.shard.handle_api(at(self.now), self.ticket, CustomerIx(self.customer), request);
        self.settle();
        assert!(!self.is_answered(), "an answer before the disk's");
    }

    /// Whether there is an answer that nobody has waited for.
    pub(crate) fn is_answered(&self) -> bool {
        !self.answers.is_empty()
    }

    /// The acceptance that has come since.
    pub(crate) fn late_answer(&mut self) -> MessageId {
        match self.answers.pop_first() {
            Some((_, ApiResponse::Accepted(accepted))) => accepted.id,
            other => panic!("{other:?}"),
        }
    }

    /// Submits this JSON body.
    pub(crate) fn post(&mut self, body: &str) -> Result<MessageId, Problem> {
        match self.ask(request("POST", "/api/v1/messages", body.as_bytes())) {
            ApiResponse::Accepted(accepted) => Ok(accepted.id),
            ApiResponse::Problem(problem) => Err(problem),
            other => panic!("{other:?}"),
        }
    }

    /// Submits a text from Acme to `+number`.
    pub(crate) fn submit(&mut self, number: u64, text: &str) -> MessageId {
        self.post(&format!(r#"{{"from":"Acme","to":"+{number}","body":"{text}"}}"#)).unwrap()
    }

    /// Asks what an operator asks, and waits for the answer.
    pub(crate) fn control(&mut self, request: ControlRequest) -> ControlAnswer {
        self.shard.handle_control(at(self.now), 1, request);
        self.settle();
        self.controlled.pop().expect("an answer")
    }

    /// What GET shows.
    pub(crate) fn view(&mut self, id: MessageId) -> MessageView {
        match self.ask(request("GET", &format!("/api/v1/messages/{id}"), b"")) {
            ApiResponse::Message(view) => *view,
            other => panic!("{other:?}"),
        }
    }

    /// Asks for a list; gives its messages and where the next page begins.
    pub(crate) fn list(&mut self, query: ListQuery) -> (Vec<MessageView>, Option<Cursor>) {
        match self.ask(ApiRequest::List(query)) {
            ApiResponse::Page { items, next } => (items, next),
            other => panic!("{other:?}"),
        }
    }

    /// What GET shows of a message that may be gone.
    pub(crate) fn find(&mut self, id: MessageId) -> Option<MessageView> {
        match self.ask(request("GET", &format!("/api/v1/messages/{id}"), b"")) {
            ApiResponse::Message(view) => Some(*view),
            ApiResponse::Problem(problem) if problem.status() == 404 => None,
            other => panic!("{other:?}"),
        }
    }

    /// The message's status by its API word.
    pub(crate) fn status(&mut self, id: MessageId) -> &'static str {
        self.view(id).status.name()
    }

    /// The events of the message's timeline, in order.
    pub(crate) fn events(&mut self, id: MessageId) -> Vec<String> {
        self.view(id).timeline.into_iter().map(|entry| entry.event).collect()
    }

    /// What traffic shows of carriers' message ids.
    pub(crate) fn learned(&self) -> Arc<Learned> {
        Arc::clone(&self.shared.learned)
    }

    /// A gauge's value.
    pub(crate) fn gauge(&self, gauge: Gauge) -> u64 {
        self.shard.publish();
        self.stats.gauge_value(gauge)
    }

    /// A counter's value.
    pub(crate) fn count(&self, counter: Counter) -> u64 {
        self.stats.get(counter)
    }
}

/// An API request of the one customer.
pub(crate) fn request(method: &str, path: &str, body: &[u8]) -> ApiRequest {
    let content_type = (method == "POST").then_some(b"application/json".as_slice());
    let head = RequestHead { method, path, query: None, content_type };
    let endpoint = route(&head).unwrap();
    let limits = CustomerLimits {
        max_text_chars: 1_600,
        numbers: NumberReader::Strict,
        retention: Retention::Keep,
    };
    let policy = UrlPolicy { allow_private: true };
    parse(endpoint, &head, body, &limits, &policy).unwrap()
}
