//! Customers on client libraries and gateways that others wrote, against our SMPP server: npm's smpp,
//! smpplib, aiosmpplib, rusmppc and Kannel. Behind the gateway stands the bundled carrier simulator,
//! or npm's smpp where a handset must write. On the tests' threads, everything else as processes.
//! See `scripts/peers.sh`.

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

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use common::{Process, append, free_port, local, until};
use peers::carrier::{NODE, node_carrier};
use peers::client::{AIOSMPPLIB, Library, NODE_SMPP, RUSMPPC, SMPPLIB, submit};
use peers::gateway::Gateway;
use peers::kannel::{self, Kannel};
use peers::relay::Relay;
use peers::{Peer, STEP, are_here};
use postrider_smpp::json::pdu_to_json;
use serde_json::{Value, json};

const PASSWORD: &str = "secret08";
const ACCOUNT: &str = "[[customers]]\nname = \"acme\"\nnumbers = [\"+447700900555\"]\n\
    [customers.smpp]\nsystem_id = \"acme\"\npassword = \"secret08\"\n";

/// A gateway with one SMPP account before a simulated carrier.
struct Stage {
    folder: tempfile::TempDir,
    gateway: Gateway,
    /// Where customers bind.
    smpp: SocketAddr,
    carrier: Process,
}

impl Stage {
    fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (carrier, address) = simulator(folder.path());
        let smpp = local(free_port());
        let mut gateway = Gateway::start(folder.path(), &tables(smpp, address));
        gateway.await_ready();
        Self { folder, gateway, smpp, carrier }
    }

    /// The texts that the carrier has whole, with their recipients.
    fn texts(&self) -> BTreeSet<(String, String)> {
        let lines = std::fs::read_to_string(ledger(self.folder.path())).unwrap();
        let read = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let texts = read.filter(|line| line["k"] == "text");
        let word = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
        texts.map(|line| (word(&line, "to"), word(&line, "text"))).collect()
    }

    fn strike(mut self) {
        self.gateway.stop();
        self.carrier.close_stdin();
        assert!(self.carrier.wait(STEP).success());
    }
}

fn ledger(folder: &Path) -> PathBuf {
    folder.join("smsc.ndjson")
}

fn simulator(folder: &Path) -> (Process, SocketAddr) {
    let ready = folder.join("smsc.ready");
    let log = folder.join("smsc.log");
    let mut command = common::program("smsc");
    command.args(["--listen", "127.0.0.1:0", "--ledger"]).arg(ledger(folder));
    command.arg("--ready-file").arg(&ready);
    command.stdin(Stdio::piped()).stdout(append(&log)).stderr(append(&log));
    let process = Process::spawn("smsc", command, Some(log));
    until("the simulator listens", STEP, || ready.exists());
    let line: Value = serde_json::from_str(&std::fs::read_to_string(ready).unwrap()).unwrap();
    (process, line["ready"][0].as_str().unwrap().parse().unwrap())
}

fn tables(smpp: SocketAddr, carrier: SocketAddr) -> String {
    format!(
        "{ACCOUNT}\n[smpp]\nlisten = \"{smpp}\"\n\
         [[carriers]]\nname = \"peer\"\naddress = \"{carrier}\"\nsystem_id = \"postrider\"\n\
         password = \"secret08\"\nbinds = 2\nwindow = 10\n\
         [[routes]]\nprefix = \"\"\ncarriers = [\"peer\"]\n"
    )
}

