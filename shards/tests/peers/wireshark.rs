//! Wireshark as a reader of what crossed: a capture file written from a relay's record, since
//! capturing packets needs rights that not everybody has, and tshark's reading of it. Pure but for
//! the file and the child.
#![allow(clippy::wildcard_enum_match_arm, reason = "JSON has no further kinds of values")]

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::program;
use super::relay::Chunk;
use crate::common::{Ended, run_to_end};

/// The port that stands for the server's in every capture.
const SERVER_PORT: u16 = 2775;
/// The clients' ports begin here.
const CLIENT_PORT: u16 = 40_000;
/// What tshark may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What tshark reads.
pub(crate) struct Reading {
    /// The SMPP layers, in the order of the capture.
    pub(crate) pdus: Vec<Value>,
    /// Packets that it calls malformed, from 0.
    pub(crate) malformed: Vec<usize>,
}

/// A chunk that a connection of its own did not see: a PDU by itself.
pub(crate) fn alone(octets: Vec<u8>) -> Chunk {
    Chunk { connection: 0, to_server: true, octets }
}

/// Lets tshark read these chunks, each a packet.
pub(crate) fn read(folder: &Path, chunks: &[Chunk]) -> Reading {
    let file = folder.join("capture.pcap");
    std::fs::write(&file, capture(chunks)).unwrap();
    let said = tshark(&file, &["-T", "json", "--no-duplicate-keys", "-J", "smpp"]);
    // Octets above 0x7F of a text are written as they are: read them as Latin-1, as our own view.
    let packets: Vec<Value> = serde_json::from_str(&said).unwrap();
    let mut pdus = Vec::new();
    for packet in packets {
        match &packet["_source"]["layers"]["smpp"] {
            Value::Array(several) => pdus.extend(several.iter().cloned()),
            Value::Null => {}
            one => pdus.push(one.clone()),
        }
    }
    let said = tshark(&file, &["-Y", "_ws.malformed", "-T", "fields", "-e", "frame.number"]);
    let malformed = said.lines().map(|line| line.parse::<usize>().unwrap() - 1).collect();
    Reading { pdus, malformed }
}

fn tshark(capture: &Path, arguments: &[&str]) -> String {
    let mut command = program("tshark");
    command.arg("-r").arg(capture).args(arguments);
    command.arg("-d").arg(format!("tcp.port=={SERVER_PORT},smpp"));
    // What is inside a message may be anything: SMPP is what is looked at.
    command.args(["--disable-protocol", "wsp", "--disable-protocol", "gsm_sms_ud"]);
    let out = capture.with_extension("out");
    command.env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
    let Ended { code, stderr, .. } = run_to_end(into_file(command, &out), "", LIMIT);
    assert_eq!(code, Some(0), "tshark: {stderr}");
    std::fs::read(out).unwrap().into_iter().map(char::from).collect()
}

/// A shell that sends the command's output to a file: it need not be UTF-8.
fn into_file(command: std::process::Command, out: &Path) -> std::process::Command {
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "out=$1; shift; exec \"$@\" >\"$out\"", "sh"]).arg(out);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    shell
}

/// A capture file: one packet a chunk, IPv4 and TCP on loopback [RFC 791, 793], no link layer.
fn capture(chunks: &[Chunk]) -> Vec<u8> {
    let mut file = Vec::new();
    // Magic number of microseconds, version 2.4, zone, accuracy, longest packet, LINKTYPE_RAW.
    for word in [0xA1B2_C3D4_u32, 0x0002_0004, 0, 0, 0xFFFF, 101] {
        file.extend_from_slice(&word.to_be_bytes());
    }
    let connections = chunks.iter().map(|chunk| chunk.connection + 1).max().unwrap_or(0);
    let mut sent = vec![[1_u32; 2]; connections];
    for (at, chunk) in chunks.iter().enumerate() {
        let counts = &mut sent[chunk.connection];
        let client = CLIENT_PORT + u16::try_from(chunk.connection).unwrap();
        let (ports, own) = match chunk.to_server {
            true => ([client, SERVER_PORT], 0),
            false => ([SERVER_PORT, client], 1),
        };
        let packet = packet(ports, [counts[own], counts[1 - own]], &chunk.octets);
        counts[own] += u32::try_from(chunk.octets.len()).unwrap();
        let length = u32::try_from(packet.len()).unwrap();
        for word in [0, u32::try_from(at).unwrap(), length, length] {
            file.extend_from_slice(&word.to_be_bytes());
        }
        file.extend_from_slice(&packet);
    }
    file
}

/// `counts`: the numbers of sequence and acknowledgement. Checksums are left zero: not computed.
fn packet(ports: [u16; 2], counts: [u32; 2], octets: &[u8]) -> Vec<u8> {
    let length = u16::try_from(40 + octets.len()).unwrap();
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    for port in ports {
        packet.extend_from_slice(&port.to_be_bytes());
    }
    for count in counts {
        packet.extend_from_slice(&count.to_be_bytes());
    }
    // Five words of header, flags PSH and ACK, the widest window, no checksum, nothing urgent.
    packet.extend_from_slice(&[0x50, 0x18, 0xFF, 0xFF, 0, 0, 0, 0]);
    packet.extend_from_slice(octets);
    packet
}
