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

use std::path::Path;

use common::{HUNG, program, run_to_end};
use peers::are_here;
use peers::dissector::{Compared, Misreading, compare};
use peers::relay::{Chunk, pdus};
use peers::wireshark::{alone, read};
use serde_json::Value;

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
