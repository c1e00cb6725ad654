//! One misbehaving carrier and what it may expect: the vectors, the reactions, the checks that every
//! scenario makes. Test code; a scenario lives on its own thread, the stage is shared by all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::carrier::Script;
use super::pdu::{
    BIND_TRX_RESP, DELIVER_RESP, ENQUIRE_RESP, NACK, Pdu, RX_R_APPN, SUBMIT_MULTI_RESP,
    SUBMIT_RESP, receipt, taken, unhex,
};
use super::{KEY, await_status, message, submit};

/// Command, status, sequence number.
pub(crate) type Head = (u32, u32, u32);

/// The hostile PDUs, from the codec's own vectors.
pub(crate) struct Vectors(Value);

impl Vectors {
    pub(crate) fn load() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../smpp/tests/vectors/malformed.json");
        Vectors(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
    }

    pub(crate) fn list(&self, name: &str) -> &Vec<Value> {
        self.0[name].as_array().unwrap()
    }

    pub(crate) fn octets(&self, id: &str) -> Vec<u8> {
        let all = self.list("vectors").iter();
        let vector = all.into_iter().find(|vector| vector["id"] == id).unwrap();
        unhex(vector["hex"].as_str().unwrap())
    }
}

/// What all scenarios share.
pub(crate) struct Stage {
    pub(crate) vectors: Vectors,
    pub(crate) http: SocketAddr,
    /// Every message accepted.
    pub(crate) accepted: Mutex<Vec<(&'static str, String)>>,
    /// The vectors and streams that were played, by how often.
    pub(crate) played: Mutex<BTreeMap<String, u32>>,
    pub(crate) closes: AtomicUsize,
    pub(crate) reactions: AtomicUsize,
}

impl Stage {
    /// Submits a message to `to` and remembers it.
    pub(crate) fn submit(&self, to: &str) -> String {
        let id = submit(self.http, KEY, to);
        self.accepted.lock().unwrap().push((KEY, id.clone()));
        id
    }

    pub(crate) fn await_status(&self, id: &str, wanted: &str) -> Value {
        await_status(self.http, KEY, id, wanted)
    }

    pub(crate) fn status(&self, id: &str) -> String {
        message(self.http, KEY, id)["status"].as_str().unwrap().to_owned()
    }

    pub(crate) fn note(&self, id: &str) {
        *self.played.lock().unwrap().entry(id.to_owned()).or_default() += 1;
    }
}

/// One misbehaving carrier with its own numbers: those that begin with its prefix.
pub(crate) struct Scenario<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) script: Script,
    pub(crate) prefix: String,
    pub(crate) next_number: u32,
    pub(crate) next_sequence: u32,
}

