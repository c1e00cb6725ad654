//! The sender against a tiny HTTP server: one run per test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::http::{Reply, accepted, answer, serve, serve_on};
use common::lines;
use postrider_http::request::MESSAGES_PATH;
use postrider_loadgen::corpus::Corpus;
use postrider_loadgen::load::{LoadOptions, LoadSummary, run_load_until};
use postrider_loadgen::stop::Stop;

fn options(address: std::net::SocketAddr) -> LoadOptions {
    LoadOptions {
        url: format!("http://{address}"),
        api_key: "key_1".into(),
        ..LoadOptions::default()
    }
}

fn run(options: &LoadOptions) -> LoadSummary {
    run_load_until(options, &Stop::new()).unwrap()
}

/// An answer after which the server closes, and says so.
fn closing(number: usize) -> String {
    accepted(number).replacen("\r\n", "\r\nConnection: close\r\n", 1)
}

fn whole(summary: &LoadSummary) {
    let sum = summary.accepted + summary.refused_total + summary.unacknowledged + summary.unsent;
    assert_eq!(sum, summary.messages, "{summary:?}");
}

#[test]
fn a_closed_loop_sends_every_text_in_order_each_to_its_own_number() {
    let seen: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let into = Arc::clone(&seen);
    let address = serve(move |request| {
        let line = format!("POST {MESSAGES_PATH} HTTP/1.1\r\n");
        assert!(request.head.starts_with(&line), "{}", request.head);
        assert!(request.head.contains("\r\nAuthorization: Bearer key_1\r\n"));
        assert!(request.head.contains("\r\nContent-Type: application/json\r\n"));
        let text = |key: &str| request.body[key].as_str().unwrap().to_owned();
        assert_eq!(text("from"), "Postrider");
        into.lock().unwrap().push((text("to"), text("body")));
        Reply::Send(accepted(request.number))
    });
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("load.ndjson");
    let corpus = Corpus::builtin();
    let messages = corpus.len() as u64 + 20;
    let options =
        LoadOptions { messages, connections: 1, ledger: Some(ledger.clone()), ..options(address) };
    let summary = run(&options);
    whole(&summary);
    assert_eq!((summary.accepted, summary.parts), (messages, 2 * messages));
    assert_eq!(summary.accept_ms.count, messages);
    let seen = seen.lock().unwrap();
    let numbers: BTreeSet<&str> = seen.iter().map(|(to, _)| to.as_str()).collect();
    assert_eq!(numbers.len() as u64, messages);
    assert!(numbers.iter().all(|to| to.len() == 13 && to.starts_with('+')));
    for (index, (_, text)) in seen.iter().enumerate() {
        assert_eq!(text, corpus.text(index), "message {index}");
    }
    let written = lines(&ledger);
    let count = |kind: &str| written.iter().filter(|line| line["k"] == kind).count() as u64;
    assert_eq!((count("run"), count("txt")), (1, corpus.len() as u64));
    assert_eq!(
        (count("req"), count("acc"), count("err"), count("una")),
        (messages, messages, 0, 0)
    );
    let last = written.iter().find(|line| line["k"] == "req" && line["i"] == messages - 1).unwrap();
    assert_eq!(last["x"], 19);
    assert_eq!(format!("+{}", last["to"].as_str().unwrap()), seen.last().unwrap().0);
}

#[test]
fn arrivals_keep_the_rate_and_a_stall_is_felt_by_everyone_behind_it() {
    // One answer takes 200 ms. A sender that waited for it would see one slow message; by the clock
    // 20 messages were to leave meanwhile, and each counts its wait.
    let address = serve(|request| {
        if request.number == 50 {
            std::thread::sleep(Duration::from_millis(200));
        }
        Reply::Send(accepted(request.number))
    });
    let options = LoadOptions { messages: 150, rate: 100.0, connections: 1, ..options(address) };
    let start = Instant::now();
    let summary = run(&options);
    whole(&summary);
    let took = start.elapsed().as_secs_f64();
    assert!((1.45..2.5).contains(&took), "{took}");
    assert!((90.0..110.0).contains(&summary.rate_achieved), "{}", summary.rate_achieved);
    assert!(summary.accept_ms.max >= 195.0, "{:?}", summary.accept_ms);
    assert!(summary.accept_ms.p90 >= 40.0, "the wait counts: {:?}", summary.accept_ms);
    assert!(summary.service_ms.p90 < 40.0, "the service alone was fast: {:?}", summary.service_ms);
    assert!(summary.lag_ms.p99 >= 100.0, "{:?}", summary.lag_ms);
}

