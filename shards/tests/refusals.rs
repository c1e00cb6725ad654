//! Refusals at the edge of a shard, in memory: too many open messages, a log without room, no
//! route, a shard that stops. What was accepted before is never touched, and what is refused leaves
//! nothing behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::sync::Arc;
use std::time::Duration;

use postrider_core::clock::{Now, UnixMs};
use postrider_core::config::Config;
use postrider_core::id::{IdCipher, MessageId};
use postrider_core::limits;
use postrider_core::place::{Placement, ShardId};
use postrider_core::route::RouteTable;
use postrider_http::auth::CustomerIx;
use postrider_http::problem::{Code, Problem};
use postrider_http::request::{ApiRequest, CustomerLimits, RequestHead, parse, route};
use postrider_http::url_guard::UrlPolicy;
use postrider_shards::shard::{ApiResponse, Numbers, Op, Shard, ShardParts, Shared};
use postrider_shards::stats::{BindLabel, Counter, Stats};
use postrider_storage::{LogConfig, MemDisk};

const OPEN: u32 = 1_000;
const SEGMENT: u64 = 256 << 10;

/// One shard whose carrier is never reached: everything accepted stays open.
struct Lone {
    shard: Shard,
    disk: MemDisk,
    stats: Arc<Stats>,
    now: Duration,
    ticket: u64,
}

impl Lone {
    fn new(max_segments: u32) -> Self {
        let config = Config::parse(&format!(
            r#"
            [limits]
            open_messages = {OPEN}
            [[customers]]
            name = "acme"
            api_keys = ["sha256:{key}"]
            webhook_secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
            [[carriers]]
            name = "alpha"
            address = "127.0.0.1:1"
            system_id = "a"
            password = "p"
            binds = 1
            [[routes]]
            prefix = "44"
            carriers = ["alpha"]
            "#,
            key = "0".repeat(64)
        ))
        .unwrap();
        let shared = Shared {
            routes: RouteTable::new(&config.routes),
            placement: Placement::new([7; 16], 1),
            cipher: IdCipher::new([9; 16], None),
            numbers: Numbers { carriers: vec![1], customers: vec![1] },
            config,
        };
        let label = BindLabel { carrier: "alpha".into(), bind: 0 };
        let stats = Arc::new(Stats::with_binds([label]));
        let parts = ShardParts {
            id: ShardId(0),
            shared: Arc::new(shared),
            stats: Arc::clone(&stats),
            binds: vec![1],
            seed: 1,
            reconnect_first: Duration::from_secs(1),
        };
        let log = LogConfig {
            shard: 0,
            segment_bytes: SEGMENT,
            max_segments,
            spare_segments: 2,
            preferred_batch: 64 << 10,
            max_batch: 256 << 10,
            lazy: Duration::from_millis(2),
        };
        let mut disk = MemDisk::new();
        let now = Duration::from_secs(1);
        let (shard, _) = Shard::open(parts, &mut disk, log, at(now)).unwrap();
        Lone { shard, disk, stats, now, ticket: 0 }
    }

    /// One request and its answer, the disk working at once.
    fn ask(&mut self, request: ApiRequest) -> ApiResponse {
        self.ticket += 1;
        let ticket = self.ticket;
        self.shard.handle_api(at(self.now), ticket, CustomerIx(0), request);
        for _ in 0..100 {
            while let Some(op) = self.shard.poll_op() {
                if let Op::Answer { ticket: answered, response } = op {
                    assert_eq!(answered, ticket);
                    return response;
                }
            }
            self.turn();
        }
        panic!("no answer");
    }

    /// A millisecond passes: timers, chores, a write.
    fn turn(&mut self) {
        self.now += Duration::from_millis(1);
        self.shard.handle_timeout(at(self.now));
        while let Some(chore) = self.shard.poll_chore() {
            let result = chore.run(&mut self.disk, SEGMENT);
            self.shard.handle_chore(at(self.now), chore, result);
        }
        if let Some(write) = self.shard.poll_write(at(self.now)) {
            self.disk.begin_write(&write);
            self.disk.complete_write().unwrap();
            self.shard.handle_written(at(self.now), write, Ok(()));
        }
    }

