//! The admin port over a real socket. Tests, lives nowhere.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use postrider_core::clock::UnixMs;
use postrider_core::numbering::Tables;
use serde_json::Value;

use crate::control::{Control, ControlFacts, ControlHandle, Known, Readiness, ShardState};
use crate::shard::Learned;
use crate::stats::{Counter, Stats};

struct Stage {
    handle: ControlHandle,
    shards: Vec<Arc<Stats>>,
    readiness: Arc<Readiness>,
    learned: Arc<Learned>,
    now_ms: Arc<AtomicU64>,
}

fn known(learned: Arc<Learned>) -> Known {
    Known { learned, ported: Arc::default(), tables: Arc::clone(Tables::builtin()) }
}

fn stage() -> Stage {
    let shards = vec![Arc::new(Stats::new()), Arc::new(Stats::new())];
    let readiness = Arc::new(Readiness::new(2));
    let now_ms = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&now_ms);
    let facts = ControlFacts {
        version: "0".into(),
        kernel: "0".into(),
        drivers: vec!["poll".into(); 2],
        started_unix_ms: 0,
        cpu: Arc::new(|| Duration::ZERO),
        wall: Arc::new(|| UnixMs(0)),
        now: Arc::new(move || Duration::from_millis(clock.load(Ordering::SeqCst))),
    };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let learned = Arc::new(Learned::of_names(&["alpha", "beta"]));
    let own = known(Arc::clone(&learned));
    let handle =
        Control::start(any, shards.clone(), facts, Arc::clone(&readiness), own, (None, None))
            .unwrap();
    Stage { handle, shards, readiness, learned, now_ms }
}

/// Status, head and body of one GET.
fn get(addr: SocketAddr, path: &str, accept: &str) -> (u16, String, String) {
    ask(addr, "GET", path, accept)
}

