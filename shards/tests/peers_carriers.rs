//! The gateway against SMPP servers that others wrote: npm's smpp and Kannel's drive_smpp stand as
//! its carriers. On the tests' threads, everything else as processes. See `scripts/peers.sh`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;
mod peers;

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use common::{Process, free_port, local, until};
use peers::carrier::{NODE, node_carrier};
use peers::gateway::Gateway;
use peers::relay::{Pdu, Relay};
use peers::{STEP, are_here, program};
use postrider_smpp::json::pdu_to_json;
use serde_json::{Value, json};

/// A route for everything to one carrier at `address`, with further keys.
fn tables(address: SocketAddr, keys: &str) -> String {
    format!(
        "[[carriers]]\nname = \"peer\"\naddress = \"{address}\"\nsystem_id = \"postrider\"\n\
         password = \"secret08\"\nsystem_type = \"VMA\"\nbinds = 2\nwindow = 10\n{keys}\n\
         [[routes]]\nprefix = \"\"\ncarriers = [\"peer\"]\n"
    )
}

/// A text, and what a carrier must see of it.
struct Case {
    to: &'static str,
    text: String,
    data_coding: u8,
    parts: usize,
    status: &'static str,
}

fn cases() -> Vec<Case> {
    let case = |to, text: &str, data_coding, parts, status| Case {
        to,
        text: text.to_owned(),
        data_coding,
        parts,
        status,
    };
    vec![
        case("447700900120", "Hello @ {world} £ €", 0, 1, "delivered"),
        // 152 septets, then one of two: the cut must not go through it.
        case("447700900121", &["a".repeat(152), "€@_".repeat(60)].concat(), 0, 3, "delivered"),
        case("447700900122", "Привет, мир 😀", 8, 1, "delivered"),
        // 66 units, then a surrogate pair: the cut must not go through it either.
        case("447700900123", &["я".repeat(66), "😀ж".repeat(40)].concat(), 8, 3, "delivered"),
        case("447700900129", "Nobody there", 0, 1, "undelivered"),
    ]
}

/// Checks what npm's smpp read of a case's parts.
fn assert_seen(case: &Case, parts: &[Value]) {
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        assert_eq!(part["from"], json!([5, 0, "Acme"]), "{part}");
        assert_eq!(part["to"], json!([1, 1, case.to]), "{part}");
        assert_eq!(part["data_coding"], case.data_coding, "{part}");
        assert_eq!(part["registered_delivery"].as_u64().unwrap() & 3, 1, "{part}");
        assert_eq!((&part["validity"], &part["in_payload"]), (&true.into(), &false.into()));
        let udhi = part["esm_class"].as_u64().unwrap() & 0x40 != 0;
        assert_eq!(udhi, case.parts > 1, "{part}");
        if udhi {
            let [element] = part["udh"].as_array().unwrap().as_slice() else { panic!("{part}") };
            let element = element.as_str().unwrap();
            // Information element 00, three octets: reference, parts, number [3GPP 23.040 9.2.3.24.1].
            assert!(element.starts_with("0003") && element.len() == 10, "{part}");
            assert_eq!(element[4..6], parts[0]["udh"][0].as_str().unwrap()[4..6], "one reference");
            assert_eq!(element[6..], format!("{:02x}{:02x}", case.parts, at + 1), "{part}");
        }
        text.push_str(part["text"].as_str().unwrap());
    }
    assert_eq!(text, case.text);
}

/// The octets of short_message in what crossed for one number.
fn short_messages(crossed: &[Pdu], to: &str) -> Vec<String> {
    let read = crossed.iter().map(|pdu| pdu_to_json(&pdu.octets));
    let wanted =
        read.filter(|pdu| pdu["command"] == "submit_sm" && pdu["fields"]["destination_addr"] == to);
    wanted.map(|pdu| pdu["fields"]["short_message"].as_str().unwrap().to_owned()).collect()
}