#[test]
fn the_sender_itself_is_on_time() {
    let address = serve(|request| Reply::Send(accepted(request.number)));
    let options =
        LoadOptions { messages: 2_000, rate: 4_000.0, connections: 16, ..options(address) };
    let summary = run(&options);
    whole(&summary);
    assert_eq!(summary.accepted, 2_000);
    assert!((3_400.0..4_200.0).contains(&summary.rate_achieved), "{}", summary.rate_achieved);
    assert!(summary.lag_ms.p50 < 5.0, "{:?}", summary.lag_ms);
}

#[test]
fn refusals_are_counted_by_code_and_a_busy_gateway_is_asked_again() {
    let tries: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let address = serve(move |request| {
        let to = request.body["to"].as_str().unwrap().to_owned();
        let digit = to.chars().last().unwrap();
        let mut tries = tries.lock().unwrap();
        let count = tries.entry(to).or_default();
        *count += 1;
        Reply::Send(match digit {
            '1' => answer("400 Bad Request", "", r#"{"code":"invalid_to","status":400}"#),
            '2' => answer("401 Unauthorized", "", ""),
            '3' if *count < 3 => {
                answer("503 Busy", "Retry-After: 0\r\n", r#"{"code":"overloaded"}"#)
            }
            _ => accepted(request.number),
        })
    });
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("load.ndjson");
    let options = LoadOptions {
        messages: 100,
        connections: 4,
        ledger: Some(ledger.clone()),
        ..options(address)
    };
    let summary = run(&options);
    whole(&summary);
    assert_eq!((summary.accepted, summary.refused_total, summary.retried_503), (80, 20, 20));
    let expected = [("http_401".to_owned(), 10), ("invalid_to".to_owned(), 10)];
    assert_eq!(summary.refused, BTreeMap::from(expected));
    let written = lines(&ledger);
    let errors: Vec<_> = written.iter().filter(|line| line["k"] == "err").collect();
    assert_eq!(errors.len(), 20);
    assert!(errors.iter().any(|line| line["status"] == 400 && line["code"] == "invalid_to"));
    assert_eq!(written.iter().filter(|line| line["k"] == "req").count(), 100);
}

#[test]
fn a_gateway_that_stays_busy_is_given_up() {
    let busy = || answer("503 Busy", "Retry-After: 60\r\n", r#"{"code":"storage_full"}"#);
    let address = serve(move |_| Reply::Send(busy()));
    let options = LoadOptions { messages: 3, give_up_seconds: 2, ..options(address) };
    let start = Instant::now();
    let summary = run(&options);
    whole(&summary);
    assert_eq!(summary.refused, BTreeMap::from([("storage_full".to_owned(), 3)]));
    assert!(start.elapsed() < Duration::from_secs(5), "Retry-After is heeded up to a second");
    assert!((3..=9).contains(&summary.retried_503), "{}", summary.retried_503);
}

#[test]
fn a_broken_connection_before_the_answer_is_unacknowledged_and_not_sent_again() {
    let seen: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let into = Arc::clone(&seen);
    let address = serve(move |request| {
        let to = request.body["to"].as_str().unwrap().to_owned();
        *into.lock().unwrap().entry(to).or_default() += 1;
        match request.number % 10 {
            3 => Reply::Close,
            6 => Reply::SendAndClose("HTTP/1.1 202 Acc".to_owned()),
            8 => Reply::SendAndClose(closing(request.number)),
            _ => Reply::Send(accepted(request.number)),
        }
    });
    let options = LoadOptions { messages: 100, connections: 2, ..options(address) };
    let summary = run(&options);
    whole(&summary);
    assert_eq!((summary.accepted, summary.unacknowledged), (80, 20));
    let seen = seen.lock().unwrap();
    assert_eq!((seen.len(), seen.values().max()), (100, Some(&1)), "nothing is sent twice");
}

#[test]
fn an_answer_that_never_comes_times_out_as_unacknowledged() {
    let address = serve(|request| match request.number {
        0 => Reply::Hang,
        number => Reply::Send(accepted(number)),
    });
    let options =
        LoadOptions { messages: 10, connections: 2, timeout_seconds: 1, ..options(address) };
    let start = Instant::now();
    let summary = run(&options);
    whole(&summary);
    assert_eq!((summary.accepted, summary.unacknowledged), (9, 1));
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_gateway_that_restarts_while_connections_are_idle_loses_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Every answer is followed by an orderly end of the connection.
    serve_on(listener, |request| Reply::SendAndClose(accepted(request.number)));
    let options = LoadOptions { messages: 100, rate: 200.0, connections: 8, ..options(address) };
    let summary = run(&options);
    whole(&summary);
    assert_eq!((summary.accepted, summary.unacknowledged), (100, 0));
}

#[test]
fn an_unreachable_gateway_is_an_error_and_one_that_goes_away_is_a_result() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let never = LoadOptions { messages: 5, give_up_seconds: 1, ..options(closed) };
    let error = run_load_until(&never, &Stop::new()).unwrap_err().to_string();
    assert!(error.contains(&closed.to_string()), "{error}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        // One connection is served one answer; then nobody listens any more.
        let (stream, _) = listener.accept().unwrap();
        drop(listener);
        use std::io::{Read, Write};
        let mut stream = stream;
        let mut buffer = [0; 4096];
        assert!(stream.read(&mut buffer).unwrap() > 0);
        stream.write_all(accepted(0).as_bytes()).unwrap();
    });
    let options =
        LoadOptions { messages: 5, connections: 1, give_up_seconds: 1, ..options(address) };
    let summary = run(&options);
    whole(&summary);
    assert_eq!(summary.accepted, 1);
    assert!(summary.unsent >= 3 && summary.connect_errors >= 3, "{summary:?}");
}

#[test]
fn a_run_that_is_stopped_accounts_for_what_it_did() {
    let address = serve(|request| Reply::Send(accepted(request.number)));
    let options = LoadOptions { messages: 1_000_000, rate: 500.0, ..options(address) };
    let stop = Stop::new();
    let stopper = stop.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(600));
        stopper.stop();
    });
    let start = Instant::now();
    let summary = run_load_until(&options, &stop).unwrap();
    whole(&summary);
    assert!(start.elapsed() < Duration::from_secs(3));
    assert!((100..600).contains(&summary.accepted), "{}", summary.accepted);
}

#[test]
fn the_warm_up_is_sent_but_not_measured() {
    let address = serve(|request| {
        if request.number < 10 {
            std::thread::sleep(Duration::from_millis(30));
        }
        Reply::Send(accepted(request.number))
    });
    let options = LoadOptions { messages: 40, warmup: 10, connections: 1, ..options(address) };
    let summary = run(&options);
    assert_eq!((summary.accepted, summary.accept_ms.count), (40, 30));
    assert!(summary.accept_ms.max < 25.0, "{:?}", summary.accept_ms);
    assert!(summary.seconds < 0.25, "the warm-up alone took 0.3 s: {}", summary.seconds);
    let json: serde_json::Value = serde_json::from_str(&summary.render(true)).unwrap();
    assert_eq!(json["accept_ms"]["count"], 30);
    assert!(summary.render(false).contains("accepted        40 (80 parts)"));
}
