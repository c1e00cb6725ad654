//! Look-ups by the real program with a provider that is a small HTTP server of the test: asked, cached,
//! slow, broken, and left alone. On the tests' threads.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests"
)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{Client, free_port, local, metric, serve, until};
use postrider_http::auth::hash_api_key;
use serde_json::{Value, json};

const KEY: &str = "pr_test_lookups";

/// What the provider got, and how it behaves.
#[derive(Default)]
struct Heard {
    /// Request line and value of x-api-key.
    requests: Vec<(String, String)>,
    /// Answers nothing but this status.
    fails: Option<u16>,
    /// How long it thinks.
    thinks: Duration,
}

type Provider = Arc<Mutex<Heard>>;

fn provider() -> (Provider, SocketAddr) {
    let heard = Provider::default();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let own = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let own = Arc::clone(&own);
            std::thread::spawn(move || talk(&own, stream));
        }
    });
    (heard, address)
}

/// Serves one connection to its end. A number that ends with 9 is nobody's, one with 8 is off.
fn talk(heard: &Provider, stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let line = head.lines().next()?.to_owned();
        let key = head.lines().find_map(|line| line.strip_prefix("x-api-key: "));
        let (fails, thinks) = {
            let mut heard = heard.lock().unwrap();
            heard.requests.push((line.clone(), key.unwrap_or_default().to_owned()));
            (heard.fails, heard.thinks)
        };
        std::thread::sleep(thinks);
        let code = match line.split(' ').nth(1)?.chars().last()? {
            '9' => 1,
            '8' => 27,
            _ => 0,
        };
        let body = json!({"result": {"error": code, "network": {"code": "23430", "name": "EE"},
            "is_ported": code == 0}});
        let body = body.to_string();
        let status = fails.unwrap_or(200);
        let length = body.len();
        write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}").ok()?;
    }
}

fn configure(folder: &Path, (http, admin): (SocketAddr, SocketAddr), provider: Option<SocketAddr>) {
    let hash: String = hash_api_key(KEY).iter().map(|octet| format!("{octet:02x}")).collect();
    let mut text = format!(
        "[server]\ndata_dir = {:?}\nshards = 2\npin = false\nlisten = \"{http}\"\n\
         admin_listen = \"{admin}\"\n[store]\nsegment_mib = 8\nmax_segments = 8\n\
         [routing]\ncurrency = \"EUR\"\n\
         [[customers]]\nname = \"acme\"\napi_keys = [\"sha256:{hash}\"]\n\
         webhook_secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n",
        folder.join("data"),
    );
    if let Some(provider) = provider {
        text += &format!(
            "[lookups]\nurl = \"http://{provider}/v1?msisdn={{number}}\"\nheader = \"X-Api-Key\"\n\
             secret_file = \"secret\"\ntimeout_ms = 500\nprice_micros = 4000\nconcurrency = 8\n\
             [lookups.fields]\nstatus = \"/result/error\"\nmccmnc = \"/result/network/code\"\n\
             mcc = \"\"\nmnc = \"\"\ncarrier = \"/result/network/name\"\n\
             ported = \"/result/is_ported\"\n\
             [lookups.words]\nactive = [\"0\"]\nabsent = [\"27\"]\ninactive = [\"1\", \"9\"]\n"
        );
    }
    std::fs::write(folder.join("secret"), "k-1234\n").unwrap();
    std::fs::write(folder.join("gateway.toml"), text).unwrap();
}

