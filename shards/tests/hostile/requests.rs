//! The bad requests: what is sent, octet by octet, and what must come back. Test code, pure.

use super::pdu::unhex;
use super::{KEY, OTHER_KEY, get, post};

/// What must come back.
#[derive(Clone)]
pub(crate) enum Want {
    /// A problem document: status, code, the field at fault.
    Problem(u16, &'static str, Option<String>),
    /// A problem document, then the close: the rest of the request is not read.
    LastProblem(u16, &'static str),
    /// The status alone, then the close: the octets are no request that could be understood.
    Bare(u16),
    /// A status without a body on an open connection.
    Empty(u16),
}

pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) raw: Vec<u8>,
    pub(crate) want: Want,
}

/// The table, as it is written down.
#[derive(Default)]
struct Rows(Vec<Row>);

impl Rows {
    fn add(&mut self, name: &str, raw: impl Into<Vec<u8>>, want: Want) {
        self.0.push(Row { name: name.to_owned(), raw: raw.into(), want });
    }

    /// A body to submit, refused with 400.
    fn body(
        &mut self,
        name: &str,
        body: impl AsRef<[u8]>,
        code: &'static str,
        param: Option<&str>,
    ) {
        let want = Want::Problem(400, code, param.map(str::to_owned));
        self.add(&format!("body: {name}"), post(KEY, body.as_ref()), want);
    }

    /// Values of one field that are all refused with the same code.
    fn values(&mut self, field: &str, code: &'static str, values: &[&str]) {
        for value in values {
            let shown: String = value.chars().take(40).collect();
            let name = format!("{field} = {shown}");
            self.body(&name, with(field, value), code, Some(&format!("/{field}")));
        }
    }

    /// Framing that no two servers may read in two ways.
    fn framing(&mut self, name: &str, rest: &str) {
        let raw =
            format!("POST /api/v1/messages HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n{rest}");
        self.add(&format!("framing: {name}"), raw, Want::Bare(400));
    }
}

/// A good request with one field replaced.
pub(crate) fn with(name: &str, value: &str) -> String {
    let good = [("from", "\"ACME\""), ("to", "\"+447400123456\""), ("body", "\"hi\"")];
    let others = good.iter().filter(|(own, _)| *own != name);
    let others: String = others.map(|(own, value)| format!("\"{own}\":{value},")).collect();
    format!("{{{others}\"{name}\":{value}}}")
}

