//! Good requests: what is accepted comes out exactly as written. Pure, lives nowhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use core::time::Duration;

use common::{ID, LIMITS, cursor, get, head, post, post_as, refusal, request, request_with};
use postrider_core::clock::UnixMs;
use postrider_core::content::{Duplicate, Origin};
use postrider_core::lane::Lane;
use postrider_core::lifecycle::PartStatus;
use postrider_core::limits::OTP_LIFE;
use postrider_core::number::{Msisdn, NumberForm};
use postrider_core::numbering::Tables;
use postrider_core::region::Region;
use postrider_core::sender::SenderId;
use postrider_core::submission::Submission;
use postrider_core::text::Encoding;
use postrider_http::request::{ApiRequest, CustomerLimits, ListQuery, parse, route};
use postrider_http::url_guard::UrlPolicy;
use proptest::prelude::*;

fn submission(body: &[u8]) -> Submission {
    match post(body) {
        Ok(ApiRequest::Submit(submission)) => submission,
        other => panic!("{other:?}"),
    }
}

fn list(query: Option<&str>) -> ListQuery {
    match get(query) {
        Ok(ApiRequest::List(list)) => list,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_dry_run_is_another_request() {
    let body = |dry_run: &str| {
        post(
            format!(r#"{{"from":"ACME","to":"447400123456","body":"hi","dry_run":{dry_run}}}"#)
                .as_bytes(),
        )
    };
    let short = submission(br#"{"from":"ACME","to":"447400123456","body":"hi"}"#);
    assert_eq!(body("true"), Ok(ApiRequest::DryRun(short.clone())));
    for plain in ["false", "null"] {
        assert_eq!(body(plain), Ok(ApiRequest::Submit(short.clone())));
    }
}

#[test]
fn a_short_submit() {
    let sent = submission(br#"{"from":"ACME","to":"447400123456","body":"hi"}"#);
    assert_eq!(sent.from, SenderId::parse("ACME").unwrap());
    assert_eq!(sent.to, Msisdn::parse_strict("+447400123456").unwrap());
    assert_eq!(sent.content.text(), Some("hi"));
    assert_eq!((sent.origin, sent.duplicate), (Origin::Http, Duplicate::Allow));
    assert_eq!((sent.encoding, sent.parts), (Encoding::Gsm7, 1));
    assert_eq!((sent.webhook_url, sent.validity, sent.client_reference), (None, None, None));
}

#[test]
fn a_submit_with_every_field() {
    let body = r#" {"client_reference":"order/17 – ж","validity_period":259200,
        "duplicate":"avoid","webhook_url":"https://a.example/hook?x=1","body":"Grüße,\n\ud83d\ude00\tж",
        "to":"+447400123456","from":"+447400654321"} "#;
    let sent = submission(body.as_bytes());
    assert_eq!(sent.from.as_text().as_str(), "+447400654321");
    assert_eq!(sent.content.text(), Some("Grüße,\n😀\tж"));
    assert_eq!((sent.encoding, sent.parts), (Encoding::Ucs2, 1));
    assert_eq!(sent.webhook_url.as_deref(), Some("https://a.example/hook?x=1"));
    assert_eq!(sent.validity, Some(Duration::from_secs(259_200)));
    assert_eq!(sent.client_reference.as_deref(), Some("order/17 – ж"));
    assert_eq!(sent.duplicate, Duplicate::Avoid);
}

#[test]
fn null_is_absent_where_a_field_is_optional() {
    let sent = submission(
        br#"{"from":"12345","to":"4474001","body":"a","webhook_url":null,"validity_period":null,
        "client_reference":null,"duplicate":null}"#,
    );
    assert_eq!((sent.webhook_url, sent.validity, sent.client_reference), (None, None, None));
}

#[test]
fn a_password_is_valid_for_its_useful_life_unless_the_request_says_otherwise() {
    let of = |members: &str| {
        let body = format!(r#"{{"from":"12345","to":"4474001","body":"a"{members}}}"#);
        let sent = submission(body.as_bytes());
        (sent.lane, sent.validity, sent.priority)
    };
    assert_eq!(of(""), (Lane::Transactional, None, 0));
    assert_eq!(of(r#","priority":null"#), (Lane::Transactional, None, 0));
    assert_eq!(of(r#","priority":"transactional""#), (Lane::Transactional, None, 0));
    assert_eq!(of(r#","priority":"bulk""#), (Lane::Bulk, None, 0));
    assert_eq!(of(r#","priority":"otp""#), (Lane::Otp, Some(OTP_LIFE), 0));
    let own = r#","priority":"otp","validity_period":3600"#;
    assert_eq!(of(own), (Lane::Otp, Some(Duration::from_secs(3_600)), 0));
}

#[test]
fn parts_are_counted_at_the_borders() {
    for (text, encoding, parts) in [
        ("a".repeat(160), Encoding::Gsm7, 1),
        ("a".repeat(161), Encoding::Gsm7, 2),
        ("a".repeat(306), Encoding::Gsm7, 2),
        ("a".repeat(307), Encoding::Gsm7, 3),
        ("€".repeat(80), Encoding::Gsm7, 1),
        ("€".repeat(81), Encoding::Gsm7, 2),
        ("ж".repeat(70), Encoding::Ucs2, 1),
        ("ж".repeat(71), Encoding::Ucs2, 2),
        ("😀".repeat(1_600), Encoding::Ucs2, 49),
        ("a".repeat(1_600), Encoding::Gsm7, 11),
    ] {
        let body = format!(r#"{{"from":"ACME","to":"447400123456","body":"{text}"}}"#);
        let sent = submission(body.as_bytes());
        assert_eq!((sent.encoding, sent.parts), (encoding, parts), "{}", text.len());
        assert_eq!(sent.content.text(), Some(&*text), "nothing is cut");
    }
}

#[test]
fn the_json_media_type_in_every_spelling() {
    let body = br#"{"from":"ACME","to":"447400123456","body":"hi"}"#;
    for content_type in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "application/json ; charset=\"utf-8\"",
    ] {
        assert!(post_as(Some(content_type.as_bytes()), body).is_ok(), "{content_type}");
    }
}

#[test]
fn one_message_by_id_in_either_case() {
    let expected = Ok(ApiRequest::Get(ID.parse().unwrap()));
    assert_eq!(request("GET", &format!("/api/v1/messages/{ID}"), None, None, b""), expected);
    let upper = format!("/api/v1/messages/{}", ID.to_uppercase());
    assert_eq!(request("GET", &upper, Some(""), None, b""), expected);
}

#[test]
fn a_list_without_a_query_has_the_defaults() {
    for query in [None, Some("")] {
        let list = list(query);
        assert_eq!(list.limit, 50);
        assert_eq!((list.from, list.to, list.status, list.cursor), (None, None, None, None));
        assert_eq!((list.from_number, list.to_number), (None, None));
    }
}

#[test]
fn a_list_with_every_filter() {
    let query = format!(
        "from=2023-11-14T22:13:20Z&to=2023-11-15T00%3A13%3A20.5%2B02:00&status=outcome_unknown\
         &limit=1000&cursor={}&from_number=%2B447400654321&to_number=447400123456",
        cursor().encode()
    );
    let list = list(Some(&query));
    assert_eq!(list.from, Some(UnixMs(1_700_000_000_000)));
    assert_eq!(list.to, Some(UnixMs(1_700_000_000_500)));
    assert_eq!(list.status, Some(PartStatus::OutcomeUnknown));
    assert_eq!(list.limit, 1_000);
    assert_eq!(list.cursor, Some(cursor()));
    assert_eq!(list.from_number, Some(SenderId::parse("+447400654321").unwrap()));
    assert_eq!(list.to_number, Some(Msisdn::parse_strict("447400123456").unwrap()));
}

#[test]
fn plus_signs_in_queries() {
    assert_eq!(list(Some("from=2023-11-14T23:13:20+01:00")).from, Some(UnixMs(1_700_000_000_000)));
    let number = Some(Msisdn::parse_strict("447400123456").unwrap());
    assert_eq!(list(Some("to_number=+447400123456")).to_number, number);
    for (written, sender) in [
        ("+447400123456", "+447400123456"),
        ("ACME+INC", "ACME INC"),
        ("ACME%20INC", "ACME INC"),
        ("ACME%2BINC", "ACME+INC"),
        ("A+B%2BC+D", "A B+C D"),
        ("12345", "12345"),
    ] {
        let list = list(Some(&format!("from_number={written}")));
        assert_eq!(list.from_number, Some(SenderId::parse(sender).unwrap()), "{written}");
    }
}

#[test]
fn every_status_can_be_asked_for() {
    for status in PartStatus::ALL {
        assert_eq!(list(Some(&format!("status={}", status.name()))).status, Some(status));
    }
}

#[test]
fn debug_shows_nothing_personal() {
    let sent = submission(
        br#"{"from":"+447400654321","to":"447400123456","body":"my secret","client_reference":"ref7",
        "webhook_url":"https://a.example/?token=t0k3n"}"#,
    );
    let debug = format!("{:?}", ApiRequest::Submit(sent));
    for hidden in ["447400123456", "447400654321", "my secret", "ref7", "t0k3n"] {
        assert!(!debug.contains(hidden), "{debug}");
    }
}

/// Octets that look like a request, broken somewhere.
fn near_json() -> impl Strategy<Value = Vec<u8>> {
    let good = br#"{"from":"ACME","to":"447400123456","body":"h\u00e9\ud83d\ude00","webhook_url":"https://a.example/","validity_period":60,"client_reference":"r"}"#;
    let edit = (0..good.len(), any::<u8>(), 0..4u8);
    proptest::collection::vec(edit, 1..4).prop_map(|edits| {
        let mut octets = good.to_vec();
        for (at, octet, kind) in edits {
            let at = at.min(octets.len().saturating_sub(1));
            match kind {
                0 => octets[at] = octet,
                1 => octets.insert(at, octet),
                2 => octets.truncate(at.max(1)),
                _ => {
                    octets.remove(at);
                }
            }
            if octets.is_empty() {
                octets.push(octet);
            }
        }
        octets
    })
}

#[test]
fn texts_with_mangled_windows_quotes_are_taken_as_they_are() {
    let body = r#"{"from":"Acme","to":"+447700900123","body":"it\u0092s \u0093here\u0094\f"}"#;
    let submission = submission(body.as_bytes());
    assert_eq!(submission.content.text(), Some("it\u{92}s \u{93}here\u{94}\u{c}"));
}

fn json_text() -> impl Strategy<Value = String> {
    "[ -~¡-ÿЀ-ӿ一-鿿😀-🙏\n\r\t]{1,200}".prop_filter("controls are refused", |text| {
        !text.chars().any(|c| c.is_ascii_control() && !"\n\r\t".contains(c))
    })
}

proptest! {
    #[test]
    fn every_text_comes_out_as_written(text in json_text()) {
        let body = serde_json::json!({"from": "ACME", "to": "447400123456", "body": text});
        let sent = submission(body.to_string().as_bytes());
        prop_assert_eq!(sent.content.text(), Some(&*text));
    }

    /// What serde_json's own reader refuses, or reads differently, is not accepted here.
    #[test]
    fn broken_json_never_panics_and_is_never_misread(octets in near_json()) {
        if let Ok(ApiRequest::Submit(sent)) = post(&octets) {
            let read: serde_json::Value = serde_json::from_slice(&octets).unwrap();
            prop_assert_eq!(read["body"].as_str(), sent.content.text());
            prop_assert_eq!(read["to"].as_str().map(|to| to.trim_start_matches('+').to_owned()),
                Some(sent.to.digits().to_string()));
        }
    }

    #[test]
    fn no_body_panics(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(problem) = post(&octets) {
            let document = problem.to_json("r");
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&document).is_ok());
        }
    }

    #[test]
    fn no_head_panics(
        method in "GET|POST|[A-Z]{0,7}",
        path in "/api/v1/messages(/[0-9a-f-]{0,40})?|/?\\PC{0,40}",
        query in proptest::option::of("([a-z_]{1,11}=[0-9a-zA-Z%+:.-]{0,30}&?){0,4}|\\PC{0,60}"),
        content_type in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
        octets in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let head = head(&method, &path, query.as_deref(), content_type.as_deref());
        let result = route(&head).and_then(|endpoint| {
            parse(endpoint, &head, &octets, &LIMITS, &UrlPolicy::default())
        });
        if let Err(problem) = result {
            prop_assert!((400..500).contains(&problem.status()));
        }
    }
}

#[test]
fn a_customer_may_write_destinations_as_people_do() {
    let country = Region::parse("GB");
    let numbers = NumberForm::Lenient { country }.reader(Tables::builtin());
    let lenient = CustomerLimits { numbers, ..LIMITS };
    let head = head("POST", "/api/v1/messages", None, Some(b"application/json"));
    for to in ["+447700900123", "0044 7700 900123", "+44 (0)7700-900123", "07700 900123"] {
        let body = format!(r#"{{"from":"Acme","to":"{to}","body":"Hi"}}"#);
        let Ok(ApiRequest::Submit(read)) = request_with(&head, body.as_bytes(), &lenient) else {
            panic!("{to}");
        };
        assert_eq!(read.to.e164().as_str(), "+447700900123");
        let strict = request_with(&head, body.as_bytes(), &LIMITS);
        assert_eq!(strict.is_ok(), to.starts_with("+447"), "{to}");
    }
    let body = br#"{"from":"Acme","to":"0770O 900123","body":"Hi"}"#;
    let problem = refusal(request_with(&head, body, &lenient));
    assert_eq!((problem.code.name(), problem.param.as_deref()), ("invalid_to", Some("/to")));
}