fn post(http: SocketAddr, path: &str, body: &str) -> (u16, Value) {
    let (status, body) = Client::connect(http).unwrap().post(path, KEY, body).unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

fn look_up(http: SocketAddr, number: &str) -> Value {
    let (status, found) = post(http, &format!("/api/v1/lookups/{number}"), "");
    assert_eq!(status, 200, "{found}");
    found
}

#[test]
fn a_provider_is_asked_over_http_cached_and_left_alone_when_it_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (http, admin) = (local(free_port()), local(free_port()));
    let (heard, address) = provider();
    configure(folder.path(), (http, admin), Some(address));
    let _gateway = serve(folder.path(), admin);

    let found = look_up(http, "+447717000001");
    let shown = json!({
        "phone_number": "+447717000001", "valid": true, "reason": null, "country": "GB",
        "number_type": "mobile", "carrier": "EE", "mcc": "234", "mnc": "30", "ported": true,
        "reachable": true, "source": "provider", "confidence": 0.99,
        "checked_at": found["checked_at"], "live": "answered", "cost_micros": 4000,
        "cost_millicents": 400, "currency": "EUR",
    });
    assert_eq!(found, shown);
    let asked = heard.lock().unwrap().requests.clone();
    let expected = ("GET /v1?msisdn=447717000001 HTTP/1.1".to_owned(), "k-1234".to_owned());
    assert_eq!(asked, [expected]);
    let again = look_up(http, "%2B447717000001");
    assert_eq!((&again["live"], &again["cost_micros"]), (&json!("cached"), &json!(0)));
    let tables = look_up(http, "447717000001?live=false");
    assert_eq!((&tables["source"], &tables["reachable"]), (&json!("range"), &Value::Null));
    assert_eq!((&tables["live"], &tables["mnc"]), (&Value::Null, &json!("15")));
    assert_eq!(heard.lock().unwrap().requests.len(), 1);

    let body = json!({"numbers": ["+447717000008", "no number", "+447717000009", "+44"]});
    let (status, found) = post(http, "/api/v1/lookups", &body.to_string());
    assert_eq!(status, 200, "{found}");
    let of = |member: &str| -> Vec<Value> {
        found["data"].as_array().unwrap().iter().map(|one| one[member].clone()).collect()
    };
    assert_eq!(of("valid"), [json!(true), json!(false), json!(false), json!(false)]);
    let reasons = [Value::Null, json!("not_a_digit"), json!("inactive"), json!("too_short")];
    assert_eq!(of("reason"), reasons);
    assert_eq!(of("reachable"), [json!(false), Value::Null, json!(false), Value::Null]);

    // Slow, then broken: the tables answer, in time.
    heard.lock().unwrap().thinks = Duration::from_secs(2);
    let begun = Instant::now();
    let slow = look_up(http, "447717000010");
    let waited = begun.elapsed();
    println!(
        "a provider that thinks for 2 s, with a time-out of 500 ms: answered after {waited:?}"
    );
    assert_eq!((&slow["live"], &slow["mnc"]), (&json!("timeout"), &json!("15")));
    assert!(waited < Duration::from_millis(1_500), "{waited:?}");
    (heard.lock().unwrap().thinks, heard.lock().unwrap().fails) = (Duration::ZERO, Some(500));
    let numbers: Vec<String> = (100..130).map(|last| format!("447717000{last}")).collect();
    let batch = json!({"numbers": numbers}).to_string();
    let (_, found) = post(http, "/api/v1/lookups", &batch);
    let words = |found: &Value, word: &str| {
        found["data"].as_array().unwrap().iter().filter(|one| one["live"] == word).count()
    };
    assert!(words(&found, "failed") >= 10, "{found}");
    until("both shards leave it alone", Duration::from_secs(1), || {
        let (_, found) = post(http, "/api/v1/lookups", &batch);
        words(&found, "suspended") == 30
    });
    until("the metric tells", Duration::from_secs(3), || {
        metric(admin, "postrider_lookups_suspended", "") == 2
    });
    assert_eq!(metric(admin, "postrider_lookups_live_total", "outcome=\"cached\""), 1);
    assert_eq!(metric(admin, "postrider_lookups_live_total", "outcome=\"timeout\""), 1);
    assert_eq!(look_up(http, "447717000001")["live"], "cached", "what it said still counts");
}

#[test]
fn a_thousand_numbers_are_one_request_and_one_more_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (http, admin) = (local(free_port()), local(free_port()));
    configure(folder.path(), (http, admin), None);
    let _gateway = serve(folder.path(), admin);
    let numbers = |count: u32| -> String {
        let all: Vec<String> = (0..count).map(|last| format!("+4477170{last:05}")).collect();
        json!({"numbers": all}).to_string()
    };
    let begun = Instant::now();
    let (status, found) = post(http, "/api/v1/lookups", &numbers(1_000));
    println!("1,000 numbers by the tables: {:?}", begun.elapsed());
    assert_eq!(status, 200, "{found}");
    let found = found["data"].as_array().unwrap();
    assert_eq!(found.len(), 1_000);
    for (last, one) in found.iter().enumerate() {
        assert_eq!(one["phone_number"], format!("+4477170{last:05}"));
        assert_eq!((&one["valid"], &one["live"]), (&json!(true), &Value::Null));
    }
    let (status, problem) = post(http, "/api/v1/lookups", &numbers(1_001));
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_numbers")), "{problem}");
    let key =
        Client::connect(http).unwrap().post("/api/v1/lookups/447717000001", "no", "").unwrap();
    assert_eq!(key.0, 401);
}