fn ask(addr: SocketAddr, method: &str, path: &str, accept: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

impl Stage {
    fn json(&self, path: &str) -> (u16, Value) {
        let (status, head, body) = get(self.handle.local_addr(), path, "*/*");
        assert!(head.contains("content-type: application/json"));
        (status, serde_json::from_str(&body).unwrap())
    }
}

#[test]
fn ready_only_while_every_shard_is_and_nothing_drains() {
    let stage = stage();
    let (status, body) = stage.json("/readyz");
    assert_eq!((status, &body["ready"]), (503, &Value::Bool(false)));
    assert_eq!(body["shards"][1]["state"], "starting");
    stage.readiness.set_ready(0);
    stage.readiness.set(1, ShardState::Recovering);
    assert_eq!(stage.json("/readyz").0, 503);
    stage.readiness.set(1, ShardState::Ready);
    let (status, body) = stage.json("/readyz");
    assert_eq!((status, &body["ready"]), (200, &Value::Bool(true)));
    stage.readiness.set_draining();
    let (status, body) = stage.json("/readyz");
    assert_eq!((status, &body["draining"]), (503, &Value::Bool(true)));
    assert_eq!(body["shards"][0]["state"], "ready");
}

#[test]
fn a_shard_that_has_not_beaten_for_ten_seconds_is_not_live() {
    let stage = stage();
    stage.now_ms.store(60_000, Ordering::SeqCst);
    assert_eq!(stage.json("/livez").0, 200, "no shard has begun to beat");
    for shard in &stage.shards {
        shard.beat(Duration::from_secs(60));
    }
    stage.now_ms.store(70_000, Ordering::SeqCst);
    assert_eq!(stage.json("/livez").0, 200);
    stage.now_ms.store(70_001, Ordering::SeqCst);
    stage.shards[0].beat(Duration::from_secs(70));
    let (status, body) = stage.json("/livez");
    assert_eq!((status, &body["live"]), (503, &Value::Bool(false)));
    assert_eq!(body["shards"][0]["live"], true);
    assert_eq!(body["shards"][1]["live"], false);
    stage.shards[1].beat(Duration::from_secs(70));
    assert_eq!(stage.json("/livez").0, 200);
    stage.now_ms.store(100_000, Ordering::SeqCst);
    for shard in 0..2 {
        stage.readiness.set(shard, ShardState::Stopped);
    }
    assert_eq!(stage.json("/livez").0, 200, "a shard that has ended is not stuck");
}

#[test]
fn metrics_come_in_the_format_asked_for() {
    let stage = stage();
    stage.shards[1].add(Counter::Accepted, 3);
    let (status, head, body) = get(stage.handle.local_addr(), "/metrics", "*/*");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"));
    assert!(body.contains("postrider_messages_accepted_total{shard=\"1\"} 3\n"));
    let open = "application/openmetrics-text; version=1.0.0";
    let (_, head, body) = get(stage.handle.local_addr(), "/metrics", open);
    assert!(head.contains(&format!("content-type: {open}")));
    assert!(body.ends_with("# EOF\n"));
}

#[test]
fn nothing_else_is_served() {
    let stage = stage();
    for path in ["/", "/metrics/", "/messages", "/readyz/x"] {
        assert_eq!(get(stage.handle.local_addr(), path, "*/*").0, 404, "{path}");
    }
}

#[test]
fn stop_ends_the_thread_even_with_a_request_half_sent() {
    let stage = stage();
    let addr = stage.handle.local_addr();
    let mut half = TcpStream::connect(addr).unwrap();
    half.write_all(b"GET /metrics HTTP/1.1\r\nhost:").unwrap();
    assert_eq!(stage.json("/livez").0, 200, "the half request was taken up before this one");
    stage.handle.stop();
    assert!(TcpStream::connect(addr).is_err(), "nobody listens any more");
}

#[test]
fn an_address_in_use_is_named() {
    let stage = stage();
    let facts = ControlFacts {
        version: String::new(),
        kernel: String::new(),
        drivers: Vec::new(),
        started_unix_ms: 0,
        cpu: Arc::new(|| Duration::ZERO),
        wall: Arc::new(|| UnixMs(0)),
        now: Arc::new(|| Duration::ZERO),
    };
    let taken = stage.handle.local_addr();
    let learned = known(Arc::new(Learned::of_names(&[])));
    let again = Control::start(
        taken,
        Vec::new(),
        facts,
        Arc::new(Readiness::new(0)),
        learned,
        (None, None),
    );
    let error = again.err().unwrap();
    assert!(format!("{error:#}").contains(&format!("cannot listen on {taken}")), "{error:#}");
}

#[test]
fn an_operator_sees_what_ids_look_like_and_applies_it() {
    let stage = stage();
    let alpha = stage.learned.by_name("alpha").unwrap();
    let apply = |name: &str| {
        let path = format!("/carriers/{name}/receipt-ids/apply");
        let (status, _, body) = ask(stage.handle.local_addr(), "POST", &path, "*/*");
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    assert_eq!(apply("alpha").0, 409);
    assert_eq!(apply("gamma").0, 404);
    for number in 5_000..5_025_u32 {
        alpha.observe(format!("{number:x}").as_bytes(), number.to_string().as_bytes());
    }
    let (status, body) = stage.json("/carriers");
    assert_eq!((status, &body["data"][0]["name"]), (200, &Value::from("alpha")));
    let ids = &body["data"][0]["receipt_ids"];
    assert_eq!(ids["in_use"], serde_json::json!({"response": "as_is", "receipt": "as_is"}));
    assert_eq!(ids["pairs"]["hex_then_decimal"], 25);
    assert_eq!(ids["proposal"]["response"], "hex");
    assert_eq!(ids["proposal"]["confidence_percent"], 100);
    assert_eq!(body["data"][1]["receipt_ids"]["proposal"], Value::Null);
    let (_, _, page) = get(stage.handle.local_addr(), "/metrics", "*/*");
    let proposed = "postrider_carrier_id_forms{carrier=\"alpha\",response=\"hex\",\
                    receipt=\"decimal\",standing=\"proposed\"} 1";
    assert!(page.contains(proposed), "{page}");
    let (status, body) = apply("alpha");
    assert_eq!((status, &body["receipt_ids"]["in_use"]["response"]), (200, &Value::from("hex")));
    assert_eq!(body["receipt_ids"]["proposal"], Value::Null);
    assert_eq!(apply("alpha").0, 409);
}

/// What the load generator reads, and what an operator sees of a shard that has more to do.
#[test]
fn shards_say_what_they_did_and_whether_they_are_in_balance() {
    let stage = stage();
    stage.shards[1].add(Counter::Accepted, 3);
    stage.shards[1].observe(crate::stats::Histogram::SubmitResponse, Duration::from_millis(7));
    stage.shards[0].set(crate::stats::Gauge::OpenMessages, 5);
    let (status, page) = stage.json("/shards");
    assert_eq!((status, page["data"].as_array().unwrap().len()), (200, 2));
    assert_eq!((&page["imbalance"], &page["imbalance_percent"]), (&Value::Null, &Value::Null));
    assert_eq!(page["data"][1]["messages_accepted"], 3);
    assert_eq!(
        (&page["data"][1]["answers"], &page["data"][1]["answer_us"]),
        (&1.into(), &7_000.into())
    );
    assert_eq!(page["data"][0]["open_messages"], 5);
    // The control thread looks once a second, and the shards' clock is in our hands.
    let mut found = Value::Null;
    for turn in 1..=60 {
        stage.shards[1].add(Counter::CpuMicros, 6_000_000);
        stage.shards[1].add(Counter::Accepted, 6_000);
        stage.now_ms.store(turn * 11_000, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(500));
        let (_, page) = stage.json("/shards");
        found = page["imbalance"].clone();
        if !found.is_null() {
            assert_eq!(page["imbalance_percent"], 100);
            break;
        }
    }
    assert_eq!((&found["busiest"], &found["idlest"]), (&1.into(), &0.into()), "{found}");
    assert_eq!(
        (&found["cause"], &found["facts"]["messages"][1]),
        (&"partitions".into(), &0.into())
    );
    assert!(found["told"].as_str().unwrap().starts_with("its numbers had "), "{found}");
    let (_, _, page) = get(stage.handle.local_addr(), "/metrics", "*/*");
    assert!(page.contains("\npostrider_shard_imbalance_ratio 1\n"));
}