/// Recipients and texts: short and long, in both alphabets.
fn texts() -> [(&'static str, String); 4] {
    [
        ("447700900120", "Hello @ {world} €".to_owned()),
        ("447700900121", "Quick brown foxes {jump} over lazy dogs. ".repeat(8)),
        ("447700900122", "Привет, мир 😀".to_owned()),
        ("447700900123", "Съешь ещё этих мягких булок 😀 ".repeat(5)),
    ]
}

/// Awaits one receipt for each id; they say that the part was delivered.
fn assert_receipts(client: &mut Peer, to: &str, ids: &[String]) {
    for id in ids {
        let words = format!("id:{id} ");
        let hex: String = words.bytes().map(|octet| format!("{octet:02x}")).collect();
        // aiosmpplib keeps the receipts of a long text to itself until the last.
        let told = |event: &Value| match event["octets"].as_str() {
            Some(octets) => octets.contains(&hex),
            None => event["event"] == "deliver" && event["text"].as_str().unwrap().contains(&words),
        };
        let receipt = client.await_any(STEP, told);
        if receipt["event"] == "withheld" {
            continue;
        }
        assert_eq!(receipt["esm_class"].as_u64().unwrap() & 0x3C, 0x04, "{receipt}");
        assert_eq!((&receipt["from"], &receipt["to"]), (&to.into(), &"Acme".into()), "{receipt}");
        assert!(receipt["text"].as_str().unwrap().contains("stat:DELIVRD"), "{receipt}");
        if !receipt["state"].is_null() {
            assert_eq!(
                (&receipt["receipted_id"], &receipt["state"]),
                (&id.as_str().into(), &2.into())
            );
        }
    }
}

/// A whole life: a wrong password, texts of all kinds to their receipts, a probe, a goodbye.
fn a_life_with(library: Library) {
    if !are_here(&[library.runtime]) {
        return;
    }
    let stage = Stage::set();
    let folder = stage.folder.path();
    let relay = Relay::before(stage.smpp);
    let (_, refused) = library.bind(folder, relay.address, "trx", "wrong");
    assert!([0x0D, 0x0E, 0x0F].contains(&refused), "status {refused:#x}");
    let (mut client, status) = library.bind(folder, relay.address, "trx", PASSWORD);
    assert_eq!(status, 0);
    for (to, text) in texts() {
        let text = if library.no_pairs { text.replace('😀', "☺") } else { text };
        let ids = submit(&mut client, "Acme", to, &text);
        until("the text is at the carrier", STEP, || {
            stage.texts().contains(&(to.into(), text.clone()))
        });
        assert_receipts(&mut client, to, &ids);
    }
    client.order(&json!({ "do": "enquire" }));
    assert_eq!(client.next("enquired")["status"], 0);
    client.order(&json!({ "do": "unbind" }));
    client.next("closed");
    client.finish();
    // Not every library looks at the answer.
    let answers = relay.pdus().into_iter().map(|pdu| pdu_to_json(&pdu.octets));
    let answers: Vec<Value> = answers.filter(|pdu| pdu["command"] == "unbind_resp").collect();
    assert!(answers.len() == 1 && answers[0]["command_status"] == 0, "{answers:?}");
    assert_eq!(stage.texts().len(), texts().len(), "nothing else");
    stage.strike();
}

/// What a transmitter submits is receipted to a receiver of the same account.
fn a_pair_of(library: Library) {
    if !are_here(&[library.runtime]) {
        return;
    }
    let stage = Stage::set();
    let folder = stage.folder.path();
    let (mut receiver, status) = library.bind(folder, stage.smpp, "rx", PASSWORD);
    assert_eq!(status, 0);
    let (mut transmitter, status) = library.bind(folder, stage.smpp, "tx", PASSWORD);
    assert_eq!(status, 0);
    let [(to, text), ..] = texts();
    let ids = submit(&mut transmitter, "Acme", to, &text);
    assert_receipts(&mut receiver, to, &ids);
    assert!(!transmitter.has_told("deliver"), "a transmitter is sent nothing");
    // The gateway's goodbye reaches both.
    stage.strike();
    for mut client in [receiver, transmitter] {
        client.next("unbind");
    }
}

#[test]
fn a_customer_on_node_smpp_is_served() {
    a_life_with(NODE_SMPP);
}

#[test]
fn a_customer_on_smpplib_is_served() {
    a_life_with(SMPPLIB);
}

#[test]
fn a_customer_on_aiosmpplib_is_served() {
    a_life_with(AIOSMPPLIB);
}

#[test]
fn a_customer_on_rusmppc_is_served() {
    a_life_with(RUSMPPC);
}

#[test]
fn a_transmitter_and_a_receiver_on_node_smpp_share_an_account() {
    a_pair_of(NODE_SMPP);
}

#[test]
fn a_transmitter_and_a_receiver_on_smpplib_share_an_account() {
    a_pair_of(SMPPLIB);
}

#[test]
fn a_transmitter_and_a_receiver_on_aiosmpplib_share_an_account() {
    a_pair_of(AIOSMPPLIB);
}

#[test]
fn a_transmitter_and_a_receiver_on_rusmppc_share_an_account() {
    a_pair_of(RUSMPPC);
}

/// Silence after which our server asks whether a customer is there, and three times the slack.
const PROBE: Duration = Duration::from_secs(45);

#[test]
fn every_client_answers_our_probe_of_an_idle_bind() {
    let clients = [NODE_SMPP, SMPPLIB, AIOSMPPLIB, RUSMPPC];
    if !are_here(&clients.map(|library| library.runtime)) {
        return;
    }
    let stage = Stage::set();
    let relay = Relay::before(stage.smpp);
    let mut bound: Vec<Peer> = clients
        .iter()
        .map(|library| {
            let (client, status) = library.bind(stage.folder.path(), relay.address, "rx", PASSWORD);
            assert_eq!(status, 0);
            client
        })
        .collect();
    // Not every library tells of a probe that it has answered.
    until("all have answered", PROBE, || {
        let crossed = relay.pdus().into_iter().map(|pdu| pdu_to_json(&pdu.octets));
        crossed.filter(|pdu| pdu["command"] == "enquire_link_resp").count() == clients.len()
    });
    stage.strike();
    for client in &mut bound {
        client.next("unbind");
    }
}

#[test]
fn kannel_is_served_as_a_customer() {
    if !are_here(&kannel::PROGRAMS) {
        return;
    }
    let stage = Stage::set();
    let kannel = Kannel::start(stage.folder.path(), stage.smpp, PASSWORD);
    for (to, text) in texts() {
        kannel.send("Acme", to, &text, !text.contains('a'));
        until("the text is at the carrier", STEP, || {
            stage.texts().contains(&(to.into(), text.clone()))
        });
        // 8: our server took it; 1: it is delivered.
        kannel.await_report(&["/dlr?", to, "state=8"]);
        kannel.await_report(&["/dlr?", to, "state=1", "stat:DELIVRD"]);
    }
    until("our server answers its probes", STEP, || {
        kannel.log().contains("type_name: enquire_link_resp")
    });
    kannel.stop();
    assert_eq!(stage.texts().len(), texts().len(), "nothing else");
    stage.strike();
}

#[test]
fn kannel_with_a_wrong_password_is_refused() {
    if !are_here(&kannel::PROGRAMS) {
        return;
    }
    let stage = Stage::set();
    let kannel = Kannel::start(stage.folder.path(), stage.smpp, "wrong");
    until("Kannel is told", STEP, || kannel.log().contains("rejected login"));
    kannel.stop();
    stage.strike();
}

/// What a handset writes to one of the clients: short in both alphabets, and long in two parts. Never
/// the same to two: the same octets within seconds would be taken for a carrier's second copy.
fn written(to: &str) -> [(String, u8); 3] {
    let long = format!("A long text to {to}, in two parts. ").repeat(6);
    [(format!("Hello {to}"), 0), (format!("Привет {to}"), 8), (long.trim_end().to_owned(), 0)]
}

/// Lets the carrier bring a handset's text, in parts of 153 characters where it is long.
fn bring(carrier: &mut Peer, text: &str, data_coding: u8) {
    let characters: Vec<char> = text.chars().collect();
    let parts: Vec<String> = characters.chunks(153).map(|part| part.iter().collect()).collect();
    for (at, part) in parts.iter().enumerate() {
        let mut fields = json!({
            "source_addr_ton": 1, "source_addr_npi": 1, "source_addr": "447700900777",
            "dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": "447700900555",
            "short_message": part, "data_coding": data_coding,
        });
        if parts.len() > 1 {
            fields["udh"] = format!("05000377{:02x}{:02x}", parts.len(), at + 1).into();
        }
        carrier.order(&json!({ "do": "deliver_sm", "fields": fields }));
    }
    for answer in carrier.take("answered", parts.len(), |_| true) {
        assert_eq!(answer["status"], 0);
    }
}

/// The next text from a handset, put together where it comes in parts.
fn next_text(client: &mut Peer) -> String {
    let mut parts: Vec<(String, String)> = Vec::new();
    loop {
        let told = client.next("deliver");
        assert_eq!(told["esm_class"].as_u64().unwrap() & 0x3C, 0, "{told}");
        assert_eq!((&told["from"], &told["to"]), (&"447700900777".into(), &"447700900555".into()));
        let udh = told["udh"][0].as_str().or(told["udh"].as_str()).unwrap_or_default().to_owned();
        let count = udh.get(6..8).map_or(1, |hex| usize::from_str_radix(hex, 16).unwrap());
        parts.push((udh, told["text"].as_str().unwrap().to_owned()));
        if parts.len() == count {
            parts.sort();
            return parts.into_iter().map(|(_, text)| text).collect();
        }
    }
}

/// A carrier that handsets write through, and a gateway behind which `acme` has a number.
fn handsets(folder: &Path, long_inbound: &str) -> (Peer, Gateway, SocketAddr) {
    let (mut carrier, address) = node_carrier(folder, &json!({ "password": "secret08" }));
    let smpp = local(free_port());
    let account = format!("{ACCOUNT}long_inbound = \"{long_inbound}\"\n");
    let tables = tables(smpp, address).replace(ACCOUNT, &account);
    let mut gateway = Gateway::start(folder, &tables);
    gateway.await_ready();
    carrier.take("bind", 2, |_| true);
    (carrier, gateway, smpp)
}

/// Texts of a handset reach the customer whose number it wrote to, whatever its client.
fn a_handset_writes(long_inbound: &str, clients: &[Library]) {
    let needed: Vec<&str> = clients.iter().map(|library| library.runtime).collect();
    if !are_here(&[needed.as_slice(), &[NODE]].concat()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut carrier, gateway, smpp) = handsets(folder.path(), long_inbound);
    for library in clients {
        let (mut client, status) = library.bind(folder.path(), smpp, "trx", PASSWORD);
        assert_eq!(status, 0);
        for (text, data_coding) in written(library.name) {
            bring(&mut carrier, &text, data_coding);
            assert_eq!(next_text(&mut client), text);
        }
        client.order(&json!({ "do": "unbind" }));
        client.next("closed");
        client.finish();
    }
    gateway.stop();
    carrier.finish();
}

#[test]
fn a_handsets_texts_reach_every_client_in_parts() {
    a_handset_writes("parts", &[NODE_SMPP, SMPPLIB, RUSMPPC]);
}

#[test]
fn a_handsets_texts_reach_every_client_whole() {
    a_handset_writes("payload", &[NODE_SMPP, SMPPLIB, AIOSMPPLIB, RUSMPPC]);
}

#[test]
fn a_handsets_texts_reach_kannel() {
    if !are_here(&[kannel::PROGRAMS.as_slice(), &[NODE]].concat()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut carrier, gateway, smpp) = handsets(folder.path(), "parts");
    let kannel = Kannel::start(folder.path(), smpp, PASSWORD);
    for (text, data_coding) in written("Kannel") {
        bring(&mut carrier, &text, data_coding);
        kannel.await_report(&["/mo?from=+447700900777&to=+447700900555", &format!("text={text}")]);
    }
    kannel.stop();
    gateway.stop();
    carrier.finish();
}
