//! Tables of ported numbers in use by the real program: a number goes to the carrier of whoever has it
//! now, and look-ups say so, with the date of the table; a new table counts after a reload. On the
//! tests' threads.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests"
)]

mod common;

use std::net::SocketAddr;
use std::path::Path;

use common::{
    Client, HUNG, Process, free_port, local, program, run_to_end, serve, spawn_carrier, until,
};
use postrider_http::auth::hash_api_key;
use serde_json::{Value, json};

const KEY: &str = "pr_test_ported";
/// In a range that Vodafone got.
const NUMBER: &str = "+447717000001";
/// In the same range; the configuration says who has it.
const DECREED: &str = "+447717999001";

/// A table of one country with one number, true on this day of 2026-11.
fn build(folder: &Path, day: u32, rows: &str) {
    let mut command = program("ported");
    command
        .args(["build", "--covers", "44", "--full", "-", "--table"])
        .arg(folder.join("44.table"));
    let feed = format!("# as_of: 2026-11-{day}T00:00:00Z\nnumber,mcc,mnc\n{rows}");
    let ended = run_to_end(command, &feed, HUNG);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

fn configure(folder: &Path, (http, admin): (SocketAddr, SocketAddr), carriers: [&str; 2]) {
    let hash: String = hash_api_key(KEY).iter().map(|octet| format!("{octet:02x}")).collect();
    let mut text = format!(
        "[server]\ndata_dir = {:?}\nshards = 2\npin = false\nlisten = \"{http}\"\n\
         admin_listen = \"{admin}\"\n[store]\nsegment_mib = 8\nmax_segments = 8\n\
         [[customers]]\nname = \"acme\"\napi_keys = [\"sha256:{hash}\"]\n\
         webhook_secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n\
         [[ported]]\nfile = \"44.table\"\ncalling_code = \"44\"\nfresh_hours = 8784\n\
         [[numbers.override]]\nrange = \"447717999000-447717999499\"\noperator = \"234-30\"\n\
         name = \"Ours\"\n",
        folder.join("data"),
    );
    for (name, address) in ["alpha", "beta"].into_iter().zip(carriers) {
        text += &format!(
            "[[carriers]]\nname = \"{name}\"\naddress = \"{address}\"\nsystem_id = \"test\"\n\
             password = \"test\"\nbinds = 2\n"
        );
    }
    text += "[[routes]]\nprefix = \"\"\ncarriers = [\"alpha\"]\n\
             [[routes]]\noperator = \"234-30\"\nmin_confidence_permille = 950\ncarriers = [\"beta\"]\n";
    std::fs::write(folder.join("gateway.toml"), text).unwrap();
}

fn post(http: SocketAddr, path: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = Client::connect(http).unwrap().post(path, KEY, &body).unwrap();
    assert!(status < 300, "{status}: {answer}");
    serde_json::from_str(&answer).unwrap()
}

/// Members of what a look-up says.
fn found(http: SocketAddr, number: &str) -> Value {
    let one = post(http, &format!("/api/v1/lookups/{number}"), &Value::Null);
    json!([one["ported"], one["source"], one["mnc"], one["confidence"], one["checked_at"]])
}

/// Sends a message, and gives the carrier that took it.
fn carrier_of(http: SocketAddr, number: &str) -> String {
    let sent = post(http, "/api/v1/messages", &json!({"from": "Acme", "to": number, "body": "x"}));
    let path = format!("/api/v1/messages/{}", sent["message_id"].as_str().unwrap());
    let mut carrier = Value::Null;
    until("a carrier took it", HUNG, || {
        let (_, body) = Client::connect(http).unwrap().get(&path, Some(KEY)).unwrap();
        let message: Value = serde_json::from_str(&body).unwrap();
        carrier = message["parts"][0]["carrier"].clone();
        !carrier.is_null()
    });
    carrier.as_str().unwrap().to_owned()
}

fn smsc(folder: &Path, name: &str) -> (Process, String) {
    let folder = folder.join(name);
    std::fs::create_dir(&folder).unwrap();
    let mut command = program("smsc");
    command.args(["--listen", "127.0.0.1:0"]);
    spawn_carrier(&folder, command)
}

#[test]
fn a_ported_number_goes_to_its_new_operators_carrier() {
    let folder = tempfile::tempdir().unwrap();
    let (http, admin) = (local(free_port()), local(free_port()));
    let (alpha, beta) = (smsc(folder.path(), "a"), smsc(folder.path(), "b"));
    build(folder.path(), 20, "447717000001,234,30\n");
    configure(folder.path(), (http, admin), [&alpha.1, &beta.1]);
    let _gateway = serve(folder.path(), admin);
    let date = "2026-11-20T00:00:00.000Z";
    assert_eq!(found(http, NUMBER), json!([true, "ported", "30", 0.98, date]));
    assert_eq!(carrier_of(http, NUMBER), "beta");
    assert_eq!(found(http, "+447717000002"), json!([false, "range", "15", 0.97, date]));
    assert_eq!(carrier_of(http, "+447717000002"), "alpha");
    // The configuration stands over tables.
    assert_eq!(found(http, DECREED), json!([null, "override", "30", 1, null]));
    assert_eq!(carrier_of(http, DECREED), "beta");
    // It went back to Vodafone, and another one left.
    build(folder.path(), 21, "447717000002,234,30\n");
    let done = post(admin, "/reload", &Value::Null);
    assert_eq!(done["generation"], 2, "{done}");
    let date = "2026-11-21T00:00:00.000Z";
    assert_eq!(found(http, NUMBER), json!([false, "range", "15", 0.97, date]));
    assert_eq!(carrier_of(http, NUMBER), "alpha");
    assert_eq!(found(http, "+447717000002"), json!([true, "ported", "30", 0.98, date]));
    assert_eq!(carrier_of(http, "+447717000002"), "beta");
}

#[test]
fn a_route_is_explained_by_the_files_own_tables_and_overrides() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), 20, "447717000001,234,30\n");
    configure(folder.path(), (local(1), local(2)), ["127.0.0.1:3", "127.0.0.1:4"]);
    for (number, operator, carrier) in [
        (NUMBER, "234-30", "beta"),
        ("+447717000002", "234-15", "alpha"),
        (DECREED, "234-30", "beta"),
    ] {
        let mut command = program("route");
        command.args(["explain", number, "--from", "Acme", "--body", "x", "--json", "--config"]);
        command.arg(folder.path().join("gateway.toml"));
        let ended = run_to_end(command, "", HUNG);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let told: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!((&told["operator"], &told["carrier"]), (&json!(operator), &json!(carrier)));
    }
}
