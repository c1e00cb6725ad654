//! What the guard lets pass and where it stops believing; pure.

#![allow(clippy::indexing_slicing, reason = "tests")]

use super::Guard;

/// Feeds `stream` whole and octet by octet; both must tell the same, the second perhaps sooner.
fn believed(stream: &[u8]) -> Result<Guard, usize> {
    let mut whole = Guard::new();
    let told = whole.feed(stream);
    let mut single = Guard::new();
    for (at, byte) in stream.iter().enumerate() {
        if let Err(more) = single.feed(std::slice::from_ref(byte)) {
            assert_eq!(more, 0);
            assert!(told.is_err_and(|end| at <= end), "{}", stream.escape_ascii());
            return told.map(|()| single);
        }
    }
    assert_eq!(told, Ok(()), "{}", stream.escape_ascii());
    Ok(single)
}

#[track_caller]
fn passes(stream: &[u8]) {
    match believed(stream) {
        Ok(guard) => assert!(guard.is_between(), "{}", stream.escape_ascii()),
        Err(at) => panic!("refused at {at}: {}", stream.escape_ascii()),
    }
}

#[track_caller]
fn refused_after(stream: &[u8], expected: &[u8]) {
    let Err(at) = believed(stream) else { panic!("passed: {}", stream.escape_ascii()) };
    assert_eq!(stream[..at].escape_ascii().to_string(), expected.escape_ascii().to_string());
}

#[test]
fn well_formed_requests_pass_in_a_row() {
    passes(
        b"POST /m HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab\ncd\
          GET /m HTTP/1.1\r\nhost:a\r\n\r\n\
          POST /m HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n\
          3\r\na\r\n\r\nA;x=y\r\n0123456789\r\n0\r\nX-T: v\r\n\r\n\
          \r\nPOST http://a/m HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
    );
}

#[test]
fn the_octet_that_ends_a_bad_head_is_not_believed() {
    refused_after(b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r");
    refused_after(b"GET / HTTP/1.1\nHost: a\r\n\r\n", b"GET / HTTP/1.1");
    refused_after(
        b"GET / HTTP/1.1\r\nHost: a\r\n fold\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n fold\r",
    );
}

#[test]
fn every_ambiguous_length_is_refused() {
    for fields in [
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: 1\r\nContent-Length: 1",
        "Content-Length: +1",
        "Content-Length: 01",
        "Content-Length: 0x1",
        "Content-Length: 1 1",
        "Content-Length: 1,1",
        "Content-Length: -1",
        "Content-Length:",
        "Content-Length: 9999999999999999999",
        "Content-Length : 1",
        " Content-Length: 1",
        "Content-Length: 1\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 1",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding\t: chunked",
        "Transfer-Encoding: \"chunked\"",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        assert!(believed(request.as_bytes()).is_err(), "{request}");
    }
    assert!(believed(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
}

#[test]
fn chunks_leave_no_choice() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let long = format!("1;{}\r\na\r\n0\r\n\r\n", "e".repeat(300));
    for body in [
        "0x1\r\na\r\n0\r\n\r\n",
        "+1\r\na\r\n0\r\n\r\n",
        "1 \r\na\r\n0\r\n\r\n",
        " 1\r\na\r\n0\r\n\r\n",
        "1_0\r\na\r\n0\r\n\r\n",
        "\r\na\r\n0\r\n\r\n",
        "g\r\na\r\n0\r\n\r\n",
        "100000000\r\na\r\n0\r\n\r\n",
        "1\na\r\n0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "1;a\rb\r\na\r\n0\r\n\r\n",
        "0\r\nX: y\n\r\n",
        "0\r\n bad: y\r\n\r\n",
        long.as_str(),
    ] {
        assert!(believed(format!("{head}{body}").as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn a_head_longer_than_hyper_takes_is_left_to_hyper() {
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    assert!(believed(long.as_bytes()).is_ok());
    let trailers = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    assert!(Guard::new().feed(trailers.as_bytes()).is_err());
}
