//! Wireshark's dissector beside ours: over PDUs that others wrote, and over whole runs of the gateway
//! with a customer and a carrier. On the tests' threads. See `scripts/peers.sh`.

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

use std::net::SocketAddr;
use std::path::Path;

use common::{HUNG, free_port, local, program, run_to_end};
use peers::carrier::{NODE, node_carrier};
use peers::client::NODE_SMPP;
use peers::dissector::{Compared, Misreading, compare};
use peers::gateway::Gateway;
use peers::relay::{Chunk, Relay, pdus};
use peers::wireshark::{alone, read};
use peers::{Peer, are_here};
use postrider_smpp::json::pdu_to_json;
use serde_json::{Value, json};

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// What `postrider pdu decode --json` says of each PDU.
fn ours(pdus: &[&[u8]]) -> Vec<Value> {
    let lines: String = pdus.iter().map(|pdu| format!("{}\n", hex(pdu))).collect();
    let mut command = program("pdu");
    command.args(["decode", "--json"]);
    let ended = run_to_end(command, &lines, HUNG);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let read: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read.len(), pdus.len());
    read
}

/// PDUs of other implementations with their ids.
fn vectors() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../smpp/tests/vectors");
    let mut found = Vec::new();
    for file in ["node-smpp.json", "smpplib.json", "smpp_pdu3.json"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let set: Value = serde_json::from_str(&text).unwrap();
        for vector in set["vectors"].as_array().unwrap() {
            let hex = vector["hex"].as_str().unwrap().as_bytes();
            let octets = hex
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
            found.push((vector["id"].as_str().unwrap().to_owned(), octets.collect()));
        }
    }
    found
}

/// Compares both readings of what crossed; gives the misreadings met.
fn assert_read_alike(folder: &Path, chunks: &[Chunk], names: &[String]) -> Vec<Misreading> {
    let reading = read(folder, chunks);
    let crossed = pdus(chunks);
    assert_eq!(reading.pdus.len(), crossed.len(), "as many PDUs");
    let octets: Vec<&[u8]> = crossed.iter().map(|pdu| pdu.octets.as_slice()).collect();
    let (mut differences, mut met, mut derailed) = (Vec::new(), Vec::new(), Vec::new());
    for (at, ours) in ours(&octets).iter().enumerate() {
        let Compared { differences: found, misread } = compare(ours, octets[at], &reading.pdus[at]);
        let name = names.get(at).map_or("", String::as_str);
        differences.extend(found.iter().map(|it| format!("{at} {name} {}: {it}", ours["command"])));
        derailed.extend(misread.iter().any(|it| it.derails()).then_some(crossed[at].chunk));
        met.extend(misread);
    }
    let malformed = reading.malformed.iter().filter(|packet| !derailed.contains(packet));
    differences.extend(malformed.map(|packet| format!("malformed: packet {packet}")));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    met
}