    fn submit(&mut self, number: u64, text: &str) -> Result<MessageId, Problem> {
        let body = format!(r#"{{"from":"Acme","to":"+{number}","body":"{text}"}}"#);
        match self.ask(request("POST", "/api/v1/messages", body.as_bytes())) {
            ApiResponse::Accepted(accepted) => Ok(accepted.id),
            ApiResponse::Problem(problem) => Err(problem),
            other => panic!("{other:?}"),
        }
    }

    /// Submits until something is refused.
    fn fill(&mut self, text: &str) -> (Vec<MessageId>, Problem) {
        let mut accepted = Vec::new();
        loop {
            match self.submit(447_700_000_000 + accepted.len() as u64, text) {
                Ok(id) => accepted.push(id),
                Err(problem) => return (accepted, problem),
            }
        }
    }

    fn assert_all_queued(&mut self, ids: &[MessageId]) {
        for id in ids {
            match self.ask(request("GET", &format!("/api/v1/messages/{id}"), b"")) {
                ApiResponse::Message(view) => assert_eq!(view.status.name(), "queued"),
                other => panic!("{id}: {other:?}"),
            }
        }
    }
}

fn at(mono: Duration) -> Now {
    Now { mono, wall: UnixMs(1_790_000_000_000 + mono.as_millis() as u64) }
}

fn request(method: &str, path: &str, body: &[u8]) -> ApiRequest {
    let head = RequestHead { method, path, query: None, content_type: Some(b"application/json") };
    let limits = CustomerLimits { max_text_chars: limits::MAX_TEXT_CHARS };
    let policy = UrlPolicy { allow_private: false };
    parse(route(&head).unwrap(), &head, body, &limits, &policy).unwrap()
}

#[test]
fn one_open_message_too_many_is_refused_with_a_time_to_come_back() {
    let mut lone = Lone::new(64);
    let (accepted, problem) = lone.fill("hi");
    assert_eq!(accepted.len(), OPEN as usize);
    assert_eq!((problem.code, problem.status()), (Code::Overloaded, 503));
    assert!(problem.retry_after.is_some());
    assert_eq!(lone.stats.get(Counter::RefusedOverloaded), 1);
    assert_eq!(lone.stats.get(Counter::Accepted), u64::from(OPEN));
    lone.assert_all_queued(&accepted);
}

#[test]
fn a_log_without_room_refuses_new_messages_before_it_fails_accepted_ones() {
    let mut lone = Lone::new(6);
    let (accepted, problem) = lone.fill(&"ж".repeat(1_500));
    assert!(accepted.len() > 50 && accepted.len() < OPEN as usize, "{} accepted", accepted.len());
    assert_eq!((problem.code, problem.status()), (Code::StorageFull, 503));
    assert!(problem.retry_after.is_some());
    assert_eq!(lone.stats.get(Counter::RefusedStorageFull), 1);
    // Reads go on, and so does the log: there is room for every end.
    lone.assert_all_queued(&accepted);
    lone.now += limits::VALIDITY_DEFAULT;
    for _ in 0..100 {
        lone.turn();
    }
    assert_eq!(lone.stats.get(Counter::MessagesExpired), accepted.len() as u64);
    lone.submit(447_700_900_123, "room again").unwrap();
}

#[test]
fn a_number_without_a_route_is_refused() {
    let mut lone = Lone::new(64);
    let problem = lone.submit(33_612_345_678, "hi").unwrap_err();
    assert_eq!((problem.code, problem.status()), (Code::NoRoute, 422));
    assert_eq!(problem.param.as_deref(), Some("/to"));
    assert_eq!(lone.stats.get(Counter::RefusedNoRoute), 1);
}

#[test]
fn a_shard_that_stops_takes_nothing_new_and_still_answers() {
    let mut lone = Lone::new(64);
    let id = lone.submit(447_700_900_123, "before").unwrap();
    lone.shard.handle_drain(at(lone.now));
    let problem = lone.submit(447_700_900_124, "after").unwrap_err();
    assert_eq!((problem.code, problem.status()), (Code::ShuttingDown, 503));
    lone.assert_all_queued(&[id]);
}
