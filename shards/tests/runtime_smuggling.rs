//! Raw requests that two parsers may read in two ways, against the HTTP edge: each must be refused
//! and the connection closed, or read in the only way there is. RFC 9112 sections 2 to 7.

#![allow(clippy::unwrap_used, reason = "tests")]

mod http_server;

use std::{io::Write, time::Duration};

use http_server::{Server, answers, read_answer};
use postrider_shards::rt::{Driver, http::HttpLimits};

/// The request that must never be reached as one of its own.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Heads and bodies that must be refused with 400: (name, octets after the request line).
const BAD_FRAMING: &[(&str, &str)] = &[
    ("CL and TE", "Host: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX"),
    ("TE and CL", "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nX"),
    ("CL twice, differing", "Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    ("CL twice, equal", "Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"),
    ("CL as a list", "Host: a\r\nContent-Length: 1, 1\r\n\r\na"),
    ("CL with plus", "Host: a\r\nContent-Length: +1\r\n\r\na"),
    ("CL with minus", "Host: a\r\nContent-Length: -1\r\n\r\na"),
    ("CL with space inside", "Host: a\r\nContent-Length: 1 0\r\n\r\n0123456789"),
    ("CL in hex", "Host: a\r\nContent-Length: 0x1\r\n\r\na"),
    ("CL with leading zero", "Host: a\r\nContent-Length: 01\r\n\r\na"),
    ("CL empty", "Host: a\r\nContent-Length: \r\n\r\n"),
    ("CL beyond 64 bits", "Host: a\r\nContent-Length: 18446744073709551617\r\n\r\na"),
    ("CL in full-width digits", "Host: a\r\nContent-Length: \u{ff11}\r\n\r\na"),
    ("space before colon", "Host: a\r\nContent-Length : 1\r\n\r\na"),
    ("tab before colon", "Host: a\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    ("TE unknown", "Host: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("TE identity", "Host: a\r\nTransfer-Encoding: identity\r\n\r\n"),
    ("TE chunked not last", "Host: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    ("TE with gzip", "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("TE twice in one", "Host: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    (
        "TE twice",
        "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "TE twice, second unknown",
        "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n",
    ),
    ("TE quoted", "Host: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    ("TE with vertical tab", "Host: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    ("obs-fold", "Host: a\r\nX: y\r\n Content-Length: 1\r\n\r\na"),
    ("obs-fold in TE", "Host: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    ("first field folded", " Host: a\r\nHost: a\r\n\r\n"),
    ("bare LF after a field", "Host: a\nContent-Length: 1\r\n\r\na"),
    ("bare LF ends the head", "Host: a\r\nContent-Length: 1\r\n\na"),
    ("bare CR in a value", "Host: a\r\nX: y\rContent-Length: 1\r\n\r\na"),
    ("bare CR ends the head", "Host: a\r\n\rX: y\r\n\r\n"),
    ("NUL in a value", "Host: a\r\nX: a\0b\r\n\r\n"),
    ("NUL in a name", "Host: a\r\nX\0: b\r\n\r\n"),
    ("control in a value", "Host: a\r\nX: a\x01b\r\n\r\n"),
    ("no colon", "Host: a\r\nContent-Length 1\r\n\r\na"),
    ("empty name", "Host: a\r\n: 1\r\n\r\n"),
    ("no Host", "X: y\r\n\r\n"),
    ("Host empty", "Host: \r\n\r\n"),
    ("Host twice", "Host: a\r\nHost: b\r\n\r\n"),
    ("Host with a path", "Host: a/b\r\n\r\n"),
    ("Host with a user", "Host: u@a\r\n\r\n"),
    ("Host as a list", "Host: a, b\r\n\r\n"),
    ("chunk size signed", "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n"),
    ("chunk size 0x", "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n"),
    ("chunk size with space", "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n"),
    (
        "chunk size with underscore",
        "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    ),
    (
        "chunk size overflows",
        "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n0\r\n\r\n",
    ),
    ("chunk size empty", "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\na\r\n0\r\n\r\n"),
    ("chunk size ends in LF", "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n"),
    (
        "LF in a chunk extension",
        "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nb\r\na\r\n0\r\n\r\n",
    ),
    ("chunk data ends in LF", "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n"),
    ("chunk data too long", "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n"),
    ("trailer ends in LF", "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n"),
];

/// Request lines, and whole heads, that must be refused with 400.
const BAD_START: &[(&str, &str)] = &[
    ("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("tab for space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("space before the method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("HTTP/0.9", "GET /\r\n\r\n"),
    ("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    ("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n"),
    ("target without slash", "GET smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    ("NUL in the target", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("request line ends in LF", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
    ("two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("LF first", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("TE on HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("absolute form, other Host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("GET with a body", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na"),
    (
        "HEAD with chunks",
        "HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("DELETE with a body", "DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na"),
];

fn refused(server: &Server, name: &str, raw: &str) {
    let told = server.exchange(format!("{raw}{SMUGGLED}").as_bytes());
    assert_eq!(answers(&told), [400], "{name}: {}", told.escape_ascii());
}

#[test]
fn what_can_be_framed_in_two_ways_is_refused_and_nothing_after_it_is_read() {
    let server = Server::start(Driver::Auto, HttpLimits::default());
    for (name, rest) in BAD_FRAMING {
        refused(&server, name, &format!("POST /victim HTTP/1.1\r\n{rest}"));
    }
    for (name, raw) in BAD_START {
        refused(&server, name, raw);
    }
    let long = "e".repeat(300);
    let chunk = format!("1;{long}\r\na\r\n0\r\n\r\n");
    let head = "POST /victim HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    refused(&server, "long chunk extension", &format!("{head}{chunk}"));
    let smuggled = |seen: &String| seen.ends_with("/smuggled");
    assert!(!server.seen().iter().any(smuggled), "{:?}", server.seen());
}

/// Cut into single octets with pauses, so that every place is the end of some read.
#[test]
fn cutting_a_bad_request_into_octets_changes_nothing() {
    let server = Server::start(Driver::Auto, HttpLimits::default());
    for (name, rest) in [
        ("CL and TE", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX"),
        ("bare LF", "X: y\nContent-Length: 1\r\n\r\na"),
        ("chunk size with space", "Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n"),
    ] {
        let mut stream = server.connect();
        let raw = format!("POST /victim HTTP/1.1\r\nHost: a\r\n{rest}{SMUGGLED}");
        for octet in raw.as_bytes() {
            if stream.write_all(std::slice::from_ref(octet)).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_micros(300));
        }
        assert_eq!(read_answer(&mut stream).unwrap().status, 400, "{name}");
        assert!(http_server::is_closed(&mut stream), "{name}");
    }
    assert!(!server.seen().iter().any(|seen| seen.ends_with("/smuggled")));
}

#[test]
fn requests_before_a_bad_one_are_answered_first() {
    let server = Server::start(Driver::Auto, HttpLimits::default());
    let good = "POST /slow/50 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na";
    let told = server.exchange(format!("{good}{good}GET / HTTP/1.1\r\n\r\n{SMUGGLED}").as_bytes());
    assert_eq!(answers(&told), [200, 200, 400]);
}

#[test]
fn what_is_odd_and_has_one_meaning_is_read_in_that_meaning() {
    let server = Server::start(Driver::Auto, HttpLimits::default());
    for (name, raw) in [
        (
            "one empty line first",
            "\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok",
        ),
        ("absolute form", "POST http://a/echo HTTP/1.1\r\nHost: A\r\nContent-Length: 2\r\n\r\nok"),
        ("tab around a value", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length:\t2\t\r\n\r\nok"),
        (
            "chunked, upper case, extension, trailer",
            "POST /echo HTTP/1.1\r\nHost: a\r\ntransfer-encoding: Chunked\r\n\r\n\
             1;x=\"y\"\r\no\r\n01\r\nk\r\n0\r\nContent-Length: 9\r\n\r\n",
        ),
        (
            "a body that looks like a request",
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 39\r\n\r\n\
             GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\nokok",
        ),
    ] {
        let told = server.exchange(format!("{raw}GET /after HTTP/1.0\r\n\r\n").as_bytes());
        assert_eq!(answers(&told), [200, 200], "{name}: {}", told.escape_ascii());
        assert!(String::from_utf8(told).unwrap().contains("ok"), "{name}");
    }
    assert!(!server.seen().iter().any(|seen| seen.ends_with("/smuggled")));
}

#[test]
fn heads_beyond_the_limits_say_which() {
    let server = Server::start(Driver::Auto, HttpLimits::default());
    let many = "X: y\r\n".repeat(64);
    let big = "y".repeat(17 * 1024);
    let target = "t".repeat(5_000);
    for (status, raw) in [
        (431, format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")),
        (431, format!("GET / HTTP/1.1\r\nHost: a\r\nX: {big}\r\n\r\n")),
        (414, format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n")),
    ] {
        let told = server.exchange(format!("{raw}{SMUGGLED}").as_bytes());
        assert_eq!(answers(&told), [status]);
    }
    assert_eq!(server.seen(), Vec::<String>::new());
    let fits = "X: y\r\n".repeat(63);
    let told = server.exchange(format!("GET / HTTP/1.0\r\nHost: a\r\n{fits}\r\n").as_bytes());
    assert_eq!(answers(&told), [200]);
}
