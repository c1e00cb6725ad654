//! The webhook sink over a real socket: one sink per test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::{lines, loopback, start_sink};
use postrider_http::webhook::sign;
use postrider_loadgen::sink::SinkOptions;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn options() -> SinkOptions {
    SinkOptions { listen: loopback(), secret: Some(SECRET.into()), ..SinkOptions::default() }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn body(id: &str, status: &str) -> String {
    format!(
        r#"{{"type":"message.{status}","timestamp":"2026-01-01T00:00:00.000Z","data":{{"message_id":"{id}","status":"{status}","to":"+447700900123"}}}}"#
    )
}

/// A signed POST as octets.
fn post(webhook_id: &str, timestamp_s: u64, signed: &str, sent: &str) -> Vec<u8> {
    let secret = sign::parse_secret(SECRET).unwrap();
    let mut head = format!("POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n", sent.len());
    for (name, value) in sign::signed_fields(&secret, webhook_id, timestamp_s, signed.as_bytes()) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{head}\r\n{sent}").into_bytes()
}

fn statuses(stream: &mut TcpStream, count: usize) -> Vec<u16> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while text.matches("HTTP/1.1 ").count() < count || !text.ends_with("\r\n\r\n") {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    let lines = text.split("\r\n").filter_map(|line| line.strip_prefix("HTTP/1.1 "));
    lines.map(|line| line[..3].parse().unwrap()).collect()
}

#[test]
fn only_a_good_signature_over_the_very_octets_and_time_counts() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("sink.ndjson");
    let sink = start_sink(SinkOptions { ledger: Some(ledger.clone()), ..options() });
    let mut stream = TcpStream::connect(sink.addresses[0]).unwrap();
    let good = body("m-1", "delivered");
    let requests = [
        post("msg_1", now_s(), &good, &good),
        post("msg_2", now_s(), &good, &body("m-2", "delivered")),
        post("msg_3", now_s() - 600, &good, &good),
        format!("POST /hook HTTP/1.1\r\nContent-Length: {}\r\n\r\n{good}", good.len()).into_bytes(),
        post("msg_5", now_s(), "{}", "{}"),
        post("msg_6", now_s(), &body("m-6", "expired"), &body("m-6", "expired")),
    ];
    // One connection, in pieces that end anywhere.
    for octets in requests.concat().chunks(97) {
        stream.write_all(octets).unwrap();
    }
    assert_eq!(statuses(&mut stream, 6), [204, 401, 401, 401, 400, 204]);
    sink.finish();
    let written = lines(&ledger);
    let found: Vec<_> = written
        .iter()
        .map(|line| {
            assert_eq!(line["k"], "hook");
            let text = |key: &str| line[key].as_str().unwrap();
            (text("wid"), text("id"), text("st"), line["ok"].as_bool().unwrap())
        })
        .collect();
    let expected = [
        ("msg_1", "m-1", "delivered", true),
        ("msg_2", "m-2", "delivered", false),
        ("msg_3", "m-1", "delivered", false),
        ("", "m-1", "delivered", false),
        ("msg_6", "m-6", "expired", true),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_share_fails_the_first_time_and_never_the_second() {
    let sink = start_sink(SinkOptions { fail_ppm: 300_000, ..options() });
    let mut stream = TcpStream::connect(sink.addresses[0]).unwrap();
    let mut round = || {
        let text = body("m", "delivered");
        let all: Vec<u8> =
            (0..200).flat_map(|n| post(&format!("msg_{n}"), now_s(), &text, &text)).collect();
        stream.write_all(&all).unwrap();
        statuses(&mut stream, 200)
    };
    let first = round();
    let failed = first.iter().filter(|status| **status == 500).count();
    assert!((35..90).contains(&failed), "{failed} of 200 failed at 30 %");
    assert!(first.iter().all(|status| matches!(status, 500 | 204)));
    let second = round();
    let both =
        first.iter().zip(&second).filter(|(first, second)| **first == 500 && **second == 500);
    assert_eq!(both.count(), 0);
    sink.finish();
}

#[test]
fn answers_wait_as_long_as_asked() {
    let sink = start_sink(SinkOptions { delay_ms: 120, ..options() });
    let mut stream = TcpStream::connect(sink.addresses[0]).unwrap();
    let text = body("m", "delivered");
    let start = Instant::now();
    stream.write_all(&post("msg_1", now_s(), &text, &text)).unwrap();
    assert_eq!(statuses(&mut stream, 1), [204]);
    let took = start.elapsed();
    assert!((Duration::from_millis(120)..Duration::from_millis(500)).contains(&took), "{took:?}");
    sink.finish();
}

#[test]
fn without_a_secret_everything_is_answered_and_nothing_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("sink.ndjson");
    let options = SinkOptions { secret: None, ledger: Some(ledger.clone()), ..options() };
    let sink = start_sink(options);
    let mut stream = TcpStream::connect(sink.addresses[0]).unwrap();
    let text = body("m", "delivered");
    stream.write_all(&post("msg_1", now_s(), &text, &text)).unwrap();
    assert_eq!(statuses(&mut stream, 1), [204]);
    sink.finish();
    assert_eq!(lines(&ledger)[0]["ok"], false);
}

#[test]
fn nonsense_closes_its_connection_and_no_other() {
    let sink = start_sink(options());
    let mut bad = TcpStream::connect(sink.addresses[0]).unwrap();
    let mut good = TcpStream::connect(sink.addresses[0]).unwrap();
    bad.write_all(b"\x16\x03\x01 hello\r\n\r\n").unwrap();
    let mut answer = String::new();
    bad.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let text = body("m", "delivered");
    good.write_all(&post("msg_1", now_s(), &text, &text)).unwrap();
    assert_eq!(statuses(&mut good, 1), [204]);
    sink.finish();
}

#[test]
fn a_secret_that_is_none_is_an_error() {
    let options = SinkOptions { secret: Some("hunter2".into()), ..options() };
    let stop = postrider_loadgen::stop::Stop::new();
    let error = postrider_loadgen::sink::serve_sink(&options, &stop, |_| Ok(())).unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("--secret") && !error.contains("hunter2"), "{error}");
}
