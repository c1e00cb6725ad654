//! Bad requests as raw octets against a living gateway: each gets its refusal, and after each the
//! gateway takes a good message, which reaches its end. Test code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod hostile;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hostile::carrier::GoodCarrier;
use hostile::requests::{ID, Row, Want, table, with};
use hostile::{
    Answer, Gateway, KEY, OTHER_KEY, await_final, carrier_text, connect, exchange, get, post,
    read_answer, route_text, submit,
};
use serde_json::Value;

/// Checks everything that a problem document must be.
fn check_problem(name: &str, answer: &Answer, status: u16, code: &str, param: Option<&str>) {
    assert_eq!(answer.status, status, "{name}: {answer:?}");
    assert_eq!(answer.field("content-type"), Some("application/problem+json"), "{name}");
    let document = answer.json();
    assert_eq!(document["code"], code, "{name}: {document:#}");
    assert_eq!(document["status"], status, "{name}");
    assert_eq!(document["param"], param.map_or(Value::Null, Value::from), "{name}");
    assert_eq!(document["type"], format!("https://postrider.dev/problems/{code}"), "{name}");
    for member in ["title", "detail", "request_id"] {
        assert!(document[member].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
    assert_eq!(document.as_object().unwrap().len(), 7, "{name}");
    assert_eq!(answer.field("x-request-id"), document["request_id"].as_str(), "{name}");
    let challenge = (status == 401).then_some("Bearer realm=\"postrider\"");
    assert_eq!(answer.field("www-authenticate"), challenge, "{name}");
    assert_eq!(answer.field("allow").is_some(), status == 405, "{name}");
    assert!(!answer.text().contains(KEY), "{name} repeats the key");
}

fn check(at: SocketAddr, row: &Row) {
    let mut exchange = exchange(at, &row.raw);
    let name = &row.name;
    let answer = exchange.answer.take().unwrap_or_else(|| panic!("{name}: closed without a word"));
    match &row.want {
        Want::Problem(status, code, param) => {
            check_problem(name, &answer, *status, code, param.as_deref());
            assert_ne!(answer.field("connection"), Some("close"), "{name}");
        }
        Want::LastProblem(status, code) => {
            check_problem(name, &answer, *status, code, None);
            assert!(exchange.is_closed(), "{name}: not closed");
        }
        Want::Bare(status) => {
            assert_eq!((answer.status, answer.body.len()), (*status, 0), "{name}: {answer:?}");
            assert!(exchange.is_closed(), "{name}: not closed");
        }
        Want::Empty(status) => {
            assert_eq!((answer.status, answer.body.len()), (*status, 0), "{name}: {answer:?}");
        }
    }
}

/// Heads and bodies that do not come: name, what is sent, what is answered.
fn slow_rows() -> [(&'static str, String, Option<u16>); 3] {
    let head = String::from_utf8(post(KEY, b"")).unwrap();
    let body = head.replace("Content-Length: 0", "Content-Length: 100");
    [
        ("half a head", "POST /api/v1/messages HTTP/1.1\r\nHo".to_owned(), None),
        ("nothing at all", String::new(), None),
        ("a body that stops", format!("{body}{{\"to\":"), Some(408)),
    ]
}

fn check_slow(at: SocketAddr, name: &str, sent: &str, status: Option<u16>) {
    let started = Instant::now();
    let mut stream = connect(at);
    stream.write_all(sent.as_bytes()).unwrap();
    match (status, read_answer(&mut stream, false)) {
        (Some(status), Some(answer)) => {
            check_problem(name, &answer, status, "request_timeout", None);
        }
        (None, None) => {}
        (wanted, answer) => panic!("{name}: wanted {wanted:?}, got {answer:?}"),
    }
    println!("{name}: ended after {:?}", started.elapsed());
}

/// The peer's side ends within the body: whatever is answered, nothing is accepted.
fn check_broken_body(at: SocketAddr) {
    let head = String::from_utf8(post(KEY, b"")).unwrap();
    let head = head.replace("Content-Length: 0", "Content-Length: 100");
    let mut stream = connect(at);
    stream.write_all(format!("{head}{}", with("body", "\"hi\"")).as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    if let Some(answer) = read_answer(&mut stream, false) {
        check_problem("a body that breaks off", &answer, 400, "bad_request", None);
    }
}

/// Octet by octet, and slower than the limit although never silent.
fn check_trickle(at: SocketAddr) {
    let started = Instant::now();
    let mut stream = connect(at);
    let raw = get(KEY, "/api/v1/messages?limit=1");
    for octet in raw.iter().cycle() {
        if stream.write_all(std::slice::from_ref(octet)).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
        assert!(started.elapsed() < Duration::from_secs(20), "a trickling head is never ended");
    }
    println!("a head of five octets a second: ended after {:?}", started.elapsed());
}

/// A customer sees nothing of another: not by id, not in lists, not through a cursor.
fn check_tenants(at: SocketAddr, own: &[(&str, String)]) {
    let read = |key: &str, id: &str| {
        let raw = String::from_utf8(get(key, &format!("/api/v1/messages/{id}"))).unwrap();
        let raw = raw.replace("Host: a\r\n", "Host: a\r\nX-Request-Id: same\r\n");
        exchange(at, raw.as_bytes()).answer.unwrap()
    };
    let unknown = read(OTHER_KEY, ID);
    check_problem("an unknown id", &unknown, 404, "not_found", None);
    assert_eq!(unknown.json()["request_id"], "same");
    let (_, own_id) = own.iter().find(|(key, _)| *key == KEY).unwrap();
    assert_eq!(read(KEY, own_id).status, 200);
    for (key, id) in own {
        let stranger = if *key == KEY { OTHER_KEY } else { KEY };
        let foreign = read(stranger, id);
        assert_eq!((foreign.status, &foreign.body), (404, &unknown.body), "{id}");
        assert_eq!(foreign.head_without_date(), unknown.head_without_date(), "{id}");
    }
    let list = |key: &str, query: &str| {
        let raw = get(key, &format!("/api/v1/messages?limit=1000{query}"));
        exchange(at, &raw).answer.unwrap().json()
    };
    let page = |key: &str, query: &str| -> BTreeSet<String> {
        let document = list(key, query);
        let items = document["data"].as_array().unwrap().iter();
        items.map(|item| item["message_id"].as_str().unwrap().to_owned()).collect()
    };
    for key in [KEY, OTHER_KEY] {
        let mine = own.iter().filter(|(owner, _)| *owner == key).map(|(_, id)| id.clone());
        assert_eq!(page(key, ""), mine.collect::<BTreeSet<String>>());
    }
    let short = get(KEY, "/api/v1/messages?limit=2");
    let short = exchange(at, &short).answer.unwrap().json();
    let cursor = short["next_cursor"].as_str().unwrap();
    let through = page(OTHER_KEY, &format!("&cursor={cursor}"));
    let foreign = own.iter().filter(|(owner, id)| *owner == KEY && through.contains(id));
    assert_eq!(foreign.count(), 0, "a foreign cursor shows foreign messages");
}

#[test]
fn bad_requests_are_refused_and_every_message_accepted_between_them_arrives() {
    let carrier = GoodCarrier::start();
    let text = carrier_text("good", carrier.at) + &route_text("", &["good"]);
    let mut gateway = Gateway::start(&text);
    let at = gateway.http;
    let mut slow = vec![std::thread::spawn(move || check_trickle(at))];
    slow.extend(slow_rows().map(|(name, sent, status)| {
        std::thread::spawn(move || check_slow(at, name, &sent, status))
    }));
    let rows = table();
    let mut accepted = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        check(at, row);
        gateway.assert_alive();
        let key = if number % 5 == 0 { OTHER_KEY } else { KEY };
        accepted.push((key, submit_short(at, key, number)));
    }
    check_broken_body(at);
    let slow_count = slow.len() + 1;
    slow.into_iter().for_each(|row| row.join().unwrap());
    accepted.push((KEY, submit(at, KEY, "447400999999")));
    let ends = await_final(at, &accepted);
    check_tenants(at, &accepted);
    let taken = carrier.taken();
    let twice = taken.values().filter(|times| **times != 1).count();
    println!(
        "{} bad requests, {slow_count} slow or broken ones, {} messages accepted between them, ends {ends:?}, \
         {} taken by the carrier, lost {}, taken twice {twice}",
        rows.len(),
        accepted.len(),
        taken.len(),
        accepted.len() - taken.len(),
    );
    assert!(rows.len() >= 60);
    assert_eq!(ends["delivered"], accepted.len());
    assert_eq!((taken.len(), twice), (accepted.len(), 0));
    assert_eq!(gateway.metric("postrider_messages_accepted_total", ""), accepted.len() as u64);
    gateway.stop();
}

fn submit_short(at: SocketAddr, key: &str, number: usize) -> String {
    submit(at, key, &format!("447400{number:06}"))
}