#[test]
fn wireshark_and_we_read_alike_what_three_libraries_wrote() {
    if !are_here(&["tshark"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (names, octets): (Vec<String>, Vec<Vec<u8>>) = vectors().into_iter().unzip();
    let chunks: Vec<Chunk> = octets.into_iter().map(alone).collect();
    let met = assert_read_alike(folder.path(), &chunks, &names);
    println!("{} PDUs, misread by Wireshark: {met:?}", names.len());
}

/// Orders a request of npm's smpp; its response.
fn request(client: &mut Peer, command: &str, fields: Value) -> Value {
    client.order(&json!({ "do": "request", "command": command, "fields": fields }));
    client.next("response")
}

/// A message of a customer, with further fields.
fn message(further: Value) -> Value {
    let mut fields = json!({
        "source_addr_ton": 5, "source_addr": "Acme", "dest_addr_ton": 1, "dest_addr_npi": 1,
        "destination_addr": "447700900150", "registered_delivery": 1,
    });
    fields.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    fields
}

/// Everything that a customer of version 5.0 may ask.
fn everything_of_a_customer(client: &mut Peer) {
    let sent = request(client, "submit_sm", message(json!({ "short_message": "One" })));
    assert_eq!(sent["status"], 0, "{sent}");
    client.await_event("deliver", |event| event["esm_class"] == 4);
    let asked =
        json!({ "message_id": sent["message_id"], "source_addr_ton": 5, "source_addr": "Acme" });
    let state = request(client, "query_sm", asked);
    assert_eq!((&state["status"], &state["message_state"]), (&0.into(), &2.into()), "DELIVERED");
    let destinations = json!([
        { "dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": "447700900151" },
        { "dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": "0" },
    ]);
    let mut several = message(json!({ "short_message": "Two", "dest_address": destinations }));
    several.as_object_mut().unwrap().remove("destination_addr");
    let several = request(client, "submit_multi", several);
    assert_eq!(
        (&several["status"], &several["unsuccess_sme"][0]["destination_addr"]),
        (&0.into(), &"0".into())
    );
    let later =
        message(json!({ "short_message": "Three", "schedule_delivery_time": "000001000000000R" }));
    let later = request(client, "submit_sm", later);
    assert_eq!(later["status"], 0, "{later}");
    let asked =
        json!({ "message_id": later["message_id"], "source_addr_ton": 5, "source_addr": "Acme" });
    let mut replaced = asked.clone();
    replaced["short_message"] = "Four".into();
    let replaced = request(client, "replace_sm", replaced);
    assert_eq!(replaced["status"], 0, "{replaced}");
    let mut canceled = asked.clone();
    canceled["dest_addr_ton"] = 1.into();
    canceled["dest_addr_npi"] = 1.into();
    canceled["destination_addr"] = "447700900150".into();
    let canceled = request(client, "cancel_sm", canceled);
    assert_eq!(canceled["status"], 0, "{canceled}");
    let data = request(client, "data_sm", message(json!({ "message_payload": "Five" })));
    assert_eq!(data["status"], 0, "{data}");
    everything_of_broadcasting(client, &asked);
}

/// Broadcasting is not served, and each request is told so by its own response.
fn everything_of_broadcasting(client: &mut Peer, asked: &Value) {
    let area = json!([{ "format": 0, "data": "Everywhere" }]);
    let broadcast = json!({
        "source_addr_ton": 5, "source_addr": "Acme", "message_payload": "Six",
        "broadcast_area_identifier": area, "broadcast_content_type": { "network": 1, "content_type": 2 },
        "broadcast_rep_num": 1, "broadcast_frequency_interval": { "unit": 8, "interval": 60 },
    });
    for (command, fields) in [
        ("broadcast_sm", broadcast),
        ("query_broadcast_sm", asked.clone()),
        ("cancel_broadcast_sm", asked.clone()),
    ] {
        let answer = request(client, command, fields);
        assert_ne!(answer["status"], 0, "{answer}");
        assert_eq!(answer["command"], format!("{command}_resp"));
    }
}

/// Everything that a carrier may send by itself.
fn everything_of_a_carrier(carrier: &mut Peer, client: &mut Peer) {
    let addresses = json!({
        "source_addr_ton": 1, "source_addr_npi": 1, "source_addr": "447700900777",
        "dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": "447700900555",
    });
    let with = |key: &str, text: &str| {
        let mut fields = addresses.clone();
        fields[key] = text.into();
        fields
    };
    carrier.order(&json!({ "do": "deliver_sm", "fields": with("short_message", "Seven") }));
    client.await_event("deliver", |event| event["text"] == "Seven");
    carrier.order(&json!({ "do": "data_sm", "fields": with("message_payload", "Eight") }));
    client.await_event("deliver", |event| event["text"] == "Eight");
    for answer in carrier.take("answered", 2, |_| true) {
        assert_eq!(answer["status"], 0, "{answer}");
    }
    carrier.order(&json!({ "do": "alert_notification", "fields": {
        "source_addr_ton": 1, "source_addr_npi": 1, "source_addr": "447700900777",
        "esme_addr_ton": 1, "esme_addr_npi": 1, "esme_addr": "447700900555",
        "ms_availability_status": 0,
    } }));
}

/// Every PDU that a run in which everything happens has.
const EVERYTHING: [&str; 33] = [
    "bind_transmitter",
    "bind_transmitter_resp",
    "bind_receiver",
    "bind_receiver_resp",
    "bind_transceiver",
    "bind_transceiver_resp",
    "unbind",
    "unbind_resp",
    "enquire_link",
    "enquire_link_resp",
    "submit_sm",
    "submit_sm_resp",
    "submit_multi",
    "submit_multi_resp",
    "deliver_sm",
    "deliver_sm_resp",
    "data_sm",
    "data_sm_resp",
    "query_sm",
    "query_sm_resp",
    "cancel_sm",
    "cancel_sm_resp",
    "replace_sm",
    "replace_sm_resp",
    "broadcast_sm",
    "broadcast_sm_resp",
    "query_broadcast_sm",
    "query_broadcast_sm_resp",
    "cancel_broadcast_sm",
    "cancel_broadcast_sm_resp",
    "alert_notification",
    "outbind",
    "generic_nack",
];

/// An SMPP account, a carrier that is connected to, and one that connects and asks to be bound to.
fn tables_of_everything(smpp: SocketAddr, carrier: SocketAddr, asked: SocketAddr) -> String {
    format!(
        "[[customers]]\nname = \"acme\"\nnumbers = [\"+447700900555\"]\n[customers.smpp]\n\
         system_id = \"acme\"\npassword = \"secret08\"\n[smpp]\nlisten = \"{smpp}\"\n\
         [[carriers]]\nname = \"peer\"\naddress = \"{carrier}\"\nsystem_id = \"postrider\"\n\
         password = \"secret08\"\nbinds = 2\nversion = \"5.0\"\n\
         [[carriers]]\nname = \"asking\"\nsystem_id = \"postrider\"\npassword = \"secret08\"\n\
         binds = 2\nbind = \"receiver\"\n[carriers.outbind]\nlisten = \"{asked}\"\n\
         system_id = \"asking\"\npassword = \"secret11\"\n\
         [[routes]]\nprefix = \"\"\ncarriers = [\"peer\"]\n"
    )
}

#[test]
fn wireshark_and_we_read_alike_a_run_in_which_everything_happens() {
    if !are_here(&["tshark", NODE]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = json!({ "password": "secret08", "interface_version": 0x50 });
    let (mut carrier, address) = node_carrier(folder.path(), &settings);
    let (smpp, asked) = (local(free_port()), local(free_port()));
    let [before, behind, beside] = [smpp, address, asked].map(Relay::before);
    let tables = tables_of_everything(smpp, behind.address, asked);
    let mut gateway = Gateway::start(folder.path(), &tables);
    gateway.await_ready();
    carrier.take("bind", 2, |_| true);
    for mode in ["trx", "tx", "rx"] {
        let (_, status) = NODE_SMPP.bind(folder.path(), before.address, mode, "wrong");
        assert_ne!(status, 0);
    }
    let (mut old, status) = NODE_SMPP.bind(folder.path(), before.address, "tx", "secret08");
    assert_eq!(status, 0);
    let nack = request(&mut old, "query_broadcast_sm", json!({ "message_id": "1" }));
    assert_eq!((&nack["command"], &nack["status"]), (&"generic_nack".into(), &3.into()));
    old.order(&json!({ "do": "unbind" }));
    old.next("closed");
    let (mut client, status) =
        NODE_SMPP.bind_as(folder.path(), before.address, "trx", "secret08", 0x50);
    assert_eq!(status, 0);
    everything_of_a_customer(&mut client);
    everything_of_a_carrier(&mut carrier, &mut client);
    carrier.order(&json!({ "do": "outbind", "port": beside.address.port(), "fields": {
        "system_id": "asking", "password": "secret11",
    } }));
    carrier.await_event("bind", |bind| bind["command"] == "bind_receiver");
    client.order(&json!({ "do": "enquire" }));
    client.next("enquired");
    gateway.stop();
    client.next("unbind");
    carrier.take("unbind", 3, |_| true);
    let mut all: Vec<Chunk> = Vec::new();
    for relay in [before, behind, beside] {
        let connections = all.iter().map(|chunk| chunk.connection + 1).max().unwrap_or(0);
        let chunks = relay.chunks().into_iter();
        all.extend(chunks.map(|it| Chunk { connection: it.connection + connections, ..it }));
    }
    let crossed = pdus(&all);
    let names: Vec<String> = crossed
        .iter()
        .map(|pdu| pdu_to_json(&pdu.octets)["command"].as_str().unwrap().to_owned())
        .collect();
    let missing: Vec<&str> =
        EVERYTHING.into_iter().filter(|name| !names.iter().any(|it| it == name)).collect();
    assert_eq!(missing, [""; 0], "everything happened");
    let met = assert_read_alike(folder.path(), &all, &names);
    println!("{} PDUs, misread by Wireshark: {met:?}", names.len());
}
