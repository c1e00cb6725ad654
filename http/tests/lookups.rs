//! Look-ups: what a customer may ask, what it is answered, and how a provider's answers are read.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use postrider_core::clock::UnixMs;
use postrider_core::config::Config;
use postrider_core::limits::LOOKUP_NUMBERS;
use postrider_core::lookup::{Finding, Live, Subscriber};
use postrider_core::number::{Msisdn, NumberForm};
use postrider_core::numbering::Tables;
use postrider_core::operators::{Resolver, Source};
use postrider_http::lookup::{LookedUp, lookup_json, lookups_json, read_answer};
use postrider_http::problem::{Code, Problem};
use postrider_http::request::{ApiRequest, CustomerLimits, LookupQuery};
use serde_json::{Value, json};

use common::{LIMITS, head, refusal, request, request_with};

const JSON: Option<&[u8]> = Some(b"application/json");

fn query(result: Result<ApiRequest, Problem>) -> LookupQuery {
    match result {
        Ok(ApiRequest::LookUp(query)) => query,
        other => panic!("no look-up: {other:?}"),
    }
}

fn one(path: &str, of_query: Option<&str>) -> LookupQuery {
    query(request("POST", path, of_query, None, b""))
}

fn many(body: &str) -> Result<ApiRequest, Problem> {
    request("POST", "/api/v1/lookups", None, JSON, body.as_bytes())
}

/// The numbers as they were read, or the words of why not.
fn read(query: &LookupQuery) -> Vec<String> {
    let shown = |number: &Result<Msisdn, _>| match number {
        Ok(number) => number.e164().to_string(),
        Err(unreadable) => {
            let postrider_http::request::Unreadable { text, error } = unreadable;
            format!("{}: {}", text.expose(), Finding::unreadable(*error).invalid.unwrap().word())
        }
    };
    query.numbers.iter().map(shown).collect()
}

#[test]
fn one_number_stands_in_the_path() {
    for path in ["/api/v1/lookups/+447700900123", "/api/v1/lookups/%2B447700900123"] {
        let query = one(path, None);
        assert_eq!((read(&query), query.live), (vec!["+447700900123".to_owned()], true));
    }
    assert!(!one("/api/v1/lookups/447700900123", Some("live=false")).live);
    assert!(one("/api/v1/lookups/447700900123", Some("live=true")).live);
    assert_eq!(read(&one("/api/v1/lookups/0770", None)), ["0770: leading_zero"]);
    let numbers = NumberForm::Lenient { country: None }.reader(Tables::builtin());
    let lenient = CustomerLimits { numbers, ..LIMITS };
    let spaced = head("POST", "/api/v1/lookups/0044%207700%20900123", None, None);
    assert_eq!(read(&query(request_with(&spaced, b"", &lenient))), ["+447700900123"]);
}

