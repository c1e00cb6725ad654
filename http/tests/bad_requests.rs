//! Bad requests, one row each: what is sent, and the status, code and field of the refusal. Pure,
//! lives nowhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{ID, get, post, post_as, refusal, request};

/// A row: the request's body, then status, code and param of the refusal.
type BodyRow<'a> = (&'a [u8], u16, &'a str, Option<&'a str>);

fn check_bodies(rows: &[BodyRow<'_>]) {
    for &(body, status, code, param) in rows {
        let problem = refusal(post(body));
        let shown = String::from_utf8_lossy(body);
        assert_eq!(problem.code.name(), code, "{shown}: {}", problem.detail);
        assert_eq!(problem.status(), status, "{shown}");
        assert_eq!(problem.param.as_deref(), param, "{shown}");
    }
}

#[test]
fn bodies_that_are_not_json() {
    const CODE: &str = "invalid_json";
    check_bodies(&[
        (b"", 400, CODE, None),
        (b" ", 400, CODE, None),
        (b"{", 400, CODE, None),
        (b"{}}", 400, CODE, None),
        (b"{} {}", 400, CODE, None),
        (b"hello", 400, CODE, None),
        (b"{'to':'447400123456'}", 400, CODE, None),
        (b"{to:\"447400123456\"}", 400, CODE, None),
        (br#"{"to":"447400123456",}"#, 400, CODE, None),
        (br#"{"to":"447400123456" "from":"ACME"}"#, 400, CODE, None),
        (br#"{"to":NaN}"#, 400, CODE, None),
        (br#"{"to":True}"#, 400, CODE, None),
        (br#"{"validity_period":01}"#, 400, CODE, None),
        (br#"{"validity_period":+1}"#, 400, CODE, None),
        (br#"{"validity_period":1e999}"#, 400, CODE, None),
        (br#"{"body":"\x41"}"#, 400, CODE, None),
        (br#"{"body":"unterminated}"#, 400, CODE, None),
        (b"{\"body\":\"raw\nnewline\"}", 400, CODE, None),
        (b"{\"body\":\"raw\0nul\"}", 400, CODE, None),
        (br#"{"body":"\ud83d"}"#, 400, CODE, None),
        (br#"{"body":"\ude00"}"#, 400, CODE, None),
        (br#"{"body":"\ud83d\u0041"}"#, 400, CODE, None),
        (br#"{"body":"\ude00\ud83d"}"#, 400, CODE, None),
        (br#"{"\ud83d":"a"}"#, 400, CODE, None),
        (b"{\"body\":\"\xff\"}", 400, CODE, None),
        (b"{\"body\":\"\xc3\"}", 400, CODE, None),
        (b"{\"body\":\"\xc0\x80\"}", 400, CODE, None),
        (b"{\"body\":\"\xed\xa0\x80\"}", 400, CODE, None),
        (b"{\"body\":\"\xf4\x90\x80\x80\"}", 400, CODE, None),
        (b"\xef\xbb\xbf{}", 400, CODE, None),
        (b"\xff\xfe{\0}\0", 400, CODE, None),
        (b"to=447400123456&from=ACME&body=hi", 400, CODE, None),
    ]);
    let deep = [b"{\"body\":".as_slice(), &[b'['; 1_000]].concat();
    check_bodies(&[(&deep, 400, CODE, None)]);
}

#[test]
fn bodies_that_are_not_an_object() {
    check_bodies(&[
        (b"[]", 400, "invalid_type", Some("")),
        (b"null", 400, "invalid_type", Some("")),
        (b"\"text\"", 400, "invalid_type", Some("")),
        (b"17", 400, "invalid_type", Some("")),
        (b"true", 400, "invalid_type", Some("")),
    ]);
}

#[test]
fn fields_that_are_unknown_doubled_or_missing() {
    check_bodies(&[
        (b"{}", 400, "missing_field", Some("/from")),
        (br#"{"from":"ACME"}"#, 400, "missing_field", Some("/to")),
        (br#"{"from":"ACME","to":"447400123456"}"#, 400, "missing_field", Some("/body")),
        (br#"{"to":"447400123456","body":"hi"}"#, 400, "missing_field", Some("/from")),
        (br#"{"To":"447400123456"}"#, 400, "unknown_field", Some("/To")),
        (br#"{"status":"delivered"}"#, 400, "unknown_field", Some("/status")),
        (br#"{"customer":1}"#, 400, "unknown_field", Some("/customer")),
        (br#"{"":1}"#, 400, "unknown_field", Some("/")),
        (br#"{"a/b~c":1}"#, 400, "unknown_field", Some("/a~1b~0c")),
        (br#"{"\u0074o ":1}"#, 400, "unknown_field", Some("/to ")),
        (br#"{"__proto__":{}}"#, 400, "unknown_field", Some("/__proto__")),
        (br#"{"to":"447400123456","to":"447400123456"}"#, 400, "duplicate_field", Some("/to")),
        (br#"{"to":"1","\u0074o":"2"}"#, 400, "duplicate_field", Some("/to")),
        (br#"{"body":null,"body":"hi"}"#, 400, "duplicate_field", Some("/body")),
    ]);
    let name = "n".repeat(500);
    let body = format!("{{\"{name}\":1}}");
    let shortened = format!("/{}…", "n".repeat(64));
    check_bodies(&[(body.as_bytes(), 400, "unknown_field", Some(&shortened))]);
}

/// Replaces one field of a good request.
fn with(name: &str, value: &str) -> Vec<u8> {
    let mut fields = vec![
        ("from", "\"ACME\"".to_owned()),
        ("to", "\"+447400123456\"".to_owned()),
        ("body", "\"hi\"".to_owned()),
    ];
    fields.retain(|field| field.0 != name);
    fields.push((name, value.to_owned()));
    let members: Vec<_> =
        fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(",")).into_bytes()
}

fn check_values(name: &str, code: &str, values: &[&str]) {
    for value in values {
        let body = with(name, value);
        check_bodies(&[(&body, 400, code, Some(&format!("/{name}")))]);
    }
}

#[test]
fn fields_of_the_wrong_type() {
    const CODE: &str = "invalid_type";
    for name in ["from", "to", "body"] {
        check_values(name, CODE, &["null", "447400123456", "true", "[]", "{}", "[\"a\"]", "1.5"]);
    }
    check_values("webhook_url", CODE, &["1", "false", "[]", "{\"url\":\"https://a.example/\"}"]);
    check_values("dry_run", CODE, &["1", "\"true\"", "[]"]);
    check_values("duplicate", CODE, &["1", "false", "[\"avoid\"]"]);
    check_values("client_reference", CODE, &["1", "-1", "true", "[[[]]]"]);
    let periods = ["\"60\"", "60.0", "6e1", "-60", "true", "[60]", "18446744073709551616"];
    check_values("validity_period", CODE, &periods);
}

#[test]
fn destinations_that_are_no_numbers() {
    let values = [
        "\"\"",
        "\"+\"",
        "\"123456\"",
        "\"1234567890123456\"",
        "\"0447400123456\"",
        "\"+0447400123456\"",
        "\"00447400123456\"",
        "\"++447400123456\"",
        "\"447400123456+\"",
        "\"+44 7400 123456\"",
        "\"+44(0)7400123456\"",
        "\"+44-7400-123456\"",
        "\" 447400123456\"",
        "\"447400123456\\n\"",
        "\"447400123456\\u0000\"",
        "\"44740012345a\"",
        "\"٤٤٧٤٠٠١٢٣٤٥٦\"",
        "\"４４７４００１２３４５６\"",
        "\"\\u200e447400123456\"",
        "\"tel:+447400123456\"",
        "\"ACME\"",
    ];
    check_values("to", "invalid_to", &values);
}

#[test]
fn senders_that_are_none() {
    let values = [
        "\"\"",
        "\"12\"",
        "\"+12\"",
        "\"+1234567890123456\"",
        "\"TWELVE-CHARS\"",
        "\" ACME\"",
        "\"ACME \"",
        "\"a@b\"",
        "\"Ærø\"",
        "\"AC\\u0000ME\"",
        "\"AC\\nME\"",
        "\"😀\"",
    ];
    check_values("from", "invalid_from", &values);
}

#[test]
fn texts_that_cannot_be_sent() {
    check_values("body", "body_empty", &["\"\""]);
    let controls = ["\"a\\u0000b\"", "\"\\u0007\"", "\"\\u001b[0m\"", "\"\\u007f\""];
    check_values("body", "invalid_body", &controls);
    // The limit of the test's customer is 1,600 characters, however long they are.
    for c in ["a", "é", "€", "😀"] {
        let value = format!("\"{}\"", c.repeat(1_601));
        check_values("body", "body_too_long", &[&value]);
    }
}

#[test]
fn a_text_of_too_many_parts() {
    let body = with("body", &format!("\"{}\"", "ж".repeat(20_000)));
    let generous =
        postrider_http::request::CustomerLimits { max_text_chars: 100_000, ..common::LIMITS };
    let head = common::head("POST", "/api/v1/messages", None, Some(b"application/json"));
    let problem = refusal(common::request_with(&head, &body, &generous));
    assert_eq!((problem.code.name(), problem.status()), ("too_many_parts", 400));
    assert_eq!(problem.param.as_deref(), Some("/body"));
}

#[test]
fn webhook_addresses_that_cannot_be_called() {
    let long = format!("\"https://a.example/{}\"", "a".repeat(2_048));
    let malformed = [
        "\"\"",
        "\"a.example\"",
        "\"ftp://a.example/\"",
        "\"https://\"",
        "\"https:a.example\"",
        "\"https://u:p@a.example/\"",
        "\"https://a.example/#f\"",
        "\"https://a.example/ b\"",
        "\"https://a.example:0/\"",
        &long,
    ];
    check_values("webhook_url", "invalid_webhook_url", &malformed);
    let forbidden = [
        "\"http://localhost/\"",
        "\"http://127.0.0.1:8080/\"",
        "\"http://2130706433/\"",
        "\"http://169.254.169.254/latest\"",
        "\"http://10.1.2.3/\"",
        "\"https://[::1]/\"",
        "\"https://[::ffff:10.0.0.1]/\"",
        "\"https://a.example:25/\"",
    ];
    check_values("webhook_url", "webhook_not_allowed", &forbidden);
}

#[test]
fn periods_and_references_out_of_range() {
    let periods = ["0", "259201", "18446744073709551615"];
    check_values("validity_period", "invalid_validity_period", &periods);
    let long = format!("\"{}\"", "é".repeat(129));
    let references = ["\"\"", &long, "\"a\\nb\"", "\"\\u0000\"", "\"\\u009f\""];
    check_values("client_reference", "invalid_client_reference", &references);
    let retentions = ["\"\"", "\"Discard\"", "\"never\""];
    check_values("content_retention", "invalid_content_retention", &retentions);
    check_values("priority", "invalid_priority", &["\"\"", "\"OTP\"", "\"urgent\""]);
    check_values("duplicate", "invalid_duplicate", &["\"\"", "\"Avoid\"", "\"never\""]);
}

#[test]
fn bodies_of_the_wrong_kind_or_size() {
    let good = with("body", "\"hi\"");
    for content_type in [
        None,
        Some(&b""[..]),
        Some(b"text/plain"),
        Some(b"application/x-www-form-urlencoded"),
        Some(b"application/jsonp"),
        Some(b"application/problem+json"),
        Some(b"application/json; charset=utf-16"),
        Some(b"application/json; version=1"),
        Some(b"application/json;"),
        Some(b"application/json, text/plain"),
        Some(b"application/json\xff"),
    ] {
        let problem = refusal(post_as(content_type, &good));
        assert_eq!((problem.status(), problem.code.name()), (415, "unsupported_media_type"));
    }
    let mut large = vec![b' '; 64 * 1024];
    large.extend_from_slice(&good);
    check_bodies(&[(&large, 413, "body_too_large", None)]);
}

#[test]
fn paths_and_methods() {
    let id_path = format!("/api/v1/messages/{ID}");
    let long_path = format!("/api/v1/messages/{ID}/parts");
    let upper_path = format!("/MESSAGES/{ID}");
    for (method, path, status, code, allow) in [
        ("GET", "/", 404, "not_found", None),
        ("GET", "", 404, "not_found", None),
        ("GET", "/message", 404, "not_found", None),
        ("GET", "/api/v1/messagesx", 404, "not_found", None),
        ("GET", "/api/v1/messages/", 404, "not_found", None),
        ("GET", "//api/v1/messages", 404, "not_found", None),
        ("GET", "/%6dessages", 404, "not_found", None),
        ("GET", &long_path, 404, "not_found", None),
        ("GET", &upper_path, 404, "not_found", None),
        ("POST", "/api/v1/../messages", 404, "not_found", None),
        ("PUT", "/api/v1/messages", 405, "method_not_allowed", Some("GET, POST")),
        ("DELETE", "/api/v1/messages", 405, "method_not_allowed", Some("GET, POST")),
        ("post", "/api/v1/messages", 405, "method_not_allowed", Some("GET, POST")),
        ("POST", &id_path, 405, "method_not_allowed", Some("DELETE, GET")),
        ("PATCH", &id_path, 405, "method_not_allowed", Some("DELETE, GET")),
        ("GET", "/api/v1/messages/1", 400, "invalid_message_id", None),
        ("GET", "/api/v1/messages/..", 400, "invalid_message_id", None),
        ("GET", &format!("/api/v1/messages/{ID}0"), 400, "invalid_message_id", None),
        (
            "GET",
            &format!("/api/v1/messages/{}", ID.replace('-', "")),
            400,
            "invalid_message_id",
            None,
        ),
        (
            "GET",
            &format!("/api/v1/messages/{}", ID.replace('0', "g")),
            400,
            "invalid_message_id",
            None,
        ),
        ("GET", &format!("/api/v1/messages/%30{}", &ID[1..]), 400, "invalid_message_id", None),
    ] {
        let problem = refusal(request(method, path, None, None, b""));
        assert_eq!((problem.status(), problem.code.name()), (status, code), "{method} {path}");
        assert_eq!(problem.allow, allow, "{method} {path}");
    }
}

#[test]
fn requests_with_what_they_do_not_take() {
    let good = with("body", "\"hi\"");
    let id_path = format!("/api/v1/messages/{ID}");
    let json = Some(&b"application/json"[..]);
    let problem = refusal(request("POST", "/api/v1/messages", Some("dry_run=true"), json, &good));
    assert_eq!((problem.code.name(), problem.param.as_deref()), ("invalid_query", Some("dry_run")));
    let problem = refusal(request("GET", &id_path, Some("expand=parts"), None, b""));
    assert_eq!((problem.code.name(), problem.param.as_deref()), ("invalid_query", Some("expand")));
    for path in ["/api/v1/messages", &id_path] {
        let problem = refusal(request("GET", path, None, json, b"{}"));
        assert_eq!((problem.status(), problem.code.name()), (400, "bad_request"));
    }
}

#[test]
fn queries_that_cannot_be_read() {
    for (query, param) in [
        ("page=2", "page"),
        ("Limit=2", "Limit"),
        ("limit", "limit"),
        ("limit=", "limit"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=65537", "limit"),
        ("limit=-1", "limit"),
        ("limit=+5", "limit"),
        ("limit=5.0", "limit"),
        ("limit=%35%", "limit"),
        ("limit=%3", "limit"),
        ("limit=%zz", "limit"),
        ("limit=%+5", "limit"),
        ("limit=5&limit=5", "limit"),
        ("limit=5&", ""),
        ("&limit=5", ""),
        ("limit=5&&status=queued", ""),
        ("=5", ""),
        ("lim%69t=5", "lim%69t"),
        ("limit=5;status=queued", "limit"),
        ("status=", "status"),
        ("status=Delivered", "status"),
        ("status=delivered,queued", "status"),
        ("status=sent", "status"),
        ("status=%ff", "status"),
        ("from=yesterday", "from"),
        ("from=2026-11-24", "from"),
        ("from=2026-11-24T00:00:00", "from"),
        ("from=2026-11-24%2000:00:00Z", "from"),
        ("from=2026-02-30T00:00:00Z", "from"),
        ("from=1969-12-31T23:59:59Z", "from"),
        ("to=1795478400", "to"),
        ("from=2026-11-25T00:00:00Z&to=2026-11-24T00:00:00Z", "to"),
        ("from_number=", "from_number"),
        ("from_number=+12", "from_number"),
        ("from_number=a%40b", "from_number"),
        ("to_number=ACME", "to_number"),
        ("to_number=%20447400123456", "to_number"),
        ("to_number=00447400123456", "to_number"),
    ] {
        let problem = refusal(get(Some(query)));
        assert_eq!((problem.status(), problem.code.name()), (400, "invalid_query"), "{query}");
        assert_eq!(problem.param.as_deref(), Some(param), "{query}");
    }
}

#[test]
fn cursors_that_were_not_given_out() {
    let good = common::cursor().encode();
    let altered = format!("B{}", &good[1..]);
    for text in
        ["", "AAAA", "next", &good[1..], &altered, &format!("{good}A"), &format!("{good}%3D")]
    {
        let problem = refusal(get(Some(&format!("cursor={text}"))));
        assert_eq!((problem.status(), problem.code.name()), (400, "invalid_cursor"), "{text}");
        assert_eq!(problem.param.as_deref(), Some("cursor"));
    }
}

/// A refusal may be logged by anyone: it repeats the name of a field, never what was in it.
#[test]
fn no_refusal_repeats_a_value() {
    let secret = "hunter2hunter2";
    let quoted = format!("\"{secret}\"");
    let mut problems = vec![
        refusal(get(Some(&format!("to_number={secret}")))),
        refusal(get(Some(&format!("status={secret}")))),
        refusal(get(Some(&format!("cursor={secret}")))),
        refusal(get(Some(&format!("from={secret}")))),
        refusal(request("GET", &format!("/api/v1/messages/{secret}"), None, None, b"")),
        refusal(post(quoted.as_bytes())),
        refusal(post(format!("{{\"body\":{quoted} {quoted}}}").as_bytes())),
    ];
    for name in ["from", "to", "webhook_url"] {
        problems.push(refusal(post(&with(name, &quoted))));
    }
    problems.push(refusal(post(&with("validity_period", &quoted))));
    problems.push(refusal(post(&with("body", &format!("\"{secret}\\u0000\"")))));
    for problem in problems {
        let all = format!("{problem:?}{}", String::from_utf8_lossy(&problem.to_json("r")));
        assert!(!all.contains(secret), "{all}");
    }
}
