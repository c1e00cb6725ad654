//! The HTTP edge over real sockets: whole requests in order, limits, shutdown. The peer is a plain
//! blocking socket that sends what it is told, octet for octet.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod http_server;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use http_server::{Server, answers, is_closed, quick_limits, read_answer};
use postrider_shards::rt::{Driver, http::HttpLimits};

const DRIVERS: [Driver; 2] = [Driver::Uring, Driver::Poll];

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn a_megabyte_comes_back_whole_however_it_is_cut() {
    let limits = HttpLimits { max_body: 2 << 20, ..HttpLimits::default() };
    for driver in DRIVERS {
        let server = Server::start(driver, limits);
        let body: Vec<u8> = (0..1 << 20).map(|at: u32| (at * 31 + at / 255) as u8).collect();
        let mut plain = Vec::from(format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        plain.extend_from_slice(&body);
        let mut chunked =
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in body.chunks(6_007) {
            chunked.extend_from_slice(format!("{:x};ext=1\r\n", chunk.len()).as_bytes());
            chunked.extend_from_slice(chunk);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\nX-Trailer: dropped\r\n\r\n");
        let mut stream = server.connect();
        for (request, cut) in [(&plain, 10_007), (&chunked, 997), (&plain, 65_536), (&chunked, 37)]
        {
            for piece in request.chunks(cut) {
                stream.write_all(piece).unwrap();
            }
            let answer = read_answer(&mut stream).unwrap();
            assert_eq!(answer.status, 200);
            assert!(answer.body == body, "cut into {cut}: the echo differs");
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    for driver in DRIVERS {
        let server = Server::start(driver, HttpLimits::default());
        let mut stream = server.connect();
        let mut all = String::new();
        for number in 0..200 {
            let body = format!("number {number}");
            all += &format!(
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
        stream.write_all(all.as_bytes()).unwrap();
        for number in 0..200 {
            let answer = read_answer(&mut stream).unwrap();
            assert_eq!(answer.body, format!("number {number}").as_bytes());
        }
    }
}

#[test]
fn the_answer_carries_its_fields_and_the_request_its_own() {
    let server = Server::start(Driver::Auto, HttpLimits::default());
    let mut stream = server.connect();
    let request = "POST /fields?a=1&b=%20 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\n\
                   Content-Type: application/json\r\nX-Request-Id: mine-1\r\n\
                   Content-Length: 2\r\n\r\n{}";
    stream.write_all(request.as_bytes()).unwrap();
    let answer = read_answer(&mut stream).unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.field("content-type"), Some("application/problem+json"));
    assert_eq!(answer.field("retry-after"), Some("7"));
    assert_eq!(answer.field("allow"), Some("GET, POST"));
    assert_eq!(answer.field("location"), Some("/there"));
    assert_eq!(answer.field("x-request-id"), Some("mine-1"));
    assert!(answer.field("date").is_some());
    let told = String::from_utf8(answer.body).unwrap();
    assert_eq!(told, "POST /fields a=1&b=%20 Bearer k application/json {}");
}

#[test]
fn a_head_has_five_seconds_however_it_trickles() {
    let server = Server::start(Driver::Auto, quick_limits());
    let mut silent = server.connect();
    let mut slow = server.connect();
    let started = Instant::now();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ").unwrap();
    while started.elapsed() < Duration::from_secs(3) {
        std::thread::sleep(Duration::from_millis(50));
        if slow.write_all(b"x").is_err() {
            break;
        }
    }
    assert!(started.elapsed() < Duration::from_secs(2), "octets must not buy time");
    assert!(is_closed(&mut silent));
    assert_eq!(server.seen(), Vec::<String>::new());
}

#[test]
fn a_late_body_is_answered_and_closes() {
    let server = Server::start(Driver::Auto, quick_limits());
    let mut stream = server.connect();
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc").unwrap();
    let answer = read_answer(&mut stream).unwrap();
    assert_eq!(answer.status, 408);
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(is_closed(&mut stream));
}

#[test]
fn an_idle_connection_is_closed_and_a_used_one_is_not_before_its_time() {
    let server = Server::start(Driver::Auto, quick_limits());
    let mut stream = server.connect();
    let started = Instant::now();
    // Each request moves the idle deadline of 600 ms; the head's 300 ms must not count meanwhile.
    for _ in 0..4 {
        stream.write_all(get("/").as_bytes()).unwrap();
        assert_eq!(read_answer(&mut stream).unwrap().status, 200);
        std::thread::sleep(Duration::from_millis(400));
    }
    assert!(is_closed(&mut stream));
    let lived = started.elapsed();
    assert!(lived > Duration::from_millis(1700) && lived < Duration::from_secs(5), "{lived:?}");
}

#[test]
fn a_slow_handler_is_no_idle_connection() {
    let server = Server::start(Driver::Auto, quick_limits());
    let mut stream = server.connect();
    stream.write_all(get("/slow/1500").as_bytes()).unwrap();
    assert_eq!(read_answer(&mut stream).unwrap().status, 200);
}

#[test]
fn a_shutdown_answers_what_is_under_way_and_closes_the_rest() {
    for driver in DRIVERS {
        let server = Server::start(driver, HttpLimits::default());
        let mut fresh = server.connect();
        let mut idle = server.connect();
        idle.write_all(get("/").as_bytes()).unwrap();
        read_answer(&mut idle).unwrap();
        let mut busy = server.connect();
        busy.write_all(get("/slow/500").as_bytes()).unwrap();
        server.wait_until_seen(2);
        let started = Instant::now();
        server.stop();
        assert!(is_closed(&mut idle) && is_closed(&mut fresh));
        assert!(started.elapsed() < Duration::from_millis(400), "idle ones must not wait");
        let answer = read_answer(&mut busy).unwrap();
        assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
        assert!(is_closed(&mut busy));
        assert!(TcpStream::connect(server.addr).is_err());
    }
}

#[test]
fn a_body_too_large_is_refused_and_the_answer_reaches_a_peer_that_still_sends() {
    let server = Server::start(Driver::Auto, HttpLimits::default());
    for head in ["Content-Length: 70000", "Transfer-Encoding: chunked"] {
        let mut stream = server.connect();
        let start = format!("POST /echo HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n11170\r\n");
        stream.write_all(start.as_bytes()).unwrap();
        stream.write_all(&[b'x'; 69_900]).unwrap();
        assert_eq!(read_answer(&mut stream).unwrap().status, 413);
        assert!(is_closed(&mut stream));
    }
}

#[test]
fn a_body_cut_short_never_looks_whole() {
    let server = Server::start(Driver::Auto, HttpLimits::default());
    let mut stream = server.connect();
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400"), "{rest}");
    let mut next = server.connect();
    next.write_all(get("/").as_bytes()).unwrap();
    assert_eq!(read_answer(&mut next).unwrap().status, 200);
}

#[test]
fn requests_per_connection_are_counted() {
    let limits = HttpLimits { max_requests: 3, ..HttpLimits::default() };
    let server = Server::start(Driver::Auto, limits);
    let mut stream = server.connect();
    for number in 1..=3 {
        stream.write_all(get("/").as_bytes()).unwrap();
        let answer = read_answer(&mut stream).unwrap();
        assert_eq!(answer.field("connection") == Some("close"), number == 3);
    }
    assert!(is_closed(&mut stream));
}

#[test]
fn expectations_are_met_or_refused() {
    let server = Server::start(Driver::Auto, HttpLimits::default());
    let mut stream = server.connect();
    let head =
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let interim = read_answer(&mut stream).unwrap();
    assert_eq!(interim.status, 100);
    stream.write_all(b"ok").unwrap();
    assert_eq!(read_answer(&mut stream).unwrap().body, b"ok");
    let odd = head.replace("100-continue", "200-ok").replace("Content-Length: 2", "X: y");
    stream.write_all(odd.as_bytes()).unwrap();
    assert_eq!(read_answer(&mut stream).unwrap().status, 417);
    assert!(is_closed(&mut stream));
}

#[test]
fn head_requests_get_no_body_and_old_clients_are_closed_after_their_answer() {
    let server = Server::start(Driver::Auto, HttpLimits::default());
    let told = server.exchange(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(told.starts_with(b"HTTP/1.1 200 OK\r\n") && told.ends_with(b"\r\n\r\n"));
    let told = server.exchange(b"GET / HTTP/1.0\r\n\r\n");
    assert_eq!(answers(&told), [200]);
}

#[test]
fn a_whole_socket_of_octets_that_are_no_http_is_refused_and_the_server_lives() {
    let server = Server::start(Driver::Auto, HttpLimits::default());
    let mut seed = 12_345_u64;
    for _ in 0..200 {
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 56) as u8
        })
        .take(300)
        .chain(*b"\r\n\r\n")
        .collect();
        let told = server.exchange(&noise);
        assert!(answers(&told).iter().all(|status| *status == 400), "{}", told.escape_ascii());
    }
    assert_eq!(server.seen(), Vec::<String>::new());
    assert_eq!(answers(&server.exchange(b"GET / HTTP/1.0\r\n\r\n")), [200]);
}