impl Scenario<'_> {
    /// A number that is routed to this carrier.
    pub(crate) fn number(&mut self) -> String {
        self.next_number += 1;
        format!("{}{:06}", self.prefix, self.next_number)
    }

    pub(crate) fn sequence(&mut self) -> u32 {
        self.next_sequence += 1;
        self.next_sequence
    }

    /// Submits a message and waits until it is here: its id, its number, the connection, the
    /// submit_sm's sequence number.
    pub(crate) fn submitted(&mut self) -> (String, String, usize, u32) {
        let to = self.number();
        let id = self.stage.submit(&to);
        let (index, pdu) = self.script.next_submit();
        assert_eq!(pdu.destination(), to);
        (id, to, index, pdu.sequence)
    }

    /// Sends octets and checks exactly what comes back on a connection that lives on.
    pub(crate) fn reacts(&mut self, index: usize, name: &str, octets: &[u8], wanted: &[Head]) {
        self.script.send(index, octets);
        let seen = self.script.reactions(index, wanted.len());
        let seen: Vec<Head> = seen.iter().map(Pdu::head).collect();
        assert_eq!(seen, wanted, "{name}");
        self.stage.reactions.fetch_add(1, Ordering::SeqCst);
    }

    /// Sends a receipt and checks that it is answered with ESME_ROK.
    pub(crate) fn receipt(&mut self, index: usize, to: &str, id: &str, stat: &str) {
        let sequence = self.sequence();
        let pdu = receipt(sequence, to, id, stat);
        self.reacts(index, stat, &pdu.octets(), &[(DELIVER_RESP, 0, sequence)]);
    }

    /// Takes a message under `id` and delivers it.
    pub(crate) fn take_and_deliver(&mut self, index: usize, submit: u32, id: &str, to: &str) {
        self.script.send_pdu(index, &taken(submit, id));
        self.receipt(index, to, id, "DELIVRD");
    }

    /// Sends octets that end the connection; `nack`: whether a generic_nack comes before.
    pub(crate) fn closes(&mut self, index: usize, name: &str, octets: &[u8], nack: bool) {
        self.script.send(index, octets);
        self.script.closed(index);
        let seen: Vec<Head> = self.script.take(index).iter().map(Pdu::head).collect();
        let wanted = [(NACK, 2, 0)];
        assert_eq!(seen, if nack { &wanted[..] } else { &[] }, "{name}");
        self.stage.closes.fetch_add(1, Ordering::SeqCst);
    }

    /// The gateway is bound with two connections again and a message goes through.
    pub(crate) fn is_well(&mut self) {
        let open = self.script.bound(2);
        for index in open {
            assert_eq!(self.script.reactions(index, 0), []);
        }
        let (id, to, index, submit) = self.submitted();
        self.take_and_deliver(index, submit, &format!("well{to}"), &to);
        self.stage.await_status(&id, "delivered");
    }
}

/// What a gateway does with a vector on a bound session that it opened; `None` where the vector
/// needs a situation of its own.
pub(crate) fn reaction(id: &str) -> Option<Vec<Head>> {
    Some(match id {
        "cmd-unknown" | "cmd-huawei" => vec![(NACK, 3, 9)],
        "cmd-unknown-resp" | "no-body-deliver-resp" | "resp-unknown-seq" => vec![],
        // Nobody submits to a client.
        "cstr-unterminated" | "cstr-too-long" => vec![(SUBMIT_RESP, 4, 5)],
        "sm-length-overrun"
        | "tlv-unknown"
        | "tlv-int-wrong-length"
        | "both-sm-and-payload"
        | "time-month-13"
        | "request-with-status" => vec![(SUBMIT_RESP, 4, 6)],
        "submit-on-rx" => vec![(SUBMIT_RESP, 4, 1)],
        "submit_multi-dest-flag-3" => vec![(SUBMIT_MULTI_RESP, 4, 3)],
        "password-16" => vec![(BIND_TRX_RESP, 4, 1)],
        "stray-nul"
        | "tlv-dup"
        | "udhl-overrun"
        | "udh-ie-overrun"
        | "concat-total-0"
        | "concat-seq-gt-total" => vec![(DELIVER_RESP, RX_R_APPN, 6)],
        // Marked as receipts, of messages that nobody knows: parked.
        "tlv-zero" | "tlv-no-nul" => vec![(DELIVER_RESP, 0, 6)],
        "seq-0" => vec![(ENQUIRE_RESP, 0, 0)],
        "two-in-one" => vec![(ENQUIRE_RESP, 0, 1), (ENQUIRE_RESP, 0, 2)],
        "len-0"
        | "len-15"
        | "len-tls"
        | "len-huge"
        | "gnack-with-body"
        | "stray-3"
        | "body-on-error"
        | "bind-resp-no-body-ok"
        | "submit-in-open"
        | "congestion-in-34" => {
            return None;
        }
        other => panic!("no reaction is known for {other}"),
    })
}

/// The status that answers the same octets as deliver_sm: a message from a handset is refused, and
/// a PDU that cannot be read says why.
pub(crate) fn status_as_deliver(id: &str) -> u32 {
    match id {
        "cstr-unterminated" => 2,
        _ => RX_R_APPN,
    }
}
