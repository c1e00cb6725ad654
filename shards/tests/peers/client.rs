//! Client libraries of others as customers: each a child (`programs/`, `rusmppc/`) that takes the same
//! orders and tells the same events.
//!
//! Orders: `bind` {port, mode: trx | tx | rx, system_id, password, version}; `submit` {tag, from, to,
//! text, coding: gsm | ucs2, receipt}; `enquire`; `unbind`; and npm's smpp alone: `request` {command,
//! fields}, told as `response` {command, status, message_id, message_state, unsuccess_sme}. Events: `bound` {status, system_id};
//! `answered` {tag, part, parts, status, id}, one for each part that the library made; `deliver`
//! {esm_class, from, to, data_coding, udh, text, receipted_id, state, octets when they differ}; `enquire_link` and `unbind` of
//! the server; `enquired` and `unbound` {status}; `withheld` for a deliver_sm that the library does
//! not show; `closed`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{Peer, program, script};

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Library {
    pub(crate) name: &'static str,
    /// The program that it runs on.
    pub(crate) runtime: &'static str,
    script: Option<&'static str>,
    /// interface_version of its binds.
    version: u8,
    /// It knows UCS-2 by the letter, not UTF-16 with its pairs.
    pub(crate) no_pairs: bool,
}

pub(crate) const NODE_SMPP: Library = Library {
    name: "node-smpp",
    runtime: "node-smpp",
    script: Some("node_client.js"),
    version: 0x34,
    no_pairs: false,
};
pub(crate) const SMPPLIB: Library = Library {
    name: "smpplib",
    runtime: "python-smpp",
    script: Some("smpplib_client.py"),
    version: 0x34,
    no_pairs: false,
};
pub(crate) const AIOSMPPLIB: Library = Library {
    name: "aiosmpplib",
    runtime: "python-smpp",
    script: Some("aiosmpplib_client.py"),
    version: 0x34,
    no_pairs: false,
};
pub(crate) const RUSMPPC: Library =
    Library { name: "rusmppc", runtime: "rusmppc", script: None, version: 0x50, no_pairs: true };

impl Library {
    fn command(&self) -> Command {
        self.script.map_or_else(|| program(self.runtime), |file| script(self.runtime, file))
    }

    /// Starts a child and lets it try to bind; the child, and the status of the answer.
    pub(crate) fn bind(
        &self,
        folder: &Path,
        server: SocketAddr,
        mode: &str,
        password: &str,
    ) -> (Peer, u64) {
        self.bind_as(folder, server, mode, password, self.version)
    }

    /// The same with an interface_version of the test's choice.
    pub(crate) fn bind_as(
        &self,
        folder: &Path,
        server: SocketAddr,
        mode: &str,
        password: &str,
        version: u8,
    ) -> (Peer, u64) {
        let mut client = Peer::start(&format!("{}-{mode}", self.name), folder, self.command());
        client.order(&json!({
            "do": "bind", "port": server.port(), "mode": mode, "system_id": "acme",
            "password": password, "version": version,
        }));
        let status = client.next("bound")["status"].as_u64().unwrap();
        (client, status)
    }
}

/// Lets a client submit a text; the ids of its parts once each is answered.
pub(crate) fn submit(client: &mut Peer, from: &str, to: &str, text: &str) -> Vec<String> {
    let coding =
        if text.chars().all(|c| c.is_ascii() || "€£@".contains(c)) { "gsm" } else { "ucs2" };
    client.order(&json!({
        "do": "submit", "tag": to, "from": from, "to": to, "text": text, "coding": coding,
        "receipt": true,
    }));
    let answered = |event: &Value| event["tag"] == to;
    let mut ids = Vec::new();
    loop {
        let answer = client.await_event("answered", answered);
        assert_eq!(answer["status"], 0, "{answer}");
        ids.push(answer["id"].as_str().unwrap().to_owned());
        // Not every library tells how many parts it makes: its limit does then.
        let parts = answer["parts"].as_u64().unwrap_or_else(|| parts_of_aiosmpplib(text));
        if ids.len() as u64 == parts {
            return ids;
        }
    }
}

/// aiosmpplib cuts long texts of UCS-2 at 67 units, and others not at all.
fn parts_of_aiosmpplib(text: &str) -> u64 {
    let units = text.encode_utf16().count() as u64;
    if text.is_ascii() || units <= 70 { 1 } else { units.div_ceil(67) }
}