#[test]
fn a_bad_number_does_not_fail_its_batch() {
    let query = query(many(r#"{"numbers": ["+447700900123", "acme", "", "12", "447400123456"]}"#));
    let expected =
        ["+447700900123", "acme: not_a_digit", ": empty", "12: too_short", "+447400123456"];
    assert_eq!(read(&query), expected);
    assert!(query.batch && query.live);
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let numbers = |count| json!({"numbers": vec!["+447700900123"; count]}).to_string();
    assert_eq!(query(many(&numbers(LOOKUP_NUMBERS))).numbers.len(), LOOKUP_NUMBERS);
    let cases = [
        (numbers(LOOKUP_NUMBERS + 1), Code::InvalidNumbers),
        (numbers(0), Code::InvalidNumbers),
        (r#"{"numbers": "+447700900123"}"#.to_owned(), Code::InvalidType),
        (r#"{"numbers": [447700900123]}"#.to_owned(), Code::InvalidType),
        (r#"{"numbers": [["+447700900123"]]}"#.to_owned(), Code::InvalidType),
        ("{}".to_owned(), Code::MissingField),
        (r#"{"numbers": [], "live": false}"#.to_owned(), Code::UnknownField),
        ("[".to_owned(), Code::InvalidType),
    ];
    for (body, code) in cases {
        assert_eq!(refusal(many(&body)).code, code, "{body}");
    }
    let plain = request("POST", "/api/v1/lookups", None, None, b"{}");
    assert_eq!(refusal(plain).code, Code::UnsupportedMediaType);
    let path = "/api/v1/lookups/+447700900123";
    for (of_query, body, code) in [
        (Some("live=no"), "", Code::InvalidQuery),
        (Some("fast=1"), "", Code::InvalidQuery),
        (Some("live=true&live=true"), "", Code::InvalidQuery),
        (None, "{}", Code::BadRequest),
    ] {
        let refused = request("POST", path, of_query, None, body.as_bytes());
        assert_eq!(refusal(refused).code, code, "{of_query:?}");
    }
    let get = refusal(request("GET", path, None, None, b""));
    assert_eq!((get.code, get.allow), (Code::MethodNotAllowed, Some("POST")));
    for path in ["/api/v1/lookups/", "/api/v1/lookups/1/2", "/api/v1/lookupsx"] {
        assert_eq!(refusal(request("POST", path, None, None, b"")).code, Code::NotFound, "{path}");
    }
}

#[test]
fn every_member_is_shown_and_what_is_not_known_is_null() {
    let number = Msisdn::parse_strict("447717000000").unwrap();
    let finding = Finding::of_tables(&Resolver::default(), number, UnixMs(0));
    let date = finding.as_of.unwrap();
    let looked = LookedUp { number: Ok(number), finding };
    let shown: Value = serde_json::from_slice(&lookup_json(&looked, None)).unwrap();
    let mut expected = json!({
        "phone_number": "+447717000000", "valid": true, "reason": null, "country": "GB",
        "number_type": "mobile", "carrier": "Vodafone", "mcc": "234", "mnc": "15", "ported": null,
        "reachable": null, "source": "range", "confidence": 0.6, "live": null, "cost_micros": 0,
        "cost_millicents": 0, "currency": null,
    });
    expected["checked_at"] = shown["checked_at"].clone();
    assert_eq!(shown, expected);
    assert!(shown["checked_at"].as_str().unwrap().ends_with('Z'), "{date:?}");
    let asked = LookedUp {
        finding: Finding {
            source: Source::Provider,
            confidence: 990,
            live: Some(Live::Answered),
            cost_micros: 4_005,
            reachable: Some(false),
            ..looked.finding.clone()
        },
        ..looked
    };
    let unread = many(r#"{"numbers": ["a\"b"]}"#);
    let number = query(unread).numbers.remove(0);
    let error = number.as_ref().unwrap_err().error;
    let bad = LookedUp { number, finding: Finding::unreadable(error) };
    let body = lookups_json(&[asked, bad], Some("EUR"));
    let shown: Value = serde_json::from_slice(&body).unwrap();
    let [asked, bad] = shown["data"].as_array().unwrap().as_slice() else { panic!("{shown}") };
    assert_eq!((&asked["live"], &asked["confidence"]), (&json!("answered"), &json!(0.99)));
    assert_eq!((&asked["cost_millicents"], &asked["currency"]), (&json!(401), &json!("EUR")));
    assert_eq!(asked["reachable"], false);
    assert_eq!((&bad["phone_number"], &bad["valid"]), (&json!("a\"b"), &json!(false)));
    assert_eq!((&bad["reason"], &bad["checked_at"]), (&json!("not_a_digit"), &Value::Null));
    assert_eq!((&bad["mcc"], &bad["confidence"]), (&Value::Null, &json!(0)));
}

#[test]
fn debug_shows_no_number() {
    let query = query(many(r#"{"numbers": ["+447700900123", "secret text"]}"#));
    let debug = format!("{query:?}");
    assert!(!debug.contains("447700900123") && !debug.contains("secret"), "{debug}");
}

#[test]
fn a_providers_answer_is_read_by_pointers_and_words() {
    let lookups = "[lookups]\nurl = \"http://127.0.0.1:1/{number}\"\n";
    let plain = Config::parse(lookups).unwrap().lookups.unwrap();
    let read = |body: &str| read_answer(&plain, body.as_bytes());
    let full = read(
        r#"{"status": "active", "mcc": "234", "mnc": "15", "carrier": "Vodafone", "ported": true}"#,
    );
    let full = full.unwrap();
    assert_eq!(full.subscriber, Subscriber::Active);
    assert_eq!(full.operator.unwrap().to_string(), "234-15");
    assert_eq!((full.carrier.as_deref(), full.ported), (Some("Vodafone"), Some(true)));
    let bare = read(r#"{"status": "no coverage", "mcc": 1, "mnc": 1, "ported": "unknown"}"#);
    let bare = bare.unwrap();
    assert_eq!((bare.subscriber, bare.ported), (Subscriber::Unknown, None));
    assert_eq!(bare.operator.unwrap().to_string(), "001-01", "numbers have lost their zeros");
    for nothing in ["", "[]", "{}", r#"{"error": "no credit"}"#, "<html>"] {
        assert_eq!(read(nothing), None, "{nothing}");
    }
    let other = format!(
        "{lookups}[lookups.fields]\nstatus = \"/results/0/code\"\nmcc = \"\"\nmnc = \"\"\n\
         mccmnc = \"/results/0/network\"\ncarrier = \"/results/0/a~1b\"\nported = \"\"\n\
         [lookups.words]\nactive = [\"0\"]\nabsent = [\"27\"]\ninactive = [\"1\", \"9\"]\n"
    );
    let other = Config::parse(&other).unwrap().lookups.unwrap();
    let body = json!({"results": [{"code": 27, "network": "310260", "a/b": "T".repeat(99)}]});
    let read = read_answer(&other, body.to_string().as_bytes()).unwrap();
    assert_eq!(read.subscriber, Subscriber::Absent);
    assert_eq!(read.operator.unwrap().to_string(), "310-260");
    assert_eq!(read.carrier.unwrap().len(), 64);
}