/// A whole life against npm's smpp: binds of `kinds`, every case to its final status, links probed
/// from both ends, and a goodbye.
fn a_life_with_node(keys: &str, version: u64, kinds: &[&str]) {
    if !are_here(&[NODE]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = json!({ "password": "secret08", "interface_version": version });
    let (mut carrier, address) = node_carrier(folder.path(), &settings);
    let relay = Relay::before(address);
    let keys = format!("enquire_link_seconds = 1\n{keys}");
    let mut gateway = Gateway::start(folder.path(), &tables(relay.address, &keys));
    gateway.await_ready();
    for kind in kinds.iter().flat_map(|kind| [kind, kind]) {
        let bind = carrier.await_event("bind", |bind| bind["command"] == *kind);
        assert_eq!(bind["interface_version"], version);
        assert_eq!(
            (&bind["system_id"], &bind["system_type"]),
            (&"postrider".into(), &"VMA".into())
        );
    }
    for case in cases() {
        let id = gateway.send("Acme", case.to, &case.text);
        let to = json!([1, 1, case.to]);
        let mut parts = carrier.take("submit", case.parts, |submit| submit["to"] == to);
        parts.sort_by_key(|part| part["udh"][0].to_string());
        assert_seen(&case, &parts);
        gateway.await_status(&id, case.status);
    }
    assert_eq!(
        short_messages(&relay.pdus(), "447700900120"),
        ["48656c6c6f2000201b28776f726c641b292001201b65"]
    );
    let parts: usize = cases().iter().map(|case| case.parts).sum();
    for name in ["receipt_answered", "enquired"] {
        assert!(carrier.take(name, parts, |_| true).iter().all(|answer| answer["status"] == 0));
    }
    // Silence, until the gateway asks whether the carrier is there.
    carrier.take("enquire_link", 2 * kinds.len(), |_| true);
    gateway.stop();
    carrier.take("unbind", 2 * kinds.len(), |_| true);
    carrier.take("closed", 2 * kinds.len(), |_| true);
    assert!(!carrier.has_told("submit"), "nothing came twice");
    carrier.finish();
}

#[test]
fn node_smpp_takes_a_transceivers_messages_and_its_receipts_end_them() {
    a_life_with_node("bind = \"transceiver\"\nversion = \"3.4\"", 0x34, &["bind_transceiver"]);
}

#[test]
fn node_smpp_is_served_as_a_carrier_of_version_5() {
    a_life_with_node("bind = \"transceiver\"\nversion = \"5.0\"", 0x50, &["bind_transceiver"]);
}

#[test]
fn node_smpp_is_served_by_pairs_of_a_transmitter_and_a_receiver() {
    let kinds = ["bind_transmitter", "bind_receiver"];
    a_life_with_node("bind = \"pair\"\nversion = \"3.4\"", 0x34, &kinds);
}

#[test]
fn node_smpp_refuses_a_password_and_is_not_asked_again_at_once() {
    if !are_here(&[NODE]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // ESME_RINVPASWD.
    let (mut carrier, address) =
        node_carrier(folder.path(), &json!({ "password": "another0", "refuse": 0x0E }));
    let mut gateway = Gateway::start(folder.path(), &tables(address, ""));
    for bind in carrier.take("bind", 2, |_| true) {
        assert_eq!(bind["refused"], true);
    }
    carrier.take("closed", 2, |_| true);
    // Before a carrier is up a message is taken and waits.
    std::thread::sleep(Duration::from_secs(3));
    assert!(!carrier.has_told("bind"), "a wrong password is not tried again within seconds");
    gateway.assert_running();
    assert_eq!(gateway.metric("postrider_bind_events_total", "refused"), 2.0);
    let log = gateway.log();
    let told = |line: &str| line.contains("WARN") && line.contains("ESME_RINVPASWD");
    assert_eq!(log.lines().filter(|line| told(line)).count(), 2, "the operator is told: {log}");
    assert!(!log.contains("secret08"), "but not the password");
    gateway.stop();
    carrier.finish();
}

/// drive_smpp takes itself for half of a test of Kannel's bearerbox, and ends a second after the first
/// bind when no bearerbox listens on its port: something must.
fn bearerbox_stands_in() {
    let Ok(listener) = TcpListener::bind(local(13_001)) else { return };
    std::thread::spawn(move || {
        let held: Vec<_> = listener.incoming().collect();
        drop(held);
    });
}

#[test]
fn kannels_drive_smpp_takes_messages_and_hears_its_answers() {
    if !are_here(&["drive_smpp"]) {
        return;
    }
    bearerbox_stands_in();
    let folder = tempfile::tempdir().unwrap();
    let (log, port) = (folder.path().join("drive.log"), free_port());
    let mut command = program("drive_smpp");
    command.args(["-v", "4", "-m", "3", "-p", &port.to_string(), "-l"]).arg(&log);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut drive = Process::spawn("drive_smpp", command, Some(log.clone()));
    let said =
        |words: &str| std::fs::read_to_string(&log).unwrap_or_default().matches(words).count();
    until("drive_smpp listens", STEP, || said("accept_thread") > 0);
    let relay = Relay::before(local(port));
    // It knows no transceivers.
    let keys = "bind = \"pair\"\nenquire_link_seconds = 1";
    let mut gateway = Gateway::start(folder.path(), &tables(relay.address, keys));
    gateway.await_ready();
    let ids: Vec<String> = ["447700900120", "447700900121"]
        .iter()
        .map(|to| gateway.send("Acme", to, &format!("Hello {to}")))
        .collect();
    for (id, to) in ids.iter().zip(["447700900120", "447700900121"]) {
        until("drive_smpp has the text", STEP, || said(&format!("<Hello {to}>")) == 1);
        // It answers with an empty id and sends no receipts.
        gateway.await_status(id, "submitted");
    }
    // One after the other.
    until("it has both binds", STEP, || {
        said("of type bind_transmitter") > 0 && said("of type bind_receiver") > 0
    });
    // It delivers three texts for a number of nobody and asks after the link behind each.
    let answers = |command: &str| {
        let crossed = relay.pdus().into_iter().map(|pdu| pdu_to_json(&pdu.octets));
        crossed.filter(|pdu| pdu["command"] == command).collect::<Vec<Value>>()
    };
    until("all is answered", STEP, || {
        answers("deliver_sm_resp").len() == 3 && answers("enquire_link_resp").len() >= 3
    });
    // ESME_RX_R_APPN: not to be sent again.
    assert!(answers("deliver_sm_resp").iter().all(|answer| answer["command_status"] == 0x66));
    until("the gateway asks too", STEP, || said("of type enquire_link\n") > 0);
    gateway.stop();
    until("drive_smpp hears the goodbye", STEP, || said("of type unbind") > 0);
    drive.wait(STEP);
}