fn json_rows(rows: &mut Rows) {
    const CODE: &str = "invalid_json";
    rows.body("empty", "", CODE, None);
    rows.body("cut", "{\"to\":\"44", CODE, None);
    rows.body("comma at the end", r#"{"to":"447400123456",}"#, CODE, None);
    rows.body("single quotes", "{'to':'447400123456'}", CODE, None);
    rows.body("two objects", with("to", "\"447400123456\"") + "{}", CODE, None);
    rows.body("NaN", r#"{"to":NaN}"#, CODE, None);
    rows.body("not UTF-8", b"{\"body\":\"\xff\"}", CODE, None);
    rows.body("overlong UTF-8", b"{\"body\":\"\xc0\x80\"}", CODE, None);
    rows.body("byte order mark", "\u{feff}{}", CODE, None);
    rows.body("UTF-16", b"\xff\xfe{\0}\0", CODE, None);
    rows.body("lone surrogate", r#"{"body":"\ud83d"}"#, CODE, None);
    rows.body("raw NUL", "{\"body\":\"a\0b\"}", CODE, None);
    rows.body("raw newline", "{\"body\":\"a\nb\"}", CODE, None);
    rows.body("60,000 brackets", "[".repeat(60_000), "invalid_type", Some(""));
    rows.body("60,000 brackets inside", format!("{{\"body\":{}", "[".repeat(60_000)), CODE, None);
    rows.body("number beyond all", r#"{"validity_period":1e999}"#, CODE, None);
    rows.body("a form", "to=447400123456&from=ACME&body=hi", CODE, None);
    rows.body("an array", "[]", "invalid_type", Some(""));
    rows.body("null", "null", "invalid_type", Some(""));
    rows.body("nothing in it", "{}", "missing_field", Some("/from"));
    rows.body("no to", r#"{"from":"ACME","body":"hi"}"#, "missing_field", Some("/to"));
    rows.body("no body", r#"{"from":"ACME","to":"447400123456"}"#, "missing_field", Some("/body"));
    rows.body("unknown field", with("status", "\"delivered\""), "unknown_field", Some("/status"));
    rows.body("foreign account", with("customer", "2"), "unknown_field", Some("/customer"));
    rows.body("field in upper case", with("To", "\"1\""), "unknown_field", Some("/To"));
    rows.body("proto", with("__proto__", "{}"), "unknown_field", Some("/__proto__"));
    let twice = r#"{"to":"447400123456","to":"447400123457"}"#;
    rows.body("field twice", twice, "duplicate_field", Some("/to"));
    let escaped = r#"{"to":"447400123456","\u0074o":"447400123457"}"#;
    rows.body("field twice, once escaped", escaped, "duplicate_field", Some("/to"));
}

fn value_rows(rows: &mut Rows) {
    const TYPE: &str = "invalid_type";
    for field in ["from", "to", "body"] {
        rows.values(field, TYPE, &["null", "447400123456", "true", "[]", "{}"]);
    }
    rows.values("webhook_url", TYPE, &["1", "[\"https://a.example/\"]"]);
    rows.values("client_reference", TYPE, &["7", "{}"]);
    rows.values("duplicate", TYPE, &["true", "[]"]);
    let periods = ["\"60\"", "60.5", "6e1", "-60", "true", "18446744073709551616"];
    rows.values("validity_period", TYPE, &periods);
    let numbers = [
        "\"\"",
        "\"+\"",
        "\"123456\"",
        "\"1234567890123456\"",
        "\"0447400123456\"",
        "\"00447400123456\"",
        "\"++447400123456\"",
        "\"+44 7400 123456\"",
        "\"44740012345a\"",
        "\"tel:+447400123456\"",
        "\"447400123456\\u0000\"",
        "\"447400123456\\n\"",
        "\"٤٤٧٤٠٠١٢٣٤٥٦\"",
        "\"' OR 1=1 --\"",
    ];
    rows.values("to", "invalid_to", &numbers);
    let senders = [
        "\"\"",
        "\"12\"",
        "\"+12\"",
        "\"+1234567890123456\"",
        "\"TWELVE-CHARS\"",
        "\" ACME\"",
        "\"a@b\"",
        "\"AC\\u0000ME\"",
        "\"AC\\r\\nME\"",
        "\"😀\"",
        "\"---\"",
    ];
    rows.values("from", "invalid_from", &senders);
    rows.values("body", "body_empty", &["\"\""]);
    for c in ["a", "€", "😀", "\\n"] {
        rows.values("body", "body_too_long", &[&format!("\"{}\"", c.repeat(1_601))]);
    }
    let controls = ["\"a\\u0000b\"", "\"\\u001b[0m\"", "\"\\u007f\""];
    rows.values("body", "invalid_body", &controls);
    rows.values(
        "validity_period",
        "invalid_validity_period",
        &["0", "259201", "18446744073709551615"],
    );
    let long = format!("\"{}\"", "é".repeat(129));
    rows.values("client_reference", "invalid_client_reference", &["\"\"", &long, "\"a\\nb\""]);
    rows.values("duplicate", "invalid_duplicate", &["\"\"", "\"AVOID\""]);
    let own_limit = Want::Problem(400, "body_too_long", Some("/body".to_owned()));
    rows.add(
        "11 characters where 10 are allowed",
        post(OTHER_KEY, with("body", "\"12345678901\"").as_bytes()),
        own_limit,
    );
}

fn webhook_rows(rows: &mut Rows) {
    let long = format!("\"https://a.example/{}\"", "a".repeat(2_048));
    let malformed = [
        "\"\"",
        "\"a.example\"",
        "\"/hooks\"",
        "\"//a.example/\"",
        "\"ftp://a.example/\"",
        "\"file:///etc/passwd\"",
        "\"gopher://a.example/\"",
        "\"javascript:alert(1)\"",
        "\"https://\"",
        "\"https:a.example\"",
        "\"https://u:p@a.example/\"",
        "\"https://@a.example/\"",
        "\"https://a.example@127.0.0.1/\"",
        "\"https://a.example/#f\"",
        "\"https://a.example/ b\"",
        "\"https://a.example\\\\@b/\"",
        "\"https://a.example/\\r\\nX: y\"",
        "\"https://a.example:0/\"",
        "\"https://a.example:65536/\"",
        &long,
    ];
    rows.values("webhook_url", "invalid_webhook_url", &malformed);
    let forbidden = [
        "\"http://localhost/\"",
        "\"http://a.localhost/\"",
        "\"http://127.0.0.1/\"",
        "\"http://127.1/\"",
        "\"http://2130706433/\"",
        "\"http://0x7f.0.0.1/\"",
        "\"http://0177.0.0.1/\"",
        "\"http://0.0.0.0/\"",
        "\"http://[::1]/\"",
        "\"http://[::]/\"",
        "\"http://10.1.2.3/\"",
        "\"http://172.16.0.1/\"",
        "\"http://192.168.1.1/\"",
        "\"http://100.64.0.1/\"",
        "\"http://169.254.1.1/\"",
        "\"http://169.254.169.254/latest\"",
        "\"http://[fd00:ec2::254]/latest\"",
        "\"http://[fe80::1]/\"",
        "\"http://[fc00::1]/\"",
        "\"http://[::ffff:10.0.0.1]/\"",
        "\"http://[::ffff:169.254.169.254]/\"",
        "\"http://[64:ff9b::7f00:1]/\"",
        "\"http://[2002:7f00:1::]/\"",
        "\"http://224.0.0.1/\"",
        "\"http://255.255.255.255/\"",
        "\"http://１２７.0.0.1/\"",
        "\"https://a.example:25/\"",
        "\"https://a.example:22/\"",
    ];
    rows.values("webhook_url", "webhook_not_allowed", &forbidden);
}

pub(crate) const ID: &str = "01234567-89ab-4def-8011-223344556677";

fn path_rows(rows: &mut Rows) {
    let plain = |method: &str, target: &str| {
        format!("{method} {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n\r\n")
    };
    let problem = |status, code| Want::Problem(status, code, None);
    for target in [
        "/",
        "/api/v1/messages/",
        "/API/V1/messages",
        "/api/v2/messages",
        "/messages",
        "/api/v1/%6dessages",
        "//api/v1/messages",
        "/api/v1/../v1/messages",
        "/metrics",
        "/api/v1/messages/01234567-89ab-4def-8011-223344556677/parts",
        "/../../etc/passwd",
        "/%00",
    ] {
        rows.add(&format!("path {target}"), plain("GET", target), problem(404, "not_found"));
    }
    rows.add("path *", plain("OPTIONS", "*"), problem(404, "not_found"));
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "post", "BREW"] {
        let raw = plain(method, "/api/v1/messages");
        rows.add(&format!("method {method}"), raw, problem(405, "method_not_allowed"));
    }
    let of_one = format!("/api/v1/messages/{ID}");
    rows.add("POST to one message", plain("POST", &of_one), problem(405, "method_not_allowed"));
    rows.add("HEAD", plain("HEAD", "/api/v1/messages"), Want::Empty(405));
    for id in ["1", "..", "%2e%2e", &ID[1..], &ID.replace('-', ""), &ID.replace('0', "g"), "null"] {
        let raw = get(KEY, &format!("/api/v1/messages/{id}"));
        rows.add(&format!("id {id}"), raw, problem(400, "invalid_message_id"));
    }
    for id in [ID, "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"] {
        let raw = get(KEY, &format!("/api/v1/messages/{id}"));
        rows.add(&format!("unknown id {id}"), raw, problem(404, "not_found"));
    }
    for kind in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "*/*",
        "application/json; charset=utf-16",
        "application/json, text/plain",
        "multipart/form-data",
    ] {
        let raw = String::from_utf8(post(KEY, with("body", "\"hi\"").as_bytes())).unwrap();
        let raw = raw.replace("Content-Type: application/json", &format!("Content-Type: {kind}"));
        rows.add(&format!("type {kind:?}"), raw, problem(415, "unsupported_media_type"));
    }
    let raw = String::from_utf8(post(KEY, with("body", "\"hi\"").as_bytes())).unwrap();
    let raw = raw.replace("Content-Type: application/json\r\n", "");
    rows.add("no type", raw, problem(415, "unsupported_media_type"));
}

fn auth_rows(rows: &mut Rows) {
    let want = || Want::Problem(401, "unauthorized", None);
    let with_auth = |field: &[u8]| {
        let rest = b"\r\n\r\n";
        [b"GET /api/v1/messages HTTP/1.1\r\nHost: a\r\n", field, rest].concat()
    };
    let long = format!("Authorization: Bearer {}", "a".repeat(300));
    for (name, field) in [
        ("none", "X: y"),
        ("empty", "Authorization: "),
        ("no key", "Authorization: Bearer"),
        ("unknown key", "Authorization: Bearer pr_test_nobody"),
        ("cut key", "Authorization: Bearer pr_test_hostile_acm"),
        ("key in upper case", "Authorization: Bearer PR_TEST_HOSTILE_ACME"),
        ("key alone", "Authorization: pr_test_hostile_acme"),
        ("no space", "Authorization: Bearerpr_test_hostile_acme"),
        ("two keys", "Authorization: Bearer pr_test_hostile_acme pr_test_hostile_other"),
        ("Basic", "Authorization: Basic cHJfdGVzdF9ob3N0aWxlX2FjbWU6"),
        ("the hash", "Authorization: Bearer sha256:00"),
        ("long key", &long),
        ("another field", "X-Api-Key: pr_test_hostile_acme"),
        (
            "first of two fields wrong",
            "Authorization: Bearer x\r\nAuthorization: Bearer pr_test_hostile_acme",
        ),
    ] {
        rows.add(&format!("key: {name}"), with_auth(field.as_bytes()), want());
    }
    rows.add("key: octets", with_auth(b"Authorization: Bearer \xff\xfe"), want());
    let in_query = "GET /api/v1/messages?api_key=pr_test_hostile_acme HTTP/1.1\r\nHost: a\r\n\r\n";
    rows.add("key: in the query", in_query, want());
    let nobody = post("nobody", b"{");
    rows.add("key: before the body is looked at", nobody, want());
}

fn query_rows(rows: &mut Rows) {
    let mut query = |query: &str, param: &str| {
        let raw = get(KEY, &format!("/api/v1/messages?{query}"));
        let want = Want::Problem(400, "invalid_query", Some(param.to_owned()));
        rows.add(&format!("query {query}"), raw, want);
    };
    for limit in ["", "0", "1001", "-1", "+5", "5.0", "ten", "65537", "%zz", "%3"] {
        query(&format!("limit={limit}"), "limit");
    }
    query("limit=5&limit=5", "limit");
    query("page=2", "page");
    query("customer=other", "customer");
    query("status=sent", "status");
    query("status=%ff", "status");
    for time in ["yesterday", "2026-11-24", "2026-02-30T00:00:00Z", "2026-11-24T25:00:00Z", "0"] {
        query(&format!("from={time}"), "from");
    }
    query("to=1795478400", "to");
    query("from=2026-11-25T00:00:00Z&to=2026-11-24T00:00:00Z", "to");
    query("to_number=ACME", "to_number");
    query("from_number=a%40b", "from_number");
    for cursor in ["", "next", "AAAA", "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "%00"] {
        let raw = get(KEY, &format!("/api/v1/messages?cursor={cursor}"));
        let want = Want::Problem(400, "invalid_cursor", Some("cursor".to_owned()));
        rows.add(&format!("cursor {cursor}"), raw, want);
    }
    let body = with("body", "\"hi\"");
    let raw = String::from_utf8(post(KEY, body.as_bytes())).unwrap();
    let raw = raw.replacen("messages HTTP", "messages?dry_run=true HTTP", 1);
    let want = Want::Problem(400, "invalid_query", Some("dry_run".to_owned()));
    rows.add("query of a submit", raw, want);
}

fn framing_rows(rows: &mut Rows) {
    let chunked = "Host: a\r\nTransfer-Encoding: chunked\r\n";
    rows.framing("CL and TE", &format!("{chunked}Content-Length: 5\r\n\r\n0\r\n\r\n"));
    rows.framing(
        "TE and CL",
        "Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    );
    rows.framing("TE unknown", "Host: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n");
    rows.framing("TE twice", &format!("{chunked}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
    rows.framing("TE and gzip", "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    rows.framing("CL twice", "Host: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}");
    rows.framing("CL a list", "Host: a\r\nContent-Length: 2, 2\r\n\r\n{}");
    rows.framing("CL negative", "Host: a\r\nContent-Length: -2\r\n\r\n{}");
    rows.framing("CL beyond 64 bits", "Host: a\r\nContent-Length: 99999999999999999999\r\n\r\n{}");
    rows.framing("folded field", "Host: a\r\nX: y\r\n z\r\n\r\n");
    rows.framing("bare LF", "Host: a\nX: y\r\n\r\n");
    rows.framing("bare CR", "Host: a\r\nX: y\rZ: a\r\n\r\n");
    rows.framing("NUL in a field", "Host: a\r\nX: a\0b\r\n\r\n");
    rows.framing("no colon", "Host: a\r\nnonsense\r\n\r\n");
    rows.framing("no Host", "X: y\r\n\r\n");
    rows.framing("two Hosts", "Host: a\r\nHost: b\r\n\r\n");
    rows.add("HTTP/0.9", "GET /\r\n\r\n", Want::Bare(400));
    rows.add("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", Want::Bare(400));
    rows.add("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Want::Bare(400));
    rows.add("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Want::Bare(400));
    rows.add("CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", Want::Bare(400));
    rows.add("an SMPP bind", unhex("0000001000000015000000000000000a0d0a0d0a"), Want::Bare(400));
    rows.add(
        "TLS",
        unhex("160301002e0100002a0303").into_iter().chain(*b"\r\n\r\n").collect::<Vec<u8>>(),
        Want::Bare(400),
    );
    let get =
        format!("GET /api/v1/messages HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n");
    rows.add("a GET with a body", format!("{get}Content-Length: 2\r\n\r\n{{}}"), Want::Bare(400));
    rows.add("65 fields", format!("{get}{}\r\n", "X: y\r\n".repeat(63)), Want::Bare(431));
    rows.add("1,000 fields", format!("{get}{}\r\n", "X: y\r\n".repeat(1_000)), Want::Bare(431));
    rows.add(
        "a field of 17 KiB",
        format!("{get}X: {}\r\n\r\n", "y".repeat(17 * 1024)),
        Want::Bare(431),
    );
    rows.add("a megabyte without a line end", "A".repeat(1 << 20), Want::Bare(431));
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "t".repeat(5_000));
    rows.add("a target of 5,000", long, Want::Bare(414));
    rows.add("an Expect unknown", format!("{get}Expect: miracles\r\n\r\n"), Want::Bare(417));
    let absolute = format!(
        "GET http://b/api/v1/messages HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n\r\n"
    );
    rows.add("absolute form, other Host", absolute, Want::Bare(400));
}

fn chunk_rows(rows: &mut Rows) {
    let head = String::from_utf8(post(KEY, b"")).unwrap();
    let head = head.replace("Content-Length: 0", "Transfer-Encoding: chunked");
    for (name, body) in [
        ("a size that is none", "zz\r\n{}\r\n0\r\n\r\n"),
        ("a negative size", "-2\r\n{}\r\n0\r\n\r\n"),
        ("a size with 0x", "0x2\r\n{}\r\n0\r\n\r\n"),
        ("a size beyond 64 bits", "10000000000000002\r\n{}\r\n0\r\n\r\n"),
        ("more data than said", "1\r\n{}\r\n0\r\n\r\n"),
        ("a size ending in LF", "2\n{}\r\n0\r\n\r\n"),
        ("an extension of 300", &format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "e".repeat(300))),
        ("a bad trailer", "2\r\n{}\r\n0\r\nX y\r\n\r\n"),
    ] {
        let want = Want::LastProblem(400, "bad_request");
        rows.add(&format!("chunks: {name}"), format!("{head}{body}"), want);
    }
    let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000)).repeat(5);
    let want = Want::LastProblem(413, "body_too_large");
    rows.add("chunks: 80 KiB", format!("{head}{chunk}0\r\n\r\n"), want.clone());
    let large = [vec![b' '; 64 * 1024], with("body", "\"hi\"").into_bytes()].concat();
    rows.add("a body over 64 KiB", post(KEY, &large), want.clone());
    let announced = String::from_utf8(post(KEY, b"")).unwrap();
    let announced = announced.replace("Content-Length: 0", "Content-Length: 999999999999");
    rows.add("a body of a terabyte announced", announced, want);
}

pub(crate) fn table() -> Vec<Row> {
    let mut rows = Rows::default();
    json_rows(&mut rows);
    value_rows(&mut rows);
    webhook_rows(&mut rows);
    path_rows(&mut rows);
    auth_rows(&mut rows);
    query_rows(&mut rows);
    framing_rows(&mut rows);
    chunk_rows(&mut rows);
    rows.0
}
